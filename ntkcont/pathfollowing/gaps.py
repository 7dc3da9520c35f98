"""What lies between the special points that were found in an interval, and the ends of it.

The counts at both ends of an interval are explained by one point as well as by it and two others that undo each other.
Each side of a point that was found is therefore an interval of its own, the counts beside the point at its end.  Beside
special points eigenvalues move fast, and the sum of two real ones goes through zero where they have just met: there
what is between is looked at with shorter steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.dips import PAIRS_UP_TO
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Complex, Curve, Node
from ntkcont.pathfollowing.detect import classify, midpoint
from ntkcont.pathfollowing.dips import stacked, suspects
from ntkcont.pathfollowing.firm import firm
from ntkcont.pathfollowing.locate import Bracket
from ntkcont.results.special_points import SpecialPoint

#: How far beside a point its neighbours are, as fractions of the interval: other points may be near.
BESIDE = (1e-2, 1e-3, 1e-4, 1e-5)
#: Shorter gaps, as fractions of the interval, hold nothing that could be told from the point itself.
SHORTEST = 1e-6
#: The cosine of the angle between a branch's directions at two such neighbours is larger than this.
SAME_WAY = 0.5
#: How often a gap is halved beside a point, and where eigenvalues have met or sums of them have changed their signs.
HALVED, CLOSER = 2, 6

#: What is nearest to the boundary is farther from it than it moves in the interval, so many times.
FAR = 3.0

Gap = tuple[Node, Node]
Around = tuple[Node | None, Node | None]


def restless(eigenvalues: Complex, is_map: bool) -> NDArray[np.intp]:
    """Return the points before which neutral saddles may be that no count shows; eigenvalues have shape (points, n).

    There two eigenvalues have met, or two sums of them have changed their signs.  A pair alone has one sum only.
    """
    n = eigenvalues.shape[1]
    if is_map or not 2 < n <= PAIRS_UP_TO:
        return np.empty(0, dtype=np.intp)
    real = np.sum(eigenvalues.imag == 0.0, axis=1)
    i, j = np.triu_indices(n, 1)
    negative = np.sum(eigenvalues.real[:, i] + eigenvalues.real[:, j] < 0.0, axis=1)
    return np.flatnonzero((np.diff(real) != 0) | (np.abs(np.diff(negative)) > 1)) + 1


def quiet(left: Node, right: Node, is_map: bool) -> bool:
    """Whether nothing but what has changed its side between two nodes comes near the boundary there.

    Told by the eigenvalues, and the sums of two, by how far they move from one node to the other.
    """
    before, after = (_beyond(node.eigenvalues, is_map) for node in (left, right))
    stayed = before * after > 0.0
    nearest, moved = np.minimum(np.abs(before), np.abs(after)), np.abs(after - before)
    return bool(np.all(nearest[stayed] > FAR * moved[stayed]))


def _beyond(eigenvalues: Complex, is_map: bool) -> Array:
    """Return how far eigenvalues are beyond the boundary, sorted, and behind them the sums of two."""
    if is_map:
        return np.sort(np.abs(eigenvalues) - 1.0)
    n = len(eigenvalues)
    i, j = np.triu_indices(n if 2 < n <= PAIRS_UP_TO else 1, 1)
    return np.concatenate([np.sort(eigenvalues.real), np.sort(eigenvalues.real[i] + eigenvalues.real[j])])


def gaps(curve: Curve, left: Node, right: Node, d: Array, points: Sequence[SpecialPoint]) -> list[Gap]:
    """Return the intervals between special points, their neighbours on both sides at the ends; none if unsure."""
    ends: list[Node] = [left]
    bracket = Bracket(left, right)
    places = [(bracket.fraction(np.append(point.x, point.p), d)[0], point.label) for point in points]
    places.sort()
    for i, (u, label) in enumerate(places):
        others = [other for k, (other, _) in enumerate(places) if k != i]
        pair = _neighbours(curve, left, right, d, u, label, others)
        if pair is None:
            return []
        ends += pair
    ends.append(right)
    found = []
    for a, b in zip(ends[::2], ends[1::2], strict=True):
        if np.linalg.norm((b.z - a.z) / d) > SHORTEST * np.linalg.norm((right.z - left.z) / d) and b.s > a.s:
            found.append((a, b))
    return found


def _neighbours(
    curve: Curve, left: Node, right: Node, d: Array, u: float, label: str, others: list[float]
) -> list[Node] | None:
    """Return the nodes beside the point at fraction u, the farthest ones between which there is nothing but it.

    Beside a branch point Newton may come to the other branch, whose counts tell of something else.
    """
    apart = min((abs(u - other) for other in others), default=1.0)
    for beside in BESIDE:
        if beside > 0.3 * apart:
            continue
        low, high = u - beside, u + beside
        before = midpoint(curve, left, right, d, low) if low > 0.0 else left
        after = midpoint(curve, left, right, d, high) if high < 1.0 else right
        if before is None or after is None:
            return None
        if classify(before, after, curve.is_map) == label and _same_way(before, after, d):
            return [before, after]
    return None


def _same_way(one: Node, other: Node, d: Array) -> bool:
    """Whether the branch has about the same direction at two points that are close together."""
    tau, rho = one.tangent / d, other.tangent / d
    return float(tau @ rho) > SAME_WAY * float(np.linalg.norm(tau) * np.linalg.norm(rho))


def closer(curve: Curve, gap: Gap, d: Array, beside: bool) -> list[Node]:
    """Return points of the branch from one end of a gap to the other, more where eigenvalues have met.

    `beside`: it is halved a few times in any case.
    """
    chain, always = list(gap), HALVED if beside and curve.n <= PAIRS_UP_TO else 0
    for level in range(CLOSER):
        lam = np.array([node.eigenvalues for node in chain])
        wanted = range(1, len(chain)) if level < always else restless(lam, curve.is_map).tolist()
        if not wanted:
            break
        for i in reversed(wanted):
            middle = midpoint(curve, chain[i - 1], chain[i], d, 0.5 - 0.0417)
            if middle is not None:
                chain.insert(i, middle)
    return chain


def candidates(
    curve: Curve, chain: list[Node], d: Array, around: Around, dips: bool
) -> list[tuple[Node, Node, float | None, Around]]:
    """Return the pieces of a chain in which something happens: counts differ, or there seems to be a dip."""
    before, after = ([node] if node is not None else [] for node in around)
    joined = [*before, *chain, *after]
    at = suspects(stacked(joined), curve.is_map)[0] if dips and len(joined) > 2 else np.full(len(joined), np.nan)
    found = []
    for i, (a, b) in enumerate(itertools.pairwise(chain)):
        u, m = float(at[len(before) + i + 1]), len(before) + i
        if not (np.isfinite(u) or classify(a, b, curve.is_map) is not None) or not firm(curve, a, b, d):
            continue
        beside = joined[m - 1] if m > 0 else None, joined[m + 2] if m + 2 < len(joined) else None
        found.append((a, b, u if np.isfinite(u) else None, beside))
    return found
