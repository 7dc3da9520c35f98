"""Low-rank networks in the coordinates of their connectivity, against the same networks with a dense W."""

from __future__ import annotations

import numpy as np
import pytest

import ntkcont as nc
from tests.invariants import check_branch

N, R = 60, 3
#: V^T U: a real eigenvalue 1.5 and a pair 0.8 +- 2i.
OVERLAP = np.array([[1.5, 0.0, 0.0], [0.0, 0.8, -2.0], [0.0, 2.0, 0.8]])
TWO = np.where(np.arange(N) % 3 == 0, 1.0, 2.5)
CASES = {
    "synaptic": {},
    "rate": {"form": "rate"},
    "two time constants": {"tau": TWO},
    "two time constants, rate": {"tau": TWO, "form": "rate"},
    "map": {"alpha": 0.6},
    "two leaks": {"alpha": 0.4 / TWO, "form": "rate"},
}


def factors(n, seed=0):
    """U orthonormal and V such that V^T U is OVERLAP, with a part of V outside the span of U."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((n, R)))[0]
    rest = rng.standard_normal((n, R))
    return u * np.sqrt(n), (u @ OVERLAP.T + 0.3 * (rest - u @ (u.T @ rest)) / np.sqrt(n)) / np.sqrt(n)


def networks(bias, **options):
    """The low-rank network and the dense one."""
    rng = np.random.default_rng(1)
    U, V = factors(N)
    b, W_in = bias * rng.standard_normal(N), rng.standard_normal((N, 2))
    common = {"b": b, "W_in": W_in, "inputs": {"stim": [1.0, 0.5]}, **options}
    return nc.RateRNN(nc.LowRank(U, V), **common), nc.RateRNN(U @ V.T, **common)


def labels(branch):
    return [(q.label, q.p) for q in branch.special_points if q.label != "NSad"]


@pytest.mark.parametrize("case", CASES)
def test_agreement_with_the_dense_network(case):
    net, dense = networks(0.02, phi_gain=np.linspace(0.9, 1.1, N), **CASES[case])
    reduced = net.reduced()
    assert reduced.check(np.linspace(-0.5, 0.5, reduced.n)).ok
    options = {"free": "gain", "p_span": (0.2, 1.6), "params": {"gain": 0.2, "stim": 0.01}}
    branch = nc.continuation(reduced, np.zeros(reduced.n), **options)
    check_branch(branch, reduced, p_span=(0.2, 1.6))
    whole = nc.lifted(branch)
    check_branch(whole, dense, p_span=(0.2, 1.6))  # residuals, spectra of all 60 eigenvalues, tangents
    reference = nc.continuation(dense, np.zeros(N), **options)
    assert [label for label, _ in labels(whole)] == [label for label, _ in labels(reference)]
    np.testing.assert_allclose([p for _, p in labels(whole)], [p for _, p in labels(reference)], atol=1e-9)
    for point, other in zip(whole.special_points("H"), reference.special_points("H"), strict=True):
        np.testing.assert_allclose(point.x, other.x, atol=1e-8)
        assert point.omega == pytest.approx(other.omega, abs=1e-8)
        assert point.normal_form["criticality"] == other.normal_form["criticality"]


def test_the_origin_in_closed_form():
    """At rest with one leak: a branch point at gain 1/1.5, a Hopf point at 1/0.8 with frequency 2/0.8."""
    U, V = factors(400)
    reduced = nc.RateRNN(nc.LowRank(U, V)).reduced()
    branch = nc.continuation(reduced, np.zeros(R), free="gain", p_span=(0.2, 1.6), params={"gain": 0.2}, direction="+")
    check_branch(branch, reduced, p_span=(0.2, 1.6))
    assert [label for label, _ in labels(branch)] == ["EP", "BP", "H", "EP"]
    assert branch.special_points["BP1"].p == pytest.approx(1.0 / 1.5, abs=1e-12)
    assert branch.special_points["H1"].p == pytest.approx(1.0 / 0.8, abs=1e-12)
    assert branch.special_points["H1"].omega == pytest.approx(2.0 / 0.8, abs=1e-11)


def test_trajectories_stay_on_the_manifold():
    """Off fixed points too: a trajectory of the network that starts on it is that of the reduced model, lifted."""
    net, dense = networks(0.1)
    reduced, t = net.reduced(), np.linspace(0.0, 5.0, 6)
    start = np.array([1.0, -0.5, 0.3])
    kappa = nc.simulate(reduced, start, t, params={"gain": 1.4})
    z = nc.simulate(dense, reduced.lift(start, {"gain": 1.4}), t, params={"gain": 1.4})
    for a, b in zip(kappa, z, strict=True):
        np.testing.assert_allclose(reduced.lift(a, {"gain": 1.4}), b, atol=1e-6)


def test_kernels_of_the_reduced_model():
    net, _ = networks(0.1)
    branch = nc.continuation(
        net.reduced(), np.zeros(R), free="gain", p_span=(0.2, 0.6), params={"gain": 0.2},
        ntk=nc.ntk.StateNTK(kernel="equilibrium", state_scale="none"),
    )  # fmt: skip
    assert np.all(branch.ntk.top > 0.0)
    kernel = nc.ntk.StateNTK(kernel="equilibrium", state_scale="none")
    again = nc.annotate(nc.lifted(branch), kernel)
    assert again.ntk.top.shape == branch.ntk.top.shape


def test_what_cannot_be_reduced():
    U, V = factors(N)
    with pytest.raises(nc.InputError, match="reduced: W is not of low rank"):
        nc.RateRNN(U @ V.T).reduced()
    with pytest.raises(nc.InputError, match="reduced: phi is 'relu'"):
        nc.RateRNN(nc.LowRank(U, V), phi="relu").reduced()
    with pytest.raises(nc.InputError, match="reduced: 60 different values of tau and rank 3 make 180 states"):
        nc.RateRNN(nc.LowRank(U, V), tau=np.linspace(1.0, 2.0, N)).reduced()
    with pytest.raises(nc.InputError, match=r"it is not one of net\.reduced\(\)"):
        nc.lifted(nc.continuation(nc.RateRNN([[0.5]]), [0.0], free="gain", p_span=(0.5, 1.5)))
