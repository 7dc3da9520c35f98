"""Newton's method on ``F(x, q) = 0`` with one linear constraint, in scaled variables.

Scaled variables are ``y = z / d`` with ``z = (x, q)`` and ``d = (sqrt(n) * state scale, parameter scale)``: the inner
product ``<u, u>/n + p^2`` of scaled states is then Euclidean in y, and every column of the bordered matrix has the same
meaning whatever the units.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, types

from ntkcont.kernels.abi import JAC_TYPE, MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.algebra import factor, outside, solve
from ntkcont.kernels.cache import entry, inner

# outcomes of one correction
CONVERGED, DIVERGED, NOT_FINITE = 0, 1, 2

#: From this many states on a factorisation costs far more than an evaluation: it serves several corrections ...
SHARE_FROM = 100
#: ... as long as each is at most this fraction of the one before.
CONTRACTION = 0.05
#: Newton goes on until its last correction of each variable is at most this fraction of the variable itself: the error
#: left is of the size of its square.  Scales are units of length, and a state may be far below its scale.
OF_ITSELF = 1e-8
#: Where it stops because rounding lets corrections shrink no further, they must be this small beside the variables.
ROUGHLY = 1e-6
#: A state this far below its scale, or farther, is zero but for rounding.
ROUNDED_AWAY = 1e-9
#: Where rounding is all that is left, near singular points that of a state of zero may be this large beside its scale.
NEARLY_ZERO = 1e-6


@inner
def parameters(p0, direction, q, p):
    """Fill `p`, shape (2 M,): the parameter values at q, then the direction."""
    m = p0.shape[0]
    for j in range(m):
        p[j] = p0[j] + q * direction[j]
        p[m + j] = direction[j]


@inner
def system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, z, p, f, a, fq):
    """Evaluate F, its Jacobian `a` (unless a solver outside has it) and its derivative `fq` at z = (x, q).

    Maps subtract the identity.
    """
    n = z.shape[0] - 1
    parameters(p0, direction, z[n], p)
    x = z[:n]
    rhs(f, x, p, c)
    dfdp(fq, x, p, c)
    dense = not outside(algebra)
    if dense:
        jac(a, x, p, c)
    if is_map:
        for i in range(n):
            f[i] -= x[i]
            if dense:
                a[i, i] -= 1.0


@inner
def residual(rhs, c, p0, direction, is_map, z, p, f):
    """Evaluate F alone at z = (x, q)."""
    n = z.shape[0] - 1
    parameters(p0, direction, z[n], p)
    rhs(f, z[:n], p, c)
    if is_map:
        for i in range(n):
            f[i] -= z[i]


@inner
def settled(b, z, d, part, floor, least):
    """Whether the correction `b` (scaled) is at most this part of every variable itself.

    Variables below `floor` of their scale (the parameter: `least`) count as that large.
    """
    n = z.shape[0] - 1
    for j in range(n):
        if abs(b[j]) * d[j] > part * max(abs(z[j]), floor * d[j]):
            return False
    return abs(b[n]) * d[n] <= part * max(abs(z[n]), least * d[n])


@inner
def correct(
    rhs, jac, dfdp, c, p0, direction, is_map, algebra,
    z, zref, d, tau, tol, max_iter, p, f, a, fq, big, piv, b, ints,
):  # fmt: skip
    """Newton from `z` (overwritten) on F = 0, ``tau . (z - zref)/d = 0``; `a` and `fq` are those last factored.

    Returns (outcome, iterations, size of the first correction, sign of the determinant of the last bordered matrix,
    size of the last correction).
    The second correction must not be larger than the first: a test against jumping to another branch.
    Below SHARE_FROM states the matrix is factored in every iteration, so that at the end it is that of the last
    iterate; above, as long as that converges fast, only in the first (which counts as three iterations at most).
    """
    n = z.shape[0] - 1
    first = 0.0
    last = 0.0
    sign = 0.0
    fresh = True
    refreshed = 0
    small_at = -1  # the iteration in which the correction was small beside the scales
    for it in range(max_iter):
        if fresh:
            refreshed += 1
            system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, z, p, f, a, fq)
        else:
            residual(rhs, c, p0, direction, is_map, z, p, f)
        s = 0.0
        for i in range(n):
            b[i] = -f[i]
            s += f[i]
        t = 0.0
        for j in range(n + 1):
            t -= tau[j] * (z[j] - zref[j]) / d[j]
        b[n] = t
        if not np.isfinite(s):
            return NOT_FINITE, it, first, sign, last
        if fresh:
            sign = factor(algebra, z, a, fq, d, tau, big, piv, ints)
        if np.isnan(sign):
            return NOT_FINITE, it, first, sign, last
        if sign == 0.0:
            return DIVERGED, it, first, sign, last
        solve(algebra, big, piv, b, ints)
        size = 0.0
        for j in range(n + 1):
            size += b[j] * b[j]
        size = np.sqrt(size)
        if not np.isfinite(size):
            return NOT_FINITE, it, first, sign, last
        for j in range(n + 1):
            z[j] += b[j] * d[j]
        if it == 0:
            first = size
        if size <= (tol if fresh else 1e-3 * tol):  # a shared factorisation leaves an error in proportion to `size`
            for j in range(n):  # quadratic convergence to 0 leaves 1e-40
                if abs(z[j]) < 1e-25 * d[j]:
                    z[j] = 0.0
            if small_at < 0:
                small_at = it
            if settled(b, z, d, OF_ITSELF, ROUNDED_AWAY, 0.0):
                factorised = small_at + 1 if refreshed > 1 or n < SHARE_FROM else min(small_at + 1, 3)
                return CONVERGED, factorised, first, sign, size
        if it > 0 and size > last:  # no longer decreasing: rounding, if it is small already
            iterations = it + 1 if small_at < 0 else small_at + 1
            rounding = last <= 100.0 * tol and settled(b, z, d, ROUGHLY, NEARLY_ZERO, 1e-10)
            return (CONVERGED if rounding else DIVERGED), iterations, first, sign, size
        fresh = n < SHARE_FROM or (it > 0 and size > CONTRACTION * last)
        last = size
    rounding = small_at >= 0 and settled(b, z, d, ROUGHLY, NEARLY_ZERO, 1e-10)
    return (CONVERGED if rounding else DIVERGED), max_iter, first, sign, last


@entry(
    types.Tuple((int64, int64, float64))(
        RHS_TYPE, JAC_TYPE, RHS_TYPE, VECTOR, VECTOR, VECTOR, types.boolean, int64[::1],
        VECTOR, VECTOR, VECTOR, VECTOR, float64, int64, VECTOR, MATRIX, VECTOR,
    )
)  # fmt: skip
def correct_point(
    rhs, jac, dfdp, c, p0, direction, is_map, algebra, z, zref, d, tau, tol, max_iter, f, a, fq
):  # fmt: skip
    """Correct one point: `z` becomes the solution, `f`, `a`, `fq` are F, its Jacobian and dF/dq there."""
    n = z.shape[0] - 1
    p = np.empty(2 * p0.shape[0])
    big = np.empty((n + 1, n + 1))
    piv = np.empty(n + 1, np.int32)
    ints = np.empty(8, np.int32)
    b = np.empty(n + 1)
    outcome, iterations, first, _, _ = correct(
        rhs, jac, dfdp, c, p0, direction, is_map, algebra,
        z, zref, d, tau, tol, max_iter, p, f, a, fq, big, piv, b, ints,
    )  # fmt: skip
    if outcome == CONVERGED:
        system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, z, p, f, a, fq)
    return outcome, iterations, first
