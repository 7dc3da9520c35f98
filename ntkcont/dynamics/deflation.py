"""Deflation: Newton's method that does not go where it has been.

With the solutions x_i known, Newton is applied to ``M(x) F(x)``, ``M = prod_i (1/|x - x_i|^2 + 1)``: it has the other
solutions only.  By the formula of Sherman and Morrison its step is that of Newton on F, d, times a number,
``d / (1 - q.d)`` with ``q = grad M / M``, so that no other matrix is needed.

References
----------
P. E. Farrell, A. Birkisson, S. W. Funke, Deflation techniques for finding distinct solutions of nonlinear partial
differential equations, SIAM J. Sci. Comput. 37 (2015) A2026-A2045, equation 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ntkcont.models.model import Array

if TYPE_CHECKING:
    from ntkcont.dynamics.search import Search

#: Distances, in units of the scale, at which the search goes on from each point found.
_AWAY = (1e-2, 1e-1, 1e-1, 1.0, 1.0)
#: With so many of the other points it looks half-way between the two.
_OTHERS = 6
#: Largest step, per state, in units of the scale.
_REACH = 10.0
#: A search that gets this far, in units of the scale, is given up.
_FAR = 1e4

System = Callable[[Array], tuple[Array, Array] | None]


def deflated_newton(
    system: System, x0: Array, known: Sequence[Array], *, tol: float = 1e-10, max_iter: int = 60, reach: float = 10.0
) -> Array | None:
    """Return a solution that is not among `known`; None if none is met from `x0`.

    Parameters
    ----------
    system : callable
        ``system(x) -> (F, F_x)``, or None where it is not defined.
    x0 : ndarray, shape (n,)
        Start, none of `known`.
    known : sequence of ndarray
        Solutions to stay away from.
    tol : float
        Size of the last Newton step.
    max_iter : int
    reach : float
        Largest step: long ones lead around the solutions that were divided out.
    """
    x = np.array(x0, dtype=float)
    points = np.array(known, dtype=float).reshape(-1, x.size)
    for _ in range(max_iter):
        evaluated = system(x)
        if evaluated is None or not all(np.all(np.isfinite(part)) for part in evaluated):
            return None
        f, a = evaluated
        try:
            newton = np.asarray(np.linalg.solve(a, -f), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        if not np.all(np.isfinite(newton)):
            return None
        step = newton
        if len(points):
            apart = x - points
            square = np.sum(apart**2, axis=1)
            if np.min(square) == 0.0:
                return None
            # grad of log(1/s + 1), s = |x - x_i|^2
            q = np.sum((-2.0 / (square * (1.0 + square)))[:, None] * apart, axis=0)
            factor = 1.0 - float(q @ newton)
            step = newton / factor if factor != 0.0 else newton
        size = float(np.linalg.norm(step))
        if not np.isfinite(size):
            return None
        if size > reach:
            step = step * (reach / size)
        x = x + step
        if max(size, float(np.linalg.norm(newton))) <= tol:
            return x
    return None


def deflate(search: Search, starts: Array, *, most: int = 10_000) -> None:
    """Look for further fixed points from every start and every point found, until nothing new comes up.

    Parameters
    ----------
    search : Search
        What has been found so far; new points are added to it, with the index of the start that led to them.
    starts : ndarray, shape (m, n)
    most : int
        Give up beyond so many points: then they form curves.
    """
    reach = _REACH * float(np.sqrt(search.model.n))
    rng = np.random.default_rng(0)
    totals = search.totals
    queue = [(np.array(start), index, np.array(start)) for index, start in enumerate(starts)]

    def around(point: Array, index: int) -> list[tuple[Array, int, Array]]:
        # from the point itself the deflated equations are not defined
        nearby = [point + size * scale * rng.standard_normal(point.size) for size in _AWAY]
        others = [other for other in search.points if other is not point][-_OTHERS:]
        between = [0.5 * (point + other) for other in others]
        return [(totals.project(start, point, scale), index, point) for start in (*nearby, *between)]

    scale = search.scale
    for i, point in enumerate(search.points):
        queue += around(point, search.index[i])
    while queue and len(search.points) < most:
        start, index, like = queue.pop(0)
        outside: list[Array] = []  # solutions beyond the box: not wanted, but not to be found again either
        while len(search.points) < most:
            known = [*search.points, *outside]
            # starts near zero say nothing about the size of what is elsewhere
            scale = np.maximum(scale, np.max(np.abs(known), axis=0)) if known else scale
            by = np.full_like(scale, np.max(scale)) if search.model.homogeneous else scale
            new = deflated_newton(
                _system(search, by, like),
                start / by,
                [point / by for point in known],
                tol=1e-6,
                max_iter=40,
                reach=reach,
            )
            polished = None if new is None else search.refine(new * by, index, like)
            if polished is None:
                break
            if len(search.points) == len(known) - len(outside):
                if search.inside(polished):
                    break  # met again
                outside.append(polished)
            else:
                queue += around(polished, index)


def _system(search: Search, d: Array, like: Array) -> System:
    """Return F and its Jacobian in units of d, as a function that is not defined far away.

    Totals are those of the state `like`.
    """
    is_map, identity = search.model.kind == "map", np.eye(search.model.n)

    def system(u: Array) -> tuple[Array, Array] | None:
        if not np.all(np.abs(u) < _FAR):
            return None
        a = search.jac(u * d) - identity if is_map else search.jac(u * d)
        return search.totals.put_in(search.f(u * d) / d, a * d / d[:, None], u * d, d, like)

    return system
