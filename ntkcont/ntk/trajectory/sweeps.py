r"""The linearised dynamics of a rate network along its trajectories: a sweep forward in time, and its adjoint back.

At evaluation point e (trial, step and stage of the integrator) the Jacobian is ``A_e = r (-1 + l_e gain W i_e)`` with
the rates r and the slopes l_e (outer) and i_e (inner), all acting elementwise.  W is shared by all points, so a sweep
multiplies all trials and columns by it at once and never forms A_e.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.ntk.trajectory.integrators import Tableau

Array = NDArray[np.float64]


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

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.outer)

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

    def forward(self, forcing: Callable[[int], Any], start: Array, record: Callable[[int, Array], None]) -> None:
        """Propagate tangents (B, r, n) from `start` under ``delta' = A delta + forcing``.

        ``forcing(step)`` gives a sequence over stages of arrays (B, r, n), which are not changed; ``record(t, delta)``
        receives each recorded tangent.
        """
        state, h, b = start.copy(), self.h, self.tableau.b
        euler = self.tableau.stages == 1
        decay = 1.0 - h * self.rate
        for t in range(self.steps):
            force = forcing(t)
            if euler:
                slope = self._times_W(state if self.inner is None else self.inner[t, 0] * state)
                slope *= self.outer[t, 0]
                slope += force[0]
                slope *= h
                state *= decay
                state += slope
            else:
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
                for weight, slope in zip(b, slopes, strict=True):
                    state += h * weight * slope
            if (t + 1) % self.record_every == 0:
                record((t + 1) // self.record_every - 1, state)

    def backward(self, rows: Callable[[int], Array], columns: int) -> Array:
        """Return the adjoint of :meth:`forward`: what each forcing receives, shape (steps, stages, B, columns, n).

        ``rows(t)`` gives the cotangents (B, columns, n) of recorded tangent t.
        """
        steps, stages, trials, _, n = self.outer.shape
        received = np.empty((steps, stages, trials, columns, n))
        state, h = np.zeros((trials, columns, n)), self.h
        a, b = self.tableau.a, self.tableau.b
        decay = 1.0 - h * self.rate
        for t in range(steps - 1, -1, -1):
            if (t + 1) % self.record_every == 0:
                state += rows((t + 1) // self.record_every - 1)
            if stages == 1:
                force = np.multiply(state, h, out=received[t, 0])
                back = self._times_W_adjoint(self.outer[t, 0] * force)
                if self.inner is not None:
                    back *= self.inner[t, 0]
                state *= decay
                state += back
                continue
            slopes = [h * weight * state for weight in b]
            for i in range(stages - 1, -1, -1):
                force = slopes[i]
                received[t, i] = force
                back = self._times_W_adjoint(self.outer[t, i] * force)
                if self.inner is not None:
                    back *= self.inner[t, i]
                back -= self.rate * force
                state += back
                for j, weight in enumerate(a[i]):
                    if weight:
                        slopes[j] += h * weight * back
        return received
