"""Branches in the layout of AUTO-07p's bifurcation diagram files, ``b.name`` or ``fort.7``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.results.io import write_atomically

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch

#: AUTO's type numbers; special points without one get no row of their own.
TYPES = {"BP": 1, "LP": 2, "H": 3, "PD": 7, "NS": 8, "UZ": -4, "EP": 9}
_END, _FAILED_END = 9, -9
_COLUMNS = 6  # states that AUTO prints beside one parameter
_POINTS = 9999  # AUTO counts points up to here and begins again
_NAME = 13


class _Row(NamedTuple):
    s: float
    p: float
    x: NDArray[np.float64]
    stable: bool
    type: int


def to_auto(branch: Branch, path: str | os.PathLike[str], *, states: Sequence[str] | None = None) -> Path:
    """Write a branch in the layout of AUTO-07p's ``b.`` file, for the tools that read it.

    Parameters
    ----------
    branch : Branch
    path : path-like
        The file, ``b.name`` by AUTO's custom; an existing one is replaced only when the new one is complete on disk.
    states : sequence of str, optional
        Which states become columns, default the first six, as AUTO has it.  AUTO's own reader takes any number.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        If a name in `states` is unknown, or the branch is empty.
    OSError
        If the file cannot be written; an older file is left alone.

    Notes
    -----
    Header lines begin with 0.  Then follow, for each point: the branch (1), the number of the point, negative where the
    fixed point is stable, a type, a label, the free parameter, the Euclidean norm of all states, the states.  Types are
    1 branch point (BP), 2 fold (LP), 3 Hopf (HB), 7 period doubling (PD), 8 Neimark-Sacker (TR), -4 user zero (UZ),
    9 an end, -9 an end where the continuation failed, 0 none.  Located special points are rows of their own between
    their neighbours, with the stability of the row before.

    What the layout cannot hold is left out: border collisions and neutral saddles, for which AUTO has no number,
    eigenvalues, frequencies, arclength, fixed parameters, kernel signatures, and digits beyond eleven.  AUTO can plot
    the file but not restart from it, which would take its ``s.`` file.

    References
    ----------
    .. [1] E. J. Doedel and B. E. Oldeman, AUTO-07p: Continuation and bifurcation software for ordinary differential
       equations, Concordia University (2012), chapter "Output files".

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> branch = nc.continuation(nc.classics.cusp(), [0.0], free="mu", p_span=(-1.0, 1.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = branch.to_auto(pathlib.Path(folder, "b.cusp")).read_text().splitlines()
    >>> [line[10:38] for line in lines if line[10:14] == "   2"]
    ['   2    2  -3.8490017946E-01', '   2    3   3.8490017946E-01']
    """
    path = Path(path)
    if not len(branch):
        msg = "branch: it has no points; there is nothing to write"
        raise InputError(msg)
    shown = tuple(branch.states[:_COLUMNS] if states is None else ((states,) if isinstance(states, str) else states))
    for name in shown:
        if name not in branch.states:
            argument = "states"
            raise unknown_name(argument, name, branch.states)
    lines = [*_header(branch, shown)]
    columns = [branch.states.index(name) for name in shown]
    label = 0
    for count, row in enumerate(_rows(branch)):
        point = (count % _POINTS + 1) * (-1 if row.stable else 1)
        label += row.type != 0
        values = (row.p, float(np.linalg.norm(row.x)), *row.x[columns])
        integers = f"{1:4d}{point:6d}{row.type:4d}{label if row.type else 0:5d}"
        lines.append(integers + "".join(f"{value:19.10E}" for value in values))
    data = ("\n".join(lines) + "\n").encode("utf-8")
    write_atomically(path, lambda file: file.write(data), "the diagram")
    return path


def _header(branch: Branch, shown: Sequence[str]) -> list[str]:
    norms = np.linalg.norm(branch.x, axis=1)
    limits = (branch.p.min(), branch.p.max(), norms.min(), norms.max())
    names = ", ".join(f"{branch.states.index(name) + 1}: '{name[:_NAME]}'" for name in shown)
    heads = [_centred(branch.free), f"{'   L2-NORM':19}", *[_centred(name) for name in shown]]
    return [
        "   0 " + "".join(f"{value:12.4E}" for value in limits),
        f"   0   NDIM={branch.n:4d}   IPS ={1 if branch.kind == 'flow' else -1:4d}",
        f"   0   parnames = {{1: '{branch.free[:_NAME]}'}}",
        f"   0   unames   = {{{names}}}",
        f"   0   User-specified parameter:        '{branch.free[:_NAME]}'",
        f"   0   Active continuation parameter:   '{branch.free[:_NAME]}'",
        "   0",
        "   0    PT  TY  LAB " + "".join(heads),
    ]


def _centred(name: str) -> str:
    name = name[:_NAME]
    return f"{' ' * (max(7 - (len(name) - 1) // 2, 2) - 1)}{name}".ljust(19)


def _rows(branch: Branch) -> list[_Row]:
    """Return the points and the located special points in order of arclength."""
    last = len(branch) - 1
    rows = []
    for i in range(len(branch)):
        end = branch.ends[0 if i == 0 else 1] if i in (0, last) else None
        kind = 0 if end is None else _END if end.ok else _FAILED_END
        rows.append(_Row(float(branch.s[i]), float(branch.p[i]), branch.x[i], bool(branch.stable[i]), kind))
    for point in branch.special_points:
        number = TYPES.get(point.label)
        if number is None or point.label == "EP":
            continue
        before = max(int(np.searchsorted(branch.s, point.s)) - 1, 0)
        rows.append(_Row(point.s, point.p, point.x, bool(branch.stable[before]), number))
    return sorted(rows, key=lambda row: row.s)  # stable: a special point at a node follows it
