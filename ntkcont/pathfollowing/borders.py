"""Branches of models that are smooth in pieces: each piece is followed up to its border, where the next one begins.

A piece is followed as the smooth system that it belongs to, also a little beyond its border, so that the steps notice
nothing of the kink.  Where an argument has the wrong sign the steps are cut, Newton lands on the border itself, and the
run goes on from there with the equations and the tangent of the piece in which the argument goes on changing sign.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ntkcont.linear import LU
from ntkcont.models.model import Array
from ntkcont.models.switching import Pieces, Signs
from ntkcont.normal_forms.border_collisions import MOST, ON_KINK, Ray, sizes
from ntkcont.pathfollowing.curve import Node
from ntkcont.pathfollowing.detect import midpoint
from ntkcont.pathfollowing.detector import Detector
from ntkcont.pathfollowing.kinks import Kink, chosen
from ntkcont.pathfollowing.locate import Bracket
from ntkcont.pathfollowing.nodes import Nodes, concatenate
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.stepper import Stepper
from ntkcont.pathfollowing.task import Task
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

#: Steps per call, least and most: those beyond the border are thrown away.
FEWEST, MOST_STEPS = 2, 64
#: An argument has the wrong sign beyond this fraction of its change along the whole diagram; below is rounding.
BEYOND = 1e-13
#: Points closer than this, in scaled variables, are the same.
SAME = 1e-10
#: A tangent whose parameter component is below this has none.
VERTICAL = 1e-10


@dataclasses.dataclass(frozen=True)
class Landing:
    """A point on the border: the bracket that holds it, what vanishes there, and how the branch goes on."""

    node: Node
    bracket: Bracket
    at: NDArray[np.intp]
    value: float
    converged: bool
    onward: Ray | None
    d: Array  # the scales of `onward`


class Borders:
    """What a run does at the borders of pieces: stands between the run and its stepper."""

    def __init__(self, task: Task, start: Start, sign: float, stepper: Stepper, detector: Detector) -> None:
        self.task, self.stepper, self.detector = task, stepper, detector
        self.pieces = Pieces(task.curve.model, task.curve.p0, task.curve.direction)
        self.landing: Landing | None = None
        self.pending: list[SpecialPoint] = []
        self.stopped: Status | None = None
        self.warned = False
        self.steps = FEWEST
        self.first_z = start.z
        kink = Kink(self.pieces, start.z, start.d)
        positive = kink.own
        tau = stepper.tau.copy()
        if kink.at.size:
            positive = kink.own.copy()
            positive[kink.at] = False
            back, forth = kink.both(start.tau)
            onward, other = (forth, back) if sign > 0.0 else (back, forth)
            if onward is None and not self.pieces.switching.loud(kink.at).size:
                positive[kink.at] = kink.rates(tau) > 0.0  # a special point on quiet kinks: the direction decides
            elif onward is None:
                self._give_up(start.z)
                self.stopped = Status.MIN_STEP
            else:
                positive, tau = onward.positive, onward.tau
                self._at_start(kink, start, sign, onward, other)
        self._enter(positive, start.z, tau, 0.0)

    # ---------------------------------------------------------------- the run's view

    @property
    def landed(self) -> bool:
        """Whether the last steps ended on the border of the piece."""
        return self.landing is not None

    def advance(self, size: int) -> tuple[Nodes, Status | None, str]:
        """Take steps within the piece; the last point may be on its border."""
        self.landing = None
        if self.stopped is not None:
            return self._nothing(), self.stopped, ""
        d = self.stepper.d.copy()
        nodes, status, error = self.stepper.advance(min(size, self.steps))
        before = self.last
        found = self._leaves(before, nodes, d)
        self.steps = min(2 * self.steps, MOST_STEPS)
        if found is not None:
            i, left, right, wrong = found
            self.steps = max(FEWEST, i)
            self.landing = self._land(left, right, wrong, d)
            if self.landing is not None:
                kept = nodes.head(i)
                if np.linalg.norm((self.landing.node.z - left.z) / d) > SAME:
                    kept = concatenate([kept, _one(self.landing.node)], self.task.curve.n)
                self.stepper.d[:] = d if nodes.scales is None else nodes.scales[i]
                nodes, status, error = kept, None, ""
            else:
                self._give_up(left.z)
                nodes, status, error = nodes.head(i), Status.MIN_STEP, ""
        if len(nodes.s):
            self._continuum(nodes)
            self.last = nodes[len(nodes.s) - 1]
        return nodes, status, error

    def rewind(self, node: Node) -> None:
        """Go on from an earlier point of the piece instead."""
        self.landing = None
        self.last = node

    def turn(self, nodes: Nodes, status: Status | None) -> tuple[list[SpecialPoint], Status | None]:
        """Go on with the next piece from where the last steps landed; return what is there, and why the run ends."""
        points, self.pending = self.pending, []
        landing, self.landing = self.landing, None
        if landing is None:
            return points, status
        z, d, s = landing.node.z, self.stepper.d, landing.node.s
        if landing.onward is None:
            self._give_up(z)
            return [*points, self._special(landing.node, landing, landing.at)], Status.MIN_STEP
        tau_in = landing.node.tangent / d
        tau_in = tau_in / np.linalg.norm(tau_in)
        tau_out = landing.onward.tau * landing.d / d
        tau_out = tau_out / np.linalg.norm(tau_out)
        kink = Kink(self.pieces, z, d, landing.at)
        switching = kink.switching(tau_in, tau_out)
        onward = self._enter(landing.onward.positive, z, tau_out, s)
        # of the two tangents and spectra at the kink the branch shows those that the model has there
        shown = onward if np.array_equal(kink.own[landing.at], landing.onward.positive[landing.at]) else landing.node
        shown = dataclasses.replace(shown, s=s)
        if len(nodes.s) and nodes.s[-1] == s:
            nodes.tangent[-1], nodes.eigenvalues[-1], nodes.counts[-1] = shown.tangent, shown.eigenvalues, shown.counts
        if s > 1e-6 and np.linalg.norm((z - self.first_z) / d) <= 1e-8:
            return points, Status.CLOSED
        collided = self.pieces.switching.loud(switching if switching.size else landing.at)
        if collided.size:
            points.append(self._special(shown, landing, collided))
        return points, Status.BOUND if self.stepper.leaves_at_once() else None

    # ---------------------------------------------------------------- pieces

    def _nothing(self) -> Nodes:
        return concatenate([], self.task.curve.n)

    def _enter(self, positive: Signs, z: Array, tau: Array, s: float) -> Node:
        """Make the steps and the detection those of a piece; return its node at z."""
        model = self.task.curve.model
        self.positive = positive
        self.curve = self.task.curve.piece(self.pieces.switching.constants(positive))
        node, _ = self.curve.node(z, self.stepper.d, tau, s)
        node = dataclasses.replace(node, tangent=tau * self.stepper.d)
        self.stepper.enter(self.curve, z, tau, s)
        self.detector.task = dataclasses.replace(self.task, curve=self.curve)
        if s > 0.0 or self.detector.last is not None:
            fresh = self.detector.fresh
            self.detector.restart(node)
            self.detector.fresh = fresh and s == 0.0 and not self.pending
        self.last = node
        kink = Kink(self.pieces, z, self.stepper.d)
        lying = self.pieces.switching.loud(kink.at[np.abs(kink.rates(tau)) <= ON_KINK])
        if lying.size and not self.warned:
            self.warned = True
            names = ", ".join(self.pieces.switching.names[i] for i in lying[:6]) + (", ..." if lying.size > 6 else "")
            warnings.warn(
                f"the branch lies on the kink of {names} ({model.kind} in {self.curve.free} near {z[-1]:.6g}): its "
                "eigenvalues and stability are those of the side where the argument is negative",
                RuntimeWarning,
                stacklevel=2,
            )
        return node

    def _continuum(self, nodes: Nodes) -> None:
        """Say so where the parameter stands still all along: the fixed points there form a continuum."""
        speed = np.abs(nodes.tangent[:, -1]) / np.linalg.norm(nodes.tangent / self.stepper.d, axis=1)
        if np.all(speed <= VERTICAL * self.stepper.d[-1]) and self.detector.task.events:
            self.detector.task = dataclasses.replace(self.detector.task, events={})
            warnings.warn(
                f"at {self.curve.free} = {nodes.z[0, -1]:.10g} the fixed points form a continuum (the Jacobian of this "
                "piece of the model is singular): the branch runs along it",
                RuntimeWarning,
                stacklevel=2,
            )

    def _give_up(self, z: Array) -> None:
        warnings.warn(
            f"the branch meets a kink at {self.task.curve.free} = {z[-1]:.10g} beyond which it could not be followed: "
            f"the fixed points there form a surface, or more than {MOST} units switch at once",
            RuntimeWarning,
            stacklevel=2,
        )

    # ---------------------------------------------------------------- leaving a piece

    def _wrong(self, z: Array, d: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the arguments, positive inside the piece, their gradients, and which are negative."""
        gradients = self.pieces.gradients(z) * np.where(self.positive, 1.0, -1.0)[:, None]
        values = self.pieces.arguments(z) * np.where(self.positive, 1.0, -1.0)
        return values, gradients, values < -BEYOND * sizes(gradients, d)

    def _leaves(self, before: Node, nodes: Nodes, d: Array) -> tuple[int, Node, Node, NDArray[np.intp]] | None:
        """Return the first step that leaves the piece: its number, its ends and the arguments that change sign."""
        left = before
        values, gradients, _ = self._wrong(left.z, d)
        for i in range(len(nodes.s)):
            right = nodes[i]
            new, new_gradients, wrong = self._wrong(right.z, d)
            if np.any(wrong):
                return i, left, right, np.flatnonzero(wrong)
            # an argument may touch zero between two points
            down, up = gradients @ left.tangent, new_gradients @ right.tangent
            for j in np.flatnonzero((down < 0.0) & (up > 0.0) & (values > 0.0) & (new > 0.0)):
                ds = right.s - left.s
                u = np.linspace(0.0, 1.0, 33)
                shape = (1 + 2 * u) * (1 - u) ** 2, u * u * (3 - 2 * u), u * (1 - u) ** 2, u * u * (u - 1)
                cubic = shape[0] * values[j] + shape[1] * new[j] + ds * (shape[2] * down[j] + shape[3] * up[j])
                if np.min(cubic) > 0.1 * min(values[j], new[j]):
                    continue
                between = midpoint(self.curve, left, right, d, float(u[np.argmin(cubic)]))
                if between is not None and np.any(self._wrong(between.z, d)[2]):
                    return i, left, between, np.flatnonzero(self._wrong(between.z, d)[2])
            left, values, gradients = right, new, new_gradients
        return None

    def _land(self, left: Node, right: Node, wrong: NDArray[np.intp], d: Array) -> Landing | None:
        """Return the point of the piece at which the first of the arguments `wrong` vanishes."""
        bracket = Bracket(left, right)
        landed = [self._solve(bracket, int(j), d) for j in wrong]
        done = [(bracket.fraction(each[0], d)[0], each) for each in landed if each is not None]
        if not done:
            return None
        _, (z, converged) = min(done, key=lambda pair: pair[0])
        first = int(wrong[[pair is not None for pair in landed]][int(np.argmin([u for u, _ in done]))])
        kink = Kink(self.pieces, z, d, np.array([first]))
        chord = (right.z - left.z) / d
        length = float(np.linalg.norm((z - left.z) / d))
        node, _ = self.curve.node(z, d, chord / np.linalg.norm(chord), left.s + length)
        value = float(self.pieces.arguments(z)[first])
        tau = node.tangent / d
        onward = None
        if np.linalg.norm(tau) > 0.0 and np.all(np.isfinite(tau)):
            tau = tau / np.linalg.norm(tau)
            # the half branch that the run comes from leaves along -tau
            others = [ray for ray in kink.leaving(self.positive) if not _along(ray, -tau)]
            onward = chosen(others, tau, kink.rates(tau))
        quiet = not self.pieces.switching.loud(np.array([first])).size
        if quiet and (onward is None or self.detector.special(node, d, left)):
            across = self._across(left, z, first, value, d)
            if across is not None:
                return across
        return Landing(node, Bracket(left, node), kink.at, value, converged, onward, d)

    def _across(self, left: Node, z: Array, first: int, value: float, d: Array) -> Landing | None:
        """Pass by a quiet kink at a special point, where branches have no one tangent, without stopping on it."""
        tau = left.tangent / d
        tau = tau / np.linalg.norm(tau)
        flipped = self.positive.copy()
        flipped[first] = not flipped[first]
        for step, positive in itertools.product((1e-3, 1e-4), (flipped, self.positive)):
            curve = self.task.curve.piece(self.pieces.switching.constants(positive))
            beyond, size = curve.correct(z + step * tau * d, d, tau)
            if beyond is None or size > step or np.any((self.pieces.arguments(beyond) > 0.0) != positive):
                continue
            node, sign = curve.node(beyond, d, tau, left.s + float(np.linalg.norm((beyond - left.z) / d)))
            if sign != 0.0:
                new = node.tangent / d
                ray = Ray(positive, new / np.linalg.norm(new), np.zeros(1))
                return Landing(node, Bracket(left, node), np.array([first]), value, True, ray, d)
        return None

    def _solve(self, bracket: Bracket, j: int, d: Array) -> tuple[Array, bool] | None:
        """Newton on F = 0, argument j = 0 from the bracket; halving, and False, where it does not land inside."""
        n = self.task.curve.n
        ends = self._wrong(bracket.left.z, d)[0][j], self._wrong(bracket.right.z, d)[0][j]
        u = float(np.clip(ends[0] / (ends[0] - ends[1]), 0.0, 1.0)) if ends[0] != ends[1] else 0.0
        z = bracket.left.z + u * (bracket.right.z - bracket.left.z)
        matrix, right = np.empty((n + 1, n + 1)), np.full(n + 1, np.inf)
        for _ in range(15):
            f, jacobian = self.pieces.residual(z, self.positive)
            gradient = self.pieces.gradients(z)[j] * d
            size = float(np.linalg.norm(gradient))
            matrix[:n] = jacobian * d / d[:n, None]
            matrix[n] = gradient / size
            right = np.append(f / d[:n], self.pieces.arguments(z)[j] / size)
            step = LU(matrix).solve(-right)
            if not np.all(np.isfinite(step)):
                break
            z = z + step * d
            if np.linalg.norm(step) < 1e-13:
                break
        if np.all(np.isfinite(z)) and np.max(np.abs(right)) < 1e-11 and bracket.holds(z, d):
            return z, True
        return self._halved(bracket, lambda z: self._wrong(z, d)[0][j], d)

    def _halved(self, bracket: Bracket, value: Callable[[Array], float], d: Array) -> tuple[Array, bool] | None:
        left, right = bracket.left, bracket.right
        for _ in range(60):
            middle = midpoint(self.curve, left, right, d)
            if middle is None or np.linalg.norm((right.z - left.z) / d) < 1e-12:
                break
            left, right = (left, middle) if value(middle.z) < 0.0 else (middle, right)
        return left.z, False

    # ---------------------------------------------------------------- records

    def _special(self, node: Node, landing: Landing, units: NDArray[np.intp]) -> SpecialPoint:
        curve, n = self.task.curve, self.task.curve.n
        q = float(node.z[n])
        return SpecialPoint(
            label="BC", name="", p=q, x=node.z[:n], s=node.s, tangent=node.tangent, eigenvalues=node.eigenvalues,
            bracket=(landing.bracket.left.s, node.s), residual=float(np.max(np.abs(curve.system(node.z)[0]))),
            test_value=landing.value, converged=landing.converged, multiplicity=len(units), free=curve.free,
            params={**self.task.params, curve.free: q}, states=curve.model.states, kind=curve.model.kind,
        )  # fmt: skip

    def _at_start(self, kink: Kink, start: Start, sign: float, onward: Ray, other: Ray | None) -> None:
        """Report the start itself, unless nothing changes there."""
        if other is None:
            return
        units = self.pieces.switching.loud(kink.switching(onward.tau, other.tau))
        if units.size and not np.array_equal(onward.positive[units], other.positive[units]):
            shown = dataclasses.replace(start.node, s=0.0, tangent=sign * start.tau * start.d)
            value = float(self.pieces.arguments(start.z)[units[0]])
            landing = Landing(shown, Bracket(shown, shown), units, value, True, onward, start.d)
            self.pending.append(self._special(shown, landing, units))


def _along(ray: Ray, tau: Array) -> bool:
    return float(ray.tau @ tau) > 1.0 - 1e-9


def _one(node: Node) -> Nodes:
    return Nodes(
        node.z[None].copy(), node.tangent[None].copy(), np.array([node.s]), node.eigenvalues[None].copy(),
        node.counts[None].copy(),
    )  # fmt: skip
