"""All fixed points are found, once each, with the right stability; slow points apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.optimize
from truth import PROBLEMS

import ntkcont as nc


@pytest.fixture(scope="module")
def coupled():
    """Three weakly coupled pitchforks: 27 fixed points, one near each of {-r, 0, r}^3, r = sqrt(mu)."""
    mean = "(x1 + x2 + x3)/3"
    return nc.Model.from_equations(
        {f"x{i}": f"mu*x{i} - x{i}**3 + 0.01*({mean} - x{i})" for i in (1, 2, 3)}, {"mu": 0.5}
    )


@pytest.fixture(scope="module")
def ghost():
    """Beyond a fold: no fixed point, the slowest state is (0, 0) with speed mu."""
    return nc.Model.from_equations({"x": "mu + x**2", "y": "x - y"}, {"mu": 1e-3})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_27_in_a_box(coupled, seed):
    points = nc.find_fixed_points(coupled, box=(-1, 1), seed=seed)
    assert len(points) == 27
    patterns = np.round(points.x / np.sqrt(0.5)).astype(int)
    assert sorted(map(tuple, patterns)) == sorted(itertools.product((-1, 0, 1), repeat=3))
    for x, n_unstable in zip(points.x, points.n_unstable, strict=True):
        f = 0.5 * x - x**3 + 0.01 * (x.mean() - x)
        assert np.max(np.abs(f)) < 1e-14
        jac = np.diag(0.49 - 3 * x**2) + 0.01 / 3
        assert n_unstable == np.sum(np.linalg.eigvalsh(jac) > 0)
    assert np.array_equal(points.stable, points.n_unstable == 0)
    assert points.stable.sum() == 8
    assert np.all(points.hits >= 3)
    assert points.hits.sum() == points.n_starts - points.n_failed


def test_only_points_in_the_box(coupled):
    points = nc.find_fixed_points(coupled, box={"x3": (-1, 1), "x1": (0.3, 1), "x2": (-0.2, 0.2)})
    assert sorted(map(tuple, np.round(points.x / np.sqrt(0.5)).astype(int))) == [(1, 0, -1), (1, 0, 0), (1, 0, 1)]
    assert len(nc.find_fixed_points(coupled, box=[(2, 3), (2, 3), (2, 3)], max_starts=256)) == 0


def test_parameters_are_used(coupled):
    """Below the pitchforks there is one point, at the origin, with eigenvalues mu (sum mode) and mu - 0.01."""
    points = nc.find_fixed_points(coupled, box=(-1, 1), params={"mu": -0.2})
    assert len(points) == 1
    np.testing.assert_allclose(points.x[0], 0, atol=1e-10)
    np.testing.assert_allclose(np.sort(points.eigenvalues[0].real), [-0.21, -0.21, -0.2], atol=1e-12)
    assert points.params == {"mu": -0.2}
    assert points[0]["mu"] == -0.2


def test_network_from_its_trajectories():
    """W = g v v^T: fixed points are c v with c = g v . tanh(c v), a scalar equation; three of them for g > 1."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal(40)
    v /= np.linalg.norm(v)
    g = 2.0
    net = nc.RateRNN(np.outer(v, v), phi="tanh")
    c = scipy.optimize.brentq(lambda c: g * v @ np.tanh(c * v) - c, 0.5, 50)
    starts = np.concatenate(
        [nc.simulate(net, x, np.arange(0, 10.0), {"gain": g}) for x in rng.standard_normal((8, 40))]
    )
    points = nc.find_fixed_points(net, starts=starts, params={"gain": g})
    along = np.sort(points.x @ v)
    np.testing.assert_allclose(along, [-c, 0, c], atol=1e-9)
    np.testing.assert_allclose(points.x, np.outer(points.x @ v, v), atol=1e-9)
    assert [bool(s) for s in points.stable[np.argsort(points.x @ v)]] == [True, False, True]
    assert points.n_starts == 80


def test_index_is_the_first_start_that_led_there():
    model = nc.Model.from_equations({"x": "x*(1 - x)"}, {})
    points = nc.find_fixed_points(model, starts=[[0.9], [0.1], [1.1], [-0.1], [0.05]])
    assert [(round(p["x"]), p.index, p.hits) for p in points] == [(1, 0, 2), (0, 1, 3)]
    assert (points.n_starts, points.n_failed) == (5, 0)


def test_maps():
    """The logistic map: 0 with multiplier mu, 1 - 1/mu with multiplier 2 - mu."""
    mu = 3.2
    model = nc.Model.from_equations({"x": "mu*x*(1 - x)"}, {"mu": mu}, kind="map")
    points = nc.find_fixed_points(model, box=(-0.5, 1.5))
    order = np.argsort(points["x"])
    np.testing.assert_allclose(points["x"][order], [0, 1 - 1 / mu], atol=1e-12)
    np.testing.assert_allclose(points.eigenvalues[order, 0], [mu, 2 - mu], rtol=1e-10)
    assert not points.stable.any()
    stable = nc.find_fixed_points(model, box=(0.1, 1), params={"mu": 2.5})
    assert stable.stable.tolist() == [True]


@pytest.mark.parametrize(("current", "count"), [(20.0, 3), (-15.0, 1), (60.0, 1)])
def test_morris_lecar_against_a_scan(current, count):
    """With w eliminated the fixed points are the zeros of one function of v: states of different units."""
    problem = PROBLEMS["ML_typeI"]
    q = problem.params

    def balance(v):
        m = 0.5 * (1 + np.tanh((v - q["v1"]) / q["v2"]))
        w = 0.5 * (1 + np.tanh((v - q["v3"]) / q["v4"]))
        return current - q["gCa"] * m * (v - q["vCa"]) - q["gK"] * w * (v - q["vK"]) - q["gL"] * (v - q["vL"])

    grid = np.linspace(-80, 60, 20001)
    crossings = np.flatnonzero(np.diff(np.sign(balance(grid))))
    exact = [scipy.optimize.brentq(balance, grid[i], grid[i + 1], xtol=1e-13) for i in crossings]
    assert len(exact) == count
    points = nc.find_fixed_points(problem.model, box={"v": (-80, 60), "w": (0, 1)}, params={"Iapp": current})
    np.testing.assert_allclose(np.sort(points["v"]), exact, atol=1e-8)


def test_units_do_not_matter():
    """Microvolts instead of volts: the same points, the same starts that lead to them."""
    found = []
    for unit in (1.0, 1e6):
        model = nc.Model.from_equations({"v": "v*(1 - (v/u)**2) + u*w/10", "w": "0.3*v/u - w"}, {"u": unit})
        found.append(nc.find_fixed_points(model, box={"v": (-2 * unit, 2 * unit), "w": (-1, 1)}))
    assert len(found[0]) == 3
    np.testing.assert_allclose(found[0]["v"], found[1]["v"] / 1e6, atol=1e-9)
    assert np.array_equal(found[0].hits, found[1].hits)


def test_degenerate_point_is_one_point():
    """Exactly at a fold the Jacobian is singular: Newton converges slowly, to points that differ in rounding."""
    model = nc.Model.from_equations({"x": "mu + x**2", "y": "x - y"}, {"mu": 0.0})
    points = nc.find_fixed_points(model, box=(-1, 1))
    assert len(points) == 1
    np.testing.assert_allclose(points.x[0], 0, atol=1e-6)


def test_slow_point(ghost):
    points = nc.find_fixed_points(ghost, box=(-1, 1), slow_below=1e-2)
    assert len(points) == 0
    assert points.n_failed == points.n_starts
    assert len(points.slow) == 1
    np.testing.assert_allclose(points.slow.x[0], 0, atol=1e-6)
    assert points.slow.speed[0] == pytest.approx(1e-3, rel=1e-9)
    np.testing.assert_allclose(np.sort(points.slow.eigenvalues[0].real), [-1, 0], atol=1e-6)
    assert len(nc.find_fixed_points(ghost, box=(-1, 1), slow_below=1e-4).slow) == 0
    assert nc.find_fixed_points(ghost, box=(-1, 1)).slow is None


def test_slow_point_beside_fixed_points():
    """f = (x^2 + 0.01)(x - 2): a fixed point at 2, a local minimum of abs(f) near 0 from f' = 0."""
    model = nc.Model.from_equations({"x": "(x**2 + 0.01)*(x - 2)"}, {})
    points = nc.find_fixed_points(model, box=(-3, 3), slow_below=0.05)
    slowest = (4 - np.sqrt(16 - 12 * 0.01)) / 6  # the smaller root of 3 x^2 - 4 x + 0.01
    np.testing.assert_allclose(points.x, [[2.0]], atol=1e-12)
    np.testing.assert_allclose(points.slow.x, [[slowest]], atol=1e-6)
    assert points.slow.speed[0] == pytest.approx(abs((slowest**2 + 0.01) * (slowest - 2)), rel=1e-9)


def test_slow_points_of_maps():
    model = nc.Model.from_equations({"x": "x + 0.001 + x**2"}, {}, kind="map")
    points = nc.find_fixed_points(model, starts=np.linspace(-1, 1, 20)[:, None], slow_below=1e-2)
    assert len(points) == 0
    np.testing.assert_allclose(points.slow.x, [[0.0]], atol=1e-6)
    np.testing.assert_allclose(points.slow.eigenvalues, [[1.0]], atol=1e-6)


def test_undefined_at_some_starts():
    model = nc.Model.from_equations({"x": "1 - sqrt(x)"}, {})
    points = nc.find_fixed_points(model, starts=[[-1.0], [0.5], [4.0]])
    np.testing.assert_allclose(points.x, [[1.0]])
    assert points.n_failed == 1
    with pytest.raises(nc.InputError, match=r"starts: the right-hand side .* is not finite at any of the 2 starts"):
        nc.find_fixed_points(model, starts=[[-1.0], [-0.5]])


def test_starts_a_continuation():
    model = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -1.0})
    points = nc.find_fixed_points(model, box=(0.1, 1), params={"mu": 0.25})
    branch = nc.continuation(model, points[0], free="mu", p_span=(0.1, 1))
    start = np.argmin(np.abs(branch.s))
    assert branch.p[start] == 0.25
    np.testing.assert_allclose(branch["x"] ** 2, branch.p, atol=1e-9)


def test_results_are_frozen_and_readable(coupled):
    points = nc.find_fixed_points(coupled, box=(-1, 1), slow_below=0.1)
    with pytest.raises(ValueError, match="read-only"):
        points.x[0] = 0
    with pytest.raises(nc.InputError, match="name: 'x' is unknown"):
        points["x"]
    with pytest.raises(nc.InputError, match="name: 'nu' is unknown"):
        points[0]["nu"]
    assert "27 fixed points from" in repr(points)
    assert len(repr(points).splitlines()) == 29
    assert "0 slow points" in repr(points.slow)
    assert [p.x.tolist() for p in points] == points.x.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "starts, box: neither was given"),
        ({"starts": np.zeros((2, 3)), "box": (0, 1)}, "starts, box: both were given"),
        ({"starts": np.zeros((2, 4))}, r"starts: shape \(2, 4\) was given; it must be \(m, 3\)"),
        ({"starts": np.zeros((5, 2, 3))}, r"starts.reshape\(-1, 3\)"),
        ({"starts": np.zeros((0, 3))}, r"starts: shape \(0, 3\)"),
        ({"starts": [[0, 0, 0], [0, np.nan, 0]]}, "starts: row 1 is not finite"),
        ({"starts": "many"}, "starts: str is not an array"),
        ({"box": {"x1": (0, 1), "x2": (0, 1), "x4": (0, 1)}}, "box: 'x4' is unknown; it may be 'x1'"),
        ({"box": {"x1": (0, 1)}}, "box: no pair for 'x2', 'x3'"),
        ({"box": (1, 0)}, r"box: \(1, 0\) was given for 'x1'"),
        ({"box": [[0, 1], [0, 1]]}, r"box: shape \(2, 2\)"),
        ({"box": (0, np.inf)}, "finite low < high"),
        ({"box": (0, 1), "tol": 0}, "tol: got 0; it must be a positive number"),
        ({"box": (0, 1), "unique": -1}, "unique: got -1"),
        ({"box": (0, 1), "slow_below": "yes"}, "slow_below: got 'yes'"),
        ({"box": (0, 1), "params": {"nu": 1}}, "params: 'nu' is unknown"),
    ],
)
def test_bad_input(coupled, arguments, message):
    with pytest.raises(nc.InputError, match=message):
        nc.find_fixed_points(coupled, **arguments)
