"""``ntkcont run``: solve a problem file and write what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ntkcont.cli.output import folder, headless, notices, progress_wanted, save_figure, write_csv
from ntkcont.problem_files import read_problem

if TYPE_CHECKING:
    from ntkcont.problem_files import Problem
    from ntkcont.results.branch import Branch


def run(file: str, out: str, checkpoint: str | None = None) -> int:
    """Solve the problem in `file`, write its outputs below `out`, print the branch.

    With `checkpoint`, a file, a run that was killed goes on from there.

    Returns
    -------
    int
        0; or 1 if an end of the branch asks for action (everything is written all the same).
    """
    problem = read_problem(file)
    target = folder(out)
    with notices():
        branch = problem.solve(progress=progress_wanted(), checkpoint=checkpoint)
        print(branch)
        for path in write_outputs(problem, branch, target):
            print(f"wrote {path}")
    return 0 if all(end.ok for end in branch.ends) else 1


def write_outputs(problem: Problem, branch: Branch, target: Path) -> list[Path]:
    """Write the wanted files, the branch file first, and return their paths."""
    wanted = problem.outputs
    written = []
    if wanted.npz:
        written.append(target / wanted.npz)
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        branch.save(written[-1])
    if wanted.csv:
        written.append(target / wanted.csv)
        write_csv(branch, written[-1])
    if wanted.diagram or wanted.panels:
        written += _pictures(problem, branch, target)
    return written


def _pictures(problem: Problem, branch: Branch, target: Path) -> list[Path]:
    from ntkcont import plot

    headless()
    wanted = problem.outputs
    written = []
    if wanted.diagram:
        ax = plot.bifurcation_diagram(branch, y=wanted.y, color=wanted.color, envelope=wanted.envelope)
        ax.figure.suptitle(problem.title)
        written.append(save_figure(ax.figure, target / wanted.diagram))
    if wanted.panels:
        written.append(save_figure(plot.ntk_panels(branch), target / wanted.panels))
    return written
