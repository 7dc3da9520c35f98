"""What a comparator gets and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.peers.extent import core
from ntkcont.results.branch import Branch
from ntkcont.results.labels import canonical

Real = NDArray[np.float64]

SIGNS = {"both": (1, -1), "+": (1,), "-": (-1,)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerTask:
    """The problem a comparator solves.

    Parameters
    ----------
    model : Model
        The model.
    params : mapping
        Values of all parameters at the start.
    x0 : ndarray, shape (n,)
        The start: a fixed point to machine precision, so that both sides begin at the same place.
    free : str
        The free parameter.
    p_span : (float, float)
        Where to follow it.
    direction : {"both", "+", "-"}
        Sign of the first step in the free parameter.
    branch : Branch
        What ntkcont found, for the choice of steps of about the same size.
    repeats : int
        How often to run for the timing.
    """

    model: Model
    params: Mapping[str, float]
    x0: Real
    free: str
    p_span: tuple[float, float]
    direction: str
    branch: Branch
    repeats: int = 3

    @property
    def signs(self) -> tuple[int, ...]:
        """The directions as signs of the first step in the free parameter."""
        return SIGNS[self.direction]

    @property
    def arclength(self) -> float:
        """Length of ntkcont's branch in the space of states and parameter, in their own units (Euclidean).

        Where the branch goes to infinity, only the part before counts.
        """
        z = np.column_stack([self.branch.x, self.branch.p])[core(self.branch)]
        return float(np.linalg.norm(np.diff(z, axis=0), axis=1).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerPoint:
    """A special point as the other program reports it.

    Parameters
    ----------
    label : str
        Its type in ntkcont's labels.
    name : str
        What the other program calls it.
    p : float
        Value of the free parameter.
    x : ndarray, shape (n,)
        State.
    normal_form : mapping
        Its coefficients, as far as it gives them with a sign.
    """

    label: str
    name: str
    p: float
    x: Real
    normal_form: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", canonical(self.label))
        object.__setattr__(self, "x", np.array(self.x, dtype=float))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerCycles:
    """A family of limit cycles that the other program followed.

    Parameters
    ----------
    start : str
        Name of the Hopf point where it begins.
    p, period : ndarray, shape (k,)
        Free parameter and period.
    high, low : ndarray, shape (k, n)
        Maximum and minimum of each state.
    stable : ndarray of bool, shape (k,)
        As the other program says.
    special : tuple of str
        Special points on it, in words.
    """

    start: str
    p: Real
    period: Real
    high: Real
    low: Real
    stable: NDArray[np.bool_]
    special: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerBranch:
    """What a comparator found.

    Parameters
    ----------
    program : str
        Name and version of the other program.
    sides : tuple of (p, x, stable)
        One for each direction, from the start outwards: shapes (k,), (k, n), (k,).
    special_points : tuple of PeerPoint
        Special points, in the order of the sides.
    seconds : tuple of float
        Wall time of each run of all directions.
    timed : str
        What those seconds contain, in words.
    settings : str
        Its step sizes and the like, in words.
    notes : tuple of str
        What the reader of a report should know: where it stopped early, what was left out.
    cycles : tuple of PeerCycles
        Limit cycles, if it follows them.
    computed : int, optional
        Points that were computed in those seconds; default all points of `sides`.

    Raises
    ------
    InputError
        `seconds` is empty.
    """

    program: str
    sides: tuple[tuple[Real, Real, NDArray[np.bool_]], ...]
    special_points: tuple[PeerPoint, ...]
    seconds: tuple[float, ...]
    timed: str
    settings: str = ""
    notes: tuple[str, ...] = ()
    cycles: tuple[PeerCycles, ...] = ()
    computed: int | None = None

    def __post_init__(self) -> None:
        if not len(self.seconds):
            msg = "seconds: got none; give the wall time of at least one run"
            raise InputError(msg)
        if self.computed is None:
            object.__setattr__(self, "computed", self.steps)

    @property
    def steps(self) -> int:
        """Number of points of all sides."""
        return sum(len(p) for p, _, _ in self.sides)

    def within(self, span: tuple[float, float]) -> PeerBranch:
        """Return the branch without the points and special points outside `span`; `computed` still counts them."""
        slack = 1e-9 * (span[1] - span[0])
        low, high = span[0] - slack, span[1] + slack
        sides = []
        for p, x, stable in self.sides:
            kept = (p >= low) & (p <= high)
            sides.append((p[kept], x[kept], stable[kept]))
        special = tuple(point for point in self.special_points if low <= point.p <= high)
        return dataclasses.replace(self, sides=tuple(sides), special_points=special)


@runtime_checkable
class Peer(Protocol):
    """Another program that follows fixed points.

    A class with a ``name`` and this one method is a comparator: ``nc.compare(..., against=MyPeer())``.  If it has a
    method ``check()`` too, that is called before anything is solved; it raises `PeerError` if the program cannot run.
    """

    name: str

    def follow(self, task: PeerTask) -> PeerBranch:
        """Solve the task.

        Raises
        ------
        PeerError
            The program is missing or failed; one sentence that says what to do.
        """
        ...


def as_sides(sides: list[dict[str, Any]], n: int) -> tuple[tuple[Real, Real, NDArray[np.bool_]], ...]:
    """Return the sides that a child process wrote as lists."""
    return tuple(
        (
            np.array(side["p"], dtype=float),
            np.array(side["x"], dtype=float).reshape(-1, n),
            np.array(side["stable"], bool),
        )
        for side in sides
    )
