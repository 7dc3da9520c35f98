"""What channels need of a trajectory kernel: its derivative J as products, and how the trials were made."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class TrialPlan(Protocol):
    """How the trials are simulated: steps of length `dt`, every `record_every`-th state recorded."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        ...

    @property
    def dt(self) -> float:
        """Length of a step; 1 for maps."""
        ...

    @property
    def record_every(self) -> int:
        """Steps between recorded states."""
        ...

    @property
    def integrator(self) -> Any:
        """The name "euler" or "rk4", or a solver; of no meaning for maps."""
        ...

    @property
    def inputs(self) -> Any:
        """Time-dependent inputs, or None."""
        ...


class Linearised(Protocol):
    """Trials and the derivative J of what is recorded of them, ``(B T m, P)``, rows with the roots of their weights.

    Row (k, t, i) in C order is component i of the state in units of its scale (m = n), or of the readout.
    """

    @property
    def plan(self) -> TrialPlan:
        """How the trials were made."""
        ...

    @property
    def initial(self) -> Array:
        """Initial states (B, n) in original units."""
        ...

    @property
    def weights(self) -> Array:
        """Weights (B, T)."""
        ...

    @property
    def out(self) -> Array:
        """What acts on the states, (m, n)."""
        ...

    @property
    def readout(self) -> Array | None:
        """The readout, or None."""
        ...

    @property
    def state_scale(self) -> Array:
        """Units of the states, (n,)."""
        ...

    @property
    def size(self) -> int:
        """Number of trained parameters, P."""
        ...

    def jvp(self, dtheta: Array) -> Array:
        """Return J times columns (P, r), shape (B T m, r)."""
        ...

    def vjp(self, rows: Array) -> Array:
        """Return J^T times columns (B T m, r), shape (P, r)."""
        ...

    @property
    def most_columns(self) -> int:
        """The largest number of columns of :meth:`reduced`."""
        ...

    def reduced(self) -> Array:
        """Return columns (M, B T m) whose Gram matrix is the kernel."""
        ...
