"""Time per step of a continuation, everything included, beside the LAPACK calls that no step can do without."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import ntkcont as nc
from benchmarks.machine import lapack_step
from benchmarks.rows import Row, Spent, clocked, in_turn, seconds
from ntkcont.kernels import stepping
from ntkcont.pathfollowing.beside import all_cores_busy, cores

PART = "One continuation step, everything included"


def morris_lecar() -> Callable[[], nc.Branch]:
    """Return a run past both Hopf points of the Morris-Lecar neuron with steps of 0.1 % of the diagram."""
    model = nc.classics.morris_lecar()
    settings = nc.ContinuationSettings(ds=1e-3, ds_max=1e-3)
    return lambda: nc.continuation(
        model, [-60.0, 0.01], free="I", p_span=(-5, 300), direction="+", settings=settings
    )  # fmt: skip


def network(n: int, steps: int, ntk: nc.ntk.StateNTK | None = None) -> Callable[[], nc.Branch]:
    """Return a run along a fixed point of a random tanh network with a bias."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    settings = nc.ContinuationSettings(ds=1.0 / steps, ds_max=1.0 / steps)
    return lambda: nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.05, 1.05), params={"gain": 0.05}, direction="+", settings=settings,
        ntk=ntk,
    )  # fmt: skip


def _jacobian(branch: nc.Branch) -> np.ndarray:
    """Return that of a point half-way along a branch."""
    k = len(branch) // 2
    return branch.model.jac(branch.x[k], {**branch.params, branch.free: branch.p[k]})


def beside_lapack(name: str, n: int, run: Callable[[], nc.Branch], times: int, **wanted: float) -> Row:
    """Measure a run and the LAPACK calls in turn."""
    branch = run()
    spectrum, solve, repeat = lapack_step(n, _jacobian(branch))
    ours, eig, lu = in_turn(run, spectrum, solve, times=times)
    step, least = ours / len(branch), (eig + 3 * lu) / repeat
    labels = " ".join(q.name for q in branch.special_points if q.label != "EP") or "no special point"
    return Row(
        part=PART, name=name, value=step, beside="(dgeev + 3 LU)", ratio=step / least,
        note=f"{len(branch)} points, {labels}", **wanted,
    )  # fmt: skip


def rows(quick: bool = False) -> list[Row]:
    """Measure the three sizes that are wanted fast."""
    found = [
        beside_lapack("Morris-Lecar, n = 2", 2, morris_lecar(), 5, at_most=1.3),
        beside_lapack("tanh network, n = 50", 50, network(50, 600 if quick else 2500), 3 if quick else 5, at_most=1.3),
    ]
    if not quick:
        found.append(beside_lapack("tanh network, n = 200", 200, network(200, 250), 1, at_most=1.3))
    return found


# ---------------------------------------------------------------------------------------- growth with n

GROWTH = "Steps a second against n"


def growth(sizes: tuple[int, ...] = (2, 5, 10, 20, 50, 100, 200, 400)) -> list[Row]:
    """Measure steps against the number of units, and fit the exponent of the larger ones."""
    found, step = [], []
    for n in sizes:
        run = network(n, int(np.clip(200000 // n**2, 20, 2000)))
        points = len(run())
        step.append(seconds(run, 3 if n <= 50 else 1, warm=False) / points)
        found.append(Row(part=GROWTH, name=f"tanh network, n = {n}", value=1.0 / step[-1], unit="steps/s"))
    for low, high in ((5, 20), (50, max(sizes))):
        chosen = [i for i, n in enumerate(sizes) if low <= n <= high]
        if len(chosen) > 1:
            x, y = np.log(np.array(sizes)[chosen]), np.log(np.array(step)[chosen])
            name = f"exponent of a step's time, n = {sizes[chosen[0]]} to {sizes[chosen[-1]]}"
            found.append(
                Row(part=GROWTH, name=name, value=float(np.polyfit(x, y, 1)[0]), unit="", note="dense LAPACK: 3")
            )
    return found


# ---------------------------------------------------------------------------------------- where the time goes

SHARES = "Where the time of a step goes"


def shares(sizes: tuple[int, ...] = (2, 50, 200)) -> list[Row]:
    """Measure eigenvalues, LU, the rest of the compiled code, and Python; and what the kernel adds."""
    found = []
    for n in sizes:
        run = morris_lecar() if n == 2 else network(n, 2000 if n <= 50 else 200)
        branch = run()
        points = len(branch)
        spectrum, solve, repeat = lapack_step(n, _jacobian(branch))
        eig, lu = (each / repeat * points for each in in_turn(spectrum, solve))
        with clocked(stepping, "advance", Spent()) as spent:
            start = time.perf_counter()
            run()
            whole = time.perf_counter() - start
        parts = {"Python": whole - spent.seconds}
        if n > 16:  # below, the eigenvalues are not LAPACK's
            parts |= {
                "dgeev": eig,
                "3 LU and solves": 3 * lu,
                "rest of the compiled code": spent.seconds - eig - 3 * lu,
            }
        else:
            parts["compiled code"] = spent.seconds
        found += [
            Row(part=SHARES, name=f"n = {n}: {name}", value=100 * part / whole, unit="%")
            for name, part in parts.items()
        ]
    return found


def kernel_adds() -> list[Row]:
    """Measure what the equilibrium kernel adds to a continuation, compiled before; and to the work of one core."""
    found = []
    for n, steps, most in ((64, 2000, 60.0), (256, 200, 30.0)):
        alone, with_kernel = network(n, steps), network(n, steps, nc.ntk.StateNTK())
        without, beside = in_turn(alone, with_kernel, times=3)
        with all_cores_busy():
            without_again, after = in_turn(alone, with_kernel, times=3)
        name = f"the kernel adds at n = {n}"
        found += [
            Row(part=SHARES, name=name, value=100 * (beside / without - 1), unit="%", at_most=most,
                note=f"{min(cores(), 2)} cores, one BLAS thread"),
            Row(part=SHARES, name=f"{name}, on one core", value=100 * (after / without_again - 1), unit="%"),
        ]  # fmt: skip
    return found
