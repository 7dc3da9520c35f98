"""Pictures of branches. Functions take the axes to draw on, compute nothing, and leave rcParams alone."""

from ntkcont.plot.complex_plane import spectrum
from ntkcont.plot.diagram import bifurcation_diagram
from ntkcont.plot.ensembles import ensemble
from ntkcont.plot.panels import ntk_panels
from ntkcont.plot.states import state_space
from ntkcont.plot.training import training
from ntkcont.plot.two_parameter import two_parameter

__all__ = ["bifurcation_diagram", "ensemble", "ntk_panels", "spectrum", "state_space", "training", "two_parameter"]
