"""Trajectories of any model with a JAX twin, and their derivative in theta by automatic differentiation."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax, x64
from ntkcont.models.jax_twin import joined_twin, split_twin
from ntkcont.models.model import Model
from ntkcont.ntk.trajectory.integrators import stepper
from ntkcont.ntk.trajectory.packing import Packing
from ntkcont.ntk.trajectory.plan import Plan

Array = NDArray[np.float64]

#: A state beyond this counts as blown up: its square is still a number.
LARGEST = 1e100
# columns that are differentiated together; padded to one of these, so that few shapes are compiled
_WIDTHS = (1, 4, 16, 64)


class Simulated(NamedTuple):
    """Recorded states (B, T, n), and how many steps each trial made before it blew up (B,), all of them if not."""

    states: Array
    survived: NDArray[np.int64]


class Rollouts:
    """The trials of one plan for one model: simulated, and differentiated along columns of theta.

    Parameters
    ----------
    model, packing, plan : Model, Packing, Plan
        What is simulated, and what is trained.
    device : jax.Device
        Where.
    """

    def __init__(self, model: Model, packing: Packing, plan: Plan, device: Any) -> None:
        jax = configured_jax()
        leaves, structure = jax.tree_util.tree_flatten(model.theta)
        theta = packing.theta
        self.device, self.model, self.packing, self.plan = device, model, packing, plan
        integrator = plan.integrator if isinstance(plan.integrator, str) else _Same(plan.integrator)
        twin, numbers = split_twin(model.jax_function)
        self._functions = _functions(
            twin, structure, theta.leaves, theta.params, packing.shapes, integrator,
            model.kind == "map", plan.recorded, plan.record_every, model.matrix is not None,
        )  # fmt: skip
        with x64(), jax.default_device(device):
            self._arguments = jax.device_put(
                {
                    "numbers": numbers,
                    "leaves": tuple(np.asarray(leaf) for leaf in leaves),
                    "scale": packing.scale,
                    "offset": np.zeros(1) if model.offset is None else model.offset,
                    "matrix": np.eye(1) if model.matrix is None else model.matrix,
                    "h": plan.dt,
                },
                device,
            )

    def _at(self, initial: Array, values: Array, inputs: Array | None) -> dict[str, Any]:
        u = None if inputs is None else inputs.reshape(len(inputs), self.plan.recorded, -1, inputs.shape[2])
        return {**self._arguments, "initial": initial, "values": values, "inputs": u}

    def simulate(self, initial: Array, values: Array, inputs: Array | None) -> Simulated:
        """Return the trials that start at `initial` (B, n), with parameter values (m,) and inputs (B, steps, d)."""
        with x64(), configured_jax().default_device(self.device):
            states, survived = self._functions.simulate(self._at(initial, values, inputs))
            return Simulated(np.array(states), np.array(survived))

    def held(self, trials: int) -> tuple[int, str]:
        """Return how many bytes the simulation of these trials takes, and of what."""
        plan, n = self.plan, self.model.n
        # the recorded states twice, since one copy leaves JAX
        return 16 * trials * plan.recorded * n, f"{trials} trials x {plan.recorded} recorded times x {n} states"

    def most_columns(self, _trials: int) -> int:
        """Return the number of columns of J, whatever the number of trials."""
        return self.packing.size

    def linearised(self, initial: Array, values: Array, inputs: Array | None) -> Linearised:
        """Return the derivative of the trials in theta."""
        return Linearised(self, self._at(initial, values, inputs))


class Linearised:
    """``J`` and ``J^T`` of the recorded states (B, T, n), without weights, theta in its units."""

    structured = False

    def __init__(self, rollouts: Rollouts, arguments: dict[str, Any]) -> None:
        self._rollouts, self._arguments = rollouts, arguments

    def forward(self, columns: Array) -> Array:
        """Return J times columns (P, r), shape (r, B, T, n)."""
        return self._chunks(self._rollouts._functions.jvp, columns.T)

    def backward(self, rows: Array) -> Array:
        """Return J^T times rows (r, B, T, n), shape (P, r)."""
        return self._chunks(self._rollouts._functions.vjp, rows).T

    @property
    def most_columns(self) -> int:
        """The number of columns of J."""
        return self._rollouts.packing.size

    def reduced(self) -> None:
        """Return None: nothing is known of the structure."""
        return

    def _chunks(self, function: Any, arrays: Array) -> Array:
        count = len(arrays)
        width = next((w for w in _WIDTHS if w >= count), _WIDTHS[-1])
        parts = []
        with x64(), configured_jax().default_device(self._rollouts.device):
            for start in range(0, count, width):
                part = arrays[start : start + width]
                used = len(part)
                if used < width:
                    part = np.concatenate([part, np.zeros((width - used, *part.shape[1:]))])
                parts.append(np.array(function(self._arguments, part))[:used])
        return np.concatenate(parts)


class _Same:
    """Holds an object that is compared by identity: a key of the cache below."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class _Functions(NamedTuple):
    simulate: Any
    jvp: Any
    vjp: Any


@functools.lru_cache(maxsize=64)
def _functions(
    twin: Any, structure: Any, leaf_index: tuple[int, ...], param_index: tuple[int, ...],
    shapes: tuple[tuple[int, ...], ...], integrator: Any, is_map: bool, recorded: int, every: int, derived: bool,
) -> _Functions:  # fmt: skip
    """Return the compiled functions; what they close over is structure, all numbers are arguments."""
    import jax
    import jax.numpy as jnp

    step = stepper(integrator.value if isinstance(integrator, _Same) else integrator, is_map)
    sizes = np.cumsum([0, *[int(np.prod(shape)) for shape in shapes]]).tolist()

    def moved_theta(moved: Any, arguments: dict[str, Any]) -> tuple[Any, Any]:
        """Return leaves and parameters with theta moved by a vector in its units."""
        move = moved * arguments["scale"]
        leaves, values = list(arguments["leaves"]), arguments["values"]
        for i, a, b, shape in zip(leaf_index, sizes[:-1], sizes[1:], shapes, strict=True):
            leaves[i] = leaves[i] + move[a:b].reshape(shape)
        if param_index:
            values = values.at[jnp.asarray(param_index)].add(move[sizes[-1] :])
        if derived:
            values = arguments["offset"] + arguments["matrix"] @ values
        return jax.tree_util.tree_unflatten(structure, leaves), values

    def advance(z: Any, u: Any, theta: Any, p: Any, arguments: dict[str, Any]) -> Any:
        rhs = joined_twin(twin, arguments["numbers"])
        return step(lambda y: rhs(y, p, theta) if u is None else rhs(y, p, theta, u), z, arguments["h"])

    def trial(z: Any, u: Any, theta: Any, p: Any, arguments: dict[str, Any]) -> Any:
        def one(y: Any, v: Any) -> tuple[Any, None]:
            return advance(y, v, theta, p, arguments), None

        def block(y: Any, v: Any) -> tuple[Any, Any]:
            y = jax.lax.scan(one, y, v, length=every)[0]
            return y, y

        return jax.lax.scan(block, z, u, length=recorded)[1]

    def all_trials(moved: Any, arguments: dict[str, Any]) -> Any:
        theta, p = moved_theta(moved, arguments)

        def run(z: Any, u: Any) -> Any:
            return trial(z, u, theta, p, arguments)

        return jax.vmap(run)(arguments["initial"], arguments["inputs"])

    @jax.jit
    def simulate(arguments: dict[str, Any]) -> tuple[Any, Any]:
        theta, p = moved_theta(jnp.zeros_like(arguments["scale"]), arguments)

        def one(carry: Any, v: Any) -> tuple[Any, None]:
            y, alive, count = carry
            y = advance(y, v, theta, p, arguments)
            alive = alive & jnp.all(jnp.abs(y) < LARGEST)
            return (y, alive, count + alive), None

        def block(carry: Any, v: Any) -> tuple[Any, Any]:
            carry = jax.lax.scan(one, carry, v, length=every)[0]
            return carry, carry[0]

        def run(z: Any, u: Any) -> tuple[Any, Any]:
            (_, _, count), states = jax.lax.scan(block, (z, jnp.array(True), jnp.array(0)), u, length=recorded)
            return states, count

        return jax.vmap(run)(arguments["initial"], arguments["inputs"])

    @jax.jit
    def jvp(arguments: dict[str, Any], columns: Any) -> Any:
        zero = jnp.zeros_like(arguments["scale"])
        return jax.vmap(lambda v: jax.jvp(lambda m: all_trials(m, arguments), (zero,), (v,))[1])(columns)

    @jax.jit
    def vjp(arguments: dict[str, Any], rows: Any) -> Any:
        zero = jnp.zeros_like(arguments["scale"])
        _, pull = jax.vjp(lambda m: all_trials(m, arguments), zero)
        return jax.vmap(lambda y: pull(y)[0])(rows)

    return _Functions(simulate, jvp, vjp)
