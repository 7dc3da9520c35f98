"""Newton's method from many starts, globalised: line search first, Levenberg-Marquardt where that fails.

Where ``weights @ x`` is conserved (``weights @ F = 0``), as many equations follow from the others; those in the rows
`at` are replaced by ``unit (weights @ x - totals) = 0``, in scaled variables.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, types

from ntkcont.kernels.abi import JAC_TYPE, MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.lapack import lu_factor, lu_solve

# outcomes of one start
FIXED, STALLED, LEFT, BAD_VALUES = 0, 1, 2, 3

ROUNDING = 1e-14  # a residual this small, relative to the terms it is made of, is zero


@inner
def residual(rhs, p, c, is_map, d, weights, at, totals, unit, x, f):
    """Fill `f` with F(x)/d and return half its square; maps subtract the identity."""
    rhs(f, x, p, c)
    n = x.shape[0]
    for i in range(n):
        if is_map:
            f[i] -= x[i]
        f[i] /= d[i]
    for k in range(at.shape[0]):
        value = -totals[k]
        for j in range(n):
            value += weights[k, j] * x[j]
        f[at[k]] = unit * value
    total = 0.0
    for i in range(n):
        total += f[i] * f[i]
    return 0.5 * total


@inner
def jacobian(jac, p, c, is_map, d, weights, at, unit, x, a, floor):
    """Fill `a` with the Jacobian in scaled variables and `floor` with the size of the terms in each row."""
    n = x.shape[0]
    jac(a, x, p, c)
    for i in range(n):
        if is_map:
            a[i, i] -= 1.0
        size = 1.0 if is_map else 0.0
        for j in range(n):
            a[i, j] *= d[j] / d[i]
            size += abs(a[i, j])
        floor[i] = size
    for k in range(at.shape[0]):
        size = 0.0
        for j in range(n):
            a[at[k], j] = unit * weights[k, j] * d[j]
            size += abs(a[at[k], j])
        floor[at[k]] = size


@inner
def unit_of(jac, p, c, is_map, d, weights, at, x, a, floor):
    """Return the size of the equations that are not replaced, beside which totals are to count: 1 if there is none."""
    if at.shape[0] == 0:
        return 1.0
    jacobian(jac, p, c, is_map, d, weights, at, 0.0, x, a, floor)
    unit = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            unit = max(unit, abs(a[i, j]))
    return unit if np.isfinite(unit) and unit > 0.0 else 1.0


@inner
def trial(rhs, p, c, is_map, d, weights, at, totals, unit, x, step, t, new, f):
    """Evaluate at x + t step; nan counts as infinitely bad."""
    for i in range(x.shape[0]):
        new[i] = x[i] + t * step[i] * d[i]
    value = residual(rhs, p, c, is_map, d, weights, at, totals, unit, new, f)
    return value if np.isfinite(value) else np.inf


@inner
def newton_step(lapack, a, f, reach, big, piv, ints, step):
    """Fill `step` with Newton's, shortened to `reach`; return its largest component before that, inf if singular."""
    n = f.shape[0]
    for i in range(n):
        step[i] = -f[i]
        for j in range(n):
            big[i, j] = a[i, j]
    sign = lu_factor(lapack, big, piv, ints)
    if sign == 0.0 or np.isnan(sign):
        return np.inf
    lu_solve(lapack, big, piv, step, ints)
    size = 0.0
    norm = 0.0
    for i in range(n):
        size = max(size, abs(step[i]))
        norm += step[i] * step[i]
    if not np.isfinite(norm):
        return np.inf
    norm = np.sqrt(norm)
    if norm > reach:
        for i in range(n):
            step[i] *= reach / norm
    return size


@inner
def damped_step(lapack, a, f, damping, big, piv, ints, step):
    """Fill `step` with the Levenberg-Marquardt step, (A^T A + damping) step = -A^T f."""
    n = f.shape[0]
    for i in range(n):
        for j in range(n):
            big[i, j] = 0.0
        big[i, i] = damping
    for m in range(n):
        for i in range(n):
            for j in range(n):
                big[i, j] += a[m, i] * a[m, j]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += a[j, i] * f[j]
        step[i] = -total
    sign = lu_factor(lapack, big, piv, ints)
    if sign == 0.0 or np.isnan(sign):
        return False
    lu_solve(lapack, big, piv, step, ints)
    return True


@inner
def solve_one(
    rhs, jac, p, c, is_map, lapack, d, reach, limit, tol, max_iter, weights, at, totals,
    x, new, f, f_new, a, big, piv, ints, step, floor, first,
):  # fmt: skip
    """Move `x` to a fixed point, or to where half the square of F/d stops decreasing; return the outcome."""
    n = x.shape[0]
    unit = unit_of(jac, p, c, is_map, d, weights, at, x, a, floor)
    value = residual(rhs, p, c, is_map, d, weights, at, totals, unit, x, f)
    if not np.isfinite(value):
        return BAD_VALUES
    damping = 0.0
    idle = 0
    for it in range(max_iter):
        jacobian(jac, p, c, is_map, d, weights, at, unit, x, a, floor)
        if it == 0:
            for i in range(n):
                first[i] = floor[i]
        exact = True
        for i in range(n):
            exact = exact and abs(f[i]) <= ROUNDING * max(floor[i], 1e-2 * first[i])
            if not np.isfinite(floor[i]):
                return BAD_VALUES
        size = newton_step(lapack, a, f, reach, big, piv, ints, step)
        if size <= tol:  # the last step is not larger than what it corrects
            after = trial(rhs, p, c, is_map, d, weights, at, totals, unit, x, step, 1.0, new, f_new)
            if after <= value:
                for i in range(n):
                    x[i] = new[i]
            return FIXED
        if exact:
            return FIXED
        accepted = False
        before = value
        after = value
        if np.isfinite(size):
            t = 1.0
            for _ in range(6):
                after = trial(rhs, p, c, is_map, d, weights, at, totals, unit, x, step, t, new, f_new)
                if after <= (1.0 - 1e-4 * t) ** 2 * value:
                    accepted = True
                    break
                t *= 0.5
        if not accepted:
            if damping == 0.0:
                for i in range(n):
                    for j in range(n):
                        damping = max(damping, 1e-3 * a[i, j] ** 2)
            for _ in range(20):
                if damped_step(lapack, a, f, damping, big, piv, ints, step):
                    after = trial(rhs, p, c, is_map, d, weights, at, totals, unit, x, step, 1.0, new, f_new)
                    if after < value:
                        accepted = True
                        damping *= 0.2
                        break
                damping = 4.0 * damping + 1e-300
        if not accepted:
            return STALLED
        far = False
        for i in range(n):
            x[i] = new[i]
            f[i] = f_new[i]
            far = far or abs(x[i]) > limit * d[i]
        value = after
        if far:
            return LEFT
        idle = idle + 1 if value > 0.999 * before else 0
        if idle >= 10:
            return STALLED
    return STALLED


@entry(
    types.void(
        RHS_TYPE, JAC_TYPE, VECTOR, VECTOR, types.boolean, int64[::1], VECTOR, float64, float64, float64, int64,
        MATRIX, int64[::1], MATRIX, MATRIX, int64[::1],
    )
)  # fmt: skip
def solve_many(
    rhs, jac, p, c, is_map, lapack, d, reach, limit, tol, max_iter, weights, at, totals, xs, outcomes
):  # fmt: skip
    """Solve F = 0 from every row of `xs` (overwritten), independently.

    `d` (n,) scales of the states; a Newton step is at most `reach` long in them, and a state larger than `limit` in
    them ends the search.  `tol` bounds the last Newton step.  `weights` (r, n) are those of the conserved quantities;
    in place of the equations `at` (r,) the `totals` (m, r) of each start are kept.
    """
    n = xs.shape[1]
    new = np.empty(n)
    f = np.empty(n)
    f_new = np.empty(n)
    a = np.empty((n, n))
    big = np.empty((n, n))
    piv = np.empty(n, np.int32)
    ints = np.empty(8, np.int32)
    step = np.empty(n)
    floor = np.empty(n)
    first = np.empty(n)
    for k in range(xs.shape[0]):
        outcomes[k] = solve_one(
            rhs, jac, p, c, is_map, lapack, d, reach, limit, tol, max_iter, weights, at, totals[k],
            xs[k], new, f, f_new, a, big, piv, ints, step, floor, first,
        )  # fmt: skip
