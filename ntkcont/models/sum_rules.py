"""The conserved quantities of equations, exactly: integers or products of parameters as weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.linear import rank
from ntkcont.models.conserved import UNNAMED, ConservedQuantity, written
from ntkcont.models.evaluation import Array
from ntkcont.models.integer_vectors import LARGEST, integer_basis, whole
from ntkcont.models.many_digits import NullSpace, Right, number
from ntkcont.models.model import Model
from ntkcont.models.symbolic_form import symbolic_form

_CLOSE = 1e-40  # a weight this close to a fraction is that fraction
_HIGHEST = 8  # highest power of a parameter in a weight


def right_of(model: Model, values: Mapping[str, float], x: Array) -> Right | None:
    """Return the right-hand sides of a model with many digits; None if its equations cannot be written out."""
    try:
        return Right(symbolic_form(model), values, x.tolist())
    except InputError:  # an iterate with too many terms
        return None


def sum_rules(
    model: Model, values: Mapping[str, float], x: Array, free: str = ""
) -> tuple[ConservedQuantity, ...] | None:
    """Return the conserved quantities of equations; None if that cannot be decided.

    Parameters
    ----------
    model : Model
        With ``equations``.
    values : mapping
        All parameter values.
    x : ndarray, shape (n,)
        A state near which the equations are defined.
    free : str
        A parameter at any value of which they must be conserved.
    """
    right = right_of(model, values, x)
    if right is None:
        return None
    search = _Search(right)
    everything = frozenset(right.params) - {free}
    wanted = search.count(everything)
    if not wanted:
        return None if wanted is None else ()
    fixed = _fixed(search, everything, wanted)
    if fixed is None:
        return None
    rows: list[tuple[Any, ...]] = [*_constant(search, fixed)]
    if len(rows) < wanted:
        rows = _with_parameters(search, fixed, rows, wanted)
    at = {name: values[name] for name in right.params if name in fixed}
    found = [_quantity(model, values, row, at) for row in rows]
    if len(rows) < wanted:  # weights that are no products: as numbers, for these values of the parameters
        found += _as_numbers(search, model, everything, found, wanted, values)
    return tuple(found)


class _Search:
    """Null spaces of F at random states, for parameters of which some are fixed."""

    def __init__(self, right: Right) -> None:
        self.right = right
        self.places = 2 * len(right.states) + 8

    def space(self, p: Mapping[str, Any], first: tuple[int, ...] = ()) -> NullSpace | None:
        """Return the weights that hold at the parameter values p."""
        rows = self.right.rows(self.places, lambda: p)
        return None if rows is None else NullSpace(rows, first)

    def count(self, fixed: frozenset[str]) -> int | None:
        """Return how many quantities are conserved whatever the parameters that are not fixed; None if unknown."""
        space = self.space(self.right.parameters(fixed))
        return None if space is None else len(space.free)


def _fixed(search: _Search, everything: frozenset[str], wanted: int) -> frozenset[str] | None:
    """Return the parameters on whose values it depends how many quantities are conserved: mostly none."""
    if search.count(frozenset()) == wanted:
        return frozenset()
    fixed = everything
    for name in sorted(everything):
        if search.count(fixed - {name}) == wanted:
            fixed = fixed - {name}
    return fixed


def _fraction(value: Any) -> Fraction | None:
    found = Fraction(float(value)).limit_denominator(LARGEST)
    error = abs(value - number(found.numerator) / found.denominator)
    return found if error <= _CLOSE * (1 + abs(value)) else None


def _fractions(vector: Iterable[Any]) -> list[Fraction] | None:
    """Return the numbers as simple fractions, None if one of them is no such."""
    found = [_fraction(v) for v in vector]
    return [v for v in found if v is not None] if None not in found else None


def _constant(search: _Search, fixed: frozenset[str]) -> list[tuple[int, ...]]:
    """Return the integer weights that hold for all values of the parameters that are not fixed."""
    right = search.right
    rows = right.rows(search.places, lambda: right.parameters(fixed))
    if rows is None:
        return []
    found = [_fractions(w) for w in NullSpace(rows).basis]
    return integer_basis([w for w in found if w is not None])


def _with_parameters(
    search: _Search, fixed: frozenset[str], known: list[tuple[Any, ...]], wanted: int
) -> list[tuple[Any, ...]]:
    """Return more rows, whose weights are products of powers of parameters."""
    import sympy as sp

    from ntkcont.models.symbolic_form import symbol

    right = search.right
    base = right.parameters(fixed)
    space = search.space(base)
    if space is None:
        return known
    rows = list(known)
    names = [name for name in right.params if name not in fixed]
    moved: dict[str, NullSpace] = {}
    for name in names:
        other = search.space({**base, name: 2 * base[name]}, tuple(space.pivots))
        if other is None or other.pivots != space.pivots:
            return known
        moved[name] = other
    numeric = [[float(v) for v in row] for row in known]
    for k, w in enumerate(space.basis):
        entries = [
            _product(v, [moved[n].basis[k][i] for n in names], [base[n] for n in names]) for i, v in enumerate(w)
        ]
        if None in entries or rank(np.array([*numeric, [float(v) for v in w]])) <= len(numeric):
            continue
        numeric.append([float(v) for v in w])
        rows.append(_cleared([e for e in entries if e is not None], [symbol(n) for n in names], sp))
    return rows[:wanted]


def _product(value: Any, moved: list[Any], at: list[Any]) -> tuple[Fraction, tuple[int, ...]] | None:
    """Return a weight as a fraction times powers of parameters, from it and its values with each parameter doubled."""
    if value == 0:
        return (Fraction(0), (0,) * len(at)) if not any(moved) else None
    powers = []
    for other in moved:
        ratio = other / value
        power = next((e for e in range(-_HIGHEST, _HIGHEST + 1) if abs(ratio - number(2) ** e) <= _CLOSE * ratio), None)
        if power is None:
            return None
        powers.append(power)
    rest = value
    for p, e in zip(at, powers, strict=True):
        rest = rest / p**e
    fraction = _fraction(rest)
    return None if fraction is None else (fraction, tuple(powers))


def _cleared(entries: list[tuple[Fraction, tuple[int, ...]]], names: list[Any], sp: Any) -> tuple[Any, ...]:
    """Return weights without denominators, as sympy expressions."""
    integers = whole([c for c, _ in entries])
    used = [powers for c, powers in entries if c]
    lowest = [min(p[j] for p in used) for j in range(len(names))]
    return tuple(
        sp.Mul(sp.Integer(c), *[s ** (e - low) for s, e, low in zip(names, powers, lowest, strict=True)])
        for c, (_, powers) in zip(integers, entries, strict=True)
    )


def _quantity(
    model: Model, values: Mapping[str, float], row: tuple[Any, ...], at: Mapping[str, float]
) -> ConservedQuantity:
    coefficients = tuple(str(v) for v in row)
    weights = np.array(
        [float(v.subs({s: values[s.name] for s in v.free_symbols}) if hasattr(v, "subs") else v) for v in row]
    )
    return ConservedQuantity(
        name=written(coefficients, model.states), weights=weights, coefficients=coefficients, at=at
    )


def _as_numbers(
    search: _Search,
    model: Model,
    fixed: frozenset[str],
    known: list[ConservedQuantity],
    wanted: int,
    values: Mapping[str, float],
) -> list[ConservedQuantity]:
    """Return the quantities that are missing, with the numbers that their weights are at these values."""
    space = search.space(search.right.parameters(fixed))
    if space is None:
        return []
    rational = [w for w in map(_fractions, space.basis) if w is not None]
    exact = len(rational) == len(space.basis)
    vectors: list[Any] = list(integer_basis(rational)) if exact else [[float(v) for v in w] for w in space.basis]
    weights = [q.weights for q in known]
    found: list[ConservedQuantity] = []
    at = {name: values[name] for name in search.right.params if name in fixed}
    for w in vectors:
        row = np.array(w, dtype=float)
        if rank(np.array([*weights, row])) <= len(weights):
            continue
        weights.append(row)
        coefficients = tuple(str(v) if exact else ("0" if v == 0 else repr(float(v))) for v in w)
        found.append(
            ConservedQuantity(
                name=written(
                    [c if exact else (c if c == "0" else f"{float(c):.6g}") for c in coefficients], model.states
                )
                if coefficients
                else UNNAMED,
                weights=row,
                coefficients=coefficients,
                at=at,
            )
        )
        if len(weights) == wanted:
            break
    return found
