"""The pictures of ``ntkcont demo``; importing this loads nothing heavy, since a second process draws some of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntkcont.cli.output import headless, save_figure

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch


def load() -> None:
    """Load what drawing needs, ahead of time."""
    headless()
    for module in ("matplotlib.pyplot", "ntkcont.plot"):
        importlib.import_module(module)


def neuron_with_cycles(neuron: Branch, path: Path) -> Path:
    """Draw the diagram of the neuron, coloured by the kernel, with its simulated stable cycle."""
    headless()
    from matplotlib import pyplot

    from ntkcont import plot

    wide = pyplot.subplots(figsize=(8.0, 4.6), layout="constrained")[1]
    ax = plot.bifurcation_diagram(neuron, y="v", color="top", envelope=True, ax=wide)
    return save_figure(ax.figure, path)


def pitchfork(trivial: Branch, bifurcated: Branch, v: np.ndarray, path: Path) -> Path:
    """Draw both branches of the network over the overlap of the state with v, coloured by effective rank."""
    headless()
    from ntkcont import plot

    def overlap(branch: Branch) -> np.ndarray:
        return branch.x @ v

    ax = plot.bifurcation_diagram([trivial, bifurcated], y=overlap, color="participation_ratio", labels=False)
    ax.set_ylabel("overlap with the critical eigenvector")
    return save_figure(ax.figure, path)


def kernel_panels(branch: Branch, path: Path) -> Path:
    """Draw the diagram of a branch with its kernel below."""
    headless()
    from ntkcont import plot

    return save_figure(plot.ntk_panels(branch), path, laid_out=True)
