"""The learning report: numbers about the next steps of gradient descent, as a table and as a dict."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.ntk.learning.ahead import BifurcationsAhead

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SlowMode:
    """A mode of the kernel that gradient descent hardly moves, and that holds part of the loss.

    Attributes
    ----------
    eigenvalue : float
        Of the kernel.
    share : float
        Part of the loss that is in this mode.
    steps : float
        Number of gradient steps in which its loss falls by a factor e, ``1/(2 lr eigenvalue)``.
    direction : pytree like theta
        The step in theta that reduces it, ``J^T u``, of length 1 in units of the theta scale.
    """

    eigenvalue: float
    share: float
    steps: float
    direction: Any


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LearningReport:
    r"""What the kernel of trajectories says about gradient descent on ``L = 1/2 sum_kt w_kt |y_k(t) - target_k(t)|^2``.

    Attributes
    ----------
    loss : float
        L now.
    lr : float
        The learning rate that the predictions are for.
    lr_crit : float
        ``2/top``, beyond which plain gradient descent grows along the first mode; nan for a kernel that is zero.
    gradient : pytree like theta
        ``dL/dtheta``.
    gradient_norm : float
        Its norm, with theta in units of its scale.
    change : float
        Predicted change of the loss in the next step, first order: ``-lr |gradient|^2``.
    change_second_order : float
        The same with the curvature of the kernel (Gauss-Newton): ``+ lr^2/2 |J gradient|^2``.  The rest of the
        curvature, in proportion to the residual, is not in it.
    eigenvalues, shares : ndarray, shape (q,)
        Positive eigenvalues of the kernel, descending, and the part of the loss in each mode.
    unreachable : float
        Part of the loss that no change of theta moves, to first order.
    top_share : float
        Part of the loss in the first mode of the kernel.
    slow_below : float
        Modes are slow below this fraction of the largest eigenvalue.
    slow : tuple of SlowMode
        Those that hold most of the loss, first; at most k of the kernel.
    gradient_in_channel : float
        Part of ``|gradient|^2`` along the critical directions of the fixed point; nan if none was given, or where its
        critical eigenvalue is multiple.
    ahead : BifurcationsAhead or None
        The first bifurcations along the direction asked for.
    residual : ndarray, shape (B, T, m)
        ``y - target``; nan where nothing enters the loss.
    exact : bool
        Whether `eigenvalues` are all of the kernel; otherwise they are those of a Lanczos iteration from the residual.
    method : str
        How the kernel was computed, with the sizes.
    """

    loss: float
    lr: float
    lr_crit: float
    gradient: Any
    gradient_norm: float
    change: float
    change_second_order: float
    eigenvalues: Array
    shares: Array
    unreachable: float
    top_share: float
    slow_below: float
    slow: tuple[SlowMode, ...]
    gradient_in_channel: float
    ahead: BifurcationsAhead | None
    residual: Array
    exact: bool
    method: str

    @property
    def slow_share(self) -> float:
        """Part of the loss in all slow modes, those listed and the others."""
        if not len(self.eigenvalues):
            return 0.0
        return float(np.sum(self.shares[self.eigenvalues < self.slow_below * self.eigenvalues[0]]))

    def predicted_loss(self, steps: ArrayLike, *, lr: float | None = None, continuous: bool = False) -> Any:
        r"""Return the loss after some steps of gradient descent, if the kernel stayed what it is.

        Parameters
        ----------
        steps : array_like of float
            Numbers of steps; real ones with `continuous`.
        lr : float, optional
            Learning rate, default that of the report.
        continuous : bool, default False
            Small steps: ``sum_i l_i exp(-2 lr e_i k)`` in place of ``sum_i l_i (1 - lr e_i)^{2k}``, with l_i the part
            of the loss in mode i.

        Returns
        -------
        float or ndarray
            In the shape of `steps`.

        Raises
        ------
        InputError
            A number of steps is negative or no number, or not whole without `continuous`.
        """
        k = np.asarray(steps, dtype=float)
        if not np.all(np.isfinite(k) & (k >= 0)) or not (continuous or np.all(k == np.round(k))):
            what = "numbers that are not negative" if continuous else "whole numbers that are not negative"
            msg = f"steps: {steps!r} was given; give {what}{'' if continuous else ', or continuous=True'}"
            raise InputError(msg)
        rate = self.lr if lr is None else read_rate(lr)
        if not self.loss > 0:
            return 0.0 * k if k.ndim else 0.0
        x = rate * self.eigenvalues
        with np.errstate(over="ignore", invalid="ignore"):  # beyond the critical rate the first modes grow
            factors = np.exp(-2.0 * x * k[..., None]) if continuous else (1.0 - x) ** (2.0 * k[..., None])
            parts = np.where(self.shares > 0.0, factors * self.shares, 0.0)
        found = self.loss * (self.unreachable + parts.sum(axis=-1))
        return float(found) if found.ndim == 0 else found

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and texts, for JSON; pytrees and arrays over trials are left out."""
        ahead: dict[str, Any] | None = None
        if self.ahead is not None:
            ahead = {
                name: None if point is None else {"label": point.label, "s": float(point.p)}
                for name, point in (("before", self.ahead.before), ("after", self.ahead.after))
            }
            ahead["reached"] = list(self.ahead.reached)
        plain = (
            "loss", "lr", "lr_crit", "gradient_norm", "change", "change_second_order", "unreachable", "top_share",
            "slow_below", "slow_share", "gradient_in_channel", "exact", "method",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "eigenvalues": self.eigenvalues.tolist(),
            "shares": self.shares.tolist(),
            "slow": [{"eigenvalue": m.eigenvalue, "share": m.share, "steps": m.steps} for m in self.slow],
            "ahead": ahead,
        }

    def __repr__(self) -> str:
        top = self.eigenvalues[0] if len(self.eigenvalues) else 0.0
        lines = [
            ("loss", f"{self.loss:.6g}"),
            ("learning rate", f"{self.lr:.4g}, critical {self.lr_crit:.4g}"),
            ("next step", f"{self.change:+.4g} first order, {self.change_second_order:+.4g} second order"),
            ("loss after 10, 100, 1000 steps", ", ".join(f"{v:.4g}" for v in self.predicted_loss([10, 100, 1000]))),
            ("first mode", f"eigenvalue {top:.4g}, {_percent(self.top_share)} of the loss"),
            (f"slow modes (< {self.slow_below:g} of it)", f"{_percent(self.slow_share)} of the loss"),
            ("out of reach", f"{_percent(self.unreachable)} of the loss"),
        ]
        if np.isfinite(self.gradient_in_channel):
            lines.append(("gradient in the channel", _percent(self.gradient_in_channel)))
        if self.ahead is not None:
            lines += [(f"bifurcation {name}", where) for name, where in self.ahead.sides.items()]
        width = max(len(name) for name, _ in lines)
        text = [f"{name:<{width}}  {value}" for name, value in lines]
        if self.slow:
            text.append(f"{'slow modes:':<{width}}  {'eigenvalue':>12}  {'share':>8}  {'steps':>10}")
            text += [
                f"{'':<{width}}  {m.eigenvalue:>12.4g}  {_percent(m.share):>8}  {m.steps:>10.4g}" for m in self.slow
            ]
        return "\n".join(["<LearningReport", *(f"  {line}" for line in text), ">"])


def _percent(value: float) -> str:
    return f"{100.0 * (0.0 if abs(value) < 1e-12 else value):.3g} %"  # what is less is rounding


def read_rate(lr: Any) -> float:
    """Return a learning rate, or raise InputError."""
    number = isinstance(lr, (int, float, np.integer, np.floating)) and not isinstance(lr, bool)
    if not (number and np.isfinite(lr) and lr > 0):
        msg = f"lr: {lr!r} was given; it must be a positive number"
        raise InputError(msg)
    return float(lr)
