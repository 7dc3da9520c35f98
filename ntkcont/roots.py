"""The root of a scalar function between two arguments where its signs differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def bracketed_root(function: Callable[[float], float], low: float, high: float, tol: float = 1e-14) -> float:
    """Return a zero of `function` between `low` and `high`, to `tol` (Brent's method, by scipy)."""
    from scipy.optimize import brentq  # takes 0.3 s to import, and most branches never need it

    relative: Any = max(tol, 1e-14)  # brentq takes no less
    root: Any = brentq(function, low, high, xtol=tol, rtol=relative)
    return float(root)
