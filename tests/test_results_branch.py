"""A branch is named read-only columns that hold what was given, or a clear error at construction."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from synthetic import FOLD, cusp_branch, hopf_branch, special

from ntkcont import InputError, Status
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoints


def test_columns_are_read_by_name():
    branch = hopf_branch()
    assert np.array_equal(branch["mu"], branch.p)
    assert np.array_equal(branch["y"], branch.x[:, 1])
    assert np.array_equal(branch["omega"], np.full(101, 2.0))  # fixed parameter: constant
    assert np.array_equal(cusp_branch()["top"], cusp_branch().ntk.top)
    assert len(branch) == 101
    assert branch.n == 2


def test_a_misspelt_column_names_the_nearest():
    with pytest.raises(
        InputError, match="column: 'participation_ration' is unknown; did you mean 'participation_ratio'"
    ):
        cusp_branch()["participation_ration"]


def test_nothing_can_be_written_to_and_nothing_is_shared_with_the_caller():
    given = np.linspace(0.0, 1.0, 201)
    branch = dataclasses.replace(cusp_branch(), p=given)
    given[0] = 99.0
    assert branch.p[0] == 0.0
    for column in (branch.p, branch.x, branch.eigenvalues, branch["x"], branch["h"], branch.ntk.top):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        branch.p = given
    with pytest.raises(TypeError, match="read-only"):
        branch.provenance["model"] = 1
    with pytest.raises(TypeError, match="read-only"):
        branch.special_points[0].params.update(h=1.0)


def test_a_derived_branch_shares_the_memory_of_the_first():
    branch = cusp_branch()
    assert branch.with_ntk(None).x is branch.x  # a branch of a large network is not copied by annotating it


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("x", np.zeros((201, 2)), r"x: shape \(201, 2\) was given; it must be \(201, 1\)"),
        ("stable", np.zeros(3, bool), r"stable: shape \(3,\) was given; it must be \(201,\)"),
        ("s", np.zeros(201), r"s: arclength must increase, but s\[1\] <= s\[0\]"),
        ("x", 1j * np.ones((201, 1)), "x: complex numbers were given; it must be real"),
        ("p", ["a"] * 201, "p: list cannot be read as an array of float64"),
        ("kind", "flows", "kind: 'flows' is unknown; it may be 'flow' or 'map'"),
        ("ntk", Signatures({"top": np.ones(3)}), "ntk: 3 rows given for 201 points"),
    ],
)
def test_what_does_not_fit_is_refused_at_construction(field, value, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(cusp_branch(), **{field: value})


def test_equality_compares_all_data_and_nan_equals_nan():
    branch = cusp_branch()
    holed = np.array(branch.eigenvalues)
    holed[3] = np.nan
    one = dataclasses.replace(branch, eigenvalues=holed)
    assert one == dataclasses.replace(branch, eigenvalues=holed.copy(), model=None)
    assert one != branch
    assert branch != dataclasses.replace(branch, provenance={"model": {"description": "another"}})
    assert branch != branch.with_ntk(None)
    assert branch != "branch"


def test_pickle_and_copy_give_an_equal_and_still_frozen_branch():
    branch = cusp_branch()
    back = pickle.loads(pickle.dumps(branch))
    assert back == branch
    assert not back.x.flags.writeable
    assert copy.deepcopy(branch) is branch


def test_segments_are_runs_of_constant_stability_with_shared_ends():
    branch = cusp_branch()
    segments = branch.segments()
    assert [stable for _, stable in segments] == [True, False, True]
    for (left, _), (right, _) in itertools.pairwise(segments):
        assert left.stop - 1 == right.start  # one shared point: no gap in the drawn curve
    assert segments[0][0].start == 0
    assert segments[-1][0].stop == len(branch)
    for rows, stable in segments:
        inner = branch.stable[rows][1:-1]
        assert np.all(inner == stable)


def test_segments_of_a_branch_without_change_or_without_points():
    branch = cusp_branch(limit=0.4)
    assert branch.segments() == [(slice(0, 201), False)]
    empty = hopf_branch(k=0)
    assert empty.segments() == []
    assert "0 points" in repr(empty)


def test_reversed_runs_the_other_way():
    branch = cusp_branch()
    back = branch.reversed()
    assert np.array_equal(back.p, branch.p[::-1])
    assert np.array_equal(back.s, -branch.s[::-1])
    assert np.array_equal(back.tangent, -branch.tangent[::-1])
    assert [point.name for point in back.special_points] == ["LP1", "LP2"]  # numbered along the branch
    assert back.special_points["LP1"].p == branch.special_points["LP2"].p
    assert np.array_equal(back.ntk.top, branch.ntk.top[::-1])
    assert back.reversed() == branch


def test_with_ntk_replaces_the_kernel_here_and_at_the_special_points():
    branch = cusp_branch(kernel=False)
    new = branch.with_ntk(Signatures({"top": np.arange(201.0)}), [{"g": 0.0}, {"g": 1.0}])
    assert new.ntk.top[5] == 5.0
    assert new.special_points["LP2"].ntk == {"g": 1.0}
    assert branch.ntk is None
    with pytest.raises(InputError, match="special: 1 were given for 2 special points"):
        branch.with_ntk(None, [{"g": 0.0}])


def test_repr_has_one_header_line_and_an_aligned_table():
    lines = repr(cusp_branch()).splitlines()
    assert lines[0].startswith("Branch of a flow in h from -1.875 to 1.875: 201 points, 1 state, equilibrium kernel;")
    assert str(Status.BOUND) in lines[0]
    assert len(lines) == 4
    assert lines[1].split()[:4] == ["name", "h", "x", "unstable"]
    assert lines[2].split()[0] == "LP1"
    assert "0 -> 1" in lines[2]
    assert "1 -> 0" in lines[3]
    column = lines[1].index("residual")
    assert all(line[column : column + 8] == "1.0e-14".rjust(8) for line in lines[2:])


def test_repr_of_a_large_network_shows_the_norm_not_500_states():
    states = tuple(f"z{i}" for i in range(500))
    points = SpecialPoints([special("BP", "BP1", 1.0, np.full(500, 0.1), 1.0, states)])
    assert repr(points).splitlines()[0].split()[:3] == ["name", "h", "|x|"]
    assert f"{0.1 * np.sqrt(500):.6g}" in repr(points)


def test_html_is_escaped():
    branch = dataclasses.replace(
        cusp_branch(kernel=False),
        free="<b>",
        special_points=SpecialPoints([special("UZ", "<script>", 0.0, 0.0, 1.0, ("x",))]),
    )
    page = branch._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
    assert page.count("<tr>") == 2


def test_stability_change_of_points_that_share_a_step():
    branch = cusp_branch(k=7, limit=1.5)  # x = -1.5, -1, -0.5, 0, ...: LP1 alone between two points
    assert branch.stability_change(branch.special_points["LP1"]) == (0, 1)
    neutral = special("NSad", "NSad1", 0.38, -0.6, branch.special_points["LP1"].s - 0.01, ("x",))
    both = dataclasses.replace(branch, special_points=SpecialPoints([neutral, *branch.special_points]))
    assert both.stability_change(neutral) == (0, 0)  # the fold beside it makes the change
    assert both.stability_change(both.special_points["LP1"]) == (0, 1)


def test_the_folds_of_the_synthetic_curve_are_where_theory_has_them():
    assert [point.p for point in cusp_branch().special_points] == pytest.approx([2 * FOLD / 3, -2 * FOLD / 3])
