"""Poles at which no eigenvalue changes its sign: a step goes across, and only what rates do on both sides tells."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import midpoint
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.poles import OVERFLOW, rates_diverge
from ntkcont.pathfollowing.units import local_units

#: Near a pole of order k the slope of a rate grows by e over a (k+1)-th of the distance.  These lengths on both sides
#: of an interval tell k + 1, roughly; a function that steps resolve has a much smaller ratio.
LEAST = 1.3
#: On one side of the interval alone (the other is not known yet): the largest order that is thought of.
MOST = 6.0
#: Changes of rates smaller than this part of them are rounding.
NOISE = 1e-9
#: The accuracy of points of the branch: what is concluded from less is noise.
ROUNDING = 2e-10
#: An interval with a pole is narrowed by this factor, so often; the rates at its ends are taken from points this part
#: of it apart.
NARROWER, TIMES, APART = 0.2, 10, (2e-2, 2e-3, 2e-4, 2e-5)
#: The growth of the slope of an entry that does not change.
CONSTANT = -1.0
#: Not all of these times if rounding is in the way; by how much an entry of the Jacobian has grown then.
ENOUGH, GROWTH = 6, 10.0


def _measures(eigenvalues: NDArray[np.complex128]) -> Array:
    """Return functions of the Jacobian that are smooth also where eigenvalues meet, (2, k)."""
    real, imag = eigenvalues.real, eigenvalues.imag
    return np.stack([np.sum(real, axis=1), np.sum(real * real + imag * imag, axis=1)])


@np.errstate(all="ignore")
def suspects(s: Array, eigenvalues: NDArray[np.complex128], inside: slice) -> NDArray[np.intp]:
    """Return the intervals (their right ends) of points s of a branch in which a rate may go through infinity.

    `inside` are the points whose intervals are asked for.  At both ends of the run one side is enough.
    """
    if len(s) < 4:
        return np.empty(0, dtype=np.intp)
    values, steps = _measures(eigenvalues), np.diff(s)
    by = np.diff(values, axis=1)
    visible = np.abs(by) > NOISE * np.maximum(np.abs(values[:, 1:]), np.abs(values[:, :-1]))
    # at the inner points; of two steps, one much longer, the shorter says more
    growth = np.diff(np.log(np.abs(by) / steps), axis=1) / np.sqrt(steps[1:] * steps[:-1])
    rises = visible[:, 1:] & (growth > 0.0)
    falls = visible[:, :-1] & (growth < 0.0)
    k = len(s)
    found = np.zeros(k, dtype=bool)
    if k > 5:  # interval from i to i + 1, growth known at i - 1 and i + 2
        up, down = growth[:, : k - 5], -growth[:, 3:]
        far = s[4 : k - 1] - s[1 : k - 4]
        both = rises[:, : k - 5] & falls[:, 3:] & (far * up * down > LEAST * (up + down))
        found[3 : k - 2] = np.any(both, axis=0)
    for i in {k - 2, k - 3}:  # rising towards the last points
        if i >= 2:
            up, near, reach = growth[:, i - 2], s[i] - s[i - 1], s[i + 1] - s[i - 1]
            found[i + 1] |= bool(np.any(rises[:, i - 2] & (reach * up > LEAST) & (near * up < MOST)))
    for i in {0, 1}:  # falling after the first ones
        if i + 2 <= k - 2:
            down, near, reach = -growth[:, i + 1], s[i + 2] - s[i + 1], s[i + 2] - s[i]
            found[i + 1] |= bool(np.any(falls[:, i + 1] & (reach * down > LEAST) & (near * down < MOST)))
    return np.arange(k)[inside][found[inside]]


def _along(a: Node, b: Node, node: Node, d: Array) -> float:
    """Return how far along the chord between two points a third one is: 1 at the second."""
    chord = (b.z - a.z) / d
    return float(chord @ ((node.z - a.z) / d) / (chord @ chord))


def _growth_at(curve: Curve, at: Node, towards: Node, d: Array) -> Array | None:
    """Return how fast the slopes of the entries of F_x grow from a point towards another one, per length of their chord.

    Negative where they do not; a pole may be so near to the point that only its nearest neighbourhood tells.
    """
    found = [growth for apart in APART if (growth := _growth_over(curve, at, towards, d, apart)) is not None]
    return np.max(found, axis=0) if found else None


def _growth_over(curve: Curve, at: Node, towards: Node, d: Array, apart: float) -> Array | None:
    points = [at]
    for part in (apart, 2.0 * apart):
        middle = midpoint(curve, at, towards, d, part)
        if middle is None:
            return None
        points.append(middle)
    entries = np.array([curve.system(node.z)[1] for node in points])
    s = np.array([_along(at, towards, node, d) for node in points])
    if not (0.0 < s[1] < s[2]) or not np.all(np.isfinite(entries)):
        return None
    first, second = (entries[1] - entries[0]) / s[1], (entries[2] - entries[1]) / (s[2] - s[1])
    visible = np.abs(entries[2] - entries[1]) > ROUNDING / apart * np.max(np.abs(entries), axis=0)
    growth = 2.0 * np.log(np.abs(second / first)) / s[2]  # slopes at s/4 and 3 s/4, so to say
    return np.where(visible & np.isfinite(growth), growth, CONSTANT)


def _narrowed(curve: Curve, a: Node, b: Node, d: Array) -> tuple[Node, Node] | None:
    """Return a shorter interval that has the pole if there is one; None if there is none, or no points in between."""
    one, other = _growth_at(curve, a, b, d), _growth_at(curve, b, a, d)
    if one is None or other is None:
        return None
    order = np.where((one > 0.0) & (other > 0.0), one * other / (one + other), 0.0)
    i = np.unravel_index(np.argmax(order), order.shape)
    if order[i] < 1.0:
        return None
    u, half = float(other[i] / (one[i] + other[i])), 0.5 * NARROWER
    parts = max(u - half, 0.5 * u), min(u + half, 0.5 * (1.0 + u))
    left, right = (midpoint(curve, a, b, d, part) for part in parts)
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
        piece = left, right
        for k in range(TIMES):
            shorter = _narrowed(curve, *piece, d)
            if shorter is None:
                break
            piece = shorter
        else:
            k = TIMES
        a, b = piece
        if k < ENOUGH or a is left:
            return None
        start, last = (np.abs(curve.system(node.z)[1]) for node in (left, a))
        if not np.all(np.isfinite(last)) or np.max(last) > OVERFLOW:
            return None
        grown = np.any(last > GROWTH * np.maximum(start, 1e-12 * np.max(start)))
        return a if grown and rates_diverge(curve, 0.5 * (a.z + b.z), left.z, d) else None


def before_hidden_pole(curve: Curve, nodes: Nodes, tail: Nodes, before: Node) -> Nodes | None:
    """Return the points in front of the first pole among them; None if there is none.

    `tail` are the last accepted points before these, `before` is the very last one.
    """
    m = len(tail.s)
    s, eigenvalues = np.append(tail.s, nodes.s), np.concatenate([tail.eigenvalues, nodes.eigenvalues])
    for k in suspects(s, eigenvalues, slice(max(m, 1), None)).tolist():
        i = k - m
        left = nodes[i - 1] if i else before
        last = hidden_pole(curve, left, nodes[i], local_units(curve, left, nodes[i], nodes.scales_at(i)))
        if last is not None:
            return nodes.ending(i, last)
    return None
