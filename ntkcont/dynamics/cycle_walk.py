"""The walk along a family of stable cycles from a Hopf point, each cycle integrated from the one before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.dynamics.attractor import IRREGULAR, Flow, Settled
from ntkcont.dynamics.envelopes import CycleEnvelope, Orbit
from ntkcont.models.model import Array, Model
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint

_START = (0.37, 0.6, 0.2, 0.1)  # where the first cycle is looked for, as parts of the grid
_PERTURBATION = 0.02  # first displacement from the equilibrium, in units of the scale
_OUT = 0.05  # first step beyond the grid, in units of its length
_HALVINGS = 4  # of the step in which a cycle was lost


@dataclasses.dataclass(frozen=True)
class Window:
    """The unstable part beyond a Hopf point: sign of p along it, rows in order, the Hopf point at its far end."""

    sign: float
    rows: NDArray[np.intp]
    other: SpecialPoint | None


def window(branch: Branch, point: SpecialPoint) -> Window | None:
    """Return where the equilibrium that is stable on one side of the Hopf point is unstable; None if nowhere."""
    before = np.flatnonzero(branch.s < point.s)[::-1]
    after = np.flatnonzero(branch.s > point.s)
    change = branch.stability_change(point)
    if change is not None and min(change) > 0:
        return None  # unstable on both sides: the cycle born there is unstable as well
    for rows, step in ((before, -1.0), (after, 1.0)):
        if len(rows) < 2 or branch.n_unstable[rows[0]] == 0:
            continue
        sign = np.sign(step * point.tangent[-1])
        if sign == 0.0:
            return None
        keep = 1
        while (
            keep < len(rows)
            and branch.n_unstable[rows[keep]] > 0
            and sign * (branch.p[rows[keep]] - branch.p[rows[keep - 1]]) > 0
        ):
            keep += 1
        other = None
        if keep < len(rows) and branch.n_unstable[rows[keep]] == 0:
            ends = sorted((branch.s[rows[keep - 1]], branch.s[rows[keep]]))
            inside = [q for q in branch.special_points("H") if ends[0] <= q.s <= ends[1]]
            other = inside[0] if inside else None
        return Window(float(sign), rows[:keep], other)
    return None


class _Cycle(NamedTuple):
    """A cycle, the extremes of y on it, and its size in units of the scale."""

    settled: Settled
    low: float
    high: float
    size: float


class Walk:
    """The walk along the family of cycles that belongs to one Hopf point.

    `q` is the distance from the Hopf point in the free parameter, positive where the equilibrium is unstable; in its
    logarithm if it was measured in decades.
    """

    def __init__(
        self,
        branch: Branch,
        model: Model,
        point: SpecialPoint,
        window: Window,
        measure: Callable[[Orbit], Array],
        points: int,
    ) -> None:
        self.branch, self.model, self.point, self.window, self.measure = branch, model, point, window, measure
        self.in_decades = branch.free in branch.log and bool(np.all(branch.p > 0.0))
        far = window.other.p if window.other is not None else branch.p[window.rows[-1]]
        self.length = float(abs(self.along(far)))
        along = self.along(branch.p)
        self.room = float(np.min(along)), float(np.max(along))
        # denser towards both ends, where cycles shrink like square roots
        self.grid = [float(q) for q in self.length * np.sin(0.5 * np.pi * np.arange(points + 1) / points) ** 2]
        self.scale = _scale(branch, model)
        self.period = 2 * np.pi / float(point.omega or 1.0)
        self.found: dict[float, _Cycle] = {}

    # -------------------------------------------------------- one value of the parameter

    def p(self, q: float) -> float:
        """Return the free parameter at the distance q."""
        if self.in_decades:
            return self.point.p * float(np.exp(self.window.sign * q))
        return self.point.p + self.window.sign * q

    def along(self, p: ArrayLike) -> Array:
        """Return the distances q of values of the free parameter."""
        if self.in_decades:
            return self.window.sign * np.log(np.asarray(p) / self.point.p)
        return self.window.sign * (np.asarray(p) - self.point.p)

    def settle(self, q: float, x: Array, expected: float) -> Settled:
        """Integrate at q from x and keep the cycle that is found."""
        flow = Flow(self.model, {**self.branch.params, self.branch.free: self.p(q)}, self.scale)
        settled = flow.settle(x, expected)
        if settled.is_cycle:
            states = flow.one_period(settled)
            if not np.all(np.isfinite(states)):
                return dataclasses.replace(settled, reason="it leaves the bounded states")
            values = self.measure(Orbit(states, np.full(len(states), self.p(q)), self.branch.states, self.branch.free))
            size = float(np.max(np.ptp(states, axis=0) / self.scale))
            self.found[q] = _Cycle(settled, -_peak(-values), _peak(values), size)
        return settled

    def beside_equilibrium(self, q: float) -> Array:
        """Return a state near the unstable equilibrium at q, displaced in the critical plane."""
        rows = self.window.rows
        along = self.along(self.branch.p[rows])
        states = np.array([np.interp(q, along, column) for column in self.branch.x[rows].T])
        jac = self.model.jac(self.point.x, {**self.branch.params, self.branch.free: self.point.p})
        values, vectors = np.linalg.eig(jac)
        v = np.real(vectors[:, np.argmin(np.abs(values - 1j * float(self.point.omega or 0.0)))]) / self.scale
        return states + _PERTURBATION * self.scale * v / np.max(np.abs(v))

    # -------------------------------------------------------- the family

    def run(self, label: str, others: list[CycleEnvelope]) -> CycleEnvelope | None:
        """Return the family of this Hopf point; None if there is none or it is one of `others`."""
        start = self._first(others)
        if start is None:
            return None
        inward = self._follow(self.grid[start], self.grid[1:start][::-1])
        if inward == "":
            inward = self._towards(0.0, self.grid[1], self.grid[3], self.point) or self._beyond(-1.0)
        outward = self._follow(self.grid[start], self.grid[start + 1 : -1])
        if outward == "":
            other = self.window.other
            if other is not None:
                outward = self._towards(self.length, self.grid[-2], self.grid[-4], other)
            outward = outward or self._beyond(1.0)
        return self._family(label, inward, outward)

    def _first(self, others: list[CycleEnvelope]) -> int | None:
        """Find a cycle from beside the equilibrium; None if there is none or another Hopf point led to it before."""
        count = len(self.grid) - 1
        for part in _START:
            i = max(1, round(part * count))
            q = self.grid[i]
            settled = self.settle(q, self.beside_equilibrium(q), self.period)
            if settled.is_cycle:
                return None if self._known(q, others) else i
        return None

    def _known(self, q: float, others: list[CycleEnvelope]) -> bool:
        """Whether the cycle at q is that of another family."""
        cycle = self.found[q]
        for other in others:
            if not other.p[0] <= self.p(q) <= other.p[-1]:
                continue
            period, there_low, there_high = (
                float(np.interp(self.p(q), other.p, column)) for column in (other.period, other.low, other.high)
            )
            size = max(cycle.high - cycle.low, there_high - there_low)
            close = abs(cycle.low - there_low) + abs(cycle.high - there_high) <= 0.1 * size
            if close and abs(cycle.settled.period - period) <= 0.1 * period:
                return True
        return False

    def _follow(self, q: float, qs: list[float]) -> str:
        """Follow the cycle from q through the values `qs`; return why it was lost, "" if it was not."""
        settled = self.found[q].settled
        for target in qs:
            new = self.settle(target, settled.x, settled.period)
            if not new.is_cycle:
                return self._narrow(q, target, new.reason)
            q, settled = target, new
        return ""

    def _narrow(self, q: float, target: float, reason: str) -> str:
        """Halve the step in which the cycle was lost; return why it was lost."""
        settled = self.found[q].settled
        for _ in range(1 if reason == IRREGULAR else _HALVINGS):  # where chaos begins takes long to find
            middle = 0.5 * (q + target)
            new = self.settle(middle, settled.x, settled.period)
            if new.is_cycle:
                q, settled = middle, new
            else:
                target, reason = middle, new.reason
        return reason

    def _towards(self, end: float, near: float, far: float, point: SpecialPoint) -> str:
        """Follow the cycle closer to a Hopf point, as long as it is unclear whether it shrinks to it.

        It does so like the square root of the distance; then the point is added.
        """
        for _ in range(3):
            size, reference = self.found[near].size, self.found[far].size
            root = np.sqrt(abs(near - end) / abs(far - end))
            if size <= 0.5 * (1.0 + root) * reference:
                return self._attach(end, point)
            far, near = near, end + 0.25 * (near - end)
            reason = self._follow(far, [near])
            if reason:  # so close to the Hopf point transients last long
                return self._attach(end, point) if size <= 0.8 * reference else reason
        return ""

    def _attach(self, end: float, point: SpecialPoint) -> str:
        at = Orbit(point.x[None, :], np.array([point.p]), self.branch.states, self.branch.free)
        value = float(self.measure(at)[0])
        period = 2 * np.pi / float(point.omega or 1.0)
        self.found[end] = _Cycle(Settled("cycle", np.array(point.x), period), value, value, 0.0)
        return f"shrinks to {point.name}"

    def _beyond(self, sign: float) -> str:
        """Go on past the end of the grid until the cycle is lost or the parameter range of the branch ends."""
        bound = self.room[1] if sign > 0 else self.room[0]
        for target in self._targets(sign, bound):
            q = (max if sign > 0 else min)(self.found)
            settled = self.found[q].settled
            new = self.settle(target, settled.x, settled.period)
            if not new.is_cycle:
                return self._narrow(q, target, new.reason)
        return "end of the branch"

    def _targets(self, sign: float, bound: float) -> Iterator[float]:
        q: float = self.length if sign > 0 else 0.0
        step = _OUT * self.length
        if sign * (bound - q) <= 1e-9 * self.length:
            yield bound
            return
        while sign * (bound - q) > 1e-9 * self.length:
            q = q + sign * step if sign * (bound - q) > 1.5 * step else bound
            step *= 1.15
            yield q

    def _family(self, label: str, inward: str, outward: str) -> CycleEnvelope:
        order = sorted(self.found, key=self.p)
        rows = [self.found[q] for q in order]
        ends = (inward, outward) if self.window.sign > 0 else (outward, inward)
        return CycleEnvelope(
            name=self.point.name, free=self.branch.free, y=label, p=np.array([self.p(q) for q in order]),
            low=np.array([row.low for row in rows]), high=np.array([row.high for row in rows]),
            period=np.array([row.settled.period for row in rows]), x=np.array([row.settled.x for row in rows]),
            ends=ends,
        )  # fmt: skip


def _scale(branch: Branch, model: Model) -> Array:
    """Magnitudes of the states: how much they move along the branch, or how large they are."""
    scale = np.maximum(np.ptp(branch.x, axis=0), 1e-2 * np.max(np.abs(branch.x), axis=0))
    if model.homogeneous:
        scale = np.full(branch.n, np.max(scale))
    largest = float(np.max(scale))
    return np.where(scale > 1e-9 * largest, scale, largest) if largest > 0 else np.ones(branch.n)


def _peak(values: Array) -> float:
    """Return the maximum of equally spaced samples over one period, by a parabola through the largest three."""
    ring = values[:-1]
    i = int(np.argmax(ring))
    a, b, c = ring[i - 1], ring[i], ring[(i + 1) % len(ring)]
    bend = a - 2 * b + c
    return float(b - (a - c) ** 2 / (8 * bend)) if bend < 0 else float(b)
