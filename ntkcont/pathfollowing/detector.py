"""The special points of a run, chunk by chunk."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.spectrum import N_UNSTABLE, TANGENT_SIGN
from ntkcont.models.model import Array
from ntkcont.pathfollowing.at_ends import probe
from ntkcont.pathfollowing.audit import (
    doubt,
    explains,
    from_side_branch,
    leads_elsewhere,
    looked_at_again,
    narrower,
    passed_twice,
    sure,
    unexplained,
)
from ntkcont.pathfollowing.checkpoint import recalled_point
from ntkcont.pathfollowing.curve import Node
from ntkcont.pathfollowing.detect import (
    SEVERAL,
    SIDE_BRANCH,
    Crossing,
    change,
    classify,
    degenerate,
    midpoint,
    separate,
)
from ntkcont.pathfollowing.dips import crossing_both_ways, distinct, probed, same_place, stacked, suspects
from ntkcont.pathfollowing.events import DEFAULT_LABELS, UserZero
from ntkcont.pathfollowing.firm import firm, firm_around
from ntkcont.pathfollowing.gaps import candidates, closer, gaps, quiet, restless
from ntkcont.pathfollowing.multiple_between import multiple_between
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.pathfollowing.opposite import opposite
from ntkcont.pathfollowing.poles import pole_between
from ntkcont.pathfollowing.records import as_point, special_point, user_zero
from ntkcont.pathfollowing.stepped_over import AT_MOST, UP_TO, Recent, followed_again, near, tells_more, undone
from ntkcont.pathfollowing.task import Task
from ntkcont.pathfollowing.units import local_units, own_units
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.special_points import SpecialPoint

#: Where the unit tangent's component along the parameter is smaller, a fold that Newton does not find is none, but a
#: branch on its way to infinity.
STANDSTILL = 1e-8
#: Steps at a time, at least, up to this many states: a kernel is compiled for so many points together.
FEWEST, MANY = 32, 256
#: What several eigenvalues may do in opposite directions.
BOTH_WAYS = ("BP", "H", "PD", "NS")
#: A point is on the end of a branch if it is no farther beyond it, as a fraction of the interval around the end.
ON_THE_END = 1e-3
#: Steps that become ever shorter towards the end are left out: the end is compared with a node this far before it.
SOME_WAY = 1e-3
#: How often what is beside a point that was found is looked at in the same way.
DEPTH = 3
#: By how many points an interval is made longer on both sides, at most, where counts at its ends are not firm.
WIDER = 8
#: Pieces into which an interval is divided where the points found do not explain what happens in it.
PIECES = 16

Around = tuple[Node | None, Node | None]
Numbers = NDArray[np.intp]


class Detector:
    """Finds the special points of a chunk; only intervals cost anything in which a count changed, or a dip shows."""

    def __init__(self, task: Task, first: Node | None, d: Array) -> None:
        self.task = task
        self.d = d.copy()  # the scales with which `last` was reached
        self.trail: list[Node] = []  # accepted points before `last`, two at most
        self.looked = False  # the interval between the last of these and `last` has been probed
        self.last = first  # the node before the chunk; None: its counts mean nothing and no probe could be had
        self.error = ""  # what a user's function raised
        self.fresh = True  # that node is the start, which may be a special point
        self.doubtful: list[Doubtful] = []  # of the last chunk
        self.remarks: list[str] = []  # on what was found in it
        self.crossed = False  # it has been looked at what is on the very end
        self.recent, self.before = Recent(), list[SpecialPoint]()  # points not yet looked at, and what is among them
        self.roots: list[float] = []  # first points beyond places where a derivative is infinite
        self.open: Node | None = None  # left end of an interval whose right end is a special point itself

    def steps(self) -> int:
        """Return how many steps the next chunk should have: enough to hide its cost, few enough to report progress."""
        n = self.task.curve.n
        return int(np.clip(20000 // (n * n + 16), FEWEST if n <= MANY else 8, 1000))

    def chunk(self, nodes: Nodes, final: bool) -> list[SpecialPoint]:
        """Return the special points between the last node of the previous chunk and the last of this one."""
        task, k = self.task, len(nodes.s)
        found: list[SpecialPoint] = []
        self.doubtful, self.remarks = [], []
        if k == 0:
            return found
        if self.last is not None and self.fresh and self.special(self.last, self.d, None, nodes[0]):
            self.last = probe(task.curve, self.last, self.d, -min(1e-3, task.settings.ds_max))
        at_start, self.fresh = self.fresh, False
        missed, looks = self._dips(nodes)
        if missed is not None and self.last is not None:  # only the points that came with this chunk show it
            around = (self.trail[0] if len(self.trail) > 1 else None, nodes[0])
            found += self._between(self.trail[-1], self.last, self.d, missed, around)
        changed = np.flatnonzero(np.any(nodes.counts[1:] != nodes.counts[:-1], axis=1)) + 1
        unrest = self._restless(nodes)
        queue = sorted({0, *changed.tolist(), *looks, *unrest})
        while queue:
            i = queue.pop(0)
            right, d = nodes[i], self._scales(nodes, i)
            after = nodes[i + 1] if i + 1 < k else None
            left = self.open or (self.last if i == 0 else nodes[i - 1])
            if left is None:
                continue
            if self.open is None and i > 0 and self.special(left, d, nodes[i - 2] if i > 1 else self.last, right):
                left = nodes[i - 2] if i > 1 else (self.last or left)
            quiet = classify(left, right, task.curve.is_map) is None and i not in looks and i not in unrest
            if quiet and self.open is None:
                continue
            if self.special(right, d, left, after):
                self.open = left  # the special point is the node itself: look from both of its neighbours
                if i + 1 < k and i + 1 not in queue:
                    queue.insert(0, i + 1)
                continue
            self.open = None
            found += self._between(left, right, d, looks.get(i), self._around(nodes, i))
        if final and self.open is None:
            self.open = self._before_end(nodes, found)
        if final and self.open is not None:
            found += self._across_end(nodes[k - 1], self._scales(nodes, k - 1))
        found += self._stepped_over(nodes, found, final)
        found = self._audited(nodes, found)
        for i, j, one, other in passed_twice(nodes.s, found):
            left = nodes[i - 1] if i else self.last
            if left is not None and near(one, other, local_units(task.curve, left, nodes[j], self._scales(nodes, j))):
                self.doubtful.append(leads_elsewhere(left, nodes[j]))
        before = self.last
        ends = [before] if before is not None else []
        self.trail = [*self.trail, *ends, *(nodes[i] for i in range(max(0, k - 3), k - 1))][-2:]
        self.last = nodes[k - 1]
        try:
            for event in task.users:
                found += self._user_zeros(event, before, nodes, at_start)
        except Exception as failure:  # the user's function: keep what has been found
            self.error = f"{type(failure).__name__}: {failure}"
        self.d = self._scales(nodes, k - 1)
        found = sorted(found, key=lambda point: point.s)
        self.before = self.recent.still([*self.before, *found])
        return found

    def _stepped_over(self, nodes: Nodes, found: list[SpecialPoint], final: bool) -> list[SpecialPoint]:
        """Return the special points that lie between two points and are narrower than the step between them."""
        task, curve, more = self.task, self.task.curve, []
        if curve.n > UP_TO or curve.model.switching is not None:
            return more
        for left, right, d in self.recent.rough(curve, self.last, self.d, nodes, final):
            if any(left.s < s <= right.s for s in self.roots):
                continue
            chain = followed_again(curve, left, right, d, task.logs, task.settings)
            known = [q for q in (*self.before, *found, *more) if left.s <= q.s <= right.s]
            if chain is None:
                explained = known and all(q.converged for q in known) and undone(left, right, known)
                # from a special point ways lead to every branch
                if not (explained or self.special(left, d) or self.special(right, d)):
                    self.doubtful.append(leads_elsewhere(left, right))
                continue
            if not tells_more(chain, known, curve.is_map):
                continue
            units, new = local_units(curve, left, right, d), list[SpecialPoint]()
            pieces, open_ = candidates(curve, chain, units, (None, None), "NSad" in task.events), False
            for a, b, u, beside in pieces if len(pieces) <= AT_MOST else ():
                points = self._between(a, b, d, u, beside, DEPTH)
                # states that are zero at a known point have no size there: only the scales of the step say what is near
                apart = [q for q in points if not any(near(q, p, d) for p in known)]
                open_ = open_ or not all(q.converged for q in apart)
                apart = [q for q in apart if q.converged]
                new += [q for q in apart if not any(q.label == p.label and near(q, p, units) for p in new)]
            if new and undone(left, right, [*known, *new]):
                more += new
            elif open_ or any(
                classify(a, b, curve.is_map) is not None and not _holds(a, b, known, d) for a, b, *_ in pieces
            ):
                self.doubtful.append(narrower(left, right, len(chain) - 1))
        return more

    def _before_end(self, nodes: Nodes, found: list[SpecialPoint]) -> Node | None:
        """Return a node some way before the end if this is a special point to which ever shorter steps have led."""
        far = np.flatnonzero(nodes.s < nodes.s[-1] - SOME_WAY)
        before = nodes[int(far[-1])] if far.size else self.last
        if before is None or any(point.s >= before.s for point in found):
            return None
        last = nodes[len(nodes.s) - 1]
        return before if degenerate(last, self._scales(nodes, -1), self.task.curve.is_map, (before,)) else None

    def _across_end(self, last: Node, d: Array) -> list[SpecialPoint]:
        """Return the special points at the very end, which is one itself: by looking a little beyond it."""
        left, self.open, self.crossed = self.open, None, True
        beyond = probe(self.task.curve, last, d, min(1e-3, self.task.settings.ds_max))
        if left is None:
            return []
        if beyond is None:
            return self._between(left, last, d, None, (None, None))
        slack, units, found = ON_THE_END * abs(beyond.s - left.s), own_units(last.z, d), []
        for point in self._between(left, beyond, d, None, (None, None)):
            there = np.linalg.norm((np.append(point.x, point.p) - last.z) / units) < SIDE_BRANCH
            s = last.s if there else point.s  # arclength in between is interpolated
            if s <= last.s + slack:
                found.append(dataclasses.replace(point, s=s, bracket=(point.bracket[0], max(s, last.s))))
        return found

    def _audited(self, nodes: Nodes, found: list[SpecialPoint]) -> list[SpecialPoint]:
        """Return the points found, after a look with short steps at what they do not explain; the rest is doubtful."""
        curve, first = self.task.curve, [self.last] if self.last is not None else []
        last = len(nodes.s)
        if self.open is not None:  # what is there is looked at with the next chunk
            last = int(np.searchsorted(nodes.s, self.open.s, side="right"))
        if set(DEFAULT_LABELS[curve.is_map]) - set(self.task.events) or not first or last == 0:
            return found  # not everything was looked for
        s = np.concatenate([[first[0].s], nodes.s[:last]])
        counts = np.concatenate([first[0].counts[None], nodes.counts[:last]])
        for i, j, _ in unexplained(s, counts, found):
            firmly = self._firmly(first[0], nodes, (i, j), sure(s, counts, found))
            if firmly is None:
                continue
            left, right, units = firmly
            d = self._scales(nodes, j - 1)
            inside = [point for point in found if left.s <= point.s <= right.s]
            by = right.counts - left.counts
            if explains(inside, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN])):
                continue
            if any(not point.converged for point in inside):
                continue  # that is on record already
            inner = [midpoint(curve, left, right, units, k / PIECES + 0.003) for k in range(1, PIECES)]
            pieces = sorted([left, *(node for node in inner if node is not None), right], key=lambda node: node.s)
            points = looked_at_again(pieces, lambda a, b, d=d: self._between(a, b, d, None, (None, None)))
            if points is not None:
                found = [*(point for point in found if not any(point is each for each in inside)), *points]
            elif pole_between(curve, left, right, units) is None:
                self.doubtful.append(doubt(left, right, f"{len(pieces) - 1} steps in place of {j - i}"))
        return found

    def _firmly(
        self, first: Node, nodes: Nodes, ends: tuple[int, int], known: Numbers
    ) -> tuple[Node, Node, Array] | None:
        """Return the ends of the shortest interval around one whose counts are firm there, and its units.

        Nodes are counted from `first`, which is before them; those of the numbers `known` are on no special point.
        None: there is none.
        """
        low, high = (int(np.searchsorted(known, end)) for end in ends)
        for k in range(WIDER):
            i, j = int(known[max(low - k, 0)]), int(known[min(high + k, len(known) - 1)])
            left, right = first if i == 0 else nodes[i - 1], nodes[j - 1]
            units = local_units(self.task.curve, left, right, self._scales(nodes, j - 1))
            if firm(self.task.curve, left, right, units):
                return left, right, units
        return None

    def _dips(self, nodes: Nodes) -> tuple[float | None, dict[int, float]]:
        """Return where to look for dips: between the last two nodes before the chunk, and by number of the right node.

        Places are fractions of the interval.
        """
        before = [*self.trail, *([self.last] if self.last is not None else [])]
        m = len(before)
        joined = concatenate([stacked(before), nodes], self.task.curve.n) if m else nodes
        at, _ = suspects(joined, self.task.curve.is_map)
        looks = {int(i) - m: float(at[i]) for i in np.flatnonzero(np.isfinite(at))}
        missed = looks.get(-1)
        if self.looked or (missed and classify(before[-2], before[-1], self.task.curve.is_map) is not None):
            missed = None  # that interval has been dealt with
        looks = {i: u for i, u in looks.items() if i >= 0}
        self.looked = len(nodes.s) - 1 in looks
        return missed, looks

    def _around(self, nodes: Nodes, i: int) -> tuple[Node | None, Node | None]:
        """Return the nodes before and after the interval that ends with node i of a chunk."""
        before = [*self.trail, self.last][-2:]
        left = nodes[i - 2] if i > 1 else (before[i - 2] if len(before) >= 2 - i else None)
        return left, nodes[i + 1] if i + 1 < len(nodes.s) else None

    def _restless(self, nodes: Nodes) -> set[int]:
        """Return the numbers of the nodes before which neutral saddles may be that no count shows."""
        if "NSad" not in self.task.events:
            return set()
        first = self.last.eigenvalues if self.last is not None else nodes.eigenvalues[0]
        return {int(i) - 1 for i in restless(np.vstack([first, nodes.eigenvalues]), self.task.curve.is_map)}

    def _between(
        self, left: Node, right: Node, d: Array, look: float | None, around: Around, depth: int = 0
    ) -> list[SpecialPoint]:
        """Return the special points between two nodes; `look` is the fraction at which a dip is suspected.

        What is found is as far as it goes: each side of it is looked at as well, down to a `depth`.
        """
        found = self._all_between(left, right, d, look, around, depth)
        return from_side_branch(found, left, right, local_units(self.task.curve, left, right, d))

    def _all_between(
        self, left: Node, right: Node, d: Array, look: float | None, around: Around, depth: int
    ) -> list[SpecialPoint]:
        """Return what `_between` returns, and folds that are the branch point beside them, seen closely."""
        curve, found = self.task.curve, self._found(left, right, d, look, around, depth == 0)
        if depth == DEPTH or set(DEFAULT_LABELS[curve.is_map]) - set(self.task.events):
            return found
        if any(not point.converged or point.multiplicity > 1 for point in found):
            return found
        if len(found) == 1 and look is None and quiet(left, right, curve.is_map):
            return found
        units = local_units(curve, left, right, d)
        chains = [closer(curve, gap, units, bool(found)) for gap in gaps(curve, left, right, units, found)]
        if not found and (not chains or len(chains[0]) == 2):
            return found
        for chain in chains:
            ends = around[0] if chain[0] is left else None, around[1] if chain[-1] is right else None
            for a, b, u, beside in candidates(curve, chain, units, ends, "NSad" in self.task.events):
                more = self._between(a, b, d, u, beside, depth + 1)
                found += [q for q in more if q.converged and not any(same_place(q, point, units) for point in found)]
        return found

    def _found(
        self, left: Node, right: Node, d: Array, look: float | None, around: Around, multiple: bool
    ) -> list[SpecialPoint]:
        """Return the special points that explain the counts at both ends, and those of a suspected dip."""
        curve = self.task.curve
        d = local_units(curve, left, right, d)
        both = change(left, right)
        label = classify(left, right, curve.is_map)
        if multiple and "BP" in self.task.events and (look is not None or label in (SEVERAL, "NSad")):
            pieces = multiple_between(curve, left, right, d)
            if pieces is not None:
                return [point for piece in pieces for point in self._located(piece, d)]
        # from the side branch of a pitchfork the eigenvalue touches zero
        if look is not None and not (both.fold and both.turn):
            chain, both_ways = self._both_ways(probed(curve, left, right, d, look, around), d, around)
            pieces = [piece for a, b in itertools.pairwise(chain) for piece in separate(curve, a, b, d)]
            several = [point for piece in both_ways for point in self._located(piece, d)]
            points = [point for piece in pieces for point in self._located(piece, d, (left, right))]
            apart = distinct([*several, *points], d)
            if apart is not None and all(point.converged for point in apart):
                return apart
            if several:  # a neutral saddle with k = 0 is none
                rest = [point for point in points if point.converged or point.label != "NSad"]
                return several + [point for point in rest if not any(same_place(q, point, d) for q in several)]
            if any(not point.converged for point in points):
                points = self._in_short_steps(left, right, d)
                if points and all(point.converged for point in points):
                    return points
        pieces = separate(curve, left, right, d)
        return [point for piece in pieces for point in self._located(piece, d, (left, right))]

    def _in_short_steps(self, left: Node, right: Node, d: Array) -> list[SpecialPoint]:
        """Return the special points between two nodes that short steps from one to the other show."""
        task, curve = self.task, self.task.curve
        chain = followed_again(curve, left, right, d, task.logs, task.settings)
        pieces = [] if chain is None else candidates(curve, chain, d, (None, None), dips=False)
        return [point for a, b, *_ in pieces for point in self._between(a, b, d, None, (None, None), DEPTH)]

    def _both_ways(
        self, chain: list[Node], d: Array, around: tuple[Node | None, Node | None]
    ) -> tuple[list[Node], list[Crossing]]:
        """Return the chain, divided where eigenvalues cross in opposite directions, and those that do at one place."""
        curve, found = self.task.curve, []
        labels = tuple(label for label in BOTH_WAYS if label in self.task.events)
        for a, b, u in crossing_both_ways(chain, around, curve.is_map):
            crossings, between = opposite(curve, a, b, d, u, labels)
            found += crossings
            if between is not None:
                chain = sorted([*chain, between], key=lambda node: node.s)
        return chain, found

    def _located(self, crossing: Crossing, d: Array, whole: tuple[Node, Node] | None = None) -> list[SpecialPoint]:
        """Return the special point of a crossing under the first of its labels for which it is there.

        `whole` is the interval that was divided until the crossing was alone in a piece of it.
        """
        task = self.task
        if crossing.at is None:
            piece = crossing.left, crossing.right
            ends = firm_around(task.curve, piece, whole or piece, d)
            if ends is None:
                return []
            if not crossing.optional:  # that is looked for beside another one, in the very same place
                crossing = dataclasses.replace(crossing, left=ends[0], right=ends[1])
        events = [task.events[name] for name in (crossing.label, *crossing.others) if name in task.events]
        points: list[SpecialPoint] = []
        for event in events:
            m = crossing.multiplicity if event.label == crossing.label else 1
            named = dataclasses.replace(crossing, label=event.label, multiplicity=m)
            compute = functools.partial(special_point, task.curve, event, named, d, task.params)
            point = recalled_point(task.checkpoint, named, compute)
            if event.label == "LP" and _standing_still(crossing, point, d):
                continue
            points.append(point)
            if point.converged:
                return points[-1:]
        if not crossing.optional:
            return points[:1]
        merging = points and _merging(crossing, task.curve.is_map)
        if merging and pole_between(task.curve, crossing.left, crossing.right, d) is None:
            near = "1:1 resonance" if task.curve.is_map else "Bogdanov-Takens"
            self.remarks.append(
                f"at {task.curve.free} = {crossing.left.z[-1]:.10g} a pair of eigenvalues merges at a fold or branch "
                f"point, within rounding: a {near} point is there or nearby, and one record stands for all of it"
            )
        return []

    def _scales(self, nodes: Nodes, i: int) -> Array:
        """Return the scales with which node i was reached."""
        return self.d if nodes.scales is None else nodes.scales[i]

    def restart(self, node: Node | None, beside: bool = False) -> None:
        """Go on from `node`, forgetting what came after it; `beside`: it is beside a place where branches meet."""
        self.last, self.open, self.fresh, self.crossed = node, None, False, False
        since = -np.inf if node is None else node.s
        self.recent = Recent(since=np.nextafter(since, np.inf) if beside else since)
        self.trail, self.looked = [], False

    def special(self, node: Node, d: Array, before: Node | None = None, after: Node | None = None) -> bool:
        """Whether the node is itself a special point; `before` and `after` are its neighbours, if there are any."""
        return degenerate(node, d, self.task.curve.is_map, (before, after))

    def _user_zeros(self, event: UserZero, before: Node | None, nodes: Nodes, at_start: bool) -> list[SpecialPoint]:
        chain = ([before] if before is not None else []) + [nodes[i] for i in range(len(nodes.s))]
        values = [float(event.g(as_point(self.task.curve, node))) for node in chain]
        pairs = zip(itertools.pairwise(chain), itertools.pairwise(values), strict=True)
        d = self._scales(nodes, -1)
        return [
            user_zero(self.task.curve, event, a, b, local_units(self.task.curve, a, b, d), self.task.params)
            for (a, b), (ga, gb) in pairs
            if ga < 0.0 <= gb or ga > 0.0 >= gb or (ga == 0.0 and at_start and a is before)
        ]


def _holds(left: Node, right: Node, points: list[SpecialPoint], d: Array) -> bool:
    """Whether one of the points lies between two nodes, or so near to them that it was found there in other steps."""
    slack = SIDE_BRANCH + float(np.linalg.norm((right.z - left.z) / d))
    places = [np.append(point.x, point.p) for point in points]
    return any(min(np.linalg.norm((at - node.z) / d) for node in (left, right)) <= slack for at in places)


def _merging(crossing: Crossing, is_map: bool) -> bool:
    """Whether the two eigenvalues nearest to zero (multipliers to one) are a pair on one side: they merge in between.

    Two real ones, one of them slow, are neutral beside a fold, and nothing else.
    """
    for node in (crossing.left, crossing.right):
        nearest = np.argsort(np.abs(node.eigenvalues - float(is_map)))[:2]
        if np.any(node.eigenvalues[nearest].imag != 0.0):
            return True
    return False


def _standing_still(crossing: Crossing, point: SpecialPoint, d: Array) -> bool:
    """Whether the parameter does not move where a fold seems to be: the branch goes to infinity and has none there."""
    units = [node.tangent / d for node in (crossing.left, crossing.right)]
    slowest = min(abs(float(tau[-1])) / float(np.linalg.norm(tau)) for tau in units)
    return slowest < STANDSTILL and not point.converged
