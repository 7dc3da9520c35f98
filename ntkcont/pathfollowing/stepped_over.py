"""What lies between two points and is narrower than the step from one to the other.

The counts at both ends say nothing of it, nor do the test functions there.  But the tangents around it are not what
those of their neighbours say (criterion: kernels.smoothness).  There the branch is followed again from one point to the
other, in short steps.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.smoothness import NEEDED, apart_by, not_smooth
from ntkcont.kernels.spectrum import N_UNSTABLE, PAIRS, TANGENT_SIGN
from ntkcont.kernels.stepping import DS_MAX, S
from ntkcont.models.model import Array
from ntkcont.pathfollowing.audit import explains
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import SIDE_BRANCH, classify
from ntkcont.pathfollowing.dips import stacked, suspects
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.stepper import Stepper
from ntkcont.results.special_points import SpecialPoint

#: Up to this many states: eigenvalues at every short step cost too much beyond.
UP_TO = 64
#: Up to so many eigenvalues the coefficients of their polynomial are looked at: of more one hides the others.
POLYNOMIAL_UP_TO = 8
#: Something is off by this part of itself, at least; between short steps what is narrower than these is near.
LEAST, NEARER = 1e-5, 1e-5
#: Something stands out if it is so many times what rounding does to it.
ABOVE = 10.0
#: What a point is known to, in units of its numbers and of the scales.
LAST_DIGITS, NEWTON = 64.0 * float(np.finfo(float).eps), 1e-11
#: Length of the short steps, as a part of that of the interval; so many of them, then longer ones, and the most of all.
SHORT, SHORT_ONES, LONGER, MOST = 0.1, 24, 0.25, 200
#: How often what is between two of them is divided once more, until there are so many points.
DEPTH, IN_ALL = 2, 100
#: Where more seems to happen in one interval it is rounding.
AT_MOST = 24
#: Test functions that come this near to zero between two of them, as a fraction of the nearer end, are looked at.
REACH = 0.3
#: The last of them must come back to the branch: so near, as a part of the interval.
ARRIVED = 0.05
#: Points of the last chunk that are looked at with the next one: what is beside them was not known.
KEPT = 2 * NEEDED + 1


@dataclasses.dataclass
class Recent:
    """The last points that were looked at, and where intervals begin that were not."""

    nodes: Nodes | None = None
    since: float = -np.inf

    def rough(
        self, curve: Curve, before: Node | None, d: Array, nodes: Nodes, final: bool
    ) -> list[tuple[Node, Node, Array]]:
        """Return the intervals (with their scales) in which there is something narrow, and remember the last points.

        `before`, in the scales `d`, is the node before the first ones; `final`: no more points will come.
        """
        earlier, at_start = self.nodes, self.nodes is None
        if earlier is None and before is not None and before.s < nodes.s[0]:  # beside a start it may be ahead
            earlier = dataclasses.replace(stacked([before]), scales=d[None])
        joined = nodes if earlier is None else concatenate([earlier, nodes], curve.n, scales=True)
        k = len(joined.s)
        rough = _rough(curve, joined, LEAST)
        # of the two points at an end nothing is foretold, but what is beside them shows in the second step
        if at_start and k > 2:
            rough[0] |= rough[1]
        if final and k > 2:
            rough[-1] |= rough[-2]
        last = k - 1 if final else k - 1 - NEEDED  # of later ones the points that tell what is usual are not known
        found = [
            (joined[int(i) - 1], joined[int(i)], joined.scales_at(int(i)))
            for i in np.flatnonzero(rough) + 1
            if i <= last and joined.s[i - 1] >= self.since
        ]
        if last > 0:
            self.since = float(joined.s[last])
        self.nodes = joined.tail(KEPT)
        return found

    def still(self, points: Sequence[SpecialPoint]) -> list[SpecialPoint]:
        """Return the points that lie between nodes which are looked at once more."""
        return [q for q in points if self.nodes is not None and q.bracket[1] >= self.nodes.s[0]]


def _rough(curve: Curve, nodes: Nodes, least: float) -> NDArray[np.bool_]:
    """Return the steps in which, or at an end of which, something is not smooth, and not only rounding."""
    n, m = curve.n if curve.n <= POLYNOMIAL_UP_TO else 0, curve.n + 1
    off = np.empty((len(nodes.s), 2 * m + n))
    parts = nodes.z, nodes.tangent, nodes.all_scales(), nodes.eigenvalues[:, :n]
    not_smooth(*(np.ascontiguousarray(each) for each in parts), least, off)
    at: NDArray[np.bool_] = np.any(off[:, : m + n] > 0.0, axis=1)
    over: NDArray[np.bool_] = np.any(off[:, m + n :] > 0.0, axis=1)
    for i in np.flatnonzero(at):
        at[i] = bool(np.any(off[i, : m + n] > ABOVE * _rounding(curve, nodes[int(i)], nodes.scales_at(int(i)), n)))
    for i in np.flatnonzero(over):
        places = _rounding_of_place(nodes[int(i) - 1], nodes[int(i)], nodes.scales_at(int(i)))
        over[i] = bool(np.any(off[i, m + n :] > ABOVE * places))
    return np.logical_or.reduce([at[1:], at[:-1], over[1:]])


def _rounding(curve: Curve, node: Node, d: Array, n: int) -> Array:
    """Return how different direction and eigenvalues are at points that are equal to a node for a Newton iteration."""
    least = np.zeros(curve.n + 1 + n)
    for sign in (1.0, -1.0):
        slack = LAST_DIGITS * np.abs(node.z) + NEWTON * d
        signs = np.where(np.arange(curve.n + 1) % 2, sign, 1.0)
        there = curve.node(node.z + signs * slack, d, node.tangent / d, node.s)[0]
        off = np.empty_like(least)
        eigenvalues = np.array([node.eigenvalues[:n], there.eigenvalues[:n]])
        apart_by(np.array([node.tangent, there.tangent]), np.ascontiguousarray(d), eigenvalues, off)
        least = np.fmax(least, off)
    return least


def _rounding_of_place(left: Node, right: Node, d: Array) -> Array:
    """Return what rounding does to the way between two nodes, as a part of how far their tangents lead."""
    length = float(np.linalg.norm((right.z - left.z) / d))
    leads = np.maximum(*(length * np.abs(each.tangent) / np.linalg.norm(each.tangent / d) for each in (left, right)))
    slack = LAST_DIGITS * np.abs(right.z) + NEWTON * d
    with np.errstate(divide="ignore", over="ignore"):
        return 2.0 * slack / leads  # inf where nothing moves


def followed_again(
    curve: Curve, left: Node, right: Node, d: Array, logs: Array, settings: ContinuationSettings, depth: int = 0
) -> list[Node] | None:
    """Return points of the branch from `left` to `right`, both included, until the tangents at them are smooth.

    None if short steps do not lead there.
    """
    chain = _in_short_steps(curve, left, right, d, logs, settings)
    if chain is None or depth == DEPTH:
        return chain
    nodes = stacked(chain)
    if len(chain) > SHORT_ONES:
        return chain  # a long way round: it has been resolved
    rough = _rough(curve, dataclasses.replace(nodes, scales=np.tile(d, (len(chain), 1))), NEARER)
    whole = chain[:1]
    for (a, b), again in zip(itertools.pairwise(chain), rough, strict=True):
        finer = None
        if again and len(whole) < IN_ALL:
            finer = followed_again(curve, a, b, d, logs, settings, depth + 1)
        whole += [b] if finer is None else finer[1:]
    return whole


def _in_short_steps(
    curve: Curve, left: Node, right: Node, d: Array, logs: Array, settings: ContinuationSettings
) -> list[Node] | None:
    """Return points of the branch from `left` to `right`, both included, in short steps; None: they lead elsewhere.

    Arclength is that of the points at the ends, though the way may be longer.
    """
    length = float(np.linalg.norm((right.z - left.z) / d))
    if not 0.0 < length < np.inf:
        return None
    least = min(settings.ds_min, 1e-3 * length)
    steps = dataclasses.replace(settings, ds=SHORT * length, ds_max=SHORT * length, ds_min=least)
    stepper = Stepper(curve, left, d, (-np.inf, np.inf), steps, logs=logs)
    stepper.control[S] = left.s
    chain = [left]
    while len(chain) < MOST:
        nodes, status, _ = stepper.advance(SHORT_ONES)
        for i in range(len(nodes.s)):
            if _leads_over(chain[-1].z, nodes.z[i], right.z, d, ARRIVED * length):
                return _as_far_as(chain, right, d)
            chain.append(nodes[i])
        if status is not None:
            return None
        # beside zero steps are short already: in units of what is there
        longer, smaller = LONGER * length, max(1.0, float(np.max(d / stepper.d)))
        stepper.control[DS_MAX] = min(longer * smaller, max(longer, settings.ds_max))
    return None


def tells_more(chain: list[Node], known: Sequence[SpecialPoint], is_map: bool) -> bool:
    """Whether something happens along a chain that is not what the points known to be there say."""
    seen = [label for a, b in itertools.pairwise(chain) if (label := classify(a, b, is_map)) is not None]
    if sorted(seen) != sorted(point.label for point in known):
        return True
    return not known and bool(np.any(np.isfinite(suspects(stacked(chain), is_map, REACH)[0])))


def near(one: SpecialPoint, other: SpecialPoint, d: Array) -> bool:
    """Whether two points are one, whatever their labels: one of them was found in other steps."""
    apart = (np.append(one.x, one.p) - np.append(other.x, other.p)) / d
    return float(np.linalg.norm(apart)) <= SIDE_BRANCH


def undone(left: Node, right: Node, points: Sequence[SpecialPoint]) -> bool:
    """Whether points make the difference between the counts of two nodes: what else they do they undo."""
    by = right.counts - left.counts
    pairs = sum(point.label in ("H", "NS", "NSad") for point in points)
    return explains(points, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN])) and pairs % 2 == abs(int(by[PAIRS]))


def _leads_over(before: Array, after: Array, at: Array, d: Array, slack: float) -> bool:
    """Whether a point lies on the way from one to the next."""
    way, there = (after - before) / d, (at - before) / d
    square = float(way @ way)
    u = float(way @ there) / square if square > 0.0 else -1.0
    return 0.0 <= u <= 1.0 and float(np.linalg.norm(there - u * way)) <= slack


def _as_far_as(chain: list[Node], right: Node, d: Array) -> list[Node]:
    """Return a chain with its end, arclengths between those of the ends: the way may be longer than the step was."""
    left, last = chain[0], chain[-1]
    whole = last.s - left.s + float(np.linalg.norm((right.z - last.z) / d))
    part = (right.s - left.s) / whole
    return [left, *(dataclasses.replace(each, s=left.s + part * (each.s - left.s)) for each in chain[1:]), right]
