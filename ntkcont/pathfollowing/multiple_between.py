"""A branch point with a kernel of several dimensions between two points, found before anything is divided.

Symmetric systems have several eigenvalues that pass zero at one place, in one direction or in both.  Halving an
interval that holds such a point ends in rounding; solving for the place at which the rank drops by more than one does
not.
"""

from __future__ import annotations

import numpy as np

from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Scaled
from ntkcont.pathfollowing.detect import Crossing, midpoint, separate
from ntkcont.pathfollowing.locate import Bracket
from ntkcont.pathfollowing.multiple import on_branch, solve_multiple

#: Singular values of the equations with rows of size 1, at a guess within one step, that may vanish beside it.
SMALL = 0.3
#: Where guesses are made, and how far beside the point its neighbours are, as fractions of the interval.
GUESSES, BESIDE = (0.5, 0.2, 0.8, 0.02, 0.98), 1e-2


def multiple_between(curve: Curve, left: Node, right: Node, d: Array) -> list[Crossing] | None:
    """Return what is between two nodes, the branch point of several dimensions among it; None if there is no such."""
    found = _solve(curve, left, right, d)
    if found is None:
        return None
    z, m = found
    bracket = Bracket(left, right)
    u = bracket.fraction(z, d)[0]
    before, after = (
        midpoint(curve, left, right, d, fraction) if 0.0 < fraction < 1.0 else end
        for fraction, end in ((u - BESIDE, left), (u + BESIDE, right))
    )
    if before is None or after is None:
        return None
    chord = (after.z - before.z) / d
    at, _ = curve.node(np.ascontiguousarray(z), d, chord / np.linalg.norm(chord), bracket.s_of(z, d))
    here = Crossing("BP", before, after, m, at=at)
    return [*separate(curve, left, before, d), here, *separate(curve, after, right, d)]


def _solve(curve: Curve, left: Node, right: Node, d: Array) -> tuple[Array, int] | None:
    """Return the point and by how much the rank drops there."""
    n, bracket = curve.n, Bracket(left, right)
    if n < 2:
        return None
    for u in GUESSES:
        guess = left.z + u * (right.z - left.z)
        jacobian = Scaled(curve, d).equilibrated(guess / d).residual_and_jacobian(guess / d)[1]
        if not np.all(np.isfinite(jacobian)):
            continue
        small = int(np.sum(svd(jacobian, compute_uv=False) < SMALL))
        for m in range(min(small, n), 1, -1):
            found = solve_multiple(curve, guess, d, m)
            if found is not None and bracket.holds(found.z, d) and on_branch(curve, found.z, (left.z, right.z)):
                return found.z, m
    return None
