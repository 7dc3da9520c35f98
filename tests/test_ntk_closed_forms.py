"""Scalar and planar kernels whose spectra are known in closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc

UNSCALED = {"theta_scale": "none", "state_scale": "none"}


def evaluate(model, theta, x, params, **settings):
    return nc.ntk.StateNTK(theta=theta, **UNSCALED, **settings).evaluate(model, x, params, free="mu")


def scalar(rhs):
    return nc.Model.from_equations({"x": rhs}, params={"mu": 0.0, "h": 0.0})


MUS = np.array([-1.0, -1e-2, -1e-5])


def test_saddle_node():
    sig = evaluate(scalar("mu + x**2"), ["mu"], -np.sqrt(-MUS)[:, None], {"mu": MUS})
    np.testing.assert_allclose(sig.top, 1 / (4 * np.abs(MUS)), rtol=1e-10)
    np.testing.assert_allclose(sig.lambda_0, -2 * np.sqrt(-MUS), rtol=1e-10)
    np.testing.assert_allclose(sig.g, 2 * np.sqrt(-MUS), rtol=1e-10)
    np.testing.assert_allclose(sig.lr_crit, 8 * np.abs(MUS), rtol=1e-10)


def test_transcritical():
    model = scalar("h + mu*x - x**2")
    mu = np.array([0.5, 1e-3])
    for x, parts in ((0 * mu, (0 * mu, mu**-2)), (mu, (1 + 0 * mu, mu**-2))):
        for theta, expected in ((["mu"], parts[0]), (["h"], parts[1]), (["mu", "h"], parts[0] + parts[1])):
            sig = evaluate(model, theta, x[:, None], {"mu": mu})
            np.testing.assert_allclose(sig.top, expected, rtol=1e-10)


def test_pitchfork():
    model = scalar("h + mu*x - x**3")
    mu = 1e-3
    trivial = evaluate(model, ["mu", "h"], [0.0], {"mu": mu})
    np.testing.assert_allclose(trivial.top, mu**-2, rtol=1e-10)
    assert evaluate(model, ["mu"], [0.0], {"mu": mu}).top[0] == 0.0
    branch = evaluate(model, ["mu", "h"], [np.sqrt(mu)], {"mu": mu})
    np.testing.assert_allclose(branch.top, 250250.0, rtol=1e-10)
    np.testing.assert_allclose(evaluate(model, ["mu"], [np.sqrt(mu)], {"mu": mu}).top, 1 / (4 * mu), rtol=1e-10)
    np.testing.assert_allclose(branch.ratio, 1.0, rtol=1e-10)


def test_arclength_gauge_of_a_fold():
    x = np.array([-3.0, -0.2, -1e-9, 0.0, 0.4])
    model = nc.Model.from_equations({"x": "mu + q + x**2"}, params={"mu": 0.0, "q": 0.0})
    sig = evaluate(model, ["q"], x[:, None], {"mu": -(x**2)})
    np.testing.assert_allclose(np.sqrt(sig.top_arc), np.abs(2 * x / (1 + 4 * x**2)), rtol=1e-10, atol=1e-15)
    assert list(sig.singular) == [False, False, False, True, False]
    assert sig.top[3] == np.inf
    assert np.isnan(sig.participation_ratio[3])


def test_hopf():
    def f(x, p, theta):
        return jnp.array([p["mu"] * x[0] - x[1] + theta[0], x[0] + p["mu"] * x[1] + theta[1]])

    model = nc.Model.from_jax(f, states=2, params={"mu": -0.01}, theta=np.zeros(2))
    mu = -0.01
    equilibrium = nc.ntk.StateNTK().evaluate(model, [0.0, 0.0], {"mu": mu})
    np.testing.assert_allclose(equilibrium.eigenvalues, np.full((1, 2), 1 / (mu**2 + 1)), rtol=1e-10)
    np.testing.assert_allclose(equilibrium.top_resolvent, 1e4, rtol=1e-10)
    np.testing.assert_allclose(equilibrium.lambda_c, mu + 1j, rtol=1e-10)
    np.testing.assert_allclose(equilibrium.omega_c, 1.0, rtol=1e-10)
    np.testing.assert_allclose(equilibrium.kappa, 1.0, rtol=1e-10)
    resolvent = nc.ntk.StateNTK(kernel="resolvent").evaluate(model, [0.0, 0.0], {"mu": mu})
    np.testing.assert_allclose(resolvent.eigenvalues, [[1 / mu**2, 1 / (mu**2 + 4)]], rtol=1e-10)
    np.testing.assert_allclose(resolvent.ratio, 1.0, rtol=1e-10)


def test_flip():
    model = nc.Model.from_equations({"x": "-(1 + mu)*x + x**3 + h"}, params={"mu": 0.0, "h": 0.0}, kind="map")
    mu = np.array([0.1, 1e-3, 1e-6])
    sig = evaluate(model, ["h"], np.zeros((3, 1)), {"mu": mu})
    np.testing.assert_allclose(sig.top, (2 + mu) ** -2, rtol=1e-10)
    np.testing.assert_allclose(sig.top_resolvent, mu**-2, rtol=1e-9)  # mu is a difference of two rounded numbers
    np.testing.assert_allclose(sig.omega_c, np.pi)
    np.testing.assert_allclose(sig.ratio_resolvent, 1.0, rtol=1e-10)


@pytest.mark.parametrize("kernel", ["equilibrium", "resolvent", "arclength"])
def test_each_kernel_reports_its_own_spectrum(kernel):
    rng = np.random.default_rng(0)
    model = nc.RateRNN(0.6 * rng.standard_normal((6, 6)), b=rng.standard_normal(6))
    sig = nc.ntk.StateNTK(kernel=kernel).evaluate(model, rng.standard_normal(6), {}, free="gain")
    name = {"equilibrium": "top", "resolvent": "top_resolvent", "arclength": "top_arc"}[kernel]
    np.testing.assert_allclose(sig.top, sig[name], rtol=1e-12)
