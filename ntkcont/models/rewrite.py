"""Rewriting of equations before they are differentiated: only functions we can print, no removable singularities.

The rates of Hodgkin and Huxley, ``a (v - v0)/(1 - exp(-(v - v0)/k))``, are 0/0 at ``v = v0``.  Whatever is
proportional to ``u/(exp(u) - 1)``, its inverse, ``u/sinh(u)`` or ``u/tanh(u)`` becomes an expression in
``exprel(u) = (exp(u) - 1)/u``, which is evaluated smoothly.  ``1/(1 + exp(u))`` becomes a sigmoid, whose derivative
does not overflow.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from ntkcont.models.elementary import Expm1, Sinh, Tanh
from ntkcont.models.symbolic import Absolute, Exprel, Power, Sigmoid, Sign, Step

_MAX_OPS = 40  # larger arguments are left alone: matching them would cost more than it gives
_TOLERANCE = 1e-12


def rewrite(expr: Any, memo: dict[Any, Any]) -> Any:
    """Return `expr` rewritten from the leaves up; `memo` keeps what has been done."""
    if not expr.args:
        return expr
    if expr in memo:
        return memo[expr]
    args = [rewrite(a, memo) for a in expr.args]
    if isinstance(expr, sp.Abs):
        result = Absolute(*args)
    elif isinstance(expr, sp.sign):
        result = Sign(*args)
    elif isinstance(expr, sp.Heaviside):
        result = Step(*args)
    elif isinstance(expr, sp.Pow) and not args[1].is_Number:
        result = Power(*args)
    else:
        result = expr.func(*args)
    if isinstance(result, sp.Mul):
        result = _without_singularity(result)
    if isinstance(result, sp.Mul | sp.Pow):
        result = sp.Mul(*[_boltzmann(f) for f in sp.Mul.make_args(result)])
    memo[expr] = result
    return result


def _without_singularity(product: Any) -> Any:
    factors = list(sp.Mul.make_args(product))
    powers = [f.as_base_exp() if not isinstance(f, sp.exp) else (f, sp.Integer(1)) for f in factors]
    for i, (base, exponent) in enumerate(powers):
        if not exponent.is_Integer:
            continue
        matched = _exp_minus_one(base)
        if matched is None:
            continue
        c, g = matched
        for j, (u, other) in enumerate(powers):
            if j == i or not other.is_Integer or (other > 0) == (exponent > 0) or not u.free_symbols:
                continue
            ratio = _ratio(g, u)
            if ratio is not None:
                # c (exp(g) - 1) = c ratio u exprel(g); each factor apart, or sympy would expand ratio * u
                powers[j] = (u, other + exponent)
                powers[i : i + 1] = [(c, exponent), (ratio, exponent), (Exprel(0, g), exponent)]
                result = sp.Mul(*[sp.Pow(b, e) for b, e in powers])
                return _without_singularity(result) if isinstance(result, sp.Mul) else result
    return product


def _exp_minus_one(expr: Any) -> tuple[Any, Any] | None:
    """Return ``(c, g)`` with ``expr = c (exp(g) - 1)``, or None."""
    if isinstance(expr, Expm1):
        return sp.Integer(1), expr.args[0]
    u: Any = expr.args[0] if expr.args else None
    if isinstance(expr, Sinh):
        return sp.exp(-u) / 2, 2 * u
    if isinstance(expr, Tanh):
        return -Sigmoid(2 * u), -2 * u
    pair = _two_exponentials(expr)
    if pair is None:
        return None
    (c1, g1), (c2, g2) = pair
    if c1 + c2 != 0 and (not _small(c1, c2) or sp.expand(c1 + c2) != 0):
        return None
    return (c1, g1) if g2 == 0 else (c1 * sp.exp(g2), g1 - g2)


def _boltzmann(factor: Any) -> Any:
    """Return ``1/(c + c exp(g))`` as a sigmoid, and anything else as it is."""
    base, exponent = factor.as_base_exp() if not isinstance(factor, sp.exp) else (factor, sp.Integer(1))
    if not (exponent.is_Integer and exponent < 0):
        return factor
    pair = _two_exponentials(base)
    if pair is None or pair[1][1] != 0 or pair[0][0] != pair[1][0]:
        return factor
    (c, g), _ = pair
    return sp.Pow(Sigmoid(-g) / c, -exponent)


def _two_exponentials(expr: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]] | None:
    """Return ``((c1, g1), (c2, g2))`` with ``expr = c1 exp(g1) + c2 exp(g2)``, the second exponent perhaps zero."""
    if not isinstance(expr, sp.Add) or len(expr.args) != 2:
        return None
    found = []
    for term in expr.args:
        factors: Any = sp.Mul.make_args(term)
        g: Any = sp.Add(*[_argument(f) for f in factors if isinstance(f, sp.exp)])
        found.append((sp.Mul(*[f for f in factors if not isinstance(f, sp.exp)]), g))
    if found[0][1] == 0:
        found.reverse()
    return None if found[0][1] == 0 else (found[0], found[1])


def _argument(function: Any) -> Any:
    return function.args[0]


def _ratio(g: Any, u: Any) -> Any | None:
    """Return ``g/u`` if it does not depend on what makes `u` vanish, else None."""
    quotient = g / u
    if not quotient.free_symbols:
        return quotient
    if not _small(g, u):
        return None
    for s in sorted(u.free_symbols & g.free_symbols, key=str):
        a, c = u.diff(s), g.diff(s)
        if a.has(s) or c.has(s):
            continue
        left = sp.expand((g - c * s) * a)
        right = sp.expand((u - a * s) * c)
        if _equal(left, right):
            return c / a
    return None


def _small(*exprs: Any) -> bool:
    """Whether expanding products of `exprs` is cheap."""
    if sum(e.count_ops() for e in exprs) > _MAX_OPS:
        return False
    return all(power.exp.is_Rational and abs(power.exp) <= 2 for e in exprs for power in e.atoms(sp.Pow))


def _equal(left: Any, right: Any) -> bool:
    difference = sp.expand(left - right)
    if difference == 0:
        return True
    size = max(abs(float(v)) for v in left.as_coefficients_dict().values())
    return all(abs(float(v)) <= _TOLERANCE * size for v in difference.as_coefficients_dict().values())
