"""Random problems f = a(x) + p b(x), and what a continuation of them gets wrong."""

from __future__ import annotations

import dataclasses

import numpy as np

import ntkcont as nc
from ntkcont import Status
from tests.branch_faults import Place, Truth, faults, places, unmatched
from tests.exact_folds import CLASSES, DRIVEN, POWERS, Graph, Known, family, known

SAME = 1e-5
EPS = 2.0**-52
#: A branch that ends at infinity may leave out what changes the parameter by less than this fraction of the span.
STILL = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldProblem:
    graph: Graph
    x0: float
    p0: float
    span: tuple[float, float]


def drawn(group: str, seed: int) -> FoldProblem:
    rng = np.random.default_rng([seed, CLASSES[group]])
    decades = CLASSES[group]

    def some(count: int, zeros: float) -> np.ndarray:
        if decades == 0:
            values = rng.standard_normal(count)
        else:
            values = rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(-decades / 2, decades / 2, count)
        values = np.where(rng.random(count) < zeros, 0.0, values)
        return np.array([float(f"{value:.4g}") for value in values])

    a, b = some(POWERS, 0.3), some(DRIVEN, 0.5)
    a[int(rng.integers(2, POWERS + 1)) :] = 0.0
    b[int(rng.integers(1, DRIVEN + 1)) :] = 0.0
    if not b.any():
        b[0] = 1.0
    if a[0] == b[0] == 0.0:  # no common factor: x = 0 would be a branch of its own
        b[0] = 1.0
    if not a[1:].any():
        a[1] = -1.0
    extra = {}
    which = rng.choice(["polynomial", "tanh", "exponential", "rational"])
    numbers = some(3, 0.0)
    x0 = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-1.0, 1.0) ** (1 if decades < 12 else 3))
    if which == "tanh":
        extra = {"T": numbers[0], "w": numbers[1], "c": numbers[2]}
    elif which == "exponential":
        extra = {"E": numbers[0], "v": float(np.clip(numbers[1], -2.0 / abs(x0), 2.0 / abs(x0)))}
    elif which == "rational":
        extra = {"R": numbers[0], "K": abs(numbers[1])}
    graph = Graph(a=a, b=b, **{name: float(value) for name, value in extra.items()})
    p0 = float(graph.p(x0))
    half = max(10.0 ** rng.uniform(*{0: (-0.5, 0.7), 4: (-2.0, 2.0), 12: (-4.0, 4.0)}[decades]), 1e-3 * abs(p0))
    low = p0 - 2.0 * half * rng.uniform(0.02, 0.98)
    return FoldProblem(graph=graph, x0=x0, p0=p0, span=(float(low), float(low + 2.0 * half)))


def truth_of(graph: Graph) -> Truth:
    def terms(x: np.ndarray, p: np.ndarray) -> np.ndarray:
        first, _, driven, _ = graph.parts(x[:, 0])
        return np.array([*first, *(p * each for each in driven)])[:, :, None]

    def jacobian(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, slope, _, driven = graph.parts(x[:, 0])
        each = np.array([*slope, *(p * term for term in driven)])
        return np.sum(each, axis=0)[:, None, None], np.sum(np.abs(each), axis=0)[:, None, None]

    return Truth(terms=terms, jacobian=jacobian)


def _sizes(graph: Graph, x: float) -> tuple[float, float]:
    """Return what rounding does to the place of a fold at x, and to p there."""
    parts = graph.parts(np.array([x]))
    a, slope, b, driven = (float(np.sum(np.abs(terms))) for terms in parts)
    h = 1e-6 * max(abs(x), 1e-300)
    bend = float(graph.turning(x + h)[0] - graph.turning(x - h)[0]) / (2.0 * h)
    value = abs(float(sum(terms[0] for terms in parts[2])))
    in_x = EPS * (a * driven + slope * b) / max(abs(bend), 1e-300)
    p = abs(float(graph.p(np.array([x]))[0]))
    return in_x, EPS * (a + p * b) / max(value, 1e-300)


def ambiguous(problem: FoldProblem, truth: Known) -> bool:
    """Whether rounding decides what there is: folds that cannot be told apart, or not from the end of the span."""
    xs = [float(place.x[0]) for place in truth.folds]
    sizes = [_sizes(problem.graph, x) for x in xs]
    low, high = problem.span
    for place, (_, in_p) in zip(truth.folds, sizes, strict=True):
        edge = min(abs(place.p - low), abs(place.p - high))
        if edge < max(1e-7 * (high - low), 1e3 * in_p):
            return True
    return any(
        abs(xs[i + 1] - xs[i]) < 1e3 * (sizes[i][0] + sizes[i + 1][0])
        or abs(truth.folds[i + 1].p - truth.folds[i].p) < 1e2 * (sizes[i][1] + sizes[i + 1][1])
        for i in range(len(xs) - 1)
    )


def examine(problem: FoldProblem) -> tuple[bool, list[tuple[str, str]]]:
    """Return whether the problem counts, and what is wrong."""
    with np.errstate(all="ignore"):
        truth = known(problem.graph, problem.x0, problem.span)
        again = known(problem.graph, problem.x0, problem.span, density=47)
        if (
            not (truth.sure and again.sure)
            or len(truth.folds) != len(again.folds)
            or not np.allclose(truth.ends, again.ends, rtol=1e-9)
        ):
            return False, []
        return not ambiguous(problem, truth), _examine(problem, truth)


def _examine(problem: FoldProblem, truth: Known) -> list[tuple[str, str]]:
    graph, (low, high) = problem.graph, problem.span
    try:
        branch = nc.continuation(
            family(), [problem.x0], free="p", p_span=(low, high), params={**graph.params(), "p": problem.p0}
        )
    except (nc.InputError, nc.ConvergenceError) as error:
        return [("refused", f"{type(error).__name__}: {str(error)[:200]}")]

    def back(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, p

    found = faults(branch, [], truth_of(graph), back)
    x = branch.x[:, 0]
    if np.any(np.diff(x) * np.sign(x[-1] - x[0]) <= 0):
        found.append(("jump", "x goes to and fro, on a graph over x"))
    wanted, wrong = _followed(problem, branch, truth)
    found += wrong
    missed, invented = unmatched(wanted, places(branch, back), high - low, SAME, 1e-9 * abs(problem.x0))
    if missed:
        found.append(("missed", f"{missed}"))
    if invented := [place for place in invented if not (place.label == "LP" and _near(place, truth))]:
        found.append(("invented", f"{invented}"))
    return found


def _near(place: Place, truth: Known) -> bool:
    """Whether a fold that is found belongs to those beyond infinity, which are not asked for."""
    return any(abs(place.x[0] - each.x[0]) <= SAME * abs(each.x[0]) for each in truth.folds)


def _followed(problem: FoldProblem, branch: nc.Branch, truth: Known) -> tuple[list[Place], list[tuple[str, str]]]:
    """Return the folds on the part that should have been followed, and what is wrong with the ends."""
    found = []
    limits = [-np.inf, np.inf]
    rising = branch.x[-1, 0] > branch.x[0, 0]
    for side, end in enumerate(truth.ends):
        row = -1 if (side == 1) == rising else 0
        if branch.ends[row] is Status.BOUND:
            found += _at_bound(problem, branch, row, end)
        else:
            limits[side] = float(branch.x[row, 0])
            found += _at_infinity(problem, branch, row, end)
    return [place for place in truth.folds if limits[0] <= place.x[0] <= limits[1]], found


def _at_bound(problem: FoldProblem, branch: nc.Branch, row: int, end: float) -> list[tuple[str, str]]:
    x, p, width = float(branch.x[row, 0]), float(branch.p[row]), problem.span[1] - problem.span[0]
    if not np.isfinite(end):
        return [("end", f"at the bound, x = {x:.6g}; it goes to infinity")]
    # where the bound is met at a grazing angle x is not sharp
    beside = problem.graph.p(np.array([end * (1.0 + SAME), end * (1.0 - SAME)]))
    if abs(x - end) > SAME * abs(end) and np.max(np.abs(beside - p)) > STILL * width:
        return [("end", f"at x = {x:.8g}; the bound is met at x = {end:.8g}")]
    return []


def _at_infinity(problem: FoldProblem, branch: nc.Branch, row: int, end: float) -> list[tuple[str, str]]:
    """An end in the open is right where the parameter stands still from there on, or the equations overflow."""
    graph, width = problem.graph, problem.span[1] - problem.span[0]
    said, x, p = branch.ends[row], float(branch.x[row, 0]), float(branch.p[row])
    outer = end if np.isfinite(end) else np.sign(end) * max(1e12, 1e8 * abs(x))
    part = np.linspace(0.0, 1.0, 2001)
    beyond = x * np.abs(outer / x) ** part if outer * x > 0 else x + part * (outer - x)
    moved = graph.p(beyond)
    most = float(np.max(np.abs(moved[np.isfinite(moved)] - p), initial=0.0))
    if most > STILL * width and not (graph.E != 0.0 and graph.v * x > 300.0):
        where = f"{said.name} at x = {x:.6g}, p = {p:.8g}"
        return [("end", f"{where}; p moves by {most:.2g} from there to x = {outer:.4g}")]
    return []


def by_seed(seed: int) -> tuple[str, list[tuple[str, str]]]:
    group = list(CLASSES)[seed % len(CLASSES)]
    counts, found = examine(drawn(group, seed))
    return (group, found) if counts else (f"{group}, ambiguous", [])
