"""What is hidden behind a point that was found: others in its interval that the counts at both ends do not show."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.defining import solve_spectral
from ntkcont.pathfollowing.detect import classify
from ntkcont.pathfollowing.detector import Detector
from ntkcont.pathfollowing.events import resolve_events
from ntkcont.pathfollowing.gaps import restless
from ntkcont.pathfollowing.locate import Bracket, touching_folds
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.task import Task
from tests.branch_faults import places
from tests.metamorphic import _faults_within, drawn
from tests.transformations import TRANSFORMATIONS, plain

#: Eigenvalues m +- sqrt(k) of (u, v), with m and k functions of x.
PAIR = {"u": "({m})*u + ({k})*v", "v": "u + ({m})*v"}


def model(own, m, k, rates):
    equations = {"x": own, **{name: text.format(m=m, k=k) for name, text in PAIR.items()}}
    equations |= {f"w{i}": f"-{rate}*w{i}" for i, rate in enumerate(rates)}
    return nc.Model.from_equations(equations, {"p": 0.0})


def between(flow, x, p, speed):
    """The ends of one step from x[0] to x[1] along (dx, dp) = `speed`, and the points found between them."""
    curve = Curve(flow, "p", {})
    d = np.ones(flow.n + 1)
    nodes = []
    for s, here in enumerate(x):
        z = np.zeros(flow.n + 1)
        z[0], z[-1] = here, p(here)
        tau = np.zeros(flow.n + 1)
        tau[0], tau[-1] = 1.0, speed(here)
        nodes.append(curve.node(z, d, tau / np.linalg.norm(tau), float(s) * (x[1] - x[0]))[0])
    events, users = resolve_events(None, "flow")
    task = Task(curve, {"p": 0.0}, (-1.0, 1.0), ContinuationSettings(), events, users)
    left, right = nodes
    points = Detector(task, left, d)._between(left, right, d, None, (None, None))
    return nodes, sorted(points, key=lambda point: point.x[0])


def test_a_hopf_point_and_a_neutral_saddle_beside_a_fold():
    """One unstable eigenvalue before and two after, as at a fold alone: 1 -> 3 at H, then a neutral saddle, 3 -> 2."""
    flow = model("p - x**2", "200*(x + 0.012)", "500*(x + 0.008)", [3.0])
    ends, points = between(flow, (-0.02, 0.02), lambda x: x**2, lambda x: 2.0 * x)
    assert classify(*ends, is_map=False) == "LP"
    root = (np.sqrt(500.0 + 4 * 200 * 2.2) - np.sqrt(500.0)) / 400  # 200 r^2 + sqrt(500) r = 2.2 where m + sqrt(k) = 3
    assert [point.label for point in points] == ["H", "NSad", "LP"]
    assert all(point.converged for point in points)
    np.testing.assert_allclose([point.x[0] for point in points], [-0.012, root**2 - 0.008, 0.0], atol=1e-10)
    assert points[0].omega == pytest.approx(np.sqrt(2.0), rel=1e-9)


def test_two_neutral_saddles_where_a_pair_meets():
    """1 +- sqrt(k): real beyond x = 0, neutral with -1/2 at k = 1/4 and with -7/4 at k = 9/16; no count changes."""
    flow = model("10*(p - x)", "1", "40*x", [0.5, 1.75])
    ends, points = between(flow, (-0.02, 0.02), lambda x: x, lambda x: 1.0)
    assert classify(*ends, is_map=False) is None
    assert restless(np.array([node.eigenvalues for node in ends]), is_map=False).tolist() == [1]
    assert [point.label for point in points] == ["NSad", "NSad"]
    np.testing.assert_allclose([point.x[0] for point in points], [0.25 / 40, 0.5625 / 40], atol=1e-10)


def test_nothing_is_invented_beside_a_fold_alone():
    flow = model("p - x**2", "-1", "-1 + x", [3.0])
    ends, points = between(flow, (-0.02, 0.02), lambda x: x**2, lambda x: 2.0 * x)
    assert classify(*ends, is_map=False) == "LP"
    assert [point.label for point in points] == ["LP"]
    assert restless(np.array([node.eigenvalues for node in ends]), is_map=False).tolist() == []


def test_restless_is_what_counts_do_not_show():
    """A pair that meets, two sums that change their signs; of maps and of two states there is nothing to be hidden."""
    lam = np.array(
        [
            [1.0 + 1.0j, 1.0 - 1.0j, -3.0],
            [1.5, 2.0, -3.0],  # met
            [1.5, 2.5, -3.0],
            [3.5, 4.0, -3.0],  # both sums
            [3.5, 2.9, -3.0],  # one sum: that is a neutral saddle, which the parity shows
        ]
    )
    assert restless(lam, is_map=False).tolist() == [1, 3]
    assert restless(lam, is_map=True).tolist() == []
    assert restless(lam[:, :2], is_map=False).tolist() == []


def test_in_the_scales_of_a_far_start_a_fold_is_no_branch_point():
    """In units of 1e20 all equations say only what y is: their rank seems to drop by one, anywhere at all."""
    equations = {"x": "p - x**2 + 0.001*(y - 2)", "y": "y - 2 + 0.3*x", "z": "z + y - 2 + x"}
    curve, d = Curve(nc.Model.from_equations(equations, {"p": 0.0}), "p", {}), np.array([1.0, 1e20, 1.0, 1.0])
    nodes = []
    for x in (-0.02, 0.02):
        z = np.array([x, 2.0 - 0.3 * x, -0.7 * x, x**2 + 0.0003 * x])
        tau = np.array([1.0, -0.3, -0.7, 2.0 * x + 0.0003]) / d
        nodes.append(curve.node(z, d, tau / np.linalg.norm(tau), x)[0])
    fold = solve_spectral(curve, "LP", np.array([0.01, 2.0, 0.0, 0.0]), None, np.ones(4))
    assert fold is not None
    assert fold.z[0] == pytest.approx(-0.00015, abs=1e-12)
    assert touching_folds(curve, Bracket(*nodes), d, fold) is None


# Places by Newton on the equations and the (bialternate) determinant in 40 digits, apart from the package.
HIDDEN = [
    (3339, "decoupled", [("NSad", -0.115894013239617, -2.49543062294)]),
    (1594, "halved_steps", [("H", 7.81444730321722, 0.0643059311471), ("NSad", 7.81444730321747, 0.0643059311476)]),
    (1576, "decoupled", [("NSad", -3.75519548924127, 0.2812508362), ("NSad", -3.74930388723465, -0.117335329724)]),
    (1846, "halved_steps", [("NSad", 0.153148554645773, 0.020037254865), ("NSad", 0.153151703769655, 0.0200660434834)]),
    (2376, "plain", [("H", -0.0479302725230464, -0.533126075671), ("NSad", -0.0479302218868805, -0.533126001096)]),
    (1789, "plain", [("H", 0.0167296227511819, 0.477017930289), ("NSad", 0.0167296227494201, 0.477017930335)]),
    (1129, "starts_elsewhere", [("LP", 0.0416306888130614, -5.64482477495)]),
]


@pytest.mark.parametrize(("seed", "name", "expected"), HIDDEN)
def test_points_that_were_hidden(seed, name, expected):
    problem = drawn(seed)
    run = plain(problem)
    branch, said = run.branch()
    if name != "plain":
        rng = np.random.default_rng([seed, list(TRANSFORMATIONS).index(name)])
        run = TRANSFORMATIONS[name](problem, branch, rng)
        branch, said = run.branch()
    with np.errstate(all="ignore"):
        assert _faults_within(problem, run, branch, said) == []
    found = places(branch, run.back)
    for label, p, x in expected:
        near = [
            q for q in found if q.label == label and abs(q.p - p) < 1e-9 * abs(p) and abs(q.x[0] - x) < 1e-7 * abs(x)
        ]
        assert len(near) == 1, (label, p, found)
    assert not [q for q in found if q.label == "BP"]
