"""Random planar cubic flows and maps, and what a continuation of them gets wrong, by the fine tracer."""

from __future__ import annotations

import collections
import dataclasses
import functools
import warnings

import numpy as np

import ntkcont as nc
from ntkcont import Status
from tests.branch_faults import Place, Truth, distance, faults, places, unmatched
from tests.fine_tracer import TERMS, Traced, traced

CLASSES = {"unit": 0, "mid": 4, "wide": 12}
SAME = 1e-5
#: Longest step of the tracer; the other run takes half of it.
STEP = 0.006


@functools.cache
def family(kind: str) -> nc.Model:
    """Return the model of all cubic flows or maps: ``a012`` is the number of x^0 y^1 p^2."""
    texts = [" + ".join(f"{row}{i}{j}{k}*x**{i}*y**{j}*p**{k}" for i, j, k in TERMS) for row in "ab"]
    params = {f"{row}{i}{j}{k}": 0.0 for row in "ab" for i, j, k in TERMS}
    return nc.Model.from_equations(dict(zip("xy", texts, strict=True)), {**params, "p": 0.0}, kind=kind)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planar:
    kind: str
    numbers: np.ndarray  # (2, terms)
    x0: np.ndarray
    p0: float
    span: tuple[float, float]

    def params(self) -> dict[str, float]:
        names = [f"{row}{i}{j}{k}" for row in "ab" for i, j, k in TERMS]
        return {**dict(zip(names, map(float, self.numbers.ravel()), strict=True)), "p": self.p0}


def drawn(kind: str, group: str, seed: int) -> Planar:
    """Return a random problem: the constants are such that x0 is a fixed point at p0."""
    decades = CLASSES[group]
    rng = np.random.default_rng([seed, decades, int(kind == "map")])
    shape = (2, len(TERMS))
    if decades == 0:
        numbers = rng.standard_normal(shape)
    else:
        numbers = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-decades / 2, decades / 2, shape)
    numbers = np.where(rng.random(shape) < 0.4, 0.0, numbers)
    if rng.random() < 0.1:  # x = 0 stays: branch points
        numbers[0, TERMS[:, 0] == 0] = 0.0
    numbers = np.array([float(f"{value:.4g}") for value in numbers.ravel()]).reshape(shape)
    x0 = rng.choice([-1.0, 1.0], 2) * 10.0 ** rng.uniform(
        *{0: (-0.5, 0.5), 4: (-1.0, 1.0), 12: (-2.0, 2.0)}[decades], 2
    )
    half = 10.0 ** rng.uniform(*{0: (-0.5, 0.7), 4: (-2.0, 2.0), 12: (-4.0, 4.0)}[decades])
    middle = float(rng.standard_normal() * half)
    p0 = middle + half * float(rng.uniform(-0.95, 0.95))
    powers = x0[0] ** TERMS[:, 0] * x0[1] ** TERMS[:, 1] * p0 ** TERMS[:, 2]
    if not numbers[0, TERMS[:, 0] == 0].any():
        x0[0] = 0.0
        powers = x0[0] ** TERMS[:, 0] * x0[1] ** TERMS[:, 1] * p0 ** TERMS[:, 2]
    constant = int(np.flatnonzero(np.all(TERMS == 0, axis=1))[0])
    numbers[:, constant] -= numbers @ powers - (x0 if kind == "map" else 0.0)
    return Planar(kind=kind, numbers=numbers, x0=x0, p0=p0, span=(middle - half, middle + half))


def truth_of(problem: Planar) -> Truth:
    is_map = problem.kind == "map"
    i, j, k = TERMS.T

    def terms(x: np.ndarray, p: np.ndarray) -> np.ndarray:
        powers = x[:, [0]] ** i * x[:, [1]] ** j * p[:, None] ** k
        found = [powers[:, m, None] * problem.numbers[:, m] for m in range(len(TERMS))]
        return np.array([*found, *([-x] if is_map else [])])

    def jacobian(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        drive = p[:, None] ** k
        by_x = i * x[:, [0]] ** np.maximum(i - 1, 0) * x[:, [1]] ** j * drive
        by_y = j * x[:, [0]] ** i * x[:, [1]] ** np.maximum(j - 1, 0) * drive
        powers = np.stack([by_x, by_y], axis=-1)
        jac = np.einsum("rm,kmc->krc", problem.numbers, powers)
        return jac, np.einsum("rm,kmc->krc", np.abs(problem.numbers), np.abs(powers))

    return Truth(terms=terms, jacobian=jacobian, is_map=is_map)


def sure(problem: Planar) -> Traced | None:
    """Return what the tracer finds at the finer of two steps, or None where the two disagree."""
    start = np.append(problem.x0, problem.p0)
    is_map = problem.kind == "map"
    coarse = traced(problem.numbers, start, problem.span, is_map, STEP)
    fine = traced(problem.numbers, start, problem.span, is_map, STEP / 2)
    if collections.Counter(e[0] for e in coarse.events) != collections.Counter(e[0] for e in fine.events):
        return None
    if coarse.ends != fine.ends or set(fine.ends) - {"bound", "far", "closed"}:
        return None
    width = problem.span[1] - problem.span[0]
    lost, more = unmatched(_wanted(coarse), _wanted(fine), width, SAME)
    return None if lost or more else fine


def _wanted(trace: Traced) -> list[Place]:
    return [Place(label=label, p=p, x=x, s=0.0) for label, p, x in trace.events]


def examine(problem: Planar) -> tuple[bool, list[tuple[str, str]]]:
    """Return whether the problem counts, and what is wrong."""
    with np.errstate(all="ignore"):
        trace = sure(problem)
        if trace is None:
            return False, []
        wanted = [place for place in _wanted(trace) if problem.span[0] <= place.p <= problem.span[1]]
        return True, _examine(problem, trace, wanted)


def _examine(problem: Planar, trace: Traced, wanted: list[Place]) -> list[tuple[str, str]]:
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            branch = nc.continuation(
                family(problem.kind), problem.x0, free="p", p_span=problem.span, params=problem.params()
            )
    except (nc.InputError, nc.ConvergenceError) as error:
        return [("refused", f"{type(error).__name__}: {str(error)[:200]}")]

    def back(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, p

    found = faults(branch, [str(each.message) for each in said], truth_of(problem), back)
    missed, invented = unmatched(
        wanted, places(branch, back), problem.span[1] - problem.span[0], SAME, 1e-9 * float(np.max(np.abs(problem.x0)))
    )
    reach = min(_reach(branch), _farthest(trace))
    low, high = problem.span

    def counts(place: Place) -> bool:
        inner = min(place.p - low, high - place.p) > 1e-7 * (high - low)
        return inner and float(np.max(np.abs(place.x))) < 1e-2 * reach

    found += [("missed", repr(place)) for place in missed if counts(place)]
    found += [("invented", repr(place)) for place in invented if counts(place)]
    return found + _ends(branch, trace)


def _farthest(trace: Traced) -> float:
    """Return how far out the tracer went where it did not come back."""
    far = [float(np.max(np.abs(at[:2]))) for at, end in zip(trace.last, trace.ends, strict=True) if end == "far"]
    return min(far, default=float("inf"))


def _reach(branch: nc.Branch) -> float:
    """Return how far out a branch that goes to infinity was followed."""
    far = [row for row, end in zip((0, -1), branch.ends, strict=True) if end is Status.UNBOUNDED]
    if branch.status is Status.CLOSED or not far:
        return float("inf")
    return float(np.min(np.max(np.abs(branch.x[far]), axis=1)))


def _ends(branch: nc.Branch, trace: Traced) -> list[tuple[str, str]]:
    """Compare how and where the branch ends; which end is which is told by the place."""
    if (branch.status is Status.CLOSED) != (trace.ends == ("closed",)):
        return [("end", f"{branch.status.name}; the tracer says {trace.ends}")]
    if branch.status is Status.CLOSED:
        return []
    kinds = {Status.BOUND: "bound", Status.UNBOUNDED: "far"}
    said = sorted(kinds.get(end, end.name) for end in branch.ends)
    if np.max(np.abs(branch.x)) > 0.5 * _farthest(trace):
        return []  # it was followed farther than the tracer goes, and may come back
    if said != sorted(trace.ends):
        return [("end", f"{said}; the tracer says {trace.ends}, at {[list(map(float, at)) for at in trace.last]}")]
    found = []
    for row, end in zip((0, -1), branch.ends, strict=True):
        if end is Status.BOUND:
            here = Place(label="", p=0.0, x=branch.x[row], s=0.0)
            near = [distance(here, Place(label="", p=0.0, x=at[:2], s=0.0), 1.0) for at in trace.last]
            if min(near) > 0.05:
                found.append(("end", f"at x = {branch.x[row]}; the tracer ends at {trace.last}"))
    return found


def _by_seed(kind: str, seed: int) -> tuple[str, list[tuple[str, str]]]:
    group = list(CLASSES)[seed % len(CLASSES)]
    counts, found = examine(drawn(kind, group, seed))
    return (group, found) if counts else (f"{group}, ambiguous", [])


def flow_by_seed(seed: int) -> tuple[str, list[tuple[str, str]]]:
    return _by_seed("flow", seed)


def map_by_seed(seed: int) -> tuple[str, list[tuple[str, str]]]:
    return _by_seed("map", seed)
