"""What every branch must satisfy, recomputed from the model alone; used by every test that makes a branch.

``check_branch`` shares no code with the continuation: residuals, Jacobians and the derivative in the free parameter
come from ``model.rhs``, ``model.jac`` and ``model.dfdp``, everything else from numpy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import ntkcont as nc
from tests.invariants_between import check_counts, check_order

KINDS = {
    "LP": ("flow", "map"),
    "BP": ("flow", "map"),
    "H": ("flow",),
    "NSad": ("flow", "map"),
    "PD": ("map",),
    "NS": ("map",),
}
COLUMNS = ("p", "x", "s", "tangent", "eigenvalues", "stable", "n_unstable")


class _Local:
    """F, its derivatives and the eigenvalues at one point of the curve, in original and in scaled variables."""

    def __init__(self, frame: _Frame, x: np.ndarray, p: float) -> None:
        branch, model, scale = frame.branch, frame.model, frame.scale
        params = {**branch.params, branch.free: float(p)}
        n = len(x)
        image, jac = model.rhs(x, params), model.jac(x, params)
        is_map = model.kind == "map"
        self.f = image - x if is_map else image
        self.a = jac - np.eye(n) if is_map else jac
        self.eigenvalues = np.linalg.eigvals(jac)
        self.norm = max(float(np.linalg.norm(jac, 2)), 1e-300)
        full = np.column_stack([self.a, model.dfdp(x, branch.free, params)])
        # rounding in F: what one ulp in every variable amounts to
        self.floor = np.abs(full) @ np.maximum(np.abs(np.append(x, p)), scale * 1e-3)
        self.scaled = full * scale
        _, self.sigma, vt = np.linalg.svd(self.scaled)
        self.kernel = vt[-1]
        self.boundary = np.abs(self.eigenvalues) - 1.0 if is_map else self.eigenvalues.real
        # all derivatives may vanish at a branch point: then the rest of the branch says what is small
        self.size = max(self.sigma[0], 1e-3 * frame.size)
        self.residual = float(np.max(np.abs(self.f) / np.maximum(self.floor, 1e-3 * frame.floor)))


class _Frame:
    """The branch, its model and the magnitudes along it."""

    def __init__(self, branch: nc.Branch, model: nc.Model, corners: Sequence[float] = ()) -> None:
        self.branch, self.model, self.scale = branch, model, _scale(branch)
        self.size, self.norm, self.floor = 1e-300, 0.0, np.full(len(branch.states), 1e-300)
        rows = np.unique(np.linspace(0, len(branch) - 1, 9).astype(int))
        sample = [_Local(self, branch.x[i], branch.p[i]) for i in rows]
        self.size = float(np.median([local.sigma[0] for local in sample]))
        self.norm = float(np.median([local.norm for local in sample]))
        self.floor = np.maximum(np.median([local.floor for local in sample], axis=0), 1e-300)
        kinks = [np.append(point.x, point.p) / self.scale for point in branch.special_points("BC")]
        z = np.column_stack([branch.x, branch.p]) / self.scale
        self.kinked = {i for i in range(len(z)) for kink in kinks if np.linalg.norm(z[i] - kink) < 1e-9}
        # a branch of a training path may turn sharply, but for its eigenvalues nothing happens there
        at = np.array(corners) if branch.free == "s" else np.zeros(0)
        apart = np.abs(branch.p[:, None] - at) / self.scale[-1]
        self.corners = set(np.flatnonzero(np.min(apart, axis=1, initial=1.0) < 1e-9).tolist())

    def beside(self, i: int) -> list[_Local]:
        """Return what holds on both sides of a kink: the derivatives a little before and after row i."""
        found = []
        for j in (i - 1, i + 1):
            if 0 <= j < len(self.branch):
                x = self.branch.x[i] + 1e-6 * (self.branch.x[j] - self.branch.x[i])
                p = float(self.branch.p[i] + 1e-6 * (self.branch.p[j] - self.branch.p[i]))
                found.append(_Local(self, x, p))
        return found


def _scale(branch: nc.Branch) -> np.ndarray:
    """Magnitudes of the states and of the parameter; units of a network share one."""
    x = np.max(np.abs(branch.x), axis=0)
    # zero but for rounding at a few points: the size of zero
    x = np.where((x < 1e-9) & (np.median(np.abs(branch.x), axis=0) <= 1e-6 * x), 0.0, x)
    x = np.where(x > 1e-9 * max(np.max(x), 1e-300), x, max(np.max(x), 1.0))
    return np.append(x, max(np.ptp(branch.p), 1e-12))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest distance between two sets of eigenvalues, best paired."""
    cost = np.abs(a[:, None] - b[None, :])
    rows, columns = linear_sum_assignment(cost)
    return float(np.max(cost[rows, columns]))


def check_branch(
    branch: nc.Branch,
    model: nc.Model,
    *,
    p_span: tuple[float, float] | None = None,
    rows: Any = None,
    tol: float = 1e-8,
    corners: Sequence[float] = (),
    base: nc.Model | None = None,
    period: int = 1,
) -> None:
    """Assert everything that holds for every branch.

    `rows` limits the checks that cost one evaluation per point (default: all up to 50 states, else about 200 rows).
    `tol` is the largest relative residual; `corners` are the values of the parameter s at which the branch may turn.
    A branch of orbits, fixed points of an iterate (`model`) of the map `base`, may meet one bifurcation at several
    points of an orbit of this `period`.
    """
    k, n = branch.x.shape
    assert k >= 2, "a branch has at least two points"
    _check_columns(branch, model, p_span)
    if rows is None:
        rows = range(k) if n <= 50 else np.unique(np.linspace(0, k - 1, 200).astype(int))
    frame = _Frame(branch, model, corners)
    for i in rows:
        _check_point(frame, int(i), tol)
    _check_orientation(branch, frame)
    for point in branch.special_points:
        _check_special(frame, point, tol)
    check_order(branch, frame.scale, base, period)
    check_counts(branch, frame.scale)


# ------------------------------------------------------------------------------------------------ columns


def _check_columns(branch: nc.Branch, model: nc.Model, p_span: tuple[float, float] | None) -> None:
    k, n = branch.x.shape
    assert branch.states == model.states, f"the states are {branch.states}, those of the model {model.states}"
    assert branch.kind == model.kind, f"the branch is that of a {branch.kind}, the model a {model.kind}"
    for name in COLUMNS:
        column = getattr(branch, name)
        assert len(column) == k, f"{name}: {len(column)} rows for {k} points"
        if name != "eigenvalues":
            assert np.all(np.isfinite(column)), f"{name} is not finite"
    assert branch.tangent.shape == (k, n + 1)
    assert branch.eigenvalues.shape == (k, n)
    for a, b in itertools.combinations(COLUMNS, 2):
        assert not np.shares_memory(getattr(branch, a), getattr(branch, b)), f"{a} and {b} share memory"
    assert np.all(np.diff(branch.s) > 0), "s does not increase"
    assert np.array_equal(branch.stable, branch.n_unstable == 0), "stable disagrees with n_unstable"
    if p_span is not None:
        room = 1e-12 * (p_span[1] - p_span[0])
        assert np.min(branch.p) >= p_span[0] - room, "p leaves p_span"
        assert np.max(branch.p) <= p_span[1] + room, "p leaves p_span"


def _check_point(frame: _Frame, i: int, tol: float) -> None:
    branch = frame.branch
    here = _Local(frame, branch.x[i], branch.p[i])
    where = f"point {i} at {branch.free} = {branch.p[i]:.10g}"
    assert here.residual <= tol, f"{where}: residual {here.residual:.1e}"
    if i in frame.kinked:  # tangent and eigenvalues are those of one of both sides
        _one_holds([lambda side=side: _check_linear(frame, i, side, where) for side in frame.beside(i)])
    else:
        _check_linear(frame, i, here, where)


def _one_holds(checks: list[Callable[[], None]]) -> None:
    """Run the checks; raise what the last one raises if all do."""
    for check in checks[:-1]:
        try:
            return check()
        except AssertionError:
            pass
    return checks[-1]()


def _check_linear(frame: _Frame, i: int, here: _Local, where: str) -> None:
    branch = frame.branch
    if np.all(np.isfinite(branch.eigenvalues[i])):
        distance = _distance(branch.eigenvalues[i], here.eigenvalues)
        # the Jacobian itself may vanish where branches meet
        allowed = 1e-6 * max(here.norm, 1e-3 * frame.norm)
        assert distance <= allowed, f"{where}: eigenvalues off by {distance:.1e}"
    margin = 1e-7 * here.norm
    low, high = np.sum(here.boundary > margin), np.sum(here.boundary > -margin)
    assert low <= branch.n_unstable[i] <= high, f"{where}: n_unstable is {branch.n_unstable[i]}, eigenvalues say {low}"
    _check_tangent(branch.tangent[i] / frame.scale, here, where)


def _check_tangent(tau: np.ndarray, here: _Local, where: str) -> None:
    length = np.linalg.norm(tau)
    assert length > 0, f"{where}: the tangent is zero"
    off = np.linalg.norm(here.scaled @ tau) / (length * here.size)
    assert off <= 1e-6, f"{where}: the tangent is not in the kernel of [F_x, F_p] ({off:.1e})"


def _from_one(ratio: float) -> float:
    return abs(np.log(ratio))


def _check_orientation(branch: nc.Branch, frame: _Frame) -> None:
    """Tangents point along increasing s and have the length of (dx/ds, dp/ds).

    At a kink that holds on one of both sides.
    """
    scale = frame.scale
    step = np.diff(np.column_stack([branch.x, branch.p]), axis=0) / scale
    tau = branch.tangent / scale
    corners = frame.kinked | frame.corners
    for i in corners:
        assert any(chord @ tau[i] > 0 for chord in step[max(i - 1, 0) : i + 1]), f"tangent at the kink {i}"
    for i, chord in enumerate(step):
        ds = branch.s[i + 1] - branch.s[i]
        if i in corners or i + 1 in corners:
            for j in {i, i + 1} - corners:
                assert chord @ tau[j] > 0, f"the tangent between points {i} and {i + 1} points against s"
            continue
        for tangent in (tau[i], tau[i + 1]):
            # where a turn is small beside the magnitudes of the whole branch the interval's own tell
            own = np.maximum(np.abs(chord), ds * np.maximum(np.abs(tau[i]), np.abs(tau[i + 1]))) + 1e-300
            along = max(chord @ tangent, (chord / own) @ (tangent / own))
            assert along > 0, f"the tangent between points {i} and {i + 1} points against s"
        # the units of arclength may change at a point: then one of both ends has those of the interval
        speeds = (np.linalg.norm(tau[i]), np.linalg.norm(tau[i + 1]))
        ratios = [np.linalg.norm(chord) / (ds * speed) for speed in (*speeds, 0.5 * sum(speeds))]
        # at a corner one variable may take over that is small beside the magnitudes of the whole branch
        for tangent in (tau[i], tau[i + 1]):
            moves = (np.abs(chord) > 0.0) & (np.abs(tangent) > 0.0)
            ratios += list(np.abs(chord[moves]) / (ds * np.abs(tangent[moves])))
        ratio = min(ratios, key=_from_one)
        assert 0.3 < ratio < 3.0, f"between points {i} and {i + 1} the tangent is not d(x, p)/ds (ratio {ratio:.2g})"


# ------------------------------------------------------------------------------------------------ special points


def _check_special(frame: _Frame, point: Any, tol: float) -> None:
    branch, scale = frame.branch, frame.scale
    where = f"{point.name} at {branch.free} = {point.p:.10g}"
    assert point.kind == branch.kind, where
    assert point.free == branch.free, where
    assert point.states == branch.states, where
    assert point.params[branch.free] == point.p, f"{where}: params has another {branch.free}"
    assert np.isfinite(point.residual), f"{where}: no residual"
    assert np.isfinite(point.test_value), f"{where}: no test value"
    low, high = point.bracket
    assert low <= point.s <= high, f"{where}: s = {point.s} is outside its bracket {point.bracket}"
    room = 1e-9 * max(1.0, branch.s[-1] - branch.s[0])
    assert branch.s[0] - room <= low, f"{where}: the bracket leaves the branch"
    assert high <= branch.s[-1] + room, f"{where}: the bracket leaves the branch"
    _check_place(branch, point, scale, where)
    here = _Local(frame, point.x, point.p)
    assert here.residual <= tol, f"{where}: residual {here.residual:.1e}"

    def linear(side: _Local) -> None:
        distance = _distance(point.eigenvalues, side.eigenvalues)
        assert distance <= 1e-6 * side.norm, f"{where}: eigenvalues off by {distance:.1e}"
        _check_tangent(point.tangent / scale, side, where)

    row = int(np.argmin(np.abs(branch.s - point.s)))
    if row in frame.kinked and point.label in ("BC", "EP"):
        _one_holds([lambda side=side: linear(side) for side in frame.beside(row)])
    else:
        linear(here)
    if point.label == "BC":
        assert row in frame.kinked, f"{where}: it is not among the points of the branch"
    if point.label in KINDS:
        assert branch.kind in KINDS[point.label], f"{where}: {point.label} does not exist for a {branch.kind}"
        check = {"LP": _check_fold, "BP": _check_branch_point}.get(point.label, _check_critical_pair)
        check(point, here, where, branch.kind)
        _check_vectors(point, here, where, branch.kind)


def _check_place(branch: nc.Branch, point: Any, scale: np.ndarray, where: str) -> None:
    """The point lies between its neighbours: its distance from the chord is a fraction of the chord."""
    i = int(np.clip(np.searchsorted(branch.s, point.s, side="right") - 1, 0, len(branch) - 2))
    a = np.append(branch.x[i], branch.p[i])
    b = np.append(branch.x[i + 1], branch.p[i + 1])
    u = (point.s - branch.s[i]) / (branch.s[i + 1] - branch.s[i])
    off = np.linalg.norm((np.append(point.x, point.p) - a - u * (b - a)) / scale)
    # where the branch turns the way is longer than the chord
    way = (branch.s[i + 1] - branch.s[i]) * np.linalg.norm(branch.tangent[i : i + 2] / scale, axis=1)
    chord = max(np.linalg.norm((b - a) / scale), np.min(way))
    assert off <= 0.5 * chord + 1e-9, f"{where}: {off:.1e} away from the branch at its s"


def _check_fold(point: Any, here: _Local, where: str, kind: str) -> None:
    a = here.scaled[:, :-1]
    smallest = np.linalg.svd(a, compute_uv=False)[-1] / here.size
    assert smallest <= 1e-6, f"{where}: F_x is not singular ({smallest:.1e})"
    assert abs(here.kernel[-1]) <= 1e-6, f"{where}: the tangent's parameter component is {here.kernel[-1]:.1e}"
    rank = here.sigma[-1] / here.size
    assert rank > 1e-9, f"{where}: [F_x, F_p] is singular, so this is a branch point"
    assert point.omega is None, where


def _check_branch_point(point: Any, here: _Local, where: str, kind: str) -> None:
    m = point.multiplicity
    assert here.sigma[-1] <= 1e-6 * here.size, f"{where}: [F_x, F_p] has full rank ({here.sigma[-1]:.1e})"
    if here.sigma[-m] > 1e-6 * here.size:  # branches that turn back there: F_p is outside the range of F_x
        zero = np.sort(np.abs(here.eigenvalues - (1.0 if kind == "map" else 0.0)))[m - 1]
        assert zero <= 1e-6 * max(here.norm, here.size), (
            f"{where}: fewer than {m} eigenvalues are critical ({zero:.1e})"
        )
    if m < len(here.sigma):
        rest = here.sigma[-m - 1] / here.size
        assert rest > 1e-9, f"{where}: [F_x, F_p] has a larger kernel than multiplicity {m} says"
    assert point.omega is None, where


def _check_critical_pair(point: Any, here: _Local, where: str, kind: str) -> None:
    """H, PD, NS, NSad: what the eigenvalues do there."""
    margin = 1e-6 * max(here.norm, 1.0 if kind == "map" else 0.0)
    values = here.eigenvalues
    if point.label == "NSad":
        real = values[np.abs(values.imag) <= margin].real
        pairs = itertools.combinations(real, 2)
        gap = min((abs(a * b - 1 if kind == "map" else a + b) for a, b in pairs), default=np.inf)
        assert gap <= margin, f"{where}: no real pair is neutral ({gap:.1e})"
        assert point.omega is None, where
        return
    if point.label == "PD":
        critical = -1.0
        assert point.omega is None, where
    elif point.label == "NS":
        assert 0 < point.omega < np.pi, where
        critical = np.exp(1j * point.omega)
    else:
        assert point.omega > 0, where
        critical = 1j * point.omega
    gap = np.min(np.abs(values - critical))
    assert gap <= margin, f"{where}: the critical eigenvalue {critical:.6g} is missed by {gap:.1e}"
    # those that cross together may have other frequencies
    off = np.abs(values + 1.0) if point.label == "PD" else np.abs(here.boundary[values.imag > 0.0])
    gap = np.sort(off)[point.multiplicity - 1]
    assert gap <= margin, f"{where}: fewer than {point.multiplicity} are on the boundary ({gap:.1e})"


def _check_vectors(point: Any, here: _Local, where: str, kind: str) -> None:
    """The critical vectors, where given: A v = lambda v and w* A = lambda w*."""
    if point.label == "NSad":
        return
    shift = 1.0 if kind == "map" else 0.0
    critical = {"LP": shift, "BP": shift, "PD": -1.0}.get(point.label)
    if critical is None:
        critical = np.exp(1j * point.omega) if point.label == "NS" else 1j * point.omega
    a = here.a + shift * np.eye(len(here.a))
    for name, matrix, value in (("v", a, critical), ("w", a.T, np.conj(critical))):
        if name in point.vectors:
            vector = point.vectors[name]
            assert np.linalg.norm(vector) > 0, f"{where}: {name} is zero"
            off = np.linalg.norm(matrix @ vector - value * vector)
            assert off <= 1e-5 * max(here.norm, shift, here.size) * np.linalg.norm(vector), (
                f"{where}: {name} is not critical ({off:.1e})"
            )
