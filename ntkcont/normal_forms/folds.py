"""Folds LP of flows and maps: ``y' = drive (p - p*) + a y^2``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.normal_forms.local import Critical, Local, is_zero, product_size


def fold(local: Local, critical: Critical) -> dict[str, Any]:
    """Return a, the drive and the side on which the branch lies; Kuznetsov (2004), section 5.4."""
    q, p = critical.q, critical.p
    second = local.B(q, q)
    a, drive = float(np.vdot(p, second)) / 2.0, float(np.vdot(p, local.Fp))
    opens = "right" if a * drive < 0.0 else "left"
    if is_zero(a, product_size(p, second), local.tolerance) or is_zero(
        drive, product_size(p, local.Fp), local.tolerance
    ):
        return degenerate_fold(a, drive)
    return {"type": "fold", "a": a, "drive": drive, "opens": opens}


def degenerate_fold(a: float, drive: float) -> dict[str, Any]:
    """Return what is said where a or the drive is zero."""
    note = "the quadratic coefficient a or the drive is zero: terms of higher order decide what happens here"
    return {"type": "degenerate", "a": a, "drive": drive, "note": note}
