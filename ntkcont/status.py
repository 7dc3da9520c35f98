"""How a continuation ended: an enumeration whose values say what happened and what to do."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """Outcome of a continuation in one direction; the value is the message for the user."""

    START = "this end is the start of the continuation"
    BOUND = "reached the end of p_span"
    CLOSED = "the branch returned to its start (closed branch)"
    EVENT = "stopped at the requested special point"
    CALLBACK = "stopped by the stop function"
    MAX_STEPS = "stopped after max_steps; raise ContinuationSettings.max_steps to go on"
    MIN_STEP = (
        "the corrector failed at ds_min; check the derivatives with model.check(x), lower ds_min, or, with units very "
        "far from 1, start where the states are not zero: their sizes there set the scales"
    )
    UNBOUNDED = "the states grow without bound while the parameter stands still: the branch goes to infinity there"
    POLE = "the equations have a pole there: a rate goes to infinity, and nothing can be said beyond it"
    UNFOLDED = "the branch point does not persist beyond there: the parameters break what kept the branches together"
    NOT_FINITE = "the right-hand side or its Jacobian returned nan or inf; the branch up to there is kept"
    RHS_ERROR = "the right-hand side raised an exception; the branch up to there is kept"
    CALLBACK_ERROR = "a stop function, monitor or user zero raised an exception; the branch up to there is kept"
    INTERRUPTED = "interrupted by the user; the branch up to there is kept"

    @property
    def ok(self) -> bool:
        """Whether the branch ended for a reason that needs no action."""
        return self in {Status.START, Status.BOUND, Status.CLOSED, Status.EVENT, Status.CALLBACK}
