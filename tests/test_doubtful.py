"""What could not be established is on record, and in no list, table or picture of special points."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from synthetic import FOLD, cusp_branch, special

import ntkcont as nc
from ntkcont.pathfollowing import events
from ntkcont.results.branch import join
from ntkcont.results.doubtful import established
from ntkcont.results.ensemble_files import read_member
from tests.invariants import check_branch

CUSP = nc.Model.from_equations({"x": "h + x - x**3"}, {"h": -1.0})
FOLD_H = FOLD - FOLD**3  # the folds are at h = +-FOLD_H, x = -+FOLD
SPAN = (-1.0, 1.0)


def place(label="H", bracket=(1.0, 1.1), p=0.25, x=(0.5,), **changes):
    fields = {"tried": "Newton", "reason": "it went elsewhere"}
    return nc.Doubtful(label=label, bracket=bracket, p=p, x=list(x), **fields | changes)


@pytest.fixture
def blind(monkeypatch):
    """Newton finds no fold at x > 0."""
    solve = events.Fold.solve

    def failing(self, curve, z, extra, d):
        found = solve(self, curve, z, extra, d)
        return None if found is None or found.z[0] > 0.0 else found

    monkeypatch.setattr(events.Fold, "solve", failing)


def follow(x0=-1.3, h=-1.0, **keywords):
    return nc.continuation(CUSP, [x0], free="h", p_span=SPAN, params={"h": h}, **keywords)


def arclength_of_the_fold(branch):
    """Return where x = FOLD, interpolated in s."""
    order = np.argsort(branch.x[:, 0])
    return float(np.interp(FOLD, branch.x[order, 0], branch.s[order]))


# ------------------------------------------------------------------------------------------------ from a run


@pytest.mark.parametrize(("x0", "h"), [(-1.3, -1.0), (1.3, 1.0), (0.0, 0.0)])
def test_a_fold_that_newton_does_not_find_is_doubtful_and_not_listed(blind, x0, h):
    message = r"1 place at h = -0.38\d* ?: something happens.*\(LP\?\).*branch.doubtful"
    with pytest.warns(RuntimeWarning, match=message) as said:
        branch = follow(x0, h)
    assert len([w for w in said if "branch.doubtful" in str(w.message)]) == 1
    assert said[0].filename == __file__
    assert branch.special_points.labels == ("EP", "LP", "EP")
    assert branch.special_points["LP1"].x[0] == pytest.approx(-FOLD, abs=1e-9)
    (only,) = branch.doubtful
    assert only.label == "LP"
    # its bracket holds the place where x = FOLD, whichever way the branch was run
    at = arclength_of_the_fold(branch)
    assert only.bracket[0] - 1e-5 <= at <= only.bracket[1] + 1e-5
    assert only.bracket[1] - only.bracket[0] < 0.1
    assert only.p == pytest.approx(-FOLD_H, abs=1e-3)
    assert only.x[0] == pytest.approx(FOLD, abs=0.05)
    assert "fold" in only.reason
    assert repr(branch).splitlines()[-1].startswith("doubtful, not listed: LP at h = -0.38")
    assert "doubtful, not listed: LP" in branch._repr_html_()
    assert branch.to_dataframe()["special"].str.contains("LP2").sum() == 0
    # the invariants still notice that a change is unexplained
    with pytest.raises(AssertionError, match="n_unstable changes"):
        check_branch(branch, CUSP, p_span=SPAN)


def test_nothing_is_said_of_a_branch_without_doubt(recwarn):
    branch = follow()
    check_branch(branch, CUSP, p_span=SPAN)
    assert branch.doubtful == ()
    assert "doubtful" not in repr(branch) + branch._repr_html_()
    assert not [w for w in recwarn if "doubtful" in str(w.message)]


def test_a_stop_counts_what_is_established_only(blind):
    with pytest.warns(RuntimeWarning, match="branch.doubtful"):
        branch = follow(stop=("LP", 2))
    assert branch.status is nc.Status.BOUND
    assert len(branch.doubtful) == 1
    first = follow(stop=("LP", 1))
    assert first.status is nc.Status.EVENT
    assert first.special_points("LP")[0].p == pytest.approx(FOLD_H, abs=1e-9)


@pytest.mark.parametrize("by_event", [False, True])
def test_a_stop_just_after_keeps_what_is_doubtful_before_it(blind, by_event):
    """The fold at x = FOLD and the stop at x = 0.7 are a few steps apart: one piece of the run holds both."""
    stop = {"events": [nc.UserZero("u", lambda q: q["x"] - 0.7)], "stop": ("UZ", 1)}
    stop = stop if by_event else {"stop": lambda q: q["x"] > 0.7}
    with pytest.warns(RuntimeWarning, match="branch.doubtful"):
        branch = follow(direction="+", **stop)
    assert branch.status is (nc.Status.EVENT if by_event else nc.Status.CALLBACK)
    (only,) = branch.doubtful
    assert only.label == "LP"
    assert only.p == pytest.approx(-FOLD_H, abs=1e-3)
    assert branch.s[0] <= only.bracket[0] <= arclength_of_the_fold(branch) + 1e-5
    assert only.bracket[1] <= branch.s[-1]


def test_a_stop_just_before_does_not_know_of_it(blind, recwarn):
    branch = follow(direction="+", stop=lambda q: q["x"] > 0.4)
    assert branch.status is nc.Status.CALLBACK
    assert branch.doubtful == ()
    assert not [w for w in recwarn if "doubtful" in str(w.message)]


@pytest.mark.filterwarnings("ignore:.*branch.doubtful")
def test_extending_keeps_what_was_and_adds_what_comes(blind):
    whole = follow()
    start = follow(direction="+", settings=nc.ContinuationSettings(max_steps=30))
    assert start.doubtful == ()
    longer = nc.extend(start, direction="high")
    (found,), (expected,) = longer.doubtful, whole.doubtful
    assert found.bracket == pytest.approx([arclength_of_the_fold(longer)] * 2, abs=1e-4)
    assert found.p == pytest.approx(expected.p, abs=1e-3)
    again = nc.extend(longer, p_span=(-1.0, 2.0), direction="high")
    assert again.doubtful == longer.doubtful


@pytest.mark.filterwarnings("ignore:.*branch.doubtful")
def test_diagrams_and_ensembles_carry_it(blind, tmp_path):
    diagram = nc.diagram(CUSP, [-1.3], free="h", p_span=SPAN, params={"h": -1.0})
    assert [each.label for each in diagram.doubtful] == ["LP"]
    assert "doubtful, not listed: LP at h = -0.38" in repr(diagram)
    assert "doubtful, not listed" in diagram._repr_html_()
    loaded = nc.load(diagram.save(tmp_path / "diagram.npz"))
    assert loaded == diagram
    assert loaded.doubtful == diagram.doubtful
    diagram[0].save(tmp_path / "member.npz")
    member = read_member(tmp_path, "member")
    assert member.doubtful == diagram.doubtful
    assert [found.label for found in member.special] == ["EP", "LP", "EP"]


@pytest.mark.filterwarnings("ignore:.*branch.doubtful")
def test_a_run_with_a_checkpoint_gives_the_same(blind, tmp_path):
    first = follow(checkpoint=tmp_path / "run")
    second = follow(checkpoint=tmp_path / "run")
    assert len(first.doubtful) == 1
    assert second == first


def test_a_zero_of_the_users_function_that_is_a_jump_is_doubtful():
    """The sign changes at x = 0.3, and there is no zero: bisection ends at a jump."""
    jump = nc.UserZero("jump", lambda q: 1.0 if q["x"] > 0.3 else -1.0)
    zero = nc.UserZero("zero", lambda q: q["x"] - 0.3)
    branch = follow(events=[zero, jump])
    assert [q["x"] for q in branch.special_points("UZ") if q.name.startswith("zero")] == pytest.approx([0.3])
    assert all(q.converged for q in branch.special_points)


# ------------------------------------------------------------------------------------------------ the record


def test_points_given_as_not_converged_are_moved():
    branch = cusp_branch()
    points = [dataclasses.replace(q, converged=q.name == "LP1") for q in branch.special_points]
    moved = dataclasses.replace(branch, special_points=points)
    assert moved.special_points.names == ("LP1",)
    (only,) = moved.doubtful
    assert (only.label, only.p) == ("LP", branch.special_points["LP2"].p)
    assert only.bracket == branch.special_points["LP2"].bracket
    assert moved != branch
    kept, doubtful = established(branch.special_points)
    assert kept == list(branch.special_points)
    assert doubtful == ()


def test_it_is_frozen_compared_copied_and_sent():
    one = place()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.p = 1.0
    with pytest.raises(ValueError, match="read-only"):
        one.x[0] = 1.0
    assert one == place()
    for changes in ({"label": "LP"}, {"bracket": (1.0, 1.2)}, {"p": 0.0}, {"x": (0.1,)}, {"tried": ""}, {"reason": ""}):
        assert one != place(**changes)
    branch = dataclasses.replace(cusp_branch(), doubtful=(one, place("?", (0.1, 0.2))))
    assert [each.label for each in branch.doubtful] == ["?", "H"]  # by arclength
    assert branch != cusp_branch()
    for same in (copy.copy(branch), copy.deepcopy(branch), pickle.loads(pickle.dumps(branch))):
        assert same == branch
        assert same.doubtful == branch.doubtful


@pytest.mark.parametrize("bracket", [(1.0, 0.0), 3.0, (1.0, np.nan), ("a", "b"), (1.0,)])
def test_a_bracket_is_two_arclengths_in_order(bracket):
    with pytest.raises(nc.InputError, match="bracket: got"):
        place(bracket=bracket)


def test_labels_and_states_are_checked():
    with pytest.raises(nc.InputError, match="label"):
        place("Q")
    assert place("HB").label == "H"
    with pytest.raises(nc.InputError, match="doubtful: got one with 2 states"):
        dataclasses.replace(cusp_branch(), doubtful=(place(x=(1.0, 2.0)),))
    with pytest.raises(nc.InputError, match="doubtful: got str"):
        dataclasses.replace(cusp_branch(), doubtful=("LP",))


def test_files_hold_it_and_older_files_have_none(tmp_path):
    branch = dataclasses.replace(cusp_branch(), doubtful=(place(), place("?", (1.2, 1.2))))
    loaded = nc.load(branch.save(tmp_path / "b.npz"))
    assert loaded == branch
    assert loaded.doubtful == branch.doubtful
    with np.load(tmp_path / "b.npz") as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    del header["doubtful"]
    np.savez(tmp_path / "old.npz", **{**arrays, "header": np.array(json.dumps(header))})
    assert nc.load(tmp_path / "old.npz") == cusp_branch()


def test_an_older_file_that_lists_a_point_that_did_not_converge(tmp_path):
    branch = cusp_branch()
    branch.save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    del header["doubtful"]
    header["special_points"][1]["converged"] = False
    np.savez(tmp_path / "old.npz", **{**arrays, "header": np.array(json.dumps(header))})
    old = nc.load(tmp_path / "old.npz")
    assert old.special_points.names == ("LP1",)
    assert [each.p for each in old.doubtful] == [branch.special_points["LP2"].p]


def test_reversed_and_joined_branches_move_it_along():
    branch = dataclasses.replace(cusp_branch(), doubtful=(place(bracket=(1.0, 1.1)),))
    back = branch.reversed()
    assert back.doubtful[0].bracket == (-1.1, -1.0)
    assert back.reversed() == branch
    half = len(branch) // 2

    def cut(rows, doubtful, shift=0.0):
        columns = {n: getattr(branch, n)[rows] for n in ("p", "x", "tangent", "eigenvalues", "stable", "n_unstable")}
        ends = {"special_points": (), "ntk": None, "s": branch.s[rows] + shift, "doubtful": doubtful}
        return dataclasses.replace(branch, **columns, **ends)

    left = cut(slice(0, half + 1), (place(bracket=(0.1, 0.2)),))
    right = cut(slice(half, None), (place(bracket=(-5.0, -4.9)),), shift=-7.0)
    joined = join(left, right)
    assert [each.bracket for each in joined.doubtful] == [(0.1, 0.2), pytest.approx((2.0, 2.1))]
    joint = float(left.s[-1])
    both = place(bracket=(joint - 0.1, joint)), place(bracket=(joint - 7.0, joint - 6.9))
    assert len(join(cut(slice(0, half + 1), both[:1]), cut(slice(half, None), both[1:], -7.0)).doubtful) == 1


def test_curves_in_two_parameters_list_nothing_that_did_not_converge(tmp_path):
    family = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": -1.0, "mu": 1.0})
    fold = nc.continuation(family, [-1.3], free="h", p_span=SPAN).special_points["LP1"]
    curve = nc.continuation(family, fold, free=("h", "mu"), p_span=(SPAN, (-0.5, 1.5)))
    assert curve.doubtful == ()
    points = [dataclasses.replace(q, converged=q.label == "EP") for q in curve.special_points]
    moved = dataclasses.replace(curve, special_points=points)
    assert moved.special_points.labels == ("EP", "EP")
    assert [each.label for each in moved.doubtful] == ["CP"]
    assert "doubtful, not listed: CP at h = " in repr(moved)
    assert nc.load(moved.save(tmp_path / "curve.npz")) == moved
    assert moved != curve


# ------------------------------------------------------------------------------------------------ pictures


@pytest.fixture
def picture():
    branch = dataclasses.replace(
        cusp_branch(), doubtful=(place("H", (0.5, 0.6), -0.5, (-1.2,)), place("?", (0.7, 0.7), -0.4, (-1.1,)))
    )
    yield branch
    plt.close("all")


def test_pictures_show_it_on_request_only(picture):
    ax = nc.plot.bifurcation_diagram(picture)
    assert not [line for line in ax.lines if "doubtful" in str(line.get_gid())]
    ax = nc.plot.bifurcation_diagram(picture, doubtful=True)
    marks = {str(line.get_gid()): line for line in ax.lines if "doubtful" in str(line.get_gid())}
    assert set(marks) == {"doubtful H", "doubtful ?"}
    for line in marks.values():
        assert line.get_markerfacecolor() == "none"
    assert [marks["doubtful H"].get_xdata()[0], marks["doubtful H"].get_ydata()[0]] == [-0.5, -1.2]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "doubtful H" in legend
    assert "doubtful" in legend
    assert "fold (LP)" in legend


@pytest.mark.parametrize(
    ("y", "expected"),
    [("norm", 1.2), ("h", -0.5), (lambda b: 2.0 * b.s, 1.1), ("s", 0.55)],
    ids=["norm", "parameter", "function", "s"],
)
def test_marks_are_at_the_height_of_the_quantity(picture, y, expected):
    ax = nc.plot.bifurcation_diagram(picture, y=y, doubtful=True, legend=False)
    (line,) = [line for line in ax.lines if line.get_gid() == "doubtful H"]
    assert line.get_ydata()[0] == pytest.approx(expected, abs=1e-6)


def test_a_special_point_beside_is_still_named(picture):
    ax = nc.plot.bifurcation_diagram(picture, doubtful=True)
    assert {"LP1", "LP2"} <= {text.get_text() for text in ax.texts}
    assert special("LP", "LP1", 0, [0], 0.0, ("x",)).converged
