"""PyDSTool (PyCont) as a comparator: its curves of equilibria and of fixed points of maps, and its limit cycles.

PyDSTool 0.91 does not import on a current Python; a child process puts back what it misses
(``ntkcont.peers.pydstool_child``), so that nothing of this process changes.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np

from ntkcont.errors import PeerError
from ntkcont.peers.child import installed, run_child
from ntkcont.peers.options import check_options
from ntkcont.peers.protocol import PeerBranch, PeerCycles, PeerPoint, PeerTask, as_sides

_TIMED = "forward() and backward() of PyCont, without importing and building the model; eigenvalues saved (SaveEigen)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PyDSTool:
    """Run PyCont on the same problem.

    Lengths of steps are Euclidean in states and parameter, in the units of the model, as PyCont measures them.

    Parameters
    ----------
    step, max_step, min_step : float, optional
        ``StepSize``, ``MaxStepSize`` and ``MinStepSize``. Default: the largest step is the length of ntkcont's branch
        over 400, the first a tenth of it, the smallest 1e-4 of it.
    max_points : int, default 3000
        ``MaxNumPoints`` in each direction.
    cycles : bool, default False
        Follow limit cycles (LC-C) from its Hopf points too. Needs swig and a C compiler; without them the report says
        so.
    cycle_points : int, default 60
        ``MaxNumPoints`` of each family of limit cycles.
    timeout : float, default 600
        Seconds until it is stopped.

    Raises
    ------
    InputError
        If a number is not positive and finite, or a count is no whole number.

    Examples
    --------
    >>> from ntkcont.peers.pydstool import PyDSTool
    >>> PyDSTool(max_step=1.0).name
    'pydstool'
    """

    step: float | None = None
    max_step: float | None = None
    min_step: float | None = None
    max_points: int = 3000
    cycles: bool = False
    cycle_points: int = 60
    timeout: float = 600.0

    name = "pydstool"

    def __post_init__(self) -> None:
        check_options(
            self, ("step", "max_step", "min_step"), whole=("max_points", "cycle_points"), required=("timeout",)
        )

    def check(self) -> None:
        """Raise PeerError unless PyDSTool is installed and this Python can run it."""
        check_python()

    def follow(self, task: PeerTask) -> PeerBranch:
        """Solve the task in a child process.

        Raises
        ------
        PeerError
            PyDSTool is missing, this Python is too new for it, or it failed.
        """
        from ntkcont.dialects.pydstool_out import pydstool_names, to_pydstool
        from ntkcont.models.symbolic_form import symbolic_form

        self.check()
        steps = self._steps(task)
        form = symbolic_form(task.model)
        names = pydstool_names([*form.states, *form.params, *form.aux])
        model = to_pydstool(task.model, task.x0)
        model.pop("ttype", None)  # the kind says it, and types are not JSON
        model["pars"] |= {names[name]: float(value) for name, value in task.params.items()}
        sent = {
            "model": model,
            "kind": task.model.kind,
            "states": [names[state] for state in form.states],
            "free": names[task.free],
            "p_span": list(task.p_span),
            "signs": list(task.signs),
            **steps,
            "max_points": self.max_points,
            "repeats": task.repeats,
            "repeat_seconds": 20.0,
            "cycles": {**steps, "max_points": self.cycle_points} if self.cycles else None,
        }
        got = run_child("ntkcont.peers.pydstool_child", sent, peer="PyDSTool", timeout=self.timeout)
        special = [PeerPoint(**point) for side in got["sides"] for point in _without_start_twins(side, got["sides"])]
        return PeerBranch(
            program=f"PyDSTool {got['version']} (PyCont, {'EP-C' if task.model.kind == 'flow' else 'FP-C'})",
            sides=as_sides(got["sides"], task.model.n),
            special_points=tuple(special),
            seconds=tuple(got["seconds"]),
            timed=_TIMED,
            settings=f"StepSize {steps['step']:.3g}, MaxStepSize {steps['max_step']:.3g}",
            notes=tuple(got["notes"]),
            cycles=tuple(_cycles(family) for family in got["cycles"]),
        )

    def _steps(self, task: PeerTask) -> dict[str, float]:
        largest = self.max_step if self.max_step is not None else max(task.arclength, 1e-6) / 400
        first = self.step if self.step is not None else largest / 10
        smallest = self.min_step if self.min_step is not None else min(1e-4 * largest, first)
        return {"step": first, "max_step": largest, "min_step": smallest}


def check_python() -> None:
    """Raise unless PyDSTool is installed and this Python can run it."""
    if sys.version_info >= (3, 13):
        msg = (
            f"PyDSTool cannot run on Python {sys.version_info[0]}.{sys.version_info[1]} (it needs what 3.13 removed); "
            "use an environment with Python 3.11 or 3.12, or compare against='xpplab'"
        )
        raise PeerError(msg)
    if not installed("PyDSTool"):
        msg = "PyDSTool is not installed; pip install 'ntkcont[pydstool]' (Python 3.11 or 3.12)"
        raise PeerError(msg)


def _without_start_twins(side: dict[str, Any], sides: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the special points of a side without those at the start that an earlier side reported already."""
    if side is sides[0] or not side["p"]:
        return side["special"]
    seen = sides[0]["special"]

    def twin(point: dict[str, Any]) -> bool:
        return any(
            point["label"] == other["label"] and np.allclose([point["p"], *point["x"]], [other["p"], *other["x"]], 1e-6)
            for other in seen
        )

    return [point for point in side["special"] if not twin(point)]


def _cycles(family: dict[str, Any]) -> PeerCycles:
    start, n = family["from"], len(family["from"]["x"])
    return PeerCycles(
        start=start["name"],
        p=np.array(family["p"], dtype=float),
        period=np.array(family["period"], dtype=float),
        high=np.array(family["max"], dtype=float).reshape(-1, n),
        low=np.array(family["min"], dtype=float).reshape(-1, n),
        stable=np.array(family["stable"], dtype=bool),
        special=tuple(f"{q['label']} at {q['p']:.6g}, period {q['period']:.6g}" for q in family["special"]),
    )
