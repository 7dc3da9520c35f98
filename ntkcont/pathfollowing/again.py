"""Where something happens that was not established: the run goes back and steps over it again, shorter and shorter."""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE, TANGENT_SIGN
from ntkcont.models.model import Array
from ntkcont.pathfollowing.audit import explains
from ntkcont.pathfollowing.curve import Node
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.special_points import SpecialPoint

#: How often a run goes back in all, and at one place; each time the step over it is a tenth as long.
ALL, HERE = 200, 10
#: Steps are not made shorter than this: the length of a step that matters may be far below that of the diagram.
SHORTEST = 1e-14
#: Arclength measured with other steps may differ by this part of the first step over a place.
OTHER_STEPS = 3.5e-3
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
        self._anchor: Node | None = None  # the point before that place
        self._records: list[Doubtful] = []  # what was said of it at first
        self._since: list[SpecialPoint] = []  # what has been found from there on

    def wanted(self, special: list[SpecialPoint], doubts: list[Doubtful]) -> float | None:
        """Return the arclength before the first place at which something was not established; None if all was.

        The step may have jumped to another branch, or shorter steps may tell.
        """
        if self.count >= ALL:
            return None
        found = [q.bracket[0] for q in special if not q.converged and q.label not in NOTED]
        found += [each.bracket[0] for each in doubts]
        return min((s for s in found if s > self.given_up), default=None)

    def note(self, last: Node, scales: Array, ds: float, records: list[Doubtful]) -> None:
        """Decide from where to go on, `last` being the last point before the place, and how: `ds` led over it.

        `records` say what could not be established.
        """
        self.count += 1
        if last.s > self._until:
            self._until, self._over, self.here = last.s + ds, ds, 0
            self._anchor, self._since = last, []
            self._records = [each for each in records if each.bracket[0] <= self._until]
        self.here += 1
        self.node, self.scales, self.ds = last, scales, 0.1 * ds
        if self.here > HERE or self.ds < SHORTEST:  # shorter steps tell no more: over it as at first
            self.given_up, self.ds = self._until + self._over, self._over

    def add(self, special: list[SpecialPoint]) -> None:
        """Remember what has been found in accepted steps."""
        if self._anchor is not None:
            self._since += [point for point in special if point.converged and point.s >= self._anchor.s]

    def passed(
        self, nodes: Nodes, special: list[SpecialPoint], doubts: list[Doubtful], final: bool
    ) -> tuple[list[SpecialPoint], list[Doubtful]]:
        """Return what is in accepted steps, with what was said of a place at first if what was found explains no more.

        Steps so short that rounding decides about every sign must not make a change disappear.
        """
        anchor = self._anchor
        beyond = np.flatnonzero(nodes.s > self._until)
        if anchor is None or not (beyond.size or (final and len(nodes.s))):
            return special, doubts
        by = nodes.counts[int(beyond[0]) if beyond.size else -1] - anchor.counts
        inside = [point for point in self._since if point.s <= self._until]
        self._anchor = None
        if explains(inside, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN])):
            return special, doubts

        def elsewhere(bracket: tuple[float, float]) -> bool:
            return not anchor.s <= bracket[0] <= self._until

        if any(not point.converged and not elsewhere(point.bracket) for point in special):
            return special, doubts  # it is named here, and better bracketed
        kept = [point for point in special if point.converged or elsewhere(point.bracket)]
        low, high = anchor.s, float(nodes.s[int(beyond[0]) if beyond.size else -1])
        slack = OTHER_STEPS * self._over
        records = [
            dataclasses.replace(
                each, bracket=(max(low, each.bracket[0] - slack), max(low, min(high, each.bracket[1] + slack)))
            )
            for each in self._records
        ]
        return kept, [*records, *(each for each in doubts if elsewhere(each.bracket))]

    def back(self) -> tuple[Node, Array, float]:
        """Return the node, its scales and the next step."""
        if self.node is None:
            msg = "there is nowhere to go back to"
            raise RuntimeError(msg)
        return self.node, self.scales, self.ds
