"""The bifurcation channel of one trajectory kernel: its share, its restricted kernel, and its normal form beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Model
from ntkcont.ntk import backends
from ntkcont.ntk.channels.decompositions import Shares, shares
from ntkcont.ntk.channels.directions import CriticalDirections, critical_directions, is_isolated
from ntkcont.ntk.channels.linearised import Linearised
from ntkcont.ntk.channels.reduced import Reduced, reduced_at, sensitivities
from ntkcont.ntk.theta import Theta

Array = NDArray[np.float64]

#: The signatures that trajectory kernels add, nan where no channel is defined.
SIGNATURES: tuple[str, ...] = ("f_par", "f_st", "chi", "nf_error")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Channel:
    """The channel of one kernel, theta in units of its scale, rows (B T m) as those of the kernel.

    Attributes
    ----------
    directions : CriticalDirections
        The critical directions.
    shares : Shares
        Their share of the kernel.
    restricted : ndarray, shape (B T m, r)
        ``J G``, whose Gram matrix is the restricted kernel.
    reduced : Reduced
        The dynamics along v.
    y, s : ndarray, shapes (B, T) and (B, T, d)
        Its solution, and the sensitivities to the d directions; None with time-dependent inputs.
    normal_form : ndarray, shape (B T m, r), or None
        A factor of the normal-form kernel ``(v kron s) gamma^T gamma (v kron s)^T``.
    """

    directions: CriticalDirections
    shares: Shares
    restricted: Array
    reduced: Reduced
    y: NDArray[Any] | None
    s: NDArray[Any] | None
    normal_form: Array | None

    @property
    def nf_error(self) -> float:
        """Relative error of the normal-form kernel against the restricted kernel, in the Frobenius norm."""
        if self.normal_form is None or not np.all(np.isfinite(self.normal_form)):
            return float("nan")
        size = float(np.linalg.norm(self.restricted.T @ self.restricted))
        return _distance(self.restricted, self.normal_form) / size if size > 0 else float("nan")

    def nf_error_full(self, found: Linearised, columns: Array) -> float:
        """Relative error of the normal-form kernel against the full kernel, given columns (M, B T m) of that one."""
        N = self.normal_form
        if N is None or not np.all(np.isfinite(N)):
            return float("nan")
        gram = columns @ columns.T if len(columns) <= columns.shape[1] else columns.T @ columns
        squares = float(np.sum(gram**2))
        mixed = float(np.sum(found.vjp(N) ** 2))
        own = float(np.sum((N.T @ N) ** 2))
        return float(np.sqrt(max(squares - 2.0 * mixed + own, 0.0) / squares)) if squares > 0 else float("nan")


def _distance(a: Array, b: Array) -> float:
    """Return ``|a a^T - b b^T|_F`` without forming either: on the joint span, so that nothing cancels."""
    q, r = np.linalg.qr(np.hstack([a, b]))
    del q
    left, right = r[:, : a.shape[1]], r[:, a.shape[1] :]
    return float(np.linalg.norm(left @ left.T - right @ right.T))


def channel(
    found: Linearised, model: Model, theta: Theta, scale: Array, x: Array, values: Array,
    *, eigenvalues: NDArray[Any] | None = None, total: float | None = None, columns: Array | None = None,
    reduced: Reduced | None = None,
) -> Channel | None:  # fmt: skip
    """Return the channel at a fixed point x (n,), or None where the critical eigenvalue is multiple.

    Parameters
    ----------
    found : Linearised
        The kernel.
    model, theta : Model, Theta
    scale : ndarray, shape (P,)
        Units of theta.
    x, values : ndarray, shapes (n,) and (m,)
        Fixed point and parameters.
    eigenvalues : ndarray of complex, optional
        Of the Jacobian, if they are known.
    total : float, optional
        The trace of the kernel, if it is known.
    columns : ndarray, shape (M, B T m), optional
        Columns with the kernel's Gram matrix, if they are known.
    reduced : Reduced, optional
        The dynamics along v; default: computed at x.
    """
    directions = critical_directions(model, theta, x, values, scale, eigenvalues)
    if directions is None:
        return None
    restricted = found.jvp(directions.basis)
    split = shares(found, directions, restricted, total, columns)
    if reduced is None:
        reduced = reduced_at(model, x, values)
    y = s = factor = None
    if found.plan.inputs is None:
        plan = found.plan
        y0 = (found.initial - x) @ directions.w.conj()
        scheme = "map" if model.kind == "map" else "euler" if plan.integrator == "euler" else "rk4"
        y, s = sensitivities(
            reduced, directions, y0, steps=plan.steps, dt=plan.dt, record_every=plan.record_every, scheme=scheme
        )
        with np.errstate(all="ignore"):  # far from the bifurcation the reduced dynamics may escape: nan
            factor = _rows(found, directions, s) @ (directions.basis.T @ directions.gamma).T
    return Channel(
        directions=directions, shares=split, restricted=restricted, reduced=reduced, y=y, s=s, normal_form=factor
    )


def _rows(found: Linearised, directions: CriticalDirections, s: NDArray[Any]) -> Array:
    """Return ``v kron s`` as rows of the kernel, (B T m, d)."""
    v = found.out @ directions.v
    moved = v[None, None, :, None] * s[:, :, None, :]
    if directions.kind == "pair":
        moved = 2.0 * np.real(moved)
    weights = found.weights[:, :, None, None]
    moved = np.where(weights > 0, np.sqrt(weights) * moved, 0.0)
    return moved.reshape(-1, s.shape[-1])


def channel_signatures(
    found: Linearised, model: Model, theta: Theta, scale: Array, x: Array | None, values: Array,
    *, eigenvalues: NDArray[Any] | None, total: float,
) -> dict[str, np.float64]:  # fmt: skip
    """Return f_par, f_st, chi and nf_error at a fixed point; nan where no channel is defined.

    It is defined where one eigenvalue (pair) is simple and at least twice as near to the stability boundary as all
    others.  `eigenvalues` are those of the Jacobian, computed if not given; `total` is the trace of the kernel.
    """
    nan: dict[str, np.float64] = dict.fromkeys(SIGNATURES, np.float64(np.nan))
    if x is None or not np.all(np.isfinite(x)) or not total > 0:
        return nan
    if eigenvalues is None or not np.all(np.isfinite(eigenvalues)):
        eigenvalues = np.linalg.eigvals(model.jac(x, dict(zip(model.params, values, strict=True))))
    if not is_isolated(eigenvalues, model.kind == "map"):
        return nan
    one = channel(found, model, theta, scale, x, values, eigenvalues=eigenvalues, total=total)
    if one is None:
        return nan
    split = one.shares
    values_now = (split.f_par, split.f_st, split.chi, one.nf_error)
    return {name: np.float64(value) for name, value in zip(nan, values_now, strict=True)}


def top_direction(found: Linearised, start: Array) -> Array:
    """Return the unit direction of theta (P,) that moves the trajectories most, from a guess (P,)."""
    mixed = start / np.linalg.norm(start) + 1e-3 * backends.start_vector(start.size)
    _, vector = backends.lanczos(lambda u: found.vjp(found.jvp(u)), mixed)
    return vector / np.linalg.norm(vector)
