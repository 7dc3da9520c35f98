"""Where compiled code is kept on disk, for numba and for JAX."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import shutil
import tempfile
from pathlib import Path

logger = logging.getLogger("ntkcont")


@functools.cache
def user_cache() -> Path:
    """Return the folder for compiled code: ``NTKCONT_CACHE_DIR``, the user's cache folder, or a temporary one."""
    import platformdirs

    return writable(os.environ.get("NTKCONT_CACHE_DIR") or platformdirs.user_cache_dir("ntkcont", appauthor=False))


def writable(wanted: str | os.PathLike[str]) -> Path:
    """Return the folder, made if it does not exist; or, where it cannot be written to, a temporary one of its name."""
    path = Path(wanted)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError:
        fallback = _temporary() / path.name
        fallback.mkdir(exist_ok=True)
        logger.warning("cannot write to the cache folder %s: compiled code goes to %s for this run", path, fallback)
        return fallback
    return path


@functools.cache
def _temporary() -> Path:
    """Make a folder that lasts as long as this process."""
    folder = tempfile.mkdtemp(prefix="ntkcont-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
