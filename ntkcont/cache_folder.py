"""Where compiled code is kept on disk, for numba and for JAX."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger("ntkcont")


@functools.cache
def user_cache() -> Path:
    """Return the folder for compiled code: ``NTKCONT_CACHE_DIR``, the user's cache folder, or a temporary one."""
    import platformdirs

    wanted = os.environ.get("NTKCONT_CACHE_DIR") or platformdirs.user_cache_dir("ntkcont", appauthor=False)
    path = Path(wanted)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError:
        fallback = Path(tempfile.mkdtemp(prefix="ntkcont-"))
        logger.warning("cannot write to the cache folder %s: compiled code goes to %s for this run", path, fallback)
        return fallback
    return path
