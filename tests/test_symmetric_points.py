"""Multiple points by symmetry: their multiplicity on every passage, and all branches that meet there."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import check_diagram, checked
from tests.invariants import check_branch

# ------------------------------------------------------------------------------------------------ three units


def three(gain=6.0, coupling=3.0):
    equations = {f"x{i}": f"-x{i} + 1/(1 + exp(-(I + a*x{i} - b*(x{(i + 1) % 3} + x{(i + 2) % 3}))))" for i in range(3)}
    return nc.Model.from_equations(equations, {"I": -6.0, "a": gain, "b": coupling})


UNITS = three()
#: Along x_i = x the two modes across it have (a + b) x (1 - x) = 1, at x = (1 +- sqrt(5)/3)/2 for a + b = 9.
CROSSING = (1.0 + np.sqrt(5.0) / 3.0) / 2.0
CURRENT = np.log(CROSSING / (1.0 - CROSSING))  # I + (a - 2 b) x = logit(x), a = 2 b


def rate(x, current):
    """Return the right-hand side for columns of states."""
    return -x + 1.0 / (1.0 + np.exp(-(current + 6.0 * x - 3.0 * (np.sum(x, axis=0) - x))))


def equilibria(current):
    """All states at rest, by damped Newton from a grid of starts."""
    x = np.array(list(itertools.product(np.linspace(0.0, 1.0, 13), repeat=3))).T
    for _ in range(200):
        s = 1.0 / (1.0 + np.exp(-(current + 6.0 * x - 3.0 * (np.sum(x, axis=0) - x))))
        slope = s * (1.0 - s)
        jac = np.einsum("ik,ij->kij", slope, 9.0 * np.eye(3) - 3.0) - np.eye(3)
        step = np.linalg.solve(jac, -(s - x).T[:, :, None])[:, :, 0].T
        x = x + step * np.minimum(1.0, 0.2 / np.maximum(np.max(np.abs(step), axis=0), 1e-300))
    good = np.max(np.abs(rate(x, current)), axis=0) < 1e-13
    roots: list[np.ndarray] = []
    for root in x[:, good].T:
        if all(np.max(np.abs(root - other)) > 1e-6 for other in roots):
            roots.append(root)
    return roots


def at_rest(diagram, current):
    """Return the distinct states at rest that the branches of a diagram pass at one value of the parameter."""
    states: list[np.ndarray] = []
    for branch in diagram:
        for i in np.flatnonzero(np.diff(np.sign(branch.p - current)) != 0.0):
            u = (current - branch.p[i]) / (branch.p[i + 1] - branch.p[i])
            x = branch.x[i] + u * (branch.x[i + 1] - branch.x[i])
            for _ in range(30):
                a = UNITS.jac(x, {"I": current})
                x = x - np.linalg.solve(a, UNITS.rhs(x, {"I": current}))
            if all(np.max(np.abs(x - other)) > 1e-6 for other in states):
                states.append(x)
    return states


def test_there_are_thirteen_states_at_rest():
    assert len(equilibria(0.0)) == 13
    assert pytest.approx(1.92484730, abs=1e-8) == CURRENT


@functools.cache
def from_one(start):
    x0, current = ([0.002] * 3, -6.0) if start == "below" else (equilibria(0.0)[start], 0.0)
    return nc.diagram(UNITS, [x0], free="I", p_span=(-6.0, 6.0), params={"I": current})


STARTS = ["below", 1, 4, 8, 12]


@pytest.mark.parametrize("start", STARTS)
def test_a_diagram_of_three_units_holds_what_holds_for_all(start):
    check_diagram(from_one(start), UNITS, (-6.0, 6.0))


@pytest.mark.parametrize("start", STARTS)
def test_a_diagram_from_any_one_start_reaches_all_branches(start):
    """The five branches: all equal, two equal (three images), all different (one closed curve)."""
    diagram = from_one(start)
    assert diagram.unfollowed == ()
    found, known = at_rest(diagram, 0.0), equilibria(0.0)
    assert len(found) == 13
    for state in known:
        assert min(np.max(np.abs(state - other)) for other in found) < 1e-9
    # every passage of the multiple point is one, whatever branch it is on
    for branch in diagram:
        assert branch.doubtful == ()
        for point in branch.special_points("BP"):
            if abs(abs(point.p) - CURRENT) < 1e-3:
                assert point.multiplicity == 2
                assert abs(point.p) == pytest.approx(CURRENT, abs=1e-9)
                np.testing.assert_allclose(point.x, CROSSING if point.p > 0 else 1.0 - CROSSING, atol=1e-7)
    passing = [
        branch
        for branch in diagram
        if any(abs(q.p - CURRENT) < 1e-9 and q.multiplicity == 2 for q in branch.special_points("BP"))
    ]
    assert len(passing) == 4


@pytest.mark.parametrize("permutation", list(itertools.permutations(range(3)))[::2])
@pytest.mark.parametrize("ds_max", [0.02, 0.007])
def test_every_image_of_a_branch_passes_the_multiple_point(permutation, ds_max):
    """The branches with two equal units, from their states at I = 0 with the units in another order."""
    pairs = [x for x in equilibria(0.0) if sum(abs(a - b) < 1e-9 for a, b in itertools.combinations(x, 2)) == 1]
    x = max(pairs, key=lambda each: each[0])[list(permutation)]
    settings = nc.ContinuationSettings(ds_max=ds_max)
    branch = nc.continuation(UNITS, x, free="I", p_span=(-6.0, 6.0), params={"I": 0.0}, settings=settings)
    check_branch(branch, UNITS, p_span=(-6.0, 6.0))
    multiple = [q for q in branch.special_points("BP") if abs(abs(q.p) - CURRENT) < 1e-3]
    assert sorted(q.p for q in multiple) == pytest.approx([-CURRENT, CURRENT], abs=1e-9)
    assert [q.multiplicity for q in multiple] == [2, 2]


# ------------------------------------------------------------------------------------------------ the triangle

TRIANGLE = nc.Model.from_equations(
    {"x": "mu*x + x**2 - y**2 - c*x*(x**2 + y**2)", "y": "mu*y - 2*x*y - c*y*(x**2 + y**2)"}, {"mu": -0.1, "c": 1.0}
)
SPAN = (-0.5, 0.5)


def on_side(c, mu, turn, upper=True):
    """Return the state of mu + r - c r^2 = 0 at the angle 2 pi turn/3: the branches beside x = y = 0."""
    r = (1.0 + (1.0 if upper else -1.0) * np.sqrt(1.0 + 4.0 * c * mu)) / (2.0 * c)
    angle = 2.0 * np.pi * turn / 3.0
    return r * np.array([np.cos(angle), np.sin(angle)])


@pytest.mark.parametrize("c", [0.5, 0.7, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("turn", [None, 0, 1, 2])
@pytest.mark.parametrize("ds_max", [0.02, 0.011])
def test_the_transcritical_point_with_the_symmetry_of_a_triangle(c, turn, ds_max):
    """On each of the four branches BP 0 of multiplicity 2, and on the three curved ones the fold at mu = -1/(4 c)."""
    start = np.zeros(2) if turn is None else on_side(c, -0.1, turn)
    settings = nc.ContinuationSettings(ds_max=ds_max)
    branch = nc.continuation(TRIANGLE, start, free="mu", p_span=SPAN, params={"c": c}, settings=settings)
    check_branch(branch, TRIANGLE, p_span=SPAN)
    assert branch.doubtful == ()
    (point,) = branch.special_points("BP")
    assert point.p == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(point.x, 0.0, atol=1e-9)
    assert point.multiplicity == 2
    folds = [] if turn is None or c == 0.5 else [pytest.approx(-1.0 / (4.0 * c), abs=1e-12)]
    assert [q.p for q in branch.special_points("LP") if q.p > SPAN[0] + 1e-9] == folds


HALVES = pytest.mark.xfail(reason="one of the four comes as two halves that end on the point", strict=False)


@pytest.mark.parametrize("seed", [pytest.param(k, marks=HALVES) if k == 1 else k for k in range(4)])
def test_four_branches_meet_there(seed):
    rng = np.random.default_rng(seed)
    c, turn = rng.uniform(0.55, 2.5), seed - 1
    mu = rng.uniform(-0.9, -0.1) / (4.0 * c)
    start = [0.0, 0.0] if turn < 0 else on_side(c, mu, turn, upper=bool(rng.integers(2)))
    diagram = checked(TRIANGLE, [start], free="mu", p_span=SPAN, params={"c": c, "mu": mu})
    assert diagram.unfollowed == ()
    assert len(diagram) == 4
    farthest = [branch.x[np.argmax(np.hypot(*branch.x.T))] for branch in diagram]
    angles = sorted(float(np.degrees(np.arctan2(y, x))) % 360.0 for x, y in farthest if abs(x) > 1e-6)
    np.testing.assert_allclose(np.exp(1j * np.radians(angles)) ** 3, 1.0, atol=1e-7)
    assert np.ptp(np.round(np.diff(angles))) == 0.0
    for branch in diagram:
        assert [q.multiplicity for q in branch.special_points("BP")] == [2]


# ------------------------------------------------------------------------------------------------ starts on pitchforks


@pytest.mark.parametrize("x0", [(0.1, 0.0), (0.0, 0.0), (0.3, -0.2), (1e-12, 1e-12)])
@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_a_start_exactly_on_a_pitchfork_is_short(x0, weight):
    """Two units that excite each other: the eigenvalues at rest are -1 +- gain w, and the start is at gain 1/w."""
    net = nc.RateRNN([[0.0, weight], [weight, 0.0]])
    gain = 1.0 / weight
    span = (0.5 * gain, 1.5 * gain)
    branch = nc.continuation(net, x0, free="gain", p_span=span, params={"gain": gain})
    check_branch(branch, net, p_span=span)
    assert len(branch) < 100
    assert [(q.label, q.p) for q in branch.special_points if q.label != "EP"] == [
        ("BP", pytest.approx(gain, abs=1e-12))
    ]
    assert sorted(branch.p[[0, -1]]) == pytest.approx(span)
    assert branch.doubtful == ()
