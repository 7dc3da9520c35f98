"""Where a test function may touch or cross zero twice between two points of a branch.

An even number of crossings leaves the integer counts at both ends as they were.  It shows in the shape of the test
functions: one that crosses zero and comes back has an extremum in between.  So for every interval

- the tangent's parameter component: the derivative of the cubic through both points with both tangents, a parabola;
- the real part of every eigenvalue (of multipliers, modulus - 1): the parabola through the interval and one neighbour,
  eigenvalues being matched to the nearest of the next point in the complex plane

is *suspicious* if the parabola has its extremum inside the interval, on the way towards zero, and there has come at
least half as near to zero as the nearer end (``REACH``), or beyond.  Parabolas are exact for the normal forms; as
their depth is that of the function up to a factor of two wherever the steps resolve its curvature, no crossing that a
dip of that kind makes is missed, and few points are probed in vain.  A second criterion: one matched eigenvalue
crosses in one direction and another one in the other.

What this cannot see: a dip narrower than a step that leaves no trace at the points around it; a test function that
crosses three times within one step; eigenvalues that move further in a step than they are apart, and are mismatched.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, complex128, types

from ntkcont.kernels.abi import VECTOR
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.spectrum import BAND

#: An extremum is suspicious if its distance from zero is at most this fraction of the nearer end's.
REACH = 0.5


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
    best = -1
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
def fold_dip(s, p, slope, i, at, depth):
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
    if value <= REACH * end and end - value > rounding:
        propose(at, depth, i, u, value / end)


@inner
def spectral_dip(s, i, before, f, after, band, at, depth):
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
    if value <= REACH * nearer and nearer - value > band:
        if t >= 0.0:
            propose(at, depth, i + 1, t / k, value / nearer)
        else:
            propose(at, depth, i, 1.0 + t / h, value / nearer)


@entry(types.void(VECTOR, VECTOR, VECTOR, complex128[:, ::1], boolean, VECTOR, VECTOR))
def dips(s, p, slope, eigenvalues, is_map, at, depth):
    """Write to ``at[i]`` the fraction of the interval (i - 1, i) at which to look for a dip; nan where there is none.

    `s`, `p` and `slope` (k,) are arclength, parameter and dp/ds at k points, `eigenvalues` (k, n); `depth` (k,) is
    workspace.
    """
    k, n = eigenvalues.shape
    for i in range(k):
        at[i] = np.nan
        depth[i] = np.inf
    for i in range(k):
        if i > 0:
            fold_dip(s, p, slope, i, at, depth)
        if i == k - 1:
            break
        size = 1.0
        if not is_map:
            size = 0.0
            for j in range(n):
                size = max(size, abs(eigenvalues[i, j].real), abs(eigenvalues[i, j].imag))
        band = BAND * size
        up = 0.0
        down = 0.0
        ups = 0
        downs = 0
        for j in range(n):
            value = eigenvalues[i, j]
            if value.imag < 0.0:
                continue
            m = nearest(value, eigenvalues[i + 1])
            if m < 0:
                continue
            f = distance_to_boundary(value, is_map)
            after = distance_to_boundary(eigenvalues[i + 1, m], is_map)
            if f < -band and after > band and nearest(eigenvalues[i + 1, m], eigenvalues[i]) == j:
                ups += 1
                up = f / (f - after)
            elif f > band and after < -band and nearest(eigenvalues[i + 1, m], eigenvalues[i]) == j:
                downs += 1
                down = f / (f - after)
            if i > 0:
                m = nearest(value, eigenvalues[i - 1])
                if m >= 0:
                    before = distance_to_boundary(eigenvalues[i - 1, m], is_map)
                    spectral_dip(s, i, before, f, after, band, at, depth)
        if ups > 0 and downs > 0:
            propose(at, depth, i + 1, 0.5 * (up + down), -np.inf)
