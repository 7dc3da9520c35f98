"""What may be given as the starts of a diagram, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.results.branch import Branch
from ntkcont.results.diagram import Diagram
from ntkcont.results.special_points import SpecialPoint


def listed_starts(model: Model, starts: Any) -> list[Any]:
    """Return the starts one by one."""
    what = "give one state, an array (m, n) of states, nc.find_fixed_points(...), special points, or a list of these"
    if isinstance(starts, Mapping | SpecialPoint):
        return [starts]
    if isinstance(starts, Branch | Diagram):
        msg = f"starts: got a {type(starts).__name__}; {what}"
        raise InputError(msg)
    if hasattr(starts, "x") and np.ndim(starts.x) == 1:
        return [starts]
    if not hasattr(starts, "__len__"):
        return [starts]
    items = list(starts)
    if not items:
        msg = f"starts: it is empty; {what}"
        raise InputError(msg)
    numbers = all(isinstance(item, int | float | np.number) for item in items)
    if numbers and len(items) == model.n:
        return [np.array(items, dtype=float)]
    if numbers and model.n == 1:
        return [np.array([item], dtype=float) for item in items]
    if numbers:
        model.state_vector(items, "starts")  # raises
    flat: list[Any] = []
    for item in items:
        nested = hasattr(item, "x") and np.ndim(item.x) == 2
        flat += list(item) if nested else [item]
    return flat
