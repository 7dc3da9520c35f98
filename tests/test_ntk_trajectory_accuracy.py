"""Sums over a spectrum known only through products reach the accuracy that is asked for, and say what it cost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ntk_networks import outlier_network
from scipy import fft

import ntkcont as nc
from ntkcont.ntk.trajectory import estimates


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_accuracy_that_is_asked_for(power):
    """A tail that falls slowly: more eigenvalues are removed and more vectors drawn, until the errors are small."""
    n = 1200
    e = np.arange(1.0, n + 1.0) ** -power
    turn = fft.dct(np.eye(n), axis=1, norm="ortho") * np.random.default_rng(5).choice([-1.0, 1.0], n)
    taken = [0]

    def apply(x):
        taken[0] += len(x)
        return ((x @ turn) * e) @ turn.T

    p = e / e.sum()
    exact = {
        "trace": e.sum(),
        "participation_ratio": 1.0 / np.sum(p**2),
        "entropy_rank": np.exp(-np.sum(p * np.log(p))),
    }
    products = []
    for rtol in (0.1, 0.01):
        taken[0] = 0
        estimate = estimates.spectrum(apply, n, 8, rtol)
        assert estimate.reached
        assert estimate.products == taken[0]
        products.append(estimate.products)
        np.testing.assert_allclose(estimate.found.values, e[:8], rtol=1e-8)
        for quantity, value in exact.items():
            error = estimate.sums.errors[quantity]
            assert error <= rtol * value, quantity
            assert abs(estimate.sums.values[quantity] - value) <= 4 * error + 1e-7 * value, quantity
    assert products == sorted(products)


def test_accuracy_on_a_network_past_its_pitchfork():
    x = np.random.default_rng(1).standard_normal((4, 64))
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=0.5 * x / np.linalg.norm(x, axis=1)[:, None], T=20.0, dt=0.1,
        record_every=5, weights="mean", integrator="euler", method="operator",
    )  # fmt: skip
    sig = kernel.evaluate(nc.RateRNN(outlier_network(0.5)[0]))
    exact = 6.46661
    assert sig.participation_ratio_error[0] <= 0.01 * exact
    assert abs(sig.participation_ratio[0] - exact) <= 4 * sig.participation_ratio_error[0] + 1e-4
    assert sig.trace_error[0] <= 0.01 * sig.trace[0]
    assert sig.probes[0] >= 10
    assert sig.products[0] == sig.metadata["products"] < 64 * 64
    # the largest eigenvalue is exact
    found = kernel.trajectories(nc.RateRNN(outlier_network(0.5)[0]))
    v = np.ones(4096)
    for _ in range(60):
        v = found.vjp(found.jvp(v))
        size = np.linalg.norm(v)
        v /= size
    assert sig.top[0] == pytest.approx(size, rel=1e-9)


def test_accuracy_that_is_not_reached_is_said(monkeypatch):
    monkeypatch.setattr(estimates, "_MOST_PRODUCTS", 0)
    rng = np.random.default_rng(0)
    net = nc.RateRNN(rng.standard_normal((10, 10)) / 10**0.5, alpha=0.3)
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=rng.standard_normal((4, 10)), T=20, k=3, method="operator",
        rtol=1e-6,
    )  # fmt: skip
    with pytest.warns(RuntimeWarning, match="rtol: 1e-06 was not reached with .* products"):
        kernel.evaluate(net)
    for rtol in (0.0, 1.0, "small", True):
        with pytest.raises(nc.InputError, match=r"rtol: .* was given; it must be a relative error between 0 and 1"):
            dataclasses.replace(kernel, rtol=rtol)
    with pytest.raises(nc.InputError, match="rtol: it belongs to kernel='trajectory'"):
        nc.ntk.StateNTK(rtol=0.1)
