"""What the working-memory experiment counts and locates, on a network whose fixed points are known in closed form."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc

MEMORY = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "11_working_memory.py"))
GAIN = 2.0


@pytest.fixture(scope="module")
def transition():
    # two units that do not see each other, each with two stable states and one between: nine fixed points, four stable
    net = nc.RateRNN(
        GAIN * np.eye(2), W_in=np.eye(2), inputs={"x": [1.0, 0.0], "y": [0.0, 1.0]}, form="rate", alpha=0.2
    )
    levels = np.array([-0.95, 0.01, 0.95])
    starts = np.stack(np.meshgrid(levels, levels), axis=-1).reshape(-1, 2)
    return MEMORY["follow"](net, {"x": 0.0, "y": 0.0}, {"x": 2.0, "y": 0.0}, starts)


def test_folds_and_counts(transition):
    for branch in transition.branches:
        check_branch(branch, transition.model)
    # z = tanh(2 z + h) has a fold where 2 (1 - z^2) = 1; three pairs of fixed points meet there
    z = -np.sqrt(1 - 1 / GAIN)
    h = np.arctanh(z) - GAIN * z
    folds = [point for _, point in transition.special_points()]
    assert [point.label for point in folds] == ["LP"] * 3
    np.testing.assert_allclose([2.0 * point.p for point in folds], h, rtol=1e-9)
    np.testing.assert_allclose([point.x[0] for point in folds], z, rtol=1e-8)
    assert transition.counts() == [(9, 4, 9, 4), (3, 2, 3, 2)]


def test_strongest_kernels_are_at_the_folds(transition):
    for branch, fold in transition.special_points():
        strongest = branch.s[np.argmax(branch.ntk.top)]
        between = (branch.s - strongest) * (branch.s - fold.s) < 0
        assert not between.any()  # no point of the branch is nearer to the fold on that side
    strongest, everywhere = transition.near(0.05)
    close = [abs(branch.p - fold.p) < 0.05 for branch, fold in transition.special_points()]
    assert everywhere == pytest.approx(np.sum(np.concatenate(close)) / sum(len(b.p) for b in transition.branches))
    assert strongest > 0.9


def test_trajectories_peak_beyond_the_fold(transition):
    branch, fold = next((b, p) for b, p in transition.special_points() if b.stable[[0, -1]].any())
    memory = branch.x[0] if branch.stable[0] else branch.x[-1]
    speed = abs(fold.normal_form["a"] * fold.normal_form["drive"])
    beyond = []
    for steps in (100, 400):
        mixes = fold.p + (np.pi / steps) ** 2 / speed * np.linspace(-1.0, 2.0, 31)
        top = MEMORY["last_state"](steps, memory).evaluate(transition.model, params={"mix": mixes}).top
        beyond.append((mixes[np.argmax(top)] - fold.p) * steps**2 * speed / np.pi**2)
    assert beyond[0] > 0.0
    assert beyond[1] == pytest.approx(1.0, abs=0.25)  # the passage takes as long as the trajectory
