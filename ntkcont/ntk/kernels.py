"""The kernels at an equilibrium, each as a factor G with K = G G*; a new one is a function and a line in `KERNELS`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ntkcont.ntk import backends
from ntkcont.ntk.points import Points


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel: its factor, and which eigenvalue makes it diverge.

    Parameters
    ----------
    factor : callable
        Points -> (K, rows, columns), real or complex.
    ruled_by : {"singular", "stability"}
        Whether lambda_0 or lambda_c makes it diverge.
    """

    factor: Callable[[Points], Any]
    ruled_by: Literal["singular", "stability"]


def equilibrium_factor(points: Points) -> Any:
    """Sensitivity of the equilibrium, -J^{-1} F."""
    return points.out(points.S)


def resolvent_factor(points: Points) -> Any:
    """Response to parameters modulated at the critical frequency, (s I - A)^{-1} F with s on the stability boundary."""
    solve, F = _resolvent(points, points.critical.s)
    return points.out(solve(F))


def _resolvent(points: Points, s: Any) -> tuple[Any, Any]:
    """Return the solver of A - s I, and F in its arithmetic; the sign of the resolvent does not matter to K."""
    return points.backend.shifted(points.A, points.xp.asarray(s), lambda: points.square), points.F.astype(s.dtype)


def resolvent_top(points: Points, equilibrium_top: Callable[[], Any]) -> Any:
    """Largest eigenvalue of the resolvent kernel at the critical frequency, (K,).

    Equal to that of the equilibrium kernel where the critical eigenvalue is real (for maps: positive), real arithmetic
    where it is negative, complex otherwise.
    """
    if points.case.resolvent == "equilibrium":
        return equilibrium_top()
    backend, xp, c = points.backend, points.xp, points.critical
    solve, F = _resolvent(points, c.s.real if points.case.resolvent == "flip" else c.s)
    if not backend.iterates(points.rows):
        return backend.top(backends.finite(xp, points.out(solve(F))))
    d = np.diagonal(points.F, axis1=-2, axis2=-1)[..., None] if _diagonal(points.F) else None
    back = np.swapaxes(F, -1, -2)

    def apply(x: Any, only: Any) -> Any:
        y = x.reshape(len(only), points.conditions, -1, 1)
        y = solve(y if points.readout is None else points.readout.T @ y, adjoint=True, only=only)
        if d is not None:
            y = d[only] ** 2 * y
        else:
            y = np.sum(backends.products(back, y, only), axis=1, keepdims=True)
            y = backends.products(F, np.broadcast_to(y, (len(only), points.conditions, *y.shape[2:])), only)
        return points.out(solve(y, only=only))[:, :, 0]

    # a little of everything: the critical vector alone may lie in an invariant subspace
    start = backends.unit(xp, points.out_vector(points.stability_vectors[0], c.at_c)).astype(F.dtype)
    return backends.lanczos(apply, start + 1e-3 * backends.start_vector(points.rows))


def _diagonal(F: Any) -> bool:
    """Whether all source terms (K, 1, n, n) are diagonal: one condition of a rate network."""
    return F.shape[1] == 1 and F.shape[2] == F.shape[3] and not np.any(F * (1.0 - np.eye(F.shape[2])))


def arclength_factor(points: Points) -> Any:
    """Sensitivity at fixed arclength: -[I 0] M^{-1} [F; 0] with M = [[J, fp], [zdot^T, pdot]]."""
    xp, t = points.xp, points.direction[:, :, None, :]
    if points.case.nearly_singular:
        M = xp.concatenate([xp.concatenate([points.J, points.fp[..., None]], axis=-1), t], axis=-2)
        rhs = xp.concatenate([points.F, xp.zeros_like(points.F[:, :, :1])], axis=-2)
        return points.out(-points.backend.factor(M)(rhs)[:, :, :-1])
    zdot, pdot = t[..., :-1], t[..., -1:]
    y = points.solve(points.fp[..., None])  # a rank-one correction of S
    return points.out(points.S + (y / (pdot - zdot @ y)) @ (zdot @ points.S))


def arclength_top(points: Points) -> Any:
    """Largest eigenvalue of the arclength-gauge kernel, (K,); nan without a free parameter."""
    if not points.has_free:
        return points.xp.full(points.A.shape[0], points.xp.nan)
    return points.backend.top(backends.finite(points.xp, arclength_factor(points)))


KERNELS: dict[str, Kernel] = {
    "equilibrium": Kernel(equilibrium_factor, "singular"),
    "resolvent": Kernel(resolvent_factor, "stability"),
    "arclength": Kernel(arclength_factor, "singular"),
}
