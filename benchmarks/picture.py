"""The run as a picture: growth with n, ratios beside what is wanted of them, shares of a step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from benchmarks import stepping
from benchmarks.rows import Row


def _growth(ax: Any, rows: Sequence[Row]) -> None:
    found = [row for row in rows if row.part == stepping.GROWTH and row.unit == "steps/s"]
    n = [int(row.name.rsplit("=", 1)[1]) for row in found]
    ax.loglog(n, [row.value for row in found], "o-", color="C0", label="tanh network, everything included")
    exponents = [row for row in rows if row.part == stepping.GROWTH and row.unit == ""]
    for row in exponents[-1:]:
        ax.plot([], [], " ", label=f"time grows as $n^{{{row.value:.2f}}}$ for large n")
    ax.set(xlabel="units n", ylabel="steps a second", title="Steps a second")
    ax.legend(frameon=False)


def _shares(ax: Any, rows: Sequence[Row]) -> None:
    found = [row for row in rows if row.part == stepping.SHARES and ": " in row.name]
    sizes = list(dict.fromkeys(row.name.split(": ")[0] for row in found))
    parts = list(dict.fromkeys(row.name.split(": ")[1] for row in found))
    left = np.zeros(len(sizes))
    for part in parts:
        values = np.array(
            [next((max(row.value, 0.0) for row in found if row.name == f"{size}: {part}"), 0.0) for size in sizes]
        )
        ax.barh(sizes, values, left=left, label=part)
        left += values
    ax.set(xlabel="per cent of a step", title="Where the time goes")
    ax.set_ylim(-0.6, len(sizes) + 0.9)
    ax.legend(frameon=False, ncols=2, loc="upper left", fontsize="small")


def _judged(ax: Any, rows: Sequence[Row]) -> None:
    """Draw what was reached over what was wanted, better to the right."""
    found = [row for row in rows if row.at_most is not None or row.at_least is not None]
    better = [
        row.at_most / max(row.judged, 1e-12) if row.at_most is not None else row.judged / (row.at_least or 1.0)
        for row in found
    ]
    y = np.arange(len(found))[::-1]
    ax.barh(y, better, color=["C2" if row.ok else "C3" for row in found])
    ax.axvline(1.0, color="k", linewidth=1)
    # what a row measures, in its name or that of its part
    names = [f"{row.part.split(',')[0]}, {row.name}" if row.name.startswith("n =") else row.name for row in found]
    ax.set_yticks(y, names, fontsize="x-small")
    ax.set(xscale="log", xlabel="times better than wanted", title="Numbers that are wanted")
    ax.set_xlim(min(0.1, 0.8 * min(better)), max(10.0, 1.25 * max(better)))  # whole decades: readable ticks


def draw(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Draw the panels for which there are rows, and save."""
    judged = sum(bool(row.wanted) for row in rows)
    panels = [
        (drawn, present)
        for drawn, present in (
            (_growth, any(row.part == stepping.GROWTH for row in rows)),
            (_shares, any(row.part == stepping.SHARES and ": " in row.name for row in rows)),
            (_judged, any(row.wanted for row in rows)),
        )
        if present
    ]
    size = (5.5 * len(panels), max(4.5, 0.25 * judged))
    figure, axes = plt.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
    for (drawn, _), ax in zip(panels, axes[0], strict=True):
        drawn(ax, rows)
    figure.savefig(path, dpi=150)
    plt.close(figure)
