"""Where compiled code is kept on disk, and the decorators that put it there.

numba's own cache does not notice edits in callees, and processes that start together all compile.  So the kernels have
a folder named by a digest of their sources and of the versions that matter, and the first compilation holds a lock.
Set ``NTKCONT_CACHE_DIR`` to move the folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import numba

from ntkcont.cache_folder import user_cache

logger = logging.getLogger("ntkcont")


def versions_tag() -> str:
    """Return what compiled code depends on besides its source: Python, numba, the processor."""
    return f"py{sys.version_info[0]}{sys.version_info[1]}-numba{numba.__version__}"


@functools.cache
def kernel_cache() -> Path:
    """Return the cache folder of the kernels, named by a digest of every file in ``kernels/``."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    path = user_cache() / f"kernels-{digest.hexdigest()[:16]}-{versions_tag()}"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def numba_cache(path: Path) -> Iterator[None]:
    """Let numba put what is decorated inside this context into `path`."""
    before = numba.config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    numba.config.CACHE_DIR = str(path)  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]


def inner(function: Callable[..., Any]) -> Any:
    """Compile `function` as part of the entry kernels that call it (no signature, no file of its own)."""
    return numba.njit(error_model="numpy")(function)


def entry(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a kernel for one signature, once per installation, cached on disk under a lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        folder = kernel_cache()
        marker = folder / f"{function.__module__}.{function.__qualname__}.done"
        with filelock.FileLock(str(folder / "compile.lock")), numba_cache(folder):
            if not marker.exists():
                logger.info("compiling %s (once per installation)", function.__qualname__)
            compiled = numba.njit(signature, cache=True, error_model="numpy")(function)
            marker.touch()
        return compiled

    return decorate
