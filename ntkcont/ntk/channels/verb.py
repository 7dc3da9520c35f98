"""``channels(kernel, model, x)``: the bifurcation channel of a trajectory kernel, as the user sees it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.normal_forms.verb import check_point, linearised
from ntkcont.ntk.channels.channel import Channel, channel, top_direction
from ntkcont.ntk.channels.directions import critical_at
from ntkcont.ntk.channels.linearised import Linearised
from ntkcont.ntk.channels.reduced import Reduced, moved_to, reduced_at
from ntkcont.ntk.trajectory.checks import check_any_kept, check_fixed_point
from ntkcont.ntk.trajectory.spectra import choose, spectrum
from ntkcont.ntk.trees import ThetaTree
from ntkcont.results.special_points import SpecialPoint

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK

Array = NDArray[np.float64]

#: Up to this many numbers the whole kernel is formed, to compare it with its normal form.
FORMED = 2**24


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Channels:
    """The bifurcation channel of a trajectory kernel ``Theta = J J^T`` at a fixed point.

    Attributes
    ----------
    kind : {"real", "flip", "pair"}
        What is critical: a real eigenvalue (of a map: near 1), a multiplier near -1, a complex pair.
    eigenvalue : complex
        The eigenvalue nearest to the stability boundary.
    v, w : ndarray, shape (n,)
        Its right and left vectors, ``|v| = 1``, ``w* v = 1``.
    directions : dict of str to pytree like theta
        "drive" ``F^T w`` and "growth" ``D_theta lambda`` (real); "growth" (flip); "growth" and "frequency" (pair).
        Those that are zero are left out.
    f_par : float
        Share of the channel on the parameter side, ``|J G|_F^2/|J|_F^2`` with orthonormal critical directions G.
    f_st, chi : float
        Share and cross term on the state side, ``|J_b|^2/(|J_b|^2 + |J_r|^2)`` and ``2 <J_b, J_r>/|J|^2``; nan with a
        readout.
    f_bordered : float
        Share of the states along v, from the bordered split; nan with a readout.
    total : float
        ``|J|_F^2``, the trace of the kernel.
    alignments : dict of str to float
        ``|cos|`` between each critical direction and the direction of theta that moves the trajectories most, both in
        units of the theta scale.
    restricted : ndarray, shape (B T m, r)
        ``J G``: the restricted kernel is ``restricted @ restricted.T``, of rank r for all trials and times.
    normal_form : ndarray, shape (B T m, r), or None
        The same of the normal form, ``(v kron s) gamma^T G``; None with time-dependent inputs.
    y, s : ndarray, shapes (B, T) and (B, T, d), or None
        The normal form's solution along v and its sensitivities to the d directions, in their order.
    a, c : float and complex
        Its coefficients: ``y' = lambda y + a y^2 + c y^3`` (pair: ``lambda y + c y |y|^2``; maps: ``y <- ...``).
    nf_error, nf_error_full : float
        Relative error of the normal-form kernel against the restricted and against the full kernel (Frobenius norm;
        the second is nan for kernels too large to be formed).
    exact : bool
        Whether nothing was estimated by random probes.
    """

    kind: Literal["real", "flip", "pair"]
    eigenvalue: complex
    v: NDArray[Any]
    w: NDArray[Any]
    directions: dict[str, Any]
    f_par: float
    f_st: float
    chi: float
    f_bordered: float
    total: float
    alignments: dict[str, float]
    restricted: Array
    normal_form: Array | None
    y: NDArray[Any] | None
    s: NDArray[Any] | None
    a: float
    c: complex
    nf_error: float
    nf_error_full: float
    exact: bool

    @functools.cached_property
    def restricted_kernel(self) -> Array:
        """The restricted kernel ``(J G)(J G)^T``, shape (B T m, B T m)."""
        return self.restricted @ self.restricted.T

    @functools.cached_property
    def normal_form_kernel(self) -> Array | None:
        """The kernel of the normal form, shape (B T m, B T m)."""
        return None if self.normal_form is None else self.normal_form @ self.normal_form.T

    def __repr__(self) -> str:
        names = ", ".join(f"{name} {value:.4f}" for name, value in self.alignments.items())
        about = "" if self.exact else "about "
        return (
            f"<Channels of a {self.kind} eigenvalue {self.eigenvalue:.6g}: share {about}{self.f_par:.4g} of the kernel "
            f"on the parameter side, {self.f_st:.4g} on the state side (cross term {self.chi:.2g}); normal form off by "
            f"{self.nf_error:.2g}; aligned with {names}>"
        )


def channels(
    kernel: StateNTK,
    model: Model,
    x: Any,
    params: Mapping[str, float] | None = None,
    *,
    free: str | None = None,
    near: SpecialPoint | None = None,
) -> Channels:
    """Return the part of a trajectory kernel that belongs to one bifurcation, and what its normal form predicts.

    Parameters
    ----------
    kernel : StateNTK
        With ``kernel="trajectory"``.
    model : Model
        The model.
    x : SpecialPoint, mapping, or array_like, shape (n,)
        The fixed point whose critical eigenvalue defines the channel; it is taken as it is.
    params : mapping, optional
        Values that differ from the model's; of a special point its own are the default.
    free : str, optional
        Parameter that is not part of theta "all"; default that of the special point.
    near : SpecialPoint, optional
        The bifurcation whose normal form is used; default: its coefficients are computed at `x`.

    Returns
    -------
    Channels

    Raises
    ------
    InputError
        The kernel is not of trajectories, the critical eigenvalue is multiple, or a point is not one of the model.

    References
    ----------
    J. Hazelden, E. Shea-Brown, arXiv:2605.12763: the channel and its collapse.  Yu. A. Kuznetsov, *Elements of Applied
    Bifurcation Theory* (2004), section 5.4: coefficients of normal forms.

    Examples
    --------
    The pitchfork ``x' = mu x - x^3`` is its own normal form.

    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"mu": -0.1, "h": 0.0})
    >>> kernel = nc.ntk.StateNTK(
    ...     kernel="trajectory", theta=["mu", "h"], theta_scale="none", state_scale="none",
    ...     initial_states=[[0.1]], T=10.0, dt=0.01)
    >>> found = nc.ntk.channels(kernel, model, [0.0])
    >>> found.directions, round(found.f_par, 9), found.nf_error < 1e-9
    ({'drive': {'mu': 0.0, 'h': 1.0}, 'growth': {'mu': 1.0, 'h': 0.0}}, 1.0, True)
    """
    if getattr(kernel, "kernel", None) != "trajectory":
        msg = f"kernel: {getattr(kernel, 'kernel', kernel)!r} was given; it must be StateNTK(kernel='trajectory', ...)"
        raise InputError(msg)
    given = dict(params or {})
    if isinstance(x, SpecialPoint):
        check_point(model, x)
        free = x.free if free is None else free
        given = {**{name: x.params[name] for name in model.params}, **given}
    values, state = model.values(given), model.state_vector(x, "x")
    bound = kernel.bind_at(model, free, state[None], values[None])
    found = bound.trajectories(state, dict(zip(model.params, values, strict=True)))
    reduced = None if near is None else _from_special(model, near, state, values)
    check_any_kept(found, "kernel")
    check_fixed_point(model, state, found.params)
    columns = found.reduced() if found.rows * found.most_columns <= FORMED else None
    # as `evaluate` reports it: too large to form, its trace comes from all eigenvalues or with the top ones apart
    total = None
    if columns is None:
        total = float(spectrum(found, choose("auto", found), kernel.k, kernel.rtol).signatures["trace"])
    one = channel(
        found, model, bound.theta, found.packing.scale, state, values, total=total, columns=columns, reduced=reduced
    )  # fmt: skip
    if one is None:
        msg = "x: its critical eigenvalue is multiple, so that no single channel belongs to it; move off that point"
        raise InputError(msg)
    full = float("nan") if columns is None else one.nf_error_full(found, columns)
    return _described(one, found, ThetaTree(kernel.theta, model, bound.theta), found.packing.scale, full)


def _from_special(model: Model, near: SpecialPoint, x: Array, values: Array) -> Reduced:
    """Return the normal form of a special point, moved along its critical vector to the fixed point x."""
    check_point(model, near)
    local = linearised(model, near)
    vectors = critical_at(model, local.A, near.eigenvalues)
    there = reduced_at(model, near.x, model.values({name: near.params[name] for name in model.params}), vectors)
    _, here = critical_at(model, model.jac(x, dict(zip(model.params, values, strict=True))))
    if np.iscomplexobj(here.q) != np.iscomplexobj(vectors[1].q) or (here.value.real < 0.0) != (
        vectors[1].value.real < 0.0 if model.kind == "map" else here.value.real < 0.0
    ):
        msg = f"near: {near.name} belongs to another kind of eigenvalue than {here.value:.4g}, the critical one at x"
        raise InputError(msg)
    if np.iscomplexobj(here.q):
        return moved_to(there, here.value, 0.0, flip=False)
    sign = 1.0 if float(here.q @ vectors[1].q) >= 0.0 else -1.0
    y = float(vectors[1].p @ (x - near.x))
    moved = moved_to(there, here.value, y, flip=model.kind == "map" and here.value.real < 0.0)
    return dataclasses.replace(moved, a=sign * moved.a)


def _described(one: Channel, found: Linearised, tree: ThetaTree, scale: Array, full: float) -> Channels:
    split, parts = one.shares, one.directions.parts
    alignments = dict.fromkeys(parts, float("nan"))
    if split.total > 0:
        best = top_direction(found, one.directions.basis @ np.linalg.norm(one.restricted, axis=0))
        alignments = {name: min(abs(float(best @ g)) / float(np.linalg.norm(g)), 1.0) for name, g in parts.items()}
    return Channels(
        kind=one.directions.kind,
        eigenvalue=one.directions.eigenvalue,
        v=one.directions.v,
        w=one.directions.w,
        directions={name: tree.build(part / scale) for name, part in parts.items()},
        f_par=split.f_par,
        f_st=split.f_st,
        chi=split.chi,
        f_bordered=split.f_bordered,
        total=split.total,
        alignments=alignments,
        restricted=one.restricted,
        normal_form=one.normal_form,
        y=one.y,
        s=one.s,
        a=one.reduced.a,
        c=one.reduced.c,
        nf_error=one.nf_error,
        nf_error_full=full,
        exact=split.exact,
    )
