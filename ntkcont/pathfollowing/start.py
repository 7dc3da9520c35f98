"""The start of a branch: checks of the input, correction of the guess, scales, first tangent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.errors import ConvergenceError, InputError, unknown_name
from ntkcont.linear import svd
from ntkcont.models.conserved import singular
from ntkcont.models.model import Array, Model
from ntkcont.models.rounding import sizes_of_terms
from ntkcont.models.undefined import undefined
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.decades import check_positive, in_decades
from ntkcont.pathfollowing.defining import Scaled, solve_branch_point
from ntkcont.pathfollowing.kinks import start_side
from ntkcont.pathfollowing.reduction import NoBranches, Reduced, quadratic_directions
from ntkcont.pathfollowing.surfaces import refuse_surface

#: Singular values (rows of size 1) below this are zero: two branches cross at the start ...
SINGULAR = 1e-10
#: ... or, below this, may do so nearby.
NEARLY_SINGULAR = 1e-3
#: Newton stops this near to a branch point (scaled) that it converges to, ...
NEAR = 1e-6
#: ... or farther away, where rounding cannot tell the points in between from it.
FLAT = 1e-2
#: States that are all smaller than this are zero to rounding, if Newton gets nowhere in their own units.
NOTHING = 1e-15
#: A state that Newton would still change by this fraction of itself is zero but for rounding.
CHANGING = 1e-2


@dataclasses.dataclass(frozen=True)
class Start:
    """A corrected start: z = (x, q), scaled tangent tau with non-negative parameter component, scales d.

    At a start that is a special point known already the tangent may have either sign.  For the directions -1 and +1
    `toward` holds those of the first step, which may be a chord, and `beside` the points from which on other special
    points are looked for (None: from the first step on).  The first step is `ds` long (None: that of the settings).
    """

    z: Array
    tau: Array
    d: Array
    node: Node
    toward: Mapping[float, Array] | None = None
    beside: Mapping[float, Node | None] | None = None
    ds: float | None = None


def check_span(p_span: Any) -> tuple[float, float]:
    """Return p_span as two increasing numbers."""
    try:
        low, high = (float(v) for v in p_span)
    except (TypeError, ValueError):
        msg = f"p_span: got {p_span!r}; give two numbers, (lowest, highest)"
        raise InputError(msg) from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        msg = f"p_span: got ({low:g}, {high:g}); give two finite numbers in increasing order"
        raise InputError(msg)
    return low, high


def start_params(model: Model, x0: Any, free: str, params: Mapping[str, float] | None) -> dict[str, float]:
    """Return the values at the start: the model's, then those of a special point as x0, then those in `params`."""
    if free not in model.params:
        raise unknown_name(argument="free", got=free, allowed=model.params)
    merged = dict(model.params)
    merged.update({k: v for k, v in getattr(x0, "params", {}).items() if k in merged})
    values = model.values({**merged, **(params or {})})
    return dict(zip(model.params, (float(v) for v in values), strict=True))


def check_in_span(free: str, q: float, span: tuple[float, float]) -> None:
    """Raise if the start is outside the span."""
    low, high = span
    if not low <= q <= high:
        msg = (
            f"params[{free!r}]: the start {q:g} lies outside p_span ({low:g}, {high:g}); "
            f"widen p_span or give params={{{free!r}: value}} inside it"
        )
        raise InputError(msg)


def _natural(curve: Curve, z: Array, d: Array) -> Array:
    """Return the scales d, with the parameter in the unit in which it changes the equations as much as the states do.

    The width of the span, which `d` has, says nothing about that.
    """
    n = curve.n
    _, a, fq = curve.system(z)
    with np.errstate(all="ignore"):
        by_states = np.max(np.abs(a) * d[:n], axis=1)
        by_parameter = np.abs(fq) / np.where(by_states > 0.0, by_states, np.inf)
        largest = float(np.max(by_parameter, initial=0.0))
    unit = 1.0 / largest if largest > 0.0 else np.inf
    return np.append(d[:n], min(d[n], unit) if np.isfinite(unit) and unit > 0.0 else d[n])


def _by_rows(curve: Curve, z: Array, d: Array) -> Array:
    """Return the scaled Jacobian with rows of size 1.

    That leaves the null space as it is, and equations in very different units do not make it look singular.
    """
    return Scaled(curve, d).equilibrated(z / d).residual_and_jacobian(z / d)[1]


def _vanishing(curve: Curve, z: Array, d: Array, part: float) -> bool:
    """Whether F at z is this part, or less, of what a step of the size of the states makes of it."""
    return bool(np.all(np.abs(Scaled(curve, d).equilibrated(z / d).residual_and_jacobian(z / d)[0]) <= part))


def _check_defined(curve: Curve, z: Array) -> tuple[Array, Array, Array]:
    """Return F, F_x and F_q at the start; raise if they are not defined there, naming the equation and the variable."""
    model, n = curve.model, curve.n
    try:
        f, a, fq = curve.system(z)
    except Exception as error:
        msg = f"the right-hand side raised {type(error).__name__} at the start ({error}); call model.rhs(x0)"
        raise InputError(msg) from error
    what = undefined(model.states, z[:n], f, a, (curve.free, float(z[n]), fq))
    if what is not None:
        msg = f"x0: {what}; start from a state where the right-hand side is defined, with its derivatives"
        raise InputError(msg)
    return f, a, fq


def _beside_its_terms(curve: Curve, z: Array) -> float:
    """Return the largest residual at z, relative to the terms that it is made of: rounding leaves some 1e-16."""
    n = curve.n

    def right(x: Array, p: Array) -> Array:
        out = np.empty(n)
        curve.model.compiled.rhs(out, np.ascontiguousarray(x), np.concatenate([p, np.zeros_like(p)]), curve.constants)
        return out - x if curve.is_map else out

    p = curve.p0 + z[n] * curve.direction
    with np.errstate(all="ignore"):
        residual, terms = np.abs(right(z[:n], p)), sizes_of_terms(right, z[:n], p)
    return float(np.max(residual / np.where(terms > 0.0, terms, 1.0)))


def _corrected(curve: Curve, z: Array, d: Array, tol: float) -> Array:
    """Return the fixed point near z at the same parameter value."""
    n = curve.n
    _check_defined(curve, z)
    rows = d[:n]
    if _vanishing(curve, z, _natural(curve, z, d), 1e-14):
        return z  # exact already, possibly singular: a special point
    natural = np.zeros(n + 1)
    natural[n] = 1.0
    new, _ = curve.correct(z, d, natural, tol=tol, max_iter=50)
    if new is not None:
        return new
    if np.max(np.abs(z[:n])) < NOTHING and _vanishing(curve, z, np.append(np.full(n, np.sqrt(n)), d[n]), 1e-14):
        return z

    def scaled(u: Array) -> tuple[Array, Array]:
        f, a, _ = curve.system(np.append(u * rows, z[n]))
        return f / rows, a * rows[None, :] / rows[:, None]

    with np.errstate(all="ignore"):
        import scipy.optimize  # 0.3 s, seldom needed

        result = scipy.optimize.root(scaled, z[:n] / rows, jac=True, method="hybr", options={"xtol": 1e-13})
    best = np.append(result.x * rows, z[n])
    polished, _ = curve.correct(best, d, natural, tol=tol, max_iter=50)
    if polished is not None:
        return polished
    f_best = curve.system(best)[0]
    if _vanishing(curve, best, _natural(curve, best, d), 1e-12):  # singular, but a solution
        return best
    ratio = _beside_its_terms(curve, best)
    if ratio <= 16 * np.finfo(float).eps:
        return best
    size = float(np.max(np.abs(f_best)))
    msg = (
        f"x0: Newton did not converge from there (smallest residual max|f| = {size:.3g}, {ratio:.1g} of the terms that "
        f"it is made of, at {curve.free} = {z[n]:g}); "
        "start from a state that nc.simulate settles to, or from one of nc.find_fixed_points"
    )
    raise ConvergenceError(msg)


def _straight(curve: Curve, z: Array, a: Array, fq: Array, rate: Array, step: float) -> float:
    """Return as how small a part of `step` in the parameter the branch is straight: 1, 0.1, ...; 0 if nowhere.

    At a fold or cusp, where the slope is infinite but for rounding, it is nowhere.
    """
    with np.errstate(all="ignore"):
        change = np.append(rate, 1.0) * step
        terms = np.abs(fq) * step + np.abs(a) @ np.abs(change[:-1])
        for part in 0.1 ** np.arange(7):
            for way in (part, -part):
                try:
                    f = curve.system(z + way * change)[0]
                except Exception:  # the user's function, where it may not be defined
                    continue
                if np.all(np.abs(f) <= 0.3 * part * terms):
                    return float(part)
    return 0.0


def scales(curve: Curve, z: Array, span: tuple[float, float], logs: Array | None = None) -> Array:
    """Return d = (sqrt(n) * state scales, span): magnitudes of the states at the start, or of their change along q.

    The stepping lets the scales of the states grow later; a scale too small only costs steps.  For what is measured in
    decades (`decades.log_scales`) they are those of z.
    """
    n = curve.n
    width = float(in_decades(np.append(np.ones(n), span[1] - span[0]), z, logs)[n])
    size = np.abs(z[:n])
    _, a, fq = curve.system(z)
    rate, noise = np.zeros(n), np.zeros(n)
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(a)
            rate = -inverse @ fq
            # what rounding in F and its derivative makes of a state that is zero, whatever the units
            noise = np.abs(inverse) @ (np.abs(a) @ size + np.abs(fq) * abs(z[n]))
        except np.linalg.LinAlgError:
            pass
    rate[~np.isfinite(rate)] = 0.0
    slope = 0.05 * width * np.abs(rate)
    if np.any(slope > size):
        slope *= _straight(curve, z, a, fq, rate, 0.05 * width)
    noise[~np.isfinite(noise)] = 0.0
    rounding = 1e3 * np.finfo(float).eps * noise
    check_positive(curve.model, logs, np.where(size > rounding, z[:n], 0.0), "the start, to rounding,")
    size = np.where(size > rounding, size, slope)  # the span has no say in the size of a state that has one
    size = np.where(size > rounding, size, np.where(np.abs(z[:n]) > 1.0, np.abs(z[:n]), 0.0))
    if curve.model.homogeneous:
        largest = float(size.max())
        size[:] = largest if largest > 1e-9 else 1.0
    size[size == 0.0] = 1.0
    return in_decades(np.append(size * np.sqrt(n), width), z, logs)


def scaled_jacobian(curve: Curve, z: Array, d: Array) -> Array:
    """Return [F_x, F_q], shape (n, n+1), in scaled variables."""
    _, a, fq = curve.system(z)
    return np.concatenate([a, fq[:, None]], axis=1) * d[None, :] / d[: curve.n, None]


def _check_rank(curve: Curve, z: Array, d: Array, given: Array) -> None:
    """Raise if [F_x, F_q] lacks rank at the start and all around it: fixed points then form surfaces, not curves.

    `given` is the start before it was corrected.  In floating-point numbers a stiff system looks like a singular one.
    """
    rng = np.random.default_rng(0)
    certain = True
    for trial in range(4):
        shift = 0.0 if trial == 0 else 1e-3 * rng.standard_normal(curve.n + 1) * d
        jacobian = scaled_jacobian(curve, z + shift, d)
        if not np.all(np.isfinite(jacobian)):
            return
        if not singular(jacobian, 1e-9):
            return
        certain = certain and singular(jacobian, 1e-13)
    refuse_surface(curve, given, certain=certain)


def _on_branch_point(curve: Curve, z: Array, d: Array) -> Array:
    """Return the branch point at z's value of the parameter that Newton, which is slow there, came close to; else z."""
    d = _natural(curve, z, d)
    matrix = _by_rows(curve, z, d)
    if not np.all(np.isfinite(matrix)) or svd(matrix, compute_uv=False)[-1] > NEARLY_SINGULAR:
        return z
    found = solve_branch_point(curve, z, d)
    if found is None:
        return z
    off = np.abs(found.z - z) / d
    if off[-1] > 1e-10 or np.max(off) > (FLAT if _flat(curve, found.z, z) else NEAR):
        return z
    return np.append(np.where(np.abs(found.z[:-1]) > 1e-13 * d[:-1], found.z[:-1], 0.0), z[-1])


def _flat(curve: Curve, one: Array, other: Array) -> bool:
    """Whether F vanishes to rounding between two points, as it does beside a point at which branches cross."""
    n = curve.n
    terms = np.abs(curve.system(other)[1]) @ np.maximum(np.abs(one[:n]), np.abs(other[:n]))
    middle = 0.5 * (one + other)
    return all(bool(np.all(np.abs(curve.system(z)[0]) <= 1e-14 * terms)) for z in (middle, other))


def _without_rounding(curve: Curve, z: Array) -> Array:
    """Return the fixed point z with states of zero that Newton left at what rounding makes of them.

    Another correction changes such a state by its own size, and the equations hold without it.
    """
    n = curve.n
    f, a, _ = curve.system(z)
    with np.errstate(all="ignore"):
        rows = np.max(np.abs(a), axis=1)
        rows[rows == 0.0] = 1.0
        try:
            step = np.linalg.solve(a / rows[:, None], -f / rows)
        except np.linalg.LinAlgError:
            return z
        changing = (np.abs(step) >= CHANGING * np.abs(z[:n])) & (z[:n] != 0.0)
        new = np.append(np.where(changing, 0.0, z[:n]), z[n])
        after = curve.system(new)[0]
        terms = np.abs(a) @ np.maximum(np.abs(z[:n]), np.abs(step))
    return (
        new
        if np.all(np.isfinite(after)) and np.all(np.abs(after) <= np.maximum(1.01 * np.abs(f), 1e-13 * terms))
        else z
    )


def first_tangent(curve: Curve, z: Array, d: Array) -> Array:
    """Return the unit tangent (scaled), with non-negative parameter component.

    Where two branches cross at z it is that of the one that goes most along the parameter.
    """
    units = _natural(curve, z, d)
    tau = _null_vector(curve, z, units) * units / d
    tau = tau / np.linalg.norm(tau)
    if abs(tau[-1]) < 1e-12 and tau[int(np.argmax(np.abs(tau)))] < 0.0:  # vertical: the parameter does not tell
        tau = -tau
    return np.ascontiguousarray(tau)


def _null_vector(curve: Curve, z: Array, d: Array) -> Array:
    n = curve.n
    _, singular, vh = svd(_by_rows(curve, z, d))
    null = vh[n - 1 :] if singular[-1] < SINGULAR else vh[n:]
    tau = null[:, -1] @ null if np.linalg.norm(null[:, -1]) > 1e-12 else null[0]
    tau = tau / np.linalg.norm(tau)
    if len(null) == 2:
        tau = _of_two(curve, z, d, tau)
    if tau[-1] < 0.0 or (abs(tau[-1]) < 1e-12 and tau[int(np.argmax(np.abs(tau)))] < 0.0):
        tau = -tau
    return tau


def _of_two(curve: Curve, z: Array, d: Array, tau: Array) -> Array:
    """Return `tau`, a null vector at a branch point, or the tangent there next to it; `tau` where there is none."""
    try:
        tangents = quadratic_directions(Reduced(Scaled(curve, d), z / d, 1))
    except NoBranches:
        return tau
    if tangents is None or np.max(np.abs(tangents @ tau)) > 1.0 - 1e-9:
        return tau
    return tangents[int(np.argmax(np.abs(tangents[:, -1])))]


def prepare(
    curve: Curve,
    x0: Any,
    q0: float,
    span: tuple[float, float],
    tol: float,
    sign: float | None = None,
    logs: Array | None = None,
) -> Start:
    """Check and correct the start; `sign` is the direction to follow, None for both, `logs` as for `scales`."""
    z = np.append(curve.model.state_vector(x0), q0)
    check_positive(curve.model, logs, z, "x0")
    d = np.append(np.maximum(np.abs(z[:-1]), 1e-3 * max(1e-300, float(np.max(np.abs(z[:-1]))))), span[1] - span[0])
    d[d == 0.0] = 1.0
    d[:-1] = np.where(d[:-1] < 1e-290, 1.0, d[:-1]) * np.sqrt(curve.n)
    d = in_decades(d, z, logs)
    given = z
    try:
        z = _corrected(curve, z, d, tol)
    except ConvergenceError:
        _check_rank(curve, given, d, given)  # why Newton fails
        raise
    check_positive(curve.model, logs, z, "the fixed point that x0 leads to")
    z[-1] = q0  # but for rounding: a start on a bound of the span lies on it
    z = _without_rounding(curve, _on_branch_point(curve, z, d))
    d = scales(curve, z, span, logs)
    _check_rank(curve, z, d, given)
    tau, piece = start_side(curve, z, d, first_tangent(curve, z, d), sign)
    node, _ = piece.node(z, d, tau, 0.0)
    node = Node(z, tau * d, 0.0, node.eigenvalues, node.counts)
    return Start(z, tau, d, node)
