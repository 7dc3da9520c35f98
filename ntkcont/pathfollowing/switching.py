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
from ntkcont.pathfollowing.detector import probe
from ntkcont.pathfollowing.multiple import kernel_dimension
from ntkcont.pathfollowing.reduction import NoBranches, Reduced, directions_around, quadratic_directions
from ntkcont.pathfollowing.start import Start
from ntkcont.results.special_points import SpecialPoint

#: The tangent may turn by this much (rad) over the first step; otherwise the scales of the states are too large.
TURN = 0.35
#: How far from the point its neighbours are looked for, scaled.
BESIDE = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2)


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """A branch about to be followed: its start on the special point and points of it on both sides (-1 and +1).

    `inside` holds those of -1.0 and 1.0 on whose side the branch runs within the span.
    """

    start: Start
    sides: dict[float, Array]
    inside: tuple[float, ...]


def outgoing(
    curve: Curve, point: SpecialPoint, d: Array, span: tuple[float, float], ds: float
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

    Raises
    ------
    NoBranches
        If there are no directions; the message says why.
    """
    z = np.append(point.x, point.p)
    d = grown(d, z, curve)
    for tangent in directions(curve, point, z, d):
        yield _start(curve, z, tangent * d, d, span, ds) or "its branch could not be followed: Newton failed beside it"


def directions(curve: Curve, point: SpecialPoint, z: Array, d: Array) -> Array:
    """Return unit tangents in scaled variables, shape (b, n+1)."""
    if not point.converged:
        msg = "it is not located well enough to switch branches there (converged is False)"
        raise NoBranches(msg)
    m = max(kernel_dimension(curve, z, d, 1e-9), 1)
    if point.multiplicity > m:
        m = min(point.multiplicity, max(kernel_dimension(curve, z, d), 1))
    if m > 2:
        msg = f"its kernel has dimension {m}; branches are switched up to dimension 2"
        raise NoBranches(msg)
    if m == 1 and point.label == "PD":
        tangent = np.append(np.real(point.vectors["v"]), 0.0) / d
        return tangent[None] / np.linalg.norm(tangent)
    reduced = Reduced(Scaled(curve, d), z / d, m)
    found = quadratic_directions(reduced) if m == 1 else None
    return directions_around(reduced) if found is None else found


def grown(d: Array, z: Array, curve: Curve) -> Array:
    """Return the scales, the larger of d and those of the state z."""
    n = curve.n
    size = np.abs(z[:n]) * np.sqrt(n)
    if curve.model.homogeneous:
        size[:] = np.max(size)
    return np.append(np.maximum(d[:n], size), d[n])


def _start(curve: Curve, z: Array, tangent: Array, d: Array, span: tuple[float, float], ds: float) -> Outgoing | None:
    """Return the start of the branch along `tangent`, with scales in which its first step hardly turns."""
    n = curve.n
    least = grown(np.append(np.full(n, 1e-12), d[n]), z, curve)
    best: Outgoing | None = None
    tau = _oriented(tangent / d)
    for _ in range(14):
        tau = _oriented(tangent / d)
        sides, turn = _sides(curve, z, tau, d, ds)
        if sides:
            best = _outgoing(curve, z, tau, d, span, sides)
            if turn <= TURN:
                return best
        smaller = np.append(np.maximum(0.3 * d[:n], least[:n]), d[n])
        if np.array_equal(smaller, d):
            break
        d = smaller
    if best is None:  # a narrow branch of large states: the stepper shortens the first step as well
        for shorter in (0.1, 0.01, 1e-3):
            sides, _ = _sides(curve, z, tau, d, shorter * ds)
            if sides:
                return _outgoing(curve, z, tau, d, span, sides)
    return best


def _oriented(tau: Array) -> Array:
    tau = tau / np.linalg.norm(tau)
    if tau[-1] < -1e-9 or (abs(tau[-1]) <= 1e-9 and tau[int(np.argmax(np.abs(tau)))] < 0.0):
        tau = -tau
    return np.ascontiguousarray(tau)


def _sides(curve: Curve, z: Array, tau: Array, d: Array, h: float) -> tuple[dict[float, Array], float]:
    """Return points of the branch at the distances -h and h, as far as there are any, and how far its tangent turns."""
    found: dict[float, Array] = {}
    turn = 0.0
    for sign in (-1.0, 1.0):
        node = probe(curve, _from(z, sign * tau * d), d, h)
        if node is None:
            continue
        new = node.tangent / d
        cosine = float(new @ tau) * sign / float(np.linalg.norm(new))
        turn = max(turn, float(np.arccos(np.clip(cosine, -1.0, 1.0))))
        if cosine > 0.3:
            found[sign] = node.z
    return found, turn


def _outgoing(
    curve: Curve, z: Array, tau: Array, d: Array, span: tuple[float, float], sides: dict[float, Array]
) -> Outgoing:
    node = curve.node(z, d, tau, 0.0)[0]
    node = Node(z, tau * d, 0.0, node.eigenvalues, node.counts)
    beside = {sign: _beside(curve, z, sign * tau, d) for sign in (-1.0, 1.0)}
    inside = tuple(sign for sign, point in sides.items() if span[0] <= point[-1] <= span[1])
    return Outgoing(Start(z, tau, d, node, beside), sides, inside)


def _from(z: Array, tangent: Array) -> Node:
    """Return the special point as a place to start from; what it has of eigenvalues says nothing."""
    return Node(z, tangent, 0.0, np.empty(0, np.complex128), np.empty(0, np.int64))


def _beside(curve: Curve, z: Array, tau: Array, d: Array) -> Node | None:
    """Return the nearest point of the branch whose eigenvalues can be told from those of the special point."""
    for h in BESIDE:
        node = probe(curve, _from(z, tau * d), d, h)
        if node is None:
            continue
        size = float(np.max(np.abs(node.eigenvalues)))
        if not degenerate(node, d, curve.is_map, size):
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
