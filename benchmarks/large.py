"""Large networks: adaptive eigenvalues beside the LAPACK calls of a step, and structured weights."""

from __future__ import annotations

import time

import numpy as np
import scipy.linalg
import scipy.sparse

import ntkcont as nc
from benchmarks.rows import Row, Spent, clocked, seconds
from ntkcont.kernels import stepping
from ntkcont.pathfollowing import driver
from ntkcont.pathfollowing.near_boundary import Spectrum

PART = "Large networks"


def adaptive(n: int, points: int, ds: float) -> list[Row]:
    """Follow a random network with few spectra, beside one lu_factor with lu_solve of its matrix."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((n, n)) / np.sqrt(n)
    net = nc.RateRNN(W, b=0.3 * rng.standard_normal(n))
    settings = nc.ContinuationSettings(
        ds=ds, ds_max=ds, max_steps=points, eigenvalues="adaptive", store_states="special"
    )  # fmt: skip

    def run() -> nc.Branch:
        return nc.continuation(
            net, np.zeros(n), free="gain", p_span=(0.3, 2.0), params={"gain": 0.9}, direction="+", settings=settings
        )

    if n <= 200:  # compiled, in the cache
        points = len(run()) - 1
        return [Row(part=PART, name=f"adaptive, n = {n}", value=seconds(run, 3, warm=False) / points, at_most=4e-3,
                    note=f"{points} steps")]  # fmt: skip
    A = np.asfortranarray(W - np.eye(n))
    lu = seconds(lambda: scipy.linalg.lu_solve(scipy.linalg.lu_factor(A, check_finite=False), A[0]), 5)
    full, ends = Spent(), Spent()
    with clocked(Spectrum, "of", full), clocked(driver, "_setup", ends), clocked(driver, "assemble", ends):
        start = time.perf_counter()
        steps = len(run()) - 1
        taken = time.perf_counter() - start
    beside = "(lu_factor + lu_solve)"
    alone = (taken - full.seconds - ends.seconds) / steps
    return [
        Row(part=PART, name=f"adaptive, n = {n}, without spectra", value=alone, beside=beside, ratio=alone / lu,
            at_most=4.0, note=f"{steps} steps; start and end, {ends.seconds:.1f} s, apart"),
        Row(part=PART, name=f"adaptive, n = {n}, with everything", value=taken / steps, beside=beside,
            ratio=taken / steps / lu, note=f"{full.calls} spectra of {full.seconds / full.calls:.2f} s"),
    ]  # fmt: skip


def reduced(n: int = 2000, r: int = 5) -> Row:
    """Follow a network of rank r in the coordinates of its connectivity."""
    rng = np.random.default_rng(0)
    U = rng.standard_normal((n, r))
    V = (1.2 * U @ rng.standard_normal((r, r)) + rng.standard_normal((n, r))) / n
    model = nc.RateRNN(nc.LowRank(U, V), b=0.1 * rng.standard_normal(n)).reduced()
    settings = nc.ContinuationSettings(ds=1e-3, ds_max=1e-3)

    def run() -> nc.Branch:
        return nc.continuation(
            model, np.zeros(r), free="gain", p_span=(0.1, 2.0), params={"gain": 0.1}, direction="+", settings=settings
        )

    points = len(run())
    step = seconds(run, 3, warm=False) / points
    phi = np.ones(n)
    floor = seconds(lambda: np.tanh(phi), 50)
    return Row(
        part=PART, name=f"rank {r}, n = {n}, reduced", value=step, at_most=0.4e-3,
        note=f"{points} points; np.tanh of {n} numbers {floor * 1e6:.0f} us, nine a step",
    )  # fmt: skip


def ring(n: int = 1000, steps: int = 40) -> Row:
    """Measure the steps alone of a ring of units, as a sparse and as a full matrix."""
    offsets = [1, -1, 1 - n, n - 1]
    W = scipy.sparse.diags_array([0.5, 0.3, 0.5, 0.3], offsets=offsets, shape=(n, n)).tocsr()
    b = 0.1 * np.random.default_rng(0).standard_normal(n)
    taken = []
    for weights in (W, W.toarray()):
        net = nc.RateRNN(weights, b=b)
        settings = nc.ContinuationSettings(
            ds=5e-3, ds_max=5e-3, max_steps=steps, eigenvalues="adaptive", store_states="special"
        )
        with clocked(stepping, "advance", Spent()) as spent:
            points = len(nc.continuation(net, np.zeros(n), free="gain", p_span=(0.1, 1.4), params={"gain": 0.1},
                                         direction="+", settings=settings))  # fmt: skip
        taken.append(spent.seconds / (points - 1))
    return Row(
        part=PART, name=f"ring, n = {n}, steps alone", value=taken[0], beside="steps of the full matrix",
        ratio=taken[0] / taken[1], at_most=0.5,
    )  # fmt: skip


def rows() -> list[Row]:
    """Measure."""
    return [*adaptive(200, 2000, 5e-4), *adaptive(1000, 256, 1e-3), reduced(), ring()]
