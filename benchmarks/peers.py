"""Time per step beside PyDSTool and xpplab, in one run: ``python -m benchmarks.peers``.

Each program follows the same branch in about as many points, from its own call to its own finished result; models are
built and compiled before.  PyDSTool takes about a second a step on the network, so it goes a short way there.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

import ntkcont as nc

#: how much faster ntkcont shall be, at least
WANTED = {("Morris-Lecar", "pydstool"): 250.0, ("network", "pydstool"): 250.0, ("Morris-Lecar", "xpplab"): 4.0}


def morris_lecar(against: str) -> nc.peers.Comparison:
    """Compare on the type II neuron with both Hopf points, in a thousand points and more."""
    points = 1500
    peer: Any = (
        nc.peers.PyDSTool(max_step=1.0, step=0.1) if against == "pydstool" else nc.peers.XPPLab(step=0.1, max_step=0.22)
    )
    return nc.compare(
        nc.classics.morris_lecar(), [-60.0, 0.01], free="I", p_span=(-5.0, 300.0), direction="both", against=peer,
        settings=nc.ContinuationSettings(ds=2.0 / points, ds_max=2.0 / points), title="Morris-Lecar",
    )  # fmt: skip


def network(units: int = 50) -> nc.peers.Comparison:
    """Compare on a random tanh network with a bias, over a short range of its gain."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((units, units)) / math.sqrt(units), b=0.3 * rng.standard_normal(units))
    return nc.compare(
        net, np.zeros(units), free="gain", p_span=(0.4, 0.6), params={"gain": 0.4}, direction="+", repeats=1,
        against=nc.peers.PyDSTool(step=0.02, max_step=0.1), title="network",
        settings=nc.ContinuationSettings(ds=1e-3, ds_max=1e-3),
    )  # fmt: skip


def line(problem: str, report: nc.peers.Comparison) -> str:
    """Return the line of one comparison."""
    peer = report.peer_name
    wanted = WANTED[problem, peer]
    ours, theirs = report.seconds_per_step["ntkcont"], report.seconds_per_step[peer]
    agree = f"{len(report.matched)} matched, {len(report.only_ntkcont)} + {len(report.only_peer)} alone"
    mark = "" if report.speedup >= wanted else "  TOO SLOW"
    return (
        f"{problem:14s} {ours * 1e6:9.1f} us ({report.steps['ntkcont']:5d})   {peer:9s} {theirs * 1e6:11.1f} us "
        f"({report.steps[peer]:5d})  {report.speedup:8.0f} times (wanted {wanted:g}); {agree}{mark}"
    )


def main() -> int:
    """Print the table; the status is 1 if ntkcont is not as much faster as it shall be."""
    print("Time per step (points) side by side, from the call to the finished result, one BLAS thread")
    failed = False
    for problem, run in (
        ("Morris-Lecar", lambda: morris_lecar("xpplab")),
        ("Morris-Lecar", lambda: morris_lecar("pydstool")),
        ("network", network),
    ):
        try:
            report = run()
        except nc.PeerError as error:
            print(f"{problem:14s} left out: {error}")
            continue
        print(line(problem, report), flush=True)
        failed |= report.speedup < WANTED[problem, report.peer_name]
        print(f"{'':14s} {report.peer_name}: {report.timed[report.peer_name]}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
