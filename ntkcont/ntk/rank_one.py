"""A warning where the trained parameters enter through one direction alone, so that ranks of the kernel say nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.ntk.chunks import source_terms
from ntkcont.ntk.network import network_of

if TYPE_CHECKING:
    from ntkcont.models.model import Model
    from ntkcont.ntk.bound import BoundNTK

Array = NDArray[np.float64]

# relative changes of the parameters, and Newton steps to the fixed points that belong to them
_SPREADS = (0.1, 0.1, 0.01, 0.01)
_ITERATIONS = 15
# singular values below this part of the largest are rounding
_NOTHING = 1e-9


def warn_of_one_parameter(names: tuple[str, ...], size: int, rows: int) -> bool:
    """Warn if theta is a single number and the kernel has several rows; return whether it did."""
    if size != 1 or rows < 2:
        return False
    _warn(f"theta: {names[0]} is its only parameter")
    return True


def warn_of_rank_one(bound: BoundNTK, x: Array, values: Array) -> None:
    """Warn if the source term F has rank one at a fixed point (n,), (m,) and at those of other parameter values."""
    rows = (len(bound.solver.overrides) if bound.solver else 1) * (
        bound.model.n if bound.readout is None else len(bound.readout)
    )
    theta = bound.theta
    if rows < 2 or warn_of_one_parameter(theta.names, theta.size, rows):
        return
    if network_of(bound.model) is not None and theta.leaves:
        return  # weights and biases of every unit
    samples = [(x, values), *_nearby(bound.model, x, values)]
    settings = [bound.solver.values(row) if bound.solver else row[None] for _, row in samples]
    z = np.repeat(np.array([state for state, _ in samples])[:, None], len(settings[0]), axis=1)
    with np.errstate(all="ignore"):
        F = source_terms(bound.source, z, np.array(settings), bound)
    F = F.reshape(len(F), -1, F.shape[-1])
    F = F[np.all(np.isfinite(F), axis=(1, 2))]
    size = svd(F, compute_uv=False) if len(F) > 1 else np.zeros((0, 1))
    if size.shape[1] < 2 or not np.any(size[:, 0] > 0.0):
        return
    if np.all(size[:, 1] <= _NOTHING * size[:, 0]):
        _warn(f"theta: {', '.join(theta.names)} move the right-hand side along one direction alone (F has rank 1)")


def _nearby(model: Model, x: Array, values: Array) -> list[tuple[Array, Array]]:
    """Return fixed points of other parameter values, where nothing is zero or equal by chance."""
    rng = np.random.default_rng(0)
    found: list[tuple[Array, Array]] = []
    for spread in _SPREADS:
        row = values + spread * np.where(values == 0.0, 1.0, values) * rng.uniform(-1.0, 1.0, values.shape)
        state = _fixed_point(model, x, dict(zip(model.params, row.tolist(), strict=True)))
        if state is not None:
            found.append((state, row))
    return found


def _fixed_point(model: Model, x: Array, params: dict[str, float]) -> Array | None:
    shift = np.eye(len(x)) if model.kind == "map" else np.zeros((len(x), len(x)))
    close = False
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            try:
                step = np.linalg.solve(model.jac(x, params) - shift, model.rhs(x, params) - shift @ x)
            except np.linalg.LinAlgError:
                return None
            if not np.all(np.isfinite(step)):
                return None
            x = x - step
            close = bool(np.all(np.abs(step) <= 1e-10 * np.abs(x).max()))
    return x if close else None


def _warn(what: str) -> None:
    warnings.warn(
        f"{what}, so that the kernel has one non-zero eigenvalue whatever the dynamics: its ranks, top_fraction and "
        "gap say nothing; read top and its growth, or train parameters of other equations too",
        RuntimeWarning,
        stacklevel=3,
    )
