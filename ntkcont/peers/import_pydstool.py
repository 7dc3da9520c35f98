"""PyDSTool in this very process, for those who build its Generators."""

from __future__ import annotations

import importlib
from types import ModuleType

from ntkcont.peers.pydstool import check_python


def import_pydstool() -> ModuleType:
    """Return the module PyDSTool, which does not import by itself on today's NumPy, SciPy and Python.

    What PyDSTool misses is put back first, in this process and for all that runs in it: names in ``numpy``, ``scipy``,
    ``scipy.special`` and ``scipy.optimize`` (``numpy.Inf``, ``scipy.exp``, ...), the modules of the standard library
    that it needs from older versions, and NumPy's print options (``legacy="1.25"``: numbers print as ``1.0`` instead of
    ``np.float64(1.0)``).  Names that exist are left alone.  It cannot be undone; ``nc.compare`` and
    ``nc.from_pydstool`` of a dict do not need it.

    Returns
    -------
    module
        As ``import PyDSTool`` gives it; from then on that statement works too.

    Raises
    ------
    PeerError
        PyDSTool is not installed, or this is Python 3.13 or newer, on which it cannot run; nothing was changed.

    Examples
    --------
    ::

        PyDSTool = nc.peers.import_pydstool()
        generator = PyDSTool.Generator.Vode_ODEsystem(PyDSTool.args(name="decay", varspecs={"x": "-x"}, ics={"x": 1.0}))
        model = nc.from_pydstool(generator)
    """
    check_python()
    from ntkcont.peers.pydstool_child import shim

    shim.install()
    return importlib.import_module("PyDSTool")
