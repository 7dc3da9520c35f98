"""Special points in places narrower than a step: both ends of it look as if nothing were between."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

#: Width of the place as a part of a step (0.02 of x or of the span).
WIDTHS = (0.5, 0.1, 0.03)


def _spike(variable: str) -> str:
    return f"e^2/(({variable} - c)^2 + e^2)"


@pytest.mark.parametrize("width", [*WIDTHS, 0.01])
def test_two_folds_within_a_step(width: float) -> None:
    """p = x + a e^2/((x - c)^2 + e^2), as many places as there are numbers; folds are roots of a quartic."""
    model = nc.Model.from_equations({"x": f"p - x - a*{_spike('x')}"}, params={"p": 1.0, "a": 0.0, "c": 0.0, "e": 1.0})
    rng, missed = np.random.default_rng(3), []
    for c in rng.uniform(1.5, 3.0, 25):
        e, a = 0.02 * c * width, 0.1 * c
        params = {"p": 1.0, "a": a, "c": float(c), "e": e}
        start = float(np.min(np.roots([1.0, -1.0 - 2 * c, c * c + e * e + 2 * c, a * e * e - c * c - e * e]).real))
        branch = nc.continuation(model, [start], free="p", p_span=(0.5, 5.0), params=params, direction="+")
        # (u^2 + e^2)^2 = 2 a e^2 u, u = x - c
        u = np.roots([1.0, 0.0, 2 * e**2, -2 * a * e**2, e**4])
        u = np.sort(u.real[np.abs(u.imag) < 1e-12 * np.abs(u)])
        p = c + u + a * e**2 / (u**2 + e**2)
        found = sorted((float(q.x[0]) - c, float(q.p)) for q in branch.special_points("LP"))
        if len(found) != 2 or not np.allclose(found, np.column_stack([u, p]), rtol=1e-6, atol=1e-9):
            missed.append((float(c), found))
        else:
            check_branch(branch, model, p_span=(0.5, 5.0))
    assert not missed


@pytest.mark.parametrize("end", ["start", "end"])
def test_two_hopf_points_within_the_first_and_the_last_steps(end: str) -> None:
    """Real part 0.3 (u^2 - e^2)/(u^2 + e^2), u = p - c: a pair at c - e and c + e, steps of 0.1, 1 in 20 may be missed.

    At the ends of a branch there are points on one side alone that tell what is usual.
    """
    rate = "0.3*((p - c)^2 - e^2)/(e^2 + (p - c)^2)"
    model = nc.Model.from_equations(
        {"x": f"{rate}*x - y", "y": f"x + {rate}*y"}, params={"p": 0.0, "c": 0.0, "e": 1.0}
    )  # fmt: skip
    rng, missed, e = np.random.default_rng(3), [], 0.005
    settings = nc.ContinuationSettings(ds=0.05, ds_max=0.05)
    for distance in rng.uniform(0.01, 0.19, 40):
        c = float(distance if end == "start" else 1.0 - distance)
        params = {"p": 0.0, "c": c, "e": e}
        branch = nc.continuation(model, [0.0, 0.0], free="p", p_span=(-1.0, 1.0), params=params, settings=settings)
        found = [point.p for point in branch.special_points("H")]
        if len(found) != 2 or not np.allclose(found, [c - e, c + e], rtol=0, atol=1e-9):
            missed.append((c, found))
        else:
            check_branch(branch, model, p_span=(-1.0, 1.0))
    assert len(missed) <= 2, missed


@pytest.mark.parametrize("width", WIDTHS)
def test_two_hopf_points_within_a_step(width: float) -> None:
    """Real part 0.3 e^2/((p - c)^2 + e^2) - 0.1 of a pair at rest, whose branch is as straight as any."""
    rate = f"(0.3*{_spike('p')} - 0.1)"
    model = nc.Model.from_equations(
        {"x": f"{rate}*x - y", "y": f"x + {rate}*y"}, params={"p": 0.0, "c": 0.0, "e": 1.0}
    )  # fmt: skip
    rng, missed = np.random.default_rng(4), []
    for c in rng.uniform(0.2, 0.8, 25):
        e = 0.02 * width
        params = {"p": 0.0, "c": float(c), "e": e}
        branch = nc.continuation(model, [0.0, 0.0], free="p", p_span=(0.0, 1.0), params=params, direction="+")
        found = [float(q.p) for q in branch.special_points("H")]
        if len(found) != 2 or not np.allclose(found, [c - e * np.sqrt(2.0), c + e * np.sqrt(2.0)], rtol=0, atol=1e-9):
            missed.append((float(c), found))
        else:
            check_branch(branch, model, p_span=(0.0, 1.0))
    assert not missed


@pytest.mark.parametrize(("offset", "thin"), [(1e-1, 1e-4), (1e-2, 1e-4), (1e-3, 1e-2), (1e-4, 1e-2), (1e-4, 1e-6)])
@pytest.mark.parametrize("states", [1, 2])
def test_a_layer_that_shifts_the_branch_and_turns_no_tangent(offset, thin, states):
    """p = x - a tanh((x - c)/w), w << a: both ends of a step over c have the tangent of p = x; folds: cosh^2 u = a/w.

    What is too thin to be resolved is said to be there.
    """
    right = {"x": "p - x + a*tanh((x - c)/w)"} | ({"y": "x - y"} if states == 2 else {})
    model, rng = (
        nc.Model.from_equations(right, params={"p": 1.0, "a": 0.0, "c": 0.0, "w": 1.0}),
        np.random.default_rng(5),
    )
    for c in rng.uniform(1.5, 3.0, 8):
        w = offset * thin * 10 ** rng.uniform(0, 1.9)
        params = {"p": 1.0, "a": offset, "c": float(c), "w": w}
        branch = found(model, [1.0 - offset] * states, params)
        beside = np.arccosh(np.sqrt(offset / w))
        fold = w * beside - offset * np.tanh(beside)
        at = sorted(q.p for q in branch.special_points("LP"))
        if len(at) != 2:
            assert thin < 1e-4, (c, w)
            assert branch.doubtful or branch.status is not nc.Status.BOUND
        else:
            np.testing.assert_allclose(at, [c - abs(fold), c + abs(fold)], rtol=0, atol=1e-9)
            if offset > 1e-4:  # what is smaller than a step may stay off the chord between two points of the branch
                check_branch(branch, model, p_span=(0.5, 5.0))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("states", [1, 2])
def test_a_pole_narrower_than_a_step_is_not_jumped_over(sign, states):
    """p = x + h/(x - c) never gets past c: it turns back at p = c - 2 sqrt(h), or goes to infinity, h < 0."""
    right = {"x": "p - x - h/(x - c)"} | ({"y": "x - y"} if states == 2 else {})
    model, rng = nc.Model.from_equations(right, params={"p": 1.0, "h": 0.0, "c": 0.0}), np.random.default_rng(6)
    for c in rng.uniform(1.5, 3.0, 12):
        h = sign * 10 ** rng.uniform(-9, -3)
        start = 1.0 - h / (1.0 - c)
        branch = found(model, [start] * states, {"p": 1.0, "h": h, "c": float(c)})
        at = [q.p for q in branch.special_points if q.label in ("LP", "BP", "H")]
        assert at == ([pytest.approx(c - 2.0 * np.sqrt(h), abs=1e-9)] if h > 0.0 else [])
        assert branch.x[-1, 0] < c
        assert branch.p[-1] == (0.5 if h > 0.0 else 5.0)
        check_branch(branch, model, p_span=(0.5, 5.0))


def found(model, start, params):
    return nc.continuation(model, start, free="p", p_span=(0.5, 5.0), params=params, direction="+")


def test_what_short_steps_show_and_do_not_establish_is_stepped_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what they find is not taken the run goes back, and finds two Hopf points in shorter steps of its own."""
    from ntkcont.pathfollowing import detector

    said = []
    real = detector.narrower
    monkeypatch.setattr(detector, "undone", lambda *_: False)
    monkeypatch.setattr(detector, "narrower", lambda *a: said.append(real(*a)) or said[-1])
    rate, e = f"(0.3*{_spike('p')} - 0.1)", 1e-3
    model = nc.Model.from_equations(
        {"x": f"{rate}*x - y", "y": f"x + {rate}*y"}, params={"p": 0.0, "c": 0.0, "e": 1.0}
    )  # fmt: skip
    for c in np.random.default_rng(3).uniform(0.2, 0.8, 6):
        params = {"p": 0.0, "c": float(c), "e": e}
        branch = nc.continuation(model, [0.0, 0.0], free="p", p_span=(0.0, 1.0), params=params, direction="+")
        at = [q.p for q in branch.special_points("H")]
        np.testing.assert_allclose(at, [c - e * np.sqrt(2.0), c + e * np.sqrt(2.0)], rtol=0, atol=1e-9)
        assert branch.doubtful == ()
    assert said
    assert all(q.bracket[0] < q.bracket[1] and "short steps" in q.tried for q in said)


def test_the_way_in_short_steps_is_not_taken_where_all_is_smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neurons, folds and networks cost nothing more: a tangent that turns is smooth in the scales of the steps."""
    from ntkcont.pathfollowing import detector

    ways = []
    real = detector.followed_again
    monkeypatch.setattr(detector, "followed_again", lambda *a, **k: ways.append(a) or real(*a, **k))
    nc.continuation(nc.classics.morris_lecar(), [-60.0, 0.01], free="I", p_span=(-5, 300))
    nc.continuation(nc.classics.lorenz(), [0.0, 0.0, 0.0], free="rho", p_span=(0, 30))
    cubic = nc.Model.from_equations({"x": "p + x - x^3"}, params={"p": -1.0})
    assert len(nc.continuation(cubic, [-1.3], free="p", p_span=(-2, 2)).special_points("LP")) == 2
    neuron = nc.Model.from_equations({"v": "I + v - v^3/3 - w", "w": "0.08*(v + 0.7 - 2.5*w)"}, params={"I": 0.0})
    assert len(nc.continuation(neuron, [-1.2, -0.6], free="I", p_span=(-3, 3)).special_points("H")) == 2
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((50, 50)) / np.sqrt(50), b=0.3 * rng.standard_normal(50))
    settings = nc.ContinuationSettings(ds=1 / 600, ds_max=1 / 600)
    nc.continuation(net, np.zeros(50), free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, settings=settings)
    assert not ways
