"""A tracer of planar cubic flows and maps with fixed small steps, apart from the package.

The curve F(x, y, p) = 0 is followed in units of |x| + S, |y| + S and the width of the span.  With the rows a, b of
F's derivative the tangent is a x b, whose last component is det F_x: an orientation of the curve that flips says
branch point, one that holds while dp/ds changes sign says fold.  The corrector takes the shortest way back, along
b x t and t x a.  Signs of det, trace, dp/ds (maps: det(DG + 1), det DG - 1) at both ends of each step tell what is in
it; steps with two are shortened; places are found by bisection.
"""

from __future__ import annotations

import dataclasses

import numba
import numpy as np

#: Powers of x, y and p of the terms of each equation.
TERMS = np.array([(i, j, k) for i in range(4) for j in range(4) if i + j <= 3 for k in range(2)])
LABELS = ("LP", "BP", "H", "NSad", "PD", "NS")
ENDS = ("bound", "far", "closed", "stuck", "long")


@numba.njit(cache=True, error_model="numpy")
def derivative(numbers, terms, u, is_map):
    """Return F and its derivative (2, 3); F is G - (x, y) for maps."""
    f, jac = np.zeros(2), np.zeros((2, 3))
    for m in range(len(terms)):
        i, j, k = terms[m, 0], terms[m, 1], terms[m, 2]
        powers = u[0] ** i, u[1] ** j, u[2] ** k
        value = powers[0] * powers[1] * powers[2]
        in_x = 0.0 if i == 0 else i * u[0] ** (i - 1) * powers[1] * powers[2]
        in_y = 0.0 if j == 0 else j * powers[0] * u[1] ** (j - 1) * powers[2]
        in_p = 0.0 if k == 0 else powers[0] * powers[1]
        for row in range(2):
            c = numbers[row, m]
            if c != 0.0:
                f[row] += c * value
                jac[row, 0] += c * in_x
                jac[row, 1] += c * in_y
                jac[row, 2] += c * in_p
    if is_map:
        for row in range(2):
            f[row] -= u[row]
            jac[row, row] -= 1.0
    return f, jac


@numba.njit(cache=True, error_model="numpy")
def cross(a, b):
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@numba.njit(cache=True, error_model="numpy")
def length(a):
    return np.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


@numba.njit(cache=True, error_model="numpy")
def correct(numbers, terms, guess, weights, is_map):
    """Return the point, its derivative in these units with rows of length one, and how far it was (nan: failed)."""
    u, first = guess.copy(), 0.0
    for step in range(12):
        f, jac = derivative(numbers, terms, u, is_map)
        a, b = jac[0] * weights, jac[1] * weights
        la, lb = length(a), length(b)
        a, b = a / la, b / lb
        t = cross(a, b)
        square = (t * t).sum()
        du = -(f[0] / la * cross(b, t) + f[1] / lb * cross(t, a)) / square
        size = length(du)
        if not np.isfinite(size):
            break
        u = u + du * weights
        if step == 0:
            first = size
        if size < 1e-13 or (step > 4 and size < 1e-10):
            return u, first
    return u, np.nan


@numba.njit(cache=True, error_model="numpy")
def signs(numbers, terms, u, weights, before, is_map):
    """Return the unit tangent on the side of `before`, and test values: orientation, dp/ds, then by kind."""
    _, jac = derivative(numbers, terms, u, is_map)
    a, b = jac[0] * weights, jac[1] * weights
    t = cross(a / length(a), b / length(b))
    size = length(t)
    orientation = 1.0 if (t * before).sum() > 0 else -1.0
    t = t / size * orientation
    tests = np.zeros(4)
    tests[0], tests[1] = orientation, t[2]
    if is_map:
        full = jac[0, 0] + 1.0, jac[1, 1] + 1.0
        trace, det = full[0] + full[1], full[0] * full[1] - jac[0, 1] * jac[1, 0]
        tests[2], tests[3] = 1.0 + trace + det, det - 1.0
    else:
        tests[2] = jac[0, 0] + jac[1, 1]
    return t, tests


@numba.njit(cache=True, error_model="numpy")
def units(u, floor, width):
    return np.array([abs(u[0]) + floor[0], abs(u[1]) + floor[1], width])


@numba.njit(cache=True, error_model="numpy")
def label_of(numbers, terms, u, which, is_map):
    """Return the number of the label of what changed sign at u; -1 for none."""
    if which < 2:
        return 1 if which == 0 else 0
    _, jac = derivative(numbers, terms, u, is_map)
    if not is_map:
        return 2 if jac[0, 0] * jac[1, 1] - jac[0, 1] * jac[1, 0] > 0 else 3
    if which == 2:
        return 4
    return 5 if abs(jac[0, 0] + jac[1, 1] + 2.0) < 2.0 else -1


@numba.njit(cache=True, error_model="numpy")
def place_of(numbers, terms, u, t, h, weights, which, at_start, is_map):
    """Bisect the step for where test `which` changes sign; what cannot be corrected there is left at its place."""
    low, high, v = 0.0, 1.0, u.copy()
    for _ in range(60):
        middle = 0.5 * (low + high)
        v, moved = correct(numbers, terms, u + middle * h * t * weights, weights, is_map)
        if not np.isfinite(moved):
            return v
        _, tests = signs(numbers, terms, v, weights, t, is_map)
        if tests[which] * at_start > 0:
            low = middle
        else:
            high = middle
        if high - low < 1e-13:
            break
    return v


@numba.njit(cache=True, error_model="numpy")
def follow(numbers, terms, start, floor, span, sense, is_map, longest, angle, far, most):
    """Return the events (label, x, y, p) as rows, the end (number in ENDS) and the last point."""
    found = np.zeros((200, 4))
    count, u, width = 0, start.copy(), span[1] - span[0]
    weights = units(u, floor, width)
    t, tests = signs(numbers, terms, u, weights, np.array([0.0, 0.0, sense]), is_map)
    h, gone = 1e-4 * longest, 0.0
    for step in range(most):
        accepted = False
        for _ in range(60):
            v, moved = correct(numbers, terms, u + h * t * weights, weights, is_map)
            if np.isfinite(moved) and moved < 0.3 * h:
                tv, here = signs(numbers, terms, v, weights, t, is_map)
                chord = (v - u) / weights
                changed = 0
                for which in range(4):
                    changed += here[which] * tests[which] < 0
                straight = (tv * t).sum() > np.cos(angle) and (chord * t).sum() > 0.5 * h
                if straight and (changed < 2 or h < 1e-9):
                    accepted = True
                    break
            h *= 0.5
            if h < 1e-14:
                break
        if not accepted:
            return found[:count], 3, u
        for which in range(4):
            if here[which] * tests[which] < 0 and count < 200:
                at = place_of(numbers, terms, u, t, h, weights, which, tests[which], is_map)
                label = label_of(numbers, terms, at, which, is_map)
                if label >= 0:
                    found[count] = np.array([float(label), at[0], at[1], at[2]])
                    count += 1
        u, new = v, units(v, floor, width)
        t = tv * weights / new
        weights, t = new, t / length(t)
        t, tests = signs(numbers, terms, u, weights, t, is_map)
        h = min(1.3 * h, longest)
        if u[2] < span[0] or u[2] > span[1]:
            return found[:count], 0, u
        if max(abs(u[0]), abs(u[1])) > far:
            return found[:count], 1, u
        away = length((u - start) / units(start, floor, width))
        gone = max(gone, away)
        if gone > 4.0 * longest and away < longest and step > 50 and (t[2] > 0) == (sense > 0):
            return found[:count], 2, u
    return found[:count], 4, u


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traced:
    """Events in the order they are met in both senses, and how each sense ended."""

    events: tuple[tuple[str, float, np.ndarray], ...]  # label, p, (x, y)
    ends: tuple[str, ...]
    last: tuple[np.ndarray, ...]


def traced(numbers: np.ndarray, start: np.ndarray, span: tuple[float, float], is_map: bool, longest: float) -> Traced:
    """Follow the curve from (x, y, p) both ways in steps of at most `longest`."""
    size = float(np.max(np.abs(start[:2]))) or 1.0
    floor = 1e-3 * np.maximum(np.abs(start[:2]), 1e-3 * size)
    far = 1e8 * max(1.0, size)
    events, ends, last = [], [], []
    for sense in (1.0, -1.0):
        found, end, at = follow(
            numbers, TERMS, start, floor, np.array(span), sense, is_map, longest, 4.0 * longest, far, 400_000
        )
        events += [(LABELS[int(row[0])], float(row[3]), row[1:3]) for row in found]
        ends.append(ENDS[end])
        last.append(at)
        if ENDS[end] == "closed":
            break
    return Traced(events=tuple(events), ends=tuple(ends), last=tuple(last))
