"""JAX twins of networks, with all numbers as arguments: networks of one structure share what JAX compiles of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkTwin:
    """The twin ``f(x, p, theta, u=None)`` of one network.

    Parameters
    ----------
    function : callable
        ``function(numbers, x, p, theta, u)``, one object for all networks of a structure.
    numbers : pytree of arrays
        What the network has besides theta, such as time constants and masks; None in it: there is none.
    """

    function: Callable[..., Any]
    numbers: Any

    def __call__(self, x: Any, p: Any, theta: Any, u: Any = None) -> Any:
        """Evaluate at the state x (n,), parameters p (M,), weights theta and a time-dependent input u (d,)."""
        return self.function(self.numbers, x, p, theta, u)


def split_twin(twin: Callable[..., Any]) -> tuple[Callable[..., Any], Any]:
    """Return what compiled code closes over (and is cached by), and the numbers that it takes as an argument."""
    return (twin.function, twin.numbers) if isinstance(twin, NetworkTwin) else (twin, None)


def joined_twin(function: Callable[..., Any], numbers: Any) -> Callable[..., Any]:
    """Return the twin from both parts, inside compiled code."""
    return function if numbers is None else NetworkTwin(function, numbers)


# ---------------------------------------------------------------- rate networks


@functools.lru_cache(maxsize=64)
def rate_function(phi: Callable[[Any], Any], rate_form: bool, is_map: bool) -> Callable[..., Any]:
    """Return the function of rate networks with one activation; its numbers are those of :func:`rate_numbers`."""

    def rate_network(numbers: Any, x: Any, p: Any, theta: Any, u: Any) -> Any:
        drive = theta["b"]
        constant = None if numbers["vectors"] is None else p[1:] @ numbers["vectors"]
        total = _sum(constant, u)
        if total is not None:
            drive = drive + theta["W_in"] @ total
        g, leak = numbers["phi_gain"], numbers["leak"]
        if rate_form:
            a = phi(g * (p[0] * _times_weights(numbers, theta, x) + drive))
        else:
            a = p[0] * _times_weights(numbers, theta, phi(g * x)) + drive
        return ((1.0 - leak) * x + leak * a if is_map else (a - x) / leak).reshape(x.shape)

    return rate_network


def _sum(constant: Any, u: Any) -> Any:
    if constant is None or u is None:
        return u if constant is None else constant
    return constant + u


def _times_weights(numbers: Any, theta: Any, v: Any) -> Any:
    """Return W v with the effective weights, differentiable in theta and v."""
    import jax.numpy as jnp

    if "U" in theta:
        found = theta["U"] @ (theta["V"].T @ v)
        return found + theta["D"] * v if "D" in theta else found
    weights, mask, sign = theta["W"], numbers["mask"], numbers["sign"]
    if sign is not None:
        weights = jnp.where(weights <= 0.0, 0.0, weights)
    if numbers["pattern"] is not None:
        rows, columns, factor = numbers["pattern"]
        return jnp.zeros(v.shape, v.dtype).at[rows].add(weights * factor * v[columns])
    if sign is not None:
        weights = weights * sign
    return (weights if mask is None else weights * mask) @ v


# ---------------------------------------------------------------- gated recurrent units


def gru_function(numbers: Any, x: Any, p: Any, theta: Any, u: Any) -> Any:
    """Evaluate a layer of gated recurrent units; `numbers` are the vectors (K, d) of its named inputs, or None."""
    from jax.nn import sigmoid
    from jax.numpy import tanh

    n = x.shape[0]
    total = _sum(None if numbers["vectors"] is None else p[1:] @ numbers["vectors"], u)
    drive = theta["b_ih"] if total is None else theta["b_ih"] + theta["W_ih"] @ total
    recurrent = p[0] * (theta["W_hh"] @ x) + theta["b_hh"]
    r = sigmoid(drive[:n] + recurrent[:n])
    z = sigmoid(drive[n : 2 * n] + recurrent[n : 2 * n])
    candidate = tanh(drive[2 * n :] + r * recurrent[2 * n :])
    return (1.0 - z) * candidate + z * x
