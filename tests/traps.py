"""What must never be unpickled."""

from __future__ import annotations

import os


class Trap:
    """A pickle that makes a folder when it is read."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)
