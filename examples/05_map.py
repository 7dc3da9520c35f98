"""Two maps: the logistic map, whose fixed point doubles its period, and the delayed one, which starts to rotate.

What one learns: maps are followed like flows, with multipliers in place of eigenvalues; period doubling (PD) and
Neimark-Sacker points (NS); orbits of period 2 are fixed points of the second iterate, ``model.power(2)``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc


def main(out: Path) -> None:
    """Find the bifurcations of both maps, compare them with the closed forms, draw the diagrams."""
    logistic = nc.Model.from_equations({"x": "r*x*(1 - x)"}, params={"r": 2.0}, kind="map")
    fixed = nc.continuation(logistic, {"x": 0.5}, free="r", p_span=(1.2, 4.0))
    print(fixed)
    doubling = fixed.special_points("PD")[0]
    assert abs(doubling.p - 3.0) < 1e-9
    np.testing.assert_allclose(fixed["x"], 1 - 1 / fixed["r"], atol=1e-9)

    # The orbit of period 2 exists beyond r = 3 and doubles in turn at r = 1 + sqrt(6).
    r = 3.2
    x = (r + 1 + np.sqrt((r - 3) * (r + 1))) / (2 * r)
    orbit = nc.continuation(logistic.power(2), {"x": x}, free="r", p_span=(2.9, 4.0), params={"r": r})
    print(orbit)
    assert not orbit.special_points("LP")  # it turns round at r = 3, but as a pitchfork
    second = orbit.special_points("PD")[0]
    assert abs(second.p - (1 + np.sqrt(6))) < 1e-8

    # x <- r x (1 - y), y <- x: the multipliers reach the unit circle at r = 2, at the angle pi/3.
    delayed = nc.Model.from_equations({"x": "r*x*(1 - y)", "y": "x"}, params={"r": 1.5}, kind="map")
    spiral = nc.continuation(delayed, [1 / 3, 1 / 3], free="r", p_span=(1.2, 2.6))
    print(spiral)
    rotation = spiral.special_points("NS")[0]
    assert abs(rotation.p - 2.0) < 1e-9
    assert rotation.omega is not None
    assert abs(rotation.omega - np.pi / 3) < 1e-8
    print(f"period doublings at r = {doubling.p:.9f}, {second.p:.9f}; Neimark-Sacker at r = {rotation.p:.9f}")

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    nc.plot.bifurcation_diagram([fixed, orbit], y="x", ax=axes[0])
    nc.plot.bifurcation_diagram(spiral, y="x", ax=axes[1])
    axes[0].set_title("logistic map")
    axes[1].set_title("delayed logistic map")
    figure.savefig(out / "05_map.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
