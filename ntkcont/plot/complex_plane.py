"""Eigenvalues in the complex plane along a branch."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.plot.diagram import colormap_named
from ntkcont.plot.figure import (
    FONT,
    SMALL,
    add_legend,
    check_axes,
    figure_of,
    marker_handles,
    marker_style,
    new_figure,
)
from ntkcont.plot.labels import NameTags, as_one
from ntkcont.plot.quantities import as_branches, in_decades, plain
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint

_MOST_DOTS = 200_000


def spectrum(
    branch: Branch, ax: Axes | None = None, *, cmap: str | Colormap | None = None, legend: str = "top"
) -> Axes:
    """Draw the eigenvalues along the branch in the complex plane, coloured by the free parameter.

    The stability boundary is drawn as well: the imaginary axis for flows, the unit circle for maps (whose eigenvalues
    are multipliers); the unstable side is shaded. Special points are marked at their critical eigenvalues.

    Parameters
    ----------
    branch : Branch
        With eigenvalues (rows of nan, where none were computed, are left out).
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure, 4.8 x 3.9 inches.
    cmap : str or matplotlib.colors.Colormap, optional
        Colour map, default viridis without its lightest end.
    legend : {"top", "right", "best", "none"}
        Where the legend of the markers goes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the branch holds no eigenvalues.

    Examples
    --------
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 1.2], [1.2, 0.0]])
    >>> branch = nc.continuation(net, [0.0, 0.0], free="gain", p_span=(0.5, 1.5))
    >>> ax = nc.plot.spectrum(branch)
    """
    branches = as_branches(branch)
    if len(branches) != 1:
        msg = f"branch: {len(branches)} were given; give one"
        raise InputError(msg)
    branch = branches[0]
    rows = np.flatnonzero(np.isfinite(branch.eigenvalues).any(axis=1))
    if not len(rows):
        msg = "branch: it holds no eigenvalues; run the continuation with ContinuationSettings(eigenvalues='all')"
        raise InputError(msg)
    own = ax is None
    ax = new_figure(4.8, 3.9)[1][0] if ax is None else check_axes(ax)
    rows = rows[:: max(1, int(np.ceil(len(rows) * branch.n / _MOST_DOTS)))]
    values = branch.eigenvalues[rows].ravel()
    norm = (LogNorm if in_decades(branches, branch.free, branch.p) else Normalize)(branch.p.min(), branch.p.max())
    colormap = colormap_named(cmap)
    dots = ax.scatter(
        values.real,
        values.imag,
        c=np.repeat(branch.p[rows], branch.n),
        s=5.0 if branch.n <= 20 else 2.0,
        norm=norm,
        cmap=colormap,
        linewidths=0.0,
        zorder=2,
        rasterized=len(values) > 20_000,
    )
    dots.set_gid("eigenvalues")
    skipped = ("EP", "UZ", "NSad")  # nothing lies on the boundary there
    special = [(point, _critical(point)) for point in branch.special_points if point.label not in skipped]
    marked = np.concatenate([z for _, z in special]) if special else np.zeros(0, complex)
    _frame(ax, branch, np.concatenate([values, marked]))
    tags = NameTags.of(ax)
    thinned = values[:: max(1, len(values) // 20_000)]
    tags.dots.append((thinned.real, thinned.imag))
    for point, critical in special:
        style = marker_style(point.label)
        for z in critical:
            (art,) = ax.plot([z.real], [z.imag], linestyle="none", zorder=5, **style)
            art.set_gid(point.name)
            tags.markers.append((float(z.real), float(z.imag), style["markersize"]))
    for name, z, style in _merged_names(special):
        tags.add(name, z.real, z.imag, style["markersize"], fontsize=SMALL if own else None)
    size = FONT if own else None
    what = "multiplier" if branch.kind == "map" else "eigenvalue"
    ax.set_xlabel(f"real part of the {what}", fontsize=size)
    ax.set_ylabel(f"imaginary part of the {what}", fontsize=size)
    bar = figure_of(ax).colorbar(ScalarMappable(norm, colormap), ax=ax, pad=0.02, aspect=30)
    bar.set_label(plain(branch.free), fontsize=size)
    if own:
        bar.ax.tick_params(labelsize=SMALL, width=0.8, length=3.0)
        bar.outline.set_linewidth(0.6)  # type: ignore[operator]
    if legend != "none":
        add_legend(ax, marker_handles([point.label for point, _ in special]), legend, SMALL if own else None)
    return ax


def _critical(point: SpecialPoint) -> NDArray[np.complex128]:
    """Return the eigenvalues that make the point special: nearest to where its label says they are."""
    z = point.eigenvalues[np.isfinite(point.eigenvalues)]
    if not len(z):
        return z
    is_map = point.kind == "map"
    if point.label in ("H", "NS") and point.omega is not None:
        target = np.exp(1j * point.omega) if is_map else 1j * point.omega
        nearest = z[np.argmin(np.abs(z - target))]
        return np.array([nearest, nearest.conjugate()])
    target = (-1.0 if point.label == "PD" else 1.0) if is_map else 0.0
    nearest = z[np.argsort(np.abs(z - target))]
    return nearest[: max(1, point.multiplicity)]


def _merged_names(
    special: list[tuple[SpecialPoint, NDArray[np.complex128]]],
) -> list[tuple[str, complex, dict[str, Any]]]:
    """One name tag for the special points of a kind that lie on each other: all folds are at 0."""
    merged: list[tuple[list[str], complex, str]] = []
    for point, critical in special:
        z = complex(critical[np.argmax(critical.imag)])
        for names, place, label in merged:
            if label == point.label and abs(z - place) <= 1e-6 * (1.0 + abs(z)):
                names.append(point.name)
                break
        else:
            merged.append(([point.name], z, point.label))
    return [(as_one(names), z, marker_style(label)) for names, z, label in merged]


def _frame(ax: Axes, branch: Branch, values: NDArray[np.complex128]) -> None:
    """Limits around the eigenvalues and the boundary; the boundary itself and the shaded unstable side."""
    values = values[np.isfinite(values)]
    is_map = branch.kind == "map"
    low = np.array([min(values.real.min(), 0.0), values.imag.min()])
    high = np.array([max(values.real.max(), 0.0), values.imag.max()])
    if is_map:
        low, high = np.minimum(low, -1.0), np.maximum(high, 1.0)
    if high[1] - low[1] <= 1e-9 * (high[0] - low[0]):  # all real: no range of its own
        half = 0.25 * max(float(high[0] - low[0]), 1e-12)
        low[1], high[1] = -half, half
    margin = np.maximum(0.06 * (high - low), 1e-12)
    low, high = low - margin, high + margin
    shade = {"color": "#D55E00", "alpha": 0.07, "linewidth": 0.0, "zorder": 0}
    if is_map:
        angle = np.linspace(0.0, 2.0 * np.pi, 361)
        NameTags.of(ax).curves.append((np.cos(angle), np.sin(angle)))
        ax.plot(np.cos(angle), np.sin(angle), color="0.35", linewidth=0.8, zorder=1, gid="boundary")
        ax.set_aspect("equal", adjustable="datalim")
        far = 10.0 * float(np.max(np.abs([low, high])))
        x = np.concatenate([np.cos(angle), far * np.array([1, 1, -1, -1, 1, 1])])
        y = np.concatenate([np.sin(angle), far * np.array([0, -1, -1, 1, 1, 0])])
        ax.add_artist(Polygon(np.column_stack([x, y]), **shade))  # an artist, so that it does not count for the limits
    else:
        ax.axvline(0.0, color="0.35", linewidth=0.8, zorder=1, gid="boundary")
        ax.axvspan(0.0, max(10.0 * high[0], 1e-9), **shade)
    ax.axhline(0.0, color="0.8", linewidth=0.6, zorder=0.5)
    if is_map:  # the aspect adapts limits that are not fixed
        ax.update_datalim([tuple(low), tuple(high)])
        ax.margins(0.0)
        ax.autoscale_view()
        return
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
