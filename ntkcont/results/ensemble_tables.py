"""An ensemble as one xarray dataset: the variables of its branches, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import unknown_name
from ntkcont.results.ensemble import Outcome
from ntkcont.results.tables import _optional, _unused

if TYPE_CHECKING:
    from ntkcont.results.ensemble import Ensemble


def to_xarray(ensemble: Ensemble, variables: Sequence[str] | None = None) -> Any:
    """Return one xarray Dataset of all members, which can be written to netCDF.

    Parameters
    ----------
    ensemble : Ensemble
    variables : sequence of str, optional
        Names of the variables and coordinates to keep, such as ``("participation_ratio", "special_p")``; default all.
        Of large networks choose those without the states.

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
    tables = [m.branch().to_xarray() if m.outcome is Outcome.DONE else None for m in ensemble.members]
    known = {name: None for table in tables if table is not None for name in table.variables if name != "state"}
    for name in variables or ():
        if name not in known:
            raise unknown_name(argument="variables", got=name, allowed=known)
    data: dict[str, Any] = {}
    for name in known:
        if variables is None or name in variables or name in ("special_point",):
            there = [None if table is None or name not in table.variables else table[name] for table in tables]
            new = "special_name" if name == "special_point" else name
            dims = next(array.dims for array in there if array is not None)
            values = [None if array is None else array.values for array in there]
            data[new] = (("member", *dims), padded(values, len(dims)))
    for name, dim in (("n_points", "point"), ("n_special_points", "special_point")):
        data[name] = (("member",), np.array([0 if table is None else table.sizes[dim] for table in tables]))
    taken = {*data, "member", "point", "special_point", "state", "eigenvalue", "kernel_mode"}
    coords: dict[str, Any] = {}
    for name in dict.fromkeys(name for m in ensemble.members for name in m.arguments):
        coords[_unused(name, taken, "argument")] = (("member",), ensemble.coordinate(name))
    coords[_unused("key", taken, "member")] = (("member",), np.array([m.key for m in ensemble.members]))
    outcomes = np.array([m.outcome.name.lower() for m in ensemble.members])
    coords[_unused("outcome", taken, "member")] = (("member",), outcomes)
    states = {tuple(table["state"].values.tolist()) for table in tables if table is not None}
    if len(states) == 1 and any("state" in dims for dims, _ in data.values()):
        coords["state"] = list(states.pop())
    return xarray.Dataset(data, coords=coords, attrs={"store": str(ensemble.store)})


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
