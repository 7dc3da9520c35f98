"""Trajectories with their derivative in theta: the one object that everything about their kernel is computed from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Model
from ntkcont.ntk.chunks import blas_threads
from ntkcont.ntk.trajectory.integrators import stages_of
from ntkcont.ntk.trajectory.memory import check_fits
from ntkcont.ntk.trajectory.packing import Packing
from ntkcont.ntk.trajectory.plan import Plan

Array = NDArray[np.float64]

# columns of theta, or rows of the kernel, that are worked on together
_TOGETHER = 256


#: Products of a few columns with W, step after step: below this many states threads cost more than they bring
THREADED_STATES = 1000


def one_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method of trajectories use one BLAS thread, unless their model is large."""

    @functools.wraps(method)
    def limited(self: Trajectories, *args: Any) -> Any:
        with blas_threads(self.model.n, THREADED_STATES):
            return method(self, *args)

    return limited


class Derivative(Protocol):
    """``J`` of the recorded states in original units, theta in units of its scale."""

    def forward(self, columns: Array) -> Array:
        """Return J times columns (P, r), shape (r, B, T, n)."""
        ...

    def backward(self, rows: Array) -> Array:
        """Return J^T times rows (r, B, T, n), shape (P, r)."""
        ...

    structured: bool

    @property
    def most_columns(self) -> int:
        """The largest number of columns that :meth:`reduced` may have, known before."""
        ...

    def reduced(self) -> Array | None:
        """Return fewer columns than J has, with the same ``J J^T``, shape (M, B, T, n), or None."""
        ...


class Trajectories:
    """Trials of one model at one set of parameters, and the derivative J of what is recorded of them.

    Row (k, t, i) of J, in C order, is component i of trial k at recorded time t: of the state in units of its scale, or
    of the readout C z.  It is multiplied by the square root of the weight of (k, t), so that the kernel is ``J J^T``.
    Rows without weight, and those of trials that blew up, are zero.

    Attributes
    ----------
    model : Model
        The model, with parameter values `params` by name.
    packing : Packing
        The layout of theta: ``packing.slices`` and ``packing.unpack(vector)`` name the parts of a vector (P,).
    initial : ndarray, shape (B, n)
        Initial states; those of trials that blew up are replaced by that of another trial, whose rows are zero.
    states : ndarray, shape (B, T, n)
        Recorded states in original units; nan for trials that blew up.
    times : ndarray, shape (T,)
        Recorded times.
    weights : ndarray, shape (B, T)
        Weights in the kernel.
    kept : ndarray of bool, shape (B,)
        False for trials that blew up, at the times `blow_up` (B,), nan for the others.
    out : ndarray, shape (m, n)
        What acts on the state: the inverse of the state scale (m = n), or the readout.
    x : ndarray, shape (n,), or None
        The fixed point that the trajectories were asked for at.
    """

    def __init__(
        self,
        *,
        model: Model,
        params: Mapping[str, float],
        packing: Packing,
        plan: Plan,
        derivative: Derivative,
        initial: Array,
        states: Array,
        survived: NDArray[np.int64],
        readout: Array | None,
        state_scale: Array,
        x: Array | None,
    ) -> None:
        self.model, self.params, self.packing, self.plan, self.x = model, dict(params), packing, plan, x
        self.derivative, self.initial = derivative, initial
        self.kept = survived >= plan.steps
        self.blow_up = np.where(self.kept, np.nan, plan.dt * (survived + 1.0))
        self.states = np.where(self.kept[:, None, None], states, np.nan)
        self.times = plan.times
        self.weights = plan.row_weights(self.kept)
        self.readout, self.state_scale = readout, state_scale
        self._root = np.sqrt(self.weights)[:, :, None]

    # ---------------------------------------------------------------- sizes

    @property
    def components(self) -> int:
        """Number m of components at each time."""
        return self.state_scale.size if self.readout is None else len(self.readout)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (B, T, m) of one column of J."""
        return (*self.weights.shape, self.components)

    @property
    def rows(self) -> int:
        """Number of rows of J, B T m."""
        return int(np.prod(self.shape))

    @property
    def size(self) -> int:
        """Number of trained parameters, P."""
        return self.packing.size

    @property
    def entering(self) -> NDArray[np.bool_]:
        """Which rows have weight, shape (B T m,)."""
        return np.repeat(self.weights.reshape(-1) > 0, self.components)

    @property
    def entering_rows(self) -> int:
        """How many rows have weight."""
        return int(np.count_nonzero(self.weights > 0)) * self.components

    @property
    def out(self) -> Array:
        """What acts on the states, (m, n)."""
        return np.diag(1.0 / self.state_scale) if self.readout is None else self.readout

    # ---------------------------------------------------------------- the derivative

    @one_thread
    def jvp(self, dtheta: Array) -> Array:
        """Return J times columns (P, r) or one vector (P,), theta in units of its scale: (B T m, r) or (B T m,)."""
        columns = np.asarray(dtheta, dtype=float)
        found = self.project(self.derivative.forward(columns.reshape(self.size, -1)))
        return found.T.reshape(self.rows, *columns.shape[1:])

    @one_thread
    def vjp(self, rows: Array) -> Array:
        """Return J^T times columns (B T m, r) or one vector (B T m,): (P, r) or (P,)."""
        columns = np.asarray(rows, dtype=float)
        Y = columns.reshape(self.rows, -1).T.reshape(-1, *self.shape) * self._root
        Y = Y / self.state_scale if self.readout is None else Y @ self.readout
        return self.derivative.backward(Y).reshape(self.size, *columns.shape[1:])

    def apply(self, rows: Array) -> Array:
        """Return the kernel times columns (B T m, r) or one vector (B T m,)."""
        return self.jvp(self.vjp(rows))

    def project(self, columns: Array) -> Array:
        """Return derivatives of the states (r, B, T, n) as rows (r, B T m): scale or readout, and weights."""
        Z = columns / self.state_scale if self.readout is None else columns @ self.readout.T
        return (Z * self._root).reshape(len(columns), self.rows)

    @one_thread
    def dense(self) -> Array:
        """Return J, shape (B T m, P); InputError if it would not fit in memory."""
        check_fits(8 * 2 * self.rows * self.size, f"the derivative of {self.rows} rows in {self.size} parameters")
        if self.rows < self.size:
            blocks = range(0, self.rows, _TOGETHER)
            unit = np.eye(self.rows)
            return np.concatenate([self.vjp(unit[:, i : i + _TOGETHER]).T for i in blocks])
        J = np.empty((self.rows, self.size))
        for i in range(0, self.size, _TOGETHER):
            part = slice(i, min(i + _TOGETHER, self.size))
            J[:, part] = self.jvp(np.eye(self.size)[:, part])
        return J

    @property
    def most_columns(self) -> int:
        """The largest number of columns that :meth:`reduced` may have."""
        return min(self.size, self.derivative.most_columns)

    @one_thread
    def reduced(self) -> Array:
        """Return columns (M, B T m) whose Gram matrix is the kernel, as few as the structure of the model allows."""
        columns = self.derivative.reduced()
        return self.dense().T if columns is None else self.project(columns)

    @property
    def structured(self) -> bool:
        """Whether :meth:`reduced` knows more than J."""
        return self.derivative.structured

    @property
    def evaluations(self) -> int:
        """In how many steps, of all trials, the right-hand side is linearised."""
        return self.plan.steps * len(self.kept)

    @property
    def stages(self) -> int:
        """How many evaluations of the right-hand side a step takes."""
        return stages_of(self.plan.integrator, self.model.kind == "map")

    def unpack(self, vector: Array, scaled: bool = False) -> dict[str, Any]:
        """Return the parts of a vector (P,) by name, as :meth:`Packing.unpack`."""
        return self.packing.unpack(vector, scaled)
