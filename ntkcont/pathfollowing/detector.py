"""The special points of a run, chunk by chunk."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import classify, degenerate, separate
from ntkcont.pathfollowing.events import UserZero
from ntkcont.pathfollowing.locate import as_point, special_point, user_zero
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.task import Task
from ntkcont.results.special_points import SpecialPoint


class Detector:
    """Finds the special points of a chunk; only intervals in which a count changed cost anything."""

    def __init__(self, task: Task, first: Node | None, d: Array) -> None:
        self.task = task
        self.d = d.copy()  # the scales when the chunk began
        self.size = 0.0  # largest eigenvalue seen
        self.last = first  # the node before the chunk; None: its counts mean nothing and no probe could be had
        self.error = ""  # what a user's function raised
        self.fresh = True  # that node is the start, which may be a special point
        self.open: Node | None = None  # left end of an interval whose right end is a special point itself

    def chunk(self, nodes: Nodes, d_end: Array, final: bool) -> list[SpecialPoint]:
        """Return the special points between the last node of the previous chunk and the last of this one.

        `d_end` are the scales after the chunk.
        """
        task, k = self.task, len(nodes.s)
        found: list[SpecialPoint] = []
        if k == 0:
            return found
        self.size = max(self.size, float(np.max(np.abs(nodes.eigenvalues))))
        if self.last is not None and self.fresh and self.special(self.last, self.d):
            self.last = probe(task.curve, self.last, self.d, -min(1e-3, task.settings.ds_max))
        at_start, self.fresh = self.fresh, False
        changed = np.flatnonzero(np.any(nodes.counts[1:] != nodes.counts[:-1], axis=1)) + 1
        queue = [0, *changed.tolist()]
        while queue:
            i = queue.pop(0)
            right, d = nodes[i], self._scales(nodes, i, d_end)
            left = self.open or (self.last if i == 0 else nodes[i - 1])
            if left is None:
                continue
            if self.open is None and i > 0 and self.special(left, d):
                left = nodes[i - 2] if i > 1 else (self.last or left)
            if classify(left, right, task.curve.is_map) is None and self.open is None:
                continue
            if self.special(right, d) and not (final and i == k - 1):
                self.open = left  # the special point is the node itself: look from both of its neighbours
                if i + 1 < k and i + 1 not in queue:
                    queue.insert(0, i + 1)
                continue
            self.open = None
            for crossing in separate(task.curve, left, right, d):
                event = task.events.get(crossing.label)
                if event is not None:
                    found.append(special_point(task.curve, event, crossing, d, task.params))
        before = self.last
        self.last = nodes[k - 1]
        try:
            for event in task.users:
                found += self._user_zeros(event, before, nodes, d_end, at_start)
        except Exception as failure:  # the user's function: keep what has been found
            self.error = f"{type(failure).__name__}: {failure}"
        self.d = d_end.copy()
        return sorted(found, key=lambda point: point.s)

    def _scales(self, nodes: Nodes, i: int, d_end: Array) -> Array:
        """Return the scales that held at node i: on a branch that goes to infinity the last ones are far too large."""
        n = self.task.curve.n
        size = np.abs(nodes.z[: i + 1, :n]).max(axis=0) * np.sqrt(n)
        if self.task.curve.model.homogeneous:
            size[:] = size.max()
        return np.minimum(d_end, np.maximum(self.d, np.append(size, 0.0)))

    def restart(self, node: Node | None) -> None:
        """Go on from `node`, forgetting what came after it."""
        self.last, self.open, self.fresh = node, None, False

    def special(self, node: Node, d: Array) -> bool:
        """Whether the node is itself a special point."""
        return degenerate(node, d, self.task.curve.is_map, self.size)

    def _user_zeros(
        self, event: UserZero, before: Node | None, nodes: Nodes, d: Array, at_start: bool
    ) -> list[SpecialPoint]:
        chain = ([before] if before is not None else []) + [nodes[i] for i in range(len(nodes.s))]
        values = [float(event.g(as_point(self.task.curve, node))) for node in chain]
        pairs = zip(itertools.pairwise(chain), itertools.pairwise(values), strict=True)
        return [
            user_zero(self.task.curve, event, a, b, d, self.task.params)
            for (a, b), (ga, gb) in pairs
            if ga < 0.0 <= gb or ga > 0.0 >= gb or (ga == 0.0 and at_start and a is before)
        ]


def probe(curve: Curve, node: Node, d: Array, step: float) -> Node | None:
    """Return a point of the branch a (signed) scaled distance `step` from `node` along its tangent."""
    tau = node.tangent / d
    tau = tau / np.linalg.norm(tau)
    z, size = curve.correct(node.z + step * tau * d, d, tau)
    if z is None or size > abs(step):
        return None
    found, sign = curve.node(z, d, tau, node.s + step)
    return found if sign != 0.0 else None


def at_bound(detector: Detector, d: Array) -> list[SpecialPoint]:
    """Return a special point on the very end of the branch, found by looking a little beyond it."""
    task, last = detector.task, detector.last
    if last is None or not degenerate(last, d, task.curve.is_map, detector.size, tol=1e-4):
        return []
    beyond = probe(task.curve, last, d, 1e-3)
    if beyond is None:
        return []
    low, high = task.span
    slack = 1e-9 * (high - low)
    nodes = Nodes(
        beyond.z[None], beyond.tangent[None], np.array([beyond.s]), beyond.eigenvalues[None], beyond.counts[None]
    )
    detector.task = dataclasses.replace(task, users=())
    return [point for point in detector.chunk(nodes, d, final=True) if low - slack <= point.p <= high + slack]
