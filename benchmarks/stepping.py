"""Time per step of a continuation, everything included, beside the LAPACK calls that no step can do without."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy.linalg

import ntkcont as nc

RUNS = 5


def median_time(run: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median seconds of `runs` calls after one that warms up."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def morris_lecar() -> tuple[str, nc.Branch, float]:
    """Follow both Hopf points of the Morris-Lecar neuron with steps of 0.1 % of the diagram."""
    model = nc.classics.morris_lecar()
    settings = nc.ContinuationSettings(ds=1e-3, ds_max=1e-3)

    def run() -> nc.Branch:
        return nc.continuation(model, [-60.0, 0.01], free="I", p_span=(-5, 300), direction="+", settings=settings)

    return "Morris-Lecar, n = 2", run(), median_time(run)


def network(n: int, steps: int) -> tuple[str, nc.Branch, float]:
    """Follow a fixed point of a random tanh network with a bias."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    settings = nc.ContinuationSettings(ds=1.0 / steps, ds_max=1.0 / steps)

    def run() -> nc.Branch:
        return nc.continuation(
            net, np.zeros(n), free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, direction="+", settings=settings
        )

    return f"tanh network, n = {n}", run(), median_time(run, RUNS if n <= 64 else 1)


def floor(n: int) -> float:
    """Seconds of one dgeev (no vectors) and three LU factorisations with solves of size n + 1."""
    rng = np.random.default_rng(1)
    a = np.asfortranarray(rng.standard_normal((n, n)))
    b = np.asfortranarray(rng.standard_normal((n + 1, n + 1)))
    v = rng.standard_normal(n + 1)
    geev, getrf, getrs = scipy.linalg.get_lapack_funcs(("geev", "getrf", "getrs"), (a,))
    repeat = max(1, 20000 // n**2)

    def spectrum() -> None:
        for _ in range(repeat):
            geev(a, compute_vl=0, compute_vr=0)

    def solve() -> None:
        for _ in range(repeat):
            lu, piv, _ = getrf(b)
            getrs(lu, piv, v)

    return (median_time(spectrum) + 3 * median_time(solve)) / repeat


def table() -> list[str]:
    """Return the lines of the table."""
    lines = [f"{'problem':24s} {'points':>7s} {'per step':>12s} {'dgeev + 3 LU':>13s} {'ratio':>6s}  special points"]
    for (name, branch, seconds), n in ((morris_lecar(), 2), (network(50, 2500), 50), (network(200, 250), 200)):
        step, least = seconds / len(branch), floor(n)
        labels = " ".join(q.name for q in branch.special_points if q.label != "EP") or "none"
        lines.append(
            f"{name:24s} {len(branch):7d} {step * 1e6:9.1f} us {least * 1e6:10.1f} us {step / least:6.2f}  {labels}"
        )
    return lines
