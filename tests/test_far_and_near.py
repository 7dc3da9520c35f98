"""Branches that go to infinity and come back, short arcs at a bound, starts on crossings, and units of any size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import Status
from tests.invariants import check_branch


def one(text, **params):
    return nc.Model.from_equations({"x": text}, params)


def found(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label != "EP"]


# ------------------------------------------------------------------------------------------------ infinity


@pytest.fixture(scope="module")
def beyond():
    """One root of a x^2 = x + 0.1 goes to infinity where a does to zero, with an eigenvalue 2e-4 from zero there."""
    m = nc.Model.from_equations({"x": "x-a*x**2+0.1", "y": "(a*x-0.9998)*y"}, {"a": 0.5})
    return m, nc.continuation(m, [2.1, 0.0], free="a", p_span=(-0.5, 1.4))


def test_a_branch_through_infinity_ends_there(beyond):
    m, branch = beyond
    check_branch(branch, m, p_span=(-0.5, 1.4))
    assert branch.ends == (Status.UNBOUNDED, Status.BOUND)
    assert found(branch) == []  # a x = 0.9998 and a x = 1/2 lie on the other side, at a < 0
    assert branch["x"].max() > 1e6


def test_every_point_on_the_way_to_infinity_is_a_solution(beyond):
    _, branch = beyond
    a, x = branch.p, branch["x"]
    terms = np.abs(x) + np.abs(a * x**2) + 0.1
    assert np.max(np.abs(x - a * x**2 + 0.1) / terms) < 1e-15
    np.testing.assert_allclose(x, (1.0 + np.sqrt(1.0 + 0.4 * a)) / (2.0 * a), rtol=1e-12)


def test_both_ends_may_be_at_infinity():
    """p = x/(1 + x^2) turns back at x = +-1."""
    m = one("p - x/(1 + x**2)", p=0.25)
    branch = nc.continuation(m, [3.7], free="p", p_span=(-1, 1))
    assert branch.ends == (Status.UNBOUNDED, Status.UNBOUNDED)
    assert found(branch) == [("LP", pytest.approx(0.5, abs=1e-12)), ("LP", pytest.approx(-0.5, abs=1e-12))]
    np.testing.assert_allclose(branch.p, branch["x"] / (1.0 + branch["x"] ** 2), rtol=1e-9, atol=1e-17)


def test_a_branch_comes_back_from_far_away():
    """p = sin(t), x = 1/(1 + e - cos(t)): to 1/e and back, closed."""
    m = one("p**2 + (1 + e - 1/x)**2 - 1", p=0.0, e=1e-4)
    branch = nc.continuation(m, [1.0 / 2.0001], free="p", p_span=(-2, 2))
    assert branch.status is Status.CLOSED
    assert sorted(found(branch)) == [("LP", pytest.approx(-1.0, abs=1e-12)), ("LP", pytest.approx(1.0, abs=1e-12))]
    assert branch["x"].max() == pytest.approx(1e4, rel=1e-3)
    turn = np.unwrap(np.arctan2(branch.p, 1.0001 - 1.0 / branch["x"]))
    assert abs(turn[-1] - turn[0]) == pytest.approx(2.0 * np.pi, abs=1e-9)


@pytest.mark.parametrize(
    ("equations", "start"),
    [
        ({"x": "-x + g*softplus(x)"}, [0.5]),
        ({"x": "-x + g*softplus(x)", "y": "-2*y + x"}, [0.5, 0.2]),
        ({"x": "-x + g*softplus(y)", "y": "-2*y + 2*g*softplus(x)"}, [0.5, 0.5]),
    ],
)
def test_no_fold_where_the_parameter_stands_still_to_rounding(equations, start):
    """g = x/log(1 + exp(x)) grows to 1, which it reaches but for 1e-17 at x = 40."""
    m = nc.Model.from_equations(equations, {"g": 0.5})
    branch = nc.continuation(m, start, free="g", p_span=(0, 4))
    assert branch.ends == (Status.BOUND, Status.UNBOUNDED)
    assert found(branch) == []
    assert branch.p[-1] == pytest.approx(1.0, abs=1e-15)
    assert 50.0 < branch["x"].max() < 1e8


@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("seed", [1, 3])
def test_networks_that_grow_without_bound_have_no_folds_of_rounding(seed, bias):
    rng = np.random.default_rng(seed)
    n = 6
    weights = 1.5 * np.abs(rng.standard_normal((n, n))) / np.sqrt(n)
    net = nc.RateRNN(weights, b=bias * rng.standard_normal(n), sign=[1, 1, 1, 1, -1, -1], phi="softplus", form="rate")
    branch = nc.continuation(net, np.zeros(n), free="gain", p_span=(0, 4), params={"gain": 0.0})
    assert branch.ends == (Status.BOUND, Status.UNBOUNDED)
    folds = branch.special_points("LP")
    assert len(folds) == 1
    assert folds[0].converged
    matrix = net.jac(folds[0].x, {"gain": folds[0].p})
    assert np.min(np.abs(np.linalg.eigvals(matrix))) < 1e-9
    assert branch.p.max() == pytest.approx(folds[0].p, rel=1e-3)  # the turn that the points show


@pytest.mark.parametrize("h", [1e-13, 2e-13, 3e-14])
@pytest.mark.parametrize("shift", [0.0, 1e-9])
def test_a_branch_that_only_starts_tiny_does_not_go_to_infinity(h, shift):
    """x = -h/mu looks like a pole at mu = 0 until the cube counts, at x of the size of h^(1/3): mu = x^2 - h/x."""
    m = one("h + (mu-s)*x - x**3", h=h, mu=-1.0, s=shift)
    branch = nc.continuation(m, [0.0], free="mu", p_span=(-1, 1))
    check_branch(branch, m, p_span=(-1, 1))
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == []
    x = branch["x"]
    np.testing.assert_allclose(branch.p, shift + x**2 - h / x, rtol=1e-8, atol=1e-10)
    assert x[-1] == pytest.approx(1.0, abs=1e-8)


# ------------------------------------------------------------------------------------------------ arcs at a bound


@pytest.mark.parametrize("span", [(-10.0, 1e-4), (-5.0, 0.0), (-10.0, 0.0), (-1.0, 1e-4)])
def test_an_arc_much_shorter_than_the_span_is_followed_through_its_fold(span):
    """mu = (x - 0.01)^2 - 1e-4 from x = 0 leaves the span on both sides of its fold."""
    m = one("mu-(x-.01)**2+1e-4", mu=0.0)
    branch = nc.continuation(m, [0.0], free="mu", p_span=span)
    check_branch(branch, m, p_span=span)
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == [("LP", pytest.approx(-1e-4, abs=1e-12))]
    reach = np.sqrt(span[1] + 1e-4)
    np.testing.assert_allclose(np.sort(branch["x"][[0, -1]]), [0.01 - reach, 0.01 + reach], atol=1e-12)


@pytest.mark.parametrize("span", [(0.0, 30.0), (0.0, 100.0), (-1e-3, 100.0)])
def test_an_arc_of_a_slow_oscillation(span):
    """mu = x - 1.02 sin(x) turns back at cos(x) = 1/1.02, mu = 0.0026."""
    m = one("mu-x+1.02*sin(x)", mu=0.0)
    branch = nc.continuation(m, [0.0], free="mu", p_span=span)
    check_branch(branch, m, p_span=span)
    turn = np.arccos(1.0 / 1.02)
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == [("LP", pytest.approx(1.02 * np.sin(turn) - turn, abs=1e-12))]
    assert branch["x"].min() < -turn
    np.testing.assert_array_equal(branch.p[[0, -1]], span[0])


# ------------------------------------------------------------------------------------------------ starts on crossings


@pytest.mark.parametrize("start", [0.0, 1e-3, -1e-2])
def test_a_start_on_the_node_of_an_eight(start):
    """x^2 - x^4 = mu^2 crosses itself at the origin and has four folds, at x^2 = 1/2."""
    m = one("x**2-x**4-mu**2", mu=0.0)
    branch = nc.continuation(m, [start], free="mu", p_span=(-1, 1))
    check_branch(branch, m, p_span=(-1, 1))
    assert branch.status is Status.CLOSED
    assert {q.name for q in branch.special_points if q.label != "EP"} == {"BP1", "LP1", "LP2", "LP3", "LP4"}
    assert len(branch.special_points("LP")) == 4
    np.testing.assert_allclose([q.x[0] ** 2 for q in branch.special_points("LP")], 0.5, atol=1e-9)
    # the start, half way round, and the start again: each lobe has its own side and its two folds
    s = [q.s for q in branch.special_points("BP")]
    assert len(s) == 3
    assert [s[0], s[2]] == pytest.approx(branch.s[[0, -1]], abs=1e-4)
    sides = []
    for low, high in itertools.pairwise(s):
        lobe = branch.x[(branch.s > low) & (branch.s < high), 0]
        folds = [q for q in branch.special_points("LP") if low < q.s < high]
        sides.append(np.sign(lobe[len(lobe) // 2]))
        assert np.all(np.sign(lobe) == sides[-1])
        assert np.max(np.abs(lobe)) == pytest.approx(1.0, abs=1e-2)  # x^2 - x^4 = 0 at x = +-1
        assert [np.sign(q.x[0]) for q in folds] == [sides[-1]] * 2
        assert sorted(q.p for q in folds) == pytest.approx([-0.5, 0.5], abs=1e-10)
    assert sorted(sides) == [-1.0, 1.0]
    assert all(max(abs(q.p), abs(q.x[0])) < 1e-12 for q in branch.special_points("BP"))


@pytest.mark.parametrize("start", [[0.0, 0.0], [1e-3, 0.0], [1e-2, 0.5]])
def test_a_start_on_the_node_with_a_second_state(start):
    m = nc.Model.from_equations({"x": "x**2-x**4-mu**2", "y": "x-y"}, {"mu": 0.0})
    branch = nc.continuation(m, start, free="mu", p_span=(-1, 1), direction="+")
    check_branch(branch, m, p_span=(-1, 1))
    assert {q.name for q in branch.special_points("LP")} == {"LP1", "LP2", "LP3", "LP4"}
    assert {q.name for q in branch.special_points("BP")} == {"BP1"}


@pytest.mark.parametrize("start", [0.0, 1e-3])
def test_a_start_where_two_lines_cross_follows_one_of_them(start):
    m = one("(x-mu)*(x+2*mu)", mu=0.0)
    branch = nc.continuation(m, [start], free="mu", p_span=(-1, 1))
    check_branch(branch, m, p_span=(-1, 1))
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == [("BP", pytest.approx(0.0, abs=1e-12))]
    slope = branch["x"][-1] / branch.p[-1]
    assert min(abs(slope - 1.0), abs(slope + 2.0)) < 1e-12
    np.testing.assert_allclose(branch["x"], slope * branch.p, atol=1e-12)


# ------------------------------------------------------------------------------------------------ units


@pytest.mark.parametrize("unit", [1e-30, 1e-16, 1e16, 1e30])
@pytest.mark.parametrize(
    ("equation", "x_unit", "p_unit"),
    [
        ("mu - x/u + (x/u)**3/3", True, False),
        ("u*(mu - x/u + (x/u)**3/3)", True, False),
        ("mu/u - x + x**3/3", False, True),
        ("u*(mu - x + x**3/3)", False, False),
    ],
)
def test_units_do_not_matter(equation, x_unit, p_unit, unit):
    """mu = x - x^3/3 turns back at x = -1 and 1."""
    m = one(equation, mu=0.0, u=unit)
    x_size, p_size = (unit if x_unit else 1.0), (unit if p_unit else 1.0)
    branch = nc.continuation(m, [0.0], free="mu", p_span=(-p_size, p_size))
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert [q.name for q in branch.special_points] == ["EP1", "LP1", "LP2", "EP2"]
    assert all(q.converged for q in branch.special_points)
    x, p = branch["x"] / x_size, branch.p / p_size
    np.testing.assert_allclose(p, x - x**3 / 3.0, atol=1e-13)
    np.testing.assert_allclose([q.p / p_size for q in branch.special_points("LP")], [-2.0 / 3.0, 2.0 / 3.0], rtol=1e-12)
    factor = unit if equation.startswith("u*") else 1.0
    assert all(q.residual <= 1e-14 * factor for q in branch.special_points)
    assert 300 < len(branch) < 600  # as many as with units of 1: 2 % of the diagram each


@pytest.mark.parametrize("unit", [1e-16, 1.0, 1e16])
def test_no_start_is_accepted_that_solves_nothing(unit):
    """A small residual says nothing when the unit of the state is large."""
    m = one("(x/u)**2 - (x/u)**4 - mu**2", mu=0.0, u=unit)
    branch = nc.continuation(m, [0.3 * unit], free="mu", p_span=(-1, 1), params={"mu": 0.25})
    x = branch["x"] / unit
    np.testing.assert_allclose(x**2 - x**4, branch.p**2, atol=1e-14)
    assert len(branch.special_points("LP")) == 4
    start = nc.continuation(m, [1e-3 * unit], free="mu", p_span=(-1, 1))  # Newton goes to the crossing at zero
    assert np.all(np.abs(start["x"] / unit)[start.p == 0.0] < 1e-12)
    if unit != 1.0:  # at zero nothing tells the unit
        assert "start where the states are not zero" in start.status


@pytest.mark.parametrize("unit", [1e-16, 1e16])
def test_states_in_very_different_units(unit):
    """Beside the folds, neutral saddles where x^2 - 1 = 1."""
    m = nc.Model.from_equations({"x": "u*(mu - x/u + (x/u)**3/3)", "y": "x/u - y"}, {"mu": 0.0, "u": unit})
    branch = nc.continuation(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    saddle = np.sqrt(2.0) - np.sqrt(8.0) / 3.0
    assert sorted(found(branch)) == [
        ("LP", pytest.approx(-2.0 / 3.0, abs=1e-12)),
        ("LP", pytest.approx(2.0 / 3.0, abs=1e-12)),
        ("NSad", pytest.approx(-saddle, abs=1e-12)),
        ("NSad", pytest.approx(saddle, abs=1e-12)),
    ]


@pytest.mark.parametrize("rate", [1e-16, 1e16])
def test_time_in_other_units_changes_frequencies_only(rate):
    """A Hopf point at p = 0.3 with the frequency `rate`, and an imperfect pitchfork that has no branch point."""
    m = nc.Model.from_equations(
        {"x": "u*((p-0.3)*x - y - x**3)", "y": "u*(x + (p-0.3)*y - y**3)"}, {"p": 0.0, "u": rate}
    )
    branch = nc.continuation(m, [0.0, 0.0], free="p", p_span=(-1, 1))
    assert found(branch) == [("H", pytest.approx(0.3, abs=1e-10))]
    assert branch.special_points["H1"].converged
    assert branch.special_points["H1"].omega == pytest.approx(rate, rel=1e-9)
    imperfect = nc.Model.from_equations({"x": "u*(h + p*x - x**3)"}, {"h": 1e-6, "p": 0.99, "u": rate})
    upper = nc.continuation(imperfect, [1.0], free="p", p_span=(-1, 1))
    assert found(upper) == []
    assert upper["x"].min() > 0.0


@pytest.mark.parametrize(
    ("p_span", "labels"), [((0.5, 1.0), ["BP"]), ((0.5, 1.25), ["BP", "BP"]), ((1.0, 1.5), ["BP", "BP"])]
)
def test_a_branch_that_ends_on_a_branch_point_has_no_fold_there(p_span, labels):
    """At gain = 1/d for each eigenvalue d of W; the tangent at a branch point is any of a plane's."""
    d = np.linspace(-1.0, 0.4, 30)
    d[-2:] = 0.8, 1.0
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))[0]
    branch = nc.continuation(
        nc.RateRNN(Q @ np.diag(d) @ Q.T),
        np.zeros(30),
        free="gain",
        p_span=p_span,
        params={"gain": p_span[0]},
        direction="+",
    )
    found = [point for point in branch.special_points if point.label not in ("EP", "NSad")]
    assert [point.label for point in found] == labels
    np.testing.assert_allclose([point.p for point in found], [1.0, 1.25][: len(found)], atol=1e-9)
