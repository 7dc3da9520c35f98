"""Pytrees of weights from any library as pytrees of numpy arrays, and whether two of them fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.jax_tools import configured_jax

#: What is raised where a thing is no array, or has only some of the methods of a tensor.
NOT_A_TENSOR = (AttributeError, RuntimeError, TypeError, ValueError)
_OTHER = (str, bytes, type(None))


def plain_weights(tree: Any, where: str) -> Any:
    """Return a pytree with numpy arrays for leaves.

    Mappings (``state_dict``, Flax's FrozenDict) become plain dicts; lists, tuples and registered nodes (Equinox
    modules, dataclasses) stay what they are.  Floating-point leaves become float64, others keep their type; what is no
    array (names, activation functions) is passed on.

    Parameters
    ----------
    tree : pytree
        Of numpy or JAX arrays, of tensors, of numbers.
    where : str
        What the messages call it.

    Raises
    ------
    InputError
        A leaf holds Python objects, complex numbers, or numbers that are not finite.
    """
    if isinstance(tree, Mapping):
        return {key: plain_weights(value, f"{where}[{key!r}]") for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(plain_weights(value, f"{where}[{i}]") for i, value in enumerate(tree))
    jax = configured_jax()
    flat, structure = jax.tree_util.tree_flatten_with_path(tree)
    leaves = [_array(leaf, where + jax.tree_util.keystr(path)) for path, leaf in flat]
    return jax.tree_util.tree_unflatten(structure, leaves)


def from_tensor(value: Any) -> Any:
    """Return a tensor of any library that has torch's methods as a numpy array, anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    value = value.detach().cpu()
    if getattr(getattr(value, "dtype", None), "is_floating_point", True):
        value = value.double()  # numpy knows no bfloat16
    return value.numpy()


def _array(leaf: Any, where: str) -> Any:
    """Return a leaf as a read-only numpy array of its own."""
    if isinstance(leaf, _OTHER) or (callable(leaf) and not hasattr(leaf, "__array__")):
        return leaf
    try:
        array = np.array(from_tensor(leaf), order="C")
        if array.dtype.kind == "f" or (array.dtype.kind == "V" and array.dtype.names is None):  # V: JAX's bfloat16
            array = array.astype(np.float64)
    except NOT_A_TENSOR:
        array = np.empty(0, dtype=object)
    if array.dtype.kind == "c":
        msg = f"{where}: complex numbers were given; weights must be real, so give their real and imaginary parts"
        raise InputError(msg)
    if array.dtype.kind not in "fiub":
        msg = f"{where}: {type(leaf).__name__} was given, which is no array of numbers; give arrays or tensors"
        raise InputError(msg)
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        msg = f"{where}: the entry at {at} is {array[at]}; leave out what came after the run diverged"
        raise InputError(msg)
    array.setflags(write=False)
    return array


def leaf_shapes(tree: Any) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of each leaf by its path, such as ``"rnn.weight_hh"``; None for what is no array."""
    jax = configured_jax()
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator=".") or "weights": _shape(leaf) for path, leaf in flat}


def _shape(leaf: Any) -> tuple[int, ...] | None:
    shape = getattr(leaf, "shape", () if isinstance(leaf, int | float) else None)
    return None if shape is None else tuple(shape)


def check_same_shapes(first: Any, other: Any, names: tuple[str, str]) -> None:
    """Raise InputError, naming the leaf, unless two pytrees have the same leaves of the same shapes."""
    one, two = leaf_shapes(first), leaf_shapes(other)
    a, b = names
    for leaf in [*one, *two]:
        if leaf not in one or leaf not in two:
            has, lacks = (a, b) if leaf in one else (b, a)
            msg = f"{lacks}: it has no leaf {leaf!r}, {has} has; all checkpoints must be of one network"
            raise InputError(msg)
        if one[leaf] != two[leaf]:
            found, wanted = (
                "is no array" if shape is None else f"has shape {shape}" for shape in (two[leaf], one[leaf])
            )
            msg = f"{b}: the leaf {leaf!r} {found}, in {a} it {wanted}; all checkpoints must be of one network"
            raise InputError(msg)
