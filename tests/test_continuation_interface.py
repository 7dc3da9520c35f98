"""What a user says to a continuation and hears back: stops, statuses, events, messages."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import ntkcont as nc
from ntkcont import ConvergenceError, InputError, Status
from tests.invariants import check_branch

CUSP = nc.Model.from_equations({"x": "h + x - x**3"}, {"h": -1.0})
FOLD = 2 / (3 * np.sqrt(3))  # of the cusp at mu = 1


def cusp_branch(**options):
    return nc.continuation(CUSP, [-1.3], free="h", p_span=(-2, 2), **options)


def test_stop_at_a_special_point_ends_just_behind_it():
    branch = cusp_branch(direction="+", stop=("LP", 1))
    check_branch(branch, CUSP)
    assert branch.status is Status.EVENT
    assert branch.special_points.labels == ("EP", "LP", "EP")
    assert branch.special_points["LP1"].p == pytest.approx(FOLD, abs=1e-12)
    assert branch.p[-2] <= FOLD
    second = cusp_branch(direction="+", stop=("SN", 2))
    assert [q.label for q in second.special_points("LP")] == ["LP", "LP"]
    assert second.special_points["LP2"].p == pytest.approx(-FOLD, abs=1e-12)


def test_stop_function_sees_every_point():
    seen = []

    def stop(point):
        seen.append(point["h"])
        return point["x"] > 0.0

    branch = cusp_branch(direction="+", stop=stop)
    assert branch.status is Status.CALLBACK
    assert branch.x[-1, 0] > 0.0
    assert np.all(branch.x[:-1, 0] <= 0.0)
    assert seen[0] == -1.0  # tried once at the start
    assert seen[1:] == branch.p[1:].tolist()


def test_monitors_are_called_with_every_accepted_point():
    seen = []
    branch = cusp_branch(direction="+", monitors=[lambda point: seen.append((point.s, point.stable))])
    assert [s for s, _ in seen] == branch.s[1:].tolist()
    assert [ok for _, ok in seen] == branch.stable[1:].tolist()


def test_iterate_gives_the_points_of_the_branch():
    branch = cusp_branch(direction="+")
    points = list(nc.iterate(CUSP, [-1.3], free="h", p_span=(-2, 2)))
    np.testing.assert_array_equal([q.p for q in points], branch.p)
    np.testing.assert_array_equal([q.x for q in points], branch.x)


def test_user_zeros_join_the_default_events():
    branch = cusp_branch(events=[nc.UserZero("half", lambda q: q["x"] - 0.5)])
    check_branch(branch, CUSP)
    point = branch.special_points("UZ")[0]
    assert point.name == "half#1"
    assert point["x"] == pytest.approx(0.5, abs=1e-12)
    assert point.p == pytest.approx(0.5**3 - 0.5, abs=1e-12)
    assert len(branch.special_points("LP")) == 2


def test_one_state_may_be_a_number():
    assert nc.continuation(CUSP, -1.3, free="h", p_span=(-2, 2)).p.tolist() == cusp_branch().p.tolist()


def test_events_can_be_chosen():
    assert cusp_branch(events=[nc.Hopf()]).special_points.labels == ("EP", "EP")
    with pytest.raises(InputError, match=r"PeriodDoubling.*not an event of a flow.*Fold\(\)"):
        cusp_branch(events=[nc.PeriodDoubling()])


def test_max_steps_and_going_on_give_the_whole_branch():
    short = cusp_branch(settings=nc.ContinuationSettings(max_steps=40))
    assert short.status is Status.MAX_STEPS
    assert "max_steps" in short.status
    assert short.ends == (Status.BOUND, Status.MAX_STEPS)
    whole = nc.extend(short)
    check_branch(whole, CUSP)
    assert whole.status is Status.BOUND
    assert [q.label for q in whole.special_points] == ["EP", "LP", "LP", "EP"]
    np.testing.assert_allclose([q.p for q in whole.special_points("LP")], [FOLD, -FOLD], atol=1e-12)
    assert whole.p[0] == -2.0
    assert whole.p[-1] == 2.0


def test_reversed_direction_retraces_the_curve():
    out = cusp_branch(direction="+")
    end = out.special_points[-1]
    back = nc.continuation(CUSP, end, free="h", p_span=(-2, 2), direction="-")
    check_branch(back, CUSP)
    np.testing.assert_allclose(
        sorted(q.p for q in back.special_points("LP")), sorted(q.p for q in out.special_points("LP")), atol=1e-12
    )
    assert back.p[0] == -2.0


def test_start_from_a_special_point_takes_its_parameters():
    m = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": 0.0, "mu": 1.0})
    first = nc.continuation(m, [-1.3], free="h", p_span=(-2, 2), params={"mu": 2.0, "h": -1.0})
    fold = first.special_points["LP1"]
    again = nc.continuation(m, fold, free="h", p_span=(-2, 2))
    check_branch(again, m)
    assert again.params["mu"] == 2.0
    exact = 2 * (2 / 3) ** 1.5
    np.testing.assert_allclose(sorted(q.p for q in again.special_points("LP")), [-exact, exact], atol=1e-11)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rotation_of_the_states_changes_no_parameter_value(seed):
    """x -> Q x keeps the parameter values and labels of all special points."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    weights = np.diag([1.6, 1.2, 0.3, -0.5]) + 0.4 * np.triu(rng.standard_normal((4, 4)), 1)

    def rhs(x, p, theta):
        return -x + theta["Q"].T @ (p["g"] * (theta["W"] @ (theta["Q"] @ x)) - (theta["Q"] @ x) ** 3)

    results = []
    for rotation in (np.eye(4), q):
        m = nc.Model.from_jax(rhs, states=4, params={"g": 0.2}, theta={"Q": rotation, "W": weights})
        branch = nc.continuation(m, np.zeros(4), free="g", p_span=(0.2, 2.0), direction="+")
        check_branch(branch, m)
        results.append([(p.label, p.p) for p in branch.special_points])
    assert [label for label, _ in results[0]] == [label for label, _ in results[1]]
    np.testing.assert_allclose([p for _, p in results[0]], [p for _, p in results[1]], atol=1e-9)
    np.testing.assert_allclose(
        [p for label, p in results[0] if label == "BP"], [1 / 1.6, 1 / 1.2], atol=1e-10
    )  # eigenvalues of the triangular matrix


def test_not_a_number_in_the_middle_keeps_the_part_before():
    def rhs(out, x, p):
        out[0] = p[0] - x[0] if p[0] <= 1.0 else np.nan

    m = nc.Model.from_numba(rhs, states=("x",), params={"p": 0.0})
    branch = nc.continuation(m, [0.0], free="p", p_span=(-1, 2))
    check_branch(branch, m)
    assert branch.status is Status.NOT_FINITE
    assert branch.ends == (Status.BOUND, Status.NOT_FINITE)
    assert 0.99 < branch.p[-1] <= 1.0
    np.testing.assert_allclose(branch.x[:, 0], branch.p, atol=1e-12)


def test_exception_in_the_middle_keeps_the_part_before():
    @numba.njit
    def rhs(out, x, p):
        if p[0] > 0.5:
            raise ValueError("outside the table")
        out[0] = p[0] - x[0]

    m = nc.Model.from_numba(rhs, states=("x",), params={"p": 0.0})
    branch = nc.continuation(m, [0.0], free="p", p_span=(-1, 2))
    assert branch.status is Status.RHS_ERROR
    assert 0.4 < branch.p[-1] <= 0.5
    assert "outside the table" in branch.provenance["errors"][0]
    assert branch.ends[0] is Status.BOUND


def _fails_after(count):
    calls = []

    def function(point):
        calls.append(point)
        if len(calls) > count:
            raise ValueError("boom")
        return 1.0

    return function


@pytest.mark.parametrize(
    "options",
    [
        {"stop": lambda point: bool(1 / (point["x"] < 0.3) < 0)},
        {"events": [nc.UserZero("u", _fails_after(30))]},
        {"monitors": [_fails_after(30)]},
    ],
    ids=["stop", "user zero", "monitor"],
)
def test_a_callback_that_raises_loses_no_points(options):
    branch = cusp_branch(direction="+", **options)
    assert branch.status is Status.CALLBACK_ERROR
    assert len(branch) > 20
    assert "Error" in branch.provenance["errors"][0]
    check_branch(branch, CUSP)


def test_a_branch_to_infinity_says_so():
    m = nc.Model.from_equations({"x": "1 - p*x"}, {"p": 1.0})
    branch = nc.continuation(m, [1.0], free="p", p_span=(-1, 2))
    assert branch.ends == (Status.UNBOUNDED, Status.BOUND)
    np.testing.assert_allclose(branch.x[:, 0] * branch.p, 1.0, atol=1e-6)


def test_conserved_quantity_is_named():
    m = nc.Model.from_equations({"x": "p*y - x", "y": "x - p*y"}, {"p": 1.0})
    with pytest.raises(InputError, match="conserved quantity"):
        nc.continuation(m, [1.0, 1.0], free="p", p_span=(0.5, 2.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"free": "k"}, r"free: 'k' is unknown; it may be 'h'"),
        ({"params": {"H": 0.0}}, r"params: 'H' is unknown; did you mean 'h'\?"),
        ({"p_span": (2, -2)}, r"p_span: got \(2, -2\).*increasing"),
        ({"p_span": 3}, r"p_span: got 3; give two numbers"),
        ({"params": {"h": 5.0}}, r"start 5 lies outside p_span \(-2, 2\); widen p_span or give params=\{'h'"),
        ({"direction": "up"}, r"direction: got 'up'; it may be 'both', '\+' or '-'"),
        ({"stop": ("X", 1)}, r"stop: 'X' is unknown"),
        ({"stop": 3}, r"stop: got 3; give \('H', 2\)"),
        ({"settings": {"ds": 1}}, r"settings: got dict; give nc.ContinuationSettings"),
        ({"ntk": 3}, r"ntk: got int; give a kernel evaluator"),
        ({"ntk": nc.ntk.StateNTK}, r"ntk: got the class StateNTK; give a kernel evaluator"),
        ({"events": [nc.UserZero("u", lambda _: None)]}, r"UserZero\('u'\) returned None at the start"),
        ({"events": [nc.UserZero("u", lambda q: q["v"])]}, r"UserZero\('u'\) raised InputError at the start"),
        ({"stop": lambda _: "no"}, r"stop: the function returned 'no' at the start; it must return True or False"),
    ],
)
def test_bad_arguments_are_named(options, message):
    arguments = {"free": "h", "p_span": (-2, 2), **options}
    with pytest.raises(InputError, match=message):
        nc.continuation(CUSP, [-1.3], **arguments)


def test_bad_starts_are_named():
    with pytest.raises(InputError, match=r"x0: shape \(2,\) was given; the model has 1 state "):
        nc.continuation(CUSP, [0.0, 1.0], free="h", p_span=(-2, 2))
    with pytest.raises(InputError, match=r"x0: 'y' is unknown; it may be 'x'"):
        nc.continuation(CUSP, {"y": 0.0}, free="h", p_span=(-2, 2))
    with pytest.raises(InputError, match="model: got str"):
        nc.continuation("cusp", [0.0], free="h", p_span=(-2, 2))
    nan = nc.Model.from_equations({"x": "log(x) - p"}, {"p": 0.0})
    with pytest.raises(InputError, match=r"equation of 'x' is not finite|equation of 'x' is nan or inf there"):
        nc.continuation(nan, [-1.0], free="p", p_span=(-1, 1))


def test_start_without_a_fixed_point_reports_the_residual():
    m = nc.Model.from_equations({"x": "1 + p + x**2"}, {"p": 0.0})
    with pytest.raises(ConvergenceError, match=r"residual max\|f\| = .*simulate.*find_fixed_points"):
        nc.continuation(m, [0.3], free="p", p_span=(-0.5, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ds": -1.0}, r"ds: got -1.0; it must be a positive number"),
        ({"ds": 0.5}, r"ds_min <= ds <= ds_max"),
        ({"max_steps": 0}, r"max_steps: got 0; it must be a positive integer"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        nc.ContinuationSettings(**options)


@pytest.mark.parametrize("unit", [1e-9, 1e3, 1e5])
@pytest.mark.filterwarnings("ignore:theta.*ranks:RuntimeWarning")
def test_units_of_one_state_change_nothing(unit):
    """A state in other units, as far as 1e7 from the rest: the same points and the same kernel."""
    results = []
    for s in (1.0, unit):
        m = nc.Model.from_equations(
            {"v": "(mu - (v/s)**2 + w)*s", "w": "0.01*tanh(v/s)*q - w"}, {"mu": 1.0, "q": 1.0, "s": s}
        )
        kernel = nc.ntk.StateNTK(theta=["q"], theta_scale="relative", state_scale="relative")
        branch = nc.continuation(m, {"v": s, "w": 0.01}, free="mu", p_span=(-0.5, 2.0), ntk=kernel)
        check_branch(branch, m)
        results.append(branch)
    a, b = results
    assert len(a) == len(b)
    assert a.special_points.labels == b.special_points.labels
    np.testing.assert_allclose(a.p, b.p, rtol=0, atol=1e-8)
    for name in ("top", "trace", "participation_ratio", "top_arc"):
        np.testing.assert_allclose(a.ntk[name], b.ntk[name], rtol=1e-5)


def test_extend_refuses_another_model_and_missing_kernels():
    branch = cusp_branch()
    other = nc.Model.from_equations({"x": "h + x - 2*x**3"}, {"h": -1.0})
    with pytest.raises(InputError, match="not the model that this branch was computed with"):
        nc.extend(branch, model=other)
    with pytest.raises(InputError, match=r"lies outside \(-1, 1\)"):
        nc.extend(branch, p_span=(-1, 1))
    circle = nc.Model.from_equations({"x": "x**2 + p**2 - 1"}, {"p": 0.0})
    with pytest.raises(InputError, match="it is closed, so it has no end"):
        nc.extend(nc.continuation(circle, [1.0], free="p", p_span=(-2, 2)), p_span=(-3, 3))
    with pytest.raises(InputError, match=r"nc\.extend"):
        nc.continuation(CUSP, branch, free="h", p_span=(-3, 3))
