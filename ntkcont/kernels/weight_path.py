"""The compiled rate network whose weights depend on its last parameter s, along a path through several networks.

The parameters are ``p = (gain, p_1, ..., p_K, s)``; the constants are described in ``weight_path_layout``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.kernels import rate_rnn
from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.activations import activate, slope
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.rate_rnn import _argument, _before, _weights_times
from ntkcont.kernels.rate_rnn_layout import FORM, HEADER, LOW_RANK, PHI, SIZE, STORAGE, SYNAPTIC, N
from ntkcont.kernels.weight_path_layout import BLOCK, CUBIC, KNOTS, LENGTH, PATH_HEADER, PATH_KINKED, SEGMENT, START


@inner
def _segment(s: float, c: Any) -> int:
    """Return the piece of the path that holds at s: a knot belongs to the one before it."""
    if c[SEGMENT] >= 0.0:
        return int(c[SEGMENT])
    last = int(c[KNOTS]) - 2
    i = 0
    while i < last and s > c[PATH_HEADER + i + 1]:
        i += 1
    return i


@inner
def _network(p: Any, c: Any, derivative: bool) -> Any:
    """Return the constants of the network at s, or those with the derivatives of what depends on s."""
    s, count, size, length = p[p.size // 2 - 1], int(c[KNOTS]), int(c[BLOCK]), int(c[LENGTH])
    i = _segment(s, c)
    begin = PATH_HEADER + count
    out = c[begin : begin + length].copy()
    h = c[PATH_HEADER + i + 1] - c[PATH_HEADER + i]
    t = (s - c[PATH_HEADER + i]) / h
    values = begin + length + i * size
    start = int(c[START])
    if c[CUBIC] == 0.0:
        left, right = (-1.0 / h, 1.0 / h) if derivative else (1.0 - t, t)
        for j in range(size):
            out[start + j] = left * c[values + j] + right * c[values + size + j]
        return out
    slopes = values + count * size
    if derivative:
        left, right = 6.0 * t * (t - 1.0) / h, 6.0 * t * (1.0 - t) / h
        rise, fall = (1.0 - t) * (1.0 - 3.0 * t), t * (3.0 * t - 2.0)
    else:
        left, right = (1.0 + 2.0 * t) * (1.0 - t) ** 2, t * t * (3.0 - 2.0 * t)
        rise, fall = h * t * (1.0 - t) ** 2, h * t * t * (t - 1.0)
    for j in range(size):
        out[start + j] = left * c[values + j] + right * c[values + size + j]
        out[start + j] += rise * c[slopes + j] + fall * c[slopes + size + j]
    return out


@inner
def _inside(p: Any) -> Any:
    """Return the parameters of the network: all but s, and all directions but that of s."""
    m = p.size // 2
    q = np.empty(2 * (m - 1))
    for i in range(m - 1):
        q[i], q[m - 1 + i] = p[i], p[m + i]
    return q


@inner
def _moved(out: Any, v: Any, q: Any, network: Any, change: Any) -> None:
    """Write the derivative of ``h(v)`` when the network's constants move along `change`."""
    if network[STORAGE] != LOW_RANK:
        _argument(out, v, q, change)  # h is linear in them
        return
    n, size = int(network[N]), int(network[SIZE])
    middle = network.size - size * n  # the diagonal, U, then V: (U V)' = U' V + U V'
    one, other = change.copy(), network.copy()
    one[middle:] = network[middle:]
    other[middle:] = change[middle:]
    other[middle - size * n - n : middle - size * n] = 0.0  # the diagonal moves in `one`
    _argument(out, v, q, one)
    more = np.empty(n)
    _weights_times(more, v, other)
    for i in range(n):
        out[i] += q[0] * more[i]


@entry(RHS_SIGNATURE)
def path_rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """Right-hand side of a flow, or one step of a map, at s."""
    rate_rnn.rhs(out, x, _inside(p), _network(p, c, False))


@entry(JAC_SIGNATURE)
def path_jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of `path_rhs` with respect to the state."""
    rate_rnn.jac(out, x, _inside(p), _network(p, c, False))


@entry(RHS_SIGNATURE)
def path_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `path_rhs` along the direction in the second half of `p`."""
    q, network, along = _inside(p), _network(p, c, False), p[p.size - 1]
    rate_rnn.dfdp(out, x, q, network)
    if along == 0.0:
        return
    n, change = int(network[N]), _network(p, c, True)
    work, moved = _before(x, q, network), np.empty(n)
    phi = int(network[PHI])
    if network[FORM] == SYNAPTIC:
        activate(work, phi)
        _moved(moved, work, q, network, change)
        for i in range(n):
            out[i] += along * network[HEADER + i] * moved[i]
    else:
        slope(work, phi)
        _moved(moved, x, q, network, change)
        for i in range(n):
            out[i] += along * network[HEADER + i] * network[HEADER + n + i] * work[i] * moved[i]


@entry(RHS_SIGNATURE)
def path_arguments(out: Any, x: Any, p: Any, c: Any) -> None:
    """Write what the kinks depend on: the arguments of the units, and how far s is beyond each inner knot."""
    n = 0
    if c[PATH_KINKED] != 0.0:
        n = x.size
        units = np.empty(n)
        rate_rnn.arguments(units, x, _inside(p), _network(p, c, False))
        for i in range(n):
            out[i] = units[i]
    if c[CUBIC] == 0.0:
        for k in range(1, int(c[KNOTS]) - 1):
            out[n + k - 1] = p[p.size // 2 - 1] - c[PATH_HEADER + k]


@entry(JAC_SIGNATURE)
def path_arguments_jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `path_arguments` with respect to the state."""
    n = x.size
    rows = 0
    if c[PATH_KINKED] != 0.0:
        rows = n
        units = np.empty((n, n))
        rate_rnn.arguments_jac(units, x, _inside(p), _network(p, c, False))
        for i in range(n):
            for j in range(n):
                out[i, j] = units[i, j]
    for i in range(rows, out.shape[0]):
        for j in range(n):
            out[i, j] = 0.0


@entry(RHS_SIGNATURE)
def path_arguments_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `path_arguments` along the direction in the second half of `p`."""
    n, along = x.size, p[p.size - 1]
    rows = 0
    if c[PATH_KINKED] != 0.0:
        rows = n
        q, network, units = _inside(p), _network(p, c, False), np.empty(n)
        rate_rnn.arguments_dfdp(units, x, q, network)
        if network[FORM] != SYNAPTIC and along != 0.0:
            moved = np.empty(n)
            _moved(moved, x, q, network, _network(p, c, True))
            for i in range(n):
                units[i] += along * network[HEADER + n + i] * moved[i]
        for i in range(n):
            out[i] = units[i]
    for i in range(rows, out.size):
        out[i] = along
