"""Move a fold of a trained network away with a small change of its weights, and keep the task.

A leaky network of 24 units learns to remember the sign of the last pulse.  Each memory ends at a fold: an input of the
other sign that is strong enough flips it.  What one learns: how the critical input of that fold moves with every weight
(``nc.ntk.sensitivity``); how to move it while the network's answers stay what they are; that it moves as predicted.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.flatten_util import ravel_pytree
from memory_task import ALPHA, Task, loss, run, train, trials

import ntkcont as nc

TASK = Task(units=24, bits=1, trials=64, steps=40, often=0.1)
DAMPING = 1.0  # relative to the mean curvature
TRAINED = ("W", "W_in", "b")


def network(weights: dict) -> nc.RateRNN:
    """Return the network as a model, with its input as the parameter "pulse"."""
    return nc.RateRNN(
        weights["W"], b=weights["b"], W_in=weights["W_in"], inputs={"pulse": [1.0]}, form="rate", alpha=ALPHA
    )


def memory_branch(weights: dict, start: np.ndarray) -> tuple[nc.Branch, nc.SpecialPoint]:
    """Follow the memory of a positive pulse in the input, down to the fold where it is lost."""
    branch = nc.continuation(network(weights), start, free="pulse", p_span=(-1.5, 1.5), params={"pulse": 0.0})
    return branch, max((point for point in branch.special_points("LP") if point.p < 0), key=lambda point: point.p)


def inner(a: dict, b: dict) -> float:
    """Return the inner product of two directions in weight space."""
    return float(sum(np.vdot(a[name], b[name]) for name in TRAINED))


def quietest(weights: dict, inputs: np.ndarray, gradient: dict) -> dict:
    """Return the direction that moves the fold for the least change of the answers in these trials.

    It is ``(J^T J + damping)^{-1} gradient``, with J the derivative of all answers in all weights.
    """
    flat, restore = ravel_pytree({name: jnp.asarray(weights[name], jnp.float32) for name in TRAINED})

    def answers(flat):
        return (jax.vmap(run, (None, 0))(restore(flat), inputs) @ weights["W_out"].T.astype(np.float32)).reshape(-1)

    J = np.asarray(jax.jit(jax.jacfwd(answers))(flat), float)
    core = J.T @ J / len(J)
    wanted = ravel_pytree({name: gradient[name].astype(np.float32) for name in TRAINED})[0]
    direction = np.linalg.solve(core + DAMPING * np.trace(core) / len(core) * np.eye(len(core)), wanted)
    return {name: np.asarray(array, float) for name, array in restore(direction.astype(np.float32)).items()}


def main(out: Path) -> None:
    """Train, find the fold, move it, compare."""
    rng = np.random.default_rng(1)
    weights = train(TASK, rng)
    inputs, targets = trials(TASK, rng)
    states = np.asarray(jax.vmap(run, (None, 0))(weights, inputs[:1] * 0 + 1.0))[0]
    memory = nc.find_fixed_points(network(weights), starts=states[-1:], params={"pulse": 0.0}).x[0]
    before, fold = memory_branch(weights, memory)
    print(f"the memory is lost at an input of {fold.p:.4f}")

    # How far each weight moves the fold; of all changes that move it, the one that changes the answers least.
    gradient = nc.ntk.sensitivity(fold)
    direction = quietest(weights, inputs, gradient)
    wanted = fold.p  # twice the input should be needed
    step = wanted / inner(gradient, direction)
    moved = {**weights, **{name: weights[name] + step * direction[name] for name in TRAINED}}
    relative = abs(step) * np.sqrt(inner(direction, direction) / inner(weights, weights))

    after, new_fold = memory_branch(moved, memory)
    first, second = float(loss(weights, inputs, targets)), float(loss(moved, inputs, targets))
    print(f"weights changed by {100 * relative:.2f} % of their norm")
    print(f"fold: {fold.p:.4f} before, {fold.p + wanted:.4f} predicted, {new_fold.p:.4f} found anew")
    print(f"loss: {first:.5f} before, {second:.5f} after")
    assert abs(new_fold.p - fold.p - wanted) < 0.1 * abs(wanted)
    assert second < 1.15 * first

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    readout = weights["W_out"][0]
    for branch, point, color, label in ((before, fold, "C0", "trained"), (after, new_fold, "C1", "after the change")):
        axes[0].plot(branch.p, branch.x @ readout, color=color, label=label)
        axes[0].plot(point.p, point.x @ readout, "o", color=color)
    axes[0].axvline(fold.p + wanted, color="0.6", linestyle=":", label="predicted fold")
    axes[0].set(xlabel="pulse", ylabel="readout", xlim=(-0.12, 0.12))
    axes[0].legend(frameon=False)
    sizes = {name: float(np.linalg.norm(step * direction[name])) for name in TRAINED}
    image = axes[1].imshow(step * direction["W"], cmap="RdBu_r", vmin=-abs(step * direction["W"]).max(),
                           vmax=abs(step * direction["W"]).max())  # fmt: skip
    axes[1].set(title="change of W", xlabel="from unit", ylabel="to unit")
    figure.colorbar(image, ax=axes[1])
    print("size of the change: " + ", ".join(f"{name} {size:.4f}" for name, size in sizes.items()))
    figure.savefig(out / "07_move_a_fold.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
