"""Diagrams in ``.npz`` files: the header and arrays of branch files, once for each branch."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from ntkcont.results.diagram import Diagram, Origin, Unfollowed
from ntkcont.results.io import Arrays, Packer, pack_branch, read_archive, unpack, unpack_branch, write_archive

FORMAT = "ntkcont diagram"
VERSION = 1


def save(diagram: Diagram, path: str | os.PathLike[str]) -> Path:
    """Write a diagram to one ``.npz`` file, atomically.

    Parameters
    ----------
    diagram : Diagram
        Everything but the models of its branches is written, bit for bit.
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
    header = {"format": FORMAT, "version": VERSION, **pack_diagram(diagram, packer)}
    write_archive(path, header, packer, "the diagram")
    return path


def pack_diagram(diagram: Diagram, packer: Packer) -> dict[str, Any]:
    """Return what the header says of a diagram; its arrays go to the packer."""
    return {
        "branches": [pack_branch(branch, packer) for branch in diagram],
        "origins": [dataclasses.asdict(origin) for origin in diagram.origins],
        "unfollowed": [dataclasses.asdict(each) for each in diagram.unfollowed],
        "images": {str(i): packer.array(x, f"images[{i}]") for i, x in diagram.images.items()},
        "provenance": packer.pack(diagram.provenance, "provenance"),
    }


def load_diagram(path: str | os.PathLike[str]) -> Diagram:
    """Read a diagram that `Diagram.save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Diagram
        Equal to the one that was saved; the ``model`` of its branches is None.

    Raises
    ------
    FileFormatError
        If the file is not a diagram of ours, damaged, or of a newer version; the message says what to do.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -0.5})
    >>> diagram = nc.diagram(model, [0.0], free="mu", p_span=(-1, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nc.load_diagram(diagram.save(pathlib.Path(folder, "d.npz"))) == diagram
    True
    """
    return read_archive(path, FORMAT, VERSION, unpack_diagram)


def unpack_diagram(header: dict[str, Any], arrays: Arrays) -> Diagram:
    """Return the diagram that `pack_diagram` described."""
    return Diagram(
        branches=tuple(unpack_branch(each, arrays) for each in header["branches"]),
        origins=tuple(Origin(**each) for each in header["origins"]),
        unfollowed=tuple(Unfollowed(**each) for each in header["unfollowed"]),
        images={int(i): arrays[key] for i, key in header["images"].items()},
        provenance=unpack(header["provenance"], arrays),
    )
