"""``ntkcont info`` and ``ntkcont plot``: look at files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ntkcont.cli.output import headless, notices, save_figure
from ntkcont.errors import InputError
from ntkcont.problem_files import PICTURES
from ntkcont.results.branch import Branch
from ntkcont.results.critical_curve import CriticalCurve
from ntkcont.results.diagram import Diagram
from ntkcont.results.load import load
from ntkcont.results.training_record import TrainingRecord


def info(file: str) -> int:
    """Print what a file of results or a problem file holds."""
    path = Path(file)
    if path.suffix.lower() == ".toml":
        _problem_info(path)
        return 0
    result = load(path)
    print(result)
    if isinstance(result, Branch):
        _branch_info(result)
    print("provenance:")
    for line in _tree(result.provenance):
        print("  " + line)
    return 0


def _branch_info(branch: Branch) -> None:
    print(f"low end:  {branch.ends[0]}")
    print(f"high end: {branch.ends[1]}")
    held = [f"{name}={value:g}" for name, value in branch.params.items() if name != branch.free]
    print("parameters held: " + (", ".join(held) or "none"))
    if branch.ntk is not None:
        print("signatures: " + ", ".join(branch.ntk.names))


def _problem_info(path: Path) -> None:
    from ntkcont.problem_files import read_problem

    with notices():
        problem = read_problem(path)
    low, high = problem.arguments["p_span"]
    print(f"{problem.title}: {problem.model!r}")
    print(f"continuation in {problem.arguments['free']} from {low:g} to {high:g}, {problem.arguments['settings']}")
    if problem.arguments.get("log"):
        print("in decades: " + ", ".join(problem.arguments["log"]))
    print(f"kernel: {problem.kernel}")
    print(f"outputs: {problem.outputs}")


def _tree(value: Any, key: str = "") -> list[str]:
    """Return nested mappings as indented lines; long arrays by their shape."""
    if isinstance(value, Mapping):
        lines = [f"{key}:"] if key else []
        indent = "  " if key else ""
        return lines + [indent + line for name, inner in value.items() for line in _tree(inner, str(name))]
    if np.size(value) > 8 and not isinstance(value, str):
        return [f"{key}: array of shape {np.shape(value)}"]
    return [f"{key}: {value}"]


def plot(file: str, *, y: str | None, color: str | None, panels: bool, output: str | None) -> int:
    """Draw a file of results: a branch, a diagram, a curve in two parameters or a training record.

    Raises
    ------
    InputError
        `output` has the ending of no picture, the branch has no such column or no kernel, or an option does not belong
        to this kind of result.
    """
    target = Path(output) if output else Path(file).with_suffix(".png")
    if target.suffix.lower() not in PICTURES:
        msg = f"--output: {target} does not end in {' or '.join(PICTURES)}"
        raise InputError(msg)
    if panels and (y or color):
        msg = "--panels shows fixed quantities; leave out --y and --color"
        raise InputError(msg)
    result = load(file)
    given = [name for name, value in (("--panels", panels), ("--y", y), ("--color", color)) if value]
    allowed = {Branch: given, Diagram: ("--y", "--color"), TrainingRecord: ("--y",)}.get(type(result), ())
    for option in given:
        if option not in allowed:
            msg = f"{option}: {file} holds a {type(result).__name__}, which is drawn without it; leave it out"
            raise InputError(msg)
    headless()
    from ntkcont import plot as pictures

    if isinstance(result, CriticalCurve):
        figure = pictures.two_parameter(result).figure
    elif isinstance(result, TrainingRecord):
        figure = pictures.training(result, y=y)
    elif not panels:
        figure = pictures.bifurcation_diagram(result, y=y, color=color).figure
    elif result.ntk is not None:
        figure = pictures.ntk_panels(result)
    else:
        msg = f"--panels: {file} holds no kernel; run the continuation with one, or use ntkcont.annotate"
        raise InputError(msg)
    print(f"wrote {save_figure(figure, target)}")
    return 0
