"""Predator and prey, the predators in two age classes: who survives when the prey grows faster, and who oscillates.

    N' = N (r - c N) - f(N) A             prey; f(N) = s N / (1 + s h N), a predator's catch
    J' = e f(N) A - (m + d) J             juvenile predators: born, they mature at the rate m or die at the rate d
    A' = m J - k A                        adult predators, which hunt, breed and die at the rate k

What one learns: from the extinct state ``nc.diagram`` finds the rest: two transcritical points, at which the prey and
then the predators move in, and a Hopf point, at which coexistence begins to oscillate (the paradox of enrichment,
M. L. Rosenzweig, Science 171, 1971).  All of them are compared with closed forms.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ntkcont as nc

EQUATIONS = {
    "N": "N*(r - c*N) - f*A",
    "J": "e*f*A - (m + d)*J",
    "A": "m*J - k*A",
}
PARAMS = {"r": -0.3, "c": 1.0, "s": 3.0, "h": 1.0, "e": 0.9, "m": 0.5, "d": 0.1, "k": 0.3}


def closed_forms() -> tuple[float, float]:
    """Return r at which the predators move in, and r at which coexistence begins to oscillate.

    Predators are replaced where e f(N) m / (m + d) = k, at N = N*.  They can move in where the prey alone, N = r / c,
    is as many.  With q = m + d, P = q + k and u = dN'/dN, the characteristic polynomial of coexistence is
    z**3 + (P - u) z**2 - u P z + q k A f'(N*); it has an imaginary pair where -(P - u) u P = q k A f'(N*).  Both u and
    A are linear in r.
    """
    c, s, h, e, m, d, k = (PARAMS[name] for name in "cshemdk")
    q = m + d
    catch = k * q / (e * m)
    n = catch / (s * (1 - h * catch))
    slope = s / (1 + s * h * n) ** 2
    adults = np.polynomial.Polynomial([-c * n, 1.0]) * n / catch
    u = np.polynomial.Polynomial([-2 * c * n, 1.0]) - slope * adults
    total = q + k
    roots = (-(total - u) * u * total - q * k * slope * adults).roots()
    hopf = min(root.real for root in roots if abs(root.imag) < 1e-12 and adults(root.real) > 0)
    return c * n, float(hopf)


def main(out: Path) -> None:
    """Follow everything from the extinct state, compare it with the closed forms, draw prey and adult predators."""
    model = nc.Model.from_equations(EQUATIONS, params=PARAMS, aux={"f": "s*N/(1 + s*h*N)"})
    diagram = nc.diagram(model, [0.0, 0.0, 0.0], free="r", p_span=(-0.3, 1.2))
    print(diagram)

    moves_in, oscillates = closed_forms()
    points = diagram.special_points
    assert len(points("BP")) == 2
    expected = {"BP1": 0.0, "BP2": moves_in, "H1": oscillates}
    for name, r in expected.items():
        form = points[name].normal_form
        print(
            f"{name}: r = {points[name].p:.10f} (closed form {r:.10f}), {form['type']}, {form.get('criticality', '')}"
        )
        assert abs(points[name].p - r) < 1e-8

    # Branches go on to negative numbers beyond transcritical points; animals do not.
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    nc.plot.bifurcation_diagram(diagram, y="N", envelope=True, ax=axes[0])
    nc.plot.bifurcation_diagram(diagram[-1], y="A", envelope=True, ax=axes[1], legend=False)
    for ax, title, top in zip(axes, ("prey N", "adult predators A, where they coexist"), (1.25, 1.0), strict=True):
        ax.set_ylabel(title)
        ax.set_ylim(-0.08 * top, top)
        ax.axhspan(-0.08 * top, 0.0, color="0.94", lw=0, zorder=0)
    where = {"xytext": (0, 12), "textcoords": "offset points", "ha": "center", "fontsize": 9, "color": "0.3"}
    for r, text in ((-0.15, "extinct"), (0.08, "prey\nalone"), (0.43, "coexistence"), (0.95, "cycles")):
        axes[1].annotate(text, (r, 0.72), **where)
    for r in expected.values():
        axes[1].axvline(r, color="0.7", lw=0.8, ls=":", zorder=0)
    figure.savefig(out / "04_age_classes.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
