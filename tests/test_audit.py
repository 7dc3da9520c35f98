"""A branch checks itself: what changes along it must be explained by what is listed, or it is said."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.kernels.spectrum import N_COUNTS, N_UNSTABLE, TANGENT_SIGN, UNSURE
from ntkcont.pathfollowing import events, records
from ntkcont.pathfollowing.audit import explains, unexplained
from tests.synthetic import special


def point(label, s=0.5, multiplicity=1, eigenvalues=None):
    kind = "map" if label in ("PD", "NS") else "flow"
    values = [0.5] if eigenvalues is None else eigenvalues
    omega = 1.0 if label in ("H", "NS") else None
    changes = {"multiplicity": multiplicity, "eigenvalues": values, "kind": kind, "omega": omega}
    return special(label, f"{label}1", 0.0, 0.0, s, ("x",), **changes)


def counts(unstable, signs, unsure=None):
    made = np.zeros((len(unstable), N_COUNTS), dtype=np.int64)
    made[:, N_UNSTABLE], made[:, TANGENT_SIGN] = unstable, signs
    made[:, UNSURE] = 0 if unsure is None else unsure
    return made


# ------------------------------------------------------------------------------------------------ what explains what


@pytest.mark.parametrize(
    ("labels", "possible"),
    [
        ([], {(0, False)}),
        (["LP"], {(1, True), (-1, True)}),
        (["BP"], {(1, False), (-1, False), (1, True), (-1, True), (0, True)}),
        (["H"], {(2, False), (-2, False)}),
        (["NS"], {(2, False), (-2, False)}),
        (["PD"], {(1, False), (-1, False)}),
        (["NSad"], {(0, False)}),
        (["UZ"], {(0, False)}),
        (["LP", "LP"], {(2, False), (0, False), (-2, False)}),
        (["LP", "H"], {(3, True), (1, True), (-1, True), (-3, True)}),
        (["H", "H"], {(4, False), (0, False), (-4, False)}),
    ],
)
def test_every_change_that_points_explain_and_no_other(labels, possible):
    there = [point(label) for label in labels]
    for unstable, turned in itertools.product(range(-5, 6), (False, True)):
        assert explains(there, unstable, turned) == ((unstable, turned) in possible), (unstable, turned)


@pytest.mark.parametrize(("label", "step"), [("H", 2), ("BP", 1), ("PD", 1)])
@pytest.mark.parametrize("m", [2, 3])
def test_several_that_cross_together(label, step, m):
    """Each of the m crosses one way or the other: changes of the same parity."""
    there = [point(label, multiplicity=m)]
    steps = set(range(-step * m, step * m + 1, 2 * step))
    for unstable in range(-8, 9):
        assert explains(there, unstable, turned=False) == (unstable in steps)


def test_a_border_collision_explains_anything():
    """The eigenvalues jump there."""
    assert explains([point("BC")], 7, turned=True)


def test_a_fold_at_a_double_zero_eigenvalue_may_hide_a_pair():
    there = [point("LP", eigenvalues=[0.0])]
    assert explains(there, 2, turned=True)
    assert not explains(there, 3, turned=True)


# ------------------------------------------------------------------------------------------------ along a branch

S = np.arange(6.0)


@pytest.mark.parametrize(
    ("unstable", "signs", "points", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], [1] * 6, [], []),
        ([0, 0, 0, 1, 1, 1], [1, 1, 1, -1, -1, -1], [("LP", 2.5)], []),
        ([0, 0, 0, 1, 1, 1], [1, 1, 1, -1, -1, -1], [], [(2, 3)]),
        ([0, 0, 0, 1, 1, 1], [1] * 6, [("LP", 2.5)], [(2, 3)]),  # it does not turn: no fold
        ([0, 0, 0, 1, 1, 1], [1, 1, 1, -1, -1, -1], [("LP", 3.5)], [(2, 3), (3, 4)]),  # elsewhere
        ([0, 0, 2, 2, 2, 2], [1] * 6, [("H", 1.4)], []),
        ([0, 0, 2, 2, 0, 0], [1] * 6, [("H", 1.4)], [(3, 4)]),
        ([0, 0, 2, 2, 0, 0], [1] * 6, [("H", 1.4), ("H", 3.3)], []),
        ([0, 0, 1, 1, 1, 1], [1] * 6, [("H", 1.4)], [(1, 2)]),
        ([1, 1, 1, 1, 1, 1], [1, 1, -1, -1, 1, 1], [], [(1, 2), (3, 4)]),
        ([0, 0, 0, 0, 0, 0], [1] * 6, [("H", 1.4)], [(1, 2)]),  # a point where nothing changes
    ],
)
def test_what_changes_between_two_points_needs_a_point_there(unstable, signs, points, expected):
    there = [point(label, s) for label, s in points]
    got = unexplained(S, counts(unstable, signs), there)
    assert [(i, j) for i, j, _ in got] == expected
    for i, j, inside in got:
        assert inside == [each for each in there if S[i] <= each.s <= S[j]]


def test_points_on_a_special_point_say_nothing():
    """At s = 2 itself the count is between both sides; it is left out, and the change is explained across it."""
    there = [point("H", 2.0)]
    assert unexplained(S, counts([0, 0, 1, 2, 2, 2], [1] * 6), there) == []
    assert [(i, j) for i, j, _ in unexplained(S, counts([0, 0, 1, 3, 3, 3], [1] * 6), there)] == [(1, 3)]


def test_counts_that_rounding_decides_say_nothing():
    """An eigenvalue on the boundary to rounding flickers; what lies on both sides of it counts."""
    flickers = counts([0, 0, 1, 0, 0, 0], [1] * 6, unsure=[0, 0, 1, 0, 0, 0])
    assert unexplained(S, flickers, []) == []
    stays = counts([0, 0, 1, 1, 1, 1], [1] * 6, unsure=[0, 0, 1, 0, 0, 0])
    assert [(i, j) for i, j, _ in unexplained(S, stays, [])] == [(1, 3)]


def test_an_eigenvalue_that_is_always_zero_silences_nothing():
    """With a conserved quantity one eigenvalue is zero everywhere: the others still count."""
    always = counts([0, 0, 0, 2, 2, 2], [1] * 6, unsure=[1] * 6)
    assert [(i, j) for i, j, _ in unexplained(S, always, [])] == [(2, 3)]


# ------------------------------------------------------------------------------------------------ never silence

CASES = {
    "LP": (events.Fold, {"x": "p - x**2", "y": "-9*y"}, [1.0, 0.0], (1.0, -1.0)),
    "H": (events.Hopf, {"x": "p*x - y - x**3", "y": "x + p*y - y**3"}, [0.0, 0.0], (-1.0, 1.0)),
    "BP": (events.BranchPoint, {"x": "p*x - x**3", "y": "-9*y"}, [0.0, 0.0], (-1.0, 1.0)),
}


@pytest.mark.parametrize("label", ["LP", "H", "BP"])
def test_what_newton_cannot_find_is_doubtful_with_one_warning(monkeypatch, label):
    """The event's Newton method and what is tried in its place are broken: the change is on record, with its place."""
    event, equations, start, (p, _) = CASES[label]
    monkeypatch.setattr(event, "solve", lambda self, curve, z, extra, d: None)
    monkeypatch.setattr(records, "solve_together", lambda *parts, **keywords: None)
    model = nc.Model.from_equations(equations, {"p": p})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        branch = nc.continuation(model, start, free="p", p_span=(-1.3, 1.2))
    assert branch.special_points.labels == ("EP", "EP")
    assert len(np.unique(branch.n_unstable)) == 2
    (place,) = branch.doubtful
    assert place.label in (label, "?")
    assert abs(place.p) < 1e-2
    assert np.max(np.abs(place.x)) < 0.1
    (i,) = np.flatnonzero(np.diff(branch.n_unstable))
    assert place.bracket[0] <= branch.s[i + 1]
    assert place.bracket[1] >= branch.s[i]
    about = [str(each.message) for each in said if "branch.doubtful" in str(each.message)]
    assert len(about) == 1
    assert "1 place at p = " in about[0]
    assert abs(float(about[0].split("p = ")[1].split(":")[0])) < 1e-2
    assert repr(branch).splitlines()[-1].startswith("doubtful, not listed: ")
