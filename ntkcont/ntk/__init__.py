"""ntk."""
from ntkcont.ntk.evaluator import StateNTK
