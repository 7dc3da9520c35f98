r"""Largest eigenvalues of a symmetric positive operator, and estimates of sums over all of them.

Block Lanczos with full reorthogonalisation.  Sums such as the trace are those of the eigenvalues found plus an average
over random vectors orthogonal to these: stochastic Lanczos quadrature, which also tells whether a multiple eigenvalue
was found less often than it occurs; then the iteration is repeated with a block as wide as the number asked for.

References
----------
Y. Saad, *Numerical Methods for Large Eigenvalue Problems* (2011), chapter 6: block Lanczos and its error bounds.
S. Ubaru, J. Chen, Y. Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075: stochastic Lanczos quadrature.
G. H. Golub, G. Meurant, *Matrices, Moments and Quadrature* (2010), chapter 6: rules with a node at an end.
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
_MISSED = 1e-7  # relative to the largest: an eigenvalue that was found too late
_BLOCK = 3
_LARGEST_BASIS = 600
_PROBES = 10
_NODES = 8
#: For estimates of memory: the columns that are worked on together, and vectors that are kept.
COLUMNS = 2 * _PROBES
BASIS = 150


class Found(NamedTuple):
    """The k largest eigenvalues, descending, and c eigenpairs that converged.

    ``values`` (k,); unit ``vectors`` (c, n) of the eigenvalues ``converged`` (c,); the number of ``products`` taken.
    """

    values: Array
    vectors: Array
    converged: Array
    products: int


class Sums(NamedTuple):
    """Sums over all eigenvalues, in units of the largest: of e, e^2 and e ln e.

    ``full`` (3,) is the estimate, ``without`` (probes, 3) leaves one random vector out.
    """

    full: Array
    without: Array


Apply = Callable[[Array], Array]  # symmetric positive, on the rows of an array (r, n)


def spectrum(apply: Apply, n: int, k: int) -> tuple[Found, Sums | None]:
    """Return the k largest eigenvalues and the sums over all; None for an operator that is zero."""
    for width in (min(_BLOCK, k), k + 2):
        found = largest(apply, n, k, width)
        if not found.values[0] > 0:
            return found, None
        estimated, beyond = _sums(apply, n, found)
        if not beyond > found.values[-1] + _MISSED * found.values[0]:
            break
    return found, estimated


def largest(apply: Apply, n: int, k: int, width: int) -> Found:
    """Return the k largest eigenvalues, each as often as it occurs but at most `width` times."""
    with blas_threads(0):  # a few rows at a time: several threads wait for each other
        return _largest(apply, n, k, width)


def _largest(apply: Apply, n: int, k: int, width: int) -> Found:
    limit = min(n, max(_LARGEST_BASIS, 4 * k))
    block = _orthonormal(np.random.default_rng(0).standard_normal((min(width, n), n)), 0.0)[0]
    basis = np.empty((min(limit, 32 * width), n))
    T = np.zeros((limit, limit))
    used, products, before = 0, 0, 0
    while True:
        end = used + len(block)
        if end > len(basis):
            basis = np.concatenate([basis, np.empty((min(len(basis), limit - len(basis)), n))])
        basis[used:end] = block
        known = basis[:end]
        rest = np.ascontiguousarray(apply(block))
        products += len(block)
        size = np.linalg.norm(rest)
        recent = basis[before:end]  # of the others the image has no part but rounding
        part = rest @ recent.T
        rest -= part @ recent
        rest -= (rest @ known.T) @ known
        T[used:end, before:end] = part
        T[before:end, used:end] = part.T
        square = T[:end, :end] = (T[:end, :end] + T[:end, :end].T) / 2
        q, r = _orthonormal(rest, 10 * BITS * max(float(size), float(np.linalg.norm(square))))
        e, y = np.linalg.eigh(square)
        e, y = e[::-1], y[:, ::-1]
        residual = np.linalg.norm(r @ y[used:], axis=0)
        if not len(q) or end >= n or end + len(q) > limit or _done(e, residual, k):
            good = (residual <= _CONVERGED * np.abs(e)) & (e > BITS * end * max(e[0], 0.0))
            top = np.maximum(np.pad(e[:k], (0, max(0, k - len(e)))), 0.0)
            return Found(top, y[:, good].T @ known, e[good], products)
        block, before, used = q, used, end


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


def _sums(apply: Apply, n: int, found: Found) -> tuple[Sums, float]:
    """Estimate the sums; return them with the largest eigenvalue seen in the complement of the vectors found."""
    top, U = found.values[0], found.vectors
    exact = _terms((found.converged / top)[None], np.ones((1, len(U))))[0]
    z = np.random.default_rng(1).choice([-1.0, 1.0], size=(_PROBES, n))
    z -= (z @ U.T) @ U
    size = np.sum(z**2, axis=1)
    matrices = _tridiagonal(apply, z, U, top)
    samples, beyond = _quadrature(matrices, size)
    coarse, _ = _quadrature(matrices[:, : _NODES // 2, : _NODES // 2], size)
    # the rule is exact for e and e^2; for e ln e its error falls as the square of the number of nodes
    samples += (samples - coarse) / 3.0
    without = (samples.sum(axis=0) - samples) / (_PROBES - 1)
    return Sums(exact + samples.mean(axis=0), exact + without), top * beyond


def _terms(e: Array, weights: Array) -> Array:
    """Return the weighted sums (r, 3) of e, e^2 and e ln e over rows (r, m)."""
    terms = np.stack([e, e**2, e * np.log(np.where(e > 0, e, 1.0))], axis=-1)
    return np.einsum("rm,rmf->rf", weights, terms)


def _tridiagonal(apply: Apply, z: Array, U: Array, top: float) -> Array:
    """Return the matrices (r, m, m) of m Lanczos steps from each row of z, on the complement of U and over top."""
    size = np.linalg.norm(z, axis=1)
    q, last, beta = z / np.where(size > 0, size, 1.0)[:, None], np.zeros_like(z), np.zeros(len(z))
    matrices = np.zeros((len(z), _NODES, _NODES))
    for j in range(_NODES):
        y = apply(q) / top
        y -= (y @ U.T) @ U
        y -= beta[:, None] * last
        alpha = np.einsum("rn,rn->r", q, y)
        y -= alpha[:, None] * q
        beta = np.linalg.norm(y, axis=1)
        beta = np.where(beta > 10 * BITS, beta, 0.0)
        matrices[:, j, j] = alpha
        if j + 1 < _NODES:
            matrices[:, j, j + 1] = matrices[:, j + 1, j] = beta
        last, q = q, y / np.where(beta > 0, beta, 1.0)[:, None]
    return matrices


def _quadrature(matrices: Array, size: Array) -> tuple[Array, float]:
    """Return the sums (r, 3) by a Gauss-Radau rule, and its largest node.

    One node is zero, where most eigenvalues are: the others then belong to the measure weighted by e.
    """
    T = matrices.copy()
    unit = np.eye(T.shape[1] - 1)[:, -1:]
    corner = (np.linalg.pinv(T[:, :-1, :-1], rcond=1e-14, hermitian=True) @ unit)[:, -1, 0]
    T[:, -1, -1] = T[:, -1, -2] ** 2 * corner
    e, v = np.linalg.eigh(T)
    e = np.maximum(e, 0.0)
    return _terms(e, size[:, None] * v[:, 0] ** 2), float(e.max())
