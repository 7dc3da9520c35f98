"""The arclength-gauge kernel tells a fold from a branch point; annotations refuse a foreign model."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import InputError

PLAIN = {"theta_scale": "none", "state_scale": "none"}
TRANSCRITICAL = {"x": "h + mu*x - x**2", "y": "x - y"}


@pytest.mark.parametrize(
    ("equations", "theta"),
    [({"x": "h + mu*x - x**3"}, ["h"]), ({"x": "h + mu*x - x**3"}, ["h", "c"]), (TRANSCRITICAL, ["h"])],
)
@pytest.mark.filterwarnings("ignore:theta.*ranks:RuntimeWarning")
def test_arclength_kernel_is_infinite_at_a_branch_point(equations, theta):
    model = nc.Model.from_equations({**equations, "u": "c - u"}, {"h": 0.0, "mu": 1.0, "c": 0.0})
    kernel = nc.ntk.StateNTK(theta=theta, **PLAIN)
    branch = nc.continuation(model, np.zeros(model.n), free="mu", p_span=(-1, 2), ntk=kernel)
    point = branch.special_points["BP1"]
    assert point.ntk["top_arc"] == np.inf
    near = np.argsort(np.abs(branch.p))[:5]
    assert np.all(branch.ntk.top_arc[near] > 10 * np.median(branch.ntk.top_arc))


def test_arclength_kernel_stays_finite_at_a_fold():
    """S_arc = -2x/(1 + 4x^2) for p + theta + x^2 vanishes at the fold, x = 0."""
    model = nc.Model.from_equations({"x": "p + theta + x**2"}, {"p": -1.0, "theta": 0.0})
    kernel = nc.ntk.StateNTK(theta=["theta"], **PLAIN)
    branch = nc.continuation(model, [-1.0], free="p", p_span=(-2, 1), ntk=kernel)
    x = branch.x[:, 0]
    np.testing.assert_allclose(branch.ntk.top_arc, (2 * x / (1 + 4 * x**2)) ** 2, rtol=1e-8, atol=1e-14)
    assert branch.special_points["LP1"].ntk["top_arc"] == pytest.approx(0.0, abs=1e-12)
    assert branch.special_points["LP1"].ntk["top"] == np.inf


def test_condition_number_of_a_scalar_is_one_everywhere():
    model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": 0.0, "mu": 1.0})
    branch = nc.continuation(model, [0.0], free="mu", p_span=(-1, 2), ntk=nc.ntk.StateNTK(theta=["h"], **PLAIN))
    assert branch.special_points["BP1"].ntk["kappa"] == pytest.approx(1.0)
    np.testing.assert_allclose(branch.ntk.kappa, 1.0)


def test_annotate_refuses_another_model(tmp_path):
    model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": 0.0, "mu": 1.0})
    other = nc.Model.from_equations({"x": "h + mu*x - x**3 + 0.1"}, {"h": 0.0, "mu": 1.0})
    nc.continuation(model, [0.0], free="mu", p_span=(-1, 2)).save(tmp_path / "b.npz")
    loaded = nc.load(tmp_path / "b.npz")
    kernel = nc.ntk.StateNTK(theta=["h"], **PLAIN)
    with pytest.raises(InputError, match="not the model that this branch was computed with"):
        nc.annotate(loaded, kernel, model=other)
    with pytest.raises(InputError, match="does not keep its model"):
        nc.annotate(loaded, kernel)
    assert np.isfinite(nc.annotate(loaded, kernel, model=model).ntk.top).all()
