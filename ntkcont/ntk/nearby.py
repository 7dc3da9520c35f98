"""Points of a branch at geometrically spaced distances from a special point, closer than a continuation steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK

Array = NDArray[np.float64]

# scaled distances along the tangent; where the branch is vertical the parameter moves by their squares
_DISTANCES = 10.0 ** np.linspace(-5.0, -2.5, 11)
_VERTICAL_DISTANCES = 10.0 ** np.linspace(-3.0, -1.5, 11)
_VERTICAL = 1e-4
_ITERATIONS = 12
_TINY = 1e-9


class Found(NamedTuple):
    """K points: signed distances h along the tangent, states (K, n), parameter values (K,)."""

    h: Array
    x: Array
    p: Array


class Neighbours:
    """The branch through a special point, by Newton's method on ``f = 0, t (z - z*) = h``.

    Attributes
    ----------
    x, p : ndarray (n,), float
        The special point.
    scale : ndarray, shape (n+1,)
        Units of the scaled variables.
    t : ndarray, shape (n+1,)
        Unit tangent in scaled variables.
    vertical : bool
        Whether the parameter does not move along it.
    """

    def __init__(self, bound: BoundNTK, x: ArrayLike, p: float, tangent: ArrayLike) -> None:
        self.model, self.free = bound.model, str(bound.free)
        self.params = dict(zip(self.model.params, bound.values, strict=True))
        self.x, self.p = np.array(x, dtype=float), float(p)
        n = self.model.n
        self.reference = bound.magnitudes.states
        self.scale = np.append(self.reference * np.sqrt(n), bound.magnitudes.extent)
        t = np.asarray(tangent, dtype=float) / self.scale
        self.t = t / np.linalg.norm(t)
        self.vertical = bool(abs(self.t[-1]) < _VERTICAL)
        self.z = np.append(self.x, self.p)
        self._points: dict[float, Array] = {0.0: self.z}

    @property
    def order(self) -> int:
        """The power l of ``|p - p*| ~ |h|^l``."""
        return 2 if self.vertical else 1

    def side(self, sign: float) -> Found:
        """Return the points on one side, from the nearest on; it ends where Newton does not converge."""
        h_all = sign * (_VERTICAL_DISTANCES if self.vertical else _DISTANCES)
        rows: list[Array] = []
        bend = np.zeros(len(self.z))  # (z - z* - h t)/h^2 at the last point
        for h in h_all:
            guess = h * self.t + h * h * bend
            z = self._newton(self.z + guess * self.scale, float(h))
            if z is None:
                break
            bend = ((z - self.z) / self.scale - h * self.t) / h**2
            rows.append(self._snapped(z))
        z = np.array(rows).reshape(-1, len(self.z))
        return Found(h_all[: len(z)], z[:, :-1], z[:, -1])

    def at(self, h: float) -> Array:
        """Return the point of the branch at the signed distance h; that of the tangent if Newton does not converge."""
        if h not in self._points:
            guess = self.z + h * self.t * self.scale
            z = self._newton(guess, h)
            self._points[h] = guess if z is None else self._snapped(z)
        return self._points[h]

    def residual(self, z: Array) -> Array:
        """Return f(x, p), for maps G(x, p) - x."""
        values = {**self.params, self.free: float(z[-1])}
        f = self.model.rhs(z[:-1], values)
        return f - z[:-1] if self.model.kind == "map" else f

    def jacobian(self, z: Array) -> Array:
        """Return the derivative of :meth:`residual` in scaled variables, shape (n, n+1)."""
        values = {**self.params, self.free: float(z[-1])}
        J = self.model.jac(z[:-1], values)
        J = J - np.eye(len(J)) if self.model.kind == "map" else J
        return np.column_stack([J, self.model.dfdp(z[:-1], self.free, values)]) * self.scale

    def _newton(self, z: Array, h: float) -> Array | None:
        """Return the point at distance h, or None."""
        last = np.inf
        for _ in range(_ITERATIONS):
            matrix = np.vstack([self.jacobian(z), self.t])
            right = np.append(self.residual(z), self.t @ ((z - self.z) / self.scale) - h)
            if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(right))):
                return None
            try:
                step = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                return None
            size = float(np.linalg.norm(step))
            if not size < 0.5 * abs(h):
                return None
            z = z - step * self.scale
            if size < 1e-15 or (size < 1e-6 * abs(h) and size >= 0.5 * last):
                break
            last = size
        else:
            return None
        return z if np.linalg.norm((z - self.z) / self.scale - h * self.t) < 0.5 * abs(h) else None

    def _snapped(self, z: Array) -> Array:
        """Return the point with rounding replaced by zeros if it is a fixed point exactly then."""
        zeros = np.abs(z[:-1]) < _TINY * self.reference
        if not np.any(zeros):
            return z
        snapped = z.copy()
        snapped[:-1][zeros] = 0.0
        return snapped if not np.any(self.residual(snapped)) else z
