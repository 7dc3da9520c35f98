"""Whole diagrams: what they hold, against closed forms; the tree, names, files, pictures, bad input."""

from __future__ import annotations

import itertools
import pickle

import matplotlib as mpl
import numpy as np
import pytest

import ntkcont as nc
from tests.diagram_invariants import checked
from tests.test_deflation import coupled

mpl.use("Agg")


def model(equation: str, **params: float) -> nc.Model:
    return nc.Model.from_equations({"x": equation}, params)


@pytest.fixture(scope="module")
def pitchfork():
    return checked(model("mu*x - x**3", mu=-0.5), [0.0], free="mu", p_span=(-1, 1))


@pytest.fixture(scope="module")
def three():
    """Three coupled pitchforks, from mu = -0.5 and from all fixed points at 0.5."""
    m = coupled()
    points = nc.find_fixed_points(m, box=(-1, 1))
    assert len(points) == 27
    trivial = nc.find_fixed_points(m, starts=[[0.0, 0.0, 0.0]], params={"mu": -0.5})
    return checked(m, [trivial, points], free="mu", p_span=(-0.5, 0.5))


# ------------------------------------------------------------------------------------------------ what it holds


def test_the_27_fixed_points_are_covered_each_once(three):
    ends = np.array([branch.x[i] for branch in three for i in (0, -1) if branch.p[i] == 0.5])
    assert len(ends) == 27
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(ends, 2)) > 0.5
    signs = {tuple(np.where(np.abs(x) < 0.35, 0, np.sign(x)).astype(int)) for x in ends}
    assert len(signs) == 27


def test_simple_and_double_branch_point_of_the_symmetric_system(three):
    """The eigenvalues on the trivial branch are mu, and mu - 0.01 twice."""
    simple, double = three.special_points("BP")
    assert (simple.multiplicity, double.multiplicity) == (1, 2)
    assert simple.p == pytest.approx(0.0, abs=1e-10)
    assert double.p == pytest.approx(0.01, abs=1e-10)
    assert three.branches_at(simple.name) == (0, 1)
    assert len(three.branches_at(double.name)) == 7  # trivial, 3 like (1, -1, 0), 3 like (2, -1, -1)
    straight = [i for i in three.branches_at(double.name)[1:] if np.min(np.abs(three[i].x[-1])) < 1e-9]
    assert len(straight) == 3
    for i in straight:  # (a, -a, 0): a**2 = mu - 0.01
        largest = np.max(np.abs(three[i].x), axis=1)
        np.testing.assert_allclose(largest**2, three[i].p - 0.01, atol=1e-9)


def test_symmetric_branch_is_the_closed_form(three):
    """On (a, a, a) the coupling is zero: a**2 = mu."""
    branch = three[1]
    np.testing.assert_allclose(branch.x**2, np.repeat(branch.p[:, None], 3, axis=1), atol=1e-9)


@pytest.mark.parametrize("h", [0.1, 1e-3])
def test_imperfect_pitchfork_is_complete(h):
    m = model("h + mu*x - x**3", h=h, mu=1.0)
    diagram = checked(m, nc.find_fixed_points(m, box=(-2, 2)), free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    folds = diagram.special_points("LP")
    assert [q.p for q in folds] == [pytest.approx(3 * (h / 2) ** (2 / 3), abs=1e-9)]
    ends = sorted(float(branch.x[i, 0]) for branch in diagram for i in (0, -1) if branch.p[i] == 1.0)
    assert ends == pytest.approx(sorted(np.roots([-1.0, 0.0, 1.0, h]).real), abs=1e-9)
    (end,) = [float(branch.x[i, 0]) for branch in diagram for i in (0, -1) if branch.p[i] == -1.0]
    real = [r.real for r in np.roots([-1.0, 0.0, -1.0, h]) if abs(r.imag) < 1e-9]
    assert [end] == pytest.approx(real, abs=1e-9)


def test_closed_branch_between_two_branch_points():
    m = model("x*(0.25 - x**2 - mu**2)", mu=-0.9)
    diagram = checked(m, [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    circle = diagram[1]
    assert circle.status is nc.Status.CLOSED
    np.testing.assert_allclose(np.hypot(circle.x[:, 0], circle.p), 0.5, atol=1e-9)
    turn = np.unwrap(np.arctan2(circle.x[:, 0], circle.p))
    assert abs(turn[-1] - turn[0]) == pytest.approx(2 * np.pi, abs=1e-6)
    assert [q.p for q in diagram.special_points] == pytest.approx([-0.5, 0.5], abs=1e-10)
    assert diagram.branches_at("BP1") == diagram.branches_at("BP2") == (0, 1)


def test_isola_comes_in_by_a_further_start():
    m = model("(x - 2)*(x**2 + mu**2 - 0.25)", mu=0.0)
    alone = checked(m, [2.0], free="mu", p_span=(-1, 1))
    assert len(alone) == 1
    points = nc.find_fixed_points(m, starts=[[2.1]], deflate=True)
    assert len(points) == 3
    diagram = checked(m, points, free="mu", p_span=(-1, 1))
    assert len(diagram) == 2  # two of the points lie on one closed branch
    (isola,) = [branch for branch in diagram if branch.status is nc.Status.CLOSED]
    np.testing.assert_allclose(isola.x[:, 0] ** 2 + isola.p**2, 0.25, atol=1e-9)
    assert [q.p for q in isola.special_points("LP")] == pytest.approx([0.5, -0.5], abs=1e-9) or [
        q.p for q in isola.special_points("LP")
    ] == pytest.approx([-0.5, 0.5], abs=1e-9)


def test_branches_of_equal_parameters_are_told_apart_by_their_states():
    """x = mu and x = -mu cover the same parameters, and cross."""
    m = model("(x - mu)*(x + mu)*(x - 3)", mu=-0.5)
    diagram = checked(m, [[-0.5], [0.5], [3.0], [-0.5001]], free="mu", p_span=(-1, 1))
    assert len(diagram) == 3
    assert diagram.branches_at("BP1") == (0, 1)
    for branch in diagram:
        assert branch.p[[0, -1]].tolist() == [-1.0, 1.0]


def test_several_levels():
    """x' = mu x - x^3, y' = (x - 1/2) y - y^3: the side branch of x has its own branch point at x = 1/2."""
    m = nc.Model.from_equations({"x": "mu*x - x**3", "y": "(x - 0.5)*y - y**3"}, {"mu": -0.5})
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 1))
    assert [origin.depth for origin in diagram.origins] == [0, 1, 2]
    assert diagram.children(0) == (1,)
    assert diagram.children(-2) == (2,)
    assert diagram.special_points[diagram.origins[2].point].p == pytest.approx(0.25, abs=1e-9)
    np.testing.assert_allclose(diagram[2].x[:, 1] ** 2, diagram[2].x[:, 0] - 0.5, atol=1e-9)


@pytest.mark.parametrize(("depth", "branches"), [(0, 1), (1, 2), (2, 3)])
def test_depth_limit_is_kept_and_said(depth, branches):
    m = nc.Model.from_equations({"x": "mu*x - x**3", "y": "(x - 0.5)*y - y**3"}, {"mu": -0.5})
    diagram = checked(m, [0.0, 0.0], free="mu", p_span=(-1, 1), depth=depth)
    assert len(diagram) == branches
    said = [each for each in diagram.unfollowed if f"depth={depth}" in each.reason]
    assert len(said) == (1 if depth < 2 else 0)


def test_limit_of_branches_is_kept_and_said(three):
    m = coupled(-0.5)
    diagram = checked(m, [0.0, 0.0, 0.0], free="mu", p_span=(-0.5, 0.5), max_branches=4)
    assert len(diagram) == 4
    assert any("max_branches=4" in each.reason for each in diagram.unfollowed)


def test_branch_that_leaves_the_span_at_once_is_said():
    diagram = checked(model("mu*x - x**3", mu=-0.5), [0.0], free="mu", p_span=(-1, 0))
    assert len(diagram) == 1
    assert [each.reason for each in diagram.unfollowed] == ["a branch leaves p_span there at once"]


def test_start_on_a_branch_point():
    diagram = checked(model("mu*x - x**3", mu=0.0), [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 2
    assert diagram.special_points.names == ("BP1",)


def test_network_branches_at_every_real_crossing():
    """z' = -z + g W tanh z from 0: pitchforks at 1/lambda of the real eigenvalues, each with its branch."""
    w = np.diag([1.0, 0.8, 0.5]) + np.triu(np.full((3, 3), 0.1), 1)
    net = nc.RateRNN(w)
    diagram = checked(net, np.zeros(3), free="gain", p_span=(0.5, 1.5), params={"gain": 0.5}, depth=1)
    first = diagram[0]
    assert [q.p for q in first.special_points("BP")] == pytest.approx([1.0, 1.25], abs=1e-9)
    assert [origin.parent for origin in diagram.origins] == [None, 0, 0]
    for branch, lam in zip(diagram[1:], (1.0, 0.8), strict=True):
        assert branch.p.min() == pytest.approx(1.0 / lam, abs=1e-4)


# ------------------------------------------------------------------------------------------------ the object


def test_tree_and_names(pitchfork):
    assert len(pitchfork) == 2
    assert (pitchfork.free, pitchfork.kind, pitchfork.states) == ("mu", "flow", ("x",))
    assert pitchfork.special_points.names == ("BP1",)
    assert pitchfork[0].special_points["BP1"].p == pitchfork[1].special_points["BP1"].p
    assert pitchfork.status is nc.Status.BOUND
    with pytest.raises(nc.InputError, match="BP1"):
        pitchfork.branches_at("BP7")


def test_normal_form_of_a_shared_point(pitchfork):
    for branch in pitchfork:
        assert branch.special_points["BP1"].normal_form["type"] == "pitchfork"


def test_text_and_html(three):
    text = repr(three)
    assert text.startswith("Diagram of a flow in mu from -0.5 to 0.5: 14 branches, 3 states")
    assert "BP1 of 0" in text
    assert three._repr_html_().count("<table>") == 2


def test_file_round_trip(three, tmp_path):
    path = three.save(tmp_path / "d.npz")
    again = nc.load(path)
    assert again == three
    assert again[0].model is None
    assert repr(again) == repr(three)
    assert pickle.loads(pickle.dumps(three)) == three


def test_files_of_branches_and_diagrams_are_not_mixed_up(pitchfork, tmp_path):
    one, all_ = pitchfork[0].save(tmp_path / "b.npz"), pitchfork.save(tmp_path / "d.npz")
    assert nc.load(one) == pitchfork[0]
    assert nc.load(all_) == pitchfork
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(nc.FileFormatError, match="not a file of ntkcont"):
        nc.load(tmp_path / "x.npz")


def test_diagrams_are_frozen_and_differ(pitchfork, three):
    with pytest.raises(AttributeError):
        pitchfork.branches = ()
    assert pitchfork != three
    with pytest.raises(nc.InputError, match="branches"):
        nc.Diagram(branches=(), origins=())


def test_picture_draws_every_branch_and_shared_points_once(three):
    ax = three.plot(y="x1")
    names = [line.get_gid() for line in ax.lines if line.get_gid() and line.get_gid().startswith(("BP", "LP"))]
    assert sorted(names) == sorted(q.name for q in three.special_points if q.label != "NSad")
    heights = np.concatenate([line.get_ydata()[[0, -1]] for line in ax.lines if len(line.get_ydata()) > 1])
    ends = [branch.x[i, 0] for branch in three for i in (0, -1) if branch.p[i] == 0.5]
    assert all(np.min(np.abs(heights - end)) < 1e-12 for end in ends)
    mpl.pyplot.close(ax.figure)


def test_kernel_signatures_come_along():
    m = model("mu*x - x**3 + h", mu=-0.5, h=0.0)
    kernel = nc.ntk.StateNTK(theta=["h"], theta_scale="none", state_scale="none")
    diagram = checked(m, [0.0], free="mu", p_span=(-1, 1), ntk=kernel)
    trivial, side = diagram
    away = np.abs(trivial.p) > 0.1
    np.testing.assert_allclose(trivial["top"][away], 1 / trivial.p[away] ** 2, rtol=1e-9)
    away = side.p > 0.1
    np.testing.assert_allclose(side["top"][away], 1 / (4 * side.p[away] ** 2), rtol=1e-6)
    assert all("XF" in q.ntk for q in diagram.special_points)


# ------------------------------------------------------------------------------------------------ what it is given


@pytest.mark.parametrize(
    "starts", [0.0, [0.0], {"x": 0.0}, [[0.0]], [{"x": 0.0}], np.zeros((1, 1)), [0.0, 1e-9], [np.zeros(1), {"x": 0.0}]]
)
def test_forms_of_starts(starts):
    diagram = checked(model("mu*x - x**3", mu=-0.5), starts, free="mu", p_span=(-1, 1))
    assert len(diagram) == 2


def test_special_points_are_starts(pitchfork):
    again = checked(model("mu*x - x**3", mu=-0.5), pitchfork.special_points["BP1"], free="mu", p_span=(-1, 1))
    assert len(again) == 2


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"depth": -1}, "depth"),
        ({"depth": 1.5}, "depth"),
        ({"max_branches": 0}, "max_branches"),
        ({"free": "nu"}, "'nu' is unknown; it may be 'mu'"),
        ({"p_span": (1, -1)}, "p_span"),
        ({"settings": {"ds": 1}}, "settings"),
        ({"starts": []}, "starts: it is empty"),
        ({"starts": [[0.0, 0.0]]}, "shape"),
        ({"params": {"mu": 3.0}}, "lies outside p_span"),
    ],
)
def test_bad_input_is_named(keywords, says):
    given = {"starts": [0.0], "free": "mu", "p_span": (-1, 1), **keywords}
    with pytest.raises(nc.InputError, match=says):
        nc.diagram(model("mu*x - x**3", mu=-0.5), given.pop("starts"), **given)


def test_branches_are_no_starts(pitchfork):
    with pytest.raises(nc.InputError, match="got a Branch"):
        nc.diagram(model("mu*x - x**3", mu=-0.5), pitchfork[0], free="mu", p_span=(-1, 1))


def test_starts_without_a_fixed_point_are_said():
    m = model("1 + mu**2 + x**2", mu=0.0)
    with pytest.raises(nc.ConvergenceError, match="Newton"):
        nc.diagram(m, [0.3], free="mu", p_span=(-1, 1))
    m = model("(mu - x)*(x**2 + 1)/(1 + x**2 * 100)", mu=0.0)
    diagram = checked(m, [[0.0], [0.1]], free="mu", p_span=(-1, 1))
    assert len(diagram) == 1
