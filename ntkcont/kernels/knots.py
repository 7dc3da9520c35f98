"""What the kinks of a piecewise path depend on, for models whose right-hand side is not compiled.

The constants are ``c = [number, count | knots (count)]``; the last parameter is s.
"""

from __future__ import annotations

from typing import Any

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.cache import entry

FIRST = 2


@entry(RHS_SIGNATURE)
def knots(out: Any, x: Any, p: Any, c: Any) -> None:  # noqa: ARG001
    """Write how far s is beyond each knot."""
    for k in range(int(c[1])):
        out[k] = p[p.size // 2 - 1] - c[FIRST + k]


@entry(JAC_SIGNATURE)
def knots_jac(out: Any, x: Any, p: Any, c: Any) -> None:  # noqa: ARG001
    """Differentiate `knots` with respect to the state."""
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j] = 0.0


@entry(RHS_SIGNATURE)
def knots_dfdp(out: Any, x: Any, p: Any, c: Any) -> None:  # noqa: ARG001
    """Differentiate `knots` along the direction in the second half of `p`."""
    for k in range(int(c[1])):
        out[k] = p[p.size - 1]
