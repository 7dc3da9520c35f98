"""Second and third derivatives of a model along directions of (x, p), real or complex.

A direction is an array of shape (n+1,): a direction of the state and one of the free parameter.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax, device, x64
from ntkcont.models.jax_twin import joined_twin, split_twin
from ntkcont.models.model import Array, Model

Vector = NDArray[Any]

# central differences of sixth order at -3 ... 3
_FIRST = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
_SECOND = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / 180.0


class Derivatives:
    """Multilinear forms of complex directions from those of real ones."""

    def real_second(self, u: Array, v: Array) -> Array:
        """Return ``D^2 F(u, v)``, shape (n,), for real directions."""
        raise NotImplementedError

    def real_third(self, u: Array, v: Array, w: Array) -> Array:
        """Return ``D^3 F(u, v, w)``, shape (n,), for real directions."""
        raise NotImplementedError

    def second(self, u: Vector, v: Vector) -> Vector:
        """Return ``D^2 F(u, v)``, shape (n,)."""
        return _expanded(self.real_second, u, v)

    def third(self, u: Vector, v: Vector, w: Vector) -> Vector:
        """Return ``D^3 F(u, v, w)``, shape (n,)."""
        return _expanded(self.real_third, u, v, w)


def _expanded(form: Callable[..., Array], *directions: Vector) -> Vector:
    """Expand a real multilinear form in the real and imaginary parts of its arguments."""
    for k, u in enumerate(directions):
        if np.iscomplexobj(u):
            before, after = directions[:k], directions[k + 1 :]
            real = _expanded(form, *before, np.ascontiguousarray(np.real(u)), *after)
            return real + 1j * _expanded(form, *before, np.ascontiguousarray(np.imag(u)), *after)
    return form(*directions)


# ---------------------------------------------------------------- through JAX


# values refer to their keys weakly, so that a model and its weights are freed with the last reference to it
_forms: weakref.WeakKeyDictionary[Callable[..., Any], dict[int, Callable[..., Any]]] = weakref.WeakKeyDictionary()
_callbacks: weakref.WeakKeyDictionary[Callable[..., Any], bool] = weakref.WeakKeyDictionary()


def _compiled_forms(function: Callable[..., Any], order: int) -> Callable[..., Any]:
    """Return a compiled function of (numbers, x, p, dp, theta, u, v[, w]); models that share a function share it."""
    known = _forms.setdefault(function, {})
    if order not in known:
        known[order] = configured_jax().jit(_second_and_third(weakref.ref(function), order))
    return known[order]


def _second_and_third(function: Callable[[], Any], order: int) -> Callable[..., Any]:
    jax = configured_jax()
    import jax.numpy as jnp

    def forms(numbers: Any, x: Any, p: Any, dp: Any, theta: Any, u: Any, v: Any, w: Any = None) -> Any:
        n, twin = x.size, joined_twin(function(), numbers)

        def f(z: Any) -> Any:
            return twin(z[:n], p + dp * z[n], theta)

        def first(z: Any) -> Any:
            return jax.jvp(f, (z,), (u,))[1]

        def second(z: Any) -> Any:
            return jax.jvp(first, (z,), (v,))[1]

        z = jnp.append(x, 0.0)
        return (second(z), None) if order == 2 else jax.jvp(second, (z,), (w,))

    return forms


class Traced(Derivatives):
    """Exact derivatives through nested ``jax.jvp``: one compilation for each order, whatever the directions.

    Parameters
    ----------
    model : Model
        Of any kind whose JAX twin can be differentiated.
    x : ndarray, shape (n,)
    p, dp : ndarray, shape (M,)
        Compiled parameters at the point, and their derivative in the free parameter.
    order : {2, 3}
        The highest derivative that will be asked for; with 2, less is compiled.
    """

    def __init__(self, model: Model, x: Array, p: Array, dp: Array, order: int) -> None:
        function, numbers = split_twin(model.jax_function)
        self.forms = _compiled_forms(function, order)
        jax = configured_jax()
        with x64():  # single points are fastest on the CPU; committed arguments keep them there
            self.arguments = jax.device_put((numbers, x, p, dp, model.theta), device("cpu"))
        self.none = np.zeros(x.size + 1)
        self.order = order

    def _both(self, u: Array, v: Array, w: Array) -> tuple[Any, Any]:
        with x64():
            return self.forms(*self.arguments, u, v, *((w,) if self.order == 3 else ()))

    def real_second(self, u: Array, v: Array) -> Array:  # noqa: D102
        return np.asarray(self._both(u, v, self.none)[0])

    def real_third(self, u: Array, v: Array, w: Array) -> Array:  # noqa: D102
        return np.asarray(self._both(u, v, w)[1])


def calls_back(model: Model) -> bool:
    """Whether the JAX twin leaves JAX (compiled models), so that its own derivatives are not exact."""
    function = split_twin(model.jax_function)[0]
    known = _callbacks.get(function)
    if known is not None:
        return known
    jax = configured_jax()
    m = len(model.params) if model.matrix is None else model.matrix.shape[0]
    with x64():
        jaxpr = jax.make_jaxpr(model.jax_function)(np.zeros(model.n), np.zeros(m), model.theta)
    found = re.search(r"\b(pure|io)_callback\[", str(jaxpr)) is not None
    _callbacks[function] = found
    return found


# ---------------------------------------------------------------- by differences


class Differenced(Derivatives):
    """Central differences of sixth order of the compiled Jacobian.

    Parameters
    ----------
    model : Model
    x : ndarray, shape (n,)
    p, dp : ndarray, shape (M,)
        Compiled parameters at the point, and their derivative in the free parameter.
    value : float
        The free parameter, which sets the size of its steps.
    step : float
        Relative to the size of the state and of the parameter, or to 1 if they are smaller.
    """

    def __init__(self, model: Model, x: Array, p: Array, dp: Array, value: float, step: float) -> None:
        self.model, self.p, self.dp = model, p, dp
        self.x = np.array(x, dtype=float)  # compiled code takes no read-only arrays, such as those of special points
        self.h = step * max(1.0, float(np.linalg.norm(x)))
        self.hp = step * max(1.0, abs(value))

    def _jacobian(self, x: Array, shift: float, v: Array) -> Array:
        """Return the derivative along v, a direction of (x, p), at the state x and the parameter moved by `shift`."""
        n = self.x.size
        jac, column = np.empty((n, n)), np.empty(n)
        p = np.concatenate([self.p + shift * self.dp, self.dp])
        self.model.compiled.jac(jac, x, p, self.model.constants)
        result = jac @ v[:n]
        if v[n] != 0.0:
            self.model.compiled.dfdp(column, x, p, self.model.constants)
            result += v[n] * column
        return result

    def _along(self, weights: Array, order: int, u: Array, v: Array) -> Array:
        """Return a derivative of the Jacobian times v along the state direction u."""
        size = float(np.linalg.norm(u))
        if size == 0.0:
            return np.zeros(self.x.size)
        h = self.h / size
        points = [w * self._jacobian(self.x + k * h * u, 0.0, v) for k, w in enumerate(weights, -3) if w != 0.0]
        return np.sum(points, axis=0) / h**order

    def real_second(self, u: Array, v: Array) -> Array:  # noqa: D102
        n = self.x.size
        unit = np.zeros(n + 1)
        unit[n] = 1.0
        total = self._along(_FIRST, 1, u[:n], v)
        if u[n] != 0.0:
            total = total + u[n] * self._along(_FIRST, 1, v[:n], unit)
            if v[n] != 0.0:
                steps = [w * self._jacobian(self.x, k * self.hp, unit) for k, w in enumerate(_FIRST, -3) if w != 0.0]
                total = total + u[n] * v[n] * np.sum(steps, axis=0) / self.hp
        return total

    def real_third(self, u: Array, v: Array, w: Array) -> Array:
        """Return ``D^3 F(u, v, w)`` for state directions u and v, by polarisation in them."""
        n = self.x.size
        a, b = u[:n], v[:n]
        if np.array_equal(a, b):
            return self._along(_SECOND, 2, a, w)
        sizes = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if 0.0 in sizes:
            return np.zeros(n)
        a, b = a / sizes[0], b / sizes[1]
        difference = self._along(_SECOND, 2, a + b, w) - self._along(_SECOND, 2, a - b, w)
        return sizes[0] * sizes[1] * difference / 4.0
