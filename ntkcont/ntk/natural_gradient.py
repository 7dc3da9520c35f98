"""Gradient descent whose steep directions, the top eigenvectors of the kernel, are made as flat as the rest."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import InputError
from ntkcont.ntk.top_eigenpairs import top_eigenpairs

_SPARE = 6  # vectors beyond the wanted ones, for which the iteration converges faster
_ROUNDING = 64  # eigenvalues below this many units of rounding of the largest one are zero


class LowRankState(NamedTuple):
    """What :func:`low_rank_natural_gradient` remembers; the parts are JAX arrays.

    Attributes
    ----------
    age : int
        Updates since the eigenpairs were computed, modulo `every`; 0: they will be computed in the next update.
    basis : array, shape (P, b)
        Orthonormal; its first `rank` columns are the top eigenvectors, in the order of the flattened parameters.
    eigenvalues : array, shape (b,)
        Descending; b is some larger than `rank`, and those beyond ``rank + 1`` are rough.
    residual : array, scalar
        Largest ``|K u - e u| / e_1`` of the first ``rank + 1`` pairs when they were computed.
    """

    age: Any
    basis: Any
    eigenvalues: Any
    residual: Any


def low_rank_natural_gradient(
    outputs: Callable[[Any], Any],
    *,
    rank: int = 8,
    every: int = 10,
    damping: float | None = None,
    weight: ArrayLike = 1.0,
    tol: float = 1e-3,
    passes: int = 20,
    seed: int = 0,
) -> Any:
    r"""Precondition gradients by the top eigenpairs of the neural tangent kernel, as an optax transformation.

    Near a bifurcation the kernel ``K = J^T W J``, ``J`` the derivative of the outputs (states of all trials and times)
    in the parameters, has few large eigenvalues.  They bound the learning rate of plain gradient descent,
    ``lr < 2/e_1``, and the other directions learn slowly at such a rate.  With the top eigenpairs ``(e_i, u_i)``,
    i = 1, ..., rank,

    - ``damping=None`` scales the component of the gradient along ``u_i`` by ``e_{rank+1}/e_i`` and leaves the rest:
      learning rates up to ``2/e_{rank+1}`` are stable for the loss ``1/2 |outputs - targets|^2`` with the same weights,
      to the extent that ``K`` is its curvature;
    - ``damping=d`` returns ``(U E U^T + d I)^{-1} g = (1/d) [g - U diag(E/(E + d)) U^T g]``.

    The kernel is never formed: its eigenpairs come from products ``J^T (W (J x))`` of a block of vectors, one forward
    and one backward derivative of `outputs` each, starting from the eigenvectors of the time before.  The memory is
    that of some ``rank + 7`` copies of the parameters.

    Parameters
    ----------
    outputs : callable
        ``outputs(params)`` returns what the loss compares with its targets, an array or a pytree of arrays; traceable
        by JAX.  All data that it needs are bound to it.
    rank : int, default 8
        How many eigenpairs are used; at most the number of parameters, without damping one less.
    every : int, default 10
        The eigenpairs are computed at the first update and at every `every`-th from there.
    damping : float, optional
        The d above, positive, in the unit of the eigenvalues.
    weight : float or array_like, default 1
        Weights of the outputs in the loss, not negative: one number (1/(trials times) for the mean over trials and
        times), or an array that broadcasts to the outputs.
    tol : float, default 1e-3
        Largest residual of the eigenpairs, ``|K u - e u|``, relative to ``e_1``.
    passes : int, default 20
        Most passes of the eigenvalue iteration at one time; what is reached is in the state.
    seed : int, default 0
        Of the random vectors from which the first iteration starts.

    Returns
    -------
    optax.GradientTransformation
        For ``optax.chain``; it returns the preconditioned gradient, without a learning rate or a sign.  Its state is a
        :class:`LowRankState`.  It works in the precision of the parameters, under ``jax.jit``, for any pytree.

    Raises
    ------
    InputError
        optax is not installed, an argument is out of its range, there are fewer parameters than `rank` needs, or
        ``update`` is called without the parameters.

    Notes
    -----
    Eigenvalues that are zero to rounding take no part: if ``e_{rank+1}`` is one of them, the smallest that is not
    takes its place.

    References
    ----------
    S. Amari, "Natural gradient works efficiently in learning", Neural Computation 10 (1998), equation 2.
    A. V. Knyazev, "Toward the optimal preconditioned eigensolver", SIAM J. Sci. Comput. 23 (2001) 517-541: the
    eigenvalue iteration is its block steepest descent.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, optax
    >>> import ntkcont as nc
    >>> A = jnp.diag(jnp.array([100.0, 2.0, 1.0, 0.5]))
    >>> natural = nc.ntk.low_rank_natural_gradient(lambda params: A @ params["x"], rank=1)
    >>> optimiser = optax.chain(natural, optax.sgd(0.2))  # plain gradient descent diverges beyond 2e-4
    >>> params = {"x": jnp.ones(4)}
    >>> state = optimiser.init(params)
    >>> gradient = jax.grad(lambda params: 0.5 * jnp.sum((A @ params["x"]) ** 2))
    >>> for _ in range(300):
    ...     updates, state = optimiser.update(gradient(params), state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> bool(jnp.max(jnp.abs(params["x"])) < 1e-5)
    True
    """
    try:
        import optax
    except ImportError:
        msg = "low_rank_natural_gradient: optax is not installed; pip install 'ntkcont[optax]'"
        raise InputError(msg) from None
    _check(outputs, rank, every, damping, tol, passes)
    weights = _weights(weight)

    def init(params: Any) -> LowRankState:
        import jax
        import jax.numpy as jnp
        from jax.flatten_util import ravel_pytree

        flat, unravel = ravel_pytree(params)
        jax.eval_shape(lambda theta: _stack(outputs(unravel(theta)), weights), flat)  # what is wrong is said here
        _check_rank(rank, flat.size, damping)
        block = min(flat.size, rank + 1 + _SPARE)
        start = jax.random.normal(jax.random.key(seed), (flat.size, block), flat.dtype)
        return LowRankState(
            age=jnp.zeros((), jnp.int32),
            basis=jnp.linalg.qr(start)[0],
            eigenvalues=jnp.zeros(block, flat.dtype),
            residual=jnp.zeros((), flat.dtype),
        )

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, LowRankState]:
        import jax
        from jax.flatten_util import ravel_pytree

        if params is None:
            msg = "params: not given; call update(gradients, state, params), the kernel depends on them"
            raise InputError(msg)
        flat, unravel = ravel_pytree(params)

        def refreshed(basis: Any, _: Any, __: Any) -> Any:
            product = _kernel(lambda theta: _stack(outputs(unravel(theta)), weights), flat)
            return tuple(top_eigenpairs(product, basis, min(rank + 1, basis.shape[1]), tol, passes))

        def kept(*pairs: Any) -> Any:
            return pairs

        basis, values, residual = jax.lax.cond(
            state.age == 0, refreshed, kept, state.basis, state.eigenvalues, state.residual
        )
        g, back = ravel_pytree(updates)
        natural = _precondition(g, basis[:, :rank], values, damping)
        return back(natural), LowRankState((state.age + 1) % every, basis, values, residual)

    return optax.GradientTransformation(init, update)


def _kernel(stacked: Callable[[Any], Any], theta: Any) -> Callable[[Any], Any]:
    """Return the product of ``J^T J`` at theta with the columns of a block."""
    import jax

    _, forward = jax.linearize(stacked, theta)
    backward = jax.linear_transpose(forward, theta)
    return jax.vmap(lambda v: backward(forward(v))[0], in_axes=1, out_axes=1)


def _stack(out: Any, weights: Any) -> Any:
    """Return the outputs times the square roots of their weights as one vector."""
    import jax
    import jax.numpy as jnp

    leaves = jax.tree_util.tree_leaves(out)
    if not leaves or not all(jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in leaves):
        msg = "outputs: it must return an array of real floating-point numbers, or a pytree of such arrays"
        raise InputError(msg)
    if weights.ndim and (len(leaves) > 1 or not _broadcasts(weights.shape, leaves[0].shape)):
        shapes = ", ".join(str(leaf.shape) for leaf in leaves)
        msg = f"weight: shape {weights.shape} was given; it must be one number, or broadcast to the outputs, {shapes}"
        raise InputError(msg)
    return jnp.concatenate([jnp.ravel(leaf * jnp.asarray(np.sqrt(weights), leaf.dtype)) for leaf in leaves])


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of this shape can be broadcast to the other."""
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))


def _precondition(g: Any, U: Any, values: Any, damping: float | None) -> Any:
    """Return the gradient with its components along the columns of U scaled."""
    import jax.numpy as jnp

    rank = U.shape[1]
    e = jnp.maximum(values[:rank], 0.0)
    if damping is not None:
        inside = U.T @ g
        rest = g - U @ inside
        rest = rest - U @ (U.T @ rest)  # divided by a small number: projected twice
        return U @ (inside / (e + damping)) + rest / damping
    zero = _ROUNDING * jnp.finfo(values.dtype).eps * values[0]
    target = jnp.min(jnp.where(values[: rank + 1] > zero, values[: rank + 1], jnp.inf))
    removed = jnp.where(e > zero, 1.0 - target / jnp.where(e > zero, e, 1.0), 0.0)
    return g - U @ (removed * (U.T @ g)).astype(g.dtype)


def _check(outputs: Any, rank: Any, every: Any, damping: Any, tol: Any, passes: Any) -> None:
    if not callable(outputs):
        msg = f"outputs: {type(outputs).__name__} was given; give a function of the parameters that returns the outputs"
        raise InputError(msg)
    for name, value in (("rank", rank), ("every", every), ("passes", passes)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < 1:
            msg = f"{name}: {value!r} was given; it must be an integer of at least 1"
            raise InputError(msg)
    for name, value in (("damping", damping), ("tol", tol)):
        if name == "damping" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0.0 < float(value) < math.inf:
            msg = f"{name}: {value!r} was given; it must be a positive number"
            raise InputError(msg)


def _weights(weight: Any) -> np.ndarray:
    try:
        array = np.array(weight, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if not np.all(np.isfinite(array)) or np.any(array < 0.0):
        msg = f"weight: {weight!r} was given; it must be a number that is not negative, or an array of such numbers"
        raise InputError(msg)
    return array


def _check_rank(rank: int, size: int, damping: float | None) -> None:
    most = size if damping is not None else size - 1
    if rank > most:
        msg = f"rank: {rank} was given, but there are {size} parameters; it may be at most {most}"
        raise InputError(msg)
