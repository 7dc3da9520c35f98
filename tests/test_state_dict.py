"""`from_state_dict` reads the weights of anyone's module, and says what it could not find or had to guess."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest

import ntkcont as nc

N, D, M = 5, 2, 3


class Tensor:
    """What torch's tensors offer, with the traps: no conversion to numpy with gradients or in half precision."""

    def __init__(self, array, ready=0):
        self.array, self.ready, self.shape = array, ready, array.shape

    def detach(self):
        return Tensor(self.array, 1)

    def cpu(self):
        return Tensor(self.array, self.ready + 1)

    def double(self):
        return Tensor(self.array.astype(float), self.ready + 1)

    def numpy(self):
        assert self.ready == 3
        return self.array

    def __array__(self, *_, **__):
        msg = "call detach first"
        raise TypeError(msg)


@pytest.fixture
def sd():
    rng = np.random.default_rng(0)
    arrays = {
        "rnn.h2h.weight": rng.standard_normal((N, N)),
        "rnn.h2h.bias": rng.standard_normal(N),
        "rnn.i2h.weight": rng.standard_normal((N, D)),
        "rnn.i2h.bias": rng.standard_normal(N),
        "fc.weight": rng.standard_normal((M, N)),
        "fc.bias": rng.standard_normal(M),
    }
    return {name: Tensor(array.astype(np.float32)) for name, array in arrays.items()}


KEYS = {"W": "rnn.h2h.weight", "b": ["rnn.h2h.bias", "rnn.i2h.bias"], "W_in": "rnn.i2h.weight", "W_out": "fc.weight"}


def test_tensors_are_read_and_biases_add_up(sd):
    net = nc.RateRNN.from_state_dict(sd, KEYS, alpha=0.2, form="rate", phi="relu", inputs={"stim": [1.0, 0.0]})
    np.testing.assert_array_equal(net.W, sd["rnn.h2h.weight"].array)
    double = [sd[name].array.astype(float) for name in KEYS["b"]]
    np.testing.assert_array_equal(net.b, double[0] + double[1])
    np.testing.assert_array_equal(net.W_in, sd["rnn.i2h.weight"].array)
    np.testing.assert_array_equal(net.W_out, sd["fc.weight"].array)
    assert (net.kind, net.form, net.phi, list(net.params)) == ("map", "rate", "relu", ["gain", "stim"])
    x = np.linspace(-1.0, 1.0, N)
    target = np.maximum(net.W @ x + net.b, 0.0)
    np.testing.assert_allclose(net.rhs(x), 0.8 * x + 0.2 * target, atol=1e-15)


@pytest.mark.parametrize("spelling", ["kernel.T", ("kernel", "T")])
def test_transposes(spelling):
    W = np.random.default_rng(0).standard_normal((N, N))
    net = nc.RateRNN.from_state_dict({"kernel": W}, {"W": spelling})
    np.testing.assert_array_equal(net.W, W.T)


def test_a_key_that_ends_in_dot_t_is_a_key_first():
    W = np.random.default_rng(0).standard_normal((N, N))
    np.testing.assert_array_equal(nc.RateRNN.from_state_dict({"a": W.T, "a.T": W}, {"W": "a.T"}).W, W)


def test_low_rank_factors():
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((N, 2)), rng.standard_normal((2, N))
    net = nc.RateRNN.from_state_dict({"m": U, "n": V}, {"U": "m", "V": "n.T"})
    np.testing.assert_allclose(net.effective_W(), U @ V, atol=1e-15)
    assert isinstance(net.W, nc.LowRank)
    with_own = nc.RateRNN.from_state_dict({"m": U, "n": V, "o": U[:, 0]}, {"U": "m", "V": "n.T", "D": "o"})
    np.testing.assert_allclose(with_own.effective_W(), U @ V + np.diag(U[:, 0]), atol=1e-15)
    with pytest.raises(nc.InputError, match="keys: 'D' is the diagonal beside 'U' and 'V'"):
        nc.RateRNN.from_state_dict({"W": U @ V, "o": U[:, 0]}, {"W": "W", "D": "o"})


@pytest.mark.parametrize("prefix", ["", "rnn.", "module.encoder.rnn."])
def test_the_layout_of_torch_rnn_is_recognised_and_said(prefix):
    rng = np.random.default_rng(0)
    sd = {
        f"{prefix}weight_ih_l0": rng.standard_normal((N, D)),
        f"{prefix}weight_hh_l0": rng.standard_normal((N, N)),
        f"{prefix}bias_ih_l0": rng.standard_normal(N),
        f"{prefix}bias_hh_l0": rng.standard_normal(N),
        "fc.weight": rng.standard_normal((N, N)),
    }
    with pytest.warns(UserWarning, match=rf"guessed: W = {prefix}weight_hh_l0.*alpha=1.0, phi='tanh'.*keys="):
        net = nc.RateRNN.from_state_dict(sd)
    x = rng.standard_normal(N)
    bias = sd[f"{prefix}bias_ih_l0"] + sd[f"{prefix}bias_hh_l0"]
    np.testing.assert_allclose(net.rhs(x), np.tanh(sd[f"{prefix}weight_hh_l0"] @ x + bias), atol=1e-14)
    with pytest.warns(UserWarning, match="guessed"):
        assert nc.RateRNN.from_state_dict(sd, phi="relu").phi == "relu"


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (("rnn.h2h.weight", "rnn.i2h.weight", "rnn.h2h.bias"), "h2h and i2h"),
        (("W_hh", "W_ih", "b_hh"), "W_hh, W_rec"),
        (("model.w_rec", "model.w_in", "model.b"), "W_hh, W_rec"),
    ],
)
def test_other_layouts_are_recognised(names, layout):
    rng = np.random.default_rng(0)
    sd = dict(
        zip(names, (rng.standard_normal((N, N)), rng.standard_normal((N, D)), rng.standard_normal(N)), strict=True)
    )
    with pytest.warns(UserWarning, match=rf"layout {layout}"):
        net = nc.RateRNN.from_state_dict(sd, alpha=0.5)
    for array, name in zip((net.W, net.W_in, net.b), names, strict=True):
        np.testing.assert_array_equal(array, sd[name])


def test_nothing_is_said_when_keys_are_given(sd):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        nc.RateRNN.from_state_dict(sd, KEYS)
    assert said == []


W = np.eye(N)
SUPPORTED = (
    r"supported are torch.nn.RNN and RNNCell with one layer and one direction, modules with parts h2h and i2h, and any "
    r"\(n, n\) weights named with keys="
)
BAD = {
    "misspelt": (
        {"rnn.h2h.weight": W},
        {"W": "rnn.h2h.weigth"},
        r"'rnn.h2h.weigth' is not in the dict; did you mean 'rnn.h2h.weight'\?",
    ),
    "prefix": ({"module.rnn.w": W, "other": W}, {"W": "rnn.w"}, r"did you mean 'module.rnn.w'\?"),
    "far": ({"module.very.long.prefix.W": W}, {"W": "x.W"}, r"did you mean 'module.very.long.prefix.W'\?"),
    "nested": ({"state_dict": {"W": W}}, {"W": "W"}, r"it holds other dicts; give sd\['state_dict'\]"),
    "role": ({"W": W}, {"Win": "W"}, r"keys: 'Win' is unknown; did you mean 'W_in'"),
    "no W": ({"b": W}, {"b": "b"}, r"name the recurrent weights, either 'W' or both 'U' and 'V'"),
    "half": ({"b": W}, {"U": "b"}, r"either 'W' or both 'U' and 'V'"),
    "W_in": (
        {"W": W, "i": np.ones((D, N))},
        {"W": "W", "W_in": "i"},
        r"shape \(2, 5\); .* must be \(5, d\); its transpose fits: 'i.T'",
    ),
    "W_out": ({"W": W, "o": np.ones((N, M))}, {"W": "W", "W_out": "o"}, r"must be \(m, 5\); its transpose fits: 'o.T'"),
    "W_in hopeless": (
        {"W": W, "i": np.ones((4, 3))},
        {"W": "W", "W_in": "i"},
        r"\(5, d\); name an array of that shape",
    ),
    "not square": ({"W": np.ones((N, 4))}, {"W": "W"}, r"'W' has shape \(5, 4\): not square; name an \(n, n\)"),
    "GRU": (
        {"W": np.ones((3 * N, N))},
        {"W": "W"},
        r"'W' has the shape \(15, 5\) of a torch.nn.GRU, .* use GRU.from_state_dict",
    ),
    "LSTM": (
        {"W": np.ones((4 * N, N))},
        {"W": "W"},
        rf"'W' has the shape \(20, 5\) of a torch.nn.LSTM, which is no RateRNN; {SUPPORTED}$",
    ),
    "sum": ({"W": W, "a": np.ones(5), "c": np.ones(4)}, {"W": "W", "b": ["a", "c"]}, r"shapes: 'a' \(5,\), 'c' \(4,\)"),
    "empty": ({"W": W}, {"W": "W", "b": []}, r"keys\['b'\]: the list is empty"),
    "text": ({"W": "abc"}, {"W": "W"}, r"sd\['W'\]: str was given, no array of real numbers"),
    "complex": ({"W": 1j * np.eye(2)}, {"W": "W"}, r"sd\['W'\]: ndarray was given, no array of real numbers"),
    "source": ({"W": W}, {"W": 3}, r"keys\['W'\]: 3 was given; give a name in the dict"),
    "keys": ({"W": W}, ["W"], r"keys: list was given; give a mapping"),
    "bias": ({"W": W, "b": np.ones(4)}, {"W": "W", "b": "b"}, r"b: shape \(4,\) was given; the network has 5 units"),
    "layout": (
        {"a": W, "z": np.ones(3)},
        None,
        r"layout .* not recognised; name the weights, .* square arrays are 'a'",
    ),
    "nothing": ({}, None, r"it holds nothing"),
    "layers": (
        {"weight_hh_l0": W, "weight_hh_l1": W},
        None,
        r"layers or directions \('weight_hh_l1'\); name those of one",
    ),
    "torch GRU": (
        {"weight_hh_l0": np.ones((15, 5))},
        None,
        rf"^sd: it holds a torch.nn.GRU \('weight_hh_l0'\), .*{SUPPORTED}; for a GRU use GRU.from_state_dict$",
    ),
    "torch LSTM": (
        {"rnn.weight_ih_l0": np.ones((20, 2)), "rnn.weight_hh_l0": np.ones((20, 5))},
        None,
        rf"^sd: it holds a torch.nn.LSTM \('rnn.weight_hh_l0'\), which is no RateRNN; {SUPPORTED}$",
    ),
    "torch LSTM of two layers": (
        {"weight_hh_l0": np.ones((20, 5)), "weight_hh_l1": np.ones((20, 5))},
        None,
        rf"^sd: it holds a torch.nn.LSTM .*{SUPPORTED}$",
    ),
    "torch LSTM with projections": (
        {"weight_hh_l0": np.ones((20, 3)), "weight_hr_l0": np.ones((3, 5))},
        None,
        rf"^sd: it holds a torch.nn.LSTM .*{SUPPORTED}$",
    ),
    "nan": ({"W": W * np.nan}, {"W": "W"}, r"W: the entry at \(0, 0\) is nan"),
    "not a dict": ([W], {"W": "W"}, r"sd: list was given; give a mapping from names to arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    sd, keys, message = BAD[case]
    with pytest.raises(nc.InputError, match=message):
        nc.RateRNN.from_state_dict(sd, keys)


def test_arrays_beside_the_dict_are_refused():
    with pytest.raises(nc.InputError, match=r"W_in: an array was given beside the state dict; name it in keys"):
        nc.RateRNN.from_state_dict({"W": W}, {"W": "W"}, W_in=np.ones((N, 1)))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_torch_rnn_is_reproduced(nonlinearity):
    import torch

    torch.manual_seed(0)
    module = torch.nn.RNN(D, N, nonlinearity=nonlinearity)
    inputs = torch.randn(30, D)
    states = module(inputs)[0].detach().numpy()
    keys = {"W": "weight_hh_l0", "b": ["bias_hh_l0", "bias_ih_l0"], "W_in": "weight_ih_l0"}
    net = nc.RateRNN.from_state_dict(module.state_dict(), keys, alpha=1.0, form="rate", phi=nonlinearity)
    report = net.reproduces(states, inputs.numpy())
    assert report.ok
    assert report.sees == "inputs[t + 1]"
