"""Elementary functions as plain symbols with a derivative.

sympy's own ask many questions about their arguments (is ``cosh(x**1.2345)`` zero?), some of which take for ever; these
ask none, and only fold constants and signs.
"""

# ruff: noqa: D102  (eval and fdiff are hooks that sympy documents)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import sympy as sp

from ntkcont.models.symbolic import RealFunction, SigmoidSlope

ONE = sp.Integer(1)


class Elementary(RealFunction):
    """A function of one argument: its value by ``math``, its derivative by a formula, and whether it is odd or even."""

    nargs = 1
    value: ClassVar[Callable[[float], float]]
    derivative: ClassVar[Callable[[Any], Any]]
    parity: ClassVar[int] = 0

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_Rational:
            try:
                value = cls.value(x.p / x.q)
            except ValueError:  # outside the domain: not real
                return sp.zoo if cls.__name__ == "Log" and x == 0 else sp.I
            except OverflowError:
                return sp.oo
            return sp.Rational(repr(value))
        if cls.parity and x.could_extract_minus_sign():
            return cls.parity * cls(-x)
        return None

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002
        return type(self).derivative(self.args[0])


def _define(name: str, value: Any, derivative: Any, parity: int = 0) -> Any:
    members = {"value": staticmethod(value), "derivative": staticmethod(derivative), "parity": parity}
    return type(name, (Elementary,), {**members, "__doc__": f"The function {name.lower()}.", "__module__": __name__})


Log = _define("Log", math.log, lambda x: 1 / x)
Sin = _define("Sin", math.sin, lambda x: Cos(x), -1)
Cos = _define("Cos", math.cos, lambda x: -Sin(x), 1)
Tan = _define("Tan", math.tan, lambda x: 1 + Tan(x) ** 2, -1)
Asin = _define("Asin", math.asin, lambda x: 1 / sp.sqrt(1 - x**2), -1)
Acos = _define("Acos", math.acos, lambda x: -1 / sp.sqrt(1 - x**2))
Atan = _define("Atan", math.atan, lambda x: 1 / (1 + x**2), -1)
Sinh = _define("Sinh", math.sinh, lambda x: Cosh(x), -1)
Cosh = _define("Cosh", math.cosh, lambda x: Sinh(x), 1)
# 1 - tanh^2 has no digits left where tanh saturates
Tanh = _define("Tanh", math.tanh, lambda x: 4 * SigmoidSlope(2 * x), -1)
Asinh = _define("Asinh", math.asinh, lambda x: 1 / sp.sqrt(1 + x**2), -1)
Acosh = _define("Acosh", math.acosh, lambda x: 1 / (sp.sqrt(x - 1) * sp.sqrt(x + 1)))
Atanh = _define("Atanh", math.atanh, lambda x: 1 / (1 - x**2), -1)
Erf = _define("Erf", math.erf, lambda x: sp.Rational(repr(2 / math.sqrt(math.pi))) * sp.exp(-(x**2)), -1)
Expm1 = _define("Expm1", math.expm1, sp.exp)
Log1p = _define("Log1p", math.log1p, lambda x: 1 / (1 + x))

ELEMENTARY = (Log, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh, Erf, Expm1, Log1p)
