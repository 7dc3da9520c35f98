"""Kernels evaluated on a second core, beside the next steps: both are compiled code that leaves Python to the other."""

from __future__ import annotations

import contextlib
import contextvars
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
#: Takes work, and returns a function that gives its result.
Later = Callable[[Callable[[], T]], Callable[[], T]]

_all_busy: contextvars.ContextVar[bool] = contextvars.ContextVar("all cores are busy", default=False)


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


@contextlib.contextmanager
def all_cores_busy() -> Iterator[None]:
    """Keep runs inside this context to one core each: others like them have the rest."""
    token = _all_busy.set(True)
    try:
        yield
    finally:
        _all_busy.reset(token)


@contextlib.contextmanager
def second_core(wanted: bool) -> Iterator[Later[T]]:
    """Yield what takes work to a second core, in order; without one the work is done when its result is asked for."""
    if not wanted or _all_busy.get() or cores() < 2:
        yield lambda work: work
        return
    with ThreadPoolExecutor(1, "ntkcont kernel") as thread:
        yield lambda work: thread.submit(work).result
