"""Curves of special points as text and HTML tables and as pandas data frames."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.results.labels import LABELS
from ntkcont.results.tables import _optional, _unused, doubtful_line, html_table, text_table
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.results.critical_curve import CriticalCurve

_ROWS = 60
_STATES = 4


def header(curve: CriticalCurve) -> str:
    """Return one line: what is followed, number of points, ranges of both parameters, how both ends ended."""
    k = len(curve)
    points = "1 point" if k == 1 else f"{k} points"
    ranges = ""
    if k:
        low, high = curve.p.min(axis=0), curve.p.max(axis=0)
        both = [f"{name} from {a:.6g} to {b:.6g}" for name, a, b in zip(curve.free, low, high, strict=True)]
        ranges = ", " + ", ".join(both)
    kinds = list(dict.fromkeys(str(label) for label in curve.labels)) or [curve.label]
    what = " and ".join(f"{LABELS[label]} ({label})" for label in kinds)
    line = f"Curve of {what} points of a {curve.kind} in {curve.free[0]} and {curve.free[1]}: {points}{ranges}"
    if Status.CLOSED in curve.ends:
        return f"{line}; {curve.status}"
    return f"{line}; low end: {_end(curve, 0)}; high end: {_end(curve, -1)}"


def _end(curve: CriticalCurve, i: int) -> str:
    """Return how one end ended, with the parameter that left its span."""
    status = curve.ends[0 if i == 0 else 1]
    spans = curve.provenance.get("p_span")
    if status is not Status.BOUND or spans is None or not len(curve):
        return str(status)
    for name, value, (low, high) in zip(curve.free, curve.p[i], spans, strict=True):
        reach = 1e-9 * (high - low)
        if value <= low + reach or value >= high - reach:
            return f"left the span at {name} = {value:.6g}"
    return str(status)


def _cells(curve: CriticalCurve) -> tuple[list[str], list[list[str]]]:
    few = curve.n <= _STATES
    points = curve.special_points[:_ROWS]
    omega = any(point.omega is not None for point in points)
    head = ["name", *curve.free, *(curve.states if few else ("|x|",)), *(["omega"] if omega else [])]
    head += ["residual", "test", "bracket in s", "converged"]
    rows = []
    for point in points:
        row = [point.name, *(f"{point.params[name]:.10g}" for name in curve.free)]
        row += [f"{value:.6g}" for value in (point.x if few else [np.linalg.norm(point.x)])]
        if omega:
            row.append("" if point.omega is None else f"{point.omega:.6g}")
        low, high = point.bracket
        row += [f"{point.residual:.1e}", f"{point.test_value:.1e}", f"{low:.6g} .. {high:.6g}"]
        rows.append([*row, "yes" if point.converged else "NO"])
    return head, rows


def curve_text(curve: CriticalCurve) -> str:
    """Return the header line, the table of points of codimension two and a line on what is doubtful."""
    table = "no special points"
    if len(curve.special_points):
        table = text_table(*_cells(curve), max(0, len(curve.special_points) - _ROWS))
    return "\n".join(filter(None, [header(curve), table, doubtful_line(curve.doubtful, curve.free[0])]))


def curve_html(curve: CriticalCurve) -> str:
    """Return the same as HTML."""
    table = "<p>no special points</p>"
    if len(curve.special_points):
        table = html_table(*_cells(curve), max(0, len(curve.special_points) - _ROWS))
    doubtful = doubtful_line(curve.doubtful, curve.free[0])
    last = f"<p>{html.escape(doubtful)}</p>" if doubtful else ""
    return f"<p>{html.escape(header(curve))}</p>{table}{last}"


def to_dataframe(curve: CriticalCurve) -> Any:
    """Return a pandas DataFrame with one row per point.

    Parameters
    ----------
    curve : CriticalCurve

    Returns
    -------
    pandas.DataFrame
        Columns: both free parameters, the states, ``s``, ``label``, ``stable``, ``n_unstable``, ``omega``,
        ``coefficient``, and ``special``: the names of the points of codimension two nearest to the row.  ``attrs``
        holds the parameters and the status.

    Raises
    ------
    ImportError
        If pandas is missing.
    """
    pandas = _optional("pandas")
    taken: set[str] = set()
    data: dict[str, Any] = {_unused(name, taken, "param"): curve[name].copy() for name in curve.free}
    for j, name in enumerate(curve.states):
        data[_unused(name, taken, "state")] = curve.x[:, j].copy()
    own = {"s": curve.s, "label": curve.labels, "stable": curve.stable, "n_unstable": curve.n_unstable}
    own |= {"omega": curve.omega, "coefficient": curve.coefficient}
    data |= {_unused(name, taken, "curve"): values.copy() for name, values in own.items()}
    marks = [""] * len(curve)
    for point in curve.special_points:
        i = int(np.argmin(np.abs(curve.s - point.s)))
        marks[i] = f"{marks[i]},{point.name}" if marks[i] else point.name
    data[_unused("special", taken, "curve")] = marks
    frame = pandas.DataFrame(data)
    frame.attrs.update(kind=curve.kind, free=list(curve.free), params=dict(curve.params), status=str(curve.status))
    return frame
