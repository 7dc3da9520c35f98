"""A gated recurrent unit written out in numpy, independent of the package, and one whose gates are constant."""

from __future__ import annotations

import numpy as np


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def step(h, u, W_ih, W_hh, b_ih, b_hh, gain=1.0):
    """One step of the cell of PyTorch's documentation, from the input u (d,)."""
    W_ir, W_iz, W_in = np.split(W_ih, 3)
    W_hr, W_hz, W_hn = np.split(W_hh, 3)
    b_ir, b_iz, b_in = np.split(b_ih, 3)
    b_hr, b_hz, b_hn = np.split(b_hh, 3)
    r = sigmoid(W_ir @ u + b_ir + gain * W_hr @ h + b_hr)
    z = sigmoid(W_iz @ u + b_iz + gain * W_hz @ h + b_hz)
    n = np.tanh(W_in @ u + b_in + r * (gain * W_hn @ h + b_hn))
    return (1.0 - z) * n + z * h


def random_weights(n, d, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    W_ih, W_hh = rng.standard_normal((3 * n, d)), scale * rng.standard_normal((3 * n, n)) / np.sqrt(n)
    return W_ih, W_hh, 0.5 * rng.standard_normal(3 * n), 0.5 * rng.standard_normal(3 * n)


def constant_gates(W_n, r, z):
    """Weights ``(W_ih, W_hh, b_ih)`` of ``h <- (1 - z) tanh(u + r gain W_n h) + z h`` with numbers r and z."""
    n = len(W_n)
    W_hh = np.vstack([np.zeros((2 * n, n)), W_n])
    b_ih = np.repeat([np.log(r / (1.0 - r)), np.log(z / (1.0 - z)), 0.0], n)
    W_ih = np.vstack([np.zeros((2 * n, n)), np.eye(n)])
    return W_ih, W_hh, b_ih
