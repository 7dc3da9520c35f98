"""From the computed directions to one branch: order, names, twins, the kernel at special points."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Any

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE, UNSURE
from ntkcont.linear import svd
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms import normal_form
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.decades import in_decades
from ntkcont.pathfollowing.events import DEFAULT_LABELS
from ntkcont.pathfollowing.last_look import never_explained
from ntkcont.pathfollowing.multiple import kernel_dimension
from ntkcont.pathfollowing.nodes import Nodes, concatenate, empty_nodes, slim
from ntkcont.pathfollowing.protocols import BoundEvaluator
from ntkcont.pathfollowing.provenance import provenance
from ntkcont.pathfollowing.records import end_point
from ntkcont.pathfollowing.start import Start, scaled_jacobian
from ntkcont.pathfollowing.task import Task
from ntkcont.results.branch import Branch
from ntkcont.results.deferred import Deferred
from ntkcont.results.doubtful import Doubtful, merged
from ntkcont.results.frozen import nothing
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoint, renumbered
from ntkcont.status import Status

#: Closer than this (scaled), the tangent of a point is that of the branch point.
ON_BRANCH_POINT = 1e-7

AT_SPECIAL = ("label", "x", "p", "tangent", "omega")


@dataclasses.dataclass
class Side:
    """One direction of a branch, as it was computed (s increasing from 0)."""

    chunks: list[Nodes]
    special: list[SpecialPoint]
    signatures: list[dict[str, np.ndarray]]
    status: Status
    error: str
    d: Array
    last: Node | None = None
    doubtful: list[Doubtful] = dataclasses.field(default_factory=list)


def evaluate(bound: BoundEvaluator | None, nodes: Nodes, n: int) -> dict[str, np.ndarray] | None:
    """Return the kernel's signatures at some points; None without a kernel or without points."""
    if bound is None or not len(nodes.s):
        return None
    known: dict[str, Any] = {} if nodes.vectors is None else {"vectors": nodes.vectors}
    return bound.evaluate(
        x=nodes.z[:, :n].copy(), p=nodes.z[:, n].copy(), tangent=nodes.tangent, eigenvalues=nodes.eigenvalues, **known
    )


def at_start(start: Start) -> Nodes:
    """Return the start as the one point of a run."""
    node = start.node
    return Nodes(start.z[None], (start.tau * start.d)[None], np.zeros(1), node.eigenvalues[None], node.counts[None])


def _mirrored(point: SpecialPoint) -> SpecialPoint:
    """Return a special point of the backward direction in the branch's own orientation."""
    low, high = point.bracket
    return dataclasses.replace(point, s=-point.s, bracket=(-high, -low), tangent=-point.tangent)


def with_normal_form(model: Model, point: SpecialPoint) -> SpecialPoint:
    """Return the point with its model, and its normal form when it is first read: it may need a compilation."""
    return dataclasses.replace(point, normal_form=Deferred(functools.partial(normal_form, model, point)), model=model)


def _without_twins(points: list[SpecialPoint]) -> list[SpecialPoint]:
    """Drop the second report of a special point at the start, which both directions find."""
    kept: list[SpecialPoint] = []
    for point in points:
        twin = any(
            q.label == point.label
            and q.bracket[0] <= 0.0 <= q.bracket[1]
            and point.bracket[0] <= 0.0 <= point.bracket[1]
            and np.allclose(q.x, point.x, rtol=1e-7, atol=1e-9)
            and abs(q.p - point.p) <= 1e-9 * max(1.0, abs(q.p))
            for q in kept
        )
        if not twin:
            kept.append(point)
    return kept


def _last_look(task: Task, side: Side) -> list[Doubtful]:
    """Return what nothing explains in a direction, if everything was looked for at every point."""
    wanted = set(DEFAULT_LABELS[task.curve.is_map])
    if task.settings.eigenvalues != "all" or not side.chunks or wanted - set(task.events):
        return []
    return never_explained(task.curve, concatenate(side.chunks, task.curve.n), side.special, side.doubtful)


def assemble(
    task: Task, start: Start, sides: dict[float, Side], bound: BoundEvaluator | None, s0: float = 0.0
) -> Branch:
    """Join the directions at the start, where s is `s0`, into one branch with increasing s."""
    curve, n = task.curve, task.curve.n
    keep = task.settings.store_states == "all"
    first = at_start(start)
    parts: list[Nodes] = []
    signatures: list[dict[str, np.ndarray]] = []
    special: list[SpecialPoint] = []
    doubtful: list[Doubtful] = []
    if -1.0 in sides:
        back = concatenate(sides[-1.0].chunks, n) if sides[-1.0].chunks else _kept(empty_nodes(n), keep)
        parts.append(Nodes(back.z[::-1], -back.tangent[::-1], -back.s[::-1], back.eigenvalues[::-1], back.counts[::-1]))
        special += [_mirrored(p) for p in sides[-1.0].special]
        doubtful += [place.mirrored() for place in sides[-1.0].doubtful]
        signatures += [{k: v[::-1] for k, v in chunk.items()} for chunk in reversed(sides[-1.0].signatures)]
    parts.append(_kept(first, keep))
    found = evaluate(bound, first, n)
    if found is not None:
        signatures.append(found)
    if 1.0 in sides:
        parts += sides[1.0].chunks
        special += sides[1.0].special
        doubtful += sides[1.0].doubtful
        signatures += sides[1.0].signatures
    if keep:
        looked = {sign: _last_look(task, side) for sign, side in sides.items()}
        doubtful += [place.mirrored() if sign < 0.0 else place for sign in looked for place in looked[sign]]
    nodes = concatenate(parts, n)
    special = _without_twins(sorted(special, key=lambda point: point.s))
    last = len(nodes.s) - 1
    # a special point at the very start may lie a rounding error before it
    inside = (nodes.s[0], nodes.s[last])
    special = [
        dataclasses.replace(q, s=np.clip(q.s, *inside), bracket=tuple(np.clip(q.bracket, *inside))) for q in special
    ]
    special = [with_normal_form(curve.model, q) if q.label != "UZ" else q for q in special]
    places = merged([place.within(*inside) for place in doubtful], 0.0, 0.0)  # the start is found by both directions
    low_end, high_end = (_end(sides.get(sign), start, sign, curve) for sign in (-1.0, 1.0))
    special = [end_point(curve, low_end, task.params), *special, end_point(curve, high_end, task.params)]
    if bound is not None:
        special = [
            dataclasses.replace(
                q,
                ntk=bound.at_special(label=q.label, x=np.array(q.x), p=q.p, tangent=np.array(q.tangent), omega=q.omega),
            )
            for q in special
        ]
    low, high = (sides[sign].status if sign in sides else Status.START for sign in (-1.0, 1.0))
    ends = (low, high)
    if Status.CLOSED in ends:
        ends = (Status.CLOSED, Status.CLOSED)
    computed = [side.status for side in sides.values()]
    status = next((value for value in computed if not value.ok), computed[-1])
    if keep:
        special = _tangents_on_branch_points(curve, nodes, special, start.d, task.logs)
    n_unstable = nodes.counts[:, N_UNSTABLE].copy()
    _warn_permanent_zero(nodes)
    _warn_doubtful(places, curve.free)
    k = last + 1
    special = [dataclasses.replace(q, s=q.s + s0, bracket=(q.bracket[0] + s0, q.bracket[1] + s0)) for q in special]
    return Branch(
        kind=curve.model.kind, free=curve.free, states=curve.model.states, params=task.params,
        p=nodes.z[:, -1], x=nodes.z[:, :n] if keep else nothing((k, n)), s=nodes.s + s0,
        tangent=nodes.tangent if keep else nothing((k, n + 1)),
        eigenvalues=nodes.eigenvalues if keep else nothing((k, n), complex),
        stable=n_unstable == 0, n_unstable=n_unstable,
        special_points=renumbered(special, task.log), doubtful=tuple(place.shifted(s0) for place in places),
        ntk=_signatures(signatures, bound),
        status=status, ends=ends,
        provenance=provenance(task, start, sides, bound), model=curve.model,
    )  # fmt: skip


def _kept(nodes: Nodes, keep: bool) -> Nodes:
    return nodes if keep else slim(nodes)


def _end(side: Side | None, start: Start, sign: float, curve: Curve) -> Node:
    """Return the last node of one direction, oriented along the branch; the start where it has none."""
    if side is None or side.last is None:
        return Node(start.z, start.tau * start.d, 0.0, start.node.eigenvalues, start.node.counts)
    last = side.last
    if not np.all(np.isfinite(last.eigenvalues)):  # a stop of the user's came between two spectra
        described, _ = curve.node(last.z, side.d, last.tangent / side.d, last.s)
        last = dataclasses.replace(last, eigenvalues=described.eigenvalues)
    return dataclasses.replace(last, s=sign * last.s, tangent=sign * last.tangent)


def _tangents_on_branch_points(
    curve: Curve, nodes: Nodes, special: list[SpecialPoint], d_start: Array, logs: Array
) -> list[SpecialPoint]:
    """Give points (and ends) that happen to lie on a branch point the tangent of their branch: they have several."""
    ends: dict[float, Array] = {}
    for point in special:
        if point.label != "BP" or len(nodes.s) < 3:
            continue
        at = np.append(point.x, point.p)
        d = in_decades(d_start, at, logs)
        # a closed branch that starts there comes back to it
        for i in {int(np.argmin(np.abs(nodes.s - point.s))), 0, len(nodes.s) - 1}:
            if np.linalg.norm((nodes.z[i] - at) / d) > ON_BRANCH_POINT:
                continue
            _, _, vh = svd(scaled_jacobian(curve, nodes.z[i], d))
            null = vh[curve.n - max(1, kernel_dimension(curve, nodes.z[i], d)) :]
            tau = nodes.tangent[i] / d
            if np.linalg.norm(tau - (null @ tau) @ null) > 1e-8 * np.linalg.norm(tau):
                nodes.tangent[i] = (null @ _chord(nodes, i, d)) @ null * d
                ends[float(nodes.s[i])] = nodes.tangent[i].copy()
    return [dataclasses.replace(q, tangent=ends[q.s]) if q.label == "EP" and q.s in ends else q for q in special]


def _chord(nodes: Nodes, i: int, d: Array) -> Array:
    """Return the way from the point before i to the one after it, per arclength: on a closed branch across its ends."""
    last = len(nodes.s) - 1
    if 0 < i < last:
        return (nodes.z[i + 1] - nodes.z[i - 1]) / d / (nodes.s[i + 1] - nodes.s[i - 1])
    ahead, behind = (nodes.z[1] - nodes.z[0]) / d, (nodes.z[last] - nodes.z[last - 1]) / d
    lengths = nodes.s[1] - nodes.s[0], nodes.s[last] - nodes.s[last - 1]
    if np.linalg.norm((nodes.z[last] - nodes.z[0]) / d) <= ON_BRANCH_POINT:
        return (ahead + behind) / sum(lengths)
    return ahead / lengths[0] if i == 0 else behind / lengths[1]


def _signatures(parts: list[dict[str, np.ndarray]], bound: BoundEvaluator | None) -> Signatures | None:
    if bound is None:
        return None
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Signatures(arrays=arrays, metadata=bound.metadata)


def _warn_doubtful(places: tuple[Doubtful, ...], free: str) -> None:
    if places:
        count = "1 place" if len(places) == 1 else f"{len(places)} places, first"
        warnings.warn(
            f"{count} at {free} = {places[0].p:.10g}: something happens on the branch that could not be established "
            f"({places[0].label}?), so it is in no list of special points; branch.doubtful says what was tried and why",
            RuntimeWarning,
            stacklevel=4,
        )


def _warn_permanent_zero(nodes: Nodes) -> None:
    """Say so when an eigenvalue sits on the stability boundary all along: a conserved quantity or a symmetry."""
    if len(nodes.s) >= 5 and np.all(nodes.counts[:, UNSURE] > 0):
        warnings.warn(
            "an eigenvalue lies on the stability boundary at every point (a conserved quantity or a continuous "
            "symmetry?): stability and bifurcations of this branch cannot be decided; remove the conserved quantity "
            "from the equations",
            RuntimeWarning,
            stacklevel=4,
        )
