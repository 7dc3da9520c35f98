"""Sparse and low-rank weights: their steps through sparse factors, beside full ones and closed forms."""

import signal
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from invariants import check_branch

import ntkcont as nc
from ntkcont.models.structure import matrix, structure_of
from ntkcont.pathfollowing import structured
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.structured import Outside, parity, sparse_pays

ADAPTIVE = nc.ContinuationSettings(eigenvalues="adaptive")


@pytest.fixture
def always(monkeypatch):
    """Take sparse factors for small networks too."""
    monkeypatch.setattr(structured, "CALL", 0.0)
    monkeypatch.setattr(structured, "DEARER", 0.0)


def random_sparse(n, seed, each=6):
    rng = np.random.default_rng(seed)
    W = np.zeros((n, n))
    for i in range(n):
        W[i, rng.choice(n, each, replace=False)] = rng.standard_normal(each) / np.sqrt(each)
    return W


def ring(n, left=0.3, right=0.5):
    """Circulant weights, whose eigenvalues are ``left e^{-i t} + right e^{i t}``, t = 2 pi k / n."""
    W = sp.lil_array((n, n))
    for i in range(n):
        W[i, (i + 1) % n] = right
        W[i, (i - 1) % n] = left
    return W.tocsr()


def low_rank(n, seed, rank=3):
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((n, rank))
    return nc.LowRank(U, (1.3 * U + rng.standard_normal((n, rank))) / n, diagonal=0.4 * rng.random(n))


def weights(kind, n, seed=1):
    if kind == "sparse":
        W = random_sparse(n, seed)
        return sp.csr_array(W), W
    W = low_rank(n, seed)
    return W, W.dense()


OPTIONS: dict[str, dict[str, Any]] = {
    "flow": {},
    "rate form": {"form": "rate"},
    "map": {"alpha": 0.4},
    "own constants": {"tau": np.linspace(0.5, 2.0, 80), "phi_gain": np.linspace(0.8, 1.2, 80), "phi": "softplus"},
}


@pytest.mark.parametrize("kind", ["sparse", "low rank"])
@pytest.mark.parametrize("options", OPTIONS)
def test_extended_matrix_is_the_bordered_one(kind, options):
    n, rng = 80, np.random.default_rng(2)
    W, dense = weights(kind, n)
    inputs = {"W_in": rng.standard_normal((n, 2)), "inputs": {"stim": [1.0, 0.5]}, "b": rng.standard_normal(n)}
    curve = Curve(nc.RateRNN(W, **inputs, **OPTIONS[options]), "stim", {"gain": 1.2})
    structure = structure_of(curve.model)
    assert structure is not None
    outside = Outside(curve, structure)
    full = Curve(nc.RateRNN(dense, **inputs, **OPTIONS[options]), "stim", {"gain": 1.2})
    for _ in range(4):
        z, tau, d = rng.standard_normal(n + 1), rng.standard_normal(n + 1), np.exp(rng.standard_normal(n + 1))
        _, a, fq = full.system(z)
        bordered = np.vstack([np.hstack([a, fq[:, None]]) * d, tau])
        p = curve.p0 + z[-1] * curve.direction
        extended = matrix(outside.structure, outside.structure.numbers(z[:n], p, fq, d, tau)).toarray()
        m = n + 1
        core, across, down, corner = extended[:m, :m], extended[:m, m:], extended[m:, :m], extended[m:, m:]
        schur = core - across @ np.linalg.solve(corner, down) if corner.size else core
        np.testing.assert_allclose(schur, bordered, rtol=1e-12, atol=1e-12)
        sign, b = np.zeros(1), rng.standard_normal(n + 1)
        outside._factor(*(a.ctypes.data for a in (z, fq, d, tau, sign)))
        assert sign[0] == np.linalg.slogdet(bordered)[0]
        x = b.copy()
        outside._solve(x.ctypes.data)
        np.testing.assert_allclose(x, np.linalg.solve(bordered, b), rtol=1e-8, atol=1e-10)
        assert outside.error is None


def test_parity_of_permutations():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 30):
        for _ in range(5):
            order = rng.permutation(n)
            assert parity(order) == np.sign(np.linalg.det(np.eye(n)[order]))


@pytest.mark.parametrize("kind", ["sparse", "low rank"])
@pytest.mark.parametrize("options", ["flow", "map"])
def test_branches_are_those_of_full_factors(kind, options, always):
    n = 80
    W, dense = weights(kind, n)
    b = 0.1 * np.random.default_rng(4).standard_normal(n) * (kind == "sparse")  # a rest that a bias would stabilise
    branches = []
    for given in (W, dense):
        net = nc.RateRNN(given, b=b, **OPTIONS[options])
        branch = nc.continuation(
            net, np.zeros(n), free="gain", p_span=(0.2, 1.9), params={"gain": 0.2}, direction="+", settings=ADAPTIVE
        )
        check_branch(branch, net)
        branches.append(branch)
    ours, full = branches
    assert [branch.provenance["factorisation"] for branch in branches] == ["sparse", "dense"]
    assert ours.special_points.labels == full.special_points.labels
    assert len(set(ours.special_points.labels)) > 1
    for one, other in zip(ours.special_points, full.special_points, strict=True):
        assert one.p == pytest.approx(other.p, abs=1e-10)
        np.testing.assert_allclose(one.x, other.x, atol=1e-8)
    assert ours.n_unstable[-1] == full.n_unstable[-1]
    assert ours.n_unstable.max() == full.n_unstable.max() > 0


def test_ring_loses_stability_where_its_eigenvalues_say(always):
    n = 90
    net = nc.RateRNN(ring(n, 0.5, 0.5))  # eigenvalues cos(2 pi k / n): 1, then pairs
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.5, 1.02), params={"gain": 0.5}, direction="+", settings=ADAPTIVE
    )
    check_branch(branch, net)
    assert branch.provenance["factorisation"] == "sparse"
    expected = [1.0 / np.cos(2 * np.pi * k / n) for k in range(3)]
    found = [q for q in branch.special_points if q.label == "BP"]
    np.testing.assert_allclose([q.p for q in found], expected, atol=1e-10)
    assert [q.multiplicity for q in found] == [1, 2, 2]
    assert branch.n_unstable[-1] == 5


def test_rank_one_and_a_diagonal_meet_the_secular_equation(always):
    """``det(g (u v^T + D) - I) = 0`` where ``1 + g sum u_i v_i / (g D_i - 1) = 0`` (Golub 1973, equation 3.1)."""
    from scipy.optimize import brentq

    n, rng = 100, np.random.default_rng(7)
    D, u = 0.5 * rng.random(n), rng.random(n) / np.sqrt(n)
    net = nc.RateRNN(nc.LowRank(u[:, None], u[:, None], diagonal=D))
    expected = brentq(lambda g: 1.0 + g * np.sum(u * u / (g * D - 1.0)), 0.5, 1.0 / D.max() - 1e-9, xtol=1e-14)
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.5, 1.9), params={"gain": 0.5}, direction="+", settings=ADAPTIVE
    )
    check_branch(branch, net)
    assert branch.provenance["factorisation"] == "sparse"
    assert branch.special_points["BP1"].p == pytest.approx(expected, abs=1e-11)


def test_sparse_factors_are_chosen_where_they_pay():
    def chosen(W):
        return sparse_pays(Curve(nc.RateRNN(W), "gain", {})) is not None

    assert chosen(ring(600))
    assert not chosen(ring(100))
    assert chosen(low_rank(600, 0))
    assert not chosen(sp.csr_array(random_sparse(500, 0, each=250)))  # as good as full
    assert not chosen(np.eye(600))


def test_a_diagonal_is_part_of_the_weights():
    rng = np.random.default_rng(3)
    n = 7
    U, V, D = rng.standard_normal((n, 2)), rng.standard_normal((n, 2)), rng.standard_normal(n)
    cases: list[dict[str, Any]] = [{}, {"form": "rate"}, {"alpha": 0.3}]
    for options in cases:
        low = nc.RateRNN(nc.LowRank(U, V, diagonal=D), b=rng.standard_normal(n), **options)
        full = nc.RateRNN(U @ V.T + np.diag(D), b=low.b, **options)
        x = rng.standard_normal(n)
        np.testing.assert_allclose(low.rhs(x, {"gain": 1.3}), full.rhs(x, {"gain": 1.3}), rtol=1e-13)
        np.testing.assert_allclose(low.jac(x, {"gain": 1.3}), full.jac(x, {"gain": 1.3}), rtol=1e-13)
        # the kernel of the diagonal weights is that of the diagonal of W
        ours = nc.ntk.StateNTK(theta=["D", "b"]).evaluate(low, x, {"gain": 1.3})
        W_and_b = np.diag(np.tanh(x) if options.get("form") != "rate" else x) * 1.3
        A = full.jac(x, {"gain": 1.3}) - (np.eye(n) if "alpha" in options else 0.0)
        slope = 1.0 if options.get("form") != "rate" else 1.0 - np.tanh(1.3 * full.W @ x + full.b) ** 2
        leak = options.get("alpha", 1.0)
        F = leak * np.hstack([np.diag(slope * np.diag(W_and_b)), np.diag(slope * np.ones(n))])
        e = np.linalg.svd(np.linalg.solve(A, F), compute_uv=False) ** 2
        np.testing.assert_allclose(ours.eigenvalues[0], e, rtol=1e-9, atol=1e-14 * e[0])
    low = nc.RateRNN(nc.LowRank(U, V, diagonal=D))
    assert set(low.theta) == {"U", "V", "D", "b"}
    with pytest.raises(nc.InputError, match="reduced: W has a diagonal"):
        low.reduced()
    with pytest.raises(nc.InputError, match=r"diagonal has shape \(3,\)"):
        nc.LowRank(U, V, diagonal=np.ones(3))


def test_ctrl_c_in_a_callback_keeps_the_branch(always, ctrl_c, monkeypatch):
    n, calls = 80, []
    net = nc.RateRNN(weights("sparse", n)[0], b=0.1 * np.ones(n))
    original = structured.factors

    def slow(extended):
        calls.append(1)
        if len(calls) == 40:
            signal.raise_signal(signal.SIGINT)
        return original(extended)

    monkeypatch.setattr(structured, "factors", slow)
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.2, 1.9), params={"gain": 0.2}, direction="+", settings=ADAPTIVE
    )
    assert branch.status is nc.Status.INTERRUPTED
    assert 1 < len(branch) <= 40
    check_branch(branch, net)


def test_a_checkpoint_goes_on_in_the_same_way(always, tmp_path):
    n = 80
    net = nc.RateRNN(weights("low rank", n)[0], b=0.1 * np.ones(n))
    run = {"free": "gain", "p_span": (0.2, 1.2), "params": {"gain": 0.2}, "direction": "+", "settings": ADAPTIVE}
    plain = nc.continuation(net, np.zeros(n), **run)
    path = tmp_path / "run.checkpoint"
    nc.continuation(net, np.zeros(n), **run, checkpoint=path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = nc.continuation(net, np.zeros(n), **run, checkpoint=path)
    assert again.provenance["factorisation"] == "sparse"
    np.testing.assert_array_equal(again.p, plain.p)
    np.testing.assert_array_equal(again.n_unstable, plain.n_unstable)
    assert [q.p for q in again.special_points] == [q.p for q in plain.special_points]


@pytest.mark.parametrize("dense", [False, True])
def test_the_end_at_a_stop_has_its_eigenvalues(dense, always):
    n = 80
    given, full = weights("low rank", n)
    net = nc.RateRNN(full if dense else given)
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.2, 1.9), params={"gain": 0.2}, direction="+", settings=ADAPTIVE,
        stop=("BP", 1),
    )  # fmt: skip
    check_branch(branch, net)
    end = branch.special_points[-1]
    expected = np.linalg.eigvals(net.jac(end.x, {"gain": end.p}))
    np.testing.assert_allclose(np.sort(end.eigenvalues.real), np.sort(expected.real), atol=1e-9)
