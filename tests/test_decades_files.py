"""``log`` in problem files, on the command line and in comparisons with other programs."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from test_compare import Made, lp

import ntkcont as nc
from ntkcont.cli import main
from ntkcont.errors import InputError
from ntkcont.peers.picture import draw
from ntkcont.problem_files import read_problem

FILE = """
[model.equations]
x = "L + x**2/(K**2 + x**2) - x"
[model.params]
K = 1e-6
L = 0.01
[continuation]
x0 = [1.0]
free = "K"
p_span = [1e-6, 1e6]
log = {log}
[outputs]
npz = "gene.npz"
diagram = "gene.png"
"""
GENE = nc.Model.from_equations({"x": "L + x^2/(K^2 + x^2) - x"}, {"K": 1e-6, "L": 0.01})
FOLDS = [0.510102073154, 0.198987122608]


@pytest.fixture
def write(tmp_path):
    def writer(log):
        path = tmp_path / "gene.toml"
        path.write_text(FILE.format(log=log))
        return path

    return writer


def test_a_problem_file_measures_in_decades(write, tmp_path, capsys):
    path = write('["K"]')
    branch = read_problem(path).solve()
    assert branch.log == ("K",)
    np.testing.assert_allclose([point.p for point in branch.special_points("LP")], FOLDS, rtol=1e-11)
    assert main(["run", str(path), "--out", str(tmp_path)]) == 0
    assert nc.load(tmp_path / "gene.npz") == branch
    assert (tmp_path / "gene.png").read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    assert "in decades: K" in capsys.readouterr().out
    assert main(["plot", str(tmp_path / "gene.npz"), "-o", str(tmp_path / "again.pdf")]) == 0


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ('"K"', r"\[continuation\] log: got 'K'; it must be a list of names, such as \[\"K\"\]"),
        ("[1]", r"\[continuation\] log: got \[1\]; it must be a list of names"),
        ('["k"]', r"gene.toml: log: 'k' is unknown; did you mean 'K'\?"),
        ('["L"]', r"gene.toml: log: 'L' is a parameter that does not move here"),
        ('["K", "K"]', r"gene.toml: log: 'K' is named 2 times"),
    ],
)
def test_what_a_problem_file_may_not_say(write, log, message):
    with pytest.raises(InputError, match=message):
        read_problem(write(log)).solve()


def test_a_comparison_measures_distances_in_decades():
    near, far = lp(FOLDS[1] * 1.01, 0.0202), lp(FOLDS[0] * 3.0, 0.5)
    options = {"free": "K", "p_span": (1e-6, 1e6), "repeats": 1}
    report = nc.compare(GENE, [1.0], against=Made(points=(near, far)), log=("K", "x"), **options)
    assert report.branch.log == ("K", "x")
    assert [(match.ntkcont.name, match.peer.p) for match in report.matched] == [("LP2", near.p)]
    (match,) = report.matched
    apart = np.hypot(np.log(1.01) / np.log(1e12), np.log(0.0202 / match.ntkcont["x"]))
    assert match.distance == pytest.approx(apart, rel=1e-9)
    assert [one.point.p for one in report.only_peer] == [far.p]  # 1e-6 of the span in ordinary units
    ax = draw(report)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    plt.close("all")
    with pytest.raises(InputError, match="did you mean 'K'"):
        nc.compare(GENE, [1.0], against=Made(), log=("k",), **options)


def test_a_program_that_leaves_the_positive_values_is_elsewhere():
    options = {"free": "K", "p_span": (1e-6, 1e6), "repeats": 1, "log": ("K", "x")}
    report = nc.compare(GENE, [1.0], against=Made(shift=-2.0), **options)
    assert report.stability.elsewhere == len(report.branch)
