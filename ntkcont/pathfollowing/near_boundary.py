"""The eigenvalues near the stability boundary: all of them at two points, followed through the points in between.

At both ends of a stretch of the branch the whole spectrum is known, and right and left eigenvectors of those
eigenvalues that lie within `reach` of the boundary.  Both sets together span the subspaces on which the Jacobians in
between are projected (Petrov-Galerkin, also known as two-sided Rayleigh-Ritz): with right and left vectors exact at
both ends the error of an eigenvalue is the product of two interpolation errors, of fourth order in the length of the
stretch, at the cost of one product of n x n by n x k.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.eigenvectors import eigenvalues_and_some_vectors
from ntkcont.kernels.algebra import library
from ntkcont.kernels.spectrum import N_COUNTS, counts_of
from ntkcont.linear import svd
from ntkcont.models.model import Array

Complex = NDArray[np.complex128]

#: Directions of the joint subspace that hold less than this of any vector are left out.
DROPPED = 1e-7
#: A Ritz value counts if its residual is at most this fraction of `reach`; what is no eigenvalue has a large one.
TRUSTED = 0.2


def beyond(values: Complex, is_map: bool) -> Array:
    """Return the signed distance from the stability boundary, positive beyond it; of multipliers for maps."""
    return np.abs(values) - 1.0 if is_map else values.real


def followed(n: int) -> int:
    """Return how many eigenvalues nearest to the boundary are followed."""
    return min(n, 24 + n // 12)


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """All eigenvalues at one point (multipliers for maps), their counts, and vectors of those within `reach`.

    `right` and `left`, shape (n, k): real columns, two for a pair; `rows` are the numbers of their eigenvalues.
    """

    eigenvalues: Complex
    counts: NDArray[np.int64]
    reach: float
    rows: NDArray[np.intp]
    right: Array
    left: Array

    @classmethod
    def of(cls, jacobian: Array, is_map: bool) -> Spectrum:
        """Compute it; `jacobian` is F_x, for maps DG - I."""
        n = len(jacobian)
        shift = 1.0 if is_map else 0.0
        few = followed(n)
        reach = np.inf

        def choose(lam: Complex) -> NDArray[np.bool_]:
            nonlocal reach
            distance = np.abs(beyond(lam + shift, is_map))
            if few < n:
                ranked = np.sort(distance)
                reach = 0.5 * float(ranked[few - 1] + ranked[few])  # between two, so that pairs stay together
            return distance <= reach

        lam, chosen, right, left = eigenvalues_and_some_vectors(jacobian, choose)
        lam = lam + shift
        missing = np.abs(beyond(lam, is_map))[~chosen]
        if missing.size and np.isfinite(reach):  # inverse iteration may fail for a few
            reach = min(reach, float(missing.min()))
        counts = np.zeros(N_COUNTS, dtype=np.int64)
        wr, wi = np.ascontiguousarray(lam.real), np.ascontiguousarray(lam.imag)
        counts_of(library(), np.ascontiguousarray(jacobian), wr, wi, is_map, counts)
        return cls(wr + 1j * wi, counts, reach, np.flatnonzero(chosen), right, left)


@dataclasses.dataclass(frozen=True)
class Near:
    """Eigenvalues within reach of the boundary at one point (both of a pair), and how far beyond it they are.

    Also the Jacobian between the joint subspaces (K, K), and right and left eigenvectors in their coordinates.
    """

    values: Complex
    beyond: Array
    projected: Array
    right: Complex
    left: Complex

    def expected(self, other: Near) -> Complex:
        """Return where these eigenvalues are at another point, to first order in the change of the Jacobian."""
        change = other.projected - self.projected
        return self.values + np.sum(self.left * (change @ self.right).T, axis=1)


class Basis:
    """The joint subspaces of two points."""

    def __init__(self, a: Spectrum, b: Spectrum, is_map: bool) -> None:
        self.is_map, self.reach = is_map, min(a.reach, b.reach)
        self.size = float(max(np.max(np.abs(a.eigenvalues)), np.max(np.abs(b.eigenvalues))))
        v, w = _orthonormal(a.right, b.right), _orthonormal(a.left, b.left)
        p, cosines, q = svd(w.T @ v, full_matrices=False)
        kept = cosines > 1e-9
        root = np.sqrt(cosines[kept])
        self.v, self.w = v @ (q[kept].T / root), w @ (p[:, kept] / root)

    def at_end(self, spectrum: Spectrum, jacobian: Array) -> Near:
        """Return the eigenvalues near the boundary at one of both points themselves, where all is known."""
        values = spectrum.eigenvalues[spectrum.rows]
        first = np.flatnonzero(values.imag > 0.0)
        right = (self.w.T @ spectrum.right).astype(complex)
        left = (spectrum.left.T @ self.v).astype(complex)
        for vectors, sign in ((right.T, 1j), (left, -1j)):  # of u* A = lambda u*
            vectors[first] += sign * vectors[first + 1]
            vectors[first + 1] = vectors[first].conj()
        left /= np.sum(left * right.T, axis=1)[:, None]
        distance = beyond(values, self.is_map)
        kept = np.abs(distance) <= self.reach
        projected = self.w.T @ (jacobian @ self.v)
        return Near(values[kept], distance[kept], projected, right[:, kept], left[kept])

    def near(self, jacobian: Array) -> Near:
        """Return the trusted Ritz values near the boundary; `jacobian` is F_x, for maps DG - I."""
        from scipy.linalg import get_lapack_funcs

        image = jacobian @ self.v
        projected = self.w.T @ image
        (geev,) = get_lapack_funcs(("geev",), (projected,))
        wr, wi, _, y, info = geev(projected, compute_vl=0)
        if info != 0:
            raise np.linalg.LinAlgError
        wi[np.abs(wi) <= 1e-11 * self.size] = 0.0
        values = wr + 1j * wi
        first = np.flatnonzero(wi > 0.0)
        vectors = y.astype(complex)
        vectors[:, first] = y[:, first] + 1j * y[:, first + 1]
        vectors[:, first + 1] = vectors[:, first].conj()
        shift = 1.0 if self.is_map else 0.0
        distance = beyond(values + shift, self.is_map)
        rows = np.flatnonzero(np.abs(distance) <= self.reach)
        if rows.size:
            lifted = self.v @ vectors[:, rows]
            residual = np.linalg.norm(image @ vectors[:, rows] - lifted * values[rows], axis=0)
            limit = TRUSTED * self.reach if np.isfinite(self.reach) else np.inf
            rows = rows[residual <= limit * np.linalg.norm(lifted, axis=0)]
        left = np.linalg.inv(vectors)[rows]
        return Near(values[rows] + shift, distance[rows], projected, vectors[:, rows], left)


def _orthonormal(a: Array, b: Array) -> Array:
    """Return an orthonormal basis of the columns of both."""
    u, singular, _ = svd(np.concatenate([a, b], axis=1), full_matrices=False)
    return u[:, singular > DROPPED * singular[0]] if singular.size else u


def matched(a: Near, b: Near, limit: float) -> list[tuple[int, int]]:
    """Pair the eigenvalues of two points; what moved further than `limit` stays alone.

    Each is paired with the one that is nearest to where it should be, to first order, seen from both points, at the
    least total distance: in a dense spectrum the nearest one is another.
    """
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(a.values[:, None] - b.values[None, :])
    off = np.abs(a.expected(b)[:, None] - b.values[None, :]) + np.abs(a.values[:, None] - b.expected(a)[None, :])
    cost = np.where(distance < limit, np.minimum(0.5 * off, distance), limit)
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if distance[i, j] < limit]


def moved(a: Near, b: Near, pairs: list[tuple[int, int]]) -> float:
    """Return the longest way of an eigenvalue between two points."""
    return max((abs(a.values[i] - b.values[j]) for i, j in pairs), default=0.0)
