"""Special points written down by hand: for tests that know where a point is and need no continuation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import ntkcont as nc


def point_at(
    model: nc.Model, label: str, x: Any, free: str, params: Mapping[str, float] | None = None, **more: Any
) -> nc.SpecialPoint:
    """Return the special point of `model` at the state x and the model's parameters, with `params` replaced."""
    values = {**model.params, **(params or {})}
    x = np.asarray(x, dtype=float)
    if "eigenvalues" not in more:
        more["eigenvalues"] = np.linalg.eigvals(model.jac(x, values))
    if label in ("H", "NS") and "omega" not in more:
        upper = more["eigenvalues"][more["eigenvalues"].imag > 0]
        distance = np.abs(upper.real) if label == "H" else np.abs(np.abs(upper) - 1.0)
        critical = upper[np.argmin(distance)]
        more["omega"] = critical.imag if label == "H" else np.angle(critical)
    fields = {
        "label": label, "name": f"{label}1", "p": values[free], "x": x, "s": 0.0, "tangent": np.zeros(x.size + 1),
        "bracket": (0.0, 0.0), "residual": 0.0, "test_value": 0.0, "converged": True, "free": free, "params": values,
        "states": model.states, "kind": model.kind,
    }  # fmt: skip
    return nc.SpecialPoint(**{**fields, **more})
