"""One point as the signatures see it: everything they share is computed once, on first use.

Notation of the package: A is the Jacobian, J = A for flows and A - I for maps, F the source term, S = -J^{-1} F the
sensitivity of the equilibrium; several conditions are stacked, and a readout C acts on the stacked states.
"""

from __future__ import annotations

import functools
from typing import Any

from ntkcont.ntk import linear_algebra as la


class Point:
    """The linearised system at one point, in scaled variables, with its shared intermediate results.

    Parameters
    ----------
    A : array, shape (B, n, n)
        Jacobians of the right-hand side or the map under B conditions.
    F : array, shape (B, n, m)
        Factor of the source term.
    fp : array, shape (B, n)
        Derivative in the free parameter.
    tangent : array, shape (B, n+1), or None
        Direction of the branch; None: computed from A and fp.
    eigenvalues : array of complex, shape (B, n)
        Of A.
    readout : array, shape (q, n), or None
        Readout C.
    is_map : bool
        Map or flow.
    has_free : bool
        Whether there is a free parameter.
    """

    def __init__(
        self, A: Any, F: Any, fp: Any, tangent: Any, eigenvalues: Any, readout: Any, *, is_map: bool, has_free: bool
    ) -> None:
        self.A, self.F, self.fp, self.eigenvalues, self.readout = A, F, fp, eigenvalues, readout
        self.given_tangent, self.is_map, self.has_free = tangent, is_map, has_free
        self.conditions, self.n = A.shape[:2]

    # ---------------------------------------------------------------- the equilibrium's sensitivity

    @functools.cached_property
    def J(self) -> Any:
        """A, or A - I for maps, (B, n, n)."""
        import jax.numpy as jnp

        return self.A - jnp.eye(self.n) if self.is_map else self.A

    @functools.cached_property
    def factors(self) -> Any:
        """LU factors of J."""
        import jax

        return jax.scipy.linalg.lu_factor(self.J)

    def solve(self, rhs: Any) -> Any:
        """Return J^{-1} rhs for (B, n, m)."""
        import jax

        if self.conditions == 1:
            lu, piv = self.factors
            return jax.scipy.linalg.lu_solve((lu[0], piv[0]), rhs[0])[None]
        return jax.vmap(jax.scipy.linalg.lu_solve)(self.factors, rhs)

    @functools.cached_property
    def S(self) -> Any:
        """Sensitivity of the equilibria, D_theta z* = -J^{-1} F, (B, n, m)."""
        return -self.solve(self.F)

    def out(self, S: Any) -> Any:
        """Stack the conditions and apply the readout: (B, n, m) to (B q, m)."""
        S = S if self.readout is None else self.readout @ S
        return S.reshape(-1, S.shape[-1])

    def out_vector(self, v: Any, condition: Any) -> Any:
        """Return the stacked output of a state vector (n,) of one condition."""
        import jax.numpy as jnp

        stacked = jnp.zeros((self.conditions, self.n), v.dtype).at[condition].set(v)
        return self.out(stacked[:, :, None])[:, 0]

    # ---------------------------------------------------------------- critical eigenvalues

    @functools.cached_property
    def shifted(self) -> Any:
        """Eigenvalues of J, with the exact ones of A kept: (B, n)."""
        return self.eigenvalues - 1.0 if self.is_map else self.eigenvalues

    def _nearest(self, distance: Any) -> tuple[Any, Any]:
        import jax.numpy as jnp

        index = jnp.argmin(distance.reshape(-1))
        value = self.eigenvalues.reshape(-1)[index]
        return index // self.n, jnp.where(value.imag < 0, value.conj(), value)

    @functools.cached_property
    def singular_pair(self) -> tuple[Any, Any]:
        """(condition, lambda_0): the eigenvalue nearest to singularity of J."""
        import jax.numpy as jnp

        return self._nearest(jnp.abs(self.shifted))

    @functools.cached_property
    def stability_pair(self) -> tuple[Any, Any]:
        """(condition, lambda_c): the eigenvalue nearest to the stability boundary."""
        import jax.numpy as jnp

        e = self.eigenvalues
        return self._nearest(jnp.abs(jnp.abs(e) - 1.0) if self.is_map else jnp.abs(e.real))

    def _vectors(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        condition, value = pair
        return la.critical_pair(self.A[0] if self.conditions == 1 else self.A[condition], value)

    @functools.cached_property
    def singular_vectors(self) -> tuple[Any, Any]:
        """Unit right and left eigenvectors of lambda_0, complex."""
        return self._vectors(self.singular_pair)

    @functools.cached_property
    def stability_vectors(self) -> tuple[Any, Any]:
        """Unit right and left eigenvectors of lambda_c, complex; those of lambda_0 where they are the same."""
        import jax

        (b0, e0), (bc, ec) = self.singular_pair, self.stability_pair
        same = (b0 == bc) & (e0 == ec)
        first = self.singular_vectors
        return jax.lax.cond(same, lambda: first, lambda: self._vectors(self.stability_pair))

    @functools.cached_property
    def critical_exponential(self) -> Any:
        """The point on the stability boundary nearest to lambda_c: i omega_c, or e^{i omega_c} for maps."""
        import jax.numpy as jnp

        value = self.stability_pair[1]
        return value / jnp.abs(value) if self.is_map else 1j * value.imag

    @functools.cached_property
    def tangent(self) -> Any:
        """Unit direction of the branch under each condition, (B, n+1)."""
        import jax
        import jax.numpy as jnp

        t = self.given_tangent
        if t is None:
            t = jax.vmap(la.null_vector)(jnp.concatenate([self.J, self.fp[:, :, None]], axis=2))
        return t / jnp.linalg.norm(t, axis=1, keepdims=True)
