"""The tests' own side of the differential tests: folds from p(x), and the fine tracer, beside closed forms."""

from __future__ import annotations

import functools

import mpmath
import numpy as np
import pytest
import sympy

from tests import fold_problems, planar_problems
from tests.exact_folds import DRIVEN, POWERS, Graph, known
from tests.fine_tracer import TERMS, traced


def numbers(first: dict, second: dict) -> np.ndarray:
    """Return the numbers of a planar problem from the powers (i, j, k) of x, y and p."""
    found = np.zeros((2, len(TERMS)))
    for row, given in enumerate((first, second)):
        for powers, value in given.items():
            found[row, int(np.flatnonzero(np.all(powers == TERMS, axis=1))[0])] = value
    return found


def events(trace) -> list[tuple[str, float]]:
    return sorted((label, p) for label, p, _ in trace.events)


# ------------------------------------------------------------------------------------------------ graphs


def graph(a: list[float], b: list[float], **more: float) -> Graph:
    return Graph(a=np.array(a + [0.0] * (POWERS - len(a))), b=np.array(b + [0.0] * (DRIVEN - len(b))), **more)


def test_an_s_shaped_branch():
    """p = x^3 - 3x turns at x = -1, p = 2 and x = 1, p = -2, and has p = +-18 at x = +-3."""
    found = known(graph([0, -3.0, 0, 1.0], [-1.0]), 0.1, (-18.0, 18.0))
    assert found.ends == pytest.approx((-3.0, 3.0), rel=1e-14)
    assert [(place.x[0], place.p) for place in found.folds] == [pytest.approx((-1, 2)), pytest.approx((1, -2))]


def test_between_poles():
    """p = 1/(x (1 - x)) between 0 and 1 turns at 1/2, p = 4; p = 25/4 at x = 1/5 and 4/5."""
    found = known(graph([-1.0], [0.0, 1.0, -1.0]), 0.3, (-100.0, 6.25))
    assert found.ends == pytest.approx((0.2, 0.8), rel=1e-14)
    assert [(place.x[0], place.p) for place in found.folds] == [pytest.approx((0.5, 4.0), rel=1e-14)]


def test_two_close_folds_and_a_far_one():
    """p' = ((x - 1)^2 - 1e-10) (x - 1e6) for p = -a: the integral of a product is a quartic."""
    slope = np.polynomial.Polynomial([1.0 - 1e-10, -2.0, 1.0]) * np.polynomial.Polynomial([-1e6, 1.0])
    found = known(graph(list(slope.integ().coef), [-1.0]), 0.5, (-1e40, 1e40))
    assert [place.x[0] for place in found.folds] == pytest.approx([1 - 1e-5, 1 + 1e-5, 1e6], rel=1e-9)


def test_a_hyperbolic_tangent_and_an_exponential():
    """p = x - 2 tanh(x) turns where cosh(x)^2 = 2; p = exp(x) - 2x at log 2."""
    found = known(graph([0.0, 1.0], [-1.0], T=-2.0, w=1.0), 0.1, (-5.0, 5.0))
    turn = np.arccosh(np.sqrt(2.0))
    assert [place.x[0] for place in found.folds] == pytest.approx([-turn, turn], rel=1e-14)
    found = known(graph([0.0, -2.0], [-1.0], E=1.0, v=1.0), 0.1, (-5.0, 5.0))
    assert [place.x[0] for place in found.folds] == pytest.approx([np.log(2.0)], rel=1e-14)


@pytest.mark.parametrize("group", list(fold_problems.CLASSES))
def test_polynomials_have_as_many_turns_as_sturm_counts(group):
    """The zeros of N within the ends, counted exactly in rational numbers."""
    x, compared = sympy.symbols("x"), 0
    for seed in range(120):
        problem = fold_problems.drawn(group, seed)
        own = problem.graph
        if own.T or own.E or own.R:
            continue
        with np.errstate(all="ignore"):
            found = known(own, problem.x0, problem.span)
        if not found.sure or fold_problems.ambiguous(problem, found):
            continue
        a = sympy.Poly([sympy.Rational(float(c)) for c in own.a[::-1]], x)
        b = sympy.Poly([sympy.Rational(float(c)) for c in own.b[::-1]], x)
        turning = a * b.diff(x) - a.diff(x) * b
        low, high = (None if np.isinf(end) else sympy.Rational(end) for end in found.ends)
        if turning.degree() < 1 or own.b[0] == own.a[0] == 0.0:  # nothing turns, or there is a common factor
            continue
        # zeros of even order are no folds
        wanted = sum(factor.count_roots(low, high) for factor, order in turning.sqf_list()[1] if order % 2)
        assert len(found.folds) == wanted, (group, seed)
        compared += 1
    assert compared > 8


# ------------------------------------------------------------------------------------------------ the tracer


def test_fitzhugh_nagumo():
    """det = 0.064 (v^2 - 1) + 0.08 > 0; the trace 1 - v^2 - 0.064 vanishes at v^2 = 0.936: two Hopf points."""
    own = numbers(
        {(1, 0, 0): 1.0, (3, 0, 0): -1 / 3, (0, 1, 0): -1.0, (0, 0, 1): 1.0},
        {(1, 0, 0): 0.08, (0, 0, 0): 0.056, (0, 1, 0): -0.064},
    )
    v = np.sqrt(0.936)
    start = np.array([-2.0, (-2.0 + 0.7) / 0.8, 0.0])
    start[2] = -start[0] + start[0] ** 3 / 3 + start[1]
    wanted = sorted(-s * v + (s * v) ** 3 / 3 + (s * v + 0.7) / 0.8 for s in (-1, 1))
    for longest in (0.006, 0.003):
        trace = traced(own, start, (-10.0, 10.0), False, longest)
        assert trace.ends == ("bound", "bound")
        assert events(trace) == [("H", pytest.approx(p, abs=1e-11)) for p in wanted]


def test_folds_and_a_neutral_saddle():
    """b1 + b2 x + x^2 and the trace x, in x' = y: fold at x = -b2/2, eigenvalues +-k at x = 0 (H for b2 < 0)."""
    for b2, label in ((0.3, "NSad"), (-0.3, "H")):
        own = numbers({(0, 1, 0): 1.0}, {(0, 0, 1): 1.0, (1, 0, 0): b2, (2, 0, 0): 1.0, (1, 1, 0): 1.0})
        trace = traced(own, np.array([-1.0, 0.0, b2 - 1.0]), (-2.0, 1.0), False, 0.006)
        assert events(trace) == sorted([(label, pytest.approx(0, abs=1e-12)), ("LP", pytest.approx(b2**2 / 4))])


def test_a_pitchfork_and_a_transcritical_point_are_branch_points():
    own = numbers({(1, 0, 1): 1.0, (3, 0, 0): -1.0}, {(0, 1, 0): -1.0})
    trace = traced(own, np.array([0.0, 0.0, -0.5]), (-1.0, 0.9), False, 0.006)
    assert events(trace) == [("BP", pytest.approx(0.0, abs=1e-12))]
    own = numbers({(1, 0, 1): 1.0, (2, 0, 0): -1.0}, {(0, 1, 0): -1.0})
    trace = traced(own, np.array([0.5, 0.0, 0.5]), (-0.9, 1.0), False, 0.006)
    assert events(trace) == [("BP", pytest.approx(0.0, abs=1e-12))]


def test_a_closed_curve():
    """p^2 + x^2 = 1: two folds, once around."""
    own = numbers({(2, 0, 0): 1.0, (0, 0, 0): -1.0, (0, 1, 1): 1.0}, {(0, 1, 0): -1.0, (0, 0, 1): 1.0})
    trace = traced(own, np.array([0.6, 0.8, 0.8]), (-2.0, 2.0), False, 0.006)
    assert trace.ends == ("closed",)
    assert [item for item in events(trace) if item[0] == "LP"] == [
        ("LP", pytest.approx(-1.0, abs=1e-12)),
        ("LP", pytest.approx(1.0, abs=1e-12)),
    ]


def test_the_delayed_logistic_map():
    """x -> p x (1 - y), y -> x: 1 - 1/p crosses 0 at p = 1 and has its Neimark-Sacker point at p = 2."""
    own = numbers({(1, 0, 1): 1.0, (1, 1, 1): -1.0}, {(1, 0, 0): 1.0})
    trace = traced(own, np.array([1 / 3, 1 / 3, 1.5]), (0.5, 2.5), True, 0.006)
    assert events(trace) == [("BP", pytest.approx(1.0, abs=1e-12)), ("NS", pytest.approx(2.0, abs=1e-12))]


def test_the_logistic_map():
    """x -> p x (1 - x) doubles at p = 3 (and at -1, on x = 0)."""
    own = numbers({(1, 0, 1): 1.0, (2, 0, 1): -1.0}, {(0, 1, 0): 0.5})
    trace = traced(own, np.array([0.5, 0.0, 2.0]), (0.5, 3.5), True, 0.006)
    assert events(trace) == [("BP", pytest.approx(1.0, abs=1e-12)), ("PD", pytest.approx(3.0, abs=1e-12))]
    trace = traced(own, np.array([0.0, 0.0, 0.0]), (-2.0, 2.0), True, 0.006)
    assert events(trace) == [("BP", pytest.approx(1.0, abs=1e-12)), ("PD", pytest.approx(-1.0, abs=1e-12))]


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_events_solve_their_defining_equations(kind):
    """Newton in 40 digits on F = 0 and the test function goes from each event nowhere."""
    seen = set()
    for seed in range(14):
        problem = planar_problems.drawn(kind, "unit", seed)
        trace = planar_problems.sure(problem)
        for label, p, x in () if trace is None else trace.events:
            with mpmath.workdps(40):
                start = [mpmath.mpf(float(value)) for value in (*x, p)]
                solution = mpmath.findroot(functools.partial(_defining, problem, label), start)
                moved = [float(abs(a - b) / max(abs(b), 0.01)) for a, b in zip(solution, start, strict=True)]
            assert max(moved) < 1e-6, (kind, seed, label, moved)
            seen.add(label)
    assert seen >= ({"LP", "H", "NSad"} if kind == "flow" else {"LP", "PD", "NS"})


def _defining(problem, label, x, y, p):
    one = 1 if problem.kind == "map" else 0
    f = [-one * x, -one * y]
    jac = [[mpmath.mpf(0)] * 2 for _ in range(2)]
    for row in range(2):
        for m, (i, j, k) in enumerate(TERMS):
            c = mpmath.mpf(float(problem.numbers[row, m]))
            f[row] += c * x ** int(i) * y ** int(j) * p ** int(k)
            jac[row][0] += c * int(i) * x ** max(int(i) - 1, 0) * y ** int(j) * p ** int(k)
            jac[row][1] += c * int(j) * x ** int(i) * y ** max(int(j) - 1, 0) * p ** int(k)
    trace = jac[0][0] + jac[1][1]
    det = jac[0][0] * jac[1][1] - jac[0][1] * jac[1][0]
    test = {
        "LP": 1 - trace + det if one else det,
        "BP": 1 - trace + det if one else det,
        "H": trace,
        "NSad": trace,
        "PD": 1 + trace + det,
        "NS": det - 1,
    }[label]
    return [*f, test]
