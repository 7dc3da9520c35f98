"""A pitchfork in a rate network of 64 units, with the neural tangent kernel of its biases and of its weights.

What one learns: a network is its weights; the resting state loses stability where the leading eigenvalue of
``gain W`` is 1; the kernel of the biases diverges there as distance**-2 and collapses onto one direction; the kernel of
the weights is exactly zero at rest and diverges as distance**-1 on the branch that bifurcates.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc


def weights(n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random weights whose one outlying eigenvalue is 1, with its right and left eigenvectors."""
    rng = np.random.default_rng(seed)
    u, w = rng.standard_normal((2, n)) / np.sqrt(n)
    v = u + 0.5 * w
    outlier = np.outer(v, w) / (w @ v)
    without = np.eye(n) - outlier  # the random part gets v and w as null vectors, so the outlier is exact
    bulk = without @ (0.5 * rng.standard_normal((n, n)) / np.sqrt(n)) @ without
    return bulk + outlier, v / np.linalg.norm(v), w / np.linalg.norm(w)


def slope(branch: nc.Branch, distance: np.ndarray) -> float:
    """Return d log(top) / d log(distance) over distances of 1e-3 to 1e-2."""
    near = (distance > 1e-3) & (distance < 1e-2)
    return float(np.polyfit(np.log(distance[near]), np.log(branch["top"][near]), 1)[0])


def main(out: Path) -> None:
    """Follow both branches with two kernels, compare with the closed forms, draw the panels."""
    W, v, w = weights()
    net = nc.RateRNN(W)
    biases = nc.ntk.StateNTK(theta=["b"])
    options = {"free": "gain", "p_span": (0.6, 1.4), "settings": nc.ContinuationSettings(ds_max=0.005)}

    rest = nc.continuation(net, np.zeros(64), params={"gain": 0.8}, ntk=biases, **options)
    print(rest)
    pitchfork = rest.special_points("BP")[0]
    assert abs(pitchfork.p - 1.0) < 1e-9

    # top (1 - gain)**2 -> kappa**2, the squared condition number of the critical eigenvalue
    kappa = 1 / abs(w @ v)
    row = int(np.argmin(np.where(rest.p < 1, 1 - rest.p, np.inf)))
    limit = rest["top"][row] * (1 - rest.p[row]) ** 2 / kappa**2
    print(f"kappa = {kappa:.4f}; top (1 - gain)^2 / kappa^2 = {limit:.4f} at gain = {rest.p[row]:.4f}")
    assert abs(limit - 1) < 0.05
    assert rest["participation_ratio"][row] < 1.01

    start = nc.find_fixed_points(net, starts=v[None, :] * 8, params={"gain": 1.3})
    branch = nc.continuation(net, start.x[0], params={"gain": 1.3}, ntk=biases, **options)
    print(branch)
    of_weights = nc.annotate(branch, nc.ntk.StateNTK(theta=["W"]))
    print(f"exponents on the bifurcating branch: biases {slope(branch, branch.p - 1):.3f} (theory -2), ", end="")
    print(f"weights {slope(of_weights, branch.p - 1):.3f} (theory -1)")
    assert abs(slope(branch, branch.p - 1) + 2) < 0.1
    assert abs(slope(of_weights, branch.p - 1) + 1) < 0.1

    figure = nc.plot.ntk_panels(rest)
    figure.savefig(out / "03_pitchfork_rnn.png", dpi=150)
    plt.close(figure)
    figure = nc.plot.ntk_panels(of_weights)
    figure.savefig(out / "03_pitchfork_rnn_weights.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the pictures")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
