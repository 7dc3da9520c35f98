"""A family of simulated cycles as a result, and one cycle as functions of it see it."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import unknown_name
from ntkcont.models.model import Array
from ntkcont.results.frozen import array

Real = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CycleEnvelope:
    """A family of stable cycles found by simulation; nothing here is located precisely.

    Attributes
    ----------
    name : str
        The Hopf point from which it was found, such as ``"H1"``.
    free, y : str
        Free parameter and what `low` and `high` are of.
    p : ndarray, shape (j,)
        Values of the free parameter, increasing. Where the cycle shrinks to a Hopf point, that point is included.
    low, high : ndarray, shape (j,)
        Minimum and maximum of y over one period.
    period : ndarray, shape (j,)
        In the model's unit of time.
    x : ndarray, shape (j, n)
        One state on each cycle.
    ends : (str, str)
        Why it was not followed further, at low and at high p.
    """

    name: str
    free: str
    y: str
    p: Real
    low: Real
    high: Real
    period: Real
    x: Real
    ends: tuple[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", array(self.p, "p", np.float64, (None,)))
        for name in ("low", "high", "period"):
            object.__setattr__(self, name, array(getattr(self, name), name, np.float64, self.p.shape))
        object.__setattr__(self, "x", array(self.x, "x", np.float64, (len(self.p), None)))

    def __len__(self) -> int:
        return len(self.p)

    def __repr__(self) -> str:
        return (
            f"<stable cycle from {self.name} (simulated): {len(self)} points, {self.free} from {self.p[0]:.6g} "
            f"({self.ends[0]}) to {self.p[-1]:.6g} ({self.ends[1]})>"
        )


@dataclasses.dataclass(frozen=True)
class Orbit:
    """States over one period of a cycle, as a callable `y` sees them: ``x`` (m, n), ``p`` (m,), columns by name."""

    x: Array
    p: Array
    states: tuple[str, ...]
    free: str

    def __getitem__(self, name: str) -> Array:
        if name == self.free:
            return self.p
        if name not in self.states:
            raise unknown_name(argument="y", got=name, allowed=[*self.states, self.free, "norm"])
        return self.x[:, self.states.index(name)]
