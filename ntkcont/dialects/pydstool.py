"""Models of PyDSTool, recompiled from their strings."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from ntkcont.dialects.pydstool_source import Source, Spec, read_source, unreadable
from ntkcont.dialects.pydstool_strings import EXTRA, Strings, TimeDependentError, names_in
from ntkcont.errors import InputError, nearest
from ntkcont.models.model import Array, Model
from ntkcont.models.text import parse

_WHERE = re.compile(r"(equations|aux|functions)\['(\w+)'\]: (.*)", re.DOTALL)


def from_pydstool(obj: Any, *, kind: Literal["flow", "map"] | None = None) -> Model:
    """Bring in a model of PyDSTool, recompiled from its strings with exact derivatives.

    PyDSTool is not imported: a dict needs no installation of it, and of objects only attributes are read.

    Parameters
    ----------
    obj : Generator, args object or mapping
        A Generator of an ODE system or of a map, the ``args`` it is made from, or a dict with their keys: ``varspecs``
        and, as needed, ``pars``, ``fnspecs``, ``ics``, ``auxvars``, ``reuseterms``, ``xdomain``, ``pdomain``.  Other
        keys of PyDSTool (``tdata``, ``algparams``, events, ...) mean nothing here.
    kind : {"flow", "map"}, optional
        What the equations are, default what the object says: a dict or ``args`` is a map if its ``ttype`` is ``int``.

    Returns
    -------
    Model
        With the states in the order of ``varspecs``, the values of the parameters that the object has now, auxiliary
        variables as named quantities, and ``start``, the initial conditions by name, if there are any.

    Raises
    ------
    InputError
        A string cannot be read (the error names variable, string and reason), depends on the time, on external inputs
        or on a mass matrix; the object is none of these.

    Warns
    -----
    UserWarning
        A string of a Generator cannot be read, so that its own ``Rhs`` is called instead (slower, derivatives by
        differences); an auxiliary variable is left out; a reuse term changes what an expression means.

    Notes
    -----
    Strings are read as PyDSTool's Python target does: ``if(c, a, b)``, ``heav`` (0 at 0), ``^``, ``**`` and ``pow``,
    the functions of ``math`` and scipy's ``sign`` and ``mod``, ``sum(i, lo, hi, ...)`` and ``for(i, lo, hi, ...)``,
    ``initcond(x)`` and ``getbound(x, k)`` as the numbers they are.  Derivatives of ``if`` hold branch by branch.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.from_pydstool({
    ...     "varspecs": {"v": "I - if(v > 0, g*f(v), 0)"},
    ...     "fnspecs": {"f": (["x"], "pow(x, 3)")},
    ...     "pars": {"I": 0.5, "g": 2.0},
    ...     "ics": {"v": 1.0},
    ... })
    >>> model.rhs(model.start), model.jac(model.start)
    (array([-1.5]), array([[-6.]]))
    """
    source = read_source(obj, kind)
    start = source.ics or None
    try:
        if source.inserts:
            msg = "obj: code is inserted into its right-hand side (vfcodeinsert, system), which is no equation"
            raise InputError(msg)
        model = _recompiled(source)
    except TimeDependentError:
        raise
    except InputError as error:
        if source.rhs is None:
            raise
        warnings.warn(
            f"from_pydstool: {error}; so the object's own Rhs is called instead, with derivatives by differences",
            stacklevel=2,
        )
        model = _called_back(source)
    return dataclasses.replace(model, start=start)


# ------------------------------------------------------------------ from the strings


def _recompiled(source: Source) -> Model:
    """Return the model from equations, without those auxiliary variables that cannot be read."""
    dropped: dict[str, str] = {}
    while True:
        texts = _Texts(source, dropped)
        try:
            texts.write()
            model = Model.from_equations(
                texts.equations, source.pars, aux=texts.aux, functions=texts.functions, kind=source.kind
            )
            break
        except _AuxiliaryError as error:
            dropped[error.name] = str(error)
        except InputError as error:
            found = _WHERE.fullmatch(str(error))
            if found is None:
                raise
            if found.group(2) in source.auxvars:
                dropped[found.group(2)] = str(texts.error(found.group(2), found.group(3)))
            else:
                raise texts.error(found.group(2), found.group(3)) from None
    for name, reason in dropped.items():
        warnings.warn(f"from_pydstool: the auxiliary variable {name!r} is left out; {reason}", stacklevel=3)
    return model


class _AuxiliaryError(InputError):
    """An auxiliary variable cannot be read; the equations may do without."""

    def __init__(self, name: str, reason: Exception) -> None:
        super().__init__(str(reason))
        self.name = name


class _Texts:
    """The texts of ``Model.from_equations``, written from those of PyDSTool."""

    def __init__(self, source: Source, without: Iterable[str]) -> None:
        self.source = source
        self.specs = {name: spec for name, spec in source.varspecs.items() if name not in without}
        self.equations: dict[str, str] = {}
        self.aux: dict[str, str] = {}
        self.functions: dict[str, tuple[tuple[str, ...], str]] = {}
        numbers = {"initcond": self._initcond, "getbound": self._getbound, "getindex": self._getindex}
        self.strings = Strings({*self.specs, *source.pars, *source.fnspecs, *source.reuseterms}, numbers)
        self.origin: dict[str, Spec] = {}

    def write(self) -> None:
        """Rewrite all that the equations and auxiliary variables use."""
        texts = {}
        for name, spec in self.specs.items():
            spec = dataclasses.replace(spec, text=self._with_reuse(spec))
            texts[name] = self._rewritten(name, spec)
        self.equations = {name: texts[name] for name in self.source.states}
        self.aux = {name: text for name, text in texts.items() if name not in self.equations}
        for name in self._used(texts.values(), self.source.reuseterms):
            spec = Spec(where=f"reuseterms[{self.source.reuseterms[name]!r}]", text=self.source.reuseterms[name])
            texts[name] = self.aux[name] = self._rewritten(name, spec)
        wanted = self._used(texts.values(), {**EXTRA, **self.source.fnspecs})
        for name in wanted:
            if name not in self.source.fnspecs:
                self.functions[name] = EXTRA[name]
                continue
            arguments, body = self.source.fnspecs[name]
            for new, term in self.source.reuseterms.items():
                if new not in arguments:
                    body = re.sub(rf"(?<![\w.]){re.escape(new)}(?![\w.])", lambda _, term=term: f"({term})", body)
            spec = Spec(where=f"fnspecs[{name!r}]", text=body)
            self.functions[name] = (arguments, self._rewritten(name, spec, arguments))
            self._extend(wanted, [self.functions[name][1]], {**EXTRA, **self.source.fnspecs})

    def error(self, name: str, reason: str) -> InputError:
        """Return the error about the string behind `name`."""
        spec = self.origin.get(name)
        return InputError(reason) if spec is None else unreadable(spec.where, spec.text, InputError(reason))

    def _rewritten(self, name: str, spec: Spec, arguments: tuple[str, ...] = ()) -> str:
        self.origin[name] = spec
        try:
            return self.strings.rewrite(spec.text, arguments, **spec.index)
        except InputError as error:
            shown = unreadable(spec.where, spec.text, error)
            if name in self.source.auxvars:
                raise _AuxiliaryError(name, shown) from None
            raise shown from None

    def _used(self, texts: Iterable[str], known: Mapping[str, Any]) -> list[str]:
        found: list[str] = []
        self._extend(found, texts, known)
        if known is self.source.reuseterms:
            for name in found:  # grows
                self._extend(found, [self.source.reuseterms[name]], known)
        return found

    def _extend(self, found: list[str], texts: Iterable[str], known: Mapping[str, Any]) -> None:
        own = {*self.specs, *self.source.pars} - {*self.source.fnspecs}
        for text in texts:
            found += sorted((names_in(text) & set(known)) - set(found) - own)

    # ---------------------------------------------------------------- reuse terms

    def _with_reuse(self, spec: Spec) -> str:
        """Replace the terms by their names, as PyDSTool does, even where that changes the meaning."""
        text = spec.text
        for new, term in self.source.reuseterms.items():
            pattern = re.compile((r"(?<![\w.])" if term[:1].isalnum() else "") + re.escape(term) + r"(?![\w.(])")
            level = _level(term)
            for match in pattern.finditer(text):
                before, after = text[: match.start()].rstrip(), text[match.end() :].lstrip()
                if level < max(_binding(before[-2:], left=True), _binding(after[:2], left=False)):
                    warnings.warn(
                        f"from_pydstool: {spec.where}: {text.strip()!r} contains the reuse term {term!r} as a part of "
                        f"a product or difference; PyDSTool puts {new!r} there, so this is done too; "
                        "write the term in parentheses if that is not meant",
                        stacklevel=5,
                    )
            text = pattern.sub(new, text)
        return text

    # ---------------------------------------------------------------- numbers

    def _initcond(self, name: str) -> float:
        if name not in self.source.ics:
            msg = f"initcond({name}) is unknown, since ics has no value for it"
            raise InputError(msg)
        return self.source.ics[name]

    def _getbound(self, name: str, which: str) -> float:
        try:
            value = float(self.source.bounds[name][int(which)])
        except (KeyError, ValueError, IndexError, TypeError):
            value = math.nan
        if not math.isfinite(value):
            msg = f"getbound({name}, {which}) is not a finite number; xdomain or pdomain must have it"
            raise InputError(msg)
        return value

    def _getindex(self, name: str) -> float:
        order = sorted(self.source.states)
        if name not in order:
            msg = f"getindex({name}): {nearest(name, order)}"
            raise InputError(msg)
        return order.index(name)


def _level(term: str) -> int:
    """Return how tightly the weakest operator of `term` binds: 1 sums, 2 products, 3 powers, 4 a single thing."""
    try:
        tree = parse(f"{term}**1", "reuseterms").tree  # whether the power takes all of it
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Pow) and not isinstance(tree.right, ast.BinOp):
            return 4
        tree = parse(term, "reuseterms").tree
    except InputError:
        return 4
    if isinstance(tree, ast.BinOp):
        return 1 if isinstance(tree.op, ast.Add | ast.Sub) else 3 if isinstance(tree.op, ast.Pow) else 2
    return 1 if isinstance(tree, ast.UnaryOp) else 4


def _binding(beside: str, *, left: bool) -> int:
    """Return how tight a term must be to stand beside this operator without parentheses."""
    sign = beside if beside in ("**", "//") else beside[-1:] if left else beside[:1]
    if left:
        return {"-": 2, "*": 2, "/": 3, "%": 3, "//": 3, "**": 4, "^": 4}.get(sign, 0)
    return {"*": 2, "/": 2, "%": 2, "//": 2, "**": 4, "^": 4}.get(sign, 0)


# ------------------------------------------------------------------ from Rhs


def _called_back(source: Source) -> Model:
    from ntkcont.dialects.pydstool_rhs import model_from_python

    states, params, rhs = source.states, tuple(source.pars), source.rhs
    positions = [source.rhs_order.index(name) for name in states]

    def function(x: Array, p: Array) -> Array:
        values = rhs(0, dict(zip(states, x.tolist(), strict=True)), dict(zip(params, p.tolist(), strict=True)))  # pyright: ignore
        return np.asarray(values, dtype=float)[positions]

    lines = [f"Rhs of the {source.label} of PyDSTool", *(f"{name}: {s.text}" for name, s in source.varspecs.items())]
    return model_from_python(function, states, source.pars, source.kind, "\n".join(lines))
