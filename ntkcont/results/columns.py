"""What is read off a branch point by point: columns by name, runs of stability, changes at special points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch
    from ntkcont.results.special_points import SpecialPoint

_OWN = ("s", "stable", "n_unstable")

#: So close to a special point, in scaled arclength, that rounding decides on which side of it a point lies, such as a
#: start at a fold.  On the side branch of a pitchfork, F ~ h (p - h^2) at the distance h, that is below h = eps^(1/3).
_ON_IT = {"BP": 3e-5}
_ON_ANY = 1e-7

#: How many eigenvalues cross the stability boundary at a simple special point; 0 where not listed.
_CROSSINGS = {"LP": 1, "BP": 1, "PD": 1, "H": 2, "NS": 2}


def names(branch: Branch) -> tuple[str, ...]:
    """Return the names of the columns, in the order in which they are looked up."""
    signatures = () if branch.ntk is None else branch.ntk.scalars
    return tuple(
        dict.fromkeys([branch.free, *kept_names(branch), *branch.params, *auxiliary_names(branch), *_OWN, *signatures])
    )


def column(branch: Branch, name: str) -> NDArray[Any]:
    """Return one column, shape (k,), read-only."""
    if name == branch.free:
        return branch.p
    if name in branch.states:
        _refuse_without_states(branch, name)
        values = branch.x[:, branch.states.index(name)]
    elif name in branch.params:
        values = np.full(len(branch), branch.params[name])
        values.flags.writeable = False
    elif branch.model is not None and name in branch.model.aux_names:
        _refuse_without_states(branch, name)
        values = auxiliary(branch, name)
        values.flags.writeable = False
    elif name in _OWN:
        values = getattr(branch, name)
    elif branch.ntk is not None and name in branch.ntk:
        values = branch.ntk[name]
    else:
        _refuse_without_model(branch, name)
        raise unknown_name(argument="column", got=name, allowed=names(branch))
    return values


def kept_names(branch: Branch) -> tuple[str, ...]:
    """Return the names of the states, none where they were not kept."""
    return branch.states if branch.has_states else ()


def _refuse_without_states(branch: Branch, name: str) -> None:
    if not branch.has_states:
        msg = (
            f"column: {name!r} was kept at the special points only (branch.special_points); "
            'compute with ContinuationSettings(store_states="all") for every point'
        )
        raise InputError(msg)


# ---------------------------------------------------------------- named quantities of the model


def auxiliary_names(branch: Branch) -> tuple[str, ...]:
    """Return the names of the model's quantities; none where the branch has no model (from a file) or no states."""
    return () if branch.model is None or not branch.has_states else branch.model.aux_names


def auxiliary(branch: Branch, name: str) -> NDArray[np.float64]:
    """Return a quantity of the model along the branch, shape (k,)."""
    from ntkcont.models.auxiliary import evaluate

    model = branch.model
    if model is None:
        msg = f"column: {name!r} needs the model, which is kept in memory only"
        raise InputError(msg)
    fixed = {key: value for key, value in branch.params.items() if key in model.params}
    p0, direction = model.line(branch.free, fixed)
    return evaluate(model, [name], branch.x, p0 + branch.p[:, None] * direction)[name]


def _refuse_without_model(branch: Branch, name: str) -> None:
    """Say so if the model that the file tells of had a quantity of this name."""
    if branch.model is not None:
        return
    told = branch.provenance.get("model", {})
    lines = str(told.get("description", "")).splitlines() if hasattr(told, "get") else []
    equations = lines and lines[0].startswith((f"{branch.states[0]}' = ", f"{branch.states[0]} <- "))
    if equations and any(line.startswith(f"{name} = ") for line in lines):
        msg = (
            f"column: {name!r} is a quantity of the model, and this branch has none in memory (files and other "
            "processes do not keep it); put it back with dataclasses.replace(branch, model=model)"
        )
        raise InputError(msg)


# ---------------------------------------------------------------- stability


def segments(branch: Branch) -> list[tuple[slice, bool]]:
    """Return the runs of :meth:`ntkcont.results.branch.Branch.segments`."""
    if not len(branch):
        return []
    specials = np.array([point.s for point in branch.special_points])
    starts = [0]
    stops = []
    for i in np.flatnonzero(np.diff(branch.stable)):
        shared = int(i) + 1
        if len(specials) and np.min(np.abs(specials - branch.s[i])) < np.min(np.abs(specials - branch.s[i + 1])):
            shared = int(i)
        stops.append(shared + 1)
        starts.append(shared)
    stops.append(len(branch))
    flags = [bool(branch.stable[0])]
    for _ in starts[1:]:
        flags.append(not flags[-1])
    return [(slice(a, b), flag) for a, b, flag in zip(starts, stops, flags, strict=True)]


def on_special_points(branch: Branch, points: Iterable[SpecialPoint]) -> NDArray[np.bool_]:
    """Return which points of a branch are one of these special points, so that their own counts mean nothing."""
    on = np.zeros(len(branch), dtype=bool)
    for point in points:
        if point.label not in ("EP", "UZ"):
            reach = _ON_IT.get(point.label, _ON_ANY) * max(1.0, 1e-2 * abs(point.s))
            on[np.searchsorted(branch.s, point.s - reach) : np.searchsorted(branch.s, point.s + reach, "right")] = True
            low, high = point.bracket
            for i in np.flatnonzero((branch.s >= low) & (branch.s <= high)):  # by place: s is interpolated
                on[i] = on[i] or _away(branch, int(i), point) <= reach
    return on


def _away(branch: Branch, i: int, point: SpecialPoint) -> float:
    """Return how far a special point is from point i of a branch, in arclength; inf where that is not known."""
    around = slice(max(0, i - 1), i + 2)
    z = np.column_stack([branch.x[around], branch.p[around]])
    if branch.x.shape[1] != len(point.x) or len(z) < 2 or not np.all(np.isfinite(z)):
        return np.inf
    size = np.max(np.abs(z), axis=0)
    size[size == 0.0] = 1.0
    chord = np.linalg.norm((z[-1] - z[0]) / size)
    apart = np.linalg.norm((z[min(i, 1)] - np.append(point.x, point.p)) / size)
    return float(apart / chord * np.ptp(branch.s[around])) if chord > 0.0 else np.inf


def stability_change(branch: Branch, point: SpecialPoint) -> tuple[int, int] | None:
    """Return the numbers of :meth:`ntkcont.results.branch.Branch.stability_change`."""
    clear = np.flatnonzero(~on_special_points(branch, branch.special_points))
    at = branch.s[clear]
    left, right = int(np.searchsorted(at, point.s)) - 1, int(np.searchsorted(at, point.s, side="right"))
    if left < 0 or right >= len(at):
        return None
    before, after = int(clear[left]), int(clear[right])
    first, last = int(branch.n_unstable[before]), int(branch.n_unstable[after])
    low, high = branch.s[before], branch.s[after]
    sizes = [(p, p.multiplicity * _CROSSINGS.get(p.label, 0)) for p in branch.special_points if low < p.s < high]
    total = sum(size for _, size in sizes)
    if abs(last - first) != total:
        return (first, last) if len(sizes) <= 1 else None
    sign = 1 if last > first else -1
    start = first + sign * sum(size for p, size in sizes if p.s < point.s)
    return start, start + sign * next((size for p, size in sizes if p is point), 0)
