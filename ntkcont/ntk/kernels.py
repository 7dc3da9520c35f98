"""The kernels at an equilibrium, each as a factor G with K = G G*; a new one is a function and a line in `KERNELS`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from ntkcont.ntk import backends, largest
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
    """Sensitivity of the equilibrium, J^{-1} F."""
    return points.out(points.S)


def resolvent_factor(points: Points) -> Any:
    """Response to parameters modulated at the critical frequency, (A - s I)^{-1} F with s on the stability boundary."""
    return points.out(_resolvent(points, points.critical.s)(points.F.astype(complex)))


def _resolvent(points: Points, s: Any) -> Any:
    """Return the solver of A - s I; the sign of the resolvent does not matter to K."""
    return points.backend.shifted(points.A, points.xp.asarray(s), lambda: points.square)


def resolvent_top(points: Points, equilibrium_top: Callable[[], Any]) -> Any:
    """Largest eigenvalue of the resolvent kernel at the critical frequency, (K,).

    Equal to that of the equilibrium kernel where the critical eigenvalue is real (for maps: positive), real arithmetic
    where it is negative, complex otherwise.
    """
    if points.case.resolvent == "equilibrium":
        return equilibrium_top()
    backend, c = points.backend, points.critical
    s = c.s.real if points.case.resolvent == "flip" else c.s
    if backend.iterates(points.rows):
        return largest.top_of_response(points, s)
    solve = _resolvent(points, s)
    return backend.top(backend.finite(points.out(solve(points.F.astype(s.dtype)))))


def arclength_factor(points: Points) -> Any:
    """Sensitivity at fixed arclength: -[I 0] M^{-1} [F; 0] with M = [[J, fp], [zdot^T, pdot]]."""
    xp, t = points.xp, points.direction[:, :, None, :]
    if points.case.nearly_singular:
        M = xp.concatenate([xp.concatenate([points.J, points.fp[..., None]], axis=-1), t], axis=-2)
        rhs = xp.concatenate([points.F, xp.zeros_like(points.F[:, :, :1])], axis=-2)
        return points.out(points.backend.factor(M)(rhs)[:, :, :-1])
    y, zdot = _arclength_update(points)
    return points.out(points.S + y[..., None] @ (zdot[:, :, None, :] @ points.S))


def _arclength_update(points: Points) -> tuple[Any, Any]:
    """Return y and zdot (K, B, n) such that ``S_arc = (I + y zdot^T) S`` under each condition."""
    xp, zdot, pdot = points.xp, points.direction[..., :-1], points.direction[..., -1:]
    y = points.solve(points.fp[..., None])[..., 0]
    return y / (pdot - xp.sum(zdot * y, axis=-1, keepdims=True)), zdot


def arclength_top(points: Points, gram: Callable[[], Any] | None) -> Any:
    """Largest eigenvalue of the arclength-gauge kernel, (K,); nan without a free parameter.

    `gram` returns the equilibrium kernel of a single condition without a readout, which needs a rank-two update alone.
    """
    xp = points.xp
    if not points.has_free:
        return xp.full(points.A.shape[0], xp.nan)
    if gram is None or points.case.nearly_singular or points.rows <= backends.SMALL:
        return points.backend.top(points.backend.finite(arclength_factor(points)))
    y, zdot = (a[:, 0, :, None] for a in _arclength_update(points))
    K = gram()
    Kz = K @ zdot
    u = Kz + y * (xp.swapaxes(zdot, 1, 2) @ Kz) / 2
    if points.backend.iterates(points.rows):
        return largest.top_of_updated(points, K, u[..., 0], y[..., 0])
    update = u @ xp.swapaxes(y, 1, 2)
    return points.backend.top_of_gram(points.backend.finite(K + update + xp.swapaxes(update, 1, 2)))


KERNELS: dict[str, Kernel] = {
    "equilibrium": Kernel(equilibrium_factor, "singular"),
    "resolvent": Kernel(resolvent_factor, "stability"),
    "arclength": Kernel(arclength_factor, "singular"),
}
