"""Different special points close to each other: near Bogdanov-Takens points and 1:1 resonances, down to rounding."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

#: Along b1 the fixed points are x^2 + b2 x + b1 = 0, y = 0; the trace is x, the determinant -(b2 + 2 x).
TAKENS = {"x": "y", "y": "b1 + b2*x + x**2 + x*y"}
NEAR = [5e-4, 1e-4, 3e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12]


def found(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label != "EP"]


@pytest.fixture(scope="module")
def takens():
    return nc.Model.from_equations(TAKENS, {"b1": -0.5, "b2": 0.0})


def along(model, start, b2, scale=1.0):
    return nc.continuation(model, start, free="b1", p_span=(-0.6 * scale, 0.4 * scale), params={"b2": b2})


def start(b2):
    return np.array([-b2 / 2 - np.sqrt(b2**2 / 4 + 0.5), 0.0])


@pytest.mark.parametrize("b2", NEAR)
def test_a_hopf_point_beside_a_fold(takens, b2):
    """b2 < 0: the fold is at x = |b2|/2, b1 = b2^2/4, the Hopf point before it at x = 0 with omega = sqrt(|b2|)."""
    branch = along(takens, start(-b2), -b2)
    check_branch(branch, takens)
    assert found(branch) == [("H", pytest.approx(0.0, abs=1e-14)), ("LP", pytest.approx(b2**2 / 4, rel=1e-9))]
    hopf, fold = branch.special_points["H1"], branch.special_points["LP1"]
    assert hopf.converged
    assert fold.converged
    # omega^2 = |b2| - 2 x, where x = 0 is located to 1e-16
    assert hopf.omega == pytest.approx(np.sqrt(b2), rel=max(1e-6, 1e-16 / b2))
    assert hopf.x[0] == pytest.approx(0.0, abs=1e-3 * b2)
    assert fold.x[0] == pytest.approx(b2 / 2, rel=1e-6)
    assert branch.n_unstable[[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize("b2", NEAR)
def test_a_neutral_saddle_beside_a_fold(takens, b2):
    """b2 > 0: the fold comes first, at x = -b2/2; at x = 0 there are the eigenvalues k, -k with k = sqrt(b2)."""
    branch = along(takens, start(b2), b2)
    check_branch(branch, takens)
    assert found(branch) == [("LP", pytest.approx(b2**2 / 4, rel=1e-9)), ("NSad", pytest.approx(0.0, abs=1e-14))]
    fold, saddle = branch.special_points["LP1"], branch.special_points["NSad1"]
    assert fold.converged
    assert saddle.converged
    assert fold.x[0] == pytest.approx(-b2 / 2, rel=1e-6)
    assert saddle.x[0] == pytest.approx(0.0, abs=1e-3 * b2)
    assert np.max(saddle.eigenvalues.real) == pytest.approx(np.sqrt(b2), rel=1e-5)


def test_a_neutral_saddle_is_told_from_a_fold_farther_down_than_a_hopf_point(takens):
    """At b2 = 1e-14 the fold is at b1 = 2.5e-29, and the eigenvalues at b1 = 0 are +-1e-7: two records."""
    branch = along(takens, start(1e-14), 1e-14)
    check_branch(branch, takens)
    assert found(branch) == [("LP", pytest.approx(2.5e-29, abs=1e-28)), ("NSad", pytest.approx(0.0, abs=1e-28))]
    assert branch.special_points["LP1"].x[0] == pytest.approx(-0.5e-14, rel=1e-6)
    assert np.max(branch.special_points["NSad1"].eigenvalues.real) == pytest.approx(1e-7, rel=1e-3)


def test_a_hopf_point_is_told_from_a_fold_as_far_down(takens):
    """At b2 = -1e-14 the pair at b1 = 0 is +-1e-7 i, the fold at b1 = 2.5e-29."""
    branch = along(takens, start(-1e-14), -1e-14)
    check_branch(branch, takens)
    assert found(branch) == [("H", pytest.approx(0.0, abs=1e-28)), ("LP", pytest.approx(2.5e-29, abs=1e-28))]
    assert branch.special_points["H1"].omega == pytest.approx(1e-7, rel=1e-2)
    assert branch.special_points["LP1"].x[0] == pytest.approx(0.5e-14, rel=1e-6)


@pytest.mark.parametrize("b2", [0.0, 1e-15, -1e-15, 1e-16, -1e-16])
def test_points_within_rounding_are_one_record_with_a_warning(takens, b2):
    with pytest.warns(RuntimeWarning, match="a Bogdanov-Takens point is there or nearby"):
        branch = along(takens, start(b2), b2)
    check_branch(branch, takens)
    assert found(branch) == [("LP", pytest.approx(0.0, abs=1e-14))]
    fold = branch.special_points["LP1"]
    assert fold.converged
    assert branch.n_unstable[[0, -1]].tolist() == [0, 1]
    with pytest.warns(RuntimeWarning, match="Bogdanov-Takens"):
        form = dict(fold.normal_form)
    assert form["type"] == "defective" or form["kappa"] > 1e10


def test_far_from_it_nothing_is_said(takens):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        branch = along(takens, start(-0.3), -0.3)
    assert found(branch) == [("H", pytest.approx(0.0, abs=1e-12)), ("LP", pytest.approx(0.0225, abs=1e-12))]


def rotated(seed):
    """The same with a third, stable state, in coordinates of no special direction; x = T u + offset."""
    rng = np.random.default_rng(seed)
    t, offset = rng.standard_normal((3, 3)) + 2 * np.eye(3), rng.standard_normal(3)
    inverse = np.linalg.inv(t)
    u = {
        name: "(" + " + ".join(f"({inverse[i, j]!r})*(w{j} - ({offset[j]!r}))" for j in range(3)) + ")"
        for i, name in enumerate("XYZ")
    }
    rates = ["Y", "b1 + b2*X + X**2 + X*Y", "-Z + 0.3*X*Y"]
    for name, text in u.items():
        rates = [rate.replace(name, text.replace("np.float64", "")) for rate in rates]
    equations = {f"w{i}": " + ".join(f"({t[i, j]!r})*({rates[j]})" for j in range(3)) for i in range(3)}
    equations = {name: text.replace("np.float64", "") for name, text in equations.items()}
    return nc.Model.from_equations(equations, {"b1": -0.5, "b2": 0.0}), t, offset, inverse


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_close_points_in_general_coordinates(seed):
    """Rounding then is that of numbers of size one; the points are 2.5e-4 to 5e-9 apart, then inseparable."""
    model, t, offset, inverse = rotated(seed)
    for b2 in (-5e-4, 5e-4, -3e-5, 3e-5, -1e-6, 1e-6, -1e-8, 1e-8):
        branch = along(model, t @ np.append(start(b2), 0.0) + offset, b2)
        check_branch(branch, model)
        other = "H" if b2 < 0 else "NSad"
        # another neutral saddle, of x and the third state, is far away
        near = [q for q in branch.special_points if q.label != "EP" and abs(q.p) < 1e-3]
        assert [q.label for q in near] == (["H", "LP"] if b2 < 0 else ["LP", "NSad"]), b2
        assert all(q.converged for q in near)
        place = {q.label: (inverse @ (q.x - offset))[0] for q in near}
        assert place["LP"] == pytest.approx(-b2 / 2, rel=1e-5)
        assert place[other] == pytest.approx(0.0, abs=1e-2 * abs(b2))
    with pytest.warns(RuntimeWarning, match="Bogdanov-Takens"):
        branch = along(model, t @ np.append(start(0.0), 0.0) + offset, 0.0)
    check_branch(branch, model)
    assert [q.label for q in branch.special_points if q.label != "EP" and abs(q.p) < 1e-3] == ["LP"]


#: Multipliers of [[1, 1], [b2 + 2 x, 1 + x]]: trace 2 + x, determinant 1 - x - b2.
RESONANT = {"x": "x + y", "y": "y + b1 + b2*x + x**2 + x*y"}


@pytest.mark.parametrize("b2", [0.1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8])
def test_a_neimark_sacker_point_beside_a_fold(b2):
    """The determinant is 1 at x = -b2, b1 = 0, where cos theta = 1 - b2/2; the fold is at x = -b2/2, b1 = b2^2/4.

    The integer counts of multipliers before and after both are those of a fold alone.
    """
    m = nc.Model.from_equations(RESONANT, {"b1": -0.5, "b2": 0.0}, kind="map")
    branch = along(m, start(b2), b2)
    check_branch(branch, m)
    assert found(branch) == [("NS", pytest.approx(0.0, abs=1e-14)), ("LP", pytest.approx(b2**2 / 4, abs=1e-14))]
    sacker, fold = branch.special_points["NS1"], branch.special_points["LP1"]
    assert sacker.converged
    assert fold.converged
    assert sacker.omega == pytest.approx(np.arccos(1 - b2 / 2) if b2 > 1e-6 else np.sqrt(b2), rel=1e-6)
    assert sacker.x[0] == pytest.approx(-b2, rel=1e-6)
    assert fold.x[0] == pytest.approx(-b2 / 2, rel=1e-6)


@pytest.mark.parametrize("b2", [0.1, 1e-3, 1e-5])
def test_a_neutral_saddle_of_a_map_beside_a_fold_is_no_neimark_sacker_point(b2):
    m = nc.Model.from_equations(RESONANT, {"b1": -0.5, "b2": 0.0}, kind="map")
    branch = along(m, start(-b2), -b2)
    check_branch(branch, m)
    assert found(branch) == [("LP", pytest.approx(b2**2 / 4, abs=1e-14))]


@pytest.mark.parametrize("gap", [4e-4, 3e-5, 1e-7, 1e-9])
def test_a_hopf_point_of_another_pair_beside_a_fold(gap):
    """x' = p + x^2, and a pair with real part x - gap: the fold at x = 0, the Hopf point at x = gap."""
    m = nc.Model.from_equations(
        {"x": "p + x**2", "u": "(x - g)*u - v - u**3", "v": "u + (x - g)*v - v**3"}, {"p": -0.5, "g": gap}
    )
    branch = nc.continuation(m, [-np.sqrt(0.5), 0.0, 0.0], free="p", p_span=(-0.6, 0.4))
    check_branch(branch, m)
    assert found(branch) == [("LP", pytest.approx(0.0, abs=1e-14)), ("H", pytest.approx(-(gap**2), abs=1e-14))]
    assert all(q.converged for q in branch.special_points)
    assert branch.special_points["H1"].x[0] == pytest.approx(gap, rel=1e-6)


@pytest.mark.parametrize("c", [3e-8, 1e-8, 1e-9, 1e-10])
@pytest.mark.parametrize("direction", ["both", "+", "-"])
def test_two_folds_around_the_start_are_two(c, direction):
    """p = x^3 - c x turns back at x = +-sqrt(c/3), on both sides of the start, where the parameter hardly moves."""
    model = nc.Model.from_equations({"x": "p - x**3 + c*x"}, {"p": 0.0, "c": c})
    branch = nc.continuation(model, [0.0], free="p", p_span=(-1, 1), direction=direction)
    check_branch(branch, model, p_span=(-1, 1))
    turn = np.sqrt(c / 3.0)
    expected = {"both": [-1.0, 1.0], "+": [-1.0], "-": [1.0]}[direction]
    folds = sorted(branch.special_points("LP"), key=lambda point: point.x[0])
    np.testing.assert_allclose([q.x[0] / turn for q in folds], expected, atol=1e-7)
    np.testing.assert_allclose([q.p for q in folds], [-2.0 / 3.0 * c * turn * side for side in expected], rtol=1e-6)
    assert [name for name, _ in found(branch)] == ["LP"] * len(expected)
