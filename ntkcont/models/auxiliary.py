"""Named quantities of equation models, evaluated when somebody asks for them."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.errors import unknown_name

if TYPE_CHECKING:
    from ntkcont.models.equations import Equations
    from ntkcont.models.evaluation import Array, Evaluated

_functions: weakref.WeakKeyDictionary[Evaluated, dict[str, Callable[[Any, Any], Any]]] = weakref.WeakKeyDictionary()


def names(model: Evaluated) -> tuple[str, ...]:
    """Return the names of the quantities; knowing them needs no sympy."""
    return () if model.equations is None else tuple(model.equations.aux)


def evaluate(model: Evaluated, wanted: Sequence[str], x: Array, p: Array) -> dict[str, Array]:
    """Evaluate some of the quantities of a model.

    Parameters
    ----------
    model : Model
    wanted : sequence of str
        Names of quantities.
    x : ndarray, shape (..., n)
        States.
    p : ndarray, shape (..., M)
        Compiled parameters.

    Returns
    -------
    dict of str to ndarray, shape (...)

    Raises
    ------
    InputError
        A name is unknown.
    """
    known = _functions.setdefault(model, {})
    shape = np.broadcast_shapes(x.shape[:-1], p.shape[:-1])
    found = {}
    for name in wanted:
        if model.equations is None or name not in model.equations.aux:
            argument = "aux"
            raise unknown_name(argument, name, names(model))
        if name not in known:
            known[name] = _function(model.equations, name)
        with np.errstate(all="ignore"):  # where(x > 0, log(x), 0) computes both branches
            value = known[name](np.moveaxis(x, -1, 0), np.moveaxis(p, -1, 0))
        found[name] = np.array(np.broadcast_to(np.asarray(value, dtype=float), shape))
    return found


def _function(written: Equations, name: str) -> Callable[[Any, Any], Any]:
    """Return the quantity as a function of states and compiled parameters, by numpy; imports sympy."""
    from ntkcont.models import symbolic as sym
    from ntkcont.models.codegen import _JAX, Writer
    from ntkcont.models.expressions import Reader

    reader = Reader(tuple(written.equations), written.params, written.aux, written.functions)
    expr = reader.number(reader.name(name, f"aux[{name!r}]", {}))
    writer = Writer({**_JAX, sym.Exprel: "exprel({}, {})", sym.Sigmoid: "expit({})", sym.Softplus: "softplus({})"})
    (text,) = writer.write([expr])
    loads = [f"{s} = x[{i}]" for i, s in enumerate(reader.x) if s in writer.used]
    loads += [f"{s} = p[{j}]" for j, s in enumerate(reader.p) if s in writer.used]
    body = "".join(f"    {line}\n" for line in [*loads, *writer.lines, f"return {text}"])
    namespace = dict(_numpy_functions())
    exec(compile(f"def quantity(x, p):\n{body}", f"<aux {name}>", "exec"), namespace)  # our own text: numbers and names
    return namespace["quantity"]


@functools.cache
def _numpy_functions() -> Mapping[str, Any]:
    import types

    from scipy import special

    return {
        "jnp": np,
        "jax": types.SimpleNamespace(scipy=types.SimpleNamespace(special=special)),
        "absolute": np.abs,
        "step": np.heaviside,
        "exprel": lambda _, x: special.exprel(x),  # derivatives alone have another order than 0
        "expit": special.expit,
        "softplus": lambda y: np.logaddexp(0.0, y),
    }
