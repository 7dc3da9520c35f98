"""An ensemble as one xarray dataset: the variables of its branches, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import unknown_name
from ntkcont.results.ensemble import Outcome
from ntkcont.results.tables import _optional, _unused, xarray_parts

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch
    from ntkcont.results.ensemble import Ensemble


def to_xarray(ensemble: Ensemble, variables: Sequence[str] | None = None) -> Any:
    """Return one xarray Dataset of all members, which can be written to netCDF.

    Parameters
    ----------
    ensemble : Ensemble
    variables : sequence of str, optional
        Names of the variables to keep, such as ``("participation_ratio", "special_p")``; default all.  Of large
        networks choose those without the states.

    Returns
    -------
    xarray.Dataset
        What :func:`ntkcont.results.tables.to_xarray` gives for one branch, with a dimension ``member`` before the
        others.  Branches differ in length: rows beyond the end are nan (-1 for whole numbers, False, empty text), and
        ``n_points`` and ``n_special_points`` say how many there are; 0 for members without a branch.  Coordinates along
        ``member``: ``key``, ``outcome`` and the arguments of the problems.

    Raises
    ------
    InputError
        No branch has one of the variables.
    ImportError
        If xarray is missing.
    """
    xarray = _optional("xarray")
    tables = [_variables(m.branch(), variables) if m.outcome is Outcome.DONE else {} for m in ensemble.members]
    known = dict.fromkeys(name for table in tables for name in table)
    for name in variables or ():
        if name not in known:
            allowed = dict.fromkeys(n for m in ensemble.done.members[:1] for n in _variables(m.branch(), None))
            raise unknown_name(argument="variables", got=name, allowed=allowed)
    states = {tuple(table.pop("state")[1].tolist()) for table in tables if table}
    data: dict[str, Any] = {}
    for name in known:
        if name != "state":
            there = [table.get(name) for table in tables]
            dims = next(entry[0] for entry in there if entry is not None)
            values = [None if entry is None else entry[1] for entry in there]
            data[name] = (("member", *dims), padded(values, len(dims)))
    for name, column in (("n_points", "s"), ("n_special_points", "special_name")):
        data[name] = (("member",), np.array([len(table[column][1]) if table else 0 for table in tables]))
    taken = {*data, "member", "point", "special_point", "state", "eigenvalue", "kernel_mode"}
    coords: dict[str, Any] = {}
    for name in dict.fromkeys(name for m in ensemble.members for name in m.arguments):
        coords[_unused(name, taken, "argument")] = (("member",), ensemble.coordinate(name))
    coords[_unused("key", taken, "member")] = (("member",), np.array([m.key for m in ensemble.members]))
    outcomes = np.array([m.outcome.name.lower() for m in ensemble.members])
    coords[_unused("outcome", taken, "member")] = (("member",), outcomes)
    if len(states) == 1 and any("state" in dims for dims, _ in data.values()):
        coords["state"] = list(states.pop())
    return xarray.Dataset(data, coords=coords, attrs={"store": str(ensemble.store)})


def _variables(branch: Branch, wanted: Sequence[str] | None) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Return the variables and coordinates of one branch, those without which the rest says nothing in any case."""
    data, coords, _ = xarray_parts(branch)
    coords["special_name"] = coords.pop("special_point")
    every = data | coords
    kept = every if wanted is None else {*wanted, branch.free, "s", "state", "special_name"}
    return {name: entry for name, entry in every.items() if name in kept}


def padded(arrays: Sequence[NDArray[Any] | None], ndim: int) -> NDArray[Any]:
    """Stack arrays of different sizes; what one lacks is nan, -1, False or empty text.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.results.ensemble_tables import padded
    >>> padded([np.array([1.0, 2.0]), None, np.array([3.0])], 1)
    array([[ 1.,  2.],
           [nan, nan],
           [ 3., nan]])
    """
    known = [a for a in arrays if a is not None]
    shape = tuple(max((a.shape[j] for a in known), default=0) for j in range(ndim))
    dtype = np.result_type(*known)
    fill: Any = {"f": np.nan, "c": np.nan, "b": False, "i": -1, "u": 0, "U": ""}[dtype.kind]
    stacked = np.full((len(arrays), *shape), fill, dtype=dtype)
    for row, a in zip(stacked, arrays, strict=True):
        if a is not None:
            row[tuple(slice(size) for size in a.shape)] = a
    return stacked
