"""A trained network: how a two-bit memory is built of fixed points, and which input flips a bit.

A leaky network of 32 units learns to remember the sign of the last pulse on each of two inputs.  What one learns: from
trained weights to a model, checked against a recorded trial; its fixed points from the states of its own trials; one
memory followed in one input with the other held at zero, with the kernel of all weights; the picture in state space.
"""

import argparse
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from memory_task import ALPHA, Task, run, train, trials

import ntkcont as nc

TASK = Task(units=32, bits=2, trials=128, steps=60, often=0.08)


def main(out: Path) -> None:
    """Train, find the memories, follow one of them, draw both views."""
    rng = np.random.default_rng(0)
    weights = train(TASK, rng)
    inputs, _ = trials(TASK, rng)
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
    points = nc.find_fixed_points(net, starts=states[:, ::6].reshape(-1, TASK.units))
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
