"""Where compiled code is kept on disk, and the decorators that put it there.

numba's own cache does not notice edits in callees, and processes that start together all compile.  So the kernels have
a folder named by a digest of their sources and of the versions that matter, and the first compilation holds a lock;
what is there already is read without it, so that many processes start side by side.
Set ``NTKCONT_CACHE_DIR`` to move the folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import llvmlite.binding
import numba

from ntkcont.cache_folder import user_cache, writable

logger = logging.getLogger("ntkcont")

#: Called with the name of each kernel that becomes ready, the seconds it took, and whether it was compiled.
listeners: list[Callable[[str, float, bool], None]] = []

_one_at_a_time = threading.RLock()  # numba's setting below belongs to the process, not to a thread


def versions_tag() -> str:
    """Return what compiled code depends on besides its source: Python, numba, the processor.

    Nodes of a cluster that share a home folder but not their kind of processor so have folders of their own.
    """
    chosen = numba.config.CPU_NAME  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    processor = chosen or llvmlite.binding.get_host_cpu_name()
    return f"py{sys.version_info[0]}{sys.version_info[1]}-numba{numba.__version__}-{processor}"


@functools.cache
def kernel_cache() -> Path:
    """Return the cache folder of the kernels, named by a digest of every file in ``kernels/``."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return writable(user_cache() / f"kernels-{digest.hexdigest()[:16]}-{versions_tag()}")


@contextlib.contextmanager
def numba_cache(path: Path) -> Iterator[None]:
    """Let numba put what is decorated inside this context into `path`."""
    config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]
    with _one_at_a_time:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(path)
        try:
            yield
        finally:
            config.CACHE_DIR = before


def inner(function: Callable[..., Any]) -> Any:
    """Compile `function` as part of the entry kernels that call it (no signature, no file of its own)."""
    return numba.njit(error_model="numpy")(function)


def entry(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a kernel for one signature, once per installation, cached on disk under a lock."""
    return functools.partial(_kept, numba.njit(signature, cache=True, error_model="numpy", nogil=True))


def by_address(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of pointers that kernels call by its address, as LAPACK's: once, and not as part of each."""
    return functools.partial(_kept, numba.cfunc(signature, cache=True, error_model="numpy"))


def _kept(compiler: Callable[..., Any], function: Callable[..., Any]) -> Any:
    """Compile `function`, or read it from disk."""
    folder, begun = kernel_cache(), time.perf_counter()
    marker = folder / f"{function.__module__}.{function.__qualname__}.{_stamp(function)}.done"
    with numba_cache(folder):
        if marker.exists():
            compiled, is_new = compiler(function), False
        else:
            with filelock.FileLock(str(folder / "compile.lock")):
                is_new = not marker.exists()  # another process may have been faster
                if is_new:
                    logger.info("compiling %s (once per installation)", function.__qualname__)
                compiled = compiler(function)
                marker.touch()
    for listener in listeners:
        listener(f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}",
                 time.perf_counter() - begun, is_new)  # fmt: skip
    return compiled


def _stamp(function: Callable[..., Any]) -> str:
    """Return what decides whether numba takes its file for that of this function: the source's place, time and size."""
    source = Path(function.__code__.co_filename)
    found = source.stat()
    return hashlib.sha256(f"{source} {found.st_mtime_ns} {found.st_size}".encode()).hexdigest()[:12]
