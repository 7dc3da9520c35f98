"""Sums of states that keep their values are found, exactly, and nothing else is taken for one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from closed_systems import DIMER, ENZYME, EXCHANGE, POLARITY, RATES, SIRS, enzyme_equilibrium, network
from hypothesis import given, settings
from hypothesis import strategies as st
from invariants import check_branch

import ntkcont as nc
from ntkcont.models.conserved import conserved_quantities


def flow(equations, **params):
    return nc.Model.from_equations(equations, params)


def found(model, starts, **options):
    with pytest.warns(UserWarning, match="conserved quantit") as caught:
        points = nc.find_fixed_points(model, starts, **options)
    assert len(caught) == 1
    return points


CASES = {
    "exchange": (flow(EXCHANGE, kf=1.0, kr=2.0), ["A + B"]),
    "stoichiometry": (flow(DIMER, kf=1.0, kr=0.1), ["A + 2*B"]),
    "enzyme": (flow(ENZYME, **RATES), ["E + ES", "S + ES + P"]),
    "epidemic": (flow(SIRS, b=2.0, g=0.5, w=0.1), ["S + I + R"]),
    "Hill": (flow(POLARITY, k0=0.067, g=1.0, d=1.0), ["a + b"]),
    "a flux written in two ways": (
        flow({"x": "-V*x/(K + x) + y", "y": "V - V*K/(x + K) - y"}, V=2.0, K=0.7),
        ["x + y"],
    ),
    "volumes": (flow({"x": "k*(y - x)/V1", "y": "k*(x - y)/V2"}, k=1.0, V1=2.0, V2=0.3), ["V1*x + V2*y"]),
    "a state without a rate": (flow({"x": "y - x", "y": 0}, k=1.0), ["y"]),
    "differences": (flow({"u": "v*(u - 1)", "v": "v*(u - 1)"}, k=1.0), ["u - v"]),
    "decimal fractions": (flow({"x": "-0.3*z", "y": "0.1*z", "z": "0.2*z - 0.1*z^2 + k*x - k*x"}, k=1.0), ["x + 3*y"]),
    "conserved at one value only": (
        flow({"S": "m - b*S*I - m*S", "I": "b*S*I - g*I - m*I", "R": "g*I - m*R"}, m=0.0, b=1.0, g=0.2),
        ["S + I + R (at m = 0)"],
    ),
    "a map": (
        nc.Model.from_equations({"x": "x + d*x*(y - x)", "y": "y - d*x*(y - x)"}, {"d": 0.3}, kind="map"),
        ["x + y"],
    ),
    "fourteen decades": (
        flow({"A": "kf*B - kr*A", "B": "kr*A - kf*B", "C": "1 - k*C"}, kf=1e14, kr=1.0, k=1e-7),
        ["A + B"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_names(name):
    model, names = CASES[name]
    assert [str(q) for q in conserved_quantities(model)] == names


OPEN = {
    "well conditioned": (flow({"x": "g - x + y", "y": "-y", "z": "p - z"}, g=1e-15, p=1.0), [1e-15, 0.0, 1.0], "p"),
    "a slow leak": (flow({"x": "k*(y - x) - e*(x - p)", "y": "-k*(y - x)"}, k=1e3, e=1e-3, p=1.0), [1.0, 1.0], "p"),
    "units": (flow({"x": "1e9*(y*1e-9 - x*1e3) ", "y": "p - y"}, p=1.0), [1e-12, 1.0], "p"),
    "fast and slow": (flow({"x": "1e12*(p - x)", "y": "1e-2*(x - y)"}, p=1.0), [1.0, 1.0], "p"),
}


@pytest.mark.parametrize("name", OPEN)
def test_no_false_alarm(name):
    model, x, free = OPEN[name]
    assert conserved_quantities(model, x=x) == ()
    branch = nc.continuation(model, x, free=free, p_span=(0.5, 2.0))
    assert branch.status is nc.Status.BOUND
    check_branch(branch, model)


def test_a_leak_below_rounding():
    """Sixteen decades between the rates: the sum of both equations is lost in floating-point numbers."""
    model = flow({"x": "k*(y - x) - e*(x - p)", "y": "-k*(y - x)"}, k=1e8, e=1e-8, p=1.0)
    assert conserved_quantities(model) == ()
    assert [str(q) for q in conserved_quantities(model, {"e": 0.0})] == ["x + y (at e = 0)"]


def enzyme_rhs(out, x, p):
    bound = p[0] * x[0] * x[1] - p[1] * x[2]
    made = p[2] * x[2] - p[3] * x[3] * x[1]
    out[0] = -bound
    out[1] = made - bound
    out[2] = bound - made
    out[3] = made


def test_compiled_functions_are_asked_for_values():
    model = nc.Model.from_numba(enzyme_rhs, list(ENZYME), RATES)
    assert [str(q) for q in conserved_quantities(model)] == ["E + ES", "S + ES + P"]
    points = found(model, [[10.0, 1.0, 0.0, 0.0]])
    np.testing.assert_allclose(points.x, [enzyme_equilibrium(10.0, 1.0)], rtol=1e-7)
    with pytest.raises(
        nc.InputError, match=r"2 conserved quantities, E \+ ES and S \+ ES \+ P, so that .* one state less"
    ):
        nc.continuation(model, points[0], free="k1", p_span=(0.5, 2.0))
    with pytest.raises(nc.InputError, match="compiled code, which cannot be rewritten"):
        model.eliminate([10.0, 1.0, 0.0, 0.0])


def irrational_rhs(out, x, p):
    out[0] = -p[0] * x[0]
    out[1] = p[0] * x[0] / np.pi


def test_weights_that_are_no_integers_have_no_name():
    (quantity,) = conserved_quantities(nc.Model.from_numba(irrational_rhs, ["x", "y"], {"k": 1.0}))
    assert quantity.name == "a conserved quantity"
    assert quantity.weights[1] / quantity.weights[0] == pytest.approx(np.pi, rel=1e-12)


# ---------------------------------------------------------------- fixed points


def test_the_total_of_each_start_is_kept():
    points = found(flow(EXCHANGE, kf=1.0, kr=2.0), [[3.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(points.x, [[2.0, 1.0], [2.0 / 3.0, 1.0 / 3.0]], rtol=1e-14)
    assert points.hits.tolist() == [2, 1]
    np.testing.assert_allclose(points.totals["A + B"], [3.0, 1.0], rtol=1e-14)
    assert "a conserved quantity, A + B" in repr(points)
    # at constant totals the rate is -(kf + kr); along them nothing moves, which is not unstable
    np.testing.assert_allclose(points.eigenvalues, [[-3.0, 0.0], [-3.0, 0.0]], rtol=1e-14)
    assert points.stable.all()


@pytest.mark.parametrize("deflate", [False, True])
def test_an_enzyme(deflate):
    starts = [[10.0, 1.0, 0.0, 0.0], [3.0, 0.1, 0.0, 1.0]]
    points = found(flow(ENZYME, **RATES), starts, deflate=deflate)
    positive = points.x[np.all(points.x > 0, axis=1)]
    np.testing.assert_allclose(positive, [enzyme_equilibrium(10.0, 1.0), enzyme_equilibrium(4.0, 0.1)], rtol=1e-9)
    for name, weights in (("E + ES", [0, 1, 1, 0]), ("S + ES + P", [1, 0, 1, 1])):
        np.testing.assert_allclose(points.totals[name], (np.array(starts) @ weights)[points.index], rtol=1e-12)


def test_a_dimer_of_which_nothing_is_there_at_first():
    kf, kr, total = 2.0, 0.01, 500.0
    points = found(flow(DIMER, kf=kf, kr=kr), [total, 0.0])
    a = (-kr + np.sqrt(kr**2 + 8 * kf * kr * total)) / (4 * kf)
    np.testing.assert_allclose(points.x[points.x[:, 0] > 0], [[a, (total - a) / 2]], rtol=1e-9)


def test_a_box_holds_many_totals():
    points = found(flow(EXCHANGE, kf=1.0, kr=2.0), None, box=(0.0, 1.0))
    np.testing.assert_allclose(points["A"], 2.0 * points["B"], rtol=1e-9)
    assert points.n_starts <= 256


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_random_networks(seed):
    rng = np.random.default_rng(seed)
    model, count = network(rng, hill=seed % 3 == 0, decades=1.0 + 4.0 * (seed % 2))
    quantities = conserved_quantities(model)
    assert len(quantities) == count
    if count in (0, model.n):
        return
    starts = rng.uniform(0.1, 2.0, (3, model.n))
    points = found(model, starts)
    weights = np.array([q.weights for q in quantities])
    for point in points:
        start = starts[point.index]
        np.testing.assert_allclose(
            weights @ point.x, weights @ start, rtol=1e-10, atol=1e-10 * np.max(np.abs(weights @ start))
        )
        # states that go to zero leave less of the terms than there was at the start
        terms = np.abs(model.jac(point.x)) @ np.abs(point.x) + np.abs(model.jac(start)) @ np.abs(start)
        assert np.all(np.abs(model.rhs(point.x)) <= 1e-9 * np.max(terms))
    reduced = model.eliminate(starts[0])
    assert reduced.n == model.n - count
    for point in (p for p in points if p.index == 0):
        inside = reduced.rhs([point[name] for name in reduced.states])
        terms = np.abs(model.jac(point.x)) @ np.abs(point.x) + np.abs(model.jac(starts[0])) @ np.abs(starts[0])
        assert np.all(np.abs(inside) <= 1e-9 * np.max(terms))
        there = reduced.aux([point[name] for name in reduced.states])
        for name in set(model.states) - set(reduced.states):
            assert there[name] == pytest.approx(point[name], rel=1e-9, abs=1e-9 * np.max(np.abs(point.x)))


# ---------------------------------------------------------------- continuation


@pytest.mark.parametrize("x0", [[10.0, 1.0, 0.0, 0.0], enzyme_equilibrium(10.0, 1.0)])
def test_continuation_names_them(x0):
    text = re.escape("2 conserved quantities, E + ES and S + ES + P, so that there are fixed points for every total")
    with pytest.raises(nc.InputError, match=text) as error:
        nc.continuation(flow(ENZYME, **RATES), x0, free="k1", p_span=(0.5, 2.0))
    assert 'model.eliminate(totals={"E_total": 1, "S_total": 10})' in str(error.value)


def test_continuation_of_a_path_in_parameters():
    path = flow(EXCHANGE, kf=1.0, kr=2.0).along({"kf": 1.0, "kr": 2.0}, {"kf": 2.0, "kr": 5.0})
    with pytest.raises(nc.InputError, match=r"a conserved quantity, A \+ B, so that"):
        nc.continuation(path, [3.0, 0.0], free="mix", p_span=(0.0, 1.0))


def test_equations_that_depend_on_each_other_without_a_sum():
    model = flow({"x": "p - x - y", "y": "(p - x - y)^2"}, p=1.0)
    with pytest.raises(nc.InputError, match="its equations depend on each other"):
        nc.continuation(model, [0.5, 0.5], free="p", p_span=(0.0, 2.0))
