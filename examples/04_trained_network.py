"""A trained network: how a two-bit memory is built of fixed points, and which input flips a bit.

A leaky network of 32 units learns to remember the sign of the last pulse on each of two inputs.  What one learns: from
trained weights to a model, checked against a recorded trial; its fixed points from the states of its own trials; one
memory followed in one input with the other held at zero, with the kernel of all weights; the picture in state space.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

UNITS, STEPS, TRIALS, ALPHA = 32, 60, 128, 0.25
RATE = 3e-3  # learning rate


def trials(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pulses and the memory they should leave, both of shape (TRIALS, STEPS, 2)."""
    signs = rng.choice([-1.0, 1.0], (TRIALS, STEPS, 2))
    inputs = np.where(rng.random(signs.shape) < 0.08, signs, 0.0)
    inputs[:, 0] = signs[:, 0]
    targets = inputs.copy()
    for t in range(1, STEPS):
        targets[:, t] = np.where(inputs[:, t] != 0, inputs[:, t], targets[:, t - 1])
    return inputs.astype(np.float32), targets.astype(np.float32)


def run(weights: dict, inputs: jax.Array) -> jax.Array:
    """Return the states of one trial, shape (STEPS, UNITS)."""

    def step(z, u):
        z = (1 - ALPHA) * z + ALPHA * jnp.tanh(weights["W"] @ z + weights["W_in"] @ u + weights["b"])
        return z, z

    return jax.lax.scan(step, jnp.zeros(UNITS, inputs.dtype), inputs)[1]


def loss(weights: dict, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean squared error of the linear readout."""
    states = jax.vmap(run, (None, 0))(weights, inputs)
    return jnp.mean((states @ weights["W_out"].T - targets)[:, 1:] ** 2)


@jax.jit
def adam(weights: dict, m: dict, v: dict, i: float, inputs: jax.Array, targets: jax.Array) -> tuple:
    """Return weights and moments after one step of the Adam optimiser, and the loss before it."""
    value, gradient = jax.value_and_grad(loss)(weights, inputs, targets)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, gradient)

    def move(w, m, v):
        return w - RATE * (m / (1 - 0.9**i)) / (jnp.sqrt(v / (1 - 0.999**i)) + 1e-8)

    return jax.tree.map(move, weights, m, v), m, v, value


def train(rng: np.random.Generator, iterations: int = 1000) -> dict:
    """Return trained weights."""
    weights = {
        "W": 0.8 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS),
        "W_in": rng.standard_normal((UNITS, 2)),
        "b": np.zeros(UNITS),
        "W_out": rng.standard_normal((2, UNITS)) / np.sqrt(UNITS),
    }
    weights = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), weights)
    m = v = jax.tree.map(jnp.zeros_like, weights)
    for i in range(1, iterations + 1):
        weights, m, v, value = adam(weights, m, v, float(i), *trials(rng))
        if i % 250 == 0:
            print(f"iteration {i}: loss {value:.4f}")
    return {name: np.asarray(array, float) for name, array in weights.items()}


def main(out: Path) -> None:
    """Train, find the memories, follow one of them, draw both views."""
    rng = np.random.default_rng(0)
    weights = train(rng)
    inputs, _ = trials(rng)
    states = np.asarray(jax.vmap(run, (None, 0))(weights, inputs), float)

    net = nc.RateRNN(
        weights["W"],
        b=weights["b"],
        W_in=weights["W_in"],
        W_out=weights["W_out"],
        inputs={"bit1": [1.0, 0.0], "bit2": [0.0, 1.0]},
        form="rate",
        alpha=ALPHA,
    )
    trial = 0
    report = net.reproduces(states[trial], inputs[trial])
    print(report)
    assert report.ok

    # The memories: stable fixed points without input, one for each pair of bits.
    points = nc.find_fixed_points(net, starts=states[:, ::6].reshape(-1, UNITS))
    bits = points.x @ weights["W_out"].T
    memories = [tuple(np.sign(pair).astype(int).tolist()) for pair in bits[points.stable]]
    print(f"{len(points.x)} fixed points; the stable ones read out as {sorted(memories)}")
    assert sorted(memories) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    assert points.residual.max() < 1e-9

    # Follow the memory (1, 1) in the first input, the second held at zero.
    start = points.x[points.stable][memories.index((1, 1))]
    kernel = nc.ntk.StateNTK(theta="all")
    branch = nc.continuation(net, start, free="bit1", p_span=(-1.5, 1.5), params={"bit1": 0.0, "bit2": 0.0}, ntk=kernel)
    print(branch)

    # Until a fold, at a negative input weaker than the training pulses: there the bit flips.
    flips = [point for point in branch.special_points("LP") if point.p < 0]
    flip = min(flips, key=lambda point: abs(point.s))
    print(f"the first bit flips at an input of {flip.p:.4f}")
    assert -1.0 < flip.p < 0.0
    near = np.argmin(np.abs(branch.s - flip.s))
    assert branch["top"][near] > 10 * np.median(branch["top"])

    def first_bit(branch):
        return branch.x @ weights["W_out"][0]

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    nc.plot.bifurcation_diagram(branch, y=first_bit, color="participation_ratio", ax=axes[0])
    axes[0].set_ylabel("readout of the first bit")
    nc.plot.state_space(branch, trajectories=states[:20], ax=axes[1])
    figure.savefig(out / "04_trained_network.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
