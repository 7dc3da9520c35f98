"""``ntkcont warmup``: compile everything now that later runs on this machine would compile first."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ntkcont.problem_files import read_problem

_FEW = 3  # steps that are enough to need every part


def warmup(files: Sequence[str]) -> int:
    """Compile the kernels, run one small problem of each kind and a few steps of each problem file; a line for each.

    Returns
    -------
    int
        0; errors are raised.
    """
    from ntkcont import kernels
    from ntkcont.kernels import cache

    problems = [(file, read_problem(file)) for file in files]  # complains before the minutes of compilation
    print(f"compiled code is kept in {cache.kernel_cache()}", flush=True)
    with _lines():
        for module in pkgutil.iter_modules(kernels.__path__, "ntkcont.kernels."):
            importlib.import_module(module.name)
    for name, run in _SMALL.items():
        _timed(name, run)
    for file, problem in problems:
        settings = dataclasses.replace(problem.arguments["settings"], max_steps=_FEW)
        short = dataclasses.replace(problem, arguments={**problem.arguments, "settings": settings})
        _timed(file, short.solve)
    return 0


@contextlib.contextmanager
def _lines() -> Iterator[None]:
    """Print a line for each kernel that becomes ready."""
    from ntkcont.kernels.cache import listeners

    def show(name: str, seconds: float, is_new: bool) -> None:
        _line(name, seconds, "compiled" if is_new else "was there")

    listeners.append(show)
    try:
        yield
    finally:
        listeners.remove(show)


def _line(name: str, seconds: float, what: str) -> None:
    print(f"{name:<40} {seconds:7.2f} s  {what}", flush=True)


def _timed(name: str, run: Callable[[], Any]) -> None:
    begun = time.perf_counter()
    run()
    _line(name, time.perf_counter() - begun, "runs")


# -------------------------------------------------------------------- one small problem of each kind


def _continued(model: Any, free: str, p_span: tuple[float, float]) -> None:
    import ntkcont as nc

    scales: dict[str, Any] = {} if model.theta else {"theta_scale": "none", "state_scale": "none"}
    settings = nc.ContinuationSettings(max_steps=200)
    kernel = nc.ntk.StateNTK(**scales)
    nc.continuation(model, np.full(model.n, 0.1), free=free, p_span=p_span, settings=settings, ntk=kernel)


def _equations(kind: Any) -> None:
    import ntkcont as nc

    slope = "" if kind == "flow" else "x + "
    _continued(nc.Model.from_equations({"x": f"{slope}p*x - x**3 + q"}, {"p": 0.1, "q": 0.0}, kind=kind), "p", (-1, 1))


def _rate(alpha: float | None) -> None:
    import ntkcont as nc

    _continued(nc.RateRNN([[0.0, 1.2], [1.2, 0.0]], alpha=alpha), "gain", (0.5, 1.5))


def _gru() -> None:
    import ntkcont as nc

    rng = np.random.default_rng(0)
    _continued(nc.GRU(np.zeros((6, 1)), 0.5 * rng.standard_normal((6, 2))), "gain", (0.5, 1.5))


_SMALL: dict[str, Callable[[], None]] = {
    "flow from equations": lambda: _equations("flow"),
    "map from equations": lambda: _equations("map"),
    "RateRNN, flow": lambda: _rate(None),
    "RateRNN, map": lambda: _rate(0.5),
    "GRU": _gru,
}
