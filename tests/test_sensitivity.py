"""How bifurcation points move with the weights, against points located anew by scipy after a small change."""

from __future__ import annotations

import dataclasses
import functools
import time

import numpy as np
import pytest
from invariants import check_branch
from relocation import moved
from scipy import sparse
from special_cases import point_at

import ntkcont as nc

# ---------------------------------------------------------------- networks: five types, all kinds of weights


def _weights(kind, n=5, seed=0):
    """W with one designed outlier: real, negative, a complex pair."""
    rng = np.random.default_rng(seed)
    W = 0.15 * rng.standard_normal((n, n))
    Q, _ = np.linalg.qr(rng.standard_normal((n, 2)))
    P = Q + 0.2 * rng.standard_normal((n, 2))
    core = {"real": np.diag([1.0, 0.3]), "negative": np.diag([-1.0, 0.3]), "pair": np.array([[0.9, -0.8], [0.8, 0.9]])}
    return W + 1.3 * P @ core[kind] @ Q.T


def _network(kind, *, low_rank=False, dale=False, sparse_weights=False, bias=0.1, **options):
    n = 5
    rng = np.random.default_rng(7)
    W = _weights(kind)
    if low_rank:
        u, s, vh = np.linalg.svd(W)
        W = nc.LowRank(u[:, :3] * s[:3], vh[:3].T)
    if dale:
        options["sign"] = np.where(W.sum(axis=0) > 0, 1.0, -1.0)
        options["mask"] = (rng.random((n, n)) < 0.8).astype(float)
        W = 1.5 * W * options["sign"]
    if sparse_weights:
        W = sparse.csr_array(W * (rng.random((n, n)) < 0.9))
    fields = {"b": bias * rng.standard_normal(n), "W_in": rng.standard_normal((n, 2))}
    return {"W": W, **fields, "inputs": {"stim": [1.0, 0.4]}, **options}


def _rebuilt(arguments, direction, s):
    """The network with its weights moved by s along `direction`, a dict of arrays."""
    own = dict(arguments)
    W = own["W"]
    if isinstance(W, nc.LowRank):
        own["W"] = nc.LowRank(W.U + s * direction.get("U", 0.0), W.V + s * direction.get("V", 0.0))
    elif "W" in direction and not isinstance(W, np.ndarray):
        own["W"] = sparse.csr_array((W.data + s * direction["W"], W.indices, W.indptr), shape=W.shape)
    else:
        own["W"] = W + s * direction.get("W", 0.0)
    for name in ("b", "W_in"):
        own[name] = own[name] + s * direction.get(name, 0.0)
    return nc.RateRNN(**own)


# free parameter, its span and its start, for each type of point
SEARCH = {
    "LP": ("stim", (-3.0, 3.0), -3.0, "real"),
    "H": ("gain", (0.1, 3.0), 0.1, "pair"),
    "PD": ("gain", (0.1, 3.0), 0.1, "negative"),
    "NS": ("gain", (0.1, 3.0), 0.1, "pair"),
    "BP": ("gain", (0.1, 3.0), 0.1, "real"),
}
FLOW, LEAKY, ELMAN = {"tau": np.linspace(0.5, 2.0, 5)}, {"alpha": np.linspace(0.4, 0.9, 5)}, {"alpha": 1.0}
NETWORKS = {
    "LP, flow": ("LP", FLOW),
    "LP, map, rate": ("LP", {**LEAKY, "form": "rate"}),
    "LP, low rank": ("LP", {**FLOW, "low_rank": True}),
    "LP, sparse": ("LP", {**FLOW, "sparse_weights": True}),
    "H, flow": ("H", {}),
    "H, rate, phi_gain": ("H", {"form": "rate", "phi_gain": np.linspace(0.8, 1.3, 5)}),
    "H, low rank, rate": ("H", {"form": "rate", "low_rank": True}),
    "LP, Dale, masked": ("LP", {"dale": True}),
    "PD, Dale, masked, rate": ("PD", {**ELMAN, "dale": True, "form": "rate"}),
    "PD, Elman": ("PD", ELMAN),
    "PD, rate, low rank": ("PD", {**ELMAN, "form": "rate", "low_rank": True}),
    "NS, map": ("NS", LEAKY),
    "NS, rate": ("NS", {**LEAKY, "form": "rate"}),
    "BP, flow": ("BP", {**FLOW, "bias": 0.0}),
    "BP, rate": ("BP", {"form": "rate", "bias": 0.0}),
    "BP, map, low rank": ("BP", {**LEAKY, "bias": 0.0, "low_rank": True}),
}


@functools.cache
def _found(name):
    """The network's arguments, the network and its special point."""
    label, options = NETWORKS[name]
    free, p_span, p0, kind = SEARCH[label]
    arguments = _network(kind, **options)
    net = nc.RateRNN(**arguments)
    branch = nc.continuation(net, np.zeros(net.n), free=free, p_span=p_span, params={free: p0})
    check_branch(branch, net, p_span=p_span)
    return arguments, net, branch.special_points(label)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    arguments, net, point = _found(name)
    rng = np.random.default_rng(3)
    direction = {key: rng.standard_normal(leaf.shape) / np.sqrt(leaf.size) for key, leaf in net.theta.items()}
    if point.label == "BP":
        found = nc.ntk.sensitivity(point)
        normal = found.unfolding
        length = sum(np.vdot(a, a) for a in normal.values())
        overlap = sum(np.vdot(normal[key], direction[key]) for key in direction)
        direction = {key: direction[key] - overlap / length * normal[key] for key in direction}
        gradient = found.gradient
    else:
        gradient = nc.ntk.sensitivity(point)
    assert gradient.keys() == net.theta.keys()
    along = sum(np.vdot(gradient[key], direction[key]) for key in direction)
    expected = moved(lambda s: (_rebuilt(arguments, direction, s), point.params), point)
    np.testing.assert_allclose(along, expected, rtol=1e-6)
    np.testing.assert_allclose(nc.ntk.sensitivity(point, direction=direction), along, rtol=1e-9)


# ---------------------------------------------------------------- equations


def _equation_cases():
    flip = nc.classics.henon()
    delayed = nc.Model.from_equations(
        {"x": "r*x*(1 - y) - c*x**2", "y": "x + e*(y - x)"}, {"r": 1.5, "c": 0.05, "e": 0.02}, kind="map"
    )
    fitzhugh = nc.classics.fitzhugh_nagumo()
    return {
        "LP": (nc.classics.morris_lecar("I"), {"v": -60.0, "w": 0.01}, "I", (-20.0, 120.0)),
        "H": (fitzhugh, np.array([-1.2, -0.6]), "I", (0.0, 2.0)),
        "LP, map": (flip, np.array([0.6, 0.2]), "a", (-1.0, 2.0)),
        "PD": (flip, np.array([0.6, 0.2]), "a", (-1.0, 2.0)),
        "NS": (delayed, np.array([0.3, 0.3]), "r", (1.2, 3.0)),
    }


EQUATIONS = _equation_cases()


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations(name):
    model, start, free, p_span = EQUATIONS[name]
    branch = nc.continuation(model, start, free=free, p_span=p_span)
    check_branch(branch, model, p_span=p_span)
    point = branch.special_points(name.split(",")[0])[0]
    gradient = nc.ntk.sensitivity(point)
    assert gradient.keys() == model.params.keys() - {free}
    for key, value in gradient.items():
        size = max(abs(point.params[key]), 0.1)

        def build(s, key=key, size=size):
            return model, {**point.params, key: point.params[key] + s * size}

        expected = moved(build, point) / size
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-8, err_msg=key)
