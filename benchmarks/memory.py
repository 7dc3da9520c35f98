"""Peak memory of long branches, each in a process of its own: ``python -m benchmarks --only memory``.

``python -m benchmarks.memory POINTS UNITS [kernel]`` measures one, in this process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

import ntkcont as nc
from benchmarks.rows import Row

PART = "Memory above the imports"


def peak_mb() -> float:
    """Return the largest resident size of this process so far, in MB (Linux counts it in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def follow(n: int, points: int, kernel: bool) -> nc.Branch:
    """Follow a random network for `points` steps: with its kernel and all, or large with little kept."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    little: dict[str, Any] = {} if kernel else {"eigenvalues": "adaptive", "store_states": "special"}
    settings = nc.ContinuationSettings(ds=1.0 / points, ds_max=1.0 / points, max_steps=points, **little)
    return nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, direction="+",
        settings=settings, ntk=nc.ntk.StateNTK() if kernel else None,
    )  # fmt: skip


def child(points: int, n: int, kernel: bool) -> dict[str, float]:
    """Return the peak above what the imports and a small run need."""
    follow(70 if not kernel else 8, 20, kernel)  # imports and compilation
    before = peak_mb()
    start = time.perf_counter()
    branch = follow(n, points, kernel)
    return {
        "points": len(branch), "above": peak_mb() - before, "imports": before,
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def measured(points: int, n: int, kernel: bool) -> dict[str, float]:
    """Return what :func:`child` does in a new process."""
    command = [sys.executable, "-m", "benchmarks.memory", str(points), str(n), *(["kernel"] if kernel else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows(points: int = 10_000, n: int = 1000) -> list[Row]:
    """Measure the long branch of a large network."""
    found = measured(points, n, kernel=False)
    return [
        Row(part=PART, name=f"{found['points']} points, {n} units, adaptive, special states", value=found["above"],
            unit="MB", at_most=300.0,
            note=f"{found['imports']:.0f} MB before; {found['seconds'] / found['points'] * 1e3:.0f} ms a point"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(child(int(sys.argv[1]), int(sys.argv[2]), "kernel" in sys.argv)))
