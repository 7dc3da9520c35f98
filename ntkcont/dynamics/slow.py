"""Slow points: local minima of the speed that are not fixed points."""

from __future__ import annotations

import numpy as np

from ntkcont.dynamics.search import Search
from ntkcont.linear import least_squares
from ntkcont.models.model import Array

_COARSE = 3e-2  # starts that stalled this close together, relative to the scale, are looked at once


def polish(search: Search, below: float, unique: float) -> list[tuple[Array, float, int, int]]:
    """Return (state, speed, index of the start, number of starts) of the slow points, slowest first."""
    groups: list[tuple[Array, int, int]] = []
    for x, index in search.stalled:
        if not search.speed(x) <= 10 * below:
            continue
        near = search.nearest(x, [g[0] for g in groups])
        if near is not None and search.distance(x, groups[near][0]) <= _COARSE:
            first, i, hits = groups[near]
            groups[near] = (first, i, hits + 1)
        else:
            groups.append((x, index, 1))
    found: list[tuple[Array, float, int, int]] = []
    for start, index, hits in groups:
        x = _minimise(search, start)
        speed = search.speed(x)
        fixed = search.nearest(x, search.points)
        if not speed <= below or (fixed is not None and search.distance(x, search.points[fixed]) <= unique):
            continue
        near = search.nearest(x, [each[0] for each in found])
        if near is not None and search.distance(x, found[near][0]) <= unique:
            old = found[near]
            found[near] = (old[0], old[1], min(old[2], index), old[3] + hits)
        else:
            found.append((x, speed, index, hits))
    return sorted(found, key=lambda each: each[1])


def _minimise(search: Search, x: Array) -> Array:
    """Minimise q = abs(F/scale)^2/2 from x, in scaled variables: Gauss-Newton stalls where F does not vanish."""
    from scipy.optimize import minimize

    scale = search.scale
    identity = np.eye(len(x)) if search.model.kind == "map" else 0.0

    def value(y: Array) -> tuple[float, Array]:
        f = search.f(y * scale) / scale
        a = (search.jac(y * scale) - identity) * scale[None, :] / scale[:, None]
        return 0.5 * float(f @ f), a.T @ f

    def gradient(y: Array) -> Array:
        return value(y)[1]

    y = x / scale
    size = max(float(np.linalg.norm(gradient(y))), 1e-300)
    unit = max(value(y)[0], 1e-300)
    with np.errstate(all="ignore"):
        result = minimize(lambda y: tuple(v / unit for v in value(y)), y, jac=True, method="BFGS")
        y = result.x if np.all(np.isfinite(result.x)) and value(result.x)[0] <= value(y)[0] else y
        y = _newton(gradient, y, size)
    return y * scale


def _newton(gradient, y: Array, size: float) -> Array:
    """Newton on the gradient, with differences for its derivative; keeps y where that does not reduce it."""
    n = len(y)
    if n > 200:
        return y
    h = 1e-6
    for _ in range(4):
        g = gradient(y)
        if np.linalg.norm(g) <= 1e-14 * size:
            break
        hessian = np.array([(gradient(y + h * e) - gradient(y - h * e)) / (2 * h) for e in np.eye(n)])
        step = least_squares(0.5 * (hessian + hessian.T), -g, 1e-12)
        new = y + step
        if not np.linalg.norm(step) < 0.1 or not np.linalg.norm(gradient(new)) < np.linalg.norm(g):
            break
        y = new
    return y
