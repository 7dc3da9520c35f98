"""What leaves the special points of a branch where they are: other spans, starts, directions, steps, units, states."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import ntkcont as nc
from tests.random_problems import Problem, family

Back = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _same(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x, p


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Arguments of one continuation, and the way back from its states and parameter to those of the problem."""

    model: nc.Model
    x0: np.ndarray
    p0: float
    span: tuple[float, float]
    params: Mapping[str, float]
    settings: nc.ContinuationSettings | None = None
    direction: str = "both"
    back: Back = _same

    def branch(self) -> tuple[nc.Branch, list[str]]:
        """Return the branch and the warnings."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            branch = nc.continuation(
                self.model,
                self.x0,
                free="p",
                p_span=self.span,
                params={**self.params, "p": self.p0},
                settings=self.settings,
                direction=self.direction,  # type: ignore[arg-type]
            )
        return branch, [str(each.message) for each in said]


def plain(problem: Problem, **changes: Any) -> Run:
    """Return the problem as it is, with some arguments of the run changed."""
    run = Run(
        model=family(problem.states),
        x0=problem.x0,
        p0=problem.p0,
        span=problem.span,
        params=problem.coefficients.params(),
    )
    return dataclasses.replace(run, **changes)


def _wider(problem: Problem, factors: np.ndarray) -> Run:
    low, high = problem.span
    return plain(problem, span=(low - factors[0] * (high - low), high + factors[1] * (high - low)))


def span_enlarged(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    return _wider(problem, 10.0 ** rng.uniform(-1.0, 1.5, 2))


def runs_on(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    """A span in which the branch goes on until it is stopped by infinity, or very far away."""
    return _wider(problem, 10.0 ** rng.uniform(3.0, 8.0, 2))


def _clear(branch: nc.Branch) -> np.ndarray:
    """Rows that lie on no special point."""
    special = np.array([point.s for point in branch.special_points])
    step = np.min(np.abs(branch.s[:, None] - special), axis=1)
    rows = np.flatnonzero(step > 1e-3)
    return rows if len(rows) else np.array([len(branch) // 2])


def starts_elsewhere(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    row = int(rng.choice(_clear(branch)))
    return plain(problem, x0=branch.x[row], p0=float(branch.p[row]))


def reversed_direction(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    """From near one end of the branch back to the other one, with the parameter counted backwards as well."""
    row = int(_clear(branch)[0 if rng.random() < 0.5 else -1])
    low, high = problem.span
    return plain(
        problem,
        x0=branch.x[row],
        p0=-float(branch.p[row]),
        span=(-high, -low),
        params={**problem.coefficients.params(), "al": -1.0},
        back=lambda x, p: (x, -p),
    )


def halved_steps(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    return plain(problem, settings=nc.ContinuationSettings(ds=0.0025, ds_max=0.01))


def permuted(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    order = rng.permutation(problem.states)
    inverse = np.argsort(order)
    return plain(
        problem,
        x0=problem.x0[order],
        params=problem.coefficients.permuted(order).params(),
        back=lambda x, p: (x[:, inverse], p),
    )


def scaled(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    """Each state in another unit, by powers of ten up to 1e6 and 1e-6."""
    units = 10.0 ** rng.integers(-6, 7, problem.states).astype(float)
    return plain(
        problem,
        x0=problem.x0 / units,
        params={**problem.coefficients.params(), **{f"s{i}": float(unit) for i, unit in enumerate(units)}},
        back=lambda x, p: (x * units, p),
    )


def decoupled(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    """A stable state that nothing depends on, with a rate up to 1e12."""
    n = problem.states
    rate, level, slope = 10.0 ** rng.uniform(0.0, 12.0), rng.standard_normal(), rng.standard_normal()
    slope = slope / (problem.span[1] - problem.span[0])
    values = {"k": float(rate), "z0": float(level), "z1": float(slope)}
    return plain(
        problem,
        model=family(n, True),
        x0=np.append(problem.x0, level + slope * problem.p0),
        params={**problem.coefficients.params(), **values},
        back=lambda x, p: (x[:, :n], p),
    )


def affine(problem: Problem, branch: nc.Branch, rng: np.random.Generator) -> Run:
    """P = al p + be, with al over twelve decades and of either sign."""
    low, high = problem.span
    al = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.integers(-6, 7))
    be = float(rng.uniform(-3.0, 3.0) * (high - low))
    ends = sorted(((low - be) / al, (high - be) / al))
    return plain(
        problem,
        p0=(problem.p0 - be) / al,
        span=(ends[0], ends[1]),
        params={**problem.coefficients.params(), "al": al, "be": be},
        back=lambda x, p: (x, al * p + be),
    )


TRANSFORMATIONS: Mapping[str, Callable[[Problem, nc.Branch, np.random.Generator], Run]] = {
    each.__name__: each
    for each in (
        span_enlarged,
        runs_on,
        starts_elsewhere,
        reversed_direction,
        halved_steps,
        permuted,
        scaled,
        decoupled,
        affine,
    )
}
