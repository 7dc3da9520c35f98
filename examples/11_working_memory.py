"""A working-memory task: how the fixed points change from epoch to epoch, and where that amplifies learning.

A leaky network of 64 units sees one of four stimuli, keeps it in mind, and reports it when the fixation input goes off.
What one learns: hold the inputs of two epochs, and move from one to the other with `model.along`: continuation finds at
which mixture each memory is lost, and the kernels of equilibria and of trajectories show what learning feels of it.
"""

import argparse
import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import ntkcont as nc

UNITS, ALPHA, STEPS, TRIALS = 64, 0.2, 100, 64
FIXATION, STIMULUS, RESPONSE = 10, 10, 15  # steps of an epoch; the response lasts at least that long
RATE, ITERATIONS, NOISE = 2e-3, 500, 0.3
ANGLES = np.pi / 4 + np.pi / 2 * np.arange(4)
STIMULI = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
INPUTS = {"fix": [1.0, 0.0, 0.0], "x": [0.0, 1.0, 0.0], "y": [0.0, 0.0, 1.0]}
MEMORY = {"fix": 1.0, "x": 0.0, "y": 0.0}  # fixation has the same inputs
ANSWER = {"fix": 0.0, "x": 0.0, "y": 0.0}  # of the response
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:purple")


# ---------------------------------------------------------------- the task


def trials(which: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs (trials, steps, 3), targets (trials, steps, 2) and what enters the loss (trials, steps).

    `which` of the stimuli is shown, and `memory` is how many steps follow until the fixation input goes off.
    """
    t, go = np.arange(STEPS), (FIXATION + STIMULUS + memory)[:, None]
    shown = (t >= FIXATION) & (t < FIXATION + STIMULUS)
    fixation = (t < go)[..., None]
    inputs = np.concatenate([fixation, shown[None, :, None] * STIMULI[which][:, None]], axis=2)
    targets = ~fixation * STIMULI[which][:, None]
    counts = (t < go) | (t >= go + 4)  # the first steps of the response are free
    return inputs.astype(np.float32), targets.astype(np.float32), counts.astype(np.float32)


def random_trials(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return a batch, with noise of shape (trials, steps, units)."""
    longest = STEPS - FIXATION - STIMULUS - RESPONSE
    batch = trials(rng.integers(4, size=TRIALS), rng.integers(20, longest + 1, size=TRIALS))
    return *batch, (NOISE * rng.standard_normal((TRIALS, STEPS, UNITS))).astype(np.float32)


def run(weights: dict, inputs: jax.Array, noise: jax.Array) -> jax.Array:
    """Return the states of one trial, shape (steps, units)."""

    def step(z, now):
        u, xi = now
        z = (1 - ALPHA) * z + ALPHA * jnp.tanh(weights["W"] @ z + weights["W_in"] @ u + weights["b"] + xi)
        return z, z

    return jax.lax.scan(step, jnp.zeros(UNITS, inputs.dtype), (inputs, noise))[1]


def loss(weights: dict, inputs: jax.Array, targets: jax.Array, counts: jax.Array, noise: jax.Array) -> jax.Array:
    """Return the mean squared error of the readout, and a little for large rates."""
    states = jax.vmap(run, (None, 0, 0))(weights, inputs, noise)
    error = jnp.sum((states @ weights["W_out"].T - targets) ** 2, axis=-1)
    return jnp.mean(counts * error) + 1e-3 * jnp.mean(states**2)


@jax.jit
def adam(weights: dict, m: dict, v: dict, i: float, batch: tuple) -> tuple:
    """Return weights and moments after one step of the Adam optimiser, and the loss before it."""
    value, gradient = jax.value_and_grad(loss)(weights, *batch)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, gradient)

    def move(w, m, v):
        return w - RATE * (m / (1 - 0.9**i)) / (jnp.sqrt(v / (1 - 0.999**i)) + 1e-8)

    return jax.tree.map(move, weights, m, v), m, v, value


def train(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return trained weights."""
    weights = {
        "W": 0.9 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS),
        "W_in": 0.5 * rng.standard_normal((UNITS, 3)),
        "b": np.zeros(UNITS),
        "W_out": rng.standard_normal((2, UNITS)) / np.sqrt(UNITS),
    }
    weights = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), weights)
    m = v = jax.tree.map(jnp.zeros_like, weights)
    for i in range(1, ITERATIONS + 1):
        weights, m, v, value = adam(weights, m, v, float(i), random_trials(rng))
        if i % 125 == 0:
            print(f"iteration {i}: loss {value:.4f}")
    return {name: np.asarray(array, float) for name, array in weights.items()}


# ---------------------------------------------------------------- from epoch to epoch


@dataclasses.dataclass
class Transition:
    """All fixed points between the inputs of two epochs, at mixtures from 0 to 1, and those found at both ends."""

    model: nc.Model
    branches: list[nc.Branch]
    ends: tuple[nc.FixedPoints, nc.FixedPoints]

    def at(self, mix: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of branches at mix = 0 or 1: states, and whether they are stable."""
        ends = [(b.x[i], b.stable[i]) for b in self.branches for i in (0, -1) if abs(b.p[i] - mix) < 1e-9]
        return np.array([x for x, _ in ends]), np.array([stable for _, stable in ends], dtype=bool)

    def counts(self) -> list[tuple[int, int, int, int]]:
        """Return for both ends: fixed points and stable ones on the branches, and as found from many starts."""
        return [
            (len(self.at(i)[0]), int(self.at(i)[1].sum()), len(p.x), int(p.stable.sum()))
            for i, p in enumerate(self.ends)
        ]

    def special_points(self) -> list[tuple[nc.Branch, nc.SpecialPoint]]:
        """Return the bifurcations with their branches, in the order of the mixture."""
        found = [(b, p) for b in self.branches for p in b.special_points if p.label in ("LP", "BP", "NS", "PD")]
        return sorted(found, key=lambda pair: pair[1].p)

    def near(self, distance: float = 0.05) -> tuple[float, float]:
        """Return the share of the strongest tenth of all points, and of all points, that lie near a bifurcation."""
        close = np.concatenate([_close(b, distance) for b in self.branches])
        top = np.concatenate([b.ntk.top for b in self.branches])
        return float(np.mean(close[top >= np.quantile(top, 0.9)])), float(np.mean(close))


def _close(branch: nc.Branch, distance: float) -> np.ndarray:
    """Return which points of a branch lie within a distance, in the mixture, of one of its bifurcations."""
    at = np.array([p.p for p in branch.special_points if p.label in ("LP", "BP", "NS", "PD")])
    return np.any(np.abs(branch.p[:, None] - at) < distance, axis=1)


def follow(net: nc.RateRNN, p0: dict, p1: dict, starts: np.ndarray) -> Transition:
    """Find the fixed points under both inputs from many starts, and follow each from one to the other."""
    model = net.along(p0, p1)
    first, last = (nc.find_fixed_points(model, starts=starts, params={"mix": mix}) for mix in (0.0, 1.0))
    transition = Transition(model, [], (first, last))
    kernel = nc.ntk.StateNTK(theta="all")
    for mix, points in enumerate(transition.ends):
        for x in points.x:
            known, _ = transition.at(mix)
            if len(known) and np.min(np.abs(known - x).max(axis=1)) < 1e-5:
                continue
            branch = nc.continuation(model, x, free="mix", p_span=(0.0, 1.0), params={"mix": float(mix)}, ntk=kernel)
            transition.branches.append(branch)
    return transition


def last_state(steps: int, start: np.ndarray) -> nc.ntk.StateNTK:
    """Return the kernel of the last state of a trajectory under constant inputs."""
    every = steps // 10
    last = np.arange(10) == 9
    return nc.ntk.StateNTK(
        kernel="trajectory",
        initial_states=start[None],
        T=steps,
        record_every=every,
        loss_mask=last,
        k=1,
        method="operator",  # few outputs and many weights: products with the kernel are cheapest
    )


class Report:
    """Which of the stimuli the network reports from a state, once the fixation input is off."""

    def __init__(self, net: nc.RateRNN) -> None:
        self.net = net

    def __call__(self, x: np.ndarray) -> int:
        """Return the number of the stimulus."""
        late = nc.simulate(self.net, x, 200, params=ANSWER)[-1]
        return int(np.argmax(STIMULI @ (self.net.W_out @ late)))


# ---------------------------------------------------------------- tables and picture


def print_transitions(transitions: dict[str, Transition], report: Report) -> None:
    """Print the bifurcations of each transition, and how many fixed points there are at its ends."""
    print(f"\n{'transition':<22} {'point':<5} {'type':<6} {'mix':>8}   what ends there")
    for name, transition in transitions.items():
        for branch, point in transition.special_points():
            ends = [report(branch.x[i]) for i in (0, -1) if branch.stable[i] and branch.p[i] < 1e-9]
            what = f"memory of stimulus {ends[0]}" if ends else "unstable points"
            print(f"{name:<22} {point.name:<5} {point.normal_form['type']:<6} {point.p:8.4f}   {what}")
        for branch in transition.branches:
            if branch.stable.all() and abs(np.ptp(branch.p) - 1.0) < 1e-9:
                kept = f"memory of stimulus {report(branch.x[np.argmin(branch.p)])} goes all the way"
                print(f"{name:<22} {'none':<21}   {kept}")
    print(f"\n{'fixed points (stable)':<22} {'at mix 0':>10} {'searched':>9} {'at mix 1':>10} {'searched':>9}")
    for name, transition in transitions.items():
        cells = [f"{n} ({stable})" for row in transition.counts() for n, stable in (row[:2], row[2:])]
        print(f"{name:<22} {cells[0]:>10} {cells[1]:>9} {cells[2]:>10} {cells[3]:>9}")
    near = "strongest tenth near a bifurcation"
    print(f"\n{'largest eigenvalue':<22} {'median':>8} {'largest':>9} {near:>35} {'all':>6}")
    for name, transition in transitions.items():
        top = np.concatenate([b.ntk.top for b in transition.branches])
        strongest, everywhere = transition.near()
        print(f"{name:<22} {np.median(top):8.0f} {top.max():9.2g} {strongest:35.2f} {everywhere:6.2f}")


def lost_memory(transition: Transition, ax: Axes) -> None:
    """Print and draw the kernel of trajectories that start at a memory, around the fold where it ends."""
    branch, fold = next((b, p) for b, p in transition.special_points() if b.stable[[0, -1]].any())
    memory = branch.x[0] if branch.stable[0] else branch.x[-1]
    speed = abs(fold.normal_form["a"] * fold.normal_form["drive"])
    print(f"\nthe memory that ends at mix = {fold.p:.4f}, held at mixtures around that")
    print(f"{'steps':>6} {'kernel peaks at':>15} {'beyond the fold by':>19} {'(pi/T)^2/(a drive)':>19}")
    for steps, colour in ((100, "tab:green"), (400, "tab:red")):
        passes = (np.pi / steps) ** 2 / speed  # at this distance the passage takes as long as the trajectory
        mixes = fold.p + passes * np.concatenate([[-0.5, -0.1], np.geomspace(0.02, 4.0, 22)])
        mixes = mixes[(mixes > 0) & (mixes < 1)]
        top = last_state(steps, memory).evaluate(transition.model, params={"mix": mixes}).top
        peak = mixes[np.argmax(top)]
        print(f"{steps:6d} {peak:15.4f} {peak - fold.p:19.4f} {passes:19.4f}")
        assert peak > fold.p
        ax.semilogy(mixes, top, ".-", color=colour, linewidth=1, markersize=4, label=f"{steps} steps from a memory")


def trial_part(net: nc.RateRNN, axes: list[Axes]) -> None:
    """Print and draw one trial of each stimulus: its readout, and the kernel of all four at each time."""
    delay = 45
    inputs, _, _ = trials(np.arange(4), np.full(4, delay))
    kernel = {
        "kernel": "trajectory",
        "method": "operator",
        "initial_states": np.zeros((4, UNITS)),
        "T": STEPS,
        "inputs": inputs,
        "k": 2,
    }
    states = nc.ntk.StateNTK(**kernel).trajectories(net, params=dict.fromkeys(INPUTS, 0.0)).states
    for k, colour in enumerate(COLOURS):
        for curve, style in zip((states[k] @ net.W_out.T).T, ("-", "--"), strict=True):
            axes[0].plot(np.arange(1, STEPS + 1), curve, style, color=colour, linewidth=1)
    times = np.arange(4, STEPS + 1, 4)
    top = []
    for t in times:
        only = np.arange(1, STEPS + 1) == t
        top.append(nc.ntk.StateNTK(**kernel, loss_mask=only).evaluate(net, params=dict.fromkeys(INPUTS, 0.0)).top[0])
    axes[1].semilogy(times, top, "ko-", markersize=3, linewidth=1)
    begins = (0, FIXATION, FIXATION + STIMULUS, FIXATION + STIMULUS + delay, STEPS)
    names = ("fixation", "stimulus", "memory", "response")
    print(f"\n{'kernel of four trials':<22} " + " ".join(f"{name:>9}" for name in names))
    tops = [np.array(top)[(times > a) & (times <= b)].max() for a, b in itertools.pairwise(begins)]
    print(f"{'largest in the epoch':<22} " + " ".join(f"{value:9.3g}" for value in tops))
    for ax in axes:
        for begin in begins[1:-1]:
            ax.axvline(begin, color="0.6", linestyle=":")
        ax.set(xlim=(0, STEPS), xlabel="step")
    for (begin, end), short in zip(itertools.pairwise(begins), ("fix.", "stim.", "memory", "response"), strict=True):
        axes[0].text(
            (begin + end) / 2,
            0.96,
            short,
            transform=axes[0].get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=8,
        )
    axes[0].set(ylabel="readout", ylim=(-1.0, 1.2), title="four trials (x solid, y dashed)")
    axes[1].set(ylabel="largest eigenvalue", title="kernel of their states at each step")


def draw(transition: Transition, y, axes: list[Axes]) -> None:
    """Draw the branches, coloured by the kernel, and the kernel along them."""
    nc.plot.bifurcation_diagram(transition.branches, y=y, color="top", ax=axes[0], labels=False, legend="none")
    for i, branch in enumerate(transition.branches):
        for stable, style in ((True, "-"), (False, "--")):
            label = f"{'stable' if stable else 'unstable'} equilibria" if i == 0 else None
            shown = np.where(branch.stable == stable, branch.ntk.top, np.nan)
            axes[1].semilogy(branch.p, shown, style, color="0.3", linewidth=1, label=label)
    for _, point in transition.special_points():
        axes[1].axvline(point.p, color="tab:orange", linestyle=":", linewidth=1)
    axes[1].set(xlabel="mix", ylabel="largest eigenvalue", xlim=(0, 1))


def main(out: Path) -> None:
    """Train, follow the fixed points between the epochs, print the tables, draw the picture."""
    weights = train(np.random.default_rng(1))
    net = nc.RateRNN(
        weights["W"],
        b=weights["b"],
        W_in=weights["W_in"],
        W_out=weights["W_out"],
        inputs=INPUTS,
        form="rate",
        alpha=ALPHA,
    )
    rng = np.random.default_rng(0)
    inputs, _, _, noise = random_trials(rng)
    states = np.asarray(jax.vmap(run, (None, 0, 0))(weights, inputs, noise), float)[:24, ::8].reshape(-1, UNITS)
    pairs = states[rng.integers(len(states), size=(2, 300))]
    share = rng.uniform(size=(300, 1))
    starts = np.concatenate([states, share * pairs[0] + (1 - share) * pairs[1]])

    report = Report(net)
    transitions = {
        f"memory to stimulus {k}": follow(net, MEMORY, {"fix": 1.0, "x": x, "y": y}, starts)
        for k, (x, y) in enumerate(STIMULI)
    }
    transitions["memory to response"] = follow(net, MEMORY, ANSWER, starts)
    print_transitions(transitions, report)
    for transition in transitions.values():
        for n, stable, searched, searched_stable in transition.counts():
            assert stable == searched_stable
            assert n >= searched
        assert not transition.special_points() or transition.near()[0] > 0.9

    figure, axes = plt.subplots(2, 3, figsize=(14, 7.6), layout="constrained")
    first, response = transitions["memory to stimulus 0"], transitions["memory to response"]
    memories = {report(x): x for x in first.at(0)[0][first.at(0)[1]]}
    assert set(memories) == {0, 1, 2, 3}
    across = memories[0] - memories[2] + 0.4 * (memories[1] - memories[3])

    draw(first, lambda branch: branch.x @ across / np.linalg.norm(across), axes[:, 0])
    lost_memory(first, axes[1, 0])
    axes[0, 0].set(title="memory to stimulus 0", ylabel="across the memories")
    axes[1, 0].set_xlim(0.0, 3.5 * first.special_points()[-1][1].p)
    draw(response, lambda branch: branch.x @ weights["W_out"].T @ (1.0, 0.4), axes[:, 1])
    axes[0, 1].set(title="memory to response", ylabel="readout along (1, 0.4)")
    axes[1, 1].sharey(axes[1, 0])
    for ax in axes[1, :2]:
        ax.legend(fontsize=7, loc="upper right")
    trial_part(net, axes[:, 2])
    figure.savefig(out / "11_working_memory.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
