"""How a continuation steps."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from ntkcont.errors import InputError, unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContinuationSettings:
    """Step sizes and limits; the defaults work untuned.

    Lengths are in scaled arclength: states in units of their own magnitude, the parameter in units of ``p_span``, with
    the inner product ``<u, u>/n + p^2``.  So 0.02 is 2 % of the diagram, for any number of states and any units.

    Parameters
    ----------
    ds : float
        First step, default 0.005.
    ds_min : float
        Smallest step, default 1e-7; the run ends with ``Status.MIN_STEP`` when the corrector still fails there.
    ds_max : float
        Largest step, default 0.02.
    max_steps : int
        Accepted steps per direction, default 5000.
    tol : float
        Newton stops when its last correction is smaller (scaled variables), default 1e-10.
    eigenvalues : {"all", "adaptive"}
        "all", the default: of every point.  "adaptive", for networks of some hundred units and more: of chosen points
        (rows of nan elsewhere); in between, those near the stability boundary are followed.  ``n_unstable`` is known at
        every point in both cases, and special points have all their eigenvalues.  Neutral saddles, an annotation, are
        found by "all" only; models with fewer than 64 states, and those with kinks, are always computed with "all".
    store_states : {"all", "special"}
        "special" keeps states, tangents and eigenvalues of the special points and the ends only; of the other points
        the parameter, arclength, stability and kernel signatures (rows of nan that take no memory stand for the rest).

    Raises
    ------
    InputError
        If a value is not positive, the steps are not ordered ``ds_min <= ds <= ds_max``, or a choice is unknown.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.ContinuationSettings(ds_max=0.05).ds_max
    0.05
    """

    ds: float = 0.005
    ds_min: float = 1e-7
    ds_max: float = 0.02
    max_steps: int = 5000
    tol: float = 1e-10
    eigenvalues: Literal["all", "adaptive"] = "all"
    store_states: Literal["all", "special"] = "all"

    def __post_init__(self) -> None:
        for name in ("ds", "ds_min", "ds_max", "tol"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                msg = f"ContinuationSettings.{name}: got {value!r}; it must be a positive number"
                raise InputError(msg)
        if int(self.max_steps) != self.max_steps or self.max_steps < 1:
            msg = f"ContinuationSettings.max_steps: got {self.max_steps!r}; it must be a positive integer"
            raise InputError(msg)
        if not self.ds_min <= self.ds <= self.ds_max:
            msg = (
                f"ContinuationSettings: ds_min={self.ds_min:g}, ds={self.ds:g}, ds_max={self.ds_max:g}; "
                "they must satisfy ds_min <= ds <= ds_max"
            )
            raise InputError(msg)
        for name, allowed in (("eigenvalues", ("all", "adaptive")), ("store_states", ("all", "special"))):
            if getattr(self, name) not in allowed:
                error = unknown_name("ContinuationSettings." + name, getattr(self, name), allowed)
                raise error
