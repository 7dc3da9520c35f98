"""Time per step beside PyDSTool, xpplab and jaxcont, in one run: ``python -m benchmarks --only peers``.

Each program follows the same branch, from its own call to its own finished result; models are built and compiled
before.  PyDSTool takes about a second a step on the network, so it goes a short way there.  jaxcont compiles anew in
every call: its step is what a longer branch costs more, its call is given beside it.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np

import ntkcont as nc
from benchmarks import stepping
from benchmarks.rows import Row, seconds

PART = "Other programs, a step"

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


def compared(problem: str, report: nc.peers.Comparison) -> Row:
    """Return the row of one comparison."""
    peer = report.peer_name
    ours, theirs = report.seconds_per_step["ntkcont"], report.seconds_per_step[peer]
    agree = f"{len(report.matched)} points matched, {len(report.only_ntkcont)} + {len(report.only_peer)} alone"
    return Row(
        part=PART, name=f"{problem} beside {peer}", value=ours, beside=f"faster than {peer}", ratio=theirs / ours,
        at_least=WANTED[problem, peer],
        note=f"its step {theirs * 1e6:.0f} us; {report.steps['ntkcont']} and {report.steps[peer]} points; {agree}",
    )  # fmt: skip


def _jaxcont(problem: str, step: float, most: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.jaxcont_child", problem, str(step), str(most)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(text.splitlines()[-1])


def beside_jaxcont() -> list[Row]:
    """Compare with jaxcont on both problems."""
    found = []
    for problem, run, step, most in (
        ("Morris-Lecar", stepping.morris_lecar(), 0.2, 1700),
        ("network", stepping.network(50, 1000), 0.01, 300),
    ):
        few, many = _jaxcont(problem, 3 * step, most), _jaxcont(problem, step, most)
        theirs = (many["seconds"] - few["seconds"]) / (many["points"] - few["points"])
        branch = run()
        ours = seconds(run, 3) / len(branch)
        hopf = [q.p for q in branch.special_points if q.label == "H"]
        apart = max((abs(a - b[1]) for a, b in zip(hopf, many["events"], strict=False)), default=0.0)
        found.append(
            Row(
                part=PART, name=f"{problem} beside jaxcont", value=ours, beside="faster than jaxcont",
                ratio=theirs / ours,
                note=f"its step {theirs * 1e6:.0f} us, its call for {many['points']} points {many['seconds']:.1f} s; "
                f"{len(many['events'])} and {len(hopf)} Hopf points, {apart:.0e} apart",
            )
        )  # fmt: skip
    return found


def rows() -> list[Row]:
    """Measure beside every program that is installed."""
    found = []
    for problem, run in (
        ("Morris-Lecar", lambda: morris_lecar("xpplab")),
        ("Morris-Lecar", lambda: morris_lecar("pydstool")),
        ("network", network),
    ):
        try:
            found.append(compared(problem, run()))
        except nc.PeerError as error:
            print(f"{problem} left out: {error}", file=sys.stderr)
    if importlib.util.find_spec("jaxcont") is None:
        print("jaxcont left out: pip install jaxcont", file=sys.stderr)
        return found
    return [*found, *beside_jaxcont()]
