"""Whether a point lies on a branch that has been followed already."""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve
from ntkcont.results.branch import Branch

#: Farther than this from the interpolated branch, in units of the step there, a point is not on it.
NEAR = 0.02
#: How much closer Newton on the branch must bring it, in the same units.
SAME = 1e-4


class Known:
    """The branches found so far, with the period of their points (1 for flows).

    `base` is the curve of the model itself, not of one of its iterates.
    """

    def __init__(self, base: Curve) -> None:
        self.base = base
        self.branches: list[tuple[Branch, int]] = []

    def add(self, branch: Branch, period: int) -> None:
        """Remember a branch."""
        self.branches.append((branch, period))

    def find(self, curve: Curve, z: Array, d: Array, period: int) -> int | None:
        """Return the index of the branch on which z, a solution, or another point of its orbit lies; None if none."""
        for point in self._orbit(curve, z, period):
            for index, (branch, own) in enumerate(self.branches):
                if period % own == 0 and on_branch(branch, curve, point, d):
                    return index
        return None

    def _orbit(self, curve: Curve, z: Array, period: int) -> list[Array]:
        points = [z]
        for _ in range(period - 1):
            image = self.base.linear(points[-1])[0] + points[-1][: curve.n]  # for maps F = G(x) - x
            points.append(np.append(image, z[-1]))
        return points


def on_branch(branch: Branch, curve: Curve, z: Array, d: Array) -> bool:
    """Whether the solution z of the curve's equations is a point of `branch` (between its points, not beyond)."""
    y = z / d
    points = np.column_stack([branch.x, branch.p]) / d
    chord = np.diff(points, axis=0)
    squares = np.sum(chord**2, axis=1)
    offset = y - points[:-1]
    u = np.einsum("ij,ij->i", chord, offset) / np.maximum(squares, 1e-300)
    off = np.linalg.norm(offset - u[:, None] * chord, axis=1)
    lengths = np.sqrt(squares)
    # the ends of a branch are located to rounding only
    for i in np.flatnonzero((u >= -1e-3) & (u <= 1.0 + 1e-3) & (off <= 0.5 * lengths + 1e-9)).tolist():
        length = float(lengths[i])
        if np.linalg.norm(offset[i]) < 1e-7 or np.linalg.norm(y - points[i + 1]) < 1e-7:
            return True
        guess = _interpolated(branch, i, float(u[i]), d)
        if np.linalg.norm(guess - y) > NEAR * length + 1e-7:
            continue
        if np.linalg.norm(guess - y) < 1e-8:
            return True
        tau = chord[i] / length
        guess = guess + (tau @ (y - guess)) * tau
        exact, first = curve.correct(guess * d, d, tau)
        if exact is None or first > 2.0 * NEAR * length:
            continue
        if np.linalg.norm(exact / d - y) <= max(SAME * length, 1e-7):
            return True
    return False


def _interpolated(branch: Branch, i: int, u: float, d: Array) -> Array:
    """Return the cubic through two points of a branch with their tangents, scaled variables."""
    a, b = (np.append(branch.x[j], branch.p[j]) / d for j in (i, i + 1))
    ds = float(branch.s[i + 1] - branch.s[i])
    ta, tb = (branch.tangent[j] / d * ds for j in (i, i + 1))
    h = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2, u * u * (3 - 2 * u), u * u * (u - 1)
    return h[0] * a + h[1] * ta + h[2] * b + h[3] * tb
