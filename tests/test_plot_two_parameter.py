"""The two-parameter diagram, with and without a kernel signature behind it."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import LogNorm

import ntkcont as nc
from ntkcont import ConvergenceError, InputError
from ntkcont.plot.markers import MARKERS
from ntkcont.results.plane import ParameterPlane

mpl.use("Agg")

CUSP = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": -1.0, "mu": 1.0})
SPANS = ((-1, 1), (-0.5, 1.5))
FOLD = nc.continuation(CUSP, [-1.3], free="h", p_span=(-1, 1)).special_points["LP1"]
CURVE = nc.continuation(CUSP, FOLD, free=("h", "mu"), p_span=SPANS)
KERNEL = nc.ntk.StateNTK(theta=["mu"], theta_scale="none", state_scale="none")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def plane(**options):
    arguments = {"free": ("h", "mu"), "p_span": SPANS, "shape": (41, 21), **options}
    return nc.ntk.parameter_plane(CUSP, [-1.0], KERNEL, **arguments)


def test_curve_is_drawn_through_the_cusp():
    rc = dict(mpl.rcParams)
    ax = nc.plot.two_parameter(CURVE)
    (line,) = [each for each in ax.lines if each.get_gid() == "LP"]
    assert line.get_color() == MARKERS["LP"].color
    assert line.get_linestyle() == "-"
    data = np.asarray(line.get_xydata())
    assert len(data) == len(CURVE) + 1
    assert np.abs(data).sum(axis=1).min() < 1e-9  # the cusp itself is a vertex
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("h", "mu")
    assert (ax.get_xlim(), ax.get_ylim()) == SPANS
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fold (LP)", "cusp (CP)"]
    assert [text.get_text() for text in ax.texts] == ["CP1"]
    assert dict(mpl.rcParams) == rc


def test_kinds_have_their_styles_and_a_common_point_is_marked_once():
    model = nc.Model.from_equations({"x": "y", "y": "b1 + b2*x + x**2 + x*y"}, {"b1": -1.0, "b2": -1.0})
    points = nc.continuation(model, [-0.6, 0], free="b1", p_span=(-2, 1)).special_points
    curves = [nc.continuation(model, points[n], free=("b1", "b2"), p_span=((-1, 1), (-2, 2))) for n in ("LP1", "H1")]
    ax = nc.plot.two_parameter(curves)
    styles = {(line.get_gid(), line.get_linestyle()) for line in ax.lines}
    assert {("LP", "-"), ("LP", "--"), ("H", "-"), ("NSad", ":")} <= styles
    assert [line.get_gid() for line in ax.lines].count("BT1") == 1
    for line in ax.lines:
        if line.get_gid() in ("H", "NSad"):  # both end on the Bogdanov-Takens point
            assert np.abs(np.asarray(line.get_xydata())).sum(axis=1).min() < 1e-9
    swapped = nc.continuation(model, points["LP1"], free=("b2", "b1"), p_span=((-2, 2), (-1, 1)))
    both = nc.plot.two_parameter([curves[0], swapped])
    assert both.get_xlim() == (-1, 1)


def test_plane_holds_what_a_sweep_meets():
    """On the sheet x < 0 until its fold at h = 2 (mu/3)^1.5, then on the other; S = x/(3 x^2 - mu)."""
    sheet = plane()
    assert sheet.shape == (21, 41)
    h, mu = np.meshgrid(*sheet.p)
    fold = 2 * np.maximum(mu / 3, 0) ** 1.5
    clear = (np.abs(h - fold) > 0.03) & ((np.abs(h) > 0.03) | (mu > 0.1))
    for i, j in zip(*np.nonzero(clear), strict=True):
        roots = np.roots([-1.0, 0.0, mu[i, j], h[i, j]])
        real = roots.real[np.abs(roots.imag) < 1e-9]
        expected = real.min() if h[i, j] < fold[i, j] else real.max()
        assert sheet.x[i, j, 0] == pytest.approx(expected, abs=1e-8)
        top = (expected / (mu[i, j] - 3 * expected**2)) ** 2
        assert sheet["top"][i, j] == pytest.approx(top, rel=1e-6)
    assert np.all(sheet.n_unstable[clear] == 0)
    assert "41" in repr(sheet)


def test_heat_map_lies_behind_the_curves():
    sheet = plane()
    ax = nc.plot.two_parameter(CURVE, heat=sheet, signature="top")
    (mesh,) = [each for each in ax.collections if each.get_gid() == "heat"]
    np.testing.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan).ravel(), sheet["top"].ravel())
    assert mesh.get_zorder() < min(line.get_zorder() for line in ax.lines)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "largest NTK eigenvalue"
    ax = nc.plot.two_parameter(CURVE, heat=sheet, signature="top", norm=LogNorm(1e-3, 1e3), cmap="magma", legend=False)
    assert isinstance(ax.collections[0].norm, LogNorm)
    assert ax.get_legend() is None
    ax.figure.canvas.draw()


def test_a_map_settles_by_iteration():
    model = nc.Model.from_equations({"x": "x + 0.2*(h + mu*x - x**3)"}, {"h": -1.0, "mu": 1.0}, kind="map")
    sheet = nc.ntk.parameter_plane(model, [-1.0], KERNEL, free=("h", "mu"), p_span=((-1, 1), (0.5, 1.5)), shape=(21, 3))
    assert np.all(sheet.x[:, -1] > 0)
    assert np.all(sheet.n_unstable == 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nc.plot.two_parameter([]), r"curves: got list; give curves in two parameters"),
        (lambda: nc.plot.two_parameter(FOLD), r"curves: got SpecialPoint"),
        (lambda: nc.plot.two_parameter(CURVE, heat=3), r"heat: got int; give nc.ntk.parameter_plane"),
        (lambda: nc.plot.two_parameter(CURVE, legend="left"), r"legend: 'left' is unknown"),
        (
            lambda: nc.plot.two_parameter(CURVE, heat=plane(), signature="tops"),
            r"signature: 'tops' is unknown; did you",
        ),
        (lambda: plane(shape=(1, 5)), r"shape: got \(1, 5\); give two whole numbers of at least 2"),
        (lambda: plane(free=("h", "nu")), r"free: 'nu' is unknown"),
        (lambda: plane(p_span=(0, 1)), r"p_span: got \(0, 1\); with two free parameters give two spans"),
        (lambda: nc.ntk.parameter_plane(CUSP, [0.0], 3, free=("h", "mu"), p_span=SPANS), r"kernel: got int"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_curves_and_planes_of_other_parameters_are_refused():
    other = nc.Model.from_equations({"x": "h + mu*x - x**3 + c"}, {"h": -1.0, "mu": 1.0, "c": 0.0})
    fold = nc.continuation(other, [-1.3], free="h", p_span=(-1, 1)).special_points["LP1"]
    curve = nc.continuation(other, fold, free=("h", "c"), p_span=SPANS)
    with pytest.raises(InputError, match=r"curves: one is in \('h', 'mu'\) and another in \('h', 'c'\)"):
        nc.plot.two_parameter([CURVE, curve])
    with pytest.raises(InputError, match=r"heat: it is in \('h', 'mu'\), the curves are in \('h', 'c'\)"):
        nc.plot.two_parameter(curve, heat=plane())
    none = nc.Model.from_equations({"x": "1 + h**2 + mu**2 + x**2"}, {"h": 0.0, "mu": 0.0})
    with pytest.raises(ConvergenceError, match="x0: no fixed point was found from there at h = -1, mu = -1"):
        nc.ntk.parameter_plane(none, [0.0], KERNEL, free=("h", "mu"), p_span=((-1, 1), (-1, 1)))
    sheet = plane()
    with pytest.raises(InputError, match="signatures: 3 rows for 861 nodes"):
        ParameterPlane(
            free=sheet.free, p=sheet.p, x=sheet.x, n_unstable=sheet.n_unstable,
            signatures=sheet.signatures.take([0, 1, 2]),
        )  # fmt: skip
