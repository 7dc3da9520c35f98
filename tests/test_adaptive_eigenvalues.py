"""Few full spectra, and still every crossing: networks at rest, whose special points are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.eigenvectors import eigenvalues_and_some_vectors
from ntkcont.pathfollowing.near_boundary import Basis, Spectrum, matched
from tests.invariants import check_branch

ADAPTIVE = nc.ContinuationSettings(eigenvalues="adaptive")


def found(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label != "EP"]


def random_weights(n, seed):
    return np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)


def full(branch):
    return int(np.sum(np.isfinite(branch.eigenvalues).all(axis=1)))


# ------------------------------------------------------------------------------------------------ closed forms


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_random_flow_of_200_units(seed):
    """At rest the Jacobian is gain W - 1: special points are at gain = 1/Re(lambda), a BP or an H each."""
    W = random_weights(200, seed)
    net = nc.RateRNN(W)
    span, start = (0.2, 2.0), {"gain": 0.2}
    branch = nc.continuation(
        net, np.zeros(200), free="gain", p_span=span, params=start, direction="+", settings=ADAPTIVE
    )
    lam = np.linalg.eigvals(W)
    crossing = lam[(lam.imag >= 0.0) & (lam.real > 0.5)]
    expected = sorted((1.0 / value.real, "BP" if value.imag == 0.0 else "H") for value in crossing)
    assert len(expected) >= 20
    assert [label for label, _ in found(branch)] == [label for _, label in expected]
    np.testing.assert_allclose([p for _, p in found(branch)], [p for p, _ in expected], atol=1e-8)
    assert all(point.converged for point in branch.special_points)
    assert np.array_equal(branch.n_unstable, [np.sum(gain * lam.real > 1.0) for gain in branch.p])
    assert full(branch) < len(branch) / 3
    check_branch(branch, net, p_span=span, rows=range(0, len(branch), 13))


def map_crossings(lam, alpha, low, high):
    """Gains at which |1 - alpha + alpha gain lambda| = 1, with the label, for one eigenvalue of W."""
    a, b, c = alpha**2 * abs(lam) ** 2, 2.0 * alpha * (1.0 - alpha) * lam.real, (1.0 - alpha) ** 2 - 1.0
    gains = np.roots([a, b, c])
    inside = [float(g.real) for g in gains if abs(g.imag) < 1e-12 and low < g.real < high]
    real = "BP" if lam.real > 0.0 else "PD"
    return [(gain, "NS" if lam.imag != 0.0 else real) for gain in inside]


def test_a_random_map():
    W, alpha, span = random_weights(80, 3), 0.95, (0.2, 1.8)
    net = nc.RateRNN(W, alpha=alpha)
    branch = nc.continuation(
        net, np.zeros(80), free="gain", p_span=span, params={"gain": 0.2}, direction="+", settings=ADAPTIVE
    )
    lam = np.linalg.eigvals(W)
    expected = sorted(each for value in lam[lam.imag >= 0.0] for each in map_crossings(value, alpha, *span))
    assert {label for _, label in expected} == {"BP", "PD", "NS"}
    assert [label for label, _ in found(branch)] == [label for _, label in expected]
    np.testing.assert_allclose([p for _, p in found(branch)], [p for p, _ in expected], atol=1e-8)
    counts = [np.sum(np.abs(1.0 - alpha + alpha * gain * lam) > 1.0) for gain in branch.p]
    assert np.array_equal(branch.n_unstable, counts)
    assert full(branch) < len(branch) / 2
    check_branch(branch, net, p_span=span, rows=range(0, len(branch), 5))


N = 80


def scenes(out, x, p):
    """A cubic with two folds, a pair that crosses twice within a step, and many states that only decay."""
    mu, e = p[0], p[1]
    out[0] = mu + x[0] - x[0] ** 3
    growth = e - (mu - 0.123) ** 2
    out[1] = growth * x[1] - 2.0 * x[2]
    out[2] = 2.0 * x[1] + growth * x[2]
    for i in range(3, 80):
        out[i] = -(0.3 + 0.05 * i) * x[i] + 0.1 * mu * x[i - 1]


def scenes_jac(out, x, p):
    """Its Jacobian."""
    mu, e = p[0], p[1]
    out[:] = 0.0
    growth = e - (mu - 0.123) ** 2
    out[0, 0] = 1.0 - 3.0 * x[0] ** 2
    out[1, 1] = growth
    out[2, 2] = growth
    out[1, 2] = -2.0
    out[2, 1] = 2.0
    for i in range(3, 80):
        out[i, i] = -(0.3 + 0.05 * i)
        out[i, i - 1] = 0.1 * mu


@pytest.fixture(scope="module")
def scene():
    return nc.Model.from_numba(scenes, [f"x{i}" for i in range(N)], {"mu": -1.0, "e": 1e-4}, jac=scenes_jac)


@pytest.mark.parametrize("e", [4e-3, 1e-4, -1e-4])
def test_twice_within_a_step_and_folds(scene, e):
    """The pair's real part is e - (mu - 0.123)^2: Hopf points 2 sqrt(e) apart on each of the three sheets, or none."""
    span = (-1.0, 1.0)
    branch = nc.continuation(
        scene, {f"x{i}": -1.3247 if i == 0 else 0.0 for i in range(N)}, free="mu", p_span=span,
        params={"e": e}, settings=ADAPTIVE,
    )  # fmt: skip
    fold = 2.0 / (3.0 * np.sqrt(3.0))
    pair = [("H", 0.123 - np.sqrt(e)), ("H", 0.123 + np.sqrt(e))] if e > 0.0 else []
    expected = [*pair, ("LP", fold), *pair[::-1], ("LP", -fold), *pair]
    assert [label for label, _ in found(branch)] == [label for label, _ in expected]
    np.testing.assert_allclose([p for _, p in found(branch)], [p for _, p in expected], atol=1e-8)
    assert full(branch) < len(branch) / 2
    check_branch(branch, scene, p_span=span, rows=range(0, len(branch), 7))


def test_identical_populations_cross_together():
    """Two uncoupled copies of one network: every eigenvalue is double, which one that is followed cannot explain."""
    half = random_weights(40, 5)
    W = np.kron(np.eye(2), half)
    net = nc.RateRNN(W)
    branch = nc.continuation(
        net, np.zeros(80), free="gain", p_span=(0.5, 1.3), params={"gain": 0.5}, direction="+", settings=ADAPTIVE
    )
    lam = np.linalg.eigvals(half)
    expected = sorted(1.0 / value.real for value in lam[(lam.imag >= 0.0) & (lam.real > 1.0 / 1.3)])
    points = [q for q in branch.special_points if q.label != "EP"]
    np.testing.assert_allclose([q.p for q in points], expected, atol=1e-7)
    assert all(q.multiplicity == 2 for q in points)
    assert np.array_equal(branch.n_unstable, [2 * np.sum(gain * lam.real > 1.0) for gain in branch.p])


# ------------------------------------------------------------------------------------------------ the parts


def test_one_factorisation_serves_several_corrections():
    """From 100 states on: points and tangents are as accurate as with a factorisation for each."""
    rng = np.random.default_rng(4)
    net = nc.RateRNN(random_weights(110, 4), b=0.5 * rng.standard_normal(110))
    branch = nc.continuation(
        net, net.b, free="gain", p_span=(0.05, 1.0), params={"gain": 0.05}, direction="+", settings=ADAPTIVE
    )
    assert np.max(np.abs(branch.x[-1] - branch.x[0])) > 0.3  # it is curved
    for x, p in zip(branch.x[1:], branch.p[1:], strict=True):
        assert np.max(np.abs(net.rhs(x, {"gain": p}))) < 1e-12
    check_branch(branch, net, p_span=(0.05, 1.0), rows=range(0, len(branch), 9))


def test_small_systems_are_computed_in_full():
    net = nc.RateRNN(random_weights(20, 0))
    branch = nc.continuation(net, np.zeros(20), free="gain", p_span=(0.5, 1.5), settings=ADAPTIVE)
    assert full(branch) == len(branch)
    check_branch(branch, net)


def test_vectors_of_some_eigenvalues():
    a = random_weights(70, 1)
    lam, chosen, right, left = eigenvalues_and_some_vectors(a, lambda values: np.abs(values.real) < 0.3)
    np.testing.assert_allclose(np.sort_complex(lam), np.sort_complex(np.linalg.eigvals(a)), atol=1e-12)
    rows = np.flatnonzero(chosen)
    assert 5 < len(rows) == right.shape[1] == left.shape[1] < 70
    j = 0
    while j < len(rows):
        value = lam[rows[j]]
        pair = value.imag != 0.0
        v, w = (side[:, j] + 1j * side[:, j + 1] if pair else side[:, j] for side in (right, left))
        assert np.linalg.norm(a @ v - value * v) < 1e-12
        assert np.linalg.norm(w.conj() @ a - value * w.conj()) < 1e-12
        assert abs(np.linalg.norm(v) - 1.0) < 1e-12
        j += 2 if pair else 1


def test_values_in_between_are_of_fourth_order():
    """Halving the stretch makes the eigenvalues in its middle sixteen times as accurate."""
    rng = np.random.default_rng(2)
    a, b = random_weights(90, 2), rng.standard_normal((90, 90)) / np.sqrt(90)

    def worst(h):
        ends = [Spectrum.of(a + t * b - 0.2 * t * t * b.T, False) for t in (-h, h)]
        basis = Basis(*ends, False)
        near = basis.near(a)
        exact = np.linalg.eigvals(a)
        inner = near.values[np.abs(near.beyond) < 0.5 * basis.reach]
        assert len(inner) > 5
        return max(np.min(np.abs(exact - value)) for value in inner)

    assert worst(4e-3) / worst(2e-3) > 11.0
    assert worst(2e-3) < 1e-5


def test_eigenvalues_are_paired_by_where_they_should_be():
    """All move by more than the distance between neighbours."""
    values = -0.5 + 0.04 * np.arange(26)
    a = np.diag(values)
    ends = [Spectrum.of(a + shift * np.eye(26), False) for shift in (0.0, 0.06)]
    basis = Basis(*ends, False)
    low, high = basis.near(a), basis.near(a + 0.06 * np.eye(26))
    pairs = matched(low, high, 0.2)
    assert len(pairs) > 5
    for i, j in pairs:
        assert abs(high.values[j] - low.values[i] - 0.06) < 1e-10


@pytest.mark.parametrize("name", ["eigenvalues", "store_states"])
def test_unknown_choices(name):
    with pytest.raises(nc.InputError, match=rf"ContinuationSettings\.{name}: 'some' is unknown"):
        nc.ContinuationSettings(**{name: "some"})


def test_subspaces_on_which_the_fast_driver_of_lapack_gives_up():
    """A random network at rest: at gain g the eigenvalues are g w - 1 with the eigenvalues w of W."""
    W = np.random.default_rng(0).standard_normal((100, 100)) / 10
    net = nc.RateRNN(W)
    settings = nc.ContinuationSettings(eigenvalues="adaptive")
    branch = nc.continuation(
        net, np.zeros(100), free="gain", p_span=(0.3, 1.6), params={"gain": 0.3}, settings=settings
    )
    w = np.linalg.eigvals(W)
    crossings = 1.0 / w[(w.real > 1.0 / 1.6) & (w.imag >= 0.0)].real
    found = [point for point in branch.special_points if point.label in ("BP", "H")]
    np.testing.assert_allclose(np.sort([point.p for point in found]), np.sort(crossings), rtol=1e-9)
    real = 1.0 / w[(w.real > 1.0 / 1.6) & (w.imag == 0.0)].real
    np.testing.assert_allclose([point.p for point in found if point.label == "BP"], np.sort(real), rtol=1e-9)
