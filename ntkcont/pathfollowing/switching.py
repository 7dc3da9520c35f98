"""From a branch point to the branches that leave it.

At a simple branch point their directions are the roots of the algebraic branching equation; where that is degenerate,
and for kernels of dimension 2 (symmetric systems), they come from the reduced equations on spheres around the point.
The period-2 branch of a map at a period doubling is a branch of the second iterate, along the critical vector.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Scaled
from ntkcont.pathfollowing.detect import degenerate
from ntkcont.pathfollowing.multiple import kernel_dimension
from ntkcont.pathfollowing.reduction import NoBranches, Reduced, branches_around, quadratic_directions
from ntkcont.pathfollowing.start import Start
from ntkcont.results.special_points import SpecialPoint

#: The tangent may turn by this much (rad) over the first step; otherwise the scales of the states are too large.
TURN = 0.35
#: How far from the point its neighbours are looked for, scaled.
BESIDE = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2)
#: Eigenvalues of a neighbour may be this small beside those of the farthest one: with the square, at a pitchfork.
TELLING = 1e-8
#: Cosine between the directions of a neighbour and of the branch.
ALIGNED = 0.99
#: By how much the first step is longer where terms of high order tell branches apart.
LONGER = 3.0
#: Fractions of the first step that are tried where only one side of a branch has a neighbour at its full length.
SHORTER = (0.3, 0.1, 0.01, 1e-3)
#: At a distance h from a period doubling the map takes a point of the doubled orbit 2h away, one of the simple orbit 0;
#: less than this times h and it is of the simple one.
APART = 0.5


@dataclasses.dataclass(frozen=True)
class Way:
    """A branch near the point: ``z + h tangent + h^2 bend + h^3 twist``, h in the scaled variables of its d.

    All are in original units.  The twist tells branches whose first terms are those of other ones, or no solution at
    all to first order.
    """

    tangent: Array
    bend: Array
    twist: Array


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """A branch about to be followed: its start on the special point and points of it on both sides (-1 and +1).

    `inside` holds those of -1.0 and 1.0 on whose side the branch runs within the span.
    """

    start: Start
    sides: dict[float, Array]
    inside: tuple[float, ...]


def outgoing(
    curve: Curve, point: SpecialPoint, d: Array, span: tuple[float, float], ds: float, simple: Curve | None = None
) -> Iterator[Outgoing | str]:
    """Yield all branches through a BP (those already known as well) or the doubled one at a PD, or why there is none.

    Parameters
    ----------
    curve : Curve
        Of the model whose fixed points the new branches are: at a PD that of the second iterate.
    point : SpecialPoint
        Located branch point or period doubling.
    d : ndarray, shape (n+1,)
        Scales of the branch on which it was found.
    span : (float, float)
        Of the free parameter.
    ds : float
        Distance, in scaled variables, at which points beside it are computed.
    simple : Curve, optional
        At a PD, the equations of the orbits that double there: they solve those of `curve` as well, and a point beside
        the PD must not be one of them.

    Raises
    ------
    NoBranches
        If there are no directions; the message says why.
    """
    z = np.append(point.x, point.p)
    d = grown(d, z, curve)
    found = ways(curve, point, z, d)
    for way in found:
        yield _start(curve, z, way, d, span, ds, simple) or "its branch could not be followed: Newton failed beside it"
    if len(found) < 2 and point.label == "BP":
        yield "no other branch was found around it, though it is degenerate: branches may be missing"


def ways(curve: Curve, point: SpecialPoint, z: Array, d: Array) -> list[Way]:
    """Return the branches through the point, to third order as far as that is known."""
    if not point.converged:
        msg = "it is not located well enough to switch branches there (converged is False)"
        raise NoBranches(msg)
    m = max(kernel_dimension(curve, z, d, 1e-9), 1)
    if point.multiplicity > m:
        m = min(point.multiplicity, max(kernel_dimension(curve, z, d), 1))
    if m > 2:
        msg = f"its kernel has dimension {m}; branches are switched up to dimension 2"
        raise NoBranches(msg)
    straight = np.zeros(curve.n + 1)
    if m == 1 and point.label == "PD":
        return [Way(np.append(np.real(point.vectors["v"]), 0.0), straight, straight)]
    reduced = Reduced(Scaled(curve, d), z / d, m)
    found = quadratic_directions(reduced) if m == 1 else None
    if found is not None:
        return [Way(tangent * d, straight, straight) for tangent in found]
    return [Way(each.tangent * d, each.bend * d, each.twist * d) for each in branches_around(reduced)]


def grown(d: Array, z: Array, curve: Curve) -> Array:
    """Return the scales, the larger of d and those of the state z."""
    n = curve.n
    size = np.abs(z[:n]) * np.sqrt(n)
    if curve.model.homogeneous:
        size[:] = np.max(size)
    return np.append(np.maximum(d[:n], size), d[n])


def on_simple_orbit(simple: Curve, z: Array, doubling: Array, d: Array) -> bool:
    """Whether z, a point of period 2k beside a period doubling, has period k only: Newton fell back onto those."""
    n = simple.n
    moved = np.linalg.norm(simple.system(z)[0] / d[:n])
    return bool(moved < APART * np.linalg.norm((z - doubling)[:n] / d[:n]))


def _start(
    curve: Curve, z: Array, way: Way, d: Array, span: tuple[float, float], ds: float, simple: Curve | None
) -> Outgoing | None:
    """Return the start of a branch, with scales in which its first step hardly turns."""
    n = curve.n
    least = grown(np.append(np.full(n, 1e-12), d[n]), z, curve)
    best: Outgoing | None = None
    local = _Local(curve, z, way, d, simple)
    for _ in range(14):
        local = _Local(curve, z, way, d, simple)
        sides, turn = local.sides(ds)
        if sides:
            best = local.outgoing(sides, span, ds)
            if turn <= TURN:
                farther = _farther(local, span, ds) if np.any(way.twist) else None
                if farther is not None:
                    return farther
                return best if len(sides) == 2 else _nearer(local, span, ds) or best
        smaller = np.append(np.maximum(0.3 * d[:n], least[:n]), d[n])
        if np.array_equal(smaller, d):
            break
        d = smaller
    if best is None or len(best.sides) < 2:  # a narrow branch of large states
        best = _nearer(local, span, ds) or best
    return best


def _farther(local: _Local, span: tuple[float, float], ds: float) -> Outgoing | None:
    """Return the start of a branch with a longer first step, if it has neighbours so far away.

    Of branches that only terms of high order tell apart, or that have one tangent, those of a shorter one are nearly
    the same, and Newton's method on the way there stops where rounding puts it.
    """
    sides, turn = local.sides(LONGER * ds)
    return local.outgoing(sides, span, LONGER * ds) if len(sides) == 2 and turn <= TURN else None


def _nearer(local: _Local, span: tuple[float, float], ds: float) -> Outgoing | None:
    """Return the start of a branch with a first step so short that it has neighbours, on both sides if possible."""
    one_sided: Outgoing | None = None
    for shorter in SHORTER:
        sides, turn = local.sides(shorter * ds)
        if len(sides) == 2 and turn <= TURN:
            return local.outgoing(sides, span, shorter * ds)
        if sides and one_sided is None:
            one_sided = local.outgoing(sides, span, shorter * ds)
    return one_sided


class _Local:
    """A branch near the special point z it starts from, with given scales."""

    def __init__(self, curve: Curve, z: Array, way: Way, d: Array, simple: Curve | None = None) -> None:
        self.curve, self.z, self.d, self.simple = curve, z, d, simple
        tau = way.tangent / d
        length = float(np.linalg.norm(tau))
        tau = tau / length
        self.bend, self.twist = way.bend / d / length**2, way.twist / d / length**3  # h is measured along tau
        if tau[-1] < -1e-9 or (abs(tau[-1]) <= 1e-9 and tau[int(np.argmax(np.abs(tau)))] < 0.0):
            tau, self.twist = -tau, -self.twist
        self.tau = np.ascontiguousarray(tau)

    def at(self, h: float) -> Node | None:
        """Return the point of the branch at the (signed) distance h along its tangent; None if Newton fails there."""
        offset = h * (self.tau + h * (self.bend + h * self.twist))
        z, size = self.curve.correct(self.z + offset * self.d, self.d, self.tau)
        if z is None or size > abs(h):
            return None
        if self.simple is not None and on_simple_orbit(self.simple, z, self.z, self.d):
            return None
        node, orientation = self.curve.node(z, self.d, np.sign(h) * self.tau, abs(h))
        return node if orientation != 0.0 else None

    def sides(self, h: float) -> tuple[dict[float, Node], float]:
        """Return the points at the distances -h and h, as far as there are any, and how far the tangent turns."""
        found: dict[float, Node] = {}
        turn = 0.0
        for sign in (-1.0, 1.0):
            node = self.at(sign * h)
            if node is None:
                continue
            new = node.tangent / self.d
            cosine = float(new @ self.tau) * sign / float(np.linalg.norm(new))
            turn = max(turn, float(np.arccos(np.clip(cosine, -1.0, 1.0))))
            if cosine > 0.3:
                found[sign] = node
        return found, turn

    def outgoing(self, sides: dict[float, Node], span: tuple[float, float], ds: float) -> Outgoing:
        """Return the branch as something to follow."""
        d, tau = self.d, self.tau
        node = self.curve.node(self.z, d, tau, 0.0)[0]
        node = Node(self.z, tau * d, 0.0, node.eigenvalues, node.counts)
        toward, points, inside = {}, {}, []
        for sign in (-1.0, 1.0):
            toward[sign] = sign * tau
            if sign not in sides:
                continue
            # along the tangent itself the equations may be singular for several dimensions of the kernel
            chord = (sides[sign].z - self.z) / d
            toward[sign] = np.ascontiguousarray(chord / np.linalg.norm(chord))
            nearest = sides[sign].z
            for shorter in (0.1, 0.01):
                if not span[0] <= nearest[-1] <= span[1]:
                    closer = self.at(sign * shorter * ds)
                    nearest = nearest if closer is None else closer.z
            points[sign] = nearest
            if span[0] <= nearest[-1] <= span[1]:
                inside.append(sign)
        beside = {sign: self._beside(sign, toward[sign]) for sign in (-1.0, 1.0)}
        return Outgoing(Start(self.z, tau, d, node, toward, beside, ds), points, tuple(inside))

    def _beside(self, sign: float, toward: Array) -> Node | None:
        """Return the nearest point of the branch whose eigenvalues can be told from those of the special point.

        It must lie in the direction of the branch: very near the special point all equations hold, to rounding, beside
        the branch as well.
        """
        far = self.at(sign * BESIDE[-1])
        for h in BESIDE:
            node = self.at(sign * h)
            if node is None:
                continue
            chord = (node.z - self.z) / self.d
            if toward @ chord < ALIGNED * np.linalg.norm(chord):
                continue
            if not degenerate(node, self.d, self.curve.is_map, (far,), TELLING):
                return node
        return None


def birth_record(curve: Curve, point: SpecialPoint, start: Start) -> SpecialPoint:
    """Return the special point as the start of a new branch has it: at s = 0, of label BP for that branch."""
    residual = float(np.max(np.abs(curve.system(start.z)[0])))
    shift = 1.0 if curve.is_map else 0.0
    test = float(np.min(np.abs(start.node.eigenvalues - shift)))
    reach = [node.s if node is not None else 0.0 for node in (start.beside or {}).values()]
    return dataclasses.replace(
        point, label="BP", name="", s=0.0, omega=None, tangent=start.tau * start.d, normal_form={}, ntk=None,
        eigenvalues=start.node.eigenvalues, bracket=(-reach[0], reach[1]), residual=residual, test_value=test,
    )  # fmt: skip
