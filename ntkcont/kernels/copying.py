"""Copies of arrays as loops: ``a[:] = b`` compiles a message for shapes that differ, more code than a kernel has."""

from __future__ import annotations

from ntkcont.kernels.cache import inner


@inner
def copy_vector(to, values):
    """Fill `to` with `values`, which has the same shape."""
    for i in range(to.shape[0]):
        to[i] = values[i]


@inner
def copy_matrix(to, values):
    """Fill `to` with `values`, which has the same shape."""
    for i in range(to.shape[0]):
        for j in range(to.shape[1]):
            to[i, j] = values[i, j]
