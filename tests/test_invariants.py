"""The checker of branches accepts a true branch and rejects one that is wrong in any single way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc

A, OMEGA = 0.9, 2.0  # the Hopf point is at x = A
FOLD = 1 / np.sqrt(3)


@pytest.fixture(scope="module")
def flow_model():
    """Fixed points mu = x^3 - x, y = z = 0; eigenvalues 1 - 3 x^2 and x - A +- i OMEGA."""
    equations = {"x": "mu + x - x**3", "y": "(x - a)*y - w*z", "z": "w*y + (x - a)*z"}
    return nc.Model.from_equations(equations, {"mu": 0.0, "a": A, "w": OMEGA})


@pytest.fixture(scope="module")
def map_model():
    """The nontrivial fixed point x = 1 - 1/mu of the logistic map; multiplier 2 - mu."""
    return nc.Model.from_equations({"x": "mu*x*(1 - x)"}, {"mu": 2.0}, kind="map")


def flow_eigenvalues(x):
    return np.stack([1 - 3 * x**2 + 0j, x - A + 1j * OMEGA, x - A - 1j * OMEGA], axis=-1)


def special(label, name, x, **more):
    states = np.array([x, 0.0, 0.0])
    p = x**3 - x
    fields = {
        "label": label, "name": name, "p": p, "x": states, "s": x, "tangent": [1, 0, 0, 3 * x**2 - 1],
        "eigenvalues": flow_eigenvalues(x), "bracket": (x - 0.01, x + 0.01), "residual": 0.0, "test_value": 0.0,
        "converged": True, "free": "mu", "params": {"mu": p, "a": A, "w": OMEGA}, "states": ("x", "y", "z"),
    }  # fmt: skip
    return nc.SpecialPoint(**{**fields, **more})


def flow_branch(**more):
    """A branch with s = x, from the closed form."""
    x = np.linspace(-1.5, 1.5, 100)
    zero = np.zeros_like(x)
    eigenvalues = flow_eigenvalues(x)
    n_unstable = np.sum(eigenvalues.real > 0, axis=1)
    v = np.array([0, 1, -1j])
    points = [
        special("LP", "LP1", -FOLD, vectors={"v": np.array([1.0, 0, 0]), "w": np.array([1.0, 0, 0])}),
        special("LP", "LP2", FOLD),
        special("H", "H1", A, omega=OMEGA, vectors={"v": v, "w": v / 2}),
    ]
    fields = {
        "kind": "flow", "free": "mu", "states": ("x", "y", "z"), "params": {"mu": 0.0, "a": A, "w": OMEGA},
        "p": x**3 - x, "x": np.column_stack([x, zero, zero]), "s": x,
        "tangent": np.column_stack([zero + 1, zero, zero, 3 * x**2 - 1]), "eigenvalues": eigenvalues,
        "stable": n_unstable == 0, "n_unstable": n_unstable, "special_points": nc.SpecialPoints(points),
        "status": nc.Status.BOUND, "ends": (nc.Status.BOUND, nc.Status.BOUND),
    }  # fmt: skip
    return nc.Branch(**{**fields, **more})


def map_point(label, name, mu, **more):
    x = 1 - 1 / mu
    fields = {
        "label": label, "name": name, "p": mu, "x": [x], "s": mu, "tangent": [1 / mu**2, 1.0],
        "eigenvalues": [2 - mu], "bracket": (mu - 0.01, mu + 0.01), "residual": 0.0, "test_value": 0.0,
        "converged": True, "free": "mu", "params": {"mu": mu}, "states": ("x",), "kind": "map",
    }  # fmt: skip
    return nc.SpecialPoint(**{**fields, **more})


def map_branch(**more):
    """From the transcritical point at mu = 1 to beyond the flip at mu = 3, with s = mu."""
    mu = np.linspace(0.7, 3.5, 90)
    multiplier = 2 - mu
    n_unstable = (np.abs(multiplier) > 1).astype(int)
    points = [map_point("BP", "BP1", 1.0), map_point("PD", "PD1", 3.0, vectors={"v": np.array([1.0])})]
    fields = {
        "kind": "map", "free": "mu", "states": ("x",), "params": {"mu": 2.0}, "p": mu, "x": (1 - 1 / mu)[:, None],
        "s": mu, "tangent": np.column_stack([1 / mu**2, np.ones_like(mu)]), "eigenvalues": multiplier[:, None],
        "stable": n_unstable == 0, "n_unstable": n_unstable, "special_points": nc.SpecialPoints(points),
        "status": nc.Status.BOUND, "ends": (nc.Status.BOUND, nc.Status.BOUND),
    }  # fmt: skip
    return nc.Branch(**{**fields, **more})


def edited(column, row, value):
    """Return a copy of a column with one row replaced by value(row)."""
    new = np.array(column)
    new[row] = value(new[row])
    return new


def with_points(branch, change):
    """Return the branch with its special points changed: a function of the list."""
    return dataclasses.replace(branch, special_points=nc.SpecialPoints(change(list(branch.special_points))))


def with_point(branch, index, **fields):
    def change(points):
        points[index] = dataclasses.replace(points[index], **fields)
        return points

    return with_points(branch, change)


def forced(branch, **columns):
    """Return a branch whose columns bypass the checks of its constructor."""
    new = dataclasses.replace(branch)
    for name, column in columns.items():
        object.__setattr__(new, name, column)
    return new


def test_true_branches_pass(flow_model, map_model):
    check_branch(flow_branch(), flow_model, p_span=(-2, 2))
    check_branch(map_branch(), map_model, p_span=(0, 4))
    check_branch(flow_branch().reversed(), flow_model)


def test_point_on_a_special_point_passes(flow_model):
    """An accepted point exactly on the Hopf point may count its pair either way."""
    branch = flow_branch()
    x = np.array(branch.x)
    i = int(np.argmin(np.abs(x[:, 0] - A)))
    x[i, 0] = A
    columns = {
        "x": x,
        "p": x[:, 0] ** 3 - x[:, 0],
        "s": x[:, 0],
        "tangent": np.column_stack([np.ones(len(x)), x[:, 1:], 3 * x[:, 0] ** 2 - 1]),
        "eigenvalues": flow_eigenvalues(x[:, 0]),
    }
    for count in (0, 2):
        n_unstable = edited(branch.n_unstable, i, lambda _, count=count: count)
        changed = dataclasses.replace(branch, **columns, n_unstable=n_unstable, stable=n_unstable == 0)
        check_branch(changed, flow_model)


FLOW = {
    "residual": (lambda b: dataclasses.replace(b, x=edited(b.x, 20, lambda r: r + 1e-5)), "residual"),
    "eigenvalues": (
        lambda b: dataclasses.replace(b, eigenvalues=edited(b.eigenvalues, 50, lambda r: r + 1e-3)),
        "eigenvalues off",
    ),
    "count": (
        lambda b: dataclasses.replace(b, n_unstable=edited(b.n_unstable, 50, lambda c: c + 1)),
        "n_unstable is",
    ),
    "stability": (lambda b: dataclasses.replace(b, stable=edited(b.stable, 3, np.logical_not)), "stable disagrees"),
    "tangent direction": (
        lambda b: dataclasses.replace(b, tangent=edited(b.tangent, 10, lambda t: t + 1e-3)),
        "kernel",
    ),
    "tangent reversed": (lambda b: dataclasses.replace(b, tangent=edited(b.tangent, 10, np.negative)), "against s"),
    "all tangents reversed": (lambda b: dataclasses.replace(b, tangent=-b.tangent), "against s"),
    "tangent length": (lambda b: dataclasses.replace(b, tangent=10 * b.tangent), "is not d"),
    "tangent zero": (lambda b: dataclasses.replace(b, tangent=edited(b.tangent, 10, lambda t: 0 * t)), "zero"),
    "order of s": (lambda b: forced(b, s=edited(b.s, 10, lambda s: s - 1)), "does not increase"),
    "aliasing": (lambda b: forced(b, s=b.x[:, 0]), "share memory"),
    "nan": (lambda b: dataclasses.replace(b, p=edited(b.p, 10, lambda p: np.nan)), "not finite"),
    "states": (lambda b: dataclasses.replace(b, states=("x", "z", "y")), "states"),
    "missing Hopf point": (lambda b: with_points(b, lambda p: p[:2]), "changes by 2"),
    "missing fold": (lambda b: with_points(b, lambda p: p[1:]), "changes by 1"),
    "Hopf point listed twice": (
        lambda b: with_points(b, lambda p: [*p, dataclasses.replace(p[2], name="H2")]),
        r"across \['H1', 'H2'\]",
    ),
    "one name twice": (
        lambda b: with_points(b, lambda p: [p[0], dataclasses.replace(p[1], name="LP1"), p[2]]),
        "share a name",
    ),
    "order of special points": (lambda b: with_points(b, lambda p: p[::-1]), "order of s"),
    "invented fold": (lambda b: with_points(b, lambda p: [p[0], special("LP", "LP9", 0.1), *p[1:]]), "not singular"),
    "invented Hopf point": (
        lambda b: with_points(b, lambda p: [*p, special("H", "H2", 1.2, omega=OMEGA)]),
        "critical eigenvalue",
    ),
    "fold called branch point": (lambda b: with_point(b, 0, label="BP"), "full rank"),
    "Hopf called neutral saddle": (lambda b: with_point(b, 2, label="NSad", omega=None), "no real pair"),
    "label of maps": (lambda b: with_point(b, 2, label="NS"), "does not exist for a flow"),
    "frequency": (lambda b: with_point(b, 2, omega=OMEGA + 1e-3), "critical eigenvalue"),
    "frequency sign": (lambda b: with_point(b, 2, omega=-OMEGA), "H1"),
    "bracket": (lambda b: with_point(b, 1, bracket=(FOLD + 0.01, FOLD + 0.02)), "outside its bracket"),
    "bracket beyond the branch": (lambda b: with_point(b, 2, bracket=(A - 0.01, 9.0)), "leaves the branch"),
    "place on the branch": (
        lambda b: with_point(b, 1, s=0.2, bracket=(0.1, 0.3)),
        "away from the branch",
    ),
    "state of a point": (lambda b: with_point(b, 1, x=[FOLD, 1e-4, 0.0]), "residual"),
    "eigenvalues of a point": (lambda b: with_point(b, 1, eigenvalues=[0, 1, 2]), "eigenvalues off"),
    "tangent of a point": (lambda b: with_point(b, 2, tangent=[1, 0, 1e-2, 3 * A**2 - 1]), "kernel"),
    "parameters of a point": (lambda b: with_point(b, 2, params={"mu": 0.0, "a": A, "w": OMEGA}), "another mu"),
    "right vector": (lambda b: with_point(b, 2, vectors={"v": np.array([0, 1, 1j])}), "v is not critical"),
    "left vector": (lambda b: with_point(b, 2, vectors={"w": np.array([0, 1, 1j])}), "w is not critical"),
    "no residual": (lambda b: with_point(b, 2, residual=np.nan), "no residual"),
}


@pytest.mark.parametrize("name", FLOW)
def test_wrong_flow_branches_are_rejected(name, flow_model):
    corrupt, message = FLOW[name]
    with pytest.raises(AssertionError, match=message):
        check_branch(corrupt(flow_branch()), flow_model)


def test_p_span(flow_model):
    with pytest.raises(AssertionError, match="leaves p_span"):
        check_branch(flow_branch(), flow_model, p_span=(-1.0, 2.0))


def test_wrong_model(flow_model):
    other = nc.Model.from_equations({"x": "mu - x - x**3", "y": "-y", "z": "-z"}, {"mu": 0.0, "a": A, "w": OMEGA})
    with pytest.raises(AssertionError, match="residual"):
        check_branch(flow_branch(), other)


MAP = {
    "missing flip": (lambda b: with_points(b, lambda p: p[:1]), "changes by 1"),
    "missing branch point": (lambda b: with_points(b, lambda p: p[1:]), "changes by -1"),
    "flip called Neimark-Sacker": (lambda b: with_point(b, 1, label="NS", omega=3.0), "critical eigenvalue"),
    "flip called fold": (lambda b: with_point(b, 1, label="LP"), "not singular"),
    "branch point called fold": (lambda b: with_point(b, 0, label="LP"), "parameter component|branch point"),
    "label of flows": (lambda b: with_point(b, 1, label="H", omega=1.0), "does not exist for a map"),
    "multipliers minus one": (lambda b: dataclasses.replace(b, eigenvalues=b.eigenvalues - 1), "eigenvalues off"),
}


@pytest.mark.parametrize("name", MAP)
def test_wrong_map_branches_are_rejected(name, map_model):
    corrupt, message = MAP[name]
    with pytest.raises(AssertionError, match=message):
        check_branch(corrupt(map_branch()), map_model)
