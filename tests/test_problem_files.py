"""Problem files: what they say becomes a model and arguments; what they may not say is one clear message."""

import numpy as np
import pytest

from ntkcont.errors import InputError
from ntkcont.problem_files import read_problem

EQUATIONS = """
[model.equations]
x = "mu - x**2"
[model.params]
mu = 1.0
"""
CONTINUATION = """
[continuation]
x0 = { x = 1.0 }
free = "mu"
p_span = [-1.0, 2.0]
"""
FOLD = EQUATIONS + CONTINUATION
NETWORK = """
[model]
weights = "weights.npz"
[model.inputs]
stim = [1.0, 0.0]
[continuation]
x0 = 0.0
free = "stim"
p_span = [-1, 1]
"""


@pytest.fixture
def write(tmp_path):
    def writer(text):
        path = tmp_path / "problem.toml"
        path.write_text(text)
        return path

    return writer


@pytest.fixture
def weights(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"W": rng.standard_normal((3, 3)), "b": rng.standard_normal(3), "W_in": rng.standard_normal((3, 2))}
    np.savez(tmp_path / "weights.npz", **arrays, z0=np.arange(3.0))
    return arrays


def test_equations_with_aux_and_functions_are_the_model(write):
    problem = read_problem(
        write("""
title = "two cells"
[model]
kind = "flow"
[model.equations]
u = "-u + squash(drive) + h"
v = "-v + squash(u, ) - k"
[model.params]
h = 0.5
k = 2
[model.aux]
drive = "3*v - u"
[model.functions]
squash = { args = ["y"], expression = "1/(1 + exp(-y))" }
[continuation]
x0 = [0.1, 0.2]
free = "h"
p_span = [-1, 1]
params = { k = 0.25 }
direction = "+"
stop = ["HB", 2]
events = ["SN", "H"]
settings = { ds = 0.001, ds_max = 0.01, max_steps = 50 }
""")
    )
    u, v, h, k = 0.3, -0.2, 0.5, 2.0
    logistic = lambda y: 1 / (1 + np.exp(-y))  # noqa: E731
    expected = [-u + logistic(3 * v - u) + h, -v + logistic(u) - k]
    np.testing.assert_allclose(problem.model.rhs([u, v]), expected, rtol=1e-14)
    assert problem.title == "two cells"
    assert problem.arguments["params"] == {"k": 0.25}
    assert problem.arguments["p_span"] == (-1, 1)
    assert problem.arguments["stop"] == ("HB", 2)
    assert [event.label for event in problem.arguments["events"]] == ["LP", "H"]
    assert problem.arguments["settings"].max_steps == 50


def test_a_solved_problem_is_the_branch_of_the_closed_form(write):
    branch = read_problem(write(FOLD)).solve()
    np.testing.assert_allclose(branch.x[:, 0] ** 2, branch.p, atol=1e-9)
    assert [point.label for point in branch.special_points if point.label != "EP"] == ["LP"]
    assert abs(branch.special_points("LP")[0].p) < 1e-10


def test_weights_file_by_default_names(write, weights):
    model = read_problem(write(NETWORK)).model
    z = np.array([0.1, -0.4, 0.7])
    expected = -z + weights["W"] @ np.tanh(z) + 0.5 * weights["W_in"][:, 0] + weights["b"]
    np.testing.assert_allclose(model.rhs(z, {"stim": 0.5}), expected, rtol=1e-13)


def test_weights_file_with_keys_and_options(write, tmp_path):
    rng = np.random.default_rng(1)
    arrays = {"h2h.weight": rng.standard_normal((3, 3)), "h2h.bias": rng.standard_normal(3), "i2h.bias": np.ones(3)}
    np.savez(tmp_path / "weights.npz", **arrays)
    problem = read_problem(
        write("""
[model]
weights = "weights.npz"
form = "rate"
phi = "softplus"
alpha = 0.2
[model.keys]
W = "h2h.weight"
b = ["h2h.bias", "i2h.bias"]
[continuation]
x0 = [0, 0, 0]
free = "gain"
p_span = [0, 2]
""")
    )
    z = np.array([0.1, 0.4, 0.7])
    drive = arrays["h2h.weight"] @ z + arrays["h2h.bias"] + 1
    np.testing.assert_allclose(problem.model.rhs(z), 0.8 * z + 0.2 * np.log1p(np.exp(drive)), rtol=1e-12)
    assert problem.model.kind == "map"


def test_low_rank_weights(write, tmp_path):
    rng = np.random.default_rng(2)
    u, v = rng.standard_normal((2, 4, 2))
    np.savez(tmp_path / "weights.npz", U=u, V=v)
    model = read_problem(write(NETWORK.replace("[model.inputs]\nstim = [1.0, 0.0]\n", "").replace('"stim"', '"gain"')))
    z = np.array([0.1, -0.4, 0.7, 0.2])
    np.testing.assert_allclose(model.model.rhs(z), -z + u @ v.T @ np.tanh(z), rtol=1e-13)


def test_the_start_may_be_an_array_of_the_weights_file(write, weights):
    problem = read_problem(write(NETWORK.replace("x0 = 0.0", 'x0 = "z0"')))
    np.testing.assert_array_equal(problem.arguments["x0"], np.arange(3.0))


def test_one_number_starts_every_unit(write, weights):
    np.testing.assert_array_equal(read_problem(write(NETWORK)).arguments["x0"], np.zeros(3))


def test_classic_with_other_constants(write):
    problem = read_problem(
        write("""
[model]
classic = "morris_lecar"
variant = "I"
params = { C = 5.0 }
[continuation]
x0 = { v = -60.0, w = 0.01 }
free = "I"
p_span = [-30, 160]
""")
    )
    assert problem.model.params["C"] == 5.0
    assert problem.model.params["v3"] == 12.0  # excitability of type I
    assert problem.model.states == ("v", "w")


def test_kernel_and_outputs(write):
    problem = read_problem(
        write(
            FOLD
            + """
[kernel]
theta = ["mu"]
theta_scale = "none"
state_scale = "none"
k = 1
[outputs]
npz = "fold.npz"
diagram = "pictures/fold.pdf"
y = "x"
"""
        )
    )
    assert problem.kernel is not None
    assert problem.kernel.k == 1
    assert problem.outputs.npz == "fold.npz"
    assert problem.outputs.diagram == "pictures/fold.pdf"
    assert problem.outputs.csv is None


BAD = {
    "syntax": ("[model\nx = 1", ["not valid TOML", "line 1"]),
    "unknown table": (FOLD + "[kernal]\n", ["'kernal'", "did you mean 'kernel'"]),
    "unknown key": (FOLD + "pspan = [0, 1]\n", ["[continuation] has no key 'pspan'", "'p_span'"]),
    "unknown setting": (FOLD + "settings = { ds_maximum = 1 }\n", ["[continuation.settings]", "'ds_max'"]),
    "setting of the wrong type": (FOLD + 'settings = { max_steps = "many" }\n', ["max_steps", "'many'", "a number"]),
    "no model": (CONTINUATION, ["[model] is missing"]),
    "no continuation": (EQUATIONS, ["[continuation] is missing"]),
    "two sources": (FOLD + '[model]\nclassic = "lorenz"\n', ["exactly one", "equations and classic"]),
    "no source": ('[model]\nkind = "map"\n' + CONTINUATION, ["exactly one", "none of them"]),
    "key of another source": (FOLD + '[model]\nphi = "tanh"\n', ["phi does not go with 'equations'"]),
    "missing key": (FOLD.replace("p_span = [-1.0, 2.0]", ""), ["needs the key 'p_span'", "two numbers"]),
    "no start": (FOLD.replace("x0 = { x = 1.0 }", ""), ["needs the key 'x0'"]),
    "start of a wrong type": (FOLD.replace("{ x = 1.0 }", "true"), ["x0", "True", "a number, a list"]),
    "text for a number": (FOLD.replace("mu = 1.0", 'mu = "one"'), ["[model.params] mu", "'one'", "a number"]),
    "span of three": (FOLD.replace("[-1.0, 2.0]", "[-1.0, 0.0, 2.0]"), ["p_span", "two numbers"]),
    "equations as text": ('[model]\nequations = "x"\n' + CONTINUATION, ["model.equations", "must be a table"]),
    "misspelled parameter": (FOLD.replace('"mu - x**2"', '"mo - x**2"'), ["'mo'", "'mu'"]),
    "more than arithmetic": (FOLD.replace("mu - x**2", "__import__('os').system('true')"), ["x"]),
    "attribute access": (FOLD.replace("mu - x**2", "mu.real - x"), ["x"]),
    "bad function": (FOLD + '[model.functions]\nf = { args = "x", expression = "x" }\n', ["args", "a list of names"]),
    "unknown classic": ('[model]\nclassic = "moris_lecar"\n' + CONTINUATION, ["'morris_lecar'"]),
    "unknown variant": ('[model]\nclassic = "morris_lecar"\nvariant = "III"\n' + CONTINUATION, ["'III'", "'II'"]),
    "no variants": ('[model]\nclassic = "lorenz"\nvariant = "I"\n' + CONTINUATION, ["variant", "only one lorenz"]),
    "unknown event": (FOLD + 'events = ["PD"]\n', ["'PD'", "no event of a flow"]),
    "unknown label": (FOLD + 'events = ["HOPF"]\n', ["'HOPF'"]),
    "stop without count": (FOLD + 'stop = "H"\n', ["stop", '["H", 2]']),
    "missing weights file": (NETWORK, ["weights", "there is no file", "weights.npz"]),
    "panels without kernel": (FOLD + '[outputs]\npanels = "a.png"\n', ["panels", "[kernel]"]),
    "output outside": (FOLD + '[outputs]\nnpz = "../../a.npz"\n', ["npz", "leave the output folder"]),
    "absolute output": (FOLD + '[outputs]\ncsv = "/tmp/a.csv"\n', ["csv", "leave the output folder"]),
    "wrong ending": (FOLD + '[outputs]\nnpz = "setup.py"\n', ["npz", "'setup.py'", ".npz"]),
    "same file twice": (FOLD + '[outputs]\ndiagram = "a.png"\npanels = "a.png"\n', ["same file name"]),
    "envelope as text": (FOLD + '[outputs]\nenvelope = "yes"\n', ["envelope", "true or false"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_says_what_and_where(case, write):
    text, fragments = BAD[case]
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_problem(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message, message


@pytest.mark.parametrize("content", [b"not a zip", b"", b"PK\x03\x04 truncated"])
def test_weights_file_that_is_not_one(content, write, tmp_path):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(InputError, match="file of plain arrays"):
        read_problem(write(NETWORK))


def test_pickled_weights_are_refused(write, tmp_path):
    np.savez(tmp_path / "weights.npz", W=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        read_problem(write(NETWORK))


def test_single_array_is_refused(write, tmp_path):
    with (tmp_path / "weights.npz").open("wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(InputError, match="a single array"):
        read_problem(write(NETWORK))


def test_weights_without_the_expected_names(write, tmp_path):
    np.savez(tmp_path / "weights.npz", recurrent=np.eye(3))
    with pytest.raises(InputError, match=r"recurrent.*\[model.keys\]"):
        read_problem(write(NETWORK))


def test_unknown_array_in_keys(write, weights):
    text = NETWORK.replace("[model.inputs]", '[model.keys]\nW = "WW"\n[model.inputs]')
    with pytest.raises(InputError, match=r"\[model.keys\] W: 'WW' is unknown; did you mean 'W'"):
        read_problem(write(text))


def test_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "problem.toml"
    path.write_bytes(b'title = "\xff"')
    with pytest.raises(InputError, match="UTF-8"):
        read_problem(path)
