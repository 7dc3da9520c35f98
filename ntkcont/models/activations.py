"""The activation of a rate network: the named ones, and a pair of functions of the user's."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ntkcont.errors import InputError, nearest
from ntkcont.kernels.rate_rnn_layout import PHIS, USER

# central differences of eighth order: error of 1e-14 for a function that varies on a scale of 1
_STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
_STEP = 0.02
_CHECKED = np.concatenate([np.linspace(-6.0, 6.0, 601), np.linspace(-0.05, 0.05, 21)])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Phi:
    """An activation: its name, an elementwise JAX function, and what the compiled network needs.

    Parameters
    ----------
    name : str
        "tanh", ..., or the name of the user's function.
    number : int
        Which branch of the compiled functions computes it.
    jax : callable
        Elementwise function of an array, traceable by JAX and differentiable as often as needed.
    numba, derivative : callable or None
        Compiled functions of one number, for an activation of the user's.
    digest : str
        Changes with the code of the user's functions.
    """

    name: str
    number: int
    jax: Callable[[Any], Any]
    numba: Any = None
    derivative: Any = None
    digest: str = ""


def _tanh(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.tanh(x)


def _relu(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.where(x <= 0.0, 0.0, x)


def _softplus(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.logaddexp(x, 0.0)


def _sigmoid(x: Any) -> Any:
    import jax

    return jax.nn.sigmoid(x)


def _retanh(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.where(x <= 0.0, 0.0, jnp.tanh(x))


_JAX = {"tanh": _tanh, "relu": _relu, "softplus": _softplus, "sigmoid": _sigmoid, "retanh": _retanh}


def find_phi(phi: Any) -> Phi:
    """Return the :class:`Phi` for a name or for ``(numba function, [derivative,] jax function)``."""
    if isinstance(phi, Phi):
        return phi
    if isinstance(phi, str):
        if phi not in PHIS:
            msg = f"phi: {phi!r} is unknown; {nearest(phi, PHIS)} A pair (numba function, jax function) is possible too"
            raise InputError(msg)
        return Phi(name=phi, number=PHIS[phi], jax=_JAX[phi])
    if isinstance(phi, (tuple, list)) and len(phi) in (2, 3) and all(callable(f) for f in phi):
        return _user_phi(tuple(phi))  # the same functions again: no second compilation
    msg = (
        f"phi: {phi!r} was given; it may be one of {', '.join(map(repr, PHIS))}, a pair (f, jax_f) "
        "or a triple (f, derivative, jax_f) of functions of one number"
    )
    raise InputError(msg)


def _compiled(function: Any, argument: str) -> Any:
    import numba

    try:
        dispatcher = function if hasattr(function, "py_func") else numba.njit(error_model="numpy")(function)
        value = dispatcher(0.5)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        msg = f"{argument}: numba could not compile or run it on the number 0.5 ({type(error).__name__}: {reason})"
        raise InputError(msg) from error
    if not isinstance(value, (float, int)):
        msg = f"{argument}: it returned {type(value).__name__} for the number 0.5; it must return one number"
        raise InputError(msg)
    return dispatcher


def _differences(f: Any) -> Any:
    import numba

    c1, c2, c3, c4 = _STENCIL
    h = _STEP

    @numba.njit(error_model="numpy")
    def derivative(x: float) -> float:
        total = c1 * (f(x + h) - f(x - h)) + c2 * (f(x + 2 * h) - f(x - 2 * h))
        total += c3 * (f(x + 3 * h) - f(x - 3 * h)) + c4 * (f(x + 4 * h) - f(x - 4 * h))
        return total / h

    return derivative


@functools.lru_cache(maxsize=64)
def _user_phi(given: tuple[Any, ...]) -> Phi:
    f, jax_f = given[0], given[-1]
    compiled = _compiled(f, "phi[0]")
    derivative = _compiled(given[1], "phi[1]") if len(given) == 3 else _differences(compiled)
    values, slopes = _jax_values(jax_f)
    difference, at = _largest(np.array([compiled(x) for x in _CHECKED]), values)
    if not difference < 1e-9:
        msg = f"phi: the numba and the jax function differ by {difference:.2g} at {at:.4g}; make them the same function"
        raise InputError(msg)
    difference, at = _largest(np.array([derivative(x) for x in _CHECKED]), slopes)
    if not difference < 1e-8:
        remedy = "correct the second function"
        if len(given) == 2:
            remedy = "it bends too sharply for finite differences, so give (f, derivative, jax_f)"
        msg = f"phi: its derivative differs from that of the jax function by {difference:.2g} at {at:.4g}; {remedy}"
        raise InputError(msg)
    python = [getattr(g, "py_func", g) for g in given]
    code = b"".join(getattr(getattr(g, "__code__", None), "co_code", repr(g).encode()) for g in python)
    consts = repr([getattr(getattr(g, "__code__", None), "co_consts", ()) for g in python])
    return Phi(
        name=getattr(python[0], "__name__", "user"),
        number=USER,
        jax=jax_f,
        numba=compiled,
        derivative=derivative,
        digest=hashlib.sha256(code + consts.encode()).hexdigest(),
    )


def _largest(ours: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the largest relative difference (inf for nan) and where it is."""
    error = np.nan_to_num(np.abs(ours - truth) / (1.0 + np.abs(truth)), nan=np.inf)
    k = int(np.argmax(error))
    return float(error[k]), float(_CHECKED[k])


def _jax_values(jax_f: Any) -> tuple[np.ndarray, np.ndarray]:
    import jax

    from ntkcont.jax_tools import x64

    with x64():
        try:
            values, slopes = jax.jvp(jax_f, (_CHECKED,), (np.ones_like(_CHECKED),))
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            msg = f"phi[-1]: jax could not apply it to an array ({type(error).__name__}: {reason})"
            raise InputError(msg) from error
        values, slopes = np.asarray(values), np.asarray(slopes)
    if values.shape != _CHECKED.shape:
        msg = f"phi[-1]: it returned shape {values.shape} for {_CHECKED.shape}; it must be elementwise"
        raise InputError(msg)
    return values, slopes
