"""The trajectory kernel bound to a model: what the continuation calls at accepted and at special points."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.ntk.bound import BoundNTK
from ntkcont.ntk.channels import channel_signatures
from ntkcont.ntk.magnitudes import Magnitudes
from ntkcont.ntk.network import network_of
from ntkcont.ntk.rank_one import warn_of_one_parameter
from ntkcont.ntk.trajectory.beforehand import check_before
from ntkcont.ntk.trajectory.critical import fixed_point_signatures
from ntkcont.ntk.trajectory.linearised import Trajectories
from ntkcont.ntk.trajectory.network import NetworkRollouts
from ntkcont.ntk.trajectory.packing import packing_of
from ntkcont.ntk.trajectory.plan import read_plan
from ntkcont.ntk.trajectory.rollout import Rollouts
from ntkcont.ntk.trajectory.spectra import ESTIMATED, Way, choose, spectrum

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK

Array = NDArray[np.float64]


class BoundTrajectoryNTK:
    """A trajectory kernel for one model, one free parameter and fixed scales; made by ``StateNTK.bind``.

    What belongs to the fixed point (critical eigenvalues, resolvent and arclength kernels) comes from `base`, the
    evaluator of the equilibrium kernel with the same theta and scales.
    """

    def __init__(
        self,
        settings: StateNTK,
        model: Model,
        free: str | None,
        params: Mapping[str, float],
        magnitudes: Magnitudes | None = None,
    ) -> None:
        self.settings, self.model, self.free = settings, model, free
        self.base = BoundNTK(settings.equilibrium(), model, free, params, magnitudes)
        self.base.rank_checked = True  # that of trajectories is another
        self.plan = read_plan(settings, model)
        self._simulate()
        self.way: Way | None = None
        self.estimated = False
        self.products = self.probes = 0
        self.trials = 0
        self.blown_up: dict[int, float] = {}
        self.rank_checked = False

    def _simulate(self) -> None:
        """Set what depends on the scale of theta."""
        model, network = self.model, network_of(self.model)
        self.theta = self.base.theta
        self.packing = packing_of(self.theta, model)
        structured = network is not None and (isinstance(self.plan.integrator, str) or model.kind == "map")
        if network is not None and "D" in network.theta:
            structured = False  # no block of its own
        if network is not None and structured:
            self.rollouts: Any = NetworkRollouts(network, model, self.packing, self.plan, self.base.device)
        else:
            self.rollouts = Rollouts(model, self.packing, self.plan, self.base.device)

    @property
    def awaits_points(self) -> bool:
        """Whether the scales are those of the finished branch: see :meth:`BoundNTK.placed`."""
        return self.base.awaits_points

    def placed(self, x: ArrayLike, p: ArrayLike, tangent: ArrayLike) -> BoundTrajectoryNTK:
        """Return the evaluator with the scales of a finished branch, as :meth:`BoundNTK.placed` does."""
        other = copy.copy(self)
        other.base = self.base.placed(x, p, tangent)
        if self.awaits_points:
            other._simulate()
        return other

    # ---------------------------------------------------------------- one point

    def trajectories(self, x: ArrayLike | None = None, params: Mapping[str, float] | None = None) -> Trajectories:
        """Return the trials, simulated and linearised.

        Parameters
        ----------
        x : array_like, shape (n,), optional
            The fixed point, for initial states that depend on it.
        params : mapping, optional
            Values of parameters that differ from those it was bound with.
        """
        values = self.base.values.copy()
        for name, value in (params or {}).items():
            values[list(self.model.params).index(name)] = value
        return self.at(None if x is None else np.asarray(x, dtype=float), values)

    def at(self, x: Array | None, values: Array, method: str | None = None) -> Trajectories:
        """Return the trials at a fixed point x (n,) and all parameter values (m,).

        With the `method` of their spectrum, InputError if that will not fit in memory.
        """
        params = dict(zip(self.model.params, values.tolist(), strict=True))
        initial, inputs = self.plan.start(x, params, self.model.n), self.plan.inputs
        if len(initial) != (self.trials or len(initial)):
            msg = f"initial_states: {len(initial)} trials, but {self.trials} at the point before; give as many at all"
            raise InputError(msg)
        self.trials = len(initial)
        if inputs is not None and len(inputs) != len(initial):
            msg = f"inputs: they have {len(inputs)} trials, but initial_states gave {len(initial)}; give one for each"
            raise InputError(msg)
        check_before(
            self.rollouts, self.model, self.plan, trials=len(initial), method=method,
            components=self.model.n if self.base.readout is None else len(self.base.readout),
            structured=isinstance(self.rollouts, NetworkRollouts),
        )  # fmt: skip
        states, survived = self.rollouts.simulate(initial, values, inputs)
        kept = survived >= self.plan.steps
        if not kept.all() and kept.any():  # a trial that blew up is replaced by one that did not, with weight zero
            stand_in = np.where(kept, np.arange(len(kept)), np.flatnonzero(kept)[0])
            initial = initial[stand_in]
            inputs = None if inputs is None else inputs[stand_in]
        found = Trajectories(
            model=self.model,
            params=params,
            packing=self.packing,
            plan=self.plan,
            derivative=self.rollouts.linearised(initial, values, inputs),
            initial=initial,
            states=states,
            survived=survived,
            readout=self.base.readout,
            state_scale=self.base.state_scale,
            x=x,
        )
        if kept.any():
            self._warn_of(found)
        return found

    def _row(self, x: Array | None, values: Array, eigenvalues: NDArray[np.complex128] | None = None) -> dict[str, Any]:
        """Return the signatures of the kernel itself at one point, where the Jacobian has these eigenvalues."""
        found = self.at(x, values, self.settings.method)
        if not found.kept.any():  # every signature is nan
            self._warn_of(found)
        self.way = choose(self.settings.method, found)
        result = spectrum(found, self.way, int(self.settings.k), float(self.settings.rtol))
        row = dict(result.signatures)
        self.estimated |= bool(row["trace_error"] > 0.0)
        self.products += int(row["products"])
        self.probes = max(self.probes, int(row["probes"]))
        if not result.reached:
            self._warn_of_accuracy(row)
        row |= fixed_point_signatures(self.base, found, result)
        row |= channel_signatures(
            found, self.model, self.theta, self.packing.scale, x, values,
            eigenvalues=eigenvalues, total=float(row["trace"]),
        )  # fmt: skip
        row["blow_up"] = found.blow_up
        return row

    def _warn_of(self, found: Trajectories) -> None:
        for k in np.flatnonzero(~found.kept):
            self._warn(int(k), float(found.blow_up[k]))

    def _warn_of_accuracy(self, row: Mapping[str, Any]) -> None:
        warnings.warn(
            f"rtol: {self.settings.rtol:g} was not reached with {row['products']} products of the kernel; trace_error "
            f"is {row['trace_error']:.2g} of {row['trace']:.4g}, participation_ratio_error "
            f"{row['participation_ratio_error']:.2g} of {row['participation_ratio']:.4g}; accept a larger rtol",
            RuntimeWarning,
            stacklevel=2,
        )

    def _warn(self, trial: int, time: float) -> None:
        unit = "step" if self.model.kind == "map" else "t ="
        if trial not in self.blown_up:
            warnings.warn(
                f"trial {trial} blew up at {unit} {time:g} and is left out of the kernel; the other trials are kept "
                "(the times are in the signature blow_up)",
                RuntimeWarning,
                stacklevel=2,
            )
        self.blown_up[trial] = min(time, self.blown_up.get(trial, np.inf))

    # ---------------------------------------------------------------- the protocol of the continuation

    @property
    def metadata(self) -> dict[str, Any]:
        """What the numbers depend on, and how they were computed; goes to the provenance."""
        initial = self.plan.initial_states
        return {
            **self.base.metadata,
            "kernel": "trajectory",
            **self.plan.described(),
            "trials": "function of the fixed point" if callable(initial) else len(initial),
            "method": None if self.way is None else self.way.method,
            "method_reason": None if self.way is None else self.way.why,
            "estimated": ESTIMATED if self.estimated else (),
            "rtol": float(self.settings.rtol),
            "most_probes": self.probes,
            "products": self.products,
            "structured": isinstance(self.rollouts, NetworkRollouts),
            "blown_up": {str(k): t for k, t in sorted(self.blown_up.items())},
        }

    def evaluate(
        self, x: ArrayLike, p: ArrayLike, tangent: ArrayLike | None = None, eigenvalues: ArrayLike | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the signatures at K points of a branch, as :meth:`BoundNTK.evaluate` does."""
        states = np.atleast_2d(np.asarray(x, dtype=float))
        values = np.repeat(self.base.values[None], len(states), axis=0)
        if self.base.index is not None:
            values[:, self.base.index] = p
        return self.evaluate_values(
            states,
            values,
            None if tangent is None else np.asarray(tangent, dtype=float),
            None if eigenvalues is None else np.asarray(eigenvalues, dtype=complex),
        )

    def evaluate_values(
        self, x: Array | None, values: Array, tangent: Array | None, eigenvalues: NDArray[np.complex128] | None
    ) -> dict[str, NDArray[Any]]:
        """Return the signatures at states (K, n), or without fixed points, with all parameter values (K, m)."""
        if not self.rank_checked:
            self.rank_checked = True
            outputs = self.model.n if self.base.readout is None else len(self.base.readout)
            warn_of_one_parameter(self.theta.names, self.theta.size, outputs)
        rows = [
            self._row(None if x is None else x[i], v, None if eigenvalues is None else eigenvalues[i])
            for i, v in enumerate(values)
        ]
        own = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        if x is None:
            return own
        return self.base.evaluate_values(x, values, tangent, eigenvalues) | own

    def at_special(
        self,
        label: str,
        x: ArrayLike,
        p: float,
        tangent: ArrayLike | None = None,
        omega: float | None = None,
    ) -> dict[str, Any]:
        """Return the signatures at a special point; a finite horizon needs no limit."""
        x = np.asarray(x, dtype=float)
        values = self.base.values.copy()
        if self.base.index is not None:
            values[self.base.index] = p
        return self.base.at_special(label, x, p, tangent, omega) | self._row(x, values)
