"""Largest eigenvalues of kernels at successive points, each searched from where the last search ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.ntk.backends import diagonal, start_vector
from ntkcont.ntk.points import Points

_NO_STACK, _NO_TABLE, _NO_ROW = np.empty((0, 0, 0)), np.empty((0, 0)), np.empty(0)


def top_of_response(points: Points, s: Any) -> Any:
    """Return the largest eigenvalue of ``G G*``, (K,), with ``G = C (A - s I)^{-1} F`` and shifts s (K,)."""
    history, known = _history(points, "resolvent")
    if not known[0]:
        history[0], known[0] = points.out_vector(points.stability_vectors[0], points.critical.at_c)[0], True
    C = _NO_TABLE if points.readout is None else _table(points.readout)
    found = np.empty(len(points.A))
    for i, (A, F) in enumerate(zip(points.A, points.F, strict=True)):
        alone = len(F) == 1 and diagonal(F[0])  # as for one condition of a network
        found[i] = _largest(_table(A), s[i], _table(F), alone, C, _NO_TABLE, _NO_ROW, _NO_ROW, history, known)
    return found


def top_of_updated(points: Points, K: Any, u: Any, w: Any) -> Any:
    """Return the largest eigenvalue of ``K + u w^T + w u^T``, (K,): K (K, rows, rows) symmetric, u and w (K, rows)."""
    history, known = _history(points, "arclength")
    parts = zip(K, u, w, strict=True)
    return np.array(
        [
            _largest(_NO_STACK, 0j, _NO_STACK, False, _NO_TABLE, _table(k), _table(a), _table(b), history, known)
            for k, a, b in parts
        ]
    )


def _largest(*arguments: Any) -> float:
    from ntkcont.kernels.lapack import addresses  # compiled code, which small systems do without
    from ntkcont.kernels.response import largest

    return largest(addresses(), *arguments)


def _table(array: Any) -> Any:
    return np.ascontiguousarray(array, dtype=float)


def _history(points: Points, name: str) -> tuple[Any, Any]:
    """Return the vectors at which the searches before ended, and which of them are known."""
    if name not in points.memory:
        from ntkcont.kernels.response import HISTORY

        history = np.zeros((HISTORY, points.rows), complex)
        history[-1] = start_vector(points.rows) / np.linalg.norm(start_vector(points.rows))
        points.memory[name] = history, np.zeros(HISTORY, dtype=bool)
    return points.memory[name]
