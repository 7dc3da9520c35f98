"""Random networks with one designed eigenvalue or pair, and an activation that is not odd; used by other examples."""

import numba
import numpy as np
from jax import numpy as jnp


def weights(outlier: complex, n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return random weights with the given leading eigenvalue (or pair), and the plane of its eigenvectors."""
    rng = np.random.default_rng(seed)
    size = 1 if np.isreal(outlier) else 2
    right = np.linalg.qr(rng.standard_normal((n, size)))[0]
    left = right + 0.3 * np.linalg.qr(rng.standard_normal((n, size)))[0]
    left = left @ np.linalg.inv(right.T @ left)
    without = np.eye(n) - right @ left.T  # the random part gets these vectors as null vectors
    bulk = without @ (0.4 * rng.standard_normal((n, n)) / np.sqrt(n)) @ without
    block = np.array([[outlier.real, -outlier.imag], [outlier.imag, outlier.real]])[:size, :size]
    return bulk + right @ block @ left.T, right


@numba.njit
def bent(x):
    """Return a saturating activation that is not odd, ``tanh x + tanh(x)^2/2``."""
    return np.tanh(x) + 0.5 * np.tanh(x) ** 2


@numba.njit
def bent_slope(x):
    """Return its derivative."""
    return (1.0 - np.tanh(x) ** 2) * (1.0 + np.tanh(x))


def bent_in_jax(x):
    """Return the activation in JAX."""
    return jnp.tanh(x) + 0.5 * jnp.tanh(x) ** 2


#: The activation as ``RateRNN(phi=...)`` takes it.
BENT = (bent, bent_slope, bent_in_jax)
