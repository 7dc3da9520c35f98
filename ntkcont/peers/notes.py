"""What the reader of a comparison should know besides: about ntkcont's branch, and where the other one ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ntkcont.peers.extent import core
from ntkcont.peers.matching import COMPARED, Scales, nearest_on
from ntkcont.peers.protocol import PeerBranch
from ntkcont.results.branch import Branch
from ntkcont.results.doubtful import UNKNOWN

_REACHED = 0.02  # scaled distance of an end of ntkcont's branch from the other curve


def notes_on_ours(branch: Branch) -> Iterator[str]:
    """Yield what ntkcont could not finish: what is doubtful, ways to infinity."""
    for place in branch.doubtful:
        if place.label in (*COMPARED, UNKNOWN):
            yield (
                f"at {branch.free} = {place.p:.6g} ntkcont could not establish what happens ({place.label}?) and lists "
                f"nothing: {place.reason}"
            )
    part = core(branch)
    if part != slice(None):
        sizes = np.abs(branch.x[part]).max(axis=0)
        largest = int(np.argmax(np.abs(branch.x).max(axis=0)))
        yield (
            f"ntkcont's branch goes to infinity in the span; distances and the default steps of the other program are "
            f"those of its part up to |{branch.states[largest]}| = {sizes[largest]:.3g}"
        )


def notes_on_reach(branch: Branch, peer: PeerBranch, scales: Scales, name: str) -> Iterator[str]:
    """Yield the ends of ntkcont's branch that the other program does not reach."""
    if not peer.steps:
        return
    part = core(branch)
    kept = range(len(branch))[part]
    start = int(np.argmin(np.abs(branch.s)))
    curves = [(p, scales.scaled(p, x)) for p, x, _ in peer.sides if len(p)]
    for index, inside in ((0, kept[0] == 0), (len(branch) - 1, kept[-1] == len(branch) - 1)):
        if index == start or not inside:
            continue
        end = scales.scaled(branch.p[index], branch.x[index])
        gap, nearest = min(
            (float(np.linalg.norm(nodes - end, axis=1).min()), float(p[np.linalg.norm(nodes - end, axis=1).argmin()]))
            for p, nodes in curves
        )
        if gap > _REACHED and min(nearest_on(nodes, end)[0] for _, nodes in curves) > _REACHED:
            yield (
                f"{name} does not reach the end of ntkcont's branch at {branch.free} = {branch.p[index]:.6g}: its last "
                f"point in the span towards it is at {nearest:.6g}"
            )
