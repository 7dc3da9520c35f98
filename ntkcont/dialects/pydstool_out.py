"""Models written for PyDSTool: the dict of strings that its ``args`` takes."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable
from typing import Any

import sympy as sp

from ntkcont.dialects.infix import Infix
from ntkcont.errors import InputError
from ntkcont.models import symbolic as sym
from ntkcont.models.model import Model
from ntkcont.models.networks import RateRNN
from ntkcont.models.symbolic_form import SymbolicForm, symbolic_form

_TEMPLATES: dict[Any, str] = {
    sym.Where: "if({}, {}, {})",
    sym.And: "(({})and({}))",  # it takes the spaces out of the arguments of if
    sym.Or: "(({})or({}))",
    sym.Not: "(not({}))",
    sym.Absolute: "abs({})",
    sym.Sign: "sign({})",
    sym.Floor: "floor({})",
    sym.ArcTan2: "atan2({}, {})",
    sym.Step: "step({}, {})",
    sym.Exprel: "exprel({1})",
    # math.exp raises where these would overflow
    sym.Sigmoid: "(0.5*(1 + tanh(0.5*({}))))",
    sym.Softplus: "softplus({})",
}
_FUNCTIONS = {
    # both values of an if are computed in Python, so neither may fail
    "exprel": (
        ["y"],
        "if(abs(y) < 1e-5, 1 + y/2 + y*y/6, expm1(if(abs(y) < 1e-5, 1, y))/if(abs(y) < 1e-5, 1, y))",
    ),
    "softplus": (["y"], "max(y, 0) + log1p(exp(-abs(y)))"),
    "step": (["y", "yzero"], "if(y > 0, 1, if(y < 0, 0, yzero))"),
}
# names that PyDSTool takes for its own, also with a capital (it reads I0 as scipy's i0)
_SPECIAL = (
    "airy ai_zeros ber bei beip berp beta betainc betaln chdtr cbrt digamma ellipe ellipj ellipk ellipkinc erf erfc "
    "erfinv exp1 exp10 exp2 expi expm1 expn fdtr fresnel gamma gammainc gammaincc gammaln gdtr hermite hyp1f1 hyp2f1 "
    "i0 i0e i1 i1e itj0y0 iv ive j0 j1 jn jv jve jvp k0 k0e k1 k1e kei keip kelvin ker kerp kn kv kve kvp legendre "
    "lmbda log1p lpmv lpn lqn nbdtr ndtr ndtri obl_cv pbdv pdtr polygamma pro_cv psi rgamma round shichi sici smirnov "
    "spence stdtr struve wofz y0 y1 yn yv yve yvp zeta zetac"
)
_OWN = (
    "arcsin arccos arctan arctan2 arccosh arcsinh arctanh sign mod abs pow min max sum globalindepvar initcond heav if "
    "getindex getbound for and or not True False t del is raise assert elif from lambda return break else global try "
    "class except while continue exec import pass yield def finally in print as None ds parsinps auxvars vfield "
    "Jacobian Jacobian_pars massMatrix"
)


def to_pydstool(model: Model, x0: Any = None) -> dict[str, Any]:
    """Write a model as the keys of PyDSTool's ``args``.

    Parameters
    ----------
    model : Model
        From equations, a ``RateRNN``, or one of them moved ``along`` a line.
    x0 : array_like, shape (n,), mapping or special point, optional
        Initial conditions, default ``model.start`` or none.

    Returns
    -------
    dict
        ``name, varspecs, pars, fnspecs, ics`` (empty without `x0`), ``tdomain``; for maps ``ttype`` (``int``), for
        networks ``reuseterms``.  ``args(**d)`` makes a ``Generator.Vode_ODEsystem`` or a ``Generator.MapSystem``, and
        :func:`from_pydstool` the model again.  Aux quantities that depend on states become functions of them.

    Raises
    ------
    InputError
        The model is compiled code, or its expressions use something that PyDSTool does not have.

    Notes
    -----
    Names that PyDSTool reserves (``E``, ``pi``, ``gamma``, ``tau``, ``I0``, ``t``, ...) or that begin with an
    underscore are changed (``E_``, ``p_k`` for ``_k``).  PyDSTool computes both values of an ``if``: a division by
    zero in the one that is not taken raises there.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"v": "I - m*v"}, {"I": 1.0}, aux={"m": "1/(1 + v^2)"})
    >>> d = nc.to_pydstool(model, {"v": 0.5})
    >>> d["varspecs"], d["fnspecs"]
    ({'v': 'I - m(v)*v'}, {'m': (['v'], '1/(pow(v, 2) + 1)')})
    >>> nc.from_pydstool(d).rhs([0.5])
    array([0.6])
    """
    form = symbolic_form(model)
    names = pydstool_names([*form.states, *form.params, *form.aux])
    start = x0 if x0 is not None else model.start
    ics = {} if start is None else dict(zip(form.states, model.state_vector(start).tolist(), strict=True))
    network = isinstance(model, RateRNN) or isinstance(model.base, RateRNN)
    written = _Writer(form, names)
    result: dict[str, Any] = {
        "name": "ntkcont_model",
        "varspecs": {},
        "pars": {names[key]: value for key, value in form.params.items()},
        "fnspecs": {},
        "ics": {names[key]: value for key, value in ics.items()},
        "tdomain": [0, 1000],
    }
    if model.kind == "map":
        result["ttype"] = int
    if network and form.aux:
        result["reuseterms"] = {written.text(expr): names[key] for key, expr in form.aux.items()}
    else:
        written.call_aux()
        result["fnspecs"] = {names[key]: (written.arguments(key), written.text(form.aux[key])) for key in written.calls}
    result["varspecs"] = {names[s]: written.text(f) for s, f in zip(form.states, form.rhs, strict=True)}
    for key in written.helpers():
        result["fnspecs"][key] = _FUNCTIONS[key]
    return result


def pydstool_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the one that it has in PyDSTool.

    Examples
    --------
    >>> from ntkcont.dialects.pydstool_out import pydstool_names
    >>> pydstool_names(["v", "E", "tau"])
    {'v': 'v', 'E': 'E_', 'tau': 'tau_'}
    """
    lower = {*dir(math), *dir(random), *_SPECIAL.split(), *_OWN.split(), *_FUNCTIONS}
    reserved = {*lower, *(name.title() for name in lower)}
    found: dict[str, str] = {}
    names = list(names)
    for name in names:
        new = name if name.isascii() and name[0].isalpha() else "p" + re.sub(r"\W", "_", name, flags=re.ASCII)
        while new in reserved or new in found.values() or (new != name and new in names):
            new += "_"
        found[name] = new
    return found


class _Writer:
    """Print the expressions of a form; aux quantities are called as functions of the states they depend on."""

    def __init__(self, form: SymbolicForm, names: dict[str, str]) -> None:
        self.form, self.names = form, names
        self.printer = Infix("PyDSTool", _TEMPLATES, power="pow({}, {})", names=names)
        self.calls: list[str] = []
        self.constant: dict[Any, Any] = {}
        self.states: dict[str, list[str]] = {}
        self.printed: list[str] = []

    def text(self, expr: Any) -> str:
        text = self.printer.text(expr.xreplace(self.constant) if self.constant else expr)
        if not re.search(r"[\w)]", text):  # pragma: no cover
            msg = f"model: the expression {expr} cannot be written for PyDSTool"
            raise InputError(msg)
        self.printed.append(text)
        return text

    def call_aux(self) -> None:
        """Turn aux quantities of states into calls; those of parameters alone are put in."""
        for key, expr in self.form.aux.items():
            used = {s.name for s in expr.free_symbols}
            inner = {a for name in used for a in self.states.get(name, ())}
            self.states[key] = [s for s in self.form.states if s in used | inner]
            if self.states[key]:
                self.calls.append(key)
                called = f"{self.names[key]}({', '.join(self.arguments(key))})"
                self.printer.names[key] = called
            else:
                self.constant[sp.Symbol(key, real=True)] = expr.xreplace(self.constant)

    def arguments(self, key: str) -> list[str]:
        """Return the arguments of the function that stands for an aux quantity."""
        return [self.names[s] for s in self.states[key]]

    def helpers(self) -> list[str]:
        """Return the functions of ours that the printed texts call."""
        return [name for name in _FUNCTIONS if any(re.search(rf"(?<!\w){name}\(", text) for text in self.printed)]
