"""Directions in theta as pytrees like theta, and as one flat vector.

The flat order is that of :attr:`Theta.names <ntkcont.ntk.theta.Theta.names>`: the chosen leaves, each in C order, then
the chosen parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.jax_tools import configured_jax
from ntkcont.models.model import Model
from ntkcont.ntk.theta import Leaf, Theta, ThetaChoice

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class _Param:
    """Stands for a parameter, by its position in the model."""

    index: int


class ThetaTree:
    """What a direction in theta looks like to the user.

    With "all" and weights it has the structure of the model's theta (leaves that cannot be trained are zeros), with a
    function the structure of what the function returns, with names (and for models without weights) it is a dict from
    name to array or number.

    Parameters
    ----------
    choice : "all", names, or callable
        As :class:`~ntkcont.ntk.StateNTK` takes it.
    model : Model
        The model.
    theta : Theta
        The choice, resolved.
    """

    def __init__(self, choice: ThetaChoice, model: Model, theta: Theta) -> None:
        tree = configured_jax().tree_util
        leaves, structure = tree.tree_flatten(model.theta)
        self.theta = theta
        self.shapes = [np.shape(leaf) for leaf in leaves]
        markers = tree.tree_unflatten(structure, [Leaf(i) for i in range(len(leaves))])
        if callable(choice):
            self.template = choice(markers)
        elif choice == "all" and theta.leaves:
            self.template = markers
        else:
            self.template = {name: Leaf(i) for name, i in zip(theta.leaf_names, theta.leaves, strict=True)}
            self.template |= {name: _Param(i) for name, i in zip(theta.param_names, theta.params, strict=True)}
        self.by_name = isinstance(self.template, dict) and self.template.keys() == {*theta.names}

    @property
    def sizes(self) -> list[int]:
        """How many numbers each name of theta has."""
        return [int(np.prod(self.shapes[i])) for i in self.theta.leaves] + [1] * len(self.theta.params)

    def build(self, flat: Array) -> Any:
        """Return the pytree of a flat vector (P,)."""
        parts = iter(np.split(flat, np.cumsum(self.sizes)[:-1]))
        leaves = {i: next(parts).reshape(self.shapes[i]).copy() for i in self.theta.leaves}
        params = {i: float(next(parts)[0]) for i in self.theta.params}

        def value(marker: Leaf | _Param) -> Any:
            if isinstance(marker, _Param):
                return params[marker.index]
            return leaves[marker.index] if marker.index in leaves else np.zeros(self.shapes[marker.index])

        return configured_jax().tree_util.tree_map(value, self.template)

    def flatten(self, given: Any, argument: str) -> Array:
        """Return the flat vector (P,) of a pytree; of a dict names may be left out, they are zero."""
        tree = configured_jax().tree_util
        if self.by_name and isinstance(given, Mapping):
            for name in given:
                if name not in self.template:
                    raise unknown_name(argument=argument, got=name, allowed=self.template)
            values = {self.template[name]: value for name, value in given.items()}
        else:
            markers, structure = tree.tree_flatten(self.template)
            found, own = tree.tree_flatten(given)
            if own != structure:
                msg = f"{argument}: its structure is {own}; it must be a pytree like theta, {structure}"
                raise InputError(msg)
            values = dict(zip(markers, found, strict=True))
        order: Sequence[Any] = [*map(Leaf, self.theta.leaves), *map(_Param, self.theta.params)]
        parts = []
        for name, marker in zip(self.theta.names, order, strict=True):
            shape = self.shapes[marker.index] if isinstance(marker, Leaf) else ()
            part = np.asarray(values.get(marker, np.zeros(shape)), dtype=float)
            if part.shape != shape or not np.all(np.isfinite(part)):
                msg = f"{argument}: {name!r} has shape {part.shape}; it must be finite numbers of shape {shape}"
                raise InputError(msg)
            parts.append(part.reshape(-1))
        return np.concatenate(parts)
