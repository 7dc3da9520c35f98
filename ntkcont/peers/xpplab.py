"""XPPAUT's AUTO engine (the package xpplab) as a comparator."""

from __future__ import annotations

import dataclasses
import statistics

import numpy as np

from ntkcont.errors import PeerError
from ntkcont.peers.child import installed, run_child
from ntkcont.peers.extent import core
from ntkcont.peers.options import check_options
from ntkcont.peers.protocol import PeerBranch, PeerPoint, PeerTask, as_sides


@dataclasses.dataclass(frozen=True, kw_only=True)
class XPPLab:
    """Run the AUTO of XPPAUT on the same problem.

    AUTO's steps are lengths in states and parameter in the units of the model.

    Parameters
    ----------
    step, max_step, min_step : float, optional
        ``ds``, ``dsmax`` and ``dsmin``. Default: the largest step is the length of ntkcont's branch over 400, the first
        a tenth of it, the smallest 1e-4 of it.
    max_points : int, default 5000
        ``nmax`` in each direction.
    tolerance : float, default 1e-7
        ``epsl``, ``epsu`` and ``epss``: Newton's method and location of special points.
    timeout : float, default 300
        Seconds until it is stopped.

    Raises
    ------
    InputError
        If a number is not positive and finite, or a count is no whole number.
    """

    step: float | None = None
    max_step: float | None = None
    min_step: float | None = None
    max_points: int = 5000
    tolerance: float = 1e-7
    timeout: float = 300.0

    name = "xpplab"

    def __post_init__(self) -> None:
        check_options(self, ("step", "max_step", "min_step"), whole=("max_points",), required=("tolerance", "timeout"))

    def check(self) -> None:
        """Raise PeerError unless xpplab is installed."""
        if not installed("xpplab"):
            msg = "xpplab is not installed; pip install 'ntkcont[xpplab]'"
            raise PeerError(msg)

    def follow(self, task: PeerTask) -> PeerBranch:
        """Solve the task in a child process.

        Raises
        ------
        PeerError
            xpplab is missing or failed.
        """
        from ntkcont.dialects.xpp_out import to_xpp

        self.check()
        largest = self.max_step if self.max_step is not None else max(task.arclength, 1e-6) / 400
        first = self.step if self.step is not None else largest / 10
        smallest = self.min_step if self.min_step is not None else min(1e-4 * largest, first)
        text = to_xpp(task.model, task.x0)
        part = core(task.branch)
        far = 1e3 if part == slice(None) else 10.0  # it need not follow the branch to infinity
        reach = float(np.abs(task.branch.x[part]).max()) * task.model.n
        norm = far * (1.0 + reach + float(np.abs(task.p_span).max()))
        sent = {
            "ode": str(text),
            "states": [text.names[state] for state in task.model.states],
            "free": text.names[task.free],
            "params": {text.names[name]: float(value) for name, value in task.params.items()},
            "signs": list(task.signs),
            "step": first,
            "settings": {
                "dsmax": largest,
                "dsmin": smallest,
                "parmin": task.p_span[0],
                "parmax": task.p_span[1],
                "nmax": self.max_points,
                "npr": 10 * self.max_points,  # no labels but those of special points
                "normmax": norm,
                "epsl": self.tolerance,
                "epsu": self.tolerance,
                "epss": self.tolerance,
            },
            "repeats": task.repeats,
        }
        got = run_child("ntkcont.peers.xpplab_child", sent, peer="xpplab", timeout=self.timeout)
        sides = as_sides(got["sides"], task.model.n)
        steps = sum(len(p) for p, _, _ in sides)
        return PeerBranch(
            program=f"xpplab {got['version']} (XPPAUT's AUTO)",
            sides=sides,
            special_points=tuple(PeerPoint(**point) for side in got["sides"] for point in side["special"]),
            seconds=tuple(got["seconds"]),
            timed=(
                "auto.equilibria(...), whose result is the finished diagram, without loading the model; "
                f"AUTO itself takes {1e6 * statistics.median(got['engine']) / max(steps, 1):.3g} us a step of it"
            ),
            settings=f"ds {first:.3g}, dsmax {largest:.3g}, epsl = epsu = epss = {self.tolerance:g}",
            notes=tuple(got["notes"]),
        )
