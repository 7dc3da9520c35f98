"""Two ways to the same linear algebra on stacks of matrices: LAPACK on the host, and JAX on any device.

The kernels and signatures are written once, against array functions ``xp`` (numpy or jax.numpy) and the methods that
both classes have.  LAPACK is what JAX itself calls on the CPU; calling it from the host needs no compilation, follows
only the branch that applies, and gives the eigenvalues of a symmetric matrix without its vectors, which JAX cannot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from ntkcont.linear import svd

lapack: Any = linalg.lapack  # its functions are made at import, unseen by type checkers
BITS = float(np.finfo(float).eps)
# up to here singular values, beyond eigenvalues of the Gram matrix, at half the cost
SMALL = 24
# beyond this the largest eigenvalue alone comes from an iteration
_DIRECT = 112
_REAL_ARITHMETIC = 96
_ACCURACY = 1e-10  # of an iterated eigenvalue, by the residual squared over the gap
_LONGEST = 240
_BLOCK = 32  # columns that LAPACK takes together


@functools.lru_cache(maxsize=16)
def start_vector(n: int) -> Any:
    """Return a fixed vector without symmetry, shape (n,): starts every iteration, so that results are reproducible."""
    vector = np.random.default_rng(0).standard_normal(n)
    vector.setflags(write=False)
    return vector


class Factored:
    """LU factors of matrices (K, B, n, n), which are overwritten if they are `own`."""

    def __init__(self, matrices: Any, own: bool = False) -> None:
        self.conditions, n = matrices.shape[1:3]
        getrf, self.getrs, self.getri = linalg.get_lapack_funcs(("getrf", "getrs", "getri"), (matrices,))
        # of the transposes, which have the memory layout that LAPACK takes without reordering
        self.factors = [getrf(m.T, overwrite_a=own)[:2] for m in matrices.reshape(-1, n, n)]

    def __call__(self, rhs: Any, adjoint: bool = False) -> Any:
        """Solve for rhs (K, B, n, m)."""
        columns = rhs.reshape(-1, *rhs.shape[2:])
        found = [self._solve(f, b, adjoint) for f, b in zip(self.factors, columns, strict=True)]
        return (found[0] if len(found) == 1 else np.array(found)).reshape(rhs.shape)

    def columns(self, F: Any) -> Any:
        """Solve for F (K, B, n, m), of one condition and diagonal: by the inverse, at two thirds of the cost."""
        n = F.shape[2]
        if self.conditions > 1 or n <= SMALL or not all(diagonal(f[0]) for f in F):
            return self(F)
        inverses = [self.getri(*f, lwork=_BLOCK * n)[0].T for f in self.factors]
        return np.array([[a * np.diagonal(f[0])] for a, f in zip(inverses, F, strict=True)])

    def _solve(self, factors: Any, b: Any, adjoint: bool) -> Any:
        if not adjoint:
            return self.getrs(*factors, b, trans=1)[0]
        return self.getrs(*factors, b.conj(), trans=0)[0].conj() if np.iscomplexobj(b) else self.getrs(*factors, b)[0]


def diagonal(F: Any) -> bool:
    """Whether F (n, m) is square and zero off its diagonal."""
    return F.shape[0] == F.shape[1] and np.count_nonzero(F) == np.count_nonzero(np.diagonal(F))


class ShiftedInReal:
    """Solver for ``A - s I`` with real matrices (K, B, n, n) and complex s (K,), in real arithmetic.

    ``(A - s)^{-1} = (A - s*) (A^2 - 2 Re(s) A + |s|^2)^{-1}``, at a third of the cost of complex factors.
    """

    def __init__(self, A: Any, s: Any, square: Any) -> None:
        self.A, self.s = A, s
        quadratic = A * (-2.0 * s.real[:, None, None, None])
        quadratic += square
        self.inverse = Factored(_plus_diagonal(quadratic, np.abs(s) ** 2), own=True)

    def __call__(self, rhs: Any, adjoint: bool = False) -> Any:
        """Solve for rhs (K, B, n, m)."""
        # one part after the other, which LAPACK does faster than two columns; the product last, since it removes what
        # belongs to the conjugate eigenvalue
        real, imag = self.inverse(rhs.real, adjoint), self.inverse(rhs.imag, adjoint)
        A, s = (self.A.swapaxes(-1, -2), self.s) if adjoint else (self.A, self.s.conj())
        return A @ real + 1j * (A @ imag) - s[:, None, None, None] * (real + 1j * imag)


class HostBackend:
    """LAPACK, one matrix after the other."""

    xp: Any = np

    @staticmethod
    def factor(matrices: Any) -> Factored:
        """Factor matrices (K, B, n, n); the result solves, ``solve(rhs, adjoint=False)``, for rhs (K, B, n, m)."""
        return Factored(matrices)

    @staticmethod
    def columns(solve: Factored, F: Any) -> Any:
        """Solve for the source's columns F (K, B, n, m)."""
        return solve.columns(F)

    @staticmethod
    def shifted(A: Any, shift: Any, square: Callable[[], Any]) -> Factored | ShiftedInReal:
        """Factor ``A - shift I`` for A (K, B, n, n) and shifts (K,); `square` returns A^2."""
        if not np.iscomplexobj(shift) or A.shape[-1] < _REAL_ARITHMETIC:
            return Factored(_plus_diagonal(A.astype(shift.dtype), -shift), own=True)
        return ShiftedInReal(A, shift, square())

    @staticmethod
    def spectrum(G: Any, gram: Callable[[], Any] | None = None) -> tuple[Any, Any]:
        """Return the eigenvalues of G G*, descending (K, rows), and unit eigenvectors (K, rows) of the largest.

        `gram` returns G G*, if that is known.
        """
        rows, m = G.shape[-2:]
        if min(rows, m) <= SMALL or np.iscomplexobj(G):
            u, s, _ = svd(G, full_matrices=False)
            return np.pad(s**2, ((0, 0), (0, rows - s.shape[1]))), u[:, :, 0]
        pairs = [_symmetric(k) for k in (HostBackend.gram(G) if gram is None else gram())]
        return np.array([e for e, _ in pairs]), np.array([u for _, u in pairs])

    @staticmethod
    def top(G: Any) -> Any:
        """Return the largest eigenvalue of G G*, (K,)."""
        rows, m = G.shape[-2:]
        if min(rows, m) <= SMALL:
            return svd(G, compute_uv=False)[:, 0] ** 2
        return HostBackend.top_of_gram([g @ g.conj().T for g in G])

    @staticmethod
    def gram(G: Any) -> Any:
        """Return G G^T of real factors, (K, rows, rows)."""
        return np.array([g @ g.T for g in G])

    @staticmethod
    def top_of_gram(K: Any) -> Any:
        """Return the largest eigenvalues (K,) of Hermitian matrices."""
        if len(K[0]) <= _DIRECT:
            return np.array([_largest(k) for k in K])
        return np.array([lanczos(k.__matmul__, start_vector(len(k)).astype(k.dtype))[0] for k in K])

    @staticmethod
    def finite(G: Any) -> Any:
        """Return G (K, ...), with zeros in points where any entry is not finite: LAPACK may not return otherwise."""
        good = np.array([np.isfinite(np.linalg.norm(g)) for g in G])
        return G if np.all(good) else np.where(good.reshape(-1, *[1] * (G.ndim - 1)), G, 0.0)

    @staticmethod
    def unless_finite(found: Any, again: Callable[[], Any]) -> Any:
        """Return the arrays `found`, or, if anything in them is not finite, those of `again`."""
        return found if all(np.all(np.isfinite(a)) for a in found) else again()

    @staticmethod
    def iterates(rows: int) -> bool:
        """Whether the largest eigenvalue of an operator comes from a search, cheaper than from its matrix."""
        return rows > SMALL


def _plus_diagonal(matrices: Any, value: Any) -> Any:
    """Add values (K,) to the diagonals of matrices (K, B, n, n), in place."""
    diagonal = np.einsum("kbii->kbi", matrices)
    diagonal += value[:, None, None]
    return matrices


def _symmetric(K: Any) -> tuple[Any, Any]:
    """Return the eigenvalues of a symmetric matrix, descending, and the vector of the largest: one reduction."""
    n = len(K)
    reflectors, d, off, tau, _ = lapack.dsytrd(K.T, lower=1, lwork=_BLOCK * n)
    e, failed = lapack.dsterf(d, off)
    y, also_failed = _tridiagonal_vector(d, off, e[-1])
    if failed or also_failed:
        w, v = np.linalg.eigh(K)
        return np.maximum(w[::-1], 0.0), v[:, -1]
    below = np.asfortranarray(reflectors[1:, :-1])
    y[1:] = lapack.dormqr("L", "N", below, tau, np.asfortranarray(y[1:]), _BLOCK * n)[0]
    return np.maximum(e[::-1], 0.0), y[:, 0]


def _tridiagonal_vector(d: Any, off: Any, top: float) -> tuple[Any, bool]:
    """Return the vector (n, 1) of the largest eigenvalue of a symmetric tridiagonal matrix, and whether that failed."""
    n = len(d)
    if np.all(np.abs(off) > BITS * abs(top)):  # one block
        y, failed = lapack.dstein(d, off, np.array([top]), np.ones(n, np.int32), np.full(n, n, np.int32))
        return y, bool(failed)
    m, w, block, split, failed = lapack.dstebz(d, off, 2, 0.0, 1.0, n, n, 0.0, "B")
    if failed or m != 1:
        return None, True
    y, failed = lapack.dstein(d, off, w[:1], block, split)
    return y, bool(failed)


def _largest(K: Any) -> float:
    n = len(K)
    if np.iscomplexobj(K):
        return lapack.zheevr(K, compute_v=0, range="I", il=n, iu=n)[0][0]
    _, d, off, _, _ = lapack.dsytrd(K.T, lower=1, lwork=_BLOCK * n)
    return lapack.dstebz(d, off, 2, 0.0, 1.0, n, n, 0.0, "B")[1][0]


def _length(y: Any) -> Any:
    return np.sqrt(np.vdot(y, y).real)


def lanczos(apply: Callable[[Any], Any], start: Any) -> tuple[float, Any]:
    """Return the largest eigenvalue and a vector (n,) of a Hermitian positive operator, reorthogonalised fully."""
    n = len(start)
    limit = min(n, _LONGEST)
    Q = np.empty((min(limit + 1, 32), n), start.dtype)
    a, b = np.zeros(limit), np.zeros(limit)
    Q[0] = start / np.linalg.norm(start)
    value, check, tail_vector = np.nan, 3, np.full(1, np.nan)
    for j in range(limit):
        y = apply(Q[j])
        known = Q[: j + 1]
        size = _length(y)
        h = known @ y.conj()
        y, a[j] = y - h.conj() @ known, h[j].real
        if _length(y) < 0.1 * size:  # digits cancelled: once more
            y = y - (known @ y.conj()).conj() @ known
        b[j] = _length(y)
        last = not b[j] > 10 * BITS * size or j + 1 == limit
        if j == check or last:
            check += 2 + j // 4
            value, gap, tail_vector = _top_of_tridiagonal(a[: j + 1], b[:j])
            if last or not (b[j] * tail_vector[-1]) ** 2 > _ACCURACY * value * gap:
                break
        if j + 1 == len(Q):
            Q = np.concatenate([Q, np.empty_like(Q)])
        Q[j + 1] = y / b[j]
    return value, tail_vector @ Q[: len(tail_vector)]


def _top_of_tridiagonal(a: Any, b: Any) -> tuple[float, float, Any]:
    """Return the largest eigenvalue, its distance to the next one, and its unit vector."""
    if len(a) == 1 or not np.all(np.isfinite(a)):
        return float(a[0]), 0.0, np.ones(1)
    e, failed = lapack.dsterf(a, b)
    y, also_failed = _tridiagonal_vector(a, b, e[-1])
    if failed or also_failed:
        e, vectors = np.linalg.eigh(np.diag(a) + np.diag(b, 1) + np.diag(b, -1))
        y = vectors[:, -1:]
    return float(e[-1]), float(e[-1] - e[-2]), y[:, 0]


class DeviceBackend:
    """JAX: traced and compiled, every stack at once."""

    @property
    def xp(self) -> Any:
        """The array functions."""
        import jax.numpy as jnp

        return jnp

    @staticmethod
    def factor(matrices: Any) -> Callable[..., Any]:
        """Factor matrices (K, B, n, n); return ``solve(rhs, adjoint=False)`` for rhs (K, B, n, m)."""
        import jax

        factors = jax.scipy.linalg.lu_factor(matrices)

        def solve(rhs: Any, adjoint: bool = False) -> Any:
            one = lambda f, b: jax.scipy.linalg.lu_solve(f, b, trans=2 if adjoint else 0)  # noqa: E731
            return jax.vmap(jax.vmap(one))(factors, rhs)

        return solve

    @staticmethod
    def columns(solve: Callable[..., Any], F: Any) -> Any:
        """Solve for the source's columns F (K, B, n, m)."""
        return solve(F)

    @staticmethod
    def shifted(A: Any, shift: Any, square: Callable[[], Any]) -> Callable[..., Any]:  # noqa: ARG004
        """Factor ``A - shift I`` for A (K, B, n, n) and shifts (K,); return ``solve`` as :meth:`factor` does."""
        import jax.numpy as jnp

        return DeviceBackend.factor(A - shift[:, None, None, None] * jnp.eye(A.shape[-1]))

    @staticmethod
    def spectrum(G: Any, gram: Callable[[], Any] | None = None) -> tuple[Any, Any]:  # noqa: ARG004
        """Return the eigenvalues of G G*, descending (K, rows), and unit eigenvectors (K, rows) of the largest."""
        import jax.numpy as jnp

        u, s, _ = jnp.linalg.svd(G, full_matrices=False)
        return jnp.pad(s**2, ((0, 0), (0, G.shape[1] - s.shape[1]))), u[:, :, 0]

    @staticmethod
    def top(G: Any) -> Any:
        """Return the largest eigenvalue of G G*, (K,)."""
        import jax.numpy as jnp

        return jnp.linalg.svd(G, compute_uv=False)[:, 0] ** 2

    @staticmethod
    def gram(G: Any) -> Any:
        """Return G G^T of real factors, (K, rows, rows)."""
        import jax.numpy as jnp

        return G @ jnp.swapaxes(G, 1, 2)

    @staticmethod
    def top_of_gram(K: Any) -> Any:
        """Return the largest eigenvalues (K,) of Hermitian matrices."""
        import jax.numpy as jnp

        return jnp.linalg.eigvalsh(K)[:, -1]

    @staticmethod
    def finite(G: Any) -> Any:
        """Return G (K, ...), with zeros in points where any entry is not finite."""
        import jax.numpy as jnp

        good = jnp.all(jnp.isfinite(G.reshape(G.shape[0], -1)), axis=1)
        return jnp.where(good.reshape(-1, *[1] * (G.ndim - 1)), G, 0.0)

    @staticmethod
    def unless_finite(found: Any, again: Callable[[], Any]) -> Any:
        """Return the arrays `found`, or, if anything in them is not finite, those of `again`."""
        import jax
        import jax.numpy as jnp

        good = jnp.all(jnp.stack([jnp.all(jnp.isfinite(a)) for a in found]))
        return jax.lax.cond(good, lambda: found, again)

    @staticmethod
    def iterates(rows: int) -> bool:  # noqa: ARG004
        """Whether the largest eigenvalue of an operator comes cheaper from an iteration: never, in one compilation."""
        return False


HOST = HostBackend()
DEVICE = DeviceBackend()
Backend = HostBackend | DeviceBackend


def unit(xp: Any, v: Any) -> Any:
    """Return the rows of v (K, n) divided by their norms; zero stays zero."""
    norm = norms(xp, v)[:, None]
    return v / xp.where(norm > 0, norm, 1.0)


def norms(xp: Any, v: Any) -> Any:
    """Return the norms of the rows of v (K, ...)."""
    return xp.linalg.norm(v.reshape(v.shape[0], -1), axis=1)


def inner(xp: Any, a: Any, b: Any) -> Any:
    """Return <a, b> of the rows, conjugating a."""
    return xp.sum(a.conj() * b, axis=1)


def critical_vectors(
    backend: Backend, A: Any, eigenvalue: Any, square: Callable[[], Any], real: bool
) -> tuple[Any, Any]:
    """Return unit right and left eigenvectors (v, w), (K, n), of eigenvalues (K,) of A (K, 1, n, n).

    By inverse iteration, one factorisation for both; `real` says that all these eigenvalues are, `square` returns A^2.
    """
    xp = backend.xp
    count, _, n, _ = A.shape
    start = xp.broadcast_to(xp.asarray(start_vector(n)), (count, n))
    unit_of_shift = BITS * (abs(eigenvalue) + norms(xp, A) / np.sqrt(n))

    def iterated(multiple: float) -> Any:
        # off the eigenvalue by rounding: the factors stay regular, and each step gains all digits
        shift = (eigenvalue.real if real else eigenvalue) + multiple * unit_of_shift
        solve = backend.shifted(A, shift, square)
        v = w = start.astype(shift.dtype)
        for _ in range(2):
            v = unit(xp, solve(v[:, None, :, None])[:, 0, :, 0])
            w = unit(xp, solve(w[:, None, :, None], adjoint=True)[:, 0, :, 0])
        return v, w

    # where the shift happens to be an eigenvalue of the rounded matrix, another is not
    return backend.unless_finite(iterated(4.0), lambda: iterated(37.0))
