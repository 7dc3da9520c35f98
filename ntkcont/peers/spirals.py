"""Evidence for the sign of l1 that needs no derivatives: a trajectory from near a Hopf point, at its parameter.

On the center manifold the radius obeys ``r' = c r^3`` with ``c = Re G21/2``: at the point itself it creeps in where
c < 0 (supercritical) and out where c > 0 (subcritical).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.dynamics.simulate import SimulationError, simulate
from ntkcont.models.model import Model
from ntkcont.peers.matching import Scales
from ntkcont.results.special_points import SpecialPoint

_SAMPLES = 64  # in a period
_MOST_PERIODS = 3000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spiral:
    """How the distance from a Hopf point changes along a trajectory.

    Parameters
    ----------
    periods : int
        Length of the trajectory.
    first, last : float
        Mean distance in the critical plane during the first and the last of them.
    """

    periods: int
    first: float
    last: float

    @property
    def sign(self) -> int:
        """Sign of l1 that the trajectory shows."""
        return 1 if self.last > self.first else -1

    def __str__(self) -> str:
        way = "out: l1 > 0" if self.sign > 0 else "in: l1 < 0"
        return (
            f"a trajectory at the point itself goes from radius {self.first:.4g} to {self.last:.4g} in {self.periods} "
            f"periods, {way}"
        )


def spiral(model: Model, point: SpecialPoint, strength: float, scales: Scales) -> Spiral | None:
    """Follow a trajectory from near a Hopf point at the parameter of the point.

    Parameters
    ----------
    model : Model
        The flow.
    point : SpecialPoint
        A Hopf point.
    strength : float
        Size of Re G21/2, which says how long to wait; its sign is not used.
    scales : Scales
        What is a small distance.

    Returns
    -------
    Spiral or None
        None if the integration fails or no clear change is seen in reasonable time.
    """
    values, left = np.linalg.eig(model.jac(point.x, point.params).T)
    right_values, right = np.linalg.eig(model.jac(point.x, point.params))
    omega = float(point.omega or 0.0)
    p = left[:, np.argmin(np.abs(values - 1j * omega))].conj()
    q = right[:, np.argmin(np.abs(right_values - 1j * omega))]
    p = p / np.conj(p.conj() @ q)  # <p, q> = 1
    radius = 0.02 / float(np.max(np.abs(q) / scales.x))
    period = 2 * np.pi / omega
    periods = int(np.ceil(0.3 / (max(abs(strength), 1e-300) * radius**2) / period))
    if periods > _MOST_PERIODS:
        return None
    periods = max(periods, 4)
    one = np.linspace(0.0, period, _SAMPLES, endpoint=False)
    # the first period is the approach to the center manifold
    times = np.concatenate([[0.0], period + one, periods * period + one])
    try:
        x = simulate(model, point.x + 2 * radius * np.real(q), times, point.params, rtol=1e-11)
    except SimulationError:
        return None
    size = np.abs((x - point.x) @ p.conj())
    first, last = float(size[1 : 1 + _SAMPLES].mean()), float(size[1 + _SAMPLES :].mean())
    if abs(np.log(last / first)) < 0.05:
        return None
    return Spiral(periods=periods, first=first, last=last)
