"""Code that is written for a model: names that numba can tell apart, derivatives that keep their digits."""

from __future__ import annotations

import re

import mpmath
import pytest
import sympy as sp

import ntkcont as nc
from ntkcont.models.codegen import model_source


def test_no_name_is_another_one_and_digits() -> None:
    """numba calls what it loads from t1 at byte 2345 as what it loads from t12 at byte 345: "t12345"."""
    x = [sp.Symbol(f"x{i}_", real=True) for i in range(12)]
    p = [sp.Symbol(f"p{i}_", real=True) for i in range(12)]
    rhs = [sp.exp(x[i] * p[i]) + sp.exp(x[i] * p[i]) ** 2 + x[i - 1] * p[i - 1] for i in range(12)]
    names = set(re.findall(r"^ +(\w+) = ", model_source(rhs, x, p), flags=re.MULTILINE)) | {"p", "x", "c", "out"}
    assert len(names) > 30
    assert not [(a, b) for a in names for b in names if a != b and re.fullmatch(re.escape(a) + r"\d+", b)]


@pytest.mark.parametrize("x", [0.3, -2.0, 18.0, -25.0, 300.0])
def test_the_slope_of_tanh_keeps_its_digits(x: float) -> None:
    """1 - tanh^2 is 0 from 19 on."""
    model = nc.Model.from_equations({"x": "p - tanh(x)"}, params={"p": 0.0})
    with mpmath.workdps(400):
        want = -float(1 / mpmath.cosh(mpmath.mpf(x)) ** 2)
    assert model.jac([x], {"p": 0.0})[0, 0] == pytest.approx(want, rel=1e-14, abs=0.0)
