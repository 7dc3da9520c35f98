"""What is said of a point depends on that point: rates, magnitudes and spans elsewhere change nothing."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import ntkcont as nc
from tests.equation_truth import Problem, followed, found, in_either_direction

#: The state z is decoupled and stable, with a rate that grows from 1 at mu = 0 to c mu^4 elsewhere.
BESIDE = {"z": "1 - z*(1 + c*mu**4)"}
HOPF = Problem({"x": "mu*x - y - x*(x**2 + y**2)", "y": "x + mu*y - y*(x**2 + y**2)", **BESIDE}, {"mu": -0.5, "c": 1.0})
FOLD = Problem({"x": "mu - x**2", **BESIDE}, {"mu": 1.0, "c": 1.0})
PITCHFORK = Problem({"x": "mu*x - x**3", **BESIDE}, {"mu": -0.5, "c": 1.0})
#: The invariants of a whole branch ask for the rank of [F_x, F_p] beside the largest rate: not for stiffer systems.
STIFF = 1e8
RATES = [1e6, 1e8, 1e10, 1e12, 1e13, 1e14]


def at(p):
    return pytest.approx(p, rel=1e-9, abs=1e-12)


# ------------------------------------------------------------------------------------------------ rates elsewhere


@pytest.mark.parametrize("c", RATES)
def test_a_hopf_point_beside_a_rate_that_varies(c):
    branch = followed(HOPF, [0.0, 0.0, 1.0 / (1.0 + c / 16.0)], free="mu", span=(-0.5, 1.0), params={"c": c})
    assert found(branch) == [("H", at(0.0))]
    assert branch.special_points["H1"].omega == pytest.approx(1.0, rel=1e-9)
    assert branch.n_unstable[[0, -1]].tolist() == [0, 2]


@pytest.mark.parametrize("c", RATES)
def test_a_fold_beside_a_rate_that_varies(c):
    branch = followed(FOLD, [1.0, 1.0 / (1.0 + c)], free="mu", span=(-0.5, 1.5), params={"c": c, "mu": 1.0})
    assert found(branch) == [("LP", at(0.0))]
    assert branch.p[[0, -1]].tolist() == [1.5, 1.5]


@pytest.mark.parametrize("c", RATES)
def test_a_branch_point_beside_a_rate_that_varies(c):
    branch = followed(PITCHFORK, [0.0, 1.0 / (1.0 + c / 16.0)], free="mu", span=(-0.5, 1.5), params={"c": c})
    assert found(branch) == [("BP", at(0.0))]


@pytest.mark.parametrize("seed", range(12))
def test_rates_spans_and_starts_of_any_size(seed):
    """The same three with c = 10^(4 .. 14), from anywhere on their branch, in a span of any width."""
    rng = np.random.default_rng(seed)
    c, mu = 10.0 ** rng.uniform(4, 14), -(10.0 ** rng.uniform(-2, 1))
    span = (2.0 * mu, 10.0 ** rng.uniform(-2, 1))
    z = 1.0 / (1.0 + c * mu**4)
    values = {"c": c, "mu": mu}
    hopf = followed(HOPF, [0.0, 0.0, z], free="mu", span=span, params=values)
    assert found(hopf) == [("H", at(0.0))]
    branch = followed(PITCHFORK, [0.0, z], free="mu", span=span, params=values)
    assert found(branch) == [("BP", at(0.0))]
    span = (-span[1], -span[0])
    fold = followed(FOLD, [rng.choice([-1.0, 1.0]) * np.sqrt(-mu), z], free="mu", span=span, params={"c": c, "mu": -mu})
    assert found(fold) == [("LP", at(0.0))]


#: x turns back at 0 (p = 0) and at 2/(3 b) (p = 4/(27 b^2)); y follows x at the rate k.
SLAVED = Problem({"x": "p - x**2 + b*x**3", "y": "-k*(y - x)"}, {"p": 1.0, "k": 1.0, "b": 0.1})


@pytest.mark.parametrize("k", [1e6, 1e8, 1e10, 1e12, 1e14])
def test_a_fast_state_that_follows_a_fold(k):
    branch = followed(SLAVED, [1.1, 1.1], free="p", span=(-1.0, 2.0), params={"k": k}, invariants=k < STIFF)
    assert found(branch) == [("LP", at(0.0))]


@pytest.mark.parametrize("seed", range(8))
def test_a_fast_state_that_follows_two_folds(seed):
    rng = np.random.default_rng(seed)
    b, k = 10.0 ** rng.uniform(-1.0, 0.5), 10.0 ** rng.uniform(0, 14)
    turn = 4.0 / (27.0 * b**2)
    x = rng.uniform(0.1, 0.6) / b
    values = {"b": b, "k": k, "p": x**2 - b * x**3}
    branch = followed(SLAVED, [x, x], free="p", span=(-2.0 * turn, 3.0 * turn), params=values, invariants=k < STIFF)
    assert in_either_direction(branch, [("LP", at(0.0)), ("LP", at(turn))])


NAGUMO = Problem({"v": "(I + v - v**3/3 - w)/eps", "w": "0.08*(v + 0.7 - b*w)"}, {"I": 0.0, "eps": 1.0, "b": 2.5})


def of_nagumo(eps, b):
    """Hopf points where the trace (1 - v^2)/eps - 0.08 b is zero, folds where 1 - v^2 = 1/b, both with either sign."""

    def current(v):
        return (v + 0.7) / b - v + v**3 / 3.0

    hopf, fold = np.sqrt(1.0 - 0.08 * b * eps), np.sqrt(1.0 - 1.0 / b)
    return [("H", at(current(-hopf))), ("LP", at(current(-fold))), ("LP", at(current(fold))), ("H", at(current(hopf)))]


@pytest.mark.parametrize("eps", [1e-1, 1e-3, 1e-6, 1e-9, 1e-10, 1e-12])
def test_fitzhugh_and_nagumo_of_any_stiffness(eps):
    branch = followed(
        NAGUMO, [-1.2, -0.6], free="I", span=(-3.0, 3.0), params={"eps": eps}, invariants=eps * STIFF > 1.0
    )
    assert in_either_direction(branch, of_nagumo(eps, 2.5))


@pytest.mark.parametrize("seed", range(6))
def test_fitzhugh_and_nagumo_from_other_starts(seed):
    rng = np.random.default_rng(seed)
    b, eps, v = rng.uniform(1.5, 4.0), 10.0 ** rng.uniform(-13, -1), rng.uniform(-1.8, 1.8)
    w = (v + 0.7) / b
    values = {"eps": eps, "b": b, "I": w - v + v**3 / 3.0}
    branch = followed(NAGUMO, [v, w], free="I", span=(-5.0, 5.0), params=values, invariants=eps * STIFF > 1.0)
    assert in_either_direction(branch, of_nagumo(eps, b))


#: The origin loses stability at mu = 0; z is slaved to x^2 + y^2.
FAST = Problem({"x": "mu*x - y - x*z", "y": "x + mu*y - y*z", "z": "k*(x**2 + y**2 - z)"}, {"mu": -0.4, "k": 1.0})


@pytest.mark.parametrize("k", [1e6, 1e10, 1e12, 1e14])
def test_a_fast_state_beside_a_hopf_point(k):
    branch = followed(FAST, [0.0, 0.0, 0.0], free="mu", span=(-0.5, 0.7), params={"k": k})
    assert found(branch) == [("H", at(0.0))]
    assert np.array_equal(branch.stable, np.max(branch.eigenvalues.real, axis=1) < 0.0)
    np.testing.assert_array_equal(branch.stable, branch.p < 0.0)


# ------------------------------------------------------------------------------------------------ spans

NONIC = Problem({"x": "p + x - x**3 + 0.001*x**9"}, {"p": 0.0})


def folds_of(numerator, denominator=(1,)):
    """Return the (x, p) with dp/dx = 0 of p = numerator/denominator, coefficients from the highest power on."""
    with mpmath.workdps(40):
        top, below = (np.poly1d([mpmath.mpf(str(c)) for c in each]) for each in (numerator, denominator))
        slope = top.deriv() * below - top * below.deriv()
        coefficients = list(slope.coeffs)
        roots = mpmath.polyroots(coefficients, maxsteps=500, extraprec=200)
        real = sorted(float(root.real) for root in roots if abs(root.imag) < 1e-25)
        return [(x, float(top(mpmath.mpf(x)) / below(mpmath.mpf(x)))) for x in real]


@pytest.mark.parametrize("width", [1e1, 1e3, 1e5, 1e7, 1e9, 1e11])
def test_four_folds_in_a_span_of_any_width(width):
    expected = folds_of([-0.001, 0, 0, 0, 0, 0, 1, 0, -1, 0])
    assert len(expected) == 4
    values = {"p": 0.9 * width}
    branch = followed(NONIC, [-20.0], free="p", span=(-width, width), params=values, invariants=width < 1e6)
    assert in_either_direction(branch, [("LP", at(p)) for _, p in expected])


def test_a_quartic_whose_other_end_runs_to_infinity():
    equation = "0.724*p - 1.206*x - 1.321*x*p + (0.1471 + 1.775*p)*x**3 + (0.9493 + 0.6129*p)*x**4"
    problem = Problem({"x": equation}, {"p": -7.28611})
    span = (-8.539, 6.781)
    # p = -(0.9493 x^4 + 0.1471 x^3 - 1.206 x)/(0.6129 x^4 + 1.775 x^3 - 1.321 x + 0.724)
    every = folds_of([-0.9493, -0.1471, 0, 1.206, 0], [0.6129, 1.775, 0, -1.321, 0.724])
    branch = followed(problem, [-1.2251357], free="p", span=span, invariants=False)
    ((label, p),) = found(branch)
    (x,) = branch.special_points["LP1"].x
    assert (label, p) == ("LP", at(1.6240057833559))
    assert any(p == at(each) and x == pytest.approx(there, rel=1e-9) for there, each in every)
    assert x == pytest.approx(0.50708, abs=1e-5)
    # no other fold lies on what was followed, inside the span
    low, high = branch.x.min(), branch.x.max()
    assert [each for there, each in every if low < there < high and span[0] < each < span[1]] == [at(p)]


# ------------------------------------------------------------------------------------------------ decades

SWITCH = Problem({"x": "L + x**2/(K**2 + x**2) - d*x"}, {"K": 1e-6, "L": 0.01, "d": 1.0})


def of_switch(low, d):
    """Return the folds in K, the larger first: K^2 = x^2 (1 + L - d x)/(d x - L)."""
    squares = folds_of([-d, 1 + low, 0, 0], [d, -low])
    return sorted((np.sqrt(k2) for x, k2 in squares if k2 > 0.0 and x > 0.0), reverse=True)


def test_the_folds_of_the_switch_in_closed_form():
    assert of_switch(0.01, 1.0) == pytest.approx([0.510102073154, 0.198987122608], rel=1e-11)
    assert of_switch(1e-6, 1e-3) == pytest.approx([500.0010000005, 1.99999899999], rel=1e-9)


@pytest.mark.parametrize("log", [(), ("K",)])
@pytest.mark.parametrize("top", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("x", [0.5, 0.8, 1.0])
def test_a_switch_in_a_parameter_over_decades(x, top, log):
    branch = followed(SWITCH, [x], free="K", span=(1e-6, top), log=log, invariants=top < 1e3)
    assert in_either_direction(branch, [("LP", at(p)) for p in of_switch(0.01, 1.0)])
    assert sorted(branch.p[[0, -1]]) == [1e-6, top]
    x, k = branch["x"], branch.p
    assert np.max(np.abs(0.01 + x**2 / (k**2 + x**2) - x)) < 1e-12


def test_levels_a_million_apart():
    values = {"L": 1e-6, "d": 1e-3, "K": 1e-2}
    branch = followed(SWITCH, [1000.0], free="K", span=(1e-2, 5e3), params=values)
    assert in_either_direction(branch, [("LP", at(p)) for p in of_switch(1e-6, 1e-3)])
    x, k = branch["x"], branch.p
    assert np.max(np.abs(1e-6 + x**2 / (k**2 + x**2) - 1e-3 * x)) < 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_switches_of_any_levels(seed):
    """With d = 1 the switch has two folds for L < 1/8, and x = 1 + L nearly for small K."""
    rng = np.random.default_rng(seed)
    low, d, top = 10.0 ** rng.uniform(-6, -1.2), 10.0 ** rng.uniform(-3, 3), 10.0 ** rng.uniform(0.5, 8)
    first, second = of_switch(low, d)
    values = {"L": low, "d": d, "K": 1e-6 / d}
    branch = followed(
        SWITCH, [(1.0 + low) / d], free="K", span=(1e-6 / d, top / d), params=values, invariants=False
    )  # fmt: skip
    assert in_either_direction(branch, [("LP", at(first)), ("LP", at(second))])
    assert sorted(branch.p[[0, -1]]) == [1e-6 / d, top / d]


@pytest.mark.parametrize("seed", range(6))
def test_units_and_order_of_the_states_change_nothing(seed):
    """The stiff oscillator with its states in other units and another order: the same four points."""
    rng = np.random.default_rng(seed)
    a, b, eps = 10.0 ** rng.uniform(-6, 6), 10.0 ** rng.uniform(-6, 6), 10.0 ** rng.uniform(-10, -2)
    v, w = f"(v/{a!r})", f"(w/{b!r})"
    equations = {
        "v": f"{a!r}*(I + {v} - {v}**3/3 - {w})/{eps!r}",
        "w": f"{b!r}*0.08*({v} + 0.7 - 2.5*{w})",
    }
    if seed % 2:
        equations = dict(reversed(equations.items()))
    model = nc.Model.from_equations(equations, {"I": 0.0})
    start = {"v": -1.2 * a, "w": -0.6 * b}
    branch = nc.continuation(model, start, free="I", p_span=(-3.0, 3.0))
    assert branch.doubtful == ()
    assert in_either_direction(branch, of_nagumo(eps, 2.5))
