"""Training records in ``.npz`` files: the diagrams of all conditions, and the events."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from ntkcont.results.diagram_io import pack_diagram, unpack_diagram
from ntkcont.results.io import Arrays, Packer, read_archive, unpack, write_archive
from ntkcont.results.training_record import TrainingEvent, TrainingRecord

FORMAT = "ntkcont training"
VERSION = 1


def save(record: TrainingRecord, path: str | os.PathLike[str]) -> Path:
    """Write a record to one ``.npz`` file, atomically; everything but the models is written, bit for bit.

    Parameters
    ----------
    record : TrainingRecord
        What to write.
    path : path-like
        The file; an existing one is replaced only when the new one is complete on disk.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError, OSError
        As `ntkcont.results.io.save`.
    """
    path = Path(path)
    packer = Packer()
    header = {
        "format": FORMAT,
        "version": VERSION,
        "steps": packer.array(record.steps, "steps"),
        "interpolation": record.interpolation,
        "conditions": packer.pack(record.conditions, "conditions"),
        "diagrams": [pack_diagram(diagram, packer) for diagram in record.diagrams],
        "events": [packer.pack(dataclasses.asdict(event), "events") for event in record.events],
        "found": packer.array(record.found, "found"),
        "provenance": packer.pack(record.provenance, "provenance"),
    }
    write_archive(path, header, packer, "the training record")
    return path


def load_training(path: str | os.PathLike[str]) -> TrainingRecord:
    """Read a training record that `TrainingRecord.save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    TrainingRecord
        Equal to the one that was saved; the ``model`` of its branches is None.

    Raises
    ------
    FileFormatError
        If the file is not a training record of ours, damaged, or of a newer version; the message says what to do.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> path = nc.TrainingPath([np.array([[0.5]]), np.array([[1.5]])], nc.RateRNN)
    >>> record = nc.follow_training(path, box=(-3, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nc.load_training(record.save(pathlib.Path(folder, "t.npz"))) == record
    True
    """
    return read_archive(path, FORMAT, VERSION, _record)


def _record(header: dict[str, Any], arrays: Arrays) -> TrainingRecord:
    return TrainingRecord(
        steps=arrays[header["steps"]],
        interpolation=header["interpolation"],
        conditions=unpack(header["conditions"], arrays),
        diagrams=tuple(unpack_diagram(each, arrays) for each in header["diagrams"]),
        events=tuple(TrainingEvent(**unpack(each, arrays)) for each in header["events"]),
        found=arrays[header["found"]],
        provenance=unpack(header["provenance"], arrays),
    )
