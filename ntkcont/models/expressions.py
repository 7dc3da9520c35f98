"""From the tree of an expression to sympy, through a whitelist of node types and functions.

Numbers become exact rationals (``0.1`` is 1/10), so that singularities are recognised by exact arithmetic; whatever is
constant is folded to a float at once, so that ``9**9**9`` is refused instead of computed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from ntkcont.errors import InputError, nearest
from ntkcont.models.rewrite import rewrite
from ntkcont.models.symbolic import (
    And,
    Equal,
    Floor,
    Less,
    LessEqual,
    Not,
    Or,
    Power,
    Where,
    is_condition,
)
from ntkcont.models.text import MAX_DEPTH, Parsed, parse
from ntkcont.models.vocabulary import FUNCTIONS, SPECIAL_FORMS, modulo

MAX_SIZE = 200_000
MAX_EXPONENT = 1000
_CONSTANTS = {"pi": sp.Rational(repr(math.pi)), "True": sp.true, "False": sp.false}
_BAD = frozenset((sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I))
MAX_BITS = 100_000
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: Less,
    ast.LtE: LessEqual,
    ast.Gt: lambda a, b: Less(b, a),
    ast.GtE: lambda a, b: LessEqual(b, a),
    ast.Eq: Equal,
    ast.NotEq: lambda a, b: Not(Equal(a, b)),
}


class Reader:
    """Read the expressions of one model: names are resolved on demand, so aux may come in any order.

    Parameters
    ----------
    states, params : sequences of str
        Names; they become the symbols ``x0, x1, ...`` and ``p0, p1, ...``.
    aux : mapping
        Named expressions, text, numbers or sympy.
    functions : mapping
        Name to ``(argument names, expression)``.
    """

    def __init__(
        self,
        states: Sequence[str],
        params: Sequence[str],
        aux: Mapping[str, Any],
        functions: Mapping[str, tuple[Sequence[str], Any]],
    ) -> None:
        # numba names what it loads by variable and place: with t1 and t12 it would take t1 at 2345 for t12 at 345
        self.x = [sp.Symbol(f"x{i}_", real=True) for i in range(len(states))]
        self.p = [sp.Symbol(f"p{j}_", real=True) for j in range(len(params))]
        self.symbols: dict[str, Any] = dict(zip([*states, *params], [*self.x, *self.p], strict=True))
        self.aux = dict(aux)
        self.functions = dict(functions)
        self.resolved: dict[str, Any] = {}
        self.open: list[str] = []  # what is being expanded, to find cycles
        self.sizes: dict[Any, int] = {}
        self.memo: dict[Any, Any] = {}
        self.parsed: dict[str, Parsed] = {}
        self.steps = 0

    def read(self, where: str, raw: Any) -> Any:
        """Return the rewritten expression of `raw` as a real number."""
        return rewrite(self._raw(where, raw, {}), self.memo)

    def name(self, name: str, where: str, local: Mapping[str, Any]) -> Any:
        """Return what a name stands for."""
        if name in local:
            return local[name]
        if name in self.symbols:
            return self.symbols[name]
        if name in self.aux:
            if name not in self.resolved:
                self._enter(name)
                self.resolved[name] = rewrite(self._raw(f"aux[{name!r}]", self.aux[name], {}), self.memo)
                self.open.pop()
            return self.resolved[name]
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        raise self._unknown(name, where, local)

    def call(self, name: str, args: list[Any], where: str) -> Any:
        """Return the function `name` of `args`."""
        if name in self.functions:
            arguments, body = self.functions[name]
            if len(args) != len(arguments):
                msg = f"{where}: {name} takes ({', '.join(arguments)}), but {len(args)} arguments were given"
                raise InputError(msg)
            self._enter(name)
            result = self._raw(f"functions[{name!r}]", body, dict(zip(arguments, args, strict=True)))
            self.open.pop()
            return result
        if name not in FUNCTIONS:
            known = [*self.functions, *FUNCTIONS, *SPECIAL_FORMS]
            if name in self.symbols or name in self.aux:
                msg = f"{where}: {name!r} is not a function; write products with '*'"
            else:
                msg = f"{where}: the function {name!r} is unknown; {nearest(name, known)}"
            raise InputError(msg)
        if name == "pow" and len(args) == 2:
            return self.power(self.number(args[0]), self.number(args[1]), where)
        low, high, build = FUNCTIONS[name]
        if not low <= len(args) <= high:
            wanted = str(low) if low == high else f"{low} to {high}" if high < 10 else f"at least {low}"
            unit = "argument" if wanted in ("1", "at least 1") else "arguments"
            msg = f"{where}: {name} takes {wanted} {unit}, {len(args)} were given"
            raise InputError(msg)
        return self.fold(build(*[self.number(a) for a in args]), where)

    def dummy(self, name: str) -> Any:
        """Return a symbol for an argument, to check the body of a function by itself."""
        return sp.Symbol(f"argument {name}", real=True)

    # ------------------------------------------------------------------ values

    def number(self, value: Any) -> Any:
        """Return a condition as 1 or 0, and a number as it is."""
        return Where(value, sp.Integer(1), sp.Integer(0)) if is_condition(value) else value

    def fold(self, value: Any, where: str) -> Any:
        """Return a constant as a rational of float size, anything else as it is; refuse what is not real or finite."""
        if not _BAD.isdisjoint((value, *value.args)):
            raise self._not_finite(value, where)
        if value.is_number and not (value.is_Rational and _small(value)):
            try:
                result = float(value)
            except (TypeError, ValueError):  # one of our own functions of a constant: evaluated by the compiled code
                return value
            except OverflowError:
                result = math.inf
            if not math.isfinite(result):
                msg = f"{where}: a constant in the expression is too large for a float"
                raise InputError(msg)
            return sp.Rational(repr(result))
        return value

    def power(self, base: Any, exponent: Any, where: str) -> Any:
        """Return ``base**exponent``, with limits that keep sympy from computing enormous numbers."""
        if not exponent.is_Rational:
            return Power(base, exponent)
        if base.is_Rational:
            try:
                result = float(base) ** float(exponent)
            except OverflowError:
                result = math.inf
            except ZeroDivisionError:
                msg = f"{where}: a part of it is not finite (a division by zero)"
                raise InputError(msg) from None
            if isinstance(result, complex):
                msg = f"{where}: a part of it is not real (a root of a negative number)"
                raise InputError(msg)
            if not math.isfinite(result):
                msg = f"{where}: a constant in the expression is too large for a float"
                raise InputError(msg)
            exact = abs(exponent) <= 64 and exponent.is_Integer
            return self.fold(base**exponent if exact else sp.Rational(repr(result)), where)
        coefficient = base.as_coeff_Mul()[0]
        if abs(exponent) * _degree(base) > MAX_EXPONENT or abs(exponent) * _log2(coefficient) > MAX_BITS:
            msg = f"{where}: a power is too high; exponents may be {MAX_EXPONENT} at most, also when powers are nested"
            raise InputError(msg)
        return self.fold(base**exponent, where)

    # ------------------------------------------------------------------ the tree

    def _raw(self, where: str, raw: Any, local: dict[str, Any]) -> Any:
        if isinstance(raw, str):
            if raw not in self.parsed:
                declared = {*self.symbols, *self.aux, *local}
                self.parsed[raw] = parse(raw, where, declared)
            value = _Visit(self, self.parsed[raw], where, local).visit(self.parsed[raw].tree, 0)
        elif isinstance(raw, sp.Basic):
            from ntkcont.models.sympy_input import from_sympy

            value = from_sympy(self, raw, where, local)
        elif isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
            value = sp.Rational(repr(float(raw)))
        else:
            msg = f"{where}: got {raw!r}; an expression is text, a sympy expression or a number"
            raise InputError(msg)
        value = self.fold(self.number(value), where)
        if value.has(*_BAD):
            raise self._not_finite(value, where)
        if self.size(value) > MAX_SIZE:
            msg = f"{where}: the expression expands to more than {MAX_SIZE} operations"
            raise InputError(msg)
        return value

    def size(self, expr: Any) -> int:
        """Return the number of operations in `expr` written out in full."""
        if not expr.args:
            return 1
        if expr not in self.sizes:
            self.sizes[expr] = 1 + sum(self.size(a) for a in expr.args)
        return self.sizes[expr]

    def count(self, where: str) -> None:
        """Count one step of reading and refuse expressions that expand without end."""
        self.steps += 1
        if self.steps > MAX_SIZE:
            msg = f"{where}: the expressions expand to more than {MAX_SIZE} operations"
            raise InputError(msg)

    def _enter(self, name: str) -> None:
        if name in self.open:
            chain = " -> ".join([*self.open[self.open.index(name) :], name])
            msg = f"aux and functions: {chain} is a cycle; each must be defined by others only"
            raise InputError(msg)
        self.open.append(name)

    def _not_finite(self, value: Any, where: str) -> InputError:
        if value.has(sp.I):
            return InputError(f"{where}: a part of it is not real (a root or logarithm of a negative number)")
        return InputError(f"{where}: a part of it is not finite (a division by zero or the logarithm of zero)")

    def _unknown(self, name: str, where: str, local: Mapping[str, Any]) -> InputError:
        if name in ("t", "time"):
            return InputError(
                f"{where}: the time {name!r} is not available; only autonomous equations have fixed points to follow, "
                "so replace the drive by a parameter"
            )
        if name in self.functions or name in FUNCTIONS or name in SPECIAL_FORMS:
            return InputError(f"{where}: {name!r} is a function; call it, as in {name}(...)")
        known = [*local, *self.symbols, *self.aux]
        return InputError(f"{where}: the name {name!r} is unknown; {nearest(name, known)}")


class _Visit:
    """One walk through one tree."""

    def __init__(self, reader: Reader, parsed: Parsed, where: str, local: Mapping[str, Any]) -> None:
        self.reader, self.parsed, self.where, self.local = reader, parsed, where, local

    def visit(self, node: ast.expr, depth: int) -> Any:
        self.reader.count(self.where)
        if depth > 2 * MAX_DEPTH:
            raise self._error(reason="the expression is nested too deeply; split it with aux")
        match node:
            case ast.Constant(value=value) if type(value) in (int, float):
                return sp.Integer(value) if isinstance(value, int) else sp.Rational(repr(value))
            case ast.Name():
                return self.reader.name(self.parsed.name(node), self.where, self.local)
            case ast.BinOp():
                return self._binary(node, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand, depth + 1)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self._condition(operand, depth + 1))
            case ast.BoolOp(op=op, values=values):
                result = self._condition(values[0], depth + 1)
                for value in values[1:]:
                    result = (And if isinstance(op, ast.And) else Or)(result, self._condition(value, depth + 1))
                return result
            case ast.Compare():
                return self._compare(node, depth + 1)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Where(
                    self._condition(test, depth + 1), self._number(body, depth + 1), self._number(orelse, depth + 1)
                )
            case ast.Call(func=ast.Name() as func, args=args, keywords=[]):
                return self._call(self.parsed.name(func), args, depth + 1)
            case ast.Call():
                raise self._error(reason="only functions by name can be called, with plain arguments")
            case ast.Tuple():
                raise self._error(reason="a tuple is only allowed inside Piecewise((value, condition), ...)")
            case _:
                raise self._error(reason=f"{type(node).__name__} is not allowed; use arithmetic and known functions")

    def _error(self, reason: str) -> InputError:
        return InputError(f"{self.where}: {reason}")

    def _number(self, node: ast.expr, depth: int) -> Any:
        return self.reader.number(self.visit(node, depth))

    def _condition(self, node: ast.expr, depth: int) -> Any:
        value = self.visit(node, depth)
        if not is_condition(value):
            raise self._error(reason="a condition such as 'x > 0' is needed where a number was given")
        return value

    def _binary(self, node: ast.BinOp, depth: int) -> Any:
        if isinstance(node.op, ast.Add | ast.Sub):
            first, rest = _chain(node, (ast.Add, ast.Sub))
            terms = [self._number(first, depth)]
            for op, operand in rest:
                term = self._number(operand, depth)
                terms.append(term if isinstance(op, ast.Add) else -term)
            return sp.Add(*terms)
        if isinstance(node.op, ast.Mult | ast.Div):
            first, rest = _chain(node, (ast.Mult, ast.Div))
            factors = [self._number(first, depth)]
            for op, operand in rest:
                factor = self._number(operand, depth)
                inverse = isinstance(op, ast.Div)
                factors.append(self.reader.power(factor, sp.Integer(-1), self.where) if inverse else factor)
            return self.reader.fold(sp.Mul(*factors), self.where)
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            join = And if isinstance(node.op, ast.BitAnd) else Or
            return join(self._condition(node.left, depth), self._condition(node.right, depth))
        left, right = self._number(node.left, depth), self._number(node.right, depth)
        if isinstance(node.op, ast.Pow):
            return self.reader.power(left, right, self.where)
        if isinstance(node.op, ast.Mod | ast.FloorDiv):
            if right == 0:
                raise self._error(reason="a division by zero")
            return modulo(left, right) if isinstance(node.op, ast.Mod) else Floor(left / right)
        raise self._error(reason=f"the operator {type(node.op).__name__} is not allowed")

    def _compare(self, node: ast.Compare, depth: int) -> Any:
        values = [self._number(v, depth) for v in (node.left, *node.comparators)]
        result: Any = sp.true
        for op, a, b in zip(node.ops, values[:-1], values[1:], strict=True):
            if type(op) not in _COMPARE:
                raise self._error(reason=f"the comparison {type(op).__name__} is not allowed; use <, <=, >, >=, ==, !=")
            result = And(result, _COMPARE[type(op)](a, b))
        return result

    def _call(self, name: str, args: list[ast.expr], depth: int) -> Any:
        user = name in self.reader.functions
        if not user and name == "where":
            if len(args) != 3:
                raise self._error(reason="where takes 3 arguments: where(condition, value, otherwise)")
            return Where(self._condition(args[0], depth), self._number(args[1], depth), self._number(args[2], depth))
        if not user and name in ("Piecewise", "piecewise"):
            return self._piecewise(args, depth)
        if any(isinstance(a, ast.Starred) for a in args):
            raise self._error(reason="starred arguments are not allowed")
        return self.reader.call(name, [self._number(a, depth) for a in args], self.where)

    def _piecewise(self, args: list[ast.expr], depth: int) -> Any:
        pairs = []
        for a in args:
            if not (isinstance(a, ast.Tuple) and len(a.elts) == 2):
                raise self._error(reason="Piecewise takes pairs: Piecewise((value, condition), ..., (value, True))")
            pairs.append((self._number(a.elts[0], depth), self._condition(a.elts[1], depth)))
        if not pairs or pairs[-1][1] != sp.true:
            raise self._error(
                reason="the last pair of Piecewise must be (value, True), so that a value is always defined"
            )
        result = pairs[-1][0]
        for value, condition in reversed(pairs[:-1]):
            result = Where(condition, value, result)
        return result


def _chain(node: ast.expr, ops: tuple[type, ...]) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """Return the operands of ``a + b - c ...``, which the tree nests once for each, from left to right."""
    rest = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ops):
        rest.append((node.op, node.right))
        node = node.left
    return node, rest[::-1]


def _small(value: Any) -> bool:
    return value.p.bit_length() <= 400 and value.q.bit_length() <= 400


def _degree(base: Any) -> float:
    if isinstance(base, sp.Pow) and base.exp.is_Rational:
        return float(abs(base.exp)) * _degree(base.base)
    if isinstance(base, sp.Mul):
        return max(_degree(f) for f in base.args)
    return 1.0


def _log2(value: Any) -> float:
    """Return how large or small a rational is, in bits."""
    if not value.is_Rational or value == 0:
        return 0.0
    return float(max(value.p.bit_length(), value.q.bit_length()) - 1)
