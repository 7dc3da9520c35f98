"""Bifurcation points by scipy from a guess: an independent way to see how they move when a weight does."""

from __future__ import annotations

import numpy as np
from scipy.optimize import root


def relocated(model, label, free, params, x, p, omega):
    """The critical parameter value near (x, p), from the defining system with explicit critical vectors."""
    n, is_map = len(x), model.kind == "map"

    def at(z):
        own = {**params, free: z[n]}
        A, f = model.jac(z[:n], own), model.rhs(z[:n], own)
        return A, (f - z[:n] if is_map else f), own

    A, _, own = at(np.append(x, p))
    if label == "BP":
        Jp = np.column_stack([A - is_map * np.eye(n), model.dfdp(x, free, own)])
        psi = np.linalg.svd(Jp)[0][:, -1]

        def system(z):
            A, f, own = at(z)
            Jp = np.column_stack([A - is_map * np.eye(n), model.dfdp(z[:n], free, own)])
            left = z[n + 2 :]
            return np.concatenate([f + z[n + 1] * psi, Jp.T @ left, [left @ psi - 1.0]])

        start = np.concatenate([x, [p, 0.0], psi])
    else:
        value = {"LP": 1.0 if is_map else 0.0, "PD": -1.0}.get(label)
        if value is None:
            value = np.exp(1j * omega) if is_map else 1j * omega
        eigenvalues, vectors = np.linalg.eig(A)
        v = vectors[:, np.argmin(np.abs(eigenvalues - value))]
        v = v / np.linalg.norm(v)
        if np.iscomplexobj(value):

            def system(z):
                A, f, _ = at(z)
                u = z[n + 2 : 2 * n + 2] + 1j * z[2 * n + 2 :]
                critical = np.exp(1j * z[n + 1]) if is_map else 1j * z[n + 1]
                rest = np.append(A @ u - critical * u, np.vdot(v, u) - 1.0)
                return np.concatenate([f, rest.real, rest.imag])

            start = np.concatenate([x, [p, omega], v.real, v.imag])
        else:
            v = v.real

            def system(z):
                A, f, _ = at(z)
                u = z[n + 1 :]
                return np.concatenate([f, A @ u - value * u, [v @ u - 1.0]])

            start = np.concatenate([x, [p], v])
    z = root(system, start, tol=1e-14).x
    for _ in range(2):  # polish: hybr stops on its step
        jacobian = np.array([(system(z + h) - system(z - h)) / (2e-6) for h in 1e-6 * np.eye(z.size)]).T
        z = z - np.linalg.solve(jacobian, system(z))
    assert np.max(np.abs(system(z))) < 1e-11
    return z[n]


def moved(build, point, h=1e-3):
    """The derivative of the critical value along a path of models, by central differences of fourth order.

    `build(s)` returns the model and its parameters at the distance s along the path.
    """
    values = []
    for k in (-2, -1, 1, 2):
        model, params = build(k * h)
        values.append(relocated(model, point.label, point.free, params, point.x, point.p, point.omega))
    a, b, c, d = values
    return (a - 8 * b + 8 * c - d) / (12 * h)
