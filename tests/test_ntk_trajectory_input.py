"""What trajectory kernels say about bad input."""

from __future__ import annotations

import re

import numpy as np
import pytest

import ntkcont as nc

NET = nc.RateRNN(np.eye(3), W_in=np.ones((3, 2)), inputs={"stim": [1.0, 0.0]})
MAP = nc.RateRNN(np.eye(3), alpha=0.5)
SCALAR = nc.Model.from_equations({"x": "mu - x"}, {"mu": 0.0})
GOOD = {"kernel": "trajectory", "theta": "W", "initial_states": np.zeros((2, 3)), "T": 1.0, "dt": 0.1}

CONSTRUCTION = [
    ({"T": None}, "T: not given; kernel='trajectory' needs the horizon"),
    ({"initial_states": None}, "initial_states: not given; kernel='trajectory' needs an array (B, n) or a function"),
    ({"T": -1.0}, "T: -1.0 was given; it must be a positive number"),
    ({"dt": "0.1"}, "dt: '0.1' was given; it must be a positive number"),
    ({"weights": "men"}, "weights: 'men' is unknown; did you mean 'mean'?"),
    ({"method": "lanczos"}, "method: 'lanczos' is unknown; it may be 'auto', 'state', 'parameter', 'operator'"),
    ({"record_every": 1.5}, "record_every: 1.5 was given; it must be a positive whole number of steps"),
    ({"integrator": "rk5"}, "integrator: 'rk5' is unknown; did you mean 'rk4'?"),
    ({"integrator": 3}, "integrator: int was given; it may be 'euler', 'rk4' or a solver of diffrax"),
    ({"conditions": [{"stim": 0.0}]}, "conditions: they stack equilibria; for trajectories give inputs"),
    ({"kernel": "trajectories"}, "kernel: 'trajectories' is unknown; did you mean 'trajectory'?"),
    ({"kernel": "equilibrium"}, "initial_states: it belongs to kernel='trajectory', but the kernel is 'equilibrium'"),
]

BINDING = [
    (NET, {"dt": None}, "dt: not given; a flow is integrated with fixed steps, so give their length"),
    (NET, {"dt": 0.3}, "T: 1 is no multiple of dt = 0.3; the nearest horizon is 0.9"),
    (NET, {"record_every": 11}, "record_every: 11 was given, but there are only 10 steps; nothing would be recorded"),
    (
        NET,
        {"record_every": 4},
        "record_every: 4 was given, which does not divide the 10 steps, so that the last 2 would be cut off; give 2 or",
    ),
    (NET, {"initial_states": np.zeros((2, 4))}, "initial_states: shape (2, 4); the model has 3 states, so give (B, 3)"),
    (NET, {"initial_states": [[np.nan, 0, 0]]}, "initial_states: it holds numbers that are not finite"),
    (NET, {"inputs": np.zeros((2, 9, 2))}, "inputs: shape (2, 9, 2) was given; give (2, 10, 2): trials, steps, input"),
    (
        NET,
        {"loss_mask": np.ones(9)},
        "loss_mask: shape (9,) was given; give (10,) or (2, 10): trials and recorded",
    ),
    (NET, {"loss_mask": np.zeros(10)}, "loss_mask: it must hold weights that are not negative (0 and 1), and not only"),
    (NET, {"loss_mask": -np.ones(10)}, "loss_mask: it must hold weights that are not negative"),
    (MAP, {"T": 10}, "dt: 0.1 was given, but the model is a map: T counts its steps; leave dt out"),
    (
        MAP,
        {"dt": None, "T": 10, "integrator": "euler"},
        "integrator: 'euler' was given, but the model is a map, which is iterated; leave integrator out",
    ),
    (MAP, {"dt": None, "T": 1.5}, "T: 1.5 was given; of a map it counts steps, so it must be a positive whole number"),
    (MAP, {"dt": None, "T": 10, "inputs": np.zeros((2, 10, 2))}, "inputs: the model takes no time-dependent inputs"),
]


@pytest.mark.parametrize(("changes", "message"), CONSTRUCTION)
def test_at_construction(changes, message):
    with pytest.raises(nc.InputError, match=re.escape(message)):
        nc.ntk.StateNTK(**{**GOOD, **changes})


@pytest.mark.parametrize(("model", "changes", "message"), BINDING)
def test_when_bound(model, changes, message):
    kernel = nc.ntk.StateNTK(**{**GOOD, **changes})
    with pytest.raises(nc.InputError, match=re.escape(message)):
        kernel.evaluate(model)


def test_inputs_of_equations():
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu"], theta_scale="none", state_scale="none", initial_states=[[0.0]],
        T=1.0, dt=0.1, inputs=np.zeros((1, 10, 1)),
    )  # fmt: skip
    with pytest.raises(nc.InputError, match=r"the model takes no time-dependent inputs .* build a RateRNN with W_in"):
        kernel.evaluate(SCALAR)


def test_functions_of_the_fixed_point():
    kernel = nc.ntk.StateNTK(**{**GOOD, "initial_states": lambda x, p: np.tile(x, (2, 1)) + p["gain"]})
    with pytest.raises(nc.InputError, match=re.escape("x: not given, but initial_states is a function")):
        kernel.evaluate(NET)
    assert kernel.evaluate(NET, np.zeros(3)).top[0] > 0
    for wrong, message in (
        (lambda x, p: np.zeros((2, 2)), "initial_states(x, p): shape (2, 2); the model has 3 states"),
        (lambda x, p: "here", "initial_states(x, p): str was given; give numbers, shape (B, 3)"),
    ):
        kernel = nc.ntk.StateNTK(**{**GOOD, "initial_states": wrong})
        with pytest.raises(nc.InputError, match=re.escape(message)):
            kernel.evaluate(NET, np.zeros(3))
    uneven = {"inputs": np.zeros((3, 10, 2)), "initial_states": lambda x, p: np.zeros((2, 3))}
    with pytest.raises(nc.InputError, match="inputs: they have 3 trials, but initial_states gave 2"):
        nc.ntk.StateNTK(**{**GOOD, **uneven}).evaluate(NET, np.zeros(3))
    uneven = {"loss_mask": np.ones((3, 10)), "initial_states": lambda x, p: np.zeros((2, 3))}
    with pytest.raises(nc.InputError, match="loss_mask: it has 3 trials, but there are 2"):
        nc.ntk.StateNTK(**{**GOOD, **uneven}).evaluate(NET, np.zeros(3))


def test_as_many_trials_at_every_point():
    starts = iter([np.zeros((2, 3)), np.zeros((1, 3))])
    kernel = nc.ntk.StateNTK(**{**GOOD, "initial_states": lambda x, p: next(starts)})
    with pytest.raises(nc.InputError, match="initial_states: 1 trials, but 2 at the point before"):
        kernel.evaluate(NET, np.zeros((2, 3)))


def test_other_kernels_need_fixed_points():
    with pytest.raises(nc.InputError, match="x: not given; kernel='equilibrium' belongs to fixed points"):
        nc.ntk.StateNTK().evaluate(NET)
    with pytest.raises(nc.InputError, match="kernel: it is 'equilibrium'; only kernel='trajectory' has trajectories"):
        nc.ntk.StateNTK().trajectories(NET)
