"""From a bracketed crossing to a special point with its evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Located, Scaled
from ntkcont.pathfollowing.detect import Crossing, arclength, classify, midpoint
from ntkcont.pathfollowing.events import Event, UserZero
from ntkcont.pathfollowing.multiple import kernel_dimension, solve_multiple
from ntkcont.pathfollowing.point import Point
from ntkcont.pathfollowing.together import ALL, solve_together
from ntkcont.results.special_points import SpecialPoint
from ntkcont.roots import bracketed_root

#: A frequency (or the angle of a multiplier) that small, beside those at the ends, is a double zero eigenvalue beside a
#: fold, and none at all elsewhere.
MERGED, NONE = 1e-5, {"H": 1e-9, "NSad": 1e-6}
#: A point of the branch solves its equations to this, beside the terms they are made of, or to rounding of a unit.
ON_BRANCH, ROUNDING = 1e-10, 1e-14
#: How far eigenvalues at a point may be from what its label says, beside themselves.
FITS = 1e-4
#: How often a bracket is made smaller.
SHRINKS = 60
#: How far beside a point its neighbours are looked at, as fractions of the bracket.
BESIDE = (1e-2, 1e-3, 1e-4, 1e-6)
#: As many real eigenvalues are zero as crossed, beside what they are at the ends.
CRITICAL = 1e-6
#: At a fold singular values of [F_x, F_q] below this fraction of their change over the diagram are rounding's root.
TOUCHING = 1e-7


@dataclasses.dataclass(frozen=True)
class Bracket:
    """An interval of the branch known to hold the special point."""

    left: Node
    right: Node

    def fraction(self, z: Array, d: Array) -> tuple[float, float]:
        """Return where z lies along the chord (0 to 1) and how far off it, in units of the chord's length."""
        chord = (self.right.z - self.left.z) / d
        offset = (z - self.left.z) / d
        length2 = float(chord @ chord)
        u = float(chord @ offset) / length2
        off = float(np.linalg.norm(offset - u * chord)) / np.sqrt(length2)
        return u, off

    def holds(self, z: Array, d: Array, wider: float = 0.0) -> bool:
        """Whether z lies within the bracket, up to rounding, or within `wider` times its length beyond."""
        u, off = self.fraction(z, d)
        slack = wider + 1e-8 + 1e-9 / float(np.linalg.norm((self.right.z - self.left.z) / d))
        return -slack <= u <= 1.0 + slack and off <= 0.5 + slack

    def s_of(self, z: Array, d: Array) -> float:
        """Return the arclength of z, interpolated."""
        return arclength(self.left, self.right, d, min(1.0, max(0.0, self.fraction(z, d)[0])))


def _guess(
    curve: Curve, event: Event, bracket: Bracket, d: Array, u: float | None = None
) -> tuple[Array, float | None, Node | None]:
    """Interpolate the test function between the ends; return the point of the branch there and the extra unknown.

    With `u` that is the point at this fraction of the bracket instead.
    """
    left, extra_left = event.test(bracket.left, d)
    right, extra_right = event.test(bracket.right, d)
    total = abs(left) + abs(right)
    if u is None:
        u = min(0.95, max(0.05, abs(left) / total)) if total > 0.0 and left * right < 0.0 else 0.5
    node = midpoint(curve, bracket.left, bracket.right, d, u)
    if node is not None:
        extra = event.test(node, d)[1]
        if extra is not None:
            return node.z, extra, node
        z = node.z
    else:
        z = bracket.left.z + u * (bracket.right.z - bracket.left.z)
    known = [e for e in (extra_left, extra_right) if e is not None]
    return z, float(np.mean(known)) if known else None, node


def refine(curve: Curve, event: Event, crossing: Crossing, d: Array) -> tuple[Located | None, Bracket]:
    """Newton on the defining system from ever shorter brackets; (None, last bracket) if it never lands inside."""
    bracket = Bracket(crossing.left, crossing.right)
    needs_extra = crossing.label in ("H", "NS", "NSad")
    # a bracket too short to be divided may miss its points: the counts take what is nearly zero for zero
    wider = 0.0 if classify(crossing.left, crossing.right, curve.is_map) == crossing.label else 1.0
    if crossing.optional:  # nothing brackets it by itself: guess here and there
        for u in (0.5, 0.2, 0.8, 0.05, 0.95):
            z, extra, _ = _guess(curve, event, bracket, d, u)
            found = event.solve(curve, z, extra, d) if extra is not None else None
            if found is not None and bracket.holds(found.z, d, wider) and _plausible(curve, found, crossing, d):
                return found, bracket
        return None, bracket
    for k in range(SHRINKS):
        # where the test function bends sharply, interpolation stays on one side of it: then halves
        z, extra, node = _guess(curve, event, bracket, d, None if k < 3 or k % 3 == 0 else 0.5 - 0.0417 * (k % 3 - 1.5))
        if extra is not None or not needs_extra:
            found = event.solve(curve, z, extra, d)
            if (
                found is not None
                and bracket.holds(found.z, d, wider)
                and _plausible(curve, found, crossing, d)
                and (wider > 0.0 or _crosses_there(curve, found.z, crossing.label, bracket, d))
            ):
                return found, bracket
        if node is None:
            node = midpoint(curve, bracket.left, bracket.right, d)
        if node is None:
            break
        if classify(bracket.left, node, curve.is_map) == crossing.label:
            bracket = Bracket(bracket.left, node)
        elif classify(node, bracket.right, curve.is_map) == crossing.label:
            bracket = Bracket(node, bracket.right)
        else:  # a compound: halve by position as long as it stays in one piece
            break
        if np.linalg.norm((bracket.right.z - bracket.left.z) / d) < 1e-11:
            break
    return None, bracket


def _crosses_there(curve: Curve, z: Array, label: str, bracket: Bracket, d: Array) -> bool:
    """Whether the counts change at z as the label says: a zero of a condition is not always a crossing."""
    u = bracket.fraction(z, d)[0]
    for beside in BESIDE:  # other things may happen close by
        low, high = u - beside, u + beside
        left = midpoint(curve, bracket.left, bracket.right, d, low) if low > 0.0 else bracket.left
        right = midpoint(curve, bracket.left, bracket.right, d, high) if high < 1.0 else bracket.right
        if left is None or right is None:
            return True
        found = classify(left, right, curve.is_map)
        if found in (label, None):
            return found == label
    return True


def _plausible(curve: Curve, found: Located, crossing: Crossing, d: Array) -> bool:
    """Reject solutions of the wrong kind: a Hopf point with zero frequency is a Bogdanov-Takens point or a fold.

    The eigenvalues of the point itself must be those that its label asks for.
    """
    if not _solves(curve, found.z, d):  # an imperfect branch point, passed by a jump
        return False
    if found.extra is None:
        return crossing.label not in ("LP", "BP", "PD") or _zero_there(curve, found, crossing, d)
    if crossing.label == "NS":
        least = MERGED if crossing.optional else 1e-7
        if not least < abs(np.angle(np.exp(1j * found.extra))) < np.pi - least:
            return False
    elif abs(found.extra) <= (MERGED if crossing.optional else NONE[crossing.label]) * _rate(crossing):
        return False
    return _eigenvalues_fit(curve, found, crossing, d)


def _solves(curve: Curve, z: Array, d: Array) -> bool:
    """Whether F vanishes at z, beside the terms that it is made of."""
    scaled = Scaled(curve, d).equilibrated(z / d)
    f, jacobian = scaled.residual_and_jacobian(z / d)
    return bool(np.all(np.abs(f) <= ON_BRANCH * (np.abs(jacobian) @ np.abs(z / d)) + ROUNDING))


def _zero_there(curve: Curve, found: Located, crossing: Crossing, d: Array) -> bool:
    """Whether an eigenvalue is zero at the point (multipliers: 1 or -1), beside what it is at the ends.

    At a pole of the equations, where it goes through infinity, it is not.
    """
    there = curve.node(np.ascontiguousarray(found.z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0]
    value = -1.0 if crossing.label == "PD" else float(curve.is_map)
    nodes = (there, crossing.left, crossing.right)
    at, *ends = (float(np.min(np.abs(node.eigenvalues - value))) for node in nodes)
    return at <= FITS * max(ends)


def _rate(crossing: Crossing) -> float:
    """Return how large the eigenvalues that may have crossed are at the ends: the two nearest to zero."""
    return max(float(np.sort(np.abs(node.eigenvalues))[:2][-1]) for node in (crossing.left, crossing.right))


def _eigenvalues_fit(curve: Curve, found: Located, crossing: Crossing, d: Array) -> bool:
    """Whether the pair that the label asks for is among the eigenvalues of the point."""
    extra = float(found.extra or 0.0)
    lam = curve.node(np.ascontiguousarray(found.z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0].eigenvalues
    if crossing.label == "NSad":
        real = lam.real[lam.imag == 0.0]
        return len(real) > 1 and all(np.min(np.abs(real - k)) <= FITS * abs(extra) for k in (extra, -extra))
    pairs = lam[lam.imag > 0.0]
    wanted = np.exp(1j * extra) if crossing.label == "NS" else 1j * extra
    wanted = complex(wanted.real, abs(wanted.imag))
    return len(pairs) > 0 and bool(np.min(np.abs(pairs - wanted)) <= FITS * abs(extra))


def _all_critical(curve: Curve, crossing: Crossing, z: Array, d: Array) -> bool:
    """Whether as many real eigenvalues as crossed together are zero at z (multipliers one)."""
    there = curve.node(np.ascontiguousarray(z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0]
    nodes = (there, crossing.left, crossing.right)
    at, *ends = (np.sort(np.abs(node.eigenvalues - curve.is_map))[crossing.multiplicity - 1] for node in nodes)
    return bool(at <= CRITICAL * max(ends))


def _several_branches(
    curve: Curve, event: Event, bracket: Bracket, d: Array, simple: Located | None
) -> tuple[Located, int] | None:
    """Locate a branch point whose kernel has several dimensions, and say how many; None if it has not."""
    z = _guess(curve, event, bracket, d)[0] if simple is None else simple.z
    m = kernel_dimension(curve, z, d)
    if m < 2:
        return None
    found = solve_multiple(curve, z, d, m)
    return (found, m) if found is not None and bracket.holds(found.z, d) else None


def _touching_folds(curve: Curve, bracket: Bracket, d: Array, fold: Located | None) -> Located | None:
    """Locate the point where branches touch in their folds, which is a fold of each; None if it is a fold alone.

    There [F_x, F_q] loses rank, which it does not at a fold, and Newton finds the fold to a root of rounding only.
    """
    if fold is None or (m := kernel_dimension(curve, fold.z, d, TOUCHING)) == 0:
        return None
    found = solve_multiple(curve, fold.z, d, m)
    return found if found is not None and bracket.holds(found.z, d, 1.0) else None


def _critical_pair(curve: Curve, z: Array, target: complex) -> tuple[NDArray[Any], NDArray[Any]]:
    """Right and left eigenvectors for the eigenvalue of F_x nearest to `target` (for maps F_x = DG - I)."""
    a = curve.system(z)[1]
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
    touched = _touching_folds(curve, bracket, d, found) if converged and crossing.label == "LP" else None
    if touched is not None:
        found, crossing = touched, dataclasses.replace(crossing, label="BP")
    elif crossing.label == "BP":
        several = _several_branches(curve, event, bracket, d, found)
        if several is not None:
            found, m = several
            # where folds cross, F_x has more zero eigenvalues than [F_x, F_q] loses ranks
            m = max(m, crossing.multiplicity if _all_critical(curve, crossing, found.z, d) else m)
            crossing, converged = dataclasses.replace(crossing, multiplicity=m), True
        elif found is not None and crossing.multiplicity > 1:  # two branches that turn back where they cross
            converged = _all_critical(curve, crossing, found.z, d)
        if not converged and crossing.multiplicity > 1:  # with one eigenvector Newton is singular: their mean is not
            whole = Bracket(crossing.left, crossing.right)
            together = solve_together(curve, "BP", whole.left, whole.right, d, crossing.multiplicity)
            if together is not None and kernel_dimension(curve, together.node.z, d, ALL):
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
        z, extra, node = _guess(curve, event, bracket, d)
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
