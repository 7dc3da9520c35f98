"""Whether a branch whose states grow while its parameter stands still really goes to infinity.

Near a start whose states are tiny a million times as much need not be large: with a small h the branch
h + mu x - x^3 = 0 follows x = -h/mu for a long time, as if it had a pole at mu = 0, before the cube turns it away.  So
points of it much farther out are computed: the parameter must stand still there as well.
"""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve

#: How much farther out the branch is looked at.  Rounding hides terms of the equations only 1e-16 times as large.
FARTHER = (1e1, 1e2, 1e4, 1e8, 1e16, 1e32)
#: The parameter stands still if it moves less than this over all of that, as a fraction of the span: it converges
#: like a power of the state, and what is left of the way is of the size of its present rate, at most 1e-8.
REMAINING = 1e-6


def goes_to_infinity(curve: Curve, z: Array, tau: Array, d: Array) -> bool:
    """Return False if the parameter moves farther out; `tau` is the unit tangent at z, both it and d scaled.

    Where the equations cannot be solved farther out, or overflow, nothing speaks against infinity.
    """
    n = curve.n
    k = int(np.argmax(np.abs(tau[:n])))
    fixed = np.zeros(n + 1)
    fixed[k] = 1.0
    with np.errstate(all="ignore"):
        # each state goes on as a power of the one that grows most
        powers = tau[:n] * d[:n] / z[:n] / (tau[k] * d[k] / z[k])
        powers = np.clip(np.where(np.isfinite(powers), powers, 0.0), -2.0, 1.0)
        new, before = z, 1.0
        for farther in FARTHER:
            guess = np.append(new[:n] * (farther / before) ** powers, new[n])
            scales = np.append(np.maximum(d[:n], np.abs(guess[:n]) * np.sqrt(n)), d[n])
            try:
                new, _ = curve.correct(guess, scales, fixed)
            except Exception:  # the user's function, where it may not be defined
                return True
            if new is None:
                return True
            if abs(new[n] - z[n]) > REMAINING * d[n]:
                return False
            before = farther
    return True
