"""LU factors that may be singular, singular values, ranks, least squares: what the package solves with."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

#: Vectors that are orthonormal to rounding are so to this.
ORTHONORMAL = 1e-12
#: Up to this size LAPACK does not divide and conquer, and its vectors are orthonormal.
UNDIVIDED = 25


class LU:
    """LU factors of a matrix that may be singular (then solutions hold inf or nan, without a warning)."""

    def __init__(self, a: NDArray[Any]) -> None:
        from scipy.linalg import get_lapack_funcs

        factor, self._solve = get_lapack_funcs(("getrf", "getrs"), (a,))
        self._lu, self._piv, _ = factor(a)

    def solve(self, b: NDArray[Any], trans: int = 0) -> NDArray[Any]:
        """Solve ``a x = b`` (trans 0), ``a^T x = b`` (1) or ``a^* x = b`` (2)."""
        with np.errstate(all="ignore"):
            return self._solve(self._lu, self._piv, b, trans=trans)[0]

    @property
    def sign(self) -> float:
        """Sign of the determinant, 0 if it vanishes exactly."""
        diagonal = np.sign(np.real(np.diag(self._lu)))
        swaps = int(np.sum(self._piv != np.arange(len(self._piv))))
        return float(np.prod(diagonal) * (-1.0) ** swaps)


@overload
def svd(a: NDArray[Any], *, compute_uv: Literal[False], full_matrices: bool = True) -> NDArray[Any]: ...
@overload
def svd(
    a: NDArray[Any], *, compute_uv: Literal[True] = True, full_matrices: bool = True
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def svd(a: NDArray[Any], *, compute_uv: bool = True, full_matrices: bool = True) -> Any:
    """Return the singular value decomposition, as `numpy.linalg.svd` does; also where that does not converge.

    LAPACK's gesdd, which numpy calls, fails on some finite matrices, or returns vectors that are not orthogonal
    (which of the two depends on the processor); gesvd, slower by a few times, does neither.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.linear import svd
    >>> svd(np.diag([1.0, 3.0]), compute_uv=False)
    array([3., 1.])
    """
    try:
        result = np.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
        if (
            not compute_uv
            or min(a.shape[-2:]) <= UNDIVIDED
            or (_orthonormal(result[0]) and _orthonormal(np.swapaxes(result[2], -1, -2)))
        ):
            return result
    except np.linalg.LinAlgError:
        if not np.all(np.isfinite(a)):
            raise
    from scipy.linalg import svd as by_driver

    options: dict[str, Any] = {"compute_uv": compute_uv, "full_matrices": full_matrices, "check_finite": False}
    matrices = np.reshape(a, (-1, *a.shape[-2:]))
    found = [by_driver(matrix, lapack_driver="gesvd", **options) for matrix in matrices]
    parts = zip(*found, strict=True) if compute_uv else [found]
    stacked = tuple(np.reshape(part, (*a.shape[:-2], *np.shape(part[0]))) for part in (list(each) for each in parts))
    return stacked if compute_uv else stacked[0]


def _orthonormal(u: NDArray[Any]) -> bool:
    """Whether the columns of u are orthonormal, at the cost of two products with a vector."""
    x = np.cos(np.arange(1.0, u.shape[-1] + 1.0))
    back = np.swapaxes(u.conj(), -1, -2) @ (u @ x)[..., None]
    return bool(np.all(np.abs(back[..., 0] - x) <= ORTHONORMAL))


def rank(a: NDArray[Any]) -> int:
    """Return the number of singular values that are not rounding, as `numpy.linalg.matrix_rank` does.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.linear import rank
    >>> rank(np.array([[1.0, 2.0], [2.0, 4.0]]))
    1
    """
    sizes = svd(a, compute_uv=False)
    return int(np.sum(sizes > _rounding(a) * np.max(sizes, initial=0.0)))


def _rounding(a: NDArray[Any]) -> float:
    """Return what rounding leaves of a singular value that is zero, beside the largest."""
    return float(np.finfo(float).eps) * max(a.shape)


def least_squares(a: NDArray[Any], b: NDArray[Any], rcond: float | None = None) -> NDArray[Any]:
    """Return the shortest x that minimises ``|a x - b|``; singular values below `rcond` of the largest count as zero.

    Without `rcond` those count as zero that rounding may have made.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkcont.linear import least_squares
    >>> least_squares(np.array([[1.0, 1.0]]), np.array([2.0]), 1e-12)
    array([1., 1.])
    """
    rcond = _rounding(a) if rcond is None else rcond
    try:
        return np.linalg.lstsq(a, b, rcond=rcond)[0]
    except np.linalg.LinAlgError:
        u, s, vh = svd(a, full_matrices=False)
        kept = s > rcond * s[0]
        return vh[kept].conj().T @ ((u[:, kept].conj().T @ b).T / s[kept]).T
