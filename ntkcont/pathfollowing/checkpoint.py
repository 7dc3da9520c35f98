"""A continuation written down as it goes, so that a run that was killed goes on where it was.

A run is a function of its problem: given the same results of its costly parts (steps, located points, kernel) it takes
the same decisions.  So the file holds these results in the order in which they were asked for, and a rerun takes them
from there, as far as they go, before it computes any itself.  Nothing else need be restored, and the branch is the
same to the last bit.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ntkcont.errors import FileFormatError, InputError
from ntkcont.kernels.stepping import S
from ntkcont.models.model import Array
from ntkcont.pathfollowing.assemble import at_start, evaluate
from ntkcont.pathfollowing.curve import Curve, Node
from ntkcont.pathfollowing.detect import Crossing
from ntkcont.pathfollowing.nodes import Nodes
from ntkcont.pathfollowing.protocols import BoundEvaluator
from ntkcont.pathfollowing.provenance import versions
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import Start
from ntkcont.pathfollowing.stepper import Stepper
from ntkcont.pathfollowing.task import Task
from ntkcont.results.frozen import same
from ntkcont.results.io import POINT_FIELDS, Packer, unpack
from ntkcont.results.journal import Journal
from ntkcont.results.special_points import SpecialPoint
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.pathfollowing.near_boundary import Spectrum

T = TypeVar("T")


class Checkpoint:
    """The costly results of one continuation, read from a file as far as it goes, then computed and appended.

    Parameters
    ----------
    path : path-like
        The file.
    problem : mapping
        What the results depend on: numbers, text, arrays.

    Raises
    ------
    InputError
        If the file is of another problem, or in use.
    """

    def __init__(self, path: str | os.PathLike[str], problem: dict[str, Any]) -> None:
        self._journal = Journal(path)
        #: Whether the next result may be in the file.
        self.reading = False
        try:
            self._begin(problem)
        except BaseException:
            self.close()
            raise

    def _begin(self, problem: dict[str, Any]) -> None:
        found = self._journal.read()
        if found is None:
            self._journal.write(problem)
            self.reading = False
            return
        self.reading = True
        differ = [name for name in problem if not same(found.get(name), _plain(problem[name]))]
        if differ:
            msg = (
                f"checkpoint: {self._journal.path} is of a run with another {', '.join(differ)}; give it to that run, "
                "or delete it to start anew"
            )
            raise InputError(msg)

    def recall(
        self,
        kind: str,
        compute: Callable[[], T],
        pack: Callable[[T], Any],
        unpack: Callable[[Any], T],
        keep: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """Return the next result from the file; behind its end compute it, and write it down if `keep` says so."""
        if self.reading:
            record = self._journal.read()
            if record is not None:
                if record["kind"] != kind:
                    msg = (
                        f"checkpoint: {self._journal.path} holds {record['kind']} where this run asks for {kind}, so "
                        "it is of another run; delete it to start anew"
                    )
                    raise FileFormatError(msg)
                return unpack(record["value"])
            self.reading = False
        value = compute()
        if keep(value):
            self._journal.write({"kind": kind, "value": pack(value)})
        else:
            self.close()  # what comes after something that is not in the file cannot be either
        return value

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()


def _plain(value: Any) -> Any:
    """Return what a value is after it went through a file."""
    packer = Packer()
    return unpack(packer.pack(value, "problem"), packer.arrays)


def problem(task: Task, start: Start, signs: tuple[float, ...], bound: BoundEvaluator | None) -> dict[str, Any]:
    """Return what the branch depends on, by names that a message may use.

    Functions cannot be written down; what they give at the start tells most of them apart.
    """
    return {
        "model": [task.curve.model.digest, start.node.eigenvalues],
        "free": task.curve.free,
        "params": dict(task.params),
        "p_span": list(task.span),
        "log": list(task.log),
        "x0": start.z,
        "direction": list(signs),
        "settings": dataclasses.asdict(task.settings),
        "events": [*task.events, *(user.name for user in task.users)],
        "stop": list(task.stop_at) if task.stop_at else task.stop is not None,
        "ntk": [bound.metadata, evaluate(bound, at_start(start), task.curve.n)] if bound is not None else None,
        "version of the packages": dict(versions()),
        "machine": platform.machine(),
    }


class RecordedStepper(Stepper):
    """A stepper whose steps are in a checkpoint."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        curve: Curve,
        first: Node,
        d: Array,
        span: tuple[float, float],
        settings: ContinuationSettings,
        spectra: bool = True,
        vectors: bool = False,
        logs: Array | None = None,
    ) -> None:
        super().__init__(curve, first, d, span, settings, spectra, vectors, logs)
        self.checkpoint = checkpoint

    def advance(self, size: int) -> tuple[Nodes, Status | None, str]:
        """Take up to `size` steps, or recall them."""
        compute = super().advance

        def pack(result: tuple[Nodes, Status | None, str]) -> dict[str, Any]:
            nodes, status, error = result
            arrays = {field.name: getattr(nodes, field.name) for field in dataclasses.fields(nodes)}
            return {"nodes": arrays, "status": status and status.name, "error": error, "state": self.state()}

        def unpack(value: dict[str, Any]) -> tuple[Nodes, Status | None, str]:
            self.set_state(value["state"])
            return Nodes(**value["nodes"]), value["status"] and Status[value["status"]], value["error"]

        where = f"steps from {float(self.z[-1])!r} along {float(self.tau[-1])!r} at s = {float(self.control[S])!r}"
        return self.checkpoint.recall(
            where, lambda: compute(size), pack, unpack, keep=lambda result: result[1] is not Status.INTERRUPTED
        )


def recalled_point(
    checkpoint: Checkpoint | None, crossing: Crossing, compute: Callable[[], SpecialPoint]
) -> SpecialPoint:
    """Return a special point, located now or in the run before."""
    if checkpoint is None:
        return compute()

    def pack(point: SpecialPoint) -> dict[str, Any]:
        return {name: getattr(point, name) for name in POINT_FIELDS}

    where = f"{crossing.label} between {float(crossing.left.s)!r} and {float(crossing.right.s)!r}"
    return checkpoint.recall(where, compute, pack, lambda fields: SpecialPoint(**fields))


def recalled_spectrum(checkpoint: Checkpoint | None, s: float, compute: Callable[[], Spectrum]) -> Spectrum:
    """Return a full spectrum with its vectors, computed now or in the run before."""
    if checkpoint is None:
        return compute()

    from ntkcont.pathfollowing.near_boundary import Spectrum

    def pack(spectrum: Spectrum) -> dict[str, Any]:
        return {field.name: getattr(spectrum, field.name) for field in dataclasses.fields(spectrum)}

    return checkpoint.recall(f"spectrum at {s!r}", compute, pack, lambda fields: Spectrum(**fields))


def recalled_signatures(
    checkpoint: Checkpoint | None, compute: Callable[[], dict[str, np.ndarray] | None]
) -> dict[str, np.ndarray] | None:
    """Return the kernel's signatures at some points, evaluated now or in the run before."""
    return compute() if checkpoint is None else checkpoint.recall("kernel", compute, lambda v: v, lambda v: v)
