"""Structured source terms and Jacobians of rate networks equal what automatic differentiation gives."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from scipy import sparse

import ntkcont as nc
from ntkcont.jax_tools import x64

N, D = 5, 3


def network(
    storage="dense", form="synaptic", is_map=False, masked=False, signed=False, with_inputs=True, phi="tanh", seed=1
):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((N, N))
    if storage == "low rank":
        W = nc.LowRank(rng.standard_normal((N, 2)), rng.standard_normal((N, 2)))
    if storage == "low rank and a diagonal":
        W = nc.LowRank(rng.standard_normal((N, 2)), rng.standard_normal((N, 2)), diagonal=rng.standard_normal(N))
    if storage == "sparse":
        W = sparse.csr_array(W * (rng.random((N, N)) < 0.6))
    options = {"alpha": rng.uniform(0.2, 1.0, N)} if is_map else {"tau": rng.uniform(0.5, 2.0, N)}
    if masked:
        options["mask"] = rng.uniform(0.5, 2.0, (N, N)) * (rng.random((N, N)) < 0.7)
    if signed:
        options["sign"] = np.array([1.0, 1.0, -1.0, 1.0, -1.0])
    if with_inputs:
        options |= {
            "W_in": rng.standard_normal((N, D)),
            "inputs": {"a": rng.standard_normal(D), "c": rng.standard_normal(D)},
        }
    return nc.RateRNN(W, b=rng.standard_normal(N), form=form, phi=phi, phi_gain=rng.uniform(0.5, 1.5, N), **options)


def all_columns(model, x, values):
    """D_theta f (n, .) of every leaf and parameter by jax.jacrev."""
    with x64():
        by_theta = jax.jacrev(lambda t: model.jax_rhs(x, values, t))(dict(model.theta))
        by_params = np.asarray(jax.jacrev(lambda v: model.jax_rhs(x, v, dict(model.theta)))(values))
        columns = {k: np.asarray(a).reshape(len(x), -1) for k, a in by_theta.items()}
    return columns | {k: by_params[:, [i]] for i, k in enumerate(model.params)}


def chosen(columns, names):
    """Columns of some of them, leaves in the order of the pytree first."""
    return np.concatenate([columns[k] for k in columns if k in names], axis=1)


def linearise(bound, x, values):
    """A, F with the conditions stacked, fp: not compiled, since each case is needed once."""
    source = bound.source
    with x64():
        A, F, fp = (np.asarray(a) for a in source.linearise(x, values, bound.direction, source.arguments))
    F = source.factor(np, F[None])[0]
    return A, F.reshape(-1, F.shape[-1]), fp


def structured(model, names, x, values, **settings):
    return linearise(nc.ntk.StateNTK(theta=list(names), **settings).bind(model, free="gain"), x, values)


STORAGES = [
    ("dense", False, False), ("dense", True, False), ("dense", False, True), ("dense", True, True),
    ("sparse", False, False), ("sparse", True, True), ("low rank", False, False),
    ("low rank and a diagonal", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("storage", "masked", "signed"), STORAGES)
@pytest.mark.parametrize("form", ["synaptic", "rate"])
@pytest.mark.parametrize("is_map", [False, True])
def test_gram_matrix_of_each_block_equals_jacrev(storage, masked, signed, form, is_map):
    model = network(storage, form, is_map, masked, signed)
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1, N))
    values = np.array([[0.8, 0.4, -1.1]])
    weights = [name for name in model.theta if name not in ("W_in", "b")]
    blocks = [*[[w] for w in weights], ["W_in"], ["b"], ["gain"], [*weights, "W_in", "b"], [*weights, "b", "a", "gain"]]
    columns = all_columns(model, x[0], values[0])
    with x64():
        jacobian = np.asarray(jax.jacrev(lambda z: model.jax_rhs(z, values[0], dict(model.theta)))(x[0]))
    for names in blocks:
        A, F, fp = structured(model, names, x, values)
        expected = chosen(columns, names)
        scale = np.abs(expected @ expected.T).max()
        np.testing.assert_allclose(F @ F.T, expected @ expected.T, rtol=1e-10, atol=1e-12 * scale, err_msg=str(names))
        np.testing.assert_allclose(A[0], jacobian, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(fp[0], columns["gain"][:, 0], rtol=1e-10, atol=1e-12)
        assert F.shape[1] <= N + 5  # n, and those of V or of parameters: never n^2


@pytest.mark.parametrize(("storage", "masked", "signed"), STORAGES)
@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_cross_terms_between_conditions_equal_jacrev(storage, masked, signed, form):
    model = network(storage, form, False, masked, signed)
    rng = np.random.default_rng(8)
    x = rng.standard_normal((3, N))
    values = np.array([[0.8, 0.4, -1.1], [0.8, 0.0, 0.0], [1.3, -1.0, 2.0]])
    weights = [name for name in model.theta if name not in ("W_in", "b")]
    columns = [all_columns(model, *point) for point in zip(x, values, strict=True)]
    for names in [weights, [*weights, "W_in", "b"], ["W_in"], ["b", "a"]]:
        _, F, _ = structured(model, names, x, values)
        stacked = np.concatenate([chosen(c, names) for c in columns])
        expected = stacked @ stacked.T
        np.testing.assert_allclose(
            F @ F.T, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max(), err_msg=str(names)
        )


@pytest.mark.parametrize("phi", ["relu", "softplus", "sigmoid", "retanh"])
@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_every_activation(phi, form):
    model = network(form=form, phi=phi)
    x, values = np.random.default_rng(9).standard_normal((1, N)), np.array([[1.2, 0.3, 0.5]])
    _, F, _ = structured(model, ["W", "W_in", "b"], x, values)
    expected = chosen(all_columns(model, x[0], values[0]), ["W", "W_in", "b"])
    np.testing.assert_allclose(F @ F.T, expected @ expected.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("storage", ["dense", "sparse", "low rank"])
def test_column_scales_of_any_shape(storage):
    model = network(storage, masked=storage == "dense")
    rng = np.random.default_rng(3)
    x, values = rng.standard_normal((2, N)), np.array([[0.8, 0.4, -1.1], [1.0, 0.0, 2.0]])
    names = sorted(model.theta)
    columns = np.concatenate([chosen(all_columns(model, *p), names) for p in zip(x, values, strict=True)])
    for arrays in itertools.product([False, True], repeat=len(names)):
        scale = {
            k: rng.uniform(0.5, 2.0, np.shape(model.theta[k])) if a else 1.7 for k, a in zip(names, arrays, strict=True)
        }
        _, F, _ = structured(model, names, x, values, theta_scale=scale)
        column = np.concatenate([np.broadcast_to(scale[k], np.shape(model.theta[k])).ravel() for k in names])
        stacked = column * columns
        expected = stacked @ stacked.T
        np.testing.assert_allclose(F @ F.T, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_input_weights_without_an_input_have_no_effect():
    model = network(with_inputs=False)
    with_in = nc.RateRNN(model.W, b=model.b, W_in=np.ones((N, D)))
    x, values = np.random.default_rng(4).standard_normal((1, N)), np.array([[1.0]])
    bound = nc.ntk.StateNTK(theta=["W_in"]).bind(with_in, free="gain")
    _, F, _ = linearise(bound, x, values)
    assert not F.any()


def test_parameters_that_move_together_use_the_structured_source_too():
    model = network()
    mixed = model.along({"a": 0.0, "gain": 1.0}, {"a": 2.0, "gain": 0.5})
    x, values = np.random.default_rng(5).standard_normal((1, N)), np.array([[0.3, 0.4]])
    bound = nc.ntk.StateNTK(theta=["W", "b", "c"]).bind(mixed, free="mix")
    _, F, fp = linearise(bound, x, values)
    assert F.shape[-1] == N + 1
    columns = all_columns(mixed, x[0], values[0])
    expected = chosen(columns, ["W", "b", "c"])
    np.testing.assert_allclose(F @ F.T, expected @ expected.T, rtol=1e-10)
    np.testing.assert_allclose(fp[0], columns["mix"][:, 0], rtol=1e-10)


def test_any_jax_model_dense_or_by_products_with_the_derivative(monkeypatch):
    from ntkcont.ntk import sources

    def f(x, p, theta):
        return -x + theta["out"] @ jax.numpy.tanh(theta["in"] @ x + p["g"])

    rng = np.random.default_rng(6)
    weights = {"in": rng.standard_normal((7, N)), "out": rng.standard_normal((N, 7))}
    model = nc.Model.from_jax(f, states=N, params={"g": 0.3}, theta=weights)
    x, values = rng.standard_normal((2, N)), np.array([[0.3], [0.7]])
    stacked = np.concatenate([chosen(all_columns(model, *p), ["in", "out"]) for p in zip(x, values, strict=True)])
    expected = stacked @ stacked.T
    for limit in (sources.DENSE_BYTES, 0):
        monkeypatch.setattr(sources, "DENSE_BYTES", limit)
        _, F, _ = linearise(nc.ntk.StateNTK(conditions=[{}, {}]).bind(model, free="g"), x, values)
        assert F.shape[1] <= 2 * N
        np.testing.assert_allclose(F @ F.T, expected, rtol=1e-9, atol=1e-10)
