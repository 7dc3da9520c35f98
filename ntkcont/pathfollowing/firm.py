"""Whether counts and signs at a point are made of rounding: then nothing that they say between two points happens.

A point of a branch is known to rounding only.  Where the last digit of the states and the parameter decides about a
sign, as it does far out on a branch to infinity, the sign says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.spectrum import UNSURE
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import midpoint

#: Where the parameter moves by more than this part of itself, and no eigenvalue is so near to the boundary beside the
#: entries of the Jacobian, signs are not made of last digits.
STANDING, NEAR = 1e-7, 1e-8
#: A parameter this small, as where a branch runs to infinity with exp(-x), loses its digits.
UNDERFLOW = 1e-290
#: How far a point is moved, relative to each of its numbers, and how often, up to this many states: then once.
LAST_DIGITS, TIMES, MANY = 64.0 * float(np.finfo(float).eps), 4, 64
#: By how much an interval is made longer until its ends are firm.
WIDER = 10.0

Pair = tuple[Node, Node]


def firm(curve: Curve, left: Node, right: Node, d: Array) -> bool:
    """Whether the counts that differ between two nodes are the same for points that are equal to them to rounding."""
    differ = np.flatnonzero(left.counts[:UNSURE] != right.counts[:UNSURE])
    tau = (right.z - left.z) / d
    length = float(np.linalg.norm(tau))
    moved, size = abs(right.z[-1] - left.z[-1]), max(abs(left.z[-1]), abs(right.z[-1]))
    if not differ.size or length == 0.0:
        return True
    if 0.0 < size < UNDERFLOW:
        return False
    if moved > STANDING * size and all(_far(curve, node) for node in (left, right)):
        return True
    return not any(made_of_last_digits(curve, node, d, differ) for node in (left, right))


def made_of_last_digits(curve: Curve, node: Node, d: Array, columns: NDArray[np.intp]) -> bool:
    """Whether some of these columns of the counts are others at points that are equal to the node to rounding."""
    rng = np.random.default_rng(0)
    for _ in range(TIMES if curve.n <= MANY else 1):
        moved = node.z * (1.0 + LAST_DIGITS * rng.choice([-1.0, 1.0], len(node.z)))
        counts = curve.node(moved, d, node.tangent / d, node.s)[0].counts
        if np.any(counts[columns] != node.counts[columns]):
            return True
    return False


def firm_around(curve: Curve, piece: Pair, whole: Pair, d: Array) -> Pair | None:
    """Return the shortest interval around a piece of a whole one with firm counts at its ends; None: there is none.

    Dividing an interval ends where rounding decides, and then the piece need not hold what the whole one surely does.
    """
    if firm(curve, *piece, d):
        return piece
    if not firm(curve, *whole, d):
        return None
    chord = (whole[1].z - whole[0].z) / d
    low, high = (float(chord @ ((node.z - whole[0].z) / d)) / float(chord @ chord) for node in piece)
    width = high - low
    while (width := WIDER * width) < 1.0:
        left, right = (
            midpoint(curve, *whole, d, u) if 0.0 < u < 1.0 else end
            for u, end in zip((low - width, high + width), whole, strict=True)
        )
        if left is not None and right is not None and firm(curve, left, right, d):
            return left, right
    return whole


def _far(curve: Curve, node: Node) -> bool:
    """Whether all eigenvalues are far from the boundary at a node, beside what rounding may do to the Jacobian."""
    lam = node.eigenvalues
    apart = np.abs(np.abs(lam) - 1.0) if curve.is_map else np.abs(lam.real)
    return bool(np.min(apart) > NEAR * np.max(np.abs(curve.system(node.z)[1])))
