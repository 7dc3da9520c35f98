"""Border collisions BC of models that are smooth in pieces: what the branch does at a kink.

Across a kink h = 0 the continuous F changes by a multiple of h, so that ``det [[F_x, F_p], [h_x, h_p]]`` is the same on
both sides: the branch goes on through the kink if it is not zero, and the tangent with ``dh = 1`` has the component
``dp = det F_x / det [[F_x, F_p], [h_x, h_p]]``.  Hence p goes on as well if det F_x has the same sign on both sides
(persistence), and turns back if it has not (non-smooth fold): di Bernardo et al. (2008), chapters 3 and 5.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import svd
from ntkcont.models.model import Array, Model
from ntkcont.models.switching import Pieces, Signs
from ntkcont.results.special_points import SpecialPoint

#: An argument vanishes where it is below this fraction of its change along the whole diagram.
ON_KINK = 1e-9
#: Rates of change and singular values below this fraction of their scale are zero.
ZERO = 1e-9
#: Of so many units at once all pieces are looked at; of more, only the likely ones.
MOST = 10


@dataclasses.dataclass(frozen=True)
class Ray:
    """A half branch that leaves a point on one or several kinks.

    Parameters
    ----------
    positive : ndarray of bool, shape (k,)
        The signs of all arguments on it.
    tau : ndarray, shape (n+1,)
        Its direction, of norm 1 in scaled variables.
    rates : ndarray, shape (m,)
        How fast the arguments that vanish at the point grow along it, in units of their gradients.
    """

    positive: Signs
    tau: Array
    rates: Array


def sizes(gradients: Array, d: Array) -> Array:
    """Return how much the arguments change over the scales d of all variables, shape (k,)."""
    return np.linalg.norm(gradients * d, axis=1)


def rays(pieces: Pieces, z: Array, d: Array, at: NDArray[np.intp], positive: Signs) -> list[Ray]:
    """Return all half branches that leave z, at which the arguments `at` vanish and the others have signs `positive`.

    A half branch of a piece is one of the whole if it goes to where the arguments have the signs of that piece; one
    along which an argument stays zero is counted with the piece where that one is not positive.
    """
    n = z.size - 1
    gradients = pieces.gradients(z)[at] * d
    gradients /= np.maximum(np.linalg.norm(gradients, axis=1), 1e-300)[:, None]
    found: list[Ray] = []
    for signs in _patterns(positive[at]):
        own = positive.copy()
        own[at] = signs
        jacobian = pieces.residual(z, own)[1] * d / d[:n, None]
        _, singular, vh = svd(jacobian)
        if singular[-1] <= 1e-12 * singular[0]:
            continue  # fixed points form a surface there
        for tau in (vh[-1], -vh[-1]):
            rates = gradients @ tau
            rates[np.abs(rates) <= ZERO] = 0.0
            if np.array_equal(rates > 0.0, signs):
                found.append(Ray(own, np.ascontiguousarray(tau), rates))
    return found


def _patterns(signs: Signs) -> list[Signs]:
    """Return the signs of m arguments to look at: all, if they are not too many."""
    m = signs.size
    if m <= MOST:
        return [np.array(pattern) for pattern in itertools.product((False, True), repeat=m)]
    likely = [~signs, signs, np.zeros(m, bool), np.ones(m, bool)]
    likely += [signs ^ (np.arange(m) == i) for i in range(m)]
    return list({pattern.tobytes(): pattern for pattern in likely}.values())


def border_collision(model: Model, point: SpecialPoint) -> dict[str, Any]:
    """Return what happens at a border collision; empty for models whose kinks are not known."""
    if model.switching is None:
        return {}
    pieces = Pieces(model, *model.line(point.free, point.params))
    z = np.append(point.x, point.p)
    n = z.size - 1
    d = np.append(np.full(n, max(float(np.max(np.abs(point.x))), 1e-12)), max(abs(point.p), 1e-12))
    values, gradients = pieces.arguments(z), pieces.gradients(z)
    size = np.maximum(sizes(gradients, d), 1e-300)
    rates = gradients @ point.tangent
    # an argument that stays zero along the branch does not switch
    resting = np.abs(rates) <= ON_KINK * size * np.linalg.norm(point.tangent / d)
    at = np.sort(np.argsort(np.abs(values) / size + resting, kind="stable")[: point.multiplicity])
    rates = rates[at]
    names = [pieces.switching.names[i] for i in at]
    if at.size > 1:
        return _several(pieces, z, d, at, names, values > 0.0, rates)
    sides = [_Side(pieces, z, d, at, values > 0.0, sign) for sign in (False, True)]
    product = sides[0].sign * sides[1].sign
    kind = "persistence" if product > 0 else "non-smooth fold" if product < 0 else "degenerate"
    result: dict[str, Any] = {
        "type": kind,
        "unit": int(at[0]),
        "name": names[0],
        "argument": "rises" if rates[0] > 0.0 else "falls",
        "det_minus": sides[0].sign,
        "det_plus": sides[1].sign,
        "eigenvalues_minus": sides[0].eigenvalues,
        "eigenvalues_plus": sides[1].eigenvalues,
        "n_unstable_minus": sides[0].n_unstable,
        "n_unstable_plus": sides[1].n_unstable,
    }
    if product < 0:
        leaving = rays(pieces, z, d, at, values > 0.0)
        result["opens"] = "right" if leaving and leaving[0].tau[-1] > 0.0 else "left"
    elif product == 0:
        where = " and ".join(name for name, side in zip(("negative", "positive"), sides, strict=True) if side.sign == 0)
        result["note"] = (
            f"F_x is singular where the argument is {where}: the fixed points there form a continuum at "
            f"{point.free} = {point.p:.10g}"
        )
    return result


class _Side:
    """One side of a kink."""

    def __init__(self, pieces: Pieces, z: Array, d: Array, at: NDArray[np.intp], positive: Signs, sign: bool) -> None:
        own = positive.copy()
        own[at] = sign
        n = z.size - 1
        a = pieces.residual(z, own)[1][:, :n]
        is_map = pieces.model.kind == "map"
        scaled = a * d[:n] / d[:n, None]
        singular = svd(scaled, compute_uv=False)
        # for maps det (I - A), for flows det A
        self.sign = 0 if singular[-1] <= ZERO * singular[0] else int(np.linalg.slogdet(-a if is_map else a)[0])
        self.eigenvalues = np.linalg.eigvals(a + np.eye(n) if is_map else a).astype(complex)
        edge = np.abs(self.eigenvalues) - 1.0 if is_map else np.real(self.eigenvalues)
        self.n_unstable = int(np.sum(edge > 1e-11 * max(float(np.max(np.abs(self.eigenvalues))), 1e-300)))


def _several(
    pieces: Pieces, z: Array, d: Array, at: NDArray[np.intp], names: list[str], positive: Signs, rates: Array
) -> dict[str, Any]:
    leaving = rays(pieces, z, d, at, positive)
    result: dict[str, Any] = {
        "type": "several units",
        "unit": at,
        "name": ", ".join(names),
        "argument": ", ".join("rises" if rate > 0.0 else "falls" for rate in rates),
        "branches": len(leaving),
        "directions": np.array([ray.tau * d / np.linalg.norm(ray.tau * d) for ray in leaving]).reshape(-1, z.size),
    }
    if len(leaving) == 2:
        same_side = leaving[0].tau[-1] * leaving[1].tau[-1] > 0.0
        result["type"] = "non-smooth fold" if same_side else "persistence"
    if at.size > MOST:
        result["note"] = f"{at.size} units switch at once: not all of the {2.0**at.size:.3g} pieces were looked at"
    return result
