"""Coefficients that vanish: those of a fold and of a pitchfork, against what the equations do farther away.

A coefficient that is a single term is never small against its own terms, and at a degenerate point, which is located to
a root of rounding only, it is not exactly zero either.  What tells is how much the critical eigenvalue changes along
its vector: where terms of higher order make it change a million times as much as the coefficient says, at 1 % of the
diagram, the coefficient is that of a degenerate point within the accuracy of its location.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.normal_forms.derivatives import Derivatives
from ntkcont.normal_forms.local import Critical

#: What is looked at, as a fraction of the diagram, and the coefficient's least share of what happens there.
AWAY, SHARE = 1e-2, 1e-6
#: Where branches touch nothing of the first or second order fixes the place along them: it is known to the cube root
#: of rounding, 1e-6 of a unit of length, and over that distance b11 changes by this share of its change at 1 %.
FLAT = 1e-4

Jacobian = Callable[[Any], Any]


def growth(jacobian: Jacobian, x: Any, critical: Critical, distance: float) -> float:
    """Return how much the critical eigenvalue changes, to first order, over a distance along its vector; 0 if unknown.

    The larger of both directions counts.
    """
    q, p = np.real(critical.q), np.real(critical.p)
    here = jacobian(x) @ q
    with np.errstate(all="ignore"):  # the equations need not be defined so far away
        changes = [abs(float(p @ (jacobian(x + step * q) @ q - here))) for step in (distance, -distance)]
    return max((change for change in changes if np.isfinite(change)), default=0.0)


def fold_is_degenerate(form: dict[str, Any], jacobian: Jacobian, x: Any, critical: Critical, tangent: Any) -> bool:
    """Whether the quadratic coefficient of a fold is that of a point with a = 0."""
    distance = AWAY * float(np.linalg.norm(tangent[:-1]))
    return distance > 0.0 and 2.0 * abs(form["a"]) * distance <= SHARE * growth(jacobian, x, critical, distance)


def crossing_is_degenerate(
    form: dict[str, Any], derivatives: Callable[[Any], Derivatives], x: Any, critical: Critical, tangent: Any
) -> bool:
    """Whether b11 is that of a point with b11 = 0, as where branches touch: of what it is at 1 % of the diagram."""
    q, p = np.append(np.real(critical.q), 0.0), np.real(critical.p)
    unit = np.append(np.zeros(len(x)), 1.0)
    step = AWAY * float(np.linalg.norm(tangent[:-1])) * q[:-1]
    with np.errstate(all="ignore"):  # the equations need not be defined so far away
        here, *beside = (float(p @ derivatives(x + sign * step).second(q, unit)) for sign in (0.0, 1.0, -1.0))
        changes = [abs(value - here) for value in beside]
    return abs(form["b11"]) <= FLAT * max((change for change in changes if 0.0 < change < np.inf), default=-np.inf)


def pitchfork_is_degenerate(form: dict[str, Any], jacobian: Jacobian, x: Any, critical: Critical, tangent: Any) -> bool:
    """Whether the cubic coefficient of a pitchfork is that of a point with b30 = 0.

    The distance is that at which terms of any order balance 1 % of the parameter's range.
    """
    rate = AWAY * abs(float(form["b11"] * tangent[-1]))
    if rate == 0.0:
        return False
    for distance in 10.0 ** np.arange(-9.0, 10.0):
        change = growth(jacobian, x, critical, float(distance))
        if change >= rate:
            return 0.5 * abs(form["b30"]) * distance**2 <= SHARE * change
    return False
