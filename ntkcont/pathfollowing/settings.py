"""How a continuation steps."""

from __future__ import annotations

import dataclasses
import math

from ntkcont.errors import InputError


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

    Raises
    ------
    InputError
        If a value is not positive or the steps are not ordered ``ds_min <= ds <= ds_max``.

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
