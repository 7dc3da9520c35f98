"""The start of a curve in two parameters: checks of the input, scales, correction of the special point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import ConvergenceError, InputError, unknown_name
from ntkcont.models.model import Array, Model
from ntkcont.pathfollowing.critical import System, system_of
from ntkcont.pathfollowing.critical_point import CriticalNode, describe
from ntkcont.pathfollowing.critical_steps import UNFOLDED, newton
from ntkcont.pathfollowing.curve import Curve
from ntkcont.pathfollowing.decades import in_decades
from ntkcont.pathfollowing.start import check_span
from ntkcont.results.labels import CODIMENSION_TWO, LABELS
from ntkcont.results.special_points import SpecialPoint

#: What can be followed in two parameters.
FOLLOWED = {"flow": ("LP", "H", "BP", "NSad"), "map": ("LP", "PD", "NS", "BP")}


def two_names(model: Model, free: Any) -> tuple[str, str]:
    """Return the names of two parameters."""
    wrong = f"free: got {free!r}; give one parameter, or two in a tuple, such as free=('a', 'b')"
    if isinstance(free, (str, bytes)) or not isinstance(free, Sequence) or len(free) != 2:
        raise InputError(wrong)
    for name in free:
        if not isinstance(name, str):
            raise InputError(wrong)
        if name not in model.params:
            raise unknown_name(argument="free", got=name, allowed=model.params)
    if free[0] == free[1]:
        msg = f"free: got {free[0]!r} twice; a curve in two parameters needs two different ones"
        raise InputError(msg)
    return free[0], free[1]


def two_spans(free: tuple[str, str], p_span: Any) -> Array:
    """Return the ranges of both parameters, shape (2, 2)."""
    wrong = (
        f"p_span: got {p_span!r}; with two free parameters give two spans, "
        f"(({free[0]} lowest, highest), ({free[1]} lowest, highest))"
    )
    try:
        first, second = (tuple(span) for span in p_span)
    except (TypeError, ValueError):
        raise InputError(wrong) from None
    spans = []
    for name, span in zip(free, (first, second), strict=True):
        try:
            spans.append(check_span(span))
        except InputError as error:
            msg = str(error).replace("p_span:", f"p_span of {name!r}:", 1)
            raise InputError(msg) from None
    return np.array(spans)


def check_point(model: Model, point: Any) -> SpecialPoint:
    """Return the point if it is one that can be followed, else raise InputError."""
    allowed = FOLLOWED[model.kind]
    names = ", ".join(allowed)
    if not isinstance(point, SpecialPoint):
        msg = (
            f"x0: got {type(point).__name__}; with two free parameters give a special point of a branch "
            f"({names}), such as branch.special_points[{allowed[0] + '1'!r}]"
        )
        raise InputError(msg)
    if point.kind != model.kind or point.states != model.states:
        msg = f"x0: the special point {point.name!r} belongs to another model (kind or states differ); give its own"
        raise InputError(msg)
    if point.label not in allowed:
        hint = "; follow the curves that meet there from their own points" if point.label in CODIMENSION_TWO else ""
        msg = (
            f"x0: {point.name!r} has the label {point.label} ({LABELS[point.label]}), which has no curve in two "
            f"parameters; it may be one of {names}{hint}"
        )
        raise InputError(msg)
    if point.multiplicity > 1:
        msg = (
            f"x0: {point.name!r} has {point.multiplicity} critical eigenvalues of its kind at once (a symmetry); only "
            "points with one can be followed"
        )
        raise InputError(msg)
    return point


def values_at(model: Model, point: SpecialPoint, params: Mapping[str, float] | None) -> dict[str, float]:
    """Return all parameters at the start: the model's, then those of the point, then those in `params`."""
    merged = {**model.params, **{k: v for k, v in point.params.items() if k in model.params}}
    values = model.values({**merged, **(params or {})})
    return dict(zip(model.params, (float(v) for v in values), strict=True))


def check_inside(free: tuple[str, str], values: Mapping[str, float], spans: Array) -> None:
    """Raise if the start is outside a span."""
    for name, (low, high) in zip(free, spans, strict=True):
        reach = 1e-9 * (high - low)
        if not low - reach <= values[name] <= high + reach:
            msg = (
                f"x0: the point lies at {name} = {values[name]:g}, outside its p_span ({low:g}, {high:g}); "
                "widen that span"
            )
            raise InputError(msg)


def _scales(curve: Curve, point: SpecialPoint, z: Array, spans: Array) -> Array:
    """Return the scales of (x, q1, q2): magnitudes of the states at the start or of their change along the curve."""
    n = curve.n
    widths = spans[:, 1] - spans[:, 0]
    change = np.nan_to_num(np.abs(point.tangent[:n]))  # of the order of the scales of the branch
    rough = _filled(np.maximum(np.abs(z[:n]), 0.05 * change), None)
    d = np.append(rough * np.sqrt(n), widths)
    system = system_of(curve, point.label, z, d, point.omega)
    equations = system.linearise(np.concatenate([z / d, np.zeros(system.extra)]))
    size = np.abs(z[:n])
    if equations is not None:
        tau = np.linalg.svd(equations[1])[2][-1]
        speed = float(np.linalg.norm(tau[n : n + 2]))
        if speed > 1e-6:
            size = np.maximum(size, 0.05 * np.abs(tau[:n] * d[:n]) / speed)
    size[size <= 1e-12 * rough] = 0.0
    if curve.model.homogeneous:
        size[:] = size.max() if size.max() > 1e-9 else 1.0
    return np.append(_filled(size, 1.0) * np.sqrt(n), widths)


def _filled(size: Array, value: float | None) -> Array:
    """Replace what is zero but for rounding by `value`, or by the largest."""
    largest = float(size.max())
    zero = size <= max(1e-12 * largest, 1e-290)
    return np.where(zero, value or (largest if largest > 1e-290 else 1.0), size)


def _corrected(system: System, name: str, u: Array, tol: float) -> tuple[Array, float]:
    """Return the point of the curve near u: at the same value of the second parameter if there is one."""
    n = system.n
    natural = np.zeros(len(u))
    natural[n + 1] = 1.0
    state = system.state
    for row in (natural, None):
        system.restore(state)
        if row is None:  # the curve turns in the second parameter just here
            equations = system.linearise(u)
            if equations is None:
                break
            row = np.linalg.svd(equations[1])[2][-1]
        found = newton(system, u, row, tol, 25)
        if found is not None and found[3] < 0.5:
            return found[0], found[4]
    gone = ", or it does not persist when both parameters move" if name == "BP" else ""
    msg = (
        f"x0: Newton did not converge to a {name} point from there{gone}; locate the special point at the values of "
        "the parameters from which it shall be followed"
    )
    raise ConvergenceError(msg)


def first_node(
    curve: Curve, point: SpecialPoint, z: Array, spans: Array, tol: float, logs: Array | None = None
) -> tuple[System, CriticalNode]:
    """Return the equations and the corrected first node, with a tangent that points up in the second parameter."""
    n, label = curve.n, point.label
    d = in_decades(_scales(curve, point, z, spans), z, logs)
    system = system_of(curve, label, z, d, point.omega)
    u, residual = _corrected(system, label, np.concatenate([z / d, np.zeros(system.extra)]), tol)
    equations = system.linearise(u)
    assert equations is not None
    _, singular, vh = np.linalg.svd(equations[1])
    if singular[-1] < 1e-9 * singular[0]:
        other = "; a fold there is a branch point or a cusp" if label == "LP" else ""
        msg = (
            f"x0: no single curve of {label} points passes through {point.name!r} in {curve.names[0]!r} and "
            f"{curve.names[1]!r} (its equations are singular there){other}; start from another point"
        )
        raise InputError(msg)
    tau = vh[-1]
    if system.extra and max(abs(tau[-1]), abs(u[-1])) > UNFOLDED:
        msg = (
            f"x0: the branch point {point.name!r} does not persist when {curve.names[1]!r} moves (the bifurcation "
            "becomes imperfect); follow the folds that appear nearby instead"
        )
        raise InputError(msg)
    lead = n + 1 if abs(tau[n + 1]) > 1e-10 else n
    tau = tau if tau[lead] > 0.0 else -tau
    return system, describe(system, label, u, tau, 0.0, residual)
