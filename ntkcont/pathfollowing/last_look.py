"""A last look at a finished direction: what changes along it and neither a listed nor a doubtful point explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE, TANGENT_SIGN
from ntkcont.pathfollowing.audit import doubt, explains, sure, unexplained
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.firm import firm
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.poles import pole_between
from ntkcont.pathfollowing.units import local_units
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.special_points import SpecialPoint

#: How many points farther on both sides firm ones are looked for.
WIDER = 40


def never_explained(
    curve: Curve, nodes: Nodes, points: Sequence[SpecialPoint], places: Sequence[Doubtful]
) -> list[Doubtful]:
    """Return what was established nowhere: chunk by chunk it may lie between points whose counts are all rounding."""
    if not len(nodes.s):
        return []
    known = sure(nodes.s, nodes.counts, points)
    found: list[Doubtful] = []
    for i, j, _ in unexplained(nodes.s, nodes.counts, points):
        low, high = (int(np.searchsorted(known, end)) for end in (i, j))
        for k in range(WIDER):
            a, b = int(known[max(low - k, 0)]), int(known[min(high + k, len(known) - 1)])
            left, right = nodes[a], nodes[b]
            size = np.maximum(np.abs(left.z), np.abs(right.z))  # of the steps in between nothing is known any more
            units = local_units(curve, left, right, np.where(size > 0.0, size, 1.0))
            if not firm(curve, left, right, units):
                continue
            by = right.counts - left.counts
            inside = [point for point in points if left.s <= point.s <= right.s]
            known_places = [*places, *found]
            if (
                not explains(inside, int(by[N_UNSTABLE]), bool(by[TANGENT_SIGN]))
                and not any(place.bracket[0] <= right.s and left.s <= place.bracket[1] for place in known_places)
                and pole_between(curve, left, right, units) is None
            ):
                found.append(doubt(left, right, "steps as they came"))
            break
    return found
