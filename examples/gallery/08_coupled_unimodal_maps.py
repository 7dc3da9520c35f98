"""Two logistic maps with diffusive coupling: the flip in opposite phase comes before the flip in phase.

x <- r x (1 - x) + d (y - x), y <- r y (1 - y) + d (x - y).  What one learns: ``nc.diagram`` switches branches at every
period doubling and at the branch points between orbits, and finds all of this from one start; the critical vector
says whether the maps go together or take turns; whatever the symmetry leaves in closed form is met to 1e-8; the
resolvent kernel of one input to each map singles out their difference at one flip and their sum at the other.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

D = 0.05


def closed_forms(d: float) -> dict[str, float]:
    """Return r of the bifurcations that symmetry leaves solvable.

    Multipliers of the fixed point: 2 - r in phase, 2 - r - 2 d in opposite phase.  Orbits of period 2 in phase: the
    product of the slopes is q = 4 + 2 r - r^2 and their sum -2, so the multipliers are q and q + 4 d + 4 d^2.
    Orbits of period 2 in opposite phase are (x, y), (y, x) with x + y = (r + 1 - 2 d)/r, and rotate where the product
    of slopes less d is d^2 - 1.
    """
    e = 1 - 2 * d
    return {
        "flip in opposite phase": 3 - 2 * d,
        "flip in phase": 3.0,
        "orbit in opposite phase rotates": 1 + np.sqrt(2 + 2 * e**2 + 2 * e + 2 * d * e),
        "orbit in phase becomes stable": 1 + np.sqrt(3 + (1 + 2 * d) ** 2),
        "orbit in phase flips in phase": 1 + np.sqrt(6),
        "orbit in phase flips in opposite phase": 1 + np.sqrt(5 + (1 + 2 * d) ** 2),
    }


def iterated(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Iterate both maps at many r at once, from states that differ; return r and x of the last 200 of 2000 steps."""
    x, y = np.full(len(values), 0.4), np.full(len(values), 0.7)
    kept = []
    for step in range(2000):
        x, y = values * x * (1 - x) + D * (y - x), values * y * (1 - y) + D * (x - y)
        if step >= 1800:
            kept.append(x)
    return np.tile(values, len(kept)), np.concatenate(kept)


def main(out: Path) -> None:
    """Follow the fixed point and all orbits that spring from it, compare with the closed forms, draw."""
    equations = {"x": "r*x*(1 - x) + d*(y - x) + I", "y": "r*y*(1 - y) + d*(x - y) + J"}
    model = nc.Model.from_equations(equations, {"r": 2.6, "d": D, "I": 0.0, "J": 0.0}, kind="map")
    diagram = nc.diagram(model, [0.6, 0.6], free="r", p_span=(2.6, 3.6), depth=2)
    print(diagram)
    for name, exact in closed_forms(D).items():
        point = min(diagram.special_points, key=lambda each, to=exact: abs(each.p - to))
        form = point.normal_form
        print(f"{name}: {point.name} at r = {point.p:.10f}, closed form {exact:.10f}; {form['criticality']}")
        assert abs(point.p - exact) < 1e-8

    # Which map gets what: of the inputs I to x and J to y, the difference at the first flip, the sum at the second.
    kernel = nc.ntk.StateNTK(kernel="resolvent", theta=["I", "J"], theta_scale="none", state_scale="none")
    fixed = nc.annotate(diagram[0], kernel)
    for name, direction in (("PD1", [1, -1]), ("PD2", [1, 1])):
        drive = np.real(fixed.special_points[name].ntk["wF"])
        overlap = abs(drive @ direction) / np.linalg.norm(drive) / np.sqrt(2)
        print(f"|cos| between the kernel's inputs at {name} and {direction}: {overlap:.9f}")
        assert abs(overlap - 1) < 1e-9

    figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
    axes[0].plot(*iterated(np.linspace(2.8, 3.6, 500)), ",", color="0.55", zorder=0, rasterized=True)
    nc.plot.bifurcation_diagram(diagram, y="x", ax=axes[0], labels=False)
    axes[0].set_xlim(2.8, 3.6)
    axes[0].set_ylim(0.3, 0.95)
    axes[0].set_title("all orbits (grey: iterated)")
    nc.plot.bifurcation_diagram(diagram, y=lambda branch: branch["x"] - branch["y"], ax=axes[1], legend="none")
    axes[1].set(ylabel="x - y", xlim=(2.8, 3.6), title="0 where both go in phase")
    ax = axes[2]
    ax.semilogy(fixed["r"], fixed["top"], color="C0", label="resolvent kernel")
    ax.semilogy(fixed["r"], nc.annotate(diagram[0], equilibrium())["top"], color="C1", label="equilibrium kernel")
    for name, side in (("flip in opposite phase", "right"), ("flip in phase", "left")):
        value = closed_forms(D)[name]
        ax.axvline(value, color="0.6", linewidth=0.8, zorder=0)
        ax.text(
            value,
            0.97,
            " " + name.replace("flip in ", "flip in\n ") + " ",
            ha=side,
            va="top",
            transform=ax.get_xaxis_transform(),
        )
    ax.set(xlabel="r", ylabel="largest eigenvalue", title="kernels of one input to each map")
    ax.legend(frameon=False, loc="center right")
    ax.set(xlim=(2.6, 3.5), ylim=(None, 1e8))
    figure.savefig(out / "08_coupled_unimodal_maps.png", dpi=150)
    plt.close(figure)


def equilibrium() -> nc.ntk.StateNTK:
    """Return the kernel of the fixed point itself, of the same inputs."""
    return nc.ntk.StateNTK(theta=["I", "J"], theta_scale="none", state_scale="none")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
