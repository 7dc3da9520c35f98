r"""Sums over all eigenvalues of a symmetric positive operator, to an accuracy that is asked for.

They are those of the eigenvalues found, exactly, plus an average over random vectors orthogonal to these: stochastic
Lanczos quadrature.  Where its standard error is too large, more eigenvalues are found and removed, or more vectors
drawn, whichever promises to take fewer products: the variance of the average falls with the eigenvalues left, as with
the number of vectors.  The average also tells whether a multiple eigenvalue was found less often than it occurs; then
the iteration is repeated with a block as wide as the number asked for.

References
----------
S. Ubaru, J. Chen, Y. Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075: stochastic Lanczos quadrature.
G. H. Golub, G. Meurant, *Matrices, Moments and Quadrature* (2010), chapter 6: rules with a node at an end.
R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff, SOSA (2021) 142: Hutch++, an average with the large part removed.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.backends import BITS
from ntkcont.ntk.trajectory.lanczos import Apply, Found, Iteration

Array = NDArray[np.float64]

#: The quantities that are estimated.
NAMES = ("trace", "participation_ratio", "entropy_rank")

_MISSED = 1e-7  # relative to the largest: an eigenvalue that was found too late
_BLOCK = 3
_PROBES = 10  # drawn at a time
_NODES, _MOST_NODES = 8, 64  # of the quadrature, at first and at most
_MOST_PRODUCTS = 20_000
#: For estimates of memory: the columns that are worked on together.
COLUMNS = 2 * _PROBES


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Sums over all eigenvalues, in units of the largest: of e, e^2 and e ln e.

    Parameters
    ----------
    exact : ndarray, shape (3,)
        Over the eigenvalues that were removed.
    samples : ndarray, shape (probes, 3)
        Of the rest, from one random vector each.
    coarse : ndarray, shape (probes, 3)
        The same by half as many nodes.
    """

    exact: Array
    samples: Array
    coarse: Array

    @property
    def probes(self) -> int:
        """Number of random vectors."""
        return len(self.samples)

    @functools.cached_property
    def values(self) -> dict[str, float]:
        """Trace (over the largest), participation ratio and entropy rank."""
        return dict(zip(NAMES, _functions((self.exact + self.samples.mean(axis=0))[None])[:, 0].tolist(), strict=True))

    @functools.cached_property
    def errors(self) -> dict[str, float]:
        """Their standard errors, by the jackknife; that of the entropy rank also counts what the quadrature misses."""
        count = self.probes
        without = (self.samples.sum(axis=0) - self.samples) / (count - 1)
        left = _functions(self.exact + without)
        spread = np.sum((left - left.mean(axis=1, keepdims=True)) ** 2, axis=1)
        found = np.sqrt((count - 1) / count * spread)
        found[-1] = np.hypot(found[-1], self.quadrature_error)
        return dict(zip(NAMES, found.tolist(), strict=True))

    @functools.cached_property
    def quadrature_error(self) -> float:
        """Error of the entropy rank by the quadrature: twice as many nodes at least halve it."""
        coarse = _functions((self.exact + self.coarse.mean(axis=0))[None])[-1, 0]
        return abs(float(coarse) - self.values[NAMES[-1]]) / 2.0

    @property
    def relative_error(self) -> float:
        """The largest of the standard errors over the values, which is itself uncertain: by one standard deviation."""
        uncertain = 1.0 + 1.0 / np.sqrt(2.0 * (self.probes - 1))
        return uncertain * max(self.errors[name] / self.values[name] for name in NAMES)


def _functions(s: Array) -> Array:
    total, squares, entropy = s.T
    return np.array([total, total**2 / squares, total * np.exp(-entropy / total)])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """The largest eigenvalues, sums over all of them, and what they took.

    ``sums`` is None for an operator that is zero; ``reached`` says whether the standard errors are below what was
    asked for; ``products`` counts all products with the operator.
    """

    found: Found
    sums: Sums | None
    products: int
    reached: bool


def spectrum(apply: Apply, n: int, k: int, rtol: float) -> Estimate:
    """Return the k largest eigenvalues, and the sums over all with relative standard errors below `rtol`."""
    spent = 0
    for width in (min(_BLOCK, k), k + 2):
        iteration = Iteration(apply, n, k, width)
        found = iteration.until()
        if not found.values[0] > 0:
            return Estimate(found=found, sums=None, products=spent + found.products, reached=True)
        probing = _Probing(apply, n, found)
        probing.draw(_PROBES)
        spent += probing.products
        if not probing.beyond > found.values[-1] + _MISSED * found.values[0]:
            break
        spent += found.products
    top = found
    while (error := probing.sums.relative_error) > rtol and spent + iteration.products < _MOST_PRODUCTS:
        removed, nodes = len(probing.removed.converged), probing.nodes
        by_quadrature = probing.sums.quadrature_error / probing.sums.values[NAMES[-1]]
        if 2.0 * by_quadrature > rtol and nodes < _MOST_NODES:
            probing = _Probing(apply, n, probing.removed, 2 * nodes)
            probing.draw(_PROBES)
            spent += probing.products
            continue
        missing = int(np.ceil(probing.sums.probes * ((error / rtol) ** 2 - 1.0)))
        # twice as many eigenpairs take as many products again
        if not iteration.ended and missing * nodes > iteration.products + _PROBES * nodes:
            probing = _Probing(apply, n, iteration.until(2 * max(removed, k)), nodes)
            probing.draw(_PROBES)
            spent += probing.products
            continue
        before = probing.products
        probing.draw(min(max(missing, _PROBES), 10 * _PROBES))
        spent += probing.products - before
    sums = probing.sums
    products = spent + iteration.products
    return Estimate(found=top, sums=sums, products=products, reached=sums.relative_error <= rtol)


class _Probing:
    """Averages over random vectors in the complement of some eigenvectors."""

    def __init__(self, apply: Apply, n: int, removed: Found, nodes: int = _NODES) -> None:
        self.apply, self.n, self.removed, self.nodes = apply, n, removed, nodes
        self.rng = np.random.default_rng(1)
        self.top = removed.values[0]
        exact = _terms((removed.converged / self.top)[None], np.ones((1, len(removed.converged))))[0]
        self.sums = Sums(exact=exact, samples=np.zeros((0, 3)), coarse=np.zeros((0, 3)))
        #: The largest eigenvalue seen in the complement.
        self.beyond = 0.0
        self.products = 0

    def draw(self, count: int) -> None:
        """Add at least so many random vectors."""
        U, samples, coarse = self.removed.vectors, [self.sums.samples], [self.sums.coarse]
        for _ in range(-(-count // _PROBES)):
            z = self.rng.choice([-1.0, 1.0], size=(_PROBES, self.n))
            z -= (z @ U.T) @ U
            size = np.sum(z**2, axis=1)
            matrices = _tridiagonal(self.apply, z, U, self.top, self.nodes)
            self.products += _PROBES * self.nodes
            by_nodes = [_quadrature(matrices[:, :m, :m], size) for m in (self.nodes, self.nodes // 2, self.nodes // 4)]
            fine, half, quarter = (found for found, _ in by_nodes)
            # the rule is exact for e and e^2; for e ln e its error falls as the square of the number of nodes
            samples.append(fine + (fine - half) / 3.0)
            coarse.append(half + (half - quarter) / 3.0)
            self.beyond = max(self.beyond, self.top * by_nodes[0][1])
        self.sums = Sums(exact=self.sums.exact, samples=np.concatenate(samples), coarse=np.concatenate(coarse))


def _terms(e: Array, weights: Array) -> Array:
    """Return the weighted sums (r, 3) of e, e^2 and e ln e over rows (r, m)."""
    terms = np.stack([e, e**2, e * np.log(np.where(e > 0, e, 1.0))], axis=-1)
    return np.einsum("rm,rmf->rf", weights, terms)


def _tridiagonal(apply: Apply, z: Array, U: Array, top: float, nodes: int) -> Array:
    """Return the matrices (r, m, m) of m Lanczos steps from each row of z, on the complement of U and over top."""
    size = np.linalg.norm(z, axis=1)
    q, last, beta = z / np.where(size > 0, size, 1.0)[:, None], np.zeros_like(z), np.zeros(len(z))
    matrices = np.zeros((len(z), nodes, nodes))
    for j in range(nodes):
        y = apply(q) / top
        y -= (y @ U.T) @ U
        y -= beta[:, None] * last
        alpha = np.einsum("rn,rn->r", q, y)
        y -= alpha[:, None] * q
        beta = np.linalg.norm(y, axis=1)
        beta = np.where(beta > 10 * BITS, beta, 0.0)
        matrices[:, j, j] = alpha
        if j + 1 < nodes:
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
