"""The low-rank natural gradient against dense linear algebra, and what it does to gradient descent."""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.ntk import low_rank_natural_gradient
from ntkcont.ntk.top_eigenpairs import top_eigenpairs


@pytest.fixture(autouse=True)
def double():
    with x64():
        yield


def network(sizes=(3, 4, 5), samples=11, seed=0):
    """A two-layer network, its weights and its outputs on some inputs."""
    rng = np.random.default_rng(seed)
    d, hidden, out = sizes
    params = {
        "first": {"W": jnp.asarray(rng.standard_normal((hidden, d))), "b": jnp.asarray(rng.standard_normal(hidden))},
        "second": [jnp.asarray(rng.standard_normal((out, hidden)))],
    }
    inputs = jnp.asarray(rng.standard_normal((samples, d)))

    def outputs(p):
        return jnp.tanh(inputs @ p["first"]["W"].T + p["first"]["b"]) @ p["second"][0].T

    gradient = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)), params)
    return outputs, params, gradient


def dense(outputs, params, weight=1.0):
    """Eigenvalues, descending, and eigenvectors of J^T W J, by jacrev and numpy."""
    flat, unravel = ravel_pytree(params)
    J = np.asarray(jax.jacrev(lambda theta: outputs(unravel(theta)).ravel())(flat))
    w = np.broadcast_to(weight, outputs(params).shape).ravel()
    e, U = np.linalg.eigh(J.T @ (w[:, None] * J))
    return np.maximum(e[::-1], 0.0), U[:, ::-1]


def once(transformation, params, gradient):
    updates, state = transformation.update(gradient, transformation.init(params), params)
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    return np.asarray(ravel_pytree(updates)[0]), state


EXACT = {"tol": 1e-12, "passes": 400}


@pytest.mark.parametrize("sizes", [(3, 4, 5), (6, 10, 8)])  # 36 parameters: dense; 150: iterated
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_the_damped_form_is_the_inverse(sizes, rank):
    outputs, params, gradient = network(sizes, samples=30)
    e, U = dense(outputs, params)
    U, g = U[:, :rank], np.asarray(ravel_pytree(gradient)[0])
    matrix = U @ np.diag(e[:rank]) @ U.T + 0.3 * np.eye(len(g))
    found, state = once(low_rank_natural_gradient(outputs, rank=rank, damping=0.3, **EXACT), params, gradient)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, g), rtol=0, atol=1e-8)
    np.testing.assert_allclose(state.eigenvalues[: rank + 1], e[: rank + 1], rtol=1e-10)
    assert state.residual < 1e-11


def test_with_all_eigenpairs_it_is_the_inverse_of_the_whole_kernel():
    outputs, params, gradient = network(samples=30)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, (30, 5))
    e, U = dense(outputs, params, weight)
    g = np.asarray(ravel_pytree(gradient)[0])
    found, _ = once(
        low_rank_natural_gradient(outputs, rank=g.size, damping=0.1, weight=weight, **EXACT), params, gradient
    )
    np.testing.assert_allclose(found, np.linalg.solve((U * e) @ U.T + 0.1 * np.eye(g.size), g), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sizes", [(3, 4, 5), (6, 10, 8)])
@pytest.mark.parametrize("rank", [1, 4])
def test_without_damping_the_top_components_shrink_to_the_next_eigenvalue(sizes, rank):
    outputs, params, gradient = network(sizes, samples=30)
    e, U = dense(outputs, params)
    components = U.T @ np.asarray(ravel_pytree(gradient)[0])
    components[:rank] *= e[rank] / e[:rank]
    found, _ = once(low_rank_natural_gradient(outputs, rank=rank, **EXACT), params, gradient)
    np.testing.assert_allclose(found, U @ components, rtol=0, atol=1e-8)


def test_the_default_tolerance_is_kept_and_reported():
    outputs, params, gradient = network((6, 10, 8), samples=30)
    e, U = dense(outputs, params)
    _, state = once(low_rank_natural_gradient(outputs, rank=3), params, gradient)
    basis, values = np.asarray(state.basis)[:, :4], np.asarray(state.eigenvalues)[:4]
    K = (U * e) @ U.T
    residual = np.max(np.linalg.norm(K @ basis - basis * values, axis=0)) / values[0]
    assert residual <= 1e-3
    assert float(state.residual) == pytest.approx(residual, rel=1e-6)
    np.testing.assert_allclose(values, e[:4], rtol=1e-3)
    _, rough = once(low_rank_natural_gradient(outputs, rank=3, passes=1), params, gradient)
    assert rough.residual > 1e-3


def test_several_equal_eigenvalues_are_all_found():
    scale = np.concatenate([[3.0, 3.0, 3.0, 2.0], np.linspace(1.0, 0.1, 196)])
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 200)))[0]
    A = jnp.asarray((Q * scale) @ Q.T)
    guess = np.linalg.qr(np.random.default_rng(1).standard_normal((200, 9)))[0]
    found = top_eigenpairs(lambda X: A @ X, jnp.asarray(guess), 4, 1e-10, 300)
    np.testing.assert_allclose(found.values[:4], scale[:4], rtol=1e-12)
    space = np.asarray(found.vectors)[:, :3]
    np.testing.assert_allclose(space @ space.T, Q[:, :3] @ Q[:, :3].T, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(9), rtol=0, atol=1e-12)


@pytest.mark.parametrize("damping", [None, 0.5])
@pytest.mark.parametrize("what", ["rotated outputs", "weight and scale", "another pytree", "outputs as a pytree"])
def test_what_it_does_not_depend_on(what, damping):
    outputs, params, gradient = network()
    options = {"rank": 3, "damping": damping, **EXACT}
    expected, _ = once(low_rank_natural_gradient(outputs, **options), params, gradient)
    if what == "rotated outputs":
        Q = jnp.asarray(np.linalg.qr(np.random.default_rng(3).standard_normal((5, 5)))[0])
        found, _ = once(low_rank_natural_gradient(lambda p: outputs(p) @ Q, **options), params, gradient)
    elif what == "weight and scale":
        other = low_rank_natural_gradient(lambda p: 10.0 * outputs(p), weight=0.01, **options)
        found, _ = once(other, params, gradient)
    elif what == "outputs as a pytree":
        other = low_rank_natural_gradient(lambda p: {"a": outputs(p)[:4], "b": [outputs(p)[4:]]}, **options)
        found, _ = once(other, params, gradient)
    else:
        flat, unravel = ravel_pytree(params)
        order = np.random.default_rng(4).permutation(flat.size)
        back = np.argsort(order)
        other = low_rank_natural_gradient(lambda theta: outputs(unravel(theta[back])), **options)
        found, _ = once(other, flat[order], ravel_pytree(gradient)[0][order])
        found = found[back]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_a_scaled_kernel_changes_nothing_without_damping():
    outputs, params, gradient = network()
    one, _ = once(low_rank_natural_gradient(outputs, rank=3, **EXACT), params, gradient)
    other, _ = once(low_rank_natural_gradient(outputs, rank=3, weight=1e4, **EXACT), params, gradient)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("every", [1, 3])
def test_the_eigenpairs_are_refreshed_every_few_updates(every):
    outputs, params, gradient = network()
    optimiser = optax.chain(low_rank_natural_gradient(outputs, rank=2, every=every, **EXACT), optax.sgd(0.1))
    update = jax.jit(optimiser.update)
    state, of = optimiser.init(params), {}
    for step in range(8):
        if step % every == 0:
            of = {"e": dense(outputs, params)[0]}
        updates, state = update(gradient, state, params)
        np.testing.assert_allclose(state[0].eigenvalues[:3], of["e"][:3], rtol=1e-9, err_msg=f"update {step}")
        assert int(state[0].age) == (step + 1) % every
        moved = optax.apply_updates(params, updates)
        assert not np.allclose(dense(outputs, moved)[0][:3], dense(outputs, params)[0][:3], rtol=1e-6)
        params = moved


def test_the_outputs_are_not_evaluated_between_refreshes():
    calls = []
    outputs, params, gradient = network()

    def counted(p):
        jax.debug.callback(lambda: calls.append(0))
        return outputs(p)

    optimiser = low_rank_natural_gradient(counted, rank=2, every=4)
    update = jax.jit(optimiser.update)
    state, history = optimiser.init(params), []
    for _ in range(9):
        before = len(calls)
        updates, state = update(gradient, state, params)
        jax.block_until_ready(updates)
        jax.effects_barrier()
        history.append(len(calls) > before)
    assert history == [True, False, False, False] * 2 + [True]


def descend(optimiser, loss, params, steps):
    state = optimiser.init(params)

    @jax.jit
    def step(params, state):
        updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    losses = []
    for _ in range(steps):
        losses.append(float(loss(params)))
        params, state = step(params, state)
    return np.array(losses)


@pytest.mark.parametrize("damping", [None, 4.0])
def test_it_converges_where_gradient_descent_diverges(damping):
    """1/2 |A x|^2 has the kernel A^T A: eigenvalues 2500, 400, 4, 1, ..., so plain descent needs lr < 2/2500."""
    scale = np.array([50.0, 20.0, 2.0, *np.linspace(1.0, 0.7, 27)])
    rng = np.random.default_rng(0)
    Q, R = (np.linalg.qr(rng.standard_normal((30, 30)))[0] for _ in range(2))
    A = jnp.asarray((Q * scale) @ R)
    x = jnp.asarray(rng.standard_normal(30))

    def outputs(x):
        return A @ x

    def loss(x):
        return 0.5 * jnp.sum(outputs(x) ** 2)

    natural = low_rank_natural_gradient(outputs, rank=2, damping=damping)
    scaled = 1.0 if damping is None else damping
    lr = 0.45  # 2/e_3 = 0.5
    plain = descend(optax.sgd(lr), loss, x, 20)
    assert plain[-1] > 1e20 * plain[0]
    below, above = 1.9 / 2500.0, 2.1 / 2500.0
    assert descend(optax.sgd(below), loss, x, 200)[-1] < plain[0]
    assert descend(optax.sgd(above), loss, x, 200)[-1] > plain[0]
    found = descend(optax.chain(natural, optax.sgd(lr * scaled)), loss, x, 400)
    assert np.all(np.diff(found[:100]) < 0)
    assert found[-1] < 1e-20 * found[0]
    assert descend(optax.chain(natural, optax.sgd(0.55 * scaled)), loss, x, 400)[-1] > 1e3 * found[0]


def test_one_step_solves_a_quadratic_with_all_eigenpairs():
    A = jnp.asarray(np.random.default_rng(0).standard_normal((8, 5)))
    x = jnp.arange(5.0)
    gradient = A.T @ (A @ x)
    found, _ = once(low_rank_natural_gradient(lambda x: A @ x, rank=5, damping=1e-9, **EXACT), x, gradient)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-7)


def test_a_kernel_of_low_rank_leaves_something_to_learn():
    """With fewer outputs than rank + 1, e_{rank+1} is zero; the smallest that is not takes its place."""
    A = np.zeros((2, 6))
    A[0, 0], A[1, 1] = 10.0, 1.0
    gradient = jnp.asarray([100.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    for rank in (1, 2, 4):
        found, _ = once(low_rank_natural_gradient(lambda x: jnp.asarray(A) @ x, rank=rank), jnp.ones(6), gradient)
        np.testing.assert_allclose(found, [1.0, 1.0, 0, 0, 0, 0], rtol=0, atol=1e-10)


def test_a_vanishing_kernel_leaves_the_gradient():
    found, state = once(low_rank_natural_gradient(lambda x: 0.0 * x, rank=2), jnp.ones(40), jnp.arange(40.0))
    np.testing.assert_array_equal(found, np.arange(40.0))
    assert not np.any(state.eigenvalues)


def test_single_precision_stays_single():
    outputs, params, gradient = network((6, 10, 8), samples=30)
    e, _ = dense(outputs, params)
    with jax.enable_x64(False):
        single = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float32), (params, gradient))

        def outputs32(p):
            inputs = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
            return jnp.tanh(inputs @ p["first"]["W"].T + p["first"]["b"]) @ p["second"][0].T

        optimiser = optax.chain(low_rank_natural_gradient(outputs32, rank=3), optax.scale_by_adam(), optax.scale(-0.01))
        state = optimiser.init(single[0])
        updates, state = jax.jit(optimiser.update)(single[1], state, single[0])
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(updates))
    assert state[0].basis.dtype == np.float32
    assert len(e) == state[0].basis.shape[0]
    assert state[0].residual < 1e-3


BAD = [
    ({"outputs": 3}, r"outputs: int was given; give a function"),
    ({"rank": 0}, r"rank: 0 was given; it must be an integer of at least 1"),
    ({"rank": 2.0}, r"rank: 2.0 was given"),
    ({"every": True}, r"every: True was given"),
    ({"passes": 0}, r"passes: 0 was given"),
    ({"damping": 0.0}, r"damping: 0.0 was given; it must be a positive number"),
    ({"damping": -1}, r"damping: -1 was given"),
    ({"tol": np.nan}, r"tol: nan was given"),
    ({"weight": -1.0}, r"weight: -1.0 was given; it must be a number that is not negative"),
    ({"weight": "mean"}, r"weight: 'mean' was given"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_named(options, message):
    with pytest.raises(nc.InputError, match=message):
        low_rank_natural_gradient(**{"outputs": lambda x: x, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 4}, r"rank: 4 was given, but there are 4 parameters; it may be at most 3"),
        ({"rank": 5, "damping": 1.0}, r"it may be at most 4"),
        ({"weight": np.ones(3)}, r"weight: shape \(3,\) was given; it must be one number, or broadcast .* \(4,\)"),
        ({"weight": np.ones((2, 4))}, r"weight: shape \(2, 4\)"),
        ({"outputs": lambda x: 1j * x}, r"outputs: it must return an array of real floating-point numbers"),
        ({"outputs": lambda x: ()}, r"outputs: it must return an array"),
    ],
)
def test_what_does_not_fit_the_parameters_is_said_at_the_start(options, message):
    optimiser = low_rank_natural_gradient(**{"outputs": lambda x: x, "rank": 2, **options})
    with pytest.raises(nc.InputError, match=message):
        optimiser.init(jnp.ones(4))


def test_the_parameters_are_needed():
    optimiser = low_rank_natural_gradient(lambda x: x, rank=2)
    with pytest.raises(nc.InputError, match=r"params: not given; call update\(gradients, state, params\)"):
        optimiser.update(jnp.ones(4), optimiser.init(jnp.ones(4)))


def test_a_missing_optax_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(nc.InputError, match=r"optax is not installed; pip install 'ntkcont\[optax\]'"):
        low_rank_natural_gradient(lambda x: x)
