"""The units in which what happens between two points of a branch is measured: those of these points, no others."""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node

#: An interval of a usual step, 0.02 long, is measured in the scales of that step; a shorter one in smaller units.
USUAL = 50.0
#: A parameter this small beside its unit is measured by what it is, though not by less than this part of the unit.
FAR_SMALLER, LEAST = 1e-3, 1e-8


def local_units(curve: Curve, left: Node, right: Node, d: Array) -> Array:
    """Return the units (n+1,) of the interval between two nodes; `d` are the scales with which it was stepped over.

    A state is as large as it is, or as a usual step would carry it.  The unit of the parameter, for which `d` has the
    width of the whole span, is what it is, or how fast it moves.
    """
    n = curve.n
    way = np.abs(right.z - left.z)
    length = float(np.linalg.norm(way / d))
    size = np.maximum(np.abs(left.z), np.abs(right.z))
    states = size[:n] * np.sqrt(n)
    if curve.model.homogeneous:
        states[:] = np.max(states)
    shorter = d[:n] * min(1.0, USUAL * length)
    # where it turns back it does so within a quarter of the interval's length, in units of its speed at the ends
    speed = max(abs(left.tangent[n]), abs(right.tangent[n]), way[n] / max(length, 1e-300))
    return np.append(np.maximum(states, shorter), min(d[n], max(size[n], speed)))


def own_units(z: Array, d: Array) -> Array:
    """Return the units `d` with that of the parameter made as small as the parameter is in z.

    What was found in units of a long interval is known to a part of its length, which may be far more than that.
    """
    size = abs(float(z[-1]))
    return np.append(d[:-1], max(size, LEAST * d[-1]) if 0.0 < size < FAR_SMALLER * d[-1] else d[-1])
