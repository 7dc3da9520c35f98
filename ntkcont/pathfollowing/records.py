"""From a bracketed crossing to the record of a special point, with its evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Located, Scaled
from ntkcont.pathfollowing.detect import Crossing, midpoint
from ntkcont.pathfollowing.events import Event, UserZero
from ntkcont.pathfollowing.locate import (
    Bracket,
    all_critical,
    guess,
    refine,
    several_branches,
    touching_folds,
)
from ntkcont.pathfollowing.multiple import kernel_dimension, solve_multiple
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.together import ALL, solve_together
from ntkcont.pathfollowing.units import own_units
from ntkcont.results.special_points import SpecialPoint
from ntkcont.roots import bracketed_root


def _critical_pair(curve: Curve, z: Array, target: complex) -> tuple[NDArray[Any], NDArray[Any]]:
    """Right and left eigenvectors for the eigenvalue of F_x nearest to `target` (for maps F_x = DG - I)."""
    a = curve.system(z)[1]
    if not np.all(np.isfinite(a)):  # on a pole
        return np.full(curve.n, np.nan), np.full(curve.n, np.nan)
    lam, right = np.linalg.eig(a)
    i = int(np.argmin(np.abs(lam - target)))
    lam_l, left = np.linalg.eig(a.conj().T)
    v = right[:, i]
    w = left[:, int(np.argmin(np.abs(lam_l - np.conj(lam[i]))))]
    product = np.vdot(w, v)
    if product != 0.0:
        w = w / np.conj(product)
    v, w = np.asarray(v), np.asarray(w)
    return (np.real(v), np.real(w)) if abs(target.imag) == 0.0 and abs(lam[i].imag) == 0.0 else (v, w)


def special_point(curve: Curve, event: Event, crossing: Crossing, d: Array, params: dict[str, float]) -> SpecialPoint:
    """Locate a crossing; the point is nameless until the branch is complete."""
    if crossing.at is not None:
        return _record_of_several(curve, crossing, crossing.at, d, params)
    several_pairs = crossing.multiplicity > 1 and crossing.label in ("H", "NS", "PD")
    bracket = Bracket(crossing.left, crossing.right)
    found = None
    if not several_pairs:
        found, bracket = refine(curve, event, crossing, d)
    converged = found is not None and crossing.multiplicity == 1
    touched = touching_folds(curve, bracket, d, found) if converged and crossing.label == "LP" else None
    if touched is not None:
        found, crossing = touched, dataclasses.replace(crossing, label="BP")
    elif crossing.label == "BP":
        several = several_branches(curve, event, bracket, d, found)
        if several is not None:
            found, m = several
            # where folds cross, F_x has more zero eigenvalues than [F_x, F_q] loses ranks
            m = max(m, crossing.multiplicity if all_critical(curve, crossing, found.z, d) else m)
            crossing, converged = dataclasses.replace(crossing, multiplicity=m), True
        elif found is not None and crossing.multiplicity > 1:  # two branches that turn back where they cross
            converged = all_critical(curve, crossing, found.z, d)
        if not converged and crossing.multiplicity > 1:  # with one eigenvector Newton is singular: their mean is not
            whole = Bracket(crossing.left, crossing.right)
            together = solve_together(curve, "BP", whole.left, whole.right, d, crossing.multiplicity)
            if together is not None and kernel_dimension(curve, together.node.z, own_units(together.node.z, d), ALL):
                at = dataclasses.replace(crossing, at=together.node)
                return _record_of_several(curve, at, together.node, d, params)
    omega: float | None = None
    if found is not None:
        z, test_value, v, w = found.z, found.test_value, found.v, found.w
        if crossing.label == "H" and found.extra is not None:
            omega = abs(found.extra)
        elif crossing.label == "NS" and found.extra is not None:
            omega = abs(float(np.angle(np.exp(1j * found.extra))))
        if found.extra is not None and found.extra < 0.0 and np.iscomplexobj(v):
            v, w = v.conj(), w.conj()
    else:
        z, extra, node = guess(curve, event, bracket, d)
        if node is None:  # what is kept lies on the branch
            z = bracket.left.z
        test_value = event.test(node if node is not None else bracket.left, d)[0]
        if crossing.label in ("H", "NS", "PD"):  # a single one too, where Newton is singular or leaves for another
            whole = Bracket(crossing.left, crossing.right)
            together = solve_together(curve, crossing.label, whole.left, whole.right, d, crossing.multiplicity)
            if together is not None:
                bracket = whole
                lam = together.eigenvalue
                z, test_value, converged = together.node.z, together.mean, True
                extra = float(np.angle(lam)) if curve.is_map else lam.imag
        target = {"H": 1j * (extra or 0.0), "NS": np.exp(1j * (extra or 0.0)) - 1.0, "PD": -2.0, "NSad": extra or 0.0}
        v, w = _critical_pair(curve, z, complex(target.get(crossing.label, 0.0)))
        omega = extra if crossing.label in ("H", "NS") else None
    residual = float(np.max(np.abs(curve.system(z)[0])))
    null = found.null if found is not None else None
    return _record(curve, crossing.label, z, d, null, bracket, params).replace(
        omega=omega, residual=residual, test_value=test_value, converged=converged,
        multiplicity=crossing.multiplicity, vectors={"v": v, "w": w},
    )  # fmt: skip


def found_point(
    curve: Curve, label: str, found: Located, bracket: Bracket, d: Array, params: dict[str, float]
) -> SpecialPoint:
    """Return the record of a simple special point that Newton found."""
    omega, v, w = None, found.v, found.w
    if found.extra is not None and label in ("H", "NS"):
        omega = abs(found.extra) if label == "H" else abs(float(np.angle(np.exp(1j * found.extra))))
    if found.extra is not None and found.extra < 0.0 and np.iscomplexobj(v):
        v, w = v.conj(), w.conj()
    return _record(curve, label, found.z, d, found.null, bracket, params).replace(
        omega=omega, residual=float(np.max(np.abs(curve.system(found.z)[0]))), test_value=found.test_value,
        converged=True, multiplicity=1, vectors={"v": v, "w": w},
    )  # fmt: skip


def _record(
    curve: Curve, label: str, z: Array, d: Array, null: Array | None, bracket: Bracket, params: dict[str, float]
) -> _Draft:
    """Return what follows from the place of a special point: its tangent and eigenvalues."""
    chord = (bracket.right.z - bracket.left.z) / d
    tau = chord / np.linalg.norm(chord)
    node, sign = curve.node(np.ascontiguousarray(z), d, tau, 0.0)
    tangent = node.tangent if sign != 0.0 and np.all(np.isfinite(node.tangent)) else tau * d
    if label == "BP":  # the bordered matrix is singular there
        tangent = (tau if null is None else (null @ tau) @ null) * d
    return _draft(curve, label, "", z, d, tangent, node, bracket, params)


def _record_of_several(
    curve: Curve, crossing: Crossing, node: Node, d: Array, params: dict[str, float]
) -> SpecialPoint:
    """Return the record of several eigenvalues that cross at `node`, in one direction or in both."""
    label, bracket = crossing.label, Bracket(crossing.left, crossing.right)
    chord = (bracket.right.z - bracket.left.z) / d
    tau = chord / np.linalg.norm(chord)
    tangent = node.tangent if np.any(node.tangent) and np.all(np.isfinite(node.tangent)) else tau * d
    if label == "BP":
        m = kernel_dimension(curve, node.z, d)
        found = solve_multiple(curve, node.z, d, m) if m > 1 else None
        if found is not None and np.linalg.norm((found.z - node.z) / d) < 1e-7:
            node, _ = curve.node(np.ascontiguousarray(found.z), d, tau, node.s)
        jacobian = Scaled(curve, d).residual_and_jacobian(node.z / d)[1]
        null = svd(jacobian)[2][curve.n - max(m, 1) :]
        tangent = (null @ tau) @ null * d
    lam = node.eigenvalues
    if label in ("H", "NS"):
        upper = lam[lam.imag > 0.0]
        critical = upper[int(np.argmin(np.abs(np.abs(upper) - 1.0 if curve.is_map else upper.real)))]
        omega = float(np.angle(critical)) if curve.is_map else float(critical.imag)
        target, boundary = (np.exp(1j * omega) - 1.0 if curve.is_map else 1j * omega), np.abs(critical) - 1.0
        test = float(boundary if curve.is_map else critical.real)
    else:
        omega, target = None, -2.0 if label == "PD" else 0.0
        test = float(np.min(np.abs(lam - target - (1.0 if curve.is_map else 0.0))))
    v, w = _critical_pair(curve, node.z, complex(target))
    return _draft(curve, label, "", node.z, d, tangent, node, bracket, params).replace(
        omega=omega, residual=float(np.max(np.abs(curve.system(node.z)[0]))), test_value=test, converged=True,
        multiplicity=crossing.multiplicity, vectors={"v": v, "w": w},
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Draft:
    """Fields of a special point before the evidence is in."""

    fields: dict

    def replace(self, **more: object) -> SpecialPoint:
        return SpecialPoint(**{**self.fields, **more})


def _draft(
    curve: Curve, label: str, name: str, z: Array, d: Array, tangent: Array, node: Node, bracket: Bracket, params: dict
) -> _Draft:
    n = curve.n
    return _Draft(
        {
            "label": label,
            "name": name,
            "p": float(z[n]),
            "x": z[:n],
            "s": bracket.s_of(z, d),
            "tangent": tangent,
            "eigenvalues": node.eigenvalues,
            "bracket": (bracket.left.s, bracket.right.s),
            "free": curve.free,
            "params": {**params, curve.free: float(z[n])},
            "states": curve.model.states,
            "kind": curve.model.kind,
        }
    )


def end_point(curve: Curve, node: Node, params: dict[str, float]) -> SpecialPoint:
    """Record the end of a branch."""
    residual = float(np.max(np.abs(curve.system(node.z)[0])))
    n = curve.n
    return SpecialPoint(
        label="EP", name="", p=float(node.z[n]), x=node.z[:n], s=node.s, tangent=node.tangent,
        eigenvalues=node.eigenvalues, bracket=(node.s, node.s), residual=residual, test_value=0.0, converged=True,
        free=curve.free, params={**params, curve.free: float(node.z[n])}, states=curve.model.states,
        kind=curve.model.kind,
    )  # fmt: skip


def as_point(curve: Curve, node: Node) -> Point:
    """Return a node as the user's functions see it."""
    n = curve.n
    return Point(
        free=curve.free, states=curve.model.states, s=node.s, p=float(node.z[n]), x=node.z[:n],
        tangent=node.tangent, eigenvalues=node.eigenvalues, n_unstable=int(node.counts[0]),
    )  # fmt: skip


def user_zero(
    curve: Curve, event: UserZero, left: Node, right: Node, d: Array, params: dict[str, float]
) -> SpecialPoint:
    """Locate a zero of the user's function between two nodes whose values differ in sign."""
    nodes: dict[float, Node] = {0.0: left, 1.0: right}

    def value(u: float) -> float:
        if u not in nodes:
            node = midpoint(curve, left, right, d, u)
            if node is None:
                msg = "no point of the branch there"
                raise ArithmeticError(msg)
            nodes[u] = node
        return float(event.g(as_point(curve, nodes[u])))

    converged = True
    try:
        u = bracketed_root(value, 0.0, 1.0)
        test_value = value(u)
    except ArithmeticError:
        u, converged, test_value = 1.0, False, value(1.0)
    node = nodes[u]
    bracket = Bracket(left, right)
    return _draft(curve, "UZ", event.name, node.z, d, node.tangent, node, bracket, params).replace(
        residual=float(np.max(np.abs(curve.system(node.z)[0]))), test_value=test_value, converged=converged
    )
