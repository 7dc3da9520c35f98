"""Second and third derivatives of an iterate of a map, by the chain rule along the orbit: k times those of one step.

With ``y <- G(y)`` k times, ``u_j`` the direction u carried to the j-th state of the orbit, ``D G`` and so on there,

``uv <- D^2 G(u, v) + D G uv``  and
``uvw <- D^3 G(u, v, w) + D^2 G(uv, w) + D^2 G(uw, v) + D^2 G(vw, u) + D G uvw``

from zero give the second and third derivatives of the iterate.  Differentiating the composed expression instead takes
a compilation whose length grows faster than k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.derivatives import Derivatives, Vector

At = Callable[[Any], Derivatives]


def one_step(model: Model) -> Model:
    """Return the map of which the model is an iterate, or the model itself."""
    return model if model.iterated is None else model.iterated[0]


def along_orbit(model: Model, p: Array, dp: Array, derivatives: At) -> At:
    """Return the derivatives of the model at a state from those of one step at a state.

    Parameters
    ----------
    model : Model
        An iterate of a map; the derivatives of any other model are its own.
    p, dp : ndarray, shape (M,)
        Compiled parameters at the point, and their derivative in the free parameter.
    derivatives : callable
        ``derivatives(x)`` are those of one step at the state x.
    """
    if model.iterated is None:
        return derivatives
    step, k = model.iterated
    both = np.concatenate([p, dp])

    def at(x: Any) -> Derivatives:
        n = len(x)
        states = [np.array(x, dtype=float)]
        jacobians = np.empty((k, n, n + 1))
        image, jac, column = np.empty(n), np.empty((n, n)), np.empty(n)
        for j in range(k):
            step.compiled.jac(jac, states[j], both, step.constants)
            step.compiled.dfdp(column, states[j], both, step.constants)
            jacobians[j, :, :n], jacobians[j, :, n] = jac, column
            step.compiled.rhs(image, states[j], both, step.constants)
            states.append(image.copy())
        return Iterated([derivatives(state) for state in states[:k]], jacobians)

    return at


class Iterated(Derivatives):
    """Derivatives of an iterate from those of its steps.

    Parameters
    ----------
    steps : sequence of k Derivatives
        Of one step, at the states of the orbit.
    jacobians : ndarray, shape (k, n, n+1)
        First derivatives of one step in (x, p) there.
    """

    def __init__(self, steps: Sequence[Derivatives], jacobians: Array) -> None:
        self.steps, self.jacobians = steps, jacobians

    def second(self, u: Vector, v: Vector) -> Vector:  # noqa: D102
        n = len(u) - 1
        uv = np.zeros(n)
        for step, jac in zip(self.steps, self.jacobians, strict=True):
            uv = step.second(u, v) + jac[:, :n] @ uv
            u, v = (np.append(jac @ each, each[n]) for each in (u, v))
        return uv

    def third(self, u: Vector, v: Vector, w: Vector) -> Vector:  # noqa: D102
        n = len(u) - 1
        uv = uw = vw = uvw = np.zeros(n + 1)
        for step, jac in zip(self.steps, self.jacobians, strict=True):
            curved = step.second(uv, w) + step.second(uw, v) + step.second(vw, u)
            uvw = np.append(step.third(u, v, w) + curved + jac[:, :n] @ uvw[:n], 0.0)
            uv = np.append(step.second(u, v) + jac[:, :n] @ uv[:n], 0.0)
            uw = np.append(step.second(u, w) + jac[:, :n] @ uw[:n], 0.0)
            vw = np.append(step.second(v, w) + jac[:, :n] @ vw[:n], 0.0)
            u, v, w = (np.append(jac @ each, each[n]) for each in (u, v, w))
        return uvw[:n]
