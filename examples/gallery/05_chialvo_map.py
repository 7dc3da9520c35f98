"""The Chialvo map, a neuron in discrete time: saddle-node, period doubling and Neimark-Sacker, each by one parameter.

x <- x^2 exp(y - x) + k, y <- a y - b x + c, at the classic a = 0.89, c = 0.28.  What one learns: the same call finds
all three bifurcations of fixed points of maps, and the normal form says whether what is born there is stable;
``nc.diagram`` goes on through a cascade of period doublings; the resolvent kernel, the response to parameters that are
modulated at the critical frequency, diverges where the kernel of the fixed point itself does not.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

A, C = 0.89, 0.28


def conditions(x: float, k: float, b: float) -> dict[str, float]:
    """Return what vanishes at a fold, a period doubling and a Neimark-Sacker point, from trace and determinant."""
    slope = (2 - x) * (x - k) / x
    trace, determinant = slope + A, A * slope + b * (x - k)
    return {"LP": 1 - trace + determinant, "PD": 1 + trace + determinant, "NS": determinant - 1}


def check(points: nc.SpecialPoints) -> None:
    """Compare located points with the closed form of their condition, and print their criticality."""
    for point in points:
        if point.label not in ("LP", "PD", "NS"):
            continue
        residual = conditions(point["x"], point["k"], point["b"])[point.label]
        assert abs(residual) < 1e-10
        said = point.normal_form.get("criticality") or f"opens to the {point.normal_form['opens']}"
        print(f"{point.name} at {point.free} = {point.p:.9f}: {said}; condition holds to {abs(residual):.1e}")


def attractor(model: nc.Model, values: np.ndarray, start: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Iterate the map at many values of b at once; return b and x of the last 150 of 1000 steps, without escapes."""
    a, c, k = model.params["a"], model.params["c"], model.params["k"]
    x, y = (np.full(len(values), each) for each in start)
    kept = []
    for step in range(1000):
        x, y = x**2 * np.exp(y - x) + k, a * y - values * x + c
        if step >= 850:
            kept.append(x)
    return np.tile(values, len(kept)), np.concatenate(kept)


def main(out: Path) -> None:
    """Vary k, then b, check conditions and criticality, draw the diagrams."""
    equations = {"x": "x**2*exp(y - x) + k", "y": "a*y - b*x + c"}
    model = nc.Model.from_equations(equations, {"a": A, "b": 0.18, "c": C, "k": 0.03}, kind="map")

    # The current k: rest and the excited state are joined by two folds; the excited state gains stability at NS1.
    hysteresis = nc.continuation(model, [0.02, 2.5], free="k", p_span=(-0.45, 0.15), params={"k": 0.0})
    print(hysteresis)
    assert hysteresis.special_points.labels.count("LP") == 2
    check(hysteresis.special_points)

    # The recovery's coupling b: rotation at both ends of an unstable window, and a cascade of period doublings.
    diagram = nc.diagram(
        model,
        [1.0, 1.2],
        free="b",
        p_span=(0.005, 0.7),
        params={"b": 0.17},
        settings=nc.ContinuationSettings(ds_max=0.02),
    )
    print(diagram)
    fixed = diagram[0]
    check(fixed.special_points)
    assert [point.label for point in fixed.special_points if point.label != "EP"] == ["PD", "NS", "NS"]
    assert [origin.period for origin in diagram.origins] == [1, 2, 4, 8]

    # Slowly changed parameters do nothing special at NS and PD; modulated at the critical frequency they do.
    options = {"theta": ["a", "c", "k"], "theta_scale": "relative", "state_scale": "relative"}
    kernel = nc.annotate(fixed, nc.ntk.StateNTK(kernel="resolvent", **options))
    rest = nc.annotate(fixed, nc.ntk.StateNTK(**options))
    for point in fixed.special_points:
        if point.label in ("PD", "NS"):
            near = int(np.argmin(np.abs(kernel["b"] - point.p)))
            tops = f"{kernel['top'][near]:.3g}, of the equilibrium kernel {rest['top'][near]:.3g}"
            print(f"beside {point.name}: largest eigenvalue of the resolvent kernel {tops}")

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    nc.plot.bifurcation_diagram(hysteresis, y="x", ax=axes[0, 0])
    for ax, (low, high), start in ((axes[0, 1], (0.1, 0.7), (1.0, 1.2)), (axes[1, 0], (0.005, 0.03), (3.0, 2.0))):
        ax.plot(*attractor(model, np.linspace(low, high, 400), start), ",", color="0.55", zorder=0, rasterized=True)
        nc.plot.bifurcation_diagram(diagram if low < 0.1 else fixed, y="x", ax=ax, legend="none")
        ax.set_xlim(low, high)
    axes[0, 0].set_title("k, at b = 0.18: saddle-nodes")
    axes[0, 1].set_title("b, at k = 0.03: Neimark-Sacker (grey: iterated)")
    axes[1, 0].set_title("small b: period doublings (grey: iterated)")
    ax = axes[1, 1]
    ax.semilogy(kernel["b"], kernel["top"], color="C0", label="resolvent kernel")
    ax.semilogy(rest["b"], rest["top"], color="C1", label="equilibrium kernel")
    for point in fixed.special_points:
        if point.label != "EP":
            ax.axvline(point.p, color="0.6", linewidth=0.8, zorder=0)
            ax.text(point.p, 0.98, f" {point.name}", va="top", transform=ax.get_xaxis_transform())
    ax.set(xlabel="b", ylabel="largest eigenvalue (relative units)", title="neural tangent kernels of a, c, k")
    ax.legend(frameon=False)
    figure.savefig(out / "05_chialvo_map.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
