"""Which special points of two programs are the same, and where two curves say different things about stability."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.peers.extent import core
from ntkcont.peers.protocol import PeerBranch, PeerPoint, Real
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint

#: labels that are compared; ends, user zeros and neutral saddles are no bifurcations
COMPARED = ("LP", "H", "BP", "PD", "NS")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scales:
    """What distances are measured in.

    Parameters
    ----------
    p : float
        Width of the span of the free parameter.
    x : ndarray, shape (n,)
        Largest magnitude of each state on ntkcont's branch, before it goes to infinity if it does.
    decades : float or None
        The logarithm of the highest over the lowest value of the span, if the parameter is measured in decades.
    states_in_decades : tuple of int
        Numbers of the states that are; a factor of e counts 1.
    """

    p: float
    x: Real
    decades: float | None = None
    states_in_decades: tuple[int, ...] = ()

    @classmethod
    def of(cls, branch: Branch, span: tuple[float, float]) -> Scales:
        """Return the scales of a branch; a state that is zero all along counts as one of magnitude one."""
        size = np.abs(branch.x[core(branch)]).max(axis=0)
        return cls(
            p=span[1] - span[0],
            x=np.where(size > 0, size, 1.0),
            decades=float(np.log(span[1]) - np.log(span[0])) if branch.free in branch.log else None,
            states_in_decades=tuple(i for i, name in enumerate(branch.states) if name in branch.log),
        )

    def scaled(self, p: Any, x: Any) -> Real:
        """Return (x, p) such that Euclidean distances are scaled ones, shape (..., n+1)."""
        x, p = np.asarray(x, dtype=float), np.asarray(p, dtype=float)[..., None]
        n = x.shape[-1]
        y = x / self.x
        for i in self.states_in_decades:
            y[..., i] = _logarithm(x[..., i])
        q = p / self.p if self.decades is None else _logarithm(p) / self.decades
        return np.concatenate([y / np.sqrt(n), q], axis=-1)

    def distance(self, a: Any, b: Any) -> float:
        """Return the scaled distance of two points that have p and x."""
        return float(np.linalg.norm(self.scaled(a.p, a.x) - self.scaled(b.p, b.x)))


def _logarithm(values: Real) -> Real:
    """Return the natural logarithm; what is not positive is far from everything that is."""
    return np.log(np.maximum(values, 1e-300))


def assign(
    ours: Sequence[SpecialPoint], theirs: Sequence[PeerPoint], scales: Scales, within: float
) -> list[tuple[int, int]]:
    """Return pairs of indices: same label, at most `within` apart, one to one, with the least sum of distances."""
    from scipy.optimize import linear_sum_assignment

    pairs = []
    for label in sorted({point.label for point in ours}):
        mine = [i for i, point in enumerate(ours) if point.label == label]
        others = [j for j, point in enumerate(theirs) if point.label == label]
        if not others:
            continue
        far = 1e6 * within  # dearer than any number of admissible pairs
        cost = np.array([[scales.distance(ours[i], theirs[j]) for j in others] for i in mine])
        cost[cost > within] = far
        pairs += [(mine[a], others[b]) for a, b in zip(*linear_sum_assignment(cost), strict=True) if cost[a, b] < far]
    return sorted(pairs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stability:
    """How far two programs agree on stability along the branch.

    Parameters
    ----------
    compared : int
        Points of the peer that lie on ntkcont's branch, away from changes of stability.
    agreeing : int
        Those of them where both say the same.
    differs : tuple of (low, high, ntkcont, peer)
        Runs of points where they do not: range of the free parameter, and who calls it stable.
    elsewhere : int
        Points of the peer that do not lie on ntkcont's branch.
    at_changes : int
        Points within one step of ntkcont's of a change of stability, which are left out.
    """

    compared: int
    agreeing: int
    differs: tuple[tuple[float, float, bool, bool], ...] = ()
    elsewhere: int = 0
    at_changes: int = 0

    @property
    def fraction(self) -> float:
        """Fraction of the compared points where both agree; nan if there are none."""
        return self.agreeing / self.compared if self.compared else float("nan")


class Curve:
    """ntkcont's branch as a polyline in scaled variables, for the nearest place to a point."""

    def __init__(self, branch: Branch, scales: Scales) -> None:
        self.branch = branch
        self.z = scales.scaled(branch.p, branch.x)
        self.scales = scales

    def nearest(self, p: float, x: Any) -> tuple[float, int]:
        """Return the distance to the polyline and the index of the node where its nearest segment begins."""
        return nearest_on(self.z, self.scales.scaled(p, x))


def nearest_on(nodes: Real, point: Real) -> tuple[float, int]:
    """Return the distance of a point to the polyline through `nodes`, and the first node of the nearest segment."""
    if len(nodes) == 1:
        return float(np.linalg.norm(nodes[0] - point)), 0
    start, along = nodes[:-1], np.diff(nodes, axis=0)
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    t = np.clip(((point - start) * along).sum(axis=1) / length, 0.0, 1.0)
    gap = np.linalg.norm(start + t[:, None] * along - point, axis=1)
    index = int(np.argmin(gap))
    return float(gap[index]), index


def compare_stability(branch: Branch, peer: PeerBranch, scales: Scales, within: float) -> Stability:
    """Compare stability at the points of the peer that lie on the branch."""
    curve = Curve(branch, scales)
    stable: NDArray[np.bool_] = np.asarray(branch.stable)
    counts = {"compared": 0, "agreeing": 0, "elsewhere": 0, "at_changes": 0}
    differs: list[tuple[float, float, bool, bool]] = []
    for p_side, x_side, says in peer.sides:
        running = False
        for p, x, theirs in zip(p_side, x_side, says, strict=True):
            gap, i = curve.nearest(p, x)
            near = stable[max(i - 1, 0) : i + 3]
            if gap > within:
                counts["elsewhere"] += 1
            elif near.any() != near.all():
                counts["at_changes"] += 1
            else:
                counts["compared"] += 1
                ours = bool(near[0])
                if ours == theirs:
                    counts["agreeing"] += 1
                    running = False
                    continue
                if running and differs[-1][2:] == (ours, bool(theirs)):
                    low, high = differs[-1][:2]
                    differs[-1] = (min(low, p), max(high, p), ours, bool(theirs))
                else:
                    differs.append((float(p), float(p), ours, bool(theirs)))
                running = True
                continue
            running = False
    return Stability(differs=tuple(differs), **counts)
