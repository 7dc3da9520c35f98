"""Points of codimension two: found by sign changes along a curve of special points, located by root finding on it.

Smooth test functions (``critical_point``) and the eigenvalues that are not critical only bracket; every evaluation of
the root finder is a point of the curve, corrected by Newton, so what it converges to satisfies the equations of both.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.models.model import Array
from ntkcont.pathfollowing.critical import System
from ntkcont.pathfollowing.critical_point import CriticalNode, describe
from ntkcont.pathfollowing.critical_steps import newton, tangent
from ntkcont.pathfollowing.twice import extremum, sign_change
from ntkcont.results.special_points import SpecialPoint
from ntkcont.roots import bracketed_root

Value = Callable[[CriticalNode], float]

#: Intervals with several events are halved down to this length.
SHORTEST = 1e-6
#: Below these fractions of the largest value along the curve so far, or of the size of its terms, a test function is
#: rounding.
NOISE, CANCELLED = 1e-9, 1e-6
#: Eigenvalues that stay this close to the boundary, relative to the largest, are on it all along but for rounding.
ALONG = 1e-10


@dataclasses.dataclass(frozen=True)
class Change:
    """Something that happened between two nodes: a label and a function that vanishes there."""

    label: str
    value: Value


# what a real eigenvalue at zero (multiplier at 1), a real multiplier at -1 and a complex pair on the stability boundary
# make of a point of each curve; "" where another test function tells
SPECTRAL: dict[tuple[str, bool], tuple[str, str, str]] = {
    ("LP", False): ("", "", "ZH"),
    ("LP", True): ("", "LPPD", "LPNS"),
    ("BP", False): ("", "", "ZH"),
    ("BP", True): ("", "", ""),
    ("H", False): ("ZH", "", "HH"),
    ("PD", True): ("LPPD", "", "PDNS"),
    ("NS", True): ("LPNS", "PDNS", "NSNS"),
}


class Finder:
    """Finds and locates the points of codimension two on one curve."""

    def __init__(self, system: System, label: str, free: tuple[str, str], params: dict[str, float]) -> None:
        self.system, self.label, self.free, self.params = system, label, free, params
        self.is_map = system.scaled.curve.is_map
        self.largest: dict[str, float] = {}
        self.before: CriticalNode | None = None  # the node before the last interval
        self.divided: dict[str, CriticalNode] = {}  # the left end of the last interval found to hold two of a kind

    def between(self, left: CriticalNode, right: CriticalNode) -> list[SpecialPoint]:
        """Return the points between two neighbours, in the order of the curve.

        Also those that happen twice between the two nodes before, where only this one shows it.
        """
        for node in (left, right):
            for label, value in node.tests.items():
                if np.isfinite(value):
                    self.largest[label] = max(self.largest.get(label, 0.0), abs(value))
        live = {label for label in left.tests if self._is_live(label, left) or self._is_live(label, right)}
        nodes, before = [left, right], self.before
        if before is not None and before.s < left.s:
            nodes = [before, left, *self._twice(before, left, right, live), right]
            nodes.sort(key=lambda node: node.s)
        self.before = left
        pairs = [(a, b) for a, b in itertools.pairwise(nodes) if a is not before or b is not left]
        found = [self._locate(change, a, b) for c, d in pairs for change, a, b in self._separate(c, d, live)]
        return sorted((point for point in found if point is not None), key=lambda point: point.s)

    def _twice(
        self, first: CriticalNode, left: CriticalNode, right: CriticalNode, live: set[str]
    ) -> list[CriticalNode]:
        """Return nodes that divide an interval in which a test function changes its sign twice."""
        values: list[tuple[str, Value]] = [(label, lambda node, label=label: node.tests[label]) for label in live]
        names = SPECTRAL.get((left.label, self.is_map))
        if names is not None and first.label == left.label == right.label:
            values += [(name, value) for name, value in zip(names, self._spectral, strict=True) if name]
        found: list[CriticalNode] = []
        for name, value in values:
            s = extremum(value, (first, left, right))
            if s is None:
                continue
            ends = (first, left) if s < left.s else (left, right)
            if self.divided.get(name) is ends[0] or not any(np.array_equal(node.d, self.system.d) for node in ends):
                continue  # it has been found already, or the vectors are in other scales
            node = sign_change(
                value, ends, s, self.at, lambda node, name=name, value=value: self._matters(name, value, node)
            )
            if node is not None:
                found.append(node)
                self.divided[name] = ends[0]
        return found

    def _matters(self, name: str, value: Value, node: CriticalNode) -> bool:
        """Whether a value is more than rounding: of a test function, or the distance of an eigenvalue."""
        if name in node.tests:
            return self._is_live(name, node)
        return abs(value(node)) > ALONG * max(1.0, float(np.abs(node.eigenvalues).max()))

    # ---------------------------------------------------------------- what happened

    def _is_live(self, label: str, node: CriticalNode) -> bool:
        """Whether a test function is more than rounding there."""
        value = abs(node.tests[label])
        return value > NOISE * self.largest.get(label, 0.0) and value > CANCELLED * node.sizes.get(label, 0.0)

    def _changes(self, left: CriticalNode, right: CriticalNode, live: set[str]) -> list[Change]:
        found = []
        for label in left.tests:
            a, b = left.tests[label], right.tests[label]
            if label in live and not (np.isnan(a) or np.isnan(b)) and (a > 0.0) != (b > 0.0):
                found.append(Change(label, lambda node, label=label: node.tests[label]))
        names = SPECTRAL.get((left.label, self.is_map))
        if names is None or left.label != right.label:
            return found
        for name, value, changed in zip(names, self._spectral, self._crossed(left, right), strict=True):
            size = ALONG * max(1.0, float(np.abs(left.eigenvalues).max()))
            if changed and name and not (abs(value(left)) <= size and abs(value(right)) <= size):
                found.append(Change(name, value))
        return found

    def _crossed(self, left: CriticalNode, right: CriticalNode) -> tuple[bool, bool, bool]:
        """Whether a real eigenvalue crossed 0 (multiplier 1), a real multiplier -1, a complex pair the boundary."""
        one = 1.0 if self.is_map else 0.0

        def passed(beyond: Callable[[Array], Any]) -> bool:
            return bool((int(np.sum(beyond(_real(right)))) - int(np.sum(beyond(_real(left))))) % 2)

        plus = passed(lambda real: real > one)
        minus = self.is_map and passed(lambda real: real < -1.0)
        total = abs(right.n_unstable - left.n_unstable) - int(plus) - int(minus)
        return plus, minus, total >= 2

    @property
    def _spectral(self) -> tuple[Value, Value, Value]:
        return self._plus, self._minus, self._pair

    def _plus(self, node: CriticalNode) -> float:
        return _nearest_zero(_real(node) - (1.0 if self.is_map else 0.0))

    def _minus(self, node: CriticalNode) -> float:
        return _nearest_zero(_real(node) + 1.0)

    def _pair(self, node: CriticalNode) -> float:
        upper = node.rest[node.rest.imag > 0.0]
        return _nearest_zero(np.abs(upper) - 1.0 if self.is_map else upper.real)

    def _separate(
        self, left: CriticalNode, right: CriticalNode, live: set[str]
    ) -> list[tuple[Change, CriticalNode, CriticalNode]]:
        changes = self._changes(left, right, live)
        if not changes:
            return []
        length = right.s - left.s
        clean = len(changes) == 1 and _opposite(changes[0].value(left), changes[0].value(right))
        if clean or length < SHORTEST:
            return [(change, left, right) for change in changes]
        middle = self.at(left, right, 0.4583)
        if middle is None:
            return [(change, left, right) for change in changes]
        return self._separate(left, middle, live) + self._separate(middle, right, live)

    # ---------------------------------------------------------------- where

    def at(self, left: CriticalNode, right: CriticalNode, fraction: float) -> CriticalNode | None:
        """Return the point of the curve at a fraction of the chord between two nodes; None if Newton fails."""
        system = self.system
        d = system.d
        a, b = left.in_scales(d), right.in_scales(d)
        chord = b - a
        length = float(np.linalg.norm(chord))
        system.restore(left.state if np.array_equal(left.d, d) else right.state)
        found = newton(system, a + fraction * chord, chord / length, 1e-10)
        if found is None or found[3] > length:
            return None
        u = found[0]
        again = system.linearise(u)  # the test functions belong to u itself
        residual = found[4] if again is None else float(np.max(np.abs(again[0])))
        tau = tangent(found[1], chord / length)
        if tau is None:
            tau = chord / length
        s = left.s + fraction * (right.s - left.s)
        return describe(system, self.label, u, tau, s, residual)

    def _locate(self, change: Change, left: CriticalNode, right: CriticalNode) -> SpecialPoint | None:
        """Return the point where a test function vanishes; None where it only passes through infinity."""
        known: dict[float, CriticalNode] = {0.0: left, 1.0: right}

        def value(fraction: float) -> float:
            if fraction not in known:
                node = self.at(left, right, fraction)
                if node is None:
                    msg = "no point of the curve there"
                    raise ArithmeticError(msg)
                known[fraction] = node
            return change.value(known[fraction])

        def finite(fraction: float) -> float:
            found = value(fraction)
            if not np.isfinite(found):
                msg = "the test function is not defined there"
                raise ArithmeticError(msg)
            return found

        ends = (value(0.0), value(1.0))
        converged = _opposite(*ends)
        fraction = 1.0 if abs(ends[1]) <= abs(ends[0]) else 0.0
        if converged:
            try:
                fraction = bracketed_root(finite, 0.0, 1.0, tol=1e-15)
                test = value(fraction)
            except ArithmeticError:
                converged, test = False, value(fraction)
            if not abs(test) <= 0.5 * max(abs(ends[0]), abs(ends[1])):
                return None  # a pole, or nan
        node = known[fraction]
        n = self.system.n
        q = node.z[n:]
        return SpecialPoint(
            label=change.label, name="", p=float(q[0]), x=node.z[:n], s=node.s,
            omega=None if np.isnan(node.omega) or change.label == "BT" else node.omega,
            tangent=node.tangent[: n + 1], eigenvalues=node.eigenvalues, bracket=(left.s, right.s),
            residual=node.residual, test_value=change.value(node), converged=converged,
            free=self.free[0], params={**self.params, **dict(zip(self.free, q.tolist(), strict=True))},
            states=self.system.scaled.curve.model.states, kind="map" if self.is_map else "flow",
        )  # fmt: skip


def _real(node: CriticalNode) -> Array:
    return node.rest.real[node.rest.imag == 0.0]


def _nearest_zero(values: Array) -> float:
    return float(values[int(np.argmin(np.abs(values)))]) if len(values) else np.nan


def _opposite(a: float, b: float) -> bool:
    return bool(np.isfinite(a) and np.isfinite(b) and (a > 0.0) != (b > 0.0))
