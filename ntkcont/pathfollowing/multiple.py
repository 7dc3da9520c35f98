"""Branch points with a kernel of several dimensions, as symmetric systems have them."""

from __future__ import annotations

import numpy as np

from ntkcont.linear import least_squares, svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.defining import FAR, LU, Located, Scaled, in_units
from ntkcont.pathfollowing.units import own_units

#: Singular values below this fraction of the largest, here or a unit of length away, belong to the kernel.
SMALL = 1e-6
#: What is left of those that vanish where Newton has found the point.
ACCURATE = 1e-9
#: On the branch F is this small beside its terms, or at most so many times what it is at neighbouring points.
ON_BRANCH, BESIDE = 1e-9, 1e3


def on_branch(curve: Curve, z: Array, ends: tuple[Array, Array]) -> bool:
    """Whether F vanishes at z as it does at two points of the branch beside it, or beside the terms it is made of.

    No scales are asked: in those with which a branch comes from far away nothing near zero is large.
    """
    f, a, slope = curve.system(np.ascontiguousarray(z))
    if not (np.all(np.isfinite(f)) and np.all(np.isfinite(a))):
        return False
    size = np.abs(z) + np.abs(ends[1] - ends[0])
    terms = np.abs(a) @ size[:-1] + np.abs(slope) * size[-1]
    beside = np.max([np.abs(curve.system(end)[0]) for end in ends], axis=0)
    return bool(np.all(np.abs(f) <= ON_BRANCH * terms + BESIDE * beside))


def kernel_dimension(curve: Curve, z: Array, d: Array, small: float = SMALL) -> int:
    """Return by how much the rank of [F_x, F_q] falls short of n at z.

    Neither the units of the equations nor that of the parameter matter: rows and the last column have size 1, here or a
    unit of length away.
    """
    scaled = Scaled(curve, d).equilibrated(z / d)
    jacobian = scaled.residual_and_jacobian(z / d)[1]
    if not np.all(np.isfinite(jacobian)):
        return 0
    with np.errstate(all="ignore"):
        change = scaled.changes(z / d)[:, -1]
    column = max(float(np.linalg.norm(jacobian[:, -1])), float(np.linalg.norm(change[np.isfinite(change)])))
    if column > 0.0:
        jacobian[:, -1] /= column
    return int(np.sum(svd(jacobian, compute_uv=False) <= small))


def solve_multiple(curve: Curve, z: Array, d: Array, m: int) -> Located | None:
    """Return the point near z at which the rank of [F_x, F_q] is n - m; None if Newton finds none.

    In units of a long interval different points are one: it must be there in those of the parameter itself.
    """
    found = _gauss_newton(curve, z, d, m)
    if found is None or np.array_equal(own := own_units(found.z, d), d):
        return found
    finer = _gauss_newton(curve, found.z, own, m)
    if finer is not None:
        return in_units(curve, finer, d)
    return found if kernel_dimension(curve, found.z, own) >= m else None


def _gauss_newton(curve: Curve, z: Array, d: Array, m: int, tol: float = 1e-10, max_iter: int = 12) -> Located | None:
    """Gauss-Newton on F = 0, rank [F_x, F_q] = n - m, from the guess z; None if it does not converge.

    N bordered by its left and right null spaces gives the m (m + 1) numbers that vanish where the rank is n - m.  There
    are more equations than unknowns: only a symmetry makes them have a solution, and then the least squares find it.
    """
    y, n = z / d, curve.n
    scaled = Scaled(curve, d).equilibrated(y)
    _, jac = scaled.residual_and_jacobian(y)
    if not np.all(np.isfinite(jac)):
        return None
    u, _, vh = svd(jac)
    psi, null = u[:, n - m :], vh[n - m :]
    for _ in range(max_iter):
        f, jac = scaled.residual_and_jacobian(y)
        if not (np.all(np.isfinite(f)) and np.all(np.isfinite(jac))):
            return None
        border = np.zeros((n + m + 1, n + m + 1))
        border[:n, : n + 1] = jac
        border[:n, n + 1 :] = psi
        border[n:, : n + 1] = null
        lu = LU(border)
        unit = np.zeros((n + m + 1, m + 1))
        unit[n:] = np.eye(m + 1)
        right = lu.solve(unit)
        last = np.zeros((n + m + 1, m))
        last[n + 1 :] = np.eye(m)
        left = lu.solve(last, trans=1)[:n]
        phi, g = right[: n + 1], right[n + 1 :]
        if not (np.all(np.isfinite(right)) and np.all(np.isfinite(left))):
            return None
        changes = [scaled.along(y, np.ascontiguousarray(phi[:, j])) for j in range(m + 1)]
        matrix = np.vstack([jac, *(-(left[:, i] @ change) for i in range(m) for change in changes)])
        values = np.concatenate([f, g.ravel()])
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(values))):
            return None
        step = least_squares(matrix, -values, 1e-10)
        if not np.all(np.abs(step) < FAR):
            return None
        y = y + step
        if np.linalg.norm(step) < tol:
            f, jac = scaled.residual_and_jacobian(y)
            if not np.all(np.isfinite(jac)):
                return None
            u, singular, vh = svd(jac)
            if np.max(np.abs(f)) > 1e-11 or singular[n - m] > ACCURATE:
                return None
            v, w = _vectors(scaled.rows[:, None] * u[:, n - m :], vh[n - m :], d, n)
            return Located(y * d, None, float(np.max(np.abs(f))), float(singular[n - m]), v, w, vh[n - m :])
    return None


def _vectors(psi: Array, null: Array, d: Array, n: int) -> tuple[Array, Array]:
    """Return one critical vector of the state and its left partner, in original units, w* v = 1 if possible."""
    # within the null space those directions that leave the parameter alone
    turned = svd(null[:, -1:].T)[2][1:] @ null
    v = turned[0, :n] * d[:n]
    v = v / np.linalg.norm(v)
    with np.errstate(all="ignore"):  # scales may be as small as 1e-150
        rows = psi.T / d[:n]
        w = (rows @ v) @ rows
        return v, w / (w @ v) if w @ v != 0.0 else w
