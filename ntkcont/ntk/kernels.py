"""The kernels at an equilibrium, each as a factor G with K = G G*; a new one is a function and a line in `KERNELS`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from ntkcont.ntk import linear_algebra as la
from ntkcont.ntk.point import Point

# below this fraction of the largest eigenvalue, J^{-1} is avoided in the arclength gauge (rounding grows as its square)
_NEARLY_SINGULAR = 1e-3


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel: its factor, and which eigenvalue makes it diverge.

    Parameters
    ----------
    factor : callable
        Point -> (rows, columns), real or complex.
    ruled_by : {"singular", "stability"}
        Whether lambda_0 or lambda_c makes it diverge.
    """

    factor: Callable[[Point], Any]
    ruled_by: Literal["singular", "stability"]


def equilibrium_factor(point: Point) -> Any:
    """Sensitivity of the equilibrium, -J^{-1} F."""
    return point.out(point.S)


def resolvent_factor(point: Point) -> Any:
    """Response to parameters modulated at the critical frequency, (s I - A)^{-1} F with s on the stability boundary."""
    import jax
    import jax.numpy as jnp

    s = point.critical_exponential
    R = s * jnp.eye(point.n) - point.A
    return point.out(jax.vmap(jnp.linalg.solve)(R, point.F.astype(complex)))


def resolvent_top(point: Point, equilibrium_top: Any) -> Any:
    """Largest eigenvalue of the resolvent kernel at the critical frequency.

    Equal to that of the equilibrium kernel where the critical eigenvalue is real (for maps: near 1), real arithmetic
    where it is near -1, complex otherwise.
    """
    import jax
    import jax.numpy as jnp

    s = point.critical_exponential
    critical = point.out_vector(point.stability_vectors[0], point.stability_pair[0])

    def complex_() -> Any:
        return _resolvent_iteration(point, s * jnp.eye(point.n) - point.A, critical)

    def flip() -> Any:
        return _resolvent_iteration(point, -jnp.eye(point.n) - point.A, critical.real)

    def same() -> Any:
        return equilibrium_top

    if not point.is_map:
        return jax.lax.cond(s.imag == 0, same, complex_)
    return jax.lax.switch(jnp.where(s.imag != 0, 0, jnp.where(s.real < 0, 1, 2)), [complex_, flip, same])


def _resolvent_iteration(point: Point, R: Any, start: Any) -> Any:
    import jax
    import jax.numpy as jnp

    F = point.F.astype(R.dtype)
    rows = point.conditions * (point.n if point.readout is None else point.readout.shape[0])
    if rows <= la.SMALL:
        return top_of_factor(point.out(jax.vmap(jnp.linalg.solve)(R, F)))
    factors = jax.vmap(jax.scipy.linalg.lu_factor)(R)
    solve = jax.vmap(jax.scipy.linalg.lu_solve)
    adjoint = jax.vmap(lambda f, y: jax.scipy.linalg.lu_solve(f, y, trans=2))

    def apply(x: Any) -> Any:
        y = x.reshape(point.conditions, -1, 1)
        y = y if point.readout is None else point.readout.T @ y
        z = jnp.einsum("bnm,bni->mi", F, adjoint(factors, y))
        return point.out(solve(factors, F @ z))[:, 0]

    # a little of everything: the critical vector alone may lie in an invariant subspace
    return la.largest_eigenvalue(apply, la.unit(start) + 1e-3 * jnp.asarray(la.start_vector(rows)))


def arclength_factor(point: Point) -> Any:
    """Sensitivity at fixed arclength: -[I 0] M^{-1} [F; 0] with M = [[J, fp], [zdot^T, pdot]]."""
    import jax
    import jax.numpy as jnp

    zdot, pdot, S = point.tangent[:, :-1], point.tangent[:, -1], point.S

    def bordered() -> Any:
        def one(J: Any, fp: Any, z: Any, p: Any, F: Any) -> Any:
            M = jnp.block([[J, fp[:, None]], [z[None], p[None, None]]])
            return -jnp.linalg.solve(M, jnp.pad(F, ((0, 1), (0, 0))))[:-1]

        return jax.vmap(one)(point.J, point.fp, zdot, pdot, point.F)

    def updated() -> Any:  # a rank-one correction of S
        y = point.solve(point.fp[:, :, None])[:, :, 0]
        weight = 1.0 / (pdot - jnp.sum(zdot * y, axis=1))
        return S + weight[:, None, None] * y[:, :, None] * jnp.einsum("bn,bnm->bm", zdot, S)[:, None, :]

    size = jnp.abs(point.shifted)
    return point.out(jax.lax.cond(jnp.min(size) < _NEARLY_SINGULAR * jnp.max(size), bordered, updated))


def arclength_top(point: Point) -> Any:
    """Largest eigenvalue of the arclength-gauge kernel; nan without a free parameter."""
    import jax.numpy as jnp

    return top_of_factor(arclength_factor(point)) if point.has_free else jnp.asarray(jnp.nan)


def top_of_factor(G: Any) -> Any:
    """Return the largest eigenvalue of G G*."""
    import jax.numpy as jnp

    if min(G.shape) <= la.SMALL:
        return jnp.linalg.svd(la.finite(G), compute_uv=False)[0] ** 2
    K = la.finite(G) @ la.finite(G).conj().T
    return la.largest_eigenvalue(lambda x: K @ x, jnp.asarray(la.start_vector(G.shape[0]), G.dtype))


KERNELS: dict[str, Kernel] = {
    "equilibrium": Kernel(equilibrium_factor, "singular"),
    "resolvent": Kernel(resolvent_factor, "stability"),
    "arclength": Kernel(arclength_factor, "singular"),
}
