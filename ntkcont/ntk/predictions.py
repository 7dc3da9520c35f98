"""Predicted exponents of the kernels at a special point, from how drive and eigenvalue vanish along the branch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.ntk.chunks import linearised
from ntkcont.ntk.special import bordered_factors, singular_matrix

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK
    from ntkcont.ntk.nearby import Neighbours

Array = NDArray[np.float64]

_STEPS = (1e-3, 1e-2)  # along the branch, for orders of vanishing
_STEP = _STEPS[0]
_CLEAR = 0.2  # how far the power from one distance to the next may be from a whole number
_NOTHING = 1e-6
_ROUNDING = 1e-12
_MULTIPLE = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """What theory says of a kernel: its exponent (inf: identically zero) and the same in words.

    ``text`` is "-2", "bounded" (nothing is singular), "constant" (the drive vanishes as fast as the eigenvalue),
    "+1" (it vanishes), "0 exactly", or "?" (how fast the drive vanishes is unclear; the exponent is nan).
    """

    exponent: float
    text: str


def predict(at: Local) -> dict[str, Prediction]:
    """Return the prediction for each kernel."""
    label, order = at.label, at.neighbours.order
    if label in ("LP", "BP"):
        speed = 2 if label == "BP" and at.neighbours.vertical else 1
        plain = _channels(at.drive_order(), speed, at.order(at.regular), order)
        if label == "LP":
            arc = _regular(at.order(at.arclength), order)
        else:
            # beyond the drive: across the branch at first order, along the critical vector if the branch has speed in p
            drive, regular = at.drive_order(), at.order(at.regular)
            arc = _channels(drive if at.leans() else drive + order - 1, 1, regular, order)
        return {"equilibrium": plain, "resolvent": plain, "arclength": arc}
    return {
        "equilibrium": _regular(at.order(at.equilibrium), order),
        "resolvent": _channels(at.drive_order(), 1, at.order(at.regular), order),
        "arclength": _regular(at.order(at.arclength), order),
    }


def _channels(drive: float, speed: int, regular: float, order: int) -> Prediction:
    """Return the prediction of a singular and a regular channel."""
    singular = 2.0 * (drive - speed) / order
    rest = 2.0 * regular / order
    if math.isnan(singular) or singular <= rest:
        return _said(singular, "constant")
    return _said(rest, "bounded")


def _regular(order: float, per: int) -> Prediction:
    return _said(2.0 * order / per, "bounded")


def _said(exponent: float, finite: str) -> Prediction:
    if math.isnan(exponent):
        return Prediction(exponent=math.nan, text="?")
    if math.isinf(exponent):
        return Prediction(exponent=math.inf, text="0 exactly")
    return Prediction(exponent=exponent, text=finite if exponent == 0.0 else f"{exponent:+g}")


class Local:
    """The scaled linearisation at the point and a little along the branch."""

    def __init__(self, bound: BoundNTK, neighbours: Neighbours, label: str, omega: float | None) -> None:
        self.bound, self.neighbours, self.label, self.omega = bound, neighbours, label, omega
        self.is_map = bound.model.kind == "map"
        self.readout = None if bound.readout is None else bound.readout * bound.state_scale
        A, F, _ = self.linear(0.0)
        size = np.abs(np.linalg.eigvals(singular_matrix(A, label, omega, self.is_map)))
        self.multiplicity = max(1, int(np.sum(size <= _MULTIPLE * size.max())))
        # by how much the source term changes with the states: what "zero" is compared with
        uneven = neighbours.reference * np.cos(1.0 + np.arange(len(A)))  # breaks any symmetry
        moved = self.linear(0.0, np.append(uneven, 0.0))[1]
        self.moved = float(np.linalg.norm(moved))
        self.unit = max(float(np.linalg.norm(F)), _STEP * self.moved)

    def sourceless(self, x: Array, p: Array) -> bool:
        """Whether the source term is zero to rounding at all of some points, (K, n) and (K,)."""
        steps = np.column_stack([x, p]) - self.neighbours.z
        return all(float(np.linalg.norm(self.linear(0.0, step)[1])) <= _ROUNDING * self.moved for step in steps)

    def linear(self, h: float, step: Array | None = None) -> tuple[Array, Array, Array]:
        """Return A, F and the derivative in the free parameter at distance h along the branch, and a step beside."""
        z = self.neighbours.at(h) + (0.0 if step is None else step)
        values = self.bound.values.copy()
        values[self.bound.index] = z[-1]
        b = self.bound
        A, F, fp = linearised(b.source, z[None, :-1], values[None], b.direction, b.state_scale, b.param_scale, b.device)
        return A[0], F[0], fp[0]

    def order(self, quantity: Callable[[float], Any]) -> float:
        """Return the power of h with which a quantity vanishes along the branch: 0, 1, ..., or inf; nan if unclear.

        Higher powers must be the same nearby and farther away: the nearer values may be rounding, and the farther ones
        those of other terms.
        """
        here = self.size(quantity, 0.0)
        orders: list[float] = []
        for step in _STEPS:
            near, far = self.size(quantity, step), self.size(quantity, 2.0 * step)
            if max(here, near, far) <= _NOTHING * _STEP * self.unit:
                continue
            if here > 0.1 * near:
                return 0.0
            if not near > 0.0:
                return math.nan
            exact = math.log2(far / near)
            order = max(1.0, float(round(exact)))
            if order == 1.0:
                return order
            if abs(exact - order) > _CLEAR:
                return math.nan
            orders.append(order)
        if not orders:
            return math.inf
        return orders[0] if len(set(orders)) == 1 else math.nan

    def size(self, quantity: Callable[[float], Any], h: float) -> float:
        """Return the size of a quantity at distance h."""
        return float(np.linalg.norm(quantity(h)))

    def output(self, S: NDArray[Any]) -> NDArray[Any]:
        """Apply the readout."""
        return S if self.readout is None else self.readout @ S

    def split(self, h: float) -> dict[str, Any]:
        """Return the bordered factors of the singular matrix."""
        A, F, _ = self.linear(h)
        return bordered_factors(singular_matrix(A, self.label, self.omega, self.is_map), F, self.multiplicity)

    def drive_order(self) -> float:
        """Return the order of the drive w F, inf where the readout does not see the critical vector."""
        v = self.split(0.0)["v"]
        if np.linalg.norm(self.output(v)) <= _NOTHING * np.linalg.norm(v):
            return math.inf
        return self.order(lambda h: self.split(h)["wF"])

    def regular(self, h: float) -> NDArray[Any]:
        """Return the regular factor X F."""
        return self.output(self.split(h)["XF"])

    def shifted(self, A: Array) -> Array:
        """Return J."""
        return A - np.eye(len(A)) if self.is_map else A

    def equilibrium(self, h: float) -> NDArray[Any]:
        """Return the sensitivity at fixed parameter."""
        A, F, _ = self.linear(h)
        return self.output(np.linalg.solve(self.shifted(A), F))

    def tangent(self) -> Array:
        """Return the tangent in the units of the kernel."""
        near = self.neighbours
        t = near.t * near.scale / np.append(self.bound.state_scale, self.bound.param_scale)
        return t / np.linalg.norm(t)

    def arclength(self, h: float) -> NDArray[Any]:
        """Return the sensitivity at fixed arclength; the tangent turns with h."""
        A, F, fp = self.linear(h)
        rows = np.column_stack([self.shifted(A), fp])
        t = svd(rows)[2][-1]
        right = np.vstack([F, np.zeros(F.shape[1])])
        return self.output(np.linalg.solve(np.vstack([rows, t]), right)[:-1])

    def leans(self) -> bool:
        """Whether the other branch through a branch point moves the states across this one."""
        A, _, fp = self.linear(0.0)
        null = svd(np.column_stack([self.shifted(A), fp]))[2][-2:]
        t = self.tangent()
        across = null - np.outer(null @ t, t)
        direction = svd(across)[2][0]
        return bool(np.linalg.norm(self.output(direction[:-1])) > 1e3 * _NOTHING)
