"""Eigenvalue routines of our own that kernels call by address, as those of LAPACK: large code, compiled once.

Compiled into each kernel that may need them, as everything else is, they took most of the time of the first start.
"""

from __future__ import annotations

from numba import float64, int32, int64, types

from ntkcont.kernels.cache import inner
from ntkcont.kernels.lapack import NAMES, call

#: Where their addresses are in the array that begins with those of LAPACK, and how long it is.
SETTLE, GRADED = len(NAMES), len(NAMES) + 1
LENGTH = len(NAMES) + 2

#: The addresses; n, how long `work` is, and whether it failed; then the matrix, eigenvalues, their bands, `work`.
ROUTINE = types.void(types.CPointer(int64), *[types.CPointer(int32)] * 3, *[types.CPointer(float64)] * 5)


@inner
def run(algebra, which, a, wr, wi, band, work, ints):
    """Call one of them; return 0, or another number if it failed.  `ints`: at least 3 long."""
    ints[0] = a.shape[0]
    ints[1] = work.shape[0]
    ints[2] = 0
    i = ints.ctypes.data
    pointers = (
        algebra.ctypes.data, i, i + 4, i + 8, a.ctypes.data, wr.ctypes.data, wi.ctypes.data, band.ctypes.data,
        work.ctypes.data,
    )  # fmt: skip
    call(algebra[which], pointers)
    return ints[2]
