"""How far a fixed point is from its nearest bifurcation along one direction of theta, by a continuation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.jax_tools import configured_jax
from ntkcont.models.jax_model import model_from_jax
from ntkcont.models.model import Model
from ntkcont.ntk.trajectory.packing import Packing
from ntkcont.pathfollowing.driver import continuation
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint

Array = NDArray[np.float64]

#: Labels of points where the fixed point changes its type.
BIFURCATIONS = ("LP", "H", "BP", "PD", "NS")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BifurcationsAhead:
    """The first bifurcation of a fixed point on both sides, with weights ``theta + s direction``.

    Only bifurcations: crossings of the kinks of relu units are not looked for.

    Attributes
    ----------
    before, after : SpecialPoint or None
        For s < 0 and s > 0; ``point.p`` is s.  None: there is none up to the end of the branch.
    reached : (float, float)
        The smallest and the largest s that the branch came to.
    branch : Branch
        The branch of the fixed point in s (its parameter "shift"), up to the first change of stability on either side.
    model : Model
        The model of that branch, for further continuations.
    """

    before: SpecialPoint | None
    after: SpecialPoint | None
    reached: tuple[float, float]
    branch: Branch
    model: Model

    @property
    def nearest(self) -> SpecialPoint | None:
        """The nearer one of both."""
        both = [point for point in (self.before, self.after) if point is not None]
        return min(both, key=lambda point: abs(point.p), default=None)

    @property
    def distance(self) -> float:
        """Its distance ``|s|``; inf if there is none."""
        return float("inf") if self.nearest is None else abs(self.nearest.p)

    @property
    def sides(self) -> dict[str, str]:
        """What is before and after, in words."""
        found = zip(("before", "after"), (self.before, self.after), self.reached, strict=True)
        return {
            name: f"none to s = {end:.4g}" if point is None else f"{point.label} at s = {point.p:.6g}"
            for name, point, end in found
        }

    def __repr__(self) -> str:
        return f"<BifurcationsAhead: {', '.join(f'{name} {where}' for name, where in self.sides.items())}>"


def moved_model(model: Model, packing: Packing, values: Array, step: Array) -> Model:
    """Return the model with theta moved by s times a step (P,), with the one parameter "shift", s."""
    tree = configured_jax().tree_util
    parts = packing.unpack(step)
    leaves, structure = tree.tree_flatten(model.theta)
    changes: dict[int, Any] = {
        i: parts[name] for i, name in zip(packing.theta.leaves, packing.theta.leaf_names, strict=True)
    }
    slope = np.zeros(len(values))
    for i, name in zip(packing.theta.params, packing.theta.param_names, strict=True):
        slope[i] = parts[name]
    direction = tree.tree_unflatten(structure, [changes.get(i, np.zeros(np.shape(a))) for i, a in enumerate(leaves)])

    def right_hand_side(x: Any, p: Any, theta: Any) -> Any:
        now = tree.tree_map(lambda leaf, change: leaf + p["shift"] * change, theta[0], theta[1])
        return model.jax_rhs(x, theta[2] + p["shift"] * theta[3], now)

    theta = (model.theta, direction, values, slope)
    made = model_from_jax(right_hand_side, model.states, {"shift": 0.0}, theta=theta, kind=model.kind)
    return dataclasses.replace(made, homogeneous=model.homogeneous)


def bifurcations_ahead(
    model: Model, packing: Packing, values: Array, x: Array, step: Array, span: tuple[float, float],
    settings: ContinuationSettings | None,
) -> BifurcationsAhead:  # fmt: skip
    """Follow the fixed point near x (n,) along a step (P,) of theta in both directions to its first bifurcation."""
    along = moved_model(model, packing, values, step)
    at_start: list[int] = []

    def changed(point: Any) -> bool:
        at_start.append(int(point.n_unstable))  # the first call is at the start
        return at_start[-1] != at_start[0]

    branch = continuation(along, x, free="shift", p_span=span, settings=settings, stop=changed)
    points = [point for point in branch.special_points if point.label in BIFURCATIONS]
    before = [point for point in points if point.s < 0.0]  # arclength starts at zero
    after = [point for point in points if point.s >= 0.0]
    if branch.tangent[np.argmin(np.abs(branch.s)), -1] < 0.0:
        before, after = after[::-1], before[::-1]
    return BifurcationsAhead(
        before=before[-1] if before else None,
        after=after[0] if after else None,
        reached=(float(np.min(branch.p)), float(np.max(branch.p))),
        branch=branch,
        model=along,
    )


def check_span(span: Any) -> tuple[float, float]:
    """Return the range of s as two numbers around zero, or raise InputError."""
    try:
        low, high = (float(end) for end in span)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low <= 0.0 <= high and low < high):
        msg = f"span: {span!r} was given; give two numbers around 0, such as (-1, 1): theta moves by s times direction"
        raise InputError(msg)
    return low, high
