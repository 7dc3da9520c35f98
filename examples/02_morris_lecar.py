"""The Morris-Lecar neuron: folds and a Hopf point in the input current, and the spikes that are born there.

What one learns: a ready model, finding points by label, the amplitude of the stable cycle by simulation, and files.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc


def main(out: Path) -> None:
    """Follow the equilibria in I, draw them with the envelope of the simulated spikes."""
    model = nc.classics.morris_lecar("I")
    branch = nc.continuation(model, {"v": -60.0, "w": 0.01}, free="I", p_span=(-30.0, 160.0), params={"I": 0.0})
    print(branch)

    # At a fold of equilibria dI/dv = 0 along I(v), which this model gives in closed form.
    q = dict(model.params)
    v = np.linspace(-60.0, 30.0, 200_001)
    calcium = q["gCa"] * (1 + np.tanh((v - q["v1"]) / q["v2"])) / 2 * (v - q["vCa"])
    potassium = q["gK"] * (1 + np.tanh((v - q["v3"]) / q["v4"])) / 2 * (v - q["vK"])
    current = calcium + potassium + q["gL"] * (v - q["vL"])
    slope = np.gradient(current, v)
    turning = current[1:][slope[1:] * slope[:-1] < 0]
    folds = [point.p for point in branch.special_points("LP")]
    np.testing.assert_allclose(sorted(folds), sorted(turning), atol=1e-4)
    print("folds at I =", ", ".join(f"{p:.6f}" for p in folds))

    # At a Hopf point the two eigenvalues are +- i omega: no trace, and omega**2 is the determinant.
    hopf = branch.special_points("H")[0]
    jacobian = model.jac(hopf.x, {"I": hopf.p})
    assert abs(np.trace(jacobian)) < 1e-9
    assert hopf.omega is not None
    assert abs(hopf.omega**2 / np.linalg.det(jacobian) - 1) < 1e-8
    print(f"Hopf point at I = {hopf.p:.6f}, period {2 * np.pi / hopf.omega:.3f} ms")

    branch.save(out / "02_morris_lecar.npz")
    assert nc.load(out / "02_morris_lecar.npz") == branch

    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    nc.plot.bifurcation_diagram(branch, y="v", ax=ax, envelope=True)
    figure.savefig(out / "02_morris_lecar.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the pictures and the branch")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
