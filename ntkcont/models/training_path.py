"""A training run as a model: its parameter s runs through the weights of the checkpoints."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import unknown_name
from ntkcont.jax_tools import configured_jax
from ntkcont.models import weight_paths
from ntkcont.models.checkpoint_models import read_checkpoints
from ntkcont.models.model import Array, Model

INTERPOLATIONS = ("linear", "cubic")


@dataclasses.dataclass(frozen=True, init=False, kw_only=True, eq=False, repr=False)
class TrainingPath(Model):
    r"""The checkpoints of a training run as one model, with a parameter ``s`` that runs through their weights.

    At ``s = steps[k]`` it is the model of checkpoint k; in between, every number of its weights is interpolated.  It
    serves wherever a model does: ``nc.continuation(path, x0, free="s", p_span=(0, 500))`` follows a fixed point along
    the training run, ``nc.find_fixed_points(path, ..., params={"s": 250})`` searches at a step,
    ``nc.follow_training(path, ...)`` does both for the whole run.

    Parameters
    ----------
    checkpoints : sequence of pytrees
        The weights at increasing training steps: dicts of arrays or tensors, or any pytree, of the same structure and
        shapes.
    build : callable
        ``build(weights) -> Model`` makes the model of one checkpoint, such as ``lambda w: nc.RateRNN(w["W"])``.  The
        models have the same states and parameters and differ in ``theta`` only.
    steps : array_like, shape (K,), optional
        Training steps of the checkpoints, in which s is measured; default those that `nc.load_checkpoints` read, else
        0, 1, 2, ....
    interpolation : {"linear", "cubic"}
        Straight lines between the checkpoints, or monotone cubics through them (Fritsch and Carlson), which are smooth
        and stay, like the lines, between the values of neighbouring checkpoints.  Default "linear".

    Attributes
    ----------
    steps : ndarray, shape (K,)
        Training steps of the checkpoints.
    models : tuple of Model
        What `build` made of each checkpoint.
    interpolation : str
        "linear" or "cubic".
    curve : WeightCurve
        What all numbers of the weights have changed since the first checkpoint, as functions of s.

    Raises
    ------
    InputError
        There are fewer than two checkpoints, their shapes differ (with the leaf and the checkpoint), `build` fails or
        what it builds differs in more than its weights, or `steps` do not increase.

    Notes
    -----
    A linear path has a kink at each checkpoint.  The Jacobian is continuous there and only the derivative in s jumps:
    a branch goes on with another slope, at a corner, and neither its eigenvalues nor its stability change.  The
    continuation follows it piece by piece and lands on each checkpoint, so that every branch of a linear path has
    points exactly there.

    The weights are those in ``theta``; of networks with signs (Dale's law) it is the effective weights that are
    interpolated.  Beyond the first and the last checkpoint the first and the last piece go on.  The kernel of the
    trained parameters at s is that of the weights at s.  ``branch["s"]`` is the training step, ``branch.s`` the
    arclength.

    References
    ----------
    F. N. Fritsch, R. E. Carlson, Monotone piecewise cubic interpolation, SIAM J. Numer. Anal. 17 (1980) 238-246.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> checkpoints = [{"W": np.array([[w]])} for w in (0.5, 0.8, 1.5)]
    >>> path = nc.TrainingPath(checkpoints, lambda weights: nc.RateRNN(weights["W"]), steps=[0, 100, 200])
    >>> path.jac([0.0], {"s": 150})
    array([[0.15]])
    >>> branch = nc.continuation(path, [0.0], free="s", p_span=(0, 200))
    >>> round(branch.special_points["BP1"].p, 6)  # W = 1
    128.571429
    """

    steps: Array
    models: tuple[Model, ...]
    interpolation: Literal["linear", "cubic"]
    curve: weight_paths.WeightCurve

    def __init__(
        self,
        checkpoints: Sequence[Any],
        build: Callable[[Any], Model],
        steps: ArrayLike | None = None,
        interpolation: Literal["linear", "cubic"] = "linear",
    ) -> None:
        if interpolation not in INTERPOLATIONS:
            raise unknown_name(argument="interpolation", got=interpolation, allowed=INTERPOLATIONS)
        models, times = read_checkpoints(checkpoints, build, steps)
        first = models[0]
        thetas = [weight_paths.weights_of(model) for model in models]
        curve = weight_paths.WeightCurve.through(times, thetas, interpolation)
        parts = weight_paths.parts(first, curve)
        own = {"steps": times, "models": models, "interpolation": interpolation, "curve": curve}
        for name, value in own.items():
            object.__setattr__(self, name, value)
        digest = hashlib.sha256(repr((first.digest, interpolation, times.tolist())).encode())
        for leaf in (*curve.values, *curve.first):
            digest.update(np.ascontiguousarray(leaf).tobytes())
        super().__init__(
            kind=first.kind,
            states=first.states,
            params={**first.params, "s": float(times[0])},
            build=parts.build,
            jax_function=parts.jax_function,
            constants=parts.constants,
            theta=thetas[0],
            input_size=first.input_size,
            homogeneous=first.homogeneous,
            state_bound=first.state_bound,
            description=(
                f"training path through {len(times)} checkpoints from step {times[0]:g} to {times[-1]:g}, "
                f"{interpolation} between them\n{first.description}"
            ),
            digest=digest.hexdigest(),
            switching=parts.switching,
        )

    def weights(self, s: float) -> Any:
        """Return the weights at the training step s: a pytree like ``theta`` of the models, of numpy arrays."""
        leaves = iter(self.curve.at(float(s)))
        tree = configured_jax().tree_util

        def read(leaf: Any) -> Any:
            return np.asarray(leaf) + next(leaves) if np.asarray(leaf).dtype.kind == "f" else leaf

        return tree.tree_map(read, self.theta)

    @property
    def span(self) -> tuple[float, float]:
        """First and last training step: what `p_span` is for the whole run."""
        return float(self.steps[0]), float(self.steps[-1])
