"""PyCont curves and what to read from them, after the shim is in place."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

# PyCont's label of a special point: ours; what it calls LPC on a curve of fixed points of a map is a fold
LABELS = {"LP": "LP", "LPC": "LP", "H": "H", "BP": "BP", "PD": "PD", "NS": "NS"}
TYPES = {"flow": ("EP-C", ["LP", "H", "BP"]), "map": ("FP-C", ["LPC", "PD", "NS", "BP"])}


def continuation_class(task: dict[str, Any]) -> Any:
    """Return PyCont's object for the model of the task, with the span of the free parameter as its domain."""
    import PyDSTool as pds

    low, high = task["p_span"]
    edge = 1e-3 * (high - low)  # a start on the edge lies inside
    functions = {name: (list(args), text) for name, (args, text) in task["model"]["fnspecs"].items()}
    domain = {task["free"]: [low - edge, high + edge]}
    options: dict[str, Any] = {**task["model"], "fnspecs": functions, "pdomain": domain}
    if task["kind"] == "map":
        return pds.ContClass(pds.Generator.MapSystem(pds.args(**options, ttype=int)))
    return pds.ContClass(pds.Generator.Vode_ODEsystem(pds.args(**options)))


class Curves:
    """The two directions of the curve of fixed points."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.cont = continuation_class(task)
        self.count = 0
        self.notes: list[str] = []

    def _new(self, **options: Any) -> Any:
        import PyDSTool as pds

        self.count += 1
        name = f"curve{self.count}"
        self.cont.newCurve(pds.args(name=name, verbosity=0, **options))
        return self.cont[name]

    def _options(self) -> dict[str, Any]:
        task = self.task
        kind, points = TYPES[task["kind"]]
        return {
            "type": kind,
            "freepars": [task["free"]],
            "StepSize": task["step"],
            "MaxStepSize": task["max_step"],
            "MinStepSize": task["min_step"],
            "MaxNumPoints": task["max_points"],
            "LocBifPoints": [*(label for label in points if not self._too_small(label)), "B"],
            "StopAtPoints": ["B"],
            "SaveEigen": True,
        }

    def _too_small(self, label: str) -> bool:
        return label in ("H", "NS") and len(self.task["states"]) < 2

    def _method(self, sign: int) -> str:
        """Return which of forward and backward first moves the free parameter by this sign."""
        probe = self._new(**{**self._options(), "MaxNumPoints": 3, "LocBifPoints": [], "StopAtPoints": []})
        probe.forward()
        values = probe.sol[self.task["free"]]
        return "forward" if (values[1] - values[0]) * sign >= 0 else "backward"

    def follow(self, sign: int) -> dict[str, Any]:
        """Follow the curve in one direction of the free parameter and return its points, special points and seconds."""
        method = self._method(sign)
        curve = self._new(**self._options())
        start = time.perf_counter()
        try:
            getattr(curve, method)()
        except Exception as error:
            kept = recovered(curve)
            if kept < 2:
                raise
            self.notes.append(f"{method}() stopped after {kept} points: {' '.join(str(error).split())}")
        seconds = time.perf_counter() - start
        found = self._read(curve, reverse=method == "backward")
        # the edges of the domain end the curve; whether they did is what matters
        low, high = self.task["p_span"]
        if low < found["p"][-1] < high and len(found["p"]) >= self.task["max_points"]:
            self.notes.append(f"{method}() stopped after MaxNumPoints = {self.task['max_points']} points")
        return {**found, "seconds": seconds, "curve": curve.name}

    def _read(self, curve: Any, *, reverse: bool) -> dict[str, Any]:
        sol = curve.sol
        order = list(range(len(sol)))[:: -1 if reverse else 1]
        states = np.array([sol[name] for name in self.task["states"]]).T
        tag = curve.curvetype.split("-")[0]
        points: dict[str, Any] = {"p": [], "x": [], "stable": [], "special": []}
        for index in order:
            labels = sol.labels[index]
            values = labels.get(tag, {})
            points["p"].append(float(sol[self.task["free"]][index]))
            points["x"].append(states[index].tolist())
            points["stable"].append(values.get("stab") == "S")
            for label in LABELS:
                if label in labels:
                    points["special"].append(self._special(label, labels[label], points["p"][-1], states[index]))
        return points

    def _special(self, label: str, values: Any, p: float, x: Any) -> dict[str, Any]:
        data = values["data"]
        # its a is an absolute value, so only l1 has a sign
        form = {name: float(np.real(getattr(data, name))) for name in ("l1",) if hasattr(data, name)}
        return {
            "label": LABELS[label],
            "name": values.get("name", label),
            "p": p,
            "x": x.tolist(),
            "normal_form": form,
        }


def recovered(curve: Any) -> int:
    """Let a curve that ended with an exception keep the points computed before it; return how many there are."""
    tag = curve.curvetype.split("-")[0]
    done = [index for index in range(len(curve.curve)) if index in curve.CurveInfo and tag in curve.CurveInfo[index]]
    if done:
        curve.loc = done[-1]
        curve.sol = curve._curveToPointset()
    return len(done)
