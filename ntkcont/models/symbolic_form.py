"""A model as sympy expressions by name: what the writers of other languages start from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import sympy as sp

from ntkcont.errors import InputError
from ntkcont.models.expressions import Reader
from ntkcont.models.model import Model
from ntkcont.models.networks import RateRNN

if TYPE_CHECKING:
    from ntkcont.models.equations import Equations


@dataclasses.dataclass(frozen=True, kw_only=True)
class SymbolicForm:
    """The equations of a model, written out.

    Parameters
    ----------
    kind : {"flow", "map"}
        Whether ``rhs`` is the derivative or the next state.
    states : tuple of str
        Names of the n states.
    params : dict of str to float
        Names and default values of the parameters.
    rhs : tuple of sympy expressions
        One for each state.  States, parameters and aux quantities are real symbols by their names.  Numbers are exact
        rationals.  Functions are ``sympy.exp``, powers, and those of ``ntkcont.models.elementary`` and
        ``ntkcont.models.symbolic`` (``Where``, ``Less``, ``Step``, ...); ``ntkcont.dialects.infix.Infix`` prints them.
    aux : dict of str to sympy expression
        Named quantities that ``rhs`` and later aux quantities use, in an order in which each uses earlier ones only.
    """

    kind: Literal["flow", "map"]
    states: tuple[str, ...]
    params: dict[str, float]
    rhs: tuple[Any, ...]
    aux: dict[str, Any]

    def without_aux(self) -> SymbolicForm:
        """Return the form with the aux quantities put into the right-hand sides."""
        known: dict[Any, Any] = {}
        for name, expr in self.aux.items():
            known[symbol(name)] = expr.xreplace(known)
        return dataclasses.replace(self, rhs=tuple(f.xreplace(known) for f in self.rhs), aux={})


def symbol(name: str) -> Any:
    """Return the symbol that stands for a state, a parameter or an aux quantity."""
    return sp.Symbol(name, real=True)


def exact(value: float) -> Any:
    """Return a float as the rational with the same shortest decimal text."""
    return sp.Rational(repr(float(value)))


def symbolic_form(model: Model) -> SymbolicForm:
    """Return the equations of a model as sympy expressions by name.

    Parameters
    ----------
    model : Model
        From ``Model.from_equations``, a ``RateRNN``, or one of them moved ``along`` a line; iterates of equations too.

    Returns
    -------
    SymbolicForm

    Raises
    ------
    InputError
        The model is compiled code (``from_numba``, ``from_jax``) and its equations are not known.

    Examples
    --------
    >>> import ntkcont as nc
    >>> from ntkcont.models.symbolic_form import symbolic_form
    >>> symbolic_form(nc.Model.from_equations({"x": "mu - x^2"}, {"mu": 1.0})).rhs
    (mu - x**2,)
    """
    whole = model if isinstance(model, RateRNN) or not isinstance(model.base, RateRNN) else model.base
    if isinstance(whole, RateRNN):
        form = _network(whole)
    elif model.equations is not None:
        form = _equations(model, model.equations)
    else:
        msg = (
            "model: its right-hand side is compiled code, so its equations cannot be written down; "
            "build it with Model.from_equations or RateRNN"
        )
        raise InputError(msg)
    if model.matrix is None:
        return form
    values = [symbol(name) for name in model.params]
    offset = [0.0] * len(form.params) if model.offset is None else model.offset
    moved = {
        symbol(name): exact(offset[i]) + sp.Add(*[exact(c) * v for c, v in zip(model.matrix[i], values, strict=True)])
        for i, name in enumerate(form.params)
    }
    return dataclasses.replace(
        form,
        params=dict(model.params),
        rhs=tuple(f.xreplace(moved) for f in form.rhs),
        aux={name: f.xreplace(moved) for name, f in form.aux.items()},
    )


class NamedReader(Reader):
    """Read expressions as they were written: symbols by name, aux quantities not put in, nothing rewritten."""

    def __init__(self, written: Equations) -> None:
        super().__init__(tuple(written.equations), written.params, written.aux, written.functions)
        self.symbols = {name: symbol(name) for name in (*written.equations, *written.params, *written.aux)}

    def read(self, where: str, raw: Any) -> Any:
        """Return the expression of `raw`."""
        return self._raw(where, raw, {})


def _equations(model: Model, written: Equations) -> SymbolicForm:
    reader = NamedReader(written)
    rhs = tuple(reader.read(f"equations[{name!r}]", raw) for name, raw in written.equations.items())
    aux = {name: reader.read(f"aux[{name!r}]", raw) for name, raw in written.aux.items()}
    form = SymbolicForm(
        kind=model.kind, states=model.states, params=dict.fromkeys(written.params, 0.0), rhs=rhs, aux=_in_order(aux)
    )
    if model.matrix is None:
        form.params.update(model.params)
    if written.iterations == 1:
        return form
    form = form.without_aux()
    states = [symbol(name) for name in form.states]
    once, rhs = form.rhs, form.rhs
    for _ in range(written.iterations - 1):
        rhs = tuple(f.xreplace(dict(zip(states, rhs, strict=True))) for f in once)
        if sum(reader.size(f) for f in rhs) > 100_000:
            msg = f"model: the iterate {written.iterations} of the map has too many terms to be written out"
            raise InputError(msg)
    return dataclasses.replace(form, rhs=rhs)


def _in_order(aux: dict[str, Any]) -> dict[str, Any]:
    """Return `aux` such that each quantity uses earlier ones only; reading has refused cycles."""
    ordered: dict[str, Any] = {}

    def place(name: str) -> None:
        if name in ordered:
            return
        for s in sorted(aux[name].free_symbols, key=str):
            if s.name in aux:
                place(s.name)
        ordered[name] = aux[name]

    for name in aux:
        place(name)
    return ordered


# ------------------------------------------------------------------ networks


def _network(net: RateRNN) -> SymbolicForm:
    phi = activation(net)
    z = [symbol(name) for name in net.states]
    gain = symbol("gain")
    weights = net.effective_W()
    slope = [exact(g) for g in net.phi_gain]
    aux: dict[str, Any] = {}
    taken = {*net.states, *net.params}
    if net.form == "synaptic":
        prefix = next(p for p in ("r", "rate", "phi_of_z", "_r") if not any(f"{p}{i}" in taken for i in range(net.n)))
        aux = {f"{prefix}{i}": phi(slope[i] * z[i]) for i in range(net.n)}
        source = [symbol(name) for name in aux]
    else:
        source = z
    rhs = []
    for i in range(net.n):
        recurrent = sp.Add(*[exact(weights[i, j]) * source[j] for j in range(net.n) if weights[i, j] != 0.0])
        drive = sp.Add(*[exact(d) * symbol(name) for name, d in zip(net.inputs, net.drives[:, i], strict=True)])
        total = gain * recurrent + drive + exact(net.b[i])
        a = total if net.form == "synaptic" else phi(slope[i] * total)
        if net.alpha is None:
            rhs.append((a - z[i]) / exact(net.tau[i]))
        else:
            step = exact(net.alpha[i])
            rhs.append((1 - step) * z[i] + step * a)
    return SymbolicForm(kind=net.kind, states=net.states, params=dict(net.params), rhs=tuple(rhs), aux=aux)


def activation(net: RateRNN) -> Any:
    """Return the activation of a network as a function of expressions."""
    from ntkcont.models import symbolic as sym
    from ntkcont.models.elementary import Tanh

    zero = sp.Integer(0)
    known = {
        "tanh": Tanh,
        "relu": lambda y: sym.Where(sym.Less(zero, y), y, zero),
        "softplus": sym.Softplus,
        "sigmoid": sym.Sigmoid,
        "retanh": lambda y: sym.Where(sym.Less(zero, y), Tanh(y), zero),
    }
    if not isinstance(net.phi, str):
        msg = f"model: its activation {net.phi.name!r} is compiled code; use one of {', '.join(map(repr, known))}"
        raise InputError(msg)
    return known[net.phi]
