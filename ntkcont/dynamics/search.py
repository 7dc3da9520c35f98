"""The search for zeros of F from batches of starts, and the merging of what they lead to."""

from __future__ import annotations

import contextlib

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from ntkcont.dynamics.totals import Totals
from ntkcont.kernels.fixed_points import BAD_VALUES, FIXED, STALLED, solve_many
from ntkcont.kernels.lapack import addresses
from ntkcont.models.model import Array, Model

_BATCH = 64  # starts per call: between calls the user can interrupt
_LIMIT = 1e4  # a search that gets this far, in units of the scale, is given up
_MAX_ITER = 200


class Search:
    """Zeros of F (flows: the right-hand side; maps: G(x) - x) found so far.

    ``points``, ``index`` and ``hits`` are lists with one entry per point; ``stalled`` holds (state, index) of the
    starts that ended where the residual has a local minimum.  Distances are relative to `scale`, shape (n,).
    Of a model with conserved quantities every search keeps the totals of its start.
    """

    def __init__(
        self,
        model: Model,
        values: Array,
        scale: Array,
        *,
        tol: float,
        unique: float,
        box: tuple[Array, Array] | None = None,
        totals: Totals | None = None,
    ) -> None:
        self.model, self.scale, self.tol, self.unique = model, scale, tol, unique
        compiled = model.compiled_parameters(values)
        self.p = np.concatenate([compiled, np.zeros_like(compiled)])
        bound = np.inf if model.state_bound is None else model.state_bound
        low, high = (-np.inf, np.inf) if box is None else box
        self.low = np.maximum(np.broadcast_to(low, model.n), -bound)
        self.high = np.minimum(np.broadcast_to(high, model.n), bound)
        self.totals = Totals.none(model.n) if totals is None else totals
        self.points: list[Array] = []
        self.index: list[int] = []
        self.hits: list[int] = []
        self.stalled: list[tuple[Array, int]] = []
        self.n_starts = self.n_fixed = self.n_undefined = 0

    # ---------------------------------------------------------------- F

    def f(self, x: Array) -> Array:
        """Return F(x), shape (n,)."""
        out = np.empty(self.model.n)
        self.model.compiled.rhs(out, np.ascontiguousarray(x), self.p, self.model.constants)
        return out - x if self.model.kind == "map" else out

    def jac(self, x: Array) -> Array:
        """Return the Jacobian of the right-hand side, shape (n, n): for maps DG, whose eigenvalues are multipliers."""
        out = np.empty((self.model.n, self.model.n))
        self.model.compiled.jac(out, np.ascontiguousarray(x), self.p, self.model.constants)
        return out

    def speed(self, x: Array) -> float:
        """Return the Euclidean norm of F."""
        return float(np.linalg.norm(self.f(x)))

    # ---------------------------------------------------------------- the search

    def run(self, starts: Array) -> None:
        """Search from every row of `starts`."""
        one_thread = threadpoolctl.threadpool_limits(1, "blas") if self.model.n < 200 else contextlib.nullcontext()
        with one_thread:
            for begin in range(0, len(starts), _BATCH):
                xs = np.array(starts[begin : begin + _BATCH], order="C")
                outcomes = self._solve(xs, self.totals.of(xs))
                for x, outcome in zip(xs, outcomes, strict=True):
                    self._take(x, int(outcome))
                    self.n_starts += 1

    def refine(self, x: Array, index: int, like: Array | None = None) -> Array | None:
        """Return the fixed point that Newton's method reaches from `x`, None if none; a new one joins the points.

        It has the totals of the state `like` (default: of x).
        """
        xs = np.array(x, order="C")[None]
        if self._solve(xs, self.totals.of(xs if like is None else like[None]))[0] != FIXED:
            return None
        if self.inside(xs[0]):
            self._add(xs[0], index)
        return xs[0]

    def _solve(self, xs: Array, totals: Array) -> NDArray[np.int64]:
        rhs, jac, _ = self.model.compiled
        outcomes = np.empty(len(xs), dtype=np.int64)
        solve_many(
            rhs, jac, self.p, self.model.constants, self.model.kind == "map", addresses(), self.scale,
            np.sqrt(self.model.n), _LIMIT, self.tol, _MAX_ITER, self.totals.weights, self.totals.at, totals,
            xs, outcomes,
        )  # fmt: skip
        return outcomes

    def _take(self, x: Array, outcome: int) -> None:
        self.n_undefined += outcome == BAD_VALUES
        self.n_fixed += outcome == FIXED
        if not self.inside(x):
            return
        if outcome == STALLED:
            self.stalled.append((x.copy(), self.n_starts))
        if outcome == FIXED:
            self._add(x, self.n_starts)

    def _add(self, x: Array, index: int) -> None:
        near = self.nearest(x, self.points)
        if near is not None and self.distance(x, self.points[near]) <= self.unique:
            self.hits[near] += 1
            return
        self.points.append(x.copy())
        self.index.append(index)
        self.hits.append(1)

    def inside(self, x: Array) -> bool:
        """Whether x lies in the box."""
        room = 1e-9 * self.scale
        return bool(np.all(x >= self.low - room) and np.all(x <= self.high + room))

    def distance(self, x: Array, y: Array) -> float:
        """Return the largest difference in units of the scale."""
        return float(np.max(np.abs(x - y) / self.scale))

    def nearest(self, x: Array, points: list[Array]) -> int | None:
        """Return the index of the nearest of `points`; None if there are none."""
        if not points:
            return None
        return int(np.argmin(np.max(np.abs(np.array(points) - x) / self.scale, axis=1)))
