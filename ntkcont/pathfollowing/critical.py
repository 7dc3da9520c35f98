"""The equations of a curve of special points: F = 0 in two free parameters, with the condition of one kind of point.

In scaled variables ``y = z/d``, ``z = (x, q1, q2)``; all conditions are scalar functions that vanish on the curve:

- LP, PD: ``A - shift I`` is singular, from a bordered matrix (``defining.singular_row``);
- H, NS and neutral saddles: with V, W spanning the right and left invariant subspaces of the pair and
  ``M = (W^T V)^-1 W^T A V``, ``tr M = 0`` (flows), ``det(M + I) = 1`` (maps, A = DG - I).  Its eigenvalues are
  +-i omega or +-k, so nothing is singular at a Bogdanov-Takens point or a 1:1 or 1:2 resonance, where two complex ones
  turn real.  V and W come from the bordered matrix of ``A^2 + det(M) I`` (Kuznetsov 2004, section 10.2); M is their
  two-sided Rayleigh quotient, so that its error is the square of theirs;
- BP: ``F + beta psi = 0`` and [F_x, F_q1] loses rank; beta stays 0 where the branch point persists.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import LU
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.defining import Scaled, rank_rows, singular_row

State = tuple[Any, ...]

#: From this overlap on (1: the same, 0: another) two subspaces are those of the same pair of eigenvalues.
SAME = 0.7
#: Above this <w, v> of unit vectors no other eigenvalue is about to merge with the critical one.
SIMPLE = 0.01
#: Up to this number of states all eigenvectors cost no more than what else is done at a point.
SMALL = 60
#: Eigenvalues closer than this, relative to the largest, have no eigenvectors of their own.
COINCIDENT = 1e-9


class System:
    """m equations in the m + 1 unknowns ``u = (y, extra)``, with the vectors that border their matrices.

    The vectors follow the curve: each evaluation improves them.
    """

    extra = 0
    overlap = 1.0

    def __init__(self, curve: Curve, d: Array) -> None:
        self.scaled, self.n = Scaled(curve, d), curve.n
        self.a = np.zeros((self.n, self.n))

    @property
    def d(self) -> Array:
        """Scales of z."""
        return self.scaled.d

    def linearise(self, u: Array) -> tuple[Array, Array] | None:
        """Return the m equations and their derivatives, shape (m, m+1); None where they are not finite."""
        n = self.n
        y = u[: n + 2]
        f, jac = self.scaled.residual_and_jacobian(y)
        if not (np.isfinite(f).all() and np.isfinite(jac).all()):
            return None
        self.a = jac[:, :n]
        with np.errstate(all="ignore"):
            condition = self.condition(y, jac)
        if condition is None or not np.isfinite(condition[1]).all():
            return None
        values, rows, column = condition
        size = len(u)
        matrix = np.zeros((size - 1, size))
        matrix[:n, : n + 2] = jac
        matrix[n:, : n + 2] = rows
        if self.extra:
            matrix[:n, n + 2] = column
            f = f + u[n + 2] * column
        return np.concatenate([f, values]), matrix

    def condition(self, y: Array, jac: Array) -> tuple[Array, Array, Array] | None:
        """Return the conditions, their gradients in y, and the column of the extra unknown in the rows of F."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """The vectors, to come back to."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Go on with the vectors of a point nearby."""
        raise NotImplementedError

    def rescale(self, d: Array) -> None:
        """Change the scales."""
        raise NotImplementedError


class Singular(System):
    """LP (shift 0) and PD (shift -2): one real critical eigenvalue."""

    def __init__(self, curve: Curve, d: Array, shift: float, v: Array, w: Array) -> None:
        super().__init__(curve, d)
        self.shift, self.v, self.w, self.row = shift, v, w, np.zeros(curve.n + 2)
        self.anchor = v, w

    def condition(self, y: Array, jac: Array) -> tuple[Array, Array, Array] | None:  # noqa: D102
        a = jac[:, : self.n].copy()
        a.ravel()[:: self.n + 1] -= self.shift
        v, w = self.anchor
        if self.n <= SMALL and abs(w @ v) > SIMPLE:
            value = self._eigenvalue(a)
            if value is not None:
                row = self.w @ self.scaled.along(y, np.append(self.v, np.zeros(2))) / self.product
                self.row = row / np.linalg.norm(row)
                return np.array([value]) / np.linalg.norm(row), self.row[None], y[:0]
        bordered = singular_row(self.scaled, y, a, self.v, self.w)
        if bordered is None:
            return None
        row, g, (self.v, self.w), _ = bordered
        self.row = row / np.linalg.norm(row)
        return np.array([g]) / np.linalg.norm(row), self.row[None], y[:0]

    def _eigenvalue(self, a: Array) -> float | None:
        """Move v and w to a new matrix and return their eigenvalue there, which is not that of another one nearby.

        The determinant and its like vanish for both.  None where it has become complex or is no simple one.
        """
        v, w = self.anchor
        lam, right = np.linalg.eig(a)
        try:
            left = np.linalg.inv(right)
        except np.linalg.LinAlgError:
            return None
        match = np.abs(left @ v) * np.abs(w @ right)
        i = int(np.argmax(match))
        if np.imag(lam[i]) != 0.0 or match[i] < SAME * abs(w @ v):
            return None
        self.v, self.w = _unit(np.real(right[:, i])), _unit(np.real(left[i]))
        self.v = -self.v if self.v @ v < 0.0 else self.v
        self.w = -self.w if self.w @ w < 0.0 else self.w
        return float(np.real(lam[i]))

    @property
    def product(self) -> float:
        """``<w, v>`` of unit vectors: zero where the critical eigenvalue is double."""
        return float(self.w @ self.v)

    @property
    def state(self) -> State:  # noqa: D102
        return self.v, self.w

    def restore(self, state: State) -> None:  # noqa: D102
        self.v, self.w = state
        self.anchor = state

    def rescale(self, d: Array) -> None:  # noqa: D102
        ratio = (self.d / d)[: self.n]
        self.v, self.w = _unit(self.v * ratio), _unit(self.w / ratio)
        self.anchor = self.v, self.w
        self.scaled = Scaled(self.scaled.curve, d)


class Pair(System):
    """H, NS and neutral saddles: two critical eigenvalues with sum 0 (flows) or multipliers with product 1 (maps)."""

    def __init__(self, curve: Curve, d: Array, v: Array, w: Array) -> None:
        super().__init__(curve, d)
        self.v, self.w = _orthonormal(v), _orthonormal(w)
        self.anchor = self.v, self.w
        self.m = np.zeros((2, 2))

    def condition(self, y: Array, jac: Array) -> tuple[Array, Array, Array] | None:  # noqa: D102
        is_map = self.scaled.curve.is_map
        inverse = self._follow(jac[:, : self.n])
        if inverse is None:
            return None
        if is_map:
            multipliers = self.m + np.eye(2)
            value, weight = _det(multipliers) - 1.0, _adjugate(multipliers)
        else:
            value, weight = self.m[0, 0] + self.m[1, 1], np.eye(2)
        right = self.v @ weight @ inverse
        rest = np.zeros(2)
        first, second = (self.w[:, j] @ self.scaled.along(y, np.append(right[:, j], rest)) for j in range(2))
        row = first + second
        norm = float(np.linalg.norm(row))
        return np.array([value / norm]), (row / norm)[None], y[:0]

    def _follow(self, a: Array) -> Array | None:
        """Move V, W and M to a new matrix; return (W^T V)^-1.

        The planes converge to those of an invariant subspace, and their error is squared each time.  Where it is not
        that of the same pair, because another one lies nearby, the eigenvectors themselves are compared.
        """
        self._reduce(a)
        for _ in range(4):
            before = self.m
            inverse = self._improve(a)
            if inverse is None:
                break
            if np.abs(self.m - before).max() <= 1e-5 * np.abs(self.m).max():
                if self.overlap >= SAME:
                    return inverse
                break
        return self._matched(a)

    def _matched(self, a: Array) -> Array | None:
        """Take the two eigenvalues of `a` whose vectors match those of the point that the step began at."""
        v, w = self.anchor
        lam, right = np.linalg.eig(a)
        try:
            left = np.linalg.inv(right)
        except np.linalg.LinAlgError:
            return None
        inside, outside = left @ v, w.T @ right  # of V0 in the eigenvectors, of the eigenvectors in W0
        match = np.linalg.norm(inside, axis=1) * np.linalg.norm(outside, axis=0)
        first = int(np.argmax(match))
        complex_pair = np.imag(lam[first]) != 0.0
        others = np.flatnonzero(lam == np.conj(lam[first]) if complex_pair else np.imag(lam) == 0.0)
        others = others[others != first]
        if not len(others):
            return None
        pair = lam[[first, int(others[np.argmax(match[others])])]]
        # all that coincide with them: no eigenvector tells which is which, the projection of V0 does
        chosen = np.min(np.abs(lam[:, None] - pair[None]), axis=1) <= COINCIDENT * float(np.abs(lam).max())
        self.v = _orthonormal(np.real(right[:, chosen] @ inside[chosen]))
        self.w = _orthonormal(np.real(outside[:, chosen] @ left[chosen]).T)
        if not (np.isfinite(self.v).all() and np.isfinite(self.w).all()):
            return None
        return self._reduce(a)

    @property
    def overlap(self) -> float:
        """How much of the pair's subspaces is that of the point that the step began at: 1 all, 0 another pair."""
        v, w = self.anchor
        return min(abs(_det(w.T @ self.v)), abs(_det(v.T @ self.w))) / max(abs(_det(w.T @ v)), 1e-300)

    def _improve(self, a: Array) -> Array | None:
        """Improve V, W and M; return (W^T V)^-1."""
        n = self.n
        size = max(float(np.abs(a).max()) ** 2, 1e-300)
        border = np.zeros((n + 2, n + 2))
        border[:n, :n] = self._square(a) / size
        border[:n, n:] = self.v
        border[n:, :n] = self.w.T
        unit = np.zeros((n + 2, 2))
        unit[n:] = np.eye(2)
        lu = LU(border)
        v, w = lu.solve(unit)[:n], lu.solve(unit, trans=1)[:n]
        if not (np.isfinite(v).all() and np.isfinite(w).all()):
            return None
        self.v, self.w = _orthonormal(v), _orthonormal(w)
        return self._reduce(a)

    def _reduce(self, a: Array) -> Array:
        product = self.w.T @ self.v
        inverse = _adjugate(product) / _det(product)
        self.m = inverse @ (self.w.T @ (a @ self.v))
        return inverse

    def _square(self, a: Array) -> Array:
        """Return A^2 - tr(M) A + det(M) I, singular along the pair: wherever it is, and however near another one."""
        square = a @ a - (self.m[0, 0] + self.m[1, 1]) * a
        square.ravel()[:: self.n + 1] += _det(self.m)
        return square

    @property
    def angle(self) -> float:
        """omega^2 = -k^2 of flows, the cosine of the multipliers' angle (beyond +-1: real ones) of maps."""
        if self.scaled.curve.is_map:
            return 0.5 * float(self.m[0, 0] + self.m[1, 1]) + 1.0
        return _det(self.m)

    @property
    def is_complex(self) -> bool:
        """Whether the pair is complex: H or NS and not a neutral saddle."""
        return abs(self.angle) < 1.0 if self.scaled.curve.is_map else self.angle > 0.0

    @property
    def state(self) -> State:  # noqa: D102
        return self.v, self.w, self.m

    def restore(self, state: State) -> None:  # noqa: D102
        self.v, self.w, self.m = state
        self.anchor = self.v, self.w

    def rescale(self, d: Array) -> None:  # noqa: D102
        ratio = (self.d / d)[: self.n, None]
        self.v, self.w = _orthonormal(self.v * ratio), _orthonormal(self.w / ratio)
        self.anchor = self.v, self.w
        self.scaled = Scaled(self.scaled.curve, d)


class RankDrop(System):
    """BP: [F_x, F_q1] loses rank; the extra unknown beta, which unfolds the branch point, is part of u."""

    extra = 1

    def __init__(self, curve: Curve, d: Array, b: Array, c: Array) -> None:
        super().__init__(curve, d)
        self.b, self.c, self.v = b, c, np.zeros(curve.n)

    def condition(self, y: Array, jac: Array) -> tuple[Array, Array, Array] | None:  # noqa: D102
        found = rank_rows(self.scaled, y, jac, self.b, self.c)
        if found is None:
            return None
        rows, g, psi, null = found
        column = self.b
        self.b, self.c = _unit(psi), np.linalg.qr(null)[0].T
        v = _unit((null @ np.array([null[-1, 1], -null[-1, 0]]))[: self.n])
        self.v = -v if v @ self.v < 0.0 else v
        norms = np.linalg.norm(rows, axis=1)
        return g / norms, rows / norms[:, None], column

    @property
    def product(self) -> float:
        """``<psi, v>`` of unit vectors: zero where the critical eigenvalue is double."""
        return float(self.b @ self.v)

    @property
    def state(self) -> State:  # noqa: D102
        return self.b, self.c, self.v

    def restore(self, state: State) -> None:  # noqa: D102
        self.b, self.c, self.v = state

    def rescale(self, d: Array) -> None:  # noqa: D102
        ratio = (self.d / d)[: self.n + 1]
        self.b, self.c = _unit(self.b / ratio[: self.n]), np.linalg.qr((self.c * ratio).T)[0].T
        self.v = _unit(self.v * ratio[: self.n])
        self.scaled = Scaled(self.scaled.curve, d)


def _unit(v: NDArray[Any]) -> NDArray[Any]:
    return v / math.sqrt(v @ v)


def _orthonormal(basis: Array) -> Array:
    """Return an orthonormal basis (n, 2) of the same plane; far cheaper than QR for two columns."""
    first = _unit(basis[:, 0])
    second = basis[:, 1] - (first @ basis[:, 1]) * first
    second = _unit(second)
    return np.stack([first, _unit(second - (first @ second) * first)], axis=1)


def _det(m: Array) -> float:
    return float(m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])


def _adjugate(m: Array) -> Array:
    return np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]])


def system_of(curve: Curve, label: str, z: Array, d: Array, omega: float | None) -> System:
    """Return the equations of the curve of `label` through z, with vectors computed there."""
    n = curve.n
    jac = Scaled(curve, d).residual_and_jacobian(z / d)[1]
    a = jac[:, :n]
    if label == "BP":
        u, _, vh = np.linalg.svd(jac[:, : n + 1])
        return RankDrop(curve, d, u[:, -1], vh[-2:])
    if label in ("LP", "PD"):
        shift = 0.0 if label == "LP" else -2.0
        u, _, vh = np.linalg.svd(a - shift * np.eye(n))
        return Singular(curve, d, shift, vh[-1], u[:, -1])
    lam = np.linalg.eigvals(a)
    if label == "NSad":
        pair = _neutral(lam, curve.is_map)
    else:
        frequency = omega or 0.0
        target = np.exp(1j * frequency) - 1.0 if curve.is_map else 1j * frequency
        nearest = lam[int(np.argmin(np.abs(lam - target)))]
        pair = (nearest, np.conj(nearest))
    return Pair(curve, d, _span(a, pair), _span(a.T, pair))


def _neutral(lam: NDArray[Any], is_map: bool) -> tuple[Any, Any]:
    """Return the two real eigenvalues nearest to a sum of zero (multipliers: a product of one)."""
    real = np.real(lam)[np.imag(lam) == 0.0]
    i, j = np.triu_indices(len(real), 1)
    off = (1.0 + real[i]) * (1.0 + real[j]) - 1.0 if is_map else real[i] + real[j]
    best = int(np.argmin(np.abs(off)))
    return real[i[best]], real[j[best]]


def _span(a: Array, pair: tuple[Any, Any]) -> Array:
    """Return a real basis (n, 2) of the invariant subspace of two eigenvalues: the null space of (A - l1)(A - l2)."""
    eye = np.eye(a.shape[0])
    product = np.real((a - pair[0] * eye) @ (a - pair[1] * eye))
    return np.linalg.svd(product)[2][-2:].T
