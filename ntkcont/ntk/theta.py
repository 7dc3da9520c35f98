"""What is differentiated: which parameters and which leaves of the weights are in theta, and on what scale."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, nearest, unknown_name
from ntkcont.jax_tools import configured_jax
from ntkcont.models.model import Model
from ntkcont.ntk.magnitudes import Magnitudes

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK

Array = NDArray[np.float64]
ThetaChoice = str | Sequence[str] | Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Theta:
    """The trainable parameters of one evaluation: indices into the model, names and column scales.

    Parameters
    ----------
    params : tuple of int
        Positions in ``model.params``.
    param_names : tuple of str
        Their names.
    param_scale : ndarray, shape (len(params),)
        Column scales of the parameters.
    leaves : tuple of int
        Positions among the flattened leaves of ``model.theta``.
    leaf_names : tuple of str
        Their paths, such as ``"W"`` or ``"cell.kernel"``.
    leaf_scale : tuple of ndarray
        Column scales of the leaves, scalars or arrays of the leaf's shape.
    size : int
        Number of columns, P.
    described : str or tuple
        The scale as it was given, for the provenance.
    """

    params: tuple[int, ...]
    param_names: tuple[str, ...]
    param_scale: Array
    leaves: tuple[int, ...]
    leaf_names: tuple[str, ...]
    leaf_scale: tuple[Array, ...]
    size: int
    described: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Names of everything in theta."""
        return (*self.leaf_names, *self.param_names)


def leaf_paths(theta: Any) -> tuple[str, ...]:
    """Return the path of each leaf of a pytree, such as ``"layers.0.W"``."""
    jax = configured_jax()
    flat, _ = jax.tree_util.tree_flatten_with_path(theta)
    return tuple(jax.tree_util.keystr(path, simple=True, separator=".") or "theta" for path, _ in flat)


def has_weights(model: Model) -> bool:
    """Whether the model has trainable weights besides its parameters."""
    return bool(configured_jax().tree_util.tree_leaves(model.theta))


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Stands for a leaf while a user's function picks from the pytree."""

    index: int


def _picked(choose: Callable[[Any], Any], theta: Any) -> tuple[int, ...]:
    tree = configured_jax().tree_util
    leaves, structure = tree.tree_flatten(theta)
    markers = tree.tree_unflatten(structure, [Leaf(i) for i in range(len(leaves))])
    try:
        chosen = tree.tree_leaves(choose(markers))
    except Exception as error:
        msg = (
            f"theta: the function failed on the pytree ({type(error).__name__}: {error}); it must return whole leaves, "
            "such as lambda theta: [theta['W'], theta['b']]"
        )
        raise InputError(msg) from error
    if not all(isinstance(leaf, Leaf) for leaf in chosen):
        msg = "theta: the function must return leaves of the pytree as they are, such as lambda theta: [theta['W']]"
        raise InputError(msg)
    return tuple(sorted({leaf.index for leaf in chosen}))


def _named(names: Sequence[str], model: Model, paths: tuple[str, ...]) -> tuple[set[int], set[int]]:
    leaves: set[int] = set()
    params: set[int] = set()
    for name in names:
        inside = {i for i, path in enumerate(paths) if path == name or path.startswith(f"{name}.")}
        if inside:
            leaves |= inside
        elif name in model.params:
            params.add(list(model.params).index(name))
        else:
            raise unknown_name(argument="theta", got=name, allowed=[*paths, *model.params])
    return leaves, params


def resolve_theta(
    choice: ThetaChoice,
    scale: Any,
    model: Model,
    *,
    free: str | None,
    overridden: Sequence[str],
    magnitude: Mapping[str, float],
) -> Theta:
    """Work out what is in theta for a model.

    Parameters
    ----------
    choice : "all", names, or callable
        As :class:`~ntkcont.ntk.StateNTK` takes it.
    scale : None, "relative", "none", array or mapping
        As :class:`~ntkcont.ntk.StateNTK` takes it.
    model : Model
        The model.
    free : str or None
        The free parameter: not part of "all", but it may be named.
    overridden : sequence of str
        Parameters that conditions set: never part of theta.
    magnitude : mapping
        The size of each parameter, which "relative" divides by.

    Raises
    ------
    InputError
        A name is unknown, nothing is left, a scale is missing or does not fit.
    """
    if free is not None and free in overridden:
        msg = f"conditions: {free!r} is the free parameter, which moves along the branch; set others"
        raise InputError(msg)
    paths = leaf_paths(model.theta)
    floats = {
        i
        for i, leaf in enumerate(configured_jax().tree_util.tree_leaves(model.theta))
        if np.asarray(leaf).dtype.kind == "f"
    }
    leaves: set[int] = set()
    params: set[int] = set()
    if callable(choice):
        if not paths:
            msg = (
                "theta: a function was given, but the model has no pytree of weights; give 'all' or names of parameters"
            )
            raise InputError(msg)
        leaves = set(_picked(choice, model.theta))
    elif isinstance(choice, str) and choice == "all":
        if paths:
            leaves = floats  # whole numbers, such as indices, cannot be trained
        else:
            params = {i for i, name in enumerate(model.params) if name != free and name not in overridden}
    else:
        leaves, params = _named([choice] if isinstance(choice, str) else list(choice), model, paths)
    if leaves - floats:
        path = paths[min(leaves - floats)]
        msg = (
            f"theta: the leaf {path!r} holds no floating-point numbers, so it cannot be trained; make it a float array"
        )
        raise InputError(msg)
    clash = [name for name in overridden if list(model.params).index(name) in params]
    if clash:
        msg = f"theta: {clash[0]!r} is set by conditions, so it cannot be trained as well; leave it out of one of them"
        raise InputError(msg)
    if not leaves and not params:
        msg = f"theta: {choice!r} names nothing that could be trained; {nearest('', [*paths, *model.params])}"
        raise InputError(msg)
    names = list(model.params)
    param_index, leaf_index = tuple(sorted(params)), tuple(sorted(leaves))
    param_names = tuple(names[i] for i in param_index)
    leaf_names = tuple(paths[i] for i in leaf_index)
    values = [np.asarray(leaf, dtype=float) for leaf in configured_jax().tree_util.tree_leaves(model.theta)]
    chosen = [values[i] for i in leaf_index]
    if scale is None and not paths:
        msg = (
            "theta_scale: not given; parameters with different units make trace and ranks depend on their units, "
            "so say 'relative' (each by its magnitude), 'none', or give one positive number for each"
        )
        raise InputError(msg)
    param_scale, leaf_scale = _scales(scale, param_names, leaf_names, chosen, magnitude)
    return Theta(
        params=param_index,
        param_names=param_names,
        param_scale=param_scale,
        leaves=leaf_index,
        leaf_names=leaf_names,
        leaf_scale=leaf_scale,
        size=len(param_index) + sum(v.size for v in chosen),
        described=_description(scale),
    )


def _scales(
    scale: Any,
    param_names: tuple[str, ...],
    leaf_names: tuple[str, ...],
    leaves: list[Array],
    magnitude: Mapping[str, float],
) -> tuple[Array, tuple[Array, ...]]:
    if scale is None or (isinstance(scale, str) and scale == "none"):
        return np.ones(len(param_names)), tuple(np.ones(()) for _ in leaves)
    if isinstance(scale, str) and scale == "relative":
        sizes = {name: abs(magnitude[name]) for name in param_names}
        sizes |= {name: math.sqrt(float(np.mean(v**2))) for name, v in zip(leaf_names, leaves, strict=True)}
        for name, size in sizes.items():
            if not size > 0:
                msg = (
                    f"theta_scale: 'relative' was given, but {name!r} is 0 and so has no magnitude; "
                    "give theta_scale as numbers, or leave it out of theta"
                )
                raise InputError(msg)
        return np.array([sizes[n] for n in param_names]), tuple(np.array(sizes[n]) for n in leaf_names)
    if isinstance(scale, Mapping):
        for name in scale:
            if name not in (*param_names, *leaf_names):
                raise unknown_name(argument="theta_scale", got=name, allowed=[*leaf_names, *param_names])
        given = {
            name: _positive(scale.get(name, 1.0), f"theta_scale[{name!r}]") for name in (*param_names, *leaf_names)
        }
        for name, v in zip(leaf_names, leaves, strict=True):
            if given[name].shape not in ((), v.shape):
                msg = f"theta_scale[{name!r}]: shape {given[name].shape} was given; give one number or shape {v.shape}"
                raise InputError(msg)
        for name in param_names:
            if given[name].shape != ():
                msg = f"theta_scale[{name!r}]: shape {given[name].shape} was given; it must be one number"
                raise InputError(msg)
        return np.array([float(given[n]) for n in param_names]), tuple(given[n] for n in leaf_names)
    if leaf_names:
        msg = (
            f"theta_scale: {type(scale).__name__} was given; for weights it may be 'relative', 'none' or a mapping "
            f"from names to scales, such as {{{leaf_names[0]!r}: 2.0}}"
        )
        raise InputError(msg)
    array = _positive(scale, "theta_scale")
    if array.shape != (len(param_names),):
        msg = f"theta_scale: shape {array.shape} was given; theta has {len(param_names)}: {', '.join(param_names)}"
        raise InputError(msg)
    return array, ()


def _positive(value: Any, argument: str) -> Array:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        msg = f"{argument}: {value!r} was given; it may be 'relative', 'none' or positive numbers"
        raise InputError(msg) from None
    if not (np.all(np.isfinite(array)) and np.all(array > 0)):
        msg = f"{argument}: every scale must be a positive number; got {value!r}"
        raise InputError(msg)
    return array


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Units of the states, shape (n,), and of the free parameter; and how they were given, in a word."""

    states: Array
    free: float
    given: str


def resolve_state_scale(scale: Any, model: Model, free: str | None, magnitudes: Magnitudes) -> Units:
    """Return the units of the states and of the free parameter: 1 for the latter unless "relative" or named."""
    if scale is None:
        if not has_weights(model):
            msg = (
                "state_scale: not given; states with different units make trace and ranks depend on their units, "
                "so say 'relative' (each by its magnitude), 'none', or give one positive number for each, such as "
                f"{{{', '.join(f'{name!r}: 1.0' for name in model.states[:3])}}}"
            )
            raise InputError(msg)
        scale = "none"
    if isinstance(scale, str):
        if scale == "none":
            return Units(states=np.ones(model.n), free=1.0, given="none")
        if scale == "relative":
            own = 1.0 if free is None else magnitudes.params[free]
            return Units(states=magnitudes.states, free=own, given="relative")
        msg = f"state_scale: {scale!r} is unknown; {nearest(scale, ('relative', 'none'))}, or give positive numbers"
        raise InputError(msg)
    if isinstance(scale, Mapping):
        return _named_units(scale, model, free)
    array = _positive(scale, "state_scale")
    if array.shape != (model.n,):
        msg = f"state_scale: shape {array.shape} was given; the model has {model.n} states, so give shape ({model.n},)"
        raise InputError(msg)
    return Units(states=array, free=1.0, given="numbers")


def _named_units(scale: Mapping[Any, Any], model: Model, free: str | None) -> Units:
    """Return the units given by name: one for every state, and for the free parameter if it is named."""
    for name in scale:
        if name not in (*model.states, *model.params):
            raise unknown_name(argument="state_scale", got=name, allowed=(*model.states, *model.params))
    given = {name: _positive(value, f"state_scale[{name!r}]") for name, value in scale.items()}
    for name, value in given.items():
        if value.shape != ():
            msg = f"state_scale[{name!r}]: shape {value.shape} was given; it must be one number"
            raise InputError(msg)
    missing = [name for name in model.states if name not in given]
    if missing:
        msg = (
            f"state_scale: {', '.join(missing[:5])} {'is' if len(missing) == 1 else 'are'} not in it; give the unit of "
            f"every state (and of the free parameter, if not 1), such as {{{missing[0]!r}: 1.0}}"
        )
        raise InputError(msg)
    return Units(
        states=np.array([float(given[name]) for name in model.states]),
        free=float(given[free]) if free in given else 1.0,
        given="numbers",
    )


def needs_magnitudes(settings: StateNTK, theta: Theta, free: str | None) -> bool:
    """Whether scales depend on all points of a branch: those of states, and of a free parameter that is trained."""

    def relative(scale: Any) -> bool:
        return isinstance(scale, str) and scale == "relative"

    return relative(settings.state_scale) or (relative(settings.theta_scale) and free in theta.param_names)


def _description(scale: Any) -> Any:
    if scale is None:
        return "none"
    if isinstance(scale, str):
        return scale
    if isinstance(scale, Mapping):
        return {str(k): np.asarray(v, dtype=float).tolist() if np.ndim(v) == 0 else "array" for k, v in scale.items()}
    return np.asarray(scale, dtype=float).tolist()
