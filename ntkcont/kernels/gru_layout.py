"""How a gated recurrent unit lies in the flat block of constants ``c`` (no numba here, so that packing needs none).

``c = [n, inputs, 0, 0 | b_ih (3n) | b_hh (3n) | drives (inputs, 3n) | W_hh (3n, n)]``

The three blocks of n rows belong to the gates r, z and n, in PyTorch's order; ``drives[k] = W_ih @ c_k``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HEADER = 4
N, INPUTS = range(2)


def pack(*, W_hh: Array, b_ih: Array, b_hh: Array, drives: Array) -> Array:
    """Return the constants of a network, shape (nc,); drives of shape (inputs, 3n)."""
    header = np.zeros(HEADER)
    header[[N, INPUTS]] = [W_hh.shape[1], drives.shape[0]]
    return np.concatenate([part.ravel() for part in (header, b_ih, b_hh, drives, W_hh)])
