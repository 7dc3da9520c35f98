"""The compiled rate network: one set of functions for all weights, which come in the constants ``c``.

With ``h(v) = gain W v + sum_k p_k drives_k + b`` the synaptic form is ``a(z) = h(phi(g z))`` and the rate form
``a(z) = phi(g h(z))``; a flow is ``z' = (a - z) rate`` with rate = 1/tau, a map ``(1 - rate) z + rate a``.
The parameters are ``p = (gain, p_1, ..., p_K)``, followed by the direction of ``dfdp`` (see ``abi``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.activations import activate, slope
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.products import matvec
from ntkcont.kernels.rate_rnn_layout import (
    DENSE,
    FORM,
    HEADER,
    INPUTS,
    LOW_RANK,
    MAP,
    PHI,
    SIZE,
    STORAGE,
    SYNAPTIC,
    N,
)


@inner
def _weights_start(c: Any) -> int:
    return HEADER + (3 + int(c[INPUTS])) * int(c[N])


@inner
def _weights_times(out: Any, v: Any, c: Any) -> None:
    """Write W v into `out`."""
    n, size, start = int(c[N]), int(c[SIZE]), _weights_start(c)
    if c[STORAGE] == DENSE:
        matvec(c[start : start + n * n].reshape((n, n)), v, out)
    elif c[STORAGE] == LOW_RANK:
        own, start = start, start + n
        middle = start + n * size
        inside = np.empty(size)
        vt = c[middle : middle + size * n].reshape((size, n))
        matvec(vt, v, inside)
        matvec(c[start:middle].reshape((n, size)), inside, out)
        for i in range(n):
            out[i] += c[own + i] * v[i]
    else:
        columns, pointers = start + size, start + 2 * size
        for i in range(n):
            total = 0.0
            for k in range(int(c[pointers + i]), int(c[pointers + i + 1])):
                total += c[start + k] * v[int(c[columns + k])]
            out[i] = total


@inner
def _linear(out: Any, v: Any, q: Any, c: Any) -> None:
    """Write ``q[0] W v + sum_k q[1 + k] drives_k`` into `out`."""
    n, inputs = int(c[N]), int(c[INPUTS])
    if q[0] == 0.0:  # a direction that leaves the gain alone needs no product
        for i in range(n):
            out[i] = 0.0
    else:
        _weights_times(out, v, c)
        for i in range(n):
            out[i] *= q[0]
    for k in range(inputs):
        weight, drive = q[1 + k], HEADER + (3 + k) * n
        if weight != 0.0:
            for i in range(n):
                out[i] += weight * c[drive + i]


@inner
def _scale(out: Any, v: Any, c: Any) -> None:
    """Write ``phi_gain * v`` into `out`."""
    n = int(c[N])
    for i in range(n):
        out[i] = c[HEADER + n + i] * v[i]


@inner
def _argument(out: Any, v: Any, p: Any, c: Any) -> None:
    """Write ``h(v)`` into `out`."""
    n = int(c[N])
    _linear(out, v, p[: p.size // 2], c)
    for i in range(n):
        out[i] += c[HEADER + 2 * n + i]


@inner
def _before(x: Any, p: Any, c: Any) -> Any:
    """Return what phi is applied to: ``g z`` (synaptic) or ``g h(z)`` (rate)."""
    work = np.empty(int(c[N]))
    if c[FORM] == SYNAPTIC:
        _scale(work, x, c)
    else:
        _argument(work, x, p, c)
        _scale(work, work, c)
    return work


@inner
def _rhs_after(out: Any, rates: Any, x: Any, p: Any, c: Any) -> None:
    n = int(c[N])
    if c[FORM] == SYNAPTIC:
        _argument(out, rates, p, c)
    else:
        for i in range(n):  # a slice assignment would triple the time of compilation
            out[i] = rates[i]
    if c[MAP] == 0.0:
        for i in range(n):
            out[i] = (out[i] - x[i]) * c[HEADER + i]
    else:
        for i in range(n):
            out[i] = (1.0 - c[HEADER + i]) * x[i] + c[HEADER + i] * out[i]


@inner
def _fill(out: Any, gain: float, rows: Any, columns: Any, c: Any) -> None:
    """Write ``gain diag(rows) W diag(columns)`` into `out`."""
    n, size, start = int(c[N]), int(c[SIZE]), _weights_start(c)
    if c[STORAGE] == DENSE:
        for i in range(n):
            factor, row = gain * rows[i], start + i * n
            for j in range(n):
                out[i, j] = c[row + j] * (factor * columns[j])
    elif c[STORAGE] == LOW_RANK:
        own, start = start, start + n
        middle = start + n * size
        left, right = np.empty((n, size)), np.empty((size, n))
        for i in range(n):
            for k in range(size):
                left[i, k] = gain * rows[i] * c[start + i * size + k]
        for k in range(size):
            for j in range(n):
                right[k, j] = c[middle + k * n + j] * columns[j]
        np.dot(left, right, out)
        for i in range(n):
            out[i, i] += gain * rows[i] * c[own + i] * columns[i]
    else:
        for i in range(n):
            for j in range(n):
                out[i, j] = 0.0
        column_of, pointers = start + size, start + 2 * size
        for i in range(n):
            for k in range(int(c[pointers + i]), int(c[pointers + i + 1])):
                j = int(c[column_of + k])
                out[i, j] += gain * rows[i] * c[start + k] * columns[j]


@inner
def _jac_after(out: Any, slopes: Any, p: Any, c: Any) -> None:
    n = int(c[N])
    rate = c[HEADER : HEADER + n]
    rows, columns = rate.copy(), np.ones(n)
    changed = columns if c[FORM] == SYNAPTIC else rows
    for i in range(n):
        changed[i] *= slopes[i] * c[HEADER + n + i]
    _fill(out, p[0], rows, columns, c)
    for i in range(n):
        out[i, i] += -rate[i] if c[MAP] == 0.0 else 1.0 - rate[i]


@inner
def _dfdp_after(out: Any, work: Any, x: Any, p: Any, c: Any) -> None:
    n = int(c[N])
    if c[FORM] == SYNAPTIC:
        _linear(out, work, p[p.size // 2 :], c)
        for i in range(n):
            out[i] *= c[HEADER + i]
    else:
        _linear(out, x, p[p.size // 2 :], c)
        for i in range(n):
            out[i] *= work[i] * c[HEADER + n + i] * c[HEADER + i]


@entry(RHS_SIGNATURE)
def rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """Right-hand side of a flow, or one step of a map."""
    work = _before(x, p, c)
    activate(work, int(c[PHI]))
    _rhs_after(out, work, x, p, c)


@entry(JAC_SIGNATURE)
def jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of `rhs` with respect to the state."""
    work = _before(x, p, c)
    slope(work, int(c[PHI]))
    _jac_after(out, work, p, c)


@entry(RHS_SIGNATURE)
def dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `rhs` along the direction in the second half of `p`."""
    work = _before(x, p, c)
    if c[FORM] == SYNAPTIC:
        activate(work, int(c[PHI]))
    else:
        slope(work, int(c[PHI]))
    _dfdp_after(out, work, x, p, c)


@entry(RHS_SIGNATURE)
def arguments(out: Any, x: Any, p: Any, c: Any) -> None:
    """Write what phi is applied to; 1 for a unit whose phi_gain is 0, which no kink ever meets."""
    work = _before(x, p, c)
    for i in range(work.size):
        out[i] = work[i] if c[HEADER + work.size + i] != 0.0 else 1.0


@entry(JAC_SIGNATURE)
def arguments_jac(out: Any, x: Any, p: Any, c: Any) -> None:  # noqa: ARG001
    """Differentiate `arguments` with respect to the state."""
    n = int(c[N])
    if c[FORM] == SYNAPTIC:
        for i in range(n):
            for j in range(n):
                out[i, j] = c[HEADER + n + i] if i == j else 0.0
    else:
        _fill(out, p[0], c[HEADER + n : HEADER + 2 * n].copy(), np.ones(n), c)


@entry(RHS_SIGNATURE)
def arguments_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate `arguments` along the direction in the second half of `p`."""
    n = int(c[N])
    if c[FORM] == SYNAPTIC:
        for i in range(n):
            out[i] = 0.0
    else:
        _linear(out, x, p[p.size // 2 :], c)
        for i in range(n):
            out[i] *= c[HEADER + n + i]


@functools.lru_cache(maxsize=64)
def functions_for(phi: Callable[..., Any], derivative: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """Compile rhs, jac and dfdp for an activation of the user's (numba functions of one number), for this process."""

    @numba.njit(RHS_SIGNATURE, error_model="numpy")
    def user_rhs(out: Any, x: Any, p: Any, c: Any) -> None:
        work = _before(x, p, c)
        for i in range(work.size):
            work[i] = phi(work[i])
        _rhs_after(out, work, x, p, c)

    @numba.njit(JAC_SIGNATURE, error_model="numpy")
    def user_jac(out: Any, x: Any, p: Any, c: Any) -> None:
        work = _before(x, p, c)
        for i in range(work.size):
            work[i] = derivative(work[i])
        _jac_after(out, work, p, c)

    @numba.njit(RHS_SIGNATURE, error_model="numpy")
    def user_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
        work = _before(x, p, c)
        if c[FORM] == SYNAPTIC:
            for i in range(work.size):
                work[i] = phi(work[i])
        else:
            for i in range(work.size):
                work[i] = derivative(work[i])
        _dfdp_after(out, work, x, p, c)

    return user_rhs, user_jac, user_dfdp
