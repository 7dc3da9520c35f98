"""From a bracketed crossing to its place: Newton from ever shorter brackets, and whether what it finds is meant."""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.kernels.spectrum import PAIRS
from ntkcont.linear import svd
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Complex, Curve, Node
from ntkcont.pathfollowing.defining import Located, Scaled, in_units
from ntkcont.pathfollowing.detect import Crossing, arclength, classify, midpoint
from ntkcont.pathfollowing.events import Event
from ntkcont.pathfollowing.firm import made_of_last_digits
from ntkcont.pathfollowing.multiple import SMALL, kernel_dimension, on_branch, solve_multiple
from ntkcont.pathfollowing.units import USUAL, own_units

#: A frequency (or the angle of a multiplier) that small, beside those at the ends, is a double zero eigenvalue beside a
#: fold, and none at all elsewhere.
MERGED, ANGLE, NONE = 3e-4, 1e-5, {"H": 1e-9, "NSad": 1e-6}
#: A point of the branch solves its equations to this, beside the terms they are made of, or to rounding of a unit.
ON_BRANCH, ROUNDING = 1e-10, 1e-14
#: Or to so many times what the last digits of the point make of them there.
LAST_DIGITS, TIMES_NOISE = 4.0 * float(np.finfo(float).eps), 100.0
#: How far eigenvalues at a point may be from what its label says, beside themselves.
FITS, ANYTHING_LIKE = 1e-4, 0.3
#: Newton knows the place of a double zero eigenvalue to so many digits: by these the Jacobian is moved, a few times.
MOVED, TIMES = 1e-11, 4
#: The same where their place is known to rounding only, and they move by its root.
ROOTS = 0.1
#: How often a point is located once more in smaller units.
CLOSER = 3
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


def guess(
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
            z, extra, _ = guess(curve, event, bracket, d, u)
            found = _solved(curve, event, z, extra, d) if extra is not None else None
            if found is not None and bracket.holds(found.z, d, wider) and _plausible(curve, found, crossing, d):
                return found, bracket
        return None, bracket
    for k in range(SHRINKS):
        # where the test function bends sharply, interpolation stays on one side of it: then halves
        z, extra, node = guess(curve, event, bracket, d, None if k < 3 or k % 3 == 0 else 0.5 - 0.0417 * (k % 3 - 1.5))
        if extra is not None or not needs_extra:
            found = _solved(curve, event, z, extra, d)
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


def _solved(curve: Curve, event: Event, z: Array, extra: float | None, d: Array) -> Located | None:
    """Solve the defining system, and once more in units of what was found, where these are far smaller."""
    found, units = event.solve(curve, z, extra, d), d
    for _ in range(CLOSER):
        if found is None or np.array_equal(own := own_units(found.z, units), units):
            break
        finer, units = event.solve(curve, found.z, found.extra, own), own
        found = found if finer is None else in_units(curve, finer, d)  # a parameter of zero has no size but rounding
    return found


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
    if crossing.label == "BP" and _passed_by(curve, found.z, d):
        return False
    if found.extra is None:
        return crossing.label not in ("LP", "BP", "PD") or _zero_there(curve, found, crossing, d)
    if crossing.label == "NS":
        least = ANGLE if crossing.optional else 1e-7
        if not least < abs(np.angle(np.exp(1j * found.extra))) < np.pi - least:
            return False
    elif abs(found.extra) <= (MERGED if crossing.optional else NONE[crossing.label]) * _rate(crossing):
        return False
    lam = curve.node(np.ascontiguousarray(found.z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0].eigenvalues
    if not _eigenvalues_fit(lam, found.extra, crossing.label, FITS):
        return False
    if not crossing.optional:
        return True
    # beside a double zero eigenvalue Newton may find a pair that the last digits of the Jacobian make of it
    rng, a = np.random.default_rng(0), curve.system(found.z)[1]
    moved = (a * (1.0 + MOVED * rng.choice([-1.0, 1.0], a.shape)) for _ in range(TIMES))
    return all(
        _eigenvalues_fit(
            np.asarray(np.linalg.eigvals(each) + curve.is_map, complex), found.extra, crossing.label, ANYTHING_LIKE
        )
        for each in moved
    )


def _solves(curve: Curve, z: Array, d: Array) -> bool:
    """Whether F vanishes at z, beside the terms that it is made of."""
    scaled = Scaled(curve, d).equilibrated(z / d)
    f, jacobian = scaled.residual_and_jacobian(z / d)
    return bool(np.all(np.abs(f) <= ON_BRANCH * (np.abs(jacobian) @ np.abs(z / d)) + ROUNDING))


def _passed_by(curve: Curve, z: Array, d: Array) -> bool:
    """Whether two branches come near to each other at z, where [F_x, F_q] lacks rank, and do not meet.

    By its left null vector F is their distance, and what makes up the other equations is no measure of that.  Nor is
    the size of their terms: rounding is what the last digits, which change that distance in second order, make of it.
    """
    scaled, y = Scaled(curve, d).equilibrated(z / d), z / d
    f, jacobian = scaled.residual_and_jacobian(y)
    w = svd(jacobian)[0][:, -1]
    rng, digits = np.random.default_rng(0), LAST_DIGITS * np.maximum(np.abs(y), 1.0)
    moved = (y + digits * rng.choice([-1.0, 1.0], len(y)) for _ in range(TIMES))
    noise = max(abs(float(w @ (scaled.residual_and_jacobian(each)[0] - f))) for each in moved)
    return abs(float(w @ f)) > ON_BRANCH * float(np.abs(w @ jacobian) @ np.abs(y)) + TIMES_NOISE * noise


def _zero_there(curve: Curve, found: Located, crossing: Crossing, d: Array) -> bool:
    """Whether an eigenvalue is zero at the point (multipliers: 1 or -1), beside what it is at the ends.

    At a pole of the equations, where it goes through infinity, it is not.
    """
    there = curve.node(np.ascontiguousarray(found.z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0]
    value = -1.0 if crossing.label == "PD" else float(curve.is_map)
    nodes = (there, crossing.left, crossing.right)
    at, *ends = (float(np.min(np.abs(node.eigenvalues - value))) for node in nodes)
    if at <= FITS * max(ends):
        return True
    # where two eigenvalues merge beside zero the last digits of the point move them by the root of what they move it
    sides = np.flatnonzero(crossing.left.counts[:PAIRS] != crossing.right.counts[:PAIRS])
    return at <= ROOTS * max(ends) and made_of_last_digits(curve, there, d, sides)


def _rate(crossing: Crossing) -> float:
    """Return how large the eigenvalues that may have crossed are at the ends: the two nearest to zero."""
    return max(float(np.sort(np.abs(node.eigenvalues))[:2][-1]) for node in (crossing.left, crossing.right))


def _eigenvalues_fit(lam: Complex, extra: float, label: str, part: float) -> bool:
    """Whether the pair that the label asks for is among eigenvalues, but for this part of itself."""
    if label == "NSad":
        real = lam.real[lam.imag == 0.0]
        return len(real) > 1 and all(np.min(np.abs(real - k)) <= part * abs(extra) for k in (extra, -extra))
    pairs = lam[lam.imag > 0.0]
    wanted = np.exp(1j * extra) if label == "NS" else 1j * extra
    wanted = complex(wanted.real, abs(wanted.imag))
    return len(pairs) > 0 and bool(np.min(np.abs(pairs - wanted)) <= part * abs(extra))


def all_critical(curve: Curve, crossing: Crossing, z: Array, d: Array) -> bool:
    """Whether as many real eigenvalues as crossed together are zero at z (multipliers one)."""
    there = curve.node(np.ascontiguousarray(z), d, (crossing.right.z - crossing.left.z) / d, 0.0)[0]
    nodes = (there, crossing.left, crossing.right)
    at, *ends = (np.sort(np.abs(node.eigenvalues - curve.is_map))[crossing.multiplicity - 1] for node in nodes)
    return bool(at <= CRITICAL * max(ends))


def several_branches(
    curve: Curve, event: Event, bracket: Bracket, d: Array, simple: Located | None
) -> tuple[Located, int] | None:
    """Locate a branch point whose kernel has several dimensions, and say how many; None if it has not."""
    z = guess(curve, event, bracket, d)[0] if simple is None else simple.z
    m = _kernel(curve, z, bracket, d)
    if m < 2:
        return None
    found = solve_multiple(curve, z, d, m)
    return (found, m) if found is not None and _held(curve, bracket, found, d, 0.0) else None


def touching_folds(curve: Curve, bracket: Bracket, d: Array, fold: Located | None) -> Located | None:
    """Locate the point where branches touch in their folds, which is a fold of each; None if it is a fold alone.

    There [F_x, F_q] loses rank, which it does not at a fold, and Newton finds the fold to a root of rounding only.
    """
    if fold is None or (m := _kernel(curve, fold.z, bracket, d, TOUCHING)) == 0:
        return None
    found = solve_multiple(curve, fold.z, d, m)
    if found is None or not bracket.holds(found.z, d, 1.0):
        return None
    # where all derivatives of low order vanish Newton comes near, and both are as good as on the branch
    nearer = np.all(np.abs(curve.system(found.z)[0]) <= np.abs(curve.system(fold.z)[0]))
    return found if nearer or on_branch(curve, found.z, (bracket.left.z, bracket.right.z)) else None


def _kernel(curve: Curve, z: Array, bracket: Bracket, d: Array, small: float = SMALL) -> int:
    """Return by how much the rank falls short at z, in the scales `d` and in units of what is there.

    Where a state is far smaller than its scale, its column is all that is seen of the others.
    """
    size = np.abs(z) + np.abs(bracket.right.z - bracket.left.z)
    here = np.where(size > 0.0, np.minimum(d, USUAL * size), d)
    return min(kernel_dimension(curve, z, units, small) for units in (d, here))


def _held(curve: Curve, bracket: Bracket, found: Located, d: Array, wider: float) -> bool:
    """Whether a point with a kernel of several dimensions lies in the bracket and on the branch."""
    ends = bracket.left.z, bracket.right.z
    return bracket.holds(found.z, d, wider) and on_branch(curve, found.z, ends)
