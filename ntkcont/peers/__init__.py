"""Other programs on the same problem, side by side: ``nc.compare``.

A comparator is a class with a ``name`` and a ``follow`` method (:class:`ntkcont.peers.protocol.Peer`) in one file, and
a line in :mod:`ntkcont.peers.registry` if it shall have a name.  Each runs its program in a process of its own.
"""

from ntkcont.peers.import_pydstool import import_pydstool
from ntkcont.peers.protocol import Peer, PeerBranch, PeerCycles, PeerPoint, PeerTask
from ntkcont.peers.pydstool import PyDSTool
from ntkcont.peers.report import Comparison, Match, Single
from ntkcont.peers.xpplab import XPPLab

__all__ = [
    "Comparison",
    "Match",
    "Peer",
    "PeerBranch",
    "PeerCycles",
    "PeerPoint",
    "PeerTask",
    "PyDSTool",
    "Single",
    "XPPLab",
    "import_pydstool",
]
