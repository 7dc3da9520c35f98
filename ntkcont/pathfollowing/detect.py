"""What happened between two points: classification from integer counts, and subdivision until it is unambiguous.

A test function only brackets.  Between two points of a branch the following can change: the number of real eigenvalues
beyond 0 (multipliers beyond 1), of complex ones beyond the boundary, of real multipliers below -1, the parity of pairs
with negative sum (maps: with a product below 1), the sign of the tangent's parameter component (fold) and the
orientation, the sign of the bordered determinant (branch point).  Each single bifurcation changes them in its own way;
any other pattern means that several happened, and the interval is halved.  What happens twice between two points leaves
the counts as they were: ``dips`` finds that.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.kernels.spectrum import COMPLEX, ORIENTATION, PAIRS, REAL_MINUS, REAL_PLUS, TANGENT_SIGN, UNSURE
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node

SEVERAL = "several"

#: A fold and a branch point closer than this are one: a pitchfork seen from the side branch.  There F ~ h (p - h^2)
#: at a distance h, so that rounding in F hides on which side of the turning point one is below h = eps^(1/3) = 6e-6.
SIDE_BRANCH = 3e-5
#: Shorter intervals are not divided, and no interval is more often than this: a few dozen halvings separate anything.
SHORTEST, DIVISIONS = 1e-7, 200
#: The cubic between two points leaves their chord by this part of its length, at most.
BENDS = 0.5


@dataclasses.dataclass(frozen=True)
class Crossing:
    """An interval of the branch that holds one special point (or several inseparable ones: `multiplicity`).

    Where it holds several that go in opposite directions, `at` is the point of the branch at which they do.

    An `optional` one need not be there: the counts say no more than that something else, labelled `label` or one of
    `others`, may have happened beside the other points of the interval.
    """

    label: str
    left: Node
    right: Node
    multiplicity: int = 1
    others: tuple[str, ...] = ()
    optional: bool = False
    at: Node | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """What differs between the counts of two nodes."""

    plus: int
    cplx: int
    minus: int
    pairs: bool
    fold: bool
    turn: bool


def change(left: Node, right: Node) -> Change:
    """Return what differs between two nodes."""
    by = right.counts - left.counts
    return Change(
        int(by[REAL_PLUS]), int(by[COMPLEX]), int(by[REAL_MINUS]),
        bool(by[PAIRS]), bool(by[TANGENT_SIGN]), bool(by[ORIENTATION]),
    )  # fmt: skip


def classify(left: Node, right: Node, is_map: bool) -> str | None:
    """Return the label of the one event between two nodes, None for nothing, ``SEVERAL`` for more than one."""
    c = change(left, right)
    if c.plus + c.cplx == 0 and c.plus % 2 == 0 and c.minus == 0:  # pairs may have met on the same side
        if c.fold or c.turn:
            return SEVERAL
        if not c.pairs:
            return None
        # a neutral saddle of a map is not reported
        return SEVERAL if c.plus != 0 else (None if is_map else "NSad")
    if c.cplx == 0 and not c.pairs:
        if abs(c.plus) == 1 and c.minus == 0 and c.fold != c.turn:
            return "LP" if c.fold else "BP"
        if c.plus == 0 and abs(c.minus) == 1 and not c.fold and not c.turn:
            return "PD"
    if c.plus == 0 and c.minus == 0 and abs(c.cplx) == 2 and c.pairs and not c.fold and not c.turn:
        return "NS" if is_map else "H"
    return SEVERAL


def inseparable(left: Node, right: Node, is_map: bool) -> list[Crossing]:
    """Name what remains in an interval too short to be divided: the fewest events that explain the counts.

    Pairs that become real, or complex, beyond the boundary are counted as events as well (at 0, 1 and -1 this happens
    beside every Bogdanov-Takens point and strong resonance), so that none is taken for a Hopf point.
    """
    c = change(left, right)
    best = (np.inf, 0, 0, 0, False)
    for k in (0, 1, -1, 2, -2):  # complex pairs that became real beyond 0 (1)
        for m in (0, 1, -1, 2, -2) if is_map else (0,):  # and below -1
            plus, minus, cplx = c.plus - 2 * k, c.minus - 2 * m, c.cplx + 2 * (k + m)
            odd = c.pairs != (cplx // 2 % 2 == 1)
            cost = (plus != 0) + (minus != 0) + (cplx != 0) + 0.5 * odd + abs(k) + abs(m)
            if cost < best[0]:
                best = (cost, plus, minus, cplx, odd)
    _, plus, minus, cplx, odd = best
    pair, other = ("NS", ()) if is_map else ("H", ("NSad",))
    one = c.fold != c.turn and abs(plus) == 1
    found: list[Crossing] = []
    if c.turn or abs(plus) >= 2:  # with `fold` too: a branch point seen from the side branch
        # two real ones that meet beside zero cross as a pair: the parity of pairs is another then
        met = abs(plus) == 2 and odd and not (c.turn or c.fold or cplx or minus)
        found.append(Crossing("BP", left, right, max(1, abs(plus)), (pair,) if met else ()))
    elif c.fold or abs(plus) == 1:
        found.append(Crossing("LP", left, right))
    if abs(cplx) >= 2:  # beside a single zero eigenvalue it may be a neutral saddle as well
        unsure = one and abs(cplx) == 2 and abs(c.plus + c.cplx) == 1
        found.append(Crossing(pair, left, right, abs(cplx) // 2, other if unsure else (), unsure))
    if minus != 0:
        found.append(Crossing("PD", left, right, abs(minus)))
    if odd and one:
        found.append(Crossing(pair, left, right, 1, other, optional=True))
    elif odd and not is_map and not found:
        found.append(Crossing("NSad", left, right))
    return found


def arclength(left: Node, right: Node, d: Array, u: float) -> float:
    """Return the arclength at fraction u of the chord, which is a cubic function of it by the tangents at both ends."""
    part = _part(left, right, d, u)
    return left.s + (u if part is None else part) * (right.s - left.s)


def _part(left: Node, right: Node, d: Array, u: float) -> float | None:
    """Return which part of the arclength is at fraction u of the chord; None where the cubic goes back and forth."""
    chord, way = (right.z - left.z) / d, right.s - left.s
    length2 = float(chord @ chord)
    if length2 == 0.0:
        return None
    first, last = (way * float(chord @ (node.tangent / d)) / length2 for node in (left, right))
    if not (min(first, last) > 0.0 and max(first, last) < 3.0):
        return None
    part, square, cube = u, 3.0 - 2.0 * first - last, first + last - 2.0
    for _ in range(60):
        slope = first + part * (2.0 * square + 3.0 * cube * part)
        step = (u - part * (first + part * (square + cube * part))) / slope if slope > 0.0 else 0.0
        part = min(1.0, max(0.0, part + step))
        if abs(step) < 1e-15:
            break
    return part


def _cubic(left: Node, right: Node, t: float) -> Array:
    """Return the point at the part t of the cubic through two nodes that has their tangents."""
    way, left_over = right.s - left.s, 1.0 - t
    ends = (1.0 + 2.0 * t) * left_over**2 * left.z + (3.0 - 2.0 * t) * t**2 * right.z
    return ends + t * left_over * way * (left_over * left.tangent - t * right.tangent)


def midpoint(curve: Curve, left: Node, right: Node, d: Array, fraction: float = 0.5) -> Node | None:
    """Return a point of the branch between two nodes, in the hyperplane across their chord; None if Newton fails.

    Newton starts on the cubic: where another branch crosses it, which on the chord may be nearer, that is not found.
    """
    chord = (right.z - left.z) / d
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return None
    tau = chord / length
    guess = left.z + fraction * (right.z - left.z)
    part = _part(left, right, d, fraction)
    if part is not None:
        curved = _cubic(left, right, part)
        if np.linalg.norm((curved - guess) / d) < BENDS * length:
            guess = curved
    z, size = curve.correct(guess, d, tau)
    if z is None or size > length:
        return None
    u = float(tau @ ((z - left.z) / d)) / length
    if not 0.0 < u < 1.0:
        return None
    node, sign = curve.node(z, d, tau, arclength(left, right, d, u))
    return node if sign != 0.0 else None


def separate(curve: Curve, left: Node, right: Node, d: Array, shortest: float = SHORTEST) -> list[Crossing]:
    """Halve the interval until each piece holds at most one special point; return the pieces that hold one.

    Where rounding decides about the counts there is no end to it: then what the counts at both ends say is returned.
    """
    found: list[Crossing] = []
    stack, divided = [(left, right)], 0
    while stack:
        one, other = stack.pop()
        label = classify(one, other, curve.is_map)
        if label is None:
            continue
        if label != SEVERAL:
            found.append(Crossing(label, one, other))
            continue
        middle = _between(curve, one, other, d, shortest)
        if middle is None:
            found += inseparable(one, other, curve.is_map)
            continue
        divided += 1
        if divided > DIVISIONS:
            return inseparable(left, right, curve.is_map)
        stack += [(middle, other), (one, middle)]
    return found


def _between(curve: Curve, left: Node, right: Node, d: Array, shortest: float) -> Node | None:
    """Return a node between two; None if they are too close together, or Newton fails."""
    fold_and_turn = np.all(left.counts[[TANGENT_SIGN, ORIENTATION]] != right.counts[[TANGENT_SIGN, ORIENTATION]])
    if np.linalg.norm((right.z - left.z) / d) <= (max(shortest, SIDE_BRANCH) if fold_and_turn else shortest):
        return None
    # off-centre: symmetric systems put their special points in the middle
    for fraction in (0.5 - 0.0417, 0.5 + 0.0831):
        middle = midpoint(curve, left, right, d, fraction)
        if middle is not None:
            return middle
    return None


#: A node this near to a special point, as a fraction of the way to its neighbours, is taken for the point itself.
ITSELF = 1e-6


def degenerate(node: Node, d: Array, is_map: bool, beside: tuple[Node | None, ...] = (), tol: float = ITSELF) -> bool:
    """Whether `node` itself is (nearly) a special point, so that its signs and counts mean nothing.

    It is if an eigenvalue lies on the boundary there to rounding, or if one (or the tangent's parameter component) is
    much smaller than at its neighbours `beside`.  What lies on the boundary at these as well does so all along.
    """
    neighbours = [each for each in beside if each is not None]
    permanent = min((int(each.counts[UNSURE]) for each in neighbours), default=0)
    if node.counts[UNSURE] > permanent:
        return True
    if not neighbours:
        return False
    here, around = _distances(node, d, is_map), [_distances(each, d, is_map) for each in neighbours]
    return bool(np.any(here < tol * np.min(around, axis=0)))


def _distances(node: Node, d: Array, is_map: bool) -> Array:
    """Return what vanishes at special points, (n+2,), as positive numbers.

    The size of the tangent's parameter component, the smallest sum of two real eigenvalues (nan: none, and for maps),
    and the distances of all eigenvalues from the boundary, in order.
    """
    lam, tau = node.eigenvalues, node.tangent / d
    speed, least = abs(tau[-1]) / np.linalg.norm(tau), np.nan
    if is_map:
        return np.append([speed, least], np.sort(np.abs(np.abs(lam) - 1.0)))
    real = lam.real[lam.imag == 0.0]
    if len(real) > 1:
        least = np.min(np.abs(real[:, None] + real[None, :])[np.triu_indices(len(real), 1)])
    return np.append([speed, least], np.sort(np.abs(lam.real)))
