"""Quantile bands and histograms of ensembles hold the numbers of their members."""

from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from invariants import check_branch
from matplotlib import pyplot as plt

import ntkcont as nc


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """One unit with the weight w, biases trained: kernel 1/(1 - w g)^2, pitchfork at g = 1/w; or a spiral, Hopf."""
    problems = [
        nc.Problem(nc.RateRNN, {"W": W}, x0=0.0, free="gain", p_span=(0.1, 1.5), params={"gain": 0.1}, direction="+",
                   ntk=nc.ntk.StateNTK(theta="b"))
        for W in ([[0.5]], [[0.8]], [[1.0]], [[1.25]], [[1.0, 2.0], [-2.0, 1.0]])
    ]  # fmt: skip
    with ThreadPoolExecutor(1) as executor:
        ensemble = nc.ensemble(problems, executor, store=tmp_path_factory.mktemp("store"))
    for branch, problem in zip(ensemble, problems, strict=True):
        check_branch(branch, nc.RateRNN(problem.arguments["W"]))
    return ensemble


def test_bands_and_median(found):
    figure = nc.plot.ensemble(found[:4], y="top", quantiles=(0.0, 0.5, 1.0))
    above, below = figure.axes
    (median,) = [line for line in above.lines if line.get_gid() == "median"]
    g = median.get_xdata()
    near = np.abs(g - 0.5) < 0.2
    kernels = [1 / (1 - w * g[near]) ** 2 for w in (0.5, 0.8, 1.0, 1.25)]
    np.testing.assert_allclose(median.get_ydata()[near], np.median(kernels, axis=0), rtol=1e-2)
    (band,) = above.collections
    path = band.get_paths()[0].vertices
    at = path[np.abs(path[:, 0] - g[np.argmin(np.abs(g - 0.5))]) < 1e-12, 1]
    np.testing.assert_allclose([at.min(), at.max()], [1 / 0.75**2, 1 / 0.375**2], rtol=2e-2)
    assert above.get_yscale() == "log"
    assert below.get_xlabel() == "gain"
    assert above.get_shared_x_axes().joined(above, below)


def test_histogram_counts_the_first_bifurcation_of_each_member(found):
    below = nc.plot.ensemble(found, bins=14).axes[1]
    texts = [text.get_text() for text in below.get_legend().get_texts()]
    assert texts == ["Hopf", "branch point", "1 without"]
    counted = sum(patch.get_height() for patch in below.patches)
    assert counted == 4
    hopf_only = nc.plot.ensemble(found, labels="H", bins=14).axes[1]
    tall = [patch.get_x() + patch.get_width() / 2 for patch in hopf_only.patches if patch.get_height() == 1]
    np.testing.assert_allclose(tall, [1.05], atol=0.051)  # the spiral's, at gain 1
    assert "4 without" in [text.get_text() for text in hopf_only.get_legend().get_texts()]


def test_default_quantity(found):
    assert nc.plot.ensemble(found).axes[0].get_ylabel() == "largest NTK eigenvalue"
    assert nc.plot.ensemble(found, y="norm").axes[0].get_ylabel() == "‖x‖"


def test_bad_input_is_named(found):
    with pytest.raises(nc.InputError, match=r"ensemble: got Branch"):
        nc.plot.ensemble(found[0])
    with pytest.raises(nc.InputError, match=r"'tops' is unknown; did you mean 'top'"):
        nc.plot.ensemble(found, y="tops")
    with pytest.raises(nc.InputError, match=r"quantiles: got \(5, 95\)"):
        nc.plot.ensemble(found, quantiles=(5, 95))
    with pytest.raises(nc.InputError, match=r"label"):
        nc.plot.ensemble(found, labels="Hopff")
