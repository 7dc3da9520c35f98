r"""An excitatory-inhibitory network of 200 rate units, sparse and diverse, and the edge of its spectrum.

    tau_i z_i' = -z_i + gain sum_j W_ij tanh(g_j z_j) + b_i

z is the deviation from a working point.  150 excitatory and 50 inhibitory units (Dale's law: a column of W has one
sign); each hears 24 of the former and 16 of the latter, with log-normal weights; time constants tau and gains g are
log-normal as well (they differ by factors of up to 15 and 6).

What one learns: as the gain grows, Hopf points come out of a crowd of eigenvalues, and theory says where it ends.
At an equilibrium the Jacobian is J = D**-1 (-1 + gain W S), D = diag(tau), S = diag(g tanh'(g z)).  As

    det(J - z) = det(-D**-1) det(1 + z D) det(1 - X(z)),        X(z) = (1 + z D)**-1 gain W S,

z is an eigenvalue of J where 1 is one of X(z).  Up to their means the entries of X(z) are independent, with variances

    V_ij = gain**2 var(W_ij) s_j**2 / |1 + tau_i z|**2,

so that its eigenvalues fill a disk whose squared radius is the largest eigenvalue of V.  The edge of the spectrum of J
is therefore where that eigenvalue is 1.  Here var(W_ij) depends on the type of j alone, V has rank one, and the edge is

    sum_j gain**2 var_j s_j**2 / |1 + tau_j z|**2 = 1,

the result of Y. Ahmadian, F. Fumarola, K. D. Miller, Physical Review E 91, 012820 (2015), for matrices M + L R_random R
with diagonal M, L, R.  It is sharp for many units; with 200 some eigenvalues lie beside it.  The means of W have rank
one; they add single eigenvalues outside (K. Rajan, L. F. Abbott, Physical Review Letters 97, 188104, 2006).  That S
depends on W through the equilibrium is neglected.  On the imaginary axis |1 + tau z| is least at 0: the edge arrives
there, at a gain in which no time constant appears.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse

import ntkcont as nc

UNITS = np.array([150, 50])  # excitatory, inhibitory
INPUTS = np.array([24, 16])  # connections that a unit receives from either type
MEAN = np.array([0.1, -0.2])  # of those weights
WIDTH = 0.5  # standard deviation of log |weight|
TYPE = np.repeat([0, 1], UNITS)


def network(seed: int = 2) -> nc.RateRNN:
    """Draw the network."""
    rng = np.random.default_rng(seed)
    n = len(TYPE)
    strength = np.zeros((n, n))
    for kind in (0, 1):
        units = np.flatnonzero(kind == TYPE)
        for i in range(n):
            chosen = rng.choice(units, INPUTS[kind], replace=False)
            strength[i, chosen] = np.abs(MEAN[kind]) * rng.lognormal(-(WIDTH**2) / 2, WIDTH, INPUTS[kind])
    tau, phi_gain = rng.lognormal(0.0, 0.5, n), rng.lognormal(0.0, 0.4, n)
    b = 0.3 * rng.standard_normal(n)
    sparse = scipy.sparse.csr_array(strength)
    return nc.RateRNN(sparse, b=b, tau=tau, phi_gain=phi_gain, sign=np.where(TYPE == 0, 1, -1), phi="tanh")


def variances() -> np.ndarray:
    """Return the variance of a weight for each presynaptic unit: E(w**2) - E(w)**2, connected or not."""
    p = INPUTS / UNITS
    return (p * MEAN**2 * np.exp(WIDTH**2) - (p * MEAN) ** 2)[TYPE]


def slopes(net: nc.RateRNN, x: np.ndarray) -> np.ndarray:
    """Return s_j, the slope of each unit's activation at a state or, row by row, at several."""
    return net.phi_gain / np.cosh(net.phi_gain * x) ** 2


def level(net: nc.RateRNN, gain: float, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the largest eigenvalue of V(z) at an equilibrium, for an array of z; it is 1 at the edge."""
    weight = gain**2 * variances() * slopes(net, x) ** 2
    return (weight / np.abs(1 + net.tau * z[..., None]) ** 2).sum(axis=-1)


def main(out: Path) -> None:
    """Follow the equilibrium, compare the first instability with the edge, draw both."""
    net = network()
    branch = nc.continuation(net, net.b, free="gain", p_span=(0.0, 1.6), params={"gain": 0.0}, direction="+")
    print(net.description)
    print(branch)
    first = branch.special_points("H")[0]

    # The edge is at 0 where gain**2 sum_j var_j s_j**2 = 1.
    at_zero = branch.p**2 * (slopes(net, branch.x) ** 2 @ variances())
    touches = float(np.interp(1.0, at_zero, branch.p))
    print(f"the edge reaches the imaginary axis at gain {touches:.3f}, the first eigenvalues at {first.p:.3f}")
    assert abs(first.p / touches - 1) < 0.15

    z = -0.5 + 0.3j
    V = first.p**2 * variances() * slopes(net, first.x) ** 2 / np.abs(1 + net.tau[:, None] * z) ** 2
    largest = np.abs(np.linalg.eigvals(V)).max()
    np.testing.assert_allclose(level(net, first.p, first.x, np.array(z)), largest, rtol=1e-9)

    values = np.linalg.eigvals(net.jac(first.x, {"gain": first.p}))
    real, imag = np.linspace(-4.6, 0.5, 400), np.linspace(-1.4, 1.9, 300)
    inside = level(net, first.p, first.x, real + 1j * imag[:, None])
    outside = values[level(net, first.p, first.x, values) < 1]
    print(f"at {first.name}, {len(outside)} of {net.n} eigenvalues lie outside the edge")
    assert len(outside) < 0.1 * net.n

    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.3), layout="constrained", width_ratios=(1, 1.35))
    nc.plot.bifurcation_diagram(branch, ax=axes[0])
    axes[0].axvline(touches, color="#0072B2", lw=1.0, ls=":")
    axes[0].text(touches - 0.03, 4.2, "the edge\nreaches 0", color="#0072B2", ha="right", fontsize=9)
    ax = axes[1]
    ax.axvspan(0.0, 1.0, color="#D55E00", alpha=0.07, lw=0)
    ax.axvline(0.0, color="0.35", lw=0.8)
    edge = ax.contour(real, imag, inside, levels=[1.0], colors="#0072B2", linewidths=1.6)
    (dots,) = ax.plot(values.real, values.imag, "o", ms=3.2, color="0.25", mec="none")
    critical = values[np.argsort(np.abs(values.real))[:2]]
    (pair,) = ax.plot(critical.real, critical.imag, "o", ms=6.5, mfc="#D55E00", mec="black", mew=0.8)
    ax.set_xlim(real[0], real[-1])
    ax.set_xlabel("real part")
    ax.set_ylabel("imaginary part")
    line = edge.legend_elements()[0][0]
    names = ["edge (infinitely many units)", "eigenvalues", f"the pair of {first.name}"]
    layout = {"frameon": False, "ncols": 3, "fontsize": 9, "columnspacing": 0.8, "handlelength": 1.2}
    ax.legend([line, dots, pair], names, loc="upper left", **layout)
    ax.set_title(f"eigenvalues at {first.name}, gain {first.p:.3f}", fontsize=10)
    figure.savefig(out / "03_excitatory_inhibitory.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
