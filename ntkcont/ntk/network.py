r"""Jacobian and structured source term of a rate network: no array with n^2 columns is ever formed.

With r_i the leak (1/tau_i or alpha_i) and s_i the slope of the outer activation (1 in the synaptic form), a weight into
unit i acts on component i alone, so the source term is a stack of rows ``r_i s_i q_i``, with the features
``q_i = [gain mask_ij phi_j, u, 1]`` that unit i sees: its Gram matrix is diagonal in i, between conditions too.
Low-rank weights ``U V^T`` have the features ``V^T phi`` (for U) and add ``|phi|^2 U U^T`` (for V).

References
----------
Derived from the structure of the network; the kernel is that of arXiv:2605.12763.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from ntkcont.models.activations import find_phi
from ntkcont.models.model import Model
from ntkcont.models.networks import LowRank, RateRNN
from ntkcont.ntk.sources import Linear, Source
from ntkcont.ntk.theta import Theta


@dataclasses.dataclass(frozen=True)
class _Structure:
    """What changes the compiled code; everything else is passed as arrays, so equal shapes share one compilation."""

    phi: Any
    rate_form: bool
    is_map: bool
    low_rank: bool
    patterned: bool
    inputs: bool
    blocks: frozenset[str]
    params: tuple[int, ...]


def network_of(model: Model) -> RateRNN | None:
    """Return the rate network behind a model (also one whose parameters move together), or None."""
    base = model if model.base is None else model.base
    return base if isinstance(base, RateRNN) else None


def network_source(model: RateRNN, given: Model, theta: Theta, conditions: int) -> Source:
    """Return the linearisation, as :func:`~ntkcont.ntk.sources.generic_source` does, for a rate network.

    `given` is the model itself, whose parameters may be combinations of those of the network `model`.
    """
    scale = {name: np.asarray(s) for name, s in zip(theta.leaf_names, theta.leaf_scale, strict=True)}
    low_rank = isinstance(model.W, LowRank)
    pattern = None if low_rank else _pattern(model, scale.get("W"))
    structure = _Structure(
        phi=find_phi(model.phi).jax,
        rate_form=model.form == "rate",
        is_map=model.alpha is not None,
        low_rank=low_rank,
        patterned=pattern is not None,
        inputs=bool(model.inputs),
        blocks=frozenset(scale),
        params=theta.params,
    )
    d = 0 if model.W_in is None else model.W_in.shape[1]
    arguments = {
        "rate": 1.0 / model.tau if model.alpha is None else model.alpha,
        "phi_gain": model.phi_gain,
        "W": _factors(model.W) if isinstance(model.W, LowRank) else model.effective_W(),
        "pattern": pattern,
        "b": model.b,
        "drives": model.drives,
        "vectors": np.array(list(model.inputs.values())).reshape(len(model.inputs), d),
        "offset": np.zeros(1 + len(model.inputs)) if given.offset is None else given.offset,
        "matrix": np.eye(1 + len(model.inputs)) if given.matrix is None else given.matrix,
        "scale": scale,
        "param_scale": theta.param_scale,
    }
    columns = len(theta.params) + (model.W.rank * conditions if "V" in scale else 0)
    if structure.blocks & {"W", "U", "D", "W_in", "b"}:
        columns += model.n * conditions
    return Source(_network(structure), arguments, columns)


def _factors(W: LowRank) -> Any:
    return W.U, W.V, np.zeros(W.shape[0]) if W.diagonal is None else W.diagonal


def _pattern(model: RateRNN, scale: Any) -> Any:
    """Return d W_effective / d W (n, n) times the scale of W, or None where it is 1 everywhere."""
    trivial = model.mask is None and model.sign is None and (scale is None or scale.ndim == 0)
    if isinstance(model.W, np.ndarray):
        if trivial:
            return None
        raw = model.W
        pattern = np.ones(raw.shape) if scale is None else np.broadcast_to(scale, raw.shape).copy()
    else:
        stored = model.W.copy()
        raw = stored.toarray()
        stored.data = np.ones(stored.nnz) if scale is None else np.broadcast_to(scale, (stored.nnz,)).copy()
        pattern = stored.toarray()
    if model.sign is not None:
        pattern = pattern * model.sign * (raw > 0.0)
    return pattern if model.mask is None else pattern * model.mask


@functools.lru_cache(maxsize=64)
def _network(structure: _Structure) -> Any:
    import jax
    import jax.numpy as jnp

    phi, blocks = structure.phi, structure.blocks

    def slope(z: Any) -> tuple[Any, Any]:
        return jax.jvp(phi, (z,), (jnp.ones_like(z),))

    def linearise(x: Any, values: Any, direction: Any, arguments: dict[str, Any]) -> Linear:
        n_cond, n = x.shape
        rate, g = arguments["rate"], arguments["phi_gain"]
        scale = arguments["scale"]
        p = arguments["offset"] + values @ arguments["matrix"].T  # (B, M): gain, inputs
        gain = p[:, :1]

        def multiply(v: Any) -> Any:
            if structure.low_rank:
                U, V, own = arguments["W"]
                return (v @ V) @ U.T + v * own
            return v @ arguments["W"].T

        if structure.rate_form:
            features = x
            _, s = slope(g * (gain * multiply(x) + arguments["b"] + p[:, 1:] @ arguments["drives"]))
            s, inner = g * s, jnp.ones_like(x)
        else:
            features, inner = slope(g * x)
            s, inner = jnp.ones_like(x), g * inner
        left = rate * s  # (B, n)
        W = arguments["W"]
        if structure.low_rank:
            W = W[0] @ W[1].T + jnp.diag(W[2])
        leak = jnp.diag((1.0 - rate) if structure.is_map else -rate)
        A = leak + (left * gain)[:, :, None] * W * inner[:, None, :]

        by_param = jnp.concatenate(
            [multiply(features)[:, None], jnp.broadcast_to(arguments["drives"], (n_cond, *arguments["drives"].shape))],
            axis=1,
        )  # (B, M, n)
        by_value = jnp.einsum("bMn,Mm->bnm", by_param, arguments["matrix"]) * left[:, :, None]
        fp = by_value @ direction

        # features that every unit sees alike, those that differ between units, and explicit columns
        shared, own, columns = [], [], []
        if "W" in blocks:
            if structure.patterned:
                own.append((gain * features)[:, None, :] * arguments["pattern"])
            else:
                shared.append(scale["W"] * gain * features)
        if "U" in blocks:
            seen = gain * (features @ arguments["W"][1])
            if jnp.ndim(scale["U"]) == 0:
                shared.append(scale["U"] * seen)
            else:
                own.append(seen[:, None, :] * scale["U"])
        if "D" in blocks:  # each unit sees itself
            own.append((gain * features * scale["D"])[:, :, None])
        if "W_in" in blocks and structure.inputs:
            u = p[:, 1:] @ arguments["vectors"]
            if jnp.ndim(scale["W_in"]) == 0:
                shared.append(scale["W_in"] * u)
            else:
                own.append(u[:, None, :] * scale["W_in"])
        if "b" in blocks:
            if jnp.ndim(scale["b"]) == 0:
                shared.append(jnp.broadcast_to(scale["b"], (n_cond, 1)))
            else:
                own.append(jnp.broadcast_to(scale["b"][:, None], (n_cond, n, 1)))
        if "V" in blocks:
            by_column = scale["V"] if jnp.ndim(scale["V"]) == 0 else scale["V"].T[:, None, :]
            core = jnp.moveaxis(_root((gain * features)[None] * by_column), 0, 1)[:, None]  # (B, 1, r or 1, B)
            V_columns = left[:, :, None, None] * arguments["W"][0][None, :, :, None] * core
            columns.append(V_columns.reshape(n_cond, n, -1))
        if structure.params:
            columns.append(by_value[:, :, jnp.asarray(structure.params)] * arguments["param_scale"])
        if own:
            parts = [*own, *(jnp.broadcast_to(q[:, None, :], (n_cond, n, q.shape[1])) for q in shared)]
            root = _root(jnp.moveaxis(jnp.concatenate(parts, axis=2), 1, 0))  # (n, B, B)
        elif shared:
            root = jnp.broadcast_to(_root(jnp.concatenate(shared, axis=1)[None]), (n, n_cond, n_cond))
        else:
            root = None
        if root is not None:
            diagonal = left[:, :, None] * jnp.moveaxis(root, 0, 1)  # (B, n, B): row (a, i), column (i, c)
            block = jnp.eye(n)[None, :, :, None] * diagonal[:, :, None, :]
            columns.insert(0, block.reshape(n_cond, n, -1))
        F = jnp.concatenate(columns, axis=2) if columns else jnp.zeros((n_cond, n, 1))
        return Linear(A, F, fp)

    return linearise


def _root(rows: Any) -> Any:
    """Return (k, B, B) lower triangular factors with the Gram matrices of the (k, B, m) rows, by Gram and Schmidt.

    Written out, since batched LAPACK calls side by side can block each other in JAX's thread pool on few cores.
    """
    import jax.numpy as jnp

    basis: list[Any] = []
    lower = []
    for j in range(rows.shape[1]):
        rest, entries = rows[:, j], []
        for q in basis:
            entries.append(jnp.sum(q * rest, axis=1))
            rest = rest - entries[-1][:, None] * q
        length = jnp.sqrt(jnp.sum(rest**2, axis=1))
        basis.append(rest / jnp.where(length > 0, length, 1.0)[:, None])
        zero = jnp.zeros_like(length)
        lower.append(jnp.stack([*entries, length, *[zero] * (rows.shape[1] - j - 1)], axis=1))
    return jnp.stack(lower, axis=1)
