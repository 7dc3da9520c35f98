"""One direction of a continuation: chunks of steps, detection and location, stops."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.kernels import stepping
from ntkcont.kernels.spectrum import N_COUNTS
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Complex, Curve, Node
from ntkcont.pathfollowing.detect import classify, degenerate, separate
from ntkcont.pathfollowing.events import Event, UserZero
from ntkcont.pathfollowing.locate import as_point, special_point, user_zero
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import Start
from ntkcont.results.labels import ALIASES
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

STATUS = {
    stepping.AT_BOUND: Status.BOUND,
    stepping.MIN_STEP: Status.MIN_STEP,
    stepping.CLOSED: Status.CLOSED,
    stepping.BAD_VALUES: Status.NOT_FINITE,
}


@dataclasses.dataclass
class Nodes:
    """Accepted points as arrays with first axis k."""

    z: Array
    tangent: Array
    s: Array
    eigenvalues: Complex
    counts: NDArray[np.int64]

    def __getitem__(self, i: int) -> Node:
        return Node(self.z[i], self.tangent[i], float(self.s[i]), self.eigenvalues[i], self.counts[i])

    def head(self, k: int) -> Nodes:
        """Return the first k points."""
        return Nodes(self.z[:k], self.tangent[:k], self.s[:k], self.eigenvalues[:k], self.counts[:k])


@dataclasses.dataclass
class Chunk:
    """Some accepted points, the special points among them, and the status if the run ended there."""

    nodes: Nodes
    special: list[SpecialPoint]
    d: Array
    status: Status | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """What to do along the branch."""

    curve: Curve
    params: dict[str, float]
    span: tuple[float, float]
    settings: ContinuationSettings
    events: dict[str, Event]
    users: tuple[UserZero, ...]
    stop: Callable[[Point], bool] | None = None
    stop_at: tuple[str, int] | None = None


#: Growth of the states' scales since the start at which a branch counts as going to infinity.
UNBOUNDED = 1e6


def chunk_size(n: int) -> int:
    """Return the steps per call of the kernel: enough to hide its cost, few enough to report progress."""
    return int(np.clip(20000 // (n * n + 16), 8, 1000))


class Detector:
    """Finds the special points of a chunk; only intervals in which a count changed cost anything."""

    def __init__(self, task: Task, first: Node | None) -> None:
        self.task = task
        self.size = 0.0  # largest eigenvalue seen
        self.last = first  # the node before the chunk; None: its counts mean nothing and no probe could be had
        self.fresh = True  # that node is the start, which may be a special point
        self.open: Node | None = None  # left end of an interval whose right end is a special point itself

    def chunk(self, nodes: Nodes, d: Array, final: bool) -> list[SpecialPoint]:
        """Return the special points between the last node of the previous chunk and the last of this one."""
        task, k = self.task, len(nodes.s)
        found: list[SpecialPoint] = []
        if k == 0:
            return found
        self.size = max(self.size, float(np.max(np.abs(nodes.eigenvalues))))
        if self.last is not None and self.fresh and self.special(self.last, d):
            self.last = probe(task.curve, self.last, d, -min(1e-3, task.settings.ds_max))
        at_start, self.fresh = self.fresh, False
        changed = np.flatnonzero(np.any(nodes.counts[1:] != nodes.counts[:-1], axis=1)) + 1
        queue = [0, *changed.tolist()]
        while queue:
            i = queue.pop(0)
            right = nodes[i]
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
        for event in task.users:
            found += self._user_zeros(event, before, nodes, d, at_start)
        return sorted(found, key=lambda point: point.s)

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


def run(task: Task, start: Start, sign: float) -> Iterator[Chunk]:
    """Follow the branch from `start` along ``sign * start.tau``; the start itself is not among the points."""
    curve, settings = task.curve, task.settings
    n = curve.n
    z, d = start.z.copy(), start.d.copy()
    tau = sign * start.tau
    z_start, tau_start = z.copy(), tau * d
    first = curve.node(z, d, tau, 0.0)[0]
    first = Node(z_start, tau_start, 0.0, first.eigenvalues, first.counts)
    low, high = task.span
    if (z[n] >= high and tau[n] > 0.0) or (z[n] <= low and tau[n] < 0.0):
        yield Chunk(empty_nodes(n), [], d, Status.BOUND)
        return
    detector = Detector(task, first)
    control = np.zeros(stepping.N_CONTROL)
    control[stepping.DS], control[stepping.DS_MIN], control[stepping.DS_MAX] = (
        settings.ds,
        settings.ds_min,
        settings.ds_max,
    )
    control[stepping.TOL], control[stepping.P_LOW], control[stepping.P_HIGH] = settings.tol, low, high
    control[stepping.ANGLE_TARGET], control[stepping.ANGLE_LIMIT] = 0.12, 0.35
    produced = np.zeros(3, dtype=np.int64)
    total = hits = 0
    status: Status | None = None
    while status is None:
        size = min(chunk_size(n), settings.max_steps - total)
        out_z, out_t, out_s = np.empty((size, n + 1)), np.empty((size, n + 1)), np.empty(size)
        wr, wi, residual = np.empty((size, n)), np.empty((size, n)), np.empty(size)
        counts = np.zeros((size, N_COUNTS), dtype=np.int64)
        reason, error = stepping.RUNNING, ""
        try:
            reason = stepping.advance(
                *curve.arguments, curve.model.homogeneous, curve.lapack, z, tau, d, control, z_start, tau_start,
                out_z, out_t, out_s, wr, wi, counts, residual, produced,
            )  # fmt: skip
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        except Exception as failure:  # whatever the user's function raises: keep the points before it
            status, error = Status.RHS_ERROR, f"{type(failure).__name__}: {failure}"
        k = int(produced[0])
        total += k
        status = status or STATUS.get(reason) or (Status.MAX_STEPS if total >= settings.max_steps else None)
        if status is Status.CLOSED:  # the last point lies just beyond the start: end on the start
            out_z[k - 1], out_t[k - 1], counts[k - 1] = z_start, tau_start, first.counts
            wr[k - 1], wi[k - 1] = first.eigenvalues.real, first.eigenvalues.imag
        nodes = Nodes(out_z[:k], out_t[:k], out_s[:k], wr[:k] + 1j * wi[:k], counts[:k])
        if status is Status.MIN_STEP and min(z[n] - low, high - z[n]) <= 1e-6 * (high - low):
            status = Status.BOUND  # a special point sits on the bound itself and keeps Newton from landing there
        if status is None and np.max(d[:n] / start.d[:n]) > UNBOUNDED:
            status = Status.UNBOUNDED
        special = detector.chunk(nodes, d, final=status is not None)
        if status is Status.BOUND and detector.last is not None:
            special += at_bound(detector, d)
        chunk = Chunk(nodes, special, d.copy(), status, error)
        if task.stop_at is not None:
            label, number = task.stop_at
            for i, point in enumerate(special):
                hits += label in (point.label, point.name)
                if hits == number:
                    keep = int(np.searchsorted(nodes.s, point.s)) + 1
                    chunk = Chunk(nodes.head(keep), special[: i + 1], chunk.d, Status.EVENT)
                    break
        if task.stop is not None:
            for i in range(len(chunk.nodes.s)):
                if task.stop(as_point(curve, chunk.nodes[i])):
                    last = chunk.nodes.s[i]
                    kept = [p for p in chunk.special if p.s <= last]
                    chunk = Chunk(chunk.nodes.head(i + 1), kept, chunk.d, Status.CALLBACK)
                    break
        status = chunk.status
        yield chunk


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


def empty_nodes(n: int) -> Nodes:
    """Return no points."""
    nothing = np.empty((0, n + 1))
    return Nodes(nothing, nothing, np.empty(0), np.empty((0, n), complex), np.empty((0, N_COUNTS), np.int64))


def concatenate(parts: list[Nodes], n: int) -> Nodes:
    """Join runs of points."""
    if not parts:
        return empty_nodes(n)
    fields = (np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(Nodes))
    return Nodes(*fields)


def parse_stop(stop: Any, labels: list[str]) -> tuple[tuple[str, int] | None, Callable[[Point], bool] | None]:
    """Split the `stop` argument into (label, count) and a function."""
    if stop is None or callable(stop):
        return None, cast("Callable[[Point], bool] | None", stop)
    try:
        label, number = stop
        number = int(number)
    except (TypeError, ValueError):
        msg = f"stop: got {stop!r}; give ('H', 2) to stop at the second Hopf point, or a function of the point"
        raise InputError(msg) from None
    label = ALIASES.get(label, label)
    if label not in labels:
        raise unknown_name(argument="stop", got=label, allowed=labels)
    if number < 1:
        msg = f"stop: got {stop!r}; the count must be at least 1"
        raise InputError(msg)
    return (label, number), None
