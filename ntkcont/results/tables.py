"""Branches and special points as text and HTML tables, pandas data frames and xarray datasets."""

from __future__ import annotations

import html
import importlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.results.columns import auxiliary, auxiliary_names, kept_names
from ntkcont.results.signatures import units_in_words
from ntkcont.results.special_points import SpecialPoint, SpecialPoints

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch
    from ntkcont.results.doubtful import Doubtful

_ROWS = 60  # longer tables are cut: a large network can have hundreds of special points
_STATES = 4

# ---------------------------------------------------------------- text and HTML


def _cells(points: Sequence[SpecialPoint], branch: Branch | None) -> tuple[list[str], list[list[str]]]:
    first = points[0]
    few = len(first.states) <= _STATES
    omega = any(point.omega is not None for point in points)
    head = ["name", first.free, *(first.states if few else ("|x|",))]
    head += ["omega"] if omega else []
    head += ["unstable"] if branch is not None else []
    head += ["residual", "bracket in s", "converged"]
    rows = []
    for point in points:
        row = [point.name, f"{point.p:.10g}"]
        row += [f"{value:.6g}" for value in (point.x if few else [np.linalg.norm(point.x)])]
        if omega:
            row.append("" if point.omega is None else f"{point.omega:.6g}")
        if branch is not None:
            change = branch.stability_change(point)
            row.append("" if change is None else f"{change[0]} -> {change[1]}")
        low, high = point.bracket
        row += [f"{point.residual:.1e}", f"{low:.6g} .. {high:.6g}", "yes" if point.converged else "NO"]
        rows.append(row)
    return head, rows


def text_table(head: list[str], rows: list[list[str]], dropped: int) -> str:
    """Return aligned columns; `dropped` rows are counted at the end."""
    widths = [max(len(row[j]) for row in [head, *rows]) for j in range(len(head))]
    left = {0, len(head) - 1, len(head) - 2}
    lines = [
        "  ".join(
            cell.ljust(w) if j in left else cell.rjust(w) for j, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    lines += [f"... and {dropped} more"] if dropped else []
    return "\n".join(line.rstrip() for line in lines)


def html_table(head: list[str], rows: list[list[str]], dropped: int) -> str:
    """Return the same as HTML."""

    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    more = f"<p>... and {dropped} more</p>" if dropped else ""
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>{more}"


def special_points_text(points: SpecialPoints, branch: Branch | None = None) -> str:
    """Return the special points as an aligned text table."""
    if not len(points):
        return "no special points"
    return text_table(*_cells(points[:_ROWS], branch), max(0, len(points) - _ROWS))


def special_points_html(points: SpecialPoints, branch: Branch | None = None) -> str:
    """Return the special points as an HTML table."""
    if not len(points):
        return "<p>no special points</p>"
    return html_table(*_cells(points[:_ROWS], branch), max(0, len(points) - _ROWS))


def header(branch: Branch) -> str:
    """Return one line: kind, free parameter, number of points, span covered, kernel, status."""
    k = len(branch)
    span = f" from {branch.p.min():.6g} to {branch.p.max():.6g}" if k else ""
    states = "1 state" if branch.n == 1 else f"{branch.n} states"
    kernel = units = ""
    if branch.ntk is not None:
        kernel = f", {branch.ntk.metadata.get('kernel', 'NTK')} kernel"
        units = units_in_words(branch.ntk.metadata).replace("; states", "; kernel with states", 1)
    points = "1 point" if k == 1 else f"{k} points"
    line = f"Branch of a {branch.kind} in {branch.free}{span}: {points}, {states}{kernel}; {branch.status}"
    low, high = branch.ends
    if low is not high:
        line += f" (low end: {low.name}, high end: {high.name})"
    return line + units


def doubtful_line(places: Sequence[Doubtful], free: str) -> str:
    """Return one line on doubtful places, empty if there are none."""
    if not places:
        return ""
    first = "; ".join(f"{place.label} at {free} = {place.p:.6g}" for place in places[:3])
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"doubtful, not listed: {first}{more} (see .doubtful)"


def branch_text(branch: Branch) -> str:
    """Return the header line, the table of special points and a line on what is doubtful."""
    lines = [header(branch), special_points_text(branch.special_points, branch)]
    return "\n".join(filter(None, [*lines, doubtful_line(branch.doubtful, branch.free)]))


def branch_html(branch: Branch) -> str:
    """Return the header line and the table of special points as HTML."""
    doubtful = doubtful_line(branch.doubtful, branch.free)
    table = special_points_html(branch.special_points, branch)
    return f"<p>{html.escape(header(branch))}</p>" + table + (f"<p>{html.escape(doubtful)}</p>" if doubtful else "")


# ---------------------------------------------------------------- pandas and xarray


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f"{module} is needed for this table and is not installed; pip install 'ntkcont[io]'"
        raise ImportError(msg) from error


def _unused(name: str, taken: set[str], prefix: str) -> str:
    new = name if name not in taken else f"{prefix}_{name}"
    while new in taken:
        new += "_"
    taken.add(new)
    return new


def _marks(branch: Branch) -> list[str]:
    marks = [""] * len(branch)
    for point in branch.special_points:
        i = int(np.argmin(np.abs(branch.s - point.s)))
        marks[i] = f"{marks[i]},{point.name}" if marks[i] else point.name
    return marks


def point_columns(branch: Branch, *, params: bool = False) -> dict[str, Any]:
    """Return the columns of the tables by name, no name twice; with `params` also the fixed parameters."""
    taken: set[str] = set()
    data: dict[str, Any] = {_unused(branch.free, taken, "param"): branch.p.copy()}
    for j, name in enumerate(kept_names(branch)):
        data[_unused(name, taken, "state")] = branch.x[:, j].copy()
    for name in auxiliary_names(branch):
        data[_unused(name, taken, "aux")] = auxiliary(branch, name)
    for name in ("s", "stable", "n_unstable"):
        data[_unused(name, taken, "branch")] = getattr(branch, name).copy()
    for name in () if branch.ntk is None else branch.ntk.scalars:
        data[_unused(name, taken, "ntk")] = branch.ntk[name].copy() if branch.ntk is not None else None
    if params:
        for name, value in branch.params.items():
            if name != branch.free:
                data[_unused(name, taken, "param")] = np.full(len(branch), value)
    data[_unused("special", taken, "branch")] = _marks(branch)
    return data


def to_dataframe(branch: Branch) -> Any:
    """Return a pandas DataFrame with one row per point of the branch.

    Parameters
    ----------
    branch : Branch

    Returns
    -------
    pandas.DataFrame
        Columns: the free parameter, the states, the model's named quantities (where the model is in memory), ``s``,
        ``stable``, ``n_unstable``, the scalar signatures, and ``special``: the names of the special points nearest to
        the row (their exact values are in ``branch.special_points.to_dataframe()``). A signature whose name is taken
        by a state or parameter is called ``ntk_<name>``. ``attrs`` holds the fixed parameters and the status.

    Raises
    ------
    ImportError
        If pandas is missing.
    """
    pandas = _optional("pandas")
    frame = pandas.DataFrame(point_columns(branch))
    frame.attrs.update(kind=branch.kind, free=branch.free, params=dict(branch.params), status=str(branch.status))
    return frame


def special_points_dataframe(points: SpecialPoints) -> Any:
    """Return a pandas DataFrame with one row per special point: name, label, parameter, states and the evidence."""
    pandas = _optional("pandas")
    rows = []
    for point in points:
        taken: set[str] = set()
        row: dict[str, Any] = {
            _unused("name", taken, "point"): point.name,
            _unused("label", taken, "point"): point.label,
            _unused(point.free, taken, "param"): point.p,
        }
        row |= {_unused(name, taken, "state"): float(value) for name, value in zip(point.states, point.x, strict=True)}
        evidence = {
            "s": point.s,
            "omega": np.nan if point.omega is None else point.omega,
            "residual": point.residual,
            "test_value": point.test_value,
            "bracket_low": point.bracket[0],
            "bracket_high": point.bracket[1],
            "converged": point.converged,
            "multiplicity": point.multiplicity,
        }
        rows.append(row | {_unused(name, taken, "point"): value for name, value in evidence.items()})
    return pandas.DataFrame(rows)


def _split(name: str, dims: tuple[str, ...], values: NDArray[Any]) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Real and imaginary parts apart: netCDF has no complex numbers."""
    if np.iscomplexobj(values):
        return {f"{name}_real": (dims, np.real(values).copy()), f"{name}_imag": (dims, np.imag(values).copy())}
    return {name: (dims, values.copy())}


def to_xarray(branch: Branch) -> Any:
    """Return an xarray Dataset that can be written to netCDF (complex values are split into real and imaginary parts).

    Parameters
    ----------
    branch : Branch

    Returns
    -------
    xarray.Dataset
        Dimensions ``point``, ``state``, ``eigenvalue``, ``kernel_mode`` (kernel eigenvalues) and ``special_point``.
        Coordinates: the free parameter by name and ``s`` along the points, the names of the states, the names of the
        special points. Variables: ``x``, ``tangent_x``, ``tangent_p``, ``eigenvalues_real``, ``eigenvalues_imag``,
        ``stable``, ``n_unstable``, the signatures (``ntk_<name>`` where the name is taken, as for the kernel's
        eigenvalues), and ``special_*``. A branch without states has none of the first five. Attributes: kind, free,
        status and, as JSON, the fixed parameters.

    Raises
    ------
    ImportError
        If xarray is missing.
    """
    xarray = _optional("xarray")
    return xarray.Dataset(*xarray_parts(branch))


def xarray_parts(branch: Branch) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the variables (dimensions and values), coordinates and attributes of the dataset of a branch."""
    data: dict[str, Any] = {}
    if branch.has_states:
        data = {
            "x": (("point", "state"), branch.x.copy()),
            "tangent_x": (("point", "state"), branch.tangent[:, :-1].copy()),
            "tangent_p": (("point",), branch.tangent[:, -1].copy()),
            **_split("eigenvalues", ("point", "eigenvalue"), branch.eigenvalues),
        }
    data |= {
        "stable": (("point",), branch.stable.copy()),
        "n_unstable": (("point",), branch.n_unstable.copy()),
    }
    points = branch.special_points
    special = {
        "label": np.array(points.labels, dtype=np.str_),
        "p": np.array([point.p for point in points], dtype=float),
        "s": np.array([point.s for point in points], dtype=float),
        "omega": np.array([np.nan if point.omega is None else point.omega for point in points], dtype=float),
        "residual": np.array([point.residual for point in points], dtype=float),
        "converged": np.array([point.converged for point in points], dtype=bool),
    }
    data |= {f"special_{name}": (("special_point",), values) for name, values in special.items()}
    states = np.array([point.x for point in points], dtype=float).reshape(len(points), branch.n)
    data["special_x"] = (("special_point", "state"), states)
    dims = {"point", "state", "eigenvalue", "kernel_mode", "special_point"}
    taken = {*data, *dims, "s", "eigenvalues"}
    free = _unused(branch.free, taken, "param")
    for name, values in ({} if branch.ntk is None else branch.ntk.arrays).items():
        new = _unused(name, taken, "ntk")
        axes = ("kernel_mode",) if name == "eigenvalues" else tuple(f"{new}_{j}" for j in range(1, values.ndim))
        data |= _split(new, ("point", *axes), values)
    coords = {
        free: (("point",), branch.p.copy()),
        "s": (("point",), branch.s.copy()),
        "state": (("state",), np.array(branch.states)),
        "special_point": (("special_point",), np.array(points.names, dtype=np.str_)),
    }
    attrs = {"kind": branch.kind, "free": branch.free, "status": str(branch.status)}
    attrs |= {"status_low_end": str(branch.ends[0]), "status_high_end": str(branch.ends[1])}
    attrs["params"] = json.dumps(dict(branch.params))
    return data, coords, attrs
