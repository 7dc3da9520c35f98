"""The kernel of trajectories collapses at five bifurcations: its effective rank, its channel, its normal form.

What one learns: where one eigenvalue of a network reaches the stability boundary, the trajectories of all trials move
along one direction of the weights (of a pair: two), whose share f_par goes to 1 and whose kernel is that of the normal
form; the kernels of fixed points collapse with it; and the peak of a kernel over a finite horizon lies past the
bifurcation, which is why the continuation locates it and no kernel does.
"""

import argparse
import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from engineered import BENT, weights
from matplotlib.axes import Axes

import ntkcont as nc

UNITS, TRIALS, HORIZON = 16, 4, 50.0  # a flow's horizon; a map makes twice as many steps
THETA = ["W", "b"]
PERTURBED = np.random.default_rng(1).standard_normal((TRIALS, UNITS)) / np.sqrt(UNITS)
SETTINGS = nc.ContinuationSettings(ds=0.03, ds_max=0.05)
SPAN = (0.6, 1.4)
COLUMNS = ("top", "participation_ratio", "f_par", "nf_error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collapse:
    """Kernels along one branch, by the distance past the bifurcation."""

    kind: str
    model: nc.Model
    branch: nc.Branch
    point: nc.SpecialPoint
    kernel: str  # the kernel of fixed points that diverges
    distance: np.ndarray
    trajectory: dict[str, np.ndarray]  # of the trajectory kernel
    fixed: np.ndarray  # participation ratio of the kernel of fixed points
    exponent: float  # with which that kernel grows, and what is predicted
    predicted: float

    @property
    def peak(self) -> float:
        """Distance at which the largest eigenvalue of the trajectory kernel is largest."""
        return float(self.distance[np.argmax(self.trajectory["top"])])


def trajectory_kernel(
    model: nc.Model, initial: np.ndarray, horizon: float = HORIZON, every: int = 4
) -> nc.ntk.StateNTK:
    """Return the kernel of trials that start at the same states all along a branch."""
    time = {"T": 2 * horizon} if model.kind == "map" else {"T": horizon, "dt": 0.5}
    return nc.ntk.StateNTK(
        kernel="trajectory", theta=THETA, initial_states=initial, record_every=every, weights="mean", **time
    )


def networks() -> dict[str, tuple[nc.RateRNN, str, str]]:
    """Return networks whose state at rest bifurcates at gain 1, the point's label, and which kernel diverges there."""
    rotation, step = np.exp(0.4j), 0.3  # z <- (1 - step) z + step W tanh z
    real = weights(1.0, UNITS)[0]
    pair = weights(1.0 + (rotation - 1.0) / step, UNITS)[0]
    return {
        "transcritical": (nc.RateRNN(real, phi=BENT), "BP", "equilibrium"),
        "pitchfork": (nc.RateRNN(real), "BP", "equilibrium"),
        "period doubling": (nc.RateRNN(-real, alpha=1.0), "PD", "resolvent"),
        "Neimark-Sacker": (nc.RateRNN(pair, alpha=step), "NS", "resolvent"),
    }


def growth(branch: nc.Branch, kernel: str) -> tuple[float, float]:
    """Return the exponent of the kernel of fixed points before the bifurcation, measured and predicted."""
    rows = nc.ntk.signature_table(branch, nc.ntk.StateNTK(theta=THETA))
    row = next(row for row in rows if not row.side.after)
    return row.measured(kernel), row.predicted[kernel].exponent


def at_rest(kind: str) -> Collapse:
    """Follow rest through the bifurcation of one network."""
    net, label, kernel = networks()[kind]
    branch = nc.continuation(
        net, np.zeros(UNITS), free="gain", p_span=SPAN, params={"gain": SPAN[0]}, settings=SETTINGS,
        ntk=trajectory_kernel(net, PERTURBED),
    )  # fmt: skip
    fixed = nc.annotate(branch, nc.ntk.StateNTK(kernel=kernel, theta=THETA))
    point = branch.special_points(label)[0]
    exponent, predicted = growth(branch, kernel)
    return Collapse(
        kind=kind,
        model=net,
        branch=branch,
        point=point,
        kernel=kernel,
        distance=branch.p - point.p,
        trajectory={name: branch[name] for name in COLUMNS},
        fixed=fixed["participation_ratio"],
        exponent=exponent,
        predicted=predicted,
    )


def fold() -> Collapse:
    """Follow a state of a bistable network to where the input ends it, and go on without it.

    The trials start about the state that is there without input.
    """
    W, v = weights(1.5, UNITS)
    net = nc.RateRNN(W, W_in=v, inputs={"h": [1.0]})
    start = nc.find_fixed_points(net, starts=5.0 * v.T, params={"h": 0.0}).x[0]
    kernel = trajectory_kernel(net, start + 0.5 * PERTURBED)
    branch = nc.continuation(net, start, free="h", p_span=(-1.0, 0.0), settings=SETTINGS, stop=("LP", 1), ntk=kernel)
    point = branch.special_points("LP")[0]
    stable = branch.stable & (branch.p != point.p)
    beyond = np.geomspace(2e-3, 0.3, 14)
    past = kernel.evaluate(net, None, {"h": point.p - beyond})
    nothing = np.full(beyond.size, np.nan)  # no fixed point, no channel
    fixed = nc.annotate(branch, nc.ntk.StateNTK(theta=THETA))["participation_ratio"]
    exponent, predicted = growth(nc.continuation(net, start, free="h", p_span=(-1.0, 0.0)), "equilibrium")
    along = {name: branch[name][stable] for name in COLUMNS}
    return Collapse(
        kind="fold",
        model=net,
        branch=branch,
        point=point,
        kernel="equilibrium",
        distance=np.concatenate([point.p - branch.p[stable], beyond]),
        trajectory={name: np.concatenate([along[name], getattr(past, name, nothing)]) for name in COLUMNS},
        fixed=np.concatenate([fixed[stable], nothing]),
        exponent=exponent,
        predicted=predicted,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Horizon:
    """The kernel of the pitchfork over one horizon T."""

    T: float
    scaled: np.ndarray  # distances past the pitchfork, times T
    top: np.ndarray  # largest eigenvalue over its maximum
    f_par: float  # at the pitchfork

    @property
    def peak(self) -> float:
        """Where the largest eigenvalue is largest, times T."""
        return float(self.scaled[np.argmax(self.top)])


def horizons(lengths: tuple[float, ...] = (25.0, 50.0, 100.0)) -> list[Horizon]:
    """Return the kernels of the pitchfork over several horizons."""
    net, found = networks()["pitchfork"][0], []
    scaled = np.linspace(-1.0, 6.0, 15)
    for T in lengths:
        kernel = trajectory_kernel(net, PERTURBED, T, every=2)
        along = kernel.evaluate(net, np.zeros((scaled.size, UNITS)), {"gain": 1.0 + scaled / T})
        there = float(along.f_par[scaled == 0.0][0])
        found.append(Horizon(T=T, scaled=scaled, top=along.top / along.top.max(), f_par=there))
    return found


# ---------------------------------------------------------------- table and picture


def print_table(found: list[Collapse]) -> None:
    """Print one line for each type: far (the first point) and at the bifurcation, and where the kernel peaks."""
    line = "{:<15} | {:>15} {:>18} {:>14} {:>8} {:>8} | {:>11} {:>8} {:>8} {:>9}"
    print(line.format("", "trajectories:", "", "", "nf_error", "", "fixed points:", "p. ratio", "", "").rstrip())
    names = ("type", "p. ratio", "top", "f_par", "there", "peak at", "kernel", "nearest", "exponent", "predicted")
    print(line.format(*names))
    for one in found:
        first, at = int(np.argmin(one.distance)), one.point.ntk
        known = np.flatnonzero(np.isfinite(one.trajectory["f_par"]) & (one.distance < 0))
        outer = known[np.argmin(one.distance[known])]  # the channel is defined where one eigenvalue is the nearest
        below = np.flatnonzero(np.isfinite(one.fixed) & (one.distance < 0))
        series = one.trajectory
        cells = (
            one.kind,
            f"{series['participation_ratio'][first]:.2f} -> {at['participation_ratio']:.2f}",
            f"{series['top'][first]:.3g} -> {at['top']:.4g}",
            f"{series['f_par'][outer]:.3f} -> {at['f_par']:.3f}",
            f"{at['nf_error']:.3f}",
            f"{one.peak:+.3f}",
            one.kernel,
            f"{one.fixed[below[np.argmax(one.distance[below])]]:.3f}",
            f"{one.exponent:.3f}",
            f"{one.predicted:.0f}",
        )
        print(line.format(*cells))


def draw(ax: Axes, one: Collapse) -> None:
    """Draw ranks on the left axis; the channel's share and the largest eigenvalue on the right one."""
    order = np.argsort(one.distance)
    x = one.distance[order]
    ax.axvline(0.0, color="0.7", linewidth=1)
    ax.plot(x, one.trajectory["participation_ratio"][order], ".-", color="tab:blue", label="p. ratio, trajectories")
    ax.plot(x, one.fixed[order], "x:", color="tab:cyan", markersize=4, label="p. ratio, fixed points")
    ax.set(yscale="log", ylim=(0.9, 25), title=one.kind, xlabel="distance past the bifurcation")
    right = ax.twinx()
    top = one.trajectory["top"][order]
    right.plot(x, one.trajectory["f_par"][order], ".-", color="tab:green")
    right.plot(x, top / top.max(), ".-", color="tab:orange")
    right.set(ylim=(0, 1.05))


def main(out: Path) -> None:
    """Follow all branches, print the table, draw the picture."""
    found = [fold(), *(at_rest(kind) for kind in networks())]
    print_table(found)
    lengths = horizons()
    print()
    for one in lengths:
        print(
            f"pitchfork, horizon T = {one.T:g}: peak at a distance of {one.peak:.1f}/T past it, "
            f"1 - f_par = {1 - one.f_par:.4f} at it"
        )

    figure, axes = plt.subplots(2, 3, figsize=(13, 7.2), layout="constrained")
    for ax, one in zip(axes.flat, found, strict=False):
        draw(ax, one)
    for colour, label in (("tab:green", "f_par (right)"), ("tab:orange", "top / its maximum (right)")):
        axes[0, 0].plot([], [], ".-", color=colour, label=label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncol=4)
    for ax in axes[:, 0]:
        ax.set_ylabel("participation ratio")
    last = axes[1, 2]
    for one in lengths:
        last.plot(one.scaled, one.top, ".-", label=f"T = {one.T:g}")
    last.axvline(0.0, color="0.7", linewidth=1)
    last.set(title="pitchfork: the peak lies at order 1/T", xlabel="distance times T", ylabel="top / its maximum")
    last.legend()
    figure.savefig(out / "10_collapse_along_branches.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
