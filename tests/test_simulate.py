"""Trajectories agree with closed forms, stiff or not; what goes wrong is said and nothing computed is lost."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.dynamics.simulate import SimulationError


@pytest.fixture(scope="module")
def oscillator():
    """Damped rotation: x + i y = exp((-d + i w) t) (x0 + i y0)."""
    return nc.Model.from_equations({"x": "-d*x - w*y", "y": "w*x - d*y"}, {"d": 0.1, "w": 2.0})


def test_flow_against_closed_form(oscillator):
    t = np.concatenate([[0.0], np.sort(np.random.default_rng(0).uniform(0, 30, 200))])
    states = nc.simulate(oscillator, [1.0, -0.5], t)
    z = (1.0 - 0.5j) * np.exp((-0.1 + 2.0j) * t)
    np.testing.assert_allclose(states, np.column_stack([z.real, z.imag]), atol=3e-7)
    assert np.array_equal(states[0], [1.0, -0.5])


def test_first_time_is_that_of_x0(oscillator):
    a = nc.simulate(oscillator, [1.0, 0.0], np.linspace(0, 5, 11))
    b = nc.simulate(oscillator, [1.0, 0.0], np.linspace(-3, 2, 11))
    np.testing.assert_allclose(a, b, atol=1e-7)


def test_params_and_mapping(oscillator):
    states = nc.simulate(oscillator, {"y": 0.0, "x": 1.0}, [0.0, 2.0], params={"w": 0.0})
    np.testing.assert_allclose(states[-1], [np.exp(-0.2), 0.0], atol=1e-8)


def test_one_time_gives_the_start(oscillator):
    assert nc.simulate(oscillator, [1.0, 2.0], [7.0]).tolist() == [[1.0, 2.0]]


def test_tolerance_is_used(oscillator):
    t = np.linspace(0, 20, 5)
    exact = (np.exp((-0.1 + 2.0j) * t)).real
    errors = [np.max(np.abs(nc.simulate(oscillator, [1.0, 0.0], t, rtol=rtol)[:, 0] - exact)) for rtol in (1e-4, 1e-10)]
    assert errors[1] < 1e-8
    assert errors[1] < 1e-3 * errors[0]


def test_stiff_flow():
    """Rates 1 and 1e6 with a slow solution in closed form: explicit methods would need 1e7 steps."""
    model = nc.Model.from_equations({"x": "-x", "y": "k*(x**2 - y)"}, {"k": 1e6})
    t = np.linspace(0, 10, 11)
    states = nc.simulate(model, [1.0, 0.0], t)
    k = 1e6
    slow = k / (k - 2) * np.exp(-2 * t)  # after the transient exp(-k t)
    np.testing.assert_allclose(states[1:, 0], np.exp(-t[1:]), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(states[1:, 1], slow[1:], rtol=1e-6, atol=1e-9)


def test_units_do_not_matter():
    """The same decay in volts and in kilovolts: the default absolute tolerance follows the state."""
    errors = []
    for unit in (1.0, 1e-9):
        model = nc.Model.from_equations({"x": "-x + u*sin(x/u)"}, {"u": unit})
        errors.append(nc.simulate(model, [2.0 * unit], np.linspace(0, 10, 5))[:, 0] / unit)
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


def test_network_settles_to_a_fixed_point():
    rng = np.random.default_rng(1)
    net = nc.RateRNN(0.4 * rng.standard_normal((30, 30)) / np.sqrt(30), b=rng.standard_normal(30))
    x = nc.simulate(net, np.zeros(30), [0.0, 200.0])[-1]
    assert np.max(np.abs(net.rhs(x))) < 1e-7


def test_map_against_closed_form():
    """The logistic map at mu = 4: x_n = sin(2^n theta)^2."""
    model = nc.Model.from_equations({"x": "mu*x*(1 - x)"}, {"mu": 4.0}, kind="map")
    theta = 0.3
    exact = np.sin(2.0 ** np.arange(11) * theta) ** 2
    states = nc.simulate(model, [np.sin(theta) ** 2], 10)
    assert states.shape == (11, 1)
    np.testing.assert_allclose(states[:, 0], exact, atol=1e-11)
    np.testing.assert_allclose(nc.simulate(model, [np.sin(theta) ** 2], [0, 3, 7])[:, 0], exact[[0, 3, 7]], atol=1e-11)
    assert nc.simulate(model, [0.1], 0).tolist() == [[0.1]]


def test_blow_up_keeps_what_was_computed():
    """x' = x^2 from 1 is 1/(1 - t): no state after t = 1."""
    model = nc.Model.from_equations({"x": "x**2"}, {})
    t = np.linspace(0, 2, 41)
    with pytest.raises(SimulationError, match="blows up") as caught:
        nc.simulate(model, [1.0], t)
    error = caught.value
    assert isinstance(error, nc.ConvergenceError)
    assert 15 <= len(error.partial) <= 21
    np.testing.assert_allclose(error.partial[:15, 0], 1 / (1 - t[:15]), rtol=1e-6)
    assert np.array_equal(error.times, t[: len(error.partial)])


def test_map_blow_up_keeps_what_was_computed():
    model = nc.Model.from_equations({"x": "x**2"}, {}, kind="map")
    with pytest.raises(SimulationError, match="left the finite numbers") as caught:
        nc.simulate(model, [10.0], 20)
    np.testing.assert_allclose(caught.value.partial[:, 0], 10.0**2.0 ** np.arange(9), rtol=1e-13)  # 1e512 is not finite
    assert caught.value.times.tolist() == list(range(9))


def test_undefined_right_hand_side():
    model = nc.Model.from_equations({"x": "log(x)", "y": "1"}, {})
    with pytest.raises(nc.InputError, match=r"x0: the equation of 'x' is not finite"):
        nc.simulate(model, [-1.0, 0.0], [0, 1])
    falling = nc.Model.from_equations({"x": "-1 - sqrt(x)"}, {})  # reaches 0 at t = 2 (1 - log 2) = 0.614
    with pytest.raises(SimulationError, match=r"t = 0.6 and 0.7") as caught:
        nc.simulate(falling, [1.0], [0, 0.5, 0.6, 0.7, 2.0])
    assert caught.value.times.tolist() == [0, 0.5, 0.6]


@pytest.mark.parametrize(
    ("t", "message"),
    [
        (5.0, "t: one number, 5, was given"),
        ([], "shape"),
        ([[0, 1]], "shape"),
        ([0, 1, 1], r"t: it must increase, but t\[2\] = 1 <= t\[1\] = 1"),
        ([0, np.nan], "nan or inf"),
        ("soon", "not an array of numbers"),
    ],
)
def test_bad_times(oscillator, t, message):
    with pytest.raises(nc.InputError, match=message):
        nc.simulate(oscillator, [1.0, 0.0], t)


@pytest.mark.parametrize(
    ("t", "message"), [(1.5, "not an integer"), ([0, 0.5], "not an integer"), (-1, "not negative")]
)
def test_bad_iterations(t, message):
    model = nc.Model.from_equations({"x": "2*x"}, {}, kind="map")
    with pytest.raises(nc.InputError, match=message):
        nc.simulate(model, [1.0], t)


def test_other_bad_arguments(oscillator):
    with pytest.raises(nc.InputError, match="rtol: got 0"):
        nc.simulate(oscillator, [1.0, 0.0], [0, 1], rtol=0)
    with pytest.raises(nc.InputError, match="atol"):
        nc.simulate(oscillator, [1.0, 0.0], [0, 1], atol=[1, 2, 3])
    with pytest.raises(nc.InputError, match="x0: shape"):
        nc.simulate(oscillator, [1.0], [0, 1])
    with pytest.raises(nc.InputError, match="params: 'v' is unknown"):
        nc.simulate(oscillator, [1.0, 0.0], [0, 1], params={"v": 1.0})
