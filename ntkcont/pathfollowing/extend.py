"""Going on from the ends of a finished branch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.pathfollowing.afterwards import awaits_points, check_extensible, finished, on_branch
from ntkcont.pathfollowing.assemble import assemble
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.decades import check_log, check_positive, in_decades
from ntkcont.pathfollowing.driver import bind
from ntkcont.pathfollowing.events import resolve_events
from ntkcont.pathfollowing.follow import follow
from ntkcont.pathfollowing.protocols import KernelEvaluator
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import Start, check_span
from ntkcont.pathfollowing.task import Task
from ntkcont.results.branch import Branch, join
from ntkcont.status import Status


def extend(
    branch: Branch,
    *,
    p_span: tuple[float, float] | None = None,
    direction: Literal["both", "low", "high"] = "both",
    model: Model | None = None,
    settings: ContinuationSettings | None = None,
    events: Any = None,
    ntk: KernelEvaluator | None = None,
    log: Sequence[str] | None = None,
) -> Branch:
    """Continue a finished branch beyond its ends.

    Parameters
    ----------
    branch : Branch
        From :func:`continuation` or :func:`load`.
    p_span : (float, float), optional
        New range of the free parameter; default the old one (to go on after ``max_steps``).
    direction : {"both", "low", "high"}
        Which end of the arclength to go on from, default both.
    model : Model, optional
        Needed for a branch read from a file.
    settings, events, ntk
        As in :func:`continuation` (``store_states`` is that of the branch); a branch with a kernel needs the same
        kernel, one without takes none.  A kernel with scales "relative" is evaluated again at the old points: they are
        relative to the whole branch.
    log : sequence of str, optional
        What is measured in decades, as in :func:`continuation`; default what was so on the branch, ``branch.log``.

    Returns
    -------
    Branch
        A new branch with the old points in the middle.

    Raises
    ------
    InputError
        If the model is missing or not the branch's, the branch is closed, or it lies outside `p_span`.

    Examples
    --------
    >>> import ntkcont as nc
    >>> fold = nc.Model.from_equations({"x": "p + x**2"}, {"p": -1.0})
    >>> branch = nc.continuation(fold, [-1.0], free="p", p_span=(-1, -0.5))
    >>> float(nc.extend(branch, p_span=(-2, -0.25)).p.min())
    -2.0
    """
    if not isinstance(branch, Branch):
        msg = f"branch: got {type(branch).__name__}; only a Branch in one free parameter can be extended"
        raise InputError(msg)
    model = model or branch.model
    if model is None:
        msg = "model: the branch was read from a file and holds no model; give model="
        raise InputError(msg)
    recorded = branch.provenance.get("model", {}).get("digest", model.digest)
    if tuple(model.states) != tuple(branch.states) or recorded != model.digest:
        msg = "model: it is not the model that this branch was computed with (states or digest differ)"
        raise InputError(msg)
    if (ntk is None) != (branch.ntk is None):
        had = "has" if branch.ntk is not None else "has no"
        msg = f"ntk: the branch {had} kernel signatures; extend it with the same kernel (or annotate afterwards)"
        raise InputError(msg)
    if Status.CLOSED in branch.ends:
        msg = "branch: it is closed, so it has no end to go on from"
        raise InputError(msg)
    if direction not in ("both", "low", "high"):
        msg = f"direction: got {direction!r}; it may be 'both', 'low' or 'high' (end of the arclength)"
        raise InputError(msg)
    span = check_span(p_span if p_span is not None else branch.provenance["p_span"])
    measured = check_log(model, branch.free, span, branch.log if log is None else log)
    chosen, users = resolve_events(events, model.kind)
    curve = Curve(model, branch.free, branch.params)
    kept: Literal["all", "special"] = "all" if branch.has_states else "special"
    settings = dataclasses.replace(settings or ContinuationSettings(), store_states=kept)
    task = Task(curve, dict(branch.params), span, settings, chosen, users, log=measured)
    bound = bind(ntk, task)
    check_extensible(branch, bound)
    piecewise = None if awaits_points(bound) else bound
    result = branch
    for end in ("low", "high") if direction == "both" else (direction,):
        i, sign = (0, -1.0) if end == "low" else (-1, 1.0)
        at_end = branch.special_points[i]  # an EP
        x, tangent = (branch.x[i], branch.tangent[i]) if branch.has_states else (at_end.x, at_end.tangent)
        z = np.append(x, branch.p[i])
        if not span[0] <= z[-1] <= span[1]:
            msg = f"p_span: the end at {branch.free} = {z[-1]:g} lies outside ({span[0]:g}, {span[1]:g}); widen it"
            raise InputError(msg)
        d = np.array(branch.provenance["scales"][end], dtype=float)
        d[-1] = span[1] - span[0]
        check_positive(model, task.logs, z, f"the end at {branch.free} = {z[-1]:g}")
        d = in_decades(d, z, task.logs)
        tau = tangent / d
        tau = tau / np.linalg.norm(tau)
        node, _ = curve.node(z, d, tau, 0.0)
        start = Start(z, tau, d, Node(z, tau * d, 0.0, node.eigenvalues, node.counts))
        part = follow(task, start, sign, piecewise, (), lambda _: None)
        if not sum(len(nodes.s) for nodes in part.chunks):
            continue  # this end cannot move: it sits on the bound
        measured = finished(task, start, {sign: part}, piecewise)
        piece = assemble(task, start, {sign: part}, measured, s0=float(branch.s[i]))
        result = join(piece, result) if end == "low" else join(result, piece)
    # scales "relative" are those of the branch as it is now
    return result if bound is piecewise or bound is None else on_branch(result, bound)
