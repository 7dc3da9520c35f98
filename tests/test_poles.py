"""Poles of the equations and places where they are undefined: an end that says so, and no bifurcations."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import Status
from tests.equation_truth import Problem, followed, found, in_either_direction

#: h = 1/(1 + y) goes on through y = p = 0, where the eigenvalue -1/y - 1 goes through infinity.
RECOVERY = Problem({"y": "p - y", "h": "(1 - h)/y - h"}, {"p": 1.0})
#: x = y = 1 for every c, with the eigenvalues -1/c and -1.
RELAXATION = Problem({"x": "(1 - x)/c", "y": "-y + x"}, {"c": 1.0})
PENDULUM = Problem({"x": "y", "y": "-g/L*sin(x) - 0.1*y"}, {"g": 9.81, "L": 1.0})


def ends_at_the_pole(branch, pole, width, neutral=()):
    """Assert that a branch ends beside the pole, says so, and that nothing is said to bifurcate."""
    assert Status.POLE in branch.ends
    assert branch.status is Status.POLE
    assert "pole" in str(Status.POLE.value)
    end = branch.p[0] if branch.ends[0] is Status.POLE else branch.p[-1]
    assert abs(end - pole) < 0.02 * width
    assert found(branch) == [("NSad", pytest.approx(p, rel=1e-9)) for p in neutral]
    assert branch.doubtful == ()
    assert np.all((branch.p - pole) * (branch.p[len(branch) // 2] - pole) > 0.0)


@pytest.mark.parametrize(
    ("problem", "free", "start", "span"),
    [
        (RECOVERY, "p", [1.0, 0.5], (-1.0, 2.0)),
        (RELAXATION, "c", [1.0, 1.0], (0.0, 1.0)),
        (RELAXATION, "c", [1.0, 1.0], (-1.0, 1.0)),
        (PENDULUM, "L", [0.0, 0.0], (-1.0, 2.0)),
        (PENDULUM, "L", [0.0, 0.0], (0.0, 2.0)),
        (PENDULUM, "L", [np.pi, 0.0], (-1.0, 2.0)),
    ],
)
def test_no_bifurcation_at_a_pole(problem, free, start, span):
    branch = followed(problem, start, free=free, span=span, invariants=False)
    ends_at_the_pole(branch, 0.0, span[1] - span[0])
    assert set(branch.ends) == {Status.POLE, Status.BOUND}


SHIFTED = {
    k: Problem({"y": "p - y", "h": f"(1 - h)*r/(y - c)**{k} - h"}, {"p": 1.0, "c": 0.0, "r": 1.0}) for k in (1, 3)
}


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_poles_of_odd_order_anywhere(order, side, seed):
    """The eigenvalue -r/(y - c)^k - 1 changes its sign at y = c, through infinity; it is zero at y = c - r^(1/k).

    The other one is -1: their sum is zero where the first is 1, at y = c - (r/2)^(1/k).
    """
    rng = np.random.default_rng(seed)
    c, r = rng.normal(), 10.0 ** rng.uniform(-2, 2)
    zero = r ** (1.0 / order)
    p = c + side * rng.uniform(0.3, 0.8) * zero
    g = r / (p - c) ** order
    span = (c - 0.9 * zero, c + 0.9 * zero)
    values = {"c": c, "r": r, "p": p}
    branch = followed(SHIFTED[order], [p, g / (1.0 + g)], free="p", span=span, invariants=False, params=values)
    neutral = [] if side > 0.0 else [c - (0.5 * r) ** (1.0 / order)]
    ends_at_the_pole(branch, c, span[1] - span[0], neutral)
    assert branch.ends == ((Status.POLE, Status.BOUND) if side > 0.0 else (Status.BOUND, Status.POLE))


@pytest.mark.parametrize("seed", range(4))
def test_a_fold_before_the_pole_is_found(seed):
    """x turns back at p = a, y relaxes at the rate 1/(p - b) with b < a: the fold comes before the pole.

    On the unstable side u = -x the rates 2 u and -1/(p - b) have the sum zero where 2 u (u^2 + a - b) = 1.
    """
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.3, 1.0), -rng.uniform(0.1, 1.0)
    problem = Problem({"x": "p - a - x**2", "y": "(x - y)/(p - b)"}, {"p": 2.0, "a": a, "b": b})
    x = np.sqrt(2.0 - a)
    branch = followed(problem, [x, x], free="p", span=(-3.0, 3.0), params={"a": a, "b": b, "p": 2.0})
    (u,) = (root.real for root in np.roots([2.0, 0.0, 2.0 * (a - b), -1.0]) if abs(root.imag) < 1e-12)
    assert in_either_direction(
        branch, [("LP", pytest.approx(a, abs=1e-12)), ("NSad", pytest.approx(a + u**2, rel=1e-9))]
    )  # fmt: skip
    assert branch.ends == (Status.BOUND, Status.BOUND)


# ------------------------------------------------------------------------------------------------ undefined places


@pytest.mark.parametrize("power", [2, 4])
def test_a_derivative_that_is_undefined_names_the_state(power):
    """1/(1 + (k/x)^n) is 0 at x = 0, its derivative 0 times infinity: the right-hand side is defined there."""
    model = nc.Model.from_equations(
        {"x": f"a - x + 1/(1 + (k/x)**{power})", "y": "x - y"}, {"a": 0.0, "k": 1.0}
    )  # fmt: skip
    with pytest.raises(nc.InputError, match="derivative of the equation of 'x' in 'x'") as said:
        nc.continuation(model, [0.0, 0.0], free="a", p_span=(-1.0, 2.0))
    assert "although the right-hand side is" in str(said.value)


# ------------------------------------------------------------------------------------------------ not established


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_a_kink_where_the_branch_turns_back_is_doubtful(slope):
    """p = slope max(x, 0) - min(x, 0) turns back at x = 0, where no eigenvalue is zero: no fold, and not silent."""
    model = nc.Model.from_equations({"x": "p - a*(x + abs(x))/2 + (x - abs(x))/2"}, {"p": 1.0, "a": slope})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(model, [1.0 / slope], free="p", p_span=(-0.5, 2.0), params={"a": slope})
    assert found(branch) == []
    assert all(point.converged for point in branch.special_points)
    (place,) = branch.doubtful
    assert abs(place.p) < 1e-3
    assert abs(place.x[0]) < 1e-3
    order = np.argsort(branch.x[:, 0])
    turn = np.interp(0.0, branch.x[order, 0], branch.s[order])
    assert place.bracket[0] - 1e-6 <= turn <= place.bracket[1] + 1e-6
    about = [str(each.message) for each in said if "branch.doubtful" in str(each.message)]
    assert len(about) == 1
    assert "1 place at p = " in about[0]
    assert repr(branch).splitlines()[-1].startswith("doubtful, not listed")


@pytest.mark.parametrize("jump", [0.5, 2.0])
def test_a_stability_that_jumps_is_doubtful(jump):
    """y' = (x sign(p) ...) y: the eigenvalue jumps from -jump to jump at p = 0, without a zero."""
    model = nc.Model.from_equations({"x": "p - x", "y": "b*y*x/abs(x)"}, {"p": -1.0, "b": jump})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(model, [-1.0, 0.0], free="p", p_span=(-1.5, 1.7), params={"b": jump})
    assert found(branch) == []
    assert branch.n_unstable[[0, -1]].tolist() in ([0, 1], [1, 0]) or Status.POLE in branch.ends
    (place,) = branch.doubtful
    assert abs(place.p) < 0.05
    assert len([each for each in said if "branch.doubtful" in str(each.message)]) == 1
