"""Eigenvalues at a point, and the integer counts that reveal what happened between two points."""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, types

from ntkcont.kernels.abi import VECTOR
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.critical_vectors import eigenvalues_and_vectors
from ntkcont.kernels.lapack import eigenvalues

# columns of the counts
N_UNSTABLE, REAL_PLUS, COMPLEX, REAL_MINUS, PAIRS, TANGENT_SIGN, ORIENTATION = 0, 1, 2, 3, 4, 5, 6
N_COUNTS = 7

BAND = 1e-11  # well above the rounding error of eigenvalues, well below any distance that matters


@inner
def count(wr, wi, is_map, counts):
    """Fill the spectral columns of `counts` from the eigenvalues (multipliers for maps).

    REAL_PLUS: real eigenvalues > 0 (multipliers > 1).  COMPLEX: non-real ones beyond the stability boundary.
    REAL_MINUS: real multipliers < -1.  PAIRS: the parity of the number of pairs, complex conjugate or both real, whose
    sum is negative (maps: whose product is below 1); it changes at a Hopf (Neimark-Sacker) point and at a neutral
    saddle, and not where a complex pair becomes a real one.
    Eigenvalues that a symmetry keeps on the boundary must not flicker: 0 means up to BAND times the largest.
    """
    n = wr.shape[0]
    size = 1.0
    if not is_map:
        size = 0.0
        for i in range(n):
            size = max(size, abs(wr[i]), abs(wi[i]))
    band = BAND * size if n > 1 else 0.0
    real_plus = 0
    real_minus = 0
    cplx = 0
    pairs = 0
    for i in range(n):
        if is_map:
            if wi[i] == 0.0:
                if wr[i] > 1.0 + band:
                    real_plus += 1
                elif wr[i] < -1.0 - band:
                    real_minus += 1
                for j in range(i):
                    if wi[j] == 0.0 and wr[i] * wr[j] <= 1.0 + 2.0 * band:
                        pairs += 1
            elif np.sqrt(wr[i] * wr[i] + wi[i] * wi[i]) > 1.0 + band:
                cplx += 1
            elif wi[i] > 0.0:
                pairs += 1
        elif wi[i] == 0.0:
            if wr[i] > band:
                real_plus += 1
            for j in range(i):
                if wi[j] == 0.0 and wr[i] + wr[j] <= 2.0 * band:
                    pairs += 1
        elif wr[i] > band:
            cplx += 1
        elif wi[i] > 0.0:
            pairs += 1
    counts[N_UNSTABLE] = real_plus + cplx + real_minus
    counts[REAL_PLUS] = real_plus
    counts[COMPLEX] = cplx
    counts[REAL_MINUS] = real_minus
    counts[PAIRS] = pairs % 2


@inner
def spectrum(lapack, a, is_map, copy, work, wr, wi, vectors, counts, ints):
    """Write the eigenvalues of `a` (for maps: of a + I) to `wr`, `wi` and their counts to `counts`.

    Unless it is empty, `vectors` becomes what ``eigenvalues_and_vectors`` makes it; `work` and `ints` must do for that.
    """
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            copy[i, j] = a[i, j]
        if is_map:
            copy[i, i] += 1.0
    if vectors.shape[0] > 0 and n > 2:
        info = eigenvalues_and_vectors(lapack, copy, is_map, wr, wi, work, ints, vectors)
    else:
        info = eigenvalues(lapack, copy, wr, wi, work, ints)
    if info != 0:
        for i in range(n):
            wr[i] = np.nan
            wi[i] = np.nan
    clean_and_count(wr, wi, is_map, counts)
    return info


@inner
def clean_and_count(wr, wi, is_map, counts):
    """Make real what is real but for rounding, then count."""
    n = wr.shape[0]
    if n > 1:  # rounding makes a pair of a double real eigenvalue, which no Hopf point is
        size = 1.0 if is_map else 0.0
        if not is_map:
            for i in range(n):
                size = max(size, abs(wr[i]), abs(wi[i]))
        for i in range(n):
            if abs(wi[i]) <= BAND * size:
                wi[i] = 0.0
    count(wr, wi, is_map, counts)


@entry(types.void(VECTOR, VECTOR, boolean, int64[::1]))
def counts_of(wr, wi, is_map, counts):
    """Fill the spectral columns of `counts` from all eigenvalues (multipliers for maps) of a point."""
    clean_and_count(wr, wi, is_map, counts)
