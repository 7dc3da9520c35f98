"""A fold: two fixed points of ``x' = mu - x**2`` meet at mu = 0 and vanish.

What one learns: equations become a model, a model and a start become a branch, the branch knows its special points,
and the kernel of the parameter grows as 1/(4 mu) towards the fold, as it must.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc


def main(out: Path) -> None:
    """Follow the parabola, check it against its closed form, draw it."""
    model = nc.Model.from_equations({"x": "mu - x**2"}, params={"mu": 1.0})
    kernel = nc.ntk.StateNTK(theta=["mu"], theta_scale="none", state_scale="none")
    branch = nc.continuation(model, {"x": 1.0}, free="mu", p_span=(-1.0, 2.0), ntk=kernel)
    print(branch)

    fold = branch.special_points["LP1"]
    assert abs(fold.p) < 1e-10
    assert abs(fold["x"]) < 1e-6
    np.testing.assert_allclose(branch["x"] ** 2, branch["mu"], atol=1e-9)
    away = branch["mu"] > 1e-4
    np.testing.assert_allclose(branch["top"][away], 1 / (4 * branch["mu"][away]), rtol=1e-6)
    print(f"fold at mu = {fold.p:.1e}; kernel at mu = {branch['mu'].max():g}: {branch['top'][0]:.6f}")

    figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
    nc.plot.bifurcation_diagram(branch, y="x", ax=ax)
    figure.savefig(out / "01_fold.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
