"""Largest eigenvalues of kernels that are known as operators: a search that starts from where the last ones ended.

Along a branch the top vector moves smoothly, so that a few applications find what a search from nothing needs dozens
for: Rayleigh-Ritz in the space of the last vectors, extended by residuals (a block Lanczos iteration with memory).
"""

from __future__ import annotations

import numpy as np
from numba import boolean, complex128, float64, int64, types

from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.lapack import complex_lu_factor, complex_lu_solve, hermitian_eigenvectors

#: Relative error of the eigenvalue, from the residual squared over the gap to the next one.
ACCURACY = 1e-11
#: Rows of a history: the last three top vectors, the second and the third one, and one that never changes, of which a
#: little is added to the third: what the others never touch, by a symmetry, may become the top one.
HISTORY = 6
SECOND, THIRD, GENERIC = 3, 4, 5
MIXED = 0.5
#: Vectors in the space at most; then it starts anew from its two best.
LARGEST = 48

STACK = types.Array(float64, 3, "C", readonly=True)
TABLE = types.Array(float64, 2, "C", readonly=True)
ROW = types.Array(float64, 1, "C", readonly=True)


@inner
def right_product(x, a, out):
    """Write ``x @ a`` to `out`: x complex, rows of vectors; a real."""
    k = x.shape[0]
    parts = np.empty((2 * k, x.shape[1]))
    parts[:k] = x.real
    parts[k:] = x.imag
    found = np.dot(parts, a)
    for i in range(k):
        for j in range(found.shape[1]):
            out[i, j] = complex(found[i, j], found[k + i, j])


@inner
def respond(lapack, lu, piv, F, diagonal, C, x, ints, out):
    """Write ``R F F^T R* x`` for the rows of x, (k, B q), to `out`: R the resolvent with the readout C, stacked.

    `diagonal` (n,): of F where nothing else of it is not zero, else empty.
    """
    conditions, n = lu.shape[0], lu.shape[1]
    k, q = x.shape[0], x.shape[1] // conditions
    y = np.empty((k, n), np.complex128)
    drive = np.zeros((k, F.shape[2]), np.complex128)
    total = np.zeros((k, F.shape[2]), np.complex128)
    for b in range(conditions):
        if C.shape[0]:
            right_product(x[:, b * q : (b + 1) * q], C, y)
        else:
            y[:] = x[:, b * q : (b + 1) * q]
        complex_lu_solve(lapack, lu[b], piv[b], y, True, ints)
        if diagonal.shape[0]:  # of one condition alone
            for j in range(k):
                for i in range(n):
                    y[j, i] *= diagonal[i] * diagonal[i]
        else:
            right_product(y, F[b], drive)
            total += drive
    for b in range(conditions):
        if not diagonal.shape[0]:
            right_product(total, F[b].T, y)
        complex_lu_solve(lapack, lu[b], piv[b], y, False, ints)
        if C.shape[0]:
            right_product(y, C.T, out[:, b * q : (b + 1) * q])
        else:
            out[:, b * q : (b + 1) * q] = y


@inner
def updated(K, u, w, x, out):
    """Write ``(K + u w^T + w u^T) x`` for the rows of x to `out`."""
    right_product(x, K, out)  # K is symmetric
    for k in range(x.shape[0]):
        along_u = 0.0j
        along_w = 0.0j
        for i in range(x.shape[1]):
            along_u += u[i] * x[k, i]
            along_w += w[i] * x[k, i]
        for i in range(x.shape[1]):
            out[k, i] += u[i] * along_w + w[i] * along_u


@inner
def orthonormal(basis, count, v):
    """Make `v` a unit vector normal to the first `count` rows of `basis`, twice; False if nothing is left."""
    size = np.sqrt(np.sum(v.real * v.real + v.imag * v.imag))
    if not (size > 0.0 and np.isfinite(size)):
        return False
    v /= size
    for _ in range(2):
        for k in range(count):
            along = np.vdot(basis[k], v)
            for i in range(v.shape[0]):
                v[i] -= along * basis[k, i]
        left = np.sqrt(np.sum(v.real * v.real + v.imag * v.imag))
        if left < 1e-12:
            return False
        v /= left
    return True


@entry(
    float64(
        int64[::1], STACK, complex128, STACK, boolean, TABLE, TABLE, ROW, ROW, complex128[:, ::1], boolean[::1],
    )
)  # fmt: skip
def largest(lapack, A, s, F, is_diagonal, C, K, u, w, history, known):
    """Return the largest eigenvalue of a kernel with `rows` rows at one point; nan where something is not finite.

    With `K` (rows, rows) it is that of ``K + u w^T + w u^T``; else, `K` empty, that of ``G G*`` with the response
    ``G = C (A - s I)^{-1} F`` stacked over B conditions: A (B, n, n), F (B, n, m), of which only the diagonal matters
    if `is_diagonal`; C (q, n), or empty.

    `history` (HISTORY, rows) holds vectors to start from, `known` says which of the first; both are brought up to
    date.  At the first call the last row is enough, a vector without symmetry.
    """
    rows = history.shape[1]
    iterating = K.shape[0] > 0
    conditions, n = A.shape[0], A.shape[1]
    lu = np.empty((conditions, n, n), np.complex128)
    piv = np.empty((conditions, n), np.int32)
    ints = np.empty(8, np.int32)
    diagonal = np.empty(n if is_diagonal else 0)
    if not iterating:
        for i in range(diagonal.shape[0]):
            diagonal[i] = F[0, i, i]
        for b in range(conditions):
            for i in range(n):
                for j in range(n):
                    lu[b, i, j] = A[b, i, j]
                lu[b, i, i] -= s
            if complex_lu_factor(lapack, lu[b], piv[b], ints) != 0:
                return np.nan

    size = min(LARGEST, rows)
    basis = np.empty((size + 1, rows), np.complex128)
    image = np.empty((size + 1, rows), np.complex128)
    small = np.zeros((size + 1, size + 1), np.complex128)  # basis* image
    vector = np.empty(rows, np.complex128)
    pushed = np.empty(rows, np.complex128)
    values = np.empty(size)
    work = np.empty(33 * size, np.complex128)
    rwork = np.empty(3 * size)
    count = 0
    filled = 0  # rows of the basis whose images are known
    for k in range(GENERIC):
        if (known[k] or k == THIRD) and count < size:
            basis[count] = history[k]
            if k == THIRD:
                basis[count] += MIXED * history[GENERIC]
            count += orthonormal(basis, count, basis[count])
    best = np.nan
    others = np.zeros((2, rows), np.complex128)
    looked = False
    for _ in range(40 * LARGEST):
        if iterating:
            updated(K, u, w, basis[filled:count], image[filled:count])
        else:
            respond(lapack, lu, piv, F, diagonal, C, basis[filled:count], ints, image[filled:count])
        for k in range(filled, count):
            for j in range(k + 1):
                small[j, k] = np.vdot(basis[j], image[k])
                small[k, j] = np.conj(small[j, k])
        filled = count
        if count == 0:
            return np.nan
        ritz = small[:count, :count].copy()
        for k in range(count):
            if not np.isfinite(ritz[k, k].real):
                return np.nan
        # C order: what LAPACK sees is the conjugate, whose vectors are the conjugate ones
        if hermitian_eigenvectors(lapack, ritz, values[:count], work, rwork, ints) != 0:
            return np.nan
        vector[:] = 0.0
        pushed[:] = 0.0
        for k in range(count):
            weight = np.conj(ritz[count - 1, k])
            for i in range(rows):
                vector[i] += weight * basis[k, i]
                pushed[i] += weight * image[k, i]
        best = values[count - 1]
        gap = best - values[count - 2] if count > 1 else 0.0
        error = 0.0
        for i in range(rows):
            pushed[i] -= best * vector[i]
            error += pushed[i].real ** 2 + pushed[i].imag ** 2
        others[:] = 0.0
        for j in range(min(2, count - 1)):
            for k in range(count):
                weight = np.conj(ritz[count - 2 - j, k])
                for i in range(rows):
                    others[j, i] += weight * basis[k, i]
        enough = best * max(ACCURACY * gap, ACCURACY * ACCURACY * best)
        if (looked and error <= enough) or count == rows or not best > 0.0:
            break
        if count >= size - 1 and size < rows:  # start anew from the best two
            basis[0] = vector
            basis[1] = others[0]
            count = 1 + orthonormal(basis, 1, basis[1])
            filled = 0
            continue
        grown = False
        basis[count] = pushed
        if orthonormal(basis, count, basis[count]):
            count += 1
            grown = True
        if not looked and count < size:  # once: where the next two go, one of which may be the first at the next point
            looked = True
            image[count] = 0.0
            for j in range(min(2, filled - 1)):
                for k in range(filled):
                    weight = np.conj(ritz[filled - 2 - j, k])
                    for i in range(rows):
                        image[count, i] += weight * image[k, i]
            basis[count] = image[count]
            if orthonormal(basis, count, basis[count]):
                count += 1
                grown = True
        if not grown:
            break
    if np.isfinite(best):
        history[2] = history[1]
        history[1] = history[0]
        known[2] = known[1]
        known[1] = known[0]
        history[0] = vector
        history[SECOND] = others[0]
        history[THIRD] = others[1]
        known[0] = True
        known[SECOND] = True
    return best
