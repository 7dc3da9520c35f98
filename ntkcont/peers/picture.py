"""Both diagrams of a comparison in one picture: ntkcont's lines on top of the other program's wide pale ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ntkcont.plot.diagram import bifurcation_diagram
from ntkcont.plot.figure import FONT, SMALL, add_legend, figure_of, line_handles, marker_handles, new_figure
from ntkcont.plot.labels import NameTags
from ntkcont.plot.quantities import plain

if TYPE_CHECKING:
    from ntkcont.peers.report import Comparison

_STABLE, _UNSTABLE, _ONLY, _CYCLES = "#56B4E9", "#F0C080", "#CC3311", "#AA3377"
_WIDE = 4.5


def draw(report: Comparison, ax: Axes | None = None, y: str | None = None) -> Axes:
    """Draw both diagrams of a comparison.

    Parameters
    ----------
    report : Comparison
        From ``nc.compare``.
    ax : matplotlib.axes.Axes, optional
        Where; default a new figure.
    y : str, optional
        State on the vertical axis; default the first that changes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    branch = report.branch
    moving = np.ptp(branch.x, axis=0) > 1e-9 * (1.0 + np.abs(branch.x).max(axis=0))
    index = branch.states.index(y) if y is not None else int(np.argmax(moving))
    own = ax is None
    ax = new_figure(6.2, 4.4)[1][0] if ax is None else ax
    handles = _peer_lines(report, ax, index)
    bifurcation_diagram(branch, y=branch.states[index], ax=ax, legend=False)
    stable = np.asarray(branch.stable)
    ours = line_handles(bool(stable.any()), bool((~stable).any()))
    for handle in ours:
        handle.set_label(f"ntkcont, {handle.get_label()}")
    special = marker_handles([q.label for q in branch.special_points if q.label != "EP"])
    handles = [*ours, *handles, *special, *_only_peer(report, ax, index)]
    ax.set_xlabel(plain(branch.free), fontsize=FONT if own else None)
    ax.set_ylabel(plain(branch.states[index]), fontsize=FONT if own else None)
    add_legend(ax, handles, "top", SMALL if own else None)
    return ax


def _peer_lines(report: Comparison, ax: Axes, index: int) -> list[Line2D]:
    """Draw the other program's curve and cycles; return the legend entries."""
    seen: dict[str, Line2D] = {}
    wide: dict[str, Any] = {"linewidth": _WIDE, "solid_capstyle": "butt", "zorder": 1}

    def line(x: Any, y: Any, label: str, **style: Any) -> None:
        (drawn,) = ax.plot(x, y, **style)
        seen.setdefault(label, Line2D([], [], color=drawn.get_color(), linewidth=min(drawn.get_linewidth(), 5.0)))
        seen[label].set_label(label)

    special = [point.p for point in report.peer.special_points]
    for p, x, stable in report.peer.sides:
        segments = stable[:-1].copy()
        for i in np.flatnonzero(np.isin(p[:-1], special)):  # stability is undecided there: what follows decides
            segments[i] = stable[i + 1]
        for start, stop in _runs(segments):
            says = "stable" if segments[start] else "unstable"
            color = _STABLE if segments[start] else _UNSTABLE
            line(p[start : stop + 1], x[start : stop + 1, index], f"{report.peer_name}, {says}", color=color, **wide)
    for family in report.peer.cycles:
        for side in (family.high, family.low):
            label = f"{report.peer_name}, limit cycles"
            line(family.p, side[:, index], label, color=_CYCLES, linewidth=1.2, zorder=1.5)
            NameTags.of(ax).curves.append((family.p, side[:, index]))
    order = ("stable", "unstable", "limit cycles")
    return sorted(seen.values(), key=lambda handle: order.index(str(handle.get_label()).split(", ")[-1]))


def _runs(stable: Any) -> list[tuple[int, int]]:
    """Return the runs of equal values as (first, one after the last)."""
    if not len(stable):
        return []
    cuts = [0, *(np.flatnonzero(np.diff(stable.astype(int))) + 1).tolist(), len(stable)]
    return [(int(a), int(b)) for a, b in itertools.pairwise(cuts)]


def _only_peer(report: Comparison, ax: Axes, index: int) -> list[Line2D]:
    """Mark what the other program alone reports; return the legend entry."""
    if not report.only_peer:
        return []
    tags = NameTags.of(ax)
    style: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 10.0,
        "markerfacecolor": "none",
        "markeredgecolor": _ONLY,
        "markeredgewidth": 1.3,
    }
    for one in report.only_peer:
        height = float(one.point.x[index])
        ax.plot([one.p], [height], zorder=6, **style)
        tags.markers.append((one.p, height, 10.0))
        tags.add(f"{one.name} ({report.peer_name})", one.p, height, 10.0, fontsize=SMALL, color=_ONLY)
    return [Line2D([], [], label=f"only {report.peer_name}", **style)]


def save_picture(report: Comparison, path: Path) -> None:
    """Write the picture of a comparison, without a screen and without keeping the figure."""
    from matplotlib import pyplot

    ax = draw(report)
    figure = figure_of(ax)
    title = figure.suptitle(f"{report.title}: ntkcont and {report.peer_name}", fontsize=FONT)
    title.set_in_layout(True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
