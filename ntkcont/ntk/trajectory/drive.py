"""The direction in theta that pushes a fixed point along its critical vector: ``F* w``, a vector like theta."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.jax_tools import configured_jax, x64

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK
    from ntkcont.ntk.trajectory.linearised import Trajectories


def drive(found: Trajectories, base: BoundNTK, w: NDArray[Any]) -> NDArray[Any]:
    """Return ``F* w`` (P,) at the fixed point, theta in its units, for w (n,) in scaled states."""
    packing, model = found.packing, found.model
    jax = configured_jax()
    leaves, structure = jax.tree_util.tree_flatten(model.theta)
    function = _pulled(model.jax_function, structure, packing.theta.leaves, model.matrix is not None)
    arguments = {
        "x": found.x,
        "values": np.array(list(found.params.values())),
        "leaves": tuple(np.asarray(leaf) for leaf in leaves),
        "offset": np.zeros(1) if model.offset is None else model.offset,
        "matrix": np.eye(1) if model.matrix is None else model.matrix,
    }
    covector = np.asarray(w) / base.state_scale
    columns = []
    with x64(), jax.default_device(base.device):
        for part in (covector.real, covector.imag):
            by_leaf, by_value = function(arguments, part)
            pieces = [np.asarray(a).reshape(-1) for a in by_leaf]
            columns.append(np.concatenate([*pieces, np.asarray(by_value)[list(packing.theta.params)]]) * packing.scale)
    return columns[0] if not np.iscomplexobj(w) else columns[0] + 1j * columns[1]


@functools.lru_cache(maxsize=64)
def _pulled(rhs: Any, structure: Any, leaf_index: tuple[int, ...], derived: bool) -> Any:
    import jax

    def run(arguments: dict[str, Any], w: Any) -> Any:
        def f(chosen: list[Any], values: Any) -> Any:
            leaves = list(arguments["leaves"])
            for i, leaf in zip(leaf_index, chosen, strict=True):
                leaves[i] = leaf
            p = arguments["offset"] + arguments["matrix"] @ values if derived else values
            return rhs(arguments["x"], p, jax.tree_util.tree_unflatten(structure, leaves))

        chosen = [arguments["leaves"][i] for i in leaf_index]
        return jax.vjp(f, chosen, arguments["values"])[1](w)

    return jax.jit(run)
