"""Whether a branch whose states grow while its parameter stands still really goes to infinity.

Near a start whose states are tiny a million times as much need not be large: with a small h the branch
h + mu x - x^3 = 0 follows x = -h/mu for a long time, as if it had a pole at mu = 0, before the cube turns it away.  So
points of it much farther out are computed: the parameter must stand still there as well, and nothing may happen on the
way.
"""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE, TANGENT_SIGN, UNSURE
from ntkcont.models.model import Array
from ntkcont.models.switching import Pieces
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.firm import LAST_DIGITS, firm

#: How much farther out the branch is looked at: a state of 1e-40 has far to go.
FARTHER = tuple(
    10.0**power for power in (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 48, 64, 96, 128, 192, 256)
)
#: It need not be farther than this, once the state is so large: products of such numbers overflow.
ENOUGH, LARGE = 1e32, 1e40
#: The parameter stands still if it moves less than this over all of that, as a fraction of the span: it converges
#: like a power of the state, and what is left of the way is of the size of its present rate, at most 1e-8.
REMAINING = 1e-6
#: Signs of derivatives count where the parameter still moves by this part of itself: rounding makes the others.
VISIBLE = 1e-13


def _made_of_rounding(curve: Curve, z: Array) -> bool:
    """Whether F at z is what the last digits of z may make of it."""
    f, a, fq = curve.system(z)
    terms = np.abs(a) @ np.abs(z[:-1]) + np.abs(fq * z[-1])
    return bool(np.all(np.abs(f) <= LAST_DIGITS * terms))


def goes_to_infinity(curve: Curve, z: Array, tau: Array, d: Array, span: tuple[float, float]) -> bool:
    """Return False if something happens farther out, or the branch leaves the span; `tau` is the unit tangent at z.

    Where the equations overflow, nothing speaks against infinity.
    """
    n = curve.n
    pieces = None if curve.model.switching is None else Pieces(curve.model, curve.p0, curve.direction)
    k = int(np.argmax(np.abs(tau[:n])))
    fixed = np.zeros(n + 1)
    fixed[k] = np.sign(tau[k])
    with np.errstate(all="ignore"):
        # each state goes on as a power of the one that grows most, and so does a parameter on its way to zero
        powers = tau * d / z / (tau[k] * d[k] / z[k])
        powers = np.clip(np.where(np.isfinite(powers), powers, 0.0), -2.0, 1.0)
        new, before = z, 1.0
        here, _ = curve.node(np.ascontiguousarray(z), d, fixed, 0.0)
        for farther in FARTHER:
            if farther > ENOUGH and abs(new[k]) > LARGE:
                break
            guess = new * (farther / before) ** powers
            scales = np.append(np.maximum(d[:n], np.abs(guess[:n]) * np.sqrt(n)), d[n])
            try:
                if not all(np.all(np.isfinite(part)) for part in curve.system(guess)):
                    return True
                there, _ = curve.correct(guess, scales, fixed)
            except Exception:  # the user's function, where it may not be defined
                return True
            if there is None and _made_of_rounding(curve, guess):
                return True  # no parameter is a better one, and none will be farther out
            if there is None or not span[0] <= there[n] <= span[1] or abs(there[n] - z[n]) > REMAINING * d[n]:
                return False
            if pieces is not None and np.any(pieces.arguments(there) * pieces.arguments(z) < 0.0):
                return False  # other equations begin before that
            node, _ = curve.node(there, scales, fixed, 0.0)
            same = np.array_equal(node.counts[[N_UNSTABLE, TANGENT_SIGN]], here.counts[[N_UNSTABLE, TANGENT_SIGN]])
            speaks = abs(there[n] - z[n]) > VISIBLE * abs(z[n]) and not same and node.counts[UNSURE] == 0
            # so far out an entry of the Jacobian may be the rounding of its terms, and the counts with it
            if speaks and firm(curve, here, node, scales):
                return False
            new, before = there, farther
    return True
