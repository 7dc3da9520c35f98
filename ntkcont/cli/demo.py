"""``ntkcont demo``: a neuron model and a network, from equations to pictures, with the kernel's scaling checked."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkcont.cli import demo_pictures as pictures
from ntkcont.cli.output import folder, notices, progress_wanted

if TYPE_CHECKING:
    from ntkcont.models.networks import RateRNN
    from ntkcont.results.branch import Branch

MORRIS_LECAR_START = {"v": -60.0, "w": 0.01}


class Scaling(NamedTuple):
    """One line of the demo's last table."""

    what: str
    side: str
    measured: float
    predicted: float


def demo(out: str) -> int:
    """Run the demo, write pictures and branch files to the folder `out`, and return 0."""
    started = time.perf_counter()
    target = folder(out)
    # Pictures take as long as the numbers: a second process draws them meanwhile.
    with notices(), ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as artist:
        artist.submit(pictures.load)
        neuron = follow_neuron()
        drawn = [artist.submit(pictures.kernel_panels, neuron, target / "neuron-kernel.png")]
        print("Morris-Lecar neuron, equilibria in the input current I")
        print(neuron, end="\n\n")
        network, v = pitchfork_network()
        trivial, bifurcated = follow_network(network, v)
        drawn.append(artist.submit(pictures.pitchfork, trivial, bifurcated, v, target / "network.png"))
        drawn.append(artist.submit(pictures.kernel_panels, trivial, target / "network-kernel.png"))
        print("Rate network of 64 units, fixed points in the gain: the resting state")
        print(trivial, end="\n\n")
        print("... and the branch that bifurcates from it")
        print(bifurcated, end="\n\n")
        print("Growth of the kernel's largest eigenvalue, top ~ distance^exponent, next to the bifurcations")
        print_scalings([*fold_scalings(neuron), *pitchfork_scalings(trivial, bifurcated)])
        files = [pictures.neuron_with_cycles(neuron, target / "neuron.png"), *(job.result() for job in drawn)]
    for name, branch in (("neuron", neuron), ("network-rest", trivial), ("network-bifurcated", bifurcated)):
        branch.save(target / f"{name}.npz")
    print(
        f"\nPictures, after {time.perf_counter() - started:.1f} s, beside the branch files (*.npz; ntkcont info FILE):"
    )
    for path in files:
        print(f"  {path}")
    return 0


# -------------------------------------------------------------------- the two systems


def follow_neuron() -> Branch:
    """Follow the equilibria of the Morris-Lecar neuron in its input current, with the kernel of all its constants."""
    import ntkcont as nc

    return nc.continuation(
        nc.classics.morris_lecar("I"),
        MORRIS_LECAR_START,
        free="I",
        p_span=(-30.0, 160.0),
        params={"I": 0.0},
        settings=nc.ContinuationSettings(ds_max=0.01),
        ntk=nc.ntk.StateNTK(theta="all", theta_scale="relative", state_scale="relative"),
        progress=progress_wanted(),
    )


def pitchfork_network(n: int = 64, seed: int = 0) -> tuple[RateRNN, np.ndarray]:
    """Return a random network whose one outlying eigenvalue is 1, and its eigenvector.

    ``z' = -z + gain W tanh(z) + b``: the resting state loses its stability in a pitchfork at ``gain = 1``.
    """
    import ntkcont as nc

    rng = np.random.default_rng(seed)
    random = 0.5 * rng.standard_normal((n, n)) / np.sqrt(n)
    m = rng.standard_normal(n)
    m /= np.linalg.norm(m)
    k = rng.standard_normal(n)
    k -= (k @ m) * m
    k /= np.linalg.norm(k)
    weights = random + 1.5 * np.outer(m, 0.6 * m + 0.8 * k)
    values, right = np.linalg.eig(weights)
    lead = int(np.argmax(np.real(values)))
    v = np.real(right[:, lead])
    left_values, left = np.linalg.eig(weights.T)
    w = np.real(left[:, int(np.argmax(np.real(left_values)))])
    weights += (1.0 - np.real(values[lead])) * np.outer(v, w) / (w @ v)
    return nc.RateRNN(weights), v


def follow_network(network: RateRNN, v: np.ndarray) -> tuple[Branch, Branch]:
    """Follow the network's resting state and the branch that bifurcates along v, with the kernel of its biases."""
    import ntkcont as nc

    kernel = nc.ntk.StateNTK(theta=["b"])
    settings = nc.ContinuationSettings(ds_max=0.02)
    common = {
        "free": "gain",
        "p_span": (0.75, 1.25),
        "settings": settings,
        "ntk": kernel,
        "progress": progress_wanted(),
    }
    trivial = nc.continuation(network, np.zeros(network.n), params={"gain": 0.9}, **common)
    start = nc.find_fixed_points(network, starts=(v / np.abs(v).max())[None, :], params={"gain": 1.2})
    bifurcated = nc.continuation(network, start.x[0], params={"gain": 1.2}, **common)
    return trivial, bifurcated


# -------------------------------------------------------------------- scaling exponents


def fold_scalings(neuron: Branch) -> list[Scaling]:
    """Return the exponents on both sides of each fold, measured and predicted."""
    from ntkcont.ntk import signature_table

    rows = []
    for row in signature_table(neuron)("LP"):
        unstable = neuron.stability_change(neuron.special_points[row.point])
        side = "" if unstable is None else f"{unstable[row.side.after]} unstable"
        rows.append(Scaling(f"fold {row.point}", side, row.measured(), row.predicted["equilibrium"].exponent))
    return rows


def pitchfork_scalings(trivial: Branch, bifurcated: Branch) -> list[Scaling]:
    """Return the exponents on both sides along the resting state, and on both bifurcating halves."""
    from ntkcont.ntk import signature_table

    rows = []
    for name, branch in (("resting state", trivial), ("bifurcated", bifurcated)):
        for row in signature_table(branch)("BP"):
            side = ("gain < 1", "gain > 1") if branch is trivial else ("one half", "other half")
            predicted = row.predicted["equilibrium"].exponent
            rows.append(Scaling(f"pitchfork, {name}", side[row.side.after], row.measured(), predicted))
    return rows


def print_scalings(rows: list[Scaling]) -> None:
    """Print measured beside predicted exponents."""
    print(f"{'':28}{'side':14}{'measured':>9}{'predicted':>11}")
    for row in rows:
        print(f"{row.what:28}{row.side:14}{row.measured:9.3f}{row.predicted:11.0f}")
    sys.stdout.flush()
