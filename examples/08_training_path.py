"""A training run as a continuation: where on the loss curve an attractor is born, with the kernel under it.

A leaky map of 16 units learns by gradient descent to do what a bistable teacher does.  Its loss stays on a plateau for
450 iterations and then falls.  What one learns: from the checkpoints of any training run to the births and deaths of
its attractors in five lines, and what they have to do with the loss.

It is seed 3 of 09_student_teacher.py.  There the pitchfork lies at iteration 493.9, here at 483.4: the weights follow
straight lines between checkpoints, which are 10 iterations apart there and 50 here.  What 50 apart can tell is the
bracket, 450 to 500, in which both lie.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

UNITS, ALPHA, TIMES, RATE, ITERATIONS, EVERY = 16, 0.1, 100, 0.02, 600, 50


def run(W: jax.Array, starts: jax.Array) -> jax.Array:
    """Return the states of the network, shape (TIMES, trials, UNITS)."""

    def step(z, _):
        z = z + ALPHA * (-z + jnp.tanh(z) @ W.T)
        return z, z

    return jax.lax.scan(step, starts, length=TIMES)[1]


def train() -> tuple[list[np.ndarray], list[float]]:
    """Return the weights every 50 iterations and the loss at each."""
    rng = np.random.default_rng(3)
    noise = 0.3 * rng.standard_normal((UNITS, UNITS)) / 4
    v = rng.standard_normal(UNITS)
    v /= np.linalg.norm(v)
    w = v + 0.5 * rng.standard_normal(UNITS) / 4
    teacher = noise + 1.5 * np.outer(v, w / (w @ v))
    W = jnp.asarray(0.3 * rng.standard_normal((UNITS, UNITS)) / 4)
    starts = jnp.asarray(0.5 * rng.standard_normal((8, UNITS)) / 2)
    target = run(jnp.asarray(teacher), starts)

    @jax.jit
    def loss_and_gradient(W):
        return jax.value_and_grad(lambda W: 0.5 * jnp.mean(jnp.sum((run(W, starts) - target) ** 2, axis=-1)))(W)

    checkpoints, losses = [], []
    for i in range(ITERATIONS + 1):
        loss, gradient = loss_and_gradient(W)
        losses.append(float(loss))
        if i % EVERY == 0:
            checkpoints.append(np.asarray(W))
        W = W - RATE * gradient
    return checkpoints, losses


def main(out: Path) -> None:
    """Train; follow the fixed points through the run; draw them under the loss."""
    jax.config.update("jax_enable_x64", True)
    checkpoints, losses = train()

    path = nc.TrainingPath(checkpoints, lambda W: nc.RateRNN(W, alpha=ALPHA), steps=range(0, ITERATIONS + 1, EVERY))
    record = nc.follow_training(path, ntk=nc.ntk.StateNTK(theta="W"))
    print(record)
    figure = nc.plot.training(record, loss=losses)
    figure.savefig(out / "08_training_path.png", dpi=150)
    plt.close(figure)

    # W does not move states that rest at 0: before the birth its kernel is 0, and the panels are empty.
    # One event, the pitchfork that makes the network bistable, at the end of the plateau.
    (birth,) = record.births
    assert birth.type == "pitchfork"
    assert birth.bracket == (450, 500)
    assert losses[0] - losses[450] < 0.05 * losses[0]
    assert losses[550] < 0.1 * losses[0]

    # The same from the checkpoints alone, one by one, with 300 random starts at each.
    rng = np.random.default_rng(0)
    counts = []
    for W in checkpoints:
        points = nc.find_fixed_points(nc.RateRNN(W, alpha=ALPHA), starts=2.0 * rng.standard_normal((300, UNITS)))
        counts.append(int(points.stable.sum()))
    print(f"attractors at the checkpoints, on the branches: {record.attractors().tolist()}")
    print(f"attractors at the checkpoints, brute force:     {counts}")
    assert counts == record.attractors().tolist()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
