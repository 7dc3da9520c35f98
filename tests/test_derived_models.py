"""Models derived from others: several parameters moved together, iterates of maps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64


@pytest.fixture(scope="module")
def cusp():
    return nc.Model.from_equations({"x": "mu + lam*x - q*x**3"}, {"mu": 0.1, "lam": 1.0, "q": 2.0})


@pytest.fixture(scope="module")
def henon():
    return nc.Model.from_equations({"x": "1 - a*x**2 + y", "y": "b*x"}, {"a": 1.2, "b": 0.3}, kind="map")


# ------------------------------------------------------------------ along


def test_along_moves_several_parameters_together(cusp):
    path = cusp.along({"mu": -1.0, "lam": 2.0}, {"mu": 1.0, "lam": 0.5})
    assert dict(path.params) == {"q": 2.0, "mix": 0.0}
    for mix in (0.0, 0.3, 1.0):
        expected = cusp.rhs([0.7], {"mu": -1 + 2 * mix, "lam": 2 - 1.5 * mix, "q": 3.0})
        np.testing.assert_allclose(path.rhs([0.7], {"mix": mix, "q": 3.0}), expected, rtol=1e-15)
    # d/dmix = 2 d/dmu - 1.5 d/dlam = 2 - 1.5 x
    assert path.dfdp([0.7], "mix")[0] == pytest.approx(2 - 1.5 * 0.7, rel=1e-15)
    assert path.dfdp([0.7], "q")[0] == pytest.approx(-(0.7**3), rel=1e-15)
    assert path.jac([0.7], {"mix": 1.0})[0, 0] == pytest.approx(0.5 - 6 * 0.49, rel=1e-14)


def test_along_in_jax_and_without_recompilation(cusp):
    path = cusp.along({"mu": -1.0, "lam": 2.0}, {"mu": 1.0, "lam": 0.5})
    assert path.compiled is cusp.compiled
    assert path.base is cusp
    with x64():
        slope = jax.jacfwd(lambda v: path.jax_rhs(jnp.array([0.7]), v, {}))(jnp.array([2.0, 0.3]))
        np.testing.assert_allclose(np.asarray(slope), [[-(0.7**3), 2 - 1.5 * 0.7]], rtol=1e-14)


def test_along_of_an_along(cusp):
    path = cusp.along({"mu": -1.0}, {"mu": 1.0})
    again = path.along({"mix": 0.5, "lam": 1.0}, {"mix": 1.0, "lam": 3.0})
    assert dict(again.params) == {"q": 2.0, "mix": 0.0}
    expected = cusp.rhs([0.7], {"mu": -1 + 2 * 0.75, "lam": 2.0})
    np.testing.assert_allclose(again.rhs([0.7], {"mix": 0.5}), expected, rtol=1e-14)
    assert again.dfdp([0.7], "mix")[0] == pytest.approx(0.5 * 2 + 2 * 0.7, rel=1e-14)
    other = path.along({"lam": 1.0}, {"lam": 3.0})
    assert dict(other.params) == {"q": 2.0, "mix": 0.0, "mix2": 0.0}
    np.testing.assert_allclose(
        other.rhs([0.7], {"mix": 0.5, "mix2": 0.25}), cusp.rhs([0.7], {"mu": 0.0, "lam": 1.5}), rtol=1e-14
    )
    assert again.base is other.base is cusp
    assert len({cusp.digest, path.digest, again.digest, other.digest}) == 4


def test_along_of_a_network_keeps_its_weights_and_its_structure():
    rng = np.random.default_rng(1)
    net = nc.RateRNN(rng.standard_normal((4, 4)), W_in=rng.standard_normal((4, 2)), inputs={"a": [1, 0], "b": [0, 1]})
    path = net.along({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})
    x = rng.standard_normal(4)
    assert dict(path.params) == {"gain": 1.0, "mix": 0.0}
    np.testing.assert_allclose(path.rhs(x, {"mix": 0.25}), net.rhs(x, {"a": 0.75, "b": 0.25}), rtol=1e-14)
    np.testing.assert_allclose(path.dfdp(x, "mix"), net.dfdp(x, "b") - net.dfdp(x, "a"), rtol=1e-13)
    assert path.base is net
    assert path.theta is net.theta
    assert path.compiled is net.compiled


@pytest.mark.parametrize(
    ("p0", "p1", "message"),
    [
        ({"mu": 0.0}, {"lam": 1.0}, r"^p0, p1: 'lam' is in only one of them; both must name the same parameters"),
        ({}, {}, r"^p0, p1: they are empty"),
        ({"lamb": 0.0}, {"lamb": 1.0}, r"^p0: 'lamb' is unknown; did you mean 'lam'\?"),
        ({"mu": 0.0}, {"mu": "a"}, r"^p1\['mu'\]: got 'a'; it must be one finite number"),
        (3, {"mu": 0.0}, r"^p0: got int; it must be a mapping"),
    ],
)
def test_along_refuses_bad_ends(cusp, p0, p1, message):
    with pytest.raises(nc.InputError, match=message):
        cusp.along(p0, p1)


# ------------------------------------------------------------------ power


@pytest.mark.parametrize("k", [1, 3])
def test_power_is_the_iterate_with_its_derivatives(henon, k):
    model = henon.power(k)
    x = np.array([0.3, 0.2])
    y, jac, slope = x, np.eye(2), np.zeros(2)
    for _ in range(k):
        slope = henon.jac(y) @ slope + henon.dfdp(y, "b")
        jac = henon.jac(y) @ jac
        y = henon.rhs(y)
    np.testing.assert_allclose(model.rhs(x), y, rtol=1e-14)
    np.testing.assert_allclose(model.jac(x), jac, rtol=1e-13)
    np.testing.assert_allclose(model.dfdp(x, "b"), slope, rtol=1e-13)
    with x64():
        twin = jax.jacfwd(lambda z: model.jax_rhs(z, model.values(), {}))(jnp.array(x))
        np.testing.assert_allclose(np.asarray(twin), jac, rtol=1e-13)


def test_power_closed_form_of_the_logistic_two_cycle():
    logistic = nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 3.2}, kind="map")
    r = 3.2
    points = [(r + 1 + s * np.sqrt((r + 1) * (r - 3))) / (2 * r) for s in (1, -1)]
    twice = logistic.power(2)
    for point in points:
        assert twice.rhs([point])[0] == pytest.approx(point, rel=1e-14)
        assert twice.jac([point])[0, 0] == pytest.approx(4 + 2 * r - r**2, rel=1e-12)  # multiplier of the 2-cycle


def test_power_of_a_power_and_of_an_along(henon):
    both = henon.along({"a": 1.0, "b": 0.1}, {"a": 1.2, "b": 0.3}).power(2).power(2)
    x = np.array([0.1, 0.2])
    for _ in range(4):
        x = henon.rhs(x)
    np.testing.assert_allclose(both.rhs([0.1, 0.2], {"mix": 1.0}), x, rtol=1e-13)


def test_power_of_a_network():
    net = nc.RateRNN(np.array([[0.2, 1.0], [-1.0, 0.3]]), alpha=0.5)
    twice = net.power(2)
    np.testing.assert_allclose(twice.rhs([0.3, -0.4]), net.rhs(net.rhs([0.3, -0.4])), rtol=1e-14)
    np.testing.assert_allclose(twice.jac([0.3, -0.4]), net.jac(net.rhs([0.3, -0.4])) @ net.jac([0.3, -0.4]), rtol=1e-13)
    assert twice.theta is net.theta
    assert twice.base is None


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "2"])
def test_power_needs_a_positive_integer(henon, k):
    with pytest.raises(nc.InputError, match=r"^k: got .*; it must be an integer of at least 1"):
        henon.power(k)


def test_flows_cannot_be_iterated(cusp):
    with pytest.raises(nc.InputError, match=r"the model is a flow; only maps can be iterated"):
        cusp.power(2)
