"""Scales of a kernel: "relative" is a property of the branch, not of how it was run; numbers go by name."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc
from ntkcont.ntk.bound import BoundNTK

RELATIVE = {"theta_scale": "relative", "state_scale": "relative"}
NEURON = nc.classics.morris_lecar()
REST, SPIKING = ({"v": -60.0, "w": 0.01}, 0.0), ({"v": 5.0, "w": 0.4}, 200.0)


def neuron(start, kernel=None, **more):
    x0, current = start
    branch = nc.continuation(
        NEURON, x0, free="I", p_span=(-20.0, 250.0), params={"I": current},
        ntk=kernel or nc.ntk.StateNTK(theta="all", **RELATIVE), events=[nc.UserZero("at 150", lambda q: q.p - 150.0)],
        **more,
    )  # fmt: skip
    if branch.has_states:
        check_branch(branch, NEURON)
    return branch


def at_150(branch):
    (point,) = (q for q in branch.special_points if abs(q.p - 150.0) < 1e-9)
    return point.ntk


def along(model, x0, free, span, p0, **params):
    kernel = nc.ntk.StateNTK(theta="all", **RELATIVE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "theta.* its only parameter", RuntimeWarning)
        branch = nc.continuation(model, x0, free=free, p_span=span, params={free: p0, **params}, ntk=kernel)
    check_branch(branch, model)
    return branch


# ---------------------------------------------------------------- the definition


def test_a_straight_line_through_zero():
    model = nc.Model.from_equations({"x": "k*(p - x)", "y": "k*(p - 1) - y"}, {"p": 0.0, "k": 1.0})
    branch = along(model, [0.0, -1.0], "p", (-1.0, 2.0), 0.5)
    scale = branch.ntk.metadata["state_scale"]
    assert scale["x"] == pytest.approx((2 / 3 * (1 + 2**1.5) / 3) ** 2, rel=1e-9)
    assert scale["y"] == pytest.approx((2 / 3 * (1 + 2**1.5) / 3) ** 2, rel=1e-9)  # from -2 to 1
    assert branch.ntk.metadata["param_scale"] == pytest.approx(scale["x"], rel=1e-9)


def test_the_way_of_the_parameter_counts_on_both_sides_of_a_fold():
    model = nc.Model.from_equations({"x": "p + a*x**2"}, {"p": -0.5, "a": 1.0})
    branch = along(model, [-0.7], "p", (-1.0, 1.0), -0.5)
    # |x| = |p|^(1/2): the mean of |p|^(1/4) over (-1, 0) is 4/5
    assert branch.ntk.metadata["state_scale"]["x"] == pytest.approx(0.64, rel=1e-4)
    assert branch.ntk.metadata["param_scale"] == pytest.approx(4 / 9, rel=1e-4)


def test_points_and_planes_are_measured_by_the_same_mean():
    model = nc.Model.from_equations({"x": "a*p - x", "y": "q*a - y"}, {"p": 1.0, "q": 1.0, "a": 1.0})
    kernel = nc.ntk.StateNTK(theta=["a"], theta_scale="none", state_scale="relative")
    with pytest.warns(RuntimeWarning, match="theta: a is its only parameter"):
        plane = nc.ntk.parameter_plane(
            model, [0.0, 1.0], kernel, free=("p", "q"), p_span=((0, 4), (1, 9)), shape=(3, 2)
        )
    expected = {"x": ((np.sqrt([0.0, 2.0, 4.0])).mean()) ** 2, "y": 4.0}
    assert dict(plane.signatures.metadata["state_scale"]) == pytest.approx(expected)
    P, Q = np.meshgrid([0.0, 2.0, 4.0], [1.0, 9.0])
    np.testing.assert_allclose(plane["top"], (P / expected["x"]) ** 2 + (Q / expected["y"]) ** 2, rtol=1e-10)


@pytest.mark.parametrize("start", [1e-22, 1e-17, 0.0])
def test_a_state_that_is_zero_to_rounding_has_no_magnitude(start):
    model = nc.Model.from_equations({"x": "a*x*(p - x)"}, {"p": -1.0, "a": 1.0})
    x = np.array([[start]])
    kernel = nc.ntk.StateNTK(theta="all", **RELATIVE)
    points = kernel.evaluate(model, x, {"p": -1.0}, free="p")
    assert points.metadata["state_scale"] == "none"
    bound = kernel.bind(model, free="p", params={"p": -1.0})
    tangent = np.array([[0.0, 1.0]] * 3)
    placed = bound.placed(np.repeat(x, 3, axis=0), np.array([-1.0, -0.9, -0.5]), tangent)
    assert placed.metadata["state_scale"] == "none"


def test_small_units_are_no_rounding():
    model = nc.Model.from_equations({"x": "k*(p*1e-13 - x)", "y": "p - y"}, {"p": 1.0, "k": 1.0})
    branch = along(model, [1e-13, 1.0], "p", (1.0, 4.0), 1.0)
    expected = (2 / 3 * 7 / 3) ** 2
    assert branch.ntk.metadata["state_scale"]["x"] == pytest.approx(1e-13 * expected, rel=1e-6)


# ---------------------------------------------------------------- independent of the run


def test_both_ends_of_a_neuron_give_the_same_numbers():
    a, b = at_150(neuron(REST)), at_150(neuron(SPIKING))
    for name in ("top", "trace", "participation_ratio", "top_arc", "lr_crit", "align_theta"):
        assert a[name] == pytest.approx(b[name], rel=1e-6), name


@pytest.mark.parametrize("ds_max", [0.02, 0.1])
def test_step_length_and_direction_change_nothing(ds_max):
    settings = nc.ContinuationSettings(ds=ds_max / 4, ds_max=ds_max)
    reference = at_150(neuron(REST))
    for start, direction in (((REST[0], -20.0), "+"), (SPIKING, "both")):
        found = at_150(neuron(start, settings=settings, direction=direction))
        assert found["top"] == pytest.approx(reference["top"], rel=1e-4)


def test_a_branch_that_runs_away_has_the_scale_of_what_came_before():
    model = nc.Model.from_equations({"x": "a*p - x/(1 + x)", "y": "x - a*y"}, {"p": 0.0, "a": 1.0})
    scales = []
    for p0 in (0.1, 0.5, 0.9):  # x = p/(1 - p) is infinite at 1
        x0 = p0 / (1 - p0)
        branch = along(model, [x0, x0], "p", (0.05, 2.0), p0)
        assert branch.x.max() > 1e3
        scales.append(branch.ntk.metadata["state_scale"]["x"])
    # the mean of (p/(1 - p))^(1/2) over (0.05, 1), by p = sin^2 t
    t = np.arcsin(np.sqrt(0.05))
    exact = ((np.pi / 2 - t + np.sin(2 * t) / 2) / 0.95) ** 2
    np.testing.assert_allclose(scales, exact, rtol=0.02)
    np.testing.assert_allclose(scales, scales[0], rtol=0.02)


def test_random_branches_from_random_starts():
    rng = np.random.default_rng(11)
    # p = q(x) is known, and y follows x
    model = nc.Model.from_equations(
        {"x": "p - (c0 + c1*x + c2*x**2 + x**3)*a", "y": "x + c3*p - y*b"},
        {"p": 0.0, "a": 1.0, "b": 1.0, "c0": 0.0, "c1": 0.0, "c2": 0.0, "c3": 0.0},
    )
    for _ in range(8):
        c = rng.standard_normal(4)
        named = {f"c{i}": float(v) for i, v in enumerate(c)}
        found = []
        for x in rng.uniform(-1.0, 1.0, 3):
            p = c[0] + c[1] * x + c[2] * x**2 + x**3
            branch = along(model, [x, x + c[3] * p], "p", (c[0] - 30.0, c[0] + 30.0), p, **named)
            assert branch.ends == (nc.Status.BOUND, nc.Status.BOUND)
            found.append(list(branch.ntk.metadata["state_scale"].values()))
        np.testing.assert_allclose(found, np.repeat(found[:1], 3, axis=0), rtol=2e-4)
        # the integral over the curve, by x on a fine grid
        x = np.linspace(-5.0, 5.0, 400_001)
        p = c[0] + c[1] * x + c[2] * x**2 + x**3
        inside = np.flatnonzero(np.abs(p - c[0]) <= 30.0)
        x, p = x[inside[0] : inside[-1] + 1], p[inside[0] : inside[-1] + 1]
        way = np.abs(np.diff(p))
        middle = (x[1:] + x[:-1]) / 2, (x + c[3] * p)[1:] / 2 + (x + c[3] * p)[:-1] / 2
        exact = [(np.sum(np.sqrt(np.abs(q)) * way) / way.sum()) ** 2 for q in middle]
        np.testing.assert_allclose(found[0], exact, rtol=2e-4)


def test_annotate_extend_and_reverse_give_what_one_run_gives():
    kernel = nc.ntk.StateNTK(theta="all", **RELATIVE)
    whole = neuron(REST)
    again = nc.annotate(whole.reversed(), kernel)
    np.testing.assert_allclose(again.ntk.top[::-1], whole.ntk.top, rtol=1e-9)
    part = nc.continuation(NEURON, REST[0], free="I", p_span=(-20.0, 100.0), params={"I": 0.0}, ntk=kernel)
    longer = nc.extend(part, p_span=(-20.0, 250.0), ntk=kernel)
    later = nc.annotate(longer, kernel)
    for name in longer.ntk.names:
        np.testing.assert_array_equal(longer.ntk[name], later.ntk[name], err_msg=name)
    assert dict(longer.ntk.metadata["state_scale"]) == pytest.approx(dict(whole.ntk.metadata["state_scale"]), rel=1e-5)


def test_a_branch_without_its_states_has_the_same_kernel():
    kernel = nc.ntk.StateNTK(theta="all", **RELATIVE)
    whole = neuron(REST)
    slim = neuron(REST, settings=nc.ContinuationSettings(store_states="special"))
    assert not slim.has_states
    np.testing.assert_array_equal(slim.ntk.top, whole.ntk.top)
    with pytest.raises(nc.InputError, match="its scales are relative to the whole branch, which grows"):
        nc.extend(slim, p_span=(-20.0, 300.0), ntk=kernel)


def test_a_branch_of_a_diagram_is_measured_like_any_other():
    model = nc.Model.from_equations({"x": "m*x - a*x**3", "y": "x - a*y"}, {"m": -0.5, "a": 1.0})
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="relative", state_scale="relative")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a alone is in theta
        diagram = nc.diagram(model, [[0.0, 0.0]], free="m", p_span=(-1.0, 1.0), ntk=kernel)
        straight, bent = diagram
        alone = nc.continuation(model, [0.5, 0.5], free="m", p_span=(-1.0, 1.0), params={"m": 0.25}, ntk=kernel)
    assert straight.ntk.metadata["state_scale"] == "none"  # it stays at zero
    # |x| = m^(1/2), on both sides
    for branch in (bent, alone):
        assert branch.ntk.metadata["state_scale"]["x"] == pytest.approx(0.64, rel=1e-4)
        assert branch.ntk.metadata["param_scale"] == pytest.approx(4 / 9, rel=1e-4)


def test_numbers_do_not_depend_on_the_span():
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="relative", state_scale={"v": 30.0, "w": 0.5, "I": 100.0})
    a = at_150(neuron(REST, kernel))
    b = at_150(
        nc.continuation(
            NEURON, SPIKING[0], free="I", p_span=(-500.0, 700.0), params={"I": 200.0}, ntk=kernel,
            events=[nc.UserZero("at 150", lambda q: q.p - 150.0)],
        )
    )  # fmt: skip
    for name in ("top", "trace", "participation_ratio", "top_arc", "top_resolvent"):
        assert a[name] == pytest.approx(b[name], rel=1e-8), name


# ---------------------------------------------------------------- by name


def test_scales_by_name():
    x = nc.find_fixed_points(NEURON, [[-60.0, 0.01]])[0].x
    named = nc.ntk.StateNTK(theta="all", theta_scale={"gCa": 4.0}, state_scale={"w": 0.5, "v": 30.0})
    listed = nc.ntk.StateNTK(theta="all", theta_scale={"gCa": 4.0}, state_scale=[30.0, 0.5])
    a, b = named.evaluate(NEURON, x, free="I"), listed.evaluate(NEURON, x, free="I")
    np.testing.assert_array_equal(a.top, b.top)
    np.testing.assert_array_equal(a.top_arc, b.top_arc)
    assert dict(a.metadata["state_scale"]) == {"v": 30.0, "w": 0.5}
    text = repr(a)
    assert "states in units of v 30, w 0.5" in text
    assert "gCa 4," in text
    # the free parameter in units of its own, or of what it is given
    by_hand = {"v": 30.0, "w": 0.5, "I": 100.0}
    other = nc.ntk.StateNTK(theta="all", theta_scale={"gCa": 4.0}, state_scale=by_hand).evaluate(NEURON, x, free="I")
    assert other.metadata["param_scale"] == 100.0
    assert a.metadata["param_scale"] == 1.0
    assert abs(other.top_arc[0] / a.top_arc[0] - 1) > 1e-3


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"v": 30.0}, "state_scale: w is not in it; give the unit of every state"),
        ({"v": 30.0, "ww": 0.5}, "state_scale: 'ww' is unknown; did you mean 'w'?"),
        ({"v": 30.0, "w": 0.0}, "state_scale['w']: every scale must be a positive number"),
        ({"v": 30.0, "w": [1.0, 2.0]}, "state_scale['w']: shape (2,) was given; it must be one number"),
        ({"v": "large", "w": 1.0}, "state_scale['v']: 'large' was given"),
    ],
)
def test_scales_by_name_are_checked(scale, message):
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="none", state_scale=scale)
    with pytest.raises(nc.InputError, match=re.escape(message)):
        kernel.bind(NEURON, free="I")


# ---------------------------------------------------------------- sources of rank one


@pytest.mark.parametrize(
    ("theta", "words"),
    [
        (["gK"], "gK is its only parameter"),
        (["C", "gCa", "gK"], "C, gK, gCa move the right-hand side along one direction alone"),
        (["gCa", "phi"], "(gCa, phi|phi, gCa) move"),  # phi moves no fixed point
    ],
)
def test_a_source_of_rank_one_is_named(theta, words):
    x = nc.find_fixed_points(NEURON, [[-60.0, 0.01]])[0].x
    kernel = nc.ntk.StateNTK(theta=theta, **RELATIVE)
    with pytest.warns(RuntimeWarning, match=words) as caught:
        sig = kernel.evaluate(NEURON, x, {"I": 20.0}, free="I")
    assert len(caught) == 1
    assert sig.participation_ratio[0] == pytest.approx(1.0)  # whatever the dynamics


def test_no_warning_without_reason():
    x = nc.find_fixed_points(NEURON, [[-60.0, 0.01]])[0].x
    nc.ntk.StateNTK(theta=["gK", "v3"], **RELATIVE).evaluate(NEURON, x, free="I")  # warnings are errors here
    nc.ntk.StateNTK(theta=["gK"], readout=[[1.0, 0.0]], **RELATIVE).evaluate(NEURON, x, free="I")  # one number
    scalar = nc.Model.from_equations({"x": "a*p - x"}, {"p": 1.0, "a": 1.0})
    nc.ntk.StateNTK(theta=["a"], **RELATIVE).evaluate(scalar, [1.0], free="p")
    # at rest the columns of a and b are zero, but only there
    rest = nc.Model.from_equations({"x": "h + p*x - a*x**3", "y": "x - b*y"}, {"p": -1.0, "h": 0.0, "a": 1.0, "b": 1.0})
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="none", state_scale="none")
    assert kernel.evaluate(rest, [0.0, 0.0], free="p").participation_ratio[0] == pytest.approx(1.0)
    nc.ntk.StateNTK(theta="b").evaluate(nc.RateRNN(0.3 * np.eye(3)), np.zeros(3), free="gain")


def test_trajectories_of_one_parameter():
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["gK"], **RELATIVE, initial_states=[[-60.0, 0.01]], T=2.0, dt=0.1
    )
    with pytest.warns(RuntimeWarning, match="gK is its only parameter"):
        kernel.evaluate(NEURON)


# ---------------------------------------------------------------- interrupted, killed


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_the_kernel_is_evaluated_keeps_the_points(monkeypatch):
    whole = neuron(REST)
    calls, evaluate = [], BoundNTK.evaluate

    def pressed(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(BoundNTK, "evaluate", pressed)
    branch = neuron(REST)
    assert branch.status is nc.Status.INTERRUPTED
    np.testing.assert_array_equal(branch.p, whole.p)
    known = np.isfinite(branch.ntk.top)
    assert 1 < known.sum() < len(branch)
    np.testing.assert_array_equal(branch.ntk.top[known], whole.ntk.top[known])
    monkeypatch.undo()
    later = nc.annotate(branch, nc.ntk.StateNTK(theta="all", **RELATIVE))
    np.testing.assert_allclose(later.ntk.top, whole.ntk.top, rtol=1e-9)


def test_killed_while_the_kernel_is_evaluated(tmp_path):
    whole = neuron(REST, checkpoint=tmp_path / "whole")
    body = (tmp_path / "whole").read_bytes()
    for share in np.linspace(0.1, 1.0, 8):
        (tmp_path / "cut").write_bytes(body[: int(share * len(body))])
        assert neuron(REST, checkpoint=tmp_path / "cut") == whole
