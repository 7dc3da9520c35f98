"""Where a branch came from: enough to repeat it, small enough to keep with it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import ntkcont

if TYPE_CHECKING:
    from ntkcont.pathfollowing.assemble import Side
    from ntkcont.pathfollowing.protocols import BoundEvaluator
    from ntkcont.pathfollowing.start import Start
    from ntkcont.pathfollowing.task import Task


def provenance(task: Task, start: Start, sides: dict[float, Side], bound: BoundEvaluator | None) -> dict[str, Any]:
    """Return the model, settings, versions, scales and kernel of a continuation."""
    model = task.curve.model
    return {
        "model": {"digest": model.digest, "description": model.description, "kind": model.kind},
        "free": task.curve.free,
        "p_span": list(task.span),
        "log": list(task.log),
        "params": dict(task.params),
        "settings": dataclasses.asdict(task.settings),
        "events": [*task.events, *(user.name for user in task.users)],
        # d of the scaled variables y = z/d: sqrt(n) * magnitude of the states, width of p_span (log: of here)
        "scales": {"start": start.d.copy(), "low": _scales(sides, -1.0, start), "high": _scales(sides, 1.0, start)},
        # of the bordered matrices of the steps
        "factorisation": "dense" if task.structure is None else "sparse",
        "errors": [side.error for side in sides.values() if side.error],
        "kernel": bound.metadata if bound is not None else None,
        "versions": dict(versions()),
    }


@functools.cache  # reading package metadata takes milliseconds
def versions() -> dict[str, str]:
    """Return the versions of Python, ntkcont and what it computes with."""
    found = {"python": platform.python_version(), "ntkcont": ntkcont.__version__}
    for name in ("numpy", "scipy", "numba", "jax"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def _scales(sides: dict[float, Side], sign: float, start: Start) -> Any:
    return sides[sign].d.copy() if sign in sides else start.d.copy()
