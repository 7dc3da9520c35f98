"""The half branches that leave a border collision of several units at once, as symmetric networks have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from ntkcont.models.model import Array
from ntkcont.models.switching import Pieces
from ntkcont.normal_forms.border_collisions import MOST, Ray
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.kinks import Kink
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.switching import Outgoing
from ntkcont.results.special_points import SpecialPoint


def half_branches(
    curve: Curve, point: SpecialPoint, d: Array, span: tuple[float, float], ds: float
) -> Iterator[Outgoing | str]:
    """Yield all half branches that leave a border collision (those already known as well), or why one is missing.

    Each is followed in the direction +1 only.  Where one unit switches there are two, those of the branch itself.
    """
    if point.multiplicity < 2:
        return
    z = np.append(point.x, point.p)
    kink = Kink(Pieces(curve.model, curve.p0, curve.direction), z, d)
    if kink.at.size > MOST:
        yield f"{kink.at.size} units switch at once there: branches are looked for up to {MOST}"
    for ray in kink.leaving(kink.own):
        piece = curve.piece(kink.pieces.switching.constants(ray.positive))
        near = _beside(piece, z, ray, d, ds)
        if near is None:
            yield "one of its half branches could not be followed: Newton failed beside it"
            continue
        node, _ = piece.node(z, d, ray.tau, 0.0)
        node = dataclasses.replace(node, tangent=ray.tau * d)
        inside = (1.0,) if span[0] <= near[-1] <= span[1] else ()
        yield Outgoing(Start(z, ray.tau, d, node), {1.0: near}, inside)


def _beside(piece: Curve, z: Array, ray: Ray, d: Array, ds: float) -> Array | None:
    """Return a point of a half branch near its beginning."""
    for h in (0.1 * ds, 1e-2 * ds, 1e-3 * ds):
        near, size = piece.correct(z + h * ray.tau * d, d, ray.tau)
        if near is not None and size <= 0.5 * h:
            return near
    return None


def collision_record(point: SpecialPoint, start: Start) -> SpecialPoint:
    """Return the border collision as the start of a new half branch has it: at s = 0."""
    return dataclasses.replace(
        point, name="", s=0.0, tangent=start.tau * start.d, normal_form={}, ntk=None,
        eigenvalues=start.node.eigenvalues, bracket=(0.0, 0.0),
    )  # fmt: skip
