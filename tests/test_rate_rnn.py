"""RateRNN computes its defining formula, in numba and in JAX, with exact derivatives, whatever the options."""

from __future__ import annotations

import itertools

import jax
import networks_truth as truth
import numpy as np
import pytest
from scipy import sparse

import ntkcont as nc
from ntkcont.jax_tools import x64

N, D = 14, 3  # above the size at which BLAS takes over from the plain loop
VALUES = {"gain": 1.3, "stim": 0.7, "context": -0.4}
STORAGES = ("dense", "masked", "signed", "low rank", "low rank and a diagonal", "sparse", "sparse signed")


def build(storage, form, kind, phi, n=N, seed=0):
    """A network with every option heterogeneous, its effective weights, and a state away from kinks."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((n, n)) / np.sqrt(n)
    mask = (rng.random((n, n)) < 0.6).astype(float)
    sign = np.where(rng.random(n) < 0.7, 1.0, -1.0)
    b, W_in = 0.3 * rng.standard_normal(n), rng.standard_normal((n, D))
    inputs = {"stim": rng.standard_normal(D), "context": rng.standard_normal(D)}
    leak = {"tau": rng.uniform(0.5, 2.0, n)} if kind == "flow" else {"alpha": rng.uniform(0.1, 1.0, n)}
    phi_gain = rng.uniform(0.6, 1.5, n)
    U, V = rng.standard_normal((n, 2)) / n, rng.standard_normal((n, 2))
    given, effective, extra = {
        "dense": (W, W, {}),
        "masked": (W, W * mask, {"mask": mask}),
        "signed": (W, np.maximum(W, 0.0) * sign[None, :] * mask, {"mask": mask, "sign": sign}),
        "low rank": (nc.LowRank(U, V), U @ V.T, {}),
        "low rank and a diagonal": (nc.LowRank(U, V, b), U @ V.T + np.diag(b), {}),
        "sparse": (sparse.coo_array(W * mask), W * mask, {}),
        "sparse signed": (sparse.csc_array(W * mask), np.maximum(W, 0) * mask * sign, {"sign": sign, "mask": mask}),
    }[storage]
    net = nc.RateRNN(given, b, W_in, inputs, phi=phi, phi_gain=phi_gain, form=form, **leak, **extra)
    formula = {
        "W": effective, "b": b, "u": W_in @ (0.7 * inputs["stim"] - 0.4 * inputs["context"]), "gain": 1.3, "phi": phi,
        "phi_gain": phi_gain, "tau": leak.get("tau"), "alpha": leak.get("alpha"), "form": form,
    }  # fmt: skip
    return net, formula, rng.standard_normal(n)


CASES = [
    *itertools.product(STORAGES, ("synaptic", "rate"), ("flow", "map"), ("tanh",)),
    *itertools.product(("dense",), ("synaptic", "rate"), ("flow", "map"), ("relu", "softplus", "sigmoid", "retanh")),
]


@pytest.mark.parametrize(("storage", "form", "kind", "phi"), CASES)
def test_numba_jax_and_the_formula_agree(storage, form, kind, phi):
    net, formula, x = build(storage, form, kind, phi)
    expected = truth.rhs(x, **formula)
    assert net.kind == kind
    np.testing.assert_allclose(net.effective_W(), formula["W"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(net.rhs(x, VALUES), expected, rtol=0, atol=1e-13)
    values = net.values(VALUES)
    with x64():
        twin = np.asarray(net.jax_rhs(x, values, net.theta))
        jac = np.asarray(jax.jacfwd(net.jax_rhs)(x, values, net.theta))
        dfdp = np.asarray(jax.jacrev(net.jax_rhs, argnums=1)(x, values, net.theta))
    np.testing.assert_allclose(twin, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.jac(x, VALUES), jac, rtol=0, atol=1e-13)
    finite = truth.differences(lambda z: truth.rhs(z, **formula), x)
    np.testing.assert_allclose(net.jac(x, VALUES), finite, rtol=0, atol=1e-9)
    for k, name in enumerate(net.params):
        np.testing.assert_allclose(net.dfdp(x, name, VALUES), dfdp[:, k], rtol=0, atol=1e-13)

    def shifted(step, name):
        changed = {"gain": formula["gain"] + step[0]} if name == "gain" else {
            "u": formula["u"] + step[0] * (net.W_in @ net.inputs[name])
        }  # fmt: skip
        return truth.rhs(x, **{**formula, **changed})

    for name in net.params:
        slope = truth.differences(lambda step, name=name: shifted(step, name), np.zeros(1))[:, 0]
        np.testing.assert_allclose(net.dfdp(x, name, VALUES), slope, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 12, 13, 40])
@pytest.mark.parametrize("storage", ["dense", "low rank", "sparse"])
def test_every_size_takes_the_same_formula(n, storage):
    net, formula, x = build(storage, "rate", "flow", "tanh", n=n, seed=n)
    np.testing.assert_allclose(net.rhs(x, VALUES), truth.rhs(x, **formula), rtol=0, atol=1e-13)
    finite = truth.differences(lambda z: truth.rhs(z, **formula), x)
    np.testing.assert_allclose(net.jac(x, VALUES), finite, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", ["synaptic", "rate"])
@pytest.mark.parametrize("storage", STORAGES)
def test_the_twin_is_differentiable_in_every_leaf_of_theta(storage, form):
    net, _, x = build(storage, form, "flow", "tanh")
    values = net.values(VALUES)
    with x64():
        slopes = jax.jacrev(net.jax_rhs, argnums=2)(x, values, net.theta)
        slopes = {name: np.asarray(value) for name, value in slopes.items()}
    assert set(slopes) == set(net.theta)
    rng = np.random.default_rng(1)
    for name, leaf in net.theta.items():
        direction = rng.standard_normal(leaf.shape)

        def moved(step, name=name, direction=direction):
            with x64():
                theta = {**net.theta, name: net.theta[name] + step[0] * direction}
                return np.asarray(net.jax_rhs(x, values, theta))

        finite = truth.differences(moved, np.zeros(1), h=1e-5)[:, 0]
        np.testing.assert_allclose(slopes[name].reshape(N, -1) @ direction.ravel(), finite, rtol=0, atol=1e-7)


def test_signed_weights_pass_no_gradient_where_relu_is_zero():
    net, _, x = build("signed", "synaptic", "flow", "tanh")
    with x64():
        slope = np.asarray(jax.jacrev(net.jax_rhs, argnums=2)(x, net.values(), net.theta)["W"])
    silent = (net.W <= 0.0) | (net.mask == 0.0)
    assert silent.any()
    assert not slope[:, silent].any()
    assert np.all(np.diagonal(slope, axis1=0, axis2=1).T[~silent] != 0.0)


@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_flow_and_map_share_fixed_points_and_their_eigenvalues(form):
    net, _, _ = build("dense", form, "flow", "tanh")
    options = {"phi_gain": net.phi_gain, "form": form, "W_in": net.W_in, "inputs": net.inputs}
    flow = nc.RateRNN(net.W, net.b, **options)
    step = nc.RateRNN(net.W, net.b, alpha=0.3, **options)
    z = np.zeros(N)
    for _ in range(200):  # Newton on the flow only
        z = z - np.linalg.solve(flow.jac(z), flow.rhs(z))
    np.testing.assert_allclose(step.rhs(z), z, rtol=0, atol=1e-14)
    eigenvalues = np.linalg.eigvals(flow.jac(z))
    multipliers = np.linalg.eigvals(step.jac(z))
    np.testing.assert_allclose(np.sort_complex(multipliers), np.sort_complex(1.0 + 0.3 * eigenvalues), atol=1e-12)


def test_alpha_one_is_the_elman_network_exactly():
    rng = np.random.default_rng(0)
    W, b, z = rng.standard_normal((5, 5)), rng.standard_normal(5), rng.standard_normal(5)
    np.testing.assert_array_equal(nc.RateRNN(W, b, form="rate", alpha=1.0).rhs(1e3 * z), np.tanh(W @ (1e3 * z) + b))


def test_without_inputs_the_input_weights_are_trained_but_silent():
    rng = np.random.default_rng(0)
    W, W_in, x = rng.standard_normal((4, 4)), rng.standard_normal((4, 2)), rng.standard_normal(4)
    net = nc.RateRNN(W, W_in=W_in)
    np.testing.assert_allclose(net.rhs(x), -x + W @ np.tanh(x), atol=1e-15)
    assert list(net.theta) == ["W", "W_in", "b"]
    assert not net.theta["b"].any()


def test_attributes_and_names():
    net = nc.RateRNN(
        np.eye(3), W_in=np.ones((3, 1)), inputs={"I": 2.0}, W_out=np.ones((1, 3)), gain=0.5, states=["a", "b", "c"]
    )
    assert dict(net.params) == {"gain": 0.5, "I": 0.0}
    assert net.states == ("a", "b", "c")
    assert net.homogeneous
    np.testing.assert_array_equal(net.drives, [[2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(net.tau, np.ones(3))
    assert net.alpha is None
    assert net.phi == "tanh"
    for array in (
        net.W,
        net.b,
        net.W_in,
        net.W_out,
        net.tau,
        net.phi_gain,
        net.drives,
        net.inputs["I"],
        net.theta["W"],
    ):
        assert array.dtype == np.float64
        assert not array.flags.writeable
    assert nc.RateRNN(np.eye(3)).states == ("z0", "z1", "z2")
    assert "synaptic form" in net.description
    assert "dense W" in net.description


def test_the_network_keeps_its_own_copy_of_the_weights():
    W = np.eye(3)
    net = nc.RateRNN(W)
    W[:] = 7.0
    np.testing.assert_array_equal(net.W, np.eye(3))


def test_digest_changes_with_anything_that_changes_the_model():
    W, mask = np.eye(3), np.ones((3, 3))
    variants = [
        nc.RateRNN(W),
        nc.RateRNN(2 * W),
        nc.RateRNN(W, [1, 0, 0]),
        nc.RateRNN(W, phi="relu"),
        nc.RateRNN(W, form="rate"),
        nc.RateRNN(W, tau=2.0),
        nc.RateRNN(W, alpha=1.0),
        nc.RateRNN(W, phi_gain=2.0),
        nc.RateRNN(W, W_in=W),
        nc.RateRNN(W, mask=mask),
        nc.RateRNN(W, sign=[1, 1, 1]),
        nc.RateRNN(W, W_out=W),
    ]
    assert len({net.digest for net in variants}) == len(variants)
    assert nc.RateRNN(W).digest == variants[0].digest
