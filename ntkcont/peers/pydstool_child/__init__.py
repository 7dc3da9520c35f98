"""What runs inside the child process of the PyDSTool comparator, and nowhere else.

PyDSTool 0.91 was written for the Python and NumPy of 2019.  The modules here put back what it expects, for the whole
process they run in; importing them changes nothing, :func:`ntkcont.peers.pydstool_child.shim.install` does.
"""
