"""What to look for along a branch: one small class per bifurcation, and zeros of the user's own functions.

An event has a `label` and one method, ``solve(curve, crossing, d)``, which refines a bracketed crossing on the
event's defining system.  Detection itself is common to all (``detect``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Complex, Curve, Node
from ntkcont.pathfollowing.defining import Located, solve_branch_point, solve_spectral
from ntkcont.pathfollowing.point import Point

#: What is looked for by default, for flows and maps.
DEFAULT_LABELS = {False: ("LP", "BP", "H"), True: ("LP", "BP", "PD", "NS")}


class Event(Protocol):
    """A kind of special point."""

    label: ClassVar[str]

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:
        """Return a value that goes through zero at the special point, and a guess of its extra unknown."""
        ...

    def solve(self, curve: Curve, z: Array, extra: float | None, d: Array) -> Located | None:
        """Solve the defining system from a guess; None if Newton does not converge."""
        ...


def _smallest(values: Array) -> float:
    """Return the value of smallest magnitude, 1 if there is none."""
    return float(values[np.argmin(np.abs(values))]) if len(values) else 1.0


def _real(node: Node) -> Array:
    return node.eigenvalues.real[node.eigenvalues.imag == 0.0]


def _upper(node: Node) -> Complex:
    return node.eigenvalues[node.eigenvalues.imag > 0.0]


class _Spectral:
    """Located by a condition on the eigenvalues of the Jacobian."""

    label: ClassVar[str]

    def solve(self, curve: Curve, z: Array, extra: float | None, d: Array) -> Located | None:
        return solve_spectral(curve, self.label, z, extra, d)


@dataclasses.dataclass(frozen=True)
class Fold(_Spectral):
    """Fold (limit point, saddle-node) LP: the branch turns back in the parameter; F_x is singular."""

    label: ClassVar[str] = "LP"

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: D102
        tau = node.tangent / d
        return float(tau[-1] / np.linalg.norm(tau)), None


@dataclasses.dataclass(frozen=True)
class Hopf(_Spectral):
    """Hopf point H of a flow: a complex pair of eigenvalues crosses the imaginary axis."""

    label: ClassVar[str] = "H"

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: ARG002, D102
        pairs = _upper(node)
        if not len(pairs):
            return 1.0, None
        critical = pairs[np.argmin(np.abs(pairs.real))]
        return float(critical.real), float(critical.imag)


@dataclasses.dataclass(frozen=True)
class NeutralSaddle(_Spectral):
    """Neutral saddle NSad of a flow: two real eigenvalues k, -k.  No bifurcation; never reported as a Hopf point."""

    label: ClassVar[str] = "NSad"

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: ARG002, D102
        real = _real(node)
        if len(real) < 2:
            return 1.0, None
        i, j = np.triu_indices(len(real), 1)
        sums = real[i] + real[j]
        best = int(np.argmin(np.abs(sums)))
        return float(sums[best]), float(abs(real[i[best]] - real[j[best]]) / 2.0)


@dataclasses.dataclass(frozen=True)
class PeriodDoubling(_Spectral):
    """Period doubling (flip) PD of a map: a multiplier passes -1."""

    label: ClassVar[str] = "PD"

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: ARG002, D102
        return _smallest(_real(node) + 1.0), None


@dataclasses.dataclass(frozen=True)
class NeimarkSacker(_Spectral):
    """Neimark-Sacker point NS of a map: a complex pair of multipliers crosses the unit circle."""

    label: ClassVar[str] = "NS"

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: ARG002, D102
        pairs = _upper(node)
        if not len(pairs):
            return 1.0, None
        critical = pairs[np.argmin(np.abs(np.abs(pairs) - 1.0))]
        return float(abs(critical) - 1.0), float(np.angle(critical))


@dataclasses.dataclass(frozen=True)
class BranchPoint:
    """Branch point BP: another branch crosses; [F_x, F_q] loses rank."""

    label: ClassVar[str] = "BP"
    is_map: bool = False

    def test(self, node: Node, d: Array) -> tuple[float, float | None]:  # noqa: ARG002, D102
        return _smallest(_real(node) - (1.0 if self.is_map else 0.0)), None

    def solve(self, curve: Curve, z: Array, extra: float | None, d: Array) -> Located | None:  # noqa: ARG002, D102
        return solve_branch_point(curve, z, d)


@dataclasses.dataclass(frozen=True)
class UserZero:
    """A zero of a function of the point, labelled UZ under the name given.

    Parameters
    ----------
    name : str
        Name of the special points, such as ``"half"``; they are numbered ``half#1``, ``half#2``, ....
    g : callable
        ``g(point) -> float``; the point has ``p``, ``x``, ``eigenvalues`` and columns by name, ``point["v"]``.

    Examples
    --------
    >>> import ntkcont as nc
    >>> cusp = nc.Model.from_equations({"x": "h + x - x**3"}, {"h": -1.0})
    >>> branch = nc.continuation(cusp, [-1.3], free="h", p_span=(-1, 1), events=[nc.UserZero("zero", lambda q: q["x"])])
    >>> round(abs(branch.special_points("UZ")[0].p), 9)
    0.0
    """

    name: str
    g: Callable[[Point], float]
    label: ClassVar[str] = "UZ"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not callable(self.g):
            msg = f"UserZero: got ({self.name!r}, {self.g!r}); give a name and a function of the point"
            raise InputError(msg)


#: Everything found by eigenvalues or the tangent, by kind of model.  Neutral saddles come along with Hopf points.
DEFAULT_EVENTS: dict[str, tuple[type, ...]] = {
    "flow": (Fold, Hopf, BranchPoint, NeutralSaddle),
    "map": (Fold, BranchPoint, PeriodDoubling, NeimarkSacker),
}


def resolve_events(events: Sequence[object] | None, kind: str) -> tuple[dict[str, Event], tuple[UserZero, ...]]:
    """Return the events by label, and the user's zeros (which join the default events if they come alone)."""
    allowed = DEFAULT_EVENTS[kind]
    given = list(events) if events is not None else []
    users = tuple(e for e in given if isinstance(e, UserZero))
    rest = [e for e in given if not isinstance(e, UserZero)]
    chosen: dict[str, Event] = {}
    for item in rest if rest else allowed:
        cls = item if isinstance(item, type) else type(item)
        if cls not in allowed:
            msg = (
                f"events: {item!r} is not an event of a {kind}; it may be "
                + ", ".join(f"{c.__name__}()" for c in allowed)
                + " or UserZero(name, g)"
            )
            raise InputError(msg)
        event: Any = BranchPoint(is_map=kind == "map") if cls is BranchPoint else cls()
        chosen[event.label] = cast("Event", event)
    return chosen, users
