"""What must hold before trajectories and a fixed point are compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array, Model
from ntkcont.ntk.trajectory.linearised import Trajectories

#: Largest residual of a fixed point, relative to the terms that it is made of.
_FIXED = 1e-6
# states smaller than this count as this large
_SMALL = 1e-3


def check_any_kept(found: Trajectories, what: str) -> None:
    """Raise InputError if all trials blew up, so that there is no `what`."""
    if not found.kept.any():
        first = int(np.argmin(found.blow_up))
        when = f"{'step' if found.model.kind == 'map' else 't ='} {found.blow_up[first]:g}"
        msg = (
            f"initial_states: all {len(found.kept)} trials blew up, trial {first} first at {when}, so that there is no "
            f"{what}; shorten T or start elsewhere"
        )
        raise InputError(msg)


def check_fixed_point(model: Model, x: Array, params: Mapping[str, float]) -> None:
    """Raise InputError if x (n,) is far from being a fixed point."""
    f, A = model.rhs(x, params), model.jac(x, params)
    if model.kind == "map":
        f, A = f - x, A - np.eye(model.n)
    size = np.abs(A) @ np.maximum(np.abs(x), _SMALL * max(1.0, float(np.max(np.abs(x)))))
    if not np.all(np.abs(f) <= _FIXED * np.maximum(size, np.finfo(float).tiny)):
        msg = (
            f"x: it is no fixed point of these parameters (largest residual {float(np.max(np.abs(f))):.3g}); give one "
            "of nc.find_fixed_points(model, starts=[x], params=...)"
        )
        raise InputError(msg)
