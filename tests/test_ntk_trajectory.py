"""Kernels of trajectories against closed forms and tables: finite horizons, limits, weights, branches."""

from __future__ import annotations

import logging
import warnings

import diffrax
import jax
import numpy as np
import pytest
from invariants import check_branch
from ntk_networks import newton

import ntkcont as nc

UNSCALED = {"theta_scale": "none", "state_scale": "none"}
PITCHFORK = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"mu": 0.0, "h": 0.0})
HOPF = nc.Model.from_equations(
    {"x": "mu*x - omega*y - x*(x**2 + y**2)", "y": "omega*x + mu*y - y*(x**2 + y**2)"}, {"mu": -0.1, "omega": 1.0}
)
# T, mu, x(T), S_mu(T), int S_mu^2, S_h(T), int S_h^2 of x' = h + mu x - x^3 from 0.1, by RK4 with dt = 0.01
TABLE = [
    (10, -0.10, 0.035294, 0.34328922, 0.717324, 6.120348, 157.2345),
    (10, 0.0, 0.091287, 0.83679835, 2.542084, 8.785485, 273.2798),
    (10, 0.10, 0.212333, 1.57989624, 7.595654, 10.462901, 402.9454),
    (100, 0.0, 0.057735, 3.84900179, 702.25621, 56.150998, 123658.16),
    (100, 0.01, 0.100000, 4.32332358, 951.89094, 43.233236, 95189.093),
]


def pitchfork_closed_form(t, mu, x0):
    """x and d x/d mu of ``x' = mu x - x^3``."""
    if abs(mu) < 1e-7:  # the other form cancels
        return x0 / np.sqrt(1 + 2 * x0**2 * t), x0 * t * (1 + x0**2 * t) / (1 + 2 * x0**2 * t) ** 1.5
    E = np.exp(2 * mu * t)
    D = mu + x0**2 * (E - 1)
    x = np.sqrt(mu * x0**2 * E / D)
    return x, x / 2 * (1 / mu + 2 * t - (1 + 2 * t * x0**2 * E) / D)


def trajectories(model, theta, initial, *, x=None, params=None, **options):
    scales = {} if isinstance(model, nc.RateRNN) else UNSCALED
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta=theta, initial_states=initial, **scales, **options)
    return kernel.evaluate(model, x, params)


# ---------------------------------------------------------------- pitchfork and Hopf normal forms


@pytest.mark.parametrize("row", TABLE)
def test_pitchfork_at_a_finite_horizon(row):
    T, mu, x_end, S_end, S_squared, h_end, h_squared = row
    dt = 0.01
    steps = round(T / dt)
    last = np.arange(steps) == steps - 1
    for theta, end, squared, digits in (("mu", S_end, S_squared, 8), ("h", h_end, h_squared, 6)):
        common = {"T": T, "dt": dt, "params": {"mu": mu}}
        whole = trajectories(PITCHFORK, [theta], [[0.1]], weights="time", **common)
        at_end = trajectories(PITCHFORK, [theta], [[0.1]], loss_mask=last, **common)
        np.testing.assert_allclose(np.sqrt(at_end.top[0]), end, atol=0.6 * 10.0**-digits)
        by_trapezoid = whole.top[0] - dt / 2 * at_end.top[0]  # the first term of the sum is zero
        np.testing.assert_allclose(by_trapezoid, squared, rtol=1e-7 if squared > 1000 else 8e-7)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta=["mu"], initial_states=[[0.1]], T=T, dt=dt, **UNSCALED)
    found = kernel.trajectories(PITCHFORK, params={"mu": mu})
    assert found.states.shape == (1, steps, 1)
    np.testing.assert_allclose(found.states[0, -1, 0], x_end, atol=6e-7)
    x, S = pitchfork_closed_form(found.times, mu, 0.1)
    np.testing.assert_allclose(found.states[0, :, 0], x, rtol=1e-8)
    np.testing.assert_allclose(found.jvp(np.ones(1)), S, rtol=1e-8)
    np.testing.assert_allclose(found.dense()[:, 0], S, rtol=1e-8)


def test_hopf_at_a_finite_horizon():
    before = trajectories(HOPF, ["mu", "omega"], [[1e-3, 0.0]], params={"mu": -0.1}, T=50, dt=0.02, weights="time")
    np.testing.assert_allclose(before.eigenvalues[0, :2], [2.493066e-4, 2.493054e-4], atol=0.6e-10)
    np.testing.assert_allclose(before.participation_ratio, 2.0, atol=5e-5)


def test_on_a_cycle_the_frequency_wins():
    mu, T, dt = 0.1, 50, 0.02
    sig = trajectories(HOPF, ["mu", "omega"], [[np.sqrt(mu), 0.0]], params={"mu": mu}, T=T, dt=dt, weights="time")
    t = dt * np.arange(1, round(T / dt) + 1)
    # r' = mu r - r^3 beside the cycle, and the phase that runs away: two orthogonal directions in the plane
    radius = np.sqrt(mu) * (1 - np.exp(-2 * mu * t)) / (2 * mu)
    np.testing.assert_allclose(sig.eigenvalues[0, :2], [dt * np.sum(mu * t**2), dt * np.sum(radius**2)], rtol=1e-7)
    np.testing.assert_allclose(sig.top, mu * T**3 / 3, rtol=1e-3)
    assert 1.0 < sig.participation_ratio[0] < 1.06


def test_student_before_training():
    rng = np.random.default_rng(3)
    rng.standard_normal((16, 16))
    v = rng.standard_normal(16)
    rng.standard_normal(16)
    assert v.shape == (16,)
    student = 0.3 * rng.standard_normal((16, 16)) / 4
    initial = 0.5 * rng.standard_normal((8, 16)) / 2
    net = nc.RateRNN(student, alpha=0.1)
    sig = trajectories(net, "W", initial, T=100, weights="mean", x=np.zeros(16))
    np.testing.assert_allclose(sig.top, 0.0148, atol=5e-5)
    np.testing.assert_allclose(sig.participation_ratio, 76.4, atol=0.05)
    np.testing.assert_allclose(np.real(sig.lambda_c[0]) - 1, 0.1 * -0.831, atol=5e-5)


# ---------------------------------------------------------------- limits and weights


def network(alpha=None, seed=5, n=6):
    rng = np.random.default_rng(seed)
    W = 0.8 * rng.standard_normal((n, n)) / n**0.5
    return nc.RateRNN(W, b=0.4 * rng.standard_normal(n), alpha=alpha)


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_long_horizon_is_the_equilibrium_kernel(alpha):
    net = network(alpha)
    x = newton(net, np.zeros(6))
    rest = nc.ntk.StateNTK().evaluate(net, x)
    options = {"dt": 0.1, "integrator": "euler"} if alpha is None else {}
    errors, horizons = [], np.array([10, 14, 18, 200] if alpha is None else [40, 55, 70, 200])
    for T in horizons:
        steps = int(T if alpha else T / 0.1)
        mask = np.arange(steps) == steps - 1
        sig = trajectories(net, "all", np.zeros((1, 6)), T=int(T), loss_mask=mask, x=x, **options)
        known = rest.eigenvalues.shape[1]
        assert not sig.eigenvalues[:, known:].any()  # rows of weight zero
        errors.append(np.max(np.abs(sig.eigenvalues[:, :known] - rest.eigenvalues)) / rest.top[0])
        for name in ("lambda_0", "lambda_c", "kappa", "g", "top_resolvent"):
            np.testing.assert_allclose(sig[name], rest[name], rtol=1e-9, err_msg=name)
    assert errors[-1] < 1e-10
    critical = rest.lambda_c[0]
    rate = np.log(np.abs(critical)) if alpha else np.log(np.abs(1 + 0.1 * critical)) / 0.1
    slope = np.log(errors[2] / errors[0]) / (horizons[2] - horizons[0])
    assert abs(slope / rate - 1) < 0.25  # exp(lambda_c T), times what oscillates


def test_weights_and_recorded_times():
    net = network(0.4)
    initial = np.random.default_rng(1).standard_normal((3, 6))
    J = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=initial, T=12).trajectories(net).dense()
    J = J.reshape(3, 12, 6, -1)

    def tops(part, weight):
        return weight * np.linalg.svd(part.reshape(-1, 36), compute_uv=False)[:8] ** 2

    found = trajectories(net, "W", initial, T=12, weights="mean")
    np.testing.assert_allclose(found.eigenvalues[0], tops(J, 1 / 36), rtol=1e-9)
    found = trajectories(net, "W", initial, T=12, weights="mean", record_every=4)
    np.testing.assert_allclose(found.eigenvalues[0], tops(J[:, [3, 7, 11]], 1 / 9), rtol=1e-9)
    found = trajectories(net, "W", initial, T=12, weights="time", record_every=3)
    np.testing.assert_allclose(found.eigenvalues[0], tops(J[:, 2::3], 3.0), rtol=1e-9)
    mask = np.zeros((3, 12))
    mask[0, 3], mask[2, 7:] = 1, 1
    found = trajectories(net, "W", initial, T=12, loss_mask=mask)
    np.testing.assert_allclose(found.eigenvalues[0], tops(J[mask > 0], 1.0), rtol=1e-9)
    C = np.random.default_rng(2).standard_normal((2, 6))
    found = trajectories(net, "W", initial, T=12, readout=C)
    np.testing.assert_allclose(found.eigenvalues[0], tops(np.einsum("qi,btip->btqp", C, J), 1.0), rtol=1e-9)


def test_units_do_not_matter():
    in_volts = nc.Model.from_equations({"v": "a*(e - v) + v*v*b"}, {"a": 1.0, "e": -0.06, "b": 3.0})
    in_millivolts = nc.Model.from_equations({"v": "a*(e - v) + v*v*b"}, {"a": 1.0, "e": -60.0, "b": 3e-3})
    both = []
    for model, start in ((in_volts, -0.03), (in_millivolts, -30.0)):
        kernel = nc.ntk.StateNTK(
            kernel="trajectory", theta="all", theta_scale="relative", state_scale="relative",
            initial_states=[[start]], T=5, dt=0.05,
        )  # fmt: skip
        both.append(kernel.evaluate(model))
    for name in both[0].names:
        np.testing.assert_allclose(both[1][name], both[0][name], rtol=1e-9, err_msg=name)


def test_diffrax_solver_agrees_with_rk4():
    net = network()
    initial = np.random.default_rng(3).standard_normal((2, 6))
    options = {"T": 1.0, "dt": 0.01, "record_every": 10}
    ours = trajectories(net, "all", initial, **options)
    other = trajectories(net, "all", initial, integrator=diffrax.Tsit5(), **options)
    assert (ours.metadata["integrator"], other.metadata["integrator"]) == ("rk4", "Tsit5")
    np.testing.assert_allclose(other.eigenvalues, ours.eigenvalues, rtol=1e-8)
    by_operator = trajectories(net, "all", initial, integrator=diffrax.Tsit5(), method="operator", **options)
    np.testing.assert_allclose(by_operator.eigenvalues, ours.eigenvalues, rtol=1e-8)


# ---------------------------------------------------------------- trajectories that blow up


@pytest.mark.parametrize("as_map", [False, True])
def test_a_trial_that_blows_up_is_left_out(as_map):
    if as_map:
        model = nc.Model.from_equations({"x": "a*x**2"}, {"a": 1.0}, kind="map")
        options, when = {"T": 40}, np.ceil(np.log2(100 / np.log10(2.0)))  # 2^(2^k) exceeds 1e100
    else:
        model = nc.Model.from_equations({"x": "a*x**2"}, {"a": 1.0})
        options, when = {"T": 1.0, "dt": 0.001}, 0.5
    initial = np.array([[-0.5], [2.0], [0.25]])
    with pytest.warns(RuntimeWarning, match="trial 1 blew up at"):
        sig = trajectories(model, ["a"], initial, weights="mean", **options)
    np.testing.assert_allclose(sig.blow_up[0], [np.nan, when, np.nan], atol=0 if as_map else 0.02)
    assert sig.metadata["blown_up"] == {"1": sig.blow_up[0, 1]}
    without = trajectories(model, ["a"], initial[[0, 2]], weights="mean", **options)
    assert np.all(np.isnan(without.blow_up))
    for name in ("eigenvalues", "trace", "participation_ratio"):
        np.testing.assert_allclose(sig[name], without[name], rtol=1e-13)


def test_all_trials_blow_up():
    model = nc.Model.from_equations({"x": "a*x**2"}, {"a": 1.0})
    with pytest.warns(RuntimeWarning, match="trial 0 blew up at t ="):
        sig = trajectories(model, ["a"], [[2.0]], T=1.0, dt=0.01)
    assert np.all(np.isnan(sig.eigenvalues))
    assert np.isnan(sig.top[0])


def test_trials_that_blow_up_at_some_points():
    """x' = a x^2 from 1 leaves every bound at t = 1/a: kept below a = 1, left out above."""
    model = nc.Model.from_equations({"x": "a*x**2"}, {"a": 1.0})
    with pytest.warns(RuntimeWarning, match="trial 1 blew up at"):
        sig = trajectories(model, ["a"], [[-0.5], [1.0]], params={"a": [0.5, 2.0]}, T=1.0, dt=0.002, record_every=500)
    np.testing.assert_allclose(sig.blow_up[:, 1], [np.nan, 0.5], atol=0.02)
    slopes = [[0.25 / 1.25**2, 1.0 / 0.5**2], [0.25 / 2.0**2, 0.0]]  # of x0/(1 - a x0 t) in a, at t = 1
    np.testing.assert_allclose(sig.top, np.sum(np.square(slopes), axis=1), rtol=1e-8)
    assert sig.eigenvalues.shape == (2, 2)


def test_network_trial_that_blows_up_is_left_out():
    net = nc.RateRNN(np.array([[3.0, 0.0], [0.0, 0.2]]), b=[-1.0, 0.1], phi="relu")
    initial = np.array([[0.2, 0.1], [1.5, 0.0]])  # the first falls to rest, the second grows as exp(2 t)
    with pytest.warns(RuntimeWarning, match="trial 1 blew up at"):
        sig = trajectories(net, "all", initial, T=200, dt=0.1, record_every=100)
    alone = trajectories(net, "all", initial[:1], T=200, dt=0.1, record_every=100)
    np.testing.assert_allclose(sig.eigenvalues, alone.eigenvalues, rtol=1e-12, atol=1e-14 * alone.top[0])
    assert 100 < sig.blow_up[0, 1] < 130  # exp(2 t) reaches 1e100 at 115


# ---------------------------------------------------------------- on branches


def test_the_peak_of_a_finite_horizon_lies_past_the_bifurcation():
    T, dt, x0 = 10.0, 0.01, 0.1
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu"], initial_states=[[x0]], T=T, dt=dt, weights="time", **UNSCALED
    )
    settings = nc.ContinuationSettings(ds=0.01, ds_max=0.01)
    branch = nc.continuation(
        PITCHFORK, [0.0], free="mu", p_span=(-1.0, 1.5), params={"mu": -1.0}, settings=settings, ntk=kernel
    )
    check_branch(branch, PITCHFORK)
    (pitchfork,) = branch.special_points("BP")
    assert abs(pitchfork.p) < 1e-9  # from the test functions, whatever the kernel does
    t = dt * np.arange(1, 1001)
    expected = [dt * np.sum(pitchfork_closed_form(t, mu, x0)[1] ** 2) for mu in branch.p]
    np.testing.assert_allclose(branch.ntk.top, expected, rtol=1e-6)
    np.testing.assert_allclose(pitchfork.ntk["top"], dt * np.sum(pitchfork_closed_form(t, 0.0, x0)[1] ** 2), rtol=1e-6)
    fine = np.linspace(-1.0, 1.5, 2501)
    exact_peak = fine[np.argmax([np.sum(pitchfork_closed_form(t, mu, x0)[1] ** 2) for mu in fine])]
    peak = branch.p[np.argmax(branch.ntk.top)]
    assert abs(peak - exact_peak) < 0.03
    assert 1.0 < exact_peak * T < 7.0
    assert peak > 10 * abs(pitchfork.p)


def test_branch_compiles_once():
    net = network(n=4)
    x = newton(net, np.zeros(4))
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=lambda x, p: x + p["gain"] * np.eye(4)[:2], T=2, dt=0.1
    )
    settings = nc.ContinuationSettings(ds=0.005, ds_max=0.005)
    branch = nc.continuation(net, x, free="gain", p_span=(0.5, 1.5), settings=settings)
    assert len(branch) >= 200
    bound = kernel.bind(net, branch.free, dict(branch.params))
    first = bound.evaluate(branch.x[:1], branch.p[:1], branch.tangent[:1], branch.eigenvalues[:1])
    compilations = []

    class Counter(logging.Handler):
        def emit(self, record):
            if "Compiling" in record.getMessage():
                compilations.append(record.getMessage())

    log, counter = logging.getLogger("jax"), Counter()
    propagate, log.propagate = log.propagate, False
    log.addHandler(counter)
    try:
        with jax.log_compiles():
            again = nc.annotate(branch, kernel)
    finally:
        log.removeHandler(counter)
        log.propagate = propagate
    assert compilations == []
    np.testing.assert_allclose(again.ntk.top[:1], first["top"], rtol=1e-12)


def test_on_a_branch_as_at_its_points():
    net = network(n=4)
    x = newton(net, np.zeros(4))
    offsets = 0.1 * np.random.default_rng(0).standard_normal((2, 4))
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=lambda x, p: x + offsets, T=2, dt=0.1, weights="mean"
    )
    branch = nc.continuation(net, x, free="gain", p_span=(0.5, 1.5), ntk=kernel)
    check_branch(branch, net)
    assert branch.ntk.metadata["kernel"] == "trajectory"
    assert branch.ntk.metadata["initial_state_in_theta"] is False
    assert branch.ntk.metadata["method"] in ("state", "parameter", "operator")
    assert branch.provenance["kernel"]["kernel"] == "trajectory"
    row = len(branch) // 2
    one = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=branch.x[row] + offsets, T=2, dt=0.1, weights="mean"
    ).evaluate(net, branch.x[row], {"gain": branch.p[row]})
    for name in ("eigenvalues", "trace", "align_state", "align_theta"):
        np.testing.assert_allclose(branch.ntk[name][row], one[name][0], rtol=1e-7, err_msg=name)
    end = branch.special_points("EP")[0]
    np.testing.assert_allclose(end.ntk["top"], branch.ntk.top[0], rtol=1e-7)


def test_saved_and_loaded(tmp_path):
    net = network(0.5, n=3)
    x = newton(net, np.zeros(3))
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=np.ones((1, 3)), T=5)
    branch = nc.continuation(net, x, free="gain", p_span=(0.9, 1.1), ntk=kernel)
    check_branch(branch, net)
    branch.save(tmp_path / "b.npz")
    assert nc.load(tmp_path / "b.npz") == branch


def test_ghost_beyond_a_fold():
    """No fixed point is needed: mu + x^2 with mu > 0 has none, and the passage is slow."""
    model = nc.Model.from_equations({"x": "mu + x**2"}, {"mu": 0.0})
    tops = []
    for mu in (0.04, 0.01):
        T = 0.9 * np.pi / np.sqrt(mu)  # most of the way from -inf to inf, which takes pi/sqrt(mu)
        x0 = -np.sqrt(mu) / np.tan(0.05 * np.pi)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            steps = 4000
            mask = np.arange(steps) == steps - 1
            sig = trajectories(model, ["mu"], [[x0]], params={"mu": mu}, T=T, dt=T / steps, loss_mask=mask)
        # x = sqrt(mu) tan(sqrt(mu) t - c): d x/d mu at fixed x0, from the exact solution
        tops.append(sig.top[0])
        s, q = np.sqrt(mu), np.arctan(x0 / np.sqrt(mu))
        phase = s * T + q
        exact = np.tan(phase) / (2 * s) + s / np.cos(phase) ** 2 * (T / (2 * s) - x0 / (2 * s * (mu + x0**2)))
        np.testing.assert_allclose(sig.top, exact**2, rtol=1e-6)
    assert "lambda_c" not in sig
