"""Folds of functions that are far narrower than the differences with which derivatives are usually taken."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch


@pytest.fixture(scope="module")
def model() -> nc.Model:
    """A wall of height 2 a and width w at x = c."""
    params = {"p": 0.0, "a": 0.5, "c": 1.0, "w": 1.0}
    return nc.Model.from_equations({"x": "p - x + a*tanh((x - c)/w)"}, params=params)


@pytest.mark.parametrize("w", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_folds_where_all_happens_within_a_small_part_of_the_state(model: nc.Model, w: float) -> None:
    """dp/dx = 1 - a/w sech^2 u is 0 where cosh^2 u = a/w, u = (x - c)/w; the eigenvalue is -dp/dx."""
    rng = np.random.default_rng(round(-np.log10(w)))
    for _ in range(8):
        a, c = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.5, 1.5))
        params = {"p": -0.5, "a": a, "c": c, "w": w}
        branch = nc.continuation(model, [-0.5 - a], free="p", params=params, p_span=(-0.5, 3.0))
        u = np.arccosh(np.sqrt(a / w)) * np.array([-1.0, 1.0])
        folds = branch.special_points("LP")
        x, p = np.array([[q.x[0], q.p] for q in folds]).T
        np.testing.assert_allclose((x - c) / w, u, rtol=0, atol=1e-8 + 1e-12 / w)
        np.testing.assert_allclose(p, c + w * u - a * np.tanh(u), rtol=0, atol=1e-14)
        for fold in folds:
            # beside 1/w: to what the last digits of x make of it
            assert abs(fold.eigenvalues[0].real) < 1e-6 / w
        if w > 1e-6:  # tangents of points are as good as 1e-12 of a step, which is seen where that is a part of w
            check_branch(branch, model, p_span=(-0.5, 3.0))
