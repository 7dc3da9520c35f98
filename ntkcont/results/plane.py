"""Kernel signatures over a grid of two parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.results.frozen import array
from ntkcont.results.signatures import Signatures

Real = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ParameterPlane:
    """One fixed point at every node of a grid of two parameters, and its kernel signatures.

    Parameters
    ----------
    free : (str, str)
        Names of the two parameters.
    p : (ndarray, ndarray), shapes (m1,) and (m2,)
        Their values.
    x : ndarray, shape (m2, m1, n)
        Fixed points; nan where none was found.
    n_unstable : ndarray of int, shape (m2, m1)
        Number of unstable eigenvalues; -1 where none was found.
    signatures : Signatures
        One row per node, the first parameter running fastest; nan where no fixed point was found.
    log : tuple of str
        Names of the parameters whose values are spaced evenly in decades.

    Raises
    ------
    InputError
        If shapes disagree.

    Notes
    -----
    ``plane[name]`` is a signature of shape (m2, m1, ...), or ``"n_unstable"``.
    """

    free: tuple[str, str]
    p: tuple[Real, Real]
    x: Real
    n_unstable: NDArray[np.int64]
    signatures: Signatures
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        first, second = (array(values, f"p[{i}]", np.float64, (None,)) for i, values in enumerate(self.p))
        shape = (len(second), len(first))
        object.__setattr__(self, "p", (first, second))
        object.__setattr__(self, "x", array(self.x, "x", np.float64, (*shape, None)))
        object.__setattr__(self, "n_unstable", array(self.n_unstable, "n_unstable", np.int64, shape))
        if len(self.signatures) != shape[0] * shape[1]:
            msg = f"signatures: {len(self.signatures)} rows for {shape[0] * shape[1]} nodes; give one for each"
            raise InputError(msg)

    @property
    def shape(self) -> tuple[int, int]:
        """(m2, m1)."""
        return len(self.p[1]), len(self.p[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names that ``plane[name]`` knows and that have one number per node."""
        return (*self.signatures.scalars, "n_unstable")

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name == "n_unstable":
            return self.n_unstable
        values = self.signatures[name]
        return values.reshape(*self.shape, *values.shape[1:])

    def __repr__(self) -> str:
        (a, b), (m2, m1) = self.p, self.shape
        kernel = self.signatures.metadata.get("kernel", "kernel")
        missing = int(np.sum(self.n_unstable < 0))
        return (
            f"<ParameterPlane of the {kernel} kernel: {self.free[0]} from {a[0]:g} to {a[-1]:g} ({m1}), "
            f"{self.free[1]} from {b[0]:g} to {b[-1]:g} ({m2}); {m1 * m2 - missing} of {m1 * m2} nodes known>"
        )
