"""What happened between two points: classification from integer counts, and subdivision until it is unambiguous.

A test function only brackets.  Between two points of a branch the following can change: the number of real eigenvalues
beyond 0 (multipliers beyond 1), of complex ones beyond the boundary, of real multipliers below -1, the parity of pairs
with negative sum (flows), the sign of the tangent's parameter component (fold) and the orientation, the sign of the
bordered determinant (branch point).  Each single bifurcation changes them in its own way; any other pattern means
that several happened, and the interval is halved.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.kernels.spectrum import AUX, COMPLEX, ORIENTATION, REAL_PLUS, TANGENT_SIGN
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node

SEVERAL = "several"

#: A fold and a branch point closer than this are one: a pitchfork seen from the side branch.  There F ~ h (p - h^2)
#: at a distance h, so that rounding in F hides on which side of the turning point one is below h = eps^(1/3) = 6e-6.
SIDE_BRANCH = 3e-5


@dataclasses.dataclass(frozen=True)
class Crossing:
    """An interval of the branch that holds one special point (or several inseparable ones: `multiplicity`)."""

    label: str
    left: Node
    right: Node
    multiplicity: int = 1


def classify(left: Node, right: Node, is_map: bool) -> str | None:
    """Return the label of the one event between two nodes, None for nothing, ``SEVERAL`` for more than one."""
    change = right.counts - left.counts
    plus, cplx, aux = int(change[REAL_PLUS]), int(change[COMPLEX]), int(change[AUX])
    fold = left.counts[TANGENT_SIGN] != right.counts[TANGENT_SIGN]
    turn = left.counts[ORIENTATION] != right.counts[ORIENTATION]
    if plus + cplx == 0 and plus % 2 == 0:  # nothing crossed; pairs may have met on the same side
        if fold and turn:
            return SEVERAL
        if fold or turn:
            return SEVERAL
        if aux == 0:
            return None
        if is_map:
            return "PD" if abs(aux) == 1 and plus == 0 else SEVERAL
        return "NSad" if plus == 0 else SEVERAL
    if cplx == 0 and abs(plus) == 1 and aux == 0 and fold != turn:
        return "LP" if fold else "BP"
    if plus == 0 and abs(cplx) == 2 and not fold and not turn:
        if is_map:
            return "NS" if aux == 0 else SEVERAL
        return "H" if aux != 0 else SEVERAL
    return SEVERAL


def inseparable(left: Node, right: Node, is_map: bool) -> list[tuple[str, int]]:
    """Name what remains in an interval too short to be divided: labels with multiplicities."""
    change = right.counts - left.counts
    plus, cplx, aux = int(change[REAL_PLUS]), int(change[COMPLEX]), int(change[AUX])
    fold = left.counts[TANGENT_SIGN] != right.counts[TANGENT_SIGN]
    turn = left.counts[ORIENTATION] != right.counts[ORIENTATION]
    found: list[tuple[str, int]] = []
    if turn or abs(plus) >= 2:  # with `fold` too: a branch point seen from the side branch
        found.append(("BP", max(1, abs(plus))))
    elif fold or abs(plus) == 1:
        found.append(("LP", 1))
    if abs(cplx) >= 2:
        found.append(("NS" if is_map else "H", abs(cplx) // 2))
    if is_map and aux != 0:
        found.append(("PD", abs(aux)))
    if not is_map and aux != 0 and abs(cplx) < 2 and not found:
        found.append(("NSad", 1))
    return found


def midpoint(curve: Curve, left: Node, right: Node, d: Array, fraction: float = 0.5) -> Node | None:
    """Return a point of the branch between two nodes, in the hyperplane across their chord; None if Newton fails."""
    chord = (right.z - left.z) / d
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return None
    tau = chord / length
    guess = left.z + fraction * (right.z - left.z)
    z, size = curve.correct(guess, d, tau)
    if z is None or size > length:
        return None
    u = float(tau @ ((z - left.z) / d)) / length
    if not 0.0 < u < 1.0:
        return None
    node, sign = curve.node(z, d, tau, left.s + u * (right.s - left.s))
    return node if sign != 0.0 else None


def separate(curve: Curve, left: Node, right: Node, d: Array, shortest: float = 1e-7) -> list[Crossing]:
    """Halve the interval until each piece holds at most one special point; return the pieces that hold one."""
    label = classify(left, right, curve.is_map)
    if label is None:
        return []
    if label != SEVERAL:
        return [Crossing(label, left, right)]
    fold_and_turn = np.all(left.counts[[TANGENT_SIGN, ORIENTATION]] != right.counts[[TANGENT_SIGN, ORIENTATION]])
    limit = max(shortest, SIDE_BRANCH) if fold_and_turn else shortest
    if np.linalg.norm((right.z - left.z) / d) > limit:
        # off-centre: symmetric systems put their special points in the middle
        for fraction in (0.5 - 0.0417, 0.5 + 0.0831):
            middle = midpoint(curve, left, right, d, fraction)
            if middle is not None:
                return separate(curve, left, middle, d, shortest) + separate(curve, middle, right, d, shortest)
    return [Crossing(name, left, right, count) for name, count in inseparable(left, right, curve.is_map)]


def degenerate(node: Node, d: Array, is_map: bool, size: float, tol: float = 1e-8) -> bool:
    """Whether `node` itself is (nearly) a special point, so that its signs and counts mean nothing.

    `size` is the magnitude of eigenvalues along the branch, against which those at the node are small.
    """
    tau = node.tangent / d
    if abs(tau[-1]) < tol * np.linalg.norm(tau):
        return True
    lam = node.eigenvalues
    if is_map:
        return bool(np.min(np.abs(np.abs(lam) - 1.0)) < tol)
    if size == 0.0 or np.min(np.abs(lam.real)) < tol * size:
        return True
    real = np.sort(lam.real[lam.imag == 0.0])
    sums = np.abs(real[:, None] + real[None, :])[np.triu_indices(len(real), 1)]
    return bool(len(sums) and np.min(sums) < tol * size)
