"""Trajectories of rate networks written down once more, plainly, with their derivative by jax.jacrev."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ntkcont.jax_tools import x64

PHI = {"tanh": jnp.tanh, "softplus": lambda a: jnp.log1p(jnp.exp(a)), "sigmoid": lambda a: 1 / (1 + jnp.exp(-a))}


def _weights(net, theta):
    if "U" in theta:
        W = theta["U"] @ theta["V"].T
        return W + jnp.diag(theta["D"]) if "D" in theta else W
    W = theta["W"]
    if W.ndim == 1:  # the nonzeros of a sparse array
        dense = np.zeros(net.W.shape)
        rows, columns = net.W.nonzero()
        W = jnp.asarray(dense).at[rows, columns].set(W)
    if net.sign is not None:
        W = net.sign * jnp.maximum(W, 0.0)
    return W if net.mask is None else W * net.mask


def _field(net, theta, z, u, params):
    gain = params["gain"]
    drive = theta["b"]
    if net.W_in is not None:
        constant = sum(params[name] * vector for name, vector in net.inputs.items())
        drive = drive + theta["W_in"] @ (constant + u)
    phi = PHI[net.phi]
    W = _weights(net, theta)
    if net.form == "rate":
        return phi(net.phi_gain * (gain * W @ z + drive))
    return gain * W @ phi(net.phi_gain * z) + drive


def _step(net, theta, z, u, params, dt, integrator):
    if net.alpha is not None:
        return (1 - net.alpha) * z + net.alpha * _field(net, theta, z, u, params)

    def f(y):
        return (_field(net, theta, y, u, params) - y) / net.tau

    if integrator == "euler":
        return z + dt * f(z)
    k1 = f(z)
    k2 = f(z + dt / 2 * k1)
    k3 = f(z + dt / 2 * k2)
    k4 = f(z + dt * k3)
    return z + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def states_and_jacobian(net, names, initial, steps, *, dt=1.0, integrator="rk4", inputs=None, params=None, every=1):
    """Recorded states (B, T, n), and their derivative in the named leaves and parameters, a dict of (B, T, n, ...)."""
    values = {**net.params, **(params or {})}
    chosen = {name: net.theta[name] if name in net.theta else np.float64(values[name]) for name in names}

    def rollout(moved):
        theta = {**net.theta, **{k: v for k, v in moved.items() if k in net.theta}}
        p = {**values, **{k: v for k, v in moved.items() if k in values}}

        def trial(z, drives):
            return jax.lax.scan(lambda y, u: 2 * (_step(net, theta, y, u, p, dt, integrator),), z, drives)[1]

        drives = np.zeros((len(initial), steps, 1)) if inputs is None else inputs
        return jax.vmap(trial)(jnp.asarray(initial), jnp.asarray(drives))[:, every - 1 :: every]

    with x64():
        chosen = {k: jnp.asarray(v) for k, v in chosen.items()}
        states, J = jax.jit(lambda moved: (rollout(moved), jax.jacrev(rollout)(moved)))(chosen)
        return np.array(states), {k: np.array(v) for k, v in J.items()}


def flat(J, names, scale=None):
    """The derivative (B T n, P), columns in the order of `names`, each times its scale."""
    shape = next(iter(J.values())).shape[:3]
    parts = []
    for name in names:
        block = J[name] * (1.0 if scale is None else scale.get(name, 1.0))
        parts.append(block.reshape(int(np.prod(shape)), -1))
    return np.concatenate(parts, axis=1)
