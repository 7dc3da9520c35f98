"""Linearised points as the signatures see them: everything they share is computed once, on first use.

Notation of the package: A is the Jacobian, J = A for flows and A - I for maps, F the source term, S = -J^{-1} F the
sensitivity of the equilibrium (its sign does not matter to any kernel); K points, each under B conditions that are
stacked; a readout C acts on the states.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import numpy as np

from ntkcont.ntk import backends
from ntkcont.ntk.backends import Backend

# for an eigenvalue below this fraction of the largest one, or a branch as steep as its inverse, J^{-1} is avoided in
# the arclength gauge: rounding grows as the inverse of its square
_NEARLY_SINGULAR = 1e-3


class Critical(NamedTuple):
    """The two critical eigenvalues of K points, with the conditions that they belong to; all arrays (K,).

    ``at_0, lambda_0``: nearest to a singular J; ``at_c, lambda_c``: nearest to the stability boundary, whose point next
    to lambda_c is ``s``.  Of a conjugate pair the one with positive imaginary part.
    """

    at_0: Any
    lambda_0: Any
    at_c: Any
    lambda_c: Any
    s: Any


class Case(NamedTuple):
    """What may be assumed of all points of a stack; the default assumes nothing."""

    real_0: bool = False
    real_c: bool = False
    same: bool = False
    resolvent: Literal["complex", "flip", "equilibrium"] = "complex"
    nearly_singular: bool = True


ANY = Case()


def critical(eigenvalues: Any, is_map: bool) -> Critical:
    """Pick the critical eigenvalues from those of A, (K, B, n)."""
    eigenvalues = np.asarray(eigenvalues)
    count, _, n = eigenvalues.shape
    flat = np.where(np.isfinite(eigenvalues), eigenvalues, 1e300).reshape(count, -1)
    rows = np.arange(count)

    def nearest(distance: Any) -> tuple[Any, Any]:
        index = np.argmin(distance, axis=1)
        value = eigenvalues.reshape(count, -1)[rows, index]
        return index // n, np.where(value.imag < 0, value.conj(), value)

    at_0, lambda_0 = nearest(np.abs(flat - 1.0) if is_map else np.abs(flat))
    at_c, lambda_c = nearest(np.abs(np.abs(flat) - 1.0) if is_map else np.abs(np.real(flat)))
    size = np.abs(lambda_c)
    on_circle = lambda_c / np.where(size > 0, size, 1.0)
    s = np.where(size > 0, on_circle, 1.0) if is_map else 1j * np.imag(lambda_c)
    return Critical(at_0, lambda_0, at_c, lambda_c, s)


def cases(found: Critical, eigenvalues: Any, tangent: Any, is_map: bool) -> list[Case]:
    """Return the case of each point, from eigenvalues (K, B, n) and tangents (K, B, n+1) or None."""
    shifted = np.abs(eigenvalues - 1.0 if is_map else eigenvalues).reshape(len(eigenvalues), -1)
    near = ~(shifted.min(axis=1) >= _NEARLY_SINGULAR * shifted.max(axis=1))
    if tangent is None:
        near[:] = True
    else:
        slope = np.abs(tangent[..., -1]) / np.linalg.norm(tangent, axis=-1)
        near |= ~np.all(slope >= _NEARLY_SINGULAR, axis=1)
    real_0, real_c = found.lambda_0.imag == 0, found.lambda_c.imag == 0
    same = (found.at_0 == found.at_c) & (found.lambda_0 == found.lambda_c)
    flip = (found.s.real < 0) & is_map
    rows = zip(real_0.tolist(), real_c.tolist(), same.tolist(), flip.tolist(), near.tolist(), strict=True)
    return [
        Case(r0, rc, eq, "complex" if not rc else "flip" if fl else "equilibrium", nr) for r0, rc, eq, fl, nr in rows
    ]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """K linearised points in scaled variables, with their shared intermediate results.

    Parameters
    ----------
    backend : Backend
        The linear algebra.
    A : array, shape (K, B, n, n)
        Jacobians of the right-hand side or the map.
    F : array, shape (K, B, n, m)
        Factors of the source term.
    fp : array, shape (K, B, n)
        Derivatives in the free parameter.
    tangent : array, shape (K, B, n+1), or None
        Directions of the branch; None: computed from A and fp.
    eigenvalues : array of complex, shape (K, B, n)
        Of A.
    critical : Critical
        Those of them that matter.
    readout : array, shape (q, n), or None
        Readout C.
    is_map, has_free : bool
        Whether the model is a map, and whether there is a free parameter.
    case : Case
        What may be assumed.
    memory : dict
        Where iterations at earlier points ended.
    vectors : array, shape (K, 8, n+1), or None
        Those of ``kernels.critical_vectors`` in scaled variables, nan where they are not known.
    """

    backend: Backend
    A: Any
    F: Any
    fp: Any
    tangent: Any
    eigenvalues: Any
    critical: Critical
    readout: Any
    is_map: bool
    has_free: bool
    case: Case = ANY
    memory: dict[str, Any] = dataclasses.field(default_factory=dict)
    vectors: Any = None

    @property
    def xp(self) -> Any:
        """Array functions of the backend."""
        return self.backend.xp

    @property
    def n(self) -> int:
        """Number of states."""
        return self.A.shape[-1]

    @property
    def conditions(self) -> int:
        """Number of conditions, B."""
        return self.A.shape[1]

    @functools.cached_property
    def rows(self) -> int:
        """Number of rows of the kernels."""
        return self.conditions * (self.n if self.readout is None else self.readout.shape[0])

    # ---------------------------------------------------------------- the equilibrium's sensitivity

    @functools.cached_property
    def J(self) -> Any:
        """A, or A - I for maps, (K, B, n, n)."""
        return self.A - self.xp.eye(self.n) if self.is_map else self.A

    @functools.cached_property
    def solve(self) -> Any:
        """``solve(rhs)``: J^{-1} rhs for (K, B, n, m)."""
        return self.backend.factor(self.J)

    @functools.cached_property
    def S(self) -> Any:
        """Sensitivity of the equilibria but for its sign, J^{-1} F, (K, B, n, m)."""
        return self.backend.columns(self.solve, self.F)

    def out(self, S: Any) -> Any:
        """Apply the readout and stack the conditions: (K, B, n, m) to (K, B q, m)."""
        S = S if self.readout is None else self.readout @ S
        return S.reshape(S.shape[0], -1, S.shape[-1])

    def at(self, array: Any, condition: Any) -> Any:
        """Return the rows (K, ...) of an array (K, B, ...) under one condition each."""
        return array[:, 0] if self.conditions == 1 else array[self.xp.arange(array.shape[0]), condition]

    def spread(self, v: Any, condition: Any) -> Any:
        """Return (K, B, n, 1) with the vectors (K, n) under one condition each, zero under the others."""
        chosen = self.xp.arange(self.conditions)[None, :] == self.xp.asarray(condition)[:, None]
        return (chosen[:, :, None] * v[:, None, :])[..., None]

    def out_vector(self, v: Any, condition: Any) -> Any:
        """Return the stacked outputs (K, rows) of state vectors (K, n) of one condition each."""
        return self.out(self.spread(v, condition))[:, :, 0]

    # ---------------------------------------------------------------- critical vectors

    @functools.cached_property
    def square(self) -> Any:
        """A^2, (K, B, n, n)."""
        return self.A @ self.A

    def _vectors(self, condition: Any, eigenvalue: Any, real: bool) -> tuple[Any, Any]:
        def square() -> Any:
            return self.at(self.square, condition)[:, None]

        A = self.at(self.A, condition)[:, None]
        return backends.critical_vectors(self.backend, A, eigenvalue, square, real)

    def _given(self, row: int, eigenvalue: Any, real: bool) -> tuple[Any, Any] | None:
        """Return the vectors that came with the points, if they are those of these eigenvalues."""
        if self.vectors is None:
            return None
        pairs = self.vectors[:, row : row + 4]
        belongs = np.all(pairs[:, 0, -1] == eigenvalue.real) and np.all(pairs[:, 1, -1] == eigenvalue.imag)
        if not belongs or not np.all(np.isfinite(pairs[:, :, :-1])):
            return None
        right, left = ((pairs[:, k, :-1] if real else pairs[:, k, :-1] + 1j * pairs[:, k + 1, :-1]) for k in (0, 2))
        return backends.unit(self.xp, right), backends.unit(self.xp, left)

    @functools.cached_property
    def singular_vectors(self) -> tuple[Any, Any]:
        """Unit right and left eigenvectors (K, n) of lambda_0."""
        return self._given(0, self.critical.lambda_0, self.case.real_0) or self._vectors(
            self.critical.at_0, self.critical.lambda_0, self.case.real_0
        )

    @functools.cached_property
    def stability_vectors(self) -> tuple[Any, Any]:
        """Unit right and left eigenvectors (K, n) of lambda_c."""
        if self.case.same:
            return self.singular_vectors
        return self._given(4, self.critical.lambda_c, self.case.real_c) or self._vectors(
            self.critical.at_c, self.critical.lambda_c, self.case.real_c
        )

    @functools.cached_property
    def direction(self) -> Any:
        """Unit directions of the branch under each condition, (K, B, n+1)."""
        t = self.tangent
        if t is None:
            rows = self.xp.concatenate([self.J, self.fp[..., None]], axis=-1)
            q, _ = self.xp.linalg.qr(self.xp.swapaxes(rows, -1, -2), mode="complete")
            t = q[..., -1]
        return t / self.xp.linalg.norm(t, axis=-1, keepdims=True)
