"""Models with trials and targets whose loss is written in plain JAX: the twin of what the learning report computes."""

from __future__ import annotations

import numpy as np

import ntkcont as nc
from ntkcont.jax_tools import configured_jax, x64


class Task:
    """A model with trials and targets; its loss in plain JAX, as a function of flat theta."""

    def __init__(self, model, trained, rng, *, trials=3, steps=20, dt=0.1, inputs=False, readout=None, mean=True):
        self.model, self.trained, self.steps = model, trained, steps
        self.dt = None if model.kind == "map" else dt
        self.initial = 0.5 * rng.standard_normal((trials, model.n))
        self.inputs = rng.standard_normal((trials, steps, model.W_in.shape[1])) if inputs else None
        self.C = np.eye(model.n) if readout is None else rng.standard_normal((readout, model.n))
        self.targets = rng.standard_normal((trials, steps, len(self.C)))
        self.mask = (rng.random((trials, steps)) < 0.7).astype(float)
        self.weights = self.mask / (trials * steps if mean else 1.0)
        horizon = steps if self.dt is None else steps * dt
        self.kernel = nc.ntk.StateNTK(
            kernel="trajectory", theta=trained, theta_scale="none", state_scale="none", initial_states=self.initial,
            T=horizon, dt=self.dt, inputs=self.inputs, readout=None if readout is None else self.C,
            loss_mask=self.mask, weights="mean" if mean else "none",
        )  # fmt: skip
        values = {name: np.asarray(model.params.get(name, 0.0)) for name in trained if name in model.params}
        self.start = values | {name: leaf for name, leaf in (model.theta or {}).items() if name in trained}

    def states(self, moved):
        """All trials with parts of theta by name."""
        import jax
        import jax.numpy as jnp

        model, h = self.model, self.dt
        theta = {**(model.theta or {}), **{k: v for k, v in moved.items() if k in (model.theta or {})}}
        p = jnp.stack([jnp.asarray(moved.get(name, value)) for name, value in model.params.items()])

        def f(z, u):
            with_input = theta if u is None else {**theta, "b": theta["b"] + theta["W_in"] @ u}
            return model.jax_rhs(z, p, with_input)

        def step(z, u):
            if h is None:
                z = f(z, u)
            else:
                k1 = f(z, u)
                k2 = f(z + h / 2 * k1, u)
                k3 = f(z + h / 2 * k2, u)
                z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(z + h * k3, u))
            return z, z

        if self.inputs is None:
            return jax.vmap(lambda z: jax.lax.scan(step, z, None, length=self.steps)[1])(self.initial)
        return jax.vmap(lambda z, u: jax.lax.scan(step, z, u)[1])(self.initial, self.inputs)

    def loss(self, moved):
        residual = self.states(moved) @ self.C.T - self.targets
        return 0.5 * (self.weights[:, :, None] * residual**2).sum()

    def derivative(self):
        """Rows of J with the roots of the weights, and the residual."""
        jax = configured_jax()
        with x64():
            J = jax.jacfwd(lambda moved: self.states(moved) @ self.C.T)(self.start)
            residual = np.asarray(self.states(self.start) @ self.C.T - self.targets)
        root = np.sqrt(self.weights)[:, :, None]
        columns = [np.asarray(J[name]).reshape(*residual.shape, -1) for name in self.start]
        J = root[..., None] * np.concatenate(columns, axis=-1)
        return J.reshape(residual.size, -1), (root * residual).reshape(-1)

    def gradient(self):
        with x64():
            found = configured_jax().grad(self.loss)({k: np.asarray(v, float) for k, v in self.start.items()})
            return float(self.loss(self.start)), {k: np.asarray(v) for k, v in found.items()}


def network(rng, n=5, **options):
    return nc.RateRNN(
        rng.standard_normal((n, n)) / np.sqrt(n), b=0.2 * rng.standard_normal(n), W_in=rng.standard_normal((n, 2)),
        **options,
    )  # fmt: skip


def pytree(rng):
    import jax.numpy as jnp

    def f(x, p, theta):
        return 0.7 * x + 0.3 * jnp.tanh(p["g"] * theta["A"] @ x + theta["c"]) * theta["s"]

    theta = {"A": rng.standard_normal((4, 4)), "c": rng.standard_normal(4), "s": np.array(0.8)}
    return nc.Model.from_jax(f, states=4, params={"g": 1.2}, theta=theta, kind="map")


OSCILLATOR = nc.Model.from_equations(
    {"x": "mu*x - om*y - x*(x**2 + y**2) + h", "y": "om*x + mu*y - y*(x**2 + y**2)"}, {"mu": 0.2, "om": 1.3, "h": 0.1}
)
CASES = {
    "map with inputs and readout": lambda rng: Task(
        network(rng, alpha=0.4), ["W", "W_in", "b"], rng, inputs=True, readout=2
    ),
    "flow in rate form": lambda rng: Task(network(rng, form="rate", tau=0.5), ["W", "b"], rng, mean=False),
    "equations": lambda rng: Task(OSCILLATOR, ["mu", "om", "h"], rng),
    "pytree and a parameter": lambda rng: Task(pytree(rng), ["A", "c", "s", "g"], rng, readout=3),
}


def task_of(name):
    return CASES[name](np.random.default_rng(3))
