"""Models whose right-hand side is a Python function: compiled code calls it back, derivatives are differences."""

from __future__ import annotations

import hashlib
import itertools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numba
import numpy as np
from numba import objmode  # pyright: ignore[reportAttributeAccessIssue]

from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.differences import difference_dfdp, difference_jac
from ntkcont.models.callback_twin import Twin
from ntkcont.models.model import Array, Compiled, Model

_numbers = itertools.count()
_registry: weakref.WeakValueDictionary[int, _PythonTwin] = weakref.WeakValueDictionary()


def model_from_python(
    function: Callable[[Array, Array], Array],
    states: Sequence[str],
    params: Mapping[str, float],
    kind: Literal["flow", "map"],
    description: str,
) -> Model:
    """Build a model from ``function(x, p) -> (n,)``, any Python.

    Parameters
    ----------
    function : callable
        Takes the state (n,) and the parameters (m,) and returns n numbers; an exception ends a continuation.
    states : sequence of str
        Names of the states.
    params : mapping
        Names and default values of the parameters, in the order of `p`.
    kind : {"flow", "map"}
        ``x' = f`` or ``x <- f``.
    description : str
        For the provenance.

    Returns
    -------
    Model
        Some 20 us slower a call than the function itself; derivatives are central differences.
    """
    twin = _PythonTwin(function, len(states), len(params))
    digest = hashlib.sha256(repr((description, kind, tuple(states), dict(params))).encode()).hexdigest()[:16]
    return Model(
        kind=kind,
        states=tuple(states),
        params=params,
        build=lambda: twin.functions,
        jax_function=twin,
        constants=np.array([float(twin.number)]),
        description=description,
        digest=digest,
    )


class _PythonTwin(Twin):
    """The Python function behind a number, and the JAX twin that calls it back."""

    def __init__(self, function: Callable[[Array, Array], Array], n: int, m: int) -> None:
        self.function, self.number = function, next(_numbers)
        self.functions = Compiled(_rhs, _jac, _dfdp(m))
        constants = np.array([float(self.number)])

        def bound(f: Any) -> Any:
            return lambda out, x, p, c: f(out, x, p, constants)  # noqa: ARG005

        super().__init__(Compiled(*[bound(f) for f in self.functions]), n, m)
        _registry[self.number] = self


def _call(out: Any, x: Any, p: Any, c: Any) -> None:
    twin = _registry.get(int(c[0]))
    if twin is None:
        msg = "the Python function behind this model no longer exists; keep a reference to the model"
        raise RuntimeError(msg)
    out[:] = twin.function(x, p[: twin.m])


@numba.njit(RHS_SIGNATURE, error_model="numpy")
def _rhs(out: Any, x: Any, p: Any, c: Any) -> None:
    with objmode():
        _call(out, x, p, c)


@numba.njit(JAC_SIGNATURE, error_model="numpy")
def _jac(out: Any, x: Any, p: Any, c: Any) -> None:
    difference_jac(_rhs, out, x, p, c)


def _dfdp(m: int) -> Any:
    @numba.njit(RHS_SIGNATURE, error_model="numpy")
    def dfdp(out: Any, x: Any, p: Any, c: Any) -> None:
        difference_dfdp(_rhs, m, out, x, p, c)

    return dfdp
