"""A chain of eight neurons, Chialvo and Rulkov maps in turn, each coupled to its neighbours: which of them goes first.

Chialvo (odd places): x <- x^2 exp(y - x) + k, y <- a y - b x + c.  Rulkov (even): x <- alpha/(1 + x^2) + y,
y <- y - m (x - q).  Both get eps/2 times the sum of (x_j - x_i) over neighbours j.

What one learns: the units differ and the chain has ends, so no closed form is left, and the branch itself tells what
happens; the critical vectors say in which units; bifurcations are followed in two parameters, where their curves start
at the closed form of the uncoupled map, alpha = 2 (1 - m).
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

N = 8
PARAMS = {"alpha": 2.02, "eps": 0.02, "a": 0.89, "b": 0.6, "c": 0.28, "k": 0.02, "m": 0.01, "q": -1.0}


def neighbours(i: int) -> list[int]:
    """Return the places beside place i of the open chain."""
    return [j for j in (i - 1, i + 1) if 1 <= j <= N]


def chain() -> nc.Model:
    """Write the equations: odd places Chialvo, even places Rulkov."""
    equations = {}
    for i in range(1, N + 1):
        coupling = f"eps/2*({' + '.join(f'x{j}' for j in neighbours(i))} - {len(neighbours(i))}*x{i})"
        if i % 2:
            equations[f"x{i}"] = f"x{i}**2*exp(y{i} - x{i}) + k + {coupling}"
            equations[f"y{i}"] = f"a*y{i} - b*x{i} + c"
        else:
            equations[f"x{i}"] = f"alpha/(1 + x{i}**2) + y{i} + {coupling}"
            equations[f"y{i}"] = f"y{i} - m*(x{i} - q)"
    return nc.Model.from_equations(equations, PARAMS, kind="map")


def jacobian(point: nc.SpecialPoint) -> np.ndarray:
    """Return the Jacobian at a point, by hand."""
    p, J = point.params, np.zeros((2 * N, 2 * N))
    for i in range(1, N + 1):
        x, y, at = point[f"x{i}"], point[f"y{i}"], 2 * (i - 1)
        if i % 2:
            own = [[(2 * x - x**2) * np.exp(y - x), x**2 * np.exp(y - x)], [-p["b"], p["a"]]]
        else:
            own = [[-2 * p["alpha"] * x / (1 + x**2) ** 2, 1.0], [-p["m"], 1.0]]
        J[at : at + 2, at : at + 2] = own
        J[at, at] -= p["eps"] / 2 * len(neighbours(i))
        for j in neighbours(i):
            J[at, 2 * (j - 1)] = p["eps"] / 2
    return J


def shares(point: nc.SpecialPoint) -> np.ndarray:
    """Return |v| of the x of each unit in the critical vector, the largest 1."""
    v = np.abs(point.vectors["v"][::2])
    return v / v.max()


def main(out: Path) -> None:
    """Follow rest in the coupling, see which units lose stability, follow them in two parameters, draw."""
    model = chain()
    guess = {}
    for i in range(1, N + 1):  # the uncoupled fixed points
        x = 0.0454 if i % 2 else PARAMS["q"]
        guess[f"x{i}"] = x
        guess[f"y{i}"] = (PARAMS["c"] - PARAMS["b"] * x) / (1 - PARAMS["a"]) if i % 2 else x - PARAMS["alpha"] / 2
    branch = nc.continuation(model, guess, free="eps", p_span=(0.0, 0.2), params={"eps": 0.0})
    print(branch)

    points = [point for point in branch.special_points if point.label in ("NS", "PD")]
    assert [point.label for point in points] == 4 * ["NS"] + 4 * ["PD"]
    for point in points:
        multiplier = -1.0 if point.label == "PD" else np.exp(1j * point.omega)
        assert np.abs(np.linalg.eigvals(jacobian(point)) - multiplier).min() < 1e-9
        who = ", ".join(str(i + 1) for i in np.flatnonzero(shares(point) > 0.3))
        print(f"{point.name} at eps = {point.p:.6f}: {point.normal_form['criticality']}, in places {who}")

    # Coupling to the Chialvo neurons calms the Rulkov maps; the one at the end has a single neighbour and is the last.
    last = points[3]
    assert int(np.argmax(shares(last))) == N - 1
    # All pairs of the Rulkov maps run together as the coupling vanishes; each curve follows its own one down to 0.
    span = ((1.97, 2.09), (0.0, 0.1))
    curves = [
        nc.continuation(model, point, free=("alpha", "eps"), p_span=span) for point in (points[0], last, points[4])
    ]
    for curve in curves:
        print(curve)
    alone = curves[1]["alpha"][np.argmin(curves[1]["eps"])]
    print(f"uncoupled end of the curve of {last.name}: alpha = {alone:.9f}; 2 (1 - m) = {2 * (1 - PARAMS['m']):.9f}")
    assert abs(alone - 2 * (1 - PARAMS["m"])) < 1e-6
    assert abs(curves[0]["alpha"][np.argmin(curves[0]["eps"])] - alone) < 1e-6

    figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
    nc.plot.bifurcation_diagram(branch, y="x3", ax=axes[0])
    ax = axes[1]
    shown = ax.imshow([shares(point) for point in points], cmap="Greys", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(N), [f"{'C' if i % 2 else 'R'}{i}" for i in range(1, N + 1)])
    ax.set_yticks(range(len(points)), [f"{point.name}, {point.p:.4f}" for point in points])
    ax.set(xlabel="place (C Chialvo, R Rulkov)", title="size of the critical vector")
    figure.colorbar(shown, ax=ax)
    nc.plot.two_parameter(curves, ax=axes[2], labels=False)
    axes[2].axvline(PARAMS["alpha"], color="0.6", linestyle=":", linewidth=0.8)
    axes[2].text(1.982, 0.045, "rest is stable")
    axes[2].text(2.045, 0.02, "Rulkov maps\nrotate")
    axes[2].text(1.99, 0.08, "Chialvo maps flip")
    axes[2].set_xticks([1.98, 2.0, 2.02, 2.04, 2.06, 2.08])
    axes[2].plot([2 * (1 - PARAMS["m"])], [0.0], "o", mfc="none", mec="0.2", clip_on=False)
    figure.savefig(out / "07_chialvo_rulkov_chain.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
