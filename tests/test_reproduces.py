"""`reproduces` compares a network with a recorded trial and names what is wrong with it."""

from __future__ import annotations

import networks_truth as truth
import numpy as np
import pytest

import ntkcont as nc

N, D, T = 12, 2, 40


def network(seed=0, scale=1.4):
    rng = np.random.default_rng(seed)
    W, W_in = scale * rng.standard_normal((N, N)) / np.sqrt(N), rng.standard_normal((N, D))
    return W, W_in, 0.3 * rng.standard_normal(N), rng.standard_normal((T, D))


def record(W, W_in, b, inputs, *, form="rate", phi="tanh", alpha=0.2, phi_gain=1.0, gain=1.0, convention=1, noise=0.0):
    """A trial as a recurrent module would make it: the state at t + 1 sees inputs[t + convention]."""
    rng = np.random.default_rng(9)
    z = [0.1 * rng.standard_normal(N)]
    for t in range(T - 1):
        u = W_in @ inputs[t + convention]
        common = {"gain": gain, "phi_gain": phi_gain, "tau": None, "alpha": alpha}
        step = truth.rhs(z[-1], W=W, b=b, u=u, phi=phi, form=form, **common)
        z.append(step + noise * rng.standard_normal(N))
    return np.array(z)


@pytest.mark.parametrize("form", ["rate", "synaptic"])
@pytest.mark.parametrize("phi", ["tanh", "relu", "softplus", "sigmoid", "retanh"])
@pytest.mark.parametrize("convention", [0, 1])
def test_the_right_network_is_confirmed(form, phi, convention):
    W, W_in, b, inputs = network(scale=0.7)
    alpha = np.linspace(0.1, 1.0, N)
    z = record(W, W_in, b, inputs, form=form, phi=phi, alpha=alpha, convention=convention, phi_gain=1.2, gain=0.9)
    net = nc.RateRNN(W, b, W_in, phi=phi, alpha=alpha, form=form, phi_gain=1.2)
    report = net.reproduces(z, inputs, {"gain": 0.9})
    assert report.ok
    assert report.error < 1e-13
    assert report.sees == ("inputs[t]", "inputs[t + 1]")[convention]
    assert not report.changes
    assert repr(report).startswith("reproduced: one-step error")


RIGHT = {"form": "rate", "phi": "relu", "alpha": 0.2}


def wrong(**changed):
    """A network that differs from the recorded one (relu, rate form, alpha 0.2) in what is given."""
    W, W_in, b, _ = network(scale=0.8)
    options = {"W": W, "b": b, "W_in": W_in, **RIGHT, **changed}
    return nc.RateRNN(**options)


W8, W_IN8, B8, INPUTS8 = network(scale=0.8)

CAUSES = {
    "transposed": ({"W": W8.T}, {"W": "transposed"}, "W is transposed: give W.T"),
    "form": ({"form": "synaptic"}, {"form": "rate"}, "form is wrong: give form='rate'"),
    "phi": ({"phi": "tanh"}, {"phi": "relu"}, "phi is wrong: give phi='relu'"),
    "alpha": ({"alpha": 0.5}, {"alpha": 0.2}, "alpha is wrong: give alpha=0.2"),
    "bias": ({"b": None}, {"b": B8}, "a bias is missing: add changes['b']"),
    "two": (
        {"W": W8.T, "alpha": 0.1},
        {"W": "transposed", "alpha": 0.2},
        "give W.T; and alpha is wrong",
    ),
    "two more": (
        {"form": "synaptic", "phi": "softplus"},
        {"form": "rate", "phi": "relu"},
        "'rate'; and phi is wrong",
    ),
}


@pytest.mark.parametrize("case", CAUSES)
@pytest.mark.parametrize("convention", [0, 1])
def test_the_cause_is_named(case, convention):
    changed, expected, words = CAUSES[case]
    z = record(W8, W_IN8, B8, INPUTS8, convention=convention, **RIGHT)
    report = wrong(**changed).reproduces(z, INPUTS8)
    assert not report.ok
    assert words in report.cause
    assert set(report.changes) == set(expected)
    for name, value in expected.items():
        if name == "b":  # units that never fire say nothing about their bias
            fires = (z[1:] - 0.8 * z[:-1] > 1e-12).any(axis=0)
            assert fires.sum() > N / 2
            np.testing.assert_allclose(report.changes[name][fires], value[fires], atol=1e-6)
        elif isinstance(value, float):
            assert report.changes[name] == pytest.approx(value, rel=1e-9)
        else:
            assert report.changes[name] == value
    assert report.error > 1e-3
    assert report.error_after < 1e-8
    assert "NOT reproduced" in repr(report)
    assert "with that the error is" in repr(report)


@pytest.mark.parametrize(("delay", "shift", "words"), [(1, 2, "too late: give states[:-1]"), (-1, -1, "too early")])
def test_shifted_inputs_are_named_and_the_remedy_works(delay, shift, words):
    z = record(W8, W_IN8, B8, INPUTS8, convention=1 if delay == 1 else 0, **RIGHT)
    shifted = np.roll(INPUTS8, delay, axis=0)
    shifted[0 if delay == 1 else -1] = 0.0
    net = wrong()
    report = net.reproduces(z, shifted)
    assert report.changes == {"inputs": shift}
    assert words in report.cause
    again = net.reproduces(z[:-1], shifted[1:]) if delay == 1 else net.reproduces(z[1:], shifted[:-1])
    assert again.ok


def test_a_missing_bias_of_the_synaptic_form():
    W, W_in, b, inputs = network()
    z = record(W, W_in, b, inputs, form="synaptic", alpha=0.3)
    report = nc.RateRNN(W, 0.5 * b, W_in, alpha=0.3).reproduces(z, inputs)
    np.testing.assert_allclose(report.changes["b"], 0.5 * b, atol=1e-8)


def test_a_flow_is_compared_with_euler_steps():
    W, _, b, _ = network()
    tau, dt = np.linspace(1.0, 2.0, N), 0.05
    z = record(W, np.zeros((N, D)), b, np.zeros((T, D)), form="synaptic", alpha=dt / tau)
    assert nc.RateRNN(W, b, tau=tau).reproduces(z, dt=dt).ok
    z = record(W, np.zeros((N, D)), b, np.zeros((T, D)), form="synaptic", alpha=dt / 2.0)
    report = nc.RateRNN(W, b, tau=1.0).reproduces(z, dt=dt)
    assert report.changes == {"tau": pytest.approx(2.0, rel=1e-9)}
    assert "tau or dt is wrong: give tau=2 with this dt" in report.cause


def test_named_inputs_give_the_current_when_no_inputs_are_recorded():
    W, W_in, b, _ = network()
    c = np.array([1.0, -0.5])
    z = record(W, W_in, b, np.tile(0.7 * c, (T, 1)), alpha=0.3)
    net = nc.RateRNN(W, b, W_in, {"stim": c}, alpha=0.3, form="rate")
    assert net.reproduces(z, params={"stim": 0.7}).ok
    assert not net.reproduces(z, params={"stim": 0.2}).ok


def test_noise_is_not_explained_away():
    z = record(W8, W_IN8, B8, INPUTS8, noise=0.3, **RIGHT)
    report = wrong().reproduces(z, INPUTS8)
    assert not report.ok
    assert report.changes == {}
    assert "without noise?" in report.cause
    assert report.error == pytest.approx(report.error_after)


def test_the_cause_is_found_in_a_long_trial_with_one_wrong_input():
    rng = np.random.default_rng(3)
    inputs = np.zeros((700, D))
    inputs[690:] = rng.standard_normal((10, D))  # the only part of the trial that tells
    z = [np.zeros(N)]
    for t in range(699):
        z.append(0.8 * z[-1] + 0.2 * np.maximum(W8 @ z[-1] + W_IN8 @ inputs[t + 1], 0.0))
    report = wrong(b=None, alpha=0.5).reproduces(z, inputs)
    assert report.worst[0] > 680
    assert report.changes == {"alpha": pytest.approx(0.2)}


def test_single_precision_recordings_pass():
    z = record(W8, W_IN8, B8, INPUTS8, **RIGHT).astype(np.float32)
    report = wrong().reproduces(z, INPUTS8)
    assert report.ok
    assert 1e-9 < report.error < 1e-6 * report.scale


def test_the_worst_step_is_named():
    z = record(W8, W_IN8, B8, INPUTS8, **RIGHT)
    z[-1, 5] += 1.0
    assert wrong().reproduces(z, INPUTS8).worst == (T - 2, 5)


@pytest.mark.parametrize(
    ("states", "inputs", "options", "message"),
    [
        (np.zeros((T, N + 1)), None, {}, r"states: shape \(40, 13\) was given; with 12 units it must be \(T, 12\)"),
        (np.zeros((N, T)), None, {}, r"give its transpose, states.T"),
        (np.zeros((T, 3, N)), None, {}, r"give one trial, states\[:, k\]"),
        (np.zeros((T, N)), np.zeros((T, 3)), {}, r"inputs: shape \(40, 3\) was given; it must be \(40, 2\)"),
        (np.zeros((T, N)), np.zeros((D, T)), {}, r"give its transpose, inputs.T"),
        (np.full((T, N), np.nan), None, {}, r"states: the entry at \(0, 0\) is nan"),
        (np.zeros((T, N)), None, {"dt": 0.1}, r"dt: 0.1 was given, but the network is a map"),
        (np.zeros((T, N)), None, {"params": {"gian": 1.0}}, r"params: 'gian' is unknown; did you mean 'gain'\?"),
    ],
)
def test_bad_input_is_named(states, inputs, options, message):
    with pytest.raises(nc.InputError, match=message):
        wrong().reproduces(states, inputs, **options)


def test_what_a_network_without_inputs_or_dt_needs_is_named():
    net = nc.RateRNN(np.eye(N))
    with pytest.raises(nc.InputError, match=r"dt: None was given; the network is a flow, so give the step"):
        net.reproduces(np.zeros((T, N)))
    with pytest.raises(nc.InputError, match=r"inputs: the network has no W_in"):
        net.reproduces(np.zeros((T, N)), np.zeros((T, 2)), dt=0.1)
