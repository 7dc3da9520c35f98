"""Where a test function may touch or cross zero twice between two points of a branch.

An even number of crossings leaves the integer counts at both ends as they were.  It shows in the shape of the test
functions: one that crosses zero and comes back has an extremum in between.  Three estimates of it are made:

- the tangent's parameter component: the derivative of the cubic through both points with both tangents, a parabola;
- the real part of every eigenvalue (of multipliers: modulus - 1), and of flows the sum of the two real ones that are
  nearest to neutral: the parabola through the interval and one neighbour;
- the same: the cubic through both points whose slopes there are the secants of the neighbouring intervals.  Where a dip
  is convex these are steeper than the function itself, so that the cubic goes too deep rather than not deep enough.

An interval is *suspicious* if one of them has an extremum inside, on the way towards zero, that goes beyond zero or
comes so near that its distance is at most the fraction `reach` of the nearer end's.  Parabolas are exact for the normal
forms.  A fourth criterion: of two eigenvalues one crosses in one direction and one in the other.  Eigenvalues are
matched to the nearest one, in the complex plane, of the point before, and to the one of the point after that is nearest
to where they will be at the same rate (at the first point, where they were).  The same is suspected where several
eigenvalues are on the boundary at a point itself, which were not at the point before.

What this cannot see: a dip whose half-width at half-depth is below one step, which leaves no trace around it; a test
function that crosses three times within one step; eigenvalues that are mismatched, because their rates change within a
step by more than the distance between them.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, complex128, float64, types

from ntkcont.kernels.abi import VECTOR
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.spectrum import MODULUS

#: Pairs of real eigenvalues are looked at up to this many states; several that cross are as good as a very deep dip.
PAIRS_UP_TO, SEVERAL = 32, 1e300


@inner
def distance_to_boundary(value, is_map):
    """Return the test function of one eigenvalue: its real part; for a multiplier its modulus minus 1."""
    if not is_map:
        return value.real
    if value.imag == 0.0:
        return abs(value.real) - 1.0
    return np.sqrt(value.real * value.real + value.imag * value.imag) - 1.0


@inner
def nearest(value, others):
    """Return the index of the eigenvalue nearest to `value`, of those with imaginary part >= 0."""
    best = 0
    least = np.inf
    for j in range(others.shape[0]):
        other = others[j]
        if other.imag >= 0.0:
            x = other.real - value.real
            y = other.imag - value.imag
            square = x * x + y * y
            if square < least:
                least = square
                best = j
    return best


@inner
def propose(at, depth, i, u, ratio):
    """Put the extremum at fraction u of interval i down, if it is the deepest there."""
    if ratio < depth[i]:
        depth[i] = ratio
        at[i] = u


@inner
def fold_dip(s, p, slope, i, reach, at, depth):
    """Examine the parameter between points i - 1 and i."""
    a, b = slope[i - 1], slope[i]
    h = s[i] - s[i - 1]
    if not (a * b > 0.0 and h > 0.0):
        return
    middle = 1.5 * (p[i] - p[i - 1]) / h - 0.25 * (a + b)
    curvature = 2.0 * (a + b) - 4.0 * middle
    tilt = 4.0 * middle - 3.0 * a - b
    toward = 1.0 if a > 0.0 else -1.0
    if curvature * toward <= 0.0:
        return
    u = -tilt / (2.0 * curvature)
    if not 0.0 < u < 1.0:
        return
    end = min(abs(a), abs(b))
    value = toward * (a - tilt * tilt / (4.0 * curvature))
    rounding = 1e-15 * (abs(p[i]) + abs(p[i - 1])) / h
    if value <= reach * end and end - value > rounding:
        propose(at, depth, i, u, value / end)


@inner
def spectral_dip(s, i, before, f, after, band, reach, at, depth):
    """Examine one eigenvalue's test function at points i - 1, i and i + 1."""
    if abs(f) <= band:
        return
    toward = 1.0 if f > 0.0 else -1.0
    h, k = s[i] - s[i - 1], s[i + 1] - s[i]
    left, right = (f - before) / h, (after - f) / k
    curvature = (right - left) / (h + k)
    if curvature * toward <= 0.0:
        return
    slope = (left * k + right * h) / (h + k)
    t = -slope / (2.0 * curvature)
    if t <= -h or t >= k:
        return
    end = after if t >= 0.0 else before
    if end * toward <= band:
        return
    nearer = min(end * toward, abs(f))
    value = toward * (f - slope * slope / (4.0 * curvature))
    if value <= reach * nearer:
        if t >= 0.0:
            propose(at, depth, i + 1, t / k, value / nearer)
        else:
            propose(at, depth, i, 1.0 + t / h, value / nearer)


@inner
def secant_dip(h, f, after, before_slope, after_slope, band, reach):
    """Return fraction and relative depth of the extremum between two values, given slopes; inf if there is none."""
    toward = 1.0 if f > 0.0 else -1.0
    if abs(f) <= band or after * toward <= band or before_slope * toward >= 0.0 or after_slope * toward <= 0.0:
        return 0.0, np.inf
    a, e = before_slope * h, after_slope * h  # of opposite signs: the derivative has one zero inside
    middle = 1.5 * (after - f) - 0.25 * (a + e)
    curvature = 2.0 * (a + e) - 4.0 * middle
    tilt = 4.0 * middle - 3.0 * a - e
    root = np.sqrt(max(tilt * tilt - 4.0 * a * curvature, 0.0))
    u = -2.0 * a / (tilt + toward * root)
    if not 0.0 < u < 1.0:
        return 0.0, np.inf
    value = toward * (f + u * (a + u * (tilt / 2.0 + u * curvature / 3.0)))
    nearer = min(abs(f), abs(after))
    if value > reach * nearer:
        return 0.0, np.inf
    return u, value / nearer


@inner
def ahead(previous, value, rate):
    """Return where an eigenvalue will be if it goes on as before."""
    guess = value + (value - previous) * rate
    return complex(guess.real, max(guess.imag, 0.0))


@inner
def crossings(f, after, band, seen):
    """Add one eigenvalue to the numbers of those that cross in each direction, and to the sums of where."""
    if f < -band and after > band:
        seen[0] += 1.0
        seen[2] += f / (f - after)
    elif f > band and after < -band:
        seen[1] += 1.0
        seen[3] += f / (f - after)


@inner
def cross_both_ways(at, depth, i, seen):
    """Propose to look into interval i if eigenvalues cross in opposite directions there."""
    if seen[0] > 0.0 and seen[1] > 0.0:
        propose(at, depth, i, 0.5 * (seen[2] / seen[0] + seen[3] / seen[1]), -np.inf)


@inner
def first_interval(s, eigenvalues, is_map, band, at, depth, seen):
    """Match the eigenvalues of the first point to where those of the second come from, at the rate of the third."""
    seen[:] = 0.0
    back = (s[1] - s[0]) / (s[2] - s[1])
    for j in range(eigenvalues.shape[1]):
        value = eigenvalues[1, j]
        if value.imag < 0.0:
            continue
        guess = ahead(eigenvalues[2, nearest(value, eigenvalues[2])], value, back)
        previous = eigenvalues[0, nearest(guess, eigenvalues[0])]
        crossings(distance_to_boundary(previous, is_map), distance_to_boundary(value, is_map), band, seen)
    cross_both_ways(at, depth, 1, seen)


@inner
def nearly_neutral(values, pair):
    """Fill `pair` with the two real eigenvalues whose sum is smallest; return whether there are two."""
    least = np.inf
    for j in range(values.shape[0]):
        if values[j].imag != 0.0:
            continue
        for k in range(j):
            if values[k].imag == 0.0 and abs(values[j].real + values[k].real) < least:
                least = abs(values[j].real + values[k].real)
                pair[0] = j
                pair[1] = k
    return least < np.inf


@inner
def neutral_crossings(values, following, goes_to, seen):
    """Count the sums of two real eigenvalues that change their signs between two points; their parity is known."""
    seen[:] = 0.0
    for j in range(values.shape[0]):
        c = goes_to[j]
        if c < 0 or values[j].imag != 0.0 or following[c].imag != 0.0:
            continue
        for k in range(j):
            e = goes_to[k]
            if e >= 0 and e != c and values[k].imag == 0.0 and following[e].imag == 0.0:
                crossings((values[j] + values[k]).real, (following[c] + following[e]).real, 0.0, seen)


@inner
def neutral_dip(s, i, eigenvalues, pair, came_from, goes_to, reach, at, depth):
    """Examine the sum of two real eigenvalues of point i, which stay real in its neighbours."""
    j, k = pair
    a, b = came_from[j], came_from[k]
    c, e = goes_to[j], goes_to[k]
    if a < 0 or b < 0 or a == b or c == e:
        return
    last, following = eigenvalues[i - 1], eigenvalues[i + 1]
    if last[a].imag != 0.0 or last[b].imag != 0.0 or following[c].imag != 0.0 or following[e].imag != 0.0:
        return
    before, after = (last[a] + last[b]).real, (following[c] + following[e]).real
    f = (eigenvalues[i, j] + eigenvalues[i, k]).real
    spectral_dip(s, i, before, f, after, 0.0, reach, at, depth)
    fall = (f - before) / (s[i] - s[i - 1])
    if i + 2 < eigenvalues.shape[0] and fall * f < 0.0 and f * after > 0.0:
        h, k2 = s[i + 1] - s[i], s[i + 2] - s[i + 1]
        one = eigenvalues[i + 2, nearest(ahead(eigenvalues[i, j], following[c], k2 / h), eigenvalues[i + 2])]
        other = eigenvalues[i + 2, nearest(ahead(eigenvalues[i, k], following[e], k2 / h), eigenvalues[i + 2])]
        u, ratio = secant_dip(h, f, after, fall, ((one + other).real - after) / k2, 0.0, reach)
        propose(at, depth, i + 1, u, ratio)


@entry(types.void(VECTOR, VECTOR, VECTOR, complex128[:, ::1], boolean, float64, VECTOR, VECTOR))
def dips(s, p, slope, eigenvalues, is_map, reach, at, depth):
    """Write to ``at[i]`` the fraction of the interval (i - 1, i) at which to look for a dip; nan where there is none.

    `s`, `p` and `slope` (k,) are arclength, parameter and dp/ds at k points, `eigenvalues` (k, n); `depth` (k,) is
    workspace.
    """
    k, n = eigenvalues.shape
    seen = np.zeros(4)
    pair = np.zeros(2, np.int64)
    came_from = np.full(n, -1, np.int64)  # for each eigenvalue of a point, the one of the point before
    goes_to = np.full(n, -1, np.int64)
    on_before = n
    band = MODULUS if is_map else 0.0  # what is on the boundary, to rounding, has been put there exactly
    for i in range(k):
        at[i] = np.nan
        depth[i] = np.inf
    for i in range(k):
        if i > 0:
            fold_dip(s, p, slope, i, reach, at, depth)
        if i == k - 1:
            break
        seen[:] = 0.0
        on = 0
        for j in range(n):
            value = eigenvalues[i, j]
            if value.imag < 0.0:
                continue
            h = s[i + 1] - s[i]
            f = distance_to_boundary(value, is_map)
            before = f
            guess = value
            if i > 0:
                last = came_from[j] if came_from[j] >= 0 else nearest(value, eigenvalues[i - 1])
                previous = eigenvalues[i - 1, last]
                before = distance_to_boundary(previous, is_map)
                guess = ahead(previous, value, h / (s[i] - s[i - 1]))
            goes_to[j] = nearest(guess, eigenvalues[i + 1])
            following = eigenvalues[i + 1, goes_to[j]]
            after = distance_to_boundary(following, is_map)
            if abs(f) <= band:
                on += 1
            else:
                crossings(f, after, band, seen)
            if i > 0:
                spectral_dip(s, i, before, f, after, band, reach, at, depth)
                fall = (f - before) / (s[i] - s[i - 1])
                if i + 2 < k and fall * f < 0.0 and f * after > 0.0:
                    rate = (s[i + 2] - s[i + 1]) / h
                    then = eigenvalues[i + 2, nearest(ahead(value, following, rate), eigenvalues[i + 2])]
                    rise = (distance_to_boundary(then, is_map) - after) / (s[i + 2] - s[i + 1])
                    u, ratio = secant_dip(h, f, after, fall, rise, band, reach)
                    propose(at, depth, i + 1, u, ratio)
        cross_both_ways(at, depth, i + 1, seen)
        if i > 0 and not is_map and 1 < n <= PAIRS_UP_TO and nearly_neutral(eigenvalues[i], pair):
            neutral_dip(s, i, eigenvalues, pair, came_from, goes_to, reach, at, depth)
            neutral_crossings(eigenvalues[i], eigenvalues[i + 1], goes_to, seen)
            if seen[0] + seen[1] >= 2.0:
                propose(at, depth, i + 1, (seen[2] + seen[3]) / (seen[0] + seen[1]), -SEVERAL)
        if on >= 2 and on > on_before:
            propose(at, depth, i + 1, 0.02, -np.inf)
        on_before = on
        came_from[:] = -1
        for j in range(n):
            if goes_to[j] >= 0:
                came_from[goes_to[j]] = j
            goes_to[j] = -1
        if i == 0 and k > 2:
            first_interval(s, eigenvalues, is_map, band, at, depth, seen)
