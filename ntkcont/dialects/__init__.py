"""Models written for other programs, read and written: PyDSTool, XPP, LaTeX."""
