"""Branches that pass one point twice: it is one point, with one name, and leads to no branch that is known."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import checked
from tests.invariants import check_branch

#: p^2 = x^2 - x^4: closed, crosses itself at the origin with slopes +-1, turns back at x^2 = 1/2, p^2 = 1/4.
EIGHT = "p**2 - x**2 + x**4"


def one(text, **params):
    return nc.Model.from_equations({"x": text}, params)


@pytest.fixture(scope="module")
def branch():
    m = one(EIGHT, p=0.0)
    found = nc.continuation(m, [1.0], free="p", p_span=(-1, 1))
    check_branch(found, m, p_span=(-1, 1))
    return found


def test_a_figure_of_eight_passes_its_crossing_twice_under_one_name(branch):
    assert branch.status is nc.Status.CLOSED
    first, second = branch.special_points("BP")
    assert first.name == second.name == "BP1"
    for point in (first, second):
        assert point.converged
        assert max(abs(point.p), abs(point.x[0])) < 1e-12
    slopes = [point.tangent[1] / point.tangent[0] for point in (first, second)]
    assert sorted(slopes) == pytest.approx([-1.0, 1.0], abs=1e-3)  # of the chord across it
    # between the passages lies one lobe, beyond them the other: each with its side and its two folds
    between = (branch.s > first.s) & (branch.s < second.s)
    beyond = (branch.s < first.s) | (branch.s > second.s)
    side = np.sign(branch.x[between, 0])
    assert np.all(side == side[0])
    assert np.all(np.sign(branch.x[beyond, 0]) == -side[0])
    folds = branch.special_points("LP")
    assert [np.sign(q.x[0]) * side[0] for q in folds] == [1.0 if first.s < q.s < second.s else -1.0 for q in folds]
    for each in (1.0, -1.0):
        assert sorted(q.p for q in folds if np.sign(q.x[0]) == each) == pytest.approx([-0.5, 0.5], abs=1e-10)


def test_the_name_looks_up_the_first_passage(branch):
    assert branch.special_points["BP1"] is branch.special_points("BP")[0]
    assert branch.special_points.names.count("BP1") == 2


def test_folds_of_the_eight_are_four_points(branch):
    folds = branch.special_points("LP")
    assert {q.name for q in folds} == {"LP1", "LP2", "LP3", "LP4"}
    np.testing.assert_allclose([abs(q.p) for q in folds], 0.5, atol=1e-10)
    np.testing.assert_allclose([q.x[0] ** 2 for q in folds], 0.5, atol=1e-9)


def test_files_keep_both_passages(branch, tmp_path):
    assert nc.load(branch.save(tmp_path / "eight.npz")) == branch


@pytest.mark.parametrize("start", [1.0, -1.0, 0.0])
def test_diagram_lists_the_crossing_once_and_follows_the_eight_once(start):
    diagram = checked(one(EIGHT, p=0.0), [[start]], free="p", p_span=(-1, 1))
    assert len(diagram) == 1
    assert sorted(diagram.special_points.names) == ["BP1", "LP1", "LP2", "LP3", "LP4"]
    assert diagram.branches_at("BP1") == (0,)
    assert not diagram.unfollowed
    row = [line for line in repr(diagram).splitlines() if line.startswith("BP1")]
    assert len(row) == 1
    x, p = diagram[0].x[:, 0], diagram[0].p
    np.testing.assert_allclose(p**2, x**2 - x**4, atol=1e-10)
    assert x.min() < -0.999
    assert x.max() > 0.999


def test_a_loop_that_does_not_close():
    """x^2 = p^2 (p + 1): from infinity through the origin around a loop and back through the origin."""
    m = one("x**2 - p**2*(p + 1)", p=0.5)
    diagram = checked(m, [[0.5 * np.sqrt(1.5)]], free="p", p_span=(-2, 1))
    assert len(diagram) == 1
    assert sorted(diagram.special_points.names) == ["BP1", "LP1"]
    assert diagram.special_points["LP1"].p == pytest.approx(-1.0, abs=1e-12)
    assert [q.name for q in diagram[0].special_points("BP")] == ["BP1", "BP1"]


def test_another_branch_through_the_eight():
    """The line x = 3 p + 1/2 meets it at four further points, which the line shares."""
    m = one(f"({EIGHT})*(x - 3*p - 0.5)", p=0.0)
    diagram = checked(m, [[1.0]], free="p", p_span=(-1, 1))
    assert len(diagram) == 2
    crossings = [q for q in diagram.special_points("BP") if diagram.branches_at(q.name) == (0,)]
    (own,) = crossings
    assert max(abs(own.p), abs(own.x[0])) < 1e-9
    shared = sorted(q.x[0] for q in diagram.special_points("BP") if diagram.branches_at(q.name) == (0, 1))
    roots = np.roots([1.0, 0.0, 1.0 / 9.0 - 1.0, -1.0 / 9.0, 1.0 / 36.0])  # x^4 - x^2 + (x - 1/2)^2 / 9
    np.testing.assert_allclose(shared, np.sort(roots.real), atol=1e-8)


def test_a_closed_branch_that_starts_on_its_fold_names_it_once():
    m = one("x**2 + p**2 - 0.25", p=0.5)
    found = nc.continuation(m, [0.0], free="p", p_span=(-1, 1))
    check_branch(found, m, p_span=(-1, 1))
    assert found.status is nc.Status.CLOSED
    assert {(q.name, round(q.p, 9)) for q in found.special_points("LP")} == {("LP1", 0.5), ("LP2", -0.5)}


def test_a_start_where_nothing_can_be_followed_is_said():
    """p^2 + x^2 = 0 is one point."""
    with pytest.raises(nc.ConvergenceError, match="starts: none gives a branch"):
        nc.diagram(one("p**2 + x**2", p=0.0), [[0.0]], free="p", p_span=(-1, 1))
