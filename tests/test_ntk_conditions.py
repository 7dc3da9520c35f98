"""Equilibria of several conditions stacked into one kernel."""

from __future__ import annotations

import numpy as np
import pytest
from ntk_networks import newton

import ntkcont as nc

N = 6
CONDITIONS = [{"stim": 0.0}, {"stim": 1.0}, {"stim": -0.5, "gain": 1.1}]


def network(**options):
    rng = np.random.default_rng(11)
    return nc.RateRNN(
        0.8 * rng.standard_normal((N, N)) / N**0.5, b=0.3 * rng.standard_normal(N), W_in=rng.standard_normal((N, 2)),
        inputs={"stim": [1.0, -0.5], "other": [0.3, 0.7]}, **options,
    )  # fmt: skip


def stacked(model, kernel_of, params):
    """S of the conditions by finite differences of the fixed points themselves, and those points."""
    blocks, points = [], []
    for condition in CONDITIONS:
        x = newton(model, np.zeros(N), {**params, **condition})
        points.append(x)
        blocks.append(kernel_of(x, {**params, **condition}))
    return np.concatenate(blocks), points


def by_differences(model, x, params, columns):
    """d z*/d(W, b) by central differences of the fixed point."""
    h, out = 1e-5, []
    for which, index in columns:
        ends = []
        for sign in (1.0, -1.0):
            W, b = model.W.copy(), model.b.copy()
            {"W": W, "b": b}[which][index] += sign * h
            moved = nc.RateRNN(W, b=b, W_in=model.W_in, inputs=model.inputs, alpha=model.alpha)
            ends.append(newton(moved, x, params))
        out.append((ends[0] - ends[1]) / (2 * h))
    return np.array(out).T


@pytest.mark.parametrize("alpha", [None, 0.4])
def test_stacked_kernel_is_that_of_moved_fixed_points(alpha):
    model = network(alpha=alpha)
    columns = [("W", index) for index in np.ndindex(N, N)] + [("b", (i,)) for i in range(N)]
    params = {"other": 0.2}
    S, points = stacked(model, lambda x, p: by_differences(model, x, p, columns), params)
    kernel = nc.ntk.StateNTK(theta=["W", "b"], conditions=CONDITIONS, k=3 * N)
    sig = kernel.evaluate(model, newton(model, np.zeros(N), params), params, free="other")
    expected = np.linalg.svd(S, compute_uv=False) ** 2
    np.testing.assert_allclose(sig.eigenvalues[0], expected, rtol=1e-6, atol=1e-8 * expected[0])
    np.testing.assert_allclose(sig.trace, expected.sum(), rtol=1e-8)
    critical = [np.linalg.eigvals(model.jac(x, {**params, **c})) for x, c in zip(points, CONDITIONS, strict=True)]
    flat = np.concatenate(critical)
    distance = np.abs(flat) if alpha is None else np.abs(flat - 1)
    np.testing.assert_allclose(abs(sig.lambda_0 - (alpha is not None)), distance.min(), rtol=1e-9)
    assert np.isfinite(sig.top_arc[0])
    assert np.isfinite(sig.top_resolvent[0])


def test_readout_of_a_stack():
    model, C = network(), np.random.default_rng(2).standard_normal((2, N))
    x = newton(model, np.zeros(N))
    plain = nc.ntk.StateNTK(conditions=CONDITIONS, readout=C).evaluate(model, x)
    alone = [nc.ntk.StateNTK(readout=C).evaluate(model, newton(model, np.zeros(N), c), c) for c in CONDITIONS]
    np.testing.assert_allclose(plain.trace, sum(a.trace for a in alone), rtol=1e-9)  # its blocks on the diagonal
    assert plain.eigenvalues.shape == (1, 6)


def test_conditions_follow_the_branch_from_both_ends():
    model = network()
    bound = nc.ntk.StateNTK(theta="b", conditions=[{"stim": 0.5}]).bind(model, free="other", params={})
    p = np.concatenate([np.linspace(0, 2, 9), np.linspace(0, -2, 9)])
    x = np.array([newton(model, np.zeros(N), {"other": q}) for q in p])
    out = bound.evaluate(x=x, p=p)
    for i in (8, 17):
        z = newton(model, np.zeros(N), {"other": p[i], "stim": 0.5})
        A = np.linalg.inv(model.jac(z, {"other": p[i], "stim": 0.5}))
        np.testing.assert_allclose(out["top"][i], np.linalg.norm(A, 2) ** 2, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:theta.*ranks:RuntimeWarning")
def test_a_condition_without_an_equilibrium_gives_nan():
    model = nc.Model.from_equations({"x": "mu + h - x**2"}, params={"mu": 1.0, "h": 0.0, "q": 1.0})
    kernel = nc.ntk.StateNTK(
        theta=["mu"], theta_scale="none", state_scale="none", conditions=[{"h": 0.0}, {"h": -2.0}]
    )  # at mu = 1 there is none for h = -2
    sig = kernel.evaluate(model, np.array([[1.0], [2.0]]), {"mu": [1.0, 4.0]})
    assert np.isnan(sig.top[0])
    np.testing.assert_allclose(sig.top[1], 1 / (4 * 4.0) + 1 / (4 * 2.0), rtol=1e-9)
