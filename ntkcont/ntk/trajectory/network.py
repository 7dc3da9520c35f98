r"""Trajectories of a rate network in closed form: the kernel as propagator, immediate kernel, adjoint propagator.

The source term at evaluation point e is ``D_theta f dtheta = l_e (dW phi_e gain + dW_in u_e + db)``: the immediate
kernel is ``(Q Q^T) kron I`` between the rows ``l_e`` with the features ``q_e = [gain phi_e, u_e, 1]``, so that no array
with n^2 columns is formed; features that span r dimensions need n r columns.

References
----------
arXiv:2605.08746: the operator form and its Kronecker core.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.models.activations import find_phi
from ntkcont.models.model import Model
from ntkcont.models.network_weights import sparse_pattern
from ntkcont.models.networks import LowRank, RateRNN
from ntkcont.ntk.trajectory.blocks import Block, Columns, Outer, RightFactor, reduced_features
from ntkcont.ntk.trajectory.integrators import EULER, TABLEAUX, Tableau
from ntkcont.ntk.trajectory.packing import Packing
from ntkcont.ntk.trajectory.plan import Plan
from ntkcont.ntk.trajectory.rollout import LARGEST, Simulated
from ntkcont.ntk.trajectory.sweeps import Sweeps

Array = NDArray[np.float64]


class NetworkRollouts:
    """The trials of one plan for one network: simulated, and linearised.

    Parameters
    ----------
    network : RateRNN
        The network behind `model`, whose parameters may be combinations of its own.
    model, packing, plan : Model, Packing, Plan
        What is simulated, and what is trained.
    device : jax.Device
        Where the simulation runs; the linear algebra is LAPACK's.
    """

    def __init__(self, network: RateRNN, model: Model, packing: Packing, plan: Plan, device: Any) -> None:
        self.network, self.model, self.packing, self.plan, self.device = network, model, packing, plan, device
        self.tableau = EULER if network.alpha is not None else TABLEAUX[plan.integrator]
        self.rate = 1.0 / network.tau if network.alpha is None else network.alpha
        W = network.W
        self.weights = (W.U, W.V) if isinstance(W, LowRank) else (network.effective_W(),)
        self._run = _simulator(find_phi(network.phi).jax, network.form == "rate", self.tableau)
        self.last: tuple[Any, dict[str, Array]] | None = None

    def _own_parameters(self, values: Array) -> Array:
        return self.model.compiled_parameters(values)

    def simulate(self, initial: Array, values: Array, inputs: Array | None) -> Simulated:
        """Return the trials that start at `initial` (B, n), with parameter values (m,) and inputs (B, steps, d)."""
        net, plan = self.network, self.plan
        p = self._own_parameters(values)
        drive = np.repeat((net.b + p[1:] @ net.drives)[None], len(initial), axis=0)[None]
        if inputs is not None and net.W_in is not None:
            drive = drive + np.swapaxes(inputs, 0, 1) @ net.W_in.T
        else:
            drive = np.repeat(drive, plan.steps, axis=0)
        arguments = {
            "rate": self.rate, "phi_gain": net.phi_gain, "gain": p[0], "weights": self.weights, "h": plan.dt,
            "initial": initial, "drive": drive,
        }  # fmt: skip
        with x64(), configured_jax().default_device(self.device):
            found = {name: np.array(a) for name, a in self._run(arguments).items()}
        states = found.pop("states")
        alive = np.all(np.abs(states) < LARGEST, axis=2)
        survived = np.where(alive.all(axis=0), plan.steps, np.argmin(alive, axis=0))
        self.last = ((initial, values, inputs), found)
        return Simulated(np.swapaxes(states[plan.record_every - 1 :: plan.record_every], 0, 1), survived)

    def held(self, trials: int) -> tuple[int, str]:
        """Return how many bytes the simulation of these trials takes, and of what."""
        plan, n = self.plan, self.model.n
        # the input currents, and twice (one copy leaves JAX) states, features and slopes
        numbers = 1 + 2 * (1 + 2 * self.tableau.stages)
        return 8 * numbers * trials * plan.steps * n, f"{trials} trials x {plan.steps} steps x {n} states"

    def most_columns(self, trials: int) -> int:
        """Return the largest number of columns of :meth:`NetworkDerivative.reduced`, known before the simulation."""
        n = self.model.n
        d = 0 if self.network.W_in is None else self.network.W_in.shape[1]
        p = self._own_parameters(self.model.values())
        blocks = _blocks(self, p, np.zeros((1, n)), (1, 1, 1), np.zeros((1, 1, d)) if d else None)
        return most_columns(blocks, n, trials * self.plan.steps * self.tableau.stages)

    def linearised(self, initial: Array, values: Array, inputs: Array | None) -> NetworkDerivative:
        """Return the derivative of the trials in theta."""
        if self.last is None or any(a is not b for a, b in zip(self.last[0], (initial, values, inputs), strict=True)):
            self.simulate(initial, values, inputs)
        assert self.last is not None
        return NetworkDerivative(self, values, inputs, self.last[1])


class NetworkDerivative:
    """``J`` and ``J^T`` of the recorded states (B, T, n), without weights, theta in its units."""

    structured = True

    def __init__(self, rollouts: NetworkRollouts, values: Array, inputs: Array | None, found: dict[str, Array]) -> None:
        net, plan = rollouts.network, rollouts.plan
        features, slopes = found["features"], found["slopes"]  # (steps, stages, B, n)
        p = rollouts._own_parameters(values)
        self.points = features.shape[:3]
        self.n, self.rate_form = features.shape[3], net.form == "rate"
        self.recorded, self.trials = plan.recorded, features.shape[2]
        # what multiplies the sums that the units receive
        self.left = rollouts.rate * (slopes if self.rate_form else np.ones_like(slopes))
        self.sweeps = Sweeps(
            tableau=rollouts.tableau,
            h=plan.dt,
            rate=rollouts.rate,
            outer=(p[0] * self.left)[:, :, :, None, :],
            inner=None if self.rate_form else slopes[:, :, :, None, :],
            weights=rollouts.weights,
            record_every=plan.record_every,
        )
        self.blocks = _blocks(rollouts, p, features.reshape(-1, self.n), self.points, inputs)
        sizes = [where.stop - where.start for where in self._parts(rollouts.packing)]
        self.ends = np.cumsum([0, *sizes]).tolist()

    @staticmethod
    def _parts(packing: Packing) -> list[slice]:
        slices = list(packing.slices.values())
        leaves = slices[: len(packing.shapes)]
        if len(slices) > len(leaves):
            leaves.append(slice(slices[len(leaves)].start, slices[-1].stop))
        return leaves

    def forward(self, columns: Array) -> Array:
        """Return J times columns (P, r), shape (r, B, T, n)."""
        r = columns.shape[1]
        sums = np.zeros((int(np.prod(self.points)), r, self.n))
        for block, a, b in zip(self.blocks, self.ends[:-1], self.ends[1:], strict=True):
            sums += block.push(columns[a:b])
        force = sums.reshape(*self.points, r, self.n)
        force *= self.left[:, :, :, None, :]
        return self._recorded(lambda t: force[t], r)

    def _recorded(self, forcing: Any, r: int) -> Array:
        return self.sweeps.forward(forcing, r).transpose(2, 1, 0, 3)

    def backward(self, rows: Array) -> Array:
        """Return J^T times rows (r, B, T, n), shape (P, r)."""
        r = len(rows)
        received = self.sweeps.backward(rows.transpose(2, 1, 0, 3))
        received *= self.left[:, :, :, None, :]
        sums = received.reshape(-1, r, self.n)
        return np.concatenate([block.pull(sums) for block in self.blocks])

    # ---------------------------------------------------------------- fewer columns with the same kernel

    @functools.cached_property
    def factors(self) -> tuple[Array, list[Array], list[Array]]:
        """Return factors of the immediate kernel.

        Features (E, r) that all units see, those (E, r_i) of each unit alone, and explicit sums (E, n, m).
        """
        shared = [np.asarray(b.coefficient) * b.features for b in self.blocks if isinstance(b, Outer) and b.shared]
        own = [b for b in self.blocks if isinstance(b, Outer) and not b.shared]
        E = int(np.prod(self.points))
        common = reduced_features(np.concatenate(shared, axis=1)) if shared else np.zeros((E, 0))
        of_units = []
        if own:
            for i in range(self.n):
                seen = np.concatenate([block.of_unit(i) for block in own], axis=1)
                of_units.append(reduced_features(seen) if seen.shape[1] > E else seen)
        explicit = []
        for block in self.blocks:
            if isinstance(block, Columns):
                explicit.append(block.values)
            elif isinstance(block, RightFactor):
                coefficient = np.broadcast_to(np.asarray(block.coefficient), block.U.shape)
                for k in range(block.U.shape[1]):
                    seen = reduced_features(coefficient[:, k] * block.features)
                    explicit.append(seen[:, None, :] * block.U[:, k][None, :, None])
        return common, of_units, explicit

    @property
    def most_columns(self) -> int:
        """The largest number of columns of :meth:`reduced`, known without the factors."""
        return most_columns(self.blocks, self.n, int(np.prod(self.points)))

    @property
    def reduced_columns(self) -> int:
        """Number of columns of :meth:`reduced`."""
        common, of_units, explicit = self.factors
        return self.n * common.shape[1] + sum(f.shape[1] for f in of_units) + sum(e.shape[2] for e in explicit)

    def reduced(self) -> Array:
        """Return columns (M, B, T, n) with the Gram matrix ``J J^T``, by ``S_{n+1} = A_n S_n + F_n``."""
        common, of_units, explicit = self.factors
        n, M = self.n, self.reduced_columns
        diagonal = [np.repeat(common[:, None, :], n, axis=1)] if common.shape[1] else []  # (E, n, r)
        first = sum(d.shape[1] * d.shape[2] for d in diagonal)
        shaped = [d.reshape(*self.points, *d.shape[1:]) for d in diagonal]
        own = [f.reshape(*self.points, -1) for f in of_units]
        given = [e.reshape(*self.points, *e.shape[1:]) for e in explicit]
        units = np.arange(n)

        def forcing(t: int) -> list[Array]:
            stages = []
            for i in range(self.points[1]):
                force = np.zeros((self.trials, M, n))
                for d in shaped:
                    block = force[:, :first].reshape(self.trials, n, d.shape[-1], n)
                    block[:, units, :, units] = np.swapaxes(d[t, i], 0, 1) * self.left[t, i].T[:, :, None]
                at = first
                for unit, f in enumerate(own):
                    width = f.shape[-1]
                    force[:, at : at + width, unit] = f[t, i] * self.left[t, i, :, unit, None]
                    at += width
                for e in given:
                    width = e.shape[-1]
                    force[:, at : at + width] = np.swapaxes(e[t, i] * self.left[t, i, :, :, None], 1, 2)
                    at += width
                stages.append(force)
            return stages

        return self._recorded(forcing, M)


def most_columns(blocks: list[Block], n: int, E: int) -> int:
    """Return the largest number of reduced columns that the blocks have at E evaluation points of n units."""
    total, shared = 0, 0
    for block in blocks:
        if isinstance(block, Outer) and block.shared:
            shared += block.features.shape[1]
        elif isinstance(block, Outer):
            total += n * min(E, block.features.shape[1])
        elif isinstance(block, RightFactor):
            total += block.U.shape[1] * min(E, n)
        elif isinstance(block, Columns):
            total += block.values.shape[2]
    return total + n * min(E, shared)


def _blocks(
    rollouts: NetworkRollouts, p: Array, seen: Array, points: tuple[int, ...], inputs: Array | None
) -> list[Block]:
    """Return the block of each leaf in theta, and of the parameters, in the order of the vector."""
    net, theta = rollouts.network, rollouts.packing.theta
    n, gain = net.b.size, p[0]
    scale = dict(zip(theta.leaf_names, theta.leaf_scale, strict=True))
    blocks: list[Block] = []
    for name in theta.leaf_names:
        c = np.asarray(scale[name])
        if name == "W":
            blocks.append(_recurrent(net, gain * seen, c))
        elif name == "U":
            blocks.append(Outer(features=gain * (seen @ net.W.V), units=n, coefficient=c))
        elif name == "V":
            blocks.append(RightFactor(features=gain * seen, U=net.W.U, coefficient=c))
        elif name == "b":
            coefficient = c if c.ndim == 0 else c[:, None]
            blocks.append(Outer(features=np.ones((len(seen), 1)), units=n, coefficient=coefficient))
        else:
            blocks.append(Outer(features=_inputs(net, p, points, inputs), units=n, coefficient=c))
    if theta.params:
        matrix = np.eye(p.size) if rollouts.model.matrix is None else rollouts.model.matrix
        multiplied = rollouts.weights[0]
        by_gain = seen @ multiplied.T if len(rollouts.weights) == 1 else (seen @ net.W.V) @ net.W.U.T
        by_drive = np.broadcast_to(net.drives, (len(seen), *net.drives.shape))
        by_own = np.concatenate([by_gain[:, None], by_drive], axis=1)  # (E, M, n)
        chosen = matrix[:, list(theta.params)] * theta.param_scale
        blocks.append(Columns(values=np.swapaxes(by_own, 1, 2) @ chosen))
    return blocks


def _recurrent(net: RateRNN, features: Array, scale: Array) -> Outer:
    """Return the block of W: its entries act through the mask, the sign and, under Dale's law, where they are > 0."""
    n = net.b.size
    if isinstance(net.W, np.ndarray):
        if net.mask is None and net.sign is None:
            return Outer(features=features, units=n, coefficient=scale)
        coefficient = scale * np.ones((n, n))
        if net.sign is not None:
            coefficient = coefficient * net.sign * (net.W > 0.0)
        return Outer(
            features=features, units=n, coefficient=coefficient if net.mask is None else coefficient * net.mask
        )
    rows, columns, factor = sparse_pattern(net.W, net.mask, net.sign)
    coefficient = np.zeros((n, n))
    active = factor * scale if net.sign is None else factor * scale * (net.W.data > 0.0)
    coefficient[rows, columns] = active
    return Outer(features=features, units=n, coefficient=coefficient, entries=(rows, columns))


def _inputs(net: RateRNN, p: Array, points: tuple[int, ...], inputs: Array | None) -> Array:
    """Return the inputs (E, d) that W_in multiplies: the named ones and those of the steps."""
    steps, stages, trials = points
    d = net.W_in.shape[1] if net.W_in is not None else 0
    vectors = np.array(list(net.inputs.values())).reshape(len(net.inputs), d)
    u = np.broadcast_to(p[1:] @ vectors, (steps, stages, trials, d))
    if inputs is not None:
        u = u + np.swapaxes(inputs, 0, 1)[:, None]
    return u.reshape(-1, d)


@functools.lru_cache(maxsize=64)
def _simulator(phi: Any, rate_form: bool, tableau: Tableau) -> Any:
    """Return the compiled simulation: states after each step, features and slopes at each evaluation point."""
    import jax
    import jax.numpy as jnp

    def run(arguments: dict[str, Any]) -> dict[str, Any]:
        g, gain, rate = arguments["phi_gain"], arguments["gain"], arguments["rate"]

        def multiply(v: Any) -> Any:
            if len(arguments["weights"]) == 2:
                U, V = arguments["weights"]
                return (v @ V) @ U.T
            return v @ arguments["weights"][0].T

        def slope(z: Any) -> tuple[Any, Any]:
            return jax.jvp(phi, (z,), (jnp.ones_like(z),))

        def f(z: Any, drive: Any) -> Any:
            a = phi(g * (gain * multiply(z) + drive)) if rate_form else gain * multiply(phi(g * z)) + drive
            return rate * (a - z)

        def one(z: Any, drive: Any) -> tuple[Any, Any]:
            z, arguments_of_f = tableau.step(lambda y: f(y, drive), z, arguments["h"])
            return z, (z, jnp.stack(arguments_of_f))

        _, (states, where) = jax.lax.scan(one, arguments["initial"], arguments["drive"])
        if rate_form:
            _, s = slope(g * (gain * multiply(where) + arguments["drive"][:, None]))
            return {"states": states, "features": where, "slopes": g * s}
        features, s = slope(g * where)
        return {"states": states, "features": features, "slopes": g * s}

    return jax.jit(run)
