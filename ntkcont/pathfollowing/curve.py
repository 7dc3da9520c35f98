"""F(x, q) = 0 of one model and its free parameters, as the arrays that kernels take."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels import newton, spectrum, stepping
from ntkcont.kernels.algebra import library
from ntkcont.kernels.spectrum import N_COUNTS
from ntkcont.models.model import Array, Model

if TYPE_CHECKING:
    from ntkcont.models.structure import Structure

Complex = NDArray[np.complex128]


@dataclasses.dataclass(frozen=True)
class Node:
    """A point of the branch with what detection needs.

    ``z = (x, q)`` and ``tangent`` have shape (n+1,), in original units; ``counts`` is explained in
    ``kernels.spectrum``; ``orientation`` 0 means that the bordered matrix was singular.
    """

    z: Array
    tangent: Array
    s: float
    eigenvalues: Complex
    counts: NDArray[np.int64]


class Curve:
    """F(x, q) = 0 with its derivatives, for one model and one free parameter, or several (q is a vector then)."""

    def __init__(
        self, model: Model, free: str, params: Mapping[str, float] | None, *, others: tuple[str, ...] = ()
    ) -> None:
        self.model = model
        self.free = free
        self.names = (free, *others)
        self.p0, self.direction = model.line(free, {**(params or {}), **dict.fromkeys(others, 0.0)})
        self.directions = np.array([model.line(name)[1] for name in self.names])
        self.is_map = model.kind == "map"
        self.n = model.n
        self.constants = model.constants
        self.lapack = library()

    @property
    def arguments(self) -> tuple:
        """The leading arguments of every kernel."""
        rhs, jac, dfdp = self.model.compiled
        return rhs, jac, dfdp, self.constants, self.p0, self.direction, self.is_map

    @functools.cached_property
    def structure(self) -> Structure | None:
        """The structure of the model, if sparse factors of its bordered matrices pay."""
        from ntkcont.pathfollowing.structured import sparse_pays  # it imports this module

        return sparse_pays(self)

    def piece(self, constants: Array) -> Curve:
        """Return the same equations with other constants: a smooth piece of a model that is smooth in pieces."""
        other = copy.copy(self)
        other.constants = constants
        return other

    def system(self, z: Array) -> tuple[Array, Array, Array]:
        """Return F (n,), F_x (n, n) and F_q (n,) at z = (x, q); for maps F = G(x) - x."""
        f, a, slopes = self.linear(z)
        return f, a, slopes[0]

    def linear(self, z: Array) -> tuple[Array, Array, Array]:
        """Return F (n,), F_x (n, n) and the derivatives of F in each free parameter (m, n)."""
        n, size = self.n, len(self.p0)
        p = np.empty(2 * size)
        p[:size] = self.p0 + z[n:] @ self.directions
        p[size:] = self.direction
        f, a, slopes = np.empty(n), np.empty((n, n)), np.empty((len(self.directions), n))
        rhs, jac, dfdp = self.model.compiled
        x, c = np.ascontiguousarray(z[:n]), self.constants
        rhs(f, x, p, c)
        jac(a, x, p, c)
        dfdp(slopes[0], x, p, c)
        for k in range(1, len(slopes)):
            p[size:] = self.directions[k]
            dfdp(slopes[k], x, p, c)
        if self.is_map:
            f -= x
            a.ravel()[:: n + 1] -= 1.0
        return f, a, slopes

    def eigenvalues(self, z: Array) -> Complex:
        """Return the eigenvalues at z (multipliers of maps), none of them put on the stability boundary."""
        wr, wi = np.empty(self.n), np.empty(self.n)
        spectrum.real_to_rounding(self.lapack, self.system(z)[1], wr, wi, self.is_map)
        return wr + 1j * wi

    def correct(
        self, z: Array, d: Array, tau: Array, tol: float = 1e-10, max_iter: int = 12
    ) -> tuple[Array | None, float]:
        """Newton from z within the hyperplane through z normal to `tau` (scaled variables); None if it fails."""
        n = self.n
        new = np.array(z, dtype=float)
        f, a, fq = np.empty(n), np.empty((n, n)), np.empty(n)
        outcome, _, first = newton.correct_point(
            *self.arguments,
            self.lapack,
            new,
            np.array(z, dtype=float),
            d,
            np.ascontiguousarray(tau),
            tol,
            max_iter,
            f,
            a,
            fq,
        )
        return (new if outcome == newton.CONVERGED else None), first

    def node(self, z: Array, d: Array, tau: Array, s: float) -> tuple[Node, float]:
        """Describe the point z of the branch; the tangent is oriented along `tau` (scaled).  Also the orientation."""
        n = self.n
        tau_new, wr, wi = np.zeros(n + 1), np.empty(n), np.empty(n)
        counts = np.zeros(N_COUNTS, dtype=np.int64)
        f, a, fq = np.empty(n), np.empty((n, n)), np.empty(n)
        sign = stepping.describe(
            *self.arguments, self.lapack, z, np.ascontiguousarray(tau), d, tau_new, wr, wi, counts, f, a, fq
        )
        return Node(z, tau_new * d, s, wr + 1j * wi, counts), sign
