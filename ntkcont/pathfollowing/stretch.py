"""What happens along a stretch of the branch between two points whose spectra are known.

The eigenvalues near the stability boundary are followed from point to point.  Whatever crosses is located by Newton on
its defining system.  The answer is given only if everything agrees: the crossings found make up the difference between
the numbers of unstable eigenvalues at both ends; real ones lie where the factorisations say so (the sign of the
bordered determinant and of the tangent's parameter component are known at every point, for free); no eigenvalue has
moved as far as the half width of the strip that is followed.  Otherwise there is no answer, and somebody computes
another spectrum.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from ntkcont.kernels.spectrum import N_COUNTS, N_UNSTABLE, ORIENTATION, TANGENT_SIGN
from ntkcont.linear import LU
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.defining import Located
from ntkcont.pathfollowing.events import resolve_events
from ntkcont.pathfollowing.locate import Bracket
from ntkcont.pathfollowing.multiple import kernel_dimension
from ntkcont.pathfollowing.near_boundary import Basis, Near, Spectrum, matched, moved
from ntkcont.pathfollowing.records import found_point
from ntkcont.results.special_points import SpecialPoint

#: How often a piece is halved to separate what happens in it.
DEPTH = 14
#: Pieces looked at within one stretch, at most, at extrema of the distance from the boundary.
MOST_LOOKS = 12
#: An extremum is looked at that comes nearer to the boundary than this fraction of the nearer end's distance.
SHALLOW = 0.7
#: Eigenvalues may move at most this fraction of `reach` along a stretch: one that is not followed, further away than
#: `reach`, would have to move 2.5 times as far as the fastest of the others to cross the boundary and come back.
FAR = 0.8
#: An eigenvalue this near to the boundary, relative to the largest, has no side.
ON_BOUNDARY = 1e-8


class Doubtful(Exception):
    """The eigenvalues followed do not explain what happened."""


@dataclasses.dataclass(frozen=True)
class Event:
    """A special point between two points, and by how much it changes the number of unstable eigenvalues."""

    point: SpecialPoint
    change: int


@dataclasses.dataclass(frozen=True)
class _At:
    """A point with what is near the boundary there."""

    node: Node
    near: Near


@dataclasses.dataclass(frozen=True)
class _Crossing:
    """An eigenvalue on both sides of the boundary."""

    label: str
    left: complex
    right: complex
    fraction: float
    change: int


def light_node(curve: Curve, z: Array, d: Array, tau: Array, s: float) -> Node | None:
    """Return the point z of the branch with its tangent and signs, and no eigenvalues; None if it is singular."""
    n = curve.n
    _, a, fq = curve.system(z)
    big = np.empty((n + 1, n + 1))
    big[:n, :n] = a * d[:n]
    big[:n, n] = fq * d[n]
    big[n] = tau
    lu = LU(big)
    unit = np.zeros(n + 1)
    unit[n] = 1.0
    new = lu.solve(unit)
    norm = np.linalg.norm(new)
    sign = lu.sign
    if not np.isfinite(norm) or norm == 0.0 or sign == 0.0:
        return None
    counts = np.zeros(N_COUNTS, dtype=np.int64)
    counts[TANGENT_SIGN] = 1 if new[n] > 0.0 else -1
    counts[ORIENTATION] = 1 if sign > 0.0 else -1
    return Node(z, new / norm * d, s, np.full(n, np.nan + 0j), counts)


def light_midpoint(curve: Curve, left: Node, right: Node, d: Array, fraction: float) -> Node | None:
    """Return a point of the branch between two nodes, in the hyperplane across their chord, without eigenvalues."""
    chord = (right.z - left.z) / d
    length = float(np.linalg.norm(chord))
    if length < 1e-11:
        return None
    tau = chord / length
    z, size = curve.correct(left.z + fraction * (right.z - left.z), d, tau)
    if z is None or size > length:
        return None
    u = float(tau @ ((z - left.z) / d)) / length
    return light_node(curve, z, d, tau, left.s + u * (right.s - left.s)) if 0.0 < u < 1.0 else None


class Stretch:
    """The branch between two points with spectra; `inner` are accepted points in between, without."""

    def __init__(
        self,
        curve: Curve,
        ends: tuple[Node, Node],
        spectra: tuple[Spectrum, Spectrum],
        inner: list[Node],
        d: Array,
        params: dict[str, float],
    ) -> None:
        self.curve, self.ends, self.spectra, self.inner, self.d, self.params = curve, ends, spectra, inner, d, params
        self.is_map = curve.is_map
        self.moved = np.inf  # the longest way of an eigenvalue along the stretch
        self.reach = min(spectrum.reach for spectrum in spectra)
        self.size = float(max(np.max(np.abs(spectrum.eigenvalues)) for spectrum in spectra))
        self.solvers = resolve_events(None, curve.model.kind)[0]

    def events(self) -> list[Event]:
        """Return what happens, in order.

        Raises
        ------
        Doubtful
            If the eigenvalues followed do not explain it.
        """
        self.basis = Basis(*self.spectra, self.is_map)
        chain = self._chain()
        self.moved = self._way(chain)
        if self.moved > FAR * self.reach:
            msg = "eigenvalues moved too far"
            raise Doubtful(msg)
        chain = self._with_looks(chain)
        found: list[Event] = []
        for a, b in itertools.pairwise(chain):
            found += self._between(a, b, 0)
        found.sort(key=lambda event: event.point.s)
        self._certify(found)
        return found

    # ---------------------------------------------------------------- points

    def _at(self, node: Node) -> _At:
        try:
            return _At(node, self.basis.near(self.curve.system(node.z)[1]))
        except np.linalg.LinAlgError as error:
            msg = "no eigenvalues"
            raise Doubtful(msg) from error

    def _middle(self, left: Node, right: Node, fraction: float) -> _At:
        for shift in (0.0, 0.0371, -0.0437):
            node = light_midpoint(self.curve, left, right, self.d, fraction + shift)
            if node is not None:
                at = self._at(node)
                if not self._undecided(at.near):
                    return at
        msg = "no point in between"
        raise Doubtful(msg)

    def _undecided(self, near: Near) -> bool:
        return bool(near.beyond.size and np.min(np.abs(near.beyond)) < ON_BOUNDARY * self.size)

    def _chain(self) -> list[_At]:
        """Return the ends and some points in between: a few spread out, and those around a change of signs."""
        nodes = [self.ends[0], *self.inner, self.ends[1]]
        k = len(nodes)
        keep = {0, k - 1, *np.linspace(0, k - 1, 5).round().astype(int).tolist()}
        signs = np.array([node.counts[[TANGENT_SIGN, ORIENTATION]] for node in nodes])
        changed = np.flatnonzero(np.any(signs[1:] != signs[:-1], axis=1))
        keep |= {int(i) for j in changed for i in (j, j + 1)}
        for i in self._folds(nodes):
            keep |= {i - 1, i}
        inside = [self._at(nodes[i]) for i in sorted(keep - {0, k - 1})]
        low, high = (
            _At(node, self.basis.at_end(spectrum, self.curve.system(node.z)[1]))
            for node, spectrum in zip(self.ends, self.spectra, strict=True)
        )
        chain = [low, *(at for at in inside if not self._undecided(at.near)), high]
        while len(chain) < 4:  # shapes need four points
            gaps = [b.node.s - a.node.s for a, b in itertools.pairwise(chain)]
            i = int(np.argmax(gaps))
            chain.insert(i + 1, self._middle(chain[i].node, chain[i + 1].node, 0.47))
        return chain

    def _folds(self, nodes: list[Node]) -> list[int]:
        """Return the right ends of intervals in which the parameter may turn twice: the cubic through both ends does.

        Such an interval is halved until it shows, or ends.
        """
        found = []
        for i in range(1, len(nodes)):
            a, b = nodes[i - 1].tangent[-1], nodes[i].tangent[-1]
            h = nodes[i].s - nodes[i - 1].s
            if a * b <= 0.0 or h <= 0.0:
                continue
            middle = 1.5 * (nodes[i].z[-1] - nodes[i - 1].z[-1]) / h - 0.25 * (a + b)
            if middle * a < 0.1 * min(abs(a), abs(b)) * abs(a):
                found.append(i)
        return found

    def _way(self, chain: list[_At]) -> float:
        """Return the longest way of an eigenvalue along the chain, summed over its intervals."""
        ways = []
        for a, b in itertools.pairwise(chain):
            pairs = matched(a.near, b.near, 0.5 * self.reach)
            if self._lost(a.near, b.near, pairs):
                msg = "an eigenvalue near the boundary was lost"
                raise Doubtful(msg)
            ways.append(moved(a.near, b.near, pairs))
        return sum(ways)

    def _lost(self, a: Near, b: Near, pairs: list[tuple[int, int]]) -> bool:
        """Whether an eigenvalue near the boundary has no partner at the other point."""
        for near, side in ((a, 0), (b, 1)):
            alone = set(range(len(near.values))) - {pair[side] for pair in pairs}
            if any(abs(near.beyond[i]) < 0.4 * self.reach for i in alone):
                return True
        return False

    # ---------------------------------------------------------------- twice in one interval

    def _with_looks(self, chain: list[_At]) -> list[_At]:
        """Return the chain with further points where an eigenvalue may touch or cross the boundary twice."""
        for _ in range(MOST_LOOKS):
            look = self._look(chain)
            if look is None:
                break
            i, u = look
            chain.insert(i + 1, self._middle(chain[i].node, chain[i + 1].node, min(0.9, max(0.1, u))))
        return chain

    def _look(self, chain: list[_At]) -> tuple[int, float] | None:
        """Return the interval (its left end) and the fraction at which an extremum comes nearest to the boundary."""
        best, where = SHALLOW, None
        pairs = [dict(matched(a.near, b.near, 0.5 * self.reach)) for a, b in itertools.pairwise(chain)]
        tiny = 1e-11 * self.size
        shortest = 1e-3 * (chain[-1].node.s - chain[0].node.s)
        for i in range(1, len(chain) - 1):
            s0, s1, s2 = (chain[j].node.s for j in (i - 1, i, i + 1))
            for a, b in pairs[i - 1].items():
                if b not in pairs[i]:
                    continue
                f = chain[i - 1].near.beyond[a], chain[i].near.beyond[b], chain[i + 1].near.beyond[pairs[i][b]]
                if not (f[0] * f[1] > 0.0 and f[1] * f[2] > 0.0):
                    continue
                before, after = abs(f[0]), abs(f[2])
                here = abs(f[1])
                left, right = (here - before) / (s1 - s0), (after - here) / (s2 - s1)
                if not (left < 0.0 < right or here < min(before, after)):
                    curvature = (right - left) / (s2 - s0)
                    if curvature <= 0.0:
                        continue
                else:
                    curvature = (right - left) / (s2 - s0)
                slope = (left * (s2 - s1) + right * (s1 - s0)) / (s2 - s0)
                t = -slope / (2.0 * curvature)
                value = here - slope * slope / (4.0 * curvature)
                j, u = (i - 1, 1.0 + t / (s1 - s0)) if t < 0.0 else (i, t / (s2 - s1))
                if not 0.0 < u < 1.0 or chain[j + 1].node.s - chain[j].node.s < shortest:
                    continue
                nearer = min(here, before if t < 0.0 else after)
                if nearer - value > tiny and value / nearer < best:
                    best, where = value / nearer, (j, u)
        return where

    # ---------------------------------------------------------------- crossings

    def _crossings(self, a: _At, b: _At) -> list[_Crossing] | None:
        """Return what crosses the boundary between two points; None if it cannot be told."""
        pairs = matched(a.near, b.near, 0.5 * self.reach)
        if self._lost(a.near, b.near, pairs):
            msg = "an eigenvalue near the boundary was lost"
            raise Doubtful(msg)
        found = []
        for i, j in pairs:
            f, g = float(a.near.beyond[i]), float(b.near.beyond[j])
            if (f > 0.0) == (g > 0.0):
                continue
            x, y = complex(a.near.values[i]), complex(b.near.values[j])
            if (x.imag == 0.0) != (y.imag == 0.0) or x.imag * y.imag < 0.0:
                return None
            if x.imag < 0.0:
                continue
            sign = 1 if g > 0.0 else -1
            if x.imag > 0.0:
                label, sign = ("NS" if self.is_map else "H"), 2 * sign
            else:
                label = "PD" if self.is_map and x.real < 0.0 else "real"
            found.append(_Crossing(label, x, y, f / (f - g), sign))
        return self._named(a.node, b.node, found)

    def _named(self, left: Node, right: Node, found: list[_Crossing]) -> list[_Crossing] | None:
        """Tell folds from branch points by the signs at both ends; None if those do not agree with what crosses."""
        fold = left.counts[TANGENT_SIGN] != right.counts[TANGENT_SIGN]
        turn = left.counts[ORIENTATION] != right.counts[ORIENTATION]
        real = [crossing for crossing in found if crossing.label == "real"]
        if len(real) > 1 or fold + turn != len(real):
            return None
        name = "LP" if fold else "BP"
        return [dataclasses.replace(c, label=name) if c.label == "real" else c for c in found]

    def _between(self, a: _At, b: _At, depth: int) -> list[Event]:
        """Return the special points between two points, halving the piece until they can be told apart."""
        crossings = self._crossings(a, b)
        if crossings is not None:
            found = [self._located(a, b, crossing) for crossing in crossings]
            events = [event for event in found if event is not None]
            if len(events) == len(found) and self._distinct(events):
                return events
        if depth >= DEPTH:
            msg = "crossings cannot be told apart"
            raise Doubtful(msg)
        middle = self._middle(a.node, b.node, 0.4583)
        return self._between(a, middle, depth + 1) + self._between(middle, b, depth + 1)

    def _located(self, a: _At, b: _At, crossing: _Crossing) -> Event | None:
        """Return the special point of a crossing; None if Newton does not find it between the two points."""
        left, right = a.node, b.node
        u, value = crossing.fraction, crossing.left + crossing.fraction * (crossing.right - crossing.left)
        node = light_midpoint(self.curve, left, right, self.d, min(0.98, max(0.02, u)))
        z = left.z + u * (right.z - left.z) if node is None else node.z
        if node is not None and crossing.label != "LP":
            near = self._at(node).near
            if near.values.size:
                value = complex(near.values[int(np.argmin(np.abs(near.values - value)))])
        extra = None
        if crossing.label == "H":
            extra = value.imag
        elif crossing.label == "NS":
            extra = float(np.angle(value))
        found = self.solvers[crossing.label].solve(self.curve, z, extra, self.d)
        if found is None or not Bracket(left, right).holds(found.z, self.d) or not self._plausible(found, crossing):
            return None
        if crossing.label == "BP" and kernel_dimension(self.curve, found.z, self.d) > 1:
            return None
        bracket = self._bracket(found.z, Bracket(left, right))
        return Event(found_point(self.curve, crossing.label, found, bracket, self.d, self.params), crossing.change)

    def _plausible(self, found: Located, crossing: _Crossing) -> bool:
        if found.residual > 1e-11 * max(1.0, self.size):
            return False
        if found.extra is None:
            return True
        target = complex(np.exp(1j * found.extra)) if self.is_map else 1j * found.extra
        between = min(abs(target - crossing.left), abs(target - crossing.right))
        apart = abs(target.imag) > 1e-7 * max(1.0, self.size)
        return apart and between <= max(0.5 * self.reach, 2.0 * abs(crossing.right - crossing.left))

    def _bracket(self, z: Array, wide: Bracket) -> Bracket:
        """Return the neighbouring accepted points around z."""
        nodes = [self.ends[0], *self.inner, self.ends[1]]
        low, high = wide.left.s, wide.right.s
        best, off_best = wide, np.inf
        for a, b in itertools.pairwise(nodes):
            if b.s <= low or a.s >= high:
                continue
            pair = Bracket(a, b)
            u, off = pair.fraction(z, self.d)
            if -1e-9 <= u <= 1.0 + 1e-9 and off < off_best:
                best, off_best = pair, off
        return best

    def _distinct(self, events: list[Event]) -> bool:
        """Whether no two of them are the same point."""
        for one, other in itertools.combinations([event.point for event in events], 2):
            if one.label != other.label:
                continue
            apart = np.linalg.norm((np.append(one.x - other.x, one.p - other.p)) / self.d)
            same = apart < 1e-9 and abs((one.omega or 0.0) - (other.omega or 0.0)) < 1e-7 * max(1.0, self.size)
            if same:
                return False
        return True

    # ---------------------------------------------------------------- certificate

    def _certify(self, found: list[Event]) -> None:
        """Raise Doubtful unless counts and signs at all points agree with the special points found."""
        first, last = (int(spectrum.counts[N_UNSTABLE]) for spectrum in self.spectra)
        if last - first != sum(event.change for event in found):
            msg = "the numbers of unstable eigenvalues disagree"
            raise Doubtful(msg)
        if not self._distinct(found):
            msg = "one point was found twice"
            raise Doubtful(msg)
        for a, b in itertools.pairwise([self.ends[0], *self.inner, self.ends[1]]):
            inside = [event.point.label for event in found if a.s <= event.point.s < b.s]
            for label, column in (("LP", TANGENT_SIGN), ("BP", ORIENTATION)):
                if (inside.count(label) % 2 == 1) != (a.counts[column] != b.counts[column]):
                    msg = f"{label}: the signs of the determinant or tangent disagree"
                    raise Doubtful(msg)
