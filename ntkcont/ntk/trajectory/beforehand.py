"""What trials will take, known from the sizes: asked before anything is simulated."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ntkcont.models.model import Model
from ntkcont.ntk.trajectory.integrators import stages_of
from ntkcont.ntk.trajectory.memory import check_fits
from ntkcont.ntk.trajectory.plan import Plan
from ntkcont.ntk.trajectory.spectra import choose


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """Sizes of trajectories that are not simulated yet; the attributes are those of ``Trajectories``."""

    model: Model
    entering_rows: int
    rows: int
    size: int
    most_columns: int
    structured: bool
    evaluations: int
    stages: int


def check_before(
    rollouts: Any, model: Model, plan: Plan, *, trials: int, components: int, method: str | None, structured: bool
) -> None:
    """Raise InputError if the trials, or the spectrum by `method` (None: there is none), do not fit in memory."""
    size, what = rollouts.held(trials)
    check_fits(size, f"initial_states, T: {what}", "take fewer trials or a shorter T", verb="need")
    if method is None:
        return
    weighted = plan.row_weights(np.ones(trials, dtype=bool)) > 0
    parameters = rollouts.packing.size
    planned = Planned(
        model=model,
        entering_rows=int(np.count_nonzero(weighted)) * components,
        rows=weighted.size * components,
        size=parameters,
        most_columns=min(parameters, rollouts.most_columns(trials)),
        structured=structured,
        evaluations=plan.steps * trials,
        stages=stages_of(plan.integrator, model.kind == "map"),
    )
    choose(method, planned)
