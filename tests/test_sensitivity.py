"""How bifurcation points move with the weights, against points located anew by scipy after a small change."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest
from invariants import check_branch
from relocation import moved
from scipy import sparse
from special_cases import point_at

import ntkcont as nc
from ntkcont.models.jax_twin import split_twin
from ntkcont.ntk.critical_derivatives import FixedPoint, _function
from ntkcont.ntk.theta import resolve_theta

# ---------------------------------------------------------------- networks: five types, all kinds of weights


def _weights(kind, n=5, seed=0):
    """W with one designed outlier: real, negative, a complex pair."""
    rng = np.random.default_rng(seed)
    W = 0.15 * rng.standard_normal((n, n))
    Q, _ = np.linalg.qr(rng.standard_normal((n, 2)))
    P = Q + 0.2 * rng.standard_normal((n, 2))
    core = {"real": np.diag([1.0, 0.3]), "negative": np.diag([-1.0, 0.3]), "pair": np.array([[0.9, -0.8], [0.8, 0.9]])}
    return W + 1.3 * P @ core[kind] @ Q.T


def _network(kind, *, low_rank=False, dale=False, sparse_weights=False, bias=0.1, **options):
    n = 5
    rng = np.random.default_rng(7)
    W = _weights(kind)
    if low_rank:
        u, s, vh = np.linalg.svd(W)
        W = nc.LowRank(u[:, :3] * s[:3], vh[:3].T)
    if dale:
        options["sign"] = np.where(W.sum(axis=0) > 0, 1.0, -1.0)
        options["mask"] = (rng.random((n, n)) < 0.8).astype(float)
        W = 1.5 * W * options["sign"]
    if sparse_weights:
        W = sparse.csr_array(W * (rng.random((n, n)) < 0.9))
    fields = {"b": bias * rng.standard_normal(n), "W_in": rng.standard_normal((n, 2))}
    return {"W": W, **fields, "inputs": {"stim": [1.0, 0.4]}, **options}


def _rebuilt(arguments, direction, s):
    """The network with its weights moved by s along `direction`, a dict of arrays."""
    own = dict(arguments)
    W = own["W"]
    if isinstance(W, nc.LowRank):
        own["W"] = nc.LowRank(W.U + s * direction.get("U", 0.0), W.V + s * direction.get("V", 0.0))
    elif "W" in direction and not isinstance(W, np.ndarray):
        own["W"] = sparse.csr_array((W.data + s * direction["W"], W.indices, W.indptr), shape=W.shape)
    else:
        own["W"] = W + s * direction.get("W", 0.0)
    for name in ("b", "W_in"):
        own[name] = own[name] + s * direction.get(name, 0.0)
    return nc.RateRNN(**own)


# free parameter, its span and its start, for each type of point
SEARCH = {
    "LP": ("stim", (-3.0, 3.0), -3.0, "real"),
    "H": ("gain", (0.1, 3.0), 0.1, "pair"),
    "PD": ("gain", (0.1, 3.0), 0.1, "negative"),
    "NS": ("gain", (0.1, 3.0), 0.1, "pair"),
    "BP": ("gain", (0.1, 3.0), 0.1, "real"),
}
FLOW, LEAKY, ELMAN = {"tau": np.linspace(0.5, 2.0, 5)}, {"alpha": np.linspace(0.4, 0.9, 5)}, {"alpha": 1.0}
NETWORKS = {
    "LP, flow": ("LP", FLOW),
    "LP, map, rate": ("LP", {**LEAKY, "form": "rate"}),
    "LP, low rank": ("LP", {**FLOW, "low_rank": True}),
    "LP, sparse": ("LP", {**FLOW, "sparse_weights": True}),
    "H, flow": ("H", {}),
    "H, rate, phi_gain": ("H", {"form": "rate", "phi_gain": np.linspace(0.8, 1.3, 5)}),
    "H, low rank, rate": ("H", {"form": "rate", "low_rank": True}),
    "LP, Dale, masked": ("LP", {"dale": True}),
    "PD, Dale, masked, rate": ("PD", {**ELMAN, "dale": True, "form": "rate"}),
    "PD, Elman": ("PD", ELMAN),
    "PD, rate, low rank": ("PD", {**ELMAN, "form": "rate", "low_rank": True}),
    "NS, map": ("NS", LEAKY),
    "NS, rate": ("NS", {**LEAKY, "form": "rate"}),
    "BP, flow": ("BP", {**FLOW, "bias": 0.0}),
    "BP, rate": ("BP", {"form": "rate", "bias": 0.0}),
    "BP, map, low rank": ("BP", {**LEAKY, "bias": 0.0, "low_rank": True}),
}


@functools.cache
def _found(name):
    """The network's arguments, the network and its special point."""
    label, options = NETWORKS[name]
    free, p_span, p0, kind = SEARCH[label]
    arguments = _network(kind, **options)
    net = nc.RateRNN(**arguments)
    branch = nc.continuation(net, np.zeros(net.n), free=free, p_span=p_span, params={free: p0})
    check_branch(branch, net, p_span=p_span)
    return arguments, net, branch.special_points(label)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    arguments, net, point = _found(name)
    rng = np.random.default_rng(3)
    direction = {key: rng.standard_normal(leaf.shape) / np.sqrt(leaf.size) for key, leaf in net.theta.items()}
    if point.label == "BP":
        found = nc.ntk.sensitivity(point)
        normal = found.unfolding
        length = sum(np.vdot(a, a) for a in normal.values())
        overlap = sum(np.vdot(normal[key], direction[key]) for key in direction)
        direction = {key: direction[key] - overlap / length * normal[key] for key in direction}
        gradient = found.gradient
    else:
        gradient = nc.ntk.sensitivity(point)
    assert gradient.keys() == net.theta.keys()
    along = sum(np.vdot(gradient[key], direction[key]) for key in direction)
    expected = moved(lambda s: (_rebuilt(arguments, direction, s), point.params), point)
    np.testing.assert_allclose(along, expected, rtol=1e-6)
    np.testing.assert_allclose(nc.ntk.sensitivity(point, direction=direction), along, rtol=1e-9)


# ---------------------------------------------------------------- equations


def _equation_cases():
    delayed = nc.Model.from_equations(
        {"x": "r*x*(1 - y) - c*x**2", "y": "x + e*(y - x)"}, {"r": 1.5, "c": 0.05, "e": 0.02}, kind="map"
    )
    fitzhugh = nc.classics.fitzhugh_nagumo()
    return {
        "LP": (nc.classics.morris_lecar("I"), {"v": -60.0, "w": 0.01}, "I", (-20.0, 120.0)),
        "H": (fitzhugh, np.array([-1.2, -0.6]), "I", (0.0, 2.0)),
        "NS": (delayed, np.array([0.3, 0.3]), "r", (1.2, 3.0)),
    }


EQUATIONS = _equation_cases()


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations(name):
    model, start, free, p_span = EQUATIONS[name]
    branch = nc.continuation(model, start, free=free, p_span=p_span)
    check_branch(branch, model, p_span=p_span)
    point = branch.special_points(name.split(",")[0])[0]
    gradient = nc.ntk.sensitivity(point)
    assert gradient.keys() == model.params.keys() - {free}
    for key, value in gradient.items():
        size = max(abs(point.params[key]), 0.1)

        def build(s, key=key, size=size):
            return model, {**point.params, key: point.params[key] + s * size}

        expected = moved(build, point) / size
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-8, err_msg=key)


def _henon_numba():
    def rhs(out, x, p):
        out[0] = 1.0 - p[0] * x[0] ** 2 + x[1]
        out[1] = p[1] * x[0]

    def jac(out, x, p):
        out[0, 0] = -2.0 * p[0] * x[0]
        out[0, 1] = 1.0
        out[1, 0] = p[1]

    return nc.Model.from_numba(rhs, ["x", "y"], {"a": 0.2, "b": 0.3}, kind="map", jac=jac)


def _henon_jax():
    import jax.numpy as jnp

    def f(x, p, theta):
        return jnp.stack([1.0 - p["a"] * x[0] ** 2 + x[1], theta["b"] * x[0]])

    return nc.Model.from_jax(f, ["x", "y"], {"a": 0.2}, theta={"b": 0.3}, kind="map")


@pytest.mark.parametrize("build", [nc.classics.henon, _henon_numba, _henon_jax])
def test_henon_in_closed_form(build):
    """a = -(1 - b)^2/4 at the fold, a = 3 (1 - b)^2/4 at the flip."""
    model = build()
    branch = nc.continuation(model, [0.6, 0.2], free="a", p_span=(-1.0, 2.0), stop=("LP", 1))
    check_branch(branch, model, p_span=(-1.0, 2.0))
    for label, expected in (("LP", (1 - 0.3) / 2), ("PD", -3 * (1 - 0.3) / 2)):
        found = nc.ntk.sensitivity(branch.special_points(label)[0])
        np.testing.assert_allclose(found["b"], expected, rtol=1e-8, err_msg=label)


# ---------------------------------------------------------------- branch points


def _crossing():
    """A transcritical point at (x, y, mu) = (s, 0, a) for e = 0, in equations that hide it."""
    equations = {"x": "(mu - a)*(x - s) + c*y - k*(x - s)**3 + e", "y": "-y + d*(x - s)**2 + f*(mu - a)"}
    return nc.Model.from_equations(
        equations, {"mu": -1.0, "a": 0.2, "s": 0.5, "c": 0.7, "d": 0.8, "k": 1.0, "e": 0.0, "f": 0.0}
    )


def _crossing_numba():
    def rhs(out, x, p):
        mu, a, s, c, d, k, e, f = p
        out[0] = (mu - a) * (x[0] - s) + c * x[1] - k * (x[0] - s) ** 3 + e
        out[1] = -x[1] + d * (x[0] - s) ** 2 + f * (mu - a)

    return nc.Model.from_numba(rhs, ["x", "y"], dict(_crossing().params))


@pytest.mark.parametrize("build", [_crossing, _crossing_numba])
def test_branch_point_in_closed_form(build):
    model = build()
    branch = nc.continuation(model, [0.5, 0.0], free="mu", p_span=(-1.0, 1.0))
    check_branch(branch, model, p_span=(-1.0, 1.0))
    (point,) = branch.special_points("BP")
    found = nc.ntk.sensitivity(point)
    # w = (1, c) scaled to w^T v = 1, v = (1, 0): e enters with 1; a, f and the rest do not enter at the point itself
    expected = {"a": 0.0, "s": 0.0, "c": 0.0, "d": 0.0, "k": 0.0, "e": 1.0, "f": 0.0}
    assert found.unfolding.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(found.unfolding[key] - value) < 1e-9, key
    # with m = mu - a, u = x - s: m u + c d u^2 + c f m + e = 0, to first order in f m U + c d U^2 - 2 c^2 d f U for
    # U = u + c f, so that the branches meet at mu = a + 2 c^2 d f
    for key, value in {**dict.fromkeys(expected, 0.0), "a": 1.0, "f": 2 * 0.7**2 * 0.8}.items():
        assert abs(found.gradient[key] - value) < 1e-8, key
    assert abs(nc.ntk.sensitivity(point, direction={"a": 2.0, "s": 1.0}) - 2.0) < 1e-8
    with pytest.raises(nc.InputError, match=r"direction: it unfolds BP1 \(w\^T F_theta direction = 0.3"):
        nc.ntk.sensitivity(point, direction={"e": 0.3, "a": 1.0})


def test_both_branches_of_a_pitchfork_agree():
    """The point is found from the straight and from the bent branch; its sensitivity is one and the same."""
    arguments, net, point = _found("BP, flow")
    bent = nc.continuation(net, point, free="gain", p_span=(0.1, 3.0))
    check_branch(bent, net)
    other = bent.special_points("BP")[0]
    assert abs(other.p - point.p) < 1e-7
    first, second = nc.ntk.sensitivity(point).gradient, nc.ntk.sensitivity(other).gradient
    np.testing.assert_allclose(first["W"], second["W"], atol=1e-6 * np.max(np.abs(first["W"])))
    # an odd network at rest: the critical gain is 1/lambda of the weights, so that p moves by -p^2 w v^T/(w^T v)
    values, vectors = np.linalg.eig(arguments["W"])
    lead = np.argmax(values.real)
    v, w = vectors[:, lead].real, np.linalg.inv(vectors)[lead].real
    assert abs(point.p * values[lead].real - 1.0) < 1e-9
    np.testing.assert_allclose(first["W"], -(point.p**2) * np.outer(w, v), atol=1e-8)


def test_networks_of_one_shape_are_traced_once():
    def net(seed):
        return nc.RateRNN(0.3 * np.random.default_rng(seed).standard_normal((3, 3)), b=np.full(3, 0.1 * seed))

    def slopes(model):
        x, values = np.full(3, 0.2), model.values()
        theta = resolve_theta(
            "all", "none", model, free="gain", overridden=(), magnitude=dict.fromkeys(model.params, 1.0)
        )
        return FixedPoint(model, theta, x, values, "gain").slopes(np.ones(3), np.ones(3))

    slopes(net(1))
    compiled = _function(split_twin(net(1).jax_function)[0])
    known = compiled._cache_size()
    second = net(2)
    found = slopes(second)
    assert compiled._cache_size() == known
    # w^T A u = w^T (-1 + W diag(1 - tanh(x)^2)) u: its derivative in W is w (u (1 - tanh(x)^2))^T
    np.testing.assert_allclose(found.theta[:9].reshape(3, 3), np.full((3, 3), 1 - np.tanh(0.2) ** 2), rtol=1e-12)
    curved = -2 * np.tanh(0.2) * (1 - np.tanh(0.2) ** 2) * second.W.sum(axis=0)
    np.testing.assert_allclose(found.x, curved, rtol=1e-12)  # so that the weights are those of the second


# ---------------------------------------------------------------- JAX models and what the result looks like


def _jax_model(weights):
    import jax.numpy as jnp

    def f(x, p, theta):
        hidden = jnp.tanh(theta["cell"]["W"] @ x + theta["cell"]["b"] + p["drive"])
        return -x + theta["out"][0] @ hidden + 0.0 * theta["steps"]

    return nc.Model.from_jax(f, 3, {"drive": -2.0}, theta=weights)


def _jax_weights(seed=2):
    rng = np.random.default_rng(seed)
    W = 0.2 * rng.standard_normal((4, 3))
    W[:, 0] += 1.2
    out = 0.2 * rng.standard_normal((3, 4))
    out[0] += 0.7
    return {"cell": {"W": W, "b": 0.1 * rng.standard_normal(4)}, "out": [out], "steps": np.array(3)}


def test_jax_pytree():
    import jax

    weights = _jax_weights()
    model = _jax_model(weights)
    branch = nc.continuation(model, np.zeros(3) - 2.0, free="drive", p_span=(-2.0, 2.0))
    check_branch(branch, model, p_span=(-2.0, 2.0))
    point = branch.special_points("LP")[0]
    gradient = nc.ntk.sensitivity(point)
    assert jax.tree.structure(gradient) == jax.tree.structure(weights)
    assert np.all(gradient["steps"] == 0.0)
    rng = np.random.default_rng(0)
    direction = jax.tree.map(lambda a: 0.3 * rng.standard_normal(a.shape) * (a.dtype.kind == "f"), weights)

    def build(s):
        return _jax_model(jax.tree.map(lambda a, d: a + s * d if a.dtype.kind == "f" else a, weights, direction)), {}

    expected = moved(build, point)
    np.testing.assert_allclose(nc.ntk.sensitivity(point, direction=direction), expected, rtol=1e-6)
    picked = nc.ntk.sensitivity(point, lambda theta: [theta["out"][0], theta["cell"]["b"]])
    np.testing.assert_array_equal(picked[0], gradient["out"][0])
    np.testing.assert_array_equal(picked[1], gradient["cell"]["b"])
    named = nc.ntk.sensitivity(point, ["cell.W"])
    assert named.keys() == {"cell.W"}
    np.testing.assert_array_equal(named["cell.W"], gradient["cell"]["W"])
    with pytest.raises(nc.InputError, match="direction: its structure is"):
        nc.ntk.sensitivity(point, direction=[1.0])
    with pytest.raises(nc.InputError, match=r"direction: 'cell.W' has shape \(3, 4\)"):
        nc.ntk.sensitivity(point, "cell.W", direction={"cell.W": direction["cell"]["W"].T})


def test_weights_and_parameters_together_and_parameters_that_move_together():
    _, net, point = _found("LP, flow")
    both = nc.ntk.sensitivity(point, ["b", "gain"])
    np.testing.assert_allclose(both["b"], nc.ntk.sensitivity(point)["b"], rtol=1e-12)
    model = nc.RateRNN(**_found("LP, flow")[0])
    expected = moved(lambda s: (model, {**point.params, "gain": point.params["gain"] + s}), point)
    np.testing.assert_allclose(both["gain"], expected, rtol=1e-6)
    # along stim = mix: the same fold, in another parameter that is twice as fast
    path = net.along({"stim": 0.0}, {"stim": 2.0})
    again = point_at(path, "LP", point.x, "mix", {"mix": point.p / 2}, vectors=dict(point.vectors))
    slow = nc.ntk.sensitivity(again, ["b", "gain"], model=path)
    np.testing.assert_allclose(slow["b"], both["b"] / 2, rtol=1e-9)
    np.testing.assert_allclose(slow["gain"], both["gain"] / 2, rtol=1e-9)


# ---------------------------------------------------------------- what cannot be asked, and the cost


def test_bad_input(tmp_path):
    model = nc.classics.cusp()
    free = next(iter(model.params))
    branch = nc.continuation(model, [-1.3], free=free, p_span=(-2.0, 2.0), params={free: -1.0})
    check_branch(branch, model)
    fold = branch.special_points("LP")[0]
    with pytest.raises(nc.InputError, match=f"theta: '{free}' is the free parameter"):
        nc.ntk.sensitivity(fold, [free])
    with pytest.raises(nc.InputError, match="theta: 'lamb' is unknown; did you mean 'lam'"):
        nc.ntk.sensitivity(fold, "lamb")
    with pytest.raises(nc.InputError, match="point: EP1 is of type EP; sensitivity is for LP, H, PD, NS and BP"):
        nc.ntk.sensitivity(branch.special_points("EP")[0])
    with pytest.raises(nc.InputError, match="point: Branch was given; give a special point"):
        nc.ntk.sensitivity(branch)
    with pytest.raises(nc.InputError, match="direction: 'lambda' is unknown"):
        nc.ntk.sensitivity(fold, direction={"lambda": 1.0})
    branch.save(tmp_path / "b.npz")
    loaded = nc.load(tmp_path / "b.npz").special_points("LP")[0]
    assert loaded == fold
    assert loaded.model is None
    with pytest.raises(nc.InputError, match="model: this point does not keep its model"):
        nc.ntk.sensitivity(loaded)
    assert nc.ntk.sensitivity(loaded, model=model) == nc.ntk.sensitivity(fold)


def test_points_without_a_derivative():
    double = nc.Model.from_equations({"x": "mu - x**2 + a", "y": "mu - y**2"}, {"mu": 0.0, "a": 0.0})
    point = point_at(double, "LP", [0.0, 0.0], "mu", multiplicity=2)
    with pytest.raises(nc.InputError, match="point: LP1 has no derivative, since the critical eigenvalue has 2"):
        nc.ntk.sensitivity(point, model=double)
    tangential = nc.Model.from_equations({"x": "a + mu**2*x - y", "y": "x + mu**2*y"}, {"mu": 0.0, "a": 0.0})
    point = point_at(tangential, "H", [0.0, 0.0], "mu")
    with pytest.raises(nc.InputError, match="point: at H1 the critical eigenvalue crosses with speed zero"):
        nc.ntk.sensitivity(point, model=tangential)


def test_cost_of_a_large_network():
    """500 units, a quarter of a million weights: what one linear system costs, twice over."""
    n = 500
    rng = np.random.default_rng(1)
    W = 0.5 * rng.standard_normal((n, n)) / np.sqrt(n)
    v, w = rng.standard_normal((2, n)) / np.sqrt(n)
    w = v + 0.3 * w
    W += 1.5 * np.outer(v, w) / (w @ v)
    lead = np.max(np.linalg.eigvals(W).real)
    net = nc.RateRNN(W)
    point = point_at(net, "BP", np.zeros(n), "gain", {"gain": 1.0 / lead})
    nc.ntk.sensitivity(point, model=net)
    start = time.perf_counter()
    found = nc.ntk.sensitivity(point, model=net)
    assert time.perf_counter() - start < 5.0
    assert found.gradient["W"].shape == (n, n)
    assert abs(np.vdot(found.gradient["W"], W) + 1.0 / lead) < 1e-9  # W -> (1 + s) W moves 1/lead by -s/lead
