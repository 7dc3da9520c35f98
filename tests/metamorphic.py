"""Runs of one random problem that must find the same special points, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import ntkcont as nc
from ntkcont import Status
from tests.branch_faults import Place, Truth, arc, faults, places, unmatched, within
from tests.random_problems import FUNCTIONS, Problem, problem
from tests.transformations import TRANSFORMATIONS, Run, plain

#: Points of two runs are one within this relative distance: what is ill-conditioned has fewer digits.
SAME = 1e-5
#: States smaller than this beside those at the start are zero, where points are compared.
ZERO = 1e-9
#: A point this near an end of the span, as a fraction of it, may be inside in one run and outside in the other.
EDGE = 1e-7


def truth_of(problem: Problem) -> Truth:
    return Truth(terms=problem.coefficients.terms, jacobian=problem.coefficients.jacobian)


def examine(problem: Problem, names: Iterable[str] = tuple(TRANSFORMATIONS)) -> list[tuple[str, str]]:
    """Return what is wrong with the runs of a problem, as (kind, sentence); nothing is as it should be."""
    with np.errstate(all="ignore"):
        return _examine(problem, names)


def _examine(problem: Problem, names: Iterable[str]) -> list[tuple[str, str]]:
    if problem.coefficients.stateless():
        return _silent(problem)
    base = plain(problem)
    try:
        branch, said = base.branch()
    except (nc.InputError, nc.ConvergenceError) as error:
        return [("refused", f"{type(error).__name__}: {str(error)[:200]}")]
    found = faults(branch, said, truth_of(problem), base.back)
    for name in names:
        rng = np.random.default_rng([problem.seed, list(TRANSFORMATIONS).index(name)])
        run = TRANSFORMATIONS[name](problem, branch, rng)
        try:
            other, said = run.branch()
        except (nc.InputError, nc.ConvergenceError) as error:
            found.append((f"{name}: refused", f"{type(error).__name__}: {str(error)[:200]}"))
            continue
        alone = _faults_within(problem, run, other, said)
        found += [(f"{name}: {kind}", text) for kind, text in alone]
        found += [(f"{name}: {kind}", text) for kind, text in _differences(problem, branch, run, other)]
    return found


def _silent(problem: Problem) -> list[tuple[str, str]]:
    """Return a fault if nothing is said of a problem whose eigenvalue is zero everywhere."""
    try:
        _, said = plain(problem).branch()
    except nc.InputError as error:
        said = [str(error)]
    heard = any("on the stability boundary at every point" in text or "conserved quantity" in text for text in said)
    return [] if heard else [("silent", f"{said}")]


def _faults_within(problem: Problem, run: Run, branch: nc.Branch, said: list[str]) -> list[tuple[str, str]]:
    """Faults of a transformed run; what a wider span adds to the problem may end otherwise, but must explain itself."""
    found = faults(branch, said, truth_of(problem), run.back)
    n = problem.states
    if len(branch.states) > n:  # the decoupled rate lies among the eigenvalues and their pairs
        found = [(kind, text) for kind, text in found if not (kind == "definition" and "NSad" in text)]
    return found


def _differences(problem: Problem, base: nc.Branch, run: Run, other: nc.Branch) -> list[tuple[str, str]]:
    one = _found(problem, base, plain(problem))
    two = _found(problem, other, run)
    low, high = problem.span
    lost, more = unmatched(one, two, high - low, SAME, ZERO * float(np.max(np.abs(problem.x0))))
    reach = min(_reach(base, plain(problem)), _reach(other, run))

    def counts(place: Place) -> bool:
        near_edge = min(place.p - low, high - place.p) < EDGE * (high - low)
        return not near_edge and float(np.max(np.abs(place.x))) < 1e-2 * reach

    found = []
    if lost := [place for place in lost if counts(place)]:
        found.append(("lost", f"{lost}"))
    if more := [place for place in more if counts(place)]:
        found.append(("more", f"{more}"))
    return found


def _found(problem: Problem, branch: nc.Branch, run: Run) -> list[Place]:
    ranges = arc(branch, run.back, problem.x0, problem.p0, problem.span)
    if run.x0.shape == problem.x0.shape and not np.array_equal(run.x0, problem.x0):  # starts elsewhere
        x0, p0 = run.back(run.x0[None], np.array([run.p0]))
        ranges = arc(branch, run.back, x0[0], float(p0[0]), problem.span)
    found = within(places(branch, run.back), ranges, problem.span)
    if len(branch.states) > problem.states:  # neutral with the decoupled rate: not of the problem
        rate = run.params["k"]
        at = {point.s: point for point in branch.special_points}
        own = [
            place.label != "NSad" or not np.any(np.abs(at[place.s].eigenvalues - rate) < 1e-4 * rate) for place in found
        ]
        found = [place for place, keep in zip(found, own, strict=True) if keep]
    return found


def _reach(branch: nc.Branch, run: Run) -> float:
    """Return how far out a branch that goes to infinity was followed; the other run may have gone less far."""
    far = [row for row, end in zip((0, -1), branch.ends, strict=True) if end is not Status.BOUND]
    if branch.status is Status.CLOSED or not far:
        return float("inf")
    x, _ = run.back(branch.x[far], branch.p[far])
    return float(np.min(np.max(np.abs(x), axis=1)))


def drawn(seed: int) -> Problem:
    """Return the problem of a seed, of any number of states, kind of functions and coefficients."""
    rng = np.random.default_rng(seed)
    states, functions = int(rng.integers(1, 5)), FUNCTIONS[rng.integers(len(FUNCTIONS))]
    decades = int(rng.choice([0, 0, 4, 8, 12]))
    return problem(states, functions, decades, seed)


def by_seed(seed: int) -> tuple[str, list[tuple[str, str]]]:
    chosen = drawn(seed)
    return f"{chosen.decades} decades", examine(chosen)
