"""Places where a derivative is infinite and no rate is, such as |p|^(1/3) at zero: Newton's method fails beside them.

Steps become ever shorter towards such a place.  It is a root of something whose gradient is that of the equation with
the infinite derivative.  Where the equations are defined on its other side as well, the branch goes on there, at the
mirror image of a point that it came from: held at the same distance from the root, the equations are regular.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.nodes import Nodes, concatenate

#: Points that a run must have, at least.
FEWEST = 4
#: By how much an entry of the Jacobian has grown at the place, at least.
GROWN = 100.0
#: How far from the place the other side is entered, at most, in scales.
FARTHEST = (1e-2, 1e-3, 1e-4)
#: The other side is at most this many times as far from the place as where the branch came from; a point much nearer to
#: the place on this side must be so on the other as well, or that is another branch.
STRETCHED, CLOSER, SHRINKS = 3.0, (0.05, 0.5), 0.7
#: Newton may move a mirror image by this many times its distance from the place.
MOVED = 2.0
#: Points of a branch leave a residual that is a smaller part of what changes from one to the next.
RESIDUAL = 1e-2
#: How well the place itself need be known, in scales.
ROUGHLY = 1e-5
#: Points at which the growth of a derivative is looked at to find the place, and how often.
GRID, ZOOMS = 9, 40


@dataclasses.dataclass(frozen=True)
class Beyond:
    """The other side of a root: the first point of the branch on it, None where the equations are not defined.

    `kept` points come before it; Newton's method may have tumbled to and fro across the root after them.
    """

    kept: int
    node: Node | None


@np.errstate(all="ignore")
def on_branch(curve: Curve, nodes: Nodes) -> Nodes:
    """Return the points without the last ones that are none of the branch.

    Beside a root Newton's method may stand still off the branch, where a residual is small beside its huge derivative.
    """
    k = len(nodes.s)
    while k > FEWEST:
        with np.errstate(all="ignore"):
            f, a, fq = curve.system(nodes.z[k - 1])
        change = np.abs(np.column_stack([a, fq])) @ np.abs(nodes.z[k - 1] - nodes.z[k - 2])
        if not np.any(np.abs(f) > RESIDUAL * change):
            break
        k -= 1
    # residuals that are rounding all along say nothing
    return nodes.head(k) if k > FEWEST else nodes


@np.errstate(all="ignore")
def beyond_root(curve: Curve, nodes: Nodes, d: Array, span: tuple[float, float]) -> Beyond | None:
    """Return the other side of a place where steps became too short; None if it is no root, or nothing is there."""
    if len(nodes.s) < FEWEST:
        return None
    place = _place(curve, nodes, d)
    if place is None:
        return None
    at, w = place
    apart = np.linalg.norm((nodes.z - at) / d, axis=1)
    for part in FARTHEST:
        far = int(np.flatnonzero(apart > part)[-1]) if np.any(apart > part) else 0
        z = _other_side(curve, at, nodes.z[far], d, w, MOVED * apart[far])
        if z is None:
            continue
        if not np.all(np.isfinite(z)):
            return Beyond(len(nodes.s), None)
        if not span[0] < z[-1] < span[1]:
            continue
        length = float(np.linalg.norm((z - at) / d))
        if not 0.0 < length < STRETCHED * apart[far]:
            continue
        close = nodes.z[int(np.flatnonzero(apart > CLOSER[0] * apart[far])[-1])]
        if np.linalg.norm((close - at) / d) < CLOSER[1] * apart[far]:
            near = _other_side(curve, at, close, d, w, MOVED * apart[far])
            across, before = ((a - b) / d for a, b in ((z, nodes.z[far]), (near if near is not None else z, close)))
            if not np.linalg.norm(before) < SHRINKS * np.linalg.norm(across):
                continue
        sides = ((nodes.z - at) / d) @ w
        kept = far + 1 + int(np.argmin(np.append(sides[far + 1 :] * sides[far] > 0.0, False)))
        node, sign = curve.node(z, d, (z - at) / d / length, float(nodes.s[kept - 1] + apart[kept - 1]) + length)
        if sign != 0.0:
            return Beyond(kept, node)
    return None


def _rows(curve: Curve, z: Array, d: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.column_stack(curve.system(z)[1:]) * d


def _place(curve: Curve, nodes: Nodes, d: Array) -> tuple[Array, Array] | None:
    """Return where an equation has an infinite derivative, and the normal (scaled) of the surface on which it has.

    Rounding may keep the branch from coming near: along the gradient derivatives lead there.
    """
    last = nodes.z[-1]
    apart = np.linalg.norm((nodes.z - last) / d, axis=1)
    far = nodes.z[int(np.flatnonzero(apart > FARTHEST[0])[-1])] if np.any(apart > FARTHEST[0]) else nodes.z[0]
    size, before = (np.linalg.norm(_rows(curve, z, d), axis=1) for z in (last, far))
    grown = np.where(np.isfinite(size), size, 0.0) / np.maximum(before, 1e-300)
    i = int(np.argmax(grown))
    if not grown[i] > 1.0:
        return None
    w = _rows(curve, last, d)[i] / size[i]
    # as far as it has come, or twice: beyond a root derivatives fall again, or are not defined
    high = 2.0 * abs(float(w @ ((last - far) / d)))
    there = last + _steepest(curve, last, w, d, i, (-high, high)) * w * d
    with np.errstate(all="ignore"):
        row = _rows(curve, there, d)[i]
        top = float(np.linalg.norm(row))
        if np.isfinite(top):
            if not top > GROWN * before[i]:
                return None
            w = row / top  # nothing but what is in the root counts there
        at, _ = curve.correct(there, d, w, tol=ROUGHLY)  # rounding is multiplied by the derivative there
    return (there if at is None else at), w


def _steepest(curve: Curve, z: Array, w: Array, d: Array, i: int, ends: tuple[float, float]) -> float:
    """Return how far from z along w, between these ends, derivatives of equation i are largest, all in scales."""
    low, high = ends
    for _ in range(ZOOMS):
        t = np.linspace(low, high, GRID)
        growth = np.array([np.linalg.norm(_rows(curve, z + u * w * d, d)[i]) for u in t])
        k = int(np.argmax(np.where(np.isnan(growth), -1.0, growth)))
        low, high = t[max(k - 1, 0)], t[min(k + 1, GRID - 1)]
    return 0.5 * (low + high)


@np.errstate(all="ignore")
def regular_between(curve: Curve, left: Node, right: Node, d: Array) -> bool:
    """Whether no derivative grows without bound between two points, as it does at a root or a pole."""
    way = (right.z - left.z) / d
    ends = np.maximum(*(np.linalg.norm(_rows(curve, node.z, d), axis=1) for node in (left, right)))
    for i in range(curve.n):
        there = left.z + _steepest(curve, left.z, way, d, i, (0.0, 1.0)) * way * d
        if not np.linalg.norm(_rows(curve, there, d)[i]) <= GROWN * ends[i]:
            return False
    return True


def _other_side(curve: Curve, place: Array, z: Array, d: Array, w: Array, most: float) -> Array | None:
    """Return the point of the branch as far on the other side of a place as z is on this one; nan: nothing is defined.

    The branch goes straight on there, or (None of its states is a root) comes back beside where it came from.
    """
    way = (z - place) / d
    across = float(w @ way) * w
    guesses = [place - way * d, place + (way - 2.0 * across) * d]
    undefined = 0
    for guess in guesses:
        with np.errstate(all="ignore"):
            defined = bool(np.all(np.isfinite(curve.system(guess)[0])))
            undefined += not defined
            new, size = curve.correct(guess, d, w) if defined else (None, np.inf)
        if new is not None and size <= most:
            return new
    return np.full_like(z, np.nan) if undefined == len(guesses) else None


def joined(nodes: Nodes, node: Node, n: int) -> Nodes:
    """Return the points before a root, and the first one after it."""
    one = Nodes(node.z[None], node.tangent[None], np.array([node.s]), node.eigenvalues[None], node.counts[None])
    both = concatenate([nodes, one], n)
    if nodes.vectors is not None:
        both.vectors = np.concatenate([nodes.vectors, np.full_like(nodes.vectors[:1], np.nan)])
    if nodes.scales is not None:
        both.scales = np.concatenate([nodes.scales, nodes.scales[-1:]])
    return both
