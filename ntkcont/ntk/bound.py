"""A kernel bound to a model: what the continuation calls at accepted and at special points."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.jax_tools import device
from ntkcont.models.model import Model
from ntkcont.ntk import network, sources
from ntkcont.ntk.backends import SMALL
from ntkcont.ntk.chunks import blas_threads, evaluate_points, linearised
from ntkcont.ntk.conditions import ConditionSolver, overridden
from ntkcont.ntk.exponents import SINGULAR, growth, record
from ntkcont.ntk.magnitudes import Magnitudes
from ntkcont.ntk.rank_one import warn_of_rank_one
from ntkcont.ntk.special import special_signatures
from ntkcont.ntk.theta import needs_magnitudes, resolve_state_scale, resolve_theta

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK

Array = NDArray[np.float64]


class BoundNTK:
    """A :class:`~ntkcont.ntk.StateNTK` for one model, one free parameter and fixed scales; made by its ``bind``.

    With conditions it remembers their last equilibria, from which the next point starts; evaluate points in order.
    """

    def __init__(
        self,
        settings: StateNTK,
        model: Model,
        free: str | None,
        params: Mapping[str, float],
        magnitudes: Magnitudes | None = None,
    ) -> None:
        if free is not None and free not in model.params:
            raise unknown_name(argument="free", got=free, allowed=model.params)
        self.settings, self.model, self.free = settings, model, free
        self.values = model.values(params)
        self.readout = None if settings.readout is None else np.asarray(settings.readout)
        if self.readout is not None and self.readout.shape[1] != model.n:
            msg = (
                f"readout: shape {self.readout.shape} was given; the model has {model.n} states, so give (q, {model.n})"
            )
            raise InputError(msg)
        names = list(model.params)
        self.index = None if free is None else names.index(free)
        self.direction = np.zeros(len(names))
        if self.index is not None:
            self.direction[self.index] = 1.0
        self.device = device(settings.device)
        self._measure(magnitudes)
        self.solver = None if settings.conditions is None else ConditionSolver(model, settings.conditions)
        #: Whether the scales are those of the finished branch: see :meth:`placed`.
        self.awaits_points = magnitudes is None and needs_magnitudes(settings, self.theta, free)
        self.rank_checked = False

    def _measure(self, magnitudes: Magnitudes | None) -> None:
        """Set the scales, and what depends on them; without magnitudes "relative" is 1 for what is not known yet."""
        model, settings, free = self.model, self.settings, self.free
        if magnitudes is None:
            sizes = dict(zip(model.params, np.abs(self.values).tolist(), strict=True))
            if free is not None:
                sizes[free] = 1.0
            magnitudes = Magnitudes(states=np.ones(model.n), params=sizes)
        self.magnitudes = magnitudes
        self.units = resolve_state_scale(settings.state_scale, model, free, magnitudes)
        self.state_scale, self.param_scale = self.units.states, self.units.free
        set_by_conditions = overridden(settings.conditions, model)
        self.theta = resolve_theta(
            settings.theta,
            settings.theta_scale,
            model,
            free=free,
            overridden=set_by_conditions,
            magnitude=magnitudes.params,
        )
        stacked = 1 if settings.conditions is None else len(settings.conditions)
        if (structured := network.network_of(model)) is not None:
            self.source = network.network_source(structured, model, self.theta, stacked)
        else:
            self.source = sources.generic_source(model, self.theta, stacked)

    def placed(self, x: ArrayLike, p: ArrayLike, tangent: ArrayLike) -> BoundNTK:
        """Return the evaluator with the scales of a finished branch.

        Parameters
        ----------
        x, p, tangent : array_like, shapes (K, n), (K,) and (K, n+1)
            All its points, in order.
        """
        params = dict(zip(self.model.params, self.values.tolist(), strict=True))
        points = (np.asarray(a, dtype=float) for a in (x, p, tangent))
        return self.measured(Magnitudes.along(self.model, str(self.free), params, *points))

    def measured(self, magnitudes: Magnitudes) -> BoundNTK:
        """Return the evaluator with these magnitudes."""
        other = copy.copy(self)
        if self.awaits_points:
            other._measure(magnitudes)
            other.awaits_points = False
        else:
            other.magnitudes = magnitudes  # the scales are numbers
        return other

    def with_kernel(self, kernel: str) -> BoundNTK:
        """Return the same evaluator of another kernel."""
        if kernel == self.settings.kernel:
            return self
        other = copy.copy(self)
        other.settings = dataclasses.replace(self.settings, kernel=kernel)
        return other

    # ---------------------------------------------------------------- the protocol of the continuation

    @property
    def metadata(self) -> dict[str, Any]:
        """What the numbers depend on: kernel, theta, scales, conditions; goes to the provenance."""
        return {
            "kernel": self.settings.kernel,
            "theta": list(self.theta.names),
            "theta_size": self.theta.size,
            "theta_scale": self.theta.described,
            "theta_param_scale": dict(zip(self.theta.param_names, self.theta.param_scale.tolist(), strict=True)),
            "theta_leaf_scale": {
                name: float(scale) if scale.ndim == 0 else "array"
                for name, scale in zip(self.theta.leaf_names, self.theta.leaf_scale, strict=True)
            },
            "state_scale": self._state_scale(),
            "state_scale_given": self.units.given,
            "param_scale": self.param_scale,
            "free": self.free,
            "free_in_theta": self.free in self.theta.names,
            "initial_state_in_theta": False,
            "conditions": [dict(c) for c in self.settings.conditions or ()],
            "readout": self.readout is not None,
            "arclength_metric": "sum of squares of scaled states and of the scaled free parameter",
            "k": int(self.settings.k),
        }

    def _state_scale(self) -> Any:
        """Return the unit of each state by name; "none" where all are 1, "relative" where they are not known yet."""
        if self.awaits_points and self.units.given == "relative":
            return "relative"
        if np.all(self.state_scale == 1.0):
            return "none"
        return dict(zip(self.model.states, self.state_scale.tolist(), strict=True))

    @property
    def takes_vectors(self) -> bool:
        """Whether :meth:`evaluate` makes use of eigenvectors: those of the branch do not belong to conditions."""
        return self.solver is None and self.model.n > SMALL and self.device.platform == "cpu"

    @property
    def beside_steps(self) -> bool:
        """Whether :meth:`evaluate` is worth a thread of its own: small systems spend their time in Python."""
        return self.model.n > SMALL

    def evaluate(
        self,
        x: ArrayLike,
        p: ArrayLike,
        tangent: ArrayLike | None = None,
        eigenvalues: ArrayLike | None = None,
        vectors: Array | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the signatures at K points of a branch.

        Parameters
        ----------
        x, p : array_like, shapes (K, n) and (K,)
            States and values of the free parameter.
        tangent : array_like, shape (K, n+1), optional
            Direction of the branch in original units.
        eigenvalues : array_like of complex, shape (K, n), optional
            Of the Jacobian; rows with nan are computed.
        vectors : array, shape (K, 8, n+1), optional
            Of the two critical eigenvalues, as the stepping kernel leaves them; what is missing is computed.
        """
        states = np.atleast_2d(np.asarray(x, dtype=float))
        values = np.repeat(self.values[None], len(states), axis=0)
        if self.index is not None:
            values[:, self.index] = p
        return self.evaluate_values(
            states,
            values,
            None if tangent is None else np.asarray(tangent, dtype=float),
            None if eigenvalues is None else np.asarray(eigenvalues, dtype=complex),
            vectors,
        )

    def evaluate_values(
        self,
        x: Array,
        values: Array,
        tangent: Array | None,
        eigenvalues: NDArray[np.complex128] | None,
        vectors: Array | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the signatures at states (K, n) with all parameter values (K, m)."""
        if not self.rank_checked:
            self.rank_checked = True
            warn_of_rank_one(self, x[0], values[0])
        if self.solver is None:
            states, rows = x[:, None, :], values[:, None, :]
        else:
            tangent = eigenvalues = vectors = None  # those of the branch, not of the conditions
            found = [self.solver.solve(z, v) for z, v in zip(x, values, strict=True)]
            states, rows = np.array([f[0] for f in found]), np.array([f[1] for f in found])
        return evaluate_points(
            self.source,
            x=states,
            values=rows,
            direction=self.direction,
            tangent=tangent,
            eigenvalues=eigenvalues,
            vectors=vectors,
            state_scale=self.state_scale,
            param_scale=self.param_scale,
            readout=self.readout,
            kernel=self.settings.kernel,
            k=int(self.settings.k),
            is_map=self.model.kind == "map",
            device=self.device,
        )

    def at_special(
        self,
        label: str,
        x: ArrayLike,
        p: float,
        tangent: ArrayLike | None = None,
        omega: float | None = None,
    ) -> dict[str, Any]:
        """Return the signatures at a special point, with the regular factors ``XF``, ``wF``, ``g``, ``v`` there."""
        x = np.asarray(x, dtype=float)
        arrays = self.evaluate(x[None], np.array([p]), None if tangent is None else np.atleast_2d(tangent))
        row = {name: a[0] for name, a in arrays.items()}
        values = self.values.copy()
        if self.index is not None:
            values[self.index] = p
        # at one point the source has its own columns, whatever the conditions
        A, F, _ = linearised(
            self.source, x[None], values[None], self.direction, self.state_scale, self.param_scale, self.device
        )
        with blas_threads(self.model.n):
            found = special_signatures(
                row,
                label=label,
                A=A[0],
                F=F[0],
                omega=omega,
                is_map=self.model.kind == "map",
                readout=None if self.readout is None else self.readout * self.state_scale,
                kernel=self.settings.kernel,
                stacked=self.solver is not None,
            )
        if self.settings.exponents and label in SINGULAR and tangent is not None and self.free is not None:
            found |= record(growth(self, label, x, p, tangent, omega))
        return found
