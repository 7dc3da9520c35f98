"""Equations by name, and their text, have the values of the model."""

import math

import numpy as np
import pytest
import sympy as sp

import ntkcont as nc
from ntkcont.dialects.infix import Infix
from ntkcont.models import symbolic as sym
from ntkcont.models.symbolic_form import symbolic_form

W = np.array([[0.2, -1.1, 0.0], [0.7, 0.4, -0.3], [1.5, 0.0, -0.8]])
MODELS = {
    "Morris-Lecar": nc.classics.morris_lecar(),
    "Hodgkin-Huxley": nc.classics.hodgkin_huxley(),
    "iterate": nc.classics.henon().power(2).power(2),
    "moved twice": nc.classics.cusp()
    .along({"mu": 0, "lam": -1}, {"mu": 1, "lam": 2})
    .along({"mix": 0.5}, {"mix": 1.0}),
    "iterate of a moved map": nc.classics.henon().along({"a": 0.1}, {"a": 0.4}).power(2),
    "moved iterate": nc.classics.henon().power(2).along({"a": 0.1, "b": 0.2}, {"a": 0.4, "b": 0.3}),
    "network": nc.RateRNN(W, W_in=W, inputs={"s": [1, 2, 0.5]}, b=[1, 2, 3], tau=[1, 2, 3], phi_gain=[1.5, 1, 2]),
    "map": nc.RateRNN(abs(W), form="rate", alpha=0.3, sign=[1, -1, 1], mask=W > 0.3),
    "moved network": nc.RateRNN(W, W_in=W, inputs={"s": [1, 2, 3]}).along({"gain": 1, "s": 0}, {"gain": 2, "s": 1}),
    "awkward names": nc.Model.from_equations({"r1": "lambda_ - x*r1", "x": "-E*x"}, {"lambda_": 1.0, "E": 2.0}),
    "signs": nc.Model.from_equations(
        {"x": "-(-x)**2 - -a*-(x - -1e-9)/-3 + 2**-x - (x**a)**2 - (a - x)/(x/a) + -(x*a)**3 - 1/(-x)"}, {"a": 1.7}
    ),
}


def evaluate(text, names):
    functions = {f: getattr(math, f) for f in ("exp", "tanh", "cosh", "sqrt", "log")}
    return eval(text, {"__builtins__": {}}, {**functions, **names})


@pytest.mark.parametrize("power", ["**", "pow({}, {})"])
@pytest.mark.parametrize("name", MODELS)
def test_text_has_the_values_of_the_model(name, power):
    model = MODELS[name]
    form, printer = symbolic_form(model), Infix("Python", {}, power=power)
    assert form.kind == model.kind
    assert form.states == model.states
    assert form.params == dict(model.params)
    x = np.linspace(0.23, 0.91, model.n)
    values = {key: value + 0.25 for key, value in form.params.items()}
    names = {**values, **dict(zip(form.states, x, strict=True)), "pow": pow}
    for key, expr in form.aux.items():
        names[key] = evaluate(printer.text(expr), names)
    found = [evaluate(printer.text(expr), names) for expr in form.rhs]
    np.testing.assert_allclose(found, model.rhs(x, values), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_aux_quantities_can_be_put_in(name):
    form = symbolic_form(MODELS[name])
    known = {*form.states, *form.params}
    for expr in form.without_aux().rhs:
        assert {s.name for s in expr.free_symbols} <= known


def test_aux_quantities_are_in_the_order_of_their_use():
    model = nc.Model.from_equations({"x": "c"}, {}, aux={"c": "b + 1", "a": "x", "b": "a + 1"})
    assert list(symbolic_form(model).aux) == ["a", "b", "c"]


def test_singularities_are_left_as_they_were_written():
    form = symbolic_form(nc.Model.from_equations({"x": "x/(1 - exp(-x))"}, {}))
    assert not form.rhs[0].has(sym.Exprel)
    assert form.rhs[0] == sp.Symbol("x", real=True) / (1 - sp.exp(-sp.Symbol("x", real=True)))


def test_aux_quantities_of_a_network_get_names_that_are_free():
    net = nc.RateRNN(W, states=["r0", "r1", "a"])
    assert not set(symbolic_form(net).aux) & {"r0", "r1", "a", "gain"}


def test_a_function_that_the_language_lacks_is_named():
    form = symbolic_form(nc.Model.from_equations({"x": "floor(x)"}, {}))
    with pytest.raises(nc.InputError, match="Fortran has no function 'Floor'"):
        Infix("Fortran", {}).text(form.rhs[0])


def test_activations_of_the_users_own_have_no_equations():
    import jax.numpy as jnp

    net = nc.RateRNN(W, phi=(lambda x: x / (1.0 + x * x), lambda x: jnp.asarray(x) / (1.0 + x * x)))
    with pytest.raises(nc.InputError, match="compiled code"):
        symbolic_form(net)


def test_iterates_of_networks_have_no_equations():
    with pytest.raises(nc.InputError, match="compiled code"):
        symbolic_form(nc.RateRNN(W, alpha=0.5).power(2))
