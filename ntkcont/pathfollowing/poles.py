"""Places where the equations have a pole: rates go through infinity there, and nothing bifurcates."""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import change, midpoint
from ntkcont.pathfollowing.nodes import Nodes

#: Halvings of the interval at most, and how much an entry of the Jacobian must grow meanwhile, as the interval shrinks
#: by a million or more.
HALVINGS, GROWTH = 45, 1e4
#: It must have grown by this much while the interval shrank from a third of the halvings to the last.
GOES_ON = 10.0
#: What grows beyond this is an overflow on the way to infinity and no pole.
OVERFLOW = 1e150
#: The right-hand side at a distance r from a pole does not vanish with r: it falls by less than this power of it.
STAYS = 0.05
#: Distances at which it is looked at, in units of the branch, and how far a rate must rise over that to be infinite.
DISTANCES, RISES = (1e-6, 1e-3), 10.0
#: A rate that is this small beside the others is rounding.
NOTHING = 1e-9
#: From how far, in scales, the branch comes to an end that is compared with a point before it, and how near the points
#: in between must come: a state that goes to infinity as a logarithm keeps its distance.
COMING = ((1e-2, 1e-3), (0.5, 0.1))
#: Offsets from the branch at which rates are taken, in units of the branch, and at least: they must lead away from a
#: root, which is as far off in `far`.
OFFSETS, AWAY = (1e-3, 1e-2, 1e-1), 10.0


def jacobian_sizes(curve: Curve, z: Array) -> Array:
    """Return the sizes of the entries of [F_x, F_q]."""
    with np.errstate(all="ignore"):
        _, a, fq = curve.system(z)
    return np.abs(np.column_stack([a, fq]))


def _rates(curve: Curve, z: Array) -> Array:
    with np.errstate(all="ignore"):
        f = np.abs(curve.system(z)[0])
    return np.where(np.isnan(f), 0.0, f)


@np.errstate(all="ignore")
def rates_diverge(curve: Curve, near: Array, far: Array, d: Array, place: Array | None = None) -> bool:
    """Whether rates beside the branch go to infinity at `place`, or `near`, where derivatives do.

    At a root such as |p|^(1/3) derivatives are infinite, but no rate is.  At a pole a rate at a given distance from the
    branch grows without bound from `far` to `near`; or, where the distance leads away from the pole as well, the rates
    in a neighbourhood of it do not vanish with its size.
    """
    place = near if place is None else place
    left = RISES * _rates(curve, near)  # Newton's method leaves a residual where derivatives are large
    for offset in OFFSETS:
        size = np.maximum(offset * d, AWAY * np.abs(place - far))
        for way in np.diag(size):
            here, there = (np.array([_rates(curve, z + sign * way) for sign in (1.0, -1.0)]) for z in (place, far))
            more = here - left > RISES * (there + NOTHING * np.max(there))
            if np.any(np.all(more & (there > 0.0), axis=0)):
                return True
    axes = np.vstack([np.diag(sign * d) for sign in (1.0, -1.0)])
    mixed = np.random.default_rng(0).uniform(-1.0, 1.0, (8, len(d))) * d
    close, wide = (
        np.max([_rates(curve, place + r * way) for way in np.vstack([axes, mixed])], axis=0) for r in DISTANCES
    )
    return bool(np.any((close > wide * (DISTANCES[0] / DISTANCES[1]) ** STAYS) & (wide > 0.0)))


def pole_between(curve: Curve, left: Node, right: Node, d: Array) -> Node | None:
    """Return a point of the branch just before a pole between two of its points; None if there is no pole."""
    sizes = np.maximum(jacobian_sizes(curve, left.z), jacobian_sizes(curve, right.z))
    a, b, halfway = left, right, left
    for k in range(HALVINGS):
        middle = midpoint(curve, a, b, d, 0.5417)
        if middle is None or not np.all(np.isfinite(middle.eigenvalues)):
            break
        by = change(a, middle)
        if by.turn or by.plus or by.cplx or by.minus:
            b = middle
        else:
            a = middle
            if k < HALVINGS // 3:
                halfway = a
    if a is left:
        return None
    near = jacobian_sizes(curve, a.z)
    grown = near / np.maximum(sizes, 1e-12 * np.max(sizes) + 1e-300)
    goes_on = near / np.maximum(jacobian_sizes(curve, halfway.z), 1e-300)
    poles = (grown > GROWTH) & (near < OVERFLOW) & (goes_on > GOES_ON)
    return a if np.any(poles) and rates_diverge(curve, a.z, left.z, d) else None


@np.errstate(all="ignore")
def ends_at_pole(curve: Curve, nodes: Nodes, d: Array) -> bool:
    """Whether rates grow without bound where steps have become too short to go on, as at a pole."""
    if len(nodes.s) < 4:
        return False
    one = jacobian_sizes(curve, nodes.z[-1])
    if not np.all(np.isfinite(one)) or np.max(one) > OVERFLOW:
        return False
    for part, nearer in COMING:
        far = approach(nodes, d, part, nearer)
        if far is None:
            continue
        other = jacobian_sizes(curve, nodes.z[far])
        if not np.all(np.isfinite(other)):
            continue
        grown = float(np.max(one / np.maximum(other, 1e-12 * np.max(other) + 1e-300)))
        if grown > RISES and rates_diverge(curve, nodes.z[-1], nodes.z[far], d):
            return True
    return False


@np.errstate(all="ignore")
def approach(nodes: Nodes, d: Array, part: float, nearer: float = 1e-3) -> int | None:
    """Return the number of the last node farther than `part` from the last of all.

    None if no other one is nearer to it by a factor of `nearer`.
    """
    apart = np.linalg.norm((nodes.z - nodes.z[-1]) / d, axis=1)
    far = int(np.flatnonzero(apart > part)[-1]) if np.any(apart > part) else 0
    after = apart[far + 1 : -1]
    return far if after.size and np.min(after) < nearer * apart[far] else None
