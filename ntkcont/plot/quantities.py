"""What a plot draws: columns of a branch by name, the norm of the state, or the user's own function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, nearest
from ntkcont.results.branch import Branch
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.special_points import SpecialPoint

Real = NDArray[np.float64]
Quantity = str | Callable[[Branch], Any]

_FEW_STATES = 8

_TITLES = {
    "norm": "‖x‖",
    "s": "arclength s",
    "n_unstable": "unstable eigenvalues",
    "top": "largest NTK eigenvalue",
    "top_arc": "largest NTK eigenvalue (arclength gauge)",
    "top_resolvent": "largest resolvent NTK eigenvalue",
    "trace": "trace of the NTK",
    "lambda_0": "λ₀",
    "lambda_c": "Re λ_c",
    "omega_c": "ω_c",
    "kappa": "eigenvalue condition κ",
    "lr_crit": "critical learning rate",
}


class Values(NamedTuple):
    """A quantity along a branch: at the k points, at its special points (nan: unknown there), and its axis label."""

    points: Real
    special: Real
    title: str


def plain(text: str) -> str:
    """Return text in which matplotlib sees no mathematics."""
    return text.replace("$", r"\$")


def default_y(branch: Branch) -> str:
    """Return the first state, the norm where all states are alike (networks), or what is left without states."""
    if not branch.has_states:
        return "n_unstable"
    alike = branch.model.homogeneous if branch.model is not None else branch.n > _FEW_STATES
    return "norm" if alike and branch.n > 1 else branch.states[0]


def values_of(branch: Branch, quantity: Quantity, argument: str) -> Values:
    """Evaluate a quantity along a branch.

    Raises
    ------
    InputError
        If there is no such column, or a function returns something other than one number per point.
    """
    if callable(quantity):
        values = np.asarray(quantity(branch))
        if values.shape != (len(branch),) or values.dtype.kind not in "fbiu":
            wanted = f"it must return one number for each of the {len(branch)} points"
            msg = f"{argument}: the function returned shape {values.shape}; {wanted}"
            raise InputError(msg)
        values = values.astype(float)
        name = getattr(quantity, "__name__", "")
        special = at_places(branch, quantity, values, branch.special_points)
        return Values(values, special, "" if name == "<lambda>" else plain(name))
    if quantity == "norm" and "norm" not in branch.columns:
        if not branch.has_states:
            msg = f"{argument}: the branch keeps no states for a norm (store_states='special'); draw 'n_unstable'"
            raise InputError(msg)
        values, title = np.linalg.norm(branch.x, axis=1), _TITLES["norm"]
    elif quantity in branch.states:
        values, title = branch[quantity], plain(quantity)
    else:
        column = _column(branch, quantity, argument)
        title = plain(quantity) if quantity == branch.free or quantity in branch.params else _title(quantity, column)
        values = np.real(column).astype(float)
    return Values(values, at_places(branch, quantity, values, branch.special_points), title)


def at_places(
    branch: Branch, quantity: Quantity, values: Real, places: Sequence[SpecialPoint] | Sequence[Doubtful]
) -> Real:
    """Return a quantity, whose `values` along the branch are given, at places with their own s, p and x."""
    if isinstance(quantity, str):
        if quantity == "norm" and "norm" not in branch.columns:
            return np.array([np.linalg.norm(place.x) for place in places], dtype=np.float64)
        if quantity in branch.states:
            j = branch.states.index(quantity)
            return np.array([place.x[j] for place in places], dtype=np.float64)
        if quantity == branch.free:
            return np.array([place.p for place in places], dtype=np.float64)
    return _between(branch, values, np.array([place.s for place in places]))


def _title(name: str, column: NDArray[Any]) -> str:
    if name in _TITLES:
        return _TITLES[name]
    return ("Re " if np.iscomplexobj(column) else "") + plain(name.replace("_", " "))


def title_of(name: str) -> str:
    """Return the axis label of a signature."""
    return _TITLES.get(name, plain(name.replace("_", " ")))


def _column(branch: Branch, name: str, argument: str) -> NDArray[Any]:
    if name in branch.columns:
        return branch[name]
    if branch.ntk is None:
        msg = (
            f"{argument}: {name!r} is no column of this branch, and no kernel is attached to it; attach one with "
            f"nc.annotate(branch, nc.ntk.StateNTK(...)) or continuation(..., ntk=...), or choose from the columns: "
            f"{nearest(name, ['norm', *branch.columns])}"
        )
        raise InputError(msg)
    if name in branch.ntk:
        msg = f"{argument}: {name!r} has several numbers per point; choose one of {', '.join(branch.ntk.scalars)}"
        raise InputError(msg)
    msg = f"{argument}: {name!r} is no column of this branch; {nearest(name, ['norm', *branch.columns])}"
    raise InputError(msg)


def _between(branch: Branch, values: Real, s: Real) -> Real:
    """Interpolate in arclength: a singular signature has no value at the special point itself."""
    finite = np.isfinite(values)
    if not finite.any() or not len(s):
        return np.full(len(s), np.nan)
    return np.interp(s, branch.s[finite], values[finite])


def in_decades(items: Iterable[Any], name: Quantity, *values: Any) -> bool:
    """Whether a variable was measured in decades on one of the results that are drawn, and all `values` allow it."""
    measured = isinstance(name, str) and any(name in getattr(item, "log", ()) for item in items)
    shown = np.concatenate([np.ravel(np.asarray(each, dtype=float)) for each in values]) if measured else np.zeros(0)
    return measured and bool(np.all(shown[np.isfinite(shown)] > 0.0))


def as_branches(branch: Any) -> list[Branch]:
    """Return a list from one branch, a sequence of branches, or anything with ``.branches``.

    Raises
    ------
    InputError
        If it is something else, or there is nothing to draw.
    """
    items: Any = [branch] if isinstance(branch, Branch) else getattr(branch, "branches", branch)
    branches: list[Any] = list(items) if isinstance(items, Iterable) else [items]
    for item in branches:
        if not isinstance(item, Branch):
            msg = f"branch: got {type(item).__name__}; give a Branch or a list of them"
            raise InputError(msg)
    if not any(len(item) for item in branches):
        msg = "branch: it has no points; there is nothing to draw"
        raise InputError(msg)
    first = branches[0]
    for item in branches[1:]:
        if item.free != first.free:
            msg = f"branch: one is in {first.free!r} and another in {item.free!r}; draw branches of one free parameter"
            raise InputError(msg)
    return branches
