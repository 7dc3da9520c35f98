"""What the machine can do: the rate of dgemm, and the LAPACK calls that a step cannot do without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

from benchmarks.rows import Row, seconds

PART = "The machine, one BLAS thread"


def lapack_step(n: int, jacobian: np.ndarray | None = None) -> tuple[Callable[[], None], Callable[[], None], int]:
    """Return functions that decompose into eigenvalues and factorise with a solve, and how often each call does it.

    Of a Jacobian (n, n) the eigenvalues, where one is given: how long they take depends on it, else of random numbers.
    """
    rng = np.random.default_rng(1)
    a = np.asfortranarray(rng.standard_normal((n, n)) if jacobian is None else jacobian)
    b = np.asfortranarray(rng.standard_normal((n + 1, n + 1)))
    v = rng.standard_normal(n + 1)
    geev, getrf, getrs = scipy.linalg.get_lapack_funcs(("geev", "getrf", "getrs"), (a,))
    repeat = max(1, 20000 // n**2)

    def spectrum() -> None:
        for _ in range(repeat):
            geev(a, compute_vl=0, compute_vr=0)

    def solve() -> None:
        for _ in range(repeat):
            lu, piv, _ = getrf(b)
            getrs(lu, piv, v)

    return spectrum, solve, repeat


def times(n: int, runs: int = 5) -> tuple[float, float]:
    """Return the seconds of one dgeev without vectors and of one LU factorisation with a solve."""
    spectrum, solve, repeat = lapack_step(n)
    return seconds(spectrum, runs) / repeat, seconds(solve, runs) / repeat


def dgemm_rate(n: int = 1000) -> float:
    """Return the floating-point operations a second of a matrix product."""
    a = np.random.default_rng(0).standard_normal((n, n))
    return 2.0 * n**3 / seconds(lambda: a @ a, how="least")


def rows(sizes: tuple[int, ...] = (2, 50, 200, 1000)) -> list[Row]:
    """Measure."""
    rate = dgemm_rate()
    found = [Row(part=PART, name="dgemm, n = 1000", value=rate / 1e9, unit="Gflop/s")]
    for n in sizes:
        spectrum, solve = times(n, 5 if n <= 200 else 1)
        found += [
            Row(part=PART, name=f"dgeev without vectors, n = {n}", value=spectrum, beside="n^3 flops at that rate",
                ratio=spectrum * rate / n**3),
            Row(part=PART, name=f"LU and solve, n = {n + 1}", value=solve, beside="2/3 n^3 flops at that rate",
                ratio=solve * rate / (2 / 3 * n**3)),
        ]  # fmt: skip
    return found
