"""Make PyDSTool 0.91 importable in this process."""

from __future__ import annotations

import sys

from ntkcont.peers.pydstool_child import build_step, expression_trees, removed_names


def install() -> None:
    """Put back the modules and names that PyDSTool expects; it changes the whole process and cannot be undone."""
    removed_names.restore()
    sys.modules.update(expression_trees.modules())
    sys.modules.update(build_step.modules())
