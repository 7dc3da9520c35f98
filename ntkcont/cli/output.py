"""What the commands have in common: folders, pictures, tables, and the notices on standard error."""

from __future__ import annotations

import contextlib
import csv
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.errors import InputError

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch


def progress_wanted() -> bool:
    """Return whether a progress bar would be seen by someone."""
    return sys.stderr.isatty()


class _Notices(logging.Handler):
    """Write the package's messages to standard error, the long run of ``compiling ...`` ones as a single line."""

    def __init__(self) -> None:
        super().__init__()
        self.compiling = False

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("compiling"):
            if self.compiling:
                return
            self.compiling = True
            message += "; this and what follows is kept for later runs"
        print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def notices() -> Iterator[None]:
    """Show the messages of the logger ``ntkcont`` on standard error inside this context."""
    logger = logging.getLogger("ntkcont")
    handler, level = _Notices(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def folder(path: str | Path) -> Path:
    """Return the folder, made if it does not exist.

    Raises
    ------
    InputError
        Something else has that name.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        msg = f"--out: {path} is not a folder; give another one"
        raise InputError(msg) from None
    return path


def headless() -> None:
    """Let matplotlib draw without a screen."""
    import matplotlib

    matplotlib.use("Agg")


def save_figure(figure: Any, path: Path, *, laid_out: bool = False) -> Path:
    """Write a matplotlib figure, forget it, and return the path.

    The layout is found once, or not at all if the figure is `laid_out` already; savefig alone would find it twice,
    which is half the time of a picture.
    """
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    if not laid_out:
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return path


def write_csv(branch: Branch, path: Path) -> None:
    """Write one row per point: free parameter, states, arclength, stability, scalar signatures, special points.

    Numbers are written so that reading them gives the same number.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name in branch.columns if name not in branch.params or name == branch.free]
    marks = [""] * len(branch)
    for point in branch.special_points:
        nearest = int(np.argmin(np.abs(branch.s - point.s)))
        marks[nearest] = " ".join(filter(None, (marks[nearest], point.name)))
    columns = [branch[name].tolist() for name in names]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "special"])
        writer.writerows(zip(*columns, marks, strict=True))
