"""Derivatives of a compiled right-hand side by central differences of fourth order.

The step of each column is 1e-3 of the magnitude of the state (at least 1e-3), and is reduced where the formulas of
second and fourth order disagree, so that states in small units and functions with short scales keep their accuracy.
"""

from __future__ import annotations

import numpy as np
from numba import int64, types

from ntkcont.kernels.abi import MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.cache import entry, inner

RELATIVE_STEP = 1e-3
SHRINK = 0.1
TRIES = 12
AGREEMENT = 1e-5  # of the formulas of second and fourth order: their squared difference is the error of the latter


@inner
def _combine(values, h, best, best_error):
    """Put the derivative into `best` if it is more trustworthy; return its relative error and whether it is good.

    The rows of `values` are the function at -2h, -h, h, 2h.
    """
    size = difference = magnitude = 0.0
    n = best.shape[0]
    for i in range(n):
        near, far = values[2, i] - values[1, i], values[3, i] - values[0, i]
        size = max(size, abs(8 * near - far) / (12 * h))
        difference += abs(2 * near - far) / (12 * h)  # a sum, so that nan is not lost
        magnitude = max(magnitude, abs(values[1, i]), abs(values[2, i]))
    noise = magnitude / h
    good = difference <= AGREEMENT * size + 1e-10 * noise
    error = (difference + 2.3e-16 * noise) / (size + 1e-290)
    if not error >= 0:
        error = np.inf
    if error < best_error:
        for i in range(n):
            best[i] = (8 * (values[2, i] - values[1, i]) - (values[3, i] - values[0, i])) / (12 * h)
    return error, good


@entry(types.void(RHS_TYPE, MATRIX, VECTOR, VECTOR, VECTOR))
def difference_jac(rhs, out, x, p, c):
    """Write the Jacobian of `rhs` into `out`; nan where no step gave finite values."""
    n = x.shape[0]
    y, best, values = x.copy(), np.empty(n), np.empty((4, n))
    for j in range(n):
        h = RELATIVE_STEP * max(1.0, abs(x[j]))
        smallest = np.inf
        best[:] = np.nan
        for _ in range(TRIES):
            for row in range(4):
                y[j] = x[j] + (row - 2 + (row > 1)) * h
                rhs(values[row], y, p, c)
            error, good = _combine(values, h, best, smallest)
            smallest = min(smallest, error)
            if good:
                break
            h *= SHRINK
        y[j] = x[j]
        out[:, j] = best


@entry(types.void(RHS_TYPE, int64, VECTOR, VECTOR, VECTOR, VECTOR))
def difference_dfdp(rhs, m, out, x, p, c):
    """Write into `out` the derivative of `rhs` along the direction ``p[m:]`` of its m parameters ``p[:m]``."""
    n = x.shape[0]
    out[:] = 0.0
    h = np.inf
    for j in range(m):
        if p[m + j] != 0.0:
            h = min(h, RELATIVE_STEP * max(1.0, abs(p[j])) / abs(p[m + j]))
    if not h < np.inf:
        return
    q, values = p.copy(), np.empty((4, n))
    smallest = np.inf
    out[:] = np.nan
    for _ in range(TRIES):
        for row in range(4):
            for j in range(m):
                q[j] = p[j] + (row - 2 + (row > 1)) * h * p[m + j]
            rhs(values[row], x, q, c)
        error, good = _combine(values, h, out, smallest)
        smallest = min(smallest, error)
        if good:
            break
        h *= SHRINK
