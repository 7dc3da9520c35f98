"""Factors of the bordered Jacobian: LAPACK's of an array, or those of a solver outside that knows its structure.

Which of them is in the array `algebra` that every kernel gets: the addresses of :func:`library` alone, or followed by
those of two functions that are called back, ``factor(z, fq, d, tau, sign)`` and ``solve(b)``, all pointers to numbers.
The solver outside computes the Jacobian itself; then `a` and `big` are never touched and take no memory.
"""

from __future__ import annotations

import functools

import numpy as np

from ntkcont.kernels.apart import LENGTH
from ntkcont.kernels.cache import inner
from ntkcont.kernels.graded import graded_eigenvalues
from ntkcont.kernels.lapack import addresses, call, lu_factor, lu_solve
from ntkcont.kernels.rounding import settle

FACTOR, SOLVE = LENGTH, LENGTH + 1


@functools.cache
def library() -> np.ndarray:
    """Return the addresses, int64, of LAPACK's functions and of our own that are called as those are."""
    return np.append(addresses(), np.array([settle.address, graded_eigenvalues.address], np.int64))


@inner
def outside(algebra):
    """Whether a solver outside has the Jacobian."""
    return algebra.shape[0] > FACTOR


@inner
def bordered(a, fq, d, tau, big):
    """Fill `big`, shape (n+1, n+1), with the Jacobian in scaled variables and `tau` as the last row."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            big[i, j] = a[i, j] * d[j]
        big[i, n] = fq[i] * d[n]
    for j in range(n + 1):
        big[n, j] = tau[j]


@inner
def factor(algebra, z, a, fq, d, tau, big, piv, ints):
    """Factor the bordered matrix at z, where the Jacobian is `a`; return the sign of its determinant, as lu_factor."""
    if outside(algebra):
        sign = np.zeros(1)
        call(algebra[FACTOR], (z.ctypes.data, fq.ctypes.data, d.ctypes.data, tau.ctypes.data, sign.ctypes.data))
        return sign[0]
    bordered(a, fq, d, tau, big)
    return lu_factor(algebra, big, piv, ints)


@inner
def solve(algebra, big, piv, b, ints):
    """Overwrite `b`, shape (n+1,), with the solution for it."""
    if outside(algebra):
        call(algebra[SOLVE], (b.ctypes.data,))
    else:
        lu_solve(algebra, big, piv, b, ints)
