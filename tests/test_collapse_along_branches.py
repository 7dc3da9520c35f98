"""The collapse of trajectory kernels at five bifurcations of networks whose critical gain is known."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import example
from invariants import check_branch

script = example("10_collapse_along_branches")

# type: exponent of the diverging kernel of fixed points before the bifurcation, theta = (W, b)
EXPONENTS = {"fold": -1, "transcritical": -2, "pitchfork": -2, "period doubling": -2, "Neimark-Sacker": -2}
AT_REST = [kind for kind in EXPONENTS if kind != "fold"]


@pytest.fixture(scope="module", params=EXPONENTS)
def collapse(request):
    found = script.fold() if request.param == "fold" else script.at_rest(request.param)
    check_branch(found.branch, found.model)
    return found


@pytest.mark.slow
def test_collapse(collapse):
    kind = collapse.kind
    if kind != "fold":  # the eigenvalue was put there
        np.testing.assert_allclose(collapse.point.p, 1.0, atol=1e-9)
    # kernels of fixed points
    np.testing.assert_allclose([collapse.exponent, collapse.predicted], EXPONENTS[kind], atol=0.01)
    below = np.flatnonzero((collapse.distance < 0) & np.isfinite(collapse.fixed))
    far, near = below[np.argsort(collapse.distance[below])[[0, -1]]]
    assert collapse.fixed[far] > 6
    assert collapse.fixed[near] < 1.02
    # kernels of trajectories: the same within the horizon
    series, at = collapse.trajectory, collapse.point.ntk
    assert series["participation_ratio"][far] > 8.5
    lowest = np.argmin(series["participation_ratio"])
    assert series["participation_ratio"][lowest] < 1.3
    assert at["participation_ratio"] < 0.5 * series["participation_ratio"][far]
    assert at["top"] > 4 * series["top"][far]
    # the channel takes over, and is that of the normal form
    known = np.flatnonzero(np.isfinite(series["f_par"]) & (collapse.distance < 0))
    assert at["f_par"] > max(0.4, np.min(series["f_par"][known]))
    assert np.nanmax(series["f_par"]) > 0.85
    assert at["nf_error"] < 0.08


@pytest.mark.slow
def test_the_kernel_peaks_past_the_bifurcation(collapse):
    """No bifurcation is where the kernel is largest; past Neimark-Sacker the phase on the cycle goes on growing."""
    assert collapse.peak > 0.01
    top = collapse.trajectory["top"]
    at_the_end = np.argmax(collapse.distance)
    assert (np.argmax(top) == at_the_end) == (collapse.kind == "Neimark-Sacker")


@pytest.mark.slow
def test_peak_and_share_of_the_channel_over_the_horizon():
    """The peak lies between 1/T and 7/T past the pitchfork; beside the channel remains less and less."""
    found = script.horizons()
    assert all(1.0 <= one.peak <= 7.0 for one in found)
    rest = [1 - one.f_par for one in found]
    assert rest[0] > 2 * rest[1] > 4 * rest[2]
    assert rest[-1] < 0.02
