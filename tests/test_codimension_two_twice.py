"""Points of codimension two that happen twice within one step of a curve in two parameters (steps of 0.02)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ntkcont as nc
from tests.two_parameter_checks import check_curve

L = "((q - c)**2 - e)"  # what vanishes at q = c +- sqrt(e)
CASES: dict[str, tuple[Any, ...]] = {
    # label: kind, equations, start, label of the curve
    "ZH": ("flow", {"x": "p - x**2", "y": f"{L}*y - z", "z": f"y + {L}*z"}, [0.7, 0.0, 0.0], "LP"),
    "HH": ("flow", {"x": "p*x - y", "y": "x + p*y", "u": f"{L}*u - 2*v", "v": f"2*u + {L}*v"}, [0.0] * 4, "H"),
    "GH": ("flow", {"x": f"p*x - y + {L}*x*(x**2 + y**2)", "y": f"x + p*y + {L}*y*(x**2 + y**2)"}, [0.0] * 2, "H"),
    "GPD": ("map", {"x": f"-(1 + p)*x + {L}*x**3"}, [0.0], "PD"),
    "LPPD": ("map", {"x": "x + p - x**2", "y": f"-(1 + {L})*y"}, [0.7, 0.0], "LP"),
}


@pytest.fixture(scope="module")
def models():
    return {name: nc.Model.from_equations(equations, {"p": 0.5, "q": 0.0, "c": 0.0, "e": 0.0}, kind=kind)
            for name, (kind, equations, _, _) in CASES.items()}  # fmt: skip


def followed(models, name, c, e):
    _, _, start, label = CASES[name]
    params = {"c": c, "e": e}
    (point,) = nc.continuation(models[name], start, free="p", p_span=(-0.6, 0.6), params=params).special_points(label)
    curve = nc.continuation(models[name], point, free=("p", "q"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, models[name])
    return curve


@pytest.mark.parametrize("c", [0.3, -0.4137])
@pytest.mark.parametrize("apart", [1e-2, 3e-3, 1e-3])
@pytest.mark.parametrize("name", CASES)
def test_two_within_one_step(models, name, c, apart):
    points = followed(models, name, c, 0.25 * apart**2).special_points(name)
    assert [q.params["q"] for q in points] == [
        pytest.approx(c - 0.5 * apart, abs=1e-7),
        pytest.approx(c + 0.5 * apart, abs=1e-7),
    ]


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_reach_zero_is_nothing(models, name):
    curve = followed(models, name, 0.3, -1e-7)
    assert curve.special_points.labels == ("EP", "EP")


@pytest.mark.parametrize("e", [-1e-3, -1.5e-6, -1.5e-8, 1e-7])
def test_cusps_of_a_swallowtail(e):
    """x' = p + q x + e x^2 + x^4: folds at q = -2 e x - 4 x^3, and cusps where e + 6 x^2 = 0: 1e-4 apart at last."""
    model = nc.Model.from_equations({"x": "p + q*x + e*x**2 + x**4"}, {"p": 0.0, "q": -1.0, "e": e})
    branch = nc.continuation(model, [0.0], free="p", p_span=(-1, 1))
    curve = nc.continuation(model, branch.special_points("LP")[0], free=("p", "q"), p_span=((-1, 1), (-1.5, 1.5)))
    check_curve(curve, model)
    cusps = sorted(q["x"] for q in curve.special_points("CP"))
    # the second derivative is a difference quotient, whose error shifts e by about 1e-10
    assert cusps == (pytest.approx([-np.sqrt(-e / 6), np.sqrt(-e / 6)], abs=1e-7) if e < 0 else [])
