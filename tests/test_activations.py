"""Activations neither overflow nor lose their derivatives, and a pair given by the user is checked at once."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numba
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.models.activations import find_phi

NAMES = ["tanh", "relu", "softplus", "sigmoid", "retanh"]
# exact values, with mpmath's 30 digits rounded: phi and phi' at 40, -40 and 1
TABLE = {
    "tanh": [(40.0, 1.0, 0.0), (-40.0, -1.0, 0.0), (1.0, 0.7615941559557649, 0.41997434161402614)],
    "relu": [(40.0, 40.0, 1.0), (-40.0, 0.0, 0.0), (0.0, 0.0, 0.0)],
    "softplus": [
        (40.0, 40.0, 1.0),
        (-40.0, 4.248354255291589e-18, 4.248354255291589e-18),
        (0.0, math.log(2.0), 0.5),
        (1.0, 1.3132616875182228, 0.7310585786300049),
    ],
    "sigmoid": [
        (40.0, 1.0, 4.248354255291589e-18),
        (-40.0, 4.248354255291589e-18, 4.248354255291589e-18),
        (0.0, 0.5, 0.25),
        (1.0, 0.7310585786300049, 0.19661193324148185),
    ],
    "retanh": [(40.0, 1.0, 0.0), (-40.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 0.7615941559557649, 0.41997434161402614)],
}


def one_unit(phi):
    """The network whose step is phi itself."""
    return nc.RateRNN([[1.0]], phi=phi, form="rate", alpha=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_table_of_values_and_slopes(name):
    net = one_unit(name)
    for x, value, slope in TABLE[name]:
        with x64():
            twin, tangent = jax.jvp(find_phi(name).jax, (np.float64(x),), (np.float64(1.0),))
            twin, tangent = float(twin), float(tangent)
        assert net.rhs([x])[0] == pytest.approx(value, rel=1e-14, abs=1e-300)
        assert net.jac([x])[0, 0] == pytest.approx(slope, rel=1e-13, abs=1e-15)
        assert twin == pytest.approx(value, rel=1e-14, abs=1e-300)
        assert tangent == pytest.approx(slope, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overflows_and_nested_derivatives_are_finite(name):
    net, f = one_unit(name), find_phi(name).jax
    for x in (-1e300, -800.0, -30.0, 0.0, 30.0, 800.0, 1e300):
        assert np.isfinite(net.rhs([x])[0])
        assert np.isfinite(net.jac([x])[0, 0])
        with x64():
            g = f
            for _ in range(4):
                value = float(g(np.float64(x)))
                assert np.isfinite(value)
                g = jax.grad(g)


@pytest.mark.parametrize("name", ["tanh", "softplus", "sigmoid"])
def test_third_derivatives_are_right_where_formulas_branch(name):
    f = find_phi(name).jax
    exact = {"tanh": -2.0, "softplus": 0.0, "sigmoid": -0.125}[name]
    with x64():
        assert float(jax.grad(jax.grad(jax.grad(f)))(np.float64(0.0))) == pytest.approx(exact, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan(name):
    net = one_unit(name)
    out = np.zeros(1)
    net.compiled.rhs(out, np.array([np.nan]), np.array([1.0, 0.0]), net.constants)
    assert np.isnan(out[0])


def bump(x):
    return x * math.exp(-x * x)


def bump_slope(x):
    return (1.0 - 2.0 * x * x) * math.exp(-x * x)


def jax_bump(x):
    return x * jnp.exp(-x * x)


PAIRS = [(bump, bump_slope, jax_bump), (numba.njit(bump), jax_bump)]


@pytest.mark.parametrize("phi", PAIRS)
@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_a_pair_of_functions_is_an_activation(phi, form):
    rng = np.random.default_rng(0)
    W, b, gain, x = (
        rng.standard_normal((3, 3)),
        rng.standard_normal(3),
        rng.uniform(0.5, 2.0, 3),
        rng.standard_normal(3),
    )
    net = nc.RateRNN(W, b, phi=phi, form=form, phi_gain=gain, W_in=np.eye(3), inputs={"I": [1.0, 2.0, 3.0]})

    def formula(z):
        f = np.vectorize(bump)
        a = W @ f(gain * z) + b if form == "synaptic" else f(gain * (W @ z + b))
        return a - z

    np.testing.assert_allclose(net.rhs(x), formula(x), atol=1e-14)
    h = 1e-6
    finite = np.array([(formula(x + e) - formula(x - e)) / (2 * h) for e in h * np.eye(3)]).T
    np.testing.assert_allclose(net.jac(x), finite, atol=1e-8)
    with x64():
        jac = np.asarray(jax.jacfwd(net.jax_rhs)(x, net.values(), net.theta))
        dfdp = np.asarray(jax.jacfwd(net.jax_rhs, argnums=1)(x, net.values(), net.theta))
    np.testing.assert_allclose(net.jac(x), jac, atol=1e-12)
    np.testing.assert_allclose(net.dfdp(x, "gain"), dfdp[:, 0], atol=1e-12)
    np.testing.assert_allclose(net.dfdp(x, "I"), dfdp[:, 1], atol=1e-12)
    again = nc.RateRNN(2.0 * W, phi=phi, form=form)
    assert again.compiled.rhs is net.compiled.rhs  # other weights need no other compilation
    assert net.phi.name == "bump"
    assert "phi bump" in net.description


def test_a_kinked_activation_needs_its_derivative():
    def leaky(x):
        return x if x > 0 else 0.1 * x

    def leaky_slope(x):
        return 1.0 if x > 0 else 0.1

    def jax_leaky(x):
        return jnp.where(x > 0, x, 0.1 * x)

    with pytest.raises(
        nc.InputError, match=r"phi: its derivative differs .* bends too sharply .* \(f, derivative, jax_f\)"
    ):
        nc.RateRNN([[1.0]], phi=(leaky, jax_leaky))
    net = nc.RateRNN([[1.0]], phi=(leaky, leaky_slope, jax_leaky), form="rate", alpha=1.0)
    assert net.rhs([-2.0])[0] == pytest.approx(-0.2)
    assert net.jac([-2.0])[0, 0] == pytest.approx(0.1)


def test_digest_follows_the_code_of_a_pair():
    digests = {nc.RateRNN([[1.0]], phi=phi).digest for phi in ((bump, jax_bump), (bump, bump_slope, jax_bump))}
    assert len(digests) == 2
    assert nc.RateRNN([[1.0]], phi=(bump, jax_bump)).digest in digests


@pytest.mark.parametrize(
    ("phi", "message"),
    [
        ("tahn", r"phi: 'tahn' is unknown; did you mean 'tanh' or 'retanh'\?"),
        (math.tanh, r"phi: .* was given; it may be one of 'tanh', .* a pair \(f, jax_f\)"),
        ((bump, jnp.tanh), r"phi: the numba and the jax function differ by .* make them the same function"),
        ((bump, bump, jax_bump), r"phi: its derivative differs .* correct the second function"),
        ((lambda x: undefined(x), jax_bump), r"phi\[0\]: numba could not compile or run it on the number 0.5"),  # noqa: F821
        ((lambda x: (x, x), jax_bump), r"phi\[0\]: it returned tuple for the number 0.5"),
        ((bump, jnp.sum), r"phi\[-1\]: it returned shape \(\) for .* elementwise"),
        ((bump, lambda x: x.missing), r"phi\[-1\]: jax could not apply it to an array \(AttributeError"),
    ],
)
def test_bad_input_is_named(phi, message):
    with pytest.raises(nc.InputError, match=message):
        nc.RateRNN([[1.0]], phi=phi)


def test_vectorised_tanh_to_the_last_places():
    """Against mpmath at places of all sizes; limits and nan as in the mathematical library."""
    import mpmath

    from ntkcont.kernels.elementary import tanh

    @numba.njit
    def of(v):
        tanh(v)

    x = np.concatenate([np.logspace(-300, 1.4, 900), np.linspace(-22.0, 22.0, 901), [5e-324, 0.17, 0.35, 0.5]])
    found = x.copy()
    of(found)
    with mpmath.workdps(40):
        exact = np.array([float(mpmath.tanh(mpmath.mpf(float(v)))) for v in x])
    assert np.all(np.abs(found - exact) <= 4 * np.finfo(float).eps * np.abs(exact))
    limits = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e300])
    of(limits)
    np.testing.assert_array_equal(limits, [0.0, -0.0, 1.0, -1.0, np.nan, 1.0])
    assert np.signbit(limits[1])
