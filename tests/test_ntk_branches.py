"""The kernel on branches: attached while they are computed, afterwards, and after a file."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ntk_networks import outlier_network

import ntkcont as nc

SCALES = {"theta_scale": "relative", "state_scale": "relative"}


@pytest.fixture(scope="module")
def neuron():
    model = nc.classics.morris_lecar()
    kernel = nc.ntk.StateNTK(theta=["gCa", "gK", "gL", "v3"], **SCALES)
    branch = nc.continuation(model, {"v": -60.0, "w": 0.01}, free="I", p_span=(-20.0, 150.0), ntk=kernel)
    return model, kernel, branch


def test_annotate_gives_what_the_continuation_gives(neuron):
    model, kernel, branch = neuron
    plain = nc.continuation(model, {"v": -60.0, "w": 0.01}, free="I", p_span=(-20.0, 150.0))
    assert plain.ntk is None
    later = nc.annotate(plain, kernel)
    assert plain.ntk is None
    assert later.ntk.names == branch.ntk.names
    for name in branch.ntk.names:
        np.testing.assert_allclose(later.ntk[name], branch.ntk[name], rtol=1e-9, err_msg=name)
    assert later.ntk.metadata == branch.ntk.metadata
    for point, other in zip(branch.special_points, later.special_points, strict=True):
        for name in branch.ntk.names:
            np.testing.assert_allclose(other.ntk[name], point.ntk[name], rtol=1e-6, err_msg=f"{point.name} {name}")


def test_annotate_after_a_file(neuron, tmp_path):
    model, kernel, branch = neuron
    branch.save(tmp_path / "b.npz")
    loaded = nc.load(tmp_path / "b.npz")
    assert loaded == branch
    with pytest.raises(nc.InputError, match="model: a loaded branch does not keep its model"):
        nc.annotate(loaded, kernel)
    again = nc.annotate(loaded, kernel, model=model)
    for name in branch.ntk.names:
        np.testing.assert_allclose(again.ntk[name], branch.ntk[name], rtol=1e-9, err_msg=name)


def test_annotate_refuses_another_model(neuron):
    _, kernel, branch = neuron
    other = nc.Model.from_equations({"x": "I - x"}, params={"I": 0.0})
    with pytest.raises(nc.InputError, match=re.escape("is not the model of this branch, a flow with 2 states")):
        nc.annotate(branch, kernel, model=other)


def test_special_points_of_a_neuron(neuron):
    _, _, branch = neuron
    hopf = branch.special_points("H")[0].ntk
    assert hopf["top_resolvent"] == np.inf
    assert np.isfinite(hopf["top"])
    assert hopf["XF"].shape == (2, 4)
    provenance = branch.provenance["kernel"]
    assert set(provenance["theta"]) == {"v3", "gCa", "gK", "gL"}


def test_pitchfork_of_a_network_along_its_gain():
    W, v, w = outlier_network(0.0)
    branch = nc.continuation(
        nc.RateRNN(W), np.zeros(64), free="gain", p_span=(0.8, 1.2), params={"gain": 0.9},
        ntk=nc.ntk.StateNTK(theta="b"),
    )  # fmt: skip
    (point,) = branch.special_points("BP")
    assert point.ntk["top"] == np.inf
    assert point.ntk["kappa"] == pytest.approx(1 / (w @ v), rel=1e-5)
    # (gain - 1) is lambda_0 on this branch, so that top (gain - 1)^2 tends to kappa^2
    near = np.argsort(np.abs(branch.p - 1.0))[:2]
    np.testing.assert_allclose(branch.ntk.lambda_0[near], branch.p[near] - 1, rtol=1e-6)
    np.testing.assert_allclose(branch.ntk.ratio[near], 1.0, atol=0.05)
    assert np.sign(branch.ntk.g[branch.p < 1]).max() != np.sign(branch.ntk.g[branch.p > 1]).min()
    assert branch["top"].shape == branch.p.shape


def test_fold_bounded_arclength_kernel():
    model = nc.Model.from_equations({"x": "mu + q + x**2 - 0.1*x**3"}, params={"mu": -1.0, "q": 0.0})
    kernel = nc.ntk.StateNTK(theta=["q"], theta_scale="none", state_scale="none")
    branch = nc.continuation(model, [-0.9], free="mu", p_span=(-2.0, 1.0), ntk=kernel)
    fold = branch.special_points("LP")[0]
    assert fold.ntk["top"] == np.inf
    assert fold.ntk["top_arc"] < 1e-6
    assert branch.ntk.top.max() > 100 * branch.ntk.top_arc.max()
    assert branch.ntk.top_arc.max() < 1.0
