"""Curves of Hopf and Neimark-Sacker points with others 1e-4 away or across them, in closed form.

Blocks with eigenvalues ``p - c_k(q) +- i f_k(q)`` (flows) or multipliers ``(1 + p - c_k(q)) exp(+-i f_k(q))`` (maps) in
coordinates that mix them, constant or turning with q: the curves are ``p = c_k(q)``, c_k and f_k polynomials.
"""

from __future__ import annotations

import numba
import numpy as np
import pytest

import ntkcont as nc
from tests.two_parameter_checks import check_curve

BASE = np.array([0.0, 0.2, 0.3])
FREQUENCY = {"flow": np.array([1.0, 0.2]), "map": np.array([1.3, 0.1])}
NEAR = [BASE + np.array([shift, 0.0, 0.0]) for shift in (0.0, 1e-4, -1e-4)]
#: The other two cross the first at q = 0.31 and -0.14, and each other at 0.085.
CROSSING = [BASE, BASE + np.array([-0.031, 0.1, 0.0]), BASE + np.array([-0.014, -0.1, 0.0])]
MEETS = {0: (-0.14, 0.31), 1: (0.085, 0.31), 2: (-0.14, 0.085)}


def mixed(kind, curves, frequencies, turn):
    """Return the model in mixed coordinates x = T R(q) y, R a rotation by `turn` q in three planes."""
    n, flow = 2 * len(curves), kind == "flow"
    rng = np.random.default_rng(0)
    mix = np.ascontiguousarray(np.eye(n) + 0.3 * rng.standard_normal((n, n)))
    back = np.ascontiguousarray(np.linalg.inv(mix))
    c, f = np.array(curves, dtype=float), np.array(frequencies, dtype=float)

    @numba.njit
    def coordinates(q):
        r = np.eye(n)
        for i in range(0, n // 2):  # planes across the blocks: y_i with y_{i+3}
            co, si = np.cos(turn * (i + 1) * q), np.sin(turn * (i + 1) * q)
            r[i, i], r[i, i + 3], r[i + 3, i], r[i + 3, i + 3] = co, -si, si, co
        return mix @ r, np.ascontiguousarray(r.T) @ back

    @numba.njit
    def rhs(out, x, p):
        to, fro = coordinates(p[1])
        y, g = fro @ x, np.empty(n)
        for j in range(n // 2):
            a, b = y[2 * j], y[2 * j + 1]
            r = p[0] - c[j, 0] - c[j, 1] * p[1] - c[j, 2] * p[1] ** 2 - a * a - b * b
            w = f[j, 0] + f[j, 1] * p[1]
            if flow:
                g[2 * j], g[2 * j + 1] = r * a - w * b, w * a + r * b
            else:
                co, si = np.cos(w), np.sin(w)
                g[2 * j], g[2 * j + 1] = (1 + r) * (co * a - si * b), (1 + r) * (si * a + co * b)
        out[:] = to @ g

    @numba.njit
    def jac(out, x, p):
        to, fro = coordinates(p[1])
        y, g = fro @ x, np.zeros((n, n))
        for j in range(n // 2):
            i = 2 * j
            a, b = y[i], y[i + 1]
            r = p[0] - c[j, 0] - c[j, 1] * p[1] - c[j, 2] * p[1] ** 2 - a * a - b * b
            w = f[j, 0] + f[j, 1] * p[1]
            if flow:
                u, v, co, si, k = a, b, 0.0, w, r
            else:
                co, si, k = np.cos(w), np.sin(w), 1 + r
                u, v = co * a - si * b, si * a + co * b
            if flow:
                g[i, i], g[i, i + 1] = k - 2 * a * u, -si - 2 * b * u
                g[i + 1, i], g[i + 1, i + 1] = si - 2 * a * v, k - 2 * b * v
            else:
                g[i, i], g[i, i + 1] = k * co - 2 * a * u, -k * si - 2 * b * u
                g[i + 1, i], g[i + 1, i + 1] = k * si - 2 * a * v, k * co - 2 * b * v
        out[:] = to @ (g @ fro)

    names = [f"x{i}" for i in range(n)]
    return nc.Model.from_numba(rhs, states=names, params={"p": -0.3, "q": 0.0}, jac=jac, kind=kind)


def followed(kind, curves, offsets, turn):
    """Return the three curves in the order of `curves`."""
    frequencies = [FREQUENCY[kind] + np.array([each, 0.0]) for each in offsets]
    model = mixed(kind, curves, frequencies, turn)
    branch = nc.continuation(model, np.zeros(6), free="p", p_span=(-0.5, 1.5))
    points = branch.special_points("H" if kind == "flow" else "NS")
    assert len(points) == 3
    found = []
    for k in range(3):
        (point,) = [q for q in points if abs(q.p - curves[k][0]) < 1e-6]
        found.append(nc.continuation(model, point, free=("p", "q"), p_span=((-3, 3), (-1, 1))))
    for curve, c, f in zip(found, curves, frequencies, strict=True):
        check_curve(curve, model)
        assert curve.status is nc.Status.BOUND
        assert sorted(curve["q"][[0, -1]]) == [-1.0, 1.0]
        p, q = curve["p"], curve["q"]
        np.testing.assert_allclose(p, c[0] + c[1] * q + c[2] * q**2, atol=1e-9)
        np.testing.assert_allclose(curve.omega, f[0] + f[1] * q, atol=1e-9)
        assert len(curve) < 150  # without creeping
    return found


@pytest.mark.parametrize(("kind", "turn"), [("flow", 0.0), ("map", 0.0), ("map", 0.4)])
def test_each_of_three_curves_1e_4_apart_is_followed_over_the_span(kind, turn):
    for curve in followed(kind, NEAR, (0.0, 1e-4, -1e-4), turn):
        assert not [q for q in curve.special_points if q.label in ("HH", "NSNS")]


@pytest.mark.parametrize(
    ("kind", "offsets", "turn"),
    [("flow", (0.0, 1e-4, -1e-4), 0.4), ("map", (0.0, 0.2, -0.3), 0.4), ("map", (0.0, 1e-4, -1e-4), 0.0)],
)
def test_curves_that_cross_are_each_followed_and_the_crossings_marked(kind, offsets, turn):
    label = "HH" if kind == "flow" else "NSNS"
    for k, curve in enumerate(followed(kind, CROSSING, offsets, turn)):
        double = curve.special_points(label)
        assert all(point.converged for point in double)
        assert sorted(point["q"] for point in double) == pytest.approx(MEETS[k], abs=1e-7)
