"""Exponents of the kernels by type of bifurcation: closed forms, and controlled networks of all six types."""

from __future__ import annotations

import dataclasses
import functools
import math

import numba
import numpy as np
import pytest
from jax import numpy as jnp
from ntk_networks import N, complex_outlier, newton, outlier_network

import ntkcont as nc
from ntkcont.ntk.exponents import fit_exponent
from ntkcont.ntk.predictions import Prediction
from tests.invariants import check_branch

KERNELS = ("equilibrium", "resolvent", "arclength")
UNSCALED = {"theta_scale": "none", "state_scale": "none"}
REST = {"free": "gain", "p_span": (0.9, 1.1), "params": {"gain": 0.95}}


def table_of(branch, theta, **settings):
    with np.errstate(all="raise", under="ignore"):
        return nc.ntk.signature_table(branch, nc.ntk.StateNTK(theta=theta, **settings))


def check(table, kind, equilibrium, resolvent, arclength, count=2):
    """Both sides have these exponents, as measured and as predicted; a word stands for 0, "0 exactly" for inf."""
    rows = [row for row in table if row.type == kind]
    assert len(rows) == count
    for row in rows:
        for kernel, expected in zip(KERNELS, (equilibrium, resolvent, arclength), strict=True):
            value = {"0 exactly": math.inf, "bounded": 0.0, "constant": 0.0}.get(expected, expected)
            assert row.predicted[kernel].exponent == value, (kernel, row.predicted[kernel])
            if isinstance(expected, str):
                assert row.predicted[kernel].text == expected, kernel
            measured = row.measured(kernel)
            assert measured == value if math.isinf(value) else measured == pytest.approx(value, abs=2e-3), kernel
            assert row.agrees(kernel)
    return rows


# ---------------------------------------------------------------- the fit


def test_fit_is_exact_for_a_power_with_smooth_corrections():
    h = np.logspace(-4, -1, 12)
    fit = fit_exponent(h**2 * (1 + h), 7 * h**-4.0 * (1 - 3 * h + h**2), h)
    assert fit.exponent == pytest.approx(-2.0, abs=1e-4)
    assert fit.error < 1e-3


def test_fit_leaves_out_what_is_far_away():
    eps = np.logspace(-5, -1, 16)
    fit = fit_exponent(eps, np.where(eps < 1e-2, eps**-2.0, 5.0))
    assert fit.exponent == pytest.approx(-2.0, abs=1e-9)
    assert fit.farthest < 1e-2


def test_fit_of_too_little_is_nan():
    assert math.isnan(fit_exponent([1e-3, 1e-2], [1.0, 2.0]).exponent)
    assert math.isnan(fit_exponent(np.logspace(-3, -1, 9), np.zeros(9)).exponent)


# ---------------------------------------------------------------- closed forms of one state


def normal_form_diagram(equation, mu=-1.0):
    model = nc.Model.from_equations({"x": equation}, {"mu": mu, "h": 0.0})
    return nc.diagram(model, [0.0], free="mu", p_span=(-1.0, 1.0))


def test_saddle_node_of_one_state():
    """K = 1/(4 |mu|) on both halves; in the arclength gauge 4 x^2/(1 + 4 x^2)^2, with x^2 = |mu|."""
    model = nc.Model.from_equations({"x": "mu + x**2 + h"}, {"mu": -0.25, "h": 0.0})
    branch = nc.continuation(model, [-0.5], free="mu", p_span=(-1.0, 1.0))
    (first, second) = check(table_of(branch, ["h"], **UNSCALED), "fold", -1.0, -1.0, 1.0)
    for row in (first, second):
        side = row.side
        np.testing.assert_allclose(side.top["equilibrium"], 1 / (4 * side.distance), rtol=1e-5)
        np.testing.assert_allclose(side.top["arclength"], 4 * side.distance / (1 + 4 * side.distance) ** 2, rtol=1e-4)
        assert (side.rank, side.participation_ratio, side.diverges) == (1, 1.0, ("equilibrium", "resolvent"))
        assert not side.right
    assert (first.side.after, second.side.after) == (False, True)


@pytest.mark.parametrize(("drive", "order"), [("x**3", 3), ("mu", 2), ("x**5", 5), ("x*(x**2 - mu)", np.inf)])
def test_drive_that_vanishes_at_a_fold(drive, order):
    """S = x^m/(2 x) at fixed mu = x^2 and 2 x^(m + 1)/(1 + 4 x^2) at fixed arclength."""
    model = nc.Model.from_equations({"x": f"k*({drive}) + mu - x**2"}, {"mu": 1.0, "k": 0.0})
    branch = nc.continuation(model, [1.0], free="mu", p_span=(-1, 1.5))
    check_branch(branch, model, p_span=(-1, 1.5))
    check(table_of(branch, ["k"], **UNSCALED), "fold", order - 1, order - 1, order + 1)


def test_transcritical_of_one_state():
    """Trivial branch: mu part 0, h part 1/mu^2; the other one: 1 and 1/mu^2."""
    trivial, other = normal_form_diagram("h + mu*x - x**2")
    check(table_of(trivial, ["mu"], **UNSCALED), "transcritical", "0 exactly", "0 exactly", "0 exactly")
    (row, _) = check(table_of(other, ["mu"], **UNSCALED), "transcritical", "constant", "constant", "constant")
    np.testing.assert_allclose(row.side.top["equilibrium"], 1.0, rtol=1e-9)
    for branch in (trivial, other):
        (row, _) = check(table_of(branch, ["h"], **UNSCALED), "transcritical", -2.0, -2.0, -2.0)
        np.testing.assert_allclose(row.side.top["equilibrium"], row.side.distance**-2.0, rtol=1e-9)


def test_pitchfork_of_one_state():
    """Trivial branch: 0 and 1/mu^2; the bent one: 1/(4 mu) and 1/(4 mu^2), and 4 mu/(1 + 4 mu)^2 at fixed arclength."""
    trivial, bent = normal_form_diagram("h + mu*x - x**3")
    check(table_of(trivial, ["mu"], **UNSCALED), "pitchfork, straight", "0 exactly", "0 exactly", "0 exactly")
    check(table_of(trivial, ["h"], **UNSCALED), "pitchfork, straight", -2.0, -2.0, -2.0)
    (row, _) = check(table_of(bent, ["mu"], **UNSCALED), "pitchfork, bent", -1.0, -1.0, 1.0)
    np.testing.assert_allclose(row.side.top["equilibrium"], 1 / (4 * row.side.distance), rtol=1e-6)
    (row, _) = check(table_of(bent, ["h"], **UNSCALED), "pitchfork, bent", -2.0, -2.0, "constant")
    np.testing.assert_allclose(row.side.top["equilibrium"], 1 / (4 * row.side.distance**2), rtol=1e-6)
    # f = h + mu x - x^3 along x^2 = mu: (A, f_mu) = (-2 mu, x), t ~ (1, 2 x), so S_arc = 2/(1 + 4 mu) for both units
    assert row.side.top["arclength"][0] == pytest.approx(4.0, rel=1e-3)
    both = table_of(bent, ["h", "mu"], **UNSCALED)
    assert both[0].predicted["equilibrium"].exponent == -2.0


def test_pitchfork_whose_straight_branch_leans():
    """With y' = mu - y the other branch moves a state, so the bent one diverges in the arclength gauge too."""
    model = nc.Model.from_equations({"x": "h + mu*x - x**3", "y": "mu - y"}, {"mu": -0.5, "h": 0.0})
    diagram = nc.diagram(model, [0.0, -0.5], free="mu", p_span=(-1.0, 1.0))
    check(table_of(diagram[1], ["h"], **UNSCALED), "pitchfork, bent", -2.0, -2.0, -1.0)


def test_drive_across_the_critical_vector_stays_bounded():
    """Trained is a parameter that does not enter the critical equation: K = 1 at the pitchfork of the other state."""
    model = nc.Model.from_equations({"x": "mu*x - x**3", "y": "k - y"}, {"mu": -0.5, "k": 1.0})
    branch = nc.continuation(model, [0.0, 1.0], free="mu", p_span=(-1.0, 1.0))
    (row, _) = check(table_of(branch, ["k"], **UNSCALED), "pitchfork, straight", "bounded", "bounded", "bounded")
    assert row.side.rank == 0
    np.testing.assert_allclose(row.side.top["equilibrium"], 1.0, rtol=1e-12)


def test_readout_that_does_not_see_the_critical_state():
    model = nc.Model.from_equations({"x": "h + mu*x - x**3", "y": "h - y"}, {"mu": -0.5, "h": 0.0})
    branch = nc.continuation(model, [0.0, 0.0], free="mu", p_span=(-1.0, 1.0))
    check(table_of(branch, ["h"], **UNSCALED), "pitchfork, straight", -2.0, -2.0, -2.0)
    table = table_of(branch, ["h"], readout=[[0.0, 1.0]], **UNSCALED)
    check(table, "pitchfork, straight", "bounded", "bounded", "bounded")


def test_hopf_of_two_states():
    """z' = (mu + i) z + h: K = I/(mu^2 + 1), resolvent 1/mu^2 and 1/(mu^2 + 4)."""
    cubic = "(x**2 + y**2)"
    model = nc.Model.from_equations(
        {"x": f"mu*x - y - x*{cubic} + h", "y": f"x + mu*y - y*{cubic} + k"}, {"mu": -0.5, "h": 0.0, "k": 0.0}
    )
    branch = nc.continuation(model, [0.0, 0.0], free="mu", p_span=(-1.0, 1.0))
    rows = check(table_of(branch, ["h", "k"], **UNSCALED), "Hopf", "bounded", -2.0, "bounded")
    for row in rows:
        mu = row.side.distance
        np.testing.assert_allclose(row.side.top["equilibrium"], 1 / (mu**2 + 1), rtol=1e-9)
        np.testing.assert_allclose(row.side.top["resolvent"], mu**-2.0, rtol=1e-9)
        # the participation ratio is that of the complex kernel; in real numbers two eigenvalues diverge
        assert (row.side.rank, row.side.diverges) == (2, ("resolvent",))
        assert row.side.participation_ratio == pytest.approx(1.0, abs=1e-6)
    assert [row.side.right for row in rows] == [False, True]


def test_period_doubling_of_one_state():
    """x <- -(1 + mu) x + x^3 + h: K = 1/(2 + mu)^2, resolvent 1/mu^2."""
    model = nc.Model.from_equations({"x": "-(1 + mu)*x + x**3 + h"}, {"mu": -0.5, "h": 0.0}, kind="map")
    branch = nc.continuation(model, [0.0], free="mu", p_span=(-1.0, 1.0))
    (left, right) = check(table_of(branch, ["h"], **UNSCALED), "period doubling", "bounded", -2.0, "bounded")
    np.testing.assert_allclose(left.side.top["equilibrium"], (2 - left.side.distance) ** -2.0, rtol=1e-9)
    np.testing.assert_allclose(right.side.top["resolvent"], right.side.distance**-2.0, rtol=1e-9)
    assert left.side.rank == 1


def test_degenerate_points_have_no_prediction():
    model = nc.Model.from_equations({"x": "mu + x**2 + h"}, {"mu": -0.25, "h": 0.0})
    branch = nc.continuation(model, [-0.5], free="mu", p_span=(-1.0, 1.0))
    points = [dataclasses.replace(point, normal_form={"type": "degenerate"}) for point in branch.special_points("LP")]
    table = table_of(dataclasses.replace(branch, special_points=nc.SpecialPoints(points)), ["h"], **UNSCALED)
    assert [row.type for row in table] == ["degenerate", "degenerate"]
    assert table[0].predicted["equilibrium"].text == "?"
    assert table[0].measured() == pytest.approx(-1.0, abs=1e-3)
    assert not table.agrees()


def test_rounding_is_not_taken_for_a_kernel():
    """Trained is a coupling that vanishes between equal states, which the synchronous branch has to rounding."""
    equations = {f"x{i}": f"mu*x{i} - x{i}**3 + e*((x0 + x1 + x2)/3 - x{i})" for i in range(3)}
    model = nc.Model.from_equations(equations, {"mu": -0.5, "e": 0.01})
    diagram = nc.diagram(model, [0.0, 0.0, 0.0], free="mu", p_span=(-0.5, 0.5), depth=1)
    synchronous = next(branch for branch in diagram if np.ptp(branch.x[0]) < 1e-9 and np.abs(branch.x[0]).max() > 0.1)
    for row in table_of(synchronous, ["e"], **UNSCALED)("BP1"):
        assert row.measured_text("equilibrium").startswith("0 ")
        assert row.agrees("equilibrium")
        assert row.predicted["equilibrium"].text == "0 exactly"


# ---------------------------------------------------------------- controlled networks, an outlying eigenvalue


@functools.cache
def network(kind):
    """The branch, or the diagram, of one of the six networks."""
    W, v, _ = outlier_network(0.0)
    rest = np.zeros(N)
    if kind == "fold":
        strong = nc.RateRNN(outlier_network(0.5)[0], W_in=v[:, None], inputs={"h": [1.0]})
        return nc.continuation(strong, newton(strong, 6 * v), free="h", p_span=(-3.0, 1.0))
    if kind == "transcritical":
        phi = (
            numba.njit(lambda x: np.tanh(x) + 0.5 * np.tanh(x) ** 2),
            numba.njit(lambda x: (1 - np.tanh(x) ** 2) * (1 + np.tanh(x))),
            lambda x: jnp.tanh(x) + 0.5 * jnp.tanh(x) ** 2,
        )
        return nc.diagram(nc.RateRNN(W, phi=phi), rest[None], depth=1, **REST)
    if kind == "pitchfork":
        return nc.diagram(nc.RateRNN(W), rest[None], depth=1, **REST)
    if kind == "Hopf":
        return nc.continuation(nc.RateRNN(complex_outlier(1 + 0.7j)[0]), rest, **REST)
    if kind == "period doubling":
        return nc.continuation(nc.RateRNN(-W, alpha=1.0), rest, **REST)
    rotating = complex_outlier(1 + (np.exp(0.4j) - 1) / 0.3)[0]
    return nc.continuation(nc.RateRNN(rotating, alpha=0.3), rest, **REST)


@pytest.mark.parametrize("theta", [["b"], ["W"], ["W", "b"]], ids="".join)
def test_fold_of_a_network(theta):
    for row in check(table_of(network("fold"), theta), "fold", -1.0, -1.0, "bounded"):
        assert row.side.rank == 1
        assert row.side.participation_ratio == pytest.approx(1.0, abs=1e-3)
        assert row.side.align_state > 0.9999
        assert row.side.align_theta > 0.9999
        assert row.side.right


def test_fold_whose_free_parameter_is_trained():
    """The direction of the free parameter vanishes at fixed arclength."""
    check(table_of(network("fold"), ["h"]), "fold", -1.0, -1.0, 1.0)


def test_transcritical_of_a_network():
    trivial, other = network("transcritical")[:2]
    for theta in (["b"], ["W", "b"]):
        for branch in (trivial, other):
            for row in check(table_of(branch, theta), "transcritical", -2.0, -2.0, -2.0):
                assert row.side.rank == 1
    check(table_of(trivial, ["W"]), "transcritical", "0 exactly", "0 exactly", "0 exactly")
    check(table_of(other, ["W"]), "transcritical", "constant", "constant", "constant")


def test_pitchfork_of_a_network():
    trivial, bent = network("pitchfork")
    for theta in (["b"], ["W", "b"]):
        for row in check(table_of(trivial, theta), "pitchfork, straight", -2.0, -2.0, -2.0):
            assert row.side.rank == 1
            assert row.side.participation_ratio == pytest.approx(1.0, abs=1e-6)
            assert row.side.align_state == pytest.approx(1.0, abs=1e-6)
        check(table_of(bent, theta), "pitchfork, bent", -2.0, -2.0, "constant")
    for row in check(table_of(trivial, ["W"]), "pitchfork, straight", "0 exactly", "0 exactly", "0 exactly"):
        assert row.side.rank == 0
        assert math.isnan(row.side.participation_ratio)
    (row, _) = check(table_of(bent, ["W"]), "pitchfork, bent", -1.0, -1.0, 1.0)
    # top_W |gain - 1| -> kappa^2/(4 |c|): W tanh z has no quadratic term, W^T w = w and tanh''' = -2
    _, v, w = outlier_network(0.0)
    c = -(w @ v**3) / (3 * (w @ v))
    constant = row.side.top["equilibrium"][0] * row.side.distance[0]
    assert constant == pytest.approx(1 / (w @ v) ** 2 / (4 * abs(c)), rel=1e-4)


@pytest.mark.parametrize(("kind", "rank"), [("Hopf", 2), ("period doubling", 1), ("Neimark-Sacker", 2)])
def test_oscillating_bifurcations_of_networks(kind, rank):
    branch = network(kind)
    for theta in (["b"], ["W", "b"]):
        for row in check(table_of(branch, theta), kind, "bounded", -2.0, "bounded"):
            side = row.side
            assert (side.rank, side.diverges) == (rank, ("resolvent",))
            assert side.participation_ratio == pytest.approx(1.0, abs=1e-6)
            assert side.align_state == pytest.approx(1.0, abs=1e-6)
    check(table_of(branch, ["W"]), kind, "0 exactly", "0 exactly", "0 exactly")


# ---------------------------------------------------------------- the table, and the record of a point


def scalar_branch(**more):
    model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"mu": -0.5, "h": 0.0})
    return nc.continuation(model, [0.0], free="mu", p_span=(-1.0, 1.0), **more)


def test_text_html_frame_and_joining():
    branch = scalar_branch()
    table = table_of(branch, ["h"], **UNSCALED)
    lines = repr(table).splitlines()
    assert lines[1].split()[:6] == ["type", "point", "side", "theta", "equilibrium", "theory"]
    assert lines[2].startswith("pitchfork, straight  BP1    before, mu < ")
    assert "-2.0000      -2" in lines[2]
    assert table._repr_html_().count("<tr>") == 3
    both = table + table_of(branch, ["mu"], **UNSCALED)
    assert "0 exactly" in repr(both)
    assert len(both) == 4
    assert both.agrees()
    assert len(both("BP")) == len(both("BP1")) == 4
    assert len(both[1:]) == 3
    frame = both.to_dataframe()
    assert list(frame["theta"]) == ["h", "h", "mu", "mu"]
    assert frame["equilibrium_predicted"].tolist() == [-2.0, -2.0, math.inf, math.inf]
    assert repr(nc.ntk.SignatureTable()) == "no bifurcations"
    with pytest.raises(AttributeError):
        table.rows = ()


def test_a_wrong_prediction_is_seen():
    row = table_of(scalar_branch(), ["h"], **UNSCALED)[0]
    other = dataclasses.replace(row, predicted={**row.predicted, "equilibrium": Prediction(exponent=-1.0, text="-1")})
    assert not other.agrees("equilibrium")
    assert not nc.ntk.SignatureTable([other]).agrees()


def test_kernel_of_the_branch_is_the_default_and_a_diagram_has_all_branches():
    kernel = nc.ntk.StateNTK(theta=["h"], **UNSCALED)
    branch = scalar_branch(ntk=kernel)
    own, given = nc.ntk.signature_table(branch), nc.ntk.signature_table(branch, kernel)
    assert repr(own) == repr(given)
    model = branch.model
    diagram = nc.diagram(model, [0.0], free="mu", p_span=(-1.0, 1.0), ntk=kernel)
    assert {row.type for row in nc.ntk.signature_table(diagram)} == {"pitchfork, straight", "pitchfork, bent"}


def test_special_points_record_it_and_files_keep_it(tmp_path):
    kernel = nc.ntk.StateNTK(theta=["h"], exponents=True, **UNSCALED)
    branch = scalar_branch(ntk=kernel)
    record = branch.special_points("BP")[0].ntk
    np.testing.assert_allclose(record["exponent"], [-2.0, -2.0], atol=1e-6)
    np.testing.assert_allclose(record["exponent_arc"], [-2.0, -2.0], atol=1e-6)
    assert record["predicted_exponent"] == -2.0
    assert record["diverges"] == "equilibrium, resolvent, arclength"
    assert record["diverging_rank"].tolist() == [1, 1]
    branch.save(tmp_path / "branch.npz")
    loaded = nc.load(tmp_path / "branch.npz")
    assert loaded == branch
    table = nc.ntk.signature_table(loaded, model=branch.model)
    np.testing.assert_allclose([row.measured() for row in table], record["exponent"])
    annotated = nc.annotate(loaded, kernel, branch.model).special_points("BP")[0].ntk
    np.testing.assert_allclose(annotated["exponent"], record["exponent"])
    assert "exponent" not in scalar_branch(ntk=nc.ntk.StateNTK(theta=["h"], **UNSCALED)).special_points("BP")[0].ntk


def test_what_cannot_be_is_said(tmp_path):
    branch = scalar_branch()
    kernel = nc.ntk.StateNTK(theta=["h"], **UNSCALED)
    with pytest.raises(nc.InputError, match="kernel: not given, and the branch has none"):
        nc.ntk.signature_table(branch)
    with pytest.raises(nc.InputError, match="branch: str was given"):
        nc.ntk.signature_table("branch", kernel)
    with pytest.raises(nc.InputError, match="kernel: str was given"):
        nc.ntk.signature_table(branch, "equilibrium")
    branch.save(tmp_path / "branch.npz")
    with pytest.raises(nc.InputError, match="model: a loaded branch"):
        nc.ntk.signature_table(nc.load(tmp_path / "branch.npz"), kernel)
    conditions = [{"h": 0.0}, {"h": 0.1}]
    stacked = nc.ntk.StateNTK(theta=["mu"], conditions=conditions, **UNSCALED)
    with pytest.raises(nc.InputError, match="conditions were given"):
        nc.ntk.signature_table(branch, stacked)
    with pytest.raises(nc.InputError, match="exponents: the equilibria of conditions"):
        nc.ntk.StateNTK(theta=["mu"], conditions=conditions, exponents=True, **UNSCALED)
