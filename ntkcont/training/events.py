"""Births and deaths: what each special point of a diagram does to the number of fixed points and of attractors."""

from __future__ import annotations

import numpy as np

from ntkcont.models.model import Array
from ntkcont.results.arcs import Arcs
from ntkcont.results.diagram import Diagram
from ntkcont.results.labels import LABELS
from ntkcont.results.training_record import TrainingEvent

#: Labels of the special points at which fixed points appear, vanish or change their stability.
CRITICAL = ("LP", "BP", "H", "PD", "NS", "BC")
#: A special point so close to a checkpoint, relative to the run, lies on it.
ON_CHECKPOINT = 1e-9


def events_of(diagram: Diagram, steps: Array, condition: int) -> list[TrainingEvent]:
    """Return the events of one condition: special points at which the number or the stability changes.

    Each arc of a branch that ends at a special point is one fixed point just before or just after it.
    """
    chains = [Arcs.of(branch) for branch in diagram]
    found = []
    for point in diagram.special_points:
        if point.label not in CRITICAL:
            continue
        numbers = [i for i in diagram.branches_at(point.name) if diagram.origins[i].period == 1]
        sides: list[tuple[int, int]] = []
        for i in numbers:
            sides += chains[i].sides(diagram[i].special_points[point.name])
        before = [unstable for sign, unstable in sides if sign < 0]
        after = [unstable for sign, unstable in sides if sign > 0]
        fixed, attractors = (len(before), len(after)), (before.count(0), after.count(0))
        if not numbers or (fixed[0] == fixed[1] and attractors == (0, 0)):
            continue  # unstable before and after it
        if fixed[0] == fixed[1] == 1 and attractors[0] == attractors[1]:
            continue  # such as a border collision that changes nothing
        found.append(
            TrainingEvent(
                s=point.p,
                bracket=bracket(point.p, steps),
                label=point.label,
                name=point.name,
                type=type_of(point.label, fixed),
                condition=condition,
                fixed_points=fixed,
                attractors=attractors,
                branches=tuple(numbers),
                converged=point.converged,
            )
        )
    return found


def bracket(s: float, steps: Array) -> tuple[float, float]:
    """Return the steps of the checkpoints before and after s."""
    nearest = float(steps[int(np.argmin(np.abs(steps - s)))])
    if abs(nearest - s) <= ON_CHECKPOINT * float(np.ptp(steps)):
        return nearest, nearest
    i = int(np.clip(np.searchsorted(steps, s) - 1, 0, len(steps) - 2))
    return float(steps[i]), float(steps[i + 1])


def type_of(label: str, fixed: tuple[int, int]) -> str:
    """Return what a special point is, from how many fixed points there are before and after it."""
    if label == "BP":
        if fixed in ((1, 3), (3, 1)):
            return "pitchfork"
        if fixed == (2, 2):
            return "transcritical"
    return LABELS[label]
