"""Removable singularities: rates like those of Hodgkin and Huxley, exact at the point where they are 0/0."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.models.jax_functions import exprel

# text, the same function for mpmath, the singular point
RATES = [
    ("x/(1 - exp(-x))", lambda x: x / (1 - mpmath.exp(-x)), 0.0),
    ("x/(exp(x) - 1)", lambda x: x / (mpmath.exp(x) - 1), 0.0),
    ("-x/(1 - exp(x))", lambda x: -x / (1 - mpmath.exp(x)), 0.0),
    ("x/expm1(x)", lambda x: x / mpmath.expm1(x), 0.0),
    ("(exp(x) - 1)/x", lambda x: mpmath.expm1(x) / x, 0.0),
    ("exprel(x)", lambda x: mpmath.expm1(x) / x, 0.0),
    ("0.1*(x + 40)/(1 - exp(-(x + 40)/10))", lambda x: (x + 40) / 10 / (1 - mpmath.exp(-(x + 40) / 10)), -40.0),
    ("0.1*(25 - x)/(exp((25 - x)/10) - 1)", lambda x: (25 - x) / 10 / (mpmath.exp((25 - x) / 10) - 1), 25.0),
    ("0.01*(10 - x)/(exp(0.1*(10 - x)) - 1)", lambda x: (10 - x) / 100 / (mpmath.exp((10 - x) / 10) - 1), 10.0),
    (
        "-0.02*(x + 54.4)/(exp(-(x + 54.4)/9) - 1)",
        lambda x: -(x + 54.4) / 50 / (mpmath.exp(-(x + 54.4) / 9) - 1),
        -54.4,
    ),
    ("0.032*(15.3 - x)/(exp((15.3 - x)/5) - 1.0)", lambda x: 0.032 * (15.3 - x) / mpmath.expm1((15.3 - x) / 5), 15.3),
    ("(0.1*x - 3)/(2 - 2*exp(3 - x/10))", lambda x: (x / 10 - 3) / (2 - 2 * mpmath.exp(3 - x / 10)), 30.0),
    ("a*(x - v0)/(1 - exp(-(x - v0)/k))", lambda x: 2 * (x - 3) / (1 - mpmath.exp(-(x - 3) / 5)), 3.0),
    ("a*(v0 - x)/(exp((v0 - x)/k) - 1)", lambda x: 2 * (3 - x) / (mpmath.exp((3 - x) / 5) - 1), 3.0),
    ("x**2/(exp(x) - 1)**2", lambda x: x**2 / mpmath.expm1(x) ** 2, 0.0),
    ("x*(2 - exp(-x))/(1 - exp(-x))", lambda x: x * (2 - mpmath.exp(-x)) / (1 - mpmath.exp(-x)), 0.0),
    ("x/(exp(x/2) - exp(-x/2))", lambda x: x / (2 * mpmath.sinh(x / 2)), 0.0),
    ("x/sinh(x)", lambda x: x / mpmath.sinh(x), 0.0),
    ("3*x/tanh(2*x)", lambda x: 3 * x / mpmath.tanh(2 * x), 0.0),
    ("tanh(x)/x", lambda x: mpmath.tanh(x) / x, 0.0),
    ("u/(1 - exp(-u))", lambda x: (x + 7) / 4 / (1 - mpmath.exp(-(x + 7) / 4)), -7.0),
]
PARAMS = {"a": 2.0, "v0": 3.0, "k": 5.0}


def expansion(function, point, order):
    """The derivatives of `function` at a removable singularity, by Cauchy's integral in extended precision."""
    with mpmath.workdps(40):
        nodes = 64
        circle = [mpmath.expjpi(mpmath.mpf(2 * j) / nodes) for j in range(nodes)]
        values = [function(mpmath.mpf(point) + z) for z in circle]
        return [
            float(mpmath.re(mpmath.factorial(k) * sum(v * z**-k for v, z in zip(values, circle, strict=True)) / nodes))
            for k in range(order + 1)
        ]


def rates_model():
    equations = {f"y{i}": text.replace("x", f"y{i}").replace(f"ey{i}p", "exp") for i, (text, _, _) in enumerate(RATES)}
    u = f"(y{len(RATES) - 1} + 7)/4"
    return nc.Model.from_equations(equations, PARAMS, aux={"u": u})


@pytest.fixture(scope="module")
def at_singular_points():
    """Values and derivatives of all rates, each at its own singular point: numba (2 orders) and JAX (4 orders)."""
    model = rates_model()
    x = np.array([point for _, _, point in RATES])
    ones = np.ones_like(x)
    f0 = lambda y: model.jax_rhs(y, model.values(), {})  # noqa: E731
    f1 = lambda y: jax.jvp(f0, (y,), (ones,))[1]  # noqa: E731
    f2 = lambda y: jax.jvp(f1, (y,), (ones,))[1]  # noqa: E731
    f3 = lambda y: jax.jvp(f2, (y,), (ones,))[1]  # noqa: E731
    with x64():
        twin = np.asarray(jax.jit(lambda y: jnp.stack([f0(y), f1(y), f2(y), f3(y)]))(x))
        reverse = np.asarray(jax.jit(jax.jacrev(f0))(x))
    return np.stack([model.rhs(x), np.diag(model.jac(x))]), twin, np.diag(reverse)


@pytest.mark.parametrize("index", range(len(RATES)), ids=[text for text, _, _ in RATES])
def test_value_and_three_derivatives_at_the_singular_point(index, at_singular_points):
    _, function, point = RATES[index]
    compiled, twin, reverse = (a[..., index] for a in at_singular_points)
    expected = expansion(function, point, 3)
    np.testing.assert_allclose(compiled, expected[:2], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(twin, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(reverse, expected[1], rtol=1e-12, atol=1e-14)


def test_parameter_derivative_at_the_singular_point():
    model = nc.Model.from_equations({"x": "a*(x - v0)/(1 - exp(-(x - v0)/k))"}, PARAMS)
    # a k u/(1 - e^-u), u = (x - v0)/k:  at u = 0 the value is a k, its derivative in x is a/2
    assert model.dfdp([3.0], "a")[0] == pytest.approx(5.0, rel=1e-14)
    assert model.dfdp([3.0], "v0")[0] == pytest.approx(-1.0, rel=1e-14)
    assert model.dfdp([3.0], "k")[0] == pytest.approx(2.0, rel=1e-14)


def test_near_the_singular_point_nothing_is_lost_to_cancellation():
    model = nc.Model.from_equations({"x": "0.1*(x + 40)/(1 - exp(-(x + 40)/10))"}, {})
    for offset in (1e-12, 1e-9, 1e-6, 1e-3, 0.3, 3.0, 4.9, 5.1, 19.0, 21.0, 60.0):
        for sign in (1, -1):
            x = -40.0 + sign * offset
            with mpmath.workdps(40):
                f = lambda v: (v + 40) / 10 / (1 - mpmath.exp(-(v + 40) / 10))  # noqa: E731
                value, slope = float(f(mpmath.mpf(x))), float(mpmath.diff(f, mpmath.mpf(x)))
            assert model.rhs([x])[0] == pytest.approx(value, rel=2e-14)
            assert model.jac([x])[0, 0] == pytest.approx(slope, rel=1e-12)


def test_true_poles_are_left_alone():
    model = nc.Model.from_equations({"x": "(x - 1)/(exp(x) - 1) + x/(exp(x) - 2) + x*y/(exp(x*y) - 1)", "y": "y"}, {})
    x, y = 0.4, 0.7
    expected = (x - 1) / np.expm1(x) + x / (np.exp(x) - 2) + x * y / np.expm1(x * y)
    assert model.rhs([x, y])[0] == pytest.approx(expected, rel=1e-13)
    assert np.isinf(model.rhs([0.0, y])[0])
    assert model.rhs([1.0, 0.0])[0] == pytest.approx(1 / (np.e - 2) + 1, rel=1e-13)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_exprel_and_its_derivatives_against_mpmath(k):
    points = [
        -750.0,
        -80.0,
        -7.3,
        -2.1,
        -2.0,
        -1.9,
        -0.6,
        -0.4,
        -1e-5,
        0.0,
        1e-9,
        0.49,
        0.51,
        1.99,
        2.01,
        5.0,
        60.0,
        700.0,
    ]
    with mpmath.workdps(60):
        expected = [float(mpmath.quad(lambda t, x=x: t**k * mpmath.exp(x * t), _pieces(x))) for x in points]
    with x64():
        ours = np.asarray(jax.jit(jax.vmap(lambda x: exprel(k, x)))(np.array(points)))
    np.testing.assert_allclose(ours, expected, rtol=2e-14)


def _pieces(x):
    """Where to split the integral of t^k exp(x t) over [0, 1], which is concentrated at one end for large |x|."""
    width = min(1.0, 40.0 / max(abs(x), 1e-300))
    return [0, width / 4, width, 1] if x < 0 else [0, 1 - width, 1 - width / 4, 1]


def test_exprel_overflows_only_where_it_must_and_keeps_the_precision_of_its_argument():
    with x64():
        assert np.isinf(np.asarray(exprel(1, 1000.0)))
        assert np.asarray(exprel(2, -1e6)) == pytest.approx(2e-18, rel=1e-12)
    assert exprel(0, jnp.float32(0.5)).dtype == jnp.float32


def test_boltzmann_functions_do_not_overflow():
    model = nc.Model.from_equations({"x": "1/(1 + exp(-x)) + 1/(2 + 2*exp(x/3))"}, {})
    for x in (-5000.0, 5000.0):
        assert np.all(np.isfinite(model.rhs([x])))
        assert model.jac([x])[0, 0] == 0.0
    assert model.rhs([0.6])[0] == pytest.approx(1 / (1 + np.exp(-0.6)) + 0.5 / (1 + np.exp(0.2)), rel=1e-14)
