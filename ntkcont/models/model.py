"""The model: one right-hand side, compiled for the continuation and traceable for the kernels."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, unknown_name

if TYPE_CHECKING:
    from ntkcont.models.check import CheckReport

Array = NDArray[np.float64]


class Compiled(NamedTuple):
    """The three numba functions of a model; their signature is described in ``ntkcont.kernels.abi``."""

    rhs: Any
    jac: Any
    dfdp: Any


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A dynamical system with named states and named parameters.

    Build one with :meth:`from_equations`, :meth:`from_numba`, :meth:`from_jax` or ``ntkcont.RateRNN``; the constructor
    itself is for new kinds of models.

    Parameters
    ----------
    kind : {"flow", "map"}
        ``x' = f(x, p)`` or ``x <- G(x, p)``.
    states : tuple of str
        Names of the n states.
    params : mapping
        Names and default values of the m parameters, in order.
    build : callable
        Returns the :class:`Compiled` functions; called once, on first use.
    jax_function : callable
        ``f(x, p, theta) -> (n,)``, traceable by JAX, with p the M compiled parameters.
    constants : ndarray, shape (nc,)
        The block ``c`` of the compiled functions (weights of a network), default empty.
    theta : pytree
        Trainable parameters that are not in ``params`` (weights), default none.
    homogeneous : bool
        Whether all states are the same quantity (units of a network), so that they share one scale.
    description : str
        What the provenance of a branch says about the model.
    digest : str
        Changes whenever the model does; part of the provenance.
    offset, matrix : ndarray, shapes (M,) and (M, m), or None
        The compiled parameters are ``offset + matrix @ values``; None: they are the values.
    base : Model or None
        The model that this one was made from by :meth:`along`, with its structure (a ``RateRNN`` stays reachable).
    """

    kind: Literal["flow", "map"]
    states: tuple[str, ...]
    params: Mapping[str, float]
    build: Callable[[], Compiled]
    jax_function: Callable[[Any, Any, Any], Any]
    constants: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    theta: Any = dataclasses.field(default_factory=dict)
    homogeneous: bool = False
    description: str = ""
    digest: str = ""
    offset: Array | None = None
    matrix: Array | None = None
    base: Model | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("flow", "map"):
            msg = f"kind: {self.kind!r} is unknown; it may be 'flow' or 'map'"
            raise InputError(msg)
        object.__setattr__(self, "states", tuple(self.states))
        object.__setattr__(self, "params", MappingProxyType({k: float(v) for k, v in self.params.items()}))

    # ---------------------------------------------------------------- constructors

    @classmethod
    def from_equations(
        cls,
        equations: Mapping[str, Any],
        params: Mapping[str, float],
        *,
        aux: Mapping[str, Any] | None = None,
        functions: Mapping[str, tuple[Sequence[str], Any]] | None = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        from ntkcont.models.equations import model_from_equations

        return model_from_equations(equations, params, aux=aux, functions=functions, kind=kind)

    @classmethod
    def from_numba(
        cls,
        rhs: Callable[..., Any],
        states: Sequence[str],
        params: Mapping[str, float],
        *,
        jac: Callable[..., Any] | None = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        from ntkcont.models.numba_model import model_from_numba

        return model_from_numba(rhs, states, params, jac=jac, kind=kind)

    @classmethod
    def from_jax(
        cls,
        f: Callable[..., Any],
        states: int | Sequence[str],
        params: Mapping[str, float],
        *,
        theta: Any = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        """Build a model from a JAX function and any pytree of weights.

        Compiled code calls the function back through Python (some 40 us a call), so a RateRNN or equations are faster
        where they fit.  On a busy machine JAX's threads cost more than that:
        ``jax.config.update("jax_cpu_enable_async_dispatch", False)`` at the start of a program avoids them.

        Parameters
        ----------
        f : callable
            ``f(x, p, theta) -> (n,)``, traceable by JAX: x of shape (n,), p a mapping from parameter names to scalars.
        states : int or sequence of str
            How many states there are (named x0, x1, ... and taken for one quantity), or their names.
        params : mapping
            Names and default values of the parameters.
        theta : pytree, optional
            Trainable weights; floating leaves are kept in float64.
        kind : {"flow", "map"}
            ``x' = f`` or ``x <- f``.

        Returns
        -------
        Model

        Raises
        ------
        InputError
            f cannot be traced, or returns anything but one float64 array of shape (n,); a leaf of theta is no array.

        Examples
        --------
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> def f(x, p, theta):
        ...     return -x + p["g"] * theta["W"] @ jnp.tanh(x)
        >>> model = nc.Model.from_jax(f, states=2, params={"g": 2.0}, theta={"W": np.eye(2)})
        >>> model.jac([0.0, 0.0])
        array([[1., 0.],
               [0., 1.]])
        """
        from ntkcont.models.jax_model import model_from_jax

        return model_from_jax(f, states, params, theta=theta, kind=kind)

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
                raise unknown_name("params", name, merged)
            try:
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
            raise unknown_name("free", free, self.params)
        p0 = self.compiled_parameters(self.values({**(params or {}), free: 0.0}))
        unit = np.array([1.0 if name == free else 0.0 for name in self.params])
        return p0, unit if self.matrix is None else self.matrix @ unit

    def state_vector(self, x: Any, argument: str = "x0") -> Array:
        """Return the state as a new array of shape (n,) from an array, a mapping by name, or anything with ``.x``."""
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
        if vector.shape != (self.n,):
            shown = ", ".join(self.states[:6]) + (", ..." if self.n > 6 else "")
            msg = f"{argument}: shape {vector.shape} was given; the model has {self.n} states ({shown}), so give shape ({self.n},)"
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
        return self.build()

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

    def jax_rhs(self, x: Any, values: Any, theta: Any) -> Any:
        """Evaluate the JAX twin: state (n,), parameter values (m,) in the order of ``params``, theta a pytree."""
        if self.matrix is None:
            return self.jax_function(x, values, theta)
        offset = 0.0 if self.offset is None else self.offset
        return self.jax_function(x, offset + self.matrix @ values, theta)

    # ---------------------------------------------------------------- derived models

    def check(self, x: Any, params: Mapping[str, float] | None = None) -> CheckReport:
        from ntkcont.models.check import check_model

        return check_model(self, x, params)

    def along(self, p0: Mapping[str, float], p1: Mapping[str, float]) -> Model:
        from ntkcont.models.derived import along

        return along(self, p0, p1)

    def power(self, k: int) -> Model:
        from ntkcont.models.derived import power

        return power(self, k)

    def __repr__(self) -> str:
        shown = ", ".join(self.states[:6]) + (", ..." if self.n > 6 else "")
        names = ", ".join(f"{k}={v:g}" for k, v in list(self.params.items())[:8]) + (", ..." if len(self.params) > 8 else "")
        return f"<{type(self).__name__}: {self.kind} with {self.n} states ({shown}); parameters {names}>"
