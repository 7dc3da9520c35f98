"""At what gain is it safe to start training?  The origin of 200 random networks, and the kernel there.

The origin of ``z' = -z + g W tanh(z)``, W with entries of variance 1/n, loses its stability at the gain one over the
largest real part of the eigenvalues of W: near 1 for large n, but how near depends on the seed.  Below that gain a
network has one state of rest, and its kernel (biases trained) an effective rank near n: gradient descent can move the
state in all directions.  At the bifurcation one or two directions outgrow all others and the learning rate must shrink
like one over the largest eigenvalue.  So a safe gain is one that nearly all seeds still have below them.  The 200
continuations run on all cores; each branch is kept in a folder as soon as it is there, and the second call only reads.
What one learns: to describe many problems, to solve them side by side, and to read quantiles from the results.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

UNITS, SEEDS = 32, 200
SPAN = (0.2, 1.6)
LOST = (0.01, 0.05, 0.25, 0.5)  # fractions of the seeds whose origin is unstable


def weights(seed: int) -> np.ndarray:
    """Return the weights of one seed."""
    return np.random.default_rng(seed).standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)


def network(seed: int) -> nc.RateRNN:
    """Return the network of one seed; the workers call this."""
    return nc.RateRNN(weights(seed))


def problem(seed: int) -> nc.Problem:
    """Return the continuation of the origin of one network, with the kernel along it."""
    return nc.Problem(
        network, {"seed": seed}, x0=0.0, free="gain", p_span=SPAN, params={"gain": SPAN[0]}, direction="+",
        ntk=nc.ntk.StateNTK(theta="b"),
    )  # fmt: skip


def main(out: Path, seeds: int) -> None:
    """Solve, check, and say where it is safe."""
    problems = [problem(seed) for seed in range(seeds)]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        nc.ensemble(problems, store=folder, progress=sys.stderr.isatty())
        solved = time.perf_counter()
        found = nc.ensemble(problems, store=folder)
        print(found)
        print(f"{solved - begun:.1f} s; reading them again {time.perf_counter() - solved:.2f} s\n")
        assert not found.failures

        critical = found.critical_values()
        closed_form = np.array([1.0 / np.linalg.eigvals(weights(seed)).real.max() for seed in range(seeds)])
        inside = closed_form < SPAN[1]
        error = np.abs(critical[inside] - closed_form[inside]).max()
        assert error < 1e-8
        assert np.all(np.isnan(critical[~inside]))
        pitchforks = int(np.sum(critical == found.critical_values("BP")))
        hopf = int(np.sum(critical == found.critical_values("H")))
        print(
            f"the origin first meets a pitchfork in {pitchforks} networks, a Hopf point in {hopf}, none in the span in"
        )
        print(f"{int(np.sum(~inside))}; largest error against the eigenvalues of W: {error:.1e}\n")

        gains = np.quantile(closed_form, LOST)
        ranks, tops = (found.values(name, gains) for name in ("participation_ratio", "top"))
        print(f"{'unstable':>9} {'gain':>8} {'effective rank, median and 5 %':>32} {'largest eigenvalue, median':>28}")
        for j, (lost, gain) in enumerate(zip(LOST, gains, strict=True)):
            low, middle = np.nanquantile(ranks[:, j], [0.05, 0.5])
            print(f"{lost:>9.0%} {gain:>8.3f} {middle:>24.1f} {low:>7.1f} {np.nanmedian(tops[:, j]):>28.2f}")
        print(f"\nsafe for 95 of 100 seeds: a gain below {gains[1]:.2f}")

        figure = nc.plot.ensemble(found, y="participation_ratio")
        for ax in figure.axes:
            ax.axvline(gains[1], color="0.3", linestyle=":", linewidth=1.0)
        figure.axes[0].set_ylabel("effective rank of the kernel")
        figure.savefig(out / "15_ensemble.png", dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of networks")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    main(chosen.out, chosen.seeds)
