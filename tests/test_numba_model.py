"""Models from numba functions: derivatives by differences, the callback twin, and what bad functions are told."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numba
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64

STATES, PARAMS = ("v", "w"), {"I": 0.4, "a": 0.7, "eps": 0.08}


def fitzhugh_nagumo(out, x, p):
    out[0] = x[0] - x[0] ** 3 / 3 - x[1] + p[0]
    out[1] = p[2] * (x[0] + p[1] - math.tanh(x[1]))


def analytic(x, p):
    jac = np.array([[1 - x[0] ** 2, -1.0], [p[2], -p[2] / np.cosh(x[1]) ** 2]])
    dfdp = np.array([[1.0, 0.0, 0.0], [0.0, p[2], x[0] + p[1] - np.tanh(x[1])]])
    return jac, dfdp


def fitzhugh_nagumo_jac(out, x, p):
    out[0, 0] = 1 - x[0] ** 2
    out[0, 1] = -1.0
    out[1, 0] = p[2]
    out[1, 1] = -p[2] / math.cosh(x[1]) ** 2


@pytest.fixture(scope="module")
def model():
    return nc.Model.from_numba(fitzhugh_nagumo, STATES, PARAMS)


def test_differences_reach_twelve_digits(model):
    x = np.array([0.9, -0.3])
    jac, dfdp = analytic(x, model.values())
    np.testing.assert_allclose(model.jac(x), jac, rtol=1e-10, atol=1e-12)
    for j, name in enumerate(PARAMS):
        np.testing.assert_allclose(model.dfdp(x, name), dfdp[:, j], rtol=1e-10, atol=1e-12)


def test_dfdp_is_directional(model):
    x, p = np.array([0.9, -0.3]), model.values()
    direction, out = np.array([2.0, -1.0, 0.5]), np.empty(2)
    model.compiled.dfdp(out, x, np.concatenate([p, direction]), np.zeros(0))
    np.testing.assert_allclose(out, analytic(x, p)[1] @ direction, rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_differences_do_not_depend_on_units(scale):
    def rhs(out, x, p):
        out[0] = p[0] * math.tanh(x[0] / p[1]) + x[0] / (p[1] + x[0] * x[0] / p[1])

    model = nc.Model.from_numba(rhs, ["x"], {"a": 2.0, "scale": scale})
    for u in (0.0, 0.3, -1.7):
        expected = (2 / np.cosh(u) ** 2 + (1 - u**2) / (1 + u**2) ** 2) / scale
        assert model.jac([u * scale])[0, 0] == pytest.approx(expected, rel=1e-8)


def test_an_already_jitted_function_and_a_given_jacobian():
    model = nc.Model.from_numba(numba.njit(fitzhugh_nagumo), STATES, PARAMS, jac=fitzhugh_nagumo_jac)
    x = np.array([0.9, -0.3])
    np.testing.assert_allclose(model.jac(x), analytic(x, model.values())[0], rtol=1e-15)


def test_jacobian_entries_that_are_not_written_are_zero():
    def jac(out, x, p):
        out[0, 0] = 1.0

    def rhs(out, x, p):
        out[0], out[1] = x[0], 3.0

    model = nc.Model.from_numba(rhs, ["x", "y"], {}, jac=jac)
    np.testing.assert_array_equal(model.jac([1.0, 2.0]), [[1.0, 0.0], [0.0, 0.0]])


def test_callback_twin_and_its_derivatives(model):
    x, p = np.array([0.9, -0.3]), model.values()
    jac, dfdp = analytic(x, p)
    with x64():
        f = lambda y, q: model.jax_rhs(y, q, {})  # noqa: E731
        np.testing.assert_allclose(np.asarray(f(jnp.array(x), p)), model.rhs(x), rtol=1e-15)
        np.testing.assert_allclose(np.asarray(jax.jacfwd(f)(jnp.array(x), p)), jac, rtol=1e-10)
        np.testing.assert_allclose(
            np.asarray(jax.jacrev(f, 1)(jnp.array(x), jnp.array(p))), dfdp, rtol=1e-10, atol=1e-11
        )
        batch = np.array([[0.9, -0.3], [0.1, 0.2], [-2.0, 1.0]])
        values = np.asarray(jax.jit(jax.vmap(lambda y: f(y, p)))(batch))
        np.testing.assert_allclose(values, [model.rhs(y) for y in batch], rtol=1e-15)
        slopes = np.asarray(jax.vmap(jax.jacfwd(lambda y: f(y, p)))(jnp.array(batch)))
        np.testing.assert_allclose(slopes, [analytic(y, p)[0] for y in batch], rtol=1e-10)


@pytest.mark.parametrize(("jac", "second", "third"), [(None, 1e-7, 1e-4), (fitzhugh_nagumo_jac, 1e-10, 1e-7)])
def test_callback_twin_higher_derivatives_by_nested_jvp(jac, second, third):
    model = nc.Model.from_numba(fitzhugh_nagumo, STATES, PARAMS, jac=jac)
    x, u = np.array([0.9, -0.3]), np.array([0.6, 0.8])
    with x64():
        f0 = lambda y: model.jax_rhs(y, jnp.asarray(model.values()), {})  # noqa: E731
        f1 = lambda y: jax.jvp(f0, (y,), (jnp.array(u),))[1]  # noqa: E731
        f2 = lambda y: jax.jvp(f1, (y,), (jnp.array(u),))[1]  # noqa: E731
        f3 = lambda y: jax.jvp(f2, (y,), (jnp.array(u),))[1]  # noqa: E731
        b, c = np.asarray(f2(jnp.array(x))), np.asarray(f3(jnp.array(x)))
    t = np.tanh(x[1])
    sech2 = 1 - t**2
    eps = PARAMS["eps"]
    np.testing.assert_allclose(b, [-2 * x[0] * u[0] ** 2, eps * 2 * t * sech2 * u[1] ** 2], rtol=second, atol=second)
    np.testing.assert_allclose(
        c, [-2 * u[0] ** 3, eps * (2 * sech2**2 - 4 * t**2 * sech2) * u[1] ** 3], rtol=third, atol=third
    )


def test_an_exception_in_the_middle_comes_through():
    def rhs(out, x, p):
        if x[0] > 10.0:
            raise ValueError("outside the table")
        out[0] = x[0]

    model = nc.Model.from_numba(rhs, ["x"], {})
    assert model.rhs([1.0])[0] == 1.0
    with pytest.raises(ValueError, match="outside the table"):
        model.rhs([11.0])


# ------------------------------------------------------------------ bad input


def _unknown(out, x, p):
    out[0] = not_a_thing(x[0])  # noqa: F821


def _strings(out, x, p):
    out[0] = "a" + x[0]


def _returns(out, x, p):
    return np.array([x[0], x[1]])


def _half(out, x, p):
    out[0] = x[0]


def _outside(out, x, p):
    out[0] = x[0]
    out[1] = x[1]
    out[2] = p[0]


def _reads_outside(out, x, p):
    out[0] = x[0]
    out[1] = p[3]


def _raises(out, x, p):
    raise RuntimeError("no data")


def _changes(out, x, p):
    x[0] = 1.0
    out[0] = x[0]
    out[1] = x[1]


def _two(out, x):
    out[0] = x[0]


@pytest.mark.parametrize(
    ("rhs", "message"),
    [
        (_unknown, r"^rhs: numba cannot compile it: .*not_a_thing"),
        (_strings, r"^rhs: numba cannot compile it: .{10,210}$"),
        (_returns, r"^rhs: it does not write out; assign every element"),
        (_half, r"^rhs: it does not write out\[1\]"),
        (_outside, r"^rhs: it uses an index that is out of bounds .*out has shape \(2,\)"),
        (_reads_outside, r"^rhs: .*out of bounds .*p 3 elements"),
        (_raises, r"^rhs: it raises at every state .*RuntimeError: no data"),
        (_changes, r"^rhs: it changes its argument x; only out may be written"),
        (_two, r"^rhs: _two\(out, x\) was given; it must take three arguments"),
        ("text", r"^rhs: got 'text'; it must be a function"),
    ],
)
def test_bad_functions_are_refused_in_one_sentence(rhs, message):
    with pytest.raises(nc.InputError, match=message) as caught:
        nc.Model.from_numba(rhs, STATES, PARAMS)
    assert "\n" not in str(caught.value)


def test_bad_jacobian_states_and_parameters():
    with pytest.raises(nc.InputError, match=r"^jac: it does not write out"):
        nc.Model.from_numba(fitzhugh_nagumo, STATES, PARAMS, jac=lambda out, x, p: None)
    with pytest.raises(nc.InputError, match=r"^states: the name 'v' appears twice"):
        nc.Model.from_numba(fitzhugh_nagumo, ("v", "v"), PARAMS)
    with pytest.raises(nc.InputError, match=r"^params\['I'\]: got 'x'; it must be one finite number"):
        nc.Model.from_numba(fitzhugh_nagumo, STATES, {"I": "x"})
    with pytest.raises(nc.InputError, match=r"the name 'v' is both a state and a parameter"):
        nc.Model.from_numba(fitzhugh_nagumo, STATES, {"v": 1.0})
    with pytest.raises(nc.InputError, match=r"^kind: 'flw' is unknown"):
        nc.Model.from_numba(fitzhugh_nagumo, STATES, PARAMS, kind="flw")
