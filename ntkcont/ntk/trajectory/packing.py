"""Theta as one vector: the leaves of the weights in the order of the pytree, each in C order, then the parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax
from ntkcont.models.model import Model
from ntkcont.ntk.theta import Theta

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """Where each part of theta is in the vector, and in which unit it is measured.

    Parameters
    ----------
    theta : Theta
        What is trained.
    shapes : tuple of tuple of int
        Shapes of the leaves in theta.
    scale : ndarray, shape (P,)
        Unit of each entry: a step of 1 in the vector is a step of `scale` in theta.
    """

    theta: Theta
    shapes: tuple[tuple[int, ...], ...]
    scale: Array

    @property
    def size(self) -> int:
        """Number of entries, P."""
        return self.scale.size

    @property
    def slices(self) -> dict[str, slice]:
        """Where each leaf and each parameter is, by name, in order."""
        sizes = [int(np.prod(shape)) for shape in self.shapes] + [1] * len(self.theta.params)
        ends = np.cumsum([0, *sizes]).tolist()
        return {name: slice(a, b) for name, a, b in zip(self.theta.names, ends[:-1], ends[1:], strict=True)}

    def unpack(self, vector: Array, scaled: bool = False) -> dict[str, Array]:
        """Return the parts of a vector (P,) by name: leaves in their shapes, parameters as numbers.

        `scaled` multiplies by the units, which turns a step in the vector into one in theta.
        """
        vector = np.asarray(vector) * self.scale if scaled else np.asarray(vector)
        shapes = [*self.shapes, *[()] * len(self.theta.params)]
        return {
            name: vector[where].reshape(shape) for (name, where), shape in zip(self.slices.items(), shapes, strict=True)
        }

    def pack(self, parts: dict[str, Any]) -> Array:
        """Return the vector (P,) of parts by name; those that are left out are zero."""
        vector = np.zeros(self.size)
        for name, where in self.slices.items():
            if name in parts:
                vector[where] = np.asarray(parts[name], dtype=float).reshape(-1)
        return vector


def packing_of(theta: Theta, model: Model) -> Packing:
    """Return how theta of a model is laid out."""
    leaves = configured_jax().tree_util.tree_leaves(model.theta)
    shapes = tuple(np.shape(leaves[i]) for i in theta.leaves)
    scales = [np.broadcast_to(s, shape).reshape(-1) for s, shape in zip(theta.leaf_scale, shapes, strict=True)]
    return Packing(theta=theta, shapes=shapes, scale=np.concatenate([*scales, theta.param_scale]))
