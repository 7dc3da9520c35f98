"""Compare the derivatives of a model with differences, and its compiled functions with their JAX twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.models.model import Array, Model
from ntkcont.models.rounding import sizes_of_terms

DIFFERENCE_TOLERANCE = 1e-6
TWIN_TOLERANCE = 1e-9
#: What rounding does to a value, relative to the terms it is made of, ...
_NOISE = 1e-13
#: ... and differences.
_DIFFERENCES = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disagreement:
    """The largest error in one comparison, and where it is.

    Parameters
    ----------
    what : str
        What was compared with what.
    error : float
        Largest difference, relative to the entry, its row, and what rounding leaves of the terms it is made of.
    where : str
        The entry by the names of its row and column.
    got, expected : float
        The two values there.
    tolerance : float
        What `error` may be.
    """

    what: str
    error: float
    where: str
    got: float
    expected: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the error is below the tolerance; nan is not."""
        return self.error <= self.tolerance


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class CheckReport:
    """What :meth:`ntkcont.Model.check` found.

    Parameters
    ----------
    jac : Disagreement
        The Jacobian against finite differences of the right-hand side.
    dfdp : dict of str to Disagreement
        The derivative in each parameter against finite differences.
    twin_rhs, twin_jac, twin_dfdp : Disagreement
        The compiled right-hand side and its derivatives against the JAX twin.
    """

    jac: Disagreement
    dfdp: Mapping[str, Disagreement]
    twin_rhs: Disagreement
    twin_jac: Disagreement
    twin_dfdp: Disagreement

    @property
    def ok(self) -> bool:
        """Whether every comparison is within its tolerance."""
        return all(d.ok for d in self.all())

    def all(self) -> list[Disagreement]:
        """Return all comparisons."""
        return [self.jac, *self.dfdp.values(), self.twin_rhs, self.twin_jac, self.twin_dfdp]

    def __repr__(self) -> str:
        lines = ["model check: " + ("ok" if self.ok else "DISAGREEMENT")]
        for d in self.all():
            mark = "ok  " if d.ok else "BAD "
            line = f"  {mark}{d.what}: largest relative error {d.error:.1e}"
            if not d.ok:
                line += f" at {d.where}: {d.got:.10g}, expected {d.expected:.10g}"
            lines.append(line)
        return "\n".join(lines)


def check_model(model: Model, x: Any, params: Mapping[str, float] | None = None) -> CheckReport:
    """Build the report of :meth:`ntkcont.Model.check`."""
    x = model.state_vector(x, "x")
    values = model.values(params)
    names = tuple(model.params)
    rows = [f"d{s}'" if model.kind == "flow" else f"d{s}" for s in model.states]
    columns, parameters = [f"d{s}" for s in model.states], [f"d{name}" for name in names]

    def rhs(y: Array, v: Array) -> Array:
        return model.rhs(y, dict(zip(names, v, strict=True)))

    def jacobian(y: Array, v: Array) -> Array:
        return model.jac(y, dict(zip(names, v, strict=True)))

    def slopes(y: Array, v: Array) -> Array:
        by_name = dict(zip(names, v, strict=True))
        return np.array([model.dfdp(y, name, by_name) for name in names]).T.reshape(model.n, len(names))

    with np.errstate(all="ignore"):
        f, jac, all_slopes = rhs(x, values), jacobian(x, values), slopes(x, values)
        # at a fixed point f is what rounding leaves of its terms, at a fold the Jacobian is
        f_terms, jac_terms, slope_terms = (sizes_of_terms(g, x, values, at_least=1.0) for g in (rhs, jacobian, slopes))
        by_state = _differences(lambda y: rhs(y, values), x)
        by_params = _differences(lambda v: rhs(x, v), values)
        twin_f, twin_jac, twin_slopes = _twin(model, x, values)
        in_state = _DIFFERENCES * jac_terms + _NOISE * f_terms[:, None] / np.maximum(np.abs(x), 1.0)
        in_values = _DIFFERENCES * slope_terms + _NOISE * f_terms[:, None] / np.maximum(np.abs(values), 1.0)
        dfdp = {
            name: _compare(
                f"derivative in {name} against differences",
                all_slopes[:, j : j + 1],
                by_params[:, j : j + 1],
                rows,
                [parameters[j]],
                DIFFERENCE_TOLERANCE,
                in_values[:, j : j + 1],
            )
            for j, name in enumerate(names)
        }
        comparisons = {
            "jac": ("Jacobian against differences", jac, by_state, columns, in_state),
            "twin_rhs": ("right-hand side, numba against JAX", f, twin_f, [], _NOISE * f_terms),
            "twin_jac": ("Jacobian, numba against JAX", jac, twin_jac, columns, _NOISE * jac_terms),
            "twin_dfdp": (
                "parameter derivatives, numba against JAX", all_slopes, twin_slopes, parameters, _NOISE * slope_terms,
            ),
        }  # fmt: skip
        found = {}
        for key, (what, got, expected, heads, noise) in comparisons.items():
            tolerance = DIFFERENCE_TOLERANCE if key == "jac" else TWIN_TOLERANCE
            shape = (model.n, -1) if got.size else (model.n, 0)
            found[key] = _compare(
                what, got.reshape(shape), expected.reshape(shape), rows, heads, tolerance, noise.reshape(shape)
            )
        return CheckReport(dfdp=dfdp, **found)


def _compare(
    what: str, got: Array, expected: Array, rows: Sequence[str], columns: Sequence[str], tolerance: float, noise: Array
) -> Disagreement:
    """Return the largest difference; those up to `noise`, of the shape of both, are within the tolerance."""
    if got.size == 0:
        return Disagreement(what=what, error=0.0, where="", got=0.0, expected=0.0, tolerance=tolerance)
    entry = np.maximum(np.abs(got), np.abs(expected))
    row = np.max(np.abs(expected), axis=1, keepdims=True)
    difference = np.abs(got - expected)
    error = np.where(difference == 0, 0.0, difference / np.maximum(np.maximum(entry, 1e-2 * row), noise / tolerance))
    error = np.where(np.isnan(error), np.inf, error)
    i, j = (int(k) for k in np.unravel_index(np.argmax(error), error.shape))
    where = f"{rows[i]}/{columns[j]}" if columns else rows[i].removeprefix("d")
    return Disagreement(
        what=what,
        error=float(error[i, j]),
        where=where,
        got=float(got[i, j]),
        expected=float(expected[i, j]),
        tolerance=tolerance,
    )


def _differences(function: Any, at: Array) -> Array:
    """Return the Jacobian by Ridders' extrapolation of central differences, shape (n, len(at))."""
    columns = [_ridders(function, at, j) for j in range(len(at))]
    return np.array(columns).T.reshape(-1, len(at)) if columns else np.zeros((len(function(at)), 0))


def _ridders(function: Any, at: Array, j: int) -> Array:
    """Return one column: halve the step and extrapolate, keep the value that changed least (Ridders 1982)."""
    best, best_error = np.full_like(function(at), np.nan), np.inf
    for start in (1e-1, 1e-3, 1e-5):
        h = start * max(abs(at[j]), 1.0)
        table: list[list[Array]] = []
        for i in range(6):
            y, z = at.copy(), at.copy()
            y[j] += h
            z[j] -= h
            row = [(function(y) - function(z)) / (y[j] - z[j])]
            for k in range(i):
                row.append(row[k] + (row[k] - table[i - 1][k]) / (4.0 ** (k + 1) - 1))
                error = float(max(np.max(np.abs(row[-1] - row[-2])), np.max(np.abs(row[-1] - table[i - 1][k]))))
                if error < best_error:
                    best, best_error = row[-1], error
            table.append(row)
            h /= 2
    return best


def _twin(model: Model, x: Array, values: Array) -> tuple[Array, Array, Array]:
    from ntkcont.jax_tools import configured_jax, x64

    jax = configured_jax()

    def everything(y: Any, v: Any) -> Any:
        def rhs(state: Any, values: Any) -> Any:
            return model.jax_rhs(state, values, model.theta)

        return rhs(y, v), *jax.jacfwd(rhs, argnums=(0, 1))(y, v)

    with x64():
        f, in_state, in_params = (np.asarray(a) for a in jax.jit(everything)(x, values))
    return f, in_state, in_params
