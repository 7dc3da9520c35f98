"""What is in theta and on which scale: choices, and one clear sentence where a choice makes no sense."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc

UNSCALED = {"theta_scale": "none", "state_scale": "none"}


def neuron():
    return nc.Model.from_equations(
        {"v": "I + g*v - c*v**3", "w": "e*(v - w)"}, params={"I": 0.2, "g": -1.0, "c": 1.0, "e": 0.1}
    )


def metadata(kernel, model, free="I", **bind):
    return kernel.bind(model, free=free, params={}, **bind).metadata


def test_all_parameters_but_the_free_one():
    assert metadata(nc.ntk.StateNTK(**UNSCALED), neuron())["theta"] == ["g", "c", "e"]
    assert not metadata(nc.ntk.StateNTK(**UNSCALED), neuron())["free_in_theta"]


def test_the_free_parameter_can_be_named():
    found = metadata(nc.ntk.StateNTK(theta=["c", "I"], **UNSCALED), neuron())
    assert found["theta"] == ["I", "c"]
    assert found["free_in_theta"]


def test_parameters_of_conditions_are_left_out():
    kernel = nc.ntk.StateNTK(conditions=[{"g": -1.0}, {"g": -2.0}], **UNSCALED)
    assert metadata(kernel, neuron())["theta"] == ["c", "e"]


def nested():
    weights = {"cell": {"kernel": np.eye(2), "bias": np.zeros(2)}, "out": [np.ones(2), np.float64(2.0)]}

    def f(x, p, theta):
        return (
            -x
            + theta["cell"]["kernel"] @ jnp.tanh(x) * p["g"]
            + theta["cell"]["bias"]
            + theta["out"][1] * theta["out"][0]
        )

    return nc.Model.from_jax(f, states=2, params={"g": 0.5}, theta=weights)


@pytest.mark.parametrize(
    ("theta", "names", "size"),
    [
        ("all", ["cell.bias", "cell.kernel", "out.0", "out.1"], 9),
        ("cell", ["cell.bias", "cell.kernel"], 6),
        ("cell.kernel", ["cell.kernel"], 4),
        (["out.1", "g"], ["out.1", "g"], 2),
        (lambda t: t["out"][0], ["out.0"], 2),
        (lambda t: [t["cell"]["bias"], t["out"]], ["cell.bias", "out.0", "out.1"], 5),
        (lambda t: {"anything": t["cell"]}, ["cell.bias", "cell.kernel"], 6),
    ],
)
def test_leaves_of_a_pytree(theta, names, size):
    found = metadata(nc.ntk.StateNTK(theta=theta), nested(), free="g")
    assert found["theta"] == names
    assert found["theta_size"] == size
    assert found["theta_scale"] == "none"


def test_chosen_leaves_give_their_share_of_the_kernel():
    model, x = nested(), np.array([[0.3, -0.2]])
    parts = [nc.ntk.StateNTK(theta=t).evaluate(model, x, {}).trace for t in ("cell.bias", "cell.kernel", "out")]
    np.testing.assert_allclose(sum(parts), nc.ntk.StateNTK().evaluate(model, x, {}).trace, rtol=1e-12)
    net = nc.RateRNN([[0.5, 0.1], [0.2, 0.3]], W_in=np.eye(2), inputs={"a": [1.0, 2.0]})
    parts = [nc.ntk.StateNTK(theta=t).evaluate(net, x, {"a": 0.4}).trace for t in ("W", "W_in", "b")]
    np.testing.assert_allclose(sum(parts), nc.ntk.StateNTK().evaluate(net, x, {"a": 0.4}).trace, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:theta.*ranks:RuntimeWarning")
def test_relative_scale_is_the_derivative_by_the_logarithm():
    model, x = neuron(), np.array([0.25, 0.25])
    kernel = nc.ntk.StateNTK(theta=["g", "c"], theta_scale="relative", state_scale="none")
    v = x[0]
    J = -1.0 - 3 * v**2
    expected = ((-1.0 * v) ** 2 + (v**3) ** 2) / J**2 * 2  # w follows v
    np.testing.assert_allclose(kernel.evaluate(model, x, {}).trace, expected, rtol=1e-12)
    as_array = nc.ntk.StateNTK(theta=["g", "c"], theta_scale=[1.0, 1.0], state_scale="none")
    np.testing.assert_allclose(as_array.evaluate(model, x, {}).trace, expected, rtol=1e-12)
    named = nc.ntk.StateNTK(theta=["g", "c"], theta_scale={"g": 1.0}, state_scale=np.array([1.0, 1.0]))
    np.testing.assert_allclose(named.evaluate(model, x, {}).trace, expected, rtol=1e-12)


def test_relative_scale_of_a_leaf_is_its_root_mean_square():
    net = nc.RateRNN([[0.3, 0.4], [0.0, 0.0]], b=[0.5, -0.5])
    x = np.array([0.7, -0.1])
    plain = {name: nc.ntk.StateNTK(theta=name).evaluate(net, x, {}).top for name in ("W", "b")}
    scaled = {name: nc.ntk.StateNTK(theta=name, theta_scale="relative").evaluate(net, x, {}).top for name in ("W", "b")}
    np.testing.assert_allclose(scaled["W"], plain["W"] * (0.25 / 4), rtol=1e-12)
    np.testing.assert_allclose(scaled["b"], plain["b"] * 0.25, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:theta.*rank 1:RuntimeWarning")  # e moves no fixed point
def test_state_scale():
    model, x = neuron(), np.array([[0.16, 0.36], [-0.04, 0.64]])
    # (mean of sqrt|x|)^2: ((0.4 + 0.2)/2)^2, ((0.6 + 0.8)/2)^2
    own = nc.ntk.StateNTK(theta_scale="none", state_scale=[0.09, 0.49]).evaluate(model, x, {})
    relative = nc.ntk.StateNTK(theta_scale="none", state_scale="relative").evaluate(model, x, {})
    np.testing.assert_allclose(relative.eigenvalues, own.eigenvalues, rtol=1e-12)
    at_rest = nc.ntk.StateNTK(theta_scale="none", state_scale="relative").evaluate(model, np.zeros(2), {})
    plain = nc.ntk.StateNTK(**UNSCALED).evaluate(model, np.zeros(2), {})
    np.testing.assert_allclose(at_rest.top, plain.top)  # no magnitude: 1


def test_readout():
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.5 * rng.standard_normal((5, 5)), b=rng.standard_normal(5))
    x, C = rng.standard_normal(5), rng.standard_normal((2, 5))
    sig = nc.ntk.StateNTK(theta="b", readout=C).evaluate(net, x, {}, free="gain")
    K = C @ np.linalg.inv(net.jac(x)) @ np.linalg.inv(net.jac(x)).T @ C.T
    np.testing.assert_allclose(sig.eigenvalues[0], np.linalg.eigvalsh(K)[::-1], rtol=1e-12)
    np.testing.assert_allclose(sig.lr_crit, 2 / np.linalg.eigvalsh(K)[-1], rtol=1e-12)


def assert_refused(match, call, *args, **kwargs):
    with pytest.raises(nc.InputError, match=re.escape(match)):
        call(*args, **kwargs)


def test_settings_that_make_no_sense_are_refused_at_once():
    assert_refused(
        "kernel: 'equilibirum' is unknown; did you mean 'equilibrium'?", nc.ntk.StateNTK, kernel="equilibirum"
    )
    assert_refused("theta: [] was given; it may be 'all', names", nc.ntk.StateNTK, theta=[])
    assert_refused("theta: 3 was given", nc.ntk.StateNTK, theta=3)
    assert_refused("k: 0 was given; it must be a positive whole number", nc.ntk.StateNTK, k=0)
    assert_refused("readout: it must be a matrix of finite numbers", nc.ntk.StateNTK, readout=[1.0, 2.0])
    assert_refused("conditions: {'a': 1} was given; give a list of mappings", nc.ntk.StateNTK, conditions={"a": 1})
    assert_refused("conditions[0]: {'a': 'x'} was given; it must map", nc.ntk.StateNTK, conditions=[{"a": "x"}])
    with pytest.raises(TypeError):
        nc.ntk.StateNTK("equilibrium")


def test_settings_that_do_not_fit_the_model_are_refused_before_anything_is_computed():
    def bind(**settings):
        return nc.ntk.StateNTK(**settings).bind(neuron(), free="I", params={})

    assert_refused("theta: 'gg' is unknown; did you mean 'g'?", bind, theta=["gg"], **UNSCALED)
    assert_refused("theta_scale: not given; parameters with different units", bind, state_scale="none")
    assert_refused("state_scale: not given; states with different units", bind, theta_scale="none")
    assert_refused(
        "theta_scale: shape (2,) was given; theta has 3: g, c, e", bind, theta_scale=[1.0, 2.0], state_scale="none"
    )
    assert_refused(
        "theta_scale: every scale must be a positive number", bind, theta_scale=[1.0, 2.0, 0.0], state_scale="none"
    )
    assert_refused(
        "theta_scale: 'log' was given; it may be 'relative', 'none'", bind, theta_scale="log", state_scale="none"
    )
    assert_refused(
        "theta_scale: 'h' is unknown; it may be 'g', 'c', 'e'", bind, theta_scale={"h": 1.0}, state_scale="none"
    )
    assert_refused(
        "state_scale: 'relativ' is unknown; did you mean 'relative'?", bind, theta_scale="none", state_scale="relativ"
    )
    assert_refused(
        "state_scale: shape (3,) was given; the model has 2", bind, theta_scale="none", state_scale=[1.0, 1.0, 1.0]
    )
    assert_refused("theta: a function was given, but the model has no pytree", bind, theta=lambda t: t, **UNSCALED)
    assert_refused("conditions: 'gl' is unknown; did you mean 'g'?", bind, conditions=[{"gl": 1.0}], **UNSCALED)
    assert_refused("theta: 'g' is set by conditions", bind, theta=["g"], conditions=[{"g": 1.0}], **UNSCALED)
    assert_refused("readout: shape (1, 3) was given; the model has 2 states", bind, readout=np.ones((1, 3)), **UNSCALED)
    assert_refused("conditions: 'I' is the free parameter", bind, conditions=[{"I": 1.0}], **UNSCALED)
    assert_refused("free: 'J' is unknown", nc.ntk.StateNTK(**UNSCALED).bind, neuron(), free="J")


def test_whole_numbers_are_not_trained():
    theta = {"W": 0.3 * np.eye(2), "order": np.array([1, 0])}
    model = nc.Model.from_jax(lambda x, p, t: -x + p["g"] * (t["W"] @ x)[t["order"]] + 1.0, 2, {"g": 0.5}, theta=theta)
    assert nc.ntk.StateNTK().bind(model, free="g").metadata["theta"] == ["W"]
    A = -np.eye(2) + 0.5 * 0.3 * np.eye(2)[[1, 0]]
    x = np.linalg.solve(-A, np.ones(2))
    # each row of W moves one state: F F^T = g^2 |x|^2 I
    expected = 0.25 * (x @ x) * np.linalg.eigvalsh(np.linalg.inv(A) @ np.linalg.inv(A).T)[::-1]
    np.testing.assert_allclose(nc.ntk.StateNTK().evaluate(model, x, {}).eigenvalues[0], expected, rtol=1e-10)
    assert_refused(
        "the leaf 'order' holds no floating-point numbers", nc.ntk.StateNTK(theta=["order"]).bind, model, free="g"
    )


def test_a_parameter_of_size_zero_has_no_relative_scale():
    model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, params={"mu": 1.0, "h": 0.0})
    kernel = nc.ntk.StateNTK(theta_scale="relative", state_scale="none")
    assert_refused("theta_scale: 'relative' was given, but 'h' is 0", kernel.bind, model, free="mu")
    assert kernel.bind(model, free="h", param_scale=2.0).metadata["theta"] == ["mu"]
    named = nc.ntk.StateNTK(theta=["h"], theta_scale="relative", state_scale="none").bind(
        model, free="h", param_scale=2.0
    )
    assert named.metadata["theta_param_scale"] == {"h": 2.0}  # the free parameter: its span


def test_theta_that_names_nothing():
    model = nc.Model.from_equations({"x": "mu - x"}, params={"mu": 1.0})
    assert_refused(
        "theta: 'all' names nothing that could be trained", nc.ntk.StateNTK(**UNSCALED).bind, model, free="mu"
    )
    assert_refused("names nothing that could be trained", nc.ntk.StateNTK(theta=lambda t: []).bind, nested(), free="g")


def test_functions_of_the_pytree_must_return_leaves():
    assert_refused(
        "theta: the function must return leaves", nc.ntk.StateNTK(theta=lambda t: np.ones(2)).bind, nested(), free="g"
    )
    assert_refused(
        "theta: the function failed on the pytree (KeyError", nc.ntk.StateNTK(theta=lambda t: t["W"]).bind, nested()
    )
    assert_refused(
        "theta: the function failed", nc.ntk.StateNTK(theta=lambda t: 2 * t["out"][0]).bind, nested(), free="g"
    )


def test_points_of_the_wrong_shape():
    kernel, model = nc.ntk.StateNTK(**UNSCALED), neuron()
    assert_refused("x: shape (2, 3) was given; the model has 2 states", kernel.evaluate, model, np.ones((2, 3)))
    assert_refused(
        "params['g']: shape (3,) was given; give 1 or 2 numbers",
        kernel.evaluate,
        model,
        np.ones((2, 2)),
        {"g": np.ones(3)},
    )
    assert_refused("params: 'gg' is unknown", kernel.evaluate, model, np.ones(2), {"gg": 1.0})
    assert_refused("free: 'J' is unknown", kernel.evaluate, model, np.ones(2), free="J")


def test_a_state_by_name():
    kernel = nc.ntk.StateNTK(**UNSCALED)
    by_name = kernel.evaluate(neuron(), {"v": 0.1, "w": 0.2})
    np.testing.assert_array_equal(by_name.top, kernel.evaluate(neuron(), [0.1, 0.2]).top)


def test_no_gpu_is_said_clearly():
    import jax

    if any(d.platform == "gpu" for d in jax.devices()):
        pytest.skip("there is one")
    assert_refused(
        "device: 'gpu' was asked for, but JAX sees no GPU",
        nc.ntk.StateNTK(device="gpu", **UNSCALED).bind,
        neuron(),
        free="I",
    )
