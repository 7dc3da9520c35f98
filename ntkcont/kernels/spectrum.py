"""Eigenvalues at a point, and the integer counts that reveal what happened between two points."""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.cache import inner
from ntkcont.kernels.lapack import eigenvalues

# columns of the counts
N_UNSTABLE, REAL_PLUS, COMPLEX, AUX, TANGENT_SIGN, ORIENTATION = 0, 1, 2, 3, 4, 5
N_COUNTS = 6

BAND = 1e-11  # well above the rounding error of eigenvalues, well below any distance that matters


@inner
def count(wr, wi, is_map, counts):
    """Fill the spectral columns of `counts` from the eigenvalues (multipliers for maps).

    REAL_PLUS: real eigenvalues > 0 (multipliers > 1).  COMPLEX: non-real ones beyond the stability boundary.
    AUX: maps, real multipliers < -1; flows, the parity of the number of pairs with a real negative sum, which changes
    at a Hopf point (a complex pair) and at a neutral saddle (a real pair).
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
    cplx = 0
    aux = 0
    for i in range(n):
        if is_map:
            if wi[i] == 0.0:
                if wr[i] > 1.0 + band:
                    real_plus += 1
                elif wr[i] < -1.0 - band:
                    aux += 1
            elif np.sqrt(wr[i] * wr[i] + wi[i] * wi[i]) > 1.0 + band:
                cplx += 1
        elif wi[i] == 0.0:
            if wr[i] > band:
                real_plus += 1
            for j in range(i):
                if wi[j] == 0.0 and wr[i] + wr[j] < -band:
                    aux += 1
        elif wr[i] > band:
            cplx += 1
        elif wi[i] > 0.0 and wr[i] < -band:
            aux += 1
    counts[REAL_PLUS] = real_plus
    counts[COMPLEX] = cplx
    if is_map:
        counts[N_UNSTABLE] = real_plus + cplx + aux
        counts[AUX] = aux
    else:
        counts[N_UNSTABLE] = real_plus + cplx
        counts[AUX] = aux % 2


@inner
def spectrum(lapack, a, is_map, copy, work, wr, wi, counts, ints):
    """Write the eigenvalues of `a` (for maps: of a + I) to `wr`, `wi` and their counts to `counts`."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            copy[i, j] = a[i, j]
        if is_map:
            copy[i, i] += 1.0
    info = eigenvalues(lapack, copy, wr, wi, work, ints)
    if info != 0:
        for i in range(n):
            wr[i] = np.nan
            wi[i] = np.nan
    if n > 1:  # rounding makes a pair of a double real eigenvalue, which no Hopf point is
        size = 1.0 if is_map else 0.0
        if not is_map:
            for i in range(n):
                size = max(size, abs(wr[i]), abs(wi[i]))
        for i in range(n):
            if abs(wi[i]) <= BAND * size:
                wi[i] = 0.0
    count(wr, wi, is_map, counts)
    return info
