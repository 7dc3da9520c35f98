"""Where a trajectory of a flow settles: on a cycle, at rest, or neither."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ntkcont.kernels.orbit import BAD_VALUES, TOO_MANY_STEPS, follow, sample
from ntkcont.models.model import Array, Model

IRREGULAR = "it does not become periodic"

_RTOL = 1e-7
_RETURN = 1e-4  # a cycle: it comes back this closely in the limit, in units of its own size
_CLOSE = 1e-3  # a return this close is that of one period; closer ones after more periods mean nothing
_IN_A_ROW = 3  # returns in a row
_NOISE, _EXACT = 2e-5, 1e-6  # returns this close are the errors of integration, unless they drift; in any case
_REST = 1e-5  # at rest: it moves less than this, in units of the scale
_FAR = 1e4  # gone: in units of the scale
_CROSSINGS = 24
_WINDOW = 8.0  # first window, in units of the expected period
_WINDOWS, _WINDOWS_LARGE = 100, 40  # at most; for more than 20 states
_LONGEST = 400.0  # a longer period, in units of the expected one, is not waited for
_STEPS = 200_000  # per window
_SAMPLES = 401


@dataclasses.dataclass(frozen=True)
class Settled:
    """How a trajectory ended.

    ``reason`` is "cycle", or says why it is none; ``x`` a state on it, ``period`` its period.
    """

    reason: str
    x: Array
    period: float = np.nan

    @property
    def is_cycle(self) -> bool:
        """Whether it settled on a cycle."""
        return self.reason == "cycle"


class Flow:
    """A flow at one set of parameter values, with the magnitudes of its states."""

    def __init__(self, model: Model, params: Mapping[str, float], scale: Array) -> None:
        compiled = model.compiled_parameters(model.values(params))
        self.p = np.concatenate([compiled, np.zeros_like(compiled)])
        self.c, self.rhs, self.scale = model.constants, model.compiled.rhs, scale

    def settle(self, x0: Array, expected: float) -> Settled:
        """Follow the flow from `x0` until it returns to itself; `expected` is a guess of the period.

        Windows of several periods are followed one after another, each with a section through the middle of what the
        window before covered. Slow convergence is sped up by extrapolating the sequence of returns.
        """
        n = len(x0)
        x = np.array(x0, dtype=float)
        state = _Section(component=0, level=np.nan)
        clock = np.array([0.0, 1e-3 * expected])
        window = _WINDOW * expected
        times, states = np.empty(_CROSSINGS), np.empty((_CROSSINGS, n))
        counts = np.zeros(2, dtype=np.int64)
        atol = 1e-3 * _RTOL * self.scale
        last_jump, failed, wait = np.inf, 0, 0
        for _ in range(_WINDOWS if n <= 20 else _WINDOWS_LARGE):
            low, high = x.copy(), x.copy()
            counts[1] = _STEPS
            why = follow(
                self.rhs, self.p, self.c, x, clock, window, _RTOL, atol, state.component, state.level, low, high,
                times, states, counts,
            )  # fmt: skip
            extent = (high - low) / self.scale
            size = float(np.max(extent))
            if why == BAD_VALUES or not np.all(np.isfinite(x)) or np.max(np.abs(x) / self.scale) > _FAR:
                return Settled("it leaves the bounded states", x)
            if why == TOO_MANY_STEPS:
                return Settled("it is too stiff for the integrator", x)
            if size < _REST:
                return Settled("it comes to rest at an equilibrium", x)
            m = int(counts[0])
            if m < 2 + _IN_A_ROW and not np.isnan(state.level):
                window *= 2.0
                if window > 2 * _LONGEST * expected:
                    return Settled("its period grows beyond all bounds", x)
            found = _returns(times[:m], states[:m] / self.scale, size)
            if found is not None and found.converged:
                return Settled("cycle", states[m - 1].copy(), found.period)
            wait -= 1
            if found is not None and found.jump is not None and wait <= 0:
                length = float(np.linalg.norm(found.jump))
                # several slow directions: extrapolating one of them may lead round in circles
                failed = failed + 1 if length > 0.5 * last_jump else 0
                wait = 2**failed if failed else 0
                last_jump = length
                if not failed:
                    x = states[m - 1] + found.jump * self.scale
                    clock[1] = min(clock[1], 1e-2 * found.period)
            state = state.centred(low, high, extent)
        return Settled(IRREGULAR, x)

    def one_period(self, settled: Settled) -> Array:
        """Return states at equal times over one period, both ends included, shape (m, n); nan where it failed."""
        out = np.full((_SAMPLES, len(settled.x)), np.nan)
        sample(self.rhs, self.p, self.c, settled.x, settled.period, _RTOL, 1e-3 * _RTOL * self.scale, out)
        return out


@dataclasses.dataclass(frozen=True)
class _Section:
    """The section ``x[component] = level``, crossed upwards; level nan: none yet."""

    component: int
    level: float

    def centred(self, low: Array, high: Array, extent: Array) -> _Section:
        """Return the section unless it left the middle of the motion, or another component moves much more."""
        i, most = self.component, int(np.argmax(extent))
        reach = high[i] - low[i]
        inside = low[i] + 0.2 * reach < self.level < high[i] - 0.2 * reach
        if inside and extent[i] > 0.3 * extent[most]:
            return self
        return _Section(most, 0.5 * float(low[most] + high[most]))


@dataclasses.dataclass(frozen=True)
class _Return:
    period: float
    converged: bool
    jump: Array | None


def _returns(times: Array, states: Array, size: float) -> _Return | None:
    """Look for a return after the k-th crossing, k as small as possible; states in units of the scale.

    A larger k counts only where it returns much more closely than smaller ones, which return after every period too.
    One close return happens by chance in chaos: several in a row are asked for.
    """
    closest = np.inf
    for k in range(1, 7):
        if len(times) < 2 * k + _IN_A_ROW:
            return None
        steps = states[k:] - states[:-k]
        distances = np.linalg.norm(steps, axis=1)
        now, before = steps[-1], steps[-1 - k]
        d_now, d_before = float(distances[-1]), float(distances[-1 - k])
        if d_now > min(0.3 * size, 0.05 * closest):
            closest = min(closest, d_now)
            continue
        closest = d_now
        period = float(times[-1] - times[-1 - k])
        close = bool(np.all(distances[-k - _IN_A_ROW :] <= 1e-2 * size))
        # multiplier of the slowest direction, if one dominates
        ratio = float(now @ before) / max(d_before**2, 1e-300)
        dominates = abs(ratio) * d_before > 0.95 * d_now
        if close and (d_now <= _EXACT * size or (max(d_now, d_before) <= _NOISE * size and not dominates)):
            return _Return(period, converged=True, jump=None)
        rate = d_now / max(d_before, 1e-300)
        if close and rate < 0.999 and d_now * max(1.0, rate / (1.0 - rate)) <= _RETURN * size:
            return _Return(period, converged=True, jump=None)
        if dominates and (0.3 < ratio < 0.999 or -0.95 < ratio < -0.3):
            jump = now * (ratio / (1.0 - ratio))
            length = float(np.linalg.norm(jump))
            return _Return(period, converged=False, jump=jump * min(1.0, 0.5 * size / length))
        if d_now <= _CLOSE * size:
            return None  # on its way to this return
    return None
