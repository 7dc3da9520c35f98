"""The stable cycle beyond each Hopf point, by integration: its maximum, minimum and period along the parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.dynamics.attractor import IRREGULAR, Flow, Settled
from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Array, Model
from ntkcont.results.branch import Branch
from ntkcont.results.frozen import array
from ntkcont.results.special_points import SpecialPoint

Real = NDArray[np.float64]
Quantity = str | Callable[[Any], Any] | None

_START = (0.37, 0.6, 0.2, 0.1)  # where the first cycle is looked for, as parts of the grid
_PERTURBATION = 0.02  # first displacement from the equilibrium, in units of the scale
_OUT = 0.05  # first step beyond the grid, in units of its length
_HALVINGS = 4  # of the step in which a cycle was lost


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CycleEnvelope:
    """A family of stable cycles found by simulation; nothing here is located precisely.

    Attributes
    ----------
    name : str
        The Hopf point from which it was found, such as ``"H1"``.
    free, y : str
        Free parameter and what `low` and `high` are of.
    p : ndarray, shape (j,)
        Values of the free parameter, increasing. Where the cycle shrinks to a Hopf point, that point is included.
    low, high : ndarray, shape (j,)
        Minimum and maximum of y over one period.
    period : ndarray, shape (j,)
        In the model's unit of time.
    x : ndarray, shape (j, n)
        One state on each cycle.
    ends : (str, str)
        Why it was not followed further, at low and at high p.
    """

    name: str
    free: str
    y: str
    p: Real
    low: Real
    high: Real
    period: Real
    x: Real
    ends: tuple[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", array(self.p, "p", np.float64, (None,)))
        for name in ("low", "high", "period"):
            object.__setattr__(self, name, array(getattr(self, name), name, np.float64, self.p.shape))
        object.__setattr__(self, "x", array(self.x, "x", np.float64, (len(self.p), None)))

    def __len__(self) -> int:
        return len(self.p)

    def __repr__(self) -> str:
        return (
            f"<stable cycle from {self.name} (simulated): {len(self)} points, {self.free} from {self.p[0]:.6g} "
            f"({self.ends[0]}) to {self.p[-1]:.6g} ({self.ends[1]})>"
        )


@dataclasses.dataclass(frozen=True)
class Orbit:
    """States over one period of a cycle, as a callable `y` sees them: ``x`` (m, n), ``p`` (m,), columns by name."""

    x: Array
    p: Array
    states: tuple[str, ...]
    free: str

    def __getitem__(self, name: str) -> Array:
        if name == self.free:
            return self.p
        if name not in self.states:
            raise unknown_name(argument="y", got=name, allowed=[*self.states, self.free, "norm"])
        return self.x[:, self.states.index(name)]


def cycle_envelope(
    branch: Branch, y: Quantity = None, model: Model | None = None, *, points: int = 24
) -> tuple[CycleEnvelope, ...]:
    """Follow the stable cycle beyond each Hopf point by integration: ``cycle_envelope(branch) -> tuple``.

    At every Hopf point at which the equilibrium becomes stable or unstable, the flow is integrated on the unstable side
    from beside the equilibrium until it settles on a cycle. That cycle is followed in both directions of the free
    parameter, each time from the cycle before: back to the Hopf point, and past it where the Hopf point is subcritical
    and a stable cycle exists beside the stable equilibrium; and on until the branch's parameter range ends or the
    cycle is lost (it comes to rest, its period grows beyond all bounds, it is no longer periodic).

    Parameters
    ----------
    branch : Branch
        Of a flow.
    y : str or callable, optional
        What is measured: a state, ``"norm"``, or a function that takes an object with ``x`` (m, n), ``p`` (m,) and
        columns by name, and returns (m,). Default the first state, for networks the norm.
    model : Model, optional
        Needed where the branch carries none, after loading it from a file.
    points : int
        Values of the parameter between the Hopf point and the end of the unstable part, default 24; at least 6.

    Returns
    -------
    tuple of CycleEnvelope
        One for each family of cycles, in the order of the Hopf points; a family that begins at one and ends at another
        is given once. Empty if there is none.

    Raises
    ------
    InputError
        If the branch is that of a map, no model is known, or `y` or `points` is not what it may be.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, Springer 2004, section 3.4 (cycles born at Hopf points).

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> equations = {"x": "r*x - y - x*(x**2 + y**2)", "y": "x + r*y - y*(x**2 + y**2)"}
    >>> hopf = nc.Model.from_equations(equations, {"r": -0.5})
    >>> branch = nc.continuation(hopf, [0, 0], free="r", p_span=(-0.5, 1))
    >>> (cycle,) = nc.cycle_envelope(branch, "x")
    >>> bool(np.allclose(cycle.high, np.sqrt(cycle.p), atol=1e-3))
    True
    """
    model = model if model is not None else branch.model
    if model is None:
        msg = "model: the branch carries none (it was loaded from a file); give model="
        raise InputError(msg)
    if branch.kind == "map":
        msg = (
            "branch: it is that of a map; the invariant curves beyond Neimark-Sacker points are not followed, "
            "iterate the map itself with nc.simulate"
        )
        raise InputError(msg)
    if not (isinstance(points, int) and points >= 6):
        msg = f"points: got {points!r}; it must be an integer, at least 6"
        raise InputError(msg)
    measure, label = _measure(branch, model, y)
    families: list[CycleEnvelope] = []
    for point in branch.special_points("H"):
        window = _window(branch, point)
        if window is None:
            continue
        family = _Walk(branch, model, point, window, measure, points).run(label, families)
        if family is not None:
            families.append(family)
    return tuple(families)


def _measure(branch: Branch, model: Model, y: Quantity) -> tuple[Callable[[Orbit], Array], str]:
    if y is None:
        y = "norm" if model.homogeneous and branch.n > 1 else branch.states[0]
    if callable(y):
        function = y

        def measured(orbit: Orbit) -> Array:
            values = np.asarray(function(orbit), dtype=float)
            if values.shape != orbit.p.shape:
                msg = (
                    f"y: the function returned shape {values.shape} for {len(orbit.p)} states; it must return one each"
                )
                raise InputError(msg)
            return values

        return measured, getattr(y, "__name__", "y")
    name = y
    if name in branch.states:
        return lambda orbit: orbit[name], name
    if name == "norm":
        return lambda orbit: np.linalg.norm(orbit.x, axis=1), name
    raise unknown_name(argument="y", got=name, allowed=[*branch.states, "norm"])


# ---------------------------------------------------------------- where


@dataclasses.dataclass(frozen=True)
class _Window:
    """The unstable part beyond a Hopf point: sign of p along it, rows in order, the Hopf point at its far end."""

    sign: float
    rows: NDArray[np.intp]
    other: SpecialPoint | None


def _window(branch: Branch, point: SpecialPoint) -> _Window | None:
    """Return where the equilibrium that is stable on one side of the Hopf point is unstable; None if nowhere."""
    before = np.flatnonzero(branch.s < point.s)[::-1]
    after = np.flatnonzero(branch.s > point.s)
    change = branch.stability_change(point)
    if change is not None and min(change) > 0:
        return None  # unstable on both sides: the cycle born there is unstable as well
    for rows, step in ((before, -1.0), (after, 1.0)):
        if len(rows) < 2 or branch.n_unstable[rows[0]] == 0:
            continue
        sign = np.sign(step * point.tangent[-1])
        if sign == 0.0:
            return None
        keep = 1
        while (
            keep < len(rows)
            and branch.n_unstable[rows[keep]] > 0
            and sign * (branch.p[rows[keep]] - branch.p[rows[keep - 1]]) > 0
        ):
            keep += 1
        other = None
        if keep < len(rows) and branch.n_unstable[rows[keep]] == 0:
            ends = sorted((branch.s[rows[keep - 1]], branch.s[rows[keep]]))
            inside = [q for q in branch.special_points("H") if ends[0] <= q.s <= ends[1]]
            other = inside[0] if inside else None
        return _Window(float(sign), rows[:keep], other)
    return None


# ---------------------------------------------------------------- the walk


class _Cycle(NamedTuple):
    """A cycle, the extremes of y on it, and its size in units of the scale."""

    settled: Settled
    low: float
    high: float
    size: float


class _Walk:
    """The walk along the family of cycles that belongs to one Hopf point.

    `q` is the distance from the Hopf point in the free parameter, positive where the equilibrium is unstable.
    """

    def __init__(
        self,
        branch: Branch,
        model: Model,
        point: SpecialPoint,
        window: _Window,
        measure: Callable[[Orbit], Array],
        points: int,
    ) -> None:
        self.branch, self.model, self.point, self.window, self.measure = branch, model, point, window, measure
        far = window.other.p if window.other is not None else branch.p[window.rows[-1]]
        self.length = abs(float(far) - point.p)
        along = window.sign * (branch.p - point.p)
        self.room = float(np.min(along)), float(np.max(along))
        # denser towards both ends, where cycles shrink like square roots
        self.grid = [float(q) for q in self.length * np.sin(0.5 * np.pi * np.arange(points + 1) / points) ** 2]
        self.scale = _scale(branch, model)
        self.period = 2 * np.pi / float(point.omega or 1.0)
        self.found: dict[float, _Cycle] = {}

    # -------------------------------------------------------- one value of the parameter

    def p(self, q: float) -> float:
        return self.point.p + self.window.sign * q

    def settle(self, q: float, x: Array, expected: float) -> Settled:
        flow = Flow(self.model, {**self.branch.params, self.branch.free: self.p(q)}, self.scale)
        settled = flow.settle(x, expected)
        if settled.is_cycle:
            states = flow.one_period(settled)
            if not np.all(np.isfinite(states)):
                return dataclasses.replace(settled, reason="it leaves the bounded states")
            values = self.measure(Orbit(states, np.full(len(states), self.p(q)), self.branch.states, self.branch.free))
            size = float(np.max(np.ptp(states, axis=0) / self.scale))
            self.found[q] = _Cycle(settled, -_peak(-values), _peak(values), size)
        return settled

    def beside_equilibrium(self, q: float) -> Array:
        """Return a state near the unstable equilibrium at q, displaced in the critical plane."""
        rows = self.window.rows
        along = self.window.sign * (self.branch.p[rows] - self.point.p)
        states = np.array([np.interp(q, along, column) for column in self.branch.x[rows].T])
        jac = self.model.jac(self.point.x, {**self.branch.params, self.branch.free: self.point.p})
        values, vectors = np.linalg.eig(jac)
        v = np.real(vectors[:, np.argmin(np.abs(values - 1j * float(self.point.omega or 0.0)))]) / self.scale
        return states + _PERTURBATION * self.scale * v / np.max(np.abs(v))

    # -------------------------------------------------------- the family

    def run(self, label: str, others: list[CycleEnvelope]) -> CycleEnvelope | None:
        start = self._first(others)
        if start is None:
            return None
        inward = self._follow(self.grid[start], self.grid[1:start][::-1])
        if inward == "":
            inward = self._towards(0.0, self.grid[1], self.grid[3], self.point) or self._beyond(-1.0)
        outward = self._follow(self.grid[start], self.grid[start + 1 : -1])
        if outward == "":
            other = self.window.other
            if other is not None:
                outward = self._towards(self.length, self.grid[-2], self.grid[-4], other)
            outward = outward or self._beyond(1.0)
        return self._family(label, inward, outward)

    def _first(self, others: list[CycleEnvelope]) -> int | None:
        """Find a cycle from beside the equilibrium; None if there is none or another Hopf point led to it before."""
        count = len(self.grid) - 1
        for part in _START:
            i = max(1, round(part * count))
            q = self.grid[i]
            settled = self.settle(q, self.beside_equilibrium(q), self.period)
            if settled.is_cycle:
                return None if self._known(q, others) else i
        return None

    def _known(self, q: float, others: list[CycleEnvelope]) -> bool:
        """Whether the cycle at q is that of another family."""
        cycle = self.found[q]
        for other in others:
            if not other.p[0] <= self.p(q) <= other.p[-1]:
                continue
            period, there_low, there_high = (
                float(np.interp(self.p(q), other.p, column)) for column in (other.period, other.low, other.high)
            )
            size = max(cycle.high - cycle.low, there_high - there_low)
            close = abs(cycle.low - there_low) + abs(cycle.high - there_high) <= 0.1 * size
            if close and abs(cycle.settled.period - period) <= 0.1 * period:
                return True
        return False

    def _follow(self, q: float, qs: list[float]) -> str:
        """Follow the cycle from q through the values `qs`; return why it was lost, "" if it was not."""
        settled = self.found[q].settled
        for target in qs:
            new = self.settle(target, settled.x, settled.period)
            if not new.is_cycle:
                return self._narrow(q, target, new.reason)
            q, settled = target, new
        return ""

    def _narrow(self, q: float, target: float, reason: str) -> str:
        """Halve the step in which the cycle was lost; return why it was lost."""
        settled = self.found[q].settled
        for _ in range(1 if reason == IRREGULAR else _HALVINGS):  # where chaos begins takes long to find
            middle = 0.5 * (q + target)
            new = self.settle(middle, settled.x, settled.period)
            if new.is_cycle:
                q, settled = middle, new
            else:
                target, reason = middle, new.reason
        return reason

    def _towards(self, end: float, near: float, far: float, point: SpecialPoint) -> str:
        """Follow the cycle closer to a Hopf point, as long as it is unclear whether it shrinks to it.

        It does so like the square root of the distance; then the point is added.
        """
        for _ in range(3):
            size, reference = self.found[near].size, self.found[far].size
            root = np.sqrt(abs(near - end) / abs(far - end))
            if size <= 0.5 * (1.0 + root) * reference:
                return self._attach(end, point)
            far, near = near, end + 0.25 * (near - end)
            reason = self._follow(far, [near])
            if reason:  # so close to the Hopf point transients last long
                return self._attach(end, point) if size <= 0.8 * reference else reason
        return ""

    def _attach(self, end: float, point: SpecialPoint) -> str:
        at = Orbit(point.x[None, :], np.array([point.p]), self.branch.states, self.branch.free)
        value = float(self.measure(at)[0])
        period = 2 * np.pi / float(point.omega or 1.0)
        self.found[end] = _Cycle(Settled("cycle", np.array(point.x), period), value, value, 0.0)
        return f"shrinks to {point.name}"

    def _beyond(self, sign: float) -> str:
        """Go on past the end of the grid until the cycle is lost or the parameter range of the branch ends."""
        bound = self.room[1] if sign > 0 else self.room[0]
        for target in self._targets(sign, bound):
            q = (max if sign > 0 else min)(self.found)
            settled = self.found[q].settled
            new = self.settle(target, settled.x, settled.period)
            if not new.is_cycle:
                return self._narrow(q, target, new.reason)
        return "end of the branch"

    def _targets(self, sign: float, bound: float) -> Iterator[float]:
        q: float = self.length if sign > 0 else 0.0
        step = _OUT * self.length
        if sign * (bound - q) <= 1e-9 * self.length:
            yield bound
            return
        while sign * (bound - q) > 1e-9 * self.length:
            q = q + sign * step if sign * (bound - q) > 1.5 * step else bound
            step *= 1.15
            yield q

    def _family(self, label: str, inward: str, outward: str) -> CycleEnvelope:
        order = sorted(self.found, key=self.p)
        rows = [self.found[q] for q in order]
        ends = (inward, outward) if self.window.sign > 0 else (outward, inward)
        return CycleEnvelope(
            name=self.point.name, free=self.branch.free, y=label, p=np.array([self.p(q) for q in order]),
            low=np.array([row.low for row in rows]), high=np.array([row.high for row in rows]),
            period=np.array([row.settled.period for row in rows]), x=np.array([row.settled.x for row in rows]),
            ends=ends,
        )  # fmt: skip


def _scale(branch: Branch, model: Model) -> Array:
    """Magnitudes of the states: how much they move along the branch, or how large they are."""
    scale = np.maximum(np.ptp(branch.x, axis=0), 1e-2 * np.max(np.abs(branch.x), axis=0))
    if model.homogeneous:
        scale = np.full(branch.n, np.max(scale))
    largest = float(np.max(scale))
    return np.where(scale > 1e-9 * largest, scale, largest) if largest > 0 else np.ones(branch.n)


def _peak(values: Array) -> float:
    """Return the maximum of equally spaced samples over one period, by a parabola through the largest three."""
    ring = values[:-1]
    i = int(np.argmax(ring))
    a, b, c = ring[i - 1], ring[i], ring[(i + 1) % len(ring)]
    bend = a - 2 * b + c
    return float(b - (a - c) ** 2 / (8 * bend)) if bend < 0 else float(b)
