"""Curves of special points in ``.npz`` files of the same family as those of branches."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from ntkcont.results import io
from ntkcont.results.critical_curve import CriticalCurve
from ntkcont.results.special_points import SpecialPoint, SpecialPoints
from ntkcont.status import Status

FORMAT = "ntkcont curve"
VERSION = 1

_ARRAYS = ("p", "x", "s", "tangent", "eigenvalues", "labels", "n_unstable", "omega", "coefficient")
_POINT_FIELDS = tuple(field.name for field in dataclasses.fields(SpecialPoint) if field.name != "model")
_PACKED = ("free", "states", "params", "provenance")


def save(curve: CriticalCurve, path: str | os.PathLike[str]) -> Path:
    """Write a curve to a ``.npz`` file, atomically; everything but ``curve.model``, bit for bit.

    Raises
    ------
    InputError
        If the provenance holds something that is neither a number, text nor an array.
    OSError
        If the file cannot be written; the message says why, and an older file is left alone.
    """
    path = Path(path)
    packer = io.Packer()
    saved: dict[str, Any] = {"kind": curve.kind, "label": curve.label, "status": curve.status.name}
    saved["ends"] = [end.name for end in curve.ends]
    saved |= {name: packer.pack(getattr(curve, name), name) for name in _PACKED}
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION, "curve": saved}
    header["arrays"] = {name: packer.array(getattr(curve, name), name) for name in _ARRAYS}
    header["special_points"] = [
        {
            field: packer.pack(getattr(point, field), f"special_points[{point.name!r}].{field}")
            for field in _POINT_FIELDS
        }
        for point in curve.special_points
    ]
    io.write_archive(path, header, packer, "the curve")
    return path


def load_curve(path: str | os.PathLike[str]) -> CriticalCurve:
    """Read a curve in two parameters that ``curve.save`` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    CriticalCurve
        Equal to the one that was saved; ``curve.model`` is None.

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
    >>> fold = nc.continuation(model, [-1.0], free="p", p_span=(-2, 1)).special_points["LP1"]
    >>> curve = nc.continuation(model, fold, free=("p", "q"), p_span=((-2, 2), (-1, 1)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nc.load_curve(curve.save(pathlib.Path(folder, "fold.npz"))) == curve
    True
    """
    return io.read_archive(path, FORMAT, VERSION, _build)


def _build(header: dict[str, Any], arrays: io.Arrays) -> CriticalCurve:
    saved = {key: io.unpack(value, arrays) for key, value in header["curve"].items()}
    saved["status"] = Status[saved["status"]]
    saved["ends"] = tuple(Status[name] for name in saved["ends"])
    columns: dict[str, Any] = {name: arrays[header["arrays"][name]] for name in _ARRAYS}
    points = [
        SpecialPoint(**{key: io.unpack(value, arrays) for key, value in packed.items()})
        for packed in header["special_points"]
    ]
    return CriticalCurve(**saved, **columns, special_points=SpecialPoints(points))
