"""What was measured in decades is drawn on a logarithmic axis, with few labels that have room."""

from __future__ import annotations

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm

import ntkcont as nc
from ntkcont.plot.figure import log_scale
from ntkcont.results.special_points import SpecialPoints, renumbered

GENE = nc.Model.from_equations({"x": "L + x^2/(K^2 + x^2) - d*x"}, {"K": 1e-6, "L": 0.01, "d": 1.0})
TOGGLE = nc.Model.from_equations({"u": "a/(1 + v^2) - u", "v": "a/(1 + u^2) - v"}, {"a": 1e-2})


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def gene():
    return nc.continuation(GENE, [1.0], free="K", p_span=(1e-6, 1e6), log=("K", "x"))


def labels(axis):
    """Places and pixel boxes of the labels of an axis that are shown, in order."""
    figure = axis.get_figure()
    figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    shown = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_text()]
    boxes = [tick.label1.get_window_extent() for tick in shown]
    return [tick.get_loc() for tick in shown], boxes


def check_labels(axis, least=3):
    places, boxes = labels(axis)
    assert least <= len(places) <= 9, places
    across = boxes[0].x0 < boxes[-1].x0 and abs(boxes[0].y0 - boxes[-1].y0) < 1.0
    ends = [(box.x0, box.x1) if across else (box.y0, box.y1) for box in boxes]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends)), "labels touch"
    return places


# ---------------------------------------------------------------- which axes


def test_both_axes_of_a_diagram_in_decades(gene):
    ax = nc.plot.bifurcation_diagram(gene)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlim()[0] < 1e-6
    assert ax.get_xlim()[1] > 1e6
    names = {text.get_text() for text in ax.texts}
    assert names == {"LP1", "LP2"}


def test_only_what_was_measured_in_decades():
    branch = nc.continuation(GENE, [1.0], free="K", p_span=(0.1, 10.0), params={"K": 0.1}, log=("K",))
    ax = nc.plot.bifurcation_diagram(branch)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    ax = nc.plot.bifurcation_diagram(branch, y="norm")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    plain = nc.continuation(GENE, [1.0], free="K", p_span=(0.1, 10.0), params={"K": 0.1})
    ax = nc.plot.bifurcation_diagram(plain)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert nc.plot.bifurcation_diagram([plain, branch]).get_xscale() == "log"


def test_an_axis_that_holds_other_signs_is_linear():
    line = nc.Model.from_equations({"x": "K - x"}, {"K": 1.0})
    positive = nc.continuation(line, [1.0], free="K", p_span=(0.5, 2.0), log=("K", "x"))
    both = nc.continuation(line, [1.0], free="K", p_span=(-1.0, 2.0))
    ax = nc.plot.bifurcation_diagram([positive, both])
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_panels_share_the_logarithmic_parameter(gene):
    annotated = nc.annotate(gene, nc.ntk.StateNTK(theta=["L"], theta_scale="none", state_scale="none"))
    figure = nc.plot.ntk_panels(annotated)
    assert {ax.get_xscale() for ax in figure.axes} == {"log"}
    check_labels(figure.axes[-1].xaxis)
    line = next(line for line in figure.axes[-1].lines if line.get_gid() == "line LP1")
    np.testing.assert_allclose(line.get_xdata(), gene.special_points["LP1"].p)


def test_eigenvalues_are_coloured_by_the_logarithm(gene):
    ax = nc.plot.spectrum(gene)
    (dots,) = [art for art in ax.collections if art.get_gid() == "eigenvalues"]
    assert isinstance(dots.norm, LogNorm)
    assert (dots.norm.vmin, dots.norm.vmax) == (1e-6, 1e6)


def test_curves_and_planes_in_two_parameters(gene):
    spans = ((1e-6, 1e6), (1e-5, 1.0))
    curve = nc.continuation(GENE, gene.special_points["LP1"], free=("K", "L"), p_span=spans, log=("K", "L"))
    kernel = nc.ntk.StateNTK(theta=["d"], theta_scale="none", state_scale="none")
    plane = nc.ntk.parameter_plane(GENE, [1e-5], kernel, free=("K", "L"), p_span=spans, shape=(13, 6), log=("K", "L"))
    np.testing.assert_allclose(plane.p[0], 10.0 ** np.arange(-6.0, 7.0), rtol=1e-12)
    np.testing.assert_allclose(plane.p[1], 10.0 ** np.arange(-5.0, 1.0), rtol=1e-12)
    assert plane.log == ("K", "L")
    for heat in (None, plane):
        ax = nc.plot.two_parameter(curve, heat=heat, signature="top")
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        np.testing.assert_allclose([*ax.get_xlim(), *ax.get_ylim()], [1e-6, 1e6, 1e-5, 1.0])
        assert {text.get_text() for text in ax.texts} == {"CP1"}
    (mesh,) = [art for art in ax.collections if art.get_gid() == "heat"]
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], 10.0 ** np.arange(-6.5, 7.0), rtol=1e-12)  # around each node
    np.testing.assert_allclose(corners[:, 0, 1], 10.0 ** np.arange(-5.5, 1.0), rtol=1e-12)
    linear = nc.continuation(GENE, gene.special_points["LP1"], free=("K", "L"), p_span=((0.1, 1), (1e-3, 1)))
    ax = nc.plot.two_parameter(linear)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    with pytest.raises(nc.InputError, match="log: 'x' is a state; here it may be 'K' or 'L'"):
        nc.ntk.parameter_plane(GENE, [1e-5], kernel, free=("K", "L"), p_span=spans, log=("x",))


def test_states_against_each_other_in_decades():
    diagram = nc.diagram(TOGGLE, [[1e-2, 1e-2]], free="a", p_span=(1e-2, 1e2), log=("a", "u", "v"))
    ax = nc.plot.state_space(list(diagram), basis=("u", "v"))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    directions = [line.get_xydata() for line in ax.lines if line.get_gid() == "direction"]
    assert directions
    for ends in directions:  # across the symmetric branch u = v: du = -dv, at u = v also in logarithms
        np.testing.assert_allclose(np.prod(ends, axis=1), np.prod(ends[0]), rtol=1e-6)
        assert (ends > 0).all()
    ax = nc.plot.state_space(list(diagram))
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_simulated_cycles_are_spread_over_decades():
    # the rate of growth is log10 K + 2: H at K = 1e-2, cycles of radius sqrt(log10 K + 2)
    growth = "(log(K)/2.302585092994046 + 2)"
    model = nc.Model.from_equations(
        {"x": f"{growth}*x - y - x*(x^2 + y^2)", "y": f"x + {growth}*y - y*(x^2 + y^2)"}, {"K": 1e-4}
    )
    branch = nc.continuation(model, [0.0, 0.0], free="K", p_span=(1e-4, 1e2), log=("K",))
    assert branch.special_points["H1"].p == pytest.approx(1e-2, rel=1e-9)
    ax = nc.plot.bifurcation_diagram(branch, envelope=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    high, low = (line.get_xydata() for line in ax.lines if line.get_gid() == "simulated")
    for side, sign in ((high, 1.0), (low, -1.0)):
        radius = np.sqrt(np.maximum(np.log10(side[:, 0]) + 2.0, 0.0))  # the first is at H, to rounding
        np.testing.assert_allclose(side[:, 1], sign * radius, atol=1e-3)
        assert np.diff(np.log10(side[:, 0])).max() < 0.7
        assert side[0, 0] == pytest.approx(1e-2, rel=1e-6)


def test_an_ensemble_over_decades(tmp_path):
    equations = {"x": "L + x^2/(K^2 + x^2) - d*x"}
    problems = [
        nc.Problem(
            nc.Model.from_equations, {"equations": equations, "params": {"K": 1e-4, "L": L, "d": 1.0}}, x0=1.0,
            free="K", p_span=(1e-4, 1e4), log=("K",),
        )
        for L in (0.01, 0.02)
    ]  # fmt: skip
    with ThreadPoolExecutor(1) as executor:
        found = nc.ensemble(problems, executor, store=tmp_path)
    assert found.log == ("K",)
    assert nc.load(tmp_path).log == ("K",)
    figure = nc.plot.ensemble(found, y="x")
    assert {ax.get_xscale() for ax in figure.axes} == {"log"}
    line = next(line for line in figure.axes[0].lines if line.get_gid() == "median")
    np.testing.assert_allclose(np.diff(np.log(line.get_xdata())), np.log(1e8) / 400, rtol=1e-9)
    K = np.array([1e-3, 0.03, 0.2])  # x(x - L)(K^2 + x^2) = x^2 on the upper sheet
    for L, x in zip((0.01, 0.02), found.values("x", K), strict=True):
        np.testing.assert_allclose(L + x**2 / (K**2 + x**2), x, atol=2e-3)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("span", [(1e-6, 1e6), (1e-12, 1e12), (3e-4, 2e5), (1e-150, 1e150), (2e-3, 5.0), (0.1, 10.0)])
@pytest.mark.parametrize("width", [2.2, 3.3, 6.8])
def test_labels_have_room_over_any_number_of_decades(span, width):
    _, ax = plt.subplots(figsize=(width, 2.6), layout="constrained")
    ax.plot(span, span)
    log_scale(ax, "x")
    log_scale(ax, "y")
    for axis in (ax.xaxis, ax.yaxis):
        places = check_labels(axis, least=2)
        np.testing.assert_allclose(np.log10(places), np.round(np.log10(places)), atol=1e-9)  # powers of ten
        if span[0] < 1.0 < span[1]:
            assert 1.0 in places
        assert len(set(np.round(np.diff(np.log10(places)), 9))) <= 1  # evenly spaced
        assert len(axis.get_minorticklocs()) <= 100


@pytest.mark.parametrize("span", [(0.15, 0.7), (0.15, 2.0), (2.0, 3.0), (1.001, 1.002), (3e-7, 4e-7), (0.9, 12.0)])
def test_labels_within_a_decade(span):
    _, ax = plt.subplots(figsize=(3.3, 2.6), layout="constrained")
    ax.plot(span, span)
    log_scale(ax, "x")
    check_labels(ax.xaxis, least=2)


# ---------------------------------------------------------------- one point or two


def test_points_decades_apart_are_not_one(gene):
    def at(K, s):
        point = gene.special_points["LP1"]
        return dataclasses.replace(point, label="BP", p=K, s=s, params={**point.params, "K": K})

    points = [at(1e-6, 0.0), at(2e-6, 1.0), at(1e6, 2.0), at(1e-6 * (1.0 + 1e-9), 3.0)]
    assert renumbered(points, ("K",)).names == ("BP1", "BP2", "BP3", "BP1")
    assert renumbered(points).names == ("BP1", "BP2", "BP3", "BP1")
    low = dataclasses.replace(gene, special_points=SpecialPoints([at(1e-6, -0.5)]))
    other = dataclasses.replace(gene, special_points=SpecialPoints([dataclasses.replace(at(1e-4, -0.5), name="BP1")]))
    low = dataclasses.replace(low, special_points=SpecialPoints([dataclasses.replace(at(1e-6, -0.5), name="BP1")]))
    ax = nc.plot.bifurcation_diagram([low, other])
    assert sorted(float(line.get_xdata()[0]) for line in ax.lines if line.get_gid() == "BP1") == [1e-6, 1e-4]
