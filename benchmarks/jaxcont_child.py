"""jaxcont on the problems of ``benchmarks.peers``, in a process of its own: prints JSON.

One of its calls is timed after another; it takes fixed-size buffers, so that `max_steps` is what the branch
needs and no more.
"""

from __future__ import annotations

import json
import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import jaxcont as jc  # noqa: E402
import numpy as np  # noqa: E402


def morris_lecar(u: jax.Array, current: jax.Array, _: object) -> jax.Array:
    """Return the right-hand side of the type II neuron."""
    v, w = u
    m = 0.5 * (1 + jnp.tanh((v + 1.2) / 18.0))
    target = 0.5 * (1 + jnp.tanh((v - 2.0) / 30.0))
    rate = 0.04 * jnp.cosh((v - 2.0) / 60.0)
    dv = (current - 2.0 * (v + 60.0) - 4.4 * m * (v - 120.0) - 8.0 * w * (v + 84.0)) / 20.0
    return jnp.stack([dv, rate * (target - w)])


def network(n: int) -> tuple[object, np.ndarray]:
    """Return the right-hand side of the tanh network with a bias."""
    rng = np.random.default_rng(0)
    W = jnp.asarray(0.9 * rng.standard_normal((n, n)) / np.sqrt(n))
    b = jnp.asarray(0.3 * rng.standard_normal(n))
    return (lambda z, gain, _: -z + gain * (W @ jnp.tanh(z)) + b), np.asarray(b)


def main() -> None:
    """Run one problem and print seconds, points and events."""
    which, step, most = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    if which == "Morris-Lecar":
        problem = jc.bif_problem(morris_lecar, u0=jnp.array([-60.0, 0.015]), p0=-5.0)
        span = (-5.0, 300.0)
    else:
        rhs, guess = network(50)
        problem = jc.bif_problem(rhs, u0=jnp.asarray(guess), p0=0.05)
        span = (0.05, 1.05)
    settings = jc.ContinuationPar(ds=step, ds_max=step, max_steps=most, newton_tol=1e-10)
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        result = jc.continuation(problem, p_span=span, settings=settings, events=[jc.Fold(), jc.Hopf()])
        events = [(event.kind, float(event.p)) for event in result.events]
        params = np.asarray(result.branch.params)
        np.asarray(result.branch.eigenvalues)
        taken.append(time.perf_counter() - start)
    print(json.dumps({"seconds": taken[1], "points": len(params), "last": float(params[-1]), "events": events}))


if __name__ == "__main__":
    main()
