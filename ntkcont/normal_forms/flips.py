"""Period doublings PD of maps: ``y <- -y + b y^3``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.normal_forms.local import Critical, Local, criticality, product_size, solve


def flip(local: Local, critical: Critical) -> dict[str, Any]:
    """Return b with its sign in words; Kuznetsov (2004), section 5.4."""
    q, p = critical.q, critical.p
    h = -solve(local.shifted(1.0), local.B(q, q))
    parts = [local.C(q, q, q), 3.0 * local.B(q, h)]
    b = float(np.vdot(p, sum(parts))) / 6.0
    size = sum(product_size(p, part) for part in parts)
    return {
        "type": "period doubling",
        "b": b,
        "criticality": criticality(b, size, local.tolerance, 1.0),
        "crossing": float(np.vdot(p, local.B(q, local.along_branch()))),
    }
