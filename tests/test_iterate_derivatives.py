"""Derivatives of an iterate of a map by the chain rule along the orbit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import Polynomial

import ntkcont as nc
from ntkcont.normal_forms import derivatives as module
from ntkcont.normal_forms.derivatives import Traced
from ntkcont.normal_forms.iterates import along_orbit, one_step

LOGISTIC = nc.classics.logistic()
HENON = nc.Model.from_equations({"x": "1 - a*x**2 + y", "y": "b*x + 0.1*sin(a*y)"}, {"a": 1.1, "b": 0.3}, kind="map")
WEIGHTS = np.array([[0.3, -1.4], [1.2, 0.5]])
NETWORK = nc.RateRNN(WEIGHTS, alpha=0.4, gain=1.7, W_in=np.eye(2), inputs={"u": [0.3, -0.2]})


def chain(model, x, params, free, order=3):
    p, dp = model.line(free, params)
    p = p + params[free] * dp
    once = one_step(model)
    return along_orbit(model, p, dp, lambda at: Traced(once, at, p, dp, order))(np.array(x)), p, dp


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_polynomial_is_differentiated_exactly(k):
    r, x0 = 3.2, 0.37
    composed = Polynomial([0.0, 1.0])
    for _ in range(k):
        composed = r * composed * (1.0 - composed)
    found, *_ = chain(LOGISTIC.power(k), [x0], {"r": r}, "r")
    e = np.array([1.0, 0.0])
    assert found.second(e, e)[0] == pytest.approx(composed.deriv(2)(x0), rel=1e-11)
    assert found.third(e, e, e)[0] == pytest.approx(composed.deriv(3)(x0), rel=1e-11)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize(
    ("model", "free"), [(HENON, "a"), (HENON, "b"), (HENON.along({"a": 0.2, "b": 0.1}, {"a": 1.2, "b": 0.4}), "mix")]
)
def test_it_is_that_of_the_composed_expression(k, model, free):
    rng = np.random.default_rng(k)
    iterate = model.power(k)
    params = {**dict(model.params), free: 0.8}
    for _ in range(3):
        x = 0.4 * rng.standard_normal(2)
        found, p, dp = chain(iterate, x, params, free)
        whole = Traced(iterate, x, p, dp, 3)
        u, v, w = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))
        scale = np.abs(whole.third(u, v, w)).max()
        np.testing.assert_allclose(found.second(u, v), whole.second(u, v), rtol=1e-10, atol=1e-12 * scale)
        np.testing.assert_allclose(found.third(u, v, w), whole.third(u, v, w), rtol=1e-9, atol=1e-11 * scale)
    twice = iterate.power(2)
    assert twice.iterated[1] == 2 * k
    assert one_step(twice) is model


def test_coefficients_of_a_doubled_orbit_in_closed_form():
    """x <- -(1 + mu) x - x^3 has orbits x, -x with x^2 = -mu, born at mu = 0 from a doubling with b = -1.

    On its second iterate that is a pitchfork, with b30 = 6 (-2 b) b = -2 a third derivative of G(G(x)) at 0.
    """
    model = nc.Model.from_equations({"x": "-(1 + mu)*x - x**3"}, {"mu": 0.5}, kind="map")
    diagram = nc.diagram(model, [0.0], free="mu", p_span=(-0.5, 0.6))
    assert diagram[0].special_points["PD1"].normal_form["b"] == pytest.approx(-1.0, abs=1e-10)
    form = diagram[1].special_points["PD1"].normal_form
    assert form["type"] == "pitchfork"
    assert form["b30"] == pytest.approx(12.0, abs=1e-9)  # G(G(x)) = x + 2 x^3 + ... at mu = 0


def test_networks_have_their_closed_forms_at_every_step():
    """The same map as equations and as a network: same normal forms of orbits."""
    W, b, dt = NETWORK.effective_W(), NETWORK.drives[0], 0.4
    f = [f"z{i}" for i in range(2)]
    equations = {
        f"z{i}": f"z{i} + {dt}*(-z{i} + gain*({W[i, 0]}*tanh(z0) + {W[i, 1]}*tanh(z1)) + u*{b[i]})" for i in range(2)
    }
    plain = nc.Model.from_equations(equations, {"gain": 1.7, "u": 0.0}, kind="map")
    assert list(plain.states) == f
    x, params = np.array([0.3, -0.2]), {"gain": 1.7, "u": 0.4}
    np.testing.assert_allclose(NETWORK.rhs(x, params), plain.rhs(x, params), rtol=1e-14)
    from ntkcont.normal_forms.networks import NetworkDerivatives

    p, dp = NETWORK.line("gain", params)
    p = p + 1.7 * dp
    closed = along_orbit(NETWORK.power(3), p, dp, lambda at: NetworkDerivatives(NETWORK, at, p, dp))(x)
    traced, *_ = chain(plain.power(3), x, params, "gain")
    u, v, w = np.random.default_rng(0).standard_normal((3, 3))
    np.testing.assert_allclose(closed.second(u, v), traced.second(u, v), rtol=1e-11)
    np.testing.assert_allclose(closed.third(u, v, w), traced.third(u, v, w), rtol=1e-11)


def test_a_long_orbit_costs_its_length_and_compiles_one_step():
    k, r = 64, 3.5
    settled = 0.3
    for _ in range(5000):
        settled = r * settled * (1.0 - settled)
    iterate = LOGISTIC.power(k)
    found, *_ = chain(iterate, [settled], {"r": r}, "r")
    calls = []
    steps = found.steps
    assert len(steps) == k
    for step in steps:
        step.forms = lambda *a, f=step.forms: calls.append(1) or f(*a)
    e = np.array([1.0, 0.0])
    found.third(e, e, e)
    assert len(calls) <= 7 * k
    assert module.split_twin(iterate.jax_function)[0] not in module._forms
