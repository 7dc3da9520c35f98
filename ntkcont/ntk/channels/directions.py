r"""The critical directions of theta at a fixed point: what pushes along the critical vector, what makes it grow.

With ``A v = lambda v``, ``w* A = lambda w*``, ``w* v = 1`` for the eigenvalue lambda nearest to the stability boundary:

- *drive* ``F^T w``, where lambda is real (of a map: real and positive): it enters the dynamics along v as a constant
  force, and is normal to the set of folds;
- *growth* ``D_theta lambda``, where the fixed point moves by the regular part ``-X F`` of the bordered split; of a
  complex pair (and of multipliers) the derivative of the real part (of the modulus), and *frequency*, that of the
  imaginary part (of the angle).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.derivatives import Derivatives
from ntkcont.normal_forms.local import Critical, Local, critical
from ntkcont.ntk.critical_derivatives import FixedPoint, eigenvalue_slopes
from ntkcont.ntk.theta import Theta

#: A direction this much shorter than the other one is rounding: a drive of weights that act on a state at zero.
ROUNDING = 1e-9
#: The critical eigenvalue is this much nearer to the stability boundary than the next one, where a channel is defined.
NEARER = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CriticalDirections:
    """The directions of theta that belong to one critical eigenvalue.

    Attributes
    ----------
    kind : {"real", "flip", "pair"}
        A real eigenvalue (of a map: near 1), a multiplier near -1, a complex pair.
    eigenvalue : complex
        lambda; of a pair the one with positive imaginary part.
    v, w : ndarray, shape (n,)
        Right and left vectors in original units, ``|v| = 1``, ``w* v = 1``.
    parts : dict of str to ndarray, shape (P,)
        "drive", "growth" and "frequency", those that exist and are not zero, theta in units of its scale.
    """

    kind: Literal["real", "flip", "pair"]
    eigenvalue: complex
    v: NDArray[Any]
    w: NDArray[Any]
    parts: dict[str, Array]

    @property
    def gamma(self) -> Array:
        """The directions as columns, (P, d)."""
        return np.stack(list(self.parts.values()), axis=1)

    @functools.cached_property
    def basis(self) -> Array:
        """Orthonormal columns that span them, (P, r)."""
        gamma = self.gamma
        u, s, _ = svd(gamma / np.linalg.norm(gamma, axis=0), full_matrices=False)
        return u[:, s > 1e-8 * s[0]]


def stability_distance(eigenvalues: NDArray[Any], is_map: bool) -> Array:
    """Return the distance of each eigenvalue from the stability boundary."""
    return np.abs(np.abs(eigenvalues) - 1.0) if is_map else np.abs(np.real(eigenvalues))


def is_isolated(eigenvalues: NDArray[Any], is_map: bool) -> bool:
    """Whether one eigenvalue (pair) is clearly nearer to the stability boundary than all others."""
    upper = eigenvalues[np.imag(eigenvalues) >= 0.0]
    distance = np.sort(stability_distance(upper, is_map))
    return distance.size == 1 or bool(distance[0] < NEARER * distance[1])


def critical_at(model: Model, A: Array, eigenvalues: NDArray[Any] | None = None) -> tuple[Local, Critical]:
    """Return the linearisation (without second derivatives) and the vectors of the eigenvalue that is most critical."""
    is_map = model.kind == "map"
    found = np.asarray(np.linalg.eigvals(A) if eigenvalues is None else eigenvalues, dtype=complex)
    nearest = complex(found[np.argmin(stability_distance(found, is_map))])
    nearest = complex(nearest.real, abs(nearest.imag))
    local = Local(
        A=A, Fp=np.zeros(len(A)), derivatives=Derivatives(), is_map=is_map, value=0.0,
        eigenvalues=found, multiplicity=1, vectors={}, tolerance=0.0,
    )  # fmt: skip
    return local, critical(local, nearest if nearest.imag else nearest.real)


def critical_directions(
    model: Model, theta: Theta, x: Array, values: Array, scale: Array, eigenvalues: NDArray[Any] | None = None
) -> CriticalDirections | None:
    """Return the critical directions at a fixed point, or None where the critical eigenvalue is multiple.

    Parameters
    ----------
    model, theta : Model, Theta
    x, values : ndarray, shapes (n,) and (m,)
        The fixed point and all parameters.
    scale : ndarray, shape (P,)
        Units of theta.
    eigenvalues : ndarray of complex, shape (n,), optional
        Of the Jacobian, if they are known.
    """
    at = FixedPoint(model, theta, x, values, None)
    _, vectors = critical_at(model, at.jacobian, eigenvalues)
    if not vectors.simple:
        return None
    is_map, value = model.kind == "map", vectors.value
    kind: Literal["real", "flip", "pair"] = "pair" if np.iscomplexobj(vectors.q) else "real"
    if is_map and kind == "real" and value.real < 0.0:
        kind = "flip"
    slope = eigenvalue_slopes(at, vectors, regular=kind == "real").theta * scale
    if is_map:
        slope = slope / value  # of log lambda: modulus and angle apart
        slope = abs(value) * np.real(slope) + 1j * np.imag(slope)
    parts = {"growth": np.ascontiguousarray(np.real(slope))}
    if kind == "pair":
        parts["frequency"] = np.ascontiguousarray(np.imag(slope))
    if kind == "real":
        parts = {"drive": np.real(at.forced(vectors.p).theta) * scale, **parts}
    longest = max(float(np.linalg.norm(part)) for part in parts.values())
    kept = {name: part for name, part in parts.items() if np.linalg.norm(part) > ROUNDING * longest}
    return CriticalDirections(kind=kind, eigenvalue=value, v=vectors.q, w=vectors.p, parts=kept)
