"""A JAX function becomes a model: compiled functions, derivatives, and clear words about what is wrong with it."""

from __future__ import annotations

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.models import jax_model

N = 6


def gru_like(x, p, theta):
    gate = 1.0 / (1.0 + jnp.exp(-theta["gate"][0] @ x))
    return gate * (-x + jnp.tanh(p["g"] * theta["W"] @ x + p["I"] * theta["gate"][1]))


@pytest.fixture
def theta():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((N, N)), "gate": (rng.standard_normal((N, N)), rng.standard_normal(N))}


@pytest.fixture
def model(theta):
    return nc.Model.from_jax(gru_like, states=N, params={"g": 1.2, "I": 0.5}, theta=theta)


def formula(x, theta, g=1.2, current=0.5):
    gate = 1.0 / (1.0 + np.exp(-theta["gate"][0] @ x))
    return gate * (-x + np.tanh(g * theta["W"] @ x + current * theta["gate"][1]))


def test_values_and_derivatives(model, theta):
    x = np.random.default_rng(1).standard_normal(N)
    np.testing.assert_allclose(model.rhs(x), formula(x, theta), rtol=0, atol=1e-14)
    np.testing.assert_allclose(model.rhs(x, {"g": -0.3}), formula(x, theta, g=-0.3), rtol=0, atol=1e-14)
    h = 1e-6
    jac = np.array([(formula(x + e, theta) - formula(x - e, theta)) / (2 * h) for e in h * np.eye(N)]).T
    np.testing.assert_allclose(model.jac(x), jac, atol=1e-8)
    slope = (formula(x, theta, current=0.5 + h) - formula(x, theta, current=0.5 - h)) / (2 * h)
    np.testing.assert_allclose(model.dfdp(x, "I"), slope, atol=1e-8)


def test_the_twin_takes_theta(model, theta):
    x = np.random.default_rng(1).standard_normal(N)
    other = {"W": 2.0 * theta["W"], "gate": theta["gate"]}
    with x64():
        np.testing.assert_allclose(
            np.asarray(model.jax_rhs(x, np.array([1.2, 0.5]), other)), formula(x, other), atol=1e-14
        )
        slope = jax.jacrev(model.jax_rhs, argnums=2)(x, np.array([1.2, 0.5]), model.theta)
        assert slope["W"].shape == (N, N, N)
        assert slope["W"].dtype == np.float64


def test_single_precision_weights_become_double(theta):
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32), theta)
    model = nc.Model.from_jax(gru_like, states=N, params={"g": 1.2, "I": 0.5}, theta=single)
    x = np.random.default_rng(1).standard_normal(N)
    double = jax.tree.map(lambda leaf: leaf.astype(float), single)
    np.testing.assert_allclose(model.rhs(x), formula(x, double), rtol=0, atol=1e-14)
    assert all(leaf.dtype == np.float64 and isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(model.theta))


def test_two_models_do_not_mix():
    one = nc.Model.from_jax(lambda x, p, theta: p["a"] * x, states=("u",), params={"a": 2.0})
    two = nc.Model.from_jax(
        lambda x, p, theta: p["a"] * x**2 + theta, states=2, params={"a": 3.0}, theta=1.0, kind="map"
    )
    np.testing.assert_array_equal(one.rhs([5.0]), [10.0])
    np.testing.assert_array_equal(two.rhs([1.0, 2.0]), [4.0, 13.0])
    np.testing.assert_array_equal(one.jac([5.0]), [[2.0]])
    assert (one.states, two.states) == (("u",), ("x0", "x1"))
    assert (one.homogeneous, two.homogeneous) == (False, True)
    assert one.compiled.rhs is two.compiled.rhs  # one compilation for all


def test_the_registry_does_not_keep_models_alive():
    model = nc.Model.from_jax(lambda x, p, theta: -x, states=1, params={})
    number = int(model.constants[0])
    function = model.jax_function  # all that a derived model needs to hold
    del model
    gc.collect()
    assert jax_model.find(number)
    del function
    gc.collect()
    with pytest.raises(RuntimeError, match="keep a reference to the model"):
        jax_model.find(number)


def test_an_exception_at_run_time_reaches_the_caller():
    def check(x):
        if x[0] > 1.0:
            msg = "left the domain"
            raise ValueError(msg)
        return x

    def f(x, p, theta):
        return jax.pure_callback(check, jax.ShapeDtypeStruct((1,), x.dtype), x)

    model = nc.Model.from_jax(f, states=1, params={})
    np.testing.assert_array_equal(model.rhs([0.5]), [0.5])
    with pytest.raises(Exception, match="left the domain"):
        model.rhs([2.0])


def test_digest_follows_code_constants_and_weights(theta):
    params = {"g": 1.0, "I": 0.0}
    shift = np.arange(N)

    def other(x, p, theta):
        return gru_like(x, p, theta) + shift

    def made(f, theta):
        return nc.Model.from_jax(f, N, params, theta=theta).digest

    digests = [made(gru_like, theta), made(other, theta), made(gru_like, {**theta, "W": 2 * theta["W"]})]
    shift = shift + 1
    digests.append(made(other, theta))
    assert len(set(digests)) == 4
    assert made(gru_like, theta) == digests[0]


def good(x, p, theta):
    return -x


BAD = {
    "shape": (
        (lambda x, p, theta: x[:1], 2, {}),
        r"returned shape \(1,\) for 2 states; it must return shape \(2,\)",
    ),
    "list": (
        (lambda x, p, theta: [x[0], x[1]], 2, {}),
        r"returned a list; .* one array of shape \(2,\), see jnp.stack",
    ),
    "none": ((lambda x, p, theta: None, 2, {}), r"f: it returned nothing \(None\)"),
    "single": ((lambda x, p, theta: x.astype(jnp.float32), 2, {}), r"f: it returned float32; it must return float64"),
    "parameter": ((lambda x, p, theta: p["gian"] * x, 2, {"gain": 1.0}), r"has 'gian'; did you mean 'gain'\?"),
    "theta missing": ((lambda x, p, theta: theta["W"] @ x, 2, {}), r"theta is None; give the weights as theta="),
    "if": ((lambda x, p, theta: x if x[0] > 0 else -x, 2, {}), r"use jnp.where or jax.lax.cond"),
    "numpy": ((lambda x, p, theta: np.tanh(np.asarray(x)), 2, {}), r"numpy was applied .* use jax.numpy"),
    "arguments": ((lambda x, p: x, 2, {}), r"it must take three arguments, f\(x, p, theta\)"),
    "other": (
        (lambda x, p, theta: x @ jnp.ones((3, 3)), 2, {}),
        r"f: it raised TypeError: .*; it was called with",
    ),
    "function": ((3, 2, {}), r"f: int was given; give a function f\(x, p, theta\)"),
    "states": ((good, 0, {}), r"states: 0 was given; give how many there are, 64, or different names"),
    "twice": ((good, ("v", "v"), {}), r"states: \('v', 'v'\) was given"),
    "params": ((good, 2, ["g"]), r"params: \['g'\] was given; give a mapping from names"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    (f, states, params), message = BAD[case]
    with pytest.raises(nc.InputError, match=message):
        nc.Model.from_jax(f, states, params)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (jnp.tanh, r"theta\['a'\]: .* was given; leaves must be real arrays; let f close over others"),
        (np.array([1.0, np.nan]), r"theta\['a'\]: it holds nan or inf"),
        (1j, r"theta\['a'\]: complex was given"),
    ],
)
def test_bad_theta_is_named(leaf, message):
    with pytest.raises(nc.InputError, match=message):
        nc.Model.from_jax(good, 2, {}, theta={"a": leaf})
