"""Three ways to the spectrum of a trajectory kernel, chosen by size: state side, parameter side, operator."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.ntk.backends import HOST
from ntkcont.ntk.chunks import blas_threads
from ntkcont.ntk.signatures import spectral_signatures
from ntkcont.ntk.trajectory import estimates, lanczos
from ntkcont.ntk.trajectory.linearised import THREADED_STATES, Trajectories
from ntkcont.ntk.trajectory.memory import available_bytes, readable

Array = NDArray[np.float64]

#: What comes by products from averages over random vectors, with a standard error.
ESTIMATED = ("trace", "participation_ratio", "entropy_rank", "stable_rank", "top_fraction", "f_par", "f_st", "chi")
#: Up to this side a dense matrix is the fastest way.
DENSE_SIDE = 512
# an operator this small is applied to all unit vectors
_TINY = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """How a spectrum is computed.

    Parameters
    ----------
    method : {"state", "parameter", "operator"}
        Which.
    why : str
        The reason, in words, with the sizes.
    """

    method: str
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """The spectrum of one trajectory kernel.

    Parameters
    ----------
    signatures : dict
        Those that are functions of the eigenvalues, of shape () or (k,), with the standard errors of the estimated
        ones under ``trace_error``, ``participation_ratio_error`` and ``entropy_rank_error``: 0 where exact; and what
        they took, ``probes`` random vectors and ``products`` with the kernel: 0 where a dense matrix was formed.
    vector : ndarray, shape (B T m,)
        Unit eigenvector of the largest eigenvalue; nan if the kernel is zero.
    way : Way
        How it was computed.
    reached : bool
        Whether the standard errors are as small as was asked for.
    """

    signatures: dict[str, Any]
    vector: Array
    way: Way
    reached: bool = True


class Sized(Protocol):
    """What the choice depends on: trajectories, or what they will be."""

    @property
    def model(self) -> Model:
        """The model."""
        ...

    @property
    def entering_rows(self) -> int:
        """Number of rows of J with weight."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows of J."""
        ...

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        ...

    @property
    def most_columns(self) -> int:
        """The largest number of columns with the same kernel."""
        ...

    @property
    def structured(self) -> bool:
        """Whether the structure of the model is known."""
        ...

    @property
    def evaluations(self) -> int:
        """In how many steps the right-hand side is linearised."""
        ...

    @property
    def stages(self) -> int:
        """How many evaluations of the right-hand side a step takes."""
        ...


def choose(method: str, found: Sized) -> Way:
    """Return the way that was asked for, or the one for these sizes; InputError if it does not fit in memory."""
    N, P = found.entering_rows, found.size
    M = found.most_columns
    sizes = f"{N} rows (trials x times x components), {P} parameters"
    if M < P:
        sizes += f" that act like {M}"
    needed = _bytes(found, N)
    limit = available_bytes()
    if method == "auto":
        side = "state" if N <= P or found.structured else "parameter"
        if min(N, M) <= DENSE_SIDE and needed[side] <= limit:
            return Way(method=side, why=f"{sizes}: the smaller side is at most {DENSE_SIDE}")
        method, why = "operator", f"{sizes}: products with the kernel cost less than a dense matrix of side {min(N, M)}"
    else:
        why = f"asked for; {sizes}"
    if needed[method] > limit:
        fits = [f"{name!r} ({readable(size)})" for name, size in needed.items() if size <= limit]
        instead = f"these fit: {', '.join(fits)}" if fits else "record fewer times or take fewer trials"
        msg = (
            f"method: {method!r} needs {readable(needed[method])} for {sizes}, but {readable(limit)} are available; "
            f"{instead}"
        )
        raise InputError(msg)
    return Way(method=method, why=why)


def _few_rows(found: Sized) -> bool:
    """Whether J costs less by rows, each a sweep back in time, than by its reduced columns (such as the last state)."""
    return 2 * found.rows <= found.most_columns


def _bytes(found: Sized, N: int) -> dict[str, int]:
    """Return how much memory each way takes."""
    M, P, rows = found.most_columns, found.size, found.rows
    together = estimates.COLUMNS * (2 * P + found.evaluations * found.stages * found.model.n)
    return {
        "state": 8 * (3 * rows * (P if _few_rows(found) else M) + 2 * min(N, M) ** 2),
        "parameter": 8 * (3 * rows * P + 2 * P**2),
        "operator": 8 * (together + lanczos.BASIS * min(N, P)),
    }


def spectrum(found: Trajectories, way: Way, k: int, rtol: float) -> Spectrum:
    """Return the signatures of the spectrum and the top eigenvector; what is estimated to a relative error `rtol`."""
    if not found.weights.any():  # every trial blew up
        row = {name: a[0] for name, a in spectral_signatures(np.full((1, found.rows), np.nan), k).items()}
        row |= dict.fromkeys(_ERRORS, np.nan) | dict.fromkeys(_COST, 0)
        return Spectrum(signatures=row, vector=np.full(found.rows, np.nan), way=way)
    with blas_threads(found.model.n, THREADED_STATES):
        if way.method == "operator":
            result = _operator(found, way, k, rtol)
        else:
            result = {"state": _state, "parameter": _parameter}[way.method](found, way, k)
    e = result.signatures["eigenvalues"]
    # as many at every point of a branch, also where trials were left out
    result.signatures["eigenvalues"] = np.pad(e, (0, max(0, min(k, found.rows) - len(e))))
    return result


_ERRORS = tuple(f"{name}_error" for name in estimates.NAMES)
_COST = ("probes", "products")


def _dense(e: Array, vector: Array, found: Trajectories, way: Way, k: int, products: int = 0) -> Spectrum:
    """Return the spectrum from all eigenvalues of the smaller side, with the zeros that belong to the rows."""
    N = int(found.entering.sum())
    e = np.pad(e, (0, max(0, N - len(e))))[None, :N]
    row = {name: a[0] for name, a in spectral_signatures(e, k).items()}
    if not e[0, 0] > 0:
        vector = np.full(found.rows, np.nan)
    row |= dict.fromkeys(_ERRORS, 0.0) | {"probes": 0, "products": products}
    return Spectrum(signatures=row, vector=vector, way=way)


def _state(found: Trajectories, way: Way, k: int) -> Spectrum:
    """Solve for the eigenvalues of J J^T from columns with that Gram matrix."""
    entering = found.entering
    e, u = _of_factor(found.dense()[entering] if _few_rows(found) else found.reduced()[:, entering].T)
    vector = np.zeros(found.rows)
    vector[entering] = u
    return _dense(e, vector, found, way, k)


def _of_factor(G: Array) -> tuple[Array, Array]:
    """Return eigenvalues of G G^T (N, M), as many as its smaller side, and the unit eigenvector (N,) of the largest."""
    if not G.size:
        return np.zeros(min(G.shape)), np.zeros(len(G))
    if G.shape[0] <= G.shape[1]:
        e, u = HOST.spectrum(np.ascontiguousarray(G)[None])
        return e[0], u[0]
    e, u = HOST.spectrum(np.ascontiguousarray(G.T)[None])
    return e[0], _unit(G @ u[0])


def _parameter(found: Trajectories, way: Way, k: int) -> Spectrum:
    """Solve for the eigenvalues of J^T J."""
    J = found.dense()
    e, u = HOST.spectrum(np.ascontiguousarray(J.T)[None])
    return _dense(e[0], _unit(J @ u[0]), found, way, k)


def _unit(v: Array) -> Array:
    size = np.linalg.norm(v)
    return v / size if size > 0 else v


def _operator(found: Trajectories, way: Way, k: int, rtol: float) -> Spectrum:
    """Iterate on products with the kernel, on its smaller side."""
    entering = found.entering
    N = int(entering.sum())
    on_rows = found.size >= N
    n = min(N, found.size)

    def full(x: Array) -> Array:
        if found.rows == N:
            return x
        spread = np.zeros((len(x), found.rows))
        spread[:, entering] = x
        return spread

    def apply(x: Array) -> Array:
        if on_rows:
            y = found.apply(full(x).T).T
            return y if found.rows == N else y[:, entering]
        return found.vjp(found.jvp(x.T)).T

    def as_vector(u: Array) -> Array:
        return full(u[None])[0] if on_rows else _unit(found.jvp(u))

    if n <= _TINY:
        K = apply(np.eye(n))
        e, v = np.linalg.eigh((K + K.T) / 2)
        return _dense(np.maximum(e[::-1], 0.0), as_vector(v[:, -1]), found, way, k, n)
    estimate = estimates.spectrum(apply, n, min(k, n), rtol)
    e, sums = estimate.found.values, estimate.sums
    if sums is None:
        return _dense(e, np.zeros(found.rows), found, way, k, estimate.products)
    row = {name: a[0] for name, a in spectral_signatures(np.append(e, 0.0)[None], len(e)).items()}
    values, errors = sums.values, sums.errors
    row |= {
        "trace": e[0] * values["trace"],
        "participation_ratio": values["participation_ratio"],
        "entropy_rank": values["entropy_rank"],
        "stable_rank": values["trace"],
        "top_fraction": 1.0 / values["trace"],
        "condition": np.inf if found.size < N else np.nan,  # the smallest eigenvalue is not known
        "trace_error": e[0] * errors["trace"],
        "participation_ratio_error": errors["participation_ratio"],
        "entropy_rank_error": errors["entropy_rank"],
        "probes": sums.probes,
        "products": estimate.products,
    }
    vector = as_vector(estimate.found.vectors[0])
    return Spectrum(signatures=row, vector=vector, way=way, reached=estimate.reached)
