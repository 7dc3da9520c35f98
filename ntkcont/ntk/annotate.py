"""Attach kernel signatures to a branch afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Model

if TYPE_CHECKING:
    from ntkcont.ntk.evaluator import StateNTK
    from ntkcont.results.branch import Branch


def annotate(branch: Branch, kernel: StateNTK, model: Model | None = None) -> Branch:
    """Return a new branch with the kernel's signatures at every point and special point.

    Parameters
    ----------
    branch : Branch
        From ``continuation`` or ``load``.
    kernel : StateNTK
        What to evaluate.  Scales "relative" are those of the continuation, as if the kernel had been part of it.
    model : Model, optional
        Needed for a loaded branch: the model it was computed from.

    Returns
    -------
    Branch
        The same points, with ``ntk`` set.

    Raises
    ------
    InputError
        No model is known, or it is not the branch's (kind, states, parameters, or not at rest at its points), or the
        branch keeps no states.
    """
    from ntkcont.results.signatures import Signatures

    if not branch.has_states:
        msg = (
            "branch: it keeps no states to evaluate at (store_states='special'); give the kernel to the continuation "
            "itself, ntk=..."
        )
        raise InputError(msg)
    model = model_of(branch, model)
    reference, span = scales_of(branch, model)
    bound = kernel.bind(model, branch.free, dict(branch.params), reference, span)
    arrays = bound.evaluate(branch.x, branch.p, branch.tangent, branch.eigenvalues)
    special = [
        bound.at_special(label=q.label, x=q.x, p=q.p, tangent=q.tangent, omega=q.omega) for q in branch.special_points
    ]
    return branch.with_ntk(Signatures(arrays=arrays, metadata=bound.metadata), special)


def model_of(branch: Branch, model: Model | None) -> Model:
    """Return the model of a branch, checked if it was given; InputError if it is another's or not known."""
    model = model if model is not None else branch.model
    if model is None:
        msg = "model: a loaded branch does not keep its model; give the model it was computed from"
        raise InputError(msg)
    if model.kind != branch.kind or tuple(model.states) != tuple(branch.states) or branch.free not in model.params:
        msg = (
            f"model: {model!r} is not the model of this branch, a {branch.kind} with {len(branch.states)} states and "
            f"free parameter {branch.free!r}"
        )
        raise InputError(msg)
    recorded = branch.provenance.get("model", {}).get("digest")
    if recorded and model.digest and recorded != model.digest:
        msg = "model: it is not the model that this branch was computed with (its equations or weights differ)"
        raise InputError(msg)
    return model


def scales_of(branch: Branch, model: Model) -> tuple[np.ndarray, float]:
    """Return the magnitudes of the states and of the free parameter: those of the continuation, if it is known."""
    d = branch.provenance.get("scales", {}).get("start")
    if d is not None and len(d) == model.n + 1:
        return np.asarray(d[:-1]) / np.sqrt(model.n), float(d[-1])
    reference, span = np.max(np.abs(branch.x), axis=0), float(np.ptp(branch.p))
    return np.full(model.n, reference.max()) if model.homogeneous else reference, span if span > 0 else 1.0
