"""``normal_form(model, point)``: the coefficients of one special point."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Array, Model
from ntkcont.normal_forms.border_collisions import border_collision
from ntkcont.normal_forms.branch_points import branch_point, degenerate_branch_point
from ntkcont.normal_forms.degenerate import (
    AWAY,
    crossing_is_degenerate,
    fold_is_degenerate,
    pitchfork_is_degenerate,
)
from ntkcont.normal_forms.derivatives import Derivatives, Differenced, Traced, calls_back
from ntkcont.normal_forms.flips import flip
from ntkcont.normal_forms.folds import degenerate_fold, fold
from ntkcont.normal_forms.hopf import hopf
from ntkcont.normal_forms.iterates import along_orbit, one_step
from ntkcont.normal_forms.local import Critical, Local, critical
from ntkcont.normal_forms.neimark_sacker import neimark_sacker
from ntkcont.normal_forms.networks import NetworkDerivatives, network_of
from ntkcont.results.special_points import SpecialPoint

MERGING = 1e4  # condition number of a critical eigenvalue above which another one is about to merge with it
UNKNOWN = 0.1  # relative change of a coefficient between two steps above which its sign means nothing
_STEPS = 0.3 * 10.0 ** (-0.25 * np.arange(17))


@dataclasses.dataclass(frozen=True)
class Form:
    """One kind of normal form: its function, its critical eigenvalue, what it needs, its coefficients."""

    coefficients: Callable[[Local, Critical], dict[str, Any]]
    eigenvalue: Callable[[float], complex]
    order: int
    names: tuple[str, ...]


#: Label and kind of model.  A new normal form is one file and one line here.
FORMS: dict[tuple[str, str], Form] = {
    ("LP", "flow"): Form(fold, lambda _: 0.0, 2, ("a",)),
    ("BP", "flow"): Form(branch_point, lambda _: 0.0, 3, ("b20", "b11", "b02", "b30")),
    ("H", "flow"): Form(hopf, lambda omega: 1j * omega, 3, ("re_g21_half",)),
    ("LP", "map"): Form(fold, lambda _: 1.0, 2, ("a",)),
    ("BP", "map"): Form(branch_point, lambda _: 1.0, 3, ("b20", "b11", "b02", "b30")),
    ("PD", "map"): Form(flip, lambda _: -1.0, 3, ("b",)),
    ("NS", "map"): Form(neimark_sacker, lambda theta: complex(np.exp(1j * theta)), 3, ("d",)),
}


def normal_form(model: Model, point: SpecialPoint) -> dict[str, Any]:
    """Return the normal form of a special point: its coefficients, and what they say in words.

    Parameters
    ----------
    model : Model
        The model of the branch.
    point : SpecialPoint
        A special point of it.

    Returns
    -------
    dict of str to float, int, str or ndarray
        By label (formulas, scalings and signs in :mod:`ntkcont.normal_forms`):

        - LP: ``a``, ``drive``, ``opens`` ("right", "left");
        - H: ``l1``, ``re_g21_half``, ``im_g21_half``, ``criticality``, ``omega``, ``crossing``;
        - BP: ``b20, b11, b02, b30``, ``type`` ("transcritical", "pitchfork", "isolated", "degenerate"),
          ``criticality`` of a pitchfork, ``directions`` (2, n+1);
        - PD: ``b``, ``criticality``, ``crossing``;
        - NS: ``d``, ``criticality``, ``theta0``, ``resonance``, ``crossing``;
        - BC: ``type`` ("persistence", "non-smooth fold", "degenerate"), ``unit``, ``name``, ``argument`` ("rises",
          "falls"), and on both sides ``det_*``, ``eigenvalues_*`` and ``n_unstable_*``;
        - NSad: ``k``;  EP, UZ: nothing.

        Also ``type`` and ``kappa``, the condition number of the critical eigenvalue; ``accuracy`` where derivatives
        are differences; ``kernel_dimension`` and ``note`` where the eigenvalue is multiple and nothing else is said;
        ``note`` where ``type`` is "degenerate".

    Raises
    ------
    InputError
        The point belongs to a model of another kind, or with other states or parameters.

    References
    ----------
    Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory* (2004), section 5.4; (5.34) for l1.

    Warns
    -----
    RuntimeWarning
        Near a point of codimension two: the critical eigenvalue is multiple or nearly so (kappa above 1e4), or the
        multipliers are in strong resonance; ``note`` says it too.

    Examples
    --------
    >>> import ntkcont as nc
    >>> cusp = nc.Model.from_equations({"x": "h + x - x**3"}, {"h": -1.0})
    >>> branch = nc.continuation(cusp, [-1.3], free="h", p_span=(-1, 1))
    >>> form = nc.normal_form(cusp, branch.special_points["LP1"])
    >>> round(form["a"], 9), form["drive"], form["opens"]
    (1.732050808, 1.0, 'left')
    """
    check_point(model, point)
    form = _form(model, point)
    if form.get("kappa", 0.0) > MERGING and "note" not in form:
        about = "nearly multiple (condition number kappa"
        form["note"] = (
            f"the critical eigenvalue is {about} = {form['kappa']:.1e}): digits are lost, Bogdanov-Takens near?"
        )
    if "note" in form and form["type"] != "degenerate" and ("kappa" in form or form["type"] == "defective"):
        where = point.name or f"{point.label} at {point.free} = {point.p:.10g}"
        warnings.warn(f"{where}: {form['note']}", RuntimeWarning, stacklevel=2)
    return form


def _form(model: Model, point: SpecialPoint) -> dict[str, Any]:
    if point.label == "NSad":
        return {"type": "neutral saddle", "k": _neutral(point)}
    if point.label == "BC":
        return border_collision(model, point)
    form = FORMS.get((point.label, model.kind))
    if form is None:
        return {}
    once = one_step(model)
    network = network_of(once)
    if network is not None and network.phi == "relu":
        note = "relu is piecewise linear: all second and third derivatives are zero"
        return {"type": "piecewise linear", "note": note}
    at = _At(model, point, form)
    if network is not None:
        return at.evaluate(lambda x: NetworkDerivatives(network, x, at.p, at.dp), 1e-8)
    if calls_back(once):
        return at.by_differences()
    return at.evaluate(lambda x: Traced(once, x, at.p, at.dp, form.order), 1e-8)


def linearised(model: Model, point: SpecialPoint) -> Local:
    """Return the linearisation at a special point, without second and third derivatives."""
    params = {name: point.params[name] for name in model.params}
    A = model.jac(point.x, params)
    return Local(
        A=A,
        Fp=model.dfdp(point.x, point.free, params),
        derivatives=Derivatives(),
        is_map=model.kind == "map",
        value=point.p,
        eigenvalues=np.array(point.eigenvalues),
        multiplicity=point.multiplicity,
        vectors=point.vectors,
        tolerance=0.0,
        change=_change(model, point, A),
    )


def _change(model: Model, point: SpecialPoint, A: Array) -> float:
    """Return how much the Jacobian changes along the branch, extrapolated to the tangent's length; 0 if unknown."""
    step = AWAY * np.array(point.tangent)
    params = {name: point.params[name] for name in model.params}
    sizes = [0.0]
    for sign in (1.0, -1.0):
        beside = {**params, point.free: point.p + sign * float(step[-1])}
        with np.errstate(all="ignore"):  # the equations need not be defined so far away
            size = float(np.linalg.norm(model.jac(point.x + sign * step[:-1], beside) - A)) / AWAY
        sizes += [size] if np.isfinite(size) else []
    return max(sizes)


class _At:
    """The linearisation at one point, which serves all steps of the differences."""

    def __init__(self, model: Model, point: SpecialPoint, form: Form) -> None:
        self.model, self.form = model, form
        self.x, self.tangent = np.array(point.x), np.array(point.tangent)
        self.params = {name: point.params[name] for name in model.params}
        self.p, self.dp = model.line(point.free, point.params)
        self.p = self.p + point.p * self.dp
        self.local = linearised(model, point)
        self.critical = critical(self.local, form.eigenvalue(point.omega or 0.0))

    def evaluate(self, derivatives: Callable[[Any], Derivatives], tolerance: float) -> dict[str, Any]:
        """Return the normal form with the derivatives of one step that are given as a function of the state."""
        if not self.critical.simple:
            return self.critical.refusal()
        derivatives = along_orbit(self.model, self.p, self.dp, derivatives)
        local = dataclasses.replace(self.local, derivatives=derivatives(self.x), tolerance=tolerance)
        found = {**self.form.coefficients(local, self.critical), "kappa": self.critical.kappa}
        arguments = found, self._jacobian, self.x, self.critical, self.tangent
        if found["type"] == "fold" and fold_is_degenerate(*arguments):
            return {**degenerate_fold(found["a"], found["drive"]), "kappa": self.critical.kappa}
        if found["type"] == "pitchfork" and pitchfork_is_degenerate(*arguments):
            return degenerate_branch_point(found)
        if found["type"] == "pitchfork" and crossing_is_degenerate(found, derivatives, *arguments[2:]):
            del found["directions"]  # rounding
            return degenerate_branch_point(found)
        return found

    def _jacobian(self, x: Any) -> Any:
        return self.model.jac(x, self.params)

    def by_differences(self) -> dict[str, Any]:
        """Return the normal form at the step that agrees best with the next smaller one, and how well it does."""
        if not self.critical.simple:
            return self.critical.refusal()
        results: list[dict[str, Any]] = []
        for step in _STEPS:

            def differences(x: Any, step: float = float(step)) -> Derivatives:
                return Differenced(one_step(self.model), x, self.p, self.dp, self.local.value, step)

            with np.errstate(all="ignore"):  # large steps may leave the domain of the equations
                results.append(self.evaluate(differences, 1e-6))
        values = np.array([[result[name] for name in self.form.names] for result in results])
        size = np.maximum(np.abs(values[1:]), 1e-3 * np.max(np.abs(values[1:]), axis=1, keepdims=True))
        with np.errstate(all="ignore"):
            change = np.abs(np.diff(values, axis=0))
            error = np.max(np.where(change == 0.0, 0.0, change / size), axis=1)
        error[~np.isfinite(error)] = np.inf
        best = int(np.argmin(error))
        result = {**results[best], "accuracy": float(error[best])}
        if not error[best] < UNKNOWN and result.get("criticality") in ("supercritical", "subcritical"):
            result["criticality"] = "degenerate"  # zero, as far as differences can tell
        return result


def _neutral(point: SpecialPoint) -> float:
    """Return k of the pair of real eigenvalues with the smallest sum."""
    real = point.eigenvalues.real[np.abs(point.eigenvalues.imag) == 0.0]
    i, j = np.triu_indices(real.size, 1)
    opposite = real[i] * real[j] < 0.0
    i, j = i[opposite], j[opposite]
    if not i.size:
        return float("nan")
    best = int(np.argmin(np.abs(real[i] + real[j])))
    return float(abs(real[i[best]] - real[j[best]])) / 2.0


def check_point(model: Model, point: SpecialPoint) -> None:
    """Raise InputError unless `point` is a special point that may belong to `model`."""
    if not isinstance(point, SpecialPoint):
        msg = f"point: {type(point).__name__} was given; give a special point, branch.special_points['H1']"
        raise InputError(msg)
    if point.kind != model.kind:
        msg = f"point: it belongs to a {point.kind}, the model is a {model.kind}; give the model of its branch"
        raise InputError(msg)
    if point.states != model.states:
        msg = f"point: its states are not those of the model ({model!r}); give the model of its branch"
        raise InputError(msg)
    missing = [name for name in model.params if name not in point.params]
    if missing or point.free not in model.params:
        name = missing[0] if missing else point.free
        msg = f"point: parameter {name!r} is not in both point and model; give the model of the point's branch"
        raise InputError(msg)
