"""The report of a comparison with programs made up for the purpose: what is matched, what is said, what is proof."""

import dataclasses
import json

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.peers import PeerBranch, PeerCycles, PeerPoint, PyDSTool, XPPLab
from ntkcont.peers.matching import Scales, assign, nearest_on
from ntkcont.peers.notes import notes_on_ours
from ntkcont.results.special_points import SpecialPoints

FOLD = {"equations": {"x": "mu - x^2"}, "params": {"mu": 1.0}}


def fold():
    return nc.Model.from_equations(FOLD["equations"], FOLD["params"])


@dataclasses.dataclass
class Made:
    """A program that returns ntkcont's own branch, with the special points it is told."""

    points: tuple = ()
    flip: bool = False
    kept: tuple = (None, None)
    shift: float = 0.0
    p_shift: float = 0.0
    cycles: tuple = ()
    name: str = "made"
    seen: list = dataclasses.field(default_factory=list)

    def follow(self, task):
        self.seen.append(task)
        stable = ~task.branch.stable if self.flip else task.branch.stable
        side = (task.branch.p + self.p_shift, task.branch.x + self.shift, stable)
        return PeerBranch(
            program="Made 1",
            sides=(tuple(values[slice(*self.kept)] for values in side),),
            special_points=self.points,
            seconds=(3.0, 1.0, 2.0),
            timed="a guess",
            notes=("it is made up",),
            cycles=self.cycles,
        )


def compare(peer, **options):
    return nc.compare(fold(), [1.0], free="mu", p_span=(-1.0, 2.0), against=peer, repeats=1, **options)


def lp(p, x, label="LP"):
    return PeerPoint(label=label, name=f"{label}1", p=p, x=[x], normal_form={})


def test_a_fold_is_matched_with_its_differences():
    report = compare(Made(points=(lp(1e-4, 2e-4),)))
    (match,) = report.matched
    assert match.dp == pytest.approx(1e-4, abs=1e-12)
    assert match.dx == pytest.approx(2e-4 / np.sqrt(2), rel=1e-6)  # x reaches sqrt(2) at mu = 2
    assert (report.only_ntkcont, report.only_peer) == ((), ())
    assert report.stability.fraction == 1.0


def test_a_fold_too_far_away_is_listed_on_both_sides_with_residuals():
    report = compare(Made(points=(lp(0.25, 0.0),)))
    (ours,), (theirs,) = report.only_ntkcont, report.only_peer
    assert ours.holds
    assert ours.residual < 1e-12
    assert not theirs.holds
    # F = mu - x^2 = 0.25 and F_x = 0 there, F_mu = 1, and mu spans 3
    assert theirs.residual == pytest.approx(0.25 / 3)
    assert "the other curve passes it" in ours.evidence


def test_a_second_report_of_a_point_is_called_that():
    report = compare(Made(points=(lp(0.0, 0.0), lp(1e-6, 1e-6))))
    assert len(report.matched) == 1
    (again,) = report.only_peer
    assert again.evidence.startswith("a second report of LP1")


def test_a_wrong_label_is_refused_by_the_eigenvalues():
    report = compare(Made(points=(lp(0.0, 0.0, "H"),)))
    assert [one.label for one in report.only_peer] == ["H"]
    assert "all eigenvalues are real" in report.only_peer[0].evidence
    assert "ntkcont has LP1 (fold) there" in report.only_peer[0].evidence


def test_points_outside_the_span_are_left_out():
    report = compare(Made(points=(lp(0.0, 0.0), lp(2.5, 1.58))))
    assert len(report.matched) == 1
    assert report.only_peer == ()


def test_stability_that_differs_is_located():
    report = compare(Made(flip=True))
    assert report.stability.agreeing == 0
    assert report.stability.compared > 20
    assert {run[2:] for run in report.stability.differs} == {(True, False), (False, True)}
    assert all(-1.0 <= low <= high <= 2.0 for low, high, *_ in report.stability.differs)


def test_points_off_the_branch_are_not_compared():
    report = compare(Made(shift=0.5))
    assert report.stability.elsewhere > report.stability.compared


def test_seconds_are_medians_over_the_number_of_points():
    report = compare(Made())
    assert report.seconds_per_step["made"] == pytest.approx(2.0 / report.steps["made"])
    assert report.seconds_per_step["ntkcont"] > 0
    assert report.speedup > 1


def test_points_outside_the_span_count_for_the_time_of_a_step():
    report = compare(Made(p_shift=1.0))
    inside, whole = report.steps["made"], report.peer.computed
    assert 0 < inside < whole == report.steps["ntkcont"]
    assert report.seconds_per_step["made"] == pytest.approx(2.0 / whole)
    assert f"{whole} points ({whole - inside} of them outside the span) in 2 s" in repr(report)


def test_without_a_point_in_the_span_there_is_no_factor():
    report = compare(Made(p_shift=10.0))
    assert report.steps["made"] == 0
    assert np.isnan(report.speedup)
    assert "time per step: made returned no point in the span, so there is nothing to compare" in repr(report)
    assert "times faster" not in repr(report)
    assert report.notes == ()


def test_a_curve_that_ends_early_is_noted():
    (note,) = compare(Made(kept=(0, -30))).notes
    report = compare(Made(kept=(30, None)))
    assert note.startswith("made does not reach the end of ntkcont's branch at mu = 2: its last point")
    (other,) = report.notes
    assert f"is at {report.peer.sides[0][0][0]:.6g}" in other
    assert "notes:" in repr(report)


def test_a_special_point_at_the_start_cannot_be_reported_by_others():
    model = nc.Model.from_equations({"x": "mu - x**2", "y": "-y"}, {"mu": 0.0})
    report = nc.compare(model, [0.0, 0.0], free="mu", p_span=(-1, 1), against=Made(), repeats=1)
    (ours,) = report.only_ntkcont
    assert ours.evidence.endswith("a program cannot report a point at which it was started")


def test_a_branch_that_goes_to_infinity_is_measured_without_its_way_there():
    # fixed points 1.2 = x (0.7 + a x): x = 20 at a = -0.032, and to infinity as a goes to 0 from below
    peer = Made()
    report = nc.compare(
        nc.classics.henon(), [0.6, 0.2], free="a", p_span=(-0.3, 1.5), against=peer, repeats=1
    )  # fmt: skip
    assert np.abs(report.branch.x).max() > 1e4
    sizes = Scales.of(report.branch, (-0.3, 1.5)).x
    fold = 1 / 0.35  # its x
    assert fold < sizes[0] < 3 * fold
    assert peer.seen[0].arclength < 20
    assert any("ntkcont's branch goes to infinity in the span" in note for note in report.notes)
    assert not any("does not reach" in note for note in report.notes)


@pytest.mark.parametrize("direction", ["+", "both"])
def test_other_branches_are_measured_as_a_whole(direction):
    model = nc.Model.from_equations({"x": "exp(20*mu) - x"}, {"mu": 0.0})  # a factor of 5e8, but not to infinity
    branch = nc.continuation(model, [1.0], free="mu", p_span=(0.0, 1.0), direction=direction)
    assert Scales.of(branch, (0.0, 1.0)).x[0] == np.abs(branch.x).max()


def test_what_is_doubtful_in_ours_is_noted():
    report = compare(Made())
    points = [dataclasses.replace(q, converged=q.name != "LP1") for q in report.branch.special_points]
    branch = dataclasses.replace(report.branch, special_points=SpecialPoints(points))
    assert list(notes_on_ours(report.branch)) == []
    (note,) = notes_on_ours(branch)
    assert note.startswith("at mu = ")
    assert "could not establish what happens (LP?) and lists nothing" in note


def test_signs_that_differ_are_marked():
    model = nc.Model.from_equations(
        {"x": "mu*x - y - x*(x^2 + y^2)", "y": "x + mu*y - y*(x^2 + y^2)"}, {"mu": -0.5}
    )  # fmt: skip
    wrong = PeerPoint(label="H", name="H1", p=0.0, x=[0.0, 0.0], normal_form={"l1": 2.0})
    options = {"free": "mu", "p_span": (-0.5, 0.5), "repeats": 1}
    report = nc.compare(model, [0.0, 0.0], against=Made(points=(wrong,)), **options)
    assert not report.matched[0].signs_agree
    assert "l1 - + (differ)" in repr(report)


def test_the_task_starts_at_a_fixed_point_and_knows_the_parameters():
    peer = Made()
    compare(peer, params={"mu": 0.49})
    (task,) = peer.seen
    assert task.params == {"mu": 0.49}
    np.testing.assert_allclose(task.x0, [0.7], atol=1e-12)
    assert task.signs == (1, -1)


def test_the_report_is_text_json_and_a_picture(tmp_path):
    cycles = PeerCycles(
        start="H1", p=np.array([0.5, 1.0]), period=np.array([1.0, 2.0]), high=np.array([[1.0], [1.2]]),
        low=np.array([[0.2], [0.1]]), stable=np.array([True, False]), special=("LPC at 1, period 2",),
    )  # fmt: skip
    report = compare(Made(points=(lp(0.0, 0.0, "H"),), cycles=(cycles,)), title="a fold")
    text, numbers, picture = report.save(tmp_path / "new" / "folder")
    assert text.read_text() == f"{report!r}\n"
    for words in ("a fold: ntkcont", "Made 1", "only made:", "it is made up", "LPC at 1", "a guess; median of 3 runs"):
        assert words in text.read_text()
    data = json.loads(numbers.read_text())
    assert data["only_ntkcont"][0]["name"] == "LP1"
    assert data["only_peer"][0]["test_value"] is None  # infinite
    assert data["seconds_per_step"]["made"] == report.seconds_per_step["made"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(nc.InputError, match="is not a folder"):
        report.save(text)


def test_the_report_is_frozen():
    report = compare(Made())
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.matched = ()
    with pytest.raises(TypeError):
        report.seconds_per_step["ntkcont"] = 0.0


def test_pairs_are_one_to_one_with_the_least_distance():
    scales = Scales(p=1.0, x=np.ones(1))
    branch = compare(Made()).branch
    ours = [dataclasses.replace(branch.special_points["LP1"], p=p, x=[0.0]) for p in (0.0, 0.004)]
    theirs = [lp(0.005, 0.0), lp(0.003, 0.0)]
    assert assign(ours, theirs, scales, 0.01) == [(0, 1), (1, 0)]
    assert assign(ours, theirs[:1], scales, 0.01) == [(1, 0)]
    assert assign(ours, theirs, scales, 0.0005) == []


def test_the_nearest_place_lies_inside_a_segment():
    gap, index = nearest_on(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.9, 0.5]))
    assert (round(gap, 12), index) == (0.1, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"against": "pydstol"}, "did you mean 'pydstool'"),
        ({"against": PyDSTool}, "give 'pydstool' or 'xpplab', or an object"),
        ({"against": 3}, "got int"),
        ({"within": 0.0}, "within: got 0.0"),
        ({"within": "a"}, "within: got 'a'; it must be a positive number"),
        ({"repeats": 0}, "repeats: got 0"),
        ({"free": "nu"}, "'mu'"),
    ],
)
def test_bad_input_is_refused(options, words):
    arguments = {"free": "mu", "p_span": (-1.0, 2.0), "against": Made(), **options}
    with pytest.raises(nc.InputError, match=words):
        nc.compare(fold(), [1.0], **arguments)


@pytest.mark.parametrize("kind", [PyDSTool, XPPLab])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_step": -1.0}, "max_step: got -1.0; it must be positive"),
        ({"step": "a"}, "step: got 'a'; it must be a positive number"),
        ({"step": np.inf}, "step: got inf; it must be positive and finite"),
        ({"timeout": None}, "timeout: got None; it must be a positive number"),
        ({"max_points": 10.5}, "max_points: got 10.5; it must be a whole number"),
    ],
)
def test_options_of_the_programs_are_checked(kind, options, words):
    with pytest.raises(nc.InputError, match=words):
        kind(**options)


@dataclasses.dataclass
class Wrong:
    """A comparator that is not written as it should be."""

    answer: object
    name: str = "wrong"

    def follow(self, task):
        return self.answer() if callable(self.answer) else self.answer


def test_a_comparator_that_returns_nothing_is_told_so():
    with pytest.raises(nc.PeerError, match="wrong: its follow method returned NoneType; it must return a PeerBranch"):
        compare(Wrong(None))


def test_a_comparator_without_times_is_told_so():
    with pytest.raises(nc.InputError, match="seconds: got none; give the wall time of at least one run"):
        compare(Wrong(lambda: PeerBranch(program="W", sides=(), special_points=(), seconds=(), timed="")))
