"""Eigenvalues at a point, and the integer counts that reveal what happened between two points."""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, types

from ntkcont.kernels.abi import MATRIX, VECTOR
from ntkcont.kernels.apart import SETTLE, run
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.critical_vectors import eigenvalues_and_vectors
from ntkcont.kernels.lapack import eigenvalues
from ntkcont.kernels.rounding import close_to_boundary, two_by_two

#: What normalising makes of the modulus of a complex multiplier on the unit circle.
MODULUS = 4.5e-16

# columns of the counts
N_UNSTABLE, REAL_PLUS, COMPLEX, REAL_MINUS, PAIRS, TANGENT_SIGN, ORIENTATION, UNSURE = 0, 1, 2, 3, 4, 5, 6, 7
N_COUNTS = 8


@inner
def count(wr, wi, band, is_map, counts):
    """Fill the spectral columns of `counts` from the eigenvalues (multipliers for maps) and what rounding does to them.

    REAL_PLUS: real eigenvalues > 0 (multipliers > 1).  COMPLEX: non-real ones beyond the stability boundary.
    REAL_MINUS: real multipliers < -1.  PAIRS: the parity of the number of pairs, complex conjugate or both real, whose
    sum is negative (maps: whose product is below 1); it changes at a Hopf (Neimark-Sacker) point and at a neutral
    saddle, and not where a complex pair becomes a real one.  UNSURE: those on the boundary, to rounding.
    Eigenvalues that a symmetry keeps on the boundary must not flicker: what is on it, to rounding, is not beyond it.
    """
    n = wr.shape[0]
    real_plus = 0
    real_minus = 0
    cplx = 0
    pairs = 0
    unsure = 0
    for i in range(n):
        if is_map:
            if wi[i] == 0.0:
                if wr[i] > 1.0:
                    real_plus += 1
                elif wr[i] < -1.0:
                    real_minus += 1
                elif abs(wr[i]) == 1.0:
                    unsure += 1
                for j in range(i):
                    width = abs(wr[i]) * band[j] + abs(wr[j]) * band[i]
                    if wi[j] == 0.0 and wr[i] * wr[j] <= 1.0 + width:
                        pairs += 1
            else:
                beyond = np.sqrt(wr[i] * wr[i] + wi[i] * wi[i]) - 1.0
                if beyond > MODULUS:
                    cplx += 1
                else:
                    if beyond >= -MODULUS:
                        unsure += 1
                    if wi[i] > 0.0:
                        pairs += 1
        elif wi[i] == 0.0:
            if wr[i] > 0.0:
                real_plus += 1
            elif wr[i] == 0.0:
                unsure += 1
            for j in range(i):
                if wi[j] == 0.0 and wr[i] + wr[j] <= band[i] + band[j]:
                    pairs += 1
        else:
            if wr[i] > 0.0:
                cplx += 1
            else:
                if wr[i] == 0.0:
                    unsure += 1
                if wi[i] > 0.0:
                    pairs += 1
    counts[N_UNSTABLE] = real_plus + cplx + real_minus
    counts[REAL_PLUS] = real_plus
    counts[COMPLEX] = cplx
    counts[REAL_MINUS] = real_minus
    counts[PAIRS] = pairs % 2
    counts[UNSURE] = unsure


@inner
def spectrum(lapack, a, is_map, copy, work, wr, wi, band, vectors, counts, ints):
    """Write the eigenvalues of `a` (for maps: of a + I) to `wr`, `wi` and their counts to `counts`.

    What is on the stability boundary, to rounding, is put on it exactly, and pairs that are real to rounding are made
    real; `band` (n,) becomes what rounding may do.  Unless it is empty, `vectors` becomes what
    ``eigenvalues_and_vectors`` makes it; `work` and `ints` must do for that.
    """
    shifted(a, is_map, copy)
    if not np.isfinite(np.sum(copy)):  # LAPACK would complain on the standard error stream
        info = 1
    elif vectors.shape[0] > 0 and a.shape[0] > 2:
        info = eigenvalues_and_vectors(lapack, copy, is_map, wr, wi, work, ints, vectors)
    else:
        info = eigenvalues(lapack, copy, wr, wi, work, ints)
    if info == 0:
        info = settled_and_counted(lapack, a, is_map, copy, work, wr, wi, band, counts, ints)
    if info != 0:
        for i in range(a.shape[0]):
            wr[i] = np.nan
            wi[i] = np.nan
    return info


@inner
def shifted(a, is_map, copy):
    """Fill `copy` with `a`, for maps with a + I."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            copy[i, j] = a[i, j]
        if is_map:
            copy[i, i] += 1.0


@inner
def settled(lapack, a, is_map, copy, work, wr, wi, band, ints):
    """Look more closely at the eigenvalues of `a` (maps: of a + I) if one is near the boundary; `band` as `settle`."""
    n = a.shape[0]
    if n == 1 or not close_to_boundary(wr, wi, is_map):
        return 0
    shifted(a, is_map, copy)
    if n > 2:
        return run(lapack, SETTLE, copy, wr, wi, band, work, ints)
    two_by_two(copy, wr, wi, band)
    return 0


@inner
def settled_and_counted(lapack, a, is_map, copy, work, wr, wi, band, counts, ints):
    """Settle the eigenvalues, put on the boundary what is there to rounding, and count."""
    n = a.shape[0]
    band[:] = 0.0
    info = settled(lapack, a, is_map, copy, work, wr, wi, band, ints)
    if info == 0:
        for i in range(n):
            if band[i] > 0.0:
                put_on_boundary(wr, wi, band, i, is_map)
        count(wr, wi, band, is_map, counts)
    return info


@inner
def put_on_boundary(wr, wi, band, i, is_map):
    """Put an eigenvalue on the boundary if it is there to rounding."""
    if not is_map:
        if abs(wr[i]) <= band[i]:
            wr[i] = 0.0
        return
    modulus = np.sqrt(wr[i] * wr[i] + wi[i] * wi[i])
    if abs(modulus - 1.0) <= band[i]:
        wr[i] = wr[i] / modulus if modulus > 0.0 else 1.0  # rounding may be larger than the circle
        wi[i] = wi[i] / modulus if modulus > 0.0 else 0.0


@entry(types.void(int64[::1], MATRIX, VECTOR, VECTOR, boolean, int64[::1]))
def counts_of(lapack, a, wr, wi, is_map, counts):
    """Fill the spectral columns of `counts` from all eigenvalues (multipliers for maps) of `a` (maps: of a + I)."""
    n = a.shape[0]
    work = np.empty(34 * n + 16)
    ints = np.empty(8, np.int32)
    settled_and_counted(lapack, a, is_map, np.empty((n, n)), work, wr, wi, np.empty(n), counts, ints)
    ints[0] = int(work[0] != work[0])  # both must live as long as LAPACK has their addresses


@entry(types.void(int64[::1], MATRIX, VECTOR, VECTOR, boolean))
def real_to_rounding(lapack, a, wr, wi, is_map):
    """Fill `wr` + i `wi` with the eigenvalues of `a` (maps: of a + I), real where they are so to rounding.

    None of them has been put on the boundary.
    """
    n = a.shape[0]
    copy = np.empty((n, n))
    work = np.empty(34 * n + 16)
    ints = np.empty(8, np.int32)
    shifted(a, is_map, copy)
    if not np.isfinite(np.sum(copy)):
        for i in range(n):
            wr[i] = np.nan
            wi[i] = np.nan
        return
    eigenvalues(lapack, copy, wr, wi, work, ints)
    settled(lapack, a, is_map, copy, work, wr, wi, np.zeros(n), ints)
    ints[0] = int(work[0] != work[0])  # both must live as long as LAPACK has their addresses
