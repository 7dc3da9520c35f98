"""Eigenvalues that cross together: identical units, alone and on rings, with closed forms for every crossing.

A ring of k units with coupling c (x_{j-1} + x_{j+1} - 2 x_j) has the modes m = 0, ..., k-1, which shift the diagonal of
one unit's Jacobian by -2 c (1 - cos 2 pi m / k): the modes m and k - m coincide.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

C = 0.05
UNITS = {  # label: kind, equations of one unit, start, span
    "PD": ("map", {"x": "p*x*(1 - x)"}, [0.6], (2.2, 3.3)),
    "NS": ("map", {"x": "p*x*(1 - y)", "y": "x"}, [1 / 3, 1 / 3], (1.3, 2.3)),
    "H": ("flow", {"x": "1 - (p + 1)*x + x*x*y", "y": "p*x - x*x*y"}, [1.0, 1.5], (1.0, 2.6)),
    "BP": ("flow", {"x": "p*x - x**3"}, [0.0], (-1.0, 1.3)),
}
START = {"PD": 2.5, "NS": 1.5, "H": 1.5, "BP": -0.5}


def units(label, k, coupling=0.0):
    kind: Any
    kind, equations, start, _ = UNITS[label]
    names, ring = list(equations), {}
    for i in range(k):
        for name in names:
            text = equations[name]
            for each in names:
                text = re.sub(rf"\b{each}\b", f"{each}{i}", text)
            if coupling:
                text += f" + {coupling}*({name}{(i - 1) % k} + {name}{(i + 1) % k} - 2*{name}{i})"
            ring[f"{name}{i}"] = text
    return nc.Model.from_equations(ring, {"p": START[label]}, kind=kind), np.tile(start, k)


def crossing(label, shift):
    """Where a mode whose diagonal is shifted by -shift crosses: p, and its frequency."""
    if label == "PD":  # multiplier 2 - p - shift
        return 3.0 - shift, None
    if label == "BP":
        return shift, None
    if label == "H":  # J = [[p-1-s, 1], [-p, -1-s]]: trace p - 2 - 2 s
        p = 2.0 + 2.0 * shift
        return p, np.sqrt((p - 1.0 - shift) * (-1.0 - shift) + p)
    # at x = y = 1 - 1/p the multipliers have trace 1 - 2 s and determinant s^2 - s + p - 1
    p = 2.0 + shift - shift**2
    return p, np.arccos(0.5 - shift)


def expected(label, k, coupling):
    """Return (p, frequency, multiplicity) of all crossings within the span, by increasing p."""
    shifts = [round(2.0 * coupling * (1.0 - np.cos(2.0 * np.pi * m / k)), 12) for m in range(k)]
    return sorted((*crossing(label, shift), shifts.count(shift)) for shift in set(shifts))


def followed(label, k, coupling=0.0):
    model, start = units(label, k, coupling)
    span = UNITS[label][3]
    with warnings.catch_warnings():  # the normal form at a multiple point says so when it is read, not here
        warnings.simplefilter("error")
        branch = nc.continuation(model, start, free="p", p_span=span)
    check_branch(branch, model, p_span=span)
    return model, branch


@pytest.mark.parametrize("coupling", [0.0, C])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("label", ["PD", "NS", "H", "BP"])
def test_identical_units_cross_together(label, k, coupling):
    _, branch = followed(label, k, coupling)
    points = [q for q in branch.special_points if q.label not in ("EP", "NSad")]
    wanted = expected(label, k, coupling)
    assert [q.label for q in points] == [label] * len(wanted)
    for point, (p, omega, multiplicity) in zip(points, wanted, strict=True):
        assert point.converged
        assert point.multiplicity == multiplicity
        assert point.p == pytest.approx(p, abs=1e-9)
        assert point.residual < 1e-12
        assert point.bracket[0] <= point.s <= point.bracket[1]
        assert (point.omega is None) == (omega is None)
        assert omega is None or point.omega == pytest.approx(omega, abs=1e-8)
        form = point.normal_form
        if multiplicity == 1:
            assert form["type"] != "multiple"
        else:
            assert form["type"] == "multiple"
            assert form["kernel_dimension"] == multiplicity
            assert f"{multiplicity} independent eigenvectors" in form["note"]
            assert not {"l1", "d", "b", "criticality"} & set(form)


def test_two_frequencies_at_once_are_no_simple_hopf_point():
    equations = {
        "x": "p*x - y - x*(x**2 + y**2)",
        "y": "x + p*y - y*(x**2 + y**2)",
        "u": "p*u - 1.7*v - u*(u**2 + v**2)",
        "v": "1.7*u + p*v - v*(u**2 + v**2)",
    }
    model = nc.Model.from_equations(equations, {"p": -0.5})
    branch = nc.continuation(model, [0.0] * 4, free="p", p_span=(-1, 1.1))
    check_branch(branch, model)
    (point,) = branch.special_points("H")
    assert point.converged
    assert point.multiplicity == 2
    assert abs(point.p) < 1e-12
    assert point.omega == pytest.approx(1.0, abs=1e-9) or point.omega == pytest.approx(1.7, abs=1e-9)
    assert "kernel_dimension" not in point.normal_form
    assert "2 pairs of different frequencies" in point.normal_form["note"]


def test_all_bifurcations_of_a_map_at_one_place():
    """Multipliers -(1 + p), 1 + p and (1 + p) exp(+-i theta) with cos theta = 0.8: BP, PD and NS at p = 0."""
    equations = {
        "x": "-(1 + p)*x + x**3",
        "u": "(1 + p)*u - u**3",
        "y": "(1 + p)*(0.8*y - 0.6*z) - y*(y**2 + z**2)",
        "z": "(1 + p)*(0.6*y + 0.8*z) - z*(y**2 + z**2)",
    }
    model = nc.Model.from_equations(equations, {"p": -0.5}, kind="map")
    branch = nc.continuation(model, [0.0] * 4, free="p", p_span=(-0.8, 0.9))
    check_branch(branch, model)
    points = {q.label: q for q in branch.special_points if q.label != "EP"}
    assert set(points) == {"BP", "PD", "NS"}
    for point in points.values():
        assert point.converged
        assert point.multiplicity == 1
        assert abs(point.p) < 1e-12
    assert points["NS"].omega == pytest.approx(np.arccos(0.8), abs=1e-9)


def test_two_folds_at_once_are_two_branches_that_cross():
    """x_i' = p - x_i^2: the curves (t, t, t^2) and (t, -t, t^2) touch at the origin, where both turn back."""
    model = nc.Model.from_equations({"x": "p - x**2", "y": "p - y**2"}, {"p": 0.5})
    diagram = nc.diagram(model, [[0.5**0.5, 0.5**0.5]], free="p", p_span=(-1, 1))
    for branch in diagram:
        check_branch(branch, model)
        np.testing.assert_allclose(branch.x**2, np.repeat(branch.p[:, None], 2, axis=1), atol=1e-9)
    assert len(diagram) == 2
    (point,) = diagram.special_points
    assert point.label == "BP"
    assert point.converged
    assert point.multiplicity == 2
    signs = sorted(float(np.sign(np.min(branch.x[:, 0] * branch.x[:, 1]))) for branch in diagram)
    assert signs[0] == -1.0


def test_period_doubling_of_two_units_has_four_new_branches():
    """Each unit stays or alternates: orbits (a, x*), (x*, a), (a, a) and (a, b), with a, b the points of period 2."""
    model, start = units("PD", 2)
    diagram = nc.diagram(model, [start], free="p", p_span=(2.2, 3.2), depth=1)
    assert [origin.period for origin in diagram.origins] == [1, 2, 2, 2, 2]
    p = 3.2
    still = 1.0 - 1.0 / p
    two = np.sort(np.roots([p * p, -p * (p + 1.0), p + 1.0]).real)
    ends = {tuple(np.round(branch.x[i], 8)) for branch in diagram for i in (0, -1) if branch.p[i] == p}
    allowed = {tuple(np.round([u, v], 8)) for u in (still, *two) for v in (still, *two)}
    assert ends <= allowed
    kinds = {(u == round(still, 8), v == round(still, 8), u == v) for u, v in ends}
    assert kinds == {
        (True, True, True),
        (False, True, False),
        (True, False, False),
        (False, False, True),
        (False, False, False),
    }


def test_kernels_beyond_dimension_two_are_said():
    model, start = units("PD", 3)
    diagram = nc.diagram(model, [start], free="p", p_span=(2.2, 3.2), depth=1)
    assert [each.reason for each in diagram.unfollowed] == [
        "its kernel has dimension 3; branches are switched up to dimension 2"
    ]
