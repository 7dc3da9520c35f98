"""Diagrams as text and HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from ntkcont.results.tables import doubtful_line, html_table, text_table

if TYPE_CHECKING:
    from ntkcont.results.diagram import Diagram

_ROWS = 60
_STATES = 4


def header(diagram: Diagram) -> str:
    """Return one line: kind, free parameter, number of branches."""
    low = min(float(np.min(branch.p)) for branch in diagram)
    high = max(float(np.max(branch.p)) for branch in diagram)
    count = "1 branch" if len(diagram) == 1 else f"{len(diagram)} branches"
    states = "1 state" if len(diagram.states) == 1 else f"{len(diagram.states)} states"
    line = f"Diagram of a {diagram.kind} in {diagram.free} from {low:.6g} to {high:.6g}: {count}, {states}"
    return line if diagram.status.ok else f"{line}; {diagram.status}"


def _tree(diagram: Diagram) -> tuple[list[str], list[list[str]]]:
    """One row for each branch, children below their parents."""
    several = any(origin.period > 1 for origin in diagram.origins)
    head = ["branch", "from", *(["period"] if several else []), "points", diagram.free, "special points", "ends"]
    rows: list[list[str]] = []

    def add(i: int, indent: int) -> None:
        branch, origin = diagram[i], diagram.origins[i]
        row = ["  " * indent + str(i), "a start" if origin.parent is None else f"{origin.point} of {origin.parent}"]
        row += [str(origin.period)] if several else []
        names = list(dict.fromkeys(point.name for point in branch.special_points if point.label != "EP"))
        listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        low, high = branch.ends
        row += [str(len(branch)), f"{branch.p.min():.6g} .. {branch.p.max():.6g}", listed]
        row += [low.name if low is high else f"{low.name}, {high.name}"]
        rows.append(row)
        for child in diagram.children(i):
            add(child, indent + 1)

    for i, origin in enumerate(diagram.origins):
        if origin.parent is None:
            add(i, 0)
    return head, rows


def _points(diagram: Diagram) -> tuple[list[str], list[list[str]]]:
    """One row for each special point, with the branches on which it lies."""
    points = diagram.special_points
    few = len(diagram.states) <= _STATES
    omega = any(point.omega is not None for point in points)
    head = ["name", diagram.free, *(diagram.states if few else ("|x|",)), *(["omega"] if omega else [])]
    head += ["residual", "on branches", "converged"]
    rows = []
    for point in points:
        row = [point.name, f"{point.p:.10g}"]
        row += [f"{value:.6g}" for value in (point.x if few else [np.linalg.norm(point.x)])]
        if omega:
            row.append("" if point.omega is None else f"{point.omega:.6g}")
        row += [f"{point.residual:.1e}", ", ".join(map(str, diagram.branches_at(point.name)))]
        row += ["yes" if point.converged else "NO"]
        rows.append(row)
    return head, rows


def _notes(diagram: Diagram) -> list[str]:
    doubtful = doubtful_line(diagram.doubtful, diagram.free)
    lines = [doubtful] if doubtful else []
    for each in diagram.unfollowed[:_ROWS]:
        where = each.point if each.branch is None else f"{each.point} of branch {each.branch}"
        lines.append(f"not followed at {where}: {each.reason}")
    left = len(diagram.unfollowed) - _ROWS
    return lines + ([f"... and {left} more"] if left > 0 else [])


def diagram_text(diagram: Diagram) -> str:
    """Return the header, the tree of branches and the table of special points as text."""
    head, rows = _tree(diagram)
    parts = [header(diagram), text_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS))]
    head, rows = _points(diagram)
    parts.append(text_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS)) if rows else "no special points")
    return "\n".join([*parts, *_notes(diagram)])


def diagram_html(diagram: Diagram) -> str:
    """Return the same as HTML."""
    head, rows = _tree(diagram)
    for row in rows:
        row[0] = row[0].replace(" ", "\u00a0")
    parts = [f"<p>{html.escape(header(diagram))}</p>", html_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS))]
    head, rows = _points(diagram)
    table = html_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS)) if rows else "<p>no special points</p>"
    return "".join([*parts, table, *(f"<p>{html.escape(line)}</p>" for line in _notes(diagram))])
