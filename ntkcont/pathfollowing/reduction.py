"""The equations near a singular point, reduced to its kernel, and all branches that pass through the point.

With the null space ``Phi`` (n+1, m+1) of the scaled Jacobian N at y0 and its left null space ``Psi`` (n, m), the system
``F(y) + Psi g = 0, Phi^T (y - y0) = a`` is regular near y0 and defines ``g(a)``, m functions of m + 1 variables whose
zeros are the solutions there: the reduction of Lyapunov and Schmidt, solved numerically instead of expanded.  Every
branch through the point leaves a small sphere ``|a| = r`` at two zeros of g (Golubitsky and Schaeffer 1985, chapter I).
"""

from __future__ import annotations

import numpy as np

from ntkcont.dynamics.deflation import deflated_newton
from ntkcont.models.model import Array
from ntkcont.pathfollowing.defining import LU, Scaled
from ntkcont.roots import bracketed_root

#: Radii of the sphere, in scaled variables; the first at which the next smaller one shows the same branches serves.
RADII = (3e-2, 1e-2, 4e-3, 1.6e-3, 6.4e-4, 2.5e-4, 1e-4)
#: More zeros than this on a sphere are a curve of zeros.
MOST = 48


class NoBranches(ArithmeticError):
    """The branches through a point cannot be told; the message says why."""


class Reduced:
    """The functions g(a) near the point y0 (scaled variables)."""

    def __init__(self, scaled: Scaled, y0: Array, m: int) -> None:
        self.scaled, self.y0, self.m = scaled, y0, m
        u, _, vh = np.linalg.svd(scaled.residual_and_jacobian(y0)[1])
        self.psi = u[:, scaled.n - m :]
        self.null = vh[scaled.n - m :]

    def matrix(self, jacobian: Array) -> Array:
        """Return [[N, Psi], [Phi^T, 0]]."""
        n, m = self.scaled.n, self.m
        full = np.zeros((n + m + 1, n + m + 1))
        full[:n, : n + 1] = jacobian
        full[:n, n + 1 :] = self.psi
        full[n:, : n + 1] = self.null
        return full

    def __call__(self, a: Array) -> tuple[Array, Array, Array] | None:
        """Return g (m,), its derivative (m, m+1) and the point y (n+1,) with the coordinates a; None if Newton fails.

        Newton must contract at once, so that it cannot leave for another solution.
        """
        n, m = self.scaled.n, self.m
        y = self.y0 + a @ self.null
        g = np.zeros(m)
        reach = float(np.linalg.norm(a))
        for _ in range(12):
            f, jacobian = self.scaled.residual_and_jacobian(y)
            lu = LU(self.matrix(jacobian))
            right = np.zeros((n + m + 1, m + 2))
            right[:n, 0] = -(f + self.psi @ g)
            right[n:, 0] = a - self.null @ (y - self.y0)
            right[n:, 1:] = np.eye(m + 1)
            solved = lu.solve(right)
            step = solved[:, 0]
            size = float(np.linalg.norm(step[: n + 1]))
            if not np.isfinite(size) or size > 2.0 * reach:
                return None
            y = y + step[: n + 1]
            g = g + step[n + 1 :]
            if size <= 1e-9 * reach:
                return g, solved[n + 1 :, 1:], y
        return None


def quadratic_directions(reduced: Reduced) -> Array | None:
    """Return the two directions of a simple branch point, shape (2, n+1), from the algebraic branching equation.

    ``sum_ij Psi^T N'(phi_i) phi_j a_i a_j = 0``; None where it is degenerate, NoBranches where it has no solution.
    """
    scaled, null = reduced.scaled, reduced.null
    psi = reduced.psi[:, 0]
    form = np.array([psi @ scaled.along(reduced.y0, np.ascontiguousarray(phi)) @ null.T for phi in null])
    form = 0.5 * (form + form.T)
    size = float(np.linalg.norm(form))
    values, vectors = np.linalg.eigh(form)
    noise = 1e-8 * max(float(np.linalg.norm(scaled.residual_and_jacobian(reduced.y0)[1], 2)), 1e-300)
    if size <= noise or abs(values[0] * values[1]) <= max(1e-8 * size, noise) * size:
        return None
    if values[0] * values[1] > 0.0:
        msg = "the branching equation has no real direction: the point is isolated"
        raise NoBranches(msg)
    first = np.sqrt(abs(values[1])) * vectors[:, 0]
    second = np.sqrt(abs(values[0])) * vectors[:, 1]
    found = np.array([first + second, first - second]) @ null
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _on_circle(reduced: Reduced, r: float, _: list[Array]) -> list[Array]:
    """Return the zeros of g on a circle (kernel of dimension 1), by its changes of sign."""

    def value(angle: float) -> float:
        result = reduced(r * np.array([np.cos(angle), np.sin(angle)]))
        if result is None:
            msg = "the reduced equation cannot be solved there"
            raise NoBranches(msg)
        return float(result[0][0])

    angles = 0.0123 + np.linspace(0.0, 2.0 * np.pi, 181)
    values = [value(angle) for angle in angles[:-1]]
    values.append(values[0])
    roots = [
        bracketed_root(value, float(angles[i]), float(angles[i + 1]), tol=1e-13)
        for i in range(len(angles) - 1)
        if values[i] * values[i + 1] < 0.0
    ]
    return [np.array([np.cos(angle), np.sin(angle)]) for angle in roots]


def _on_sphere(reduced: Reduced, r: float, near: list[Array]) -> list[Array]:
    """Return the zeros of g on a sphere (kernel of dimension 2), by deflated Newton from all around it.

    `near` are those of another sphere: where only terms of the fifth order tell branches apart few other starts lead to
    them on a small one.
    """

    def system(u: Array) -> tuple[Array, Array] | None:
        if np.linalg.norm(u) > 3.0:
            return None
        result = reduced(r * u)
        if result is None:
            return None
        g, slope, _ = result
        # in units of the cubic terms: the deflation leaves Newton's directions alone, but not the sizes
        return np.append(g / r**3, 0.5 * (u @ u - 1.0)), np.vstack([slope / r**2, u])

    count = 40
    k = np.arange(count) + 0.5
    height, angle = 1.0 - 2.0 * k / count, np.pi * (1.0 + np.sqrt(5.0)) * k
    ring = np.sqrt(1.0 - height**2)
    around = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    starts = [*near, *(-u for u in near), *around]
    found: list[Array] = []
    for start in starts:
        while len(found) <= MOST:
            new = deflated_newton(system, start, found, tol=1e-9, max_iter=40, reach=0.5)
            if new is None:
                break
            if not found or np.min(np.linalg.norm(np.array(found) - new, axis=1)) > 1e-5:
                found += [new]
            else:
                break
            mirrored = deflated_newton(system, -new, found, tol=1e-9, max_iter=12, reach=0.5)
            if mirrored is not None and np.min(np.linalg.norm(np.array(found) - mirrored, axis=1)) > 1e-5:
                found += [mirrored]
    if len(found) > MOST or any(_singular(system(u)) for u in found):
        msg = (
            "its kernel has dimension 2 and the solutions around it form surfaces (a continuous symmetry?); "
            "fix the phase with one more equation"
        )
        raise NoBranches(msg)
    return found


def _singular(evaluated: tuple[Array, Array] | None) -> bool:
    """Whether a zero is not isolated: it belongs to a curve of zeros on the sphere."""
    if evaluated is None:
        return True
    singular = np.linalg.svd(evaluated[1], compute_uv=False)
    return bool(singular[-1] < 1e-7 * singular[-2])


def _paired(zeros: list[Array], reduced: Reduced, r: float) -> list[tuple[Array, Array]] | None:
    """Join the zeros on opposite sides to branches (tangent, bend); None if some have no opposite."""
    left, pairs = list(zeros), []
    while left:
        first = left.pop(0)
        if not left:
            return None
        opposite = int(np.argmin([first @ other for other in left]))
        second = left.pop(opposite)
        if first @ second > -0.9 * np.linalg.norm(first) * np.linalg.norm(second):
            return None
        ends = [reduced(r * u) for u in (first, second)]
        if ends[0] is None or ends[1] is None:
            return None
        one, two = ends[0][2] - reduced.y0, ends[1][2] - reduced.y0
        tangent = (first - second) @ reduced.null  # without what is of third order beside the null space
        tangent = tangent / np.linalg.norm(tangent)
        length = float(np.linalg.norm(one - two))
        pairs.append((tangent, 2.0 * (one + two) / length**2))
    return pairs


def _agree(one: list[tuple[Array, Array]], other: list[tuple[Array, Array]]) -> bool:
    """Whether two sets of branches have the same tangents, up to what the size of the sphere changes."""
    if len(one) != len(other):
        return False
    cosines = np.abs(np.array([u for u, _ in one]) @ np.array([u for u, _ in other]).T)
    return bool(len(set(np.argmax(cosines, axis=1))) == len(one) and np.all(np.max(cosines, axis=1) > 0.98))


def branches_around(reduced: Reduced) -> list[tuple[Array, Array]]:
    """Return (tangent, bend) of all branches through the point, from spheres around it.

    They are ``y0 + h tangent + h^2 bend``, with unit tangents, in scaled variables.
    """
    search = _on_circle if reduced.m == 1 else _on_sphere
    before: list[tuple[Array, Array]] | None = None
    zeros: list[Array] = []
    reasons: list[NoBranches] = []
    for r in RADII:
        try:
            zeros = search(reduced, r, zeros)
            found = _paired(zeros, reduced, r)
        except NoBranches as error:
            reasons.append(error)
            if len(reasons) > 1 and "surfaces" in str(error):
                raise
            found = None
        if found and before is not None and _agree(before, found):
            return found
        before = found
    if reasons:
        raise reasons[-1]
    msg = f"its kernel has dimension {reduced.m} and the branches around it could not be told apart"
    raise NoBranches(msg)
