"""The JAX twin of a model that exists only as compiled code: callbacks, with derivatives of their own."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array, Compiled

_STEP = 1e-3
HIGHEST_ORDER = 3


class Twin:
    """``f(x, p, theta)`` through ``jax.pure_callback``; first derivatives are the compiled ``jac`` and ``dfdp``.

    Second and third derivatives are central differences of fourth order of those.  Batches (``jax.vmap``) call the
    compiled function once for each element.
    """

    def __init__(self, compiled: Compiled, n: int, m: int) -> None:
        self.compiled, self.n, self.m = compiled, n, m

    def __call__(self, x: Any, p: Any, theta: Any) -> Any:  # noqa: ARG002
        """Evaluate the twin at x (n,) and p (m,); `theta` is not used."""
        import jax.numpy as jnp

        kind = jnp.result_type(x, p, jnp.float32)
        z = jnp.concatenate([jnp.asarray(x, dtype=kind), jnp.asarray(p, dtype=kind)])
        return self.order(0)(z)

    @functools.cache  # noqa: B019  (a model keeps its twin anyway)
    def order(self, k: int) -> Any:
        """Return the k-th derivative in z = (x, p), shape ``(n,) + k * (n + m,)``, as a function JAX can transform."""
        import jax
        import jax.numpy as jnp

        if k > HIGHEST_ORDER:
            msg = f"from_numba: derivatives above order {HIGHEST_ORDER} do not exist; use from_equations or from_jax"
            raise InputError(msg)
        shape = (self.n,) + k * (self.n + self.m,)

        @jax.custom_jvp
        def derivative(z: Any) -> Any:
            def host(values: Any) -> Any:
                return self.value(k, np.asarray(values, dtype=float)).astype(values.dtype)

            return jax.pure_callback(host, jax.ShapeDtypeStruct(shape, z.dtype), z, vmap_method="sequential")

        @derivative.defjvp
        def _(primals: Any, tangents: Any) -> Any:
            (z,), (t,) = primals, tangents
            return derivative(z), jnp.tensordot(self.order(k + 1)(z), t, 1)

        return derivative

    def value(self, k: int, z: Array) -> Array:
        """Return the k-th derivative at z, computed by the compiled functions."""
        n, m = self.n, self.m
        x, p = z[:n].copy(), np.concatenate([z[n:], np.zeros(m)])
        nothing = np.zeros(0)
        if k == 0:
            out = np.empty(n)
            self.compiled.rhs(out, x, p, nothing)
            return out
        if k == 1:
            out = np.empty((n, n + m))
            square, column = np.empty((n, n)), np.empty(n)
            self.compiled.jac(square, x, p, nothing)
            out[:, :n] = square
            for j in range(m):
                p[m:] = 0.0
                p[m + j] = 1.0
                self.compiled.dfdp(column, x, p, nothing)
                out[:, n + j] = column
            return out
        slices = []
        for j in range(n + m):
            h = _STEP * 10 ** (k - 2) * max(1.0, abs(z[j]))

            def shifted(factor: float, j: int = j, h: float = h) -> Array:
                y = z.copy()
                y[j] += factor * h
                return self.value(k - 1, y)

            slices.append((8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * h))
        return np.stack(slices, axis=-1)
