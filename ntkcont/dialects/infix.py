"""Expressions as text for a program that reads infix arithmetic; which names it knows is a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from ntkcont.errors import InputError
from ntkcont.models import elementary as el
from ntkcont.models import symbolic as sym

_ADD, _MUL, _UNARY, _POWER, _ATOM = 1, 2, 3, 4, 5

# what every program of this kind writes like this; a table may replace and add entries
COMMON: dict[Any, str] = {
    sp.exp: "exp({})",
    el.Log: "log({})",
    el.Sin: "sin({})",
    el.Cos: "cos({})",
    el.Tan: "tan({})",
    el.Asin: "asin({})",
    el.Acos: "acos({})",
    el.Atan: "atan({})",
    el.Sinh: "sinh({})",
    el.Cosh: "cosh({})",
    el.Tanh: "tanh({})",
    el.Expm1: "(exp({}) - 1)",
    el.Log1p: "log(1 + {})",
    sym.Sigmoid: "1/(1 + exp(-({})))",
    sym.Softplus: "log(1 + exp({}))",
    sym.Less: "{} < {}",
    sym.LessEqual: "{} <= {}",
    sym.Equal: "{} == {}",
}
_LOOSE = (sym.Sigmoid, sym.Softplus)


class Infix:
    """Print the expressions of a :class:`~ntkcont.models.symbolic_form.SymbolicForm`.

    Parameters
    ----------
    language : str
        Name of the program, for errors.
    functions : mapping of type to str
        Templates of functions, such as ``{Where: "if({}, {}, {})"}``, in addition to ``COMMON``; arguments are put in
        without parentheses around them.
    power : str
        The sign of powers, or a template such as ``"pow({}, {})"``.
    names : mapping of str to str, optional
        Other names for symbols.

    Examples
    --------
    >>> import ntkcont as nc
    >>> from ntkcont.dialects.infix import Infix
    >>> from ntkcont.models.symbolic_form import symbolic_form
    >>> form = symbolic_form(nc.Model.from_equations({"x": "mu*tanh(x)/2 - x^3"}, {"mu": 1.0}))
    >>> Infix("XPP", {}, power="^").text(form.rhs[0])
    '0.5*mu*tanh(x) - x^3'
    """

    def __init__(
        self, language: str, functions: Mapping[Any, str], *, power: str = "**", names: Mapping[str, str] | None = None
    ) -> None:
        self.language, self.sign = language, power
        self.functions = {**COMMON, **functions}
        self.names = dict(names or {})

    def text(self, expr: Any) -> str:
        """Return `expr` as text."""
        return self._print(expr)[0]

    def _within(self, expr: Any, level: int) -> str:
        text, own = self._print(expr)
        return text if own >= level else f"({text})"

    def _print(self, expr: Any) -> tuple[str, int]:
        """Return the text and how tightly it binds."""
        if isinstance(expr, sp.Symbol):
            return self.names.get(expr.name, expr.name), _ATOM
        if expr in (sp.true, sp.false):
            return ("1 > 0" if expr == sp.true else "0 > 1"), _ATOM
        if expr.is_Rational:
            return self._number(expr)
        if isinstance(expr, sp.Add):
            return self._sum(expr), _ADD
        if isinstance(expr, sp.Mul):
            return self._product(expr)
        if isinstance(expr, sp.Pow | sym.Power):
            return self._power(expr.args[0], expr.args[1])
        if not expr.args and expr.is_number:  # pi, E
            return repr(float(expr)), _ATOM
        if isinstance(expr, sym.Not) and sym.Not not in self.functions:
            inner = expr.args[0]
            if isinstance(inner, sym.Less):
                return self._print(sym.LessEqual(inner.args[1], inner.args[0]))
            if isinstance(inner, sym.LessEqual):
                return self._print(sym.Less(inner.args[1], inner.args[0]))
        if expr.func not in self.functions:
            msg = f"model: {self.language} has no function {expr.func.__name__!r}; write it with others"
            raise InputError(msg)
        text = self.functions[expr.func].format(*[self.text(a) for a in expr.args])
        return text, _MUL if isinstance(expr, _LOOSE) and text.startswith("1/") else _ATOM

    def _number(self, value: Any) -> tuple[str, int]:
        whole = value.is_Integer and abs(value) < 10**15
        text = str(int(value)) if whole else repr(value.p / value.q)
        return text, _UNARY if value < 0 else _ATOM

    def _sum(self, expr: Any) -> str:
        terms = [self._within(a, _MUL) for a in expr.as_ordered_terms()]
        text = terms[0]
        for term in terms[1:]:
            text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        return text

    def _product(self, expr: Any) -> tuple[str, int]:
        coefficient, rest = expr.as_coeff_Mul()
        over, under = [], []
        for factor in rest.as_ordered_factors() if isinstance(rest, sp.Mul) else [rest]:
            if isinstance(factor, sp.Pow) and factor.exp.is_Rational and factor.exp < 0:
                under.append(self._within(sp.Pow(factor.base, -factor.exp), _POWER))
            else:
                over.append(self._within(factor, _POWER))
        sign = "-" if coefficient < 0 else ""
        if abs(coefficient) != 1 or not over:
            over.insert(0, self._number(abs(coefficient))[0])
        text = sign + "*".join(over)
        if under:
            text += "/" + (under[0] if len(under) == 1 else f"({'*'.join(under)})")
        return text, _UNARY if sign and len(over) == 1 and not under else _MUL

    def _power(self, base: Any, exponent: Any) -> tuple[str, int]:
        if exponent.is_Rational and exponent < 0:
            return f"1/{self._within(sp.Pow(base, -exponent), _POWER)}", _MUL
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self.text(base)})", _ATOM
        if "{}" in self.sign:
            return self.sign.format(self.text(base), self.text(exponent)), _ATOM
        return f"{self._within(base, _ATOM)}{self.sign}{self._within(exponent, _ATOM)}", _POWER
