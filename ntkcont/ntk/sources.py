"""Jacobian and source term of any model with a JAX twin: A = D_z f and a factor F with the Gram matrix of D_theta f.

Every kernel of this package needs D_theta f only through inner products over theta, so the P columns are replaced by
at most B n of them with the same Gram matrix (B conditions, n states): by a QR factorisation, or, where the columns
would not fit, from the Gram matrix itself.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from ntkcont.jax_tools import configured_jax
from ntkcont.models.jax_twin import joined_twin, split_twin
from ntkcont.models.model import Model
from ntkcont.ntk.theta import Theta

# a dense D_theta f beyond this is replaced by products with it
DENSE_BYTES = 64 * 1024 * 1024
# columns beyond B n that cost less than their removal
_SPARE = 16


class Linear(NamedTuple):
    """The system linearised at one point, under B conditions.

    ``A`` (B, n, n) is the Jacobian of the right-hand side or of the map, ``F`` (B, n, m) a factor of the source term
    whose columns are shared by the conditions, or its Gram matrix; ``fp`` (B, n) the derivative in the free parameter.
    """

    A: Any
    F: Any
    fp: Any


class Source(NamedTuple):
    """How to linearise a model.

    ``linearise(x, values, direction, arguments)`` takes the states (B, n), the parameter values (B, m) and the
    direction (m,) of the free parameter, and returns a :class:`Linear`, whose F has `columns` columns; `gram` says
    that it is a Gram matrix.
    """

    linearise: Any
    arguments: Any
    columns: int
    gram: bool = False

    def factor(self, xp: Any, F: Any) -> Any:
        """Return source terms (K, B, n, some B n) from what ``linearise`` gave at K points."""
        count, conditions, n, m = F.shape
        rows = conditions * n
        if self.gram:
            Q = F.reshape(count, rows, rows)
            e, q = xp.linalg.eigh((Q + xp.swapaxes(Q, 1, 2)) / 2)
            return (q * xp.sqrt(xp.maximum(e, 0.0))[:, None, :]).reshape(F.shape)
        if m <= rows + _SPARE:
            return F
        r = xp.linalg.qr(xp.swapaxes(F.reshape(count, rows, m), 1, 2), mode="r")
        return xp.swapaxes(r, 1, 2).reshape(count, conditions, n, rows)


def generic_source(model: Model, theta: Theta, conditions: int) -> Source:
    """Return the linearisation of a model by automatic differentiation."""
    jax = configured_jax()
    leaves, structure = jax.tree_util.tree_flatten(model.theta)
    dense = theta.size * model.n * conditions * 8 <= DENSE_BYTES
    twin, numbers = split_twin(model.jax_function)
    function = _generic(twin, structure, theta.leaves, theta.params, dense)
    arguments = {
        "numbers": numbers,
        "leaves": tuple(leaves),
        "offset": model.offset,
        "matrix": model.matrix,
        "param_scale": theta.param_scale,
        "leaf_scale": theta.leaf_scale,
    }
    if dense or not theta.leaves:
        return Source(function, arguments, theta.size)
    return Source(function, arguments, conditions * model.n, gram=True)


@functools.lru_cache(maxsize=64)
def _generic(twin: Any, structure: Any, leaf_index: tuple[int, ...], param_index: tuple[int, ...], dense: bool) -> Any:
    import jax
    import jax.numpy as jnp

    def linearise(x: Any, values: Any, direction: Any, arguments: dict[str, Any]) -> Linear:
        n_cond, n = x.shape
        offset, matrix = arguments["offset"], arguments["matrix"]
        rhs = joined_twin(twin, arguments["numbers"])

        def compiled(v: Any) -> Any:
            return v if matrix is None else (0.0 if offset is None else offset) + matrix @ v

        def f(z: Any, v: Any, chosen: Any) -> Any:
            leaves = list(arguments["leaves"])
            for i, leaf in zip(leaf_index, chosen, strict=True):
                leaves[i] = leaf
            return rhs(z, compiled(v), jax.tree_util.tree_unflatten(structure, leaves))

        chosen = [jnp.asarray(arguments["leaves"][i]) for i in leaf_index]
        jacobian = jax.vmap(lambda z, v: jax.jacfwd(f)(z, v, chosen))(x, values)
        units = jnp.zeros((len(param_index), values.shape[1]))
        units = units.at[jnp.arange(len(param_index)), jnp.asarray(param_index, int)].set(arguments["param_scale"])
        directions = jnp.concatenate([direction[None], units])

        def in_params(
            z: Any, v: Any
        ) -> Any:  # the free one and the trained ones traced together: tracing takes longest
            return jax.vmap(lambda u: jax.jvp(lambda q: f(z, q, chosen), (v,), (u,))[1], out_axes=1)(directions)

        moved = jax.vmap(in_params)(x, values)
        fp = moved[:, :, 0]
        columns = [moved[:, :, 1:]] if param_index else []
        if leaf_index:

            def scaled(moved: Any) -> Any:  # theta in units of its scale, all conditions at once
                actual = [c + s * m for c, s, m in zip(chosen, arguments["leaf_scale"], moved, strict=True)]
                return jax.vmap(lambda z, v: f(z, v, actual))(x, values)

            zero = [jnp.zeros_like(c) for c in chosen]
            if dense:
                blocks = jax.jacrev(scaled)(zero)
                columns += [block.reshape(n_cond, n, -1) for block in blocks]
            else:
                _, pull = jax.vjp(scaled, zero)
                unit = jnp.eye(n_cond * n).reshape(-1, n_cond, n)
                gram = jax.lax.map(lambda e: jax.jvp(scaled, (zero,), pull(e))[1].reshape(-1), unit)
                if columns:
                    few = columns[0].reshape(n_cond * n, -1)
                    gram = gram + few @ few.T
                return Linear(jacobian, gram.reshape(n_cond, n, n_cond * n), fp)
        return Linear(jacobian, jnp.concatenate(columns, axis=2), fp)

    return linearise
