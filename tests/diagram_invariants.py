"""What every diagram must satisfy, and its branches with it; used by every test that makes a diagram."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import ntkcont as nc
from tests.invariants import check_branch
from tests.invariants_between import orbit_of


def checked(model: nc.Model, starts: Any, **keywords: Any) -> nc.Diagram:
    """Make a diagram and assert what holds for all of them."""
    diagram = nc.diagram(model, starts, **keywords)
    check_diagram(diagram, model, keywords["p_span"])
    return diagram


def check_diagram(
    diagram: nc.Diagram, model: nc.Model, p_span: tuple[float, float], corners: Sequence[float] = ()
) -> None:
    """Every branch is one, is there once, and begins where the tree says."""
    for branch, origin in zip(diagram.branches, diagram.origins, strict=True):
        iterate = model if origin.period == 1 else model.power(origin.period)
        check_branch(branch, iterate, p_span=p_span, corners=corners, base=model, period=origin.period)
    _check_tree(diagram)
    _check_names(diagram, model)
    z = [np.column_stack([branch.x, branch.p]) for branch in diagram]
    scale = np.maximum(np.max(np.abs(np.concatenate(z)), axis=0), 1e-9)
    for i, j in itertools.permutations(range(len(diagram)), 2):
        if diagram.origins[i].period % diagram.origins[j].period == 0:
            marks = [np.append(q.x, q.p) / scale for q in diagram[i].special_points if q.label != "EP"]
            assert not _contained(z[i] / scale, z[j] / scale, marks), f"branch {i} runs along branch {j}"


def _check_tree(diagram: nc.Diagram) -> None:
    for i, origin in enumerate(diagram.origins):
        if origin.parent is None:
            assert origin.depth == 0
            assert origin.point is None
            continue
        assert origin.parent < i
        parent = diagram.origins[origin.parent]
        assert origin.depth == parent.depth + 1
        there = diagram[origin.parent].special_points[origin.point]
        here = diagram[i].special_points[origin.point]
        assert origin.period == parent.period * (2 if there.label == "PD" else 1)
        assert here.label == ("BC" if there.label == "BC" else "BP")
        assert here.p == there.p
        assert np.array_equal(here.x, there.x)


def _check_names(diagram: nc.Diagram, model: nc.Model) -> None:
    """One name stands for one place, or for one orbit; a branch has it twice only where it passes that twice.

    And one place, or orbit, has one name for each kind of special point.
    """
    places: dict[str, np.ndarray] = {}
    kinds: list[tuple[str, int, str, np.ndarray]] = []
    for branch, origin in zip(diagram.branches, diagram.origins, strict=True):
        once = {q.name: q for q in branch.special_points}
        for q in branch.special_points:
            again = q is not once[q.name]
            first = once[q.name]
            away = abs(q.s - first.s) > 1e-3 or np.max(np.abs(q.x - first.x)) > 1e-5
            assert not again or (q.label not in ("EP", "UZ") and away), q.name
        for q in branch.special_points:
            orbit = np.array(orbit_of(q, model, origin.period))
            first = places.setdefault(q.name, orbit[0])
            np.testing.assert_allclose(orbit[np.argmin(np.abs(orbit - first).max(axis=1))], first, rtol=1e-6, atol=1e-6)
            for label, period, name, there in kinds if q.label not in ("EP", "UZ") else ():
                one = label == q.label and period == origin.period and np.min(np.abs(orbit - there).max(axis=1)) < 1e-7
                assert not one or name == q.name, f"{name} and {q.name} are one"
            kinds.append((q.label, origin.period, q.name, orbit[0]))
    listed = [q.name for q in diagram.special_points]
    assert sorted(listed) == sorted(name for name in places if not name.startswith("EP"))


def _contained(curve: np.ndarray, other: np.ndarray, marks: list[np.ndarray]) -> bool:
    """Whether all sampled points of a curve, away from the marks, lie on another polyline."""
    sample = curve[np.unique(np.linspace(0, len(curve) - 1, 9).astype(int))[1:-1]]
    sample = [z for z in sample if all(np.linalg.norm(z - mark) > 1e-2 for mark in marks)]
    if not sample:
        return False
    a, b = other[:-1], other[1:]
    square = np.maximum(np.sum((b - a) ** 2, axis=1), 1e-300)
    near = []
    for z in sample:
        u = np.clip(np.sum((z - a) * (b - a), axis=1) / square, 0.0, 1.0)
        near.append(np.min(np.linalg.norm(z - a - u[:, None] * (b - a), axis=1)))
    return bool(np.max(near) < 1e-4)
