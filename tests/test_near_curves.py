"""Curves of Hopf, Neimark-Sacker and period-doubling points with others 1e-4 away or across them, in closed form.

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
MIX = np.eye(6) + 0.3 * np.random.default_rng(0).standard_normal((6, 6))
UNMIX = np.linalg.inv(MIX)
#: The other two cross the first at q = 0.31 and -0.14, and each other at 0.085.
CROSSING = [BASE, BASE + np.array([-0.031, 0.1, 0.0]), BASE + np.array([-0.014, -0.1, 0.0])]
MEETS = {0: (-0.14, 0.31), 1: (0.085, 0.31), 2: (-0.14, 0.085)}


@numba.njit
def coordinates(q, turn):
    """T R(q) and its inverse, R a rotation of the planes (y_i, y_{i+3}), which lie across the blocks."""
    to, fro = MIX.copy(), UNMIX.copy()
    for i in range(3):
        co, si = np.cos(turn * (i + 1) * q), np.sin(turn * (i + 1) * q)
        for k in range(6):
            a, b = to[k, i], to[k, i + 3]
            to[k, i], to[k, i + 3] = a * co + b * si, b * co - a * si
            a, b = fro[i, k], fro[i + 3, k]
            fro[i, k], fro[i + 3, k] = a * co + b * si, b * co - a * si
    return to, fro


@numba.njit
def blocks(g, slope, y, p):
    """G(y) of the blocks and its Jacobian; p: p, q, whether a map, turn, then c (3, 3) and f (3, 2)."""
    for j in range(3):
        i, c, f = 2 * j, p[4 + 3 * j : 7 + 3 * j], p[13 + 2 * j : 15 + 2 * j]
        a, b = y[i], y[i + 1]
        r = p[0] - c[0] - c[1] * p[1] - c[2] * p[1] ** 2 - a * a - b * b
        w = f[0] + f[1] * p[1]
        if p[2] == 0.0:
            u, v = a, b
            co, si, full = r, w, 1.0
        else:
            u, v = np.cos(w) * a - np.sin(w) * b, np.sin(w) * a + np.cos(w) * b
            co, si, full = np.cos(w), np.sin(w), 1.0 + r
        g[i], g[i + 1] = full * (co * a - si * b), full * (si * a + co * b)
        slope[i, i], slope[i, i + 1] = full * co - 2 * a * u, -full * si - 2 * b * u
        slope[i + 1, i], slope[i + 1, i + 1] = full * si - 2 * a * v, full * co - 2 * b * v


@numba.njit
def rhs(out, x, p):
    to, fro = coordinates(p[1], p[3])
    y, g, slope = np.zeros(6), np.zeros(6), np.zeros((6, 6))
    for i in range(6):
        for k in range(6):
            y[i] += fro[i, k] * x[k]
    blocks(g, slope, y, p)
    for i in range(6):
        out[i] = 0.0
        for k in range(6):
            out[i] += to[i, k] * g[k]


@numba.njit
def jac(out, x, p):
    to, fro = coordinates(p[1], p[3])
    y, g, slope = np.zeros(6), np.zeros(6), np.zeros((6, 6))
    for i in range(6):
        for k in range(6):
            y[i] += fro[i, k] * x[k]
    blocks(g, slope, y, p)
    for i in range(6):
        for k in range(6):
            out[i, k] = 0.0
            for a in range(6):
                for b in range(6):
                    out[i, k] += to[i, a] * slope[a, b] * fro[b, k]


@pytest.fixture(scope="module")
def models():
    names = [f"c{j}{i}" for j in range(3) for i in range(3)] + [f"f{j}{i}" for j in range(3) for i in range(2)]
    params = {"p": -0.3, "q": 0.0, "is_map": 0.0, "turn": 0.0, **dict.fromkeys(names, 1.0)}
    states = [f"x{i}" for i in range(6)]
    flow = nc.Model.from_numba(rhs, states=states, params=params, jac=jac)
    as_map = nc.Model.from_numba(rhs, states=states, params={**params, "is_map": 1.0}, jac=jac, kind="map")
    return {"flow": flow, "map": as_map}


def followed(model, curves, offsets, turn):
    """Return the three curves in the order of `curves`."""
    frequencies = [FREQUENCY[model.kind] + np.array([each, 0.0]) for each in offsets]
    values = np.concatenate([np.ravel(curves), np.ravel(frequencies)])
    params = {**dict(zip(list(model.params)[4:], values.tolist(), strict=True)), "turn": turn}
    branch = nc.continuation(model, np.zeros(6), free="p", p_span=(-0.5, 1.5), params=params)
    points = branch.special_points("H" if model.kind == "flow" else "NS")
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
def test_each_of_three_curves_1e_4_apart_is_followed_over_the_span(models, kind, turn):
    for curve in followed(models[kind], NEAR, (0.0, 1e-4, -1e-4), turn):
        assert not [q for q in curve.special_points if q.label in ("HH", "NSNS")]


@pytest.mark.parametrize(
    ("kind", "offsets", "turn"),
    [("flow", (0.0, 1e-4, -1e-4), 0.4), ("map", (0.0, 0.2, -0.3), 0.4), ("map", (0.0, 1e-4, -1e-4), 0.0)],
)
def test_curves_that_cross_are_each_followed_and_the_crossings_marked(models, kind, offsets, turn):
    label = "HH" if kind == "flow" else "NSNS"
    for k, curve in enumerate(followed(models[kind], CROSSING, offsets, turn)):
        double = curve.special_points(label)
        assert all(point.converged for point in double)
        assert sorted(point["q"] for point in double) == pytest.approx(MEETS[k], abs=1e-7)


@pytest.mark.parametrize("curves", [NEAR, CROSSING], ids=["near", "crossing"])
def test_period_doubling_curves(curves):
    """y_k -> -(1 + p - c_k(q)) y_k + y_k^3 in the coordinates x = (y0 + 3 y1, y1 + 3 y2, y2)."""
    y = ["(x0 - 3*x1 + 9*x2)", "(x1 - 3*x2)", "x2"]
    new = [
        f"-(1 + p - ({c[0]} + {c[1]}*q + {c[2]}*q**2))*{each} + {each}**3" for c, each in zip(curves, y, strict=True)
    ]
    equations = {"x0": f"{new[0]} + 3*({new[1]})", "x1": f"{new[1]} + 3*({new[2]})", "x2": new[2]}
    model = nc.Model.from_equations(equations, {"p": -0.3, "q": 0.0}, kind="map")
    points = nc.continuation(model, np.zeros(3), free="p", p_span=(-0.5, 1.5)).special_points("PD")
    assert len(points) == 3
    for c in curves:
        (point,) = [each for each in points if abs(each.p - c[0]) < 1e-6]
        curve = nc.continuation(model, point, free=("p", "q"), p_span=((-3, 3), (-1, 1)))
        check_curve(curve, model)
        assert curve.status is nc.Status.BOUND
        assert len(curve) < 150
        np.testing.assert_allclose(curve["p"], c[0] + c[1] * curve["q"] + c[2] * curve["q"] ** 2, atol=1e-9)
        assert curve.special_points.labels == ("EP", "EP")
