"""From the text of an XPP ``.ode`` file to statements: continuation lines, arrays, and what each line declares.

A line is what its first characters say: ``x' = ...`` an equation, ``name = ...`` a quantity, ``word rest`` a command of
which XPP reads the first letters only.  Names keep the spelling of the file; that case does not matter is dealt with
where they are looked up.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from ntkcont.errors import InputError

MAX_CHARACTERS = 2_000_000
MAX_STATEMENTS = 20_000


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a file, with what it takes to point at it."""

    file: str
    number: int
    text: str

    def refuse(self, reason: str) -> InputError:
        """Return the error that names this line."""
        shown = " ".join(self.text.split())
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return InputError(f"{self.file}, line {self.number} ({shown!r}): {reason}")


@dataclasses.dataclass(frozen=True)
class Statement:
    """What one line, or one element of an array, declares."""

    what: str  # equation, map, quantity, derived, aux, function, initial, parameters, numbers, starts, options, set
    line: Line
    name: str = ""
    body: str = ""
    arguments: tuple[str, ...] = ()


def statements(text: str, file: str) -> Iterator[Statement]:
    """Read the statements of a file, up to ``done``."""
    if len(text) > MAX_CHARACTERS:
        msg = f"{file}: the file has {len(text)} characters; an .ode file of at most {MAX_CHARACTERS} can be read"
        raise InputError(msg)
    lines = list(_joined(text, file))
    if lines and re.match(r"\s*[+]?0*[1-9]", lines[0].text):
        raise lines[0].refuse(
            reason="the file is in the old format that begins with the number of equations; write x' = ... instead"
        )
    count = 0
    for line, repeated in _loops(lines):
        for piece in repeated:
            found = _statement(piece, line)
            if found is None:
                continue
            if found.what == "done":
                return
            count += 1
            if count > MAX_STATEMENTS:
                raise line.refuse(reason=f"the arrays of the file make more than {MAX_STATEMENTS} statements")
            yield found


def _joined(text: str, file: str) -> Iterator[Line]:
    """Join continuation lines: what follows a backslash is dropped, and the next line goes on."""
    open_text, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first or number
        head, backslash, _ = raw.partition("\\")
        open_text += head
        if not backslash or raw.lstrip().startswith('"'):
            yield Line(file, first, open_text if not raw.lstrip().startswith('"') else raw)
            open_text, first = "", 0
    if open_text.strip():
        yield Line(file, first, open_text)


# ---------------------------------------------------------------- arrays

_RANGE = re.compile(r"\[\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*\]")
_INDEX = re.compile(r"(int)?\[([^\[\]]*)\]", re.IGNORECASE)
_J = re.compile(r"j\s*(?:([+*-])\s*(\d+))?")


def _loops(lines: list[Line]) -> Iterator[tuple[Line, list[str]]]:
    """Yield each line with its repetitions, ``%[1..3]`` blocks line by line in the order of XPP."""
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        stripped = line.text.strip()
        if not stripped or stripped[0] in '"#' or stripped[0] == "@":
            yield line, [stripped]
            continue
        if stripped.startswith("%"):
            loop = _RANGE.search(stripped)
            if loop is None:
                raise line.refuse(reason="a loop begins with % and a range, such as %[1..10]")
            block = []
            while position < len(lines) and not lines[position].text.strip().startswith("%"):
                block.append(lines[position])
                position += 1
            if position == len(lines):
                raise line.refuse(reason="the loop is not closed; end it with a line %")
            position += 1
            for j in _range(loop, line):
                for inner in block:
                    yield inner, [_substituted(inner.text.strip(), j, inner)]
            continue
        ranges = list(_RANGE.finditer(stripped))
        if len(ranges) > 1:
            raise line.refuse(reason="it has two ranges; use one [a..b] and then [j] in a line")
        if not ranges:
            yield line, [_substituted(stripped, None, line)]
            continue
        pattern = _RANGE.sub("[j]", stripped)
        yield line, [_substituted(pattern, j, line) for j in _range(ranges[0], line)]


def _range(match: re.Match[str], line: Line) -> list[int]:
    first, last = int(match.group(1)), int(match.group(2))
    if abs(last - first) >= MAX_STATEMENTS:
        raise line.refuse(reason=f"the range has more than {MAX_STATEMENTS} elements")
    return list(range(first, last + 1)) if last >= first else list(range(first, last - 1, -1))


def _substituted(text: str, j: int | None, line: Line) -> str:
    """Replace ``[j]``, ``[j+1]``, ``[j*2]`` and ``[3]`` by numbers."""
    if text[:1] in ("#", '"', "@"):
        return text

    def index(match: re.Match[str]) -> str:
        if match.group(1):
            raise line.refuse(reason="integral equations (int[...]) are not supported")
        inside = match.group(2).strip()
        if re.fullmatch(r"-?\d+", inside):
            return str(int(inside))
        parts = _J.fullmatch(inside)
        if parts is None:
            raise line.refuse(reason=f"the index [{inside}] may be [j], [j+1], [j-1], [j*2] or a number")
        if j is None:
            raise line.refuse(reason="[j] is used outside of a range [a..b]")
        sign, number = parts.group(1), int(parts.group(2) or 0)
        return str({None: j, "+": j + number, "-": j - number, "*": j * number}[sign])

    return _INDEX.sub(index, text)


# ---------------------------------------------------------------- one line

_WORD = re.compile(r"[^ \t=/'(]*")
_SIGN = re.compile(r"[ \t]*")
_NAME = re.compile(r"[A-Za-z_]\w*")

_REFUSED = (
    ("SE", None),
    ("SP", "special functions (special) are not supported"),
    ("SO", "algebraic equations (solv, 0 = ...) are not supported"),
    ("MA", "Markov variables are not supported: the model would not be deterministic"),
    ("TA", "tables are not supported; write the function as a formula"),
    ("EX", "equations in compiled C code (export) are not supported"),
    ("GR", "groups are not supported"),
    ("VE", "vector functions are not supported"),
    ("V", "integral equations (volt) are not supported"),
    ("W", "noise (wiener) is not supported: the model would not be deterministic"),
    ("G", "events (global) are not supported: they change the states outside of the equations"),
    ("B", "boundary conditions are not supported: this is a boundary value problem"),
)
_LISTS = {"P": "parameters", "N": "numbers", "I": "starts"}


def _statement(text: str, line: Line) -> Statement | None:
    if not text or text[0] in '"#':
        if text.lower().startswith("#include"):
            raise line.refuse(reason="included files are not read; put their lines here")
        return None
    if text[0] == "@":
        return Statement("options", line, body=text[1:])
    if re.match(r"0\s*=", text):
        raise line.refuse(reason="algebraic equations (0 = ...) are not supported; only x' = ... and maps are")
    word = _WORD.match(text)
    end = word.end() if word else 0
    name, rest = text[:end], text[end:]
    after = rest.lstrip()
    if after.startswith("="):
        body = after[1:].strip()
        if name.startswith("!"):
            return Statement("derived", line, _checked(name[1:], line), body)
        return Statement("quantity", line, _checked(name, line), body)
    if rest[:1] == "'":
        return Statement("equation", line, _checked(name, line), _right(rest, line))
    if rest[:1] == "/":
        if name[:1] not in ("d", "D") or re.match(r"/\s*dt\s*=", rest, re.IGNORECASE) is None:
            raise line.refuse(
                reason="this is not a statement of an .ode file; a derivative is written dx/dt = ... or x' = ..."
            )
        return Statement("equation", line, _checked(name[1:], line), _right(rest, line))
    if rest[:1] == "(":
        return _call(name, rest, line)
    return _command(name, after, line)


def _call(name: str, rest: str, line: Line) -> Statement:
    closing = rest.find(")")
    inside = rest[1:closing].replace(" ", "") if closing > 0 else ""
    if closing < 0 or not rest[closing + 1 :].lstrip().startswith("="):
        raise line.refuse(reason="this is not a statement of an .ode file; was it meant as f(x) = ... or x(0) = ...?")
    body = _right(rest[closing:], line)
    if inside.lower() == "t+1":
        return Statement("map", line, _checked(name, line), body)
    if inside == "0":
        return Statement("initial", line, _checked(name, line), body)
    if re.search(r"int\s*[{\[]", body, re.IGNORECASE):
        raise line.refuse(reason="integral equations are not supported")
    arguments = tuple(_checked(a, line) for a in inside.split(","))
    return Statement("function", line, _checked(name, line), body, arguments)


def _command(word: str, rest: str, line: Line) -> Statement:
    upper = word.upper()
    for start, reason in _REFUSED:
        if upper.startswith(start):
            if reason is not None:
                raise line.refuse(reason)
            break
    if upper.startswith("AU"):
        name, sign, body = rest.partition("=")
        if not sign:
            raise line.refuse(reason="aux needs a name and an expression: aux name = ...")
        return Statement("aux", line, name.strip(), body.strip())
    if upper.startswith("SE"):
        return Statement("set", line, body=rest)
    if upper.startswith("D"):
        if "=" in rest:
            raise line.refuse(reason="XPP takes this for the end of the file; write dx/dt without spaces")
        return Statement("done", line)
    if upper.startswith("O"):  # which columns to keep, a file with options: nothing of the model
        return Statement("output", line)
    if upper[:1] in _LISTS:
        return Statement(_LISTS[upper[0]], line, body=rest)
    raise line.refuse(reason="this is not a statement of an .ode file")


def _right(text: str, line: Line) -> str:
    _, sign, body = text.partition("=")
    if not sign:
        raise line.refuse(reason="there is no '=' after the name")
    return body.strip()


def _checked(name: str, line: Line) -> str:
    if _NAME.fullmatch(name) is None:
        raise line.refuse(reason=f"{name!r} is not a name; use letters, digits and underscores")
    return name


# ---------------------------------------------------------------- lists of values

_ITEM = re.compile(r"\s*([^\s=,]+)\s*(?:=\s*([^\s,]*))?\s*,?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def pairs(body: str) -> Iterator[tuple[str, str | None]]:
    """Read ``a=1, b = 2 c=3``; what has no value comes with None."""
    for match in _ITEM.finditer(body):
        yield match.group(1), match.group(2)


def values(statement: Statement) -> Iterator[tuple[str, float]]:
    """Read the names and numbers of ``par``, ``number`` or ``init``; a name without a number is 0, as XPP has it."""
    for name, text in pairs(statement.body):
        if text is None:
            yield _checked(name, statement.line), 0.0
        else:
            yield _checked(name, statement.line), number(text, statement.line, name)


def number(text: str, line: Line, name: str) -> float:
    """Return a plain number; XPP would silently read '1/3' as 1."""
    if _NUMBER.fullmatch(text) is None or abs(float(text)) == float("inf"):
        raise line.refuse(reason=f"the value of {name!r} is {text!r}; it must be a plain number")
    return float(text)
