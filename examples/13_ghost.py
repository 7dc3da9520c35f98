"""The ghost of a fold: beyond it no equilibrium is left, but trajectories linger where it was, and learning feels that.

What one learns: a trajectory that passes the ghost at distance eps beyond the fold takes a time pi/sqrt(a eps), and how
far trained parameters move it is the derivative of that time.  A kernel of trajectories whose horizon covers the
passage therefore grows like eps^-3, faster than the equilibrium kernel on the other side (eps^-1); a horizon that ends
before the passage does saturates.  First on x' = mu + x^2, where everything is known in closed form, then on a network
of 64 units that loses a memory.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import linalg

import ntkcont as nc

STEPS = 10000  # of the integrator in each scalar trajectory, whatever its length: nothing is compiled twice
NETWORK_STEPS = 2000
UNITS = 64
SCALAR = nc.Model.from_equations({"x": "mu + x**2"}, {"mu": 0.1})
BEGIN, END = -1.0, 1.0  # of the scalar passage
COLOURS = ("tab:orange", "tab:green", "tab:purple")


# ---------------------------------------------------------------- x' = mu + x^2


def passage_time(mu: float) -> float:
    """Return the time from x = -1 to x = 1 beyond the fold."""
    return (np.arctan(END / np.sqrt(mu)) - np.arctan(BEGIN / np.sqrt(mu))) / np.sqrt(mu)


def sensitivity(t: float, mu: float) -> float:
    """Return dx(t)/dmu of ``x = sqrt(mu) tan(sqrt(mu) t + arctan(x0/sqrt(mu)))``."""
    angle = np.sqrt(mu) * t + np.arctan(BEGIN / np.sqrt(mu))
    return np.tan(angle) / (2.0 * np.sqrt(mu)) + (t - BEGIN / (mu + BEGIN**2)) / (2.0 * np.cos(angle) ** 2)


def sensitivity_at_the_fold(t: float) -> float:
    """Return the same at mu = 0, where ``x = -1/(t + c)`` with ``c = -1/x0``."""
    c = -1.0 / BEGIN
    return ((t + c) ** 3 - c**3) / (3.0 * (t + c) ** 2)


def last_state(T: float, **options) -> nc.ntk.StateNTK:
    """Return the kernel of the last state of a trajectory of length T."""
    last = np.arange(100) == 99
    return nc.ntk.StateNTK(
        kernel="trajectory", T=T, dt=T / STEPS, record_every=STEPS // 100, loss_mask=last, k=1, **options
    )


def scalar_tops(mus: np.ndarray, horizons: list[float]) -> np.ndarray:
    """Return the kernel of x at the end of each horizon."""
    options = {"theta": ["mu"], "theta_scale": "none", "state_scale": "none", "initial_states": [[BEGIN]]}
    pairs = zip(mus, horizons, strict=True)
    return np.array([last_state(T, **options).evaluate(SCALAR, params={"mu": mu}).top[0] for mu, T in pairs])


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the exponent fitted to the three smallest x."""
    nearest = np.argsort(x)[:3]
    return float(np.polyfit(np.log(x[nearest]), np.log(y[nearest]), 1)[0])


# ---------------------------------------------------------------- a network that loses a memory


def bistable_network(mu: float = 0.5, seed: int = 0) -> nc.RateRNN:
    """Return a random network whose leading eigenvalue is 1 + mu, with an input h along its eigenvector."""
    rng = np.random.default_rng(seed)
    noise = 0.5 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    m, k = rng.standard_normal((2, UNITS))
    m /= np.linalg.norm(m)
    k -= (k @ m) * m
    W = noise + 1.5 * np.outer(m, 0.6 * m + 0.8 * k / np.linalg.norm(k))
    values, left, right = linalg.eig(W, left=True)
    lead = np.argmax(values.real)
    v, w = right[:, lead].real, left[:, lead].real
    v = v / np.linalg.norm(v) * np.sign(v @ m)
    W = W + (1.0 + mu - values[lead].real) * np.outer(v, w) / (w @ v)
    return nc.RateRNN(W, W_in=v[:, None], inputs={"h": [1.0]})


class Ghost:
    """The fold at which a memory of the network ends, and what its normal form says about the passage beyond."""

    def __init__(self, net: nc.RateRNN) -> None:
        self.net = net
        start = nc.find_fixed_points(net, starts=-5.0 * net.W_in.T, params={"h": 0.0})
        self.memory = start.x[0]
        kernel = nc.ntk.StateNTK(theta=["b"])
        span = (-0.5, 1.5)
        self.branch = nc.continuation(net, self.memory, free="h", p_span=span, params={"h": 0.0}, ntk=kernel)
        self.fold = min(self.branch.special_points("LP"), key=lambda point: abs(point.s))
        A = net.jac(self.fold.x, {"h": self.fold.p})
        values, left, right = linalg.eig(A, left=True)
        i = np.argmin(np.abs(values))
        v, w = right[:, i].real, left[:, i].real
        v = v / np.linalg.norm(v) * np.sign(v @ net.W_in[:, 0])
        self.w = w / (w @ v)
        self.a = abs(self.fold.normal_form["a"])
        self.beta = float(self.w @ net.drives[0])  # y' = beta (h - h_c) + a y^2 along v

    def passage(self, eps: float) -> float:
        """Return the leading term of the time it takes, at ``h = h_c + eps``."""
        return np.pi / np.sqrt(self.a * self.beta * eps)

    def kernel(self, T: float, **options) -> nc.ntk.StateNTK:
        """Return the kernel of the whole trajectory from the memory, biases trained; its trace is an integral."""
        chosen = {"weights": "time", "record_every": NETWORK_STEPS // 1000, **options}
        return nc.ntk.StateNTK(
            kernel="trajectory", theta=["b"], initial_states=self.memory[None], T=T, dt=T / NETWORK_STEPS, k=1, **chosen
        )

    def predicted(self, eps: float, T: float) -> float:
        """Return what the normal form gives for the largest eigenvalue: no kernel enters, only the orbit's speed.

        Beyond the ghost the orbit is that of the fold itself, shifted in time: ``dz = -z' dT`` with the derivative of
        the passage time ``dT = -pi/(2 sqrt(a)) (beta eps)^(-3/2) w db``.
        """
        found = self.kernel(T).trajectories(self.net, params={"h": self.fold.p + eps})
        states = found.states[0]
        beyond = states[(states - self.fold.x) @ self.w > 0]
        speed2 = [float(np.sum(self.net.rhs(z, {"h": self.fold.p + eps}) ** 2)) for z in beyond]
        integral = np.sum(speed2) * (found.times[1] - found.times[0])
        return integral * np.pi**2 / (4.0 * self.a) * (self.beta * eps) ** -3 * (self.w @ self.w)

    def before_the_fold(self) -> tuple[np.ndarray, np.ndarray]:
        """Return distances from the fold on the side where the memory exists, and the equilibrium kernel there."""
        near = self.fold.p - self.branch.p
        kept = self.branch.stable & (near > 5e-5) & (near < 0.1)
        return near[kept], self.branch.ntk.top[kept]


# ---------------------------------------------------------------- tables and picture


def scalar_part(axes) -> None:
    """Print and draw the kernels of x' = mu + x^2 beside their closed forms."""
    mus = np.geomspace(1e-4, 1e-1, 7)
    times = [passage_time(mu) for mu in mus]
    measured = scalar_tops(mus, times)
    exact = np.array([sensitivity(t, mu) ** 2 for t, mu in zip(times, mus, strict=True)])
    error = np.max(np.abs(measured / exact - 1.0))
    print("x' = mu + x^2 from -1, kernel of the last state with respect to mu")
    print(f"{'horizon':>22} {'exponent':>9} {'predicted':>9} {'largest error against the closed form':>39}")
    print(f"{'passage to x = 1':>22} {slope(mus, measured):9.4f} {-3:9d} {error:39.1e}")
    assert error < 1e-6
    assert abs(slope(mus, measured) + 3) < 0.01

    for mu in (1e-1, 1e-2, 1e-3):
        t = np.linspace(0.0, passage_time(mu), 400)
        x = np.sqrt(mu) * np.tan(np.sqrt(mu) * t + np.arctan(BEGIN / np.sqrt(mu)))
        axes[0].plot(t, x, label=f"mu = {mu:g}")
    axes[0].set(xlabel="time", ylabel="x", title="the passage of x' = mu + x²")
    axes[0].legend(fontsize=8)
    fine = np.geomspace(mus[0], mus[-1], 200)
    axes[1].loglog(fine, [sensitivity(passage_time(mu), mu) ** 2 for mu in fine], color="tab:blue", linewidth=1)
    axes[1].loglog(mus, measured, "o", color="tab:blue", label="passage to x = 1")
    axes[1].loglog(fine, np.pi**2 / 4 * fine**-3, "k:", linewidth=1, label="π²/4 mu⁻³")
    for T, colour in zip((10.0, 40.0), COLOURS, strict=False):
        saturated = (np.pi / T) ** 2  # below this distance the horizon ends before the passage does
        before = saturated * np.geomspace(1e-3, 0.7, 7)
        shorter = scalar_tops(before, [T] * len(before))
        exact = np.array([sensitivity(T, mu) ** 2 for mu in before])
        error = np.max(np.abs(shorter / exact - 1.0))
        limit = sensitivity_at_the_fold(T) ** 2
        print(f"{f'T = {T:g}':>22} {slope(before, shorter):9.4f} {0:9d} {error:39.1e}")
        print(f"{'':>22} top at mu = {before[0]:.1e}: {shorter[0]:.5g}; closed form at mu = 0: {limit:.5g}")
        assert error < 1e-6
        assert abs(slope(before, shorter)) < 0.02
        curve = saturated * np.geomspace(1e-3, 0.9, 200)
        curve = curve[[passage_time(mu) >= T for mu in curve]]
        axes[1].loglog(curve, [sensitivity(T, mu) ** 2 for mu in curve], color=colour, linewidth=1)
        axes[1].loglog(before, shorter, "s", color=colour, label=f"T = {T:g}")
        axes[1].axhline(limit, color=colour, linestyle=":", linewidth=1)
    axes[1].set(xlabel="mu", ylabel="kernel (dx/dmu)²", title="kernel at the end of the horizon")
    axes[1].legend(fontsize=8)


def network_part(axes) -> None:
    """Print and draw the kernels of the network beside the predictions of its fold's normal form."""
    ghost = Ghost(bistable_network())
    fold = ghost.fold
    print(f"\nnetwork of {UNITS} units: {fold.name} at h = {fold.p:.6f}, a = {ghost.a:.4f}, beta = {ghost.beta:.4f}")
    distances = np.geomspace(5e-4, 3e-2, 6)
    horizons = [1.1 * ghost.passage(eps) + 30.0 for eps in distances]
    tops, ahead = [], []
    print(f"{'h - h_c':>10} {'horizon':>8} {'top':>12} {'normal form':>12} {'ratio':>7}")
    for eps, T in zip(distances, horizons, strict=True):
        params = {"h": ghost.fold.p + eps}
        tops.append(ghost.kernel(T).evaluate(ghost.net, params=params).top[0])
        ahead.append(ghost.predicted(eps, T))
        print(f"{eps:10.2e} {T:8.1f} {tops[-1]:12.5g} {ahead[-1]:12.5g} {tops[-1] / ahead[-1]:7.4f}")
    tops, ahead = np.array(tops), np.array(ahead)
    print(f"exponent of top, horizon covers the passage: {slope(distances, tops):.4f}, predicted -3")
    assert abs(slope(distances, tops) + 3) < 0.02
    assert abs(tops[0] / ahead[0] - 1) < 0.02

    axes[1].loglog(distances, tops, "o", color="tab:blue", label="horizon covers the passage")
    axes[1].loglog(distances, ahead, "k:", linewidth=1, label="normal form, slope -3")
    for T, colour in zip((20.0, 60.0), COLOURS, strict=False):
        saturated = np.pi**2 / (ghost.a * ghost.beta * T**2)
        closer = saturated * np.array([0.0, 1e-3, 3e-3, 1e-2, 0.1, 0.4, 0.7])
        found = ghost.kernel(T).evaluate(ghost.net, params={"h": ghost.fold.p + closer})
        at_fold, closer, beyond = found.top[0], closer[1:], found.top[1:]
        axes[1].loglog(closer, beyond, "s-", color=colour, linewidth=1, label=f"T = {T:g}")
        axes[1].axhline(at_fold, color=colour, linestyle=":", linewidth=1)
        exponent = slope(closer, beyond)
        print(f"exponent of top, horizon {T:g}: {exponent:.4f}, predicted 0; at h_c itself {at_fold:.5g}")
        assert abs(exponent) < 0.02
    near, top = ghost.before_the_fold()
    print(f"exponent of the equilibrium kernel before the fold: {slope(near, top):.4f}, predicted -1")
    assert abs(slope(near, top) + 1) < 0.02
    axes[1].loglog(near, top, "-", color="0.4", label="equilibrium, before the fold")
    axes[1].set(xlabel="|h - h_c|", ylabel="largest eigenvalue", title="kernel of the network, biases trained")
    axes[1].set_xlim(5e-5, 0.3)
    axes[1].legend(fontsize=7)

    for eps in (3e-2, 3e-3, 3e-4):
        T = 1.1 * ghost.passage(eps) + 30.0
        found = ghost.kernel(T).trajectories(ghost.net, params={"h": ghost.fold.p + eps})
        axes[0].plot(found.times, (found.states[0] - ghost.fold.x) @ ghost.w, label=f"h - h_c = {eps:g}")
    axes[0].axhline(0.0, color="0.6", linewidth=1)
    axes[0].set(xlabel="time", ylabel="w (z - z_c)", title="a network loses a memory")
    axes[0].legend(fontsize=8)


def main(out: Path) -> None:
    """Both systems, tables and picture."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    scalar_part(axes[0])
    network_part(axes[1])
    figure.savefig(out / "13_ghost.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the picture")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
