"""Whether a network makes the steps that were recorded, and what is wrong if it does not: what all networks share."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array
from ntkcont.models.network_input import frozen_array

Variant = TypeVar("Variant")
Candidate = tuple[int, dict[str, Any], float]  # how many changes, which, and the error that they leave

_SEARCHED = 300  # steps
_BETTER = 0.1  # a change that leaves more than this part of the error explains nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What ``reproduces`` of a network (:class:`ntkcont.RateRNN`, :class:`ntkcont.GRU`) found.

    Attributes
    ----------
    error : float
        Largest difference between a step of the network and the next recorded state.
    scale : float
        Largest absolute recorded state.
    ok : bool
        Whether ``error <= tol * scale``.
    cause : str
        The likely cause of the error and its remedy, empty if there is none.
    changes : mapping
        The same for programs: which arguments to change, such as ``{"W": "transposed", "alpha": 0.2}``.
    error_after : float
        The error that is left after these changes, over the (at most 300) steps around the worst one.
    sees : str
        Which input the step from t to t + 1 sees, "inputs[t + 1]" or "inputs[t]"; empty without inputs or if not ok.
    worst : tuple of int
        The step t and the unit where the error is largest.
    """

    error: float
    scale: float
    ok: bool
    cause: str
    changes: Mapping[str, Any]
    error_after: float
    sees: str
    worst: tuple[int, int]

    def __repr__(self) -> str:
        size = f"one-step error {self.error:.2g} (largest |state| {self.scale:.3g})"
        if self.ok:
            return f"reproduced: {size}" + (f"; a step sees {self.sees}" if self.sees else "")
        where = f"largest at step {self.worst[0]}, unit {self.worst[1]}"
        left = f"; with that the error is {self.error_after:.2g}" if self.changes else ""
        return f"NOT reproduced: {size}, {where}. {self.cause[:1].upper()}{self.cause[1:]}{left}" + "." * bool(left)


@dataclasses.dataclass(kw_only=True)
class Trial(Generic[Variant]):
    """The recorded steps, and a network as plain arrays; a variant is the network with something changed."""

    z: Array  # before each step, (T - 1, n)
    after: Array
    currents: Array  # what the inputs add at each recorded time, (T, rows)

    def around(self, step: int) -> Self:
        """Return the part of the trial that is searched for a cause."""
        start = max(0, min(step - _SEARCHED // 2, len(self.z) - _SEARCHED))
        part = slice(start, start + _SEARCHED)
        currents = self.currents[start : start + _SEARCHED + 1]
        return dataclasses.replace(self, z=self.z[part], after=self.after[part], currents=currents)

    def rows(self, shift: int) -> slice:
        """Return the steps whose input is recorded, where the step from t to t + 1 sees ``inputs[t + shift]``."""
        return slice(max(0, -shift), len(self.z) - max(0, shift - 1))

    def seen(self, shift: int) -> Array:
        """Return what the inputs add in these steps."""
        rows = self.rows(shift)
        return self.currents[rows.start + shift : rows.stop + shift]

    def step_errors(self, variant: Variant) -> Array:
        """Return the steps of a variant minus the recorded ones."""
        raise NotImplementedError


def read_trial(states: Any, inputs: Any, n: int, drive: Array, weights: Array | None, name: str) -> tuple[Array, Array]:
    """Return the recorded states (T, n) and what the inputs add; `drive` is that where none are recorded."""
    z = frozen_array(states, "states")
    if z.ndim != 2 or z.shape[1] != n or z.shape[0] < 2:
        hint = "; give one trial, states[:, k] or states[k]" if z.ndim == 3 else ""
        hint = "; give its transpose, states.T" if z.ndim == 2 and z.shape[0] == n else hint
        msg = f"states: shape {z.shape} was given; with {n} units it must be (T, {n}), T at least 2{hint}"
        raise InputError(msg)
    times = z.shape[0]
    if inputs is None:
        return z, np.broadcast_to(drive, (times, drive.size))
    given = frozen_array(inputs, "inputs")
    if weights is None:
        shape = "(n, d)" if name == "W_in" else "(3n, d)"
        msg = f"inputs: the network has no {name}; build it with {name} of shape {shape}, or leave the inputs out"
        raise InputError(msg)
    d = weights.shape[1]
    if given.shape != (times, d):
        hint = "; give its transpose, inputs.T" if given.shape == (d, times) else ""
        msg = f"inputs: shape {given.shape} was given; it must be ({times}, {d}), one row per recorded state{hint}"
        raise InputError(msg)
    return z, given @ weights.T


def reproduction(
    trial: Trial[Variant],
    own: Sequence[Variant],
    candidates: Callable[[Any, Variant], Iterator[Candidate]],
    in_words: Callable[[Mapping[str, Any]], str],
    nothing: str,
    tol: float,
) -> Reproduction:
    """Compare the network with the trial and search for the cause of an error.

    Parameters
    ----------
    trial : Trial
        The recorded steps.
    own : sequence
        The network as it is: one variant without recorded inputs, or that which sees ``inputs[t + 1]`` and that which
        sees ``inputs[t]``.
    candidates : callable
        ``candidates(part of the trial, variant)`` yields what could be changed, the fewest changes first.
    in_words : callable
        Says what the changes mean and what to do.
    nothing : str
        What to say if no change explains the error.
    tol : float
        Largest error, relative to the largest state, that counts as reproduced.
    """
    scale = float(np.max(np.abs(trial.z))) or 1.0
    errors = [np.abs(trial.step_errors(variant)) for variant in own]
    best = int(np.argmin([np.max(e) for e in errors]))
    error = float(np.max(errors[best]))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(errors[best]), errors[best].shape))
    ok = error <= tol * scale
    sees = "" if len(own) == 1 or not ok else ("inputs[t + 1]", "inputs[t]")[best]
    report: dict[str, Any] = {"error": error, "scale": scale, "ok": ok, "sees": sees, "worst": worst}
    if ok:
        return Reproduction(cause="", changes={}, error_after=error, **report)
    changes, left = _explain(candidates(trial.around(worst[0]), own[best]), tol * scale)
    if not changes or left > max(_BETTER * error, tol * scale):
        return Reproduction(cause=nothing, changes={}, error_after=error, **report)
    return Reproduction(cause=in_words(changes), changes=changes, error_after=left, **report)


def _explain(candidates: Iterator[Candidate], small: float) -> tuple[dict[str, Any], float]:
    """Return the fewest changes that bring the error below `small`, or else those that are worth their number."""
    best: tuple[dict[str, Any], float] = ({}, np.inf)
    for _, group in itertools.groupby(candidates, key=lambda item: item[0]):
        found = min(((changes, left) for _, changes, left in group), key=lambda item: item[1])
        if found[1] <= small:
            return found
        if found[1] < _BETTER * best[1]:  # one more change must explain much more
            best = found
    return best


def largest(errors: Array) -> float:
    """Return the largest absolute error, 0 of none."""
    return float(np.max(np.abs(errors), initial=0.0))


def shift_in_words(shift: int) -> str:
    """Say what to do about inputs that are recorded too late or too early."""
    if shift > 1:
        return "the inputs are recorded one step too late: give states[:-1] with inputs[1:]"
    return "the inputs are recorded one step too early: give states[1:] with inputs[:-1]"
