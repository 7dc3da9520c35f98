"""Signatures that relate a trajectory kernel to the fixed point beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.ntk.backends import HOST
from ntkcont.ntk.chunks import linearised
from ntkcont.ntk.critical_derivatives import FixedPoint
from ntkcont.ntk.points import Points, critical

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK
    from ntkcont.ntk.trajectory.linearised import Trajectories
    from ntkcont.ntk.trajectory.spectra import Spectrum

Array = NDArray[np.float64]


def fixed_point_signatures(base: BoundNTK, found: Trajectories, spectrum: Spectrum) -> dict[str, Any]:
    """Return align_state and align_theta, and ratio, which trajectories do not have (nan).

    Both alignments are with the eigenvector v and the drive ``F* w`` of lambda_c; nan without a fixed point.
    """
    nan = np.float64(np.nan)
    row: dict[str, Any] = dict.fromkeys(("align_state", "align_theta", "ratio"), nan)
    if found.x is None or not np.all(np.isfinite(spectrum.vector)) or not np.all(np.isfinite(found.x)):
        return row
    values = np.array(list(found.params.values()))
    A, _, fp = linearised(
        base.source, found.x[None], values[None], base.direction, base.state_scale, base.param_scale, base.device
    )
    v, w = _critical_vectors(A, fp, np.linalg.eigvals(A), base.model.kind == "map")  # in scaled states
    U = spectrum.vector.reshape(-1, found.components)
    out = v if found.readout is None else found.readout @ (base.state_scale * v)
    row["align_state"] = np.float64(_in_plane(out, U))
    at = FixedPoint(base.model, base.theta, found.x, values, None)
    gamma = at.forced(w / base.state_scale).theta * found.packing.scale
    direction = found.vjp(spectrum.vector)
    if np.linalg.norm(gamma) > 0 and np.linalg.norm(direction) > 0:
        row["align_theta"] = np.float64(_in_plane(gamma, direction[None]))
    return row


def _critical_vectors(A: Array, fp: Array, eigenvalues: Any, is_map: bool) -> tuple[Any, Any]:
    """Return right and left eigenvectors (n,) of lambda_c for A (1, n, n)."""
    found = critical(eigenvalues[None], is_map)
    points = Points(
        backend=HOST, A=A[None], F=A[None], fp=fp[None], tangent=None, eigenvalues=eigenvalues[None], critical=found,
        readout=None, is_map=is_map, has_free=False,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        v, w = (vector[0] for vector in points.stability_vectors)
    if np.all(np.isfinite(v)) and np.all(np.isfinite(w)):
        return v, w
    shift = found.lambda_c[0]  # exactly an eigenvalue: inverse iteration divides by zero
    shifted = A[0] - (shift.real if shift.imag == 0 else shift) * np.eye(A.shape[1])
    left, _, right = svd(shifted)
    return right[-1].conj(), left[:, -1]


def _in_plane(vector: Any, rows: Array) -> float:
    """Return the norm of the part of rows (k, n) in the span of the real and imaginary part of a vector, over all."""
    if np.linalg.norm(vector) == 0:
        return np.nan
    parts = np.array([vector.real, vector.imag]).T / np.linalg.norm(vector)
    q, s, _ = svd(parts, full_matrices=False)
    basis = q[:, s > 1e-8 * s[0]]
    return min(float(np.linalg.norm(rows @ basis) / np.linalg.norm(rows)), 1.0)
