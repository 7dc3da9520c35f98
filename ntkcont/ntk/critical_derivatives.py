r"""How a critical eigenvalue depends on theta: products of vectors with first and second derivatives, nothing larger.

At a fixed point with critical vectors ``A v = lambda v``, ``w* A = lambda w*``, ``w* v = 1`` the eigenvalue moves
along the branch as ``D lambda = w* [A_theta v + B(v, D_theta x)]``, where ``D_theta x = -J^{-1} F``.  With the vector
``a = -J^{-T} D_x(w* A v)`` that is the derivative in theta of the number ``w* A v + a^T f`` at fixed x: one forward
and one backward derivative of the model, whatever the number of weights.

References
----------
W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000), section 4.1: derivatives of test
functions.  Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory* (2004), section 10.2.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax, device, x64
from ntkcont.linear import LU
from ntkcont.models.jax_twin import joined_twin, split_twin
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.derivatives import Differenced, calls_back
from ntkcont.normal_forms.local import Critical, bordered
from ntkcont.ntk.theta import Theta

Vector = NDArray[Any]

# values refer to their keys weakly, so that a model and its weights are freed with the last reference to it
_compiled: weakref.WeakKeyDictionary[Callable[..., Any], Callable[..., Any]] = weakref.WeakKeyDictionary()

_STEP = 1e-3  # of the differences of models that JAX can only call back


class Slopes(NamedTuple):
    """The derivatives of one number: in the state (n,), in the free parameter, in theta (P,), in original units."""

    x: Vector
    p: complex
    theta: Vector


class FixedPoint:
    """A model at one fixed point, with the derivatives of ``w* D f u + a^T f`` in everything.

    Parameters
    ----------
    model : Model
    theta : Theta
        What is differentiated.
    x : ndarray, shape (n,)
        The fixed point.
    values : ndarray, shape (m,)
        All parameters of the model.
    free : str or None
        The free parameter.
    """

    def __init__(self, model: Model, theta: Theta, x: Array, values: Array, free: str | None) -> None:
        self.model, self.theta, self.x, self.values = model, theta, np.asarray(x, dtype=float), values
        self.n, m = self.x.size, len(model.params)
        self.free = None if free is None else list(model.params).index(free)
        unit = np.zeros(m) if self.free is None else np.eye(m)[self.free]
        self.p = model.compiled_parameters(values)
        self.dp = unit if model.matrix is None else model.matrix @ unit
        self.backwards = not calls_back(model)
        if self.backwards:
            function, numbers = split_twin(model.jax_function)
            self.function = _function(function)
            with x64():  # single points are fastest on the CPU; committed arguments keep them there
                jax = configured_jax()
                self.arguments = jax.device_put((numbers, self.x, self.p, model.theta), device("cpu"))

    @property
    def jacobian(self) -> Array:
        """A, shape (n, n)."""
        return self.model.jac(self.x, dict(zip(self.model.params, self.values, strict=True)))

    @property
    def singular(self) -> Array:
        """The matrix whose inverse moves the fixed point: A for flows, A - I for maps."""
        A = self.jacobian
        if self.model.kind == "map":
            A[np.diag_indices(self.n)] -= 1.0
        return A

    def slopes(self, w: Vector, u: Vector, a: Vector | None = None) -> Slopes:
        """Return the derivatives of ``w* D f u + a^T f`` at fixed w, u and a.

        Parameters
        ----------
        w : ndarray, shape (n,)
            Real or complex.
        u : ndarray, shape (n,) or (n+1,)
            A direction of the state, or of state and free parameter.
        a : ndarray, shape (n,), optional
            Real or complex; default zero.
        """
        u = u if u.size > self.n else np.append(u, 0.0)
        a = np.zeros(self.n) if a is None else a
        if not self.backwards:
            return self._differences(w, u, a)
        up = np.real(u[-1]) * self.dp
        with x64():
            x, p, leaves = self.function(*self.arguments, _parts(u[:-1]), up, _parts(w), _parts(a))
        return self._collected(_joined(x), _joined(p), [_joined(leaf) for leaf in leaves])

    def forced(self, a: Vector) -> Slopes:
        """Return the derivatives of ``a^T f``: in theta that is ``F^T a``."""
        return self.slopes(np.zeros(self.n), np.zeros(self.n), a)

    def _collected(self, x: Vector, p: Vector, leaves: list[Vector]) -> Slopes:
        in_values = p if self.model.matrix is None else p @ self.model.matrix
        chosen = [leaves[i].reshape(-1) for i in self.theta.leaves]
        chosen.append(in_values[list(self.theta.params)])
        in_free = 0.0 if self.free is None else complex(in_values[self.free])
        return Slopes(_real(x), _real(np.array([in_free]))[0], _real(np.concatenate(chosen)))

    def _differences(self, w: Vector, u: Vector, a: Vector) -> Slopes:
        """Do the same with differences, parameter by parameter: such models have few, and no weights."""
        n, m = self.n, len(self.values)
        matrix = np.eye(m) if self.model.matrix is None else self.model.matrix
        own = dict(zip(self.model.params, self.values, strict=True))

        def second(direction: Array, column: Array, value: float) -> Vector:
            """Return D^2 f (u, direction), where the last entry of directions is along `column`."""
            differences = Differenced(self.model, self.x, self.p, column, value, _STEP)
            real = differences.second(np.append(np.real(u[:-1]), 0.0), direction)
            imag = differences.second(np.append(np.imag(u[:-1]), 0.0), direction)
            return real + 1j * imag

        zero = np.zeros(len(self.p))
        in_state = np.array([np.vdot(w, second(np.append(e, 0.0), zero, 0.0)) for e in np.eye(n)])
        in_state = in_state + a @ self.jacobian
        in_values = np.zeros(m, dtype=complex)
        unit = np.append(np.zeros(n), 1.0)
        for i, name in enumerate(self.model.params):
            in_values[i] = np.vdot(w, second(unit, matrix[:, i], self.values[i]))
            in_values[i] += a @ self.model.dfdp(self.x, name, own)
        if u[-1] != 0.0:  # the part along the free parameter
            assert self.free is not None
            free = Differenced(self.model, self.x, self.p, self.dp, self.values[self.free], _STEP)
            in_state = in_state + u[-1] * np.array(
                [np.vdot(w, free.second(np.append(e, 0.0), unit)) for e in np.eye(n)]
            )
            for i in range(m):
                if i == self.free:
                    mixed = free.second(unit, unit)
                else:
                    both = Differenced(self.model, self.x, self.p, self.dp + matrix[:, i], self.values[i], _STEP)
                    apart = Differenced(self.model, self.x, self.p, self.dp - matrix[:, i], self.values[i], _STEP)
                    mixed = (both.second(unit, unit) - apart.second(unit, unit)) / 4.0
                in_values[i] += u[-1] * np.vdot(w, mixed)
        in_free = 0.0 if self.free is None else complex(in_values[self.free])
        in_theta = in_values[list(self.theta.params)]
        return Slopes(_real(in_state), _real(np.array([in_free]))[0], _real(in_theta))


def eigenvalue_slopes(at: FixedPoint, vectors: Critical, regular: bool = False) -> Slopes:
    """Return the derivatives of an eigenvalue along the branch, in the free parameter and in theta.

    With `regular`, the fixed point moves by the regular part ``-X F`` of the bordered split alone, which stays bounded
    where the eigenvalue is that of a singular J.
    """
    q, p = vectors.q, vectors.p
    bent = at.slopes(p, q).x
    J = at.singular.astype(bent.dtype)
    if regular:
        a = -bordered(J, np.real(p).astype(J.dtype), np.real(q).astype(J.dtype)).solve(np.append(bent, 0.0), trans=1)
        return at.slopes(p, q, a[:-1])
    return at.slopes(p, q, -LU(J).solve(bent, trans=1))


def _parts(u: Vector) -> Array:
    return np.stack([np.real(u), np.imag(u)]).astype(float)


def _joined(pair: Any) -> Vector:
    real, imag = np.asarray(pair[0]), np.asarray(pair[1])
    return real + 1j * imag


def _real(values: Vector) -> Vector:
    """Return a complex array without its imaginary part, if that is zero throughout."""
    return values if np.any(np.imag(values)) else np.real(values)


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a compiled function; models that share the function of their twin share it."""
    found = _compiled.get(function)
    if found is None:
        found = configured_jax().jit(_derivatives(weakref.ref(function)))
        _compiled[function] = found
    return found


def _derivatives(function: Callable[[], Any]) -> Callable[..., Any]:
    """Return ``(numbers, x, p, theta, u, up, w, a)`` -> derivatives of Re and Im of ``w* D f u + a^T f``.

    They are those in x, p and the leaves of theta; `numbers` are those of the twin.

    u, w and a are stacked real and imaginary parts, shape (2, n); up is the direction of p that belongs to Re u.
    """
    jax = configured_jax()
    import jax.numpy as jnp

    def derivatives(numbers: Any, x: Any, p: Any, theta: Any, u: Any, up: Any, w: Any, a: Any) -> Any:
        twin = joined_twin(function(), numbers)
        leaves, structure = jax.tree_util.tree_flatten(theta)
        trained = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

        def pair(z: Any, q: Any, chosen: Any) -> Any:
            own = list(leaves)
            for i, leaf in zip(trained, chosen, strict=True):
                own[i] = leaf
            weights = jax.tree_util.tree_unflatten(structure, own)

            def f(state: Any, values: Any) -> Any:
                return twin(state, values, weights)

            value, real = jax.jvp(f, (z, q), (u[0], up))
            imag = jax.jvp(f, (z, q), (u[1], jnp.zeros_like(up)))[1]
            return jnp.stack([w[0] @ real + w[1] @ imag + a[0] @ value, w[0] @ imag - w[1] @ real + a[1] @ value])

        _, pull = jax.vjp(pair, x, p, [leaves[i] for i in trained])
        in_x, in_p, in_trained = jax.vmap(pull)(jnp.eye(2))
        all_leaves: list[Any] = [jnp.zeros((2, *leaf.shape)) for leaf in leaves]
        for i, leaf in zip(trained, in_trained, strict=True):
            all_leaves[i] = leaf
        return in_x, in_p, all_leaves

    return derivatives
