"""Learning in closed form: two systems with known loss curves, beside gradient descent and the kernel.

What one learns: under gradient flow on half the squared error r the loss falls at the rate r K r, with the kernel K of
the equilibrium; here both sides are known exactly.  (1) A two-layer linear network learns its modes one after another,
along sigmoids.  (2) One recurrent unit learns to hold a value: a long plateau, and a drop as its weight passes the
pitchfork of the unbiased unit, where its kernel is largest.  Without bias it cannot learn that, only unlearn it.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from jax import numpy as jnp
from matplotlib.axes import Axes

import ntkcont as nc

# ---------------------------------------------------------------- (1) two layers, linear

STRENGTHS = np.array([3.0, 1.0])  # of the two modes that are to be learned
SMALL = 1e-3  # their strengths at the beginning
HIDDEN = 3


def layers(z, p, theta):
    """Return the speed of a network that rests at the output ``y = W2 W1 u``."""
    hidden, y = z[:HIDDEN], z[HIDDEN:]
    u = jnp.stack([p["u1"], p["u2"]])
    return jnp.concatenate([theta["W1"] @ u - hidden, theta["W2"] @ hidden - y])


def beginning(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return what ``W2 W1`` should become, and small balanced weights aligned with it."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    R = np.linalg.qr(rng.standard_normal((HIDDEN, 2)))[0]
    weights = {"W1": np.sqrt(SMALL) * R @ V.T, "W2": np.sqrt(SMALL) * U @ R.T}
    return U @ np.diag(STRENGTHS) @ V.T, weights


def learned_strengths(weights: dict, target: np.ndarray) -> np.ndarray:
    """Return the diagonal of ``W2 W1`` in the singular vectors of the target."""
    U, _, Vt = np.linalg.svd(target)
    return np.diag(U.T @ weights["W2"] @ weights["W1"] @ Vt.T)


def strengths(t: np.ndarray) -> np.ndarray:
    """Return the strengths of both modes at times t, shape (T, 2): ``a' = 2 a (s - a)``."""
    growth = np.exp(2.0 * STRENGTHS * np.asarray(t, dtype=float)[:, None])
    return STRENGTHS * growth * SMALL / (STRENGTHS + (growth - 1.0) * SMALL)


def loss_of(a: np.ndarray) -> np.ndarray:
    """Return the loss, half the squared error summed over two orthogonal inputs."""
    return 0.5 * np.sum((STRENGTHS - a) ** 2, axis=-1)


def descend(weights: dict, target: np.ndarray, rate: float, duration: float) -> tuple[np.ndarray, list[dict]]:
    """Return losses and weights at every step of gradient descent."""
    W1, W2 = weights["W1"], weights["W2"]
    losses, path = [], []
    for _ in range(round(duration / rate) + 1):
        error = W2 @ W1 - target
        losses.append(0.5 * np.sum(error**2))
        path.append({"W1": W1, "W2": W2})
        W1, W2 = W1 - rate * W2.T @ error, W2 - rate * error @ W1.T
    return np.array(losses), path


def kernel_eigenvalues(weights: dict) -> np.ndarray:
    """Return the eigenvalues (4,) of the kernel of both outputs under both inputs."""
    W1, W2 = weights["W1"], weights["W2"]
    model = nc.Model.from_jax(layers, states=HIDDEN + 2, params={"u1": 1.0, "u2": 0.0}, theta=weights)
    readout = np.eye(HIDDEN + 2)[HIDDEN:]
    kernel = nc.ntk.StateNTK(conditions=[{"u1": 1.0, "u2": 0.0}, {"u1": 0.0, "u2": 1.0}], readout=readout)
    rest = np.append(W1[:, 0], W2 @ W1[:, 0])
    return kernel.evaluate(model, rest).eigenvalues[0, :4]


def two_layer_part(axes: list[Axes]) -> None:
    """Print the errors of the two-layer network, draw its loss and its kernel."""
    target, weights = beginning()
    duration = 6.0
    print("two-layer linear network, modes of strength 3 and 1, from 0.001")
    print(f"{'learning rate':>14} {'loss: largest difference from the closed form':>46}")
    differences = []
    for rate in (4e-3, 2e-3, 1e-3):
        losses, path = descend(weights, target, rate, duration)
        exact = loss_of(strengths(rate * np.arange(len(losses))))
        differences.append(np.max(np.abs(losses - exact)))
        print(f"{rate:14g} {differences[-1]:46.2e}")
    ratios = np.array(differences[:-1]) / differences[1:]
    print(f"halving the rate divides it by {ratios[0]:.3f}, {ratios[1]:.3f}")
    assert np.all(np.abs(ratios - 2.0) < 0.05)

    # The kernel at some of the steps: its eigenvalues are sums of two strengths, the loss falls at r K r.
    print(f"\n{'time':>6} {'loss':>9} {'-dL/dt':>10} {'by kernel':>10} {'error':>8}   eigenvalues of the kernel")
    steps = np.arange(0, len(path) - 1, 300)
    found = np.array([kernel_eigenvalues(path[i]) for i in steps])
    a = strengths(rate * steps)
    for i, e, (a1, a2) in zip(steps, found, a, strict=True):
        learned = learned_strengths(path[i], target)
        rates = e[[0, 3]] @ (STRENGTHS - learned) ** 2
        measured = (losses[i] - losses[i + 1]) / rate
        print(
            f"{rate * i:6.2f} {losses[i]:9.6f} {measured:10.3e} {rates:10.3e} {abs(rates / measured - 1):8.1e}   "
            + " ".join(f"{value:8.5f}" for value in e)
        )
        expected = [2 * learned[0], learned.sum(), learned.sum(), 2 * learned[1]]
        np.testing.assert_allclose(e, expected, rtol=1e-9)
        assert abs(rates / measured - 1) < 10 * rate
        assert np.allclose(learned, (a1, a2), atol=0.02)

    # What is learned, as a dynamical system: at s = 0 a mode becomes worth learning.
    flow = nc.Model.from_equations({"a": "2*a*(s - a)"}, {"s": -1.0})
    (point,) = nc.continuation(flow, [0.0], free="s", p_span=(-1.0, 1.0)).special_points("BP")
    print(f"\nlearning of one mode, a' = 2a(s - a): {point.normal_form['type']} point at s = {point.p:.1e}")

    times = np.linspace(0.0, duration, 400)
    axes[0].plot(times, loss_of(strengths(times)), color="tab:blue", label="closed form")
    axes[0].plot(rate * steps, losses[steps], "o", color="tab:orange", markersize=4, label="gradient descent")
    for s, label in zip(STRENGTHS, ("half of a mode learned", None), strict=True):
        axes[0].axvline(np.log(s / SMALL - 1.0) / (2.0 * s), color="0.6", linestyle=":", label=label)
    axes[0].set(xlabel="time (steps times rate)", ylabel="loss", title="a linear network learns two modes")
    axes[0].legend(fontsize=8)
    a = strengths(times)
    for curve, label in ((2 * a[:, 0], "2 a₁"), (a.sum(axis=1), "a₁ + a₂, twice"), (2 * a[:, 1], "2 a₂")):
        axes[1].semilogy(times, curve, linewidth=1, label=label)
    axes[1].semilogy(rate * steps, found, "k.", markersize=5)
    axes[1].set(xlabel="time", ylabel="kernel eigenvalues", title="its kernel (dots) and the closed form")
    axes[1].legend(fontsize=8)


# ---------------------------------------------------------------- (2) one recurrent unit

UNIT = nc.Model.from_equations({"z": "h + w*z - z**3"}, {"w": -1.0, "h": 0.0})
TARGET, W0 = 1.0, -1.0
BIASES = (0.1, 0.03, 0.01, 0.003)


def rest(w: float, h: float, z: float) -> float:
    """Return the equilibrium near z, by Newton's method."""
    for _ in range(50):
        move = (h + w * z - z**3) / (w - 3.0 * z**2)
        z -= move
        if abs(move) < 1e-15:
            break
    return z


def time_at(z: np.ndarray, h: float) -> np.ndarray:
    """Return the time at which gradient flow of w has moved the equilibrium to z; an antiderivative.

    With ``w = z^2 - h/z`` the sensitivity is ``dz/dw = z^2/(2 z^3 + h)``; gradient flow is ``z' = (dz/dw)^2 (T - z)``.
    """
    T = TARGET
    log = np.log(z / (T - z))
    cubic = -2.0 * z**2 - 4.0 * T * z - 4.0 * T**2 * np.log(T - z)
    return cubic + 4.0 * h / T * log + h**2 * (log / T**4 - 1 / (3 * T * z**3) - 1 / (2 * T**2 * z**2) - 1 / (T**3 * z))


def descend_unit(h: float, rate: float, duration: float) -> tuple[np.ndarray, np.ndarray]:
    """Return w and z at every step of gradient descent of w on ``(z - T)^2/2``."""
    w, z = W0, rest(W0, h, h)
    path = []
    for _ in range(round(duration / rate) + 1):
        path.append((w, z))
        slope = z / (3.0 * z**2 - w)  # dz/dw
        w -= rate * slope * (z - TARGET)
        z = rest(w, h, z)
    return tuple(np.array(path).T)


def unit_part(axes: list[Axes]) -> None:
    """Print the errors of the recurrent unit, draw its loss and its kernel."""
    kernel = nc.ntk.StateNTK(theta=["w"], theta_scale="none", state_scale="none")
    (pitchfork,) = nc.continuation(UNIT, [0.0], free="w", p_span=(-1.0, 1.0)).special_points("BP")
    print(
        f"\nz' = h + w z - z^3 learns to rest at 1; {pitchfork.normal_form['type']} of h = 0 at w = {pitchfork.p:.1e}"
    )
    head = f"{'h':>7} {'rate':>6} {'loss: difference':>17} {'-dL/dt: error':>14}"
    print(head + f" {'w = 0 at t':>11} {'measured':>9} {'|w0|^3/3hT':>10} {'kernel there':>13} {'h^(-2/3)/9':>11}")
    colours = plt.colormaps["viridis"](np.linspace(0.0, 0.8, len(BIASES)))
    for h, colour in zip(BIASES, colours, strict=True):
        z0 = rest(W0, h, h)
        crossing = float(time_at(h ** (1 / 3), h) - time_at(z0, h))
        duration = float(time_at(0.97, h) - time_at(z0, h))
        curve = np.concatenate([np.geomspace(z0, 0.9, 4000), np.linspace(0.9, 0.985, 1000)[1:]])
        t = time_at(curve, h) - time_at(z0, h)
        differences, off = [], []
        for rate in (0.004, 0.002):
            w, z = descend_unit(h, rate, duration)
            times, L = rate * np.arange(len(z)), 0.5 * (TARGET - z) ** 2
            differences.append(np.max(np.abs(L - np.interp(times, t, 0.5 * (TARGET - curve) ** 2))))
            some = np.unique(np.searchsorted(z[:-1], np.geomspace(z0, z[-2], 60)))
            K = kernel.evaluate(UNIT, z[some, None], {"w": w[some], "h": h}).top
            off.append(np.max(np.abs(2.0 * K * L[some] * rate / (L[some] - L[some + 1]) - 1.0)))
        at_zero = kernel.evaluate(UNIT, [h ** (1 / 3)], {"w": 0.0, "h": h}).top[0]
        measured_crossing = float(np.interp(0.0, w, times))
        print(
            f"{h:7g} {rate:6g} {differences[1]:17.2e} {off[1]:14.1e} {crossing:11.3f} {measured_crossing:9.3f} "
            f"{abs(W0) ** 3 / (3 * h * TARGET):10.3f} {at_zero:13.6f} {h ** (-2 / 3) / 9:11.6f}"
        )
        for error in (differences, off):  # both of first order in the rate
            assert abs(error[0] / error[1] - 2.0) < 0.1
        np.testing.assert_allclose(at_zero, h ** (-2 / 3) / 9, rtol=1e-9)
        assert abs(measured_crossing / crossing - 1.0) < 2 * rate
        axes[0].plot(times, L, color=colour, linewidth=1, label=f"h = {h:g}")
        axes[0].plot(t[::90], 0.5 * (TARGET - curve[::90]) ** 2, ".", color=colour, markersize=4)
        axes[0].plot(crossing, 0.5 * (TARGET - h ** (1 / 3)) ** 2, "D", color="tab:red", markersize=6, zorder=3)

        branch = nc.continuation(UNIT, [z0], free="w", p_span=(-1.0, 1.0), params={"w": W0, "h": h}, ntk=kernel)
        axes[1].semilogy(branch.p, branch.ntk.top, color=colour, linewidth=1, label=f"h = {h:g}")
        axes[1].plot(w[some][::3], K[::3], ".", color=colour, markersize=5)
    axes[0].plot([], [], "D", color="tab:red", label="w passes 0")
    axes[0].set(xscale="log", xlim=(0.5, 200.0), xlabel="time (dots: closed form)", ylabel="loss")
    axes[0].set_title("a unit learns to hold a value")
    axes[0].legend(fontsize=8)
    axes[1].axvline(pitchfork.p, color="tab:red", linestyle=":", label="pitchfork at h = 0")
    axes[1].set(xlabel="w (dots: training)", ylabel="kernel (dz/dw)²", title="its kernel peaks at the pitchfork")
    axes[1].legend(fontsize=8)


def unlearning() -> None:
    """Print what happens when the unit without bias unlearns its value: it reaches the pitchfork in finite time."""
    kernel = nc.ntk.StateNTK(theta=["w"], theta_scale="none", state_scale="none")
    rate, w0 = 0.01, 1.0
    w = w0 - rate / 2.0 * np.arange(200)  # of gradient descent on z^2/2: dz/dw = 1/(2 z), so every step is rate/2
    z, at = np.sqrt(w0), w0
    worst = 0.0
    for exact in w:
        worst = max(worst, abs(0.5 * z**2 - 0.5 * exact))
        at -= rate * z * z / (3.0 * z**2 - at)
        z = rest(at, 0.0, z) if at > 1e-9 else 0.0
    print("\nthe same unit without bias, taught to rest at 0 instead of 1: the loss falls along w(t)/2 = (1 - t/2)/2")
    print(f"largest difference of gradient descent {worst:.1e}; the pitchfork is reached at t = 2, in {len(w)} steps")
    print(f"{'w':>8} {'2/top':>10} {'8 w':>8}")
    for value in (1.0, 0.1, 0.01):
        found = kernel.evaluate(UNIT, [np.sqrt(value)], {"w": value, "h": 0.0})
        print(f"{value:8g} {found.lr_crit[0]:10.6f} {8 * value:8g}")
        np.testing.assert_allclose(found.lr_crit, 8 * value, rtol=1e-9)
    at_rest = kernel.evaluate(UNIT, [0.0], {"w": -0.1, "h": 0.0})
    print(f"beyond it the kernel is {at_rest.top[0]:g}: without bias no gradient leads back")
    assert worst < 1e-9
    assert at_rest.top[0] == 0.0


def main(out: Path) -> None:
    """Both systems, tables and picture."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    two_layer_part(axes[0])
    unit_part(axes[1])
    unlearning()
    figure.savefig(out / "12_closed_form_learning.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
