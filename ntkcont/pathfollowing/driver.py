"""The verb: ``continuation`` follows fixed points and returns a branch; ``iterate`` gives its points one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.pathfollowing.afterwards import finished
from ntkcont.pathfollowing.assemble import Side, assemble
from ntkcont.pathfollowing.checkpoint import Checkpoint, problem
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import check_log
from ntkcont.pathfollowing.events import UserZero, resolve_events
from ntkcont.pathfollowing.follow import Monitor, follow, one_thread
from ntkcont.pathfollowing.interrupts import held_back
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.protocols import BoundEvaluator, KernelEvaluator
from ntkcont.pathfollowing.records import as_point
from ntkcont.pathfollowing.run import run
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import Start, check_in_span, check_span, prepare, start_params
from ntkcont.pathfollowing.task import Chunk, Task, parse_stop
from ntkcont.results.branch import Branch
from ntkcont.results.critical_curve import CriticalCurve
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.pathfollowing.two_parameters import CurvePoint

Direction = Literal["both", "+", "-"]


def _check_model(model: Any, settings: Any) -> None:
    if not isinstance(model, Model):
        msg = (
            f"model: got {type(model).__name__}; give a Model, such as nc.Model.from_equations(...) or nc.RateRNN(...)"
        )
        raise InputError(msg)
    if settings is not None and not isinstance(settings, ContinuationSettings):
        msg = f"settings: got {type(settings).__name__}; give nc.ContinuationSettings(...)"
        raise InputError(msg)


def _setup(
    model: Model,
    x0: Any,
    free: str,
    p_span: Any,
    params: Mapping[str, float] | None,
    settings: ContinuationSettings | None,
    events: Sequence[object] | None,
    stop: Any,
    direction: Direction,
    log: Sequence[str],
) -> tuple[Task, Start]:
    """Check the arguments and correct the start."""
    _check_model(model, settings)
    settings = settings or ContinuationSettings()
    span = check_span(p_span)
    values = start_params(model, x0, free, params)
    check_in_span(free, values[free], span)
    measured = check_log(model, free, span, log)
    chosen, users = resolve_events(events, model.kind)
    borders = [] if model.switching is None else ["BC"]
    stop_at, stop_function = parse_stop(stop, [*chosen, *borders, "UZ", *(u.name for u in users)])
    task = Task(Curve(model, free, values), values, span, settings, chosen, users, stop_function, stop_at, log=measured)
    sign = {"+": 1.0, "-": -1.0}.get(direction)
    start = prepare(task.curve, x0, values[free], span, settings.tol, sign, task.logs)
    _check_callbacks(as_point(task.curve, start.node), users, stop_function)
    return task, start


def _tried(what: str, function: Callable[[Point], Any], point: Point) -> Any:
    try:
        return function(point)
    except Exception as error:
        msg = f"{what} raised {type(error).__name__} at the start ({error}); it gets a point with p, x, s and columns"
        raise InputError(msg) from error


def _check_callbacks(point: Point, users: Sequence[UserZero], stop: Callable[[Point], bool] | None) -> None:
    """Try the user's functions once, at the start."""
    for user in users:
        value = _tried(f"events: UserZero({user.name!r})", user.g, point)
        if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value):
            msg = f"events: UserZero({user.name!r}) returned {value!r} at the start; it must return a finite number"
            raise InputError(msg)
    if stop is not None:
        answer = _tried("stop: the function", stop, point)
        if not isinstance(answer, (bool, np.bool_)):
            msg = f"stop: the function returned {answer!r} at the start; it must return True or False"
            raise InputError(msg)


def _check_direction(direction: str) -> None:
    if direction not in ("both", "+", "-"):
        msg = (
            f"direction: got {direction!r}; it may be 'both', '+' or '-' (sign of the first step in the free parameter)"
        )
        raise InputError(msg)


def iterate(
    model: Model,
    x0: Any,
    *,
    free: str,
    p_span: tuple[float, float],
    params: Mapping[str, float] | None = None,
    direction: Literal["+", "-"] = "+",
    settings: ContinuationSettings | None = None,
    log: Sequence[str] = (),
) -> Iterator[Point]:
    """Yield the points of a branch one by one: for live plots, early stops and loops of one's own.

    Arguments are those of :func:`continuation`; the first point is the corrected start.

    Yields
    ------
    Point
        With ``s``, ``p``, ``x``, ``tangent``, ``eigenvalues``, ``n_unstable``, and columns by name.

    Examples
    --------
    >>> import ntkcont as nc
    >>> fold = nc.Model.from_equations({"x": "p + x**2"}, {"p": -1.0})
    >>> for point in nc.iterate(fold, [-1.0], free="p", p_span=(-2, 1)):
    ...     if not point.stable:
    ...         break
    >>> point["x"] > 0
    True
    """
    if direction not in ("+", "-"):
        msg = f"direction: got {direction!r}; it may be '+' or '-' here (one direction at a time)"
        raise InputError(msg)
    task, start = _setup(model, x0, free, p_span, params, settings, (), None, direction, log)
    task = dataclasses.replace(task, events={})
    yield as_point(task.curve, start.node)
    chunks = run(task, start, 1.0 if direction == "+" else -1.0)
    while True:
        with one_thread(model.n):
            chunk = next(chunks, None)
        if chunk is None:
            return
        for i in range(len(chunk.nodes.s)):
            yield as_point(task.curve, chunk.nodes[i])


@overload
def continuation(
    model: Model,
    x0: Any,
    *,
    free: str,
    p_span: tuple[float, float],
    params: Mapping[str, float] | None = None,
    direction: Direction = "both",
    settings: ContinuationSettings | None = None,
    events: Sequence[object] | None = None,
    stop: tuple[str, int] | Callable[[Point], bool] | None = None,
    ntk: KernelEvaluator | None = None,
    monitors: Sequence[Monitor] = (),
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    log: Sequence[str] = (),
) -> Branch: ...
@overload
def continuation(
    model: Model,
    x0: SpecialPoint,
    *,
    free: tuple[str, str],
    p_span: tuple[tuple[float, float], tuple[float, float]],
    params: Mapping[str, float] | None = None,
    direction: Direction = "both",
    settings: ContinuationSettings | None = None,
    stop: tuple[str, int] | Callable[[CurvePoint], bool] | None = None,
    monitors: Sequence[Callable[[CurvePoint], Any]] = (),
    progress: bool = False,
    log: Sequence[str] = (),
) -> CriticalCurve: ...
def continuation(
    model: Model,
    x0: Any,
    *,
    free: str | tuple[str, str],
    p_span: Any,
    params: Mapping[str, float] | None = None,
    direction: Direction = "both",
    settings: ContinuationSettings | None = None,
    events: Sequence[object] | None = None,
    stop: Any = None,
    ntk: KernelEvaluator | None = None,
    monitors: Sequence[Callable[[Any], Any]] = (),
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    log: Sequence[str] = (),
) -> Branch | CriticalCurve:
    """Follow a branch of fixed points in one parameter, or one of its special points in two; locate what happens there.

    Pseudo-arclength continuation with adaptive steps; every accepted point gets its eigenvalues, every special point is
    bracketed by test functions and then located by Newton on its defining system (Govaerts 2000, chapters 3 and 4;
    Kuznetsov 2004, chapter 10).

    With two names in `free` and a special point as `x0` (LP, H, BP, NSad of flows; LP, PD, NS, BP of maps) the curve of
    such points in both parameters is followed, and the points of codimension two on it are located: cusps CP,
    Bogdanov-Takens BT, zero-Hopf ZH, generalised Hopf GH and Hopf-Hopf HH; for maps CP, resonances R1 to R4, GPD, CH,
    LPPD, LPNS, PDNS and NSNS.  `events`, `ntk` and `checkpoint` belong to branches in one parameter.

    Parameters
    ----------
    model : Model
        The system.
    x0 : array_like, shape (n,), mapping by state name, or special point
        A guess of the fixed point at the start, corrected first.  A special point also brings its parameter values.
    free : str or (str, str)
        Name of the free parameter, or names of two.
    p_span : (float, float), or two of them
        Range of each free parameter.
    params : mapping, optional
        Values of parameters, default the model's.  The start is ``params[free]``, which must lie in `p_span`.
    direction : {"both", "+", "-"}
        Sign of the first step in the free parameter (of two: in the second), default both.
    settings : ContinuationSettings, optional
        Step sizes and limits.
    events : sequence, optional
        What to look for.  Default for flows ``Fold, Hopf, BranchPoint`` (and neutral saddles, label NSad), for maps
        ``Fold, BranchPoint, PeriodDoubling, NeimarkSacker``; ``UserZero(name, g)`` alone adds to the default.
        Border collisions BC of networks with kinked activations (relu, retanh) are always reported.
    stop : (str, int) or callable, optional
        ``("H", 2)``: stop at the second Hopf point of each direction; or a function of the point that returns True.
    ntk : evaluator, optional
        Such as ``nc.ntk.StateNTK(...)``: kernel signatures at every accepted and special point.
    monitors : sequence of callables
        Each is called with every accepted :class:`Point` (:class:`CurvePoint` on a curve in two parameters).
    progress : bool
        Show a progress bar on the standard error stream, default False.
    checkpoint : path-like, optional
        A file to write the run down in as it goes (branches in one parameter).  If the process is killed, the same
        call goes on from the last chunk of steps in it, and returns the branch of an uninterrupted run, to the last
        bit on one machine; after the run it returns that branch at once.  The file is not deleted.
    log : sequence of str
        Names of free parameters and states that are measured in decades, such as ``("K",)``, default none: equal steps
        multiply them by equal factors, whatever their size, and pictures get a logarithmic axis.  They must be positive
        at the start and remain so: a step that would change the sign is refused.

    Returns
    -------
    Branch, or CriticalCurve with two free parameters
        Ordered along the arclength s, which is 0 at the start.  Whatever happened is in its ``status``; points
        computed before a failure are kept.

    Raises
    ------
    InputError
        If an argument is not what it may be, or the checkpoint is of another run or in use.
    FileFormatError
        If the checkpoint is damaged, or some other file.
    ConvergenceError
        If Newton does not converge from `x0`.

    References
    ----------
    W. Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria, SIAM 2000.
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, Springer 2004.

    Examples
    --------
    >>> import ntkcont as nc
    >>> fold = nc.Model.from_equations({"x": "p + x**2"}, {"p": -1.0})
    >>> branch = nc.continuation(fold, [-1.0], free="p", p_span=(-2, 1))
    >>> branch.special_points.labels
    ('EP', 'LP', 'EP')
    >>> abs(branch.special_points["LP1"].p) < 1e-12
    True

    The fold of a family with a second parameter:

    >>> family = nc.Model.from_equations({"x": "p + q*x + x**2"}, {"p": -1.0, "q": 0.0})
    >>> fold = nc.continuation(family, [-1.0], free="p", p_span=(-2, 1)).special_points["LP1"]
    >>> curve = nc.continuation(family, fold, free=("p", "q"), p_span=((-2, 2), (-1, 1)))
    >>> bool(abs(curve["p"] - curve["q"] ** 2 / 4).max() < 1e-9)
    True
    """
    _check_direction(direction)
    if not isinstance(free, str):
        _check_model(model, settings)
        for name, value in (("events", events), ("ntk", ntk), ("checkpoint", checkpoint)):
            if value is not None:
                msg = f"{name}: it belongs to branches in one free parameter; leave it out with two"
                raise InputError(msg)
        with one_thread(model.n):
            from ntkcont.pathfollowing.two_parameters import follow_curve

            return follow_curve(
                model, x0, free=free, p_span=p_span, params=params, direction=direction, settings=settings,
                stop=stop, monitors=monitors, progress=progress, log=log,
            )  # fmt: skip
    if isinstance(x0, Branch):
        msg = "x0: got a Branch; to go on from its ends use nc.extend(branch, p_span=...)"
        raise InputError(msg)
    task, start = _setup(model, x0, free, p_span, params, settings, events, stop, direction, log)
    bound = bind(ntk, task)
    signs = {"both": (-1.0, 1.0), "+": (1.0,), "-": (-1.0,)}[direction]
    sides: dict[float, Side] = {}
    with _progress(progress, free) as show, _checkpointed(task, start, signs, bound, checkpoint) as task:
        for sign in signs:
            side = follow(task, start, sign, bound, monitors, show)
            sides[sign] = side
            if side.status in (Status.CLOSED, Status.INTERRUPTED):
                break
        bound = finished(task, start, sides, bound)
    with held_back() as interrupted:
        branch = assemble(task, start, sides, bound)
    return dataclasses.replace(branch, status=Status.INTERRUPTED) if interrupted else branch


@contextlib.contextmanager
def _checkpointed(
    task: Task,
    start: Start,
    signs: tuple[float, ...],
    bound: BoundEvaluator | None,
    path: str | os.PathLike[str] | None,
) -> Iterator[Task]:
    """Yield the task with its checkpoint, whose file is closed afterwards."""
    if path is None:
        yield task
        return
    with contextlib.closing(Checkpoint(path, problem(task, start, signs, bound))) as checkpoint:
        yield dataclasses.replace(task, checkpoint=checkpoint)


def bind(ntk: KernelEvaluator | None, task: Task) -> BoundEvaluator | None:
    """Prepare the kernel evaluator for this model and free parameter."""
    if ntk is None:
        return None
    if isinstance(ntk, type) or not hasattr(ntk, "bind"):
        got = f"the class {ntk.__name__}" if isinstance(ntk, type) else type(ntk).__name__
        msg = f"ntk: got {got}; give a kernel evaluator such as nc.ntk.StateNTK(...)"
        raise InputError(msg)
    return ntk.bind(task.curve.model, free=task.curve.free, params=task.params)


@contextlib.contextmanager
def _progress(wanted: bool, free: str) -> Iterator[Callable[[Chunk], None]]:
    """Yield a function that shows the progress of a run, on the standard error stream only."""
    if not wanted:
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(unit=" points", leave=False) as bar:

        def show(chunk: Chunk) -> None:
            if len(chunk.nodes.s):
                bar.set_postfix_str(f"{free} = {chunk.nodes.z[-1, -1]:.5g}", refresh=False)
            bar.update(len(chunk.nodes.s))

        yield show
