r"""Largest eigenvalues of a symmetric positive operator: block Lanczos with full reorthogonalisation.

References
----------
Y. Saad, *Numerical Methods for Large Eigenvalue Problems* (2011), chapter 6: block Lanczos and its error bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.backends import BITS
from ntkcont.ntk.chunks import blas_threads

Array = NDArray[np.float64]

_ACCURACY = 1e-9  # of the eigenvalues, relative to the largest
_CONVERGED = 1e-4  # relative residual of eigenvectors that the estimates may rely on: it enters squared
_LARGEST_BASIS = 600
#: For estimates of memory: vectors that are kept.
BASIS = 150


class Found(NamedTuple):
    """The k largest eigenvalues, descending, and c eigenpairs that converged.

    ``values`` (k,); unit ``vectors`` (c, n) of the eigenvalues ``converged`` (c,); the number of ``products`` taken.
    """

    values: Array
    vectors: Array
    converged: Array
    products: int


Apply = Callable[[Array], Array]  # symmetric positive, on the rows of an array (r, n)


def largest(apply: Apply, n: int, k: int, width: int) -> Found:
    """Return the k largest eigenvalues, each as often as it occurs but at most `width` times."""
    return Iteration(apply, n, k, width).until()


class Iteration:
    """Block Lanczos that may be taken up again where it stopped.

    Parameters
    ----------
    apply : callable
        The operator.
    n : int
        Its size.
    k : int
        How many eigenvalues will be asked for.
    width : int
        Rows of a block: an eigenvalue is found as often as it occurs, but at most so many times.
    """

    def __init__(self, apply: Apply, n: int, k: int, width: int) -> None:
        self.apply, self.n, self.k = apply, n, k
        self.limit = min(n, max(_LARGEST_BASIS, 4 * k))
        self.block = _orthonormal(np.random.default_rng(0).standard_normal((min(width, n), n)), 0.0)[0]
        self.basis = np.empty((min(self.limit, 32 * width), n))
        self.T = np.zeros((self.limit, self.limit))
        self.used = self.before = self.products = 0
        #: Whether there is nothing left to find, or no room to find it in.
        self.ended = False
        self.found: Found | None = None

    def until(self, converged: int = 0) -> Found:
        """Go on until the k largest are accurate, and so many eigenpairs are good enough to be removed."""
        with blas_threads(0):  # a few rows at a time: several threads wait for each other
            while not self.ended:
                e, residual, y, known = self._step()
                good = (residual <= _CONVERGED * np.abs(e)) & (e > BITS * len(e) * max(e[0], 0.0))
                if self.ended or (good.sum() >= converged and _done(e, residual, self.k)):
                    top = np.maximum(np.pad(e[: self.k], (0, max(0, self.k - len(e)))), 0.0)
                    self.found = Found(top, y[:, good].T @ known, e[good], self.products)
                    break
        assert self.found is not None
        return self.found

    def _step(self) -> tuple[Array, Array, Array, Array]:
        """Take in one block; return Ritz values, their residuals, and vectors y in terms of the basis."""
        block, used, before = self.block, self.used, self.before
        end = used + len(block)
        if end > len(self.basis):
            room = min(len(self.basis), self.limit - len(self.basis))
            self.basis = np.concatenate([self.basis, np.empty((room, self.n))])
        self.basis[used:end] = block
        known = self.basis[:end]
        rest = np.ascontiguousarray(self.apply(block))
        self.products += len(block)
        size = np.linalg.norm(rest)
        recent = self.basis[before:end]  # of the others the image has no part but rounding
        part = rest @ recent.T
        rest -= part @ recent
        rest -= (rest @ known.T) @ known
        T = self.T
        T[used:end, before:end] = part
        T[before:end, used:end] = part.T
        square = T[:end, :end] = (T[:end, :end] + T[:end, :end].T) / 2
        q, r = _orthonormal(rest, 10 * BITS * max(float(size), float(np.linalg.norm(square))))
        e, y = np.linalg.eigh(square)
        e, y = e[::-1], y[:, ::-1]
        residual = np.linalg.norm(r @ y[used:], axis=0)
        self.block, self.before, self.used = q, used, end
        self.ended = not len(q) or end >= self.n or end + len(q) > self.limit
        return e, residual, y, known


def _orthonormal(rows: Array, noise: float) -> tuple[Array, Array]:
    """Return orthonormal q (r, n) and coefficients c (r, b) with ``rows = c^T q`` but for noise, which is left out."""
    e, v = np.linalg.eigh(rows @ rows.T)
    kept = np.sqrt(np.maximum(e, 0.0)) > max(noise, np.sqrt(BITS * max(e[-1], 0.0)))
    # what the Gram matrix cannot resolve is left to the next blocks
    q = v[:, kept].T @ rows
    q /= np.linalg.norm(q, axis=1)[:, None]
    for _ in range(2):
        if len(q):
            e, u = np.linalg.eigh(q @ q.T)
            q = (u / np.sqrt(e)) @ (u.T @ q)
    return q, q @ rows.T


def _done(e: Array, residual: Array, k: int) -> bool:
    """Whether the first k values are accurate: by their residuals, or by these squared over the gap below them."""
    if len(e) <= k:
        return False
    allowed = _ACCURACY * e[0]
    if np.all(residual[:k] <= allowed):
        return True
    gaps = e[k - 1 : -1] - e[k:]
    errors = np.cumsum(residual**2)[k - 1 : -1]
    return bool(np.all(residual[:k] <= _CONVERGED * e[:k]) and np.any(errors <= allowed * gaps))
