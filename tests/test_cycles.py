"""The stable cycle beyond a Hopf point has the amplitude and the period of the closed form, where one exists."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from truth import PROBLEMS

import ntkcont as nc


def polar(growth, params, turn="w", unit=1.0):
    """r' = r g(r^2), theta' = turn, in Cartesian coordinates; `growth` and `turn` are expressions in q = r^2."""
    equations = {"x": "x*g - y*h", "y": "y*g + x*h"}
    aux = {"q": f"(x**2 + y**2)/({unit})**2", "g": growth, "h": turn}
    return nc.Model.from_equations(equations, params, aux=aux)


def test_supercritical():
    """r^2 = mu, and the frequency w + c mu depends on the amplitude."""
    model = polar("mu - q", {"mu": -0.5, "w": 2.0, "c": 0.3}, turn="w + c*q")
    branch = nc.continuation(model, [0, 0], free="mu", p_span=(-0.5, 1))
    (cycle,) = nc.cycle_envelope(branch, "x")
    assert (cycle.name, cycle.free, cycle.y) == ("H1", "mu", "x")
    assert np.all(np.diff(cycle.p) > 0)
    assert cycle.p[0] == pytest.approx(0, abs=1e-8)
    assert cycle.p[-1] == 1
    assert len(cycle) >= 20
    radius = np.sqrt(np.maximum(cycle.p, 0))
    np.testing.assert_allclose(cycle.high, radius, atol=2e-3 * np.max(radius))
    np.testing.assert_allclose(cycle.low, -radius, atol=2e-3 * np.max(radius))
    np.testing.assert_allclose(cycle.high[3:], radius[3:], rtol=1e-3)
    np.testing.assert_allclose(cycle.period, 2 * np.pi / (2 + 0.3 * cycle.p), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(cycle.x, axis=1), radius, atol=2e-3)
    assert cycle.ends == ("shrinks to H1", "end of the branch")
    assert "from H1 (simulated)" in repr(cycle)


def test_unstable_towards_lower_values():
    """The same with the parameter reversed, and a Hopf point away from 0."""
    model = polar("3 - m - q", {"m": 4.0, "w": 1.0})
    branch = nc.continuation(model, [0, 0], free="m", p_span=(2, 4))
    (cycle,) = nc.cycle_envelope(branch, "y")
    assert np.all(np.diff(cycle.p) > 0)
    assert cycle.ends == ("end of the branch", "shrinks to H1")
    np.testing.assert_allclose(cycle.high, np.sqrt(np.maximum(3 - cycle.p, 0)), atol=2e-3)
    np.testing.assert_allclose([cycle.p[0], cycle.p[-1]], [2, 3], atol=1e-8)


def test_subcritical():
    """g = mu + q - q^2: the stable cycle q = (1 + sqrt(1 + 4 mu))/2 begins at a fold at mu = -1/4, before the Hopf."""
    model = polar("mu + q - q**2", {"mu": -0.5, "w": 2.0})
    branch = nc.continuation(model, [0, 0], free="mu", p_span=(-0.5, 1))
    (cycle,) = nc.cycle_envelope(branch, "x")
    assert -0.25 <= cycle.p[0] < -0.24
    assert np.sum(cycle.p < 0) >= 4
    assert cycle.p[-1] == 1
    radius = np.sqrt(0.5 * (1 + np.sqrt(1 + 4 * cycle.p)))
    np.testing.assert_allclose(cycle.high, radius, rtol=2e-3)
    np.testing.assert_allclose(cycle.low, -radius, rtol=2e-3)
    np.testing.assert_allclose(cycle.period, np.pi, rtol=1e-5)
    assert cycle.ends[0].startswith("it comes to rest")


def test_one_family_between_two_hopf_points():
    """q = 1 - p^2 from one Hopf point to the other: given once, with both."""
    model = polar("1 - p**2 - q", {"p": -2.0, "w": 1.0})
    branch = nc.continuation(model, [0, 0], free="p", p_span=(-2, 2))
    assert len(branch.special_points("H")) == 2
    (cycle,) = nc.cycle_envelope(branch, "x", points=16)
    assert cycle.ends == ("shrinks to H1", "shrinks to H2")
    np.testing.assert_allclose(cycle.high, np.sqrt(np.maximum(1 - cycle.p**2, 0)), atol=2e-3)
    np.testing.assert_allclose([cycle.p[0], cycle.p[-1]], [-1, 1], atol=1e-8)


def test_beyond_the_second_hopf_point():
    """g = 1 - p^2 + q - q^2: bistable on both sides, |p| up to sqrt(1.25)."""
    model = polar("1 - p**2 + q - q**2", {"p": -2.0, "w": 1.0})
    branch = nc.continuation(model, [0, 0], free="p", p_span=(-2, 2))
    (cycle,) = nc.cycle_envelope(branch, "x")
    edge = np.sqrt(1.25)
    assert -edge <= cycle.p[0] < -edge + 0.02
    assert edge - 0.02 < cycle.p[-1] <= edge
    np.testing.assert_allclose(cycle.high**2, 0.5 + np.sqrt(np.maximum(1.25 - cycle.p**2, 0)), rtol=2e-2)
    inner = np.abs(cycle.p) < 1.1
    np.testing.assert_allclose(cycle.high[inner] ** 2, 0.5 + np.sqrt(1.25 - cycle.p[inner] ** 2), rtol=2e-3)


def test_what_is_measured():
    model = polar("mu - q", {"mu": -0.5, "w": 1.0})
    branch = nc.continuation(model, [0, 0], free="mu", p_span=(-0.5, 1))

    def product(orbit):
        return orbit["x"] * orbit["y"] + 0 * orbit["mu"]

    by_state, by_norm, by_function = (nc.cycle_envelope(branch, y, points=8)[0] for y in (None, "norm", product))
    radius = np.sqrt(np.maximum(by_norm.p, 0))
    assert (by_state.y, by_norm.y, by_function.y) == ("x", "norm", "product")
    np.testing.assert_allclose(by_state.high, radius, atol=2e-3)
    np.testing.assert_allclose(by_norm.high, radius, atol=2e-3)
    np.testing.assert_allclose(by_norm.low, radius, atol=2e-3)
    np.testing.assert_allclose(by_function.high, radius**2 / 2, atol=2e-3)
    np.testing.assert_allclose(by_function.low, -(radius**2) / 2, atol=2e-3)


def test_small_units():
    """A cycle of some millionths, beside an equilibrium of the same magnitude that moves with the parameter."""
    u = 1e-6
    equations = {"x": "(x - k)*g - (y - k)*w", "y": "(y - k)*g + (x - k)*w"}
    aux = {"k": f"{u}*(1 + mu)", "g": f"mu - ((x - k)**2 + (y - k)**2)/{u}**2"}
    model = nc.Model.from_equations(equations, {"mu": -0.5, "w": 2.0}, aux=aux)
    branch = nc.continuation(model, [0.5 * u, 0.5 * u], free="mu", p_span=(-0.5, 1))
    (cycle,) = nc.cycle_envelope(branch, "x")
    np.testing.assert_allclose(cycle.high / u, 1 + cycle.p + np.sqrt(np.maximum(cycle.p, 0)), atol=3e-3)
    np.testing.assert_allclose(cycle.low / u, 1 + cycle.p - np.sqrt(np.maximum(cycle.p, 0)), atol=3e-3)


def integrated(problem, cycle, i):
    """Extremes of the first state and the period at one parameter value, from scipy alone."""
    name, params = problem.model.states[0], {problem.free: cycle.p[i]}
    span = 40 * cycle.period[i]
    solution = solve_ivp(
        lambda t, x: problem.model.rhs(x, params), (0, span), cycle.x[i], method="LSODA", rtol=1e-9, atol=1e-10,
        dense_output=True,
    )  # fmt: skip
    t = np.linspace(0.75 * span, span, 40001)
    v = solution.sol(t)[problem.model.states.index(name)]
    middle = 0.5 * (v.max() + v.min())
    up = t[:-1][(v[:-1] < middle) & (v[1:] >= middle)]
    return v.min(), v.max(), np.mean(np.diff(up))


@pytest.mark.parametrize("name", ["ML_typeI", "ML_typeII", "rnn2_tanh_rot"])
def test_against_another_integrator(name):
    problem = PROBLEMS[name]
    (cycle,) = nc.cycle_envelope(problem.continuation())
    for i in (len(cycle) // 2, len(cycle) - 2):
        low, high, period = integrated(problem, cycle, i)
        size = high - low
        assert cycle.low[i] == pytest.approx(low, abs=3e-3 * size)
        assert cycle.high[i] == pytest.approx(high, abs=3e-3 * size)
        assert cycle.period[i] == pytest.approx(period, rel=3e-3)


def test_morris_lecar_bistability():
    """Both Hopf points are subcritical (positive first Lyapunov coefficients): the cycle exists beyond each."""
    problem = PROBLEMS["ML_typeII"]
    (cycle,) = nc.cycle_envelope(problem.continuation())
    first, second = (e.p for e in problem.expected if e.label == "H")
    assert cycle.p[0] < first - 1
    assert cycle.p[-1] > second + 1
    assert np.all(cycle.high - cycle.low > 40)


def test_period_doublings():
    """Lur'e's system: the cycle from the Hopf point at 1 doubles its period at 0.63031 (published)."""
    problem = PROBLEMS["lure"]
    (cycle,) = nc.cycle_envelope(problem.continuation(), points=150)
    simple, doubled = cycle.p > 0.632, (cycle.p > 0.6) & (cycle.p < 0.629)
    assert doubled.sum() >= 2
    assert np.all((cycle.period[simple] > 6.2) & (cycle.period[simple] < 6.6))
    assert np.all((cycle.period[doubled] > 12.4) & (cycle.period[doubled] < 13.2))


def test_no_stable_cycle():
    """Lorenz: beyond the subcritical Hopf point there is chaos. Unstable on both sides: nothing stable is born."""
    assert nc.cycle_envelope(PROBLEMS["lrz_C+"].continuation()) == ()
    equations = {"x": "mu*x - y - x*(x**2 + y**2)", "y": "x + mu*y - y*(x**2 + y**2)", "z": "z"}
    model = nc.Model.from_equations(equations, {"mu": -0.5})
    branch = nc.continuation(model, [0, 0, 0], free="mu", p_span=(-0.5, 1))
    assert len(branch.special_points("H")) == 1
    assert nc.cycle_envelope(branch) == ()


def test_no_hopf_point():
    assert nc.cycle_envelope(PROBLEMS["cusp"].continuation()) == ()


def test_loaded_branch_needs_its_model():
    model = polar("mu - q", {"mu": -0.5, "w": 1.0})
    branch = nc.continuation(model, [0, 0], free="mu", p_span=(-0.5, 1))
    bare = dataclasses.replace(branch, model=None)
    with pytest.raises(nc.InputError, match="model: the branch carries none"):
        nc.cycle_envelope(bare)
    (cycle,), (same,) = nc.cycle_envelope(bare, model=model, points=8), nc.cycle_envelope(branch, points=8)
    assert np.array_equal(cycle.high, same.high)


def test_bad_input():
    with pytest.raises(nc.InputError, match="branch: it is that of a map"):
        nc.cycle_envelope(PROBLEMS["delayed_logistic_map"].continuation())
    branch = PROBLEMS["hopf_NF_exact"].continuation()
    with pytest.raises(nc.InputError, match=r"y: 'u' is unknown; .*'u1'"):
        nc.cycle_envelope(branch, "u")
    with pytest.raises(nc.InputError, match="points: got 2"):
        nc.cycle_envelope(branch, points=2)
    with pytest.raises(nc.InputError, match=r"y: the function returned shape \(\)"):
        nc.cycle_envelope(branch, lambda orbit: 1.0)
