"""Fixed points and slow points as results: frozen, by name, with a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import unknown_name
from ntkcont.models.conserved import ConservedQuantity, listed
from ntkcont.results.frozen import FrozenDict, array

Real = NDArray[np.float64]

_ROWS = 40
_STATES = 6


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FixedPoint:
    """One fixed point; ``continuation(model, point, ...)`` starts from it, with its parameter values.

    Attributes
    ----------
    x : ndarray, shape (n,)
        State; ``point[name]`` is one of its components or a parameter.
    residual : float
        Norm of f(x) (flows) or G(x) - x (maps).
    eigenvalues : ndarray of complex, shape (n,)
        Of the Jacobian (flows), multipliers (maps).
    n_unstable : int
        How many lie beyond the stability boundary.
    index, hits : int
        First start that led here, and how many did.
    params : mapping
        All parameter values.
    states : tuple of str
        Names of the states.
    """

    states: tuple[str, ...]
    params: Mapping[str, float]
    x: Real
    residual: float
    eigenvalues: NDArray[np.complex128]
    n_unstable: int
    index: int
    hits: int

    @property
    def stable(self) -> bool:
        """Whether no eigenvalue lies beyond the stability boundary."""
        return self.n_unstable == 0

    def __getitem__(self, name: str) -> float:
        if name in self.states:
            return float(self.x[self.states.index(name)])
        if name in self.params:
            return self.params[name]
        raise unknown_name(argument="name", got=name, allowed=[*self.states, *self.params])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SlowPoints:
    """States at which the speed has a local minimum that is not zero, slowest first.

    Attributes
    ----------
    x : ndarray, shape (q, n)
        States; ``points[name]`` is a column.
    speed : ndarray, shape (q,)
        Norm of f(x) (flows) or G(x) - x (maps).
    eigenvalues : ndarray of complex, shape (q, n)
        Of the Jacobian (flows) or of DG (maps) there.
    index, hits : ndarray of int, shape (q,)
        First start that led there, and how many did.
    states, kind : tuple of str, {"flow", "map"}
        Those of the model.
    """

    states: tuple[str, ...]
    kind: Literal["flow", "map"]
    x: Real
    speed: Real
    eigenvalues: NDArray[np.complex128]
    index: NDArray[np.int64]
    hits: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.states)
        object.__setattr__(self, "x", array(self.x, "x", np.float64, (None, n)))
        q = len(self.x)
        for name, dtype in (("speed", np.float64), ("index", np.int64), ("hits", np.int64)):
            object.__setattr__(self, name, array(getattr(self, name), name, dtype, (q,)))
        object.__setattr__(self, "eigenvalues", array(self.eigenvalues, "eigenvalues", np.complex128, (q, n)))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, name: str) -> Real:
        if name not in self.states:
            raise unknown_name(argument="name", got=name, allowed=self.states)
        return self.x[:, self.states.index(name)]

    def __repr__(self) -> str:
        rows = [f"{_state(x)}  {v:9.3g}  {h:6d}" for x, v, h in zip(self.x, self.speed, self.hits, strict=True)]
        return _table(f"{len(self)} slow points", f"{_names(self.states)}      speed  starts", rows)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FixedPoints:
    """Fixed points of a model at one set of parameter values, in the order in which they were found.

    ``points[0]`` and iteration give :class:`FixedPoint`, ``points["v"]`` is a column.

    Attributes
    ----------
    x : ndarray, shape (q, n)
        States.
    residual : ndarray, shape (q,)
        Norm of f(x) (flows) or G(x) - x (maps).
    eigenvalues : ndarray of complex, shape (q, n)
        Of the Jacobian (flows), multipliers (maps).
    stable : ndarray of bool, shape (q,)
        Whether no eigenvalue lies beyond the stability boundary.
    n_unstable : ndarray of int, shape (q,)
        How many do.
    index, hits : ndarray of int, shape (q,)
        First start that led to the point (its row, or its number in a box), and how many starts did.
    slow : SlowPoints or None
        Slow points, if they were asked for.
    params : mapping
        All parameter values.
    conserved : tuple of ConservedQuantity
        Sums of states that the model conserves, mostly none; ``points.totals`` has their values.
        The last eigenvalues are the zeros (maps: ones) that go with them.
    n_starts, n_failed : int
        Starts, and those among them that led to no fixed point.
    states, kind : tuple of str, {"flow", "map"}
        Those of the model.
    """

    states: tuple[str, ...]
    kind: Literal["flow", "map"]
    params: Mapping[str, float]
    x: Real
    residual: Real
    eigenvalues: NDArray[np.complex128]
    n_unstable: NDArray[np.int64]
    index: NDArray[np.int64]
    hits: NDArray[np.int64]
    slow: SlowPoints | None = None
    conserved: tuple[ConservedQuantity, ...] = ()
    n_starts: int = 0
    n_failed: int = 0

    def __post_init__(self) -> None:
        n = len(self.states)
        object.__setattr__(self, "params", FrozenDict(self.params))
        object.__setattr__(self, "x", array(self.x, "x", np.float64, (None, n)))
        q = len(self.x)
        for name, dtype in (("residual", float), ("n_unstable", np.int64), ("index", np.int64), ("hits", np.int64)):
            object.__setattr__(self, name, array(getattr(self, name), name, dtype, (q,)))
        object.__setattr__(self, "eigenvalues", array(self.eigenvalues, "eigenvalues", np.complex128, (q, n)))

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether no eigenvalue lies beyond the stability boundary, shape (q,)."""
        return self.n_unstable == 0

    @property
    def totals(self) -> dict[str, Real]:
        """The value of each conserved quantity at the points, shape (q,), by its name."""
        return {str(quantity): self.x @ quantity.weights for quantity in self.conserved}

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, key: int | str) -> FixedPoint | Real:
        if isinstance(key, str):
            if key not in self.states:
                raise unknown_name(argument="name", got=key, allowed=self.states)
            return self.x[:, self.states.index(key)]
        i = range(len(self))[key]
        return FixedPoint(
            states=self.states, params=self.params, x=self.x[i], residual=float(self.residual[i]),
            eigenvalues=self.eigenvalues[i], n_unstable=int(self.n_unstable[i]), index=int(self.index[i]),
            hits=int(self.hits[i]),
        )  # fmt: skip

    def __iter__(self) -> Iterator[FixedPoint]:
        for i in range(len(self)):
            point = self[i]
            assert isinstance(point, FixedPoint)
            yield point

    def __repr__(self) -> str:
        count = "1 fixed point" if len(self) == 1 else f"{len(self)} fixed points"
        title = f"{count} from {self.n_starts} starts ({self.n_failed} led to none)"
        if self.slow is not None:
            title += f", {len(self.slow)} slow points"
        if self.conserved:
            title += f"\n{listed(self.conserved)}: each point has the totals of its start"
        head = f"{_names(self.states)}  unstable   residual  starts"
        columns = zip(self.x, self.n_unstable, self.residual, self.hits, strict=True)
        return _table(title, head, [f"{_state(x)}  {u:8d}  {r:9.1e}  {h:6d}" for x, u, r, h in columns])


def _names(states: tuple[str, ...]) -> str:
    return "  ".join(f"{name[-12:]:>12}" for name in states) if len(states) <= _STATES else f"{'|x|':>12}"


def _state(x: Real) -> str:
    return "  ".join(f"{v:12.6g}" for v in (x if len(x) <= _STATES else [np.linalg.norm(x)]))


def _table(title: str, head: str, rows: list[str]) -> str:
    more = [f"... and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
    return "\n".join([title, *([head] if rows else []), *rows[:_ROWS], *more])
