"""Steps along a curve of special points: predictor, Newton, tangent, step control."""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.linear import LU
from ntkcont.models.model import Array
from ntkcont.pathfollowing.critical import SAME, System
from ntkcont.pathfollowing.critical_point import CriticalNode, describe
from ntkcont.pathfollowing.decades import in_decades
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.status import Status

ANGLE_TARGET, ANGLE_LIMIT = 0.12, 0.35
GROWTH, STANDSTILL = 1e6, 1e-8
#: beta of a branch point that persists is zero up to rounding.
UNFOLDED = 1e-7


def newton(
    system: System, guess: Array, row: Array, tol: float, iterations: int = 10
) -> tuple[Array, Array, int, float, float] | None:
    """Solve the equations in the hyperplane through `guess` across `row`.

    Returns (u, last matrix (m, m+1), iterations, size of the first correction, residual), or None.
    """
    u, first, before = guess.copy(), 0.0, np.inf
    size = len(u)
    matrix = np.empty((size, size))
    matrix[-1] = row
    right = np.empty(size)
    for it in range(iterations):
        equations = system.linearise(u)
        if equations is None:
            return None
        right[:-1], matrix[:-1] = equations
        right[-1] = row @ (u - guess)
        step = LU(matrix).solve(right)
        length = float(np.sqrt(step @ step))
        if not np.isfinite(length) or (it > 0 and length > before and before > 1e-8):
            return None
        u = u - step
        first = first or length
        if length < tol or (it > 4 and length < 1e2 * tol):
            return u, matrix[:-1].copy(), it + 1, first, float(np.max(np.abs(right[:-1])))
        before = length
    return None


def tangent(matrix: Array, row: Array) -> Array | None:
    """Return the unit null vector of `matrix`, shape (m, m+1), oriented along `row`."""
    size = len(row)
    bordered = np.vstack([matrix, row])
    unit = np.zeros(size)
    unit[-1] = 1.0
    tau = LU(bordered).solve(unit)
    norm = float(np.sqrt(tau @ tau))
    return tau / norm if np.isfinite(norm) and norm > 0.0 else None


class Walker:
    """Takes one step at a time from `first`, along its tangent."""

    def __init__(
        self,
        system: System,
        label: str,
        first: CriticalNode,
        spans: Array,
        settings: ContinuationSettings,
        logs: Array,
    ) -> None:
        self.system, self.label, self.first, self.last = system, label, first, first
        self.spans, self.settings, self.common = spans, settings, system.scaled.curve.model.homogeneous
        self.ds, self.count, self.finite, self.logs = settings.ds, 0, True, logs
        self.d_start = first.d.copy()
        system.restore(first.state)

    def leaves_at_once(self) -> bool:
        """Whether the first step would leave the spans."""
        n = self.system.n
        q, speed = self.first.z[n:], self.first.tangent[n:]
        return bool(np.any((q >= self.spans[:, 1]) & (speed > 0.0)) or np.any((q <= self.spans[:, 0]) & (speed < 0.0)))

    def step(self) -> tuple[CriticalNode | None, Status | None]:
        """Return the next point (None: there is none) and the status if the curve ends with it."""
        self.last = self._rescaled(self.last)
        settings, last = self.settings, self.last
        ds = min(self.ds, settings.ds_max)
        while True:
            tried = self._try(ds)
            if tried is not None:
                break
            if ds <= settings.ds_min:
                return None, self._stuck()
            ds = max(0.47 * ds, settings.ds_min)
        node, iterations, angle, at_bound = tried
        closed = self._closed(last, node)
        grow = 1.6 if iterations <= 4 else (1.0 if iterations <= 6 else 0.6)
        if angle * grow > ANGLE_TARGET:
            grow = max(0.4, ANGLE_TARGET / angle)
        self.ds = min(max(ds * grow, settings.ds_min), settings.ds_max)
        self.count += 1
        if closed:
            node = self._on_start(node)
            return node, Status.CLOSED
        self.last = node
        if self.system.extra and abs(node.u[-1]) > UNFOLDED:
            return None, Status.UNFOLDED
        if at_bound:
            return node, Status.BOUND
        still = np.max(np.abs(node.tau[self.system.n :])) < STANDSTILL
        if np.max(self.system.d / self.d_start) > GROWTH and still:
            return node, Status.UNBOUNDED
        return node, None

    def _stuck(self) -> Status:
        n = self.system.n
        q = self.last.z[n:]
        widths = in_decades(self.spans[:, 1] - self.spans[:, 0], q, self.logs[n:])
        room = np.min(np.minimum(q - self.spans[:, 0], self.spans[:, 1] - q) / widths)
        if room <= 1e-6:
            return Status.BOUND
        return Status.MIN_STEP if self.finite else Status.NOT_FINITE

    def _try(self, ds: float) -> tuple[CriticalNode, int, float, bool] | None:
        """Try one step; None if it is refused."""
        system, last, n = self.system, self.last, self.system.n
        u0 = last.in_scales(system.d)
        tau = last.tau
        system.restore(last.state)
        guess = u0 + ds * tau
        measured = np.flatnonzero(self.logs)
        guess[measured] = u0[measured] * np.exp(ds * tau[measured] * self.logs[measured])
        found = newton(system, guess, tau, self.settings.tol)
        if found is None:
            self.finite = system.linearise(guess) is not None
            system.restore(last.state)
            return None
        self.finite = True
        u, matrix, iterations, first, residual = found
        if first > 0.5 * ds or np.any(u[measured] <= 0.0):
            return None
        low, high = self.spans[:, 0] / system.d[n:], self.spans[:, 1] / system.d[n:]
        q0, q = u0[n : n + 2], u[n : n + 2]
        outside = (q < low) | (q > high)
        if np.any(outside):
            bounds = np.where(q > high, high, low)
            with np.errstate(divide="ignore", invalid="ignore"):
                fraction = np.where(outside, (bounds - q0) / (q - q0), np.inf)
            i = int(np.argmin(fraction))
            guess = u0 + float(np.clip(fraction[i], 0.0, 1.0)) * (u - u0)
            guess[n + i] = bounds[i]
            natural = np.zeros(len(u))
            natural[n + i] = 1.0
            landed = newton(system, guess, natural, self.settings.tol)
            if landed is None or landed[3] > 0.5 * ds:
                return None
            u, matrix, iterations, first, residual = landed
            u[n + i] = bounds[i]
        tau_new = tangent(matrix, tau)
        if tau_new is None:
            return None
        cos = float(np.clip(tau @ tau_new, -1.0, 1.0))
        angle = float(np.arccos(cos))
        if (angle > ANGLE_LIMIT or self.system.overlap < SAME) and ds > 2.0 * self.settings.ds_min:
            return None
        length = float(np.linalg.norm(u - u0))
        if length == 0.0:
            return None
        node = describe(system, self.label, u, tau_new, last.s + length, residual)
        return node, iterations, angle, bool(np.any(outside))

    def _closed(self, last: CriticalNode, node: CriticalNode) -> bool:
        """Whether the step passes the start, in the same direction."""
        if self.count < 3:
            return False
        d, size = node.d, len(node.d)
        length = float(np.linalg.norm(node.u - last.in_scales(d)))
        offset = (self.first.z - last.z) / d
        tau = last.tau[:size]
        along = float(tau @ offset)
        if not 0.0 < along <= 1.05 * length:
            return False
        direction = self.first.tangent / d
        near = float(np.linalg.norm(offset - along * tau))
        return near < 0.2 * length and float(tau @ direction) > 0.8 * float(np.linalg.norm(direction))

    def _on_start(self, node: CriticalNode) -> CriticalNode:
        """Return the start, once more, at the arclength where the curve comes back to it."""
        d = node.d
        start = np.concatenate([self.first.z / d, self.first.u[len(d) :]])
        gap = float(np.linalg.norm(start - self.last.in_scales(d)))
        tau = np.concatenate([self.first.tangent / d, self.first.tau[len(d) :]])
        self.system.restore(node.state)
        self.system.linearise(start)
        unit = tau / np.linalg.norm(tau)
        return describe(self.system, self.label, start, unit, self.last.s + gap, self.first.residual)

    def _rescaled(self, node: CriticalNode) -> CriticalNode:
        """Let the scales of the states grow with the states."""
        n, system = self.system.n, self.system
        size = np.abs(node.z[:n]) * np.sqrt(n)
        if self.common:
            size[:] = size.max()
        d = system.d.copy()
        d[:n] = np.maximum(d[:n], size)
        d = in_decades(d, node.z, self.logs)
        if np.array_equal(d, system.d):
            return node
        system.restore(node.state)  # the search for points of codimension two has moved it
        system.rescale(d)
        tau = np.concatenate([node.tangent / d, node.tau[n + 2 :]])
        return dataclasses.replace(node, u=node.in_scales(d), tau=tau / np.linalg.norm(tau), d=d, state=system.state)
