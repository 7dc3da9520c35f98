"""Models from a JAX function and any pytree of weights."""

from __future__ import annotations

import hashlib
import itertools
import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ntkcont.errors import InputError, nearest
from ntkcont.jax_tools import configured_jax, x64
from ntkcont.models.model import Compiled, Model
from ntkcont.models.network_input import frozen_array

_numbers = itertools.count()
_registry: weakref.WeakValueDictionary[int, Callbacks] = weakref.WeakValueDictionary()


class Callbacks:
    """The JAX functions that compiled code calls for one model; `number` goes into its constants."""

    number: int

    def __init__(self, function: Callable[[Any, Any, Any], Any], theta: Any) -> None:
        jax = configured_jax()
        with x64():  # single points are fastest on the CPU; committed arguments keep them there
            self.theta = jax.device_put((theta, np.zeros(())), jax.devices("cpu")[0])

        def rhs(x: Any, p: Any, theta: Any) -> Any:
            return function(x, p[: p.size // 2], theta[0])

        def dfdp(x: Any, p: Any, theta: Any) -> Any:
            values, direction = p[: p.size // 2], p[p.size // 2 :]
            return jax.jvp(lambda q: function(x, q, theta[0]), (values,), (direction,))[1]

        self.rhs, self.jac, self.dfdp = jax.jit(rhs), jax.jit(jax.jacfwd(rhs)), jax.jit(dfdp)
        register(self)


def register(callbacks: Callbacks) -> Callbacks:
    """Give the functions a number of their own, by which compiled code finds them while they exist."""
    callbacks.number = next(_numbers)
    _registry[callbacks.number] = callbacks
    return callbacks


def find(number: int) -> Callbacks:
    """Return the functions of the model with this number."""
    try:
        return _registry[number]
    except KeyError:
        msg = "the JAX model behind these compiled functions no longer exists; keep a reference to the model"
        raise RuntimeError(msg) from None


class _Traceable:
    """``f(x, p, theta)`` with p an array; models derived from this one hold it, and with it the callbacks.

    With `vectors` (K, d), the last K of p multiply them, and their sum and a time-dependent input are f's fourth
    argument.
    """

    def __init__(self, f: Callable[..., Any], names: tuple[str, ...], vectors: np.ndarray | None) -> None:
        self.f, self.names, self.vectors = f, names, vectors
        self.callbacks: Callbacks | None = None

    def __call__(self, x: Any, p: Any, theta: Any, u: Any = None) -> Any:
        own = {name: p[k] for k, name in enumerate(self.names)}
        if self.vectors is None:
            return self.f(x, own, theta)
        constant = p[len(self.names) :] @ self.vectors
        return self.f(x, own, theta, constant if u is None else constant + u)


def _build() -> Compiled:
    from ntkcont.models import jax_callbacks

    return Compiled(jax_callbacks.rhs, jax_callbacks.jac, jax_callbacks.dfdp)


def model_from_jax(
    f: Callable[..., Any],
    states: int | Sequence[str],
    params: Mapping[str, float],
    *,
    theta: Any = None,
    inputs: int | Mapping[str, Any] | None = None,
    kind: Literal["flow", "map"] = "flow",
) -> Model:
    """Build the model of :meth:`ntkcont.Model.from_jax`."""
    if not callable(f):
        msg = f"f: {type(f).__name__} was given; give a function f(x, p, theta) that returns an array of shape (n,)"
        raise InputError(msg)
    names = _state_names(states)
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        msg = f"params: {params!r} was given; give a mapping from names to default values, {{'g': 1.0}}"
        raise InputError(msg)
    theta, leaves = _read_theta(theta)
    named, vectors = _read_inputs(inputs, names, params)
    traceable = _Traceable(f, tuple(params), vectors)
    digest = _trace(traceable, len(names), theta)
    for leaf in leaves if vectors is None else (*leaves, vectors):
        digest.update(f"{leaf.shape}".encode() + leaf.tobytes())
    digest.update(repr((kind, names, tuple(params), *named)).encode())
    traceable.callbacks = Callbacks(_Traceable(f, tuple(params), vectors), theta)
    size = sum(leaf.size for leaf in leaves)
    name = getattr(f, "__name__", type(f).__name__)
    return Model(
        kind=kind,
        states=names,
        params={**params, **dict.fromkeys(named, 0.0)},
        build=_build,
        jax_function=traceable,
        input_size=None if vectors is None else vectors.shape[1],
        constants=np.array([float(traceable.callbacks.number)]),
        theta=theta,
        homogeneous=isinstance(states, int),
        description=f"JAX function {name}: {len(names)} states, {size} trainable numbers in {len(leaves)} arrays",
        digest=digest.hexdigest(),
    )


def _state_names(states: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(states, (int, np.integer)) and not isinstance(states, bool) and states > 0:
        return tuple(f"x{i}" for i in range(int(states)))
    if isinstance(states, (tuple, list)):
        names = tuple(states)
        if names and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return names
    msg = f"states: {states!r} was given; give how many there are, 64, or different names, ('v', 'w')"
    raise InputError(msg)


def _read_inputs(
    inputs: Any, states: tuple[str, ...], params: Mapping[str, float]
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Return the names of the constant inputs and their vectors (K, d), None if f takes no input."""
    if inputs is None:
        return (), None
    if isinstance(inputs, (int, np.integer)) and not isinstance(inputs, bool) and inputs > 0:
        return (), np.zeros((0, int(inputs)))
    if not isinstance(inputs, Mapping) or not inputs or not all(isinstance(name, str) and name for name in inputs):
        msg = f"inputs: {inputs!r} was given; give how many channels there are, 2, or named vectors, {{'stim': [1, 0]}}"
        raise InputError(msg)
    rows = [frozen_array(vector, f"inputs[{name!r}]") for name, vector in inputs.items()]
    for name, row in zip(inputs, rows, strict=True):
        if row.ndim != 1 or row.shape != rows[0].shape or not row.size:
            msg = f"inputs[{name!r}]: shape {row.shape} was given; give vectors of one shape, (d,) for d channels"
            raise InputError(msg)
        if name in states or name in params:
            what = "state" if name in states else "parameter"
            msg = f"inputs: {name!r} is the name of a {what} already; call the input otherwise"
            raise InputError(msg)
    vectors = np.array(rows)
    vectors.setflags(write=False)
    return tuple(inputs), vectors


def _read_theta(theta: Any) -> tuple[Any, list[np.ndarray]]:
    """Return the pytree with read-only numpy leaves (floats in float64), and the leaves."""
    jax = configured_jax()

    def read(path: Any, leaf: Any) -> np.ndarray:
        where = f"theta{jax.tree_util.keystr(path)}"
        leaf = leaf.detach().cpu() if hasattr(leaf, "detach") else leaf
        try:
            array = np.array(leaf)
        except (TypeError, ValueError):
            array = np.array(None)
        if array.dtype.kind not in "fiub":
            msg = f"{where}: {type(leaf).__name__} was given; leaves must be real arrays; let f close over others"
            raise InputError(msg)
        array = array.astype(float) if array.dtype.kind == "f" else array
        if not np.all(np.isfinite(array)):
            msg = f"{where}: it holds nan or inf; give finite numbers"
            raise InputError(msg)
        array.setflags(write=False)
        return array

    read_theta = jax.tree_util.tree_map_with_path(read, theta)
    return read_theta, jax.tree_util.tree_leaves(read_theta)


def _trace(function: _Traceable, n: int, theta: Any) -> Any:
    """Trace the function once, check what it returns, and return a hash of what it computes."""
    jax = configured_jax()
    with x64():
        m = len(function.names) + (0 if function.vectors is None else len(function.vectors))
        x, p = jax.ShapeDtypeStruct((n,), float), jax.ShapeDtypeStruct((m,), float)
        try:
            closed, shape = jax.make_jaxpr(function, return_shape=True)(x, p, theta)
        except Exception as error:
            raise _why(error, function, theta) from error
        consts = [np.asarray(const) for const in closed.consts]
    leaves = jax.tree_util.tree_leaves(shape)
    if len(leaves) != 1 or shape is not leaves[0]:
        msg = f"f: it returned {_structure(shape)}; it must return one array of shape ({n},), see jnp.stack"
        raise InputError(msg)
    if shape.shape != (n,):
        msg = f"f: it returned shape {shape.shape} for {n} states; it must return shape ({n},)"
        raise InputError(msg)
    if shape.dtype != np.float64:
        msg = f"f: it returned {shape.dtype}; it must return float64, so take out casts (astype, dtype=) to other types"
        raise InputError(msg)
    text = re.sub(r"0x[0-9a-f]+", "", str(closed.jaxpr))  # addresses of functions differ between processes
    digest = hashlib.sha256(text.encode())
    for const in consts:
        digest.update(const.tobytes())
    return digest


def _structure(shape: Any) -> str:
    return "nothing (None)" if shape is None else f"a {type(shape).__name__}"


def _why(error: Exception, function: _Traceable, theta: Any) -> InputError:
    """Word what went wrong inside the user's function, with the likely remedy."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0] if lines else ''}"
    kind = type(error).__name__
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        key = error.args[0]
        held = [*function.names, *(theta if isinstance(theta, Mapping) else ())]
        remedy = f"neither params nor theta has {key!r}; {nearest(key, held) if held else 'both are empty'}"
    elif theta is None and isinstance(error, (TypeError, AttributeError)) and "NoneType" in str(error):
        remedy = "theta is None; give the weights as theta="
    elif "Tracer" in kind and "Bool" in kind:
        remedy = "an if on a state or parameter cannot be traced; use jnp.where or jax.lax.cond"
    elif "Tracer" in kind or "Concretization" in kind:
        remedy = "numpy was applied to a state or parameter; use jax.numpy"
    elif isinstance(error, TypeError) and "positional argument" in str(error):
        if function.vectors is None:
            remedy = "it must take three arguments, f(x, p, theta), or four with inputs="
        else:
            remedy = "with inputs it must take four arguments, f(x, p, theta, u)"
    else:
        remedy = "it was called with x of shape (n,), p a mapping of scalars, and theta"
    return InputError(f"f: it raised {said.rstrip('.')}; {remedy}")
