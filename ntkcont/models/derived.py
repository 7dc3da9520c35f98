"""Models derived from others: several parameters moved together, iterates of a map."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError, unknown_name
from ntkcont.models.model import Compiled, Model


def along(model: Model, p0: Mapping[str, float], p1: Mapping[str, float]) -> Model:
    """Return the model of :meth:`ntkcont.Model.along`."""
    ends = []
    for argument, p in (("p0", p0), ("p1", p1)):
        if not isinstance(p, Mapping):
            msg = f"{argument}: got {type(p).__name__}; it must be a mapping from parameter names to values"
            raise InputError(msg)
        for name in p:
            if name not in model.params:
                raise unknown_name(argument, name, model.params)
        ends.append({name: _number(argument, name, value) for name, value in p.items()})
    start, end = ends
    if set(start) != set(end) or not start:
        only = sorted(set(start) ^ set(end))
        what = f"{only[0]!r} is in only one of them" if only else "they are empty"
        msg = f"p0, p1: {what}; both must name the same parameters, those that move"
        raise InputError(msg)
    kept = {name: value for name, value in model.params.items() if name not in start}
    mix, count = "mix", 1
    while mix in kept:
        count += 1
        mix = f"mix{count}"
    names, params = list(model.params), {**kept, mix: 0.0}
    offset, matrix = np.zeros(len(names)), np.zeros((len(names), len(params)))
    for column, name in enumerate(kept):
        matrix[names.index(name), column] = 1.0
    for name in start:
        offset[names.index(name)] = start[name]
        matrix[names.index(name), -1] = end[name] - start[name]
    if model.matrix is not None:
        offset = model.matrix @ offset + (0.0 if model.offset is None else model.offset)
        matrix = model.matrix @ matrix
    path = ", ".join(f"{name}: {start[name]!r} -> {end[name]!r}" for name in start)
    return _plain(
        model,
        params=params,
        build=lambda: model.compiled,  # nothing is compiled again
        offset=offset,
        matrix=matrix,
        description=f"{model.description}\nalong {mix}: {path}",
        digest=_digest(model, "along", sorted(start.items()), sorted(end.items())),
        base=model.base if model.base is not None else model,
    )


def power(model: Model, k: int) -> Model:
    """Return the model of :meth:`ntkcont.Model.power`."""
    if model.kind != "map":
        msg = "power: the model is a flow; only maps can be iterated (periodic orbits of flows are not fixed points)"
        raise InputError(msg)
    if isinstance(k, bool) or not isinstance(k, numbers.Integral) or k < 1:
        msg = f"k: got {k!r}; it must be an integer of at least 1"
        raise InputError(msg)
    k = int(k)

    def iterate(x: Any, p: Any, theta: Any) -> Any:
        for _ in range(k):
            x = model.jax_function(x, p, theta)
        return x

    written = model.equations
    once, times = (model, 1) if model.iterated is None else model.iterated
    return _plain(
        model,
        iterated=(once, k * times),
        build=lambda: _iterated(model.compiled, k),
        jax_function=iterate,
        input_size=None,  # every step of an iterate would have its own
        description=f"{model.description}\niterated {k} times",
        digest=_digest(model, "power", k),
        base=None,
        # the signs of states change along an orbit; what depends on the parameters alone does not
        switching=model.switching if model.switching is not None and model.switching.all_quiet else None,
        equations=None if written is None else written._replace(iterations=k * written.iterations),
    )


def _plain(model: Model, **changes: Any) -> Model:
    """Return a plain Model with the fields of `model`, which may be of a subclass with a constructor of its own."""
    fields = {f.name: getattr(model, f.name) for f in dataclasses.fields(Model)}
    return Model(**{**fields, **changes})


def _number(argument: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        msg = f"{argument}[{name!r}]: got {value!r}; it must be one finite number"
        raise InputError(msg)
    return number


def _digest(model: Model, *what: Any) -> str:
    return hashlib.sha256(repr((model.digest, *what)).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=64)  # a diagram with orbits of period k may be asked for again
def _iterated(compiled: Compiled, k: int) -> Compiled:
    """Bind the kernels of iteration to the functions of one map."""
    import numba

    from ntkcont.kernels.abi import JAC_SIGNATURE, RHS_SIGNATURE
    from ntkcont.kernels.iterates import iterate_dfdp, iterate_jac, iterate_map

    g, dg, slope = compiled

    @numba.njit(RHS_SIGNATURE, error_model="numpy")
    def rhs(out, x, p, c):
        iterate_map(g, k, out, x, p, c)

    @numba.njit(JAC_SIGNATURE, error_model="numpy")
    def jac(out, x, p, c):
        iterate_jac(g, dg, k, out, x, p, c)

    @numba.njit(RHS_SIGNATURE, error_model="numpy")
    def dfdp(out, x, p, c):
        iterate_dfdp(g, dg, slope, k, out, x, p, c)

    return Compiled(rhs, jac, dfdp)
