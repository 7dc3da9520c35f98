"""Three ways to the spectrum of a trajectory kernel, and its derivative, against jax.jacrev of plain rollouts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from trajectory_reference import flat, states_and_jacobian

import ntkcont as nc
from ntkcont.ntk.trajectory import estimates, sweeps

N, TRIALS, STEPS = 7, 2, 6
WEIGHTS = ("dense", "masked", "signed", "low rank", "low rank and a diagonal", "sparse", "sparse and signed")


def random_network(rng, weights, *, is_map, form="synaptic", phi="tanh"):
    """A network with everything per unit, two input channels and one named input."""
    W = rng.standard_normal((N, N))
    options = {
        "b": rng.standard_normal(N), "W_in": rng.standard_normal((N, 2)), "inputs": {"stim": rng.standard_normal(2)},
        "phi_gain": rng.uniform(0.5, 1.5, N), "form": form, "phi": phi,
    }  # fmt: skip
    options |= {"alpha": rng.uniform(0.1, 0.9, N)} if is_map else {"tau": rng.uniform(0.5, 2.0, N)}
    if weights == "masked":
        options["mask"] = (rng.random((N, N)) < 0.6) * rng.uniform(0.5, 1.5, (N, N))
    if "signed" in weights:
        options["sign"] = rng.choice([-1.0, 1.0], N)
    if "sparse" in weights:
        W = sparse.csr_array(np.where(rng.random((N, N)) < 0.4, W, 0.0))
    if "low rank" in weights:
        own = rng.standard_normal(N) if "diagonal" in weights else None
        W = nc.LowRank(rng.standard_normal((N, 2)), rng.standard_normal((N, 2)) / N, diagonal=own)
    return nc.RateRNN(W, **options)


def leaf_names(net):
    return sorted(net.theta)


def descending(J):
    return np.linalg.svd(J, compute_uv=False) ** 2


cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**31),
        "weights": st.sampled_from(WEIGHTS),
        "integrator": st.sampled_from(["map", "euler", "rk4"]),
        "form": st.sampled_from(["synaptic", "rate"]),
        "row_weights": st.sampled_from(["none", "mean"]),
        "readout": st.booleans(),
        "params": st.booleans(),
        "every": st.sampled_from([1, 2, 3]),
    }
)


@settings(max_examples=18)
@given(case=cases)
def test_three_ways_agree_with_each_other_and_with_jacrev(case):
    rng = np.random.default_rng(case["seed"])
    is_map = case["integrator"] == "map"
    phi = rng.choice(["tanh", "softplus", "sigmoid"])
    net = random_network(rng, case["weights"], is_map=is_map, form=case["form"], phi=str(phi))
    names = leaf_names(net) + (["gain", "stim"] if case["params"] else [])
    initial, inputs = rng.standard_normal((TRIALS, N)), rng.standard_normal((TRIALS, STEPS, 2))
    mask = (rng.random((TRIALS, STEPS // case["every"])) < 0.7).astype(float)
    mask[0, 0] = 1.0
    C = rng.standard_normal((3, N)) if case["readout"] else None
    params = {"gain": 1.2, "stim": 0.7}
    scale = {"W_in": 2.0, "b": 0.5}
    common = {"T": STEPS} if is_map else {"T": STEPS * 0.1, "dt": 0.1, "integrator": case["integrator"]}
    states, J = states_and_jacobian(
        net, names, initial, STEPS, params=params, inputs=inputs, every=case["every"],
        **({} if is_map else {"dt": 0.1, "integrator": case["integrator"]}),
    )  # fmt: skip
    exact = flat(J, names, scale).reshape(*states.shape, -1)
    if C is not None:
        exact = np.einsum("qi,btip->btqp", C, exact)
    w = mask / mask.size if case["row_weights"] == "mean" else mask
    exact = (np.sqrt(w)[:, :, None, None] * exact).reshape(-1, exact.shape[-1])
    kernel = {
        "kernel": "trajectory", "theta": names, "theta_scale": scale, "initial_states": initial, "inputs": inputs,
        "weights": case["row_weights"], "loss_mask": mask, "readout": C, "record_every": case["every"], **common,
    }  # fmt: skip
    found = nc.ntk.StateNTK(**kernel).trajectories(net, params=params)
    np.testing.assert_allclose(found.states, states, rtol=1e-12, atol=1e-13)
    size = np.abs(exact).max()
    order = [list(found.packing.slices).index(name) for name in names]
    assert order == sorted(order)  # columns in the order of the pytree, then the parameters
    np.testing.assert_allclose(found.dense(), exact, atol=1e-12 * size)
    np.testing.assert_allclose(found.vjp(np.eye(found.rows)), exact.T, atol=1e-12 * size)
    np.testing.assert_allclose(found.jvp(np.eye(found.size)), exact, atol=1e-12 * size)
    gram = exact @ exact.T
    reduced = found.reduced()
    assert len(reduced) <= found.most_columns
    np.testing.assert_allclose(reduced.T @ reduced, gram, atol=1e-11 * np.abs(gram).max())

    expected = descending(exact)
    for method in ("state", "parameter", "operator"):
        sig = nc.ntk.StateNTK(**kernel, method=method).evaluate(net, params=params)
        assert sig.metadata["method"] == method
        k = min(8, sig.eigenvalues.shape[1])
        tol = 1e-8 if method == "operator" else 1e-10
        np.testing.assert_allclose(sig.eigenvalues[0, :k], expected[:k], atol=tol * expected[0], err_msg=method)
        assert sig.stable_rank[0] <= sig.participation_ratio[0] * (1 + 1e-12)
        assert sig.participation_ratio[0] <= sig.entropy_rank[0] * (1 + 1e-12)
        if method != "operator" or sig.trace_error[0] == 0:
            np.testing.assert_allclose(sig.trace, expected.sum(), rtol=1e-10)
            np.testing.assert_allclose(sig.participation_ratio, expected.sum() ** 2 / np.sum(expected**2), rtol=1e-9)


@pytest.mark.parametrize("weights", ["dense", "low rank"])
def test_steps_without_their_matrices(weights, monkeypatch):
    """Large networks multiply by W itself; small ones by the matrix of each step."""
    rng = np.random.default_rng(9)
    net = random_network(rng, weights, is_map=True)
    initial = rng.standard_normal((TRIALS, N))
    kernel = nc.ntk.StateNTK(kernel="trajectory", initial_states=initial, T=STEPS)
    monkeypatch.setattr(sweeps, "_FEW_ENTRIES", 0)
    found = kernel.trajectories(net)
    _, J = states_and_jacobian(net, leaf_names(net), initial, STEPS)
    exact = flat(J, leaf_names(net))
    np.testing.assert_allclose(found.jvp(np.eye(found.size)), exact, atol=1e-12 * np.abs(exact).max())
    np.testing.assert_allclose(found.vjp(np.eye(found.rows)).T, exact, atol=1e-12 * np.abs(exact).max())
    assert found.derivative.sweeps.matrices is None


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_operator_for_a_jax_model(kind):
    """A model of which nothing is known but its function: products by jvp and vjp, against the network's structure."""
    import jax.numpy as jnp

    n, steps = 12, 10
    rng = np.random.default_rng(4)
    W, b = rng.standard_normal((n, n)) / n**0.5, rng.standard_normal(n)
    initial = rng.standard_normal((3, n))
    net = nc.RateRNN(W, b=b, alpha=0.5 if kind == "map" else None)

    def f(x, p, theta):
        a = p["gain"] * theta["W"] @ jnp.tanh(x) + theta["b"]
        return 0.5 * x + 0.5 * a if kind == "map" else a - x

    model = nc.Model.from_jax(f, n, {"gain": 1.0}, theta={"W": W, "b": b}, kind=kind)
    options = {"T": steps} if kind == "map" else {"T": 1.0, "dt": 0.1}
    kernel = {
        "kernel": "trajectory",
        "theta": ["W", "b", "gain"],
        "initial_states": initial,
        "weights": "mean",
        **options,
    }
    expected = nc.ntk.StateNTK(**kernel, method="state").evaluate(net, np.zeros(n))
    assert expected.metadata["structured"]
    for method in ("state", "parameter", "operator"):
        sig = nc.ntk.StateNTK(**kernel, method=method).evaluate(model, np.zeros(n))
        assert not sig.metadata["structured"]
        np.testing.assert_allclose(sig.eigenvalues, expected.eigenvalues, atol=1e-10 * expected.top[0])
        np.testing.assert_allclose(sig.align_theta, expected.align_theta, rtol=1e-7)
        np.testing.assert_allclose(sig.align_state, expected.align_state, rtol=1e-7)


def test_compiled_model_without_a_jax_function():
    def rhs(out, x, p):
        out[0] = p[0] + x[0] ** 2

    by_numba = nc.Model.from_numba(rhs, ["x"], {"mu": 0.0})
    by_text = nc.Model.from_equations({"x": "mu + x**2"}, {"mu": 0.0})
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu"], theta_scale="none", state_scale="none", initial_states=[[-1.0], [0.3]],
        T=1.0, dt=0.1,
    )  # fmt: skip
    expected = kernel.evaluate(by_text, params={"mu": -0.2})
    np.testing.assert_allclose(kernel.evaluate(by_numba, params={"mu": -0.2}).top, expected.top, rtol=1e-8)


# ---------------------------------------------------------------- the iteration, and the sums


def spectrum_of(e, k=8, seed=0, rtol=0.01):
    n = len(e)
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    K = (q * e) @ q.T
    return estimates.spectrum(lambda x: x @ K, n, k, rtol), q


SPECTRA = {
    "flat": np.linspace(2.0, 1.0, 300),
    "one dominates": np.r_[1e6, np.linspace(1.0, 0.1, 299)],
    "decaying": 0.8 ** np.arange(300.0),
    "low rank": np.r_[5.0, 3.0, np.zeros(298)],
    "multiple": np.r_[np.full(6, 3.0), np.full(4, 2.0), np.linspace(1.0, 0.0, 290)],
    "all the same": np.ones(300),
    "nearly double": np.r_[1.0, 1.0 - 1e-7, np.linspace(0.5, 0.0, 298)],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_largest_eigenvalues_of_an_operator(name):
    e = SPECTRA[name]
    estimate, q = spectrum_of(e)
    found = estimate.found
    np.testing.assert_allclose(found.values, e[:8], atol=1e-8 * e[0])
    if e[0] > e[1] * 1.01:
        assert abs(abs(found.vectors[0] @ q[:, 0]) - 1) < 1e-8
    p = e[e > 0] / e.sum()
    exact = {
        "trace": e.sum() / e[0],
        "participation_ratio": e.sum() ** 2 / np.sum(e**2),
        "entropy_rank": np.exp(-np.sum(p * np.log(p))),
    }
    assert estimate.reached
    for quantity, value in exact.items():
        error = estimate.sums.errors[quantity]
        assert error <= 0.01 * value
        # the quadrature of e ln e has a small error of its own
        own = 2e-3 if quantity == "entropy_rank" else 1e-6
        assert abs(estimate.sums.values[quantity] - value) <= 4 * error + own * value, quantity


def test_standard_errors_are_what_they_say():
    """Over many kernels, the distance to the exact value in standard errors is of order one, without bias."""
    rng = np.random.default_rng(7)
    z = {"trace": [], "participation_ratio": [], "entropy_rank": []}
    for _ in range(12):
        net = nc.RateRNN(rng.standard_normal((10, 10)) / 10**0.5, alpha=0.3)
        kernel = {"kernel": "trajectory", "theta": "W", "initial_states": rng.standard_normal((4, 10)), "T": 20}
        exact = nc.ntk.StateNTK(**kernel, method="state").evaluate(net)
        found = nc.ntk.StateNTK(**kernel, method="operator", rtol=0.3).evaluate(net)
        assert exact.trace_error[0] == 0
        for name, values in z.items():
            error = found[f"{name}_error"][0]
            assert 0 < error < 0.1 * exact[name][0]
            values.append((found[name][0] - exact[name][0]) / error)
    for name, values in z.items():
        assert np.sqrt(np.mean(np.square(values))) < 2.0, name


def test_zero_kernel():
    net = nc.RateRNN(np.eye(9) * 0.3)
    for method in ("state", "parameter", "operator"):
        kernel = nc.ntk.StateNTK(
            kernel="trajectory", theta="W", initial_states=np.zeros((1, 9)), T=1.0, dt=0.1, method=method
        )
        sig = kernel.evaluate(net, np.zeros(9))
        assert sig.top[0] == 0
        assert sig.trace[0] == 0
        assert np.isnan(sig.participation_ratio[0])
        assert np.isnan(sig.lr_crit[0])
        assert np.isnan(sig.align_state[0])


# ---------------------------------------------------------------- the choice


def test_the_choice_is_stated():
    rng = np.random.default_rng(0)
    small = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=rng.standard_normal((2, 5)), T=10)
    net = nc.RateRNN(rng.standard_normal((5, 5)), alpha=0.1)
    sig = small.evaluate(net)
    assert sig.metadata["method"] == "state"
    assert sig.metadata["method_reason"].startswith("100 rows (trials x times x components), 25 parameters")
    model = nc.Model.from_equations({"x": "mu - x"}, {"mu": 0.0})
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu"], theta_scale="none", state_scale="none", initial_states=[[1.0]], T=10, dt=0.1
    )
    assert kernel.evaluate(model).metadata["method"] == "parameter"
    large = nc.RateRNN(rng.standard_normal((40, 40)) / 40**0.5, alpha=0.1)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=rng.standard_normal((2, 40)), T=30)
    assert kernel.evaluate(large).metadata["method"] == "operator"


def test_what_does_not_fit_is_said_before_starting(monkeypatch):
    from ntkcont.ntk.trajectory import spectra

    rng = np.random.default_rng(0)
    net = nc.RateRNN(rng.standard_normal((64, 64)) / 8, alpha=0.1)
    initial = rng.standard_normal((4, 64))
    monkeypatch.setattr(spectra, "available_bytes", lambda: 10**9)
    for method in ("state", "parameter"):
        kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=initial, T=200, method=method)
        expected = rf"method: '{method}' needs [\d.]+ GB for 51200 rows .* and 4096 parameters|{method}.*'operator' \("
        with pytest.raises(nc.InputError, match=expected):
            kernel.evaluate(net)
    monkeypatch.setattr(spectra, "available_bytes", lambda: 10**5)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=initial, T=200)
    with pytest.raises(nc.InputError, match="record fewer times or take fewer trials"):
        kernel.evaluate(net)


def test_products_use_one_blas_thread(monkeypatch):
    """Small products, step after step: several threads wait for each other, some nine times longer at n = 256."""
    import threadpoolctl

    net = nc.RateRNN(0.3 * np.eye(4), alpha=0.5)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=np.ones((1, 4)), T=3, method="operator")
    seen = []

    def counted(self, x):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")
        return plain(self, x)

    plain = sweeps.Sweeps._times_W
    monkeypatch.setattr(sweeps, "_FEW_ENTRIES", 0)
    monkeypatch.setattr(sweeps.Sweeps, "_times_W", counted)
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        found = kernel.trajectories(net)
        for run in (lambda: found.jvp(np.ones(16)), lambda: found.apply(np.ones(12)), lambda: kernel.evaluate(net)):
            seen.clear()
            run()
            assert set(seen) == {1}


def test_metadata_name_what_is_estimated():
    net = random_network(np.random.default_rng(0), "dense", is_map=True)
    kernel = {"kernel": "trajectory", "theta": "all", "initial_states": np.eye(N)[:2], "T": 12, "k": 3}
    exact = nc.ntk.StateNTK(**kernel, method="state").evaluate(net)
    assert exact.metadata["estimated"] == ()
    assert exact.trace_error[0] == 0.0
    found = nc.ntk.StateNTK(**kernel, method="operator", rtol=0.3).evaluate(net)
    assert {"trace", "participation_ratio", "entropy_rank"} <= set(found.metadata["estimated"])
    assert 0.0 < abs(found.trace[0] - exact.trace[0]) < 5.0 * found.trace_error[0]
    assert "top" not in found.metadata["estimated"]
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, rtol=1e-8)
