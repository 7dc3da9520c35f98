"""How each trained array of a rate network enters its right-hand side: linear, through what each unit sees.

With E evaluation points, a block maps a step in its array to the sum that the units receive, shape (E, r, n), before
the slope of the outer activation and the leak act on it; `pull` is the adjoint.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd

Array = NDArray[np.float64]


class Block(Protocol):
    """A linear map from columns (size, r) to sums (E, r, n)."""

    def push(self, columns: Array) -> Array:
        """Return the sums of columns (size, r)."""
        ...

    def pull(self, sums: Array) -> Array:
        """Return the adjoint, (size, r), of sums (E, r, n)."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outer:
    """An array (n, D) that multiplies D features: W, W_in, b, or U of low-rank weights.

    Parameters
    ----------
    features : ndarray, shape (E, D)
        What is multiplied, the same for all units.
    units : int
        Number of units n.
    coefficient : ndarray, shape (n, D), or float
        Scale, mask and sign of the entries.
    entries : tuple of ndarray, or None
        Rows and columns of the entries of a sparse array; None: all of them.
    """

    features: Array
    units: int
    coefficient: Any = 1.0
    entries: tuple[Any, Any] | None = None

    @property
    def shared(self) -> bool:
        """Whether all units see the same features."""
        return np.ndim(self.coefficient) == 0 and self.entries is None

    def push(self, columns: Array) -> Array:
        """Return the sums of columns (size, r)."""
        r, D = columns.shape[1], self.features.shape[1]
        if self.entries is None:
            full = columns.T.reshape(r, self.units, D)
        else:
            full = np.zeros((r, self.units, D))
            full[:, self.entries[0], self.entries[1]] = columns.T
        full = (self.coefficient * full).reshape(r * self.units, D)
        return (self.features @ full.T).reshape(-1, r, self.units)

    def pull(self, sums: Array) -> Array:
        """Return the adjoint, (size, r), of sums (E, r, n)."""
        E, r, n = sums.shape
        full = self.coefficient * (sums.reshape(E, r * n).T @ self.features).reshape(r, n, -1)
        if self.entries is not None:
            return full[:, self.entries[0], self.entries[1]].T
        return full.reshape(r, -1).T

    def of_unit(self, i: int) -> Array:
        """Return the features (E, some) that unit i sees, zero columns left out."""
        coefficient = np.broadcast_to(np.asarray(self.coefficient), (self.units, self.features.shape[1]))[i]
        if self.entries is not None:
            present = np.zeros(coefficient.size)
            present[self.entries[1][self.entries[0] == i]] = 1.0
            coefficient = coefficient * present
        return self.features[:, coefficient != 0] * coefficient[coefficient != 0]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RightFactor:
    """V of low-rank weights U V^T.

    Parameters
    ----------
    features : ndarray, shape (E, n)
        What W multiplies.
    U : ndarray, shape (n, k)
        The left factor.
    coefficient : ndarray, shape (n, k), or float
        Scale of the entries of V.
    """

    features: Array
    U: Array
    coefficient: Any = 1.0

    def push(self, columns: Array) -> Array:
        """Return the sums of columns (n k, r)."""
        n, k = self.U.shape
        V = self.coefficient * columns.T.reshape(-1, n, k)
        return np.einsum("ej,rjk,ik->eri", self.features, V, self.U, optimize=True)

    def pull(self, sums: Array) -> Array:
        """Return the adjoint, (n k, r), of sums (E, r, n)."""
        found = np.einsum("eri,ik,ej->rjk", sums, self.U, self.features, optimize=True)
        return (self.coefficient * found).reshape(len(found), -1).T


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Parameters: explicit sums (E, n) for each of a few.

    Parameters
    ----------
    values : ndarray, shape (E, n, m)
        Derivative of the sums in the m parameters, in their units.
    """

    values: Array

    def push(self, columns: Array) -> Array:
        """Return the sums of columns (m, r)."""
        return np.swapaxes(self.values @ columns, 1, 2)

    def pull(self, sums: Array) -> Array:
        """Return the adjoint, (m, r), of sums (E, r, n)."""
        return np.einsum("eim,eri->mr", self.values, sums, optimize=True)


def reduced_features(features: Array) -> Array:
    """Return (E, r) with the same Gram matrix as the rows of features (E, D), r the numerical rank.

    Rows are normalised first, so that small ones, which the dynamics may amplify, keep their digits.
    """
    size = np.linalg.norm(features, axis=1)
    rows = features / np.where(size > 0, size, 1.0)[:, None]
    if not features.size or not size.any():
        return np.zeros((len(features), 0))
    u, s, _ = svd(rows, full_matrices=False)
    rank = int(np.sum(s > 1e-15 * max(features.shape) * s[0]))
    return size[:, None] * (u[:, :rank] * s[:rank])
