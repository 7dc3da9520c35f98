"""A look a little beyond the ends of a branch, where a special point may lie on the very end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import degenerate
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.results.special_points import SpecialPoint

if TYPE_CHECKING:
    from ntkcont.pathfollowing.detector import Detector


def probe(curve: Curve, node: Node, d: Array, step: float) -> Node | None:
    """Return a point of the branch a (signed) scaled distance `step` from `node` along its tangent."""
    tau = node.tangent / d
    tau = tau / np.linalg.norm(tau)
    z, size = curve.correct(node.z + step * tau * d, d, tau)
    if z is None or size > abs(step):
        return None
    found, sign = curve.node(z, d, tau, node.s + step)
    return found if sign != 0.0 else None


def at_bound(detector: Detector, d: Array) -> list[SpecialPoint]:
    """Return a special point on the very end of the branch, found by looking a little beyond it."""
    task, last = detector.task, detector.last
    if last is None or detector.crossed:
        return []
    if not degenerate(last, d, task.curve.is_map, tuple(detector.trail[-1:]), tol=1e-3):
        return []
    beyond = probe(task.curve, last, d, 1e-3)
    if beyond is None:
        return []
    low, high = task.span
    slack = 1e-9 * max(abs(node.z[-1]) for node in (last, *detector.trail[-1:]))
    nodes = Nodes(
        beyond.z[None], beyond.tangent[None], np.array([beyond.s]), beyond.eigenvalues[None], beyond.counts[None]
    )
    detector.task = dataclasses.replace(task, users=())
    return [point for point in detector.chunk(nodes, final=True) if low - slack <= point.p <= high + slack]
