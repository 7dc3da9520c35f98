"""The two-parameter diagram: curves of special points, and a kernel signature behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.plot.curves import color_norm
from ntkcont.plot.diagram import colormap_named
from ntkcont.plot.figure import (
    FONT,
    SMALL,
    add_legend,
    check_axes,
    figure_of,
    log_scale,
    marker_handles,
    marker_style,
    new_figure,
)
from ntkcont.plot.labels import NameTags
from ntkcont.plot.markers import legend_text, marker_of
from ntkcont.plot.quantities import in_decades, plain, title_of
from ntkcont.results.critical_curve import CriticalCurve
from ntkcont.results.plane import ParameterPlane

Real = NDArray[np.float64]

_LEGENDS = ("top", "right", "best", "none")
_WIDTH, _THIN = 1.8, 1.3


class Piece(NamedTuple):
    """A piece of one kind and stability."""

    label: str
    stable: bool
    x: Real
    y: Real


def two_parameter(
    curves: CriticalCurve | Sequence[CriticalCurve],
    ax: Axes | None = None,
    *,
    heat: ParameterPlane | None = None,
    signature: str = "participation_ratio",
    labels: bool = True,
    legend: str | bool = "top",
    norm: Normalize | None = None,
    cmap: str | Colormap | None = None,
) -> Axes:
    """Draw curves of special points in the plane of two parameters, points of codimension two marked.

    Solid where all other eigenvalues are stable, so that the bifurcation happens to a stable fixed point, dashed where
    they are not, thin and dotted where a Hopf or Neimark-Sacker curve has become one of neutral saddles.  The axis of a
    parameter that was measured in decades, on one of the curves or the plane, is logarithmic.

    Parameters
    ----------
    curves : CriticalCurve or sequence of CriticalCurve
        In the same two parameters; the first curve says which is horizontal.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure, 5.2 x 4.2 inches.
    heat : ParameterPlane, optional
        Kernel signatures over the plane, from ``nc.ntk.parameter_plane``, drawn behind the curves.
    signature : str
        Which of them, default ``"participation_ratio"``; logarithmic colours where it spans two decades.
    labels : bool, default True
        Write the names of the points of codimension two beside their markers, clear of each other.
    legend : {"top", "right", "best", "none"} or bool
        Where the legend goes; it lists only what is drawn.  Default above the axes.
    norm : matplotlib.colors.Normalize, optional
        Colour scale of the heat map, instead of the one chosen from the values.
    cmap : str or matplotlib.colors.Colormap, optional
        Its colour map, default viridis without its lightest end.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If something else than curves is given, the parameters differ, or `signature` names nothing.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": -1.0, "mu": 1.0})
    >>> fold = nc.continuation(model, [-1.3], free="h", p_span=(-1, 1)).special_points["LP1"]
    >>> curve = nc.continuation(model, fold, free=("h", "mu"), p_span=((-1, 1), (-0.5, 1.5)))
    >>> ax = nc.plot.two_parameter(curve)
    """
    drawn = _checked(curves)
    where = {True: "top", False: "none"}[legend] if isinstance(legend, bool) else legend
    if where not in _LEGENDS:
        raise unknown_name(argument="legend", got=legend, allowed=_LEGENDS)
    free = drawn[0].free
    values = None if heat is None else _heat_values(heat, signature, free)

    own = ax is None
    ax = new_figure(5.2, 4.2)[1][0] if ax is None else check_axes(ax)
    size = FONT if own else None
    if heat is not None and values is not None:
        _draw_heat(ax, heat, values, signature, (norm, cmap), own=own, flip=heat.free != free)
    tags = NameTags.of(ax)
    kinds: dict[tuple[str, bool], None] = {}
    halo = [withStroke(linewidth=3.4, foreground="white"), Normal()] if heat is not None else []
    for curve in drawn:
        for piece in _pieces(curve, free):
            (line,) = ax.plot(
                piece.x, piece.y, zorder=3, path_effects=halo or None, **_style(piece.label, piece.stable)
            )
            line.set_gid(piece.label)
            tags.curves.append((piece.x, piece.y))
            kinds[piece.label, piece.stable or piece.label == "NSad"] = None
    _limits(ax, drawn, heat, free)
    if in_decades([*drawn, heat], free[0], ax.viewLim.intervalx):
        log_scale(ax, "x")
    if in_decades([*drawn, heat], free[1], ax.viewLim.intervaly):
        log_scale(ax, "y")
    seen = [label for curve in drawn for label in _draw_points(ax, curve, free, tags, size, names=labels)]
    handles = [
        Line2D([], [], label=legend_text(label) + ("" if stable else ", of unstable"), **_style(label, stable))
        for label, stable in sorted(kinds, key=lambda kind: not kind[1])
    ]
    handles += marker_handles(seen)
    ax.set_xlabel(plain(free[0]), fontsize=size)
    ax.set_ylabel(plain(free[1]), fontsize=size)
    if where != "none":
        add_legend(ax, handles, where, SMALL if own else None)
    return ax


def _checked(curves: Any) -> list[CriticalCurve]:
    items = [curves] if isinstance(curves, CriticalCurve) else curves
    if not isinstance(items, Sequence) or not items or not all(isinstance(item, CriticalCurve) for item in items):
        got = type(curves).__name__
        msg = f"curves: got {got}; give curves in two parameters, nc.continuation(model, point, free=('a', 'b'), ...)"
        raise InputError(msg)
    for item in items[1:]:
        if set(item.free) != set(items[0].free):
            msg = f"curves: one is in {items[0].free} and another in {item.free}; draw those of the same two"
            raise InputError(msg)
    return list(items)


def _heat_values(heat: Any, signature: str, free: tuple[str, str]) -> Real:
    if not isinstance(heat, ParameterPlane):
        msg = f"heat: got {type(heat).__name__}; give nc.ntk.parameter_plane(model, x0, kernel, free=..., p_span=...)"
        raise InputError(msg)
    if set(heat.free) != set(free):
        msg = f"heat: it is in {heat.free}, the curves are in {free}; evaluate it in the same two parameters"
        raise InputError(msg)
    if signature not in heat.names:
        raise unknown_name(argument="signature", got=signature, allowed=heat.names)
    values = np.real(heat[signature]).astype(float)
    return np.where(heat.n_unstable < 0, np.nan, values)


def _draw_heat(ax: Axes, heat: ParameterPlane, values: Real, name: str, colors: Any, *, own: bool, flip: bool) -> None:
    norm, cmap = colors
    values = np.where(np.isfinite(values), values, np.nan)
    automatic, extend = color_norm(values.ravel(), np.ones(values.size))
    x, y = (_edges(nodes, name in heat.log) for name, nodes in zip(heat.free, heat.p, strict=True))
    x, y = (y, x) if flip else (x, y)
    mesh = ax.pcolormesh(
        x, y, np.ma.masked_invalid(values.T if flip else values), shading="flat", norm=norm or automatic,
        cmap=colormap_named(cmap), rasterized=True, zorder=1,
    )  # fmt: skip
    mesh.set_gid("heat")
    bar = figure_of(ax).colorbar(mesh, ax=ax, extend=extend if norm is None else "neither", pad=0.02, aspect=30)
    bar.set_label(title_of(name), fontsize=FONT if own else None)
    if name == "n_unstable":
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
    if own:
        bar.ax.tick_params(labelsize=SMALL, width=0.8, length=3.0)
        bar.outline.set_linewidth(0.6)  # type: ignore[operator]


def _edges(nodes: Real, log: bool) -> Real:
    """Return the edges of cells around the nodes of a grid; the outermost do not reach beyond zero."""
    at = np.log(nodes) if log else nodes
    middle = 0.5 * (at[1:] + at[:-1])
    edges = np.concatenate([[2.0 * at[0] - middle[0]], middle, [2.0 * at[-1] - middle[-1]]])
    if nodes[0] > 0.0 and not log:
        edges[0] = max(edges[0], 0.5 * nodes[0])
    return np.exp(edges) if log else edges


def _style(label: str, stable: bool) -> dict[str, Any]:
    if label == "NSad":
        return {"color": "0.45", "linestyle": ":", "linewidth": _THIN}
    style = {"linestyle": "-", "linewidth": _WIDTH} if stable else {"linestyle": "--", "linewidth": _THIN}
    return {"color": marker_of(label).color, **style}


def _pieces(curve: CriticalCurve, free: tuple[str, str]) -> list[Piece]:
    """Cut a curve where its kind or stability changes: at the point of codimension two there, if one is located.

    Those are vertices, so that a cusp is drawn to its tip.
    """
    inner = [point for point in curve.special_points if point.label != "EP"]
    s = np.concatenate([curve.s, [point.s for point in inner]])
    regular = np.arange(len(s)) < len(curve)
    order = np.lexsort((~regular, s))
    columns = []
    for name in free:
        special = np.array([point.params[name] for point in inner], dtype=float)
        columns.append(np.concatenate([curve[name], special])[order])
    x, y = columns
    kinds: list[tuple[str, bool] | None] = [
        (str(curve.labels[i]), bool(curve.n_unstable[i] == 0)) if i < len(curve) else None for i in order
    ]
    pieces, start, current, last_special = [], 0, None, None
    for i, kind in enumerate(kinds):
        if kind is None:
            last_special = i
            continue
        if current is not None and kind != current:
            cut = last_special if last_special is not None and last_special > start else i - 1
            pieces.append(Piece(*current, x[start : cut + 1], y[start : cut + 1]))
            start = cut
        current, last_special = kind, None
    if current is not None:
        pieces.append(Piece(*current, x[start:], y[start:]))
    return pieces


def _draw_points(
    ax: Axes, curve: CriticalCurve, free: tuple[str, str], tags: NameTags, size: float | None, *, names: bool
) -> list[str]:
    seen = []
    for point in curve.special_points:
        if point.label == "EP":
            continue
        x, y = (point.params[name] for name in free)
        style = marker_style(point.label)
        seen.append(point.label)
        to_frame = ax.transScale + ax.transLimits
        if any(
            np.all(np.abs(to_frame.transform(marker[:2]) - to_frame.transform((x, y))) < 1e-6)
            for marker in tags.markers
        ):
            continue  # found on two curves that meet there
        (art,) = ax.plot([x], [y], linestyle="none", zorder=5, **style)
        art.set_gid(point.name)
        tags.markers.append((x, y, style["markersize"]))
        if names:
            tags.add(point.name, x, y, style["markersize"], fontsize=SMALL if size is not None else None)
    return seen


def _limits(ax: Axes, curves: list[CriticalCurve], heat: ParameterPlane | None, free: tuple[str, str]) -> None:
    """Show the spans of the curves, or the grid of the heat map."""
    if heat is not None:
        axes = dict(zip(heat.free, heat.p, strict=True))
        spans = [(float(axes[name][0]), float(axes[name][-1])) for name in free]
    else:
        known = [dict(zip(c.free, c.provenance["p_span"], strict=True)) for c in curves if "p_span" in c.provenance]
        if not known:
            return
        spans = [(min(each[name][0] for each in known), max(each[name][1] for each in known)) for name in free]
    ax.set_xlim(*spans[0])
    ax.set_ylim(*spans[1])
