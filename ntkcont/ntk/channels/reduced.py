r"""The dynamics along the critical vector, and how it depends on the critical directions of theta.

About a fixed point z* of the branch, ``z ~ z* + v y`` with

- ``y' = h + lambda y + a y^2 + c y^3`` for a real eigenvalue (of a map: ``y <- ...``, with the multiplier for lambda);
- ``y <- lambda y + c y^3`` for a multiplier near -1;
- ``z ~ z* + 2 Re(v y)``, ``y' = lambda y + c y |y|^2`` for a complex pair, y and c complex.

The sensitivities s to h (drive), to the real part or modulus of lambda (growth) and to its imaginary part or angle
(frequency) obey the linearised equations, from zero.  Near the bifurcation the derivative of the states is
``(v kron s) gamma^T``: of rank one for each direction gamma, for all trials and times.

References
----------
Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory*, 3rd ed. (2004), section 5.4: the coefficients.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.derivatives import Derivatives, Differenced, Traced, calls_back
from ntkcont.normal_forms.iterates import along_orbit, one_step
from ntkcont.normal_forms.local import Critical, Local, bordered, solve
from ntkcont.normal_forms.networks import NetworkDerivatives, network_of
from ntkcont.ntk.channels.directions import CriticalDirections, critical_at

_STEP = 1e-2  # of the differences of models that JAX can only call back


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reduced:
    """The coefficients of the dynamics along the critical vector.

    Attributes
    ----------
    eigenvalue : complex
        lambda at the fixed point.
    a : float
        Quadratic coefficient; zero but for a real eigenvalue.  Its sign is that of v.
    c : complex
        Cubic coefficient.
    """

    eigenvalue: complex
    a: float
    c: complex


def derivatives_of(model: Model, x: Array, values: Array) -> Derivatives:
    """Return second and third derivatives in the state at one point."""
    p = model.compiled_parameters(values)
    still = np.zeros_like(p)
    once = one_step(model)
    network = network_of(once)

    def of_one_step(at: Array) -> Derivatives:
        if network is not None:
            return NetworkDerivatives(network, at, p, still)
        if calls_back(once):
            return Differenced(once, at, p, still, 0.0, _STEP)
        return Traced(once, at, p, still, 3)

    return along_orbit(model, p, still, of_one_step)(x)


def reduced_at(model: Model, x: Array, values: Array, vectors: tuple[Local, Critical] | None = None) -> Reduced:
    """Return the coefficients at a fixed point, which need not be the bifurcation itself."""
    if vectors is None:
        vectors = critical_at(model, model.jac(x, dict(zip(model.params, values, strict=True))))
    local, found = vectors
    local = dataclasses.replace(local, derivatives=derivatives_of(model, x, values))
    q, p, value = found.q, found.p, found.value
    at_rest = local.shifted(1.0 if local.is_map else 0.0)
    if np.iscomplexobj(q):
        conjugate = q.conj()
        h11 = -solve(at_rest, np.real(local.B(q, conjugate)))
        h20 = -solve(local.shifted(complex(value**2 if local.is_map else 2.0 * value)), local.B(q, q))
        third = local.C(q, q, conjugate) + 2.0 * local.B(q, h11) + local.B(conjugate, h20)
        return Reduced(eigenvalue=value, a=0.0, c=complex(np.vdot(p, third)) / 2.0)
    second = local.B(q, q)
    if local.is_map and value.real < 0.0:
        third = local.C(q, q, q) + 3.0 * local.B(q, -solve(at_rest, second))
        return Reduced(eigenvalue=value, a=0.0, c=float(np.vdot(p, third)) / 6.0)
    h = bordered(at_rest, q, q).solve(np.append(-second, 0.0))[: local.n]
    third = local.C(q, q, q) + 3.0 * local.B(q, h)
    return Reduced(eigenvalue=value, a=float(np.vdot(p, second)) / 2.0, c=float(np.vdot(p, third)) / 6.0)


def moved_to(reduced: Reduced, eigenvalue: complex, y: float, flip: bool) -> Reduced:
    """Return coefficients of a special point at a fixed point at distance y along v, where the eigenvalue is known."""
    a = 0.0 if flip or np.iscomplexobj(reduced.c) else reduced.a + 3.0 * float(np.real(reduced.c)) * y
    return Reduced(eigenvalue=eigenvalue, a=a, c=reduced.c)


def sensitivities(
    reduced: Reduced, directions: CriticalDirections, y0: NDArray[Any], *, steps: int, dt: float, record_every: int,
    scheme: str,
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Integrate the reduced dynamics and its sensitivities.

    Parameters
    ----------
    reduced, directions : Reduced, CriticalDirections
        The dynamics, and what it is differentiated in.
    y0 : ndarray, shape (B,)
        Where the trials start, ``w* (z(0) - z*)``; complex for a pair.
    steps, record_every : int
        How many steps there are, and how many between recorded values.
    dt : float
        Their length.
    scheme : {"map", "euler", "rk4"}
        How a step is made.

    Returns
    -------
    y, s : ndarray, shapes (B, T) and (B, T, d)
        Recorded values; inf or nan where the reduced dynamics escapes.
    """
    lam, a, c = reduced.eigenvalue, reduced.a, reduced.c
    pair = directions.kind == "pair"
    if not pair:
        lam, c = float(np.real(lam)), float(np.real(c))
    force = _forces(tuple(directions.parts), lam, scheme == "map", pair)

    def slope(z: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives of (y, s), stacked in the last axis (B, 1 + d)."""
        y, s = z[:, :1], z[:, 1:]
        if pair:
            size = np.abs(y) ** 2
            along = (lam + 2.0 * c * size) * s + c * y**2 * s.conj()
            return np.concatenate([(lam + c * size) * y, along + force(y)], axis=1)
        along = (lam + 2.0 * a * y + 3.0 * c * y**2) * s
        return np.concatenate([(lam + a * y + c * y**2) * y, along + force(y)], axis=1)

    z = np.zeros((y0.size, 1 + len(directions.parts)), complex if pair else float)
    z[:, 0] = y0
    recorded = []
    with np.errstate(all="ignore"):
        for step in range(steps):
            z = _SCHEMES[scheme](slope, z, dt)
            if (step + 1) % record_every == 0:
                recorded.append(z)
    out = np.stack(recorded, axis=1)
    return out[:, :, 0], out[:, :, 1:]


def _forces(names: tuple[str, ...], lam: Any, is_map: bool, pair: bool) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the derivative of the reduced dynamics in each direction, a function of y (B, 1)."""
    turn: Any = (lam / abs(lam) if pair else float(np.sign(lam))) if is_map else 1.0
    factor = {"growth": turn, "frequency": 1j * (lam if is_map else 1.0)}

    def force(y: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([np.ones_like(y) if name == "drive" else factor[name] * y for name in names], axis=1)

    return force


def _rk4(f: Callable[[Any], Any], z: Any, h: float) -> Any:
    k1 = f(z)
    k2 = f(z + 0.5 * h * k1)
    k3 = f(z + 0.5 * h * k2)
    return z + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + f(z + h * k3))


def _euler(f: Callable[[Any], Any], z: Any, h: float) -> Any:
    return z + h * f(z)


def _map(f: Callable[[Any], Any], z: Any, _h: float) -> Any:
    return f(z)


_SCHEMES: dict[str, Callable[..., Any]] = {"map": _map, "euler": _euler, "rk4": _rk4}
