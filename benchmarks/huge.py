"""Networks of 1000 units: every bifurcation of a rest, and a branch with its kernel.

Only when named: ``python -m benchmarks --only huge``; a quarter of an hour.
"""

from __future__ import annotations

import time

import numpy as np

import ntkcont as nc
from benchmarks.rows import Row, Spent, clocked
from ntkcont.pathfollowing.near_boundary import Spectrum

PART = "1000 units"


def bifurcations_of_rest(n: int = 1000, last: float = 2.0) -> list[Row]:
    """Follow the rest of a random network, whose special points are where ``gain Re(lambda) = 1``."""
    W = np.random.default_rng(2).standard_normal((n, n)) / np.sqrt(n)
    lam = np.linalg.eigvals(W)
    lam = lam[(lam.imag >= 0.0) & (lam.real > 1.0 / last)]
    lam = lam[np.argsort(1.0 / lam.real)]
    settings = nc.ContinuationSettings(eigenvalues="adaptive", store_states="special")
    full = Spent()
    with clocked(Spectrum, "of", full):
        start = time.perf_counter()
        branch = nc.continuation(
            nc.RateRNN(W), np.zeros(n), free="gain", p_span=(0.3, last), params={"gain": 0.3}, direction="+",
            settings=settings,
        )  # fmt: skip
        taken = time.perf_counter() - start
    found = [point for point in branch.special_points if point.label != "EP"]
    same = len(found) == len(lam) and all(
        point.label == ("H" if value.imag else "BP") for point, value in zip(found, lam, strict=True)
    )
    error = max(abs(point.p - 1.0 / value.real) for point, value in zip(found, lam, strict=True)) if same else np.inf
    said = "labels as they must be" if same else "NOT the right labels"
    return [
        Row(part=PART, name=f"{len(lam)} bifurcations of rest, n = {n}", value=taken, at_most=900.0,
            note=f"{len(found)} found, {len(branch)} points, {full.calls} spectra ({full.seconds:.0f} s)"),
        Row(part=PART, name="largest error of their gain", value=error, unit="", at_most=1e-7, note=said),
    ]  # fmt: skip


def with_kernel(n: int = 1000, steps: int = 100) -> Row:
    """Follow a fixed point of a random network with its kernel at every point."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    settings = nc.ContinuationSettings(
        ds=1e-2, ds_max=1e-2, max_steps=steps, eigenvalues="adaptive", store_states="special"
    )  # fmt: skip
    start = time.perf_counter()
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.3, 2.0), params={"gain": 0.9}, direction="+", settings=settings,
        ntk=nc.ntk.StateNTK(),
    )  # fmt: skip
    taken = time.perf_counter() - start
    names = " ".join(point.name for point in branch.special_points if point.label != "EP")
    return Row(
        part=PART, name=f"{len(branch)} points with the kernel, n = {n}", value=taken, at_most=600.0,
        note=f"{taken / len(branch):.2f} s a point; {names}",
    )  # fmt: skip


def rows() -> list[Row]:
    """Measure."""
    return [*bifurcations_of_rest(), with_kernel()]
