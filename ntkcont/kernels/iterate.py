"""Iterating a map."""

from __future__ import annotations

import numpy as np
from numba import int64

from ntkcont.kernels.abi import MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.cache import entry


@entry(int64(RHS_TYPE, VECTOR, int64[::1], VECTOR, VECTOR, MATRIX))
def iterate_map(rhs, x0, times, p, c, out):
    """Write the states at `times` (numbers of iterations from `x0`) to `out`; return how many are finite."""
    n = x0.shape[0]
    x = x0.copy()
    new = np.empty(n)
    for i in range(n):
        out[0, i] = x[i]
    for k in range(1, times.shape[0]):
        for _ in range(times[k] - times[k - 1]):
            rhs(new, x, p, c)
            total = 0.0
            for i in range(n):
                x[i] = new[i]
                total += abs(new[i])
            if not np.isfinite(total):
                return k
        for i in range(n):
            out[k, i] = x[i]
    return times.shape[0]
