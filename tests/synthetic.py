"""Branches built from closed forms, without any continuation: for the tests of results and plots."""

from __future__ import annotations

import numpy as np

from ntkcont import Status
from ntkcont.results.branch import Branch
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoint, SpecialPoints

FOLD = 1 / np.sqrt(3.0)  # |x| at the folds of cusp_branch


def arclength(p, x, scale_p, scale_x):
    steps = np.hypot(np.diff(p) / scale_p, np.linalg.norm(np.diff(x, axis=0), axis=1) / scale_x)
    return np.concatenate([[0.0], np.cumsum(steps)])


def special(label, name, p, x, s, branch_states, **changes):
    n = len(branch_states)
    fields = {
        "label": label,
        "name": name,
        "p": p,
        "x": np.atleast_1d(x),
        "s": s,
        "tangent": np.zeros(n + 1),
        "eigenvalues": np.zeros(n),
        "bracket": (s - 0.01, s + 0.01),
        "residual": 1e-14,
        "test_value": 1e-15,
        "converged": True,
        "free": "h",
        "params": {"h": p},
        "states": branch_states,
    }
    return SpecialPoint(**fields | changes)


def cusp_branch(k=201, kernel=True, free="h", limit=1.5):
    """Fixed points of ``x' = h + x - x**3``: h = x**3 - x, folds at x = -+1/sqrt(3), eigenvalue 1 - 3 x**2.

    The kernel is that of theta = h: top = 1 / eigenvalue**2.
    """
    x = np.linspace(-limit, limit, k)
    p = x**3 - x
    s = arclength(p, x[:, None], 1.0, 1.0)
    lam = 1 - 3 * x**2
    points = []
    for i, xc in enumerate([-FOLD, FOLD]):
        sc = float(np.interp(xc, x, s))
        points.append(special("LP", f"LP{i + 1}", xc**3 - xc, xc, sc, ("x",), free=free, params={free: xc**3 - xc}))
    ntk = None
    if kernel:
        top = 1 / lam**2
        ntk = Signatures(
            {
                "eigenvalues": np.column_stack([top, np.full(k, 0.1), np.full(k, 0.01)]),
                "top": top,
                "participation_ratio": (top + 0.11) ** 2 / (top**2 + 0.0101),
                "entropy_rank": 1 + 1 / (1 + top),
                "stable_rank": (top + 0.11) / top,
                "lambda_c": lam.astype(complex),
                "omega_c": np.zeros(k),
            },
            {"kernel": "equilibrium"},
        )
    return Branch(
        kind="flow",
        free=free,
        states=("x",),
        params={free: float(p[0])},
        p=p,
        x=x[:, None],
        s=s,
        tangent=np.column_stack([np.gradient(x, s), np.gradient(p, s)]),
        eigenvalues=lam[:, None],
        stable=lam < 0,
        n_unstable=lam > 0,
        special_points=SpecialPoints(points),
        ntk=ntk,
        status=Status.BOUND,
        ends=(Status.BOUND, Status.BOUND),
        provenance={"model": {"description": "cusp"}},
    )


def hopf_branch(k=101, kind="flow"):
    """Origin of the Hopf normal form, eigenvalues mu +- 2i; as a map: multipliers (1 + mu) exp(+-i), NS at mu = 0."""
    mu = np.linspace(-1.0, 1.0, k)
    x = np.zeros((k, 2))
    lam = mu + 2j if kind == "flow" else (1 + mu) * np.exp(1j)
    growth = mu
    label = "H" if kind == "flow" else "NS"
    z = 2j if kind == "flow" else np.exp(1j)
    point = special(
        label, f"{label}1", 0.0, np.zeros(2), 1.0, ("x", "y"), free="mu", params={"mu": 0.0}, kind=kind,
        omega=2.0 if kind == "flow" else 1.0, eigenvalues=[z, np.conj(z)], vectors={"v": [1, 1j], "w": [1, -1j]},
    )  # fmt: skip
    return Branch(
        kind=kind,
        free="mu",
        states=("x", "y"),
        params={"mu": -1.0, "omega": 2.0},
        p=mu,
        x=x,
        s=mu + 1.0,
        tangent=np.tile([0.0, 0.0, 1.0], (k, 1)),
        eigenvalues=np.column_stack([lam, lam.conj()]),
        stable=growth < 0,
        n_unstable=2 * (growth > 0),
        special_points=SpecialPoints([point]),
        status=Status.BOUND,
        ends=(Status.BOUND, Status.BOUND),
    )
