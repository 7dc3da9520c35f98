"""One measured number, and the table of all."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

RUNS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A measured number, what it stands beside, and what is wanted of it.

    Parameters
    ----------
    part, name : str
        What was measured.
    value : float
        The number, in `unit` (seconds are ``"s"`` and are printed in the unit that suits them).
    beside : str
        What it is compared with.
    ratio : float, optional
        In units of that.
    at_most, at_least : float, optional
        What is wanted of the ratio; of the value where there is no ratio.
    note : str
        Whatever else a reader should know.
    """

    part: str
    name: str
    value: float
    unit: str = "s"
    beside: str = ""
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def judged(self) -> float:
        """The number that the wanted ones refer to."""
        return self.value if self.ratio is None else self.ratio

    @property
    def ok(self) -> bool:
        """Whether it is as it is wanted."""
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.at_most is None else self.at_most
        return bool(low <= self.judged <= high)

    @property
    def wanted(self) -> str:
        """What is wanted, in words."""
        unit = self.unit if self.ratio is None else ""
        if self.at_most is not None:
            return f"at most {shown(self.at_most, unit)}"
        return f"at least {shown(self.at_least, unit)}" if self.at_least is not None else ""


def shown(value: float, unit: str) -> str:
    """Return a number with its unit, three digits."""
    if unit == "s":
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if abs(value) >= scale:
                return f"{value / scale:.3g} {name}"
    return f"{value:.3g} {unit}".rstrip()


def lines(rows: Iterable[Row]) -> list[str]:
    """Return the table, with a heading for each part."""
    written: list[str] = []
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            written += ["", part] if written else [part]
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} x {row.beside}"
        mark = "" if row.ok else "  <-- NOT REACHED"
        line = f"  {row.name:46s} {shown(row.value, row.unit):>10s}  {ratio:34s} {row.wanted:18s} {row.note}{mark}"
        written.append(line.rstrip())
    return written


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as plain data."""
    return [dataclasses.asdict(row) | {"ok": row.ok} for row in rows]


def seconds(
    run: Callable[[], object], runs: int = RUNS, how: Literal["median", "least"] = "median", warm: bool = True
) -> float:
    """Return the seconds of a call, the median or the least of `runs`, after one that warms up."""
    if warm:
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times) if how == "median" else np.min(times))


@dataclasses.dataclass
class Spent:
    """Time spent in calls."""

    seconds: float = 0.0
    calls: int = 0


@contextlib.contextmanager
def clocked(owner: Any, name: str, spent: Spent) -> Iterator[Spent]:
    """Add the seconds and the number of calls of ``owner.name`` meanwhile to `spent`."""
    inner, kept = getattr(owner, name), vars(owner)[name]

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return inner(*arguments, **named)
        finally:
            spent.seconds += time.perf_counter() - start
            spent.calls += 1

    setattr(owner, name, timed)
    try:
        yield spent
    finally:
        setattr(owner, name, kept)


def in_turn(*runs: Callable[[], object], times: int = RUNS) -> list[float]:
    """Return the median seconds of several functions called in turn, after one call each that warms up.

    What else the machine does then slows all of them alike, so that their ratios hold.
    """
    kept: list[list[float]] = [[] for _ in runs]
    for turn in range(times + 1):
        for run, taken in zip(runs, kept, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                taken.append(time.perf_counter() - start)
    return [float(np.median(taken)) for taken in kept]
