"""Models that are smooth in pieces: what chooses the piece, and the pieces around one point."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array, Compiled, Model

Signs = NDArray[np.bool_]


class Switching(NamedTuple):
    """The arguments whose signs choose between the smooth pieces of a model.

    Parameters
    ----------
    names : tuple of str
        Names of the k arguments (of a network: its units).
    build : callable
        Returns the compiled arguments, shape (k,), with their derivatives in the state, (k, n), and along a direction
        in the parameters, (k,); they have the signature of the model's functions and take its own constants.
    constants : callable
        ``constants(positive)``, positive of shape (k,) and dtype bool, returns the constants with which the compiled
        functions of the model are those of the piece on which these arguments are positive, everywhere.
    quiet : ndarray of bool, shape (k,), or None
        Arguments of the parameters alone, across which only the derivative in the parameters jumps, not the Jacobian:
        nothing but the slope of a branch changes where they vanish, so they are no border collisions.  None: no such.
    """

    names: tuple[str, ...]
    build: Callable[[], Compiled]
    constants: Callable[[Signs], Array]
    quiet: Signs | None = None

    @property
    def all_quiet(self) -> bool:
        """Whether all arguments are quiet."""
        return self.quiet is not None and bool(np.all(self.quiet))

    def loud(self, at: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of the arguments `at` that are not quiet."""
        return at if self.quiet is None else at[~self.quiet[at]]


class Pieces:
    """The arguments and the linearised pieces of a model along a line in its parameters; ``z = (x, q)``.

    Parameters
    ----------
    model : Model
        With ``switching``.
    p0, direction : ndarray, shape (M,)
        From ``model.line``.
    """

    def __init__(self, model: Model, p0: Array, direction: Array) -> None:
        if model.switching is None:
            msg = "the model is not known to be smooth in pieces"
            raise ValueError(msg)
        self.model, self.switching, self.p0, self.direction = model, model.switching, p0, direction
        self.functions = model.switching.build()
        self.k = len(model.switching.names)

    def _at(self, z: Array) -> tuple[Array, Array]:
        return np.ascontiguousarray(z[:-1]), np.concatenate([self.p0 + z[-1] * self.direction, self.direction])

    def arguments(self, z: Array) -> Array:
        """Return the arguments, shape (k,)."""
        x, p = self._at(z)
        out = np.empty(self.k)
        self.functions.rhs(out, x, p, self.model.constants)
        return out

    def gradients(self, z: Array) -> Array:
        """Return the derivatives of the arguments in (x, q), shape (k, n+1)."""
        x, p = self._at(z)
        by_state, by_parameter = np.empty((self.k, x.size)), np.empty(self.k)
        self.functions.jac(by_state, x, p, self.model.constants)
        self.functions.dfdp(by_parameter, x, p, self.model.constants)
        return np.column_stack([by_state, by_parameter])

    def residual(self, z: Array, positive: Signs) -> tuple[Array, Array]:
        """Return F (n,) and [F_x, F_q] (n, n+1) of a piece; for maps F = G(x) - x."""
        x, p = self._at(z)
        c, n = self.switching.constants(positive), x.size
        f, a, fq = np.empty(n), np.empty((n, n)), np.empty(n)
        rhs, jac, dfdp = self.model.compiled
        rhs(f, x, p, c)
        jac(a, x, p, c)
        dfdp(fq, x, p, c)
        if self.model.kind == "map":
            f -= x
            a -= np.eye(n)
        return f, np.column_stack([a, fq])
