"""Variables measured in decades: which they may be, and the units in which steps see them.

Nothing is substituted in the equations.  An ordinary variable has one unit for a stretch of the branch; one that is
measured in decades has at every point the unit ``|value| * L``, so that equal steps multiply it by equal factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ntkcont.errors import InputError, nearest, unknown_name
from ntkcont.models.model import Array, Model


def listed_names(log: Any) -> tuple[str, ...]:
    """Return the argument `log` as a tuple of different names, whatever model they belong to."""
    wanted = "give the names of what is measured in decades in a tuple"
    if isinstance(log, (str, bytes)):
        name = log if isinstance(log, str) else log.decode(errors="replace")
        msg = f"log: got {log!r}; {wanted}, log=({name!r},)"
        raise InputError(msg)
    if log is None or isinstance(log, bool) or not hasattr(log, "__iter__"):
        msg = f"log: got {log!r}; {wanted}, such as log=('K',)"
        raise InputError(msg)
    names = tuple(log)
    for name in names:
        if not isinstance(name, str):
            msg = f"log: got {name!r} among the names; {wanted}, such as log=('K',)"
            raise InputError(msg)
        if names.count(name) > 1:
            msg = f"log: {name!r} is named {names.count(name)} times; name it once"
            raise InputError(msg)
    return tuple(str(name) for name in names)


def check_log(model: Model, free: str | Sequence[str], span: Any, log: Any) -> tuple[str, ...]:
    """Return the names in `log` if they are states or free parameters, these with spans of positive values.

    `span` is that of the free parameter, shape (2,), or those of several, shape (m, 2).
    """
    names = listed_names(log)
    moving = (free,) if isinstance(free, str) else tuple(free)
    spans = dict(zip(moving, np.reshape(span, (-1, 2)), strict=True))
    for name in names:
        if name in model.states:
            continue
        if name in spans:
            low, high = spans[name]
            if low > 0.0:
                continue
            msg = (
                f"log: {name!r} is measured in decades, but its p_span ({low:g}, {high:g}) "
                f"{'begins at zero' if low == 0.0 else 'holds values that are not positive'}; give a span of positive "
                f"values, or leave {name!r} out of log"
            )
            raise InputError(msg)
        allowed = [*moving, *model.states]
        if name in model.params:
            msg = f"log: {name!r} is a parameter that does not move here; {nearest(name, allowed)}"
            raise InputError(msg)
        raise unknown_name(argument="log", got=name, allowed=allowed)
    return names


def log_scales(model: Model, free: str | Sequence[str], span: Any, log: Sequence[str]) -> Array:
    """Return L for each variable (x, free parameters): its unit is ``|value| * L`` everywhere; 0 for ordinary ones.

    One unit of arclength is then a factor of e in a state (as states in units of their magnitude have it), and the
    whole span of a parameter (as that of an ordinary one).

    Parameters
    ----------
    model : Model
        The system, of n states.
    free : str, or sequence of m names
        The free parameters.
    span : array_like, shape (2,) or (m, 2)
        Their ranges.
    log : sequence of str
        What is measured in decades, checked by `check_log`.

    Returns
    -------
    ndarray, shape (n+1,) or (n+m,)

    Examples
    --------
    >>> import ntkcont as nc
    >>> from ntkcont.pathfollowing.decades import log_scales
    >>> model = nc.Model.from_equations({"x": "K - x"}, {"K": 1.0})
    >>> log_scales(model, "K", (1e-6, 1e6), ("K",)).round(2).tolist()
    [0.0, 27.63]
    """
    moving = (free,) if isinstance(free, str) else tuple(free)
    spans = np.reshape(np.asarray(span, dtype=float), (-1, 2))
    states = [np.sqrt(model.n) if name in log else 0.0 for name in model.states]
    widths = [
        np.log(high) - np.log(low) if name in log else 0.0 for name, (low, high) in zip(moving, spans, strict=True)
    ]
    return np.array([*states, *widths], dtype=float)


def in_decades(d: Array, z: Array, logs: Array | None) -> Array:
    """Return the scales d with those that variables measured in decades have at the point z."""
    return d.copy() if logs is None else np.where(logs > 0.0, np.abs(z) * logs, d)


def check_positive(model: Model, logs: Array | None, x: Array, what: str) -> None:
    """Raise if a state that is measured in decades is not positive at x; `what` says which point that is."""
    if logs is None:
        return
    for name, value, length in zip(model.states, x, logs, strict=False):
        if length > 0.0 and not value > 0.0:
            msg = (
                f"log: {name!r} is measured in decades, but {what} has {name} = {value:g}; start where it is "
                f"positive, or leave {name!r} out of log"
            )
            raise InputError(msg)
