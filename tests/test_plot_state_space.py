"""State space in two components: fixed points, branches, trajectories and unstable directions."""

from __future__ import annotations

import dataclasses
import types

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from synthetic import cusp_branch, hopf_branch

import ntkcont as nc
from ntkcont import InputError
from ntkcont.results.special_points import SpecialPoints


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


class Linear:
    """``x' = A x``, with the two members of a model that the plot asks for."""

    kind = "flow"
    params = types.MappingProxyType({"mu": 0.0})

    def __init__(self, matrix, kind="flow"):
        self.matrix, self.kind = np.asarray(matrix, float), kind

    def jac(self, x, params):
        return self.matrix


def points(x, stable, **more):
    return types.SimpleNamespace(x=np.asarray(x, float), stable=np.asarray(stable), **more)


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_stable_points_are_filled_and_unstable_ones_open():
    ax = nc.plot.state_space(points([[0, 0], [1, 0], [0, 2]], [True, False, True]), basis=np.eye(2))
    (stable,), (unstable,) = lines(ax, "stable"), lines(ax, "unstable")
    assert np.array_equal(np.column_stack(stable.get_data()), [[0, 0], [0, 2]])
    assert np.array_equal(np.column_stack(unstable.get_data()), [[1, 0]])
    assert stable.get_markerfacecolor() != "white"
    assert unstable.get_markerfacecolor() == "white"
    assert legend_texts(ax) == ["stable fixed point", "unstable fixed point"]


def test_single_points_are_put_together():
    one, two = points([0.0, 1.0], True), points([2.0, 3.0], False)
    ax = nc.plot.state_space([one, two], basis=np.eye(2))
    assert np.array_equal(np.column_stack(lines(ax, "stable")[0].get_data()), [[0, 1]])
    assert np.array_equal(np.column_stack(lines(ax, "unstable")[0].get_data()), [[2, 3]])


def test_principal_components_come_from_the_trajectories():
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.standard_normal((10, 2)))[0].T
    paths = rng.standard_normal((3, 50, 2)) * [5.0, 1.0] @ plane + 0.3  # (B, T, n), in a plane
    x = rng.standard_normal((4, 10))
    ax = nc.plot.state_space(points(x, [True] * 4), trajectories=paths)
    drawn = lines(ax, "trajectory")
    assert len(drawn) == 3
    flat = np.concatenate([np.column_stack(line.get_data()) for line in drawn])
    full = paths.reshape(-1, 10) - paths.reshape(-1, 10).mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(flat, axis=1), np.linalg.norm(full, axis=1), rtol=1e-12)  # nothing lost
    covariance = np.cov(flat.T)
    assert abs(covariance[0, 1]) < 1e-12 * covariance[0, 0]
    assert covariance[0, 0] > covariance[1, 1]
    share = 100 * covariance[0, 0] / np.trace(covariance)
    assert ax.get_xlabel() == f"PC 1 ({share:.0f} %)"


def test_a_given_basis_and_state_names():
    basis = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    ax = nc.plot.state_space(points([[1, 2, 3]], [True]), basis=basis)
    assert np.array_equal(np.column_stack(lines(ax, "stable")[0].get_data()), [[1, 5]])
    branch = dataclasses.replace(hopf_branch(), x=np.column_stack([np.arange(101.0), np.ones(101)]))
    ax = nc.plot.state_space(branch, basis=("y", "x"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y", "x")
    assert np.array_equal(lines(ax, "stable")[0].get_ydata()[:3], [0, 1, 2])


def test_branches_are_curves_with_their_special_points():
    branch = dataclasses.replace(hopf_branch(), x=np.column_stack([np.linspace(-1, 1, 101), np.zeros(101)]))
    ax = nc.plot.state_space(branch)
    assert [line.get_linestyle() for line in lines(ax, "stable")] == ["-"]
    assert [line.get_linestyle() for line in lines(ax, "unstable")] == ["--"]
    assert len(lines(ax, "H1")) == 1
    assert legend_texts(ax) == ["stable", "unstable", "Hopf (H)"]
    assert len(lines(nc.plot.state_space([branch, branch]), "stable")) == 2


def test_unstable_directions_are_the_eigenvectors():
    saddle = Linear([[1.0, 3.0], [0.0, -2.0]])  # unstable along (1, 0)
    ax = nc.plot.state_space(points([[0, 0], [1, 2]], [False, True], model=saddle), basis=np.eye(2))
    (direction,) = lines(ax, "direction")
    assert np.allclose(direction.get_ydata(), 0.0)
    assert np.ptp(direction.get_xdata()) > 0
    assert "unstable direction" in legend_texts(ax)
    assert lines(nc.plot.state_space(points([[0, 0], [1, 2]], [False, True]), basis=np.eye(2)), "direction") == []


def test_directions_of_a_pair_span_its_plane_and_maps_use_the_modulus():
    spiral = Linear([[0.1, -4.0], [1.0, 0.1]])  # an ellipse with axes along the coordinates
    ax = nc.plot.state_space(points([[0, 0], [1, 1]], [False, True]), basis=np.eye(2), model=spiral)
    ends = [np.ptp(np.column_stack(line.get_data()), axis=0) for line in lines(ax, "direction")]
    assert len(ends) == 2
    assert all(np.min(np.abs(end)) < 1e-12 for end in ends)  # along the axes of the ellipse
    flip = Linear([[-1.5, 0.0], [0.0, 0.5]], kind="map")
    ax = nc.plot.state_space(points([[0, 0], [1, 1]], [False, True]), basis=np.eye(2), model=flip)
    (direction,) = lines(ax, "direction")
    assert np.allclose(direction.get_ydata(), 0.0)


def test_a_branch_shows_a_few_directions():
    branch = dataclasses.replace(
        hopf_branch(), x=np.column_stack([np.linspace(-1, 1, 101), np.zeros(101)]), special_points=SpecialPoints()
    )
    ax = nc.plot.state_space(branch, model=Linear([[1.0, 0.0], [0.0, -1.0]]), basis=np.eye(2))
    centers = [np.mean(line.get_xdata()) for line in lines(ax, "direction")]
    assert len(centers) == 6
    assert min(centers) > 0  # only where it is unstable
    assert lines(nc.plot.state_space(branch, model=Linear(np.eye(2)), directions=False), "direction") == []


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (
            points([[0, 0]], [True]),
            {"trajectories": np.zeros((5, 3))},
            r"trajectories: shape \(5, 3\) was given; each must",
        ),
        (points([[0, 0]], [True]), {"basis": np.eye(3)}, r"basis: shape \(3, 3\) was given; it must be \(2, 2\)"),
        (points([[0, 0]], [True]), {"basis": "umap"}, "basis: 'umap' is unknown; it may be 'pca'"),
        (hopf_branch(), {"basis": ("x", "yy")}, "basis: 'yy' is unknown; did you mean 'y'"),
        (cusp_branch(), {}, "the model has one state, so there are no two components"),
        ([hopf_branch(), cusp_branch()], {}, "the numbers of states differ"),
        ([], {}, "nothing was given"),
        ([3], {}, "got int; give a Branch, FixedPoints"),
        (points(np.zeros((0, 2)), []), {}, "there are no points to draw"),
    ],
)
def test_bad_input_is_named(given, arguments, message):
    with pytest.raises(InputError, match=message):
        nc.plot.state_space(given, **arguments)
