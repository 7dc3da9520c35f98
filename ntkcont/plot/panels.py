"""The diagram with the kernel's signatures below it, over one parameter axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.plot.curves import draw_runs, runs_through
from ntkcont.plot.diagram import bifurcation_diagram
from ntkcont.plot.figure import FONT, SMALL, add_legend, log_scale, new_figure
from ntkcont.plot.labels import TopLabels
from ntkcont.plot.markers import CURVES, marker_of
from ntkcont.plot.quantities import Quantity, as_branches, plain
from ntkcont.results.branch import Branch
from ntkcont.results.signatures import Signatures

_ROUNDOFF = 1e-14  # kernel eigenvalues below this fraction of the largest are rounding errors
_RANKS = {
    "participation_ratio": "participation ratio",
    "entropy_rank": "entropy rank",
    "stable_rank": "stable rank",
}


def ntk_panels(branch: Branch, y: Quantity | None = None) -> Figure:
    """Draw the diagram and, below it, the kernel's signatures over the same parameter axis.

    Panels: the bifurcation diagram; the eigenvalues of the kernel (logarithmic); of trajectory kernels the traces of
    the whole kernel, of its bifurcation channel and of the residual (logarithmic); the effective ranks; the eigenvalue
    nearest to the stability boundary (real part for flows, modulus for maps). A panel whose signatures the branch does
    not have is left out. Bifurcations are vertical lines with their names on top; curves are solid where the fixed
    point is stable and dashed where it is not, so that folded branches stay readable.

    Parameters
    ----------
    branch : Branch
        With kernel signatures.
    y : str or callable, optional
        Vertical axis of the diagram, as in `bifurcation_diagram`.

    Returns
    -------
    matplotlib.figure.Figure
        6.8 inches wide.

    Raises
    ------
    InputError
        If no kernel is attached to the branch (the message says how to attach one).

    Examples
    --------
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 1.2], [1.2, 0.0]])
    >>> branch = nc.continuation(net, [0.0, 0.0], free="gain", p_span=(0.5, 1.5), ntk=nc.ntk.StateNTK(theta="b"))
    >>> fig = nc.plot.ntk_panels(branch)
    """
    branch = _one(branch)
    kernel = branch.ntk
    if kernel is None:
        msg = (
            "branch: no kernel is attached to it; attach one with nc.annotate(branch, nc.ntk.StateNTK(...)) or with "
            "continuation(..., ntk=nc.ntk.StateNTK(...))"
        )
        raise InputError(msg)
    parts = [draw for draw, names in _PANELS if any(name in kernel for name in names)]
    heights = [2.1] + [1.35] * len(parts)
    figure, axes = new_figure(
        6.8, 0.9 + sum(heights), rows=1 + len(parts), sharex=True, gridspec_kw={"height_ratios": heights}
    )
    bifurcation_diagram(branch, y, ax=axes[0], labels=False, legend="right")
    axes[0].yaxis.label.set_fontsize(FONT)
    legend = axes[0].get_legend()
    for text in legend.get_texts() if legend is not None else []:
        text.set_fontsize(SMALL)
    axes[0].set_xlabel("")
    for draw, ax in zip(parts, axes[1:], strict=True):
        draw(ax, branch, kernel)
    axes[-1].set_xlabel(plain(branch.free), fontsize=FONT)

    marked = [point for point in branch.special_points if point.label not in ("EP", "NSad")]
    for point in marked:
        for ax in axes:
            line = ax.axvline(point.p, color=_line_color(point.label), linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=1)
            line.set_gid(f"line {point.name}")
    positions = np.array([point.p for point in marked])
    TopLabels(axes[0], [point.name for point in marked], positions, fontsize=SMALL)
    figure.align_ylabels(axes)
    figure.draw_without_rendering()  # stacks the names, so that the layout leaves room for them
    return figure


def _one(branch: Any) -> Branch:
    branches = as_branches(branch)
    if len(branches) != 1:
        msg = f"branch: {len(branches)} were given; give one (draw several with bifurcation_diagram)"
        raise InputError(msg)
    return branches[0]


def _line_color(label: str) -> str:
    marker = marker_of(label)
    return "0.5" if marker.color in ("#F0E442", "#FFFFFF") else marker.color


def _curve(
    ax: Axes,
    branch: Branch,
    values: NDArray[np.float64],
    color: Any,
    breaks: NDArray[np.bool_] | None = None,
    **kwargs: Any,
) -> None:
    runs = runs_through(branch, branch.p, values, breaks=breaks)
    draw_runs(ax, runs, color=color, zorder=2, **kwargs)


def _legend(ax: Axes, entries: list[tuple[Any, str]]) -> None:
    handles = [Line2D([], [], color=color, linewidth=1.6, label=label) for color, label in entries]
    add_legend(ax, handles, "right", SMALL)


def _eigenvalues(ax: Axes, branch: Branch, kernel: Signatures) -> None:
    values = np.real(kernel["eigenvalues"]).astype(float)
    largest = np.nanmax(np.where(np.isfinite(values), values, np.nan), axis=1, keepdims=True, initial=0.0)
    values = np.where((values > _ROUNDOFF * largest) & np.isfinite(values), values, np.nan)
    modes = [j for j in range(values.shape[1]) if np.isfinite(values[:, j]).any()]
    shades = colormaps["viridis"](np.linspace(0.0, 0.82, max(len(modes), 2)))
    for j, shade in zip(modes, shades, strict=False):
        _curve(ax, branch, values[:, j], shade, scale=1.0 if j == modes[0] else 0.65)
    if modes:
        log_scale(ax)
    ax.set_ylabel("NTK eigenvalues", fontsize=FONT)
    shown = list(zip(modes, shades, strict=False))
    if len(shown) > 4:
        shown = [*shown[:2], shown[len(shown) // 2], shown[-1]]
    _legend(ax, [(shade, f"$e_{{{j + 1}}}$") for j, shade in shown])


def _ranks(ax: Axes, branch: Branch, kernel: Signatures) -> None:
    entries = []
    for (name, title), color in zip(_RANKS.items(), CURVES, strict=False):
        if name in kernel:
            _curve(ax, branch, kernel[name], color)
            entries.append((color, title))
    ax.axhline(1.0, color="0.6", linewidth=0.6, zorder=0)
    ax.set_ylabel("effective rank", fontsize=FONT)
    _legend(ax, entries)


def _channels(ax: Axes, branch: Branch, kernel: Signatures) -> None:
    """Draw the traces of the kernel, of its bifurcation channel, and of the rest."""
    trace, share = kernel["trace"], kernel["f_par"]
    parts = (("whole kernel", trace), ("bifurcation channel", share * trace), ("residual", (1.0 - share) * trace))
    entries = []
    for (title, values), color in zip(parts, CURVES, strict=False):
        shown = np.where((values > _ROUNDOFF * trace) & np.isfinite(values), values, np.nan)
        if not np.isfinite(shown).any():
            continue
        # the whole kernel lies under the others, wider and pale: where the channel is all of it, both are seen
        whole = values is trace
        shade = to_rgba(color, 0.4 if whole else 1.0)
        _curve(ax, branch, shown, shade, scale=3.0 if whole else 1.0)
        entries.append((shade, title))
    if entries:
        log_scale(ax)
    ax.set_ylabel("NTK trace", fontsize=FONT)
    _legend(ax, entries)


def _critical(ax: Axes, branch: Branch, kernel: Signatures) -> None:
    critical = kernel["lambda_c"]
    is_map = branch.kind == "map"
    values = np.abs(critical) if is_map else np.real(critical)
    omega = np.abs(kernel["omega_c"]) if "omega_c" in kernel else np.abs(np.imag(critical))
    pair = omega > 1e-12
    if is_map:
        pair &= np.abs(omega - np.pi) > 1e-9  # a negative multiplier is real
    side = (values > 1.0) if is_map else (values > 0.0)
    breaks = (np.diff(side.astype(int)) != 0) & (np.diff(branch.n_unstable) == 0)  # another one is nearest now
    entries = []
    for mask, color, title in ((~pair, CURVES[0], "real eigenvalue"), (pair, CURVES[1], "complex pair")):
        if mask.any():
            reach = mask.copy()  # one point more on each side, so that the two colours meet
            reach[1:] |= mask[:-1]
            reach[:-1] |= mask[1:]
            shown = mask if mask is pair else reach
            _curve(ax, branch, np.where(shown, values, np.nan), color, breaks)
            entries.append((color, title))
    ax.axhline(1.0 if is_map else 0.0, color="0.6", linewidth=0.6, zorder=0)
    ax.set_ylabel("critical |multiplier|" if is_map else r"Re $\lambda_c$", fontsize=FONT)
    _legend(ax, entries)


_PANELS = (
    (_eigenvalues, ("eigenvalues",)),
    (_channels, ("f_par",)),
    (_ranks, tuple(_RANKS)),
    (_critical, ("lambda_c",)),
)
