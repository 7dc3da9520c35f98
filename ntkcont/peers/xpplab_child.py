"""The child process of the xpplab comparator: ``python -m ntkcont.peers.xpplab_child TASK.json RESULT.json``."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

LABELS = {"LP": "LP", "HB": "H", "BP": "BP", "PD": "PD", "TR": "NS"}


def solve(task: dict[str, Any]) -> dict[str, Any]:
    """Follow the equilibria in the wanted directions, `repeats` times."""
    import xpplab

    Path("model.ode").write_text(task["ode"], encoding="ascii")
    model = xpplab.load("model.ode")
    model.set(**task["params"])
    seconds, engine, found = [], [], []
    for _ in range(task["repeats"]):
        runs = [_run(model, task, sign) for sign in task["signs"]]
        found = [diagram for diagram, _, _ in runs]
        seconds.append(sum(whole for _, whole, _ in runs))
        engine.append(sum(alone for _, _, alone in runs))
    names = [name.upper() for name in task["states"]]
    notes: list[str] = []
    sides = [_side(diagram, names, task, notes) for diagram in found]
    return {"version": version("xpplab"), "sides": sides, "seconds": seconds, "engine": engine, "notes": notes}


def _run(model: Any, task: dict[str, Any], sign: int) -> tuple[Any, float, float]:
    """Return the diagram of one direction, the seconds of the call, and those of AUTO alone."""
    auto = model.auto
    auto.reset()
    start = time.perf_counter()
    diagram = auto.equilibria(task["free"], from_equilibrium=False, ds=sign * task["step"], **task["settings"])
    middle = time.perf_counter()
    _ = auto.diagram  # the same points once more: what reading them back takes
    end = time.perf_counter()
    return diagram, middle - start, (middle - start) - (end - middle)


def _side(diagram: Any, names: list[str], task: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    points = list(diagram)
    # AUTO knows no stability at its first point, and where it failed its point is none
    followed = [point for point in points[1:] if point.type != "MX"]
    if len(points) <= 1:
        notes.append("AUTO computed no points in one direction")
    elif points[-1].type == "MX":
        notes.append(
            f"AUTO did not converge beyond {points[-1].value:.6g}"
            if followed
            else "AUTO did not get away from the start"
        )
    elif len(points) >= task["settings"]["nmax"]:
        notes.append(f"AUTO stopped after nmax = {task['settings']['nmax']} points")
    count: dict[str, int] = {}
    special = []
    for point in followed:
        if point.type in LABELS and point.label:
            count[point.type] = count.get(point.type, 0) + 1
            special.append(
                {
                    "label": LABELS[point.type],
                    "name": f"{point.type}{count[point.type]}",
                    "p": point.value,
                    "x": [point.u0[name] for name in names],
                }
            )
    return {
        "p": [point.value for point in followed],
        "x": [[point.u0[name] for name in names] for point in followed],
        "stable": [point.stable for point in followed],
        "special": special,
    }


def main() -> None:
    """Read the task, solve it, write the result."""
    source, target = (Path(name) for name in sys.argv[1:])
    result = solve(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
