"""Whatever is wrong with the arguments of a network is said in one sentence that names the argument."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import ntkcont as nc

W = np.eye(3)
IN = np.ones((3, 2))
BAD = [
    ({"W": np.ones((3, 4))}, r"W: shape \(3, 4\) was given; it must be square"),
    ({"W": np.ones(3)}, r"W: shape \(3,\) was given; it must be square"),
    ({"W": np.zeros((0, 0))}, r"W: shape \(0, 0\) was given"),
    ({"W": sparse.csr_array(np.ones((3, 4)))}, r"W: shape \(3, 4\) was given; it must be square"),
    ({"W": np.where(W > 0, np.nan, 0.0)}, r"W: the entry at \(0, 0\) is nan; give finite numbers"),
    ({"W": "weights"}, r"W: str was given, which is not an array of real numbers"),
    ({"W": 1j * np.eye(2)}, r"W: ndarray was given, which is not an array of real numbers"),
    ({"W": np.eye(2), "phi": (np.tanh, np.tanh)}, r"phi\[0\]: numba could not compile or run it"),
    ({"b": np.ones(4)}, r"b: shape \(4,\) was given; the network has 3 units, so give shape \(3,\)"),
    ({"b": [1, np.inf, 0]}, r"b: the entry at \(1,\) is inf"),
    ({"W_in": IN.T}, r"W_in: shape \(2, 3\) was given; .* give its transpose, W_in.T"),
    ({"W_in": np.ones(3)}, r"give W_in\[:, None\] for one input"),
    ({"W_out": np.ones((3, 2))}, r"W_out: shape \(3, 2\) .* give its transpose, W_out.T"),
    (
        {"inputs": {"I": [1.0]}},
        r"inputs: there is no W_in for them to act through; give W_in of shape \(n, d\), or np.eye",
    ),
    ({"W_in": IN, "inputs": {"I": [1.0]}}, r"inputs\['I'\]: shape \(1,\) was given; W_in has 2 columns"),
    ({"W_in": IN, "inputs": ["I"]}, r"inputs: list was given; give a mapping from names to vectors"),
    ({"W_in": IN, "inputs": {"gain": [1, 1]}}, r"inputs: 'gain' is the parameter that multiplies W already"),
    ({"W_in": IN, "inputs": {"z1": [1, 1]}}, r"inputs: 'z1' is the name of a unit already"),
    ({"phi": "reul"}, r"phi: 'reul' is unknown; did you mean 'relu'\?"),
    ({"form": "synptic"}, r"form: 'synptic' is unknown; did you mean 'synaptic'\?"),
    ({"phi_gain": [1.0, 2.0]}, r"phi_gain: shape \(2,\) was given; give one number, or one per unit, shape \(3,\)"),
    ({"tau": 0.0}, r"tau: the value 0 \(unit 0\) was given; it must be larger than 0"),
    ({"tau": [1.0, -2.0, 1.0]}, r"tau: the value -2 \(unit 1\) was given"),
    ({"alpha": 1.5}, r"alpha: the value 1.5 \(unit 0\) was given; it must be in \(0, 1\]"),
    ({"alpha": 0.0}, r"alpha: the value 0 \(unit 0\) was given; it must be in \(0, 1\]"),
    (
        {"alpha": 0.1, "tau": 10.0},
        r"tau: the leak of a map is alpha; give alpha = dt/tau alone, or alpha=None for a flow",
    ),
    ({"mask": np.ones((2, 2))}, r"mask: shape \(2, 2\) was given; W is \(3, 3\)"),
    ({"sign": [1, 1]}, r"sign: shape \(2,\) was given; give one sign per presynaptic unit"),
    ({"sign": [1, 0.5, 1]}, r"sign: the entry 1 is 0.5; each must be \+1 \(excitatory\) or -1"),
    ({"W": nc.LowRank(np.ones((3, 1)), np.ones((3, 1))), "mask": W}, r"mask: it would make the low-rank W full"),
    (
        {"W": nc.LowRank(np.ones((3, 1)), np.ones((3, 1))), "sign": [1, 1, 1]},
        r"sign: it would make the low-rank W full",
    ),
    ({"states": ["a", "b"]}, r"states: \['a', 'b'\] was given; give 3 different names"),
    ({"states": ["a", "b", "b"]}, r"give 3 different names"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_named(options, message):
    with pytest.raises(nc.InputError, match=message):
        nc.RateRNN(**{"W": W, **options})


@pytest.mark.parametrize(
    ("U", "V", "message"),
    [
        (np.ones((3, 1)), np.ones((4, 1)), r"LowRank: U has shape \(3, 1\) and V \(4, 1\); both must be \(n, r\)"),
        (np.ones((3, 2)), np.ones((2, 3)), r"both must be \(n, r\), with W = U @ V.T"),
        (np.ones(3), np.ones(3), r"U has shape \(3,\)"),
        (np.full((3, 1), np.nan), np.ones((3, 1)), r"U: the entry at \(0, 0\) is nan"),
    ],
)
def test_bad_factors_are_named(U, V, message):
    with pytest.raises(nc.InputError, match=message):
        nc.LowRank(U, V)


def test_a_scalar_is_a_vector_for_one_input():
    net = nc.RateRNN(W, W_in=np.ones((3, 1)), inputs={"I": 2.0})
    np.testing.assert_array_equal(net.rhs(np.zeros(3), {"I": 1.0}), [2.0, 2.0, 2.0])
