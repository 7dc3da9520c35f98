"""Kernels of trials with time-dependent inputs, of every model that takes them, against plain rollouts."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.models.jax_twin import split_twin
from ntkcont.ntk.trajectory.rollout import _functions
from tests import gru_truth
from tests.training import followed

N, D, B, STEPS, H = 4, 2, 3, 12, 0.2
RNG = np.random.default_rng(5)
INITIAL, INPUTS = 0.4 * RNG.standard_normal((B, N)), RNG.standard_normal((B, STEPS, D))
STIM, GAIN = np.array([0.7, -0.3]), 1.1
NAMES = ("W_ih", "W_hh", "b_ih", "b_hh")
RUN = [dict(zip(NAMES, gru_truth.random_weights(N, D, seed), strict=True)) for seed in range(3)]
SIMPLE = [{"A": RNG.standard_normal((N, N)), "C": RNG.standard_normal((N, D))} for _ in range(3)]


def gru_step(w, h, u, params):
    """PyTorch's cell, from its documentation."""
    u = u + params["stim"] * STIM
    x, y = jnp.split(w["W_ih"] @ u + w["b_ih"], 3), jnp.split(params["gain"] * w["W_hh"] @ h + w["b_hh"], 3)
    r, z = 1 / (1 + jnp.exp(-x[0] - y[0])), 1 / (1 + jnp.exp(-x[1] - y[1]))
    return (1 - z) * jnp.tanh(x[2] + r * y[2]) + z * h


def rate_map_step(w, z, u, params):
    return 0.7 * z + 0.3 * jnp.tanh(params["gain"] * w["A"] @ z + w["C"] @ (u + params["stim"] * STIM))


def flow_step(w, z, u, params):
    """Runge-Kutta, with the input held during a step."""

    def f(y):
        return -y + params["gain"] * jnp.tanh(w["A"] @ y) * (1 + 0.5 * jnp.tanh(w["C"] @ (u + params["stim"] * STIM)))

    k1 = f(z)
    k2 = f(z + H / 2 * k1)
    k3 = f(z + H / 2 * k2)
    return z + H / 6 * (k1 + 2 * k2 + 2 * k3 + f(z + H * k3))


def build_gru(w):
    return nc.GRU(*(w[name] for name in NAMES), inputs={"stim": STIM})


def build_rate(w):
    return nc.RateRNN(w["A"], W_in=w["C"], inputs={"stim": STIM}, form="rate", alpha=0.3)


def build_map(w):
    def f(x, p, theta, u):
        return 0.7 * x + 0.3 * jnp.tanh(p["gain"] * theta["A"] @ x + theta["C"] @ u)

    return nc.Model.from_jax(f, N, {"gain": 1.0}, theta=w, inputs={"stim": STIM}, kind="map")


def build_flow(w):
    def f(x, p, theta, u):
        return -x + p["gain"] * jnp.tanh(theta["A"] @ x) * (1 + 0.5 * jnp.tanh(theta["C"] @ u))

    return nc.Model.from_jax(f, N, {"gain": 1.0}, theta=w, inputs={"stim": STIM})


# what builds the model, the step written out, the weights of three checkpoints, the leaves that both know
MODELS = {
    "GRU": (build_gru, gru_step, RUN, NAMES),
    "RateRNN": (build_rate, rate_map_step, SIMPLE, ("A", "C")),
    "from_jax, map": (build_map, rate_map_step, SIMPLE, ("A", "C")),
    "from_jax, flow": (build_flow, flow_step, SIMPLE, ("A", "C")),
}
#: What a RateRNN calls the same arrays.
OWN = {"RateRNN": {"A": "W", "C": "W_in"}}


def kernel_of(model, theta="all", **options):
    time = {"T": STEPS} if model.kind == "map" else {"T": STEPS * H, "dt": H}
    given = {"initial_states": INITIAL, "inputs": INPUTS, **time, **options}
    return nc.ntk.StateNTK(kernel="trajectory", theta=theta, **given)


def rollout(step):
    """All trials as a function of weights and parameters."""

    def states(w, params):
        def trial(z, drives):
            return jax.lax.scan(lambda y, u: 2 * (step(w, y, u, params),), z, drives)[1]

        return jax.vmap(trial)(jnp.asarray(INITIAL), jnp.asarray(INPUTS))

    return states


@functools.cache
def compiled(step):
    states = rollout(step)
    return jax.jit(lambda w, params: (states(w, params), jax.jacrev(states)(w, params)))


def plain(step, w, params, names):
    """States (B, T, n) and their derivative (B T n, P) in the named weights, in this order."""
    with x64():
        states, J = compiled(step)(w, params)
        blocks = [np.asarray(J[name]).reshape(B * STEPS * N, -1) for name in names]
        return np.asarray(states), np.concatenate(blocks, axis=1)


def compare(model, kernel, params, expected, names):
    """States, all columns of J by the name of their leaf, and the spectrum."""
    states, J = expected
    found = kernel.trajectories(model, params=params)
    np.testing.assert_allclose(found.states, states, rtol=0, atol=1e-12)
    slices = found.packing.slices
    own = np.concatenate([found.dense()[:, slices[name]] for name in names], axis=1)
    np.testing.assert_allclose(own, J, rtol=0, atol=1e-10 * np.abs(J).max())
    signatures = kernel.evaluate(model, params=params)
    e = np.linalg.svd(J, compute_uv=False)[:8] ** 2
    np.testing.assert_allclose(signatures.eigenvalues[0], e, rtol=1e-9)
    np.testing.assert_allclose(signatures.trace[0], np.sum(J**2), rtol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_models_against_plain_rollouts(name):
    build, step, weights, leaves = MODELS[name]
    model = build(weights[0])
    assert model.input_size == D
    own = [OWN.get(name, {}).get(leaf, leaf) for leaf in leaves]
    params = {"gain": GAIN, "stim": 0.4}
    compare(model, kernel_of(model, own), params, plain(step, weights[0], params, leaves), own)


def test_a_step_of_the_reference_is_that_of_numpy():
    w = RUN[0]
    with x64():
        found = gru_step(w, INITIAL[0], INPUTS[0, 0], {"gain": GAIN, "stim": 0.4})
    expected = gru_truth.step(INITIAL[0], INPUTS[0, 0] + 0.4 * STIM, *w.values(), gain=GAIN)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["GRU", "RateRNN"])
def test_training_paths_against_plain_rollouts(name):
    build, step, weights, leaves = MODELS[name]
    path = nc.TrainingPath(weights, build, steps=[0, 10, 30])
    own = [OWN.get(name, {}).get(leaf, leaf) for leaf in leaves]
    between = {leaf: 0.25 * weights[1][leaf] + 0.75 * weights[2][leaf] for leaf in weights[0]}
    params = {"gain": GAIN, "stim": 0.4}
    expected = plain(step, between, params, leaves)
    compare(path, kernel_of(path, own), {**params, "s": 25.0}, expected, own)


def test_along_a_driven_training_run():
    """The kernel at a checkpoint that the branch lands on is that of the network of this checkpoint."""
    small = [{name: 0.5 * w for name, w in checkpoint.items()} for checkpoint in RUN]
    path = nc.TrainingPath(small, build_gru, steps=[0, 10, 30])
    kernel = kernel_of(path)
    start = nc.find_fixed_points(path, starts=np.zeros((1, N)), params={"s": 0.0}).x[0]
    branch = followed(path, start, ntk=kernel, settings=nc.ContinuationSettings(ds=0.05, ds_max=0.1))
    row = int(np.argmin(np.abs(branch.p - 10.0)))
    assert branch.p[row] == 10.0
    _, J = plain(gru_step, small[1], {"gain": 1.0, "stim": 0.0}, NAMES)
    e = np.linalg.svd(J, compute_uv=False)[:8] ** 2
    np.testing.assert_allclose(branch.ntk.eigenvalues[row], e, rtol=1e-8)
    assert branch.ntk.metadata["inputs"] is True


def test_learning_report_of_driven_units():
    weights, C = RUN[0], RNG.standard_normal((2, N))
    targets = RNG.standard_normal((B, STEPS, 2))
    model = build_gru(weights)
    kernel = kernel_of(model, readout=C, weights="mean")
    found = nc.ntk.learning_report(kernel, model, targets, params={"stim": 0.4})

    def loss(w):
        states = rollout(gru_step)(w, {"gain": 1.0, "stim": 0.4})
        return 0.5 * jnp.sum((states @ C.T - targets) ** 2) / (B * STEPS)

    with x64():
        value, gradient = jax.jit(jax.value_and_grad(loss))({k: jnp.asarray(v) for k, v in weights.items()})
        lr = 1e-3 * found.lr_crit
        moved = float(loss({k: weights[k] - lr * gradient[k] for k in weights})) - float(value)
    np.testing.assert_allclose(found.loss, float(value), rtol=1e-12)
    for name in NAMES:
        np.testing.assert_allclose(found.gradient[name], gradient[name], rtol=0, atol=1e-11)
    size = sum(float(np.sum(np.asarray(g) ** 2)) for g in gradient.values())
    np.testing.assert_allclose(found.change / found.lr, -size, rtol=1e-9)
    np.testing.assert_allclose(moved / lr, -size, rtol=1e-2)


def test_one_parameter_that_moves_several_keeps_the_inputs():
    net = build_gru(RUN[0])
    along = net.along({"gain": 0.5, "stim": 0.0}, {"gain": 1.5, "stim": 1.0})
    one = kernel_of(along).evaluate(along, params={"mix": 0.4})
    np.testing.assert_allclose(
        one.eigenvalues, kernel_of(net).evaluate(net, params={"gain": 0.9, "stim": 0.4}).eigenvalues, rtol=1e-12
    )
    twice = net.power(2)
    with pytest.raises(nc.InputError, match="inputs: the model takes no time-dependent inputs"):
        kernel_of(twice).evaluate(twice)


def test_networks_of_one_shape_are_traced_once():
    for build, w in ((build_gru, RUN), (build_rate, SIMPLE)):
        nets = [build(each) for each in w]
        assert len({split_twin(net.jax_function)[0] for net in nets}) == 1
    first, second = build_gru(RUN[0]), build_gru(RUN[1])
    one = kernel_of(first).evaluate(first).top
    known = _functions.cache_info().misses
    other = kernel_of(second).evaluate(second).top
    assert _functions.cache_info().misses == known
    assert abs(one[0] - other[0]) > 1e-3 * one[0]  # though the weights are those of the second


# ---------------------------------------------------------------- models from JAX functions


def test_channels_without_names():
    def f(x, p, theta, u):
        return 0.5 * x + p["a"] * u[:2] + u[2]

    model = nc.Model.from_jax(f, 2, {"a": 2.0}, inputs=3, kind="map")
    assert (list(model.params), model.input_size) == (["a"], 3)
    np.testing.assert_array_equal(model.rhs([2.0, 4.0]), [1.0, 2.0])  # the input is zero at rest
    u = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 5.0]]])
    found = nc.ntk.StateNTK(
        kernel="trajectory", theta=["a"], theta_scale="none", state_scale="none", initial_states=[[0.0, 0.0]], T=2,
        inputs=u,
    ).trajectories(model)  # fmt: skip
    np.testing.assert_allclose(found.states[0], [[2.0, 0.0], [6.0, 7.0]])
    np.testing.assert_allclose(found.dense()[:, 0], [1.0, 0.0, 0.5, 1.0])


def test_named_inputs_are_parameters():
    model = build_flow(SIMPLE[0])
    assert list(model.params) == ["gain", "stim"]
    x = INITIAL[0]
    A, C = SIMPLE[0]["A"], SIMPLE[0]["C"]
    expected = -x + np.tanh(A @ x) * (1 + 0.5 * np.tanh(C @ (0.8 * STIM)))
    np.testing.assert_allclose(model.rhs(x, {"stim": 0.8}), expected, atol=1e-14)
    assert model.check(x, {"stim": 0.8}).ok
    assert model.digest != nc.Model.from_jax(
        lambda x, p, theta, u: -x + p["gain"] * jnp.tanh(theta["A"] @ x) * (1 + 0.5 * jnp.tanh(theta["C"] @ u)),
        N, {"gain": 1.0}, theta=SIMPLE[0], inputs={"stim": 2 * STIM},
    ).digest  # fmt: skip


def _driven(x, p, theta, u):
    return -x + u


BAD = [
    ({"inputs": 0}, "inputs: 0 was given; give how many channels there are, 2, or named vectors"),
    ({"inputs": {}}, "inputs: {} was given; give how many channels there are"),
    ({"inputs": {"stim": [[1.0]]}}, "inputs['stim']: shape (1, 1) was given; give vectors of one shape, (d,)"),
    ({"inputs": {"a": [1.0], "b": [1.0, 2.0]}}, "inputs['b']: shape (2,) was given; give vectors of one shape, (d,)"),
    ({"inputs": {"stim": [np.nan]}}, "inputs['stim']: the entry at (0,) is nan; give finite numbers"),
    ({"inputs": {"x0": [1.0]}}, "inputs: 'x0' is the name of a state already; call the input otherwise"),
    ({"inputs": {"g": [1.0]}}, "inputs: 'g' is the name of a parameter already; call the input otherwise"),
    ({}, "it must take three arguments, f(x, p, theta), or four with inputs="),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_inputs_of_functions(options, message):
    with pytest.raises(nc.InputError, match=re.escape(message)):
        nc.Model.from_jax(_driven, 1, {"g": 1.0}, **options)


def test_a_function_without_the_fourth_argument():
    with pytest.raises(nc.InputError, match=re.escape("with inputs it must take four arguments, f(x, p, theta, u)")):
        nc.Model.from_jax(lambda x, p, theta: -x, 1, {}, inputs=1)


def test_wrong_channels_are_named():
    net = build_gru(RUN[0])
    with pytest.raises(nc.InputError, match=re.escape("inputs: shape (3, 12, 1) was given; give (3, 12, 2): trials")):
        kernel_of(net, inputs=INPUTS[:, :, :1]).evaluate(net)
