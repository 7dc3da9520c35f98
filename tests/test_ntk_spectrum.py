"""Signatures against plain numpy on dense matrices, on both backends, and inequalities that hold for every kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import linalg

import ntkcont as nc
from ntkcont.jax_tools import device, x64
from ntkcont.ntk import chunks
from ntkcont.ntk.signatures import spectral_signatures
from ntkcont.ntk.sources import Linear, Source


def plain(A, F, fp, tangent, is_map):
    """Every signature of one point by dense linear algebra, the way a textbook writes it."""
    n = len(A)
    J = A - np.eye(n) if is_map else A
    S = -np.linalg.inv(J) @ F
    K = S @ S.T
    e, u = np.linalg.eigh(K)
    e, u = e[::-1], u[:, -1]
    values, left, right = linalg.eig(A, left=True)
    i0 = np.argmin(np.abs(values - 1) if is_map else np.abs(values))
    ic = np.argmin(np.abs(np.abs(values) - 1) if is_map else np.abs(values.real))

    def upper(i):
        flip = values[i].imag < 0
        return tuple(a.conj() if flip else a for a in (values[i], right[:, i], left[:, i]))

    (l0, v0, w0), (lc, vc, wc) = upper(i0), upper(ic)
    s = lc / abs(lc) if is_map else 1j * lc.imag
    R = np.linalg.inv(s * np.eye(n) - A) @ F

    def condition_number(v, w):
        return np.linalg.norm(v) * np.linalg.norm(w) / abs(w.conj() @ v)

    def predicted(v, w, distance):
        w = w / (w.conj() @ v).conj()
        return (np.linalg.norm(v) * np.linalg.norm(F.T @ w.conj()) / distance) ** 2

    M = np.block([[J, fp[:, None]], [tangent]])
    arc = np.linalg.inv(M)[:-1, :-1] @ F
    p = e / e.sum()
    plane = linalg.orth(np.stack([v0.real, v0.imag], axis=1) if l0.imag else v0.real[:, None])
    drives = linalg.orth(F.T @ (np.stack([w0.real, w0.imag], axis=1) if l0.imag else w0.real[:, None]))
    d = S.T @ u
    top_resolvent = np.linalg.svd(R)[1][0] ** 2
    return {
        "eigenvalues": e[:8], "top": e[0], "trace": np.trace(K), "participation_ratio": e.sum() ** 2 / (e**2).sum(),
        "entropy_rank": np.exp(-(p * np.log(p)).sum()), "stable_rank": e.sum() / e[0], "top_fraction": e[0] / e.sum(),
        "gap": e[0] / e[1], "condition": e[0] / e[-1], "lambda_0": l0, "lambda_c": lc,
        "omega_c": np.angle(lc) if is_map else lc.imag, "kappa": condition_number(vc, wc),
        "kappa_0": condition_number(v0, w0), "ratio": e[0] / predicted(v0, w0, abs(l0 - is_map)),
        "ratio_resolvent": top_resolvent / predicted(vc, wc, abs(lc - s)), "top_arc": np.linalg.svd(arc)[1][0] ** 2,
        "top_resolvent": top_resolvent, "lr_crit": 2 / e[0], "singular": False,
        "align_state": np.linalg.norm(plane.T @ u), "align_theta": np.linalg.norm(drives.T @ d) / np.linalg.norm(d),
    }  # fmt: skip


def case(n, kind, shape, seed):
    """A (K, 1, n, n), F, fp, tangent with K = 3 points; `shape` decides which eigenvalues are critical."""
    rng = np.random.default_rng(seed)
    A = 0.8 * rng.standard_normal((3, n, n)) / np.sqrt(n) - (0 if kind == "map" else 1) * np.eye(n)
    u = rng.standard_normal((3, n)) / np.sqrt(n)
    if shape == "real":
        A = (
            0.4 * (A + np.eye(n))
            - np.eye(n)
            + 0.95 * np.einsum("ki,kj->kij", u, u) / np.sum(u**2, axis=1)[:, None, None]
        )
    if shape == "flip":
        A = 0.5 * A - 1.05 * np.einsum("ki,kj->kij", u, u) / np.sum(u**2, axis=1)[:, None, None]
    F = np.stack([np.diag(f) for f in rng.uniform(0.5, 2.0, (3, n))]) if n > 30 else rng.standard_normal((3, n, n))
    return A[:, None], F[:, None], rng.standard_normal((3, 1, n)), rng.standard_normal((3, 1, n + 1))


@pytest.mark.parametrize("on_host", [True, False])
@pytest.mark.parametrize(
    ("n", "kind", "shape"),
    [
        (2, "flow", "any"), (5, "map", "any"), (7, "flow", "real"), (7, "map", "flip"), (40, "flow", "any"),
        (40, "flow", "real"), (40, "map", "flip"), (40, "map", "any"), (130, "flow", "any"), (130, "flow", "real"),
    ],
)  # fmt: skip
def test_every_signature_on_both_backends(n, kind, shape, on_host, monkeypatch):
    if n == 130 and not on_host:
        pytest.skip("the device follows the same path at every size")
    is_map = kind == "map"
    A, F, fp, t = case(n, kind, shape, seed=n)

    def source(x, values, direction, arguments):
        index = values[0, 0].astype(int)
        return Linear(*(a[index] for a in arguments))

    if not on_host:  # batched LAPACK calls side by side can block each other in JAX's pool on few cores
        monkeypatch.setattr(chunks, "chunk_size", lambda *_: 1)
    found = chunks.evaluate_points(
        Source(source, (A, F, fp), n), x=np.zeros((3, 1, n)), values=np.arange(3.0)[:, None, None],
        direction=np.ones(1), tangent=t[:, 0], eigenvalues=None,
        state_scale=np.ones(n), param_scale=1.0, readout=None, kernel="equilibrium",
        k=8, is_map=is_map, device=device("cpu"), on_host=on_host,
    )  # fmt: skip
    for i in range(3):
        expected = plain(A[i, 0], F[i, 0], fp[i, 0], t[i], is_map)
        assert set(found) == set(expected) | {"g"}
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][i], value, rtol=1e-8, atol=1e-12, err_msg=name)
    if shape == "real":
        assert np.all(found["lambda_0"].imag == 0)
    if shape == "flip":
        assert np.all(found["omega_c"] == np.pi)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000), st.floats(-6, 6))
def test_effective_ranks_are_ordered(rows, rank, seed, spread):
    rng = np.random.default_rng(seed)
    G = rng.standard_normal((rows, rank)) * 10.0 ** (spread * rng.random(rank))
    e = np.zeros((1, rows))
    s = np.linalg.svd(G, compute_uv=False) ** 2
    e[0, : len(s)] = s
    found = {name: value[0] for name, value in spectral_signatures(e, 3).items()}
    slack = 1 + 1e-9
    assert slack * found["stable_rank"] >= 1
    assert found["stable_rank"] <= slack * found["participation_ratio"]
    assert found["participation_ratio"] <= slack * found["entropy_rank"]
    assert found["entropy_rank"] <= slack * min(rows, rank)
    assert found["eigenvalues"].shape == (min(3, rows),)


@given(st.sampled_from([2, 5, 18]), st.integers(0, 1000), st.sampled_from(["synaptic", "rate"]), st.booleans())
@example(5, 998, "rate", False)  # the shift of the inverse iteration is an eigenvalue to the last bit
def test_kernels_of_random_networks_are_positive_and_consistent(n, seed, form, is_map):
    rng = np.random.default_rng(seed)
    net = nc.RateRNN(rng.standard_normal((n, n)), b=rng.standard_normal(n), form=form, alpha=0.5 if is_map else None)
    sig = nc.ntk.StateNTK(k=n).evaluate(net, rng.standard_normal((2, n)), {}, free="gain")
    e = sig.eigenvalues
    assert np.all(e >= 0)
    assert np.all(np.diff(e, axis=1) <= 0)
    np.testing.assert_allclose(e.sum(axis=1), sig.trace, rtol=1e-12)
    assert np.all((sig.kappa >= 1 - 1e-12) & (sig.kappa_0 >= 1 - 1e-12))
    for name in ("align_state", "align_theta", "top_fraction"):
        assert np.all((sig[name] >= 0) & (sig[name] <= 1)), name


def test_points_do_not_depend_on_their_chunk():
    rng = np.random.default_rng(1)
    net = nc.RateRNN(0.8 * rng.standard_normal((3, 3)), b=rng.standard_normal(3))
    x = rng.standard_normal((300, 3))
    together = nc.ntk.StateNTK().evaluate(net, x, {}, free="gain")
    for i in (0, 255, 256, 299):
        alone = nc.ntk.StateNTK().evaluate(net, x[i], {}, free="gain")
        for name in together.names:
            np.testing.assert_allclose(alone[name][0], together[name][i], rtol=1e-12, err_msg=name)


def test_no_compilation_from_point_to_point_or_network_to_network():
    import jax

    rng = np.random.default_rng(1)
    kernel = nc.ntk.StateNTK()

    def run(seed):
        weights = np.random.default_rng(seed).standard_normal((6, 6))
        bound = kernel.bind(nc.RateRNN(weights), free="gain", params={})
        bound.evaluate(x=rng.standard_normal((3, 6)), p=np.ones(3))

    run(0)
    with jax.log_compiles(False):
        before = chunks._linearise.cache_info().misses
        sizes = [f._cache_size() for f in _jitted()]
        run(1)
        run(2)
        assert chunks._linearise.cache_info().misses == before
        assert [f._cache_size() for f in _jitted()] == sizes


def _jitted():
    from ntkcont.ntk import network

    bound = nc.ntk.StateNTK().bind(nc.RateRNN(np.eye(6)), free="gain", params={})
    assert network._network.cache_info().currsize
    return [chunks._linearise(bound.source.linearise, bound.source.gram)]


def test_a_point_that_is_not_finite_gives_nan_and_leaves_the_others_alone():
    net = nc.RateRNN([[0.5, 0.1], [0.0, 0.3]])
    sig = nc.ntk.StateNTK(theta="b").bind(net, free="gain", params={})
    out = sig.evaluate(x=np.array([[0.0, 0.0], [np.nan, 0.0]]), p=np.ones(2))
    assert np.isfinite(out["top"][0])
    assert np.isnan(out["top"][1])
    assert np.isnan(out["kappa"][1])


def test_given_eigenvalues_are_used_and_missing_rows_computed():
    rng = np.random.default_rng(2)
    net = nc.RateRNN(rng.standard_normal((4, 4)))
    x = rng.standard_normal((2, 4))
    bound = nc.ntk.StateNTK().bind(net, free="gain", params={})
    e = np.array([np.linalg.eigvals(net.jac(z)) for z in x])
    known, missing = e.copy(), e.copy()
    missing[1] = np.nan
    a, b = (bound.evaluate(x, np.ones(2), None, given) for given in (known, missing))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9)


def test_float32_outside_stays_untouched():
    import jax.numpy as jnp

    nc.ntk.StateNTK(theta="b").evaluate(nc.RateRNN([[0.5]]), [0.0], {})
    assert jnp.zeros(1).dtype == np.float32
    with x64():
        assert jnp.zeros(1).dtype == np.float64
