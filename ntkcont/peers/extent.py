"""The size of a branch, without its ways to infinity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ntkcont.results.branch import Branch

_RUNAWAY = 1e3  # an end so many times larger than most of the branch goes to infinity
_KEPT = 5.0


def core(branch: Branch) -> slice:
    """Return the points of a branch before it runs off to infinity, at either end; mostly all of them.

    Notes
    -----
    Where a branch goes to infinity inside the span, the parameter hardly changes while most of the points are taken.
    What is usual is therefore measured over the parameter that is covered: an end whose states are a thousand times
    larger than over 90 % of it has run off, and the branch counts up to five times the median size.
    """
    size = np.abs(branch.x)
    if len(size) < 3:
        return slice(None)
    middle = 0.5 * (size[1:] + size[:-1])
    covered = np.abs(np.diff(np.log(branch.p) if branch.free in branch.log else branch.p))
    far = _quantile(middle, covered, 0.9)
    off = (size > _RUNAWAY * far) & (far > 0)
    first, last = bool(off[0].any()), bool(off[-1].any())
    if not (first or last):
        return slice(None)
    usual = _quantile(middle, covered, 0.5)
    ends = off[0] | off[-1]  # the states that run off
    inside = np.flatnonzero((size <= _KEPT * np.maximum(usual, size.min(axis=0)))[:, ends].all(axis=1))
    if not len(inside):
        return slice(None)
    return slice(int(inside[0]) if first else 0, int(inside[-1]) + 1 if last else len(size))


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    """Return the weighted quantile of each column."""
    if not weights.sum() > 0:
        weights = np.ones_like(weights)
    found = np.empty(values.shape[1])
    for i, column in enumerate(values.T):
        order = np.argsort(column)
        total = np.cumsum(weights[order])
        found[i] = column[order[min(int(np.searchsorted(total, q * total[-1])), len(order) - 1)]]
    return found
