"""Dense linear algebra on one matrix at a time, traceable by JAX: what the signatures are computed with."""

from __future__ import annotations

from typing import Any

import numpy as np

# below this size a full decomposition is cheaper than iterating
SMALL = 24
_TOLERANCE = 1e-6  # of a residual; the eigenvalue is then good to its square over the relative gap
_MAX_ITERATIONS = 150


def start_vector(n: int) -> Any:
    """Return a fixed vector without symmetry, shape (n,): starts every iteration, so that results are reproducible."""
    return np.random.default_rng(0).standard_normal(n)


def unit(v: Any) -> Any:
    """Return v divided by its norm; zero stays zero."""
    import jax.numpy as jnp

    norm = jnp.linalg.norm(v)
    return v / jnp.where(norm > 0, norm, 1.0)


def critical_pair(A: Any, eigenvalue: Any) -> tuple[Any, Any]:
    """Return unit-norm right and left eigenvectors (v, w), complex, of the given eigenvalue by inverse iteration.

    One factorisation serves both; it is real where the eigenvalue is.
    """
    import jax
    import jax.numpy as jnp

    n = A.shape[0]
    start = jnp.asarray(start_vector(n))
    nudge = 4 * np.finfo(float).eps * (jnp.abs(eigenvalue) + jnp.linalg.norm(A) / np.sqrt(n))

    def iterate(matrix: Any, x: Any) -> tuple[Any, Any]:
        factors = jax.scipy.linalg.lu_factor(matrix)
        v, w = x, x
        for _ in range(2):
            v = unit(jax.scipy.linalg.lu_solve(factors, v))
            w = unit(jax.scipy.linalg.lu_solve(factors, w, trans=2))
        return v.astype(complex), w.astype(complex)

    def real() -> tuple[Any, Any]:
        return iterate(A - (eigenvalue.real + nudge) * jnp.eye(n), start)

    def complex_() -> tuple[Any, Any]:
        return iterate(A - (eigenvalue + nudge) * jnp.eye(n), start.astype(complex))

    return jax.lax.cond(eigenvalue.imag == 0, real, complex_)


def top_vector(K: Any, top: Any) -> Any:
    """Return a unit eigenvector of the symmetric K for its largest eigenvalue `top`, by inverse iteration."""
    import jax
    import jax.numpy as jnp

    n = K.shape[0]
    scaled = K / jnp.where(top > 0, top, 1.0)
    factors = jax.scipy.linalg.lu_factor(scaled - (1.0 + 1e-15 * n) * jnp.eye(n))
    u = jnp.asarray(start_vector(n))
    for _ in range(2):
        u = unit(jax.scipy.linalg.lu_solve(factors, u))
    return u


def largest_eigenvalue(apply: Any, start: Any) -> Any:
    """Return the largest eigenvalue of a Hermitian positive operator by locally optimal conjugate gradients.

    Iterates until the residual is below 1e-6 of the eigenvalue, which leaves a relative error near 1e-12 over the
    relative gap.

    References
    ----------
    A. Knyazev, SIAM J. Sci. Comput. 23 (2001), 517.
    """
    import jax
    import jax.numpy as jnp

    def orthonormal(u: Any, Ku: Any, against: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        for _ in range(2):
            for q, Kq in against:
                h = jnp.vdot(q, u)
                u, Ku = u - h * q, Ku - h * Kq
        norm = jnp.linalg.norm(u)
        safe = jnp.where(norm > 1e-150, norm, 1.0)
        keep = jnp.where(norm > 1e-150, 1.0, 0.0)
        return keep * u / safe, keep * Ku / safe

    def residual(x: Any, Kx: Any) -> tuple[Any, Any]:
        value = jnp.vdot(x, Kx).real
        return value, Kx - value * x

    def condition(state: Any) -> Any:
        count, _, _, _, _, value, size = state
        return (count < _MAX_ITERATIONS) & (size > _TOLERANCE * jnp.abs(value))

    def step(state: Any) -> Any:
        count, x, Kx, p, Kp, _, _ = state
        _, r = residual(x, Kx)
        r = unit(r - jnp.vdot(x, r) * x)
        Kr = apply(r)
        r, Kr = orthonormal(r, Kr, [(x, Kx)])
        p, Kp = orthonormal(p, Kp, [(x, Kx), (r, Kr)])
        basis, image = jnp.stack([x, r, p]), jnp.stack([Kx, Kr, Kp])
        small = basis.conj() @ image.T
        _, vectors = jnp.linalg.eigh((small + small.conj().T) / 2)
        c = vectors[:, -1]
        along = c.at[0].set(0.0)
        x, Kx = c @ basis, c @ image
        p, Kp = along @ basis, along @ image
        norm = jnp.linalg.norm(x)
        x, Kx = x / norm, Kx / norm
        value, r = residual(x, Kx)
        return count + 1, x, Kx, p, Kp, value, jnp.linalg.norm(r)

    x = unit(start)
    Kx = apply(x)
    value, r = residual(x, Kx)
    state = (0, x, Kx, jnp.zeros_like(x), jnp.zeros_like(x), value, jnp.linalg.norm(r))
    x = jax.lax.while_loop(condition, step, state)[1]
    return jnp.vdot(x, apply(x)).real  # afresh: the image carried along has drifted by rounding


def null_vector(rows: Any) -> Any:
    """Return a unit vector (n+1,) in the kernel of the (n, n+1) matrix."""
    import jax.numpy as jnp

    q, _ = jnp.linalg.qr(rows.T, mode="complete")
    return q[:, -1]


def finite(G: Any) -> Any:
    """Return G, or zeros where any entry is not finite: LAPACK may not return otherwise."""
    import jax.numpy as jnp

    return jnp.where(jnp.all(jnp.isfinite(G)), G, 0.0)
