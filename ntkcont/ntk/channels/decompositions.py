r"""The share of the bifurcation channel in a trajectory kernel ``Theta = J J^T``, by three decompositions.

1. *Parameter side* (the default): ``Theta = (J G)(J G)^T + J (I - G G^T) J^T`` with orthonormal critical directions G
   of theta: both parts are positive, they add up, and the first has rank r exactly.
2. *State side*: ``J = J_b + J_r`` with the spectral projector ``P = v w*`` (of a pair twice its real part) at every
   trial and time.  It is oblique, so there is a cross term, ``|J_b|^2 + |J_r|^2 + 2 <J_b, J_r> = |J|^2``.
3. *Bordered*: the split ``A^{-1} = X - v w^T/g`` with the border c = v parts states into the span of v and what is
   orthogonal to it; the part of the fixed point that diverges lies in the first.  No cross term.

All of the second and third are functions of ``D = sum_kt J_kt J_kt^T``, (n, n), between the critical vectors.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.channels.directions import CriticalDirections
from ntkcont.ntk.channels.linearised import Linearised

Array = NDArray[np.float64]

# columns with the kernel's Gram matrix are formed up to this many numbers; else products with J^T for every recorded
# time, up to so many; beyond, what is beside the channel is estimated by probes
_FORMED = 2**20
_TIMES = 256
_PROBES = 32
# numbers in the columns of theta that are worked on together
_TOGETHER = 2**23


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """How much of ``|J|_F^2`` is the channel's.

    Attributes
    ----------
    total : float
        ``|J|_F^2``, the trace of the kernel.
    f_par : float
        ``|J G|_F^2/|J|_F^2``, parameter side.
    f_st, chi : float
        ``|J_b|^2/(|J_b|^2 + |J_r|^2)`` and the cross term ``2 <J_b, J_r>/|J|^2``, state side; nan with a readout.
    f_bordered : float
        Share of the component along v; nan with a readout.
    J_b, J_r, cross : float
        ``|J_b|^2``, ``|J_r|^2`` and ``<J_b, J_r>`` themselves.
    exact : bool
        Whether nothing was estimated by random probes.
    """

    total: float
    f_par: float
    f_st: float
    chi: float
    f_bordered: float
    J_b: float
    J_r: float
    cross: float
    exact: bool


def shares(
    found: Linearised,
    directions: CriticalDirections,
    along: Array,
    total: float | None = None,
    columns: Array | None = None,
) -> Shares:
    """Return the shares of the channel.

    Parameters
    ----------
    found : Linearised
        The kernel.
    directions : CriticalDirections
        The critical directions.
    along : ndarray, shape (B T m, r)
        ``J G``.
    total : float, optional
        The trace of the kernel, if it is known.
    columns : ndarray, shape (M, B T m), optional
        Columns with the kernel's Gram matrix, if they are known.
    """
    rows, scale = len(along), found.state_scale
    if columns is None and rows * found.most_columns <= _FORMED:
        columns = found.reduced()
    exact = columns is not None or (total is not None and found.weights.size <= _TIMES)
    if total is None:
        total = _trace(found, directions.basis, along) if columns is None else float(np.sum(columns**2))
    nan = float("nan")
    f_par = float(np.sum(along**2)) / total if total > 0 else nan
    if found.readout is not None or not total > 0:
        return Shares(
            total=total, f_par=f_par, f_st=nan, chi=nan, f_bordered=nan, J_b=nan, J_r=nan, cross=nan, exact=exact
        )
    v, w = directions.v / scale, directions.w * scale
    if directions.kind == "pair":
        V, W = 2.0 * np.stack([v.real, v.imag], axis=1), np.stack([w.real, w.imag], axis=1)
    else:
        V, W = v[:, None], w[:, None]
    r = V.shape[1]
    D = _between(found, np.hstack([W, V]), columns, directions.basis, along)
    R = np.linalg.inv(np.linalg.qr(V)[1])  # V R has orthonormal columns
    J_b = float(np.sum((V.T @ V) * D[:r, :r]))
    cross = float(np.trace(D[:r, r:])) - J_b  # <J_b, J> = tr(P D) less |J_b|^2
    J_r = total - J_b - 2.0 * cross
    return Shares(
        total=total,
        f_par=f_par,
        f_st=J_b / (J_b + J_r),
        chi=2.0 * cross / total,
        f_bordered=float(np.trace(R.T @ D[r:, r:] @ R)) / total,
        J_b=J_b,
        J_r=J_r,
        cross=cross,
        exact=exact,
    )


def _between(found: Linearised, C: Array, columns: Array | None, basis: Array, along: Array) -> Array:
    """Return ``C^T D C`` for C (n, c): from all columns, all times, or the channel exactly and probes for the rest."""
    n = len(C)
    if columns is not None:
        seen = columns.reshape(-1, n) @ C
        return seen.T @ seen
    times = found.weights.size
    if times <= _TIMES:
        return _through(found, C, np.eye(times), None)
    seen = np.moveaxis(along.reshape(-1, n, along.shape[1]), 1, 2).reshape(-1, n) @ C
    return seen.T @ seen + _through(found, C, _signs(times), basis) / _PROBES


def _through(found: Linearised, C: Array, q: Array, basis: Array | None) -> Array:
    """Sum ``C^T J_q J_q^T C`` over combinations q (k, B T) of times, without the span of `basis` in theta."""
    c = C.shape[1]
    gram = np.zeros((c, c))
    together = max(1, _TOGETHER // (c * found.size))
    for i in range(0, len(q), together):
        part = q[i : i + together]
        rows = np.einsum("kt,nc->tnkc", part, C).reshape(-1, len(part) * c)
        back = found.vjp(rows)
        if basis is not None:
            back = back - basis @ (basis.T @ back)
        back = back.reshape(-1, c)
        gram += back.T @ back
    return gram


def _trace(found: Linearised, basis: Array, along: Array) -> float:
    """Return the trace of the kernel: the channel's part exactly, the rest estimated by random signs."""
    rows = found.weights.size * len(found.out)
    pulled = [found.vjp(q) for q in _signs(rows)]
    return float(np.sum(along**2) + np.mean([np.sum((g - basis @ (basis.T @ g)) ** 2) for g in pulled]))


def _signs(size: int) -> Array:
    """Return probes of random signs, the same at every call, (_PROBES, size)."""
    return np.random.default_rng(0).choice([-1.0, 1.0], (_PROBES, size))
