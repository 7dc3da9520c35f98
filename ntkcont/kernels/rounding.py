"""What rounding does to each eigenvalue, so that "zero" means zero for that eigenvalue and for no other.

A perturbation E of a matrix A moves a simple eigenvalue by ``l^T E r / l^T r`` with its left and right vectors.  The
numbers of A carry relative errors of the size of eps, so that E is below eps |A|, number by number: a rate of 1e14 in
one equation says nothing about the eigenvalues of another.  The QR algorithm itself is only backward stable in the norm
of the (balanced) matrix; where its error is larger than that of the numbers of A, the two-sided Rayleigh quotient
``l^T A r / l^T r``, whose error is of second order, takes its place (Parlett 1974, Math. Comp. 28, 679).
"""

from __future__ import annotations

import numpy as np
from numba.np.numpy_support import carray

from ntkcont.kernels.apart import GRADED, LENGTH, ROUTINE, run
from ntkcont.kernels.cache import by_address, inner
from ntkcont.kernels.copying import copy_vector
from ntkcont.kernels.graded import ROOT, ROUNDING
from ntkcont.kernels.lapack import eigenvectors

#: Eigenvalues nearer to the boundary than this, relative to the largest of the same matrix, are looked at more closely.
CLOSE = 1e-7
#: Beside eigenvalues this much larger, one may be noise of the QR algorithm.
SMALL = 1e-6


@inner
def close_to_boundary(wr, wi, is_map):
    """Whether an eigenvalue (or the sum of two real ones, for maps the product) may be on the boundary to rounding.

    The same for pairs that may be real.
    """
    n = wr.shape[0]
    size = 1.0 if is_map else 0.0
    for i in range(n):
        size = max(size, abs(wr[i]), abs(wi[i]))
    near = CLOSE * size
    for i in range(n):
        if wi[i] == 0.0:
            if is_map:
                if abs(abs(wr[i]) - 1.0) <= near:
                    return True
                for j in range(i):
                    if wi[j] == 0.0 and abs(wr[i] * wr[j] - 1.0) <= near * max(1.0, size):
                        return True
            else:
                if abs(wr[i]) <= near:
                    return True
                for j in range(i):
                    if wi[j] == 0.0 and abs(wr[i] + wr[j]) <= near:
                        return True
        else:
            modulus = np.sqrt(wr[i] * wr[i] + wi[i] * wi[i])
            if (abs(modulus - 1.0) if is_map else abs(wr[i])) <= near or abs(wi[i]) <= CLOSE * modulus:
                return True
    return False


@inner
def two_by_two(a, wr, wi, band):
    """Fill `band` for the eigenvalues of a 2 x 2 matrix, in closed form; a pair that is real to rounding becomes so."""
    terms = ROUNDING * 0.5 * (abs(a[0, 0]) + abs(a[1, 1]))
    half = 0.5 * (a[0, 0] - a[1, 1])
    of_square = ROUNDING * (half * half + abs(a[0, 1] * a[1, 0]))
    root = abs(wi[0]) if wi[0] != 0.0 else 0.5 * abs(wr[0] - wr[1])
    of_root = min(np.sqrt(of_square), of_square / root) if root > 0.0 else np.sqrt(of_square)
    if abs(wi[0]) > of_root:
        band[:] = terms
        return
    wi[:] = 0.0
    band[:] = terms + of_root
    far = abs(wr[0])
    if far > 0.0:  # the second is the determinant divided by the first
        products = ROUNDING * (abs(a[0, 0] * a[1, 1]) + abs(a[0, 1] * a[1, 0]))
        band[1] = min(band[0], (products + abs(wr[1]) * band[0]) / far)


@inner
def settle_graded(lapack, a, wr, wi, band, work, ints):
    """Replace eigenvalues of `a` (destroyed) and `band` where the numbers of `a` determine them otherwise."""
    n = a.shape[0]
    real, imaginary, width = np.empty(n), np.empty(n), np.empty(n)
    if run(lapack, GRADED, a, real, imaginary, width, work, ints) != 0:
        return
    left = np.ones(n, np.bool_)
    same = True
    for k in range(n):
        if imaginary[k] != 0.0 and abs(imaginary[k]) <= 2.0 * width[k]:
            imaginary[k] = 0.0
        best, which = np.inf, 0
        for j in range(n):
            apart = np.hypot(wr[j] - real[k], wi[j] - imaginary[k])
            if left[j] and apart < best:
                best, which = apart, j
        left[which] = False
        alike = 0.1 * width[k] <= band[which] <= 10.0 * width[k]
        size = np.hypot(wr[which], wi[which])
        clear = min(abs(wr[which]), abs(size - 1.0)) > 10.0 * max(width[k], band[which])
        same = same and best <= width[k] and (alike or clear)
    if not same:
        copy_vector(wr, real)
        copy_vector(wi, imaginary)
        copy_vector(band, width)


@by_address(ROUTINE)
def settle(addresses, order, length, failed, matrix, real, imaginary, widths, workspace):
    """Compute the eigenvalues of a matrix (destroyed) anew, and fill `widths` with what rounding does to each of them.

    A pair that is real to rounding becomes so.  `workspace`: at least 34 n + 16 long.  `failed`: LAPACK's info.
    """
    n = order[0]
    lapack, ints = carray(addresses, LENGTH), np.empty(8, np.int32)
    a, wr, wi, band = carray(matrix, (n, n)), carray(real, n), carray(imaginary, n), carray(widths, n)
    work = carray(workspace, length[0])
    full = a.copy()
    of_left = np.empty((n, n))
    of_right = np.empty((n, n))
    failed[0] = eigenvectors(lapack, a, wr, wi, of_left, of_right, work, ints)
    if failed[0] != 0:
        return
    size = 0.0
    for k in range(n):
        size = max(size, abs(wr[k]), abs(wi[k]))
    graded = False
    k = 0
    while k < n:
        pair = wi[k] != 0.0
        # LAPACK sees the transpose: its left vector, conjugated, is our right one, and its right one our left one
        value_r = 0.0
        value_i = 0.0
        over_r = 0.0
        over_i = 0.0
        terms = 0.0
        norm_l = 0.0
        norm_r = 0.0
        for p in range(n):
            lr = of_right[k, p]
            li = of_right[k + 1, p] if pair else 0.0
            rr = of_left[k, p]
            ri = -of_left[k + 1, p] if pair else 0.0
            over_r += lr * rr - li * ri
            over_i += lr * ri + li * rr
            norm_l += lr * lr + li * li
            norm_r += rr * rr + ri * ri
            image_r = 0.0
            image_i = 0.0
            image_size = 0.0
            for q in range(n):
                value = full[p, q]
                if value != 0.0:
                    qr = of_left[k, q]
                    qi = -of_left[k + 1, q] if pair else 0.0
                    image_r += value * qr
                    image_i += value * qi
                    image_size += abs(value) * np.sqrt(qr * qr + qi * qi)
            value_r += lr * image_r - li * image_i
            value_i += lr * image_i + li * image_r
            terms += np.sqrt(lr * lr + li * li) * image_size
        norms = np.sqrt(norm_l * norm_r)
        square = over_r * over_r + over_i * over_i
        over = np.sqrt(square)
        if np.hypot(wr[k], wi[k]) <= SMALL * size and (terms <= 0.1 * size * over or terms <= 0.1 * size * norms):
            graded = True  # the QR algorithm may be less accurate than rounding of the numbers
        most = ROOT * terms / norms
        width = min(ROUNDING * terms / over, most) if over > 0.0 else most
        if over > 0.0:
            quotient_r = (value_r * over_r + value_i * over_i) / square
            quotient_i = (value_i * over_r - value_r * over_i) / square
            off = np.sqrt((quotient_r - wr[k]) ** 2 + (quotient_i - wi[k]) ** 2)
            if width < off <= 1e-8 * size and (not pair or quotient_i > 0.0):
                wr[k] = quotient_r
                if pair:
                    wr[k + 1] = quotient_r
                    wi[k] = quotient_i
                    wi[k + 1] = -quotient_i
        band[k] = width
        if pair:
            band[k + 1] = width
            if abs(wi[k]) <= 2.0 * width:  # real to rounding, as a double eigenvalue that no Hopf point has
                wi[k] = 0.0
                wi[k + 1] = 0.0
            k += 1
        k += 1
    if graded:
        settle_graded(lapack, full, wr, wi, band, work, ints)
