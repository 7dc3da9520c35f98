"""Whether a network makes the steps that were recorded, and what is wrong if it does not."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import InputError
from ntkcont.models.activations import find_phi
from ntkcont.models.model import Array
from ntkcont.models.network_input import frozen_array

if TYPE_CHECKING:
    from ntkcont.models.networks import RateRNN

_ACTIVATIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0.0),
    "softplus": lambda v: np.logaddexp(v, 0.0),
    "sigmoid": lambda v: 0.5 + 0.5 * np.tanh(0.5 * v),
    "retanh": lambda v: np.maximum(np.tanh(v), 0.0),
}
_SEARCHED = 300  # steps
_FITTED = 4  # a fit to fewer steps explains anything
_BETTER = 0.1  # a change that leaves more than this part of the error explains nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What :meth:`ntkcont.RateRNN.reproduces` found.

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


class _Variant(NamedTuple):
    """What may be wrong: the step from t to t + 1 sees ``inputs[t + shift]``."""

    transposed: bool
    form: str
    phi: str
    shift: int


@dataclasses.dataclass(kw_only=True)
class _Trial:
    """The recorded steps, and the network as plain arrays."""

    z: Array  # before each step, (T - 1, n)
    after: Array
    currents: Array  # W_in u at each recorded time, (T, n)
    W: Array
    b: Array
    gain: float
    phi_gain: Array
    leak: Array  # alpha, or dt / tau
    phis: dict[str, Any]
    products: dict[tuple[bool, str], Array] = dataclasses.field(default_factory=dict)

    def around(self, step: int) -> _Trial:
        """Return the part of the trial that is searched for a cause."""
        start = max(0, min(step - _SEARCHED // 2, len(self.z) - _SEARCHED))
        part = slice(start, start + _SEARCHED)
        currents = self.currents[start : start + _SEARCHED + 1]
        return dataclasses.replace(self, z=self.z[part], after=self.after[part], currents=currents, products={})

    def rows(self, variant: _Variant) -> slice:
        """Return the steps whose input is in the recording."""
        return slice(max(0, -variant.shift), len(self.z) - max(0, variant.shift - 1))

    def argument(self, variant: _Variant) -> Array:
        """Return gain W v + W_in u + b of these steps."""
        key = (variant.transposed, variant.phi if variant.form == "synaptic" else "")
        if key not in self.products:
            v = self.phis[variant.phi](self.phi_gain * self.z) if variant.form == "synaptic" else self.z
            self.products[key] = self.gain * v @ (self.W if variant.transposed else self.W.T)  # rows are steps
        rows = self.rows(variant)
        currents = self.currents[rows.start + variant.shift : rows.stop + variant.shift]
        return self.products[key][rows] + currents + self.b

    def toward(self, variant: _Variant, argument: Array) -> Array:
        """Return a(z) - z of these steps."""
        a = argument if variant.form == "synaptic" else self.phis[variant.phi](self.phi_gain * argument)
        return a - self.z[self.rows(variant)]

    def errors(self, variant: _Variant, toward: Array, leak: Any = None) -> Array:
        """Return the step of the variant minus the recorded one."""
        rows = self.rows(variant)
        return self.z[rows] + (self.leak if leak is None else leak) * toward - self.after[rows]


def reproduction(
    net: RateRNN,
    states: ArrayLike,
    inputs: ArrayLike | None,
    params: Mapping[str, float] | None,
    *,
    dt: float | None,
    tol: float,
) -> Reproduction:
    """Do the work of :meth:`ntkcont.RateRNN.reproduces`."""
    trial = _read(net, states, inputs, params, dt)
    phi = find_phi(net.phi).name
    scale = float(np.max(np.abs(trial.z))) or 1.0
    own = [_Variant(False, net.form, phi, shift) for shift in ((0,) if inputs is None else (1, 0))]
    errors = [np.abs(trial.errors(variant, trial.toward(variant, trial.argument(variant)))) for variant in own]
    best = int(np.argmin([np.max(e) for e in errors]))
    error = float(np.max(errors[best]))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(errors[best]), errors[best].shape))
    ok = error <= tol * scale
    sees = "" if inputs is None or not ok else ("inputs[t + 1]", "inputs[t]")[best]
    report: dict[str, Any] = {"error": error, "scale": scale, "ok": ok, "sees": sees, "worst": worst}
    if ok:
        return Reproduction(cause="", changes={}, error_after=error, **report)
    shifts = (0,) if inputs is None else (1, 0, 2, -1)
    changes, left = _explain(_candidates(trial.around(worst[0]), own[best], shifts, dt), tol * scale)
    if not changes or left > max(_BETTER * error, tol * scale):
        cause = (
            "no change of W, form, phi, input timing, leak or bias explains it; are these states of this network, "
            "before the activation, without noise?"
        )
        return Reproduction(cause=cause, changes={}, error_after=error, **report)
    return Reproduction(cause=_in_words(changes), changes=changes, error_after=left, **report)


def _read(net: RateRNN, states: Any, inputs: Any, params: Mapping[str, float] | None, dt: float | None) -> _Trial:
    z = frozen_array(states, "states")
    n = net.n
    if z.ndim != 2 or z.shape[1] != n or z.shape[0] < 2:
        hint = "; give one trial, states[:, k] or states[k]" if z.ndim == 3 else ""
        hint = "; give its transpose, states.T" if z.ndim == 2 and z.shape[0] == n else hint
        msg = f"states: shape {z.shape} was given; with {n} units it must be (T, {n}), T at least 2{hint}"
        raise InputError(msg)
    if net.alpha is None and (dt is None or not dt > 0.0):
        msg = f"dt: {dt!r} was given; the network is a flow, so give the step of the recorded Euler integration"
        raise InputError(msg)
    if net.alpha is not None and dt is not None:
        msg = f"dt: {dt!r} was given, but the network is a map, whose step is alpha; leave dt out"
        raise InputError(msg)
    values = net.values(params)
    if inputs is None:
        currents = np.broadcast_to(values[1:] @ net.drives, z.shape)
    else:
        currents = _currents(net, frozen_array(inputs, "inputs"), z.shape[0])
    phis = dict(_ACTIVATIONS)
    own = find_phi(net.phi)
    if own.numba is not None:
        phis[own.name] = np.vectorize(own.numba, otypes=[float])
    return _Trial(
        z=z[:-1],
        after=z[1:],
        currents=currents,
        W=net.effective_W(),
        b=net.b,
        gain=float(values[0]),
        phi_gain=net.phi_gain,
        leak=net.alpha if net.alpha is not None else (dt or 0.0) / net.tau,
        phis=phis,
    )


def _currents(net: RateRNN, inputs: Array, times: int) -> Array:
    if net.W_in is None:
        msg = "inputs: the network has no W_in; build it with W_in of shape (n, d), or leave the inputs out"
        raise InputError(msg)
    d = net.W_in.shape[1]
    if inputs.shape != (times, d):
        hint = "; give its transpose, inputs.T" if inputs.shape == (d, times) else ""
        msg = f"inputs: shape {inputs.shape} was given; it must be ({times}, {d}), one row per recorded state{hint}"
        raise InputError(msg)
    return inputs @ net.W_in.T


def _with_leak(trial: _Trial, variant: _Variant, toward: Array) -> tuple[float, float]:
    """Return the one leak for all units that fits best, and the error that is left."""
    moved = trial.errors(variant, toward, leak=0.0)  # minus the recorded movement
    leak = -float(np.sum(moved * toward)) / max(float(np.sum(toward**2)), 1e-300)
    return leak, _largest(trial.errors(variant, toward, leak))


def _with_bias(trial: _Trial, variant: _Variant, argument: Array) -> tuple[Array, float]:
    """Return the bias that is missing from each unit, by damped Gauss-Newton, and the error that is left."""
    bias, h = np.zeros(trial.b.size), 1e-6
    for _ in range(20):
        error = trial.errors(variant, trial.toward(variant, argument + bias))
        right, left = (trial.toward(variant, argument + bias + d) for d in (h, -h))
        slope = trial.leak * (right - left) / (2 * h)
        step = np.sum(slope * error, axis=0) / np.maximum(np.sum(slope**2, axis=0), 1e-300)
        bias = bias - np.clip(step, -1.0, 1.0)
        if np.all(np.abs(step) < 1e-10):
            break
    return bias, _largest(trial.errors(variant, trial.toward(variant, argument + bias)))


def _largest(errors: Array) -> float:
    return float(np.max(np.abs(errors), initial=0.0))


def _explain(candidates: Iterator[tuple[int, dict[str, Any], float]], small: float) -> tuple[dict[str, Any], float]:
    """Return the fewest changes that bring the error below `small`, or else those that are worth their number."""
    best: tuple[dict[str, Any], float] = ({}, np.inf)
    for _, group in itertools.groupby(candidates, key=lambda item: item[0]):
        found = min(((changes, left) for _, changes, left in group), key=lambda item: item[1])
        if found[1] <= small:
            return found
        if found[1] < _BETTER * best[1]:  # one more change must explain much more
            best = found
    return best


def _candidates(
    trial: _Trial, own: _Variant, shifts: tuple[int, ...], dt: float | None
) -> Iterator[tuple[int, dict[str, Any], float]]:
    """Yield the number of changes, the changes and the error that they leave, the fewest changes first."""
    variants = itertools.product((False, True), ("synaptic", "rate"), trial.phis, shifts)
    described = [(_changes(own, variant), variant) for variant in map(_Variant._make, variants)]
    for count in range(1, 5):
        for changes, variant in described:
            if len(changes) not in (count, count - 1) or len(trial.z[trial.rows(variant)]) == 0:
                continue
            argument = trial.argument(variant)
            toward = trial.toward(variant, argument)
            if len(changes) == count:
                yield count, changes, _largest(trial.errors(variant, toward))
            elif len(trial.z) >= _FITTED:
                leak, left = _with_leak(trial, variant, toward)
                if leak > 0.0:
                    yield count, {**changes, **({"alpha": leak} if dt is None else {"tau": dt / leak})}, left
                if count <= 2:
                    bias, left = _with_bias(trial, variant, argument)
                    yield count, {**changes, "b": bias}, left


def _changes(own: _Variant, variant: _Variant) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if variant.transposed:
        changes["W"] = "transposed"
    if variant.form != own.form:
        changes["form"] = variant.form
    if variant.phi != own.phi:
        changes["phi"] = variant.phi
    if variant.shift not in (0, 1):  # both of these are conventions, not errors
        changes["inputs"] = variant.shift
    return changes


def _in_words(changes: Mapping[str, Any]) -> str:
    words = []
    for name, value in changes.items():
        if name == "W":
            words.append("W is transposed: give W.T")
        elif name == "inputs" and value > 1:
            words.append("the inputs are recorded one step too late: give states[:-1] with inputs[1:]")
        elif name == "inputs":
            words.append("the inputs are recorded one step too early: give states[1:] with inputs[:-1]")
        elif name == "b":
            words.append(f"a bias is missing: add changes['b'], of size {np.max(np.abs(value)):.3g}, to b")
        elif name == "tau":
            words.append(f"tau or dt is wrong: give tau={value:.6g} with this dt")
        elif name == "alpha":
            words.append(f"{name} is wrong: give {name}={value:.6g}")
        else:
            words.append(f"{name} is wrong: give {name}={value!r}")
    return "; and ".join(words)
