"""What every curve in two parameters must satisfy, recomputed from the model alone."""

from __future__ import annotations

import numpy as np

import ntkcont as nc


def followed(model, start, free, span, label, two, params=None, **options):
    """Return the curve in `two` parameters of the first special point of `label` on a branch in `free`."""
    branch = nc.continuation(model, start, free=free, p_span=span, params=params)
    return nc.continuation(model, branch.special_points(label)[0], free=two, **options)


def values(curve, name, *names):
    return tuple(curve.special_points[name][each] for each in names)


def check_curve(curve, model):
    """Fixed points, critical eigenvalues, tangents, counts and spans, from ``model.rhs`` and ``model.jac``."""
    n, is_map = model.n, model.kind == "map"
    assert np.all(np.diff(curve.s) > 0)
    spans = np.array(curve.provenance["p_span"])
    assert np.all(curve.p >= spans[:, 0] - 1e-12)
    assert np.all(curve.p <= spans[:, 1] + 1e-12)
    for i in range(len(curve)):
        params = {**curve.params, **dict(zip(curve.free, curve.p[i], strict=True))}
        x = curve.x[i]
        residual = model.rhs(x, params) - (x if is_map else 0.0)
        jac = model.jac(x, params)
        size = max(1.0, np.linalg.norm(jac, 2))
        assert np.max(np.abs(residual)) < 1e-9 * size * max(1.0, np.max(np.abs(x)))
        lam = np.linalg.eigvals(jac)
        critical = critical_of(curve.labels[i], lam, is_map)
        # a double eigenvalue moves by the root of the rounding error
        assert critical[0] < 1e-6 * size, f"point {i} is no {curve.labels[i]}: {lam}"
        margin = 1e-6 * size
        beyond = np.abs(lam) - 1.0 if is_map else lam.real
        saddle = int(curve.labels[i] == "NSad")  # one of its two eigenvalues is unstable
        assert np.sum(beyond > margin) - saddle <= curve.n_unstable[i] <= np.sum(beyond > -margin)
        full = np.column_stack(
            [jac - np.eye(n) if is_map else jac, *(model.dfdp(x, name, params) for name in curve.free)]
        )
        tangent = curve.tangent[i]
        assert np.linalg.norm(full @ tangent) <= 1e-6 * np.linalg.norm(full, 2) * np.linalg.norm(tangent)
    for point in curve.special_points:
        assert point.converged
        assert point.residual < 1e-9
        assert point.bracket[0] <= point.s <= point.bracket[1]
        assert point.params.keys() == model.params.keys()


def critical_of(label, lam, is_map):
    """Return how far the eigenvalues are from what the label says."""
    if label in ("LP", "BP"):
        return [np.min(np.abs(lam - (1.0 if is_map else 0.0)))]
    if label == "PD":
        return [np.min(np.abs(lam + 1.0))]
    i, j = np.triu_indices(len(lam), 1)
    if is_map:
        return [np.min(np.abs(lam[i] * lam[j] - 1.0))]
    return [np.min(np.abs(lam[i] + lam[j]))]
