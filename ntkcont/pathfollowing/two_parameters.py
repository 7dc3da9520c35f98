"""Curves of special points in two parameters: ``continuation(model, point, free=("h", "mu"), ...)``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import unknown_name
from ntkcont.models.model import Array, Model
from ntkcont.pathfollowing.codimension_two import Finder
from ntkcont.pathfollowing.critical_point import CriticalNode
from ntkcont.pathfollowing.critical_start import (
    check_inside,
    check_point,
    first_node,
    two_names,
    two_spans,
    values_at,
)
from ntkcont.pathfollowing.critical_steps import Walker
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import check_log, check_positive, log_scales
from ntkcont.pathfollowing.provenance import versions
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.task import parse_stop
from ntkcont.results.critical_curve import CriticalCurve
from ntkcont.results.labels import CODIMENSION_TWO
from ntkcont.results.special_points import SpecialPoint, renumbered
from ntkcont.status import Status


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """An accepted point of a curve in two parameters, as monitors and stop functions see it.

    Attributes
    ----------
    label : str
        What the point is.
    s : float
        Scaled arclength from the start.
    p, x : ndarray, shapes (2,) and (n,)
        Free parameters and state.
    eigenvalues : ndarray, shape (n,), complex
    n_unstable : int
        Unstable eigenvalues besides the critical ones.
    """

    free: tuple[str, str]
    states: tuple[str, ...]
    label: str
    s: float
    p: Array
    x: Array
    eigenvalues: np.ndarray
    n_unstable: int

    def __getitem__(self, name: str) -> float:
        if name in self.free:
            return float(self.p[self.free.index(name)])
        if name not in self.states:
            raise unknown_name(argument="point", got=name, allowed=[*self.free, *self.states])
        return float(self.x[self.states.index(name)])


@dataclasses.dataclass
class _Side:
    """One direction: nodes (without the start), points of codimension two, how it ended."""

    nodes: list[CriticalNode]
    special: list[SpecialPoint]
    status: Status
    error: str = ""


# ---------------------------------------------------------------- the run


def follow_curve(
    model: Model,
    point: Any,
    *,
    free: Any,
    p_span: Any,
    params: Mapping[str, float] | None = None,
    direction: str = "both",
    settings: ContinuationSettings | None = None,
    stop: Any = None,
    monitors: Sequence[Callable[[CurvePoint], Any]] = (),
    progress: bool = False,
    log: Sequence[str] = (),
) -> CriticalCurve:
    """Follow a special point in two parameters; arguments as in ``continuation``, whose part for two names this is."""
    names = two_names(model, free)
    spans = two_spans(names, p_span)
    point = check_point(model, point)
    settings = settings or ContinuationSettings()
    values = values_at(model, point, params)
    check_inside(names, values, spans)
    measured = check_log(model, names, spans, log)
    logs = log_scales(model, names, spans, measured)
    stop_at, stop_function = _parse_stop(stop)
    curve = Curve(model, names[0], values, others=names[1:])
    z = np.append(model.state_vector(point), np.clip([values[name] for name in names], spans[:, 0], spans[:, 1]))
    check_positive(model, logs, z, "x0")
    system, start = first_node(curve, point, z, spans, settings.tol, logs)
    finder = Finder(system, point.label, names, values)
    sides: dict[float, _Side] = {}
    with _progress(progress) as show:
        for sign in {"both": (-1.0, 1.0), "+": (1.0,), "-": (-1.0,)}[direction]:
            first = dataclasses.replace(start, tau=sign * start.tau)
            system.rescale(start.d)
            walker = Walker(system, point.label, first, spans, settings, logs)
            sides[sign] = _run(walker, finder, stop_at, stop_function, [*monitors, show], names)
            if sides[sign].status in (Status.CLOSED, Status.INTERRUPTED):
                break
    return _assemble(curve, point.label, start, sides, values, spans, settings, measured)


@contextlib.contextmanager
def _progress(wanted: bool) -> Iterator[Callable[[CurvePoint], Any]]:
    if not wanted:
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(unit=" points", leave=False) as bar:
        yield lambda _: bar.update()


def _parse_stop(stop: Any) -> tuple[tuple[str, int] | None, Callable[[CurvePoint], bool] | None]:
    stop_at, function = parse_stop(stop, list(CODIMENSION_TWO))
    return stop_at, function  # type: ignore[return-value]


def _as_point(node: CriticalNode, names: tuple[str, str], curve: Curve) -> CurvePoint:
    n, z = curve.n, node.z
    return CurvePoint(
        free=names, states=curve.model.states, label=node.label, s=node.s, p=z[n:], x=z[:n],
        eigenvalues=node.eigenvalues, n_unstable=node.n_unstable,
    )  # fmt: skip


def _run(
    walker: Walker,
    finder: Finder,
    stop_at: tuple[str, int] | None,
    stop: Callable[[CurvePoint], bool] | None,
    monitors: Sequence[Callable[[CurvePoint], Any]],
    names: tuple[str, str],
) -> _Side:
    """Follow one direction to its end; what was computed is kept whatever happens."""
    side = _Side([], [], Status.BOUND)
    if walker.leaves_at_once():
        return side
    curve, hits = walker.system.scaled.curve, 0
    while True:
        left = walker.last
        try:
            node, status = walker.step()
        except KeyboardInterrupt:
            side.status = Status.INTERRUPTED
            return side
        except Exception as failure:  # whatever the user's function raises
            side.status, side.error = Status.RHS_ERROR, f"{type(failure).__name__}: {failure}"
            return side
        if node is None:
            side.status = status or Status.MIN_STEP
            return side
        special = finder.between(left, node)
        side.nodes.append(node)
        side.special += special
        if status is None and len(side.nodes) >= walker.settings.max_steps:
            status = Status.MAX_STEPS
        if stop_at is not None:
            hits += sum(found.label == stop_at[0] for found in special)
            status = Status.EVENT if hits >= stop_at[1] else status
        try:
            seen = _as_point(node, names, curve)
            for monitor in monitors:
                monitor(seen)
            if stop is not None and stop(seen):
                status = Status.CALLBACK
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        except Exception as failure:  # the user's function: keep the points
            status, side.error = Status.CALLBACK_ERROR, f"{type(failure).__name__}: {failure}"
        if status is not None:
            side.status = status
            return side


def _end_point(curve: Curve, node: CriticalNode, names: tuple[str, str], values: Mapping[str, float]) -> SpecialPoint:
    n, z = curve.n, node.z
    return SpecialPoint(
        label="EP", name="", p=float(z[n]), x=z[:n], s=node.s, tangent=node.tangent[: n + 1],
        eigenvalues=node.eigenvalues, bracket=(node.s, node.s), residual=node.residual, test_value=0.0, converged=True,
        omega=None if np.isnan(node.omega) else node.omega, free=names[0],
        params={**values, **dict(zip(names, z[n:].tolist(), strict=True))},
        states=curve.model.states, kind=curve.model.kind,
    )  # fmt: skip


def _assemble(
    curve: Curve,
    label: str,
    start: CriticalNode,
    sides: Mapping[float, _Side],
    values: Mapping[str, float],
    spans: Array,
    settings: ContinuationSettings,
    log: tuple[str, ...],
) -> CriticalCurve:
    """Join both directions at the start."""
    names = (curve.names[0], curve.names[1])
    back = sides.get(-1.0)
    mirrored = [dataclasses.replace(node, s=-node.s, tau=-node.tau) for node in (back.nodes if back else [])]
    nodes = [*mirrored[::-1], start, *(sides[1.0].nodes if 1.0 in sides else [])]
    special = [
        dataclasses.replace(q, s=-q.s, tangent=-q.tangent, bracket=(-q.bracket[1], -q.bracket[0]))
        for q in (back.special if back else [])
    ]
    special += sides[1.0].special if 1.0 in sides else []
    special += [_end_point(curve, node, names, values) for node in (nodes[0], nodes[-1])]
    low, high = (sides[sign].status if sign in sides else Status.START for sign in (-1.0, 1.0))
    closed = Status.CLOSED in (low, high)
    computed = [side.status for side in sides.values()]
    n = curve.n
    z = np.array([node.z for node in nodes])
    model = curve.model

    def column(name: str) -> Any:
        return np.array([getattr(node, name) for node in nodes])

    return CriticalCurve(
        kind=model.kind, label=label, free=names, states=model.states, params=values,
        p=z[:, n:], x=z[:, :n], s=column("s"), tangent=column("tangent"), eigenvalues=column("eigenvalues"),
        labels=column("label"), n_unstable=column("n_unstable"), omega=column("omega"),
        coefficient=column("coefficient"), special_points=renumbered(special, log),
        status=next((status for status in computed if not status.ok), computed[-1]),
        ends=(Status.CLOSED, Status.CLOSED) if closed else (low, high),
        provenance={
            "model": {"digest": model.digest, "description": model.description, "kind": model.kind},
            "free": list(names), "p_span": spans.tolist(), "log": list(log), "params": dict(values),
            "settings": dataclasses.asdict(settings), "scales": {"start": start.d.copy()},
            "errors": [side.error for side in sides.values() if side.error], "versions": versions(),
        },
        model=model,
    )  # fmt: skip
