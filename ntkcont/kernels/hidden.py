"""What a step through zero may lead over: all that the equations do at sizes that are small beside the step.

The length of a step is measured in scales of the variables.  A variable that comes back from far away brings its scale
along, and out there a branch may be straight to rounding: neither the prediction nor the tangents at both ends of a
step tell what is between them.  But where the variable passes through zero all smaller sizes are on the way, and a
look at the Jacobian there tells whether anything changes at one of them.
"""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.algebra import outside
from ntkcont.kernels.cache import inner
from ntkcont.kernels.newton import CONVERGED, correct, system
from ntkcont.kernels.scales import scale_at
from ntkcont.kernels.through_zero import LEVELS, RATIO, at_size, changes_on_the_way

#: The first few of these sizes are those of the step itself, over which smooth equations change: there an entry of the
#: Jacobian must change its sign as well.
OF_THE_STEP, SIGN = 3, 1.05
#: An entry that leaves the range of its values at sizes of the step by this part of the largest of them ...
DIFFERENT = 0.1
#: ... shows something hidden, if it is not below this part of its row ...
COUNTS = 1e-6
#: ... or, where the step is curved, so many times what that makes of the row: the chord is not the branch.  What is as
#: large as this is not made by curvature.
CURVED, MOST = 4.0, 0.5
#: What a variable's last digits are, which bend no branch.
DIGITS = 1e-12
#: Where an entry of the Jacobian is still growing, by this factor between two sizes that are as good as zero, and is so
#: many times as large as elsewhere, it is singular there, as at a pole, and that has no size.
DEEP, SINGULAR, LARGE = (1e-11, 1e-13), 2.0, 10.0
#: Below this part of its former scale a variable is rounding, and no size of its own.
ROUNDING = 1e-13


@inner
def passes_zero(z, new, j, common):
    """Return the fraction of the step at which variable j passes through zero; -1 if it does not.

    Units of a network do together, where they come nearest to zero.
    """
    n = z.shape[0] - 1
    if j == n or not common:
        return z[j] / (z[j] - new[j]) if z[j] * new[j] < 0.0 else -1.0
    if j > 0:
        return -1.0
    along, length, size = 0.0, 0.0, 0.0
    for i in range(n):
        along -= z[i] * (new[i] - z[i])
        length += (new[i] - z[i]) ** 2
        size += z[i] ** 2
    if not 0.0 < along < length:
        return -1.0
    return along / length if size - along * along / length < 0.1 * size else -1.0


@inner
def any_passes_zero(z, new, common):
    """Whether a variable does: most steps need no further look."""
    found = False
    for j in range(z.shape[0]):
        found = found or passes_zero(z, new, j, common) > 0.0
    return found


@inner
def bend(z, new, tau, d, logs, length):
    """Return how far a variable is from where the tangent leads, as a part of its way in the step; the largest."""
    largest = 0.0
    for j in range(z.shape[0]):
        way = abs(new[j] - z[j])
        off = abs(new[j] - z[j] - length * tau[j] * d[j])
        if logs[j] == 0.0 and off > DIGITS * abs(z[j]) and way > 0.0:
            largest = max(largest, off / way)
    return largest


@inner
def widen(a, fq, low, high):
    """Let the ranges of the entries of the Jacobian hold those at one more point."""
    n = fq.shape[0]
    for i in range(n):
        for j in range(n + 1):
            value = a[i, j] if j < n else fq[i]
            low[i, j] = min(low[i, j], value)
            high[i, j] = max(high[i, j], value)


@inner
def leaves_range(a, fq, low, high, z, new, most, least):
    """Whether an entry of the Jacobian is outside its range by more than `most` of the largest value there.

    In the step from z to `new` it must be more than the part `least` of its row.
    """
    n = fq.shape[0]
    for i in range(n):
        row = 0.0
        for j in range(n + 1):
            row += max(abs(low[i, j]), abs(high[i, j])) * abs(new[j] - z[j])
        for j in range(n + 1):
            value = a[i, j] if j < n else fq[i]
            off = max(low[i, j] - value, value - high[i, j])
            largest = max(abs(low[i, j]), abs(high[i, j]))
            if off > most * largest and off * abs(new[j] - z[j]) > least * row:  # nan is nothing hidden
                return True
    return False


@inner
def largest_growth(a, fq, low, high):
    """Return how many times as large as the ends of its range an entry of the Jacobian is, at most."""
    n = fq.shape[0]
    most = 0.0
    for i in range(n):
        for j in range(n + 1):
            value = abs(a[i, j] if j < n else fq[i])
            largest = max(abs(low[i, j]), abs(high[i, j]))
            if value > largest:
                most = max(most, value / largest if largest > 0.0 else 0.0)
    return most


@inner
def hidden(
    rhs, jac, dfdp, c, p0, direction, is_map, common, algebra,
    z, new, tau, d, logs, memory, length, tol, most, p, f, a, fq, big, piv, b, ints,
):  # fmt: skip
    """Return (j, u, more): variable j hides something in the step from z to `new`, and it begins at fraction u of it.

    j is -1 if nothing is hidden; `more` tells that eigenvalues or the parameter do more there than both ends of the
    step show.  The step is short beside the variable already where u is 0.  `length` is that
    of the step, in scaled variables.
    """
    n = z.shape[0] - 1
    curved, least = 0.0, 0.0
    found, nearest = -1, 2.0
    looked, more = False, False
    if outside(algebra):
        return found, nearest, more
    for j in range(n + 1):
        middle = passes_zero(z, new, j, common)
        if middle <= 0.0 or logs[j] > 0.0 or d[j] <= scale_at(z, j, common):
            continue
        if abs(z[j]) < ROUNDING * max(d[j], memory[j]):
            continue
        if not looked:
            curved = bend(z, new, tau, d, logs, length)
            least = min(COUNTS + CURVED * curved, MOST)
        looked = True
        low = np.empty((n, n + 1))
        high = np.empty((n, n + 1))
        low[:] = np.inf
        high[:] = -np.inf
        for end in (z, new):
            system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, end, p, f, a, fq)
            widen(a, fq, low, high)
        at = np.empty(n + 1)
        before, size = 0.0, 0.0
        for part in DEEP:
            for k in range(n + 1):
                at[k] = z[k] + middle * (1.0 - part) * (new[k] - z[k])
            if j == n or not common:
                at[j] = part * z[j]
            system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, at, p, f, a, fq)
            before, size = size, largest_growth(a, fq, low, high)
        if not size <= max(LARGE, SINGULAR * before):
            continue
        start = np.empty(n + 1)
        fixed = np.zeros(n + 1)
        part = 1.0
        for level in range(LEVELS):
            before, part = part, part * RATIO
            allowed = SIGN if level < OF_THE_STEP else DIFFERENT
            for side in range(2):
                at_size(z, new, middle, part, side, j, common, at)
                system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, at, p, f, a, fq)
                if not leaves_range(a, fq, low, high, z, new, allowed, least):
                    if level < OF_THE_STEP:
                        widen(a, fq, low, high)
                    continue
                # the chord is not the branch: look there
                for k in range(n + 1):
                    start[k] = at[k]
                    fixed[k] = (new[k] - z[k]) / d[k] if common and j < n else 0.0
                if j == n or not common:
                    fixed[j] = 1.0
                outcome, _, _, _, _ = correct(
                    rhs, jac, dfdp, c, p0, direction, is_map, algebra,
                    at, start, d, fixed, tol, most, p, f, a, fq, big, piv, b, ints,
                )  # fmt: skip
                if outcome == CONVERGED:
                    system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, at, p, f, a, fq)
                    if not leaves_range(a, fq, low, high, z, new, allowed, least):
                        continue
                if middle * (1.0 - before) < nearest:
                    found, nearest = j, middle * (1.0 - before)
                break
            else:
                continue
            break
        size = changes_on_the_way(
            rhs, jac, dfdp, c, p0, direction, is_map, common, algebra,
            z, new, tau, d, length, j, middle, curved, tol, most, p, f, a, fq, big, piv, b, ints,
        )  # fmt: skip
        if size > 0.0 and middle * (1.0 - size) < nearest:
            found, nearest, more = j, middle * (1.0 - size), True
    if looked and found < 0:  # the caller has the values of this point
        system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, new, p, f, a, fq)
    return found, nearest, more
