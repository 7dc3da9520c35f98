"""``load``: whatever this package has saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ntkcont.results import curve_file, diagram_io, ensemble_files, io, training_file

_READERS: io.Readers = {
    io.FORMAT: (io.VERSION, io.unpack_branch),
    diagram_io.FORMAT: (diagram_io.VERSION, diagram_io.unpack_diagram),
    curve_file.FORMAT: (curve_file.VERSION, curve_file.unpack_curve),
    training_file.FORMAT: (training_file.VERSION, training_file.unpack_record),
}


def load(path: str | os.PathLike[str]) -> Any:
    """Read what ``save`` of a branch, a diagram, a curve in two parameters or a training record wrote, or an ensemble.

    Parameters
    ----------
    path : path-like
        The file, or the folder of an ensemble.

    Returns
    -------
    Branch, Diagram, CriticalCurve, TrainingRecord or Ensemble
        Equal to the one that was saved; its ``model`` is None.

    Raises
    ------
    FileFormatError
        If the file is not ours, damaged, or of a newer version; the message names it and says what to do.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "p + q*x + x**2"}, {"p": -1.0, "q": 0.0})
    >>> branch = nc.continuation(model, [-1.0], free="p", p_span=(-2, 1))
    >>> curve = nc.continuation(model, branch.special_points["LP1"], free=("p", "q"), p_span=((-2, 2), (-1, 1)))
    >>> diagram = nc.diagram(model, [-1.0], free="p", p_span=(-2, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for result in (branch, diagram, curve):
    ...         print(nc.load(result.save(pathlib.Path(folder, "result.npz"))) == result)
    True
    True
    True
    """
    if Path(path).is_dir():
        return ensemble_files.open_store(path)
    return io.read_archive(path, _READERS)
