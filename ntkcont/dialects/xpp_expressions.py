"""Expressions of XPP as expressions of ntkcont, text to text.

XPP's signs have a precedence of their own: comparisons bind as tightly as powers (``a*x > 0`` is ``a*(x > 0)``) and
powers go from left to right (``2^3^2`` is 64).  The text is therefore parsed here and written again with parentheses;
what comes out is read by the whitelist parser of ``Model.from_equations``, and nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ntkcont.dialects.xpp_lines import Line

MAX_CHARACTERS = 20_000
MAX_OUTPUT = 90_000
MAX_DEPTH = 150
MAX_TERMS = 2_000

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*'?)|(?P<sign>\*\*|==|!=|>=|<=|[-+*/^&|<>~(),])"
)
_ADD, _MUL, _COMPARE = 4, 6, 7
_BINARY = {"|": _ADD, "+": _ADD, "-": _ADD, "*": _MUL, "/": _MUL, "&": _MUL}
_BINARY |= dict.fromkeys(("^", "**", "<", ">", "<=", ">=", "==", "!="), _COMPARE)

# name: (number of arguments, what it is called here)
FUNCTIONS: dict[str, tuple[int, str]] = {
    **{name: (1, f"{name}({{}})") for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{name: (1, f"{name}({{}})") for name in ("exp", "log10", "sqrt", "abs", "sign", "erf")},
    "ln": (1, "log({})"),
    "log": (1, "log({})"),
    "heav": (1, "heaviside({}, 1)"),
    "flr": (1, "floor({})"),
    "erfc": (1, "(1 - erf({}))"),
    "atan2": (2, "atan2({}, {})"),
    "max": (2, "max({}, {})"),
    "min": (2, "min({}, {})"),
}
REFUSED = {
    "ran": "random numbers (ran) are not supported: the model would not be deterministic",
    "normal": "random numbers (normal) are not supported: the model would not be deterministic",
    "poisson": "random numbers (poisson) are not supported: the model would not be deterministic",
    "delay": "delays are not supported; only ordinary differential equations and maps are",
    "del_shft": "delays (del_shft) are not supported; only ordinary differential equations and maps are",
    "besselj": "Bessel functions are not supported",
    "bessely": "Bessel functions are not supported",
    "besseli": "Bessel functions are not supported",
    "lgamma": "the function lgamma is not supported",
    "hom_bcs": "boundary conditions are not supported",
    "set": "the function set is not supported: it changes parameters while the model runs",
    "ishift": "the function ishift is not supported",
}
RESERVED = frozenset({*FUNCTIONS, *REFUSED, "mod", "not", "if", "then", "else", "sum", "of", "shift", "pi", "t"})


class Value(NamedTuple):
    """A piece of text, how tightly it binds there, and whether it is a condition."""

    text: str
    level: int
    condition: bool = False


# levels of the text that is written
_W_OR, _W_AND, _W_COMPARE, _W_ADD, _W_MUL, _W_UNARY, _W_POWER, _W_ATOM = range(8)


def _at(value: Value, level: int) -> str:
    return value.text if value.level >= level else f"({value.text})"


class Names(NamedTuple):
    """How an expression finds what its names mean."""

    variable: Callable[[str, Line], str]  # the name as it is spelled, or an error
    function: Callable[[str, int, Line], str]  # the function, checked for the number of arguments
    is_variable: Callable[[str], bool]
    shifted: Callable[[str, int, Line], str]  # the name so many places after another
    integer: Callable[[str], int | None]  # the value of a constant expression
    spend: Callable[[Line], None]  # called for every operand, to refuse files that expand without end


def translate(body: str, line: Line, names: Names, arguments: tuple[str, ...] = (), time: str | None = None) -> str:
    """Return an expression of XPP in the words of ``Model.from_equations``.

    Parameters
    ----------
    body, line : str, Line
        The text, and where it stands.
    names : Names
        How names are looked up.
    arguments : tuple of str
        Local names, for the body of a function.
    time : str, optional
        What ``t`` stands for; default: it is refused.
    """
    text = re.sub(r"\s+", "", body)
    if not text:
        raise line.refuse(reason="the expression is missing")
    if len(text) > MAX_CHARACTERS:
        raise line.refuse(reason=f"the expression has {len(text)} characters; split it (at most {MAX_CHARACTERS})")
    parser = _Parser(_tokens(text, line), line, names, arguments, time)
    value = parser.expression(0, start=True)
    if parser.position != len(parser.tokens):
        raise parser.unexpected()
    return value.text


def _tokens(text: str, line: Line) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            what = {"{": "integrals (int{...}) and braces", "[": "array indices", "'": "the sign '"}.get(text[position])
            known = f"{what} cannot be used here" if what else f"{text[position]!r} is not part of an expression"
            raise line.refuse(reason=f"{known} (near {text[max(0, position - 15) : position + 15]!r})")
        if match.lastgroup == "name" and tokens and tokens[-1][0] in "0123456789.":
            raise line.refuse(reason=f"{tokens[-1] + match.group()!r} is not a name; write products with '*'")
        tokens.append(match.group())
        position = match.end()
    return tokens


class _Parser:
    def __init__(
        self, tokens: list[str], line: Line, names: Names, arguments: tuple[str, ...], time: str | None
    ) -> None:
        self.tokens, self.line, self.names, self.time = tokens, line, names, time
        self.local = {a.lower(): a for a in arguments}
        self.position = self.depth = self.length = 0
        self.index: int | None = None  # i' inside a sum

    # ------------------------------------------------------------ tokens

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token.lower() != expected):
            raise self.unexpected(expected)
        self.position += 1
        return token

    def unexpected(self, expected: str = "") -> Exception:
        near = "".join(self.tokens[max(0, self.position - 4) : self.position + 4])
        wanted = f"{expected!r} is missing" if expected else "this is not an expression"
        where = f"near {near!r}" if self.position < len(self.tokens) else f"at its end, after {near!r}"
        return self.line.refuse(reason=f"{wanted} ({where})")

    # ------------------------------------------------------------ grammar

    def expression(self, lowest: int, *, start: bool = False) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.line.refuse(reason="the expression is nested too deeply; split it")
        left = self.prefixed(start=start)
        while True:
            sign = self.peek()
            priority = _BINARY.get(sign, -1)
            if priority < 0 or priority < lowest:
                break
            left = self.chain(left, priority)
        self.depth -= 1
        return left

    def chain(self, left: Value, priority: int) -> Value:
        """Read operators of one priority, left to right; sums and products are joined once, not term by term."""
        joined: list[str] = []
        level = left.level
        while _BINARY.get(self.peek()) == priority:
            sign = self.take()
            right = self.expression(priority + 1)
            if sign in ("+", "-", "*", "/"):
                own = _W_ADD if sign in "+-" else _W_MUL
                joined = joined or [_at(left, own)]
                joined += [f" {sign} " if own == _W_ADD else sign, _at(right, own + 1)]
                level = own
                continue
            if joined:
                left, joined = Value("".join(joined), level), []
            left = self.combined(left, sign, right)
            self.grow(len(left.text))
        if joined:
            text = "".join(joined)
            self.grow(len(text))
            return Value(text, level)
        return left

    def combined(self, left: Value, sign: str, right: Value) -> Value:
        if sign in ("&", "|"):
            own, word = (_W_AND, "and") if sign == "&" else (_W_OR, "or")
            a, b = (_at(_condition(v), own + 1) for v in (left, right))
            return Value(f"{a} {word} {b}", own, condition=True)
        if sign in ("^", "**"):
            return Value(f"{_at(left, _W_ATOM)}**{_at(right, _W_ATOM)}", _W_POWER)
        return Value(f"{_at(left, _W_ADD)} {sign} {_at(right, _W_ADD)}", _W_COMPARE, condition=True)

    def prefixed(self, *, start: bool) -> Value:
        token = self.peek().lower()
        if (token == "-" and start) or token == "~":
            self.take()
            operand = self.expression(_COMPARE)
            return Value(f"-{_at(operand, _W_POWER)}", _W_UNARY)
        if token == "not":
            self.take()
            return Value(f"not ({_condition(self.expression(_COMPARE)).text})", _W_COMPARE, condition=True)
        return self.primary()

    def primary(self) -> Value:
        token = self.take()
        self.names.spend(self.line)
        if token == "(":
            value = self.expression(0, start=True)
            self.take(")")
            return value
        if token[0] in "0123456789.":
            return Value(token, _W_ATOM)
        if token in _BINARY or token in (")", ","):
            self.position -= 1
            if token in ("-", "+"):
                near = "".join(self.tokens[max(0, self.position - 3) : self.position + 3])
                raise self.line.refuse(reason=f"a sign after an operator needs parentheses in XPP (near {near!r})")
            raise self.unexpected()
        return self.named(token)

    def named(self, token: str) -> Value:
        name = token.lower()
        called = self.peek() == "("
        if name == "i'" and self.index is not None:
            return Value(str(self.index) if self.index >= 0 else f"({self.index})", _W_ATOM)
        if name in self.local and not called:
            return Value(self.local[name], _W_ATOM)
        if name == "pi" and not called:
            return Value("pi", _W_ATOM)
        if name == "t" and not called:
            if self.time is None:
                raise self.line.refuse(
                    reason="it depends on the time t; only autonomous equations have fixed points to follow, "
                    "so replace the drive by a parameter"
                )
            return Value(self.time, _W_ATOM)
        if token.endswith("'"):
            raise self.line.refuse(reason=f"{token} is the derivative of a variable; write out its right-hand side")
        if not called:
            if name in RESERVED:
                raise self.line.refuse(reason=f"{token!r} is a function; call it, as in {name}(...)")
            return Value(self.names.variable(token, self.line), _W_ATOM)
        return self.function(name, token)

    # ------------------------------------------------------------ functions

    def arguments(self) -> list[Value]:
        self.take("(")
        found = [self.expression(0, start=True)]
        while self.peek() == ",":
            self.take()
            found.append(self.expression(0, start=True))
        self.take(")")
        return found

    def function(self, name: str, token: str) -> Value:
        if name in REFUSED:
            raise self.line.refuse(REFUSED[name])
        if name == "if":
            return self.conditional()
        if name == "sum":
            return self.sum()
        if name == "shift":
            return self.shift()
        if self.names.is_variable(token):
            raise self.line.refuse(reason=f"{token!r} is a variable: delays, {token}(t - tau), are not supported")
        found = self.arguments()
        texts = [value.text for value in found]
        if name == "mod":
            self.counted(name, 2, len(texts))
            return _modulo(*found)
        if name in FUNCTIONS:
            count, template = FUNCTIONS[name]
            self.counted(name, count, len(texts))
            text = template.format(*texts)
        else:
            text = f"{self.names.function(token, len(texts), self.line)}({', '.join(texts)})"
        self.grow(len(text))
        return Value(text, _W_ATOM)

    def counted(self, name: str, wanted: int, given: int) -> None:
        if given != wanted:
            raise self.line.refuse(reason=f"{name} takes {wanted}, but {given} arguments were given")

    def conditional(self) -> Value:
        parts = []
        for word in ("", "then", "else"):
            if word:
                self.take(word)
            self.take("(")
            parts.append(self.expression(0, start=True))
            self.take(")")
        text = f"where({_condition(parts[0]).text}, {parts[1].text}, {parts[2].text})"
        self.grow(len(text))
        return Value(text, _W_ATOM)

    def sum(self) -> Value:
        """Write out ``sum(first, last)of(terms with i')``."""
        bounds = self.arguments()
        self.counted("sum", 2, len(bounds))
        first, last = (self.whole(value, "sum") for value in bounds)
        if last - first >= MAX_TERMS:
            raise self.line.refuse(reason=f"the sum has more than {MAX_TERMS} terms")
        self.take("of")
        self.take("(")
        outer, begin = self.index, self.position
        terms = []
        for i in range(first, max(last, first) + 1):  # once even if it is empty, to find its end
            self.position, self.index = begin, i
            terms.append(_at(self.expression(0, start=True), _W_MUL))
        self.index = outer
        self.take(")")
        if last < first:
            return Value("0", _W_ATOM)
        text = f"({' + '.join(terms)})"
        self.grow(len(text))
        return Value(text, _W_ATOM)

    def shift(self) -> Value:
        """Return the name that stands some places after another, ``shift(x0, 3)``."""
        self.take("(")
        base = self.take()
        self.take(",")
        places = self.whole(self.expression(0, start=True), "shift")
        self.take(")")
        return Value(self.names.shifted(base, places, self.line), _W_ATOM)

    def whole(self, value: Value, what: str) -> int:
        result = self.names.integer(value.text)
        if result is None:
            raise self.line.refuse(reason=f"{what}: {value.text!r} is not a constant whole number")
        return result

    def grow(self, length: int) -> None:
        self.length = max(self.length, length)
        if self.length > MAX_OUTPUT:
            raise self.line.refuse(reason="the expression is too long when it is written out; split it")


def _condition(value: Value) -> Value:
    """Return a number as the condition that it is not zero."""
    return value if value.condition else Value(f"{_at(value, _W_ADD)} != 0", _W_COMPARE, condition=True)


def _modulo(a: Value, b: Value) -> Value:
    """Return XPP's ``mod(a, b)``: C's remainder, to which a negative one has b added."""
    if re.fullmatch(r"[\d.]+(e[+-]?\d+)?|pi", b.text, re.IGNORECASE) or re.fullmatch(r"[\d.]+\*pi", b.text):
        return Value(f"mod({a.text}, {b.text})", _W_ATOM)
    x, y = f"({a.text})", f"({b.text})"
    small = f"mod({x}, abs{y})"
    below = f"where({small} == 0, 0, {small} - abs{y} + {y})"
    return Value(f"where({x} >= 0, {small}, {below})", _W_ATOM)
