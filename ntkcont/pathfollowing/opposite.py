"""Eigenvalues that cross the stability boundary at one place in opposite directions, which no count shows.

Near that place each of them is a smooth function of the arclength, and those of one direction are told from those of
the other by their signs on both sides.  The mean distance of each group from the boundary, at four points of the branch
beside the place, gives where the group crosses; the place of both is taken from the cubic through the four points.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.polynomial import polynomial

from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Scaled
from ntkcont.pathfollowing.detect import Crossing, midpoint
from ntkcont.pathfollowing.together import ranked

#: Half of what is looked at around the place, in scaled arclength: other special points may be as near as the least.
AROUND = (1e-4, 1e-5, 1e-6)
#: Fractions of it at which points of the branch are computed.
AT = np.array([-1.0, -0.5, 0.5, 1.0])
#: Groups that cross farther apart than this, in scaled arclength, are two special points.
ONE_PLACE = 1e-9
#: Of an eigenvalue that crosses in the middle, half of its distance is left half-way, up to this.
HALF = 0.1
#: At the place itself the matrix is singular to this, and eigenvalues are as near to the boundary beside what they are
#: at the ends of the interval; real ones may be double and move by the square root of rounding.
SINGULAR, NEAR, NEAR_DOUBLE = 1e-9, 1e-7, 1e-4


@dataclasses.dataclass(frozen=True)
class Group:
    """How many eigenvalues cross upwards and downwards, and where."""

    ups: int
    downs: int
    up: float
    down: float


def opposite(
    curve: Curve, left: Node, right: Node, d: Array, u: float, labels: tuple[str, ...], place: Array | None = None
) -> tuple[list[Crossing], Node | None]:
    """Examine the interval at fraction u, where eigenvalues seem to cross in opposite directions, or around a `place`.

    Returns the crossings of all of them at one place, or, where they cross at two, a node between these.
    """
    chord = (right.z - left.z) / d
    length = float(np.linalg.norm(chord))
    tau = chord / length
    middle = left.z + u * (right.z - left.z) if place is None else place
    found: list[Crossing] = []
    for label in labels:
        for h in AROUND:
            nodes = [_node(curve, middle, t * h, tau, d) for t in AT]
            if any(node is None for node in nodes):
                continue
            known = [node for node in nodes if node is not None]
            group = _group(curve, label, known)
            if group is None:
                continue
            if abs(group.up - group.down) * h > ONE_PLACE:
                between = midpoint(curve, left, right, d, u + 0.5 * (group.up + group.down) * h / length)
                return [], between
            t = 0.5 * (group.up + group.down)
            z = np.array([node.z for node in known])
            weights = [np.prod([(t - AT[j]) / (AT[i] - AT[j]) for j in range(4) if j != i]) for i in range(4)]
            s = left.s + (u + t * h / length) * (right.s - left.s)
            node, _ = curve.node(np.ascontiguousarray(weights @ z), d, tau, s)
            if _all_there(curve, label, node, group.ups + group.downs, (left, right), d):
                known = [dataclasses.replace(q, s=s + (each - t) * h) for q, each in zip(known, AT, strict=True)]
                found.append(Crossing(label, known[0], known[-1], group.ups + group.downs, at=node))
            break
    return found, None


def _node(curve: Curve, middle: Array, t: float, tau: Array, d: Array) -> Node | None:
    z, size = curve.correct(middle + t * tau * d, d, tau)
    if z is None or size > 10.0 * abs(t):
        return None
    node, sign = curve.node(z, d, tau, t)
    return node if sign != 0.0 else None


def _group(curve: Curve, label: str, nodes: list[Node]) -> Group | None:
    """Return what crosses between the first and the last of four nodes; None unless it goes both ways."""
    sides = [ranked(curve, label, node)[0] for node in nodes]
    count: dict[float, int] = {}
    for sign in (1.0, -1.0):  # up: below the boundary before, above it after
        before = [_inward(-sign * values) for values in sides[:2]]
        after = [_inward(sign * values) for values in sides[2:]]
        numbers = {_halved(*before), _halved(after[1], after[0])}
        if len(numbers) != 1:
            return None
        count[sign] = numbers.pop()
    if not (count[1.0] and count[-1.0]):
        return None
    at = {}
    for sign, m in count.items():
        means = [side * sign * float(np.mean(_inward(side * sign * values)[:m])) for side, values in
                 zip((-1.0, -1.0, 1.0, 1.0), sides, strict=True)]  # fmt: skip
        coefficients = np.linalg.solve(np.vander(AT, 4, increasing=True), np.array(means))
        t = 0.0
        for _ in range(20):
            t -= float(polynomial.polyval(t, coefficients) / polynomial.polyval(t, polynomial.polyder(coefficients)))
        if not abs(t) < 0.5:
            return None
        at[sign] = t
    return Group(count[1.0], count[-1.0], at[1.0], at[-1.0])


def _inward(values: Array) -> Array:
    """Return the positive ones, the smallest first."""
    return np.sort(values[values > 0.0])


def _halved(far: Array, near: Array) -> int:
    """Return how many of the smallest distances are halved from one point to the next."""
    m = min(len(far), len(near))
    halved = np.abs(near[:m] / far[:m] - 0.5) < HALF
    return m if np.all(halved) else int(np.argmin(halved))


def _all_there(curve: Curve, label: str, node: Node, count: int, ends: tuple[Node, Node], d: Array) -> bool:
    """Whether so many eigenvalues are on the boundary at a node, as seen from the `ends` of its interval."""

    def off(each: Node) -> Array:
        lam = each.eigenvalues
        if label in ("H", "NS"):
            return np.sort(np.abs(np.abs(lam) - 1.0) if curve.is_map else np.abs(lam.real))[: 2 * count]
        return np.sort(np.abs(lam - ({"BP": 1.0, "PD": -1.0}[label] if curve.is_map else 0.0)))[:count]

    apart = np.max([off(end)[-1] for end in ends])
    if label in ("H", "NS"):
        return bool(off(node)[-1] <= NEAR * apart)
    return bool(off(node)[-1] <= NEAR_DOUBLE * apart) and singular(curve, node.z, d, -2.0 if label == "PD" else 0.0)


def singular(curve: Curve, z: Array, d: Array, shift: float) -> bool:
    """Whether F_x - shift is singular at z, whatever the units of the equations."""
    scaled = Scaled(curve, d).equilibrated(z / d)
    a = scaled.residual_and_jacobian(z / d)[1][:, : curve.n] - shift * np.diag(scaled.rows)
    return bool(svd(a, compute_uv=False)[-1] <= SINGULAR)
