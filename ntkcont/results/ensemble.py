"""The results of an ensemble: one record for each member, its branch on request, and numbers over all of them."""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.results import io
from ntkcont.results.branch import Branch
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.labels import canonical
from ntkcont.status import Status

Real = NDArray[np.float64]
_NOT_CRITICAL = ("EP", "UZ", "NSad")  # what `critical_values` leaves out unless it is asked for


class Outcome(enum.StrEnum):
    """What became of a member of an ensemble; the value is the message for the user."""

    DONE = "its branch is in the store"
    FAILED = "it raised an exception, kept with its traceback; recompute='failed' tries again"
    TIMEOUT = "it took longer than the timeout and was stopped; raise the timeout, and recompute='failed' tries again"
    DIED = (
        "the process that computed it died, twice (memory, a crash in compiled code, or somebody killed it); "
        "recompute='failed' tries again"
    )
    CORRUPT = "its file in the store is damaged; recompute='corrupt' computes it again"
    MISSING = "it has not been computed; call nc.ensemble with the same store again"


class Found(NamedTuple):
    """A special point of a member: its name and label, where it is, and whether Newton converged there."""

    name: str
    label: str
    p: float
    s: float
    converged: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """What is known of one member without reading its branch.

    Attributes
    ----------
    key : str
        The digest of its problem, and the name of its file.
    outcome : Outcome
        What became of it.
    arguments : mapping
        The arguments and parameters of its problem that are one number or text.
    path : Path or None
        The file of its branch, an ordinary branch file.
    error, traceback : str
        What went wrong, in one line, and in full.
    seconds : float
        How long it took; nan if it is not known.
    status : Status or None
        How the continuation ended.
    free : str or None
        Name of the free parameter, and `p_span` its range.
    p_span : (float, float) or None
        See `free`.
    special : tuple of Found
        The special points, in order of arclength.
    doubtful : tuple of Doubtful
        What was bracketed and could not be established.
    log : tuple of str
        Names of the variables that were measured in decades.
    """

    key: str
    outcome: Outcome
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    path: Path | None = None
    error: str = ""
    traceback: str = ""
    seconds: float = float("nan")
    status: Status | None = None
    free: str | None = None
    p_span: tuple[float, float] | None = None
    special: tuple[Found, ...] = ()
    doubtful: tuple[Doubtful, ...] = ()
    log: tuple[str, ...] = ()

    def branch(self) -> Branch:
        """Read the branch.

        Raises
        ------
        InputError
            There is none; the message says why and what to do.
        FileFormatError
            The file is damaged.
        """
        if self.outcome is not Outcome.DONE or self.path is None:
            told = f" ({self.error})" if self.error else ""
            msg = f"member {self.key} has no branch: {self.outcome}{told}"
            raise InputError(msg)
        return io.read_archive(self.path, {io.FORMAT: (io.VERSION, io.unpack_branch)})


class Ensemble(Sequence[Branch]):
    """Branches of many problems in one folder; each is read when it is asked for.

    ``ensemble[i]`` is the branch of problem i (InputError if there is none) and ``members[i]`` what is known of it.

    Parameters
    ----------
    members : sequence of Member
        In the order of the problems.
    store : Path
        The folder.
    """

    def __init__(self, members: Sequence[Member], store: Path) -> None:
        self.members = tuple(members)
        self.store = store

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Ensemble(self.members[index], self.store)
        return self.members[index].branch()

    def __iter__(self) -> Iterator[Branch]:
        return (member.branch() for member in self.members)

    @property
    def done(self) -> Ensemble:
        """The members that have a branch."""
        return Ensemble([m for m in self.members if m.outcome is Outcome.DONE], self.store)

    @property
    def failures(self) -> tuple[Member, ...]:
        """The members that have none."""
        return tuple(m for m in self.members if m.outcome is not Outcome.DONE)

    def coordinate(self, name: str) -> NDArray[Any]:
        """Return an argument or parameter of all members, shape (m,); nan, or empty text, where a member has none."""
        values = [member.arguments.get(name) for member in self.members]
        known = [value for value in values if value is not None]
        if not known:
            names = ", ".join(dict.fromkeys(n for m in self.members for n in m.arguments)) or "none"
            msg = f"name: no member has an argument {name!r}; they have {names}"
            raise InputError(msg)
        missing = "" if isinstance(known[0], str) else float("nan")
        return np.array([missing if value is None else value for value in values])

    def critical_values(self, labels: str | Sequence[str] | None = None, *, which: str = "first") -> Real:
        """Return the parameter values of special points.

        Parameters
        ----------
        labels : str or sequence of str, optional
            Such as ``"H"`` or ``("LP", "BP")``; default all bifurcations and border collisions.
        which : {"first", "all"}
            "first": for each member the one that its branch meets first from the start, nan if there is none, shape
            (m,).  "all": those of all members in one array.
        """
        if which not in ("first", "all"):
            msg = f"which: got {which!r}; it may be 'first' or 'all'"
            raise InputError(msg)
        wanted = None if labels is None else {canonical(n) for n in ([labels] if isinstance(labels, str) else labels)}

        def points(member: Member) -> list[Found]:
            return [
                q for q in member.special if (q.label not in _NOT_CRITICAL if wanted is None else q.label in wanted)
            ]

        if which == "all":
            return np.array([q.p for member in self.members for q in points(member)], dtype=float)
        nearest = [min(points(member), key=lambda q: abs(q.s), default=None) for member in self.members]
        return np.array([float("nan") if q is None else q.p for q in nearest])

    def values(self, name: str, p: ArrayLike) -> Real:
        """Return a column of all branches at given values of the free parameter, shape (m, q).

        Parameters
        ----------
        name : str
            A column of the branches, such as "participation_ratio" or a state; or "norm" of the states.
        p : array_like, shape (q,)
            Values of the free parameter.

        Returns
        -------
        ndarray, shape (m, q)
            Interpolated along the branch from its start to where it first turns back; nan beyond, and for members
            without a branch.
        """
        at = np.asarray(p, dtype=float)
        rows = np.full((len(self), len(at)), np.nan)
        for row, member in zip(rows, self.members, strict=True):
            if member.outcome is Outcome.DONE:
                row[:] = _first_passage(member.branch(), name, at)
        return rows

    @property
    def free(self) -> str:
        """The name of the free parameter."""
        names = sorted({m.free for m in self.members if m.free is not None})
        if len(names) != 1:
            told = f"its branches are in {' and '.join(names)}" if names else "it has no branch yet"
            msg = f"the ensemble in {self.store} has no one free parameter: {told}"
            raise InputError(msg)
        return names[0]

    @property
    def p_span(self) -> tuple[float, float]:
        """The smallest range of the free parameter that holds those of all members."""
        spans = [m.p_span for m in self.members if m.p_span is not None]
        if not spans:
            msg = f"the ensemble in {self.store} has no branch yet; see ensemble.failures"
            raise InputError(msg)
        return min(low for low, _ in spans), max(high for _, high in spans)

    @property
    def log(self) -> tuple[str, ...]:
        """Names of the variables that were measured in decades in all members that have a branch."""
        found = [m.log for m in self.members if m.outcome is Outcome.DONE]
        return tuple(name for name in (found[0] if found else ()) if all(name in log for log in found))

    def to_xarray(self, variables: Sequence[str] | None = None) -> Any:
        """Return one xarray Dataset of all members; see `ntkcont.results.ensemble_tables.to_xarray`."""
        from ntkcont.results.ensemble_tables import to_xarray

        return to_xarray(self, variables)

    def __repr__(self) -> str:
        counts = collections.Counter(m.outcome for m in self.members)
        told = ", ".join(f"{counts[o]} {o.name.lower()}" for o in Outcome if counts[o]) or "no members"
        lines = [f"Ensemble of {len(self)} in {self.store}: {told}"]
        doubtful = sum(bool(m.doubtful) for m in self.members)
        if doubtful:
            lines[0] += f"; {doubtful} with doubtful places, not listed (see .members[i].doubtful)"
        shown = self.failures[:_SHOWN]
        lines += [f"  {m.key}  {_told(m)}{m.outcome.name}: {m.error or m.outcome}" for m in shown]
        more = len(self.failures) - len(shown)
        return "\n".join([*lines, f"  ... and {more} more"] if more else lines)


_SHOWN = 5


def _told(member: Member) -> str:
    return "".join(f"{name}={value!r}  " for name, value in member.arguments.items())


def _first_passage(branch: Branch, name: str, at: Real) -> Real:
    column = np.linalg.norm(branch.x, axis=1) if name == "norm" else np.real(branch[name]).astype(float)
    start = int(np.argmin(np.abs(branch.s))) if len(branch) else 0
    found = np.full(len(at), np.nan)
    in_decades = branch.free in branch.log and bool(np.all(at > 0.0))
    across, at = (np.log(branch.p), np.log(at)) if in_decades else (branch.p, at)
    for side in (slice(start, None), slice(start, None if start else 1, -1)):
        p, y = across[side], column[side]
        if len(p) < 2:
            continue
        steps = np.sign(np.diff(p))
        turns = np.flatnonzero(steps != steps[0])
        end = int(turns[0]) + 1 if len(turns) else len(p)
        p, y = p[:end], y[:end]
        finite = np.isfinite(y)
        if finite.sum() < 2:
            continue
        order = slice(None, None, int(steps[0]) or 1)
        there = np.interp(at, p[finite][order], y[finite][order], left=np.nan, right=np.nan)
        found = np.where(np.isnan(found), there, found)
    return found
