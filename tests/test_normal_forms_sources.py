"""Where B and C come from: closed forms of networks, JAX, differences; and points without a normal form."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import weakref

import numpy as np
import pytest
from scipy import sparse
from special_cases import point_at

import ntkcont as nc
from ntkcont import normal_form
from ntkcont.normal_forms.derivatives import Traced
from ntkcont.normal_forms.networks import NetworkDerivatives, network_of

# ---------------------------------------------------------------- networks


def _user_phi():
    import jax.numpy as jnp

    return (lambda x: np.tanh(x) + 0.1 * np.exp(-(x**2))), (lambda x: jnp.tanh(x) + 0.1 * jnp.exp(-(x**2)))


def _networks():
    rng = np.random.default_rng(5)
    n = 6
    W = rng.standard_normal((n, n))
    mask = (rng.random((n, n)) < 0.7).astype(float)
    sign = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    low_rank = nc.LowRank(rng.standard_normal((n, 2)), rng.standard_normal((n, 2)))
    units = {
        "b": rng.standard_normal(n),
        "W_in": rng.standard_normal((n, 3)),
        "inputs": {"stim": rng.standard_normal(3), "fixation": rng.standard_normal(3)},
        "phi_gain": rng.uniform(0.5, 2.0, n),
    }
    flow, leaky = {"tau": rng.uniform(0.5, 3.0, n)}, {"alpha": rng.uniform(0.2, 1.0, n)}
    return {
        "dense": nc.RateRNN(W, **units, **flow),
        "dense rate": nc.RateRNN(W, **units, **flow, form="rate"),
        "masked, signed": nc.RateRNN(W, **units, **flow, mask=mask, sign=sign, phi="softplus"),
        "masked, signed, rate, map": nc.RateRNN(W, **units, **leaky, mask=mask, sign=sign, form="rate", phi="retanh"),
        "map": nc.RateRNN(W, **units, **leaky, phi="sigmoid"),
        "low rank": nc.RateRNN(low_rank, **units, **flow),
        "low rank, rate, map": nc.RateRNN(low_rank, **units, **leaky, form="rate", phi="sigmoid"),
        "sparse": nc.RateRNN(sparse.csr_array(W * mask), **units, **flow, sign=sign),
        "sparse, masked, rate": nc.RateRNN(sparse.csr_array(W), **units, **flow, mask=mask, form="rate"),
        "user's phi": nc.RateRNN(W, **units, **flow, phi=_user_phi()),
        "user's phi, rate": nc.RateRNN(W, **units, **leaky, phi=_user_phi(), form="rate"),
        "along": nc.RateRNN(W, **units, form="rate").along({"gain": 0.5, "stim": 0.0}, {"gain": 2.0, "stim": 1.0}),
    }


NETWORKS = _networks()


@pytest.mark.parametrize("name", NETWORKS)
def test_closed_forms_of_networks_agree_with_jvp(name):
    """B and C along complex directions of (x, p), for every free parameter."""
    model = NETWORKS[name]
    network = network_of(model)
    rng = np.random.default_rng(7)
    x = rng.standard_normal(model.n)
    params = {p: rng.uniform(0.5, 1.5) for p in model.params}
    for free in model.params:
        p, dp = model.line(free, params)
        p = p + params[free] * dp
        closed, traced = NetworkDerivatives(network, x, p, dp), Traced(model, x, p, dp, 3)
        u, v, w = rng.standard_normal((3, model.n + 1)) + 1j * rng.standard_normal((3, model.n + 1))
        for ours, truth in (
            (closed.second(u, v), traced.second(u, v)),
            (closed.third(u, v, w), traced.third(u, v, w)),
            (closed.second(u, v.real), traced.second(u, v.real)),
        ):
            assert np.max(np.abs(truth)) > 1e-3
            np.testing.assert_allclose(ours, truth, rtol=1e-10, atol=1e-10 * np.max(np.abs(truth)))


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_whole_normal_form_of_a_network_agrees_with_jvp(kind):
    """A Hopf or Neimark-Sacker point off the origin, once as a network and once as a plain JAX model."""
    alpha = None if kind == "flow" else 0.4
    rng = np.random.default_rng(11)
    W = 0.4 * rng.standard_normal((8, 8)) / np.sqrt(8)
    W[:2, :2] += [[1.0, -1.2], [1.2, 1.0]]
    network = nc.RateRNN(W, 0.2 * rng.standard_normal(8), alpha=alpha, form="rate", phi_gain=1.1)
    branch = nc.continuation(network, np.zeros(8), free="gain", p_span=(0.2, 3.0), params={"gain": 0.3})
    point = branch.special_points("H" if kind == "flow" else "NS")[0]

    def f(x, p, theta):
        return network.jax_function(x, [p["gain"]], theta)

    twin = nc.Model.from_jax(f, network.states, dict(network.params), theta=dict(network.theta), kind=kind)
    ours, truth = normal_form(network, point), normal_form(twin, point)
    assert ours.keys() == truth.keys()
    for name, value in truth.items():
        assert ours[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9)), name


def test_large_network():
    """n = 1000, W = u u^T: the pitchfork at gain 1 has b30 = -2 sum u^4 and b11 = 1."""
    n = 1000
    u = np.random.default_rng(0).standard_normal(n)
    u /= np.linalg.norm(u)
    eigenvalues = np.concatenate([[0.0], np.full(n - 1, -1.0)]).astype(complex)
    vectors = {"v": u, "w": u}
    for W in (nc.LowRank(u[:, None], u[:, None]), np.outer(u, u)):
        network = nc.RateRNN(W)
        point = point_at(network, "BP", np.zeros(n), "gain", eigenvalues=eigenvalues, vectors=vectors)
        form = normal_form(network, point)
        assert form["b30"] == pytest.approx(-2.0 * np.sum(u**4), rel=1e-10)
        assert form["b11"] == pytest.approx(1.0, rel=1e-10)
        assert (form["type"], form["criticality"]) == ("pitchfork", "supercritical")
        assert np.abs(form["directions"][0, :n] @ u) == pytest.approx(1.0, rel=1e-10)


def test_relu_has_no_smooth_normal_form():
    network = nc.RateRNN([[1.0]], [0.5], phi="relu")
    form = normal_form(network, point_at(network, "BP", [1.0], "gain"))
    assert form["type"] == "piecewise linear"
    assert "relu" in form["note"]
    assert not any(isinstance(value, float) for value in form.values())


# ---------------------------------------------------------------- compiled models


def _fitzhugh_nagumo(out, x, p):
    out[0] = x[0] - x[0] ** 3 / 3.0 - x[1] + p[0]
    out[1] = 0.08 * (x[0] + 0.7 - 0.8 * x[1])


def _fitzhugh_nagumo_jac(out, x, p):
    out[0, 0] = 1.0 - x[0] ** 2
    out[0, 1] = -1.0
    out[1, 0] = 0.08
    out[1, 1] = -0.064


EQUATIONS = {"v": "v - v**3/3 - w + I", "w": "0.08*(v + 0.7 - 0.8*w)"}


@pytest.mark.parametrize(("jac", "digits"), [(None, 1e-4), (_fitzhugh_nagumo_jac, 1e-7)])
def test_compiled_model_by_differences(jac, digits):
    """The stated accuracy holds, up to a factor, and is good."""
    exact = nc.Model.from_equations(EQUATIONS, {"I": 0.0})
    compiled = nc.Model.from_numba(_fitzhugh_nagumo, ["v", "w"], {"I": 0.0}, jac=jac)
    branch = nc.continuation(exact, [-1.2, -0.6], free="I", p_span=(0.0, 2.0))
    points = branch.special_points("H")
    assert len(points) == 2
    for point in points:
        truth, ours = normal_form(exact, point), normal_form(compiled, point)
        assert "accuracy" not in truth
        error = abs(ours["l1"] / truth["l1"] - 1.0)
        assert error < digits
        assert error < 30.0 * ours["accuracy"] + 1e-10
        assert ours["accuracy"] < 10.0 * digits
        assert ours["criticality"] == truth["criticality"]


def test_branch_point_of_a_compiled_model():
    def rhs(out, x, p):
        out[0] = x[0] * (3.0 * p[0] + p[1] * x[0] - x[0] ** 2) + x[1]
        out[1] = -x[1] + 5.0 * x[0] ** 2 - p[0] ** 2

    for quadratic, kind in ((-2.0, "transcritical"), (-5.0, "pitchfork")):
        model = nc.Model.from_numba(rhs, ["x", "y"], {"mu": 0.0, "q": quadratic})
        form = normal_form(model, point_at(model, "BP", [0.0, 0.0], "mu"))
        expected = [2.0 * (quadratic + 5.0), 3.0, -2.0, -6.0]  # y = 5 x^2 - mu^2 on the center manifold
        assert [form[name] for name in ("b20", "b11", "b02", "b30")] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert form["type"] == kind
        assert form["accuracy"] < 1e-3


def test_iterates_of_a_compiled_map_are_differenced_too():
    def rhs(out, x, p):
        out[0] = p[0] * x[0] * (1.0 - x[0])

    r = 1.0 + np.sqrt(6.0)
    x = (r + 1.0 + np.sqrt((r + 1.0) * (r - 3.0))) / (2.0 * r)
    model = nc.Model.from_numba(rhs, ["x"], {"r": r}, kind="map").power(2)
    exact = nc.classics.logistic().power(2)
    ours = normal_form(model, point_at(model, "PD", [x], "r"))
    truth = normal_form(exact, point_at(exact, "PD", [x], "r", {"r": r}))
    assert ours["b"] == pytest.approx(truth["b"], rel=1e-4)
    assert ours["accuracy"] < 1e-3


def test_degenerate_by_differences_is_not_decided_by_noise():
    """The cubic terms vanish; what differences make of them has a random sign."""

    def rhs(out, x, p):
        r = x[0] ** 2 + x[1] ** 2
        out[0] = p[0] * x[0] - x[1] - np.sin(x[0]) * r * r
        out[1] = x[0] + p[0] * x[1]

    model = nc.Model.from_numba(rhs, ["x", "y"], {"mu": 0.0})
    form = normal_form(model, point_at(model, "H", [0.0, 0.0], "mu"))
    assert form["criticality"] == "degenerate"
    assert abs(form["l1"]) < 1e-6


def test_models_are_freed():
    """What was compiled for a model does not keep it, and its weights, in memory."""
    import jax.numpy as jnp

    model = nc.Model.from_jax(lambda x, p, theta: p["mu"] - jnp.sin(x) * x, 1, {"mu": 0.0})
    assert normal_form(model, point_at(model, "LP", [0.0], "mu"))["a"] == pytest.approx(-1.0, rel=1e-12)
    function = weakref.ref(model.jax_function)
    del model
    gc.collect()
    assert function() is None


def test_a_branch_keeps_normal_forms(tmp_path):
    """They are data that a special point takes, saves and loads."""
    model = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -0.5})
    branch = nc.continuation(model, [0.0], free="mu", p_span=(-1.0, 1.0))
    points = [dataclasses.replace(p, normal_form=normal_form(model, p)) for p in branch.special_points]
    branch = dataclasses.replace(branch, special_points=nc.SpecialPoints(points))
    branch.save(tmp_path / "b.npz")
    loaded = nc.load(tmp_path / "b.npz")
    assert loaded == branch
    form = loaded.special_points["BP1"].normal_form
    assert form["type"] == "pitchfork"
    assert form["directions"].shape == (2, 2)


# ---------------------------------------------------------------- several critical directions


def test_kernel_of_dimension_two_is_said():
    """Three coupled units: on the trivial branch the differences are critical together, at mu = 0.01."""
    text = {f"x{i}": f"mu*x{i} - x{i}**3 + 0.01*((x0 + x1 + x2)/3 - x{i})" for i in range(3)}
    model = nc.Model.from_equations(text, {"mu": 0.0})
    branch = nc.continuation(model, np.zeros(3), free="mu", p_span=(-0.5, 0.5), params={"mu": -0.4})
    simple, double = branch.special_points("BP")
    form = normal_form(model, simple)
    assert (form["type"], form["criticality"]) == ("pitchfork", "supercritical")
    form = normal_form(model, double)
    assert (form["type"], form["kernel_dimension"]) == ("multiple", 2)
    assert "b20" not in form
    assert "criticality" not in form


def test_two_hopf_pairs_at_once_are_said():
    text = {
        "x": "mu*x - y - x**3", "y": "x + mu*y", "u": "mu*u - v - u**3", "v": "u + mu*v",
    }  # fmt: skip
    model = nc.Model.from_equations(text, {"mu": 0.0})
    form = normal_form(model, point_at(model, "H", np.zeros(4), "mu"))
    assert (form["type"], form["kernel_dimension"]) == ("multiple", 2)


def test_bogdanov_takens_is_said():
    model = nc.Model.from_equations({"x": "y", "y": "b1 + x**2 + x*y"}, {"b1": 0.0})
    with pytest.warns(RuntimeWarning, match="LP.*Bogdanov-Takens"):
        form = normal_form(model, point_at(model, "LP", [0.0, 0.0], "b1"))
    assert (form["type"], form["kernel_dimension"]) == ("defective", 1)
    assert "Bogdanov-Takens" in form["note"]


def test_kappa_grows_towards_bogdanov_takens():
    """At the fold of x' = y, y' = b1 + b2 y + x^2 the angle between q = (1, 0) and p = (-b2, 1) closes as b2 -> 0."""
    model = nc.Model.from_equations({"x": "y", "y": "b1 + b2*y + x**2"}, {"b1": 0.0, "b2": 0.0})
    for b2 in (0.1, 1e-5):
        point = point_at(model, "LP", [0.0, 0.0], "b1", {"b2": b2})
        near = pytest.warns(RuntimeWarning, match="nearly multiple.*Bogdanov-Takens")
        with near if b2 < 1e-4 else contextlib.nullcontext():
            form = normal_form(model, point)
        assert ("note" in form) == (b2 < 1e-4)
        assert form["kappa"] == pytest.approx(np.hypot(1.0, b2) / b2, rel=1e-9)
        assert form["type"] == "fold"


# ---------------------------------------------------------------- words


def test_other_points_have_none():
    model = nc.classics.cusp()
    for label in ("EP", "UZ", "BC"):
        assert normal_form(model, point_at(model, label, [0.0], "mu")) == {}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (lambda: nc.classics.logistic(), "belongs to a flow"),
        (lambda: nc.Model.from_equations({"y": "-y"}, {"mu": 0.0}), "states"),
        (lambda: nc.Model.from_equations({"x": "-x*k"}, {"k": 0.0}), "'k'"),
    ],
)
def test_point_of_another_model_is_refused(other, why):
    model = nc.Model.from_equations({"x": "mu - x**2"}, {"mu": 0.0})
    point = point_at(model, "LP", [0.0], "mu")
    with pytest.raises(nc.InputError, match=why):
        normal_form(other(), point)
    with pytest.raises(nc.InputError, match="special point"):
        normal_form(model, "LP1")  # pyright: ignore[reportArgumentType]
