"""What is wrong with a branch, told by numbers computed apart from the package: a list of (kind, sentence).

Everything here is local: a point is judged by the terms of the equations and the Jacobian there.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

import ntkcont as nc
from ntkcont import Status

#: What one bifurcation does to the number of unstable eigenvalues.
CHANGES = {"LP": 1, "BP": 1, "PD": 1, "H": 2, "NS": 2}
Ranges = list[tuple[float, float]]
#: Ends that say why the branch cannot go on, or (x = exp(p) over a span of 1e5) that it would go on for long; anything
#: else is a failure.
ENDS = {"START", "BOUND", "CLOSED", "UNBOUNDED", "POLE", "NOT_FINITE", "MAX_STEPS"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A special point, in the states and the parameter of the problem."""

    label: str
    p: float
    x: np.ndarray
    s: float

    def __repr__(self) -> str:
        return f"{self.label}({self.p:.10g}; {', '.join(f'{x:.6g}' for x in self.x)})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """The equations of a problem: terms (terms, rows, n) and Jacobians (rows, n, n) at (rows, n) and (rows,).

    With the Jacobians come the sums of the magnitudes of their terms: what rounding is relative to.
    """

    terms: Callable[[np.ndarray, np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    is_map: bool = False


def places(branch: nc.Branch, back: Any) -> list[Place]:
    found = []
    for point in branch.special_points:
        if point.label != "EP":
            x, p = back(point.x[None], np.array([point.p]))
            found.append(Place(label=point.label, p=float(p[0]), x=x[0], s=point.s))
    if branch.status is Status.CLOSED:  # begins and ends on a special point
        last: list[Place] = []
        for place in found:
            if not any(place.label == q.label and distance(place, q, 1.0) < 1e-9 for q in last):
                last.append(place)
        return last
    return found


def distance(a: Place, b: Place, width: float, least: float = 0.0) -> float:
    """Relative distance; a state counts beside itself, or where it is zero beside the others or `least`."""
    size = np.maximum(np.abs(a.x), np.abs(b.x))
    size = np.maximum(size, max(1e-6 * float(np.max(size)), least, 1e-300))
    return float(max(abs(a.p - b.p) / width, np.max(np.abs(a.x - b.x) / size)))


# ------------------------------------------------------------------------------------------------ one branch


def faults(branch: nc.Branch, said: list[str], truth: Truth, back: Any) -> list[tuple[str, str]]:
    """Return what is wrong with one branch on its own."""
    found: list[tuple[str, str]] = [("warning", text[:160]) for text in said]
    found += [("doubtful", str(doubtful)[:200]) for doubtful in getattr(branch, "doubtful", ())]
    ends = zip(branch.ends, (branch.p[0], branch.p[-1]), strict=True)
    found += [("end", f"{end.name} at p = {p:.6g}") for end, p in ends if end.name not in ENDS]
    found += [("unconverged", repr(point)) for point in branch.special_points if not point.converged]
    x, p = back(branch.x, branch.p)
    with np.errstate(all="ignore"):
        found += _residuals(branch, truth, back)
        eigenvalues, sure = _eigenvalues(x, p, truth)
        found += _counts(branch, eigenvalues, sure, x, p, truth)
        for point in branch.special_points:
            found += _definition(point, _size_beside(branch, point, truth, back), truth, back)
    return found + _surely_unexplained(branch, np.all(sure, axis=1), x, p, truth)


def _residuals(branch: nc.Branch, truth: Truth, back: Any) -> list[tuple[str, str]]:
    x, p = back(branch.x, branch.p)
    terms = truth.terms(x, p)
    size = np.sum(np.abs(terms), axis=0)
    # the argument of an exponential is itself known to rounding only, and so is the parameter of the run
    digits = 64 * np.finfo(float).eps
    rounding = digits * np.einsum("kij,kj->ki", truth.jacobian(x, p)[1], np.abs(x))
    moved = truth.terms(x, back(branch.x, branch.p * (1.0 + digits))[1])
    rounding = rounding + np.sum(np.abs(moved - terms), axis=0)
    off = np.maximum(np.abs(np.sum(terms, axis=0)) - rounding, 0.0) / np.where(size > 0, size, 1.0)
    worst = np.unravel_index(np.argmax(np.nan_to_num(off)), off.shape)
    if off[worst] > 1e-9:
        return [("residual", f"|f| = {off[worst]:.1e} of its terms at p = {p[worst[0]]:.8g}, x = {x[worst[0]]}")]
    return []


def _eigenvalues(x: np.ndarray, p: np.ndarray, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (rows, n), and which of them are surely on their side of the boundary.

    What rounding in the entries does to an eigenvalue is its condition number times the entries' magnitudes, along
    its own eigenvectors.
    """
    jac, size = truth.jacobian(x, p)
    finite = np.all(np.isfinite(jac), axis=(1, 2))
    values, right = np.linalg.eig(np.where(finite[:, None, None], jac, 0.0))
    with np.errstate(all="ignore"):
        scale = np.linalg.norm(right, axis=1, keepdims=True)
        right = right / scale
        left = np.linalg.pinv(right, rcond=0.0)
        amount = np.einsum("kij,kjl,kli->ki", np.abs(left), np.where(finite[:, None, None], size, 0.0), np.abs(right))
    boundary = np.abs(values) - 1.0 if truth.is_map else values.real
    amount = amount + (1.0 if truth.is_map else 0.0)
    sure = np.abs(boundary) > 1e-9 * amount
    return values, sure & finite[:, None]


def _surely(x: np.ndarray, p: np.ndarray, truth: Truth) -> int | None:
    """Return the number of unstable eigenvalues at one point, in 50 digits; None where rounding in the entries decides.

    Of matrices with entries over twenty decades small eigenvalues are noise in double precision.
    """
    jac, size = (each[0] for each in truth.jacobian(x[None], np.array([p])))
    if not np.all(np.isfinite(jac)):
        return None
    with mpmath.workdps(50):
        values, left, right = mpmath.eig(mpmath.matrix(jac.tolist()), left=True, right=True)
        n, count = len(jac), 0
        for k in range(n):
            # of simple eigenvalues: |w| |dA| |v| / |w v|
            scale = abs(sum(left[k, i] * right[i, k] for i in range(n)))
            amount = sum(abs(left[k, i]) * float(size[i, j]) * abs(right[j, k]) for i in range(n) for j in range(n))
            boundary = abs(values[k]) - 1 if truth.is_map else mpmath.re(values[k])
            if scale == 0 or abs(boundary) <= 1e-9 * (amount / scale + int(truth.is_map)):
                return None
            count += boundary > 0
    return int(count)


def _counts(
    branch: nc.Branch, values: np.ndarray, sure: np.ndarray, x: np.ndarray, p: np.ndarray, truth: Truth
) -> list[tuple[str, str]]:
    unstable = np.sum(np.abs(values) > 1.0 if truth.is_map else values.real > 0.0, axis=1)
    wrong = np.flatnonzero(np.all(sure, axis=1) & (unstable != branch.n_unstable))
    for i in wrong[np.unique(np.linspace(0, len(wrong) - 1, 5).astype(int))] if len(wrong) else ():
        known = _surely(x[i], p[i], truth)
        if known is not None and known != branch.n_unstable[i]:
            said = f"{branch.n_unstable[i]} for {values[i]} at p = {p[i]:.8g}; it is {known}"
            return [("n_unstable", f"{len(wrong)} rows, one is {said}")]
    return []


def _size_beside(branch: nc.Branch, point: Any, truth: Truth, back: Any) -> np.ndarray:
    """Return the magnitudes of the Jacobian's terms at a special point and at the accepted points beside it.

    At the point itself all of them may vanish, as at the fold of p - x^2.
    """
    right = int(np.clip(np.searchsorted(branch.s, point.s), 1, len(branch) - 1))
    rows = [right - 1, right]
    x, p = back(np.vstack([branch.x[rows], point.x]), np.append(branch.p[rows], point.p))
    size = truth.jacobian(x, p)[1]
    return np.max(size, axis=0)


def _definition(point: Any, size: np.ndarray, truth: Truth, back: Any) -> list[tuple[str, str]]:
    """Whether the eigenvalues at a special point are what its label says."""
    if point.label == "EP":
        return []
    x, p = back(point.x[None], np.array([point.p]))
    jac = truth.jacobian(x, p)[0][0]
    if not np.all(np.isfinite(jac)):
        return [("definition", f"{point!r}: no Jacobian there")]
    values, right = np.linalg.eig(jac)
    left = np.linalg.pinv(right, rcond=0.0)
    # an error of 1e-6 in every entry is allowed
    room = 1e-6 * np.einsum("ij,jl,li->i", np.abs(left), size, np.abs(right))
    room = room + (1e-6 if truth.is_map else 0.0)
    one = 1.0 if truth.is_map else 0.0
    pairs = list(itertools.combinations(range(len(values)), 2))
    if point.label in ("LP", "BP"):
        fits = bool(np.any(np.abs(values - one) <= room))
    elif point.label == "PD":
        fits = bool(np.any(np.abs(values + 1.0) <= room))
    elif point.label in ("H", "NS"):
        boundary = np.abs(values) - 1.0 if truth.is_map else values.real
        fits = bool(np.any((values.imag > 0.0) & (np.abs(boundary) <= room)))
    elif point.label == "NSad":
        gap = [abs(values[i] * values[j] - 1.0 if truth.is_map else values[i] + values[j]) for i, j in pairs]
        real = [abs(values[i].imag) <= room[i] for i, _ in pairs]
        fits = any(g <= room[i] + room[j] and r for g, r, (i, j) in zip(gap, real, pairs, strict=True))
    else:
        return [("definition", f"{point!r}: unexpected label")]
    return [] if fits else [("definition", f"{point!r} has the eigenvalues {values}")]


def _surely_unexplained(
    branch: nc.Branch, sure: np.ndarray, x: np.ndarray, p: np.ndarray, truth: Truth
) -> list[tuple[str, str]]:
    """Return what is not explained between points whose counts are sure in 50 digits as well."""
    sure = sure.copy()
    for _ in range(20):
        found = _unexplained(branch, sure)
        doubtful = [row for _, _, rows in found for row in rows if _surely(x[row], p[row], truth) is None]
        if not doubtful:
            return [(kind, text) for kind, text, _ in found]
        sure[doubtful] = False
    return []


def _unexplained(branch: nc.Branch, sure: np.ndarray) -> list[tuple[str, str, tuple[int, int]]]:
    """Changes of n_unstable and of the sign of dp/ds, between points that are sure of theirs, that nothing explains."""
    found = []
    inside = [point for point in branch.special_points if point.label in CHANGES]
    for i, j in itertools.pairwise(np.flatnonzero(sure)):
        change = int(branch.n_unstable[j] - branch.n_unstable[i])
        possible = {0}
        for point in inside:
            if branch.s[i] <= point.s <= branch.s[j]:
                step = CHANGES[point.label] * point.multiplicity
                touches = {0} if point.label == "BP" else set()  # a branch that turns back at another one
                steps = touches | set(range(-step, step + 1, 2 * step // point.multiplicity))
                possible = {total + each for total in possible for each in steps}
        if change not in possible:
            where = f"between p = {branch.p[i]:.8g} and {branch.p[j]:.8g}"
            found.append(("unexplained", f"n_unstable {change:+d} {where}", (i, j)))
    turns = [point.s for point in inside if point.label in ("LP", "BP")]
    slope = branch.tangent[:, -1]
    # where dp/ds is rounding it has no sign
    length = np.abs(slope) / max(float(np.max(np.abs(branch.p))), 1e-300)
    for i, j in itertools.pairwise(np.flatnonzero((length > 1e-9) & sure)):
        if slope[i] * slope[j] < 0 and not any(branch.s[i] <= turn <= branch.s[j] for turn in turns):
            where = f"between p = {branch.p[i]:.8g} and {branch.p[j]:.8g}"
            found.append(("unexplained", f"dp/ds changes sign {where}", (i, j)))
    return found


# ------------------------------------------------------------------------------------------------ two branches


def arc(
    branch: nc.Branch, back: Any, x0: np.ndarray, p0: float, span: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the ranges of s in which the branch, from the start, has not yet left the span."""
    x, p = back(branch.x, branch.p)
    apart = np.abs(p - p0) / (span[1] - span[0])
    size = np.maximum(np.abs(x0), 1e-9 * np.max(np.abs(x0)) + 1e-300)
    apart = np.maximum(apart, np.max(np.abs(x - x0) / size, axis=1))
    start = int(np.argmin(apart))
    out = (p < span[0]) | (p > span[1])
    after, before = np.flatnonzero(out[start:]), np.flatnonzero(out[:start])
    last = start + int(after[0]) if len(after) else len(p) - 1
    first = int(before[-1]) if len(before) else 0
    ranges = [(branch.s[first], branch.s[last])]
    if branch.status is Status.CLOSED and len(after) and not len(before):
        outside = np.flatnonzero(out)
        ranges.append((branch.s[outside[-1]], branch.s[-1]))
    elif branch.status is Status.CLOSED and len(before) and not len(after):
        ranges.append((branch.s[0], branch.s[np.flatnonzero(out)[0]]))
    return ranges


def within(found: list[Place], ranges: Ranges, span: tuple[float, float]) -> list[Place]:
    keep = [place for place in found if any(low <= place.s <= high for low, high in ranges)]
    return [place for place in keep if span[0] <= place.p <= span[1]]


def unmatched(
    one: list[Place], other: list[Place], width: float, tol: float, least: float = 0.0
) -> tuple[list[Place], list[Place]]:
    """Return what only the one and only the other has; points of one label are paired by distance, nearest first."""
    one, other = list(one), list(other)
    candidates = sorted(
        (distance(a, b, width, least), i, j)
        for i, a in enumerate(one)
        for j, b in enumerate(other)
        if a.label == b.label
    )
    used: tuple[set[int], set[int]] = (set(), set())
    for apart, i, j in candidates:
        if apart <= tol and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
    return [a for i, a in enumerate(one) if i not in used[0]], [b for j, b in enumerate(other) if j not in used[1]]
