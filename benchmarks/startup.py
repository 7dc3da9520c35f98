"""What a user waits for before the first result."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from benchmarks.rows import Row, seconds

PART = "Start-up, each in a process of its own, compiled before"

FIRST = """
import numpy as np, ntkcont as nc
net = nc.RateRNN(1.2 * np.random.default_rng(0).standard_normal((50, 50)) / np.sqrt(50))
nc.continuation(net, np.zeros(50), free="gain", p_span=(0.2, 1.2){})
"""
EQUATIONS = """
import ntkcont as nc
model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, params={"h": 0.1, "mu": 1.0})
nc.continuation(model, {"x": 1.0}, free="mu", p_span=(-1.0, 2.0))
"""


def python(code: str) -> None:
    """Run some code in a new interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def import_time() -> float:
    """Return the seconds of ``import ntkcont`` alone, in an interpreter that has started."""
    code = "import time; t = time.perf_counter(); import ntkcont; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(5)
    ]
    return sorted(times)[2]


def demo() -> float:
    """Return the seconds of ``ntkcont demo``, the second time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ntkcont", "demo", "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start


def rows() -> list[Row]:
    """Measure."""
    empty = seconds(lambda: python(""), runs=3)
    return [
        Row(part=PART, name="Python alone", value=empty),
        Row(part=PART, name="import ntkcont", value=import_time(), at_most=0.3),
        Row(part=PART, name="equations to branch", value=seconds(lambda: python(EQUATIONS), runs=3)),
        Row(part=PART, name="network of 50 units to branch", value=seconds(lambda: python(FIRST.format("")), runs=3)),
        Row(
            part=PART, name="the same with its kernel",
            value=seconds(lambda: python(FIRST.format(", ntk=nc.ntk.StateNTK()")), runs=3),
        ),
        Row(part=PART, name="ntkcont demo, the second time", value=demo(), at_most=8.0),
    ]  # fmt: skip
