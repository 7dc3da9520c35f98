"""The functions that the text of an expression may call."""

from __future__ import annotations

from typing import Any

import sympy as sp

from ntkcont.models import elementary as el
from ntkcont.models import symbolic as sym


def maximum(*args: Any) -> Any:
    """Return the largest argument, as nested ``Where``."""
    result = args[0]
    for a in args[1:]:
        result = sym.Where(sym.Less(result, a), a, result)
    return result


def minimum(*args: Any) -> Any:
    """Return the smallest argument, as nested ``Where``."""
    result = args[0]
    for a in args[1:]:
        result = sym.Where(sym.Less(a, result), a, result)
    return result


def modulo(a: Any, b: Any) -> Any:
    """Return ``a - b floor(a/b)``, the remainder with the sign of `b`."""
    return a - b * sym.Floor(a / b)


_HALF = sp.Rational(1, 2)
_MANY = 1000

# name: (least and greatest number of arguments, what builds the expression)
FUNCTIONS: dict[str, tuple[int, int, Any]] = {
    "exp": (1, 1, sp.exp),
    "expm1": (1, 1, el.Expm1),
    "log": (1, 1, el.Log),
    "ln": (1, 1, el.Log),
    "log1p": (1, 1, el.Log1p),
    "log10": (1, 1, lambda x: el.Log(x) / el.Log(10)),
    "log2": (1, 1, lambda x: el.Log(x) / el.Log(2)),
    "sqrt": (1, 1, sp.sqrt),
    "sin": (1, 1, el.Sin),
    "cos": (1, 1, el.Cos),
    "tan": (1, 1, el.Tan),
    "asin": (1, 1, el.Asin),
    "arcsin": (1, 1, el.Asin),
    "acos": (1, 1, el.Acos),
    "arccos": (1, 1, el.Acos),
    "atan": (1, 1, el.Atan),
    "arctan": (1, 1, el.Atan),
    "atan2": (2, 2, sym.ArcTan2),
    "arctan2": (2, 2, sym.ArcTan2),
    "sinh": (1, 1, el.Sinh),
    "cosh": (1, 1, el.Cosh),
    "tanh": (1, 1, el.Tanh),
    "asinh": (1, 1, el.Asinh),
    "arcsinh": (1, 1, el.Asinh),
    "acosh": (1, 1, el.Acosh),
    "arccosh": (1, 1, el.Acosh),
    "atanh": (1, 1, el.Atanh),
    "arctanh": (1, 1, el.Atanh),
    "erf": (1, 1, el.Erf),
    "exprel": (1, 1, lambda x: sym.Exprel(0, x)),
    "sigmoid": (1, 1, sym.Sigmoid),
    "softplus": (1, 1, sym.Softplus),
    "relu": (1, 1, lambda x: sym.Where(sym.Less(sp.Integer(0), x), x, sp.Integer(0))),
    "abs": (1, 1, sym.Absolute),
    "Abs": (1, 1, sym.Absolute),
    "sign": (1, 1, sym.Sign),
    "floor": (1, 1, sym.Floor),
    "ceil": (1, 1, lambda x: -sym.Floor(-x)),
    "heaviside": (1, 2, lambda x, at_zero=_HALF: sym.Step(x, at_zero)),
    "Heaviside": (1, 2, lambda x, at_zero=_HALF: sym.Step(x, at_zero)),
    "mod": (2, 2, modulo),
    "pow": (2, 2, lambda a, b: sym.Power(a, b)),
    "min": (1, _MANY, minimum),
    "Min": (1, _MANY, minimum),
    "max": (1, _MANY, maximum),
    "Max": (1, _MANY, maximum),
}
SPECIAL_FORMS = ("where", "Piecewise", "piecewise")
