"""Products with the weights of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.kernels.cache import inner

_SMALL = 12  # below, a plain loop beats the call of BLAS


@inner
def matvec(a: Any, v: Any, out: Any) -> None:
    """Write ``a @ v`` into `out`; all three are contiguous."""
    rows, columns = a.shape
    if columns <= _SMALL:
        for i in range(rows):
            total = 0.0
            for j in range(columns):
                total += a[i, j] * v[j]
            out[i] = total
    else:
        np.dot(a, v, out)
