"""GRU computes its defining formula, in numba and in JAX, with exact derivatives, and names bad weights."""

from __future__ import annotations

import gru_truth as truth
import jax
import networks_truth
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64

VALUES = {"gain": 1.3, "stim": 0.7, "context": -0.4}


def build(n, d=3, seed=0):
    rng = np.random.default_rng(seed + 100)
    weights = truth.random_weights(n, d, seed)
    inputs = {"stim": rng.standard_normal(d), "context": rng.standard_normal(d)}
    u = 0.7 * inputs["stim"] - 0.4 * inputs["context"]
    return nc.GRU(*weights, inputs), weights, u, rng.standard_normal(n)


@pytest.mark.parametrize("n", [1, 2, 12, 13, 40])
def test_numba_jax_and_the_formula_agree(n):
    net, weights, u, h = build(n)

    def formula(state):
        return truth.step(state, u, *weights, gain=1.3)

    np.testing.assert_allclose(net.rhs(h, VALUES), formula(h), rtol=0, atol=1e-13)
    values = net.values(VALUES)
    with x64():
        twin = np.asarray(net.jax_rhs(h, values, net.theta))
        jac = np.asarray(jax.jacrev(net.jax_rhs)(h, values, net.theta))
        dfdp = np.asarray(jax.jacrev(net.jax_rhs, argnums=1)(h, values, net.theta))
    np.testing.assert_allclose(twin, formula(h), rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.jac(h, VALUES), jac, rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.jac(h, VALUES), networks_truth.differences(formula, h), rtol=0, atol=1e-9)
    moved = {
        "gain": lambda q: truth.step(h, u, *weights, gain=1.3 + q[0]),
        "stim": lambda q: truth.step(h, u + q[0] * net.inputs["stim"], *weights, gain=1.3),
        "context": lambda q: truth.step(h, u + q[0] * net.inputs["context"], *weights, gain=1.3),
    }
    for k, name in enumerate(net.params):
        slope = networks_truth.differences(moved[name], np.zeros(1))[:, 0]
        np.testing.assert_allclose(net.dfdp(h, name, VALUES), dfdp[:, k], rtol=0, atol=1e-13)
        np.testing.assert_allclose(net.dfdp(h, name, VALUES), slope, rtol=0, atol=1e-9)
    assert net.check(h, VALUES).ok


def test_the_twin_is_differentiable_in_every_leaf_of_theta():
    net, weights, u, h = build(5)
    values = net.values(VALUES)
    with x64():
        slopes = {k: np.asarray(v) for k, v in jax.jacrev(net.jax_rhs, argnums=2)(h, values, net.theta).items()}
    names = ("W_ih", "W_hh", "b_ih", "b_hh")
    assert list(net.theta) == list(names)
    for k, name in enumerate(names):
        direction = np.random.default_rng(k).standard_normal(weights[k].shape)

        def formula(q, k=k, direction=direction):
            changed = [w + q[0] * direction if i == k else w for i, w in enumerate(weights)]
            return truth.step(h, u, *changed, gain=1.3)

        slope = networks_truth.differences(formula, np.zeros(1))[:, 0]
        np.testing.assert_allclose(slopes[name].reshape(5, -1) @ direction.ravel(), slope, rtol=0, atol=1e-9)


def test_saturated_gates_neither_overflow_nor_lose_the_state():
    W_hh = np.vstack([np.zeros((4, 2)), np.eye(2)])
    h = np.array([0.25, -3.0])
    closed = nc.GRU(None, W_hh, np.repeat([0.0, 1e4, 0.0], 2))  # z = 1
    np.testing.assert_array_equal(closed.rhs(h), h)
    np.testing.assert_array_equal(closed.jac(h), np.eye(2))
    opened = nc.GRU(None, W_hh, np.repeat([1e4, -1e4, 0.0], 2))  # r = 1, z = 0: an Elman network
    np.testing.assert_allclose(opened.rhs(1e3 * h), np.tanh(1e3 * h), rtol=0, atol=1e-15)


def test_one_compiled_function_serves_all_weights():
    one, other = build(3, seed=0)[0], build(7, seed=1)[0]
    assert one.compiled == other.compiled
    assert not np.array_equal(one.constants[:9], other.constants[:9])


def test_attributes_and_names():
    weights = truth.random_weights(2, 1)
    net = nc.GRU(*weights, {"I": 2.0}, np.ones((1, 2)), gain=0.5, states=["a", "b"])
    assert (net.kind, net.states, dict(net.params), net.homogeneous) == (
        "map",
        ("a", "b"),
        {"gain": 0.5, "I": 0.0},
        True,
    )
    np.testing.assert_array_equal(net.drives, [2.0 * weights[0][:, 0]])
    for array in (net.W_ih, net.W_hh, net.b_ih, net.b_hh, net.W_out, net.drives, net.inputs["I"], net.theta["W_hh"]):
        assert array.dtype == np.float64
        assert not array.flags.writeable
    assert net.description == "GRU with 2 units: 1 input channels, inputs I"


def test_without_biases_and_inputs():
    W_ih, W_hh, _, b_hh = truth.random_weights(3, 2)
    h = np.array([0.1, -0.5, 0.9])
    zeros = np.zeros(9)
    np.testing.assert_allclose(
        nc.GRU(None, W_hh).rhs(h), truth.step(h, np.zeros(2), W_ih, W_hh, zeros, zeros), atol=1e-15
    )
    assert list(nc.GRU(None, W_hh).theta) == ["W_hh", "b_ih", "b_hh"]
    assert not nc.GRU(None, W_hh).theta["b_hh"].any()
    np.testing.assert_allclose(
        nc.GRU(W_ih, W_hh, None, b_hh).rhs(h), truth.step(h, np.zeros(2), W_ih, W_hh, zeros, b_hh), atol=1e-15
    )


def test_digest_changes_with_anything_that_changes_the_model():
    weights = truth.random_weights(2, 2)
    variants = [nc.GRU(*weights)]
    variants += [nc.GRU(*(2.0 * w if i == k else w for i, w in enumerate(weights))) for k in range(4)]
    variants += [nc.GRU(*weights, {"I": [1.0, 0.0]}), nc.GRU(*weights, W_out=np.eye(2)), nc.GRU(None, *weights[1:])]
    assert len({net.digest for net in variants}) == len(variants)
    assert nc.GRU(*weights).digest == variants[0].digest


def test_the_network_keeps_its_own_copy_of_the_weights():
    weights = truth.random_weights(2, 2)
    net = nc.GRU(*weights)
    before = net.rhs([0.1, 0.2])
    for array in weights:
        array[:] = 7.0
    np.testing.assert_array_equal(net.rhs([0.1, 0.2]), before)
    np.testing.assert_array_equal(net.W_hh, truth.random_weights(2, 2)[1])


H = np.ones((6, 2))
BAD = [
    ({"W_hh": np.ones((4, 2))}, r"W_hh: shape \(4, 2\) .*; it must be \(3n, n\), the blocks of the gates r, z, n$"),
    ({"W_hh": np.ones((8, 2))}, r"W_hh: shape \(8, 2\) .* those of an LSTM, which is not supported"),
    ({"W_hh": np.ones((2, 2))}, r"W_hh: shape \(2, 2\) .* those of a network without gates: use RateRNN"),
    ({"W_hh": H.T}, r"W_hh: shape \(2, 6\) .* give its transpose, W_hh.T"),
    ({"W_hh": np.ones((0, 0))}, r"W_hh: shape \(0, 0\)"),
    ({"W_hh": H * np.nan}, r"W_hh: the entry at \(0, 0\) is nan; give finite numbers"),
    ({"W_hh": "weights"}, r"W_hh: str was given, which is not an array of real numbers"),
    ({"W_ih": np.ones((5, 1))}, r"W_ih: shape \(5, 1\) was given; with 2 units it must be \(6, d\) for d inputs"),
    ({"W_ih": np.ones((3, 6))}, r"W_ih: shape \(3, 6\) .* give its transpose, W_ih.T"),
    ({"W_ih": np.ones(6)}, r"W_ih: shape \(6,\) .* give W_ih\[:, None\] for one input"),
    ({"b_ih": np.ones(2)}, r"b_ih: shape \(2,\) was given; with 2 units it must be \(6,\)"),
    ({"b_hh": np.ones((6, 1))}, r"b_hh: shape \(6, 1\) was given; with 2 units it must be \(6,\)"),
    ({"W_ih": None, "inputs": {"I": [1.0]}}, r"there is no W_ih for them to act through; give W_ih of shape \(3n, d\)"),
    ({"inputs": {"I": [1.0, 2.0]}}, r"inputs\['I'\]: shape \(2,\) was given; W_ih has 1 columns, so give shape \(1,\)"),
    ({"inputs": {"gain": [1.0]}}, r"inputs: 'gain' is the parameter that multiplies W_hh already"),
    ({"W_out": np.ones((2, 3))}, r"W_out: shape \(2, 3\) .* it must be \(m, 2\); give its transpose, W_out.T"),
    ({"states": ["a"]}, r"states: \['a'\] was given; give 2 different names"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_named(options, message):
    with pytest.raises(nc.InputError, match=message):
        nc.GRU(**{"W_ih": np.ones((6, 1)), "W_hh": H, **options})
