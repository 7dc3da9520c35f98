"""Points at which arguments of a model that is smooth in pieces vanish, and the half branches that leave them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.models.switching import Pieces, Signs
from ntkcont.normal_forms.border_collisions import ON_KINK, Ray, rays, sizes
from ntkcont.pathfollowing.curve import Curve


def chosen(leaving: list[Ray], tau: Array, rates: Array, without: Ray | None = None) -> Ray | None:
    """Return the half branch along which most arguments change as along `tau`, and among these the straightest."""
    others = [ray for ray in leaving if ray is not without]
    return max(others, key=lambda ray: int(np.sum(np.sign(ray.rates) == np.sign(rates))) + 0.4 * (ray.tau @ tau),
               default=None)  # fmt: skip


class Kink:
    """A point at which some arguments vanish, and the half branches that leave it."""

    def __init__(self, pieces: Pieces, z: Array, d: Array, more: NDArray[np.intp] | None = None) -> None:
        values, gradients = pieces.arguments(z), pieces.gradients(z)
        size = sizes(gradients, d)
        near = (np.abs(values) <= ON_KINK * size) & (size > 0.0)
        if more is not None:
            near[more] = True
        self.at = np.flatnonzero(near)
        self.own = values > 0.0
        self.units = gradients[self.at] * d / np.maximum(size[self.at], 1e-300)[:, None]
        self.pieces, self.z, self.d = pieces, z, d

    def leaving(self, positive: Signs) -> list[Ray]:
        """Return the half branches; `positive` are the signs of the arguments that do not vanish."""
        return rays(self.pieces, self.z, self.d, self.at, positive)

    def rates(self, tau: Array) -> Array:
        """Return how fast the vanishing arguments change along tau."""
        return self.units @ tau

    def both(self, tau: Array) -> tuple[Ray | None, Ray | None]:
        """Return the half branches nearest to -tau and tau."""
        leaving = self.leaving(self.own)
        rates = self.rates(tau)
        forth = chosen(leaving, tau, rates)
        return chosen(leaving, -tau, -rates, without=forth), forth

    def switching(self, one: Array, other: Array) -> NDArray[np.intp]:
        """Return the arguments that change sign, or leave zero, from one direction to another."""
        moves = np.maximum(np.abs(self.rates(one)), np.abs(self.rates(other))) > ON_KINK
        return self.at[moves]


def start_side(curve: Curve, z: Array, d: Array, tau: Array, sign: float | None) -> tuple[Array, Curve]:
    """Return the tangent at a start, and the equations whose spectrum the start has.

    Where arguments vanish they are those of a half branch that leaves the start in the direction `sign`, or (None) of
    the one of both that is nearest to `tau`.
    """
    if curve.model.switching is None:
        return tau, curve
    kink = Kink(Pieces(curve.model, curve.p0, curve.direction), z, d)
    if not kink.at.size:
        return tau, curve
    sides = [(s, ray) for s, ray in zip((-1.0, 1.0), kink.both(tau), strict=True) if ray is not None]
    wanted = [side for side in sides if sign is None or side[0] == sign] or sides
    if not wanted:
        return tau, curve
    s, ray = max(wanted, key=lambda side: float(side[0] * side[1].tau @ tau))
    return s * ray.tau, curve.piece(curve.model.switching.constants(ray.positive))
