"""The equations of a model as LaTeX: written out, or in matrix form for networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.latex import LatexPrinter

from ntkcont.errors import unknown_name
from ntkcont.models import elementary as el
from ntkcont.models import symbolic as sym
from ntkcont.models.latex_names import latex_names
from ntkcont.models.model import Model
from ntkcont.models.network_weights import LowRank
from ntkcont.models.networks import RateRNN
from ntkcont.models.symbolic_form import exact, symbol, symbolic_form

_COMMANDS: dict[Any, str] = {
    el.Log: r"\log",
    el.Sin: r"\sin",
    el.Cos: r"\cos",
    el.Tan: r"\tan",
    el.Asin: r"\arcsin",
    el.Acos: r"\arccos",
    el.Atan: r"\arctan",
    el.Sinh: r"\sinh",
    el.Cosh: r"\cosh",
    el.Tanh: r"\tanh",
    el.Asinh: r"\operatorname{arsinh}",
    el.Acosh: r"\operatorname{arcosh}",
    el.Atanh: r"\operatorname{artanh}",
    el.Erf: r"\operatorname{erf}",
    sym.Sign: r"\operatorname{sgn}",
    sym.Step: r"\Theta",
    sym.ArcTan2: r"\operatorname{atan2}",
    sym.Sigmoid: r"\sigma",
}
_TAU, _RATE, _BETA = r"\tau", r"\dot{z}", r"\beta"
_SIGMOID = r"\sigma\left(x\right) &= \frac{1}{1 + e^{-x}}"
_RELATIONS = {sym.Less: "<", sym.LessEqual: r"\leq", sym.Equal: "="}


def model_to_latex(model: Model, names: Mapping[str, str] | None = None) -> str:
    """Return the text of :meth:`ntkcont.Model.to_latex`."""
    network = model if isinstance(model, RateRNN) else model.base
    if isinstance(network, RateRNN):
        shown = _shown(names, [*network.states, *network.params, *model.params])
        lines = [*_network(network, shown), *_moved(model, network, shown)]
    else:
        form = symbolic_form(model)
        shown = _shown(names, [*form.states, *form.params, *form.aux])
        printer = _Printer(shown)
        left = r"\dot{{{}}} &= {}" if form.kind == "flow" else r"{} &\mapsto {}"
        lines = [left.format(shown[s], printer.doprint(f)) for s, f in zip(form.states, form.rhs, strict=True)]
        lines += [f"{shown[key]} &= {printer.doprint(f)}" for key, f in form.aux.items()]
        if any(f.has(sym.Sigmoid) for f in (*form.rhs, *form.aux.values())):
            lines.append(_SIGMOID)
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _shown(names: Mapping[str, str] | None, known: list[str]) -> dict[str, str]:
    shown = latex_names(known)
    for name, text in (names or {}).items():
        if name not in shown:
            argument = "names"
            raise unknown_name(argument, name, shown)
        shown[name] = text
    if shown.get("gain") == r"\mathrm{gain}":
        shown["gain"] = "g"
    return shown


# ------------------------------------------------------------------ expressions


_LatexPrinter: Any = LatexPrinter  # its type does not know of the methods it looks for


class _Printer(_LatexPrinter):
    """sympy's printer, with names and functions of ours, decimals as decimals, and no sum that begins with a minus."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__({"symbol_names": {symbol(k): v for k, v in names.items()}, "ln_notation": False})

    def _print_Rational(self, expr: Any) -> str:
        if not _is_decimal(expr):
            return super()._print_Rational(expr)
        mantissa, _, exponent = repr(expr.p / expr.q).partition("e")
        if not exponent:
            return mantissa
        sign, number = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return sign + ("" if number in ("1", "1.0") else rf"{number} \cdot ") + f"10^{{{int(exponent)}}}"

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        content, primitive = expr.primitive()
        if primitive.could_extract_minus_sign() and all(t.could_extract_minus_sign() for t in primitive.args):
            content, primitive = -content, -primitive
        if content.q != 1 and all(abs(t.as_coeff_Mul()[0]) == 1 or t.is_Number for t in primitive.args):
            return self._print(sp.Mul(content, primitive, evaluate=False))
        terms = self._as_ordered_terms(expr, order=order)
        if len(terms) == 2 and terms[1].is_Rational and terms[1] > 0 and not terms[0].is_polynomial():
            terms.reverse()  # 1 + tanh(v)
        first = next((i for i, t in enumerate(terms) if not t.could_extract_minus_sign()), 0)
        terms.insert(0, terms.pop(first))
        text = ""
        for i, term in enumerate(terms):
            negative = term.could_extract_minus_sign() and not isinstance(term, sp.Add)
            shown = self._print(-term if negative else term)
            text += (("- " if negative else "") if i == 0 else " - " if negative else " + ") + shown
        return text

    def _print_Mul(self, expr: Any) -> str:
        coefficient, rest = expr.as_coeff_Mul()
        if coefficient == 1 or not _is_decimal(abs(coefficient)):
            return super()._print_Mul(expr)
        shown = self._print(rest)
        if isinstance(rest, sp.Add):
            shown = rf"\left({shown}\right)"
        return f"{'- ' if coefficient < 0 else ''}{self._print(abs(coefficient))} {shown}"

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
        args = [self._print(a) for a in expr.args]
        if isinstance(expr, sym.Step):
            args = args[:1]
        if type(expr) not in _COMMANDS:
            text = rf"\operatorname{{{type(expr).__name__.lower()}}}\left({', '.join(args)}\right)"
            return self._raised(text, exp)
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"{_COMMANDS[type(expr)]}{power}\left({', '.join(args)}\right)"

    def _raised(self, text: str, exp: Any) -> str:
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_Power(self, expr: Any, exp: Any = None) -> str:
        base, exponent = expr.args
        bars = isinstance(base, sp.Symbol | sym.Absolute | sym.Floor)
        shown = self._print(base) if bars else self.parenthesize(base, 100)
        return self._raised(f"{shown}^{{{self._print(exponent)}}}", exp)

    def _print_Absolute(self, expr: Any, exp: Any = None) -> str:
        return self._raised(rf"\left|{self._print(expr.args[0])}\right|", exp)

    def _print_Floor(self, expr: Any, exp: Any = None) -> str:
        return self._raised(rf"\left\lfloor {self._print(expr.args[0])}\right\rfloor", exp)

    def _print_Expm1(self, expr: Any, exp: Any = None) -> str:
        return self._raised(rf"\left(e^{{{self._print(expr.args[0])}}} - 1\right)", exp)

    def _print_Log1p(self, expr: Any, exp: Any = None) -> str:
        return self._raised(rf"\log\left(1 + {self._print(expr.args[0])}\right)", exp)

    def _print_Softplus(self, expr: Any, exp: Any = None) -> str:
        return self._raised(rf"\log\left(1 + e^{{{self._print(expr.args[0])}}}\right)", exp)

    def _print_Exprel(self, expr: Any, exp: Any = None) -> str:
        inner = self._print(expr.args[1])
        return self._raised(rf"\frac{{e^{{{inner}}} - 1}}{{{inner}}}", exp)

    def _print_Where(self, expr: Any, exp: Any = None) -> str:
        condition, a, b = expr.args
        if isinstance(condition, sym.Less) and {a, b} == set(condition.args):
            first, second = (self._print(v) for v in condition.args)
            if a == condition.args[0]:  # min(x, y) asks whether y < x
                return self._raised(rf"\min\left({second}, {first}\right)", exp)
            return self._raised(rf"\max\left({first}, {second}\right)", exp)
        rows = []
        while isinstance(expr, sym.Where):
            condition, a, expr = expr.args
            rows.append(rf"{self._print(a)} & \text{{if }} {self._condition(condition)}")
        rows.append(rf"{self._print(expr)} & \text{{otherwise}}")
        return self._raised(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", exp)

    def _condition(self, expr: Any) -> str:
        if isinstance(expr, sym.Not):
            inner = expr.args[0]
            opposite = {sym.Less: r"\geq", sym.LessEqual: ">", sym.Equal: r"\neq"}.get(type(inner))
            if opposite:
                return f"{self._print(inner.args[0])} {opposite} {self._print(inner.args[1])}"
            return rf"\neg\left({self._condition(inner)}\right)"
        if isinstance(expr, sym.And | sym.Or):
            sign = r" \text{ and } " if isinstance(expr, sym.And) else r" \text{ or } "
            parts = [self._condition(a) for a in expr.args]
            mixed = [isinstance(a, sym.And | sym.Or) and type(a) is not type(expr) for a in expr.args]
            return sign.join(rf"\left({p}\right)" if m else p for p, m in zip(parts, mixed, strict=True))
        if type(expr) in _RELATIONS:
            return f"{self._print(expr.args[0])} {_RELATIONS[type(expr)]} {self._print(expr.args[1])}"
        return self._print(expr)


def _is_decimal(value: Any) -> bool:
    """Whether a rational reads better as a decimal than as a fraction."""
    if not value.is_Rational or value.q == 1:
        return bool(value.is_Integer and abs(value) >= 10**15)
    p, q = abs(value.p), value.q
    if q in (2, 4, 8) and p <= 3:
        return False
    rest = q
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1 or max(p, q) > 1000


# ------------------------------------------------------------------ networks


def _network(net: RateRNN, shown: Mapping[str, str]) -> list[str]:
    """Return the lines of a network in matrix form."""
    z = "z" if net.alpha is None else "z_t"
    weights = "W"
    if isinstance(net.W, LowRank):
        weights = r"U V^{\top}" if net.W.diagonal is None else r"(U V^{\top} + D)"
    drive = r" + W_{\mathrm{in}} u" if net.inputs else ""
    if np.any(net.b != 0.0):
        drive += " + b"
    if net.form == "synaptic":
        a = f"{shown['gain']} {weights} {_phi(net, _scaled(_BETA, net.phi_gain, z))}{drive}"
    else:
        total = f"{shown['gain']} {weights} {z}{drive}"
        plain = bool(np.all(net.phi_gain == 1.0))
        a = _phi(net, total if plain else _scaled(_BETA, net.phi_gain, rf"\left({total}\right)"))
    if net.alpha is None:
        lines = [rf"{_scaled(_TAU, net.tau, _RATE)} &= -z + {a}"]
    elif np.all(net.alpha == 1.0):
        lines = [f"z_{{t+1}} &= {a}"]
    else:
        times = " " if _uniform(net.alpha) else r" \odot "
        inner = rf"\left({a}\right)" if net.form == "synaptic" else a
        lines = [rf"z_{{t+1}} &= \left(1 - \alpha\right){times}z_t + \alpha{times}{inner}"]
    if net.inputs:
        lines.append("u &= " + " + ".join(rf"{shown[k]} \, c^{{({i})}}" for i, k in enumerate(net.inputs, 1)))
    if net.sign is not None or net.mask is not None:
        own = r"\Omega" if net.sign is None else r"\left[\Omega\right]_{+} \operatorname{diag}(d)"
        lines.append(f"W &= {own}" + ("" if net.mask is None else r" \odot M"))
    if net.phi == "sigmoid":
        lines.append(_SIGMOID)
    return lines


def _phi(net: RateRNN, inner: str) -> str:
    if net.phi in ("relu", "retanh"):
        return rf"\left[{inner}\right]_{{+}}" if net.phi == "relu" else rf"\left[\tanh\left({inner}\right)\right]_{{+}}"
    if net.phi == "softplus":
        return rf"\log\left(1 + e^{{{inner}}}\right)"
    command = {"tanh": r"\tanh", "sigmoid": r"\sigma"}.get(str(net.phi), r"\phi")
    return rf"{command}\left({inner}\right)"


def _uniform(values: Any) -> bool:
    return bool(np.all(values == values[0]))


def _scaled(name: str, values: Any, what: str) -> str:
    """Return `what` times a constant: left out if that is one, by its name otherwise."""
    if not _uniform(values):
        return rf"{name} \odot {what}"
    return what if values[0] == 1.0 else f"{name} {what}"


def _moved(model: Model, network: RateRNN, shown: Mapping[str, str]) -> list[str]:
    """Return the lines that say how the parameters of a network depend on those of a model moved along a line."""
    if model.matrix is None or model is network:
        return []
    printer, lines = _Printer(shown), []
    own = list(model.params)
    for i, name in enumerate(network.params):
        row = model.matrix[i]
        if name in own and row[own.index(name)] == 1.0 and np.count_nonzero(row) == 1:
            continue
        offset = 0.0 if model.offset is None else model.offset[i]
        expr = exact(offset) + sp.Add(*[exact(c) * symbol(p) for c, p in zip(row, own, strict=True)])
        lines.append(f"{shown[name]} &= {printer.doprint(expr)}")
    return lines
