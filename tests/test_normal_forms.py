"""Normal forms against closed forms: their numbers, words, invariances, and what is said where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from special_cases import point_at

import ntkcont as nc
from ntkcont import normal_form

# ---------------------------------------------------------------- flows


@pytest.mark.parametrize(("c", "opens"), [(2.0, "left"), (-3.0, "right")])
def test_fold(c, opens):
    """x' = h + c x^2 + x y, y' = -y + x: on y = x + ... the coefficient is (c + 1), up to |q| = 1."""
    model = nc.Model.from_equations({"x": "h + c*x**2 + x*y", "y": "-y + x"}, {"h": 0.0, "c": c})
    form = normal_form(model, point_at(model, "LP", [0.0, 0.0], "h"))
    assert form["type"] == "fold"
    assert form["a"] == pytest.approx((c + 1.0) / np.sqrt(2.0), rel=1e-12)  # q = (1, 1)/sqrt 2, p = (sqrt 2, 0)
    assert form["drive"] == pytest.approx(np.sqrt(2.0), rel=1e-12)
    assert form["opens"] == opens


def test_transcritical():
    """x (3 mu - 2 x) + y with y = 5 x^2: b20 = 2 (5 - 2), and the branches x = 0 and x = -mu."""
    model = nc.Model.from_equations({"x": "x*(3*mu - 2*x) + y", "y": "-y + 5*x**2"}, {"mu": 0.0})
    form = normal_form(model, point_at(model, "BP", [0.0, 0.0], "mu"))
    assert form["type"] == "transcritical"
    assert [form[name] for name in ("b20", "b11", "b02")] == pytest.approx([6.0, 3.0, 0.0], abs=1e-12)
    slopes = sorted(form["directions"][:, 0] / form["directions"][:, 2])
    assert slopes == pytest.approx([-1.0, 0.0], abs=1e-12)
    assert "criticality" not in form


def test_branches_that_are_not_trivial():
    """(x - mu) (x + 2 mu): two branches with slopes 1 and -2, and b02 = -4."""
    model = nc.Model.from_equations({"x": "(x - mu)*(x + 2*mu)"}, {"mu": 0.0})
    form = normal_form(model, point_at(model, "BP", [0.0], "mu"))
    assert [form[name] for name in ("b20", "b11", "b02", "b30")] == pytest.approx([2.0, 1.0, -4.0, 0.0], abs=1e-12)
    assert sorted(form["directions"][:, 0] / form["directions"][:, 1]) == pytest.approx([-2.0, 1.0], rel=1e-12)


@pytest.mark.parametrize(("c", "word"), [(0.25, "supercritical"), (3.0, "subcritical"), (1.0, "degenerate")])
def test_pitchfork(c, word):
    """mu x - x^3 + x y with y = c x^2: b30 = 6 (c - 1), which needs the second-order term of the center manifold."""
    model = nc.Model.from_equations({"x": "mu*x - x**3 + x*y", "y": "-y + c*x**2"}, {"mu": 0.0, "c": c})
    form = normal_form(model, point_at(model, "BP", [0.0, 0.0], "mu"))
    assert (form["type"], form["criticality"]) == ("degenerate" if word == "degenerate" else "pitchfork", word)
    assert ("note" in form) == (word == "degenerate")
    assert form["b11"] == pytest.approx(1.0, rel=1e-12)
    assert form["b30"] == pytest.approx(6.0 * (c - 1.0), rel=1e-12, abs=1e-12)
    vertical, trivial = form["directions"]
    assert np.abs(vertical) == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)
    assert trivial == pytest.approx([0.0, 0.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e3])
def test_type_does_not_depend_on_units(unit):
    """y = unit x: a transcritical point stays one for concentrations in mol, a pitchfork one in nmol."""
    for b, kind in ((0.5, "transcritical"), (0.0, "pitchfork")):
        equations = {"y": f"mu*y - {b}*y**2/u - y**3/u**2 + z*u", "z": "-z"}
        model = nc.Model.from_equations(equations, {"mu": 0.0, "u": unit})
        assert normal_form(model, point_at(model, "BP", [0.0, 0.0], "mu"))["type"] == kind


def test_isolated_point_and_coinciding_branches():
    for text, kind in (("x**2 + mu**2", "isolated"), ("(x - mu)**2 + mu**3", "degenerate")):
        model = nc.Model.from_equations({"x": text}, {"mu": 0.0})
        form = normal_form(model, point_at(model, "BP", [0.0], "mu"))
        assert form["type"] == kind
        assert "directions" not in form


@pytest.mark.parametrize(("c", "word"), [(-0.5, "supercritical"), (0.75, "subcritical"), (0.0, "degenerate")])
@pytest.mark.parametrize("omega", [0.5, 4.0])
def test_hopf_normal_form(c, word, omega):
    """r' = mu r + c r^3: with |q| = 1, r^2 = 2 |w|^2, so that G21/2 = 2 c + 2 i d."""
    equations = {"x": "mu*x - w*y + (x**2 + y**2)*(c*x - d*y)", "y": "w*x + mu*y + (x**2 + y**2)*(d*x + c*y)"}
    model = nc.Model.from_equations(equations, {"mu": 0.0, "w": omega, "c": c, "d": 0.3})
    form = normal_form(model, point_at(model, "H", [0.0, 0.0], "mu"))
    assert form["re_g21_half"] == pytest.approx(2.0 * c, rel=1e-12, abs=1e-12)
    assert form["im_g21_half"] == pytest.approx(0.6, rel=1e-12)
    assert form["l1"] == pytest.approx(2.0 * c / omega, rel=1e-12, abs=1e-12)
    assert form["omega"] == pytest.approx(omega, rel=1e-12)
    assert form["crossing"] == pytest.approx(1.0, rel=1e-12)
    assert form["criticality"] == word


def test_hopf_through_the_center_manifold():
    """z' = -z + r^2 is slaved, z = r^2, so that x z, y z act as c = 1; and the branch itself moves with mu."""
    equations = {"x": "mu*x - y + x*z", "y": "x + mu*y + y*z", "z": "-z + x**2 + y**2 + 2*mu"}
    model = nc.Model.from_equations(equations, {"mu": 0.0})
    form = normal_form(model, point_at(model, "H", [0.0, 0.0, 0.0], "mu"))
    assert form["re_g21_half"] == pytest.approx(2.0, rel=1e-12)
    assert form["crossing"] == pytest.approx(3.0, rel=1e-12)  # 1 + dz/dmu


def test_van_der_pol():
    """x'' - (mu - x^2) x' + x = 0: amplitude 2 sqrt(mu), so r' = mu r/2 - r^3/8 and G21/2 = -1/4."""
    model = nc.Model.from_equations({"x": "y", "y": "(mu - x**2)*y - x"}, {"mu": 0.0})
    form = normal_form(model, point_at(model, "H", [0.0, 0.0], "mu"))
    assert form["re_g21_half"] == pytest.approx(-0.25, rel=1e-12)
    assert form["crossing"] == pytest.approx(0.5, rel=1e-12)


def test_neutral_saddle():
    model = nc.Model.from_equations({"x": "y", "y": "4*x + mu*y"}, {"mu": 0.0})
    form = normal_form(model, point_at(model, "NSad", [0.0, 0.0], "mu"))
    assert form == {"type": "neutral saddle", "k": pytest.approx(2.0, rel=1e-12)}


# ---------------------------------------------------------------- maps


@pytest.mark.parametrize(("a", "c"), [(0.0, 0.7), (1.5, -4.0), (1.0, -1.0)])
def test_flip(a, c):
    """x <- -(1 + mu) x + a x^2 + c x^3 has b = a^2 + c."""
    model = nc.Model.from_equations({"x": "-(1 + mu)*x + a*x**2 + c*x**3"}, {"mu": 0.0, "a": a, "c": c}, kind="map")
    form = normal_form(model, point_at(model, "PD", [0.0], "mu"))
    assert form["b"] == pytest.approx(a * a + c, rel=1e-12, abs=1e-12)
    assert form["crossing"] == pytest.approx(-1.0, rel=1e-12)
    word = "degenerate" if a * a + c == 0.0 else "supercritical" if a * a + c > 0.0 else "subcritical"
    assert form["criticality"] == word


def test_flip_of_the_logistic_map():
    """From the derivatives of r x (1 - x) at x = 2/3, r = 3: b = (f''/2)^2 + f'''/6 = 9."""
    model = nc.classics.logistic()
    form = normal_form(model, point_at(model, "PD", [2.0 / 3.0], "r", {"r": 3.0}))
    assert form["b"] == pytest.approx(9.0, rel=1e-12)
    assert form["criticality"] == "supercritical"


def test_henon_map():
    """x <- y, y <- a - b x - y^2 at b = 0 is the quadratic map y <- a - y^2: b = 1 in y, 1/2 with |q| = 1."""
    model = nc.Model.from_equations({"x": "y", "y": "a - b*x - y**2"}, {"a": 0.75, "b": 0.0}, kind="map")
    form = normal_form(model, point_at(model, "PD", [0.5, 0.5], "a"))
    assert form["b"] == pytest.approx(0.5, rel=1e-12)
    fold = normal_form(model, point_at(model, "LP", [-0.5, -0.5], "a", {"a": -0.25}))
    assert fold["a"] == pytest.approx(-1.0 / np.sqrt(2.0), rel=1e-12)
    assert fold["opens"] == "right"


def test_period_four_of_the_logistic_map_bifurcates_from_period_two():
    """A cascade through power(2): the flip of the orbit of period two, at r = 1 + sqrt 6, is supercritical."""
    r = 1.0 + np.sqrt(6.0)
    x = (r + 1.0 + np.sqrt((r + 1.0) * (r - 3.0))) / (2.0 * r)
    model = nc.classics.logistic().power(2)
    form = normal_form(model, point_at(model, "PD", [x], "r", {"r": r}))
    y = r * x * (1.0 - x)  # chain rule for f(f(x)), with f'' = -2 r and f''' = 0
    one, other = r * (1.0 - 2.0 * x), r * (1.0 - 2.0 * y)
    second, third = -2.0 * r * one**2 + other * -2.0 * r, 12.0 * r * r * one
    assert form["b"] == pytest.approx(second**2 / 4.0 + third / 6.0, rel=1e-9)
    assert form["criticality"] == "supercritical"


def _rotation(theta: float, c: float) -> nc.Model:
    cos, sin = np.cos(theta), np.sin(theta)
    x, y = "(1 + mu)*x + c*x*(x**2 + y**2)", "(1 + mu)*y + c*y*(x**2 + y**2)"
    equations = {"x": f"co*({x}) - si*({y})", "y": f"si*({x}) + co*({y})"}
    return nc.Model.from_equations(equations, {"mu": 0.0, "c": c, "co": cos, "si": sin}, kind="map")


@pytest.mark.parametrize(("c", "word"), [(-0.5, "supercritical"), (0.25, "subcritical"), (0.0, "degenerate")])
def test_neimark_sacker_normal_form(c, word):
    """z <- e^{i theta} z (1 + mu + c |z|^2): with |q| = 1, d = 2 c."""
    model = _rotation(1.0, c)
    form = normal_form(model, point_at(model, "NS", [0.0, 0.0], "mu"))
    assert form["d"] == pytest.approx(2.0 * c, rel=1e-12, abs=1e-12)
    assert form["theta0"] == pytest.approx(1.0, rel=1e-12)
    assert form["crossing"] == pytest.approx(1.0, rel=1e-12)
    assert (form["criticality"], form["resonance"]) == (word, "none")


def test_delayed_logistic_map():
    """Kuznetsov (2004), chapter 4: r = 2, theta0 = pi/3, supercritical."""
    model = nc.Model.from_equations({"x": "r*x*(1 - y)", "y": "x"}, {"r": 2.0}, kind="map")
    form = normal_form(model, point_at(model, "NS", [0.5, 0.5], "r"))
    assert form["theta0"] == pytest.approx(np.pi / 3.0, rel=1e-12)
    assert form["criticality"] == "supercritical"
    assert form["resonance"] == "none"


@pytest.mark.parametrize(
    ("name", "angle"), [("1:1", 5e-4), ("1:2", np.pi - 5e-4), ("1:3", 2 * np.pi / 3), ("1:4", np.pi / 2)]
)
def test_strong_resonances(name, angle):
    model = _rotation(angle, -0.5)
    with pytest.warns(RuntimeWarning, match=f"NS.*strong resonance {name}"):
        form = normal_form(model, point_at(model, "NS", [0.0, 0.0], "mu"))
    assert form["resonance"] == name
    assert f"resonance {name}" in form["note"]
    assert form["criticality"] == ("resonant" if name in ("1:3", "1:4") else "supercritical")


# ---------------------------------------------------------------- invariance


def _mixed() -> nc.Model:
    """A flow with a Hopf point at mu = 0 in coordinates x = T y, run c times as fast; all coefficients free."""
    import jax.numpy as jnp

    def f(y, p, theta):
        T = jnp.array([[p[f"t{i}{j}"] for j in range(3)] for i in range(3)])
        x = T @ y
        linear = jnp.array([p["mu"] * x[0] - 1.3 * x[1], 1.3 * x[0] + p["mu"] * x[1], -x[2]])
        quadratic = jnp.array([p["a"] * x[0] ** 2 + p["b"] * x[0] * x[2], p["d"] * x[0] * x[1], p["e"] * x[0] ** 2])
        cubic = jnp.array([p["k"] * x[0] ** 3, -(x[0] ** 2) * x[1], x[2] ** 3])
        return p["speed"] * jnp.linalg.solve(T, linear + quadratic + cubic)

    entries = {f"t{i}{j}": float(i == j) for i in range(3) for j in range(3)}
    return nc.Model.from_jax(f, 3, {"mu": 0.0, "speed": 1.0, **dict.fromkeys("abdek", 0.0), **entries})


@pytest.fixture(scope="module")
def mixed():
    return _mixed()


numbers = st.floats(-2.0, 2.0).map(lambda v: round(v, 3))


@settings(max_examples=40)
@given(st.lists(numbers, min_size=5, max_size=5), st.lists(numbers, min_size=9, max_size=9), st.floats(0.01, 100.0))
def test_hopf_criticality_is_invariant(mixed, coefficients, entries, speed):
    """Neither linear coordinates nor the unit of time change the word; l1 does not depend on the unit of time."""
    T = np.eye(3) + 0.3 * np.array(entries).reshape(3, 3)
    if np.linalg.cond(T) > 100.0:
        return
    params = dict(zip("abdek", coefficients, strict=True))
    plain = normal_form(mixed, point_at(mixed, "H", np.zeros(3), "mu", params))
    params |= {f"t{i}{j}": T[i, j] for i in range(3) for j in range(3)}
    turned = normal_form(mixed, point_at(mixed, "H", np.zeros(3), "mu", params))
    faster = normal_form(mixed, point_at(mixed, "H", np.zeros(3), "mu", {**params, "speed": speed}))
    assert turned["criticality"] == faster["criticality"] == plain["criticality"]
    assert faster["l1"] == pytest.approx(turned["l1"], rel=1e-9, abs=1e-9)
    assert faster["re_g21_half"] == pytest.approx(speed * turned["re_g21_half"], rel=1e-9, abs=1e-9 * speed)
    assert turned["crossing"] == pytest.approx(1.0, rel=1e-9)


@pytest.fixture(scope="module")
def crossing():
    """A branch point at mu = 0 in coordinates x = T y of a flow or map (then G = x + speed f)."""
    import jax.numpy as jnp

    def f(y, p, theta):
        T = jnp.array([[p["t00"], p["t01"]], [p["t10"], p["t11"]]])
        x = T @ y
        fast = -x[1] + p["e"] * x[0] ** 2 + p["d"] * p["mu"]
        slow = p["mu"] * x[0] + p["a"] * x[0] ** 2 + p["b"] * x[0] * x[1] + p["k"] * x[0] ** 3
        return p["speed"] * jnp.linalg.solve(T, jnp.array([slow, fast]))

    params = {"mu": 0.0, "speed": 1.0, **dict.fromkeys("abdek", 0.0), "t00": 1.0, "t01": 0.0, "t10": 0.0, "t11": 1.0}
    return nc.Model.from_jax(f, 2, params)


@settings(max_examples=40)
@given(st.lists(numbers, min_size=5, max_size=5), st.lists(numbers, min_size=4, max_size=4), st.floats(0.01, 100.0))
def test_branch_point_type_is_invariant(crossing, coefficients, entries, speed):
    T = np.eye(2) + 0.3 * np.array(entries).reshape(2, 2)
    params = dict(zip("abdek", coefficients, strict=True))
    if np.linalg.cond(T) > 100.0 or abs(params["b"] * params["d"] + 1.0) < 1e-3:
        return
    pitchfork = params["a"] == 0.0
    effective = params["k"] + params["b"] * params["e"]
    plain = normal_form(crossing, point_at(crossing, "BP", np.zeros(2), "mu", params))
    params |= {"t00": T[0, 0], "t01": T[0, 1], "t10": T[1, 0], "t11": T[1, 1], "speed": speed}
    turned = normal_form(crossing, point_at(crossing, "BP", np.zeros(2), "mu", params))
    for form in (plain, turned):  # where the cubic coefficient is zero but for rounding it may be either
        allowed = ("pitchfork", "degenerate") if abs(effective) <= 1e-6 else ("pitchfork",)
        assert form["type"] in (allowed if pitchfork else ("transcritical",))
    if pitchfork and abs(effective) > 1e-6:
        word = "supercritical" if effective < 0.0 else "subcritical"
        assert plain["criticality"] == turned["criticality"] == word
    mapped = turned["directions"] @ np.block([[T.T, np.zeros((2, 1))], [np.zeros((1, 2)), np.ones((1, 1))]])
    mapped /= np.linalg.norm(mapped, axis=1)[:, None]  # the same two lines, in any order
    assert np.sort(np.max(np.abs(mapped @ plain["directions"].T), axis=1)) == pytest.approx([1.0, 1.0], abs=1e-9)
