"""The child process: ``python -m ntkcont.peers.pydstool_child TASK.json RESULT.json``, in a folder of its own."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ntkcont.peers.pydstool_child import shim


def solve(task: dict[str, Any]) -> dict[str, Any]:
    """Follow the curve in the wanted directions, `repeats` times while that is quick, then the cycles."""
    from ntkcont.peers.pydstool_child import cycles
    from ntkcont.peers.pydstool_child.curves import Curves

    curves = Curves(task)
    sides = [curves.follow(sign) for sign in task["signs"]]
    seconds = [sum(side["seconds"] for side in sides)]
    while len(seconds) < task["repeats"] and sum(seconds) + seconds[0] < task["repeat_seconds"]:
        seconds.append(sum(curves.follow(sign)["seconds"] for sign in task["signs"]))
    found: list[dict[str, Any]] = []
    notes = list(dict.fromkeys(curves.notes))
    hopf = [(side, point) for side in sides for point in side["special"] if point["label"] == "H"]
    if task["cycles"] and hopf:
        lacking = cycles.missing()
        if lacking:
            notes.append(f"limit cycles (LC-C) were left out: they need {lacking}, which is not installed")
            hopf = []
        for side, point in hopf:
            try:
                found.append({"from": point, **cycles.follow(curves.cont, side["curve"], point, task)})
            except Exception as error:
                words = " ".join(f"{type(error).__name__} {error}".split())[-300:]
                notes.append(f"limit cycles from {point['name']} at p = {point['p']:.6g} failed: {words}")
    for side in sides:
        del side["seconds"], side["curve"]
    return {"version": version("PyDSTool"), "sides": sides, "seconds": seconds, "cycles": found, "notes": notes}


def main() -> None:
    """Read the task, solve it, write the result."""
    source, target = (Path(name) for name in sys.argv[1:])
    shim.install()
    np.random.seed(0)  # noqa: NPY002  (PyCont borders matrices with random vectors: the same ones in every run)
    result = solve(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
