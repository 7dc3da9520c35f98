"""Time of the trajectory kernel of a network, beside the dense kernel by jax.jacrev, and how both grow."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import ntkcont as nc
from ntkcont.jax_tools import x64
from ntkcont.ntk.trajectory import lanczos


def seconds(run: Callable[[], object], runs: int = 5) -> float:
    """Return the median seconds of a function after one call that warms up."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"n = 256, 8 trials, 50 steps: all signatures {everything:.2f} s, top 8 {top:.2f} s, peak {peak:.2f} GB")


def main() -> None:
    """Print the table."""
    print("Kernel of trajectories, theta = W, one BLAS thread")
    net, kernel = problem(64, 1, 50)
    dense = dense_top_eight(net, np.asarray(kernel.initial_states), 50)
    reference, ours = dense(), top_eight(net, kernel)
    error = np.max(np.abs(ours - reference)) / reference[0]
    slow, fast = seconds(dense, runs=1), seconds(lambda: top_eight(net, kernel), runs=9)
    everything = seconds(lambda: kernel.evaluate(net), runs=9)
    print(
        f"n = 64, 1 trial, 50 steps: dense by jacrev {slow:.2f} s, top 8 {fast * 1e3:.1f} ms ({slow / fast:.0f} times"
    )
    print(f"faster, off by {error:.1e}), all signatures {everything * 1e3:.1f} ms")
    print(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.trajectory", "large"], check=True, capture_output=True, text=True
        ).stdout,
        end="",
    )
    sizes = [128, 256, 512]
    by_n = [per_product(n, 50) for n in sizes]
    steps = [100, 200, 400]
    by_T = [per_product(128, T) for T in steps]
    print(f"one product with three vectors grows as n^{exponent(sizes, by_n):.2f} (theory: 2) at 50 steps")
    print(f"and as T^{exponent(steps, by_T):.2f} (theory: 1) at n = 128")


if __name__ == "__main__":
    large() if sys.argv[1:] == ["large"] else main()
