"""States replaced by conserved quantities, whose totals become parameters."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import InputError, unknown_name
from ntkcont.linear import rank
from ntkcont.models.conserved import (
    ConservedQuantity,
    conserved_quantities,
    default_names,
    listed,
    replaceable,
    singular,
    written,
)
from ntkcont.models.equations import Equations, model_from_equations
from ntkcont.models.evaluation import Array
from ntkcont.models.model import Model
from ntkcont.models.symbolic_form import NamedReader, symbol


@dataclasses.dataclass(frozen=True)
class _Total:
    """A parameter: its name, its value (None: not given), and the sum that it is."""

    name: str
    value: float | None
    quantity: ConservedQuantity


def eliminate(model: Model, totals: Any, states: Any = None, params: Mapping[str, float] | None = None) -> Model:
    """Return the model of :meth:`ntkcont.Model.eliminate`."""
    if model.equations is None:
        msg = (
            "model: its right-hand side is compiled code, which cannot be rewritten; build it with "
            "Model.from_equations, or write the function with one state less for each conserved quantity"
        )
        raise InputError(msg)
    values = {k: v for k, v in getattr(totals, "params", {}).items() if k in model.params} | dict(params or {})
    values = dict(zip(model.params, (float(v) for v in model.values(values)), strict=True))
    x = _state(model, totals)
    quantities = conserved_quantities(model, values, x=x if x is not None else _start(model))
    if not quantities:
        msg = "model: it has no conserved quantity: there is no sum of its states that keeps its value"
        raise InputError(msg)
    chosen = _from_state(model, quantities) if x is not None else _from_mapping(model, totals, quantities, values)
    if x is None:
        x = _start(model)
    gone = _gone(model, states, chosen)
    kept = [name for name in model.states if name not in gone]
    if not kept:
        msg = f"model: all of its states are conserved ({listed(quantities)}), so nothing is left to follow"
        raise InputError(msg)
    fixed = {name: value for total in chosen for name, value in total.quantity.at.items()}
    aux = {
        **_solved(model, chosen, gone, kept),
        **fixed,
        **_moved(model, fixed),
        **model.equations.aux,
    }
    named = {**{k: v for k, v in values.items() if k not in fixed}, **{t.name: _value(t, x) for t in chosen}}
    reduced = model_from_equations(
        {name: model.equations.equations[name] for name in kept},
        named,
        aux=aux,
        functions=model.equations.functions,
        kind=model.kind,
    )
    if model.equations.iterations > 1:
        reduced = reduced.power(model.equations.iterations)
    if x is None:
        return reduced
    return dataclasses.replace(reduced, start={name: float(x[model.states.index(name)]) for name in kept})


# ------------------------------------------------------------------ totals


def _start(model: Model) -> Array | None:
    if model.start is None or any(name not in model.start for name in model.states):
        return None
    return np.array([float(model.start[name]) for name in model.states])


def _state(model: Model, totals: Any) -> Array | None:
    """Return `totals` as a state of the model; None if it is something else."""
    if isinstance(totals, Mapping):
        by_state = bool(totals) and all(name in model.states for name in totals)
        return model.state_vector(totals, "totals") if by_state else None
    if totals is None:
        if (start := _start(model)) is not None:
            return start
        msg = "totals: not given, and the model has no initial values; give a state, or {name of a parameter: total}"
        raise InputError(msg)
    if isinstance(totals, str) or (isinstance(totals, numbers.Real) and model.n > 1):
        return None
    return model.state_vector(totals, "totals")


def _from_state(model: Model, quantities: Sequence[ConservedQuantity]) -> list[_Total]:
    return [_Total(name, None, q) for name, q in zip(default_names(model, quantities), quantities, strict=True)]


def _from_mapping(
    model: Model, totals: Any, quantities: Sequence[ConservedQuantity], values: Mapping[str, float]
) -> list[_Total]:
    names = default_names(model, quantities)
    example = ", ".join(f'"{n}": ("{q.name}", 1.0)' for n, q in zip(names, quantities, strict=True))
    how = f"give a state, or {{{example}}}"
    if isinstance(totals, numbers.Real) and len(quantities) == 1:
        totals = {names[0]: totals}
    if not isinstance(totals, Mapping) or not totals:
        msg = f"totals: got {totals!r}; the model has {listed(quantities)}: {how}"
        raise InputError(msg)
    chosen: list[_Total] = []
    for key, entry in totals.items():
        expression, value = entry if isinstance(entry, tuple | list) and len(entry) == 2 else (None, entry)
        if expression is None and isinstance(entry, str):
            expression, value = entry, None
        name = str(key)
        if expression is None and not name.isidentifier():
            expression, name = name, ""
        if expression is not None:
            quantity = _sum(model, str(expression), str(key), quantities, values)
        elif name in names or len(quantities) == 1:
            quantity = quantities[names.index(name) if name in names else 0]
        else:
            msg = f"totals[{key!r}]: of the {listed(quantities)}, which one is it? {how}"
            raise InputError(msg)
        number = None if value is None else _number(str(key), value)
        if name in _taken(model):
            msg = f"totals: {name!r} is a name of the model already; call the total something else"
            raise InputError(msg)
        if not name:  # named as if it were one of those that were found
            name = default_names(model, [quantity, *(t.quantity for t in chosen)])[0]
        chosen.append(_Total(name, number, quantity))
    weights = np.array([t.quantity.weights for t in chosen])
    if len(chosen) != len(quantities) or singular(weights, 1e-9):
        msg = (
            f"totals: {', '.join(t.quantity.name for t in chosen)} given; the model has {listed(quantities)}, so give "
            f"{len(quantities)} of them, none of which follows from the others: {how}"
        )
        raise InputError(msg)
    return chosen


def _taken(model: Model) -> set[str]:
    assert model.equations is not None
    return {*model.states, *model.params, *model.aux_names, *model.equations.params, *model.equations.functions}


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        msg = f"totals[{key!r}]: got {value!r}; it must be one finite number, or (sum of states, number)"
        raise InputError(msg)
    return number


def _value(total: _Total, x: Array | None) -> float:
    if total.value is not None:
        return total.value
    if x is None:
        msg = (
            f"totals[{total.name!r}]: no value was given and the model has no initial values; "
            f'give ("{total.quantity.name}", value)'
        )
        raise InputError(msg)
    return float(total.quantity.weights @ x)


def _sum(
    model: Model, text: str, key: str, quantities: Sequence[ConservedQuantity], values: Mapping[str, float]
) -> ConservedQuantity:
    """Return the sum that a user wrote, if it is conserved."""
    where = f"totals[{key!r}]"
    reader = NamedReader(Equations(dict.fromkeys(model.states, 0), tuple(model.params), {}, {}))
    expr = reader.read(where, text)
    weights = [expr.diff(symbol(name)) for name in model.states]
    at = {symbol(name): value for name, value in values.items()}
    numbers_ = np.array([float(w.subs(at)) if not _has_states(model, w) else np.nan for w in weights])
    linear = not np.any(np.isnan(numbers_)) and expr.subs({symbol(s): 0 for s in model.states}) == 0
    known = np.array([q.weights for q in quantities])
    if not linear or rank(np.vstack([known, numbers_])) > len(known):
        msg = f"{where}: {text!r} is not conserved; the model has {listed(quantities)}"
        raise InputError(msg)
    coefficients = tuple(_text(w) for w in weights)
    parts = [q for q in quantities if q.at]
    fixed = {name: value for q in parts for name, value in q.at.items()}
    if not fixed:
        _check_everywhere(model, weights, values, where, text)
    return ConservedQuantity(
        name=written(coefficients, model.states), weights=numbers_, coefficients=coefficients, at=fixed
    )


def _has_states(model: Model, expr: Any) -> bool:
    return any(s.name in model.states for s in expr.free_symbols)


def _check_everywhere(model: Model, weights: Sequence[Any], values: Mapping[str, float], where: str, text: str) -> None:
    """Raise if the sum is conserved for these values of its parameters only."""
    factors = np.random.default_rng(0).uniform(0.5, 2.0, len(values))
    other = {name: (value or 1.0) * float(c) for (name, value), c in zip(values.items(), factors, strict=True)}
    there = np.array([float(w.subs({symbol(k): v for k, v in other.items()})) for w in weights])
    known = np.array([q.weights for q in conserved_quantities(model, other)])
    if not known.size or rank(np.vstack([known, there])) > len(known):
        msg = f"{where}: {text!r} is conserved for the present parameter values only; write the weights by their names"
        raise InputError(msg)


# ------------------------------------------------------------------ the new equations


def _gone(model: Model, states: Any, chosen: Sequence[_Total]) -> list[str]:
    """Return the states that are replaced."""
    quantities = [t.quantity for t in chosen]
    if states is None:
        return [model.states[j] for j in replaceable(quantities)]
    names = [states] if isinstance(states, str) else list(states)
    argument = "states"
    for name in names:
        if name not in model.states:
            raise unknown_name(argument, name, model.states)
    w = np.array([q.weights for q in quantities])
    columns = w[:, [model.states.index(name) for name in names]]
    if len(names) != len(quantities) or len(set(names)) < len(names) or singular(columns, 1e-9):
        usual = ", ".join(repr(model.states[j]) for j in replaceable(quantities))
        msg = (
            f"states: got {names!r}; {', '.join(q.name for q in quantities)} can replace {len(quantities)} states that "
            f"they determine, such as [{usual}]"
        )
        raise InputError(msg)
    return names


def _solved(model: Model, chosen: Sequence[_Total], gone: Sequence[str], kept: Sequence[str]) -> dict[str, str]:
    """Return each replaced state as a sum of totals and the other states."""
    import sympy as sp

    reader = NamedReader(Equations({}, tuple(model.params), {}, {}))
    rows = [[reader.read("totals", c) for c in t.quantity.coefficients or ()] for t in chosen]
    at = [model.states.index(name) for name in gone]
    inverse = sp.Matrix([[row[j] for j in at] for row in rows]).inv()
    others = sp.Matrix([[row[model.states.index(name)] for name in kept] for row in rows])
    by_state = (-inverse * others).applyfunc(sp.cancel)
    by_total = inverse.applyfunc(sp.cancel)
    names = [*(t.name for t in chosen), *kept]
    return {
        name: written([_text(c) for c in (*by_total.row(i), *by_state.row(i))], names) for i, name in enumerate(gone)
    }


def _text(coefficient: Any) -> str:
    return f"({coefficient})" if coefficient.is_Add else str(coefficient)


def _moved(model: Model, fixed: Mapping[str, float]) -> dict[str, str]:
    """Return the parameters of the equations that others move (``Model.along``), as sums of these."""
    assert model.equations is not None
    if model.matrix is None:
        return {}
    offset = np.zeros(len(model.equations.params)) if model.offset is None else model.offset
    found = {}
    for i, name in enumerate(model.equations.params):
        if name in model.params or name in fixed:
            continue  # along keeps the others as they are
        terms = [f"({float(offset[i])!r})"]
        terms += [f"({float(c)!r})*{other}" for c, other in zip(model.matrix[i], model.params, strict=True) if c]
        found[name] = " + ".join(terms)
    return found
