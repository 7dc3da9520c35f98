"""What happens twice between two points of a branch: extrema of test functions are probed (criterion: kernels.dips)."""

from __future__ import annotations

import itertools

import numpy as np

from ntkcont.kernels.dips import dips
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import midpoint
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.results.special_points import SpecialPoint

#: What extrema are looked at: those at this fraction of the nearer end's distance from zero, or nearer.  Parabolas give
#: the depth of a dip up to a factor of two where the steps resolve its curvature.
REACH = 0.5
#: Once an interval has been probed the estimates are better, and the extremum is followed down.
FOLLOW = 0.9
#: A test function this near to zero (relative to the largest eigenvalue) at its extremum touches zero, to rounding.
TOUCH = 1e-10
#: Probes within one interval: the extremum is approached superlinearly.
MOST = 12
#: Intervals shorter than this, in scaled arclength, are not probed.
SHORTEST = 1e-6


def suspects(nodes: Nodes, is_map: bool, reach: float = REACH) -> Array:
    """Return for every point the fraction of the interval before it at which to look for a dip; nan: nowhere."""
    k = len(nodes.s)
    at, depth = np.empty(k), np.empty(k)
    p, slope = np.ascontiguousarray(nodes.z[:, -1]), np.ascontiguousarray(nodes.tangent[:, -1])
    s, eigenvalues = np.ascontiguousarray(nodes.s), np.ascontiguousarray(nodes.eigenvalues)
    dips(s, p, slope, eigenvalues, is_map, reach, at, depth)
    return at


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
        at = suspects(stacked([*before, *chain, *after]), curve.is_map, FOLLOW)[len(before) : len(before) + len(chain)]
        at[0] = np.nan
        at[1:][np.diff([node.s for node in chain]) < SHORTEST] = np.nan
        found = np.flatnonzero(np.isfinite(at))
        if not len(found):
            break
        i = int(found[0])
        u = float(at[i])
    return chain


def _beside(curve: Curve, left: Node, right: Node, d: Array, u: float) -> Node | None:
    """Return the point at fraction u between two nodes, or one beside it if that is itself a special point."""
    for fraction in (u, u + 0.0371):
        middle = midpoint(curve, left, right, d, fraction)
        if middle is not None and not _touches(middle, (left, right), d, curve.is_map):
            return middle
    return None


def _near_zero(node: Node, d: Array, is_map: bool) -> tuple[int, bool]:
    """Return how many eigenvalues are on the boundary, to rounding, and whether the tangent has no parameter."""
    lam = node.eigenvalues
    distance = np.abs(np.abs(lam) - 1.0) if is_map else np.abs(lam.real)
    size = 1.0 if is_map else float(np.max(np.abs(lam)))
    tau = node.tangent / d
    return int(np.sum(distance <= TOUCH * size)), bool(abs(tau[-1]) <= TOUCH * np.linalg.norm(tau))


def _touches(middle: Node, ends: tuple[Node, Node], d: Array, is_map: bool) -> bool:
    count, vertical = _near_zero(middle, d, is_map)
    return vertical or count > min(_near_zero(end, d, is_map)[0] for end in ends)


def distinct(points: list[SpecialPoint], d: Array, least: float = 1e-9) -> bool:
    """Whether points of the same label are further apart than `least` (scaled variables)."""
    places = [np.append(point.x, point.p) / d for point in points]
    return all(
        points[i].label != points[j].label or np.linalg.norm(places[i] - places[j]) > least
        for i, j in itertools.combinations(range(len(points)), 2)
    )
