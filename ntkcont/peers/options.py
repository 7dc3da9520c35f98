"""Checks of the numbers that comparators take as options."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from ntkcont.errors import InputError


def positive(name: str, value: Any) -> float:
    """Return `value` as a float.

    Raises
    ------
    InputError
        It is not a positive finite number.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        msg = f"{name}: got {value!r}; it must be a positive number"
        raise InputError(msg)
    number = float(value)
    if not (number > 0 and math.isfinite(number)):
        msg = f"{name}: got {value!r}; it must be positive and finite"
        raise InputError(msg)
    return number


def check_options(peer: Any, optional: Collection[str], *, whole: Collection[str], required: Collection[str]) -> None:
    """Check attributes of a comparator: positive numbers, `optional` ones of which may be None, `whole` ones counts.

    Raises
    ------
    InputError
        One of them is not a positive number, or no whole one where it counts.
    """
    for name in (*optional, *whole, *required):
        value = getattr(peer, name)
        if value is None and name in optional:
            continue
        positive(name, value)
        if name in whole and not isinstance(value, Integral):
            msg = f"{name}: got {value!r}; it must be a whole number"
            raise InputError(msg)
