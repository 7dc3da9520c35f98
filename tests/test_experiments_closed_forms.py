"""The loss curves known in closed form, against independent integrators, gradient descent and the kernel."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize

import ntkcont as nc

LEARNING = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "12_closed_form_learning.py"))
UNSCALED = {"theta_scale": "none", "state_scale": "none"}


def test_two_layers_under_gradient_flow():
    target, weights = LEARNING["beginning"]()
    shapes = [weights["W1"].shape, weights["W2"].shape]

    def flow(_t, flat):
        W1, W2 = flat[: weights["W1"].size].reshape(shapes[0]), flat[weights["W1"].size :].reshape(shapes[1])
        error = W2 @ W1 - target
        return -np.concatenate([(W2.T @ error).ravel(), (error @ W1.T).ravel()])

    times = np.array([0.0, 0.5, 1.2, 2.0, 3.5])
    start = np.concatenate([weights["W1"].ravel(), weights["W2"].ravel()])
    found = integrate.solve_ivp(flow, (0.0, times[-1]), start, t_eval=times, rtol=1e-10, atol=1e-13).y.T
    strengths = LEARNING["strengths"](times)
    for flat, expected in zip(found, strengths, strict=True):
        now = {
            "W1": flat[: weights["W1"].size].reshape(shapes[0]),
            "W2": flat[weights["W1"].size :].reshape(shapes[1]),
        }
        np.testing.assert_allclose(LEARNING["learned_strengths"](now, target), expected, rtol=1e-7)
        loss = 0.5 * np.sum((now["W2"] @ now["W1"] - target) ** 2)
        np.testing.assert_allclose(LEARNING["loss_of"](expected), loss, rtol=1e-6)
    a1, a2 = LEARNING["learned_strengths"](now, target)
    np.testing.assert_allclose(LEARNING["kernel_eigenvalues"](now), [2 * a1, a1 + a2, a1 + a2, 2 * a2], rtol=1e-9)


def test_two_layers_gradient_descent_is_of_first_order():
    target, weights = LEARNING["beginning"]()
    errors = []
    for rate in (4e-3, 2e-3):
        losses, _ = LEARNING["descend"](weights, target, rate, 3.0)
        exact = LEARNING["loss_of"](LEARNING["strengths"](rate * np.arange(len(losses))))
        errors.append(np.max(np.abs(losses - exact)))
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("h", [0.1, 0.01])
def test_time_of_the_unit_is_the_integral(h):
    def slowness(z):  # of z' = (dz/dw)^2 (T - z), T = 1
        return (2 * z**3 + h) ** 2 / (z**4 * (1 - z))

    z0 = optimize.brentq(lambda z: h - z - z**3, 1e-6, 1.0)
    assert LEARNING["rest"](-1.0, h, h) == pytest.approx(z0, rel=1e-10)
    for z in (h ** (1 / 3), 0.9):
        expected = integrate.quad(slowness, z0, z, epsabs=0, epsrel=1e-10, limit=200)[0]
        assert LEARNING["time_at"](z, h) - LEARNING["time_at"](z0, h) == pytest.approx(expected, rel=1e-8)


def test_kernel_of_the_unit_is_largest_at_the_pitchfork():
    kernel, unit, h = nc.ntk.StateNTK(theta=["w"], **UNSCALED), LEARNING["UNIT"], 0.01
    z = np.geomspace(0.02, 0.9, 200)
    w = z**2 - h / z
    top = kernel.evaluate(unit, z[:, None], {"w": w, "h": h}).top
    np.testing.assert_allclose(top, (z**2 / (2 * z**3 + h)) ** 2, rtol=1e-10)
    at_zero = kernel.evaluate(unit, [h ** (1 / 3)], {"w": 0.0, "h": h}).top[0]
    assert at_zero == pytest.approx(h ** (-2 / 3) / 9, rel=1e-10)
    assert top.max() < at_zero
    assert abs(w[np.argmax(top)]) < 0.01
    without = kernel.evaluate(unit, [0.1], {"w": 0.01, "h": 0.0})  # its critical learning rate is 8 w
    assert without.lr_crit[0] == pytest.approx(0.08, rel=1e-10)
