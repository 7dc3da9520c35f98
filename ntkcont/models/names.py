"""Names of states and parameters, read with errors that say what a name may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ntkcont.errors import InputError
from ntkcont.models.text import KEYWORDS


def read_name(name: Any, argument: str) -> str:
    """Return a name as text; a sympy symbol may stand for its own."""
    name = getattr(name, "name", name)
    if not isinstance(name, str) or not name.isidentifier() or name in KEYWORDS:
        msg = f"{argument}: {name!r} is not a name; use letters, digits and underscores (not {', '.join(KEYWORDS)})"
        raise InputError(msg)
    return name


def read_mapping(mapping: Any, argument: str) -> dict[str, Any]:
    """Return a mapping with its keys as names."""
    if not isinstance(mapping, Mapping):
        msg = f"{argument}: got {type(mapping).__name__}; it must be a mapping from names to values"
        raise InputError(msg)
    result: dict[str, Any] = {}
    for key, value in mapping.items():
        name = read_name(key, argument)
        if name in result:
            msg = f"{argument}: the name {name!r} appears twice"
            raise InputError(msg)
        result[name] = value
    return result


def read_states(states: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the states."""
    if isinstance(states, str):
        states = (states,)
    try:
        names = tuple(read_name(s, "states") for s in states)
    except TypeError:
        msg = f"states: got {states!r}; give the names of the states, such as ('v', 'w')"
        raise InputError(msg) from None
    if not names:
        msg = "states: empty; give one name for each state"
        raise InputError(msg)
    for i, name in enumerate(names):
        if name in names[:i]:
            msg = f"states: the name {name!r} appears twice"
            raise InputError(msg)
    return names


def read_params(params: Any) -> dict[str, float]:
    """Return the parameters with their values as finite floats."""
    result = {}
    for name, value in read_mapping(params, "params").items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            msg = f"params[{name!r}]: got {value!r}; it must be one finite number"
            raise InputError(msg)
        result[name] = number
    return result


def check_clashes(groups: Mapping[str, Iterable[str]]) -> None:
    """Refuse a name that means two things."""
    owner: dict[str, str] = {}
    for what, names in groups.items():
        for name in names:
            if name in owner:
                msg = f"the name {name!r} is both {owner[name]} and {what}; rename one"
                raise InputError(msg)
            owner[name] = what
