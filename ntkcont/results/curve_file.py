"""Curves of special points in ``.npz`` files of the same family as those of branches."""

from __future__ import annotations

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
    header["special_points"] = [io.pack_point(point, packer, {}) for point in curve.special_points]
    header["doubtful"] = io.pack_doubtful(curve.doubtful, packer)
    io.write_archive(path, header, packer, "the curve")
    return path


def unpack_curve(header: dict[str, Any], arrays: io.Arrays) -> CriticalCurve:
    """Return the curve that `save` wrote."""
    saved = {key: io.unpack(value, arrays) for key, value in header["curve"].items()}
    saved["status"] = Status[saved["status"]]
    saved["ends"] = tuple(Status[name] for name in saved["ends"])
    columns: dict[str, Any] = {name: arrays[header["arrays"][name]] for name in _ARRAYS}
    points = [
        SpecialPoint(**{key: io.unpack(value, arrays) for key, value in packed.items()})
        for packed in header["special_points"]
    ]
    doubtful = io.unpack_doubtful(header, arrays)
    return CriticalCurve(**saved, **columns, special_points=SpecialPoints(points), doubtful=doubtful)
