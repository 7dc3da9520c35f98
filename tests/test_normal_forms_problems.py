"""The normal forms of every special point of the truth table that lists them."""

from __future__ import annotations

import numpy as np
import pytest
from truth import PROBLEMS, matched

from ntkcont import normal_form

OURS = {
    "ReG21_half": "re_g21_half",
    "ImG21_half": "im_g21_half",
    "l1_kuznetsov": "l1",
    "dRe_dlam": "crossing",
    "pFp": "drive",
}


@pytest.fixture(scope="module", params=list(PROBLEMS))
def case(request):
    problem = PROBLEMS[request.param]
    pairs = matched(problem.continuation(), problem)[0]
    return problem, [(expected, point, normal_form(problem.model, point)) for expected, point in pairs]


def test_coefficients(case):
    """To 1e-10 of the listed numbers; those listed as rounding errors (1e-16 and below) are zero to 1e-10."""
    problem, found = case
    assert len(found) == len(problem.expected)
    for expected, point, form in found:
        sign = 1.0
        if expected.label == "LP":  # a and the drive change sign with the critical vector, together
            sign = np.sign(form["a"] * expected.normal_form["a"])
        for name, value in expected.normal_form.items():
            ours = form[OURS.get(name, name)]
            if isinstance(value, str):
                assert ours == value, (point.name, name)
            else:
                assert sign * ours == pytest.approx(value, rel=1e-10, abs=1e-10), (point.name, name)


def test_words_follow_the_listed_numbers(case):
    _, found = case
    for expected, point, form in found:
        listed = expected.normal_form
        if expected.label == "H":
            assert form["criticality"] == ("supercritical" if listed["l1_kuznetsov"] < 0 else "subcritical"), point.name
        if expected.label == "LP":
            assert form["type"] == "fold"
            assert form["opens"] == ("right" if listed["a"] * listed["pFp"] < 0 else "left"), point.name
        if expected.label == "BP":
            assert form["kappa"] >= 1.0
            pitchfork = abs(listed.get("b20", 0.0)) < 1e-12
            assert form["type"] == ("pitchfork" if pitchfork else "transcritical"), point.name
            if pitchfork:
                assert form["criticality"] == ("supercritical" if listed["b30"] < 0 else "subcritical"), point.name


def test_folds_open_to_where_the_branch_is(case):
    """Both sides of the branch next to a fold lie on the side that its normal form names."""
    problem, found = case
    folds = [(point, form) for _, point, form in found if point.label == "LP"]
    if not folds:
        return
    branch = problem.continuation()
    for point, form in folds:
        near = np.argsort(np.abs(branch.s - point.s))[:2]
        assert np.all(np.sign(branch.p[near] - point.p) == (1 if form["opens"] == "right" else -1))


def test_directions_solve_the_branching_equation(case):
    """Tangents are unit, in the null space of (F_x, F_p), and the second derivative along them is in the range."""
    problem, found = case
    for _, point, form in found:
        if point.label != "BP":
            continue
        model, params, n = problem.model, dict(point.params), problem.model.n
        unit = np.eye(n) if model.kind == "map" else 0.0
        jacobian = np.column_stack([model.jac(point.x, params) - unit, model.dfdp(point.x, point.free, params)])
        left = np.linalg.svd(jacobian)[0][:, -1]
        scale = max(1.0, float(np.abs(jacobian).max()))
        assert form["directions"].shape == (2, n + 1)
        along_branch = point.tangent / np.linalg.norm(point.tangent)
        assert np.max(np.abs(form["directions"] @ along_branch)) > 0.999  # that tangent comes from a chord
        for direction in form["directions"]:
            assert np.linalg.norm(direction) == pytest.approx(1.0, rel=1e-12)
            assert np.max(np.abs(jacobian @ direction)) < 1e-9 * scale
            h = 1e-4

            def f(t: float, direction: np.ndarray = direction, point=point, params=params, model=model) -> np.ndarray:
                x = point.x + t * direction[:-1]
                value = model.rhs(x, {**params, point.free: point.p + t * direction[-1]})
                return value - (x if model.kind == "map" else 0.0)

            second = (f(h) - 2 * f(0.0) + f(-h)) / h**2
            assert abs(left @ second) < 1e-5 * max(1.0, float(np.abs(second).max()))
