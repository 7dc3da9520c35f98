"""What may be wrong with a rate network that does not make the recorded steps."""

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
from ntkcont.models.reproduces import (
    Candidate,
    Reproduction,
    Trial,
    largest,
    read_trial,
    reproduction,
    shift_in_words,
)

if TYPE_CHECKING:
    from ntkcont.models.networks import RateRNN

_ACTIVATIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0.0),
    "softplus": lambda v: np.logaddexp(v, 0.0),
    "sigmoid": lambda v: 0.5 + 0.5 * np.tanh(0.5 * v),
    "retanh": lambda v: np.maximum(np.tanh(v), 0.0),
}
_FITTED = 4  # a fit to fewer steps explains anything
_NOTHING = (
    "no change of W, form, phi, input timing, leak or bias explains it; are these states of this network, "
    "before the activation, without noise?"
)


class _Variant(NamedTuple):
    """What may be wrong: the step from t to t + 1 sees ``inputs[t + shift]``."""

    transposed: bool
    form: str
    phi: str
    shift: int


@dataclasses.dataclass(kw_only=True)
class _RateTrial(Trial[_Variant]):
    """The recorded steps, and the network as plain arrays; currents are W_in u."""

    W: Array
    b: Array
    gain: float
    phi_gain: Array
    leak: Array  # alpha, or dt / tau
    phis: dict[str, Any]
    products: dict[tuple[bool, str], Array] = dataclasses.field(init=False, default_factory=dict)

    def argument(self, variant: _Variant) -> Array:
        """Return gain W v + W_in u + b of these steps."""
        key = (variant.transposed, variant.phi if variant.form == "synaptic" else "")
        if key not in self.products:
            v = self.phis[variant.phi](self.phi_gain * self.z) if variant.form == "synaptic" else self.z
            self.products[key] = self.gain * v @ (self.W if variant.transposed else self.W.T)  # rows are steps
        return self.products[key][self.rows(variant.shift)] + self.seen(variant.shift) + self.b

    def toward(self, variant: _Variant, argument: Array) -> Array:
        """Return a(z) - z of these steps."""
        a = argument if variant.form == "synaptic" else self.phis[variant.phi](self.phi_gain * argument)
        return a - self.z[self.rows(variant.shift)]

    def errors(self, variant: _Variant, toward: Array, leak: Any = None) -> Array:
        """Return the step of the variant minus the recorded one."""
        rows = self.rows(variant.shift)
        return self.z[rows] + (self.leak if leak is None else leak) * toward - self.after[rows]

    def step_errors(self, variant: _Variant) -> Array:
        """Return the steps of a variant minus the recorded ones."""
        return self.errors(variant, self.toward(variant, self.argument(variant)))


def rate_reproduction(
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
    own = [_Variant(False, net.form, phi, shift) for shift in ((0,) if inputs is None else (1, 0))]
    shifts = (0,) if inputs is None else (1, 0, 2, -1)

    def candidates(part: _RateTrial, best: _Variant) -> Iterator[Candidate]:
        return _candidates(part, best, shifts, dt)

    return reproduction(trial, own, candidates, _in_words, _NOTHING, tol)


def _read(net: RateRNN, states: Any, inputs: Any, params: Mapping[str, float] | None, dt: float | None) -> _RateTrial:
    values = net.values(params)
    z, currents = read_trial(states, inputs, net.n, values[1:] @ net.drives, net.W_in, "W_in")
    if net.alpha is None and (dt is None or not dt > 0.0):
        msg = f"dt: {dt!r} was given; the network is a flow, so give the step of the recorded Euler integration"
        raise InputError(msg)
    if net.alpha is not None and dt is not None:
        msg = f"dt: {dt!r} was given, but the network is a map, whose step is alpha; leave dt out"
        raise InputError(msg)
    phis = dict(_ACTIVATIONS)
    own = find_phi(net.phi)
    if own.numba is not None:
        phis[own.name] = np.vectorize(own.numba, otypes=[float])
    return _RateTrial(
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


def _with_leak(trial: _RateTrial, variant: _Variant, toward: Array) -> tuple[float, float]:
    """Return the one leak for all units that fits best, and the error that is left."""
    moved = trial.errors(variant, toward, leak=0.0)  # minus the recorded movement
    leak = -float(np.sum(moved * toward)) / max(float(np.sum(toward**2)), 1e-300)
    return leak, largest(trial.errors(variant, toward, leak))


def _with_bias(trial: _RateTrial, variant: _Variant, argument: Array) -> tuple[Array, float]:
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
    return bias, largest(trial.errors(variant, trial.toward(variant, argument + bias)))


def _candidates(trial: _RateTrial, own: _Variant, shifts: tuple[int, ...], dt: float | None) -> Iterator[Candidate]:
    """Yield the number of changes, the changes and the error that they leave, the fewest changes first."""
    variants = itertools.product((False, True), ("synaptic", "rate"), trial.phis, shifts)
    described = [(_changes(own, variant), variant) for variant in map(_Variant._make, variants)]
    for count in range(1, 5):
        for changes, variant in described:
            if len(changes) not in (count, count - 1) or len(trial.z[trial.rows(variant.shift)]) == 0:
                continue
            argument = trial.argument(variant)
            toward = trial.toward(variant, argument)
            if len(changes) == count:
                yield count, changes, largest(trial.errors(variant, toward))
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
        elif name == "inputs":
            words.append(shift_in_words(value))
        elif name == "b":
            words.append(f"a bias is missing: add changes['b'], of size {np.max(np.abs(value)):.3g}, to b")
        elif name == "tau":
            words.append(f"tau or dt is wrong: give tau={value:.6g} with this dt")
        elif name == "alpha":
            words.append(f"{name} is wrong: give {name}={value:.6g}")
        else:
            words.append(f"{name} is wrong: give {name}={value!r}")
    return "; and ".join(words)
