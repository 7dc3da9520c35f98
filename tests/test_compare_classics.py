"""Six problems in PyDSTool's manner: what it reports is matched, and what it gets wrong is listed with evidence."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.problem_files import read_problem

FOLDER = Path(__file__).parent.parent / "examples" / "pydstool"
TOLERANCE = {"LP": 1e-6, "H": 1e-4, "PD": 1e-4}
# labels that PyDSTool reports inside the span, in the order of its two directions taken together
EXPECTED = {
    "morris_lecar_type1": {"LP": 2, "H": 1},
    "morris_lecar_type2": {"H": 2},
    "ab_reaction": {"LP": 2, "H": 1},
    "adaptive_control": {"H": 1},
    "hindmarsh_rose": {"LP": 2, "H": 2},
    "henon_map": {"LP": 1, "PD": 1},
}
# closed forms
EXACT = {
    "adaptive_control": {"H1": 1.0},
    "hindmarsh_rose": {"LP1": 3.0, "LP2": 49 / 27},
    "henon_map": {"LP1": -(0.7**2) / 4, "PD1": 3 * 0.7**2 / 4},
}
needs_pydstool = pytest.mark.skipif(
    sys.version_info >= (3, 13) or importlib.util.find_spec("PyDSTool") is None,
    reason="PyDSTool is not installed, or cannot run on this Python",
)
needs_xpplab = pytest.mark.skipif(importlib.util.find_spec("xpplab") is None, reason="xpplab is not installed")


def compared(name, against):
    problem = read_problem(FOLDER / f"{name}.toml")
    peer = problem.comparing.peer(against)
    return nc.compare(problem.model, **problem.arguments, against=peer, repeats=1, title=problem.title)


def count(labels):
    return {label: labels.count(label) for label in labels}


def test_every_problem_file_of_the_folder_is_compared():
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(EXPECTED)


@needs_pydstool
@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_every_point_of_pydstool_is_matched(name):
    report = compared(name, "pydstool")
    assert report.only_peer == ()
    assert report.only_ntkcont == ()
    assert count([match.label for match in report.matched]) == EXPECTED[name]
    for match in report.matched:
        assert abs(match.dp) < TOLERANCE[match.label], match
        assert match.dx < 1e-5, match
    for point, exact in EXACT.get(name, {}).items():
        assert abs(report.branch.special_points[point].p - exact) < 1e-10
    assert report.stability.compared > 40
    assert report.stability.fraction == 1.0
    # the sign of l1 in the AB reaction is PyDSTool's one error on these problems
    wrong = [match for match in report.matched if not match.signs_agree]
    assert [match.label for match in wrong] == (["H"] if name == "ab_reaction" else [])
    for match in wrong:
        assert match.signs["l1"] == (-1, 1)
        assert match.evidence.endswith("in: l1 < 0")


@needs_xpplab
@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "henon_map"])
def test_every_point_of_xpplab_is_matched(name):
    report = compared(name, "xpplab")
    assert (report.only_peer, report.only_ntkcont) == ((), ())
    assert count([match.label for match in report.matched]) == EXPECTED[name]
    assert max(abs(match.dp) for match in report.matched) < 1e-5
    assert report.stability.fraction == 1.0


@needs_xpplab
def test_a_period_doubling_that_xpplab_calls_hopf_is_listed_with_evidence():
    report = compared("henon_map", "xpplab")
    (ours,), (theirs,) = report.only_ntkcont, report.only_peer
    assert (ours.label, theirs.label) == ("PD", "H")
    assert ours.holds
    assert not theirs.holds
    assert np.isinf(theirs.test_value)
    assert "all eigenvalues are real (-1, 0.3)" in theirs.evidence
    assert "ntkcont has PD1 (period doubling) there" in theirs.evidence
    assert "changes its stability there, but reports no point" in ours.evidence
