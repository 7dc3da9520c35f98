"""LU factors that may be singular: what defining systems and normal forms solve with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
