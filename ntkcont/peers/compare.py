"""``nc.compare``: another program on the same problem."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from ntkcont.errors import InputError, PeerError
from ntkcont.models.model import Model
from ntkcont.normal_forms import normal_form
from ntkcont.pathfollowing.driver import Direction, continuation
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.peers.evidence import evaluate, for_ours, for_theirs
from ntkcont.peers.matching import COMPARED, Scales, assign, compare_stability
from ntkcont.peers.notes import notes_on_ours, notes_on_reach
from ntkcont.peers.options import positive
from ntkcont.peers.protocol import Peer, PeerBranch, PeerPoint, PeerTask
from ntkcont.peers.registry import find_peer
from ntkcont.peers.report import Comparison, Match, Single
from ntkcont.peers.spirals import spiral
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint

_TIMED = "nc.continuation from the start to the finished branch, eigenvalues at every point, compiled before"


def compare(
    model: Model,
    x0: Any,
    *,
    free: str,
    p_span: tuple[float, float],
    against: str | Peer = "pydstool",
    params: Mapping[str, float] | None = None,
    direction: Direction = "both",
    settings: ContinuationSettings | None = None,
    within: float = 0.01,
    repeats: int = 5,
    title: str | None = None,
    log: Sequence[str] = (),
) -> Comparison:
    """Follow the same fixed points with ntkcont and with another program, and report both side by side.

    Parameters
    ----------
    model : Model
        From equations or a ``RateRNN``: the other program needs them written out.
    x0, free, p_span, params, direction, settings
        As for :func:`ntkcont.continuation`.
    against : {"pydstool", "xpplab"} or Peer, default "pydstool"
        The other program; ``nc.peers.PyDSTool(max_step=...)`` and ``nc.peers.XPPLab(...)`` take options, and an
        object of yours with a ``name`` and a ``follow`` method is one too.
    within : float, default 0.01
        Points of the same type count as the same up to this distance, in (x, p) divided by the largest magnitude of
        each state and by the width of `p_span`; in logarithms of what is measured in decades.
    repeats : int, default 5
        Warm runs of ntkcont, and most runs of the other program, of which the median time is reported.
    title : str, optional
        Heading of the report.
    log : sequence of str
        What ntkcont measures in decades, as for :func:`ntkcont.continuation`; the other program takes its own steps.

    Returns
    -------
    Comparison
        ``matched``, ``only_ntkcont``, ``only_peer``, ``stability``, ``seconds_per_step``, ...; its repr is the report
        as text, ``save(folder)`` writes text, JSON and a picture.

    Raises
    ------
    InputError
        An argument is wrong, or the equations of the model cannot be written out.
    ConvergenceError
        No fixed point near `x0`.
    PeerError
        The other program is missing, cannot run on this Python, or failed.

    Notes
    -----
    The other program runs in a process of its own with this interpreter and starts at the fixed point that ntkcont
    corrected `x0` to.  Its time is measured there, without imports and without building the model.

    Examples
    --------
    >>> import ntkcont as nc
    >>> class Silent:
    ...     name = "silent"
    ...     def follow(self, task):
    ...         side = (task.branch.p, task.branch.x, task.branch.stable)
    ...         return nc.peers.PeerBranch(
    ...             program="Silent 1", sides=(side,), special_points=(), seconds=(1.0,), timed="nothing"
    ...         )
    >>> model = nc.Model.from_equations({"x": "mu - x^2"}, {"mu": 1.0})
    >>> report = nc.compare(model, [1.0], free="mu", p_span=(-1, 2), against=Silent())
    >>> [one.name for one in report.only_ntkcont], report.stability.fraction
    (['LP1'], 1.0)
    """
    peer = find_peer(against)
    within = positive("within", within)
    if not (isinstance(repeats, int) and repeats >= 1):
        msg = f"repeats: got {repeats!r}; it must be a whole number from 1 on"
        raise InputError(msg)
    check = getattr(peer, "check", None)
    if check is not None:  # before anything is solved in vain
        check()
    arguments: dict[str, Any] = {
        "free": free,
        "p_span": p_span,
        "params": params,
        "direction": direction,
        "settings": settings,
        "log": log,
    }
    branch = continuation(model, x0, **arguments)
    seconds = _timed(model, x0, arguments, repeats)
    span = (float(p_span[0]), float(p_span[1]))
    start = int(np.argmin(np.abs(branch.s)))
    values = {**branch.params, free: float(branch.p[start])}
    task = PeerTask(
        model=model, params=values, x0=np.array(branch.x[start]), free=free, p_span=span,
        direction=direction, branch=branch, repeats=repeats,
    )  # fmt: skip
    answer: Any = peer.follow(task)
    if not isinstance(answer, PeerBranch):
        msg = f"{peer.name}: its follow method returned {type(answer).__name__}; it must return a PeerBranch"
        raise PeerError(msg)
    found = answer.within(span)
    scales = Scales.of(branch, span)
    matched, only_ours, only_theirs = _special_points(model, branch, found, scales, within)
    name = peer.name
    each = statistics.median(found.seconds) / found.computed if found.steps and found.computed else math.nan
    return Comparison(
        title=title or _title(model),
        peer_name=name,
        free=free,
        p_span=span,
        matched=matched,
        only_ntkcont=only_ours,
        only_peer=only_theirs,
        stability=compare_stability(branch, found, scales, within),
        steps=MappingProxyType({"ntkcont": len(branch), name: found.steps}),
        seconds_per_step=MappingProxyType({"ntkcont": seconds / len(branch), name: each}),
        timed=MappingProxyType(
            {
                "ntkcont": f"{_TIMED}; {_runs(repeats)}",
                name: f"{found.timed}; {_runs(len(found.seconds))}",
            }
        ),
        branch=branch,
        peer=found,
        notes=(*notes_on_ours(branch), *notes_on_reach(branch, found, scales, name)),
    )


def _timed(model: Model, x0: Any, arguments: dict[str, Any], repeats: int) -> float:
    """Return the median seconds of warm continuations."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        continuation(model, x0, **arguments)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _title(model: Model) -> str:
    shown = ", ".join(model.states[:4]) + (", ..." if model.n > 4 else "")
    return f"a {model.kind} in {shown}"


def _runs(count: int) -> str:
    return f"median of {count} runs" if count > 1 else "one run"


def _special_points(
    model: Model, branch: Branch, peer: PeerBranch, scales: Scales, within: float
) -> tuple[tuple[Match, ...], tuple[Single, ...], tuple[Single, ...]]:
    ours = [point for point in branch.special_points if point.label in COMPARED]
    theirs = [point for point in peer.special_points if point.label in COMPARED]
    pairs = assign(ours, theirs, scales, within)
    matched = tuple(_match(model, ours[i], theirs[j], scales) for i, j in pairs)
    taken = {ours[i].name for i, _ in pairs}
    left = [point for point in ours if point.name not in taken]
    more = [point for j, point in enumerate(theirs) if j not in {j for _, j in pairs}]

    first = int(np.argmin(np.abs(branch.s)))
    start = (branch.x[first], branch.p[first])

    def single(point: SpecialPoint | PeerPoint) -> Single:
        found = evaluate(
            model, point.label, point.p, point.x, params=branch.params, free=branch.free, scales=scales
        )  # fmt: skip
        words = (
            for_ours(point, found, peer, scales, start)
            if isinstance(point, SpecialPoint)
            else for_theirs(point, found, branch.special_points, taken, scales, within)
        )
        return Single(
            point=point, residual=found.residual, test_value=found.value, holds=found.holds, evidence=words
        )  # fmt: skip

    return matched, tuple(map(single, left)), tuple(map(single, more))


def _match(model: Model, ours: SpecialPoint, theirs: PeerPoint, scales: Scales) -> Match:
    signs: dict[str, tuple[int, int]] = {}
    evidence = ""
    form = normal_form(model, ours) if theirs.normal_form else {}
    for name, value in theirs.normal_form.items():
        if name in form:
            signs[name] = (int(np.sign(form[name])), int(np.sign(value)))
    if "l1" in signs and signs["l1"][0] != signs["l1"][1]:
        found = spiral(model, ours, form["re_g21_half"], scales)
        evidence = "the signs of l1 differ: " + (str(found) if found else "no trajectory decides in reasonable time")
    return Match(
        ntkcont=ours,
        peer=theirs,
        dp=theirs.p - ours.p,
        dx=float(np.max(np.abs(theirs.x - ours.x) / scales.x)),
        distance=scales.distance(ours, theirs),
        signs=MappingProxyType(signs),
        evidence=evidence,
    )
