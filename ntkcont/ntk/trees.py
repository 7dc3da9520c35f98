"""Directions in theta as pytrees like theta, and as one flat vector in the order of ``Packing``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.jax_tools import configured_jax
from ntkcont.models.model import Model
from ntkcont.ntk.theta import Leaf, Theta, ThetaChoice
from ntkcont.ntk.trajectory.packing import packing_of

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class _Param:
    """Stands for a parameter."""

    name: str


class ThetaTree:
    """What a direction in theta looks like to the user.

    With "all" and weights it has the structure of the model's theta (leaves that cannot be trained are zeros), with a
    function the structure of what the function returns, with names (and for models without weights) it is a dict from
    name to array or number.  Steps are in units of theta itself, whatever its scale.

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
        self.packing = packing_of(theta, model)
        markers = tree.tree_unflatten(structure, [Leaf(i) for i in range(len(leaves))])
        own = {name: Leaf(i) for name, i in zip(theta.leaf_names, theta.leaves, strict=True)}
        named = {**own, **{name: _Param(name) for name in theta.param_names}}
        if callable(choice):
            self.template = choice(markers)
        else:
            self.template = markers if choice == "all" and theta.leaves else named
        self.name_of = {marker: name for name, marker in named.items()}
        self.untrained: dict[Any, Array] = {Leaf(i): np.zeros(np.shape(leaf)) for i, leaf in enumerate(leaves)}
        self.by_name = isinstance(self.template, dict) and self.template.keys() == named.keys()

    def build(self, flat: Array) -> Any:
        """Return the pytree of a flat vector (P,)."""
        parts = self.packing.unpack(flat)

        def value(marker: Leaf | _Param) -> Any:
            part = parts.get(self.name_of.get(marker, ""))
            if part is None:
                return self.untrained[marker]
            return part.copy() if isinstance(marker, Leaf) else float(part)

        if self.by_name:  # in the order of the names
            return {name: value(marker) for name, marker in self.template.items()}
        return configured_jax().tree_util.tree_map(value, self.template)

    def flatten(self, given: Any, argument: str) -> Array:
        """Return the flat vector (P,) of a pytree; of a dict names may be left out, they are zero."""
        tree = configured_jax().tree_util
        if self.by_name and isinstance(given, Mapping):
            for name in given:
                if name not in self.template:
                    raise unknown_name(argument=argument, got=name, allowed=self.template)
            values = dict(given)
        else:
            markers, structure = tree.tree_flatten(self.template)
            found, own = tree.tree_flatten(given)
            if own != structure:
                msg = f"{argument}: its structure is {own}; it must be a pytree like theta, {structure}"
                raise InputError(msg)
            values = {self.name_of.get(marker, ""): value for marker, value in zip(markers, found, strict=True)}
        for name, part in self.packing.unpack(np.zeros(self.packing.size)).items():
            values[name] = np.asarray(values.get(name, part), dtype=float)
            if values[name].shape != part.shape or not np.all(np.isfinite(values[name])):
                msg = f"{argument}: {name!r} has shape {values[name].shape}; it must be finite numbers of {part.shape}"
                raise InputError(msg)
        return self.packing.pack(values)
