"""The report of a comparison: what it holds, as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.peers.matching import Stability
from ntkcont.peers.protocol import PeerBranch, PeerPoint
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match:
    """A special point that both programs report.

    Parameters
    ----------
    ntkcont : SpecialPoint
        Ours.
    peer : PeerPoint
        Theirs.
    dp : float
        Difference of the free parameter, theirs minus ours, in its own unit.
    dx : float
        Largest difference of a state, relative to the largest magnitude of that state on the branch.
    distance : float
        Scaled distance (span of the parameter, magnitude of the states).
    signs : mapping of str to (int, int)
        Signs of normal form coefficients that both give: ours, theirs.
    evidence : str
        Where they differ: what the flow itself does; else empty.
    """

    ntkcont: SpecialPoint
    peer: PeerPoint
    dp: float
    dx: float
    distance: float
    signs: MappingProxyType[str, tuple[int, int]]
    evidence: str = ""

    @property
    def label(self) -> str:
        """The type of the point."""
        return self.ntkcont.label

    @property
    def signs_agree(self) -> bool:
        """Whether all signs that both give are the same."""
        return all(ours == theirs for ours, theirs in self.signs.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Single:
    """A special point that only one program reports.

    Parameters
    ----------
    point : SpecialPoint or PeerPoint
        The point.
    residual : float
        Scaled norm of F (flows) or G(x) - x (maps) there, relative to its derivatives.
    test_value : float
        What must vanish besides at a point of this type, relative too; inf where it cannot.
    holds : bool
        Whether both are below 1e-4: the point is what it is called.
    evidence : str
        The same in words, and what the other program has there.
    """

    point: SpecialPoint | PeerPoint
    residual: float
    test_value: float
    holds: bool
    evidence: str

    @property
    def label(self) -> str:
        """The type of the point, as its program says."""
        return self.point.label

    @property
    def name(self) -> str:
        """Its name in its program."""
        return self.point.name

    @property
    def p(self) -> float:
        """Value of the free parameter."""
        return self.point.p


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two programs on the same problem, side by side.

    Parameters
    ----------
    title : str
        What was compared.
    peer_name : str
        Name of the comparator, such as ``"pydstool"``.
    free : str
        The free parameter.
    p_span : (float, float)
        Where it was followed.
    matched : tuple of Match
        Special points that both report.
    only_ntkcont, only_peer : tuple of Single
        Special points that one of them reports, with evidence.
    stability : Stability
        Agreement on stability along the branch.
    steps : mapping of str to int
        Points of each side: ``"ntkcont"`` and ``peer_name``.
    seconds_per_step : mapping of str to float
        Wall time over points; what was timed is in `timed`.
    timed : mapping of str to str
        What the seconds of each side contain.
    branch : Branch
        What ntkcont found.
    peer : PeerBranch
        What the other program found inside the span.
    notes : tuple of str
        What the reader should know: points of ntkcont that did not converge, a branch that goes to infinity, an end
        that the other program does not reach.
    """

    title: str
    peer_name: str
    free: str
    p_span: tuple[float, float]
    matched: tuple[Match, ...]
    only_ntkcont: tuple[Single, ...]
    only_peer: tuple[Single, ...]
    stability: Stability
    steps: MappingProxyType[str, int]
    seconds_per_step: MappingProxyType[str, float]
    timed: MappingProxyType[str, str]
    branch: Branch
    peer: PeerBranch
    notes: tuple[str, ...] = ()

    @property
    def speedup(self) -> float:
        """How many times the other program's time per step is ntkcont's; nan if it has no point in the span."""
        return self.seconds_per_step[self.peer_name] / self.seconds_per_step["ntkcont"]

    def __repr__(self) -> str:
        from ntkcont.peers.report_text import text

        return text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers and texts, for JSON."""
        return {
            "format": "ntkcont comparison 1",
            "title": self.title,
            "peer": {"name": self.peer_name, "program": self.peer.program, "settings": self.peer.settings},
            "free": self.free,
            "p_span": list(self.p_span),
            "states": list(self.branch.states),
            "matched": [
                {
                    "label": match.label,
                    "ntkcont": _point(match.ntkcont),
                    "peer": _point(match.peer),
                    "dp": match.dp,
                    "dx": match.dx,
                    "distance": match.distance,
                    "signs": {name: list(pair) for name, pair in match.signs.items()},
                    "signs_agree": match.signs_agree,
                    "evidence": match.evidence,
                }
                for match in self.matched
            ],
            "only_ntkcont": [_single(one) for one in self.only_ntkcont],
            "only_peer": [_single(one) for one in self.only_peer],
            "stability": dataclasses.asdict(self.stability),
            "steps": dict(self.steps),
            "points_timed": {"ntkcont": self.steps["ntkcont"], self.peer_name: self.peer.computed},
            "seconds_per_step": dict(self.seconds_per_step),
            "timed": dict(self.timed),
            "cycles": [
                {
                    "from": family.start,
                    "p": family.p.tolist(),
                    "period": family.period.tolist(),
                    "high": family.high.tolist(),
                    "low": family.low.tolist(),
                    "stable": family.stable.tolist(),
                    "special": list(family.special),
                }
                for family in self.peer.cycles
            ],
            "notes": list(self.notes),
            "notes_of_peer": list(self.peer.notes),
        }

    def save(self, folder: str | os.PathLike[str], *, stem: str = "comparison") -> tuple[Path, Path, Path]:
        """Write the report as text, JSON and PNG and return the three paths.

        Parameters
        ----------
        folder : path
            Where; made if it does not exist.
        stem : str, default "comparison"
            Name of the files without their endings.

        Raises
        ------
        InputError
            Something else than a folder has that name.
        """
        from ntkcont.peers.picture import save_picture

        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            msg = f"folder: {target} is not a folder; give another one"
            raise InputError(msg) from None
        words, numbers, picture = (target / f"{stem}.{ending}" for ending in ("txt", "json", "png"))
        words.write_text(f"{self!r}\n", encoding="utf-8")
        numbers.write_text(json.dumps(_finite(self.to_dict()), indent=1, allow_nan=False), encoding="utf-8")
        save_picture(self, picture)
        return words, numbers, picture


def _point(point: SpecialPoint | PeerPoint) -> dict[str, Any]:
    return {"name": point.name, "p": point.p, "x": np.asarray(point.x).tolist()}


def _single(one: Single) -> dict[str, Any]:
    return {
        "label": one.label,
        **_point(one.point),
        "residual": one.residual,
        "test_value": one.test_value,
        "holds": one.holds,
        "evidence": one.evidence,
    }


def _finite(value: Any) -> Any:
    """Return the value with inf and nan, which JSON does not have, as None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
