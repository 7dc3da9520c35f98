"""Accepted points as arrays."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels.spectrum import N_COUNTS
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Complex, Node


@dataclasses.dataclass
class Nodes:
    """Accepted points as arrays with first axis k.

    `vectors`, if any, are those of ``kernels.critical_vectors``; `scales` (k, n+1) those with which each was reached.
    """

    z: Array
    tangent: Array
    s: Array
    eigenvalues: Complex
    counts: NDArray[np.int64]
    vectors: Array | None = None
    scales: Array | None = None

    def __getitem__(self, i: int) -> Node:
        return Node(self.z[i], self.tangent[i], float(self.s[i]), self.eigenvalues[i], self.counts[i])

    def head(self, k: int) -> Nodes:
        """Return the first k points."""
        vectors = None if self.vectors is None else self.vectors[:k]
        scales = None if self.scales is None else self.scales[:k]
        return Nodes(self.z[:k], self.tangent[:k], self.s[:k], self.eigenvalues[:k], self.counts[:k], vectors, scales)

    def tail(self, k: int) -> Nodes:
        """Return copies of the last k points, without their vectors."""
        names = "z", "tangent", "s", "eigenvalues", "counts"
        parts = (getattr(self, name)[-k:].copy() for name in names)
        return Nodes(*parts, scales=None if self.scales is None else self.scales[-k:].copy())

    def all_scales(self) -> Array:
        """Return the scales with which the points were reached; 1 where they are not known."""
        return np.ones(self.z.shape) if self.scales is None else self.scales

    def scales_at(self, i: int) -> Array:
        """Return the scales with which point i was reached; 1 where they are not known."""
        return np.ones(self.z.shape[1]) if self.scales is None else self.scales[i]

    def ending(self, i: int, last: Node) -> Nodes:
        """Return the first i points and `last`, in place of those after them."""
        kept = self.head(i + 1)
        kept.z[-1], kept.tangent[-1], kept.s[-1] = last.z, last.tangent, last.s
        kept.eigenvalues[-1], kept.counts[-1] = last.eigenvalues, last.counts
        if kept.vectors is not None:
            kept.vectors[-1] = np.nan
        return kept


def slim(nodes: Nodes) -> Nodes:
    """Return the points without states and eigenvalues: parameter, arclength and counts alone."""
    k = len(nodes.s)
    return Nodes(
        nodes.z[:, -1:].copy(), nodes.tangent[:, -1:].copy(), nodes.s.copy(), np.empty((k, 0), complex), nodes.counts
    )


def empty_nodes(n: int) -> Nodes:
    """Return no points."""
    nothing = np.empty((0, n + 1))
    return Nodes(nothing, nothing, np.empty(0), np.empty((0, n), complex), np.empty((0, N_COUNTS), np.int64))


def concatenate(parts: list[Nodes], n: int, *, scales: bool = False) -> Nodes:
    """Join runs of points, without their vectors, and without their scales unless these are asked for."""
    if not parts:
        return empty_nodes(n)
    joined = ("z", "tangent", "s", "eigenvalues", "counts")
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in joined)
    return Nodes(*arrays, scales=np.concatenate([part.all_scales() for part in parts]) if scales else None)
