"""What happens twice within one step: found from the shape of the test functions, and nothing invented.

Every system here has its special points in closed form.  The closest pairs that are resolved are limited by rounding:
a test function whose extremum is beyond zero by less than 2e-11 (of the largest eigenvalue) touches it.
"""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch


def found(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label != "EP"]


def checked(model, x0, free, span, **keywords):
    branch = nc.continuation(model, x0, free=free, p_span=span, **keywords)
    check_branch(branch, model, p_span=span)
    assert all(point.converged for point in branch.special_points)
    return branch


# ------------------------------------------------------------------------------------------------ folds

CUBIC = {"x": "mu - a*((x - x0)**3 - e*(x - x0))", "y": "9*(x - y)"}


@pytest.fixture(scope="module")
def cubic():
    return nc.Model.from_equations(CUBIC, {"mu": -0.5, "a": 1.0, "e": 0.1, "x0": 0.0})


@pytest.mark.parametrize("a", [1.0, 100.0])
@pytest.mark.parametrize("e", [2e-2, 1e-2, 1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("x0", [0.0, 0.0371, -0.0613])
def test_two_folds_in_one_step(cubic, a, e, x0):
    """The folds of mu = a (u^3 - e u), u = x - x0, are at u^2 = e/3; steps are 0.02, the span is 2.

    At a = 1 they are 0.15 apart in x at first, 3.7e-5 at last (2.4e-14 in mu); the tests below go no closer.
    """
    branch = checked(cubic, [x0 - 1.0, x0 - 1.0], "mu", (-1.0, 1.0), params={"a": a, "e": e, "x0": x0})
    u = np.sqrt(e / 3.0)
    folds = branch.special_points("LP")
    assert found(branch) == [
        ("LP", pytest.approx(2.0 / 3.0 * a * e * u, abs=1e-12)),
        ("LP", pytest.approx(-2.0 / 3.0 * a * e * u, abs=1e-12)),
    ]
    np.testing.assert_allclose([q.x[0] - x0 for q in folds], [-u, u], rtol=1e-6)


@pytest.mark.parametrize("a", [1.0, 100.0])
@pytest.mark.parametrize("e", [0.0, -1e-13, -1e-9, -1e-5, -1e-2])
def test_a_branch_that_nearly_folds_has_no_folds(cubic, a, e):
    """The parameter grows all along, at u = 0 with slope -a e: a horizontal inflection is no fold either."""
    branch = checked(cubic, [-1.0, -1.0], "mu", (-1.0, 1.0), params={"a": a, "e": e, "x0": 0.0371})
    assert found(branch) == []
    assert branch.x[-1, 0] > 0.1 > 0.0 > branch.x[0, 0]


# ------------------------------------------------------------------------------------------------ Hopf points

#: One pair with real part r; the branch is the origin.
SPIRAL = {"x": "r*x - y - x*(x**2 + y**2)", "y": "x + r*y - y*(x**2 + y**2)"}


@pytest.fixture(scope="module")
def parabola():
    return nc.Model.from_equations(SPIRAL, {"p": 0.0, "p0": 0.4, "e": 0.1}, aux={"r": "(p - p0)**2 - e"})


@pytest.fixture(scope="module")
def lorentzian():
    return nc.Model.from_equations(
        SPIRAL,
        {"p": 0.0, "p0": 0.4, "w": 0.1, "e": 0.1},
        aux={"r": "0.3*(1 - (1 + e)/(1 + ((p - p0)/w)**2))"},
    )


@pytest.mark.parametrize("delta", [0.2, 0.05, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("p0", [0.4, 0.4137])
def test_a_pair_that_dips_across_the_axis(parabola, delta, p0):
    """Re lambda = (p - p0)^2 - delta^2: Hopf points at p0 - delta and p0 + delta, where steps are 0.02 of 1.1."""
    branch = checked(parabola, [0.0, 0.0], "p", (-0.1, 1.0), params={"p0": p0, "e": delta**2})
    assert found(branch) == [
        ("H", pytest.approx(p0 - delta, abs=1e-10)),
        ("H", pytest.approx(p0 + delta, abs=1e-10)),
    ]
    assert [q.omega for q in branch.special_points("H")] == [pytest.approx(1.0, abs=1e-10)] * 2


@pytest.mark.parametrize("tiny", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 0.0])
def test_a_pair_that_does_not_reach_the_axis_is_no_hopf_point(parabola, tiny):
    branch = checked(parabola, [0.0, 0.0], "p", (-0.1, 1.0), params={"p0": 0.4137, "e": -tiny})
    assert found(branch) == []


@pytest.mark.parametrize("w", [0.1, 0.03, 0.01])
@pytest.mark.parametrize("e", [0.1, 1e-2, 1e-4, 1e-6, -1e-6, -1e-2])
def test_dips_of_another_shape_down_to_half_a_step_wide(lorentzian, w, e):
    """Re lambda = 0.3 (1 - (1 + e)/(1 + u^2)), u = (p - p0)/w, is zero at u^2 = e; steps are 0.022 in p."""
    for p0 in np.random.default_rng(0).uniform(0.3, 0.5, 4):
        branch = checked(lorentzian, [0.0, 0.0], "p", (-0.1, 1.0), params={"p0": p0, "w": w, "e": e}, direction="+")
        expected = [p0 - w * np.sqrt(e), p0 + w * np.sqrt(e)] if e > 0 else []
        assert found(branch) == [("H", pytest.approx(p, abs=1e-9)) for p in expected]


def test_a_dip_across_two_chunks_of_steps_is_found(parabola):
    """Steps come in chunks of 1000: the dip is moved over the border between two of them."""
    settings = nc.ContinuationSettings(ds=8e-4, ds_max=8e-4)
    plain = nc.continuation(
        parabola, [0.0, 0.0], free="p", p_span=(0.0, 3.0), params={"p0": 9.0}, direction="+", settings=settings
    )
    assert len(plain) > 1001
    border = plain.p[1000]  # the last point of the first chunk
    h = plain.p[1001] - border
    for shift in (-1.4, -0.9, -0.5, -0.1, 0.1, 0.5, 0.9, 1.4):
        p0 = border + shift * h
        branch = checked(
            parabola, [0.0, 0.0], "p", (0.0, 3.0), params={"p0": p0, "e": 1e-10}, direction="+", settings=settings
        )
        assert found(branch) == [
            ("H", pytest.approx(p0 - 1e-5, abs=1e-10)),
            ("H", pytest.approx(p0 + 1e-5, abs=1e-10)),
        ], shift


# ------------------------------------------------------------------------------------------------ branch points, maps


@pytest.mark.parametrize("delta", [0.05, 1e-2, 1e-3, 1e-5])
def test_a_real_eigenvalue_that_dips_across_zero(delta):
    m = nc.Model.from_equations({"x": "((p - p0)**2 - e)*x - x**3", "y": "-y"}, {"p": 0.0, "p0": 0.4137, "e": delta**2})
    branch = checked(m, [0.0, 0.0], "p", (-0.1, 1.0))
    assert found(branch) == [
        ("BP", pytest.approx(0.4137 - delta, abs=1e-9)),
        ("BP", pytest.approx(0.4137 + delta, abs=1e-9)),
    ]


#: The multipliers r exp(i), r exp(-i) and -q, q.
MAP = {
    "x": "r*(c*x - s*y)*(1 - x**2 - y**2)",
    "y": "r*(s*x + c*y)*(1 - x**2 - y**2)",
    "u": "-q*u*(1 - u**2)",
    "v": "k*v*(1 - v**2)",
}


@pytest.mark.parametrize(("which", "label"), [("r", "NS"), ("q", "PD"), ("k", "BP")])
@pytest.mark.parametrize("e", [1e-4, 1e-6, 1e-9, -1e-9, -1e-4])
def test_multipliers_that_dip_across_the_unit_circle(which, label, e):
    """One of the moduli is 1 + (p - p0)^2 - e, the others are 1/2."""
    moduli = {name: "1 + (p - p0)**2 - e" if name == which else "0.5 + 0*p" for name in ("r", "q", "k")}
    params = {"p": 0.0, "p0": 0.4137, "e": e, "c": np.cos(1.0), "s": np.sin(1.0)}
    m = nc.Model.from_equations(MAP, params, aux=moduli, kind="map")
    branch = checked(m, np.zeros(4), "p", (-0.1, 1.0))
    expected = [0.4137 - np.sqrt(e), 0.4137 + np.sqrt(e)] if e > 0 else []
    assert found(branch) == [(label, pytest.approx(p, abs=1e-9)) for p in expected]


# ------------------------------------------------------------------------------------------------ two eigenvalues


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-5])
def test_two_eigenvalues_that_cross_in_opposite_directions(gap):
    """At p0 one becomes unstable, at p0 + gap another one stable: the counts are the same before and after."""
    pairs = nc.Model.from_equations(
        {
            "x": "(p - p0)*x - y - x**3",
            "y": "x + (p - p0)*y - y**3",
            "u": "(p0 + g - p)*u - 2*v - u**3",
            "v": "2*u + (p0 + g - p)*v - v**3",
        },
        {"p": 0.0, "p0": 0.4137, "g": gap},
    )
    branch = checked(pairs, np.zeros(4), "p", (-0.1, 1.0))
    assert found(branch) == [("H", pytest.approx(0.4137, abs=1e-10)), ("H", pytest.approx(0.4137 + gap, abs=1e-10))]
    assert [round(q.omega, 9) for q in branch.special_points("H")] == [1.0, 2.0]
    real = nc.Model.from_equations(
        {"x": "(p - p0)*x - x**3", "u": "(p0 + g - p)*u - u**3"}, {"p": 0.0, "p0": 0.4137, "g": gap}
    )
    branch = checked(real, np.zeros(2), "p", (-0.1, 1.0))
    assert found(branch) == [("BP", pytest.approx(0.4137, abs=1e-9)), ("BP", pytest.approx(0.4137 + gap, abs=1e-9))]


@pytest.mark.parametrize("delta", [1e-2, 1e-3, 1e-4])
def test_one_pair_crosses_while_another_one_dips(delta):
    m = nc.Model.from_equations(
        {
            "x": "(p - p0)*x - y - x**3",
            "y": "x + (p - p0)*y - y**3",
            "u": "((p - p0)**2 - e)*u - 2*v - u**3",
            "v": "2*u + ((p - p0)**2 - e)*v - v**3",
        },
        {"p": 0.0, "p0": 0.4137, "e": delta**2},
    )
    branch = checked(m, np.zeros(4), "p", (-0.1, 1.0))
    assert found(branch) == [("H", pytest.approx(0.4137 + k * delta, abs=1e-9)) for k in (-1, 0, 1)]
    assert [round(q.omega, 6) for q in branch.special_points("H")] == [2.0, 1.0, 2.0]
