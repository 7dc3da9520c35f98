"""What a trajectory kernel says about learning, against JAX's gradients, measured steps and closed forms."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from invariants import check_branch
from learning_tasks import CASES, OSCILLATOR, Task, pytree, task_of

import ntkcont as nc
from ntkcont.errors import InputError
from ntkcont.jax_tools import x64
from ntkcont.ntk.learning import modes

report_of = nc.ntk.learning_report


# ---------------------------------------------------------------- against JAX


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_those_of_jax(name):
    task = task_of(name)
    found = report_of(task.kernel, task.model, task.targets)
    loss, gradient = task.gradient()
    assert found.loss == pytest.approx(loss, rel=1e-12)
    assert found.gradient.keys() == gradient.keys()
    size = max(np.abs(g).max() for g in gradient.values())
    for key, value in gradient.items():
        np.testing.assert_allclose(found.gradient[key], value, rtol=1e-10, atol=1e-11 * size)
    assert found.gradient_norm == pytest.approx(np.sqrt(sum(np.sum(g**2) for g in gradient.values())), rel=1e-11)
    entering = np.broadcast_to(task.mask[:, :, None] > 0, found.residual.shape)
    assert np.isnan(found.residual[~entering]).all()
    with x64():
        expected = np.asarray(task.states(task.start) @ task.C.T - task.targets)
    np.testing.assert_allclose(found.residual[entering], expected[entering], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_one_measured_step_is_predicted_with_an_error_of_second_order(name):
    task = task_of(name)
    _, g = task.gradient()
    unit = report_of(task.kernel, task.model, task.targets).lr_crit
    rates = unit * np.geomspace(1e-3, 1e-2, 6)
    errors = []
    with x64():
        before = float(task.loss(task.start))
        for lr in rates:
            found = report_of(task.kernel, task.model, task.targets, lr=lr)
            measured = float(task.loss({k: task.start[k] - lr * found.gradient[k] for k in task.start})) - before
            errors.append(abs(measured - found.change))
            assert found.change == pytest.approx(-lr * sum(np.sum(v**2) for v in g.values()), rel=1e-10)
    slope = np.polyfit(np.log(rates), np.log(errors), 1)[0]
    assert abs(slope - 2.0) < 0.05


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["auto", "operator"])
def test_decay_is_gradient_descent_on_the_linearised_trajectories(name, method):
    """Against ``r <- r - lr J J^T r`` with J from jax.jacfwd."""
    task = task_of(name)
    J, r = task.derivative()
    top = np.linalg.norm(J, 2) ** 2
    lr = 1.2 / top
    kernel = dataclasses.replace(task.kernel, method=method)
    found = report_of(kernel, task.model, task.targets, lr=lr)
    assert found.lr_crit == pytest.approx(2.0 / top, rel=1e-9)
    step = J @ (J.T @ r)
    assert found.change == pytest.approx(-lr * (r @ step), rel=1e-10)
    assert found.change_second_order == pytest.approx(-lr * (r @ step) + lr**2 / 2 * (step @ step), rel=1e-10)
    losses = [0.5 * (r @ r)]
    for _ in range(60):
        r = r - lr * (J @ (J.T @ r))
        losses.append(0.5 * (r @ r))
    np.testing.assert_allclose(found.predicted_loss(np.arange(61)), losses, rtol=1e-9)
    assert found.predicted_loss(1) - found.loss == pytest.approx(found.change_second_order, rel=1e-8)
    # a tenth of the rate for ten times as long: nearly the flow of the gradient, exp(-2 lr e k)
    e, u = np.linalg.eigh(J @ J.T)
    flow = 0.5 * np.sum((u.T @ task.derivative()[1]) ** 2 * np.exp(-2.0 * lr * e * 7.5))
    assert found.predicted_loss(7.5, continuous=True) == pytest.approx(flow, rel=1e-8)
    assert found.predicted_loss(750, lr=lr / 100) == pytest.approx(flow, rel=1e-2)
    assert found.shares.sum() + found.unreachable == pytest.approx(1.0, abs=1e-10)
    assert found.top_share == pytest.approx((u[:, -1] @ task.derivative()[1]) ** 2 / (2 * losses[0]), rel=1e-6)
    assert np.all(np.diff(found.eigenvalues) <= 0.0)
    assert np.all(found.eigenvalues > 0.0)


def test_few_lanczos_steps_give_the_loss_of_as_many_steps_of_descent(monkeypatch):
    """A quadrature with q nodes is exact for polynomials of degree 2 q - 1, and descent by k steps has degree 2 k."""
    monkeypatch.setattr(modes, "_STEPS", 12)
    task = task_of("map with inputs and readout")
    J, r = task.derivative()
    lr = 1.5 / np.linalg.norm(J, 2) ** 2
    found = report_of(dataclasses.replace(task.kernel, method="operator"), task.model, task.targets, lr=lr)
    assert not found.exact
    assert len(found.eigenvalues) <= 12
    for k in range(12):
        assert found.predicted_loss(k) == pytest.approx(0.5 * (r @ r), rel=1e-9)
        r = r - lr * (J @ (J.T @ r))


# ---------------------------------------------------------------- closed forms


def test_uncoupled_units_learn_as_in_closed_form():
    """Units at rest with a bias, ``z_t = (1 - (1 - alpha)^t) b``: quadratic, so that predictions stay exact."""
    n, alpha, T, b0 = 3, 0.25, 6, np.array([0.5, -0.2, 0.1])
    target = np.array([1.0, 2.0, -1.0])
    c = 1 - (1 - alpha) ** np.arange(1, T + 1)
    net = nc.RateRNN(np.zeros((n, n)), b=b0, alpha=alpha)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="b", initial_states=np.zeros((1, n)), T=T)
    e = np.sum(c**2)
    lr = 0.7 / e
    found = report_of(kernel, net, np.tile(target, (T, 1)), lr=lr)
    residual = np.outer(c, b0) - target
    assert found.loss == pytest.approx(0.5 * np.sum(residual**2), rel=1e-14)
    assert found.lr_crit == pytest.approx(2 / e, rel=1e-12)
    np.testing.assert_allclose(found.eigenvalues, [e] * n, rtol=1e-12)
    np.testing.assert_allclose(found.gradient["b"], c @ residual, rtol=1e-12)
    # what is left is the part of the target that no bias gives: 1 - c (c.1)/e, at all times
    rest = 0.5 * np.sum(target**2) * (T - c.sum() ** 2 / e)
    assert found.unreachable * found.loss == pytest.approx(rest, rel=1e-10)
    best = target * c.sum() / e
    b = b0.copy()
    for k in range(8):
        now = 0.5 * np.sum((np.outer(c, b) - target) ** 2)
        closed = rest + 0.5 * e * np.sum((b0 - best) ** 2) * (1 - lr * e) ** (2 * k)
        assert closed == pytest.approx(now, rel=1e-12)
        assert found.predicted_loss(k) == pytest.approx(now, rel=1e-12)
        b = b - lr * (c @ (np.outer(c, b) - target))
    # on both sides of the critical rate
    below, above = (
        found.predicted_loss(400, lr=0.99 * found.lr_crit),
        found.predicted_loss(400, lr=1.01 * found.lr_crit),
    )
    assert below < found.loss < above
    np.testing.assert_allclose(found.predicted_loss([0, 10**6], lr=3 * found.lr_crit), [found.loss, np.inf])


def test_slow_modes_in_closed_form():
    """Two outputs, of which one hardly moves: ``J = diag(1, eps)``."""
    eps, lr = 0.01, 0.5
    model = nc.Model.from_equations({"x": "p", "y": "eps*q"}, {"p": 0.0, "q": 0.0, "eps": eps}, kind="map")
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["p", "q"], theta_scale="none", state_scale="none", initial_states=[[0.0, 0.0]], T=1
    )
    found = report_of(kernel, model, [[-3.0, 4.0]], lr=lr)
    np.testing.assert_allclose(found.eigenvalues, [1.0, eps**2], rtol=1e-12)
    np.testing.assert_allclose(found.shares, [9 / 25, 16 / 25], rtol=1e-12)
    assert found.top_share == pytest.approx(9 / 25, rel=1e-12)
    assert found.slow_share == pytest.approx(16 / 25, rel=1e-12)
    assert found.unreachable == pytest.approx(0.0, abs=1e-12)
    (slow,) = found.slow
    assert (slow.eigenvalue, slow.share, slow.steps) == pytest.approx((eps**2, 16 / 25, 1 / (2 * lr * eps**2)))
    assert slow.direction == pytest.approx({"p": 0.0, "q": 1.0})  # y has to grow
    assert found.predicted_loss(slow.steps, continuous=True) == pytest.approx(8 / np.e, rel=1e-9)
    assert report_of(kernel, model, [[-3.0, 4.0]], slow_below=eps**2 / 2).slow == ()


def test_scaled_parameters_move_by_the_square_of_their_scale():
    rng = np.random.default_rng(5)
    task = Task(OSCILLATOR, ["mu", "om", "h"], rng)
    scale = np.array([2.0, 0.5, 3.0])
    kernel = dataclasses.replace(task.kernel, theta_scale=scale)
    _, g = task.gradient()
    found = report_of(kernel, task.model, task.targets, lr=1e-5)
    for key, value in g.items():
        assert found.gradient[key] == pytest.approx(float(value), rel=1e-10)
    squares = dict(zip(("mu", "om", "h"), scale**2, strict=True))
    with x64():
        moved = {k: task.start[k] - found.lr * squares[k] * g[k] for k in g}
        measured = float(task.loss(moved)) - found.loss
    assert measured == pytest.approx(found.change, rel=1e-3)
    assert found.change == pytest.approx(-found.lr * sum(squares[k] * float(v) ** 2 for k, v in g.items()), rel=1e-10)


def test_states_count_in_units_of_their_scale():
    model = nc.Model.from_equations({"x": "p", "y": "q"}, {"p": 1.0, "q": 5.0}, kind="map")
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta_scale="none", state_scale=[1.0, 10.0], initial_states=[[0.0, 0.0]], T=1
    )
    found = report_of(kernel, model, [[0.0, 0.0]])
    assert found.loss == pytest.approx((1.0 + 0.25) / 2)
    np.testing.assert_allclose(found.residual, [[[1.0, 5.0]]])
    assert found.gradient == pytest.approx({"p": 1.0, "q": 5.0 / 100})


def test_gradient_in_the_channel():
    """Of ``x' = mu x - x^3 + h`` both parameters are critical directions; q moves another state."""
    model = nc.Model.from_equations({"x": "mu*x - x**3 + h", "y": "q - y"}, {"mu": -0.1, "h": 0.0, "q": 0.0})
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta=["mu", "h", "q"], theta_scale="none", state_scale="none",
        initial_states=[[0.3, 0.2]], T=2.0, dt=0.1,
    )  # fmt: skip
    found = report_of(kernel, model, np.ones((20, 2)), x=[0.0, 0.0])
    g = np.array([found.gradient[name] for name in ("mu", "h", "q")])
    assert found.gradient_in_channel == pytest.approx((g[0] ** 2 + g[1] ** 2) / (g @ g), rel=1e-10)
    assert np.isnan(report_of(kernel, model, np.ones((20, 2))).gradient_in_channel)


def test_nothing_to_learn():
    net = nc.RateRNN(np.eye(2), alpha=0.5)
    kernel = nc.ntk.StateNTK(kernel="trajectory", theta="b", initial_states=np.zeros((1, 2)), T=3)
    done = report_of(kernel, net, np.zeros((3, 2)), x=[0.0, 0.0], direction="descent")
    assert (done.loss, done.change, done.predicted_loss(5), done.slow, done.ahead) == (0.0, 0.0, 0.0, (), None)
    assert done.predicted_loss([1, 2]).tolist() == [0.0, 0.0]
    json.dumps(done.to_dict())
    # W at rest moves nothing: all of the loss is out of reach
    at_rest = nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=np.zeros((1, 2)), T=3)
    stuck = report_of(at_rest, net, np.ones((3, 2)))
    assert (stuck.loss, stuck.unreachable, len(stuck.eigenvalues)) == (3.0, 1.0, 0)
    assert np.isnan(stuck.lr_crit)
    assert stuck.predicted_loss(100) == 3.0
    assert "3" in repr(stuck)


# ---------------------------------------------------------------- the distance to a bifurcation


def _outlier(value, rng, n=4):
    """W with one real eigenvalue, its rank-one direction, and the fixed point at the origin."""
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    P = Q + 0.1 * rng.standard_normal((n, n))
    W = P @ np.diag([value, *np.linspace(-0.3, 0.3, n - 1)]) @ np.linalg.inv(P)
    return W, np.outer(P[:, 0], np.linalg.inv(P)[0])


def _of_rest(net, **more):
    n = net.n
    time = {} if net.kind == "map" else {"dt": 0.1}
    kernel = nc.ntk.StateNTK(kernel="trajectory", initial_states=0.3 * np.ones((1, n)), T=4, **time, **more)
    return kernel, np.ones((round(4 / time.get("dt", 1)), n))


def checked(ahead):
    check_branch(ahead.branch, ahead.model)


def test_distance_to_pitchfork_and_flip():
    """``z <- W tanh z`` with an outlier 0.4 + s: a pitchfork at s = 0.6, a period doubling at s = -1.4."""
    W, D = _outlier(0.4, np.random.default_rng(0))
    net = nc.RateRNN(W, alpha=1.0)
    kernel, targets = _of_rest(net)
    ahead = report_of(kernel, net, targets, x=np.zeros(4), direction={"W": D, "b": np.zeros(4)}, span=(-2, 2)).ahead
    checked(ahead)
    assert (ahead.before.label, ahead.after.label) == ("PD", "BP")
    assert ahead.before.p == pytest.approx(-1.4, abs=1e-9)
    assert ahead.after.p == pytest.approx(0.6, abs=1e-7)
    assert ahead.nearest is ahead.after
    assert ahead.distance == pytest.approx(0.6, abs=1e-7)
    # the other way round the two sides change places
    back = report_of(kernel, net, targets, x=np.zeros(4), direction={"W": -D}, span=(-0.7, 0.7)).ahead
    assert back.before.p == pytest.approx(-0.6, abs=1e-7)
    assert back.after is None
    assert back.reached[1] == 0.7


def test_distance_to_a_fold_in_the_bias():
    """``z' = -z + w tanh z + b``: a fold where ``w (1 - tanh^2 z) = 1``; the bias moves by s times 2."""
    w, b = 1.5, 0.0
    net = nc.RateRNN([[w]], b=[b])
    upper = nc.find_fixed_points(net, starts=[[2.0]]).x[0]
    kernel, targets = _of_rest(net)
    found = report_of(kernel, net, targets, x=upper, direction={"b": [2.0]}, span=(-1, 1))
    checked(found.ahead)
    z = np.arctanh(np.sqrt(1 - 1 / w))
    fold = (z - w * np.tanh(z)) / 2  # on the upper branch, for a bias below zero
    assert found.ahead.before.label == "LP"
    assert found.ahead.before.p == pytest.approx(fold, rel=1e-9)
    assert found.ahead.after is None
    assert found.ahead.distance == pytest.approx(abs(fold), rel=1e-9)
    assert f"LP at s = {fold:.6g}" in repr(found)
    assert repr(found.ahead) == f"<BifurcationsAhead: before LP at s = {fold:.6g}, after none to s = 1>"
    assert found.to_dict()["ahead"]["before"] == {"label": "LP", "s": found.ahead.before.p}


def test_distance_in_steps_of_gradient_descent():
    """``x' = p - x^2`` at its stable fixed point: in units of ``lr dL/dp`` the fold p = 0 is ``p/(lr dL/dp)`` away."""
    model = nc.Model.from_equations({"x": "p - x**2"}, {"p": 0.25})
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta_scale="none", state_scale="none", initial_states=[[0.5]], T=2.0, dt=0.1
    )
    lr = 0.01
    found = report_of(kernel, model, np.zeros((20, 1)), x=[0.5], lr=lr, direction="descent", span=(-100, 100))
    checked(found.ahead)
    assert found.gradient["p"] > 0
    assert found.ahead.after.label == "LP"
    assert found.ahead.after.p == pytest.approx(0.25 / (lr * found.gradient["p"]), rel=1e-8)


def test_distance_along_a_pytree_with_scales():
    """A model of one's own: Hopf where the trace of A vanishes; theta is measured in other units, s is not."""

    def f(x, p, theta):
        return p["g"] * theta["cell"]["A"] @ x + theta["b"]

    theta = {"cell": {"A": np.array([[-0.3, -1.0], [1.0, -0.3]])}, "b": np.zeros(2)}
    model = nc.Model.from_jax(f, states=2, params={"g": 1.0}, theta=theta)
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta_scale={"cell.A": 3.0}, initial_states=[[0.1, 0.0]], T=1.0, dt=0.1
    )
    direction = {"cell": {"A": np.eye(2)}, "b": np.zeros(2)}
    ahead = report_of(kernel, model, np.ones((10, 2)), x=[0.0, 0.0], direction=direction, span=(-0.5, 0.5)).ahead
    checked(ahead)
    assert (ahead.before, ahead.after.label) == (None, "H")
    assert ahead.after.p == pytest.approx(0.3, rel=1e-8)
    assert ahead.after.omega == pytest.approx(1.0, rel=1e-8)


# ---------------------------------------------------------------- text, and bad input


def test_text_and_dict():
    task = task_of("equations")
    found = report_of(task.kernel, task.model, task.targets)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["loss"] == found.loss
    assert plain["eigenvalues"] == found.eigenvalues.tolist()
    assert plain["ahead"] is None
    text = repr(found)
    assert f"{found.loss:.6g}" in text
    assert f"critical {found.lr_crit:.4g}" in text
    assert max(map(len, text.splitlines())) < 120


def _kernel(**changes):
    return nc.ntk.StateNTK(**{"kernel": "trajectory", "initial_states": np.zeros((2, 3)), "T": 5, **changes})


NET = nc.RateRNN(0.5 * np.eye(3), alpha=0.5)
GOOD = np.zeros((2, 5, 3))
BAD = {
    "targets: shape (2, 4, 3)": (_kernel(), {"targets": np.zeros((2, 4, 3))}, "(2, 5, 3)"),
    "targets: shape (2, 5)": (_kernel(), {"targets": np.zeros((2, 5))}, "recorded times"),
    "targets: shape (2, 5, 3) of a readout": (_kernel(readout=np.ones((1, 3))), {}, "components of the readout"),
    "targets: text": (_kernel(), {"targets": "none"}, "targets: shape"),
    "targets: nan": (_kernel(), {"targets": np.full((2, 5, 3), np.nan)}, "trial 0 at recorded time 0"),
    "kernel: equilibrium": (nc.ntk.StateNTK(), {}, "kernel='equilibrium'"),
    "kernel: none": (None, {}, "NoneType"),
    "lr": (_kernel(), {"lr": -1.0}, "lr: -1.0"),
    "slow_below": (_kernel(), {"slow_below": 2.0}, "slow_below: 2.0"),
    "span": (_kernel(), {"span": (1, 2)}, "span: (1, 2)"),
    "x missing": (_kernel(), {"direction": "descent"}, "x: not given"),
    "direction": (_kernel(), {"direction": "ascent", "x": np.zeros(3)}, "'descent'"),
    "direction: names": (_kernel(), {"direction": {"V": 1.0}, "x": np.zeros(3)}, "'V' is unknown"),
    "direction: shape": (_kernel(), {"direction": {"b": np.zeros(2)}, "x": np.zeros(3)}, "'b' has shape (2,)"),
    "direction: zero": (_kernel(), {"direction": {"b": np.zeros(3)}, "x": np.zeros(3)}, "zero everywhere"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name):
    kernel, changes, said = BAD[name]
    with pytest.raises(InputError) as error:
        report_of(kernel, NET, **{"targets": GOOD, **changes})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_has_no_inputs_is_said():
    model = pytree(np.random.default_rng(0))
    kernel = nc.ntk.StateNTK(kernel="trajectory", initial_states=np.zeros((1, 4)), T=5, inputs=np.zeros((1, 5, 2)))
    with pytest.raises(InputError, match=r"inputs: .* build a RateRNN with W_in, a GRU with W_ih, or Model.from_jax"):
        report_of(kernel, model, np.zeros((1, 5, 4)))


def test_model_that_is_none():
    with pytest.raises(InputError, match="model: str was given"):
        report_of(_kernel(), "net", GOOD)


def test_numbers_of_steps():
    found = report_of(_kernel(), NET, GOOD + 1.0)
    for steps, options in ((1.5, {}), (-1, {}), (np.nan, {"continuous": True})):
        with pytest.raises(InputError, match="steps:"):
            found.predicted_loss(steps, **options)


def test_trials_that_blow_up():
    """Of two trials one runs away: the loss is that of the other one; of one trial nothing is left."""
    model = nc.Model.from_equations({"x": "p + x + x**2"}, {"p": -0.01}, kind="map")
    both = {"kernel": "trajectory", "theta_scale": "none", "state_scale": "none", "T": 40}
    with pytest.warns(RuntimeWarning, match="trial 1 blew up"):
        found = report_of(nc.ntk.StateNTK(initial_states=[[-0.3], [2.0]], **both), model, np.zeros((40, 1)))
    alone = report_of(nc.ntk.StateNTK(initial_states=[[-0.3]], **both), model, np.zeros((40, 1)))
    assert found.loss == pytest.approx(alone.loss, rel=1e-14)
    assert found.gradient == pytest.approx(alone.gradient, rel=1e-12)
    assert np.isnan(found.residual[1]).all()
    with pytest.raises(InputError, match=r"all 1 trials blew up, trial 0 first at step \d+"):
        report_of(nc.ntk.StateNTK(initial_states=[[2.0]], **both), model, np.zeros((40, 1)))
