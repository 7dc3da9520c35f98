"""The modules ``parser`` and ``symbol``, gone since Python 3.10, as far as PyDSTool uses them.

PyDSTool walks concrete syntax trees of expressions: nested lists ``[number, child, ...]`` whose leaves are tokens
``[type, text]``.  A node with a single child is left out; PyDSTool drops such nodes before it looks.
"""

from __future__ import annotations

import io
import token
import tokenize
import types
from collections.abc import Callable
from typing import Any

Tree = list[Any]

_NAMES = (
    *("eval_input", "testlist", "test", "or_test", "and_test", "not_test", "comparison", "expr", "xor_expr"),
    *("and_expr", "shift_expr", "arith_expr", "term", "factor", "power", "atom_expr", "atom", "testlist_comp"),
    *("trailer", "subscriptlist", "subscript", "arglist", "argument"),
)
_NUMBER = {name: 300 + index for index, name in enumerate(_NAMES)}

# binary operators from the loosest to the tightest binding, all read from left to right
_LEVELS = (
    ("or_test", ("or",)),
    ("and_test", ("and",)),
    ("not_test", ()),
    ("comparison", ("<", ">", "==", ">=", "<=", "!=", "in", "is")),
    ("expr", ("|",)),
    ("xor_expr", ("^",)),
    ("and_expr", ("&",)),
    ("shift_expr", ("<<", ">>")),
    ("arith_expr", ("+", "-")),
    ("term", ("*", "/", "%", "//", "@")),
)
_LAYOUT = (token.NEWLINE, tokenize.NL, tokenize.COMMENT, token.INDENT, token.DEDENT)
_CLOSING = {"(": ")", "[": "]"}


class STType:
    """The tree of an expression, as ``parser.expr`` returned it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def tolist(self) -> Tree:
        """Return the tree as nested lists."""
        return self._tree


def expr(text: str) -> STType:
    """Parse an expression.

    Raises
    ------
    SyntaxError
        The text is no expression.

    Examples
    --------
    >>> expr("a + 1").tolist()[1][1:]
    [[1, 'a'], [14, '+'], [2, '1']]
    """
    reader = _Reader(text)
    tree = reader.listed(reader.test, None, "testlist")
    if reader.peek() is not None:
        raise reader.wrong()
    return STType([_NUMBER["eval_input"], tree, [token.NEWLINE, ""], [token.ENDMARKER, ""]])


def _tokens(text: str) -> list[Tree]:
    try:
        found = list(tokenize.generate_tokens(io.StringIO(text.strip()).readline))
    except (tokenize.TokenError, IndentationError) as error:
        raise SyntaxError(text) from error
    kept = [t for t in found if t.type not in (*_LAYOUT, token.ENDMARKER)]
    kept = [t for t in kept if t.type != token.ERRORTOKEN or t.string.strip()]
    if any(t.type == token.ERRORTOKEN for t in kept):
        raise SyntaxError(text)
    return [[t.exact_type, t.string] for t in kept]


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0

    def wrong(self) -> SyntaxError:
        return SyntaxError(f"invalid syntax: {self.text!r}")

    def peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def take(self, wanted: str | None = None) -> Tree:
        if self.peek() is None or (wanted is not None and self.peek() != wanted):
            raise self.wrong()
        self.at += 1
        return self.tokens[self.at - 1]

    def test(self) -> Tree:
        """Read a conditional expression, or anything that binds tighter."""
        first = self.binary(0)
        if self.peek() != "if":
            return first
        return [_NUMBER["test"], first, self.take(), self.binary(0), self.take("else"), self.test()]

    def binary(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self.factor()
        name, signs = _LEVELS[level]
        if name == "not_test":
            if self.peek() == "not":
                return [_NUMBER[name], self.take(), self.binary(level)]
            return self.binary(level + 1)
        parts = [self.binary(level + 1)]
        while self.peek() in signs:
            parts += [self.take(), self.binary(level + 1)]
        return parts[0] if len(parts) == 1 else [_NUMBER[name], *parts]

    def factor(self) -> Tree:
        if self.peek() in ("+", "-", "~"):
            return [_NUMBER["factor"], self.take(), self.factor()]
        base = self.with_trailers()
        if self.peek() == "**":
            return [_NUMBER["power"], base, self.take(), self.factor()]
        return base

    def with_trailers(self) -> Tree:
        """Read an atom and the calls, indices and attributes behind it."""
        parts = [self.atom()]
        while self.peek() in ("(", "[", "."):
            sign = self.take()
            if sign[1] == ".":
                parts.append([_NUMBER["trailer"], sign, self.take()])
                continue
            close = _CLOSING[sign[1]]
            inside = []
            if self.peek() != close:
                read, name = (self.argument, "arglist") if close == ")" else (self.subscript, "subscriptlist")
                inside = [self.listed(read, close, name)]
            parts.append([_NUMBER["trailer"], sign, *inside, self.take(close)])
        return parts[0] if len(parts) == 1 else [_NUMBER["atom_expr"], *parts]

    def argument(self) -> Tree:
        value = self.test()
        if self.peek() == "=":
            return [_NUMBER["argument"], value, self.take(), self.test()]
        return value

    def subscript(self) -> Tree:
        parts = []
        while self.peek() not in ("]", ",", None):
            parts.append(self.take() if self.peek() == ":" else self.test())
        if not parts:
            raise self.wrong()
        return parts[0] if len(parts) == 1 else [_NUMBER["subscript"], *parts]

    def listed(self, read: Callable[[], Tree], close: str | None, name: str) -> Tree:
        """Read one or more items with commas between them, up to `close` or the end."""
        parts = [read()]
        while self.peek() == ",":
            parts.append(self.take())
            if self.peek() in (close, None):
                break
            parts.append(read())
        return parts[0] if len(parts) == 1 else [_NUMBER[name], *parts]

    def atom(self) -> Tree:
        first = self.take()
        close = _CLOSING.get(first[1])
        if close:
            inside = [] if self.peek() == close else [self.listed(self.test, close, "testlist_comp")]
            return [_NUMBER["atom"], first, *inside, self.take(close)]
        if first[0] not in (token.NAME, token.NUMBER, token.STRING):
            raise self.wrong()
        return first


def modules() -> dict[str, Any]:
    """Return stand-ins for ``parser`` and ``symbol``, by name."""
    parser: Any = types.ModuleType("parser")
    parser.expr, parser.STType, parser.ParserError = expr, STType, SyntaxError
    symbol: Any = types.ModuleType("symbol")
    symbol.sym_name = {number: name for name, number in _NUMBER.items()}
    vars(symbol).update(_NUMBER)
    return {"parser": parser, "symbol": symbol}
