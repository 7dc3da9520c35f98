"""Equations evaluated with many digits: whether a sum is zero, or only small, is then no question."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import sympy as sp

from ntkcont.models import elementary as el
from ntkcont.models import symbolic as sym
from ntkcont.models.symbolic_form import SymbolicForm, symbol

DIGITS = 120
#: What is below this, relative to the largest of its kind, is zero.
ZERO = 1e-60

_mp: Any = mpmath.MPContext()  # not the global one, whose precision belongs to the user
_mp.dps = DIGITS


class Undefined(ArithmeticError):
    """The expression is no real finite number there."""


def number(value: Any) -> Any:
    """Return a float as the number that its shortest decimal text says, any other number as it is."""
    return _mp.mpf(repr(float(value))) if isinstance(value, int | float) else _mp.mpf(value)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + _mp.exp(-x))


def _exprel(k: Any, x: Any) -> Any:
    if x == 0:
        return 1 / (k + 1)
    value = _mp.expm1(x) / x
    for j in range(1, int(k) + 1):
        value = (_mp.exp(x) - j * value) / x
    return value


def _power_base(x: Any, e: Any) -> Any:
    return _mp.mpf(0) if e == 0 else e * x ** (e - 1)


def _power_exponent(x: Any, e: Any) -> Any:
    return _mp.mpf(0) if x == 0 and e > 0 else x**e * _mp.log(x)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: _mp.exp,
    **{f: getattr(_mp, f.__name__.lower()) for f in el.ELEMENTARY},
    sym.ArcTan2: _mp.atan2,
    sym.Absolute: abs,
    sym.Sign: _mp.sign,
    sym.Floor: _mp.floor,
    sym.Step: lambda x, at_zero: at_zero if x == 0 else _mp.mpf(x > 0),
    sym.Exprel: _exprel,
    sym.Sigmoid: _sigmoid,
    sym.SigmoidSlope: lambda x: _sigmoid(x) * _sigmoid(-x),
    sym.Softplus: lambda x: _mp.log1p(_mp.exp(x)),
    sym.Power: lambda x, e: x**e,
    sym.PowerBase: _power_base,
    sym.PowerExponent: _power_exponent,
    sym.Less: lambda a, b: a < b,
    sym.LessEqual: lambda a, b: a <= b,
    sym.Equal: lambda a, b: a == b,
    sym.Not: lambda a: not a,
    sym.And: lambda a, b: a and b,
    sym.Or: lambda a, b: a or b,
}


def _evaluate(expr: Any, known: dict[Any, Any]) -> Any:
    if expr in known:
        return known[expr]
    if expr.is_Rational:
        value = _mp.mpf(expr.p) / expr.q
    elif expr in (sp.true, sp.false):
        value = bool(expr)
    elif isinstance(expr, sp.Add):
        value = _mp.fsum(_evaluate(a, known) for a in expr.args)
    elif isinstance(expr, sp.Mul):
        value = _mp.fprod(_evaluate(a, known) for a in expr.args)
    elif isinstance(expr, sp.Pow):
        base, exponent = _evaluate(expr.base, known), expr.exp
        value = base ** (int(exponent) if exponent.is_Integer else _evaluate(exponent, known))
    elif isinstance(expr, sym.Where):
        condition, a, b = expr.args
        value = _evaluate(a if _evaluate(condition, known) else b, known)
    elif expr.func in _FUNCTIONS:
        value = _FUNCTIONS[expr.func](*[_evaluate(a, known) for a in expr.args])
    else:
        value = _mp.mpf(str(sp.N(expr, DIGITS)))  # pi and the like
    if not isinstance(value, bool) and not (isinstance(value, _mp.mpf) and _mp.isfinite(value)):
        raise Undefined
    known[expr] = value
    return value


class Right:
    """The right-hand sides F of a model (maps subtract the identity) with many digits, and places to evaluate them.

    Parameters
    ----------
    form : SymbolicForm
    values : mapping
        The parameter values to which places are near, by name.
    x : sequence of float
        A state whose magnitudes and signs are those of the places.
    """

    def __init__(self, form: SymbolicForm, values: Mapping[str, float], x: Sequence[float]) -> None:
        whole = form.without_aux()
        self.rhs = whole.rhs
        self.is_map = form.kind == "map"
        self.states, self.params = form.states, tuple(form.params)
        self.values = {name: number(values[name]) for name in self.params}
        largest = max((abs(float(v)) for v in x), default=0.0) or 1.0
        self.sizes = [number(float(v) or largest) for v in x]
        self.random = random.Random(0)

    def at(self, x: Sequence[Any], p: Mapping[str, Any]) -> list[Any] | None:
        """Return F, None where it is not defined."""
        known = {symbol(name): value for name, value in (*zip(self.states, x, strict=True), *p.items())}
        try:
            f = [_evaluate(expr, known) for expr in self.rhs]
        except (ArithmeticError, ValueError, TypeError, RecursionError):
            return None
        return [v - s for v, s in zip(f, x, strict=True)] if self.is_map else f

    def uniform(self, low: float, high: float) -> Any:
        """Return a random number with all its digits."""
        return low + (high - low) * _mp.mpf(self.random.getrandbits(300)) / 2**300

    def state(self) -> list[Any]:
        """Return a random state: three decades, half of the time with random signs."""
        any_sign = self.random.random() < 0.5
        signs = [self.random.choice((-1, 1)) if any_sign else 1 for _ in self.sizes]
        return [sign * size * 10 ** self.uniform(-2.0, 1.0) for sign, size in zip(signs, self.sizes, strict=True)]

    def parameters(self, fixed: frozenset[str] | set[str]) -> dict[str, Any]:
        """Return random parameter values near those of the model, the `fixed` ones as they are."""
        return {
            name: value if name in fixed else (value if value != 0 else 1) * self.uniform(0.4, 2.5)
            for name, value in self.values.items()
        }

    def rows(self, count: int, parameters: Callable[[], Mapping[str, Any]]) -> list[list[Any]] | None:
        """Return F at `count` random places, None if there are hardly any where it is defined."""
        found = []
        for _ in range(8 * count):
            f = self.at(self.state(), parameters())
            if f is not None:
                found.append(f)
                if len(found) == count:
                    return found
        return None


class NullSpace:
    """The w with ``rows @ w = 0``: ``basis[k][free[k]]`` is 1, and 0 in the other vectors."""

    def __init__(self, rows: Sequence[Sequence[Any]], first: Sequence[int] = ()) -> None:
        n = len(rows[0])
        sizes = [max(abs(row[j]) for row in rows) for j in range(n)]
        units = [s if s != 0 else _mp.mpf(1) for s in sizes]
        m = []
        for row in rows:
            scaled = [v / u for v, u in zip(row, units, strict=True)]
            largest = max(abs(v) for v in scaled)
            if largest != 0:
                m.append([v / largest for v in scaled])
        self.pivots: list[int] = []
        left = set(range(n))
        while left and len(self.pivots) < len(m):
            k = len(self.pivots)
            among = [first[k]] if k < len(first) else sorted(left)
            size, i, j = max((abs(m[i][j]), i, j) for i in range(k, len(m)) for j in among)
            if size <= ZERO:
                break
            m[k], m[i] = m[i], m[k]
            self.pivots.append(j)
            left.discard(j)
            pivot = m[k][j]
            m[k] = [v / pivot for v in m[k]]
            for other, row in enumerate(m):
                if other != k and row[j] != 0:
                    factor = row[j]
                    m[other] = [v - factor * w for v, w in zip(row, m[k], strict=True)]
        self.free = sorted(left)
        self.basis = []
        for j in self.free:
            w = [_mp.mpf(0)] * n
            w[j] = _mp.mpf(1)
            for k, i in enumerate(self.pivots):
                # columns were divided by their units, so that the weights were multiplied by them
                value = -m[k][j] * units[j] / units[i]
                w[i] = value if abs(m[k][j]) > ZERO else _mp.mpf(0)
            self.basis.append(w)


def rank_deficient(right: Right, free: str) -> bool:
    """Whether the derivatives of F in the states and one parameter are linearly dependent, wherever one looks."""
    h = number(10) ** (-DIGITS // 3)  # central differences lose as many digits as they keep: 80 are left
    for _ in range(8):
        x, p = right.state(), right.parameters(set(right.params) - {free})
        rows = []
        for j in range(len(x) + 1):
            ends = []
            for way in (1, -1):
                y, q = list(x), dict(p)
                if j < len(x):
                    y[j] *= 1 + way * h
                else:
                    q[free] += way * h * (abs(q[free]) or 1)
                ends.append(right.at(y, q))
            if ends[0] is None or ends[1] is None:
                break
            rows.append([(a - b) / h for a, b in zip(*ends, strict=True)])
        else:
            return bool(NullSpace(rows).free)
    return False
