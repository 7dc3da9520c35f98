"""Defining systems of special points: F(z) = 0 with scalar conditions g(z) = 0 from bordered matrices.

All quantities are in scaled variables ``y = z/d``: ``N = D^-1 [F_x D, F_q d_q]`` is the Jacobian there.  For a matrix A
that is singular at the point, ``[[A, b], [c*, 0]] [v; g] = [0; 1]`` gives g = 0 exactly where A is singular, and
``g' = -w* A' v`` with the left vector w (Govaerts 2000, section 4.1).  ``A' v`` along every direction at once is the
derivative of N along v, because second derivatives are symmetric: two evaluations of the Jacobian, whatever n is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import LU, svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve

#: A correction larger than this, in units of the whole diagram, means that Newton diverges (nan included).
FAR = 1e8
#: Derivatives are differences over this length, eps^(1/3): Newton needs them to a few digits only.  Where its
#: corrections shrink by less than the factor SLOW, what is there is narrower, and the length is made shorter.
LENGTH, SHORTEST, SLOW = 6e-6, 1e-9, 0.1
#: Corrections that shrink by less than this shrink no further.
STALLED = 0.7
#: What is left is this part of the tolerance.
LEFT = 1e-3
#: Where corrections shrink no further they are rounding if they are below so many times the tolerance.
ROUGHLY = 1e3


class Scaled:
    """F and its Jacobian N = [F_x, F_q] in scaled variables y, for any number m of free parameters.

    `rows` (n,) multiply the equations, default ones: a rate of 1e12 in one of them is then no reason to take what
    stands in another for rounding.
    """

    def __init__(self, curve: Curve, d: Array, rows: Array | None = None, h: float = LENGTH) -> None:
        self.curve, self.d, self.n, self.h = curve, d, curve.n, h
        self.rows = np.ones(curve.n) if rows is None else rows
        self.ratios = self.rows[:, None] * d[None, :] / d[: curve.n, None]

    def equilibrated(self, y: Array) -> Scaled:
        """Return the same with rows of size 1 at y, or a unit of length away where they are larger.

        The states decide: a parameter has no natural unit.
        """
        with np.errstate(all="ignore"):
            plain = Scaled(self.curve, self.d, h=self.h)
            here, change = plain.residual_and_jacobian(y)[1], plain.changes(y)
        both = np.maximum(np.abs(here), np.abs(np.where(np.isfinite(change), change, 0.0)))
        by_states = np.max(both[:, : self.n], axis=1)
        sizes = np.where(by_states > 0.0, by_states, np.max(both, axis=1))
        usable = np.isfinite(sizes) & (sizes > 0.0)
        return Scaled(self.curve, self.d, 1.0 / np.where(usable, sizes, 1.0), self.h)

    def changes(self, y: Array) -> Array:
        """Return how much N changes over a unit of length in some direction, shape (n, n+m)."""
        direction = np.random.default_rng(0).standard_normal(len(y))
        return self.along(y, np.asarray(direction / np.linalg.norm(direction), dtype=np.float64))

    def residual_and_jacobian(self, y: Array) -> tuple[Array, Array]:
        """Return F, shape (n,), and N, shape (n, n+m), in scaled variables."""
        n = self.n
        f, a, slopes = self.curve.linear(y * self.d)
        jacobian = np.empty((n, len(self.d)))
        jacobian[:, :n] = a
        jacobian[:, n:] = slopes.T
        jacobian *= self.ratios
        return f * self.rows / self.d[:n], jacobian

    def along(self, y: Array, u: Array) -> Array:
        """Return the derivative of N along the direction u, shape (n, n+m), by central differences."""
        norm = math.sqrt(u @ u)
        if norm == 0.0:
            return np.zeros((self.n, len(y)))
        h = self.h / norm
        plus = self.residual_and_jacobian(y + h * u)[1]
        minus = self.residual_and_jacobian(y - h * u)[1]
        return (plus - minus) / (2.0 * h)

    def finished(self, it: int, max_iter: int, last: float, size: float, tol: float) -> bool:
        """Whether the last of Newton's corrections is small enough, and all that is left.

        A larger one is rounding where they shrink no further, and at the end.  Before that is believed differences are
        taken over shorter lengths.
        """
        if size > SLOW * last and self.h > SHORTEST:
            self.h = max(0.1 * self.h, SHORTEST)
            stalled = False
        else:
            stalled = size > STALLED * last
        stalled |= it == max_iter - 1
        if size >= tol:
            return size < ROUGHLY * tol and it > 5 and stalled
        return stalled or (it > 0 and size * size < LEFT * tol * last)


@dataclasses.dataclass(frozen=True)
class Condition:
    """A - shift(extra) I is singular; `slope` is d shift / d extra (None: no extra unknown)."""

    shift: Callable[[float], complex]
    slope: Callable[[float], complex] | None = None


# What makes each label special, as conditions on F_x (for maps F_x = DG - I).
CONDITIONS: dict[tuple[str, bool], tuple[Condition, ...]] = {
    ("LP", False): (Condition(lambda _: 0.0),),
    ("LP", True): (Condition(lambda _: 0.0),),
    ("PD", True): (Condition(lambda _: -2.0),),
    ("H", False): (Condition(lambda w: 1j * w, lambda _: 1j),),
    ("NS", True): (Condition(lambda t: np.exp(1j * t) - 1.0, lambda t: 1j * np.exp(1j * t)),),
    ("NSad", False): (Condition(lambda k: k, lambda _: 1.0), Condition(lambda k: -k, lambda _: -1.0)),
}


@dataclasses.dataclass(frozen=True)
class Located:
    """A solution of a defining system; vectors are in original units, |v| = 1, w* v = 1.

    `null`, shape (2, n+1), at branch points: an orthonormal basis (scaled variables) of the null space of N, which
    holds the tangents of both branches.
    """

    z: Array
    extra: float | None
    residual: float
    test_value: float
    v: NDArray[Any]
    w: NDArray[Any]
    null: Array | None = None


def in_units(curve: Curve, found: Located, d: Array) -> Located:
    """Return what was found in other units, with its null space in the units d."""
    if found.null is None:
        return found
    jacobian = Scaled(curve, d).equilibrated(found.z / d).residual_and_jacobian(found.z / d)[1]
    return dataclasses.replace(found, null=svd(jacobian)[2][-len(found.null) :])


def _null_vectors(a: np.ndarray, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Right and left vectors of the smallest singular value, by inverse iteration on a* a."""
    n = a.shape[0]
    if n <= 60:
        u, _, vh = svd(a)
        return vh[-1].conj(), u[:, -1]
    scale = np.abs(a).max() * 1e-14
    lu = LU(a + scale * np.eye(n))
    v = rng.standard_normal(n) + (1j * rng.standard_normal(n) if np.iscomplexobj(a) else 0.0)
    w = v
    for _ in range(4):
        w = lu.solve(v, trans=2)
        w /= np.linalg.norm(w)
        v = lu.solve(w)
        v /= np.linalg.norm(v)
    return v, w


def singular_row(scaled: Scaled, y: Array, a: np.ndarray, v0: NDArray[Any], w0: NDArray[Any]) -> Any:
    """Return (gradient of g, g, (v, w), w* R v before normalisation) of ``g(y) = 0`` where `a` is singular.

    `a` is F_x minus a shift (its rows times those of `scaled`), v0 and w0 approximate its null vectors; v and w, of
    norm 1, do so better.  None if the bordered matrix is singular.
    """
    n = scaled.n
    border = np.zeros((n + 1, n + 1), dtype=a.dtype)
    border[:n, :n] = a
    border[:n, n] = w0
    border[n, :n] = v0.conj()
    unit = np.zeros(n + 1, dtype=a.dtype)
    unit[n] = 1.0
    lu = LU(border)
    vg, wg = lu.solve(unit), lu.solve(unit, trans=2)
    v, g, w = vg[:n], vg[n], wg[:n]
    if not (np.isfinite(vg).all() and np.isfinite(w).all()):
        return None
    rest = np.zeros(len(y) - n)
    change = scaled.along(y, np.append(np.real(v), rest)).astype(a.dtype)
    if np.iscomplexobj(a):
        change += 1j * scaled.along(y, np.append(np.imag(v), rest))
    return -(w.conj() @ change), g, (v / np.linalg.norm(v), w / np.linalg.norm(w)), np.vdot(w, scaled.rows * v)


def rank_rows(scaled: Scaled, y: Array, jac: Array, b: Array, c: Array) -> Any:
    """Return (gradients (2, n+m), g (2,), psi, null) of ``g(y) = 0`` where the n x (n+1) matrix [F_x, F_q] loses rank.

    b and the rows of c, shape (2, n+1), approximate its left and right null spaces, psi and the columns of null do so
    better; q is the first free parameter.  None if the bordered matrix is singular.
    """
    n = scaled.n
    border = np.zeros((n + 2, n + 2))
    border[:n, : n + 1] = jac[:, : n + 1]
    border[:n, n + 1] = b
    border[n:, : n + 1] = c
    lu = LU(border)
    unit = np.zeros((n + 2, 2))
    unit[n:, :] = np.eye(2)
    null = lu.solve(unit)[: n + 1]
    left = np.zeros(n + 2)
    left[n + 1] = 1.0
    left = lu.solve(left, trans=1)
    psi, g = left[:n], left[n:]
    if not (np.all(np.isfinite(null)) and np.all(np.isfinite(psi))):
        return None
    rest = np.zeros(len(y) - n - 1)
    rows = np.array([-(psi @ scaled.along(y, np.append(null[:, i], rest))) for i in range(2)])
    return rows, g, psi, null


def _finish(scaled: Scaled, y: Array, extra: float | None, residual: float, test: float, v, w) -> Located:
    """Return the result in original units."""
    n, d = scaled.n, scaled.d
    v = v * d[:n]
    v = v / np.linalg.norm(v)
    w = w * scaled.rows / d[:n]
    product = np.vdot(w, v)
    if product != 0.0:
        w = w / np.conj(product)
    # Newton that converges to zero leaves 1e-40: what is far below rounding in scaled variables is zero
    return Located(np.where(np.abs(y) < 1e-25, 0.0, y) * d, extra, residual, test, v, w)


def solve_spectral(
    curve: Curve, label: str, z: Array, extra: float | None, d: Array, tol: float = 1e-11, max_iter: int = 20
) -> Located | None:
    """Newton on F = 0 with the conditions of `label` from the guess (z, extra); None if it does not converge."""
    for h in (LENGTH, SHORTEST):
        found = _spectral(Scaled(curve, d, h=h).equilibrated(z / d), label, z / d, extra, tol, max_iter)
        if found is not None:
            return found
    return None


def _spectral(scaled: Scaled, label: str, y: Array, extra: float | None, tol: float, max_iter: int) -> Located | None:
    n, curve = scaled.n, scaled.curve
    conditions = CONDITIONS[label, curve.is_map]
    rng = np.random.default_rng(0)
    e = 0.0 if extra is None else float(extra)
    vectors: list[tuple[NDArray[Any], NDArray[Any]]] = []
    last = np.inf
    for it in range(max_iter):
        f, jac = scaled.residual_and_jacobian(y)
        if not (np.all(np.isfinite(f)) and np.all(np.isfinite(jac))):
            return None
        rows, values = [], []
        for i, condition in enumerate(conditions):
            a = jac[:, :n] - condition.shift(e) * np.diag(scaled.rows)
            if it == 0:
                vectors.append(_null_vectors(a, rng))
            bordered = singular_row(scaled, y, a, *vectors[i])
            if bordered is None:
                return None
            row, g, vectors[i], product = bordered
            if condition.slope is not None:
                row = np.append(row, condition.slope(e) * product)
            parts = (np.real, np.imag) if np.iscomplexobj(a) else (np.real,)
            rows += [part(row) for part in parts]
            values += [float(part(g)) for part in parts]
        m = n + len(rows)
        matrix = np.zeros((m, m))
        matrix[:n, : n + 1] = jac
        matrix[n:] = np.array(rows)
        rate = max(abs(e), 1.0)  # the extra unknown is one: of a large one rounding is large
        matrix[:, n + 1 :] *= rate
        try:
            step = np.linalg.solve(matrix, -np.concatenate([f, values]))
        except np.linalg.LinAlgError:
            return None
        y = y + step[: n + 1]
        if m > n + 1:
            e += rate * float(step[n + 1])
        if not np.all(np.abs(step) < FAR):
            return None
        size = float(np.linalg.norm(step))
        if scaled.finished(it, max_iter, last, size, tol):
            residual = float(np.max(np.abs(scaled.residual_and_jacobian(y)[0])))
            test = float(np.max(np.abs(values)))
            return _finish(scaled, y, e if m > n + 1 else None, residual, test, *vectors[0])
        last = size
    return None


def solve_branch_point(curve: Curve, z: Array, d: Array, tol: float = 1e-11, max_iter: int = 20) -> Located | None:
    """Newton on ``F + beta b = 0``, rank [F_x, F_q] = n - 1, from the guess z; None if it does not converge.

    Minimally augmented form of ``F + beta psi = 0, F_x^T psi = 0, psi^T F_q = 0, |psi| = 1``: N bordered by b and by
    two rows spanning its null space gives psi and two scalars that vanish exactly where the rank drops.
    """
    for h in (LENGTH, SHORTEST):
        found = _rank_drop(Scaled(curve, d, h=h).equilibrated(z / d), z / d, tol, max_iter)
        if found is not None:
            return found
    return None


def _rank_drop(scaled: Scaled, y: Array, tol: float, max_iter: int) -> Located | None:
    n, beta = scaled.n, 0.0
    b = c = None
    last = np.inf
    for it in range(max_iter):
        f, jac = scaled.residual_and_jacobian(y)
        if not (np.all(np.isfinite(f)) and np.all(np.isfinite(jac))):
            return None
        if b is None or c is None:
            u, _, vh = svd(jac)
            b, c = u[:, -1], vh[-2:]
        bordered = rank_rows(scaled, y, jac, b, c)
        if bordered is None:
            return None
        rows, g, psi, null = bordered
        matrix = np.zeros((n + 2, n + 2))
        matrix[:n, : n + 1] = jac
        matrix[:n, n + 1] = b
        matrix[n:, : n + 1] = rows
        try:
            step = np.linalg.solve(matrix, -np.concatenate([f + beta * b, g]))
        except np.linalg.LinAlgError:
            return None
        if not np.all(np.abs(step) < FAR):
            return None
        y = y + step[: n + 1]
        beta += float(step[n + 1])
        b = psi / np.linalg.norm(psi)
        c = np.linalg.qr(null)[0].T
        size = float(np.linalg.norm(step))
        if scaled.finished(it, max_iter, last, size, tol):
            f, jac = scaled.residual_and_jacobian(y)
            # the state direction of the null space: (v, 0) within it
            rotation = np.array([null[-1, 1], -null[-1, 0]])
            v = (null @ rotation)[:n] if np.linalg.norm(rotation) > 1e-12 * np.linalg.norm(null) else null[:n, 0]
            found = _finish(scaled, y, None, float(np.max(np.abs(f))), float(np.max(np.abs(g))), v, b)
            return dataclasses.replace(found, null=c)
        last = size
    return None
