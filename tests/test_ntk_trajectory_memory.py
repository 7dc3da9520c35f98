"""Trials, and spectra of their kernel, that do not fit in memory are refused with the sizes before they are run."""

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.ntk.trajectory import memory, network, rollout, spectra
from ntkcont.ntk.trajectory.bound import BoundTrajectoryNTK

NET = nc.RateRNN(np.zeros((8, 8)), alpha=0.1)
FLOW = nc.RateRNN(np.zeros((8, 8)))
OTHER = nc.Model.from_equations({"x": "mu - x"}, {"mu": 0.0})
CASES = {
    "map": (NET, {"theta": "W", "T": 1000}, 8, r"20000 trials x 1000 steps x 8 states"),
    "flow": (FLOW, {"theta": "W", "T": 100, "dt": 0.1}, 8, r"20000 trials x 1000 steps x 8 states"),
    "other": (
        OTHER,
        {"theta": ["mu"], "T": 1000, "dt": 0.5, "record_every": 2, "state_scale": "none", "theta_scale": "none"},
        1,
        r"20000 trials x 1000 recorded times x 1 states",
    ),
}


@pytest.fixture
def nothing_runs(monkeypatch):
    """Room for 100 MB, and a simulation that must not begin."""

    def refused(*_):
        raise AssertionError("a simulation was started")

    for module in (memory, spectra):
        monkeypatch.setattr(module, "available_bytes", lambda: 10**8)
    for owner in (network.NetworkRollouts, rollout.Rollouts):
        monkeypatch.setattr(owner, "simulate", refused)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("method", ["auto", "state", "parameter", "operator"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trials_that_do_not_fit_are_refused_before_they_are_simulated(case, method):
    model, options, n, sizes = case
    kernel = nc.ntk.StateNTK(kernel="trajectory", initial_states=np.zeros((20000, n)), method=method, **options)
    expected = rf"^initial_states, T: {sizes}.* need [\d.]+ [MGT]B, but 100 MB are available; take fewer trials"
    for run in (
        lambda: kernel.evaluate(model),
        lambda: kernel.trajectories(model),
        lambda: nc.ntk.learning_report(kernel, model, np.zeros((1000, n))),
    ):
        with pytest.raises(nc.InputError, match=expected):
            run()


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("method", ["state", "parameter"])
def test_a_method_that_does_not_fit_is_refused_before_the_simulation(method):
    net = nc.RateRNN(np.zeros((40, 40)), b=np.zeros(40), alpha=0.1)
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["W", "b"], initial_states=np.zeros((20, 40)), T=150, method=method
    )
    expected = rf"^method: '{method}' needs [\d.]+ GB for 120000 rows .* 1640 parameters.*'operator'"
    for run in (lambda: kernel.evaluate(net), lambda: nc.ntk.learning_report(kernel, net, np.zeros((150, 40)))):
        with pytest.raises(nc.InputError, match=expected):
            run()


def test_the_sizes_known_before_are_those_of_the_trajectories():
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((2, 5, 2))
    masked = nc.RateRNN(rng.standard_normal((5, 5)), b=np.zeros(5), mask=rng.random((5, 5)) < 0.5, alpha=0.1)
    plain = nc.RateRNN(nc.LowRank(U, V), b=np.zeros(5), alpha=0.1)
    for net in (masked, plain):
        kernel = nc.ntk.StateNTK(kernel="trajectory", theta="all", initial_states=np.zeros((2, 5)), T=4)
        found = kernel.trajectories(net)
        bound = kernel.bind(net)
        assert isinstance(bound, BoundTrajectoryNTK)
        assert min(found.size, bound.rollouts.most_columns(2)) == found.most_columns
