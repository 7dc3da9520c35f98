"""Several eigenvalues that cross the stability boundary at one place, as those of identical units do.

Each of them alone has no defining system there: the matrix that should lose one rank loses several.  Their mean
distance from the boundary is smooth all the same, whatever happens among them, and changes sign: its zero on the branch
is found by a bracketed root finder, every evaluation of which is a point of the branch.  It also finds a single one
where Newton leaves for a neighbour.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import midpoint
from ntkcont.pathfollowing.units import own_units
from ntkcont.roots import bracketed_root

#: All of them must cross this close together, in units of length, or be so close to the boundary beside their size.
ALL = 1e-9
#: The same for real ones that go through zero: double, they move by the square root of rounding.
MERGED = 1e-6


@dataclasses.dataclass(frozen=True)
class Together:
    """The node where the mean distance from the boundary vanishes, that mean, the largest distance, one eigenvalue."""

    node: Node
    mean: float
    spread: float
    eigenvalue: complex


def ranked(curve: Curve, label: str, node: Node) -> tuple[Array, np.ndarray]:
    """Return signed distances from the boundary, positive beyond it, the largest first, and their eigenvalues.

    Those of the node itself have been put on the boundary where they are there to rounding; here all digits count.
    """
    is_map = curve.is_map
    lam = curve.eigenvalues(node.z)
    if label in ("PD", "BP"):
        lam = lam[lam.imag == 0.0]
        beyond = -1.0 - lam.real if label == "PD" else lam.real - (1.0 if is_map else 0.0)
    else:
        lam = lam[lam.imag > 0.0]
        beyond = np.abs(lam) - 1.0 if label == "NS" else lam.real
    order = np.argsort(-beyond, kind="stable")
    return beyond[order], lam[order]


def _at(curve: Curve, left: Node, right: Node, d: Array, fraction: float) -> Node | None:
    """Return the point of the branch between two nodes, also where it is a branch point."""
    node = midpoint(curve, left, right, d, fraction)
    if node is not None:
        return node
    z = left.z + fraction * (right.z - left.z)  # of so short a bracket, a solution but for rounding
    tau = (right.z - left.z) / d
    tau /= np.linalg.norm(tau)
    if np.max(np.abs(curve.system(z)[0] / d[: curve.n])) > 1e-13:
        return None
    return curve.node(z, d, tau, left.s + fraction * (right.s - left.s))[0]


def solve_together(curve: Curve, label: str, left: Node, right: Node, d: Array, count: int) -> Together | None:
    """Return where `count` real eigenvalues pass 0 or 1 (BP), -1 (PD) or `count` pairs the boundary (H, NS).

    Those that cross are told by their rank: as many lie beyond them on the one side as they themselves on the other.
    None if another number crosses, a point of the branch cannot be computed, or they do not all cross at one place.
    """
    known: dict[float, Node] = {0.0: left, 1.0: right}
    before, after = (int(np.sum(ranked(curve, label, node)[0] > 0.0)) for node in (left, right))
    if abs(after - before) != count:
        return None
    chosen = slice(min(before, after), max(before, after))

    def value(fraction: float) -> float:
        if fraction not in known:
            node = _at(curve, left, right, d, fraction)
            if node is None:
                msg = "no point of the branch there"
                raise ArithmeticError(msg)
            known[fraction] = node
        beyond = ranked(curve, label, known[fraction])[0][chosen]
        if len(beyond) < count:
            msg = "they are not all there"
            raise ArithmeticError(msg)
        return float(np.mean(beyond))

    try:
        fraction = bracketed_root(value, 0.0, 1.0)
        mean = value(fraction)
    except (ArithmeticError, ValueError):  # ValueError: no change of sign
        return None
    node = known[fraction]
    beyond, lam = (each[chosen] for each in ranked(curve, label, node))
    spread = float(np.max(np.abs(beyond)))
    # that F_x is singular is for the caller to see
    units = own_units(node.z, d)  # in those of a long interval different places are one
    if spread > (MERGED if label == "BP" else ALL) * _rate(curve, label, left, right, units, chosen):
        return None
    return Together(node, mean, spread, complex(lam[0]))


def _rate(curve: Curve, label: str, left: Node, right: Node, d: Array, chosen: slice) -> float:
    """Return what a distance from the boundary is small against: the speed of those that cross, or their size."""
    ends = [ranked(curve, label, node) for node in (left, right)]
    moved = max(float(np.max(np.abs(beyond[chosen]), initial=0.0)) for beyond, _ in ends)
    size = max(float(np.max(np.abs(lam[chosen]), initial=0.0)) for _, lam in ends)
    return max(size, moved / float(np.linalg.norm((right.z - left.z) / d)))
