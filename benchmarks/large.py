"""Large networks: adaptive eigenvalues beside the LAPACK calls of a step, and low-rank weights reduced."""

from __future__ import annotations

import time

import numpy as np
import scipy.linalg

import ntkcont as nc
from benchmarks import machine
from benchmarks.rows import Row, seconds

PART = "Large networks"


def adaptive(n: int, points: int, ds: float) -> list[Row]:
    """Follow a random network with few spectra, beside one lu_factor with lu_solve and one dgeev."""
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

    start = time.perf_counter()
    branch = run()
    taken = time.perf_counter() - start
    if n <= 200:  # compiled and in the cache
        taken = seconds(run, 1, warm=False)
    A = np.asfortranarray(W - np.eye(n))
    lu = seconds(lambda: scipy.linalg.lu_solve(scipy.linalg.lu_factor(A, check_finite=False), A[0]), 5, how="least")
    spectrum, _ = machine.times(n, 3 if n <= 200 else 1)
    spectra = int(np.isfinite(branch.eigenvalues).all(axis=1).sum()) if branch.has_states else None
    step = taken / (len(branch) - 1)
    note = f"{len(branch)} points, dgeev {spectrum * 1e3:.3g} ms" + ("" if spectra is None else f", {spectra} spectra")
    if n <= 200:
        return [Row(part=PART, name=f"adaptive, n = {n}", value=step, at_most=4e-3, note=note)]
    return [Row(part=PART, name=f"adaptive, n = {n}", value=step, beside="(lu_factor + lu_solve)", ratio=step / lu,
                note=note + ", included")]  # fmt: skip


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


def rows() -> list[Row]:
    """Measure."""
    return [*adaptive(200, 1000, 1e-3), *adaptive(1000, 64, 1e-3), reduced()]
