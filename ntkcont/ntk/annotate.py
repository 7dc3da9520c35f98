"""Attach kernel signatures to a branch afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.pathfollowing.afterwards import on_branch

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
        What to evaluate.  The result is that of a continuation with the kernel as a part of it, also with scales
        "relative".
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
    if not branch.has_states:
        msg = (
            "branch: it keeps no states to evaluate at (store_states='special'); give the kernel to the continuation "
            "itself, ntk=..."
        )
        raise InputError(msg)
    return on_branch(branch, kernel.bind(model_of(branch, model), branch.free, dict(branch.params)))


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
