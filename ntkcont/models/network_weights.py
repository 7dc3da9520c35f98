"""The recurrent weights of a network: dense, sparse or of low rank."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import InputError
from ntkcont.models.network_input import Array, frozen_array


@dataclasses.dataclass(frozen=True, init=False, eq=False)
class LowRank:
    """Weights ``W = U @ V.T + diag(diagonal)``, kept as their factors; the factors are what is trained.

    Parameters
    ----------
    U, V : array_like, shape (n, r)
        ``W[i, j] = sum_k U[i, k] V[j, k]``; no factor 1/n is added.
    diagonal : array_like, shape (n,), or float, optional
        Weights of the units to themselves, added to the diagonal; "D" in theta.

    Raises
    ------
    InputError
        A factor is no matrix of finite numbers, or their shapes differ, or the diagonal does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> W = nc.LowRank(np.ones((4, 1)), np.full((4, 1), 0.5))
    >>> W.shape, W.rank
    ((4, 4), 1)
    >>> nc.LowRank(np.ones((4, 1)), np.ones((4, 1)), diagonal=0.5).dense()[0]
    array([1.5, 1. , 1. , 1. ])
    """

    U: Array
    V: Array
    diagonal: Array | None

    def __init__(self, U: ArrayLike, V: ArrayLike, diagonal: ArrayLike | None = None) -> None:
        u, v = frozen_array(U, "U"), frozen_array(V, "V")
        if u.ndim != 2 or u.shape != v.shape or u.size == 0:
            msg = f"LowRank: U has shape {u.shape} and V {v.shape}; both must be (n, r), with W = U @ V.T"
            raise InputError(msg)
        object.__setattr__(self, "U", u)
        object.__setattr__(self, "V", v)
        object.__setattr__(self, "diagonal", None if diagonal is None else _diagonal(diagonal, len(u)))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of W, (n, n)."""
        return self.U.shape[0], self.U.shape[0]

    @property
    def rank(self) -> int:
        """Number r of columns of U and V."""
        return self.U.shape[1]

    def dense(self) -> Array:
        """Return W as an array, shape (n, n)."""
        W = self.U @ self.V.T
        return W if self.diagonal is None else W + np.diag(self.diagonal)

    def __matmul__(self, v: Array) -> Array:
        found = self.U @ (self.V.T @ v)
        return found if self.diagonal is None else found + (self.diagonal * v.T).T

    def __repr__(self) -> str:
        more = "" if self.diagonal is None else ", and a diagonal"
        return f"LowRank(n={self.U.shape[0]}, rank={self.rank}{more})"


def _diagonal(value: ArrayLike, n: int) -> Array:
    found = frozen_array(value, "diagonal")
    if found.shape not in ((), (n,)):
        msg = f"LowRank: diagonal has shape {found.shape}; it must be one number, or one for each of the {n} units"
        raise InputError(msg)
    return found if found.ndim else frozen_array(np.full(n, float(found)), "diagonal")


def read_weights(W: Any) -> Any:
    """Return W as a read-only array, a :class:`LowRank`, or a CSR array with read-only arrays."""
    if isinstance(W, LowRank):
        return W
    if hasattr(W, "tocsr"):
        from scipy import sparse

        csr = sparse.csr_array(W, dtype=float, copy=True)
        csr.sum_duplicates()
        _square(tuple(csr.shape or ()))
        csr.data = frozen_array(csr.data, "W")
        csr.indices.setflags(write=False)
        csr.indptr.setflags(write=False)
        return csr
    array = frozen_array(W, "W")
    _square(array.shape)
    return array


def _square(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        msg = f"W: shape {shape} was given; it must be square, (n, n), with W[i, j] the weight from unit j to unit i"
        raise InputError(msg)


def sparse_pattern(W: Any, mask: Array | None, sign: Array | None) -> tuple[Any, Any, Array]:
    """Return rows, columns and the factors (signs and mask) of the nonzeros of W."""
    rows = np.repeat(np.arange(W.shape[0]), np.diff(W.indptr))
    columns = W.indices
    factor = np.ones(rows.size)
    if mask is not None:
        factor = factor * mask[rows, columns]
    if sign is not None:
        factor = factor * sign[columns]
    return rows, columns, factor
