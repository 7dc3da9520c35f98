"""The signatures of a kernel at one point; a new one is a function and a line in `SIGNATURES`.

Each takes a :class:`View` (one kernel at one point) and returns a scalar or an array, traceable by JAX.
The table of what they mean is the docstring of :mod:`ntkcont.ntk`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.ntk import kernels
from ntkcont.ntk import linear_algebra as la
from ntkcont.ntk.point import Point


class View:
    """One kernel at one point, with what its signatures share."""

    def __init__(self, point: Point, kernel: str, k: int) -> None:
        self.point, self.kernel, self.name, self.k = point, kernels.KERNELS[kernel], kernel, k

    @functools.cached_property
    def G(self) -> Any:
        """Factor of the kernel, (rows, m)."""
        return la.finite(self.kernel.factor(self.point))

    @functools.cached_property
    def e(self) -> Any:
        """All eigenvalues of K = G G*, descending, (rows,)."""
        import jax.numpy as jnp

        rows, m = self.G.shape
        e = jnp.linalg.svd(self.G, compute_uv=False) ** 2
        return jnp.pad(e, (0, max(0, rows - m)))

    @functools.cached_property
    def share(self) -> Any:
        """Eigenvalues over the largest one; nan where K = 0."""
        import jax.numpy as jnp

        top = self.e[0]
        return jnp.where(top > 0, self.e / jnp.where(top > 0, top, 1.0), jnp.nan)

    @functools.cached_property
    def vector(self) -> Any:
        """Top eigenvector, (rows,)."""
        return la.top_vector(self.G @ self.G.conj().T, self.e[0])

    @functools.cached_property
    def resolvent_top(self) -> Any:
        """Largest eigenvalue of the resolvent kernel at the critical frequency."""
        if self.name == "resolvent":
            return self.e[0]
        own = self.name == "equilibrium"
        equal = self.e[0] if own else kernels.top_of_factor(kernels.equilibrium_factor(self.point))
        return kernels.resolvent_top(self.point, equal)

    @functools.cached_property
    def pair(self) -> tuple[Any, Any]:
        """(condition, eigenvalue) that makes this kernel diverge."""
        return self.point.singular_pair if self.kernel.ruled_by == "singular" else self.point.stability_pair

    @functools.cached_property
    def vectors(self) -> tuple[Any, Any]:
        """Its unit right and left eigenvectors."""
        return self.point.singular_vectors if self.kernel.ruled_by == "singular" else self.point.stability_vectors


def eigenvalues(view: View) -> Any:
    return view.e[: view.k]


def top(view: View) -> Any:
    return view.e[0]


def trace(view: View) -> Any:
    import jax.numpy as jnp

    return jnp.sum(view.e)


def participation_ratio(view: View) -> Any:
    import jax.numpy as jnp

    return jnp.sum(view.share) ** 2 / jnp.sum(view.share**2)


def entropy_rank(view: View) -> Any:
    import jax.numpy as jnp

    p = view.share / jnp.sum(view.share)
    return jnp.exp(-jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1.0)), p * 0.0)))


def stable_rank(view: View) -> Any:
    import jax.numpy as jnp

    return jnp.sum(view.share)


def top_fraction(view: View) -> Any:
    return 1.0 / stable_rank(view)


def gap(view: View) -> Any:
    import jax.numpy as jnp

    return 1.0 / view.share[1] if view.e.shape[0] > 1 else jnp.asarray(jnp.nan)


def condition(view: View) -> Any:
    return 1.0 / view.share[-1]


def lambda_0(view: View) -> Any:
    return view.point.singular_pair[1]


def lambda_c(view: View) -> Any:
    return view.point.stability_pair[1]


def omega_c(view: View) -> Any:
    import jax.numpy as jnp

    value = view.point.stability_pair[1]
    return jnp.angle(value) if view.point.is_map else value.imag


def _condition_number(vectors: tuple[Any, Any]) -> Any:
    import jax.numpy as jnp

    return 1.0 / jnp.abs(jnp.vdot(vectors[1], vectors[0]))


def kappa(view: View) -> Any:
    return _condition_number(view.point.stability_vectors)


def kappa_0(view: View) -> Any:
    return _condition_number(view.point.singular_vectors)


def g(view: View) -> Any:
    import jax.numpy as jnp

    point = view.point
    b, c = border(*point.singular_vectors)
    where = point.singular_pair[0]
    rhs = jnp.zeros((point.conditions, point.n, 1)).at[where, :, 0].set(b)
    return -1.0 / jnp.vdot(c, point.solve(rhs)[where, :, 0])


def border(v: Any, w: Any) -> tuple[Any, Any]:
    """Return the real unit borders (b, c) of the bordered matrix from unit left and right vectors, with b.c >= 0."""
    import jax.numpy as jnp

    def real(u: Any) -> Any:
        square = jnp.sum(u * u)
        return la.unit((u * jnp.exp(-0.5j * jnp.angle(square))).real)

    b, c = real(w), real(v)
    return jnp.where(jnp.vdot(b, c) < 0, -b, b), c


def _leading(view: View, largest: Any, pair: tuple[Any, Any], vectors: tuple[Any, Any], distance: Any) -> Any:
    """Return `largest` over the rank-one prediction |C v|^2 |F* w|^2 / distance^2, with w* v = 1."""
    import jax.numpy as jnp

    v, w = vectors
    F = view.point.F[pair[0]]
    drive = jnp.sum(jnp.abs(w.conj() @ F) ** 2) * _condition_number(vectors) ** 2
    out = jnp.sum(jnp.abs(view.point.out_vector(v, pair[0])) ** 2)
    noise = (np.finfo(float).eps * view.point.n) ** 2 * jnp.sum(F**2)
    predicted = jnp.where((drive > noise) & (out > 0), drive * out, jnp.nan)
    return largest * (distance**2 / predicted)


def ratio(view: View) -> Any:
    import jax.numpy as jnp

    if view.name == "arclength":
        return jnp.asarray(jnp.nan)
    if view.name == "resolvent":
        return ratio_resolvent(view)
    pair = view.point.singular_pair
    distance = jnp.abs(pair[1] - 1.0 if view.point.is_map else pair[1])
    return _leading(view, view.e[0], pair, view.point.singular_vectors, distance)


def ratio_resolvent(view: View) -> Any:
    import jax.numpy as jnp

    pair = view.point.stability_pair
    distance = jnp.abs(pair[1] - view.point.critical_exponential)
    return _leading(view, view.resolvent_top, pair, view.point.stability_vectors, distance)


def top_arc(view: View) -> Any:
    return view.e[0] if view.name == "arclength" else kernels.arclength_top(view.point)


def top_resolvent(view: View) -> Any:
    return view.resolvent_top


def _alignment(view: View, a: Any, b: Any) -> Any:
    """Return the cosine between a and the span of b: complex for complex kernels, else of its real and imaginary parts."""
    import jax.numpy as jnp

    size = jnp.linalg.norm(a)
    if jnp.iscomplexobj(view.G):
        return jnp.abs(jnp.vdot(a, b)) / (size * jnp.linalg.norm(b))
    b = b * jnp.exp(-0.5j * jnp.angle(jnp.sum(b * b)))  # makes real and imaginary part orthogonal
    first, second = la.unit(b.real), la.unit(b.imag)
    second = jnp.where(jnp.linalg.norm(b.imag) > 1e-8 * jnp.linalg.norm(b.real), second, 0.0)
    found = jnp.sqrt(jnp.vdot(a, first) ** 2 + jnp.vdot(a, second) ** 2) / size
    return jnp.where(jnp.linalg.norm(b) > 0, jnp.minimum(found, 1.0), jnp.nan)


def align_state(view: View) -> Any:
    return _alignment(view, view.vector, view.point.out_vector(view.vectors[0], view.pair[0]))


def align_theta(view: View) -> Any:
    import jax.numpy as jnp

    F = view.point.F[view.pair[0]]
    drive = view.vectors[1].conj() @ F
    noise = np.finfo(float).eps * view.point.n * jnp.linalg.norm(F)
    drive = jnp.where(jnp.linalg.norm(drive) > noise, drive, 0.0)
    return _alignment(view, view.G.conj().T @ view.vector, drive.conj())


def lr_crit(view: View) -> Any:
    import jax.numpy as jnp

    return jnp.where(view.e[0] > 0, 2.0 / view.e[0], jnp.nan)


def singular(view: View) -> Any:
    """Whether J is singular to rounding: then no kernel of it exists."""
    import jax.numpy as jnp

    size = jnp.max(jnp.abs(view.point.shifted))
    tiny = jnp.min(jnp.abs(view.point.shifted)) <= view.point.n * np.finfo(float).eps * size
    return tiny | ~jnp.all(jnp.isfinite(view.point.S))


SIGNATURES: dict[str, Callable[[View], Any]] = {
    f.__name__: f
    for f in (
        eigenvalues, top, trace, participation_ratio, entropy_rank, stable_rank, top_fraction, gap, condition,
        lambda_0, lambda_c, omega_c, kappa, kappa_0, g, ratio, ratio_resolvent, top_arc, top_resolvent,
        align_state, align_theta, lr_crit, singular,
    )
}  # fmt: skip

# signatures of the spectrum of K, undefined where K = 0 or does not exist
_OF_SPECTRUM = (
    "eigenvalues", "top", "trace", "participation_ratio", "entropy_rank", "stable_rank", "top_fraction", "gap",
    "condition", "ratio", "align_state", "align_theta", "lr_crit",
)  # fmt: skip


def all_signatures(point: Point, kernel: str, k: int) -> dict[str, Any]:
    """Return every signature of a kernel at a point."""
    import jax.numpy as jnp

    view = View(point, kernel, k)
    values = {name: f(view) for name, f in SIGNATURES.items()}
    if kernel == "equilibrium":
        infinite = jnp.where(jnp.any(point.F != 0), jnp.inf, jnp.nan)
        for name in _OF_SPECTRUM:
            there = infinite if name in ("top", "trace") else jnp.nan
            values[name] = jnp.where(values["singular"], there, values[name])
    return values
