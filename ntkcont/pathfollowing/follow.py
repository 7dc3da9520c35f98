"""One direction of a branch: its steps, and the kernel at them, chunk by chunk, beside the next steps if possible."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import threadpoolctl

from ntkcont.pathfollowing.assemble import Side, evaluate
from ntkcont.pathfollowing.beside import second_core
from ntkcont.pathfollowing.checkpoint import recalled_signatures
from ntkcont.pathfollowing.interrupts import held_back
from ntkcont.pathfollowing.nodes import Nodes, slim
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.protocols import BoundEvaluator
from ntkcont.pathfollowing.records import as_point
from ntkcont.pathfollowing.run import run
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.task import Chunk, Task
from ntkcont.status import Status

Monitor = Callable[[Point], Any]
#: From this many states on, more than one BLAS thread may be of use.
_THREADED = 512


@functools.cache
def _threads() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


def one_thread(n: int) -> contextlib.AbstractContextManager[Any]:
    """Keep BLAS to one thread where more only cost: measured, 20 times slower at n = 100, no faster at n = 400."""
    return _threads().limit(limits=1, user_api="blas") if n < _THREADED else contextlib.nullcontext()


def _alone() -> bool:
    """Whether BLAS works with one thread, and so leaves the other cores idle."""
    return all(library["num_threads"] == 1 for library in _threads().info() if library["user_api"] == "blas")


def follow(
    task: Task,
    start: Start,
    sign: float,
    bound: BoundEvaluator | None,
    monitors: Sequence[Monitor],
    show: Callable[[Chunk], None],
) -> Side:
    """Run one direction to its end, evaluating the kernel chunk by chunk.

    A kernel that may be evaluated beside the steps is always one chunk behind them, with a second core or without, so
    that a run may go on from a checkpoint of the other kind.  One that awaits all points of the branch is evaluated
    by ``afterwards.finished``, for which every state is kept.
    """
    n = task.curve.n
    waits = getattr(bound, "awaits_points", False)
    # not on pieces of a kinked network, whose spectra at kinks are chosen afterwards
    vectors = getattr(bound, "takes_vectors", False) and not task.adaptive and task.curve.model.switching is None
    task = dataclasses.replace(task, vectors=vectors)
    side = Side([], [], [], Status.INTERRUPTED, "", start.d)
    if waits:
        bound = None
    behind = getattr(bound, "beside_steps", False)
    waiting: collections.deque[tuple[Chunk, Callable[[], Any]]] = collections.deque()
    chunks = run(task, start, sign)
    with contextlib.ExitStack() as stack:
        if behind:  # for both threads, since the limit belongs to the process
            stack.enter_context(one_thread(n))
        later = stack.enter_context(second_core(behind and _alone()))
        try:
            while True:
                with contextlib.nullcontext() if behind else one_thread(n):
                    chunk = next(chunks, None)
                if chunk is not None:
                    work = functools.partial(evaluate, bound, chunk.nodes, n)
                    recorded = task.checkpoint is not None and task.checkpoint.reading
                    waiting.append((chunk, work if recorded else later(work)))
                while len(waiting) > (behind and chunk is not None):
                    nodes = _keep(side, task, waiting, show, waits)
                    if not _monitored(side, task, nodes, monitors):
                        return side
                if chunk is None:
                    return side
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):  # again: without those that still wait for their kernel
                while waiting:
                    _keep(side, task, waiting, show, waits)
            side.status = Status.INTERRUPTED
    return side


def _keep(
    side: Side,
    task: Task,
    waiting: collections.deque[tuple[Chunk, Callable[[], Any]]],
    show: Callable[[Chunk], None],
    waits: bool,
) -> Nodes:
    """Add the first chunk that waits to its side as soon as its signatures are there; return its points."""
    chunk, signatures = waiting[0]
    found, nodes = None if waits else recalled_signatures(task.checkpoint, signatures), chunk.nodes
    with held_back() as interrupted:
        waiting.popleft()
        kept = nodes if waits else dataclasses.replace(nodes, vectors=None)
        side.chunks.append(kept if waits or task.settings.store_states == "all" else slim(nodes))
        if len(nodes.s):
            side.last = nodes[-1]
        side.special += chunk.special
        side.doubtful += chunk.doubtful
        if found is not None:
            side.signatures.append(found)
        side.d = chunk.d
        show(chunk)
        if chunk.status is not None:
            side.status, side.error = chunk.status, chunk.error
    if interrupted:
        raise KeyboardInterrupt
    return nodes


def _monitored(side: Side, task: Task, nodes: Nodes, monitors: Sequence[Monitor]) -> bool:
    """Call the monitors with the points; False, with the points kept, if one of them raises."""
    try:
        for monitor in monitors:
            for i in range(len(nodes.s)):
                monitor(as_point(task.curve, nodes[i]))
    except Exception as failure:  # the user's function
        side.status, side.error = Status.CALLBACK_ERROR, f"{type(failure).__name__}: {failure}"
        return False
    return True
