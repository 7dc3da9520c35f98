r"""How kernels grow next to a special point: exponents fitted on both sides, and what theory predicts for them.

Notation: t is the unit tangent of the branch at the point ``z* = (x*, p*)`` in scaled variables, h the distance along t
and ``eps = |p - p*|`` the distance in the free parameter, ``eps ~ |h|^l`` with l = 1, or l = 2 where the branch is
vertical (folds, the bent branch of a pitchfork).  The critical eigenvalue is ``~ h^k`` and the drive ``w F ~ h^m``, so
the critical channel of a kernel grows as ``eps^((2 m - 2 k)/l)``; the regular channel is the rest.

References
----------
J. Hazelden, E. Shea-Brown, arXiv:2605.12763: kernels near bifurcations.
W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000), chapter 3: bordered matrices.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.linear import least_squares
from ntkcont.ntk.chunks import blas_threads
from ntkcont.ntk.nearby import Neighbours
from ntkcont.ntk.predictions import Local, Prediction, predict

if TYPE_CHECKING:
    from ntkcont.ntk.bound import BoundNTK

Array = NDArray[np.float64]

#: Special points at which a kernel may diverge.
SINGULAR = ("LP", "BP", "H", "PD", "NS")
KERNEL_NAMES = ("equilibrium", "resolvent", "arclength")
#: An exponent below this means that the kernel diverges.
DIVERGES = -0.25

_FEWEST = 6  # points of a fit
_RANK = 1e-8  # of the largest eigenvalue: smaller ones are rounding there


class Fit(NamedTuple):
    """A fitted exponent, its standard error, and the range of distances it was fitted over."""

    exponent: float
    error: float
    nearest: float
    farthest: float


def fit_exponent(distance: ArrayLike, values: ArrayLike, along: ArrayLike | None = None) -> Fit:
    """Fit ``values ~ C distance^exponent (1 + a along + b along^2)``.

    The fit is over the six or more neighbouring points that it describes best, so that neither rounding next to the
    point nor other bifurcations away from it count.

    Parameters
    ----------
    distance : array_like, shape (K,)
        Distances |p - p*|, in order, positive.
    values : array_like, shape (K,)
        A quantity there; rows that are not finite or not positive are left out.
    along : array_like, shape (K,), optional
        Distance along the branch, in which everything is smooth; default the distance itself.

    Returns
    -------
    Fit
        nan with fewer than six points.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.ntk.exponents import fit_exponent
    >>> eps = np.logspace(-4, -2, 9)
    >>> round(fit_exponent(eps, 3 / eps**2 * (1 + eps)).exponent, 4)
    -2.0
    """
    eps, y = np.asarray(distance, dtype=float), np.asarray(values, dtype=float)
    h = eps if along is None else np.abs(np.asarray(along, dtype=float))
    good = np.isfinite(y) & (y > 0.0) & (eps > 0.0) & np.isfinite(eps)
    eps, y, h = eps[good], y[good], h[good]
    best = Fit(math.nan, math.inf, math.nan, math.nan)
    for first in range(len(eps) - _FEWEST + 1):
        for last in range(first + _FEWEST, len(eps) + 1):
            rows = slice(first, last)
            u = h[rows] / h[last - 1]
            design = np.stack([np.log(eps[rows]), np.ones_like(u), u, u * u], axis=1)
            rounding = np.finfo(float).eps * max(design.shape)
            solution = least_squares(design, np.log(y[rows]), rounding)
            rest = np.log(y[rows]) - design @ solution
            variance = (rest @ rest) / (last - first - 4)
            error = math.sqrt(variance * least_squares(design.T @ design, np.eye(4)[0], 1e-15)[0])
            if error < best.error:
                best = Fit(float(solution[0]), error, float(eps[rows].min()), float(eps[rows].max()))
    return best if np.isfinite(best.exponent) else Fit(math.nan, math.nan, math.nan, math.nan)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """The kernels on one side of a special point.

    Attributes
    ----------
    after : bool
        Whether at larger arclength.
    right : bool
        Whether at larger values of the free parameter.
    distance : ndarray, shape (K,)
        Distances |p - p*|, increasing.
    along : ndarray, shape (K,)
        Distances along the branch, in units of the continuation.
    top : dict of str to ndarray, shape (K,)
        Largest eigenvalues by kernel.
    fits : dict of str to Fit
        By kernel; nan where the kernel is zero.
    zero : dict of str to bool
        Whether the kernel is zero at all points, exactly or because the source term is zero to rounding.
    participation_ratio, align_state, align_theta : float
        Of the kernel that diverges (of the equilibrium kernel if none does), at the nearest point; nan where the
        kernel is zero.
    rank : int
        How many real eigenvalues of the diverging kernel diverge: one, or two of a complex pair; 0 if none does.
    diverges : tuple of str
        Kernels that diverge on this side.
    """

    after: bool
    right: bool
    distance: Array
    along: Array
    top: dict[str, Array]
    fits: dict[str, Fit]
    zero: dict[str, bool]
    participation_ratio: float
    align_state: float
    align_theta: float
    rank: int
    diverges: tuple[str, ...]

    def measured(self, kernel: str) -> float:
        """Return the exponent of a kernel; inf where it is zero."""
        return math.inf if self.zero[kernel] else self.fits[kernel].exponent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Growth:
    """Both sides of a special point (those that could be followed), and the predictions by kernel.

    ``vertical``: whether the branch does not move in the parameter there.
    """

    label: str
    vertical: bool
    sides: tuple[Side, ...]
    predicted: dict[str, Prediction]


def growth(
    bound: BoundNTK, label: str, x: ArrayLike, p: float, tangent: ArrayLike, omega: float | None = None
) -> Growth:
    """Measure how the kernels grow on both sides of a special point, and predict it.

    Parameters
    ----------
    bound : BoundNTK
        The kernel bound to the model and the free parameter.
    label : {"LP", "BP", "H", "PD", "NS"}
        Kind of the point.
    x, p : array_like (n,), float
        Where it is.
    tangent : array_like, shape (n+1,)
        Direction of the branch there, in original units.
    omega : float, optional
        Critical frequency, of H and NS.

    Raises
    ------
    InputError
        The kernel stacks conditions, whose equilibria are not those of the branch.
    """
    if bound.settings.conditions is not None:
        msg = "kernel: conditions were given, whose equilibria are not those of the branch; leave them out"
        raise InputError(msg)
    with blas_threads(bound.model.n):
        neighbours = Neighbours(bound, x, p, tangent)
        local = Local(bound, neighbours, label, omega)
        sides = [_side(local, after) for after in (False, True)]
        found = tuple(side for side in sides if side is not None)
        return Growth(label=label, vertical=neighbours.vertical, sides=found, predicted=predict(local))


def record(found: Growth) -> dict[str, Any]:
    """Return what a special point keeps: arrays of shape (2,), before and after it; nan where a side is missing.

    An exponent inf means a kernel that is exactly zero.
    """
    out: dict[str, Any] = {}
    sides: list[Side | None] = [next((s for s in found.sides if s.after is after), None) for after in (False, True)]
    for kernel, suffix in zip(KERNEL_NAMES, ("", "_resolvent", "_arc"), strict=True):
        out[f"exponent{suffix}"] = np.array([math.nan if s is None else s.measured(kernel) for s in sides])
        out[f"predicted_exponent{suffix}"] = np.float64(found.predicted[kernel].exponent)
    for name in ("participation_ratio", "align_state", "align_theta"):
        out[f"near_{name}"] = np.array([math.nan if s is None else getattr(s, name) for s in sides])
    out["diverging_rank"] = np.array([0 if s is None else s.rank for s in sides])
    out["diverges"] = ", ".join(dict.fromkeys(name for side in found.sides for name in side.diverges))
    return out


def _side(local: Local, after: bool) -> Side | None:
    """Return one side, or None where too few of its points could be computed."""
    bound, neighbours, label = local.bound, local.neighbours, local.label
    at = neighbours.side(1.0 if after else -1.0)
    if len(at.h) < _FEWEST:
        return None
    oscillating = label in ("H", "PD", "NS")
    plain = bound.with_kernel("equilibrium").evaluate(at.x, at.p)
    other = bound.with_kernel("resolvent").evaluate(at.x, at.p) if oscillating else plain
    eps, along = np.abs(at.p - neighbours.p), np.abs(at.h)
    top = {
        "equilibrium": plain["top"],
        "resolvent": other["top"] if oscillating else plain["top_resolvent"],
        "arclength": plain["top_arc"],
    }
    nothing = local.sourceless(at.x[:: len(at.h) // 2], at.p[:: len(at.h) // 2])
    zero = {name: nothing or not np.any(values) for name, values in top.items()}
    fits = {
        name: fit_exponent(eps, np.zeros_like(eps) if zero[name] else values, along) for name, values in top.items()
    }
    diverges = tuple(name for name in KERNEL_NAMES if fits[name].exponent < DIVERGES)
    ruling = other if "resolvent" in diverges and "equilibrium" not in diverges else plain
    rank = 0
    if diverges and (ruling is other or "equilibrium" in diverges):
        rank = _rank(ruling["eigenvalues"], eps, along) * (2 if label in ("H", "NS") else 1)
    order = np.argsort(eps)
    return Side(
        after=after,
        right=bool(np.median(at.p - neighbours.p) > 0.0),
        distance=eps[order],
        along=along[order],
        top={name: values[order] for name, values in top.items()},
        fits=fits,
        zero=zero,
        participation_ratio=float(ruling["participation_ratio"][order[0]]),
        align_state=float(ruling["align_state"][order[0]]),
        align_theta=float(ruling["align_theta"][order[0]]),
        rank=rank,
        diverges=diverges,
    )


def _rank(eigenvalues: Array, eps: Array, along: Array) -> int:
    """Return how many of the eigenvalues (K, k) grow at least half as fast as the first, towards the point."""
    rate = fit_exponent(eps, eigenvalues[:, 0], along).exponent
    share = eigenvalues[int(np.argmin(eps))] / eigenvalues[int(np.argmin(eps)), 0]
    rates = [fit_exponent(eps, column, along).exponent for column in eigenvalues[:, share > _RANK].T]
    return sum(each < 0.5 * rate for each in rates)
