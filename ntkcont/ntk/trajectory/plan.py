"""What is simulated: trials, steps, recorded times, inputs and weights, read once and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Model
from ntkcont.ntk.trajectory.integrators import name_of, read_integrator

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK

Array = NDArray[np.float64]

WEIGHTS = ("none", "mean", "time")
METHODS = ("auto", "state", "parameter", "operator")
#: The arguments of StateNTK that only trajectories have, with their defaults.
DEFAULTS: dict[str, Any] = {
    "initial_states": None, "T": None, "dt": None, "record_every": 1, "weights": "none", "inputs": None,
    "loss_mask": None, "integrator": "rk4", "method": "auto", "rtol": 0.01,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Trials of one model.

    Parameters
    ----------
    initial_states : ndarray, shape (B, n), or callable
        Where the trials start, or ``(x, p) -> (B, n)``.
    steps, record_every : int
        Number of steps, and how many there are between recorded states, which divides it.
    dt : float
        Length of a step; 1 for maps.
    inputs : ndarray, shape (B, steps, d), or None
        Time-dependent inputs.
    weights : str
        "none", "mean" or "time".
    loss_mask : ndarray, shape (T,) or (B, T), or None
        What enters, and how much.
    integrator : str or solver
        How a flow is integrated.
    """

    initial_states: Any
    steps: int
    record_every: int
    dt: float
    inputs: Array | None
    weights: str
    loss_mask: Array | None
    integrator: Any

    @property
    def recorded(self) -> int:
        """Number of recorded times, T."""
        return self.steps // self.record_every

    @property
    def times(self) -> Array:
        """The recorded times (T,); those of a map are numbers of steps."""
        return self.dt * self.record_every * np.arange(1.0, self.recorded + 1.0)

    def start(self, x: Array | None, params: Mapping[str, float], n: int) -> Array:
        """Return the initial states (B, n) at a fixed point x and parameter values."""
        given = self.initial_states
        if not callable(given):
            return np.array(given)
        if x is None:
            msg = "x: not given, but initial_states is a function of the fixed point; give x, or an array (B, n)"
            raise InputError(msg)
        return _states(given(np.array(x), dict(params)), n, "initial_states(x, p)")

    def row_weights(self, kept: NDArray[np.bool_]) -> Array:
        """Return the weights (B, T) of trials and times in the kernel; 0 for trials that are not `kept`."""
        trials, times = len(kept), self.recorded
        w = np.ones((trials, times))
        if self.weights == "mean":
            w /= max(int(kept.sum()), 1) * times
        elif self.weights == "time":
            w *= self.dt * self.record_every
        if self.loss_mask is not None:
            if self.loss_mask.ndim == 2 and len(self.loss_mask) != trials:
                msg = f"loss_mask: it has {len(self.loss_mask)} trials, but there are {trials}; give (T,) or (B, T)"
                raise InputError(msg)
            w = w * self.loss_mask
        return w * kept[:, None]

    def described(self) -> dict[str, Any]:
        """Return what the metadata says about the trials."""
        return {
            "steps": self.steps,
            "dt": self.dt,
            "record_every": self.record_every,
            "recorded_times": self.recorded,
            "weights": self.weights,
            "inputs": self.inputs is not None,
            "loss_mask": self.loss_mask is not None,
            "integrator": name_of(self.integrator),
        }


def check_settings(settings: StateNTK) -> None:
    """Check what does not depend on the model; InputError if an argument of trajectories is no good, or unused."""
    if settings.kernel != "trajectory":
        for name, default in DEFAULTS.items():
            value = getattr(settings, name)
            if value is not default and not (isinstance(value, (str, int, float)) and value == default):
                msg = f"{name}: it belongs to kernel='trajectory', but the kernel is {settings.kernel!r}; leave it out"
                raise InputError(msg)
        return
    for name in ("initial_states", "T"):
        if getattr(settings, name) is None:
            what = {"initial_states": "an array (B, n) or a function (x, p) -> (B, n)", "T": "the horizon"}[name]
            msg = f"{name}: not given; kernel='trajectory' needs {what}"
            raise InputError(msg)
    if settings.conditions is not None:
        msg = "conditions: they stack equilibria; for trajectories give inputs, one for each trial"
        raise InputError(msg)
    for name, allowed in (("weights", WEIGHTS), ("method", METHODS)):
        if getattr(settings, name) not in allowed:
            raise unknown_name(argument=name, got=getattr(settings, name), allowed=allowed)
    if not _whole(settings.record_every):
        msg = f"record_every: {settings.record_every!r} was given; it must be a positive whole number of steps"
        raise InputError(msg)
    for name, form in (("T", "a positive number"), ("dt", "a positive number")):
        value = getattr(settings, name)
        if value is not None and not (_number(value) and value > 0):
            msg = f"{name}: {value!r} was given; it must be {form}"
            raise InputError(msg)
    if not (_number(settings.rtol) and 0 < settings.rtol < 1):
        msg = f"rtol: {settings.rtol!r} was given; it must be a relative error between 0 and 1, such as 0.01"
        raise InputError(msg)
    read_integrator(settings.integrator)


def read_plan(settings: StateNTK, model: Model) -> Plan:
    """Return the trials for one model, or raise InputError."""
    horizon = float(settings.T or 0.0)
    if model.kind == "map":
        if settings.dt is not None:
            msg = f"dt: {settings.dt!r} was given, but the model is a map: T counts its steps; leave dt out"
            raise InputError(msg)
        name = name_of(settings.integrator)
        if name != DEFAULTS["integrator"]:
            msg = f"integrator: {name!r} was given, but the model is a map, which is iterated; leave integrator out"
            raise InputError(msg)
        if not _whole(settings.T):
            msg = f"T: {settings.T!r} was given; of a map it counts steps, so it must be a positive whole number"
            raise InputError(msg)
        steps, dt = int(horizon), 1.0
    else:
        if settings.dt is None:
            msg = "dt: not given; a flow is integrated with fixed steps, so give their length"
            raise InputError(msg)
        dt = float(settings.dt)
        steps = round(horizon / dt)
        if steps < 1 or abs(steps * dt - horizon) > 1e-9 * horizon:
            msg = f"T: {horizon:g} is no multiple of dt = {dt:g}; the nearest horizon is {max(steps, 1) * dt:g}"
            raise InputError(msg)
    every = int(settings.record_every)
    if every > steps:
        msg = f"record_every: {every} was given, but there are only {steps} steps; nothing would be recorded"
        raise InputError(msg)
    if steps % every:
        msg = (
            f"record_every: {every} was given, which does not divide the {steps} steps, so that the last "
            f"{steps % every} would be cut off; give {_near_divisors(steps, every)}, or another T"
        )
        raise InputError(msg)
    initial = settings.initial_states
    if not callable(initial):
        initial = _states(initial, model.n, "initial_states")
    inputs = _inputs(settings.inputs, steps, initial, model.input_size)
    return Plan(
        initial_states=initial, steps=steps, record_every=every, dt=dt, inputs=inputs, weights=settings.weights,
        loss_mask=_mask(settings.loss_mask, steps // every, initial), integrator=settings.integrator,
    )  # fmt: skip


def _near_divisors(steps: int, every: int) -> str:
    """Return the divisors of a number of steps around one that is none, in words."""
    below = next(k for k in range(every, 0, -1) if steps % k == 0)
    above = next(k for k in range(every, steps + 1) if steps % k == 0)
    return f"{below} or {above}"


def _whole(value: Any) -> bool:
    return _number(value) and value == round(value) and value >= 1


def _number(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))


def _array(value: Any, argument: str, form: str) -> Array:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        msg = f"{argument}: {type(value).__name__} was given; give numbers, shape {form}"
        raise InputError(msg) from None
    if not np.all(np.isfinite(array)):
        msg = f"{argument}: it holds numbers that are not finite; give finite numbers, shape {form}"
        raise InputError(msg)
    array.flags.writeable = False
    return array


def _states(value: Any, n: int, argument: str) -> Array:
    array = _array(value, argument, f"(B, {n})")
    if array.shape == (n,):
        array = array[None]
    if array.ndim != 2 or array.shape[1] != n or not len(array):
        msg = f"{argument}: shape {array.shape}; the model has {n} states, so give (B, {n}), one row for each trial"
        raise InputError(msg)
    return array


def _inputs(value: Any, steps: int, initial: Array | Callable[..., Any], size: int | None) -> Array | None:
    if value is None:
        return None
    if size is None:
        msg = (
            "inputs: the model takes no time-dependent inputs (constant ones are parameters of any model); build a "
            "RateRNN with W_in, a GRU with W_ih, or Model.from_jax(f, ..., inputs=d) with f(x, p, theta, u)"
        )
        raise InputError(msg)
    trials = "B" if callable(initial) else str(len(initial))
    form = f"({trials}, {steps}, {size})"
    array = _array(value, "inputs", form)
    fits = array.ndim == 3 and array.shape[1:] == (steps, size)
    if not fits or (trials != "B" and str(len(array)) != trials):
        msg = f"inputs: shape {array.shape} was given; give {form}: trials, steps, input channels"
        raise InputError(msg)
    return array


def _mask(value: Any, recorded: int, initial: Array | Callable[..., Any]) -> Array | None:
    if value is None:
        return None
    trials = "B" if callable(initial) else str(len(initial))
    array = _array(value, "loss_mask", f"({trials}, {recorded})")
    fits = array.ndim in (1, 2) and array.shape[-1] == recorded
    if not fits or (array.ndim == 2 and trials != "B" and str(len(array)) != trials):
        msg = (
            f"loss_mask: shape {array.shape} was given; give ({recorded},) or ({trials}, {recorded}): "
            "trials and recorded times"
        )
        raise InputError(msg)
    if np.any(array < 0) or not np.any(array > 0):
        msg = "loss_mask: it must hold weights that are not negative (0 and 1), and not only zeros"
        raise InputError(msg)
    return array
