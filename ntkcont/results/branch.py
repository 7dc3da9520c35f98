"""The branch: everything a continuation found, as named read-only columns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.results.doubtful import Doubtful, established, merged
from ntkcont.results.frozen import FrozenDict, array, construct, frozen, is_nothing, nothing, packed, same
from ntkcont.results.signatures import Signatures, stacked
from ntkcont.results.special_points import SpecialPoint, SpecialPoints, renumbered
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.models.model import Model

Real = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Branch:
    """A curve of fixed points in one free parameter, with k accepted points of n states.

    Parameters
    ----------
    kind : {"flow", "map"}
        Kind of the model.
    free : str
        Name of the free parameter.
    states : tuple of str
        Names of the n states.
    params : mapping of str to float
        Values of the other parameters (and the start value of the free one, if given).
    p : ndarray, shape (k,)
        Values of the free parameter.
    x : ndarray, shape (k, n)
        States; rows of nan (that take no memory) of a branch that keeps those of its special points only.
    s : ndarray, shape (k,)
        Scaled arclength, increasing; 0 at the start, negative before it.
    tangent : ndarray, shape (k, n+1)
        (dx/ds, dp/ds) in original units.
    eigenvalues : ndarray of complex, shape (k, n)
        Of the Jacobian (flows), multipliers (maps); a row of nan where none were computed or kept.
    stable : ndarray of bool, shape (k,)
        Whether the fixed point is linearly stable.
    n_unstable : ndarray of int, shape (k,)
        Number of unstable eigenvalues.
    special_points : SpecialPoints
        Located special points, in order of arclength; Newton on the defining system was accepted at each.
    doubtful : tuple of Doubtful
        What was bracketed and could not be established, in order of arclength.  A special point given as not converged
        is moved here.
    ntk : Signatures or None
        Kernel signatures at every point.
    status : Status
        How the continuation ended.
    ends : (Status, Status)
        The same for the end at low and at high arclength.
    provenance : mapping
        Model hash and description, settings, versions, theta, scales.
    model : Model or None
        Kept in memory only: neither saved nor compared.

    Raises
    ------
    InputError
        If shapes disagree or arclength does not increase.

    Notes
    -----
    ``branch[name]`` is a column of shape (k,): a state, the free or a fixed parameter, a named quantity of the model
    (``aux``; needs the model in memory), ``"s"``, or a scalar signature.
    """

    kind: Literal["flow", "map"]
    free: str
    states: tuple[str, ...]
    params: Mapping[str, float]
    p: Real
    x: Real
    s: Real
    tangent: Real
    eigenvalues: NDArray[np.complex128]
    stable: NDArray[np.bool_]
    n_unstable: NDArray[np.int64]
    special_points: SpecialPoints = dataclasses.field(default_factory=SpecialPoints)
    doubtful: tuple[Doubtful, ...] = ()
    ntk: Signatures | None = None
    status: Status
    ends: tuple[Status, Status]
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model: Model | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        if self.kind not in ("flow", "map"):
            msg = f"kind: {self.kind!r} is unknown; it may be 'flow' or 'map'"
            raise InputError(msg)
        put("states", tuple(str(name) for name in self.states))
        put("params", FrozenDict({str(name): float(value) for name, value in self.params.items()}))
        n = len(self.states)
        put("p", array(self.p, "p", np.float64, (None,)))
        k = len(self.p)
        put("x", array(self.x, "x", np.float64, (k, n)))
        put("s", array(self.s, "s", np.float64, (k,)))
        put("tangent", array(self.tangent, "tangent", np.float64, (k, n + 1)))
        put("eigenvalues", array(self.eigenvalues, "eigenvalues", np.complex128, (k, n)))
        put("stable", array(self.stable, "stable", np.bool_, (k,)))
        put("n_unstable", array(self.n_unstable, "n_unstable", np.int64, (k,)))
        if np.any(np.diff(self.s) <= 0):
            first = int(np.flatnonzero(np.diff(self.s) <= 0)[0])
            msg = f"s: arclength must increase, but s[{first + 1}] <= s[{first}]; give the points in order"
            raise InputError(msg)
        if not isinstance(self.special_points, SpecialPoints):
            put("special_points", SpecialPoints(self.special_points))
        kept, doubtful = established(self.special_points)
        if doubtful:
            put("special_points", SpecialPoints(kept))
        put("doubtful", _ordered((*self.doubtful, *doubtful), n))
        if self.ntk is not None and (not isinstance(self.ntk, Signatures) or len(self.ntk) != k):
            got = f"{len(self.ntk)} rows" if isinstance(self.ntk, Signatures) else type(self.ntk).__name__
            msg = f"ntk: {got} given for {k} points; give Signatures with one row per point"
            raise InputError(msg)
        put("status", Status(self.status))
        low, high = self.ends
        put("ends", (Status(low), Status(high)))
        put("provenance", frozen(dict(self.provenance)))

    # ---------------------------------------------------------------- columns

    def __len__(self) -> int:
        return len(self.p)

    @property
    def log(self) -> tuple[str, ...]:
        """Names of the variables that were measured in decades (argument `log`), on a part of it at least."""
        pieces = [self.provenance, *self.provenance.get("joined", ())]
        return tuple(dict.fromkeys(name for piece in pieces for name in piece.get("log", ())))

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.states)

    @property
    def has_states(self) -> bool:
        """Whether states, tangents and eigenvalues were kept (``ContinuationSettings.store_states``)."""
        return not is_nothing(self.x)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that ``branch[name]`` knows, in the order in which they are looked up."""
        from ntkcont.results.columns import names

        return names(self)

    def __getitem__(self, name: str) -> NDArray[Any]:
        from ntkcont.results.columns import column

        return column(self, name)

    def segments(self) -> list[tuple[slice, bool]]:
        """Return the runs of constant stability as ``(rows, stable)``, in order.

        Neighbouring runs share one point, so that curves drawn run by run have no gaps: the point next to a located
        special point if there is one, else the first of the new run.
        """
        from ntkcont.results.columns import segments

        return segments(self)

    def stability_change(self, point: SpecialPoint) -> tuple[int, int] | None:
        """Return the numbers of unstable eigenvalues before and after a special point.

        None at an end of the branch, and where several special points of opposite effect lie between two points.
        """
        from ntkcont.results.columns import stability_change

        return stability_change(self, point)

    # ---------------------------------------------------------------- derived branches

    def with_ntk(self, signatures: Signatures | None, special: Sequence[Mapping[str, Any] | None] = ()) -> Branch:
        """Return the same branch with other kernel signatures.

        Parameters
        ----------
        signatures : Signatures or None
            One row per point.
        special : sequence of mapping or None
            One for each special point, in order; empty leaves those of the points alone.

        Raises
        ------
        InputError
            If the numbers of rows or of special points disagree.
        """
        points = self.special_points
        if len(special) not in (0, len(points)):
            msg = f"special: {len(special)} were given for {len(points)} special points; give one for each"
            raise InputError(msg)
        if special:
            pairs = zip(points, special, strict=True)
            points = SpecialPoints(dataclasses.replace(point, ntk=values) for point, values in pairs)
        return dataclasses.replace(self, ntk=signatures, special_points=points)

    def reversed(self) -> Branch:
        """Return the same branch run the other way: ``s`` and the tangents change sign."""
        points = [
            dataclasses.replace(
                point, s=-point.s, tangent=-point.tangent, bracket=(-point.bracket[1], -point.bracket[0])
            )
            for point in self.special_points
        ]
        return dataclasses.replace(
            self,
            **{name: getattr(self, name)[::-1] for name in ("p", "x", "eigenvalues", "stable", "n_unstable")},
            s=-self.s[::-1],
            tangent=-self.tangent[::-1] if self.has_states else self.tangent,
            special_points=renumbered(points, self.log),
            doubtful=tuple(place.mirrored() for place in self.doubtful),
            ntk=None if self.ntk is None else self.ntk.take(slice(None, None, -1)),
            ends=self.ends[::-1],
        )

    # ---------------------------------------------------------------- files and tables

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the branch to a ``.npz`` file, atomically; see `ntkcont.results.io.save`."""
        from ntkcont.results.io import save

        return save(self, path)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a table with one row per point, atomically; see `ntkcont.results.csv_file.to_csv`."""
        from ntkcont.results.csv_file import to_csv

        return to_csv(self, path)

    def to_auto(self, path: str | os.PathLike[str], *, states: Sequence[str] | None = None) -> Path:
        """Write AUTO-07p's diagram file ``b.``, atomically; see `ntkcont.results.auto_file.to_auto`."""
        from ntkcont.results.auto_file import to_auto

        return to_auto(self, path, states=states)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per point; see `ntkcont.results.tables.to_dataframe`."""
        from ntkcont.results.tables import to_dataframe

        return to_dataframe(self)

    def to_xarray(self) -> Any:
        """Return an xarray Dataset; see `ntkcont.results.tables.to_xarray`."""
        from ntkcont.results.tables import to_xarray

        return to_xarray(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Branch):
            return NotImplemented
        return all(same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self) if f.compare)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {f.name: packed(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "model"}
        return construct, (Branch, fields)  # compiled functions do not travel between processes

    def __copy__(self) -> Branch:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Branch:
        return self

    def __repr__(self) -> str:
        from ntkcont.results.tables import branch_text

        return branch_text(self)

    def _repr_html_(self) -> str:
        from ntkcont.results.tables import branch_html

        return branch_html(self)


def _ordered(places: Sequence[Doubtful], n: int) -> tuple[Doubtful, ...]:
    for place in places:
        if not isinstance(place, Doubtful) or place.x.shape != (n,):
            got = f"one with {place.x.size} states" if isinstance(place, Doubtful) else type(place).__name__
            msg = f"doubtful: got {got}; each must be a Doubtful with the {n} states of the branch"
            raise InputError(msg)
    return tuple(sorted(places, key=lambda place: place.bracket))


def overall(ends: tuple[Status, Status]) -> Status:
    """Return the one status of a branch: that of an end which asks for action, else that of the end reached last."""
    high_first = [end for end in (ends[1], ends[0]) if end is not Status.START]
    return next((end for end in high_first if not end.ok), high_first[0] if high_first else Status.START)


def join(left: Branch, right: Branch) -> Branch:
    """Join two branches that share a point: the last of `left` is the first of `right`.

    Parameters
    ----------
    left, right : Branch
        Same model, same free and fixed parameters. Arclength goes on from `left`: if the two do not agree at the
        shared point, that of `right` is shifted. For an extension at the low end, join the reversed new piece with
        the old branch.

    Returns
    -------
    Branch
        Shared point once; special points in order and numbered anew, without the end points at the joint and with a
        special point that both found there once; kernel signatures put together, nan where one has none; states
        kept if both keep them.

    Raises
    ------
    InputError
        If the branches belong to different problems or do not meet.
    """
    for field in ("kind", "free", "states"):
        if getattr(left, field) != getattr(right, field):
            differ = f"{getattr(left, field)!r} and {getattr(right, field)!r}"
            msg = f"{field}: the branches differ ({differ}); join two of one problem"
            raise InputError(msg)
    for name in sorted(left.params.keys() | right.params.keys() - {left.free}):
        if name != left.free and left.params.get(name) != right.params.get(name):
            differ = f"{left.params.get(name)} and {right.params.get(name)}"
            msg = f"params[{name!r}]: the branches differ ({differ}); join two with the same"
            raise InputError(msg)
    if not len(left) or not len(right):
        return right if not len(left) else left
    reach = max(np.ptp(left.p), np.ptp(right.p), abs(float(left.p[-1])), 1e-300)
    gap = abs(float(left.p[-1] - right.p[0])) / reach
    (x_left, size), (x_right, _) = _end_state(left, -1), _end_state(right, 0)
    gap = max(gap, float(np.max(np.abs(x_left - x_right) / np.maximum(size, 1e-300))))
    if not gap <= 1e-6:
        msg = (
            f"right: it starts at {right.free}={right.p[0]:.10g}, but left ends at {left.p[-1]:.10g} "
            f"(relative distance {gap:.1e}); they must share that point"
        )
        raise InputError(msg)
    shift = float(left.s[-1] - right.s[0])
    if abs(shift) <= 1e-12 * max(1.0, abs(float(left.s[-1]))):
        shift = 0.0
    joint = float(left.s[-1])
    near = 1e-9 * max(1.0, abs(joint), float(left.s[-1] - left.s[0]))

    points = [point for point in left.special_points if point.label != "EP" or point.s < joint - near]
    for point in right.special_points:
        moved = point
        if shift:
            bracket = (point.bracket[0] + shift, point.bracket[1] + shift)
            moved = dataclasses.replace(point, s=point.s + shift, bracket=bracket)
        at_joint = abs(moved.s - joint) <= near
        twice = any(p.label == moved.label and abs(p.s - moved.s) <= near for p in left.special_points)
        if not (at_joint and (moved.label == "EP" or twice)):
            points.append(moved)

    rest = slice(1, None)
    columns = {}
    for name in ("p", "x", "tangent", "eigenvalues", "stable", "n_unstable"):
        parts = [getattr(left, name), getattr(right, name)[rest]]
        if any(is_nothing(part) for part in parts) and parts[0].ndim > 1:
            columns[name] = nothing((len(left) + len(right) - 1, parts[0].shape[1]), parts[0].dtype)
        else:
            columns[name] = np.concatenate(parts)
    columns["s"] = np.concatenate([left.s, right.s[rest] + shift])
    for column in columns.values():
        column.flags.writeable = False
    ends = (left.ends[0], right.ends[1])
    tail = None if right.ntk is None else right.ntk.take(rest)
    provenance = left.provenance if same(left.provenance, right.provenance) else _merged(left, right)
    return Branch(
        kind=left.kind,
        free=left.free,
        states=left.states,
        params=left.params,
        **columns,
        special_points=renumbered(points, (*left.log, *right.log)),
        doubtful=merged([*left.doubtful, *(place.shifted(shift) for place in right.doubtful)], joint, near),
        ntk=stacked([left.ntk, tail], [len(left), len(right) - 1]),
        status=overall(ends),
        ends=ends,
        provenance=provenance,
        model=left.model or right.model,
    )


def _end_state(branch: Branch, i: int) -> tuple[Real, Real]:
    """Return the state at an end of a branch, and the magnitudes of states along it."""
    if branch.has_states:
        return branch.x[i], np.max(np.abs(branch.x), axis=0)
    states = np.array([point.x for point in branch.special_points])
    return states[i], np.max(np.abs(states), axis=0)


def _merged(left: Branch, right: Branch) -> dict[str, Any]:
    merged = dict(left.provenance)
    merged["joined"] = (*merged.get("joined", ()), dict(right.provenance))
    return merged
