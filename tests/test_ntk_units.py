"""A change of units leaves every signature unchanged when the scales are relative."""

from __future__ import annotations

import numpy as np

import ntkcont as nc

# quantities in mV, or in mV times a conductance; everything else keeps its unit
IN_MILLIVOLT = {"v1": 1, "v2": 1, "v3": 1, "v4": 1, "vCa": 1, "vK": 1, "vL": 1, "I": 1, "v": 1}


def morris_lecar():
    return nc.Model.from_equations(
        {"v": "(I - gCa*m*(v - vCa) - gK*w*(v - vK) - gL*(v - vL))/C", "w": "phi*(winf - w)*cosh((v - v3)/(2*v4))"},
        params={
            "I": 40.0, "C": 20.0, "gCa": 4.4, "gK": 8.0, "gL": 2.0, "vCa": 120.0, "vK": -84.0, "vL": -60.0,
            "phi": 0.04, "v1": -1.2, "v2": 18.0, "v3": 2.0, "v4": 30.0,
        },
        aux={"m": "(1 + tanh((v - v1)/v2))/2", "winf": "(1 + tanh((v - v3)/v4))/2"},
    )  # fmt: skip


def fixed_point(model, params, x):
    for _ in range(60):
        x = x - np.linalg.solve(model.jac(x, params), model.rhs(x, params))
    return x


def test_millivolts_to_volts():
    model = morris_lecar()
    original = dict(model.params)
    scale = {name: 1e-3 if name in IN_MILLIVOLT else 1.0 for name in original}
    converted = {name: value * scale[name] for name, value in original.items()}
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="relative", state_scale="relative")
    x, y = [], []
    for current in (20.0, 60.0, 100.0):
        z = fixed_point(model, {"I": current}, np.array([-30.0, 0.1]))
        x.append(z)
        y.append(fixed_point(model, {**converted, "I": 1e-3 * current}, z * [1e-3, 1.0]))
    x, y = np.array(x), np.array(y)
    np.testing.assert_allclose(y, x * [1e-3, 1.0], rtol=1e-9)
    currents = np.array([20.0, 60.0, 100.0])
    expected = kernel.evaluate(model, x, {"I": currents}, free="I")
    found = kernel.evaluate(model, y, {**converted, "I": 1e-3 * currents}, free="I")
    for name in expected.names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-7, atol=1e-12, err_msg=name)
    # as the continuation binds it: with a span and magnitudes of its own
    big = kernel.bind(model, free="I", params=original, state_scale=np.array([50.0, 0.5]), param_scale=140.0)
    small = kernel.bind(model, free="I", params=converted, state_scale=np.array([0.05, 0.5]), param_scale=0.14)
    tangent = np.array([[1.0, 0.01, 3.0]] * 3)
    a = big.evaluate(x=x, p=currents, tangent=tangent)
    b = small.evaluate(x=y, p=1e-3 * currents, tangent=tangent * [1e-3, 1.0, 1e-3])
    for name in a:
        np.testing.assert_allclose(b[name], a[name], rtol=1e-7, atol=1e-12, err_msg=name)


def test_without_scales_the_signatures_do_change():
    model = morris_lecar()
    x = fixed_point(model, {"I": 60.0}, np.array([-30.0, 0.1]))
    kernel = nc.ntk.StateNTK(theta="all", theta_scale="none", state_scale="none")
    one = kernel.evaluate(model, x, {"I": 60.0}, free="I")
    other = nc.ntk.StateNTK(theta="all", theta_scale="none", state_scale=[1e3, 1.0]).evaluate(
        model, x, {"I": 60.0}, free="I"
    )
    assert abs(other.participation_ratio[0] / one.participation_ratio[0] - 1) > 1e-3
