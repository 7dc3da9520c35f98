r"""The linearised dynamics of a rate network along its trajectories: a sweep forward in time, and its adjoint back.

At evaluation point e (trial, step and stage of the integrator) the Jacobian is ``A_e = r (-1 + l_e gain W i_e)`` with
the rates r and the slopes l_e (outer) and i_e (inner), all acting elementwise.  W is shared by all points, so a sweep
multiplies all trials and columns by it at once and never forms A_e.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.trajectory.integrators import Tableau

Array = NDArray[np.float64]

# up to here the matrices of all steps are formed: fewer calls for small networks
_FEW_ENTRIES = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweeps:
    """The discrete tangent dynamics of B trials.

    Parameters
    ----------
    tableau : Tableau
        The integrator; a map is Euler's method with step 1.
    h : float
        Step.
    rate : ndarray, shape (n,)
        Leak: 1/tau or alpha.
    outer : ndarray, shape (steps, stages, B, 1, n)
        ``rate * gain * l``, what the product with W is multiplied by.
    inner : ndarray, shape (steps, stages, B, 1, n), or None
        ``i``; None: ones.
    weights : tuple of ndarray
        ``(W,)``, or ``(U, V)`` with W = U V^T.
    record_every : int
        Steps between recorded states.
    """

    tableau: Tableau
    h: float
    rate: Array
    outer: Array
    inner: Array | None
    weights: tuple[Array, ...]
    record_every: int

    def _times_W(self, x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        if len(self.weights) == 1:
            return (flat @ self.weights[0].T).reshape(x.shape)
        return ((flat @ self.weights[1]) @ self.weights[0].T).reshape(x.shape)

    def _times_W_adjoint(self, x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        if len(self.weights) == 1:
            return (flat @ self.weights[0]).reshape(x.shape)
        return ((flat @ self.weights[0]) @ self.weights[1].T).reshape(x.shape)

    @functools.cached_property
    def matrices(self) -> Array | None:
        """What one step of a tangent is multiplied by from the right, (steps, B, n, n), where that is small enough."""
        steps, stages, trials, _, n = self.outer.shape
        if stages > 1 or steps * trials * n**2 > _FEW_ENTRIES:
            return None
        W = self.weights[0] if len(self.weights) == 1 else self.weights[0] @ self.weights[1].T
        M = self.h * self.outer[:, 0] * W.T
        if self.inner is not None:
            M *= np.swapaxes(self.inner[:, 0], 2, 3)
        units = np.arange(n)
        M[:, :, units, units] += 1.0 - self.h * self.rate
        return M

    def forward(self, forcing: Callable[[int], Any], columns: int) -> Array:
        """Propagate tangents from zero under ``delta' = A delta + forcing``; return the recorded ones, (T, B, r, n).

        ``forcing(step)`` gives a sequence over stages of arrays (B, r, n), which are not changed.
        """
        steps, _, trials, _, n = self.outer.shape
        h, every = self.h, self.record_every
        recorded = np.empty((steps // every, trials, columns, n))
        state = np.zeros((trials, columns, n))
        for t in range(steps):
            force = forcing(t)
            state = self._step(t, state, force, h)
            if (t + 1) % every == 0:
                recorded[(t + 1) // every - 1] = state
        return recorded

    def _step(self, t: int, state: Array, force: Any, h: float) -> Array:
        if self.matrices is not None:
            state = np.matmul(state, self.matrices[t])
            state += h * force[0]
            return state
        if self.tableau.stages == 1:
            slope = self._times_W(state if self.inner is None else self.inner[t, 0] * state)
            slope *= self.outer[t, 0]
            slope += force[0]
            slope *= h
            slope += (1.0 - h * self.rate) * state
            return slope
        slopes: list[Array] = []
        for i, row in enumerate(self.tableau.a):
            argument = state
            for weight, known in zip(row, slopes, strict=True):
                if weight:
                    argument = argument + h * weight * known
            slope = self._times_W(argument if self.inner is None else self.inner[t, i] * argument)
            slope *= self.outer[t, i]
            slope -= self.rate * argument
            slope += force[i]
            slopes.append(slope)
        for weight, slope in zip(self.tableau.b, slopes, strict=True):
            state = state + h * weight * slope
        return state

    def backward(self, rows: Array) -> Array:
        """Return the adjoint of :meth:`forward`: what each forcing receives, shape (steps, stages, B, r, n).

        `rows` (T, B, r, n) are the cotangents of the recorded tangents.
        """
        steps, stages, trials, _, n = self.outer.shape
        columns, every, h = rows.shape[2], self.record_every, self.h
        received = np.empty((steps, stages, trials, columns, n))
        state = np.zeros((trials, columns, n))
        for t in range(steps - 1, -1, -1):
            if (t + 1) % every == 0:
                state += rows[(t + 1) // every - 1]
            state = self._step_back(t, state, received[t], h)
        return received

    def _step_back(self, t: int, state: Array, received: Array, h: float) -> Array:
        if self.tableau.stages == 1:
            force = np.multiply(state, h, out=received[0])
            if self.matrices is not None:
                return np.matmul(state, np.swapaxes(self.matrices[t], 1, 2))
            back = self._times_W_adjoint(self.outer[t, 0] * force)
            if self.inner is not None:
                back *= self.inner[t, 0]
            back += (1.0 - h * self.rate) * state
            return back
        slopes = [h * weight * state for weight in self.tableau.b]
        for i in range(self.tableau.stages - 1, -1, -1):
            force = received[i] = slopes[i]
            back = self._times_W_adjoint(self.outer[t, i] * force)
            if self.inner is not None:
                back *= self.inner[t, i]
            back -= self.rate * force
            state = state + back
            for j, weight in enumerate(self.tableau.a[i]):
                if weight:
                    slopes[j] += h * weight * back
        return state
