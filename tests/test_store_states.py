"""Branches that keep the states of their special points only."""

from __future__ import annotations

import pickle
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

SPECIAL = nc.ContinuationSettings(store_states="special")
N, SPAN = 12, (0.2, 1.6)


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(1)
    return nc.RateRNN(1.2 * rng.standard_normal((N, N)) / np.sqrt(N), b=0.05 * rng.standard_normal(N))


def follow(net, settings=None, **more):
    options = {"free": "gain", "p_span": SPAN, "params": {"gain": 0.6}, "settings": settings, **more}
    return nc.continuation(net, np.zeros(N), **options)


@pytest.fixture(scope="module")
def both(net):
    whole, slim = follow(net), follow(net, SPECIAL)
    check_branch(whole, net, p_span=SPAN)
    return whole, slim


def test_everything_else_is_the_same(both):
    whole, slim = both
    assert len(whole.special_points) > 3
    for name in ("p", "s", "stable", "n_unstable"):
        assert np.array_equal(getattr(whole, name), getattr(slim, name)), name
    assert len(whole.special_points) == len(slim.special_points)
    for a, b in zip(whole.special_points, slim.special_points, strict=True):
        assert (a.name, a.p, a.s, a.omega, a.bracket) == (b.name, b.p, b.s, b.omega, b.bracket)
        for name in ("x", "tangent", "eigenvalues"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_what_is_not_kept_takes_no_memory(both):
    _, slim = both
    k = len(slim)
    assert not slim.has_states
    for name, width in (("x", N), ("tangent", N + 1), ("eigenvalues", N)):
        column = getattr(slim, name)
        assert column.shape == (k, width)
        assert np.isnan(column).all()
        assert column.strides == (0, 0)


def test_memory_of_many_points(net):
    """2,000 points of 12 states would take 0.8 MB; what is kept of them takes 30 numbers each at most."""
    fine = nc.ContinuationSettings(ds=6e-4, ds_max=6e-4, store_states="special")
    tracemalloc.start()
    try:
        branch = follow(net, fine, direction="+")
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(branch) > 1500
    kept = sum(getattr(branch, name).nbytes for name in ("p", "s", "stable", "n_unstable"))
    assert kept < size < kept + 30 * 8 * len(branch)


def test_files_and_other_processes(both, tmp_path):
    whole, slim = both
    again = nc.load(slim.save(tmp_path / "slim.npz"))
    assert again == slim
    assert not again.has_states
    assert (tmp_path / "slim.npz").stat().st_size < whole.save(tmp_path / "whole.npz").stat().st_size
    copy = pickle.loads(pickle.dumps(slim))
    assert copy == slim
    assert copy.x.strides == (0, 0)
    assert slim.reversed().reversed() == slim
    assert not slim.reversed().has_states


def test_tables_and_columns(both):
    _, slim = both
    assert "z0" not in slim.columns
    assert "z0" not in slim.to_dataframe().columns
    assert "x" not in slim.to_xarray()
    assert slim.to_xarray()["special_x"].shape == (len(slim.special_points), N)
    with pytest.raises(nc.InputError, match=r"'z0' was kept at the special points only .*store_states=\"all\""):
        slim["z0"]


def test_signatures_are_evaluated_on_the_way(net, both):
    kernel = nc.ntk.StateNTK(kernel="equilibrium", state_scale="none")
    with_kernel, slim = follow(net, ntk=kernel), follow(net, SPECIAL, ntk=kernel)
    np.testing.assert_array_equal(slim.ntk.top, with_kernel.ntk.top)
    with pytest.raises(nc.InputError, match="keeps no states"):
        nc.annotate(both[1], kernel)


def test_extension(net, both):
    whole, slim = both
    longer, reference = nc.extend(slim, p_span=(0.1, 1.7)), nc.extend(whole, p_span=(0.1, 1.7))
    assert not longer.has_states
    assert np.array_equal(longer.p, reference.p)
    assert np.array_equal(longer.n_unstable, reference.n_unstable)
    check_branch(reference, net, p_span=(0.1, 1.7))


def test_pictures(both):
    """Without states a diagram shows how many eigenvalues are unstable; what needs states says so."""
    _, slim = both
    ax = nc.plot.bifurcation_diagram(slim)
    assert ax.get_ylabel() == "unstable eigenvalues"
    plt.close(ax.figure)
    with pytest.raises(nc.InputError, match="keeps no states for a norm"):
        nc.plot.bifurcation_diagram(slim, y="norm")
    with pytest.raises(nc.InputError, match="keeps no states to draw"):
        nc.plot.state_space(slim)


def test_diagrams_need_states(net):
    with pytest.raises(nc.InputError, match=r"settings\.store_states: got 'special'"):
        nc.diagram(net, [np.zeros(N)], free="gain", p_span=SPAN, settings=SPECIAL)
