"""Neimark-Sacker points NS of maps, and the strong resonances."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.normal_forms.local import Critical, Local, criticality, product_size, solve

STRONG = {"1:1": 0.0, "1:2": np.pi, "1:3": 2.0 * np.pi / 3.0, "1:4": np.pi / 2.0}
CLOSE, AT = 1e-3, 1e-6


def neimark_sacker(local: Local, critical: Critical) -> dict[str, Any]:
    """Return d with its sign in words, the angle and a strong resonance; Kuznetsov (2004), section 5.4."""
    q, p = critical.q, critical.p
    theta = float(np.angle(critical.value))
    turn = np.exp(-1j * theta)
    conjugate = q.conj()
    h11 = -solve(local.shifted(1.0), np.real(local.B(q, conjugate)))
    h20 = -solve(local.shifted(complex(np.exp(2j * theta))), local.B(q, q))
    parts = [local.C(q, q, conjugate), 2.0 * local.B(q, h11), local.B(conjugate, h20)]
    d = float((turn * np.vdot(p, sum(parts))).real) / 2.0
    size = sum(product_size(p, part) for part in parts)
    name, distance = min(((each, abs(theta - angle)) for each, angle in STRONG.items()), key=lambda pair: pair[1])
    result = {
        "type": "Neimark-Sacker",
        "d": d,
        "criticality": criticality(d, size, local.tolerance, -1.0) if distance > AT else "resonant",
        "theta0": theta,
        "resonance": name if distance <= CLOSE else "none",
        "crossing": float((turn * np.vdot(p, local.B(q, local.along_branch()))).real),
    }
    if distance <= CLOSE:
        which = "at" if distance <= AT else f"{distance:.1g} rad from"
        result["note"] = f"{which} the strong resonance {name}: d alone does not tell what bifurcates"
    return result
