"""The two other programs in their child processes: what they find, what they leave alone, how they fail."""

import importlib.util
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.cli import main
from ntkcont.peers import PyDSTool, XPPLab
from ntkcont.peers import pydstool as module
from ntkcont.peers.child import run_child
from ntkcont.peers.pydstool_child import expression_trees

needs_pydstool = pytest.mark.skipif(
    sys.version_info >= (3, 13) or importlib.util.find_spec("PyDSTool") is None,
    reason="PyDSTool is not installed, or cannot run on this Python",
)
needs_xpplab = pytest.mark.skipif(importlib.util.find_spec("xpplab") is None, reason="xpplab is not installed")


def hopf(l1=-1.0):
    """Return the Hopf normal form, r' = mu r + l1 r^3: at mu = 0."""
    return nc.Model.from_equations(
        {"x": "mu*x - y + k*x*(x^2 + y^2)", "y": "x + mu*y + k*y*(x^2 + y^2)"}, {"mu": -0.5, "k": l1}
    )


def compare(model, peer, **options):
    return nc.compare(model, [0.0, 0.0], free="mu", p_span=(-0.5, 0.5), against=peer, repeats=1, **options)


@needs_pydstool
@pytest.mark.parametrize("k", [-1.0, 1.0])
def test_pydstool_finds_the_hopf_point_and_the_sign_of_l1(k):
    report = compare(hopf(), PyDSTool(max_step=0.05), params={"mu": -0.5, "k": k})
    (match,) = report.matched
    assert match.label == "H"
    assert abs(match.peer.p) < 1e-4
    assert match.signs["l1"] == (int(k), int(k))
    assert report.peer.program.startswith("PyDSTool 0.91")
    assert report.stability.fraction == 1.0


@needs_pydstool
def test_names_that_pydstool_reserves_and_both_directions_from_the_middle():
    model = nc.Model.from_equations({"E": "I - E^2", "tau": "E - tau"}, {"I": 0.5}, aux={"gamma": "E^2"})
    peer = PyDSTool(max_step=0.05)
    report = nc.compare(model, [0.7, 0.7], free="I", p_span=(-0.5, 1.0), against=peer, repeats=1)
    (match,) = report.matched
    assert (match.label, abs(match.peer.p) < 1e-6) == ("LP", True)
    ends = sorted(float(p[-1]) for p, _, _ in report.peer.sides)
    assert ends[1] > 0.9  # one direction to each end of the span
    assert ends[0] > 0.9 or ends[0] < 0.1


@needs_pydstool
def test_this_process_is_left_alone():
    code = (
        "import numpy as np, sys, ntkcont as nc\n"
        "before = np.get_printoptions()['legacy'], sorted(vars(np))\n"
        "model = nc.Model.from_equations({'x': 'mu - x^2'}, {'mu': 1.0})\n"
        "nc.compare(model, [1.0], free='mu', p_span=(-1, 2), repeats=1, against=nc.peers.PyDSTool(max_step=0.1))\n"
        "assert 'PyDSTool' not in sys.modules and 'parser' not in sys.modules and not hasattr(np, 'Inf')\n"
        "assert np.get_printoptions()['legacy'] == before[0]\n"
        "print('untouched')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "untouched\n", run.stderr


@needs_pydstool
@pytest.mark.slow
def test_limit_cycles_where_the_tools_are_and_one_sentence_where_not():
    report = compare(hopf(), PyDSTool(max_step=0.05, cycles=True, cycle_points=15))
    missing = [name for name in ("swig", "cc") if shutil.which(name) is None]
    if missing:
        (note,) = report.peer.notes
        assert note == f"limit cycles (LC-C) were left out: they need {' and '.join(missing)}, which is not installed"
        assert report.peer.cycles == ()
        return
    (family,) = report.peer.cycles
    # r = sqrt(mu), period 2 pi
    inside = family.p > 1e-3
    assert inside.sum() > 3
    np.testing.assert_allclose(family.high[inside, 0], np.sqrt(family.p[inside]), rtol=1e-3)
    np.testing.assert_allclose(family.period, 2 * np.pi, rtol=1e-4)
    assert family.stable[1:].all()
    assert "limit cycles of pydstool" in repr(report)


@needs_pydstool
def test_without_swig_the_cycles_are_left_out_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    report = compare(hopf(), PyDSTool(max_step=0.05, cycles=True))
    (note,) = report.peer.notes
    assert note == "limit cycles (LC-C) were left out: they need swig and cc, which is not installed"
    assert len(report.matched) == 1


def test_python_313_gets_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(nc.PeerError, match=r"cannot run on Python 3\.13 .*3\.11 or 3\.12, or compare against='xpplab'"):
        module.check_python()


@pytest.mark.parametrize(("peer", "words"), [(PyDSTool(), "ntkcont[pydstool]"), (XPPLab(), "ntkcont[xpplab]")])
def test_a_missing_package_gets_one_sentence(monkeypatch, peer, words):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(sys.modules[type(peer).__module__], "installed", lambda name: False)
    with pytest.raises(nc.PeerError) as caught:
        compare(hopf(), peer)
    assert words in str(caught.value)
    assert "not installed" in str(caught.value)


@pytest.mark.parametrize("peer", [PyDSTool(), XPPLab()])
def test_what_cannot_run_is_found_before_anything_is_solved(monkeypatch, peer):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(sys.modules[type(peer).__module__], "installed", lambda name: False)
    with pytest.raises(nc.PeerError, match="not installed"):
        nc.compare(hopf(), "no fixed point", free="mu", p_span=(-0.5, 0.5), against=peer)


@needs_pydstool
def test_a_program_that_takes_too_long_is_stopped():
    with pytest.raises(nc.PeerError, match=r"PyDSTool did not finish in 0\.01 s; give it"):
        compare(hopf(), PyDSTool(timeout=0.01))


def test_a_child_that_fails_is_quoted():
    with pytest.raises(nc.PeerError, match=r"Wrong failed \(exit status 1\): .*No module named ntkcont\.nothing"):
        run_child("ntkcont.nothing", {}, peer="Wrong", timeout=60)


@needs_xpplab
def test_xpplab_on_names_that_differ_in_case_only():
    model = nc.Model.from_equations({"V": "A - a*V^2 - w*0", "w": "V - w"}, {"A": 1.0, "a": 2.0})
    report = nc.compare(model, [0.7, 0.7], free="A", p_span=(-0.5, 1.5), against=XPPLab(), params={"a": 2.0}, repeats=2)
    (match,) = report.matched
    assert (match.label, abs(match.dp) < 1e-6) == ("LP", True)
    assert "AUTO itself takes" in report.timed["xpplab"]


@needs_xpplab
def test_an_end_where_auto_failed_is_no_point():
    model = nc.Model.from_equations({"x": "mu - x**2"}, {"mu": 1.0})
    options = {"free": "mu", "p_span": (-1, 2), "repeats": 1}
    report = nc.compare(model, [1.0], against=XPPLab(step=1e3, max_step=1e4), **options)
    assert report.peer.steps == report.stability.compared == 0
    assert "AUTO did not get away from the start" in report.peer.notes


@needs_xpplab
def test_a_branch_to_infinity_is_followed_where_it_matters():
    report = nc.compare(
        nc.classics.henon(), [0.6, 0.2], free="a", p_span=(-0.3, 1.5), against=XPPLab(max_points=700), repeats=1
    )  # fmt: skip
    (match,) = report.matched
    assert match.label == "LP"
    assert abs(match.peer.p + 0.1225) < 1e-6  # -(1 - b)^2/4
    assert report.stability.compared > 500
    assert report.stability.fraction == 1.0


@needs_xpplab
def test_compiled_code_cannot_be_compared():
    model = nc.classics.morris_lecar()
    compiled = nc.Model.from_jax(lambda x, p, theta: p["mu"] - x**2, states=1, params={"mu": 1.0})
    assert model.n == 2
    with pytest.raises(nc.InputError, match="compiled code"):
        nc.compare(compiled, [1.0], free="mu", p_span=(-1, 2), against=XPPLab(), repeats=1)


PROBLEM = """
[model.equations]
x = "mu - x**2"
[model.params]
mu = 1.0
[continuation]
x0 = { x = 1.0 }
free = "mu"
p_span = [-1.0, 2.0]
[compare]
against = "xpplab"
[compare.xpplab]
max_step = 0.02
"""


@needs_xpplab
def test_the_command_prints_and_writes_the_report(tmp_path, capsys):
    file = tmp_path / "fold.toml"
    file.write_text(PROBLEM)
    assert main(["compare", str(file), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "special points: 1 matched, 0 only ntkcont, 0 only xpplab" in printed
    assert "dsmax 0.02" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"fold-xpplab.{e}" for e in ("txt", "json", "png")}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('against = "xpplab"', 'against = "matcont"', "[compare] against: 'matcont' is unknown"),
        ("max_step = 0.02", "max_stp = 0.02", "[compare.xpplab] has no key 'max_stp'; did you mean 'max_step'"),
        ("max_step = 0.02", 'max_step = "big"', "[compare.xpplab] max_step: got 'big'; it must be a number"),
        ("max_step = 0.02", "max_step = -1", "[compare.xpplab] max_step: got -1; it must be positive"),
        ("max_step = 0.02", "max_points = 1.5", "max_points: got 1.5; it must be a whole number"),
        ('free = "mu"', 'free = "mu"\nstop = ["LP", 1]', "[continuation] stop: a comparison follows the whole p_span"),
    ],
)
def test_the_command_refuses_bad_input_in_one_line(tmp_path, capsys, old, new, words):
    file = tmp_path / "fold.toml"
    file.write_text(PROBLEM.replace(old, new))
    assert main(["compare", str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert printed.out == ""


# ---------------------------------------------------------------- the stand-in for Python's old expression trees

VALUES = {"a": 3.0, "b": -2.0, "c": 0.5}


def value_of(tree):
    """Evaluate a tree by its own structure."""
    if not isinstance(tree[1], list):
        return VALUES[tree[1]] if tree[1] in VALUES else float(tree[1])
    name = {v: k for k, v in expression_trees._NUMBER.items()}[tree[0]]
    parts = tree[1:]
    if name in ("arith_expr", "term"):
        value = value_of(parts[0])
        for sign, right in zip(parts[1::2], parts[2::2], strict=True):
            other = value_of(right)
            value = {"+": value + other, "-": value - other, "*": value * other, "/": value / other}[sign[1]]
        return value
    if name == "factor":
        return -value_of(parts[1])
    if name == "power":
        return value_of(parts[0]) ** value_of(parts[2])
    assert name == "atom"
    return value_of(parts[1])


@pytest.mark.parametrize(
    "text",
    [
        "a - b - c",
        "a - (b - c)",
        "a/b/c*a",
        "-a**2",
        "2**-a",
        "a**2**c",
        "-(a + b)*c - -a",
        "((a))*2.5e-1",
        "a*(b + c)/b",
    ],
)
def test_trees_have_the_structure_of_the_expression(text):
    tree = expression_trees.expr(text).tolist()
    assert value_of(tree[1]) == pytest.approx(eval(text, {}, VALUES))


@pytest.mark.parametrize(
    "text", ["f(a, b)", "if(a < 2, b, c)", "x[1:2]", "a.b(c)[3]", "not a or c", "f()", "a if b else c"]
)
def test_trees_keep_every_token(text):
    def leaves(tree):
        return [tree[1]] if not isinstance(tree[1], list) else [leaf for part in tree[1:] for leaf in leaves(part)]

    assert "".join(leaves(expression_trees.expr(text).tolist())) == text.replace(" ", "")


@pytest.mark.parametrize("text", ["a +", "(a", "a b", "a $ b", ")"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(SyntaxError):
        expression_trees.expr(text)
