"""The truth table: problems whose special points are known, and how a branch is compared with them."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ntkcont as nc

TABLE = json.loads((Path(__file__).parent / "data" / "problems.json").read_text(encoding="utf-8"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """One special point of a problem: where it is, what it is."""

    label: str
    p: float
    x: np.ndarray
    omega: float | None = None
    normal_form: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A model, a start on one of its branches, and all special points of that branch within `span`."""

    name: str
    kind: str
    source: str
    free: str
    x0: np.ndarray
    p0: float
    span: tuple[float, float]
    directions: tuple[str, ...]
    expected: tuple[Expected, ...]
    equations: Mapping[str, str] | None = None
    aux: Mapping[str, str] = dataclasses.field(default_factory=dict)
    params: Mapping[str, float] = dataclasses.field(default_factory=dict)
    weights: np.ndarray | None = None

    @functools.cached_property
    def model(self) -> nc.Model:
        if self.weights is not None:
            return nc.RateRNN(self.weights, phi="tanh")
        return nc.Model.from_equations(self.equations, self.params, aux=self.aux, kind=self.kind)

    @property
    def direction(self) -> str:
        """The listed directions as one argument of ``continuation``."""
        return self.directions[0] if len(self.directions) == 1 else "both"

    def continuation(self, **keywords: Any) -> nc.Branch:
        keywords = {"params": {self.free: self.p0}, "direction": self.direction, **keywords}
        return nc.continuation(self.model, self.x0, free=self.free, p_span=self.span, **keywords)

    def p_error(self, p: float, expected: Expected) -> float:
        """Return the distance in units of what the tolerance 1e-8 refers to."""
        return abs(p - expected.p) / max(abs(expected.p), self.span[1] - self.span[0])

    @staticmethod
    def x_error(x: np.ndarray, expected: Expected) -> float:
        """Return the distance in units of what the tolerance 1e-6 refers to."""
        return float(np.linalg.norm(x - expected.x) / max(1.0, np.linalg.norm(expected.x)))


def _weights(entry: Mapping[str, Any] | None) -> np.ndarray | None:
    if entry is None:
        return None
    n = entry["n"]
    return np.random.default_rng(entry["seed"]).standard_normal((n, n)) / np.sqrt(n)


def _problem(entry: Mapping[str, Any]) -> Problem:
    points = tuple(Expected(**{**point, "x": np.array(point["x"], dtype=float)}) for point in entry["points"])
    return Problem(
        name=entry["name"],
        kind=entry["kind"],
        source=entry["source"],
        free=entry["free"],
        x0=np.array(entry["start"]["x"], dtype=float),
        p0=float(entry["start"]["p"]),
        span=(float(entry["span"][0]), float(entry["span"][1])),
        directions=tuple(entry["directions"]),
        expected=points,
        equations=entry.get("equations"),
        aux=entry.get("aux", {}),
        params=entry.get("params", {}),
        weights=_weights(entry.get("weights")),
    )


PROBLEMS: dict[str, Problem] = {entry["name"]: _problem(entry) for entry in TABLE["problems"]}


def matched(branch: nc.Branch, problem: Problem) -> tuple[list[tuple[Expected, Any]], list[Expected], list[Any]]:
    """Pair the reported special points with the expected ones: (pairs, missing, invented).

    A pair has one label and agrees within the tolerances in parameter and state; end points and user zeros are left
    out. Each expected point takes at most one reported point, so that a point reported twice counts as invented.
    """
    reported = [point for point in branch.special_points if point.label not in ("EP", "UZ")]
    pairs, missing = [], []
    for expected in problem.expected:
        near = [
            point
            for point in reported
            if point.label == expected.label
            and problem.p_error(point.p, expected) <= 1e-8
            and problem.x_error(point.x, expected) <= 1e-6
        ]
        if near:
            best = min(near, key=lambda point: problem.p_error(point.p, expected))
            pairs.append((expected, best))
            reported = [point for point in reported if point is not best]
        else:
            missing.append(expected)
    return pairs, missing, reported
