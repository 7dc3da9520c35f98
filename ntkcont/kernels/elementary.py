"""Elementary functions of whole arrays, without branches, so that the compiler makes vector instructions of them.

Calls of the mathematical library are made number by number; for some thousand units they are most of a step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ntkcont.kernels.cache import inner

_PER_LN2 = 1.0 / math.log(2.0)
# ln 2 in two parts: the first has zeros at its end, so that its product with a small whole number is exact
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SHIFT = 6755399441055744.0  # 1.5 2^52: adding it puts a whole number into the last bits
_SATURATED = 40.0  # tanh(20) is 1 to the last bit


@inner
def tanh(v: Any) -> None:
    """Replace each ``v[i]`` by its hyperbolic tangent, to two units in the last place; nan stays nan.

    ``tanh x = m / (m + 2)`` with ``m = exp(2 x) - 1 = 2^k (exp(r) - 1) + (2^k - 1)`` and ``2 x = k ln 2 + r``; for
    small x, k is 0 and nothing cancels.  The series of ``exp(r) - 1`` is Taylor's, to the order 13 for |r| < 0.35.
    """
    n = v.size
    power, m = np.empty(n), np.empty(n)
    bits = power.view(np.int64)
    for i in range(n):
        y = 2.0 * abs(v[i])
        y = _SATURATED if y > _SATURATED else y
        k = math.floor(y * _PER_LN2 + 0.5)
        power[i] = k + _SHIFT
        r = (y - k * _LN2_HIGH) - k * _LN2_LOW
        s = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
        s = 1.0 / 39916800.0 + r * s
        s = 1.0 / 3628800.0 + r * s
        s = 1.0 / 362880.0 + r * s
        s = 1.0 / 40320.0 + r * s
        s = 1.0 / 5040.0 + r * s
        s = 1.0 / 720.0 + r * s
        s = 1.0 / 120.0 + r * s
        s = 1.0 / 24.0 + r * s
        s = 1.0 / 6.0 + r * s
        s = 0.5 + r * s
        m[i] = r + r * r * s
    for i in range(n):
        bits[i] = (bits[i] + 1023) << 52  # the number 2^k
    for i in range(n):
        t = power[i] * m[i] + (power[i] - 1.0)
        v[i] = math.copysign(t / (t + 2.0), v[i])
