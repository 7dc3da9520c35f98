"""Two branches that come close and do not meet, and points that are close beside the span: each is told by itself."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

#: ``(x - c)(p - m x) = h``: on the side x > c the branch turns back where x = c + sqrt(h/m), else at c - sqrt(h/m).
MODEL = nc.Model.from_equations({"x": "(x - c)*(p - m*x) - h"}, params={"p": 0.0, "c": 2.0, "m": 1.0, "h": 1e-12})
#: The same for u in a plane turned by an angle, beside another state v that follows u.
U, V = "(C*x + S*y)", "(C*y - S*x)"
TURNED = nc.Model.from_equations(
    {
        "x": f"C*(({U} - c)*(p - m*{U}) - h) + S*k*({V} - g*{U})",
        "y": f"S*(({U} - c)*(p - m*{U}) - h) - C*k*({V} - g*{U})",
    },
    params={"p": 0.0, "c": 2.0, "m": 1.0, "h": 1e-9, "C": 1.0, "S": 0.0, "k": 1.0, "g": 0.5},
)
#: The checker's own units are magnitudes of the whole branch: what is 1e-6 there is nothing beside 1e12.
CHECKED_UP_TO = 1e9


def _found(branch: nc.Branch) -> list[tuple[str, float]]:
    return [(point.label, float(point.p)) for point in branch.special_points if point.label not in ("EP", "NSad")]


def _one_fold(branch: nc.Branch, p: float, h: float) -> bool:
    found = _found(branch)
    near = len(found) == 1 and abs(found[0][1] - p) < 1e-12 * abs(p) + 1e-6 * np.sqrt(abs(h))
    return near and found[0][0] == "LP" and not branch.doubtful


@pytest.mark.parametrize("span", [1e2, 1e4, 1e6, 1e9, 1e12])
def test_two_branches_that_nearly_meet(span: float) -> None:
    """Random places, gaps and sides; one fold each, and no branch point."""
    rng, wrong = np.random.default_rng(0), []
    for _ in range(8):
        c, m, h = rng.uniform(1.0, 3.0), rng.uniform(0.5, 2.0), 10.0 ** rng.uniform(-12.0, -8.0)
        side = float(rng.choice([-1.0, 1.0]))
        x = c + side * rng.uniform(0.5, 0.9)
        start = {"p": m * x + h / (x - c), "c": c, "m": m, "h": h}
        branch = nc.continuation(MODEL, [x], free="p", p_span=(-span, span), params=start)
        if not _one_fold(branch, m * c + side * 2.0 * np.sqrt(h * m), h):
            wrong.append((start, branch))
        elif span <= CHECKED_UP_TO:
            check_branch(branch, MODEL, p_span=(-span, span))
    assert not wrong


def test_two_branches_that_nearly_meet_in_a_turned_plane() -> None:
    """Random angles, slopes of either sign, and spans over twelve decades."""
    wrong = []
    for seed in range(30):
        rng = np.random.default_rng([seed, 7])
        angle, slope, span = rng.uniform(0.0, 2.0 * np.pi), rng.choice([-1.0, 1.0]), 10.0 ** rng.uniform(1.0, 12.0)
        c, m = rng.uniform(-3.0, 3.0), slope * rng.uniform(0.5, 2.0)
        h, side, g = slope * 10.0 ** rng.uniform(-12.0, -6.0), float(rng.choice([-1.0, 1.0])), rng.normal()
        u = c + side * rng.uniform(0.4, 0.9)
        params = {
            "p": m * u + h / (u - c), "c": c, "m": m, "h": h, "C": np.cos(angle), "S": np.sin(angle),
            "k": 10.0 ** rng.uniform(-1.0, 1.0), "g": g,
        }  # fmt: skip
        x0 = [u * (params["C"] - g * params["S"]), u * (params["S"] + g * params["C"])]
        branch = nc.continuation(TURNED, x0, free="p", p_span=(-span, span), params=params)
        if not _one_fold(branch, m * c + slope * side * 2.0 * np.sqrt(h * m), h):
            wrong.append((seed, span, branch))
    assert not wrong


@pytest.mark.parametrize("high", [1e2, 1e5, 1e8, 1e9])
@pytest.mark.parametrize("w", [[[1.2, 0.0], [0.0, 0.8]], [[1.0, 0.2], [0.2, 1.0]], [[0.0, 1.2], [0.8, 0.0]]])
def test_a_network_at_rest_over_any_span(w: list[list[float]], high: float) -> None:
    """Branch points at one over the positive eigenvalues of W, however near the start they are beside the span."""
    eigenvalues = np.linalg.eigvals(np.array(w))
    model = nc.RateRNN(np.array(w))
    branch = nc.continuation(model, [0.0, 0.0], free="gain", p_span=(0.1, high), params={"gain": 0.5})
    found = _found(branch)
    assert [label for label, _ in found] == ["BP"] * len(found)
    assert [p for _, p in found] == pytest.approx(sorted(1.0 / eigenvalues[eigenvalues > 0.0]), rel=1e-12)
    assert not branch.doubtful


def test_what_lies_behind_a_start_is_not_ahead_of_it() -> None:
    """``(1 - x (p^2 + s))(x - 2)`` along x = 2: branch points at p = +-sqrt(1/2 - s), each once, whatever the span."""
    model = nc.Model.from_equations({"x": "(1 - x*(p^2 + s))*(x - 2)"}, params={"p": -1.0, "s": 0.1})
    rng = np.random.default_rng(0)
    for span in (1e2, 1e4, 1e5, 1e6):
        p, s = rng.uniform(0.8, 2.0) * rng.choice([-1.0, 1.0]), 10.0 ** rng.uniform(-8.0, -1.0)
        branch = nc.continuation(model, [2.0], free="p", p_span=(-span, span), params={"p": p, "s": s})
        found, at = _found(branch), np.sqrt(0.5 - s)
        assert [label for label, _ in found] == ["BP", "BP"], (span, p, s)
        assert [value for _, value in found] == pytest.approx([-at, at], rel=1e-12)
        assert not branch.doubtful


@pytest.mark.filterwarnings("ignore:1 place at p")
def test_a_branch_does_not_pass_one_point_twice_on_the_spot() -> None:
    """Along x = 1/(p^2 + s) a step may end on x = 2 just before the crossing: the branch goes on beyond it."""
    model = nc.Model.from_equations({"x": "(1 - x*(p^2 + s))*(x - 2)"}, params={"p": -1.0, "s": 0.1})
    for seed in (55, 57):
        rng = np.random.default_rng([seed, 3])
        s, span, p = 10.0 ** rng.uniform(-8.0, -0.6), 10.0 ** rng.uniform(0.5, 6.0), rng.uniform(0.5, 2.0)
        p = p * rng.choice([-1.0, 1.0])
        start = {"p": p, "s": s}
        branch = nc.continuation(model, [1.0 / (p * p + s)], free="p", p_span=(-span, span), params=start)
        at = np.sqrt(0.5 - s)
        assert [value for _, value in _found(branch)] == pytest.approx([-at, at], rel=1e-9), (seed, branch)
        assert branch.x[[0, -1], 0] == pytest.approx(1.0 / (span**2 + s), rel=1e-9)
