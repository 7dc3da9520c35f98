"""One point of a curve of special points: its label, eigenvalues, and the test functions of codimension two."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.pathfollowing.critical import Pair, RankDrop, Singular, State, System

Complex = NDArray[np.complex128]

#: Steps of the second differences in scaled variables: fourth order, so the error is about 1e-10.
_STEP = 4e-3


@dataclasses.dataclass(frozen=True)
class CriticalNode:
    """A point of the curve.

    ``u = (y, extra)`` and the unit tangent ``tau`` are in the scales `d`; `rest` are the eigenvalues (multipliers)
    without the critical ones; `tests` vanish at points of codimension two, and `sizes` holds the size of the terms of
    those that are sums which may cancel; `omega` and `coefficient` (a, l1, b, d of
    the normal form, for critical vectors of norm 1 in original units) are nan where there is none.
    """

    u: Array
    tau: Array
    d: Array
    s: float
    label: str
    eigenvalues: Complex
    rest: Complex
    n_unstable: int
    omega: float
    tests: dict[str, float]
    sizes: dict[str, float]
    coefficient: float
    residual: float
    state: State

    @property
    def z(self) -> Array:
        """(x, q1, q2) in original units."""
        return self.u[: len(self.d)] * self.d

    @property
    def tangent(self) -> Array:
        """(dx, dq1, dq2)/ds in original units."""
        return self.tau[: len(self.d)] * self.d

    def in_scales(self, d: Array) -> Array:
        """Return u in other scales."""
        return np.concatenate([self.z / d, self.u[len(d) :]])


def describe(system: System, label: str, u: Array, tau: Array, s: float, residual: float) -> CriticalNode:
    """Return the node at u, at or next to which `system` has evaluated its equations last."""
    curve = system.scaled.curve
    lam: Complex = np.linalg.eigvals(system.a).astype(complex)
    if curve.is_map:
        lam = lam + 1.0
    omega = np.nan
    if isinstance(system, Pair):
        angle = system.angle
        root = np.sqrt(complex(angle * angle - 1.0)) if curve.is_map else np.sqrt(complex(-angle))
        critical = [angle + root, angle - root] if curve.is_map else [root, -root]
        if system.is_complex:
            label = "NS" if curve.is_map else "H"
            omega = float(np.arccos(angle)) if curve.is_map else float(np.sqrt(angle))
        else:
            label = "NSad"
    else:
        critical = [-1.0 if label == "PD" else (1.0 if curve.is_map else 0.0)]
    rest = lam
    for value in critical:
        rest = np.delete(rest, int(np.argmin(np.abs(rest - value))))
    tests, sizes, coefficient = _tests(system, label, u)
    unstable = np.abs(rest) > 1.0 + 1e-11 if curve.is_map else rest.real > 1e-11 * max(float(np.abs(lam).max()), 1e-300)
    return CriticalNode(
        u=u, tau=tau, d=system.d, s=s, label=label, eigenvalues=lam, rest=rest, n_unstable=int(unstable.sum()),
        omega=omega, tests=tests, sizes=sizes, coefficient=coefficient, residual=residual, state=system.state,
    )  # fmt: skip


def _tests(system: System, label: str, u: Array) -> tuple[dict[str, float], dict[str, float], float]:
    """Return test functions, sizes of their terms, and the coefficient of the normal form."""
    is_map = system.scaled.curve.is_map
    y = u[: system.n + 2]
    if isinstance(system, Pair):
        angle, name = system.angle, "CH" if is_map else "GH"
        value, size, coefficient = _lyapunov(system, y) if system.is_complex else (np.nan, 1.0, np.nan)
        resonances = {"R1": 1.0 - angle, "R2": 1.0 + angle, "R3": angle + 0.5, "R4": angle}
        return {name: value, **(resonances if is_map else {"BT": angle})}, {name: size}, coefficient
    assert isinstance(system, Singular | RankDrop)
    product = system.product
    double = {"R1" if is_map else "BT": product}
    if isinstance(system, RankDrop):
        return double, {}, np.nan
    length = float(np.linalg.norm(system.v * system.d[: system.n]))
    if label == "PD":
        b, size = _flip(system, y)
        return {"GPD": b, "R2": product}, {"GPD": size}, b / (product * length**2) if product != 0.0 else np.nan
    a = 0.5 * float(system.w @ (_second(system, y, system.v) @ system.v))
    return {"CP": a, **double}, {}, a / (product * length) if product != 0.0 else np.nan


def _second(system: System, y: Array, u: Array) -> Array:
    """Return the matrix B(u, .), shape (n, n)."""
    return system.scaled.along(y, np.append(u, np.zeros(len(y) - system.n)))[:, : system.n]


def _third(system: System, y: Array, u: Array) -> Array:
    """Return the matrix C(u, u, .), shape (n, n), by central differences of fourth order."""
    n = system.n
    size = float(np.linalg.norm(u))
    if size == 0.0:
        return np.zeros((n, n))
    step = np.append(_STEP / size * u, np.zeros(len(y) - n))
    total = -30.0 * system.scaled.residual_and_jacobian(y)[1][:, :n]  # system.a is that of the last iterate
    for k, weight in ((1, 16.0), (2, -1.0)):
        for sign in (1.0, -1.0):
            total += weight * system.scaled.residual_and_jacobian(y + sign * k * step)[1][:, :n]
    return total / (12.0 * (_STEP / size) ** 2)


def _solve(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return np.full_like(b, np.nan)


def _flip(system: Singular, y: Array) -> tuple[float, float]:
    """Return b of the period doubling for unit vectors (smooth, as a test function), and the size of its terms."""
    q, p = system.v, system.w
    second = _second(system, y, q)
    h = _solve(-system.a, second @ q)
    parts = [_third(system, y, q) @ q, 3.0 * second @ h]
    return float(p @ (parts[0] + parts[1])) / 6.0, _size(p, parts) / 6.0


def _size(p: NDArray[Any], parts: list[NDArray[Any]]) -> float:
    return float(sum(np.abs(p) @ np.abs(part) for part in parts))


def _lyapunov(system: Pair, y: Array) -> tuple[float, float, float]:
    """Return the real cubic coefficient of Hopf or Neimark-Sacker, the size of its terms, and l1 or d.

    Kuznetsov (2004), (5.34) and section 5.4, with the critical vectors in the basis of the invariant subspaces.
    """
    n, is_map = system.n, system.scaled.curve.is_map
    values, right = np.linalg.eig(system.m)
    i = int(np.argmax(np.imag(values)))
    value = complex(values[i])
    q = system.v @ right[:, i]
    inner = np.linalg.eig(system.m.T)
    left = inner[1][:, int(np.argmin(np.abs(inner[0] - value)))].conj()  # left* M = value left*
    p = system.w @ (np.linalg.inv(system.w.T @ system.v).T @ left)
    q = q / np.linalg.norm(q)
    p = p / np.conj(np.vdot(p, q))
    along = _second(system, y, q.real) + 1j * _second(system, y, q.imag)
    a = system.a + np.eye(n) if is_map else system.a
    one, two = (1.0, (value + 1.0) ** 2) if is_map else (0.0, 2j * value.imag)
    h11 = -_solve(a - one * np.eye(n), np.real(along @ q.conj()))
    h20 = -_solve(a - two * np.eye(n), along @ q)
    third = (_third(system, y, q.real) + _third(system, y, q.imag)) @ q
    parts = [third, 2.0 * along @ h11, along.conj() @ h20]
    g21 = np.vdot(p, parts[0] + parts[1] + parts[2])
    length = float(np.linalg.norm(q * system.d[:n]))
    cubic = 0.5 * float((g21 / (value + 1.0)).real if is_map else g21.real)
    scale = length**2 if is_map else value.imag * length**2
    return cubic, 0.5 * _size(p, parts), cubic / scale
