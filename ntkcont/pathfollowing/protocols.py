"""What the continuation asks of a kernel evaluator (it never imports one)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ntkcont.models.model import Model


class BoundEvaluator(Protocol):
    """An evaluator prepared for one model and one free parameter."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What was evaluated, for the provenance (JSON-able)."""
        ...

    def evaluate(
        self, *, x: np.ndarray, p: np.ndarray, tangent: np.ndarray, eigenvalues: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Return signatures with first axis k for x (k, n), p (k,), tangent (k, n+1), eigenvalues (k, n).

        One with an attribute ``takes_vectors`` that is true is also given ``vectors`` (k, 8, n+1), which
        ``kernels.critical_vectors`` describes.  One with an attribute ``beside_steps`` that is true is called from
        another thread while the next steps are taken, one call after the other.  One with a method ``placed(x, p,
        tangent)`` gives another evaluator there, made for a finished branch; if its attribute ``awaits_points`` is
        true, it is only evaluated then.
        """
        ...

    def at_special(
        self, *, label: str, x: np.ndarray, p: float, tangent: np.ndarray, omega: float | None
    ) -> dict[str, Any]:
        """Return the signatures at one special point, with the regular factors of its bordered split."""
        ...


class KernelEvaluator(Protocol):
    """Something that attaches signatures to the points of a branch, such as ``ntkcont.ntk.StateNTK``."""

    def bind(self, model: Model, *, free: str, params: Mapping[str, float]) -> BoundEvaluator:
        """Prepare for `model` with the parameter `free` moving."""
        ...
