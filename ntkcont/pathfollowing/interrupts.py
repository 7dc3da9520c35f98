"""Ctrl-C held back while results are put together, so that none of them is lost half-made."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def held_back() -> Iterator[list[bool]]:
    """Note Ctrl-C instead of raising it; the list is not empty if it came.

    Outside the main thread, or under a handler of the user's own, nothing is changed.
    """
    came: list[bool] = []
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return
    signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
