"""Networks with a designed outlying eigenvalue, and their fixed points by Newton: what several kernel tests use."""

from __future__ import annotations

import numpy as np
from scipy import linalg

N = 64


def outlier_network(mu, seed=0):
    """W(mu) with its leading real eigenvalue moved to 1 + mu, and the unit eigenvectors v, w of that eigenvalue."""
    rng = np.random.default_rng(seed)
    G0 = 0.5 * rng.standard_normal((N, N)) / 8
    m = rng.standard_normal(N)
    m /= np.linalg.norm(m)
    k = rng.standard_normal(N)
    k -= (k @ m) * m
    k /= np.linalg.norm(k)
    W1 = G0 + 1.5 * np.outer(m, 0.6 * m + 0.8 * k)
    values, left, right = linalg.eig(W1, left=True)
    lead = np.argmax(values.real)
    v, w = right[:, lead].real, left[:, lead].real
    v, w = v / np.linalg.norm(v), w / np.linalg.norm(w)
    w *= np.sign(w @ v)
    return W1 + (1 + mu - values[lead].real) * np.outer(v, w) / (w @ v), v, w


def complex_outlier(target, seed=0):
    """W whose leading complex pair is moved to `target`; returns it with the condition number of the pair."""
    rng = np.random.default_rng(seed)
    G0 = 0.5 * rng.standard_normal((N, N)) / 8
    P, _ = np.linalg.qr(rng.standard_normal((N, 2)))
    W = G0 + P @ np.array([[1.0, -0.7], [0.7, 1.0]]) @ (P + 0.4 * rng.standard_normal((N, 2)) / 8).T
    values, left, right = linalg.eig(W, left=True)
    lead = np.argmax(np.where(values.imag > 0, values.real, -np.inf))
    v, w = right[:, lead], left[:, lead]
    shift = np.outer(v, w.conj()) / (w.conj() @ v)
    W = W + 2 * ((target - values[lead]) * shift).real
    return W, np.linalg.norm(v) * np.linalg.norm(w) / abs(w.conj() @ v)


def newton(model, x, params=None, tol=1e-13):
    """A fixed point near x, from the model's compiled functions."""
    x = np.array(x, dtype=float)
    for _ in range(50):
        f, J = model.rhs(x, params), model.jac(x, params)
        if model.kind == "map":
            f, J = f - x, J - np.eye(len(x))
        step = np.linalg.solve(J, f)
        x -= step
        if np.linalg.norm(step) < tol * (1 + np.linalg.norm(x)):
            return x
    raise AssertionError("Newton did not converge")


def slope(log_x, log_y):
    return np.polyfit(log_x, log_y, 1)[0]
