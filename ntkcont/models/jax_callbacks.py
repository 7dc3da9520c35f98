"""How compiled code calls a JAX function: three functions for all models, told apart by a number in ``c[0]``.

They leave compiled code for Python (object mode), so they are compiled once per process, not cached on disk.
An exception of the user's function travels through them to the caller.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import objmode  # pyright: ignore[reportAttributeAccessIssue]

from ntkcont.jax_tools import x64
from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.models.jax_model import find


def _call_rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    found = find(int(c[0]))
    with x64():
        out[...] = found.rhs(x, p, found.theta)


def _call_jac(out: Any, x: Any, p: Any, c: Any) -> None:
    found = find(int(c[0]))
    with x64():
        out[...] = found.jac(x, p, found.theta)


def _call_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    found = find(int(c[0]))
    with x64():
        out[...] = found.dfdp(x, p, found.theta)


@numba.njit(RHS_SIGNATURE, error_model="numpy")
def rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    """Right-hand side of the JAX model with number ``c[0]``."""
    with objmode():
        _call_rhs(out, x, p, c)


@numba.njit(JAC_SIGNATURE, error_model="numpy")
def jac(out: Any, x: Any, p: Any, c: Any) -> None:
    """Jacobian of the JAX model with number ``c[0]``."""
    with objmode():
        _call_jac(out, x, p, c)


@numba.njit(RHS_SIGNATURE, error_model="numpy")
def dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
    """Differentiate the JAX model with number ``c[0]`` along the direction in the second half of `p`."""
    with objmode():
        _call_dfdp(out, x, p, c)
