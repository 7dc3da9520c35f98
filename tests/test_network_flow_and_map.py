"""One network as a flow and as its leaky map: the same fixed points, multipliers 1 + alpha lambda, NS on |.| = 1."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch


@pytest.mark.parametrize(("seed", "alpha"), [(0, 0.2), (1, 0.7), (2, 1.0)])
def test_map_bifurcates_exactly_where_its_multipliers_leave_the_unit_circle(seed, alpha):
    n = 12
    weights = np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)
    net = nc.RateRNN(weights, alpha=alpha)
    low, high = 0.3, 2.0
    branch = nc.continuation(net, np.zeros(n), free="gain", p_span=(low, high), params={"gain": low}, direction="+")
    check_branch(branch, net)
    expected = []
    for lam in np.linalg.eigvals(weights):
        if lam.imag < 0:
            continue
        # |1 - alpha + alpha g lambda| = 1, a quadratic in g
        a, b, c = (alpha * abs(lam)) ** 2, 2 * (1 - alpha) * alpha * lam.real, (1 - alpha) ** 2 - 1
        for g in np.roots([a, b, c]).real:
            if low < g < high:
                multiplier = 1 - alpha + alpha * g * lam
                label = "NS" if lam.imag > 0 else ("BP" if multiplier.real > 0 else "PD")
                expected.append((g, label))
    expected.sort()
    got = [(q.p, q.label) for q in branch.special_points if q.label != "EP"]
    assert [label for _, label in got] == [label for _, label in expected]
    np.testing.assert_allclose([g for g, _ in got], [g for g, _ in expected], rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_flow_and_map_share_branch_and_folds(form):
    rng = np.random.default_rng(5)
    n, alpha = 6, 0.3
    weights = 1.5 * np.ones((n, n)) / n + 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
    inputs = {"W_in": rng.uniform(0.5, 1.0, (n, 1)), "inputs": {"stim": [1.0]}, "form": form}
    span = (-1.5, 1.5)
    branches = []
    for net in (nc.RateRNN(weights, **inputs), nc.RateRNN(weights, alpha=alpha, **inputs)):
        start = nc.simulate(nc.RateRNN(weights, **inputs), -np.ones(n), [0.0, 100.0], params={"stim": -1.0})[-1]
        branch = nc.continuation(net, start, free="stim", p_span=span, params={"stim": -1.0})
        check_branch(branch, net)
        branches.append(branch)
    flow, leaky = branches
    folds = [[q.p for q in b.special_points("LP")] for b in branches]
    assert len(folds[0]) == 2  # bistable
    np.testing.assert_allclose(folds[0], folds[1], atol=1e-10)
    for a, b in zip(flow.special_points("LP"), leaky.special_points("LP"), strict=True):
        np.testing.assert_allclose(a.x, b.x, atol=1e-8)
        spectrum = np.sort_complex(1 + alpha * a.eigenvalues)
        np.testing.assert_allclose(np.sort_complex(b.eigenvalues), spectrum, atol=1e-7)
