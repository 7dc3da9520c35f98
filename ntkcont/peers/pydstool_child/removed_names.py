"""Names that NumPy and SciPy have dropped since 2019 and that PyDSTool still asks for."""

from __future__ import annotations

import builtins
import types
from typing import Any

_NUMPY_ALIASES = {
    **{name: getattr(builtins, name) for name in ("int", "float", "complex", "bool", "object", "str")},
}
# old name: present name
_NUMPY_RENAMED = {
    "Inf": "inf",
    "Infinity": "inf",
    "PINF": "inf",
    "NaN": "nan",
    "float_": "float64",
    "complex_": "complex128",
    "int0": "intp",
    "sometrue": "any",
    "alltrue": "all",
    "product": "prod",
    "cumproduct": "cumprod",
    "round_": "round",
    "trapz": "trapezoid",
    "mat": "asmatrix",
    "row_stack": "vstack",
}
# NumPy functions that scipy handed on at its top level
_SCIPY_TOP = (
    *("mod", "linspace", "isfinite", "sign", "alltrue", "sometrue", "arctan", "arctan2", "zeros", "polyfit", "mean"),
    *("sqrt", "pi", "array", "exp", "log", "sin", "cos", "tan"),
)
# gone without a successor of the same meaning; PyDSTool only lists them
_SCIPY_SPECIAL = (
    *("lpn", "lqn", "lpmn", "lqmn", "clpmn", "sph_harm", "sph_jn", "sph_yn", "sph_in", "sph_kn", "sph_jnyn"),
    *("sph_inkn", "itj0y0", "btdtr", "btdtri", "errprint"),
)


def _add(module: Any, name: str, value: Any) -> None:
    """Add a name to a module that lacks it."""
    if name not in vars(module):
        setattr(module, name, value)


def _gone(name: str) -> Any:
    def function(*_: Any, **__: Any) -> None:
        msg = f"scipy.special.{name} was removed from SciPy"
        raise NotImplementedError(msg)

    return function


def restore() -> None:
    """Put the names back, in this process."""
    import numpy as np
    import scipy
    import scipy.optimize
    import scipy.special

    for name, value in _NUMPY_ALIASES.items():
        _add(np, name, value)
    _add(np, "NINF", -np.inf)
    for old, new in _NUMPY_RENAMED.items():
        if hasattr(np, new):
            _add(np, old, getattr(np, new))
    _add(np, "in1d", lambda a, b, **options: np.isin(np.ravel(a), b, **options))
    _add(np, "asscalar", lambda a: a.item())
    # PyDSTool writes numbers into source text with repr: "1.0", not "np.float64(1.0)"
    np.set_printoptions(legacy="1.25")
    for module in (np, scipy):
        _add(module, "who", lambda *_, **__: None)
    for name in _SCIPY_TOP:
        _add(scipy, name, getattr(np, name))
    for name in _SCIPY_SPECIAL:
        _add(scipy.special, name, _gone(name))
    old = types.SimpleNamespace(fsolve=scipy.optimize.fsolve, leastsq=scipy.optimize.leastsq)
    _add(scipy.optimize, "minpack", old)
    _add(scipy.optimize, "optimize", scipy.optimize)
