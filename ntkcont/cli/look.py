"""``ntkcont info`` and ``ntkcont plot``: look at files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ntkcont.cli.output import headless, notices, save_figure
from ntkcont.errors import InputError
from ntkcont.problem_files import PICTURES
from ntkcont.results.io import load


def info(file: str) -> int:
    """Print what a branch file or a problem file holds."""
    path = Path(file)
    if path.suffix.lower() == ".toml":
        _problem_info(path)
        return 0
    branch = load(path)
    print(branch)
    print(f"low end:  {branch.ends[0]}")
    print(f"high end: {branch.ends[1]}")
    held = [f"{name}={value:g}" for name, value in branch.params.items() if name != branch.free]
    print("parameters held: " + (", ".join(held) or "none"))
    if branch.ntk is not None:
        print("signatures: " + ", ".join(branch.ntk.names))
    print("provenance:")
    for line in _tree(branch.provenance):
        print("  " + line)
    return 0


def _problem_info(path: Path) -> None:
    from ntkcont.problem_files import read_problem

    with notices():
        problem = read_problem(path)
    low, high = problem.arguments["p_span"]
    print(f"{problem.title}: {problem.model!r}")
    print(f"continuation in {problem.arguments['free']} from {low:g} to {high:g}, {problem.arguments['settings']}")
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
    """Draw a branch file.

    Raises
    ------
    InputError
        `output` has the ending of no picture, or the branch has no such column or no kernel.
    """
    target = Path(output) if output else Path(file).with_suffix(".png")
    if target.suffix.lower() not in PICTURES:
        msg = f"--output: {target} does not end in {' or '.join(PICTURES)}"
        raise InputError(msg)
    if panels and (y or color):
        msg = "--panels shows fixed quantities; leave out --y and --color"
        raise InputError(msg)
    branch = load(file)
    headless()
    from ntkcont import plot as pictures

    if not panels:
        figure = pictures.bifurcation_diagram(branch, y=y, color=color).figure
    elif branch.ntk is not None:
        figure = pictures.ntk_panels(branch)
    else:
        msg = f"--panels: {file} holds no kernel; run the continuation with one, or use ntkcont.annotate"
        raise InputError(msg)
    print(f"wrote {save_figure(figure, target)}")
    return 0
