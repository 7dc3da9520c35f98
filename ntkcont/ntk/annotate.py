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
        What to evaluate.  With scales "relative", states are divided by their largest magnitude on the branch, and the
        free parameter by the range that the branch covers.
    model : Model, optional
        Needed for a loaded branch: the model it was computed from.

    Returns
    -------
    Branch
        The same points, with ``ntk`` set.

    Raises
    ------
    InputError
        No model is known, or it is not the branch's (kind, states, parameters, or not at rest at its points).
    """
    from ntkcont.results.signatures import Signatures

    model = model if model is not None else branch.model
    if model is None:
        msg = "model: a loaded branch does not keep its model; give the model it was computed from"
        raise InputError(msg)
    if model.kind != branch.kind or tuple(model.states) != tuple(branch.states) or branch.free not in model.params:
        msg = f"model: {model!r} is not the model of this branch ({branch.kind} with {len(branch.states)} states, free {branch.free!r})"
        raise InputError(msg)
    reference, span = np.max(np.abs(branch.x), axis=0), float(np.ptp(branch.p))
    settings = branch.provenance.get("scales", {}) if isinstance(branch.provenance.get("scales", {}), dict) else {}
    reference = np.asarray(settings.get("state_scale", reference), dtype=float)
    span = float(settings.get("param_scale", span if span > 0 else 1.0))
    if model.homogeneous:
        reference = np.full(model.n, reference.max())
    bound = kernel.bind(model, branch.free, dict(branch.params), reference, span)
    arrays = bound.evaluate(branch.x, branch.p, branch.tangent, branch.eigenvalues)
    special = [
        bound.at_special(label=q.label, x=q.x, p=q.p, tangent=q.tangent, omega=q.omega) for q in branch.special_points
    ]
    return branch.with_ntk(Signatures(arrays=arrays, metadata=bound.metadata), special)
