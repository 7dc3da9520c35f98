"""Conserved quantities: sums of states, with weights, that do not change along any trajectory.

``w . f(x) = 0`` for all x (maps: ``w . (G(x) - x) = 0``).  Where the equations are known the w are found
exactly, however stiff they are: right-hand sides are evaluated with 120 digits, where zero is no matter of a tolerance,
and the weights are read off as integers, or as products of powers of parameters (volumes of compartments).
Of compiled functions only values at many places can be asked.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ntkcont.linear import svd
from ntkcont.models.evaluation import Array
from ntkcont.models.integer_vectors import integer_basis, rationalised
from ntkcont.models.model import Model

UNNAMED = "a conserved quantity"
#: With more states the weights are not looked for with many digits.
MOST_STATES = 64
#: A Jacobian (rows and columns of one size) with a larger ratio of singular values has no left null vector ...
_REGULAR = 1e-10
#: ... with a larger one if it may be made by differences.
_REGULAR_DIFFERENCES = 1e-6
_LARGE = 128  # beyond, one system of equations is solved instead of a singular value decomposition


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ConservedQuantity:
    """A sum of states that keeps its value along every trajectory.

    Attributes
    ----------
    name : str
        The sum, ``S + ES + P``; where its weights are not known exactly, ``a conserved quantity``.
    weights : ndarray, shape (n,)
        Weight of each state, at the parameter values that were asked for.
    coefficients : tuple of str or None
        The weights as they are written: integers, or products of parameters; None: they are known as numbers only.
    at : mapping of str to float
        Parameters that must have these values; if others may have any, it is empty.
    """

    name: str
    weights: Array
    coefficients: tuple[str, ...] | None
    at: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        if not self.at:
            return self.name
        return f"{self.name} (at {', '.join(f'{k} = {v:g}' for k, v in self.at.items())})"


def conserved_quantities(
    model: Model, params: Mapping[str, float] | None = None, *, x: Sequence[float] | Array | None = None, free: str = ""
) -> tuple[ConservedQuantity, ...]:
    """Return the conserved quantities of a model that are sums of its states.

    Parameters
    ----------
    model : Model
        A flow or a map.
    params : mapping, optional
        Values of parameters, default the model's; a quantity may be conserved only at these.
    x : array_like, shape (n,), optional
        A state near which the model is defined, default all ones.
    free : str, optional
        A parameter at any value of which they must be conserved.

    Returns
    -------
    tuple of ConservedQuantity
        Linearly independent, those with few states and positive weights first.

    Examples
    --------
    >>> import ntkcont as nc
    >>> from ntkcont.models.conserved import conserved_quantities
    >>> model = nc.Model.from_equations({"A": "kr*B - kf*A", "B": "kf*A - kr*B"}, {"kf": 1.0, "kr": 2.0})
    >>> [quantity.name for quantity in conserved_quantities(model)]
    ['A + B']
    """
    place = np.ones(model.n) if x is None else np.array(x, dtype=float)
    values = dict(zip(model.params, (float(v) for v in model.values(params)), strict=True))
    regular = _REGULAR_DIFFERENCES if model.equations is None else _REGULAR
    if not all(singular(a, regular) for a in itertools.islice(_jacobians(model, values, place), 6)):
        return ()
    if model.equations is not None and model.n <= MOST_STATES:
        from ntkcont.models.sum_rules import sum_rules

        exact = sum_rules(model, values, place, free)
        if exact is not None:
            return exact
    return _by_values(model, values, place)


def listed(quantities: Sequence[ConservedQuantity]) -> str:
    """Return the quantities as part of a sentence: ``2 conserved quantities, E + ES and S + ES + P``."""
    named = [str(q) for q in quantities if q.coefficients is not None]
    count = f"{len(quantities)} conserved quantities" if len(quantities) > 1 else "a conserved quantity"
    if not named:
        return count
    which = ", ".join(named[:-1]) + (" and " if len(named) > 1 else "") + named[-1]
    more = len(quantities) - len(named)
    return f"{count}, {which}" + (f" and {more} more" if more else "")


def replaceable(quantities: Sequence[ConservedQuantity]) -> list[int]:
    """Return as many states as there are quantities, by which they can be replaced.

    States in one quantity only, with the weight 1, and the last ones come first.
    """
    w = np.array([q.weights for q in quantities])
    alone, unit = np.sum(w != 0.0, axis=0) == 1, np.all(np.isin(np.abs(w), (0.0, 1.0)), axis=0)
    found: list[int] = []
    for j in sorted(range(w.shape[1]), key=lambda j: (not alone[j], not unit[j], -j)):
        if len(found) < len(w) and not singular(w[:, [*found, j]].T, 1e-9):
            found.append(j)
    return sorted(found)


def default_names(model: Model, quantities: Sequence[ConservedQuantity]) -> list[str]:
    """Return a name for each total: that of the first state that is in no other quantity, with ``_total``."""
    w = np.array([q.weights != 0.0 for q in quantities])
    taken = {*model.states, *model.params, *model.aux_names}
    if model.equations is not None:
        taken |= {*model.equations.functions, *model.equations.params}
    names: list[str] = []
    for row in w:
        among = sorted(np.flatnonzero(row), key=lambda j: (w[:, j].sum() > 1, j))
        name = next((n for j in among if (n := f"{model.states[j]}_total") not in taken), "total")
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


# ------------------------------------------------------------------ from numbers


def singular(matrix: Array, ratio: float) -> bool:
    """Whether a matrix lacks rank up to `ratio`, whatever the units of its rows and columns."""
    a = np.array(matrix, dtype=float)
    if not np.all(np.isfinite(a)):
        return True
    for _ in range(8):  # the square root of the largest entry (Ruiz): rows and columns end with entries of size one
        rows, columns = np.max(np.abs(a), axis=1), np.max(np.abs(a), axis=0)
        if not np.all(rows > 0.0):
            return True
        a = a / np.sqrt(rows)[:, None] / np.sqrt(np.where(columns > 0.0, columns, 1.0))
    if a.shape[0] == a.shape[1] > _LARGE:
        b = np.random.default_rng(0).standard_normal(len(a))
        try:
            return bool(np.linalg.norm(b) <= ratio * np.linalg.norm(a) * np.linalg.norm(np.linalg.solve(a, b)))
        except np.linalg.LinAlgError:
            return True
    sizes = svd(a, compute_uv=False)
    return bool(sizes[-1] <= ratio * sizes[0])


def _places(model: Model, x: Array) -> Iterator[Array]:
    """Yield states around x: three decades, every third with random signs."""
    rng = np.random.default_rng(0)
    size = np.where(x != 0.0, np.abs(x), float(np.max(np.abs(x), initial=0.0)) or 1.0)
    for trial in range(16 * model.n + 64):
        sign = rng.choice([-1.0, 1.0], model.n) if trial % 3 == 2 else np.where(x < 0.0, -1.0, 1.0)
        yield sign * size * 10.0 ** rng.uniform(-1.5, 1.5, model.n)


def _where_defined(function: Callable[[Array], Array], places: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    for x in places:
        with np.errstate(all="ignore"):
            try:
                value = function(x)
            except Exception:  # the user's function, where it may not be defined
                continue
        if np.all(np.isfinite(value)):
            yield x, value


def _jacobians(model: Model, values: Mapping[str, float], x: Array) -> Iterator[Array]:
    """Yield Jacobians of F around x where they are defined."""
    identity = np.eye(model.n) if model.kind == "map" else 0.0
    for _, a in _where_defined(lambda y: model.jac(y, values), _places(model, x)):
        yield a - identity


def _right_hand_sides(model: Model, values: Mapping[str, float], x: Array) -> Iterator[Array]:
    for place, f in _where_defined(lambda y: model.rhs(y, values), _places(model, x)):
        yield f - place if model.kind == "map" else f


def _by_values(model: Model, values: Mapping[str, float], x: Array) -> tuple[ConservedQuantity, ...]:
    """Return the w with w . F = 0 at all of many places up to rounding, with integer weights where that allows them."""
    f = np.array(list(itertools.islice(_right_hand_sides(model, values, x), 4 * model.n + 8))).reshape(-1, model.n)
    if len(f) < model.n + 4:
        return ()
    f = f / np.maximum(np.max(np.abs(f), axis=1, keepdims=True), 1e-300)
    units = np.max(np.abs(f), axis=0)
    units[units == 0.0] = 1.0
    _, sizes, vh = svd(f / units)
    small = 4.0 * np.finfo(float).eps * len(f)
    null = vh[sizes <= small * max(float(sizes[0]), 1e-300)] / units
    if not len(null):
        return ()
    whole = integer_basis(rationalised(null))
    weights = np.array(whole, dtype=float).reshape(-1, model.n)
    # an integer vector near a null vector is one only if its sums are zero beside their terms
    error, terms = np.abs(f @ weights.T), np.abs(f) @ np.abs(weights.T)
    if len(whole) == len(null) and np.all(np.median(error / np.where(terms > 0.0, terms, 1.0), axis=0) <= 2e-15):
        texts = [tuple(str(v) for v in row) for row in whole]
        return tuple(
            ConservedQuantity(name=written(c, model.states), weights=w, coefficients=c)
            for c, w in zip(texts, weights, strict=True)
        )
    scaled = null / np.max(np.abs(null), axis=1, keepdims=True)
    return tuple(ConservedQuantity(name=UNNAMED, weights=row, coefficients=None) for row in scaled)


def written(coefficients: Sequence[str], states: Sequence[str]) -> str:
    """Return a sum as text, such as ``A + 2*B - V1*C``."""
    text = ""
    for c, name in zip(coefficients, states, strict=True):
        if c == "0":
            continue
        sign, size = ("-", c[1:]) if c.startswith("-") else ("+", c)
        term = name if size == "1" else f"{size}*{name}"
        text += f" {sign} {term}" if text else (f"-{term}" if sign == "-" else term)
    return text
