"""Equations that depend on each other: their fixed points form surfaces, of which no branch can be followed."""

from __future__ import annotations

import numpy as np

from ntkcont.errors import InputError
from ntkcont.linear import least_squares
from ntkcont.models.conserved import MOST_STATES, conserved_quantities, default_names, listed
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve


def refuse_surface(curve: Curve, z: Array, *, certain: bool) -> None:
    """Raise if the equations of a model depend on each other, whatever the value of the free parameter.

    Parameters
    ----------
    curve : Curve
        [F_x, F_q] is singular, in floating-point numbers, at and around the start.
    z : ndarray, shape (n+1,)
        The start (x, q) as it was given.
    certain : bool
        Whether it is singular up to rounding; decides for compiled functions.

    Raises
    ------
    InputError
        It names the conserved quantities, and what to do.
    """
    model, free, x = curve.model, curve.free, z[:-1]
    values = _values(curve, z)
    found = conserved_quantities(model, values, x=x, free=free)
    if found:
        names = default_names(model, found)
        by = ", ".join(f'"{name}": {float(q.weights @ x):.6g}' for name, q in zip(names, found, strict=True))
        remedy = (
            f"model.eliminate(totals={{{by}}}) replaces states by their totals, which become parameters"
            if model.equations is not None
            else "write the function with one state less for each, and its total as a parameter (Model.from_equations "
            "does that itself, model.eliminate(totals=...))"
        )
        msg = (
            f"model: it has {listed(found)}, so that there are fixed points for every total and the Jacobian is "
            f"singular at all of them; {remedy}"
        )
        raise InputError(msg)
    if model.equations is not None and model.n <= MOST_STATES:
        from ntkcont.models.many_digits import rank_deficient
        from ntkcont.models.sum_rules import right_of

        right = right_of(model, values, np.asarray(x))
        if right is None or not rank_deficient(right, free):
            return
    elif not certain:
        return
    msg = (
        "model: its equations depend on each other: the Jacobian is singular at the start and everywhere around it, so "
        f"that fixed points form surfaces; remove an equation, or what is conserved (with {free!r} free)"
    )
    raise InputError(msg)


def _values(curve: Curve, z: Array) -> dict[str, float]:
    """Return the parameter values at z = (x, q) by name."""
    model, p = curve.model, curve.p0 + z[-1] * curve.direction
    if model.matrix is not None:
        moved = least_squares(model.matrix, p - (0.0 if model.offset is None else model.offset))
        p = [float(f"{v:.12g}") for v in moved]  # decimal numbers again
    return {**dict(zip(model.params, (float(v) for v in p), strict=True)), curve.free: float(z[-1])}
