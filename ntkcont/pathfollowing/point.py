"""One accepted point, as monitors, stop functions and ``iterate`` see it."""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.errors import unknown_name
from ntkcont.models.model import Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """An accepted point of a branch.

    Attributes
    ----------
    s, p : float
        Scaled arclength from the start, value of the free parameter.
    x, tangent : ndarray, shapes (n,) and (n + 1,)
        State; tangent (dx/ds, dp/ds) in original units.
    eigenvalues : ndarray, shape (n,), complex
        Of the Jacobian (flows), multipliers (maps).
    n_unstable : int
        How many of them lie beyond the stability boundary.
    """

    free: str
    states: tuple[str, ...]
    s: float
    p: float
    x: Array
    tangent: Array
    eigenvalues: np.ndarray
    n_unstable: int

    @property
    def stable(self) -> bool:
        """Whether no eigenvalue lies beyond the stability boundary."""
        return self.n_unstable == 0

    def __getitem__(self, name: str) -> float:
        if name == self.free:
            return self.p
        if name not in self.states:
            raise unknown_name(argument="point", got=name, allowed=[self.free, *self.states])
        return float(self.x[self.states.index(name)])
