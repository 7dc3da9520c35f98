"""Eigenvalues of a matrix together with the vectors of the two that matter, for little more than the former."""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.cache import inner
from ntkcont.kernels.copying import copy_matrix, copy_vector
from ntkcont.kernels.lapack import GEBAK, GEBAL, GEHRD, HSEIN, HSEQR, ORMHR, call

#: Rows of the vectors of a point: real and imaginary part of the right vector of the eigenvalue nearest to a singular
#: Jacobian, then of its left one, then the same of the eigenvalue nearest to the stability boundary.  The eigenvalue
#: itself is in column n of the first two rows of each.
N_VECTORS = 8

# layout of the integers and letters that LAPACK takes by address
_ORDER, _LENGTH, _INFO, _LOW, _HIGH, _COLUMNS, _FOUND, _BOTH, _EIGENVALUES, _NONE, _QR, _LEFT, _RIGHT = range(13)
_INTEGERS = 16


@inner
def workspace(n):
    """Return how many float64 and int32 numbers :func:`eigenvalues_and_vectors` needs to work on."""
    return 2 * n * n + 48 * n + 16, _INTEGERS + n + 8


@inner
def nearest(wr, wi, is_map):
    """Return the numbers of the eigenvalues nearest to zero (maps: to one) and to the stability boundary.

    Of a pair the first, whose imaginary part is positive.
    """
    at_zero = 0
    at_boundary = 0
    best_zero = np.inf
    best_boundary = np.inf
    for i in range(wr.shape[0]):
        if is_map:
            zero = np.hypot(wr[i] - 1.0, wi[i])
            boundary = abs(np.hypot(wr[i], wi[i]) - 1.0)
        else:
            zero = np.hypot(wr[i], wi[i])
            boundary = abs(wr[i])
        if zero < best_zero:
            best_zero = zero
            at_zero = i
        if boundary < best_boundary:
            best_boundary = boundary
            at_boundary = i
    return at_zero - (wi[at_zero] < 0.0), at_boundary - (wi[at_boundary] < 0.0)


@inner
def eigenvalues_and_vectors(lapack, a, is_map, wr, wi, work, ints, vectors):
    """Write the eigenvalues of `a` (destroyed) to `wr` + i `wi`, vectors to `vectors`; return LAPACK's info.

    The eigenvalues are those of dgeev to the last bit, since the calls are; but dgeev forgets the Hessenberg form, on
    which inverse iteration (dhsein) is cheap.  `work`, `ints`: see :func:`workspace`; `vectors`, (N_VECTORS, n+1): not
    normalised, nan where there are none.
    """
    n = a.shape[0]
    vectors[:] = np.nan
    # parts of `work`: an array made here would be gone while LAPACK has its address
    scale = work[34 * n + 16 : 35 * n + 16]
    tau = work[35 * n + 16 : 36 * n + 16]
    near_r = work[36 * n + 16 : 37 * n + 16]
    near_i = work[37 * n + 16 : 38 * n + 16]
    of_left = work[38 * n + 16 : 42 * n + 16].reshape((4, n))
    of_right = work[42 * n + 16 : 46 * n + 16].reshape((4, n))
    h = work[46 * n + 16 : 46 * n + 16 + n * n].reshape((n, n))
    inverse = work[46 * n + 16 + n * n :]
    chosen = ints[_INTEGERS : _INTEGERS + n]
    failed = ints[_INTEGERS + n :]
    ints[_ORDER] = n
    ints[_LENGTH] = 32 * n + 16  # what dgeev leaves of 34 n + 16: blocks and so rounding depend on it
    ints[_COLUMNS] = 4
    ints[_BOTH] = 66  # 'B'
    ints[_EIGENVALUES] = 69  # 'E'
    ints[_NONE] = 78  # 'N'
    ints[_QR] = 81  # 'Q'
    ints[_LEFT] = 76  # 'L'
    ints[_RIGHT] = 82  # 'R'
    i = ints.ctypes.data
    size, info, low, high, columns, found = i + 4, i + 8, i + 12, i + 16, i + 20, i + 24
    both, values, none, qr, left, right = i + 28, i + 32, i + 36, i + 40, i + 44, i + 48
    m, w, s, t = a.ctypes.data, work.ctypes.data, scale.ctypes.data, tau.ctypes.data
    call(lapack[GEBAL], (both, i, m, i, low, high, s, info))
    call(lapack[GEHRD], (i, low, high, m, i, t, w, size, info))
    copy_matrix(h, a)
    ints[_LENGTH] = 33 * n + 16
    call(
        lapack[HSEQR],
        (values, none, i, low, high, h.ctypes.data, i, wr.ctypes.data, wi.ctypes.data, w, i, w, size, info),
    )
    if ints[_INFO] != 0 or not np.isfinite(np.sum(wr)):
        return ints[_INFO]
    first, second = nearest(wr, wi, is_map)
    chosen[:] = 0
    chosen[first] = 1
    chosen[second] = 1
    copy_vector(near_r, wr)  # dhsein moves them a little where two are close
    copy_vector(near_i, wi)
    of_left[:] = 0.0
    of_right[:] = 0.0
    copy_matrix(h, a)
    call(
        lapack[HSEIN],
        (both, qr, none, chosen.ctypes.data, i, h.ctypes.data, i, near_r.ctypes.data, near_i.ctypes.data,
         of_left.ctypes.data, i, of_right.ctypes.data, i, columns, found, inverse.ctypes.data,
         failed.ctypes.data, failed.ctypes.data + 16, info),
    )  # fmt: skip
    if ints[_INFO] != 0:
        return 0  # the eigenvalues are good
    for side, there in ((left, of_left), (right, of_right)):
        v = there.ctypes.data
        call(lapack[ORMHR], (left, none, i, columns, low, high, m, i, t, v, i, w, size, info))
        call(lapack[GEBAK], (both, side, i, low, high, s, columns, v, i, info))
    for k, which in ((0, first), (4, second)):
        row = 0
        for j in range(which):
            row += chosen[j] * (2 if wi[j] != 0.0 else 1)
        # LAPACK sees the transpose: its left vector, conjugated, is our right one
        for part in range(2):
            for j in range(n):
                sign = 1.0 if part == 0 else -1.0
                here = part == 0 or wi[which] != 0.0
                vectors[k + part, j] = sign * of_left[row + part, j] if here else 0.0
                vectors[k + 2 + part, j] = sign * of_right[row + part, j] if here else 0.0
        vectors[k, n] = wr[which]
        vectors[k + 1, n] = wi[which]
    return 0
