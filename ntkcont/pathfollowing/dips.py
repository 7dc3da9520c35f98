"""What happens twice between two points of a branch: extrema of test functions are probed (criterion: kernels.dips)."""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.dips import dips
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import degenerate, midpoint
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.results.special_points import SpecialPoint

#: Extrema are looked at that come this near to zero, as a fraction of the nearer end's distance.
REACH = 0.9
#: A test function this near to zero, relative to both ends, touches zero at its extremum.
TOUCH = 2e-11
#: Probes within one interval, at most: the extremum is approached superlinearly.
MOST = 24
#: Intervals shorter than this, in scaled arclength, are not probed.
SHORTEST = 1e-6


def suspects(nodes: Nodes, is_map: bool, reach: float = REACH) -> tuple[Array, Array]:
    """Return for every point the fraction of the interval before it at which to look for a dip; nan: nowhere.

    Also how near to zero it comes there, relative to the nearer end; those that come within `reach` are returned.
    """
    k = len(nodes.s)
    at, depth = np.empty(k), np.empty(k)
    p, slope = np.ascontiguousarray(nodes.z[:, -1]), np.ascontiguousarray(nodes.tangent[:, -1])
    s, eigenvalues = np.ascontiguousarray(nodes.s), np.ascontiguousarray(nodes.eigenvalues)
    dips(s, p, slope, eigenvalues, is_map, reach, at, depth)
    return at, depth


def stacked(nodes: list[Node]) -> Nodes:
    """Return nodes as arrays."""
    parts = [Nodes(q.z[None], q.tangent[None], np.array([q.s]), q.eigenvalues[None], q.counts[None]) for q in nodes]
    return concatenate(parts, len(nodes[0].eigenvalues))


def probed(
    curve: Curve, left: Node, right: Node, d: Array, u: float, around: tuple[Node | None, Node | None] = (None, None)
) -> list[Node]:
    """Return both nodes and, between them, probes at the extrema of test functions, the first one at fraction u.

    A probe makes the next estimates more accurate: where they still reach for zero the next one follows.  Where a test
    function is zero, to rounding, signs mean nothing: the probe moves aside.  `around` are the nodes before and after.
    """
    before, after = ([node] if node is not None else [] for node in around)
    chain, i = [left, right], 1
    for _ in range(MOST):
        middle = _beside(curve, chain[i - 1], chain[i], d, min(0.95, max(0.02, u)))
        if middle is None:
            break
        chain.insert(i, middle)
        at, depth = suspects(stacked([*before, *chain, *after]), curve.is_map)
        inside = slice(len(before) + 1, len(before) + len(chain))
        at, depth = at[inside], depth[inside]
        depth[np.diff([node.s for node in chain]) < SHORTEST] = np.inf
        if not np.min(depth) < np.inf:
            break
        i = int(np.argmin(depth))
        u, i = float(at[i]), i + 1
    return chain


def crossing_both_ways(
    chain: list[Node], around: tuple[Node | None, Node | None], is_map: bool
) -> list[tuple[Node, Node, float]]:
    """Return the intervals of a probed chain in which eigenvalues cross in opposite directions, and at which fraction.

    Probing has made each of them short: they do so at one place, or nearly.
    """
    before, after = ([node] if node is not None else [] for node in around)
    at, depth = suspects(stacked([*before, *chain, *after]), is_map)
    m = len(before)
    return [(chain[i - 1], chain[i], float(at[m + i])) for i in range(1, len(chain)) if depth[m + i] == -np.inf]


def _beside(curve: Curve, left: Node, right: Node, d: Array, u: float) -> Node | None:
    """Return the point at fraction u between two nodes, or one beside it if that is itself a special point."""
    for fraction in (u, u + 0.0371):
        middle = midpoint(curve, left, right, d, fraction)
        if middle is not None and not degenerate(middle, d, curve.is_map, (left, right), TOUCH):
            return middle
    return None


def distinct(points: list[SpecialPoint], d: Array, least: float = 1e-9) -> list[SpecialPoint] | None:
    """Return points of the same label that are further apart than `least` (scaled variables), a multiple one once.

    None if simple ones coincide: a test function that touches zero, to rounding, crosses it nowhere.
    """
    kept: list[SpecialPoint] = []
    for point in points:
        same = [q for q in kept if same_place(q, point, d, least)]
        if not same:
            kept.append(point)
        elif point.multiplicity == 1 and same[0].multiplicity == 1:
            return None
    return kept


def same_place(one: SpecialPoint, other: SpecialPoint, d: Array, least: float = 1e-9) -> bool:
    """Whether two points have the same label and are not further apart than `least`, in scaled variables."""
    apart = (np.append(one.x, one.p) - np.append(other.x, other.p)) / d
    return one.label == other.label and float(np.linalg.norm(apart)) <= least
