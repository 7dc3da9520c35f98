"""Hard cases: special points at starts and bounds, side branches, closed branches, several at once."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import Status
from tests.invariants import check_branch


def found(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label not in ("EP", "UZ")]


def model(equation, **params):
    return nc.Model.from_equations({"x": equation}, params)


PITCHFORK = {"x": "mu*x - x**3"}


def test_branch_point_seen_from_the_side_branch_is_not_a_fold():
    m = model("mu*x - x**3", mu=0.5)
    branch = nc.continuation(m, [np.sqrt(0.5)], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-10))]
    assert branch.x.min() < -0.9  # it went through and out on the other half
    assert branch.x.max() > 0.9


def test_start_on_a_branch_point_is_reported_once():
    m = model("mu*x - x**3", mu=0.0)
    branch = nc.continuation(m, [0.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-12))]
    assert np.all(branch.x == 0.0)


def test_start_on_a_fold_is_reported_once():
    m = model("mu + x**2", mu=0.0)
    branch = nc.continuation(m, [0.0], free="mu", p_span=(-2, 1))
    check_branch(branch, m)
    assert found(branch) == [("LP", pytest.approx(0.0, abs=1e-12))]
    assert branch.x[0] * branch.x[-1] < 0


@pytest.mark.parametrize("direction", ["+", "-", "both"])
def test_start_on_a_hopf_point_is_reported(direction):
    m = nc.Model.from_equations({"x": "mu*x - y - x*(x**2+y**2)", "y": "x + mu*y - y*(x**2+y**2)"}, {"mu": 0.0})
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(-1, 1), direction=direction)
    check_branch(branch, m)
    assert found(branch) == [("H", pytest.approx(0.0, abs=1e-12))]
    assert branch.special_points["H1"].omega == pytest.approx(1.0, abs=1e-10)


def test_special_point_exactly_on_the_bound_is_reported():
    m = model("mu*x - x**3", mu=-0.5)
    branch = nc.continuation(m, [0.0], free="mu", p_span=(-1.0, 0.0))
    assert branch.status is Status.BOUND
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-9))]


def test_isola_closes_on_its_start():
    m = model("x**2 + p**2 - 1", p=0.0)
    branch = nc.continuation(m, [1.0], free="p", p_span=(-2, 2))
    check_branch(branch, m)
    assert branch.status is Status.CLOSED
    assert branch.x[0, 0] == branch.x[-1, 0]
    assert branch.p[0] == branch.p[-1]
    assert sorted(found(branch)) == [("LP", pytest.approx(-1.0, abs=1e-12)), ("LP", pytest.approx(1.0, abs=1e-12))]
    # once around: the angle grows by a full turn
    turn = np.unwrap(np.arctan2(branch.x[:, 0], branch.p))
    assert abs(turn[-1] - turn[0]) == pytest.approx(2 * np.pi, abs=1e-9)


def test_isola_in_other_units_takes_the_same_steps():
    small = model("x**2 + p**2 - 1", p=0.0)
    large = model("1e6*((x/1e3)**2 + (p/1e-2)**2 - 1)", p=0.0)
    a = nc.continuation(small, [1.0], free="p", p_span=(-2, 2))
    b = nc.continuation(large, [1000.0], free="p", p_span=(-0.02, 0.02))
    assert len(a) == len(b)
    np.testing.assert_allclose(a.x * 1e3, b.x, rtol=1e-6, atol=1e-3)


def test_two_branch_points_at_one_place_count_twice():
    m = nc.Model.from_equations({"x": "mu*x - x**3", "y": "mu*y - y**3"}, {"mu": -0.5})
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-9))]
    assert branch.special_points["BP1"].multiplicity == 2


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_close_branch_points_are_separated(gap):
    m = nc.Model.from_equations({"x": "mu*x - x**3", "y": "(mu - d)*y - y**3"}, {"mu": -0.5, "d": gap})
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert [q for q in found(branch) if q[0] == "BP"] == [
        ("BP", pytest.approx(0.0, abs=1e-10)),
        ("BP", pytest.approx(gap, abs=1e-10)),
    ]


@pytest.mark.parametrize("gap", [1e-2, 1e-4])
def test_hopf_close_to_a_branch_point(gap):
    m = nc.Model.from_equations(
        {"x": "(mu - d)*x - y - x**3", "y": "x + (mu - d)*y - y**3", "u": "mu*u - u**3"}, {"mu": -0.5, "d": gap}
    )
    branch = nc.continuation(m, [0.0, 0.0, 0.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-10)), ("H", pytest.approx(gap, abs=1e-10))]


def test_neutral_saddle_is_not_a_hopf_point():
    m = nc.Model.from_equations({"x": "mu*x + y*x", "y": "-y"}, {"mu": 0.5})
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(0.2, 2.0))
    check_branch(branch, m)
    assert found(branch) == [("NSad", pytest.approx(1.0, abs=1e-10))]


def test_map_with_real_multipliers_of_product_one_has_no_neimark_sacker_point():
    m = nc.Model.from_equations({"x": "mu*x", "y": "0.5*y"}, {"mu": 1.5}, kind="map")
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(1.2, 3.0))
    check_branch(branch, m)
    assert found(branch) == []


def test_default_network_crossings_are_all_found():
    """Gaps of 3e-3 in the gain; the points are 1/Re(lambda) exactly."""
    n = 100
    weights = np.random.default_rng(1).standard_normal((n, n)) / np.sqrt(n)
    net = nc.RateRNN(weights)
    branch = nc.continuation(net, np.zeros(n), free="gain", p_span=(0.2, 2.0), params={"gain": 0.2}, direction="+")
    check_branch(branch, net)
    lam = np.linalg.eigvals(weights)
    lam = lam[(lam.real > 0.5) & (lam.imag >= 0)]
    expected = sorted((1 / v.real, "BP" if v.imag == 0 else "H") for v in lam)
    got = [(q.p, q.label) for q in branch.special_points if q.label in ("BP", "H", "LP")]
    assert [label for _, label in got] == [label for _, label in expected]
    np.testing.assert_allclose([p for p, _ in got], [p for p, _ in expected], rtol=0, atol=1e-8)


@pytest.mark.parametrize("h", [1e-2, 1e-4, 1e-6, 1e-8])
def test_an_imperfect_pitchfork_is_not_jumped_across(h):
    """The branch passes the unfolded branch point within (h/2)**(1/3); steps are 50 times longer than the last gap."""
    m = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": h, "mu": 0.99})
    branch = nc.continuation(m, [-1.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("LP", pytest.approx(3 * (h / 2) ** (2 / 3), abs=1e-9))]
    assert np.all(branch.x < 0.0)
    upper = nc.continuation(m, [1.0], free="mu", p_span=(-1, 1))
    check_branch(upper, m)
    assert found(upper) == []
    assert np.all(upper.x > 0.0)


@pytest.mark.parametrize(
    ("h", "is_one"),
    [(1e-10, False), (1e-12, False), (1e-14, False), (1e-18, False), (1e-24, False), (1e-40, False), (1e-60, True)],
)
@pytest.mark.parametrize("start", [-1.0, -0.7])
def test_below_rounding_of_the_terms_an_imperfect_pitchfork_is_one(h, is_one, start):
    """A branch point is recorded with its imperfection, which is h, and the branch crosses to the other side there."""
    m = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": h, "mu": 0.99})
    branch = nc.continuation(m, [start], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    fold = ("LP", pytest.approx(3 * (h / 2) ** (2 / 3), rel=1e-5, abs=1e-26))
    crossing = ("BP", pytest.approx(0.0, abs=1e-9))
    assert sorted(found(branch)) == ([crossing] if is_one else [fold])
    assert [q.residual for q in branch.special_points("BP")] == ([pytest.approx(h, rel=1e-3)] if is_one else [])
    assert bool(branch.x.max() > 0.9) == is_one


@pytest.mark.parametrize("h", [1e-8, 1e-10, 1e-12, 3e-13, 1e-13, 3e-14])
@pytest.mark.parametrize("start", [0.3, 1.09])
def test_an_imperfect_transcritical_point_beside_no_zero(h, start):
    """With y = x - 0.3 and m = mu - 0.2: m = y + h/y turns back at y = sqrt(h), from either side."""
    m = nc.Model.from_equations({"x": "(mu - 0.2)*(x - 0.3) - (x - 0.3)**2 - h"}, {"h": h, "mu": 0.99})
    branch = nc.continuation(m, [start], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert found(branch) == [("LP", pytest.approx(0.2 + 2.0 * np.sqrt(h), abs=1e-9))]
    assert branch.p[[0, -1]].tolist() == [1.0, 1.0]
    assert branch.doubtful == ()


@pytest.mark.parametrize(("x", "r"), [(0.8, 3.3), (0.52, 3.2), (0.85, 3.4), (0.6, 3.05)])
def test_orbit_of_period_two_has_a_branch_point_and_no_fold_where_it_is_born(x, r):
    """The second iterate of the logistic map: no symmetry helps here; doublings at 1 + sqrt(6)."""
    m = nc.classics.logistic().power(2)
    branch = nc.continuation(m, [x], free="r", p_span=(2.8, 3.6), params={"r": r})
    check_branch(branch, m)
    assert sorted(found(branch)) == [
        ("BP", pytest.approx(3.0, abs=1e-9)),
        ("PD", pytest.approx(1 + np.sqrt(6), abs=1e-9)),
        ("PD", pytest.approx(1 + np.sqrt(6), abs=1e-9)),
    ]


def test_a_fold_is_exact_on_a_branch_that_goes_to_infinity_later():
    henon = nc.classics.henon()  # a x^2 + (1 - b) x - 1 = 0: fold at a = -(1 - b)^2/4, one branch to infinity at a = 0
    branch = nc.continuation(henon, [0.6, 0.2], free="a", p_span=(-0.3, 1.5), params={"a": 1.4})
    fold = branch.special_points["LP1"]
    assert np.abs(branch.x).max() > 1e4
    assert fold.converged
    assert fold.p == pytest.approx(-((1.0 - henon.params["b"]) ** 2) / 4.0, abs=1e-12)


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_equal_pairs_that_become_real_beyond_the_boundary_are_no_special_points(kind):
    # eigenvalues 1.5 +- sqrt(p - 1), twice
    equations = {"x": "1.5*x + y", "y": "(p - 1)*x + 1.5*y", "u": "1.5*u + v", "v": "(p - 1)*u + 1.5*v"}
    model = nc.Model.from_equations(equations, {"p": 0.5}, kind=kind)
    branch = nc.continuation(model, np.zeros(4), free="p", p_span=(0.0, 1.2))
    check_branch(branch, model)
    assert branch.special_points.labels == ("EP", "EP")


def test_eigenvalues_are_those_of_the_point_where_the_branch_goes_to_infinity():
    # x' = 1 - a x^2 + y - x, y' = 0.3 x - y: the equilibria go to infinity as a -> 0
    model = nc.Model.from_equations({"x": "1 - a*x**2 + y - x", "y": "0.3*x - y"}, {"a": 0.5})
    branch = nc.continuation(model, {"x": 0.9, "y": 0.3}, free="a", p_span=(1e-12, 1.4))
    x, a = branch["x"], branch["a"]
    trace, det = -2 * a * x - 2, (2 * a * x + 1) - 0.3
    root = np.sqrt(trace**2 / 4 - det + 0j)
    exact = np.sort(np.stack([trace / 2 - root, trace / 2 + root], axis=1).real, axis=1)
    np.testing.assert_allclose(np.sort(branch.eigenvalues.real, axis=1), exact, rtol=1e-9)
    below = nc.continuation(model, {"x": -2.0, "y": -0.6}, free="a", p_span=(1e-12, 1.4), direction="-")
    x, a = below["x"], below["a"]
    assert np.abs(x).max() > 1e7
    trace, det = -2 * a * x - 2, (2 * a * x + 1) - 0.3
    root = np.sqrt(trace**2 / 4 - det + 0j)
    exact = np.sort(np.stack([trace / 2 - root, trace / 2 + root], axis=1).real, axis=1)
    np.testing.assert_allclose(np.sort(below.eigenvalues.real, axis=1), exact, rtol=1e-7)
