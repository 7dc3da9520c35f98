"""A student network learns a bistable teacher: plateau, sudden drop, and the bifurcation and the kernel under it.

What one learns: a training run as a continuation (the pitchfork of the state at rest is located along the iterations,
by the continuation alone), the trajectory kernel and its bifurcation channel beside the loss, what changes with the
seed and without a bifurcation, and what a natural gradient of low rank does to the largest learning rate.

With seed 3 the pitchfork lies at iteration 493.9.  08_training_path.py finds the same one at 483.4, from checkpoints
every 50 iterations instead of every 10: the weights between two are interpolated, so that only the bracket is sure.
"""

import argparse
import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.axes import Axes

import ntkcont as nc
from ntkcont.jax_tools import x64

UNITS, TRIALS, STEPS, ALPHA = 16, 8, 100, 0.1
RATE = 0.02
LISTED = (0, 400, 450, 500, 550)  # iterations of the table
CLOSER = (200, 300, 430, 470, 480, 490, 510, 520, 530, 600)  # and those of the picture
SEEDS = {0: 1200, 1: 800, 2: 400, 4: 450}  # and how many iterations they need
RATES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
JUMP = 0.01  # a loss that grows in one iteration by this much of the loss at the start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A teacher whose trajectories a student learns; weights are dicts with W and, if trained, b."""

    name: str
    teacher: dict[str, np.ndarray]
    student: dict[str, np.ndarray]
    initial: np.ndarray
    iterations: int = 600
    rate: float = RATE


def student_teacher(seed: int, iterations: int = 600, name: str = "", gain: float = 1.5, twist: float = 0.0) -> Task:
    """Return the task of one seed: a teacher with one outlier, ``G + gain v w^T``, and a student without.

    `twist` adds a rank-one matrix without an eigenvalue of its own: a teacher that is far from normal.
    """
    rng = np.random.default_rng(seed)
    G = 0.3 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    v = rng.standard_normal(UNITS)
    v /= np.linalg.norm(v)
    w = v + 0.5 * rng.standard_normal(UNITS) / np.sqrt(UNITS)
    w /= w @ v
    student = 0.3 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    initial = 0.5 * rng.standard_normal((TRIALS, UNITS)) / 2.0
    teacher = G + gain * np.outer(v, w)
    if twist:
        pair = np.linalg.qr(rng.standard_normal((UNITS, 2)))[0]
        rest = np.eye(UNITS) - pair @ pair.T
        teacher = rest @ G @ rest + twist * np.outer(pair[:, 0], pair[:, 1])
    return Task(
        name=name or f"seed {seed}",
        teacher={"W": teacher},
        student={"W": student},
        initial=initial,
        iterations=iterations,
    )


def with_bias(task: Task, size: float, name: str) -> Task:
    """Return the task with a random bias of the teacher, and one of the student that is trained from zero."""
    bias = size * np.random.default_rng(100).standard_normal(UNITS)
    teacher, student = {**task.teacher, "b": bias}, {**task.student, "b": np.zeros(UNITS)}
    return dataclasses.replace(task, name=name, teacher=teacher, student=student)


# ---------------------------------------------------------------- training


def states(weights: dict, initial: jax.Array) -> jax.Array:
    """Return the states of all trials, shape (STEPS, TRIALS, UNITS)."""

    def step(z, _):
        z = (1 - ALPHA) * z + ALPHA * (jnp.tanh(z) @ weights["W"].T + weights.get("b", 0.0))
        return z, z

    return jax.lax.scan(step, initial, None, length=STEPS)[1]


@functools.partial(jax.jit, static_argnames=("iterations", "rank"))
def _train(weights: dict, teacher: dict, initial: jax.Array, rate: float, iterations: int, rank: int) -> tuple:
    """Return the losses (iterations + 1,) and the weights before each iteration."""
    targets = states(teacher, initial)
    mean = 1.0 / (STEPS * len(initial))
    optimiser = optax.identity()
    if rank:
        optimiser = nc.ntk.low_rank_natural_gradient(lambda w: states(w, initial), rank=rank, every=10, weight=mean)

    def loss(weights):
        return 0.5 * mean * jnp.sum((states(weights, initial) - targets) ** 2)

    def step(carry, _):
        weights, memory = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, memory = optimiser.update(gradient, memory, weights)
        moved = jax.tree.map(lambda w, u: w - rate * u, weights, updates)
        return (moved, memory), (value, weights)

    return jax.lax.scan(step, (weights, optimiser.init(weights)), None, length=iterations + 1)[1]


def train(task: Task, rate: float | None = None, rank: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return losses and weights of full-batch gradient descent; with a rank, of the low-rank natural gradient."""
    with x64():
        losses, weights = _train(task.student, task.teacher, task.initial, rate or task.rate, task.iterations, rank)
    return np.asarray(losses), jax.tree.map(np.asarray, weights)


# ---------------------------------------------------------------- what happens in a run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """The kernel at one iteration, with its bifurcation channel about the fixed point that was there from the start."""

    iteration: int
    loss: float
    growth: float  # of the critical direction, per unit of time: (lambda_c - 1)/alpha
    top: float
    participation_ratio: float
    align: float  # |cos| between the first direction of theta and D_theta lambda
    f_par: float
    nf_error: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A training run: its losses, the fixed points along it, and kernels at some iterations."""

    task: Task
    losses: np.ndarray
    path: nc.TrainingPath
    record: nc.TrainingRecord
    rows: list[Row]

    @property
    def steepest(self) -> int:
        """The iteration of the largest drop of the loss."""
        return int(np.argmin(np.diff(self.losses)))

    @property
    def births(self) -> list[tuple[float, str]]:
        """Iteration and type of the births of attractors, from the continuation."""
        return [(event.s, event.type) for event in self.record.events if event.born > 0]


def network(weights: dict, iteration: int) -> nc.RateRNN:
    """Return the model of one iteration."""
    return nc.RateRNN(weights["W"][iteration], b=weights["b"][iteration] if "b" in weights else None, alpha=ALPHA)


def measure(task: Task, weights: dict, losses: np.ndarray, iteration: int, x: np.ndarray, every: int) -> Row:
    """Return the kernel at one iteration about a fixed point x, from every `every`-th step of the trials."""
    kernel = nc.ntk.StateNTK(
        kernel="trajectory",
        theta=list(task.student),
        initial_states=task.initial,
        T=STEPS,
        record_every=every,
        weights="mean",
    )
    net = network(weights, iteration)
    found, channel = kernel.evaluate(net, x), nc.ntk.channels(kernel, net, x)
    return Row(
        iteration=iteration,
        loss=float(losses[iteration]),
        growth=float((found.lambda_c[0].real - 1) / ALPHA),
        top=float(found.top[0]),
        participation_ratio=float(found.participation_ratio[0]),
        align=channel.alignments["growth"],
        f_par=channel.f_par,
        nf_error=channel.nf_error,
    )


def follow(task: Task, iterations: tuple[int, ...] = (), every: int = 5, spacing: int = 10) -> Run:
    """Train, follow the fixed points, compute kernels: by default at the start, about the birth or drop, at the end."""
    losses, weights = train(task)
    at = np.arange(0, task.iterations + 1, spacing)
    path = nc.TrainingPath(
        [{name: array[i] for name, array in weights.items()} for i in at],
        lambda w: nc.RateRNN(w["W"], b=w.get("b"), alpha=ALPHA),
        steps=at,
    )
    record = nc.follow_training(path, np.concatenate([3.0 * task.initial, -3.0 * task.initial]))
    first = next(branch for branch in record.diagrams[0] if branch["s"].min() == 0.0)  # there from the start
    steps, index = np.unique(first["s"], return_index=True)
    if not iterations:
        births = [event.s for event in record.events if event.born > 0]
        centre = spacing * round((births[0] if births else int(np.argmin(np.diff(losses)))) / spacing)
        wanted = [0, *(centre + spacing * d for d in (-10, -3, 0, 1, 3)), task.iterations]
        iterations = tuple(sorted({int(np.clip(i, 0, task.iterations)) for i in wanted}))
    rows = [measure(task, weights, losses, i, first.x[index[steps == i][0]], every) for i in iterations]
    return Run(task=task, losses=losses, path=path, record=record, rows=rows)


def controls() -> list[Task]:
    """Return tasks in which rest does not go through a pitchfork."""
    biased = with_bias(student_teacher(3), 0.1, "bias trained")
    return [
        student_teacher(3, name="no crossing", gain=0.5),
        student_teacher(3, 1800, name="non-normal teacher", twist=16.0),
        dataclasses.replace(biased, iterations=1800, rate=0.005),
    ]


# ---------------------------------------------------------------- learning rates


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run of the sweep over learning rates."""

    rank: int
    rate: float
    best: float
    rise: float  # the largest in one iteration, relative to the loss at the start

    @property
    def jumps(self) -> bool:
        """Whether the loss jumped upward."""
        return not self.rise < JUMP


def sweep(task: Task, ranks: tuple[int, ...] = (0, 1, 8), rates: tuple[float, ...] = RATES) -> list[Trial]:
    """Return the best loss and the largest rise at each rank of the natural gradient (0: plain) and learning rate."""
    trials = []
    for rank in ranks:
        for rate in rates:
            losses, _ = train(task, rate, rank)
            rise = np.diff(losses) / losses[0]
            known = np.all(np.isfinite(rise))
            trials.append(
                Trial(
                    rank=rank,
                    rate=rate,
                    best=float(np.nanmin(losses)),
                    rise=float(np.max(rise)) if known else float("inf"),
                )
            )
    return trials


def optimiser(rank: int) -> str:
    """Return the name of an optimiser."""
    return f"natural gradient, rank {rank}" if rank else "gradient descent"


# ---------------------------------------------------------------- tables and pictures


def print_rows(rows: list[Row]) -> None:
    """Print the kernels of a run."""
    names = ("iteration", "loss", "lambda_c", "top", "p. ratio", "align", "f_par", "nf_error")
    print("{:>9} {:>8} {:>9} {:>9} {:>8} {:>6} {:>6} {:>8}".format(*names))
    for row in rows:
        print(
            f"{row.iteration:9d} {row.loss:8.4f} {row.growth:+9.3f} {row.top:9.4f} {row.participation_ratio:8.2f} "
            f"{row.align:6.3f} {row.f_par:6.3f} {row.nf_error:8.2g}"
        )


def print_runs(runs: list[Run]) -> None:
    """Print what happened in several runs, one a line."""
    print(f"{'run':<20} {'loss':>18} {'drop at':>8} {'smallest p. ratio':>18} {'its f_par':>9}  births of attractors")
    for run in runs:
        low = min(run.rows, key=lambda row: row.participation_ratio)
        births = ", ".join(f"{kind} at {s:.1f}" for s, kind in run.births) or "none"
        print(
            f"{run.task.name:<20} {run.losses[0]:8.4f} -> {run.losses[-1]:6.4f} {run.steepest:8d} "
            f"{low.participation_ratio:8.2f} at {low.iteration:6d} {low.f_par:9.2f}  {births}"
        )


def print_sweep(trials: list[Trial]) -> None:
    """Print best losses and the largest learning rates without a jump."""
    for rank in dict.fromkeys(trial.rank for trial in trials):
        own = [trial for trial in trials if trial.rank == rank]
        calm = [trial.rate for trial in own if not trial.jumps]
        best = min(own, key=lambda trial: trial.best)
        print(
            f"{optimiser(rank)}: best loss {best.best:.2g} (rate {best.rate:g}); "
            f"largest rate without a jump {max(calm):g}"
        )


def draw_run(axes: tuple[Axes, Axes, Axes], run: Run) -> None:
    """Draw one run: loss and eigenvalue, the kernel, and its channel."""
    at = np.array([row.iteration for row in run.rows])
    where = run.births[0][0]
    columns = {name: np.array([getattr(row, name) for row in run.rows]) for name in Row.__annotations__}
    for ax in axes:
        ax.axvline(where, color="0.7", linewidth=1)
        ax.set_xlabel("iteration")
    loss, rank, channel = axes
    loss.plot(run.losses, color="black", label="loss")
    loss.plot([], [], ".-", color="tab:red", label=r"$\lambda_c$ at rest")
    loss.set(ylabel="loss", title="seed 3: an attractor is born where the loss drops")
    right = loss.twinx()
    right.plot(at, columns["growth"], ".-", color="tab:red")
    right.axhline(0.0, color="tab:red", linewidth=0.5)
    right.set_ylabel(r"$\lambda_c$", color="tab:red")
    loss.legend(fontsize=7, loc="center left")
    rank.plot(at, columns["participation_ratio"], ".-", color="tab:blue", label="participation ratio")
    rank.plot(at, columns["top"], ".-", color="tab:orange", label="largest eigenvalue")
    rank.set(yscale="log", title="the trajectory kernel collapses")
    rank.legend(fontsize=7)
    for name, label in (("align", "alignment with $w v^T$"), ("f_par", "share of the channel, f_par")):
        channel.plot(at, columns[name], ".-", label=label)
    channel.plot(at, np.minimum(columns["nf_error"], 1.0), ".-", label="error of the normal form (cut at 1)")
    channel.set(title="its channel about the state at rest", ylim=(0, 1.4))
    channel.legend(fontsize=7, loc="upper left")


def draw_others(axes: tuple[Axes, Axes], seeds: list[Run], others: list[Run]) -> None:
    """Draw losses and participation ratios of all seeds about their pitchfork, and of the controls."""
    for ax, runs in zip(axes, (seeds, others), strict=True):
        right = ax.twinx()
        for number, run in enumerate(runs):
            origin, unit = (run.births[0][0], 1) if runs is seeds else (0, run.task.iterations)
            ax.plot((np.arange(run.losses.size) - origin) / unit, run.losses / run.losses[0], color=f"C{number}")
            ax.plot([], [], ".-", color=f"C{number}", label=run.task.name)
            at = [(row.iteration - origin) / unit for row in run.rows]
            right.plot(at, [row.participation_ratio for row in run.rows], ".:", color=f"C{number}")
        right.set(yscale="log", ylabel="participation ratio (dotted)", ylim=(1, 500))
        ax.set(ylabel="loss / loss at the start", ylim=(0, 1.8), yticks=(0, 0.25, 0.5, 0.75, 1))
        ax.legend(fontsize=7, loc="upper right", ncol=2 if runs is seeds else 1)
    axes[0].axvline(0.0, color="0.7", linewidth=1)
    axes[0].set(xlim=(-130, 100), xlabel="iteration - that of the pitchfork", title="five seeds")
    axes[1].set(xlabel="part of the run", title="controls without a pitchfork")


def draw_sweep(ax: Axes, trials: list[Trial]) -> None:
    """Draw the best loss against the learning rate, open where the loss jumped upward."""
    for number, rank in enumerate(dict.fromkeys(trial.rank for trial in trials)):
        own = [trial for trial in trials if trial.rank == rank]
        ax.plot([t.rate for t in own], [t.best for t in own], color=f"C{number}", label=optimiser(rank))
        for t in own:
            ax.plot(t.rate, t.best, "o", color=f"C{number}", markerfacecolor="white" if t.jumps else f"C{number}")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="learning rate (open: the loss jumped upward)",
        ylabel=f"best loss in {student_teacher(3).iterations} iterations",
        title="learning rates",
    )
    ax.legend(fontsize=7)


def main(out: Path) -> None:
    """Run everything, print the tables, draw the picture."""
    flagship = follow(student_teacher(3), tuple(sorted({*LISTED, *CLOSER})), every=1)
    print("seed 3, about the state at rest:")
    print_rows([row for row in flagship.rows if row.iteration in LISTED])
    seeds = [flagship, *(follow(student_teacher(seed, iterations)) for seed, iterations in SEEDS.items())]
    seeds.sort(key=lambda run: run.task.name)
    others = [follow(task, spacing=task.iterations // 60) for task in controls()]
    print()
    print_runs([*seeds, *others])
    trials = sweep(student_teacher(3))
    print()
    print_sweep(trials)

    figure, axes = plt.subplots(2, 3, figsize=(14, 7.5), layout="constrained")
    draw_run(tuple(axes[0]), flagship)
    draw_others(tuple(axes[1, :2]), seeds, others)
    draw_sweep(axes[1, 2], trials)
    figure.savefig(out / "09_student_teacher.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
