"""What a trajectory kernel says about gradient descent: the next step, the decay of the loss, what is slow."""

from ntkcont.ntk.learning.ahead import BifurcationsAhead
from ntkcont.ntk.learning.report import LearningReport, SlowMode
from ntkcont.ntk.learning.verb import learning_report

__all__ = ["BifurcationsAhead", "LearningReport", "SlowMode", "learning_report"]
