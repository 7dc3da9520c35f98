"""A start at which something is not defined: the message says what, of which equation, in which variable."""

import pytest

import ntkcont as nc

HALF = "although the right-hand side is"


@pytest.mark.parametrize(
    ("equation", "x", "params", "message"),
    [
        (
            "a - x + 1/(1 + (k/x)^2)",
            0.0,
            {},
            rf"x0: the derivative of the equation of 'x' in 'x' is not finite there \(nan at x = 0\), {HALF}",
        ),
        ("a - x + sqrt(x)", 0.0, {}, rf"equation of 'x' in 'x' is not finite there \(inf at x = 0\), {HALF}"),
        ("a - x + y*0 + 1/x", 0.0, {}, r"x0: the equation of 'x' is not finite there \(inf at y = 1, x = 0\)"),
        ("a - x + log(x)", -1.0, {}, r"x0: the equation of 'x' is not finite there \(nan at y = 1, x = -1\)"),
        ("a - x + sqrt(y - 1)", 0.5, {}, rf"equation of 'x' in 'y' is not finite there \(inf at y = 1\), {HALF}"),
        (
            "1 - x + sqrt(a)",
            0.5,
            {"a": 0.0},
            rf"the derivative of the equation of 'x' in the parameter 'a' is not finite there \(inf at a = 0\), {HALF}",
        ),
    ],
)
def test_it_is_named(equation, x, params, message):
    model = nc.Model.from_equations({"y": "1 - y", "x": equation}, {"a": 0.1, "k": 1.0})
    with pytest.raises(nc.InputError, match=message):
        nc.continuation(model, [1.0, x], free="a", p_span=(0.0, 1.0), params=params)


def test_where_a_search_begins():
    model = nc.Model.from_equations({"x": "a - x + 1/(1 + (k/x)^2)"}, {"a": 0.1, "k": 1.0})
    with pytest.raises(nc.InputError, match=r"at the first one: the derivative of the equation of 'x' in 'x'"):
        nc.find_fixed_points(model, [[0.0]])


def test_a_residual_is_compared_with_its_terms():
    """exp(-x) has no zero, however small it becomes on the way to infinity."""
    model = nc.Model.from_equations({"x": "exp(-x)*(1 + p)"}, {"p": 0.0})
    with pytest.raises(nc.ConvergenceError, match=r"smallest residual max.*, \S+ of the terms that it is made of"):
        nc.continuation(model, [5.0], free="p", p_span=(-0.1, 0.1))
