"""Several eigenvalues that cross the stability boundary at one place, as those of identical units do.

Each of them alone has no defining system there: the matrix that should lose one rank loses several.  Their mean
distance from the boundary is smooth all the same, whatever happens among them, and changes sign: its zero on the branch
is found by a bracketed root finder, every evaluation of which is a point of the branch.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import midpoint
from ntkcont.roots import bracketed_root

#: All of them must lie this close to the boundary there, relative to the largest eigenvalue.
ALL = 1e-9


@dataclasses.dataclass(frozen=True)
class Together:
    """The node where the mean distance from the boundary vanishes, that mean, the largest distance, one eigenvalue."""

    node: Node
    mean: float
    spread: float
    eigenvalue: complex


def _critical(label: str, node: Node, count: int) -> tuple[Array, np.ndarray]:
    """Return signed distances from the boundary of the `count` eigenvalues (pairs) next to it, and these."""
    lam = node.eigenvalues
    if label == "PD":  # rounding may make complex ones of several that coincide
        distance, near = lam.real + 1.0, np.abs(lam + 1.0)
    else:
        lam = lam[lam.imag > 0.0]
        distance = np.abs(lam) - 1.0 if label == "NS" else lam.real
        near = np.abs(distance)
    order = np.argsort(near, kind="stable")[:count]
    return distance[order], lam[order]


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
    """Return where `count` real multipliers pass -1 (PD) or `count` pairs the boundary (H, NS) between two nodes.

    None if their mean does not change sign, a point of the branch cannot be computed, or they do not all cross there.
    """
    known: dict[float, Node] = {0.0: left, 1.0: right}

    def value(fraction: float) -> float:
        if fraction not in known:
            node = _at(curve, left, right, d, fraction)
            if node is None:
                msg = "no point of the branch there"
                raise ArithmeticError(msg)
            known[fraction] = node
        distance = _critical(label, known[fraction], count)[0]
        if len(distance) < count:
            msg = "they are not all complex there"
            raise ArithmeticError(msg)
        return float(np.mean(distance))

    try:
        if value(0.0) * value(1.0) > 0.0:
            return None
        fraction = bracketed_root(value, 0.0, 1.0)
        mean = value(fraction)
    except ArithmeticError:
        return None
    node = known[fraction]
    distance, lam = _critical(label, node, count)
    spread = float(np.max(np.abs(distance)))
    if spread > ALL * max(1.0, float(np.max(np.abs(node.eigenvalues)))):
        return None
    return Together(node, mean, spread, complex(lam[0]))
