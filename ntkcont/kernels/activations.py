"""Activation functions of rate networks and their derivatives, elementwise, in place.

None of them overflows for large arguments, and nan stays nan.  At the kinks of relu and retanh the derivative is 0.
"""

from __future__ import annotations

import math
from typing import Any

from numba import int64, types

from ntkcont.kernels.abi import VECTOR
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.rate_rnn_layout import IDENTITY, RELU, RETANH, SIGMOID, SOFTPLUS, TANH


@inner
def activate(v: Any, phi: int) -> None:
    """Replace each ``v[i]`` by ``phi(v[i])``; the identity leaves them."""
    if phi == TANH:
        for i in range(v.size):
            v[i] = math.tanh(v[i])
    elif phi == RELU:
        for i in range(v.size):
            v[i] = 0.0 if v[i] <= 0.0 else v[i]
    elif phi == SOFTPLUS:
        for i in range(v.size):
            v[i] = max(v[i], 0.0) + math.log1p(math.exp(-abs(v[i]))) if v[i] == v[i] else v[i]
    elif phi == SIGMOID:
        for i in range(v.size):
            e = math.exp(-abs(v[i]))
            v[i] = (e if v[i] < 0.0 else 1.0) / (1.0 + e)
    elif phi == RETANH:
        for i in range(v.size):
            v[i] = 0.0 if v[i] <= 0.0 else math.tanh(v[i])


@inner
def slope(v: Any, phi: int) -> None:
    """Replace each ``v[i]`` by ``phi'(v[i])``."""
    if phi == TANH:
        for i in range(v.size):
            t = math.tanh(v[i])
            v[i] = 1.0 - t * t
    elif phi == RELU:
        for i in range(v.size):
            v[i] = 0.0 if v[i] <= 0.0 else 1.0
    elif phi == SOFTPLUS:
        for i in range(v.size):
            e = math.exp(-abs(v[i]))
            v[i] = (e if v[i] < 0.0 else 1.0) / (1.0 + e)
    elif phi == SIGMOID:
        for i in range(v.size):
            e = math.exp(-abs(v[i]))
            v[i] = e / ((1.0 + e) * (1.0 + e))
    elif phi == RETANH:
        for i in range(v.size):
            t = 0.0 if v[i] <= 0.0 else math.tanh(v[i])
            v[i] = 0.0 if v[i] <= 0.0 else 1.0 - t * t
    elif phi == IDENTITY:
        for i in range(v.size):
            v[i] = 1.0


@entry(types.void(VECTOR, int64))
def slopes(v: Any, phi: int) -> None:
    """Do what `slope` does, called from Python."""
    slope(v, phi)
