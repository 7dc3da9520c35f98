"""Fixed points, their unstable directions and trajectories in two components of the state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.linear import svd
from ntkcont.plot.curves import Run, draw_runs, runs_with_specials
from ntkcont.plot.figure import (
    FONT,
    SMALL,
    add_legend,
    check_axes,
    line_handles,
    log_scale,
    marker_handles,
    marker_style,
    new_figure,
)
from ntkcont.plot.labels import NameTags
from ntkcont.plot.markers import CURVES
from ntkcont.plot.quantities import in_decades, plain
from ntkcont.results.branch import Branch

Real = NDArray[np.float64]

_DIRECTION = "#EE7733"
_TRAJECTORY = "0.6"
_MOST_DIRECTIONS = 6  # along a branch: enough to see them turn, few enough to tell them apart
_AXES: tuple[Literal["x", "y"], ...] = ("x", "y")


class _Points:
    """Single fixed points, put together."""

    def __init__(self, x: Real, stable: NDArray[np.bool_], first: Any) -> None:
        self.x, self.stable = x, stable
        for name in ("states", "params", "model"):
            if hasattr(first, name):
                setattr(self, name, getattr(first, name))


class Projection(NamedTuple):
    """Two rows in state space, the point that maps to (0, 0), and the names of the axes."""

    rows: Real
    center: Real
    titles: tuple[str, str]

    def __call__(self, x: ArrayLike) -> Real:
        """Project states, shape (m, n), to shape (m, 2)."""
        return (np.asarray(x, dtype=float) - self.center) @ self.rows.T


def state_space(
    branch_or_fixed_points: Any,
    trajectories: Any = None,
    basis: str | Sequence[str] | ArrayLike = "pca",
    ax: Axes | None = None,
    *,
    model: Any = None,
    directions: bool = True,
    legend: str = "top",
) -> Axes:
    """Draw fixed points, unstable directions and trajectories in two components of the state.

    Parameters
    ----------
    branch_or_fixed_points : Branch, FixedPoints, or a sequence of them
        Branches are drawn as curves (solid stable, dashed unstable, special points marked); fixed points, or anything
        with ``.x`` (m, n) and ``.stable`` (m,), as dots (filled stable, open unstable).
    trajectories : array_like, shape (T, n) or (B, T, n), or a list of (T_i, n), optional
        Drawn as thin lines, their starts as dots.
    basis : {"pca"}, pair of state names, or array_like of shape (2, n), default "pca"
        The two components. ``"pca"``: the leading principal components of the trajectories if given, else of the
        fixed points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure, 4.8 x 4.2 inches.
    model : Model, optional
        For the unstable directions; default that of the branch or the fixed points. Without one they are left out.
    directions : bool, default True
        Draw the unstable eigenvectors (real and imaginary parts of complex ones) as short lines, at the unstable fixed
        points and at some points along branches.
    legend : {"top", "right", "best", "none"}
        Where the legend goes; it lists only what is drawn.

    Returns
    -------
    matplotlib.axes.Axes
        The axis of a named state that a branch measures in decades is logarithmic.

    Raises
    ------
    InputError
        If shapes disagree or the basis is none of the above.

    Examples
    --------
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 1.2], [1.2, 0.0]])
    >>> branch = nc.continuation(net, [1.0, 1.0], free="gain", p_span=(0.5, 1.5), params={"gain": 1.5})
    >>> ax = nc.plot.state_space(branch, basis=("z0", "z1"))
    """
    items = _items(branch_or_fixed_points)
    n = np.shape(items[0].x)[1]
    paths = _paths(trajectories, n)
    cloud = np.concatenate(paths) if paths else np.concatenate([np.asarray(item.x, dtype=float) for item in items])
    names = next((item.states for item in items if hasattr(item, "states")), None)
    project = _projection(basis, cloud, n, names)

    own = ax is None
    ax = new_figure(4.8, 4.2)[1][0] if ax is None else check_axes(ax)
    handles: list[Line2D] = []
    for path in paths:
        flat = project(path)
        (line,) = ax.plot(flat[:, 0], flat[:, 1], color=_TRAJECTORY, linewidth=0.7, zorder=1.5)
        line.set_gid("trajectory")
        ax.plot(flat[:1, 0], flat[:1, 1], linestyle="none", marker=".", markersize=3.0, color=_TRAJECTORY, zorder=1.5)
    if paths:
        handles.append(Line2D([], [], color=_TRAJECTORY, linewidth=0.7, label="trajectory"))

    tags = NameTags.of(ax)
    runs: list[Run] = []
    labels: list[str] = []
    filled = opened = False
    bases: list[tuple[Real, Real]] = []
    for item in items:
        if isinstance(item, Branch):
            runs += _draw_branch(ax, item, project, tags, labels, SMALL if own else None)
        else:
            stable = np.asarray(item.stable, dtype=bool)
            _draw_points(ax, project(item.x), stable)
            filled, opened = filled or bool(stable.any()), opened or bool((~stable).any())
        if directions:
            bases += _unstable_directions(item, item.model if model is None and hasattr(item, "model") else model)
    handles += line_handles(any(run.stable for run in runs), any(not run.stable for run in runs))
    handles += _dot_handles(filled, opened)
    handles += marker_handles(labels)
    for i, which in enumerate(_AXES):
        name = basis[i] if isinstance(basis, list | tuple) else None
        if isinstance(name, str) and in_decades(
            items, name, *(project(part)[..., i] for part in [*paths, *(item.x for item in items)])
        ):
            log_scale(ax, which)
    if _draw_directions(ax, bases, project):
        handles.append(Line2D([], [], color=_DIRECTION, linewidth=1.1, label="unstable direction"))
    ax.set_xlabel(project.titles[0], fontsize=FONT if own else None)
    ax.set_ylabel(project.titles[1], fontsize=FONT if own else None)
    ax.autoscale_view()
    if legend != "none":
        add_legend(ax, handles, legend, SMALL if own else None)
    return ax


# ---------------------------------------------------------------- what was given


def _items(given: Any) -> list[Any]:
    single = hasattr(given, "x") and hasattr(given, "stable")
    items = [given] if single else list(getattr(given, "branches", given if isinstance(given, Iterable) else [given]))
    loose = [item for item in items if hasattr(item, "stable") and hasattr(item, "x") and np.ndim(item.x) == 1]
    if loose and len({len(item.x) for item in loose}) == 1:  # single fixed points, as from iteration over FixedPoints
        items = [item for item in items if not any(item is single for single in loose)]
        items.append(_Points(np.array([item.x for item in loose]), np.array([item.stable for item in loose]), loose[0]))
    if not items:
        msg = "branch_or_fixed_points: nothing was given; give a Branch, FixedPoints, or a list of them"
        raise InputError(msg)
    for item in items:
        if not (hasattr(item, "x") and hasattr(item, "stable")):
            msg = f"branch_or_fixed_points: got {type(item).__name__}; give a Branch, FixedPoints, or a list of them"
            raise InputError(msg)
    shapes = {np.shape(item.x)[1:] for item in items}
    if len(shapes) > 1 or any(np.ndim(item.x) != 2 for item in items):
        msg = "branch_or_fixed_points: the numbers of states differ; give fixed points of one model"
        raise InputError(msg)
    if not all(getattr(item, "has_states", True) for item in items):
        msg = "branch: it keeps no states to draw (store_states='special'); compute it with store_states='all'"
        raise InputError(msg)
    if not any(len(item.x) for item in items):
        msg = "branch_or_fixed_points: there are no points to draw"
        raise InputError(msg)
    return items


def _paths(trajectories: Any, n: int) -> list[Real]:
    if trajectories is None:
        return []
    if not isinstance(trajectories, list | tuple):
        given = np.asarray(trajectories, dtype=float)
        trajectories = [given] if given.ndim == 2 else list(given)
    paths = [np.asarray(path, dtype=float) for path in trajectories]
    for path in paths:
        if path.ndim != 2 or path.shape[1] != n:
            msg = f"trajectories: shape {path.shape} was given; each must be (T, {n}), one row per time"
            raise InputError(msg)
    return paths


def _projection(basis: Any, cloud: Real, n: int, names: tuple[str, ...] | None) -> Projection:
    if isinstance(basis, str):
        if basis != "pca":
            msg = f"basis: {basis!r} is unknown; it may be 'pca', a pair of state names, or an array of shape (2, {n})"
            raise InputError(msg)
        return _principal(cloud, n)
    if isinstance(basis, list | tuple) and all(isinstance(name, str) for name in basis):
        if len(basis) != 2 or names is None:
            msg = f"basis: {basis!r} was given; name two states of a branch"
            raise InputError(msg)
        for name in basis:
            if name not in names:
                raise unknown_name(argument="basis", got=name, allowed=names)
        rows = np.zeros((2, n))
        rows[[0, 1], [names.index(name) for name in basis]] = 1.0
        return Projection(rows, np.zeros(n), (plain(basis[0]), plain(basis[1])))
    rows = np.asarray(basis, dtype=float)
    if rows.shape != (2, n):
        msg = f"basis: shape {rows.shape} was given; it must be (2, {n}), two directions in state space"
        raise InputError(msg)
    return Projection(rows, np.zeros(n), ("component 1", "component 2"))


def _principal(cloud: Real, n: int) -> Projection:
    if n < 2:
        msg = "basis: the model has one state, so there are no two components to draw; use bifurcation_diagram"
        raise InputError(msg)
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    center = cloud.mean(axis=0)
    _, sizes, rows = svd(cloud - center, full_matrices=True)
    share = np.zeros(2)
    share[: min(2, len(sizes))] = sizes[:2] ** 2 / max(float(np.sum(sizes**2)), 1e-300)
    rows = rows[:2] * np.where(np.sum(rows[:2], axis=1, keepdims=True) < 0, -1.0, 1.0)  # a sign that does not flip
    titles = tuple(f"PC {j + 1} ({100 * part:.0f} %)" for j, part in enumerate(share))
    return Projection(rows, center, (titles[0], titles[1]))


# ---------------------------------------------------------------- drawing


def _draw_branch(
    ax: Axes, branch: Branch, project: Projection, tags: NameTags, labels: list[str], fontsize: float | None
) -> list[Run]:
    points = list(branch.special_points)
    flat = project(branch.x)
    special = project(np.array([point.x for point in points]).reshape(len(points), branch.n))
    runs = runs_with_specials(branch, (flat[:, 0], flat[:, 1]), (special[:, 0], special[:, 1]))
    draw_runs(ax, runs, zorder=2)
    tags.curves += [(run.x, run.y) for run in runs]
    for point, (u, v) in zip(points, special, strict=True):
        if point.label == "EP":
            continue
        style = marker_style(point.label)
        (art,) = ax.plot([u], [v], linestyle="none", zorder=5, **style)
        art.set_gid(point.name)
        tags.markers.append((float(u), float(v), style["markersize"]))
        if point.label != "NSad":
            tags.add(point.name, float(u), float(v), style["markersize"], fontsize=fontsize)
        labels.append(point.label)
    return runs


_DOT = {"linestyle": "none", "marker": "o", "markersize": 5.0, "markeredgecolor": CURVES[0], "markeredgewidth": 1.1}


def _draw_points(ax: Axes, flat: Real, stable: NDArray[np.bool_]) -> None:
    for mask, face, gid in ((stable, CURVES[0], "stable"), (~stable, "white", "unstable")):
        if mask.any():
            (art,) = ax.plot(flat[mask, 0], flat[mask, 1], zorder=4, markerfacecolor=face, **_DOT)
            art.set_gid(gid)


def _dot_handles(filled: bool, opened: bool) -> list[Line2D]:
    handles = []
    if filled:
        handles.append(Line2D([], [], markerfacecolor=CURVES[0], label="stable fixed point", **_DOT))
    if opened:
        handles.append(Line2D([], [], markerfacecolor="white", label="unstable fixed point", **_DOT))
    return handles


def _unstable_directions(item: Any, model: Any) -> list[tuple[Real, Real]]:
    """Return (state, direction) for the unstable eigenvectors at the unstable points (a few along a branch)."""
    if model is None:
        return []
    chosen = np.flatnonzero(~np.asarray(item.stable, dtype=bool))
    if isinstance(item, Branch) and len(chosen):
        wanted = np.linspace(item.s[chosen[0]], item.s[chosen[-1]], 2 * _MOST_DIRECTIONS + 1)[1::2]
        chosen = np.unique([chosen[np.argmin(np.abs(item.s[chosen] - s))] for s in wanted])
    found = []
    for i in chosen:
        x = np.asarray(item.x, dtype=float)[i]
        if isinstance(item, Branch):
            params = {name: value for name, value in item.params.items() if name in model.params}
            params[item.free] = float(item.p[i])
        else:
            params = getattr(item, "params", None)
        values, vectors = np.linalg.eig(model.jac(x, params))
        growth = np.abs(values) - 1.0 if model.kind == "map" else np.real(values)
        for j in np.flatnonzero((growth > 1e-9) & (np.imag(values) >= 0.0)):
            v = vectors[:, j]
            v = v * np.exp(
                -0.5j * np.angle(np.sum(v * v))
            )  # real and imaginary parts orthogonal: the axes of the ellipse
            found += [(x, part) for part in (np.real(v), np.imag(v)) if np.linalg.norm(part) > 1e-6]
    return found


def _draw_directions(ax: Axes, found: list[tuple[Real, Real]], project: Projection) -> bool:
    if not found:
        return False
    ax.autoscale_view()
    log = np.array([ax.get_xscale() == "log", ax.get_yscale() == "log"])
    seen = ax.transScale  # to where the axes are linear
    extent = np.abs(np.subtract(*seen.transform(np.column_stack([ax.get_xlim(), ax.get_ylim()]))))
    for x, vector in found:
        at = project(x[None])[0]
        center = seen.transform(at)
        step = vector @ project.rows.T / np.where(log, np.log(10.0) * at, 1.0)
        size = float(np.max(np.abs(step) / extent))
        if size <= 1e-9 / float(np.min(extent)):
            continue  # perpendicular to the picture
        step = step * (0.05 / size) * max(0.3, min(1.0, float(np.linalg.norm(vector))))
        ends = seen.inverted().transform(np.array([center - step, center + step]))
        (line,) = ax.plot(ends[:, 0], ends[:, 1], color=_DIRECTION, linewidth=1.1, zorder=3)
        line.set_gid("direction")
    return True
