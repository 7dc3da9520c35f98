"""Time of the equilibrium kernel with its signatures, beside svdvals and beside a dense Jacobian."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy.linalg

import ntkcont as nc
from ntkcont.jax_tools import x64

RUNS = 5


def interleaved(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of two functions called in turn, after one call each that warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(RUNS + 1):
        for run, kept in zip((first, second), times, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                kept.append(time.perf_counter() - start)
    return float(np.median(times[0])), float(np.median(times[1]))


def network(n: int) -> tuple[nc.RateRNN, np.ndarray]:
    """Return a random network and its fixed point."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    return net, np.array(nc.find_fixed_points(net, starts=np.zeros((1, n))).x[0])


def points_along(net: nc.RateRNN, x: np.ndarray, count: int) -> nc.Branch:
    """Return `count` points of a branch through x, with eigenvalues, as a continuation hands them to the kernel."""
    settings = nc.ContinuationSettings(ds=2e-3, ds_max=2e-3, max_steps=count)
    return nc.continuation(net, x, free="gain", p_span=(0.5, 1.1), direction="-", settings=settings)


def against_svd(n: int = 256, count: int = 16) -> tuple[float, float]:
    """Seconds a point of the kernel on a branch, and of svdvals of the Jacobian."""
    net, x = network(n)
    branch = points_along(net, x, count)
    bound = nc.ntk.StateNTK().bind(
        net, free="gain", params=dict(branch.params), state_scale=np.ones(n), param_scale=1.0
    )
    a = net.jac(x)

    def kernel() -> None:
        bound.evaluate(
            x=np.array(branch.x), p=np.array(branch.p), tangent=np.array(branch.tangent),
            eigenvalues=np.array(branch.eigenvalues),
        )  # fmt: skip

    def singular_values() -> None:
        for _ in range(len(branch)):
            scipy.linalg.svdvals(a)

    ours, theirs = interleaved(kernel, singular_values)
    return ours / len(branch), theirs / len(branch)


def against_dense(n: int = 64, count: int = 32) -> tuple[float, float]:
    """Seconds a point of the kernel (theta = W) on a branch, and of one formed from jax.jacrev, eigenvalues only."""
    import jax

    net, x = network(n)
    branch = points_along(net, x, count)
    bound = nc.ntk.StateNTK(theta=["W"]).bind(
        net, free="gain", params=dict(branch.params), state_scale=np.ones(n), param_scale=1.0
    )

    def kernel() -> None:
        bound.evaluate(
            x=np.array(branch.x), p=np.array(branch.p), tangent=np.array(branch.tangent),
            eigenvalues=np.array(branch.eigenvalues),
        )  # fmt: skip

    with x64():
        source = jax.jit(jax.jacrev(lambda w, z, values: net.jax_rhs(z, values, {**net.theta, "W": w})))

    def dense() -> None:
        with x64():
            for z, q in zip(branch.x, branch.p, strict=True):
                columns = np.asarray(source(net.theta["W"], np.array(z), np.array([q]))).reshape(n, -1)
                s = np.linalg.solve(net.jac(z, {"gain": q}), columns)
                np.linalg.eigvalsh(s @ s.T)

    ours, theirs = interleaved(kernel, dense)
    return ours / len(branch), theirs / len(branch)


def table() -> list[str]:
    """Return the lines of the table."""
    ours, svd = against_svd()
    small, dense = against_dense()
    return [
        f"n = 256: kernel with all signatures {ours * 1e3:7.2f} ms a point, scipy svdvals {svd * 1e3:7.2f} ms: "
        f"{ours / svd:.2f} times",
        f"n =  64: kernel with all signatures {small * 1e3:7.2f} ms a point, dense jacrev  {dense * 1e3:7.2f} ms: "
        f"{dense / small:.1f} times faster",
    ]


def main() -> None:
    """Print the table."""
    print("Equilibrium kernel with all its signatures (median of 5, interleaved, one BLAS thread)")
    print("\n".join(table()))


if __name__ == "__main__":
    main()
