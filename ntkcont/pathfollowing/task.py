"""What to do along a branch, and what comes back piece by piece."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import log_scales
from ntkcont.pathfollowing.events import Event, UserZero
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.results.doubtful import Doubtful, established
from ntkcont.results.labels import ALIASES
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.models.structure import Structure
    from ntkcont.pathfollowing.checkpoint import Checkpoint


#: Below this many states a full spectrum costs no more than avoiding it.
ADAPTIVE_FROM = 64


@dataclasses.dataclass(frozen=True)
class Task:
    """What to do along the branch."""

    curve: Curve
    params: dict[str, float]
    span: tuple[float, float]
    settings: ContinuationSettings
    events: dict[str, Event]
    users: tuple[UserZero, ...]
    stop: Callable[[Point], bool] | None = None
    stop_at: tuple[str, int] | None = None
    checkpoint: Checkpoint | None = None
    vectors: bool = False  # whether the points come with the vectors that a kernel takes
    log: tuple[str, ...] = ()  # what is measured in decades

    @functools.cached_property
    def logs(self) -> Array:
        """Return L of each variable (x, q), shape (n+1,): see `decades.log_scales`."""
        return log_scales(self.curve.model, self.curve.free, self.span, self.log)

    @property
    def structure(self) -> Structure | None:
        """The structure of the model, if the steps make use of it: those that compute no spectrum are short enough."""
        return self.curve.structure if self.adaptive else None

    @property
    def adaptive(self) -> bool:
        """Whether the eigenvalues of this branch are computed adaptively."""
        smooth = self.curve.model.switching is None
        return self.settings.eigenvalues == "adaptive" and self.curve.n >= ADAPTIVE_FROM and smooth


@dataclasses.dataclass
class Chunk:
    """Some accepted points, the special points among them, and the status if the run ended there.

    A special point on which Newton was not accepted goes to `doubtful`, so that nothing counts it as one.
    """

    nodes: Nodes
    special: list[SpecialPoint]
    d: Array
    status: Status | None = None
    error: str = ""
    doubtful: list[Doubtful] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.special, doubtful = established(self.special)
        self.doubtful = [*self.doubtful, *doubtful]


def parse_stop(stop: Any, labels: list[str]) -> tuple[tuple[str, int] | None, Callable[[Point], bool] | None]:
    """Split the `stop` argument into (label, count) and a function."""
    if stop is None or callable(stop):
        return None, cast("Callable[[Point], bool] | None", stop)
    try:
        label, number = stop
        number = int(number)
    except (TypeError, ValueError):
        msg = f"stop: got {stop!r}; give ('H', 2) to stop at the second Hopf point, or a function of the point"
        raise InputError(msg) from None
    label = ALIASES.get(label, label)
    if label not in labels:
        raise unknown_name(argument="stop", got=label, allowed=labels)
    if number < 1:
        msg = f"stop: got {stop!r}; the count must be at least 1"
        raise InputError(msg)
    return (label, number), None
