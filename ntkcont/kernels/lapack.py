"""LAPACK from inside numba, by function pointer.

scipy exports the addresses of its LAPACK; calling them directly needs no copy and no compilation of
``numpy.linalg``, returns real and imaginary parts without a complex cast, and keeps the kernels cacheable because the
addresses arrive as an argument (the array :func:`addresses` returns).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import get_cython_function_address, intrinsic

from ntkcont.kernels.cache import inner

NAMES = (
    "dgetrf", "dgetrs", "dgeev", "zgetrf", "zgetrs", "zheev", "dgebal", "dgehrd", "dhseqr", "dhsein", "dormhr", "dgebak"
)  # fmt: skip
GETRF, GETRS, GEEV, ZGETRF, ZGETRS, ZHEEV, GEBAL, GEHRD, HSEQR, HSEIN, ORMHR, GEBAK = range(len(NAMES))


@functools.cache
def addresses() -> np.ndarray:
    """Return the addresses of the LAPACK functions `NAMES`, int64."""
    found = [get_cython_function_address("scipy.linalg.cython_lapack", name) for name in NAMES]
    return np.array(found, dtype=np.int64)


def _pointer_call(typingctx: Any, address: Any, pointers: Any) -> Any:  # noqa: ARG001
    """Call the C function at `address` with a tuple of integer addresses as its pointer arguments."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = signature.args[1].count
        pointer = ir.IntType(8).as_pointer()
        function = builder.inttoptr(args[0], ir.FunctionType(ir.VoidType(), [pointer] * count).as_pointer())
        builder.call(function, [builder.inttoptr(builder.extract_value(args[1], i), pointer) for i in range(count)])
        return context.get_dummy_value()

    return types.void(types.int64, pointers), codegen


call: Any = intrinsic(_pointer_call)  # type checkers take the typing context for an argument


@inner
def lu_factor(lapack, a, piv, ints):
    """Factor the C-ordered square `a` in place; return the sign of its determinant (0: singular, nan: not finite).

    LAPACK sees the transpose, which :func:`lu_solve` takes into account.  `ints`: int32 workspace, length 8.
    """
    n = a.shape[0]
    ints[0] = n
    ints[1] = 0
    b = ints.ctypes.data
    call(lapack[GETRF], (b, b, a.ctypes.data, b, piv.ctypes.data, b + 4))
    sign = 1.0
    for i in range(n):
        if piv[i] != i + 1:
            sign = -sign
        if a[i, i] < 0.0:
            sign = -sign
        elif a[i, i] == 0.0:
            return 0.0
        elif np.isnan(a[i, i]):
            return np.nan
    return sign


@inner
def lu_solve(lapack, lu, piv, b, ints):
    """Overwrite `b`, shape (n,), with the solution of ``a x = b``."""
    ints[0] = lu.shape[0]
    ints[1] = 1
    ints[2] = 0
    ints[3] = 84  # 'T': the factors are those of the transpose
    i = ints.ctypes.data
    call(lapack[GETRS], (i + 12, i, i + 4, lu.ctypes.data, i, piv.ctypes.data, b.ctypes.data, i, i + 8))
    return ints[2]


@inner
def _two_by_two(a, wr, wi):
    """Eigenvalues of a 2 x 2 matrix in closed form, without cancellation: half the time of a LAPACK call."""
    mean = 0.5 * (a[0, 0] + a[1, 1])
    half = 0.5 * (a[0, 0] - a[1, 1])
    disc = half * half + a[0, 1] * a[1, 0]
    if not np.isfinite(disc):
        return 1
    if disc < 0.0:
        wr[0] = mean
        wr[1] = mean
        wi[0] = np.sqrt(-disc)
        wi[1] = -wi[0]
        return 0
    wi[0] = 0.0
    wi[1] = 0.0
    far = mean + np.sqrt(disc) if mean >= 0.0 else mean - np.sqrt(disc)
    wr[0] = far
    # the product is the determinant
    wr[1] = (a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]) / far if far != 0.0 else 0.0
    return 0


@inner
def eigenvalues(lapack, a, wr, wi, work, ints):
    """Write the eigenvalues of `a` (destroyed) to `wr` + i `wi`; return LAPACK's info.  `work`: at least 4 n long."""
    n = a.shape[0]
    if n == 1:
        wr[0] = a[0, 0]
        wi[0] = 0.0
        return 0 if np.isfinite(wr[0]) else 1
    if n == 2:
        return _two_by_two(a, wr, wi)
    ints[0] = n
    ints[1] = work.shape[0]
    ints[2] = 0
    ints[3] = 78  # 'N': no eigenvectors
    ints[4] = 1
    i = ints.ctypes.data
    none, w = i + 12, work.ctypes.data
    call(
        lapack[GEEV],
        (none, none, i, a.ctypes.data, i, wr.ctypes.data, wi.ctypes.data, w, i + 16, w, i + 16, w, i + 4, i + 8),
    )
    return ints[2]


@inner
def eigenvectors(lapack, a, wr, wi, of_left, of_right, work, ints):
    """Write eigenvalues of `a` (destroyed) and all vectors, as rows in LAPACK's layout for pairs; return its info.

    LAPACK sees the transpose: its left vector, conjugated, is our right one, and its right one our left one.
    `work`: at least 34 n + 16 long.
    """
    ints[0] = a.shape[0]
    ints[1] = work.shape[0]
    ints[2] = 0
    ints[3] = 86  # 'V'
    i = ints.ctypes.data
    call(
        lapack[GEEV],
        (i + 12, i + 12, i, a.ctypes.data, i, wr.ctypes.data, wi.ctypes.data, of_left.ctypes.data, i,
         of_right.ctypes.data, i, work.ctypes.data, i + 4, i + 8),
    )  # fmt: skip
    return ints[2]


@inner
def complex_lu_factor(lapack, a, piv, ints):
    """Factor the C-ordered square complex `a` in place, as :func:`lu_factor` does; return LAPACK's info."""
    ints[0] = a.shape[0]
    ints[1] = 0
    b = ints.ctypes.data
    call(lapack[ZGETRF], (b, b, a.ctypes.data, b, piv.ctypes.data, b + 4))
    return ints[1]


@inner
def complex_lu_solve(lapack, lu, piv, b, adjoint, ints):
    """Overwrite the rows of `b`, shape (k, n), with the solutions of ``a x = b``, or of ``a* x = b``."""
    ints[0] = lu.shape[0]
    ints[1] = b.shape[0]
    ints[2] = 0
    ints[3] = 78 if adjoint else 84  # 'N' or 'T': the factors are those of the transpose
    i = ints.ctypes.data
    if adjoint:  # a* = conj(a^T)
        _conjugate(b)
    call(lapack[ZGETRS], (i + 12, i, i + 4, lu.ctypes.data, i, piv.ctypes.data, b.ctypes.data, i, i + 8))
    if adjoint:
        _conjugate(b)


@inner
def _conjugate(b):
    for k in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[k, j] = np.conj(b[k, j])


@inner
def hermitian_eigenvectors(lapack, a, w, work, rwork, ints):
    """Overwrite the rows of the Hermitian `a` with its unit eigenvectors, conjugated, and `w` with its eigenvalues.

    Ascending; returns LAPACK's info.  `work`: complex, at least 33 n long; `rwork`: at least 3 n long.
    """
    ints[0] = a.shape[0]
    ints[1] = work.shape[0]
    ints[2] = 0
    ints[3] = 86  # 'V'
    ints[4] = 76  # 'L'
    i, m, v, r = ints.ctypes.data, a.ctypes.data, w.ctypes.data, rwork.ctypes.data
    call(lapack[ZHEEV], (i + 12, i + 16, i, m, i, v, work.ctypes.data, i + 4, r, i + 8))
    return ints[2]
