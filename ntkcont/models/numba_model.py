"""Models from a user's numba function: compiled per process, derivatives by finite differences unless given."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numba
import numpy as np
from numba.core.errors import NumbaError

from ntkcont.errors import InputError
from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
from ntkcont.kernels.differences import difference_dfdp, difference_jac
from ntkcont.models.model import Compiled, Model
from ntkcont.models.names import check_clashes, read_params, read_states

_UNWRITTEN = (1.2345678e-300, -9.8765432e299)  # two fillings of `out`: what equals both was not written
_TRIALS = (0.5, -0.5, 0.0, 1.0)


def model_from_numba(
    rhs: Callable[..., Any],
    states: Sequence[str],
    params: Mapping[str, float],
    *,
    jac: Callable[..., Any] | None = None,
    kind: Literal["flow", "map"] = "flow",
) -> Model:
    """Build the model of :meth:`ntkcont.Model.from_numba`."""
    names, values = read_states(states), read_params(params)
    check_clashes({"a state": names, "a parameter": values})
    n, m = len(names), len(values)
    _try(rhs, "rhs", (n,), n, np.array(list(values.values())))
    f = _adapter(rhs, "rhs", m)
    if jac is not None:
        _try(jac, "jac", (n, n), n, np.array(list(values.values())))
    compiled = Compiled(f, _differenced_jac(f) if jac is None else _jac_adapter(jac, m), _differenced_dfdp(f, m))
    from ntkcont.models.callback_twin import Twin  # imports jax only when called

    source = _source_text(rhs) + ("" if jac is None else _source_text(jac))
    return Model(
        kind=kind,
        states=names,
        params=values,
        build=lambda: compiled,
        jax_function=Twin(compiled, n, m),
        description=f"numba function {getattr(rhs, '__name__', 'rhs')}\n{source}",
        digest=hashlib.sha256(repr((source, kind, names, values)).encode()).hexdigest()[:16],
    )


def _source_text(function: Any) -> str:
    plain = getattr(function, "py_func", function)
    try:
        return inspect.getsource(plain)
    except (OSError, TypeError):
        code = getattr(plain, "__code__", None)
        return f"{plain!r}" if code is None else f"bytecode {hashlib.sha256(code.co_code).hexdigest()}"


def _dispatcher(function: Any, **options: Any) -> Any:
    if hasattr(function, "py_func") and not options:
        return function
    return numba.njit(getattr(function, "py_func", function), error_model="numpy", **options)


def _adapter(function: Any, argument: str, m: int) -> Any:
    """Return `function(out, x, p)` with the signature of compiled models."""
    inner = _dispatcher(function)

    def adapted(out, x, p, c):  # noqa: ARG001
        inner(out, x, p[:m])

    return _compile(adapted, RHS_SIGNATURE, argument)


def _jac_adapter(function: Any, m: int) -> Any:
    inner = _dispatcher(function)

    def adapted(out, x, p, c):  # noqa: ARG001
        out[:] = 0.0
        inner(out, x, p[:m])

    return _compile(adapted, JAC_SIGNATURE, "jac")


def _differenced_jac(rhs: Any) -> Any:
    def jac(out, x, p, c):
        difference_jac(rhs, out, x, p, c)

    return _compile(jac, JAC_SIGNATURE, "rhs")


def _differenced_dfdp(rhs: Any, m: int) -> Any:
    def dfdp(out, x, p, c):
        difference_dfdp(rhs, m, out, x, p, c)

    return _compile(dfdp, RHS_SIGNATURE, "rhs")


def _compile(function: Any, signature: Any, argument: str) -> Any:
    try:
        return numba.njit(signature, error_model="numpy")(function)
    except NumbaError as error:
        msg = f"{argument}: numba cannot compile it: {_short(error)}"
        raise InputError(msg) from None


def _try(function: Any, argument: str, shape: tuple[int, ...], n: int, p: Any) -> None:
    """Compile `function` with bounds checks and call it at a few states: it must write all of `out`, and only that."""
    plain = getattr(function, "py_func", function)
    if not callable(function):
        msg = f"{argument}: got {function!r}; it must be a function {argument}(out, x, p) that numba can compile"
        raise InputError(msg)
    try:
        inspect.signature(plain).bind(None, None, None)
    except TypeError:
        given = f"{getattr(plain, '__name__', argument)}{inspect.signature(plain)}"
        msg = f"{argument}: {given} was given; it must take three arguments, {argument}(out, x, p), and write into out"
        raise InputError(msg) from None
    except ValueError:  # no signature to be had
        pass
    checked = _dispatcher(function, boundscheck=True)
    failure: Exception | None = None
    for trial in _TRIALS:
        outs = []
        for filling in _UNWRITTEN:
            out, x, q = np.full(shape, filling), np.full(n, trial), p.copy()
            try:
                checked(out, x, q)
            except NumbaError as error:
                msg = f"{argument}: numba cannot compile it: {_short(error)}"
                raise InputError(msg) from None
            except IndexError as error:
                sizes = f"out has shape {shape}, x {n} and p {len(p)} elements"
                msg = f"{argument}: it uses an index that is out of bounds ({error}); {sizes}"
                raise InputError(msg) from None
            except Exception as error:
                failure = error
                break
            if np.any(x != trial) or np.any(q != p):
                msg = (
                    f"{argument}: it changes its argument {'x' if np.any(x != trial) else 'p'}; only out may be written"
                )
                raise InputError(msg)
            outs.append(out)
        if len(outs) == 2:
            unwritten = (outs[0] == _UNWRITTEN[0]) & (outs[1] == _UNWRITTEN[1])
            if np.all(unwritten) or (argument == "rhs" and np.any(unwritten)):
                where = "out" if np.all(unwritten) else f"out[{int(np.flatnonzero(unwritten)[0])}]"
                msg = f"{argument}: it does not write {where}; assign every element of out (not the name: out[:] = ...)"
                raise InputError(msg)
            return
    shown = f"{type(failure).__name__}: {failure}"
    msg = f"{argument}: it raises at every state that was tried, such as x = {_TRIALS[0]}: {shown}"
    raise InputError(msg)


def _short(error: Exception) -> str:
    """Return the line of a numba error that says what is wrong."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    noise = ("Failed in nopython mode", "During: ", "File ", "There are ", "<source", "- Of which", "Overload ", "* ")
    useful = [line for line in lines if not line.startswith(noise) and not line.endswith("File:")]
    best = next(
        (line for line in useful if re.search(r"No implementation|Untyped|NameError|cannot|Unknown|Cannot", line)), None
    )
    line = best or (useful[0] if useful else text)
    return line if len(line) <= 200 else line[:197] + "..."
