"""Fixed points at given parameters, from many starting states."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.dynamics.deflation import deflate as go_on
from ntkcont.dynamics.point_sets import FixedPoints, SlowPoints
from ntkcont.dynamics.search import Search
from ntkcont.dynamics.slow import polish
from ntkcont.dynamics.totals import Totals, reachable
from ntkcont.errors import InputError, unknown_name
from ntkcont.models.conserved import ConservedQuantity, conserved_quantities, listed
from ntkcont.models.model import Array, Model
from ntkcont.models.undefined import undefined

_ROUND = 128  # quasi-random starts at a time
_HITS = 3  # a box is done when every point in it was reached this often
_SLOW_UNIQUE = 1e-3  # slow points are minima of the speed, flat where they are slowest


def find_fixed_points(
    model: Model,
    starts: ArrayLike | None = None,
    box: Any = None,
    params: Mapping[str, float] | None = None,
    tol: float = 1e-10,
    unique: float = 1e-6,
    slow_below: float | None = None,
    seed: int = 0,
    *,
    deflate: bool = False,
    max_starts: int = 20_000,
) -> FixedPoints:
    """Find fixed points, stable or not, from many starting states: ``find_fixed_points(...) -> FixedPoints``.

    Newton's method with a line search from every start, and Levenberg-Marquardt steps where that does not make
    progress. Either `starts` are given, such as the states of a network's own trajectories, or a `box`, which is
    searched from quasi-random states, more and more of them until each point in it was reached from three.

    Parameters
    ----------
    model : Model
        A flow (f(x) = 0) or a map (G(x) = x).
    starts : array_like, shape (m, n), optional
        Starting states, such as ``trajectories.reshape(-1, n)``.
    box : mapping by state name, array_like of shape (n, 2), or one pair, optional
        Lowest and highest value of each state; one pair ``(low, high)`` is that of all. Only points inside are
        returned.
    params : mapping, optional
        Values of parameters, default the model's.
    tol : float
        Largest last Newton step, relative to the magnitude of each state (among the starts, or half the width of the
        box; common to all units of a network), default 1e-10.
    unique : float
        Points closer than this, in the same relative measure, are one, default 1e-6.
    slow_below : float, optional
        Collect slow points as well: states at which the speed abs(f(x)) (maps: abs(G(x) - x)) has a local minimum
        below this value that is not zero. Default: none.
    seed : int
        Of the quasi-random starts, default 0.
    deflate : bool
        Go on from every start and every point found, with the known points divided out of the equations, until nothing
        new comes up: finds points that few starts lead to, and several from one start. Default False.
    max_starts : int
        Most starts in a box, default 20000.

    Returns
    -------
    FixedPoints
        Each with residual, eigenvalues, stability, the index of the first start that led there and the number of starts
        that did; ``.slow`` holds the slow points. In a box, points that few starts reached hint at others unseen.
        Where sums of states are conserved (closed systems), each point has the totals of the first start that led
        there, ``.conserved`` names the sums, and stability is that at constant totals; from a box there is then one
        point for almost every start.

    Raises
    ------
    InputError
        If an argument is not what it may be, or the right-hand side is not finite at any start.

    References
    ----------
    D. Sussillo, O. Barak, Opening the black box: low-dimensional dynamics in high-dimensional recurrent neural
    networks, Neural Computation 25 (2013) 626-649. Slow points: minima of q = abs(f)^2/2, its equation 2.

    P. E. Farrell, A. Birkisson, S. W. Funke, Deflation techniques for finding distinct solutions of nonlinear partial
    differential equations, SIAM J. Sci. Comput. 37 (2015) A2026-A2045.

    Examples
    --------
    >>> import ntkcont as nc
    >>> pitchfork = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": 0.25})
    >>> points = nc.find_fixed_points(pitchfork, box=(-1, 1))
    >>> sorted(round(float(point["x"]), 6) for point in points)
    [-0.5, 0.0, 0.5]
    >>> [bool(point.stable) for point in points if abs(point["x"]) < 0.1]
    [False]
    """
    _check_positive(tol=tol, unique=unique, **({} if slow_below is None else {"slow_below": slow_below}))
    if (starts is None) == (box is None):
        given = "neither was" if starts is None else "both were"
        msg = f"starts, box: {given} given; give starting states, starts=(m, n), or a box=(low, high) to search"
        raise InputError(msg)
    values = model.values(params)
    if starts is not None:
        xs = _starts(model, starts)
        conserved = _conserved(model, values, xs[0], box)
        scale = reachable(conserved, _magnitudes(model, xs))
        search = Search(model, values, scale, tol=tol, unique=unique, totals=Totals.build(conserved, scale))
        search.run(xs)
        again = xs
    else:
        low, high = _box(model, box)
        scale = 0.5 * _common(model, high - low)
        conserved = _conserved(model, values, low + 0.75 * (high - low), box)
        totals = Totals.build(conserved, scale)
        search = Search(model, values, scale, tol=tol, unique=unique, box=(low, high), totals=totals)
        # where totals are kept each start has a point of its own: more starts would not find more of them
        _search_box(search, low, high, seed, min(max_starts, 2 * _ROUND) if conserved else max_starts)
        again = np.array([0.5 * (low + high)])
    if deflate:
        go_on(search, again)
    if search.n_undefined == search.n_starts:
        x = again[0]
        with np.errstate(all="ignore"):
            what = undefined(model.states, x, search.f(x), search.jac(x))
        first = "" if what is None else f" (at the first one: {what})" if box is None else f" (in the middle: {what})"
        msg = (
            f"{'starts' if box is None else 'box'}: the right-hand side or its Jacobian is not finite at any of the "
            f"{search.n_starts} starts{first}; give states at which it is defined"
        )
        raise InputError(msg)
    return _result(search, model, values, slow_below, conserved)


def _conserved(model: Model, values: Array, x: Array, box: Any) -> tuple[ConservedQuantity, ...]:
    """Return the conserved quantities, with a warning if there are any."""
    params = dict(zip(model.params, (float(v) for v in values), strict=True))
    found = conserved_quantities(model, params, x=x)
    if found:
        each = "each fixed point has the totals of the start that led to it" + (
            "" if box is None else ", and other totals have other ones"
        )
        warnings.warn(
            f"find_fixed_points: the model has {listed(found)}; {each}. model.eliminate(totals=...) makes the totals "
            "parameters",
            UserWarning,
            stacklevel=3,
        )
    return found


# ---------------------------------------------------------------- arguments


def _check_positive(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value > 0):
            msg = f"{name}: got {value!r}; it must be a positive number"
            raise InputError(msg)


def _starts(model: Model, starts: ArrayLike) -> Array:
    try:
        xs = np.array(starts, dtype=float)
    except (TypeError, ValueError):
        msg = f"starts: {type(starts).__name__} is not an array of numbers; give shape (m, {model.n})"
        raise InputError(msg) from None
    if xs.ndim == 1 and xs.shape == (model.n,):
        xs = xs[None, :]
    if xs.ndim != 2 or xs.shape[1] != model.n or not len(xs):
        more = f", such as starts.reshape(-1, {model.n})" if xs.ndim > 2 and xs.shape[-1] == model.n else ""
        msg = f"starts: shape {xs.shape} was given; it must be (m, {model.n}), one state in each row{more}"
        raise InputError(msg)
    bad = np.flatnonzero(~np.all(np.isfinite(xs), axis=1))
    if len(bad):
        msg = f"starts: row {bad[0]} is not finite; leave such rows out"
        raise InputError(msg)
    return np.ascontiguousarray(xs)


def _common(model: Model, scale: Array) -> Array:
    return np.full(model.n, np.max(scale)) if model.homogeneous else scale


def _magnitudes(model: Model, xs: Array) -> Array:
    """Return the magnitude of each state among the starts; states that are zero there take that of the others."""
    scale = _common(model, np.max(np.abs(xs), axis=0))
    largest = float(np.max(scale))
    return np.maximum(scale, 1e-3 * largest) if largest > 0 else np.ones(model.n)


def _box(model: Model, box: Any) -> tuple[Array, Array]:
    what = f"give (low, high) for all states, shape ({model.n}, 2), or a pair for each state by name"
    if isinstance(box, Mapping):
        for name in box:
            if name not in model.states:
                raise unknown_name(argument="box", got=name, allowed=model.states)
        missing = [name for name in model.states if name not in box]
        if missing:
            msg = f"box: no pair for {', '.join(map(repr, missing))}; {what}"
            raise InputError(msg)
        box = [box[name] for name in model.states]
    try:
        pairs = np.array(box, dtype=float)
    except (TypeError, ValueError):
        msg = f"box: {box!r} is not an array of pairs; {what}"
        raise InputError(msg) from None
    if pairs.shape == (2,):
        pairs = np.tile(pairs, (model.n, 1))
    if pairs.shape != (model.n, 2):
        msg = f"box: shape {pairs.shape} was given; {what}"
        raise InputError(msg)
    low, high = pairs.T
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high) & (low < high)))
    if len(bad):
        i = int(bad[0])
        msg = f"box: ({low[i]:g}, {high[i]:g}) was given for {model.states[i]!r}; give finite low < high"
        raise InputError(msg)
    return np.ascontiguousarray(low), np.ascontiguousarray(high)


# ---------------------------------------------------------------- the work


def _search_box(search: Search, low: Array, high: Array, seed: int, max_starts: int) -> None:
    """Search from rounds of quasi-random starts until no point was reached only once or twice.

    If p is the smallest probability that a start leads to a point, all have been seen with a probability that grows
    like 1 - (1 - p)^m; how often the seen ones were reached estimates p.
    """
    from scipy.stats import qmc

    options: dict[str, Any] = {"seed": seed}  # older versions of scipy do not know its new name, rng
    method = qmc.Sobol if len(low) <= qmc.Sobol.MAXDIM else qmc.LatinHypercube
    sequence = method(len(low), **options)
    done = 0
    while done < max_starts:
        count = min(_ROUND, max_starts - done)
        unit = sequence.random(_ROUND)[:count]  # Sobol sequences want powers of two
        search.run(low + unit * (high - low))
        done += count
        if done >= 2 * _ROUND and all(hits >= _HITS for hits in search.hits):
            return


def _result(
    search: Search,
    model: Model,
    values: Array,
    slow_below: float | None,
    conserved: Sequence[ConservedQuantity],
) -> FixedPoints:
    eigenvalues = [search.totals.eigenvalues(search.jac(x), model) for x in search.points]
    n_unstable = [_unstable(model, values) for values in eigenvalues]
    n = model.n
    slow = None
    if slow_below is not None:
        found = polish(search, slow_below, max(search.unique, _SLOW_UNIQUE))
        slow = SlowPoints(
            states=model.states,
            kind=model.kind,
            x=np.array([x for x, _, _, _ in found]).reshape(-1, n),
            speed=np.array([speed for _, speed, _, _ in found]),
            eigenvalues=np.array([np.linalg.eigvals(search.jac(x)) for x, *_ in found], dtype=complex).reshape(-1, n),
            index=np.array([index for _, _, index, _ in found], dtype=np.int64),
            hits=np.array([hits for _, _, _, hits in found], dtype=np.int64),
        )
    return FixedPoints(
        states=model.states,
        kind=model.kind,
        params=dict(zip(model.params, (float(v) for v in values), strict=True)),
        x=np.array(search.points).reshape(-1, n),
        residual=np.array([search.speed(x) for x in search.points]),
        eigenvalues=np.array(eigenvalues, dtype=complex).reshape(-1, n),
        n_unstable=np.array(n_unstable, dtype=np.int64),
        index=np.array(search.index, dtype=np.int64),
        hits=np.array(search.hits, dtype=np.int64),
        slow=slow,
        conserved=tuple(conserved),
        n_starts=search.n_starts,
        n_failed=search.n_starts - search.n_fixed,
    )


def _unstable(model: Model, eigenvalues: np.ndarray) -> int:
    beyond = np.abs(eigenvalues) > 1 if model.kind == "map" else np.real(eigenvalues) > 0
    return int(np.sum(beyond))
