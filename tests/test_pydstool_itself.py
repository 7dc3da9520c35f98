"""PyDSTool's own right-hand sides, computed in a child process, and those of models that went to or came from it."""

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydstool_truth import CASES

import ntkcont as nc

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("PyDSTool") is None, reason="PyDSTool is not installed"),
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="PyDSTool needs Python 3.12 or older"),
]
if importlib.util.find_spec("ntkcont.peers.pydstool_child") is None:
    pytest.skip("the shim that lets PyDSTool be imported is missing", allow_module_level=True)

W = np.array([[0.2, -1.1, 0.0], [0.7, 0.4, -0.3], [1.5, 0.0, -0.8]])
AWKWARD = nc.Model.from_equations(
    {
        "E": "where(E > 0 and not t >= 1, abs(E)**tau, sign(E)) + heaviside(E) + heaviside(t, 1) + floor(3*E)"
        " + exprel(E) + exprel(E - t) + softplus(E) + sigmoid(E) - min(E, t, 0.3) + max(E, t) + atan2(E, t) + 1e-7*E",
        "t": "gamma*t**-2 - _k*(-t)**3 + E**(1/3)*m/(2*t) + log1p(E) + mod(E, 0.3) - n*b + 1e21*E*1e-21",
    },
    {"tau": 1.5, "gamma": 2.0, "_k": 1.0},
    aux={"m": "E*t + b", "b": "gamma^2", "n": "m + t"},
)
MODELS = {
    "Morris-Lecar": nc.classics.morris_lecar(),
    "Hodgkin-Huxley": nc.classics.hodgkin_huxley(),
    "Wilson-Cowan": nc.classics.wilson_cowan(),
    "Lorenz": nc.classics.lorenz(),
    "iterate of the Henon map": nc.classics.henon().power(2),
    "moved along a line": nc.classics.cusp().along({"mu": 0, "lam": -1}, {"mu": 1, "lam": 2}),
    "names that PyDSTool reserves": AWKWARD,
    **{
        f"network, {form}, {phi}, alpha {alpha}": nc.RateRNN(
            W, b=[0.1, -0.2, 0.3], W_in=np.eye(3)[:, :2], inputs={"s": [1, 0.5]}, form=form, phi=phi, alpha=alpha
        )
        for form, phi, alpha in (
            ("synaptic", "tanh", None),
            ("rate", "softplus", 0.3),
            ("rate", "sigmoid", None),
            ("synaptic", "relu", 0.5),
            ("synaptic", "retanh", None),
        )
    },
}
POINTS = {
    name: [np.full(m.n, 0.4) + 0.3 * np.arange(m.n), np.full(m.n, 0.9) - 0.2 * np.arange(m.n)]
    for name, m in MODELS.items()
}


@functools.cache
def output():
    written = {}
    for name, model in MODELS.items():
        keys = nc.to_pydstool(model, POINTS[name][0])
        if "ttype" in keys:
            keys["ttype"] = "int"
        points = [dict(zip(keys["varspecs"], x.tolist(), strict=True)) for x in POINTS[name]]
        written[name] = {**keys, "points": points}
    child = Path(__file__).parent / "pydstool_truth.py"
    found = subprocess.run(
        [sys.executable, "-W", "ignore", child], input=json.dumps(written), capture_output=True, text=True, check=False
    )
    return found.stdout, found.stderr


def pydstool():
    """Return what the child process found."""
    said, complained = output()
    lines = [line for line in said.splitlines() if line.startswith("RESULT ")]
    assert lines, said + complained
    return json.loads(lines[0].removeprefix("RESULT "))


@pytest.mark.parametrize("name", CASES)
def test_models_come_in_with_the_numbers_of_pydstool(name):
    found = pydstool()["cases"][name]
    assert found["kind"] == ("map" if found["class"] == "MapSystem" else "flow")
    for point in found["points"]:
        for state, value in point["rhs"].items():
            assert point["generator"][state] == pytest.approx(value, rel=1e-13, abs=1e-14)
            assert point["args"][state] == pytest.approx(value, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_truth_written_by_hand_is_that_of_pydstool(name):
    keys, truth = CASES[name]
    for point in pydstool()["cases"][name]["points"]:
        by_hand = dict(zip(point["x"], truth(**point["x"], **keys["pars"]), strict=True))
        for state, value in point["rhs"].items():
            assert by_hand[state] == pytest.approx(value, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_models_go_out_with_the_same_numbers(name):
    states = nc.to_pydstool(MODELS[name])["varspecs"]
    for x, value in zip(POINTS[name], pydstool()["written"][name], strict=True):
        np.testing.assert_allclose([value[s] for s in states], MODELS[name].rhs(x), rtol=1e-12, atol=1e-13)


def test_rhs_of_a_true_generator_is_called_where_code_is_inserted():
    found = pydstool()["called"]
    assert len(found["warnings"]) == 1
    assert "own Rhs is called" in found["warnings"][0]
    assert found["rhs"] == pytest.approx([0.4 - 3 * 0.5], rel=1e-14)
    assert found["jac"][0] == pytest.approx([-3.0], rel=1e-9)
    assert found["slope"] < 1e-8
    assert found["stable"]
    assert found["ends"] == pytest.approx([-1.0, 1.0], abs=1e-12)


def _said(code, folder):
    """Run `code`, whose own assertions must hold to the end, in a process of its own; return the words it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, cwd=folder, capture_output=True, text=True
    )
    return done.stdout.split()


def test_pydstool_can_be_imported_into_the_process_of_the_user(tmp_path):
    code = (
        "import numpy as np, ntkcont as nc\n"
        "assert not hasattr(np, 'Inf')\n"
        "PyDSTool = nc.peers.import_pydstool()\n"
        "import PyDSTool as again\n"
        "assert again is PyDSTool\n"
        "keys = nc.to_pydstool(nc.classics.morris_lecar(), {'v': -50.0, 'w': 0.02})\n"
        "generator = PyDSTool.Generator.Vode_ODEsystem(PyDSTool.args(**keys))\n"
        "model = nc.from_pydstool(generator)\n"
        "assert model.start == {'v': -50.0, 'w': 0.02}, model.start\n"
        "np.testing.assert_allclose(model.rhs(model.start), nc.classics.morris_lecar().rhs(model.start), rtol=1e-13)\n"
        "assert nc.peers.import_pydstool() is PyDSTool\n"
        "print('all', 'of', 'it')\n"
    )
    assert _said(code, tmp_path)[-3:] == ["all", "of", "it"]


def test_the_dict_of_the_documentation_is_read_by_pydstool_too(tmp_path):
    page = Path(__file__).parent.parent / "docs" / "coming-from-pydstool.md"
    first = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = (
        "import numpy as np, ntkcont as nc\n"
        f"exec({first!r}.replace('nc.from_pydstool(', 'dict('))\n"
        "PyDSTool = nc.peers.import_pydstool()\n"
        "generator = PyDSTool.Generator.Vode_ODEsystem(PyDSTool.args(**model))\n"
        "x = {'v': -20.0, 'w': 0.3}\n"
        "np.testing.assert_allclose(nc.from_pydstool(model).rhs(x), generator.Rhs(0, x, generator.pars), rtol=1e-13)\n"
        "embedded = PyDSTool.embed(generator)\n"
        "try:\n"
        "    nc.from_pydstool(embedded)\n"
        "    raise AssertionError('a Model was read')\n"
        "except nc.InputError as error:\n"
        "    assert 'one of PyDSTool\\'s Generators (of a Model: one that it is made of)' in str(error), error\n"
        "again = nc.from_pydstool(list(embedded.registry.values())[0])\n"
        "np.testing.assert_allclose(again.rhs(x), generator.Rhs(0, x, generator.pars), rtol=1e-13)\n"
        "print('all', 'of', 'it')\n"
    )
    assert _said(code, tmp_path)[-3:] == ["all", "of", "it"]
