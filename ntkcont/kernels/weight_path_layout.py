"""How a path through the weights of rate networks lies in its constants ``c`` (no numba here, for packing).

``c = [segment, K, cubic, kinked, start, size, length, 0 | knots (K) | network (length) | values (K, size) |
slopes (K, size) if cubic]``

``network`` are the constants of one rate network (``rate_rnn_layout``), in which ``size`` numbers from ``start`` on
(biases, drives, weights) are replaced by those of the path.  ``segment`` is the piece of the path that holds
everywhere; -1: that of the parameter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels import rate_rnn_layout as rate_rnn

Array = NDArray[np.float64]

PATH_HEADER = 8
SEGMENT, KNOTS, CUBIC, PATH_KINKED, START, BLOCK, LENGTH = range(7)


def pack(*, knots: Array, network: Array, start: int, values: Array, slopes: Array | None, kinked: bool) -> Array:
    """Return the constants of a path; `values` and `slopes` of shape (K, size), without slopes it is linear."""
    header = np.zeros(PATH_HEADER)
    header[[SEGMENT, KNOTS, CUBIC, PATH_KINKED, START, BLOCK, LENGTH]] = [
        -1, len(knots), slopes is not None, kinked, start, values.shape[1], network.size,
    ]  # fmt: skip
    parts = [header, knots, network, values] + ([] if slopes is None else [slopes])
    return np.concatenate([np.asarray(part, dtype=float).ravel() for part in parts])


def piece(constants: Array, positive: NDArray[np.bool_]) -> Array:
    """Return the constants of a smooth piece; `positive` are the signs of the units' arguments, then of the knots'."""
    c = constants.copy()
    n = 0
    if c[PATH_KINKED]:
        begin = PATH_HEADER + int(c[KNOTS])
        end = begin + int(c[LENGTH])
        n = int(c[begin + rate_rnn.N])
        c[begin:end] = rate_rnn.piece(c[begin:end], positive[:n])
    if not c[CUBIC]:
        c[SEGMENT] = int(np.sum(positive[n:]))
    return c
