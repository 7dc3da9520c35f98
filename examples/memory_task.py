"""A leaky network learns to remember the sign of the last pulse on each of its inputs; used by other examples."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

ALPHA = 0.25  # leak of the network
RATE = 3e-3  # learning rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """How many units, inputs (bits to remember), trials and steps there are, and how often a pulse comes."""

    units: int
    bits: int
    trials: int
    steps: int
    often: float


def trials(task: Task, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pulses and the memory they should leave, both of shape (trials, steps, bits)."""
    signs = rng.choice([-1.0, 1.0], (task.trials, task.steps, task.bits))
    inputs = np.where(rng.random(signs.shape) < task.often, signs, 0.0)
    inputs[:, 0] = signs[:, 0]
    targets = inputs.copy()
    for t in range(1, task.steps):
        targets[:, t] = np.where(inputs[:, t] != 0, inputs[:, t], targets[:, t - 1])
    return inputs.astype(np.float32), targets.astype(np.float32)


def run(weights: dict, inputs: jax.Array) -> jax.Array:
    """Return the states of one trial, shape (steps, units)."""

    def step(z, u):
        z = (1 - ALPHA) * z + ALPHA * jnp.tanh(weights["W"] @ z + weights["W_in"] @ u + weights["b"])
        return z, z

    return jax.lax.scan(step, jnp.zeros(weights["b"].shape, inputs.dtype), inputs)[1]


@jax.jit
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


def train(task: Task, rng: np.random.Generator, iterations: int = 1000) -> dict:
    """Return trained weights."""
    n = task.units
    weights = {
        "W": 0.8 * rng.standard_normal((n, n)) / np.sqrt(n),
        "W_in": rng.standard_normal((n, task.bits)),
        "b": np.zeros(n),
        "W_out": rng.standard_normal((task.bits, n)) / np.sqrt(n),
    }
    weights = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), weights)
    m = v = jax.tree.map(jnp.zeros_like, weights)
    for i in range(1, iterations + 1):
        weights, m, v, value = adam(weights, m, v, float(i), *trials(task, rng))
        if i % 250 == 0:
            print(f"iteration {i}: loss {value:.4f}")
    return {name: np.asarray(array, float) for name, array in weights.items()}
