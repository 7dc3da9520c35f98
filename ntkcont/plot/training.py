"""A training run: loss, attractors, fixed points, eigenvalues and the kernel over one axis of training steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.plot.curves import draw_runs, runs_through
from ntkcont.plot.diagram import bifurcation_diagram
from ntkcont.plot.figure import FONT, SMALL, add_legend, log_scale, new_figure
from ntkcont.plot.labels import TopLabels
from ntkcont.plot.markers import CURVES
from ntkcont.plot.quantities import Quantity, plain
from ntkcont.results.branch import Branch
from ntkcont.results.training_record import TrainingEvent, TrainingRecord
from ntkcont.results.training_tables import named

Real = NDArray[np.float64]

BIRTH, DEATH, OTHER = "#009E73", "#D55E00", "0.55"
DOTS = (0, (1, 1.2))
_MOST_DOTS = 40_000
_CLOUD = "0.78"


class _Drawn(NamedTuple):
    """What the panels show."""

    record: TrainingRecord
    condition: int
    branches: tuple[Branch, ...]


def training(
    record: TrainingRecord, loss: ArrayLike | None = None, *, condition: int = 0, y: Quantity | None = None
) -> Figure:
    """Draw a training run over its steps, with the births and deaths of attractors as vertical lines.

    Panels: the loss; the number of attractors under each condition; the fixed points (solid where stable); their
    eigenvalues, the critical one as a line over the cloud of all those of the attractors (real parts, of maps moduli);
    the largest eigenvalue of the kernel and its participation ratio, where a kernel is attached.

    Parameters
    ----------
    record : TrainingRecord
        Of :func:`ntkcont.follow_training`.
    loss : array_like, optional
        The loss at the K checkpoints, at every training step (from the first checkpoint on, one number for each step
        of 1), or pairs (step, loss), shape (m, 2).  Default: no panel of the loss.
    condition : int
        Number of the condition whose fixed points, eigenvalues and events are drawn, default 0.
    y : str or callable, optional
        What is drawn of the fixed points, as in :func:`bifurcation_diagram`; default the norm of networks.

    Returns
    -------
    matplotlib.figure.Figure
        6.8 inches wide.

    Raises
    ------
    InputError
        The loss has another length, or there is no such condition.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> weights = [np.array([[w]]) for w in (0.5, 0.8, 1.5)]
    >>> record = nc.follow_training(nc.TrainingPath(weights, nc.RateRNN, steps=[0, 100, 200]), box=(-3, 3))
    >>> figure = nc.plot.training(record, loss=[1.0, 0.9, 0.2])
    """
    if not isinstance(record, TrainingRecord):
        msg = f"record: got {type(record).__name__}; give what nc.follow_training(...) returned"
        raise InputError(msg)
    drawn = _Drawn(record, condition, record.branches(condition))
    curve = None if loss is None else _loss(record, loss)
    events = [event for event in record.events if event.condition == condition]
    handles = _event_handles(events)
    panels: list[tuple[float, Callable[[Axes], None]]] = []
    if curve is not None:
        panels.append((1.25, lambda ax: _draw_loss(ax, *curve, handles)))
    panels += [
        (0.9, lambda ax: _draw_attractors(ax, drawn, handles if curve is None else [])),
        (1.9, lambda ax: _draw_fixed_points(ax, drawn, y)),
        (1.5, lambda ax: _draw_eigenvalues(ax, drawn)),
    ]
    for name, title, log in (
        ("top", "largest NTK\neigenvalue", True),
        ("participation_ratio", "participation\nratio", False),
    ):
        if any(branch.ntk is not None and name in branch.ntk for branch in drawn.branches):
            panels.append(
                (1.25, lambda ax, name=name, title=title, log=log: _draw_signature(ax, drawn, name, title, log))
            )
    heights = [height for height, _ in panels]
    figure, axes = new_figure(
        6.8, 0.9 + sum(heights), rows=len(panels), sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for (_, draw), ax in zip(panels, axes, strict=True):
        draw(ax)
        ax.yaxis.label.set_fontsize(FONT)
        ax.set_xlabel("")
    axes[-1].set_xlabel("training step", fontsize=FONT)
    axes[0].set_xlim(record.steps[0], record.steps[-1])
    _draw_events(axes, events)
    figure.align_ylabels(axes)
    figure.draw_without_rendering()  # stacks the names, so that the layout leaves room for them
    return figure


# ---------------------------------------------------------------- the loss


def _loss(record: TrainingRecord, loss: ArrayLike) -> tuple[Real, Real]:
    """Return training steps and loss."""
    try:
        values = np.array(loss, dtype=float)
    except (TypeError, ValueError):
        values = np.zeros((0, 0, 0))
    steps = record.steps
    each = round(float(np.ptp(steps)))
    if values.ndim == 2 and values.shape[1] == 2:
        return values[:, 0], values[:, 1]
    if values.shape == steps.shape:
        return steps, values
    if values.shape in ((each,), (each + 1,)):
        return steps[0] + np.arange(len(values)), values
    msg = (
        f"loss: shape {values.shape} was given; give one number for each of the {len(steps)} checkpoints, or for each "
        f"of the {each} training steps, or pairs (step, loss), shape (m, 2)"
    )
    raise InputError(msg)


def _draw_loss(ax: Axes, steps: Real, values: Real, handles: list[Line2D]) -> None:
    (line,) = ax.plot(steps, values, color="black", linewidth=1.4, zorder=2)
    line.set_gid("loss")
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() >= 10 * finite.min():
        ax.set_yscale("log")
    ax.set_ylabel("loss")
    add_legend(ax, handles, "right", SMALL)


# ---------------------------------------------------------------- fixed points


def _draw_attractors(ax: Axes, drawn: _Drawn, more: list[Line2D]) -> None:
    record = drawn.record
    handles: list[Line2D] = []
    for c, condition in enumerate(record.conditions):
        inner = [event.s for event in record.events if event.condition == c and event.born]
        edges = np.unique([record.steps[0], *inner, record.steps[-1]])
        counts = record.attractors(0.5 * (edges[1:] + edges[:-1]), c)
        color = CURVES[c % len(CURVES)]
        width = 2.4 if len(record.conditions) > 1 and c == drawn.condition else 1.4
        (line,) = ax.plot(
            np.repeat(edges, 2)[1:-1],
            np.repeat(counts, 2),
            color=color,
            linewidth=width,
            zorder=3 + (c == drawn.condition),
        )
        line.set_gid("attractors")
        handles.append(Line2D([], [], color=color, linewidth=width, label=plain(named(condition))))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    ax.set_ylim(bottom=0.0)
    ax.margins(y=0.25)
    ax.set_ylabel("attractors")
    add_legend(ax, [*(handles if len(handles) > 1 else []), *more], "right", SMALL)


def _draw_fixed_points(ax: Axes, drawn: _Drawn, y: Quantity | None) -> None:
    bifurcation_diagram(drawn.branches, y, ax=ax, labels=False, legend="right")
    legend = ax.get_legend()
    for text in legend.get_texts() if legend is not None else []:
        text.set_fontsize(SMALL)
    if y is None:
        ax.set_ylabel(f"fixed points\n{ax.get_ylabel()}")


def _draw_eigenvalues(ax: Axes, drawn: _Drawn) -> None:
    """Draw the cloud of the attractors' eigenvalues, and the critical one of every fixed point."""
    is_map = drawn.record.kind == "map"
    edge = 1.0 if is_map else 0.0
    total = sum(branch.eigenvalues.size for branch in drawn.branches)
    keep = max(1, int(np.ceil(total / _MOST_DOTS)))
    for branch in drawn.branches:
        sizes = np.abs(branch.eigenvalues) if is_map else branch.eigenvalues.real
        rows = np.flatnonzero(branch.stable)[::keep]
        dots = ax.scatter(
            np.repeat(branch.p[rows], branch.n), sizes[rows].ravel(), s=1.5, color=_CLOUD, linewidths=0.0, zorder=1,
            rasterized=True,
        )  # fmt: skip
        dots.set_gid("cloud")
        draw_runs(ax, runs_through(branch, branch.p, np.max(sizes, axis=1)), color=CURVES[0], zorder=3, scale=0.8)
    ax.axhline(edge, color="0.4", linewidth=0.6, zorder=0)
    ax.set_ylabel("|multipliers|" if is_map else r"Re $\lambda$")
    handles = [
        Line2D([], [], color=CURVES[0], linewidth=1.4, label="critical"),
        Line2D([], [], color=_CLOUD, linestyle="none", marker=".", markersize=5, label="attractors, all"),
    ]
    add_legend(ax, handles, "right", SMALL)


def _draw_signature(ax: Axes, drawn: _Drawn, name: str, title: str, log: bool) -> None:
    for branch in drawn.branches:
        if branch.ntk is None or name not in branch.ntk:
            continue
        values = np.real(branch.ntk[name]).astype(float)
        values = np.where(values > 0.0, values, np.nan) if log else values
        draw_runs(ax, runs_through(branch, branch.p, values), color=CURVES[3], zorder=2)
    if log:
        log_scale(ax)
    else:
        ax.axhline(1.0, color="0.6", linewidth=0.6, zorder=0)
        ax.set_ylim(bottom=0.0)
    ax.set_ylabel(title)


# ---------------------------------------------------------------- births and deaths


def _color(event: TrainingEvent) -> str:
    return OTHER if event.born == 0 else BIRTH if event.born > 0 else DEATH


def _event_handles(events: list[TrainingEvent]) -> list[Line2D]:
    shown = {_color(event) for event in events}
    titles = {BIRTH: "attractor born", DEATH: "attractor dies", OTHER: "only unstable ones"}
    return [
        Line2D([], [], color=color, linewidth=1.2, linestyle=DOTS, label=title)
        for color, title in titles.items()
        if color in shown
    ]


def _draw_events(axes: list[Axes], events: list[TrainingEvent]) -> None:
    for event in events:
        for ax in axes:
            line = ax.axvline(event.s, color=_color(event), linewidth=0.9, linestyle=DOTS, zorder=1.5)
            line.set_gid(f"line {event.name}")
    TopLabels(axes[0], [event.name for event in events], np.array([event.s for event in events]), fontsize=SMALL)
