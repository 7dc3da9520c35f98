"""The verb ``diagram``: all branches from some starts, through their branch points, each once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import ConvergenceError, InputError
from ntkcont.models.model import Array, Model
from ntkcont.pathfollowing.afterwards import finished
from ntkcont.pathfollowing.assemble import Side, assemble
from ntkcont.pathfollowing.border_switching import collision_record, half_branches
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import check_log, in_decades
from ntkcont.pathfollowing.diagram_starts import listed_starts
from ntkcont.pathfollowing.driver import bind
from ntkcont.pathfollowing.events import resolve_events
from ntkcont.pathfollowing.follow import follow
from ntkcont.pathfollowing.interrupts import held_back
from ntkcont.pathfollowing.known import Known
from ntkcont.pathfollowing.protocols import BoundEvaluator, KernelEvaluator
from ntkcont.pathfollowing.reduction import NoBranches
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import Start, check_in_span, check_span, prepare, start_params
from ntkcont.pathfollowing.switching import Outgoing, birth_record, on_simple_orbit, outgoing
from ntkcont.pathfollowing.task import Task
from ntkcont.results.branch import Branch
from ntkcont.results.diagram import ONE_ORBIT, Diagram, Origin, Unfollowed, named
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status


def diagram(
    model: Model,
    starts: Any,
    *,
    free: str,
    p_span: tuple[float, float],
    depth: int = 3,
    params: Mapping[str, float] | None = None,
    settings: ContinuationSettings | None = None,
    events: Sequence[object] | None = None,
    ntk: KernelEvaluator | None = None,
    max_branches: int = 200,
    log: Sequence[str] = (),
) -> Diagram:
    """Follow all branches from one or several starts, switching branches wherever they cross.

    At every branch point, at every period doubling of a map and where several units of a piecewise smooth network
    switch at once, the branches that leave it are followed in their turn, up to `depth` switches from a start.  A
    branch that has been followed is recognised by its points and not followed again, whatever leads to it; for maps, by
    all points of its orbits.

    Parameters
    ----------
    model : Model
        The system.
    starts : array_like (n,) or (m, n), mapping, special point, FixedPoints, or sequence of these
        Guesses of fixed points, each corrected first.  Those of :func:`find_fixed_points` (with ``deflate=True`` if few
        are found) and special points bring their parameter values; they bring in isolas and whatever else is not
        connected to the first branch.
    free : str
        Name of the free parameter.
    p_span : (float, float)
        Its range.
    depth : int
        How many switches from a start, default 3; 0: only the branches of the starts.
    params : mapping, optional
        Values of parameters at the starts, default the model's; points that have their own value of `free` keep it.
    settings, events, ntk
        As in :func:`continuation`, for every branch.
    max_branches : int
        Stop after so many, default 200.
    log : sequence of str
        What is measured in decades, as in :func:`continuation`, on every branch.

    Returns
    -------
    Diagram
        The branches, the tree of where they come from, one table of their special points, and what was not followed
        (``diagram.unfollowed``), with the reason.

    Raises
    ------
    InputError
        If an argument is not what it may be.
    ConvergenceError
        If Newton converges from none of the starts.

    References
    ----------
    W. Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria, SIAM 2000, section 4.4.2 (algebraic
    branching equation).

    M. Golubitsky, D. G. Schaeffer, Singularities and Groups in Bifurcation Theory I, Springer 1985, chapter I.3.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -0.5})
    >>> diagram = nc.diagram(model, [0.0], free="mu", p_span=(-1, 1))
    >>> [origin.point for origin in diagram.origins]
    [None, 'BP1']
    """
    if not isinstance(model, Model):
        msg = f"model: got {type(model).__name__}; give a Model, such as nc.Model.from_equations(...)"
        raise InputError(msg)
    if settings is not None and not isinstance(settings, ContinuationSettings):
        msg = f"settings: got {type(settings).__name__}; give nc.ContinuationSettings(...)"
        raise InputError(msg)
    if settings is not None and settings.store_states != "all":
        msg = (
            f"settings.store_states: got {settings.store_states!r}; a diagram tells its branches apart by their states"
        )
        raise InputError(msg)
    for name, number, least in (("depth", depth, 0), ("max_branches", max_branches, 1)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
            msg = f"{name}: got {number!r}; it must be a whole number of at least {least}"
            raise InputError(msg)
    span = check_span(p_span)
    listed = listed_starts(model, starts)
    values = start_params(model, listed[0], free, params)
    measured = check_log(model, free, span, log)
    chosen, users = resolve_events(events, model.kind)
    settings = settings or ContinuationSettings()
    task = Task(Curve(model, free, values), values, span, settings, chosen, users, log=measured)
    work = _Work(task, ntk, depth, max_branches)
    failures: list[ConvergenceError] = []
    for number, x0 in enumerate(listed):
        own = {name: value for name, value in (params or {}).items() if name != free or not hasattr(x0, "params")}
        values = start_params(model, x0, free, own)
        check_in_span(free, values[free], span)
        if any(values[name] != task.params[name] for name in values if name != free):
            msg = f"starts: number {number} has other values of the fixed parameters than number 0; give params={{...}}"
            raise InputError(msg)
        try:
            work.from_start(x0, number, values)
        except ConvergenceError as error:
            failures.append(error)
            work.unfollowed.append((None, f"start {number}", str(error)))
        except KeyboardInterrupt:
            if not work.branches:
                raise
            work.interrupted()
        if work.ended:
            break
    if not work.branches:
        if failures:
            raise failures[0]
        reason = f"starts: none gives a branch; {work.unfollowed[0][2]}"
        raise ConvergenceError(reason)
    with held_back():
        return work.result()


#: Parent, the point there, depth, period.
Birth = tuple[int | None, SpecialPoint | None, int, int]


class _Work:
    """The diagram as it grows."""

    def __init__(self, task: Task, ntk: KernelEvaluator | None, depth: int, most: int) -> None:
        self.task, self.ntk, self.depth, self.most = task, ntk, depth, most
        self.known = Known(task.curve)
        self.branches: list[Branch] = []
        self.births: list[Birth] = []
        self.unfollowed: list[tuple[int | None, SpecialPoint | str, str]] = []
        self.curves: dict[int, Curve] = {1: task.curve}
        self.done: list[tuple[Array, int]] = []  # special points already switched at, with the period
        self.ended = False

    # ---------------------------------------------------------------- one branch

    def curve(self, period: int) -> Curve:
        """Return the equations of the points of this period."""
        if period not in self.curves:
            model = self.task.curve.model.power(period)
            self.curves[period] = Curve(model, self.task.curve.free, self.task.params)
        return self.curves[period]

    def from_start(self, x0: Any, number: int, values: dict[str, float]) -> None:
        """Follow the branch of a start and all that leave it, unless it is known."""
        task = dataclasses.replace(self.task, params=values)
        start = prepare(task.curve, x0, values[task.curve.free], task.span, task.settings.tol, logs=task.logs)
        if self.known.find(task.curve, start.z, start.d, 1) is not None:
            return
        sides = self._sides(task, start, (-1.0, 1.0))
        if not any(len(nodes.s) for side in sides.values() for nodes in side.chunks):
            reason = "the branch leaves p_span at once, or could not be followed"
            self.unfollowed.append((None, f"start {number}", reason))
            return
        bound = self._evaluated(task, start, sides)
        with held_back() as interrupted:
            branch = assemble(task, start, sides, bound)
        self._add(branch, (None, None, 0, 1))
        if interrupted:
            self.interrupted()
        first = len(self.branches) - 1
        queue = [first]
        while queue and not self.ended:
            index = queue.pop(0)
            queue += self.switch(index)

    def _sides(self, task: Task, start: Start, signs: tuple[float, ...]) -> dict[float, Side]:
        self.bound = bind(self.ntk, task)
        sides: dict[float, Side] = {}
        for sign in signs:
            sides[sign] = follow(task, start, sign, self.bound, (), lambda _: None)
            if sides[sign].status is Status.INTERRUPTED:
                self.interrupted()
            if sides[sign].status in (Status.CLOSED, Status.INTERRUPTED):
                break
        return sides

    def _evaluated(self, task: Task, start: Start, sides: dict[float, Side]) -> BoundEvaluator | None:
        """Return the kernel with the scales of the branch, whose signatures the sides have afterwards."""
        bound = finished(task, start, sides, self.bound)
        if any(side.status is Status.INTERRUPTED for side in sides.values()):
            self.interrupted()
        return bound

    def interrupted(self) -> None:
        """End, and say so."""
        if not self.ended:
            self.unfollowed.append((None, "the rest", "interrupted; what was left is to be followed in a new call"))
            self.ended = True

    def _add(self, branch: Branch, birth: Birth) -> None:
        with held_back() as interrupted:
            self.branches.append(branch)
            self.births.append(birth)
            self.known.add(branch, birth[3])
        if interrupted:
            self.interrupted()
        if len(self.branches) >= self.most and not self.ended:
            self.unfollowed.append((None, "the rest", f"max_branches={self.most} was reached; raise it to go on"))
            self.ended = True

    # ---------------------------------------------------------------- switching

    def switch(self, index: int) -> list[int]:
        """Follow the new branches at every special point of a branch; return their numbers."""
        branch = self.branches[index]
        _, birthplace, depth, period = self.births[index]
        found: list[int] = []
        for point in branch.special_points:
            if point.label not in ("BP", "PD") and not (point.label == "BC" and point.multiplicity > 1):
                continue
            if birthplace is not None and point.label != "PD" and point.s == 0.0:
                continue
            own = 2 * period if point.label == "PD" else period
            if self._switched(point, own, branch):
                continue
            if depth >= self.depth and point.label == "BC" and point.normal_form["branches"] <= 2:
                continue  # the branch itself goes on there, and nothing else does
            if depth >= self.depth:
                reason = f"depth={self.depth} was reached; raise it to go on"
                self.unfollowed.append((index, point, reason))
                continue
            self.done.append((np.append(point.x, point.p), own))
            try:
                found += self._switch_at(index, point, own)
            except NoBranches as error:
                self.unfollowed.append((index, point, str(error)))
            if self.ended:
                break
        return found

    def _switched(self, point: SpecialPoint, period: int, branch: Branch) -> bool:
        """Whether branches of this period were switched at this point, or at another one of its orbit."""
        scale = np.append(np.maximum(np.max(np.abs(branch.x), axis=0), 1e-9), self.task.span[1] - self.task.span[0])
        scale = in_decades(scale, np.append(point.x, point.p), self.task.logs)
        held = period // 2 if point.label == "PD" else period
        z = self._orbit(point, held)
        for there, own in self.done:
            apart = np.max(np.abs(there - z) / scale, axis=1)
            if own == period and (apart[0] <= 1e-7 or np.min(apart) <= ONE_ORBIT):
                return True
        return False

    def _switch_at(self, index: int, point: SpecialPoint, period: int) -> list[int]:
        task = dataclasses.replace(self.task, curve=self.curve(period))
        d = np.array(self.branches[index].provenance["scales"]["start"], dtype=float)
        d = in_decades(d, np.append(point.x, point.p), task.logs)
        _, _, depth, _ = self.births[index]
        found: list[int] = []
        simple = self.curve(period // 2) if point.label == "PD" else None
        if point.label == "BC":
            leaving = half_branches(task.curve, point, d, task.span, task.settings.ds)
        else:
            leaving = outgoing(task.curve, point, d, task.span, task.settings.ds, simple)
        for each in leaving:
            if isinstance(each, str):
                self.unfollowed.append((index, point, each))
                continue
            if not each.inside:
                self.unfollowed.append((index, point, "a branch leaves p_span there at once"))
                continue
            signs = self._new_sides(task, each, period, halves=point.label == "BC")
            if not signs:
                continue
            branch, fell = self._born(task, each, signs, point, simple)
            if fell:
                reason = "of its branch a side is missing: the steps fall back onto the orbits that double there"
                self.unfollowed.append((index, point, reason))
            if branch is None and not fell:
                reason = "a branch that leaves there could not be followed within p_span"
                self.unfollowed.append((index, point, reason))
            if branch is None:
                continue
            self._add(branch, (index, point, depth + 1, period))
            found.append(len(self.branches) - 1)
            if self.ended:
                break
        return found

    def _new_sides(self, task: Task, each: Outgoing, period: int, *, halves: bool) -> tuple[float, ...]:
        """Return the directions of a branch in which it is not known yet."""
        new = [s for s in each.inside if self.known.find(task.curve, each.sides[s], each.start.d, period) is None]
        if not new:
            return ()
        if halves:
            return tuple(new)
        # a side on which no neighbour was found is tried together with the other one
        return tuple(s for s in (-1.0, 1.0) if s in new or s not in each.sides)

    def _born(
        self, task: Task, each: Outgoing, signs: tuple[float, ...], point: SpecialPoint, simple: Curve | None
    ) -> tuple[Branch | None, bool]:
        """Follow a new branch; also return whether, at a period doubling, a side fell back onto the `simple` orbits."""
        start = each.start
        sides = self._sides(task, start, signs)
        good = {sign: side for sign, side in sides.items() if simple is None or not _fell_back(side, simple, start)}
        fell, sides = len(good) < len(sides), good
        if not any(len(nodes.s) for side in sides.values() for nodes in side.chunks):
            return None, fell
        collision = point.label == "BC"
        record = collision_record(point, start) if collision else birth_record(task.curve, point, start)
        for side in sides.values():  # a closed branch meets it again at its end
            side.special = [q for q in side.special if not (_again(q, record, start.d) or (collision and _at_birth(q)))]
        next(iter(sides.values())).special.insert(0, _as_seen(record, next(iter(sides))))
        return assemble(task, start, sides, self._evaluated(task, start, sides)), fell

    # ---------------------------------------------------------------- the result

    def result(self) -> Diagram:
        """Return the diagram."""
        branches = named(self.branches, [birth[3] for birth in self.births], self._orbit)

        def name(index: int | None, point: SpecialPoint | str) -> str:
            if index is None or isinstance(point, str):
                return str(point)
            position = next(i for i, q in enumerate(self.branches[index].special_points) if q is point)
            return branches[index].special_points[position].name

        origins = [
            Origin(parent=parent, point=None if point is None else name(parent, point), depth=depth, period=period)
            for parent, point, depth, period in self.births
        ]
        unfollowed = [Unfollowed(branch=i, point=name(i, q), reason=reason) for i, q, reason in self.unfollowed]
        return Diagram(
            branches=tuple(branches), origins=tuple(origins), unfollowed=tuple(dict.fromkeys(unfollowed)),
            images={i: images for i in range(len(branches)) if len(images := self._images(i))},
            provenance={"depth": int(self.depth), "p_span": list(self.task.span), "log": list(self.task.log)},
        )  # fmt: skip

    def _images(self, index: int) -> Array:
        """Return the points of the orbits that are not on the branch: shape (j, k, n)."""
        branch, (_, point, _, period) = self.branches[index], self.births[index]
        held = 2 if point is not None and point.label == "PD" else 1  # it passes through the period doubling
        orbits = np.array([self.known.orbit(z, period // held) for z in np.column_stack([branch.x, branch.p])])
        return orbits[:, 1:, :-1].swapaxes(0, 1)

    def _orbit(self, point: SpecialPoint, period: int) -> Array:
        """Return the orbit (x, p) of a special point, its own place first: shape (period, n+1)."""
        return np.array(self.known.orbit(np.append(point.x, point.p), period))


def _fell_back(side: Side, simple: Curve, start: Start) -> bool:
    """Whether the first point of a branch born at a period doubling is on the orbits that double there."""
    first = next((nodes.z[0] for nodes in side.chunks if len(nodes.s)), None)
    return first is not None and on_simple_orbit(simple, first, start.z, start.d)


def _again(one: SpecialPoint, birth: SpecialPoint, d: Array) -> bool:
    apart = (np.append(one.x, one.p) - np.append(birth.x, birth.p)) / d
    # where a branch comes back to its birth, no tangent there says what it does
    return one.label in ("LP", "BP") and float(np.linalg.norm(apart)) <= (1e-6 if one.converged else 1e-3)


def _at_birth(one: SpecialPoint) -> bool:
    return one.label == "BC" and one.s == 0.0


def _as_seen(point: SpecialPoint, sign: float) -> SpecialPoint:
    """Return a special point as the direction `sign` of a run has it."""
    low, high = point.bracket
    return point if sign > 0 else dataclasses.replace(point, tangent=-point.tangent, bracket=(-high, -low))
