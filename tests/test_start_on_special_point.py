"""A run may start on a special point: its own counts mean nothing there, and what is reported is the change."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.results.arcs import Arcs
from tests.invariants import check_branch

FLOWS = {
    # equations, the state and parameter of the special point, n_unstable as a function of x (or of p where x stays)
    "H": ({"x": "p*x - {w}*y - x*(x**2 + y**2)", "y": "{w}*x + p*y - y*(x**2 + y**2)"}, (0, 2)),
    "BP": ({"x": "p*x - x**2", "y": "-{w}*y"}, (0, 1)),
}


@pytest.mark.parametrize("seed", range(12))
def test_the_change_at_a_fold_at_which_the_run_started(seed):
    """h + a x - b x^3 - c y, y' = d x - y: one eigenvalue changes sign where a - c d = 3 b x^2."""
    rng = np.random.default_rng(seed)
    b, c, d = 10.0 ** rng.uniform(-1, 1, 3)
    a = c * d + 10.0 ** rng.uniform(-1, 1)
    model = nc.Model.from_equations(
        {"x": "h + a*x - b*x**3 - c*y", "y": "d*x - 5*y"}, {"h": 0, "a": a, "b": b, "c": c, "d": d}
    )
    slope = a - c * d / 5.0
    at = (-1.0) ** seed * np.sqrt(slope / (3.0 * b))
    h = -(slope * at - b * at**3)
    span = (-3.0 * abs(h), 3.0 * abs(h))
    branch = nc.continuation(model, [at, d * at / 5.0], free="h", p_span=span, params={"h": h})
    check_branch(branch, model, p_span=span)
    point = min(branch.special_points("LP"), key=lambda q: abs(q.s))
    assert abs(point.s) < 1e-5
    assert point.x[0] == pytest.approx(at, rel=1e-7)
    rising = branch["x"][-1] > branch["x"][0]
    middle = int(np.sum(np.linalg.eigvals(model.jac([0.0, 0.0], {"h": 0.0})).real > 0.0))
    outer = int(np.sum(np.linalg.eigvals(model.jac([2 * at, 0.0], {"h": 0.0})).real > 0.0))
    assert abs(outer - middle) == 1
    expected = (middle, outer) if rising == (at > 0) else (outer, middle)
    assert branch.stability_change(point) == expected
    (row,) = [line for line in repr(branch).splitlines() if line.startswith(point.name)]
    assert f"{expected[0]} -> {expected[1]}" in row
    assert sorted(unstable for _, unstable in Arcs.of(branch).sides(point)) == sorted(expected)


@pytest.mark.parametrize("off", [0.0, 1e-6, -1e-6, 3e-4, -3e-4])
def test_the_change_does_not_depend_on_the_last_digits_of_the_arclength(off):
    """The s of a special point is interpolated: that an accepted point lies on it is told by the place of both."""
    model = nc.Model.from_equations({"x": "p - x**2"}, {"p": 0.0})
    branch = nc.continuation(model, [0.0], free="p", p_span=(-1, 1))
    at = int(np.argmin(np.abs(branch["x"])))
    assert abs(branch["x"][at]) < 1e-9
    moved = [dataclasses.replace(q, s=branch.s[at] + off) if q.label == "LP" else q for q in branch.special_points]
    branch = dataclasses.replace(branch, special_points=moved)
    (point,) = branch.special_points("LP")
    assert point.bracket[0] <= point.s <= point.bracket[1]
    assert branch.stability_change(point) == ((1, 0) if branch["x"][-1] > 0 else (0, 1))


@pytest.mark.parametrize("label", list(FLOWS))
@pytest.mark.parametrize("off", [0.0, 1e-15, -1e-12, 1e-9, -1e-8])
def test_the_change_at_other_points(label, off):
    equations, expected = FLOWS[label]
    for w in (0.1, 1.0, 30.0):
        model = nc.Model.from_equations({k: v.format(w=w) for k, v in equations.items()}, {"p": off})
        branch = nc.continuation(model, [0.0, 0.0], free="p", p_span=(-1, 1))
        point = branch.special_points[f"{label}1"]
        assert point.p == pytest.approx(0.0, abs=1e-9)
        assert branch.stability_change(point) == (expected if branch.p[-1] > branch.p[0] else expected[::-1])


def test_the_change_at_a_period_doubling():
    model = nc.classics.logistic()
    for off in (0.0, 1e-14, -1e-10, 1e-8):
        r = 3.0 + off
        branch = nc.continuation(model, [1.0 - 1.0 / r], free="r", p_span=(2.5, 3.4), params={"r": r})
        assert branch.stability_change(branch.special_points["PD1"]) == (0, 1)
