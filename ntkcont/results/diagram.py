"""The diagram: branches with what they sprang from, and all their special points under one name each."""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.results.branch import Branch
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.frozen import array, construct, frozen, same
from ntkcont.results.special_points import LOOP, ONE_POINT, SpecialPoint, SpecialPoints, logarithms
from ntkcont.status import Status

Real = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a branch of a diagram comes from.

    Attributes
    ----------
    parent : int or None
        Number of the branch on which it was born; None: it was followed from a start.
    point : str or None
        Name of the special point at which it was born.
    depth : int
        How many switches lead to it from a start.
    period : int
        Maps: its points are fixed points of this iterate of the model, on orbits of this period; 1 for flows.
    """

    parent: int | None = None
    point: str | None = None
    depth: int = 0
    period: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unfollowed:
    """A special point at which branches were left alone, or a start: the number of its branch, its name, and why."""

    branch: int | None
    point: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Diagram:
    """All branches that were followed from one or several starts through their branch points.

    ``diagram[i]``, ``len`` and iteration give the branches.  A special point that several branches share has the same
    name on each of them, and no other point of the diagram has it.  A bifurcation of an orbit of a map is one, at
    whichever of the points of the orbit a branch meets it: it has one name at all of them.  A period doubling keeps its
    name on the branch of the doubled orbits, where its label is BP: it is a branch point of the second iterate.

    Parameters
    ----------
    branches : tuple of Branch
        In the order in which they were followed; each curve is there once.
    origins : tuple of Origin
        One for each branch: the tree.
    unfollowed : tuple of Unfollowed
        Branch points at which no branches were followed (depth, kernel of too many dimensions), and starts that gave
        none, with the reason.
    images : mapping of int to ndarray, shape (j, k, n)
        Maps: for branches that do not hold all points of their orbits, by their number, their states under 1, ..., j
        iterations of the map: the points of the orbits that are not on the branch itself.

    Raises
    ------
    InputError
        If there is no branch, or not one origin for each.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -0.5})
    >>> diagram = nc.diagram(model, [0.0], free="mu", p_span=(-1, 1))
    >>> diagram.origins[1].parent, diagram.origins[1].point
    (0, 'BP1')
    >>> diagram.special_points.names, diagram.branches_at("BP1")
    (('BP1',), (0, 1))
    """

    branches: tuple[Branch, ...]
    origins: tuple[Origin, ...]
    unfollowed: tuple[Unfollowed, ...] = ()
    images: Mapping[int, Real] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        branches, origins = tuple(self.branches), tuple(self.origins)
        if not branches or len(branches) != len(origins):
            msg = (
                f"branches: {len(branches)} were given with {len(origins)} origins; give at least one, and one for each"
            )
            raise InputError(msg)
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "origins", origins)
        object.__setattr__(self, "unfollowed", tuple(self.unfollowed))
        images = {
            int(i): array(x, f"images[{i}]", np.float64, (None, *branches[i].x.shape)) for i, x in self.images.items()
        }
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "provenance", frozen(dict(self.provenance)))

    # ---------------------------------------------------------------- views

    def __len__(self) -> int:
        return len(self.branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(self.branches)

    @overload
    def __getitem__(self, index: int) -> Branch: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Branch, ...]: ...
    def __getitem__(self, index: int | slice) -> Branch | tuple[Branch, ...]:
        return self.branches[index]

    @property
    def free(self) -> str:
        """Name of the free parameter."""
        return self.branches[0].free

    @property
    def log(self) -> tuple[str, ...]:
        """Names of the variables that were measured in decades."""
        return tuple(dict.fromkeys(name for branch in self.branches for name in branch.log))

    @property
    def kind(self) -> str:
        """``"flow"`` or ``"map"``."""
        return self.branches[0].kind

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.branches[0].states

    @property
    def status(self) -> Status:
        """That of the first branch whose end asks for action, else that of the last one."""
        found = [branch.status for branch in self.branches]
        return next((status for status in found if not status.ok), found[-1])

    @property
    def special_points(self) -> SpecialPoints:
        """Every special point once, end points left out, in the order in which they were found."""
        points: dict[str, SpecialPoint] = {}
        for branch in self.branches:
            for point in branch.special_points:
                if point.label != "EP":
                    points.setdefault(point.name, point)
        return SpecialPoints(points.values())

    @property
    def doubtful(self) -> tuple[Doubtful, ...]:
        """What was bracketed and could not be established, branch by branch (arclengths are those of each branch)."""
        return tuple(place for branch in self.branches for place in branch.doubtful)

    def branches_at(self, name: str) -> tuple[int, ...]:
        """Return the numbers of the branches on which the special point of this name lies.

        Raises
        ------
        InputError
            If there is none of this name; the message has the nearest.
        """
        point = self.special_points[name]
        return tuple(i for i, branch in enumerate(self.branches) if point.name in branch.special_points.names)

    def children(self, index: int) -> tuple[int, ...]:
        """Return the numbers of the branches born on branch `index`."""
        index = range(len(self))[index]
        return tuple(i for i, origin in enumerate(self.origins) if origin.parent == index)

    # ---------------------------------------------------------------- pictures, files

    def plot(self, **keywords: Any) -> Any:
        """Draw all branches on one Axes: ``nc.plot.bifurcation_diagram(diagram, ...)``, with its keywords."""
        # by name: pictures are a layer above the results
        return importlib.import_module("ntkcont.plot.diagram").bifurcation_diagram(self, **keywords)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the diagram to one ``.npz`` file, atomically; ``nc.load(path)`` reads it."""
        from ntkcont.results.diagram_io import save

        return save(self, path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Diagram):
            return NotImplemented
        return (
            self.branches == other.branches
            and self.origins == other.origins
            and self.unfollowed == other.unfollowed
            and same(self.images, other.images)
            and same(self.provenance, other.provenance)
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return construct, (Diagram, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def __repr__(self) -> str:
        from ntkcont.results.diagram_tables import diagram_text

        return diagram_text(self)

    def _repr_html_(self) -> str:
        from ntkcont.results.diagram_tables import diagram_html

        return diagram_html(self)


class _Met(NamedTuple):
    """A special point as a branch meets it: its stem, the branch, its period, the places of its orbit, name and s."""

    stem: str
    branch: int
    period: int
    orbit: Real  # (period, n+1), scaled; its own place first
    name: str
    s: float

    def same(self, other: _Met) -> bool:
        """Whether both are one special point, or one bifurcation of one orbit."""
        if self.stem == "EP":
            return False
        # a period doubling is a branch point of the second iterate
        doubled = (self.stem, other.stem, 2 * self.period) == ("PD", "BP", other.period)
        if not doubled and (self.stem != other.stem or self.period != other.period):
            return False
        apart = float(np.max(np.abs(self.orbit[0] - other.orbit[0])))
        if self.branch == other.branch and abs(self.s - other.s) < LOOP and apart <= 10.0 * ONE_ORBIT:
            return False  # neighbours on it
        # from one of them to the other the map may stretch, then it shrinks on the way back
        return apart <= ONE_POINT or min(self.misses(other), other.misses(self)) <= ONE_ORBIT

    def misses(self, other: _Met) -> float:
        """Return by how much the states that follow this one miss the other one."""
        return float(np.min(np.max(np.abs(self.orbit[1:] - other.orbit[0]), axis=1), initial=np.inf))


#: Orbits of two bifurcations of one kind are one if they come so close, relative to the size of the diagram.
ONE_ORBIT = 1e-6


def named(
    branches: Sequence[Branch], periods: Sequence[int], orbit: Callable[[SpecialPoint, int], Real]
) -> list[Branch]:
    """Return the branches with special points named through: the same name for one point, others for all others.

    ``orbit(point, period)`` returns the orbit (x, p) of a special point, shape (period, n+1), its own place first.
    """
    scale = np.max([np.max(np.abs(branch.x), axis=0) for branch in branches], axis=0)
    scale = np.maximum(scale, 1e-9 * max(float(np.max(scale)), 1e-300))
    width = max(float(np.max(branch.p)) for branch in branches) - min(float(np.min(branch.p)) for branch in branches)
    first_branch = branches[0]
    names = [*first_branch.states, first_branch.free]
    plain = np.append(scale, width if width > 0.0 else 1.0)
    units = np.where(logarithms(np.ones(len(names)), names, first_branch.log)[1], 1.0, plain)
    counts: dict[str, int] = {}
    seen: list[_Met] = []
    result = []
    for number, (branch, period) in enumerate(zip(branches, periods, strict=True)):
        points = []
        for point in branch.special_points:
            own = point.label == "UZ" and not re.fullmatch(r"UZ\d*", point.name)
            stem = re.sub(r"#\d+$", "", point.name) + "#" if own else point.label
            # a zero of the user's function is one of a point, not of its orbit
            z = np.append(point.x, point.p)[None] if point.label in ("UZ", "EP") else orbit(point, period)
            met = _Met(stem, number, period, logarithms(z, names, first_branch.log)[0] / units, "", point.s)
            again = (each for each in seen if not (own and each.branch == number) and each.same(met))
            first = next(again, None)
            if first is None:
                counts[stem] = counts.get(stem, 0) + 1
            name = f"{stem}{counts[stem]}" if first is None else first.name
            seen.append(met._replace(name=name))
            points.append(dataclasses.replace(point, name=name))
        result.append(dataclasses.replace(branch, special_points=SpecialPoints(points)))
    return result
