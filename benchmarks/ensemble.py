"""An ensemble on two processes beside two independent runs at the same time.

64 continuations of 64-unit networks.  The two independent runs are plain loops that keep nothing; both ways are timed
from the first to the last second, the start of the processes included, in turns.  The seconds of all processes on
their cores, which other programs on the machine change less, are shown beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import numpy as np

import ntkcont as nc
from benchmarks.rows import Row

PART = "An ensemble: 64 continuations of 64 units"
MEMBERS, UNITS, PROCESSES = 64, 64, 2
ROUNDS = 3


def network(seed: int) -> nc.RateRNN:
    """Return a random network with a bias."""
    rng = np.random.default_rng(seed)
    W = 0.9 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    return nc.RateRNN(W, b=0.3 * rng.standard_normal(UNITS))


def problem(seed: int) -> nc.Problem:
    """Return the continuation of one network."""
    settings = nc.ContinuationSettings(ds=4e-3, ds_max=4e-3)
    return nc.Problem(
        network, {"seed": seed}, x0=0.0, free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, direction="+",
        settings=settings,
    )  # fmt: skip


def spent() -> float:
    """Return the seconds that this process and those that it started and waited for have had on a core so far."""
    return sum(os.times()[:4])


def independent() -> tuple[float, float]:
    """Return the seconds of plain loops over half of the members each, in processes of their own: passed, on cores."""
    begun, before = time.perf_counter(), spent()
    command = [sys.executable, "-m", "benchmarks.ensemble"]
    runs = [subprocess.Popen([*command, str(first)]) for first in range(PROCESSES)]
    assert [run.wait() for run in runs] == [0] * PROCESSES
    return time.perf_counter() - begun, spent() - before


def together() -> tuple[float, float]:
    """Return the seconds of the ensemble, results kept: passed, on cores."""
    with tempfile.TemporaryDirectory() as folder:
        begun, before = time.perf_counter(), spent()
        found = nc.ensemble([problem(seed) for seed in range(MEMBERS)], store=folder, workers=PROCESSES)
        seconds = time.perf_counter() - begun, spent() - before
        assert not found.failures
    return seconds


def rows() -> list[Row]:
    """Measure in turns."""
    network(0)  # imports
    pairs = [(independent(), together()) for _ in range(ROUNDS)]
    (plain, plain_cores), (ours, our_cores) = np.median(pairs, axis=0)
    return [
        Row(part=PART, name="two independent runs", value=plain, note=f"{plain_cores:.1f} s on {os.cpu_count()} cores"),
        Row(
            part=PART, name="nc.ensemble on two processes", value=ours, beside="their rate", ratio=plain / ours,
            at_least=0.9, note=f"{our_cores:.1f} s on cores",
        ),
    ]  # fmt: skip


if __name__ == "__main__":  # one of the independent runs
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        for seed in range(int(sys.argv[1]), MEMBERS, PROCESSES):
            problem(seed).solve()
