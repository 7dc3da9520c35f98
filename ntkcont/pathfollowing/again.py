"""Where something happens that was not established: the run goes back and steps over it again, shorter and shorter."""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Node
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.special_points import SpecialPoint

#: How often a run goes back in all, and at one place; each time the step over it is a tenth as long.
ALL, HERE = 200, 10
#: Steps are not made shorter than this: the length of a step that matters may be far below that of the diagram.
SHORTEST = 1e-14
#: What is only noted, and never stepped over again.
NOTED = ("UZ", "BC")


class Again:
    """The steps back of one run."""

    def __init__(self) -> None:
        self.count = self.here = 0
        self.given_up = -np.inf  # what begins before this arclength is left as it is
        self.node: Node | None = None  # where to go on from
        self.scales: Array = np.empty(0)
        self.ds = 0.0
        self._until, self._over = -np.inf, 0.0  # the place and the step that first led over it

    def wanted(self, special: list[SpecialPoint], doubts: list[Doubtful]) -> float | None:
        """Return the arclength before the first place at which something was not established; None if all was.

        The step may have jumped to another branch, or shorter steps may tell.
        """
        if self.count >= ALL:
            return None
        found = [q.bracket[0] for q in special if not q.converged and q.label not in NOTED]
        found += [each.bracket[0] for each in doubts]
        return min((s for s in found if s > self.given_up), default=None)

    def note(self, last: Node, scales: Array, ds: float) -> None:
        """Decide from where to go on, `last` being the last point before the place, and how: `ds` led over it."""
        self.count += 1
        if last.s > self._until:
            self._until, self._over, self.here = last.s + ds, ds, 0
        self.here += 1
        self.node, self.scales, self.ds = last, scales, 0.1 * ds
        if self.here > HERE or self.ds < SHORTEST:  # shorter steps tell no more: over it as at first
            self.given_up, self.ds = self._until + self._over, self._over

    def back(self) -> tuple[Node, Array, float]:
        """Return the node, its scales and the next step."""
        if self.node is None:
            msg = "there is nowhere to go back to"
            raise RuntimeError(msg)
        return self.node, self.scales, self.ds
