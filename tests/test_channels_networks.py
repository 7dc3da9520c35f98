"""Channels of networks: collapse onto them near a bifurcation, their directions, their signatures along a branch."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dense_trajectories import Dense
from invariants import check_branch
from ntk_networks import N, newton, outlier_network

import ntkcont as nc
from ntkcont.ntk.channels import SIGNATURES
from ntkcont.ntk.theta import resolve_theta


def trajectory_kernel(theta, initial_states, **more):
    return nc.ntk.StateNTK(kernel="trajectory", theta=theta, initial_states=initial_states, **more)


# ---------------------------------------------------------------- collapse near a pitchfork, 64 units


def _near_pitchfork(theta, mu, dt):
    """The channel at rest, at distance mu before the pitchfork, over a horizon of 3/|mu|, amplitude sqrt(|mu|)."""
    W, v, w = outlier_network(mu)
    T = 3 / abs(mu)
    kernel = trajectory_kernel(theta, 0.4 * np.sqrt(abs(mu)) * v[None], T=T, dt=dt, record_every=round(T / dt / 10))
    found = nc.ntk.channels(kernel, nc.RateRNN(W), np.zeros(N))
    assert found.kind == "real"
    np.testing.assert_allclose(found.eigenvalue, mu, rtol=1e-9)
    return found, v, w / (w @ v)


def test_bias_near_a_pitchfork():
    values = {mu: _near_pitchfork("b", mu, 0.5) for mu in (-1e-1, -1e-2, -1e-3)}
    (found, _, w), nf = values[-1e-3], [each[0].nf_error for each in values.values()]
    assert found.directions.keys() == {"drive"}  # an odd network at rest: a bias does not change the eigenvalue
    np.testing.assert_allclose(abs(found.directions["drive"]["b"]), abs(w), atol=1e-10)
    # first order in mu: the channel takes all, and is its normal form
    assert [each[0].f_par > bound for each, bound in zip(values.values(), (0.6, 0.99, 0.9999), strict=True)] == [
        True
    ] * 3
    assert 8 < nf[1] / nf[2] < 12
    assert nf[2] < 5e-3
    assert found.nf_error_full < 5e-3
    assert abs(found.f_st - 1) < 1e-3
    assert abs(found.f_bordered - 1) < 1e-3
    assert found.alignments["drive"] > 1 - 1e-5


def test_weights_near_a_pitchfork():
    values = {mu: _near_pitchfork("W", mu, 0.5) for mu in (-1e-1, -1e-2)}
    found, v, w = values[-1e-2]
    assert found.directions.keys() == {"growth"}  # at rest no weight moves the fixed point
    growth = found.directions["growth"]["W"]
    np.testing.assert_allclose(growth, np.outer(w, v), atol=1e-10)
    assert found.f_par > 0.99
    assert found.nf_error < 0.05 < values[-1e-1][0].nf_error
    assert found.alignments["growth"] > 0.9999
    # the shape in time is that of the scalar pitchfork, in closed form
    C, mu = -float(np.real(found.c)), found.eigenvalue.real
    y0 = 0.4 * np.sqrt(0.01)
    x0, t = np.sqrt(C) * y0, 3 / 0.01 * np.arange(1, 11) / 10
    E = np.exp(2 * mu * t)
    D = mu + x0**2 * (E - 1)
    x = np.sqrt(mu * x0**2 * E / D)
    expected = x / 2 * (1 / mu + 2 * t - (1 + 2 * t * x0**2 * E) / D) / np.sqrt(C)
    np.testing.assert_allclose(np.abs(found.s[0, :, 0]), np.abs(expected), rtol=1e-4)


# ---------------------------------------------------------------- student and teacher, before training


def _student():
    rng = np.random.default_rng(3)
    G = 0.3 * rng.standard_normal((16, 16)) / 4
    v = rng.standard_normal(16)
    v /= np.linalg.norm(v)
    w = v + 0.5 * rng.standard_normal(16) / 4
    w /= w @ v
    teacher = G + 1.5 * np.outer(v, w)
    student = 0.3 * rng.standard_normal((16, 16)) / 4
    return teacher, student, 0.5 * rng.standard_normal((8, 16)) / 2


def test_student_before_training():
    """The published numbers of iteration 0: what makes the leading eigenvalue grow is not the first direction."""
    teacher, student, initial = _student()
    assert round(np.max(np.linalg.eigvals(teacher).real) - 1, 4) == 0.4864
    kernel = trajectory_kernel("W", initial, T=100, weights="mean")
    net = nc.RateRNN(student, alpha=0.1)
    J = kernel.bind(net).trajectories(np.zeros(16)).dense()
    _, s, vt = np.linalg.svd(J, full_matrices=False)
    e = s**2
    assert round(e[0], 4) == 0.0148
    assert round(e.sum() ** 2 / np.sum(e**2), 1) == 76.4
    values, vectors = np.linalg.eig(student)
    lead = np.argmax(values.real)
    assert round(values[lead].real - 1, 3) == -0.831
    outer = np.outer(np.linalg.inv(vectors)[lead].real, vectors[:, lead].real)
    assert round(abs(vt[0] @ outer.ravel()) / np.linalg.norm(outer), 3) == 0.045
    found = nc.ntk.channels(kernel, net, np.zeros(16))
    assert found.directions.keys() == {"growth"}
    np.testing.assert_allclose(found.directions["growth"]["W"], 0.1 * outer, atol=1e-10)
    assert round(found.alignments["growth"], 3) == 0.045
    g = outer.ravel() / np.linalg.norm(outer)
    np.testing.assert_allclose(found.f_par, np.sum((J @ g) ** 2) / e.sum(), rtol=1e-8)
    own = nc.ntk.channels(kernel, nc.RateRNN(teacher, alpha=0.1), np.zeros(16)).directions["growth"]["W"]
    values, vectors = np.linalg.eig(teacher)
    lead = np.argmax(values.real)
    np.testing.assert_allclose(
        own, 0.1 * np.outer(np.linalg.inv(vectors)[lead].real, vectors[:, lead].real), atol=1e-10
    )


# ---------------------------------------------------------------- directions against differences


def _small(kind):
    rng = np.random.default_rng(5)
    n = 5
    Q = np.linalg.qr(rng.standard_normal((n, 2)))[0]
    core = {"real": np.diag([0.9, 0.2]), "pair": np.array([[0.9, -0.8], [0.8, 0.9]]), "flip": np.diag([-0.9, 0.2])}[
        kind
    ]
    W = 0.1 * rng.standard_normal((n, n)) + (Q + 0.2 * rng.standard_normal((n, 2))) @ core @ Q.T
    options = {"alpha": 0.9} if kind == "flip" else {}
    return W, 0.3 * rng.standard_normal(n), options, rng


def _eigen(net, kind):
    x = newton(net, np.zeros(net.n))
    e, V = np.linalg.eig(net.jac(x))
    i = np.argmin(e.real) if kind == "flip" else np.argmax(e.real + 1e-9 * e.imag)
    return x, e[i], V[:, i]


@pytest.mark.parametrize("kind", ["real", "pair", "flip"])
def test_growth_is_the_derivative_of_the_eigenvalue(kind):
    W, b, options, rng = _small(kind)
    net = nc.RateRNN(W, b=b, **options)
    x, value, _ = _eigen(net, kind)
    dt = {} if kind == "flip" else {"dt": 0.5}
    kernel = trajectory_kernel(["W", "b"], x[None] + 0.1, T=5, **dt)
    found = nc.ntk.channels(kernel, net, x)
    assert found.kind == kind
    np.testing.assert_allclose(found.eigenvalue, value, rtol=1e-9)
    dW, db = rng.standard_normal(W.shape), rng.standard_normal(b.shape)

    def inner(name):
        return np.vdot(found.directions[name]["W"], dW) + found.directions[name]["b"] @ db

    h = 1e-4
    ends = [_eigen(nc.RateRNN(W + s * dW, b=b + s * db, **options), kind) for s in (-h, h)]
    slope = (ends[1][1] - ends[0][1]) / (2 * h)
    moved = (ends[1][0] - ends[0][0]) / (2 * h)
    if kind == "real":
        # less what the part of the fixed point's motion does that diverges where the eigenvalue vanishes
        singular = np.linalg.solve(net.jac(x), found.w)
        singular *= (found.v @ moved) / (found.v @ singular)
        bend = (net.jac(x + h * singular) - net.jac(x - h * singular)) / (2 * h)
        expected = slope.real - found.w @ bend @ found.v
        np.testing.assert_allclose(inner("growth"), expected, rtol=1e-5)
        fp = (nc.RateRNN(W + h * dW, b=b + h * db).rhs(x) - nc.RateRNN(W - h * dW, b=b - h * db).rhs(x)) / (2 * h)
        np.testing.assert_allclose(inner("drive"), found.w @ fp, rtol=1e-6)
    elif kind == "pair":
        np.testing.assert_allclose([inner("growth"), inner("frequency")], [slope.real, slope.imag], rtol=1e-5)
    else:
        np.testing.assert_allclose(inner("growth"), -slope.real, rtol=1e-5)
        assert found.directions.keys() == {"growth"}


# ---------------------------------------------------------------- the same by jacfwd, and along a branch


def test_against_dense_derivatives():
    W, b, _, rng = _small("pair")
    net = nc.RateRNN(W, b=b)
    x, _, _ = _eigen(net, "pair")
    initial = x + 0.2 * rng.standard_normal((2, 5))
    kernel = trajectory_kernel(["W", "b"], initial, T=4.0, dt=0.1, record_every=5, weights="time")
    found = nc.ntk.channels(kernel, net, x)
    picked = resolve_theta(["W", "b"], "none", net, free=None, overridden=(), magnitude={})
    dense = Dense(net, picked, initial, values=net.values(), steps=40, dt=0.1, record_every=5, weight=0.5)
    G = np.stack([np.append(tree["W"].ravel(), tree["b"]) for tree in found.directions.values()], axis=1)
    Q = np.linalg.qr(G)[0]
    np.testing.assert_allclose(found.restricted_kernel, (dense.J @ Q) @ (dense.J @ Q).T, atol=1e-10)
    np.testing.assert_allclose(found.total, np.sum(dense.J**2), rtol=1e-10)
    np.testing.assert_allclose(found.f_par, np.sum((dense.J @ Q) ** 2) / np.sum(dense.J**2), rtol=1e-10)
    best = np.linalg.svd(dense.J)[2][0]
    for (name, value), column in zip(found.alignments.items(), G.T, strict=True):
        np.testing.assert_allclose(value, abs(best @ column) / np.linalg.norm(column), atol=1e-4, err_msg=name)
    again = nc.ntk.channels(trajectory_kernel(["W", "b"], initial, T=4.0, dt=0.1, readout=np.eye(5)[:2]), net, x)
    assert np.isnan([again.f_st, again.chi, again.f_bordered]).all()
    assert 0 < again.f_par < 1
    assert again.restricted.shape == (2 * 40 * 2, 2)


def test_signatures_along_a_branch():
    W = np.array([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0], [0.3, 0.0, 0.2]])  # leading eigenvalue 1
    net = nc.RateRNN(W)
    kernel = trajectory_kernel("W", lambda x, _p: x + 0.1 * np.eye(3)[:2], T=20.0, dt=0.25, record_every=4)
    branch = nc.continuation(
        net,
        np.zeros(3),
        free="gain",
        p_span=(0.8, 1.2),
        ntk=kernel,
        settings=nc.ContinuationSettings(ds=0.05, ds_max=0.1),
    )
    check_branch(branch, net, p_span=(0.8, 1.2))
    assert {*SIGNATURES} <= {*branch.ntk.names}
    for i in (0, len(branch) // 2, len(branch) - 1):
        found = nc.ntk.channels(kernel, net, branch.x[i], {"gain": branch.p[i]}, free="gain")
        for name in SIGNATURES:
            np.testing.assert_allclose(branch.ntk[name][i], getattr(found, name), rtol=1e-6, atol=1e-9, err_msg=name)
    near = np.argmin(np.abs(branch.p - 1.0))
    assert branch.ntk.f_par[near] > branch.ntk.f_par[0]
    assert branch.special_points["BP1"].ntk["nf_error"] < branch.ntk.nf_error[0]
    point = branch.special_points["BP1"]
    here = nc.ntk.channels(kernel, net, point)
    np.testing.assert_allclose(
        [here.a, here.c], [point.normal_form["b20"] / 2, point.normal_form["b30"] / 6], atol=1e-9
    )
    # far away, or with two eigenvalues equally near, no channel
    assert np.isnan([kernel.evaluate(net, np.zeros(3), {"gain": 0.3})[name][0] for name in SIGNATURES]).all()
    double = nc.RateRNN(np.diag([0.9, 0.9, 0.1]))
    assert np.isnan([kernel.evaluate(double, np.zeros(3))[name][0] for name in SIGNATURES]).all()


def test_normal_form_of_the_special_point_on_the_bent_branch():
    """The coefficients of the pitchfork, moved along v, are those of the bent branch to first order."""
    W = np.array([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0], [0.3, 0.0, 0.2]])
    net = nc.RateRNN(W)
    straight = nc.continuation(net, np.zeros(3), free="gain", p_span=(0.5, 1.2))
    point = straight.special_points["BP1"]
    x = newton(net, 0.1 * point.vectors["v"] / np.max(point.vectors["v"]), {"gain": 1.001})
    assert np.linalg.norm(x) > 0.02
    kernel = trajectory_kernel("W", x[None] * 1.1, T=300.0, dt=0.5, record_every=40)
    near = nc.ntk.channels(kernel, net, x, {"gain": 1.001}, near=point)
    own = nc.ntk.channels(kernel, net, x, {"gain": 1.001})
    np.testing.assert_allclose([near.a, near.c], [own.a, own.c], rtol=0.02)
    assert near.nf_error < 0.1
    np.testing.assert_allclose(own.a**2, 9 * own.c.real**2 * float(x @ own.w) ** 2, rtol=0.02)


def test_bad_input():
    net = nc.RateRNN(np.diag([0.9, 0.9, 0.1]))
    with pytest.raises(nc.InputError, match=re.escape("kernel: 'equilibrium' was given; it must be StateNTK(kernel=")):
        nc.ntk.channels(nc.ntk.StateNTK(theta="W"), net, np.zeros(3))
    kernel = trajectory_kernel("W", np.ones((1, 3)), T=1.0, dt=0.1)
    with pytest.raises(nc.InputError, match="x: its critical eigenvalue is multiple"):
        nc.ntk.channels(kernel, net, np.zeros(3))
    pitchfork = nc.RateRNN(np.diag([0.9, 0.5, 0.1]))
    hopf = nc.RateRNN(np.array([[1.0, -0.7, 0.0], [0.7, 1.0, 0.0], [0.0, 0.0, 0.1]]))
    point = nc.continuation(hopf, np.zeros(3), free="gain", p_span=(0.5, 1.2)).special_points["H1"]
    with pytest.raises(nc.InputError, match="near: H1 belongs to another kind of eigenvalue"):
        nc.ntk.channels(kernel, pitchfork, np.zeros(3), near=point)
