"""One direction of a continuation: chunks of steps, detection and location, stops."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.pathfollowing.again import Again
from ntkcont.pathfollowing.at_ends import at_bound, probe
from ntkcont.pathfollowing.audit import may_have_jumped
from ntkcont.pathfollowing.borders import Borders
from ntkcont.pathfollowing.checkpoint import RecordedStepper
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import SIDE_BRANCH, degenerate
from ntkcont.pathfollowing.detector import Detector
from ntkcont.pathfollowing.hidden_poles import before_hidden_pole, tail_of
from ntkcont.pathfollowing.nodes import Nodes, empty_nodes
from ntkcont.pathfollowing.poles import pole_between
from ntkcont.pathfollowing.records import as_point
from ntkcont.pathfollowing.roots import regular_between
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.stepper import Stepper
from ntkcont.pathfollowing.task import Chunk, Task
from ntkcont.pathfollowing.units import local_units, own_units
from ntkcont.results.doubtful import Doubtful, established
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

#: Special points farther than this behind the start (scaled) are not on it: that is how well the flattest are located.
#: Those between two points around it may be located that much worse.
BEHIND, FLAT = 1e-7, 1e-2


def run(task: Task, start: Start, sign: float) -> Iterator[Chunk]:
    """Follow the branch from `start` along ``sign * start.tau``; the start itself is not among the points."""
    curve = task.curve
    tau = sign * start.tau if start.toward is None else start.toward[sign]
    node = curve.node(start.z, start.d, tau, 0.0)[0]
    first = dataclasses.replace(node, tangent=tau * start.d)
    first = dataclasses.replace(first, counts=_counts_before(task, first, start.d))
    settings = task.settings
    if start.ds is not None:
        settings = dataclasses.replace(settings, ds=float(np.clip(start.ds, settings.ds_min, settings.ds_max)))
    adaptive = task.adaptive
    parts = curve, first, start.d, task.span, settings, not adaptive, task.vectors, task.logs
    stepper = Stepper(*parts) if task.checkpoint is None else RecordedStepper(task.checkpoint, *parts)
    if task.structure is not None:
        from ntkcont.pathfollowing.structured import Outside  # seldom needed, and it imports scipy's sparse matrices

        stepper.outside = Outside(curve, task.structure)
    if adaptive:
        from ntkcont.pathfollowing.adaptive import AdaptiveDetector  # seldom needed, and not small

        detector: Detector = AdaptiveDetector(task, first, start.d)
    else:
        detector = Detector(task, first, start.d)
    detector.roots = stepper.roots
    borders = None if curve.model.switching is None else Borders(task, start, sign, stepper, detector)
    if stepper.leaves_at_once():
        yield Chunk(empty_nodes(curve.n), [], start.d, Status.BOUND)
        return
    if start.beside is not None:
        detector.restart(start.beside[sign], beside=True)
    total = 0
    again = Again()
    hits = 0
    before = first
    tail = Nodes(first.z[None], first.tangent[None], np.zeros(1), first.eigenvalues[None], first.counts[None])
    status: Status | None = None
    while status is None:
        size = min(detector.steps(), task.settings.max_steps - total)
        nodes, status, error = stepper.advance(size) if borders is None else borders.advance(size)
        landed = borders is not None and borders.landed
        cut = before_hidden_pole(curve, nodes, tail, before)
        if cut is not None:
            nodes, status = cut, Status.POLE
        special = _ahead(detector.chunk(nodes, final=landed or status is not None), start)
        doubts, remarks = detector.doubtful, detector.remarks
        pole = _pole(curve, special, nodes, before)
        if pole is not None:
            nodes, special, status = pole
            doubts = [each for each in doubts if each.bracket[1] <= nodes.s[-1]]
            detector.restart(nodes[-1])
        place = again.wanted(special, doubts) if pole is None else None
        if place is not None:
            records = [*doubts, *established(special)[1]]
            kept, among, last, beyond = _before(place, nodes, special, before)
            again.note(last, *_steps_over(task, place, records, last, beyond), records)
            nodes, special, remarks, status = kept, among, [], None
            doubts = [each for each in doubts if each.bracket[1] <= last.s]
            node_again, detector.d, ds = again.back()
            stepper.rewind(node_again, detector.d, ds)
            detector.restart(node_again)
            if borders is not None:
                borders.rewind(node_again)
        if borders is not None:
            points, status = borders.turn(nodes, status)
            special += points
        again.add(special)
        if place is None:
            special, doubts = again.passed(nodes, special, doubts, status is not None)
        total += len(nodes.s)
        if status is None and total >= task.settings.max_steps:
            status = Status.MAX_STEPS
        if status is Status.BOUND or (status is Status.CLOSED and start.beside is None):
            beyond = [q for q in at_bound(detector, stepper.d) if not _known(q, special, stepper.d)]
            special = _one_at_the_end([*special, *beyond], nodes, stepper.d)
        if status is Status.CLOSED:
            nodes.counts[-1] = node.counts
        if detector.error:
            status, error = Status.CALLBACK_ERROR, detector.error
        chunk = Chunk(nodes, special, stepper.d.copy(), status, error, doubts)
        try:
            chunk, hits = _stopped(task, chunk, hits)
        except Exception as failure:  # the user's function: keep the points
            chunk.status, chunk.error = Status.CALLBACK_ERROR, f"{type(failure).__name__}: {failure}"
        for remark in remarks:
            warnings.warn(remark, RuntimeWarning, stacklevel=2)
        status = chunk.status
        before = detector.last or before
        tail = tail_of(tail, nodes, curve.n)
        yield chunk


def _counts_before(task: Task, first: Node, d: Array) -> NDArray[np.int64]:
    """Return the counts of the start, or (where they mean nothing: a special point) those of the branch just before."""
    curve = task.curve
    if degenerate(first, d, curve.is_map):
        before = probe(curve, first, d, -min(1e-3, task.settings.ds_max))
        if before is not None:
            return before.counts
    return first.counts


def _ahead(special: list[SpecialPoint], start: Start) -> list[SpecialPoint]:
    """Drop what lies behind the start: beside a start that is nearly special it is looked for from behind it."""

    def behind(point: SpecialPoint) -> bool:
        within = BEHIND if point.bracket[1] < 0.0 else FLAT
        return point.s < 0.0 and point.converged and not _near(point, start.z, start.d, within)

    return [q for q in special if not behind(q) and max(q.s, q.bracket[1]) >= -BEHIND]


def _known(point: SpecialPoint, special: list[SpecialPoint], d: Array) -> bool:
    """Whether a point at the end is among those found on the way there: rounding decides on which side it lies."""
    z = np.append(point.x, point.p)
    return any(q.label == point.label and _near(q, z, d) for q in special)


def _near(point: SpecialPoint, z: Array, d: Array, within: float = SIDE_BRANCH) -> bool:
    """Whether a point lies in a place, in units of what is there: in those of a wide span all of it is near."""
    return bool(np.linalg.norm((np.append(point.x, point.p) - z) / own_units(z, d)) < within)


def _one_at_the_end(special: list[SpecialPoint], nodes: Nodes, d: Array) -> list[SpecialPoint]:
    """Drop a fold on a branch point on which the branch ends: no tangent there says which way the parameter goes."""
    if not len(nodes.s) or not any(q.label == "BP" and _near(q, nodes.z[-1], d) for q in special):
        return special
    return [q for q in special if q.label != "LP" or not _near(q, nodes.z[-1], d)]


def _pole(
    curve: Curve, special: list[SpecialPoint], nodes: Nodes, before: Node
) -> tuple[Nodes, list[SpecialPoint], Status] | None:
    """Cut a chunk in front of a pole, at which eigenvalues seem to cross the boundary; None if there is none."""
    for point in special:
        if point.converged or not len(nodes.s):
            continue
        i = min(int(np.searchsorted(nodes.s, point.bracket[1])), len(nodes.s) - 1)
        left = nodes[i - 1] if i else before
        last = pole_between(curve, left, nodes[i], local_units(curve, left, nodes[i], nodes.scales_at(i)))
        if last is not None:
            return nodes.ending(i, last), [q for q in special if q.converged and q.s <= left.s], Status.POLE
    return None


def _before(
    place: float, nodes: Nodes, special: list[SpecialPoint], before: Node
) -> tuple[Nodes, list[SpecialPoint], Node, tuple[Node, Array]]:
    """Cut a chunk in front of a place; also return the last point kept, and the next one with its scales."""
    keep = int(np.searchsorted(nodes.s, place, side="right"))
    last = nodes[keep - 1] if keep else before
    jumped = min(keep, len(nodes.s) - 1)
    scales = np.ones_like(last.z) if nodes.scales is None else nodes.scales[jumped]
    among = [q for q in special if q.s <= last.s and q.bracket[0] < place]
    return nodes.head(keep), among, last, (nodes[jumped], scales)


def _steps_over(
    task: Task, place: float, records: list[Doubtful], last: Node, beyond: tuple[Node, Array]
) -> tuple[Array, float]:
    """Return scales and length of the step from `last`, in front of a place, to the point beyond it.

    In units of the span the parameter stands still between two branches that nearly meet: where the step may have led
    from one to the other it is measured by what it is there, but not where derivatives grow without bound.
    """
    right, scales = beyond
    ds = right.s - last.s
    jumped = any(each.bracket[0] == place and may_have_jumped(each) for each in records)
    if not jumped or task.logs[-1] > 0.0 or not regular_between(task.curve, last, right, scales):
        return scales, ds
    units = np.append(scales[:-1], local_units(task.curve, last, right, scales)[-1])
    return units, max(ds, float(np.linalg.norm((right.z - last.z) / units)))


def _stopped(task: Task, chunk: Chunk, hits: int) -> tuple[Chunk, int]:
    """Cut the chunk where a stop of the user's applies; `hits` counts the special points asked for."""
    if task.stop_at is not None:
        label, number = task.stop_at
        for i, point in enumerate(chunk.special):
            hits += label in (point.label, point.name)
            if hits == number:
                keep = int(np.searchsorted(chunk.nodes.s, point.s)) + 1
                return _cut(chunk, keep, chunk.special[: i + 1], Status.EVENT), hits
    if task.stop is not None:
        for i in range(len(chunk.nodes.s)):
            if task.stop(as_point(task.curve, chunk.nodes[i])):
                kept = [p for p in chunk.special if p.s <= chunk.nodes.s[i]]
                return _cut(chunk, i + 1, kept, Status.CALLBACK), hits
    return chunk, hits


def _cut(chunk: Chunk, keep: int, special: list[SpecialPoint], status: Status) -> Chunk:
    """Return the first points of a chunk, with what was found, and is doubtful, up to there."""
    nodes = chunk.nodes.head(keep)
    doubtful = [each for each in chunk.doubtful if each.bracket[0] <= np.max(nodes.s, initial=0.0)]
    return Chunk(nodes, special, chunk.d, status, doubtful=doubtful)
