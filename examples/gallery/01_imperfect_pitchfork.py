"""The imperfect pitchfork ``x' = h + mu x - x**3``: a bias h takes the branch point apart, and its folds end in a cusp.

What one learns: ``nc.diagram`` follows all branches from one start through their branch points, and branches that are
not connected from further starts; a fold is followed in two parameters, and the cusp on the curve is located.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

BIAS = 0.05


def main(out: Path) -> None:
    """Draw the diagram without and with a bias, and the folds in the plane of both parameters."""
    model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, params={"h": 0.0, "mu": -1.0})
    span = (-1.0, 1.0)
    perfect = nc.diagram(model, [0.0], free="mu", p_span=span)
    print(perfect)
    assert perfect.special_points.labels == ("BP",)
    assert perfect.special_points["BP1"].normal_form["type"] == "pitchfork"

    # With a bias one branch goes through, and two are connected by a fold; they need a start of their own.
    at_one = nc.find_fixed_points(model, box=(-2.0, 2.0), params={"h": BIAS, "mu": 1.0}, seed=0)
    biased = nc.diagram(model, at_one, free="mu", p_span=span)
    print(biased)
    fold = biased.special_points["LP1"]
    exact = 3 * (BIAS / 2) ** (2 / 3)
    print(f"fold at mu = {fold.p:.12f}; 3 (h/2)^(2/3) = {exact:.12f}")
    assert abs(fold.p - exact) < 1e-9

    curve = nc.continuation(model, fold, free=("h", "mu"), p_span=((-0.4, 0.4), span))
    print(curve)
    distance = np.abs(4 * curve["mu"] ** 3 - 27 * curve["h"] ** 2).max()
    cusp = curve.special_points("CP")[0]
    print(f"|4 mu^3 - 27 h^2| along the curve: at most {distance:.1e}; ", end="")
    print(f"cusp at h = {cusp['h']:.1e}, mu = {cusp['mu']:.1e}")
    assert distance < 1e-9

    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    for ax, diagram, h in zip(axes, (perfect, biased), (0.0, BIAS), strict=False):
        nc.plot.bifurcation_diagram(diagram, ax=ax)
        ax.set_title(f"h = {h:g}")
        ax.set_ylim(-1.2, 1.2)
    nc.plot.two_parameter(curve, ax=axes[2])
    mu = np.linspace(0.0, 1.0, 25)
    for sign in (-1, 1):
        axes[2].plot(sign * np.sqrt(4 * mu**3 / 27), mu, "o", ms=3.5, mfc="none", mec="0.2", mew=0.7, zorder=3)
    for h in (0.0, BIAS):
        axes[2].axvline(h, color="0.6", lw=0.8, ls=":")
    white = {"fc": "white", "ec": "none", "pad": 1.5}
    axes[2].text(0.0, 0.68, "3 fixed points", ha="center", bbox=white)
    axes[2].text(-0.37, 0.1, "1 fixed point")
    note = "circles: $4\\mu^3 = 27h^2$\ndotted: the diagrams at the left"
    axes[2].text(0.37, -0.9, note, ha="right", bbox=white)
    figure.savefig(out / "01_imperfect_pitchfork.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
