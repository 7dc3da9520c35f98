r"""Second and third derivatives of rate networks in closed form: one product with W for each direction.

Along (x, p) the gain and the input are linear in the free parameter, so with ``a = g x`` (synaptic form) the
derivatives of ``gain W phi(a)`` are ``gain W (phi'' a_u a_v) + gain' W (phi' (s_v a_u + s_u a_v))``, and so on; in the
rate form phi is outermost and its argument is bilinear in x and p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.models.model import Array, Model
from ntkcont.models.network_weights import sparse_pattern
from ntkcont.models.networks import LowRank, RateRNN
from ntkcont.normal_forms.activations import phi_derivatives
from ntkcont.normal_forms.derivatives import Derivatives, Vector


def network_of(model: Model) -> RateRNN | None:
    """Return the rate network behind a model (also one whose parameters move together), or None."""
    base = model if model.base is None else model.base
    return base if isinstance(base, RateRNN) else None


def product(network: RateRNN) -> Callable[[Vector], Vector]:
    """Return ``v -> W v`` with the effective weights in the form they are stored in, for real and complex v."""
    W: Any = network.W
    if isinstance(W, LowRank):
        low_rank = W

        def real(v: Array) -> Array:
            return low_rank @ v

    else:
        if isinstance(W, np.ndarray):
            weights = network.effective_W()
        else:
            weights = W.copy()
            _, _, factor = sparse_pattern(W, network.mask, network.sign)
            weights.data = factor * (W.data if network.sign is None else np.maximum(W.data, 0.0))

        def real(v: Array) -> Array:
            return weights @ v

    def multiply(v: Vector) -> Vector:
        if not np.iscomplexobj(v):
            return real(v)
        columns = real(np.stack([np.real(v), np.imag(v)], axis=1))
        return columns[:, 0] + 1j * columns[:, 1]

    return multiply


class NetworkDerivatives(Derivatives):
    """Exact derivatives of a rate network.

    Parameters
    ----------
    network : RateRNN
    x : ndarray, shape (n,)
    p, dp : ndarray, shape (1 + K,)
        Gain and inputs at the point, and their derivatives in the free parameter.
    """

    def __init__(self, network: RateRNN, x: Array, p: Array, dp: Array) -> None:
        self.multiply = product(network)
        self.leak = 1.0 / network.tau if network.alpha is None else network.alpha
        self.g, self.gain, self.d_gain = network.phi_gain, float(p[0]), float(dp[0])
        self.rate_form = network.form == "rate"
        if self.rate_form:
            Wx = self.multiply(x)
            argument = self.g * (self.gain * Wx + network.b + p[1:] @ network.drives)
            self.by_p = self.g * (self.d_gain * Wx + dp[1:] @ network.drives)
        else:
            argument = self.g * x
            self.by_p = np.zeros_like(x)
        self.phi = phi_derivatives(network.phi, argument)

    def _inner(self, u: Vector) -> Vector:
        """Return the derivative of the argument of phi along the direction u."""
        return self.g * (self.gain * self.multiply(u[:-1])) + u[-1] * self.by_p if self.rate_form else self.g * u[:-1]

    def _twice(self, u: Vector, v: Vector) -> Vector:
        """Return the second derivative of the argument of phi (rate form)."""
        if self.d_gain == 0.0 or (u[-1] == 0.0 and v[-1] == 0.0):
            return np.zeros(self.by_p.size)
        return self.g * self.d_gain * self.multiply(u[-1] * v[:-1] + v[-1] * u[:-1])

    def second(self, u: Vector, v: Vector) -> Vector:  # noqa: D102
        one, two, _ = self.phi
        a, b = self._inner(u), self._inner(v)
        if self.rate_form:
            return self.leak * (two * a * b + one * self._twice(u, v))
        return self.leak * self.multiply(self.gain * two * a * b + self.d_gain * one * (u[-1] * b + v[-1] * a))

    def third(self, u: Vector, v: Vector, w: Vector) -> Vector:  # noqa: D102
        _, two, three = self.phi
        a, b, c = self._inner(u), self._inner(v), self._inner(w)
        if self.rate_form:
            mixed = self._twice(u, v) * c + self._twice(u, w) * b + self._twice(v, w) * a
            return self.leak * (three * a * b * c + two * mixed)
        mixed = u[-1] * b * c + v[-1] * a * c + w[-1] * a * b
        return self.leak * self.multiply(self.gain * three * a * b * c + self.d_gain * two * mixed)
