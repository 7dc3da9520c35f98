"""Training records as text, HTML and pandas tables."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ntkcont.results.tables import _optional, html_table, text_table

if TYPE_CHECKING:
    from ntkcont.results.training_record import TrainingEvent, TrainingRecord

_ROWS = 60


def named(condition: Mapping[str, float]) -> str:
    """Return a condition as text: ``stim=1``."""
    return ", ".join(f"{name}={value:g}" for name, value in condition.items()) or "as given"


def between(event: TrainingEvent) -> str:
    """Return the bracket of training steps as text."""
    low, high = event.bracket
    return f"at checkpoint {low:g}" if low == high else f"between {low:g} and {high:g}"


def header(record: TrainingRecord) -> str:
    """Return one line: steps, conditions, branches, and how many attractors there are at both ends."""
    several = len(record.conditions)
    count = sum(len(record.branches(c)) for c in range(several))
    ends = []
    for c, condition in enumerate(record.conditions):
        attractors = record.attractors(record.steps[[0, -1]], c)
        ends.append((f"{named(condition)}: " if several > 1 else "") + f"{attractors[0]} -> {attractors[1]}")
    return (
        f"Training from step {record.steps[0]:g} to {record.steps[-1]:g}, {len(record.steps)} checkpoints, "
        f"{record.interpolation} between them: {count} branch{'es' if count != 1 else ''} of fixed points; attractors "
        + "; ".join(ends)
    )


def _rows(record: TrainingRecord) -> tuple[list[str], list[list[str]]]:
    several = len(record.conditions) > 1
    head = ["step", "interpolated", "type", "point", *(["condition"] if several else [])]
    head += ["fixed points", "attractors", "what"]
    rows = []
    for event in record.events:
        row = [f"{event.s:.6g}", between(event), event.type, event.name]
        row += [named(record.conditions[event.condition])] if several else []
        row += [f"{a} -> {b}" for a, b in (event.fixed_points, event.attractors)]
        rows.append([*row, event.change + ("" if event.converged else " (NOT converged)")])
    return head, rows


def notes(record: TrainingRecord) -> list[str]:
    """Return what could not be followed, with the reason."""
    lines = []
    for condition, diagram in zip(record.conditions, record.diagrams, strict=True):
        where = f" ({named(condition)})" if len(record.conditions) > 1 else ""
        for each in diagram.unfollowed:
            place = each.point if each.branch is None else f"{each.point} of branch {each.branch}"
            lines.append(f"not followed at {place}{where}: {each.reason}")
        lines += [f"branch {i}{where}: {branch.status}" for i, branch in enumerate(diagram) if not branch.status.ok]
    lines += [f"interrupted before {named(condition)}" for condition in record.provenance.get("left", ())]
    return lines


def record_text(record: TrainingRecord) -> str:
    """Return the header, the table of events and the notes as text."""
    head, rows = _rows(record)
    table = text_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS)) if rows else "no births, no deaths"
    return "\n".join([header(record), table, *_cut(notes(record))])


def record_html(record: TrainingRecord) -> str:
    """Return the same as HTML."""
    head, rows = _rows(record)
    table = html_table(head, rows[:_ROWS], max(0, len(rows) - _ROWS)) if rows else "<p>no births, no deaths</p>"
    lines = [f"<p>{html.escape(line)}</p>" for line in _cut(notes(record))]
    return "".join([f"<p>{html.escape(header(record))}</p>", table, *lines])


def _cut(lines: list[str]) -> list[str]:
    return lines[:_ROWS] + ([f"... and {len(lines) - _ROWS} more"] if len(lines) > _ROWS else [])


def to_dataframe(record: TrainingRecord) -> Any:
    """Return a pandas DataFrame with one row per event; the columns are the fields of the events."""
    pandas = _optional("pandas")
    rows = [
        {
            "s": event.s,
            "bracket_low": event.bracket[0],
            "bracket_high": event.bracket[1],
            "label": event.label,
            "name": event.name,
            "type": event.type,
            "condition": event.condition,
            "fixed_points_before": event.fixed_points[0],
            "fixed_points_after": event.fixed_points[1],
            "attractors_before": event.attractors[0],
            "attractors_after": event.attractors[1],
            "change": event.change,
            "converged": event.converged,
        }
        for event in record.events
    ]
    return pandas.DataFrame(rows)
