"""The equations near a singular point, reduced to its kernel, and all branches that pass through the point.

With the null space ``Phi`` (n+1, m+1) of the scaled Jacobian N at y0 and its left null space ``Psi`` (n, m), the system
``F(y) + Psi g = 0, Phi^T (y - y0) = a`` is regular near y0 and defines ``g(a)``, m functions of m + 1 variables whose
zeros are the solutions there: the reduction of Lyapunov and Schmidt, solved numerically instead of expanded.  Every
branch through the point leaves a small sphere ``|a| = r`` at two zeros of g (Golubitsky and Schaeffer 1985, chapter I).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ntkcont.dynamics.deflation import System, deflated_newton
from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.defining import LU, Scaled
from ntkcont.roots import bracketed_root

#: Radii of the sphere, in scaled variables; the first at which the next smaller one shows the same branches serves.
RADII = (3e-2, 1e-2, 4e-3, 1.6e-3, 6.4e-4, 2.5e-4, 1e-4)
#: More zeros than this on a sphere are a curve of zeros.
MOST = 48
#: Zeros beside others are looked for from this many radii beside them.
BESIDE = 0.7
#: Cosine above which two branches have one tangent.
TANGENT = 0.98
#: Samples on a circle; steps of the search for a minimum between them; what is negative there by more than rounding.
SAMPLES, DIP, NOISE = 180, 24, 1e-7
GOLDEN = 0.5 * (5.0**0.5 - 1.0)


class NoBranches(ArithmeticError):
    """The branches through a point cannot be told; the message says why."""


@dataclasses.dataclass(frozen=True)
class Passing:
    """A branch through the point y0: ``y0 + h tangent + h^2 bend + h^3 twist``, with a unit tangent."""

    tangent: Array
    bend: Array
    twist: Array


class Reduced:
    """The functions g(a) near the point y0 (scaled variables)."""

    def __init__(self, scaled: Scaled, y0: Array, m: int) -> None:
        self.scaled, self.y0, self.m = scaled, y0, m
        u, _, vh = svd(scaled.residual_and_jacobian(y0)[1])
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

    return [np.array([np.cos(angle), np.sin(angle)]) for angle in _angles(value)]


def _angles(value: Callable[[float], float]) -> list[float]:
    """Return the zeros of a function of the angle, those between two samples of the same sign as well.

    Branches with one tangent are about r apart on a circle of radius r.  Known zeros are divided out, and where the
    rest dips towards zero its minimum is looked at.
    """
    angles = 0.0123 + np.linspace(0.0, 2.0 * np.pi, SAMPLES + 1)
    known = {float(angle): value(float(angle)) for angle in angles[:-1]}
    signs = [known[float(angle)] for angle in (*angles[:-1], angles[0])]
    roots = [
        bracketed_root(value, float(angles[i]), float(angles[i + 1]), tol=1e-13)
        for i in range(SAMPLES)
        if signs[i] * signs[i + 1] < 0.0
    ]

    def rest(angle: float) -> float:
        g = known[angle] if angle in known else value(angle)
        return g / float(np.prod(np.sin(0.5 * (angle - np.array(roots))))) if roots else g

    while len(roots) <= MOST:
        pair = _pair_in_a_dip(rest, angles)
        if pair is None:
            return roots
        roots += pair
    return roots


def _pair_in_a_dip(rest: Callable[[float], float], angles: Array) -> list[float] | None:
    """Return two zeros between neighbouring angles of a function that has one sign at all of them; None if none are."""
    step = float(angles[1] - angles[0])
    values = [rest(float(angle)) for angle in angles[:-1]]
    for i, here in enumerate(values):
        before, after = values[i - 1], values[(i + 1) % SAMPLES]
        if not (abs(here) <= min(abs(before), abs(after)) and here * before > 0.0 and here * after > 0.0):
            continue
        middle = float(angles[i])
        low, high = middle - step, middle + step
        sign, (a, b) = np.sign(here), (low, high)
        for _ in range(DIP):  # golden section
            one, two = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
            at_one, at_two = sign * rest(one), sign * rest(two)
            lowest = one if at_one < at_two else two
            if min(at_one, at_two) < -NOISE * abs(here):
                return [bracketed_root(rest, *ends, tol=1e-13) for ends in ((low, lowest), (lowest, high))]
            a, b = (a, two) if at_one < at_two else (one, b)
    return None


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
    _beside(system, found, r)
    if len(found) > MOST or any(_singular(system(u)) for u in found):
        msg = (
            "its kernel has dimension 2 and the solutions around it form surfaces (a continuous symmetry?); "
            "fix the phase with one more equation"
        )
        raise NoBranches(msg)
    return found


def _beside(system: System, found: list[Array], r: float) -> None:
    """Add the zeros close to those found: branches with one tangent are about r apart on a sphere of radius r."""
    queue = list(found)
    while queue and len(found) <= MOST:
        u = queue.pop()
        for e in svd(u[None])[2][1:]:
            for step in (r, -r):
                new = deflated_newton(system, u + BESIDE * step * e, found, tol=1e-9, max_iter=20, reach=r)
                if new is not None and np.min(np.linalg.norm(np.array(found) - new, axis=1)) > 1e-5:
                    found.append(new)
                    queue.append(new)


def _singular(evaluated: tuple[Array, Array] | None) -> bool:
    """Whether a zero is not isolated: it belongs to a curve of zeros on the sphere."""
    if evaluated is None:
        return True
    singular = svd(evaluated[1], compute_uv=False)
    return bool(singular[-1] < 1e-7 * singular[-2])


def _paired(zeros: list[Array], reduced: Reduced, r: float) -> list[Passing] | None:
    """Join the zeros on opposite sides to branches; None if some have no opposite."""
    left, pairs = list(zeros), []
    while left:
        first = left.pop(0)
        if not left:
            return None
        second = left.pop(_opposite(first, left))
        if first @ second > -0.9 * np.linalg.norm(first) * np.linalg.norm(second):
            return None
        ends = [reduced(r * u) for u in (first, second)]
        if ends[0] is None or ends[1] is None:
            return None
        one, two = ends[0][2] - reduced.y0, ends[1][2] - reduced.y0
        tangent = (first - second) @ reduced.null  # without what is of third order beside the null space
        tangent = tangent / np.linalg.norm(tangent)
        h = 0.5 * float(tangent @ (one - two))
        pairs.append(Passing(tangent, 0.5 * (one + two) / h**2, (0.5 * (one - two) - h * tangent) / h**3))
    return pairs


def _opposite(first: Array, others: list[Array]) -> int:
    """Return which zero continues the branch of `first` on the other side.

    Where several branches have one tangent, it is the one that bends away from the tangent as `first` does.
    """
    cosines = np.array([first @ u / (np.linalg.norm(first) * np.linalg.norm(u)) for u in others])
    along = np.flatnonzero(cosines < -TANGENT)
    if len(along) < 2:
        return int(np.argmin(cosines))
    same = [first, *(u for u, cosine in zip(others, cosines, strict=True) if cosine > TANGENT)]
    tangent = np.mean(same, axis=0) - np.mean([others[i] for i in along], axis=0)
    tangent = tangent / np.linalg.norm(tangent)
    bends = [u - (u @ tangent) * tangent for u in (first, *(others[i] for i in along))]
    return int(along[int(np.argmin([np.linalg.norm(bend - bends[0]) for bend in bends[1:]]))])


def _agree(one: list[Passing], other: list[Passing]) -> bool:
    """Whether two sets of branches have the same tangents, up to what the size of the sphere changes."""
    if len(one) != len(other):
        return False
    cosines = np.abs(np.array([each.tangent for each in one]) @ np.array([each.tangent for each in other]).T)
    for row in cosines:  # several may have the same tangent
        best = int(np.argmax(row))
        if not row[best] > TANGENT:
            return False
        cosines[:, best] = -1.0
    return True


def branches_around(reduced: Reduced) -> list[Passing]:
    """Return all branches through the point, from spheres around it."""
    search = _on_circle if reduced.m == 1 else _on_sphere
    before: list[Passing] | None = None
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
