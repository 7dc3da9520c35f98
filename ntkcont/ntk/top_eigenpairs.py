"""The largest eigenvalues of a positive semidefinite operator, from a guess of their eigenvectors; all in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# below this many columns for each wanted vector the matrix itself costs less than an iteration
_DENSE = 4


class Eigenpairs(NamedTuple):
    """Orthonormal ``vectors`` (P, b), ``values`` (b,), descending, and ``residual``, max |K u - e u| / e_1."""

    vectors: Any
    values: Any
    residual: Any


def top_eigenpairs(product: Callable[[Any], Any], guess: Any, wanted: int, tol: float, passes: int) -> Eigenpairs:
    """Return the largest eigenpairs of K by block steepest ascent with Rayleigh and Ritz.

    Each pass adds the b residuals to the block and takes the best b vectors of the span; it needs the products of K
    with the new vectors only.

    Parameters
    ----------
    product : callable
        ``product(X)`` is ``K X`` of a block X, shape (P, any).
    guess : array, shape (P, b)
        Of full rank; the better, the fewer passes are needed.
    wanted : int
        How many of the b pairs must converge.
    tol : float
        Largest residual, relative to the largest eigenvalue.
    passes : int
        Most passes.
    """
    import jax
    import jax.numpy as jnp

    size, block = guess.shape
    if size <= _DENSE * block:
        values, vectors = jnp.linalg.eigh(_symmetric(product(jnp.eye(size, dtype=guess.dtype))))
        return Eigenpairs(vectors[:, ::-1][:, :block], values[::-1][:block], jnp.zeros((), guess.dtype))

    def ritz(V: Any, image: Any) -> Any:
        values, rotation = jnp.linalg.eigh(_symmetric(V.T @ image))
        rotation = rotation[:, ::-1][:, :block]
        return V @ rotation, image @ rotation, values[::-1][:block]

    def residuals(X: Any, image: Any, values: Any) -> Any:
        return image - X * values

    def residual(X: Any, image: Any, values: Any) -> Any:
        largest = jnp.max(jnp.linalg.norm(residuals(X, image, values)[:, :wanted], axis=0))
        return jnp.where(values[0] > 0.0, largest / values[0], 0.0)

    def unfinished(carry: Any) -> Any:
        (X, image, values), done = carry
        return (done < passes) & (residual(X, image, values) > tol)

    def one_pass(carry: Any) -> Any:
        (X, image, values), done = carry
        R = residuals(X, image, values)
        length = jnp.linalg.norm(R, axis=0)
        R = R / jnp.where(length > 0.0, length, 1.0)
        new = jnp.linalg.qr(jnp.concatenate([X, R], axis=1))[0][:, block:]  # orthonormal to X even where R is not
        found = ritz(jnp.concatenate([X, new], axis=1), jnp.concatenate([image, product(new)], axis=1))
        return found, done + 1

    guess = jnp.linalg.qr(guess)[0]  # rounding adds up from one call to the next
    start = ritz(guess, product(guess))
    (X, image, values), _ = jax.lax.while_loop(unfinished, one_pass, (start, 0))
    return Eigenpairs(X, values, residual(X, image, values))


def _symmetric(A: Any) -> Any:
    return (A + A.T) / 2
