"""How a rate network lies in the flat block of constants ``c`` (no numba here, so that packing needs none).

``c = [n, form, map, phi, storage, size, inputs, 0 | rate (n) | phi_gain (n) | b (n) | drives (inputs, n) | weights]``

``rate`` is 1/tau of a flow or alpha of a map; ``drives[k] = W_in @ c_k``; the weights are

- dense: W (n, n);
- low rank: the diagonal (n), U (n, size), then the transpose of V (size, n);
- sparse: the ``size`` nonzeros, their columns, and the n + 1 row pointers of the CSR format.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HEADER = 8
N, FORM, MAP, PHI, STORAGE, SIZE, INPUTS = range(7)
SYNAPTIC, RATE = 0, 1
DENSE, LOW_RANK, SPARSE = 0, 1, 2
TANH, RELU, SOFTPLUS, SIGMOID, RETANH, USER, IDENTITY = range(7)
FORMS = {"synaptic": SYNAPTIC, "rate": RATE}
PHIS = {"tanh": TANH, "relu": RELU, "softplus": SOFTPLUS, "sigmoid": SIGMOID, "retanh": RETANH}
#: Activations with a kink at 0, and what they are beyond it; on the other side they are 0.
KINKED = {RELU: IDENTITY, RETANH: TANH}


def piece(constants: Array, on: NDArray[np.bool_]) -> Array:
    """Return the constants of the smooth network in which the units `on` are beyond the kink of phi, the others below.

    Those below are multiplied by 0 before phi, so that the same compiled functions serve.
    """
    c = constants.copy()
    n = int(c[N])
    c[PHI] = KINKED[int(c[PHI])]
    c[HEADER + n : HEADER + 2 * n] *= on
    return c


def pack(
    *,
    form: int,
    is_map: bool,
    phi: int,
    rate: Array,
    phi_gain: Array,
    b: Array,
    drives: Array,
    storage: int,
    size: int,
    weights: list[Array],
) -> Array:
    """Return the constants of a network, shape (nc,); `weights` in the order above, drives of shape (inputs, n)."""
    header = np.zeros(HEADER)
    header[[N, FORM, MAP, PHI, STORAGE, SIZE, INPUTS]] = [b.size, form, is_map, phi, storage, size, drives.shape[0]]
    parts = [header, rate, phi_gain, b, drives, *weights]
    return np.concatenate([np.asarray(part, dtype=float).ravel() for part in parts])
