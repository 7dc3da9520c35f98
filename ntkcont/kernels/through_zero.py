"""What the eigenvalues do at all sizes that a variable takes on its way through zero.

Where a variable is a power of ten smaller than at both ends of a step, other terms of the equations may lead.  Then
eigenvalues have crossed the boundary and come back, though both ends of the step look the same.
"""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.algebra import solve
from ntkcont.kernels.cache import inner
from ntkcont.kernels.copying import copy_matrix, copy_vector
from ntkcont.kernels.lapack import lu_factor
from ntkcont.kernels.newton import CONVERGED, correct, parameters, residual, system
from ntkcont.kernels.spectrum import N_COUNTS, N_UNSTABLE, UNSURE, spectrum

#: Sizes that are looked at on both sides of zero: each is this part of the one before.
RATIO, LEVELS = 10.0**-0.5, 26
#: Up to this many states unstable eigenvalues are counted, beyond it there is the sign of the determinant alone.
COUNTED = 8
#: Eigenvalues are counted anew where an entry of the Jacobian has changed by this part of itself.
CHANGED = 0.1
#: Where a variable is farther than this, as a part of its way, from where the tangent leads, the chord of a step says
#: nothing of the branch.
CURVED = 0.3
UNKNOWN, NOWHERE = -1, 99
#: The parameter follows a variable in a power of it.  Where the exponent changes by so much from one size to the next,
#: other terms of the equations begin to lead.
POWER = 0.2
#: Differences of the parameter that are this small beside it, or smaller, are rounding.
DIGITS = 1e-10
#: Terms of F are rounded by less than this part of them.
ROUNDING = 1e-14
#: How rounding of F is seen: its numbers are moved by so many times eps, so often; what that does, so many times.  The
#: parameter is moved by this part of itself as well.
LAST_DIGITS, TIMES, MORE, FIRST_DIGIT = 4.5e-16, 4, 20.0, 0.1
#: Counts that mean something are the same this far aside, as a part of each variable.
ASIDE = 0.01
#: The first sizes are those of the step itself, over which smooth equations change.
OF_THE_STEP = 3
SAME_SIZE = 3.0
#: From one size to the next a variable follows in a power, and falls by no more than this.
FALLS = 1e-4


@inner
def at_size(z, new, middle, part, side, j, common, at):
    """Fill `at` with the point of the chord where variable j is this part of what it is at one end of the step."""
    u = middle * (1.0 - part) if side == 0 else middle + (1.0 - middle) * part
    for k in range(z.shape[0]):
        at[k] = z[k] + u * (new[k] - z[k])
    if j == z.shape[0] - 1 or not common:
        at[j] = part * (z[j] if side == 0 else new[j])


@inner
def on_parabola(z, new, tau, d, length, middle, part, side, j, common, at):
    """Fill `at` as `at_size` does, with the point of the parabola that leaves z along the tangent and passes `new`.

    Where two branches cross, the chord is as near to the one as to the other.
    """
    u = middle * (1.0 - part) if side == 0 else middle + (1.0 - middle) * part
    for k in range(z.shape[0]):
        way = length * tau[k] * d[k]
        at[k] = z[k] + u * (way + u * (new[k] - z[k] - way))
    if j == z.shape[0] - 1 or not common:
        at[j] = part * (z[j] if side == 0 else new[j])


@inner
def at_next_size(at, earlier):
    """Go on from the point `at`, to which that of the size before has led, as powers do; `earlier` becomes `at`."""
    for k in range(at.shape[0]):
        now = at[k]
        ratio = now / earlier[k] if earlier[k] != 0.0 else 0.0
        if FALLS < ratio < 1.0 / FALLS:
            at[k] = now * ratio
        earlier[k] = now


@inner
def same_size(before, after, common):
    """Whether units of a network have kept their size: near zero there may be another branch, which is zero."""
    if not common:
        return True
    one, two = 0.0, 0.0
    for i in range(before.shape[0] - 1):
        one = max(one, abs(before[i]))
        two = max(two, abs(after[i]))
    return one < SAME_SIZE * two and two < SAME_SIZE * one


@inner
def number_beyond(algebra, a, is_map, copy, work, wr, wi, counts, ints, piv):
    """Return the number of unstable eigenvalues, of many states its parity; UNKNOWN if rounding decides."""
    n = a.shape[0]
    if n <= COUNTED:
        band, vectors = np.empty(n), np.empty((0, 0))
        info = spectrum(algebra, a, is_map, copy, work, wr, wi, band, vectors, counts, ints)
        return UNKNOWN if info != 0 or counts[UNSURE] > 0 else counts[N_UNSTABLE]
    for i in range(n):
        for k in range(n):
            copy[i, k] = a[i, k]
    sign = lu_factor(algebra, copy, piv, ints)
    return (1 if sign > 0.0 else 0) if sign != 0.0 and np.isfinite(sign) else UNKNOWN


@inner
def rounding_of_f(rhs, c, p0, direction, is_map, at, p, f, a, fq, moved, other, noise):
    """Fill `noise` (n,) with what rounding does to F at a point, where F is `f` and its derivatives are `a` and `fq`.

    Terms that cancel do not show in the derivatives, but F is then no smooth function of the last digits: it is looked
    at where these are others.  `moved` (n+1,) and `other` (n,): workspace.
    """
    n = f.shape[0]
    for i in range(n):
        noise[i] = abs(fq[i] * at[n])
        for k in range(n):
            noise[i] += abs(a[i, k] * at[k])
        noise[i] *= ROUNDING
    for pattern in range(1, TIMES + 7):
        for k in range(n + 1):
            moved[k] = at[k] * (1.0 + LAST_DIGITS * ((pattern * (2 * k + 1)) % 5 - 2))
        if pattern > TIMES:  # in 1 + p a small parameter has fewer digits than it has itself
            copy_vector(moved, at)
            moved[n] *= 1.0 + FIRST_DIGIT * (pattern - TIMES - 3.5) / 2.5
        residual(rhs, c, p0, direction, is_map, moved, p, other)
        for i in range(n):
            smooth = f[i] + fq[i] * (moved[n] - at[n])
            for k in range(n):
                smooth += a[i, k] * (moved[k] - at[k])
            noise[i] = max(noise[i], MORE * abs(other[i] - smooth))


@inner
def surely_beyond(
    jac, c, p0, direction, algebra, a, noise, slack, at, before, is_map, copy, work, wr, wi, counts, ints, piv, p, other
):  # fmt: skip
    """Return the number beyond the boundary; UNKNOWN if it is not `before` and rounding decides it.

    What rounding does to F, `noise` (n,), tells what it does to its derivatives at a point `at` of the branch, where
    the parameter is known to `slack`.  Where these are differences of larger numbers they are others beside it.
    """
    n = a.shape[0]
    number = number_beyond(algebra, a, is_map, copy, work, wr, wi, counts, ints, piv)
    if number in (UNKNOWN, before):
        return number
    moved = np.empty((n, n))
    for sign in (-1.0, 1.0):
        copy_matrix(moved, a)
        for i in range(n):
            if at[i] != 0.0:
                moved[i, i] += sign * noise[i] / abs(at[i])
        if number_beyond(algebra, moved, is_map, copy, work, wr, wi, counts, ints, piv) != number:
            return UNKNOWN
    for pattern in range(TIMES + 2):
        for k in range(n + 1):
            other[k] = at[k] * (1.0 + (ASIDE if (pattern >> (k & 1)) & 1 else -ASIDE))
        if pattern >= TIMES:
            copy_vector(other, at)
            other[n] += 2.0 * slack if pattern == TIMES else -2.0 * slack
        parameters(p0, direction, other[n], p)
        jac(moved, other[:n], p, c)
        if is_map:
            for i in range(n):
                moved[i, i] -= 1.0
        if number_beyond(algebra, moved, is_map, copy, work, wr, wi, counts, ints, piv) != number:
            return UNKNOWN
    return number


@inner
def rounding_of_parameter(algebra, noise, d, big, piv, b, ints):
    """Return how far rounding of F may move the parameter at a point where `big` has the factors.

    Which signs do most is found by trying some patterns.
    """
    n = noise.shape[0]
    most = 0.0
    for pattern in range(4):
        for i in range(n):
            flipped = (pattern & i & 1) ^ ((pattern & i & 2) >> 1)
            b[i] = -noise[i] if flipped else noise[i]
        b[n] = 0.0
        solve(algebra, big, piv, b, ints)
        most = max(most, abs(b[n]) * d[n])
    return most


@inner
def has_changed(a, kept):
    """Whether an entry differs by the part CHANGED of itself from what was kept."""
    for i in range(a.shape[0]):
        for k in range(a.shape[0]):
            if not abs(a[i, k] - kept[i, k]) <= CHANGED * max(abs(a[i, k]), abs(kept[i, k])):
                return True
    return False


@inner
def changes_on_the_way(
    rhs, jac, dfdp, c, p0, direction, is_map, common, algebra,
    z, new, tau, d, length, j, middle, curved, tol, most, p, f, a, fq, big, piv, b, ints,
):  # fmt: skip
    """Return the largest size of variable j, as a part of that at the ends, where more happens than these tell; or 0.

    That is: more eigenvalues cross the boundary, or the parameter follows it in another power.  What is seen on the
    chord of the step must hold on the branch.
    """
    n = z.shape[0] - 1
    at, start, earlier, fixed = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1), np.zeros(n + 1)
    own = np.empty(n + 1)
    copy, kept, work = np.empty((n, n)), np.empty((n, n)), np.empty(34 * n + 16)
    wr, wi, other, noise = np.empty(n), np.empty(n), np.empty(n), np.zeros(n)
    counts, pivots = np.zeros(N_COUNTS, np.int64), np.empty(n, np.int32)
    seen = np.full(2 * LEVELS + 2, UNKNOWN)
    q, slack = np.empty((2, LEVELS)), np.zeros((2, LEVELS))
    for k in range(n + 1):
        fixed[k] = (new[k] - z[k]) / d[k] if common and j < n else 0.0
    if j == n or not common:
        fixed[j] = 1.0
    level = NOWHERE
    for corrected in range(2):
        if corrected == 0 and curved > CURVED:
            continue
        for side in range(2):
            end = z if side == 0 else new
            system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, end, p, f, a, fq)
            last = number_beyond(algebra, a, is_map, copy, work, wr, wi, counts, ints, pivots)
            copy_matrix(kept, a)
            seen[0 if side == 0 else 2 * LEVELS + 1] = last
            part = 1.0
            known = True
            copy_vector(earlier, end)
            for level in range(LEVELS):
                part *= RATIO
                if corrected == 0:
                    at_size(z, new, middle, part, side, j, common, at)
                elif level == 0 or (common and j < n):
                    on_parabola(z, new, tau, d, length, middle, part, side, j, common, at)
                else:
                    at_next_size(at, earlier)
                    at[j] = part * end[j]
                good = known
                if corrected == 1 and known:
                    copy_vector(start, at)
                    for k in range(n + 1):  # scales may be those of a step that comes from far away
                        own[k] = abs(at[k]) if not common and at[k] != 0.0 else d[k]
                    outcome, _, _, _, _ = correct(
                        rhs, jac, dfdp, c, p0, direction, is_map, algebra,
                        at, start, own, fixed, tol, most, p, f, a, fq, big, piv, b, ints,
                    )  # fmt: skip
                    good = outcome == CONVERGED and same_size(start, at, common)
                if good:
                    system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, at, p, f, a, fq)
                    if corrected == 1:
                        rounding_of_f(rhs, c, p0, direction, is_map, at, p, f, a, fq, start, other, noise)
                        slack[side, level] = rounding_of_parameter(algebra, noise, own, big, piv, b, ints)
                        known = slack[side, level] <= 0.5 * abs(at[n])  # else nothing is known of smaller sizes
                    if has_changed(a, kept):
                        if corrected == 0:
                            last = number_beyond(algebra, a, is_map, copy, work, wr, wi, counts, ints, pivots)
                        else:
                            last = surely_beyond(
                                jac, c, p0, direction, algebra, a, noise, slack[side, level], at, last,
                                is_map, copy, work, wr, wi, counts, ints, pivots, p, start,
                            )  # fmt: skip
                        copy_matrix(kept, a)
                elif known:
                    copy_vector(at, start)
                seen[level + 1 if side == 0 else 2 * LEVELS - level] = last if good and known else UNKNOWN
                q[side, level] = at[n] if good else np.nan
        level = outermost_extra(seen)
        if corrected == 1 and j < n:
            level = min(level, other_power(q[0], slack[0]), other_power(q[1], slack[1]))
        if level == NOWHERE:
            return 0.0
    return RATIO**level


@inner
def other_power(q, slack):
    """Return the level before the outermost one where the differences of `q` follow another power; or NOWHERE.

    `slack`: what rounding does to each.
    """
    before = np.nan
    for k in range(1, q.shape[0] - 1):
        one, two = q[k - 1] - q[k], q[k] - q[k + 1]
        if not abs(two) > max(DIGITS * abs(q[k]), slack[k] + slack[k + 1]):
            return NOWHERE
        ratio = one / two
        power = np.log(ratio) if ratio > 0.0 else 0.0
        if k > OF_THE_STEP and abs(power - before) > -POWER * np.log(RATIO):
            return k
        before = power
    return NOWHERE


@inner
def outermost_extra(seen):
    """Return the level before the outermost change in a sequence of counts; NOWHERE if its ends show all of them."""
    known, changes, outer = UNKNOWN, 0, LEVELS
    for i in range(seen.shape[0]):
        if seen[i] == UNKNOWN:
            continue
        if known != UNKNOWN and seen[i] != known:
            changes += 1
            # as many sizes inwards from the nearer end
            outer = min(outer, max(i - 1, 0) if i <= LEVELS else max(2 * LEVELS + 1 - i, 0))
        known = seen[i]
    first, last = seen[0], seen[seen.shape[0] - 1]
    if first == UNKNOWN or last == UNKNOWN or changes <= (1 if first != last else 0):
        return NOWHERE
    return outer
