"""What fits in memory, asked before anything is computed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ntkcont.errors import InputError

# where the system does not say
_ASSUMED = 8 * 1024**3
_SHARE = 0.8
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_bytes() -> int:
    """Return how many bytes may be used: most of what the system has free, within the limit of a container."""
    found = _ASSUMED
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found = int(line.split()[1]) * 1024
    for name in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int(Path(name).read_text()))
    return int(_SHARE * found)


def readable(size: float) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> readable(84e9)
    '84 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def check_fits(size: int, what: str, instead: str = "", verb: str = "needs") -> None:
    """Raise InputError if `size` bytes do not fit, with the sizes, and what to do instead."""
    limit = available_bytes()
    if size > limit:
        msg = f"{what} {verb} {readable(size)}, but {readable(limit)} are available{'; ' + instead if instead else ''}"
        raise InputError(msg)
