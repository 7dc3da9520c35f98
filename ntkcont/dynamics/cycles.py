"""The stable cycle beyond each Hopf point, by integration: its maximum, minimum and period along the parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.dynamics.cycle_walk import Walk, window
from ntkcont.dynamics.envelopes import CycleEnvelope, Orbit
from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Array, Model
from ntkcont.results.branch import Branch

Quantity = str | Callable[[Any], Any] | None


def cycle_envelope(
    branch: Branch, y: Quantity = None, model: Model | None = None, *, points: int = 24
) -> tuple[CycleEnvelope, ...]:
    """Follow the stable cycle beyond each Hopf point by integration: ``cycle_envelope(branch) -> tuple``.

    At every Hopf point at which the equilibrium becomes stable or unstable, the flow is integrated on the unstable side
    from beside the equilibrium until it settles on a cycle. That cycle is followed in both directions of the free
    parameter, each time from the cycle before: back to the Hopf point, and past it where the Hopf point is subcritical
    and a stable cycle exists beside the stable equilibrium; and on until the branch's parameter range ends or the
    cycle is lost (it comes to rest, its period grows beyond all bounds, it is no longer periodic).

    Parameters
    ----------
    branch : Branch
        Of a flow.
    y : str or callable, optional
        What is measured: a state, ``"norm"``, or a function that takes an object with ``x`` (m, n), ``p`` (m,) and
        columns by name, and returns (m,). Default the first state, for networks the norm.
    model : Model, optional
        Needed where the branch carries none, after loading it from a file.
    points : int
        Values of the parameter between the Hopf point and the end of the unstable part, default 24; at least 6.

    Returns
    -------
    tuple of CycleEnvelope
        One for each family of cycles, in the order of the Hopf points; a family that begins at one and ends at another
        is given once. Empty if there is none.

    Raises
    ------
    InputError
        If the branch is that of a map, no model is known, or `y` or `points` is not what it may be.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, Springer 2004, section 3.4 (cycles born at Hopf points).

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> equations = {"x": "r*x - y - x*(x**2 + y**2)", "y": "x + r*y - y*(x**2 + y**2)"}
    >>> hopf = nc.Model.from_equations(equations, {"r": -0.5})
    >>> branch = nc.continuation(hopf, [0, 0], free="r", p_span=(-0.5, 1))
    >>> (cycle,) = nc.cycle_envelope(branch, "x")
    >>> bool(np.allclose(cycle.high**2, cycle.p, atol=1e-3))
    True
    """
    model = model if model is not None else branch.model
    if model is None:
        msg = "model: the branch carries none (it was loaded from a file); give model="
        raise InputError(msg)
    if branch.kind == "map":
        msg = (
            "branch: it is that of a map; the invariant curves beyond Neimark-Sacker points are not followed, "
            "iterate the map itself with nc.simulate"
        )
        raise InputError(msg)
    if not (isinstance(points, int) and points >= 6):
        msg = f"points: got {points!r}; it must be an integer, at least 6"
        raise InputError(msg)
    measure, label = _measure(branch, model, y)
    families: list[CycleEnvelope] = []
    for point in branch.special_points("H"):
        unstable = window(branch, point)
        if unstable is None:
            continue
        family = Walk(branch, model, point, unstable, measure, points).run(label, families)
        if family is not None:
            families.append(family)
    return tuple(families)


def _measure(branch: Branch, model: Model, y: Quantity) -> tuple[Callable[[Orbit], Array], str]:
    if y is None:
        y = "norm" if model.homogeneous and branch.n > 1 else branch.states[0]
    if callable(y):
        function = y

        def measured(orbit: Orbit) -> Array:
            values = np.asarray(function(orbit), dtype=float)
            if values.shape != orbit.p.shape:
                msg = (
                    f"y: the function returned shape {values.shape} for {len(orbit.p)} states; it must return one each"
                )
                raise InputError(msg)
            return values

        return measured, getattr(y, "__name__", "y")
    name = y
    if name in branch.states:
        return lambda orbit: orbit[name], name
    if name == "norm":
        return lambda orbit: np.linalg.norm(orbit.x, axis=1), name
    raise unknown_name(argument="y", got=name, allowed=[*branch.states, "norm"])
