"""Names beside markers that never cover each other: positions are chosen in pixels each time the figure is drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

Real = NDArray[np.float64]

_DIRECTIONS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)], dtype=float)
_GAPS = (2.0, 5.0, 9.0, 14.0, 20.0, 27.0, 36.0)  # points between marker and text
_CANDIDATES = np.tile(_DIRECTIONS, (len(_GAPS), 1))
_CANDIDATE_GAPS = np.repeat(_GAPS, len(_DIRECTIONS))
# a diagonal gap is shorter along each axis
_REACH = _CANDIDATES * np.where(_CANDIDATES.all(axis=1), 0.72, 1.0)[:, None]
_RANKS = np.tile(np.arange(len(_DIRECTIONS)), len(_GAPS))
_LEADER_FROM = 9.0  # from this gap on a thin line joins the two
_PAD = 1.0
_TOGETHER = 4.0  # names of markers closer than this, in points, are written as one
_MOST_ROWS = 6


class NameTags(Artist):
    """Keeps the names of special points clear of each other, of markers, of the curves and of the frame.

    One for each axes; it draws nothing itself.  Markers that cover each other have one text, such as "NS1-NS3".  Where
    there is no free place left a name is hidden (its marker stays).
    """

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        self.set_zorder(-1000)  # before everything that it moves
        self.set_in_layout(False)
        self.host = ax
        self.tags: list[Annotation] = []
        self.names: list[str] = []
        self.markers: list[tuple[float, float, float]] = []  # data x, data y, size in points
        self.curves: list[tuple[Real, Real]] = []
        self.dots: list[tuple[Real, Real]] = []
        ax.add_artist(self)

    @classmethod
    def of(cls, ax: Axes) -> NameTags:
        """Return the one of these axes, made on first use."""
        found = [artist for artist in ax.get_children() if isinstance(artist, cls)]
        return found[0] if found else cls(ax)

    def add(self, text: str, x: float, y: float, size: float, **kwargs: Any) -> Annotation:
        """Add a name for the marker of `size` points at (x, y) in data coordinates."""
        tag = self.host.annotate(
            text,
            (x, y),
            xytext=(0.0, 12.0),
            textcoords="offset points",
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "0.35", "shrinkA": 0.0, "shrinkB": 0.5 * size},
            annotation_clip=True,
            zorder=6,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],  # readable over trajectories
            **kwargs,
        )
        tag.set_in_layout(False)
        self.tags.append(tag)
        self.names.append(text)
        return tag

    def draw(self, renderer: Any) -> None:
        """Choose the positions; called by matplotlib before the names are drawn."""
        self.place(renderer)
        self.stale = False

    def place(self, renderer: Any) -> None:
        """Choose the position of every name for the current size and limits of the axes."""
        ax = self.host
        if not self.tags:
            return
        scale = renderer.points_to_pixels(1.0)
        to_pixels = ax.transData.transform
        frame = ax.get_window_extent(renderer).padded(-1.0)
        crowd = self._curve_pixels(frame, 2.0 * scale)
        taken, centers = [], []
        for x, y, size in self.markers:
            (u, v), r = to_pixels((x, y)), 0.5 * (size + 1.0) * scale
            if np.isfinite([u, v]).all():
                taken.append((u - r, v - r, u + r, v + r))
                centers.append((u, v))
        sizes = {(x, y): size for x, y, size in self.markers}
        at = np.array([to_pixels(tag.xy) for tag in self.tags])
        for tag in self.tags:
            tag.set_visible(False)
        inside = [i for i in range(len(at)) if np.isfinite(at[i]).all() and frame.padded(2.0).contains(*at[i])]
        for group in _groups(at, inside, _TOGETHER * scale):
            tag, (u, v) = self.tags[group[0]], at[group[0]]
            names = [self.names[i] for i in group]
            radius = 0.5 * sizes.get((tag.xy[0], tag.xy[1]), 5.0)
            for text in dict.fromkeys([as_one(names), as_one(names, most=1), names[0]]):  # shorter without room
                tag.set_text(text)
                tag.set_visible(True)
                box = Text.get_window_extent(tag, renderer)
                half = np.array([0.5 * box.width, 0.5 * box.height]) + _PAD * scale
                self._place_one(tag, np.array([u, v]), half, radius, (scale, frame, crowd, np.array(centers), taken))
                if tag.get_visible():
                    break

    def _place_one(self, tag: Annotation, at: Real, half: Real, radius: float, world: Any) -> None:
        scale, frame, crowd, centers, taken = world
        shifts = _CANDIDATES * half + (radius + _CANDIDATE_GAPS[:, None]) * _REACH * scale
        low, high = at + shifts - half, at + shifts + half
        free = (low >= (frame.x0, frame.y0)).all(axis=1) & (high <= (frame.x1, frame.y1)).all(axis=1)
        boxes = np.array(taken).reshape(-1, 4)
        free &= ~_meet(low, high, boxes[:, :2], boxes[:, 2:]).any(axis=1)
        if not free.any():
            tag.set_visible(False)
            return
        low, high, shifts, gaps = low[free], high[free], shifts[free], _CANDIDATE_GAPS[free]
        near = crowd[np.all((crowd > low.min(axis=0)) & (crowd < high.max(axis=0)), axis=1)]
        covered = _meet(low, high, near, near).sum(axis=1)
        others = centers[np.linalg.norm(centers - at, axis=1) > 0.5]
        own = _distances(at[None], low, high)
        doubtful = np.any(_distances(others, low, high) < 1.4 * own, axis=1)  # nearer to another marker
        best = int(np.argmin(3.0 * covered + 0.6 * gaps + 12.0 * doubtful + 0.1 * _RANKS[free]))
        offset = shifts[best] / scale
        tag.set_position((float(offset[0]), float(offset[1])))
        taken.append((*low[best], *high[best]))
        if tag.arrow_patch is not None:
            tag.arrow_patch.set_visible(bool(doubtful[best] or gaps[best] >= _LEADER_FROM))

    def _curve_pixels(self, frame: Any, step: float) -> Real:
        """Points every `step` pixels along the curves inside the frame."""
        pieces = [self.host.transData.transform(np.column_stack(each)) for each in self.dots]
        for x, y in self.curves:
            pixels = self.host.transData.transform(np.column_stack([x, y]))
            pixels = pixels[np.isfinite(pixels).all(axis=1)]
            if len(pixels) > 1:
                pixels = np.clip(pixels, (frame.x0 - 50, frame.y0 - 50), (frame.x1 + 50, frame.y1 + 50))
                path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(pixels, axis=0), axis=1))])
                t = np.arange(0.0, path[-1] + step, step)
                pixels = np.column_stack([np.interp(t, path, pixels[:, 0]), np.interp(t, path, pixels[:, 1])])
            pieces.append(pixels)
        return np.concatenate(pieces) if pieces else np.zeros((0, 2))


def _groups(at: Real, inside: Sequence[int], near: float) -> list[list[int]]:
    """Put together what lies within `near` of the first of a group."""
    groups: list[list[int]] = []
    for i in inside:
        group = next((group for group in groups if np.linalg.norm(at[group[0]] - at[i]) <= near), None)
        if group is None:
            groups.append([i])
        else:
            group.append(i)
    return groups


def as_one(names: Sequence[str], most: int = 3) -> str:
    """Return names in one text: runs of numbers as "NS1-NS3", others one after the other, many as "... and 5 more".

    `most` is how many pieces the text may have, "and 5 more" included unless it is 1.

    >>> as_one(["NS2", "NS1", "NS3"]), as_one(["PD1", "PD3", "H1"])
    ('NS1-NS3', 'PD1, PD3, H1')
    """
    parts = [re.fullmatch(r"(.*?)(\d*)", name, re.DOTALL) for name in dict.fromkeys(names)]
    numbers: dict[str, list[int | None]] = {}
    for part in parts:
        assert part is not None
        numbers.setdefault(part[1], []).append(int(part[2]) if part[2] else None)
    pieces: list[tuple[str, int]] = []  # text, how many names it stands for
    for stem, found in numbers.items():
        pieces += [(stem, 1)] * found.count(None)
        run: list[int] = []
        for number in [*sorted(n for n in found if n is not None), None]:
            if run and number != run[-1] + 1:
                whole = len(run) > 2
                ends = [(f"{stem}{run[0]}-{stem}{run[-1]}", len(run))] if whole else [(f"{stem}{n}", 1) for n in run]
                pieces += ends
                run = []
            if number is not None:
                run.append(number)
    if len(pieces) <= most:
        return ", ".join(text for text, _ in pieces)
    kept = max(1, most - 1)
    return ", ".join(text for text, _ in pieces[:kept]) + f" and {sum(count for _, count in pieces[kept:])} more"


def _meet(low: Real, high: Real, other_low: Real, other_high: Real) -> NDArray[np.bool_]:
    """Whether each of m rectangles overlaps each of k others (or points), shape (m, k)."""
    return np.all((low[:, None] < other_high[None]) & (high[:, None] > other_low[None]), axis=2)


def _distances(points: Real, low: Real, high: Real) -> Real:
    """Distances of m rectangles to k points, shape (m, k); 0 inside."""
    outside = np.maximum(low[:, None] - points[None], points[None] - high[:, None])
    return np.linalg.norm(np.maximum(outside, 0.0), axis=2)


class TopLabels(Artist):
    """Names of vertical lines above the axes, stacked in rows where they would touch; beyond six rows left out."""

    def __init__(self, ax: Axes, names: list[str], positions: Real, **kwargs: Any) -> None:
        super().__init__()
        self.set_zorder(-1000)
        self.set_in_layout(False)
        self.host = ax
        self.tags: list[Annotation] = []
        for name, position in sorted(zip(names, positions, strict=True), key=lambda pair: pair[1]):
            self.tags.append(
                ax.annotate(
                    name,
                    (position, 1.0),
                    xycoords=ax.get_xaxis_transform(),
                    xytext=(0.0, 3.0),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "0.6", "shrinkA": 0.0, "shrinkB": 0.0},
                    **kwargs,
                )
            )
        ax.add_artist(self)

    def draw(self, renderer: Any) -> None:
        """Stack the names; called by matplotlib before they are drawn."""
        self.place(renderer)
        self.stale = False

    def place(self, renderer: Any) -> None:
        """Put each name in the lowest row in which it touches no other."""
        scale = renderer.points_to_pixels(1.0)
        filled: list[float] = []  # right end of each row, in pixels
        for tag in self.tags:
            u = self.host.transData.transform((tag.xy[0], 0.0))[0]
            tag.set_visible(True)  # an invisible text has no size
            box = Text.get_window_extent(tag, renderer)
            left, right = u - 0.5 * box.width, u + 0.5 * box.width
            row = next((i for i, end in enumerate(filled) if end + 2.0 * scale < left), len(filled))
            tag.set_visible(row < _MOST_ROWS)
            if row >= _MOST_ROWS:
                continue
            filled[row : row + 1] = [right]
            tag.set_position((0.0, 3.0 + row * (box.height / scale + 1.0)))
            if tag.arrow_patch is not None:
                tag.arrow_patch.set_visible(row > 0)
