"""The ``[model]`` table of a problem file: equations, the weights of a network, or a classic."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntkcont.errors import FileFormatError, InputError, unknown_name
from ntkcont.models.weight_files import read_npz
from ntkcont.problem_files.table import Table, is_number, is_texts

if TYPE_CHECKING:
    from ntkcont.models.model import Model

ARRAYS = ("W", "U", "V", "D", "b", "W_in", "W_out", "mask", "sign", "tau", "alpha", "phi_gain")
NETWORK_KEYS = ("keys", "inputs", "form", "phi", "phi_gain", "tau", "alpha")
EQUATION_KEYS = ("params", "aux", "functions", "kind")
SOURCES = {"equations": EQUATION_KEYS, "weights": NETWORK_KEYS, "classic": ("variant", "params")}
MODEL_KEYS = tuple(dict.fromkeys([*SOURCES, *(key for keys in SOURCES.values() for key in keys)]))


def read_model(table: Table, arrays: Mapping[str, Any]) -> Model:
    """Build the model that the table describes.

    Parameters
    ----------
    table : Table
        The ``[model]`` table.
    arrays : mapping
        The arrays of the weights file, empty without one.

    Raises
    ------
    InputError
        Not exactly one of ``equations``, ``weights`` and ``classic``, a key that does not go with it, or what the
        constructor of the model refuses.
    """
    sources = [key for key in SOURCES if key in table]
    if len(sources) != 1:
        got = " and ".join(sources) or "none of them"
        msg = f"[model] needs exactly one of equations, weights, classic; got {got}"
        raise InputError(msg)
    source = sources[0]
    for key in table:
        if key not in (source, *SOURCES[source]):
            msg = f"[model] {key} does not go with {source!r}; what may stand beside it: {', '.join(SOURCES[source])}"
            raise InputError(msg)
    if source == "equations":
        return _equations(table)
    return _network(table, arrays) if source == "weights" else _classic(table)


def _equations(table: Table) -> Model:
    from ntkcont.models.model import Model

    functions = {}
    entries = table.table("functions")
    for name in entries:
        entry = entries.table(name, ("args", "expression"))
        args = entry.get("args", is_texts, 'a list of names, such as ["x"]')
        functions[name] = (tuple(args), entry.text("expression"))
    return Model.from_equations(
        _expressions(table.table("equations")),
        params=table.numbers_by_name("params"),
        aux=_expressions(table.table("aux")) or None,
        functions=functions or None,
        kind=table.text("kind", "flow"),
    )


def _expressions(table: Table) -> dict[str, str]:
    def is_expression(value: Any) -> bool:
        return isinstance(value, str) or is_number(value)

    return {name: str(table.get(name, is_expression, "an expression in quotes")) for name in table}


def _classic(table: Table) -> Model:
    from ntkcont.models import classics

    name = table.text("classic")
    if name not in classics.__all__:
        where = table.where("classic")
        raise unknown_name(where, name, classics.__all__)
    build = getattr(classics, name)
    if "variant" in table and not inspect.signature(build).parameters:
        msg = f"[model] variant: there is only one {name}; leave the key out"
        raise InputError(msg)
    model = build(table.text("variant")) if "variant" in table else build()
    values = table.numbers_by_name("params")
    model.values(values)  # raises for unknown names
    return dataclasses.replace(model, params={**model.params, **values}) if values else model


def _network(table: Table, arrays: Mapping[str, Any]) -> Model:
    from ntkcont.models.networks import LowRank, RateRNN

    options: dict[str, Any] = {key: table.text(key) for key in ("form", "phi") if key in table}
    options |= {key: table.array(key, arrays) for key in ("phi_gain", "tau", "alpha") if key in table}
    inputs = table.table("inputs")
    if inputs.data:
        options["inputs"] = {name: inputs.array(name, arrays) for name in inputs}
    if "keys" in table:
        return RateRNN.from_state_dict(arrays, keys=_keys(table, arrays), **options)
    known = {name: arrays[name] for name in ARRAYS if name in arrays}
    if "U" in known and "V" in known:
        weights = LowRank(known.pop("U"), known.pop("V"), known.pop("D", None))
    elif "W" in known:
        weights = known.pop("W")
    else:
        shown = ", ".join(list(arrays)[:12]) or "nothing"
        msg = f"[model] weights: the file holds {shown}, but neither W nor U and V; name the arrays in [model.keys]"
        raise InputError(msg)
    return RateRNN(weights, **{**known, **options})


def _keys(table: Table, arrays: Mapping[str, Any]) -> dict[str, Any]:
    keys = table.table("keys", ("W", "b", "W_in", "W_out"))
    for key in keys:
        names = keys.get(key, lambda v: isinstance(v, str) or is_texts(v), "an array's name or a list of names")
        for name in [names] if isinstance(names, str) else names:
            if name not in arrays:
                where = keys.where(key)
                raise unknown_name(where, name, arrays)
    return keys.data


def read_arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of an ``.npz`` file; pickled objects are refused.

    Raises
    ------
    InputError
        There is no such file, or it holds something else than plain arrays.
    """
    try:
        return read_npz(path)
    except FileNotFoundError:
        msg = f"[model] weights: there is no file {path}; the path is relative to the problem file"
        raise InputError(msg) from None
    except FileFormatError as error:
        msg = f"[model] weights: {error}"
        raise InputError(msg) from None
