"""The command line: what it writes, what it prints, and one line with exit status 2 for bad input."""

import csv
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.cli import COMMANDS, main

FOLD = """
[model.equations]
x = "mu - x**2"
[model.params]
mu = 1.0
[continuation]
x0 = { x = 1.0 }
free = "mu"
p_span = [-1.0, 2.0]
[kernel]
theta = ["mu"]
theta_scale = "none"
state_scale = "none"
"""
OUTPUTS = """
[outputs]
npz = "fold.npz"
csv = "tables/fold.csv"
diagram = "fold.png"
panels = "fold.pdf"
"""


@pytest.fixture
def write(tmp_path):
    def writer(text, name="fold.toml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return writer


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solved")
    (folder / "fold.toml").write_text(FOLD + OUTPUTS)
    assert main(["run", str(folder / "fold.toml"), "--out", str(folder)]) == 0
    return folder


def one_line(capsys):
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.endswith("\n")
    return captured.err


def refused(arguments, capsys):
    """Return the line that a refused command writes."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    return one_line(capsys)


# ---------------------------------------------------------------- run, info, plot


def test_run_writes_the_branch_of_the_closed_form(solved):
    branch = nc.load(solved / "fold.npz")
    np.testing.assert_allclose(branch["x"] ** 2, branch["mu"], atol=1e-9)
    away = branch["mu"] > 1e-3
    np.testing.assert_allclose(branch["top"][away], 1 / (4 * branch["mu"][away]), rtol=1e-6)


def test_csv_has_every_point_exactly(solved):
    branch = nc.load(solved / "fold.npz")
    with (solved / "tables/fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mu"]) for row in rows] == branch["mu"].tolist()
    assert [float(row["x"]) for row in rows] == branch["x"].tolist()
    assert [float(row["top"]) for row in rows] == branch["top"].tolist()
    assert [row["stable"] for row in rows] == [str(flag) for flag in branch.stable]
    fold = int(np.argmin(np.abs(branch.s - branch.special_points["LP1"].s)))
    assert [i for i, row in enumerate(rows) if "LP1" in row["special"].split()] == [fold]


def test_pictures_are_pictures(solved):
    assert (solved / "fold.png").read_bytes().startswith(b"\x89PNG")
    assert (solved / "fold.pdf").read_bytes().startswith(b"%PDF")


def test_run_prints_the_special_points(write, tmp_path, capsys):
    assert main(["run", write(FOLD), "--out", str(tmp_path)]) == 0
    assert "LP1" in capsys.readouterr().out


def test_a_branch_that_ends_early_is_saved_with_status_one(write, tmp_path, capsys):
    text = FOLD.replace("p_span = [-1.0, 2.0]", "p_span = [-1.0, 2.0]\nsettings = { max_steps = 5 }")
    assert main(["run", write(text + OUTPUTS), "--out", str(tmp_path)]) == 1
    assert nc.load(tmp_path / "fold.npz").status is nc.Status.MAX_STEPS
    assert "max_steps" in capsys.readouterr().out


def test_info_of_a_branch(solved, capsys):
    capsys.readouterr()
    assert main(["info", str(solved / "fold.npz")]) == 0
    out = capsys.readouterr().out
    for expected in ("LP1", "high end: reached the end of p_span", "participation_ratio", "provenance:", "numba"):
        assert expected in out


def test_info_of_a_problem_file(write, capsys):
    assert main(["info", write(FOLD)]) == 0
    out = capsys.readouterr().out
    assert "continuation in mu from -1 to 2" in out
    assert "1 state (x)" in out


@pytest.mark.parametrize("options", [[], ["--y", "x", "--color", "top"], ["--panels"]])
def test_plot_of_a_branch(options, solved, tmp_path, capsys):
    shutil.copy(solved / "fold.npz", tmp_path)
    assert main(["plot", str(tmp_path / "fold.npz"), *options]) == 0
    assert (tmp_path / "fold.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "fold.png") in capsys.readouterr().out


def test_plot_writes_where_it_is_told(solved, tmp_path):
    assert main(["plot", str(solved / "fold.npz"), "-o", str(tmp_path / "new.svg")]) == 0
    assert "<svg" in (tmp_path / "new.svg").read_text()


# ---------------------------------------------------------------- bad input


def test_no_such_file(capsys, tmp_path):
    for command in ("run", "info", "plot"):
        line = refused([command, str(tmp_path / "missing.npz")], capsys)
        assert "missing.npz" in line
        assert "no such file" in line.lower()


def test_toml_syntax_names_the_line(write, capsys):
    assert "line 2" in refused(["run", write("\nx = = 1\n")], capsys)


def test_unknown_key_names_the_nearest(write, capsys):
    line = refused(["run", write(FOLD.replace("p_span", "p_spam"))], capsys)
    assert "'p_spam'" in line
    assert "'p_span'" in line


def test_start_outside_the_span(write, capsys):
    line = refused(["run", write(FOLD.replace("[-1.0, 2.0]", "[2.0, 3.0]"))], capsys)
    assert "mu" in line


def test_start_from_which_newton_does_not_converge(write, capsys):
    text = FOLD.replace("mu = 1.0", "mu = -1.0").replace("[-1.0, 2.0]", "[-2.0, 2.0]")
    assert "residual" in refused(["run", write(text)], capsys)


def test_expression_that_would_run_code(write, capsys, tmp_path):
    harm = tmp_path / "harm"
    text = FOLD.replace("mu - x**2", f"__import__('pathlib').Path('{harm}').touch()")
    refused(["run", write(text)], capsys)
    assert not harm.exists()


def test_kernel_without_scales(write, capsys):
    assert "state_scale" in refused(["run", write(FOLD.replace('state_scale = "none"', ""))], capsys)


def test_out_that_is_a_file(write, capsys):
    problem = write(FOLD)
    assert "not a folder" in refused(["run", problem, "--out", problem], capsys)


def test_info_and_plot_of_a_file_that_is_not_ours(capsys, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.zeros(3))
    for command in ("info", "plot"):
        assert "other.npz" in refused([command, str(path)], capsys)


def test_plot_with_unknown_column_or_ending(solved, capsys):
    capsys.readouterr()
    branch = str(solved / "fold.npz")
    assert "'top'" in refused(["plot", branch, "--color", "tops"], capsys)
    assert "'x'" in refused(["plot", branch, "--y", "X"], capsys)
    assert ".svg" in refused(["plot", branch, "-o", "fold.jpeg"], capsys)
    assert "--panels" in refused(["plot", branch, "--panels", "--y", "x"], capsys)


def test_panels_of_a_branch_without_kernel(write, tmp_path, capsys):
    text = FOLD[: FOLD.index("[kernel]")] + '[outputs]\nnpz = "plain.npz"\n'
    assert main(["run", write(text), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert "holds no kernel" in refused(["plot", str(tmp_path / "plain.npz"), "--panels"], capsys)


@pytest.mark.parametrize("arguments", [["dmeo"], ["demo", "--outt", "x"], ["run"], []])
def test_bad_usage_is_one_line(arguments, capsys):
    line = refused(arguments, capsys)
    assert "--help" in line
    assert arguments != ["dmeo"] or "did you mean 'demo'?" in line


# ---------------------------------------------------------------- help, logging, the demo


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_parse(command, capsys):
    from ntkcont.cli import build_parser

    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    lines = re.findall(r"^  ntkcont (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert lines
    for line in lines:
        assert build_parser().parse_args(line.split()).command == command


def test_the_problem_file_in_the_help_runs(write, tmp_path, capsys):
    text = COMMANDS["run"][1]
    lines = text[text.index("  [model.equations]") : text.index("Weights instead")].splitlines()
    problem = write("\n".join(line.removeprefix("  ") for line in lines))
    assert main(["run", problem, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"fold.npz", "fold.csv", "fold.png", "fold-kernel.png"}
    assert "LP1" in capsys.readouterr().out


def test_module_runs_as_the_command_without_traceback(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "ntkcont", "info", "no-such-file.npz"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1


def test_many_compilations_are_one_notice(capsys):
    import logging

    from ntkcont.cli.output import notices

    logger = logging.getLogger("ntkcont")
    before = (list(logger.handlers), logger.level)
    with notices():
        logger.info("compiling the stepper")
        logger.info("compiling something else")
        logger.warning("a GPU was asked for")
    assert (list(logger.handlers), logger.level) == before
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["compiling", "a"]


@pytest.mark.slow
def test_demo_measures_the_predicted_exponents(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    rows = re.findall(r"^(fold LP\d|pitchfork, [a-z ]+?) {2,}.*?(-\d\.\d+) +(-\d)$", out, re.MULTILINE)
    assert [(name, int(predicted)) for name, _, predicted in rows] == [
        *[("fold LP1", -1)] * 2,
        *[("fold LP2", -1)] * 2,
        *[("pitchfork, resting state", -2)] * 2,
        *[("pitchfork, bifurcated", -2)] * 2,
    ]
    for name, measured, predicted in rows:
        assert float(measured) == pytest.approx(float(predicted), abs=0.05), name
    pictures = re.findall(r"^  (\S+\.png)$", out, re.MULTILINE)
    assert len(pictures) >= 4
    for picture in pictures:
        assert (tmp_path / "demo" / picture).read_bytes().startswith(b"\x89PNG")
    assert nc.load(tmp_path / "demo/neuron.npz").special_points.labels.count("LP") == 2


def test_info_and_plot_read_every_kind_of_result(tmp_path, capsys):
    family = nc.Model.from_equations({"x": "p + q*x + x**2"}, {"p": -1.0, "q": 0.0})
    branch = nc.continuation(family, [-1.0], free="p", p_span=(-2, 1))
    curve = nc.continuation(family, branch.special_points["LP1"], free=("p", "q"), p_span=((-2, 2), (-1, 1)))
    for name, result, kind in (
        ("curve", curve, "CriticalCurve"),
        ("diagram", nc.diagram(family, [-1.0], free="p", p_span=(-2, 1)), "Diagram"),
    ):
        file = result.save(tmp_path / f"{name}.npz")
        assert main(["info", str(file)]) == 0
        assert repr(result) in capsys.readouterr().out
        assert main(["plot", str(file), "-o", str(tmp_path / f"{name}.png")]) == 0
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        assert main(["plot", str(file), "--panels"]) == 2
        assert f"holds a {kind}, which is drawn without it" in capsys.readouterr().err
