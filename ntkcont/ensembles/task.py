"""What a worker does: compute one member and put its result into the store."""

from __future__ import annotations

import dataclasses
import enum
import faulthandler
import functools
import importlib
import os
import platform
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import threadpoolctl

from ntkcont.ensembles.problem import Problem
from ntkcont.ensembles.store import Claim, open_trace, stamp, write_branch, write_timeout
from ntkcont.pathfollowing.beside import all_cores_busy
from ntkcont.results.branch import Branch
from ntkcont.results.ensemble import Member, Outcome
from ntkcont.results.ensemble_files import write_failure
from ntkcont.status import Status


class Answer(enum.Enum):
    """What a worker tells: everything else is in the store."""

    STORED = enum.auto()  # a branch or a record of the failure
    BUSY = enum.auto()  # another process computes this member
    INTERRUPTED = enum.auto()  # by Ctrl-C
    NOT_WRITTEN = enum.auto()  # the disk is full, or not ours to write to
    SAME_PROCESS = enum.auto()  # a timeout would end the caller


def this_process() -> tuple[str, int]:
    """Return what tells this process from all others."""
    return platform.node(), os.getpid()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One problem on its way to a worker.

    Parameters
    ----------
    problem : Problem
        What to compute.
    store : Path
        Where the result goes; the same folder for all workers.
    before : str
        The stamp of the result that is to be replaced: if it is another by now, somebody else was faster.
    timeout : float or None
        Seconds.
    caller : (str, int)
        The process that asks.
    wait : bool
        Whether to wait for another process that computes the same member.
    """

    problem: Problem
    store: Path
    before: str
    timeout: float | None
    caller: tuple[str, int]
    wait: bool = False


def solve(task: Task) -> tuple[Answer, str]:
    """Compute a member and put its branch, or the record of its failure, into the store.

    Returns
    -------
    (Answer, str)
        What happened, and the message of an error that kept the result out of the store.
    """
    if task.timeout is not None and task.caller == this_process():
        return Answer.SAME_PROCESS, ""
    if task.caller != this_process():
        _one_blas_thread()
    try:
        claim = Claim(task.store, task.problem.key)
        if not claim.acquire(wait=task.wait):
            return Answer.BUSY, ""
        try:
            return _claimed(task, claim)
        finally:
            claim.release()
    except OSError as error:
        return Answer.NOT_WRITTEN, str(error)


def _claimed(task: Task, claim: Claim) -> tuple[Answer, str]:
    key, store = task.problem.key, task.store
    if stamp(store, key) != task.before:
        claim.settle()
        return Answer.STORED, ""
    member = Member(key=key, outcome=Outcome.FAILED, arguments=task.problem.coordinates)
    trace = claim.timed_out()
    if trace:  # this task has ended a worker already, and the executor gave it to another
        write_timeout(store, member, task.timeout, trace)
        claim.settle()
        return Answer.STORED, ""
    begun = time.perf_counter()
    with open_trace(claim) as file, _watched(task.timeout, file), all_cores_busy():
        branch = _attempt(task.problem)
    member = dataclasses.replace(member, seconds=time.perf_counter() - begun)
    if isinstance(branch, Branch):
        if branch.status is Status.INTERRUPTED:
            return Answer.INTERRUPTED, ""
        write_branch(store, member, branch)
    else:
        write_failure(store, dataclasses.replace(member, error=branch[0], traceback=branch[1]))
    claim.settle()
    return Answer.STORED, ""


def _attempt(problem: Problem) -> Branch | tuple[str, str]:
    try:
        return problem.solve()
    except Exception as error:
        return f"{type(error).__name__}: {error}", traceback.format_exc()


@functools.cache
def _one_blas_thread() -> None:
    """Keep BLAS to one thread in this process for good: there is one process for each core."""
    importlib.import_module("scipy.linalg")  # loads its own BLAS beside that of numpy
    threadpoolctl.threadpool_limits(limits=1, user_api="blas")


# -------------------------------------------------------------------- the watchdog

_deadlines: dict[IO[str], float] = {}
_deadlines_lock = threading.Lock()


@contextmanager
def _watched(timeout: float | None, file: IO[str]) -> Iterator[None]:
    """End this process if the block takes longer, after writing the traceback to `file`.

    The timer of faulthandler is a thread in C, which also ends compiled code that never returns to Python.  There is
    one for the process; where several tasks run in threads it waits for the nearest deadline.
    """
    if timeout is None:
        yield
        return
    with _deadlines_lock:
        _deadlines[file] = time.monotonic() + timeout
        _arm()
    try:
        yield
    finally:
        with _deadlines_lock:
            del _deadlines[file]
            _arm()


def _arm() -> None:
    faulthandler.cancel_dump_traceback_later()
    if _deadlines:
        file, when = min(_deadlines.items(), key=lambda item: item[1])
        faulthandler.dump_traceback_later(max(when - time.monotonic(), 1e-3), exit=True, file=file)
