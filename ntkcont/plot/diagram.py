"""The bifurcation diagram."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.plot.curves import Run, color_norm, draw_runs, runs_through, runs_with_specials
from ntkcont.plot.figure import (
    FONT,
    SMALL,
    add_legend,
    check_axes,
    figure_of,
    hollow_handles,
    hollow_style,
    line_handles,
    log_scale,
    marker_handles,
    marker_style,
    new_figure,
)
from ntkcont.plot.labels import NameTags
from ntkcont.plot.markers import CYCLE
from ntkcont.plot.quantities import Quantity, Values, as_branches, at_places, default_y, in_decades, plain, values_of
from ntkcont.results.branch import Branch
from ntkcont.results.diagram import Diagram
from ntkcont.results.special_points import SpecialPoints

_LEGENDS = ("top", "right", "best", "none")


def bifurcation_diagram(
    branch: Branch | Sequence[Branch] | Diagram,
    y: Quantity | None = None,
    color: Quantity | None = None,
    ax: Axes | None = None,
    envelope: bool = False,
    *,
    labels: bool | str = True,
    legend: str | bool = "top",
    norm: Normalize | None = None,
    cmap: str | Colormap | None = None,
    model: Any = None,
    doubtful: bool = False,
) -> Axes:
    """Draw branches over their free parameter: solid where stable, dashed where unstable, special points marked.

    Parameters
    ----------
    branch : Branch, sequence of Branch or Diagram
        What to draw; several are drawn in one picture with one colour scale, a special point that they share once.
    y : str or callable, optional
        Vertical axis: a state, ``"norm"``, a signature (logarithmic where it spans two decades), or
        ``f(branch) -> (k,)``. Default: the first state, for networks the norm. An axis of what was measured in
        decades (``branch.log``) is logarithmic.
    color : str or callable, optional
        Colour the branch by a signature or any other column, or by ``f(branch) -> (k,)``; a colour bar is added, and
        the scale is logarithmic where the values span two decades. Default: black.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure, 5.2 x 3.8 inches.
    envelope : bool, default False
        Add maximum and minimum of the stable cycles beyond the Hopf points, found by integration
        (`ntkcont.dynamics.cycles`); the legend calls them simulated. Needs a model.
    labels : bool or "all", default True
        Write the names of the bifurcations beside their markers, clear of each other; one without a free place is left
        out. ``"all"``: those of neutral saddles, which are no bifurcations, as well.
    legend : {"top", "right", "best", "none"} or bool
        Where the legend goes; it lists only what is drawn. Default above the axes.
    norm : matplotlib.colors.Normalize, optional
        Colour scale, instead of the one chosen from the values.
    cmap : str or matplotlib.colors.Colormap, optional
        Colour map, default viridis without its lightest end.
    model : Model, optional
        For `envelope`; default ``branch.model``.
    doubtful : bool, default False
        Mark also what could not be established (``branch.doubtful``), with hollow markers.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If `y` or `color` names nothing (the message has the nearest names, or says how to attach a kernel).

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "mu + x - x**3"}, params={"mu": -1.0})
    >>> branch = nc.continuation(model, [-1.3], free="mu", p_span=(-1, 1))
    >>> ax = nc.plot.bifurcation_diagram(branch, y="x")
    """
    branches = [item for item in as_branches(branch) if len(item)]
    where = _place_of_legend(labels, legend)
    chosen = default_y(branches[0]) if y is None else y
    drawn = [values_of(item, chosen, "y") for item in branches]
    colors = None if color is None else [values_of(item, color, "color") for item in branches]
    cycles = [_cycles(item, chosen, model) for item in branches] if envelope else []

    own = ax is None
    ax = new_figure(5.2, 3.8)[1][0] if ax is None else check_axes(ax)
    size = FONT if own else None
    scale, extend, colormap = None, "neither", None
    if colors is not None:
        lengths = [np.gradient(item.s) if len(item) > 1 else np.ones(1) for item in branches]
        automatic, extend = color_norm(np.concatenate([each.points for each in colors]), np.concatenate(lengths))
        scale, colormap = norm or automatic, colormap_named(cmap)
        extend = extend if norm is None else "neither"

    tags = NameTags.of(ax)
    runs: list[Run] = []
    for i, (item, values) in enumerate(zip(branches, drawn, strict=True)):
        pieces = _runs(item, chosen, values, None if colors is None else colors[i])
        draw_runs(ax, pieces, norm=scale, cmap=colormap, zorder=2)
        tags.curves += [(run.x, run.y) for run in pieces]
        runs += pieces
    for i, image in _images(branch):
        values = values_of(image, chosen, "y")
        paint = None if colors is None else colors[i].points
        pieces = runs_through(image, image.p, values.points, paint)
        draw_runs(ax, pieces, norm=scale, cmap=colormap, zorder=2)
        tags.curves += [(run.x, run.y) for run in pieces]
    handles = line_handles(any(r.stable for r in runs), any(not r.stable for r in runs))
    for found in cycles:
        handles += _draw_cycles(ax, found, tags, first=all("simulated" not in str(h.get_label()) for h in handles))
    across = in_decades(branches, branches[0].free, *(item.p for item in branches))
    along = [side for found in cycles for cycle in found for side in (cycle.high, cycle.low)]
    up = in_decades(branches, chosen, *(part for values in drawn for part in values[:2]), *along)
    seen: list[str] = []
    shared: dict[str, list[tuple[float, float]]] = {}
    for item, values in zip(branches, drawn, strict=True):
        seen += _draw_specials(
            ax, item, values, tags, SMALL if own else None, names=labels, shared=shared, logs=(across, up)
        )
    handles += marker_handles(seen)
    if doubtful:
        kinds = [_draw_doubtful(ax, item, chosen, values, tags) for item, values in zip(branches, drawn, strict=True)]
        handles += hollow_handles([kind for each in kinds for kind in each])
    if across:
        log_scale(ax, "x")
    if up:
        log_scale(ax, "y")

    if _is_signature(branches[0], chosen) and _spans_decades(np.concatenate([each.points for each in drawn])):
        ax.set_yscale("log")
    ax.set_xlabel(plain(branches[0].free), fontsize=size)
    ax.set_ylabel(drawn[0].title, fontsize=size)
    if colors is not None and scale is not None:
        _add_color_bar(ax, ScalarMappable(scale, colormap), extend, colors, own=own)
    if where == "best" and colors is not None:  # matplotlib places legends clear of lines, but not of coloured ones
        for run in runs:
            ax.plot(run.x, run.y, linestyle="none", gid="invisible")
    if where != "none":
        add_legend(ax, handles, where, SMALL if own else None)
    return ax


def _place_of_legend(labels: bool | str, legend: str | bool) -> str:
    """Check what is to be written; return where the legend goes."""
    if labels not in (True, False, "all"):
        msg = f"labels: got {labels!r}; it may be True, False or 'all'"
        raise InputError(msg)
    where = ("top" if legend else "none") if isinstance(legend, bool) else legend
    if where not in _LEGENDS:
        raise unknown_name(argument="legend", got=legend, allowed=_LEGENDS)
    return where


def _add_color_bar(ax: Axes, colored: ScalarMappable, extend: str, colors: list[Values], *, own: bool) -> None:
    bar = figure_of(ax).colorbar(colored, ax=ax, extend=extend, pad=0.02, aspect=30)
    bar.set_label(colors[0].title, fontsize=FONT if own else None)
    if all(np.array_equal(each.points, np.round(each.points)) for each in colors):
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
    if own:
        bar.ax.tick_params(labelsize=SMALL, width=0.8, length=3.0)
        bar.outline.set_linewidth(0.6)  # type: ignore[operator]


def _images(drawn: Any) -> list[tuple[int, Branch]]:
    """Return the other points of the orbits of a diagram, as branches without special points, beside their number."""
    found: list[tuple[int, Branch]] = []
    for i, images in getattr(drawn, "images", {}).items():
        whole = dataclasses.replace(drawn.branches[i], special_points=SpecialPoints())
        found += [(i, dataclasses.replace(whole, x=states)) for states in images]
    return found


def _is_signature(branch: Branch, y: Quantity) -> bool:
    return isinstance(y, str) and branch.ntk is not None and y in branch.ntk and y not in branch.states


def _spans_decades(values: NDArray[np.float64]) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and finite.min() > 0 and finite.max() >= 100 * finite.min()


def _runs(branch: Branch, y: Quantity, values: Values, color: Values | None) -> list[Run]:
    paint = None if color is None else color.points
    specials = np.array([point.p for point in branch.special_points])
    if isinstance(y, str) and (y == "norm" or y in branch.states):
        return runs_with_specials(branch, (branch.p, values.points), (specials, values.special), paint)
    return runs_through(branch, branch.p, values.points, paint)  # signatures may be singular at special points


def colormap_named(cmap: str | Colormap | None) -> Colormap:
    """Return a colour map, by default viridis without its lightest end (too pale on white); grey where undefined."""
    if isinstance(cmap, Colormap):
        return cmap
    if cmap is None:
        full = colormaps["viridis"]
        chosen: Colormap = LinearSegmentedColormap.from_list("viridis_dark", full(np.linspace(0.0, 0.92, 256)))
    elif cmap in colormaps:
        chosen = colormaps[cmap]
    else:
        raise unknown_name(argument="cmap", got=cmap, allowed=list(colormaps))
    return chosen.with_extremes(bad="0.7")


def _draw_specials(
    ax: Axes, branch: Branch, values: Values, tags: NameTags, fontsize: float | None,
    *, names: bool | str, shared: dict[str, list[tuple[float, float]]], logs: tuple[bool, bool],
) -> list[str]:  # fmt: skip
    seen = []
    across, up = (np.log if log else np.asarray for log in logs)
    finite = up(values.points[np.isfinite(values.points)])
    room = float(np.ptp(across(branch.p))), max(float(np.ptp(finite)), 1e-9) if len(finite) else 1e-9
    for point, height in zip(branch.special_points, values.special, strict=True):
        if point.label == "EP" or not np.isfinite(height):
            continue
        there, place = shared.setdefault(point.name, []), (float(across(point.p)), float(up(height)))
        if any(abs(p - place[0]) <= 1e-6 * room[0] and abs(h - place[1]) <= 1e-6 * room[1] for p, h in there):
            continue
        there.append(place)
        style = marker_style(point.label)
        zorder = 4 if point.label == "NSad" else 5
        (art,) = ax.plot([point.p], [height], linestyle="none", zorder=zorder, **style)
        art.set_gid(point.name)
        tags.markers.append((point.p, float(height), style["markersize"]))
        if names == "all" or (names and point.label != "NSad"):
            tags.add(point.name, point.p, float(height), style["markersize"], fontsize=fontsize)
        seen.append(point.label)
    return seen


def _draw_doubtful(ax: Axes, branch: Branch, y: Quantity, values: Values, tags: NameTags) -> list[str]:
    """Draw hollow markers where something could not be established; return its labels."""
    seen = []
    heights = at_places(branch, y, values.points, branch.doubtful)
    for place, height in zip(branch.doubtful, heights, strict=True):
        if not np.isfinite(height):
            continue
        style = hollow_style(place.label)
        (art,) = ax.plot([place.p], [height], linestyle="none", zorder=6, **style)
        art.set_gid(f"doubtful {place.label}")
        tags.markers.append((place.p, float(height), style["markersize"]))
        seen.append(place.label)
    return seen


def _cycles(branch: Branch, y: Quantity, model: Any) -> list[Any]:
    if model is None and branch.model is None:
        msg = "envelope: the branch carries no model (it was loaded from a file); give model="
        raise InputError(msg)
    from ntkcont.dynamics.cycles import cycle_envelope

    return list(cycle_envelope(branch, y, model=model))


def _draw_cycles(ax: Axes, cycles: list[Any], tags: NameTags, *, first: bool) -> list[Line2D]:
    handles: list[Line2D] = []
    for cycle in cycles:
        for side in (cycle.high, cycle.low):
            (line,) = ax.plot(
                cycle.p, side, linestyle="-", linewidth=1.0, marker=".", markersize=3.5, color=CYCLE, zorder=3
            )
            line.set_gid("simulated")
            tags.curves.append((np.asarray(cycle.p), np.asarray(side)))
    if cycles and first:
        label = "stable cycle, max and min (simulated)"
        handles.append(Line2D([], [], linewidth=1.0, marker=".", markersize=3.5, color=CYCLE, label=label))
    return handles
