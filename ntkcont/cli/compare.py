"""``ntkcont compare``: a problem file, solved by another program too."""

from __future__ import annotations

from pathlib import Path

from ntkcont.cli.output import folder, headless, notices
from ntkcont.problem_files import read_problem


def compare(file: str, against: str | None, out: str) -> int:
    """Compare on the problem in `file`, print the report, and write it below `out`.

    Returns
    -------
    int
        0.
    """
    problem = read_problem(file)
    target = folder(out)
    headless()
    with notices():
        report = problem.compare(against)
    print(report)
    for path in report.save(target, stem=f"{Path(file).stem}-{report.peer_name}"):
        print(f"wrote {path}")
    return 0
