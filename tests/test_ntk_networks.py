"""Designed bifurcations of rate networks: scaling exponents and constants of the kernel."""

from __future__ import annotations

import numpy as np
import pytest
from ntk_networks import N, complex_outlier, newton, outlier_network, slope

import ntkcont as nc

BIAS = nc.ntk.StateNTK(theta="b")


def test_the_construction_is_the_documented_one():
    _, v, w = outlier_network(0.0)
    np.testing.assert_allclose(1 / (w @ v) ** 2, 5.580322, rtol=1e-6)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, (0.78036, 0.97541, 0.99751, 0.99975)),
        (1, (0.66265, 0.96202, 0.99616)),
        (2, (0.81647, 0.97979, 0.99796)),
        (7, (0.76096, 0.97279, 0.99724)),
    ],
)
def test_trivial_branch_of_a_pitchfork(seed, expected):
    mus = -np.logspace(-1, -len(expected), len(expected))
    rows = []
    for mu in mus:
        W, v, w = outlier_network(mu, seed)
        sig = BIAS.evaluate(nc.RateRNN(W), np.zeros(N), {})
        rows.append([sig.top[0] * mu**2 * (w @ v) ** 2, sig.participation_ratio[0], sig.top[0], sig.lambda_c[0].real])
        np.testing.assert_allclose(sig.kappa, 1 / abs(w @ v), rtol=1e-8)
    constant, participation, top, critical = np.array(rows).T
    np.testing.assert_allclose(constant, expected, atol=6e-6)
    np.testing.assert_allclose(critical, mus, rtol=1e-9)
    if seed == 0:
        np.testing.assert_allclose(participation, (1.40263, 1.00295, 1.00003, 1.00000), atol=6e-6)
        assert slope(np.log(-mus[-2:]), np.log(top[-2:])) == pytest.approx(-2.0010, abs=6e-5)


def test_weights_alone_have_no_kernel_at_rest():
    W, _, _ = outlier_network(-1e-2)
    with np.errstate(all="raise"):
        sig = nc.ntk.StateNTK(theta="W").evaluate(nc.RateRNN(W), np.zeros(N), {}, free="gain")
    assert not sig.eigenvalues.any()
    assert sig.trace[0] == 0.0
    for name in (
        "participation_ratio",
        "entropy_rank",
        "stable_rank",
        "top_fraction",
        "gap",
        "condition",
        "ratio",
        "lr_crit",
    ):
        assert np.isnan(sig[name][0]), name
    assert np.isnan(sig.align_theta[0])
    assert np.isfinite(sig.kappa[0])


def test_bifurcating_branch_of_a_pitchfork():
    mus = np.array([1e-3, 1e-4, 1e-5])
    _, v, w = outlier_network(0.0)
    kappa2, wv = 1 / (w @ v) ** 2, w @ v
    # W0 tanh(z) has no quadratic term, so c = w^T C(v, v, v)/6 alone; tanh''' = -2, and W0^T w = w
    c = -2 * (w @ v**3) / (6 * wv)
    tops = {"b": [], "W": []}
    for mu in mus:
        model = nc.RateRNN(outlier_network(mu)[0])
        x = newton(model, np.sqrt(mu / abs(c)) * v)
        for theta, found in tops.items():
            sig = nc.ntk.StateNTK(theta=theta).evaluate(model, x, {})
            found.append(sig.top[0])
        np.testing.assert_allclose(sig.lambda_c.real, -2 * mu, rtol=0.05)
    assert sig.ratio[0] == pytest.approx(1.0, abs=1e-3)
    assert slope(np.log(mus), np.log(tops["b"])) == pytest.approx(-2.0, abs=0.01)
    assert slope(np.log(mus), np.log(tops["W"])) == pytest.approx(-1.0, abs=0.01)
    assert tops["W"][-1] * mus[-1] == pytest.approx(kappa2 / (4 * abs(c)), rel=1e-3)


def fold(model, v):
    """(z, h) at the fold of z' = -z + W tanh z + h v, by Newton on the system with its null vector."""
    W = model.W
    x, h = newton(model, 6 * v), 0.0
    while True:  # towards the fold, as far as plain Newton goes
        try:
            there = newton(nc.RateRNN(W, b=(h - 0.02) * v), x)
        except (AssertionError, np.linalg.LinAlgError):
            break
        if np.linalg.norm(there - x) > 1.0 or there @ v < 0:
            break
        x, h = there, h - 0.02
    eigenvalues, vectors = np.linalg.eig(-np.eye(N) + W * (1 - np.tanh(x) ** 2))
    q = vectors[:, np.argmax(eigenvalues.real)].real
    for _ in range(50):
        t = np.tanh(x)
        d = 1 - t**2
        A = -np.eye(N) + W * d
        F = np.concatenate([-x + W @ t + h * v, A @ q, [q @ q - 1]])
        H = W * (-2 * t * d * q)
        J = np.block([[A, np.zeros((N, N)), v[:, None]], [H, A, np.zeros((N, 1))], [np.zeros(N), 2 * q, np.zeros(1)]])
        s = np.linalg.solve(J, F)
        x, q, h = x - s[:N], q - s[N : 2 * N], h - s[-1]
        if np.linalg.norm(s) < 1e-13:
            return x, h, q
    raise AssertionError("no fold")


def test_fold():
    W, v, _ = outlier_network(0.5)
    model = nc.RateRNN(W)
    xc, hc, q = fold(model, v)
    A = -np.eye(N) + W * (1 - np.tanh(xc) ** 2)
    psi = np.linalg.svd(A)[0][:, -1]
    psi /= psi @ q
    a = 0.5 * psi @ (W @ (-2 * np.tanh(xc) * (1 - np.tanh(xc) ** 2) * q**2))
    beta, kappa2 = psi @ v, (psi @ psi) * (q @ q)
    eps = np.array([1e-3, 1e-4, 1e-5])
    direction = 1.0 if a * beta < 0 else -1.0
    rows = []
    for e in eps:
        x = newton(nc.RateRNN(W, b=(hc + direction * e) * v), xc + np.sqrt(e * abs(beta / a)) * q)
        here = nc.RateRNN(W, b=(hc + direction * e) * v)
        bias, both = BIAS.evaluate(here, x, {}), nc.ntk.StateNTK(theta=["W", "b"]).evaluate(here, x, {})
        rows.append([bias.top[0], both.top[0], both.align_theta[0], bias.lambda_0[0].real, bias.align_state[0]])
        np.testing.assert_allclose(bias.top_resolvent, bias.top, rtol=1e-12)
    top, both, align, critical, align_state = np.array(rows).T
    assert slope(np.log(eps), np.log(top)) == pytest.approx(-1.0, abs=0.02)
    assert slope(np.log(np.abs(critical)), np.log(top)) == pytest.approx(-2.0, abs=0.02)
    assert top[-1] * eps[-1] == pytest.approx(kappa2 / (4 * abs(a * beta)), rel=0.01)
    assert both[-1] / top[-1] == pytest.approx(np.sum(np.tanh(xc) ** 2) + 1, rel=0.01)
    assert 1 - align[-1] < 1e-6
    assert 1 - align_state[-1] < 1e-6
    # the direction itself: top parameter vector of the dense kernel against w kron (tanh z*, 1)
    A = -np.eye(N) + W * (1 - np.tanh(x) ** 2)
    u = np.linalg.svd(np.linalg.inv(A))[0][:, 0]
    direction = np.outer(np.linalg.solve(A.T, u), np.append(np.tanh(x), 1.0)).ravel()
    expected = np.outer(psi, np.append(np.tanh(xc), 1.0)).ravel()
    cosine = abs(direction @ expected) / np.linalg.norm(direction) / np.linalg.norm(expected)
    assert 1 - cosine < 1e-4  # against the vectors of the fold itself, sqrt(eps) away


def test_hopf():
    for mu in (-1e-2, -1e-3, -1e-4):
        W, kappa = complex_outlier(1 + mu + 0.7j)
        sig = nc.ntk.StateNTK(theta=["W", "b"]).evaluate(nc.RateRNN(W), np.zeros(N), {})
        np.testing.assert_allclose(sig.lambda_c, mu + 0.7j, rtol=1e-9)
        np.testing.assert_allclose(sig.kappa, kappa, rtol=1e-7)
        assert sig.top[0] < 50.0
        assert sig.participation_ratio[0] > 10
        resolvent = nc.ntk.StateNTK(kernel="resolvent", theta="b").evaluate(nc.RateRNN(W), np.zeros(N), {})
        np.testing.assert_allclose(resolvent.top, sig.top_resolvent, rtol=1e-9)
    assert sig.top_resolvent[0] * mu**2 / kappa**2 == pytest.approx(1.0, abs=1e-3)
    assert sig.ratio_resolvent[0] == pytest.approx(1.0, abs=1e-3)
    assert resolvent.ratio[0] == pytest.approx(1.0, abs=1e-3)
    assert resolvent.participation_ratio[0] == pytest.approx(1.0, abs=1e-3)


def test_flip():
    for mu in (1e-2, 1e-4):
        W, v, w = outlier_network(mu)
        sig = nc.ntk.StateNTK(theta="b").evaluate(nc.RateRNN(-W, alpha=1.0), np.zeros(N), {})
        assert sig.top[0] < 50.0
        assert sig.omega_c[0] == pytest.approx(np.pi)
    assert sig.lambda_c[0].real == pytest.approx(-1 - mu, rel=1e-12)
    assert sig.top_resolvent[0] * mu**2 * (w @ v) ** 2 == pytest.approx(1.0, abs=1e-3)
    assert sig.ratio_resolvent[0] == pytest.approx(1.0, abs=1e-3)


def test_neimark_sacker_of_a_map():
    alpha = 0.3
    rho = (1 + 1e-5) * np.exp(0.4j)
    W, kappa = complex_outlier(1 + (rho - 1) / alpha)
    sig = nc.ntk.StateNTK(theta="b").evaluate(nc.RateRNN(W, alpha=alpha), np.zeros(N), {})
    np.testing.assert_allclose(sig.lambda_c, rho, rtol=1e-9)
    np.testing.assert_allclose(sig.omega_c, 0.4, rtol=1e-9)
    assert sig.top_resolvent[0] * 1e-10 / (alpha * kappa) ** 2 == pytest.approx(1.0, abs=1e-3)
    assert sig.top[0] < 100.0


def test_flow_and_map_of_one_network_have_the_same_equilibrium_kernel():
    rng = np.random.default_rng(3)
    W, b = rng.standard_normal((20, 20)) / 4, rng.standard_normal(20)
    flow = nc.RateRNN(W, b=b)
    x = newton(flow, np.zeros(20))
    expected = nc.ntk.StateNTK().evaluate(flow, x, {}, free="gain")
    found = nc.ntk.StateNTK().evaluate(nc.RateRNN(W, b=b, alpha=0.2), x, {}, free="gain")
    for name in ("eigenvalues", "trace", "entropy_rank", "condition", "top_arc"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)
    np.testing.assert_allclose(np.sort_complex(found.lambda_0), 1 + 0.2 * expected.lambda_0, rtol=1e-9)
