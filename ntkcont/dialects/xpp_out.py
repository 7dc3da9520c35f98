"""Models written as XPP ``.ode`` files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from ntkcont.dialects.infix import Infix
from ntkcont.dialects.xpp_expressions import RESERVED
from ntkcont.errors import InputError, unknown_name
from ntkcont.models import elementary as el
from ntkcont.models import symbolic as sym
from ntkcont.models.model import Model
from ntkcont.models.symbolic_form import symbol, symbolic_form

MAX_NAME = 9
MAX_EXPRESSION = 400  # characters; XPP reads 1024, in which each number takes three places

# comparisons bind as tightly as powers in XPP, so they come with their parentheses
_TEMPLATES: dict[Any, str] = {
    el.Log: "ln({})",
    el.Log1p: "ln(1 + ({}))",
    el.Asinh: "ln({0} + sqrt(({0})^2 + 1))",
    el.Acosh: "ln({0} + sqrt(({0})^2 - 1))",
    el.Atanh: "(0.5*ln((1 + ({0}))/(1 - ({0}))))",
    el.Erf: "erf({})",
    sym.Less: "(({}) < ({}))",
    sym.LessEqual: "(({}) <= ({}))",
    sym.Equal: "(({}) == ({}))",
    sym.Not: "not({})",
    sym.And: "(({})&({}))",
    sym.Or: "(({})|({}))",
    sym.Where: "(if({})then({})else({}))",
    sym.Absolute: "abs({})",
    sym.Sign: "sign({})",
    sym.Floor: "flr({})",
    sym.ArcTan2: "atan2({}, {})",
    sym.Power: "(({})^({}))",
    sym.Step: "(if(({0}) > 0)then(1)else(if(({0}) < 0)then(0)else({1})))",
    sym.Exprel: "(if(abs({1}) < 0.0001)then(1 + ({1})/2 + ({1})^2/6 + ({1})^3/24)else((exp({1}) - 1)/({1})))",
    sym.Softplus: "(max(0, {0}) + ln(1 + exp(-abs({0}))))",
}
_OWN = RESERVED | {"start", "end", "mouse_x", "mouse_y", "mouse_vx", "mouse_vy", *(f"arg{i}" for i in range(1, 21))}


class XppText(str):
    """The text of an ``.ode`` file, a str; ``names`` says what the names of the model are called in it.

    Parameters
    ----------
    text : str
        The file.
    names : mapping of str to str
        For each state, parameter and aux quantity, in their order.
    """

    names: dict[str, str]

    def __new__(cls, text: str, names: Mapping[str, str]) -> XppText:
        """Return the text with its names."""
        made = super().__new__(cls, text)
        made.names = dict(names)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return XppText, (str(self), self.names)


def to_xpp(
    model: Model, x0: Any = None, *, free: str | None = None, p_span: tuple[float, float] | None = None
) -> XppText:
    """Write a model as an ``.ode`` file of XPP (XPPAUT).

    Parameters
    ----------
    model : Model
        From equations, a ``RateRNN``, or one of them moved ``along`` a line.
    x0 : array_like, shape (n,), mapping or special point, optional
        Initial values, default ``model.start`` or none (XPP takes 0).
    free : str, optional
        The parameter to come first, which XPP's AUTO varies by default.
    p_span : (float, float), optional
        The range of the free parameter for AUTO (``parmin``, ``parmax``).

    Returns
    -------
    XppText
        A str, to be written to a file, with ``names``: what each name of the model is called in it.  XPP does not tell
        upper from lower case and reads nine characters, so names are written in lower case, cut, and numbered where
        two would be the same or XPP's own.

    Raises
    ------
    InputError
        The model is compiled code, or its expressions use something that XPP does not have.

    Notes
    -----
    Long expressions are split into quantities ``part1, part2, ...``, since XPP reads 1024 characters of a line.
    :func:`from_xpp` reads the text back to the same numbers.

    Examples
    --------
    >>> import ntkcont as nc
    >>> text = nc.to_xpp(nc.Model.from_equations({"V": "I - V^3"}, {"I": 0.5}), {"V": 1.0}, free="I", p_span=(0, 1))
    >>> print(text, text.names)
    # written by ntkcont
    par i=0.5
    init v=1.0
    v'=i - v^3
    @ parmin=0.0,parmax=1.0
    done
     {'V': 'v', 'I': 'i'}
    """
    form = symbolic_form(model)
    order = list(form.params)
    if free is not None:
        if free not in form.params:
            argument = "free"
            raise unknown_name(argument, free, form.params)
        order.insert(0, order.pop(order.index(free)))
    names = xpp_names([*form.states, *form.params, *form.aux])
    writer = _Writer(names)
    for name, expr in form.aux.items():
        writer.quantities.append((names[name], writer.fitted(expr)))
    rhs = [writer.fitted(expr) for expr in form.rhs]
    lines = ["# written by ntkcont"]
    lines += [f"par {names[name]}={form.params[name]!r}" for name in order]
    start = x0 if x0 is not None else model.start
    if start is not None:
        values = model.state_vector(start).tolist()
        lines += [f"init {names[name]}={value!r}" for name, value in zip(form.states, values, strict=True)]
    lines += [f"{name}={text}" for name, text in writer.quantities]
    left = "{}'={}" if form.kind == "flow" else "{}(t+1)={}"
    lines += [left.format(names[name], text) for name, text in zip(form.states, rhs, strict=True)]
    options = ["meth=discrete"] if form.kind == "map" else []
    if p_span is not None:
        low, high = _span(p_span)
        options.append(f"parmin={low!r},parmax={high!r}")
    lines += [f"@ {','.join(options)}"] if options else []
    return XppText("\n".join([*lines, "done", ""]), names)


def xpp_names(names: Iterable[str]) -> dict[str, str]:
    """Return names that XPP can tell apart: lower case, short, and none of its own."""
    result: dict[str, str] = {}
    taken = set(_OWN)
    for name in names:
        plain = re.sub(r"[^a-z0-9_]", "x", name.lower())
        new, count = plain[:MAX_NAME], 1
        while new in taken:
            count += 1
            new = f"{plain[: MAX_NAME - len(str(count))]}{count}"
        taken.add(new)
        result[name] = new
    return result


class _Writer:
    """Print expressions; what is too long for a line goes into quantities of its own."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.infix = Infix("XPP", _TEMPLATES, power="^", names=names)
        self.quantities: list[tuple[str, str]] = []
        self.parts: dict[Any, Any] = {}
        self.lengths: dict[Any, int] = {}
        self.prefix = next(
            p for p in ("part", "sub", "piece", "x_") if not any(n.startswith(p) for n in names.values())
        )

    def fitted(self, expr: Any) -> str:
        """Return the text of an expression of which long parts have been moved to ``quantities``."""
        return self.infix.text(self.shortened(expr))

    def long(self, expr: Any, limit: int = MAX_EXPRESSION) -> bool:
        return self.length(expr) > limit

    def length(self, expr: Any) -> int:
        """Return about how long the text is, without writing it."""
        if not expr.args:
            return len(self.infix.text(expr))
        if expr not in self.lengths:
            template = self.infix.functions.get(expr.func, "({})^({})")
            counts = [template.count("{}") > 0 or max(template.count(f"{{{i}}}"), 1) for i in range(len(expr.args))]
            inner = sum(count * self.length(a) + 3 for count, a in zip(counts, expr.args, strict=True))
            self.lengths[expr] = inner + len(template)
        return self.lengths[expr]

    def shortened(self, expr: Any) -> Any:
        while expr.args and self.long(expr):
            args = [self.part(a) if self.long(a, MAX_EXPRESSION // 8) else a for a in expr.args]
            if isinstance(expr, sp.Add | sp.Mul) and self.long(expr.func(*args)):
                half = len(args) // 2  # one quantity for each half
                args = [self.part(expr.func(*args[:half])), self.part(expr.func(*args[half:]))]
            expr = expr.func(*args)
        return expr

    def part(self, expr: Any) -> Any:
        """Return the symbol of a quantity that stands for `expr`."""
        if not expr.args:
            return expr
        if expr not in self.parts:
            text = self.fitted(expr)
            name = f"{self.prefix}{len(self.quantities) + 1}"
            self.quantities.append((name, text))
            self.parts[expr] = symbol(name)
        return self.parts[expr]


def _span(p_span: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in p_span)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        msg = f"p_span: got {p_span!r}; it must be two numbers, (low, high)"
        raise InputError(msg)
    return low, high
