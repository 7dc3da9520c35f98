"""Border collisions in special cases: several units at once, starts on a kink, continua, jumps of the eigenvalues."""

from __future__ import annotations

import itertools
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from diagram_invariants import checked
from invariants import check_branch
from test_border_collisions import Truth, arguments, compare, network

import ntkcont as nc
from ntkcont.status import Status

FORMS: list[Any] = ["synaptic", "rate"]


def net(W, b=None, c=None, **options):
    W = np.array(W, float)
    c = np.ones(len(W)) if c is None else np.array(c, float)
    return nc.RateRNN(W, b=b, W_in=c[:, None], inputs={"h": [1.0]}, phi="relu", **options)


def follow(model, x0, h, span=(-1.0, 1.0), **more):
    branch = nc.continuation(model, x0, free="h", p_span=span, params={"h": h}, **more)
    check_branch(branch, model, p_span=span)
    return branch


# ---------------------------------------------------------------- several units at once


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 5, 12])
def test_symmetric_network_switches_at_once(form, n):
    """All units of ``z' = -z - w sum_{j != i} relu(z_j) + h`` pass 0 together, and go on to h/(1 + (n - 1) w)."""
    w = 0.5 / (n - 1)
    branch = follow(net(-w * (np.ones((n, n)) - np.eye(n)), form=form), np.zeros(n), -0.5)
    (point,) = branch.special_points("BC")
    assert abs(point.p) < 1e-14
    assert point.multiplicity == n
    form = point.normal_form
    assert list(form["unit"]) == list(range(n))
    assert (form["type"], form["branches"]) == ("persistence", 2)
    assert ("not all" in form.get("note", "")) == (n == 12)
    assert branch.x[-1] == pytest.approx(1.0 / 1.5)


def test_more_branches_than_two_leave():
    """With ``z' = -z - 2 relu(other) + h`` either unit alone may become active at h = 0, or both."""
    branch = follow(net([[0, -2], [-2, 0]]), [0, 0], -0.5)
    (point,) = branch.special_points("BC")
    form = point.normal_form
    assert (form["type"], form["branches"]) == ("several units", 4)
    expected = {(-1, -1, -1), (1, 1, 3), (1, -1, 1), (-1, 1, 1)}  # (z0, z1, h) along each
    given = {tuple(np.round(row / np.min(np.abs(row))).astype(int)) for row in form["directions"]}
    assert given == expected
    assert branch.x[-1] == pytest.approx([1 / 3, 1 / 3])
    assert branch.n_unstable[-1] == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 3])
def test_diagram_follows_all_half_branches(form, n):
    """With ``z' = -z - 2 sum_{j != i} relu(z_j) + h`` any set of m units may be active: z_i = h/(2 m - 1) in it.

    The others have h - 2 m h/(2 m - 1) = -h/(2 m - 1), of which the rate form keeps 0.
    """
    model = net(-2 * (np.ones((n, n)) - np.eye(n)), form=form)
    start = np.full(n, -0.5 if form == "synaptic" else 0.0)
    diagram = checked(model, [start], free="h", p_span=(-1.0, 1.0), params={"h": -0.5})
    expected = set()
    for active in itertools.product((False, True), repeat=n):
        if any(active):
            m = 2 * sum(active) - 1
            expected.add(tuple(6 / m if on else (-6 / m if form == "synaptic" else 0.0) for on in active))
    assert {tuple(np.round(6 * branch.x[-1], 9) + 0.0) for branch in diagram} == expected
    assert len(diagram) == len(expected) == 2**n - 1
    assert not diagram.unfollowed
    for branch, origin in zip(diagram.branches[1:], diagram.origins[1:], strict=True):
        assert (origin.parent, origin.point) == (0, "BC1")
        assert branch.ends == (Status.START, Status.BOUND)
        np.testing.assert_allclose(branch.x, branch.p[:, None] * branch.x[-1], atol=1e-9)


@pytest.mark.parametrize(("coupling", "left"), [(-2.0, ["BC1"]), (-0.5, [])])
def test_half_branches_that_are_not_followed_are_said(coupling, left):
    model = net([[0, coupling], [coupling, 0]])
    diagram = checked(model, [[-0.5, -0.5]], free="h", p_span=(-1.0, 1.0), params={"h": -0.5}, depth=0)
    assert [each.point for each in diagram.unfollowed] == left


def test_more_units_than_are_looked_at():
    n = 12
    model = net(-0.5 / (n - 1) * (np.ones((n, n)) - np.eye(n)))
    diagram = checked(model, [np.full(n, -0.5)], free="h", p_span=(-1.0, 1.0), params={"h": -0.5})
    assert ["12 units switch at once" in each.reason for each in diagram.unfollowed] == [True]


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("direction", ["both", "+", "-"])
def test_start_on_a_fold(form, direction):
    """``z' = -z + 2 relu(z) + h``: z = h and z = -h at h < 0."""
    branch = follow(net([[2.0]], form=form), [0.0], 0.0, direction=direction)
    (point,) = branch.special_points("BC")
    assert (point.p, point.s) == (0.0, 0.0)
    assert point.normal_form["type"] == "non-smooth fold"
    assert point.normal_form["opens"] == "left"
    assert set(branch.n_unstable) == {"both": {0, 1}, "+": {1}, "-": {0}}[direction]
    assert branch.p.max() == 0.0
    if direction == "both":
        assert branch.stability_change(point) == (0, 1)
        assert branch.p[[0, -1]] == pytest.approx([-1.0, -1.0])


@pytest.mark.parametrize("form", FORMS)
def test_start_where_two_units_switch(form):
    branch = follow(net([[0, -0.5], [-0.5, 0]], form=form), [0, 0], 0.0)
    (point,) = branch.special_points("BC")
    assert (point.p, point.multiplicity, point.normal_form["type"]) == (0.0, 2, "persistence")
    assert branch.p[[0, -1]] == pytest.approx([-1.0, 1.0])


def test_stop_at_a_border_collision_and_go_on():
    model = net([[2.0]])
    branch = follow(model, [-0.5], -0.5, direction="+", stop=("BC", 1))
    assert branch.status is Status.EVENT
    assert (branch.p[-1], branch.x[-1, 0]) == (0.0, 0.0)
    longer = nc.extend(branch)
    check_branch(longer, model)
    assert longer.special_points.labels == ("EP", "BC", "EP")
    assert longer.x[-1] == pytest.approx([1.0])
    points = list(nc.iterate(model, [-0.5], free="h", p_span=(-1, 1), params={"h": -0.5}))
    assert (points[-1].p, points[-1]["z0"], points[-1].n_unstable) == (-1.0, 1.0, 1)
    with pytest.raises(nc.InputError, match="stop"):
        nc.continuation(nc.RateRNN([[2.0]]), [0.0], free="gain", p_span=(0, 1), stop=("BC", 1))


# ---------------------------------------------------------------- on a kink


@pytest.mark.parametrize("form", FORMS)
def test_branch_on_a_kink(form):
    """Without bias and input z = 0 lies on the kinks of all units."""
    model = net([[0.5, 1.0], [0.3, 0.2]], form=form)
    with pytest.warns(RuntimeWarning, match="kink of z0, z1"):
        branch = nc.continuation(model, [0, 0], free="gain", p_span=(0, 2))
    check_branch(branch, model, p_span=(0, 2))
    assert branch.special_points.labels == ("EP", "EP")
    assert not branch.x.any()


def test_collision_of_another_unit_on_a_kink():
    """z0 rests at 0 until z1 = 0.4 + h, its only input, falls below 0; it stays there too."""
    model = net([[0.5, 0.0], [0.3, -0.2]], b=[0, 0.4], c=[0, 1])
    with pytest.warns(RuntimeWarning, match="kink of z0"):
        branch = nc.continuation(model, [0, 0.3], free="h", p_span=(-1, 1), params={"h": 0.5})
    check_branch(branch, model)
    (point,) = branch.special_points("BC")
    assert point.p == pytest.approx(-0.4, abs=1e-14)
    assert (point.normal_form["name"], point.multiplicity) == ("z1", 1)


def test_surface_beyond_a_kink():
    """``z0' = -z0 + relu(z0) - relu(z1), z1' = -z1 + h``: at h < 0 every z0 > 0 is a fixed point."""
    model = net([[1.0, -1.0], [0.0, 0.0]], c=[0, 1])
    with pytest.warns(RuntimeWarning, match="kink of z0"):
        branch = nc.continuation(model, [-0.5, 0.5], free="h", p_span=(-1, 1), params={"h": 0.5})
    check_branch(branch, model, p_span=(-1, 1))
    assert branch.special_points.labels == ("EP", "BC", "EP")
    assert np.all(branch["z0"] == np.minimum(0.0, -branch["h"]))


# ---------------------------------------------------------------- continua


def named(text):
    """Return the value of h that a sentence gives."""
    return float(re.search(r"at h = (\S+)", text)[1])


@pytest.mark.parametrize("form", FORMS)
def test_continuum_between_two_collisions(form):
    """With z0 > 0 > z1 the first equation is ``0 = h``: there z1 = z0 - 0.5 for 0 < z0 < 0.5, all at h = 0."""
    model = net([[1, -1], [1, -1]], b=[0, -0.5], c=[1, 1], form=form)
    start = [-0.5, -1.0] if form == "synaptic" else [0, 0]
    with pytest.warns(RuntimeWarning, match=r"at h = \S+ the fixed points form a continuum") as said:
        branch = nc.continuation(model, start, free="h", p_span=(-1, 2), params={"h": -0.5})
    assert named(str(said[0].message)) == pytest.approx(0.0, abs=1e-14)
    check_branch(branch, model, p_span=(-1, 2))
    first, second = branch.special_points("BC")
    assert branch.special_points.labels == ("EP", "BC", "BC", "EP")
    assert (first.p, second.p) == pytest.approx((0.0, 0.0), abs=1e-14)
    assert (first["z0"], second["z0"]) == pytest.approx((0.0, 0.5), abs=1e-14)
    for point, singular in ((first, "plus"), (second, "minus")):
        assert point.normal_form["type"] == "degenerate"
        assert point.normal_form[f"det_{singular}"] == 0
        assert "continuum at h = " in point.normal_form["note"]
        assert named(point.normal_form["note"]) == pytest.approx(0.0, abs=1e-14)


def test_continuum_without_end():
    model = net([[1.0]])
    with pytest.warns(RuntimeWarning, match="continuum"):
        branch = nc.continuation(model, [-0.5], free="h", p_span=(-1, 1), params={"h": -0.5})
    assert branch.status is Status.UNBOUNDED
    assert branch.special_points.labels == ("EP", "BC", "EP")


# ---------------------------------------------------------------- eigenvalues


def test_pair_crosses_without_a_hopf_point():
    """At a kink the eigenvalues jump: a pair may cross, one may cross where the branch does not turn."""
    model = net([[0, -4], [4, 2.5]], b=[0.3, -0.2], c=[1, 0.5])
    branch = follow(model, [-0.7, -0.7], -1.0, (-2, 2))
    assert branch.special_points.labels == ("EP", "BC", "BC", "BC", "EP")
    second, third = branch.special_points[2:4]
    assert second.normal_form["type"] == "persistence"
    assert branch.stability_change(second) == (0, 2)
    assert second.normal_form["eigenvalues_plus"] == pytest.approx(np.linalg.eigvals([[-1, -4], [4, 1.5]]))
    assert third.normal_form["type"] == "non-smooth fold"
    assert branch.stability_change(third) == (2, 1)
    assert "unstable" in repr(branch)


def test_smooth_points_within_a_piece():
    """Where both units are active the eigenvalues are ``-1 + g (1 +- 2 i)``: a Hopf point at g = 1, omega = 2."""
    for form in FORMS:
        model = nc.RateRNN([[1, -2], [2, 1]], b=[2, -2], phi="relu", form=form)
        branch = nc.continuation(model, [1, 1], free="gain", p_span=(0.5, 1.5), params={"gain": 0.95})
        check_branch(branch, model, p_span=(0.5, 1.5))
        (hopf,) = branch.special_points("H")
        assert (hopf.p, hopf.omega) == pytest.approx((1.0, 2.0), abs=1e-10)
        assert hopf.normal_form["type"] == "piecewise linear"


def test_retanh_has_kinks_too():
    """``z' = -z + w phi(z) + h`` with phi = max(tanh, 0): the kink is at h = 0, the fold at tanh' = 1/w."""
    for form in FORMS:
        model = nc.RateRNN([[3.0]], W_in=[[1.0]], inputs={"h": [1.0]}, phi="retanh", form=form, gain=1.0)
        start = -0.5 if form == "synaptic" else 0.0
        branch = follow(model, [start], -0.5, (-2, 2))
        assert branch.special_points.labels == ("EP", "BC", "LP", "EP")
        assert abs(branch.special_points["BC1"].p) < 1e-14
        y = np.arccosh(np.sqrt(3.0))
        assert branch.special_points["LP1"].p == pytest.approx(y - 3.0 * np.tanh(y), abs=1e-10)


# ---------------------------------------------------------------- closed curves, other uses


@pytest.mark.parametrize("seed", [31, 105])
def test_closed_branches(seed):
    """Networks with a closed component (found by brute force)."""
    model = network(seed, 4)
    truth = Truth(model, "h", (-2.0, 2.0))
    closed = [
        part for part in truth.components()
        if len(truth.kinks(part)) == len(part) and all(-2.0 < s.low < s.high < 2.0 for s in part)
    ]  # fmt: skip
    assert closed
    segment = max(closed[0], key=lambda each: each.high - each.low)
    h = 0.5 * (segment.low + segment.high)
    branch = follow(model, truth.state(truth.y(segment.on, h)), h, (-2.0, 2.0))
    assert branch.status is Status.CLOSED
    assert len(branch.special_points("BC")) == len(closed[0])
    assert branch.x[0] == pytest.approx(branch.x[-1])
    assert compare(model, "h", (-2.0, 2.0))


def test_several_parameters_together():
    """``along`` keeps the kinks: h and gain move together."""
    model = net([[0.0, -1.2], [1.5, 0.3]], b=[0.3, -0.2], c=[1, 0.5]).along(
        {"h": -1.0, "gain": 0.5}, {"h": 1.0, "gain": 1.0}
    )
    branch = nc.continuation(model, [0, 0], free="mix", p_span=(0, 1))
    check_branch(branch, model, p_span=(0, 1))
    first, second = branch.special_points("BC")
    assert first.p == pytest.approx(0.35)  # h = -0.3
    gain, h = 0.5 + 0.5 * second.p, -1.0 + 2.0 * second.p
    assert gain * 1.5 * (0.3 + h) - 0.2 + 0.5 * h == pytest.approx(0.0, abs=1e-12)
    assert second["z1"] == pytest.approx(0.0, abs=1e-14)


def test_saved_and_drawn(tmp_path):
    branch = follow(net([[0, -2], [-2, 0]]), [0, 0], -0.5)
    single = follow(net([[2.0]]), [-0.5], -0.5)
    for each in (branch, single):
        each.save(tmp_path / "branch.npz")
        assert nc.load(tmp_path / "branch.npz") == each
    again = nc.normal_form(net([[2.0]]), nc.load(tmp_path / "branch.npz").special_points["BC1"])
    assert again["opens"] == "left"
    mpl.use("Agg")
    ax = nc.plot.bifurcation_diagram(single, y="z0")
    assert any("BC1" in text.get_text() or "BC" in text.get_text() for text in ax.texts) or any(
        "BC" in str(label) or "border" in str(label) for label in ax.get_legend_handles_labels()[1]
    )


def test_user_zero_and_curves_in_two_parameters():
    model = net([[2.0]])
    zero = nc.UserZero("quarter", lambda point: point["z0"] - 0.25)
    branch = follow(model, [-0.5], -0.5, events=[zero])
    assert branch.special_points("UZ")[0].p == pytest.approx(-0.25)
    with pytest.raises(nc.InputError, match="border collision"):
        nc.continuation(model, branch.special_points["BC1"], free=("h", "gain"), p_span=((-1, 1), (0, 2)))


@pytest.mark.parametrize("form", FORMS)
def test_larger_network(form):
    """Every switch of a unit between two points of the branch is a border collision there, and none is missing."""
    n = 60
    rng = np.random.default_rng(0)
    W = rng.standard_normal((n, n)) * 0.9 / np.sqrt(n)
    model = net(W, b=0.5 * rng.standard_normal(n), c=rng.standard_normal(n), form=form)
    branch = follow(model, np.zeros(n), 0.0)
    points = branch.special_points("BC")
    assert all(point.converged for point in points)
    y = np.array([arguments(model, x, {"gain": 1.0, "h": p}) for x, p in zip(branch.x, branch.p, strict=True)])
    switches = 0
    for column in y.T:
        signs = np.sign(column[np.abs(column) > 1e-12])
        switches += int(np.sum(signs[1:] != signs[:-1]))
    assert len(points) == switches > 20
