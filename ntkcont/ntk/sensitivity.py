"""``sensitivity(point)``: how the critical parameter value of a bifurcation moves with the weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.local import Critical, bordered, critical, product_size
from ntkcont.normal_forms.verb import FORMS, check_point, linearised
from ntkcont.ntk.critical_derivatives import FixedPoint, Slopes, eigenvalue_slopes
from ntkcont.ntk.theta import ThetaChoice, resolve_theta
from ntkcont.ntk.trees import ThetaTree
from ntkcont.results.special_points import SpecialPoint

#: Relative to the terms they are made of, numbers below this are zero.
NOTHING = 1e-10
#: Branch points are located to some eight digits, in their state as in the parameter.
LOCATED = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class BranchPointSensitivity:
    """How a branch point reacts to the weights: most directions break it up, some move it.

    Attributes
    ----------
    unfolding : pytree like theta
        ``F^T w``, with w the left critical vector, ``w^T v = 1``: the reduced equation at the branch point becomes
        ``<unfolding, direction> + b20 y^2/2 + b11 y m + ... = 0``.  A direction with a nonzero inner product splits the
        branches apart (a pitchfork becomes imperfect).
    gradient : pytree like theta
        For directions with inner product zero: the derivative of the critical parameter value is
        ``<gradient, direction>``.  It is orthogonal to `unfolding`.
    """

    unfolding: Any
    gradient: Any


def sensitivity(
    point: SpecialPoint, theta: ThetaChoice = "all", *, model: Model | None = None, direction: Any = None
) -> Any:
    r"""Return the derivative of the critical parameter value of a bifurcation with respect to every weight.

    With the critical eigenvalue lambda and its vectors, ``A v = lambda v``, ``w* A = lambda w*``, ``w* v = 1``:

    - LP: ``-(w^T F_theta)/(w^T F_p)``;
    - H, PD, NS: ``-(D_theta sigma)/(D_p sigma)``, where sigma is Re lambda (H) or \|lambda\| (PD, NS) and D the total
      derivative along the branch, ``D lambda = w* [A_theta v + B(v, D_theta x)]``;
    - BP: a small change breaks it up, unless ``w^T F_theta direction = 0``; then it moves by
      ``-(D_theta lambda)/(D_p lambda)``, along either of its branches.

    Products of vectors with derivatives are all that is formed, so thousands of weights cost what one costs.

    Parameters
    ----------
    point : SpecialPoint
        Of type LP, H, PD, NS or BP.
    theta : "all", str, sequence of str, or callable, default "all"
        What is moved, as :class:`~ntkcont.ntk.StateNTK` takes it: "all" weights, or of a model without weights all
        parameters but the free one; names of weights and parameters; a function that picks leaves of the pytree.
    model : Model, optional
        The model of the branch; needed for a point that was loaded from a file.
    direction : pytree like theta, optional
        Return the derivative along this direction alone, a number.  Of named weights and parameters, those left out
        stay as they are.

    Returns
    -------
    pytree like theta, BranchPointSensitivity, or float
        In units of the free parameter over those of theta: with theta "all" and weights the structure of
        ``model.theta``, with names (and for models without weights) a dict, with a function what it picked.  At a
        branch point both the `unfolding` and the `gradient`.  A number if `direction` is given.

    Raises
    ------
    InputError
        The point is of another type, its critical eigenvalue is multiple or crosses with zero speed, the model is not
        known, `theta` holds the free parameter, or `direction` breaks up the branch point.

    References
    ----------
    W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000), sections 4.1 and 4.3.
    Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory* (2004), section 10.2.
    M. Golubitsky, D. G. Schaeffer, *Singularities and Groups in Bifurcation Theory* I (1985): unfoldings.

    Examples
    --------
    The first fold of ``h + a x - x^3`` lies at ``h = 2 (a/3)^{3/2}``, so its derivative in a is ``sqrt(a/3)``.

    >>> import ntkcont as nc
    >>> cusp = nc.Model.from_equations({"x": "h + a*x - x**3"}, {"h": 1.5, "a": 3.0})
    >>> fold = nc.continuation(cusp, [2.1], free="h", p_span=(-4, 4)).special_points["LP1"]
    >>> round(fold.p, 8), {name: round(value, 8) for name, value in nc.ntk.sensitivity(fold).items()}
    (2.0, {'a': 1.0})
    """
    if not isinstance(point, SpecialPoint):
        msg = f"point: {type(point).__name__} was given; give a special point, branch.special_points['LP1']"
        raise InputError(msg)
    form = FORMS.get((point.label, point.kind))
    if form is None:
        msg = f"point: {point.name} is of type {point.label}; sensitivity is for LP, H, PD, NS and BP"
        raise InputError(msg)
    model = point.model if model is None else model
    if model is None:
        msg = "model: this point does not keep its model (it was loaded from a file); give the model of its branch"
        raise InputError(msg)
    check_point(model, point)
    values = model.values({name: point.params[name] for name in model.params})
    sizes = dict.fromkeys(model.params, 1.0)
    resolved = resolve_theta(theta, "none", model, free=point.free, overridden=(), magnitude=sizes)
    if point.free in resolved.param_names:
        msg = f"theta: {point.free!r} is the free parameter, whose critical value is differentiated; leave it out"
        raise InputError(msg)
    tree = ThetaTree(theta, model, resolved)
    along = None if direction is None else tree.flatten(direction, "direction")
    local = linearised(model, point)
    vectors = critical(local, form.eigenvalue(point.omega or 0.0))
    if not vectors.simple:
        msg = f"point: {point.name} has no derivative, since {vectors.refusal()['note']}"
        raise InputError(msg)
    at = FixedPoint(model, resolved, point.x, values, point.free)
    if point.label == "BP":
        return _branch_point(point, at, vectors, tree, along)
    if point.label == "LP":
        moved = at.forced(np.conj(vectors.p))
        speed, size = moved.p, product_size(vectors.p, local.Fp)
    else:
        moved = eigenvalue_slopes(at, vectors)
        size = abs(moved.p)
        turn = np.conj(vectors.value) / abs(vectors.value) if model.kind == "map" else 1.0
        moved = Slopes(np.real(turn * moved.x), float(np.real(turn * moved.p)), np.real(turn * moved.theta))
        speed = moved.p
    if not abs(speed) > NOTHING * size:
        what = "w^T F_p is zero" if point.label == "LP" else "the critical eigenvalue crosses with speed zero"
        msg = f"point: at {point.name} {what}, so that its parameter value has no derivative"
        raise InputError(msg)
    gradient = -np.real(moved.theta) / np.real(speed)
    return tree.build(gradient) if along is None else float(gradient @ along)


def _branch_point(
    point: SpecialPoint, at: FixedPoint, vectors: Critical, tree: ThetaTree, along: Array | None
) -> BranchPointSensitivity | float:
    """Solve the two conditions that a branch point keeps: w^T [F_x, F_p] vanishes along (v, 0) and along (xi, 1)."""
    n, w, v = at.n, vectors.p, vectors.q
    lu = bordered(at.singular, v, v)
    Fp = at.model.dfdp(at.x, point.free, dict(zip(at.model.params, at.values, strict=True)))
    xi = lu.solve(np.append(-Fp, 0.0))[:n]
    bases = [np.append(v, 0.0), np.append(xi, 1.0)]
    second = np.empty((2, 2))
    rows = []
    for i, u in enumerate(bases):
        plain = at.slopes(w, u)
        second[i] = [np.real(plain.x @ z[:n] + plain.p * z[n]) for z in bases]
        a = -lu.solve(np.append(np.real(plain.x), 0.0), trans=1)[:n]
        rows.append(np.real(at.slopes(w, u, a).theta))
    determinant = second[0, 0] * second[1, 1] - second[0, 1] ** 2
    size = abs(second[0, 0] * second[1, 1]) + second[0, 1] ** 2
    if not abs(determinant) > NOTHING * size:
        msg = f"point: the branches at {point.name} are tangent to each other, so that it has no derivative"
        raise InputError(msg)
    shift = (second[0, 1] * rows[0] - second[0, 0] * rows[1]) / determinant
    unfolding = np.real(at.forced(w).theta)
    if along is None:
        length = float(unfolding @ unfolding)
        if length > 0.0:
            shift = shift - (unfolding @ shift) / length * unfolding
        return BranchPointSensitivity(unfolding=tree.build(unfolding), gradient=tree.build(shift))
    split = float(unfolding @ along)
    rounding = NOTHING * product_size(unfolding, along)
    inaccuracy = abs(rows[0] @ along) * max(1.0, float(np.max(np.abs(at.x))))
    inaccuracy += abs(rows[1] @ along) * max(1.0, abs(point.p))
    if abs(split) > rounding + LOCATED * inaccuracy:
        msg = (
            f"direction: it unfolds {point.name} (w^T F_theta direction = {split:.3g}, which must be 0), so that the "
            "branch point breaks up instead of moving; subtract its part along sensitivity(point).unfolding"
        )
        raise InputError(msg)
    return float(shift @ along)
