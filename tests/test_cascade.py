"""The period-doubling cascade of the logistic map, by repeated switching."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import check_diagram

SPAN = (2.5, 3.6)
# 1 + sqrt(6) and Feigenbaum's sequence
DOUBLINGS = (3.0, 3.4494897428, 3.5440903596, 3.5644072661, 3.5687594196)


@pytest.fixture(scope="module")
def model():
    return nc.classics.logistic()


@pytest.fixture(scope="module")
def cascade(model):
    return nc.diagram(model, [0.6], free="r", p_span=SPAN, params={"r": 2.6}, depth=4)


def test_doublings_are_where_they_are_known_to_be(cascade):
    for depth, expected in enumerate(DOUBLINGS):
        (index,) = [i for i, origin in enumerate(cascade.origins) if origin.depth == depth]
        doublings = cascade[index].special_points("PD")
        assert len(doublings) == (1 if depth == 0 else 2)
        for point in doublings:
            assert point.converged
            assert point.p == pytest.approx(expected, abs=1e-8)


def test_every_orbit_is_followed_once(model, cascade):
    check_diagram(cascade, model, SPAN)
    assert [origin.period for origin in cascade.origins] == [1, 2, 4, 8, 16]
    assert [origin.parent for origin in cascade.origins] == [None, 0, 1, 2, 3]


def test_period_two_branch_is_the_closed_form(cascade):
    branch = cascade[1]
    r, x = branch.p, branch["x"]
    root = np.sqrt(np.maximum(r - 3.0, 0.0) * (r + 1.0))
    expected = np.where(x > (r + 1.0) / (2.0 * r), (r + 1.0 + root) / (2.0 * r), (r + 1.0 - root) / (2.0 * r))
    np.testing.assert_allclose(x, expected, atol=1e-7)
    assert branch.special_points[1].label == "PD"


def test_orbits_are_complete(cascade):
    """A branch and its images hold all points of its orbits: at the end of the span, period many."""
    for index, images in cascade.images.items():
        period = cascade.origins[index].period
        branch = cascade[index]
        assert images.shape == (period // 2 - 1, len(branch), 1)
        ends = np.concatenate([branch.x[[0, -1]], *images[:, [0, -1]]])[:, 0]
        ends = np.sort(ends)
        assert np.min(np.diff(ends)) > 1e-6
        image = np.sort(3.6 * ends * (1.0 - ends))
        np.testing.assert_allclose(image, ends, atol=1e-8)
    assert sorted(cascade.images) == [2, 3, 4]


def test_the_depth_limit_is_said(cascade):
    assert [each.point for each in cascade.unfollowed] == ["PD5"]
    assert all("depth=4" in each.reason for each in cascade.unfollowed)


def test_a_doubling_of_an_orbit_has_one_name_at_all_of_its_points(cascade):
    assert cascade.special_points.names == ("PD1", "PD2", "PD3", "PD4", "PD5")
    for number, r in enumerate(DOUBLINGS, 1):
        assert cascade.special_points[f"PD{number}"].p == pytest.approx(r, abs=1e-8)
    low, high = cascade[1].special_points("PD")
    assert low.name == high.name == "PD2"
    r = 1.0 + np.sqrt(6.0)
    root = np.sqrt((r - 3.0) * (r + 1.0))
    both = ((r + 1.0 - root) / (2.0 * r), (r + 1.0 + root) / (2.0 * r))
    assert sorted([low.x[0], high.x[0]]) == pytest.approx(both, abs=1e-9)
    assert cascade.branches_at("PD2") == (1, 2)
    assert [origin.point for origin in cascade.origins] == [None, "PD1", "PD2", "PD3", "PD4"]


def test_doubling_keeps_its_name(cascade):
    assert cascade.branches_at("PD1") == (0, 1)
    assert cascade[0].special_points["PD1"].label == "PD"
    assert cascade[1].special_points["PD1"].label == "BP"


def test_a_long_orbit_doubles_into_a_longer_one_and_nothing_else(model):
    """The sixth doubling, of period 32: a full first step from it would fall back onto the orbits of period 32."""
    period, start, span, birth = 32, 3.5692, (2.5, 3.58), 3.5696916098
    settled = 0.3
    for _ in range(20000):
        settled = start * settled * (1.0 - settled)
    iterate = model.power(period)
    found = nc.diagram(iterate, [[settled]], free="r", p_span=span, params={"r": start}, depth=1)
    check_diagram(found, iterate, span)
    doublings = found[0].special_points("PD")
    np.testing.assert_allclose([point.p for point in doublings], birth, atol=1e-9)
    assert len(doublings) == 2
    for point in doublings:
        (index,) = (i for i, origin in enumerate(found.origins) if origin.point == point.name)
        branch = found[index]
        assert branch.ends == (nc.Status.BOUND, nc.Status.BOUND)
        assert branch.p.min() == point.p
        assert [q.name for q in branch.special_points("BP")] == [point.name]
        halves = np.array([iterate.rhs(x, {"r": r}) - x for x, r in zip(branch.x, branch.p, strict=True)])
        assert np.count_nonzero(np.abs(halves) < 1e-9) == 1  # the birth
    assert all("depth" in each.reason for each in found.unfollowed)


def test_bubble_is_one_closed_branch():
    """x <- -(1 + mu (1 - mu)) x + x**3: period 2 at x**2 = mu (1 - mu), born at 0 and at 1."""
    m = nc.Model.from_equations({"x": "-(1 + mu*(1 - mu))*x + x**3"}, {"mu": -0.5}, kind="map")
    diagram = nc.diagram(m, [0.0], free="mu", p_span=(-0.9, 1.9))
    check_diagram(diagram, m, (-0.9, 1.9))
    assert [origin.period for origin in diagram.origins] == [1, 2]
    bubble = diagram[1]
    assert bubble.status is nc.Status.CLOSED
    np.testing.assert_allclose(bubble.x[:, 0] ** 2, bubble.p * (1.0 - bubble.p), atol=1e-9)
    assert diagram.branches_at("PD1") == diagram.branches_at("PD2") == (0, 1)


def test_orbits_born_at_a_branch_point_of_orbits_are_shown_whole():
    """Two coupled logistic maps: at r = 1 + sqrt(4.21) orbits leave the one in phase, at one of its two points."""
    equations = {"x": "r*x*(1 - x) + 0.05*(y - x)", "y": "r*y*(1 - y) + 0.05*(x - y)"}
    model = nc.Model.from_equations(equations, {"r": 2.95}, kind="map")
    found = nc.diagram(model, [0.6, 0.6], free="r", p_span=(2.95, 3.2), depth=2)
    (index,) = (i for i, origin in enumerate(found.origins) if origin.depth == 2)
    born = found.special_points[found.origins[index].point]
    assert abs(born.p - (1 + np.sqrt(4.21))) < 1e-9
    assert found.images[index].shape == (1, len(found[index]), 2)
    for row in (0, -1):
        x, r = found[index].x[row], found[index].p[row]
        image = found.images[index][0, row]
        expected = r * x * (1 - x) + 0.05 * (x[::-1] - x)
        np.testing.assert_allclose(image, expected, atol=1e-12)
        assert np.abs(image - x).max() > 0.01


@pytest.mark.parametrize(("c", "start"), [(1.0, -0.6), (0.25, -1.5), (40.0, -0.3)])
def test_a_fold_of_orbits_has_one_name_at_both_points(c, start):
    """x <- -(1 + mu) x - c x^3 + x^5: orbits x, -x with mu + c x^2 - x^4 = 0, which turn back at x^2 = c/2."""
    model = nc.Model.from_equations({"x": "-(1 + mu)*x - c*x**3 + x**5"}, {"mu": start, "c": c}, kind="map")
    low, span = -(c**2) / 4.0, (min(start, -(c**2) / 3.0), 0.5)
    diagram = nc.diagram(model, [0.0], free="mu", p_span=span, params={"mu": 0.25}, depth=1)
    check_diagram(diagram, model, span)
    (orbits,) = [branch for branch, origin in zip(diagram, diagram.origins, strict=True) if origin.period == 2]
    folds = orbits.special_points("LP")
    assert len(folds) == 2
    assert folds[0].name == folds[1].name
    assert sorted(fold.x[0] for fold in folds) == pytest.approx([-np.sqrt(c / 2.0), np.sqrt(c / 2.0)], abs=1e-7)
    assert [fold.p for fold in folds] == pytest.approx([low, low], rel=1e-9)
    assert diagram.special_points.names.count(folds[0].name) == 1


def test_orbits_that_are_images_of_each_other_by_a_symmetry_keep_their_own_names():
    """x <- -r x + x^3: at r = 2 the orbit x, -x splits in two; both double at r = sqrt(5)."""
    model = nc.Model.from_equations({"x": "-r*x + x**3"}, {"r": 0.5}, kind="map")
    diagram = nc.diagram(model, [0.0], free="r", p_span=(0.4, 2.25), depth=2)
    check_diagram(diagram, model, (0.4, 2.25))
    doublings = [q for branch in diagram for q in branch.special_points("PD") if q.p > 2.0]
    assert [q.p for q in doublings] == pytest.approx([np.sqrt(5.0)] * len(doublings), abs=1e-9)
    assert len({q.name for q in doublings}) == 2
    assert diagram.special_points("PD").names == ("PD1", *dict.fromkeys(q.name for q in doublings))
