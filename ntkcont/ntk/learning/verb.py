"""``learning_report(kernel, model, targets)``: from a kernel, trials and targets to what learning will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.ntk.channels.directions import critical_directions
from ntkcont.ntk.evaluator import StateNTK
from ntkcont.ntk.learning.ahead import BifurcationsAhead, bifurcations_ahead, check_span
from ntkcont.ntk.learning.modes import ResidualModes, residual_modes
from ntkcont.ntk.learning.report import LearningReport, SlowMode, read_rate
from ntkcont.ntk.trajectory.bound import BoundTrajectoryNTK
from ntkcont.ntk.trajectory.checks import check_any_kept, check_fixed_point
from ntkcont.ntk.trajectory.linearised import Trajectories
from ntkcont.ntk.trajectory.spectra import choose, spectrum
from ntkcont.ntk.trees import ThetaTree
from ntkcont.pathfollowing.settings import ContinuationSettings

Array = NDArray[np.float64]


def learning_report(
    kernel: StateNTK,
    model: Model,
    targets: ArrayLike,
    x: Any = None,
    params: Mapping[str, float] | None = None,
    *,
    lr: float | None = None,
    direction: Any = None,
    span: tuple[float, float] = (-1.0, 1.0),
    slow_below: float = 0.01,
    settings: ContinuationSettings | None = None,
) -> LearningReport:
    r"""Return what a trajectory kernel says about gradient descent towards targets.

    The loss is ``L = 1/2 sum_kt w_kt |y_k(t) - target_k(t)|^2`` over trials k and recorded times t, with the weights of
    the kernel (its `weights` and `loss_mask`) and its readout ``y = C z``, else the states in units of their scale.
    With rows r of the residual and J of the derivative, ``L = |r|^2/2``, the gradient is ``J^T r`` and the kernel
    ``Theta = J J^T``; a step of size lr changes L by ``-lr r^T Theta r + O(lr^2)``, and as long as Theta stays what it
    is, the part of r in its mode with eigenvalue e falls as ``(1 - lr e)^k``.

    Parameters
    ----------
    kernel : StateNTK
        With ``kernel="trajectory"``: initial states, horizon, inputs, readout, weights and mask of the task.  A theta
        scale other than 1 means descent in the scaled parameters: theta moves by ``-lr scale^2 dL/dtheta``.
    model : Model
        Any model with weights or trained parameters.  Which ones take inputs that depend on time says `inputs` of the
        kernel; constant ones are parameters of any model.
    targets : array_like, shape (B, T, m) or (T, m)
        For B trials, T recorded times and m components of the readout (or the n states), in their own units; (T, m) is
        the same for all trials.  Where nothing enters the loss, nan is allowed.
    x : mapping or array_like, shape (n,), optional
        A fixed point: for initial states that depend on it, for the channel, and needed with `direction`.
    params : mapping, optional
        Values that differ from the model's.
    lr : float, optional
        Learning rate of the predictions, default half the critical one, ``1/top``.
    direction : "descent" or pytree like theta, optional
        Follow the fixed point with the weights ``theta + s direction`` to the first bifurcation for s < 0 and s > 0.
        "descent": one gradient step, so that s counts steps, if the gradient stayed what it is.  In a dict of names
        those left out are zero.
    span : (float, float), default (-1, 1)
        The range of s.
    slow_below : float, default 0.01
        Modes with less than this fraction of the largest eigenvalue are called slow.
    settings : ContinuationSettings, optional
        Steps of the continuation along `direction`.

    Returns
    -------
    LearningReport
        With a table as its text, ``predicted_loss(steps)`` and ``to_dict()``.

    Raises
    ------
    InputError
        The kernel is not one of trajectories, targets have the wrong shape or are not finite where they count, all
        trials blew up, or `direction` is not like theta.
    ConvergenceError
        There is no fixed point near `x` to follow along `direction`.

    References
    ----------
    A. Jacot, F. Gabriel, C. Hongler, *Neural Tangent Kernel*, NeurIPS 2018, section 5: the decay in the modes.

    Examples
    --------
    A unit at rest follows its bias, ``z = (1 - 2^{-t}) b``, so that everything is known: the kernel of the one time
    recorded is ``(3/4)^2``.

    >>> import numpy as np
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0]], b=[0.0], alpha=0.5)
    >>> kernel = nc.ntk.StateNTK(kernel="trajectory", theta="b", initial_states=[[0.0]], T=2, record_every=2)
    >>> report = nc.ntk.learning_report(kernel, net, [[1.0]], lr=0.1)
    >>> report.loss, report.gradient["b"], round(report.lr_crit, 6)
    (0.5, array([-0.75]), 3.555556)
    >>> round(report.predicted_loss(1), 9) == round(0.5 * (1 - 0.1 * 0.5625) ** 2, 9)
    True
    """
    bound, found = _trials(kernel, model, x, params)
    rate = None if lr is None else read_rate(lr)
    below = _fraction(slow_below)
    span = check_span(span)
    tree = ThetaTree(kernel.theta, model, bound.theta)
    scale = bound.packing.scale
    if direction is not None and found.x is None:
        msg = "x: not given, but direction asks how far a fixed point is from its bifurcations; give the fixed point"
        raise InputError(msg)
    descent = isinstance(direction, str) and direction == "descent"
    if isinstance(direction, str) and not descent:
        msg = f"direction: {direction!r} is unknown; it may be 'descent' or a pytree like theta"
        raise InputError(msg)
    given = None if direction is None or descent else tree.flatten(direction, "direction")
    if given is not None and not given.any():
        msg = "direction: it is zero everywhere; give a pytree like theta that moves something"
        raise InputError(msg)

    residual, rows = _residual(found, targets)
    loss = 0.5 * float(rows @ rows)
    gradient = found.vjp(rows)
    moved = found.jvp(gradient)
    way = choose(kernel.method, found)
    result = spectrum(found, way, int(kernel.k), float(kernel.rtol))
    top = float(np.atleast_1d(result.signatures["eigenvalues"])[0])
    lr_crit = 2.0 / top if top > 0 else float("nan")
    rate = lr_crit / 2.0 if rate is None else rate
    modes = residual_modes(found, result, rows)
    nan = float("nan")
    square = float(gradient @ gradient)
    values = np.array(list(found.params.values()))

    ahead: BifurcationsAhead | None = None
    step = -rate * scale * gradient if descent else given
    if step is not None and found.x is not None and np.all(np.isfinite(step)) and step.any():
        ahead = bifurcations_ahead(model, bound.packing, values, found.x, step, span, settings)
    in_channel = nan
    if found.x is not None and square > 0:
        critical = critical_directions(model, bound.theta, found.x, values, scale)
        if critical is not None:
            in_channel = float(np.sum((critical.basis.T @ gradient) ** 2)) / square
    return LearningReport(
        loss=loss,
        lr=rate,
        lr_crit=lr_crit,
        gradient=tree.build(gradient / scale),
        gradient_norm=float(np.sqrt(square)),
        change=-rate * square,
        change_second_order=-rate * square + 0.5 * rate**2 * float(moved @ moved),
        eigenvalues=modes.eigenvalues,
        shares=modes.parts / (2.0 * loss) if loss > 0 else np.full(len(modes.parts), nan),
        unreachable=modes.unreachable / (2.0 * loss) if loss > 0 else nan,
        top_share=modes.top_part / (2.0 * loss) if loss > 0 else nan,
        slow_below=below,
        slow=_slow(found, tree, modes, below * top, rate, loss, int(kernel.k)) if loss > 0 else (),
        gradient_in_channel=in_channel,
        ahead=ahead,
        residual=residual,
        exact=modes.exact,
        method=f"{way.method}: {way.why}",
    )


def _trials(
    kernel: Any, model: Any, x: Any, params: Mapping[str, float] | None
) -> tuple[BoundTrajectoryNTK, Trajectories]:
    """Return the bound kernel and its trials, of which at least one did not blow up."""
    if not isinstance(kernel, StateNTK) or kernel.kernel != "trajectory":
        what = f"kernel={kernel.kernel!r}" if isinstance(kernel, StateNTK) else type(kernel).__name__
        msg = f"kernel: {what} was given; a loss belongs to trajectories, so give StateNTK(kernel='trajectory', ...)"
        raise InputError(msg)
    if not isinstance(model, Model):
        msg = f"model: {type(model).__name__} was given; give a Model, such as nc.RateRNN(...)"
        raise InputError(msg)
    point = None if x is None else model.state_vector(x, "x")
    values = model.values(params)
    bound = kernel.bind_at(model, None, None if point is None else point[None], values[None])
    assert isinstance(bound, BoundTrajectoryNTK)
    found = bound.at(point, values, kernel.method)
    check_any_kept(found, "loss")
    if point is not None:
        check_fixed_point(model, point, found.params)
    return bound, found


def _residual(found: Trajectories, targets: Any) -> tuple[Array, Array]:
    """Return outputs less targets (B, T, m), and the same as rows (B T m,) with the roots of the weights."""
    B, T, m = found.shape
    what = "states" if found.readout is None else "components of the readout"
    try:
        wanted = np.array(targets, dtype=float)
    except (TypeError, ValueError):
        wanted = np.zeros(0)
    if wanted.shape not in ((B, T, m), (T, m)):
        msg = (
            f"targets: shape {np.shape(wanted)} was given; give ({B}, {T}, {m}): trials, recorded times, {what}; "
            f"or ({T}, {m}), the same for all trials"
        )
        raise InputError(msg)
    counts = np.broadcast_to(found.weights[:, :, None] > 0, (B, T, m))
    wanted = np.broadcast_to(wanted, (B, T, m))
    bad = np.argwhere(counts & ~np.isfinite(wanted))
    if len(bad):
        trial, time, _ = bad[0]
        msg = (
            f"targets: trial {trial} at recorded time {time} is not finite, though it enters the loss; give a number, "
            "or leave it out with the loss_mask of the kernel"
        )
        raise InputError(msg)
    outputs = found.states if found.readout is None else found.states @ found.readout.T
    residual = np.where(counts, outputs - np.where(counts, wanted, 0.0), np.nan)
    unit = found.state_scale if found.readout is None else np.ones(m)
    rows = np.where(counts, np.sqrt(found.weights)[:, :, None] * residual / unit, 0.0)
    return residual, rows.reshape(-1)


def _slow(
    found: Trajectories, tree: ThetaTree, modes: ResidualModes, below: float, lr: float, loss: float, count: int
) -> tuple[SlowMode, ...]:
    """Return the slow modes that hold most of the loss."""
    chosen = np.flatnonzero(modes.eigenvalues < below)
    chosen = chosen[np.argsort(-modes.parts[chosen], kind="stable")][:count]
    if not len(chosen):
        return ()
    directions = found.vjp(-modes.vectors[:, chosen] * np.sign(modes.along[chosen]))
    return tuple(
        SlowMode(
            eigenvalue=float(modes.eigenvalues[i]),
            share=float(modes.parts[i]) / (2.0 * loss),
            steps=1.0 / (2.0 * lr * float(modes.eigenvalues[i])),
            direction=tree.build(found.packing.scale * column / np.linalg.norm(column)),
        )
        for i, column in zip(chosen, directions.T, strict=True)
    )


def _fraction(value: Any) -> float:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (number and 0.0 < value <= 1.0):
        msg = f"slow_below: {value!r} was given; it must be a fraction of the largest eigenvalue, in (0, 1]"
        raise InputError(msg)
    return float(value)
