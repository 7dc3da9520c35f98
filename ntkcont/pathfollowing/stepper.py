"""The stepping kernel with its state, so that a run can go on, stop, and go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkcont.kernels import stepping
from ntkcont.kernels.critical_vectors import N_VECTORS
from ntkcont.kernels.spectrum import N_COUNTS
from ntkcont.models.model import Array
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.infinity import goes_to_infinity
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.poles import ends_at_pole
from ntkcont.pathfollowing.roots import beyond_root, joined, on_branch
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.pathfollowing.structured import Outside

STATUS = {
    stepping.AT_BOUND: Status.BOUND,
    stepping.MIN_STEP: Status.MIN_STEP,
    stepping.CLOSED: Status.CLOSED,
    stepping.BAD_VALUES: Status.NOT_FINITE,
    stepping.UNBOUNDED: Status.UNBOUNDED,
}


class Stepper:
    """Takes steps from `first` (tangent in the direction of travel) with scales d; `spectra`: with eigenvalues.

    `vectors`: also with those of the two eigenvalues that matter, for a kernel.
    """

    def __init__(
        self,
        curve: Curve,
        first: Node,
        d: Array,
        span: tuple[float, float],
        settings: ContinuationSettings,
        spectra: bool = True,
        vectors: bool = False,
        logs: Array | None = None,
    ) -> None:
        self.vectors = vectors
        self.logs = np.zeros(len(d)) if logs is None else logs  # of variables measured in decades: see stepping.rescale
        self.curve, self.span, self.first = curve, span, first
        self.d = d.copy()
        self.memory = np.zeros(len(d))  # the scales of variables that are near zero, when they were not
        self.z = first.z.copy()
        self.tau = self._unit(first.tangent)
        self.control = np.zeros(stepping.N_CONTROL)
        for slot, value in (
            (stepping.DS, settings.ds),
            (stepping.DS_MIN, settings.ds_min),
            (stepping.DS_MAX, settings.ds_max),
            (stepping.TOL, settings.tol),
            (stepping.P_LOW, span[0]),
            (stepping.P_HIGH, span[1]),
            (stepping.ANGLE_TARGET, 0.12),
            (stepping.ANGLE_LIMIT, 0.35),
            (stepping.NO_SPECTRA, float(not spectra)),
        ):
            self.control[slot] = value
        self.produced = np.zeros(3, dtype=np.int64)
        self.roots: list[float] = []  # arclengths of the first points beyond places where a derivative is infinite
        self.outside: Outside | None = None  # what solves the linear systems, if LAPACK does not

    def _unit(self, tangent: Array) -> Array:
        tau = tangent / self.d
        return tau / np.linalg.norm(tau)

    def leaves_at_once(self) -> bool:
        """Whether the first step would leave the span."""
        q, speed = self.z[-1], self.tau[-1]
        return bool((q >= self.span[1] and speed > 0.0) or (q <= self.span[0] and speed < 0.0))

    def advance(self, size: int) -> tuple[Nodes, Status | None, str]:
        """Take up to `size` steps; return the points, why it ended (None: it did not), and the error's text."""
        curve, n = self.curve, self.curve.n
        (out_z, out_t, out_d), out_s = np.empty((3, size, n + 1)), np.empty(size)
        wr, wi, residual = np.empty((size, n)), np.empty((size, n)), np.empty(size)
        vectors = np.empty((size, N_VECTORS, n + 1) if self.vectors else (size, 0, 0))
        counts = np.zeros((size, N_COUNTS), dtype=np.int64)
        status: Status | None = None
        error = ""
        z_before, s_before = self.z.copy(), float(self.control[stepping.S])
        self.produced[0] = 0  # Ctrl-C may come before the kernel does this
        algebra = curve.lapack if self.outside is None else self.outside.algebra
        try:
            reason = stepping.advance(
                *curve.arguments, curve.model.homogeneous, algebra, self.z, self.tau, self.d, self.logs, self.control,
                self.first.z, self.first.tangent, self.memory,
                out_z, out_t, out_d, out_s, wr, wi, vectors, counts, residual, self.produced,
            )  # fmt: skip
            if self.outside is not None and self.outside.error is not None:
                raise self.outside.error
            status = STATUS.get(reason)
            if status is Status.UNBOUNDED and not goes_to_infinity(curve, self.z, self.tau, self.d, self.span):
                status = None
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        except Exception as failure:  # whatever the user's function raises: keep the points before it
            status, error = Status.RHS_ERROR, f"{type(failure).__name__}: {failure}"
        k = int(self.produced[0])
        with_vectors = vectors[:k] if self.vectors else None
        nodes = Nodes(out_z[:k], out_t[:k], out_s[:k], wr[:k] + 1j * wi[:k], counts[:k], with_vectors, out_d[:k])
        if status is Status.CLOSED:  # the last point lies just beyond the start: end on the start
            nodes.z[-1], nodes.counts[-1] = self.first.z, self.first.counts
            nodes.tangent[-1] = self.first.tangent / np.linalg.norm(self.first.tangent / self.d)  # as long as others
            nodes.eigenvalues[-1] = self.first.eigenvalues
            if nodes.vectors is not None:
                nodes.vectors[-1] = np.nan
            if k > 1:
                z_before, s_before = nodes.z[-2], float(nodes.s[-2])
            nodes.s[-1] = s_before + float(np.linalg.norm((self.first.z - z_before) / self.d))
        if status is Status.MIN_STEP or status is Status.NOT_FINITE:
            nodes, status = self._at_singular_place(nodes, status)
        return nodes, status, error

    def _at_singular_place(self, nodes: Nodes, status: Status) -> tuple[Nodes, Status | None]:
        """Return the points, and why it ended where steps became too short: at a pole, or not at all, beyond a root."""
        d = np.maximum(self.d, self.memory)  # steps were tried in smaller units as well, which helped nothing
        nodes = on_branch(self.curve, nodes)
        if ends_at_pole(self.curve, nodes, d):
            return nodes, Status.POLE
        if status is Status.MIN_STEP and self._at_bound(nodes):
            return nodes, Status.BOUND  # a special point sits on the bound and keeps Newton from landing there
        beyond = beyond_root(self.curve, nodes, d, self.span)
        if beyond is None:
            return nodes, status
        node = beyond.node
        if node is None:
            return nodes, Status.NOT_FINITE
        nodes = joined(nodes.head(beyond.kept), node, self.curve.n)
        self.roots.append(float(nodes.s[-1]))
        self.d[:], self.memory[:] = d, 0.0
        self.enter(self.curve, node.z, self._unit(node.tangent), node.s)
        step = 0.5 * (node.s - float(nodes.s[-2]))
        self.control[stepping.DS] = np.clip(step, self.control[stepping.DS_MIN], self.control[stepping.DS_MAX])
        return nodes, None

    def _at_bound(self, nodes: Nodes) -> bool:
        """Whether the last steps have come to a bound of the span, but for rounding."""
        q, before = self.z[-1], nodes.z[-2, -1] if len(nodes.s) > 1 else self.first.z[-1]
        bound = min(self.span, key=lambda each: abs(each - q))
        return bool(abs(q - bound) <= 1e-6 * self.d[-1] and abs(q - bound) <= abs(before - bound))

    def state(self) -> dict[str, Array]:
        """Return copies of what the next steps start from."""
        return {name: getattr(self, name).copy() for name in ("z", "tau", "d", "memory", "control", "produced")}

    def set_state(self, state: dict[str, Array]) -> None:
        """Go on from what `state` returned."""
        for name, values in state.items():
            getattr(self, name)[:] = values

    def enter(self, curve: Curve, z: Array, tau: Array, s: float) -> None:
        """Go on from z along tau with other equations."""
        self.curve = curve
        self.z[:] = z
        self.tau[:] = tau
        self.control[stepping.S] = s
        self.control[[stepping.ORIENTED, stepping.BEND]] = 0.0

    def rewind(self, node: Node, d: Array, ds: float) -> None:
        """Go back to an accepted point, with the scales d, and take a shorter step from there."""
        usual = max(self.memory[-1], self.d[-1])  # one that was small there grows back to this, as those of states do
        self.memory[:] = 0.0
        self.memory[-1] = usual if usual > d[-1] else 0.0
        self.d[:] = d
        self.z[:] = node.z
        self.tau[:] = self._unit(node.tangent)
        self.control[stepping.S] = node.s
        self.control[[stepping.ORIENTED, stepping.BEND]] = 0.0
        self.control[stepping.DS] = ds
