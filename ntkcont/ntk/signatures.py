"""The signatures of a kernel; a new one is a function and its name in one of the two registries.

`SPECTRAL` holds functions of the eigenvalues (K, rows), `GEOMETRIC` functions of a :class:`View`, one kernel at K
points, written for both backends; each returns (K,).  What they mean is the table in :mod:`ntkcont.ntk`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.ntk import kernels
from ntkcont.ntk.backends import BITS, inner, norms, unit
from ntkcont.ntk.points import Points

# ---------------------------------------------------------------- of the eigenvalues, descending


def top(e: Any) -> Any:
    """Largest eigenvalue."""
    return e[:, 0]


def trace(e: Any) -> Any:
    """Sum of the eigenvalues."""
    return e.sum(axis=1)


def _share(e: Any) -> Any:
    return e / np.where(e[:, :1] > 0, e[:, :1], np.nan)


def participation_ratio(e: Any) -> Any:
    """(sum e)^2 / sum e^2."""
    q = _share(e)
    return q.sum(axis=1) ** 2 / (q**2).sum(axis=1)


def entropy_rank(e: Any) -> Any:
    """exp(-sum p ln p), p = e / sum e."""
    q = _share(e)
    p = q / q.sum(axis=1, keepdims=True)
    return np.exp(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1))


def stable_rank(e: Any) -> Any:
    """Trace / top."""
    return _share(e).sum(axis=1)


def top_fraction(e: Any) -> Any:
    """Top / trace."""
    return 1.0 / stable_rank(e)


def gap(e: Any) -> Any:
    """e_1 / e_2."""
    return 1.0 / _share(e)[:, 1] if e.shape[1] > 1 else np.full(len(e), np.nan)


def condition(e: Any) -> Any:
    """e_1 / e_min."""
    return 1.0 / _share(e)[:, -1]


def lr_crit(e: Any) -> Any:
    """2 / top."""
    return 2.0 / np.where(e[:, 0] > 0, e[:, 0], np.nan)


def _by_name(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {f.__name__: f for f in functions}


SPECTRAL = _by_name(
    top, trace, participation_ratio, entropy_rank, stable_rank, top_fraction, gap, condition, lr_crit
)  # fmt: skip


def spectral_signatures(e: Any, k: int) -> dict[str, Any]:
    """Return the signatures of eigenvalues (K, rows), nan where the row is or where K = 0."""
    with np.errstate(all="ignore"):
        return {"eigenvalues": e[:, :k], **{name: f(e) for name, f in SPECTRAL.items()}}


# ---------------------------------------------------------------- of one kernel at K points


class View:
    """One kernel at K points, with what its signatures share."""

    def __init__(self, points: Points, kernel: str) -> None:
        self.points, self.kernel, self.name, self.xp = points, kernels.KERNELS[kernel], kernel, points.xp

    @functools.cached_property
    def G(self) -> Any:
        """Factor of the kernel, (K, rows, m)."""
        return self.points.backend.finite(self.kernel.factor(self.points))

    @functools.cached_property
    def spectrum(self) -> tuple[Any, Any]:
        """All eigenvalues of K = G G*, descending, and the top eigenvectors."""
        return self.points.backend.spectrum(self.G, self.plain_gram)

    @functools.cached_property
    def gram(self) -> Any:
        """K itself, of a real kernel, (K, rows, rows)."""
        return self.points.backend.gram(self.G)

    @property
    def plain_gram(self) -> Callable[[], Any] | None:
        """Returns K where it is the equilibrium kernel of one condition without a readout, else None."""
        plain = self.name == "equilibrium" and self.points.conditions == 1 and self.points.readout is None
        return (lambda: self.gram) if plain else None

    @functools.cached_property
    def resolvent_top(self) -> Any:
        """Largest eigenvalue of the resolvent kernel at the critical frequency."""
        if self.name == "resolvent":
            return self.spectrum[0][:, 0]

        def equilibrium_top() -> Any:
            if self.name == "equilibrium":
                return self.spectrum[0][:, 0]
            return self.points.backend.top(self.points.backend.finite(kernels.equilibrium_factor(self.points)))

        return kernels.resolvent_top(self.points, equilibrium_top)

    @functools.cached_property
    def at(self) -> Any:
        """Condition whose eigenvalue makes this kernel diverge."""
        c = self.points.critical
        return c.at_0 if self.kernel.ruled_by == "singular" else c.at_c

    @functools.cached_property
    def vectors(self) -> tuple[Any, Any]:
        """Unit right and left eigenvectors of that eigenvalue."""
        return self.points.singular_vectors if self.kernel.ruled_by == "singular" else self.points.stability_vectors

    @functools.cached_property
    def drive_0(self) -> Any:
        """F* w for lambda_0, (K, m), or zeros where it is only rounding."""
        return self._drive(self.points.singular_vectors[1], self.points.critical.at_0)

    @functools.cached_property
    def drive_c(self) -> Any:
        """F* w for lambda_c, (K, m), or zeros where it is only rounding."""
        if self.points.case.same:
            return self.drive_0
        return self._drive(self.points.stability_vectors[1], self.points.critical.at_c)

    def _drive(self, w: Any, at: Any) -> Any:
        F = self.points.at(self.points.F, at)
        noise = BITS * self.points.n * norms(self.xp, F)
        F = self.xp.swapaxes(F, 1, 2)
        found = (F @ w.real[:, :, None])[:, :, 0]  # F stays real
        if self.xp.iscomplexobj(w):
            found = found + 1j * (F @ w.imag[:, :, None])[:, :, 0]
        return self.xp.where((norms(self.xp, found) > noise)[:, None], found, 0.0)


def lambda_0(view: View) -> Any:
    """Eigenvalue nearest to a singular J."""
    return view.points.critical.lambda_0


def lambda_c(view: View) -> Any:
    """Eigenvalue nearest to the stability boundary."""
    return view.points.critical.lambda_c


def omega_c(view: View) -> Any:
    """Frequency of lambda_c."""
    value = view.points.critical.lambda_c
    return view.xp.angle(value) if view.points.is_map else value.imag


def _condition_number(view: View, vectors: tuple[Any, Any]) -> Any:
    return 1.0 / abs(inner(view.xp, vectors[1], vectors[0]))


def kappa(view: View) -> Any:
    """Condition number of lambda_c."""
    return _condition_number(view, view.points.stability_vectors)


def kappa_0(view: View) -> Any:
    """Condition number of lambda_0."""
    return _condition_number(view, view.points.singular_vectors)


def g(view: View) -> Any:
    """Bordered test function of J; nan where lambda_0 is complex, since no real border belongs to it."""
    xp, points, c = view.xp, view.points, view.points.critical
    v, w = points.singular_vectors
    v, w = v.real, w.real
    w = xp.where((inner(xp, w, v) < 0)[:, None], -w, w)
    found = -1.0 / inner(xp, v, points.at(points.solve(points.spread(w, c.at_0)), c.at_0)[:, :, 0])
    return xp.where(c.lambda_0.imag == 0, found, xp.nan)


def _over_prediction(view: View, largest: Any, vectors: tuple[Any, Any], drive: Any, at: Any, distance: Any) -> Any:
    """Return `largest` over the rank-one prediction |C v|^2 |F* w|^2 / distance^2, with w* v = 1."""
    xp, v = view.xp, vectors[0]
    predicted = norms(xp, drive) * _condition_number(view, vectors) * norms(xp, view.points.out_vector(v, at))
    return largest * (distance / xp.where(predicted > 0, predicted, xp.nan)) ** 2


def ratio(view: View) -> Any:
    """Top over its rank-one prediction from lambda_0."""
    c = view.points.critical
    if view.name == "arclength":
        return view.xp.full(view.points.A.shape[0], view.xp.nan)
    if view.name == "resolvent":
        return ratio_resolvent(view)
    distance = abs(c.lambda_0 - 1.0 if view.points.is_map else c.lambda_0)
    return _over_prediction(view, view.spectrum[0][:, 0], view.points.singular_vectors, view.drive_0, c.at_0, distance)


def ratio_resolvent(view: View) -> Any:
    """Top of the resolvent kernel over its rank-one prediction from lambda_c."""
    c = view.points.critical
    distance = abs(c.lambda_c - c.s)
    return _over_prediction(view, view.resolvent_top, view.points.stability_vectors, view.drive_c, c.at_c, distance)


def top_arc(view: View) -> Any:
    """Top of the arclength-gauge kernel."""
    return view.spectrum[0][:, 0] if view.name == "arclength" else kernels.arclength_top(view.points, view.plain_gram)


def top_resolvent(view: View) -> Any:
    """Top of the resolvent kernel at the critical frequency."""
    return view.resolvent_top


def _alignment(view: View, a: Any, b: Any) -> Any:
    """Return the cosines between a and b (complex kernels), or a and the plane of Re b and Im b; nan where b = 0."""
    xp = view.xp
    size, length = norms(xp, a), norms(xp, b)
    b = b / xp.where(length > 0, length, xp.nan)[:, None]
    if xp.iscomplexobj(view.G):
        return xp.minimum(abs(inner(xp, a, b)) / size, 1.0)
    if not xp.iscomplexobj(b):
        return xp.minimum(abs(inner(xp, a, b)) / size, 1.0)
    b = b * xp.exp(-0.5j * xp.angle(xp.sum(b * b, axis=1, keepdims=True)))  # real and imaginary part now orthogonal
    second = xp.where((norms(xp, b.imag) > 1e-8)[:, None], b.imag, 0.0)
    along, across = inner(xp, a, unit(xp, b.real)), inner(xp, a, unit(xp, second))
    return xp.minimum(xp.sqrt(along**2 + across**2) / size, 1.0)


def align_state(view: View) -> Any:
    """Alignment of the top eigenvector with the critical vector."""
    return _alignment(view, view.spectrum[1], view.points.out_vector(view.vectors[0], view.at))


def align_theta(view: View) -> Any:
    """Alignment of the top parameter direction with the drive."""
    u = view.spectrum[1][:, :, None].conj()
    top_direction = (view.xp.swapaxes(view.G, 1, 2) @ u)[:, :, 0].conj()
    return _alignment(view, top_direction, view.drive_0 if view.kernel.ruled_by == "singular" else view.drive_c)


def singular(view: View) -> Any:
    """Whether J is singular to rounding."""
    xp, points = view.xp, view.points
    shifted = abs(points.eigenvalues - 1.0 if points.is_map else points.eigenvalues).reshape(points.A.shape[0], -1)
    tiny = xp.min(shifted, axis=1) <= points.n * BITS * xp.max(shifted, axis=1)
    return tiny | ~xp.isfinite(xp.sum(points.S, axis=(1, 2, 3)))


GEOMETRIC = _by_name(
    lambda_0, lambda_c, omega_c, kappa, kappa_0, g, ratio, ratio_resolvent, top_arc, top_resolvent,
    align_state, align_theta, singular,
)  # fmt: skip


def geometric_signatures(points: Points, kernel: str) -> dict[str, Any]:
    """Return all eigenvalues (K, rows) as "spectrum", and every signature that is not a function of them alone.

    Where J is singular, the largest eigenvalue of the equilibrium kernel is infinite and everything else of it nan.
    """
    xp = points.xp
    view = View(points, kernel)
    e = view.spectrum[0]
    values = {name: f(view) for name, f in GEOMETRIC.items()}
    defined = e[:, 0] > 0
    values["g"] = xp.where(values["singular"] & (points.critical.lambda_0.imag == 0), 0.0, values["g"])
    if kernel == "equilibrium":
        flagged = values["singular"][:, None]
        driven = xp.any(points.F.reshape(points.F.shape[0], -1) != 0, axis=1)
        first = xp.where(driven, xp.inf, xp.nan)[:, None]
        e = xp.where(flagged, xp.where(xp.arange(e.shape[1]) == 0, first, xp.nan), e)
        defined = defined & ~values["singular"]
    for name in ("align_state", "align_theta", "ratio"):
        values[name] = xp.where(defined, values[name], xp.nan)
    return {"spectrum": e, **values}
