"""Signatures over a plane of two parameters, for the background of a two-parameter diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.dynamics.simulate import SimulationError, simulate
from ntkcont.errors import ConvergenceError, InputError
from ntkcont.models.model import Array, Model
from ntkcont.ntk.evaluator import StateNTK
from ntkcont.pathfollowing.critical_start import two_names, two_spans
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import check_log
from ntkcont.results.plane import ParameterPlane
from ntkcont.results.signatures import Signatures

#: How long a state settles after a jump: so many of its median time constants, and iterations of maps.
_SETTLE, _ITERATIONS = 300.0, 5000


def parameter_plane(
    model: Model,
    x0: Any,
    kernel: StateNTK,
    *,
    free: tuple[str, str],
    p_span: tuple[tuple[float, float], tuple[float, float]],
    shape: tuple[int, int] = (61, 61),
    params: Mapping[str, float] | None = None,
    log: Sequence[str] = (),
) -> ParameterPlane:
    """Evaluate the kernel's signatures on a grid of two parameters.

    Where several fixed points exist, the picture shows the one that a slow sweep meets: each row starts from the first
    node of the row below and goes up in the first parameter; the fixed point is followed by Newton's method, stable or
    not, and where it ends (a fold) the state settles by simulation on what attracts it.

    Parameters
    ----------
    model : Model
        The system.
    x0 : array_like, shape (n,), mapping by state name, or special point
        Guess of the fixed point at the lowest values of both parameters.
    kernel : StateNTK
        Whose signatures are evaluated.  The first parameter counts as the free one: not part of theta "all".
    free : (str, str)
        Names of the two parameters.
    p_span : ((float, float), (float, float))
        Range of each.
    shape : (int, int)
        Number of values of each, default 61 by 61.
    params : mapping, optional
        Values of the other parameters, default the model's.
    log : sequence of str
        Those of the two parameters whose values are spaced evenly in decades, default none.

    Returns
    -------
    ParameterPlane
        ``plane["participation_ratio"]`` has shape ``(shape[1], shape[0])``; nan where there is no fixed point.

    Raises
    ------
    InputError
        If an argument is not what it may be.
    ConvergenceError
        If no fixed point is found at the first node.

    Examples
    --------
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 1.2], [1.2, 0.0]], W_in=[[1.0], [1.0]], inputs={"stim": [1.0]})
    >>> plane = nc.ntk.parameter_plane(net, [-1.0, -1.0], nc.ntk.StateNTK(theta="b"), free=("stim", "gain"),
    ...                                p_span=((-1, 1), (0.2, 1.5)), shape=(21, 11))
    >>> plane["participation_ratio"].shape
    (11, 21)
    """
    names = two_names(model, free)
    spans = two_spans(names, p_span)
    measured = check_log(model, names, spans, log)
    for name in measured:
        if name not in names:
            msg = f"log: {name!r} is a state; here it may be {names[0]!r} or {names[1]!r}, the parameters of the grid"
            raise InputError(msg)
    if not isinstance(kernel, StateNTK):
        msg = f"kernel: got {type(kernel).__name__}; give nc.ntk.StateNTK(...)"
        raise InputError(msg)
    try:
        sizes = [int(size) for size in shape]
        good = len(sizes) == 2 and min(sizes) >= 2 and all(a == b for a, b in zip(sizes, shape, strict=True))
    except (TypeError, ValueError):
        sizes, good = [], False
    if not good:
        msg = f"shape: got {shape!r}; give two whole numbers of at least 2"
        raise InputError(msg)
    values = dict(zip(model.params, (float(v) for v in model.values(params)), strict=True))
    axes = [
        np.geomspace(low, high, size) if name in measured else np.linspace(low, high, size)
        for name, (low, high), size in zip(names, spans, sizes, strict=True)
    ]
    sweep = _Sweep(Curve(model, names[0], values, others=names[1:]), values)
    m1, m2 = sizes
    x, unstable = np.full((m2, m1, model.n), np.nan), np.full((m2, m1), -1)
    row_start: Array | None = sweep.first(model.state_vector(x0), np.array([axes[0][0], axes[1][0]]))
    for j in range(m2):
        state = row_start
        for i in range(m1):
            state, count = sweep.to(state, np.array([axes[0][i], axes[1][j]]), row=i == 0)
            if i == 0:
                row_start = state
            if state is not None:
                x[j, i], unstable[j, i] = state, count
            else:
                state = row_start
    known = unstable.ravel() >= 0
    grid = np.meshgrid(axes[0], axes[1])
    at = {name: column.ravel()[known] for name, column in zip(names, grid, strict=True)}
    others = {name: value for name, value in values.items() if name not in names}
    found = kernel.evaluate(model, x.reshape(-1, model.n)[known], {**others, **at}, free=names[0])
    return ParameterPlane(
        free=names, p=(axes[0], axes[1]), x=x, n_unstable=unstable, signatures=_filled(found, known), log=measured
    )


def _filled(found: Signatures, known: NDArray[np.bool_]) -> Signatures:
    arrays = {}
    for name, values in found.arrays.items():
        whole = np.full((len(known), *values.shape[1:]), np.nan, dtype=np.result_type(values, float))
        whole[known] = values
        arrays[name] = whole
    return Signatures(arrays, found.metadata)


class _Sweep:
    """Carries one fixed point from node to node."""

    def __init__(self, curve: Curve, values: Mapping[str, float]) -> None:
        self.curve, self.values, self.n = curve, values, curve.n
        self.unstable = 0

    def first(self, x: Array, q: Array) -> Array:
        """Return the fixed point near x, or the one that x settles on."""
        found = self._newton(x, q)
        if found is None:
            found = self._settled(x, q)
        if found is None:
            where = ", ".join(f"{name} = {value:g}" for name, value in zip(self.curve.names, q, strict=True))
            msg = f"x0: no fixed point was found from there at {where}; start from one of nc.find_fixed_points"
            raise ConvergenceError(msg)
        self.unstable = self._count(found, q)
        return found

    def to(self, x: Array | None, q: Array, *, row: bool) -> tuple[Array | None, int]:
        """Return the fixed point at q and its number of unstable eigenvalues, from the one at the node before."""
        if x is None:
            return None, -1
        if row:
            self.unstable = self._count(x, q)
        found = self._newton(x, q)
        count = -1 if found is None else self._count(found, q)
        # a real eigenvalue changed sign: a fold or branch point is behind, Newton may be on another sheet
        if found is None or (count - self.unstable) % 2:
            other = self._settled(x, q)
            if other is not None:
                found, count = other, self._count(other, q)
        if found is not None:
            self.unstable = count
        return found, count

    def _newton(self, x: Array, q: Array) -> Array | None:
        z = np.concatenate([x, q])
        reach = 0.5 * (1.0 + float(np.max(np.abs(x))))
        for _ in range(25):
            f, a, _ = self.curve.linear(z)
            if not (np.isfinite(f).all() and np.isfinite(a).all()):
                return None
            try:
                step = np.linalg.solve(a, f)
            except np.linalg.LinAlgError:
                return None
            size = float(np.max(np.abs(step)))
            if not np.isfinite(size):
                return None
            z[: self.n] -= step * min(1.0, reach / size if size > 0.0 else 1.0)
            if size <= 1e-11 * (1.0 + float(np.max(np.abs(z[: self.n])))):
                return z[: self.n].copy()
        return None

    def _eigenvalues(self, x: Array, q: Array) -> NDArray[Any]:
        return np.linalg.eigvals(self.curve.linear(np.concatenate([x, q]))[1])

    def _count(self, x: Array, q: Array) -> int:
        lam = self._eigenvalues(x, q)
        beyond = np.abs(lam + 1.0) > 1.0 if self.curve.is_map else np.real(lam) > 0.0
        return int(np.sum(beyond))

    def _settled(self, x: Array, q: Array) -> Array | None:
        """Return the fixed point that the state settles on; if that is a cycle, one that Newton finds from it."""
        params = {**self.values, **dict(zip(self.curve.names, q.tolist(), strict=True))}
        moved = x + 1e-6 * (1.0 + np.abs(x))  # off a fixed point that has just become unstable
        if self.curve.is_map:
            times: Any = np.unique(np.linspace(0, _ITERATIONS, 40).astype(int))
        else:
            rates = np.abs(np.real(self._eigenvalues(x, q)))
            times = np.linspace(0.0, _SETTLE / max(float(np.median(rates)), 1e-12), 40)
        try:
            states = simulate(self.curve.model, moved, times, params)
        except SimulationError:
            return None
        for start in (states[-1], states[20:].mean(axis=0), *states[:-1][::-1]):
            found = self._newton(start, q)
            if found is not None:
                return found
        return None
