"""Models go out as PyDSTool's strings and come back with the same numbers."""

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import classics

W = np.array([[0.2, -1.1, 0.0], [0.7, 0.4, -0.3], [1.5, 0.0, -0.8]])
NETWORKS = {
    f"{form}, {phi}, alpha {alpha}": nc.RateRNN(
        W, b=[0.1, -0.2, 0.3], W_in=np.eye(3)[:, :2], inputs={"s": [1, 0.5]}, form=form, phi=phi, alpha=alpha
    )
    for form in ("synaptic", "rate")
    for phi in ("tanh", "relu", "softplus", "sigmoid", "retanh")
    for alpha in (None, 0.3)
}
MODELS = {name: getattr(classics, name)() for name in classics.__all__} | NETWORKS
MODELS["iterate"] = classics.henon().power(3)
MODELS["moved"] = classics.cusp().along({"mu": 0, "lam": -1}, {"mu": 1, "lam": 2})
MODELS["moved network"] = NETWORKS["synaptic, tanh, alpha None"].along({"gain": 0.5}, {"gain": 2.0})
MODELS["sparse, Dale's law"] = nc.RateRNN(abs(W), sign=[1, -1, 1], mask=W != 0, tau=[1.0, 2.0, 3.0], phi_gain=[1, 2, 3])
MODELS["low rank"] = nc.RateRNN(nc.LowRank(W[:, :1], W[:, 1:2]), form="rate", alpha=[0.1, 0.5, 1.0])


@pytest.mark.parametrize("name", MODELS)
def test_it_comes_back_with_the_same_numbers(name):
    model = MODELS[name]
    x = np.linspace(0.23, 0.91, model.n)
    keys = nc.to_pydstool(model, x)
    back = nc.from_pydstool(keys)
    assert back.kind == model.kind
    assert list(back.params.values()) == list(model.params.values())
    np.testing.assert_array_equal(back.state_vector(back.start), x)
    params = {name: value + 0.125 for name, value in model.params.items()}
    moved = dict(zip(back.params, params.values(), strict=True))
    np.testing.assert_allclose(back.rhs(x, moved), model.rhs(x, params), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(back.jac(x, moved), model.jac(x, params), rtol=1e-11, atol=1e-12)


def test_aux_quantities_become_functions_of_the_states_they_depend_on():
    model = nc.Model.from_equations(
        {"v": "n*w + p", "w": "c*v"}, {"a": 2.0}, aux={"n": "m + w", "m": "v**2", "p": "a*c", "c": "a + 1"}
    )
    keys = nc.to_pydstool(model)
    assert keys["fnspecs"] == {"m": (["v"], "pow(v, 2)"), "n": (["v", "w"], "m(v) + w")}
    assert keys["ics"] == {}
    assert "ttype" not in keys


def test_units_of_a_network_are_computed_once():
    keys = nc.to_pydstool(nc.RateRNN(W))
    assert keys["reuseterms"] == {f"tanh(z{i})": f"r{i}" for i in range(3)}
    assert "tanh" not in "".join(keys["varspecs"].values())


def test_maps_have_whole_numbers_as_time():
    assert nc.to_pydstool(classics.henon())["ttype"] is int


def test_reserved_names_are_changed():
    from ntkcont.dialects.pydstool_out import pydstool_names

    given = ["v", "E", "E_", "pi", "tau", "I0", "t", "_k", "e", "gamma", "lambda"]
    names = pydstool_names(given)
    assert names["v"] == "v"
    assert len(set(names.values())) == len(given)
    for name in given[1:]:
        assert name == "E_" or names[name] not in given
        assert names[name][0].isalpha()


def test_powers_are_calls_that_every_target_of_pydstool_knows():
    keys = nc.to_pydstool(nc.Model.from_equations({"x": "x**3 - a**x + 1/x^2"}, {"a": 2.0}))
    text = keys["varspecs"]["x"]
    assert "**" not in text
    assert "^" not in text
    assert text.count("pow(") == 3


def test_compiled_code_cannot_go_out():
    def rhs(out, x, p):
        out[0] = p[0] - x[0]

    with pytest.raises(nc.InputError, match="compiled code"):
        nc.to_pydstool(nc.Model.from_numba(rhs, ["x"], {"mu": 1.0}))
