"""``model.eliminate``: the reduced model has the same fixed points, and can be followed in the totals."""

from __future__ import annotations

import numpy as np
import pytest
from closed_systems import ENZYME, EXCHANGE, POLARITY, RATES, SIRS, enzyme_equilibrium
from invariants import check_branch

import ntkcont as nc


@pytest.fixture(scope="module")
def enzyme():
    return nc.Model.from_equations(ENZYME, RATES)


def test_an_enzyme_in_its_substrate(enzyme):
    reduced = enzyme.eliminate({"S_total": 10.0, "E_total": 1.0})
    assert reduced.states == ("S", "ES")
    assert dict(reduced.params) == {**RATES, "S_total": 10.0, "E_total": 1.0}
    s, _, es, _ = enzyme_equilibrium(10.0, 1.0)
    branch = nc.continuation(reduced, {"S": s, "ES": es}, free="S_total", p_span=(0.5, 40.0))
    check_branch(branch, reduced, p_span=(0.5, 40.0))
    assert branch.status is nc.Status.BOUND
    assert {point.label for point in branch.special_points} == {"EP"}
    truth = np.array([enzyme_equilibrium(total, 1.0) for total in branch.p]).T
    for name, values in zip(ENZYME, truth, strict=True):  # those that were replaced as well
        np.testing.assert_allclose(branch[name], values, rtol=1e-7)


def test_folds_of_a_closed_system_in_its_total():
    """b = d a/h, h = k0 + g a^2/(1 + a^2), so that the total is a + d a/h: folds where its slope vanishes."""
    k0, g, d = 0.067, 1.0, 2.0
    model = nc.Model.from_equations(POLARITY, {"k0": k0, "g": g, "d": d})

    def total(a):
        return a + d * a / (k0 + g * a**2 / (1 + a**2))

    reduced = model.eliminate({"T": ("a + b", total(0.05))}, states=["b"])
    branch = nc.continuation(reduced, [0.05], free="T", p_span=(0.1, 6.0))
    check_branch(branch, reduced)
    np.testing.assert_allclose(total(branch["a"]), branch.p, rtol=1e-8)
    a = np.linspace(0.01, 3.0, 300_001)
    slope = np.gradient(total(a), a)
    turns = np.flatnonzero(slope[1:-2] * slope[2:-1] < 0) + 1
    expected = sorted(total(a[turns]))
    assert len(expected) == 2
    np.testing.assert_allclose(sorted(p.p for p in branch.special_points("LP")), expected, rtol=1e-6)


def test_an_epidemic_begins_where_each_case_replaces_itself():
    model = nc.Model.from_equations(SIRS, {"b": 2.0, "g": 0.5, "w": 0.1})
    reduced = model.eliminate({"N": 1.0})
    assert reduced.states == ("S", "I")
    branch = nc.continuation(reduced, [1.0, 0.0], free="N", p_span=(0.05, 2.0))
    check_branch(branch, reduced)
    (point,) = branch.special_points("BP")
    assert point.p == pytest.approx(0.5 / 2.0, abs=1e-9)  # b N = g
    endemic = nc.continuation(reduced, [0.25, 0.75 * 0.1 / 0.6], free="N", p_span=(0.3, 2.0))
    np.testing.assert_allclose(endemic["I"], (endemic.p - 0.25) * 0.1 / 0.6, rtol=1e-8)
    np.testing.assert_allclose(endemic["R"], (endemic.p - 0.25) * 0.5 / 0.6, rtol=1e-8)


def test_weights_are_parameters():
    model = nc.Model.from_equations({"x": "k*(y - x)/V1", "y": "k*(x - y)/V2"}, {"k": 1.0, "V1": 2.0, "V2": 0.5})
    reduced = model.eliminate({"mass": ("V1*x + V2*y", 3.0)})
    branch = nc.continuation(reduced, [1.2], free="V1", p_span=(0.5, 5.0))
    check_branch(branch, reduced)
    np.testing.assert_allclose(branch["x"], 3.0 / (branch.p + 0.5), rtol=1e-9)
    np.testing.assert_allclose(branch["y"], branch["x"], rtol=1e-9)
    with pytest.raises(nc.InputError, match="conserved for the present parameter values only"):
        model.eliminate({"mass": ("2*x + 0.5*y", 3.0)})


def test_it_is_a_model_like_any_other(enzyme, tmp_path):
    start = [10.0, 1.0, 0.0, 0.0]
    reduced = enzyme.eliminate(start)
    assert reduced.start == {"S": 10.0, "ES": 0.0}
    assert (reduced.params["E_total"], reduced.params["S_total"]) == (1.0, 10.0)
    assert reduced.check([3.0, 0.4]).ok
    full = enzyme.rhs([3.0, 0.6, 0.4, 6.6])
    np.testing.assert_allclose(reduced.rhs([3.0, 0.4]), full[[0, 2]], rtol=1e-14)
    assert r"S_{\mathrm{total}}" in reduced.to_latex()
    kernel = nc.ntk.StateNTK(theta=["k1", "S_total"], state_scale="relative", theta_scale="relative")
    branch = nc.continuation(reduced, enzyme_equilibrium(10.0, 1.0)[[0, 2]], free="k1", p_span=(0.5, 2.0), ntk=kernel)
    check_branch(branch, reduced)
    branch.save(tmp_path / "b.npz")
    np.testing.assert_array_equal(nc.load(tmp_path / "b.npz").x, branch.x)
    np.testing.assert_allclose(branch["P"], branch.params["S_total"] - branch["S"] - branch["ES"], rtol=1e-12)


def test_which_states_are_replaced(enzyme):
    reduced = enzyme.eliminate([10.0, 1.0, 0.0, 0.0], states=["S", "ES"])
    assert reduced.states == ("E", "P")
    full = enzyme.rhs([3.0, 0.6, 0.4, 6.6])
    np.testing.assert_allclose(reduced.rhs([0.6, 6.6]), full[[1, 3]], rtol=1e-14)
    assert reduced.aux([0.6, 6.6]) == pytest.approx({"S": 3.0, "ES": 0.4})


@pytest.mark.parametrize(
    "totals",
    [
        {"S_total": 10.0, "E_total": 1.0},
        {"T": ("S + ES + P", 10.0), "U": ("E + ES", 1.0)},
        {"S + ES + P": 10.0, "ES + E": 1.0},
        {"T": ("S + P - E", 9.0), "U": ("E + ES", 1.0)},
        {"T": ("2*(S + ES + P)", 20.0), "U": ("E + ES", 1.0)},
        {"S": 10.0, "E": 1.0, "ES": 0.0, "P": 0.0},
    ],
)
def test_ways_to_say_it(enzyme, totals):
    reduced = enzyme.eliminate(totals, states=["E", "P"])
    assert reduced.states == ("S", "ES")
    np.testing.assert_allclose(reduced.rhs([3.0, 0.4]), enzyme.rhs([3.0, 0.6, 0.4, 6.6])[[0, 2]], rtol=1e-13)


def test_a_fixed_point_gives_its_totals_and_parameters(enzyme):
    with pytest.warns(UserWarning, match="conserved"):
        points = nc.find_fixed_points(enzyme, [10.0, 1.0, 0.0, 0.0], params={"k1": 2.0})
    reduced = enzyme.eliminate(points[0])
    assert reduced.params["k1"] == 2.0
    assert reduced.params["S_total"] == pytest.approx(10.0, rel=1e-13)
    np.testing.assert_allclose(reduced.rhs([points[0]["S"], points[0]["ES"]]), 0.0, atol=1e-13)


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        ({"T": 3.0}, r"which one is it\? give a state, or \{\"E_total\": \(\"E \+ ES\", 1.0\)"),
        (3.0, r"totals: got 3.0; the model has 2 conserved quantities"),
        ({"T": ("S + P", 3.0), "E_total": 1.0}, r"totals\['T'\]: 'S \+ P' is not conserved; the model has 2"),
        ({"T": ("S*E", 3.0), "E_total": 1.0}, r"is not conserved"),
        ({"T": "E + ES", "S_total": 1.0}, r"no value was given and the model has no initial values"),
        ({"S_total": 3.0}, r"so give 2 of them, none of which follows from the others"),
        ({"S_total": np.nan, "E_total": 1.0}, r"totals\['S_total'\]: got nan; it must be one finite number"),
        ({"k1": ("S + ES + P", 3.0), "E_total": 1.0}, r"'k1' is a name of the model already"),
        ({"S": 3.0}, r"totals: no value for 'E', 'ES', 'P'"),
        (None, r"totals: not given, and the model has no initial values"),
    ],
)
def test_what_is_refused(enzyme, totals, message):
    with pytest.raises(nc.InputError, match=message):
        enzyme.eliminate(totals)


def test_states_that_the_totals_do_not_determine(enzyme):
    with pytest.raises(nc.InputError, match=r"states: got \['S', 'P'\].* such as \['E', 'P'\]"):
        enzyme.eliminate([1.0, 1.0, 0.0, 0.0], states=["S", "P"])
    with pytest.raises(nc.InputError, match="states: 'Es' is unknown; did you mean"):
        enzyme.eliminate([1.0, 1.0, 0.0, 0.0], states=["Es", "P"])


def test_open_systems_are_refused():
    with pytest.raises(nc.InputError, match="it has no conserved quantity"):
        nc.classics.cusp().eliminate([1.0])
    with pytest.raises(nc.InputError, match="all of its states are conserved"):
        nc.Model.from_equations({"x": "0"}, {"k": 1.0}).eliminate([1.0])


def test_rates_that_must_stay_zero_are_no_parameters_any_longer():
    model = nc.Model.from_equations({"S": "m - b*S*I - m*S", "I": "b*S*I - g*I - m*I", "R": "g*I - m*R"},
                                    {"m": 0.0, "b": 1.0, "g": 0.2})  # fmt: skip
    reduced = model.eliminate([0.9, 0.1, 0.0])
    assert dict(reduced.params) == pytest.approx({"b": 1.0, "g": 0.2, "S_total": 1.0})
    np.testing.assert_allclose(reduced.rhs([0.5, 0.2]), model.rhs([0.5, 0.2, 0.3])[:2])


def test_paths_and_iterates():
    model = nc.Model.from_equations(EXCHANGE, {"kf": 1.0, "kr": 2.0})
    reduced = model.along({"kf": 1.0, "kr": 2.0}, {"kf": 2.0, "kr": 5.0}).eliminate({"T": 3.0})
    branch = nc.continuation(reduced, [2.0], free="mix", p_span=(0.0, 1.0))
    check_branch(branch, reduced)
    np.testing.assert_allclose(branch["A"], 3.0 * (2.0 + 3.0 * branch.p) / (3.0 + 4.0 * branch.p), rtol=1e-9)
    swap = nc.Model.from_equations({"x": "x + d*x*(y - x)", "y": "y - d*x*(y - x)"}, {"d": 0.3}, kind="map")
    twice = swap.power(2).eliminate([1.0, 2.0])
    np.testing.assert_allclose(twice.rhs([1.2]), swap.power(2).rhs([1.2, 1.8])[:1], rtol=1e-14)


def test_models_of_other_programs(tmp_path):
    file = tmp_path / "exchange.ode"
    file.write_text("par kf=1, kr=2\nflux=kf*A-kr*B\nA'=-flux\nB'=flux\ninit A=3, B=0\ndone\n")
    reduced = nc.from_xpp(file).eliminate()  # the totals of the initial values
    (total,) = (name for name in reduced.params if name.lower() == "a_total")
    assert reduced.params[total] == 3.0
    branch = nc.continuation(reduced, reduced.start, free="kf", p_span=(0.5, 4.0))
    np.testing.assert_allclose(branch.x[:, 0], 6.0 / (branch.p + 2.0), rtol=1e-9)
    keys = {"varspecs": {"A": "-J(A, B)", "B": "J(A, B)"}, "fnspecs": {"J": (["u", "v"], "kf*u - kr*v")},
            "pars": {"kf": 1.0, "kr": 2.0}, "ics": {"A": 0.0, "B": 3.0}}  # fmt: skip
    reduced = nc.from_pydstool(keys).eliminate(states=["A"])
    assert reduced.states == ("B",)
    np.testing.assert_allclose(nc.find_fixed_points(reduced, [[3.0]]).x, [[1.0]], rtol=1e-12)
