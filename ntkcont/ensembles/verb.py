"""The verb: ``ensemble`` solves many problems side by side and keeps each branch as soon as it is there."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import math
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import threadpoolctl

from ntkcont.ensembles.problem import Problem
from ntkcont.ensembles.store import Claim, prepare_store, stamp, write_timeout
from ntkcont.ensembles.task import Answer, Task, solve, this_process
from ntkcont.ensembles.workers import NoGuard, WorkerDied, Workers, cores, ends_a_second_run, importable_main
from ntkcont.errors import InputError, unknown_name
from ntkcont.results.ensemble import Ensemble, Member, Outcome
from ntkcont.results.ensemble_files import read_member, write_failure

logger = logging.getLogger("ntkcont")

_RECOMPUTE = {
    "failed": {Outcome.FAILED, Outcome.TIMEOUT, Outcome.DIED},
    "corrupt": {Outcome.CORRUPT},
    "all": set(Outcome),
}
_IN_FLIGHT = 256  # tasks that a foreign executor holds at a time
_DEATHS = 2  # workers that a problem may take with it before it is given up


def ensemble(
    problems: Iterable[Problem],
    executor: Executor | None = None,
    *,
    store: str | os.PathLike[str],
    workers: int | None = None,
    timeout: float | None = None,
    recompute: str | Sequence[str] = (),
    progress: bool = False,
) -> Ensemble:
    """Solve many problems side by side; each branch is kept in a folder as soon as it is there.

    A second call with the same problems and folder computes only what is missing, so that a job that was killed is
    simply started again.  A problem that fails is recorded with its traceback and does not stop the others.  Several
    calls, also on several machines, may work on the same folder at once: each problem is computed by one of them.

    Parameters
    ----------
    problems : iterable of Problem
        What to solve.
    executor : concurrent.futures.Executor, optional
        What runs the tasks: any executor, such as ``client.get_executor()`` of a Dask cluster.  Default: processes
        started by spawn, each of which is replaced alone when it dies.
    store : path-like
        The folder of the results, made if it does not exist; all workers must see it under this name.
    workers : int, optional
        How many processes the default executor has; default one for each core that this process may use.
    timeout : float, optional
        Seconds that one problem may take, compilation included.  A worker that takes longer is ended with its process,
        which also stops compiled code that never returns; so it needs an executor with processes.
    recompute : {"failed", "corrupt", "all"}, or several of them
        What is computed again although the store has it: failures (also timeouts and dead workers), damaged files, or
        everything.  Default nothing.
    progress : bool
        Show a progress bar on the standard error stream, with the rate and the time left, default False.

    Returns
    -------
    Ensemble
        Its branches in the order of the problems, each read when it is asked for; ``ensemble.failures`` says what has
        no branch and why.  After Ctrl-C what is there.

    Raises
    ------
    InputError
        An argument is not what it may be.
    OSError
        A result could not be written, such as on a full disk; all earlier ones are in the store.

    Notes
    -----
    In worker processes BLAS runs on one thread.  A problem whose worker dies is tried once more.  Of a
    ``ProcessPoolExecutor`` all workers end when one dies; the rest is then done by the default executor.  Dask starts
    its workers anew and repeats their tasks itself.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> problems = [
    ...     nc.Problem(nc.RateRNN, {"W": np.array([[w]])}, x0=0.0, free="gain", p_span=(0.1, 3), params={"gain": 0.1})
    ...     for w in (0.5, 1.0, 2.0)
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = nc.ensemble(problems, ThreadPoolExecutor(1), store=folder)
    ...     np.round(found.critical_values("BP"), 6)
    array([2. , 1. , 0.5])
    """
    chosen = _problems(problems)
    again = _recompute(recompute)
    _check(executor, workers, timeout)
    folder = prepare_store(store)
    known = {p.key: read_member(folder, p.key, p.coordinates) for p in chosen}
    if executor is None:
        ends_a_second_run()
        if not importable_main():
            msg = (
                "executor: the script was read from standard input, but the processes of an ensemble import it; "
                f"save it in a file, {_GUARD}, or pass an executor of threads"
            )
            raise InputError(msg)
    missing = {p.key: p for p in chosen if known[p.key].outcome in {Outcome.MISSING, *again}}
    if missing:
        count = min(workers or cores(), len(missing))
        run = _Run(folder, timeout, Workers(count) if executor is None else executor, executor is None, count)
        with _progress(progress, len(known), len(missing)) as show:
            run.finish(list(missing.values()), show)
        known |= {key: read_member(folder, key, p.coordinates) for key, p in missing.items()}
    return Ensemble([known[p.key] for p in chosen], folder)


_GUARD = "below the line if __name__ == '__main__':"


class _Run:
    """The tasks of one call on their way through an executor."""

    def __init__(self, store: Path, timeout: float | None, executor: Executor, own: bool, count: int) -> None:
        self.store, self.timeout, self.executor, self.own, self.count = store, timeout, executor, own, count
        self.queue: collections.deque[Task] = collections.deque()
        self.running: dict[Future[Any], Task] = {}
        self.deaths: collections.Counter[str] = collections.Counter()

    def finish(self, problems: list[Problem], show: Callable[[str], None]) -> None:
        """Run all tasks; results are in the store afterwards."""
        caller = this_process()
        for p in problems:
            before = stamp(self.store, p.key)
            task = Task(problem=p, store=self.store, before=before, timeout=self.timeout, caller=caller)
            claim = Claim(self.store, p.key)
            if claim.timed_out():  # in an earlier call, which did not live to record it
                claim.trace.unlink(missing_ok=True)
            self.queue.append(task)
        inside = isinstance(self.executor, ThreadPoolExecutor)
        finished = False
        try:
            with threadpoolctl.threadpool_limits(1, user_api="blas") if inside else contextlib.nullcontext():
                while self.queue or self.running:
                    self._step(show)
            finished = True
        except KeyboardInterrupt:
            logger.warning("interrupted: %d branches are left; the same call goes on with them", self._left)
        finally:
            for future in self.running:
                future.cancel()
            if self.own:
                self.executor.shutdown(cancel_futures=not finished)

    @property
    def _left(self) -> int:
        return len(self.queue) + len(self.running)

    def _step(self, show: Callable[[str], None]) -> None:
        limit = self.count if self.own else _IN_FLIGHT
        while self.queue and len(self.running) < limit:
            self._submit(self.queue.popleft())
        done, _ = wait(self.running, timeout=1.0, return_when=FIRST_COMPLETED)  # Ctrl-C is seen between two waits
        for future in done:
            task = self.running.pop(future)
            if self._settled(future, task):
                show(task.problem.key)

    def _submit(self, task: Task) -> None:
        try:
            self.running[self.executor.submit(solve, task)] = task
        except BrokenExecutor:
            self.queue.appendleft(task)
            self._replace_executor()

    def _replace_executor(self) -> None:
        if not self.own:
            self.count = min(getattr(self.executor, "_max_workers", cores()), self._left)
            logger.warning("the executor broke when one of its workers died: %d new processes go on", self.count)
            self.executor, self.own = Workers(self.count), True

    def _settled(self, future: Future[Any], task: Task) -> bool:
        """Whether a finished future leaves nothing to do for its task; otherwise the task is in the queue again."""
        if future.cancelled():
            return True
        error = future.exception()
        if error is None:
            answer, message = future.result()
            if answer is Answer.BUSY:
                self.queue.append(dataclasses.replace(task, wait=True))
                return False
            if answer is Answer.INTERRUPTED:
                raise KeyboardInterrupt
            if answer is Answer.NOT_WRITTEN:
                msg = f"{message}; {self._left} branches are left, and the same call goes on with them"
                raise OSError(msg)
            if answer is Answer.SAME_PROCESS:
                msg = "timeout: the executor runs tasks in this process, which cannot end them; use one with processes"
                raise InputError(msg)
            return True
        return self._failed(error, task)

    def _failed(self, error: BaseException, task: Task) -> bool:
        key = task.problem.key
        claim = Claim(self.store, key)
        member = Member(key=key, outcome=Outcome.FAILED, arguments=task.problem.coordinates, error=_text(error))
        trace = claim.timed_out()
        if isinstance(error, NoGuard):
            msg = (
                f"executor: each process of an ensemble imports the script, which started it once more; put it {_GUARD}"
            )
            raise InputError(msg) from None
        if trace:
            write_timeout(self.store, member, self.timeout, trace)
        elif isinstance(error, WorkerDied | BrokenExecutor):
            if isinstance(error, WorkerDied):  # a broken pool says nothing about this one of its tasks
                self.deaths[key] += 1
            if self.deaths[key] < _DEATHS:
                self.queue.append(task)
                return False
            write_failure(self.store, dataclasses.replace(member, outcome=Outcome.DIED))
        elif type(error).__name__ == "KilledWorker":  # Dask has tried again itself
            write_failure(self.store, dataclasses.replace(member, outcome=Outcome.DIED))
        else:
            full = "".join(traceback.format_exception(error))
            write_failure(self.store, dataclasses.replace(member, traceback=full))
        claim.settle()
        return True


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# -------------------------------------------------------------------- arguments, progress


def _problems(problems: Iterable[Problem]) -> list[Problem]:
    if isinstance(problems, Problem) or not isinstance(problems, Iterable):
        msg = f"problems: got {type(problems).__name__}; give a list of nc.Problem(...)"
        raise InputError(msg)
    chosen = list(problems)
    for i, problem in enumerate(chosen):
        if not isinstance(problem, Problem):
            msg = f"problems[{i}]: got {type(problem).__name__}; give nc.Problem(...)"
            raise InputError(msg)
    return chosen


def _recompute(recompute: str | Sequence[str]) -> set[Outcome]:
    names = [recompute] if isinstance(recompute, str) else recompute
    again: set[Outcome] = set()
    for name in names:
        if name not in _RECOMPUTE:
            raise unknown_name(argument="recompute", got=name, allowed=_RECOMPUTE)
        again |= _RECOMPUTE[name]
    return again


def _check(executor: Any, workers: Any, timeout: Any) -> None:
    if executor is not None and not hasattr(executor, "submit"):
        msg = (
            f"executor: got {type(executor).__name__}; give a concurrent.futures.Executor, such as "
            "client.get_executor() of a Dask client"
        )
        raise InputError(msg)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        msg = f"workers: got {workers!r}; it must be a positive whole number"
        raise InputError(msg)
    if workers is not None and executor is not None:
        msg = "workers: it belongs to the default executor; leave it out, or leave out executor"
        raise InputError(msg)
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < math.inf):
        msg = f"timeout: got {timeout!r}; it must be a positive number of seconds"
        raise InputError(msg)


@contextlib.contextmanager
def _progress(wanted: bool, total: int, missing: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that counts what is finished, on the standard error stream only."""
    if not wanted:
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=total - missing, unit=" branches", leave=False) as bar:

        def show(_: str) -> None:
            bar.update()

        yield show
        bar.refresh()  # the last ones may have come faster than it is drawn
