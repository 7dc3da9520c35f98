"""Curves of special points in two parameters, and points of codimension two, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import ConvergenceError, InputError, Model, Status
from tests.two_parameter_checks import check_curve, followed, values

CUSP = Model.from_equations({"x": "h + mu*x - x**3"}, {"h": -1.0, "mu": 1.0})
BOGDANOV_TAKENS = Model.from_equations({"x": "y", "y": "b1 + b2*x + x**2 + x*y"}, {"b1": -1.0, "b2": -1.0})


def cusp_curve(**options):
    arguments = {"p_span": ((-1, 1), (-0.5, 1.5)), **options}
    return followed(CUSP, [-1.3], "h", (-1, 1), "LP", ("h", "mu"), **arguments)


def test_fold_curve_of_the_cusp():
    curve = cusp_curve()
    check_curve(curve, CUSP)
    np.testing.assert_allclose(4 * curve["mu"] ** 3, 27 * curve["h"] ** 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(curve["mu"], 3 * curve["x"] ** 2, rtol=0, atol=1e-9)
    assert curve.special_points.labels == ("EP", "CP", "EP")
    assert values(curve, "CP1", "h", "mu", "x") == pytest.approx((0, 0, 0), abs=1e-9)
    assert curve.ends == (Status.BOUND, Status.BOUND)
    assert sorted(curve["h"][[0, -1]]) == pytest.approx([-np.sqrt(0.5), np.sqrt(0.5)], abs=1e-9)
    # a = F_xx/2 = -3 x; its sign changes at the cusp
    np.testing.assert_allclose(np.abs(curve.coefficient), 3 * np.abs(curve["x"]), rtol=1e-6, atol=1e-9)
    assert curve.coefficient[0] * curve.coefficient[-1] < 0


def test_fold_and_hopf_curves_at_a_bogdanov_takens_point():
    spans = ((-1.5, 1.5), (-2, 2))
    fold = followed(BOGDANOV_TAKENS, [-0.6, 0], "b1", (-2, 1), "LP", ("b1", "b2"), p_span=spans)
    hopf = followed(BOGDANOV_TAKENS, [-0.6, 0], "b1", (-2, 1), "H", ("b1", "b2"), p_span=spans)
    for curve in (fold, hopf):
        check_curve(curve, BOGDANOV_TAKENS)
        assert curve.special_points.labels == ("EP", "BT", "EP")
        assert values(curve, "BT1", "b1", "b2", "x", "y") == pytest.approx((0, 0, 0, 0), abs=1e-9)
    np.testing.assert_allclose(fold["b1"], fold["b2"] ** 2 / 4, rtol=0, atol=1e-9)
    np.testing.assert_allclose(hopf["b1"], 0.0, atol=1e-9)
    below = hopf["b2"] < -1e-6
    assert set(hopf.labels[below]) == {"H"}
    assert set(hopf.labels[hopf["b2"] > 1e-6]) == {"NSad"}
    np.testing.assert_allclose(hopf.omega[below], np.sqrt(-hopf["b2"][below]), atol=1e-9)
    assert np.all(np.isnan(hopf.omega[~below]))
    assert "neutral saddle (NSad)" in repr(hopf)


def test_hopf_curve_of_the_brusselator():
    model = nc.classics.brusselator()
    curve = followed(model, [1, 1.5], "B", (1, 3), "H", ("B", "A"), p_span=((1, 5), (0.2, 3)))
    check_curve(curve, model)
    np.testing.assert_allclose(curve["B"], 1 + curve["A"] ** 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(curve.omega, curve["A"], rtol=0, atol=1e-9)
    assert curve["B"].max() == 5.0
    assert curve["A"].min() == 0.2  # it leaves the span of the second parameter
    assert "left the span at A = 0.2" in repr(curve)
    for i in (0, len(curve) // 2, -1):
        point = nc.continuation(
            model, curve.x[i], free="B", p_span=(0.5, 6), params={"A": curve["A"][i], "B": curve["B"][i] - 1e-3}
        ).special_points["H1"]
        assert curve.coefficient[i] == pytest.approx(point.normal_form["l1"], rel=1e-6)


def test_generalised_hopf():
    """z' = (mu + i) z + b z|z|^2 - z|z|^4: l1 = b |q|^2-normalised, so it vanishes at b = 0."""
    model = Model.from_equations(
        {"x": "mu*x - y + b*x*r - x*r**2", "y": "x + mu*y + b*y*r - y*r**2"},
        {"mu": -0.5, "b": -0.7},
        aux={"r": "x**2 + y**2"},
    )
    curve = followed(model, [0, 0], "mu", (-1, 1), "H", ("mu", "b"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, model)
    assert curve.special_points.labels == ("EP", "GH", "EP")
    assert values(curve, "GH1", "mu", "b") == pytest.approx((0, 0), abs=1e-9)
    assert curve.special_points["GH1"].omega == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(curve.coefficient, 2 * curve["b"], atol=1e-8)  # Re G21/2 = 2 b where |q| = 1


ZERO_HOPF = Model.from_equations(
    {"x": "p + x**2 - u**2 - v**2", "u": "(q + 0.7*x)*u - v", "v": "u + (q + 0.7*x)*v"}, {"p": -0.5, "q": -0.4}
)


def test_zero_hopf_on_the_fold_curve():
    curve = followed(ZERO_HOPF, [-0.7, 0, 0], "p", (-1, 1), "LP", ("p", "q"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, ZERO_HOPF)
    assert curve.special_points.labels == ("EP", "ZH", "EP")
    assert values(curve, "ZH1", "p", "q", "x") == pytest.approx((0, 0, 0), abs=1e-9)
    assert [int(n) for n in curve.n_unstable[[0, -1]]] == [0, 2]


def test_zero_hopf_on_the_hopf_curve():
    curve = followed(ZERO_HOPF, [-0.7, 0, 0], "q", (-1, 1), "H", ("q", "p"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, ZERO_HOPF)
    np.testing.assert_allclose(curve["p"], -((curve["q"] / 0.7) ** 2), rtol=0, atol=1e-9)
    assert curve.special_points.labels == ("EP", "ZH", "EP")
    assert values(curve, "ZH1", "p", "q", "x") == pytest.approx((0, 0, 0), abs=1e-9)


def test_hopf_hopf():
    model = Model.from_equations(
        {"x": "p*x - y - x*r", "y": "x + p*y - y*r", "u": "(q + p)*u - 1.7*v - u*r", "v": "1.7*u + (q + p)*v - v*r"},
        {"p": -0.5, "q": -0.4},
        aux={"r": "x**2 + y**2 + u**2 + v**2"},
    )
    curve = followed(model, np.zeros(4), "p", (-1, 0.3), "H", ("p", "q"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, model)
    assert curve.special_points.labels == ("EP", "HH", "EP")
    assert values(curve, "HH1", "p", "q") == pytest.approx((0, 0), abs=1e-9)


# ------------------------------------------------------------------------------------------------ maps


@pytest.mark.parametrize(
    ("label", "factor", "resonance", "at"), [("LP", -0.25, "R1", (-1, -1)), ("PD", 0.75, "R2", (3, -1))]
)
def test_fold_and_flip_curves_of_the_henon_map(label, factor, resonance, at):
    """a = -(1 - b)^2/4 and a = 3 (1 - b)^2/4; the product of the multipliers is -b."""
    model = nc.classics.henon()
    curve = followed(model, [0.6, 0.2], "a", (-1, 2), label, ("a", "b"), p_span=((-2, 4), (-1.5, 0.9)))
    check_curve(curve, model)
    np.testing.assert_allclose(curve["a"], factor * (1 - curve["b"]) ** 2, rtol=0, atol=1e-9)
    assert curve.special_points.labels == ("EP", resonance, "EP")
    assert values(curve, f"{resonance}1", "a", "b") == pytest.approx(at, abs=1e-9)


def test_neimark_sacker_curve_of_the_henon_map_passes_all_strong_resonances():
    """b = -1, cos theta = 1 - sqrt(1 + a); the map preserves areas there, so d = 0 all along and no CH is marked."""
    model = nc.classics.henon()
    curve = followed(
        model, [0.6, -0.3], "b", (-1.4, 0.9), "NS", ("a", "b"), {"a": 0.2, "b": -0.5},
        p_span=((-0.99, 4), (-1.5, 0.9)), direction="both",
    )  # fmt: skip
    check_curve(curve, model)
    np.testing.assert_allclose(curve["b"], -1.0, atol=1e-9)
    inside = curve.labels == "NS"
    assert np.array_equal(inside, (curve["a"] > -1) & (curve["a"] < 3))
    np.testing.assert_allclose(np.cos(curve.omega[inside]), 1 - np.sqrt(1 + curve["a"][inside]), atol=1e-9)
    found = {point.label: point["a"] for point in curve.special_points if point.label != "EP"}
    assert found == pytest.approx({"R4": 0.0, "R3": 1.25, "R2": 3.0}, abs=1e-9)


def test_chenciner_and_generalised_period_doubling():
    model = nc.classics.neimark_sacker()
    curve = followed(model, [0, 0], "mu", (-1, 1), "NS", ("mu", "d"), p_span=((-1, 1), (-2, 1)))
    check_curve(curve, model)
    assert curve.special_points.labels == ("EP", "CH", "EP")
    assert values(curve, "CH1", "mu", "d") == pytest.approx((0, 0), abs=1e-8)
    flip = nc.classics.flip()
    curve = followed(flip, [0], "mu", (-1, 1), "PD", ("mu", "a"), p_span=((-1, 1), (-1.5, 1)))
    check_curve(curve, flip)
    assert curve.special_points.labels == ("EP", "GPD", "EP")
    assert values(curve, "GPD1", "mu", "a") == pytest.approx((0, 0), abs=1e-8)
    np.testing.assert_allclose(curve.coefficient, -curve["a"], atol=1e-8)


ROTATION = {"u": "(1 + r)*(u*cos(1.1) - v*sin(1.1))", "v": "(1 + r)*(u*sin(1.1) + v*cos(1.1))"}
COUPLED = {
    "LPPD": ({"x": "x + p + x**2", "y": "-(1 + q + x)*y + y**3"}, [-0.6, 0], "LP"),
    "PDLP": ({"y": "-(1 + p)*y + x*y + y**3", "x": "x + q + x**2"}, [0, -0.6], "PD"),
    "LPNS": ({"x": "x + p + x**2", **ROTATION}, [-0.6, 0, 0], "LP"),
    "PDNS": ({"x": "-(1 + p)*x + x**3", **ROTATION}, [0, 0, 0], "PD"),
}


@pytest.mark.parametrize("case", COUPLED)
def test_two_bifurcations_of_a_map_at_once(case):
    equations, start, label = COUPLED[case]
    model = Model.from_equations(equations, {"p": -0.36, "q": -0.3}, aux={"r": "q - u**2 - v**2"} if "u" in equations
                                 else None, kind="map")  # fmt: skip
    curve = followed(model, start, "p", (-0.9, 0.5), label, ("p", "q"), p_span=((-1, 1), (-0.8, 0.8)))
    check_curve(curve, model)
    expected = "LPPD" if case == "PDLP" else case
    if case == "PDLP":  # the fold is the end of the curve of period doublings in q: it turns there
        np.testing.assert_allclose(curve["q"], -((curve["p"]) ** 2), atol=1e-9)
    assert [point.label for point in curve.special_points if point.label != "EP"] == [expected]
    assert values(curve, f"{expected}1", "p", "q") == pytest.approx((0, 0), abs=1e-8)


def test_double_neimark_sacker():
    second = {"w": "(1 + p)*(w*cos(2) - z*sin(2)) - w**3", "z": "(1 + p)*(w*sin(2) + z*cos(2))"}
    model = Model.from_equations({**ROTATION, **second}, {"p": -0.2, "q": -0.3}, aux={"r": "q - u**2"}, kind="map")
    curve = followed(model, np.zeros(4), "p", (-0.5, 0.3), "NS", ("p", "q"), p_span=((-1, 1), (-0.8, 0.8)))
    check_curve(curve, model)
    labels = [point.label for point in curve.special_points if point.label not in ("EP", "CH")]
    assert labels == ["NSNS"]
    assert values(curve, "NSNS1", "p", "q") == pytest.approx((0, 0), abs=1e-9)


# ------------------------------------------------------------------------------------------------ branch points


def test_branch_points_that_persist():
    model = Model.from_equations({"x": "(mu + q**2)*x - x**3", "y": "-y + x**2"}, {"mu": -1.0, "q": 0.3})
    curve = followed(model, [0, 0], "mu", (-1, 1), "BP", ("mu", "q"), p_span=((-1, 1), (-1.5, 1)))
    check_curve(curve, model)
    np.testing.assert_allclose(curve["mu"], -(curve["q"] ** 2), atol=1e-9)
    assert curve.special_points.labels == ("EP", "EP")


def test_branch_point_that_does_not_persist_is_refused():
    with pytest.raises(InputError, match=r"branch point 'BP1' does not persist when 'h' moves"):
        followed(CUSP, [0.0], "mu", (-1, 1), "BP", ("mu", "h"), {"h": 0.0, "mu": -0.5}, p_span=((-1, 1), (-1, 1)))


def test_branch_point_that_ceases_to_persist_ends_the_curve():
    model = Model.from_equations({"x": "mu*x - x**2 - where(q > 0, q, 0)**3"}, {"mu": -0.5, "q": -0.5})
    curve = followed(model, [0.0], "mu", (-1, 1), "BP", ("mu", "q"), p_span=((-1, 1), (-1, 1)))
    check_curve(curve, model)
    assert curve.ends == (Status.BOUND, Status.UNFOLDED)
    assert not curve.status.ok
    assert -0.05 < curve["q"][-1] < 0.05


# ------------------------------------------------------------------------------------------------ ends


@pytest.mark.parametrize("label", ["LP", "H"])
def test_closed_curves_return_to_their_start(label):
    equations = {"LP": {"x": "x**2 + c"}, "H": {"x": "-c*x - y - x**3", "y": "x - c*y"}}[label]
    model = Model.from_equations(
        equations, {"p": 0.0 if label == "LP" else -1.5, "q": 0.1}, aux={"c": "p**2 + q**2 - 1"}
    )
    start = [0.9] if label == "LP" else [0, 0]
    curve = followed(model, start, "p", (-2, 2), label, ("p", "q"), p_span=((-2, 2), (-2, 2)))
    check_curve(curve, model)
    assert curve.status is Status.CLOSED
    assert curve.ends == (Status.CLOSED, Status.CLOSED)
    np.testing.assert_allclose(curve["p"] ** 2 + curve["q"] ** 2, 1.0, atol=1e-9)
    np.testing.assert_allclose(curve.p[0], curve.p[-1], atol=1e-12)
    angle = np.unwrap(np.arctan2(curve["q"], curve["p"]))
    assert abs(angle[-1] - angle[0]) == pytest.approx(2 * np.pi, abs=1e-9)


def test_max_steps_direction_and_stops():
    short = cusp_curve(direction="+", settings=nc.ContinuationSettings(max_steps=5))
    assert short.ends == (Status.START, Status.MAX_STEPS)
    assert len(short) == 6
    assert np.all(np.diff(short["mu"]) > 0)
    stopped = cusp_curve(direction="-", stop=("CP", 1))
    assert stopped.status is Status.EVENT
    assert stopped.special_points.labels == ("EP", "CP", "EP")
    seen = []
    told = cusp_curve(direction="-", stop=lambda point: point["mu"] < 0.5, monitors=[seen.append])
    assert told.status is Status.CALLBACK
    assert told.p[0, 1] < 0.5 <= told.p[1, 1]
    assert [point.s for point in seen] == (-told.s[:-1][::-1]).tolist()


def test_callbacks_that_raise_keep_the_points():
    def stop(point):
        return 1 / (point["mu"] > 0.5) < 0

    curve = cusp_curve(direction="-", stop=stop)
    assert curve.status is Status.CALLBACK_ERROR
    assert len(curve) > 5
    assert "ZeroDivisionError" in curve.provenance["errors"][0]


@pytest.mark.parametrize(("s", "k"), [(1e-6, 1e3), (1e5, 1e-7)])
def test_units_of_states_and_parameters_change_nothing(s, k):
    model = Model.from_equations(
        {"x": "(h/k + mu*x/s - (x/s)**3)*s"}, {"h": -k, "mu": 1.0, "s": s, "k": k}
    )  # the state in units of 1/s, one parameter in units of 1/k
    curve = followed(model, [-1.3 * s], "h", (-k, k), "LP", ("h", "mu"), p_span=((-k, k), (-0.5, 1.5)))
    reference = cusp_curve()
    assert len(curve) == len(reference)
    np.testing.assert_allclose(curve["h"] / k, reference["h"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(curve["x"] / s, reference["x"], rtol=0, atol=1e-8)
    assert curve.special_points.labels == reference.special_points.labels


def test_stiff_hopf_curve():
    """A state that is 1e6 times faster than the oscillation does not blur the curve mu = c^2."""
    model = Model.from_equations(
        {"x": "(mu - c**2)*x - y - x**3", "y": "x + (mu - c**2)*y + 0.1*w", "w": "-1e6*(w - x**2)"},
        {"mu": -0.5, "c": 0.2},
    )
    curve = followed(model, [0, 0, 0], "mu", (-1, 1), "H", ("mu", "c"), p_span=((-1, 1), (-0.9, 0.9)))
    np.testing.assert_allclose(curve["mu"], curve["c"] ** 2, atol=1e-9)
    np.testing.assert_allclose(curve.omega, 1.0, atol=1e-9)


# ------------------------------------------------------------------------------------------------ input


FOLD = nc.continuation(CUSP, [-1.3], free="h", p_span=(-1, 1)).special_points["LP1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"free": ("h",)}, r"free: got \('h',\); give one parameter, or two in a tuple"),
        ({"free": 3}, r"free: got 3; give one parameter, or two in a tuple"),
        ({"free": ("h", "h")}, r"free: got 'h' twice; .* two different ones"),
        ({"free": ("h", "Mu")}, r"free: 'Mu' is unknown; did you mean 'mu'\?"),
        ({"p_span": (-1, 1)}, r"p_span: got \(-1, 1\); with two free parameters give two spans, \(\(h lowest"),
        ({"p_span": ((-1, 1), (2, 0))}, r"p_span of 'mu': got \(2, 0\); give two finite numbers in increasing order"),
        ({"p_span": ((0.9, 1), (0, 2))}, r"x0: the point lies at h = 0.3849, outside its p_span \(0.9, 1\)"),
        ({"events": [nc.Fold()]}, r"events: it belongs to branches in one free parameter"),
        ({"ntk": nc.ntk.StateNTK()}, r"ntk: it belongs to branches in one free parameter"),
        ({"stop": ("H", 1)}, r"stop: 'H' is unknown; did you mean 'ZH'"),
        ({"direction": "up"}, r"direction: got 'up'"),
        ({"settings": 3}, r"settings: got int"),
        ({"params": {"nu": 3}}, r"params: 'nu' is unknown"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message) as caught:
        nc.continuation(CUSP, FOLD, **{"free": ("h", "mu"), "p_span": ((-1, 1), (0, 2)), **options})
    assert "\n" not in str(caught.value)


def test_points_that_cannot_be_followed_are_named():
    arguments = {"free": ("h", "mu"), "p_span": ((-1, 1), (-1, 2))}
    with pytest.raises(InputError, match=r"x0: got list; with two free parameters give a special point .*LP, H, BP"):
        nc.continuation(CUSP, [-1.3], **arguments)
    branch = nc.continuation(CUSP, [-1.3], free="h", p_span=(-1, 1), events=[nc.UserZero("u", lambda q: q["x"])])
    for name, label in (("EP1", "EP"), ("u#1", "UZ")):
        with pytest.raises(InputError, match=rf"x0: '{name}' has the label {label} \(.* may be one of LP, H, BP, NSad"):
            nc.continuation(CUSP, branch.special_points[name], **arguments)
    cusp = cusp_curve().special_points["CP1"]
    with pytest.raises(InputError, match=r"'CP1' has the label CP \(cusp\).*the curves that meet there"):
        nc.continuation(CUSP, cusp, **arguments)
    with pytest.raises(InputError, match="belongs to another model"):
        nc.continuation(nc.classics.henon(), FOLD, free=("a", "b"), p_span=((0, 1), (0, 1)))


def test_a_fold_at_other_parameters_is_corrected_or_refused():
    near = nc.continuation(CUSP, FOLD, free=("h", "mu"), p_span=((-1, 1), (0, 2)), params={"mu": 1.1})
    np.testing.assert_allclose(4 * near["mu"] ** 3, 27 * near["h"] ** 2, atol=1e-9)
    none = Model.from_equations({"x": "h + x**2 + exp(mu)"}, {"h": -2.0, "mu": 0.0})
    fold = nc.continuation(none, [-1.0], free="h", p_span=(-2, 0)).special_points["LP1"]
    lost = Model.from_equations({"x": "h + x + exp(mu)"}, {"h": -2.0, "mu": 0.0})
    with pytest.raises((ConvergenceError, InputError), match="x0: "):
        nc.continuation(lost, fold, free=("h", "mu"), p_span=((-2, 2), (-1, 1)))


def test_a_pole_of_a_test_function_beside_another_point_ends_nothing():
    """PD curve of the Henon map, a = 3 (1 + b)^2/4, through multipliers 1 and -1, where its coefficient has a pole."""
    henon = nc.Model.from_equations({"x": "y", "y": "a - b*x - y**2"}, {"a": 0.1, "b": 0.3}, kind="map")
    flip = nc.continuation(henon, [0.5, 0.1], free="a", p_span=(-2, 3)).special_points["PD1"]
    curve = nc.continuation(henon, flip, free=("a", "b"), p_span=((-2, 4), (-1.5, 1.5)))
    np.testing.assert_allclose(curve["a"], 0.75 * (1.0 + curve["b"]) ** 2, atol=1e-9)


def test_points_that_differ_in_the_second_parameter_alone_have_their_own_names():
    # Hopf at mu = 0 for every b, with l1 proportional to (b - 0.1)(b - 0.3): two generalised Hopf points at x = 0
    cubic = "(b - 0.1)*(b - 0.3)*(x**2 + y**2) - (x**2 + y**2)**2"
    equations = {"x": f"mu*x - y + x*({cubic})", "y": f"x + mu*y + y*({cubic})"}
    model = nc.Model.from_equations(equations, {"mu": -0.5, "b": -0.5})
    branch = nc.continuation(model, [0.0, 0.0], free="mu", p_span=(-1, 1))
    curve = nc.continuation(model, branch.special_points["H1"], free=("mu", "b"), p_span=((-1, 1), (-1, 1)))
    found = curve.special_points("GH")
    assert [point.name for point in found] == ["GH1", "GH2"]
    np.testing.assert_allclose(sorted(point["b"] for point in found), [0.1, 0.3], atol=1e-9)
