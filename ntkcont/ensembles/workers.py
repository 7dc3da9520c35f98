"""Processes that fail alone: the executor that ensembles use by default."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from ntkcont.cache_folder import user_cache


class WorkerDied(RuntimeError):
    """The process that ran a task ended before the task did."""


class NoGuard(WorkerDied):
    """The process ran the caller's script again and met the same ensemble, before it could do anything else."""


#: Exit code of such a process.
NO_GUARD = 86


def ends_a_second_run() -> None:
    """End this process if it is one that spawn starts and that is still importing the caller's script."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(NO_GUARD)


def importable_main() -> bool:
    """Whether processes can import the script that runs, as spawn makes them do; a session without one needs none."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return getattr(main, "__spec__", None) is not None or file is None or os.path.exists(file)


class Workers(Executor):
    """Processes, each started by spawn on first use and replaced when it dies.

    Unlike ``concurrent.futures.ProcessPoolExecutor``, which is broken as a whole when one of its processes dies, only
    the task of that process is lost: its future raises :class:`WorkerDied`.

    Parameters
    ----------
    count : int, optional
        How many; default one for each core that this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or cores()
        self._context = multiprocessing.get_context("spawn")
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="ntkcont-worker")
        self._own = threading.local()
        self._processes: set[Any] = set()
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn(*args, **kwargs)`` in one of the processes."""
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """In a thread, which has one process to itself: send it the task and wait for the answer."""
        process, pipe = self._process()
        try:
            pipe.send((fn, args, kwargs))
            is_error, answer = pipe.recv()
        except (EOFError, OSError) as error:
            process.join()
            code = process.exitcode
            msg = f"the process that computed it ended (exit code {code})"
            self._forget(process, pipe)
            raise (NoGuard if code == NO_GUARD else WorkerDied)(msg) from error
        if is_error:
            raise answer
        return answer

    def _process(self) -> tuple[Any, Any]:
        found = getattr(self._own, "process", None)
        if found is not None and found[0].is_alive():
            return found
        if found is not None:
            self._forget(*found)
        with self._lock:
            if self._closed:
                msg = "the executor is shut down"
                raise RuntimeError(msg)
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs, str(user_cache())), daemon=True)
            process.start()
            theirs.close()
            self._processes.add((process, ours))
        self._own.process = (process, ours)
        return process, ours

    def _forget(self, process: Any, pipe: Any) -> None:
        self._own.process = None
        pipe.close()
        with self._lock:
            self._processes.discard((process, pipe))
            process.join()
            process.close()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes end, after the tasks that run unless `cancel_futures` is given: then they are killed."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                for process, _ in self._processes:
                    process.kill()
        self._threads.shutdown(wait=wait or cancel_futures, cancel_futures=cancel_futures)
        for process, pipe in self._processes:
            pipe.close()  # an idle process ends when its pipe does
            process.join()
            process.close()
        self._processes.clear()


def cores() -> int:
    """Return how many cores this process may use; a batch system may leave it some of them only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(pipe: Any, cache: str) -> None:
    """In a worker: run tasks until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the workers
    os.environ["NTKCONT_CACHE_DIR"] = cache  # also where it is a temporary folder of the parent
    while True:
        try:
            fn, args, kwargs = pipe.recv()
        except EOFError:
            return
        except Exception as error:  # a function that this process cannot import
            pipe.send((True, error))
            continue
        try:
            answer = False, fn(*args, **kwargs)
        except Exception as error:
            answer = True, error
        with contextlib.suppress(BrokenPipeError):  # the parent has gone; the result is in the store
            pipe.send(answer)
