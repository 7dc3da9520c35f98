r"""Largest eigenvalues of a symmetric positive operator, and estimates of sums over all of them.

The iteration works on a block of vectors, so that multiple eigenvalues are found as often as they occur, and
reorthogonalises fully.  Sums such as the trace are those of the eigenvalues found plus an average over random vectors
orthogonal to these: stochastic Lanczos quadrature.

References
----------
Y. Saad, *Numerical Methods for Large Eigenvalue Problems* (2011), chapter 6: block Lanczos and its error bounds.
S. Ubaru, J. Chen, Y. Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075: stochastic Lanczos quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.backends import BITS

Array = NDArray[np.float64]

_ACCURACY = 1e-10  # of the eigenvalues, relative to the largest
_CONVERGED = 1e-4  # relative residual of eigenvectors that the estimates may rely on: it enters squared
_EXTRA = 2
_LARGEST_BASIS = 600
_PROBES = 12
_NODES = 8


class Found(NamedTuple):
    """The largest eigenvalues (k,), descending; unit vectors (n, c) of the c that converged; products with the operator."""

    values: Array
    vectors: Array
    converged: Array
    products: int


def largest(apply: Callable[[Array], Array], n: int, k: int) -> Found:
    """Return the k largest eigenvalues of a symmetric positive operator on columns (n, r)."""
    width = min(k + _EXTRA, n)
    limit = min(n, max(_LARGEST_BASIS, 4 * width))
    block, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((n, width)))
    basis = np.empty((n, limit))
    T = np.zeros((limit, limit))
    used, products = 0, 0
    while True:
        end = used + block.shape[1]
        basis[:, used:end] = block
        known = basis[:, :end]
        image = apply(block)
        products += block.shape[1]
        size = np.linalg.norm(image)
        T[:end, used:end] = known.T @ image
        T[used:end, :end] = T[:end, used:end].T
        rest = image - known @ T[:end, used:end]
        rest -= known @ (known.T @ rest)
        q, r = _orthonormal(rest, 10 * BITS * max(size, np.linalg.norm(T[:end, :end])))
        e, y = np.linalg.eigh(T[:end, :end])
        e, y = e[::-1], y[:, ::-1]
        residual = np.linalg.norm(r @ y[used:], axis=0)
        if not q.shape[1] or end >= n or end + q.shape[1] > limit or _done(e, residual, k):
            good = residual <= _CONVERGED * np.abs(e)
            good &= e > BITS * end * e[0] if e[0] > 0 else False
            return Found(np.maximum(e[:k], 0.0), known @ y[:, good], np.maximum(e[good], 0.0), products)
        q -= known @ (known.T @ q)
        block, _ = np.linalg.qr(q)
        used = end


def _orthonormal(a: Array, noise: float) -> tuple[Array, Array]:
    """Return q (n, r) and (r, m) with a = q @ it, directions below `noise` left out."""
    gram = np.linalg.qr(a)
    u, s, vt = np.linalg.svd(gram[1])
    kept = s > noise
    return gram[0] @ u[:, kept], s[kept, None] * vt[kept]


def _done(e: Array, residual: Array, k: int) -> bool:
    """Whether the first k values are accurate: by their residuals, or by these squared over the gap below them."""
    if len(e) <= k:
        return False
    allowed = _ACCURACY * e[0]
    if np.all(residual[:k] <= allowed):
        return True
    gaps = e[k - 1 : -1] - e[k:]
    errors = np.cumsum(residual**2)[k - 1 : -1]
    return bool(np.any(errors <= allowed * gaps))


class Sums(NamedTuple):
    """Sums over all eigenvalues, in units of the largest: of e, e^2 and e ln e, one row for each left-out probe."""

    full: Array
    without: Array


def sums(apply: Callable[[Array], Array], n: int, found: Found) -> Sums:
    """Estimate the sums over all eigenvalues of an operator whose largest are known."""
    top = found.values[0]
    known = found.converged / top
    exact = np.array([f(known).sum() for f in _TERMS])
    U = found.vectors
    z = np.random.default_rng(1).choice([-1.0, 1.0], size=(n, _PROBES))
    z -= U @ (U.T @ z)
    samples = np.array(
        [[np.sum(w * f(e)) for f in _TERMS] for e, w in zip(*_quadrature(apply, z, U, top), strict=True)]
    )
    mean = samples.mean(axis=0)
    without = (samples.sum(axis=0) - samples) / (_PROBES - 1)
    return Sums(exact + mean, exact + without)


def _entropy_term(e: Array) -> Array:
    return e * np.log(np.where(e > 0, e, 1.0))


_TERMS: tuple[Callable[[Array], Array], ...] = (lambda e: e, lambda e: e**2, _entropy_term)


def _quadrature(apply: Callable[[Array], Array], z: Array, U: Array, top: float) -> tuple[list[Array], list[Array]]:
    """Return nodes and weights of z^T f(K) z for each column of z, K restricted to the complement of U, over top."""
    size = np.linalg.norm(z, axis=0)
    q, last, beta = z / np.where(size > 0, size, 1.0), np.zeros_like(z), np.zeros(z.shape[1])
    alphas, betas = [], []
    for _ in range(_NODES):
        y = apply(q) / top
        y -= U @ (U.T @ y)
        y -= beta * last
        alpha = np.einsum("nr,nr->r", q, y)
        y -= alpha * q
        beta = np.linalg.norm(y, axis=0)
        beta = np.where(beta > 10 * BITS, beta, 0.0)
        alphas.append(alpha)
        betas.append(beta)
        last, q = q, y / np.where(beta > 0, beta, 1.0)
    nodes, weights = [], []
    for j, norm in enumerate(size):
        off = np.array([b[j] for b in betas[:-1]])
        matrix: Any = np.diag([a[j] for a in alphas]) + np.diag(off, 1) + np.diag(off, -1)
        e, v = np.linalg.eigh(matrix)
        nodes.append(np.maximum(e, 0.0))
        weights.append(norm**2 * v[0] ** 2)
    return nodes, weights
