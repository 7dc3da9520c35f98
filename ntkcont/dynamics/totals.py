"""The totals of conserved quantities, kept by a search for fixed points in place of equations that say nothing new."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import least_squares
from ntkcont.models.conserved import ConservedQuantity, replaceable
from ntkcont.models.model import Array, Model


@dataclasses.dataclass(frozen=True)
class Totals:
    """Weights of r conserved quantities, and the equations that are left out for them.

    Attributes
    ----------
    weights : ndarray, shape (r, n)
        In units in which a total has the size of the scale.
    at : ndarray of int, shape (r,)
        Equations that follow from the others, which are those of the states by which totals can be replaced.
    """

    weights: Array
    at: NDArray[np.int64]

    @classmethod
    def none(cls, n: int) -> Totals:
        """Return those of a model without conserved quantities."""
        return cls(np.zeros((0, n)), np.zeros(0, dtype=np.int64))

    @classmethod
    def build(cls, quantities: Sequence[ConservedQuantity], scale: Array) -> Totals:
        """Return those of some quantities, for states of the magnitudes `scale`."""
        if not quantities:
            return cls.none(len(scale))
        w = np.array([q.weights for q in quantities])
        w /= np.max(np.abs(w) * scale, axis=1, keepdims=True)
        return cls(np.ascontiguousarray(w), np.array(replaceable(quantities), dtype=np.int64))

    def of(self, xs: Array) -> Array:
        """Return the totals (m, r) of states (m, n)."""
        return np.ascontiguousarray(xs @ self.weights.T)

    def project(self, x: Array, like: Array, scale: Array) -> Array:
        """Return the state nearest to x, in units of the scale, with the totals of `like`."""
        if not len(self.at):
            return x
        w = self.weights * scale
        return x - scale * least_squares(w, self.weights @ (x - like))

    def put_in(self, f: Array, a: Array, x: Array, d: Array, like: Array) -> tuple[Array, Array]:
        """Return F and its Jacobian, both in units of d, with the totals of `like` in place of equations."""
        if len(self.at):
            unit = max(float(np.max(np.abs(a))), 1e-300)
            f[self.at] = unit * (self.weights @ (x - like))
            a[self.at] = unit * self.weights * d
        return f, a

    def eigenvalues(self, jacobian: Array, model: Model) -> NDArray[np.complex128]:
        """Return the eigenvalues (n,) of a Jacobian: those at constant totals, then 0 (maps: 1) for each total."""
        if not len(self.at):
            return np.linalg.eigvals(jacobian).astype(complex)
        kept = np.setdiff1d(np.arange(model.n), self.at)
        # dx at the replaced states follows from the others
        along = -np.linalg.solve(self.weights[:, self.at], self.weights[:, kept])
        inside = jacobian[np.ix_(kept, kept)] + jacobian[np.ix_(kept, self.at)] @ along
        rest = np.full(len(self.at), 1.0 if model.kind == "map" else 0.0)
        return np.concatenate([np.linalg.eigvals(inside), rest]).astype(complex)


def reachable(quantities: Sequence[ConservedQuantity], scale: Array) -> Array:
    """Return the magnitudes that states can reach at constant totals, if the starts have the magnitudes `scale`.

    What is all S at the start may be all P in the end.
    """
    positive = [q.weights for q in quantities if np.all(q.weights >= 0.0)]
    if not positive:
        return scale
    w = np.array(positive)
    total = np.max(w * scale, axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        most = np.min(np.where(w > 0.0, total / w, np.inf), axis=0)
    return np.where(np.isfinite(most), np.maximum(scale, most), scale)
