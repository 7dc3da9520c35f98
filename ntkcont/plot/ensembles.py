"""What an ensemble has in common: quantile bands of a quantity, and where its members first bifurcate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.plot.figure import FONT, SMALL, add_legend, log_scale, new_figure
from ntkcont.plot.markers import CURVES, marker_of
from ntkcont.plot.quantities import plain, title_of
from ntkcont.results.ensemble import Ensemble, Outcome
from ntkcont.results.labels import LABELS, canonical

_GRID = 401  # values of the parameter at which the bands are drawn
_DECADES = 100.0  # a range beyond this factor is drawn on a logarithmic axis


def ensemble(
    ensemble: Ensemble,
    y: str | None = None,
    *,
    labels: str | Sequence[str] | None = None,
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    bins: int = 40,
) -> Figure:
    """Draw quantile bands of a quantity over the members and, below, a histogram of where they first bifurcate.

    Parameters
    ----------
    ensemble : Ensemble
        What :func:`ntkcont.ensemble` returned.
    y : str, optional
        A column of the branches: a signature such as "participation_ratio", a state, or "norm" of the states.  Default
        the largest eigenvalue of the kernel, without a kernel the norm.
    labels : str or sequence of str, optional
        Which special points the histogram counts, such as ``"H"``; default all bifurcations.
    quantiles : sequence of float
        Between 0 and 1: pairs from outside in are the bands, the middle one (of an odd number) is a line.
    bins : int
        Number of bins over the range of the free parameter, default 40.

    Returns
    -------
    matplotlib.figure.Figure
        6.8 inches wide; its two axes share the free parameter.

    Raises
    ------
    InputError
        The ensemble has no branch, the branches have no such column, or the quantiles are not between 0 and 1.

    Notes
    -----
    Each member counts with its branch from the start to where that first turns back; the bands are drawn where at least
    half of the members have a value.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> problems = [
    ...     nc.Problem(nc.RateRNN, {"W": np.array([[w]])}, x0=0.0, free="gain", p_span=(0.1, 3), params={"gain": 0.1},
    ...                ntk=nc.ntk.StateNTK(theta="b"))
    ...     for w in (0.5, 1.0, 2.0)
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     figure = nc.plot.ensemble(nc.ensemble(problems, ThreadPoolExecutor(1), store=folder), y="top")
    """
    if not isinstance(ensemble, Ensemble):
        msg = f"ensemble: got {type(ensemble).__name__}; give what nc.ensemble returned"
        raise InputError(msg)
    levels = np.sort(np.asarray(quantiles, dtype=float))
    if levels.ndim != 1 or not len(levels) or not np.all((levels >= 0) & (levels <= 1)):
        msg = f"quantiles: got {quantiles!r}; give numbers between 0 and 1"
        raise InputError(msg)
    low, high = ensemble.p_span
    spaced = np.geomspace if ensemble.free in ensemble.log else np.linspace
    grid = spaced(low, high, _GRID)
    name = y or _default(ensemble)
    values = ensemble.values(name, grid)
    figure, (above, below) = new_figure(6.8, 4.6, rows=2, sharex=True, gridspec_kw={"height_ratios": [2.2, 1.0]})
    _bands(above, grid, values, levels)
    above.set_ylabel("‖x‖" if name == "norm" else title_of(name), fontsize=FONT)
    _histogram(below, ensemble, labels, spaced(low, high, bins + 1))
    below.set_xlabel(plain(ensemble.free), fontsize=FONT)
    below.set_xlim(low, high)
    if ensemble.free in ensemble.log:
        log_scale(below, "x")
    figure.align_ylabels([above, below])
    return figure


def _default(ensemble: Ensemble) -> str:
    first = next(member for member in ensemble.members if member.outcome is Outcome.DONE).branch()
    return "top" if first.ntk is not None and "top" in first.ntk else "norm"


def _bands(ax: Axes, grid: NDArray[Any], values: NDArray[Any], levels: NDArray[Any]) -> None:
    done = np.isfinite(values).any(axis=1)
    there = np.isfinite(values[done]).sum(axis=0) >= max(1.0, done.sum() / 2)
    curves = np.full((len(levels), len(grid)), np.nan)
    if there.any():
        curves[:, there] = np.nanquantile(np.where(np.isfinite(values), values, np.nan)[:, there], levels, axis=0)
    positive = curves[np.isfinite(curves)]
    if len(positive) and positive.min() > 0 and positive.max() > _DECADES * positive.min():
        ax.set_yscale("log")
    handles: list[Any] = []
    pairs = len(levels) // 2
    for i in range(pairs):
        j = len(levels) - 1 - i
        shade = 0.18 + 0.3 * (i + 1) / pairs
        told = f"{levels[i]:.0%} to {levels[j]:.0%}"
        ax.fill_between(grid, curves[i], curves[j], color=CURVES[0], alpha=shade, linewidth=0, gid=f"band {told}")
        handles.append(Patch(color=CURVES[0], alpha=shade, linewidth=0, label=told))
    if len(levels) % 2:
        told = "median" if levels[pairs] == 0.5 else f"{levels[pairs]:.0%}"
        ax.plot(grid, curves[pairs], color=CURVES[0], linewidth=1.4, gid=told)
        handles.append(Line2D([], [], color=CURVES[0], linewidth=1.4, label=told))
    count = int(done.sum())
    handles.append(Line2D([], [], linestyle="none", label=f"{count} branch" if count == 1 else f"{count} branches"))
    add_legend(ax, handles, "top", SMALL)


def _histogram(ax: Axes, ensemble: Ensemble, labels: str | Sequence[str] | None, edges: NDArray[Any]) -> None:
    """Count the members by their first special point, stacked by its kind."""
    first = ensemble.critical_values(labels)
    wanted = None if labels is None else [canonical(n) for n in ([labels] if isinstance(labels, str) else labels)]
    by_label = {n: ensemble.critical_values(n) for n in (LABELS if wanted is None else wanted)}
    left = np.isfinite(first)
    kinds, parts = [], []
    for label, own in by_label.items():
        chosen = left & (own == first)
        if chosen.any():
            kinds.append(label)
            parts.append(first[chosen])
            left &= ~chosen
    colors = [marker_of(label).color for label in kinds]
    if parts:
        ax.hist(parts, bins=edges.tolist(), stacked=True, color=colors, edgecolor="white", linewidth=0.4)
    handles: list[Any] = [Patch(color=c, label=LABELS[label]) for c, label in zip(colors, kinds, strict=True)]
    none = int(np.sum(~np.isfinite(first)))
    if none:
        handles.append(Line2D([], [], linestyle="none", label=f"{none} without"))
    ax.set_ylabel("first bifurcation\n(members)", fontsize=FONT)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(ax, handles, "right" if len(handles) > 3 else "best", SMALL)
