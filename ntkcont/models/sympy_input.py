"""From the user's sympy expressions to ours: symbols by name, piecewise functions without distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.core.function import AppliedUndef

from ntkcont.errors import InputError
from ntkcont.models import elementary as el
from ntkcont.models.symbolic import (
    Absolute,
    And,
    ArcTan2,
    Equal,
    Floor,
    Less,
    LessEqual,
    Not,
    Or,
    Sign,
    Step,
    Where,
    is_condition,
)
from ntkcont.models.vocabulary import maximum, minimum, modulo

if TYPE_CHECKING:
    from ntkcont.models.expressions import Reader

_RELATIONS: dict[type, Any] = {
    sp.StrictLessThan: Less,
    sp.LessThan: LessEqual,
    sp.StrictGreaterThan: lambda a, b: Less(b, a),
    sp.GreaterThan: lambda a, b: LessEqual(b, a),
    sp.Equality: Equal,
    sp.Unequality: lambda a, b: Not(Equal(a, b)),
}
_ELEMENTARY = {getattr(sp, f.__name__.lower()): f for f in el.ELEMENTARY if hasattr(sp, f.__name__.lower())}
_RECIPROCAL = {sp.sec: el.Cos, sp.csc: el.Sin, sp.cot: el.Tan, sp.sech: el.Cosh, sp.csch: el.Sinh, sp.coth: el.Tanh}


def from_sympy(reader: Reader, expr: Any, where: str, local: Mapping[str, Any]) -> Any:
    """Return `expr` in the symbols and functions of `reader`; what cannot be compiled is an InputError."""
    reader.count(where)
    if isinstance(expr, sp.Symbol):
        return reader.name(expr.name, where, local)
    if expr in (sp.true, sp.false):
        return expr
    if expr == sp.I:
        msg = f"{where}: the imaginary unit of sympy is in the expression; for a current write sympy.Symbol('I')"
        raise InputError(msg)
    if isinstance(expr, sp.Rational):
        return reader.fold(expr, where)
    if isinstance(expr, sp.Float | sp.NumberSymbol):
        return reader.fold(sp.Rational(repr(float(expr))), where)
    if isinstance(expr, sp.Piecewise):
        return _piecewise(reader, expr, where, local)
    if any(isinstance(a, sp.Tuple) for a in expr.args):  # integrals, sums, derivatives
        raise _not_compiled(expr, where)
    args = [from_sympy(reader, a, where, local) for a in expr.args]
    if isinstance(expr, sp.And | sp.Or):
        join = And if isinstance(expr, sp.And) else Or
        result = args[0]
        for a in args[1:]:
            result = join(result, a)
        return result
    if isinstance(expr, sp.Not):
        return Not(args[0])
    if type(expr) in _RELATIONS:
        return _RELATIONS[type(expr)](*args)
    if isinstance(expr, AppliedUndef):
        return reader.call(expr.func.__name__, args, where)
    args = [reader.number(a) for a in args]
    return reader.fold(_build(reader, expr, args, where), where)


def _build(reader: Reader, expr: Any, args: list[Any], where: str) -> Any:
    if isinstance(expr, sp.Pow):
        return reader.power(args[0], args[1], where)
    if isinstance(expr, sp.Add | sp.Mul | sp.exp):
        return expr.func(*args)
    if expr.func in _ELEMENTARY:
        return _ELEMENTARY[expr.func](*args)
    if isinstance(expr, sp.Abs | sp.sign):
        return (Absolute if isinstance(expr, sp.Abs) else Sign)(*args)
    if isinstance(expr, sp.Max | sp.Min):
        return (maximum if isinstance(expr, sp.Max) else minimum)(*args)
    if isinstance(expr, sp.Heaviside):
        return Step(*args)
    if isinstance(expr, sp.floor | sp.ceiling):
        return Floor(args[0]) if isinstance(expr, sp.floor) else -Floor(-args[0])
    if isinstance(expr, sp.Mod):
        return modulo(*args)
    if isinstance(expr, sp.atan2):
        return ArcTan2(*args)
    if expr.func in _RECIPROCAL:
        return reader.power(_RECIPROCAL[expr.func](*args), sp.Integer(-1), where)
    raise _not_compiled(expr, where)


def _not_compiled(expr: Any, where: str) -> InputError:
    name = type(expr).__name__
    return InputError(f"{where}: {name} of sympy cannot be compiled; write it with elementary functions")


def _piecewise(reader: Reader, expr: Any, where: str, local: Mapping[str, Any]) -> Any:
    pairs = [(from_sympy(reader, v, where, local), from_sympy(reader, c, where, local)) for v, c in expr.args]
    if pairs[-1][1] != sp.true or any(not is_condition(c) for _, c in pairs):
        msg = f"{where}: the last pair of Piecewise must be (value, True), so that a value is always defined"
        raise InputError(msg)
    result = reader.number(pairs[-1][0])
    for value, condition in reversed(pairs[:-1]):
        result = Where(condition, reader.number(value), result)
    return result
