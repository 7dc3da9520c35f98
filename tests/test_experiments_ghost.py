"""Beyond a fold trajectory kernels grow like eps^-3 where their horizon covers the passage, and saturate otherwise."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from invariants import check_branch
from scipy import integrate

GHOST = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "13_ghost.py"))


def test_closed_form_is_the_derivative_of_the_solution():
    # an independent integrator, with the variational equation beside the state
    def f(_t, y, mu):
        return [mu + y[0] ** 2, 2 * y[0] * y[1] + 1.0]

    for mu, T in ((1e-2, GHOST["passage_time"](1e-2)), (1e-3, 20.0)):
        found = integrate.solve_ivp(f, (0.0, T), [-1.0, 0.0], args=(mu,), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(GHOST["sensitivity"](T, mu), found.y[1, -1], rtol=1e-7)
    np.testing.assert_allclose(found.y[0, -1], np.sqrt(mu) * np.tan(np.sqrt(mu) * T + np.arctan(-1 / np.sqrt(mu))))
    np.testing.assert_allclose(GHOST["sensitivity"](20.0, 1e-9), GHOST["sensitivity_at_the_fold"](20.0), rtol=1e-6)


def test_scalar_kernels():
    mus = np.geomspace(1e-3, 1e-2, 3)
    times = [GHOST["passage_time"](mu) for mu in mus]
    tops = GHOST["scalar_tops"](mus, times)
    exact = [GHOST["sensitivity"](t, mu) ** 2 for t, mu in zip(times, mus, strict=True)]
    np.testing.assert_allclose(tops, exact, rtol=1e-6)
    assert GHOST["slope"](mus, tops) == pytest.approx(-3, abs=0.01)
    shorter = GHOST["scalar_tops"](mus / 1000, [20.0] * 3)
    np.testing.assert_allclose(shorter, GHOST["sensitivity_at_the_fold"](20.0) ** 2, rtol=2e-3)
    assert abs(GHOST["slope"](mus, shorter)) < 0.01


def test_network_against_its_normal_form():
    ghost = GHOST["Ghost"](GHOST["bistable_network"]())
    check_branch(ghost.branch, ghost.net)
    distances, tops = np.array([1e-3, 4e-3]), []
    for eps in distances:
        T = 1.1 * ghost.passage(eps) + 30.0
        tops.append(ghost.kernel(T).evaluate(ghost.net, params={"h": ghost.fold.p + eps}).top[0])
        assert tops[-1] == pytest.approx(ghost.predicted(eps, T), rel=1e-3)
    assert np.diff(np.log(tops))[0] / np.log(4.0) == pytest.approx(-3, abs=0.01)
    before, after = ghost.kernel(20.0).evaluate(ghost.net, params={"h": ghost.fold.p + np.array([0.0, 1e-3])}).top
    assert after == pytest.approx(before, rel=0.01)
