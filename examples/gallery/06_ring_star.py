"""Twenty Chialvo maps on a ring, each also coupled to one in the centre: where synchrony is lost, and to which pattern.

x_i <- x_i^2 exp(y_i - x_i) + k + I_i + sigma/2 (x_{i-1} - 2 x_i + x_{i+1}) + mu (x_0 - x_i), y_i <- a y_i - b x_i + c,
and for the centre, i = 0, + mu (mean of the ring - x_0) instead of the coupling.

What one learns: equations of a network are written by a loop; the synchronous fixed point exists at any coupling, and
each eigenvalue kappa of the coupling matrix gives one 2 x 2 problem, so that every bifurcation has a closed form; the
critical vector of the located point is the spatial pattern; currents in that pattern are what the resolvent kernel of
the currents I_i singles out.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

N = 20
PARAMS = {"a": 0.89, "b": 0.18, "c": 0.28, "k": 0.1}


def network() -> nc.Model:
    """Write the equations of the centre and of the ring."""
    mean = " + ".join(f"x{i}" for i in range(1, N + 1))
    equations = {"x0": f"x0**2*exp(y0 - x0) + k + mu*(({mean})/{N} - x0)", "y0": "a*y0 - b*x0 + c"}
    for i in range(1, N + 1):
        left, right = (i - 2) % N + 1, i % N + 1
        coupling = f"sigma/2*(x{left} - 2*x{i} + x{right}) + mu*(x0 - x{i})"
        equations[f"x{i}"] = f"x{i}**2*exp(y{i} - x{i}) + k + I{i} + {coupling}"
        equations[f"y{i}"] = f"a*y{i} - b*x{i} + c"
    currents = {f"I{i}": 0.0 for i in range(1, N + 1)}
    return nc.Model.from_equations(equations, {**PARAMS, "sigma": 0.0, "mu": 0.05, **currents}, kind="map")


def critical_kappa(one: nc.Model, x: np.ndarray) -> dict[str, float]:
    """Return the eigenvalues kappa of the coupling at which A + diag(kappa, 0) has multipliers -1 and e^(i omega)."""
    A, a = one.jac(x), PARAMS["a"]
    trace, determinant = np.trace(A), np.linalg.det(A)
    return {"PD": -(1 + trace + determinant) / (1 + a), "NS": (1 - determinant) / a}


def expected(kappa: dict[str, float], mu: float, span: tuple[float, float]) -> list[tuple[float, str, int]]:
    """Return (sigma, label, multiplicity) of all bifurcations; mode j of the ring has kappa = -mu - sigma (1 - cos)."""
    found = []
    for label, value in kappa.items():
        for j in range(1, N // 2 + 1):
            sigma = -(mu + value) / (1 - np.cos(2 * np.pi * j / N))
            if span[0] < sigma < span[1]:
                found.append((float(sigma), label, 1 if j == N // 2 else 2))
    return sorted(found)


def pattern(point: nc.SpecialPoint) -> np.ndarray:
    """Return the x part of the critical vector, centre first, made real with its largest entry 1."""
    v = point.vectors["v"][::2]
    v = v / v[np.argmax(np.abs(v))]
    assert np.abs(np.imag(v)).max() < 1e-6
    return np.real(v)


def main(out: Path) -> None:
    """Vary both couplings, compare with the closed form, follow the orbit that leaves the flip, draw patterns."""
    model = network()
    one = nc.Model.from_equations({"x": "x**2*exp(y - x) + k", "y": "a*y - b*x + c"}, PARAMS, kind="map")
    alone = nc.find_fixed_points(one, starts=[[1.0, 0.9]]).x[0]
    kappa = critical_kappa(one, alone)
    synchronous = np.tile(alone, N + 1)

    span = (-0.3, 1.0)
    ring = nc.continuation(
        model, synchronous, free="sigma", p_span=span, settings=nc.ContinuationSettings(ds=0.004, ds_max=0.004)
    )
    print(ring)
    assert np.abs(ring.x - synchronous).max() < 1e-9
    points = [point for point in ring.special_points if point.label != "EP"]
    closed = expected(kappa, 0.05, span)
    assert [(point.label, point.multiplicity) for point in points] == [each[1:] for each in closed]
    worst = max(abs(point.p - each[0]) for point, each in zip(points, closed, strict=True))
    print(f"{len(points)} bifurcations, {sum(point.multiplicity for point in points)} modes; ", end="")
    print(f"largest distance from the closed form: {worst:.1e}")
    assert worst < 1e-8

    # Stable between a Neimark-Sacker point and a flip, both of the pattern that alternates along the ring.
    lost = [points[[point.label for point in points].index("PD") - 1], ring.special_points["PD1"]]
    zigzag = np.concatenate([[0.0], (-1.0) ** np.arange(N)])
    for point in lost:
        assert min(np.abs(pattern(point) - sign * zigzag).max() for sign in (-1, 1)) < 1e-6
        print(f"{point.name} at sigma = {point.p:.9f}, neighbours opposite: {point.normal_form['criticality']}")

    # The star's coupling instead: the centre flips against the whole ring, where -2 mu is the critical kappa.
    star = nc.continuation(model, synchronous, free="mu", p_span=(-0.04, 1.0))
    print(star)
    flip, rotation = star.special_points("PD")[0], star.special_points("NS")[0]
    assert abs(flip.p + kappa["PD"] / 2) < 1e-9
    assert abs(rotation.p + kappa["NS"] / 2) < 1e-9

    # Of all currents the alternating ones move the orbit at the flip: F^T w, the direction that the kernel singles out.
    currents = [f"I{i}" for i in range(1, N + 1)]
    kernel = nc.ntk.StateNTK(kernel="resolvent", theta=currents, theta_scale="none", state_scale="none")
    coloured = nc.annotate(ring, kernel)
    drive = np.real(coloured.special_points["PD1"].ntk["wF"])
    overlap = abs(drive @ zigzag[1:]) / np.linalg.norm(drive) / np.sqrt(N)
    print(f"|cos| between the kernel's currents at the flip and the alternating pattern: {overlap:.9f}")
    assert abs(overlap - 1) < 1e-9

    # The orbit of period 2 that leaves the flip: neighbours take turns.
    diagram = nc.diagram(model, synchronous, free="sigma", p_span=(0.95, 0.98), params={"sigma": 0.955}, depth=1)
    print(diagram)

    draw(out, coloured, diagram, {"sigma": lost, "mu": [rotation, flip]})


def draw(out: Path, ring: nc.Branch, diagram: nc.Diagram, lost: dict[str, list[nc.SpecialPoint]]) -> None:
    """Draw the multipliers, the kernel, the orbit of period 2, and the patterns."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8.4), layout="constrained")
    nc.plot.spectrum(ring, ax=axes[0, 0])
    ax = axes[0, 1]
    ax.semilogy(ring["sigma"], ring["top"], color="C0")
    for point in ring.special_points:
        if point.label != "EP":
            ax.axvline(
                point.p,
                color="C3" if any(point.name == other.name for other in lost["sigma"]) else "0.8",
                linewidth=0.8,
                zorder=0,
            )
    ax.set(
        xlabel="sigma", ylabel="largest eigenvalue", title="resolvent kernel of the currents\nred: synchrony is lost"
    )
    nc.plot.bifurcation_diagram(diagram, y="x1", ax=axes[1, 0], legend="none")
    axes[1, 0].set_title("the orbit of period 2 that leaves the flip")
    ax = axes[1, 1]
    for row, (name, points) in enumerate(lost.items()):
        for column, point in enumerate(points):
            image_at = (3.4 * column, -3.0 * row)
            values = pattern(point)
            angle = 2 * np.pi * np.arange(N) / N
            x = image_at[0] + np.concatenate([[0.0], np.sin(angle)])
            y = image_at[1] + np.concatenate([[0.0], np.cos(angle)])
            shown = ax.scatter(x, y, c=values, cmap="RdBu_r", vmin=-1, vmax=1, s=90, edgecolors="0.3", linewidths=0.5)
            ax.text(image_at[0], image_at[1] + 1.3, f"{point.label}, {name} = {point.p:.3f}", ha="center")
    ax.set(xlim=(-1.5, 4.9), ylim=(-4.2, 1.7), aspect="equal", title="critical vectors, centre and ring")
    ax.axis("off")
    figure.colorbar(shown, ax=ax, shrink=0.6)
    figure.savefig(out / "06_ring_star.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
