"""Six bifurcations on controlled networks: how fast the kernels grow at each, measured beside what theory predicts.

What one learns: a bifurcation's type can be read off the exponents with which the kernels grow next to it, once it is
said which parameters are trained.  Each network is random but for one eigenvalue, or one pair, that is put where it is
wanted: at a fold, transcritical point or pitchfork the equilibrium kernel diverges, at a Hopf point, period doubling or
Neimark-Sacker point only the resolvent kernel does.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from engineered import BENT, weights
from matplotlib.axes import Axes

import ntkcont as nc

N = 64  # units
THETAS = (["b"], ["W"], ["W", "b"])
COLOURS = {"b": "tab:blue", "W": "tab:orange"}


def diagrams() -> dict[str, dict[str, nc.Branch]]:
    """Follow the branches of the six networks, by type and by what they are."""
    found: dict[str, dict[str, nc.Branch]] = {}
    gain = {"free": "gain", "p_span": (0.9, 1.1), "params": {"gain": 0.95}}
    rest = np.zeros(N)

    W, v = weights(1.5)
    net = nc.RateRNN(W, W_in=v, inputs={"h": [1.0]})
    start = nc.find_fixed_points(net, starts=5.0 * v.T, params={"h": 0.0})
    found["fold"] = {"": nc.continuation(net, start.x[0], free="h", p_span=(-3.0, 1.0))}

    W, _ = weights(1.0)
    both = nc.diagram(nc.RateRNN(W, phi=BENT), rest[None], depth=1, **gain)
    found["transcritical"] = {"rest": both[0], "other": both[1]}
    both = nc.diagram(nc.RateRNN(W), rest[None], depth=1, **gain)
    found["pitchfork"] = {"rest": both[0], "bent": both[1]}
    found["Hopf"] = {"rest": nc.continuation(nc.RateRNN(weights(1.0 + 0.7j)[0]), rest, **gain)}
    found["period doubling"] = {"rest": nc.continuation(nc.RateRNN(-W, alpha=1.0), rest, **gain)}
    step, multiplier = 0.3, np.exp(0.4j)  # z <- (1 - step) z + step W tanh z
    W, _ = weights(1.0 + (multiplier - 1.0) / step)
    found["Neimark-Sacker"] = {"rest": nc.continuation(nc.RateRNN(W, alpha=step), rest, **gain)}
    return found


def draw(axes: Axes, rows: list[tuple[str, nc.ntk.SignatureRow]], kernels: tuple[str, ...]) -> None:
    """Draw the kernels' largest eigenvalues against the distance on both sides, and lines of the predicted slopes."""
    labelled = set()
    for name, row in rows:
        theta = ", ".join(row.theta)
        for kernel in kernels:
            prediction = row.predicted[kernel]
            text = f"{theta}{', ' + name if name else ''}{', ' + kernel if len(kernels) > 1 else ''}: {prediction.text}"
            label = None if text in labelled else text
            labelled.add(text)
            if row.side.zero[kernel]:
                axes.plot([], [], " ", label=label)
                continue
            eps, top = row.side.distance, row.side.top[kernel]
            open_marker = name in ("other", "bent") or (kernel == "equilibrium" and len(kernels) > 1)
            marker, fill = (">" if row.side.after else "<"), ("none" if open_marker else COLOURS[theta])
            axes.loglog(eps, top, marker, color=COLOURS[theta], markerfacecolor=fill, markersize=5)
            line = top[5] * (eps / eps[5]) ** prediction.exponent
            axes.loglog(eps, line, "--" if open_marker else "-", color=COLOURS[theta], linewidth=1, label=label)
    axes.legend(fontsize=7)


def main(out: Path) -> None:
    """Print the table of all six types, compare it with theory, draw the picture."""
    table = nc.ntk.SignatureTable()
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained", sharey="row")
    for (kind, branches), ax in zip(diagrams().items(), axes.flat, strict=True):
        rows = []
        for name, branch in branches.items():
            for theta in THETAS:
                here = nc.ntk.signature_table(branch, nc.ntk.StateNTK(theta=theta))
                here = nc.ntk.SignatureTable(row for row in here if row.type.startswith(kind))
                assert len(here) == 2, (kind, name, len(here))
                table += here
                if theta != ["W", "b"]:  # its kernel is the sum of the two
                    rows += [(name, row) for row in here]
        oscillating = kind in ("Hopf", "period doubling", "Neimark-Sacker")
        draw(ax, rows, ("equilibrium", "resolvent") if oscillating else ("equilibrium",))
        ax.set(title=kind, xlabel=f"|{'h' if kind == 'fold' else 'gain'} - critical|")
    for ax in axes[:, 0]:
        ax.set_ylabel("largest eigenvalue")
    print(table)
    assert table.agrees()
    figure.savefig(out / "06_signatures_by_type.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
