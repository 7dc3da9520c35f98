r"""Magnitudes of states and parameters: the units that scales "relative" stand for, defined here and nowhere else.

The magnitude of a quantity q is ``(mean of sqrt|q|)^2``.  Along a branch the mean is over the way that the free
parameter makes, ``integral sqrt|q| |dp| / integral |dp|``; over points without an order each counts the same.  It is
|q| where q is constant; a change of units changes it with q; it depends on the curve, not on where the curve was
started, in which direction or in which steps it was followed.  Unlike the largest value it hardly notices a branch
that runs away to infinity at its end, and unlike a geometric mean it does not notice a zero on the way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Model

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch

Array = NDArray[np.float64]

# straight cells of each piece of the curve between two points; of curves with many states fewer
_CELLS, _FEW_CELLS, _MANY = 32, 8, 64
# a direction that turns away from the chord by more than 60 degrees is no guide between the points
_GUIDES = 0.5
# a parameter that moves by less than this part of itself does not move
_STANDS = 1e-12
_ROUNDING = 8.0 * np.finfo(float).eps
# points that are taken as they are need not be fixed points: a state above this is not called zero
_TINY = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Magnitudes:
    """Magnitudes of everything that a kernel may measure.

    Parameters
    ----------
    states : ndarray, shape (n,)
        Of the states, 1 where one is zero throughout; the same number for all states of a network.
    params : mapping
        Of the parameters.
    extent : float
        How far the free parameter moves, 1 if it does not: in units of this, neighbours of special points are spaced.
    """

    states: Array
    params: Mapping[str, float]
    extent: float = 1.0

    @classmethod
    def along(
        cls, model: Model, free: str, params: Mapping[str, float], x: Array, p: Array, tangent: Array
    ) -> Magnitudes:
        """Return those along a branch: states (K, n), values of the free parameter (K,), tangents (K, n+1)."""
        values = model.values(params)
        sizes = curve_magnitudes(np.column_stack([x, p]), tangent)
        at = dict(zip(model.params, np.abs(values).tolist(), strict=True))
        at[free] = float(sizes[-1]) if sizes[-1] > 0.0 else 1.0
        extent = float(np.ptp(p)) if len(p) else 0.0
        rows = np.repeat(values[None], len(p), axis=0)
        rows[:, list(model.params).index(free)] = p
        zero = _zero_states(model, x, rows, np.inf)
        return cls(states=_units(model, np.where(zero, 0.0, sizes[:-1])), params=at, extent=extent or 1.0)

    @classmethod
    def of(cls, branch: Branch, model: Model) -> Magnitudes:
        """Return those along a finished branch; of one without states, from its special points."""
        if branch.has_states:
            return cls.along(model, branch.free, branch.params, branch.x, branch.p, branch.tangent)
        points = branch.special_points
        x, tangent = (np.array([getattr(q, name) for q in points]) for name in ("x", "tangent"))
        return cls.along(model, branch.free, branch.params, x, np.array([q.p for q in points]), tangent)

    @classmethod
    def over(cls, model: Model, free: str | None, x: Array | None, values: Array) -> Magnitudes:
        """Return those over points without an order: states (K, n) or None, parameter values (K', m)."""
        sizes = point_magnitudes(values)
        at = dict(zip(model.params, sizes.tolist(), strict=True))
        if free is not None:
            at[free] = at[free] or 1.0
        states = np.zeros(model.n)
        if x is not None:
            states = point_magnitudes(x)
            if len(x) == len(values):
                states = np.where(_zero_states(model, x, values, _TINY), 0.0, states)
        return cls(states=_units(model, states), params=at, extent=1.0 if free is None else at[free])


def _units(model: Model, sizes: Array) -> Array:
    """Return units: 1 for what is zero, and one for all states of a network."""
    if model.homogeneous:
        sizes = np.full_like(sizes, sizes.max())
    return np.where(sizes > 0.0, sizes, 1.0)


def point_magnitudes(values: Array) -> Array:
    """Return the magnitudes (m,) over rows (K, m), leaving out those with anything not finite; 0 without any."""
    values = values[np.all(np.isfinite(values), axis=1)]
    if not len(values):
        return np.zeros(values.shape[1])
    sizes = np.mean(np.sqrt(np.abs(values)), axis=0) ** 2
    return np.where(np.ptp(np.abs(values), axis=0) == 0.0, np.abs(values[0]), sizes)


def curve_magnitudes(z: Array, tangent: Array) -> Array:
    """Return the magnitudes (n+1,) along a curve through points (K, n+1) whose last column is the parameter.

    Between two points the curve is the cubic through them in their directions, in straight cells whose integrals are
    taken exactly.
    """
    good = np.all(np.isfinite(z), axis=1)
    z, tangent = z[good], tangent[good]
    if len(z) < 2:
        return point_magnitudes(z)
    total, way = np.zeros(z.shape[1]), 0.0
    cells = _CELLS if z.shape[1] <= _MANY else _FEW_CELLS
    together = max(1, 2_000_000 // (z.shape[1] * (cells + 1)))
    for first in range(0, len(z) - 1, together):
        rows = slice(first, min(first + together, len(z) - 1) + 1)
        nodes = _between(z[rows], tangent[rows], cells)
        step = np.abs(np.diff(nodes[..., -1], axis=1))
        total += np.einsum("ij,ijk->k", step, _mean_root(nodes[:, :-1], nodes[:, 1:]))
        way += float(step.sum())
    if way <= _STANDS * float(np.abs(z[:, -1]).max()):
        return point_magnitudes(z)
    same = np.ptp(np.abs(z), axis=0) == 0.0
    return np.where(same, np.abs(z[0]), (total / way) ** 2)


def _between(z: Array, tangent: Array, cells: int) -> Array:
    """Return points (K-1, cells + 1, n+1) of the cubics between K points."""
    a, b = z[:-1], z[1:]
    unit = np.maximum(np.abs(a), np.abs(b))
    unit = np.where(unit > 0.0, unit, 1.0)
    chord = (b - a) / unit
    length = np.linalg.norm(chord, axis=1, keepdims=True)
    slopes = []
    for t in (tangent[:-1], tangent[1:]):
        scaled = np.where(np.isfinite(t), t, 0.0) / unit
        size = np.linalg.norm(scaled, axis=1, keepdims=True)
        scaled = scaled * (length / np.where(size > 0.0, size, 1.0))
        along = np.sum(scaled * chord, axis=1, keepdims=True)
        scaled = np.where(along < 0.0, -scaled, scaled)
        slopes.append(np.where(np.abs(along) >= _GUIDES * length**2, scaled, chord) * unit)
    u = np.linspace(0.0, 1.0, cells + 1)[None, :, None]
    left, right = (s[:, None, :] for s in slopes)
    found = (1 + 2 * u) * (1 - u) ** 2 * a[:, None] + u**2 * (3 - 2 * u) * b[:, None]
    found += u * (1 - u) ** 2 * left - u**2 * (1 - u) * right
    found[:, 0], found[:, -1] = a, b
    return found


def _mean_root(a: Array, b: Array) -> Array:
    """Return the mean of sqrt|q| over straight lines from a to b."""
    unit = np.maximum(np.abs(a), np.abs(b))
    a, b = (q / np.where(unit > 0.0, unit, 1.0) for q in (a, b))
    middle = np.sqrt(np.abs((a + b) / 2))
    far = np.abs(b - a) > 1e-4  # else the difference of powers is rounding
    roots = np.sign(b) * np.abs(b) ** 1.5 - np.sign(a) * np.abs(a) ** 1.5
    return np.sqrt(unit) * np.where(far, roots / (1.5 * np.where(far, b - a, 1.0)), middle)


def _zero_states(model: Model, x: Array, values: Array, largest: float) -> NDArray[np.bool_]:
    """Return which states (n,) are zero throughout, to rounding.

    Where a state is largest, all of it is explained by the residual there and by rounding of what makes up the
    right-hand side: its derivatives times the states and parameters.
    """
    zero = np.zeros(x.shape[1], dtype=bool)
    finite = np.all(np.isfinite(x), axis=1) & np.all(np.isfinite(values), axis=1)
    x, values = x[finite], values[finite]
    if not len(x):
        return zero
    size = np.abs(x)
    rows = np.argmax(size, axis=0)
    if model.homogeneous:  # they share one unit: only whether all are zero matters
        rows[:] = int(np.argmax(size.max(axis=1)))
    below = size.max(axis=0) <= largest
    for i in np.unique(rows[below]):
        params = dict(zip(model.params, values[i].tolist(), strict=True))
        f, J = model.rhs(x[i], params), model.jac(x[i], params)
        if model.kind == "map":
            f, J = f - x[i], J - np.eye(len(J))
        terms = np.abs(J) * size[i]
        by_params = [np.abs(model.dfdp(x[i], name, params) * value) for name, value in params.items()]
        noise = np.abs(f) + _ROUNDING * (terms.sum(axis=1) + np.sum(by_params, axis=0))
        explained = np.all(terms <= noise[:, None], axis=0)
        zero |= explained & below & (rows == i)
    return zero
