"""The zoo: fixed points and bifurcations known in closed form or from the literature."""

from __future__ import annotations

import inspect

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq, root

import ntkcont as nc
from ntkcont import classics

MODELS = [getattr(classics, name) for name in classics.__all__]


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_derivatives_of_every_classic(build):
    model = build()
    x = np.linspace(0.13, 0.31, model.n)
    assert model.check(x).ok, model.check(x)
    assert "Examples" in (inspect.getdoc(build) or "")


def test_morris_lecar_hopf_and_fold():
    hopf = classics.morris_lecar()  # Rinzel and Ermentrout's type II: rest loses stability at 93.8576
    x = np.array([-25.270104879582682, 0.13967319001320846])
    params = {"I": 93.85761837372542}
    np.testing.assert_allclose(hopf.rhs(x, params), 0.0, atol=1e-12)
    eigenvalues = np.linalg.eigvals(hopf.jac(x, params))
    np.testing.assert_allclose(eigenvalues.real, 0.0, atol=1e-12)
    np.testing.assert_allclose(np.abs(eigenvalues.imag), 0.07977978411459638, rtol=1e-9)
    fold = classics.morris_lecar("I")
    x, params = np.array([-29.389777405484402, 0.008514399137820337]), {"I": 39.963153092745365}
    np.testing.assert_allclose(fold.rhs(x, params), 0.0, atol=1e-12)
    assert abs(np.linalg.det(fold.jac(x, params))) < 1e-12


def test_fitzhugh_nagumo_hopf():
    model = classics.fitzhugh_nagumo()
    p = model.params
    for sign, quoted in ((-1, 0.3313), (1, 1.4187)):
        v = sign * np.sqrt(1 - p["eps"] * p["b"])  # the trace vanishes
        w = (v + p["a"]) / p["b"]
        current = w - v + v**3 / 3
        assert current == pytest.approx(quoted, abs=1e-4)
        np.testing.assert_allclose(model.rhs([v, w], {"I": current}), 0.0, atol=1e-15)
        jac = model.jac([v, w], {"I": current})
        assert abs(np.trace(jac)) < 1e-15
        assert np.linalg.det(jac) > 0


def _hodgkin_huxley_gates(v):
    am, bm = 0.1 * (v + 40) / -mpmath.expm1(-(v + 40) / 10), 4 * mpmath.exp(-(v + 65) / 18)
    ah, bh = 0.07 * mpmath.exp(-(v + 65) / 20), 1 / (1 + mpmath.exp(-(v + 35) / 10))
    an, bn = 0.01 * (v + 55) / -mpmath.expm1(-(v + 55) / 10), 0.125 * mpmath.exp(-(v + 65) / 80)
    return [float(a / (a + b)) for a, b in ((am, bm), (ah, bh), (an, bn))]


def test_hodgkin_huxley_rest_and_hopf():
    model = classics.hodgkin_huxley()
    gates = _hodgkin_huxley_gates(mpmath.mpf(-65))
    np.testing.assert_allclose(gates, [0.05293, 0.59612, 0.31768], atol=5e-6)
    np.testing.assert_allclose(model.rhs([-65.0, *gates])[1:], 0.0, atol=1e-15)
    assert abs(model.rhs([-65.0, *gates])[0]) < 5e-3  # vL was chosen to balance the currents there
    assert np.all(np.linalg.eigvals(model.jac([-65.0, *gates])).real < 0)

    def current(v):
        return -model.rhs([v, *_hodgkin_huxley_gates(mpmath.mpf(v))], {"I": 0.0})[0]

    def growth(v):
        jac = model.jac([v, *_hodgkin_huxley_gates(mpmath.mpf(v))])
        eigenvalues = np.linalg.eigvals(jac)
        return eigenvalues[np.argmax(eigenvalues.real)].real

    v = brentq(growth, -64.0, -58.0, xtol=1e-12)
    assert current(v) == pytest.approx(9.78, abs=0.01)  # Hassard 1978: 9.78


@pytest.mark.parametrize("v", [-40.0, -55.0])
def test_hodgkin_huxley_at_its_singular_points(v):
    model = classics.hodgkin_huxley()
    x = np.array([v, 0.1, 0.5, 0.3])
    assert np.all(np.isfinite(model.rhs(x)))
    shifted = [model.jac(x + np.array([d, 0, 0, 0])) for d in (-1e-5, 1e-5)]
    np.testing.assert_allclose(model.jac(x), np.mean(shifted, axis=0), rtol=1e-8, atol=1e-10)
    assert model.check(x).ok
    # alpha_m(-40) = 1, alpha_n(-55) = 0.1
    if v == -40.0:
        assert model.rhs(x)[1] == pytest.approx(0.9 - 4 * np.exp(-25 / 18) * 0.1, rel=1e-13)
    else:
        assert model.rhs(x)[3] == pytest.approx(0.1 * 0.7 - 0.125 * np.exp(-10 / 80) * 0.3, rel=1e-13)


def test_wilson_cowan_oscillates_at_the_input_of_figure_11():
    model = classics.wilson_cowan()
    np.testing.assert_allclose(model.rhs([0.0, 0.0]), 0.0, atol=1e-16)
    params = {"P": 1.25}
    starts = np.random.default_rng(0).uniform(0, 0.5, (40, 2))
    found = [root(lambda x: model.rhs(x, params), s, jac=lambda x: model.jac(x, params), tol=1e-12) for s in starts]
    points = np.unique(np.round([f.x for f in found if f.success], 8), axis=0)
    inside = [x for x in points if np.all((x >= 0) & (x <= 0.5))]
    assert len(inside) == 1
    eigenvalues = np.linalg.eigvals(model.jac(inside[0], params))
    assert np.all(eigenvalues.real > 0)  # the only equilibrium is unstable and the square is invariant: a limit cycle
    assert np.all(eigenvalues.imag != 0)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
def test_brusselator_hopf(a):
    params = {"A": a, "B": 1 + a**2}
    x = [a, (1 + a**2) / a]
    np.testing.assert_allclose(classics.brusselator().rhs(x, params), 0.0, atol=1e-14)
    eigenvalues = np.linalg.eigvals(classics.brusselator().jac(x, params))
    np.testing.assert_allclose(np.sort(eigenvalues.imag), [-a, a], rtol=1e-12)
    np.testing.assert_allclose(eigenvalues.real, 0.0, atol=1e-13)


def test_lorenz_pitchfork_and_hopf():
    model = classics.lorenz()
    sigma, beta = model.params["sigma"], model.params["beta"]
    assert abs(np.linalg.det(model.jac([0.0, 0.0, 0.0], {"rho": 1.0}))) < 1e-12
    rho = sigma * (sigma + beta + 3) / (sigma - beta - 1)
    r = np.sqrt(beta * (rho - 1))
    np.testing.assert_allclose(model.rhs([r, r, rho - 1], {"rho": rho}), 0.0, atol=1e-12)
    eigenvalues = sorted(np.linalg.eigvals(model.jac([r, r, rho - 1], {"rho": rho})), key=lambda z: abs(z.real))
    np.testing.assert_allclose([z.real for z in eigenvalues[:2]], 0.0, atol=1e-12)
    np.testing.assert_allclose(abs(eigenvalues[0].imag), np.sqrt(beta * (sigma + rho)), rtol=1e-12)


def test_cusp_folds():
    lam = 1.5
    x = -np.sqrt(lam / 3)
    mu = x**3 - lam * x
    assert 27 * mu**2 == pytest.approx(4 * lam**3, rel=1e-14)
    assert abs(classics.cusp().rhs([x], {"mu": mu, "lam": lam})[0]) < 1e-15
    assert abs(classics.cusp().jac([x], {"mu": mu, "lam": lam})[0, 0]) < 1e-15


def test_normal_forms_of_flows():
    assert classics.saddle_node().rhs([2.0], {"mu": -4.0})[0] == 0
    assert classics.saddle_node().jac([2.0], {"mu": -4.0})[0, 0] == 4
    assert classics.transcritical().rhs([0.3], {"mu": 0.3})[0] == pytest.approx(0, abs=1e-17)
    assert classics.transcritical().jac([0.3], {"mu": 0.3})[0, 0] == pytest.approx(-0.3)
    for criticality, mu in (("supercritical", 0.25), ("subcritical", -0.25)):
        pitchfork, hopf = classics.pitchfork(criticality), classics.hopf(criticality)
        assert pitchfork.rhs([0.5], {"mu": mu})[0] == 0
        assert pitchfork.jac([0.5], {"mu": mu})[0, 0] == -2 * mu  # stable exactly if supercritical
        np.testing.assert_allclose(np.linalg.eigvals(hopf.jac([0, 0], {"mu": 0.0, "omega": 3.0})), [3j, -3j])
        radial = hopf.rhs([0.3, 0.4], {"mu": mu, "omega": 3.0})
        np.testing.assert_allclose(radial, [-3 * 0.4, 3 * 0.3], atol=1e-15)  # on the cycle of radius 1/2


def test_normal_forms_of_maps():
    for criticality, mu in (("supercritical", 0.25), ("subcritical", -0.25)):
        flip, ns = classics.flip(criticality), classics.neimark_sacker(criticality)
        assert flip.rhs([0.5], {"mu": mu})[0] == -0.5
        multiplier = flip.power(2).jac([0.5], {"mu": mu})[0, 0]
        assert multiplier == pytest.approx((1 - 2 * mu) ** 2, rel=1e-14)
        assert (multiplier < 1) == (criticality == "supercritical")
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(ns.jac([0, 0], {"mu": mu}))), 1 + mu, rtol=1e-14)
        angle = np.angle(np.linalg.eigvals(ns.jac([0, 0], {"mu": mu, "theta": 0.7})))
        np.testing.assert_allclose(np.abs(angle), 0.7, rtol=1e-14)
        assert np.linalg.norm(ns.rhs([0.3, 0.4], {"mu": mu})) == pytest.approx(0.5, rel=1e-14)  # the invariant circle


def test_logistic_and_henon_maps():
    assert classics.logistic().rhs([2 / 3], {"r": 3.0})[0] == pytest.approx(2 / 3)
    assert classics.logistic().jac([2 / 3], {"r": 3.0})[0, 0] == pytest.approx(-1)
    model, b = classics.henon(), 0.3
    for a, multiplier in ((3 * (1 - b) ** 2 / 4, -1.0), (-((1 - b) ** 2) / 4, 1.0)):
        x = (b - 1 + np.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
        np.testing.assert_allclose(model.rhs([x, b * x], {"a": a}), [x, b * x], rtol=1e-12)
        assert np.min(np.abs(np.linalg.eigvals(model.jac([x, b * x], {"a": a})) - multiplier)) < 1e-7


def test_unknown_variants_are_named():
    with pytest.raises(nc.InputError, match=r"^excitability: 'III' is unknown; did you mean 'II'"):
        classics.morris_lecar("III")
    with pytest.raises(
        nc.InputError, match=r"^criticality: 'super' is unknown; it may be 'supercritical', 'subcritical'"
    ):
        classics.hopf("super")
