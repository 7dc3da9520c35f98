"""Pitchforks and transcritical points met along the branch that bifurcates, in coordinates that show no symmetry."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.cli.demo import pitchfork_network
from tests.invariants import check_branch

SPAN = (-0.6, 2.5)


@functools.cache
def _turned(n: int) -> nc.Model:
    """u' = u (p - a u - u^2), and n - 1 states that decay to a multiple of u^2, in turned coordinates x = q u."""
    along = [" + ".join(f"q{i}{k}*x{i}" for i in range(n)) for k in range(n)]
    u = [f"({along[0]})*(p - a*({along[0]}) - ({along[0]})^2)"]
    u += [f"-({along[k]}) + w{k}*({along[0]})^2" for k in range(1, n)]
    right = {f"x{i}": " + ".join(f"q{i}{k}*({u[k]})" for k in range(n)) for i in range(n)}
    names = ["p", "a", *(f"w{k}" for k in range(1, n)), *(f"q{i}{k}" for i in range(n) for k in range(n))]
    return nc.Model.from_equations(right, params=dict.fromkeys(names, 0.0))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_branch_point_and_the_fold_of_the_side_branch(n: int, symmetric: bool) -> None:
    """p = a u + u^2 has its branch point at 0 and its fold at -a^2/4, which is the branch point where a is 0."""
    rng, wrong = np.random.default_rng(10 * n + symmetric), []
    for _ in range(40):
        a = 0.0 if symmetric else 10 ** rng.uniform(-3, 0)
        q = np.linalg.qr(rng.standard_normal((n, n)))[0] if rng.random() < 0.7 else np.eye(n)
        w, u = rng.uniform(-1, 1, n), rng.uniform(0.5, 1)
        params = {f"q{i}{k}": float(q[i, k]) for i in range(n) for k in range(n)}
        params |= {f"w{k}": float(w[k]) for k in range(1, n)} | {"a": float(a), "p": float(a * u + u**2)}
        start = q @ np.array([u, *(w[k] * u**2 for k in range(1, n))])
        settings = nc.ContinuationSettings(ds_max=10 ** rng.uniform(-2.3, -1))
        model = _turned(n)
        branch = nc.continuation(model, start, free="p", p_span=SPAN, params=params, settings=settings)
        found = sorted((point.label, point.p) for point in branch.special_points if point.label != "EP")
        wanted = [("BP", 0.0)] if symmetric else [("BP", 0.0), ("LP", -(a**2) / 4)]
        fine = [name for name, _ in found] == [name for name, _ in wanted]
        if not fine or not np.allclose([p for _, p in found], [p for _, p in wanted], rtol=0, atol=1e-12):
            wrong.append((a, settings.ds_max, found, branch.doubtful))
        else:
            check_branch(branch, model, p_span=SPAN)
    assert not wrong


def test_networks_have_one_branch_point_at_rest() -> None:
    """Random networks whose resting state loses its stability at gain 1, followed back from where they are active."""
    rng, wrong, met = np.random.default_rng(1), [], 0
    for _ in range(60):
        network, v = pitchfork_network(int(rng.integers(2, 50)), int(rng.integers(10**6)))
        start = nc.find_fixed_points(network, starts=(v / np.abs(v).max())[None], params={"gain": 1.2})
        settings = nc.ContinuationSettings(ds_max=10 ** rng.uniform(-2.3, -1.2))
        if len(start.x) == 0 or np.max(np.abs(start.x[0])) < 1e-3:
            continue
        branch = nc.continuation(
            network, start.x[0], params={"gain": 1.2}, free="gain", p_span=(0.75, 1.25), settings=settings
        )  # fmt: skip
        near = [point for point in branch.special_points if np.max(np.abs(point.x)) < 1e-3]
        if np.min(np.max(np.abs(branch.x), axis=1)) > 0.1:  # it does not come to rest
            assert not near
            continue
        met += 1
        if [point.label for point in near] != ["BP"] or abs(near[0].p - 1.0) > 1e-10:
            wrong.append([(point.label, point.p) for point in near])
    assert not wrong
    assert met > 30


@pytest.mark.parametrize("beside", ["", "x", "x^2"])
def test_where_rounding_of_the_parameter_is_that_of_one(beside: str) -> None:
    """(1 + p) tanh x = x: p = x/tanh x - 1, about x^2/3, is known to 1e-16 only; its branch point is at 0.

    A run may end there, at worst, but lists nothing else; most do not.
    """
    right = {"x": "-x + (1 + p)*tanh(x)"} | ({"y": f"-y + {beside}"} if beside else {})
    model, ended = nc.Model.from_equations(right, params={"p": 0.0}), 0
    for i in range(40):
        x = float(np.random.default_rng(i).uniform(0.3, 2))
        steps = nc.ContinuationSettings(ds_max=0.02 if i % 2 else 10 ** np.random.default_rng(i).uniform(-2.3, -0.7))
        at = [x, x**2 if beside == "x^2" else x][: len(right)]
        params = {"p": x / np.tanh(x) - 1}
        branch = nc.continuation(model, at, free="p", p_span=(-0.6, 1.5), params=params, settings=steps)
        found = [(point.label, point.p) for point in branch.special_points if point.label != "EP"]
        if not found:
            assert nc.Status.MIN_STEP in branch.ends
            ended += 1
        else:
            assert found == [("BP", pytest.approx(0.0, abs=1e-14))]
    assert ended <= 2
