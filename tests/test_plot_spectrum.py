"""The spectrum shows every eigenvalue, the stability boundary, and the critical ones at special points."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from synthetic import cusp_branch, hopf_branch

import ntkcont as nc
from ntkcont import InputError


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


def dots(ax):
    return next(artist for artist in ax.collections if artist.get_gid() == "eigenvalues")


def by_gid(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_every_eigenvalue_is_drawn_in_the_colour_of_its_parameter():
    branch = hopf_branch()
    ax = nc.plot.spectrum(branch)
    offsets = np.asarray(dots(ax).get_offsets())
    assert len(offsets) == 202
    np.testing.assert_array_equal(offsets[0], [-1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(dots(ax).get_array())[[0, 1, -1]], [-1.0, -1.0, 1.0])
    bar = next(other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylabel() == "mu"


def test_the_boundary_of_flows_is_the_imaginary_axis_and_of_maps_the_unit_circle():
    (axis,) = by_gid(nc.plot.spectrum(hopf_branch()), "boundary")
    assert list(axis.get_xdata()) == [0.0, 0.0]
    ax = nc.plot.spectrum(hopf_branch(kind="map"))
    (circle,) = by_gid(ax, "boundary")
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 1.0, rtol=1e-15)
    assert ax.get_aspect() == 1.0


@pytest.mark.parametrize(("kind", "name", "critical"), [("flow", "H1", 2j), ("map", "NS1", np.exp(1j))])
def test_special_points_are_marked_at_their_critical_pair(kind, name, critical):
    marked = by_gid(nc.plot.spectrum(hopf_branch(kind=kind)), name)
    found = sorted((line.get_xdata()[0] + 1j * line.get_ydata()[0] for line in marked), key=lambda z: z.imag)
    np.testing.assert_allclose(found, [np.conj(critical), critical], atol=1e-15)


def test_points_at_one_place_share_a_name_tag():
    ax = nc.plot.spectrum(cusp_branch())
    assert [text.get_text() for text in ax.texts] == ["LP1, LP2"]
    low, high = ax.get_ylim()  # all real: a vertical range of its own
    assert low < -0.5
    assert high > 0.5


def test_rows_without_eigenvalues_are_left_out():
    branch = hopf_branch()
    sparse = np.array(branch.eigenvalues)
    sparse[1::2] = np.nan
    ax = nc.plot.spectrum(dataclasses.replace(branch, eigenvalues=sparse))
    ax.figure.canvas.draw()
    assert len(dots(ax).get_offsets()) == 102
    none = dataclasses.replace(branch, eigenvalues=np.full_like(branch.eigenvalues, np.nan))
    with pytest.raises(InputError, match="it holds no eigenvalues; run the continuation with"):
        nc.plot.spectrum(none)


def test_limits_hold_all_eigenvalues_and_the_boundary():
    for branch in (hopf_branch(), hopf_branch(kind="map"), cusp_branch()):
        ax = nc.plot.spectrum(branch)
        ax.figure.canvas.draw()
        (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
        z = branch.eigenvalues
        assert x0 < min(z.real.min(), 0)
        assert x1 > max(z.real.max(), 0)
        assert y0 < z.imag.min()
        assert y1 > z.imag.max()


def test_one_branch_at_a_time():
    with pytest.raises(InputError, match="branch: 2 were given; give one"):
        nc.plot.spectrum([hopf_branch(), hopf_branch()])
