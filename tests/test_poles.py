"""Poles of the equations and places where they are undefined: an end that says so, and no bifurcations."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import Status
from tests.equation_truth import Problem, followed, found, in_either_direction

#: h = 1/(1 + y) goes on through y = p = 0, where the eigenvalue -1/y - 1 goes through infinity.
RECOVERY = Problem({"y": "p - y", "h": "(1 - h)/y - h"}, {"p": 1.0})
#: x = y = 1 for every c, with the eigenvalues -1/c and -1.
RELAXATION = Problem({"x": "(1 - x)/c", "y": "-y + x"}, {"c": 1.0})
PENDULUM = Problem({"x": "y", "y": "-g/L*sin(x) - 0.1*y"}, {"g": 9.81, "L": 1.0})


def ends_at_the_pole(branch, pole, width, neutral=()):
    """Assert that a branch ends beside the pole, says so, and that nothing is said to bifurcate."""
    assert Status.POLE in branch.ends
    assert branch.status is Status.POLE
    assert "pole" in str(Status.POLE.value)
    end = branch.p[0] if branch.ends[0] is Status.POLE else branch.p[-1]
    assert abs(end - pole) < 0.02 * width
    assert found(branch) == [("NSad", pytest.approx(p, rel=1e-9)) for p in neutral]
    assert branch.doubtful == ()
    assert np.all((branch.p - pole) * (branch.p[len(branch) // 2] - pole) > 0.0)


@pytest.mark.parametrize(
    ("problem", "free", "start", "span"),
    [
        (RECOVERY, "p", [1.0, 0.5], (-1.0, 2.0)),
        (RELAXATION, "c", [1.0, 1.0], (0.0, 1.0)),
        (RELAXATION, "c", [1.0, 1.0], (-1.0, 1.0)),
        (PENDULUM, "L", [0.0, 0.0], (-1.0, 2.0)),
        (PENDULUM, "L", [0.0, 0.0], (0.0, 2.0)),
        (PENDULUM, "L", [np.pi, 0.0], (-1.0, 2.0)),
    ],
)
def test_no_bifurcation_at_a_pole(problem, free, start, span):
    branch = followed(problem, start, free=free, span=span, invariants=False)
    ends_at_the_pole(branch, 0.0, span[1] - span[0])
    assert set(branch.ends) == {Status.POLE, Status.BOUND}


SHIFTED = {
    k: Problem({"y": "p - y", "h": f"(1 - h)*r/(y - c)**{k} - h"}, {"p": 1.0, "c": 0.0, "r": 1.0}) for k in (1, 3)
}


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_poles_of_odd_order_anywhere(order, side, seed):
    """The eigenvalue -r/(y - c)^k - 1 changes its sign at y = c, through infinity; it is zero at y = c - r^(1/k).

    The other one is -1: their sum is zero where the first is 1, at y = c - (r/2)^(1/k).
    """
    rng = np.random.default_rng(seed)
    c, r = rng.normal(), 10.0 ** rng.uniform(-2, 2)
    zero = r ** (1.0 / order)
    p = c + side * rng.uniform(0.3, 0.8) * zero
    g = r / (p - c) ** order
    span = (c - 0.9 * zero, c + 0.9 * zero)
    values = {"c": c, "r": r, "p": p}
    branch = followed(SHIFTED[order], [p, g / (1.0 + g)], free="p", span=span, invariants=False, params=values)
    neutral = [] if side > 0.0 else [c - (0.5 * r) ** (1.0 / order)]
    ends_at_the_pole(branch, c, span[1] - span[0], neutral)
    assert branch.ends == ((Status.POLE, Status.BOUND) if side > 0.0 else (Status.BOUND, Status.POLE))


@pytest.mark.parametrize("seed", range(4))
def test_a_fold_before_the_pole_is_found(seed):
    """x turns back at p = a, y relaxes at the rate 1/(p - b) with b < a: the fold comes before the pole.

    On the unstable side u = -x the rates 2 u and -1/(p - b) have the sum zero where 2 u (u^2 + a - b) = 1.
    """
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.3, 1.0), -rng.uniform(0.1, 1.0)
    problem = Problem({"x": "p - a - x**2", "y": "(x - y)/(p - b)"}, {"p": 2.0, "a": a, "b": b})
    x = np.sqrt(2.0 - a)
    branch = followed(problem, [x, x], free="p", span=(-3.0, 3.0), params={"a": a, "b": b, "p": 2.0})
    (u,) = (root.real for root in np.roots([2.0, 0.0, 2.0 * (a - b), -1.0]) if abs(root.imag) < 1e-12)
    assert in_either_direction(
        branch, [("LP", pytest.approx(a, abs=1e-12)), ("NSad", pytest.approx(a + u**2, rel=1e-9))]
    )  # fmt: skip
    assert branch.ends == (Status.BOUND, Status.BOUND)


# ------------------------------------------------------------------------------------------------ no sign changes

FORMS = ("(p - c)**2", "(p - c)**4", "abs(p - c)", "abs(p - c)**0.5", "abs(p - c)**1.5")


def _relaxing(form: str, kind: str) -> Problem:
    """Return x -> g + v sin(q p) at the rate b + r/form, and y -> x + p; nothing ever bifurcates."""
    rates = {"x": f"(g + v*sin(q*p) - x)*(b + r/({form}))", "y": "w*(x + p - y)"}
    if kind == "map":
        rates = {name: f"{name} + 0.1*({rate})" for name, rate in rates.items()}
    return Problem(rates, {"p": 1.0, "c": 0.0, "r": 1.0, "b": 0.0, "g": 1.0, "v": 0.0, "q": 1.0, "w": 1.0}, kind)


EVEN = {(form, kind): _relaxing(form, kind) for form in FORMS for kind in ("flow", "map")}


@pytest.mark.parametrize("kind", ["flow", "map"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(4))
def test_poles_at_which_no_eigenvalue_changes_its_sign(form, kind, seed):
    """The branch is x = g + v sin(q p), y = x + p; spans reach decades farther on one side than on the other."""
    rng = np.random.default_rng([seed, FORMS.index(form), kind == "map"])
    side, near, far = (-1.0) ** seed, *10.0 ** rng.uniform(-2, 3, 2)
    c, r, b = (0.0 if seed < 2 else rng.normal()), 10.0 ** rng.uniform(-2, 3), 10.0 ** rng.uniform(-1, 1)
    p = c + side * rng.uniform(0.2, 0.8) * far
    values = {"c": c, "r": r, "b": b, "p": p, "g": rng.normal(), "v": rng.normal(), "q": 1.0 / far, "w": 1.0}
    x = values["g"] + values["v"] * np.sin(p / far)
    span = (c - near, c + far) if side > 0.0 else (c - far, c + near)
    branch = nc.continuation(EVEN[form, kind].model, [x, x + p], free="p", p_span=span, params=values)
    assert branch.ends == ((Status.POLE, Status.BOUND) if side > 0.0 else (Status.BOUND, Status.POLE))
    end = branch.p[0] if side > 0.0 else branch.p[-1]
    assert abs(end - c) < 1e-4 * (near + far)
    assert np.all((branch.p - c) * side > 0.0)
    assert branch.doubtful == ()
    multipliers = (b + r / np.abs(branch.p - c) ** float(form.split("**")[1] if "**" in form else 1)) * 0.1
    if kind == "flow":
        assert found(branch) == []
    else:  # the rate 1 - 0.1 (b + ...) goes through -1 on the way to the pole, unless it is there all along
        assert [label for label, _ in found(branch)] == ["PD"] * int(np.min(multipliers) < 2.0)


BY_STATE = {form: Problem({"y": "p - y", "h": f"(1 - h)*r/{form} - h"}, {"p": 1.0, "c": 0.0, "r": 1.0})
            for form in ("(y - c)**2", "abs(y - c)")}  # fmt: skip


SHORT = pytest.mark.xfail(
    reason="steps are so short beside a pole at zero that rates grow little from one to the next", strict=False
)


@pytest.mark.parametrize("form", BY_STATE)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=SHORT), 2, 3])
def test_poles_in_a_state_at_which_no_eigenvalue_changes_its_sign(form, seed):
    """h = g/(1 + g) with g = r/form at y = p: the branch itself is continuous at the pole."""
    rng = np.random.default_rng([seed, form == "abs(y - c)"])
    c, r, side = (0.0 if seed < 2 else rng.normal()), 10.0 ** rng.uniform(-1, 1), (-1.0) ** seed
    p = c + side * rng.uniform(0.3, 0.9)
    g = r / abs(p - c) ** (2 if "2" in form else 1)
    branch = followed(
        BY_STATE[form], [p, g / (1.0 + g)], free="p", span=(c - 1.0, c + 1.0), invariants=False,
        params={"c": c, "r": r, "p": p},
    )  # fmt: skip
    ends_at_the_pole(branch, c, 2.0)
    np.testing.assert_array_less(0.0, side * (branch.p - c))  # nothing of the other side


PEAK = Problem({"x": "(1 - x)*(1 + r/(1 + (p/u)**2)**2)", "y": "x*p - y"}, {"p": 1.0, "r": 1.0, "u": 1.0})


@pytest.mark.parametrize("width", [1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("height", [1.0, 1e3, 1e6])
def test_a_narrow_peak_of_a_rate_is_no_pole(width, height):
    branch = followed(PEAK, [1.0, 0.7], free="p", span=(-1.0, 1.3), params={"p": 0.7, "r": height, "u": width})
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == []


# ------------------------------------------------------------------------------------------------ roots

ROOTS = {
    "abs(p - c)**(1/3)": lambda u: np.abs(u) ** (1 / 3),
    "sign(p - c)*abs(p - c)**(1/3)": np.cbrt,
    "abs(p - c)**(2/3)": lambda u: np.abs(u) ** (2 / 3),
    "abs(p - c)**(1/2)": lambda u: np.sqrt(np.abs(u)),
    "sign(p - c)*abs(p - c)**(1/2)": lambda u: np.sign(u) * np.sqrt(np.abs(u)),
}
ROOT_PROBLEMS = {text: Problem({"x": f"w*(a*{text} - x)", "y": "x - y"}, {"p": 1.0, "c": 0.0, "a": 1.0, "w": 1.0})
                 for text in ROOTS}  # fmt: skip


@pytest.mark.parametrize("text", ROOTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_branch_goes_on_beyond_a_root(text, seed):
    """x = a root(p - c): its derivative is infinite at c, no rate is, and it is defined on both sides."""
    rng = np.random.default_rng(seed)
    c, a, side = (0.0 if seed == 0 else rng.normal()), rng.uniform(0.5, 2.0), (-1.0) ** seed
    p = c + side * rng.uniform(0.3, 0.9)
    x = a * ROOTS[text](p - c)
    branch = nc.continuation(
        ROOT_PROBLEMS[text].model, [x, x], free="p", p_span=(c - 1.0, c + 1.0), params={"p": p, "c": c, "a": a}
    )
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert found(branch) == []
    far = np.abs(branch.p - c) > 1e-3
    assert np.allclose(branch.x[far, 0], a * ROOTS[text](branch.p[far] - c), rtol=1e-8, atol=1e-8)
    assert np.min(branch.p) == c - 1.0
    assert np.max(branch.p) == c + 1.0


@pytest.mark.parametrize("text", ["sqrt(p)", "p**(1/3)"])
def test_a_branch_ends_where_a_root_is_no_longer_defined(text):
    model = nc.Model.from_equations({"x": f"{text} - x"}, {"p": 1.0})
    branch = nc.continuation(model, [1.0], free="p", p_span=(-1.0, 2.0))
    assert branch.ends == (Status.NOT_FINITE, Status.BOUND)
    assert 0.0 <= branch.p[0] < 1e-6


@pytest.mark.parametrize("text", ["log(p)", "log(abs(p))"])
def test_a_logarithm_is_a_pole(text):
    model = nc.Model.from_equations({"x": f"{text} - x"}, {"p": 1.0})
    branch = nc.continuation(model, [0.0], free="p", p_span=(-1.0, 2.0))
    assert branch.ends == (Status.POLE, Status.BOUND)
    assert 0.0 < branch.p[0] < 1e-6


# ------------------------------------------------------------------------------------------------ undefined places


@pytest.mark.parametrize("power", [2, 4])
def test_a_derivative_that_is_undefined_names_the_state(power):
    """1/(1 + (k/x)^n) is 0 at x = 0, its derivative 0 times infinity: the right-hand side is defined there."""
    model = nc.Model.from_equations(
        {"x": f"a - x + 1/(1 + (k/x)**{power})", "y": "x - y"}, {"a": 0.0, "k": 1.0}
    )  # fmt: skip
    with pytest.raises(nc.InputError, match="derivative of the equation of 'x' in 'x'") as said:
        nc.continuation(model, [0.0, 0.0], free="a", p_span=(-1.0, 2.0))
    assert "although the right-hand side is" in str(said.value)


# ------------------------------------------------------------------------------------------------ not established


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_a_kink_where_the_branch_turns_back_is_doubtful(slope):
    """p = slope max(x, 0) - min(x, 0) turns back at x = 0, where no eigenvalue is zero: no fold, and not silent."""
    model = nc.Model.from_equations({"x": "p - a*(x + abs(x))/2 + (x - abs(x))/2"}, {"p": 1.0, "a": slope})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(model, [1.0 / slope], free="p", p_span=(-0.5, 2.0), params={"a": slope})
    assert found(branch) == []
    assert all(point.converged for point in branch.special_points)
    (place,) = branch.doubtful
    assert abs(place.p) < 1e-3
    assert abs(place.x[0]) < 1e-3
    order = np.argsort(branch.x[:, 0])
    turn = np.interp(0.0, branch.x[order, 0], branch.s[order])
    assert place.bracket[0] - 1e-6 <= turn <= place.bracket[1] + 1e-6
    about = [str(each.message) for each in said if "branch.doubtful" in str(each.message)]
    assert len(about) == 1
    assert "1 place at p = " in about[0]
    assert repr(branch).splitlines()[-1].startswith("doubtful, not listed")


@pytest.mark.parametrize("jump", [0.5, 2.0])
def test_a_stability_that_jumps_is_doubtful(jump):
    """y' = (x sign(p) ...) y: the eigenvalue jumps from -jump to jump at p = 0, without a zero."""
    model = nc.Model.from_equations({"x": "p - x", "y": "b*y*x/abs(x)"}, {"p": -1.0, "b": jump})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(model, [-1.0, 0.0], free="p", p_span=(-1.5, 1.7), params={"b": jump})
    assert found(branch) == []
    assert branch.n_unstable[[0, -1]].tolist() in ([0, 1], [1, 0]) or Status.POLE in branch.ends
    (place,) = branch.doubtful
    assert abs(place.p) < 0.05
    assert len([each for each in said if "branch.doubtful" in str(each.message)]) == 1
