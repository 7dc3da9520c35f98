"""Points in fixed-size padded chunks: one compilation per shape, bounded memory, float64, any device."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.ntk.point import Point
from ntkcont.ntk.signatures import all_signatures

# up to this many states all points of a chunk go through each operation together, above one after the other
BATCHED_STATES = 16
_CHUNK_BYTES = 24 * 1024 * 1024
_LARGEST_CHUNK = 64


def chunk_size(n: int, conditions: int, columns: int) -> int:
    """Return the number of points per chunk: fewer for large systems, so that a chunk stays below 24 MB."""
    per_point = 8 * conditions * n * (n + columns + 8)
    return int(max(1, min(_LARGEST_CHUNK, _CHUNK_BYTES // per_point)))


def evaluate_points(
    source: tuple[Any, Any],
    *,
    x: np.ndarray,
    values: np.ndarray,
    direction: np.ndarray,
    tangent: np.ndarray | None,
    eigenvalues: np.ndarray | None,
    state_scale: np.ndarray,
    param_scale: float,
    readout: np.ndarray | None,
    kernel: str,
    k: int,
    is_map: bool,
    device: Any,
) -> dict[str, np.ndarray]:
    """Return the signatures at K points under B conditions as numpy arrays with first axis K.

    Parameters
    ----------
    source : (callable, dict)
        The linearisation and its arguments.
    x, values : ndarray, shapes (K, B, n) and (K, B, m)
        States and parameter values; a point with anything not finite gives nan.
    direction : ndarray, shape (m,)
        Direction of the free parameter, zero if there is none.
    tangent : ndarray, shape (K, n+1), or None
        In original units.
    eigenvalues : ndarray of complex, shape (K, n), or None
        Rows with nan are computed.
    state_scale, param_scale : ndarray, shape (n,), and float
        Units of the scaled variables.
    readout : ndarray, shape (q, n), or None
        Acts on the states in original units.
    """
    function, arguments = source
    count, conditions, n = x.shape
    valid = np.all(np.isfinite(x), axis=(1, 2)) & np.all(np.isfinite(values), axis=(1, 2))
    x = np.where(valid[:, None, None], x, 0.0)
    columns = _columns(function, arguments, x[0], values[0], direction)
    size = chunk_size(n, conditions, columns)
    scales = {"state": state_scale, "param": float(param_scale)}
    linear = _linearise(function)
    signatures = _signatures(kernel, k, is_map, bool(np.any(direction)), n <= BATCHED_STATES)
    parts: list[dict[str, np.ndarray]] = []
    with x64(), configured_jax().default_device(device):
        put = functools.partial(configured_jax().device_put, device=device)
        arguments, scales, on_device = put(arguments), put(scales), put(direction)
        C = None if readout is None else put(readout * state_scale)
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            used = min(size, count - start)
            A, F, fp = linear(put(x[rows]), put(values[rows]), on_device, arguments, scales)
            lam = _eigenvalues(A, None if eigenvalues is None else eigenvalues[rows], used)
            t = None if tangent is None else put((tangent[rows] / np.append(state_scale, param_scale))[:, None, :])
            out = signatures(A, F, fp, t, put(lam), C, used)
            parts.append({name: np.asarray(a)[:used] for name, a in out.items()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, a in joined.items():
        if a.dtype.kind in "fc":
            a = np.array(a)
            a[~valid] = np.nan
            joined[name] = a
    return joined


def linearised(
    source: tuple[Any, Any], x: np.ndarray, values: np.ndarray, direction: np.ndarray, state_scale: np.ndarray, param_scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A (B, n, n), F (B, n, m) and fp (B, n) at one point, in scaled variables, as numpy arrays."""
    function, arguments = source
    with x64():
        scales = {"state": state_scale, "param": float(param_scale)}
        A, F, fp = _linearise(function)(x[None], values[None], direction, arguments, scales)
        return np.asarray(A[0]), np.asarray(F[0]), np.asarray(fp[0])


@functools.lru_cache(maxsize=64)
def _linearise(function: Any) -> Any:
    import jax

    def scaled(x: Any, values: Any, direction: Any, arguments: Any, scales: Any) -> Any:
        def one(x: Any, values: Any) -> Any:
            A, F, fp = function(x, values, direction, arguments)
            unit = scales["state"]
            return A / unit[:, None] * unit, F / unit[:, None], fp / unit * scales["param"]

        return jax.lax.map(lambda a: one(*a), (x, values), batch_size=None if x.shape[2] > BATCHED_STATES else x.shape[0])

    return jax.jit(scaled)


@functools.lru_cache(maxsize=256)
def _signatures(kernel: str, k: int, is_map: bool, has_free: bool, batched: bool) -> Any:
    import jax
    import jax.numpy as jnp

    def one(A: Any, F: Any, fp: Any, tangent: Any, eigenvalues: Any, readout: Any) -> dict[str, Any]:
        point = Point(A, F, fp, tangent, eigenvalues, readout, is_map=is_map, has_free=has_free)
        return all_signatures(point, kernel, k)

    def together(A: Any, F: Any, fp: Any, tangent: Any, eigenvalues: Any, readout: Any, used: Any) -> dict[str, Any]:
        rows = (0, 0, 0, None if tangent is None else 0, 0, None)
        if batched:
            return jax.vmap(one, in_axes=rows)(A, F, fp, tangent, eigenvalues, readout)

        def at(i: Any) -> dict[str, Any]:
            pick = [None if a is None else jax.lax.dynamic_index_in_dim(a, i, keepdims=False) for a in (A, F, fp, tangent, eigenvalues)]
            return one(*pick, readout)

        def body(i: Any, out: dict[str, Any]) -> dict[str, Any]:
            found = at(i)
            return {name: jax.lax.dynamic_update_index_in_dim(out[name], found[name], i, 0) for name in out}

        shapes = jax.eval_shape(at, 0)
        empty = {name: jnp.zeros((A.shape[0], *s.shape), s.dtype) for name, s in shapes.items()}
        return jax.lax.fori_loop(0, used, body, empty)  # padding costs nothing

    return jax.jit(together)


def _columns(function: Any, arguments: Any, x: Any, values: Any, direction: Any) -> int:
    import jax

    with x64():
        return jax.eval_shape(function, x, values, direction, arguments).F.shape[2]


def _eigenvalues(A: Any, given: np.ndarray | None, used: int) -> np.ndarray:
    """Return the eigenvalues of A (K, B, n, n), shape (K, B, n): given where they are known, else from LAPACK."""
    found = np.zeros(A.shape[:3], dtype=complex)
    matrices = None
    for i in range(used):
        if given is not None and A.shape[1] == 1 and np.all(np.isfinite(given[i])):
            found[i, 0] = given[i]
            continue
        matrices = np.asarray(A) if matrices is None else matrices
        if np.all(np.isfinite(matrices[i])):
            found[i] = np.linalg.eigvals(matrices[i])
        else:
            found[i] = np.nan
    found[used:] = found[used - 1]
    return found
