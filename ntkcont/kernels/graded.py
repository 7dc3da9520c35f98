"""Eigenvalues of matrices whose numbers span many decades, each as well as those numbers determine it.

The error of the QR algorithm is relative to the norm of the matrix: beside a rate of 1e17 an eigenvalue of 1 is noise,
although the equations of the slow states determine it to all digits.  So the fast states are taken away: for the
invariant subspace of the large eigenvalues, ``A [I; W] = [I; W] B`` in the rows K and J, the matrix of the slow ones is
``A_JJ - W A_KJ`` (to first order in slow/fast what the quasi-steady state leaves, a step of Gaussian elimination), and
the same is done with that.  Before each step a diagonal scaling makes no number larger than the largest geometric mean
along a cycle, which bounds the eigenvalues: scaling by norms does not find it where blocks are coupled one way.
"""

from __future__ import annotations

import math

import numpy as np
from numba.np.numpy_support import carray

from ntkcont.kernels.apart import LENGTH, ROUTINE
from ntkcont.kernels.cache import by_address, inner
from ntkcont.kernels.copying import copy_matrix, copy_vector
from ntkcont.kernels.lapack import eigenvectors

#: Eigenvalues of one matrix that are not smaller than this beside the largest come from the QR algorithm together.
TOGETHER = 1e-4
#: Those smaller than this are noise of the QR algorithm: where the others end is looked for above.
NOISE = 1e-9

#: What rounding may do, in units of eps times the terms that an eigenvalue is made of.
ROUNDING = 100.0 * 2.220446049250313e-16
#: A double eigenvalue moves by the square root of a perturbation, and no eigenvalue of a few nearly equal ones by more.
ROOT = 100.0 * 1.5e-8

#: The logarithm of what is zero, below that of any number.
NOTHING = -1e5


@inner
def scale_by_cycles(a, power):
    """Replace `a` by ``D a D^-1``, D = 2^power, so that its numbers are not much larger than the mean of some cycle.

    The potentials of the max-plus algebra: Karp's theorem gives the largest mean, longest paths the powers.
    """
    n = a.shape[0]
    log = np.full((n, n), -np.inf)
    for i in range(n):
        for j in range(n):
            if a[i, j] != 0.0:
                log[i, j] = np.log2(abs(a[i, j]))
    longest = np.full((n + 1, n), -np.inf)
    longest[0] = 0.0
    for k in range(n):
        for i in range(n):
            for j in range(n):
                longest[k + 1, i] = max(longest[k + 1, i], longest[k, j] + log[i, j])
    mean = -np.inf
    for i in range(n):
        if longest[n, i] > -np.inf:
            least = np.inf
            for k in range(n):
                if longest[k, i] > -np.inf:
                    least = min(least, (longest[n, i] - longest[k, i]) / (n - k))
            mean = max(mean, least)
    power[:] = 0
    if mean == -np.inf:  # no cycle, no eigenvalue but zero
        return
    height = np.zeros(n)
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                height[i] = max(height[i], height[j] + log[i, j] - mean)
    for i in range(n):
        power[i] = -int(np.rint(height[i]))
    for i in range(n):
        for j in range(n):
            a[i, j] = math.ldexp(a[i, j], power[i] - power[j])


@inner
def eliminate(a, b):
    """Overwrite `b`, shape (n, k), with the solution of ``a x = b`` (`a` destroyed), complex; False: singular.

    Complete pivoting: neither rows nor columns need be of one size.
    """
    n = a.shape[0]
    order = np.arange(n)
    for k in range(n):
        best, p, q = 0.0, k, k
        for i in range(k, n):
            for j in range(k, n):
                if abs(a[i, j]) > best:
                    best, p, q = abs(a[i, j]), i, j
        if best == 0.0:
            return False
        for j in range(n):
            a[k, j], a[p, j] = a[p, j], a[k, j]
        for j in range(b.shape[1]):
            b[k, j], b[p, j] = b[p, j], b[k, j]
        for i in range(n):
            a[i, k], a[i, q] = a[i, q], a[i, k]
        order[k], order[q] = order[q], order[k]
        for i in range(n):
            if i != k and a[i, k] != 0.0:
                factor = a[i, k] / a[k, k]
                for j in range(k + 1, n):
                    a[i, j] -= factor * a[k, j]
                for j in range(b.shape[1]):
                    b[i, j] -= factor * b[k, j]
    solution = b.copy()
    for k in range(n):
        for j in range(b.shape[1]):
            solution[order[k], j] = b[k, j] / a[k, k]
    copy_matrix(b, solution)
    return True


@inner
def large_ones(wr, wi):
    """Return how many eigenvalues, sorted by falling modulus, come before the widest gap; all if none is small."""
    n = wr.shape[0]
    most = np.hypot(wr[0], wi[0])
    if not np.hypot(wr[n - 1], wi[n - 1]) < TOGETHER * most:
        return n
    best, cut = 0.0, n
    for k in range(1, n):
        above, below = np.hypot(wr[k - 1], wi[k - 1]), np.hypot(wr[k], wi[k])
        if above < NOISE * most:
            break
        ratio = above / below if below > 0.0 else np.inf
        if ratio > best:
            best, cut = ratio, k
    return cut if best > 3.0 else n


@inner
def sort(wr, wi, of_left, of_right):
    """Sort eigenvalues, and the rows that are their vectors, by falling modulus; pairs stay side by side."""
    n = wr.shape[0]
    for k in range(1, n):  # the second of a pair has the modulus of the first
        j = k
        while j > 0 and np.hypot(wr[j], wi[j]) > np.hypot(wr[j - 1], wi[j - 1]):
            wr[j], wr[j - 1] = wr[j - 1], wr[j]
            wi[j], wi[j - 1] = wi[j - 1], wi[j]
            for p in range(n):
                of_left[j, p], of_left[j - 1, p] = of_left[j - 1, p], of_left[j, p]
                of_right[j, p], of_right[j - 1, p] = of_right[j - 1, p], of_right[j, p]
            j -= 1


@inner
def log_volume(rows, order, cut):
    """Return log2 of the modulus of the determinant of ``rows[:cut, order[:cut]]``, a zero pivot counted as NOTHING."""
    rest = np.empty((cut, cut), np.complex128)
    for i in range(cut):
        for j in range(cut):
            rest[i, j] = rows[i, order[j]]
    volume = 0.0
    for k in range(cut):
        best, p = 0.0, k
        for i in range(k, cut):
            if abs(rest[i, k]) > best:
                best, p = abs(rest[i, k]), i
        if best == 0.0:
            volume += NOTHING
            continue
        volume += np.log2(best)
        for j in range(k, cut):
            rest[k, j], rest[p, j] = rest[p, j], rest[k, j]
        for i in range(k + 1, cut):
            factor = rest[i, k] / rest[k, k]
            for j in range(k, cut):
                rest[i, j] -= factor * rest[k, j]
    return volume


@inner
def fast_rows(right, left, cut, order):
    """Put the rows that say most of the first `cut` eigenvalues to the front of `order`; False if none do.

    Those with the largest minor of the spectral projector, whatever the units of the states: right vectors alone, or
    left ones, may say the same of two rows of which one is slow.
    """
    n = right.shape[1]
    for i in range(n):
        order[i] = i
    best = log_volume(right, order, cut) + log_volume(left, order, cut)
    for _ in range(2 * n):
        k, j = -1, -1
        for p in range(cut):
            for q in range(cut, n):
                order[p], order[q] = order[q], order[p]
                volume = log_volume(right, order, cut) + log_volume(left, order, cut)
                order[p], order[q] = order[q], order[p]
                if volume > best + 0.5:
                    best, k, j = volume, p, q
        if k < 0:
            break
        order[k], order[j] = order[j], order[k]
    return best > 0.5 * NOTHING


@inner
def slow_subspace(a, of_right, cut, w):
    """Fill `w`, (n - cut, cut), for `a` in an order in which the fast rows come first; False if that does not converge.

    From the right vectors, by iteration of the subspace: it forgets the rounding of the QR algorithm, since what
    remains of it shrinks by slow/fast.
    """
    n = a.shape[0]
    top = np.empty((cut, cut), np.complex128)
    bottom = np.empty((cut, n - cut), np.complex128)
    copy_matrix(top, of_right[:cut, :cut])
    copy_matrix(bottom, of_right[:cut, cut:])
    for sweep in range(60):
        if not eliminate(top, bottom):
            return False
        moved = sweep < 2  # zeros among the vectors are rounding as well
        for i in range(n - cut):
            for k in range(cut):
                new = bottom[k, i].real
                moved = moved or not abs(new - w[i, k]) <= 4.5e-16 * abs(new)
                w[i, k] = new
        if not moved:
            return True
        for k in range(cut):
            for i in range(n):
                value = a[i, k]
                for j in range(n - cut):
                    value += a[i, cut + j] * w[j, k]
                if i < cut:
                    top[k, i] = value
                else:
                    bottom[k, i - cut] = value
    return True


@inner
def split(a, right, left, cut, order):
    """Overwrite `a` with ``[B, A_KJ; W, S]`` in the order of rows found, S the matrix of the slow states; False: fails.

    `right`, `left`: its vectors, the first `cut` those of the fast ones.
    """
    m = a.shape[0]
    if not fast_rows(right, left, cut, order):
        return False
    there, vectors = a.copy(), right.copy()
    for i in range(m):
        for j in range(m):
            a[i, j] = there[order[i], order[j]]
            right[i, j] = vectors[i, order[j]]
    w = np.zeros((m - cut, cut))
    if not slow_subspace(a, right, cut, w):
        return False
    for i in range(cut, m):
        for j in range(cut, m):
            for k in range(cut):
                a[i, j] -= w[i - cut, k] * a[k, j]
    for i in range(cut):
        for k in range(cut):
            for j in range(cut, m):
                a[i, k] += a[i, j] * w[j - cut, k]
    copy_matrix(a[cut:, :cut], w)
    return np.isfinite(np.sum(a))


@inner
def lift(a, starts, level, powers, orders, value, right, left):
    """Carry the vectors of an eigenvalue of the matrix that begins at ``starts[level]`` to the whole, in place."""
    n = a.shape[0]
    for u in range(level - 1, -1, -1):
        o, s = starts[u], starts[u + 1]
        cut = s - o
        for i in range(s, n):
            right[i] = right[i] * np.ldexp(1.0, -powers[u + 1, i - s])
            left[i] = left[i] * np.ldexp(1.0, powers[u + 1, i - s])
        matrix = np.empty((cut, cut), np.complex128)
        fast = np.zeros((cut, 1), np.complex128)
        for i in range(cut):
            for k in range(cut):
                matrix[i, k] = a[o + i, o + k]
            matrix[i, i] -= value
            for j in range(s, n):
                fast[i, 0] -= a[o + i, j] * right[j]
        if not eliminate(matrix, fast):
            return False
        before_r, before_l = right.copy(), left.copy()
        for k in range(cut):
            before_r[o + k] = fast[k, 0]
            before_l[o + k] = 0.0
            for j in range(s, n):
                before_r[j] += a[j, o + k] * fast[k, 0]
                before_l[o + k] -= left[j] * a[j, o + k]
        most_r, most_l = 0.0, 0.0
        for i in range(o, n):
            most_r = max(most_r, abs(before_r[i]))
            most_l = max(most_l, abs(before_l[i]))
        if not (0.0 < most_r < np.inf and 0.0 < most_l < np.inf):
            return False
        for i in range(n - o):
            right[o + orders[u, i]] = before_r[o + i] / most_r
            left[o + orders[u, i]] = before_l[o + i] / most_l
    return True


@inner
def judge(a, right, left, value):
    """Return the eigenvalue, from `value` and its vectors, and how far the one of `a` may be from it.

    At least what rounding of the numbers of `a` does to it, and ``|l| |a r - value r|``.
    """
    n = a.shape[0]
    over, quotient = 0.0j, 0.0j
    terms, norm_l, norm_r = 0.0, 0.0, 0.0
    image = np.zeros(n, np.complex128)
    for i in range(n):
        size = 0.0
        for j in range(n):
            image[i] += a[i, j] * right[j]
            size += abs(a[i, j]) * abs(right[j])
        over += left[i] * right[i]
        quotient += left[i] * image[i]
        terms += abs(left[i]) * size
        norm_l += abs(left[i]) ** 2
        norm_r += abs(right[i]) ** 2
    most = ROOT * terms / np.sqrt(norm_l * norm_r)
    if over == 0.0:
        return value, np.inf
    width = min(ROUNDING * terms / abs(over), most)
    quotient = quotient / over
    if abs(quotient - value) > width:
        value = complex(quotient.real, quotient.imag if value.imag != 0.0 else 0.0)
    left_over = 0.0
    for i in range(n):
        left_over += abs(left[i]) * abs(image[i] - value * right[i])
    return value, max(width, left_over / abs(over))


@by_address(ROUTINE)
def graded_eigenvalues(addresses, order, length, failed, matrix, real, imaginary, widths, workspace):
    """Write eigenvalues of a matrix (destroyed), by falling modulus, and what rounding does to each."""
    n = order[0]
    lapack, ints = carray(addresses, LENGTH), np.empty(8, np.int32)
    a, wr, wi, band = carray(matrix, (n, n)), carray(real, n), carray(imaginary, n), carray(widths, n)
    work = carray(workspace, length[0])
    failed[0] = 1
    starts = np.zeros(n + 1, np.int64)
    orders = np.zeros((n, n), np.int64)
    powers = np.zeros((n, n), np.int64)
    whole = a
    o, level = 0, 0
    while o < n:
        m = n - o
        starts[level] = o
        rest = a[o:, o:].copy()
        scale_by_cycles(rest, powers[level])
        if level == 0:
            whole = rest.copy()
        if not np.isfinite(np.sum(rest)):
            return
        re, im = np.zeros(m), np.zeros(m)
        of_left, of_right = np.ones((m, m)), np.ones((m, m))
        if m == 1:
            re[0] = rest[0, 0]
        elif eigenvectors(lapack, rest.copy(), re, im, of_left, of_right, work, ints) != 0:
            return
        sort(re, im, of_left, of_right)
        cut = large_ones(re, im)
        right, left = np.empty((m, m), np.complex128), np.empty((m, m), np.complex128)
        for k in range(m):
            first = k - (im[k] < 0.0)
            for p in range(m):
                # LAPACK sees the transpose: its left vector, conjugated, is our right one, and its right one our left
                right[k, p] = complex(of_left[first, p], -of_left[first + 1, p] if im[k] != 0.0 else 0.0)
                left[k, p] = complex(of_right[first, p], of_right[first + 1, p] if im[k] != 0.0 else 0.0)
        of_whole_r, of_whole_l = np.zeros(n, np.complex128), np.zeros(n, np.complex128)
        for k in range(cut):
            if im[k] < 0.0:
                wr[o + k], wi[o + k], band[o + k] = wr[o + k - 1], -wi[o + k - 1], band[o + k - 1]
                continue
            copy_vector(of_whole_r[o:], right[k])
            copy_vector(of_whole_l[o:], left[k])
            value = complex(re[k], im[k])
            if not lift(a, starts, level, powers, orders, value, of_whole_r, of_whole_l):
                return
            value, band[o + k] = judge(whole, of_whole_r, of_whole_l, value)
            wr[o + k], wi[o + k] = value.real, value.imag
        if cut < m:
            for k in range(cut):
                if im[k] < 0.0:
                    for p in range(m):
                        right[k, p] = np.conj(right[k, p])
                        left[k, p] = np.conj(left[k, p])
            if not split(rest, right, left, cut, orders[level]):
                return
            copy_matrix(a[o:, o:], rest)
        o += cut
        level += 1
    if np.isfinite(np.sum(band)):
        failed[0] = 0
