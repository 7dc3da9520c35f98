"""The checkpoints of a training run, read and compared: one model for each, which differ in their weights only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.jax_tools import configured_jax, x64
from ntkcont.models.model import Array, Model
from ntkcont.models.networks import LowRank, RateRNN

_SAME = 1e-9  # relative difference of right-hand sides that should be equal


def read_steps(steps: Any, count: int) -> Array:
    """Return the training steps of `count` checkpoints, default 0, 1, 2, ...."""
    if steps is None:
        return np.arange(count, dtype=float)
    try:
        read = np.array(steps, dtype=float)
    except (TypeError, ValueError):
        read = np.zeros(0)
    if read.shape != (count,) or not np.all(np.isfinite(read)):
        msg = f"steps: got {steps!r}; give one finite number for each of the {count} checkpoints"
        raise InputError(msg)
    wrong = np.flatnonzero(np.diff(read) <= 0)
    if wrong.size:
        i = int(wrong[0])
        msg = f"steps: {read[i]:g} is followed by {read[i + 1]:g}; they must increase"
        raise InputError(msg)
    read.setflags(write=False)
    return read


def read_checkpoints(checkpoints: Any, build: Any, steps: Any) -> tuple[tuple[Model, ...], Array]:
    """Return the models of the checkpoints and their training steps, or raise InputError."""
    if not callable(build):
        msg = f"build: got {type(build).__name__}; give a function that makes a Model of the weights of one checkpoint"
        raise InputError(msg)
    if isinstance(checkpoints, Mapping | str) or not isinstance(checkpoints, Sequence) or len(checkpoints) < 2:
        got = f"{len(checkpoints)} of them" if isinstance(checkpoints, Sequence) else type(checkpoints).__name__
        msg = f"checkpoints: got {got}; give a list of at least two pytrees of weights, in the order of training"
        raise InputError(msg)
    times = read_steps(steps, len(checkpoints))
    first = _shapes(checkpoints[0])
    models: list[Model] = []
    for k, weights in enumerate(checkpoints):
        where = f"checkpoints[{k}] (step {times[k]:g})"
        _same_shapes(first, _shapes(weights), where, "")
        models.append(_built(build, weights, where))
        if k:
            _same_model(models[0], models[k], where)
    return tuple(models), times


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a pytree, by its path; leaves that are no numbers are left to `build`."""
    jax = configured_jax()
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    shapes = {}
    for path, leaf in flat:
        shape = getattr(leaf, "shape", () if isinstance(leaf, int | float) else None)
        if shape is not None:
            shapes[jax.tree_util.keystr(path, simple=True, separator=".") or "weights"] = tuple(shape)
    return shapes


def _same_shapes(first: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]], where: str, built: str) -> None:
    for name in [*first, *other]:
        if name not in other or name not in first:
            has, lacks = ("checkpoints[0]", where) if name in first else (where, "checkpoints[0]")
            msg = f"checkpoints: {has} has the leaf {built}{name!r}, {lacks} has not; all must hold the same weights"
            raise InputError(msg)
        if first[name] != other[name]:
            msg = (
                f"checkpoints: in {where} the leaf {built}{name!r} has shape {other[name]}, in checkpoints[0] "
                f"{first[name]}; all must have the same shapes"
            )
            raise InputError(msg)


def _built(build: Callable[[Any], Any], weights: Any, where: str) -> Model:
    try:
        model = build(weights)
    except InputError as error:
        msg = f"{where}: {error}"
        raise InputError(msg) from error
    except Exception as error:
        msg = f"build: it raised {type(error).__name__} for {where} ({error}); it must make a Model of these weights"
        raise InputError(msg) from error
    if not isinstance(model, Model):
        msg = f"build: it returned {type(model).__name__} for {where}; it must return a Model, such as nc.RateRNN(...)"
        raise InputError(msg)
    if not any(np.asarray(leaf).dtype.kind == "f" for leaf in configured_jax().tree_util.tree_leaves(model.theta)):
        msg = (
            "build: its model has no weights (theta is empty), so that nothing changes along the path; build a "
            "nc.RateRNN, or nc.Model.from_jax(..., theta=weights)"
        )
        raise InputError(msg)
    for kind, names in (("state", model.states), ("parameter", tuple(model.params))):
        if "s" in names:
            msg = f"build: its model has a {kind} 's', the name of the path's own parameter; call it otherwise"
            raise InputError(msg)
    return model


def _same_model(first: Model, other: Model, where: str) -> None:
    """Raise unless two models differ in the numbers of theta only."""
    for what in ("kind", "states", "params"):
        if dict_of(getattr(first, what)) != dict_of(getattr(other, what)):
            msg = (
                f"build: the {what} of {where} are {dict_of(getattr(other, what))!r}, those of checkpoints[0] "
                f"{dict_of(getattr(first, what))!r}; only the weights (theta) may differ"
            )
            raise InputError(msg)
    _same_shapes(_shapes(first.theta), _shapes(other.theta), where, "theta ")
    leaves = [configured_jax().tree_util.tree_leaves(model.theta) for model in (first, other)]
    fixed = [(a, b) for a, b in zip(*leaves, strict=True) if np.asarray(a).dtype.kind != "f"]
    if any(not np.array_equal(a, b) for a, b in fixed) or not _same_rest(first, other):
        msg = (
            f"build: {where} differs from checkpoints[0] in more than the floating-point numbers of theta (such as "
            "time constants, masks or a sparsity pattern made of the weights); only those can be interpolated"
        )
        raise InputError(msg)


def dict_of(value: Any) -> Any:
    """Return a mapping as a dict, for comparison; anything else as it is."""
    return dict(value) if isinstance(value, Mapping) else value


def _same_rest(first: Model, other: Model) -> bool:
    """Whether the first model with the weights of the other is the other."""
    if isinstance(first, RateRNN) and isinstance(other, RateRNN):
        return _fixed(first) == _fixed(other)
    x = 0.3 * np.random.default_rng(0).standard_normal(first.n)
    values = first.values()
    with x64():
        one, two = (np.asarray(model.jax_rhs(x, values, other.theta)) for model in (first, other))
    return np.array_equal(np.isfinite(one), np.isfinite(two)) and bool(
        np.allclose(one, two, rtol=_SAME, atol=_SAME, equal_nan=True)
    )


def _fixed(net: RateRNN) -> list[Any]:
    """Return what must not change between networks."""
    pattern = None
    if not isinstance(net.W, np.ndarray | LowRank):
        pattern = (net.W.indices.tobytes(), net.W.indptr.tobytes())
    arrays = [net.alpha, net.tau, net.phi_gain, net.mask, net.sign, *net.inputs.values()]
    return [
        net.form,
        net.phi,
        type(net.W).__name__,
        pattern,
        tuple(net.inputs),
        *(None if a is None else (a.shape, a.tobytes()) for a in arrays),
    ]
