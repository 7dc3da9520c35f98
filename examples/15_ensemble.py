"""At what gain is it safe to start training?  The origin of 200 random networks, and the kernel there.

The origin of ``z' = -z + g W tanh(z)``, W with entries of variance 1/n, loses its stability at the gain one over the
largest real part of the eigenvalues of W: near 1 for large n, but how near depends on the seed.  The kernel (biases
trained) warns much earlier: its effective rank, the number of directions in which gradient descent moves the state,
falls from n at small gain to a few well before the bifurcation, and its largest eigenvalue grows, so that the learning
rate must shrink.  A safe gain is one at which nearly all seeds keep half of the rank.  The 200 continuations run on all
cores; each branch is kept in a folder as soon as it is there, and a second call only reads.
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
SPAN = (0.1, 1.3)
GAINS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1)  # of the table
SETTINGS = nc.ContinuationSettings(ds=0.02, ds_max=0.04)


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
        settings=SETTINGS, ntk=nc.ntk.StateNTK(theta="b"),
    )  # fmt: skip


def check(found: nc.Ensemble) -> np.ndarray:
    """Compare the first bifurcations with the eigenvalues of the weights, and return those of the latter."""
    assert not found.failures
    critical = found.critical_values()
    exact = np.array([1.0 / np.linalg.eigvals(weights(seed)).real.max() for seed in range(len(found))])
    inside = exact < SPAN[1]
    error = np.abs(critical[inside] - exact[inside]).max()
    assert error < 1e-8
    assert np.all(np.isnan(critical[~inside]))
    pitchforks, hopf = (int(np.sum(critical == found.critical_values(label))) for label in ("BP", "H"))
    print(f"the origin meets a pitchfork first in {pitchforks} networks, a Hopf point in {hopf},")
    print(f"neither below {SPAN[1]} in {np.sum(~inside)}; largest error against the eigenvalues of W: {error:.1e}\n")
    return exact


def table(found: nc.Ensemble, exact: np.ndarray) -> None:
    """Print what the kernels are like at some gains."""
    ranks, tops = (found.values(name, GAINS) for name in ("participation_ratio", "top"))
    print(f"{'gain':>5} {'unstable':>9} {'effective rank: 5 %':>20} {'median':>7} {'95 %':>6} {'top: median':>12}")
    for j, gain in enumerate(GAINS):
        low, middle, high = np.quantile(ranks[:, j], [0.05, 0.5, 0.95])
        lost, top = np.mean(exact < gain), np.median(tops[:, j])
        print(f"{gain:>5} {lost:>9.1%} {low:>20.1f} {middle:>7.1f} {high:>6.1f} {top:>12.3g}")


def main(out: Path, seeds: int) -> None:
    """Solve, check, and say where it is safe."""
    problems = [problem(seed) for seed in range(seeds)]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        nc.ensemble(problems, store=folder, progress=sys.stderr.isatty())
        solved = time.perf_counter()
        found = nc.ensemble(problems, store=folder)
        print(f"{seeds} networks of {UNITS} units: {solved - begun:.1f} s; to read them again", end=" ")
        print(f"{time.perf_counter() - solved:.2f} s")
        exact = check(found)
        table(found, exact)
        fine = np.linspace(*SPAN, 241)
        kept = np.quantile(found.values("participation_ratio", fine), 0.05, axis=0) >= UNITS / 2
        safe = fine[np.flatnonzero(kept)[-1]]
        print(f"\n95 % of the seeds keep half of the rank up to a gain of {safe:.2f};")
        print(f"5 % of the origins are unstable from {np.quantile(exact, 0.05):.2f} on")

        figure = nc.plot.ensemble(found, y="participation_ratio")
        for ax in figure.axes:
            ax.axvline(safe, color="0.3", linestyle=":", linewidth=1.0)
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
