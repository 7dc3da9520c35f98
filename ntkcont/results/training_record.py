"""What was found along a training run: branches of fixed points, and the births and deaths of attractors."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.results.arcs import Arcs
from ntkcont.results.branch import Branch
from ntkcont.results.diagram import Diagram
from ntkcont.results.frozen import array, construct, frozen, same
from ntkcont.results.special_points import SpecialPoint

#: So close to an end of the run, relative to its length, branches are counted a little inside.
_INSIDE = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """A training step at which fixed points appear, vanish, or change their stability.

    Attributes
    ----------
    s : float
        Training step, interpolated.
    bracket : (float, float)
        Steps of the checkpoints before and after it; both are s at a checkpoint itself.
    label, name : str
        Of the special point, such as "LP" and "LP2"; ``record.point(event)`` returns it.
    type : str
        What it is: fold, pitchfork, transcritical, Hopf, period doubling, Neimark-Sacker, border collision, ....
    condition : int
        Number of the condition (the inputs) under which it happens.
    fixed_points, attractors : (int, int)
        How many there are, of those that take part, before and after it; attractors are the stable ones.
    branches : tuple of int
        Numbers of the branches that meet there, in the diagram of the condition.
    converged : bool
        Whether the special point was located to full accuracy.
    """

    s: float
    bracket: tuple[float, float]
    label: str
    name: str
    type: str
    condition: int
    fixed_points: tuple[int, int]
    attractors: tuple[int, int]
    branches: tuple[int, ...]
    converged: bool

    @property
    def born(self) -> int:
        """How many attractors there are more (less: negative) after it than before."""
        return self.attractors[1] - self.attractors[0]

    @property
    def change(self) -> str:
        """What happens, in words."""
        change = self.fixed_points[1] - self.fixed_points[0]
        for count, one, many in (
            (self.born, "an attractor", "attractors"),
            (change, "an unstable fixed point", "unstable fixed points"),
        ):
            if count:
                what = one if abs(count) == 1 else f"{abs(count)} {many}"
                return f"{'birth' if count > 0 else 'death'} of {what}"
        return "exchange of stability"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainingRecord:
    """The fixed points of a training run: all branches over the training step, and what happens to them.

    Made by :func:`ntkcont.follow_training`; printed, it is the table of births and deaths.

    Attributes
    ----------
    steps : ndarray, shape (K,)
        Training steps of the checkpoints.
    interpolation : {"linear", "cubic"}
        How the weights were interpolated.
    conditions : tuple of mapping, C of them
        Parameter values (inputs) that were held.
    diagrams : tuple of Diagram
        The branches of each condition, in the free parameter ``s``.
    events : tuple of TrainingEvent
        In the order of the training steps.
    found : ndarray of int, shape (C, K, 2)
        How many fixed points, and how many stable ones, the search at each checkpoint reported by itself.  All of them
        lie on branches or are in the notes; at a checkpoint on a bifurcation one point may be reported several times.
    provenance : mapping
        Of the search.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> weights = [np.array([[w]]) for w in (0.5, 0.8, 1.5)]
    >>> record = nc.follow_training(nc.TrainingPath(weights, nc.RateRNN, steps=[0, 100, 200]), box=(-3, 3))
    >>> [(event.type, round(event.s, 3), event.attractors) for event in record.events]
    [('pitchfork', 128.571, (1, 2))]
    >>> record.attractors().tolist()
    [1, 1, 2]
    """

    steps: NDArray[np.float64]
    interpolation: str
    conditions: tuple[Mapping[str, float], ...]
    diagrams: tuple[Diagram, ...]
    events: tuple[TrainingEvent, ...]
    found: NDArray[np.int64]
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        put("steps", array(self.steps, "steps", np.float64, (None,)))
        put("conditions", tuple(frozen(dict(condition)) for condition in self.conditions))
        put("diagrams", tuple(self.diagrams))
        if len(self.diagrams) != len(self.conditions):
            msg = f"diagrams: {len(self.diagrams)} were given for {len(self.conditions)} conditions; give one for each"
            raise InputError(msg)
        put("events", tuple(self.events))
        put("found", array(self.found, "found", np.int64, (len(self.conditions), len(self.steps), 2)))
        put("provenance", frozen(dict(self.provenance)))

    # ---------------------------------------------------------------- views

    @property
    def kind(self) -> str:
        """``"flow"`` or ``"map"``."""
        return self.diagrams[0].kind

    @property
    def births(self) -> tuple[TrainingEvent, ...]:
        """The events after which there are more attractors."""
        return tuple(event for event in self.events if event.born > 0)

    @property
    def deaths(self) -> tuple[TrainingEvent, ...]:
        """The events after which there are fewer attractors."""
        return tuple(event for event in self.events if event.born < 0)

    def branches(self, condition: int = 0) -> tuple[Branch, ...]:
        """Return the branches of fixed points of a condition (without orbits of longer period)."""
        diagram = self.diagrams[self._index(condition)]
        return tuple(b for b, origin in zip(diagram.branches, diagram.origins, strict=True) if origin.period == 1)

    def point(self, event: TrainingEvent) -> SpecialPoint:
        """Return the special point of an event, with its state, normal form and kernel signatures."""
        return self.diagrams[event.condition].special_points[event.name]

    def fixed_points(self, s: Any = None, condition: int = 0) -> NDArray[np.int64]:
        """Return how many fixed points the branches have at the training steps s, default the checkpoints.

        Raises
        ------
        InputError
            A step is no number, or before the first or beyond the last checkpoint.
        """
        return self._counted(s, condition)[:, 0]

    def attractors(self, s: Any = None, condition: int = 0) -> NDArray[np.int64]:
        """Return how many stable fixed points the branches have at the training steps s, default the checkpoints.

        Raises
        ------
        InputError
            A step is no number, or before the first or beyond the last checkpoint.
        """
        return self._counted(s, condition)[:, 1]

    def _counted(self, s: Any, condition: int) -> NDArray[np.int64]:
        inside = _INSIDE * float(np.ptp(self.steps))
        at = self._within(self.steps if s is None else s, inside)
        at = np.clip(at, self.steps[0] + inside, self.steps[-1] - inside)
        chains = [Arcs.of(branch) for branch in self.branches(condition)]
        rows = []
        for value in at:
            unstable = np.concatenate([chain.crossings(float(value)) for chain in chains])
            rows.append((unstable.size, int(np.sum(unstable == 0))))
        return np.array(rows, dtype=np.int64)

    def _within(self, s: Any, rounding: float) -> NDArray[np.float64]:
        """Return the training steps asked for, (K,), all of them on the run."""
        first, last = float(self.steps[0]), float(self.steps[-1])
        try:
            at = np.atleast_1d(np.asarray(s, dtype=float))
        except (TypeError, ValueError):
            at = np.full(1, np.nan)
        outside = ~((at >= first - rounding) & (at <= last + rounding))
        if at.ndim != 1 or outside.any():
            got = f"{at[outside][0]:g}" if at.ndim == 1 and np.isfinite(at[outside][0]) else repr(s)
            msg = f"s: {got} was given; the run goes from step {first:g} to {last:g}, so give training steps from there"
            raise InputError(msg)
        return at

    def _index(self, condition: int) -> int:
        if not 0 <= condition < len(self.conditions):
            msg = f"condition: got {condition!r}; it must be a number from 0 to {len(self.conditions) - 1}"
            raise InputError(msg)
        return condition

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be followed, with the reason; fixed points found by the search are among it or on branches."""
        from ntkcont.results.training_tables import notes

        return tuple(notes(self))

    # ---------------------------------------------------------------- files and tables

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to one ``.npz`` file, atomically; ``nc.load(path)`` reads it."""
        from ntkcont.results.training_file import save

        return save(self, path)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per event (needs the extra ``io``)."""
        from ntkcont.results.training_tables import to_dataframe

        return to_dataframe(self)

    def __iter__(self) -> Iterator[TrainingEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrainingRecord):
            return NotImplemented
        return all(same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return construct, (TrainingRecord, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def __repr__(self) -> str:
        from ntkcont.results.training_tables import record_text

        return record_text(self)

    def _repr_html_(self) -> str:
        from ntkcont.results.training_tables import record_html

        return record_html(self)
