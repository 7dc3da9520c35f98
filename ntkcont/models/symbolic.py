"""The symbolic functions that model equations are made of, with derivatives that can be turned into code.

sympy's own ``Piecewise``, ``Heaviside``, ``sign`` and ``Max`` differentiate into Dirac deltas or re-arrange their
conditions; these do neither.  Every function here is real, its derivative holds branch by branch, and the conditions
are plain functions whose derivative is zero.
"""

# ruff: noqa: D102  (eval and fdiff are hooks that sympy documents)

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.function import ArgumentIndexError

ZERO, ONE = sp.Integer(0), sp.Integer(1)


_Function: Any = sp.Function  # the checker knows too little of what sympy builds at run time


class RealFunction(_Function):
    """A real function of real arguments; the base of all functions in this module."""

    is_real = True
    is_complex = True


class Stepwise(RealFunction):
    """A function that is constant between its jumps, so that its derivative is zero."""

    def _eval_derivative(self, s: Any) -> Any:  # noqa: ARG002
        return ZERO


# ------------------------------------------------------------------ conditions


class Less(Stepwise):
    """The condition ``a < b``."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        if a.is_Rational and b.is_Rational:
            return sp.true if a < b else sp.false
        return None


class LessEqual(Stepwise):
    """The condition ``a <= b``."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        if a.is_Rational and b.is_Rational:
            return sp.true if a <= b else sp.false
        return None


class Equal(Stepwise):
    """The condition ``a == b``."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        if a.is_Rational and b.is_Rational:
            return sp.true if a == b else sp.false
        return None


class Not(Stepwise):
    """The condition ``not a``."""

    nargs = 1

    @classmethod
    def eval(cls, a: Any) -> Any:
        if a in (sp.true, sp.false):
            return sp.false if a == sp.true else sp.true
        return a.args[0] if isinstance(a, Not) else None


class And(Stepwise):
    """The condition ``a and b``."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        if sp.false in (a, b):
            return sp.false
        if a == sp.true:
            return b
        return a if b == sp.true else None


class Or(Stepwise):
    """The condition ``a or b``."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        if sp.true in (a, b):
            return sp.true
        if a == sp.false:
            return b
        return a if b == sp.false else None


CONDITIONS = (Less, LessEqual, Equal, Not, And, Or)


def is_condition(value: Any) -> bool:
    """Whether `value` is a condition rather than a number."""
    return value in (sp.true, sp.false) or isinstance(value, CONDITIONS)


# ------------------------------------------------------------------ functions


class Where(RealFunction):
    """``a`` where the condition holds, ``b`` elsewhere; differentiates branch by branch."""

    nargs = 3

    @classmethod
    def eval(cls, condition: Any, a: Any, b: Any) -> Any:
        if condition == sp.true:
            return a
        if condition == sp.false:
            return b
        return a if a == b else None

    def _eval_derivative(self, s: Any) -> Any:
        condition, a, b = self.args
        return Where(condition, a.diff(s), b.diff(s))


class Guarded(RealFunction):
    """A symbol whose gradient is cut where the condition fails (JAX only, see ``codegen.guard_branches``)."""

    nargs = 2


class Sign(Stepwise):
    """-1, 0 or 1."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        return sp.sign(x) if x.is_Rational else None


class Floor(Stepwise):
    """The largest integer not above x."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        return sp.floor(x) if x.is_Rational else None


class Step(Stepwise):
    """Heaviside's step: 0 for x < 0, 1 for x > 0, and `at_zero` for x = 0."""

    nargs = 2

    @classmethod
    def eval(cls, x: Any, at_zero: Any) -> Any:
        if x.is_Rational:
            return at_zero if x == 0 else (ONE if x > 0 else ZERO)
        return None


class Absolute(RealFunction):
    """|x|, with derivative sign(x)."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_Rational:
            return abs(x)
        return Absolute(-x) if x.could_extract_minus_sign() else None

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002
        return Sign(self.args[0])


class Exprel(RealFunction):
    r"""``Exprel(k, x)``, the k-th derivative of ``(exp(x) - 1)/x``: :math:`\int_0^1 t^k e^{x t} dt`, smooth at 0."""

    nargs = 2

    @classmethod
    def eval(cls, k: Any, x: Any) -> Any:
        return ONE / (k + 1) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Any:
        if argindex != 2:
            raise ArgumentIndexError(self, argindex)
        k, x = self.args
        return Exprel(k + 1, x)


class Sigmoid(RealFunction):
    """``1/(1 + exp(-x))`` without overflow."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        return sp.Rational(1, 2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002
        return SigmoidSlope(self.args[0])


class SigmoidSlope(RealFunction):
    """The derivative of ``Sigmoid``: no digits are lost where that is almost 1."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_zero:
            return sp.Rational(1, 4)
        return SigmoidSlope(-x) if x.could_extract_minus_sign() else None

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002
        x = self.args[0]
        return SigmoidSlope(x) * (Sigmoid(-x) - Sigmoid(x))


class Softplus(RealFunction):
    """``log(1 + exp(x))`` without overflow."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002
        return Sigmoid(self.args[0])


class ArcTan2(RealFunction):
    """The angle of the point (x, y), arguments in the order y, x."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Any:
        y, x = self.args
        return (x if argindex == 1 else -y) / (x**2 + y**2)


class Power(RealFunction):
    """``base**exponent`` with an exponent that is not a number.

    sympy differentiates it to ``n x**n/x`` and ``x**n log(x)``, which are 0/0 and 0 times infinity at x = 0, where
    Hill functions live.
    """

    nargs = 2

    @classmethod
    def eval(cls, base: Any, exponent: Any) -> Any:
        if exponent.is_Number:
            return base**exponent
        return ONE if base == 1 else None

    def fdiff(self, argindex: int = 1) -> Any:
        return (PowerBase if argindex == 1 else PowerExponent)(*self.args)


class PowerBase(RealFunction):
    """The derivative of ``Power`` with respect to its base."""

    nargs = 2


class PowerExponent(RealFunction):
    """The derivative of ``Power`` with respect to its exponent."""

    nargs = 2
