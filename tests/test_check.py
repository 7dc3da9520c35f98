"""``model.check``: silent on right models, and points at the wrong entry of wrong ones by name."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.optimize

import ntkcont as nc


def rhs(out, x, p):
    out[0] = p[0] - x[0] ** 3 + 1e3 * x[1]
    out[1] = 1e-3 * math.sin(x[0]) - p[1] * x[1]


def wrong_jac(out, x, p):
    out[0, 0] = -3 * x[0] ** 2
    out[0, 1] = 1e3
    out[1, 0] = 1.01e-3 * math.cos(x[0])  # one per cent off
    out[1, 1] = -p[1]


def test_right_models_pass():
    model = nc.Model.from_equations(
        {"v": "(I - g*m*(v - 120) - 2*(v + 60))/C", "m": "phi*(1/(1 + exp(-(v + 20)/9)) - m)*cosh(v/60)"},
        {"I": 40.0, "g": 4.4, "C": 20.0, "phi": 0.04},
    )
    report = model.check([-30.0, 0.2])
    assert report.ok, report
    assert set(report.dfdp) == set(model.params)
    assert max(d.error for d in report.all()) < 1e-7
    assert "ok" in repr(report).splitlines()[0]
    assert model.check({"v": 3.0, "m": 0.5}, {"I": 90.0}).ok


def test_a_wrong_user_jacobian_is_named():
    model = nc.Model.from_numba(rhs, ("v", "w"), {"I": 1.0, "k": 0.3}, jac=wrong_jac)
    report = model.check([0.4, 0.2])
    assert not report.ok
    assert report.jac.where == "dw'/dv"
    assert report.jac.got / report.jac.expected == pytest.approx(1.01, rel=1e-6)
    assert all(d.ok for d in report.dfdp.values())
    assert "BAD Jacobian against differences" in repr(report)
    assert "dw'/dv" in repr(report)


def test_models_by_differences_pass():
    assert nc.Model.from_numba(rhs, ("v", "w"), {"I": 1.0, "k": 0.3}).check([0.4, 0.2]).ok


def test_a_wrong_twin_and_a_wrong_parameter_derivative_are_named():
    model = nc.Model.from_equations({"x": "a*x + b", "y": "x*y*b"}, {"a": 2.0, "b": 3.0}, kind="map")

    def twin(x, p, theta):
        return model.jax_function(x, p, theta) * np.array([1.0, 1.001])

    report = dataclasses.replace(model, jax_function=twin).check([0.4, 0.2])
    assert report.jac.ok
    assert not report.twin_rhs.ok
    assert report.twin_rhs.where == "y"
    assert report.twin_jac.where.startswith("dy/d")

    swapped = model.compiled._replace(dfdp=model.compiled.rhs)
    report = dataclasses.replace(model, build=lambda: swapped).check([0.4, 0.2])
    assert not report.ok
    assert not report.dfdp["a"].ok
    assert report.dfdp["a"].where == "dy/da"  # 0.24 instead of 0; in the other row 3.8 instead of 0.4
    assert (report.dfdp["a"].got, report.dfdp["a"].expected) == pytest.approx((0.24, 0.0), abs=1e-9)


def test_networks_and_derived_models_pass():
    rng = np.random.default_rng(0)
    net = nc.RateRNN(
        rng.standard_normal((6, 6)) / 2, W_in=np.ones((6, 1)), inputs={"u": [1.0]}, tau=rng.uniform(1, 2, 6)
    )
    assert net.check(rng.standard_normal(6), {"u": 0.3}).ok
    assert net.along({"u": 0.0, "gain": 1.0}, {"u": 1.0, "gain": 2.0}).check(rng.standard_normal(6)).ok


def test_nan_is_not_ok():
    report = nc.Model.from_equations({"x": "sqrt(x)"}, {}).check([-1.0])
    assert not report.ok


OMEGA = 0.5671432904097838  # exp(-x) = x

AT_REST = {
    "cusp": (nc.classics.cusp(), [1.0], {"mu": 0.0, "lam": 1.0}),
    "two states": (
        nc.Model.from_equations({"x": "mu - x/3 - 7*y", "y": "0.1*x - y"}, {"mu": 0.7}), [21 / 31, 2.1 / 31], {},
    ),
    "a map": (nc.Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 3.3}, kind="map"), [1 - 1 / 3.3], {}),
    "a fold": (nc.Model.from_equations({"x": "mu + x - x^3"}, {"mu": 0.0}), [-(3**-0.5)], {"mu": 2 * 3**-1.5}),
    "a zero by cancellation": (
        nc.Model.from_equations({"x": "k*(sin(x) - y)", "y": "x - y"}, {"k": 1e6}), [0.3, np.sin(0.3)], {},
    ),
    "exponentials": (
        nc.Model.from_equations({"x": "p*exp(-x) - x", "y": "x*exp(y/3) - y"}, {"p": 1.0}),
        [OMEGA, scipy.optimize.brentq(lambda y: OMEGA * np.exp(y / 3) - y, 0, 1, xtol=1e-15)], {},
    ),
    "zero up to rounding": (nc.classics.wilson_cowan(), [2.80475267e-19, 4.42988959e-20], {"P": 0.0}),
    "a slow rate": (nc.Model.from_equations({"x": "1e6*(1 - x) + e*x"}, {"e": 1e-6}), [1 / (1 - 1e-12)], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_REST)
@pytest.mark.parametrize("ulps", [-1, 0, 1])
def test_what_rounding_leaves_is_no_disagreement(name, ulps):
    """At a fixed point, or a fold, values are sums that cancel: they differ by all they are."""
    model, x, params = AT_REST[name]
    x = np.array(x) * (1 + ulps * np.finfo(float).eps)
    report = model.check(x, params)
    assert report.ok, report


def test_a_wrong_twin_is_seen_at_rest_too():
    model = nc.Model.from_equations({"x": "a*x - b", "y": "x*b - y"}, {"a": 2.0, "b": 3.0})

    def twin(x, p, theta):
        return model.jax_function(x, p, theta) + np.array([1e-9, 0.0])

    report = dataclasses.replace(model, jax_function=twin).check([1.5, 4.5])
    assert not report.twin_rhs.ok
    assert report.twin_rhs.where.startswith("x")
