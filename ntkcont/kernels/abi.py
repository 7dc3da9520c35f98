"""The one signature of every compiled model function (types only).

``rhs(out, x, p, c)`` and ``dfdp(out, x, p, c)`` write into ``out`` of shape (n,), ``jac(out, x, p, c)`` into ``out``
of shape (n, n).  ``x`` is the state; ``c`` the flat block of constants (weights of a network); ``p`` has length 2 M:
the M parameter values, then a direction of length M along which ``dfdp`` differentiates:
``dfdp = sum_j p[M + j] * d rhs / d p[j]``.  One free parameter, or several that move together, thus need no code of
their own: the continuation walks along ``p(q) = p0 + q * direction``.

For maps ``rhs`` is the map G itself and ``jac`` its Jacobian DG; the continuation subtracts the identity.
"""

from __future__ import annotations

from numba import float64, types

VECTOR = float64[::1]
MATRIX = float64[:, ::1]
RHS_SIGNATURE = types.void(VECTOR, VECTOR, VECTOR, VECTOR)
JAC_SIGNATURE = types.void(MATRIX, VECTOR, VECTOR, VECTOR)
RHS_TYPE = types.FunctionType(RHS_SIGNATURE)
JAC_TYPE = types.FunctionType(JAC_SIGNATURE)
