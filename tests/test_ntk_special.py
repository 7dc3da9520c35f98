"""Signatures at the special points themselves: limits and regular factors, never an inverse of a singular matrix."""

from __future__ import annotations

import numpy as np
import pytest
from ntk_networks import N, complex_outlier, outlier_network

import ntkcont as nc


def at(model, label, x, p=1.0, omega=None, theta="b", free="gain", **settings):
    with np.errstate(all="raise"):
        return nc.ntk.StateNTK(theta=theta, **settings).bind(model, free=free, params={}).at_special(
            label=label, x=np.asarray(x), p=p, tangent=np.append(np.zeros(len(x)), 1.0), omega=omega
        )  # fmt: skip


def split_identity(L, F, found):
    """X F - v (w F)/g must be L^{-1} F: checked on a matrix moved off its singularity."""
    X, g = found["XF"], found["g"]
    return X - np.outer(found["v"], found["wF"]) / g - np.linalg.solve(L, F)


def test_bordered_split_is_exact_off_the_singularity():
    from ntkcont.ntk.special import bordered_factors

    rng = np.random.default_rng(0)
    L, F = rng.standard_normal((7, 7)), rng.standard_normal((7, 4))
    u, s, v = np.linalg.svd(L)
    L -= (s[-1] - 1e-3) * np.outer(u[:, -1], v[-1])
    found = bordered_factors(L, F)
    found = {"XF": found["XF"], "wF": found["wF"][0], "g": found["g"][0, 0], "v": found["v"][:, 0]}
    assert abs(found["g"]) == pytest.approx(1e-3, rel=1e-9)
    assert np.abs(split_identity(L, F, found)).max() < 1e-9


def test_bordered_split_of_a_rotating_pair():
    """The null vector v = (1, -i)/sqrt 2 has v^T v = 0: a border that is not conjugated would leave M singular."""
    from ntkcont.ntk.special import bordered_factors

    L = np.array([[0.0, -1.0], [1.0, 0.0]]) - 1j * np.eye(2)
    found = bordered_factors(L, np.eye(2))
    w_star = np.array([1.0, 1j]) / np.sqrt(2)  # w* L = 0
    assert abs(found["g"][0, 0]) < 1e-15
    assert np.linalg.norm(found["wF"]) == pytest.approx(1.0, rel=1e-12)
    assert abs(np.vdot(w_star, found["wF"][0])) == pytest.approx(1.0, rel=1e-12)
    assert np.linalg.norm(found["XF"], 2) == pytest.approx(0.5, rel=1e-12)  # the other singular value of L is 2


def test_fold_of_a_scalar_model():
    model = nc.Model.from_equations({"x": "mu + q*x**2 + h"}, params={"mu": 0.0, "q": 1.0, "h": 0.0})
    unscaled = {"theta_scale": "none", "state_scale": "none"}
    found = at(model, "LP", [0.0], p=0.0, theta=["h", "q"], free="mu", **unscaled)
    assert found["singular"]
    assert found["top"] == found["trace"] == np.inf
    assert found["lr_crit"] == 0.0
    assert abs(found["wF"][1]) == pytest.approx(1.0)  # the columns are q, h
    assert found["g"] == pytest.approx(0.0, abs=1e-15)
    assert found["top_arc"] == pytest.approx(0.0, abs=1e-30)
    for name in ("align_theta", "kappa", "kappa_0", "ratio", "participation_ratio"):
        assert found[name] == 1.0, name
    assert found["lambda_0"] == 0.0


def test_branch_point_of_a_network():
    W, v, w = outlier_network(0.0)
    found = at(nc.RateRNN(W), "BP", np.zeros(N))
    assert found["kappa"] == pytest.approx(1 / (w @ v), rel=1e-6)
    assert abs(found["g"]) < 1e-14
    assert abs(found["lambda_0"]) < 1e-12
    assert found["top"] == np.inf
    # the second eigenvalue and onwards are regular: those of the kernel just off the point tend to them
    near = nc.ntk.StateNTK(theta="b").evaluate(nc.RateRNN(outlier_network(-1e-6)[0]), np.zeros(N), {})
    np.testing.assert_allclose(found["eigenvalues"][1:], near.eigenvalues[0, 1:], rtol=1e-3)
    assert np.abs(found["XF"]).max() < 100.0
    np.testing.assert_allclose(np.abs(found["wF"]), np.abs(w), atol=1e-9)
    np.testing.assert_allclose(np.abs(found["v"]), np.abs(v), atol=1e-9)


def test_branch_point_where_theta_does_not_drive():
    W, _, _ = outlier_network(0.0)
    found = at(nc.RateRNN(W), "BP", np.zeros(N), theta="W")
    assert found["top"] == 0.0  # theta = W at rest: no kernel, not even here
    assert np.isnan(found["participation_ratio"])
    assert np.isnan(found["align_theta"])
    assert np.isfinite(found["kappa"])


def test_hopf_point():
    W, kappa = complex_outlier(1 + 0.7j)
    found = at(nc.RateRNN(W), "H", np.zeros(N), omega=0.7)
    assert found["top_resolvent"] == np.inf
    assert 0 < found["top"] < 50
    assert found["participation_ratio"] > 10
    assert found["kappa"] == pytest.approx(kappa, rel=1e-6)
    assert found["omega_c"] == pytest.approx(0.7)
    assert abs(found["g"]) < 1e-12
    assert np.iscomplexobj(found["XF"])
    assert np.abs(found["XF"]).max() < 100
    assert not found["singular"]


def test_period_doubling_and_neimark_sacker():
    W, _, _ = outlier_network(0.0)
    flip = at(nc.RateRNN(-W, alpha=1.0), "PD", np.zeros(N))
    assert flip["top_resolvent"] == np.inf
    assert abs(flip["g"]) < 1e-13
    assert np.isrealobj(flip["XF"])
    alpha, rho = 0.3, np.exp(0.4j)
    W, _ = complex_outlier(1 + (rho - 1) / alpha)
    torus = at(nc.RateRNN(W, alpha=alpha), "NS", np.zeros(N), omega=0.4)
    assert torus["top_resolvent"] == np.inf
    assert abs(torus["g"]) < 1e-12
    assert 0 < torus["top"] < 200


def test_symmetric_network_with_several_critical_vectors():
    model = nc.RateRNN(np.array([[0.0, -1.0, -1.0], [-1.0, 0.0, -1.0], [-1.0, -1.0, 0.0]]))  # eigenvalue 1, twice
    found = at(model, "BP", np.zeros(3))
    assert found["wF"].shape == (2, 3)
    assert found["g"].shape == (2, 2)
    assert np.all(found["eigenvalues"][:2] == np.inf)
    assert found["eigenvalues"][2] == pytest.approx(1 / 9)
    assert np.isnan(found["participation_ratio"])  # its limit depends on the direction of approach


def test_points_that_are_not_singular_are_as_on_the_branch():
    net = nc.RateRNN([[0.5, 0.1], [0.0, 0.3]])
    found = at(net, "EP", np.zeros(2))
    plain = nc.ntk.StateNTK(theta="b").bind(net, free="gain").evaluate(np.zeros((1, 2)), np.ones(1))
    for name in ("top", "trace", "participation_ratio", "kappa"):
        assert found[name] == pytest.approx(plain[name][0])


def test_a_hopf_point_needs_its_frequency():
    with pytest.raises(nc.InputError, match="omega: a point of type H needs its critical frequency"):
        at(nc.RateRNN([[0.5]]), "H", np.zeros(1))


def test_exactly_singular_points_are_flagged_without_warnings():
    model = nc.RateRNN(np.diag([1.0, 0.5]))
    with np.errstate(all="raise"):
        sig = nc.ntk.StateNTK(theta="b").evaluate(model, np.zeros(2), {}, free="gain")
    assert sig.singular[0]
    assert sig.top[0] == np.inf
    assert np.isnan(sig.eigenvalues[0, 1])
    assert np.isnan(sig.participation_ratio[0])
    assert sig.g[0] == 0.0
    assert sig.lambda_0[0] == 0.0
    assert sig.kappa[0] == pytest.approx(1.0)
