"""Weights of torch's GRU are read whatever their prefix, other layers are named, and recorded trials are compared."""

from __future__ import annotations

import importlib.util

import gru_truth as truth
import numpy as np
import pytest

import ntkcont as nc

N, D, T = 4, 2, 60
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


def layer(prefix="", suffix="", gates=3, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(gates * N, D), (gates * N, N), (gates * N,), (gates * N,)]
    return {f"{prefix}{name}{suffix}": rng.standard_normal(shape) for name, shape in zip(NAMES, shapes, strict=True)}


@pytest.mark.parametrize("suffix", ["", "_l0"])
@pytest.mark.parametrize(
    ("stored", "prefix"), [("", None), ("", ""), ("rnn.", "rnn."), ("rnn.", "rnn"), ("module.net.cell.", None)]
)
def test_any_prefix_of_cell_and_layer(stored, prefix, suffix):
    sd = layer(stored, suffix) | {"fc.weight": np.ones((3, N)), "fc.bias": np.ones(3)}
    net = nc.GRU.from_state_dict(sd, prefix, inputs={"stim": [1.0, 2.0]}, W_out="fc.weight", gain=0.7)
    for name, attribute in zip(NAMES, ("W_ih", "W_hh", "b_ih", "b_hh"), strict=True):
        np.testing.assert_array_equal(getattr(net, attribute), sd[f"{stored}{name}{suffix}"])
    np.testing.assert_array_equal(net.W_out, np.ones((3, N)))
    assert dict(net.params) == {"gain": 0.7, "stim": 0.0}


def test_without_biases_and_with_a_readout_of_its_own():
    sd = {name: array for name, array in layer("", "_l0").items() if "bias" not in name}
    net = nc.GRU.from_state_dict(sd, W_out=np.ones((1, N)))
    assert not net.b_ih.any()
    assert not net.b_hh.any()
    assert net.W_out.shape == (1, N)


def test_of_several_layers_the_named_one_is_read():
    sd = layer("encoder.", "_l0") | layer("decoder.", "", seed=1)
    np.testing.assert_array_equal(nc.GRU.from_state_dict(sd, "decoder").W_hh, sd["decoder.weight_hh"])


SUPPORTED = r"supported are torch.nn.GRUCell and torch.nn.GRU with one layer and one direction"
REFUSED = f"which is not supported; {SUPPORTED}"
BAD = {
    "LSTM": (layer("rnn.", "_l0", gates=4), None, rf"^sd: its part 'rnn.' is a torch.nn.LSTM, {REFUSED}$"),
    "LSTM alone": (layer("", "", gates=4), None, rf"^sd: it holds a torch.nn.LSTM, {REFUSED}$"),
    "RNN": (layer("", "_l0", gates=1), None, r"^sd: it holds a torch.nn.RNN, .* use RateRNN.from_state_dict"),
    "layers": (
        layer("rnn.", "_l0") | layer("rnn.", "_l1"),
        "rnn.",
        rf"'rnn.' is a torch.nn.GRU with 2 layers, which is not supported; {SUPPORTED}",
    ),
    "directions": (
        layer("", "_l0") | layer("", "_l0_reverse"),
        None,
        r"^sd: it holds a torch.nn.GRU with both directions, which is not supported",
    ),
    "both": (
        layer("", "_l0", gates=4) | layer("", "_l1", gates=4) | layer("", "_l0_reverse", gates=4),
        None,
        r"it holds a torch.nn.LSTM with 2 layers and both directions, which is not supported",
    ),
    "projections": (
        {"weight_ih_l0": np.ones((16, D)), "weight_hh_l0": np.ones((16, 3)), "weight_hr_l0": np.ones((3, 4))},
        None,
        r"it holds a torch.nn.LSTM with projections",
    ),
    "odd": (
        {"weight_hh": np.ones((7, 3)), "weight_ih": np.ones((7, 3))},
        None,
        r"it holds a layer with 'weight_hh' of shape \(7, 3\), which is not supported",
    ),
    "several": (layer("a.") | layer("b."), None, r"several recurrent layers; give the prefix of one, 'a.', 'b.'"),
    "prefix": (layer("module.rnn."), "rnn.", r"'rnn.' was given, but the recurrent layers .* with 'module.rnn.'"),
    "none": ({"fc.weight": np.ones((3, 3))}, None, rf"no layer with recurrent weights .*; {SUPPORTED}"),
    "nested": ({"model": layer(), "step": 3}, None, r"it holds other dicts; give sd\['model'\]"),
    "half": ({"rnn.weight_hh": np.ones((6, 2))}, None, r"it holds 'rnn.weight_hh', but no 'rnn.weight_ih'"),
    "text": (layer() | {"weight_ih": "abc"}, None, r"sd\['weight_ih'\]: str was given, no array of real numbers"),
    "shape": (layer() | {"bias_ih": np.ones(3)}, None, r"b_ih: shape \(3,\) .* with 4 units it must be \(12,\)"),
    "not a dict": ([1, 2], None, r"sd: list was given; give a mapping from names to arrays"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_other_layers_and_bad_input_are_named(case):
    sd, prefix, message = BAD[case]
    with pytest.raises(nc.InputError, match=message):
        nc.GRU.from_state_dict(sd, prefix)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"W_ih": np.ones((12, 2))}, r"W_ih: an array was given beside the state dict"),
        ({"W_out": "fc.wieght"}, r"W_out: 'fc.wieght' is not in the dict; did you mean 'fc.weight'"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(nc.InputError, match=message):
        nc.GRU.from_state_dict(layer() | {"fc.weight": np.ones((1, N))}, **options)


@needs_torch
@pytest.mark.parametrize("bias", [True, False])
def test_a_torch_gru_is_reproduced(bias):
    import torch

    torch.manual_seed(0)
    module = torch.nn.GRU(D, N, bias=bias, dtype=torch.float64)
    inputs = torch.randn(T, D, dtype=torch.float64)
    states = module(inputs)[0].detach().numpy()
    net = nc.GRU.from_state_dict(module.state_dict(), inputs={"first": [1.0, 0.0], "second": [0.0, 1.0]})
    for t in range(1, T):
        first, second = inputs[t].tolist()
        step = net.rhs(states[t - 1], {"first": first, "second": second})
        np.testing.assert_allclose(step, states[t], rtol=0, atol=1e-14)
    report = net.reproduces(states, inputs.numpy())
    assert report.ok
    assert report.error < 1e-14
    assert report.sees == "inputs[t + 1]"


@needs_torch
def test_a_torch_gru_cell_has_the_same_jacobian():
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.add_module("cell", torch.nn.GRUCell(D, N))
    net = nc.GRU.from_state_dict(model.state_dict(), "cell", inputs={"u": [0.3, -0.8]})
    cell, h = model.double().cell, torch.randn(N, dtype=torch.float64)
    u = torch.tensor([0.3, -0.8], dtype=torch.float64)
    np.testing.assert_allclose(net.rhs(h.numpy(), {"u": 1.0}), cell(u, h).detach().numpy(), rtol=0, atol=1e-14)
    jac = torch.autograd.functional.jacobian(lambda state: cell(u, state), h).numpy()
    np.testing.assert_allclose(net.jac(h.numpy(), {"u": 1.0}), jac, rtol=0, atol=1e-14)


@needs_torch
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("LSTM", {}, r"torch.nn.LSTM, which"),
        ("LSTMCell", {}, r"torch.nn.LSTM, which"),
        ("LSTM", {"proj_size": 2}, r"torch.nn.LSTM with projections"),
        ("RNN", {}, r"torch.nn.RNN, which"),
        ("GRU", {"num_layers": 2}, r"torch.nn.GRU with 2 layers"),
        ("GRU", {"bidirectional": True}, r"torch.nn.GRU with both directions"),
    ],
)
def test_other_torch_layers_are_named(name, options, message):
    import torch

    sd = getattr(torch.nn, name)(D, N, **options).state_dict()
    with pytest.raises(nc.InputError, match=rf"{message}.*{SUPPORTED}"):
        nc.GRU.from_state_dict(sd)


# ---------------------------------------------------------------- recorded trials

WEIGHTS = truth.random_weights(N, D, seed=5)
INPUTS = np.random.default_rng(6).standard_normal((T, D))


def record(weights=WEIGHTS, step=truth.step, convention=1, inputs=INPUTS):
    h = [0.1 * np.random.default_rng(9).standard_normal(N)]
    for t in range(T - 1):
        h.append(step(h[-1], inputs[t + convention], *weights))
    return np.array(h)


def opposite(h, u, *weights):
    return truth.step(h, u, *[np.concatenate([r, -z, n]) for r, z, n in (np.split(w, 3) for w in weights)])


def reset_before(h, u, W_ih, W_hh, b_ih, b_hh):
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(W_ih @ u + b_ih, 3), np.split(W_hh, 3)
    c_r, c_z, c_n = np.split(b_hh, 3)
    r, z = truth.sigmoid(i_r + h_r @ h + c_r), truth.sigmoid(i_z + h_z @ h + c_z)
    return (1.0 - z) * np.tanh(i_n + h_n @ (r * h) + c_n) + z * h


def blocks(weights, order):
    """Reorder the blocks, given in the order r, z, n."""
    return [np.concatenate([np.split(w, 3)["rzn".index(k)] for k in order]) for w in weights]


@pytest.mark.parametrize("convention", [0, 1])
def test_the_right_model_is_confirmed(convention):
    report = nc.GRU(*WEIGHTS).reproduces(record(convention=convention), INPUTS)
    assert report.ok
    assert report.error < 1e-14
    assert report.sees == ("inputs[t]", "inputs[t + 1]")[convention]
    assert repr(report).startswith("reproduced: one-step error")


def test_named_inputs_give_the_current_when_none_are_recorded():
    c = np.array([1.0, -0.5])
    h = record(inputs=np.tile(0.7 * c, (T, 1)))
    net = nc.GRU(*WEIGHTS, {"stim": c})
    assert net.reproduces(h, params={"stim": 0.7}).ok
    assert not net.reproduces(h, params={"stim": 0.2}).ok


W_IH, W_HH, B_IH, B_HH = WEIGHTS
TURNED = np.concatenate([block.T for block in np.split(W_HH, 3)])
CAUSES = {
    "keras order": (blocks(WEIGHTS, "zrn"), truth.step, {"order": ("z", "r", "n")}, "order z, r, n: reorder all"),
    "another order": (blocks(WEIGHTS, "nrz"), truth.step, {"order": ("n", "r", "z")}, "in the order n, r, z"),
    "transposed": ((W_IH, TURNED, B_IH, B_HH), truth.step, {"W_hh": "transposed"}, "each block of W_hh is transposed"),
    "biases": ((W_IH, W_HH, B_HH, B_IH), truth.step, {"biases": "exchanged"}, "b_ih and b_hh are exchanged"),
    "update": (WEIGHTS, opposite, {"update": "opposite"}, "z weighs the new state"),
    "reset": (WEIGHTS, reset_before, {"reset": "before"}, "the reset gate acts before the product"),
    "two": (
        blocks((W_IH, TURNED, B_IH, B_HH), "zrn"),
        truth.step,
        {"order": ("z", "r", "n"), "W_hh": "transposed"},
        "to r, z, n; and each block",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUSES)
def test_the_cause_is_named(case):
    given, step, changes, words = CAUSES[case]
    report = nc.GRU(*given).reproduces(record(step=step), INPUTS)
    assert not report.ok
    assert report.changes == changes
    assert words in report.cause
    assert report.error > 1e-2
    assert report.error_after < 1e-13


def test_shifted_inputs_are_named_and_the_remedy_works():
    late = np.roll(INPUTS, 1, axis=0)
    states = record()
    report = nc.GRU(*WEIGHTS).reproduces(states, late)
    assert report.changes == {"inputs": 2}
    assert "too late: give states[:-1] with inputs[1:]" in report.cause
    assert nc.GRU(*WEIGHTS).reproduces(states[:-1], late[1:]).ok


def test_a_forgotten_bias_is_not_explained_away():
    report = nc.GRU(W_IH, W_HH).reproduces(record(), INPUTS)
    assert not report.ok
    assert report.changes == {}
    assert "were all biases given?" in report.cause


@pytest.mark.parametrize(
    ("states", "inputs", "message"),
    [
        (np.ones((N, 9)), None, r"states: shape \(4, 9\) .* be \(T, 4\), T at least 2; give its transpose, states.T"),
        (np.ones((9, 3, N)), None, r"give one trial"),
        (np.ones((9, N)), np.ones((9, 3)), r"inputs: shape \(9, 3\) was given; it must be \(9, 2\)"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(states, inputs, message):
    with pytest.raises(nc.InputError, match=message):
        nc.GRU(*WEIGHTS).reproduces(states, inputs)


def test_recorded_inputs_without_input_weights():
    with pytest.raises(nc.InputError, match=r"the network has no W_ih; build it with W_ih of shape \(3n, d\)"):
        nc.GRU(None, W_HH).reproduces(np.ones((9, N)), np.ones((9, D)))
