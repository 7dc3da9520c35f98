"""Points in fixed-size padded chunks: one compilation per shape, bounded memory, float64, any device."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.ntk.backends import DEVICE, HOST
from ntkcont.ntk.points import Critical, Points, cases, critical
from ntkcont.ntk.signatures import geometric_signatures, spectral_signatures
from ntkcont.ntk.sources import Source

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK

# up to this many states all points of a chunk go through each operation together, above one after the other
BATCHED_STATES = 16
_THREADED_STATES = 200
# matrices that LAPACK works on at a time: they should stay in the processor's cache from step to step
_CACHED_BYTES = 2 * 1024 * 1024
_CHUNK_BYTES = 36 * 1024 * 1024
_LARGEST_CHUNK = 256


def chunk_size(n: int, conditions: int, columns: int) -> int:
    """Return the number of points per chunk: fewer for large systems, so that a chunk stays below 36 MB."""
    per_point = 8 * conditions * n * (n + columns + 8)
    largest = _LARGEST_CHUNK if n <= BATCHED_STATES else _LARGEST_CHUNK // 8
    return int(max(1, min(largest, _CHUNK_BYTES // per_point)))


def evaluate_points(
    source: Source,
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
    on_host: bool | None = None,
    vectors: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the signatures at K points under B conditions as numpy arrays with first axis K.

    Parameters
    ----------
    source : Source
        The linearisation.
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
    kernel, k, is_map : str, int, bool
        What is reported.
    device : jax.Device
        Where the linearisation runs, and the linear algebra too unless `on_host`.
    on_host : bool, optional
        Whether LAPACK is called from the host; None: on the CPU.
    vectors : ndarray, shape (K, 8, n+1), optional
        Of ``kernels.critical_vectors``, in original units; taken where they belong to the critical eigenvalues.
    """
    count, conditions, n = x.shape
    valid = np.all(np.isfinite(x), axis=(1, 2)) & np.all(np.isfinite(values), axis=(1, 2))
    x = np.where(valid[:, None, None], x, 0.0)
    size = chunk_size(n, conditions, source.columns)
    on_host = device.platform == "cpu" if on_host is None else on_host
    has_free = bool(np.any(direction))
    linear = _linearise(source.linearise, source.gram)
    C = None if readout is None else readout * state_scale
    scale = np.append(state_scale, param_scale)
    parts: list[dict[str, np.ndarray]] = []
    memory: dict[str, Any] = {}
    with x64(), configured_jax().default_device(device), blas_threads(n), np.errstate(all="ignore"):
        put = functools.partial(configured_jax().device_put, device=device)
        constants = direction, source.arguments, state_scale, float(param_scale)
        if count > size:  # several chunks: they go to the device once
            constants = put(constants)
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            used = min(size, count - start)
            A, F, fp = linear(x[rows], values[rows], *constants)
            given = None if eigenvalues is None else eigenvalues[rows]
            t = None if tangent is None else (tangent[rows] / scale)[:, None, :]
            if on_host:
                A, F, fp = (np.asarray(a)[:used] for a in (A, F, fp))
                F = source.factor(np, F)
                lam = _eigenvalues(A, given)
                t = None if t is None else t[:used]
                v = None if vectors is None else _scaled(vectors[rows][:used], state_scale)
                found = critical(lam, is_map)
                out = _on_host(A, F, fp, t, lam, found, C, kernel, is_map, has_free, memory, v)
            else:
                F = source.factor(DEVICE.xp, F)
                lam = _eigenvalues(np.asarray(A), given)
                out = _compiled(kernel, is_map, has_free)(A, F, fp, *put((t, lam, critical(lam, is_map), C)))
                out = {name: np.array(a)[:used] for name, a in out.items()}
            e = out.pop("spectrum")
            parts.append(spectral_signatures(e, k) | out)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for a in joined.values():
        if a.dtype.kind in "fc":
            a[~valid] = np.nan
    return joined


def linearised(
    source: Source, x: np.ndarray, values: np.ndarray, direction: np.ndarray, state_scale: np.ndarray,
    param_scale: float, device: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return A (B, n, n), F (B, n, m) and fp (B, n) at one point, in scaled variables, as numpy arrays."""
    A, F, fp = _few(source, x[None], values[None], direction, state_scale, param_scale, device)
    return A[0], source.factor(np, F)[0], fp[0]


def source_terms(source: Source, x: np.ndarray, values: np.ndarray, at: BoundNTK) -> np.ndarray:
    """Return F (K, B, n, m) at a few points (K, B, n) with parameter values (K, B, m), in scaled variables."""
    size = chunk_size(x.shape[2], x.shape[1], source.columns)
    scales = at.direction, at.state_scale, at.param_scale, at.device
    parts = [_few(source, x[i : i + size], values[i : i + size], *scales)[1] for i in range(0, len(x), size)]
    return source.factor(np, np.concatenate(parts))


def _few(
    source: Source, x: np.ndarray, values: np.ndarray, direction: np.ndarray, state_scale: np.ndarray,
    param_scale: float, device: Any,
) -> list[np.ndarray]:  # fmt: skip
    """Return A, F (not yet a factor) and fp at no more points than a chunk has."""
    linear = _linearise(source.linearise, source.gram)
    # as a whole chunk: what `evaluate_points` compiled serves here too
    rows = np.minimum(np.arange(chunk_size(x.shape[2], x.shape[1], source.columns)), len(x) - 1)
    with x64(), configured_jax().default_device(device):
        put = functools.partial(configured_jax().device_put, device=device)
        found = linear(*put((x[rows], values[rows], direction, source.arguments, state_scale, float(param_scale))))
    return [np.asarray(a)[: len(x)] for a in found]


@functools.lru_cache(maxsize=64)
def _linearise(function: Any, gram: bool) -> Any:
    """Return the linearisation of a chunk in scaled variables as one compiled function."""
    import jax
    import jax.numpy as jnp

    def chunk(x: Any, values: Any, direction: Any, arguments: Any, state_scale: Any, param_scale: Any) -> Any:
        def one(point: Any) -> Any:
            A, F, fp = function(*point, direction, arguments)
            F = F / state_scale[:, None]
            if gram:  # its columns are states too
                F = F / jnp.tile(state_scale, len(fp))
            return A / state_scale[:, None] * state_scale, F, fp / state_scale * param_scale

        together = x.shape[0] if x.shape[2] <= BATCHED_STATES else None
        return jax.lax.map(one, (x, values), batch_size=together)

    return jax.jit(chunk)


@functools.lru_cache(maxsize=256)
def _compiled(kernel: str, is_map: bool, has_free: bool) -> Any:
    """Return the signatures of a chunk as one compiled function."""
    import jax

    def together(A: Any, F: Any, fp: Any, tangent: Any, eigenvalues: Any, found: Critical, readout: Any) -> Any:
        points = Points(
            backend=DEVICE, A=A, F=F, fp=fp, tangent=tangent, eigenvalues=eigenvalues, critical=found, readout=readout,
            is_map=is_map, has_free=has_free,
        )  # fmt: skip
        return geometric_signatures(points, kernel)

    return jax.jit(together)


def _on_host(
    A: Any, F: Any, fp: Any, tangent: Any, eigenvalues: Any, found: Critical, readout: Any,
    kernel: str, is_map: bool, has_free: bool, memory: dict[str, Any], vectors: Any,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the signatures of a chunk with LAPACK, the points of each case together."""
    of_point = cases(found, eigenvalues, tangent, is_map)
    out: dict[str, np.ndarray] = {}
    together = max(1, _CACHED_BYTES // (A[0].nbytes + F[0].nbytes))
    batches = []
    for case in dict.fromkeys(of_point):
        rows = np.flatnonzero([c == case for c in of_point])
        batches += [(case, rows[i : i + together]) for i in range(0, len(rows), together)]
    for case, rows in batches:
        pick = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows
        points = Points(
            backend=HOST, A=A[pick], F=F[pick], fp=fp[pick], tangent=None if tangent is None else tangent[pick],
            eigenvalues=eigenvalues[pick], critical=Critical(*(a[pick] for a in found)), readout=readout,
            is_map=is_map, has_free=has_free, case=case, memory=memory,
            vectors=None if vectors is None else vectors[pick],
        )  # fmt: skip
        for name, a in geometric_signatures(points, kernel).items():
            if name not in out:
                out[name] = np.empty((len(A), *a.shape[1:]), a.dtype)
            out[name][rows] = a
    return out


def _scaled(vectors: np.ndarray, state_scale: np.ndarray) -> np.ndarray:
    """Return right and left vectors in scaled variables."""
    vectors = vectors.copy()
    vectors[:, [0, 1, 4, 5], :-1] /= state_scale
    vectors[:, [2, 3, 6, 7], :-1] *= state_scale
    return vectors


def _eigenvalues(A: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Return the eigenvalues of A (K, B, n, n), shape (K, B, n): given where they are known, else from LAPACK."""
    found = np.full(A.shape[:3], np.nan, dtype=complex)
    if given is not None and A.shape[1] == 1:
        found[:, 0] = given[: len(A)]
    missing = ~np.all(np.isfinite(found), axis=(1, 2)) & np.all(np.isfinite(A), axis=(1, 2, 3))
    if np.any(missing):
        found[missing] = np.linalg.eigvals(A[missing])
    return found


def blas_threads(n: int, enough: int = _THREADED_STATES) -> Any:
    """One BLAS thread for matrices with fewer than `enough` rows, where more only wait for each other."""
    return contextlib.nullcontext() if n >= enough else _blas().limit(limits=1, user_api="blas")


@functools.cache  # finding the libraries takes 10 ms
def _blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
