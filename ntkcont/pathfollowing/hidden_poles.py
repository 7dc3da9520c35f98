"""Poles at which no eigenvalue changes its sign: a step goes across, and only what rates do on both sides tells."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import arclength
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.pathfollowing.poles import OVERFLOW, rates_diverge
from ntkcont.pathfollowing.units import local_units

#: Near a pole of order k the slope of a rate grows by e over a (k+1)-th of the distance.  These lengths on both sides
#: of an interval tell k + 1, roughly; a function that steps resolve has a much smaller ratio.
LEAST = 1.3
#: Points before a chunk that tell how rates grow towards its beginning.
TAIL = 3
#: Slopes that grow by less from one step to the next are not looked at.
STEEPER = 1.25
#: Changes of rates smaller than this part of them are rounding.
NOISE = 1e-9
#: Newton leaves points of the branch this far from it, in scales, at most; what is smaller in the Jacobian is noise.
ACCURACY, ROUNDING = 1e-8, 2e-10
#: An interval with a pole is narrowed by this factor, so often; the rates at its ends are taken from points this part
#: of it apart.
NARROWER, TIMES, APART = 0.2, 20, (2e-2, 2e-3, 2e-4, 2e-5)
#: The growth of the slope of an entry that does not change.
CONSTANT = -1.0
#: Not all of these times if rounding is in the way; by how much an entry of the Jacobian has grown then.
ENOUGH, GROWTH = 8, 10.0


def _measures(eigenvalues: NDArray[np.complex128]) -> Array:
    """Return functions of the Jacobian that are smooth also where eigenvalues meet, (2, k); (1, k) for one state."""
    real, imag = eigenvalues.real, eigenvalues.imag
    if real.shape[1] == 1:
        return real.T
    return np.stack([real.sum(axis=1), (real * real + imag * imag).sum(axis=1)])


@np.errstate(all="ignore")
def suspects(s: Array, eigenvalues: NDArray[np.complex128], first: int) -> list[int]:
    """Return the intervals (their right ends) of points s of a branch in which a rate may go through infinity.

    Only intervals from point number `first` on are asked for.  At both ends of the run one side is enough.
    """
    k = len(s)
    if k < 4:
        return []
    values, steps = _measures(eigenvalues), s[1:] - s[:-1]
    by = np.abs(values[:, 1:] - values[:, :-1])
    after, before = by[:, 1:] * steps[:-1], by[:, :-1] * steps[1:]
    rises, falls = after > STEEPER * before, before > STEEPER * after
    both = rises[:, :-3] & falls[:, 3:]
    if not (both.any() or rises[:, -2:].any() or falls[:, :2].any()):  # that is the rule, and all of this costs
        return []
    size = np.abs(values)
    visible = by > NOISE * np.maximum(size[:, 1:], size[:, :-1])
    # at the inner points; of two steps, one much longer, the shorter says more
    growth = np.log(after / before) / np.sqrt(steps[1:] * steps[:-1])
    rises &= visible[:, 1:]
    falls &= visible[:, :-1]
    found = np.zeros(k, dtype=bool)
    if k > 5:  # interval from i to i + 1, growth known at i - 1 and i + 2
        up, down, far = growth[:, : k - 5], -growth[:, 3:], s[4 : k - 1] - s[1 : k - 4]
        both = rises[:, : k - 5] & falls[:, 3:] & (far * up * down > LEAST * (up + down))
        found[3 : k - 2] = both.any(axis=0)
    for i in (k - 2, k - 3):  # rising towards the last points
        if i >= 2:
            found[i + 1] |= bool(np.any(rises[:, i - 2] & ((s[i + 1] - s[i - 1]) * growth[:, i - 2] > LEAST)))
    for i in (0, 1):  # falling after the first ones
        if i + 2 <= k - 2:
            found[i + 1] |= bool(np.any(falls[:, i + 1] & ((s[i] - s[i + 2]) * growth[:, i + 1] > LEAST)))
    return [int(i) for i in np.flatnonzero(found) if i >= first]


def _along(a: Array, b: Array, z: Array, d: Array) -> float:
    """Return how far along the chord between two points a third one is: 1 at the second."""
    chord = (b - a) / d
    return float(chord @ ((z - a) / d) / (chord @ chord))


def _point(curve: Curve, a: Array, b: Array, d: Array, part: float) -> Array | None:
    """Return a point of the branch in the hyperplane across the chord between two others; None if Newton fails."""
    chord = (b - a) / d
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return None
    z, size = curve.correct(a + part * (b - a), d, chord / length)
    return z if z is not None and size <= length else None


def _growth_at(curve: Curve, at: Array, towards: Array, d: Array) -> Array | None:
    """Return how fast slopes of the entries of F_x grow from a point towards another, per length of their chord.

    Negative where they do not; a pole may be so near to the point that only its nearest neighbourhood tells.
    """
    coarsest = ACCURACY / float(np.linalg.norm((towards - at) / d))
    scales = (APART[0], *(apart for apart in APART[1:] if apart > coarsest))
    found = [growth for apart in scales if (growth := _growth_over(curve, at, towards, d, apart)) is not None]
    return np.max(found, axis=0) if found else None


def _growth_over(curve: Curve, at: Array, towards: Array, d: Array, apart: float) -> Array | None:
    points = [at, *(_point(curve, at, towards, d, part) for part in (apart, 2.0 * apart))]
    known = [z for z in points if z is not None]
    if len(known) < len(points):
        return None
    entries = np.array([curve.system(z)[1] for z in known])
    u = [_along(at, towards, z, d) for z in known]
    if not (0.0 < u[1] < u[2]) or not np.all(np.isfinite(entries)):
        return None
    first, second = (entries[1] - entries[0]) / u[1], (entries[2] - entries[1]) / (u[2] - u[1])
    visible = np.abs(entries[2] - entries[1]) > ROUNDING / apart * np.max(np.abs(entries), axis=0)
    growth = 2.0 * np.log(np.abs(second / first)) / u[2]  # slopes at u/4 and 3 u/4, so to say
    return np.where(visible & np.isfinite(growth), growth, CONSTANT)


def _narrowed(curve: Curve, a: Array, b: Array, d: Array) -> tuple[Array, Array] | None:
    """Return a shorter interval that has the pole if there is one; None if there is none, or no points in between."""
    one = _growth_at(curve, a, b, d)
    other = _growth_at(curve, b, a, d) if one is not None and np.any(one > 0.0) else None
    if one is None or other is None:
        return None
    order = np.where((one > 0.0) & (other > 0.0), one * other / (one + other), 0.0)
    i = np.unravel_index(np.argmax(order), order.shape)
    if order[i] < 1.0:
        return None
    u, half = float(other[i] / (one[i] + other[i])), 0.5 * NARROWER
    parts = max(u - half, 0.5 * u), min(u + half, 0.5 * (1.0 + u))
    left, right = (_point(curve, a, b, d, part) for part in parts)
    if left is None or right is None or not 0.0 < _along(a, b, left, d) < _along(a, b, right, d) < 1.0:
        return None
    # the estimate may have missed it
    up, down = _growth_at(curve, left, right, d), _growth_at(curve, right, left, d)
    if up is not None and not up[i] > 0.0:
        return a, left
    if down is not None and not down[i] > 0.0:
        return right, b
    return left, right


def hidden_pole(curve: Curve, left: Node, right: Node, d: Array) -> Node | None:
    """Return a point of the branch just before a pole between two of its points; None if there is no pole."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        a, b, times = left.z, right.z, 0
        start = np.abs(curve.system(a)[1])
        start = GROWTH * np.maximum(start, 1e-12 * np.max(start))
        grown = False
        while times < TIMES and not (grown and times >= ENOUGH):
            shorter = _narrowed(curve, a, b, d)
            if shorter is None:
                break
            (a, b), times = shorter, times + 1
            sizes = np.abs(curve.system(a)[1])
            grown = bool(np.all(np.isfinite(sizes)) and np.max(sizes) < OVERFLOW and np.any(sizes > start))
        if not grown or times < ENOUGH or a is left.z or not rates_diverge(curve, a, left.z, d, 0.5 * (a + b)):
            return None
        u = _along(left.z, right.z, a, d)
        node, sign = curve.node(a, d, (right.z - left.z) / d, arclength(left, right, d, u))
        return node if sign != 0.0 and 0.0 < u < 1.0 else None


def before_hidden_pole(curve: Curve, nodes: Nodes, tail: Nodes, before: Node) -> Nodes | None:
    """Return the points in front of the first pole among them; None if there is none.

    `tail` are the last accepted points before these, `before` is the very last one.
    """
    m = len(tail.s)
    s, eigenvalues = np.concatenate([tail.s, nodes.s]), np.concatenate([tail.eigenvalues, nodes.eigenvalues])
    for k in suspects(s, eigenvalues, max(m, 1)):
        i = k - m
        left = nodes[i - 1] if i else before
        last = hidden_pole(curve, left, nodes[i], local_units(curve, left, nodes[i], nodes.scales_at(i)))
        if last is not None:
            return nodes.ending(i, last)
    return None


def tail_of(tail: Nodes, nodes: Nodes, n: int) -> Nodes:
    """Return the last accepted points of a run, enough to tell how rates grow."""
    k = len(nodes.s)
    joined = concatenate([tail, nodes], n) if k < TAIL else nodes
    last = slice(max(0, len(joined.s) - TAIL), None)
    return Nodes(joined.z[last], joined.tangent[last], joined.s[last], joined.eigenvalues[last], joined.counts[last])
