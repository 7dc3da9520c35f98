"""Places where the equations have a pole: eigenvalues go through infinity there, and nothing bifurcates."""

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
#: Approaching a pole of order one the Jacobian grows by ten for every tenth of the distance; a root grows by less.
ORDER = 0.7


def _jacobian(curve: Curve, z: Array) -> Array:
    """Return the sizes of the entries of [F_x, F_q]."""
    with np.errstate(all="ignore"):
        _, a, fq = curve.system(z)
    return np.abs(np.column_stack([a, fq]))


def pole_between(curve: Curve, left: Node, right: Node, d: Array) -> Node | None:
    """Return a point of the branch just before a pole between two of its points; None if there is no pole."""
    sizes = np.maximum(_jacobian(curve, left.z), _jacobian(curve, right.z))
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
    near = _jacobian(curve, a.z)
    grown = near / np.maximum(sizes, 1e-12 * np.max(sizes) + 1e-300)
    goes_on = near / np.maximum(_jacobian(curve, halfway.z), 1e-300)
    poles = (grown > GROWTH) & (near < OVERFLOW) & (goes_on > GOES_ON)
    return a if np.any(poles) else None


def ends_at_pole(curve: Curve, nodes: Nodes, d: Array) -> bool:
    """Whether the Jacobian grows without bound where steps have become too short to go on, as at a pole."""
    if len(nodes.s) < 4:
        return False
    apart = np.linalg.norm((nodes.z - nodes.z[-1]) / d, axis=1)
    near, far = (int(np.flatnonzero(apart > part)[-1]) if np.any(apart > part) else 0 for part in (1e-4, 1e-2))
    if not apart[far] > 3.0 * apart[near] > 0.0:
        return False
    one, other = _jacobian(curve, nodes.z[near]), _jacobian(curve, nodes.z[far])
    if not (np.all(np.isfinite(one)) and np.all(np.isfinite(other))) or np.max(one) > OVERFLOW:
        return False
    grown = float(np.max(one / np.maximum(other, 1e-12 * np.max(other) + 1e-300)))
    return grown > (apart[far] / apart[near]) ** ORDER
