"""Kernel panels share the parameter axis, keep stability readable, and mark the bifurcations in every panel."""

from __future__ import annotations

import dataclasses
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from invariants import check_branch
from matplotlib import pyplot as plt
from synthetic import FOLD, cusp_branch, hopf_branch

import ntkcont as nc
from ntkcont import InputError


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


def styles(ax):
    return [line.get_linestyle() for line in ax.lines if line.get_gid() in ("stable", "unstable")]


def curve(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_four_panels_over_one_parameter_axis():
    figure = nc.plot.ntk_panels(cusp_branch())
    diagram, eigenvalues, ranks, critical = figure.axes
    assert diagram.get_shared_x_axes().joined(diagram, critical)
    assert eigenvalues.get_yscale() == "log"
    assert critical.get_xlabel() == "h"
    assert [ax.get_xlabel() for ax in figure.axes[:3]] == ["", "", ""]
    assert len(curve(eigenvalues, "unstable")) == 3  # one for each mode
    assert len(curve(ranks, "unstable")) == 3  # one for each rank
    assert len(curve(critical, "unstable")) == 1


def test_folded_signatures_keep_solid_and_dashed():
    figure = nc.plot.ntk_panels(cusp_branch())
    for ax in figure.axes:
        assert set(styles(ax)) == {"-", "--"}
    unstable = curve(figure.axes[3], "unstable")[0]
    inner = unstable.get_ydata()[1:-1]
    assert np.all(inner > 0)  # 1 - 3 x**2 between the folds
    assert np.nanmax(inner) == 1.0


def test_bifurcations_are_vertical_lines_in_every_panel_with_names_on_top():
    figure = nc.plot.ntk_panels(cusp_branch())
    for ax in figure.axes:
        lines = {line.get_gid(): line.get_xdata()[0] for line in ax.lines if str(line.get_gid()).startswith("line ")}
        assert lines == pytest.approx({"line LP1": 2 * FOLD / 3, "line LP2": -2 * FOLD / 3})
    assert {text.get_text() for text in figure.axes[0].texts} == {"LP1", "LP2"}


def test_panels_without_their_signatures_are_left_out():
    branch = cusp_branch()
    branch = branch.with_ntk(nc.Signatures({"top": branch.ntk.top, "stable_rank": branch.ntk.stable_rank}))
    figure = nc.plot.ntk_panels(branch)
    assert [ax.get_ylabel() for ax in figure.axes] == ["x", "effective rank"]


def test_channel_and_residual_beside_the_whole_kernel():
    branch = cusp_branch()
    share = np.linspace(0.1, 0.9, len(branch))
    arrays = {**branch.ntk.arrays, "trace": branch.ntk.top * branch.ntk.stable_rank, "f_par": share}
    branch = dataclasses.replace(branch, ntk=dataclasses.replace(branch.ntk, arrays=arrays))
    panel = nc.plot.ntk_panels(branch).axes[2]
    assert panel.get_ylabel() == "NTK trace"
    assert panel.get_yscale() == "log"
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [
        "whole kernel", "bifurcation channel", "residual",
    ]  # fmt: skip
    whole, channel, residual = (line.get_ydata() for line in curve(panel, "unstable"))
    np.testing.assert_allclose(channel + residual, whole, rtol=1e-12)
    inner = np.isin(branch.ntk.trace, whole)
    np.testing.assert_allclose(channel[0] / whole[0], share[np.flatnonzero(inner)[0]], rtol=1e-12)


def test_rounding_errors_of_a_singular_kernel_are_not_drawn():
    branch = cusp_branch()
    eigenvalues = np.array(branch.ntk.eigenvalues)
    eigenvalues[:, 2] = 1e-17 * eigenvalues[:, 0]
    eigenvalues[:5] = np.nan
    branch = branch.with_ntk(nc.Signatures({"eigenvalues": eigenvalues}))
    figure = nc.plot.ntk_panels(branch)
    figure.canvas.draw()
    assert len(curve(figure.axes[1], "unstable")) == 2
    assert figure.axes[1].get_ylim()[0] > 1e-3


def test_zero_kernels_leave_an_empty_panel_without_warnings():
    branch = cusp_branch().with_ntk(
        nc.Signatures({"eigenvalues": np.zeros((201, 2)), "stable_rank": np.full(201, np.nan)})
    )
    figure = nc.plot.ntk_panels(branch)
    figure.canvas.draw()
    assert len(styles(figure.axes[1])) == 0


def test_the_critical_eigenvalue_is_not_joined_where_another_becomes_nearest():
    branch = cusp_branch(limit=0.5)  # unstable throughout
    jump = np.where(branch.x[:, 0] < 0, 0.5, -0.5)
    branch = branch.with_ntk(nc.Signatures({"lambda_c": jump, "omega_c": np.zeros(201)}))
    (line,) = curve(nc.plot.ntk_panels(branch).axes[1], "unstable")
    y = line.get_ydata()
    assert np.isnan(y[np.flatnonzero(y < 0)[0] - 1])


def test_pairs_and_real_eigenvalues_are_told_apart_and_maps_show_the_modulus():
    branch = hopf_branch(kind="map")
    multiplier = branch.eigenvalues[:, 0]
    kernel = nc.Signatures({"lambda_c": multiplier, "omega_c": np.abs(np.angle(multiplier))})
    figure = nc.plot.ntk_panels(branch.with_ntk(kernel))
    ax = figure.axes[1]
    assert ax.get_ylabel() == "critical |multiplier|"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "complex pair" in texts
    drawn = np.concatenate([line.get_ydata() for line in curve(ax, "unstable")])
    assert np.nanmax(drawn) == pytest.approx(2.0)
    flip = nc.Signatures({"lambda_c": -1.0 - branch.p, "omega_c": np.full(101, np.pi)})
    ax = nc.plot.ntk_panels(branch.with_ntk(flip)).axes[1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["real eigenvalue"]


def test_it_needs_one_branch_with_a_kernel():
    with pytest.raises(InputError, match=r"no kernel is attached to it; attach one with nc\.annotate"):
        nc.plot.ntk_panels(cusp_branch(kernel=False))
    with pytest.raises(InputError, match="branch: 2 were given; give one"):
        nc.plot.ntk_panels([cusp_branch(), cusp_branch()])


def test_nothing_is_clipped():
    figure = nc.plot.ntk_panels(dataclasses.replace(cusp_branch(), free="a rather long parameter name"))
    figure.canvas.draw()
    tight = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert tight.x0 >= 0
    assert tight.y0 >= 0
    assert tight.x1 <= width
    assert tight.y1 <= height


SCALAR = nc.Model.from_equations({"x": "mu*x - x**3 + h"}, {"mu": -1.0, "h": 0.3})
RANGES = {"part of a decade": (-1.0, -0.2), "a few percent": (-1.0, -0.95), "decades": (-1.0, 1.5)}


@pytest.mark.parametrize("p_span", RANGES.values(), ids=RANGES)
def test_labels_of_logarithmic_axes_have_room(p_span):
    """Of one state and one parameter the channel is the whole kernel: both are seen, and no label covers another."""
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["h"], theta_scale="none", state_scale="none",
        initial_states=lambda x, p: x[None], T=4, dt=0.1,
    )  # fmt: skip
    branch = nc.continuation(SCALAR, [0.3], free="mu", p_span=p_span, ntk=kernel)
    check_branch(branch, SCALAR)
    figure = nc.plot.ntk_panels(branch)
    figure.draw_without_rendering()
    for ax in figure.axes[1:3]:
        assert ax.get_yscale() == "log"
        low, high = ax.get_ylim()
        ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
        shown = [tick.label1 for tick in ticks if tick.label1.get_text() and low <= tick.get_loc() <= high]
        boxes = sorted((text.get_window_extent() for text in shown), key=lambda box: box.y0)
        assert 2 <= len(boxes) <= 8
        assert all(below.y1 <= above.y0 for below, above in itertools.pairwise(boxes))
    whole, channel = (line for line in figure.axes[2].lines if line.get_gid() in ("stable", "unstable"))
    np.testing.assert_allclose(channel.get_ydata(), whole.get_ydata(), rtol=1e-9)
    assert whole.get_linewidth() > 2 * channel.get_linewidth()
    assert [text.get_text() for text in figure.axes[2].get_legend().get_texts()] == [
        "whole kernel", "bifurcation channel",
    ]  # fmt: skip
