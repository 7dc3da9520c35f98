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
from ntkcont.pathfollowing.poles import approach

#: By how much an entry of the Jacobian has grown towards the place, at least.
GROWN = 100.0
#: How far from the place the other side is entered, at most, in scales; and how much nearer it must still be there.
FARTHEST, NEARER = (1e-2, 1e-3, 1e-4), 0.1
#: Newton may move a mirror image by this part of its distance from the place, for each state.
MOVED = 2.0


@dataclasses.dataclass(frozen=True)
class Beyond:
    """The other side of a root.

    `kept` points come before it; `node` is the first one on the other side, None where the equations are not defined.
    """

    kept: int
    node: Node | None


def beyond_root(curve: Curve, nodes: Nodes, d: Array, span: tuple[float, float]) -> Beyond | None:
    """Return the other side of a place where steps have become too short; None if it is no root, or nothing is there.

    Of the points before it those are kept that are farther off than its other side is.
    """
    for part in FARTHEST:
        far = approach(nodes, d, part)
        if far is None:
            continue
        w = _gradient(curve, nodes.z[-1], nodes.z[far], d)
        if w is None:
            return None
        z = _other_side(curve, nodes.z[-1], nodes.z[far], d, w)
        if z is None:
            continue
        if not np.all(np.isfinite(z)):
            return Beyond(len(nodes.s), None)
        close = approach(nodes, d, NEARER * part, 0.5)
        nearer = None if close is None else _other_side(curve, nodes.z[-1], nodes.z[close], d, w)
        if nearer is None or not span[0] < z[-1] < span[1]:
            continue
        way, rest = (z - nodes.z[-1]) / d, (nearer - nodes.z[-1]) / d
        length = float(np.linalg.norm(way))
        if not 0.0 < np.linalg.norm(rest) < 0.5 * length:
            continue  # another branch is there
        back = float(np.linalg.norm((nodes.z[far] - nodes.z[-1]) / d))
        node, sign = curve.node(z, d, way / length, float(nodes.s[far]) + back + length)
        if sign != 0.0:
            return Beyond(far + 1, node)
    return None


def _gradient(curve: Curve, near: Array, far: Array, d: Array) -> Array | None:
    """Return the unit normal (scaled) of the surface on which an equation has an infinite derivative; None: it has not."""
    with np.errstate(all="ignore"):
        one, other = (np.column_stack(curve.system(z)[1:]) * d for z in (near, far))
    size, before = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    grown = size / np.maximum(before, 1e-300)
    i = int(np.argmax(np.where(np.isfinite(grown), grown, 0.0)))
    return one[i] / size[i] if np.isfinite(size[i]) and grown[i] > GROWN else None


def _other_side(curve: Curve, place: Array, z: Array, d: Array, w: Array) -> Array | None:
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
        if new is not None and size <= MOVED * np.linalg.norm(way):
            return new
    return np.full_like(z, np.nan) if undefined == len(guesses) else None


def joined(nodes: Nodes, beyond: Beyond, n: int) -> Nodes:
    """Return the points before a root, and the first one after it."""
    head, node = nodes.head(beyond.kept), beyond.node
    if node is None:
        return head
    one = Nodes(node.z[None], node.tangent[None], np.array([node.s]), node.eigenvalues[None], node.counts[None])
    both = concatenate([head, one], n)
    if head.vectors is not None:
        both.vectors = np.concatenate([head.vectors, np.full_like(head.vectors[:1], np.nan)])
    if head.scales is not None:
        both.scales = np.concatenate([head.scales, head.scales[-1:]])
    return both
