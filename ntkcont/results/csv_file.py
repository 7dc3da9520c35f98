"""Branches as CSV files, one row per point."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.results.io import write_atomically
from ntkcont.results.tables import point_columns

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch


def to_csv(branch: Branch, path: str | os.PathLike[str]) -> Path:
    """Write the points of a branch as comma-separated values.

    Parameters
    ----------
    branch : Branch
    path : path-like
        The file; an existing one is replaced only when the new one is complete on disk.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        If the path is ``"."``.
    OSError
        If the file cannot be written; an older file is left alone.

    Notes
    -----
    UTF-8, one header line, no comments: ``pandas.read_csv(path)`` and spreadsheets take it without options.  The
    columns are those of ``to_dataframe`` with the fixed parameters before the last: the free parameter, the states,
    the model's named quantities (where the model is in memory), ``s``, ``stable`` (True or False), ``n_unstable``, the
    scalar kernel signatures (``_real`` and ``_imag`` where complex), the fixed parameters, and ``special``: names of
    the special points nearest to the row, else empty.
    Numbers read back bit for bit; nan is an empty cell.  The eigenvalues, the kernel spectra and the exact values of
    the special points are in the file that ``Branch.save`` writes, and in ``to_xarray``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> branch = nc.continuation(nc.classics.cusp(), [0.0], free="mu", p_span=(-1.0, 1.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     branch.to_csv(pathlib.Path(folder, "b.csv")).read_text().splitlines()[0]
    'mu,x,s,stable,n_unstable,lam,special'
    """
    path = Path(path)
    columns: dict[str, Any] = {}
    for name, column in point_columns(branch, params=True).items():
        if np.iscomplexobj(column):
            columns |= {f"{name}_real": np.real(column), f"{name}_imag": np.imag(column)}
        else:
            columns[name] = column
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*[_cells(column) for column in columns.values()], strict=True))
    data = text.getvalue().encode("utf-8")
    write_atomically(path, lambda file: file.write(data), "the table")
    return path


def _cells(column: Any) -> list[str]:
    """Return a column as text: shortest decimals that read back the same, nan as nothing."""
    values = np.asarray(column).tolist()
    return ["" if isinstance(v, float) and v != v else repr(v) if isinstance(v, float) else str(v) for v in values]
