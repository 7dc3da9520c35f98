"""Equilibria of the same model under several parameter settings, followed from point to point by Newton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Array, Model

_ITERATIONS = 25
_HOMOTOPY_STEPS = (1, 4, 16, 64)


def read_conditions(conditions: Any) -> tuple[dict[str, float], ...] | None:
    """Return the conditions as dicts of numbers, or raise InputError."""
    if conditions is None:
        return None
    if isinstance(conditions, (Mapping, str)) or not isinstance(conditions, Sequence) or not conditions:
        msg = f"conditions: {conditions!r} was given; give a list of mappings, such as [{{'stim': 0}}, {{'stim': 1}}]"
        raise InputError(msg)
    read = []
    for i, condition in enumerate(conditions):
        try:
            read.append({str(name): float(value) for name, value in condition.items()})
        except (AttributeError, TypeError, ValueError):
            msg = f"conditions[{i}]: {condition!r} was given; it must map parameter names to numbers"
            raise InputError(msg) from None
    return tuple(read)


def overridden(conditions: Sequence[Mapping[str, float]] | None, model: Model) -> tuple[str, ...]:
    """Return the names that conditions set, checked against the model."""
    names = list(dict.fromkeys(name for condition in conditions or () for name in condition))
    for name in names:
        if name not in model.params:
            raise unknown_name(argument="conditions", got=name, allowed=model.params)
    return tuple(names)


class ConditionSolver:
    """Finds the equilibrium of each condition, starting from that of the nearer of the first and the previous point.

    At the first point, and wherever that fails, it moves from the given equilibrium in small steps of the overridden
    parameters; a condition that cannot be reached gives nan.
    """

    def __init__(self, model: Model, conditions: Sequence[Mapping[str, float]]) -> None:
        self.model = model
        names = list(model.params)
        self.overrides = [{names.index(name): value for name, value in c.items()} for c in conditions]
        # (branch state and parameters, states of the conditions) of the first and the last point: a branch in both
        # directions comes back to its start
        self.known: list[tuple[Array, list[Array | None]]] = []

    def values(self, base: Array) -> Array:
        """Return the parameter values (B, m) of the conditions at `base` (m,)."""
        rows = np.repeat(base[None], len(self.overrides), axis=0)
        for row, override in zip(rows, self.overrides, strict=True):
            for index, value in override.items():
                row[index] = value
        return rows

    def solve(self, x: Array, base: Array) -> tuple[Array, Array]:
        """Return states (B, n), nan where none was found, and values (B, m)."""
        rows = self.values(base)
        states = np.full((len(rows), x.size), np.nan)
        if not np.all(np.isfinite(x)):
            return states, rows
        here = np.concatenate([x, base])
        nearby = min(self.known, key=lambda entry: float(np.linalg.norm(entry[0] - here)), default=None)
        all_found: list[Array | None] = []
        for i, row in enumerate(rows):
            found = None
            if np.array_equal(row, base):
                found = x
            elif nearby is not None and (guess := nearby[1][i]) is not None:
                found = self._newton(guess, row)
            if found is None:
                found = self._homotopy(x, base, row)
            all_found.append(found)
            if found is not None:
                states[i] = found
        self.known = [*self.known[:1], (here, all_found)]
        return states, rows

    def _homotopy(self, x: Array, base: Array, row: Array) -> Array | None:
        for steps in _HOMOTOPY_STEPS:
            state: Array | None = x
            for fraction in np.arange(1, steps + 1) / steps:
                state = self._newton(state, base + fraction * (row - base))
                if state is None:
                    break
            if state is not None:
                return state
        return None

    def _newton(self, x: Array, row: Array) -> Array | None:
        """Newton with a limited step, so that it stays on the nearest branch; None if it does not converge."""
        params = dict(zip(self.model.params, row, strict=True))
        is_map = self.model.kind == "map"
        x = x.copy()
        size = 1.0 + np.linalg.norm(x)
        for _ in range(_ITERATIONS):
            f, J = self.model.rhs(x, params), self.model.jac(x, params)
            if is_map:
                f, J = f - x, J - np.eye(x.size)
            try:
                step = np.linalg.solve(J, f)
            except np.linalg.LinAlgError:
                return None
            length = np.linalg.norm(step)
            if not np.isfinite(length) or length > size:
                return None
            x -= step
            if length <= 1e-9 * (1.0 + np.linalg.norm(x)):
                return x
        return None
