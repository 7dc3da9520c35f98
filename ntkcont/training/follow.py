"""The verb ``follow_training``: search at every checkpoint, follow what was found, list births and deaths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.dynamics.fixed_points import find_fixed_points
from ntkcont.dynamics.point_sets import FixedPoints
from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Array
from ntkcont.models.training_path import TrainingPath
from ntkcont.pathfollowing.diagrams import diagram
from ntkcont.pathfollowing.protocols import KernelEvaluator
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.results.diagram import Diagram
from ntkcont.results.training_record import TrainingRecord
from ntkcont.training.events import events_of

#: Random starts of each size, where none are given.
_RANDOM = 32
_SIZES = (0.3, 1.0, 3.0)


def follow_training(
    path: TrainingPath,
    starts: Any = None,
    *,
    box: Any = None,
    conditions: Sequence[Mapping[str, float]] | None = None,
    ntk: KernelEvaluator | None = None,
    settings: ContinuationSettings | None = None,
    depth: int = 3,
    deflate: bool = False,
    seed: int = 0,
) -> TrainingRecord:
    """Follow all fixed points through a training run; list the births and deaths of attractors.

    At every checkpoint fixed points are searched anew, so that those which are not connected to earlier ones are found
    as well.  Each is followed in the training step, in both directions to the ends of the run, through folds and
    branch points; one that lies on a branch already known is not followed again.

    Parameters
    ----------
    path : TrainingPath
        The checkpoints as a model.
    starts : array_like, shape (m, n) or (K, m, n), or sequence of K arrays (m_k, n), optional
        Starting states of the searches, the same at all K checkpoints or some for each, such as states of the
        network's own trials.  The fixed points of the checkpoint before are tried in any case.
        Default: 96 random states of three sizes (0.3, 1, 3 per unit).
    box : optional
        Instead of `starts`, a box to search, as in :func:`find_fixed_points`.
    conditions : sequence of mapping, optional
        Values of parameters, such as ``[{"stim": 0}, {"stim": 1}]``; the run is followed under each.  Default: once,
        with the model's own values.
    ntk : evaluator, optional
        Such as ``nc.ntk.StateNTK(theta="W")``: kernel signatures at all points of all branches.
    settings, depth : optional
        As in :func:`diagram`.
    deflate : bool
        Search on with the known points divided out, as in :func:`find_fixed_points`.  Default False.
    seed : int
        Of the random starts and of the search in a box, default 0.

    Returns
    -------
    TrainingRecord
        Its diagrams hold the branches, its events the births and deaths, each with type, step and bracket.  After
        Ctrl-C it holds the conditions completed by then, and its notes say so.

    Raises
    ------
    InputError
        If an argument is not what it may be, or no fixed point is found at any checkpoint.

    Notes
    -----
    What is born and dies between two neighbouring checkpoints without being connected to any other branch is not seen.
    Attractors are stable fixed points; cycles that branch off at Hopf or Neimark-Sacker points are not followed.

    Examples
    --------
    A unit whose bias switches sign: two states coexist between two folds.

    >>> import numpy as np
    >>> import ntkcont as nc
    >>> weights = [{"W": np.array([[1.5]]), "b": np.array([b])} for b in (-0.5, 0.0, 0.5)]
    >>> path = nc.TrainingPath(weights, lambda w: nc.RateRNN(w["W"], b=w["b"]), steps=[0, 500, 1000])
    >>> record = nc.follow_training(path, box=(-4, 4))
    >>> [(event.type, round(event.s, 1), event.change) for event in record.events]
    [('fold', 292.5, 'birth of an attractor'), ('fold', 707.5, 'death of an attractor')]
    """
    if not isinstance(path, TrainingPath):
        msg = f"path: got {type(path).__name__}; give nc.TrainingPath(checkpoints, build)"
        raise InputError(msg)
    if starts is not None and box is not None:
        msg = "starts, box: both were given; give starting states or a box to search"
        raise InputError(msg)
    held = _conditions(path, conditions)
    each = None if box is not None else _starts(path, starts, seed)
    diagrams: list[Diagram] = []
    counts: list[list[tuple[int, int]]] = []
    for number, condition in enumerate(held):
        try:
            found = _searches(path, condition, each, box, seed, deflate)
            listed = [points for points in found if len(points)]
            if not listed:
                msg = (
                    f"{'starts' if box is None else 'box'}: no fixed point was found at any checkpoint under "
                    f"conditions[{number}]; give states near which the network settles, or a larger box"
                )
                raise InputError(msg)
            branches = diagram(
                path, listed, free="s", p_span=path.span, depth=depth, params=condition, settings=settings, ntk=ntk
            )
        except KeyboardInterrupt:
            if not diagrams:
                raise
            break  # the conditions before this one are complete
        diagrams.append(branches)
        counts.append([(len(points), int(np.sum(points.stable))) for points in found])
    events = [event for c, each in enumerate(diagrams) for event in events_of(each, path.steps, c)]
    return TrainingRecord(
        steps=path.steps,
        interpolation=path.interpolation,
        conditions=held[: len(diagrams)],
        diagrams=tuple(diagrams),
        events=tuple(sorted(events, key=lambda event: (event.s, event.condition))),
        found=np.array(counts),
        provenance={
            "seed": seed,
            "deflate": deflate,
            "depth": depth,
            "box": box is not None,
            "left": held[len(diagrams) :],
        },
    )


def _conditions(path: TrainingPath, conditions: Any) -> tuple[dict[str, float], ...]:
    if conditions is None:
        return ({},)
    if isinstance(conditions, Mapping | str) or not isinstance(conditions, Sequence) or not conditions:
        msg = f"conditions: got {conditions!r}; give a list of mappings, such as [{{'stim': 0}}, {{'stim': 1}}]"
        raise InputError(msg)
    allowed = [name for name in path.params if name != "s"]
    held = []
    for i, condition in enumerate(conditions):
        if not isinstance(condition, Mapping):
            msg = f"conditions[{i}]: got {condition!r}; it must map names of parameters to numbers"
            raise InputError(msg)
        for name in condition:
            if name not in allowed:
                raise unknown_name(argument=f"conditions[{i}]", got=name, allowed=allowed)
        path.values(condition)  # raises unless they are numbers
        held.append({name: float(value) for name, value in condition.items()})
    return tuple(held)


def _starts(path: TrainingPath, starts: Any, seed: int) -> list[Array]:
    """Return the starting states of each checkpoint."""
    count = len(path.steps)
    if starts is None:
        rng = np.random.default_rng(seed)
        random = np.concatenate([size * rng.standard_normal((_RANDOM, path.n)) for size in _SIZES])
        return [random] * count
    what = f"give states of shape (m, {path.n}), or such an array for each of the {count} checkpoints"
    own = isinstance(starts, list | tuple) and len(starts) == count and all(np.ndim(each) == 2 for each in starts)
    try:
        arrays = [np.asarray(each, dtype=float) for each in starts] if own else np.asarray(starts, dtype=float)
    except (TypeError, ValueError):
        msg = f"starts: {type(starts).__name__} is not an array of numbers; {what}"
        raise InputError(msg) from None
    if isinstance(arrays, np.ndarray):
        each_own = arrays.ndim == 3 and len(arrays) == count
        arrays = list(arrays) if each_own else [np.atleast_2d(arrays)] * count
    for each in arrays:
        if each.ndim != 2 or each.shape[1] != path.n or not len(each) or not np.all(np.isfinite(each)):
            msg = f"starts: shape {each.shape} was given, or a number is not finite; {what}"
            raise InputError(msg)
    return arrays


def _searches(
    path: TrainingPath, condition: Mapping[str, float], starts: list[Array] | None, box: Any, seed: int, deflate: bool
) -> list[FixedPoints]:
    """Return the fixed points at each checkpoint; those of the one before are among the starts."""
    found: list[FixedPoints] = []
    for k, step in enumerate(path.steps):
        params = {**condition, "s": float(step)}
        if starts is None:
            found.append(find_fixed_points(path, box=box, params=params, seed=seed, deflate=deflate))
            continue
        xs = starts[k] if not found or not len(found[-1]) else np.concatenate([starts[k], found[-1].x])
        found.append(find_fixed_points(path, starts=xs, params=params, deflate=deflate))
    return found
