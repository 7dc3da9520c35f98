"""Kernels whose scales are those of the finished branch: evaluated when all its points are there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array
from ntkcont.pathfollowing.assemble import Side, at_start, evaluate
from ntkcont.pathfollowing.checkpoint import recalled_signatures
from ntkcont.pathfollowing.nodes import Nodes, slim
from ntkcont.pathfollowing.protocols import BoundEvaluator
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.task import Task
from ntkcont.results.branch import Branch
from ntkcont.results.signatures import Signatures
from ntkcont.status import Status


def awaits_points(bound: BoundEvaluator | None) -> bool:
    """Whether an evaluator needs all points of the branch before it can evaluate any."""
    return bool(getattr(bound, "awaits_points", False))


def finished(task: Task, start: Start, sides: dict[float, Side], bound: BoundEvaluator | None) -> BoundEvaluator | None:
    """Return the evaluator with the scales of the branch, whose signatures the sides have afterwards.

    After Ctrl-C the points that are left have nan, and the branch is interrupted.
    """
    if bound is None:
        return None
    waited = awaits_points(bound)
    bound = _placed(bound, *_along(start, sides))
    if not waited:
        return bound
    if task.checkpoint is not None and any(side.status is Status.INTERRUPTED for side in sides.values()):
        task.checkpoint.close()  # what follows in the file are more steps
    interrupted = False
    for side in sides.values():
        for i, nodes in enumerate(side.chunks):
            if not len(nodes.s):
                continue
            try:
                if not interrupted:
                    side.signatures.append(_evaluated(task, bound, nodes))
            except KeyboardInterrupt:
                interrupted = True
            if interrupted:
                side.signatures.append(_unknown(bound, start, task, len(nodes.s)))
                side.status = Status.INTERRUPTED
            if task.settings.store_states != "all":
                side.chunks[i] = slim(nodes)
    return bound


def _placed(bound: BoundEvaluator, x: Array, p: Array, tangent: Array) -> BoundEvaluator:
    placed = getattr(bound, "placed", None)
    return bound if placed is None else placed(x, p, tangent)


def _evaluated(task: Task, bound: BoundEvaluator, nodes: Nodes) -> dict[str, np.ndarray]:
    found = recalled_signatures(task.checkpoint, lambda: evaluate(bound, nodes, task.curve.n))
    assert found is not None
    return found


def _unknown(bound: BoundEvaluator, start: Start, task: Task, count: int) -> dict[str, np.ndarray]:
    """Return signatures that were not evaluated."""
    one = evaluate(bound, at_start(start), task.curve.n) or {}
    return {
        name: np.full((count, *a.shape[1:]), np.nan, dtype=np.result_type(a.dtype, float)) for name, a in one.items()
    }


def _along(start: Start, sides: dict[float, Side]) -> tuple[Array, Array, Array]:
    """Return states, parameter values and tangents along the branch; without states those of the special points."""
    rows = list(_points(start, sides))
    z, tangent = np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    return z[:, :-1], z[:, -1], tangent


def _points(start: Start, sides: dict[float, Side]) -> Iterator[tuple[Array, Array]]:
    for sign in (-1.0, 0.0, 1.0):
        if sign == 0.0:
            yield start.z[None], (start.tau * start.d)[None]
        elif sign in sides:
            parts = list(_side(sides[sign], len(start.z)))
            yield from ((z[::-1], t[::-1]) for z, t in reversed(parts)) if sign < 0 else parts


def _side(side: Side, m: int) -> Iterator[tuple[Array, Array]]:
    if all(nodes.z.shape[1] == m for nodes in side.chunks):
        yield from ((nodes.z, nodes.tangent) for nodes in side.chunks)
        return
    for point in side.special:
        yield np.append(point.x, point.p)[None], np.asarray(point.tangent, dtype=float)[None]
    if side.last is not None:
        yield side.last.z[None], side.last.tangent[None]


def on_branch(branch: Branch, bound: BoundEvaluator) -> Branch:
    """Return a finished branch, which keeps its states, with the signatures of an evaluator."""
    bound = _placed(bound, branch.x, branch.p, branch.tangent)
    arrays = bound.evaluate(x=branch.x, p=branch.p, tangent=branch.tangent, eigenvalues=branch.eigenvalues)
    special = [
        bound.at_special(label=q.label, x=np.array(q.x), p=q.p, tangent=np.array(q.tangent), omega=q.omega)
        for q in branch.special_points
    ]
    return branch.with_ntk(Signatures(arrays=arrays, metadata=bound.metadata), special)


def check_extensible(branch: Branch, bound: BoundEvaluator | None) -> None:
    """Refuse to extend a branch whose old points would need other signatures, but have no states any more."""
    if awaits_points(bound) and not branch.has_states:
        msg = (
            "ntk: its scales are relative to the whole branch, which grows, but the branch keeps no states to evaluate "
            "at again (store_states='special'); give the scales as numbers, such as those in branch.ntk.metadata"
        )
        raise InputError(msg)
