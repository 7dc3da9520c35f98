"""Rate networks written out in numpy, one formula each, independent of the package."""

from __future__ import annotations

from typing import Any

import numpy as np

PHIS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "retanh": lambda x: np.maximum(np.tanh(x), 0.0),
}


def rhs(
    z: Any, *, W: Any, b: Any, u: Any, gain: float, phi: str, phi_gain: Any, tau: Any, alpha: Any, form: str
) -> Any:
    """Evaluate the equations; W are the weights that act, u the input current (n,)."""
    f = PHIS[phi]
    a = gain * W @ f(phi_gain * z) + u + b if form == "synaptic" else f(phi_gain * (gain * W @ z + u + b))
    return (-z + a) / tau if alpha is None else (1.0 - alpha) * z + alpha * a


def differences(f: Any, x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Jacobian by central differences of fourth order."""
    steps = np.eye(x.size) * h
    return np.array([(8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h) for e in steps]).T
