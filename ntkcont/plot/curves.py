"""Curves that are solid where stable and dashed where unstable, in one colour or coloured by a quantity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from ntkcont.results.branch import Branch
from ntkcont.results.columns import on_special_points

Real = NDArray[np.float64]

STABLE_WIDTH = 1.6
UNSTABLE_WIDTH = 1.2
DASH = (3.7, 1.6)  # matplotlib's "--", in units of the line width
_MOST_DASHES = 20_000


class Run(NamedTuple):
    """A piece of constant stability: m vertices, and one colour value per interval (m - 1) or None."""

    x: Real
    y: Real
    stable: bool
    values: Real | None


def runs_through(
    branch: Branch, x: Real, y: Real, values: Real | None = None, breaks: NDArray[np.bool_] | None = None
) -> list[Run]:
    """Cut a curve over the points of a branch into runs of constant stability.

    `breaks`, shape (k - 1,): intervals that are left out because the quantity jumps there (only without `values`).
    """
    runs = []
    for rows, stable in branch.segments():
        u, v = x[rows], y[rows]
        if breaks is not None:
            gaps = np.flatnonzero(breaks[rows.start : rows.stop - 1]) + 1
            u, v = np.insert(u, gaps, np.nan), np.insert(v, gaps, np.nan)
        runs.append(Run(u, v, stable, None if values is None else _per_interval(values[rows])))
    return runs


def runs_with_specials(
    branch: Branch, points: tuple[Real, Real], special: tuple[Real, Real], values: Real | None = None
) -> list[Run]:
    """Cut a curve into runs of constant stability, with the located special points as vertices.

    So that a fold is drawn to its tip and a change of stability where it happens. An interval has the stability of the
    point of the branch at its end; between two points, or two special points, it is stable if both sides are.
    """
    specials = np.array([point.s for point in branch.special_points])
    keep = np.isfinite(special[0]) & np.isfinite(special[1])
    keep &= (specials > branch.s[0]) & (specials < branch.s[-1])
    count = int(np.count_nonzero(keep))
    inside = [point for point, kept in zip(branch.special_points, keep, strict=True) if kept]
    located = on_special_points(branch, inside)  # their own stability flag says nothing

    s = np.concatenate([branch.s[~located], specials[keep]])
    order = np.argsort(s, kind="stable")
    x, y = (np.concatenate([a[~located], b[keep]])[order] for a, b in zip(points, special, strict=True))
    regular = np.concatenate([np.ones(len(s) - count, bool), np.zeros(count, bool)])[order]
    flags = np.concatenate([branch.stable[~located], np.zeros(count, bool)])[order]
    if not regular.any():
        return [Run(x, y, bool(branch.stable.all()), None if values is None else np.zeros(max(0, len(x) - 1)))]
    if len(s) < 2:
        return [Run(x, y, bool(flags.all()), None if values is None else np.zeros(0))]

    index = np.arange(len(s))
    before = np.maximum.accumulate(np.where(regular, index, 0))[:-1]
    after = np.minimum.accumulate(np.where(regular, index, len(s) - 1)[::-1])[::-1][1:]
    before_only, after_only = regular[:-1] & ~regular[1:], ~regular[:-1] & regular[1:]
    stable = np.where(before_only, flags[before], np.where(after_only, flags[after], flags[before] & flags[after]))
    inner = None
    if values is not None:
        finite = np.isfinite(values)
        at_special = np.full(count, np.nan)
        if finite.any():
            at_special = np.interp(specials[keep], branch.s[finite], values[finite])
        inner = _per_interval(np.concatenate([values[~located], at_special])[order])
    cuts = np.flatnonzero(np.diff(stable)) + 1
    runs = []
    for a, b in zip([0, *cuts], [*cuts, len(stable)], strict=True):
        runs.append(Run(x[a : b + 1], y[a : b + 1], bool(stable[a]), None if inner is None else inner[a:b]))
    return runs


def _per_interval(values: Real) -> Real:
    left, right = values[:-1], values[1:]
    middle = 0.5 * (left + right)
    middle = np.where(np.isnan(left), right, middle)
    return np.where(np.isnan(right), left, middle)


class ColoredCurve(LineCollection):
    """A curve coloured interval by interval, with dashes that run on across the intervals.

    A plain LineCollection starts its dash pattern anew in each interval, which on a branch of many short steps gives a
    solid line. The dashes are cut when the curve is drawn, so they keep their length when one zooms.
    """

    def __init__(
        self, x: Real, y: Real, values: Real, *, dashed: bool, norm: Normalize, cmap: Colormap, **kwargs: Any
    ) -> None:
        vertices = np.column_stack([x, y])
        segments = np.stack([vertices[:-1], vertices[1:]], axis=1)
        keep = np.isfinite(segments).all(axis=(1, 2))
        width = UNSTABLE_WIDTH if dashed else STABLE_WIDTH
        super().__init__(list(segments[keep]), norm=norm, cmap=cmap, linewidths=width, capstyle="round", **kwargs)
        self.set_array(np.ma.masked_invalid(values[keep]))
        self.dashed = dashed

    def draw(self, renderer: Any) -> None:
        """Draw the curve; dashed ones through a collection of their dashes in pixels."""
        if not self.dashed or not self.get_visible() or not len(self.get_segments()):
            super().draw(renderer)
            return
        dashes, values = self._dashes(renderer.points_to_pixels(float(np.atleast_1d(self.get_linewidth())[0])))
        art = LineCollection(
            dashes,
            colors=self.to_rgba(values),
            linewidths=self.get_linewidth(),
            capstyle="butt",
            transform=IdentityTransform(),
            alpha=self.get_alpha(),
        )
        figure = self.get_figure()
        assert figure is not None
        art.set_figure(figure)
        art.set_clip_box(self.get_clip_box())
        art.set_clip_path(self.get_clip_path())
        art.draw(renderer)
        self.stale = False

    def _dashes(self, width: float) -> tuple[list[Real], Any]:
        """Cut the curve into dashes; `width` in pixels. Returns their vertices in pixels and one value for each."""
        segments = np.asarray(self.get_segments())
        pixels = self.get_transform().transform(segments.reshape(-1, 2)).reshape(-1, 2, 2)
        good = np.isfinite(pixels).all(axis=(1, 2))
        values = np.ma.filled(np.ma.asarray(self.get_array()), np.nan)[good]
        pixels = pixels[good]
        if not len(pixels):
            return [], np.ma.masked_invalid(values)
        lengths = np.linalg.norm(pixels[:, 1] - pixels[:, 0], axis=1)
        path = np.concatenate([[0.0], np.cumsum(lengths)])
        corners = np.concatenate([pixels[:1, 0], pixels[:, 1]])
        on, off = DASH[0] * width, DASH[1] * width
        stretch = max(1.0, path[-1] / (on + off) / _MOST_DASHES)  # a deep zoom makes the path millions of pixels long
        starts = np.arange(0.0, max(path[-1], 1e-9), (on + off) * stretch)
        stops = np.minimum(starts + on * stretch, path[-1])
        dashes = []
        for a, b in zip(starts, stops, strict=True):
            inside = corners[np.searchsorted(path, a, side="right") : np.searchsorted(path, b)]
            ends = [[np.interp(t, path, corners[:, 0]), np.interp(t, path, corners[:, 1])] for t in (a, b)]
            dashes.append(np.vstack([ends[:1], inside, ends[1:]]))
        index = np.clip(np.searchsorted(path, 0.5 * (starts + stops), side="right") - 1, 0, len(values) - 1)
        return dashes, np.ma.masked_invalid(values[index])


def draw_runs(
    ax: Axes,
    runs: list[Run],
    *,
    color: Any = "black",
    norm: Normalize | None = None,
    cmap: Colormap | None = None,
    scale: float = 1.0,
    **kwargs: Any,
) -> list[Line2D | ColoredCurve]:
    """Draw runs as plain lines (widths times `scale`), or coloured where they carry values; returns the artists."""
    artists: list[Line2D | ColoredCurve] = []
    for run in runs:
        if len(run.x) < 1:
            continue
        if run.values is None or norm is None or cmap is None:
            style, width = ("-", STABLE_WIDTH) if run.stable else ("--", UNSTABLE_WIDTH)
            (line,) = ax.plot(run.x, run.y, linestyle=style, linewidth=scale * width, color=color, **kwargs)
            line.set_gid("stable" if run.stable else "unstable")
            artists.append(line)
        elif len(run.x) > 1:
            curve = ColoredCurve(run.x, run.y, run.values, dashed=not run.stable, norm=norm, cmap=cmap, **kwargs)
            curve.set_gid("stable" if run.stable else "unstable")
            ax.add_collection(curve)
            artists.append(curve)
    ax.autoscale_view()
    return artists


def color_norm(values: Real, weights: Real, decades: float = 2.0) -> tuple[Normalize, str]:
    """Return a norm for the finite values, logarithmic where they span `decades`, and how the colour bar extends.

    The limits leave out the outermost percent of the length (`weights`) at an end where it lies far outside: a
    diverging signature would otherwise use up the scale for a stretch too short to be seen.
    """
    known = np.isfinite(values)
    finite, weights = values[known], weights[known]
    if not len(finite):
        return Normalize(0.0, 1.0), "neither"
    low, high = float(finite.min()), float(finite.max())
    log = low > 0 and high / low >= 10**decades
    measure = np.log(finite) if log else finite
    order = np.argsort(measure)
    share = np.cumsum(weights[order]) / max(float(np.sum(weights)), 1e-300)
    a, b = np.interp([0.01, 0.99], share, measure[order])
    reach = 0.1 * (b - a)
    if reach > 0 and measure.min() < a - reach:
        low = float(np.exp(a)) if log else float(a)
    if reach > 0 and measure.max() > b + reach:
        high = float(np.exp(b)) if log else float(b)
    below, above = bool(finite.min() < low), bool(finite.max() > high)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    if not log and high - low <= 1e-12 * max(abs(low), abs(high)):
        half = 0.5 * max(abs(low), 1.0) * 1e-3
        low, high = low - half, high + half
    return (LogNorm(low, high) if log else Normalize(low, high)), extend
