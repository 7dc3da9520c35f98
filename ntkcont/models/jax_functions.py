"""Functions that the JAX twins of equation models need and JAX lacks, smooth under nested differentiation."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

_TERMS = 19
_SERIES_RANGE = 1.0


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def exprel(k: int, x: Any) -> Any:
    r"""Return the k-th derivative of ``(exp(x) - 1)/x``, :math:`\int_0^1 t^k e^{x t} dt`, exact and smooth at 0.

    Examples
    --------
    >>> from ntkcont.models.jax_functions import exprel
    >>> float(exprel(0, 0.0)), float(exprel(1, 0.0))
    (1.0, 0.5)
    """
    x = jnp.asarray(x)
    return _exprel(k, x.astype(jnp.result_type(x, jnp.float32)))


@functools.partial(jax.jit, static_argnums=0)  # traced once, however often a model uses it
def _exprel(k: int, x: Any) -> Any:
    near = jnp.abs(x) <= _SERIES_RANGE
    small = jnp.where(near, x, 0.0)
    series = jnp.zeros_like(small)
    for j in range(_TERMS, -1, -1):
        series = series * small + 1.0 / (math.factorial(j) * (k + 1 + j))
    above, below = jnp.where(x > _SERIES_RANGE, x, 2.0), jnp.where(x < -_SERIES_RANGE, x, -2.0)
    scaled = -jnp.expm1(-above) / above  # times exp(-x), so that it overflows only where the result does
    falling = jnp.expm1(below) / below
    for j in range(1, k + 1):
        scaled = (1.0 - j * scaled) / above
        falling = (jnp.exp(below) - j * falling) / below
    return jnp.where(near, series, jnp.where(x > 0, scaled * jnp.exp(above), falling))


@exprel.defjvp
def _exprel_jvp(k: int, primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (x,), (t,) = primals, tangents
    return exprel(k, x), exprel(k + 1, x) * t


def step(x: Any, at_zero: Any) -> Any:
    """Return 0 for x < 0, 1 for x > 0, `at_zero` for x = 0."""
    return jnp.where(x > 0, 1.0, jnp.where(x < 0, 0.0, at_zero))


def absolute(x: Any) -> Any:
    """Return |x| with derivative sign(x), also at 0, where JAX's own has 1."""
    return x * jnp.sign(x)
