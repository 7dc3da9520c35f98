"""Do the eigenvalue and the kernel warn of a jump in the loss before the loss itself does?  Measured on 48 short runs.

Student networks of 16 units learn the trajectories of teachers, some of which are bistable: then the loss lies on a
plateau until an eigenvalue of the student crosses zero, and falls.  At checkpoints of every run four signals are read:
the critical eigenvalue lambda_c of the fixed point that continues the origin, the largest eigenvalue and the
participation ratio of the trajectory kernel, and the slope of the logarithm of the loss.  How well each tells
checkpoints with a jump (a stall) ahead from the others is the area under its ROC curve: 0.5 is chance, 1 perfect.  Only
what is known at a checkpoint goes into the signals; the runs, not the checkpoints, are resampled for the intervals.
What one learns: how to put a claim about signals to the test, with controls and a baseline.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import rankdata

import ntkcont as nc

UNITS, TRIALS, STEPS, ALPHA = 16, 6, 60, 0.1
RATE, ITERATIONS, EVERY = 0.03, 900, 25  # gradient descent, and iterations between checkpoints
RECORD = 10  # the kernel sees every tenth state
BACK = 50  # iterations that the slope looks back
SEEDS = 12  # runs of each family
FAMILIES = ("bistable", "biased", "stable", "non-normal")
SIGNALS = ("lambda_c", "top", "effective rank", "loss slope")
BOOTSTRAPS = 300


def draw(family: str, seed: int) -> tuple[np.ndarray, ...]:
    """Return the weights of teacher and student, the bias of both, and the initial states of the trials."""
    rng = np.random.default_rng([FAMILIES.index(family), seed])
    G = 0.3 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    v = rng.standard_normal(UNITS)
    v /= np.linalg.norm(v)
    w = v + 0.5 * rng.standard_normal(UNITS) / np.sqrt(UNITS)
    w /= w @ v
    if family == "non-normal":  # amplifies as much, by a loop that is cut open: all eigenvalues stay below one
        w -= (w @ v) * v
        w *= 2.0 / np.linalg.norm(w)
    strength = {"bistable": 1.5, "biased": 1.5, "stable": 0.6, "non-normal": 1.5}[family]
    student = rng.choice([0.1, 0.3, 0.6]) * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    initial = 0.25 * rng.standard_normal((TRIALS, UNITS))
    bias = 0.1 * rng.standard_normal(UNITS) * (family == "biased")
    return G + strength * np.outer(v, w), student, bias, initial


def trajectories(W: jax.Array, b: jax.Array, initial: jax.Array, every: int = 1) -> jax.Array:
    """Return each so many-th state of all trials, (STEPS / every, TRIALS, UNITS)."""

    def step(_, z):
        return (1 - ALPHA) * z + ALPHA * (jnp.tanh(z) @ W.T + b)

    def block(z, _):
        z = jax.lax.fori_loop(0, every, step, z)
        return z, z

    return jax.lax.scan(block, initial, None, length=STEPS // every)[1]


def loss(W: jax.Array, b: jax.Array, initial: jax.Array, target: jax.Array) -> jax.Array:
    """Return half the squared error, summed over units, mean over trials and times."""
    return 0.5 * jnp.mean(jnp.sum((trajectories(W, b, initial) - target) ** 2, axis=-1))


@jax.jit
def train(W: jax.Array, b: jax.Array, initial: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the weights of all runs at the checkpoints (K, R, n, n), and the losses of all iterations (R, K EVERY)."""

    def one(W, _):
        value, gradient = jax.vmap(jax.value_and_grad(loss))(W, b, initial, target)
        return W - RATE * gradient, value

    def between(W, _):
        later, values = jax.lax.scan(one, W, None, length=EVERY)
        return later, (W, values)

    checkpoints, values = jax.lax.scan(between, W, None, length=ITERATIONS // EVERY)[1]
    return checkpoints, jnp.moveaxis(values, 2, 0).reshape(len(W), -1)


@jax.jit
def kernels(W: jax.Array, b: jax.Array, initial: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the largest eigenvalue and the participation ratio of the kernels of all runs, theta = W, weights mean."""

    def of_run(arguments):
        W, b, initial = arguments
        J = jax.jacfwd(lambda W: trajectories(W, b, initial, RECORD))(W).reshape(-1, W.size)
        K = J.T @ J / (TRIALS * (STEPS // RECORD))

        power = K @ K / jnp.sum(K**2)
        power = power @ power

        def iterate(u, _):  # the power method: the largest eigenvalue alone is needed
            u = power @ u
            return u / jnp.linalg.norm(u), None

        u, _ = jax.lax.scan(iterate, jnp.ones(len(K)), None, length=50)
        return u @ K @ u, jnp.trace(K) ** 2 / jnp.sum(K**2)

    return jax.lax.map(of_run, (W, b, initial))


def critical_eigenvalues(checkpoints: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the largest real part of the eigenvalues of -1 + W phi' at the fixed point that continues the origin."""
    z, found, eye = np.zeros(b.shape), [], np.eye(UNITS)
    for W in checkpoints:
        for _ in range(8):  # Newton, from the fixed point at the checkpoint before
            A = W * (1 - np.tanh(z) ** 2)[:, None, :] - eye
            F = -z + np.einsum("rij,rj->ri", W, np.tanh(z)) + b
            z = z - np.linalg.solve(A, F[:, :, None])[:, :, 0]
        found.append(np.linalg.eigvals(A).real.max(axis=1))
    return np.array(found)


def ask(
    logs: np.ndarray, at: np.ndarray, ahead: int, what: str, plateau: bool = False, runs: slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Return what happens at the checkpoints (K, R) of all runs, and at which of them it is asked.

    A jump: the loss falls by 30 % within so many iterations.  A stall: by less than 1 %, and it has more than half of
    its way to the end of the run before it.  A plateau: it has fallen by less than 5 % in the iterations before, and
    by less than half since the start.
    """
    label, asked = np.zeros((2, len(at), len(logs)), dtype=bool)
    usable = (at >= BACK) & (at + ahead < logs.shape[1])
    past, now, later = (logs[:, at[usable] + shift].T for shift in (-BACK, 0, ahead))
    if what == "jump":
        label[usable] = now - later > np.log(1 / 0.7)
    else:
        label[usable] = (now - later < 0.01) & (now - logs[:, -1] > np.log(2))
    asked[usable] = (past - now < 0.05) & (logs[:, 0] - now < np.log(2)) if plateau else True
    chosen = np.zeros(len(logs), dtype=bool)
    chosen[runs] = True
    return label, asked & chosen


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Return the probability that a case with the label has a higher score than one without; ties count half."""
    positive = int(label.sum())
    if positive in (0, len(label)):
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def scores(signals: dict, label: np.ndarray, asked: np.ndarray, runs: np.ndarray) -> dict:
    """Return each signal's AUC over the checkpoints that are asked about (K, R), of some runs."""
    chosen = asked[:, runs]
    return {name: auc(signal[:, runs][chosen], label[:, runs][chosen]) for name, signal in signals.items()}


def evaluate(signals: dict, label: np.ndarray, asked: np.ndarray) -> dict:
    """Return AUC, its 95 % interval, and that of the difference to the loss slope, by signal."""
    count = label.shape[1]
    full = scores(signals, label, asked, np.arange(count))
    rng = np.random.default_rng(0)
    drawn = [scores(signals, label, asked, rng.integers(0, count, count)) for _ in range(BOOTSTRAPS)]
    found = {}
    for name in signals:
        values = np.array([row[name] for row in drawn])
        ahead = values - np.array([row["loss slope"] for row in drawn])
        found[name] = (full[name], *np.nanpercentile(values, [2.5, 97.5]), *np.nanpercentile(ahead, [2.5, 97.5]))
    return found


def check_kernel(W: np.ndarray, initial: np.ndarray, top: float, ratio: float) -> None:
    """Compare one kernel with that of the library."""
    kernel = nc.ntk.StateNTK(
        kernel="trajectory", theta="W", initial_states=initial, T=STEPS, record_every=RECORD, weights="mean"
    )
    found = kernel.evaluate(nc.RateRNN(W, alpha=ALPHA))
    np.testing.assert_allclose([top, ratio], [found.top[0], found.participation_ratio[0]], rtol=1e-4)


def main(out: Path) -> None:
    """Train, read the signals, and say how well they foretell."""
    runs = [(family, seed) for family in FAMILIES for seed in range(SEEDS)]
    drawn = zip(*(draw(*run) for run in runs), strict=True)
    teacher, student, bias, initial = (jnp.asarray(np.array(part), jnp.float32) for part in drawn)
    target = jax.vmap(trajectories)(teacher, bias, initial)
    checkpoints, losses = train(student, bias, initial, target)
    top, ratio = (np.array(column) for column in zip(*(kernels(W, bias, initial) for W in checkpoints), strict=True))
    checkpoints, losses, b = (np.asarray(array, float) for array in (checkpoints, losses, bias))
    middle = len(top) // 2
    check_kernel(checkpoints[middle, 0], np.asarray(initial[0], float), top[middle, 0], ratio[middle, 0])
    lambda_c = critical_eigenvalues(checkpoints, b)

    at = np.arange(0, ITERATIONS, EVERY)
    logs = np.log(losses)
    questions = {
        "jump within 100 iterations": ask(logs, at, 100, "jump"),
        "on a plateau: jump within 50": ask(logs, at, 50, "jump", plateau=True),
        "on a plateau: jump within 100": ask(logs, at, 100, "jump", plateau=True),
        "on a plateau: jump within 200": ask(logs, at, 200, "jump", plateau=True),
        "on a plateau of a bistable teacher: jump within 100": ask(
            logs, at, 100, "jump", plateau=True, runs=slice(2 * SEEDS)
        ),
        "stall over the next 100 iterations": ask(logs, at, 100, "stall"),
    }
    slope = np.full(top.shape, np.nan)
    slope[at >= BACK] = (logs[:, at[at >= BACK] - BACK] - logs[:, at[at >= BACK]]).T
    signals = {"lambda_c": lambda_c, "top": top, "effective rank": -ratio, "loss slope": slope}
    jumped = questions["jump within 100 iterations"][0]

    print(
        f"{'family':<12}{'runs':>6}{'loss at start':>15}{'at the end':>12}{'with a jump':>13}{'lambda_c crosses 0':>20}"
    )
    for i, family in enumerate(FAMILIES):
        own = slice(i * SEEDS, (i + 1) * SEEDS)
        crossed = int((lambda_c[:, own].max(axis=0) > 0).sum())
        first, last = (np.median(losses[own, j]) for j in (0, -1))
        print(
            f"{family:<12}{SEEDS:>6}{first:>15.3f}{last:>12.4f}{int(jumped[:, own].any(axis=0).sum()):>13}{crossed:>20}"
        )
    results = {}
    for name, (label, asked) in questions.items():
        sign = -1.0 if name.startswith("stall") else 1.0  # what foretells a jump speaks against a stall
        results[name] = evaluate({signal: sign * value for signal, value in signals.items()}, label, asked)
        yes = int(label[asked].sum())
        print(f"\n{name}: {yes} of {int(asked.sum())} checkpoints")
        print(f"{'signal':<18}{'AUC':>6}{'95 % interval':>18}{'less that of the slope':>26}")
        for signal, (value, low, high, worse, better) in results[name].items():
            gain = "" if signal == "loss slope" else f"{worse:+.3f} .. {better:+.3f}"
            print(f"{signal:<18}{value:>6.3f}{f'{low:.3f} .. {high:.3f}':>18}{gain:>26}")
    draw_picture(out, losses, lambda_c, results)


def draw_picture(out: Path, losses: np.ndarray, lambda_c: np.ndarray, results: dict) -> None:
    """Draw the runs, and the areas with their intervals."""
    figure = plt.figure(figsize=(12, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.1])
    upper, lower = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    for i, family in enumerate(FAMILIES):
        for j in range(i * SEEDS, (i + 1) * SEEDS):
            label = family if j == i * SEEDS else None
            upper.semilogy(losses[j] / losses[j, 0], color=f"C{i}", linewidth=0.8, label=label)
            lower.plot(np.arange(0, ITERATIONS, EVERY), lambda_c[:, j], color=f"C{i}", linewidth=0.8)
    upper.set(ylabel="loss / loss at the start", xlabel="iteration")
    upper.legend(frameon=False, loc="lower left")
    lower.axhline(0.0, color="0.6", linestyle=":")
    lower.set(ylabel="lambda_c", xlabel="iteration")
    areas = figure.add_subplot(grid[:, 1])
    height = 0.0
    ticks, names = [], []
    for question, found in results.items():
        areas.text(0.02, height - 0.75, question, transform=areas.get_yaxis_transform(), fontsize=9, fontweight="bold",
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
        for signal, (value, low, high, *_) in found.items():
            color = "0.4" if signal == "loss slope" else "C3"
            areas.errorbar(value, height, xerr=[[max(value - low, 0)], [max(high - value, 0)]], fmt="o", color=color,
                           capsize=3)  # fmt: skip
            ticks.append(height)
            names.append(signal)
            height += 1.0
        height += 1.2
    areas.axvline(0.5, color="0.6", linestyle=":")
    areas.set(
        yticks=ticks, yticklabels=names, xlim=(0.0, 1.02), ylim=(height - 1.4, -1.4), xlabel="area under the ROC curve"
    )
    figure.savefig(out / "14_early_warning.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
