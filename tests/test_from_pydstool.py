"""Models of PyDSTool come in with the right numbers and exact derivatives, or with an error that says why not."""

import types
import warnings

import numpy as np
import pytest
from pydstool_truth import CASES, STATES, keyed, states_of

import ntkcont as nc


@pytest.fixture(params=CASES)
def case(request):
    keys, truth = CASES[request.param]
    return keyed(keys), truth


def right(truth, x, pars):
    return np.array(truth(**x, **pars), dtype=float)


def test_right_hand_sides_are_those_written_by_hand(case):
    keys, truth = case
    model = nc.from_pydstool(keys)
    for k in range(len(STATES)):
        x = states_of(model.states, k)
        np.testing.assert_allclose(model.rhs(x), right(truth, x, keys["pars"]), rtol=1e-13, atol=1e-14)


def test_jacobians_are_those_of_the_functions_written_by_hand(case):
    keys, truth = case
    model = nc.from_pydstool(keys)
    x = {name: 0.37 + 0.11 * i for i, name in enumerate(model.states)}
    h = 1e-6
    for j, name in enumerate(model.states):
        up, down = {**x, name: x[name] + h}, {**x, name: x[name] - h}
        slope = (right(truth, up, keys["pars"]) - right(truth, down, keys["pars"])) / (2 * h)
        np.testing.assert_allclose(model.jac(x)[:, j], slope, rtol=1e-7, atol=2e-8)


def test_derivatives_are_exact():
    model = nc.from_pydstool(
        {"varspecs": {"v": "a*pow(v,3) - g(v)"}, "fnspecs": {"g": (["u"], "exp(2*u)")}, "pars": {"a": 2}}
    )
    assert model.jac([0.25])[0, 0] == pytest.approx(6 * 0.25**2 - 2 * np.exp(0.5), rel=1e-15)
    assert model.dfdp([0.25], "a")[0] == 0.25**3


def test_heav_is_zero_at_zero_as_in_pydstool():
    model = nc.from_pydstool({"varspecs": {"x": "heav(x)"}})
    assert [model.rhs([x])[0] for x in (-1.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]


def test_a_branch_of_a_dict_has_its_fold_where_it_is():
    model = nc.from_pydstool(
        {"varspecs": {"x": "mu + lam*x - x**3"}, "pars": {"mu": 0.0, "lam": 1.0}, "ics": {"x": -1.5}}
    )
    branch = nc.continuation(model, model.start, free="mu", p_span=(-1.0, 1.0), params={"mu": 0.5}, direction="both")
    folds = sorted(point.p for point in branch.special_points("LP"))
    np.testing.assert_allclose(folds, [-2 / np.sqrt(27), 2 / np.sqrt(27)], atol=1e-10)


# ------------------------------------------------------------------ objects by their documented attributes


class Interval:
    """A stand-in with the attributes that a Generator of PyDSTool has."""

    def __init__(self, varspecs, pars, **initargs):
        self.name, self.pars = "made by hand", dict(pars)
        auxvars = initargs.get("auxvars", [])
        self.funcspec = types.SimpleNamespace(
            vars=sorted(name for name in varspecs if name not in auxvars),
            _initargs={"varspecs": varspecs, "pars": list(pars), **initargs},
        )
        self.initialconditions = {name: 0.1 for name in self.funcspec.vars}


class MapSystem(Interval):
    pass


class ExplicitFnGen(Interval):
    pass


def test_values_of_a_generator_are_those_it_has_now():
    gen = Interval({"v": "I - v"}, {"I": 1.0})
    gen.pars["I"] = 3.0
    model = nc.from_pydstool(gen)
    assert model.kind == "flow"
    assert dict(model.params) == {"I": 3.0}
    assert dict(model.start) == {"v": 0.1}


def test_initial_conditions_that_are_not_set_are_no_start():
    gen = Interval({"v": "I - v"}, {"I": 1.0})
    gen.initialconditions = {"v": float("nan")}
    assert nc.from_pydstool(gen).start is None


def test_the_class_of_a_generator_says_whether_it_is_a_map():
    assert nc.from_pydstool(MapSystem({"x": "r*x"}, {"r": 2.0})).kind == "map"


@pytest.mark.parametrize("ttype", [int, np.int32, "int"])
def test_the_type_of_time_says_whether_a_dict_is_a_map(ttype):
    assert nc.from_pydstool({"varspecs": {"x": "x/2"}, "ttype": ttype}).kind == "map"


def test_the_kind_may_be_given():
    assert nc.from_pydstool({"varspecs": {"x": "x/2"}}, kind="map").kind == "map"


def test_args_objects_are_read_by_their_attributes():
    obj = types.SimpleNamespace(varspecs={"v": "I - v"}, pars={"I": 2.0}, ics={"v": 1.0}, name="a")
    assert nc.from_pydstool(obj).rhs([0.5]) == pytest.approx([1.5])


def test_symbolic_quantities_are_read_by_their_names():
    class Quantity:
        def __init__(self, name, spec, signature=None):
            self.name, self.spec = name, spec
            if signature:
                self.signature = signature

    parameter = types.SimpleNamespace(name="I", tonumeric=lambda: 0.5)
    model = nc.from_pydstool(
        {
            "varspecs": [Quantity("v", "I - F(v)*Exp(v)")],
            "fnspecs": [Quantity("F", "Pow(u,2)", ["u"])],
            "pars": [parameter],
        }
    )
    assert model.rhs([0.3])[0] == pytest.approx(0.5 - 0.09 * np.exp(0.3), rel=1e-15)


def test_names_with_dots_get_underscores():
    model = nc.from_pydstool(
        {"varspecs": {"cell.v": "cell.I - cell.v"}, "pars": {"cell.I": 2.0}, "ics": {"cell.v": 0.5}}
    )
    assert model.states == ("cell_v",)
    assert model.rhs(model.start) == pytest.approx([1.5])


def test_quantities_with_several_indices_are_written_out():
    model = nc.from_pydstool({"varspecs": {"z[i,0,3]": "-z[i] + k*[i]"}, "pars": {"k": 2.0}})
    np.testing.assert_array_equal(model.rhs([1, 1, 1, 1]), [-1, 1, 3, 5])


def test_auxiliary_variables_are_named_quantities_not_states():
    from ntkcont.models.symbolic_form import symbolic_form

    model = nc.from_pydstool({"varspecs": {"v": "I - v", "i": "2*v"}, "auxvars": "i", "pars": {"I": 1.0}})
    assert model.states == ("v",)
    assert str(symbolic_form(model).aux["i"]) == "2*v"


def test_what_vars_does_not_name_is_auxiliary():
    assert nc.from_pydstool({"varspecs": {"v": "-v", "i": "2*v"}, "vars": ["v"]}).states == ("v",)


# ------------------------------------------------------------------ warnings


def test_an_auxiliary_variable_that_cannot_be_read_is_left_out_with_a_warning():
    keys = {"varspecs": {"v": "-v", "a": "v*sin(t)", "b": "bessel(v)"}, "auxvars": ["a", "b"]}
    with pytest.warns(UserWarning, match="is left out") as caught:
        model = nc.from_pydstool(keys)
    assert model.states == ("v",)
    texts = sorted(str(w.message) for w in caught)
    assert len(texts) == 2
    assert "'a' is left out" in texts[0]
    assert "time t" in texts[0]
    assert "'b' is left out" in texts[1]
    assert "'bessel' is unknown" in texts[1]
    assert {w.filename for w in caught} == {__file__}


def test_a_reuse_term_that_changes_the_meaning_is_used_as_pydstool_does_with_a_warning():
    keys = {"varspecs": {"v": "2*v-vs - v"}, "reuseterms": {"v-vs": "dv"}, "pars": {"vs": 0.5}}
    with pytest.warns(UserWarning, match="reuse term 'v-vs'"):
        model = nc.from_pydstool(keys)
    assert model.rhs([2.0])[0] == 2 * (2.0 - 0.5) - 2.0


def own_rhs(t, x, p):
    return [p["I"] - 3.0 * x["a"] * x["b"], x["a"] - x["b"]]  # in the order of the names


def test_rhs_of_the_object_is_called_where_a_string_cannot_be_read():
    gen = Interval({"b": "a - b", "a": "I - q*a*b"}, {"I": 0.4})
    gen.Rhs = own_rhs
    with pytest.warns(UserWarning, match=r"varspecs\['a'\]: the string 'I - q\*a\*b' .*'q' is unknown.* own Rhs"):
        model = nc.from_pydstool(gen)
    assert model.states == ("b", "a")
    x = {"a": 0.3, "b": 0.7}
    np.testing.assert_allclose(model.rhs(x), [0.3 - 0.7, 0.4 - 3 * 0.21], rtol=1e-15)
    np.testing.assert_allclose(model.jac(x), [[-1, 1], [-3 * 0.3, -3 * 0.7]], rtol=1e-9)
    np.testing.assert_allclose(model.dfdp(x, "I"), [0, 1], rtol=1e-9, atol=1e-12)
    branch = nc.continuation(model, {"a": 0.4, "b": 0.4}, free="I", p_span=(0.1, 1.0))
    np.testing.assert_allclose(3 * branch["a"] ** 2, branch["I"], rtol=1e-8)
    assert branch.stable.all()
    assert model.check(x).ok


def test_rhs_is_not_called_for_equations_that_depend_on_time():
    gen = Interval({"v": "I*sin(t) - v"}, {"I": 0.4})
    gen.Rhs = lambda t, x, p: [0.0]
    with pytest.raises(nc.InputError, match="depends on the time t"):
        nc.from_pydstool(gen)


def test_an_exception_of_rhs_ends_a_continuation():
    gen = Interval({"v": "I - q*v"}, {"I": 0.4})

    def fails(t, x, p):
        if p["I"] > 0.6:
            msg = "no values there"
            raise ArithmeticError(msg)
        return [p["I"] - x["v"]]

    gen.Rhs = fails
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nc.from_pydstool(gen)
    branch = nc.continuation(model, [0.4], free="I", p_span=(0.0, 1.0))
    assert 0.5 < branch.p.max() <= 0.6
    assert branch.status != nc.Status.BOUND


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({"varspecs": {"v": "foo(v)"}}, r"varspecs\['v'\]: the string 'foo\(v\)'.*the function 'foo' is"),
        ({"varspecs": {"v": "gNA - v"}, "pars": {"gNa": 1}}, r"'gNA' is unknown; did you mean 'gNa'"),
        ({"varspecs": {"v": "1 -* v"}}, r"varspecs\['v'\]: the string '1 -\* v' .* not an expression"),
        ({"varspecs": {"v": "f(v)"}, "fnspecs": {"f": (["x"], "x $ 2")}}, r"fnspecs\['f'\]: .*'x \$ 2' .*'\$'"),
        ({"varspecs": {"v": "f(v)"}, "fnspecs": {"f": (["x"], "x + y")}}, r"fnspecs\['f'\]: .*'y' is unknown"),
        ({"varspecs": {"v": "f(v)"}, "fnspecs": {"f": "x"}}, r"fnspecs\['f'\]: got 'x'; it must be a pair"),
        ({"varspecs": {"v": "if(v > 0, 1)"}}, "a condition and two values, 2 arguments"),
        ({"varspecs": {"v": "sum(i,0,n,v)"}}, "is not a whole number"),
        ({"varspecs": {"v": "sum(i,0,3)"}}, r"sum\(...\) takes four arguments"),
        ({"varspecs": {"v": "sum(i,0,999999,z[i])"}}, "more than 100000 parts"),
        ({"varspecs": {"v": "for(i,0,3,v)"}}, r"variable named like 'z\[i\]'"),
        ({"varspecs": {"v": "w[0]"}}, r"stand outside for\(...\) and sum"),
        ({"varspecs": {"z[i]": "-z"}}, r"needs a string of the form for\("),
        ({"varspecs": {"v": "(v"}}, "not closed"),
        ({"varspecs": {"v": "globalindepvar(t)"}}, "time t"),
        ({"varspecs": {"v": "initcond(v)"}}, "ics has no value"),
        ({"varspecs": {"v": "getbound(v, 1)"}}, "xdomain or pdomain"),
        ({"varspecs": {"v": "getindex(w)"}}, r"getindex\(w\)"),
        ({"varspecs": {"v": "getindex()"}}, "takes 1 argument, 0 were given"),
        ({"varspecs": {"v": "'v'"}}, "text in quotes"),
        ({"varspecs": {"v": "tv"}, "reuseterms": {"tanh(u)": "tv"}}, r"reuseterms\['tanh\(u\)'\]: .*'u' is unknown"),
        ({"varspecs": {"v": "-v"}, "fnspecs": {"massMatrix": (["t", "v"], "[2]")}}, "mass matrix"),
        ({"varspecs": {"v": "-v"}, "inputs": {"s": 1}}, "driven by external inputs"),
        ({"varspecs": {"v": "-v"}, "auxvars": ["w"]}, "variable 'w' is declared"),
        ({"varspecs": {"v": "-v"}, "auxvars": ["v"]}, "there is no state"),
        ({"varspecs": {"v": "-v"}, "vfcodeinsert_start": "a = 1"}, "code is inserted"),
        ({"varspecs": {"v": "-v"}, "pars": {"I": "one"}}, r"pars\['I'\]: got 'one'"),
        ({"varspecs": {"v": "-v"}, "pars": 3}, "pars: got int"),
        ({"varspecs": {"v": "-v"}, "auxvars": 3}, "must be a name or a list of names"),
        ({"varspecs": {"z[i,0,99999999]": "-z[i]"}}, "stands for 100000000 variables"),
        ({"varspecs": {"v": "g(v)"}, "fnspecs": {"g": (["x"], "h(x)"), "h": (["x"], "g(x)")}}, "is a cycle"),
        ({"varspec": {"v": "-v"}}, "did you mean 'varspecs'"),
        ({"varspecs": {"v": "-v"}, "colour": "red"}, "'colour' is not a key of .*; of the [0-9]+ that .* nearest is"),
        ({"varspecs": {"v": "-v", "w": "-w"}, "ics": {"vv": 1}}, r"ics\['vv'\]: .* no variable .* mean 'v'|may be 'v'"),
        (types.SimpleNamespace(varspecs={"v": "-v"}, ics={"u": 1}), r"ics\['u'\]: there is no variable"),
        ({"varspecs": {"x": "-x", "y": "y*2"}, "reuseterms": {"y*2": "x"}}, r"reuseterms\['y\*2'\]: 'x' is a variable"),
        ({"varspecs": {"y": "k*y*2"}, "pars": {"k": 1}, "reuseterms": {"y*2": "k"}}, "'k' is a parameter already"),
        ({"varspecs": {"v": "sinus_(v)"}}, "the function 'sinus_' is unknown"),
        ({"varspecs": {}}, "no 'varspecs'"),
        (3, "got int; give one of PyDSTool's Generators"),
        (ExplicitFnGen({"v": "-v"}, {}), "neither an ODE system nor a map"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_sentence(obj, said):
    with pytest.raises(nc.InputError, match=said) as caught:
        nc.from_pydstool(obj)
    assert "\n" not in str(caught.value)


def test_an_unknown_function_names_the_nearest_not_all():
    with pytest.raises(nc.InputError, match=r"'qqqq' is unknown; of the .* that exist, the nearest are") as caught:
        nc.from_pydstool({"varspecs": {"v": "qqqq(v)"}})
    assert len(str(caught.value)) < 200


def test_initial_values_of_auxiliary_variables_are_read_over():
    model = nc.from_pydstool({"varspecs": {"v": "-v", "q": "2*v"}, "auxvars": "q", "ics": {"v": 1.0, "q": 2.0}})
    assert model.start == {"v": 1.0}


def test_an_unknown_kind_is_refused():
    with pytest.raises(nc.InputError, match="'flow', 'map' or None"):
        nc.from_pydstool({"varspecs": {"v": "-v"}}, kind="ode")


def test_nothing_of_pydstool_is_imported():
    import subprocess
    import sys

    code = (
        "import sys, ntkcont as nc; nc.from_pydstool({'varspecs': {'v': '-v'}}).rhs([1.0]); "
        "sys.exit('PyDSTool' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
