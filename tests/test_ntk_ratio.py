"""Near a bifurcation the kernel is rank one with the predicted size, for every kind of network."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc

N = 12


def build(kind, mu, seed=5):
    """A network and a fixed point of it at which a real eigenvalue of the Jacobian is mu off criticality.

    The bias puts the fixed point at a random z*, whatever the weights; the weights are scaled until mu is reached.
    """
    rng = np.random.default_rng(seed)
    options, rate_form, is_map = {}, "rate" in kind, "map" in kind
    z = np.tanh(rng.standard_normal(N)) if rate_form else 0.7 * rng.standard_normal(N)
    if "heterogeneous" in kind:
        options["phi_gain"] = rng.uniform(0.6, 1.4, N)
        options["alpha" if is_map else "tau"] = rng.uniform(0.3, 0.9, N)
    elif is_map:
        options["alpha"] = 0.4
    if "masked" in kind:
        options["mask"] = ((rng.random((N, N)) < 0.8) | np.eye(N, dtype=bool)).astype(float)
    g = options.get("phi_gain", np.ones(N))
    noise, p = rng.standard_normal((2, N, N)) / N**0.5, rng.uniform(0.5, 1.5, (2, N, 2))

    def model(scale, b=None):
        W = (
            nc.LowRank(scale * (p[0] + noise[0][:, :2]), p[1])
            if "low rank" in kind
            else scale * (noise[1] + p[0] @ p[1].T)
        )
        net = nc.RateRNN(W, b=b, form="rate" if rate_form else "synaptic", **options)
        if b is not None:
            return net
        W = net.effective_W()
        return model(scale, np.arctanh(z) / g - W @ z if rate_form else z - W @ np.tanh(g * z))

    def leading(scale):
        e = np.linalg.eigvals(model(scale).jac(z) - is_map * np.eye(N))
        return e[np.argmax(e.real)]

    low, high = 0.0, 0.01
    while leading(high).real < mu:
        low, high = high, 1.1 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if leading(middle).real < mu else (low, middle)
    assert leading(high).imag == 0
    return model(high), z


@pytest.mark.parametrize(
    "kind",
    [
        "synaptic", "rate", "synaptic heterogeneous", "rate heterogeneous", "synaptic masked",
        "rate masked heterogeneous", "synaptic map", "rate map heterogeneous", "synaptic map masked",
        "synaptic low rank", "rate low rank heterogeneous", "synaptic map low rank",
    ],
)  # fmt: skip
def test_ratio_tends_to_one(kind):
    errors = []
    for mu in (-1e-2, -1e-6):
        model, z = build(kind, mu)
        is_map = model.kind == "map"
        assert np.abs(model.rhs(z) - is_map * z).max() < 1e-14
        sig = nc.ntk.StateNTK().evaluate(model, z, {}, free="gain")
        distance = abs(sig.lambda_0[0] - is_map)
        assert distance == pytest.approx(-mu, rel=1e-6)
        errors.append(abs(sig.ratio[0] - 1))
        np.testing.assert_allclose(sig.top_resolvent, sig.top, rtol=1e-10)
    assert errors[1] < 1e-4
    assert errors[1] < 0.01 * errors[0]
    assert sig.participation_ratio[0] < 1 + 1e-4
    assert sig.align_theta[0] > 1 - 1e-4
    assert sig.align_state[0] > 1 - 1e-4
    np.testing.assert_allclose(abs(sig.g) * sig.kappa_0, distance, rtol=1e-4)
