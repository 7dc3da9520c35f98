"""Limit cycles (LC-C) from the Hopf points of a curve: PyDSTool's copy of AUTO, compiled for the model."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from ntkcont.peers.pydstool_child.build_step import compiler

LABELS = {"LPC": "LPC", "PD": "PD", "NS": "NS"}


def missing() -> str:
    """Return what is missing for limit cycles, or nothing."""
    tools = [name for name in ("swig", compiler()[0]) if shutil.which(name) is None]
    return " and ".join(tools)


def follow(cont: Any, curve: str, point: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """Follow the cycles born at a Hopf point `point` of the curve called `curve`."""
    import PyDSTool as pds

    name = f"cycles_{curve}_{point['name']}"
    steps = task["cycles"]
    cont.newCurve(
        pds.args(
            name=name,
            type="LC-C",
            initpoint=f"{curve}:{point['name']}",
            freepars=[task["free"]],
            StepSize=steps["step"],
            MaxStepSize=steps["max_step"],
            MinStepSize=steps["min_step"],
            MaxNumPoints=steps["max_points"],
            NumSPOut=steps["max_points"],
            LocBifPoints=["LPC", "PD", "NS"],
            SolutionMeasures=["max", "min"],
            SaveEigen=True,
            verbosity=0,
        )
    )
    cont[name].forward()
    sol = cont[name].sol
    low, high = task["p_span"]
    p = np.array(sol[task["free"]])
    # AUTO does not know the span: what lies beyond the first point outside is left out
    outside = np.flatnonzero((p < low) | (p > high) | ~np.isfinite(p))
    count = int(outside[0]) if len(outside) else len(p)
    labels = [sol.labels[index] for index in range(count)]
    special = [
        {"label": label, "p": float(p[index]), "period": float(sol["_T"][index])}
        for index, found in enumerate(labels)
        for label in LABELS
        if label in found
    ]
    extremes = {
        side: np.array([sol[f"{state}_{side}"] for state in task["states"]]).T[:count].tolist()
        for side in ("max", "min")
    }
    return {
        "p": p[:count].tolist(),
        "period": np.array(sol["_T"])[:count].tolist(),
        "stable": [found.get("LC", {}).get("stab") == "S" for found in labels],
        "special": special,
        **extremes,
    }
