"""All eigenvalues of a real matrix, and the eigenvectors of chosen ones only.

Vectors of all n eigenvalues cost as much again as the eigenvalues.  Of a few they are found by inverse iteration on the
Hessenberg form (LAPACK's dhsein), which is there already.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@functools.cache
def _function(name: str, arguments: int) -> Any:
    """Return a LAPACK function that scipy exports to Cython but not to Python; all its arguments are pointers."""
    from numba.extending import get_cython_function_address

    address = get_cython_function_address("scipy.linalg.cython_lapack", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)


def _call(name: str, *arguments: Any) -> None:
    """Call it with arrays, characters and integers."""
    kept = [
        np.frombuffer(bytearray(a, "ascii"), dtype=np.uint8)
        if isinstance(a, str)
        else (np.array([a], dtype=np.int32) if isinstance(a, int) else a)
        for a in arguments
    ]
    _function(name, len(kept))(*(a.ctypes.data for a in kept))


def eigenvalues_and_some_vectors(
    a: Array, choose: Callable[[NDArray[np.complex128]], NDArray[np.bool_]]
) -> tuple[NDArray[np.complex128], NDArray[np.bool_], Array, Array]:
    """Return the eigenvalues of a real matrix with right and left eigenvectors of some.

    Parameters
    ----------
    a : ndarray, shape (n, n)
    choose : callable
        Which of the eigenvalues (n,) get vectors: booleans (n,), the same for both of a conjugate pair.

    Returns
    -------
    eigenvalues : ndarray of complex, shape (n,)
        Those of a pair are neighbours, the one with positive imaginary part first.
    chosen : ndarray of bool, shape (n,)
        Those whose vectors were found.
    right, left : ndarray, shape (n, k)
        Columns in the order of the chosen eigenvalues, of norm 1; a pair takes two, the real and the imaginary part
        of the vector of the first.
    """
    from scipy.linalg import get_lapack_funcs

    n = len(a)
    (gehrd,) = get_lapack_funcs(("gehrd",), (a,))
    h, tau, _ = gehrd(a, lwork=64 * n)
    hessenberg = np.asfortranarray(np.triu(h, -1))
    wr, wi = np.empty(n), np.empty(n)
    info = np.zeros(1, dtype=np.int32)
    work = np.empty(max(66 * n, 1))
    schur, nothing = hessenberg.copy(order="F"), np.empty(1)
    _call("dhseqr", "E", "N", n, 1, n, schur, n, wr, wi, nothing, 1, work, work.size, info)
    if info[0] != 0:
        msg = "the eigenvalues did not converge"
        raise np.linalg.LinAlgError(msg)
    lam = wr + 1j * wi
    chosen = choose(lam)
    columns = int(np.sum(chosen))
    right, left = np.zeros((n, columns), order="F"), np.zeros((n, columns), order="F")
    if columns == 0:
        return lam, chosen, right, left
    select = (chosen & (wi >= 0.0)).astype(np.int32)
    used = np.zeros(1, dtype=np.int32)
    failed_left, failed_right = np.zeros(columns, np.int32), np.zeros(columns, np.int32)
    work = np.empty((n + 2) * n)
    re = wr.copy()  # equal eigenvalues are moved apart in place
    _call(
        "dhsein", "B", "Q", "N", select, n, hessenberg, n, re, wi, left, n, right, n, columns, used, work,
        failed_left, failed_right, info,
    )  # fmt: skip
    for vectors in (left, right):
        work = np.empty(max(64 * n, 64 * columns))
        _call("dormhr", "L", "N", n, columns, 1, n, h, n, tau, vectors, n, work, work.size, info)
    good = (failed_left == 0) & (failed_right == 0)
    pairs = np.flatnonzero(wi[chosen] > 0.0)
    good[pairs] &= good[pairs + 1]
    good[pairs + 1] = good[pairs]
    rows = np.flatnonzero(chosen)
    found = chosen.copy()
    found[rows[~good]] = False
    right, left = right[:, good], left[:, good]
    first = wi[found] > 0.0
    for vectors in (right, left):
        size = np.sum(vectors**2, axis=0)
        pairs = np.flatnonzero(first)
        size[pairs] += size[pairs + 1]
        size[pairs + 1] = size[pairs]
        vectors /= np.sqrt(size) + 1e-300
    return lam, found, right, left
