"""Sel'kov's model of glycolysis: a window of oscillations between two supercritical Hopf points.

What one learns: where the oscillation begins and ends, that it is born stable (the first Lyapunov coefficient l1 is
negative), how large it is in between, and where the window closes when the second parameter moves.

    x' = -x + a y + x**2 y          x: ADP
    y' = b - a y - x**2 y           y: fructose-6-phosphate

The fixed point is x = b, y = b / (a + b**2).  The trace of the Jacobian vanishes where
b**2 = (1 - 2 a -+ sqrt(1 - 8 a)) / 2, and its determinant is a + b**2, the square of the frequency there.

E. E. Sel'kov, European Journal of Biochemistry 4 (1968); in this form S. H. Strogatz, Nonlinear Dynamics and Chaos,
example 7.3.2.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc


def main(out: Path) -> None:
    """Find both Hopf points and compare them with the closed form, draw the cycles between, follow the Hopf curve."""
    equations = {"x": "-x + a*y + x**2*y", "y": "b - a*y - x**2*y"}
    a = 0.08
    model = nc.Model.from_equations(equations, params={"a": a, "b": 0.1})
    start = {"x": 0.1, "y": 0.1 / (a + 0.01)}
    branch = nc.continuation(model, start, free="b", p_span=(0.05, 1.2))
    print(branch)
    hopf = branch.special_points("H")
    assert len(hopf) == 2
    for point, sign in zip(hopf, (-1, 1), strict=True):
        b = np.sqrt((1 - 2 * a + sign * np.sqrt(1 - 8 * a)) / 2)
        omega = np.sqrt(a + b**2)
        form = point.normal_form
        print(f"{point.name}: b = {point.p:.10f} (closed form {b:.10f}), ", end="")
        print(f"omega = {point.omega:.10f} ({omega:.10f}), l1 = {form['l1']:.5f}, {form['criticality']}")
        assert abs(point.p - b) < 1e-9
        assert abs(point.omega - omega) < 1e-9
        assert form["l1"] < 0

    (cycle,) = nc.cycle_envelope(branch, "x")
    widest = int(np.argmax(cycle.high - cycle.low))
    print(
        f"the cycle is widest at b = {cycle.p[widest]:.3f}: x from {cycle.low[widest]:.3f} to {cycle.high[widest]:.3f}"
    )

    curve = nc.continuation(model, hopf[0], free=("b", "a"), p_span=((0.05, 1.2), (0.0, 0.16)))
    print(curve)

    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.1), layout="constrained")
    nc.plot.bifurcation_diagram(branch, y="x", envelope=True, ax=axes[0])
    nc.plot.two_parameter(curve, ax=axes[1], legend=False)
    b = np.linspace(0.02, 1.0, 50)
    closed = -(2 * b**2 + 1) / 2 + np.sqrt((2 * b**2 + 1) ** 2 / 4 + b**2 - b**4)
    axes[1].plot(b, closed, "o", ms=3.5, mfc="none", mec="0.2", mew=0.7, zorder=3)
    axes[1].axhline(a, color="0.6", lw=0.8, ls=":")
    axes[1].text(0.58, 0.05, "oscillates", ha="center")
    axes[1].text(0.1, 0.14, "rests")
    axes[1].set_title("the Hopf curve (circles: closed form; dotted: left)", fontsize=10)
    figure.savefig(out / "02_selkov.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
