"""From names and numbers to arrays, and from those to the values of a model's functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.kernels.first_class import addressed

if TYPE_CHECKING:
    from ntkcont.models.equations import Equations

Array = NDArray[np.float64]


class Compiled(NamedTuple):
    """The three numba functions of a model; their signature is described in ``ntkcont.kernels.abi``."""

    rhs: Any
    jac: Any
    dfdp: Any


class Evaluated:
    """What :class:`ntkcont.models.model.Model` does with its fields; they are described there."""

    states: tuple[str, ...]
    params: Mapping[str, float]
    build: Callable[[], Compiled]
    jax_function: Callable[..., Any]
    constants: Array
    offset: Array | None
    matrix: Array | None
    equations: Equations | None

    # ---------------------------------------------------------------- names to arrays

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.states)

    def values(self, params: Mapping[str, float] | None = None) -> Array:
        """Return the parameter values, shape (m,), with those in `params` replaced."""
        merged = dict(self.params)
        for name, value in (params or {}).items():
            if name not in merged:
                argument = "params"
                raise unknown_name(argument, name, merged)
            try:
                if isinstance(value, str):
                    raise TypeError
                merged[name] = float(value)
            except (TypeError, ValueError):
                msg = f"params[{name!r}]: got {value!r}; it must be one number"
                raise InputError(msg) from None
        return np.array(list(merged.values()), dtype=float)

    def compiled_parameters(self, values: ArrayLike) -> Array:
        """Return the M parameters of the compiled functions for the m `values`."""
        v = np.asarray(values, dtype=float)
        if self.matrix is None:
            return v.copy()
        return (0.0 if self.offset is None else self.offset) + self.matrix @ v

    def line(self, free: str, params: Mapping[str, float] | None = None) -> tuple[Array, Array]:
        """Return ``(p0, direction)``, shapes (M,): the compiled parameters at ``free = q`` are ``p0 + q direction``."""
        if free not in self.params:
            argument = "free"
            raise unknown_name(argument, free, self.params)
        p0 = self.compiled_parameters(self.values({**(params or {}), free: 0.0}))
        unit = np.array([1.0 if name == free else 0.0 for name in self.params])
        return p0, unit if self.matrix is None else self.matrix @ unit

    def state_vector(self, x: Any, argument: str = "x0") -> Array:
        """Return the state as a new array of shape (n,) from an array, a mapping by name, or anything with ``.x``.

        One state may also be given as a number.
        """
        x = getattr(x, "x", x)
        if isinstance(x, Mapping):
            for name in x:
                if name not in self.states:
                    raise unknown_name(argument, name, self.states)
            missing = [name for name in self.states if name not in x]
            if missing:
                msg = f"{argument}: no value for {', '.join(map(repr, missing))}; give one for each state"
                raise InputError(msg)
            x = [x[name] for name in self.states]
        try:
            vector = np.array(x, dtype=float)
        except (TypeError, ValueError):
            msg = f"{argument}: {x!r} is not an array of numbers; give {self.n} numbers or a mapping by state name"
            raise InputError(msg) from None
        if vector.shape == () and self.n == 1:
            vector = vector[None]
        if vector.shape != (self.n,):
            shown = ", ".join(self.states[:6]) + (", ..." if self.n > 6 else "")
            has = f"the model has {self.n} state{'s' if self.n > 1 else ''} ({shown}), so give shape ({self.n},)"
            msg = f"{argument}: shape {vector.shape} was given; {has}"
            raise InputError(msg)
        if not np.all(np.isfinite(vector)):
            bad = self.states[int(np.flatnonzero(~np.isfinite(vector))[0])]
            msg = f"{argument}: the value of {bad!r} is not finite; give finite numbers"
            raise InputError(msg)
        return vector

    # ---------------------------------------------------------------- evaluation

    @functools.cached_property
    def compiled(self) -> Compiled:
        """The numba functions, compiled or read from the cache on first use."""
        found = self.build()
        for function in found:
            addressed(function)
        return found

    def _p(self, params: Mapping[str, float] | None, direction: Array | None = None) -> Array:
        p = self.compiled_parameters(self.values(params))
        return np.concatenate([p, np.zeros_like(p) if direction is None else direction])

    def rhs(self, x: Any, params: Mapping[str, float] | None = None) -> Array:
        """Return f(x) (flow) or G(x) (map), shape (n,)."""
        out = np.empty(self.n)
        self.compiled.rhs(out, self.state_vector(x, "x"), self._p(params), self.constants)
        return out

    def jac(self, x: Any, params: Mapping[str, float] | None = None) -> Array:
        """Return the Jacobian of :meth:`rhs`, shape (n, n)."""
        out = np.empty((self.n, self.n))
        self.compiled.jac(out, self.state_vector(x, "x"), self._p(params), self.constants)
        return out

    def dfdp(self, x: Any, free: str, params: Mapping[str, float] | None = None) -> Array:
        """Return the derivative of :meth:`rhs` with respect to the parameter `free`, shape (n,)."""
        out = np.empty(self.n)
        direction = self.line(free, params)[1]
        self.compiled.dfdp(out, self.state_vector(x, "x"), self._p(params, direction), self.constants)
        return out

    def jax_rhs(self, x: Any, values: Any, theta: Any, u: Any = None) -> Any:
        """Evaluate the JAX twin: state (n,), parameter values (m,) in the order of ``params``, theta a pytree.

        u (d,) is a time-dependent input, of models that have an ``input_size``.
        """
        if self.matrix is not None:
            values = (0.0 if self.offset is None else self.offset) + self.matrix @ values
        return self.jax_function(x, values, theta) if u is None else self.jax_function(x, values, theta, u)

    # ---------------------------------------------------------------- named quantities

    @property
    def aux_names(self) -> tuple[str, ...]:
        """Names of the quantities that :meth:`aux` gives: those of the equations, in their order."""
        from ntkcont.models.auxiliary import names

        return names(self)

    def aux(self, x: Any, params: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the named quantities (aux expressions, auxiliary variables) at a state, by name.

        Of an iterate of a map, those at the state itself.  ``branch["name"]`` has them along a branch.

        Examples
        --------
        >>> import ntkcont as nc
        >>> model = nc.Model.from_equations({"v": "I - ion"}, {"I": 1.0, "g": 2.0}, aux={"ion": "g*v"})
        >>> model.aux({"v": 3.0}, {"g": 1.5})
        {'ion': 4.5}
        """
        from ntkcont.models.auxiliary import evaluate

        p = self.compiled_parameters(self.values(params))
        found = evaluate(self, self.aux_names, self.state_vector(x, "x"), p)
        return {name: float(value) for name, value in found.items()}
