"""Where a test function along a curve in two parameters may vanish twice between two of its points.

Its sign is then the same at both ends.  It shows in the parabola through the ends and one point beside them or between
them: where that has an extremum inside which reaches far enough towards zero, a point of the curve is put there, and
the next parabola is closer.  Only a change of sign that is found in this way counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntkcont.pathfollowing.critical_point import CriticalNode

#: An extremum is looked at that comes this near to zero, as a fraction of the nearer end's value.
REACH = 0.9
#: Probes of one extremum, at most.
MOST = 12
#: Intervals shorter than this, in scaled arclength, are not probed.
SHORTEST = 1e-6

Value = Callable[[CriticalNode], float]


def extremum(value: Value, three: tuple[CriticalNode, CriticalNode, CriticalNode]) -> float | None:
    """Return the arclength at which the parabola through three nodes comes nearest to zero, or goes beyond it."""
    f = np.array([value(node) for node in three])
    s = np.array([node.s for node in three])
    if not np.all(np.isfinite(f)) or not (np.all(f > 0.0) or np.all(f < 0.0)):
        return None
    f = np.abs(f)
    h, k = s[1] - s[0], s[2] - s[1]
    left, right = (f[1] - f[0]) / h, (f[2] - f[1]) / k
    curvature = (right - left) / (h + k)
    if curvature <= 0.0:
        return None
    slope = (left * k + right * h) / (h + k)
    t = -slope / (2.0 * curvature)
    if not -h < t < k:
        return None
    nearer = min(f[1], f[2] if t >= 0.0 else f[0])
    return float(s[1] + t) if f[1] - slope * slope / (4.0 * curvature) <= REACH * nearer else None


def sign_change(
    value: Value,
    ends: tuple[CriticalNode, CriticalNode],
    s: float,
    at: Callable[[CriticalNode, CriticalNode, float], CriticalNode | None],
    matters: Callable[[CriticalNode], bool],
) -> CriticalNode | None:
    """Return a node between two others at which `value` has the other sign, sought from arclength s on; or None.

    `at` computes points of the curve, `matters` says whether a value is more than rounding.
    """
    left, right = ends
    sign = value(left) > 0.0
    for _ in range(MOST):
        length = right.s - left.s
        if length < SHORTEST:
            return None
        middle = at(left, right, float(np.clip((s - left.s) / length, 0.02, 0.98)))
        if middle is None or not left.s < middle.s < right.s or not np.isfinite(value(middle)):
            return None
        if (value(middle) > 0.0) != sign:
            return middle if matters(middle) else None
        closer = extremum(value, (left, middle, right))
        if closer is None:
            return None
        s = closer
        left, right = (left, middle) if s < middle.s else (middle, right)
    return None
