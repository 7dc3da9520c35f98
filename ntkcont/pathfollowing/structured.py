"""Steps of structured networks: the bordered systems are solved by SuperLU, which the stepping kernel calls back."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array
from ntkcont.models.structure import Structure, matrix, structure_of
from ntkcont.pathfollowing.curve import Curve

#: What an operation of SuperLU costs, in operations of LAPACK on a full matrix.
DEARER = 30.0
#: What calling it costs, in the same.
CALL = 1e7

Integers = NDArray[np.integer[Any]]

_FACTOR = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)
_SOLVE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def sparse_pays(curve: Curve) -> Structure | None:
    """Return the structure of the curve's model if sparse factors promise shorter steps than full ones, else None.

    It counts operations and measures no time, so that a run repeated takes the same way.
    """
    structure = structure_of(curve.model)
    n = curve.n
    full = 2.0 / 3.0 * n**3
    # even without any fill, each number costs an operation or two
    if structure is None or DEARER * 2.0 * len(structure.indices) + CALL >= full:
        return None
    # numbers without meaning in the right places: how much fills in does not depend on them, but for pivots
    rng = np.random.default_rng(0)
    trial = matrix(structure, rng.standard_normal(len(structure.indices)) / np.sqrt(n))
    trial.setdiag(trial.diagonal() + 1.0)
    lu = factors(trial)
    below = np.diff(lu.L.indptr) - 1.0
    right = np.diff(lu.U.tocsr().indptr) - 1.0
    return structure if DEARER * 2.0 * float(below @ right) + CALL < full else None


def factors(extended: Any) -> Any:
    """Factor a sparse matrix; pivots on the diagonal are kept unless they are small, which keeps factors sparse."""
    from scipy.sparse.linalg import splu

    return splu(extended, diag_pivot_thresh=0.1)


class Outside:
    """The two functions that ``kernels.algebra`` calls back, for one curve.

    Attributes
    ----------
    algebra : ndarray of int64
        What the stepping kernel takes in place of the addresses of LAPACK.
    error : BaseException or None
        What went wrong in a call, for which there is no way out of compiled code; it then gets nan.
    """

    def __init__(self, curve: Curve, structure: Structure) -> None:
        self.curve, self.structure = curve, structure
        self.error: BaseException | None = None
        self._lu: Any = None
        self._parities: dict[str, tuple[Integers, float]] = {}
        self._calls = _FACTOR(self._factor), _SOLVE(self._solve)  # must live as long as their addresses
        addresses = [ctypes.cast(call, ctypes.c_void_p).value for call in self._calls]
        self.algebra = np.append(curve.lapack, np.array(addresses, dtype=np.int64))

    def _factor(self, z: int, fq: int, d: int, tau: int, sign: int) -> None:
        out = _numbers(sign, 1)
        out[0] = np.nan
        if self.error is not None:
            return
        try:
            curve, n = self.curve, self.curve.n
            point = _numbers(z, n + 1)
            p = curve.p0 + point[n] * curve.direction
            numbers = self.structure.numbers(point[:n], p, _numbers(fq, n), _numbers(d, n + 1), _numbers(tau, n + 1))
            if not np.all(np.isfinite(numbers)):
                return
            try:
                self._lu = factors(matrix(self.structure, numbers))
            except RuntimeError:  # exactly singular
                out[0] = 0.0
                return
            out[0] = self._sign()
        except BaseException as error:  # Ctrl-C too
            self.error = error
            out[0] = np.nan

    def _solve(self, b: int) -> None:
        numbers = _numbers(b, self.curve.n + 1)
        try:
            extended = np.zeros(self.structure.size)
            extended[: len(numbers)] = numbers
            numbers[:] = self._lu.solve(extended)[: len(numbers)]
        except BaseException as error:
            self.error = error
            numbers[:] = np.nan

    def _sign(self) -> float:
        """Return the sign of the determinant of the bordered matrix."""
        diagonal = self._lu.U.diagonal()  # that of L is 1
        if not np.all(diagonal):
            return 0.0
        negative = np.count_nonzero(diagonal < 0.0) + self.structure.rank
        return self._parity("rows", self._lu.perm_r) * self._parity("columns", self._lu.perm_c) * (-1.0) ** negative

    def _parity(self, name: str, permutation: Integers) -> float:
        known = self._parities.get(name)
        if known is None or not np.array_equal(known[0], permutation):
            known = self._parities[name] = permutation.copy(), parity(permutation)
        return known[1]


def parity(permutation: Integers) -> float:
    """Return the sign of a permutation, from the number of its cycles."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(permutation)
    graph = csr_matrix((np.ones(n), permutation, np.arange(n + 1)), shape=(n, n))
    cycles = connected_components(graph, directed=False, return_labels=False)
    return -1.0 if (n - cycles) % 2 else 1.0


def _numbers(address: int, count: int) -> Array:
    """Return `count` numbers at an address as an array that shares their memory."""
    return np.ctypeslib.as_array((ctypes.c_double * count).from_address(address))
