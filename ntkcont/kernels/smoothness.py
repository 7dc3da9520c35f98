"""Where the tangent of a branch is not a smooth function of arclength, as far as its points tell.

Steps that are short beside everything that happens along the branch make the tangent at a point what its four
neighbours say, but for a fourth difference that is about as small at one point as at the next.  Where one stands out
something narrower than a step is between the points: two folds, say, of which the tangents at both ends say nothing.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, types

from ntkcont.kernels.abi import MATRIX, VECTOR
from ntkcont.kernels.cache import entry, inner

#: A component of the tangent is off by this part of itself, at least, and so many times as much as some points farther.
LEAST, STANDS_OUT = 3e-4, 100.0
#: What stands out is seen by this many points on both sides.
BESIDE = 3


@inner
def weigh(s, i, weights):
    """Fill `weights` with those of the four neighbours of point i in the cubic through them, at that point."""
    for k in range(4):
        a = i - 2 + k + k // 2
        weights[k] = 1.0
        for m in range(4):
            b = i - 2 + m + m // 2
            if b != a:
                weights[k] *= (s[i] - s[b]) / (s[a] - s[b])


@entry(types.void(VECTOR, MATRIX, boolean[::1]))
def not_smooth(s, tangent, rough):
    """Fill `rough` (k,): whether the tangents (k, m) near point i are not smooth; `s` (k,) is arclength."""
    k, m = tangent.shape
    rough[:] = False
    if k < 2 * BESIDE + 1:
        return
    off = np.empty((k, m))
    apart, weights = np.empty(k), np.empty(4)
    for i in range(2, k - 2):
        apart[i] = 1.0
        for a in (i - 2, i - 1, i + 1, i + 2):
            apart[i] *= abs(s[i] - s[a])
        weigh(s, i, weights)
        for j in range(m):
            size, foretold = abs(tangent[i, j]), 0.0
            for n in range(4):
                value = tangent[i - 2 + n + n // 2, j]
                size = max(size, abs(value))
                foretold += weights[n] * value
            off[i, j] = abs(foretold - tangent[i, j]) / size if size > 0.0 else 0.0
    for i in range(2, k - 2):
        before, after = max(i - BESIDE, 2), min(i + BESIDE, k - 3)
        for j in range(m):
            usual = min(off[before, j] / apart[before], off[after, j] / apart[after]) * apart[i]
            if off[i, j] > LEAST and off[i, j] > STANDS_OUT * usual:
                rough[i] = True
