"""Interpolation between the weights of several models, and what a model along that path is made of."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.kernels import rate_rnn_layout, weight_path_layout
from ntkcont.models.activations import find_phi
from ntkcont.models.jax_model import Callbacks, register
from ntkcont.models.model import Array, Compiled, Model
from ntkcont.models.network_weights import LowRank, sparse_pattern
from ntkcont.models.networks import RateRNN
from ntkcont.models.switching import Signs, Switching


class Parts(NamedTuple):
    """What a model along a path is made of, as :class:`ntkcont.models.model.Model` takes it."""

    build: Callable[[], Compiled]
    jax_function: Callable[[Any, Any, Any], Any]
    constants: Array
    switching: Switching | None


def weights_of(model: Model) -> Any:
    """Return the pytree that is interpolated: theta; for signed weights what relu leaves of them."""
    if isinstance(model, RateRNN) and model.sign is not None:
        return {**model.theta, "W": np.maximum(model.theta["W"], 0.0)}
    return model.theta


@dataclasses.dataclass(frozen=True, eq=False)
class WeightCurve:
    """The floating-point leaves of K pytrees as piecewise functions of s, measured from those of the first.

    Parameters
    ----------
    knots : ndarray, shape (K,)
    first : tuple of ndarray
        The leaves of the first pytree.
    values : tuple of ndarray, shape (K, ...)
        For each leaf its change since the first pytree.
    slopes : tuple of ndarray, shape (K, ...), or None
        Derivatives at the knots (cubic); None: linear.
    """

    knots: Array
    first: tuple[Array, ...]
    values: tuple[Array, ...]
    slopes: tuple[Array, ...] | None

    @classmethod
    def through(cls, knots: Array, trees: list[Any], interpolation: str) -> WeightCurve:
        """Return the curve through the pytrees."""
        leaves = configured_jax().tree_util.tree_leaves
        columns = zip(*(leaves(tree) for tree in trees), strict=True)
        stacks = [np.stack(column) for column in columns if np.asarray(column[0]).dtype.kind == "f"]
        values = tuple(stack - stack[0] for stack in stacks)
        slopes = None
        if interpolation == "cubic":
            from scipy.interpolate import PchipInterpolator

            slopes = tuple(np.asarray(PchipInterpolator(knots, v, axis=0).derivative()(knots)) for v in values)
        return cls(knots, tuple(stack[0] for stack in stacks), values, slopes)

    def at(self, s: Any, segment: Any = -1, xp: Any = np) -> list[Any]:
        """Return the changes at s; `segment` is the piece that holds, -1: the one in which s lies."""
        own = xp.sum(xp.asarray(self.knots[1:-1]) < s)  # a knot belongs to the piece before it
        i = xp.where(segment < 0, own, segment)
        knots = xp.asarray(self.knots)
        h = knots[i + 1] - knots[i]
        t = (s - knots[i]) / h
        stacks = [xp.asarray(v) for v in self.values]
        if self.slopes is None:
            return [v[i] + t * (v[i + 1] - v[i]) for v in stacks]
        left, right = (1.0 + 2.0 * t) * (1.0 - t) ** 2, t * t * (3.0 - 2.0 * t)
        rise, fall = h * t * (1.0 - t) ** 2, h * t * t * (t - 1.0)
        slopes = [xp.asarray(m) for m in self.slopes]
        return [
            left * v[i] + right * v[i + 1] + rise * m[i] + fall * m[i + 1] for v, m in zip(stacks, slopes, strict=True)
        ]

    @property
    def inner(self) -> Array:
        """The knots at which the derivative jumps."""
        return self.knots[1:-1] if self.slopes is None else np.zeros(0)

    @property
    def kinks(self) -> tuple[str, ...]:
        """What the kinks are called."""
        return tuple(f"checkpoint {k + 1}" for k in range(self.inner.size))


def parts(model: Model, curve: WeightCurve) -> Parts:
    """Return what the model along the curve is made of; `model` is the one of the first pytree."""
    function = PathFunction(model, curve)
    if isinstance(model, RateRNN) and find_phi(model.phi).number != rate_rnn_layout.USER:
        return _network_parts(model, curve, function)
    return _callback_parts(curve, function)


class PathFunction:
    """``f(x, p, theta, u=None)`` in JAX, with s the last of p; theta is moved by what has changed until s."""

    def __init__(self, model: Model, curve: WeightCurve) -> None:
        self.model, self.curve = model, curve
        self.callbacks: tuple[Callbacks, ...] = ()

    def __call__(self, x: Any, p: Any, theta: Any, u: Any = None) -> Any:
        """Evaluate at the state x (n,), the parameters p and a time-dependent input u (d,)."""
        return self.moved(x, p, theta, self.curve, -1, u)

    def moved(self, x: Any, p: Any, theta: Any, curve: WeightCurve, segment: Any, u: Any = None) -> Any:
        """Evaluate with the curve's arrays given, so that compiled code takes them as arguments."""
        import jax
        import jax.numpy as jnp

        leaves, structure = jax.tree_util.tree_flatten(theta)
        changes = iter(curve.at(p[-1], segment, jnp))
        moved = [
            leaf + next(changes) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf for leaf in leaves
        ]
        return self.model.jax_rhs(x, p[:-1], jax.tree_util.tree_unflatten(structure, moved), u)


# ---------------------------------------------------------------- any model, through JAX


def _callback_parts(curve: WeightCurve, function: PathFunction) -> Parts:
    def compiled(x: Any, p: Any, given: Any) -> Any:
        theta, values, slopes, segment = given
        return function.moved(x, p, theta, dataclasses.replace(curve, values=values, slopes=slopes), segment)

    first = Callbacks(compiled, (weights_of(function.model), curve.values, curve.slopes, np.array(-1)))
    each = [first]
    with x64():
        import jax

        cpu = jax.devices("cpu")[0]
        for segment in range(len(curve.knots) - 1 if curve.inner.size else 0):
            other = copy.copy(first)  # the same compiled functions
            (theta, values, slopes, _), zero = first.theta
            other.theta = (theta, values, slopes, jax.device_put(np.array(segment), cpu)), zero
            each.append(register(other))
    function.callbacks = tuple(each)
    constants = np.concatenate([[float(first.number), curve.inner.size], curve.inner])
    if not curve.inner.size:
        return Parts(_build_callbacks, function, constants, None)

    def piece(positive: Signs) -> Array:
        c = constants.copy()
        c[0] = each[1 + int(np.sum(positive))].number
        return c

    quiet = np.ones(curve.inner.size, dtype=bool)
    return Parts(_build_callbacks, function, constants, Switching(curve.kinks, _build_knots, piece, quiet))


def _build_callbacks() -> Compiled:
    from ntkcont.models import jax_callbacks

    return Compiled(jax_callbacks.rhs, jax_callbacks.jac, jax_callbacks.dfdp)


def _build_knots() -> Compiled:
    from ntkcont.kernels import knots

    return Compiled(knots.knots, knots.knots_jac, knots.knots_dfdp)


# ---------------------------------------------------------------- rate networks, compiled


def _network_parts(net: RateRNN, curve: WeightCurve, function: PathFunction) -> Parts:
    names = sorted(net.theta)  # the order of the leaves of a dict
    constants_of = functools.partial(_block, net)
    values = np.array([constants_of(dict(zip(names, leaves, strict=True))) for leaves in _rows(curve, curve.values)])
    slopes = None
    if curve.slopes is not None:
        rows = zip(*curve.slopes, strict=True)
        slopes = np.array([constants_of(dict(zip(names, leaves, strict=True))) for leaves in rows])
    kinked = find_phi(net.phi).number in rate_rnn_layout.KINKED
    constants = weight_path_layout.pack(
        knots=curve.knots, network=net.constants, start=rate_rnn_layout.HEADER + 2 * net.n,
        values=values, slopes=slopes, kinked=kinked,
    )  # fmt: skip
    units = net.states if kinked else ()
    switching = None
    if units or curve.inner.size:
        quiet = np.array([False] * len(units) + [True] * curve.inner.size)
        piece = functools.partial(weight_path_layout.piece, constants)
        switching = Switching((*units, *curve.kinks), _build_arguments, piece, quiet)
    return Parts(_build_network, function, constants, switching)


def _rows(curve: WeightCurve, changes: tuple[Array, ...]) -> Any:
    return ([a + b for a, b in zip(curve.first, row, strict=True)] for row in zip(*changes, strict=True))


def _block(net: RateRNN, theta: dict[str, Array]) -> Array:
    """Return the constants of a network that depend on its weights, as they lie in it: linear in theta (and in V)."""
    n = net.n
    drives = np.zeros((len(net.inputs), n))
    for k, vector in enumerate(net.inputs.values()):
        drives[k] = theta["W_in"] @ vector
    if isinstance(net.W, LowRank):
        weights = [theta.get("D", np.zeros(n)), theta["U"], theta["V"].T]
    elif isinstance(net.W, np.ndarray):
        W = theta["W"] if net.sign is None else net.sign * theta["W"]
        weights = [W if net.mask is None else W * net.mask]
    else:
        weights = [theta["W"] * sparse_pattern(net.W, net.mask, net.sign)[2]]
    return np.concatenate([np.ravel(part) for part in itertools.chain([theta["b"], drives], weights)])


def _build_network() -> Compiled:
    from ntkcont.kernels import weight_path

    return Compiled(weight_path.path_rhs, weight_path.path_jac, weight_path.path_dfdp)


def _build_arguments() -> Compiled:
    from ntkcont.kernels import weight_path

    return Compiled(weight_path.path_arguments, weight_path.path_arguments_jac, weight_path.path_arguments_dfdp)
