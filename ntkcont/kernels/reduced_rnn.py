"""The compiled low-rank network in the coordinates of its connectivity: r states for each distinct leak.

With ``h = gain U y + sum_k p_k drives_k + b`` and ``f = phi(g h)`` per unit, the equations of the class c of units that
share a leak are ``y_c' = (V^T f - y_c) rate_c`` where ``U y`` of a unit takes the y of its own class (synaptic form),
or ``y_c' = (V_c^T f - y_c) rate_c`` with the sum over the units of the class and ``U sum_c y_c`` (rate form).

Units are sorted by class.

``c = [n, r, classes, form, map, phi, inputs, 0 | rate (classes) | first unit of each class and n (classes + 1) |
phi_gain (n) | b (n) | drives (inputs, n) | U (n, r) | transpose of V (r, n)]``
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.activations import activate, slope
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.elementary import tanh
from ntkcont.kernels.rate_rnn_layout import SYNAPTIC, TANH

N, RANK, CLASSES, FORM, MAP, PHI, INPUTS = range(7)
HEADER = 8


@inner
def _parts(c: Any) -> Any:
    """Return where the bounds of classes, phi_gain, b, drives, U and V begin."""
    n, r, inputs, classes = int(c[N]), int(c[RANK]), int(c[INPUTS]), int(c[CLASSES])
    bounds = HEADER + classes
    gain = bounds + classes + 1
    u = gain + (2 + inputs) * n
    return bounds, gain, gain + n, gain + 2 * n, u, u + n * r


@inner
def _argument(out: Any, y: Any, q: Any, with_bias: bool, c: Any) -> None:
    """Write ``g (q[0] U y + sum_k q[1 + k] drives_k [+ b])`` into `out`, shape (n,)."""
    n, r, inputs, classes = int(c[N]), int(c[RANK]), int(c[INPUTS]), int(c[CLASSES])
    bounds, gain, bias, drives, u, _ = _parts(c)
    seen = np.zeros(r)
    for a in range(classes):
        for k in range(r):
            if c[FORM] == SYNAPTIC:
                seen[k] = q[0] * y[a * r + k]
            else:  # the sum of all classes
                seen[k] = 0.0
                for b in range(classes):
                    seen[k] += q[0] * y[b * r + k]
        first, last = int(c[bounds + a]), int(c[bounds + a + 1])
        np.dot(c[u + first * r : u + last * r].reshape((last - first, r)), seen, out[first:last])
    for k in range(inputs):
        if q[1 + k] != 0.0:
            for i in range(n):
                out[i] += q[1 + k] * c[drives + k * n + i]
    if with_bias:
        for i in range(n):
            out[i] += c[bias + i]
    for i in range(n):
        out[i] *= c[gain + i]


@inner
def _activate(f: Any, phi: int) -> None:
    if phi == TANH:
        tanh(f)
    else:
        activate(f, phi)


@inner
def _slope(f: Any, phi: int) -> None:
    if phi == TANH:
        tanh(f)
        for i in range(f.size):
            f[i] = 1.0 - f[i] * f[i]
    else:
        slope(f, phi)


@inner
def _collect(out: Any, f: Any, c: Any) -> None:
    """Write ``V^T f`` for each class into `out`: of all units (synaptic form), of its own (rate form)."""
    n, r, classes = int(c[N]), int(c[RANK]), int(c[CLASSES])
    bounds, _, _, _, _, v = _parts(c)
    for a in range(classes):
        first, last = int(c[bounds + a]), int(c[bounds + a + 1])
        if c[FORM] == SYNAPTIC:
            first, last = 0, n
        for k in range(r):
            row = v + k * n
            out[a * r + k] = np.dot(c[row + first : row + last], f[first:last])


@entry(RHS_SIGNATURE)
def rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """Right-hand side of a flow, or one step of a map."""
    r = int(c[RANK])
    f = np.empty(int(c[N]))
    _argument(f, x, p[: p.size // 2], True, c)
    _activate(f, int(c[PHI]))
    _collect(out, f, c)
    for j in range(x.size):
        rate = c[HEADER + j // r]
        out[j] = (out[j] - x[j]) * rate if c[MAP] == 0.0 else (1.0 - rate) * x[j] + rate * out[j]


@entry(JAC_SIGNATURE)
def jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of `rhs` with respect to the state."""
    n, r, classes = int(c[N]), int(c[RANK]), int(c[CLASSES])
    bounds, gain, _, _, u, v = _parts(c)
    f = np.empty(n)
    _argument(f, x, p[: p.size // 2], True, c)
    _slope(f, int(c[PHI]))
    for i in range(n):
        f[i] *= c[gain + i] * p[0]
    m = np.empty((classes, r, r))  # V^T diag(phi' g gain) U over the units of each class
    left = np.empty((r, n))
    for k in range(r):
        for i in range(n):
            left[k, i] = c[v + k * n + i] * f[i]
    for a in range(classes):
        first, last = int(c[bounds + a]), int(c[bounds + a + 1])
        units = c[u + first * r : u + last * r].reshape((last - first, r))
        for k in range(r):
            np.dot(left[k, first:last], units, m[a, k])
    for a in range(classes):
        rate = c[HEADER + a]
        for b in range(classes):
            from_class = b if c[FORM] == SYNAPTIC else a
            for k in range(r):
                for j in range(r):
                    out[a * r + k, b * r + j] = rate * m[from_class, k, j]
        for k in range(r):
            out[a * r + k, a * r + k] += -rate if c[MAP] == 0.0 else 1.0 - rate


@entry(RHS_SIGNATURE)
def dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `rhs` along the direction in the second half of `p`."""
    n, r = int(c[N]), int(c[RANK])
    f, change = np.empty(n), np.empty(n)
    _argument(f, x, p[: p.size // 2], True, c)
    _slope(f, int(c[PHI]))
    _argument(change, x, p[p.size // 2 :], False, c)
    for i in range(n):
        f[i] *= change[i]
    _collect(out, f, c)
    for j in range(x.size):
        out[j] *= c[HEADER + j // r]
