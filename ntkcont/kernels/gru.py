"""The compiled gated recurrent unit: one set of functions for all weights, which come in the constants ``c``.

With the input ``u = sum_k p_k c_k`` and the gates r, z, n of PyTorch,

    r = sigmoid(W_ir u + b_ir + gain W_hr h + b_hr)
    z = sigmoid(W_iz u + b_iz + gain W_hz h + b_hz)
    m = gain W_hn h + b_hn
    n = tanh(W_in u + b_in + r m)
    h <- (1 - z) n + z h

The parameters are ``p = (gain, p_1, ..., p_K)``, followed by the direction of ``dfdp`` (see ``abi``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.activations import activate
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.gru_layout import HEADER, INPUTS, N
from ntkcont.kernels.products import matvec
from ntkcont.kernels.rate_rnn_layout import SIGMOID, TANH


@inner
def _weights(c: Any) -> Any:
    n = int(c[N])
    start = HEADER + (2 + int(c[INPUTS])) * 3 * n
    return c[start : start + 3 * n * n].reshape((3 * n, n))


@inner
def _add_drives(out: Any, q: Any, c: Any) -> None:
    """Add ``sum_k q[1 + k] drives_k`` to `out`, shape (3n,)."""
    rows = 3 * int(c[N])
    for k in range(int(c[INPUTS])):
        weight, drive = q[1 + k], HEADER + (2 + k) * rows
        if weight != 0.0:
            for i in range(rows):
                out[i] += weight * c[drive + i]


@inner
def _gates(x: Any, p: Any, c: Any) -> Any:
    """Return the gates (r, z, n), shape (3n,), and m, shape (n,)."""
    n = int(c[N])
    gates, recurrent = np.zeros(3 * n), np.empty(3 * n)
    _add_drives(gates, p[: p.size // 2], c)
    matvec(_weights(c), x, recurrent)
    for i in range(3 * n):
        gates[i] += c[HEADER + i]
        recurrent[i] = p[0] * recurrent[i] + c[HEADER + 3 * n + i]
    for i in range(2 * n):
        gates[i] += recurrent[i]
    activate(gates[: 2 * n], SIGMOID)
    m = recurrent[2 * n :]
    for i in range(n):
        gates[2 * n + i] += gates[i] * m[i]
    activate(gates[2 * n :], TANH)
    return gates, m


@entry(RHS_SIGNATURE)
def rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """One step of the map."""
    n = x.size
    gates, _ = _gates(x, p, c)
    for i in range(n):
        z = gates[n + i]
        out[i] = (1.0 - z) * gates[2 * n + i] + z * x[i]


@inner
def _slopes(gates: Any, m: Any, x: Any) -> Any:
    """Differentiate the step: in the arguments of r and z and in m, and in h itself by z; shape (3n,)."""
    n = x.size
    slopes = np.empty(3 * n)
    for i in range(n):
        r, z, candidate = gates[i], gates[n + i], gates[2 * n + i]
        through = (1.0 - z) * (1.0 - candidate * candidate)  # in the argument of n
        slopes[i] = through * m[i] * r * (1.0 - r)
        slopes[n + i] = (x[i] - candidate) * z * (1.0 - z)
        slopes[2 * n + i] = through * r
    return slopes


@entry(JAC_SIGNATURE)
def jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of `rhs` with respect to the state."""
    n, weights = x.size, _weights(c)
    gates, m = _gates(x, p, c)
    slopes = _slopes(gates, m, x)
    for i in range(n):
        in_r, in_z, in_m = p[0] * slopes[i], p[0] * slopes[n + i], p[0] * slopes[2 * n + i]
        for j in range(n):
            out[i, j] = in_r * weights[i, j] + in_z * weights[n + i, j] + in_m * weights[2 * n + i, j]
        out[i, i] += gates[n + i]


@entry(RHS_SIGNATURE)
def dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `rhs` along the direction in the second half of `p`."""
    n, q = x.size, p[p.size // 2 :]
    gates, m = _gates(x, p, c)
    slopes = _slopes(gates, m, x)
    driven, recurrent = np.zeros(3 * n), np.zeros(3 * n)
    _add_drives(driven, q, c)
    if q[0] != 0.0:
        matvec(_weights(c), x, recurrent)
    for i in range(n):
        z, candidate = gates[n + i], gates[2 * n + i]
        total = (1.0 - z) * (1.0 - candidate * candidate) * driven[2 * n + i]
        total += slopes[2 * n + i] * q[0] * recurrent[2 * n + i]
        for gate in range(2):
            k = gate * n + i
            total += slopes[k] * (driven[k] + q[0] * recurrent[k])
        out[i] = total
