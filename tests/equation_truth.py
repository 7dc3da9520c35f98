"""Equations as text, their terms and Jacobians by sympy and numpy: what the package says of a branch is held to them.

The invariants of ``tests.invariants`` take one scale for a whole branch, the magnitudes along it.  Where rates differ
by fourteen decades, or a branch runs to infinity, that is no measure for a single point: there
``tests.branch_faults`` judges each point by the terms of its own equations.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

import ntkcont as nc
from tests.branch_faults import Truth, faults
from tests.invariants import check_branch


@functools.cache
def _compiled(items: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> tuple[Any, Any]:
    """Return functions of (states, parameters): the terms by equation, and the terms of the entries of the Jacobian."""
    states = [name for name, _ in items]
    symbols: dict[str, Any] = {name: sympy.Symbol(name, real=True) for name in (*states, *names)}
    given = [sympy.expand_mul(sympy.sympify(text, locals=symbols)) for _, text in items]
    order = [symbols[name] for name in (*states, *names)]
    terms = [list(sympy.Add.make_args(each)) for each in given]
    entries = [
        [list(sympy.Add.make_args(sympy.expand_mul(sympy.diff(each, symbols[x])))) for x in states] for each in given
    ]
    return sympy.lambdify(order, terms, "numpy"), sympy.lambdify(order, entries, "numpy")


@dataclasses.dataclass(frozen=True)
class Problem:
    """Equations with their parameters; the model is compiled once for all values."""

    equations: Mapping[str, str]
    params: Mapping[str, float]
    kind: str = "flow"

    @functools.cached_property
    def model(self) -> nc.Model:
        return nc.Model.from_equations(dict(self.equations), dict(self.params), kind=self.kind)

    def truth(self, free: str, values: Mapping[str, float]) -> Truth:
        names = tuple(self.params)
        terms, entries = _compiled(tuple(self.equations.items()), names)

        def arguments(x: np.ndarray, p: np.ndarray) -> list[Any]:
            return [*x.T, *(p if name == free else values[name] for name in names)]

        def terms_at(x: np.ndarray, p: np.ndarray) -> np.ndarray:
            found = terms(*arguments(x, p))
            wide = max(len(row) for row in found)
            result = np.zeros((wide, *x.shape))
            for i, row in enumerate(found):
                for j, term in enumerate(row):
                    result[j, :, i] = term
            return result

        def jacobian_at(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            total, size = np.zeros((2, len(x), x.shape[1], x.shape[1]))
            for i, row in enumerate(entries(*arguments(x, p))):
                for j, entry in enumerate(row):
                    for term in entry:
                        total[:, i, j] += term
                        size[:, i, j] += np.abs(term)
            return total, size

        return Truth(terms=terms_at, jacobian=jacobian_at)

    def worst(self, branch: nc.Branch, free: str, values: Mapping[str, float], rows: Any = slice(None)) -> float:
        """Return the largest |f| beside the sum of the magnitudes of its terms."""
        terms = self.truth(free, values).terms(branch.x[rows], branch.p[rows])
        size = np.sum(np.abs(terms), axis=0)
        return float(np.max(np.abs(np.sum(terms, axis=0)) / np.where(size > 0.0, size, 1.0)))


def followed(
    problem: Problem, start: Sequence[float], *, free: str, span: tuple[float, float], invariants: bool = True,
    overflows: bool = False, **keywords: Any,
) -> nc.Branch:  # fmt: skip
    """Follow a branch and assert that nothing is wrong with it: every point of it is judged by its own terms.

    With `invariants` also those of a whole branch, which share one scale for all its points.  Where a branch runs on to
    where the equations overflow, its parameter falls to 1e-300: `overflows` leaves out what is below 1e-250.
    """
    params = {**problem.params, **keywords.pop("params", {})}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(problem.model, start, free=free, p_span=span, params=params, **keywords)
    if overflows:
        least = 1e-250 * np.max(np.abs(branch.p))
        assert problem.worst(branch, free, params, np.abs(branch.p) > least) < 1e-9
        assert all(abs(place.p) < least for place in branch.doubtful)
        assert len(said) == bool(branch.doubtful)
    else:
        judge(branch, problem, free, params, [str(each.message) for each in said])
    assert branch.p.min() >= span[0]
    assert branch.p.max() <= span[1]
    if invariants:
        check_branch(branch, problem.model, p_span=span)
    return branch


def judge(branch: nc.Branch, problem: Problem, free: str, params: Mapping[str, float], said: Sequence[str]) -> None:
    wrong = faults(branch, list(said), problem.truth(free, params), lambda x, p: (x, p))
    assert not wrong, wrong
    assert branch.doubtful == ()
    assert all(point.converged for point in branch.special_points)


def found(branch: nc.Branch) -> list[tuple[str, float]]:
    return [(point.label, float(point.p)) for point in branch.special_points if point.label != "EP"]


def in_either_direction(branch: nc.Branch, expected: Sequence[tuple[str, Any]]) -> bool:
    """Whether the special points are the expected ones in order along the branch, from either end."""
    return found(branch) in (list(expected), list(expected)[::-1])
