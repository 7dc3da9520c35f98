"""Whether a point lies on a branch that has been followed already."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve
from ntkcont.results.branch import Branch

#: Farther than this from the interpolated branch, in units of the step there, a point may belong to another one.
NEAR = 0.002
#: How much closer Newton on the branch must bring it, in the same units.
SAME = 1e-4
#: Farther from the middle of the cubic than this, in the same units, a point belongs to another branch.
FAR = 0.25
#: How often a piece of a branch is halved where the cubic is not exact.
HALVINGS = 8


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
        for point in self.orbit(z, period):
            for index, (branch, own) in enumerate(self.branches):
                if period % own == 0 and on_branch(branch, curve, point, d):
                    return index
        return None

    def orbit(self, z: Array, period: int) -> list[Array]:
        """Return z = (x, p) and what follows it under the map, `period` points together."""
        points = [z]
        for _ in range(period - 1):
            image = self.base.linear(points[-1])[0] + points[-1][:-1]  # for maps F = G(x) - x
            points.append(np.append(image, z[-1]))
        return points


def on_branch(branch: Branch, curve: Curve, z: Array, d: Array) -> bool:
    """Whether the solution z of the curve's equations is a point of `branch` (between its points, not beyond).

    In units d of z, and in those in which the branch was followed: a step that is straight in these may be a wide bend
    in units of a point near the origin.
    """
    own = [np.maximum(d, scale) for scale in _scales(branch, d)]
    return any(_on_branch(branch, curve, z, d, units) for units in np.unique([d, *own], axis=0))


def _scales(branch: Branch, d: Array) -> list[Array]:
    found = [np.asarray(scale, dtype=float) for scale in branch.provenance.get("scales", {}).values()]
    return [scale for scale in found if scale.shape == d.shape]


def _on_branch(branch: Branch, curve: Curve, z: Array, d: Array, units: Array) -> bool:
    y = z / units
    points = np.column_stack([branch.x, branch.p]) / units
    chord = np.diff(points, axis=0)
    squares = np.sum(chord**2, axis=1)
    offset = y - points[:-1]
    u = np.einsum("ij,ij->i", chord, offset) / np.maximum(squares, 1e-300)
    off = np.linalg.norm(offset - u[:, None] * chord, axis=1)
    for i in np.flatnonzero(_beside(u, off, np.sqrt(squares))).tolist():
        ds = float(branch.s[i + 1] - branch.s[i])
        ends = points[i], branch.tangent[i] / units * ds, points[i + 1], branch.tangent[i + 1] / units * ds
        if _on_piece(_Piece(*ends), curve, y, units, d, HALVINGS):
            return True
    return False


def _beside(u: Any, off: Any, length: Any) -> Any:
    """Whether points are beside chords: the ends of a branch are located to rounding only."""
    return (u >= -1e-3) & (u <= 1.0 + 1e-3) & (off <= 0.5 * length + 1e-9)


class _Piece(NamedTuple):
    """Two neighbouring points of a branch with their tangents, as long as the way between them; scaled variables."""

    a: Array
    ta: Array
    b: Array
    tb: Array

    def at(self, u: float) -> Array:
        """Return the point of the cubic, 0 <= u <= 1."""
        h = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2, u * u * (3 - 2 * u), u * u * (u - 1)
        return h[0] * self.a + h[1] * self.ta + h[2] * self.b + h[3] * self.tb


def _on_piece(piece: _Piece, curve: Curve, y: Array, units: Array, d: Array, halvings: int) -> bool:
    """Whether the solution y is on this piece of the branch; both are in `units`, near in units d counts."""

    def apart(one: Array) -> float:
        return float(np.linalg.norm((one - y) * (units / d)))

    if min(apart(piece.a), apart(piece.b)) < 1e-7:
        return True
    chord = piece.b - piece.a
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return False
    tau = chord / length
    u = float(tau @ (y - piece.a)) / length
    if not _beside(u, np.linalg.norm(y - piece.a - u * chord), length):
        return False
    guess = piece.at(u)
    if apart(guess) < 1e-8:
        return True
    off = float(np.linalg.norm(guess - y))
    guess = guess + (tau @ (y - guess)) * tau
    exact, first = curve.correct(guess * units, units, tau)
    if exact is None or apart(exact / units) > max(SAME * length, 1e-7):
        return False
    if off <= NEAR * length + 1e-7 and first <= 2.0 * NEAR * length + 1e-7:
        return True
    # Newton came here from far away: the cubic is not exact, as where the curvature jumps, or this is another branch
    halves = _halves(piece, curve, units) if halvings else ()
    return any(_on_piece(half, curve, y, units, d, halvings - 1) for half in halves)


def _halves(piece: _Piece, curve: Curve, units: Array) -> tuple[_Piece, ...]:
    """Return the two halves of a piece; none if no point of the branch is found there."""
    chord = piece.b - piece.a
    length = float(np.linalg.norm(chord))
    guess = piece.at(0.5)
    exact, first = curve.correct(guess * units, units, chord / length)
    if exact is None or first > FAR * length:
        return ()
    _, a, fq = curve.system(exact)
    try:
        tangent = np.linalg.solve(
            np.vstack([np.column_stack([a, fq]) * units, chord]), np.append(np.zeros(curve.n), 1.0)
        )
    except np.linalg.LinAlgError:
        return ()
    tangent, middle = np.asarray(tangent, dtype=np.float64), exact / units

    def between(one: Array, t_one: Array, two: Array, t_two: Array) -> _Piece:
        way = np.linalg.norm(two - one)
        return _Piece(one, t_one * (way / np.linalg.norm(t_one)), two, t_two * (way / np.linalg.norm(t_two)))

    return between(piece.a, piece.ta, middle, tangent), between(middle, tangent, piece.b, piece.tb)
