"""Time of the trajectory kernel of a network, beside the dense kernel by jax.jacrev, and how both grow."""

from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import ntkcont as nc
from benchmarks.rows import Row, seconds
from ntkcont.jax_tools import x64
from ntkcont.ntk.trajectory import lanczos

PART = "The kernel of trajectories, theta = W"


def problem(n: int, trials: int, steps: int) -> tuple[nc.RateRNN, nc.ntk.StateNTK]:
    """Return a random leaky network, and the kernel of its weights over trajectories of so many steps."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(1.2 * rng.standard_normal((n, n)) / np.sqrt(n), alpha=0.1)
    initial = rng.standard_normal((trials, n))
    return net, nc.ntk.StateNTK(kernel="trajectory", theta="W", initial_states=initial, T=steps, method="operator")


def top_eight(net: nc.RateRNN, kernel: nc.ntk.StateNTK) -> np.ndarray:
    """Return the eight largest eigenvalues alone, simulation included."""
    found = kernel.trajectories(net)
    return lanczos.largest(lambda x: found.apply(x.T).T, found.rows, 8, 3).values


def dense_top_eight(net: nc.RateRNN, initial: np.ndarray, steps: int) -> Callable[[], np.ndarray]:
    """Return a function for the same from the whole kernel: jax.jacrev of the rollout, J J^T, eigvalsh."""

    def rollout(W: jax.Array) -> jax.Array:
        def step(z: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            z = 0.9 * z + 0.1 * jnp.tanh(z) @ W.T
            return z, z

        return jax.lax.scan(step, initial, None, length=steps)[1]

    with x64():
        derivative = jax.jit(jax.jacrev(rollout))

    def run() -> np.ndarray:
        with x64():
            J = np.asarray(derivative(net.W)).reshape(-1, net.W.size)
        return scipy.linalg.eigvalsh(J @ J.T)[::-1][:8]

    return run


def exponent(sizes: list[int], times: list[float]) -> float:
    """Return the slope of log time over log size, of the last two."""
    return float(np.log(times[-1] / times[-2]) / np.log(sizes[-1] / sizes[-2]))


def per_product(n: int, steps: int) -> float:
    """Seconds of one product of the kernel with three vectors."""
    net, kernel = problem(n, 1, steps)
    found = kernel.trajectories(net)
    rows = np.random.default_rng(1).standard_normal((3, found.rows))
    return seconds(lambda: found.apply(rows.T), runs=15)


def large() -> None:
    """Print seconds and peak memory of n = 256, 50 steps, 8 trials; run in a process of its own."""
    net, kernel = problem(256, 8, 50)
    everything = seconds(lambda: kernel.evaluate(net), runs=3)
    top = seconds(lambda: top_eight(net, kernel), runs=3)
    print(everything, top, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)


def by_method(n: int, steps: int, trials: int) -> list[Row]:
    """Measure all signatures in the three ways, where they fit."""
    net, kernel = problem(n, trials, steps)
    found = []
    for method in ("state", "parameter", "operator"):
        chosen = dataclasses.replace(kernel, method=method)
        if method == "parameter" and n > 32:  # n^2 columns: for few parameters
            continue
        taken = seconds(lambda chosen=chosen: chosen.evaluate(net), runs=3)
        name = f"{method:9s} n = {n}, T = {steps}, trials = {trials}"
        found.append(Row(part=PART, name=name, value=taken, note="all signatures"))
    return found


def rows(quick: bool = False) -> list[Row]:
    """Measure."""
    net, kernel = problem(64, 1, 50)
    dense = dense_top_eight(net, np.asarray(kernel.initial_states), 50)
    reference, ours = dense(), top_eight(net, kernel)
    error = np.max(np.abs(ours - reference)) / reference[0]
    slow, fast = seconds(dense, runs=1, warm=False), seconds(lambda: top_eight(net, kernel), runs=9)
    found = [
        Row(
            part=PART, name="top 8, n = 64, T = 50, trials = 1", value=fast, beside="faster than dense jacrev",
            ratio=slow / fast, at_least=100, note=f"off by {error:.0e}",
        )
    ]  # fmt: skip
    if quick:
        return found
    command = [sys.executable, "-m", "benchmarks.trajectory", "large"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    everything, top, peak = (float(word) for word in text.split())
    name = "n = 256, T = 50, trials = 8"
    found += [
        Row(part=PART, name=f"all signatures, {name}", value=everything, at_most=2.0),
        Row(part=PART, name=f"top 8, {name}", value=top),
        Row(part=PART, name=f"peak memory, {name}", value=peak, unit="GB", at_most=1.0),
    ]
    for n, T, trials in ((16, 50, 1), (32, 50, 1), (32, 100, 1), (32, 50, 2)):
        found += by_method(n, T, trials)
    sizes, steps = [128, 256, 512], [100, 200, 400]
    by_n = [per_product(n, 50) for n in sizes]
    by_T = [per_product(128, T) for T in steps]
    return [
        *found,
        Row(part=PART, name="exponent of a product in n", value=exponent(sizes, by_n), unit="", note="theory: 2"),
        Row(part=PART, name="exponent of a product in T", value=exponent(steps, by_T), unit="", note="theory: 1"),
    ]


if __name__ == "__main__":
    large()
