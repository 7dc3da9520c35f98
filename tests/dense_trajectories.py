"""Trajectories and their derivative by jax.jacfwd: the slow and plain twin of what the kernel of trajectories does."""

from __future__ import annotations

import types

import numpy as np

from ntkcont.jax_tools import configured_jax, x64


class Dense:
    """Trials of a model with the full derivative J in flat theta: chosen leaves in order, then chosen parameters."""

    readout = None

    def __init__(self, model, theta, initial, *, values, steps, dt=1.0, record_every=1, integrator="rk4", weight=1.0):
        jax = configured_jax()
        import jax.numpy as jnp

        leaves, structure = jax.tree_util.tree_flatten(model.theta)
        chosen = [leaves[i] for i in theta.leaves]
        sizes = [leaf.size for leaf in chosen]
        flat = np.concatenate([*(np.ravel(leaf) for leaf in chosen), values[list(theta.params)]])

        def run(flat):
            parts = jnp.split(flat, np.cumsum(sizes)) if sizes else [flat]
            own = list(leaves)
            for i, part in zip(theta.leaves, parts[:-1], strict=True):
                own[i] = part.reshape(leaves[i].shape)
            p = jnp.asarray(values).at[jnp.array(theta.params, dtype=int)].set(parts[-1])
            weights = jax.tree_util.tree_unflatten(structure, own)

            def f(z):
                return model.jax_rhs(z, p, weights)

            def step(z, _):
                if model.kind == "map":
                    z = f(z)
                elif integrator == "euler":
                    z = z + dt * f(z)
                else:
                    k1 = f(z)
                    k2 = f(z + dt / 2 * k1)
                    k3 = f(z + dt / 2 * k2)
                    z = z + dt / 6 * (k1 + 2 * k2 + 2 * k3 + f(z + dt * k3))
                return z, z

            def trial(z):
                return jax.lax.scan(step, z, None, length=steps)[1][record_every - 1 :: record_every]

            return jax.vmap(trial)(jnp.asarray(initial))

        with x64():
            self.states = np.asarray(jax.jit(run)(flat))
            J = np.asarray(jax.jit(jax.jacfwd(run))(flat))
        self.J = np.sqrt(weight) * J.reshape(-1, flat.size)
        self.initial = np.asarray(initial, dtype=float)
        self.weights = np.full(self.states.shape[:2], weight)
        self.out = np.eye(model.n)
        self.state_scale = np.ones(model.n)
        self.plan = types.SimpleNamespace(
            steps=steps, dt=dt, record_every=record_every, integrator=integrator, inputs=None
        )
        self.size = self.most_columns = flat.size

    def jvp(self, columns):
        return self.J @ columns

    def vjp(self, rows):
        return self.J.T @ rows

    def reduced(self):
        return self.J.T
