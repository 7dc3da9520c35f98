"""Trajectories: flows integrated adaptively and stiff-safe, maps iterated."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import ConvergenceError, InputError
from ntkcont.kernels.iterate import iterate_map
from ntkcont.models.model import Array, Model


class SimulationError(ConvergenceError):
    """A trajectory could not be followed to the end.

    Attributes
    ----------
    partial : ndarray, shape (j, n)
        The states up to there.
    times : ndarray, shape (j,)
        Their times.
    """

    def __init__(self, message: str, partial: Array, times: Array) -> None:
        super().__init__(message)
        self.partial = partial
        self.times = times


def simulate(
    model: Model,
    x0: Any,
    t: ArrayLike,
    params: Mapping[str, float] | None = None,
    *,
    rtol: float = 1e-8,
    atol: float | ArrayLike | None = None,
) -> Array:
    """Follow a trajectory from a state: ``simulate(model, x0, t) -> (T, n)``.

    Flows are integrated with LSODA, which switches between methods for stiff and nonstiff equations, with the compiled
    right-hand side and Jacobian; where it fails, with the implicit Runge-Kutta method Radau. Maps are iterated.

    Parameters
    ----------
    model : Model
        The system.
    x0 : array_like, shape (n,), mapping by state name, or special point
        State at the first time.
    t : array_like of float, shape (T,), or int
        Increasing times of the states that are returned, in the model's unit of time; the first is that of `x0`. For
        maps: numbers of iterations, or one integer N, which stands for 0, 1, ..., N.
    params : mapping, optional
        Values of parameters, default the model's.
    rtol : float
        Relative tolerance of a step, default 1e-8. Flows only.
    atol : float or array_like, shape (n,), optional
        Absolute tolerance, default `rtol` / 100 times the magnitude of each state of `x0`, at least a thousandth of the
        largest one. Flows only.

    Returns
    -------
    ndarray, shape (T, n)
        The states at the times `t`.

    Raises
    ------
    InputError
        If an argument is not what it may be, or the right-hand side is not finite at `x0`.
    SimulationError
        If the trajectory blows up or the integrator gives up; what it had is in ``error.partial``, at ``error.times``.

    References
    ----------
    L. Petzold, Automatic selection of methods for solving stiff and nonstiff systems of ordinary differential
    equations, SIAM J. Sci. Stat. Comput. 4 (1983) 136-148.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> decay = nc.Model.from_equations({"x": "-r*x"}, {"r": 2.0})
    >>> states = nc.simulate(decay, [1.0], np.linspace(0, 1, 5))
    >>> states.shape
    (5, 1)
    >>> bool(abs(states[-1, 0] - np.exp(-2)) < 1e-7)
    True
    >>> doubling = nc.Model.from_equations({"x": "2*x"}, {}, kind="map")
    >>> nc.simulate(doubling, [1.0], 4)[:, 0].tolist()
    [1.0, 2.0, 4.0, 8.0, 16.0]
    """
    x = model.state_vector(x0)
    values = model.values(params)
    p = model.compiled_parameters(values)
    p = np.concatenate([p, np.zeros_like(p)])
    if model.kind == "map":
        return _iterated(model, x, _iterations(t), p)
    times = _times(t)
    first = np.empty(model.n)
    model.compiled.rhs(first, x, p, model.constants)
    if not np.all(np.isfinite(first)):
        state = model.states[int(np.flatnonzero(~np.isfinite(first))[0])]
        msg = f"x0: the equation of {state!r} is not finite there; start where the right-hand side is defined"
        raise InputError(msg)
    if not (isinstance(rtol, int | float) and 0 < rtol < 1):
        msg = f"rtol: got {rtol!r}; it must be a number between 0 and 1, such as 1e-8"
        raise InputError(msg)
    return _integrated(model, x, times, p, rtol, _tolerances(atol, rtol, x))


# ---------------------------------------------------------------- arguments


def _numbers(t: ArrayLike, what: str) -> Array:
    try:
        times = np.array(t, dtype=float)
    except (TypeError, ValueError):
        msg = f"t: {t!r} is not an array of numbers; give {what}"
        raise InputError(msg) from None
    if times.ndim > 1 or times.size == 0:
        msg = f"t: shape {times.shape} was given; give {what}"
        raise InputError(msg)
    if not np.all(np.isfinite(times)):
        msg = f"t: it contains nan or inf; give {what}"
        raise InputError(msg)
    if times.ndim and np.any(np.diff(times) <= 0):
        first = int(np.flatnonzero(np.diff(times) <= 0)[0])
        msg = f"t: it must increase, but t[{first + 1}] = {times[first + 1]:g} <= t[{first}] = {times[first]:g}"
        raise InputError(msg)
    return times


def _times(t: ArrayLike) -> Array:
    what = "increasing times, the first being that of x0, such as np.linspace(0, 100, 1001)"
    times = _numbers(t, what)
    if times.ndim == 0:
        msg = f"t: one number, {float(times):g}, was given; give {what}"
        raise InputError(msg)
    return times


def _iterations(t: ArrayLike) -> np.ndarray:
    what = "a number of iterations, or increasing integers"
    times = _numbers(t, what)
    if np.any(times != np.round(times)):
        msg = f"t: {times[times != np.round(times)][0]:g} is not an integer; for a map give {what}"
        raise InputError(msg)
    if times.ndim:
        return times.astype(np.int64)
    if times < 0:
        msg = f"t: got {int(times)}; for a map give {what}, not negative"
        raise InputError(msg)
    return np.arange(int(times) + 1)


def _tolerances(atol: float | ArrayLike | None, rtol: float, x: Array) -> Array:
    if atol is None:
        largest = float(np.max(np.abs(x))) or 1.0
        return 1e-2 * rtol * np.maximum(np.abs(x), 1e-3 * largest)
    try:
        given = np.broadcast_to(np.asarray(atol, dtype=float), x.shape)
    except (TypeError, ValueError):
        msg = f"atol: {atol!r} is neither a number nor an array of shape {x.shape}"
        raise InputError(msg) from None
    if not np.all(given >= 0) or not np.all(np.isfinite(given)):
        msg = f"atol: got {atol!r}; it must be finite and not negative"
        raise InputError(msg)
    return given


# ---------------------------------------------------------------- the work


def _iterated(model: Model, x: Array, times: np.ndarray, p: Array) -> Array:
    out = np.empty((len(times), model.n))
    done = iterate_map(model.compiled.rhs, x, times, p, model.constants, out)
    if done < len(times):
        msg = (
            f"the map left the finite numbers within {times[done]} iterations, after "
            f"{model.states[0]} = {out[done - 1, 0]:.4g}, ...; the states before are in the error's attribute partial"
        )
        raise SimulationError(msg, out[:done].copy(), times[:done].astype(float))
    return out


def _integrated(model: Model, x: Array, times: Array, p: Array, rtol: float, atol: Array) -> Array:
    from scipy.integrate import LSODA, Radau

    rhs, jac, _ = model.compiled
    c, n = model.constants, model.n

    def f(_: float, z: Array) -> Array:
        value = np.empty(n)
        rhs(value, np.ascontiguousarray(z), p, c)
        return value

    def df(_: float, z: Array) -> Array:
        value = np.empty((n, n))
        jac(value, np.ascontiguousarray(z), p, c)
        return value

    out = np.empty((len(times), n))
    out[0] = x
    done, message = 1, ""
    methods: tuple[Any, Any] = (LSODA, Radau)
    for method in methods:
        if done == len(times):
            break
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # the integrators warn before they fail; the error below says it once
            solver = method(f, times[done - 1], out[done - 1], times[-1], jac=df, rtol=rtol, atol=atol)
            done, message = _steps(solver, times, done, out)
    if done < len(times):
        size = float(np.max(np.abs(out[done - 1])))
        msg = (
            f"the integration stopped between t = {times[done - 1]:g} and {times[done]:g} (largest |state| {size:.3g} "
            f"before; {message}): the trajectory blows up or the right-hand side is not defined there; the states "
            "before are in the error's attribute partial"
        )
        raise SimulationError(msg, out[:done].copy(), times[:done])
    return out


def _steps(solver: Any, times: Array, done: int, out: Array) -> tuple[int, str]:
    """Step to the last time, writing the states at `times`; return how many are there, and why it stopped before."""
    stuck = 0
    while done < len(times):
        try:
            message = solver.step()
        except (ValueError, np.linalg.LinAlgError) as error:  # nan in the factorisation of Radau
            return done, str(error)
        if solver.status == "failed":
            return done, str(message).rstrip(".").lower()
        if not np.all(np.isfinite(solver.y)):
            return done, "the state is not finite"
        # near a singularity LSODA goes on with steps below the resolution of t, for ever
        stuck = stuck + 1 if solver.step_size <= 4 * np.spacing(abs(solver.t)) else 0
        if stuck > 20:
            return done, f"the steps became too small at t = {solver.t:.6g}"
        reached = int(np.searchsorted(times, solver.t, side="right"))
        if reached > done:
            states = solver.dense_output()(times[done:reached]).T
            finite = np.all(np.isfinite(states), axis=1)
            good = len(states) if np.all(finite) else int(np.argmin(finite))
            out[done : done + good] = states[:good]
            done += good
            if good < len(states):
                return done, "the state is not finite"
    return done, ""
