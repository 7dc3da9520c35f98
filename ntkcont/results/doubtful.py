"""What was bracketed along a branch and could not be established: it is on record, but in no list of special points."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.results.frozen import array, construct, same
from ntkcont.results.labels import LABELS, canonical
from ntkcont.results.special_points import SpecialPoint

#: The label where nothing says what it would have been.
UNKNOWN = "?"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Doubtful:
    """A place on a branch where something seems to happen that could not be established.

    A test function changed its sign there, or the stability did, but no point was found that satisfies the definition
    of a special point.  It may be one all the same, or a pole, a kink, a jump to another branch.

    Parameters
    ----------
    label : str
        What it would have been, one of `ntkcont.results.labels.LABELS`, or ``"?"``.
    bracket : (float, float)
        Arclengths on the branch between which it lies.
    p : float
        Value of the free parameter nearest to it.
    x : ndarray, shape (n,)
        State there.
    tried : str
        What was tried, in one sentence.
    reason : str
        Why that does not establish it.

    Raises
    ------
    InputError
        If the label is unknown, or the bracket is not two arclengths in order.

    Examples
    --------
    >>> import ntkcont as nc
    >>> place = nc.Doubtful(label="LP", bracket=(0.1, 0.2), p=1.5, x=[0.3], tried="Newton", reason="it diverged")
    >>> place
    <doubtful LP at 1.5, between s = 0.1 and 0.2: it diverged; tried: Newton>
    >>> place.mirrored().bracket, place.shifted(1.0).bracket
    ((-0.2, -0.1), (1.1, 1.2))
    """

    label: str
    bracket: tuple[float, float]
    p: float
    x: NDArray[np.float64]
    tried: str
    reason: str

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        put("label", UNKNOWN if self.label == UNKNOWN else canonical(self.label))
        try:
            low, high = (float(value) for value in self.bracket)
        except (TypeError, ValueError):
            low, high = np.inf, -np.inf
        if not low <= high:
            msg = f"bracket: got {self.bracket!r}; it must be two arclengths, (left, right), in order"
            raise InputError(msg)
        put("bracket", (low, high))
        put("p", float(self.p))
        put("x", array(self.x, "x", np.float64, (None,)))
        put("tried", str(self.tried))
        put("reason", str(self.reason))

    @property
    def s(self) -> float:
        """The middle of the bracket."""
        return 0.5 * (self.bracket[0] + self.bracket[1])

    def shifted(self, by: float) -> Doubtful:
        """Return the same place on a branch whose arclength is larger by `by`."""
        low, high = self.bracket
        return dataclasses.replace(self, bracket=(low + by, high + by))

    def mirrored(self) -> Doubtful:
        """Return the same place on the branch run the other way."""
        low, high = self.bracket
        return dataclasses.replace(self, bracket=(-high, -low))

    def within(self, low: float, high: float) -> Doubtful:
        """Return the same place with its bracket cut to what lies between two arclengths."""
        first, last = np.clip(self.bracket, low, high)
        return dataclasses.replace(self, bracket=(first, last))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Doubtful):
            return NotImplemented
        return all(same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return construct, (Doubtful, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def __repr__(self) -> str:
        low, high = self.bracket
        place = f"at {self.p:.10g}, between s = {low:.6g} and {high:.6g}"
        return f"<doubtful {self.label} {place}: {self.reason}; tried: {self.tried}>"


def established(points: Iterable[SpecialPoint]) -> tuple[list[SpecialPoint], tuple[Doubtful, ...]]:
    """Return the points on whose defining system Newton was accepted, and what the others are: doubtful places.

    Examples
    --------
    >>> import dataclasses
    >>> import ntkcont as nc
    >>> from ntkcont.results.doubtful import established
    >>> model = nc.Model.from_equations({"x": "p + x**2"}, {"p": -1.0})
    >>> points = nc.continuation(model, [-1.0], free="p", p_span=(-2, 1)).special_points
    >>> points = [dataclasses.replace(point, converged=point.label == "EP") for point in points]
    >>> kept, doubtful = established(points)
    >>> [point.label for point in kept], [each.label for each in doubtful]
    (['EP', 'EP'], ['LP'])
    """
    every = list(points)
    kept = [point for point in every if point.converged]
    return kept, tuple(_doubtful(point) for point in every if not point.converged)


def _doubtful(point: SpecialPoint) -> Doubtful:
    low, high = sorted(point.bracket)
    what = LABELS[point.label]
    if point.label == "UZ":
        tried = "bisection of the function's value along the branch"
        reason = f"no zero of the function {point.name!r} was found between values of opposite sign"
    else:
        tried = f"Newton on the defining system of a {what}, from ever shorter brackets"
        reason = (
            f"the test function changes its sign, but no {what} was found in the bracket "
            f"(there |F| = {point.residual:.1e}, test value {point.test_value:.1e})"
        )
        reason += "; the steps may have jumped to another branch" if point.label == "BP" else ""
    return Doubtful(label=point.label, bracket=(low, high), p=point.p, x=point.x, tried=tried, reason=reason)


def merged(places: Iterable[Doubtful], joint: float, near: float) -> tuple[Doubtful, ...]:
    """Return the places in order, without the second record of one whose bracket reaches to the joint of two pieces."""
    kept: list[Doubtful] = []
    for place in sorted(places, key=lambda each: each.bracket):
        twice = any(
            other.label == place.label
            and _reaches(other, joint, near)
            and _reaches(place, joint, near)
            and np.allclose(np.append(other.x, other.p), np.append(place.x, place.p), rtol=1e-7, atol=1e-9)
            for other in kept
        )
        if not twice:
            kept.append(place)
    return tuple(kept)


def _reaches(place: Doubtful, joint: float, near: float) -> bool:
    return place.bracket[0] - near <= joint <= place.bracket[1] + near
