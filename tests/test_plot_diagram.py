"""The diagram is solid where stable and dashed where not, marks what was found, and lists only what it draws."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import types

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm, Normalize
from synthetic import FOLD, cusp_branch, hopf_branch, special

import ntkcont as nc
from ntkcont import InputError
from ntkcont.plot.curves import ColoredCurve, color_norm, runs_with_specials
from ntkcont.plot.markers import MARKERS
from ntkcont.results.labels import LABELS
from ntkcont.results.special_points import SpecialPoints


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before  # no plot may change them
    plt.close("all")


def curves(ax, stable):
    return [line for line in ax.lines if line.get_gid() == ("stable" if stable else "unstable")]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_stable_runs_are_solid_and_unstable_ones_dashed():
    ax = nc.plot.bifurcation_diagram(cusp_branch())
    assert [line.get_linestyle() for line in curves(ax, True)] == ["-", "-"]
    (unstable,) = curves(ax, False)
    assert unstable.get_linestyle() == "--"
    # stability changes at the fold itself, not at the next point of the branch
    np.testing.assert_allclose(unstable.get_xdata()[[0, -1]], [2 * FOLD / 3, -2 * FOLD / 3], rtol=1e-15)
    np.testing.assert_allclose(unstable.get_ydata()[[0, -1]], [-FOLD, FOLD], rtol=1e-15)
    assert np.all(np.abs(unstable.get_ydata()) <= FOLD)


def test_no_point_of_the_branch_is_lost_between_the_runs():
    branch = cusp_branch()
    lines = [line for line in nc.plot.bifurcation_diagram(branch).lines if line.get_gid() in ("stable", "unstable")]
    drawn = {(float(u), float(v)) for line in lines for u, v in zip(*line.get_data(), strict=True)}
    assert drawn >= set(zip(branch.p.tolist(), branch.x[:, 0].tolist(), strict=True))
    for left, right in itertools.pairwise(lines):
        assert left.get_xdata()[-1] == right.get_xdata()[0]


def test_rows_that_are_special_points_themselves_do_not_decide_the_style():
    branch = cusp_branch()
    point = branch.special_points["LP1"]
    i = int(np.searchsorted(branch.s, point.s))
    columns = {name: np.insert(getattr(branch, name), i, value, axis=0) for name, value in {
        "p": point.p, "x": point.x, "s": point.s, "tangent": 0.0, "eigenvalues": 0.0, "stable": True, "n_unstable": 1,
    }.items()}  # fmt: skip
    inserted = dataclasses.replace(branch, **columns, ntk=None)
    specials = (np.array([p.p for p in branch.special_points]), np.array([p.x[0] for p in branch.special_points]))
    runs = runs_with_specials(inserted, (inserted.p, inserted.x[:, 0]), specials)
    assert [run.stable for run in runs] == [True, False, True]
    assert runs[0].y[-1] == point.x[0]


def test_several_special_points_in_one_step():
    branch = cusp_branch(k=7)  # x = -1.5, -1, -0.5, ...
    user = [special("UZ", f"UZ{i}", x**3 - x, x, np.interp(x, branch.x[:, 0], branch.s), ("x",)) for i, x in
            enumerate([-1.3, -1.2])]  # fmt: skip
    branch = dataclasses.replace(branch, special_points=SpecialPoints([*user, *branch.special_points]))
    ax = nc.plot.bifurcation_diagram(branch)
    stable = curves(ax, True)[0]
    assert list(stable.get_ydata()) == [-1.5, -1.3, -1.2, -1.0, -FOLD]  # between the two zeros it stays solid


def test_markers_come_from_the_table_and_are_named():
    ax = nc.plot.bifurcation_diagram(cusp_branch())
    marked = {line.get_gid(): line for line in ax.lines if str(line.get_gid()).startswith("LP")}
    assert set(marked) == {"LP1", "LP2"}
    assert marked["LP1"].get_marker() == MARKERS["LP"].shape
    assert marked["LP1"].get_xdata()[0] == pytest.approx(2 * FOLD / 3)
    assert {text.get_text() for text in ax.texts} == {"LP1", "LP2"}


def test_every_label_has_its_own_marker_and_colour():
    assert set(MARKERS) == set(LABELS)
    assert len({marker.shape for marker in MARKERS.values()}) == len(MARKERS)
    assert len({marker.color for marker in MARKERS.values()}) == len(MARKERS)


def test_the_legend_lists_only_what_is_drawn():
    assert legend_texts(nc.plot.bifurcation_diagram(cusp_branch())) == ["stable", "unstable", "fold (LP)"]
    branch = cusp_branch(limit=0.4)
    plain = dataclasses.replace(branch, special_points=SpecialPoints())
    assert legend_texts(nc.plot.bifurcation_diagram(plain)) == ["unstable"]
    assert nc.plot.bifurcation_diagram(plain, legend=False).get_legend() is None
    both = legend_texts(nc.plot.bifurcation_diagram([cusp_branch(), cusp_branch(limit=2.0)]))
    assert both == ["stable", "unstable", "fold (LP)"]  # two branches, each entry once


def test_the_legend_stands_above_the_title_and_inside_the_figure():
    _, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
    for ax in axes:
        nc.plot.bifurcation_diagram(cusp_branch(), ax=ax)
    axes[0].set_title("a title that comes later")
    axes[1].plot([0.0], [2e9])  # an exponent above the vertical axis
    axes[0].figure.canvas.draw()
    legends = [ax.get_legend().get_window_extent() for ax in axes]
    assert axes[1].yaxis.get_offset_text().get_text() == "1e9"
    assert not legends[0].overlaps(axes[0].title.get_window_extent())
    assert not legends[1].overlaps(axes[1].yaxis.get_offset_text().get_window_extent())
    for legend in legends:
        assert legend.y1 <= axes[0].figure.bbox.y1
        assert legend.width < axes[0].get_window_extent().width + 1
    axes[0].get_legend().remove()
    assert axes[0].get_legend() is None


def test_neutral_saddles_are_marked_but_named_only_on_request():
    neutral = special("NSad", "NSad1", 0.0, 0.0, cusp_branch().s[100], ("x",))
    branch = dataclasses.replace(cusp_branch(), special_points=SpecialPoints([neutral]))
    ax = nc.plot.bifurcation_diagram(branch)
    assert "neutral saddle (NSad)" in legend_texts(ax)
    assert [text.get_text() for text in ax.texts] == []
    assert [text.get_text() for text in nc.plot.bifurcation_diagram(branch, labels="all").texts] == ["NSad1"]


# ---------------------------------------------------------------- what is on the axes


def network(n=12):
    rng = np.random.default_rng(0)
    states = tuple(f"z{i}" for i in range(n))
    return dataclasses.replace(
        hopf_branch(), states=states, x=rng.standard_normal((101, n)), tangent=np.zeros((101, n + 1)),
        eigenvalues=np.zeros((101, n)), special_points=SpecialPoints(),
    )  # fmt: skip


def test_default_and_chosen_y():
    branch = network()
    ax = nc.plot.bifurcation_diagram(branch)
    assert ax.get_ylabel() == "‖x‖"
    np.testing.assert_allclose(curves(ax, True)[0].get_ydata(), np.linalg.norm(branch.x, axis=1)[:50], rtol=1e-15)
    assert nc.plot.bifurcation_diagram(hopf_branch()).get_ylabel() == "x"
    assert nc.plot.bifurcation_diagram(hopf_branch(), y="y").get_ylabel() == "y"
    assert ax.get_xlabel() == "mu"

    def mean_rate(branch):
        return branch.x.mean(axis=1)

    ax = nc.plot.bifurcation_diagram(branch, y=mean_rate)
    assert ax.get_ylabel() == "mean_rate"
    assert curves(ax, True)[0].get_ydata()[3] == branch.x[3].mean()


def test_a_signature_over_decades_gets_a_logarithmic_axis():
    assert nc.plot.bifurcation_diagram(cusp_branch(), y="top").get_yscale() == "log"
    assert nc.plot.bifurcation_diagram(cusp_branch(), y="stable_rank").get_yscale() == "linear"
    assert nc.plot.bifurcation_diagram(cusp_branch()).get_yscale() == "linear"


def test_names_with_dollar_signs_are_not_mathematics():
    branch = dataclasses.replace(hopf_branch(), free="a$b$c", special_points=SpecialPoints())
    ax = nc.plot.bifurcation_diagram(branch)
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == r"a\$b\$c"


def test_it_draws_on_the_given_axes_and_returns_them():
    figure, axes = plt.subplots(1, 2)
    assert nc.plot.bifurcation_diagram(cusp_branch(), ax=axes[1]) is axes[1]
    assert len(axes[0].lines) == 0
    assert len(plt.get_fignums()) == 1
    assert axes[1].xaxis.label.get_fontsize() == axes[0].xaxis.label.get_fontsize()  # the style of the user
    assert figure.axes == list(axes)


# ---------------------------------------------------------------- colour


def colored(ax):
    return [artist for artist in ax.collections if isinstance(artist, ColoredCurve)]


def test_colour_keeps_solid_and_dashed_and_adds_a_bar():
    branch = cusp_branch()
    ax = nc.plot.bifurcation_diagram(branch, color="participation_ratio")
    assert [curve.dashed for curve in colored(ax)] == [False, True, False]
    assert sum(len(curve.get_segments()) for curve in colored(ax)) == len(branch) - 1 + 2  # two folds inserted
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert bar.get_ylabel() == "participation ratio"
    assert len({id(curve.norm) for curve in colored(ax)}) == 1


def test_the_colour_of_an_interval_is_that_of_its_ends():
    branch = cusp_branch(k=7)
    ax = nc.plot.bifurcation_diagram(branch, color=lambda b: b.x[:, 0])
    first = colored(ax)[0]
    assert np.asarray(first.get_array())[0] == -1.25  # between x = -1.5 and -1


def test_the_scale_is_logarithmic_over_two_decades():
    ax = nc.plot.bifurcation_diagram(cusp_branch(), color="top")
    assert isinstance(colored(ax)[0].norm, LogNorm)
    ax = nc.plot.bifurcation_diagram(cusp_branch(), color="stable_rank")
    assert not isinstance(colored(ax)[0].norm, LogNorm)
    given = Normalize(0, 5)
    ax = nc.plot.bifurcation_diagram(cusp_branch(), color="top", norm=given)
    assert colored(ax)[0].norm is given


def test_a_divergence_does_not_use_up_the_scale():
    values = np.ones(1001)
    values[:500] = np.linspace(1.0, 3.0, 500)
    values[500] = 1e12
    norm, extend = color_norm(values, np.ones(1001))
    assert norm.vmax < 10
    assert extend == "max"
    norm, extend = color_norm(np.array([np.nan, np.inf, np.nan]), np.ones(3))
    assert (norm.vmin, norm.vmax, extend) == (0.0, 1.0, "neither")
    norm, _ = color_norm(np.full(5, 2.0), np.ones(5))
    assert norm.vmin < 2.0 < norm.vmax


def test_nan_and_inf_are_drawn_without_a_warning():
    branch = cusp_branch()
    top = np.array(branch.ntk.top)
    top[20:40], top[60] = np.nan, np.inf
    branch = branch.with_ntk(nc.Signatures({"top": top}))
    ax = nc.plot.bifurcation_diagram(branch, color="top")
    ax.figure.canvas.draw()
    assert np.ma.count_masked(colored(ax)[0].get_array()) >= 19


def test_coloured_dashes_have_gaps_and_keep_their_length_when_zoomed():
    ax = nc.plot.bifurcation_diagram(cusp_branch(k=2001), color="top")
    ax.figure.canvas.draw()
    curve = next(curve for curve in colored(ax) if curve.dashed)

    def dashes():
        cut, values = curve._dashes(2.0)
        return [np.sum(np.linalg.norm(np.diff(each, axis=0), axis=1)) for each in cut], len(values), cut

    lengths, count, cut = dashes()
    assert count == len(cut) > 5
    np.testing.assert_allclose(lengths[:-1], 3.7 * 2.0, rtol=1e-6)  # "--" in units of the width
    gaps = [np.linalg.norm(b[0] - a[-1]) for a, b in itertools.pairwise(cut)]
    np.testing.assert_allclose(gaps, 1.6 * 2.0, rtol=0.05)
    ax.set_ylim(-0.2, 0.2)
    zoomed, more, _ = dashes()
    assert more > 2 * count
    np.testing.assert_allclose(zoomed[:-1], 3.7 * 2.0, rtol=1e-6)


def test_whole_numbers_get_whole_ticks():
    ax = nc.plot.bifurcation_diagram(cusp_branch(), color="n_unstable")
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert list(bar.get_yticks()) == [0.0, 1.0]


def test_several_branches_share_one_scale():
    ax = nc.plot.bifurcation_diagram([cusp_branch(), cusp_branch(limit=2.0)], color="top")
    assert len(colored(ax)) == 6
    assert len({id(curve.norm) for curve in colored(ax)}) == 1
    assert len(ax.figure.axes) == 2


# ---------------------------------------------------------------- simulated cycles


class Cycle:
    p = np.linspace(0.1, 1.0, 5)
    low = -np.sqrt(p)
    high = np.sqrt(p)
    period = np.full(5, np.pi)


def test_the_envelope_is_drawn_twice_and_said_to_be_simulated(monkeypatch):
    asked = []

    def envelope(branch, y, model=None):
        asked.append((branch, y, model))
        return [Cycle()]

    stand_in = types.SimpleNamespace(cycle_envelope=envelope)
    monkeypatch.setitem(sys.modules, "ntkcont.dynamics.cycles", stand_in)
    branch, model = hopf_branch(), object()
    ax = nc.plot.bifurcation_diagram(branch, y="x", envelope=True, model=model)
    drawn = [line for line in ax.lines if line.get_gid() == "simulated"]
    assert sorted(line.get_ydata()[-1] for line in drawn) == [-1.0, 1.0]
    assert asked == [(branch, "x", model)]
    assert [text for text in legend_texts(ax) if "simulated" in text] == ["stable cycle, max and min (simulated)"]


def test_the_envelope_needs_a_model():
    with pytest.raises(InputError, match=r"envelope: the branch carries no model .*; give model="):
        nc.plot.bifurcation_diagram(hopf_branch(), envelope=True)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "xx"}, "y: 'xx' is no column of this branch; did you mean 'x'"),
        (
            {"color": "participation"},
            "color: 'participation' is no column of this branch; did you mean 'participation_ratio'",
        ),
        ({"color": "eigenvalues"}, "color: 'eigenvalues' has several numbers per point; choose one of top"),
        (
            {"y": lambda b: b.x},
            r"y: the function returned shape \(201, 1\); it must return one number for each of the 201",
        ),
        ({"legend": "left"}, "legend: 'left' is unknown"),
        ({"labels": "some"}, "labels: got 'some'"),
        ({"color": "top", "cmap": "virids"}, "cmap: 'virids' is unknown; did you mean 'viridis'"),
        ({"ax": "axes"}, "ax: got str; give one matplotlib Axes"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        nc.plot.bifurcation_diagram(cusp_branch(), **arguments)


def test_a_branch_without_kernel_says_how_to_attach_one():
    with pytest.raises(
        InputError, match=r"color: 'top' is no column.* attach one with nc\.annotate\(branch, nc\.ntk\.Stat"
    ):
        nc.plot.bifurcation_diagram(cusp_branch(kernel=False), color="top")


def test_only_branches_of_one_parameter_can_be_drawn():
    with pytest.raises(InputError, match="branch: got list; give a Branch"):
        nc.plot.bifurcation_diagram([[1]])
    with pytest.raises(InputError, match="branch: got int"):
        nc.plot.bifurcation_diagram(3)
    with pytest.raises(InputError, match="one is in 'h' and another in 'g'"):
        nc.plot.bifurcation_diagram([cusp_branch(), cusp_branch(free="g")])
    with pytest.raises(InputError, match="it has no points"):
        nc.plot.bifurcation_diagram([])
    with pytest.raises(InputError, match="it has no points"):
        nc.plot.bifurcation_diagram(hopf_branch(k=0))
