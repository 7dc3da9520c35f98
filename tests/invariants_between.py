"""What every branch must satisfy between its points: the order of its special points, the changes of stability."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import ntkcont as nc

# what the number of unstable eigenvalues may do across one special point, in units of the multiplicity
CHANGES = {
    "LP": (-1, 1),
    "BP": (-1, 1),
    "PD": (-1, 1),
    "H": (-2, 2),
    "NS": (-2, 2),
    "NSad": (0,),
    "EP": (0,),
    "UZ": (0,),
}


def orbit_of(point: Any, base: nc.Model | None, period: int) -> list[np.ndarray]:
    """Return (x, p) of a special point and of the states that follow it under the map."""
    z = [np.append(point.x, point.p)]
    for _ in range(period - 1 if base is not None else 0):
        z.append(np.append(base.rhs(z[-1][:-1], dict(point.params)), point.p))
    return z


def check_order(branch: nc.Branch, scale: np.ndarray, base: nc.Model | None = None, period: int = 1) -> None:
    """Special points are in the order of s, and one name is one place or one orbit."""
    s = np.array([point.s for point in branch.special_points])
    assert np.all(np.diff(s) >= 0), "the special points are not in the order of s"
    first: dict[str, nc.SpecialPoint] = {}
    for point in branch.special_points:
        other = first.setdefault(point.name, point)
        if other is point:
            continue
        # the branch crosses itself there, or is closed there, or meets another point of the orbit
        there = np.append(other.x, other.p)
        orbit = [np.max(np.abs(z - there) / scale) for z in orbit_of(point, base, period)]
        apart = min(orbit)
        away = point.s - other.s > 1e-3 or orbit[0] > 1e-5
        passed_twice = point.label == other.label and point.label not in ("EP", "UZ") and away
        assert passed_twice, f"two special points share a name: {point.name}"
        assert apart <= 1e-6, f"two special points share a name: {point.name} stands for two places"


def _changes(branch: nc.Branch, point: Any) -> tuple[int, ...]:
    if point.label == "BC":  # the eigenvalues jump
        return tuple(range(-len(point.x), len(point.x) + 1))
    changes = tuple(point.multiplicity * change for change in CHANGES[point.label])
    if point.label == "BP":
        before, after = _sides(branch, point.s)
        turns = before is not None and after is not None and branch.tangent[before, -1] * branch.tangent[after, -1] < 0
        if turns:  # a branch that touches another one and turns back in p: the eigenvalue touches zero
            return (*changes, 0)
    if point.multiplicity > 1:  # several eigenvalues at once may cross in both directions
        return tuple(range(min(changes), max(changes) + 1, 2 * max(changes) // point.multiplicity))
    return changes


def _sides(branch: nc.Branch, s: float) -> tuple[int | None, int | None]:
    """Return the accepted points before and after `s`, leaving out one that lies on it."""
    room = 1e-9 * max(1.0, branch.s[-1] - branch.s[0])
    before, after = np.flatnonzero(branch.s < s - room), np.flatnonzero(branch.s > s + room)
    return (int(before[-1]) if len(before) else None), (int(after[0]) if len(after) else None)


def check_counts(branch: nc.Branch, scale: np.ndarray) -> None:
    """n_unstable changes across special points, by what their labels allow, and nowhere else.

    An accepted point on a special point has an eigenvalue on the boundary: its own count means nothing, and the
    comparison is made between its neighbours.
    """
    critical = [
        point for point in branch.special_points if point.label in (*CHANGES, "BC") and any(_changes(branch, point))
    ]
    z = np.column_stack([branch.x, branch.p]) / scale
    apart = np.full(len(branch), np.inf)
    for point in critical:  # by place: the s of a special point is interpolated
        apart = np.minimum(apart, np.linalg.norm(z - np.append(point.x, point.p) / scale, axis=1))
    clear = np.flatnonzero(apart > 1e-7)
    for i, j in itertools.pairwise(clear):
        inside = [point for point in critical if branch.s[i] < point.s < branch.s[j]]
        change = int(branch.n_unstable[j] - branch.n_unstable[i])
        possible = {0}
        for point in inside:
            possible = {total + each for total in possible for each in _changes(branch, point)}
        names = [point.name for point in inside]
        assert change in possible, (
            f"n_unstable changes by {change} between s = {branch.s[i]:.6g} and {branch.s[j]:.6g}, across {names}"
        )
