"""Named quantities of a model can be read at a state, along a branch and in its tables."""

import csv
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import ntkcont as nc

EQUATIONS = {"x": "mu + lam*x - x**3", "y": "-y + q/2"}
AUX = {"q": "g*x**2 - r", "r": "mu*sin(y)", "flag": "x > 0", "one": 1}
PARAMS = {"mu": 0.0, "lam": 1.0, "g": 2.0}


@pytest.fixture(scope="module")
def branch():
    model = nc.Model.from_equations(EQUATIONS, PARAMS, aux=AUX)
    return nc.continuation(model, [0.0, 0.0], free="mu", p_span=(-1.0, 1.0), params={"g": 3.0})


def test_quantities_along_a_branch(branch):
    r = branch.p * np.sin(branch["y"])
    np.testing.assert_allclose(branch["r"], r, rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(branch["q"], 3.0 * branch["x"] ** 2 - r, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(branch["flag"], branch["x"] > 0)
    np.testing.assert_array_equal(branch["one"], np.ones(len(branch)))
    assert set(AUX) <= set(branch.columns)
    with pytest.raises(ValueError, match="read-only"):
        branch["q"][0] = 1.0


def test_quantities_at_a_special_point(branch):
    fold = branch.special_points["LP1"]
    q = branch.model.aux(fold, fold.params)["q"]
    assert q == pytest.approx(3.0 * fold["x"] ** 2 - fold.p * np.sin(fold["y"]), rel=1e-13)


def test_quantities_in_tables(branch, tmp_path):
    frame = branch.to_dataframe()
    np.testing.assert_array_equal(frame["q"], branch["q"])
    with branch.to_csv(tmp_path / "b.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["q"]) for row in rows] == branch["q"].tolist()


def test_a_branch_from_a_file_says_that_it_has_no_model(branch, tmp_path):
    branch.save(tmp_path / "b.npz")
    loaded = nc.load(tmp_path / "b.npz")
    with pytest.raises(nc.InputError, match=r"'q' is a quantity of the model, and this branch has none in memory"):
        loaded["q"]
    assert "q" not in loaded.to_dataframe()
    again = dataclasses.replace(loaded, model=branch.model)
    np.testing.assert_array_equal(again["q"], branch["q"])
    with pytest.raises(nc.InputError, match="did you mean 'flag'"):
        branch["flagg"]


def test_all_functions_agree_with_those_of_the_equations():
    texts = (
        "where(x > 0.5, log(x), -x) + heaviside(x) + heaviside(x, 1) + floor(3*x) + exprel(x) + exprel(-x)",
        "sigmoid(x) + softplus(50*x) + min(x, 0.3) + max(x, 0.2) + atan2(x, 2) + mod(x, 0.3) + abs(x)**g + sign(x)",
        "sqrt(abs(x)) + asin(x/9) + acos(x/9) + atan(x) + asinh(x) + acosh(3 + x) + atanh(x/9) + erf(x) + log1p(3 + x)",
        "x/(1 - exp(-x)) + 1/(2 + x**2) + (2 + x)**-1.5 + expm1(x) + (x < 1 and not x == 0.25) + (x <= -1 or g >= 3)",
        "sinh(x) + cosh(x) + tan(x) + cos(x) + relu(x) + tanh(x)*pi",
    )
    equations = {"x": "-x", **{f"y{i}": f"q{i}" for i in range(len(texts))}}
    model = nc.Model.from_equations(equations, {"g": 2.5}, aux={f"q{i}": text for i, text in enumerate(texts)})
    for x in (-1.3, 0.0, 0.25, 1.0, 1.7):
        state = [x, *[0.0] * len(texts)]
        np.testing.assert_allclose(list(model.aux(state).values()), model.rhs(state)[1:], rtol=1e-13, atol=1e-15)


def test_along_a_line_and_of_an_iterate():
    model = nc.Model.from_equations({"x": "a*x + b*q"}, {"a": 0.5, "b": 1.0}, aux={"q": "a - b*x"}, kind="map")
    moved = model.along({"a": 0.0}, {"a": 2.0})
    assert moved.aux([3.0], {"mix": 0.25, "b": 2.0}) == {"q": 0.5 - 6.0}
    assert model.power(2).aux([3.0]) == model.aux([3.0])
    branch = nc.continuation(moved, [0.0], free="mix", p_span=(-0.2, 0.3))
    np.testing.assert_allclose(branch["q"], 2 * branch.p - branch["x"], rtol=1e-13, atol=1e-15)


def test_auxiliary_variables_of_other_programs(tmp_path):
    model = nc.from_pydstool({
        "varspecs": {"v": "I - ion", "ion": "g*v"}, "auxvars": ["ion"], "pars": {"I": 1.0, "g": 2.0}
    })  # fmt: skip
    branch = nc.continuation(model, [0.5], free="I", p_span=(0.0, 2.0))
    np.testing.assert_allclose(branch["ion"], 2.0 * branch["v"], rtol=1e-14)
    (tmp_path / "m.ode").write_text("v' = i - g*v\npar i=1, g=2\naux power=v*v*g\ndone\n")
    model = nc.from_xpp(tmp_path / "m.ode")
    branch = nc.continuation(model, [0.5], free="i", p_span=(0.0, 2.0))
    np.testing.assert_allclose(branch["power"], 2.0 * branch["v"] ** 2, rtol=1e-14)


def test_models_without_quantities_have_none():
    net = nc.RateRNN([[0.0, 2.0], [2.0, 0.0]])
    assert net.aux_names == ()
    assert net.aux([0.0, 0.0]) == {}


def test_a_continuation_that_asks_for_none_stays_without_sympy():
    code = (
        "import sys, ntkcont as nc\n"
        f"m = nc.Model.from_equations({EQUATIONS!r}, {PARAMS!r}, aux={AUX!r})\n"
        "b = nc.continuation(m, [0.0, 0.0], free='mu', p_span=(-0.1, 0.1))\n"
        "b.columns\nb['x']\n"
        "print('sympy' in sys.modules)\n"
        "b['q']\n"
        "print('sympy' in sys.modules)\n"
    )
    nc.Model.from_equations(EQUATIONS, PARAMS, aux=AUX)  # its code is on disk now
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
