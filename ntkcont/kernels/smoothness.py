"""Where the direction of a branch, or its eigenvalues, are no smooth functions of arclength, as far as its points tell.

Steps that are short beside everything that happens along the branch make the tangent at a point what its four
neighbours say, but for a fourth difference that is about as small at one point as at the next.  Where one stands out
something narrower than a step is between the points: two folds, say, of which the tangents at both ends say nothing.
"""

from __future__ import annotations

import numpy as np
from numba import complex128, float64, types

from ntkcont.kernels.abi import MATRIX, VECTOR
from ntkcont.kernels.cache import entry, inner

#: What is off is so many times as much off as some points farther.
STANDS_OUT = 30.0
#: Points so far away do not see what stands out.
BESIDE, BEYOND = 3, 4
#: What is off is a part of what is largest from so far before to so far behind: most things pass through zero.
FARTHER = 5
#: So many points on either side tell all that is needed of one.
NEEDED = BEYOND + FARTHER


@inner
def local(z, tangent, d, first, places, units):
    """Fill `places` (5,) with arclengths from point `first` on, and `units` with 1/length of the tangents there.

    Both in the scales `d`: those of the steps change, and steps are short where the direction turns in these units.
    """
    for a in range(5):
        units[a], places[a] = 0.0, 0.0
    for j in range(d.shape[0]):
        size = 1.0 / d[j]
        for a in range(5):
            units[a] += (tangent[first + a, j] * size) ** 2
            if a > 0:
                places[a] += ((z[first + a, j] - z[first + a - 1, j]) * size) ** 2
    for a in range(5):
        units[a] = 1.0 / np.sqrt(units[a])
        places[a] = places[a - 1] + np.sqrt(places[a]) if a > 0 else 0.0


@inner
def weigh(places, weights):
    """Fill `weights` (5,) with those of the four neighbours in the cubic through them, at the point in the middle."""
    for a in range(5):
        above, below = 0.0 if a == 2 else 1.0, 1.0
        for b in range(5):
            if b not in (a, 2):
                above *= places[2] - places[b]
                below *= places[a] - places[b]
        weights[a] = above / below


@inner
def symmetric(eigenvalues, product, values):
    """Fill `values` (n,) with the coefficients of the characteristic polynomial: smooth, also where two meet.

    `product` (n+1,): workspace.
    """
    n = values.shape[0]
    product[:] = 0.0
    product[0] = 1.0
    for k in range(n):
        for j in range(k + 1, 0, -1):
            product[j] += eigenvalues[k] * product[j - 1]
    for j in range(n):
        values[j] = product[j + 1].real


@inner
def reach(places):
    """Return the product of the distances of the place in the middle from the other four."""
    product = 1.0
    for a in range(5):
        if a != 2:
            product *= abs(places[2] - places[a])
    return product


@inner
def leads_beside(z, tangent, d, i, ends, places, units, weights, way, off):
    """Fill `off` (m,) with how far point i is from where the tangents at i - 2 ... i + 1 lead from the point before.

    As a part of how far they lead.  They are integrated; how far it is along the way tells nothing, since steps are
    chords.  A thin layer of which both points are outside shifts the branch and turns no tangent.  `way` (m,), `places`
    (5,), `units` (4,), `weights` (5,): workspace, filled with the same but for the place half way in the middle.
    """
    m = d.shape[0]
    middle = 0.5 * (places[1] + places[2])
    places[4], places[3], places[2] = places[3], places[2], middle
    weigh(places, weights)
    along, square = 0.0, 0.0
    for j in range(m):
        half = 0.0
        for a in range(4):
            half += weights[a if a < 2 else a + 1] * tangent[i - 2 + a, j] * units[a]
        # Simpson's rule is exact for cubics
        way[j] = (tangent[i - 1, j] * units[1] + 4.0 * half + tangent[i, j] * units[2]) / 6.0
        along += (z[i, j] - z[i - 1, j]) * way[j] / d[j] ** 2
        square += (way[j] / d[j]) ** 2
    length = along / square
    for j in range(m):
        most = max(abs(tangent[ends[0], j]), abs(tangent[ends[1], j])) * units[2]
        for a in range(4):
            most = max(most, abs(tangent[i - 2 + a, j]) * units[a])
        gap = abs(z[i, j] - z[i - 1, j] - length * way[j])
        off[j] = gap / (length * most) if most > 0.0 and length > 0.0 else 0.0


@inner
def stands_out(every, apart, i, j, least, low, high):
    """Whether number j of point i is many times what those of points farther let expect; they are from `low` to `high`.

    Two points on a side: fourth differences pass through zero.
    """
    if not every[i, j] > least:
        return False
    before, after = i - BESIDE, i + BESIDE
    earlier, later = max(i - BEYOND, low), min(i + BEYOND, high)
    usual = np.inf  # at the ends of a branch there are points on one side alone
    if before >= low:
        usual = max(every[before, j] / apart[before], every[earlier, j] / apart[earlier])
    if after <= high:
        usual = min(usual, max(every[after, j] / apart[after], every[later, j] / apart[later]))
    return every[i, j] > STANDS_OUT * usual * apart[i]


@entry(types.void(MATRIX, MATRIX, MATRIX, complex128[:, ::1], float64, MATRIX))
def not_smooth(z, tangent, scales, eigenvalues, least, off):
    """Fill `off` (k, 2 m + n): by how much something at point i of `z` (k, m) is not what neighbours say; 0: smooth.

    That is: the direction of the tangents (k, m), the coefficients of the polynomial whose zeros are the eigenvalues
    (k, n), and the way from the point before, as parts of what is largest at these points, and more than `least`;
    eigenvalues of shape (k, 0): not looked at.
    """
    k, m = tangent.shape
    n = eigenvalues.shape[1]
    off[:] = 0.0
    if k < 2 * BESIDE + 1:
        return
    values, product = np.empty((k, n)), np.empty(n + 1, np.complex128)
    for i in range(k):
        symmetric(eigenvalues[i], product, values[i])
    all_off = np.zeros((k, 2 * m + n))
    apart, beside = np.ones(k), np.ones(k)
    places, units, weights, way = np.empty(5), np.empty(5), np.empty(5), np.empty(m)
    for i in range(2, k - 2):
        local(z, tangent, scales[i], i - 2, places, units)
        ends = max(i - FARTHER, 0), min(i + FARTHER, k - 1)
        weigh(places, weights)
        apart[i] = reach(places)
        for j in range(m + n):
            foretold, here = 0.0, 0.0
            if j < m:
                most = max(abs(tangent[ends[0], j]), abs(tangent[ends[1], j])) * units[2]
            else:
                most = max(abs(values[ends[0], j - m]), abs(values[ends[1], j - m]))
            for a in range(5):
                value = tangent[i - 2 + a, j] * units[a] if j < m else values[i - 2 + a, j - m]
                most = max(most, abs(value))
                foretold += weights[a] * value
                here = value if a == 2 else here
            all_off[i, j] = abs(foretold - here) / most if most > 0.0 else 0.0
        leads_beside(z, tangent, scales[i], i, ends, places, units, weights, way, all_off[i, m + n :])
        beside[i] = reach(places)
    for i in range(2, k - 2):
        for j in range(2 * m + n):
            if stands_out(all_off, apart if j < m + n else beside, i, j, least, 2, k - 3):
                off[i, j] = all_off[i, j]


@entry(types.void(MATRIX, VECTOR, complex128[:, ::1], VECTOR))
def apart_by(tangents, d, eigenvalues, off):
    """Fill `off` (m + n,) with how different directions and coefficients are at two points; tangents (2, m)."""
    m, n = tangents.shape[1], eigenvalues.shape[1]
    values, product = np.empty((2, n)), np.empty(n + 1, np.complex128)
    units = np.zeros(2)
    for a in range(2):
        symmetric(eigenvalues[a], product, values[a])
        for j in range(m):
            units[a] += (tangents[a, j] / d[j]) ** 2
        units[a] = 1.0 / np.sqrt(units[a])
    for j in range(m + n):
        one = tangents[0, j] * units[0] if j < m else values[0, j - m]
        other = tangents[1, j] * units[1] if j < m else values[1, j - m]
        most = max(abs(one), abs(other))
        off[j] = abs(one - other) / most if most > 0.0 else 0.0
