"""Branch switching: directions and branches at branch points and period doublings, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.switching import ways
from tests.diagram_invariants import checked
from tests.invariants import check_branch

RATES = (1.0, 2.0, 3.5)


def in_other_coordinates(first: str, seed: int, kind: str = "flow") -> tuple[nc.Model, np.ndarray, np.ndarray]:
    """A one-dimensional normal form with slaved states x_i = x0**2, seen in z = Q x + mu b; also Q and b."""
    rng = np.random.default_rng(seed)
    n = 1 + len(RATES)
    q = np.linalg.qr(rng.standard_normal((n, n)))[0] @ np.diag(rng.uniform(0.5, 2.0, n))
    b = rng.standard_normal(n)
    inverse = np.linalg.inv(q)
    aux = {
        f"u{i}": " + ".join(f"({inverse[i, j]!r})*(z{j} - mu*({b[j]!r}))" for j in range(n)).replace("np.float64", "")
        for i in range(n)
    }
    change = [first.replace("x", "u0"), *(f"{rate}*(u0**2 - u{i})" for i, rate in enumerate(RATES, 1))]
    if kind == "map":
        change = [
            first.replace("x", "u0"),
            *(f"0.1*{rate}*u{i} + (1 - 0.1*{rate})*u0**2" for i, rate in enumerate(RATES, 1)),
        ]
    start = " + mu*({0!r})" if kind == "map" else ""
    equations = {
        f"z{i}": (" + ".join(f"({float(q[i, j])!r})*({change[j]})" for j in range(n)) + start.format(float(b[i])))
        for i in range(n)
    }
    return nc.Model.from_equations(equations, {"mu": -0.5}, aux=aux, kind=kind), q, b


def on_the_manifold(x0: np.ndarray, mu: np.ndarray, q: np.ndarray, b: np.ndarray) -> np.ndarray:
    x0, mu = np.broadcast_arrays(np.asarray(x0, dtype=float), np.asarray(mu, dtype=float))
    x = np.stack([x0, *([x0**2] * len(RATES))], axis=-1)
    return x @ q.T + mu[..., None] * b


def coordinate(z: np.ndarray, mu: np.ndarray, q: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x0 of states z, shape (k, n)."""
    return np.linalg.solve(q, (z - mu[:, None] * b).T)[0]


def same_direction(u, v):
    return abs(u @ v) / (np.linalg.norm(u) * np.linalg.norm(v))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("form", "branch_of"),
    [("mu*x - x**2", lambda x: x), ("mu*x - x**3", lambda x: x**2), ("mu*x + x**3", lambda x: -(x**2))],
)
def test_transcritical_and_pitchfork_in_other_coordinates(form, branch_of, seed):
    m, q, b = in_other_coordinates(form, seed)
    diagram = checked(m, -0.5 * b, free="mu", p_span=(-1, 1))
    assert [(o.parent, o.point) for o in diagram.origins] == [(None, None), (0, "BP1")]
    assert diagram.unfollowed == ()
    assert [q.label for q in diagram.special_points if q.label != "NSad"] == ["BP"]
    assert diagram.special_points["BP1"].p == pytest.approx(0.0, abs=1e-10)
    trivial, other = diagram
    np.testing.assert_allclose(trivial.x, trivial.p[:, None] * b, atol=1e-9)
    x0 = coordinate(other.x, other.p, q, b)
    np.testing.assert_allclose(branch_of(x0), other.p, atol=1e-9)
    np.testing.assert_allclose(other.x, on_the_manifold(x0, other.p, q, b), atol=1e-9)
    end = 1.0 if "x**2" not in form else None
    if end:  # both halves, to the ends of the span
        assert sorted(x0[[0, -1]]) == pytest.approx([-1.0, 1.0], abs=1e-9)
    else:
        assert sorted(other.p[[0, -1]]) == [-1.0, 1.0]


@pytest.mark.parametrize("form", ["mu*x - x**2", "mu*x - x**3", "2*mu*x - 3*x**2 + mu**2"])
def test_directions_from_the_algebraic_branching_equation(form):
    """Slopes dx0/dmu of the branches: roots of the quadratic form, and infinite for the pitchfork."""
    slopes = {"mu*x - x**2": (0.0, 1.0), "mu*x - x**3": (0.0, None), "2*mu*x - 3*x**2 + mu**2": (1.0, -1 / 3)}[form]
    m, q, b = in_other_coordinates(form, 5)
    branch = nc.continuation(m, on_the_manifold(-0.5 * slopes[0], -0.5, q, b), free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    point = branch.special_points["BP1"]
    curve = Curve(m, "mu", branch.params)
    d = np.append(np.full(4, 2.0), 2.0)
    found = [way.tangent for way in ways(curve, point, np.append(point.x, point.p), d)]
    first = np.append(slopes[0] * q[:, 0] + b, 1.0)
    second = np.append(q[:, 0], 0.0) if slopes[1] is None else np.append(slopes[1] * q[:, 0] + b, 1.0)
    for expected in (first, second):
        assert max(same_direction(expected, u) for u in found) == pytest.approx(1.0, abs=1e-12)
    assert len(found) == 2


@pytest.mark.parametrize("start", [0.7, -0.7])
def test_pitchfork_seen_from_the_side_branch_is_a_branch_point(start):
    m = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": 0.49})
    diagram = checked(m, [start], free="mu", p_span=(-1, 1))
    assert [q.label for q in diagram.special_points] == ["BP"]
    assert diagram.branches_at("BP1") == (0, 1)
    assert np.all(diagram[1].x == 0.0)
    assert diagram[1].p[[0, -1]].tolist() == [-1.0, 1.0]


def test_scales_of_a_branch_that_leaves_a_branch_of_zeros():
    """x = sqrt(mu)/1000: the parabola is resolved, not passed in a few steps."""
    m = nc.Model.from_equations({"x": "mu*x - 1e6*x**3"}, {"mu": -0.5})
    diagram = checked(m, [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    np.testing.assert_allclose(1e6 * diagram[1].x[:, 0] ** 2, diagram[1].p, atol=1e-9)
    assert len(diagram[1]) > 50


def test_quintic_pitchfork():
    m = nc.Model.from_equations({"x": "mu*x - x**5"}, {"mu": -0.5})
    diagram = checked(m, [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    np.testing.assert_allclose(diagram[1].x[:, 0] ** 4, diagram[1].p, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_period_two_branch_of_a_flip_in_other_coordinates(seed):
    """x <- -(1 + mu) x + x**3: period 2 at x**2 = mu."""
    m, q, b = in_other_coordinates("-(1 + mu)*x + x**3", seed, kind="map")
    diagram = checked(m, -0.5 * b, free="mu", p_span=(-0.5, 0.5), depth=1)
    assert [o.period for o in diagram.origins] == [1, 2]
    assert diagram.origins[1].point == "PD1"
    assert diagram.special_points["PD1"].p == pytest.approx(0.0, abs=1e-10)
    x0 = coordinate(diagram[1].x, diagram[1].p, q, b)
    np.testing.assert_allclose(x0**2, diagram[1].p, atol=1e-9)
    assert sorted(x0[[0, -1]]) == pytest.approx([-np.sqrt(0.5), np.sqrt(0.5)], abs=1e-9)


def test_branch_point_of_a_map():
    m = nc.Model.from_equations({"x": "(1 + mu)*x - x**2"}, {"mu": -0.5}, kind="map")
    diagram = checked(m, [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    np.testing.assert_allclose(diagram[1].x[:, 0], diagram[1].p, atol=1e-10)


# ------------------------------------------------------------------------------------------- kernels of two dimensions


def end_states(diagram: nc.Diagram, p: float) -> np.ndarray:
    return np.array([branch.x[i] for branch in diagram for i in (0, -1) if branch.p[i] == p])


def assert_same_points(found: np.ndarray, expected: np.ndarray) -> None:
    assert len(found) == len(expected)
    distance = np.linalg.norm(found[:, None] - expected[None], axis=2)
    assert np.max(np.min(distance, axis=0)) < 1e-7
    assert np.max(np.min(distance, axis=1)) < 1e-7


def plane(first: str, second: str) -> nc.Model:
    return nc.Model.from_equations({"x": first, "y": second}, {"mu": -0.5})


def test_two_pitchforks_at_one_point_have_five_branches():
    m = plane("mu*x - x**3", "mu*y - y**3")
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 5
    assert diagram.special_points["BP1"].multiplicity == 2
    expected = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], dtype=float)
    assert_same_points(end_states(diagram, 1.0), expected)


def test_square_symmetry():
    """z = x + iy, z' = mu z - |z|^2 z + conj(z)^3/2: branches along and between the axes, r^2 = 2 mu and 2 mu/3."""
    m = plane("mu*x - x*(x**2 + y**2) + (x**3 - 3*x*y**2)/2", "mu*y - y*(x**2 + y**2) + (y**3 - 3*y*x**2)/2")
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 0.5))
    assert len(diagram) == 5
    axes = [(1.0, 0), (-1.0, 0), (0, 1.0), (0, -1.0)]
    between = [(a * np.sqrt(1 / 6), b * np.sqrt(1 / 6)) for a in (-1, 1) for b in (-1, 1)]
    assert_same_points(end_states(diagram, 0.5), np.array([(0, 0), *axes, *between], dtype=float))


def test_triangle_symmetry():
    """z' = mu z - conj(z)^2: three straight branches through the point."""
    m = plane("mu*x - (x**2 - y**2)", "mu*y + 2*x*y")
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 4
    turns = 2 * np.pi * np.arange(3) / 3
    expected = np.array([(0.0, 0.0), *zip(np.cos(turns), np.sin(turns), strict=True)])
    assert_same_points(end_states(diagram, 1.0), expected)
    assert_same_points(end_states(diagram, -1.0), -expected)


def test_double_branch_point_seen_from_a_side_branch():
    m = nc.Model.from_equations({"x": "mu*x - x**3", "y": "mu*y - y**3"}, {"mu": 0.49})
    branch = nc.continuation(m, [0.7, 0.7], free="mu", p_span=(-1, 1))
    check_branch(branch, m)
    assert branch.special_points.labels == ("EP", "BP", "EP")
    point = branch.special_points["BP1"]
    assert (point.multiplicity, point.converged) == (2, True)
    assert np.abs([point.p, *point.x]).max() < 1e-8
    assert branch.x.min() < -0.9


def test_continuous_symmetry_is_said():
    m = plane("mu*x - x*(x**2 + y**2)", "mu*y - y*(x**2 + y**2)")
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 1
    (left,) = diagram.unfollowed
    assert (left.branch, left.point) == (0, "BP1")
    assert "dimension 2" in left.reason
    assert "continuous symmetry" in left.reason


@pytest.mark.parametrize("n", [3, 4])
def test_larger_kernels_are_said_with_their_dimension(n):
    m = nc.Model.from_equations({f"x{i}": f"mu*x{i} - x{i}**3" for i in range(n)}, {"mu": -0.5})
    diagram = checked(m, np.zeros(n), free="mu", p_span=(-1, 1))
    assert len(diagram) == 1
    assert diagram.special_points.labels == ("BP",)
    assert diagram.special_points["BP1"].multiplicity == n
    (left,) = diagram.unfollowed
    assert f"dimension {n}" in left.reason
