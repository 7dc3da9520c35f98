"""Training paths and records, made and checked: used by every test of training runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import check_diagram
from tests.invariants import check_branch


def corners(path: nc.TrainingPath) -> tuple[float, ...]:
    """Return where branches of the path may turn sharply."""
    return tuple(path.steps[1:-1]) if path.interpolation == "linear" else ()


def followed(path: nc.TrainingPath, x0: Any, **keywords: Any) -> nc.Branch:
    """Follow one branch along the whole run, checked."""
    branch = nc.continuation(path, x0, free="s", p_span=path.span, **keywords)
    check_branch(branch, path, p_span=path.span, corners=corners(path))
    return branch


def recorded(path: nc.TrainingPath, *arguments: Any, **keywords: Any) -> nc.TrainingRecord:
    """Make a record and check its diagrams and what holds for every record."""
    record = nc.follow_training(path, *arguments, **keywords)
    for condition, diagram in zip(record.conditions, record.diagrams, strict=True):
        for branch in diagram:
            assert all(branch.params[name] == value for name, value in condition.items())
        check_diagram(diagram, path, path.span, corners(path))
    assert [event.s for event in record.events] == sorted(event.s for event in record.events)
    for c in range(len(record.conditions)):
        own = [event for event in record.events if event.condition == c]
        _check_balance(record, c, own)
        # the search at a checkpoint finds nothing that is not on a branch; on a bifurcation it finds it several times
        clear = [all(abs(event.s - step) > 1e-6 * np.ptp(record.steps) for event in own) for step in record.steps]
        assert np.all((record.found[c, :, 0] <= record.fixed_points(condition=c))[clear])
        assert np.all((record.found[c, :, 1] <= record.attractors(condition=c))[clear])
    return record


def _check_balance(record: nc.TrainingRecord, c: int, events: list[Any]) -> None:
    """Between two events nothing changes, and each changes the counts by what it says."""
    steps = record.steps
    places = [steps[0], *[event.s for event in events], steps[-1]]
    middles = 0.5 * (np.array(places[1:]) + np.array(places[:-1]))
    fixed, stable = record.fixed_points(middles, c), record.attractors(middles, c)
    for i, event in enumerate(events):
        low, high = event.bracket
        assert low <= event.s <= high or low == high == pytest.approx(event.s, rel=1e-8)
        assert low in steps
        assert high in steps
        assert record.point(event).p == event.s
        if middles[i] < event.s < middles[i + 1]:  # several at once are counted together
            assert fixed[i + 1] - fixed[i] == event.fixed_points[1] - event.fixed_points[0]
            assert stable[i + 1] - stable[i] == event.born


def scalar(weights: Any, biases: Any = None, steps: Any = None, interpolation: Any = "linear", **options: Any) -> Any:
    """Return the path of one unit through these weights and biases."""
    biases = np.zeros(len(weights)) if biases is None else biases
    checkpoints = [{"w": float(w), "b": float(b)} for w, b in zip(weights, biases, strict=True)]
    return nc.TrainingPath(
        checkpoints, lambda q: nc.RateRNN([[q["w"]]], b=[q["b"]], **options), steps=steps, interpolation=interpolation
    )
