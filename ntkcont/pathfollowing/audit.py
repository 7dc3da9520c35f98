"""A branch checks itself: whatever changes between accepted points must be explained by a listed point."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.spectrum import N_UNSTABLE, TANGENT_SIGN, UNSURE
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Node
from ntkcont.pathfollowing.detect import SIDE_BRANCH
from ntkcont.results.doubtful import UNKNOWN, Doubtful
from ntkcont.results.special_points import SpecialPoint

#: A point of the branch this near to a special one, as a fraction of the way to its neighbours, is on it.
ON_IT = 1e-3
#: Why two points may be on two branches.
ELSEWHERE = "short steps from one point do not lead to the next: this may be another branch, which passes very near"
#: A branch that comes to one place again within so many points has not been anywhere else.
ON_THE_SPOT = 2
#: By how much the number of unstable eigenvalues changes at a simple point.
CHANGES = {"LP": 1, "BP": 1, "PD": 1, "H": 2, "NS": 2, "NSad": 0, "UZ": 0, "EP": 0}

Counts = NDArray[np.int64]


def explains(points: Sequence[SpecialPoint], unstable: int, turned: bool) -> bool:
    """Whether special points can change the number of unstable eigenvalues by that much, and turn the parameter."""
    outcomes = {(0, False)}
    for point in points:
        if point.label not in CHANGES:
            return True  # a border collision: eigenvalues jump
        step, m = CHANGES[point.label], point.multiplicity
        changes = range(-step * m, step * m + 1, 2 * step) if step else (0,)
        ways = {(change, point.label == "LP") for change in changes}
        if point.label == "BP":  # a branch may turn back where it touches another one; its eigenvalue then touches zero
            ways |= {(change, True) for change in (*changes, 0)}
        if point.label == "LP":  # a pair that crosses at a double zero eigenvalue has no record of its own there
            ways |= {(change, True) for change in (-2, 0, 2) if np.min(np.abs(point.eigenvalues)) == 0.0}
        outcomes = {(a + b, s != t) for a, s in outcomes for b, t in ways}
    return (unstable, turned) in outcomes


def from_side_branch(points: list[SpecialPoint], left: Node, right: Node, d: Array) -> list[SpecialPoint]:
    """Return the points between two nodes without folds that are the branch point beside them, seen closely.

    On the side branch of a pitchfork rounding puts the turning point anywhere beside it.  What changes from one node
    to the other must be explained by the rest.
    """
    places = [np.append(point.x, point.p) / d for point in points]
    crossed = [at for at, point in zip(places, points, strict=True) if point.label == "BP"]
    rest = [
        point
        for at, point in zip(places, points, strict=True)
        if point.label != "LP" or all(np.linalg.norm(at - one) > SIDE_BRANCH for one in crossed)
    ]
    by = right.counts - left.counts
    return rest if explains(rest, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN])) else points


def sure(s: NDArray[np.float64], counts: Counts, points: Sequence[SpecialPoint]) -> NDArray[np.intp]:
    """Return the points of a branch whose counts mean something: none that lies on a special point."""
    good = counts[:, UNSURE] <= np.min(counts[:, UNSURE])
    for point in points:
        i = int(np.searchsorted(s, point.s))
        for k in (i - 1, i):
            if 0 <= k < len(s):
                way = s[min(k + 1, len(s) - 1)] - s[max(k - 1, 0)]
                good[k] &= abs(point.s - s[k]) > ON_IT * way
    return np.flatnonzero(good)


def unexplained(
    s: NDArray[np.float64], counts: Counts, points: Sequence[SpecialPoint]
) -> list[tuple[int, int, list[SpecialPoint]]]:
    """Return the pairs of points of a branch between which something changes that no special point explains.

    Also the special points that lie there.
    """
    known = sure(s, counts, points)
    by = np.diff(counts[known][:, [N_UNSTABLE, TANGENT_SIGN]], axis=0)
    where = np.any(by != 0, axis=1)
    places = np.array([point.s for point in points])
    between = np.clip(np.searchsorted(s[known], places) - 1, 0, max(len(by) - 1, 0)) if len(by) else []
    where[between] = True
    found = []
    for k in np.flatnonzero(where).tolist():
        i, j = int(known[k]), int(known[k + 1])
        inside = [point for point in points if s[i] <= point.s <= s[j]]
        if not explains(inside, int(by[k, 0]), bool(by[k, 1])):
            found.append((i, j, inside))
    return found


def passed_twice(
    s: NDArray[np.float64], points: Sequence[SpecialPoint]
) -> list[tuple[int, int, SpecialPoint, SpecialPoint]]:
    """Return the pairs of branch points that a branch passes one after the other, and the points of it just after them.

    A branch does not turn on the spot: if both are one place a step has led to the other branch that crosses there.
    """
    crossed = sorted((q for q in points if q.label == "BP" and q.converged), key=lambda point: point.s)
    pairs = [(*(int(np.searchsorted(s, q.s)) for q in pair), *pair) for pair in itertools.pairwise(crossed)]
    return [(i, j, one, other) for i, j, one, other in pairs if 0 < j - i <= ON_THE_SPOT and j < len(s)]


def looked_at_again(
    pieces: Sequence[Node], between: Callable[[Node, Node], list[SpecialPoint]]
) -> list[SpecialPoint] | None:
    """Return the special points in short pieces of an interval; None if they do not explain what happens in it."""
    points = [point for a, b in itertools.pairwise(pieces) for point in between(a, b)]
    by = pieces[-1].counts - pieces[0].counts
    established = all(point.converged for point in points)
    return points if established and explains(points, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN])) else None


def doubt(left: Node, right: Node, tried: str) -> Doubtful:
    """Return the record of an interval in which something changes that could not be explained."""
    by = right.counts - left.counts
    what = []
    if by[N_UNSTABLE]:
        what.append(f"the number of unstable eigenvalues changes by {int(by[N_UNSTABLE]):+d}")
    if by[TANGENT_SIGN]:
        what.append("the free parameter turns back")
    what = what or ["nothing changes, though special points were found"]
    middle = 0.5 * (left.z + right.z)
    return Doubtful(
        label=UNKNOWN, bracket=(left.s, right.s), p=float(middle[-1]), x=middle[:-1], tried=tried,
        reason=" and ".join(what) + ", and no special point explains it",
    )  # fmt: skip


def narrower(left: Node, right: Node, steps: int) -> Doubtful:
    """Return the record of an interval in which short steps show something that could not be established."""
    middle = 0.5 * (left.z + right.z)
    return Doubtful(
        label=UNKNOWN, bracket=(left.s, right.s), p=float(middle[-1]), x=middle[:-1], tried=f"{steps} short steps",
        reason="eigenvalues or the direction of the branch change between short steps, in a place narrower than one "
        "step, and no special point was established there",
    )  # fmt: skip


def leads_elsewhere(left: Node, right: Node) -> Doubtful:
    """Return the record of an interval from whose beginning short steps do not lead to its end."""
    middle = 0.5 * (left.z + right.z)
    return Doubtful(
        label=UNKNOWN, bracket=(left.s, right.s), p=float(middle[-1]), x=middle[:-1], tried="short steps",
        reason=ELSEWHERE,
    )  # fmt: skip


def may_have_jumped(place: Doubtful) -> bool:
    """Whether the points on both sides of a doubtful place may be on two branches."""
    return place.label == "BP" or place.reason == ELSEWHERE
