"""Branch points BP: the reduced equation of two crossing branches, its type and their directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntkcont.models.model import Array
from ntkcont.normal_forms.local import Critical, Local, bordered, criticality, is_zero, product_size


def branch_point(local: Local, critical: Critical) -> dict[str, Any]:
    """Return b20, b11, b02, b30, the type and the directions (Golubitsky and Schaeffer, 1985)."""
    n, q, p = local.n, critical.q, critical.p
    lu = bordered(local.shifted(1.0 if local.is_map else 0.0), q, q)

    def complement(right: Array) -> Array:
        """Solve L u = right within the range, along q, with <q, u> = 0."""
        return lu.solve(np.append(right, 0.0))[:n]

    w = np.append(complement(-local.Fp), 1.0)
    qq, qw, ww = local.B(q, q), local.B(q, w), local.B(w, w)
    h = complement(-qq)
    cubic = [local.C(q, q, q), 3.0 * local.B(q, h)]
    b20, b11, b02, b30 = (float(np.vdot(p, each)) for each in (qq, qw, ww, sum(cubic)))
    result: dict[str, Any] = {"type": "", "b20": b20, "b11": b11, "b02": b02, "b30": b30}
    if _negligible(local, critical, b20, b11, b30, product_size(p, qq)):
        roots = [(1.0, 0.0), (-b02, 2.0 * b11)]
        if is_zero(b11, [product_size(p, qw)], local.tolerance):
            return degenerate_branch_point(result)
        size = sum(product_size(p, part) for part in cubic)
        result["type"] = "pitchfork"
        result["criticality"] = criticality(b30, size, local.tolerance, -1.0)
        if result["criticality"] == "degenerate":
            degenerate_branch_point(result)
    else:
        discriminant = b11 * b11 - b20 * b02
        if is_zero(discriminant, [b11 * b11, b20 * b02], local.tolerance):
            return degenerate_branch_point(result)
        if discriminant < 0.0:
            result["type"] = "isolated"
            return result
        larger = -(b11 + np.copysign(np.sqrt(discriminant), b11))  # without cancellation
        roots = [(larger, b20), (b02, larger)]
        result["type"] = "transcritical"
    q_direction = np.append(q, 0.0)
    result["directions"] = np.array([_unit(y * q_direction + m * w) for y, m in roots])
    return result


def degenerate_branch_point(result: dict[str, Any]) -> dict[str, Any]:
    """Say that terms up to the third order leave open what happens."""
    result["type"] = "degenerate"
    if "criticality" in result:
        result["criticality"] = "degenerate"
    result["note"] = "b20 and b30, or the discriminant, are zero: terms of higher order decide what happens here"
    return result


def _negligible(local: Local, critical: Critical, b20: float, b11: float, b30: float, size: float) -> bool:
    """Whether b20 is zero: below rounding, or so small against b30 that the point's own inaccuracy explains it.

    Near the point b20 changes by b30 times the distance; the natural length is sqrt(rate/|b30|), with the rate that of
    the linear dynamics.
    """
    rate = float(np.max(np.abs(local.A)))
    if local.n == 1:
        rate += abs(b11) * max(1.0, abs(local.value))
    accuracy = max(1e-6, local.tolerance) * np.sqrt(rate * abs(b30))
    return abs(b20) <= max(accuracy, 1e-9 * size, 1e-14 * critical.kappa * rate)


def _unit(u: Array) -> Array:
    u = u / np.linalg.norm(u)
    if abs(u[-1]) > 1e-12:
        return u * np.sign(u[-1])
    return u * np.sign(u[np.argmax(np.abs(u))])
