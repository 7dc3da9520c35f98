"""Random right-hand sides f = a(x) + p b(x) in one state: p = -a(x)/b(x) tells everything about every branch.

A branch is a piece of the graph of p over x between poles: folds are the zeros of N = a b' - a' b where it changes
sign (p' = N/b^2), ends are where p reaches the span, and f_x = -b p' tells stability.  Zeros come from sign changes on
a dense grid, the extrema of N in between, and refinement in 40 digits.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

import ntkcont as nc
from tests.branch_faults import Place

CLASSES = {"unit": 0, "mid": 4, "wide": 12}
POWERS, DRIVEN = 6, 4  # a0 .. a5, b0 .. b3


@functools.cache
def family() -> nc.Model:
    terms = [f"a{i}*x**{i}" for i in range(POWERS)] + ["T*tanh(w*x + c)", "E*exp(v*x)", "R*x**2/(K**2 + x**2)"]
    driven = " + ".join(f"b{j}*x**{j}" for j in range(DRIVEN))
    names = [f"a{i}" for i in range(POWERS)] + [f"b{j}" for j in range(DRIVEN)]
    params = {**dict.fromkeys([*names, "T", "w", "c", "E", "v", "R"], 0.0), "K": 1.0, "p": 0.0}
    return nc.Model.from_equations({"x": " + ".join(terms) + f" + p*({driven})"}, params)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph:
    """f = a + p b, in any arithmetic: numpy arrays or numbers of mpmath."""

    a: np.ndarray
    b: np.ndarray
    T: float = 0.0
    w: float = 0.0
    c: float = 0.0
    E: float = 0.0
    v: float = 0.0
    R: float = 0.0
    K: float = 1.0

    def params(self) -> dict[str, float]:
        values = {f"a{i}": float(value) for i, value in enumerate(self.a)}
        values |= {f"b{j}": float(value) for j, value in enumerate(self.b)}
        return values | {name: float(getattr(self, name)) for name in ("T", "w", "c", "E", "v", "R", "K")}

    def parts(self, x: Any, tanh: Callable[..., Any] = np.tanh, exp: Callable[..., Any] = np.exp) -> list[list[Any]]:
        """Return the terms of a, a', b and b' at x."""
        number = float if exp is np.exp else mpmath.mpf
        a, b = [number(value) for value in self.a], [number(value) for value in self.b]
        one = 0 * x + 1
        first = [a[i] * x**i if i else a[0] * one for i in range(POWERS)]
        slope = [i * a[i] * x ** (i - 1) for i in range(1, POWERS)]
        if self.T:
            t = tanh(number(self.w) * x + number(self.c))
            first.append(self.T * t)
            slope.append(self.T * self.w * (1 - t * t))
        if self.E:
            e = self.E * exp(number(self.v) * x)
            first.append(e)
            slope.append(self.v * e)
        if self.R:
            square = number(self.K) ** 2
            first.append(self.R * x**2 / (square + x**2))
            slope.append(2 * self.R * x * square / (square + x**2) ** 2)
        driven = [b[j] * x**j if j else b[0] * one for j in range(DRIVEN)]
        return [first, slope, driven, [j * b[j] * x ** (j - 1) for j in range(1, DRIVEN)]]

    def turning(self, x: Any, **functions: Any) -> tuple[Any, Any]:
        """N(x), which has the sign of dp/dx, and the sum of the magnitudes of its terms."""
        (a, slope, b, driven), (a_, slope_, b_, driven_) = _sums(self.parts(x, **functions))
        return a * driven - slope * b, a_ * driven_ + slope_ * b_

    def bound(self, p: float, x: Any, **functions: Any) -> tuple[Any, Any]:
        """a + p b, zero where the branch has this p, and the sum of the magnitudes of its terms."""
        (a, _, b, _), (a_, _, b_, _) = _sums(self.parts(x, **functions))
        return a + p * b, a_ + abs(p) * b_

    def denominator(self, x: Any, **functions: Any) -> tuple[Any, Any]:
        sums, sizes = _sums(self.parts(x, **functions))
        return sums[2], sizes[2]

    def p(self, x: Any, **functions: Any) -> Any:
        a, _, b, _ = (sum(terms) for terms in self.parts(x, **functions))
        return -a / b


def _sums(parts: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    return [sum(terms) for terms in parts], [sum(map(abs, terms)) for terms in parts]


#: Values below this fraction of their terms are rounding.
NOISE = 1e-13
EXACT = {"tanh": mpmath.tanh, "exp": mpmath.exp}


# ------------------------------------------------------------------------------------------------ zeros


def centres(graph: Graph) -> list[float]:
    """Where a function may change quickly: zero, the middle of the tanh, roots of the polynomials."""
    found = [0.0]
    if graph.T and graph.w:
        found.append(-graph.c / graph.w)
    a, b = np.polynomial.Polynomial(graph.a), np.polynomial.Polynomial(graph.b)
    for polynomial in (a.deriv(), b, a * b.deriv() - a.deriv() * b):
        coefficients = np.trim_zeros(polynomial.coef, "b")
        if len(coefficients) > 1:
            roots = np.polynomial.polynomial.polyroots(coefficients)
            found += [float(root.real) for root in roots]
    return sorted(set(found))


def grid(graph: Graph, density: int, reach: float) -> np.ndarray:
    """Points around each centre at distances over all decades."""
    away = 10.0 ** np.arange(-14.0, np.log10(reach), 1.0 / density)
    away = np.concatenate([-away[::-1], [0.0], away])
    return np.unique(np.concatenate([centre + away for centre in centres(graph)]))


def _refined(exact: Callable[..., Any], low: float, high: float) -> float:
    """A zero between two signs, in 40 digits."""
    with mpmath.workdps(40):
        low, high = mpmath.mpf(low), mpmath.mpf(high)
        at_low, at_high = exact(low)[0], exact(high)[0]
        for step in range(300):
            # regula falsi of Anderson and Bjoerck; halves now and then, for zeros of high order
            middle = (low + high) / 2 if step % 8 == 7 else high - at_high * (high - low) / (at_high - at_low)
            value = exact(middle)[0]
            if value == 0 or abs(high - low) <= mpmath.mpf(10) ** -22 * abs(middle):
                return float(middle)
            if value * at_high < 0:
                low, at_low = high, at_high
            else:
                ratio = 1 - value / at_high
                at_low *= ratio if ratio > 0 else mpmath.mpf(0.5)
            high, at_high = middle, value
    return float(high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Zeros:
    places: tuple[float, ...]
    sure: bool  # no extremum is so near zero that rounding decides


def zeros(function: Callable[..., Any], points: np.ndarray) -> Zeros:
    """Return where `function` changes sign; extrema towards zero between grid points are looked into.

    Points where the value is rounding are left out.
    """
    with np.errstate(all="ignore"):
        values, size = function(points)
        good = np.isfinite(values) & np.isfinite(size) & (np.abs(values) > NOISE * size)
    points, values, noise = points[good], values[good], NOISE * size[good]

    def exact(x: Any) -> Any:
        return function(x, **EXACT)

    changes = np.diff(np.sign(values)) != 0
    found = [_refined(exact, points[i], points[i + 1]) for i in np.flatnonzero(changes)]
    size, sure = np.abs(values), True
    same = ~changes[:-1] & ~changes[1:]
    lower = size[:-2] - size[1:-1] > noise[1:-1], size[2:] - size[1:-1] > noise[1:-1]
    dips = 1 + np.flatnonzero(same & lower[0] & lower[1])
    for i in dips:
        pair = _pair(function, points[i - 1], points[i + 1], np.sign(values[i]))
        if pair is None:
            sure = False
        else:
            found += pair
    return Zeros(places=tuple(sorted(found)), sure=sure)


def _pair(function: Callable[..., Any], a: float, b: float, sign: float) -> list[float] | None:
    """Look for the extremum by golden section; beyond zero there are two zeros, at zero nobody knows (None)."""
    low, high = a, b
    for _ in range(80):
        u, v = b - 0.618 * (b - a), a + 0.618 * (b - a)
        values, sizes = function(np.array([u, v]))
        values = sign * values
        if np.min(values + NOISE * sizes) < 0:
            inside = u if values[0] < values[1] else v
            return [_refined(functools.partial(function, **EXACT), *ends) for ends in ((low, inside), (inside, high))]
        if np.min(values - NOISE * sizes) < 0:
            return None
        if values[0] < values[1]:
            b = v
        else:
            a = u
    return []


# ------------------------------------------------------------------------------------------------ the branch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """The branch through a point: an interval of x, how it ends on both sides, and its folds."""

    ends: tuple[float, float]  # x where p leaves the span; +-inf
    folds: tuple[Place, ...]
    sure: bool


def known(graph: Graph, x0: float, span: tuple[float, float], density: int = 30, reach: float = 1e16) -> Known:
    points = grid(graph, density, reach)
    stops = [zeros(functools.partial(graph.bound, bound), points) for bound in span]
    stops.append(zeros(graph.denominator, points))
    places = [x for each in stops for x in each.places]
    low = max((x for x in places if x < x0), default=-np.inf)
    high = min((x for x in places if x > x0), default=np.inf)
    turns = zeros(graph.turning, points[(points > low) & (points < high)])
    with mpmath.workdps(40):
        folds = [
            Place(label="LP", p=float(graph.p(mpmath.mpf(x), **EXACT)), x=np.array([x]), s=0.0) for x in turns.places
        ]
    sure = turns.sure and all(each.sure for each in stops)
    return Known(ends=(low, high), folds=tuple(folds), sure=sure)
