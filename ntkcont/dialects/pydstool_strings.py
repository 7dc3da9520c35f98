"""PyDSTool's strings, rewritten as text that ``Model.from_equations`` reads.

``if(c, a, b)`` becomes ``where``, ``sum(i, lo, hi, ...)`` is written out, ``z[i+1]`` becomes ``z4``; ``initcond`` and
``getbound`` become numbers.  What is arithmetic in both languages stays as it is.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ntkcont.errors import InputError
from ntkcont.models.text import parse

_TOKEN = re.compile(
    r"(?P<space>(?:\s|\\\n)+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)"
    r"|(?P<quoted>\"\w*\"|'\w*')"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|&&|\|\||[-+*/%^()<>,&|!\[\]])"
)
_LARGEST_SUM = 100_000

# functions of PyDSTool (math, scipy, its own) that from_equations does not have under the same name
EXTRA: dict[str, tuple[tuple[str, ...], str]] = {
    "heav": (("x",), "heaviside(x, 0)"),
    "fabs": (("x",), "abs(x)"),
    "erfc": (("x",), "1 - erf(x)"),
    "hypot": (("x", "y"), "sqrt(x**2 + y**2)"),
    "trunc": (("x",), "sign(x)*floor(abs(x))"),
    "fmod": (("x", "y"), "x - y*sign(x/y)*floor(abs(x/y))"),
    "degrees": (("x",), f"x*{180.0 / math.pi!r}"),
    "radians": (("x",), f"x*{math.pi / 180.0!r}"),
    "exp2": (("x",), f"exp(x*{math.log(2.0)!r})"),
    "exp10": (("x",), f"exp(x*{math.log(10.0)!r})"),
    "cbrt": (("x",), "sign(x)*abs(x)**(1/3)"),
}
# names that PyDSTool also knows with a capital, as in its symbolic expressions
_TITLED = {
    name.title(): name
    for name in (
        "exp log log10 log1p expm1 sqrt pow abs min max sign mod floor ceil sin cos tan asin acos atan atan2 sinh cosh "
        "tanh asinh acosh atanh arcsin arccos arctan arctan2 arcsinh arccosh arctanh erf pi " + " ".join(EXTRA)
    ).split()
}

Token = tuple[str, str]  # kind, text


class TimeDependentError(InputError):
    """A right-hand side depends on the time, so that there are no fixed points to follow."""


class Strings:
    """Rewrite the strings of one model.

    Parameters
    ----------
    names : collection of str
        Variables, parameters, functions and reuse terms; a built-in name among them means the user's.
    numbers : mapping of str to callable
        ``initcond``, ``getbound`` and ``getindex``: functions of texts that return a number or raise InputError.
    """

    def __init__(self, names: Collection[str], numbers: Mapping[str, Callable[..., float]]) -> None:
        self.names, self.numbers = set(names), numbers
        self.written = 0

    def rewrite(self, text: str, arguments: Collection[str] = (), **index: int) -> str:
        """Return `text` in the other language; `arguments` are those of the function it defines, `index` a macro's."""
        return _Rewriter(self, set(arguments)).text(tokens(text), index)


class _Rewriter:
    def __init__(self, strings: Strings, arguments: set[str]) -> None:
        self.strings, self.arguments = strings, arguments
        self.known = strings.names | arguments

    def text(self, toks: list[Token], index: Mapping[str, int]) -> str:
        out: list[str] = []
        i = 0
        while i < len(toks):
            kind, token = toks[i]
            i += 1
            if kind == "name":
                while index and _sign(toks, i) == "[":
                    start = _skip(toks, i)
                    end = _closing(toks, start)
                    token += _subscript(toks[start + 1 : end], index)
                    i = end + 1
                if _sign(toks, i) == "(" and token not in self.known:
                    start = _skip(toks, i)
                    end = _closing(toks, start)
                    out.append(self.call(token, _arguments(toks[start + 1 : end]), index))
                    i = end + 1
                else:
                    out.append(self.name(token))
            elif token == "[":
                end = _closing(toks, i - 1)
                if not index:
                    msg = f"the brackets '[{_join(toks[i:end])}]' stand outside for(...) and sum(...)"
                    raise InputError(msg)
                out.append(f" {_subscript(toks[i:end], index)} ")
                i = end + 1
            elif kind == "quoted":
                msg = f"text in quotes, {token}, has no value"
                raise InputError(msg)
            else:
                out.append({"&&": " and ", "||": " or ", "!": " not "}.get(token, " " if kind == "space" else token))
        return "".join(out)

    def name(self, name: str) -> str:
        if name.replace(".", "_") in self.known:
            return name.replace(".", "_")
        if name == "t":
            msg = "it depends on the time t; only autonomous equations have fixed points, so put a parameter there"
            raise TimeDependentError(msg)
        if name == "e":
            return repr(math.e)
        return _builtin(name)

    def call(self, name: str, args: list[list[Token]], index: Mapping[str, int]) -> str:
        """Return a call of one of PyDSTool's own functions."""
        if name == "sum":
            return self.sum(args, index)
        if name == "for":
            msg = "for(...) is only allowed as the whole string of a variable named like 'z[i]'"
            raise InputError(msg)
        if name in self.strings.numbers:
            wanted = 2 if name == "getbound" else 1
            if len(args) != wanted:
                msg = f"{name}(...) takes {wanted} argument{'s' if wanted > 1 else ''}, {len(args)} were given"
                raise InputError(msg)
            plain = [_join([t for t in a if t[0] != "space"]).strip("'\"") for a in args]
            return f"({self.strings.numbers[name](*plain)!r})"
        if name == "globalindepvar":
            return self.name("t")
        name = _builtin(name)
        if name in ("min", "max") and len(args) == 1:
            inner = [t for t in args[0] if t[0] != "space"]
            if inner and inner[0][1] == "[" and _closing(inner, 0) == len(inner) - 1:  # max([a, b])
                args = _arguments(inner[1:-1])
        texts = [self.text(a, index) for a in args]
        if name == "if":
            if len(texts) != 3:
                msg = f"if(...) takes a condition and two values, {len(texts)} arguments were given"
                raise InputError(msg)
            return f"where({_condition(texts[0])}, {texts[1]}, {texts[2]})"
        if name == "log" and len(texts) == 2:
            return f"(log({texts[0]})/log({texts[1]}))"
        return f"{name}({', '.join(texts)})"

    def sum(self, args: list[list[Token]], index: Mapping[str, int]) -> str:
        letter, low, high, body = loop(args, "sum", index)
        self.strings.written += max(high - low + 1, 0) * len(body)
        if self.strings.written > _LARGEST_SUM:
            msg = f"its sums have more than {_LARGEST_SUM} parts"
            raise InputError(msg)
        terms = [f"({self.text(body, {**index, letter: i})})" for i in range(low, high + 1)]
        return f"({' + '.join(terms) or '0'})"


# ------------------------------------------------------------------ tokens


def tokens(text: str) -> list[Token]:
    """Return the tokens of `text`."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            msg = f"the character {text[position]!r} is not understood"
            raise InputError(msg)
        found.append((str(match.lastgroup), match.group()))
        position = match.end()
    return found


def names_in(text: str) -> set[str]:
    """Return all names in `text`; none if it has no tokens."""
    return {m.group() for m in _TOKEN.finditer(text) if m.lastgroup == "name"}


def loop(
    args: list[list[Token]], macro: str, index: Mapping[str, int] | None = None
) -> tuple[str, int, int, list[Token]]:
    """Return the letter, the bounds and the body of ``for(i, lo, hi, body)`` or ``sum(i, lo, hi, body)``."""
    if len(args) != 4 or not _join(args[0]).strip().isidentifier():
        msg = f"{macro}(...) takes four arguments, {macro}(i, lowest, highest, expression)"
        raise InputError(msg)
    low, high = (int(_subscript([t for t in bound if t[1] not in "[]"], index or {})) for bound in args[1:3])
    return _join(args[0]).strip(), low, high, args[3]


def for_macro(text: str) -> tuple[str, int, int, str]:
    """Return the letter, the bounds and the body of a string that is ``for(i, lo, hi, body)``."""
    toks = tokens(text.strip())
    if len(toks) > 1 and toks[1][0] == "space":
        del toks[1]
    if len(toks) < 2 or toks[0][1] != "for" or toks[1][1] != "(" or _closing(toks, 1) != len(toks) - 1:
        msg = "a variable named like 'z[i]' needs a string of the form for(i, lowest, highest, expression)"
        raise InputError(msg)
    letter, low, high, body = loop(_arguments(toks[2:-1]), "for")
    return letter, low, high, _join(body).strip()


def _join(toks: list[Token]) -> str:
    return "".join(t[1] for t in toks)


def _skip(toks: list[Token], i: int) -> int:
    """Return where the next token is that is no space."""
    while i < len(toks) and toks[i][0] == "space":
        i += 1
    return i


def _sign(toks: list[Token], i: int) -> str:
    i = _skip(toks, i)
    return toks[i][1] if i < len(toks) else ""


def _closing(toks: list[Token], start: int) -> int:
    depth = 0
    for i in range(start, len(toks)):
        if toks[i][1] in ("(", "["):
            depth += 1
        elif toks[i][1] in (")", "]"):
            depth -= 1
            if depth == 0:
                return i
    msg = f"a {toks[start][1]!r} is not closed"
    raise InputError(msg)


def _arguments(toks: list[Token]) -> list[list[Token]]:
    """Return the arguments of a call, split at its own commas."""
    found: list[list[Token]] = [[]]
    depth = 0
    for kind, token in toks:
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if token == "," and depth == 0:
            found.append([])
        else:
            found[-1].append((kind, token))
    return [] if len(found) == 1 and not _join(found[0]).strip() else found


def _subscript(toks: list[Token], index: Mapping[str, int]) -> str:
    """Return the value of ``i+1`` as text."""
    shown = "".join(f"({index[t]})" if t in index else t for _, t in toks if t.strip())
    try:
        return str(_whole(ast.parse(shown, mode="eval").body))
    except (SyntaxError, ValueError, ZeroDivisionError):
        msg = f"the index '[{_join(toks)}]' is not a whole number; loops run over {', '.join(index) or 'nothing'}"
        raise InputError(msg) from None


_WHOLE: dict[type, Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}


def _whole(node: Any) -> int:
    def value(node: Any) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) < 10**9:
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _WHOLE:
            return _WHOLE[type(node.op)](value(node.left), value(node.right))
        raise ValueError

    return int(value(node))


def _builtin(name: str) -> str:
    name = name.removeprefix("special_")
    return _TITLED.get(name, name).replace(".", "_")


def _condition(text: str) -> str:
    """Return `text` as a condition: a number is true where it is not zero."""
    tree = parse(text, "the condition of if(...)").tree
    boolean = isinstance(tree, ast.Compare | ast.BoolOp) or (
        isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
    )
    joined = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitAnd | ast.BitOr)
    return text if boolean or joined else f"({text}) != 0"
