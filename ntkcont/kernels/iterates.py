"""The k-th iterate of a map and its derivatives, by the chain rule along the orbit."""

from __future__ import annotations

import numpy as np
from numba import int64, types

from ntkcont.kernels.abi import JAC_TYPE, MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.cache import entry


@entry(types.void(RHS_TYPE, int64, VECTOR, VECTOR, VECTOR, VECTOR))
def iterate_map(g, k, out, x, p, c):
    """Write ``g(g(...g(x)))``, k times, into `out`."""
    y = x.copy()
    for _ in range(k):
        g(out, y, p, c)
        y[:] = out


@entry(types.void(RHS_TYPE, JAC_TYPE, int64, MATRIX, VECTOR, VECTOR, VECTOR))
def iterate_jac(g, jac, k, out, x, p, c):
    """Write the Jacobian of the k-th iterate into `out`: the product of the Jacobians along the orbit."""
    n = x.shape[0]
    y, following = x.copy(), np.empty(n)
    step, product = np.empty((n, n)), np.empty((n, n))
    jac(out, y, p, c)
    for _ in range(k - 1):
        g(following, y, p, c)
        y[:] = following
        jac(step, y, p, c)
        product[:] = 0.0
        for i in range(n):
            for m in range(n):
                factor = step[i, m]
                if factor != 0.0:
                    for j in range(n):
                        product[i, j] += factor * out[m, j]
        out[:] = product


@entry(types.void(RHS_TYPE, JAC_TYPE, RHS_TYPE, int64, VECTOR, VECTOR, VECTOR, VECTOR))
def iterate_dfdp(g, jac, dfdp, k, out, x, p, c):
    """Write the directional derivative of the k-th iterate in the parameters into `out`."""
    n = x.shape[0]
    y, following, direct = x.copy(), np.empty(n), np.empty(n)
    step = np.empty((n, n))
    dfdp(out, y, p, c)
    for _ in range(k - 1):
        g(following, y, p, c)
        y[:] = following
        jac(step, y, p, c)
        dfdp(direct, y, p, c)
        for i in range(n):
            for j in range(n):
                direct[i] += step[i, j] * out[j]
        out[:] = direct
