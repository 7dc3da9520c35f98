"""Continuation, normal forms and kernels of a GRU, against closed forms of cells whose gates are constant.

With r and z constant, ``h <- (1 - z) tanh(u + a W h) + z h`` with ``a = r gain``: at h = 0 an eigenvalue l of W gives
the multiplier ``z + (1 - z) a l``.
"""

from __future__ import annotations

import gru_truth as truth
import jax
import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc
from ntkcont.jax_tools import x64

R, Z = 0.8, 0.3
FLIP = (1 + Z) / (1 - Z)  # |a l| where the multiplier is -1


def constant(W_n, inputs=None):
    W_ih, W_hh, b_ih = truth.constant_gates(np.asarray(W_n, dtype=float), R, Z)
    return nc.GRU(W_ih, W_hh, b_ih, inputs=inputs)


def follow(net, x0, free, p_span, **options):
    branch = nc.continuation(net, x0, free=free, p_span=p_span, **options)
    check_branch(branch, net, p_span=p_span)
    return branch


def test_branch_point_and_period_doubling_of_the_trivial_state():
    net = constant([[1.0]])
    branch = follow(net, [0.0], "gain", (-3.0, 3.0), params={"gain": 0.5})
    assert [point.label for point in branch.special_points if point.label != "EP"] == ["PD", "BP"]
    bp, pd = branch.special_points["BP1"], branch.special_points["PD1"]
    assert bp.p == pytest.approx(1.0 / R, rel=1e-9)
    assert bp.normal_form["type"] == "pitchfork"
    assert bp.normal_form["b30"] == pytest.approx(-2.0 * (1 - Z), rel=1e-8)  # (1 - z) tanh'''(0) a^3, a = 1
    assert pd.p == pytest.approx(-FLIP / R, rel=1e-9)
    assert pd.normal_form["b"] == pytest.approx((1 - Z) * 2.0 * FLIP**3 / 6.0, rel=1e-8)


def test_neimark_sacker_of_a_rotation():
    net = constant([[0.0, -1.0], [1.0, 0.0]])
    branch = follow(net, [0.0, 0.0], "gain", (0.2, 3.0))
    (point,) = branch.special_points("NS")
    assert point.p == pytest.approx(np.sqrt(FLIP) / R, rel=1e-9)  # z^2 + (1 - z)^2 a^2 = 1
    assert point.omega == pytest.approx(np.arccos(Z), rel=1e-8)
    # |q_i|^2 = 1/2, so C(q, q, conj(q)) = -(1 - z) a^3 i q, and d = Re(exp(-i omega) p* C)/2
    assert point.normal_form["d"] == pytest.approx(-((1 + Z) ** 2) / 2, rel=1e-7)


def test_folds_of_a_bistable_cell():
    w = 2.5
    net = constant([[w]], {"stim": [1.0]})
    branch = follow(net, [-0.9], "stim", (-2.0, 2.0), params={"stim": -1.5})
    h = np.sqrt(1.0 - 1.0 / (R * w))  # h = tanh(s + r w h) with slope one
    expected = R * w * h - np.arctanh(h)
    folds = branch.special_points("LP")
    np.testing.assert_allclose(sorted(point.p for point in folds), [-expected, expected], rtol=1e-9)
    np.testing.assert_allclose(sorted(point.x[0] for point in folds), [-h, h], rtol=1e-8)
    # G'' = (1 - z) tanh'' (r w)^2, with tanh'' = -2 h (1 - h^2)
    first = max(folds, key=lambda point: point.p)
    assert abs(first.normal_form["a"]) == pytest.approx((1 - Z) * h * (1 - h**2) * (R * w) ** 2, rel=1e-7)


def test_a_cycle_of_period_two_is_a_fixed_point_of_the_second_iterate():
    net = constant([[1.0]])
    squared = net.power(2)
    gain = -3.0
    h = 0.9
    for _ in range(2000):
        h = (1 - Z) * np.tanh(R * gain * h) + Z * h
    other = (1 - Z) * np.tanh(R * gain * h) + Z * h
    assert abs(h - other) > 0.5
    np.testing.assert_allclose(squared.rhs([h], {"gain": gain}), [h], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        squared.jac([h], {"gain": gain}), net.jac([other], {"gain": gain}) @ net.jac([h], {"gain": gain}), atol=1e-14
    )
    path = nc.simulate(net, [h], np.arange(4), params={"gain": gain})
    np.testing.assert_allclose(path[:, 0], [h, other, h, other], rtol=0, atol=1e-11)


@pytest.fixture(scope="module")
def general():
    """A network with all gates at work, at rest."""
    weights = truth.random_weights(6, 2, seed=3, scale=0.7)
    net = nc.GRU(*weights, {"stim": [1.0, -0.5]})
    h = np.zeros(6)
    for _ in range(3000):
        h = truth.step(h, 0.4 * np.array([1.0, -0.5]), *weights)
    return net, h


def test_fixed_points_are_found(general):
    net, h = general
    points = nc.find_fixed_points(net, starts=h + 0.01, params={"stim": 0.4})
    np.testing.assert_allclose(points.x, [h], rtol=0, atol=1e-9)
    assert points.stable.tolist() == [True]


@pytest.mark.parametrize("theta", ["all", ["W_hh", "b_hh"]])
def test_the_kernel_is_that_of_the_implicit_derivative(general, theta):
    net, h = general
    values = net.values({"stim": 0.4})
    with x64():
        A = np.asarray(jax.jacrev(net.jax_rhs)(h, values, net.theta))
        blocks = jax.jacrev(net.jax_rhs, argnums=2)(h, values, net.theta)
        chosen = list(net.theta) if theta == "all" else theta
        F = np.concatenate([np.asarray(blocks[name]).reshape(6, -1) for name in chosen], axis=1)
    S = np.linalg.solve(np.eye(6) - A, F)
    found = nc.ntk.StateNTK(theta=theta).evaluate(net, h, {"stim": 0.4})
    np.testing.assert_allclose(found.eigenvalues[0], np.linalg.svd(S, compute_uv=False) ** 2, rtol=1e-9)


def test_a_branch_with_its_kernel_is_kept_with_its_origin(general, tmp_path):
    net, h = general
    branch = follow(net, h, "stim", (-1.0, 1.0), params={"stim": 0.4}, ntk=nc.ntk.StateNTK())
    loaded = nc.load(branch.save(tmp_path / "gru.npz"))
    assert loaded == branch
    assert loaded.provenance["model"]["digest"] == net.digest
    assert loaded.provenance["model"]["description"] == "GRU with 6 units: 2 input channels, inputs stim"
    assert loaded.provenance["kernel"]["theta"] == ("W_hh", "W_ih", "b_hh", "b_ih")
    i = int(np.argmin(np.abs(branch.p)))
    again = nc.ntk.StateNTK().evaluate(net, branch.x[i], {"stim": branch.p[i]})
    assert branch.ntk.top[i] == pytest.approx(again.top[0], rel=1e-9)


def test_inputs_move_together(general):
    net, h = general
    between = net.along({"stim": 0.4, "gain": 1.0}, {"stim": -0.4, "gain": 0.5})
    np.testing.assert_allclose(between.rhs(h, {"mix": 0.5}), net.rhs(h, {"stim": 0.0, "gain": 0.75}), atol=1e-15)
    branch = follow(between, h, "mix", (0.0, 1.0))
    assert branch.status is nc.Status.BOUND


def test_where_the_update_gate_saturates_no_fixed_points_are_invented():
    # z = sigmoid(2 h), n = 0: the step (1 - z) (0 - h) vanishes to rounding for large h, and exactly at h = 0 alone
    gru = nc.GRU(None, [[0.0], [2.0], [0.0]])
    points = nc.find_fixed_points(gru, starts=np.linspace(-5.0, 25.0, 31)[:, None])
    np.testing.assert_allclose(points.x, [[0.0]], atol=1e-12)
    path = nc.TrainingPath([1.0, 2.0], lambda k: nc.GRU(None, np.array([[0.0], [2.0 * k], [0.0]])))
    record = nc.follow_training(path)
    assert [len(diagram.branches) for diagram in record.diagrams] == [1]
    assert record.events == ()
