"""A training path is the model of each checkpoint at its step, and interpolates the weights in between."""

import numpy as np
import pytest
import scipy.sparse
from scipy.interpolate import PchipInterpolator

import ntkcont as nc
from tests.training import followed, scalar

N, STEPS = 5, (0.0, 10.0, 30.0, 40.0)
MASK = (np.random.default_rng(0).random((N, N)) < 0.7).astype(float)
SIGN = [1, 1, -1, 1, -1]


def checkpoint(k):
    rng = np.random.default_rng(k)
    shapes = {"W": (N, N), "b": (N,), "W_in": (N, 2), "U": (N, 2), "V": (N, 2)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


CHECKPOINTS = [checkpoint(k) for k in range(4)]
OPTIONS = {
    "synaptic flow": {"form": "synaptic", "tau": 2.0},
    "rate flow": {"form": "rate", "tau": np.linspace(1.0, 2.0, N)},
    "synaptic map": {"form": "synaptic", "alpha": 0.3, "phi_gain": 1.5},
    "rate map": {"form": "rate", "alpha": np.linspace(0.2, 1.0, N), "phi": "softplus", "phi_gain": 0.7},
}
WEIGHTS = {
    "dense": lambda w: {"W": w["W"]},
    "masked": lambda w: {"W": w["W"], "mask": MASK},
    "signed": lambda w: {"W": np.abs(w["W"]), "mask": MASK, "sign": SIGN},
    "low rank": lambda w: {"W": nc.LowRank(w["U"], w["V"])},
    "low rank and a diagonal": lambda w: {"W": nc.LowRank(w["U"], w["V"], diagonal=w["W"][0])},
    "sparse": lambda w: {"W": scipy.sparse.csr_array(w["W"] * MASK)},
}


def builder(weights, options):
    def build(w):
        return nc.RateRNN(**WEIGHTS[weights](w), b=w["b"], W_in=w["W_in"], inputs={"stim": [1.0, 0.5]}, **options)

    return build


def between(s):
    """All arrays at s by linear interpolation of each number."""
    names = CHECKPOINTS[0]
    stacks = {name: np.array([q[name] for q in CHECKPOINTS]) for name in names}
    k = int(np.clip(np.searchsorted(STEPS, s, side="right") - 1, 0, 2))
    t = (s - STEPS[k]) / (STEPS[k + 1] - STEPS[k])
    return {name: (1 - t) * stack[k] + t * stack[k + 1] for name, stack in stacks.items()}


@pytest.mark.parametrize(
    ("weights", "options", "interpolation"),
    [
        ("dense", "synaptic flow", "linear"),
        ("dense", "rate map", "cubic"),
        ("masked", "synaptic map", "cubic"),
        ("signed", "rate flow", "linear"),
        ("signed", "synaptic map", "cubic"),
        ("low rank", "synaptic flow", "cubic"),
        ("low rank", "rate map", "linear"),
        ("low rank and a diagonal", "synaptic flow", "cubic"),
        ("low rank and a diagonal", "rate map", "linear"),
        ("sparse", "rate flow", "cubic"),
        ("sparse", "synaptic map", "linear"),
    ],
)
def test_networks_at_their_checkpoints_and_the_derivatives_between(weights, options, interpolation):
    build = builder(weights, OPTIONS[options])
    path = nc.TrainingPath(CHECKPOINTS, build, steps=STEPS, interpolation=interpolation)
    x, params = np.random.default_rng(9).standard_normal(N), {"stim": 0.4, "gain": 1.2}
    for s, q in zip(STEPS, CHECKPOINTS, strict=True):
        net = build(q)
        np.testing.assert_allclose(path.rhs(x, {**params, "s": s}), net.rhs(x, params), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(path.jac(x, {**params, "s": s}), net.jac(x, params), rtol=1e-12, atol=1e-13)
    for s in (3.0, 17.0):
        here = {**params, "s": s}
        assert path.check(x, here).ok, path.check(x, here)
        h = 1e-4
        rise = path.rhs(x, {**params, "s": s + h}) - path.rhs(x, {**params, "s": s - h})
        np.testing.assert_allclose(path.dfdp(x, "s", here), rise / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("weights", ["dense", "masked", "low rank", "sparse"])
def test_a_linear_path_is_the_network_of_the_interpolated_weights(weights, options):
    if weights == "sparse":  # the same nonzeros everywhere
        build = builder("masked", options)
        path = nc.TrainingPath(CHECKPOINTS, builder("sparse", options), steps=STEPS)
    else:
        build = builder(weights, options)
        path = nc.TrainingPath(CHECKPOINTS, build, steps=STEPS)
    x, params = np.random.default_rng(9).standard_normal(N), {"stim": 0.4, "gain": 1.2}
    for s in (3.0, 17.0, 35.0):
        net = build(between(s))
        np.testing.assert_allclose(path.rhs(x, {**params, "s": s}), net.rhs(x, params), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(path.weights(s)["b"], between(s)["b"], rtol=1e-13)


def test_of_signed_networks_the_effective_weights_are_interpolated():
    raw = [np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[-1.0, 2.0], [1.5, 1.0]])]
    path = nc.TrainingPath(raw, lambda W: nc.RateRNN(W, sign=[1, -1]))
    effective = 0.5 * (np.maximum(raw[0], 0) + np.maximum(raw[1], 0)) * [1, -1]
    np.testing.assert_allclose(path.jac([0.0, 0.0], {"s": 0.5}), effective - np.eye(2), rtol=1e-14)


def test_a_cubic_path_is_monotone_and_smooth():
    path = nc.TrainingPath(CHECKPOINTS, builder("dense", {}), steps=STEPS, interpolation="cubic")
    stack = np.array([q["W"] for q in CHECKPOINTS])
    truth = PchipInterpolator(STEPS, stack, axis=0)
    for s in (2.0, 10.0, 12.5, 29.0, 33.0):
        np.testing.assert_allclose(path.weights(s)["W"], truth(s), rtol=1e-12, atol=1e-13)
    fine = np.array([path.weights(s)["W"] for s in np.linspace(10, 30, 41)])
    assert np.all(fine <= np.maximum(stack[1], stack[2]) + 1e-12)
    assert np.all(fine >= np.minimum(stack[1], stack[2]) - 1e-12)
    x = np.ones(N)
    slopes = [path.dfdp(x, "s", {"s": s}) for s in (30.0 - 1e-7, 30.0 + 1e-7)]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-5)


def test_any_jax_model_with_weights_will_do():
    import jax.numpy as jnp

    def f(x, p, theta):
        return -x + theta["W"] @ jnp.tanh(x) + theta["layers"][0] + p["stim"] * (theta["W_in"] @ jnp.array([1.0, 0.5]))

    def build(w):
        theta = {"W": w["W"], "layers": [w["b"]], "W_in": w["W_in"], "count": np.arange(3)}
        return nc.Model.from_jax(f, states=N, params={"stim": 0.0}, theta=theta)

    for interpolation in ("linear", "cubic"):
        ours = nc.TrainingPath(CHECKPOINTS, builder("dense", {}), steps=STEPS, interpolation=interpolation)
        theirs = nc.TrainingPath(CHECKPOINTS, build, steps=STEPS, interpolation=interpolation)
        x = np.random.default_rng(9).standard_normal(N)
        for s in (0.0, 3.0, 10.0, 17.0, 35.0):
            here = {"stim": 0.4, "s": s}
            np.testing.assert_allclose(theirs.rhs(x, here), ours.rhs(x, here), rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(theirs.jac(x, here), ours.jac(x, here), rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(theirs.dfdp(x, "s", here), ours.dfdp(x, "s", here), rtol=1e-10, atol=1e-12)
        assert theirs.check(x, {"s": 17.0}).ok
    branch = followed(nc.TrainingPath(CHECKPOINTS, build, steps=STEPS), np.zeros(N))
    again = followed(nc.TrainingPath(CHECKPOINTS, builder("dense", {}), steps=STEPS), branch.x[0])
    np.testing.assert_allclose(branch.x[-1], again.x[-1], atol=1e-9)
    assert branch.special_points.labels == again.special_points.labels


def test_the_kernel_is_that_of_the_weights_at_s():
    path = nc.TrainingPath(CHECKPOINTS, builder("dense", {"form": "rate"}), steps=STEPS)
    x = np.random.default_rng(3).standard_normal(N)
    kernel = nc.ntk.StateNTK(theta=["W", "b"])
    for s in (0.0, 17.0):
        ours = kernel.evaluate(path, x, {"stim": 0.3, "s": s})
        theirs = kernel.evaluate(builder("dense", {"form": "rate"})(between(s)), x, {"stim": 0.3})
        for name in ("top", "trace", "participation_ratio", "lambda_c", "kappa"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9)


def test_iterates_and_lines_through_the_parameters_of_a_path():
    path = nc.TrainingPath(CHECKPOINTS, builder("dense", {"alpha": 0.5}), steps=STEPS)
    x = np.ones(N)
    once = path.rhs(x, {"s": 17.0})
    np.testing.assert_allclose(path.power(2).rhs(x, {"s": 17.0}), path.rhs(once, {"s": 17.0}), rtol=1e-13)
    line = path.along({"stim": 0.0, "s": 0.0}, {"stim": 1.0, "s": 40.0})
    np.testing.assert_allclose(line.rhs(x, {"mix": 0.25}), path.rhs(x, {"stim": 0.25, "s": 10.0}), rtol=1e-13)


# ---------------------------------------------------------------- branches along a path


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_a_branch_follows_corners_and_nothing_happens_there(interpolation):
    heights = np.array([0.0, 3.0, -2.0, -2.0, 5.0, 4.9])
    steps = np.array([0.0, 1.0, 2.0, 50.0, 51.0, 100.0])
    path = scalar(np.zeros(6), heights, steps=steps, interpolation=interpolation)
    branch = followed(path, [0.0])
    assert branch.special_points.labels == ("EP", "EP")
    truth = np.interp(branch.p, steps, heights)  # without recurrence the fixed point is the bias
    if interpolation == "cubic":
        truth = PchipInterpolator(steps, heights)(branch.p)
    else:
        assert np.all(np.min(np.abs(branch.p[:, None] - steps), axis=0) < 1e-10)  # a point on each checkpoint
    np.testing.assert_allclose(branch["z0"], truth, atol=1e-10)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("weights", [(0.5, 0.8, 1.5), (0.5, 1.0, 1.5), (1.5, 1.0, 0.9, 0.5)])
def test_a_pitchfork_between_checkpoints_or_on_one(weights, interpolation):
    path = scalar(weights, interpolation=interpolation)
    branch = followed(path, [0.0])
    assert branch.special_points.labels == ("EP", "BP", "EP")
    at = branch.special_points["BP1"].p
    assert path.weights(at)["W"][0, 0] == pytest.approx(1.0, abs=1e-9)
    if interpolation == "linear":
        order = np.argsort(weights)
        assert at == pytest.approx(np.interp(1.0, np.array(weights)[order], np.arange(len(weights))[order]), abs=1e-9)


FOLD = 1.5 * np.sqrt(1 / 3) - np.arctanh(np.sqrt(1 / 3))  # bias at which z = 1.5 tanh z + b folds


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("at", [0.3, FOLD])
def test_folds_between_checkpoints_or_on_one(at, interpolation):
    path = scalar(np.full(4, 1.5), [-0.5, -at, at, 0.6], interpolation=interpolation)
    branch = followed(path, [-2.0])
    assert branch.special_points.labels == ("EP", "LP", "LP", "EP")
    for point, bias in zip(branch.special_points("LP"), (FOLD, -FOLD), strict=True):
        assert path.weights(point.p)["b"][0] == pytest.approx(bias, abs=1e-9)


def test_border_collisions_on_a_path_are_those_of_the_network():
    # z = relu(2 z + b): 0 and -b for b < 0, which meet at b = 0
    path = scalar([2.0, 2.0, 2.0], [-1.0, -0.4, 1.0], form="rate", phi="relu")
    branch = followed(path, [0.0])
    assert branch.special_points.labels == ("EP", "BC", "EP")
    point = branch.special_points["BC1"]
    assert point.p == pytest.approx(1.0 + 0.4 / 1.4, abs=1e-10)
    assert point.normal_form["type"] == "non-smooth fold"
    upper = branch["z0"] > 1e-9
    np.testing.assert_allclose(branch["z0"][upper], -np.interp(branch.p[upper], [0, 1, 2], [-1, -0.4, 1]), atol=1e-10)


# ---------------------------------------------------------------- bad input


def rnn(w):
    return nc.RateRNN(w["W"], b=w["b"])


GOOD = {"W": np.eye(3), "b": np.zeros(3)}
OTHER = {**GOOD, "b": np.ones(3)}
LARGER = {"W": np.eye(4), "b": np.zeros(4)}


def learned_tau(w):
    return nc.RateRNN(w["W"], tau=1 + w["b"])


def learned_gain(w):
    return nc.RateRNN(w["W"], gain=1 + w["b"][0])


@pytest.mark.parametrize(
    ("checkpoints", "options", "message"),
    [
        ([GOOD, GOOD, LARGER], {}, r"checkpoints\[2\] \(step 2\): the leaf 'W' has shape \(4, 4\)"),
        ([GOOD, {"W": np.eye(3)}], {"steps": [0, 50]}, r"\[1\] \(step 50\): it has no leaf 'b', checkpoints\[0\] has"),
        ([GOOD, {**GOOD, "b": np.full(3, np.nan)}], {}, r"checkpoints\[1\] \(step 1\): b"),
        ([GOOD], {}, "checkpoints: got 1 of them"),
        (GOOD, {}, "checkpoints: got dict"),
        ([GOOD, GOOD], {"steps": [0]}, "steps: got"),
        ([GOOD, GOOD], {"steps": [5, 5]}, "steps: 5 is followed by 5"),
        ([GOOD, GOOD], {"interpolation": "cubc"}, "did you mean 'cubic'"),
        ([GOOD, GOOD], {"build": 3}, "build: got int"),
        ([GOOD, GOOD], {"build": lambda w: w["V"]}, "build: it raised KeyError"),
        ([GOOD, GOOD], {"build": lambda w: 1}, "build: it returned int"),
        ([GOOD, GOOD], {"build": lambda w: nc.classics.cusp()}, "no weights"),
        ([GOOD, OTHER], {"build": learned_tau}, "in more than the floating"),
        ([GOOD, OTHER], {"build": learned_gain}, "the params of"),
        ([GOOD, GOOD], {"build": lambda w: nc.RateRNN(w["W"], states=["a", "s", "c"])}, "has a state 's'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(checkpoints, options, message):
    with pytest.raises(nc.InputError, match=message):
        nc.TrainingPath(checkpoints, **{"build": rnn, **options})


def test_weights_that_a_jax_function_closes_over_are_refused():
    import jax.numpy as jnp

    def build(w):
        hidden = jnp.asarray(w["b"], float)
        return nc.Model.from_jax(lambda x, p, theta: -x + theta @ jnp.tanh(x) + hidden, 3, {}, theta=w["W"])

    with pytest.raises(nc.InputError, match="in more than the floating"):
        nc.TrainingPath([GOOD, OTHER], build)
