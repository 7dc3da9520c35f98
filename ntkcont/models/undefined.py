"""Where equations are not defined: which one, or which of its derivatives, as part of a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ntkcont.models.evaluation import Array


def undefined(
    states: Sequence[str], x: Array, f: Array, a: Array, slopes: tuple[str, float, Array] | None = None
) -> str | None:
    """Say what is not finite at a state; None if everything is.

    Parameters
    ----------
    states : sequence of str
        Names of the n states.
    x, f, a : ndarray, shapes (n,), (n,) and (n, n)
        The state, the right-hand side there, and its Jacobian.
    slopes : tuple, optional
        The name and the value of a parameter, and the derivative of the right-hand side in it, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.models.undefined import undefined
    >>> undefined(["x"], np.zeros(1), np.ones(1), np.array([[np.nan]]))
    "the derivative of the equation of 'x' in 'x' is not finite there (nan at x = 0), although the right-hand side is"
    """
    bad = np.flatnonzero(~np.isfinite(f))
    if len(bad):
        shown = ", ".join(f"{name} = {v:.6g}" for name, v in list(zip(states, x, strict=True))[:4])
        more = ", ..." if len(states) > 4 else ""
        return f"the equation of {states[bad[0]]!r} is not finite there ({f[bad[0]]} at {shown}{more})"
    entries = np.argwhere(~np.isfinite(a))
    if len(entries):
        i, j = (int(k) for k in entries[0])
        what, name, value, found = repr(states[j]), states[j], float(x[j]), a[i, j]
    elif slopes is not None and not np.all(np.isfinite(slopes[2])):
        i = int(np.flatnonzero(~np.isfinite(slopes[2]))[0])
        what, name, value, found = f"the parameter {slopes[0]!r}", slopes[0], slopes[1], slopes[2][i]
    else:
        return None
    return (
        f"the derivative of the equation of {states[i]!r} in {what} is not finite there ({found} at {name} = "
        f"{value:.6g}), although the right-hand side is"
    )
