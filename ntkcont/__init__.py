"""Bifurcation diagrams of dynamical systems and recurrent networks, annotated with the neural tangent kernel.

Names are resolved on first use, so that ``import ntkcont`` stays fast: numba, jax, sympy, scipy.linalg and matplotlib
load only when something needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ntkcont.errors import ConvergenceError, FileFormatError, InputError, PeerError
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont import ntk, peers, plot
    from ntkcont.dialects.pydstool import from_pydstool
    from ntkcont.dialects.pydstool_out import to_pydstool
    from ntkcont.dialects.xpp import from_xpp
    from ntkcont.dialects.xpp_out import to_xpp
    from ntkcont.dynamics.cycles import cycle_envelope
    from ntkcont.dynamics.fixed_points import FixedPoints, find_fixed_points
    from ntkcont.dynamics.simulate import simulate
    from ntkcont.ensembles.problem import Problem
    from ntkcont.ensembles.verb import ensemble
    from ntkcont.models import classics
    from ntkcont.models.checkpoint_files import Checkpoints, load_checkpoints
    from ntkcont.models.gru import GRU
    from ntkcont.models.model import Model
    from ntkcont.models.networks import LowRank, RateRNN
    from ntkcont.models.training_path import TrainingPath
    from ntkcont.normal_forms.verb import normal_form
    from ntkcont.ntk.annotate import annotate
    from ntkcont.pathfollowing.diagrams import diagram
    from ntkcont.pathfollowing.driver import continuation, iterate
    from ntkcont.pathfollowing.events import BranchPoint, Fold, Hopf, NeimarkSacker, PeriodDoubling, UserZero
    from ntkcont.pathfollowing.extend import extend
    from ntkcont.pathfollowing.settings import ContinuationSettings
    from ntkcont.peers.compare import compare
    from ntkcont.results.branch import Branch
    from ntkcont.results.critical_curve import CriticalCurve
    from ntkcont.results.diagram import Diagram
    from ntkcont.results.doubtful import Doubtful
    from ntkcont.results.ensemble import Ensemble, Outcome
    from ntkcont.results.lifted import lifted
    from ntkcont.results.load import load
    from ntkcont.results.signatures import Signatures
    from ntkcont.results.special_points import SpecialPoint, SpecialPoints
    from ntkcont.results.training_record import TrainingRecord
    from ntkcont.training.follow import follow_training

__version__ = "0.1.0"

# name: module that holds it (a name equal to the module's last part is the module itself)
_LAZY = {
    "Model": "models.model",
    "RateRNN": "models.networks",
    "LowRank": "models.networks",
    "GRU": "models.gru",
    "Checkpoints": "models.checkpoint_files",
    "load_checkpoints": "models.checkpoint_files",
    "TrainingPath": "models.training_path",
    "classics": "models.classics",
    "continuation": "pathfollowing.driver",
    "iterate": "pathfollowing.driver",
    "extend": "pathfollowing.extend",
    "diagram": "pathfollowing.diagrams",
    "ContinuationSettings": "pathfollowing.settings",
    "Fold": "pathfollowing.events",
    "Hopf": "pathfollowing.events",
    "BranchPoint": "pathfollowing.events",
    "PeriodDoubling": "pathfollowing.events",
    "NeimarkSacker": "pathfollowing.events",
    "UserZero": "pathfollowing.events",
    "follow_training": "training.follow",
    "TrainingRecord": "results.training_record",
    "ensemble": "ensembles.verb",
    "Problem": "ensembles.problem",
    "Ensemble": "results.ensemble",
    "Outcome": "results.ensemble",
    "simulate": "dynamics.simulate",
    "find_fixed_points": "dynamics.fixed_points",
    "FixedPoints": "dynamics.fixed_points",
    "cycle_envelope": "dynamics.cycles",
    "Branch": "results.branch",
    "SpecialPoint": "results.special_points",
    "SpecialPoints": "results.special_points",
    "Signatures": "results.signatures",
    "load": "results.load",
    "lifted": "results.lifted",
    "Diagram": "results.diagram",
    "Doubtful": "results.doubtful",
    "CriticalCurve": "results.critical_curve",
    "from_pydstool": "dialects.pydstool",
    "to_pydstool": "dialects.pydstool_out",
    "from_xpp": "dialects.xpp",
    "to_xpp": "dialects.xpp_out",
    "normal_form": "normal_forms.verb",
    "annotate": "ntk.annotate",
    "compare": "peers.compare",
    "peers": "peers",
    "ntk": "ntk",
    "plot": "plot",
}

__all__ = ["ConvergenceError", "FileFormatError", "InputError", "PeerError", "Status", "__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        msg = f"module 'ntkcont' has no attribute {name!r}"
        raise AttributeError(msg)
    module = importlib.import_module(f"ntkcont.{_LAZY[name]}")
    is_module = _LAZY[name].rsplit(".", 1)[-1] == name and not hasattr(module, name)
    value = module if is_module else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
