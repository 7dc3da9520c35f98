"""First, second and third derivatives of the activations of rate networks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.models.activations import Phi
from ntkcont.models.model import Array

Three = tuple[Array, Array, Array]


def _bump(x: Array) -> Array:
    """Return ``1/cosh(x)^2`` to full relative accuracy, also where tanh saturates."""
    e = np.exp(-2.0 * np.abs(x))
    return 4.0 * e / (1.0 + e) ** 2


def _tanh(x: Array) -> Three:
    t, s = np.tanh(x), _bump(x)
    return s, -2.0 * t * s, s * (4.0 * t * t - 2.0 * s)


def _sigmoid(x: Array) -> Three:
    one, two, three = _tanh(x / 2.0)
    return one / 4.0, two / 8.0, three / 16.0


def _softplus(x: Array) -> Three:
    one, two, _ = _sigmoid(x)
    return 1.0 / (1.0 + np.exp(-np.maximum(x, -700.0))), one, two


def _relu(x: Array) -> Three:
    return np.where(x > 0.0, 1.0, 0.0), np.zeros_like(x), np.zeros_like(x)


def _retanh(x: Array) -> Three:
    one, two, three = _tanh(x)
    on = x > 0.0
    return np.where(on, one, 0.0), np.where(on, two, 0.0), np.where(on, three, 0.0)


_NAMED: dict[str, Callable[[Array], Three]] = {
    "tanh": _tanh,
    "relu": _relu,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "retanh": _retanh,
}


@functools.lru_cache(maxsize=64)
def _traced(phi: Callable[[Any], Any]) -> Callable[[Any], Any]:
    jax = configured_jax()
    import jax.numpy as jnp

    def derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    one = derivative(phi)
    two = derivative(one)
    return jax.jit(lambda x: (one(x), *jax.jvp(two, (x,), (jnp.ones_like(x),))))


def phi_derivatives(phi: str | Phi, x: Array) -> Three:
    """Return phi', phi'' and phi''' at each entry of x: closed forms, or through JAX for a function of the user's."""
    if isinstance(phi, str):
        return _NAMED[phi](x)
    with x64():
        one, two, three = (np.asarray(each) for each in _traced(phi.jax)(x))
    return one, two, three
