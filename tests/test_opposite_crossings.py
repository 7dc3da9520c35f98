"""Eigenvalues that cross the stability boundary at exactly one place in opposite directions: no count changes there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import checked
from tests.invariants import check_branch

# rates of the two modes, and where the map or flow has them: every crossing is at mu = c
FLOW = {"x": "a*(mu - c)*x - x**3", "y": "-b*(mu - c)*y - y**3"}
PAIRS = {
    "x": "(mu - c)*x - y - x*(x**2 + y**2)",
    "y": "x + (mu - c)*y - y*(x**2 + y**2)",
    "u": "-a*(mu - c)*u - b*v - u*(u**2 + v**2)",
    "v": "b*u - a*(mu - c)*v - v*(u**2 + v**2)",
}
MAP = {"x": "b*(1 + mu - c)*x - x**3", "y": "b*(1 - a*(mu - c))*y - y**3"}
ROTATIONS = {
    "x": "(1 + mu - c)*(0.6*x - 0.8*y)",
    "y": "(1 + mu - c)*(0.8*x + 0.6*y)",
    "u": "(1 - a*(mu - c))*(0.8*u - 0.6*v)",
    "v": "(1 - a*(mu - c))*(0.6*u + 0.8*v)",
}
CASES: dict[str, tuple[Any, ...]] = {
    "BP": ("flow", FLOW, {"a": 1.0, "b": 1.0}),
    "BP, other rates": ("flow", FLOW, {"a": 1.0, "b": 3.0}),
    "H, two frequencies": ("flow", PAIRS, {"a": 1.0, "b": 2.0}),
    "H, one frequency": ("flow", PAIRS, {"a": 2.0, "b": 1.0}),
    "BP of a map": ("map", MAP, {"a": 1.0, "b": 1.0}),
    "PD": ("map", MAP, {"a": 0.7, "b": -1.0}),
    "NS": ("map", ROTATIONS, {"a": 1.0, "b": 0.0}),
}


@pytest.fixture(scope="module")
def models():
    return {name: nc.Model.from_equations(equations, {"mu": -0.5, "c": 0.0, **params}, kind=kind)
            for name, (kind, equations, params) in CASES.items()}  # fmt: skip


@pytest.mark.parametrize("c", [0.0, 0.123, -0.5])
@pytest.mark.parametrize("name", CASES)
def test_both_directions_at_one_place(models, name, c):
    """At c = -0.5 the place is the start itself."""
    model = models[name]
    branch = nc.continuation(model, np.zeros(model.n), free="mu", p_span=(-0.7, 0.8), params={"c": c})
    check_branch(branch, model, p_span=(-0.7, 0.8))
    assert branch.n_unstable[0] == branch.n_unstable[-1] > 0
    (point,) = (q for q in branch.special_points if q.label != "EP")
    assert point.label == name.split()[0].strip(",")
    assert point.converged
    assert point.multiplicity == 2
    assert point.p == pytest.approx(c, abs=1e-11)
    assert point.normal_form["type"] == "multiple"
    if point.label == "H":
        assert point.omega is not None
        assert min(abs(point.omega - each) for each in (1.0, CASES[name][2]["b"])) < 1e-9
    if point.label == "NS":
        assert point.omega is not None
        assert min(abs(point.omega - np.arccos(each)) for each in (0.6, 0.8)) < 1e-9


def test_a_point_of_the_branch_on_that_place(models):
    """Steps of 1/8 from -1/2 land on mu = 0, a rounding error from the place at mu = c."""
    c, settings = 1e-13, nc.ContinuationSettings(ds=0.125, ds_max=0.125)
    branch = nc.continuation(models["BP"], [0, 0], free="mu", p_span=(-0.5, 0.5), params={"c": c}, settings=settings)
    check_branch(branch, models["BP"])
    assert 0.0 in branch.p
    assert [(q.p, q.multiplicity) for q in branch.special_points("BP")] == [(pytest.approx(c, abs=1e-14), 2)]


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-8])
def test_two_that_avoid_each_other_cross_nowhere(gap):
    """[[mu, gap], [gap, -mu]] has the eigenvalues +-sqrt(mu^2 + gap^2)."""
    model = nc.Model.from_equations({"x": "mu*x + gap*y - x**3", "y": "gap*x - mu*y - y**3"}, {"mu": -0.5, "gap": gap})
    branch = nc.continuation(model, [0, 0], free="mu", p_span=(-0.7, 0.8))
    check_branch(branch, model)
    assert branch.special_points.labels == ("EP", "EP")


def test_two_up_and_one_down():
    model = nc.Model.from_equations({"x": "mu*x - x**3", "y": "-mu*y - y**3", "z": "2*mu*z - z**3"}, {"mu": -0.5})
    branch = nc.continuation(model, [0, 0, 0], free="mu", p_span=(-0.7, 0.8))
    check_branch(branch, model)
    assert [(abs(q.p) < 1e-12, q.multiplicity) for q in branch.special_points("BP")] == [(True, 3)]


def test_the_branches_that_leave(models):
    """x = 0: y^2 = -mu to the left; y = 0: x^2 = mu to the right."""
    diagram = checked(models["BP"], [[0.0, 0.0]], free="mu", p_span=(-0.7, 0.8))
    assert len(diagram) == 3
    right, left = sorted(diagram.branches[1:], key=lambda branch: np.min(branch.p))[::-1]
    np.testing.assert_allclose(right["x"] ** 2, right.p, atol=1e-9)
    np.testing.assert_allclose(left["y"] ** 2, -left.p, atol=1e-9)
    np.testing.assert_allclose([*right["y"], *left["x"]], 0.0, atol=1e-9)
    assert not diagram.unfollowed
