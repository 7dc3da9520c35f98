"""The bifurcation channel of trajectory kernels: closed forms, identities, coefficients, directions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dense_trajectories import Dense
from special_cases import point_at

import ntkcont as nc
from ntkcont.ntk.channels import channel, decompositions
from ntkcont.ntk.channels.reduced import reduced_at
from ntkcont.ntk.theta import resolve_theta


def chosen(model, theta):
    return resolve_theta(theta, "none", model, free=None, overridden=(), magnitude=dict.fromkeys(model.params, 1.0))


def channel_of(model, theta, initial, x, params=None, **plan):
    """The channel of dense trajectories, and these."""
    picked, values = chosen(model, theta), model.values(params)
    found = Dense(model, picked, initial, values=values, **plan)
    x = np.asarray(x, dtype=float)
    return channel(found, model, picked, np.ones(picked.size), x, values), found


# ---------------------------------------------------------------- normal forms: the channel is everything

PITCHFORK = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"mu": 0.0, "h": 0.0})
# T, mu, x(T), S_mu(T), int S_mu^2, S_h(T), int S_h^2, for x0 = 0.1
TABLE = [
    (10, -0.10, 0.035294, 0.34328922, 0.717324, 6.120348, 157.2345),
    (10, 0.0, 0.091287, 0.83679835, 2.542084, 8.785485, 273.2798),
    (10, 0.10, 0.212333, 1.57989624, 7.595654, 10.462901, 402.9454),
    (100, 0.0, 0.057735, 3.84900179, 702.25621, 56.150998, 123658.16),
    (100, 0.01, 0.100000, 4.32332358, 951.89094, 43.233236, 95189.093),
]


def _closed_form(t, mu, x0):
    """d x/d mu of ``x' = mu x - x^3``."""
    if mu == 0:
        return x0 * t * (1 + x0**2 * t) / (1 + 2 * x0**2 * t) ** 1.5
    E = np.exp(2 * mu * t)
    D = mu + x0**2 * (E - 1)
    x = np.sqrt(mu * x0**2 * E / D)
    return x / 2 * (1 / mu + 2 * t - (1 + 2 * t * x0**2 * E) / D)


@pytest.mark.parametrize("row", TABLE)
def test_pitchfork_at_finite_horizon(row):
    T, mu, x_end, S_end, S_squared, h_end, h_squared = row
    steps, dt = 100 * T, 0.01
    one, found = channel_of(PITCHFORK, ["mu", "h"], [[0.1]], [0.0], {"mu": mu}, steps=steps, dt=dt)
    assert one.directions.parts.keys() == {"drive", "growth"}
    s = dict(zip(one.directions.parts, one.s[0].T, strict=True))
    np.testing.assert_allclose(one.y[0, -1], x_end, atol=5e-7)
    t = dt * np.arange(1, steps + 1)
    np.testing.assert_allclose(s["growth"], _closed_form(t, mu, 0.1), rtol=1e-8)
    np.testing.assert_allclose([s["growth"][-1], s["drive"][-1]], [S_end, h_end], rtol=2e-7)
    integral = {name: np.trapezoid(np.append(0.0, values**2), dx=dt) for name, values in s.items()}
    np.testing.assert_allclose([integral["growth"], integral["drive"]], [S_squared, h_squared], rtol=1e-6)
    # the model is its own normal form, and its two parameters are the two critical directions
    np.testing.assert_allclose(one.shares.f_par, 1.0, rtol=1e-12)
    assert one.nf_error < 1e-12
    assert one.nf_error_full(found, found.J.T) < 1e-7  # a difference of squares


HOPF = nc.Model.from_equations(
    {"x": "mu*x - omega*y - x*(x**2 + y**2)", "y": "omega*x + mu*y - y*(x**2 + y**2)"}, {"mu": -0.1, "omega": 1.0}
)


def test_hopf_at_finite_horizon():
    dt = 0.02
    one, found = channel_of(
        HOPF, ["mu", "omega"], [[1e-3, 0.0]], [0.0, 0.0], steps=2500, dt=dt, weight=dt
    )  # fmt: skip
    e = np.linalg.eigvalsh(one.restricted.T @ one.restricted)[::-1]
    np.testing.assert_allclose(e, [2.493066e-4, 2.493054e-4], rtol=2e-7)
    assert round(e.sum() ** 2 / np.sum(e**2), 4) == 2.0
    np.testing.assert_allclose(one.directions.parts["growth"], [1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(one.directions.parts["frequency"], [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose([one.shares.f_par, one.shares.f_st], 1.0, rtol=1e-10)
    assert abs(one.shares.chi) < 1e-10
    assert one.nf_error < 1e-10
    np.testing.assert_allclose(found.J, one.normal_form @ one.directions.basis.T, atol=1e-12)


def test_hopf_on_the_cycle():
    """With time the frequency wins, top -> mu T^3/3; the radius moves by (1 - exp(-2 mu t))/(2 sqrt(mu))."""
    mu, T, dt = 0.1, 50.0, 0.02
    one, _ = channel_of(
        HOPF, ["mu", "omega"], [[np.sqrt(mu), 0.0]], [0.0, 0.0], {"mu": mu}, steps=2500, dt=dt, weight=dt
    )
    e = np.linalg.eigvalsh(one.restricted.T @ one.restricted)[::-1]
    radius = (T - (1 - np.exp(-2 * mu * T)) / mu + (1 - np.exp(-4 * mu * T)) / (4 * mu)) / (4 * mu)
    np.testing.assert_allclose(e, [mu * T**3 / 3, radius], rtol=2e-3)
    assert one.nf_error < 1e-10


EXACT = {
    "fold": ({"x": "mu + x**2"}, {"mu": -0.04}, [-0.2], [[-0.25], [0.1]], "flow"),
    "transcritical": ({"x": "mu*x - x**2"}, {"mu": 0.1}, [0.1], [[0.05], [0.2]], "flow"),
    "flip": ({"x": "-(1 + mu)*x + x**3"}, {"mu": 0.05}, [0.0], [[0.1], [-0.02]], "map"),
    "fold of a map": ({"x": "x + mu + x**2"}, {"mu": -0.04}, [-0.2], [[-0.25], [0.1]], "map"),
    "Neimark-Sacker": (
        {
            "x": "(1 + mu)*(cos(phi)*x - sin(phi)*y) - (x**2 + y**2)*(x - 0.5*y)",
            "y": "(1 + mu)*(sin(phi)*x + cos(phi)*y) - (x**2 + y**2)*(0.5*x + y)",
        },
        {"mu": 0.02, "phi": 1.1},
        [0.0, 0.0],
        [[0.05, 0.0], [0.1, -0.2]],
        "map",
    ),
}


@pytest.mark.parametrize(
    ("name", "integrator"), [(n, i) for n, case in EXACT.items() for i in ("rk4", "euler")[: 1 + (case[4] != "map")]]
)
def test_normal_forms_are_their_own_channel(name, integrator):
    equations, params, x, initial, kind = EXACT[name]
    model = nc.Model.from_equations(equations, params, kind=kind)
    time = {} if kind == "map" else {"dt": 0.1}
    one, _ = channel_of(model, list(params), initial, x, steps=60, record_every=3, integrator=integrator, **time)
    np.testing.assert_allclose(one.shares.f_par, 1.0, rtol=1e-10)
    # a single parameter is a single direction, though it may both drive and make grow
    assert one.directions.basis.shape == (len(params), len(params))
    if "fold" in name or name == "transcritical":
        # about the fixed point x*: y' = lambda y + a y^2, exactly, with x* following mu
        assert one.reduced.c == 0.0
    assert one.nf_error < 1e-10, one.nf_error


# ---------------------------------------------------------------- coefficients are those of the special points


def test_coefficients_are_those_of_the_special_points():
    rng = np.random.default_rng(4)
    for label, map_ in (("H", False), ("NS", True), ("PD", True), ("BP", False), ("BP", True), ("LP", False)):
        n = 4
        A = 0.1 * rng.standard_normal((n, n))
        core = np.array([[0.6, -0.8], [0.8, 0.6]]) if label == "NS" else np.array([[0.0, -0.7], [0.7, 0.0]])
        if label in ("H", "NS"):
            A[:2], A[2:, :2] = 0.0, 0.0
            A[:2, :2] = core
        else:
            A[0], A[1:, 0] = 0.0, 0.0
            A[0, 0] = -1.0 if label == "PD" else 1.0 if map_ else 0.0
        A[2:, 2:] -= 0.0 if map_ else np.eye(2)
        if label not in ("H", "NS") and not map_:
            A[1, 1] -= 1.0
        T = np.eye(n) + 0.3 * rng.standard_normal((n, n))
        A = T @ A @ np.linalg.inv(T)
        B, C = 0.3 * rng.standard_normal((n, n)), 0.2 * rng.standard_normal((n, n))
        if label == "BP":
            B[:] = 0.0
        drive = T[:, 0] * (label == "LP")
        names = [f"z{i}" for i in range(n)]
        linear = [" + ".join(f"({A[i, j]})*{names[j]}" for j in range(n)) for i in range(n)]
        square = [" + ".join(f"({B[i, j]})*{names[j]}**2" for j in range(n)) for i in range(n)]
        cube = [" + ".join(f"({C[i, j]})*{names[j]}**3" for j in range(n)) for i in range(n)]
        equations = {
            name: f"(1 + p)*({linear[i]}) + p*({drive[i]}) + {square[i]} + {cube[i]}" for i, name in enumerate(names)
        }
        model = nc.Model.from_equations(equations, {"p": 0.0}, kind="map" if map_ else "flow")
        form = nc.normal_form(model, point_at(model, label, np.zeros(n), "p"))
        found = reduced_at(model, np.zeros(n), np.zeros(1))
        expected: tuple = ()
        if label == "H":
            expected = (0.0, form["re_g21_half"] + 1j * form["im_g21_half"])
        elif label == "NS":
            np.testing.assert_allclose((np.exp(-1j * form["theta0"]) * found.c).real, form["d"], rtol=1e-10)
            continue
        elif label == "PD":
            expected = (0.0, form["b"])
        elif label == "BP":
            expected = (form["b20"] / 2, form["b30"] / 6)
        else:
            expected = (form["a"], found.c)
        np.testing.assert_allclose([found.a, found.c], expected, rtol=1e-9, atol=1e-12, err_msg=label)


# ---------------------------------------------------------------- identities


@pytest.fixture(scope="module", params=["real", "pair"])
def network_channel(request):
    rng = np.random.default_rng(1)
    n = 6
    W = 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
    Q = np.linalg.qr(rng.standard_normal((n, 2)))[0]
    core = np.diag([1.2, 0.0]) if request.param == "real" else np.array([[1.2, -0.8], [0.8, 1.2]])
    W += (Q + 0.2 * rng.standard_normal((n, 2))) @ core @ Q.T
    net = nc.RateRNN(W, b=0.1 * rng.standard_normal(n))
    params = {"gain": 0.6}
    x = nc.find_fixed_points(net, starts=np.zeros((1, n)), params=params).x[0]
    initial = x + 0.3 * rng.standard_normal((3, n))
    one, found = channel_of(net, "all", initial, x, params, steps=80, dt=0.1, record_every=4)
    assert one.directions.kind == request.param
    return net.jac(x, params), one, found


def test_parameter_side_identities(network_channel):
    _, one, found = network_channel
    G, J = one.directions.basis, found.J
    r = G.shape[1]
    assert r == 2  # drive and growth, or growth and frequency
    np.testing.assert_allclose(G.T @ G, np.eye(r), atol=1e-12)
    whole, inside = J @ J.T, one.restricted @ one.restricted.T
    rest = J @ (np.eye(J.shape[1]) - G @ G.T) @ J.T
    np.testing.assert_allclose(inside + rest, whole, atol=1e-10 * np.trace(whole))
    for part in (inside, rest):
        assert np.linalg.eigvalsh(part)[0] > -1e-10 * np.trace(whole)
    e = np.linalg.eigvalsh(inside)[::-1]
    assert e[r - 1] > 1e-9 * e[0]
    assert e[r] < 1e-12 * e[0]
    np.testing.assert_allclose(one.shares.f_par, np.trace(inside) / np.trace(whole), rtol=1e-12)
    np.testing.assert_allclose(one.shares.total, np.trace(whole), rtol=1e-12)
    exact = np.linalg.norm(whole - one.normal_form @ one.normal_form.T) / np.linalg.norm(whole)
    np.testing.assert_allclose(one.nf_error_full(found, found.J.T), exact, rtol=1e-9)
    exact = np.linalg.norm(inside - one.normal_form @ one.normal_form.T) / np.linalg.norm(inside)
    np.testing.assert_allclose(one.nf_error, exact, rtol=1e-9)


def test_state_side_identities(network_channel):
    A, one, found = network_channel
    n, d, s = len(A), one.directions, one.shares
    P = np.outer(d.v, d.w.conj()) if d.kind == "real" else 2 * np.outer(d.v, d.w.conj()).real
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    np.testing.assert_allclose(A @ P, P @ A, atol=1e-12)
    blocks = found.J.reshape(-1, n, found.J.shape[1])
    Jb = (P @ blocks).reshape(found.J.shape)
    Jr = found.J - Jb
    np.testing.assert_allclose([s.J_b, s.J_r], [np.sum(Jb**2), np.sum(Jr**2)], rtol=1e-9)
    np.testing.assert_allclose(s.cross, np.sum(Jb * Jr), rtol=1e-8)
    np.testing.assert_allclose(s.J_b + s.J_r + 2 * s.cross, np.sum(found.J**2), rtol=1e-12)
    np.testing.assert_allclose(s.f_st, s.J_b / (s.J_b + s.J_r), rtol=1e-12)
    np.testing.assert_allclose(s.chi, 2 * s.cross / s.total, rtol=1e-12)
    plane = np.linalg.qr(np.stack([d.v.real, d.v.imag], axis=1)[:, : 1 + (d.kind == "pair")])[0]
    np.testing.assert_allclose(s.f_bordered, np.sum((plane.T @ blocks) ** 2) / s.total, rtol=1e-10)


def test_probes_estimate_what_is_beside_the_channel(network_channel, monkeypatch):
    _, one, found = network_channel
    monkeypatch.setattr(decompositions, "_FORMED", 0)
    through_times = decompositions.shares(found, one.directions, one.restricted, one.shares.total)
    assert through_times.exact
    for name in ("f_st", "chi", "f_bordered"):
        np.testing.assert_allclose(getattr(through_times, name), getattr(one.shares, name), rtol=1e-9, err_msg=name)
    monkeypatch.setattr(decompositions, "_TIMES", 0)
    monkeypatch.setattr(decompositions, "_PROBES", 4000)
    estimated = decompositions.shares(found, one.directions, one.restricted)
    assert one.shares.exact
    assert not estimated.exact
    for name in ("total", "f_par", "f_st", "f_bordered"):
        np.testing.assert_allclose(getattr(estimated, name), getattr(one.shares, name), rtol=0.06, err_msg=name)


def escaping(**options):
    return nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu"], theta_scale="none", state_scale="none", T=2.0, dt=0.01, **options
    )


def test_trials_that_blow_up_and_points_that_are_not_fixed_are_named():
    model = nc.Model.from_equations({"x": "mu*x + x**3"}, {"mu": -0.1})
    with pytest.warns(RuntimeWarning, match=r"trial 1 blew up at t = 0\.\d+ and is left out"):
        one = nc.ntk.channels(escaping(initial_states=[[0.1], [2.0]]), model, [0.0])
    alone = nc.ntk.channels(escaping(initial_states=[[0.1]]), model, [0.0])
    np.testing.assert_allclose(one.total, alone.total, rtol=1e-12)
    with pytest.raises(nc.InputError, match=r"all 1 trials blew up, trial 0 first at t = .*no kernel"):
        nc.ntk.channels(escaping(initial_states=[[2.0]]), model, [0.0])
    with pytest.raises(nc.InputError, match=r"x: it is no fixed point .*residual 0\.003"):
        nc.ntk.channels(escaping(initial_states=[[0.1]]), model, [0.3])


def test_large_kernels_have_the_trace_that_evaluate_reports(monkeypatch):
    rng = np.random.default_rng(3)
    net = nc.RateRNN(0.9 * rng.standard_normal((8, 8)) / np.sqrt(8), alpha=0.3)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=rng.standard_normal((2, 8)), T=12)
    exact = nc.ntk.channels(kernel, net, np.zeros(8))
    monkeypatch.setattr(sys.modules["ntkcont.ntk.channels.verb"], "FORMED", 0)
    large = nc.ntk.channels(kernel, net, np.zeros(8))
    np.testing.assert_allclose([large.total, large.f_par], [exact.total, exact.f_par], rtol=1e-9)
