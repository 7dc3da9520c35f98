"""From the computed directions to one branch: order, names, twins, the kernel at special points."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Any

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE
from ntkcont.models.conserved import singular
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms import normal_form
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.locate import end_point
from ntkcont.pathfollowing.multiple import kernel_dimension
from ntkcont.pathfollowing.nodes import Nodes, concatenate, empty_nodes, slim
from ntkcont.pathfollowing.protocols import BoundEvaluator
from ntkcont.pathfollowing.provenance import provenance
from ntkcont.pathfollowing.start import Start, scaled_jacobian
from ntkcont.pathfollowing.task import Task
from ntkcont.results.branch import Branch
from ntkcont.results.deferred import Deferred
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
    if -1.0 in sides:
        back = concatenate(sides[-1.0].chunks, n) if sides[-1.0].chunks else _kept(empty_nodes(n), keep)
        parts.append(Nodes(back.z[::-1], -back.tangent[::-1], -back.s[::-1], back.eigenvalues[::-1], back.counts[::-1]))
        special += [_mirrored(p) for p in sides[-1.0].special]
        signatures += [{k: v[::-1] for k, v in chunk.items()} for chunk in reversed(sides[-1.0].signatures)]
    parts.append(_kept(first, keep))
    found = evaluate(bound, first, n)
    if found is not None:
        signatures.append(found)
    if 1.0 in sides:
        parts += sides[1.0].chunks
        special += sides[1.0].special
        signatures += sides[1.0].signatures
    nodes = concatenate(parts, n)
    special = _without_twins(sorted(special, key=lambda point: point.s))
    last = len(nodes.s) - 1
    # a special point at the very start may lie a rounding error before it
    inside = (nodes.s[0], nodes.s[last])
    special = [
        dataclasses.replace(q, s=np.clip(q.s, *inside), bracket=tuple(np.clip(q.bracket, *inside))) for q in special
    ]
    special = [with_normal_form(curve.model, q) for q in special]
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
        _tangents_on_branch_points(curve, nodes, special, start.d)
    n_unstable = nodes.counts[:, N_UNSTABLE].copy()
    _warn_permanent_zero(nodes, curve)
    k = last + 1
    special = [dataclasses.replace(q, s=q.s + s0, bracket=(q.bracket[0] + s0, q.bracket[1] + s0)) for q in special]
    return Branch(
        kind=curve.model.kind, free=curve.free, states=curve.model.states, params=task.params,
        p=nodes.z[:, -1], x=nodes.z[:, :n] if keep else nothing((k, n)), s=nodes.s + s0,
        tangent=nodes.tangent if keep else nothing((k, n + 1)),
        eigenvalues=nodes.eigenvalues if keep else nothing((k, n), complex),
        stable=n_unstable == 0, n_unstable=n_unstable,
        special_points=renumbered(special), ntk=_signatures(signatures, bound),
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


def _tangents_on_branch_points(curve: Curve, nodes: Nodes, special: list[SpecialPoint], d: Array) -> None:
    """Give points that happen to lie on a branch point the tangent of their own branch: they have several."""
    for point in special:
        if point.label != "BP" or len(nodes.s) < 3:
            continue
        i = int(np.argmin(np.abs(nodes.s - point.s)))
        at = np.append(point.x, point.p)
        if not 0 < i < len(nodes.s) - 1 or np.linalg.norm((nodes.z[i] - at) / d) > ON_BRANCH_POINT:
            continue
        _, _, vh = np.linalg.svd(scaled_jacobian(curve, nodes.z[i], d))
        null = vh[curve.n - max(1, kernel_dimension(curve, nodes.z[i], d)) :]
        tau = nodes.tangent[i] / d
        if np.linalg.norm(tau - (null @ tau) @ null) <= 1e-8 * np.linalg.norm(tau):
            continue
        chord = (nodes.z[i + 1] - nodes.z[i - 1]) / d / (nodes.s[i + 1] - nodes.s[i - 1])
        nodes.tangent[i] = (null @ chord) @ null * d


def _signatures(parts: list[dict[str, np.ndarray]], bound: BoundEvaluator | None) -> Signatures | None:
    if bound is None:
        return None
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Signatures(arrays=arrays, metadata=bound.metadata)


def _warn_permanent_zero(nodes: Nodes, curve: Curve) -> None:
    """Say so when an eigenvalue sits on the stability boundary all along: a conserved quantity or a symmetry."""
    lam = nodes.eigenvalues
    lam = lam[np.isfinite(lam).all(axis=1)] if lam.shape[1] else lam[:0]
    if not len(lam):
        return
    distance = np.abs(np.abs(lam) - 1.0) if curve.is_map else np.abs(lam.real)
    size = np.maximum(np.abs(lam).max(axis=1), 1e-300)
    if len(lam) >= 5 and np.all(distance.min(axis=1) < 1e-9 * size) and _permanent(nodes, curve):
        warnings.warn(
            "an eigenvalue lies on the stability boundary at every point (a conserved quantity or a continuous "
            "symmetry?): stability and bifurcations of this branch cannot be decided; remove the conserved quantity "
            "from the equations",
            RuntimeWarning,
            stacklevel=4,
        )


def _permanent(nodes: Nodes, curve: Curve) -> bool:
    """Whether eigenvalues that are small beside the largest are on the boundary: those of a slow state are not."""
    for i in np.linspace(0, len(nodes.z) - 1, 5).astype(int):
        lam = nodes.eigenvalues[i]
        if not np.all(np.isfinite(lam)):
            continue
        distance = np.abs(np.abs(lam) - 1.0) if curve.is_map else np.abs(lam.real)
        if np.any(distance < 1e-9 * np.where(lam.imag != 0.0, np.abs(lam), 0.0)):
            continue  # a pair whose real part is small beside itself
        if curve.is_map and np.any(np.abs(lam + 1.0) < 1e-9):
            continue
        if not singular(curve.system(nodes.z[i])[1], 1e-15 * curve.n):
            return False
    return True
