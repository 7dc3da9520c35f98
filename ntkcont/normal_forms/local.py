"""What all normal forms start from: the linearisation at a point, its critical vectors, B and C."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import LU, svd
from ntkcont.models.model import Array
from ntkcont.normal_forms.derivatives import Derivatives, Vector

Matrix = NDArray[Any]

NEAR = 1e-6  # eigenvalues this close to the critical one (relative to the largest) may belong to it
SINGULAR = 1e-9  # singular values below this fraction of the largest count as zero
TOGETHER = 1e-7  # the same where several eigenvalues cross together: each is as near to zero as they are to each other
DEFECTIVE = 1e7  # sum |p_i q_i| / |<p, q>| above which a multiple eigenvalue is taken to have one eigenvector


@dataclasses.dataclass(frozen=True)
class Local:
    """A model at one special point.

    Parameters
    ----------
    A : ndarray, shape (n, n)
        Jacobian of f or G.
    Fp : ndarray, shape (n,)
        Derivative in the free parameter.
    derivatives : Derivatives
        B and C along directions of (x, p).
    is_map : bool
    value : float
        The free parameter.
    eigenvalues : ndarray of complex, shape (n,)
    multiplicity : int
        How many eigenvalues (pairs) cross together, as far as known.
    vectors : mapping
        Its critical vectors, where known.
    tolerance : float
        What counts as zero, relative to the terms of a sum.
    change : float
        How much A changes over a diagram's width of the branch: what A is small against where all of it vanishes.
    """

    A: Array
    Fp: Array
    derivatives: Derivatives
    is_map: bool
    value: float
    eigenvalues: NDArray[np.complex128]
    multiplicity: int
    vectors: Any
    tolerance: float
    change: float = 0.0

    @property
    def n(self) -> int:
        """Number of states."""
        return self.Fp.size

    def B(self, u: Vector, v: Vector) -> Vector:
        """Return the second derivative along two directions of the state (n,) or of (x, p) (n+1,)."""
        return self.derivatives.second(self.lifted(u), self.lifted(v))

    def C(self, u: Vector, v: Vector, w: Vector) -> Vector:
        """Return the third derivative along three directions."""
        return self.derivatives.third(self.lifted(u), self.lifted(v), self.lifted(w))

    def lifted(self, u: Vector) -> Vector:
        """Return a direction of (x, p): those of the state alone leave p as it is."""
        return u if u.size > self.n else np.append(u, 0.0)

    def shifted(self, shift: complex) -> Matrix:
        """Return ``A - shift I``."""
        a = self.A.astype(complex) if isinstance(shift, complex) else self.A.copy()
        a[np.diag_indices(self.n)] -= shift
        return a

    def along_branch(self) -> Array:
        """Return (dx/dp, 1) along the branch, shape (n+1,), where it has no fold."""
        return np.append(solve(self.shifted(1.0 if self.is_map else 0.0), -self.Fp), 1.0)


@dataclasses.dataclass(frozen=True)
class Critical:
    """A critical eigenvalue: q and p with ``|q| = 1``, ``<p, q> = 1``, its condition number, its multiplicity.

    `overlap` is ``sum |p_i q_i| / |<p, q>|``, which unlike kappa does not depend on the units of the states;
    `dimension` is that of the eigenspace; `together` counts all pairs that cross at the point, of any frequency, and
    `merged` says that they have the same one; `beside` counts critical eigenvalues of another kind.
    """

    value: complex
    q: Vector
    p: Vector
    kappa: float
    overlap: float
    dimension: int
    together: int = 1
    merged: bool = False
    beside: int = 0

    @property
    def simple(self) -> bool:
        """Whether the eigenvalue is simple, so that q, p and the normal form exist."""
        return self.dimension == 1 and self.together == 1 and not self.beside and self.overlap < DEFECTIVE

    def refusal(self) -> dict[str, Any]:
        """Return what is said in place of a normal form where the eigenvalue is multiple."""
        if self.beside:
            others = "another eigenvalue is" if self.beside == 1 else f"{self.beside} other eigenvalues are"
            note = (
                f"{others} critical at the same point (zero-Hopf and alike): the modes interact, and no normal form of "
                "one of them applies"
            )
            return {"type": "multiple", "note": note}
        if self.dimension > 1:
            note = (
                f"the critical eigenvalue has {self.dimension} independent eigenvectors: no normal form of one "
                "critical direction applies"
            )
            return {"type": "multiple", "kernel_dimension": self.dimension, "note": note}
        if self.together > 1 and not self.merged:
            note = (
                f"{self.together} pairs of different frequencies cross together: their modes interact, and no normal "
                "form of one of them applies"
            )
            return {"type": "multiple", "note": note}
        note = "a multiple critical eigenvalue with one eigenvector (Bogdanov-Takens and alike): <p, q> = 0"
        return {"type": "defective", "kernel_dimension": 1, "note": note}


def solve(a: Matrix, b: Vector) -> Vector:
    """Solve ``a x = b``; nan where a is singular to the last bit."""
    kind = np.result_type(a, b)
    x = LU(a.astype(kind)).solve(b.astype(kind))
    return x if np.all(np.isfinite(x)) else np.full_like(x, np.nan)


def bordered(a: Matrix, column: Vector, row: Vector) -> LU:
    """Factor ``[[a, column], [row*, 0]]``."""
    n = a.shape[0]
    matrix = np.zeros((n + 1, n + 1), dtype=np.result_type(a, column, row))
    matrix[:n, :n], matrix[:n, n], matrix[n, :n] = a, column, np.conj(row)
    return LU(matrix)


def critical(local: Local, eigenvalue: complex) -> Critical:
    """Return the critical vectors for the eigenvalue of A nearest to `eigenvalue` (a real number or i omega, ...)."""
    n = local.n
    a = local.shifted(eigenvalue)
    spectrum = local.eigenvalues if np.all(np.isfinite(local.eigenvalues)) else np.linalg.eigvals(local.A)
    size = max(float(np.max(np.abs(spectrum))), abs(eigenvalue))
    if max(size, float(np.linalg.norm(a))) <= SINGULAR * local.change:  # all of A is rounding
        size = local.change
    count = int(np.sum(np.abs(spectrum - eigenvalue) <= NEAR * size)) if size > 0.0 else n
    together, dimension = local.multiplicity, 1
    if count > 1 or together > 1:  # several that cross together are located by their mean, or may have no common space
        singular = svd(a, compute_uv=False)
        small = SINGULAR if together == 1 else TOGETHER
        dimension = max(1, int(np.sum(singular <= small * max(float(singular[0]), size))))
    q, p = _start(a, local.vectors)
    for _ in range(3):
        lu = bordered(a, p, q)
        unit = np.zeros(n + 1, dtype=a.dtype)
        unit[n] = 1.0
        right, left = lu.solve(unit)[:n], lu.solve(unit, trans=2)[:n]
        if not (np.all(np.isfinite(right)) and np.all(np.isfinite(left))):
            break
        q, p = right / np.linalg.norm(right), left / np.linalg.norm(left)
    largest = np.flatnonzero(np.abs(q) >= (1.0 - 1e-6) * np.max(np.abs(q)))[0]
    q = q * (np.abs(q[largest]) / q[largest])
    product = np.vdot(p, q)
    kappa = 1.0 / abs(product) if product != 0.0 else np.inf
    overlap = product_size(p, q) * kappa
    if product != 0.0:
        p = p / np.conj(product)
    value = complex(np.vdot(p, local.A @ q)) if np.isfinite(kappa) else complex(eigenvalue)
    beside = _others(spectrum, eigenvalue, local.is_map, size)
    merged = count >= together or not isinstance(eigenvalue, complex)
    return Critical(value, q, p, float(kappa), float(overlap), dimension, max(together, dimension), merged, beside)


def _others(spectrum: NDArray[Any], eigenvalue: complex, is_map: bool, size: float) -> int:
    """Return how many eigenvalues of another kind than `eigenvalue` are on the stability boundary as well.

    Kinds are zero (multiplier 1), multiplier -1, and complex pairs.
    """

    def kind(values: Any) -> Any:
        return np.where(np.abs(np.imag(values)) > NEAR * size, 2.0, np.sign(np.real(values)) if is_map else 0.0)

    off = np.abs(np.abs(spectrum) - 1.0) if is_map else np.abs(np.real(spectrum))
    return int(np.sum((off <= SINGULAR * size) & (kind(spectrum) != kind(np.array(eigenvalue)))))


def _start(a: Matrix, vectors: Any) -> tuple[Vector, Vector]:
    """Return vectors near the null vectors of a and of its adjoint, of norm 1."""
    n = a.shape[0]
    v, w = vectors.get("v"), vectors.get("w")
    if n <= 60 or v is None or w is None or np.iscomplexobj(v) != np.iscomplexobj(a):
        u, _, vh = svd(a)
        return vh[-1].conj(), u[:, -1]
    return v / np.linalg.norm(v), w / np.linalg.norm(w)


def is_zero(value: float, terms: Any, tolerance: float) -> bool:
    """Whether a sum is zero to the accuracy of its terms (nan counts as zero: nothing is known)."""
    return not abs(value) > tolerance * float(np.sum(np.abs(terms)))


def product_size(p: Vector, u: Vector) -> float:
    """Return ``sum |p_i u_i|``, the size that <p, u> has without cancellation."""
    return float(np.sum(np.abs(p) * np.abs(u)))


def criticality(value: float, terms: Any, tolerance: float, super_sign: float) -> str:
    """Return "supercritical" where the sign of `value` is `super_sign`, or "subcritical", or "degenerate"."""
    if is_zero(value, terms, tolerance):
        return "degenerate"
    return "supercritical" if value * super_sign > 0.0 else "subcritical"
