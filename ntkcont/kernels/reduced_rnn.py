"""The compiled low-rank network in the coordinates of its connectivity: r states for each distinct leak.

With ``h = gain U y + sum_k p_k drives_k + b`` and ``f = phi(g h)`` per unit, the equations of the class c of units that
share a leak are ``y_c' = (V^T f - y_c) rate_c`` where ``U y`` of a unit takes the y of its own class (synaptic form),
or ``y_c' = (V_c^T f - y_c) rate_c`` with the sum over the units of the class and ``U sum_c y_c`` (rate form).

``c = [n, r, classes, form, map, phi, inputs, 0 | rate (classes) | class of each unit (n) | phi_gain (n) | b (n) |
drives (inputs, n) | U (n, r) | V (n, r)]``
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.activations import activate, slope
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.rate_rnn_layout import SYNAPTIC

N, RANK, CLASSES, FORM, MAP, PHI, INPUTS = range(7)
HEADER = 8


@inner
def _parts(c: Any) -> Any:
    """Return where the classes, phi_gain, b, drives, U and V begin."""
    n, r, inputs = int(c[N]), int(c[RANK]), int(c[INPUTS])
    of_class = HEADER + int(c[CLASSES])
    u = of_class + (3 + inputs) * n
    return of_class, of_class + n, of_class + 2 * n, of_class + 3 * n, u, u + n * r


@inner
def _own(y: Any, c: Any) -> Any:
    """Return y by class as each unit sees it, shape (classes, r): its own (synaptic form) or the sum of all (rate)."""
    r, classes = int(c[RANK]), int(c[CLASSES])
    seen = np.zeros((classes, r))
    for a in range(classes):
        for k in range(r):
            if c[FORM] == SYNAPTIC:
                seen[a, k] = y[a * r + k]
            else:
                for b in range(classes):
                    seen[a, k] += y[b * r + k]
    return seen


@inner
def _argument(out: Any, y: Any, q: Any, with_bias: bool, c: Any) -> None:
    """Write ``g (q[0] U y + sum_k q[1 + k] drives_k [+ b])`` into `out`, shape (n,)."""
    n, r, inputs = int(c[N]), int(c[RANK]), int(c[INPUTS])
    of_class, gain, bias, drives, u, _ = _parts(c)
    seen = _own(y, c)
    for i in range(n):
        own = int(c[of_class + i])
        total = 0.0
        for k in range(r):
            total += c[u + i * r + k] * seen[own, k]
        total *= q[0]
        for k in range(inputs):
            total += q[1 + k] * c[drives + k * n + i]
        if with_bias:
            total += c[bias + i]
        out[i] = c[gain + i] * total


@inner
def _collect(out: Any, f: Any, c: Any) -> None:
    """Write ``V^T f`` for each class into `out`: of all units (synaptic form), of its own (rate form)."""
    n, r, classes = int(c[N]), int(c[RANK]), int(c[CLASSES])
    of_class, _, _, _, _, v = _parts(c)
    for j in range(classes * r):
        out[j] = 0.0
    for i in range(n):
        start = int(c[of_class + i]) * r
        for k in range(r):
            out[start + k] += c[v + i * r + k] * f[i]
    if c[FORM] == SYNAPTIC:
        for k in range(r):
            total = 0.0
            for a in range(classes):
                total += out[a * r + k]
            for a in range(classes):
                out[a * r + k] = total


@entry(RHS_SIGNATURE)
def rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """Right-hand side of a flow, or one step of a map."""
    r = int(c[RANK])
    f = np.empty(int(c[N]))
    _argument(f, x, p[: p.size // 2], True, c)
    activate(f, int(c[PHI]))
    _collect(out, f, c)
    for j in range(x.size):
        rate = c[HEADER + j // r]
        out[j] = (out[j] - x[j]) * rate if c[MAP] == 0.0 else (1.0 - rate) * x[j] + rate * out[j]


@entry(JAC_SIGNATURE)
def jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of `rhs` with respect to the state."""
    n, r, classes = int(c[N]), int(c[RANK]), int(c[CLASSES])
    of_class, gain, _, _, u, v = _parts(c)
    f = np.empty(n)
    _argument(f, x, p[: p.size // 2], True, c)
    slope(f, int(c[PHI]))
    m = np.zeros((classes, r, r))  # V^T diag(phi' g gain) U over the units of each class
    for i in range(n):
        a = int(c[of_class + i])
        factor = f[i] * c[gain + i] * p[0]
        for k in range(r):
            left = c[v + i * r + k] * factor
            for j in range(r):
                m[a, k, j] += left * c[u + i * r + j]
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
    slope(f, int(c[PHI]))
    _argument(change, x, p[p.size // 2 :], False, c)
    for i in range(n):
        f[i] *= change[i]
    _collect(out, f, c)
    for j in range(x.size):
        out[j] *= c[HEADER + j // r]
