"""Two ways to the same linear algebra on stacks of matrices: LAPACK on the host, and JAX on any device.

The kernels and signatures are written once, against array functions ``xp`` (numpy or jax.numpy) and the methods that
both classes have.  LAPACK is what JAX itself calls on the CPU; calling it from the host needs no compilation, follows
only the branch that applies, and gives the eigenvalues of a symmetric matrix without its vectors, which JAX cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

lapack: Any = linalg.lapack  # its functions are made at import, unseen by type checkers
BITS = float(np.finfo(float).eps)
# up to here singular values, beyond eigenvalues of the Gram matrix, at half the cost
_SMALL = 24
# beyond this the largest eigenvalue alone comes from an iteration
_DIRECT = 112
_REAL_ARITHMETIC = 96
_ACCURACY = 1e-10  # of an iterated eigenvalue, by the residual squared over the gap
_LONGEST = 240


def start_vector(n: int) -> Any:
    """Return a fixed vector without symmetry, shape (n,): starts every iteration, so that results are reproducible."""
    return np.random.default_rng(0).standard_normal(n)


class HostBackend:
    """LAPACK, one matrix after the other."""

    xp: Any = np

    @staticmethod
    def factor(matrices: Any) -> Callable[..., Any]:
        """Factor matrices (K, B, n, n); return ``solve(rhs, adjoint=False, only=None)`` for rhs (K, B, n, m).

        With `only`, rhs has rows for these of the K alone.
        """
        conditions, n = matrices.shape[1:3]
        getrf, getrs = linalg.get_lapack_funcs(("getrf", "getrs"), (matrices,))
        factors = [getrf(m)[:2] for m in matrices.reshape(-1, n, n)]

        def solve(rhs: Any, adjoint: bool = False, only: Any = None) -> Any:
            columns = rhs.reshape(-1, n, rhs.shape[-1])
            trans = 2 if adjoint else 0
            chosen = factors
            if only is not None:
                chosen = [factors[i * conditions + j] for i in only for j in range(conditions)]
            found = [getrs(lu, piv, b, trans=trans)[0] for (lu, piv), b in zip(chosen, columns, strict=True)]
            return np.array(found).reshape(rhs.shape)

        return solve

    @staticmethod
    def shifted(A: Any, shift: Any, square: Callable[[], Any]) -> Callable[..., Any]:
        """Factor ``A - shift I`` for A (K, B, n, n) and shifts (K,); return ``solve`` as :meth:`factor` does.

        A complex shift s of a large real matrix stays in real arithmetic, at a third of the cost:
        ``(A - s)^{-1} = (A - s*) (A^2 - 2 Re(s) A + |s|^2)^{-1}``; `square` returns A^2.
        """
        n = A.shape[-1]
        s = shift[:, None, None, None]
        if not np.iscomplexobj(shift) or n < _REAL_ARITHMETIC:
            return HostBackend.factor(A - s * np.eye(n))
        inverse = HostBackend.factor(square() - 2.0 * s.real * A + np.abs(s) ** 2 * np.eye(n))
        transposed = A.swapaxes(-1, -2)

        def solve(rhs: Any, adjoint: bool = False, only: Any = None) -> Any:
            m = rhs.shape[-1]
            parts = inverse(np.concatenate([rhs.real, rhs.imag], axis=-1), adjoint, only)
            point = s if adjoint else s.conj()
            point = point if only is None else point[only]
            # last, so that it removes what belongs to the conjugate eigenvalue
            product = products(transposed if adjoint else A, parts, only)
            return product[..., :m] + 1j * product[..., m:] - point * (parts[..., :m] + 1j * parts[..., m:])

        return solve

    @staticmethod
    def spectrum(G: Any) -> tuple[Any, Any]:
        """Return the eigenvalues of G G*, descending (K, rows), and unit eigenvectors (K, rows) of the largest."""
        rows, m = G.shape[-2:]
        if min(rows, m) <= _SMALL or np.iscomplexobj(G):
            u, s, _ = np.linalg.svd(G, full_matrices=False)
            return np.pad(s**2, ((0, 0), (0, rows - s.shape[1]))), u[:, :, 0]
        pairs = [_symmetric(g @ g.T) for g in G]
        return np.array([e for e, _ in pairs]), np.array([u for _, u in pairs])

    @staticmethod
    def top(G: Any) -> Any:
        """Return the largest eigenvalue of G G*, (K,)."""
        rows, m = G.shape[-2:]
        if min(rows, m) <= _SMALL:
            return np.linalg.svd(G, compute_uv=False)[:, 0] ** 2
        if rows <= _DIRECT:
            return np.array([_largest(g @ g.conj().T) for g in G])
        K = G @ G.conj().swapaxes(1, 2)
        start = np.broadcast_to(start_vector(rows), (len(G), rows)).astype(G.dtype)
        return lanczos(lambda x, only: products(K, x[:, :, None], only)[:, :, 0], start)

    @staticmethod
    def iterates(rows: int) -> bool:
        """Whether the largest eigenvalue of an operator comes cheaper from :func:`lanczos` than from its factor."""
        return rows > _DIRECT


def products(matrices: Any, columns: Any, only: Any = None) -> Any:
    """Return ``matrices[only] @ columns`` without a copy of the matrices."""
    if only is None or len(only) == len(matrices):
        return matrices @ columns
    return np.array([matrices[i] @ c for i, c in zip(only, columns, strict=True)])


def _symmetric(K: Any) -> tuple[Any, Any]:
    """Return the eigenvalues of a symmetric matrix, descending, and the vector of the largest: one reduction."""
    n = len(K)
    reflectors, d, off, tau, _ = lapack.dsytrd(K, lower=1)
    e, failed = lapack.dsterf(d, off)
    y, also_failed = _tridiagonal_vector(d, off, e[-1])
    if failed or also_failed:
        w, v = np.linalg.eigh(K)
        return np.maximum(w[::-1], 0.0), v[:, -1]
    below = np.asfortranarray(reflectors[1:, :-1])
    y[1:] = lapack.dormqr("L", "N", below, tau, np.asfortranarray(y[1:]), 64 * n)[0]
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
    _, d, off, _, _ = lapack.dsytrd(K, lower=1)
    return lapack.dsterf(d, off)[0][-1]


def lanczos(apply: Callable[[Any, Any], Any], start: Any) -> Any:
    """Return the largest eigenvalues (K,) of Hermitian positive operators, each iterated until it has converged.

    Parameters
    ----------
    apply : callable
        ``apply(x, active)``: the products of the operators with indices `active` and the rows of x.
    start : array, shape (K, n)
        First vectors.
    """
    count, n = start.shape
    limit = min(n, _LONGEST)
    value = np.full(count, np.nan)
    active = np.flatnonzero(np.all(np.isfinite(start), axis=1))
    Q = (start[active] / np.linalg.norm(start[active], axis=1, keepdims=True))[:, None, :]
    a, b = np.zeros((len(active), limit)), np.zeros((len(active), limit))
    check = 5
    for j in range(limit):
        if not len(active):
            break
        y = apply(Q[:, j], active)
        a[:, j] = np.sum(Q[:, j].conj() * y, axis=1).real
        for _ in range(2):  # all earlier directions, twice: keeps them orthogonal to rounding
            y = y - (np.swapaxes(Q, 1, 2) @ (Q.conj() @ y[:, :, None]))[:, :, 0]
        b[:, j] = np.linalg.norm(y, axis=1)
        previous = b[:, j - 1] if j else 0.0
        ended = ~(b[:, j] > 10 * BITS * (np.abs(a[:, j]) + previous)) | (j + 1 == limit)
        if j == check or np.any(ended):
            check += 2 + j // 3
            done = ended.copy()
            for i, index in enumerate(active):
                value[index], gap, tail = _top_of_tridiagonal(a[i, : j + 1], b[i, :j])
                done[i] |= not (b[i, j] * tail) ** 2 > _ACCURACY * value[index] * gap
            keep = ~done
            active, Q, a, b, y = active[keep], Q[keep], a[keep], b[keep], y[keep]
        Q = np.concatenate([Q, (y / b[:, j : j + 1])[:, None, :]], axis=1)
    return value


def _top_of_tridiagonal(a: Any, b: Any) -> tuple[float, float, float]:
    """Return the largest eigenvalue, its distance to the next one, and the size of the last component of its vector."""
    if len(a) == 1 or not np.all(np.isfinite(a)):
        return float(a[0]), 0.0, 1.0
    e, failed = lapack.dsterf(a, b)
    y, also_failed = _tridiagonal_vector(a, b, e[-1])
    return float(e[-1]), float(e[-1] - e[-2]), 1.0 if failed or also_failed else float(abs(y[-1, 0]))


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
    def shifted(A: Any, shift: Any, square: Callable[[], Any]) -> Callable[..., Any]:  # noqa: ARG004
        """Factor ``A - shift I`` for A (K, B, n, n) and shifts (K,); return ``solve`` as :meth:`factor` does."""
        import jax.numpy as jnp

        return DeviceBackend.factor(A - shift[:, None, None, None] * jnp.eye(A.shape[-1]))

    @staticmethod
    def spectrum(G: Any) -> tuple[Any, Any]:
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


def finite(xp: Any, G: Any) -> Any:
    """Return G (K, ...), with zeros in points where any entry is not finite: LAPACK may not return otherwise."""
    good = xp.all(xp.isfinite(G.reshape(G.shape[0], -1)), axis=1)
    return xp.where(good.reshape(-1, *[1] * (G.ndim - 1)), G, 0.0)


def critical_vectors(
    backend: Backend, A: Any, eigenvalue: Any, square: Callable[[], Any], real: bool
) -> tuple[Any, Any]:
    """Return unit right and left eigenvectors (v, w), (K, n), of eigenvalues (K,) of A (K, 1, n, n).

    By inverse iteration, one factorisation for both; `real` says that all these eigenvalues are, `square` returns A^2.
    """
    xp = backend.xp
    count, _, n, _ = A.shape
    # off the eigenvalue by rounding: the factors stay regular, and each step gains all digits
    shift = (eigenvalue.real if real else eigenvalue) + 4 * BITS * (abs(eigenvalue) + norms(xp, A) / np.sqrt(n))
    solve = backend.shifted(A, shift, square)
    start = xp.broadcast_to(xp.asarray(start_vector(n)), (count, n)).astype(shift.dtype)
    v, w = start, start
    for _ in range(2):
        v = unit(xp, solve(v[:, None, :, None])[:, 0, :, 0])
        w = unit(xp, solve(w[:, None, :, None], adjoint=True)[:, 0, :, 0])
    return v, w
