"""From the text of an expression to a tree of Python's ``ast`` in which every name is harmless.

Problem files come from strangers, so text is never evaluated.  It is cut into tokens first: what is not a number, a
name or an arithmetic sign is refused, and every name is replaced by ``n0, n1, ...`` (states may be called ``lambda``
or ``in``), so that the tree cannot refer to anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from ntkcont.errors import InputError

MAX_LENGTH = 100_000
MAX_DEPTH = 100
KEYWORDS = ("if", "else", "and", "or", "not")

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%^()<>,&|])"
)
_REFUSED = {
    ".": "attribute access is not allowed",
    "[": "subscripts and lists are not allowed",
    "]": "subscripts and lists are not allowed",
    "{": "braces are not allowed",
    "}": "braces are not allowed",
    "'": "text in quotes is not allowed",
    '"': "text in quotes is not allowed",
    ":": "assignments, slices and lambda are not allowed",
    ";": "an expression is a single one",
    "=": "a single '=' is not allowed; compare with '=='",
    "#": "comments are not allowed",
}


class Parsed:
    """An expression as a tree, and what its names stand for."""

    def __init__(self, tree: ast.expr, names: list[str]) -> None:
        self.tree = tree
        self.names = names

    def name(self, node: ast.Name) -> str:
        """Return the name that was written."""
        return self.names[int(node.id[1:])]


def parse(text: str, where: str, declared: Collection[str] = ()) -> Parsed:
    """Read `text` into a tree; `where` names the equation in errors, `declared` are names the user gave."""
    if len(text) > MAX_LENGTH:
        msg = f"{where}: the text has {len(text)} characters; split it with aux (at most {MAX_LENGTH} each)"
        raise InputError(msg)
    if not text.strip():
        msg = f"{where}: the text is empty; write an expression such as '-x + a'"
        raise InputError(msg)
    names: list[str] = []
    index: dict[str, int] = {}
    source: list[str] = []
    origin: list[int] = []  # for each character of the source, where it came from
    depth = position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _refused(text, position, where)
        token = match.group()
        if match.lastgroup == "name":
            following = text[match.end() : match.end() + 1]
            if following in ("'", '"'):
                raise _refused(text, match.end(), where)
            if position and (text[position - 1].isdigit() or text[position - 1] == "."):
                shown = text[max(0, position - 8) : match.end()].split()[-1]
                msg = f"{where}: {shown!r} is neither a number nor a name; write products with '*'"
                raise InputError(msg)
            if token not in KEYWORDS or token in declared:
                token = f"n{index.setdefault(token, len(names))}"
                if len(index) > len(names):
                    names.append(match.group())
        elif match.lastgroup == "space":
            token = " "
        elif match.lastgroup == "number":
            token = _decimal(token, where)
        elif token == "^":
            token = "**"
        elif token == "(":
            depth += 1
            if depth > MAX_DEPTH:
                msg = f"{where}: more than {MAX_DEPTH} parentheses are open at once; split the expression with aux"
                raise InputError(msg)
        elif token == ")":
            depth -= 1
            if depth < 0:
                msg = f"{where}: there is a ')' without its '(' {_near(text, position)}"
                raise InputError(msg)
        source.append(token)
        origin.extend([position] * len(token))
        position = match.end()
    if depth:
        msg = f"{where}: {depth} '(' not closed in {_shorten(text)!r}"
        raise InputError(msg)
    code = "".join(source).strip()
    lead = len("".join(source)) - len("".join(source).lstrip())
    try:
        tree = ast.parse(code, mode="eval").body
    except SyntaxError as error:
        column = min((error.offset or 1) - 1 + lead, len(origin) - 1)
        msg = f"{where}: this is not an expression {_near(text, origin[max(column, 0)])}"
        raise InputError(msg) from None
    except (RecursionError, MemoryError, ValueError):
        msg = f"{where}: the expression is nested too deeply or too long; split it with aux"
        raise InputError(msg) from None
    return Parsed(tree, names)


def _decimal(token: str, where: str) -> str:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        msg = f"{where}: the number {_shorten(token)} is too large for a float"
        raise InputError(msg)
    # leading zeros and very long integers are no Python integers
    return str(int(token)) if token.isdigit() and value < 1e15 else repr(value)


def _refused(text: str, position: int, where: str) -> InputError:
    character = text[position]
    reason = _REFUSED.get(character, f"{character!r} is not part of an arithmetic expression")
    return InputError(f"{where}: {reason} {_near(text, position)}")


def _near(text: str, position: int) -> str:
    start = max(0, position - 20)
    return f"(near {' '.join(text[start : position + 20].split())!r})"


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:57] + "..."
