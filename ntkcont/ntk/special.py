r"""Signatures at a special point, where a matrix is singular: limits and the regular factors of the bordered split.

With ``M = [[L, b], [c^T, 0]]`` and ``M^{-1} = [[X, v], [w^T, g]]``, ``L^{-1} = X - v w^T/g`` exactly.  There g = 0,
while X, v and w stay bounded: they are what is stored, never an inverse of L.

References
----------
W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000), chapter 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.linear import svd

# fraction of the largest eigenvalue below which eigenvalues count as critical together with the nearest one
_MULTIPLE = 1e-6
_NO_DRIVE = 1e-10


def bordered_factors(L: NDArray[Any], F: NDArray[Any], multiplicity: int = 1) -> dict[str, NDArray[Any]]:
    """Return XF (n, m), wF (r, m), g (r, r) and v (n, r) of the bordered split of a nearly singular matrix.

    The borders are its singular vectors of the r smallest singular values.
    """
    n, r = L.shape[0], multiplicity
    left, _, right = svd(L)  # the rows of `right` are conjugated already
    M = np.block([[L, left[:, n - r :]], [right[n - r :], np.zeros((r, r))]])
    rhs = np.zeros((n + r, F.shape[1] + r), dtype=M.dtype)
    rhs[:n, : F.shape[1]] = F
    rhs[n:, F.shape[1] :] = np.eye(r)
    solution = np.linalg.solve(M, rhs)
    m = F.shape[1]
    return {"XF": solution[:n, :m], "wF": solution[n:, :m], "g": solution[n:, m:], "v": solution[:n, m:]}


def singular_matrix(A: NDArray[np.float64], label: str, omega: float | None, is_map: bool) -> NDArray[Any]:
    """Return the matrix that is singular at a special point: A less its critical eigenvalue, J at LP, BP and others."""
    identity = np.eye(len(A))
    if label == "PD":
        return A + identity
    if label in ("H", "NS"):
        if omega is None:
            msg = f"omega: a point of type {label} needs its critical frequency"
            raise InputError(msg)
        return A - (np.exp(1j * omega) if is_map else 1j * omega) * identity
    return A - identity if is_map else A


def special_signatures(
    row: dict[str, Any],
    *,
    label: str,
    A: NDArray[np.float64],
    F: NDArray[np.float64],
    omega: Any,
    is_map: bool,
    readout: NDArray[np.float64] | None,
    kernel: str,
    stacked: bool,
) -> dict[str, Any]:
    """Return the signatures at a special point as limits, with XF, wF, g and v in scaled variables.

    The singular matrix is J at folds and branch points, ``A + I`` at period doublings, ``A - i omega I`` at Hopf and
    ``A - e^{i omega} I`` at Neimark-Sacker points; elsewhere J, which is then regular.
    """
    L = singular_matrix(A, label, omega, is_map)
    size = np.abs(np.linalg.eigvals(L))
    multiplicity = max(1, int(np.sum(size <= _MULTIPLE * size.max())))
    split = bordered_factors(L, F, multiplicity)
    out = dict(row)
    if multiplicity == 1:
        out |= {"XF": split["XF"], "wF": split["wF"][0], "g": split["g"][0, 0], "v": split["v"][:, 0]}
    else:
        out |= split
    driven = bool(np.linalg.norm(split["wF"]) > _NO_DRIVE * np.linalg.norm(F))
    if label == "BP" and driven:  # the null vector of J is one of the bordered matrix too: arclength does not help
        out["top_arc"] = np.float64(np.inf)
    if label in ("LP", "BP") and multiplicity == 1 and not stacked:
        out["kappa_0"] = _condition_number(L)
        out["kappa"] = out["kappa"] if np.isfinite(out["kappa"]) else out["kappa_0"]
    if label in ("LP", "BP") and not stacked and kernel == "equilibrium":
        out |= _limits(split, driven, readout, len(row["eigenvalues"]))
        out["top_resolvent"] = out["top"]
        out["ratio_resolvent"] = out["ratio"]
    elif label in ("PD", "H", "NS") and not stacked and driven:
        out |= {"top_resolvent": np.float64(np.inf), "ratio_resolvent": np.float64(1.0)}
        if kernel == "resolvent":
            out |= _limits(split, driven, readout, len(row["eigenvalues"]))
    return out


def _condition_number(L: NDArray[np.float64]) -> np.float64:
    """Return |w| |v| / |w^T v| of the zero eigenvalue of a singular matrix."""
    left, _, right = svd(L)
    overlap = abs(float(left[:, -1] @ right[-1]))
    return np.float64(1.0 / overlap) if overlap > 0.0 else np.float64(np.inf)


def _limits(
    split: dict[str, NDArray[Any]], driven: bool, readout: NDArray[np.float64] | None, k: int
) -> dict[str, Any]:
    """Return the spectrum of the kernel in the limit: infinite along the critical vectors, regular across them."""
    XF, v, wF = split["XF"], split["v"], split["wF"]
    if readout is not None:
        XF, v = readout @ XF, readout @ v
    found: dict[str, Any] = {"singular": np.bool_(True)}
    infinite = 0
    if driven and np.linalg.norm(v) > 0:
        u, s, _ = svd(v @ wF, full_matrices=False)
        infinite = int(np.sum(s > _NO_DRIVE * s[0]))
        u = u[:, :infinite]
        d = np.linalg.qr(wF.conj().T)[0]
        XF = XF - u @ (u.conj().T @ XF)
        XF = XF - (XF @ d) @ d.conj().T
    e = np.zeros(XF.shape[0])
    s = svd(XF, compute_uv=False)
    e[infinite : infinite + min(len(s), len(e) - infinite)] = s[: len(e) - infinite] ** 2
    e[:infinite] = np.inf
    nan = np.float64(np.nan)
    found["eigenvalues"] = e[:k]
    found["top"], found["trace"] = np.float64(e[0]), np.float64(e.sum())
    if infinite == 1:
        one = np.float64(1.0)
        found |= dict.fromkeys(
            (
                "participation_ratio",
                "entropy_rank",
                "stable_rank",
                "top_fraction",
                "align_state",
                "align_theta",
                "ratio",
            ),
            one,
        )
        found |= {
            "gap": np.float64(np.inf) if len(e) > 1 else nan,
            "condition": np.float64(np.inf) if len(e) > 1 else one,
        }
        found["lr_crit"] = np.float64(0.0)
        return found
    found |= dict.fromkeys(("align_state", "align_theta", "ratio"), nan)
    if infinite or not e[0] > 0:
        found |= dict.fromkeys(
            ("participation_ratio", "entropy_rank", "stable_rank", "top_fraction", "gap", "condition"), nan
        )
        found["lr_crit"] = np.float64(0.0) if infinite else nan
        return found
    q = e / e[0]
    p = q[q > 0] / q.sum()
    found |= {
        "participation_ratio": np.float64(q.sum() ** 2 / np.sum(q**2)),
        "entropy_rank": np.float64(np.exp(-np.sum(p * np.log(p)))),
        "stable_rank": np.float64(q.sum()),
        "top_fraction": np.float64(1.0 / q.sum()),
        "gap": np.float64(1.0 / q[1]) if len(q) > 1 and q[1] > 0 else np.float64(np.inf),
        "condition": np.float64(1.0 / q[-1]) if q[-1] > 0 else np.float64(np.inf),
        "lr_crit": np.float64(2.0 / e[0]),
    }
    return found
