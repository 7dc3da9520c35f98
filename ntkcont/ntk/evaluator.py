"""The kernel as an object: what is differentiated, on what scale, under which conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Model
from ntkcont.ntk.bound import BoundNTK
from ntkcont.ntk.conditions import read_conditions
from ntkcont.ntk.kernels import KERNELS
from ntkcont.ntk.magnitudes import Magnitudes
from ntkcont.ntk.theta import ThetaChoice
from ntkcont.ntk.trajectory.bound import BoundTrajectoryNTK
from ntkcont.ntk.trajectory.linearised import Trajectories
from ntkcont.ntk.trajectory.plan import DEFAULTS, check_settings
from ntkcont.results.signatures import Signatures


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StateNTK:
    r"""State-space neural tangent kernel of an equilibrium or of trajectories, and its signatures.

    With ``S = D_theta z*`` the sensitivity of the equilibrium to the trainable parameters, the kernel is ``K = S S^T``;
    for flows ``S = -A^{-1} F``, for maps ``S = (I - A)^{-1} F``, with ``A = D_z f`` and ``F = D_theta f``.  Of
    trajectories it is ``W^{1/2} J J^T W^{1/2}`` with ``J = D_theta z_k(t)`` at all trials k, recorded times t and
    states, and their weights W.

    Parameters
    ----------
    kernel : {"equilibrium", "resolvent", "arclength", "trajectory"}, default "equilibrium"
        Whose spectrum is reported.  "resolvent": the response to parameters modulated at the critical frequency, which
        diverges at Hopf, period-doubling and Neimark-Sacker points; "arclength": the equilibrium moves at fixed
        arclength, bounded at folds; "trajectory": the states of B trials at T recorded times.  The largest eigenvalues
        of the second and third come with every kernel as well.
    theta : "all", str, sequence of str, or callable, default "all"
        What is trained.  Models without weights: "all" is every parameter but the free one and those that `conditions`
        set; or names of parameters.  Models with weights: "all" is the whole pytree; or paths of leaves such as "W" or
        "cell.kernel", also mixed with names of parameters; or a function that returns some leaves of the pytree, such
        as ``lambda theta: [theta["W"], theta["b"]]``.
    theta_scale : None, "relative", "none", array_like, or mapping, default None
        Unit of each trained parameter.  "relative": its absolute value (root mean square of a leaf; of the free
        parameter its magnitude, as below); "none": 1; an array, shape (P,), for parameters in the order of the model; a
        mapping from names to numbers, or to arrays of a leaf's shape, 1 for what it does not name.  Models without
        weights need it; for the others None is "none".
    state_scale : None, "relative", "none", mapping, or array_like, shape (n,), default None
        Unit of each state; models without weights need it.  "relative": its magnitude ``(mean of sqrt|x|)^2`` along
        the finished branch, over the way that the free parameter makes (over the points given, in :meth:`evaluate` and
        in a parameter plane); 1 for a state that is zero throughout; one number for all states of a network.  Numbers
        by name, such as ``{"v": 30.0, "w": 0.5}``, name every state.  "none": 1.  The free parameter enters ``top_arc``
        in units of its own magnitude with "relative", else in its own, unless the mapping names it too.
    conditions : sequence of mapping, optional
        Parameter settings such as ``[{"stim": 0}, {"stim": 1}]`` whose equilibria are stacked: S is (B n, P).
    readout : array_like, shape (q, n), optional
        Matrix C: the kernel of ``C z*`` instead of ``z*``.
    k : int, default 8
        How many eigenvalues are reported.
    exponents : bool, default False
        Whether special points also record how the kernels grow on both sides of them: measured and predicted exponents,
        rank and alignment (names in :mod:`ntkcont.ntk`); some twenty more points are computed for each.
    device : None, "cpu", "gpu", or jax.Device
        None: the GPU if JAX has one.  The numbers are the same.
    initial_states : array_like, shape (B, n), or callable
        Where the trials start, for kernel "trajectory", as all that follow; they are not part of theta.  Or a function
        ``(x, p) -> (B, n)`` of the fixed point x (n,) and the parameters by name: ``lambda x, p: x + offsets``.
    T : float
        Length of the trajectories: of a flow a time, a multiple of `dt`; of a map the number of steps.
    dt : float, optional
        Step of the integrator, for flows alone.
    record_every : int, default 1
        The states after each so many steps are recorded; the initial one, which does not move, is not.  It must divide
        the number of steps, so that the last state is recorded.
    weights : {"none", "mean", "time"}, default "none"
        Weight of each trial and recorded time: 1; 1/(B T) with T recorded times and without trials that blew up; the
        time between two recorded states (a rectangle rule: record often enough to resolve what moves fastest).
    inputs : array_like, shape (B, steps, d), optional
        Time-dependent inputs of a RateRNN, of a GRU, of a model ``from_jax`` with ``inputs``, or of a TrainingPath
        of these: held during each step, added to the constant ones, and multiplied by W_in or W_ih.
    loss_mask : array_like, shape (T,) or (B, T), optional
        Multiplies the weights: 0 where a trial does not enter at a recorded time.
    integrator : {"rk4", "euler"} or solver, default "rk4"
        Of a flow; or a solver of diffrax such as ``diffrax.Tsit5()``, with steps of length `dt`.  A map is iterated:
        it takes none but the default.
    method : {"auto", "state", "parameter", "operator"}, default "auto"
        How the spectrum is computed: from a dense matrix of the side of the states or of the parameters, or by block
        Lanczos with products alone.  "auto" chooses by size; ``metadata["method_reason"]`` says why.  By products
        the sums over all eigenvalues (trace, participation ratio, entropy rank, and what is divided by them) are
        estimates over random vectors, with the standard errors ``trace_error``, ``participation_ratio_error`` and
        ``entropy_rank_error``, else 0; ``metadata["estimated"]`` names them, and is empty where all is exact.
    rtol : float, default 0.01
        How large these standard errors may be, relative to trace, participation ratio and entropy rank: more
        eigenvalues are found and taken out of the estimate, and more random vectors drawn, until they are below.  What
        that took are the signatures ``probes`` (random vectors) and ``products`` (with the kernel).  The eigenvalues
        reported are exact all the same.

    Raises
    ------
    InputError
        At construction or when bound to a model: a name is unknown, a scale is missing, a shape does not fit; or the
        method asked for does not fit in memory.

    References
    ----------
    J. Hazelden, E. Shea-Brown, arXiv:2605.12763, for the kernel; W. Govaerts, *Numerical Methods for Bifurcations of
    Dynamical Equilibria* (2000), for bordered systems.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> net = nc.RateRNN(np.array([[0.5, 0.0], [0.0, 0.2]]))
    >>> sig = nc.ntk.StateNTK(theta="b").evaluate(net, np.zeros(2), {})
    >>> np.round(sig.top, 6)
    array([4.])

    >>> last = np.arange(1200) == 1199  # after a long time, the state is at rest
    >>> late = nc.ntk.StateNTK(
    ...     kernel="trajectory", theta="b", initial_states=np.zeros((1, 2)), T=60, dt=0.05, loss_mask=last
    ... )
    >>> np.round(late.evaluate(net).top, 6)
    array([4.])
    """

    kernel: str = "equilibrium"
    theta: ThetaChoice = "all"
    theta_scale: Any = None
    state_scale: Any = None
    conditions: Sequence[Mapping[str, float]] | None = None
    readout: ArrayLike | None = None
    k: int = 8
    exponents: bool = False
    device: Any = None
    initial_states: Any = None
    T: float | None = None
    dt: float | None = None
    record_every: int = 1
    weights: str = "none"
    inputs: ArrayLike | None = None
    loss_mask: ArrayLike | None = None
    integrator: Any = "rk4"
    method: str = "auto"
    rtol: float = 0.01

    def __post_init__(self) -> None:
        if self.kernel not in (*KERNELS, "trajectory"):
            raise unknown_name(argument="kernel", got=self.kernel, allowed=(*KERNELS, "trajectory"))
        check_settings(self)
        if not callable(self.theta):
            names = [self.theta] if isinstance(self.theta, str) else self.theta
            if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
                msg = f"theta: {self.theta!r} was given; it may be 'all', names, or a function that picks leaves"
                raise InputError(msg)
        if isinstance(self.k, bool) or not isinstance(self.k, (int, np.integer)) or self.k < 1:
            msg = f"k: {self.k!r} was given; it must be a positive whole number"
            raise InputError(msg)
        object.__setattr__(self, "conditions", read_conditions(self.conditions))
        if self.exponents and self.conditions is not None:
            msg = "exponents: the equilibria of conditions are not those of the branch; leave out one of the two"
            raise InputError(msg)
        if self.readout is not None:
            try:
                C = np.array(self.readout, dtype=float)
            except (TypeError, ValueError):
                C = np.zeros(0)
            if C.ndim != 2 or not C.size or not np.all(np.isfinite(C)):
                msg = "readout: it must be a matrix of finite numbers, shape (q, n), that maps states to outputs"
                raise InputError(msg)
            C.flags.writeable = False
            object.__setattr__(self, "readout", C)

    def bind(
        self,
        model: Model,
        free: str | None = None,
        params: Mapping[str, float] | None = None,
        state_scale: ArrayLike | None = None,
        param_scale: float | None = None,
    ) -> BoundNTK | BoundTrajectoryNTK:
        """Return the evaluator for one model and one free parameter, as the continuation uses it.

        Parameters
        ----------
        model : Model
            The model.
        free : str, optional
            Free parameter.
        params : mapping, optional
            Values of the parameters, default the model's; that of `free` is ignored.
        state_scale : array_like, shape (n,), optional
            Magnitudes of the states that "relative" divides by.  With neither them nor `param_scale` they are those
            of a finished branch, which its method ``placed`` sets; until then they are 1.
        param_scale : float, optional
            Magnitude of the free parameter, default 1.
        """
        values = dict(params or {})
        if state_scale is None and param_scale is None:
            return self._bound_class(self, model, free, values)
        sizes = dict(zip(model.params, np.abs(model.values(values)).tolist(), strict=True))
        if free is not None:
            sizes[free] = 1.0 if param_scale is None else float(param_scale)
        reference = np.ones(model.n) if state_scale is None else np.abs(np.asarray(state_scale, dtype=float))
        states = np.where(reference > 0.0, reference, 1.0)
        extent = sizes[free] if free is not None and free in sizes else 1.0
        return self._bound_class(self, model, free, values, Magnitudes(states=states, params=sizes, extent=extent))

    def bind_at(self, model: Model, free: str | None, x: Any, values: NDArray[np.float64]) -> Any:
        """Return the evaluator for points without an order: states (K, n) or None, parameter values (K, m).

        Trajectories without fixed points have the magnitudes of their initial states.
        """
        if x is None and not callable(self.initial_states) and self.initial_states is not None:
            x = np.atleast_2d(np.asarray(self.initial_states, dtype=float))
            x = x if x.shape[1:] == (model.n,) else None  # refused when it is read
        magnitudes = Magnitudes.over(model, free, x, values)
        first = dict(zip(model.params, values[0].tolist(), strict=True))
        return self._bound_class(self, model, free, first, magnitudes)

    def trajectories(self, model: Model, x: Any = None, params: Mapping[str, float] | None = None) -> Trajectories:
        """Return the trials of the kernel "trajectory", simulated, with their derivative in theta.

        Parameters
        ----------
        model : Model
            The model.
        x : array_like, shape (n,), optional
            Fixed point, for initial states that depend on it.
        params : mapping, optional
            Values that differ from the model's.

        Returns
        -------
        Trajectories
            With ``states`` (B, T, n), ``weights`` (B, T), and products with J and its transpose, ``jvp`` and ``vjp``.

        Raises
        ------
        InputError
            The kernel is another.
        """
        if self.kernel != "trajectory":
            msg = f"kernel: it is {self.kernel!r}; only kernel='trajectory' has trajectories"
            raise InputError(msg)
        point = None if x is None else _points(model, x)[0]
        values = model.values(dict(params or {}))[None]
        return self.bind_at(model, None, None if point is None else point[None], values).trajectories(point)

    @property
    def _bound_class(self) -> type[BoundNTK] | type[BoundTrajectoryNTK]:
        return BoundTrajectoryNTK if self.kernel == "trajectory" else BoundNTK

    def equilibrium(self) -> StateNTK:
        """Return the equilibrium kernel with the same theta and scales."""
        return dataclasses.replace(self, kernel="equilibrium", **DEFAULTS)

    def evaluate(
        self,
        model: Model,
        x: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        free: str | None = None,
        tangent: ArrayLike | None = None,
        eigenvalues: ArrayLike | None = None,
    ) -> Signatures:
        """Return the signatures at one point or at several, without a branch.

        Parameters
        ----------
        model : Model
            The model.
        x : array_like, shape (n,) or (K, n), or mapping by state name
            Fixed points; they are taken as they are.  Trajectories need none; without them the signatures that belong
            to fixed points are left out.
        params : mapping, optional
            Values that differ from the model's, each a number or an array of shape (K,).
        free : str, optional
            Parameter that a continuation would move: not part of theta "all", and needed for ``top_arc``.
        tangent : array_like, shape (K, n+1), optional
            Direction of the branch, computed if not given.
        eigenvalues : array_like of complex, shape (K, n), optional
            Of the Jacobian, computed if not given.

        Returns
        -------
        Signatures
            Arrays with first axis K (1 for one point).
        """
        given = dict(params or {})
        states = None if x is None else _points(model, x)
        count = self._count_without_points(given) if states is None else len(states)
        values = np.repeat(model.values({k: np.ravel(v)[0] for k, v in given.items()})[None], count, axis=0)
        for name, value in given.items():
            column = np.asarray(value, dtype=float)
            if column.ndim and column.shape not in ((1,), (count,)):
                msg = f"params[{name!r}]: shape {column.shape} was given; give 1 or {count} numbers"
                raise InputError(msg)
            values[:, list(model.params).index(name)] = column
        if free is not None and free not in model.params:
            raise unknown_name(argument="free", got=free, allowed=model.params)
        bound = self.bind_at(model, free, states, values)
        arrays = bound.evaluate_values(
            states,
            values,
            None if tangent is None else np.atleast_2d(np.asarray(tangent, dtype=float)),
            None if eigenvalues is None else np.atleast_2d(np.asarray(eigenvalues, dtype=complex)),
        )
        return Signatures(arrays=arrays, metadata=bound.metadata)

    def _count_without_points(self, given: Mapping[str, Any]) -> int:
        if self.kernel != "trajectory":
            msg = f"x: not given; kernel={self.kernel!r} belongs to fixed points, so give them"
            raise InputError(msg)
        return max((np.size(value) for value in given.values()), default=1)


def _points(model: Model, x: Any) -> NDArray[np.float64]:
    if isinstance(x, Mapping) or hasattr(x, "x") or np.ndim(x) == 1:
        return model.state_vector(x, "x")[None]
    try:
        states = np.array(x, dtype=float)
    except (TypeError, ValueError):
        msg = f"x: {type(x).__name__} was given; give shape ({model.n},) or (K, {model.n})"
        raise InputError(msg) from None
    if states.ndim != 2 or states.shape[1] != model.n or not len(states):
        msg = (
            f"x: shape {states.shape} was given; the model has {model.n} states, so give ({model.n},) or (K, {model.n})"
        )
        raise InputError(msg)
    return states
