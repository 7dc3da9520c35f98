"""What rounding leaves of sums that vanish: a value is small, or zero, beside the terms it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.models.evaluation import Array

_STEP = 1e-5  # relative; the rounding of the value, divided by it, is still far below the terms


def sizes_of_terms(function: Callable[[Array, Array], Array], x: Array, values: Array, *, at_least: float = 0.0) -> Any:
    """Return how large the terms are that `function` adds up at a state and parameter values, entry by entry.

    What the value changes by, in proportion, if states and parameters change by random small fractions of themselves:
    for ``a - b`` with a = b it is of the size of a, though the value is 0.

    Parameters
    ----------
    function : callable
        ``function(x, values)`` returns an array.
    x, values : ndarray, shapes (n,) and (m,)
    at_least : float
        States smaller than this change as if they had this size: near x = 0 ``exp(x) - 1`` is a sum of terms of size 1.

    Returns
    -------
    ndarray, of the shape of the array

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.models.rounding import sizes_of_terms
    >>> bool(0.5 < sizes_of_terms(lambda x, p: p[0] - x**2, np.array([2.0]), np.array([4.0]))[0] < 50)
    True
    """
    rng = np.random.default_rng(0)
    here = np.asarray(function(x, values), dtype=float)
    largest = np.abs(here)
    for _ in range(4):
        by_state, by_value = (rng.choice([-1.0, 1.0], len(v)) * rng.uniform(0.5, 1.0, len(v)) for v in (x, values))
        size = np.maximum(np.abs(x), at_least)
        there = np.asarray(function(x + _STEP * size * by_state, values * (1.0 + _STEP * by_value)), dtype=float)
        change = np.abs(there - here) / _STEP
        largest = np.maximum(largest, np.where(np.isfinite(change), change, 0.0))
    return largest
