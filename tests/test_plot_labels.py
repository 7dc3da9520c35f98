"""Names never cover each other or a marker, whatever the size of the figure; where there is no room they are hidden."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from synthetic import cusp_branch, special

import ntkcont as nc
from ntkcont.plot.labels import NameTags, TopLabels, as_one
from ntkcont.results.special_points import SpecialPoints

KINDS = ("LP", "H", "BP", "PD", "NS", "UZ", "BC")


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def crowded(count, seed, spread):
    branch = cusp_branch()
    rng = np.random.default_rng(seed)
    middle = 0.5 * (branch.s[0] + branch.s[-1])
    arclengths = np.clip(middle + spread * rng.standard_normal(count), branch.s[0], branch.s[-1])
    points = []
    for i, s in enumerate(arclengths):
        x = np.interp(s, branch.s, branch.x[:, 0])
        label = KINDS[i % len(KINDS)]
        points.append(special(label, f"{label}{i}", x**3 - x, x, s, ("x",)))
    return dataclasses.replace(branch, special_points=SpecialPoints(points))


def boxes(ax):
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    tags = NameTags.of(ax)
    names = [Text.get_window_extent(tag, renderer) for tag in tags.tags if tag.get_visible()]
    markers = [(ax.transData.transform((x, y)), 0.5 * size * ax.figure.dpi / 72) for x, y, size in tags.markers]
    return names, markers


@pytest.mark.parametrize("spread", [2.0, 0.3, 0.0])
@pytest.mark.parametrize("size", [(5.2, 3.8), (3.5, 2.5)])
def test_names_cover_neither_each_other_nor_a_marker(spread, size):
    ax = nc.plot.bifurcation_diagram(crowded(25, 0, spread))
    ax.figure.set_size_inches(size)
    names, markers = boxes(ax)
    assert len(names) >= {2.0: 4, 0.3: 2, 0.0: 1}[spread]  # markers on top of each other have one text
    for a, b in itertools.combinations(names, 2):
        assert not a.overlaps(b)
    for name in names:
        for (u, v), radius in markers:
            assert not (name.x0 < u + radius and name.x1 > u - radius and name.y0 < v + radius and name.y1 > v - radius)
        assert ax.get_window_extent().contains(name.x0, name.y0)
        assert ax.get_window_extent().contains(name.x1, name.y1)


def test_a_few_names_all_find_a_place_off_the_curve():
    ax = nc.plot.bifurcation_diagram(cusp_branch())
    names, _ = boxes(ax)
    assert len(names) == 2
    line = np.concatenate([ax.transData.transform(curve) for curve in _curves(ax)])
    for name in names:
        assert not np.any((line > [name.x0, name.y0]).all(axis=1) & (line < [name.x1, name.y1]).all(axis=1))


def _curves(ax):
    for x, y in NameTags.of(ax).curves:
        t = np.linspace(0, len(x) - 1, 20 * len(x))
        yield np.column_stack([np.interp(t, np.arange(len(x)), x), np.interp(t, np.arange(len(y)), y)])


def test_a_name_leaves_when_its_marker_is_zoomed_out_of_the_picture():
    ax = nc.plot.bifurcation_diagram(cusp_branch())
    ax.set_ylim(0.0, 1.5)
    ax.figure.canvas.draw()
    assert [tag.get_text() for tag in NameTags.of(ax).tags if tag.get_visible()] == ["LP2"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["NS1"], "NS1"),
        (["NS3", "NS1", "NS2"], "NS1-NS3"),
        (["BP1", "BP1"], "BP1"),  # one point, drawn twice
        (["PD7", "PD8"], "PD7, PD8"),
        (["PD1", "H2", "PD3"], "PD1, PD3, H2"),
        (["half#1", "half#2", "half#3", "LP10", "LP9", "LP11"], "half#1-half#3, LP9-LP11"),
        (["LP1", "H1", "BP1", "PD1", "PD2", "PD3"], "LP1, H1 and 4 more"),
    ],
)
def test_names_in_one_text(names, text):
    assert as_one(names) == text


def test_markers_on_top_of_each_other_have_one_text_until_they_are_told_apart():
    branch = cusp_branch()
    middle = 0.5 * (branch.s[0] + branch.s[-1])
    points = []
    for i, shift in enumerate((0.0, 1e-3, 2e-3), start=1):
        x = float(np.interp(middle + shift, branch.s, branch.x[:, 0]))
        points.append(special("H", f"H{i}", x**3 - x, x, middle + shift, ("x",)))
    ax = nc.plot.bifurcation_diagram(dataclasses.replace(branch, special_points=SpecialPoints(points)))

    def shown():
        ax.figure.canvas.draw()
        return [tag.get_text() for tag in NameTags.of(ax).tags if tag.get_visible()]

    assert shown() == ["H1-H3"]
    ax.set_xlim(points[2].p - 1e-3, points[0].p + 1e-3)
    ax.set_ylim(points[0].x[0] - 3e-3, points[2].x[0] + 3e-3)
    assert sorted(shown()) == ["H1", "H2", "H3"]


def test_two_diagrams_on_one_axes_share_their_tags():
    ax = nc.plot.bifurcation_diagram(cusp_branch())
    nc.plot.bifurcation_diagram(cusp_branch(limit=1.6), ax=ax)
    assert len(NameTags.of(ax).tags) == 4
    names, _ = boxes(ax)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(names, 2))


def test_names_on_top_of_the_panels_are_stacked_and_inside_the_figure():
    figure = nc.plot.ntk_panels(crowded(9, 1, 0.2))
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    (top,) = [artist for artist in figure.axes[0].get_children() if isinstance(artist, TopLabels)]
    names = [Text.get_window_extent(tag, renderer) for tag in top.tags if tag.get_visible()]
    assert len(names) >= 5
    for a, b in itertools.combinations(names, 2):
        assert not a.overlaps(b)
    for name in names:
        assert name.y1 <= figure.bbox.y1
        assert name.y0 >= figure.axes[0].get_window_extent().y1
