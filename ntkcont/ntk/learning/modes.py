r"""The residual in the eigenmodes of a trajectory kernel: what gradient descent removes, and how fast.

With rows ``r`` of the residual and kernel ``Theta = sum_i e_i u_i u_i^T``, gradient descent of ``L = |r|^2/2`` on the
linearised trajectories multiplies ``u_i^T r`` by ``1 - lr e_i`` in each step.

References
----------
G. H. Golub, G. Meurant, *Matrices, Moments and Quadrature* (2010), chapter 4: Lanczos from r gives ``r^T f(Theta) r``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.ntk.backends import BITS
from ntkcont.ntk.trajectory.linearised import Trajectories
from ntkcont.ntk.trajectory.spectra import Spectrum

Array = NDArray[np.float64]

# steps of the Lanczos iteration: the loss of that many steps of gradient descent is exact
_STEPS = 120


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ResidualModes:
    """The modes in which the residual is, and what the kernel cannot reach.

    Attributes
    ----------
    eigenvalues : ndarray, shape (q,)
        Positive, descending.
    along : ndarray, shape (q,)
        ``u_i^T r``.
    vectors : ndarray, shape (B T m, q)
        The modes u_i.
    unreachable : float
        ``|r|^2`` less what is along the modes: no change of theta moves it, to first order.
    top_part : float
        ``(u_1^T r)^2`` of the largest eigenvalue.
    exact : bool
        Whether these are all eigenvalues of the kernel; otherwise they are the nodes of a quadrature, which gives the
        loss after few steps exactly, and after many approximately.
    """

    eigenvalues: Array
    along: Array
    vectors: Array
    unreachable: float
    top_part: float
    exact: bool

    @property
    def parts(self) -> Array:
        """What each mode holds of ``|r|^2``, (q,)."""
        return self.along**2


def residual_modes(found: Trajectories, result: Spectrum, residual: Array) -> ResidualModes:
    """Return the modes of the residual (B T m,), rows as those of the kernel whose spectrum is `result`."""
    entering = found.entering
    r = residual[entering]
    exact = result.way.method != "operator"
    if exact:
        u, s, _ = svd(found.reduced()[:, entering].T, full_matrices=False)
        kept = s > BITS * max(u.shape) * s.max(initial=0.0)
        e, u = s[kept] ** 2, u[:, kept]
        along = u.T @ r
    else:
        e, u, along = _krylov(found, entering, r)
    vectors = np.zeros((found.rows, len(e)))
    vectors[entering] = u
    beyond = r - u @ along
    top = float(result.vector @ residual) ** 2 if np.all(np.isfinite(result.vector)) else float("nan")
    return ResidualModes(
        eigenvalues=e, along=along, vectors=vectors, unreachable=float(beyond @ beyond),
        top_part=float(along[0] ** 2) if exact and len(e) else top, exact=exact,
    )  # fmt: skip


def _krylov(found: Trajectories, entering: NDArray[np.bool_], r: Array) -> tuple[Array, Array, Array]:
    """Return eigenvalues, vectors and ``u^T r`` in the space of r, Theta r, Theta^2 r, ..., those above rounding."""
    size = float(np.linalg.norm(r))
    if not size > 0:
        return np.zeros(0), np.zeros((len(r), 0)), np.zeros(0)
    Q, a, b = np.empty((_STEPS, len(r))), np.zeros(_STEPS), np.zeros(_STEPS)
    Q[0] = r / size
    used, largest = 0, 0.0
    full = np.zeros(found.rows)
    for j in range(min(_STEPS, len(r))):
        full[entering] = Q[j]
        y = found.apply(full)[entering]
        a[j] = Q[j] @ y
        for _ in range(2):  # reorthogonalised fully: the small eigenvalues are what is asked for
            y = y - (Q[: j + 1] @ y) @ Q[: j + 1]
        b[j] = float(np.linalg.norm(y))
        used, largest = j + 1, max(largest, abs(a[j]) + b[j])
        if j + 1 == min(_STEPS, len(r)) or b[j] <= 10 * BITS * largest:
            break
        Q[j + 1] = y / b[j]
    e, v = np.linalg.eigh(np.diag(a[:used]) + np.diag(b[: used - 1], 1) + np.diag(b[: used - 1], -1))
    e, v = e[::-1], v[:, ::-1]
    kept = e > BITS * used * max(e[0], 0.0)
    return e[kept], Q[:used].T @ v[:, kept], size * v[0, kept]
