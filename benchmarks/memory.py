"""Peak memory of a long branch of a large network with its kernel: ``python -m benchmarks.memory [points] [units]``."""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

import ntkcont as nc


def peak_mb() -> float:
    """Return the largest resident size of this process so far, in MB (Linux counts it in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def follow(n: int, points: int) -> nc.Branch:
    """Follow a random network of n units for `points` steps with its equilibrium kernel."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    settings = nc.ContinuationSettings(ds=1.0 / points, ds_max=1.0 / points, max_steps=points)
    return nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, direction="+",
        settings=settings, ntk=nc.ntk.StateNTK(), progress=True,
    )  # fmt: skip


def main() -> None:
    """Print the peak above what the imports and a small run need."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    follow(8, 20)  # imports and compilation
    before = peak_mb()
    start = time.perf_counter()
    branch = follow(n, points)
    seconds = time.perf_counter() - start
    print(f"{len(branch)} points, {n} units, kernel included: {peak_mb() - before:.0f} MB above the imports")
    print(f"({before:.0f} MB); {seconds / len(branch) * 1e3:.0f} ms a point; {branch.status}")


if __name__ == "__main__":
    main()
