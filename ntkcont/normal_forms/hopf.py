"""Hopf points H of flows: the first Lyapunov coefficient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.normal_forms.local import Critical, Local, criticality, product_size, solve


def hopf(local: Local, critical: Critical) -> dict[str, Any]:
    """Return G21/2 and l1 with its sign in words; Kuznetsov (2004), (5.34)."""
    q, p, omega = critical.q, critical.p, critical.value.imag
    conjugate = q.conj()
    h11 = -solve(local.A, np.real(local.B(q, conjugate)))
    h20 = -solve(local.shifted(2j * omega), local.B(q, q))
    parts = [local.C(q, q, conjugate), 2.0 * local.B(q, h11), local.B(conjugate, h20)]
    half = complex(np.vdot(p, sum(parts))) / 2.0
    size = sum(product_size(p, part) for part in parts)
    slope = complex(np.vdot(p, local.B(q, local.along_branch())))
    return {
        "type": "Hopf",
        "l1": half.real / omega,
        "re_g21_half": half.real,
        "im_g21_half": half.imag,
        "criticality": criticality(half.real, size, local.tolerance, -1.0),
        "omega": omega,
        "crossing": slope.real,
    }
