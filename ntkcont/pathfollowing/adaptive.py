"""Special points and stability with few full spectra: ``ContinuationSettings(eigenvalues="adaptive")``.

Every chunk of steps ends with a full spectrum; ``Stretch`` explains what happens between two of them from the
eigenvalues near the stability boundary.  Where it cannot, the stretch is divided by another full spectrum, at worst
until every point has one, which is what "all" does.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ntkcont.kernels.spectrum import N_UNSTABLE, ORIENTATION, TANGENT_SIGN
from ntkcont.models.model import Array
from ntkcont.pathfollowing.at_ends import probe
from ntkcont.pathfollowing.checkpoint import recalled_spectrum
from ntkcont.pathfollowing.curve import Node
from ntkcont.pathfollowing.detector import Detector
from ntkcont.pathfollowing.near_boundary import Spectrum
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.stretch import FAR, Doubtful, Event, Stretch
from ntkcont.pathfollowing.task import Task
from ntkcont.results.special_points import SpecialPoint

#: Steps between full spectra, at most and at first.
LONGEST, FIRST = 64, 4
#: An eigenvalue of a network this near to the boundary, beside the largest of the same matrix, has no side.
NEAR = 1e-8


class AdaptiveDetector(Detector):
    """Finds the special points of a chunk of points that come without eigenvalues, and counts the unstable ones."""

    def __init__(self, task: Task, first: Node | None, d: Array) -> None:
        super().__init__(task, first, d)
        self.spectrum: Spectrum | None = None  # that of `last`
        self.length = FIRST
        self.divided, self.moved = False, 0.0  # in the last chunk

    def steps(self) -> int:
        """Return how many steps the next chunk should have."""
        return self.length

    def restart(self, node: Node | None, beside: bool = False) -> None:
        """Go on from `node`, forgetting what came after it."""
        super().restart(node, beside)
        self.spectrum = None

    def chunk(self, nodes: Nodes, final: bool) -> list[SpecialPoint]:
        """Return the special points between the last node before and the last of this chunk.

        Fills the counts of all nodes, and the eigenvalues of those for which all were computed.
        """
        found: list[SpecialPoint] = []
        k = len(nodes.s)
        if k == 0:
            return found
        self.divided, self.moved = False, 0.0
        d = self._scales(nodes, k - 1)
        if self.last is not None and self.fresh and self._degenerate(self.last):
            self.last = probe(self.task.curve, self.last, self.d, -min(1e-3, self.task.settings.ds_max))
            self.spectrum = None
        at_start, self.fresh = self.fresh, False
        before = self.last
        found += self._points(nodes, d, final)
        try:
            for event in self.task.users:
                found += self._user_zeros(event, before, nodes, at_start)
        except Exception as failure:  # the user's function: keep what has been found
            self.error = f"{type(failure).__name__}: {failure}"
        self.d = self._scales(nodes, k - 1)
        wanted_labels = self.task.events
        return sorted((q for q in found if q.label in wanted_labels or q.label == "UZ"), key=lambda point: point.s)

    def _points(self, nodes: Nodes, d: Array, final: bool) -> list[SpecialPoint]:
        end, tail = len(nodes.s) - 1, []
        spectrum = self._full(nodes, end)
        while not final and end > 0 and self._degenerate(nodes[end]):  # a special point itself: look across it later
            tail.append(end)
            end -= 1
            spectrum = self._full(nodes, end)
        if not final and end == 0 and self._degenerate(nodes[end]) and self.last is not None:
            return []
        if self.last is None:
            self.last, self.spectrum = nodes[end], spectrum
            for i in range(end):
                self._full(nodes, i)
            return []
        left = self.spectrum
        if left is None:
            one = Nodes(*(np.array([value]) for value in dataclasses.astuple(self.last)))
            left = self._full(one, 0)
            self.last = one[0]
        events = self._resolve((self.last, nodes[end]), (left, spectrum), nodes, list(range(end)), d)
        self.last, self.spectrum = nodes[end], spectrum
        if not self.divided and self.moved < 0.35 * FAR:
            self.length = min(2 * self.length, LONGEST)
        elif self.divided:
            self.length = max(2, self.length // 2)
        return [event.point for event in events]

    def _resolve(
        self, ends: tuple[Node, Node], spectra: tuple[Spectrum, Spectrum], nodes: Nodes, inner: list[int], d: Array
    ) -> list[Event]:
        """Return what happens between two nodes with spectra, and count at the nodes in between."""
        stretch = Stretch(self.task.curve, ends, spectra, [nodes[i] for i in inner], d, self.task.params)
        try:
            events = stretch.events()
            self.moved = max(self.moved, stretch.moved / stretch.reach)
        except Doubtful:
            if not inner:
                return [Event(point, 0) for point in self._between(*ends, d, None, (None, None))]
            self.divided = True
            return self._divided(ends, spectra, nodes, inner, d)
        count = int(spectra[0].counts[N_UNSTABLE])
        for i in inner:
            passed = sum(event.change for event in events if event.point.s < nodes.s[i])
            nodes.counts[i, N_UNSTABLE] = count + passed
        return events

    def _divided(
        self, ends: tuple[Node, Node], spectra: tuple[Spectrum, Spectrum], nodes: Nodes, inner: list[int], d: Array
    ) -> list[Event]:
        """Do the same in two parts, with another spectrum in between."""
        for at in sorted(range(len(inner)), key=lambda j: abs(j - len(inner) // 2)):
            i = inner[at]
            middle = self._full(nodes, i)
            if not self._degenerate(nodes[i]):
                return [
                    *self._resolve((ends[0], nodes[i]), (spectra[0], middle), nodes, inner[:at], d),
                    *self._resolve((nodes[i], ends[1]), (middle, spectra[1]), nodes, inner[at + 1 :], d),
                ]
        return [Event(point, 0) for point in self._between(*ends, d, None, (None, None))]

    def _full(self, nodes: Nodes, i: int) -> Spectrum:
        """Compute all eigenvalues of node i and enter them."""
        curve, z = self.task.curve, nodes.z[i]
        spectrum = recalled_spectrum(
            self.task.checkpoint, float(nodes.s[i]), lambda: Spectrum.of(curve.system(z)[1], curve.is_map)
        )
        signs = nodes.counts[i, [TANGENT_SIGN, ORIENTATION]]
        nodes.counts[i] = spectrum.counts
        nodes.counts[i, [TANGENT_SIGN, ORIENTATION]] = signs
        nodes.eigenvalues[i] = spectrum.eigenvalues
        return spectrum

    def _degenerate(self, node: Node) -> bool:
        """Whether the node is itself a special point (neutral saddles are none here): no neighbour has eigenvalues."""
        lam = node.eigenvalues
        size = max(1.0 if self.task.curve.is_map else 0.0, float(np.max(np.abs(lam))))
        near = np.min(np.abs(np.abs(lam) - 1.0) if self.task.curve.is_map else np.abs(lam.real)) < NEAR * size
        tau = node.tangent / self.d
        return bool(near or abs(tau[-1]) < NEAR * np.linalg.norm(tau))
