"""Models from XPP's ``.ode`` files."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from ntkcont.dialects.xpp_expressions import RESERVED, Names, translate
from ntkcont.dialects.xpp_lines import Line, Statement, number, pairs, statements, values
from ntkcont.errors import FileFormatError, InputError, nearest
from ntkcont.models.model import Model
from ntkcont.models.text import KEYWORDS


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class XppModel(Model):
    """A model from an ``.ode`` file, with what the file says beside its equations.

    Parameters
    ----------
    options : mapping of str to float or str
        The ``@`` options, names in lower case.
    sets : mapping of str to mapping
        The named sets: values of parameters, initial values and options.
    notes : tuple of str
        What was left out because no equation needs it, such as auxiliary outputs that depend on the time.

    Notes
    -----
    ``start`` holds the initial values (0 where the file has none, as in XPP).  ``free`` is the parameter that XPP's
    AUTO varies unless told otherwise, the first of the file; ``p_span`` is (parmin, parmax), else (autoxmin, autoxmax),
    else None.  ``nc.continuation(model, **model.suggested)`` uses the three.
    """

    options: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    sets: Mapping[str, Mapping[str, float | str]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        frozen = {name: MappingProxyType(dict(inner)) for name, inner in self.sets.items()}
        object.__setattr__(self, "sets", MappingProxyType(frozen))
        object.__setattr__(self, "start", MappingProxyType(dict(self.start or {})))

    @property
    def free(self) -> str | None:
        """The first parameter of the file, which XPP's AUTO varies by default; None without parameters."""
        return next(iter(self.params), None)

    @property
    def p_span(self) -> tuple[float, float] | None:
        """The range of the free parameter that the options give, or None."""
        for low, high in (("parmin", "parmax"), ("autoxmin", "autoxmax")):
            a, b = self.options.get(low), self.options.get(high)
            if isinstance(a, float) and isinstance(b, float) and a < b:
                return a, b
        return None

    @property
    def suggested(self) -> dict[str, Any]:
        """Arguments for ``nc.continuation``: ``x0``, ``free`` and ``p_span``, as far as the file gives them."""
        found = {"x0": dict(self.start or {}), "free": self.free, "p_span": self.p_span}
        return {name: value for name, value in found.items() if value is not None}


def from_xpp(path: str | os.PathLike[str]) -> XppModel:
    r"""Read a model from an ``.ode`` file of XPP (XPPAUT).

    Parameters
    ----------
    path : path-like
        The file.  It may hold equations (``x' =``, ``dx/dt =``, ``x(t+1) =``), arrays (``x[1..5]' = ... x[j-1]``),
        ``par``, ``number``, ``init``, ``x(0) =``, functions, named quantities, derived parameters (``!a =``), ``aux``,
        ``if()then()else()``, ``sum()of()``, options (``@``) and sets; in upper or lower case.

    Returns
    -------
    XppModel
        A model with ``start`` (initial values), ``free``, ``p_span``, ``suggested`` and ``options``.  It is a map if
        the file has ``x(t+1) =`` or ``meth=discrete``, or is called ``.dif``.  Names are spelled as they were declared.

    Raises
    ------
    InputError
        The file uses what is not supported: noise, Markov variables, tables, events, delays, integral and algebraic
        equations, boundary conditions, special functions of XPP, other files; or a line is not understood.  The message
        gives the number of the line, its text, and what it is.
    FileFormatError
        The file is not text.
    FileNotFoundError
        There is no such file.

    Notes
    -----
    Signs bind as in XPP: comparisons as tightly as powers, powers from left to right.  ``log`` is the natural
    logarithm, ``heav(0)`` is 1.  Unlike in XPP, the order of named quantities does not matter, and a division by zero
    is not replaced by a large number.  The text is never evaluated as code.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> text = "x' = mu - x^2\npar mu=1\ninit x=1\n@ parmin=-1, parmax=2\ndone\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "fold.ode")
    ...     _ = path.write_text(text)
    ...     model = nc.from_xpp(path)
    >>> model.suggested
    {'x0': {'x': 1.0}, 'free': 'mu', 'p_span': (-1.0, 2.0)}
    >>> nc.continuation(model, **model.suggested).special_points("LP").labels
    ('LP',)
    """
    if not isinstance(path, str | os.PathLike):
        msg = f"path: got {type(path).__name__}; give the path of an .ode file"
        raise InputError(msg)
    path = Path(path)
    if not path.exists():
        msg = f"{path}: there is no such file; check the path"
        raise FileNotFoundError(msg)
    if path.is_dir():
        msg = f"{path}: this is a folder; give an .ode file"
        raise FileFormatError(msg)
    data = path.read_bytes()
    if b"\0" in data:
        msg = f"{path}: this is not a text file; give an .ode file of XPP"
        raise FileFormatError(msg)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return read_text(text, str(path), discrete=path.suffix.lower() in (".dif", ".dis"))


def read_text(text: str, file: str = "text", *, discrete: bool = False) -> XppModel:
    """Read a model from the text of an ``.ode`` file; `file` names it in errors."""
    return _File(text, file, discrete=discrete).model()


_WHAT = {
    "equation": "a variable",
    "map": "a variable",
    "quantity": "a quantity",
    "derived": "a derived parameter",
    "function": "a function",
}
MAX_STATES = 2_000  # linear algebra is dense
MAX_OPERANDS = 500_000
_PLAIN = {"where", "heaviside", "floor"}  # functions that translations use and XPP does not have


class _File:
    """The statements of one file by what they declare, and the translation of what the equations need."""

    def __init__(self, text: str, file: str, *, discrete: bool) -> None:
        self.file, self.discrete = file, discrete
        self.kinds: dict[str, str] = {}  # of every name, in lower case
        self.spelled: dict[str, str] = {}
        self.where: dict[str, Line] = {}
        self.defined: dict[str, Statement] = {}
        self.params: dict[str, float] = {}
        self.numbers: dict[str, float] = {}
        self.outputs: list[Statement] = []
        self.starts: list[tuple[str, float | Statement, Line]] = []
        self.options: dict[str, float | str] = {}
        self.sets: dict[str, dict[str, float | str]] = {}
        self.notes: list[str] = []
        self.operands = 0
        for statement in statements(text, file):
            self.add(statement)
        self.states = [n for n, kind in self.kinds.items() if kind == "a variable"]
        if not self.states:
            msg = f"{file}: there is no equation (x' = ... or x(t+1) = ...); it is not an .ode file of XPP"
            raise InputError(msg)
        if len(self.states) > MAX_STATES:
            msg = f"{file}: there are {len(self.states)} variables; at most {MAX_STATES} can be followed"
            raise InputError(msg)
        self.constants = [n for n, kind in self.kinds.items() if kind in ("a parameter", "a number")]

    # ------------------------------------------------------------ declarations

    def add(self, statement: Statement) -> None:
        match statement.what:
            case "equation" | "map" | "quantity" | "derived" | "function":
                self.declare(statement.name, _WHAT[statement.what], statement.line)
                self.defined[statement.name.lower()] = statement
                self.discrete |= statement.what == "map"
            case "parameters" | "numbers":
                kept = self.params if statement.what == "parameters" else self.numbers
                for name, value in values(statement):
                    self.declare(name, f"a {statement.what[:-1]}", statement.line)
                    kept[name.lower()] = value
            case "starts":
                self.starts += [(name, value, statement.line) for name, value in values(statement)]
            case "initial":
                self.starts.append((statement.name, statement, statement.line))
            case "aux":
                self.outputs.append(statement)
            case "options":
                found = {n.lower(): _option(v or "") for n, v in pairs(statement.body)}
                self.options |= found
                self.discrete |= str(found.get("meth", ""))[:1].lower() == "d"
            case "set":
                match = re.fullmatch(r"(\S+?)\s*\{(.*)\}\s*", statement.body)
                if match is None:
                    raise statement.line.refuse(reason="a set is written as set name {a=1, b=2}")
                self.sets[match.group(1)] = {n: _option(v or "") for n, v in pairs(match.group(2))}

    def declare(self, name: str, kind: str, line: Line) -> None:
        key = name.lower()
        if key in self.kinds:
            also = "" if self.spelled[key] == name else f" as {self.spelled[key]!r}"
            first = f"{self.kinds[key]}{also} in line {self.where[key].number}"
            raise line.refuse(reason=f"the name {name!r} is already {first}; case does not matter, so rename one")
        if key in RESERVED or not _plain(name):
            raise line.refuse(reason=f"{name!r} cannot be the name of {kind}; rename it")
        self.kinds[key], self.spelled[key], self.where[key] = kind, name, line

    # ------------------------------------------------------------ names in expressions

    def names(self, need: Callable[[str], None], *, constant: bool = False) -> Names:
        def variable(name: str, line: Line) -> str:
            key = name.lower()
            if key not in self.kinds:
                raise line.refuse(reason=f"the name {name!r} is unknown; {nearest(name, self.spelled.values())}")
            kind = self.kinds[key]
            if kind == "a function":
                raise line.refuse(reason=f"{name!r} is a function; call it, as in {name}(...)")
            if constant and kind in ("a variable", "a quantity"):
                raise line.refuse(reason=f"a derived parameter depends on parameters only, but {name!r} is {kind}")
            need(key)
            return self.spelled[key]

        def function(name: str, given: int, line: Line) -> str:
            key = name.lower()
            if self.kinds.get(key) != "a function":
                known = [n for n, kind in self.kinds.items() if kind == "a function"]
                more = "write products with '*'" if key in self.kinds else nearest(name, [*known, *sorted(RESERVED)])
                raise line.refuse(reason=f"the function {name!r} is unknown; {more}")
            wanted = self.defined[key].arguments
            if len(wanted) != given:
                raise line.refuse(reason=f"{name} takes ({', '.join(wanted)}), but {given} arguments were given")
            need(key)
            return self.function_name(key)

        def shifted(name: str, places: int, line: Line) -> str:
            key = name.lower()
            quantities = [n for n, kind in self.kinds.items() if kind == "a quantity"]
            order = self.constants if key in self.constants else [*self.states, *quantities]
            if key not in order or not 0 <= order.index(key) + places < len(order):
                raise line.refuse(reason=f"shift({name}, {places}) is none of the names of the file")
            return variable(order[order.index(key) + places], line)

        def integer(text: str) -> int | None:
            value = self.constant(text, self.numbers)
            return int(value) if value is not None and value == int(value) else None

        return Names(
            variable, function, lambda name: self.kinds.get(name.lower()) == "a variable", shifted, integer, self.spend
        )

    def spend(self, line: Line) -> None:
        self.operands += 1
        if self.operands > MAX_OPERANDS:
            raise line.refuse(reason=f"sums and arrays of the file make more than {MAX_OPERANDS} operands")

    def function_name(self, key: str) -> str:
        name = self.spelled[key]
        while name in _PLAIN or (name != self.spelled[key] and name.lower() in self.kinds):
            name += "_"
        return name

    def constant(self, text: str, known: Mapping[str, float]) -> float | None:
        """Return the value of an expression in which only `known` names appear, or None."""
        from ntkcont.models.expressions import Reader

        try:
            value = Reader((), (), {self.spelled[name]: v for name, v in known.items()}, {}).read("value", text)
        except InputError:
            return None
        return float(value) if value.is_Rational else None

    # ------------------------------------------------------------ the model

    def model(self) -> XppModel:
        equations, aux, functions = self.translated()
        kind: Literal["flow", "map"] = "map" if self.discrete else "flow"
        params = {self.spelled[name]: value for name, value in self.params.items()}
        try:
            built = Model.from_equations(equations, params, aux=aux, functions=functions, kind=kind)
        except InputError as error:
            raise self.located(error) from None
        fields = {f.name: getattr(built, f.name) for f in dataclasses.fields(Model)}
        start = self.initial()
        return XppModel(
            **{**fields, "start": start}, options=self.options, sets=self.sets, notes=tuple(dict.fromkeys(self.notes))
        )

    def translated(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """Translate the equations, then whatever they need, then what can be read of the rest."""
        done: dict[str, Any] = {}
        for name in self.states:
            self.translate_all([name], done)
        for name, kind in self.kinds.items():
            if name not in done and kind in ("a quantity", "a derived parameter", "a function"):
                trial = dict(done)
                try:
                    self.translate_all([name], trial)
                except InputError as error:
                    self.notes.append(f"left out, no equation uses it: {error}")
                else:
                    done = trial
        outputs: dict[str, str] = {}
        for output in self.outputs:
            key = output.name.lower()
            if key in self.kinds or output.name in outputs or key in RESERVED or not _plain(output.name):
                self.notes.append(str(output.line.refuse(reason=f"left out, aux cannot be called {output.name!r}")))
                continue
            needed: list[str] = []
            trial = dict(done)
            try:
                text = translate(output.body, output.line, self.names(needed.append))
                self.translate_all([n for n in needed if n not in self.states], trial)
            except InputError as error:
                self.notes.append(f"left out, no equation uses it: {error}")
                continue
            done, outputs[output.name] = trial, text
            self.where[f"aux {output.name}"] = output.line
        equations = {self.spelled[n]: done[n] for n in self.states}
        functions = {self.function_name(n): v for n, v in done.items() if self.kinds[n] == "a function"}
        named = {n: v for n, v in done.items() if n not in self.states and self.kinds[n] != "a function"}
        aux = {**{self.spelled[n]: v for n, v in named.items()}, **outputs}
        return equations, aux, functions

    def translate_all(self, wanted: list[str], done: dict[str, Any]) -> None:
        """Translate `wanted` and all that they use, into `done`."""
        open_names = list(wanted)
        while open_names:
            key = open_names.pop()
            if key in done or key in self.params:
                continue
            if key in self.numbers:
                done[key] = self.numbers[key]
                continue
            statement = self.defined[key]
            names = self.names(open_names.append, constant=self.kinds[key] == "a derived parameter")
            text = translate(statement.body, statement.line, names, statement.arguments)
            done[key] = (list(statement.arguments), text) if statement.what == "function" else text

    def located(self, error: InputError) -> InputError:
        """Return an error of the equations with the line of the file in place of its argument."""
        match = re.match(r"(?:equations|aux|functions)\['(\w+)'\]: (.*)", str(error), re.DOTALL)
        cycle = re.match(r"aux and functions: (\w+) -> .*", str(error), re.DOTALL)
        found = match or cycle
        if found is None:
            return InputError(f"{self.file}: {error}")
        name = found.group(1)
        key = name.lower() if name.lower() in self.where else name.rstrip("_").lower()
        line = self.where.get(f"aux {name}") or (self.defined[key].line if key in self.defined else None)
        reason = match.group(2) if match else str(error).removeprefix("aux and functions: ")
        return line.refuse(reason) if line else InputError(f"{self.file}: {error}")

    def initial(self) -> dict[str, float]:
        start = dict.fromkeys((self.spelled[n] for n in self.states), 0.0)
        for name, value, line in self.starts:
            key = name.lower()
            if self.kinds.get(key) != "a variable":
                raise line.refuse(reason=f"{name!r} is not a variable; initial values are for those with an equation")
            if isinstance(value, Statement):
                value = self.initial_value(value)
            start[self.spelled[key]] = value
        return start

    def initial_value(self, statement: Statement) -> float:
        """Return a number, or a formula of parameters at ``t = 0``."""
        known = {**self.params, **self.numbers}
        text = translate(statement.body, statement.line, self.names(lambda _: None), time="0")
        value = self.constant(text, known)
        if value is None:
            raise statement.line.refuse(reason="the initial value is not a number or a formula of parameters")
        return value


def _plain(name: str) -> bool:
    return name.isidentifier() and name not in KEYWORDS


def _option(text: str) -> float | str:
    try:
        return number(text, Line("", 0, ""), "")
    except InputError:
        return text
