"""Deflated Newton and the searches that use it, on systems whose solutions are known."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.dynamics.deflation import deflated_newton


def coupled(mu: float = 0.5) -> nc.Model:
    """Three pitchforks with weak diffusive coupling: 27 fixed points at mu = 0.5."""
    mean = "(x1 + x2 + x3)/3"
    return nc.Model.from_equations(
        {f"x{i}": f"mu*x{i} - x{i}**3 + 0.01*({mean} - x{i})" for i in (1, 2, 3)}, {"mu": mu}
    )


def cubic(x):
    return np.array([(x[0] - 1) * (x[0] - 2) * (x[0] + 3)]), np.array([[3 * x[0] ** 2 - 7.0]])


@pytest.mark.parametrize("start", [-5.0, 0.1, 0.9, 1.4, 3.0, 10.0])
def test_the_three_roots_of_a_cubic_come_from_one_start(start):
    known: list[np.ndarray] = []
    for _ in range(3):
        new = deflated_newton(cubic, np.array([start]), known, tol=1e-12, max_iter=200)
        assert new is not None
        known.append(new)
    assert sorted(float(x[0]) for x in known) == pytest.approx([-3.0, 1.0, 2.0], abs=1e-10)
    assert deflated_newton(cubic, np.array([start]), known, tol=1e-12, max_iter=200) is None


def test_a_start_on_a_known_solution_leads_nowhere():
    assert deflated_newton(cubic, np.array([1.0]), [np.array([1.0])]) is None


def test_undefined_equations_end_the_search():
    assert deflated_newton(lambda x: None, np.array([0.5]), []) is None
    assert deflated_newton(lambda x: (np.array([np.nan]), np.eye(1)), np.array([0.5]), []) is None
    assert deflated_newton(lambda x: (np.array([1.0]), np.zeros((1, 1))), np.array([0.5]), []) is None


def assert_27(points: nc.FixedPoints) -> None:
    """Roots of x_i**3 - 0.49 x_i = 0.01 m with m the mean, counted by signs (each branch continues +-0.7 or 0)."""
    assert len(points) == 27
    assert np.max(points.residual) < 1e-12
    signs = {tuple(np.where(np.abs(x) < 0.35, 0, np.sign(x)).astype(int)) for x in points.x}
    assert len(signs) == 27
    m = points.x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(points.x**3 - 0.49 * points.x, 0.01 * np.repeat(m, 3, axis=1), atol=1e-12)


@pytest.mark.parametrize("deflate", [False, True])
def test_all_27_fixed_points_of_three_coupled_pitchforks(deflate):
    assert_27(nc.find_fixed_points(coupled(), box=(-1, 1), deflate=deflate))


def test_all_27_from_a_single_start():
    assert len(nc.find_fixed_points(coupled(), starts=[[0.1, 0.2, 0.3]])) == 1
    points = nc.find_fixed_points(coupled(), starts=[[0.1, 0.2, 0.3]], deflate=True)
    assert_27(points)
    assert np.all(points.index == 0)


def test_deflation_keeps_to_the_box():
    m = nc.Model.from_equations({"x": "x*(x - 1)*(x + 2)*(x - 5)"}, {"a": 0.0})
    points = nc.find_fixed_points(m, box=(-0.5, 1.5), deflate=True)
    assert sorted(points["x"]) == pytest.approx([0.0, 1.0], abs=1e-9)


def test_fixed_points_of_a_map():
    """Period 2 of the logistic map at r = 3.4, as fixed points of the second iterate, from one of four."""
    m = nc.classics.logistic().power(2)
    points = nc.find_fixed_points(m, starts=[[0.1]], params={"r": 3.4}, deflate=True)
    root = np.sqrt(0.4 * 4.4)
    expected = [0.0, (4.4 - root) / 6.8, 1 - 1 / 3.4, (4.4 + root) / 6.8]
    assert sorted(points["x"]) == pytest.approx(expected, abs=1e-9)


def test_equations_without_solutions_end():
    m = nc.Model.from_equations({"x": "x**2 + 1"}, {"a": 0.0})
    assert len(nc.find_fixed_points(m, box=(-2, 2), deflate=True, max_starts=128)) == 0
