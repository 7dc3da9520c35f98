"""One table of a problem file: which keys it may have, and the type of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError, nearest, unknown_name


def is_number(value: Any) -> bool:
    """Return whether `value` is an integer or a float (true and false are neither)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_numbers(value: Any) -> bool:
    """Return whether `value` is a list of numbers, or of such lists."""
    return isinstance(value, list) and all(is_number(v) or is_numbers(v) for v in value)


def is_texts(value: Any) -> bool:
    """Return whether `value` is a list of texts."""
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


class Table:
    """A TOML table that knows its name; unknown keys raise at once, each getter checks the type.

    Parameters
    ----------
    data : Any
        What the file holds at this place; anything but a table raises.
    name : str
        Dotted name, empty for the top level of the file.
    allowed : collection of str or None
        The keys that may stand in it; None: any.
    """

    def __init__(self, data: Any, name: str, allowed: Any = None) -> None:
        if not isinstance(data, dict):
            msg = f"{name}: got {data!r}; it must be a table, [{name}]"
            raise InputError(msg)
        self.data, self.name = data, name
        for key in data:
            if allowed is not None and key not in allowed:
                where = f"[{name}] has no key {key!r}" if name else f"there is no key or table {key!r} at the top level"
                msg = f"{where}; {nearest(key, allowed)}"
                raise InputError(msg)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def where(self, key: str) -> str:
        """Return how messages name the key."""
        return f"[{self.name}] {key}" if self.name else key

    def wrong(self, key: str, wanted: str) -> InputError:
        """Build the error for a value of the wrong kind."""
        return InputError(f"{self.where(key)}: got {self.data[key]!r}; it must be {wanted}")

    def get(self, key: str, test: Callable[[Any], bool], wanted: str, default: Any = ...) -> Any:
        """Return the value of `key` if it passes `test`; without a default the key must be there."""
        if key not in self.data:
            if default is ...:
                msg = f"[{self.name}] needs the key {key!r}: {wanted}"
                raise InputError(msg)
            return default
        if not test(self.data[key]):
            raise self.wrong(key, wanted)
        return self.data[key]

    def text(self, key: str, default: Any = ...) -> Any:
        """Return a text."""
        return self.get(key, lambda v: isinstance(v, str), "text in quotes", default)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        return self.get(key, lambda v: isinstance(v, bool), "true or false", default)

    def table(self, key: str, allowed: Any = None, *, required: bool = False) -> Table:
        """Return the table `key`; an absent one is empty unless it is required."""
        name = f"{self.name}.{key}" if self.name else key
        if required and key not in self.data:
            msg = f"the table [{name}] is missing; `ntkcont run --help` shows a complete file"
            raise InputError(msg)
        return Table(self.data.get(key, {}), name, allowed)

    def numbers_by_name(self, key: str) -> dict[str, float]:
        """Return the table `key`, which maps names to numbers."""
        table = self.table(key)
        return {name: float(table.get(name, is_number, "a number")) for name in table}

    def array(self, key: str, arrays: Mapping[str, Any]) -> Any:
        """Return a float, an array from a list, or the one of `arrays` that the text names."""
        value = self.data[key]
        if isinstance(value, str):
            if value not in arrays:
                where = self.where(key)
                raise unknown_name(where, value, arrays)
            return arrays[value]
        if is_number(value):
            return float(value)
        if is_numbers(value):
            try:
                return np.array(value, dtype=float)
            except ValueError:  # rows of different lengths
                pass
        raise self.wrong(key, "a number, a list of numbers, or the name of an array in the weights file")
