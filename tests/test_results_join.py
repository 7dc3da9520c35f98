"""Two branches that share a point become one, with nothing lost and nothing twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from synthetic import cusp_branch, special

from ntkcont import InputError, Status
from ntkcont.results.branch import join
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoints, renumbered


def cut(branch, rows, ends=(Status.BOUND, Status.MAX_STEPS), shift=0.0):
    """Return some rows of a branch, with the special points between them and an end point at each end."""
    s = branch.s[rows]
    points = [point for point in branch.special_points if s[0] <= point.s <= s[-1]]
    points = [special("EP", "EP1", branch.p[rows][0], branch.x[rows][0], s[0], ("x",)), *points]
    points += [special("EP", "EP2", branch.p[rows][-1], branch.x[rows][-1], s[-1], ("x",))]
    moved = [
        dataclasses.replace(p, s=p.s + shift, bracket=(p.bracket[0] + shift, p.bracket[1] + shift)) for p in points
    ]
    columns = {
        name: getattr(branch, name)[rows] for name in ("p", "x", "tangent", "eigenvalues", "stable", "n_unstable")
    }
    return dataclasses.replace(
        branch,
        **columns,
        s=s + shift,
        special_points=renumbered(moved),
        ntk=None if branch.ntk is None else branch.ntk.take(rows),
        ends=ends,
        status=ends[1],
    )


def test_the_pieces_of_a_branch_give_the_branch_again():
    whole = cusp_branch()
    left, right = cut(whole, slice(0, 101)), cut(whole, slice(100, None), (Status.START, Status.BOUND), shift=-7.0)
    joined = join(left, right)
    for name in ("p", "x", "eigenvalues", "stable", "n_unstable", "tangent"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    np.testing.assert_allclose(joined.s, whole.s, rtol=0, atol=1e-14)
    assert joined.special_points.names == ("EP1", "LP1", "LP2", "EP2")  # no end points at the joint, LP numbered anew
    assert [p.s for p in joined.special_points("LP")] == pytest.approx([p.s for p in whole.special_points])
    assert joined.special_points["LP2"].bracket == pytest.approx(whole.special_points["LP2"].bracket)
    assert joined.ntk == whole.ntk
    assert joined.ends == (Status.BOUND, Status.BOUND)
    assert joined.status == Status.BOUND


def test_arclength_that_agrees_already_is_kept_to_the_bit():
    whole = cusp_branch()
    joined = join(cut(whole, slice(0, 60)), cut(whole, slice(59, None)))
    assert np.array_equal(joined.s, whole.s)


def test_a_special_point_found_by_both_at_the_joint_is_kept_once():
    whole = cusp_branch()
    at = special("BP", "BP1", whole.p[50], whole.x[50], whole.s[50], ("x",))
    whole = dataclasses.replace(whole, special_points=SpecialPoints([at, *whole.special_points]))
    joined = join(cut(whole, slice(0, 51)), cut(whole, slice(50, None)))
    assert joined.special_points.labels.count("BP") == 1


def test_a_kernel_that_one_piece_lacks_becomes_nan_there():
    whole = cusp_branch()
    left = cut(whole, slice(0, 101))
    right = cut(whole, slice(100, None)).with_ntk(None)
    joined = join(left, right)
    assert np.array_equal(joined.ntk.top[:101], whole.ntk.top[:101])
    assert np.isnan(joined.ntk.top[101:]).all()
    fewer = Signatures({"top": right.x[:, 0], "eigenvalues": right.x}, {})  # one mode instead of three
    joined = join(left, right.with_ntk(fewer))
    assert joined.ntk.eigenvalues.shape == (201, 3)
    assert np.array_equal(joined.ntk.eigenvalues[101:, 0], whole.x[101:, 0])
    assert np.isnan(joined.ntk.eigenvalues[101:, 1:]).all()


def test_the_status_tells_of_the_end_that_needs_action():
    whole = cusp_branch()
    left = cut(whole, slice(0, 101), ends=(Status.NOT_FINITE, Status.MAX_STEPS))
    right = cut(whole, slice(100, None), ends=(Status.START, Status.BOUND))
    assert join(left, right).status == Status.NOT_FINITE
    assert join(left, right).ends == (Status.NOT_FINITE, Status.BOUND)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "map"}, r"kind: the branches differ \('flow' and 'map'\)"),
        ({"params": {"h": 0.0, "c": 1.0}}, r"params\['c'\]: the branches differ \(None and 1.0\)"),
    ],
)
def test_branches_of_different_problems_are_refused(change, message):
    whole = cusp_branch()
    right = dataclasses.replace(cut(whole, slice(100, None)), **change)
    with pytest.raises(InputError, match=message):
        join(cut(whole, slice(0, 101)), right)


def test_branches_that_do_not_meet_are_refused():
    whole = cusp_branch()
    with pytest.raises(InputError, match=r"right: it starts at h=.* they must share that point"):
        join(cut(whole, slice(0, 101)), cut(whole, slice(110, None)))


def test_renumbering_orders_by_arclength_and_keeps_names_of_the_user():
    points = [special("H", "H7", s, 0, s, ("x",)) for s in (3.0, 1.0)]
    points.append(special("UZ", "half", 0, 0, 2.0, ("x",)))
    points.append(special("UZ", "half#1", 0, 0, 4.0, ("x",)))  # of another piece
    assert renumbered(points).names == ("H1", "half#1", "H2", "half#2")
