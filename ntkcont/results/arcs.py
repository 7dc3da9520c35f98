"""A branch as a chain of arcs between its points and its special points, each with a number of unstable eigenvalues."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.results.branch import Branch
from ntkcont.results.columns import on_special_points
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status


@dataclasses.dataclass(frozen=True)
class Arcs:
    """The vertices of a branch and what holds between them.

    Attributes
    ----------
    s, p : ndarray, shape (m,)
        Arclength and free parameter of the vertices.
    n_unstable : ndarray of int, shape (m - 1,)
        Number of unstable eigenvalues between two vertices.
    closed : bool
        Whether the last vertex is the first.
    """

    s: NDArray[np.float64]
    p: NDArray[np.float64]
    n_unstable: NDArray[np.int64]
    closed: bool

    @classmethod
    def of(cls, branch: Branch) -> Arcs:
        """Return the arcs of a branch; its special points are vertices."""
        special = [q for q in branch.special_points if q.label != "EP"]
        at = np.array([q.s for q in special])
        located = on_special_points(branch, special)
        s = np.concatenate([branch.s[~located], at])
        p = np.concatenate([branch.p[~located], [q.p for q in special]])
        count = np.concatenate([branch.n_unstable[~located], np.full(len(special), -1)])
        order = np.argsort(s, kind="stable")
        s, p, count = s[order], p[order], count[order]
        # a regular point at either end says what holds; between two special points the one before does
        between = np.where(count[1:] >= 0, count[1:], count[:-1])
        after = {q.s: branch.stability_change(q) for q in special}
        for i in np.flatnonzero(between < 0):
            change = after.get(float(s[i]))
            between[i] = 0 if change is None else change[1]
        return cls(s, p, between.astype(np.int64), branch.ends[0] is Status.CLOSED)

    def sides(self, point: SpecialPoint) -> list[tuple[int, int]]:
        """Return for each arc that ends at a special point of the branch whether p grows (1, -1) and n_unstable."""
        i = int(np.argmin(np.abs(self.s - point.s)))
        last = len(self.s) - 1
        left, right = i - 1, i
        if self.closed and i in (0, last):  # both ends are the same point
            left, right = last - 1, 0
        found = []
        for arc, other in ((left, left), (right, right + 1)):
            if 0 <= arc < last:
                found.append((1 if self.p[other] > point.p else -1, int(self.n_unstable[arc])))
        return found

    def crossings(self, p: float) -> NDArray[np.int64]:
        """Return n_unstable where the branch crosses the value p, once for each time it does."""
        beyond = self.p >= p
        return self.n_unstable[np.flatnonzero(beyond[1:] != beyond[:-1])]
