"""Axes and figures: made where none was given, in print sizes, without touching rcParams."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
)
from matplotlib.transforms import Bbox

from ntkcont.errors import InputError
from ntkcont.plot.curves import STABLE_WIDTH, UNSTABLE_WIDTH
from ntkcont.plot.markers import legend_text, marker_of

FONT = 9.0  # points: readable in print at the sizes below
SMALL = 8.0

_STRIDES = (1, 2, 3, 4, 5, 10, 20, 30, 50, 100, 200)  # decades between labels


def new_figure(width: float, height: float, rows: int = 1, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` times `height` inches with one column of axes, in print style."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, 1, figsize=(width, height), layout="constrained", squeeze=False, **kwargs)
    column = list(axes[:, 0])
    for ax in column:
        print_style(ax)
    return figure, column


def print_style(ax: Axes) -> None:
    """Thin open frame, small outward ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set_linewidth(0.8)
    ax.tick_params(labelsize=SMALL, width=0.8, length=3.0)
    ax.tick_params(which="minor", width=0.5, length=1.8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_fontsize(SMALL)


class Decades(Locator):
    """Every power of ten, or every second, third, ..., so that their labels have room; 1 is among them if it is shown.

    `between`: powers that have no label instead, or the multiples 2 to 9 where all have one.
    """

    def __init__(self, *, between: bool = False) -> None:
        self.between = between

    def __call__(self) -> Any:
        """Return the places for the present limits and size of the axis."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the places between two limits."""
        assert isinstance(self.axis, Axis)
        low, high = np.log10(sorted((max(vmin, 1e-320), max(vmax, 1e-320))))
        reach = 1e-9 * max(1.0, high - low)
        powers = np.arange(np.ceil(low - reach), np.floor(high + reach) + 1.0)
        room = max(2, min(self.axis.get_tick_space(), 9))
        step = next((s for s in _STRIDES if np.sum(powers % s == 0.0) <= room), _STRIDES[-1])
        if not self.between:
            return 10.0 ** powers[powers % step == 0.0]
        if step > 1:
            return 10.0 ** powers[(powers % step != 0.0) & (powers % max(1, step // 5) == 0.0)]
        inside = np.outer(10.0 ** np.arange(np.floor(low), np.ceil(high)), np.arange(2.0, 10.0)).ravel()
        return inside[(inside >= 10.0**low) & (inside <= 10.0**high)]


def log_scale(ax: Axes, which: Literal["x", "y"] = "y") -> None:
    """Make an axis logarithmic, with so few labels that they have room, also within one decade.

    Powers of ten where at least two lie in the range, else multiples 1, 2, 5 of them, else round numbers.
    """
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = sorted(axis.get_view_interval())
    axis.set_minor_formatter(NullFormatter())
    for subs in ((1.0,), (1.0, 2.0, 5.0)):
        inside = [
            sub * 10.0**k
            for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for sub in subs
            if low <= sub * 10.0**k <= high
        ]
        if len(inside) >= 2:
            if len(subs) > 1:
                axis.set_major_locator(LogLocator(subs=subs))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            else:
                axis.set_major_locator(Decades())
                axis.set_minor_locator(Decades(between=True))
            return
    axis.set_major_locator(MaxNLocator(nbins=4))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_locator(NullLocator())


def check_axes(ax: Any) -> Axes:
    """Return `ax` if it is an Axes, else raise InputError."""
    if not isinstance(ax, Axes):
        msg = f"ax: got {type(ax).__name__}; give one matplotlib Axes, or None for a new figure"
        raise InputError(msg)
    return ax


def figure_of(ax: Axes) -> Figure:
    """Return the top figure of the axes."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def line_handles(stable: bool, unstable: bool, color: Any = "black") -> list[Line2D]:
    """Return legend entries for the line styles that were drawn."""
    handles = []
    if stable:
        handles.append(Line2D([], [], color=color, linestyle="-", linewidth=STABLE_WIDTH, label="stable"))
    if unstable:
        handles.append(Line2D([], [], color=color, linestyle="--", linewidth=UNSTABLE_WIDTH, label="unstable"))
    return handles


def marker_handles(labels: list[str]) -> list[Line2D]:
    """Return legend entries for the kinds of special points that were drawn, each once."""
    return [
        Line2D([], [], linestyle="none", label=legend_text(label), **marker_style(label))
        for label in dict.fromkeys(labels)
    ]


def marker_style(label: str) -> dict[str, Any]:
    """Return the keywords of ``Axes.plot`` for one special point."""
    marker = marker_of(label)
    line_like = marker.shape in ("|", "x", "+")
    return {
        "marker": marker.shape,
        "markersize": marker.size,
        "markerfacecolor": marker.color,
        "markeredgecolor": marker.color if line_like else "black",
        "markeredgewidth": 1.2 if line_like else 0.7,
    }


def hollow_style(label: str) -> dict[str, Any]:
    """Return the keywords of ``Axes.plot`` for a doubtful place: the marker without its face, in its colour."""
    marker = marker_of(label)
    line_like = marker.shape in ("|", "x", "+")
    return {
        "marker": marker_of("").shape if line_like else marker.shape,  # lines have no face to leave out
        "markersize": marker.size + 1.0,
        "markerfacecolor": "none",
        "markeredgecolor": "black" if marker.color == "#FFFFFF" else marker.color,
        "markeredgewidth": 1.2,
    }


def hollow_handles(labels: list[str]) -> list[Line2D]:
    """Return legend entries for the kinds of doubtful places that were drawn, each once."""
    return [
        Line2D([], [], linestyle="none", label=f"doubtful {label}".rstrip(" ?"), **hollow_style(label))
        for label in dict.fromkeys(labels)
    ]


class TopLegend(Legend):
    """A legend above the axes, and above their title and the exponent of the vertical axis if they have any."""

    def get_bbox_to_anchor(self) -> Bbox:
        """Return the line, in pixels, on which the legend stands."""
        ax = self.parent
        assert isinstance(ax, Axes)
        figure = figure_of(ax)
        texts = [ax.title, ax.yaxis.get_offset_text()]
        tops = [text.get_window_extent().y1 for text in texts if text.get_visible() and text.get_text()]
        height = max([ax.bbox.y1, *tops]) + 4.0 * figure.dpi / 72.0
        return Bbox([[ax.bbox.x0, height], [ax.bbox.x1, height]])


def add_legend(ax: Axes, handles: list[Line2D], where: str, fontsize: float | None) -> None:
    """Put a legend above the axes (in as many columns as fit), to their right, or where matplotlib finds room.

    Never an empty one.
    """
    if not handles:
        return
    if where == "best":
        ax.legend(handles=handles, fontsize=fontsize, framealpha=0.9)
        return
    options: dict[str, Any] = {"frameon": False, "fontsize": fontsize, "borderaxespad": 0.0, "handletextpad": 0.5}
    if where == "right":
        options |= {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "labelspacing": 0.35}
        ax.legend(handles=handles, **options)
        return
    options |= {"loc": "lower left", "columnspacing": 1.2, "labelspacing": 0.3}
    figure_of(ax).draw_without_rendering()  # fixes the width that a colour bar leaves
    room = ax.get_window_extent().width
    for columns in range(len(handles), 0, -1):
        legend = ax.legend(handles=handles, ncols=columns, **options)
        legend.__class__ = TopLegend  # made by the axes, so that ax.get_legend() and legend.remove() know it
        if columns == 1 or legend.get_window_extent().width <= room:
            return
