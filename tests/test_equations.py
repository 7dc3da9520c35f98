"""Models from equations: values and exact derivatives against hand-written functions, in numba and in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

import ntkcont as nc
from ntkcont.jax_tools import x64

MORRIS_LECAR = {
    "equations": {
        "v": "(I - gCa*m*(v - vCa) - gK*w*(v - vK) - gL*(v - vL))/C",
        "w": "phi*(winf - w)*cosh((v - v3)/(2*v4))",
    },
    "params": {
        **{"I": 40.0, "C": 20.0, "vK": -84.0, "gK": 8.0, "vCa": 120.0, "gCa": 4.4, "vL": -60.0, "gL": 2.0},
        **{"v1": -1.2, "v2": 18.0, "v3": 2.0, "v4": 30.0, "phi": 0.04},
    },
    "aux": {"m": "(1 + tanh((v - v1)/v2))/2", "winf": "(1 + tanh((v - v3)/v4))/2"},
}


def morris_lecar_by_hand(x, p, cosh=np.cosh, tanh=np.tanh):
    v, w = x
    i, c, vk, gk, vca, gca, vl, gl, v1, v2, v3, v4, phi = p
    m, winf = (1 + tanh((v - v1) / v2)) / 2, (1 + tanh((v - v3) / v4)) / 2
    return [
        (i - gca * m * (v - vca) - gk * w * (v - vk) - gl * (v - vl)) / c,
        phi * (winf - w) * cosh((v - v3) / (2 * v4)),
    ]


def twin(model, x, params=None):
    """The JAX twin and its first derivatives (forward, reverse, in the parameters) as numpy arrays."""

    @jax.jit
    def everything(x, q):
        in_x, in_q = (lambda y: model.jax_rhs(y, q, {})), (lambda r: model.jax_rhs(x, r, {}))
        return in_x(x), jax.jacfwd(in_x)(x), jax.jacrev(in_x)(x), jax.jacfwd(in_q)(q)

    with x64():
        return [np.asarray(a) for a in everything(np.asarray(x, dtype=float), model.values(params))]


def numba(model, x, params=None):
    """The compiled right-hand side and its derivatives."""
    slopes = [model.dfdp(x, name, params) for name in model.params]
    return model.rhs(x, params), model.jac(x, params), np.array(slopes).T.reshape(model.n, -1)


def scalar(text, x=0.3, *, params=None, **rest):
    """Value, derivative in x, and derivatives in the parameters of a one-state model, checked against its twin."""
    model = nc.Model.from_equations({"x": text}, params or {}, **rest)
    f, j, dp = numba(model, [x])
    jf, jj, jr, jdp = twin(model, [x])
    np.testing.assert_allclose(jf, f, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(jj, j, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jr, j, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jdp, dp, rtol=1e-12, atol=1e-14)
    return f[0], j[0, 0], dp[0]


def test_morris_lecar_and_all_its_derivatives():
    model = nc.Model.from_equations(**MORRIS_LECAR)
    x, p = np.array([-21.0, 0.13]), model.values()
    f, j, dp = numba(model, x)
    np.testing.assert_allclose(f, morris_lecar_by_hand(x, p), rtol=1e-13)
    with x64():
        by_hand = lambda y, q: jnp.array(morris_lecar_by_hand(y, q, jnp.cosh, jnp.tanh))  # noqa: E731
        np.testing.assert_allclose(j, jax.jacfwd(by_hand)(jnp.array(x), p), rtol=1e-12)
        np.testing.assert_allclose(dp, jax.jacrev(by_hand, 1)(jnp.array(x), p), rtol=1e-12, atol=1e-15)
    for ours, theirs in zip(twin(model, x), (f, j, j, dp), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_sympy_expressions_give_the_same_model():
    names = [*MORRIS_LECAR["equations"], *MORRIS_LECAR["params"], *MORRIS_LECAR["aux"]]
    local = {name: sp.Symbol(name) for name in names}
    as_sympy = {k: sp.sympify(e, locals=local) for k, e in MORRIS_LECAR["equations"].items()}
    aux = {k: sp.sympify(e, locals=local) for k, e in MORRIS_LECAR["aux"].items()}
    text = nc.Model.from_equations(**MORRIS_LECAR)
    model = nc.Model.from_equations(as_sympy, MORRIS_LECAR["params"], aux=aux)
    x = [-30.0, 0.05]
    for a, b in zip(numba(model, x), numba(text, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-16)


def test_sympy_piecewise_min_max_heaviside_and_relations():
    x, a = sp.symbols("x a")
    expr = (
        sp.Piecewise((x**2, sp.And(x > 0, x < 1)), (a, sp.Or(x <= -3, sp.Ne(x, x + 1) & (x < -2))), (sp.sin(x), True))
        + sp.Max(x, a, 0.25)
        + 2 * sp.Min(x, a)
        + sp.Heaviside(x - a)
        + sp.Abs(x)
        + sp.sign(x - 2)
        + sp.floor(x + 7)
        + sp.sech(x)
    )
    for at, piece, slope in [(0.5, 0.25, 1.0), (-2.5, 0.4, 0.0), (2.5, np.sin(2.5), np.cos(2.5))]:
        value, derivative, _ = scalar(expr, at, params={"a": 0.4})
        rest = max(at, 0.4, 0.25) + 2 * min(at, 0.4) + (at > 0.4) + abs(at) + np.sign(at - 2) + np.floor(at + 7)
        assert value == pytest.approx(piece + rest + 1 / np.cosh(at), rel=1e-13)
        in_max_min = (at > 0.4) + 2 * (at < 0.4) + np.sign(at)
        assert derivative == pytest.approx(slope + in_max_min - np.tanh(at) / np.cosh(at), rel=1e-12)


def test_sympy_expressions_may_call_named_functions():
    x, f = sp.Symbol("x"), sp.Function("f")
    model = nc.Model.from_equations({"x": -x + f(2 * x)}, {}, functions={"f": (["y"], "y**2 + 1")})
    assert model.rhs([0.5])[0] == -0.5 + 1.0 + 1.0


def test_aux_in_any_order_and_functions_that_call_each_other():
    value, slope, dp = scalar(
        "top + g(x, 2)",
        0.7,
        params={"a": 3.0},
        aux={"top": "low*a", "low": "x + base", "base": "a**2"},
        functions={"g": (["u", "k"], "k*h(u) + a"), "h": (["x"], "x**3 - low")},
    )
    # g(x, 2) = 2 (x^3 - (x + a^2)) + a ;  top = (x + a^2) a
    assert value == pytest.approx((0.7 + 9) * 3 + 2 * (0.343 - 9.7) + 3, rel=1e-14)
    assert slope == pytest.approx(3 + 2 * (3 * 0.49 - 1), rel=1e-14)
    assert dp[0] == pytest.approx(0.7 + 27 - 4 * 3 + 1, rel=1e-14)


LATIN = (
    "x p c out lambda in E I S N Q pi beta gamma zeta exp math np t d x0 p0 t0 n0 kind theta True None _ where numba"
)
NAMES = [*LATIN.split(), "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{GREEK SMALL LETTER ALPHA}"]


def test_any_name_may_be_a_state():
    model = nc.Model.from_equations({name: f"-2*{name} + exp({name})*other" for name in NAMES}, {"other": 3.0})
    x = np.linspace(-1, 1, len(NAMES))
    assert model.states == tuple(NAMES)
    np.testing.assert_allclose(model.rhs(dict(zip(NAMES, x, strict=True))), -2 * x + 3 * np.exp(x), rtol=1e-13)
    np.testing.assert_allclose(model.jac(x), np.diag(-2 + 3 * np.exp(x)), rtol=1e-13)
    np.testing.assert_allclose(twin(model, x)[1], np.diag(-2 + 3 * np.exp(x)), rtol=1e-13)


def test_any_name_may_be_a_parameter():
    values = np.linspace(0.5, 1.5, len(NAMES))
    params = dict(zip(NAMES, values, strict=True))
    model = nc.Model.from_equations({"state": " + ".join(f"tanh({name}*state)" for name in NAMES)}, params)
    expected = 0.3 / np.cosh(0.3 * values) ** 2
    np.testing.assert_allclose([model.dfdp([0.3], name)[0] for name in NAMES], expected, rtol=1e-13)
    np.testing.assert_allclose(twin(model, [0.3])[3][0], expected, rtol=1e-13)


FUNCTIONS = [
    ("exp(-x)", lambda x: np.exp(-x)),
    ("log(x) + ln(2*x)", lambda x: np.log(x) + np.log(2 * x)),
    ("log10(x)", np.log10),
    ("log2(x)", np.log2),
    ("sqrt(x)", np.sqrt),
    ("x**0.5 + x**1.5 + x^2", lambda x: x**0.5 + x**1.5 + x**2),
    ("x**-2 + 2**x + x**x", lambda x: x**-2 + 2**x + x**x),
    ("sin(x)*cos(2*x) + tan(x)", lambda x: np.sin(x) * np.cos(2 * x) + np.tan(x)),
    ("asin(x) + acos(x/2) + atan(3*x)", lambda x: np.arcsin(x) + np.arccos(x / 2) + np.arctan(3 * x)),
    ("arcsin(x) - arccos(x/2) + arctan(3*x)", lambda x: np.arcsin(x) - np.arccos(x / 2) + np.arctan(3 * x)),
    ("atan2(x, 2 - x**2)", lambda x: np.arctan2(x, 2 - x**2)),
    ("sinh(x) + cosh(x) + tanh(x)", lambda x: np.sinh(x) + np.cosh(x) + np.tanh(x)),
    ("asinh(x) + acosh(1 + x) + atanh(x)", lambda x: np.arcsinh(x) + np.arccosh(1 + x) + np.arctanh(x)),
    ("erf(x)", lambda x: sp.erf(x).evalf(30)),
    ("expm1(x) + log1p(x)", lambda x: np.expm1(x) + np.log1p(x)),
    ("exprel(x)", lambda x: np.expm1(x) / x),
    ("sigmoid(x)", lambda x: 1 / (1 + np.exp(-x))),
    ("softplus(x)", lambda x: np.log1p(np.exp(x))),
    ("relu(x) + relu(-x)", lambda x: abs(x)),
    ("abs(x - 1) + Abs(1 - x)", lambda x: 2 * (1 - x)),
    ("1e-1*x + 1.5E2*x + .5*x + 2.*x", lambda x: 152.6 * x),
    ("pi*x", lambda x: np.pi * x),
    ("x % 0.2 + mod(-x, 1)", lambda x: x % 0.2 + (-x) % 1),
    ("x // 0.2 + floor(8*x) + ceil(8*x)", lambda x: x // 0.2 + np.floor(8 * x) + np.ceil(8 * x)),
    ("+x - -x", lambda x: 2 * x),
    ("-x**2", lambda x: -(x**2)),
    ("2**-x**2", lambda x: 2 ** -(x**2)),
    ("1/(1 + exp((x + 60)/-9))", lambda x: 1 / (1 + np.exp(-(x + 60) / 9))),
    ("pow(x, 3) + pow(2, x)", lambda x: x**3 + 2**x),
    ("(x > 0)*x + x*(x < 0)", lambda x: x),
    ("x if x > 1 else 2*x if not x > 2 else 3", lambda x: 2 * x),
    ("where(0 < x < 1 and x != 0.5 or x == 7, x**2, 5)", lambda x: x**2),
    ("where((x > 0) & (x < 1) | (x > 9), x**2, 5)", lambda x: x**2),
    ("Piecewise((1, x > 1), (x**3, x >= 0), (2, True))", lambda x: x**3),
    ("piecewise((1, x > 1), (2, x < 0), (x**3, True))", lambda x: x**3),
    ("heaviside(x) + heaviside(-x) + 2*Heaviside(x)*x", lambda x: 1 + 2 * x),
    ("sign(x)*x + sign(-x)", lambda x: x - 1),
    ("min(x, 2, 5*x) + Min(3, x)", lambda x: 2 * x),
    ("max(x, 2*x, -1) + Max(0, x)", lambda x: 3 * x),
    ("  x \n + 1 ", lambda x: x + 1),
]


@pytest.fixture(scope="module")
def evaluated():
    """Evaluate all expressions in one model, which compiles once: numba and JAX values and derivatives in x."""
    model = nc.Model.from_equations({"x": "0", **{f"f{i}": text for i, (text, _) in enumerate(FUNCTIONS)}}, {})
    x = np.array([0.3] + [0.0] * len(FUNCTIONS))
    f, j, _ = numba(model, x)
    jf, jj, jr, _ = twin(model, x)
    return f, j[:, 0], jf, jj[:, 0], jr[:, 0]


@pytest.mark.parametrize("index", range(len(FUNCTIONS)), ids=[text for text, _ in FUNCTIONS])
def test_functions_and_operators(index, evaluated):
    at, h = 0.3, 1e-3
    function = FUNCTIONS[index][1]
    value, slope, jax_value, jax_slope, jax_reverse = (column[index + 1] for column in evaluated)
    assert jax_value == pytest.approx(value, rel=1e-13)
    assert jax_slope == pytest.approx(slope, rel=1e-12, abs=1e-14)
    assert jax_reverse == pytest.approx(slope, rel=1e-12, abs=1e-14)
    assert value == pytest.approx(float(function(at)), rel=1e-13)
    f = [float(function(at + k * h)) for k in (-2, -1, 1, 2)]
    assert slope == pytest.approx((8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h), rel=1e-8, abs=1e-9)


KINKS = [
    ("heaviside(x)", 0.5, 0.0),
    ("heaviside(x, 1)", 1.0, 0.0),
    ("sign(x)", 0.0, 0.0),
    ("abs(x)", 0.0, 0.0),
    ("relu(x)", 0.0, 0.0),
    ("where(x > 0, sqrt(x), 0)", 0.0, 0.0),
    ("where(x > 0, x*log(x), 2*x)", 0.0, 2.0),
    ("where(x == 0, 1, sin(x)/x)", 1.0, 0.0),
    ("min(x, -x)", 0.0, 1.0),
    ("where(x > 0, where(x > 1, 1/x, log(x)), 3*x)", 0.0, 3.0),
]


def test_kinks_and_jumps_take_one_branch_and_give_no_nan():
    model = nc.Model.from_equations({"x": "0", **{f"f{i}": text for i, (text, _, _) in enumerate(KINKS)}}, {})
    x = np.zeros(model.n)
    f, j, _ = numba(model, x)
    jf, jj, jr, _ = twin(model, x)
    for value in (f, jf):
        np.testing.assert_array_equal(value[1:], [value for _, value, _ in KINKS])
    for slope in (j, jj, jr):
        np.testing.assert_array_equal(slope[1:, 0], [slope for _, _, slope in KINKS])
    with x64():  # forward over reverse and twice forward
        for outer, inner in ((jax.jacfwd, jax.jacrev), (jax.jacfwd, jax.jacfwd), (jax.jacrev, jax.jacrev)):
            second = jax.jit(outer(inner(lambda y: model.jax_rhs(y, np.zeros(0), {}))))(x)
            np.testing.assert_array_equal(np.asarray(second), 0.0)


def test_hill_functions_at_zero():
    value, slope, dp = scalar("x**n/(k**n + x**n)", 0.0, params={"n": 2.0, "k": 0.5})
    assert (value, slope) == (0.0, 0.0)
    np.testing.assert_array_equal(dp, 0.0)
    assert scalar("x**n/(1 + x**n)", 0.0, params={"n": 1.0})[1] == 1.0


def test_kind_description_and_digest():
    model = nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 2.0}, kind="map")
    assert model.kind == "map"
    assert "x <- r*x*(1 - x)" in model.description
    assert model.digest != nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 2.0}).digest
    assert model.digest != nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 2.5}, kind="map").digest
    assert model.digest == nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 2.0}, kind="map").digest


def test_constant_equations_numbers_and_unused_parameters():
    model = nc.Model.from_equations({"x": 0, "y": "3", "z": 1.5}, {"unused": 1.0})
    np.testing.assert_array_equal(model.rhs([1, 2, 3]), [0.0, 3.0, 1.5])
    np.testing.assert_array_equal(model.jac([1, 2, 3]), np.zeros((3, 3)))
    np.testing.assert_array_equal(model.dfdp([1, 2, 3], "unused"), np.zeros(3))
    np.testing.assert_array_equal(twin(model, [1, 2, 3])[0], [0.0, 3.0, 1.5])


def test_dfdp_skips_parameters_that_do_not_move():
    model = nc.Model.from_equations({"x": "a + log(b)*x"}, {"a": 1.0, "b": 0.0})
    assert model.dfdp([1.0], "a")[0] == 1.0  # d/db is infinite there, and its direction zero


def test_twin_under_vmap_and_second_derivatives():
    model = nc.Model.from_equations(**MORRIS_LECAR)
    points = np.array([[-20.0, 0.1], [10.0, 0.3], [-60.0, 0.0]])
    with x64():
        batch = jax.jit(jax.vmap(lambda x: model.jax_rhs(x, model.values(), {})))(points)
        hessian = jax.jit(jax.jacfwd(jax.jacfwd(lambda x: model.jax_rhs(x, model.values(), {}))))(points[0])
        batch, hessian = np.asarray(batch), np.asarray(hessian)
    np.testing.assert_allclose(batch, [model.rhs(x) for x in points], rtol=1e-12)
    p = model.params
    # d2 vdot / dv dw and d2 vdot / dw2 in closed form
    np.testing.assert_allclose(hessian[0, 0, 1], -p["gK"] / p["C"], rtol=1e-12)
    assert hessian[0, 1, 1] == 0.0
